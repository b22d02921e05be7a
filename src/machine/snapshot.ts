// The state of a whole machine: saved, restored exactly, and as a digest.
import type { Cpu } from "../core/cpu.ts";
import type { Device } from "../core/device.ts";
import type { WrittenSectors } from "../core/disk.ts";
import { ConfigError } from "../core/errors.ts";
import { Hash } from "../core/hash.ts";
import type { Engine } from "../engine/engine.ts";
import type { MachineDisks } from "./disks.ts";
import type { MachineGraph } from "./machine_graph.ts";
import type { Platform } from "./platform.ts";
import { changePages, forEachTouchedPage, loadPages, type Pages, savePages } from "./pages.ts";
import type { Schedule, Slice } from "./schedule.ts";
import type { Stop } from "./stop.ts";

/** Of snapshots: those of another are refused. 2: alarms by name. 3: the time before resets. */
export const VERSION = 3;

/** State of a machine: plain data, restored exactly. */
export interface Snapshot {
  readonly version: number;
  /** What the machine consists of: a snapshot goes into one of the same make only. */
  readonly make: string;
  readonly clock: number;
  /** Ticks before the last reset. */
  readonly before: number;
  readonly cpus: readonly unknown[];
  readonly devices: Readonly<Record<string, object>>;
  readonly firmware: unknown;
  readonly disks: readonly WrittenSectors[];
  /** Pages of RAM that are not all zero, by index into the concatenated windows. */
  readonly pages: Pages;
  /** When alarms fire that are set, by name. */
  readonly alarms: Readonly<Record<string, number>>;
  readonly output: Readonly<Record<string, number>>;
  readonly slice: Slice | undefined;
  readonly stopped: Stop | undefined;
}

/** What has a state. */
export interface Stateful {
  readonly graph: MachineGraph;
  readonly engine: Engine;
  readonly cpus: readonly Cpu[];
  readonly devices: ReadonlyMap<string, Device>;
  readonly platform: Platform;
  readonly disks: MachineDisks;
  readonly schedule: Schedule;
  /** Running hash of each console's output. */
  readonly output: Record<string, number>;
}

/** Processors, memories and devices: what a snapshot's parts belong to. */
function makeOf({ graph: { cpu, devices }, engine }: Stateful): string {
  const memories = engine.rams.map((r) => `${r.length / 1024} KiB`);
  return `${cpu.harts} ${cpu.arch}; ${memories.join(" + ")}; ${devices.map((d) => `${d.id} ${d.type}`).join(", ")}`;
}

/** `pages`: those that the memories have now, if they are known. */
export function save(m: Stateful, pages: Pages = savePages(m.engine)): Snapshot {
  return {
    version: VERSION,
    make: makeOf(m),
    ...m.schedule.save(),
    cpus: m.cpus.map((c) => c.save()),
    devices: Object.fromEntries([...m.devices].map(([id, d]) => [id, structuredClone(d.state)])),
    firmware: m.platform.save(),
    disks: m.disks.save(),
    pages,
    output: { ...m.output },
  };
}

/** @throws {ConfigError} it is no snapshot, or one of another machine. */
function check(m: Stateful, s: Snapshot): void {
  const make = makeOf(m);
  if (s?.make !== make) {
    const other = s?.make === undefined ? "this is no snapshot" : `the snapshot is of another machine: ${s.make}`;
    throw new ConfigError(`${other}; this machine is ${make}`);
  }
  if (s.version !== VERSION) {
    throw new ConfigError(`the snapshot is of version ${s.version ?? 1}, and this program reads version ${VERSION}`);
  }
}

/** `touched`: see `loadPages`. @throws {ConfigError} it is no snapshot, or one of another machine. */
export function restore(m: Stateful, s: Snapshot, touched?: Parameters<typeof loadPages>[2]): void {
  check(m, s);
  loadPages(m.engine, s.pages, touched);
  m.engine.reset();
  load(m, s);
}

/**
 * The same for a machine that is to stay as fast as it is: only pages that differ are written, as a device would write them, so that translations
 * of the others stay. @throws {ConfigError} it is no snapshot, or one of another machine.
 */
export function rewind(m: Stateful, s: Snapshot): void {
  check(m, s);
  const { engine } = m;
  // Each piece of memory is there once at least of what guests reach; what they do not reach has no translations.
  const seen = engine.memory.views;
  changePages(engine, s.pages, (at, length) => {
    const view = seen.find((v) => at >= v.offset && at < v.offset + v.length);
    if (view) engine.wrote(view.base + at - view.offset, length);
  });
  load(m, s);
  // What is known of addresses is another state's: everything is looked up anew.
  for (const hart of engine.harts) {
    hart.flushTlb();
    hart.contextsAgain();
  }
}

/** Everything but the memories. */
function load(m: Stateful, s: Snapshot): void {
  m.schedule.load(s, () => {
    for (const [id, d] of m.devices) d.state = structuredClone(s.devices[id]);
    for (const [i, c] of m.cpus.entries()) c.load(s.cpus[i]);
    m.platform.load(s.firmware);
    m.disks.load(s.disks);
    for (const d of m.devices.values()) d.restored?.();
  });
  for (const k of Object.keys(m.output)) delete m.output[k];
  Object.assign(m.output, s.output);
}

/** Hash of everything that the guest can see and of its output: equal for equal runs. 16 hex digits. */
export function digest(m: Stateful): string {
  const h = new Hash();
  forEachTouchedPage(m.engine, (page, bytes) => {
    h.word(page);
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    for (let w = 0; w < words.length; w++) h.word(words[w]);
  });
  for (const written of m.disks.save()) {
    for (const [lba, sector] of written) {
      h.word(lba);
      for (const word of new Int32Array(sector.buffer, sector.byteOffset, sector.length >> 2)) h.word(word);
    }
  }
  const rest = {
    clock: m.schedule.clock.ticks,
    cpus: m.cpus.map((c) => c.save()),
    devices: [...m.devices].map(([id, d]) => [id, d.state]),
    firmware: m.platform.save(),
    output: m.output,
  };
  for (const byte of new TextEncoder().encode(JSON.stringify(rest, plain))) h.word(byte);
  return h.hex();
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
