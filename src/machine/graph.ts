// A machine as plain nodes and edges. The wiring, the device tree and `describe` are made from it; nothing here knows a
// particular device, only what its type declares (core/device.ts).
import type { AnyDeviceType, Inputs, Window } from "../core/device.ts";
import type { Place } from "../core/errors.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";
import { type DiskKind, type DriveConfig, sizeProblem } from "../core/disk.ts";
import type { Config, Keys } from "../core/schema.ts";
import { DEVICE_NAMES, DEVICES, loadDevices } from "../devices/mod.ts";
import { applySet, type FindShipped, hex, isOverride, loadTree, type Override, parseSize, Reader, type ReadFile } from "./config.ts";
import * as format from "./format.ts";
import type { Arch, Family } from "./format.ts";
import type { Node, Table } from "./toml.ts";

export type RiscvCpu = Config<Omit<typeof format.CPU.riscv, "arch">> & { readonly arch: "riscv32" | "riscv64"; readonly family: "riscv" };
export type X86Cpu = Config<Omit<typeof format.CPU.x86, "arch" | "cores">> & {
  readonly arch: "x86_64";
  readonly family: "x86";
  readonly harts: number;
};

/** One contiguous part of a memory: `length` bytes from `offset` of its contents, seen at `base`. */
export interface Segment {
  readonly base: number;
  readonly length: number;
  readonly offset: number;
}

export interface MemoryNode {
  readonly id: string;
  readonly kind: "ram" | "rom";
  readonly fill: "zero" | "random";
  /** Kernels are loaded there; of one RAM. */
  readonly main: boolean;
  /** Path of the initial contents. */
  readonly file?: string;
  /** Bytes of contents; holes in the address space do not make it smaller. */
  readonly size: number;
  /** Ascending by base; RAM and ROM without holes have one. */
  readonly segments: readonly Segment[];
  /** Parts that a chipset may show. */
  readonly shadows: readonly Segment[];
  readonly place: Place;
}

/** A window at its address. */
export interface PlacedWindow {
  readonly bus: "mem" | "io";
  readonly name: string;
  readonly base: number;
  readonly length: number;
}

/** A drive of a device. */
export interface DriveNode {
  /** The key of its table in the device's, and its name to the device. */
  readonly name: string;
  /** Kinds of disks that could be there; the first unless `config` says otherwise. */
  readonly kinds: readonly DiskKind[];
  /** What the machine file says; absent: there is none unless the command line puts a disk there. */
  readonly config?: DriveConfig;
  /** Of its file, or of its table or device. */
  readonly place: Place;
}

export interface DeviceNode {
  /** `uart0`, or `virtio[3]` for one of several. */
  readonly id: string;
  readonly type: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly windows: readonly PlacedWindow[];
  /** Interrupt outputs after `*` was spread over the harts: `DevicePorts.irq` has one wire for each. */
  readonly outputs: readonly string[];
  readonly drives: readonly DriveNode[];
  /** The channel of a DMA controller that serves it. */
  readonly dma?: { readonly device: string; readonly channel: number };
  readonly console: boolean;
  /** What its device-tree node says instead of what its type does. */
  readonly compatible?: readonly string[];
  /** Where it is plugged into a PCI bus. */
  readonly pci?: { readonly host: string; readonly device: number; readonly func: number };
  readonly place: Place;
}

/** One wire from an output of a device or of a hart to an input of a device or of a hart. */
export interface Edge {
  readonly from: { readonly device: string; readonly output: number } | { readonly hart: number; readonly output: string };
  readonly to: { readonly device: string; readonly input: string } | { readonly hart: number; readonly input: string };
  /** The fan-out that it went through. */
  readonly via?: string;
  readonly place: Place;
}

/** A checked machine. Everything is plain data and printable. */
export interface Graph {
  readonly name: string;
  readonly file: string;
  /** The device tree's root. */
  readonly model: string;
  readonly compatible: readonly string[];
  readonly seed: number;
  readonly cpu: RiscvCpu | X86Cpu;
  /** Of the keys of `cpu` that the machine file has: what is beyond the format is checked by the platform. */
  readonly cpuPlaces: Readonly<Record<string, Place>>;
  /** The same of `firmware`. */
  readonly firmwarePlaces: Readonly<Record<string, Place>>;
  readonly clock: {
    readonly mode: "virtual" | "wall";
    readonly cpu_hz: number;
    /** Rate of the time CSR; RISC-V only. */
    readonly timebase_hz?: number;
    /** Rate of the time-stamp counter; x86 only. */
    readonly tsc_hz?: number;
    readonly rtc: Date;
  };
  /** In file order. */
  readonly memories: readonly MemoryNode[];
  /** In file order. */
  readonly devices: readonly DeviceNode[];
  readonly edges: readonly Edge[];
  readonly firmware: { readonly kind: "builtin" | "none" } | { readonly kind: "file"; readonly path: string; readonly vga?: string };
  readonly boot: {
    readonly protocol: string;
    readonly kernel?: string;
    readonly initrd?: string;
    /** Path of a device tree that takes the place of the machine's own. */
    readonly dtb?: string;
    readonly symbols?: string;
    readonly cmdline: string;
    /** Kinds of disks in the order in which the built-in BIOS tries them; x86 only. */
    readonly order?: readonly DiskKind[];
    readonly reset: "restart" | "stop";
    /** Where a raw image goes; 0 on x86. */
    readonly load: number;
  };
}

export interface LoadOptions {
  readonly readFile: ReadFile;
  /** Bytes of a file that may be large; `readFile` tells it when this is absent. */
  readonly fileSize?: (path: string) => number;
  /** Overrides by key path; `memory` alone is the size of the main RAM, `harts` the number of harts or cores, `firmware` the firmware. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Finds a machine file that comes with bringup. */
  readonly findShipped?: FindShipped | undefined;
  /** The device types that a machine may name; all of src/devices unless given. */
  readonly types?: Readonly<Record<string, AnyDeviceType>>;
}

/** Reads and checks a machine file; its device types are loaded already. @throws {ConfigErrors} everything that is wrong with it. */
export function loadConfig(file: string, options: LoadOptions): Graph {
  return new GraphBuilder(file, readRoot(file, options), options).build();
}

/** The same, loading the device types that the file names. */
export async function loadConfigAndTypes(file: string, options: LoadOptions): Promise<Graph> {
  const root = readRoot(file, options);
  await loadDevices(namedTypes(root));
  return new GraphBuilder(file, root, options).build();
}

function readRoot(file: string, options: LoadOptions): Table {
  const base = loadTree(file, options.readFile, options.findShipped);
  const { set = {} } = options;
  return Object.keys(set).length ? applySet(base, longForm(base, set)) : base;
}

function namedTypes(root: Table): string[] {
  const devices = root.get("device")?.value, out: string[] = [];
  if (!(devices instanceof Map)) return out;
  for (const { value } of devices.values()) {
    const type = value instanceof Map && value.get("type")?.value;
    if (typeof type === "string") out.push(type);
  }
  return out;
}

/** The overrides with the short ones as key paths of this machine. */
function longForm(root: Table, set: Readonly<Record<string, unknown>>): Override[] {
  const cpu = root.get("cpu")?.value;
  const x86 = cpu instanceof Map && cpu.get("arch")?.value === "x86_64";
  const short: Record<string, string> = {
    memory: `memory.${mainName(root)}.size`,
    harts: x86 ? "cpu.cores" : "cpu.harts",
    firmware: x86 ? "firmware.bios" : "firmware.sbi",
  };
  return Object.entries(set).map(([path, value]) =>
    Object.hasOwn(short, path) && typeof value !== "object"
      ? { path: short[path], value, option: `--${path}` }
      : { path, value, option: "--set" }
  );
}

/** The name of the memory that will be the main RAM, of a file that is not checked yet. */
function mainName(root: Table): string {
  const memories = root.get("memory")?.value, rams: { id: string; size: number; main: boolean }[] = [];
  for (const [id, { value }] of memories instanceof Map ? memories : []) {
    if (!(value instanceof Map) || value.get("kind")?.value === "rom") continue;
    rams.push({ id, size: parseSize(value.get("size")?.value) ?? 0, main: value.get("main")?.value === true });
  }
  return (rams.find((m) => m.main) ?? largest(rams))?.id ?? "ram";
}

/** The first of the largest. */
function largest<M extends { readonly size: number }>(memories: readonly M[]): M | undefined {
  let best: M | undefined;
  for (const m of memories) if (!best || m.size > best.size) best = m;
  return best;
}

/** The main RAM. */
export function mainRam({ memories }: Pick<Graph, "memories">): MemoryNode {
  return memories.find((m) => m.main)!;
}

/** `cpu0.msip`, `plic:10`. */
export const targetName = (to: Edge["to"]) => "hart" in to ? `cpu${to.hart}.${to.input}` : `${to.device}:${to.input}`;

/** The device, or `cpu0.ferr`. */
const sourceName = (from: Edge["from"]) => "hart" in from ? `cpu${from.hart}.${from.output}` : from.device;

/** Where the other edge stands, when that is in the same file. */
const lineOf = (same: Edge, { file }: Place) => same.place.file === file && same.place.line ? ` (line ${same.place.line})` : "";

/** Inputs that an output drives. */
interface Target {
  readonly to: Edge["to"];
  readonly via?: string;
  /** Several outputs may drive it. */
  readonly shared?: boolean;
}

interface Fanout {
  readonly place: Place;
  /** Numbers that several devices may drive. */
  readonly shared: ReadonlySet<number>;
  /** Target device and the numbers that go elsewhere. */
  readonly to: readonly { readonly device: string; readonly moved: ReadonlyMap<number, number>; readonly place: Place }[];
}

const FAMILIES: Readonly<Record<Family, string>> = { riscv: "RISC-V", x86: "x86" };
/**
 * Bits of physical addresses: RISC-V privileged 1.12, 4.3 (Sv32) and 4.4; x86's MAXPHYADDR is what CPUID tells of our models. RV64 has 56, of
 * which numbers here hold 53.
 */
const PHYSICAL_BITS: Readonly<Record<Arch, number>> = { riscv32: 34, riscv64: 53, x86_64: 40 };

/** Processors look memory up by pages, so that is how it begins and ends. */
const PAGE = 4096;

const WIRING_KEYS: readonly string[] = Object.keys(format.WIRING);

/** What a drive's file is called that the command line names. */
export const KERNEL = "@kernel";

class GraphBuilder {
  readonly #reader: Reader;
  readonly #types: Readonly<Record<string, AnyDeviceType>>;
  readonly #devices: DeviceNode[] = [];
  readonly #byId = new Map<string, DeviceNode>();
  /** Of every device that the file names, faulty ones included. */
  readonly #inputs = new Map<string, Inputs | undefined>();
  /** Names with `count`, which need an index. */
  readonly #replicated = new Map<string, number>();
  readonly #fanouts = new Map<string, Fanout>();
  /** Interrupt wires still to be resolved, once every device is known. */
  readonly #wires: { device: DeviceNode; irq: Node; declared: readonly string[]; n: number }[] = [];
  readonly #edges: Edge[] = [];
  /** The first edge to each input, by the input's name. */
  readonly #driven = new Map<string, Edge>();
  #clock: Record<string, unknown> = {};
  #harts = 1;
  #family: Family = "riscv";

  constructor(readonly file: string, readonly root: Table, options: LoadOptions) {
    this.#types = options.types ?? DEVICES;
    this.#reader = new Reader(options.readFile, (path) => {
      const [section, key] = path.split(".");
      return section === "clock" ? this.#clock[key] : undefined;
    }, options.fileSize);
  }

  build(): Graph {
    const r = this.#reader, place: Place = { file: this.file, line: 1 };
    const top = r.table(this.root, format.ROOT, place, format.SECTIONS);
    const arch = this.#arch();
    // Without an instruction set the reader cannot know which keys are right.
    if (!arch) r.done();
    const family = this.#family = format.ARCHITECTURES[arch!];
    const cpu = this.#cpu(arch!);
    this.#clock = r.table(this.#section("clock"), format.CLOCK[family], this.#place("clock"));
    if (family === "x86") this.#clock = { ...this.#clock, tsc_hz: this.#clock.tsc_hz ?? this.#clock.cpu_hz };
    const memories = this.#memories();
    const devices = this.#section("device");
    for (const [id, node] of devices) this.#device(id, node);
    for (const wire of this.#wires) this.#wire(wire);
    if ("ferr" in cpu && cpu.ferr) this.#connect({ hart: 0, output: "ferr" }, cpu.ferr, 0, this.#section("cpu").get("ferr")!.place);
    // What a machine has none of is not looked for: every function that a start calls has to be compiled first.
    if (this.#fanouts.size) this.#checkFanouts();
    if (this.#devices.some((d) => d.dma)) this.#checkDma();
    if (this.#devices.some((d) => d.pci)) this.#checkPci();
    this.#checkOverlaps(memories);
    this.#checkWidth(cpu, memories);
    this.#checkReset(cpu, memories);
    const firmware = this.#firmware();
    const boot = r.table(this.#section("boot"), format.BOOT[family], this.#place("boot")) as Config<typeof format.BOOT.riscv>;
    if (boot.load !== undefined) this.#checkLoad(boot.load, memories);
    r.done();
    const origin = mainRam({ memories }).segments[0].base;
    return {
      name: top.name,
      file: this.file,
      model: top.model ?? top.name,
      compatible: top.compatible,
      seed: top.seed,
      cpu,
      cpuPlaces: this.#places("cpu"),
      firmwarePlaces: this.#places("firmware"),
      clock: this.#clock as unknown as Graph["clock"],
      memories,
      devices: this.#devices,
      edges: this.#edges,
      firmware,
      boot: {
        protocol: boot.protocol,
        ...(boot.kernel !== undefined && { kernel: boot.kernel }),
        ...(boot.initrd !== undefined && { initrd: boot.initrd }),
        ...(boot.symbols !== undefined && { symbols: boot.symbols }),
        cmdline: boot.cmdline,
        ...(boot.dtb !== undefined && { dtb: boot.dtb }),
        ...("order" in boot && { order: boot.order as DiskKind[] }),
        reset: boot.reset,
        load: family === "x86" ? 0 : boot.load ?? origin + (arch === "riscv32" ? 0x40_0000 : 0x20_0000),
      },
    };
  }

  #section(name: string): Table {
    const node = this.root.get(name);
    if (!node) return new Map();
    if (node.value instanceof Map) return node.value;
    this.#reader.error("must be a table", node.place);
    return new Map();
  }

  #place(section: string): Place {
    return this.root.get(section)?.place ?? { file: this.file, line: 1, key: section };
  }

  /** Of the keys of a section. */
  #places(section: string): Record<string, Place> {
    return Object.fromEntries(Array.from(this.#section(section), ([key, node]) => [key, node.place]));
  }

  #arch(): Arch | undefined {
    return this.#reader.entry(this.#section("cpu"), "arch", format.CPU.riscv.arch, this.#place("cpu")) as Arch | undefined;
  }

  #cpu(arch: Arch): RiscvCpu | X86Cpu {
    const table = this.#section("cpu"), place = this.#place("cpu");
    if (arch === "x86_64") {
      const { cores, ...rest } = this.#reader.table(table, format.CPU.x86, place);
      this.#harts = cores;
      return { ...rest, arch, family: "x86", harts: cores };
    }
    const cpu = this.#reader.table(table, format.CPU.riscv, place), wide = arch === "riscv64";
    this.#harts = cpu.harts;
    if (cpu.isa && !cpu.isa.startsWith(wide ? "rv64" : "rv32")) {
      this.#misfit(table, "isa", arch, wide ? "start with rv64" : "start with rv32");
    }
    if (!table.has("mmu")) return { ...cpu, mmu: wide ? cpu.mmu : "sv32", arch, family: "riscv" };
    if (wide ? cpu.mmu === "sv32" : cpu.mmu !== "bare" && cpu.mmu !== "sv32") {
      this.#misfit(table, "mmu", arch, wide ? "be bare, sv39, sv48 or sv57" : "be bare or sv32");
    }
    return { ...cpu, arch, family: "riscv" };
  }

  #misfit(table: Table, key: string, arch: Arch, must: string): void {
    const { value, place } = table.get(key)!;
    this.#reader.error(`must ${must} because cpu.arch is "${arch}", got "${value}"`, place);
  }

  #memories(): MemoryNode[] {
    const out: MemoryNode[] = [], r = this.#reader;
    for (const [id, node] of this.#section("memory")) {
      const table = this.#component("memory", id, node, "at");
      if (!table) continue;
      const errors = r.errors.length, m = r.table(table, format.MEMORY, node.place);
      if (r.errors.length > errors) continue;
      const bytes = m.file === undefined ? 0 : r.fileSize(m.file);
      if (bytes > m.size) r.error(`must fit the memory of ${m.size} bytes, but the file has ${bytes}`, table.get("file")!.place);
      const whole: Segment = { base: m.at, length: m.size, offset: 0 };
      const parts = m.gap === undefined && !m.holes.length && !m.shadow.length
        ? { segments: [whole], shadows: [] }
        : this.#parts(table, whole, m.gap, m.holes, m.shadow);
      out.push({
        id,
        kind: m.kind,
        fill: m.fill,
        main: m.main,
        ...(m.file !== undefined && { file: m.file }),
        size: m.size,
        ...parts,
        place: node.place,
      });
    }
    return this.#chooseMain(out);
  }

  /** The RAM that says `main`, else the largest: a board's SRAM may stand before it in the file. */
  #chooseMain(memories: readonly MemoryNode[]): MemoryNode[] {
    const r = this.#reader,
      rams = memories.filter((m) => m.kind === "ram"),
      said = memories.filter((m) => m.main),
      [main = largest(rams)] = said;
    const bad = (m: MemoryNode, problem: string) =>
      r.error(problem, { ...m.place, ...(this.#section("memory").get(m.id)!.value as Table).get("main")?.place });
    for (const m of said) if (m.kind === "rom") bad(m, `must be false: '${m.id}' is a ROM`);
    for (const m of said.slice(1)) bad(m, `must be false: '${said[0].id}' is the main RAM already`);
    if (main && main.kind === "ram" && !main.segments.length) bad(main, `the main RAM '${main.id}' is hidden by its holes`);
    if (!rams.length && !r.errors.length) r.error("missing: a machine needs RAM", this.#place("memory"));
    return memories.map((m) => ({ ...m, main: m === main }));
  }

  /** What is seen of a memory, and what a chipset may show. */
  #parts(
    table: Table,
    whole: Segment,
    gap: string | undefined,
    holes: readonly string[],
    shadow: readonly string[],
  ): { segments: Segment[]; shadows: Segment[] } {
    const moved = gap === undefined ? undefined : this.#span(gap, table.get("gap")!.place);
    const all = segments(whole, this.#spans(table, "holes", holes), moved), hidden = this.#spans(table, "shadow", shadow);
    return { segments: cut(all, hidden), shadows: hidden.flatMap(([from, to]) => cut(all, [[0, from], [to, Infinity]])) };
  }

  #spans(table: Table, key: string, texts: readonly string[]): [number, number][] {
    const out: [number, number][] = [];
    for (let i = 0; i < texts.length; i++) {
      const span = this.#span(texts[i], (table.get(key)!.value as Node[])[i].place);
      if (span) out.push(span);
    }
    return out;
  }

  #span(text: string, place: Place): [number, number] | undefined {
    const [from, to] = text.split("..").map((t) => parseSize(t.trim()));
    const r = this.#reader;
    if (from === undefined || to === undefined || from >= to || to > Number.MAX_SAFE_INTEGER) {
      r.error(`must be a range like "640KiB..1MiB" whose end is above its start, got "${text}"`, place);
    } else if (from % PAGE || to % PAGE) r.error(`must begin and end at multiples of 4 KiB, got "${text}"`, place);
    else return [from, to];
    return undefined;
  }

  /** The table of a memory or device; undefined when it is removed, or after an error. */
  #component(section: string, id: string, node: Node, required: string): Table | undefined {
    const { value } = node;
    if (value instanceof Map && /^[a-z_]\w*$/i.test(id) && (value.has(required) || !isOverride(node.place))) return value;
    this.#reader.error(this.#whyNoComponent(section, id, node), node.place);
    return undefined;
  }

  #whyNoComponent(section: string, id: string, node: Node): string {
    // One that removes something is gone since the files were merged.
    if (node.value === false) return `there is no '${id}' to remove${didYouMean(id, this.#siblings(section, node))}`;
    if (!(node.value instanceof Map)) return `must be a table, or false to remove an inherited '${id}'`;
    if (!/^[a-z_]\w*$/i.test(id)) return `must be a name of letters, digits and '_'`;
    const siblings = this.#siblings(section, node);
    return `there is no ${section} '${id}' to change${didYouMean(id, siblings) || `; there are: ${siblings.join(", ")}`}`;
  }

  /** The names of the other components. */
  #siblings(section: string, node: Node): string[] {
    return [...this.#section(section)].filter(([, n]) => n !== node).map(([name]) => name);
  }

  #device(id: string, node: Node): void {
    const r = this.#reader, table = this.#component("device", id, node, "type");
    if (!table) return;
    this.#inputs.set(id, undefined); // a faulty device is known by name, so that wires to it raise no second error
    const name = r.entry(table, "type", format.WIRING.type, node.place) as string | undefined;
    if (name === undefined) return;
    if (name === format.FANOUT_TYPE) return this.#fanout(id, table, node.place);
    const type = Object.hasOwn(this.#types, name) ? this.#types[name] : undefined;
    if (!type) return this.#noType(name, table);
    if (type.family && type.family !== this.#family) return this.#otherFamily(name, type.family, table);
    const errors = r.errors.length;
    const common = r.values(table, format.WIRING, node.place);
    r.onlyKnown(table, type.keys, WIRING_KEYS);
    const config: Readonly<Record<string, unknown>> = r.values(table, type.keys, node.place);
    if (r.errors.length > errors) return;
    const useless = (key: string, problem: string) => r.error(problem, table.get(key)!.place);
    if (common.console && !type.char) useless("console", `must be false: a '${name}' has no byte stream`);
    if (common.compatible !== undefined && !type.fdt) useless("compatible", `must be absent: a '${name}' has no node in the device tree`);
    if (common.irq !== undefined && !type.outputs) useless("irq", `must be absent: a '${name}' has no interrupt output`);
    if (common.stride !== undefined && common.count === undefined) useless("stride", "must be absent without 'count'");
    const pci = common.pci === undefined && type.pci !== "required" ? undefined : this.#pciSlot(table, type, common);
    const wanted = type.windows(config, pci !== undefined), windows = this.#windows(table, wanted, common, node.place);
    const declared = type.outputs?.(config) ?? [], inputs = type.inputs?.(config);
    const drives = type.drives ? this.#drives(table, type.drives, type, config, node.place) : [];
    const replicated = common.count !== undefined;
    if (replicated) {
      this.#replicated.set(id, common.count!);
      this.#inputs.delete(id);
      if (common.count! > 1 && windows.length && common.stride === undefined) {
        r.error("missing: 'stride' must give the distance between two of them", { ...node.place, key: `${node.place.key}.stride` });
        return;
      }
    }
    const apart = common.stride ?? 0, split = wanted.find((w) => apart % (w.multiple ?? 1));
    if (split) return useless("stride", `must be a multiple of ${hex(split.multiple!)} for the window '${split.name}', got ${hex(apart)}`);
    const outputs = spreadOutputs(declared, this.#harts);
    for (let n = 0; n < (common.count ?? 1); n++) {
      const device: DeviceNode = {
        id: replicated ? `${id}[${n}]` : id,
        type: name,
        config,
        windows: n ? windows.map((w) => ({ ...w, base: w.base + n * (common.stride ?? 0) })) : windows,
        outputs,
        drives,
        ...(common.dma !== undefined && { dma: channel(common.dma) }),
        console: common.console,
        ...(common.compatible !== undefined && { compatible: texts(common.compatible) }),
        ...(pci && { pci }),
        place: node.place,
      };
      this.#devices.push(device);
      this.#byId.set(device.id, device);
      this.#inputs.set(device.id, inputs);
      if (table.has("irq")) this.#wires.push({ device, irq: table.get("irq")!, declared, n });
    }
  }

  #noType(name: string, table: Table): void {
    const names = [...(this.#types === DEVICES ? DEVICE_NAMES : Object.keys(this.#types)), format.FANOUT_TYPE];
    this.#reader.error(`unknown device type '${name}'${didYouMean(name, names)}`, table.get("type")!.place);
  }

  #otherFamily(name: string, family: Family, table: Table): void {
    const arch = this.#section("cpu").get("arch")!.value,
      others = [...new Set(Object.values(this.#types).filter((t) => t.family === this.#family).map((t) => t.type))];
    const problem = `must be a device of ${FAMILIES[this.#family]} machines, since cpu.arch is "${arch}": '${name}' is one of ${
      FAMILIES[family]
    } machines`;
    this.#reader.error(problem + didYouMean(name, others), table.get("type")!.place);
  }

  #drives(
    table: Table,
    names: readonly string[],
    type: AnyDeviceType,
    config: Readonly<Record<string, unknown>>,
    place: Place,
  ): DriveNode[] {
    return names.map((name) => {
      const key = type.keys[name], node = table.get(name), keys = key.kind === "table" ? key.keys : {};
      const kinds = keys.media?.kind === "choice" ? keys.media.choices as DiskKind[] : [];
      const inner = node?.value instanceof Map ? node.value.get("file")?.place : undefined;
      const drive = config[name] as DriveConfig | undefined, where = inner ?? node?.place ?? place;
      if (drive?.file !== undefined && drive.file !== KERNEL) {
        const problem = sizeProblem(drive.media, this.#reader.fileSize(drive.file));
        if (problem) this.#reader.error(problem, where);
      }
      return { name, kinds, ...(drive && { config: drive }), place: where };
    });
  }

  /** Where a device is plugged in, if it is. */
  #pciSlot(table: Table, type: AnyDeviceType, { pci, count }: Config<typeof format.WIRING>): DeviceNode["pci"] {
    const r = this.#reader;
    if (pci === undefined) {
      if (type.pci === "required") {
        const { place } = table.get("type")!;
        r.error(`missing: a '${type.type}' must be plugged in, as in "pci:1.0"`, {
          ...place,
          key: place.key?.replace(/type$/, "pci") ?? "pci",
        });
      }
      return undefined;
    }
    const { place } = table.get("pci")!;
    if (!type.pci) r.error(`must be absent: a '${type.type}' is no PCI device`, place);
    if (count !== undefined) r.error("must be absent: several devices cannot be in one slot", place);
    const [, host, device, func] = /^(\w+):(\d+)\.(\d)$/.exec(pci)!;
    return { host, device: Number(device), func: Number(func) };
  }

  /** Every device with a slot has one of its own, on a host bridge that exists. */
  #checkPci(): void {
    const r = this.#reader, hosts: string[] = [], taken = new Map<string, string>();
    for (const d of this.#devices) {
      if (!this.#types[d.type].pciHost) continue;
      hosts.push(d.id);
      taken.set(`${d.id}:0.0`, d.id);
    }
    for (const d of this.#devices) {
      if (!d.pci) continue;
      const { host, device, func } = d.pci, slot = `${host}:${device}.${func}`;
      const table = (this.#section("device").get(d.id)!.value as Table).get("pci")!;
      if (!this.#byId.has(host)) {
        if (!this.#inputs.has(host)) r.error(`no device '${host}'${didYouMean(host, hosts)}`, table.place);
      } else if (!hosts.includes(host)) r.error(`'${host}' (${this.#byId.get(host)!.type}) has no PCI bus`, table.place);
      else if (taken.has(slot)) r.error(`${slot} is already taken by '${taken.get(slot)}'`, table.place);
      else taken.set(slot, d.id);
    }
  }

  /** Windows at their addresses; what the file does not place goes where the type says. */
  #windows(table: Table, windows: readonly Window[], common: Config<typeof format.WIRING>, place: Place): PlacedWindow[] {
    const mem = numbers(common.at), io = numbers(common.io), out: PlacedWindow[] = [], errors = this.#reader.errors.length;
    for (const w of windows) {
      const bus = w.bus !== "any" ? w.bus : mem.length || !io.length ? "mem" : "io";
      const base = (bus === "mem" ? mem : io).shift() ?? w.at;
      const fits = bus === "mem" ? base! % (w.multiple ?? 1) === 0 : this.#family === "x86" && base! + w.length <= 0x1_0000;
      if (base !== undefined && fits) out.push({ bus, name: w.name, base, length: w.length });
      else this.#misplaced(table, w, bus, base, place);
    }
    if (mem.length + io.length > 0 && this.#reader.errors.length === errors) {
      if (mem.length) this.#tooMany(table, "at", windows.filter((w) => w.bus !== "io").length);
      else this.#tooMany(table, "io", windows.filter((w) => w.bus !== "mem").length);
    }
    return out;
  }

  #misplaced(table: Table, w: Window, bus: "mem" | "io", base: number | undefined, place: Place): void {
    const r = this.#reader, key = bus === "mem" ? "at" : "io";
    if (base === undefined) {
      const what = w.bus === "any" ? "'at' or 'io'" : `'${key}'`;
      r.error(`missing: ${what} must give the address of the window '${w.name}' (${w.length} bytes)`, {
        ...place,
        key: `${place.key}.${key}`,
      });
    } else if (bus === "mem") {
      r.error(`must be a multiple of ${hex(w.multiple!)} for the window '${w.name}', got ${hex(base)}`, {
        ...place,
        ...table.get("at")?.place,
      });
    } else if (this.#family !== "x86") r.error("must be absent: only x86 machines have ports", { ...place, ...table.get("io")?.place });
    else r.error(`must be ports below 0x10000, got ${hex(base)} for ${w.length} ports`, table.get("io")?.place ?? place);
  }

  #tooMany(table: Table, key: "at" | "io", windows: number): void {
    const problem = windows
      ? `gives too many addresses: there ${windows === 1 ? "is 1 window" : `are ${windows} windows`}`
      : `must be absent: it has no window there`;
    this.#reader.error(problem, table.get(key)!.place);
  }

  #fanout(id: string, table: Table, place: Place): void {
    const errors = this.#reader.errors.length, { to, shared } = this.#reader.table(table, format.FANOUT, place);
    if (this.#reader.errors.length > errors) return;
    const nodes = table.get("to")!.value as Node[];
    this.#fanouts.set(id, {
      place,
      shared: new Set(shared),
      to: to.map((text, i) => {
        const [, device, moved] = /^([^:]+):n(?:\?(.*))?$/.exec(text)!;
        return {
          device,
          moved: new Map((moved ? moved.split(",") : []).map((m) => m.split("=").map(Number) as [number, number])),
          place: nodes[i].place,
        };
      }),
    });
  }

  /** Everything that a fan-out names must exist even when nothing drives it. */
  #checkFanouts(): void {
    for (const fanout of this.#fanouts.values()) {
      for (const { device, place } of fanout.to) {
        if (!this.#inputs.has(device)) this.#reader.error(this.#noDevice(device), place);
        else if (this.#fanouts.has(device)) this.#reader.error("must be a device, not another fan-out", place);
      }
    }
  }

  #checkDma(): void {
    const served = new Map<string, string>();
    for (const { id, dma, place } of this.#devices) {
      if (!dma) continue;
      const { device, channel } = dma,
        target = this.#byId.get(device),
        bad = (problem: string) => this.#reader.error(problem, { ...place, key: `${place.key}.dma` });
      const channels = target && this.#types[target.type].dmaChannels, name = `${device}:${channel}`, other = served.get(name);
      if (!target) {
        bad(`no device '${device}'${didYouMean(device, this.#devices.filter((d) => this.#types[d.type].dmaChannels).map((d) => d.id))}`);
      } else if (!channels) bad(`'${device}' (${target.type}) is no DMA controller`);
      else if (channel >= channels) bad(`'${device}' has channels from 0 to ${channels - 1}, got ${channel}`);
      else if (other) bad(`channel ${channel} of '${device}' already serves '${other}'`);
      else served.set(name, id);
    }
  }

  /** Resolves one `irq` key into edges. */
  #wire({ device, irq, declared, n }: { device: DeviceNode; irq: Node; declared: readonly string[]; n: number }): void {
    const { value } = irq;
    if (!declared.length) return;
    if (value instanceof Map) return this.#wireByName(device, value, declared, n);
    const nodes = Array.isArray(value) ? value as Node[] : [irq];
    if (nodes.length > declared.length || (nodes[0] === irq && declared.length > 1)) return this.#miscounted(irq, declared);
    for (let i = 0; i < nodes.length; i++) this.#output(device, declared[i], nodes[i], n);
  }

  #miscounted({ value, place }: Node, declared: readonly string[]): void {
    const names = declared.join(", ");
    this.#reader.error(
      Array.isArray(value)
        ? `must have at most ${declared.length} entries (${names}), got ${value.length}`
        : `must be a list or a table, because there are ${declared.length} outputs: ${names}`,
      place,
    );
  }

  #wireByName(device: DeviceNode, table: Table, declared: readonly string[], n: number): void {
    for (const [name, node] of table) {
      if (!declared.includes(name)) {
        this.#reader.error(`unknown output '${name}'${didYouMean(name, declared) || `; known: ${declared.join(", ")}`}`, node.place);
      } else for (const one of Array.isArray(node.value) ? node.value as Node[] : [node]) this.#output(device, name, one, n);
    }
  }

  /** Connects one declared output (all its copies when it has a `*`). */
  #output(device: DeviceNode, declared: string, node: Node, n: number): void {
    const text = node.value as string;
    if (text === "") return;
    if (!declared.includes("*")) {
      return this.#connect({ device: device.id, output: device.outputs.indexOf(declared) }, text, n, node.place);
    }
    if (!text.includes("*")) {
      return this.#reader.error(`must contain '*', because the output '${declared}' exists once for each hart, got "${text}"`, node.place);
    }
    for (let hart = 0; hart < this.#harts; hart++) {
      const output = device.outputs.indexOf(declared.replaceAll("*", String(hart)));
      this.#connect({ device: device.id, output }, text.replaceAll("*", String(hart)), n, node.place);
    }
  }

  #connect(from: Edge["from"], text: string, n: number, place: Place): void {
    const targets = this.#targets(text, n);
    if (typeof targets === "string") return this.#reader.error(targets, place);
    for (const { to, via, shared: allowed } of targets) {
      const name = targetName(to), same = this.#driven.get(name);
      const shared = allowed || "device" in to && this.#inputs.get(to.device)?.shared;
      if (same && !shared) {
        this.#reader.error(`'${name}' is already driven by '${sourceName(same.from)}'${lineOf(same, place)}`, place);
        continue;
      }
      const edge: Edge = { from, to, ...(via !== undefined && { via }), place };
      this.#edges.push(edge);
      if (!same) this.#driven.set(name, edge);
    }
  }

  /** The inputs that a target text names, or what is wrong with it. */
  #targets(text: string, n: number): Target[] | string {
    const [, hart, name, device, expression] = /^(?:cpu(\d+|\*)\.(\w+)|(\w+(?:\[\d+\])?):(.+))$/.exec(text) ?? [];
    if (hart !== undefined) return this.#cpuTargets(hart, name);
    if (device === undefined) return `must be an input like "plic:10" or "cpu0.intr", got "${text}"`;
    const input = evaluate(expression, n), fanout = this.#fanouts.get(device);
    return fanout ? this.#fannedOut(device, fanout, input) : this.#input(device, input);
  }

  #cpuTargets(hart: string, input: string): Target[] | string {
    const inputs = format.CPU_INPUTS[this.#family];
    if (!Object.hasOwn(inputs, input)) {
      const names = Object.keys(inputs);
      return `a CPU has no input '${input}'${didYouMean(input, names) || `; known: ${names.join(", ")}`}`;
    }
    if (hart === "*") return Array.from({ length: this.#harts }, (_, i) => ({ to: { hart: i, input } }));
    if (Number(hart) >= this.#harts) return `there is no cpu${hart}: the last is cpu${this.#harts - 1}`;
    return [{ to: { hart: Number(hart), input } }];
  }

  #fannedOut(via: string, fanout: Fanout, input: string): Target[] | string {
    if (!/^\d+$/.test(input)) return `'${via}' has numbered inputs, got '${input}'`;
    const out: Target[] = [];
    for (const { device, moved } of fanout.to) {
      if (!this.#inputs.has(device)) continue; // reported at the fan-out
      const targets = this.#input(device, String(moved.get(Number(input)) ?? input));
      if (typeof targets === "string") return `${targets} (through '${via}')`;
      for (const t of targets) out.push({ ...t, via, shared: fanout.shared.has(Number(input)) });
    }
    return out;
  }

  #input(device: string, input: string): Target[] | string {
    const inputs = this.#inputs.get(device);
    if (inputs) {
      if ("numbers" in inputs) {
        const n = Number(input), [first, last] = inputs.numbers;
        if (n >= first && n <= last && /^\d+$/.test(input)) return [{ to: { device, input } }];
      } else if (inputs.names.includes(input)) return [{ to: { device, input } }];
    }
    return this.#whyNoInput(device, inputs, input);
  }

  /** What is wrong; no targets when that has been reported. */
  #whyNoInput(device: string, inputs: Inputs | undefined, input: string): Target[] | string {
    if (!this.#inputs.has(device)) return this.#noDevice(device);
    const node = this.#byId.get(device);
    if (!node) return []; // faulty itself, and reported as that
    if (!inputs) return `'${device}' (${node.type}) takes no interrupts`;
    if ("names" in inputs) {
      return `'${device}' has no input '${input}'${didYouMean(input, inputs.names) || `; known: ${inputs.names.join(", ")}`}`;
    }
    const [first, last] = inputs.numbers;
    return /^\d+$/.test(input)
      ? `'${device}' has inputs from ${first} to ${last}, got ${input}`
      : `'${device}' has numbered inputs from ${first} to ${last}, got '${input}'`;
  }

  #noDevice(name: string): string {
    const count = this.#replicated.get(name);
    if (count !== undefined) return `there are ${count} of '${name}': name one as '${name}[0]'`;
    const close = didYouMean(name, [...this.#inputs.keys(), ...this.#fanouts.keys()]);
    return `no device '${name}'${close}`;
  }

  #checkOverlaps(memories: readonly MemoryNode[]): void {
    for (const bus of ["mem", "io"] as const) {
      const ranges: { id: string; base: number; length: number; place: Place }[] = [];
      if (bus === "mem") {
        for (const { id, segments, place } of memories) for (const { base, length } of segments) ranges.push({ id, base, length, place });
      }
      for (const { id, windows, place } of this.#devices) {
        for (const w of windows) if (w.bus === bus) ranges.push({ id, base: w.base, length: w.length, place });
      }
      for (let i = 1; i < ranges.length; i++) {
        const b = ranges[i], from = b.base, to = from + b.length;
        for (let k = 0; k < i; k++) {
          const a = ranges[k];
          if (a.base >= to || from >= a.base + a.length) continue;
          this.#reader.error(`'${b.id}' (${range(b, bus)}) overlaps '${a.id}' (${range(a, bus)})`, b.place);
          break;
        }
      }
    }
  }

  /** What lies beyond the processor's physical addresses cannot be reached. */
  #checkWidth({ arch, ...cpu }: RiscvCpu | X86Cpu, memories: readonly MemoryNode[]): void {
    const bits = arch === "riscv32" && "mmu" in cpu && cpu.mmu === "bare" ? 32 : PHYSICAL_BITS[arch], end = 2 ** bits;
    const check = (id: string, base: number, length: number, place: Place) => {
      if (base + length <= end) return;
      const where = range({ base, length }, "mem");
      this.#reader.error(`'${id}' (${where}) must end below ${hex(end)}: physical addresses of ${arch} have ${bits} bits`, place);
    };
    for (const { id, segments, place } of memories) for (const { base, length } of segments) check(id, base, length, place);
    for (const { id, windows, place } of this.#devices) for (const w of windows) if (w.bus === "mem") check(id, w.base, w.length, place);
  }

  /** A memory that an override has made smaller may end below a load address, which an ELF file does not need. */
  #checkLoad(load: number, memories: readonly MemoryNode[]): void {
    const { place } = this.#section("boot").get("load")!, size = this.#section("memory").get(memories.find((m) => m.main)?.id ?? "");
    const resized = size && isOverride((size.value as Table).get("size")!.place);
    if (
      this.#reader.errors.length || (resized && !isOverride(place)) ||
      memories.some((m) => m.segments.some((s) => load >= s.base && load < s.base + s.length))
    ) return;
    this.#reader.error(`must be an address in RAM or ROM, got ${hex(load)}`, place);
  }

  #checkReset(cpu: RiscvCpu | X86Cpu, memories: readonly MemoryNode[]): void {
    if (cpu.family !== "riscv" || cpu.reset === undefined || this.#reader.errors.length) return;
    const at = Number(cpu.reset);
    for (const m of memories) for (const s of m.segments) if (at >= s.base && at < s.base + s.length) return;
    this.#reader.error(`must be an address in RAM or ROM, got ${hex(cpu.reset)}`, this.#section("cpu").get("reset")!.place);
  }

  #firmware(): Graph["firmware"] {
    const family = this.#family, table = this.#section("firmware"), r = this.#reader;
    const [name] = Object.keys(format.FIRMWARE[family]),
      config: Config<Keys> = r.table(table, format.FIRMWARE[family], this.#place("firmware"));
    const value = config[name] as string | undefined;
    if (value === undefined || format.FIRMWARE_WORDS[family].includes(value)) return { kind: value as "builtin" | "none" };
    const node = table.get(name)!;
    const errors = r.errors.length, path = r.value(node, { kind: "file", doc: "firmware image" }) as string;
    if (r.errors.length > errors) {
      r.errors[errors] = new ConfigError(r.errors[errors].problem + didYouMean(value, format.FIRMWARE_WORDS[family]), node.place);
    }
    return { kind: "file", path, ...(config.vga !== undefined && { vga: config.vga as string }) };
  }
}

/** "dma:2" */
const channel = (text: string) => ({ device: text.split(":")[0], channel: Number(text.split(":")[1]) });

const texts = (value: unknown): string[] => typeof value === "string" ? [value] : [...value as string[]];

/** Addresses: none, one or a list. */
const numbers = (value: unknown): number[] => typeof value === "number" ? [value] : value === undefined ? [] : [...value as number[]];

/** `n`, `10`, `0x0a`, `1+n`, `n+1`; anything else stays a name. */
function evaluate(expression: string, n: number): string {
  let sum = 0;
  for (const text of expression.split("+")) {
    const term = text.trim();
    if (term !== "n" && !/^(\d+|0x[0-9a-f]+)$/i.test(term)) return expression;
    sum += term === "n" ? n : Number(term);
  }
  return String(sum);
}

/** Outputs with `*` first, hart by hart, then the others. */
function spreadOutputs(declared: readonly string[], harts: number): string[] {
  const out: string[] = [];
  for (let hart = 0; hart < harts; hart++) for (const o of declared) if (o.includes("*")) out.push(o.replaceAll("*", String(hart)));
  for (const o of declared) if (!o.includes("*")) out.push(o);
  return out;
}

/** Where the bytes of a memory are seen: a gap moves what follows upwards, a hole hides what is behind it. */
function segments(whole: Segment, holes: readonly [number, number][], gap?: [number, number]): Segment[] {
  const { base, length } = whole, below = gap ? gap[0] - base : 0;
  const split = gap && below > 0 && below < length;
  return cut(split ? [{ ...whole, length: below }, { base: gap[1], length: length - below, offset: below }] : [whole], holes);
}

/** What of these parts is outside of all the ranges. */
function cut(parts: readonly Segment[], ranges: readonly [number, number][]): Segment[] {
  let out = [...parts];
  for (const [from, to] of ranges) {
    out = out.flatMap((p) => {
      const end = p.base + p.length,
        left = Math.min(Math.max(from - p.base, 0), p.length),
        right = Math.min(Math.max(end - to, 0), p.length);
      const above = { base: end - right, length: right, offset: p.offset + p.length - right };
      return [{ ...p, length: left }, above].filter((s) => s.length > 0);
    });
  }
  return out;
}

const range = (r: { base: number; length: number }, bus: "mem" | "io") =>
  bus === "io" ? `0x${r.base.toString(16)}..0x${(r.base + r.length - 1).toString(16)}` : `${hex(r.base)}..${hex(r.base + r.length - 1)}`;
