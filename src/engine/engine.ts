// The engine: runs a hart by its interpreter, and what is hot by compiled code. It knows no instruction set: a Core (ir/frontend.ts) decodes,
// translates addresses and takes exceptions. Its parts, each of which knows only those before it: memory, harts (what a core sees), code_cache,
// translator, accesses, regions.
//
// How things count: every instruction that begins takes one tick of the budget, a faulting one and a waiting one (`wfi`, `hlt`) included;
// an interrupt that is taken takes none. A fetch that faults takes one. All of it is the same whichever engine runs.
import type { Bus } from "../core/bus.ts";
import type { RunEnd } from "../core/cpu.ts";
import { Later } from "../core/later.ts";
import { CONTINUE, FINISH } from "../ir/frontend.ts";
import { BUDGET, CLOCK, CURRENT, IP, PAGE, PC } from "../ir/layout.ts";
import { type Limits, limitsOf } from "../ir/limits.ts";
import { Accesses } from "./accesses.ts";
import { CodeCache } from "./code_cache.ts";
import { Harts, HartSlot, SAVED_OF_HART, TLBS_OF_HART } from "./harts.ts";
import { interpreterModule, LEFT } from "./interpreter.ts";
import type { JitOption } from "./jit_options.ts";
import { IS_TABLE, Layout, LinearMemory, type Ram } from "./memory.ts";
import { Pace, WORK_OF_REMAP } from "./pace.ts";
import { Counters, SideExits } from "./profile.ts";
import type { Regions } from "./regions.ts";
import { Selector, SMALL } from "./select.ts";
import { PageTables } from "./tables.ts";
import { CROSSING, LARGEST_BLOCK, NOT_LOADED, STEP, THRESHOLD, Translator } from "./translator.ts";
import { H_COUNT, H_FLAGS, H_HEAT, H_PC, HEADER_BYTES, UOP, UOP_BYTES, UOPS } from "./uops.ts";

export interface EngineOptions {
  /** Compile what is hot. */
  readonly jit?: boolean;
  /** Instructions of a block's entries after which it is hot. */
  readonly threshold?: number;
  /** What is remembered at most, where that is not the default. */
  readonly limits?: Partial<Limits>;
  /** JIT options that are switched off. */
  readonly off?: readonly JitOption[];
  /** Verify the IR between the passes. */
  readonly verify?: boolean;
  /** Count what costs something to count: instructions of regions, side exits by address, time of translation. */
  readonly profile?: boolean;
}

/** The JIT. It is a module of its own: a guest that ends before anything is hot starts without it. */
const JIT = new Later<typeof import("./regions.ts")>("engine/regions.ts");
export const loadJit = (): Promise<unknown> => JIT.load();

const isComputed = (code: number) => code === UOP.jumpTo || code === UOP.jumpOut;

export class Engine {
  readonly limits: Limits;
  readonly memory: LinearMemory;
  /** Pages that serve as page tables. */
  readonly tables: PageTables;
  /** Counters for `--stats`. */
  readonly stats = new Counters();
  /** With `profile`: where compiled code gave up. */
  readonly sideExits: SideExits | undefined;
  /** Ticks of the clock at the beginning of the next `run`. */
  clock = 0;
  readonly #pace = new Pace();
  readonly #harts: Harts;
  readonly #cache: CodeCache;
  readonly #translator: Translator;
  readonly #accesses: Accesses;
  /** There when something was hot. */
  #regions: Regions | undefined;
  readonly #run: (ip: number, budget: number) => number;
  /** A block of no instructions whose one micro-op goes on anywhere. */
  readonly #resume: number;
  /** With `profile`: address of an i64 that counts the instructions of regions; else 0. */
  readonly #regionCount: number;
  #resumeAt: bigint | undefined;
  /** Instructions of the last slice. */
  #done = 0;

  /**
   * @param rams windows of RAM and ROM, in guest-physical addresses, and memory without an address; they are backed by the linear memory, zeroed
   * @throws {RangeError} they do not fit a 32-bit linear memory (3.5 GiB in all)
   */
  constructor(
    harts: number,
    rams: readonly { base?: number; length: number; readonly: boolean }[],
    readonly bus: Bus,
    readonly options: EngineOptions = {},
  ) {
    const limits = this.limits = limitsOf(options.limits), { stats } = this, pace = this.#pace;
    if (limits.arena < LARGEST_BLOCK) throw new RangeError(`engine limit 'arena' is ${limits.arena}, expected at least ${LARGEST_BLOCK}`);
    if (options.jit && options.threshold !== undefined && !JIT.now) throw new Error("a threshold is given, but the JIT is not loaded");
    const layout = new Layout(), tlbs = layout.take(harts * TLBS_OF_HART), saved = layout.take(harts * SAVED_OF_HART);
    const small = layout.take(2 * SMALL * 8);
    this.#resume = layout.take(HEADER_BYTES + UOP_BYTES) + HEADER_BYTES;
    this.#regionCount = options.profile ? layout.take(8) : 0;
    this.sideExits = options.profile ? new SideExits(stats) : undefined;
    const arena = layout.take(limits.arena), memory = this.memory = new LinearMemory(layout, rams), { u16 } = memory;
    u16[this.#resume >> 1] = UOP.resume;
    const slots: HartSlot[] = [],
      events = {
        wroteAt: (at: number, size: number) => this.#accesses.wroteAt(at, size),
        walkerWrote: (at: number, size: number) => this.#accesses.walkerWrote(at, size),
        table: (at: number, level: number, levels: number, bits: number, lo: number, hi: number, fetched: boolean) =>
          this.tables.served(at, level, levels, bits, lo, hi, fetched),
        contextsAgain: () => this.#harts.forgetContexts(),
        changed: (hart: HartSlot) => {
          if (this.#harts.running === hart) this.#harts.refresh();
        },
        begun: (hart: HartSlot) => this.#harts.running === hart ? pace.begun : 0,
      };
    for (let i = 0; i < harts; i++) {
      slots.push(new HartSlot(memory, stats, events, limits, i, tlbs + i * TLBS_OF_HART, saved + i * SAVED_OF_HART));
    }
    const selector = new Selector(memory.wasm.buffer as ArrayBuffer, small, arena + limits.arena, limits.memos);
    const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
    const cache = this.#cache = new CodeCache(memory, slots, table, selector, arena, limits, stats);
    this.#harts = new Harts(memory, slots, () => cache.forgetContexts(), limits);
    this.tables = new PageTables(
      memory.i32,
      () => slots,
      (page, on) => {
        if (on) cache.watch(page * PAGE, IS_TABLE);
        else memory.unwatch(page, IS_TABLE);
      },
      () => cache.voidPageCaches(),
      () => stats.tlbReads + stats.tlbWrites,
      limits,
    );
    this.#translator = new Translator(
      cache,
      this.#harts,
      pace,
      options.jit ? options.threshold ?? THRESHOLD : 0,
      limits,
      options.profile ?? false,
    );
    const accesses = this.#accesses = new Accesses(cache, this.#harts, this.tables, bus, pace, limits);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(interpreterModule(memory.pages, limits)), {
      e: {
        memory: memory.wasm,
        table,
        slow: (ip: number, budget: number, lo: number, hi: number) => accesses.slow(ip, budget, lo, hi),
        helper: (index: number, ip: number, budget: number) => {
          pace.left = budget + u16[(ip + 14) >> 1];
          pace.spend(1);
          const status = this.#harts.running.core.helpers[index].run();
          return status === CONTINUE && pace.attention ? FINISH : status;
        },
      },
    });
    this.#run = instance.exports.run as (ip: number, budget: number) => number;
    table.set(0, this.#run);
  }

  // --- what others ask and say

  /** All memory of the machine, that of devices too, as it was allocated. */
  get rams(): readonly Omit<Ram, "base">[] {
    return this.memory.rams;
  }
  /** Bytes of a RAM window, for the bus and the loader. */
  ramBytes(index: number): Uint8Array {
    return this.memory.ramBytes(index);
  }
  /** Index in the linear memory of guest-physical RAM or ROM that holds all of `size` bytes; -1 elsewhere. */
  hostOf(paddr: number, size: number): number {
    return this.memory.hostOf(paddr, size);
  }
  get harts(): readonly HartSlot[] {
    return this.#harts.all;
  }
  /** The hart whose registers are in the state window. */
  get running(): HartSlot {
    return this.#harts.running;
  }
  /** Puts a hart's registers into the state window. */
  select(index: number): HartSlot {
    return this.#harts.select(index);
  }
  /** pc of a hart, and setting it. */
  pc(index: number): bigint {
    return BigInt.asUintN(64, this.memory.i64[this.#harts.pcOf(index)]);
  }
  setPc(index: number, pc: bigint): void {
    this.memory.i64[this.#harts.pcOf(index)] = pc;
  }
  /** Whether the JIT is to compile and is not there yet (`loadJit`). */
  get wantsJit(): boolean {
    return this.#translator.heat > 0 && !JIT.now;
  }
  /** Instructions of the slice under way or else of the last one. */
  get executed(): number {
    return this.#pace.budget ? this.#pace.begun : this.#done;
  }
  /** Instructions that regions ran; undefined without `profile`. */
  get regionInstructions(): number | undefined {
    return this.#regionCount ? Number(this.memory.i64[this.#regionCount >> 3]) : undefined;
  }
  get liveRegions(): number {
    return this.#cache.regions.size;
  }
  /** With `profile`: milliseconds that translating blocks took. */
  get translateMs(): number {
    return this.#translator.milliseconds;
  }
  /** Makes `run` return after the current instruction. */
  attention(): void {
    this.#pace.attention = true;
  }
  /** Counts work that a device or firmware does; see Pace. */
  spend(work: number): void {
    this.#pace.spend(work);
  }
  /** From now on `run` comes back early where instructions are slow. */
  comeBack(): void {
    this.#pace.comeBack();
  }
  /** Physical memory was written by something other than a store instruction. */
  wrote(paddr: number, size: number): void {
    this.#accesses.wrote(paddr, size);
  }
  /** The bus has changed: addresses of memory are looked up anew, and code that is somewhere else now is translated anew. */
  remapped(): void {
    this.spend(WORK_OF_REMAP);
    const { moved, code } = this.memory.remap(this.bus.regions);
    if (!moved) return;
    for (const h of this.harts) {
      h.flushTlb();
      h.forgetFetches();
      h.core?.remapped?.();
    }
    if (code) this.#cache.flushSoon = this.#pace.attention = true;
  }
  /** Stops before any of these virtual addresses; drops every translation. */
  setBreakpoints(at: ReadonlySet<bigint>): void {
    this.#translator.breakpoints = at;
    this.flushCode();
  }
  /** Drops every translation. Not while a block runs. */
  flushCode(): void {
    this.#cache.flush();
  }
  /**
   * Forgets translations and TLB entries: memory or the harts' state was replaced. What was a page table may be watched for a while yet: a store
   * there drops too much, if anything.
   */
  reset(): void {
    this.#cache.reset();
    for (const h of this.harts) {
      h.flushTlb();
      h.forgetFetches();
      h.total = 0;
    }
    if (this.#regionCount) this.memory.i64[this.#regionCount >> 3] = 0n;
    this.#resumeAt = undefined;
  }

  // --- running

  /** Runs a hart for at most `budget` instructions (below 2^29); fewer after `comeBack`. */
  run(index: number, budget: number): RunEnd {
    const { i32, i64, u16 } = this.memory, pace = this.#pace, cache = this.#cache, translator = this.#translator;
    const hart = this.select(index), { core } = hart;
    pace.budget = pace.left = budget;
    i32[CLOCK >> 2] = this.clock + budget;
    i32[(CLOCK >> 2) + 1] = Math.floor((this.clock + budget) / 2 ** 32);
    pace.attention = false;
    let left = budget, end: RunEnd = "slice";
    this.#harts.refresh();
    for (;;) {
      pace.left = left;
      if (cache.flushSoon) cache.flush();
      if (pace.moved) {
        // A region may have had slots in its locals that the context depends on.
        pace.moved = false;
        this.#harts.refresh();
      }
      core.interrupt();
      if (core.waiting) {
        end = "idle";
        break;
      }
      if (left <= 0 || pace.attention || --pace.work < 0) break;
      const resume = this.#resumeAt !== undefined && this.#resumeAt === i64[PC >> 3];
      if (!resume && translator.atBreakpoint) {
        this.#resumeAt = i64[PC >> 3];
        end = "breakpoint";
        break;
      }
      this.#resumeAt = undefined;
      let block = resume ? 0 : cache.remembered(i32[PC >> 2], i32[(PC >> 2) + 1]);
      if (block === 0) block = translator.lookup(i32[PC >> 2], i32[(PC >> 2) + 1], resume);
      if (block === NOT_LOADED) break;
      if (block >= 0 && u16[(block + H_COUNT) >> 1] > left) block = translator.lookup(i32[PC >> 2], i32[(PC >> 2) + 1], true);
      left = block < 0 ? this.#raise(left) : this.#enter(block, left);
    }
    pace.rest();
    hart.total += budget - left;
    pace.budget = pace.left = 0;
    this.#done = budget - left;
    return end;
  }

  /** Runs from a block until the run loop has to look at something; the budget that is left. */
  #enter(block: number, budget: number): number {
    const { i32, u16 } = this.memory, cache = this.#cache, translator = this.#translator;
    for (let at = block;;) {
      const reason = this.#run(at, budget), ip = i32[IP >> 2];
      budget = i32[BUDGET >> 2];
      switch (reason) {
        case LEFT.budget:
        case LEFT.stale:
          this.#goTo(ip + H_PC);
          return budget;
        case LEFT.unlinked:
          this.#goTo(i32[(ip + 4) >> 2]);
          break;
        case LEFT.lookup:
          break;
        case LEFT.attention:
          return budget;
        case LEFT.side:
          this.stats.sideExits++;
          return this.#side(budget);
        case LEFT.hot:
          this.#compile(ip);
          at = ip;
          continue;
        case LEFT.verify:
          this.#regions!.verify(ip);
          at = ip;
          continue;
        case LEFT.fault:
          return this.#fault(ip, budget);
        case LEFT.finish:
          return this.#finish(ip, budget);
        default:
          throw new Error(`interpreter left with reason ${reason}`);
      }
      // On to the block at the pc, and next time without coming here. A fetch fault is found again by the run loop, which raises it.
      if (budget <= 0 || u16[(i32[CURRENT >> 2] + H_FLAGS) >> 1] & STEP || translator.atBreakpoint || --this.#pace.work < 0) return budget;
      const { generation } = cache;
      at = translator.lookup(i32[PC >> 2], i32[(PC >> 2) + 1], false);
      if (at < 0 || u16[(at + H_COUNT) >> 1] > budget) return budget;
      if (reason !== LEFT.unlinked || generation !== cache.generation) continue;
      // What crosses depends on where the next page is, too.
      if (u16[(at + H_FLAGS) >> 1] & CROSSING) u16[ip >> 1] = UOP.jumpFar;
      else i32[(ip + 8) >> 2] = at;
    }
  }

  /** A block is hot. */
  #compile(ip: number): void {
    // Not loaded: that may be when the block is hot again, which is soon.
    if (!JIT.now) this.memory.i32[(ip + H_HEAT) >> 2] = this.#translator.heat >> 3;
    else (this.#regions ??= this.#newRegions(JIT.now)).compile(ip);
  }
  #newRegions({ Regions }: typeof import("./regions.ts")): Regions {
    const { off, verify = false } = this.options, options = { off: new Set(off), verify, count: this.#regionCount };
    return new Regions(
      this.#cache,
      this.#harts,
      this.#translator,
      this.#accesses,
      this.#pace,
      (left) => this.#raise(left),
      this.limits,
      options,
    );
  }

  /** Compiled code has left the instruction at the pc to the interpreter. */
  #side(budget: number): number {
    const { i32, i64 } = this.memory, cache = this.#cache;
    this.#pace.left = budget;
    this.#regions!.left(i32[CURRENT >> 2]);
    const pc = i64[PC >> 3], lo = i32[PC >> 2], hi = i32[(PC >> 2) + 1], block = budget > 0 ? this.#translator.lookup(lo, hi, true) : -1;
    if (block < 0) return budget;
    this.sideExits?.before();
    const host = this.running.fetch(lo, hi), page = cache.pages[host >>> 12], { deviceAccesses } = this.stats;
    budget = this.#enter(block, budget);
    if (page && this.stats.deviceAccesses !== deviceAccesses) (page.devices ??= new Set()).add(host & (PAGE - 1));
    this.sideExits?.after(BigInt.asUintN(64, pc));
    return budget;
  }

  /** The instruction of the micro-op at `ip` faults: it takes its tick and its exception. */
  #fault(ip: number, budget: number): number {
    const { i32, u16 } = this.memory;
    this.#goTo(i32[CURRENT >> 2] + H_PC, u16[(ip + 12) >> 1]);
    return this.#raise(budget + u16[(ip + 14) >> 1]);
  }
  /** The instruction at the pc faults, the first of `left`. */
  #raise(left: number): number {
    this.#pace.left = left;
    this.stats.faults++;
    this.running.core.raise();
    return left - 1;
  }
  /** Sets the pc to the address that is at `literal`, plus `offset` bytes. */
  #goTo(literal: number, offset = 0): void {
    const { i32 } = this.memory, lo = (i32[literal >> 2] >>> 0) + offset;
    i32[PC >> 2] = lo;
    i32[(PC >> 2) + 1] = i32[(literal >> 2) + 1] + (lo > 0xffff_ffff ? 1 : 0);
  }

  /**
   * Completes the instruction of the micro-op at `ip`, which is done, and stops before the next one: the places where the instruction
   * can end (the next one's first micro-op, or its jumps) are boundaries for the time being.
   */
  #finish(ip: number, budget: number): number {
    const { u16, i32 } = this.memory;
    const left = u16[(ip + 14) >> 1], places: number[] = [];
    let q = ip + UOP_BYTES;
    for (; u16[(q + 14) >> 1] === left && !isComputed(u16[q >> 1]) && u16[q >> 1] !== UOP.callEnd; q += UOP_BYTES) {
      if (UOPS[u16[q >> 1]].kind === "branch") places.push(q + UOP_BYTES * u16[(q + 2) >> 1]);
    }
    if (u16[q >> 1] !== UOP.callEnd || u16[(q + 14) >> 1] !== left) places.push(q);
    // A branch that is taken looks at the link of its jump before its code.
    const codes = places.map((p) => u16[p >> 1]), links = places.map((p) => i32[(p + 8) >> 2]);
    for (const p of places) {
      u16[p >> 1] = UOP.boundary;
      i32[(p + 8) >> 2] = 0;
    }
    i32[(this.#resume + 4) >> 2] = i32[CURRENT >> 2];
    i32[(this.#resume + 8) >> 2] = ip + UOP_BYTES;
    this.#pace.attention = true; // a callEnd helper then returns here as well
    const reason = this.#run(this.#resume, budget), at = i32[IP >> 2];
    for (const [i, p] of places.entries()) {
      u16[p >> 1] = codes[i];
      i32[(p + 8) >> 2] = links[i];
    }
    budget = i32[BUDGET >> 2];
    if (reason === LEFT.fault) return this.#fault(at, budget);
    if (reason === LEFT.finish) return this.#finish(at, budget);
    if (reason === LEFT.attention) return budget;
    if (reason !== LEFT.boundary) throw new Error(`interpreter left with reason ${reason} while finishing`);
    const code = u16[at >> 1], jumps = code === UOP.jump || code === UOP.jumpFar, rest = u16[(at + 14) >> 1] + (jumps ? 1 : 0);
    // An instruction that only jumps begins with its jump: that is the next one, and has not begun.
    if ((jumps || isComputed(code)) && rest === left) {
      this.#goTo(i32[(jumps ? at + 4 : at + 8) >> 2]);
      return budget + (jumps ? rest - 1 : 0);
    }
    this.#goTo(i32[CURRENT >> 2] + H_PC, u16[(at + 12) >> 1]);
    return budget + rest;
  }
}
