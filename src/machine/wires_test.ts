// Interrupt wires of random machine files against the plainest reading of them; and what is wrong with a wire, in its exact words.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { ConfigErrors } from "../core/errors.ts";
import { loadConfig } from "./build_graph.ts";
import { type MachineGraph, targetName } from "./machine_graph.ts";
import { memoryFiles, TOYS } from "./testing/toys.ts";

const types = TOYS;
const machine = (harts: number) =>
  `schema = 1
[cpu]
arch = "riscv64"
isa = "rv64gc"
harts = ${harts}
reset = 0
[memory.ram]
at = 0
size = 4096
`;
const load = (text: string): MachineGraph =>
  loadConfig("m.toml", { readFile: memoryFiles({ "m.toml": text }, (p) => new Error(p)), types });
const shown = (g: MachineGraph) =>
  g.edges.map(({ from, to, via, place }) => {
    const source = "device" in from ? `${from.device}.${g.devices.find((d) => d.id === from.device)!.outputs[from.output]}` : "";
    return `${source} -> ${targetName(to)}${via === undefined ? "" : ` via ${via}`} (${place.line})`;
  });

/** Inputs that may be named of each device, and which of them several may drive. */
const CONTROLLERS = `[device.io]
type = "x86.ioapic"
at = 0x10_0000
[device.pins]
type = "gpio"
at = 0x20_0000
[device.row]
type = "gpio"
at = 0x30_0000
count = 2
stride = 0x100
`;
/** Numbers that a fan-out moves, by target. */
const FANS = { fan: [["io", {}]], far: [["io", { 0: 2, 3: 20 }]], both: [["io", { 1: 23 }], ["io", {}]] } as const;
const FANOUTS = `[device.fan]
type = "irq.fanout"
to = ["io:n"]
[device.far]
type = "irq.fanout"
to = ["io:n?0=2,3=20"]
[device.both]
type = "irq.fanout"
to = ["io:n?1=23", "io:n"]
shared = [1]
`;

Deno.test("wires of random machines lead where their texts say: lists, tables, every hart, instances, sums, fan-outs, shared inputs", () => {
  const random = new Random(41), counts = { edges: 0, wrong: 0, via: 0, hart: 0 };
  for (let round = 0; round < 160; round++) {
    const harts = 1 + random.below(3),
      first = random.one(2) ? FANOUTS + CONTROLLERS : CONTROLLERS,
      last = first.startsWith("[device.fan]") ? "" : FANOUTS;
    let text = machine(harts) + first;
    const edges: string[] = [], wrong: string[] = [], driven = new Map<string, [source: string, line: number]>();
    const line = () => text.split("\n").length;
    /** One output's wire; `n` counts instances. */
    const wire = (source: string, shownAs: string, target: string, n: number, at: number, key: string) => {
      let inputs: [input: string, via: string, shared: boolean][] = [];
      const [, device, expression] = /^(\w+(?:\[\d\])?):(.*)$/.exec(target) ?? [], hart = /^cpu([\d*])\.(\w+)$/.exec(target);
      if (target === "") return;
      if (hart) inputs = (hart[1] === "*" ? [...Array(harts).keys()] : [hart[1]]).map((h) => [`cpu${h}.${hart[2]}`, "", false]);
      else if (device in FANS) {
        const number = expression.split("+").reduce((sum, term) => sum + (term.trim() === "n" ? n : Number(term)), 0);
        for (const [to, moved] of FANS[device as keyof typeof FANS]) {
          inputs.push([`${to}:${(moved as Record<number, number>)[number] ?? number}`, ` via ${device}`, true]);
        }
      } else if (device === "io") {
        inputs = [[`io:${expression.split("+").reduce((sum, term) => sum + (term.trim() === "n" ? n : Number(term)), 0)}`, "", true]];
      } else inputs = [[target, "", false]];
      for (const [input, via, shared] of inputs) {
        const other = driven.get(input);
        if (other && !shared) {
          const said = `m.toml:${at}: ${key}: '${input}' is already driven by '${other[0]}'${` (line ${other[1]})`}`;
          if (!wrong.includes(said)) wrong.push(said);
          continue;
        }
        edges.push(`${shownAs} -> ${input}${via} (${at})`);
        if (!other) driven.set(input, [source, at]);
        counts[via ? "via" : hart ? "hart" : "edges"]++;
      }
    };
    const number = () => random.pick(["0", "7", "0x0a", "n", "1+n", "n + 2", "n+n", "0X5"]);
    const target = () =>
      random.pick([
        ...[`io:${number()}`, `io:${number()}`, `fan:${number()}`, `far:${random.below(5)}`, `both:${random.below(3)}`],
        ...["pins:lid", "pins:button", "row[0]:lid", "row[1]:lid", "cpu0.meip", `cpu${harts - 1}.seip`, "cpu*.ssip", ""],
      ]);
    for (let d = 0; d < 4; d++) {
      const at = 0x1000_0000 + d * 0x10_0000, head = `[device.d${d}]\n`;
      switch (random.below(4)) {
        case 0: {
          const to = target();
          text += `${head}type = "gpio"\nat = ${at}\nirq = "${to}"\n`;
          wire(`d${d}`, `d${d}.irq`, to, 0, line() - 1, `device.d${d}.irq`);
          break;
        }
        case 1: {
          const to = target(), count = 1 + random.below(3);
          text += `${head}type = "gpio"\nat = ${at}\ncount = ${count}\nstride = 0x100\nirq = "${to}"\n`;
          for (let n = 0; n < count; n++) wire(`d${d}[${n}]`, `d${d}[${n}].irq`, to, n, line() - 1, `device.d${d}.irq`);
          break;
        }
        case 2: {
          // A list may be shorter, and each output of one hart or another has its own wire.
          const tos = [random.pick(["cpu*.msip", ""]), random.pick(["cpu*.mtip", "cpu*.stip", "io:1*"]), target()].slice(
            0,
            1 + random.below(3),
          );
          text += `${head}type = "per.hart"\nat = ${at}\nirq = [${tos.map((t) => `"${t}"`).join(", ")}]\n`;
          tos.forEach((to, i) => {
            const key = `device.d${d}.irq[${i}]`, name = ["cpu*.msip", "cpu*.mtip", "nmi"][i];
            if (i === 2 || to === "") return wire(`d${d}`, `d${d}.${name}`, to, 0, line() - 1, key);
            for (let h = 0; h < harts; h++) {
              wire(`d${d}`, `d${d}.${name.replace("*", `${h}`)}`, to.replace("*", `${h}`), 0, line() - 1, key);
            }
          });
          break;
        }
        default: {
          const tos = [target(), target()].filter((t) => t !== ""), one = target();
          text += `${head}type = "i8042"\nio = []\n`.replace("io = []\n", "").replace("i8042", "per.hart") +
            `at = ${at}\nirq = { nmi = [${tos.map((t) => `"${t}"`).join(", ")}], "cpu*.msip" = "${one.includes("*") ? one : ""}" }\n`;
          tos.forEach((to, i) => wire(`d${d}`, `d${d}.nmi`, to, 0, line() - 1, `device.d${d}.irq.nmi[${i}]`));
          if (one.includes("*")) {
            for (let h = 0; h < harts; h++) {
              wire(`d${d}`, `d${d}.cpu${h}.msip`, one.replace("*", `${h}`), 0, line() - 1, `device.d${d}.irq."cpu*.msip"`);
            }
          }
        }
      }
    }
    text += last;
    if (wrong.length) {
      counts.wrong++;
      const said = assertThrows(() => load(text), ConfigErrors).message;
      assertEquals(said.split("\n").sort(), wrong.sort(), text);
    } else assertEquals(shown(load(text)), edges, text);
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 20, `${what}: ${n}`);
});

Deno.test("what is wrong with a wire is said in its words, once, and what follows from another mistake is not said", () => {
  const gpio = (irq: string, more = "") =>
    `${machine(2)}${CONTROLLERS}${FANOUTS}[device.d]\ntype = "gpio"\nat = 0x100_0000\nirq = ${irq}\n${more}`;
  const at = gpio("").split("\n").length - 1, here = `m.toml:${at}: device.d.irq: `;
  const rows: [text: string, message: string | undefined][] = [
    [gpio('"io:23"'), undefined],
    [gpio('"io:24"'), `${here}'io' has inputs from 0 to 23, got 24`],
    [gpio('"io:-1"'), `${here}'io' has numbered inputs from 0 to 23, got '-1'`],
    [gpio('"io:1.5"'), `${here}'io' has numbered inputs from 0 to 23, got '1.5'`],
    [gpio('"io:lid"'), `${here}'io' has numbered inputs from 0 to 23, got 'lid'`],
    [gpio('"io:m+1"'), `${here}'io' has numbered inputs from 0 to 23, got 'm+1'`],
    [gpio('"pins:1"'), `${here}'pins' has no input '1'; known: button, lid`],
    [gpio('"pins:lib"'), `${here}'pins' has no input 'lib' (did you mean 'lid'?)`],
    [gpio('"fan:lid"'), `${here}'fan' has numbered inputs, got 'lid'`],
    [gpio('"fan:24"'), `${here}'io' has inputs from 0 to 23, got 24 (through 'fan')`],
    [gpio('"far:3"'), undefined],
    [gpio('"fam:3"'), `${here}no device 'fam' (did you mean 'fan'?)`],
    [gpio('"pims:lid"'), `${here}no device 'pims' (did you mean 'pins'?)`],
    [gpio('"row:lid"'), `${here}there are 2 of 'row': name one as 'row[0]'`],
    [gpio('"row[2]:lid"'), `${here}no device 'row[2]' (did you mean 'row[0]'?)`],
    [gpio('"cpu1.seip"'), undefined],
    [gpio('"cpu2.seip"'), `${here}there is no cpu2: the last is cpu1`],
    [gpio('"cpu0.xxxxxx"'), `${here}a CPU has no input 'xxxxxx'; known: ssip, msip, stip, mtip, seip, meip`],
    [gpio('"cpu*.toString"'), `${here}a CPU has no input 'toString'; known: ssip, msip, stip, mtip, seip, meip`],
    [gpio('"cpu.seip"'), `${here}must be an input like "plic:10" or "cpu0.intr", got "cpu.seip"`],
    [gpio('"io:"'), `${here}must be an input like "plic:10" or "cpu0.intr", got "io:"`],
    [gpio('["io:1"]'), undefined],
    [gpio('["io:1", "io:2"]'), `${here}must have at most 1 entries (irq), got 2`],
    [gpio('{ irq = "io:1" }'), undefined],
    [gpio('{ xxxxxx = "io:1" }'), `m.toml:${at}: device.d.irq.xxxxxx: unknown output 'xxxxxx'; known: irq`],
    // A device that is faulty itself is known by its name.
    [
      gpio('"e:lid"', '[device.e]\ntype = "gpio"\nat = "x"\n'),
      `m.toml:${at + 3}: device.e.at: must be an address or a list of addresses, got "x"`,
    ],
    [
      gpio('"f:1"', '[device.f]\ntype = "irq.fanout"\nto = 3\n'),
      `m.toml:${
        at + 3
      }: device.f.to: must be a list, each a text like "pic:n" or "ioapic:n?0=2" (0 goes to 2, all others to their own number), got 3`,
    ],
    // A fan-out to what is not there is told of at the fan-out, however many use it.
    [
      gpio('"f:1"', '[device.f]\ntype = "irq.fanout"\nto = ["oi:n"]\n'),
      `m.toml:${at + 3}: device.f.to[0]: no device 'oi' (did you mean 'io'?)`,
    ],
  ];
  for (const [text, message] of rows) {
    let said: string | undefined;
    try {
      load(text);
    } catch (e) {
      said = (e as Error).message;
    }
    assertEquals(said, message, text.slice(machine(2).length + CONTROLLERS.length + FANOUTS.length));
  }
});

Deno.test("a fan-out's shared inputs take several outputs where its target takes one each, and no others do", () => {
  const pic = `${
    machine(1).replace(/arch.*\nisa.*\nharts.*\nreset.*/, 'arch = "x86_64"')
  }[device.pic]\ntype = "i8259.pair"\nio = [0x20, 0xa0]\n`;
  const fan = `[device.isa]\ntype = "irq.fanout"\nto = ["pic:n?4=5"]\nshared = [4, 6]\n`;
  const two = (a: string, b: string) =>
    `${pic}${fan}` + [a, b].map((to, i) => `[device.d${i}]\ntype = "gpio"\nio = ${0x300 + 16 * i}\nirq = "${to}"\n`).join("");
  const edges = (text: string) => shown(load(text)).map((e) => e.replace(/ \(.*/, ""));
  assertEquals(edges(two("isa:4", "isa:4")), ["d0.irq -> pic:5 via isa", "d1.irq -> pic:5 via isa"]);
  assertEquals(edges(two("isa:6", "isa:6")), ["d0.irq -> pic:6 via isa", "d1.irq -> pic:6 via isa"]);
  assertEquals(edges(two("pic:5", "isa:4")), ["d0.irq -> pic:5", "d1.irq -> pic:5 via isa"]);
  // Whoever came first is named, whoever shared the input since.
  const third = `${two("pic:5", "isa:4")}[device.d2]\ntype = "gpio"\nio = 0x400\nirq = "pic:5"\n`;
  const last = assertThrows(() => load(third), ConfigErrors).message;
  assert(last.endsWith("device.d2.irq: 'pic:5' is already driven by 'd0' (line 17)"), last);
  for (const [a, b, input] of [["isa:5", "isa:5", "pic:5"], ["isa:4", "isa:5", "pic:5"], ["isa:6", "pic:6", "pic:6"]]) {
    const said = assertThrows(() => load(two(a, b)), ConfigErrors).message;
    assert(said.endsWith(`device.d1.irq: '${input}' is already driven by 'd0' (line 17)`), said);
  }
});
