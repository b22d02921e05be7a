// Graph -> flattened device tree, and back to text.
// Source: Devicetree Specification v0.4, sections 2.2-2.4 (nodes, properties), 3 (device nodes), 5 (DTB format, version 17);
// what is said of processors is their architecture's.
import { ConfigError } from "../core/errors.ts";
import type { AnyDeviceType, FdtProperties } from "../core/device.ts";
import { DEVICES } from "../devices/mod.ts";
import { architectureOf, ARCHITECTURES } from "./architectures.ts";
import type { TreeWriter } from "./architecture.ts";
import type { DeviceNode, MachineGraph } from "./machine_graph.ts";

/** What a run adds to the tree. */
export interface FdtOptions {
  /** /chosen/bootargs; none when absent or empty. */
  readonly bootargs?: string;
  /** First byte and the byte after the last of the initial RAM disk. */
  readonly initrd?: readonly [start: number, end: number];
  /** The table that the graph was made with; all of src/devices unless given. */
  readonly types?: Readonly<Record<string, AnyDeviceType>>;
}

/** An output that leads nowhere keeps its place in `interrupts-extended`; the PLIC and CLINT bindings skip it (a context that is absent). */
const ABSENT = 0xffff_ffff;

/** The device tree of a machine as a DTB. @throws {ConfigError} machines of its architecture have none. */
export function buildFdt(graph: MachineGraph, options: FdtOptions = {}): Uint8Array<ArrayBuffer> {
  const { cpu } = graph, architecture = architectureOf(cpu);
  if (!architecture.addCpus) {
    const those = Object.values(ARCHITECTURES).filter((a) => a.addCpus).map((a) => a.title).join(" and ");
    throw new ConfigError(`a device tree is made for ${those} machines, not for ${cpu.arch}`, { file: graph.file });
  }
  const types = options.types ?? DEVICES, described: Described[] = [];
  // Two phandles for each hart come first: its own and its interrupt controller's.
  const handles = new Map<string, Described>();
  let phandles = 2 * cpu.harts, console: Described | undefined;
  for (const device of graph.devices) {
    const type = types[device.type];
    if (!type.fdt) continue;
    const own = type.fdt(device.config), { compatible } = device, properties = compatible ? { ...own, compatible } : own;
    const controller = "interrupt-controller" in properties;
    // Only what others refer to needs a phandle: interrupt controllers, and what the extra nodes name.
    const handle = controller || type.fdtExtra ? ++phandles : undefined;
    const d: Described = { device, type, name: nodeName(device, type), properties, handle };
    described.push(d);
    handles.set(device.id, d);
    if (device.console) console ??= d;
  }

  const tree = new Tree();
  tree.begin("");
  tree.set({ "#address-cells": 2, "#size-cells": 2, compatible: graph.compatible, model: graph.model });
  tree.begin("chosen");
  if (options.bootargs) tree.property("bootargs", options.bootargs);
  if (console) tree.property("stdout-path", `/soc/${console.name}`);
  tree.property("rng-seed", randomBytes(graph.seed, 32));
  if (options.initrd) {
    tree.property("linux,initrd-start", cells64(options.initrd[0]));
    tree.property("linux,initrd-end", cells64(options.initrd[1]));
  }
  tree.end();
  for (const { kind, segments } of graph.memories) {
    if (kind !== "ram") continue;
    for (const { base, length } of segments) {
      tree.begin(`memory@${base.toString(16)}`);
      tree.set({ device_type: "memory", reg: [...cells64(base), ...cells64(length)] });
      tree.end();
    }
  }
  architecture.addCpus(tree, cpu, graph.clock, (hart) => ({ cpu: cpuHandle(hart), controller: intcHandle(hart) }));
  tree.begin("soc");
  tree.set({ "#address-cells": 2, "#size-cells": 2, compatible: "simple-bus", ranges: true });
  for (const { device, name, properties, handle } of described) {
    tree.begin(name);
    tree.set(properties);
    const reg: number[] = [];
    for (const w of device.windows) if (w.bus === "mem") reg.push(...cells64(w.base), ...cells64(w.length));
    if (reg.length) tree.property("reg", reg);
    addInterrupts(tree, graph, device, handles);
    if (handle !== undefined) tree.property("phandle", handle);
    tree.end();
  }
  tree.end();
  for (const { type, device, handle } of described) {
    if (!type.fdtExtra) continue;
    const extra = type.fdtExtra(device.config, handle!);
    for (const name in extra) {
      tree.begin(name);
      tree.set(extra[name]);
      tree.end();
    }
  }
  tree.end();
  return tree.bytes();
}

/** A device that has a node. */
interface Described {
  readonly device: DeviceNode;
  readonly type: AnyDeviceType;
  readonly name: string;
  readonly properties: FdtProperties;
  readonly handle: number | undefined;
}

/** The phandles of a hart and of its interrupt controller. */
const cpuHandle = (hart: number) => 2 * hart + 1;
const intcHandle = (hart: number) => 2 * hart + 2;

/** `serial@10000000`: the type's name, or the id without its digits, and the first address. */
function nodeName(device: DeviceNode, type: AnyDeviceType): string {
  const base = device.windows.find((w) => w.bus === "mem")?.base;
  return (type.fdtName ?? device.id.replace(/(\d+|\[\d+\])$/, "")) + (base === undefined ? "" : `@${base.toString(16)}`);
}

/** `interrupts` for one controller, `interrupts-extended` where the targets are harts or several controllers. */
function addInterrupts(tree: Tree, graph: MachineGraph, { id, outputs }: DeviceNode, handles: ReadonlyMap<string, Described>): void {
  const plain: number[] = [], extended: number[] = [], { inputs } = architectureOf(graph.cpu);
  /** Cells of `extended` up to the last output that leads somewhere. */
  let used = 0;
  let parent: number | undefined, single = true;
  for (let output = 0; output < outputs.length; output++) {
    const before = extended.length;
    for (const { from, to } of graph.edges) {
      if (!("device" in from) || from.device !== id || from.output !== output) continue;
      if ("hart" in to) {
        single = false;
        extended.push(intcHandle(to.hart), inputs[to.input]);
        continue;
      }
      const target = handles.get(to.device), input = Number(to.input);
      if (target?.handle === undefined || Number.isNaN(input)) continue; // the receiver has no node that could be named
      if (used < before || (parent ??= target.handle) !== target.handle) single = false;
      const specifier = target.properties["#interrupt-cells"] === 2 ? [input, 4 /* level, active high */] : [input];
      plain.push(...specifier);
      extended.push(target.handle, ...specifier);
    }
    if (extended.length > before) used = extended.length;
    else extended.push(ABSENT);
  }
  if (used === 0) return;
  extended.length = used;
  if (single) tree.set({ "interrupt-parent": parent!, interrupts: plain });
  else tree.property("interrupts-extended", extended);
}

const cells64 = (n: number): number[] => [Math.floor(n / 2 ** 32), n % 2 ** 32];

/** Bytes that follow from a seed (splitmix32). */
function randomBytes(seed: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0, state = seed >>> 0; i < length; i++) {
    let x = state = (state + 0x9e37_79b9) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x21f0_aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a_2d97);
    out[i] = x ^ (x >>> 15);
  }
  return out;
}

// ---- The DTB format (section 5) ----

const MAGIC = 0xd00d_feed, VERSION = 17, LAST_COMPATIBLE = 16, HEADER = 40, RESERVATION = 16;
const BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9;

/** A device tree as it is written: a node's properties come before its children. */
class Tree implements TreeWriter {
  #bytes = new Uint8Array(8192);
  #view = new DataView(this.#bytes.buffer);
  // The structure block. The reservation block before it is one all-zero entry: nothing is reserved.
  #at = HEADER + RESERVATION;
  /** Property names, each once, and where they are in the strings block. */
  readonly #names = new Map<string, number>();
  #namesLength = 0;
  readonly #encoder = new TextEncoder();

  begin(name: string): void {
    this.#word(BEGIN_NODE);
    this.#text(name);
    this.#align();
  }
  end(): void {
    this.#word(END_NODE);
  }
  set(properties: FdtProperties): void {
    for (const name in properties) this.property(name, properties[name]);
  }
  property(name: string, value: FdtProperties[string]): void {
    this.#word(PROP);
    const lengthAt = this.#at;
    this.#word(0);
    this.#word(this.#name(name));
    const from = this.#at;
    if (Array.isArray(value)) { for (const v of value as readonly (string | number)[]) this.#value(v); }
    else if (value instanceof Uint8Array) {
      this.#room(value.length);
      this.#bytes.set(value, this.#at);
      this.#at += value.length;
    } else if (value !== true) this.#value(value as string | number);
    this.#view.setUint32(lengthAt, this.#at - from);
    this.#align();
  }

  /** The whole blob; nothing can be added any more. */
  bytes(): Uint8Array<ArrayBuffer> {
    this.#word(END);
    const structAt = HEADER + RESERVATION, stringsAt = this.#at;
    for (const name of this.#names.keys()) this.#text(name);
    this.#room(8);
    const total = Math.ceil(this.#at / 8) * 8;
    // boot_cpuid_phys is 0.
    const header = [MAGIC, total, structAt, stringsAt, HEADER, VERSION, LAST_COMPATIBLE, 0, this.#namesLength, stringsAt - structAt];
    for (let i = 0; i < header.length; i++) this.#view.setUint32(4 * i, header[i]);
    return this.#bytes.slice(0, total);
  }

  #value(v: string | number): void {
    if (typeof v === "string") this.#text(v);
    else this.#word(v);
  }
  #word(n: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, n);
    this.#at += 4;
  }
  /** UTF-8 and a zero. */
  #text(text: string): void {
    this.#room(3 * text.length + 1);
    this.#at += this.#encoder.encodeInto(text, this.#bytes.subarray(this.#at)).written + 1;
  }
  #align(): void {
    this.#at = (this.#at + 3) & ~3;
  }
  #name(name: string): number {
    let at = this.#names.get(name);
    if (at === undefined) {
      this.#names.set(name, at = this.#namesLength);
      this.#namesLength += name.length + 1; // ASCII
    }
    return at;
  }
  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#at + length));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
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
