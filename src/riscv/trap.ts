// Causes of traps, their names and priorities (RISC-V Privileged 20240411, 3.1.8, 3.1.9, tables 14 and 15), and the record of past traps.
import type { CpuTrace } from "../core/cpu.ts";
import { History, type HistoryEntry } from "../core/history.ts";
import { FAULT, type Status } from "../ir/frontend.ts";

// deno-fmt-ignore
export const CAUSE = {
  misalignedFetch: 0, fetchAccess: 1, illegal: 2, breakpoint: 3, misalignedLoad: 4, loadAccess: 5, misalignedStore: 6, storeAccess: 7,
  ecall: 8, fetchPage: 12, loadPage: 13, storePage: 15,
} as const;
/** Access and page fault causes by kind of access (READ, WRITE, FETCH of ir/frontend.ts). */
export const ACCESS_FAULT: readonly number[] = [CAUSE.loadAccess, CAUSE.storeAccess, CAUSE.fetchAccess];
export const PAGE_FAULT: readonly number[] = [CAUSE.loadPage, CAUSE.storePage, CAUSE.fetchPage];

export const EXCEPTION_NAMES: readonly string[] = [
  "instruction address misaligned",
  "instruction access fault",
  "illegal instruction",
  "breakpoint",
  "load address misaligned",
  "load access fault",
  "store/AMO address misaligned",
  "store/AMO access fault",
  "environment call from U-mode",
  "environment call from S-mode",
  "reserved (10)",
  "environment call from M-mode",
  "instruction page fault",
  "load page fault",
  "reserved (14)",
  "store/AMO page fault",
];

export const SSIP = 1 << 1, MSIP = 1 << 3, STIP = 1 << 5, MTIP = 1 << 7, SEIP = 1 << 9, MEIP = 1 << 11;
export const S_INTERRUPTS = SSIP | STIP | SEIP, M_INTERRUPTS = MSIP | MTIP | MEIP;

const INTERRUPT_NAMES: Readonly<Record<number, string>> = {
  1: "supervisor software interrupt",
  3: "machine software interrupt",
  5: "supervisor timer interrupt",
  7: "machine timer interrupt",
  9: "supervisor external interrupt",
  11: "machine external interrupt",
};

/** Numbers of the interrupts, the most urgent first (Priv 3.1.9). QEMU 7.2 takes the lowest number first after the external one. */
const PRIORITY = [11, 3, 7, 9, 1, 5];

/** Number of the most urgent interrupt of a set that is not empty. */
export function mostUrgent(set: number): number {
  for (const n of PRIORITY) if (set >> n & 1) return n;
  throw new Error(`no interrupt in 0x${set.toString(16)}`);
}

/** What mcause says, in words. */
export function causeName(cause: number, interrupt: boolean): string {
  return (interrupt ? INTERRUPT_NAMES[cause] : EXCEPTION_NAMES[cause]) ?? `${interrupt ? "interrupt" : "exception"} ${cause}`;
}

/** One trap as the death report prints it. */
export interface Trap {
  readonly cause: number;
  readonly interrupt: boolean;
  readonly epc: bigint;
  readonly tval: bigint;
  /** Privileges 0 U, 1 S, 3 M. */
  readonly from: number;
  readonly to: number;
  /** Instructions that the hart had begun. */
  readonly at: number;
  /** How often in a row. */
  readonly times: number;
}

/** The exception that has been recorded and will be delivered. */
export class PendingException {
  /** -1: none. */
  cause = -1;
  tvalLo = 0;
  tvalHi = 0;
  record(cause: number, tvalLo: number, tvalHi: number): Status {
    this.cause = cause;
    this.tvalLo = tvalLo;
    this.tvalHi = tvalHi;
    return FAULT;
  }
}

/** Who is told of what a hart does, and how addresses are called there. */
export interface Reporter {
  readonly trace: CpuTrace | undefined;
  place(at: bigint): string;
}

/** The past traps of a hart. HOT: recording allocates nothing. */
export class TrapLog {
  readonly history = new History();
  /** Exceptions in a row that were raised at the very vector the one before had jumped to: a few of them mean that it will never end. */
  loop = 0;
  #vectorLo = 1;
  #vectorHi = 0;

  /** Traps since reset. */
  get count(): number {
    return this.history.count;
  }

  record(
    cause: number,
    interrupt: boolean,
    epcLo: number,
    epcHi: number,
    tvalLo: number,
    tvalHi: number,
    from: number,
    to: number,
    at: number,
    vectorLo: number,
    vectorHi: number,
  ): void {
    this.loop = !interrupt && epcLo === this.#vectorLo && epcHi === this.#vectorHi ? this.loop + 1 : 0;
    this.history.record(cause | (interrupt ? 0x100 : 0) | from << 12 | to << 16, 0, epcLo, epcHi, tvalLo, tvalHi, at);
    this.#vectorLo = vectorLo;
    this.#vectorHi = vectorHi;
  }

  clear(): void {
    this.history.clear();
    this.loop = this.#vectorHi = 0;
    this.#vectorLo = 1; // no vector is odd
  }

  /** Plain data for a snapshot: the end that a loop of traps comes to must not depend on where it was saved. */
  save(): unknown {
    return { loop: this.loop, vector: [this.#vectorLo, this.#vectorHi], history: this.history.save() };
  }
  load(saved: unknown): void {
    const s = saved as { loop: number; vector: [number, number]; history: ReturnType<History["save"]> };
    this.loop = s.loop;
    [this.#vectorLo, this.#vectorHi] = s.vector;
    this.history.load(s.history);
  }

  /** The last traps, oldest first; at most 16. */
  last(): Trap[] {
    return this.history.last().map(trapOf);
  }
}

/** What an entry of the history stands for. */
export const trapOf = ({ what, a, b, at, times }: HistoryEntry): Trap => ({
  cause: what & 0xff,
  interrupt: (what & 0x100) !== 0,
  epc: a,
  tval: b,
  from: what >> 12 & 3,
  to: what >> 16 & 3,
  at,
  times,
});

/** A trap in one line; `place` names an address. */
export function describeTrap(t: Pick<Trap, "cause" | "interrupt" | "epc" | "tval" | "from" | "to">, place: (at: bigint) => string): string {
  const tval = t.interrupt ? "" : ` tval 0x${t.tval.toString(16)}`;
  return `${PRIVILEGE_LETTERS[t.from]} -> ${PRIVILEGE_LETTERS[t.to]}  ${causeName(t.cause, t.interrupt)}, epc ${place(t.epc)}${tval}`;
}

/** Unsigned 64-bit value of two halves. */
export const wide = (lo: number, hi: number): bigint => BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0);

/** Low half of a value. */
export const low32 = (v: bigint): number => Number(BigInt.asIntN(32, v));

export const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** Letter of a privilege. */
export const PRIVILEGE_LETTERS = ["U", "S", "?", "M"];
