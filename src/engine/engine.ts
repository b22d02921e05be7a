// The engine: one linear memory, the block cache, the data TLBs, and the loop that runs a hart by its interpreter.
// It knows no instruction set: a Core (ir/frontend.ts) decodes, translates addresses and takes exceptions.
//
// How things count: every instruction that begins takes one tick of the budget, a faulting one and a waiting one (`wfi`, `hlt`) included;
// an interrupt that is taken takes none. A fetch that faults takes one. All of it is the same whichever engine runs.
import { BITS, type Bus, readTarget, type Size, windowOffset, writeTarget } from "../core/bus.ts";
import { BusFault } from "../core/errors.ts";
import type { RunEnd } from "../core/cpu.ts";
import { Later } from "../core/later.ts";
import { Builder, codeBytes, LONGEST_INSTRUCTION } from "../ir/builder.ts";
import { type Access, CONTINUE, type Core, type CoreEnv, FAULT, FETCH, FINISH, READ, type Status, WRITE } from "../ir/frontend.ts";
import {
  ANSWER,
  BUDGET,
  CACHE_LIMIT,
  CLOCK,
  CONTEXT,
  CURRENT,
  GUEST,
  GUEST_END,
  IP,
  JUMP_CACHE,
  PAGE,
  PAGE_CACHE_BYTES,
  PAGE_CACHES,
  PC,
  REGIMES,
  RESULT,
  SWITCH,
  SWITCH_END,
  TLB,
  TLB_HALF,
  TLB_INVALID,
  TLB_SIZE,
  TLBS,
} from "../ir/layout.ts";
import { type Limits, limitsOf } from "../ir/limits.ts";
import { interpreterModule, jumpIndex, LEFT } from "./interpreter.ts";
import type { JitOption } from "./jit_options.ts";
import { Counters, SideExits } from "./profile.ts";
import { Selector, SMALL } from "./select.ts";
import { PageTables } from "./tables.ts";
import { INSN } from "../ir/ops.ts";
import { H_COUNT, H_FLAGS, H_HEAT, H_PC, HEADER_BYTES, UOP, UOP_BYTES, UOPS } from "./uops.ts";

/** Header flags: runs one instruction and is never linked; its instruction crosses into the next page. */
const STEP = 1, CROSSING = 2;
/** No block is larger than this, its literals included. */
const LARGEST_BLOCK = Builder.CAPACITY * (UOP_BYTES + 8);
const GRANULE_SHIFT = 6;

/** A translated block. */
interface Block {
  /** Address of its first micro-op. */
  readonly ip: number;
  /** Its code: index in the linear memory, bytes. */
  readonly at: number;
  readonly bytes: number;
  readonly pcLo: number;
  readonly pcHi: number;
  /** Of an instruction that crosses into the next page: where that is, compared at each look-up; -1: it cannot be fetched from. */
  readonly second: number | undefined;
  /** Where its page keeps it. */
  readonly key: number;
  /** Another block of the same place and mode at another virtual address. */
  next: Block | undefined;
}
/** A compiled region: reached through its entry block, whose first micro-op leads to it. */
interface Region {
  readonly block: Block;
  /** Element of the table. */
  readonly element: number;
  /** See RegionTarget. */
  readonly guard: number;
  /** Its virtual pages (addresses; below 2^53 or rounded alike) and where they were. */
  readonly pages: readonly (readonly [page: number, host: number])[];
  /** Code it was made of, besides its entry block's: index in the linear memory, bytes. */
  readonly ranges: readonly { readonly at: number; readonly bytes: number }[];
  /** It was compiled for `#free`. */
  readonly trustsFree: boolean;
  readonly wasmBytes: number;
  /** Slots that it takes for sign-extended when it is entered. */
  readonly assumes: readonly number[];
  /** What its first micro-op was: code and operand b. */
  readonly code: number;
  readonly operand: number;
  /** How often it had to leave an instruction to the interpreter, and the hart's instructions when that was last looked at. */
  sides: number;
  since: number;
  /** How many instructions that reach devices were known when it was compiled. */
  readonly devices: number;
}
/** Translations of one host page. */
interface CodePage {
  /** Regions that have code here. */
  readonly regions: Set<Region>;
  readonly blocks: Map<number, Block>;
  /** Blocks of instructions whose second part is here, by their first micro-op. */
  readonly tails: Map<number, Block>;
  /** How often a write has hit code here. */
  hits: number;
  /** How many writes have come that hit no code, and after how many the code goes. */
  passed: number;
  patience: number;
  /** Bytes of code that were translated here, each as often as it was. */
  translated: number;
  /** Which 64-byte granules hold translated code: low and high 32. */
  lo: number;
  hi: number;
  /** A bit for each byte that does; made when a write hits a granule. */
  exact: Uint8Array | undefined;
  /** Where instructions begin that compiled code left since they reach devices. */
  devices: Set<number> | undefined;
}

/** A window of guest-physical memory in the linear memory. */
export interface Ram {
  readonly base: number;
  readonly length: number;
  readonly readonly: boolean;
  /** Index in the linear memory. */
  readonly offset: number;
}

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

/** Everything of one hart that is not its Core. */
class HartSlot implements CoreEnv {
  core!: Core;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  /** Instructions begun in slices that are over. */
  total = 0;
  /** TLB entries filled since the last flush (addresses), so that a flush costs what was used. */
  readonly filled: Int32Array;
  filledCount = 0;
  /** Fetch translations: page (halves), context, host page or -1. */
  readonly fetchLo: Int32Array;
  readonly fetchHi: Int32Array;
  readonly fetchContext: Int32Array;
  readonly fetchHost: Uint32Array;

  /** Contexts of late, by a hash of the core's context and mode, and their numbers. */
  readonly recentContext: Int32Array;
  readonly recentMode: Int32Array;
  readonly recentNumber: Int32Array;

  /** A bit for each regime that has a TLB. */
  #regimes = 0;
  /** See CoreEnv.base. */
  window: number;
  constructor(readonly engine: Engine, readonly limits: Limits, readonly index: number, readonly tlbs: number, readonly saved: number) {
    const buffer = engine.memory.buffer, { fetchEntries, recentContexts } = limits;
    this.filled = new Int32Array(limits.tlbFills);
    this.fetchLo = new Int32Array(fetchEntries);
    this.fetchHi = new Int32Array(fetchEntries);
    this.fetchContext = new Int32Array(fetchEntries).fill(-1);
    this.fetchHost = new Uint32Array(fetchEntries);
    this.recentContext = new Int32Array(recentContexts).fill(-1);
    this.recentMode = new Int32Array(recentContexts);
    this.recentNumber = new Int32Array(recentContexts);
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.window = index === 0 ? 0 : saved - GUEST;
  }
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
    if (this.filledCount === this.filled.length) this.flushTlb();
    i32[i] = lo;
    i32[i + 1] = hi;
    i32[i + 2] = addend;
    if (i32[i + 3]) return;
    i32[i + 3] = 1;
    this.filled[this.filledCount++] = at;
  }
  /** Takes away write access to a host page. */
  protect(page: number): void {
    const { i32, filled, tlbs, filledCount } = this;
    for (let n = 0; n < filledCount; n++) {
      const at = filled[n], i = at >> 2;
      if ((at - tlbs) & TLB_HALF && ((i32[i] + i32[i + 2]) | 0) === page) i32[i] = TLB_INVALID;
    }
  }
  base(): number {
    return this.window;
  }
  ram(paddr: number, size: number): number {
    return this.engine.hostOf(paddr, size);
  }
  wroteAt(at: number, size: number): void {
    this.engine.wroteAt(at, size);
  }
  flushTlb(): void {
    const { filled, i32 } = this;
    for (let n = 0; n < this.filledCount; n++) {
      const i = filled[n] >> 2;
      i32[i] = TLB_INVALID;
      i32[i + 3] = 0;
    }
    this.filledCount = 0;
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
    const { i32, filled, filledCount } = this, loMask = shift >= 32 ? 0 : -1 << shift, hiMask = shift > 32 ? -1 << (shift - 32) : -1;
    for (let n = 0; n < filledCount; n++) {
      const i = filled[n] >> 2;
      if (((i32[i] ^ lo) & loMask) === 0 && ((i32[i + 1] ^ hi) & hiMask) === 0) i32[i] = TLB_INVALID;
    }
    this.core.dataDropped?.();
  }
  contextsAgain(): void {
    this.engine.forgetContexts();
  }
  walkerWrote(at: number, size: number): void {
    this.engine.walkerWrote(at, size);
  }
  table(at: number, level: number, levels: number, bits: number, lo: number, hi: number, fetched: boolean): void {
    this.engine.tables.served(at, level, levels, bits, lo, hi, fetched);
  }
  changed(): void {
    if (this.engine.running === this) this.engine.refresh();
  }
  instructions(): number {
    return this.total + (this.engine.running === this ? this.engine.inSlice : 0);
  }
}

/** Whether a window is among others, unchanged. */
function has(views: readonly Ram[], v: Ram): boolean {
  for (const w of views) if (w.base === v.base && w.length === v.length && w.readonly === v.readonly && w.offset === v.offset) return true;
  return false;
}

// For each micro-op that accesses memory: bytes, whether it stores, whether it needs write permission, how a load extends.
const SIZE = new Uint8Array(UOPS.length), STORES = new Uint8Array(UOPS.length), WRITES = new Uint8Array(UOPS.length);
const SIGNED = new Uint8Array(UOPS.length), LONG = new Uint8Array(UOPS.length);
for (let i = 0; i < UOPS.length; i++) {
  const { kind, root } = UOPS[i];
  if (kind !== "load" && kind !== "store") continue;
  SIZE[i] = root!.size!;
  if (kind === "store") STORES[i] = WRITES[i] = 1;
  else if (root!.rmw) WRITES[i] = 1;
  if (root!.signed) SIGNED[i] = 1;
  if (root!.result === "l") LONG[i] = 1;
}

/** The JIT. It is a module of its own: a guest that ends before anything is hot starts without it. */
const JIT = new Later<typeof import("./jit.ts")>("engine/jit.ts");
export const loadJit = (): Promise<unknown> => JIT.load();

export class Engine {
  readonly limits: Limits;
  /** Of the limits: the low bits that index their tables. */
  readonly #fetchMask: number;
  readonly #recentMask: number;
  readonly #tlbMask: number;
  readonly #jumpMask: number;
  readonly memory: WebAssembly.Memory;
  /** All memory of the machine, that of devices too, as it was allocated. */
  readonly rams: readonly Omit<Ram, "base">[];
  /** What guest addresses reach of it now, the largest first. */
  #views: readonly Ram[];
  readonly harts: readonly HartSlot[];
  /** The hart whose registers are in the state window. */
  running: HartSlot;
  readonly #run: (ip: number, budget: number) => number;
  readonly #selector: Selector;
  readonly #table: WebAssembly.Table;
  #regionImports: WebAssembly.Imports | undefined;
  readonly #off: ReadonlySet<JitOption>;
  readonly #heat: number;
  readonly #freeElements: number[] = [];
  readonly #freeCells: number[] = [];
  readonly #builder = new Builder();
  /** Hits of pages that have no code at the moment, by page number. */
  readonly #hits = new Map<number, number>();
  /** The same for `patience`. */
  readonly #patience = new Map<number, number>();
  /** The same for `translated`, which lasts when all code goes: that may come of it. */
  readonly #translated = new Map<number, number>();
  readonly #pages: (CodePage | undefined)[] = [];
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #i32: Int32Array;
  readonly #i64: BigInt64Array;
  /** A byte for each page of the linear memory: why writes to it are looked at (IS_CODE, IS_TABLE). */
  readonly #watched: number;
  /** Pages that serve as page tables. */
  readonly tables: PageTables;
  readonly #arena: number;
  #arenaAt: number;
  /** Grows when every translation was dropped. */
  #generation = 0;
  /** Numbers of (context, hart, mode), as jump cache entries carry them; each hart has its own contexts. */
  readonly #contexts = new Map<number, number>();
  /** Numbers given out so far. None comes again soon, also when all were forgotten: cores see by another number that they are to go on elsewhere. */
  #numbered = 0;
  #attention = false;
  /** After how much work outside of compiled code `run` comes back before its budget is used up; see WORK. */
  #pause = Infinity;
  /** What is left of that. */
  #work = Infinity;
  /** A store has changed the translation of code. */
  #moved = false;
  /** Budget of the running slice; while wasm runs, what is left is known only at its calls. */
  #slice = 0;
  #leftNow = 0;
  #breakpoints: ReadonlySet<bigint> = new Set();
  #resumeAt: bigint | undefined;
  /** A block of no instructions whose one micro-op goes on anywhere. */
  readonly #resume: number;
  readonly #code: { bytes: Uint8Array; at: number; limit: number; stop: number; next: () => number };
  readonly #regionCode: { bytes: Uint8Array; at: number; limit: number; stop: number; next: () => number };
  #second = -1;
  #nextOfRegion: () => number = () => -1;
  /** Helpers that have `value`. */
  #values: ReadonlySet<number> | undefined;
  /** Counters for `--stats`. */
  readonly stats = new Counters();
  /** With `profile`: where compiled code gave up. */
  readonly sideExits: SideExits | undefined;
  /** With `profile`: address of an i64 that counts the instructions of regions; else 0. */
  readonly #regionCount: number;
  /** With `profile`: milliseconds that translating blocks took. */
  translateMs = 0;
  /** Ticks of the clock at the beginning of the next `run`. */
  clock = 0;
  #done = 0;
  /** After `#fetch`: all of the page may be fetched from. */
  #wholePage = true;
  /** Live regions by their entry's micro-ops. */
  readonly #regions = new Map<number, Region>();
  /** Most page caches that a region has. */
  #pageCaches = 0;
  /** Entries of regions that were entered with other registers than they had been compiled for. */
  readonly #unlike = new Set<number>();
  #liveBytes = 0;
  #flushSoon = false;
  #free: { readonly ram: Ram; readonly from: number; readonly length: number } | undefined;
  #freeMoves = 0;
  // The value of the access under way, zero-extended.
  #valueLo = 0;
  #valueHi = 0;
  /** Whether the JIT is to compile and is not there yet (`loadJit`). */
  get wantsJit(): boolean {
    return this.#heat > 0 && !JIT.now;
  }

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
    const limits = this.limits = limitsOf(options.limits);
    this.#fetchMask = limits.fetchEntries - 1;
    this.#recentMask = limits.recentContexts - 1;
    this.#tlbMask = limits.tlbEntries - 1;
    this.#jumpMask = limits.jumpEntries - 1 << 4;
    if (limits.arena < LARGEST_BLOCK) throw new RangeError(`engine limit 'arena' is ${limits.arena}, expected at least ${LARGEST_BLOCK}`);
    let at = TLBS;
    const take = (bytes: number, align = 16) => {
      const from = Math.ceil(at / align) * align;
      at = from + bytes;
      return from;
    };
    const tlbs = take(harts * REGIMES * TLB_SIZE), saved = take(harts * (GUEST_END - GUEST + 16)), small = take(2 * SMALL * 8);
    this.#resume = take(HEADER_BYTES + UOP_BYTES) + HEADER_BYTES;
    this.#regionCount = options.profile ? take(8) : 0;
    this.sideExits = options.profile ? new SideExits(this.stats) : undefined;
    this.#arena = this.#arenaAt = take(limits.arena);
    const views: Ram[] = [], all: Omit<Ram, "base">[] = [];
    for (const { base, length, readonly } of rams) {
      const offset = take(length, 65536);
      all.push({ length, readonly, offset });
      if (base !== undefined) views.push(viewAt({ base, length, readonly, offset }));
    }
    this.rams = all;
    this.#views = views;
    this.#watched = take(Math.ceil(at / PAGE));
    const pages = Math.ceil(at / 65536);
    if (pages > 65536) throw new RangeError(`memory of ${Math.round(at / 2 ** 20)} MiB does not fit: at most 3.5 GiB in all`);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const buffer = this.memory.buffer as ArrayBuffer;
    this.#u8 = new Uint8Array(buffer);
    this.#u16 = new Uint16Array(buffer);
    this.#i32 = new Int32Array(buffer);
    this.#i64 = new BigInt64Array(buffer);
    this.#selector = new Selector(buffer, small, this.#arena + limits.arena, limits.memos);
    const slots: HartSlot[] = [];
    for (let i = 0; i < harts; i++) {
      slots.push(new HartSlot(this, limits, i, tlbs + i * REGIMES * TLB_SIZE, saved + i * (GUEST_END - GUEST + 16)));
    }
    this.harts = slots;
    this.tables = new PageTables(
      this.#i32,
      () => this.harts,
      (page, on) => {
        if (on) this.#watch(page * PAGE, IS_TABLE);
        else this.#u8[this.#watched + page] &= ~IS_TABLE;
      },
      () => this.#voidPageCaches(),
      () => this.stats.tlbReads + this.stats.tlbWrites,
      limits,
    );
    this.running = this.harts[0];
    this.#code = { bytes: this.#u8, at: 0, limit: 0, stop: 0, next: () => this.#second = this.#nextPage() };
    // What is compiled may never run: looking for it must not walk page tables, which would be seen there.
    this.#regionCode = { bytes: this.#u8, at: 0, limit: 0, stop: 0, next: () => this.#second = this.#nextOfRegion() };
    this.#u16[this.#resume >> 1] = UOP.resume;
    const module = new WebAssembly.Module(interpreterModule(pages, limits));
    this.#table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
    if (options.jit && options.threshold !== undefined && !JIT.now) throw new Error("a threshold is given, but the JIT is not loaded");
    this.#off = new Set(options.off);
    this.#heat = options.jit ? options.threshold ?? THRESHOLD : 0;
    const instance = new WebAssembly.Instance(module, {
      e: {
        memory: this.memory,
        table: this.#table,
        slow: (ip: number, budget: number, lo: number, hi: number) => this.#slow(ip, budget, lo, hi),
        helper: (index: number, ip: number, budget: number) => {
          this.#leftNow = budget + this.#u16[(ip + 14) >> 1];
          if (--this.#work < 0) this.#attention = true;
          const status = this.running.core.helpers[index].run();
          return status === CONTINUE && this.#attention ? FINISH : status;
        },
      },
    });
    this.#run = instance.exports.run as (ip: number, budget: number) => number;
    this.#table.set(0, this.#run);
  }

  /** Bytes of a RAM window, for the bus and the loader. */
  ramBytes(index: number): Uint8Array {
    const r = this.rams[index];
    return this.#u8.subarray(r.offset, r.offset + r.length);
  }
  /** Index in the linear memory of guest-physical RAM or ROM that holds all of `size` bytes; -1 elsewhere. */
  hostOf(paddr: number, size: number): number {
    const views = this.#views;
    for (let i = 0; i < views.length; i++) {
      const r = views[i], at = paddr - r.base;
      if (at >= 0 && at + size <= r.length) return r.offset + at;
    }
    return -1;
  }
  #ramAt(paddr: number): Ram | undefined {
    const views = this.#views;
    for (let i = 0; i < views.length; i++) {
      const r = views[i], at = paddr - r.base;
      if (at >= 0 && at < r.length) return r;
    }
    return undefined;
  }
  /** The window that an index in the linear memory is in; there is one. */
  #viewOf(host: number): Ram {
    for (const r of this.#views) if (host >= r.offset && host < r.offset + r.length) return r;
    throw new Error("no memory of the guest is there");
  }
  /** The bus has changed: addresses of memory are looked up anew, and code that is somewhere else now is translated anew. */
  remapped(): void {
    this.spend(WORK_OF_REMAP);
    const old = this.#views, views: Ram[] = [];
    for (const { base, bytes, readonly } of this.bus.regions) {
      if (bytes?.buffer !== this.#u8.buffer) continue;
      let i = views.length;
      while (i > 0 && views[i - 1].length < bytes.length) i--;
      views.splice(i, 0, viewAt({ base, length: bytes.length, readonly, offset: bytes.byteOffset }));
    }
    let changed = views.length !== old.length, code = false;
    for (const v of old) {
      if (has(views, v)) continue;
      changed = true;
      const map = this.#u8.subarray(this.#watched + (v.offset >>> 12), this.#watched + ((v.offset + v.length - 1) >>> 12) + 1);
      code ||= map.includes(IS_CODE) || map.includes(IS_CODE | IS_TABLE);
    }
    if (!changed) return;
    this.#views = views;
    for (const h of this.harts) {
      h.flushTlb();
      h.fetchContext.fill(-1);
      h.core?.remapped?.();
    }
    if (code) this.#flushSoon = this.#attention = true;
  }

  /** Instructions of the slice under way, the running one not counted; 0 between slices. */
  get inSlice(): number {
    return this.#slice - this.#leftNow;
  }
  /** Instructions of the slice under way or else of the last one. */
  get executed(): number {
    return this.#slice ? this.#slice - this.#leftNow : this.#done;
  }
  /** Instructions that regions ran; undefined without `profile`. */
  get regionInstructions(): number | undefined {
    return this.#regionCount ? Number(this.#i64[this.#regionCount >> 3]) : undefined;
  }
  get liveRegions(): number {
    return this.#regions.size;
  }
  /** Makes `run` return after the current instruction. */
  attention(): void {
    this.#attention = true;
  }

  /** Counts work that a device or firmware does; see WORK. */
  spend(work: number): void {
    this.#work -= work;
    if (this.#work < 0) this.#attention = true;
  }

  /** Puts a hart's registers into the state window. */
  select(index: number): HartSlot {
    const hart = this.harts[index], old = this.running;
    if (hart === old) return hart;
    this.#u8.copyWithin(old.saved, GUEST, GUEST_END);
    this.#i64[(old.saved + GUEST_END - GUEST) >> 3] = this.#i64[PC >> 3];
    this.running = hart;
    hart.window = 0;
    old.window = old.saved - GUEST;
    this.#u8.copyWithin(GUEST, hart.saved, hart.saved + GUEST_END - GUEST);
    this.#i64[PC >> 3] = this.#i64[(hart.saved + GUEST_END - GUEST) >> 3];
    this.#i32.fill(0, SWITCH >> 2, SWITCH_END >> 2);
    this.refresh();
    return hart;
  }
  /** pc of a hart, and setting it. */
  pc(index: number): bigint {
    const hart = this.harts[index];
    return BigInt.asUintN(64, this.#i64[(hart === this.running ? PC : hart.saved + GUEST_END - GUEST) >> 3]);
  }
  setPc(index: number, pc: bigint): void {
    const hart = this.harts[index];
    this.#i64[(hart === this.running ? PC : hart.saved + GUEST_END - GUEST) >> 3] = pc;
  }

  /** Recomputes what depends on the running hart's mode. */
  refresh(): void {
    const hart = this.running, core = hart.core;
    this.#i32[TLB >> 2] = hart.tlb(core.regime());
    const context = core.context(), mode = core.mode(), recent = (Math.imul(context, 5) ^ mode ^ (mode >> 4)) & this.#recentMask;
    if (hart.recentContext[recent] !== context || hart.recentMode[recent] !== mode) {
      const key = (context * 64 + hart.index) * 0x1_0000 + mode;
      let n = this.#contexts.get(key);
      if (n === undefined) {
        if (this.#contexts.size === this.limits.contexts) this.#forgetNumbers();
        this.#contexts.set(key, n = Math.imul(++this.#numbered, CONTEXT_STEP) || Math.imul(++this.#numbered, CONTEXT_STEP));
      }
      hart.recentContext[recent] = context;
      hart.recentMode[recent] = mode;
      hart.recentNumber[recent] = n;
    }
    this.#i32[CONTEXT >> 2] = hart.recentNumber[recent];
  }

  /** The cores' contexts have other numbers. */
  forgetContexts(): void {
    this.#forgetNumbers();
    this.refresh();
  }
  /** Numbers start again: nothing may carry an old one. */
  #forgetNumbers(): void {
    this.#contexts.clear();
    for (const { guard } of this.#regions.values()) if (guard) this.#i32[guard >> 2] = 0;
    this.#clearJumpCache();
    this.#i32.fill(0, SWITCH >> 2, SWITCH_END >> 2);
    for (const h of this.harts) {
      h.fetchContext.fill(-1);
      h.recentContext.fill(-1);
    }
  }
  #clearJumpCache(): void {
    this.#i32.fill(0, JUMP_CACHE >> 2, (JUMP_CACHE >> 2) + this.limits.jumpEntries * 4);
  }

  /** Stops before any of these virtual addresses; drops every translation. */
  setBreakpoints(at: ReadonlySet<bigint>): void {
    this.#breakpoints = new Set(at);
    this.flushCode();
  }
  /** Whether a breakpoint is at the pc slot. */
  #atBreakpoint(): boolean {
    return this.#breakpoints.size > 0 && this.#breakpoints.has(BigInt.asUintN(64, this.#i64[PC >> 3]));
  }

  /** From now on `run` comes back early where instructions are slow. */
  comeBack(): void {
    this.#pause = this.#work = WORK;
  }

  /** Runs a hart for at most `budget` instructions (below 2^29); fewer after `comeBack`. */
  run(index: number, budget: number): RunEnd {
    const hart = this.select(index), core = hart.core, i32 = this.#i32, i64 = this.#i64;
    this.#slice = this.#leftNow = budget;
    i32[CLOCK >> 2] = this.clock + budget;
    i32[(CLOCK >> 2) + 1] = Math.floor((this.clock + budget) / 2 ** 32);
    this.#attention = false;
    let left = budget, end: RunEnd = "slice";
    this.refresh();
    for (;;) {
      this.#leftNow = left;
      if (this.#flushSoon) this.flushCode();
      if (this.#moved) {
        // A region may have had slots in its locals that the context depends on.
        this.#moved = false;
        this.refresh();
      }
      core.interrupt();
      if (core.waiting) {
        end = "idle";
        break;
      }
      if (left <= 0 || this.#attention || --this.#work < 0) break;
      const resume = this.#resumeAt !== undefined && this.#resumeAt === i64[PC >> 3];
      if (!resume && this.#atBreakpoint()) {
        this.#resumeAt = i64[PC >> 3];
        end = "breakpoint";
        break;
      }
      this.#resumeAt = undefined;
      let block = resume ? 0 : this.#remembered(i32[PC >> 2], i32[(PC >> 2) + 1]);
      if (block === 0) block = this.#lookup(i32[PC >> 2], i32[(PC >> 2) + 1], resume);
      if (block === NOT_LOADED) break;
      if (block >= 0 && this.#u16[(block + H_COUNT) >> 1] > left) block = this.#lookup(i32[PC >> 2], i32[(PC >> 2) + 1], true);
      if (block < 0) {
        this.stats.faults++;
        core.raise();
      }
      left = block < 0 ? left - 1 : this.#enter(block, left);
    }
    if (this.#work < 0) this.#work = this.#pause;
    hart.total += budget - left;
    this.#slice = this.#leftNow = 0;
    this.#done = budget - left;
    return end;
  }

  /** Runs from a block until the run loop has to look at something; the budget that is left. */
  #enter(block: number, budget: number): number {
    const i32 = this.#i32, u16 = this.#u16;
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
          this.#verify(ip);
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
      if (budget <= 0 || u16[(i32[CURRENT >> 2] + H_FLAGS) >> 1] & STEP || this.#atBreakpoint() || --this.#work < 0) return budget;
      const generation = this.#generation;
      at = this.#lookup(i32[PC >> 2], i32[(PC >> 2) + 1], false);
      if (at < 0 || u16[(at + H_COUNT) >> 1] > budget) return budget;
      if (reason !== LEFT.unlinked || generation !== this.#generation) continue;
      // What crosses depends on where the next page is, too.
      if (u16[(at + H_FLAGS) >> 1] & CROSSING) u16[ip >> 1] = UOP.jumpFar;
      else i32[(ip + 8) >> 2] = at;
    }
  }

  /**
   * Compiled code has left the instruction at the pc to the interpreter. Where that is the rule the region is compiled anew, so that the accesses
   * that reach devices go there at once; if there are none that it did not know, the interpreter is faster.
   */
  #side(budget: number): number {
    const i32 = this.#i32, region = this.#regions.get(i32[CURRENT >> 2]);
    if (region && ++region.sides === this.limits.sides) {
      this.#leftNow = budget;
      const now = this.running.instructions();
      if (this.#devicesOf(region.ranges) > region.devices) {
        this.#interpret(region);
        i32[(region.block.ip + H_HEAT) >> 2] = 1;
      } else if (now - region.since < this.limits.sides * this.limits.sideWorth) this.#revert(region);
      region.sides = 0;
      region.since = now;
    }
    const pc = this.#i64[PC >> 3], block = budget > 0 ? this.#lookup(i32[PC >> 2], i32[(PC >> 2) + 1], true) : -1;
    if (block < 0) return budget;
    this.sideExits?.before();
    const host = this.#fetch(i32[PC >> 2], i32[(PC >> 2) + 1]), page = this.#pages[host >>> 12], { deviceAccesses } = this.stats;
    budget = this.#enter(block, budget);
    if (page && this.stats.deviceAccesses !== deviceAccesses) (page.devices ??= new Set()).add(host & (PAGE - 1));
    this.sideExits?.after(BigInt.asUintN(64, pc));
    return budget;
  }
  /** How many instructions of some code are known to reach devices. */
  #devicesOf(ranges: Region["ranges"]): number {
    let n = 0;
    for (const { at, bytes } of ranges) {
      for (const d of this.#pages[at >>> 12]?.devices ?? []) if (d >= (at & (PAGE - 1)) && d < (at & (PAGE - 1)) + bytes) n++;
    }
    return n;
  }

  /** The instruction of the micro-op at `ip` faults: it takes its tick and its exception. */
  #fault(ip: number, budget: number): number {
    this.#goTo(this.#i32[CURRENT >> 2] + H_PC, this.#u16[(ip + 12) >> 1]);
    return this.#raise(budget + this.#u16[(ip + 14) >> 1]);
  }
  /** The instruction at the pc faults, the first of `left`. */
  #raise(left: number): number {
    this.#leftNow = left;
    this.stats.faults++;
    this.running.core.raise();
    return left - 1;
  }
  /** Sets the pc to the address that is at `literal`, plus `offset` bytes. */
  #goTo(literal: number, offset = 0): void {
    const i32 = this.#i32, lo = (i32[literal >> 2] >>> 0) + offset;
    i32[PC >> 2] = lo;
    i32[(PC >> 2) + 1] = i32[(literal >> 2) + 1] + (lo > 0xffff_ffff ? 1 : 0);
  }

  /**
   * Completes the instruction of the micro-op at `ip`, which is done, and stops before the next one: the places where the instruction
   * can end (the next one's first micro-op, or its jumps) are boundaries for the time being.
   */
  #finish(ip: number, budget: number): number {
    const u16 = this.#u16, i32 = this.#i32;
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
    this.#attention = true; // a callEnd helper then returns here as well
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

  // --- blocks

  /** Micro-ops of the block at a virtual pc where the jump cache has it alive; else 0. */
  #remembered(lo: number, hi: number): number {
    const i32 = this.#i32, context = i32[CONTEXT >> 2], at = (JUMP_CACHE + jumpIndex(lo, context, this.#jumpMask)) >> 2;
    if (i32[at] !== lo || i32[at + 1] !== hi || i32[at + 2] !== context) return 0;
    return this.#u16[i32[at + 3] >> 1] === UOP.stale ? 0 : i32[at + 3];
  }
  /** Micro-ops of the block at a virtual pc, translated if need be; -1 on a fetch fault, which the core has recorded; or NOT_LOADED. */
  #lookup(lo: number, hi: number, step: boolean): number {
    this.stats.lookups++;
    const core = this.running.core, context = this.#i32[CONTEXT >> 2], offset = lo & (PAGE - 1), host = this.#fetch(lo, hi);
    if (host < 0) return -1;
    // Where not all of the page may be executed each instruction is looked up.
    if (!this.#wholePage) step = true;
    const mode = core.mode(), key = ((mode << 1) | (step ? 1 : 0)) * PAGE + offset;
    const known = this.#pages[host >>> 12];
    for (let b = known?.blocks.get(key); b; b = b.next) {
      if (b.pcLo !== lo || b.pcHi !== hi) continue;
      if (b.second !== undefined && !this.#stillCrosses(b)) continue;
      if (!step) this.#remember(lo, hi, context, b.ip);
      return b.ip;
    }
    this.#work -= WORK_OF_BLOCK;
    const started = this.#regionCount ? performance.now() : 0, block = this.#translate(host, lo, hi, key, step);
    if (block === undefined) return NOT_LOADED;
    if (this.#regionCount) this.translateMs += performance.now() - started;
    if (!step && block.second !== -1) this.#remember(lo, hi, context, block.ip);
    return block.ip;
  }

  /** Index in the linear memory of the code at a virtual pc; -1 on a fetch fault, which the core has recorded. */
  #fetch(lo: number, hi: number): number {
    const hart = this.running, { core } = hart, context = this.#i32[CONTEXT >> 2], offset = lo & (PAGE - 1);
    const f = ((lo >>> 12) ^ (lo >>> 20) ^ hi) & this.#fetchMask;
    this.#wholePage = true;
    if (hart.fetchLo[f] === lo - offset && hart.fetchHi[f] === hi && hart.fetchContext[f] === context) return hart.fetchHost[f] + offset;
    this.stats.tlbFetches++;
    const paddr = core.translate(lo, hi, FETCH);
    if (paddr < 0) return -1;
    this.#wholePage = core.pageCacheable;
    const host = this.hostOf(paddr, 1);
    if (host < 0) core.busFault(lo, hi, FETCH);
    else if (core.pageCacheable) {
      hart.fetchLo[f] = lo - offset;
      hart.fetchHi[f] = hi;
      hart.fetchContext[f] = context;
      hart.fetchHost[f] = host - offset;
    }
    return host;
  }

  /** Puts a block into the jump cache. */
  #remember(lo: number, hi: number, context: number, ip: number): void {
    if (this.#atBreakpoint()) return;
    const i32 = this.#i32, at = (JUMP_CACHE + jumpIndex(lo, context, this.#jumpMask)) >> 2;
    i32[at] = lo;
    i32[at + 1] = hi;
    i32[at + 2] = context;
    i32[at + 3] = ip;
  }

  /** Where a block that begins at a place of a page has to end; `limit` unless the page is restless. */
  #stopFor(host: number, limit: number): number {
    const page = this.#pages[host >>> 12];
    return page !== undefined && page.translated >= this.limits.restless ? Math.min(limit, SHORT - (host & (SHORT - 1))) : limit;
  }

  /** After how many instructions a block is hot: with a low threshold a region for each block that is soon dropped would be most of the work. */
  #heatFor(host: number): number {
    const again = Math.floor((this.#pages[host >>> 12]?.translated ?? 0) / PAGE);
    return this.#heat === 0 || again === 0 ? this.#heat : Math.max(this.#heat, Math.min(THRESHOLD, again * HEAT_AGAIN));
  }

  #translate(host: number, lo: number, hi: number, key: number, step: boolean): Block | undefined {
    const b = this.#builder, code = this.#code, core = this.running.core, selector = this.#selector;
    if (this.#arenaAt + LARGEST_BLOCK > selector.literalAt) this.flushCode();
    const ram = this.#viewOf(host);
    code.at = host;
    code.limit = Math.min(PAGE - (host & (PAGE - 1)), ram.offset + ram.length - host);
    code.stop = this.#stopFor(host, code.limit);
    let max = step ? 1 : this.limits.blockInstructions;
    for (;;) {
      b.reset(lo, hi);
      b.memos = selector.templates;
      b.leavesBefore = false;
      this.#second = 0;
      core.translateBlock(b, code, max);
      if (b.insns === 0) return undefined;
      const cut = this.#firstBreakpoint(b);
      if (cut === 0) break;
      max = cut;
    }
    const at = this.#arenaAt, ip = at + HEADER_BYTES, crossing = this.#second !== 0;
    const heat = step || crossing ? 0 : this.#heatFor(host);
    this.#arenaAt = selector.select(b, at, heat);
    this.#u16[(ip + H_FLAGS) >> 1] = (step ? STEP : 0) | (crossing ? CROSSING : 0);
    const bytes = Math.min(code.limit, codeBytes(b));
    const page = this.#pages[host >>> 12] ??= this.#newCodePage(host);
    const block: Block = {
      ip,
      at: host,
      bytes,
      pcLo: lo,
      pcHi: hi,
      second: crossing ? this.#second : undefined,
      key,
      next: page.blocks.get(key),
    };
    page.blocks.set(key, block);
    page.translated += bytes;
    mark(page, host >>> 12, block);
    if (this.#second > 0) {
      const p = this.#second >>> 12, tail = this.#pages[p] ??= this.#newCodePage(this.#second);
      tail.tails.set(ip, block);
      mark(tail, p, { at: this.#second, bytes: LONGEST_INSTRUCTION });
    }
    this.stats.blocks++;
    this.stats.instructionsTranslated += b.insns;
    return block;
  }

  // --- regions

  /** Compiles the region that starts at a block, and leads the block to it. */
  #compile(ip: number): void {
    const block = this.#blockAt(ip), jit = JIT.now;
    if (!block || this.#breakpoints.size) return;
    if (!jit) {
      // Not loaded: that may be when the block is hot again, which is soon.
      this.#i32[(ip + H_HEAT) >> 2] = this.#heat >> 3;
      return;
    }
    if (this.#arenaAt + 8 > this.#selector.literalAt) {
      // Its guard has no place.
      this.#flushSoon = this.#attention = true;
      return;
    }
    const started = performance.now(), b = this.#builder, code = this.#regionCode, { core } = this.running;
    const flat = core.physical, pages = new Map<number, number>(), mode = core.mode();
    const pc = pageAddress(block.pcLo, block.pcHi) + offsetIn(block.pcLo);
    const ram = this.#views.find((r) =>
      block.at >= r.offset && block.at < r.offset + r.length && (!flat || pc === r.base + block.at - r.offset)
    );
    if (!ram) return;
    // Where a virtual page of the region is; -1 when the region must not go there.
    const hostPage = (lo: number, hi: number): number => {
      const key = pageAddress(lo, hi);
      let host = pages.get(key);
      if (host !== undefined) return host;
      if (pages.size >= this.limits.regionPages) return -1;
      const distance = key - pageAddress(block.pcLo, block.pcHi);
      if (distance === 0) host = block.at & -PAGE;
      else if (flat) host = (block.at & -PAGE) + distance;
      else {
        const paddr = core.probeFetch?.(lo, hi) ?? -1;
        host = paddr < 0 ? -1 : this.hostOf(paddr - offsetIn(lo), PAGE);
      }
      if (host < ram.offset || host + PAGE > ram.offset + ram.length) host = distance === 0 ? host : -1;
      pages.set(key, host);
      return host;
    };
    const hosts = new Map<number, number>(), tails: { at: number; bytes: number }[] = [];
    this.#nextOfRegion = () => {
      const lo = ((b.startLo & -PAGE) + PAGE) | 0;
      return hostPage(lo, lo === 0 ? (b.startHi + 1) | 0 : b.startHi);
    };
    const nodes = jit.findRegion(b, (distance, max) => {
      const low = (block.pcLo >>> 0) + distance, lo = low | 0, hi = (block.pcHi + Math.floor(low / 2 ** 32)) | 0, page = hostPage(lo, hi);
      if (page < 0 || (distance !== 0 && !this.#isWarm(page + offsetIn(lo), lo, hi, mode))) return false;
      code.at = page + offsetIn(lo);
      code.limit = Math.min(PAGE - offsetIn(lo), ram.offset + ram.length - code.at);
      // No longer than the block: a region whose first node has more instructions than are left goes back at once, for ever.
      code.stop = this.#stopFor(code.at, code.limit);
      hosts.set(distance, code.at);
      b.reset(lo, hi);
      b.memos = undefined;
      b.leavesBefore = true;
      this.#second = 0;
      core.translateBlock(b, code, max);
      if (this.#second > 0) tails.push({ at: this.#second, bytes: LONGEST_INSTRUCTION });
      return this.#second >= 0;
    }, this.limits);
    if (!nodes) return;
    if (this.#regions.size >= this.limits.regions || this.#liveBytes >= this.limits.regionBytes) this.#evict();
    const used = [...pages].filter(([, host]) => host >= 0), guard = flat || used.length === 1 ? 0 : this.#newCell(this.#i32[CONTEXT >> 2]);
    const ranges = [...nodes.map((n) => ({ at: hosts.get(n.at)!, bytes: n.bytes })), ...tails];
    for (const r of ranges) for (let p = r.at >>> 12; p <= (r.at + r.bytes - 1) >>> 12; p++) this.#pages[p] ??= this.#newCodePage(p * PAGE);
    const physical = flat && !ram.readonly, free = physical ? this.#freeOfCode(ram) : undefined;
    const compiled = jit.compileRegion(nodes, {
      block: ip,
      guard,
      memoryPages: this.memory.buffer.byteLength / 65536,
      off: this.#off,
      limits: this.limits,
      verify: this.options.verify,
      count: this.#regionCount,
      isDevice: this.#devicesOf(ranges) === 0 ? undefined : (node, offset) => {
        const at = hosts.get(node.at)! + offset;
        return this.#pages[at >>> 12]!.devices?.has(at & (PAGE - 1)) ?? false;
      },
      values: this.#values ??= new Set(core.helpers.keys().filter((n) => core.helpers[n].value !== undefined)),
      ram: physical ? { ...ram, free, only: this.#views.filter((v) => !v.readonly).length === 1 } : undefined,
      isExtended: this.#unlike.has(ip) ? undefined : (slot) => this.#isExtended(slot),
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), this.#regionImports ??= this.#importsOfRegions());
    const element = this.#freeElements.pop() ?? this.#table.grow(1);
    this.#table.set(element, instance.exports.region as () => number);
    const region: Region = {
      block,
      element,
      code: this.#u16[ip >> 1],
      operand: this.#i32[(ip + 8) >> 2],
      sides: 0,
      since: this.running.instructions(),
      guard,
      pages: used,
      ranges,
      devices: this.#devicesOf(ranges),
      trustsFree: free !== undefined,
      wasmBytes: compiled.size,
      assumes: compiled.assumes,
    };
    for (const r of ranges) {
      for (let p = r.at >>> 12; p <= (r.at + r.bytes - 1) >>> 12; p++) {
        const where = this.#pages[p]!;
        where.regions.add(region);
        mark(where, p, r);
      }
    }
    this.#regions.set(ip, region);
    this.#pageCaches = Math.max(this.#pageCaches, compiled.pageCaches);
    this.#u16[ip >> 1] = UOP.region;
    this.#i32[(ip + 8) >> 2] = element;
    this.#work -= WORK_OF_REGION;
    this.stats.regions++;
    this.stats.regionBytes += compiled.size;
    this.#liveBytes += compiled.size;
    this.stats.compileMs += performance.now() - started;
  }
  /** The block that is about to run, by its first micro-op; undefined when it is dead. */
  #blockAt(ip: number): Block | undefined {
    const at = (ip + H_PC) >> 2, page = this.#pages[this.#fetch(this.#i32[at], this.#i32[at + 1]) >>> 12];
    if (page) { for (const first of page.blocks.values()) for (let b: Block | undefined = first; b; b = b.next) if (b.ip === ip) return b; }
    return undefined;
  }
  #importsOfRegions(): WebAssembly.Imports {
    return {
      e: {
        memory: this.memory,
        table: this.#table,
        fill: (lo: number, hi: number, access: number) => this.#fillFor(lo, hi, access & 1 ? WRITE : READ, access >> 1),
        regionHelper: (index: number, left: number) => {
          if (index < 0) {
            this.#raise(left);
            return this.#attention || this.running.core.waiting ? FINISH : CONTINUE;
          }
          this.#leftNow = left;
          if (--this.#work < 0) this.#attention = true;
          const status = this.running.core.helpers[index].run();
          return status === CONTINUE && this.#attention ? FINISH : status;
        },
        store: (lo: number, hi: number, size: number, left: number) => this.#storeFor(lo, hi, size, left),
        load: (lo: number, hi: number, size: number, left: number) => {
          this.#leftNow = left;
          if (--this.#work < 0) this.#attention = true;
          const status = this.#load(lo, hi, size, READ), { i32 } = this.running;
          i32[ANSWER >> 2] = status === CONTINUE && this.#attention ? FINISH : status;
          i32[(RESULT >> 2) + 1] = this.#valueHi;
          return this.#valueLo;
        },
        value: (helper: number, a: number, b: number, left: number) => {
          this.#leftNow = left;
          if (--this.#work < 0) this.#attention = true;
          const { core, i32 } = this.running, value = core.helpers[helper].value!(a, b);
          if (this.#attention && i32[ANSWER >> 2] === CONTINUE) i32[ANSWER >> 2] = FINISH;
          return value;
        },
      },
    };
  }
  /** Whether the interpreter has been at a block often enough to compile it along. */
  #isWarm(host: number, lo: number, hi: number, mode: number): boolean {
    let b = this.#pages[host >>> 12]?.blocks.get((mode << 1) * PAGE + (host & (PAGE - 1)));
    while (b && (b.pcLo !== lo || b.pcHi !== hi)) b = b.next;
    return b !== undefined && b.second !== -1 &&
      (this.#u16[b.ip >> 1] === UOP.region || this.#heat - this.#i32[(b.ip + H_HEAT) >> 2] >= this.#heat / 128);
  }
  /** An i32 in the literal arena; the caller has seen that there is room. */
  #newCell(value: number): number {
    const at = this.#freeCells.pop() ?? (this.#selector.literalAt -= 8);
    this.#i32[at >> 2] = value;
    return at;
  }
  #isExtended(slot: number): boolean {
    return this.#i32[(slot >> 2) + 1] === this.#i32[slot >> 2] >> 31;
  }
  /**
   * Whether registers are as a region takes them to be; if not, it is compiled anew without that. And whether its pages are where they were,
   * in the present context; if not, it is given up.
   */
  #verify(ip: number): void {
    const region = this.#regions.get(ip)!, { core } = this.running;
    if (!region.assumes.every((slot) => this.#isExtended(slot))) {
      this.#interpret(region);
      this.#unlike.add(ip);
      return this.#compile(ip);
    }
    for (const [page, host] of region.pages) {
      const paddr = core.probeFetch?.(page | 0, Math.floor(page / 2 ** 32)) ?? -1;
      if (paddr < 0 || this.hostOf(paddr, 1) !== host) return this.#revert(region);
    }
    this.#i32[region.guard >> 2] = this.#i32[CONTEXT >> 2];
  }

  /** How many instructions come before the first breakpoint inside the block; 0 when there is none. */
  #firstBreakpoint(b: Builder): number {
    if (!this.#breakpoints.size) return 0;
    const start = BigInt.asUintN(32, BigInt(b.startLo)) | BigInt.asUintN(64, BigInt(b.startHi) << 32n);
    let insns = 0;
    for (let i = 0; i < b.count; i++) {
      if (b.op[i] === INSN && insns++ > 0 && this.#breakpoints.has(start + BigInt(b.lo[i]))) return insns - 1;
    }
    return 0;
  }

  /** The page in virtual memory after that of the block being translated: index in the linear memory, or -1 with the fault recorded. */
  #nextPage(): number {
    const b = this.#builder, lo = ((b.startLo & -PAGE) + PAGE) | 0, hi = lo === 0 ? (b.startHi + 1) | 0 : b.startHi;
    return this.#fetch(lo, hi);
  }
  /** Whether the second part of a crossing instruction is where it was. */
  #stillCrosses(b: Block): boolean {
    this.#builder.reset(b.pcLo, b.pcHi);
    const second = this.#nextPage();
    return second >= 0 && second === b.second;
  }

  /** The largest part of a RAM without code; undefined for all but one RAM, and when that has changed often. */
  #freeOfCode(ram: Ram): { from: number; length: number } | undefined {
    if (this.#free) return this.#free.ram.offset === ram.offset && this.#free.ram.length === ram.length ? this.#free : undefined;
    if (this.#freeMoves > this.limits.freeMoves) return undefined;
    const first = this.#watched + ram.offset / PAGE, map = this.#u8.subarray(first, first + Math.floor(ram.length / PAGE));
    let from = 0, to = 0;
    for (let at = 0; at < map.length;) {
      let end = at;
      while (end < map.length && map[end] === 0) end++;
      // Code grows upwards: ever more is left for it each time that this had to move.
      const start = at === 0 ? 0 : at + (1 << this.#freeMoves) - 1;
      if (end - start > to - from) [from, to] = [start, end];
      at = end + 1;
    }
    this.#free = { ram, from: from * PAGE, length: (to - from) * PAGE };
    return this.#free;
  }
  /** Writes to a page are to be seen: regions that took it for granted that they need not be are dropped. */
  #takeFree({ ram, from, length }: { readonly ram: Ram; readonly from: number; readonly length: number }, host: number): void {
    const at = host - ram.offset;
    if (at < from || at >= from + length) return;
    this.#free = undefined;
    const trusting = [...this.#regions.values()].filter((r) => r.trustsFree);
    if (trusting.length) this.#freeMoves++;
    for (const r of trusting) this.#dropRegion(r);
  }

  /** From now on writes to this host page are looked at: no TLB may let them by. */
  #watch(host: number, why: number): void {
    if (this.#free) this.#takeFree(this.#free, host & -PAGE);
    const at = this.#watched + (host >>> 12);
    if (this.#u8[at] === 0) { for (const hart of this.harts) hart.protect(host & -PAGE); }
    this.#u8[at] |= why;
  }
  #newCodePage(host: number): CodePage {
    this.#watch(host, IS_CODE);
    const p = host >>> 12, hits = this.#hits.get(p) ?? 0, patience = this.#patience.get(p) ?? this.limits.patience;
    const translated = this.#translated.get(p) ?? 0;
    return {
      blocks: new Map(),
      tails: new Map(),
      regions: new Set(),
      hits,
      passed: 0,
      patience,
      translated,
      lo: 0,
      hi: 0,
      exact: undefined,
      devices: undefined,
    };
  }

  /** Drops what was translated from these bytes of the linear memory; true when the block that is running was among them. */
  #invalidate(host: number, size: number): boolean {
    let current = false;
    for (let p = host >>> 12; p <= (host + size - 1) >>> 12; p++) {
      const page = this.#pages[p];
      if (!page) continue;
      const from = Math.max(host, p * PAGE) & (PAGE - 1), to = Math.min(host + size - 1, p * PAGE + PAGE - 1) & (PAGE - 1);
      const hit = marked(page, from, to) && covered(page, p, from, to);
      if (!hit) {
        // Code that ran once, such as a boot sector above its stack, shall not make stores slow for ever; regions run often.
        if (page.regions.size > 0 || ++page.passed < page.patience) continue;
        this.#patience.set(p, 2 * page.patience);
      }
      // Mostly the page gets new contents: everything goes, and the next stores are fast. Where code and data share a page, only what was hit.
      const precise = hit && ++page.hits > this.limits.preciseAfter;
      page.lo = page.hi = 0;
      page.exact?.fill(0);
      for (const [key, first] of page.blocks) {
        let kept: Block | undefined;
        for (let b: Block | undefined = first; b; b = b.next) {
          if (precise && (b.at + b.bytes <= host || b.at >= host + size)) {
            kept = { ...b, next: kept };
            mark(page, p, b);
            continue;
          }
          current = this.#drop(b) || current;
        }
        if (kept) page.blocks.set(key, kept);
        else page.blocks.delete(key);
      }
      for (const b of page.tails.values()) {
        const tail = { at: b.second!, bytes: LONGEST_INSTRUCTION };
        if (precise && (tail.at + tail.bytes <= host || tail.at >= host + size)) mark(page, p, tail);
        else current = this.#remove(b) || current;
      }
      for (const region of page.regions) {
        if (!precise || region.ranges.some((r) => r.at < host + size && r.at + r.bytes > host)) {
          current = this.#dropRegion(region) || current;
        } else for (const r of region.ranges) mark(page, p, r);
      }
      if (page.blocks.size === 0 && page.regions.size === 0 && page.tails.size === 0) {
        this.#pages[p] = undefined;
        this.#u8[this.#watched + p] &= ~IS_CODE;
        this.#hits.set(p, page.hits);
        this.#translated.set(p, page.translated);
      }
    }
    return current;
  }

  /** A block is dead; true when it is the one that runs. */
  #drop(b: Block): boolean {
    this.#u16[b.ip >> 1] = UOP.stale;
    if (b.second! > 0) this.#pages[b.second! >>> 12]?.tails.delete(b.ip);
    this.stats.invalidations++;
    return b.ip === this.#i32[CURRENT >> 2];
  }
  /** Makes room: the older half of the regions goes; what is still hot is compiled again. Entering a region is not counted, so age decides. */
  #evict(): void {
    const old = [...this.#regions.values()].slice(0, this.#regions.size + 1 >> 1);
    this.stats.regionsEvicted += old.length;
    for (const region of old) {
      this.#interpret(region);
      this.#i32[(region.block.ip + H_HEAT) >> 2] = this.#heat;
    }
  }
  /** The region's entry is interpreted from now on, for good. */
  #revert(region: Region): void {
    this.stats.regionsReverted++;
    this.#interpret(region);
  }
  #interpret(region: Region): void {
    this.#release(region);
    this.#u16[region.block.ip >> 1] = region.code;
    this.#i32[(region.block.ip + 8) >> 2] = region.operand;
  }
  #release(region: Region): void {
    for (const r of region.ranges) {
      for (let p = r.at >>> 12; p <= (r.at + r.bytes - 1) >>> 12; p++) this.#pages[p]?.regions.delete(region);
    }
    this.#table.set(region.element, null);
    this.#freeElements.push(region.element);
    if (region.guard) this.#freeCells.push(region.guard);
    this.#regions.delete(region.block.ip);
    this.#liveBytes -= region.wasmBytes;
  }
  /** A region is dead, and with it its entry block. */
  #dropRegion(region: Region): boolean {
    this.stats.regionsChanged++;
    this.#release(region);
    return this.#remove(region.block);
  }
  /** A block is dead, and its page is to forget it. */
  #remove(block: Block): boolean {
    const page = this.#pages[block.at >>> 12];
    let kept: Block | undefined;
    for (let b = page?.blocks.get(block.key); b; b = b.next) if (b.ip !== block.ip) kept = { ...b, next: kept };
    if (kept) page!.blocks.set(block.key, kept);
    else page?.blocks.delete(block.key);
    return this.#drop(block);
  }

  /** Physical memory was written by something other than a store instruction. */
  wrote(paddr: number, size: number): void {
    if (size >= BYTES_OF_WORK) this.spend(size / BYTES_OF_WORK);
    const host = this.hostOf(paddr, size);
    if (host < 0) return;
    for (let at = host, end = host + size; at < end;) {
      const next = Math.min((Math.floor(at / PAGE) + 1) * PAGE, end);
      this.wroteAt(at, next - at);
      at = next;
    }
  }
  /** The same for bytes within a page, by their index in the linear memory. */
  wroteAt(host: number, size: number): void {
    const why = this.#u8[this.#watched + (host >>> 12)];
    if (why & IS_TABLE && this.tables.written(host, size)) this.#attention = true;
    if (why & IS_CODE && this.#invalidate(host, size)) this.#attention = true;
  }
  walkerWrote(host: number, size: number): void {
    if (this.#pages[host >>> 12] && this.#invalidate(host, size)) this.#attention = true;
  }

  /** Forgets translations and TLB entries: memory or the harts' state was replaced. */
  reset(): void {
    this.flushCode();
    this.#translated.clear();
    this.tables.reset();
    for (const h of this.harts) {
      h.flushTlb();
      h.fetchContext.fill(-1);
      h.total = 0;
    }
    if (this.#regionCount) this.#i64[this.#regionCount >> 3] = 0n;
    this.#resumeAt = undefined;
  }
  /** Drops every translation. Not while a block runs. */
  flushCode(): void {
    this.#generation++;
    this.stats.flushes++;
    for (let i = 1; i < this.#table.length; i++) {
      if (this.#table.get(i)) this.#freeElements.push(i);
      this.#table.set(i, null);
    }
    this.#freeCells.length = 0;
    this.#hits.clear();
    this.#patience.clear();
    this.#pages.forEach((page, p) => page && this.#translated.set(p, page.translated));
    this.stats.regionsEvicted += this.#regions.size;
    this.#regions.clear();
    this.#unlike.clear();
    this.#liveBytes = 0;
    this.#flushSoon = false;
    for (let p = this.#watched, end = p + this.#pages.length; p < end; p++) this.#u8[p] &= ~IS_CODE;
    this.#free = undefined;
    this.#pages.length = 0;
    this.#arenaAt = this.#arena;
    this.#selector.literalAt = this.#arena + this.limits.arena;
    this.#selector.templates.clear();
    this.#clearJumpCache();
  }

  // --- memory, where the fast path does not reach

  /** An access that missed the TLB: fills it, does what is rare, or reaches a device. */
  #slow(ip: number, budget: number, lo: number, hi: number): Status {
    const u16 = this.#u16, i32 = this.#i32, code = u16[ip >> 1], size = SIZE[code];
    this.#leftNow = budget + u16[(ip + 14) >> 1];
    if (--this.#work < 0) this.#attention = true;
    if (STORES[code]) {
      const at = u16[(ip + 6) >> 1] >> 2;
      this.#valueLo = i32[at];
      this.#valueHi = i32[at + 1];
      const status = this.#store(lo, hi, size);
      return status === CONTINUE && this.#attention ? FINISH : status;
    }
    const status = this.#load(lo, hi, size, WRITES[code] ? WRITE : READ);
    if (status === FAULT) return status;
    const dst = u16[(ip + 2) >> 1] >> 2;
    let value = this.#valueLo, high = this.#valueHi;
    if (size < 8) {
      if (SIGNED[code] && size < 4) value = (value << (32 - 8 * size)) >> (32 - 8 * size);
      high = SIGNED[code] ? value >> 31 : 0;
    }
    i32[dst] = value;
    if (LONG[code]) i32[dst + 1] = high;
    return this.#attention ? FINISH : CONTINUE;
  }

  #load(lo: number, hi: number, size: number, access: Access): Status {
    const core = this.running.core, rest = PAGE - (lo & (PAGE - 1));
    if (rest < size) return this.#loadAcross(lo, hi, size, rest, access);
    const entry = this.#entry(lo, access) >> 2, i32 = this.#i32;
    if (i32[entry] === ((lo & -PAGE) | DEVICE) && i32[entry + 1] === hi) {
      return this.#loadDevice(i32[entry + 2] * PAGE + (lo & (PAGE - 1)), size) ? CONTINUE : this.#busFault(lo, hi, access);
    }
    if (access === WRITE && i32[entry] === ((lo & -PAGE) | WATCHED) && i32[entry + 1] === hi) {
      this.#loadHost((lo + i32[entry + 2]) >>> 0, size);
      return CONTINUE;
    }
    const paddr = core.translate(lo, hi, access, size);
    if (paddr < 0) return FAULT;
    const ram = this.#ramAt(paddr);
    if (!ram || paddr + size > ram.base + ram.length) {
      this.#fillDevice(entry, lo, hi, paddr);
      return this.#loadDevice(paddr, size) ? CONTINUE : this.#busFault(lo, hi, access);
    }
    const host = ram.offset + (paddr - ram.base);
    if (core.pageCacheable) {
      this.#fill(lo, hi, host, ram, access);
      if (access === READ && core.writable) this.#fill(lo, hi, host, ram, WRITE);
    }
    this.#loadHost(host, size);
    return CONTINUE;
  }
  #loadHost(host: number, size: number): void {
    const u8 = this.#u8;
    this.#valueHi = 0;
    this.#valueLo = u8[host];
    if (size > 1) this.#valueLo |= u8[host + 1] << 8;
    if (size > 2) this.#valueLo |= (u8[host + 2] << 16) | (u8[host + 3] << 24);
    if (size > 4) this.#valueHi = u8[host + 4] | (u8[host + 5] << 8) | (u8[host + 6] << 16) | (u8[host + 7] << 24);
  }
  /** Both pages are translated before either is read. */
  #loadAcross(lo: number, hi: number, size: number, rest: number, access: Access): Status {
    this.stats.pageCrossings++;
    const core = this.running.core, nextLo = (lo + rest) | 0, nextHi = nextLo === 0 ? (hi + 1) | 0 : hi;
    const first = core.translate(lo, hi, access, size);
    if (first < 0) return FAULT;
    const second = core.translate(nextLo, nextHi, access, size - rest);
    if (second < 0) return FAULT;
    let low = 0, high = 0;
    for (let i = 0; i < size; i++) {
      if (!this.#loadPhysical(i < rest ? first + i : second + i - rest, 1)) {
        return i < rest ? this.#busFault(lo, hi, access) : this.#busFault(nextLo, nextHi, access);
      }
      if (i < 4) low |= this.#valueLo << (8 * i);
      else high |= this.#valueLo << (8 * i - 32);
    }
    this.#valueLo = low;
    this.#valueHi = high;
    return CONTINUE;
  }
  #loadPhysical(paddr: number, size: number): boolean {
    const host = this.hostOf(paddr, size);
    if (host < 0) return this.#loadDevice(paddr, size);
    this.#loadHost(host, size);
    return true;
  }
  #loadDevice(paddr: number, size: number): boolean {
    const r = this.bus.find(paddr);
    if (!r?.target) return false;
    this.stats.deviceAccesses++;
    const offset = windowOffset(r, paddr), aligned = paddr % size === 0;
    try {
      if (size === 8 && aligned) {
        this.#valueLo = readTarget(r.target, offset, 4) | 0;
        this.#valueHi = readTarget(r.target, offset + 4, 4) | 0;
      } else if (aligned) this.#valueLo = readTarget(r.target, offset, size as Size) | 0;
      else {
        let low = 0, high = 0;
        for (let i = 0; i < size; i++) {
          const byte = readTarget(r.target, offset + i, 1);
          if (i < 4) low |= byte << (8 * i);
          else high |= byte << (8 * i - 32);
        }
        this.#valueLo = low;
        this.#valueHi = high;
      }
    } catch (e) {
      if (e instanceof BusFault) return false;
      throw e;
    }
    return true;
  }

  #store(lo: number, hi: number, size: number): Status {
    const core = this.running.core, rest = PAGE - (lo & (PAGE - 1));
    if (rest < size) return this.#storeAcross(lo, hi, size, rest);
    const entry = this.#entry(lo, WRITE) >> 2, i32 = this.#i32;
    if (i32[entry] === ((lo & -PAGE) | DEVICE) && i32[entry + 1] === hi) {
      const paddr = i32[entry + 2] * PAGE + (lo & (PAGE - 1));
      return this.#storeDevice(paddr, size, this.#valueLo, this.#valueHi) ? CONTINUE : this.#busFault(lo, hi, WRITE);
    }
    if (i32[entry] === ((lo & -PAGE) | WATCHED) && i32[entry + 1] === hi) {
      const host = (lo + i32[entry + 2]) >>> 0;
      this.#storeHost(host, size, this.#valueLo, this.#valueHi);
      this.#letBy(host, entry, lo);
      return CONTINUE;
    }
    const paddr = core.translate(lo, hi, WRITE, size);
    if (paddr < 0) return FAULT;
    const ram = this.#ramAt(paddr);
    if (!ram || paddr + size > ram.base + ram.length) {
      this.#fillDevice(entry, lo, hi, paddr);
      return this.#storeDevice(paddr, size, this.#valueLo, this.#valueHi) ? CONTINUE : this.#busFault(lo, hi, WRITE);
    }
    if (ram.readonly) return CONTINUE;
    const host = ram.offset + (paddr - ram.base);
    // First the TLB: the store may change what maps its own page.
    if (core.pageCacheable) this.#fill(lo, hi, host, ram, WRITE);
    this.#storeHost(host, size, this.#valueLo, this.#valueHi);
    return CONTINUE;
  }
  #storeHost(host: number, size: number, low: number, high: number): void {
    const u8 = this.#u8, why = u8[this.#watched + (host >>> 12)];
    if (why & IS_TABLE) this.tables.before(host);
    if (size >= 4 && (host & 3) === 0) {
      this.#i32[host >>> 2] = low;
      if (size === 8) this.#i32[(host >>> 2) + 1] = high;
    } else for (let i = 0; i < size; i++) u8[host + i] = i < 4 ? low >>> (8 * i) : high >>> (8 * i - 32);
    if (why === 0) return;
    if (why & IS_TABLE) {
      this.stats.tableStores++;
      if (this.tables.after(host, size)) this.#attention = this.#moved = true;
    }
    if (!(why & IS_CODE)) return;
    this.stats.codePageStores++;
    if (this.#invalidate(host, size)) this.#attention = true;
  }
  #storeAcross(lo: number, hi: number, size: number, rest: number): Status {
    this.stats.pageCrossings++;
    const core = this.running.core, nextLo = (lo + rest) | 0, nextHi = nextLo === 0 ? (hi + 1) | 0 : hi;
    const first = core.translate(lo, hi, WRITE, size);
    if (first < 0) return FAULT;
    const second = core.translate(nextLo, nextHi, WRITE, size - rest);
    if (second < 0) return FAULT;
    const low = this.#valueLo, high = this.#valueHi, at = (i: number) => i < rest ? first + i : second + i - rest;
    // A fault changes nothing, so what may refuse comes first: places where nothing is, then devices, then memory.
    for (let i = 0; i < size; i++) {
      if (this.#ramAt(at(i)) || this.bus.find(at(i))?.target) continue;
      return i < rest ? this.#busFault(lo, hi, WRITE) : this.#busFault(nextLo, nextHi, WRITE);
    }
    for (const inMemory of [false, true]) {
      for (let i = 0; i < size; i++) {
        const paddr = at(i), ram = this.#ramAt(paddr), byte = (i < 4 ? low >>> (8 * i) : high >>> (8 * i - 32)) & 0xff;
        if ((ram !== undefined) !== inMemory || ram?.readonly) continue;
        if (ram) this.#storeHost(ram.offset + (paddr - ram.base), 1, byte, 0);
        else if (!this.#storeDevice(paddr, 1, byte, 0)) {
          return i < rest ? this.#busFault(lo, hi, WRITE) : this.#busFault(nextLo, nextHi, WRITE);
        }
      }
    }
    return CONTINUE;
  }
  #storeDevice(paddr: number, size: number, low: number, high: number): boolean {
    const r = this.bus.find(paddr);
    if (!r?.target) return false;
    this.stats.deviceAccesses++;
    const offset = windowOffset(r, paddr), aligned = paddr % size === 0;
    try {
      if (size === 8 && aligned) {
        writeTarget(r.target, offset, 4, low >>> 0);
        writeTarget(r.target, offset + 4, 4, high >>> 0);
      } else if (aligned) writeTarget(r.target, offset, size as Size, (low & BITS[size as Size]) >>> 0);
      else for (let i = 0; i < size; i++) writeTarget(r.target, offset + i, 1, (i < 4 ? low >>> (8 * i) : high >>> (8 * i - 32)) & 0xff);
    } catch (e) {
      if (e instanceof BusFault) return false;
      throw e;
    }
    return true;
  }
  #busFault(lo: number, hi: number, access: Access): Status {
    this.running.core.busFault(lo, hi, access);
    return FAULT;
  }

  /** Regions remember nothing of the pages of their accesses any more; the one that runs, too. */
  #voidPageCaches(): void {
    for (let at = PAGE_CACHES + CACHE_LIMIT, end = at + this.#pageCaches * PAGE_CACHE_BYTES; at < end; at += PAGE_CACHE_BYTES) {
      this.#i32[at >> 2] = 0;
    }
  }
  /** A TLB miss of compiled code: 1 when the TLB has the page now, 0 when the interpreter must do the access, 2 when it faults. */
  #fillFor(lo: number, hi: number, access: Access, size: number): number {
    // The interpreter does the access, and comes back to the run loop behind it.
    if (--this.#work < 0) {
      this.#attention = true;
      return 0;
    }
    const { core } = this.running, at = this.#entry(lo, access) >> 2;
    if (this.#i32[at] === ((lo & -PAGE) | DEVICE) && this.#i32[at + 1] === hi) return 0;
    const paddr = core.translate(lo, hi, access, size);
    if (paddr < 0) return 2;
    const ram = this.#ramAt(paddr);
    if (!ram || !core.pageCacheable) return 0;
    const host = ram.offset + (paddr - ram.base);
    if (access === READ && core.writable) this.#fill(lo, hi, host, ram, WRITE);
    return this.#fill(lo, hi, host, ram, access) ? 1 : 0;
  }
  /**
   * A store of compiled code that missed the TLB (the value is in RESULT): 0 when it is done, 1 when it faults, 2 when it is done and the region
   * has to be left, 3 when the interpreter must do it.
   */
  #storeFor(lo: number, hi: number, size: number, left: number): number {
    if ((lo & (PAGE - 1)) + size > PAGE) return 3;
    const i32 = this.#i32, entry = this.#entry(lo, WRITE) >> 2, tag = (lo & -PAGE) | WATCHED;
    const device = i32[entry] === ((lo & -PAGE) | DEVICE) && i32[entry + 1] === hi;
    const filled = device || (i32[entry] === tag && i32[entry + 1] === hi) ? 0 : this.#fillFor(lo, hi, WRITE, size);
    if (filled === 2) return 1;
    if (--this.#work < 0) this.#attention = true;
    this.#leftNow = left;
    if (filled === 0 && (i32[entry] !== tag || i32[entry + 1] !== hi)) {
      this.#valueLo = i32[RESULT >> 2];
      this.#valueHi = i32[(RESULT >> 2) + 1];
      return this.#store(lo, hi, size) === FAULT ? 1 : this.#attention ? 2 : 0;
    }
    // What is to be left is the region, if it was hit, not the slice.
    const asked = this.#attention, host = (lo + i32[entry + 2]) >>> 0;
    this.#attention = false;
    this.#storeHost(host, size, i32[RESULT >> 2], i32[(RESULT >> 2) + 1]);
    const hit = this.#attention;
    this.#attention = asked;
    this.#letBy(host, entry, lo);
    return hit || asked ? 2 : 0;
  }

  /** After a store by an entry for `#store` alone: writes to its page need not be seen any more, maybe. The store may have dropped the entry. */
  #letBy(host: number, entry: number, lo: number): void {
    if (!this.#isWatched(host) && this.#i32[entry] === ((lo & -PAGE) | WATCHED)) this.#i32[entry] = lo & -PAGE;
  }
  #isWatched(host: number): boolean {
    return this.#u8[this.#watched + (host >>> 12)] !== 0;
  }
  /** Address of the TLB entry that a page has its place in. */
  #entry(lo: number, access: Access): number {
    return this.#i32[TLB >> 2] + (access === WRITE ? TLB_HALF : 0) + (((lo >>> 12) & this.#tlbMask) << 4);
  }

  /** Keeps where a page of devices is: accesses that the fast path misses need no walk. The entry is an index in i32. */
  #fillDevice(entry: number, lo: number, hi: number, paddr: number): void {
    const page = Math.floor(paddr / PAGE), from = page * PAGE;
    if (!this.running.core.pageCacheable || page > 0x7fff_ffff) return;
    for (const { base, length } of this.#views) if (base < from + PAGE && from < base + length) return;
    this.running.fill(entry << 2, (lo & -PAGE) | DEVICE, hi, page);
  }

  /** Lets the fast path have a page, unless writes to it must be seen: then the entry is for `#store` alone. */
  #fill(lo: number, hi: number, host: number, ram: Ram, access: Access): boolean {
    const page = host & -PAGE;
    if (page < ram.offset || page + PAGE > ram.offset + ram.length) return false;
    if (access === WRITE && ram.readonly) return false;
    if (access === WRITE) this.stats.tlbWrites++;
    else this.stats.tlbReads++;
    const watched = access === WRITE && this.#isWatched(host);
    this.running.fill(this.#entry(lo, access), (lo & -PAGE) | (watched ? WATCHED : 0), hi, page - (lo & -PAGE));
    return !watched;
  }
}

/**
 * Instructions differ in speed by a factor of 10,000, and whoever runs a machine has to look at the host's clock now and then. So `run` comes
 * back after so much work outside of compiled code: a call of a helper or of a device, a TLB miss, a turn of the run loop count 1. It is counted
 * and not timed, so that where the engine is cut, and with it what is compiled, follows from the guest's run alone.
 */
const WORK = 512, WORK_OF_BLOCK = 8, WORK_OF_REGION = 512, WORK_OF_REMAP = 64;
/** Bytes that a device moves while a call is made. */
export const BYTES_OF_WORK = 512;
/**
 * Instructions of a block's entries after which it is hot, unless the options say otherwise. Compiling a region costs as much as interpreting
 * several 100,000 instructions: Debian's Linux boots 2 % faster than at 200,000, as fast as at 400,000, and a fifth faster than at 30,000.
 */
const THRESHOLD = 300_000;
/** In a TLB entry's page: writes to it are looked at. No address's page has such a bit, so that compiled code misses the entry. */
const WATCHED = 2;
/** The same: it has no memory alone, and in place of an addend the number of the physical page is there. */
const DEVICE = 4;
/** Why writes to a page are looked at. */
const IS_CODE = 1, IS_TABLE = 2;
/** Of #lookup: what the next instruction needs has to be loaded first. */
const NOT_LOADED = -2;
/**
 * What everything here takes for granted of memory that the guest sees: an address has the same place in its page as the byte in the linear
 * memory, since the TLBs and the checks of compiled code tell pages only. Whoever lays out memory holds to it (`machine/graph.ts`,
 * `Window.multiple`). Parts of pages are fine, as what hides a part of a device's memory leaves them.
 */
function viewAt(ram: Ram): Ram {
  if ((ram.base - ram.offset) % PAGE === 0) return ram;
  throw new Error(`memory at 0x${ram.base.toString(16)} does not begin where a page of the host's memory does`);
}

const isComputed = (code: number) => code === UOP.jumpTo || code === UOP.jumpOut;
const offsetIn = (address: number) => address & (PAGE - 1);
/** A page's address as a number: exact, since its low bits are 0. */
const pageAddress = (lo: number, hi: number) => hi * 2 ** 32 + ((lo & -PAGE) >>> 0);
/** Contexts' numbers are multiples of this, an odd number * 16: the jump cache's index takes them in. */
const CONTEXT_STEP = 0x9e370;
/**
 * Where blocks of a page end of which very much was translated, over and over (`Limits.restless`): at multiples of so many bytes. So blocks that begin anywhere
 * are soon where others were before, and a change of code costs few instructions. With long blocks a guest that is lost in zeros, which store
 * into their own page, is translated for ever: it is cut (see WORK) and changed at ever other places, and each time all blocks behind are new.
 */
const SHORT = 32;
/** Instructions that a block of a page has to run before it is hot, for each time that as many bytes as the page has were translated there. */
const HEAT_AGAIN = 1024;

/** Notes that code of page number `p` is translated. */
function mark(page: CodePage, p: number, code: { readonly at: number; readonly bytes: number }): void {
  const from = Math.max(code.at, p * PAGE) & (PAGE - 1), last = Math.min(code.at + code.bytes, (p + 1) * PAGE) - 1;
  if (last < p * PAGE || code.at >= (p + 1) * PAGE) return;
  for (let g = from >> GRANULE_SHIFT, end = (last & (PAGE - 1)) >> GRANULE_SHIFT; g <= end; g++) {
    if (g < 32) page.lo |= 1 << g;
    else page.hi |= 1 << (g - 32);
  }
  if (page.exact) { for (let at = from, end = last & (PAGE - 1); at <= end; at++) page.exact[at >> 3] |= 1 << (at & 7); }
}
/** Whether one of bytes `from`..`to` of page number `p` was translated. */
function covered(page: CodePage, p: number, from: number, to: number): boolean {
  if (!page.exact) {
    page.exact = new Uint8Array(PAGE / 8);
    for (const first of page.blocks.values()) for (let b: Block | undefined = first; b; b = b.next) mark(page, p, b);
    for (const b of page.tails.values()) mark(page, p, { at: b.second!, bytes: LONGEST_INSTRUCTION });
    for (const region of page.regions) for (const r of region.ranges) mark(page, p, r);
  }
  for (let at = from; at <= to; at++) if (page.exact[at >> 3] >> (at & 7) & 1) return true;
  return false;
}
/** Whether translated code may be in bytes `from`..`to` of a page. */
function marked(page: CodePage, from: number, to: number): boolean {
  for (let g = from >> GRANULE_SHIFT, end = to >> GRANULE_SHIFT; g <= end; g++) {
    if ((g < 32 ? page.lo >> g : page.hi >> (g - 32)) & 1) return true;
  }
  return false;
}
