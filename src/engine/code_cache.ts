// Translated code: blocks and regions by the pages of the linear memory that they came from, the jump cache that finds blocks by virtual pc, and
// what happens to all of them when memory is written.
import type { Limits } from "../ir/limits.ts";
import { CACHE_LIMIT, CONTEXT, CURRENT, JUMP_CACHE, PAGE, PAGE_CACHE_BYTES, PAGE_CACHES } from "../ir/layout.ts";
import { type Block, type CodePage, type CompiledRegion, covered, mark, marked, tailOf } from "./code_page.ts";
import type { HartSlot } from "./harts.ts";
import { jumpIndex } from "./interpreter.ts";
import { IS_CODE, type LinearMemory, type Ram } from "./memory.ts";
import type { Counters } from "./profile.ts";
import type { Selector } from "./select.ts";
import { UOP } from "./uops.ts";

/**
 * Where blocks of a page end of which very much was translated, over and over (`Limits.restless`): at multiples of so many bytes. So blocks that begin anywhere
 * are soon where others were before, and a change of code costs few instructions. With long blocks a guest that is lost in zeros, which store
 * into their own page, is translated for ever: it is cut (see Pace) and changed at ever other places, and each time all blocks behind are new.
 */
const SHORT = 32;

export class CodeCache {
  readonly pages: (CodePage | undefined)[] = [];
  /** Live regions by their entry's micro-ops. */
  readonly regions = new Map<number, CompiledRegion>();
  /** Entries of regions that were entered with other registers than they had been compiled for. */
  readonly unlike = new Set<number>();
  /** Wasm of the live regions. */
  liveBytes = 0;
  /** Most page caches that a region has. */
  pageCaches = 0;
  /** Where the next block goes. */
  arenaAt: number;
  /** Grows when every translation was dropped. */
  generation = 0;
  /** Everything is to be dropped as soon as no block runs. */
  flushSoon = false;
  /** Of pages that have no code at the moment, by page number. */
  readonly #hits = new Map<number, number>();
  readonly #patience = new Map<number, number>();
  /** The same, which lasts when all code goes: that may come of it. */
  readonly #translated = new Map<number, number>();
  readonly #freeElements: number[] = [];
  readonly #freeCells: number[] = [];
  /** The part of a RAM that is free of code, which regions may trust in. */
  #free: { readonly ram: Ram; readonly from: number; readonly length: number } | undefined;
  #freeMoves = 0;
  readonly #jumpMask: number;

  /** @param arena where blocks are, `Limits.arena` bytes from there, with literals from the end downwards */
  constructor(
    readonly memory: LinearMemory,
    readonly harts: readonly HartSlot[],
    readonly table: WebAssembly.Table,
    readonly selector: Selector,
    readonly arena: number,
    readonly limits: Limits,
    readonly stats: Counters,
  ) {
    this.arenaAt = arena;
    this.#jumpMask = limits.jumpEntries - 1 << 4;
  }

  // --- the jump cache

  /** Micro-ops of the block at a virtual pc where the jump cache has it alive; else 0. */
  remembered(lo: number, hi: number): number {
    const { i32, u16 } = this.memory, context = i32[CONTEXT >> 2], at = (JUMP_CACHE + jumpIndex(lo, context, this.#jumpMask)) >> 2;
    if (i32[at] !== lo || i32[at + 1] !== hi || i32[at + 2] !== context) return 0;
    return u16[i32[at + 3] >> 1] === UOP.stale ? 0 : i32[at + 3];
  }
  remember(lo: number, hi: number, context: number, ip: number): void {
    const { i32 } = this.memory, at = (JUMP_CACHE + jumpIndex(lo, context, this.#jumpMask)) >> 2;
    i32[at] = lo;
    i32[at + 1] = hi;
    i32[at + 2] = context;
    i32[at + 3] = ip;
  }
  #clearJumpCache(): void {
    this.memory.i32.fill(0, JUMP_CACHE >> 2, (JUMP_CACHE >> 2) + this.limits.jumpEntries * 4);
  }
  /** Contexts have other numbers. */
  forgetContexts(): void {
    for (const { guard } of this.regions.values()) if (guard) this.memory.i32[guard >> 2] = 0;
    this.#clearJumpCache();
  }

  // --- pages

  /** The code page of a byte, which there is from now on: writes to it are seen. */
  pageFor(host: number): CodePage {
    return this.pages[host >>> 12] ??= this.#newPage(host);
  }
  #newPage(host: number): CodePage {
    this.watch(host, IS_CODE);
    const p = host >>> 12, { patience } = this.limits;
    return {
      blocks: new Map(),
      tails: new Map(),
      regions: new Set(),
      hits: this.#hits.get(p) ?? 0,
      passed: 0,
      patience: this.#patience.get(p) ?? patience,
      translated: this.#translated.get(p) ?? 0,
      lo: 0,
      hi: 0,
      exact: undefined,
      devices: undefined,
    };
  }
  /** From now on writes to this host page are looked at: no TLB may let them by. */
  watch(host: number, why: number): void {
    if (this.#free) this.#takeFree(this.#free, host & -PAGE);
    if (this.memory.why(host) === 0) { for (const hart of this.harts) hart.protect(host & -PAGE); }
    this.memory.watch(host >>> 12, why);
  }

  /** Where a block that begins at a place of a page has to end; `limit` unless the page is restless. */
  stopFor(host: number, limit: number): number {
    const page = this.pages[host >>> 12];
    return page !== undefined && page.translated >= this.limits.restless ? Math.min(limit, SHORT - (host & (SHORT - 1))) : limit;
  }

  addBlock(block: Block): void {
    const page = this.pageFor(block.at);
    block.next = page.blocks.get(block.key);
    page.blocks.set(block.key, block);
    page.translated += block.bytes;
    mark(page, block.at >>> 12, block);
    if (!(block.second! > 0)) return;
    const tail = this.pageFor(block.second!);
    tail.tails.set(block.ip, block);
    mark(tail, block.second! >>> 12, tailOf(block.second!));
  }
  addRegion(region: CompiledRegion): void {
    const { i32, u16 } = this.memory, { ip } = region.block;
    for (const r of region.ranges) {
      const page = this.pages[r.at >>> 12]!;
      page.regions.add(region);
      mark(page, r.at >>> 12, r);
    }
    this.regions.set(ip, region);
    this.liveBytes += region.wasmBytes;
    u16[ip >> 1] = UOP.region;
    i32[(ip + 8) >> 2] = region.element;
  }

  // --- memory that has no code

  /** The largest part of a RAM without code; undefined for all but one RAM, and when that has changed often. */
  freeOfCode(ram: Ram): { readonly from: number; readonly length: number } | undefined {
    if (this.#free) return this.#free.ram.offset === ram.offset && this.#free.ram.length === ram.length ? this.#free : undefined;
    if (this.#freeMoves > this.limits.freeMoves) return undefined;
    const map = this.memory.watchedIn(ram), pages = Math.floor(ram.length / PAGE);
    let from = 0, to = 0;
    for (let at = 0; at < pages;) {
      let end = at;
      while (end < pages && map[end] === 0) end++;
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
    const trusting = [...this.regions.values()].filter((r) => r.trustsFree);
    if (trusting.length) this.#freeMoves++;
    for (const r of trusting) this.#dropRegion(r);
  }

  // --- what is dropped

  /** Drops what was translated from these bytes of a page of the linear memory; true when the block that is running was among them. */
  invalidate(host: number, size: number): boolean {
    const p = host >>> 12, page = this.pages[p];
    if (!page) return false;
    const from = host & (PAGE - 1), to = from + size - 1;
    const hit = marked(page, from, to) && covered(page, p, from, to);
    if (!hit) {
      // Code that ran once, such as a boot sector above its stack, shall not make stores slow for ever; regions run often.
      if (page.regions.size > 0 || ++page.passed < page.patience) return false;
      this.#patience.set(p, 2 * page.patience);
    }
    let current = false;
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
      const tail = tailOf(b.second!);
      if (precise && (tail.at + tail.bytes <= host || tail.at >= host + size)) mark(page, p, tail);
      else current = this.#remove(b) || current;
    }
    for (const region of page.regions) {
      if (!precise || region.ranges.some((r) => r.at < host + size && r.at + r.bytes > host)) {
        current = this.#dropRegion(region) || current;
      } else for (const r of region.ranges) mark(page, p, r);
    }
    if (page.blocks.size === 0 && page.regions.size === 0 && page.tails.size === 0) {
      this.pages[p] = undefined;
      this.memory.unwatch(p, IS_CODE);
      this.#hits.set(p, page.hits);
      this.#translated.set(p, page.translated);
    }
    return current;
  }

  /** A block is dead; true when it is the one that runs. */
  #drop(b: Block): boolean {
    this.memory.u16[b.ip >> 1] = UOP.stale;
    if (b.second! > 0) this.pages[b.second! >>> 12]?.tails.delete(b.ip);
    this.stats.invalidations++;
    return b.ip === this.memory.i32[CURRENT >> 2];
  }
  /** A block is dead, and its page is to forget it. */
  #remove(block: Block): boolean {
    const page = this.pages[block.at >>> 12];
    let kept: Block | undefined;
    for (let b = page?.blocks.get(block.key); b; b = b.next) if (b.ip !== block.ip) kept = { ...b, next: kept };
    if (kept) page!.blocks.set(block.key, kept);
    else page?.blocks.delete(block.key);
    return this.#drop(block);
  }
  /** A region is dead, and with it its entry block. */
  #dropRegion(region: CompiledRegion): boolean {
    this.stats.regionsChanged++;
    this.#release(region);
    return this.#remove(region.block);
  }
  /** A region's entry is interpreted from now on. */
  interpret(region: CompiledRegion): void {
    this.#release(region);
    this.memory.u16[region.block.ip >> 1] = region.code;
    this.memory.i32[(region.block.ip + 8) >> 2] = region.operand;
  }
  #release(region: CompiledRegion): void {
    for (const { at } of region.ranges) this.pages[at >>> 12]?.regions.delete(region);
    this.table.set(region.element, null);
    this.#freeElements.push(region.element);
    if (region.guard) this.#freeCells.push(region.guard);
    this.regions.delete(region.block.ip);
    this.liveBytes -= region.wasmBytes;
  }

  /** An element of the table that holds a region's function from now on. */
  newElement(region: () => number): number {
    const element = this.#freeElements.pop() ?? this.table.grow(1);
    this.table.set(element, region);
    return element;
  }
  /** An i32 in the literal arena; the caller has seen that there is room. */
  newCell(value: number): number {
    const at = this.#freeCells.pop() ?? (this.selector.literalAt -= 8);
    this.memory.i32[at >> 2] = value;
    return at;
  }

  /** Drops every translation. Not while a block runs. */
  flush(): void {
    this.generation++;
    this.stats.flushes++;
    for (let i = 1; i < this.table.length; i++) {
      if (this.table.get(i)) this.#freeElements.push(i);
      this.table.set(i, null);
    }
    this.#freeCells.length = 0;
    this.#hits.clear();
    this.#patience.clear();
    this.pages.forEach((page, p) => page && this.#translated.set(p, page.translated));
    this.stats.regionsEvicted += this.regions.size;
    this.regions.clear();
    this.unlike.clear();
    this.liveBytes = 0;
    this.flushSoon = false;
    for (let p = 0; p < this.pages.length; p++) this.memory.unwatch(p, IS_CODE);
    this.pages.length = 0;
    this.arenaAt = this.arena;
    this.selector.literalAt = this.arena + this.limits.arena;
    this.selector.templates.clear();
    this.#clearJumpCache();
  }
  /** Nothing is known of any page. */
  reset(): void {
    this.flush();
    this.#translated.clear();
  }

  /** Regions remember nothing of the pages of their accesses any more; the one that runs, too. */
  voidPageCaches(): void {
    const { i32 } = this.memory;
    for (let at = PAGE_CACHES + CACHE_LIMIT, end = at + this.pageCaches * PAGE_CACHE_BYTES; at < end; at += PAGE_CACHE_BYTES) {
      i32[at >> 2] = 0;
    }
  }
}
