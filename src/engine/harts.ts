// What one hart sees of the engine: its slots, its data TLBs, its fetch translations and its contexts' numbers; and which hart runs.
import { type Core, type CoreEnv, FETCH } from "../ir/frontend.ts";
import { CONTEXT, GUEST, GUEST_END, PAGE, PC, REGIMES, SWITCH, SWITCH_END, TLB, TLB_HALF, TLB_INVALID, TLB_SIZE } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";
import type { LinearMemory } from "./memory.ts";
import type { Counters } from "./profile.ts";

/** Bytes that each hart needs: its TLBs, and its registers with its pc behind them while another one runs. */
export const TLBS_OF_HART = REGIMES * TLB_SIZE, SAVED_OF_HART = GUEST_END - GUEST + 16;
/** Contexts' numbers are multiples of this, an odd number * 16: the jump cache's index takes them in. */
const CONTEXT_STEP = 0x9e370;

/** What a hart's core makes the engine look at. */
export interface HartEvents extends Pick<CoreEnv, "wroteAt" | "walkerWrote" | "table" | "contextsAgain"> {
  /** The hart's mode, regime or context may have changed. */
  changed(hart: HartSlot): void;
  /** Instructions of the slice under way that the hart has begun, the running one not counted. */
  begun(hart: HartSlot): number;
}

/** Everything of one hart that is not its Core. */
export class HartSlot implements CoreEnv {
  core!: Core;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  readonly limits: Limits;
  /** Instructions begun in slices that are over. */
  total = 0;
  /** TLB entries filled since the last flush (addresses), so that a flush costs what was used. */
  readonly #filled: Int32Array;
  #filledCount = 0;
  /** Fetch translations: page (halves), context, host page or -1. */
  readonly #fetchLo: Int32Array;
  readonly #fetchHi: Int32Array;
  readonly #fetchContext: Int32Array;
  readonly #fetchHost: Uint32Array;
  /** After `fetch`: all of the page may be fetched from. */
  wholePage = true;
  /** Contexts of late, by a hash of the core's context and mode, and their numbers. */
  readonly #recentContext: Int32Array;
  readonly #recentMode: Int32Array;
  readonly #recentNumber: Int32Array;
  /** A bit for each regime that has a TLB. */
  #regimes = 0;
  /** See CoreEnv.base. */
  window: number;

  /** @param tlbs,saved where its TLBs and its registers are in the linear memory (TLBS_OF_HART, SAVED_OF_HART) */
  constructor(
    readonly memory: LinearMemory,
    readonly stats: Counters,
    readonly events: HartEvents,
    limits: Limits,
    readonly index: number,
    readonly tlbs: number,
    readonly saved: number,
  ) {
    const { fetchEntries, recentContexts } = limits;
    this.limits = limits;
    this.u8 = memory.u8;
    this.i32 = memory.i32;
    this.u32 = memory.u32;
    this.i64 = memory.i64;
    this.u64 = memory.u64;
    this.#filled = new Int32Array(limits.tlbFills);
    this.#fetchLo = new Int32Array(fetchEntries);
    this.#fetchHi = new Int32Array(fetchEntries);
    this.#fetchContext = new Int32Array(fetchEntries).fill(-1);
    this.#fetchHost = new Uint32Array(fetchEntries);
    this.#recentContext = new Int32Array(recentContexts).fill(-1);
    this.#recentMode = new Int32Array(recentContexts);
    this.#recentNumber = new Int32Array(recentContexts);
    this.window = index === 0 ? 0 : saved - GUEST;
  }

  // --- data TLBs

  /** Address of a regime's TLB, which is there from now on. */
  tlb(regime: number): number {
    const at = this.tlbs + regime * TLB_SIZE;
    if (!(this.#regimes >>> regime & 1)) {
      this.#regimes |= 1 << regime;
      this.#empty(at);
    }
    return at;
  }
  /** Makes a TLB of zeros empty. */
  #empty(at: number): void {
    for (let half = at >> 2; half < (at + TLB_SIZE) >> 2; half += TLB_HALF >> 2) {
      this.i32[half] = this.i32[half + (this.limits.tlbEntries - 1) * 4] = TLB_INVALID;
    }
  }
  /** Fills a TLB entry. */
  fill(at: number, lo: number, hi: number, addend: number): void {
    const { i32 } = this, i = at >> 2;
    if (this.#filledCount === this.#filled.length) this.flushTlb();
    i32[i] = lo;
    i32[i + 1] = hi;
    i32[i + 2] = addend;
    if (i32[i + 3]) return;
    i32[i + 3] = 1;
    this.#filled[this.#filledCount++] = at;
  }
  /** Takes away write access to a host page. */
  protect(page: number): void {
    const { i32, tlbs } = this, filled = this.#filled, filledCount = this.#filledCount;
    for (let n = 0; n < filledCount; n++) {
      const at = filled[n], i = at >> 2;
      if ((at - tlbs) & TLB_HALF && ((i32[i] + i32[i + 2]) | 0) === page) i32[i] = TLB_INVALID;
    }
  }
  flushTlb(): void {
    const { i32 } = this, filled = this.#filled;
    for (let n = 0; n < this.#filledCount; n++) {
      const i = filled[n] >> 2;
      i32[i] = TLB_INVALID;
      i32[i + 3] = 0;
    }
    this.#filledCount = 0;
    this.core?.dataDropped?.();
  }
  /** Drops the TLB entries of one page, in every regime. */
  flushPage(lo: number): void {
    const entry = ((lo >>> 12) & (this.limits.tlbEntries - 1)) << 4;
    for (let left = this.#regimes, at = this.tlbs + entry; left !== 0; left >>>= 1, at += TLB_SIZE) {
      if (!(left & 1)) continue;
      this.i32[at >> 2] = TLB_INVALID;
      this.i32[(at + TLB_HALF) >> 2] = TLB_INVALID;
    }
    this.core.dataDropped?.(lo);
  }
  /** Drops the TLB entries of the pages that have all address bits but the low `shift` (12 and more) in common with an address. */
  flushRange(lo: number, hi: number, shift: number): void {
    const { i32 } = this, filled = this.#filled, filledCount = this.#filledCount;
    const loMask = shift >= 32 ? 0 : -1 << shift, hiMask = shift > 32 ? -1 << (shift - 32) : -1;
    for (let n = 0; n < filledCount; n++) {
      const i = filled[n] >> 2;
      if (((i32[i] ^ lo) & loMask) === 0 && ((i32[i + 1] ^ hi) & hiMask) === 0) i32[i] = TLB_INVALID;
    }
    this.core.dataDropped?.();
  }

  // --- code

  /** Index in the linear memory of the code at a virtual pc of the running hart; -1 on a fetch fault, which the core has recorded. */
  fetch(lo: number, hi: number): number {
    const { core } = this, context = this.i32[CONTEXT >> 2], offset = lo & (PAGE - 1);
    const f = ((lo >>> 12) ^ (lo >>> 20) ^ hi) & (this.limits.fetchEntries - 1);
    this.wholePage = true;
    if (this.#fetchLo[f] === lo - offset && this.#fetchHi[f] === hi && this.#fetchContext[f] === context) {
      return this.#fetchHost[f] + offset;
    }
    this.stats.tlbFetches++;
    const paddr = core.translate(lo, hi, FETCH);
    if (paddr < 0) return -1;
    this.wholePage = core.pageCacheable;
    const host = this.memory.hostOf(paddr, 1);
    if (host < 0) core.busFault(lo, hi, FETCH);
    else if (core.pageCacheable) {
      this.#fetchLo[f] = lo - offset;
      this.#fetchHi[f] = hi;
      this.#fetchContext[f] = context;
      this.#fetchHost[f] = host - offset;
    }
    return host;
  }
  forgetFetches(): void {
    this.#fetchContext.fill(-1);
  }

  // --- contexts

  /** The number of the core's context and mode, as jump cache entries carry it; `number` gives one to those that are not known of late. */
  contextNumber(number: (context: number, mode: number) => number): number {
    const { core } = this, context = core.context(), mode = core.mode();
    const recent = (Math.imul(context, 5) ^ mode ^ (mode >> 4)) & (this.limits.recentContexts - 1);
    if (this.#recentContext[recent] !== context || this.#recentMode[recent] !== mode) {
      const n = number(context, mode);
      this.#recentContext[recent] = context;
      this.#recentMode[recent] = mode;
      this.#recentNumber[recent] = n;
    }
    return this.#recentNumber[recent];
  }
  forgetContexts(): void {
    this.forgetFetches();
    this.#recentContext.fill(-1);
  }

  // --- what else its core asks for

  base(): number {
    return this.window;
  }
  ram(paddr: number, size: number): number {
    return this.memory.hostOf(paddr, size);
  }
  wroteAt(at: number, size: number): void {
    this.events.wroteAt(at, size);
  }
  walkerWrote(at: number, size: number): void {
    this.events.walkerWrote(at, size);
  }
  table(at: number, level: number, levels: number, bits: number, lo: number, hi: number, fetched: boolean): void {
    this.events.table(at, level, levels, bits, lo, hi, fetched);
  }
  contextsAgain(): void {
    this.events.contextsAgain();
  }
  changed(): void {
    this.events.changed(this);
  }
  instructions(): number {
    return this.total + this.events.begun(this);
  }
}

/** The harts, of which one has its registers in the state window. */
export class Harts {
  running: HartSlot;
  /** Numbers of (context, hart, mode); each hart has its own contexts. */
  readonly #numbers = new Map<number, number>();
  /** Numbers given out so far. None comes again soon, also when all were forgotten: cores see by another number that they are to go on elsewhere. */
  #numbered = 0;

  /** @param forgotten called when numbers are given out anew: nothing may carry an old one */
  constructor(readonly memory: LinearMemory, readonly all: readonly HartSlot[], readonly forgotten: () => void, readonly limits: Limits) {
    this.running = all[0];
  }

  /** Puts a hart's registers into the state window. */
  select(index: number): HartSlot {
    const { u8, i64, i32 } = this.memory, hart = this.all[index], old = this.running;
    if (hart === old) return hart;
    u8.copyWithin(old.saved, GUEST, GUEST_END);
    i64[(old.saved + GUEST_END - GUEST) >> 3] = i64[PC >> 3];
    this.running = hart;
    hart.window = 0;
    old.window = old.saved - GUEST;
    u8.copyWithin(GUEST, hart.saved, hart.saved + GUEST_END - GUEST);
    i64[PC >> 3] = i64[(hart.saved + GUEST_END - GUEST) >> 3];
    i32.fill(0, SWITCH >> 2, SWITCH_END >> 2);
    this.refresh();
    return hart;
  }
  /** Index in i64 of a hart's pc. */
  pcOf(index: number): number {
    const hart = this.all[index];
    return (hart === this.running ? PC : hart.saved + GUEST_END - GUEST) >> 3;
  }

  /** Recomputes what depends on the running hart's mode. */
  refresh(): void {
    const hart = this.running, { i32 } = this.memory;
    i32[TLB >> 2] = hart.tlb(hart.core.regime());
    i32[CONTEXT >> 2] = hart.contextNumber(this.#numberOf);
  }
  readonly #numberOf = (context: number, mode: number): number => {
    const key = (context * 64 + this.running.index) * 0x1_0000 + mode;
    let n = this.#numbers.get(key);
    if (n === undefined) {
      if (this.#numbers.size === this.limits.contexts) this.#forgetNumbers();
      this.#numbers.set(key, n = Math.imul(++this.#numbered, CONTEXT_STEP) || Math.imul(++this.#numbered, CONTEXT_STEP));
    }
    return n;
  };
  /** The cores' contexts have other numbers. */
  forgetContexts(): void {
    this.#forgetNumbers();
    this.refresh();
  }
  #forgetNumbers(): void {
    this.#numbers.clear();
    this.memory.i32.fill(0, SWITCH >> 2, SWITCH_END >> 2);
    for (const h of this.all) h.forgetContexts();
    this.forgotten();
  }
}
