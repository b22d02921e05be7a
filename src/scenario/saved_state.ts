// A session's state as it is in files: plain data without the contents of pages. What is read from a file is compared with a state of the very
// machine that is to take it up: what has another form there is no state of it.
import type { Disk, WrittenSectors } from "../core/disk.ts";
import type { Pages } from "../machine/pages.ts";
import type { Snapshot } from "../machine/machine.ts";
import type { SessionSnapshot } from "./session_snapshot.ts";

/** What is wrong with a state from a file. */
export class BadState extends Error {
  override name = "BadState";
}

type Stored = Omit<SessionSnapshot, "machine" | "forbidden"> & {
  readonly machine: Omit<Snapshot, "pages" | "disks"> & { readonly pages: Float64Array; readonly disks: readonly StoredSectors[] };
  readonly forbidden: { readonly patterns: readonly string[]; readonly from: readonly number[] };
};
interface StoredSectors {
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
}

/** `failOn`: the patterns that `forbidden` is of. */
export function toStored({ machine, forbidden, ...rest }: SessionSnapshot, failOn: readonly string[]): Stored {
  const { pages, disks, ...state } = machine as Snapshot;
  return {
    ...rest,
    machine: { ...state, pages: Float64Array.from(pages.keys()), disks: disks.map(storeSectors) },
    forbidden: { patterns: failOn, from: forbidden },
  };
}
function storeSectors(written: WrittenSectors): StoredSectors {
  const size = written.values().next().value?.length ?? 0, bytes = new Uint8Array(written.size * size);
  let at = 0;
  for (const sector of written.values()) {
    bytes.set(sector, at);
    at += size;
  }
  return { numbers: Float64Array.from(written.keys()), bytes };
}

/** What a state from a file is held against. */
export interface Here {
  /** A state of the session that is to take it up. */
  readonly state: SessionSnapshot;
  readonly failOn: readonly string[];
  readonly disks: readonly Disk[];
  /** Pages of its memories. */
  readonly pages: number;
}

/** The state, with the pages that `page` gives in turn. @throws {BadState} it is none of this machine. */
export function fromStored(value: unknown, here: Here, page: (n: number) => Uint8Array): SessionSnapshot {
  const like = toStored(here.state, here.failOn), odd = oddity(value, like, "");
  if (odd) throw new BadState(odd);
  const { machine: { pages, disks, ...state }, forbidden, ...rest } = value as Stored;
  checkTime(state, here.state.machine as Snapshot);
  checkConsoles(rest);
  const sectors = disks.map((d, i) => loadSectors(d, here.disks[i], `machine.disks.${i}`)), content = new Map<number, Uint8Array>();
  let last = -1;
  for (const [i, n] of pages.entries()) {
    if (!(Number.isInteger(n) && n > last && n < here.pages)) throw new BadState(`machine.pages.${i} is ${n}`);
    content.set(last = n, page(i));
  }
  const known = forbidden.from.length === here.state.forbidden.length && JSON.stringify(forbidden.patterns) === JSON.stringify(here.failOn);
  return {
    ...rest,
    machine: { ...state, pages: content as Pages, disks: sectors } as Snapshot,
    // What was printed before is not looked at again for the sake of patterns that were not there then.
    forbidden: known ? forbidden.from : Object.values(rest.consoles).flatMap((c) => here.failOn.map(() => c.start + c.text.length)),
  };
}

function loadSectors({ numbers, bytes }: StoredSectors, disk: Disk, path: string): WrittenSectors {
  const size = disk.sectorSize, out = new Map<number, Uint8Array>();
  if (bytes.length !== numbers.length * size) throw new BadState(`${path}: ${numbers.length} sectors have ${bytes.length} bytes`);
  if (numbers.length > disk.mostWritten) throw new BadState(`${path}: ${numbers.length} sectors are written, more than the drive may have`);
  let last = -1;
  for (const [i, n] of numbers.entries()) {
    if (!(Number.isInteger(n) && n > last && n < disk.sectors)) throw new BadState(`${path}: sector ${n}`);
    out.set(last = n, bytes.subarray(i * size, i * size + size));
  }
  return out;
}

const count = (v: unknown) => Number.isSafeInteger(v) && (v as number) >= 0;
/** A time; Infinity: never. */
const time = (v: unknown) => typeof v === "number" && v >= 0;
const numbers = (v: unknown, is: (v: unknown) => boolean) => isRecord(v) && Object.values(v).every(is);
/** How runs end, with what is said of it. */
const STOPS: Readonly<Record<string, (s: Record<string, unknown>) => boolean>> = {
  exit: (s) => Number.isSafeInteger(s.code) && (s.pass === undefined || typeof s.pass === "boolean"),
  reset: () => true,
  deadHalt: (s) => typeof s.pc === "bigint",
  tripleFault: (s) => typeof s.pc === "bigint" && typeof s.report === "string",
  trapLoop: (s) => typeof s.pc === "bigint" && typeof s.report === "string",
};

/** What the form alone does not tell. */
function checkTime(s: Omit<Snapshot, "pages" | "disks">, { cpus }: Snapshot): void {
  const must = (path: string, holds: boolean) => {
    if (!holds) throw new BadState(`machine.${path}`);
  };
  must("clock", count(s.clock));
  must("before", count(s.before));
  must("alarms", numbers(s.alarms, time));
  must("output", numbers(s.output, count));
  const { slice, stopped } = s as unknown as { slice?: Record<string, unknown> | null; stopped?: Record<string, unknown> | null };
  if (slice !== undefined) {
    const { from, hart, length, done } = slice ?? {};
    must("slice", Array.isArray(from) && from.length === cpus.length && from.every(time) && [hart, length, done].every(count));
    must("slice", (hart as number) < cpus.length && (done as number) <= (length as number) && (length as number) <= 2 ** 31);
  }
  if (stopped !== undefined) {
    must("stopped", isRecord(stopped) && Object.hasOwn(STOPS, String(stopped.kind)) && STOPS[String(stopped.kind)](stopped));
  }
}

function checkConsoles({ consoles, inputs, keys }: Omit<SessionSnapshot, "machine" | "forbidden">): void {
  for (const [name, c] of Object.entries(consoles)) {
    const fine = count(c.start) && count(c.cursor) && c.cursor <= c.start + c.text.length && time(c.from) && count(c.unanswered) &&
      c.begun.length <= 3 && c.begun.every((b) => count(b) && b < 256) &&
      c.queue.every((p) =>
        isRecord(p) && p.bytes instanceof Uint8Array && count(p.taken) && p.taken < p.bytes.length && time(p.pace) && time(p.patience)
      );
    if (!fine) throw new BadState(`consoles.${name}`);
  }
  const { names, ticks, consoles: which, bytes, wheres } = inputs;
  const fine = ticks.length === bytes.length && which.length === bytes.length && (wheres ?? bytes).length === bytes.length &&
    count(inputs.forgotten) &&
    names.every((n) => typeof n === "string") && which.every((n) => n < names.length) && ticks.every(time);
  if (!fine) throw new BadState("inputs");
  const events = keys?.queue ?? [];
  if (
    !events.every((e) => isRecord(e) && Array.isArray(e.codes) && e.codes.every((b) => count(b) && (b as number) < 256) && time(e.pause))
  ) {
    throw new BadState("keys");
  }
}

const isRecord = (v: unknown): v is Record<string, unknown> =>
  typeof v === "object" && v !== null && Object.getPrototypeOf(v) === Object.prototype;
/** "a number", "a list", "Uint8Array". */
const kind = (v: unknown): string =>
  v === null || v === undefined
    ? "nothing"
    : Array.isArray(v)
    ? "a list"
    : isRecord(v)
    ? "a record"
    : typeof v === "object"
    ? v.constructor.name
    : `a ${typeof v}`;
/** Records whose keys are numbers, such as those of registers, have the keys that were needed so far. */
const isTable = (like: Record<string, unknown>) => Object.keys(like).every((key) => /^[\d.]+$/.test(key));
/** These are what their names say, by what is checked elsewhere. */
const FREE = new Set(["machine.alarms", "machine.output", "machine.slice", "machine.stopped", "forbidden.patterns", "forbidden.from"]);

/** The first place where a state has another form than one that is like it, as a sentence. What has nothing may have something. */
function oddity(value: unknown, like: unknown, path: string): string | undefined {
  if (like === undefined || like === null || FREE.has(path) && kind(value) === kind(like)) return undefined;
  const [is, wanted] = [kind(value), kind(like)], at = (key: unknown) => path ? `${path}.${key}` : String(key);
  if (is !== wanted || typeof value === "number" && Number.isNaN(value)) {
    return `${path} is ${is === wanted ? "no number" : is}, expected ${wanted}`;
  }
  if (ArrayBuffer.isView(like)) {
    const [n, m] = [(value as Uint8Array).length, (like as Uint8Array).length];
    return m > 0 && n !== m && !path.startsWith("inputs") && !/\.(pages|disks)\b/.test(path)
      ? `${path} has ${n} elements, expected ${m}`
      : undefined;
  }
  if (Array.isArray(like)) {
    const list = value as unknown[];
    // Queues grow; what has parts has as many as the machine has.
    if (typeof like[0] === "object" && list.length !== like.length) return `${path} has ${list.length} elements, expected ${like.length}`;
    return first(list, (v, i) => oddity(v, like[i] ?? like[0], at(i)));
  }
  if (!isRecord(like)) return undefined;
  const record = value as Record<string, unknown>, table = isTable(like), [any] = Object.values(like);
  if (!table) {
    const missing = Object.keys(like).find((key) => !Object.hasOwn(record, key)),
      more = Object.keys(record).find((key) => !Object.hasOwn(like, key));
    if (missing !== undefined) return `${at(missing)} is missing`;
    if (more !== undefined) return `${at(more)} is not known`;
  }
  return first(Object.entries(record), ([key, v]) => oddity(v, Object.hasOwn(like, key) ? like[key] : any, at(key)));
}
function first<T>(list: readonly T[], f: (v: T, i: number) => string | undefined): string | undefined {
  for (let i = 0; i < list.length; i++) {
    const found = f(list[i], i);
    if (found) return found;
  }
  return undefined;
}
