// A machine: buses, devices, harts and their clock, and the loop that lets time pass. It is synchronous and deterministic: the same
// calls give the same run, instruction for instruction.
import { Bus } from "../core/bus.ts";
import { VirtualClock } from "../core/clock.ts";
import { memorySource, type WrittenSectors } from "../core/disk.ts";
import type { Cpu } from "../core/cpu.ts";
import type { CharPort, Device, KeyPort, ScreenPort, StopRequest } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";
import { lazy } from "../core/lazy.ts";
import type { Log } from "../core/log.ts";
import type { PciFunction } from "../core/pci.ts";
import { DEVICES } from "../devices/mod.ts";
import { Engine, type EngineOptions, loadJit } from "../engine/engine.ts";
import type { SideExits } from "../engine/profile.ts";
import { EM_386, EM_RISCV, EM_X86_64, isElf, machineName, placeOf, readElf, type Symbols, withSymbolsBeside } from "./elf.ts";
import { type DiskImage, MachineDisks, type OpenDisk } from "./disks.ts";
import type { DebuggableCore, EngineCpu } from "./engine_cpu.ts";
import { type Graph, loadConfigAndTypes, mainRam, type MemoryNode, type Segment } from "./graph.ts";
import { Reach, type Sleep } from "./reach.ts";
import type { Stop } from "./stop.ts";
import { wireDevices } from "./wire.ts";

/** The outside world that a machine may touch: only what is passed here. */
export interface Host {
  /** @throws {ConfigError} the file is missing or cannot be read. */
  readFile(path: string): Uint8Array;
  /** The path of a machine file that comes with bringup, by its name; for `extends`. */
  readonly findShipped?: (name: string) => string | undefined;
  /** For disk images, which may be large; made of `readFile` when absent. */
  readonly openDisk?: OpenDisk;
  readonly log: Log;
}

export { loadGunzip, NeedsGunzip } from "./gunzip.ts";
export { loadJit } from "../engine/engine.ts";
export { JIT_OPTIONS, type JitOption } from "../engine/jit_options.ts";

export interface MachineOptions {
  /** Path of the machine file. */
  readonly file: string;
  /** Overrides by key path: "memory.dram.size": "2GiB". */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Paths of the image to start and of its initial RAM disk; the machine file's when absent. */
  readonly kernel?: string;
  readonly initrd?: string;
  /** Path of the ELF file with the image's symbols; the machine file's when absent, else the image or the ELF file beside it. */
  readonly symbols?: string;
  /** Paths of disk images, each for the first free drive of its kind. */
  readonly disks?: readonly DiskImage[];
  /** The kernel's command line; the machine file's when absent. */
  readonly append?: string;
  readonly engine?: "interp" | "jit";
  /** Of the engine; for tests and measurements. */
  readonly tuning?: EngineOptions;
}

/** What an architecture makes of a graph: processors, firmware, and the state at power-on. */
export interface Platform {
  readonly cpus: readonly EngineCpu<DebuggableCore>[];
  readonly symbols: Symbols;
  /** Port space. */
  readonly io?: Bus;
  /** What a PCI function's expansion ROM holds, when it has one. */
  expansionRom?(fn: PciFunction): Uint8Array | undefined;
  /** Console of the built-in firmware; used when no device is the console. */
  readonly ownConsole?: CharPort;
  /** See `Machine.loading`. */
  readonly loading?: Promise<void> | undefined;
  /** Puts registers and memory into the state at power-on; RAM is clear, devices are reset. */
  powerOn(): void;
  /** State of the built-in firmware, as plain data. */
  save(): unknown;
  load(state: unknown): void;
}

/** What a platform is given. */
export interface PlatformParts {
  readonly graph: Graph;
  readonly options: MachineOptions;
  readonly host: Host;
  readonly engine: Engine;
  readonly bus: Bus;
  readonly clock: VirtualClock;
  /** Devices by id; filled after the platform is made, before it is powered on. */
  readonly devices: ReadonlyMap<string, Device>;
  readonly disks: MachineDisks;
  stop(request: StopRequest): void;
  /** Ends the run: the guest can do nothing sensible any more. */
  die(stop: Stop): void;
  /** An interrupt of another hart became pending: its slice must not wait for this one's to end. */
  interrupted(hart: number): void;
  /** See Machine. */
  requestBreak(): void;
  /** The console that firmware calls use. */
  firmwareConsole(): Tap | undefined;
}

/** State of a machine: plain data, restored exactly. */
export interface Snapshot {
  /** What the machine consists of: a snapshot goes into one of the same make only. */
  readonly make: string;
  readonly clock: number;
  readonly cpus: readonly unknown[];
  readonly devices: Readonly<Record<string, object>>;
  readonly firmware: unknown;
  readonly disks: readonly WrittenSectors[];
  /** Pages of RAM that are not all zero, by index into the concatenated windows. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
  readonly alarms: readonly number[];
  readonly output: Readonly<Record<string, number>>;
  readonly slice: unknown;
  readonly stopped: Stop | undefined;
}

/** Instructions that a hart runs before the next one has its turn, when several are awake. Such a slice is never cut by the caller's wishes: the run must not depend on them. */
const QUANTUM = 20_000;
/**
 * A hart that is alone awake stops at every multiple of so many ticks, and a session's slices end there: where the engine is cut decides which
 * blocks it meets, and what it compiles must not follow the wall clock. 0.2 ms of compiled code, 1 to 2 ms of interpreted code.
 */
const GRID = 2 ** 19;
/** A reset takes a millisecond of guest time: chipsets hold its line about that long. */
const RESETS_A_SECOND = 1000;
/** The next tick at which a hart that is alone awake stops. */
const gridAfter = (ticks: number) => (Math.floor(ticks / GRID) + 1) * GRID;
const PAGE = 4096;

/** The part of guest time that is being run: every hart gets `length` ticks, one after the other. */
interface Slice {
  length: number;
  hart: number;
  /** Ticks that the present hart has had. */
  done: number;
  /** When each hart begins: Infinity while it waits. What one hart wakes does not run before that, wherever the slice began. */
  readonly from: number[];
}

/** Reads the images, and builds the machine of `graph`, which `loadGraph` gave, in its power-on state. @throws {ConfigError} */
export function createMachine(options: MachineOptions, host: Host, graph: Graph): Machine {
  return new Machine(graph, options, host);
}
const openDisk = (host: Host): OpenDisk => host.openDisk ?? ((path) => memorySource(host.readFile(path)));

export class Machine {
  readonly bus = new Bus();
  readonly clock: VirtualClock;
  readonly cpus: readonly Cpu[];
  /** Devices with `console = true`, the first one being `serial` in a scenario; else the firmware's console. */
  readonly consoles: ReadonlyMap<string, Tap>;
  readonly symbols: Symbols;
  readonly engine: Engine;
  readonly #devices = new Map<string, Device>();
  readonly disks: MachineDisks;
  readonly #windows: readonly MemoryWindow[];
  readonly #platform: Platform;
  #stopped: Stop | undefined;
  readonly #reach: Reach;
  /** Whoever runs it with a limit of wall time knows that it waits for input. */
  #announced = false;
  #request: StopRequest | undefined;
  #break = false;
  #slice: Slice | undefined;
  /** Running hash of each console's output. */
  readonly #output: Record<string, number> = {};
  #yielded = false;
  /** By the host's clock, when `run` is to come back. */
  #wallEnd = Infinity;
  /** Ticks up to the last reset, and those that the resets took. */
  #before = 0;

  constructor(readonly graph: Graph, readonly options: MachineOptions, readonly host: Host) {
    this.clock = new VirtualClock(graph.clock.cpu_hz);
    const windows = this.#windows = windowsOf(graph);
    /** Index of a device's memory among the engine's. */
    const memoryOf = new Map<string, number>();
    const rams: { readonly base?: number; readonly length: number; readonly readonly: boolean }[] = [];
    for (const { memory, segment: { base, length }, hidden } of windows) {
      const readonly = memory.kind === "rom";
      rams.push(hidden ? { length, readonly } : { base, length, readonly });
    }
    for (const { id, type, config } of graph.devices) {
      const length = DEVICES[type].memory?.(config) ?? 0;
      if (length === 0) continue;
      memoryOf.set(id, rams.length);
      rams.push({ length, readonly: false });
    }
    try {
      this.engine = new Engine(graph.cpu.harts, rams, this.bus, { jit: options.engine !== "interp", ...options.tuning });
    } catch (e) {
      if (!(e instanceof RangeError)) throw e;
      throw new ConfigError(e.message, mainRam(graph).place);
    }
    for (let i = 0; i < windows.length; i++) {
      const { memory, segment, hidden } = windows[i];
      if (hidden) this.bus.mapShadow(segment.base, this.engine.ramBytes(i), memory.id);
      else this.bus.mapRam(segment.base, this.engine.ramBytes(i), { readonly: memory.kind === "rom", name: memory.id });
    }
    this.engine.comeBack();
    this.bus.onDmaWrite = (paddr, length) => this.engine.wrote(paddr, length);
    this.disks = new MachineDisks(graph, options.disks ?? [], openDisk(host));
    const platform = platforms[graph.cpu.family]?.createPlatform;
    if (!platform) throw new Error(`the platform '${graph.cpu.family}' is not loaded: loadGraph comes first`);
    this.#platform = platform({
      graph,
      options,
      host,
      engine: this.engine,
      bus: this.bus,
      clock: this.clock,
      devices: this.#devices,
      disks: this.disks,
      stop: (request) => this.#ask(request),
      die: (stop) => {
        this.#stopped ??= stop;
        this.#attention();
      },
      requestBreak: () => this.requestBreak(),
      interrupted: (hart) => this.#interrupted(hart),
      firmwareConsole: () => this.consoles.values().next().value,
    });
    this.cpus = this.#platform.cpus;
    const symbols = this.symbols = symbolsOf(graph, options, host, this.#platform.symbols);
    for (const c of this.#platform.cpus) c.core.place = (at) => placeOf(symbols, at);
    if (traced(host.log)) {
      if (!tracing) throw new Error("a trace of processors needs loadTracing() first");
      tracing.traceCpus(this.#platform.cpus, host.log, symbols);
    }
    if (!this.disks.filled) this.disks.fill();
    for (const disk of this.disks.all) disk.onAccess = (sectors) => this.engine.spend(sectors);
    this.#reach = new Reach(graph, this.#devices, this.clock);
    let alarms = this.clock.alarms.length;
    const devices = wireDevices(graph, {
      created: (id) => {
        this.#reach.note(id, alarms);
        alarms = this.clock.alarms.length;
      },
      bus: this.bus,
      drives: (device) => this.disks.drivesOf(device),
      ...(this.#platform.io ? { io: this.#platform.io } : {}),
      clock: this.clock,
      cpuInput: (hart, name) => this.cpus[hart].input(name),
      cpuOutput: (hart, name, line) => this.cpus[hart].connect?.(name, line),
      hart: () => this.engine.running.index,
      expansionRom: (fn) => this.#platform.expansionRom?.(fn),
      log: host.log,
      stop: (request) => this.#ask(request),
      memory: (id) => this.engine.ramBytes(memoryOf.get(id)!),
    });
    for (const [id, device] of devices) this.#devices.set(id, device);
    const consoles = new Map<string, Tap>();
    for (const node of graph.devices) {
      const { char } = this.#devices.get(node.id)!;
      if (node.console && char) consoles.set(node.id, new Tap(char, (byte) => this.#noteOutput(node.id, byte)));
    }
    const own = this.#platform.ownConsole;
    if (consoles.size === 0 && own) consoles.set("sbi", new Tap(own, (byte) => this.#noteOutput("sbi", byte)));
    this.consoles = consoles;
    this.bus.onRemap = () => this.engine.remapped();
    this.engine.remapped();
    this.clock.onMoved = () => this.#clockMoved();
    this.#powerOn();
  }

  /** The first screen and the first keyboard among the devices. */
  get screen(): ScreenPort | undefined {
    for (const { screen } of this.#devices.values()) if (screen) return screen;
    return undefined;
  }
  get keyboard(): KeyPort | undefined {
    for (const { keyboard } of this.#devices.values()) if (keyboard) return keyboard;
    return undefined;
  }
  device(id: string): Device | undefined {
    return this.#devices.get(id);
  }
  /** How the run ended for good; undefined while it can go on. */
  get stopped(): Stop | undefined {
    return this.#stopped;
  }
  /** Whether idle time is to pass with the host's clock. */
  get paced(): boolean {
    return this.graph.clock.mode === "wall";
  }
  /**
   * To be awaited before time goes on, until there is none: the JIT is loaded behind the first slice, floating point in front of its first instruction.
   * Many a guest has ended by then.
   */
  get loading(): Promise<void> | undefined {
    return this.clock.ticks >= GRID && this.engine.wantsJit ? loadJit() : this.#platform.loading;
  }
  /** Loads all that at once, for who runs or looks without asking. */
  async complete(): Promise<void> {
    await loadJit();
    await platforms[this.graph.cpu.family]!.complete?.();
  }
  /** Going on without floating point would show the guest illegal instructions. */
  #mustBeLoaded(): void {
    if (this.#platform.loading) {
      throw new Error("the guest uses floating point: await machine.loading first, or machine.complete() once");
    }
  }
  /** Ticks of the short first slice that are left; `loading` looks behind it. */
  get early(): number {
    return Math.max(0, GRID - this.clock.ticks);
  }
  /** Whether the last `run` came back for the sake of wall time. It may be in the midst of a slice: nothing may follow from the guest's time then. */
  get yielded(): boolean {
    return this.#yielded;
  }
  /** Ticks of guest time that have passed in all, those before resets included. */
  get age(): number {
    return this.#before + this.clock.ticks;
  }
  /** What has to wake a machine whose processors all wait: nothing can, or only the outside; undefined: something else may, or one is awake. */
  get sleep(): Sleep {
    return this.cpus.every((c) => c.idle) ? this.#reach.sleep(this.cpus) : undefined;
  }
  /** True when every hart waits and no alarm is set: only input can wake it. */
  get idleForEver(): boolean {
    return this.clock.next === Infinity && this.cpus.every((c) => c.idle);
  }
  /** Counters by name; those of single engines only with `tuning.profile`. */
  get stats(): Record<string, number> {
    const { engine } = this, instructions = engine.harts.reduce((n, h) => n + h.total, 0), compiled = engine.regionInstructions;
    return {
      instructions,
      ...(compiled === undefined ? {} : { interpreted: instructions - compiled, compiled, translateMs: engine.translateMs }),
      ticks: this.clock.ticks,
      ...engine.stats,
      regionsAlive: engine.liveRegions,
    };
  }
  /** Where compiled code left instructions to the interpreter; undefined without `tuning.profile`. */
  get sideExits(): SideExits | undefined {
    return this.engine.sideExits;
  }

  /**
   * Lets guest time pass, synchronously, until the clock reaches `untilTicks`, a break is requested or the machine stops. Returns the
   * stop, also on every later call; a "breakpoint" is not final. With several harts awake the clock may go a slice too far. After `wallMs` of the
   * host's time it comes back (`yielded`), where it makes no difference to the guest nor to what is compiled; with such a limit also once when only
   * the outside can wake it, before time passes in which nothing happens.
   */
  run(untilTicks: number, wallMs = Infinity): Stop | undefined {
    this.#mustBeLoaded();
    this.#wallEnd = performance.now() + wallMs;
    untilTicks = Math.floor(untilTicks);
    this.#break = this.#yielded = false;
    let stop: Stop | undefined;
    while (!(stop = this.#stopped) && !this.#break && !this.#yielded) {
      if (!this.#slice) {
        this.clock.fireDue();
        this.#settle();
        if (this.#stopped || this.#break) continue;
        if (this.clock.base >= untilTicks) break;
        if (this.cpus.every((c) => c.idle)) {
          const { sleep } = this, next = Math.min(this.clock.next, untilTicks);
          if (sleep === "dead") this.#stopped = { kind: "deadHalt", pc: this.cpus[0].pc };
          if (sleep === "dead" || (sleep === "input" && !this.#announced && this.#wallEnd < Infinity) || next === Infinity) {
            this.#announced = true;
            break;
          }
          this.clock.base = next;
          this.#look();
          continue;
        }
      }
      if ((stop = this.#runSlice(untilTicks))) break;
    }
    return stop ?? this.#stopped;
  }

  /** Looks at the host's clock. */
  #look(): void {
    if (this.#wallEnd < Infinity && performance.now() >= this.#wallEnd) this.#yielded = true;
  }

  /** Runs the present slice, or a new one, to its end or to a break; undefined unless a breakpoint was met. */
  #runSlice(untilTicks: number): Stop | undefined {
    this.#announced = false;
    const awake = this.cpus.reduce((n, c) => n + (c.idle ? 0 : 1), 0);
    const slice = this.#slice ??= {
      length: Math.max(
        1,
        Math.min(this.clock.next, awake > 1 ? this.clock.base + QUANTUM : Math.min(untilTicks, gridAfter(this.clock.base))) -
          this.clock.base,
      ),
      hart: 0,
      done: 0,
      from: this.cpus.map((c) => c.idle ? Infinity : 0),
    };
    for (; slice.hart < this.cpus.length; slice.hart++, slice.done = Math.min(slice.from[slice.hart], slice.length)) {
      const cpu = this.cpus[slice.hart];
      while (slice.done < slice.length && !cpu.idle) {
        const before = slice.done;
        this.clock.elapsed = () => before + cpu.executed;
        this.engine.clock = this.clock.base + before;
        const end = cpu.run(slice.length - before);
        slice.done = before + cpu.executed;
        this.clock.elapsed = () => slice.done;
        this.#settle();
        if (this.#stopped) return this.#endSlice(slice.done);
        if (end === "breakpoint") return { kind: "breakpoint", cpu: cpu.index, pc: cpu.pc };
        if (this.#break) return undefined;
        this.#look();
        if (this.#yielded) return undefined;
      }
      // A hart alone does not wait out its slice: the clock goes on from here to whatever wakes it.
      if (this.cpus.length === 1) return this.#endSlice(slice.done);
    }
    return this.#endSlice(slice.length);
  }
  #endSlice(ticks: number): undefined {
    this.clock.base += ticks;
    this.clock.elapsed = () => 0;
    this.#slice = undefined;
    return undefined;
  }

  /** An alarm was set: the running slice must end there. */
  #clockMoved(): void {
    const slice = this.#slice;
    if (slice && this.clock.next < this.clock.base + slice.length) this.#cut(Math.max(1, Math.ceil(this.clock.next - this.clock.base)));
  }
  /** A hart that may have been idle has work: harts after it in this slice see it at once, the others at its end. */
  #interrupted(hart: number): void {
    const slice = this.#slice;
    if (!slice || hart === slice.hart) return;
    const now = this.clock.ticks - this.clock.base;
    if (slice.from[hart] === Infinity) slice.from[hart] = now;
    this.#cut(now + 1);
  }
  /** Ends the running slice after `length` ticks if it is longer. */
  #cut(length: number): void {
    const slice = this.#slice!;
    const now = this.clock.ticks - this.clock.base;
    slice.length = Math.min(slice.length, Math.max(length, now));
    this.cpus[slice.hart]?.attention();
  }

  /** Leaves `run` after the current instruction; for callbacks that run inside it. */
  requestBreak(): void {
    this.#break = true;
    this.#attention();
  }
  #attention(): void {
    const cpu = this.#slice && this.cpus[this.#slice.hart];
    cpu?.attention();
  }
  #ask(request: StopRequest): void {
    this.#request ??= request;
    this.#attention();
  }
  /** Acts on what a device or the firmware asked for. */
  #settle(): void {
    const request = this.#request;
    this.#request = undefined;
    if (!request || this.#stopped) return;
    if (request.kind !== "reset") this.#stopped = request;
    else if (this.graph.boot.reset === "stop") this.#stopped = { kind: "reset" };
    else this.reset();
  }

  /** Exactly one instruction of one hart. */
  step(cpu: number): Stop | undefined {
    this.#mustBeLoaded();
    const c = this.cpus[cpu];
    this.clock.fireDue();
    if (this.#stopped) return this.#stopped;
    const base = this.clock.base + (this.#slice?.done ?? 0);
    this.clock.elapsed = () => base - this.clock.base + c.executed;
    this.#slice ??= { length: 1, hart: cpu, done: 0, from: this.cpus.map(() => 0) };
    this.engine.clock = base;
    // A breakpoint at the very instruction is passed over.
    if (c.run(1) === "breakpoint") c.run(1);
    this.#endSlice((this.#slice?.done ?? 0) + c.executed);
    this.#settle();
    return this.#stopped;
  }

  /** Power-off and on again: RAM is cleared as the machine file says, devices and harts are reset, guest time starts again at 0. */
  reset(): void {
    // It takes as long as it would: a guest that resets itself for ever grows old, too.
    this.#before += this.clock.ticks + Math.ceil(this.clock.hz / RESETS_A_SECOND);
    // `run` must come back: a guest that resets itself for ever never reaches the time that the caller waits for.
    this.#break = true;
    this.#slice = undefined;
    this.clock.elapsed = () => 0;
    this.clock.base = 0;
    for (const a of this.clock.alarms) a.at = Infinity;
    this.clock.refresh();
    for (const i of this.engine.rams.keys()) {
      const bytes = this.engine.ramBytes(i);
      // What was never touched is not committed by the host, and stays so.
      forEachTouchedPage(bytes, (page) => bytes.fill(0, page * PAGE, page * PAGE + PAGE));
    }
    this.engine.reset();
    this.#powerOn();
    this.#attention();
  }

  #powerOn(): void {
    for (let i = 0; i < this.#windows.length; i++) {
      const { memory, segment } = this.#windows[i];
      if (memory.fill === "random") fillRandom(this.engine.ramBytes(i), this.graph.seed + i);
      if (memory.file) {
        const bytes = this.engine.ramBytes(i);
        bytes.set(this.host.readFile(memory.file).subarray(segment.offset, segment.offset + bytes.length));
      }
    }
    for (const device of this.#devices.values()) device.reset();
    this.#platform.powerOn();
  }

  /** Notes a byte of output for the digest. */
  #noteOutput(console: string, byte: number): void {
    this.engine.spend(1);
    this.#output[console] = Math.imul((this.#output[console] ?? 0x811c_9dc5) ^ byte, 0x0100_0193) >>> 0;
  }

  snapshot(): Snapshot {
    const pages = new Map<number, Uint8Array>();
    let first = 0;
    for (const [i, r] of this.engine.rams.entries()) {
      const bytes = this.engine.ramBytes(i);
      forEachTouchedPage(bytes, (page) => pages.set(first + page, bytes.slice(page * PAGE, page * PAGE + PAGE)));
      first += Math.ceil(r.length / PAGE);
    }
    return {
      make: this.#make,
      clock: this.clock.base,
      cpus: this.cpus.map((c) => c.save()),
      devices: Object.fromEntries([...this.#devices].map(([id, d]) => [id, structuredClone(d.state)])),
      firmware: this.#platform.save(),
      disks: this.disks.save(),
      pages,
      alarms: this.clock.alarms.map((a) => a.at),
      output: { ...this.#output },
      slice: structuredClone(this.#slice),
      stopped: this.#stopped,
    };
  }

  /** Processors, memories and devices: what a snapshot's parts belong to. */
  get #make(): string {
    const { cpu, devices } = this.graph, memories = this.engine.rams.map((r) => `${r.length / 1024} KiB`);
    return `${cpu.harts} ${cpu.arch}; ${memories.join(" + ")}; ${devices.map((d) => `${d.id} ${d.type}`).join(", ")}`;
  }

  /** @throws {ConfigError} it is no snapshot, or one of another machine. */
  restore(s: Snapshot): void {
    if (s?.make !== this.#make) {
      const other = s?.make === undefined ? "this is no snapshot" : `the snapshot is of another machine: ${s.make}`;
      throw new ConfigError(`${other}; this machine is ${this.#make}`);
    }
    let first = 0;
    for (const [i, r] of this.engine.rams.entries()) {
      const bytes = this.engine.ramBytes(i), now = first;
      forEachTouchedPage(bytes, (page) => void (s.pages.has(now + page) || bytes.fill(0, page * PAGE, page * PAGE + PAGE)));
      for (let page = 0; page < Math.ceil(r.length / PAGE); page++) {
        const content = s.pages.get(first + page);
        if (content) bytes.set(content, page * PAGE);
      }
      first += Math.ceil(r.length / PAGE);
    }
    this.engine.reset();
    this.clock.base = s.clock;
    const slice = structuredClone(s.slice as Slice | undefined), done = slice?.done ?? 0;
    // Wires that move while devices take up their states must not cut the slice: what is to be cut has been cut.
    this.#slice = undefined;
    this.clock.elapsed = () => done;
    for (const [id, d] of this.#devices) d.state = structuredClone(s.devices[id]);
    for (const [i, c] of this.cpus.entries()) c.load(s.cpus[i]);
    this.#platform.load(s.firmware);
    this.disks.load(s.disks);
    for (const d of this.#devices.values()) d.restored?.();
    for (const [i, a] of this.clock.alarms.entries()) a.at = s.alarms[i] ?? Infinity;
    this.clock.refresh();
    this.#slice = slice;
    for (const k of Object.keys(this.#output)) delete this.#output[k];
    Object.assign(this.#output, s.output);
    this.#stopped = s.stopped;
    this.#request = undefined;
  }

  /** Hash of everything that the guest can see and of its output: equal for equal runs. 16 hex digits. */
  digest(): string {
    const h = new Hash();
    for (const i of this.engine.rams.keys()) {
      const bytes = this.engine.ramBytes(i), words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
      forEachTouchedPage(bytes, (page) => {
        h.word(page);
        for (let w = page * 1024, end = Math.min(w + 1024, words.length); w < end; w++) h.word(words[w]);
      });
    }
    for (const written of this.disks.save()) {
      for (const [lba, sector] of written) {
        h.word(lba);
        for (const word of new Int32Array(sector.buffer, sector.byteOffset, sector.length >> 2)) h.word(word);
      }
    }
    const rest = {
      clock: this.clock.ticks,
      cpus: this.cpus.map((c) => c.save()),
      devices: [...this.#devices].map(([id, d]) => [id, d.state]),
      firmware: this.#platform.save(),
      output: this.#output,
    };
    for (const byte of new TextEncoder().encode(JSON.stringify(rest, plain))) h.word(byte);
    return h.hex();
  }
}

/** A part of a memory. */
interface MemoryWindow {
  readonly memory: MemoryNode;
  readonly segment: Segment;
  /** Until a chipset shows it. */
  readonly hidden: boolean;
}

/** The memories of a machine, window by window: the engine keeps their bytes in this order. */
function windowsOf(graph: Graph): MemoryWindow[] {
  const out: MemoryWindow[] = [];
  for (const memory of graph.memories) {
    for (const segment of memory.segments) out.push({ memory, segment, hidden: false });
    for (const segment of memory.shadows) out.push({ memory, segment, hidden: true });
  }
  return out;
}

/** A console as the outside sees it: what the guest writes is noted for the digest on its way. */
export class Tap implements CharPort {
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};
  constructor(readonly inner: CharPort, readonly note: (byte: number) => void) {
    inner.onByte = (byte) => this.write(byte);
    inner.onRoom = () => this.onRoom();
  }
  /** A byte from the guest, or from its firmware. */
  write(byte: number): void {
    this.note(byte);
    this.onByte(byte);
  }
  room(): number {
    return this.inner.room();
  }
  get interrupts(): boolean {
    return this.inner.interrupts === true;
  }
  receive(byte: number): void {
    this.inner.receive(byte);
  }
  take(): number {
    return this.inner.take?.() ?? -1;
  }
}

let tracing: typeof import("./tracing.ts") | undefined;
/** To be awaited before a machine is made whose log listens to its processors. */
export async function loadTracing(): Promise<void> {
  tracing ??= await lazy<typeof import("./tracing.ts")>("./tracing.ts", import.meta.url);
}
const traced = (log: Log) => log.on("trap") || log.on("mmu") || log.on("exec");

type Family = Graph["cpu"]["family"];
/** What is loaded. Neither family's instructions are of use to the other, and they are a third of all files. */
const platforms: Partial<Record<Family, PlatformModule>> = {};
interface PlatformModule {
  createPlatform(parts: PlatformParts): Platform;
  /** @throws {ConfigError} there is no such processor. */
  checkCpu(graph: Graph): void;
  /** Loads what this machine needs and few others do. @throws {ConfigError} */
  prepare?(graph: Graph, host: Host): Promise<void>;
  /** Loads what `Platform.loading` would load later. */
  complete?(): Promise<void>;
}

/** Makes machines of a family possible; `later`: see `loadGraph`. */
export async function loadPlatform(family: Family, later = false): Promise<void> {
  if (family === "x86") platforms.x86 ??= await lazy<typeof import("./x86.ts")>("../loads/x86.ts", import.meta.url);
  else platforms.riscv ??= await lazy<typeof import("./riscv.ts")>("../loads/riscv.ts", import.meta.url);
  if (!later) await platforms[family]!.complete?.();
}

/**
 * Reads a machine file and loads what its machine needs of this program; `createMachine` can then build it. Who awaits `Machine.loading` before
 * each slice has the JIT and floating point loaded `later`. @throws {ConfigError} the file is wrong.
 */
export async function loadGraph(options: MachineOptions, host: Host, later = false): Promise<Graph> {
  const graph = await loadConfigAndTypes(options.file, {
    readFile: (p) => host.readFile(p),
    fileSize: (p) => openDisk(host)(p, { write: false }).size,
    findShipped: host.findShipped,
    ...(options.set ? { set: options.set } : {}),
  });
  await loadPlatform(graph.cpu.family, later);
  platforms[graph.cpu.family]!.checkCpu(graph);
  await platforms[graph.cpu.family]!.prepare?.(graph, host);
  if (!later || options.tuning?.threshold !== undefined) await loadJit();
  if (graph.cpu.family === "x86" && graph.firmware.kind === "file") {
    return (await lazy<typeof import("./x86_rom.ts")>("./x86_rom.ts", import.meta.url)).withRom(graph, host);
  }
  return graph;
}

/** @throws {ConfigError} a file is named for them, and is no ELF file for this processor. */
function symbolsOf(graph: Graph, options: MachineOptions, host: Host, own: Symbols): Symbols {
  const machines = graph.cpu.family === "riscv" ? [EM_RISCV] : [EM_X86_64, EM_386];
  const named = options.symbols ?? graph.boot.symbols, image = options.kernel ?? graph.boot.kernel;
  if (named !== undefined) {
    const bytes = host.readFile(named);
    if (!isElf(bytes)) throw new ConfigError("symbols are taken from an ELF file, and this is none", { file: named });
    const { machine, symbols } = readElf(bytes, named);
    if (machines.includes(machine)) return symbols;
    throw new ConfigError(`symbols for ${machineName(machine)}, but the machine's CPU is ${graph.cpu.arch}`, { file: named });
  }
  return image === undefined ? own : withSymbolsBeside(own, image, machines, (path) => host.readFile(path));
}

/** JSON of states: bigints, maps and typed arrays in a stable form. */
const plain = (_: string, v: unknown) =>
  typeof v === "bigint"
    ? `${v}n`
    : v instanceof Map
    ? [...v]
    : v instanceof Set
    ? [...v]
    : ArrayBuffer.isView(v)
    ? [...new Uint8Array(v.buffer, v.byteOffset, v.byteLength)]
    : v;

/** Two 32-bit lanes of multiply and rotate; not for secrets. */
class Hash {
  #a = 0x9e37_79b9 | 0;
  #b = 0x85eb_ca6b | 0;
  word(w: number): void {
    this.#a = Math.imul(this.#a ^ w, 0x0100_0193);
    this.#a = (this.#a << 13) | (this.#a >>> 19);
    this.#b = Math.imul(this.#b + w, 0xc2b2_ae35 | 0) ^ this.#a;
  }
  hex(): string {
    return [this.#a, this.#b].map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** Calls `f` for each 4 KiB page that has a byte other than 0. */
function forEachTouchedPage(bytes: Uint8Array, f: (page: number) => void): void {
  const words = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3), each = PAGE / 8;
  for (let page = 0; page * each < words.length; page++) {
    const end = Math.min((page + 1) * each, words.length);
    // A double is 0 for the words 0 and 2^63 only: the second is told apart by its reciprocal.
    for (let w = page * each; w < end; w++) {
      if (words[w] !== 0 || Object.is(words[w], -0)) {
        f(page);
        break;
      }
    }
  }
}

/** Random contents that depend on the seed alone (xorshift32). */
function fillRandom(bytes: Uint8Array, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let x = (Math.imul(seed + 1, 0x9e37_79b9) | 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
}
