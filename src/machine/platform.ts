// What the machine, the architectures and the outside know of each other, and what is loaded of this program for a machine file.
import type { Bus } from "../core/bus.ts";
import type { VirtualClock } from "../core/clock.ts";
import { memorySource } from "../core/disk.ts";
import type { CharPort, Device, StopRequest } from "../core/device.ts";
import { Later } from "../core/later.ts";
import type { Log } from "../core/log.ts";
import type { PciFunction } from "../core/pci.ts";
import { DEVICES } from "../devices/mod.ts";
import { type Engine, type EngineOptions, loadJit } from "../engine/engine.ts";
import type { FindShipped } from "./config.ts";
import type { DiskImage, MachineDisks, OpenDisk } from "./disks.ts";
import type { Symbols } from "./elf.ts";
import type { DebuggableCore, EngineCpu } from "./engine_cpu.ts";
import { architectureOf } from "./architectures.ts";
import { loadConfigAndTypes } from "./build_graph.ts";
import type { LoadedFile } from "./loads.ts";
import type { MachineGraph } from "./machine_graph.ts";
import type { Stop } from "./stop.ts";
import type { Tap } from "./tap.ts";

/** The outside world that a machine may touch: only what is passed here. */
export interface Host {
  /** @throws {ConfigError} the file is missing or cannot be read. */
  readFile(path: string): Uint8Array;
  /** The path of a machine file that comes with bringup, by its name; for `extends`. */
  readonly findShipped?: FindShipped;
  /** For disk images, which may be large; made of `readFile` when absent. */
  readonly openDisk?: OpenDisk;
  readonly log: Log;
}
export const openDisk = (host: Host): OpenDisk => host.openDisk ?? ((path) => memorySource(host.readFile(path)));

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
  readonly loading?: Promise<unknown> | undefined;
  /** Puts registers and memory into the state at power-on; RAM is clear, devices are reset. */
  powerOn(): void;
  /** State of the built-in firmware, as plain data. */
  save(): unknown;
  load(state: unknown): void;
}

/** What a platform is given. */
export interface PlatformParts {
  readonly graph: MachineGraph;
  readonly options: MachineOptions;
  readonly host: Host;
  readonly engine: Engine;
  readonly bus: Bus;
  readonly clock: VirtualClock;
  /** Devices by id; filled after the platform is made, before it is powered on. */
  readonly devices: ReadonlyMap<string, Device>;
  readonly disks: MachineDisks;
  /** Files that are in memory when the platform is powered on: `[[load]]` of the machine file. */
  readonly loads: readonly LoadedFile[];
  /** Whether it is powered on for a snapshot, which brings what is in the memories. */
  blank(): boolean;
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

const LOADS = new Later<typeof import("./loads.ts")>("machine/loads.ts");
/** The files that the machine file puts into memory. @throws {ConfigError} */
export const loadsOf = (graph: MachineGraph, host: Host, bus: Bus): readonly LoadedFile[] =>
  graph.loads ? LOADS.now!.readLoads(graph, (path) => host.readFile(path), bus) : [];

const TRACING = new Later<{ traceCpus(cpus: Platform["cpus"], log: Log, symbols: Symbols): void }>("machine/tracing.ts");
/** Whether somebody listens to processors. */
const traced = (log: Log) => log.on("trap") || log.on("mmu") || log.on("exec");
/** Has the processors tell the channels that somebody listens to. */
export function traceProcessors(cpus: Platform["cpus"], log: Log, symbols: Symbols): void {
  if (!traced(log)) return;
  if (!TRACING.now) throw new Error("the log that loadGraph was given did not listen to processors, and this one does");
  TRACING.now.traceCpus(cpus, log, symbols);
}

const PLATFORMS = new Map<string, Later<PlatformModule>>();
/** What makes machines of an architecture. The instructions of one are of no use to another, and they are a third of all files. */
export function platformOf(cpu: { readonly family: string }): Later<PlatformModule> {
  const { platform } = architectureOf(cpu), known = PLATFORMS.get(platform) ?? new Later<PlatformModule>(platform);
  PLATFORMS.set(platform, known);
  return known;
}
/** What the module of an architecture has. */
export interface PlatformModule {
  createPlatform(parts: PlatformParts): Platform;
  /** @throws {ConfigError} there is no such processor. */
  checkCpu(graph: MachineGraph): void;
  /** Loads what this machine needs and few others do, and returns the graph with what that adds. @throws {ConfigError} */
  prepare?(graph: MachineGraph, host: Host): MachineGraph | Promise<MachineGraph>;
  /** Loads what `Platform.loading` would load later. */
  complete?(): Promise<unknown>;
}

/** Makes machines of a family possible; `later`: see `loadGraph`. */
export async function loadPlatform(family: string, later = false): Promise<PlatformModule> {
  const platform = await platformOf({ family }).load();
  if (!later) await platform.complete?.();
  return platform;
}

/**
 * Reads a machine file and loads what its machine needs of this program; `createMachine` can then build it. Who awaits `Machine.loading` before
 * each slice has the JIT and floating point loaded `later`. @throws {ConfigError} the file is wrong.
 */
export async function loadGraph(options: MachineOptions, host: Host, later = false): Promise<MachineGraph> {
  const graph = await loadConfigAndTypes(options.file, {
    readFile: (p) => host.readFile(p),
    fileSize: (p) => openDisk(host)(p, { write: false }).size,
    findShipped: host.findShipped,
    ...(options.set ? { set: options.set } : {}),
  });
  const disks = (options.disks?.length ?? 0) > 0;
  for (const { type, config } of graph.devices) await DEVICES[type].later?.(config, disks);
  const platform = await loadPlatform(graph.cpu.family, later);
  platform.checkCpu(graph);
  if (!later || options.tuning?.threshold !== undefined) await loadJit();
  if (traced(host.log)) await TRACING.load();
  if (graph.loads) await LOADS.load();
  return await platform.prepare?.(graph, host) ?? graph;
}
