// A checked machine of a machine file.
import type { AnyDeviceType, Inputs, Window } from "../core/device.ts";
import { type DiskKind, type DriveConfig, sizeProblem } from "../core/disk.ts";
import { ConfigError, didYouMean, type Place, placeAt } from "../core/errors.ts";
import type { Config, Keys } from "../core/schema.ts";
import { DEVICE_NAMES, DEVICES, loadDevices } from "../devices/mod.ts";
import { applySet, ConfigReader, type FindShipped, hex, loadTree, merge, type Override, parseSize, type ReadFile } from "./config.ts";
import { architectureOf, ARCHITECTURES, archKey, type CpuNode, familyOf } from "./architectures.ts";
import type { Architecture } from "./architecture.ts";
import * as format from "./format.ts";
import { type DeviceNode, type DriveNode, KERNEL, type LoadNode, type MachineGraph, mainRam, type PlacedWindow } from "./machine_graph.ts";
import { checkDma, checkLoad, checkOverlaps, checkPci, checkReset, checkWidth, type Parts } from "./graph_checks.ts";
import { largest, memoriesOf } from "./memories.ts";
import { ConfigSections } from "./config_sections.ts";
import type { TomlNode, TomlTable } from "./toml.ts";
import { type NamedWires, Wires } from "./wires.ts";

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
export function loadConfig(file: string, options: LoadOptions): MachineGraph {
  return new GraphBuilder(file, readRoot(file, options), options).build();
}

/** The same, loading the device types that the file names. */
export async function loadConfigAndTypes(file: string, options: LoadOptions): Promise<MachineGraph> {
  const root = readRoot(file, options);
  await loadDevices(namedTypes(root));
  return new GraphBuilder(file, root, options).build();
}

function readRoot(file: string, options: LoadOptions): TomlTable {
  const base = loadTree(file, options.readFile, options.findShipped);
  const { set = {} } = options;
  return Object.keys(set).length ? applySet(base, longForm(base, set)) : base;
}

function namedTypes(root: TomlTable): string[] {
  const devices = root.get("device")?.value, out: string[] = [];
  if (!(devices instanceof Map)) return out;
  for (const { value } of devices.values()) {
    const type = value instanceof Map && value.get("type")?.value;
    if (typeof type === "string") out.push(type);
  }
  return out;
}

/** The overrides with the short ones as key paths of this machine. */
function longForm(root: TomlTable, set: Readonly<Record<string, unknown>>): Override[] {
  const cpu = root.get("cpu")?.value;
  const family = familyOf(cpu instanceof Map ? cpu.get("arch")?.value : undefined) ?? Object.keys(ARCHITECTURES)[0];
  const { harts, keys } = ARCHITECTURES[family];
  const short: Record<string, string> = {
    memory: `memory.${mainName(root)}.size`,
    harts: `cpu.${harts}`,
    firmware: `firmware.${Object.keys(keys.firmware)[0]}`,
  };
  return Object.entries(set).map(([path, value]) =>
    Object.hasOwn(short, path) && typeof value !== "object"
      ? { path: short[path], value, option: `--${path}` }
      : { path, value, option: "--set" }
  );
}

/** The name of the memory that will be the main RAM, of a file that is not checked yet. */
function mainName(root: TomlTable): string {
  const memories = root.get("memory")?.value, rams: { id: string; size: number; main: boolean }[] = [];
  for (const [id, { value }] of memories instanceof Map ? memories : []) {
    if (!(value instanceof Map) || value.get("kind")?.value === "rom") continue;
    rams.push({ id, size: parseSize(value.get("size")?.value) ?? 0, main: value.get("main")?.value === true });
  }
  return (rams.find((m) => m.main) ?? largest(rams))?.id ?? "ram";
}

const WIRING_KEYS: readonly string[] = Object.keys(format.WIRING);

/** The name of one of several: "virtio[3]". */
const INSTANCE = /^(\w+)\[(0|[1-9]\d*)\]$/;
/** What single ones of several have of their own, by number. */
type Changes = ReadonlyMap<number, TomlNode>;

/** A device's table, checked. */
interface Read {
  readonly type: string;
  readonly table: TomlTable;
  readonly config: Readonly<Record<string, unknown>>;
  readonly common: Config<typeof format.WIRING>;
  readonly pci: DeviceNode["pci"];
  readonly wanted: readonly Window[];
  readonly windows: readonly PlacedWindow[];
  readonly declared: readonly string[];
  readonly inputs: Inputs | undefined;
  readonly drives: readonly DriveNode[];
  readonly place: Place;
}

/** The keys of `boot` that one architecture or another has. */
type Boot = Config<typeof format.BOOT> & {
  readonly protocol: string;
  readonly dtb?: string;
  readonly load?: number;
  readonly order?: readonly DiskKind[];
};

class GraphBuilder {
  readonly #sections: ConfigSections;
  readonly #types: Readonly<Record<string, AnyDeviceType>>;
  readonly #devices: DeviceNode[] = [];
  readonly #byId = new Map<string, DeviceNode>();
  /** Made when the processors are known. */
  #wires!: Wires;
  /** Still to be resolved, once every device is known. */
  readonly #pending: NamedWires[] = [];
  #clock: Record<string, unknown> = {};
  #harts = 1;
  #family = "";
  #architecture!: Architecture;

  constructor(file: string, root: TomlTable, options: LoadOptions) {
    this.#types = options.types ?? DEVICES;
    const reader = new ConfigReader(options.readFile, (path) => {
      const [section, key] = path.split(".");
      return section === "clock" ? this.#clock[key] : undefined;
    }, options.fileSize);
    this.#sections = new ConfigSections(file, root, reader);
  }
  get #reader(): ConfigReader {
    return this.#sections.reader;
  }

  build(): MachineGraph {
    const r = this.#reader, { file, root } = this.#sections, place: Place = { file, line: 1 };
    const top = r.table(root, format.ROOT, place, format.SECTIONS);
    const arch = this.#arch();
    // Without an instruction set the reader cannot know which keys are right.
    if (!arch) r.done();
    const family = this.#family = familyOf(arch)!, architecture = this.#architecture = architectureOf({ family }), cpu = this.#cpu(arch!);
    this.#clock = r.table(this.#sections.get("clock"), architecture.keys.clock, this.#sections.place("clock"));
    this.#clock = architecture.clock?.(this.#clock) ?? this.#clock;
    const memories = memoriesOf(this.#sections);
    const wires = this.#wires = new Wires(r, architecture.inputs, this.#harts, this.#byId);
    const changes = this.#changes();
    for (const [id, node] of this.#sections.get("device")) if (!INSTANCE.test(id)) this.#device(id, node, changes.get(id));
    for (const wire of this.#pending) wires.add(wire);
    for (const [output, to] of Object.entries(architecture.outputs?.(cpu) ?? {})) {
      if (to) wires.connect({ hart: 0, output }, to, 0, this.#sections.get("cpu").get(output)!.place);
    }
    wires.checkFanouts();
    const parts: Parts = {
      sections: this.#sections,
      types: this.#types,
      cpu,
      memories,
      devices: this.#devices,
      byId: this.#byId,
      names: wires.inputs,
    };
    // What a machine has none of is not looked for: every function that a start calls has to be compiled first.
    if (this.#devices.some((d) => d.dma)) checkDma(parts);
    if (this.#devices.some((d) => d.pci)) checkPci(parts);
    checkOverlaps(parts);
    checkWidth(parts);
    checkReset(parts);
    const firmware = this.#firmware();
    const boot = r.table(this.#sections.get("boot"), architecture.keys.boot, this.#sections.place("boot")) as Boot;
    if (boot.load !== undefined) checkLoad(parts, boot.load);
    const loads = top.load.length > 0 ? this.#loads(top.load) : [];
    r.done();
    const origin = mainRam({ memories }).segments[0].base;
    return {
      name: top.name,
      file,
      model: top.model ?? top.name,
      compatible: top.compatible,
      seed: top.seed,
      cpu,
      cpuPlaces: this.#sections.places("cpu"),
      firmwarePlaces: this.#sections.places("firmware"),
      clock: this.#clock as unknown as MachineGraph["clock"],
      memories,
      devices: this.#devices,
      edges: wires.edges,
      ...(loads.length > 0 && { loads }),
      firmware,
      boot: {
        protocol: boot.protocol,
        ...(boot.kernel !== undefined && { kernel: boot.kernel }),
        ...(boot.initrd !== undefined && { initrd: boot.initrd }),
        ...(boot.symbols !== undefined && { symbols: boot.symbols }),
        cmdline: boot.cmdline,
        ...(boot.dtb !== undefined && { dtb: boot.dtb }),
        ...(boot.order && { order: boot.order }),
        reset: boot.reset,
        load: architecture.loadAt(cpu, boot.load, origin),
      },
    };
  }

  #loads(values: Config<typeof format.ROOT>["load"]): LoadNode[] {
    const nodes = this.#sections.root.get("load")!.value as readonly TomlNode[];
    return values.map((load, i): LoadNode => {
      // One that is no table has been told of.
      if (!load) return { file: "", format: "raw", place: nodes[i].place };
      const table = nodes[i].value as TomlTable, place = table.get("file")?.place ?? nodes[i].place;
      if (load.entry !== undefined && !this.#architecture.entries) {
        this.#reader.error(
          `must be absent: kernels of ${this.#architecture.title} machines start by their protocol`,
          table.get("entry")!.place,
        );
      }
      return { ...load, place } as LoadNode;
    });
  }

  #arch(): string | undefined {
    return this.#reader.entry(this.#sections.get("cpu"), "arch", archKey(), this.#sections.place("cpu")) as string | undefined;
  }

  #cpu(arch: string): CpuNode {
    const table = this.#sections.get("cpu"), place = this.#sections.place("cpu"), { keys, cpu: make } = this.#architecture;
    const values = this.#reader.table(table, { arch: archKey(), ...keys.cpu }, place);
    const cpu = make(arch, values, (key) => table.has(key), (key, must) => this.#misfit(table, key, arch, must));
    this.#harts = cpu.harts;
    return cpu;
  }

  #misfit(table: TomlTable, key: string, arch: string, must: string): void {
    const { value, place } = table.get(key)!;
    this.#reader.error(`must ${must} because cpu.arch is "${arch}", got "${value}"`, place);
  }

  /** The tables for single ones of several, by the name of them all. */
  #changes(): Map<string, Map<number, TomlNode>> {
    const section = this.#sections.get("device"), out = new Map<string, Map<number, TomlNode>>();
    for (const [id, node] of section) {
      const [, several, n] = INSTANCE.exec(id) ?? [];
      if (several === undefined) continue;
      if (!section.has(several)) this.#reader.error(`no device '${several}'${didYouMean(several, [...section.keys()])}`, node.place);
      out.set(several, (out.get(several) ?? new Map()).set(Number(n), node));
    }
    return out;
  }

  #device(id: string, node: TomlNode, changes: Changes = new Map()): void {
    const r = this.#reader, table = this.#sections.component("device", id, node, "type");
    if (!table) return;
    this.#wires.inputs.set(id, undefined); // a faulty device is known by name, so that wires to it raise no second error
    const fanout = table.get("type")?.value === format.FANOUT_TYPE;
    if (fanout) this.#wires.fanOut(id, table, node.place);
    const read = fanout ? undefined : this.#read(table, node.place), count = read?.common.count;
    if (read && count !== undefined) return this.#several(id, read, count, changes);
    if (fanout || read) { for (const [, { place }] of changes) r.error(`there is one '${id}': it has no 'count'`, place); }
    if (read) this.#add(id, read, 0);
  }

  #several(id: string, read: Read, count: number, changes: Changes): void {
    const r = this.#reader, { table, place, wanted, windows, common: { stride = 0 } } = read;
    this.#wires.replicated.set(id, count);
    this.#wires.inputs.delete(id);
    if (count > 1 && windows.length && read.common.stride === undefined) {
      return r.error("missing: 'stride' must give the distance between two of them", placeAt(place, { key: `${place.key}.stride` }));
    }
    const split = wanted.find((w) => stride % (w.multiple ?? 1));
    if (split) {
      const problem = `must be a multiple of ${hex(split.multiple!)} for the window '${split.name}', got ${hex(stride)}`;
      return r.error(problem, table.get("stride")!.place);
    }
    for (let n = 0; n < count; n++) {
      const one = n ? { ...read, windows: windows.map((w) => ({ ...w, base: w.base + n * stride })) } : read, change = changes.get(n);
      const changed = change ? this.#changed(`${id}[${n}]`, one, change) : one;
      if (changed) this.#add(`${id}[${n}]`, changed, n);
    }
    for (const [n, change] of changes) {
      if (n >= count) r.error(`there are ${count} of '${id}': the last is '${id}[${count - 1}]'`, change.place);
    }
  }

  /**
   * One of several with what its own table says; undefined when that removes it, or after an error. One of another type keeps its addresses, and
   * what its first type says that belongs to the place.
   */
  #changed(id: string, one: Read, { value: own, place }: TomlNode): Read | undefined {
    if (own === false) return undefined;
    this.#wires.inputs.set(id, undefined);
    if (!(own instanceof Map)) return void this.#reader.error("must be a table, or false to leave it out", place);
    const errors = this.#reader.errors.length;
    for (const key of ["count", "stride"]) {
      if (own.has(key)) this.#reader.error("must be absent: it is one of several", own.get(key)!.place);
    }
    if (this.#reader.errors.length > errors) return undefined;
    const retyped = own.has("type") && own.get("type")!.value !== one.type, keeps = retyped ? this.#types[one.type].keeps ?? [] : undefined;
    const table: TomlTable = new Map([...one.table].filter(([key]) => keeps?.includes(key) ?? true));
    for (const key of ["count", "stride"]) table.delete(key);
    for (const [key, bus] of [["at", "mem"], ["io", "io"]] as const) {
      const bases = one.windows.filter((w) => w.bus === bus).map((w) => ({ value: w.base, place, text: hex(w.base), whole: true }));
      if (bases.length) table.set(key, { value: bases, place, text: "" });
    }
    return this.#read(merge(table, own), place);
  }

  /** Reads a device's table; undefined after an error. */
  #read(table: TomlTable, place: Place): Read | undefined {
    const r = this.#reader, errors = r.errors.length, name = r.entry(table, "type", format.WIRING.type, place) as string | undefined;
    if (name === undefined) return undefined;
    const type = Object.hasOwn(this.#types, name) ? this.#types[name] : undefined;
    if (!type) return void this.#noType(name, table);
    if (type.family && type.family !== this.#family) return void this.#otherFamily(name, type.family, table);
    const common = r.values(table, format.WIRING, place);
    r.onlyKnown(table, type.keys, WIRING_KEYS);
    const config: Readonly<Record<string, unknown>> = r.values(table, type.keys, place);
    if (r.errors.length > errors) return undefined;
    const useless = (key: string, problem: string) => r.error(problem, table.get(key)!.place);
    if (common.console && !type.char) useless("console", `must be false: a '${name}' has no byte stream`);
    if (common.compatible !== undefined && !type.fdt) useless("compatible", `must be absent: a '${name}' has no node in the device tree`);
    if (common.irq !== undefined && !type.outputs) useless("irq", `must be absent: a '${name}' has no interrupt output`);
    if (common.stride !== undefined && common.count === undefined) useless("stride", "must be absent without 'count'");
    const pci = common.pci === undefined && type.pci !== "required" ? undefined : this.#pciSlot(table, type, common);
    const wanted = type.windows(config, pci !== undefined), windows = this.#windows(table, wanted, common, place);
    const declared = type.outputs?.(config) ?? [], inputs = type.inputs?.(config);
    const drives = type.drives ? this.#drives(table, type.drives, type, config, place) : [];
    return { type: name, table, config, common, pci, wanted, windows, declared, inputs, drives, place };
  }

  /** `n`: which one of several. */
  #add(id: string, { type, table, config, common, pci, windows, declared, inputs, drives, place }: Read, n: number): void {
    const device: DeviceNode = {
      id,
      type,
      config,
      windows,
      outputs: spreadOutputs(declared, this.#harts),
      drives,
      ...(common.dma !== undefined && { dma: channel(common.dma) }),
      console: common.console,
      ...(common.compatible !== undefined && { compatible: texts(common.compatible) }),
      ...(pci && { pci }),
      place,
    };
    this.#devices.push(device);
    this.#byId.set(id, device);
    this.#wires.inputs.set(id, inputs);
    if (table.has("irq")) this.#pending.push({ device, irq: table.get("irq")!, declared, n });
  }

  #noType(name: string, table: TomlTable): void {
    const names = [...(this.#types === DEVICES ? DEVICE_NAMES : Object.keys(this.#types)), format.FANOUT_TYPE];
    this.#reader.error(`unknown device type '${name}'${didYouMean(name, names)}`, table.get("type")!.place);
  }

  #otherFamily(name: string, family: string, table: TomlTable): void {
    const arch = this.#sections.get("cpu").get("arch")!.value,
      others = [...new Set(Object.values(this.#types).filter((t) => t.family === this.#family).map((t) => t.type))];
    const problem = `must be a device of ${this.#architecture.title} machines, since cpu.arch is "${arch}": '${name}' is one of ${
      ARCHITECTURES[family].title
    } machines`;
    this.#reader.error(problem + didYouMean(name, others), table.get("type")!.place);
  }

  #drives(
    table: TomlTable,
    names: readonly string[],
    type: AnyDeviceType,
    config: Readonly<Record<string, unknown>>,
    place: Place,
  ): DriveNode[] {
    const { padsDrives: padded = false } = type;
    return names.map((name) => {
      const key = type.keys[name], node = table.get(name), keys = key.kind === "table" ? key.keys : {};
      const kinds = keys.media?.kind === "choice" ? keys.media.choices as DiskKind[] : [];
      const inner = node?.value instanceof Map ? node.value.get("file")?.place : undefined;
      const drive = config[name] as DriveConfig | undefined, where = inner ?? node?.place ?? place;
      if (drive?.file !== undefined && drive.file !== KERNEL) {
        const problem = sizeProblem(drive.media, this.#reader.fileSize(drive.file), padded);
        if (problem) this.#reader.error(problem, where);
      }
      return { name, kinds, padded, ...(drive && { config: drive }), place: where };
    });
  }

  /** Where a device is plugged in, if it is. */
  #pciSlot(table: TomlTable, type: AnyDeviceType, { pci, count }: Config<typeof format.WIRING>): DeviceNode["pci"] {
    const r = this.#reader;
    if (pci === undefined) {
      if (type.pci === "required") {
        const { place } = table.get("type")!;
        r.error(
          `missing: a '${type.type}' must be plugged in, as in "pci:1.0"`,
          placeAt(place, {
            key: place.key?.replace(/type$/, "pci") ?? "pci",
          }),
        );
      }
      return undefined;
    }
    const { place } = table.get("pci")!;
    if (!type.pci) r.error(`must be absent: a '${type.type}' is no PCI device`, place);
    if (count !== undefined) r.error("must be absent: several devices cannot be in one slot", place);
    const [, host, device, func] = /^(\w+):(\d+)\.(\d)$/.exec(pci)!;
    return { host, device: Number(device), func: Number(func) };
  }

  /** Windows at their addresses; what the file does not place goes where the type says. */
  #windows(table: TomlTable, windows: readonly Window[], common: Config<typeof format.WIRING>, place: Place): PlacedWindow[] {
    const mem = numbers(common.at), io = numbers(common.io), out: PlacedWindow[] = [], errors = this.#reader.errors.length;
    for (const w of windows) {
      const bus = w.bus !== "any" ? w.bus : mem.length || !io.length ? "mem" : "io";
      const base = (bus === "mem" ? mem : io).shift() ?? w.at;
      const fits = bus === "mem" ? base! % (w.multiple ?? 1) === 0 : this.#architecture.ports && base! + w.length <= 0x1_0000;
      if (base !== undefined && fits) out.push({ bus, name: w.name, base, length: w.length });
      else this.#misplaced(table, w, bus, base, place);
    }
    if (mem.length + io.length > 0 && this.#reader.errors.length === errors) {
      if (mem.length) this.#tooMany(table, "at", windows.filter((w) => w.bus !== "io").length);
      else this.#tooMany(table, "io", windows.filter((w) => w.bus !== "mem").length);
    }
    return out;
  }

  #misplaced(table: TomlTable, w: Window, bus: "mem" | "io", base: number | undefined, place: Place): void {
    const r = this.#reader, key = bus === "mem" ? "at" : "io";
    if (base === undefined) {
      const what = w.bus === "any" ? "'at' or 'io'" : `'${key}'`;
      r.error(
        `missing: ${what} must give the address of the window '${w.name}' (${w.length} bytes)`,
        placeAt(place, {
          key: `${place.key}.${key}`,
        }),
      );
    } else if (bus === "mem") {
      r.error(
        `must be a multiple of ${hex(w.multiple!)} for the window '${w.name}', got ${hex(base)}`,
        placeAt(place, table.get("at")?.place),
      );
    } else if (!this.#architecture.ports) {
      const others = Object.values(ARCHITECTURES).filter((a) => a.ports).map((a) => a.title).join(" and ");
      r.error(`must be absent: only ${others} machines have ports`, placeAt(place, table.get("io")?.place));
    } else r.error(`must be ports below 0x10000, got ${hex(base)} for ${w.length} ports`, table.get("io")?.place ?? place);
  }

  #tooMany(table: TomlTable, key: "at" | "io", windows: number): void {
    const problem = windows
      ? `gives too many addresses: there ${windows === 1 ? "is 1 window" : `are ${windows} windows`}`
      : `must be absent: it has no window there`;
    this.#reader.error(problem, table.get(key)!.place);
  }

  #firmware(): MachineGraph["firmware"] {
    const { keys: { firmware }, firmwareWords: words } = this.#architecture, table = this.#sections.get("firmware"), r = this.#reader;
    const [name] = Object.keys(firmware), config: Config<Keys> = r.table(table, firmware, this.#sections.place("firmware"));
    if (name === undefined) return { kind: "none" };
    const value = config[name] as string | undefined, serial = config.serial === true ? { serial: true } as const : {};
    if (value === undefined || words.includes(value)) return { kind: value as "builtin" | "none", ...serial };
    const node = table.get(name)!;
    const errors = r.errors.length, path = r.value(node, { kind: "file", doc: "firmware image" }) as string;
    if (r.errors.length > errors) {
      r.errors[errors] = new ConfigError(r.errors[errors].problem + didYouMean(value, words), node.place);
    }
    return { kind: "file", path, ...(config.vga !== undefined && { vga: config.vga as string }), ...serial };
  }
}

/** "dma:2" */
const channel = (text: string) => ({ device: text.split(":")[0], channel: Number(text.split(":")[1]) });

const texts = (value: unknown): string[] => typeof value === "string" ? [value] : [...value as string[]];

/** Addresses: none, one or a list. */
const numbers = (value: unknown): number[] => typeof value === "number" ? [value] : value === undefined ? [] : [...value as number[]];

/** Outputs with `*` first, hart by hart, then the others. */
function spreadOutputs(declared: readonly string[], harts: number): string[] {
  const out: string[] = [];
  for (let hart = 0; hart < harts; hart++) for (const o of declared) if (o.includes("*")) out.push(o.replaceAll("*", String(hart)));
  for (const o of declared) if (!o.includes("*")) out.push(o);
  return out;
}
