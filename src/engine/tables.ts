// Page tables: pages of memory by whose entries addresses were translated. A store that changes a valid entry acts at once as the fence of what
// the entry maps, on every hart; so what guests see is what a walk would find, whichever engine runs and whatever it remembers.
// Entries that are not valid (bit 0, on every architecture) are never remembered. A page that is written without being used as a table any
// more is let go.
import { PAGE } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";

/** What a page stood for in a walk: a table of a level (0: its entries map pages), and which one of those, counted from address 0. */
interface Use {
  /** Bits of an index: 9 with entries of 8 bytes, 10 with entries of 4. */
  readonly bits: number;
  readonly levels: number;
  readonly level: number;
  readonly number: number;
  /** First address that it maps, in halves. */
  readonly lo: number;
  readonly hi: number;
}
interface PageTable {
  /** Empty: more than are remembered. */
  uses: Use[];
  /** All entries have 8 bytes. */
  wide: boolean;
  /** Code was fetched by it. */
  fetched: boolean;
  /** Stores since it became a table; those since the last time that a TLB was filled, and how many had been filled then. */
  stores: number;
  run: number;
  fills: number;
}

/** What the tables need of a hart. */
export interface TableUser {
  readonly core: { entryChanged?(word: number, count: number, fetched: boolean): boolean; tablesForgotten?(): void };
  protect(page: number): void;
  flushTlb(): void;
  flushPage(lo: number, hi: number): void;
  flushRange(lo: number, hi: number, shift: number): void;
}

export class PageTables {
  readonly #tables = new Map<number, PageTable>();
  #last: PageTable | undefined;
  #lastPage = -1;
  /** Words at and behind the place that is about to be written. */
  readonly #before = new Int32Array(4);
  /**
   * @param watch called when a page becomes a table (true) and when it is let go
   * @param voided called when that and when translations are dropped: what was taken from TLBs is void
   * @param fills counts what TLBs are filled with
   */
  constructor(
    readonly i32: Int32Array,
    readonly harts: () => readonly TableUser[],
    readonly watch: (page: number, on: boolean) => void,
    readonly voided: () => void,
    readonly fills: () => number,
    readonly limits: Limits,
  ) {}

  /** See CoreEnv. */
  served(at: number, level: number, levels: number, bits: number, lo: number, hi: number, fetched: boolean): void {
    const p = at >>> 12;
    let t = this.#tables.get(p);
    if (!t) {
      this.#tables.set(p, t = { uses: [], wide: true, fetched: false, stores: 0, run: 0, fills: 0 });
      this.#use(t, level, levels, bits, lo, hi);
      this.voided();
      this.watch(p, true);
    } else if (t.uses.length > 0) this.#use(t, level, levels, bits, lo, hi);
    if (bits !== 9) t.wide = false;
    t.fetched ||= fetched;
  }
  #use(t: PageTable, level: number, levels: number, bits: number, lo: number, hi: number): void {
    const width = 12 + bits * levels, high = width > 32 ? hi & (2 ** (width - 32) - 1) : 0;
    const number = Math.floor((high * 2 ** 32 + ((lo & -PAGE) >>> 0)) / 2 ** (12 + bits * (level + 1)));
    if (t.uses.some((u) => u.number === number && u.level === level && u.levels === levels && u.bits === bits)) return;
    if (t.uses.length === this.limits.tableUses) t.uses = [];
    else {
      const address = addressOf(number, bits, levels, level + 1);
      t.uses.push({ bits, levels, level, number, lo: address | 0, hi: Math.floor(address / 2 ** 32) | 0 });
    }
  }

  /** To be called before a store of at most 8 bytes to a table. */
  before(host: number): void {
    const { i32 } = this, old = this.#before, from = (host & -8) >>> 2;
    old[0] = i32[from];
    old[1] = i32[from + 1];
    old[2] = i32[from + 2];
    old[3] = i32[from + 3];
  }
  /** To be called after it: true when the code that runs may be elsewhere now. */
  after(host: number, size: number): boolean {
    const { i32 } = this, old = this.#before, p = host >>> 12, t = this.#tableAt(p), from = (host & -8) >>> 2, step = t.wide ? 2 : 1;
    let moved = false;
    for (let n = 0, words = ((host & 7) + size + 3) >> 2; n < words; n += step) {
      const same = i32[from + n] === old[n] && (step === 1 || i32[from + n + 1] === old[n + 1]);
      // An entry of 8 bytes among those of 4 may be valid by its other half.
      const valid = step === 2 || t.uses.every((u) => u.bits === 10) && t.uses.length > 0 ? old[n] : 1;
      if (!same && valid & 1) moved = this.#changed(t, p, from + n - p * (PAGE >> 2)) || moved;
    }
    return this.#passed(t, p, 1) || moved;
  }
  /** The last one that was written is mostly written again. */
  #tableAt(p: number): PageTable {
    if (this.#lastPage !== p) {
      this.#last = this.#tables.get(p);
      this.#lastPage = p;
    }
    return this.#last!;
  }
  /** Bytes within a table were written, and nobody knows what they were before. */
  written(host: number, size: number): boolean {
    const p = host >>> 12, t = this.#tableAt(p), step = t.wide ? 2 : 1, first = (host & (PAGE - 1)) >> 2 & -step;
    let moved = false;
    for (let w = first, end = ((host & (PAGE - 1)) + size + 3) >> 2; w < end; w += step) moved = this.#changed(t, p, w) || moved;
    return this.#passed(t, p, Math.ceil(size / 8)) || moved;
  }

  /** The entry at a word of a page is not what it was: nothing that came from it may be used again. */
  #changed(t: PageTable, p: number, w: number): boolean {
    let moved = false;
    this.voided();
    for (const hart of this.harts()) {
      if (t.uses.length === 0) hart.flushTlb();
      for (const use of t.uses) {
        const n = use.bits === 9 ? w >> 1 : w;
        if (use.level === 0) hart.flushPage(use.lo + (n << 12), use.hi);
        else flush(hart, use, use.number * 2 ** use.bits + n, use.level);
      }
      const word = p * (PAGE >> 2) + (t.wide ? w & -2 : w);
      moved = hart.core.entryChanged?.(word, 1, t.fetched) || moved;
      // An entry of 8 bytes is known by its first word.
      if (!t.wide && w & 1) moved = hart.core.entryChanged?.(word - 1, 1, t.fetched) || moved;
    }
    return moved;
  }

  /** Counts stores to a table, and lets it go when it is none any more. */
  #passed(t: PageTable, p: number, stores: number): boolean {
    const fills = this.fills();
    if (fills !== t.fills) {
      t.fills = fills;
      t.run = 0;
    }
    t.stores += stores;
    t.run += stores;
    const { tableRun, tableLook } = this.limits;
    if (t.run < tableRun && (t.stores < tableLook || this.#isUsed(t, p))) {
      if (t.stores >= tableLook) t.stores = 0;
      return false;
    }
    let moved = false;
    this.voided();
    this.#tables.delete(p);
    this.#lastPage = -1;
    this.watch(p, false);
    for (const hart of this.harts()) {
      if (t.uses.length === 0) hart.flushTlb();
      for (const use of t.uses) flush(hart, use, use.number, use.level + 1);
      moved = hart.core.entryChanged?.(p * (PAGE >> 2), PAGE >> 2, t.fetched) || moved;
      hart.core.tablesForgotten?.();
    }
    return moved;
  }
  #isUsed(t: PageTable, p: number): boolean {
    const { i32 } = this, step = t.wide ? 2 : 1;
    for (let word = p * (PAGE >> 2), end = word + (PAGE >> 2); word < end; word += step) if (i32[word] & 1) return true;
    return false;
  }
}

/** Address of the `index`-th page of a level; where entries have 8 bytes it is sign-extended. */
function addressOf(index: number, bits: number, levels: number, level: number): number {
  const count = 2 ** (bits * (levels - level));
  return (bits === 9 && level < levels && index >= count / 2 ? index - count : index) * 2 ** (12 + bits * level);
}
/** Drops what the `index`-th entry of all of a level maps from the data TLBs; of the level above the root, that is everything. */
function flush(hart: TableUser, { bits, levels }: Use, index: number, level: number): void {
  if (level === levels) return hart.flushTlb();
  const address = addressOf(index, bits, levels, level);
  hart.flushRange(address | 0, Math.floor(address / 2 ** 32) | 0, 12 + bits * level);
}
