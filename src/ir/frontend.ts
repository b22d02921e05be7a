// What an instruction set gives the engine, and what it gets from it. Neither side knows more of the other than this file.
import type { Builder } from "./builder.ts";
import type { Limits } from "./limits.ts";

/** Kinds of access to guest memory. */
export const READ = 0, WRITE = 1, FETCH = 2;
export type Access = 0 | 1 | 2;

/** What a helper says. */
export const CONTINUE = 0;
/** The instruction faults: it has had no effect; the core has recorded the exception. */
export const FAULT = 1;
/** The instruction completes; the engine then returns to the run loop (interrupts, budget and mode are looked at anew). */
export const FINISH = 2;
export type Status = 0 | 1 | 2;

/** A named function that IR calls. Arguments are in the ARG slots (i64 each), the result goes to the RESULT slot. A callEnd helper sets the PC slot. */
export interface Helper {
  readonly name: string;
  run(): Status;
  /**
   * The same for the low halves of its two arguments, where the result is the 32 bits returned: what it would say is left in the ANSWER slot.
   * Only for helpers that change no slot of the guest.
   */
  readonly value?: ((a: number, b: number) => number) | undefined;
}

/** Guest code as the translator reads it. */
export interface Code {
  /** The linear memory. */
  readonly bytes: Uint8Array;
  /** Index in `bytes` of the block's first instruction. */
  readonly at: number;
  /** Bytes from there to the end of its 4 KiB page. */
  readonly limit: number;
  /** Bytes from there to where no further instruction begins; absent: the limit. */
  readonly stop?: number;
  /** Index in `bytes` of the page that follows in virtual memory; -1 when it is not mapped (the fault is then recorded in the core). Ask only when the first instruction crosses. */
  next(): number;
}

/** One processor's architecture: decoding, translation of addresses, exceptions. Its registers are slots from GUEST on. */
export interface Core {
  /** Every helper its IR calls; `call` carries an index into this list. */
  readonly helpers: readonly Helper[];
  /** Bits of state that translated code depends on (privilege is not one unless rows look at it). Below 2^16. */
  mode(): number;
  /** Which data TLB serves loads and stores now, 0..REGIMES-1: one for each combination of rights that alternates often. */
  regime(): number;
  /** Identifies the present translation of fetches: equal numbers mean that virtual code addresses map alike. Below 2^31. */
  context(): number;
  /** After a successful `translate` for reading: writing would have been allowed as well, and have changed nothing else. */
  readonly writable?: boolean;
  /** Physical addresses lead to other places in memory now: what was remembered of them is to be forgotten. */
  remapped?(): void;
  /**
   * Valid entries of a page table that addresses were translated by have changed: those that begin at `count` words from `word` on (index in
   * i32). `fetched`: maybe code was fetched by that table. The data TLBs are in order; whether `context` has changed.
   */
  entryChanged?(word: number, count: number, fetched: boolean): boolean;
  /** Data TLB entries were dropped: those of the page of an address (low half), or any. */
  dataDropped?(lo?: number): void;
  /** Of pages that it told of by `CoreEnv.table` some are no longer watched. */
  tablesForgotten?(): void;
  /**
   * Physical address of a virtual one (halves), with all effects (accessed and dirty bits). -1 on a fault, which is recorded.
   * Sets `pageCacheable`: whether the whole 4 KiB page answers alike for this kind of access. `size` is that of the access in bytes, from there on
   * (also beyond the page); absent where only the page is asked for.
   */
  translate(lo: number, hi: number, access: Access, size?: number): number;
  readonly pageCacheable: boolean;
  /** Addresses of code and data are physical and nothing protects them; `mode` tells this state from others. */
  readonly physical: boolean;
  /** Physical address of code at a virtual one, if finding it has no effect that the guest could see; else -1. Fences then know that the page is in use. */
  probeFetch?(lo: number, hi: number): number;
  /** Records the exception for an access that nothing answers. */
  busFault(lo: number, hi: number, access: Access): void;
  /** Delivers the recorded exception; the PC slot holds the address of the instruction that raised it, and the vector afterwards. */
  raise(): void;
  /** Delivers the highest pending and enabled interrupt, if any: the PC slot is the return address, and the vector afterwards. */
  interrupt(): boolean;
  /** It waits for an interrupt (`wfi`, `hlt`): `interrupt()` ends that when one is pending. */
  readonly waiting: boolean;
  /**
   * Builds the IR of a block of at most `max` instructions that starts at the builder's pc; ends it with an operation that ends. An empty block
   * means that the core cannot go on before its owner, whom it has told, has loaded something.
   */
  translateBlock(b: Builder, code: Code, max: number): void;
}

/** What the engine gives a core. */
export interface CoreEnv {
  /** What is remembered at most. */
  readonly limits: Limits;
  /** The linear memory in several views; a slot s is i32[s >> 2], i64[s >> 3]. */
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  /** Where slot 0 of this hart is in the linear memory: 0 while it runs, else the place its registers were put (only GUEST..GUEST_END and PC are there). Byte address; a multiple of 8. */
  base(): number;
  /** Physical memory of the page walker. -1 when nothing or a device is there. Index into the views of `size` bytes. */
  ram(paddr: number, size: number): number;
  /** Call after writing RAM through the views, bytes within a page by their index there: drops code translated from them. */
  wroteAt(at: number, size: number): void;
  /** The same when the walker has set accessed or dirty bits of an entry: translations that came from it are as they were. */
  walkerWrote(at: number, size: number): void;
  /**
   * An address (halves) was translated by the page table at `at` (index in u8), one of level `level` (0 is the leaves') of `levels`, with
   * `bits` bits of an index; `fetched`: for code. From now on a change of a valid entry there drops what came from it.
   */
  table(at: number, level: number, levels: number, bits: number, lo: number, hi: number, fetched: boolean): void;
  /** Drops all data TLB entries of this hart. Changes of page tables need none of it. */
  flushTlb(): void;
  /** Numbers of contexts stand for others from now on: nothing may carry one that was given before. */
  contextsAgain(): void;
  /** Call when `mode`, `regime` or `context` may have changed. */
  changed(): void;
  /** Instructions that this hart has begun since reset, the running one not counted; exact inside helpers. */
  instructions(): number;
}
