// Device trees byte by byte: a reader of our own (Devicetree Specification v0.4, section 5) against what follows from the graph, for shipped and for
// random machines; and what is put into a user's own tree.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { type AnyDeviceType, defineDevice, type FdtProperties } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { splitIsa } from "../riscv/isa_string.ts";
import type { RiscvCpu } from "./riscv/descriptor.ts";
import { loadConfig } from "./build_graph.ts";
import { withChosen } from "./dtb.ts";
import { buildFdt, type FdtOptions, printFdt } from "./fdt.ts";
import type { MachineGraph } from "./machine_graph.ts";
import { TOYS } from "./testing/toys.ts";

await loadDevices();

interface Node {
  readonly name: string;
  readonly properties: [name: string, value: string][];
  readonly children: Node[];
}
interface Tree {
  readonly root: Node;
  readonly bootCpu: number;
  readonly reserved: readonly bigint[];
}

const hexOf = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");

/** Reads a tree and holds it against every rule of section 5; values come as hexadecimal digits. */
function readTree(bytes: Uint8Array): Tree {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), word = (at: number) => view.getUint32(at);
  const [magic, total, struct, strings, reservedAt, version, oldest, bootCpu, stringsSize, structSize] = [...Array(10).keys()].map((i) =>
    word(4 * i)
  );
  assertEquals([magic, total, version, oldest, struct % 4, reservedAt % 8], [0xd00d_feed, bytes.length, 17, 16, 0, 0]);
  assert(
    reservedAt >= 40 && struct >= reservedAt + 16 && strings >= struct + structSize && strings + stringsSize <= total,
    "blocks in order",
  );
  const reserved: bigint[] = [];
  let at = reservedAt;
  for (;; at += 16) {
    const pair = [view.getBigUint64(at), view.getBigUint64(at + 8)];
    if (pair.every((n) => n === 0n)) break;
    reserved.push(...pair);
  }
  assert(at + 16 <= struct, "the reservations end before the structure");
  const zeros = (from: number, to: number) => assert(bytes.subarray(from, to).every((b) => b === 0), `zeros from ${from} to ${to}`);
  const text = (from: number, end: number) => {
    const to = bytes.indexOf(0, from);
    assert(to >= from && to < end, `a text at ${from} ends`);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(from, to));
  };
  const end = struct + structSize, stack: Node[] = [];
  let root: Node | undefined;
  at = struct;
  const align = () => {
    const to = Math.ceil(at / 4) * 4;
    zeros(at, to);
    at = to;
  };
  for (let token = 0; token !== 9;) {
    assert(at + 4 <= end, "it ends with a token");
    token = word(at);
    at += 4;
    if (token === 1) {
      const name = text(at, end), node: Node = { name, properties: [], children: [] };
      at += new TextEncoder().encode(name).length + 1;
      align();
      assert(root === undefined ? name === "" : stack.length > 0, "one root, which has no name");
      root ??= node;
      stack.at(-1)?.children.push(node);
      stack.push(node);
    } else if (token === 2) assert(stack.pop(), "a node ends that began");
    else if (token === 3) {
      const length = word(at), name = text(strings + word(at + 4), strings + stringsSize), node = stack.at(-1)!;
      assert(word(at + 4) < stringsSize, "the name is in its block");
      at += 8;
      assertEquals(node.children.length, 0, "properties stand before children");
      assert(!node.properties.some(([n]) => n === name), `${name} stands there once`);
      node.properties.push([name, hexOf(bytes.subarray(at, at + length))]);
      at += length;
      align();
    } else assert(token === 9 || token === 4, `token ${token}`);
  }
  assertEquals([at, stack.length], [end, 0]);
  zeros(strings + stringsSize, total);
  return { root: root!, bootCpu, reserved };
}

/** A value in hexadecimal digits (2.2.4): a text with its zero, a word, several of these, bytes, or nothing. */
function valueOf(value: FdtProperties[string]): string {
  if (value === true) return "";
  if (value instanceof Uint8Array) return hexOf(value);
  if (typeof value === "string") return hexOf(new TextEncoder().encode(`${value}\0`));
  if (typeof value === "number") return value.toString(16).padStart(8, "0");
  return (value as readonly (string | number)[]).map((v) => valueOf(v)).join("");
}
const long = (n: number) => BigInt(n).toString(16).padStart(16, "0");
const cells = (...n: number[]) => n.map((c) => c.toString(16).padStart(8, "0")).join("");
const node = (name: string, properties: FdtProperties, ...children: Node[]): Node => ({
  name,
  properties: Object.entries(properties).map(([n, v]) => [n, valueOf(v)]),
  children,
});
const add = (n: Node, name: string, value: string | undefined) => value !== undefined && n.properties.push([name, value]);

/** splitmix32 (G. Steele and others, "Fast Splittable Pseudorandom Number Generators", with 32 bits), a byte of each number. */
function randomBytes(seed: number, length: number): string {
  const low = (n: bigint) => n & 0xffff_ffffn;
  let state = low(BigInt(seed)), out = "";
  for (let i = 0; i < length; i++) {
    state = low(state + 0x9e37_79b9n);
    let x = state;
    x = low((x ^ x >> 16n) * 0x21f0_aaadn);
    x = low((x ^ x >> 15n) * 0x735a_2d97n);
    out += (x ^ x >> 15n).toString(16).padStart(8, "0").slice(-2);
  }
  return out;
}

/** The tree of a graph, by the specification and the bindings. */
function treeOf(graph: MachineGraph, options: FdtOptions, types: Readonly<Record<string, AnyDeviceType>>): Tree {
  const cpu = graph.cpu as RiscvCpu, harts = [...Array(cpu.harts).keys()], described = graph.devices.filter((d) => types[d.type].fdt);
  // Phandles: of each hart its own and its controller's, then of devices that something refers to.
  const handles = new Map<string, number>();
  for (const d of described) {
    const properties = types[d.type].fdt!(d.config);
    if ("interrupt-controller" in properties || types[d.type].fdtExtra) handles.set(d.id, 2 * cpu.harts + handles.size + 1);
  }
  const names = new Map(described.map((d) => {
    const mem = d.windows.find((w) => w.bus === "mem"), plain = types[d.type].fdtName ?? d.id.replace(/\[\d+\]$|\d+$/, "");
    return [d.id, mem ? `${plain}@${mem.base.toString(16)}` : plain];
  }));
  const chosen = node("chosen", {}), first = described.find((d) => d.console);
  if (options.bootargs) add(chosen, "bootargs", valueOf(options.bootargs));
  if (first) add(chosen, "stdout-path", valueOf(`/soc/${names.get(first.id)}`));
  add(chosen, "rng-seed", randomBytes(graph.seed, 32));
  if (options.initrd) add(chosen, "linux,initrd-start", long(options.initrd[0])), add(chosen, "linux,initrd-end", long(options.initrd[1]));
  const memories = graph.memories.filter((m) => m.kind === "ram").flatMap((m) => m.segments).map(({ base, length }) => {
    const n = node(`memory@${base.toString(16)}`, { device_type: "memory" });
    add(n, "reg", long(base) + long(length));
    return n;
  });
  const base = cpu.isa.slice(0, 4), extensions = splitIsa(cpu.isa)!.names, single = extensions.filter((e) => e.length === 1);
  const isa = base + single.join("") + extensions.filter((e) => e.length > 1).map((e) => `_${e}`).join("");
  const cpus = node(
    "cpus",
    { "#address-cells": 1, "#size-cells": 0, "timebase-frequency": graph.clock.timebase_hz! },
    ...harts.map((h) =>
      node(
        `cpu@${h.toString(16)}`,
        {
          ...{ device_type: "cpu", reg: h, status: "okay", compatible: "riscv", "riscv,isa": isa, "riscv,isa-base": `${base}i` },
          ...{ "riscv,isa-extensions": extensions, "mmu-type": `riscv,${cpu.mmu === "bare" ? "none" : cpu.mmu}` },
          ...Object.fromEntries(
            ["m", "p", "z"].filter((o) => extensions.includes(`zicbo${o}`)).map((o) => [`riscv,cbo${o}-block-size`, 64]),
          ),
          phandle: 2 * h + 1,
        },
        node("interrupt-controller", {
          ...{ "#address-cells": 0, "#interrupt-cells": 1, "interrupt-controller": true, compatible: "riscv,cpu-intc", phandle: 2 * h + 2 },
        }),
      )
    ),
    node("cpu-map", {}, node("cluster0", {}, ...harts.map((h) => node(`core${h}`, { cpu: 2 * h + 1 })))),
  );
  // Local interrupts: privileged 20240411, table 14.
  const LOCAL: Record<string, number> = { ssip: 1, msip: 3, stip: 5, mtip: 7, seip: 9, meip: 11 };
  const soc = node(
    "soc",
    { "#address-cells": 2, "#size-cells": 2, compatible: "simple-bus", ranges: true },
    ...described.map((d) => {
      const own = types[d.type].fdt!(d.config), n = node(names.get(d.id)!, d.compatible ? { ...own, compatible: d.compatible } : own);
      const reg = d.windows.filter((w) => w.bus === "mem").map((w) => long(w.base) + long(w.length)).join("");
      if (reg) add(n, "reg", reg);
      // Of each output what it leads to that the tree can name: a hart's input, or a number at a controller with a node.
      const leads = d.outputs.map((_, output) =>
        graph.edges.filter(({ from }) => "device" in from && from.device === d.id && from.output === output).flatMap(({ to }) => {
          if ("hart" in to) return [{ parent: 2 * to.hart + 2, specifier: [LOCAL[to.input]], hart: true }];
          const parent = handles.get(to.device), controller = described.find((c) => c.id === to.device);
          if (parent === undefined || !/^\d+$/.test(to.input)) return [];
          const flags = types[controller!.type].fdt!(controller!.config)["#interrupt-cells"] === 2 ? [4] : [];
          return [{ parent, specifier: [Number(to.input), ...flags], hart: false }];
        })
      );
      while (leads.length && !leads.at(-1)!.length) leads.pop();
      const all = leads.flat(), plain = leads.every((l) => l.length) && all.every((l) => !l.hart && l.parent === all[0].parent);
      if (all.length && plain) {
        add(n, "interrupt-parent", cells(all[0].parent));
        add(n, "interrupts", cells(...all.flatMap((l) => l.specifier)));
      } else if (all.length) {
        const listed = leads.flatMap((l) => l.length ? l.flatMap(({ parent, specifier }) => [parent, ...specifier]) : [0xffff_ffff]);
        add(n, "interrupts-extended", cells(...listed));
      }
      if (handles.has(d.id)) add(n, "phandle", cells(handles.get(d.id)!));
      return n;
    }),
  );
  const extra = described.flatMap((d) =>
    Object.entries(types[d.type].fdtExtra?.(d.config, handles.get(d.id)!) ?? {}).map(([n, p]) => node(n, p))
  );
  const top = { "#address-cells": 2, "#size-cells": 2, compatible: graph.compatible, model: graph.model };
  return { root: node("", top, chosen, ...memories, cpus, soc, ...extra), bootCpu: 0, reserved: [] };
}

const machines = new URL("../../machines/", import.meta.url).pathname;
const MORE: FdtOptions = { bootargs: "console=ttyS0 é", initrd: [0x1_8400_0000, 0x1_8410_0001] };

Deno.test("the trees of the shipped RISC-V machines are what their graphs say, with 1 to 64 harts", () => {
  for (const file of ["virt.toml", "virt32.toml"]) {
    for (const [harts, options] of [[1, {}], [17, MORE], [64, {}]] as const) {
      const graph = loadConfig(machines + file, {
        readFile: (path) => Deno.readFileSync(path),
        set: { harts, seed: harts * 0x1234_5678 % 99999 },
      });
      assertEquals(readTree(buildFdt(graph, options)), treeOf(graph, options, DEVICES), `${file}, ${harts} harts`);
    }
  }
});

/** Types whose nodes have all that there may be in one. */
const TYPES: Readonly<Record<string, AnyDeviceType>> = {
  ...DEVICES,
  gpio: TOYS.gpio,
  "per.hart": defineDevice({ ...TOYS["per.hart"], fdt: () => ({ compatible: "per,hart" }) }),
  gic: defineDevice({
    ...TOYS["x86.ioapic"],
    type: "gic",
    windows: () => [{ bus: "mem", name: "a", length: 0x1000 }, { bus: "mem", name: "b", length: 0x1_0000 }],
    fdt: () => ({ "interrupt-controller": true, "#interrupt-cells": 2 }),
  }),
  // It takes numbers and cannot be named.
  mute: defineDevice({ ...TOYS["x86.ioapic"], type: "mute", fdt: () => ({ none: "" }) }),
  four: defineDevice({
    ...TOYS.gpio,
    type: "four",
    outputs: () => ["a", "b", "c", "d"],
    char: true,
    fdt: () => ({
      compatible: ["x,four", "y"],
      "mac,address": Uint8Array.of(1, 2, 255),
      flag: true,
      list: [1, 2 ** 32 - 1, 3],
      big: 0xffff_ffff,
    }),
  }),
};

Deno.test("so are those of random machines: memories, devices, interrupts of every way", () => {
  const random = new Random(21), counts = { loaded: 0, plain: 0, extended: 0, absent: 0, harts: 0, big: 0 };
  for (let round = 0; round < 90; round++) {
    const bits = random.pick([32, 64]),
      harts = 1 + random.below(4),
      lines = [
        `schema = 1\nname = "m${round}"\nseed = ${random.bits()}\ncompatible = ["a,b", "c"]`,
        `[cpu]\narch = "riscv${bits}"\nharts = ${harts}\nreset = 0`,
        `isa = "rv${bits}${random.pick(["gc", "i", "imac_zicbom_zicboz", "ima_zicbop_zba", "gc_sstc_zicbom_zicbop_zicboz"])}"`,
        random.one(2) ? `mmu = "${bits === 32 ? random.pick(["bare", "sv32"]) : random.pick(["bare", "sv39", "sv48", "sv57"])}"` : "",
        `[clock]\ntimebase_hz = ${1 + random.below(1e9)}`,
        `[memory.low]\nat = 0\nsize = "1MiB"\nholes = ["64KiB..${random.pick(["68KiB", "1MiB"])}"]`,
        `[memory.rom]\nat = 0x10_0000\nsize = 4096\nkind = "rom"`,
        bits === 64 && random.one(2)
          ? `[memory.high]\nat = 0xffff_0000\nsize = "${1 + random.below(9)}GiB"\nfill = "zero"\ngap = "4GiB..5GiB"`
          : "",
      ];
    let at = 0x1000_0000;
    const place = () => at += 0x10_0000;
    // Most of them such as several outputs may drive.
    const target = () => {
      const wires = ["", "", `plic:${1 + random.below(90)}`, `gic:${random.below(9)}`, `gic:${random.below(9)}`, `mute:${random.below(9)}`];
      return random.one(12) ? random.pick(["cpu0.seip", "pins:lid"]) : random.pick(wires);
    };
    lines.push(`[device.pins]\ntype = "gpio"\nat = ${place()}`, `[device.mute]\ntype = "mute"\nat = ${place()}`);
    const plic = `[device.plic]\ntype = "riscv.plic"\nat = ${place() + 0x1000_0000}\nirq = ["${random.pick(["", "cpu*.meip"])}", "${
      random.pick(["", "cpu*.stip"])
    }"]`;
    const gic = `[device.gic]\ntype = "gic"\nat = [${place()}, ${place()}]`;
    // A controller may stand behind those that it serves.
    if (random.one(2)) lines.push(plic, gic);
    for (let n = 0; n < 4; n++) {
      const irq = `irq = [${[1, 2, 3, 4].slice(random.below(4)).map(() => `"${target()}"`).join(", ")}]`;
      lines.push(`[device.four${n}]\ntype = "four"\nat = ${place()}\n${irq}\nconsole = ${random.one(3)}`);
      if (random.one(4)) lines.push(`compatible = ${random.pick([`"z"`, `["z,one", "z,two"]`])}`);
    }
    if (random.one(2)) {
      lines.push(`[device.each]\ntype = "per.hart"\nat = ${place()}\nirq = ["cpu*.msip", "${random.pick(["", "cpu*.mtip"])}"]`);
    }
    if (random.one(2)) {
      lines.push(`[device.many]\ntype = "ns16550a"\nat = ${place()}\ncount = 3\nstride = 0x100\nirq = "gic:10+n"\nconsole = true`);
    }
    if (random.one(2)) lines.push(`[device.test]\ntype = "sifive.test"\nat = ${place()}`);
    if (!lines.includes(plic)) lines.push(plic, gic);
    const text = lines.join("\n"), problem = "already driven";
    let graph: MachineGraph;
    try {
      graph = loadConfig("m.toml", { types: TYPES, readFile: () => new TextEncoder().encode(text) });
    } catch (e) {
      // Two wires to one input of the PLIC or of a hart.
      assert((e as Error).message.split("\n").every((l) => l.includes(problem)), (e as Error).message);
      continue;
    }
    // Ports have no place in a tree.
    const port = { bus: "io", name: "port", base: 0x60, length: 1 } as const;
    graph = { ...graph, devices: graph.devices.map((d) => random.one(6) ? { ...d, windows: [port, ...d.windows] } : d) };
    const options: FdtOptions = {
      types: TYPES,
      ...(random.one(2) && { bootargs: "x".repeat(random.below(9)) }),
      ...(random.one(2) && { initrd: [1, 2 ** 33] }),
    };
    const bytes = buildFdt(graph, options), tree = readTree(bytes), shown = JSON.stringify(tree);
    assertEquals(tree, treeOf(graph, options, TYPES), text);
    for (
      const [what, is] of Object.entries({
        ...{
          plain: shown.includes(`"interrupts"`),
          extended: shown.includes("interrupts-extended"),
          absent: /extended","[0-9a-f]*ffffffff/.test(shown),
        },
        ...{ loaded: true, harts: harts > 1, big: graph.memories.some((m) => m.size > 2 ** 32) },
      })
    ) if (is) counts[what as keyof typeof counts]++;
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 8, `${what}: ${n}`);
});

Deno.test("a tree as text: a blank line before a node that something stands before", () => {
  const n = (name: string, properties: [string, string][], ...children: Node[]): Node => ({ name, properties, children });
  const root = n(
    "",
    [["a", "00000001"]],
    n("b", []),
    n("c", [], n("d", [["e", ""]]), n("f", [["g", "7800"], ["h", "010203"]])),
    n("i", [["j", "0000000a0000000b"]]),
  );
  assertEquals(
    printFdt(written({ root, bootCpu: 0, reserved: [] }, new Random(1))),
    `/dts-v1/;

/ {
\ta = <0x1>;

\tb {
\t};

\tc {
\t\td {
\t\t\te;
\t\t};

\t\tf {
\t\t\tg = "x";
\t\t\th = [01 02 03];
\t\t};
\t};

\ti {
\t\tj = <0xa 0xb>;
\t};
};
`,
  );
});

/** A tree as bytes, with NOPs, gaps between the blocks and names that end other names where the specification allows it. */
function written({ root, bootCpu, reserved }: Tree, random: Random): Uint8Array {
  const names = new Map<string, number>(), structure: number[] = [];
  let strings = "pad\0";
  const word = (n: number) => structure.push(n >>> 24, n >>> 16 & 0xff, n >>> 8 & 0xff, n & 0xff);
  const bytes = (list: Iterable<number>) => {
    structure.push(...list);
    while (structure.length % 4) structure.push(0);
  };
  const nops = () => {
    while (random.one(4)) word(4);
  };
  const nameAt = (name: string) => {
    if (!names.has(name)) names.set(name, strings.length), strings += `${name}\0`;
    return names.get(name)!;
  };
  const visit = (n: Node) => {
    word(1);
    bytes(new TextEncoder().encode(`${n.name}\0`));
    for (const [name, hex] of n.properties) {
      nops();
      word(3);
      word(hex.length / 2);
      word(nameAt(name));
      bytes(Uint8Array.fromHex(hex));
    }
    for (const c of n.children) nops(), visit(c);
    nops();
    word(2);
  };
  visit(root);
  word(9);
  const reservations = [...reserved, 0n, 0n], gap = () => 8 * random.below(3);
  const reservedAt = 40 + gap(), structAt = reservedAt + 8 * reservations.length + gap(), stringsAt = structAt + structure.length + gap();
  const total = stringsAt + strings.length + gap(), out = new Uint8Array(total), view = new DataView(out.buffer);
  const header = [0xd00d_feed, total, structAt, stringsAt, reservedAt, 17, 16, bootCpu, strings.length, structure.length];
  header.forEach((v, i) => view.setUint32(4 * i, v));
  reservations.forEach((v, i) => view.setBigUint64(reservedAt + 8 * i, v));
  out.set(structure, structAt);
  out.set(new TextEncoder().encode(strings), stringsAt);
  return out;
}

/** A random tree; nodes called "chosen" also where they are none. */
function randomTree(random: Random): Tree {
  const properties = (): [string, string][] =>
    ["a", "bootargs", "linux,initrd-start", "linux,initrd-end", "reg"].filter(() => random.one(2)).map((
      n,
    ) => [n, "5a".repeat(random.below(10))]);
  const tree = (name: string, depth: number): Node => {
    const children = Array.from(
      { length: depth ? random.below(4) : 0 },
      (_, i) => tree(random.pick(["chosen@1", "node", "n", "nodes-é"]) + i, depth - 1),
    );
    if (depth && random.one(2)) children.splice(random.below(children.length + 1), 0, tree("chosen", depth - 1));
    return { name, properties: properties(), children };
  };
  const reserved = Array.from({ length: 2 * random.below(3) }, () => random.bits64() | 1n);
  return { root: tree("", 3), bootCpu: random.below(9), reserved };
}

Deno.test("a tree of the user's own: what is given is in /chosen in place of its own, everything else as it was: random trees", () => {
  const random = new Random(22), counts = { none: 0, empty: 0, replaced: 0 };
  for (let round = 0; round < 150; round++) {
    const own = randomTree(random), bootargs = random.pick([undefined, "", "quiet", "console=ttyS0 é"]);
    const initrd = random.one(2) ? [0x8400_0000, 0x1_2345_6789] as const : undefined;
    const given: [string, string][] = [];
    if (bootargs) given.push(["bootargs", valueOf(bootargs)]);
    if (initrd) given.push(["linux,initrd-start", long(initrd[0])], ["linux,initrd-end", long(initrd[1])]);
    const got = readTree(
      withChosen(written(own, random), "x.dtb", { ...(bootargs !== undefined && { bootargs }), ...(initrd && { initrd }) }),
    );
    const wanted = structuredClone(own), chosen = wanted.root.children.find((c) => c.name === "chosen");
    counts[!chosen ? "none" : given.some(([n]) => chosen.properties.some(([o]) => o === n)) ? "replaced" : "empty"]++;
    if (chosen) {
      const kept = chosen.properties.filter(([n]) => !given.some(([g]) => g === n));
      chosen.properties.splice(0, Infinity, ...given, ...kept);
    } else wanted.root.children.push({ name: "chosen", properties: given, children: [] });
    assertEquals(got, wanted);
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 15, `${what}: ${n}`);
});

Deno.test("a tree that is cut, or whose header does not fit it, is refused", () => {
  const random = new Random(23), bytes = written({ ...randomTree(random), reserved: [1n, 2n] }, random);
  const magic = "x.dtb: must be a device tree blob (.dtb), as dtc makes it: its magic number is missing";
  for (let cut = 0; cut < bytes.length; cut++) {
    const message = assertThrows(() => withChosen(bytes.slice(0, cut), "x.dtb", {}), ConfigError).message;
    assertEquals(message, cut < 40 ? magic : "x.dtb: truncated device tree", `${cut}`);
  }
  const changed = (field: number, value: (old: number) => number) => {
    const copy = bytes.slice(), view = new DataView(copy.buffer);
    view.setUint32(4 * field, value(view.getUint32(4 * field)));
    return copy;
  };
  const word = (field: number) => new DataView(bytes.buffer).getUint32(4 * field), truncated = "x.dtb: truncated device tree";
  const rows: [field: number, value: (old: number) => number, message: string | undefined][] = [
    [0, (n) => n ^ 1, magic],
    [1, (n) => n + 1, truncated],
    [6, () => 18, "x.dtb: must be a device tree that version 17 can be read as, and it needs 18"],
    [6, () => 17, undefined],
    [9, () => word(1) - word(2) + 1, truncated],
    [8, () => word(1) - word(3) + 1, truncated],
    [8, () => word(1) - word(3), undefined],
    [4, () => word(2) + 8, truncated],
    // The structure ends before its last token.
    [9, (n) => n - 4, truncated],
  ];
  for (const [field, value, message] of rows) {
    const use = () => withChosen(changed(field, value), "x.dtb", {});
    if (message) assertEquals(assertThrows(use, ConfigError).message, message, `field ${field}`);
    else use();
  }
  const odd = bytes.slice(), at = word(2) + word(9) - 4;
  new DataView(odd.buffer).setUint32(at, 7);
  assertEquals(assertThrows(() => withChosen(odd, "x.dtb", {}), ConfigError).message, `x.dtb: no device tree: token 7 at byte ${at}`);
});
