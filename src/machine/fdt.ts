// Graph -> flattened device tree, and back to text.
// Source: Devicetree Specification v0.4, sections 2.2-2.4 (nodes, properties), 3 (device nodes), 5 (DTB format, version 17);
// Linux bindings riscv/cpus.yaml, riscv/extensions.yaml and interrupt-controller/riscv,cpu-intc.yaml. RISC-V machines only.
import type { AnyDeviceType, FdtProperties } from "../core/device.ts";
import { DEVICES } from "../devices/mod.ts";
import { CPU_INPUTS } from "./format.ts";
import type { DeviceNode, Edge, Graph, RiscvCpu } from "./graph.ts";

/** What a run adds to the tree. */
export interface FdtOptions {
  /** /chosen/bootargs; none when absent or empty. */
  readonly bootargs?: string;
  /** First byte and the byte after the last of the initial RAM disk. */
  readonly initrd?: readonly [start: number, end: number];
  /** The table that the graph was made with; all of src/devices unless given. */
  readonly types?: Readonly<Record<string, AnyDeviceType>>;
}

type Value = FdtProperties[string];

/** A node before it is written. Properties come before children in the file. */
class Node {
  readonly properties: [string, Value][] = [];
  readonly children: Node[] = [];
  constructor(readonly name: string) {}
  set(properties: FdtProperties): this {
    this.properties.push(...Object.entries(properties));
    return this;
  }
  add(name: string, properties: FdtProperties = {}): Node {
    const child = new Node(name).set(properties);
    this.children.push(child);
    return child;
  }
}

/** Interrupt numbers of a hart's local interrupt controller by input name. */
const LOCAL_INTERRUPTS = CPU_INPUTS.riscv;
/** An output that leads nowhere keeps its place in `interrupts-extended`; the PLIC and CLINT bindings skip it (a context that is absent). */
const ABSENT = 0xffff_ffff;

/** The device tree of a RISC-V machine as a DTB. @throws {Error} the machine is not a RISC-V one. */
export function buildFdt(graph: Graph, options: FdtOptions = {}): Uint8Array<ArrayBuffer> {
  if (graph.cpu.family !== "riscv") throw new Error("a device tree is made for RISC-V machines only");
  const types = options.types ?? DEVICES;
  let phandles = 0;
  const cpuHandles = Array.from({ length: graph.cpu.harts }, () => ({ cpu: ++phandles, intc: ++phandles }));
  const described = graph.devices.filter((d) => types[d.type].fdt);
  // Only what others refer to needs a phandle: interrupt controllers, and what the extra nodes name.
  const properties = new Map(described.map((d) => [d.id, types[d.type].fdt!(d.config)]));
  const handles = new Map(
    described.filter((d) => "interrupt-controller" in properties.get(d.id)! || types[d.type].fdtExtra).map((d) => [d.id, ++phandles]),
  );

  const root = new Node("").set({
    "#address-cells": 2,
    "#size-cells": 2,
    compatible: graph.compatible,
    model: graph.model,
  });
  const chosen = root.add("chosen");
  for (const m of graph.memories.filter((m) => m.kind === "ram")) {
    for (const s of m.segments) {
      root.add(`memory@${s.base.toString(16)}`, { device_type: "memory", reg: [...cells64(s.base), ...cells64(s.length)] });
    }
  }
  addCpus(root, graph.cpu, graph.clock.timebase_hz!, cpuHandles);
  const soc = root.add("soc", { "#address-cells": 2, "#size-cells": 2, compatible: "simple-bus", ranges: true });
  for (const device of described) {
    const type = types[device.type], handle = handles.get(device.id);
    const reg = device.windows.filter((w) => w.bus === "mem").flatMap((w) => [...cells64(w.base), ...cells64(w.length)]);
    soc.add(nodeName(device, type)).set({
      ...properties.get(device.id)!,
      ...(reg.length && { reg }),
      ...interrupts(graph, device, { cpuHandles, handles, properties }),
      ...(handle !== undefined && { phandle: handle }),
    });
    if (type.fdtExtra) { for (const [name, p] of Object.entries(type.fdtExtra(device.config, handle!))) root.add(name, p); }
  }
  const console = described.find((d) => d.console);
  chosen.set({
    ...(options.bootargs ? { bootargs: options.bootargs } : {}),
    ...(console && { "stdout-path": `/soc/${nodeName(console, types[console.type])}` }),
    "rng-seed": randomBytes(graph.seed, 32),
    ...(options.initrd && { "linux,initrd-start": cells64(options.initrd[0]), "linux,initrd-end": cells64(options.initrd[1]) }),
  });
  return encode(root);
}

/** `serial@10000000`: the type's name, or the id without its digits, and the first address. */
function nodeName(device: DeviceNode, type: AnyDeviceType): string {
  const base = device.windows.find((w) => w.bus === "mem")?.base;
  return (type.fdtName ?? device.id.replace(/(\d+|\[\d+\])$/, "")) + (base === undefined ? "" : `@${base.toString(16)}`);
}

function addCpus(root: Node, cpu: RiscvCpu, timebase: number, handles: readonly { cpu: number; intc: number }[]): void {
  const extensions = isaExtensions(cpu.isa), base = cpu.isa.slice(0, 4);
  const single = extensions.filter((e) => e.length === 1).join(""), multi = extensions.filter((e) => e.length > 1);
  const node = root.add("cpus", { "#address-cells": 1, "#size-cells": 0, "timebase-frequency": timebase });
  for (const [hart, { cpu: phandle, intc }] of handles.entries()) {
    node.add(`cpu@${hart.toString(16)}`, {
      device_type: "cpu",
      reg: hart,
      status: "okay",
      compatible: "riscv",
      "riscv,isa": [base + single, ...multi].join("_"),
      "riscv,isa-base": base + "i",
      "riscv,isa-extensions": extensions,
      "mmu-type": cpu.mmu === "bare" ? "riscv,none" : `riscv,${cpu.mmu}`,
      ...(multi.includes("zicbom") && { "riscv,cbom-block-size": 64 }),
      ...(multi.includes("zicbop") && { "riscv,cbop-block-size": 64 }),
      ...(multi.includes("zicboz") && { "riscv,cboz-block-size": 64 }),
      phandle,
    }).add("interrupt-controller", {
      "#address-cells": 0,
      "#interrupt-cells": 1,
      "interrupt-controller": true,
      compatible: "riscv,cpu-intc",
      phandle: intc,
    });
  }
  const cluster = node.add("cpu-map").add("cluster0");
  for (const [hart, { cpu: phandle }] of handles.entries()) cluster.add(`core${hart}`, { cpu: phandle });
}

/** `rv64gc_zba` -> i m a f d c zicsr zifencei zba. The ISA manual (chapter 36) defines what G stands for. */
export function isaExtensions(isa: string): string[] {
  const [letters, ...multi] = isa.slice(4).split("_");
  const single = [...letters.replace("g", "imafd")], implied = letters.includes("g") ? ["zicsr", "zifencei"] : [];
  return [...new Set([...single, ...implied, ...multi])];
}

/** `interrupts` for one controller, `interrupts-extended` where the targets are harts or several controllers. */
function interrupts(
  graph: Graph,
  device: DeviceNode,
  tree: {
    cpuHandles: readonly { intc: number }[];
    handles: ReadonlyMap<string, number>;
    properties: ReadonlyMap<string, FdtProperties>;
  },
): FdtProperties {
  const edges = graph.edges.filter(({ from }) => "device" in from && from.device === device.id);
  const cells = (to: Edge["to"]): { parent: number; specifier: number[] } | undefined => {
    if ("hart" in to) return { parent: tree.cpuHandles[to.hart].intc, specifier: [LOCAL_INTERRUPTS[to.input]] };
    const parent = tree.handles.get(to.device), wide = tree.properties.get(to.device)?.["#interrupt-cells"];
    if (parent === undefined || !/^\d+$/.test(to.input)) return undefined; // the receiver has no node that could be named
    return { parent, specifier: wide === 2 ? [Number(to.input), 4 /* level, active high */] : [Number(to.input)] };
  };
  const found = device.outputs.flatMap((_, output) => {
    const targets = edges.filter((e) => e.from.output === output).map((e) => cells(e.to)).filter((c) => c !== undefined);
    return targets.length ? targets : [undefined];
  });
  while (found.length && found[found.length - 1] === undefined) found.pop();
  if (!found.length) return {};
  const parents = new Set(found.map((f) => f?.parent)), [parent] = parents;
  if (parents.size === 1 && !edges.some((e) => "hart" in e.to)) {
    return { "interrupt-parent": parent!, interrupts: found.flatMap((f) => f!.specifier) };
  }
  return { "interrupts-extended": found.flatMap((f) => f ? [f.parent, ...f.specifier] : [ABSENT]) };
}

const cells64 = (n: number): number[] => [Math.floor(n / 2 ** 32), n % 2 ** 32];

/** Bytes that follow from a seed (splitmix32). */
function randomBytes(seed: number, length: number): Uint8Array {
  let state = seed >>> 0;
  return Uint8Array.from({ length }, () => {
    let x = state = (state + 0x9e37_79b9) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0_aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a_2d97);
    return (x ^ (x >>> 15)) & 0xff;
  });
}

// ---- The DTB format (section 5) ----

const MAGIC = 0xd00d_feed, VERSION = 17, LAST_COMPATIBLE = 16, HEADER = 40, RESERVATION = 16;
const BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9;

function encode(root: Node): Uint8Array<ArrayBuffer> {
  const structure: number[] = [], strings: number[] = [], names = new Map<string, number>();
  const word = (n: number) => structure.push(n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff);
  const bytes = (data: Iterable<number>) => {
    structure.push(...data);
    while (structure.length % 4) structure.push(0);
  };
  const name = (text: string): number => {
    if (!names.has(text)) {
      names.set(text, strings.length);
      strings.push(...ascii(text));
    }
    return names.get(text)!;
  };
  const write = (node: Node) => {
    word(BEGIN_NODE);
    bytes(ascii(node.name));
    for (const [key, value] of node.properties) {
      const data = propertyBytes(value);
      word(PROP);
      word(data.length);
      word(name(key));
      bytes(data);
    }
    node.children.forEach(write);
    word(END_NODE);
  };
  write(root);
  word(END);

  const structAt = HEADER + RESERVATION, stringsAt = structAt + structure.length, total = stringsAt + strings.length;
  const out = new Uint8Array(Math.ceil(total / 8) * 8), view = new DataView(out.buffer);
  // The reservation block is one all-zero entry: nothing is reserved. boot_cpuid_phys is 0.
  [MAGIC, out.length, structAt, stringsAt, HEADER, VERSION, LAST_COMPATIBLE, 0, strings.length, structure.length]
    .forEach((n, i) => view.setUint32(4 * i, n));
  out.set(structure, structAt);
  out.set(strings, stringsAt);
  return out;
}

const ascii = (text: string) => [...new TextEncoder().encode(text), 0];

function propertyBytes(value: Value): ArrayLike<number> & Iterable<number> {
  if (value === true) return [];
  if (value instanceof Uint8Array) return value;
  const list = (Array.isArray(value) ? value : [value]) as readonly (string | number)[];
  return list.flatMap((v) => typeof v === "string" ? ascii(v) : [v >>> 24, (v >>> 16) & 0xff, (v >>> 8) & 0xff, v & 0xff]);
}

/** The text (DTS) of a DTB, for people. @throws {Error} it is not a DTB of version 17. */
export function printFdt(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER || view.getUint32(0) !== MAGIC) throw new Error("not a device tree: the magic number is missing");
  if (view.getUint32(24) > VERSION) throw new Error(`device tree version ${view.getUint32(20)} is newer than ${VERSION}`);
  const strings = view.getUint32(12), lines = ["/dts-v1/;", ""];
  let at = view.getUint32(8), depth = 0, afterProperty = false;
  const text = (from: number) => new TextDecoder().decode(bytes.subarray(from, bytes.indexOf(0, from)));
  for (;;) {
    const token = view.getUint32(at), indent = "\t".repeat(depth);
    at += 4;
    if (token === BEGIN_NODE) {
      const name = text(at);
      if (afterProperty) lines.push("");
      lines.push(`${indent}${name || "/"} {`);
      at += (name.length + 4) & ~3;
      depth++;
      afterProperty = false;
    } else if (token === END_NODE) {
      lines.push(`${"\t".repeat(--depth)}};`);
      afterProperty = true;
    } else if (token === PROP) {
      const length = view.getUint32(at), name = text(strings + view.getUint32(at + 4));
      const value = printValue(bytes.subarray(at + 8, at + 8 + length));
      lines.push(`${indent}${name}${value && ` = ${value}`};`);
      at += 8 + ((length + 3) & ~3);
      afterProperty = true;
    } else if (token === END) break;
    else if (token !== NOP) throw new Error(`not a device tree: token ${token} at byte ${at - 4}`);
  }
  return lines.join("\n") + "\n";
}

/** DTB values carry no type: printable text is shown as text, whole words as cells, the rest as bytes. */
function printValue(data: Uint8Array): string {
  if (!data.length) return "";
  const text = new TextDecoder("latin1").decode(data);
  if (/^([\x20-\x7e]+\0)+$/.test(text)) return text.slice(0, -1).split("\0").map((t) => JSON.stringify(t)).join(", ");
  if (data.length % 4) return `[${[...data].map((b) => b.toString(16).padStart(2, "0")).join(" ")}]`;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return `<${Array.from({ length: data.length / 4 }, (_, i) => `0x${view.getUint32(4 * i).toString(16)}`).join(" ")}>`;
}
