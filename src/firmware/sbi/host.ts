// What the built-in SBI needs of the machine, and the vocabulary of its extensions.
// Source: RISC-V Supervisor Binary Interface specification 3.0, chapter 3 (binary encoding).
import type { StopRequest } from "../../core/device.ts";

/** What a hart's performance counters are for (pmu.ts): plain data. */
export interface PmuState {
  /** By counter: the index of its event, -1 when it has none. */
  readonly events: number[];
  /** Values of the firmware's counters, by number from 0. */
  readonly values: bigint[];
  /** Those of them that count, as bits. */
  running: number;
}

/** What the machine offers to the SBI. Harts count from 0; addresses and values are unsigned. */
export interface SbiHost {
  readonly harts: number;
  readonly xlen: 32 | 64;
  /** Clears STIP of the hart and raises it when mtime reaches `time`; all ones (64 bits) means never. */
  setTimer(hart: number, time: bigint): void;
  /** Sets SSIP of the hart. */
  sendIpi(hart: number): void;
  /** Clears SSIP of the hart and tells whether it was set. */
  clearIpi(hart: number): boolean;
  /**
   * FENCE.I ("i") or SFENCE.VMA ("vma") on a hart, for the virtual addresses from `start` on. A `size` of 2^xlen-1 means the
   * whole address space; without `asid` all address spaces are meant.
   */
  fence(hart: number, kind: "i" | "vma", start: bigint, size: bigint, asid?: number): void;
  /** Starts a stopped hart in S-mode at a physical address, satp and sstatus.SIE 0, a0 the hart's number, a1 `opaque`. */
  hartStart(hart: number, pc: bigint, opaque: bigint): void;
  hartStop(hart: number): void;
  /** A value of `HSM`. */
  hartState(hart: number): number;
  /** Suspends until an interrupt is pending; when not retentive the hart then starts at `resume` like `hartStart`. */
  hartSuspend(hart: number, retentive: boolean, resume: bigint, opaque: bigint): void;
  readonly console: { write(byte: number): void; /** -1 when there is none. */ read(): number };
  /** Bytes of RAM or ROM; undefined when a part of the range is not memory. */
  readBytes(paddr: bigint, length: number): Uint8Array | undefined;
  /** False when a part of the range is not RAM; nothing is written then. */
  writeBytes(paddr: bigint, data: Uint8Array): boolean;
  /** Bytes at a virtual address as S-mode of that hart would load them; undefined when it would fault. */
  readVirtual(hart: number, vaddr: bigint, length: number): Uint8Array | undefined;
  stop(request: StopRequest): void;
  /** By hart. */
  readonly pmu: readonly PmuState[];
  /** Whether `cycle` (0) or `instret` (2) of a hart counts; and lets it count or stops it, from a value on when one is given. */
  counterRuns(hart: number, counter: number): boolean;
  setCounter(hart: number, counter: number, run: boolean, value?: bigint): void;
  /** Whether the hart sets A and D bits itself; undefined without Svadu. */
  hardwareUpdates(hart: number): boolean | undefined;
  setHardwareUpdates(hart: number, on: boolean): void;
  readonly mvendorid: bigint;
  readonly marchid: bigint;
  readonly mimpid: bigint;
}

/** States of a hart (specification 9, table "HSM Hart States"). */
export const HSM = {
  STARTED: 0,
  STOPPED: 1,
  START_PENDING: 2,
  STOP_PENDING: 3,
  SUSPENDED: 4,
  SUSPEND_PENDING: 5,
  RESUME_PENDING: 6,
} as const;

/** Standard error codes (specification 3). */
export const ERR = {
  FAILED: -1n,
  NOT_SUPPORTED: -2n,
  INVALID_PARAM: -3n,
  DENIED: -4n,
  INVALID_ADDRESS: -5n,
  ALREADY_AVAILABLE: -6n,
  ALREADY_STARTED: -7n,
  ALREADY_STOPPED: -8n,
  NO_SHMEM: -9n,
} as const;

/** One call: who asks and the arguments a0..a5. */
export interface SbiArguments {
  readonly host: SbiHost;
  readonly hart: number;
  readonly a: ArrayLike<bigint>;
  /** Whether an extension of that number is there. */
  probe(eid: bigint): boolean;
}

/** An error and a value, or "none" when the call does not come back. */
export type SbiResult = { readonly error: bigint; readonly value: bigint } | "none";

/** An extension: its functions stand in the order of their numbers; a gap answers SBI_ERR_NOT_SUPPORTED. */
export interface SbiExtension {
  readonly name: string;
  readonly eid: bigint;
  readonly functions: readonly { readonly name: string; call(c: SbiArguments): SbiResult }[];
}

/** A call of SBI 0.1: it is an extension by itself and returns one value. */
export interface SbiLegacyCall {
  readonly name: string;
  readonly eid: bigint;
  call(c: SbiArguments): bigint | "none";
}

export const ok = (value = 0n): SbiResult => ({ error: 0n, value });
export const fail = (error: bigint): SbiResult => ({ error, value: 0n });

/** 2^xlen - 1. */
export const allOnes = (host: SbiHost): bigint => 2n ** BigInt(host.xlen) - 1n;

/** A hart that an interrupt or a fence can reach. */
const reachable = (host: SbiHost, hart: number): boolean => {
  const state = host.hartState(hart);
  return state !== HSM.STOPPED && state !== HSM.STOP_PENDING;
};

/** The harts of a mask and its base (specification 3.1), or undefined when one of them does not exist or is stopped. */
export function hartList(host: SbiHost, mask: bigint, base: bigint): number[] | undefined {
  const all = Array.from({ length: host.harts }, (_, i) => i);
  if (base === allOnes(host)) return all.filter((hart) => reachable(host, hart));
  if (base >= BigInt(host.harts)) return undefined;
  const shifted = mask << base;
  const harts = all.filter((hart) => shifted >> BigInt(hart) & 1n);
  return shifted >> BigInt(host.harts) || harts.some((hart) => !reachable(host, hart)) ? undefined : harts;
}

/** True when a hart can begin to execute at that physical address. */
export const executable = (host: SbiHost, paddr: bigint): boolean => (paddr & 1n) === 0n && host.readBytes(paddr, 2) !== undefined;
