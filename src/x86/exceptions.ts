// Exception vectors, their names and classes (Intel SDM volume 3A, 253668-083, 6.3 and 6.15, tables 6-1 and 6-5), and the record of past events.
import { History, type HistoryEntry } from "../core/history.ts";

// deno-fmt-ignore
export const XCPT = {
  DE: 0, DB: 1, NMI: 2, BP: 3, OF: 4, BR: 5, UD: 6, NM: 7, DF: 8, TS: 10, NP: 11, SS: 12, GP: 13, PF: 14, MF: 16, AC: 17, MC: 18, XM: 19,
} as const;
/** Recorded for an access to a debug register while DR7.GD is set: raised as #DB, of which DR6.BD tells. */
export const GENERAL_DETECT = 258;
/** Recorded for an operand that is not canonical: raised as #SS or #GP, whichever it is. */
export const NOT_CANONICAL = 257;
/** Recorded for an x87 error that goes to the interrupt controller: it stops the processor and is no exception. */
export const FREEZE = 256;

export const EXCEPTION_NAMES: readonly string[] = [
  "#DE divide error",
  "#DB debug exception",
  "NMI",
  "#BP breakpoint",
  "#OF overflow",
  "#BR bound range exceeded",
  "#UD invalid opcode",
  "#NM device not available",
  "#DF double fault",
  "coprocessor segment overrun",
  "#TS invalid TSS",
  "#NP segment not present",
  "#SS stack fault",
  "#GP general protection",
  "#PF page fault",
  "reserved (15)",
  "#MF x87 floating-point error",
  "#AC alignment check",
  "#MC machine check",
  "#XM SIMD floating-point exception",
];

/** "#GP general protection", "interrupt 0x20". */
export const eventName = (vector: number, kind: EventKind): string =>
  kind === EXCEPTION
    ? EXCEPTION_NAMES[vector] ?? `exception ${vector}`
    : kind === EXTERNAL
    ? vector === XCPT.NMI ? "NMI" : `interrupt 0x${vector.toString(16)}`
    : `INT 0x${vector.toString(16)}`;

/** Where an event comes from: the processor, a wire, INT n, or INT3 and INTO. */
export const EXCEPTION = 0, EXTERNAL = 1, SOFTWARE = 2, SOFTWARE_TRAP = 3;
export type EventKind = 0 | 1 | 2 | 3;

const bits = (...vectors: number[]) => vectors.reduce((set, v) => set | 1 << v, 0);
const { DE, DF, TS, NP, SS, GP, PF, AC } = XCPT;
const ERROR_CODE = bits(DF, TS, NP, SS, GP, PF, AC), CONTRIBUTORY = bits(DE, TS, NP, SS, GP);

/** Whether an exception pushes an error code (in protected and long mode). */
export const hasErrorCode = (vector: number): boolean => (ERROR_CODE >> vector & 1) !== 0;

/** What comes of a second exception during the delivery of a first (SDM table 6-5): the vector to deliver now, or -1 for a shutdown. */
export function combine(first: number, second: number): number {
  const contributory = (CONTRIBUTORY >> second & 1) !== 0;
  if (first === DF) return contributory || second === PF ? -1 : second;
  if (first === PF) return contributory || second === PF ? DF : second;
  return contributory && CONTRIBUTORY >> first & 1 ? DF : second;
}

/** One event as the death report prints it. */
export interface Event {
  readonly vector: number;
  readonly kind: EventKind;
  /** Address pushed as the return address: linear. */
  readonly pc: bigint;
  readonly errorCode: number;
  /** CR2 of a page fault. */
  readonly address: bigint;
  readonly cpl: number;
  /** Instructions that the processor had begun. */
  readonly at: number;
  /** How often in a row. */
  readonly times: number;
}

/** The past events of a processor. HOT: recording allocates nothing. */
export class EventLog {
  readonly history = new History();

  /** Events since reset. */
  get count(): number {
    return this.history.count;
  }

  record(
    vector: number,
    kind: EventKind,
    cpl: number,
    errorCode: number,
    pcLo: number,
    pcHi: number,
    addressLo: number,
    addressHi: number,
    at: number,
  ): void {
    this.history.record(vector | kind << 8 | cpl << 12, errorCode, pcLo, pcHi, addressLo, addressHi, at);
  }

  clear(): void {
    this.history.clear();
  }

  /** Plain data for a snapshot, and back. */
  save() {
    return this.history.save();
  }
  load(saved: ReturnType<EventLog["save"]>): void {
    this.history.load(saved);
  }

  /** The last events, oldest first; at most 16. */
  last(): Event[] {
    return this.history.last().map(eventOf);
  }
}

/** What an entry of the history stands for. */
export const eventOf = ({ what, code, a, b, at, times }: HistoryEntry): Event => ({
  vector: what & 0xff,
  kind: (what >> 8 & 3) as EventKind,
  cpl: what >> 12 & 3,
  errorCode: code,
  pc: a,
  address: b,
  at,
  times,
});

/** Unsigned 64-bit value of two halves. */
export const wide = (lo: number, hi: number): bigint => BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0);
/** Low half of a value, signed. */
export const low32 = (v: bigint): number => Number(BigInt.asIntN(32, v));
export const hex = (v: bigint | number): string => `0x${v.toString(16)}`;
