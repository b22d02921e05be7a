// The state of a whole machine: saved, restored exactly, and as a digest.
import type { Cpu } from "../core/cpu.ts";
import type { Device } from "../core/device.ts";
import type { WrittenSectors } from "../core/disk.ts";
import { ConfigError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { MachineDisks } from "./disks.ts";
import type { MachineGraph } from "./machine_graph.ts";
import type { Platform } from "./platform.ts";
import { forEachTouchedPage, PAGE } from "./ram.ts";
import type { Schedule, Slice } from "./schedule.ts";
import type { Stop } from "./stop.ts";

/** Of snapshots: those of another are refused. 2: alarms by name. */
const VERSION = 2;

/** State of a machine: plain data, restored exactly. */
export interface Snapshot {
  readonly version: number;
  /** What the machine consists of: a snapshot goes into one of the same make only. */
  readonly make: string;
  readonly clock: number;
  readonly cpus: readonly unknown[];
  readonly devices: Readonly<Record<string, object>>;
  readonly firmware: unknown;
  readonly disks: readonly WrittenSectors[];
  /** Pages of RAM that are not all zero, by index into the concatenated windows. */
  readonly pages: ReadonlyMap<number, Uint8Array>;
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

export function save(m: Stateful): Snapshot {
  const pages = new Map<number, Uint8Array>();
  let first = 0;
  for (const [i, r] of m.engine.rams.entries()) {
    const bytes = m.engine.ramBytes(i);
    forEachTouchedPage(bytes, (page) => pages.set(first + page, bytes.slice(page * PAGE, page * PAGE + PAGE)));
    first += Math.ceil(r.length / PAGE);
  }
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
export function restore(m: Stateful, s: Snapshot): void {
  const make = makeOf(m);
  if (s?.make !== make) {
    const other = s?.make === undefined ? "this is no snapshot" : `the snapshot is of another machine: ${s.make}`;
    throw new ConfigError(`${other}; this machine is ${make}`);
  }
  if (s.version !== VERSION) {
    throw new ConfigError(`the snapshot is of version ${s.version ?? 1}, and this program reads version ${VERSION}`);
  }
  let first = 0;
  for (const [i, r] of m.engine.rams.entries()) {
    const bytes = m.engine.ramBytes(i), now = first;
    forEachTouchedPage(bytes, (page) => void (s.pages.has(now + page) || bytes.fill(0, page * PAGE, page * PAGE + PAGE)));
    for (let page = 0; page < Math.ceil(r.length / PAGE); page++) {
      const content = s.pages.get(first + page);
      if (content) bytes.set(content, page * PAGE);
    }
    first += Math.ceil(r.length / PAGE);
  }
  m.engine.reset();
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
  let first = 0;
  for (const [i, r] of m.engine.rams.entries()) {
    const bytes = m.engine.ramBytes(i), words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2), before = first;
    forEachTouchedPage(bytes, (page) => {
      h.word(before + page);
      for (let w = page * 1024, end = Math.min(w + 1024, words.length); w < end; w++) h.word(words[w]);
    });
    first += Math.ceil(r.length / PAGE);
  }
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
