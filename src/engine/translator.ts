// Finds the block at a virtual pc, or has the core translate it.
import { Builder, codeBytes } from "../ir/builder.ts";
import type { Code } from "../ir/frontend.ts";
import { CONTEXT, PAGE, PC } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";
import { INSN } from "../ir/ops.ts";
import type { CodeCache } from "./code_cache.ts";
import type { Block } from "./code_page.ts";
import type { Harts } from "./harts.ts";
import type { Pace } from "./pace.ts";
import { WORK_OF_BLOCK } from "./pace.ts";
import { H_FLAGS, HEADER_BYTES, UOP_BYTES } from "./uops.ts";

/** Header flags: runs one instruction and is never linked; its instruction crosses into the next page. */
export const STEP = 1, CROSSING = 2;
/** No block is larger than this, its literals included. */
export const LARGEST_BLOCK = Builder.CAPACITY * (UOP_BYTES + 8);
/** Of `lookup`: the fetch faults, which the core has recorded; what the next instruction needs has to be loaded first. */
export const NO_FETCH = -1, NOT_LOADED = -2;
/**
 * Instructions of a block's entries after which it is hot, unless the options say otherwise. Compiling a region costs as much as interpreting
 * several 100,000 instructions: Debian's Linux boots 2 % faster than at 200,000, as fast as at 400,000, and a fifth faster than at 30,000.
 */
export const THRESHOLD = 300_000;
/** Instructions that a block of a page has to run before it is hot, for each time that as many bytes as the page has were translated there. */
const HEAT_AGAIN = 1024;

/** Code for a core to translate, and where it may have to go on. */
export type Source = { -readonly [K in keyof Code]: Code[K] };

export class Translator {
  readonly builder = new Builder();
  /** Where the instruction that was translated last goes on in the next page: index in the linear memory; -1: nowhere; 0: it does not. */
  second = 0;
  /** With a profile: milliseconds that translating took. */
  milliseconds = 0;
  #breakpoints: ReadonlySet<bigint> = new Set();
  readonly #source: Source;

  /** @param heat instructions of a block's entries after which it is hot; 0: never */
  constructor(
    readonly cache: CodeCache,
    readonly harts: Harts,
    readonly pace: Pace,
    readonly heat: number,
    readonly limits: Limits,
    readonly isTimed: boolean,
  ) {
    this.#source = { bytes: cache.memory.u8, at: 0, limit: 0, stop: 0, next: () => this.second = this.#nextPage() };
  }

  get breakpoints(): ReadonlySet<bigint> {
    return this.#breakpoints;
  }
  set breakpoints(at: ReadonlySet<bigint>) {
    this.#breakpoints = new Set(at);
  }
  /** Whether a breakpoint is at the pc slot. */
  get atBreakpoint(): boolean {
    return this.#breakpoints.size > 0 && this.#breakpoints.has(BigInt.asUintN(64, this.cache.memory.i64[PC >> 3]));
  }

  /** Micro-ops of the block at a virtual pc, translated if need be; NO_FETCH or NOT_LOADED. */
  lookup(lo: number, hi: number, step: boolean): number {
    const { cache } = this, { stats } = cache, hart = this.harts.running, context = cache.memory.i32[CONTEXT >> 2];
    stats.lookups++;
    const offset = lo & (PAGE - 1), host = hart.fetch(lo, hi);
    if (host < 0) return NO_FETCH;
    // Where not all of the page may be executed each instruction is looked up.
    if (!hart.wholePage) step = true;
    const mode = hart.core.mode(), key = ((mode << 1) | (step ? 1 : 0)) * PAGE + offset;
    for (let b = cache.pages[host >>> 12]?.blocks.get(key); b; b = b.next) {
      if (b.pcLo !== lo || b.pcHi !== hi) continue;
      if (b.second !== undefined && !this.#stillCrosses(b)) continue;
      if (!step) this.#remember(lo, hi, context, b.ip);
      return b.ip;
    }
    this.pace.work -= WORK_OF_BLOCK;
    const started = this.isTimed ? performance.now() : 0, block = this.#translate(host, lo, hi, key, step);
    if (block === undefined) return NOT_LOADED;
    if (this.isTimed) this.milliseconds += performance.now() - started;
    if (!step && block.second !== -1) this.#remember(lo, hi, context, block.ip);
    return block.ip;
  }
  #remember(lo: number, hi: number, context: number, ip: number): void {
    if (!this.atBreakpoint) this.cache.remember(lo, hi, context, ip);
  }

  #translate(host: number, lo: number, hi: number, key: number, step: boolean): Block | undefined {
    const { cache, builder: b } = this, { selector, memory, stats } = cache, source = this.#source, { core } = this.harts.running;
    if (cache.arenaAt + LARGEST_BLOCK > selector.literalAt) cache.flush();
    const ram = memory.viewOf(host);
    source.at = host;
    source.limit = Math.min(PAGE - (host & (PAGE - 1)), ram.offset + ram.length - host);
    source.stop = cache.stopFor(host, source.limit);
    let max = step ? 1 : this.limits.blockInstructions;
    for (;;) {
      b.reset(lo, hi);
      b.memos = selector.templates;
      b.leavesBefore = false;
      this.second = 0;
      core.translateBlock(b, source, max);
      if (b.insns === 0) return undefined;
      const cut = this.#firstBreakpoint(b);
      if (cut === 0) break;
      max = cut;
    }
    const at = cache.arenaAt, ip = at + HEADER_BYTES, crossing = this.second !== 0;
    cache.arenaAt = selector.select(b, at, step || crossing ? 0 : this.#heatFor(host));
    memory.u16[(ip + H_FLAGS) >> 1] = (step ? STEP : 0) | (crossing ? CROSSING : 0);
    const block: Block = {
      ip,
      at: host,
      bytes: Math.min(source.limit, codeBytes(b)),
      pcLo: lo,
      pcHi: hi,
      second: crossing ? this.second : undefined,
      key,
      next: undefined,
    };
    cache.addBlock(block);
    stats.blocks++;
    stats.instructionsTranslated += b.insns;
    return block;
  }
  /** After how many instructions a block is hot: with a low threshold a region for each block that is soon dropped would be most of the work. */
  #heatFor(host: number): number {
    const again = Math.floor((this.cache.pages[host >>> 12]?.translated ?? 0) / PAGE);
    return this.heat === 0 || again === 0 ? this.heat : Math.max(this.heat, Math.min(THRESHOLD, again * HEAT_AGAIN));
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
    const b = this.builder, lo = ((b.startLo & -PAGE) + PAGE) | 0, hi = lo === 0 ? (b.startHi + 1) | 0 : b.startHi;
    return this.harts.running.fetch(lo, hi);
  }
  /** Whether the second part of a crossing instruction is where it was. */
  #stillCrosses(b: Block): boolean {
    this.builder.reset(b.pcLo, b.pcHi);
    const second = this.#nextPage();
    return second >= 0 && second === b.second;
  }
}
