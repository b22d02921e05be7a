// The device tree: read back, through dtc, and node by node against QEMU's.
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { withChosen } from "./dtb.ts";
import { buildFdt, type FdtOptions, printFdt } from "./fdt.ts";
import { splitIsa } from "../riscv/isa_string.ts";
import { loadConfig } from "./build_graph.ts";
import type { MachineGraph } from "./machine_graph.ts";
import { TOYS } from "./testing/toys.ts";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { defineDevice } from "../core/device.ts";

await loadDevices();

const machines = new URL("../../machines/", import.meta.url).pathname;
const load = (file: string, set: Record<string, unknown> = {}): MachineGraph =>
  loadConfig(machines + file, { readFile: (path) => Deno.readFileSync(path), set });

/** "path property" -> value, from DTS text. */
function flat(dts: string): Map<string, string> {
  const out = new Map<string, string>(), path: string[] = [];
  for (const line of dts.split("\n").map((l) => l.trim())) {
    if (line.endsWith("{")) path.push(line === "/ {" ? "" : line.slice(0, -2));
    else if (line === "};") path.pop();
    else if (path.length && line) {
      const [, name, value] = /^(\S+?)(?: = (.*))?;$/.exec(line)!;
      out.set(`${path.join("/") || "/"} ${name}`, value ?? "");
    }
  }
  return out;
}

/** Runs a program; undefined when it is not installed. */
function run(command: string, args: string[], stdin?: Uint8Array): Uint8Array | undefined {
  const file = Deno.makeTempFileSync();
  try {
    if (stdin) Deno.writeFileSync(file, stdin);
    const r = new Deno.Command(command, { args: args.map((a) => a === "STDIN" ? file : a), stderr: "null" }).outputSync();
    assert(r.success, `${command} ${args.join(" ")} failed`);
    return r.stdout;
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
    console.log(`skipped: ${command} is not installed`);
    return undefined;
  } finally {
    Deno.removeSync(file);
  }
}

const EXTRA: FdtOptions = { bootargs: "console=ttyS0 quiet", initrd: [0x8400_0000, 0x8410_0001] };

Deno.test("what a run adds is under /chosen", () => {
  const tree = flat(printFdt(buildFdt(load("virt.toml"), EXTRA)));
  assertEquals(tree.get("/chosen bootargs"), '"console=ttyS0 quiet"');
  assertEquals(tree.get("/chosen linux,initrd-start"), "<0x0 0x84000000>");
  assertEquals(tree.get("/chosen linux,initrd-end"), "<0x0 0x84100001>");
  assertEquals(tree.get("/chosen stdout-path"), '"/soc/serial@10000000"');
  assert(!flat(printFdt(buildFdt(load("virt.toml")))).has("/chosen bootargs"));
});

Deno.test("the seed decides the rng-seed, and nothing else does", () => {
  const seed = (set: Record<string, unknown>) => flat(printFdt(buildFdt(load("virt.toml", set)))).get("/chosen rng-seed");
  assertEquals(seed({ harts: 4 }), seed({}));
  assert(seed({ seed: 1 }) !== seed({}));
});

Deno.test("cpus: one node for each hart, with what its ISA says", () => {
  const tree = flat(printFdt(buildFdt(load("virt.toml", { harts: 3, "cpu.isa": "rv64gc_zicboz", "cpu.mmu": "bare" }))));
  assertEquals([...tree.keys()].filter((k) => /cpu@\d device_type/.test(k)).length, 3);
  assertEquals(tree.get("/cpus/cpu@2 reg"), "<0x2>");
  assertEquals(tree.get("/cpus/cpu@2 riscv,isa-base"), '"rv64i"');
  assertEquals(tree.get("/cpus/cpu@2 riscv,isa"), '"rv64imafdc_zicsr_zifencei_zicboz"');
  assertEquals(tree.get("/cpus/cpu@2 mmu-type"), '"riscv,none"');
  assertEquals(tree.get("/cpus/cpu@2 riscv,cboz-block-size"), "<0x40>");
  assert(!tree.has("/cpus/cpu@2 riscv,cbom-block-size"));
  assertEquals(splitIsa("rv32gc_zba_zicsr")!.names, ["i", "m", "a", "f", "d", "c", "zicsr", "zifencei", "zba"]);
  assertEquals(splitIsa("rv32ima")!.names, ["i", "m", "a"]);
});

Deno.test("RAM of 4 GiB and more needs both cells", () => {
  const tree = flat(printFdt(buildFdt(load("virt.toml", { memory: "6GiB", "memory.dram.gap": "0xc000_0000..4GiB" }))));
  assertEquals(tree.get("/memory@80000000 reg"), "<0x0 0x80000000 0x0 0x40000000>");
  assertEquals(tree.get("/memory@100000000 reg"), "<0x1 0x0 0x1 0x40000000>");
});

Deno.test("interrupts: absent outputs keep their place, controllers with two cells get a flag, several parents are listed", () => {
  const types = {
    ...DEVICES,
    gic: defineDevice({
      ...TOYS["x86.ioapic"],
      windows: () => [{ bus: "mem", name: "regs", length: 16 }],
      fdt: () => ({ "interrupt-controller": true, "#interrupt-cells": 2 }),
    }),
    two: defineDevice({ ...TOYS.i8042, windows: () => [], fdt: () => ({ compatible: "two" }) }),
  };
  const g = loadConfig("m.toml", {
    types,
    readFile: () =>
      new TextEncoder().encode(`schema = 1
[cpu]
arch = "riscv64"
isa = "rv64gc"
reset = 0
[memory.ram]
at = 0
size = 4096
[device.plic]
type = "riscv.plic"
at = 0xc00_0000
irq = ["", "cpu*.seip"]
[device.gic]
type = "gic"
at = 0x1_0000
[device.one]
type = "two"
irq = { keyboard = "gic:3" }
[device.two]
type = "two"
irq = ["gic:4", "plic:5"]
[device.three]
type = "two"
`),
  });
  const tree = flat(printFdt(buildFdt(g, { types })));
  const handle = (node: string) => tree.get(`/soc/${node} phandle`)!.slice(1, -1);
  assertEquals(tree.get("/soc/plic@c000000 interrupts-extended"), "<0xffffffff 0x2 0x9>");
  assertEquals(tree.get("/soc/one interrupts"), "<0x3 0x4>");
  assertEquals(tree.get("/soc/one interrupt-parent"), `<${handle("gic@10000")}>`);
  assertEquals(tree.get("/soc/two interrupts-extended"), `<${handle("gic@10000")} 0x4 0x4 ${handle("plic@c000000")} 0x5>`);
  assert(![...tree.keys()].some((k) => k.startsWith("/soc/three interrupt")));
});

Deno.test("printFdt: bytes, an empty string, text that looks like cells", () => {
  const types = {
    ...DEVICES,
    odd: defineDevice({
      ...TOYS.keys,
      fdt: () => ({ three: Uint8Array.of(1, 2, 255), none: "", word: 0x61626300, mac: new Uint8Array(6), text: "abc", quoted: 'say "x"' }),
    }),
  };
  const text =
    `schema = 1\n[cpu]\narch = "riscv64"\nisa = "rv64i"\nreset = 0\n[memory.r]\nat = 0\nsize = 4096\n[device.odd1]\ntype = "odd"\n`;
  const g = loadConfig("m.toml", { types, readFile: () => new TextEncoder().encode(text) });
  const printed = printFdt(buildFdt(g, { types })), tree = flat(printed);
  assertEquals(tree.get("/soc/odd three"), "[01 02 ff]");
  assertEquals(tree.get("/soc/odd mac"), "[00 00 00 00 00 00]");
  assertEquals(tree.get("/soc/odd none"), "[00]");
  assertEquals(tree.get("/soc/odd word"), '"abc"'); // a DTB does not tell a cell from four characters
  assertEquals([tree.get("/soc/odd text"), tree.get("/soc/odd quoted")], ['"abc"', '"say \\"x\\""']);
  // Blank lines stand between properties and nodes, not at the start of a node.
  assert(printed.startsWith("/dts-v1/;\n\n/ {\n\t#address-cells = <0x2>;\n"), printed.slice(0, 60));
});

Deno.test("a DTB is aligned, padded with zeros, and reserves nothing", () => {
  const bytes = buildFdt(load("virt.toml"), EXTRA), view = new DataView(bytes.buffer);
  const [total, struct, strings, reserved, , , , stringBytes, structBytes] = Array.from({ length: 9 }, (_, i) => view.getUint32(4 + 4 * i));
  assertEquals([total % 8, struct % 4, reserved % 8, bytes.length], [0, 0, 0, total]);
  assertEquals([...bytes.subarray(reserved, reserved + 16)], new Array(16).fill(0));
  assertEquals([strings, strings + stringBytes <= total], [struct + structBytes, true]);
  // "cpus" and its end are 5 bytes: three zeros follow.
  const at = new TextDecoder("latin1").decode(bytes).indexOf("\x00\x00\x00\x01cpus\x00");
  assertEquals([...bytes.subarray(at + 8, at + 12)], [0, 0, 0, 0]);
});

Deno.test("printFdt skips NOP and names a token that is none", () => {
  const bytes = buildFdt(load("virt.toml")), view = new DataView(bytes.buffer), end = view.getUint32(8) + view.getUint32(36) - 4;
  view.setUint32(end, 7);
  assertThrows(() => printFdt(bytes), Error, `token 7 at byte ${end}`);
  // A tree of its own: NOP, a root without a name, NOP, its end.
  const small = new Uint8Array(64), v = new DataView(small.buffer);
  [0xd00d_feed, 64, 40, 64, 0, 17, 16, 0, 0, 24, 4, 1, 0, 4, 2, 9].forEach((word, i) => v.setUint32(4 * i, word));
  assertEquals(printFdt(small), "/dts-v1/;\n\n/ {\n};\n");
});

Deno.test("printFdt refuses what is no device tree", () => {
  assertThrows(() => printFdt(new Uint8Array(64)), Error, "magic number");
  assertThrows(() => printFdt(new Uint8Array(4)), Error, "magic number");
  const newer = buildFdt(load("virt.toml"));
  new DataView(newer.buffer).setUint32(24, 18);
  assertThrows(() => printFdt(newer), Error, "newer");
});

Deno.test("dtc reads our bytes without a warning, and our text as the same tree", () => {
  for (const file of ["virt.toml", "virt32.toml"]) {
    const bytes = buildFdt(load(file, { harts: 2 }), EXTRA);
    const sorted = (args: string[], data: Uint8Array) => run("dtc", ["-s", "-O", "dtb", ...args, "STDIN"], data);
    const fromBytes = sorted(["-I", "dtb", "-E", "interrupt_provider", "-E", "reg_format", "-E", "interrupts_extended_property"], bytes);
    if (!fromBytes) return;
    assertEquals(sorted(["-I", "dts"], new TextEncoder().encode(printFdt(bytes))), fromBytes);
  }
});

/** Properties whose value differs from QEMU 7.2's, and why. */
const DIFFERENT: Record<string, string> = {
  "riscv,isa": "another list of extensions",
  "riscv,isa-base": "newer than QEMU 7.2",
  "riscv,isa-extensions": "newer than QEMU 7.2",
  "mmu-type": "Sv57 instead of Sv48",
  "riscv,cbom-block-size": "QEMU's default CPU has no Zicbom",
  "riscv,cboz-block-size": "QEMU's default CPU has no Zicboz",
  "rng-seed": "made from the machine's seed",
  "riscv,ndev": "QEMU 7.2 counts the reserved source 0",
  "/soc/serial@10000000 reg": "QEMU reserves 256 bytes for the 8 registers",
  "/cpus/cpu@0/interrupt-controller #address-cells": "a controller without children says so",
};

Deno.test("every property that QEMU's virt board has too has the same value", () => {
  const file = Deno.makeTempFileSync();
  try {
    for (const harts of [1, 4]) {
      const args = ["-M", `virt,dumpdtb=${file}`, "-smp", String(harts), "-m", "256M", "-display", "none"];
      if (!run("qemu-system-riscv64", args)) return;
      const [qemu, ours] = [Deno.readFileSync(file), buildFdt(load("virt.toml", { harts, memory: "256MiB" }))].map((b) =>
        named(flat(printFdt(b)))
      );
      let same = 0;
      for (const [key, value] of ours) {
        // Every hart is like the first.
        const property = key.split(" ")[1], known = [property, key.replace(/cpu@\d+/, "cpu@0")].find((k) => k in DIFFERENT);
        if (property === "phandle") continue;
        if (known) assert(value !== qemu.get(key), `${key} is listed as different and is the same`);
        else assertEquals(`${key} = ${value}`, `${key} = ${qemu.get(key)}`), same++;
      }
      assert(same > 40, `only ${same} properties compared`);
      const missing = [...qemu.keys()].filter((k) => !ours.has(k) && !/^\/(pmu|fw-cfg|flash|platform-bus|soc\/pci)/.test(k));
      assertEquals(missing, []);
    }
  } finally {
    Deno.removeSync(file);
  }
});

/** The tree with phandles replaced by the path of the node that has them: their numbers carry no meaning. */
function named(tree: Map<string, string>): Map<string, string> {
  const paths = new Map([...tree].filter(([k]) => k.endsWith(" phandle")).map(([k, v]) => [v.slice(1, -1), k.split(" ")[0]]));
  const name = (cell: string) => paths.get(cell) ?? cell;
  return new Map([...tree].map(([key, value]) => {
    const property = key.split(" ")[1], cells = value.slice(1, -1).split(" ");
    if (["interrupt-parent", "regmap", "cpu"].includes(property)) return [key, name(cells[0])];
    if (property === "interrupts-extended") return [key, cells.map((c, i) => i % 2 ? c : name(c)).join(" ")];
    return [key, value];
  }));
}

Deno.test("a device is compatible with what the machine file says", () => {
  const compatible = (v: unknown) =>
    flat(printFdt(buildFdt(load("virt.toml", { "device.uart0.compatible": v })))).get("/soc/serial@10000000 compatible");
  assertEquals(compatible("snps,dw-apb-uart"), '"snps,dw-apb-uart"');
  assertEquals(compatible(["allwinner,sun20i-d1-uart", "snps,dw-apb-uart"]), '"allwinner,sun20i-d1-uart", "snps,dw-apb-uart"');
});

Deno.test("a device tree of the user's own gets command line and initial RAM disk, and keeps the rest", () => {
  const own = (options: FdtOptions) => buildFdt(load("virt32.toml"), options),
    lines = (bytes: Uint8Array) => [...flat(printFdt(bytes))].sort();
  // What it says itself is replaced, what it does not say is added, the rest stays.
  for (const before of [{}, EXTRA, { bootargs: "x" }]) {
    assertEquals(lines(withChosen(own(before), "x.dtb", EXTRA)), lines(own(EXTRA)));
    assertEquals(lines(withChosen(own(before), "x.dtb", {})), lines(own(before)));
  }
  // The reservations stay; there may be no /chosen yet.
  const dts = run(
    "dtc",
    ["-q", "-O", "dtb", "STDIN"],
    new TextEncoder().encode("/dts-v1/;\n/memreserve/ 0x1000 0x2000;\n/ { a = <1>; n { }; };"),
  );
  if (!dts) return;
  const patched = withChosen(dts, "x.dtb", EXTRA), again = new TextDecoder().decode(run("dtc", ["-q", "-I", "dtb", "STDIN"], patched));
  for (
    const part of [/memreserve\/\s+0x0*1000 0x0*2000/, /bootargs = "console=ttyS0 quiet"/, /linux,initrd-end = <0x0*0 0x84100001>/, /n {/]
  ) assertMatch(again, part);
  const rows: [Uint8Array, string][] = [
    [new Uint8Array(3), "x.dtb: must be a device tree blob (.dtb), as dtc makes it: its magic number is missing"],
    [dts.slice(0, 60), "x.dtb: truncated device tree"],
    [
      new TextEncoder().encode("/dts-v1/;".padEnd(50)),
      "x.dtb: must be a device tree blob (.dtb), as dtc makes it: its magic number is missing",
    ],
  ];
  for (const [bytes, message] of rows) assertThrows(() => withChosen(bytes, "x.dtb", EXTRA), ConfigError, message);
});
