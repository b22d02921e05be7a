// A machine: buses, devices, harts and their clock. It is synchronous and deterministic: the same calls give the same run, instruction for
// instruction. How time passes is `schedule.ts`, what its state is `snapshot.ts`.
import { Bus } from "../core/bus.ts";
import { VirtualClock } from "../core/clock.ts";
import type { Cpu } from "../core/cpu.ts";
import { type CharPort, type Device, hasChar, hasChars, hasKeyboard, hasScreen, type KeyPort, type ScreenPort } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";
import { DEVICES } from "../devices/mod.ts";
import { Engine, loadJit } from "../engine/engine.ts";
import type { SideExits } from "../engine/profile.ts";
import { isElf, machineName, placeOf, readElf, type Symbols, withSymbolsBeside } from "./elf.ts";
import { MachineDisks } from "./disks.ts";
import { architectureOf } from "./architectures.ts";
import { type MachineGraph, mainRam } from "./machine_graph.ts";
import { type Host, loadsOf, type MachineOptions, openDisk, type Platform, platformOf, traceProcessors } from "./platform.ts";
import type { Moment } from "./moment.ts";
import type { LoadedFile } from "./loads.ts";
import { fillRandom, loadSegments, type MemoryWindow, windowsOf } from "./ram.ts";
import { forEachTouchedPage, type Pages, pagesOf, savePages } from "./pages.ts";
import { Reach, type Sleep } from "./reach.ts";
import { Schedule } from "./schedule.ts";
import { digest, restore, rewind, save, type Snapshot, type Stateful } from "./snapshot.ts";
import type { Stop } from "./stop.ts";
import { Tap } from "./tap.ts";
import { wireDevices } from "./wire.ts";

export { loadGunzip, NeedsGunzip } from "./gunzip.ts";
export { loadJit } from "../engine/engine.ts";
export { JIT_OPTIONS, type JitOption } from "../engine/jit_options.ts";
export { type Host, loadGraph, loadPlatform, type MachineOptions } from "./platform.ts";
export type { Snapshot } from "./snapshot.ts";

/**
 * Reads the images, and builds the machine of `graph`, which `loadGraph` gave, in its power-on state. `blank`: it is about to be restored, and what
 * images put into its memory may be left out. @throws {ConfigError}
 */
export function createMachine(options: MachineOptions, host: Host, graph: MachineGraph, blank = false): Machine {
  return new Machine(graph, options, host, blank);
}

export class Machine {
  readonly bus = new Bus();
  readonly clock: VirtualClock;
  readonly cpus: readonly Cpu[];
  /** Devices with `console = true`, the first one being `serial` in a scenario; else the firmware's console. */
  readonly consoles: ReadonlyMap<string, Tap>;
  readonly symbols: Symbols;
  readonly engine: Engine;
  /** Called when the guest has asked for a reset, before it is carried out. */
  onReset: () => void = () => {};
  readonly #devices = new Map<string, Device>();
  readonly disks: MachineDisks;
  readonly #windows: readonly MemoryWindow[];
  readonly #platform: Platform;
  readonly #loads: readonly LoadedFile[];
  readonly #reach: Reach;
  readonly #schedule: Schedule;
  readonly #state: Stateful;
  /** Whether the last `run` could do nothing before `loading`. */
  #waits = false;
  /** Where a blank machine's memories were written, by index in the linear memory. */
  #written: { readonly at: number; readonly length: number }[] | undefined;
  /** The memories' pages, while nothing has changed them since somebody kept them. */
  #pages: WeakRef<Pages> | undefined;
  /** A run has ended at a breakpoint, which the engine remembers. */
  #atBreakpoint = false;

  constructor(readonly graph: MachineGraph, readonly options: MachineOptions, readonly host: Host, blank = false) {
    if (blank) this.#written = [];
    this.clock = new VirtualClock(graph.clock.cpu_hz);
    const schedule = this.#schedule = new Schedule(this.clock, {
      begins: (ticks) => this.engine.clock = ticks,
      sleep: () => this.#reach.sleep(this.cpus),
      reset: () => {
        if (graph.boot.reset === "stop") return { kind: "reset" };
        this.onReset();
        return this.reset();
      },
    });
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
    this.bus.onDmaWrite = (paddr, length) => {
      this.#pages = undefined;
      this.#written?.push({ at: this.engine.hostOf(paddr, length), length });
      this.engine.wrote(paddr, length);
    };
    this.disks = new MachineDisks(graph, options.disks ?? [], openDisk(host));
    this.#loads = loadsOf(graph, host, this.bus);
    const platform = platformOf(graph.cpu).now?.createPlatform;
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
      loads: this.#loads,
      stop: (request) => schedule.ask(request),
      die: (stop) => schedule.die(stop),
      requestBreak: () => schedule.requestBreak(),
      interrupted: (hart) => schedule.interrupted(hart),
      firmwareConsole: () => this.consoles.values().next().value,
      blank: () => this.#written !== undefined,
    });
    this.cpus = schedule.cpus = this.#platform.cpus;
    const symbols = this.symbols = symbolsOf(graph, options, host, this.#platform.symbols);
    for (const c of this.#platform.cpus) c.core.place = (at) => placeOf(symbols, at);
    traceProcessors(this.#platform.cpus, host.log, symbols);
    if (!this.disks.filled) this.disks.fill();
    for (const disk of this.disks.all) disk.onAccess = (sectors) => this.engine.spend(sectors);
    this.#reach = new Reach(graph, this.#devices, this.clock);
    const devices = wireDevices(graph, {
      bus: this.bus,
      drives: (device) => this.disks.drivesOf(device),
      ...(this.#platform.io ? { io: this.#platform.io } : {}),
      clock: this.clock,
      cpuInput: (hart, name) => this.cpus[hart].input(name),
      cpuOutput: (hart, name, line) => this.cpus[hart].connect?.(name, line),
      hart: () => this.engine.running.index,
      expansionRom: (fn) => this.#platform.expansionRom?.(fn),
      log: host.log,
      stop: (request) => schedule.ask(request),
      memory: (id) => this.engine.ramBytes(memoryOf.get(id)!),
    });
    for (const [id, device] of devices) this.#devices.set(id, device);
    const consoles = new Map<string, Tap>();
    for (const node of graph.devices) {
      const device = this.#devices.get(node.id)!;
      const add = (name: string, port: CharPort) => consoles.set(name, new Tap(port, (byte) => this.#noteOutput(name, byte)));
      if (node.console && hasChar(device)) add(node.id, device.char);
      if (node.console && hasChars(device)) { for (const [name, port] of device.chars) add(`${node.id}.${name}`, port); }
    }
    const own = this.#platform.ownConsole;
    if (consoles.size === 0 && own) consoles.set("sbi", new Tap(own, (byte) => this.#noteOutput("sbi", byte)));
    this.consoles = consoles;
    this.bus.onRemap = () => this.engine.remapped();
    this.engine.remapped();
    this.clock.onMoved = () => schedule.clockMoved();
    this.#state = {
      graph,
      engine: this.engine,
      cpus: this.cpus,
      devices: this.#devices,
      platform: this.#platform,
      disks: this.disks,
      schedule,
      output: {},
    };
    this.#powerOn();
  }

  /** The first screen and the first keyboard among the devices. */
  get screen(): ScreenPort | undefined {
    for (const device of this.#devices.values()) if (hasScreen(device)) return device.screen;
    return undefined;
  }
  get keyboard(): KeyPort | undefined {
    for (const device of this.#devices.values()) if (hasKeyboard(device)) return device.keyboard;
    return undefined;
  }
  device(id: string): Device | undefined {
    return this.#devices.get(id);
  }
  /** How the run ended for good; undefined while it can go on. */
  get stopped(): Stop | undefined {
    return this.#schedule.stopped;
  }
  /** Whether idle time is to pass with the host's clock. */
  get paced(): boolean {
    return this.graph.clock.mode === "wall";
  }
  /**
   * To be awaited before time goes on, until there is none: the JIT is loaded behind the first slice, floating point in front of its first instruction.
   * Many a guest has ended by then.
   */
  get loading(): Promise<unknown> | undefined {
    return this.early === 0 && this.engine.wantsJit ? loadJit() : this.#platform.loading;
  }
  /** Loads all that at once, for who runs or looks without asking. */
  async complete(): Promise<void> {
    await loadJit();
    await platformOf(this.graph.cpu).now!.complete?.();
  }
  /** Ticks of the short first slice that are left; `loading` looks behind it. */
  get early(): number {
    return this.#schedule.early;
  }
  /** Whether the last `run` came back for the sake of wall time or of `loading`. It may be in the midst of a slice: nothing may follow from the guest's time then. */
  get yielded(): boolean {
    return this.#waits || this.#schedule.yielded;
  }
  /** Ticks of guest time that have passed in all, those before resets included. */
  get age(): number {
    return this.#schedule.age;
  }
  /** Where the run is, exactly. */
  get moment(): Moment {
    return this.#schedule.moment;
  }
  /** `run` comes back at this moment. */
  set stopAt(moment: Moment | undefined) {
    this.#schedule.stopAt = moment;
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
   * the outside can wake it, before time passes in which nothing happens. While the guest needs what `loading` brings it comes back at once, too.
   */
  run(untilTicks: number, wallMs = Infinity): Stop | undefined {
    this.#begin();
    const stop = this.#schedule.run(untilTicks, wallMs);
    if (stop?.kind === "breakpoint") this.#atBreakpoint = true;
    return stop;
  }
  /** Exactly one instruction of one hart. */
  step(cpu: number): Stop | undefined {
    this.#begin();
    return this.#waits ? undefined : this.#schedule.step(cpu);
  }
  #begin(): void {
    if (this.#written) throw new Error("a blank machine has to be restored before it runs");
    this.#pages = undefined;
    this.#waits = this.#platform.loading !== undefined;
  }

  /** Leaves `run` after the current instruction; for callbacks that run inside it. */
  requestBreak(): void {
    this.#schedule.requestBreak();
  }

  /** Power-off and on again: RAM is cleared as the machine file says, devices and harts are reset, guest time starts again at 0. */
  reset(): undefined {
    this.#schedule.reset();
    // What was never touched is not committed by the host, and stays so.
    forEachTouchedPage(this.engine, (_, bytes) => bytes.fill(0));
    this.engine.reset();
    this.#atBreakpoint = false;
    this.#pages = this.#written = undefined;
    this.#powerOn();
  }

  #powerOn(): void {
    for (let i = 0; i < (this.#written ? 0 : this.#windows.length); i++) {
      const { memory, segment } = this.#windows[i];
      if (memory.fill === "random") fillRandom(this.engine.ramBytes(i), this.graph.seed + i);
      if (memory.file) {
        const bytes = this.engine.ramBytes(i);
        bytes.set(this.host.readFile(memory.file).subarray(segment.offset, segment.offset + bytes.length));
      }
    }
    for (const device of this.#devices.values()) device.reset();
    for (const { segments, kind } of this.#written ? [] : this.#loads) loadSegments(this.bus, this.graph, segments, kind === "elf");
    this.#platform.powerOn();
  }

  /** Notes a byte of output for the digest. */
  #noteOutput(console: string, byte: number): void {
    this.engine.spend(1);
    const { output } = this.#state;
    output[console] = Math.imul((output[console] ?? 0x811c_9dc5) ^ byte, 0x0100_0193) >>> 0;
  }

  /** The whole state. As long as nothing runs, snapshots share what they have of the memories. */
  snapshot(): Snapshot {
    // Nobody looks at what a blank machine has in its memories.
    if (this.#written) return save(this.#state, new Map());
    let pages = this.#pages?.deref();
    if (!pages) this.#pages = new WeakRef(pages = savePages(this.engine));
    return save(this.#state, pages);
  }
  /** @throws {ConfigError} it is no snapshot, or one of another machine. */
  restore(snapshot: Snapshot): void {
    restore(this.#state, snapshot, this.#written && this.#touched(this.#written));
    this.#written = undefined;
    this.#atBreakpoint = false;
    this.#pages = new WeakRef(snapshot.pages);
  }
  /** The same, and what was translated stays, as far as the memories are the same: it goes on as fast as it was. */
  rewind(snapshot: Snapshot): void {
    if (this.#written || this.#atBreakpoint) return this.restore(snapshot);
    rewind(this.#state, snapshot);
    this.#pages = new WeakRef(snapshot.pages);
  }
  /** Pages that are perhaps not zero in a blank machine; of devices' memory nobody knows. */
  #touched(written: readonly { readonly at: number; readonly length: number }[]): readonly [page: number, bytes: Uint8Array][] {
    const pages = pagesOf(this.engine, written), { rams } = this.engine;
    const others = Array.from({ length: rams.length - this.#windows.length }, (_, i) => this.#windows.length + i);
    forEachTouchedPage(this.engine, (page, bytes) => pages.push([page, bytes]), others);
    return pages;
  }
  /** Hash of everything that the guest can see and of its output: equal for equal runs. 16 hex digits. */
  digest(): string {
    return digest(this.#state);
  }
}

/** @throws {ConfigError} a file is named for them, and is no ELF file for this processor. */
function symbolsOf(graph: MachineGraph, options: MachineOptions, host: Host, own: Symbols): Symbols {
  const machines = architectureOf(graph.cpu).elf;
  const named = options.symbols ?? graph.boot.symbols, image = options.kernel ?? graph.boot.kernel ?? graph.loads?.[0].file;
  if (named !== undefined) {
    const bytes = host.readFile(named);
    if (!isElf(bytes)) throw new ConfigError("symbols are taken from an ELF file, and this is none", { file: named });
    const { machine, symbols } = readElf(bytes, named);
    if (machines.includes(machine)) return symbols;
    throw new ConfigError(`symbols for ${machineName(machine)}, but the machine's CPU is ${graph.cpu.arch}`, { file: named });
  }
  return image === undefined ? own : withSymbolsBeside(own, image, machines, (path) => host.readFile(path));
}
