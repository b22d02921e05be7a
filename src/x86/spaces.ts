// Address spaces that code was fetched in, by CR3. A write to CR3 forgets every translation (SDM volume 3, 4.10.4.1); code that is where it was
// need not be looked up anew, which shows in the page-table entries that its translation came from.
import type { Paging } from "./paging.ts";

/** Spaces that are remembered, and entries of each; one with more of them starts anew at every write to CR3. */
const SPACES = 16, ENTRIES = 256;

class Space {
  cr3Lo = 0;
  cr3Hi = 0;
  /** 0: it has none. */
  id = 0;
  /** Entries that fetches went by: index in i32 (below 0: a PDPTE register), value in halves. */
  count = 0;
  readonly index = new Int32Array(ENTRIES);
  readonly lo = new Int32Array(ENTRIES);
  readonly hi = new Int32Array(ENTRIES);
}

export class Spaces {
  /** Number of the present address space, as contexts have it. */
  id = 1;
  #nextId = 2;
  #current: Space | undefined;
  readonly #spaces = Array.from({ length: SPACES }, () => new Space());
  #next = 0;

  constructor(readonly i32: Int32Array, readonly paging: Paging) {}

  /** Code was fetched by the entries of the last walk. */
  fetched(): void {
    const s = this.#current, { leaf, levels, entryIndex, entryLo, entryHi } = this.paging;
    if (!s || s.count < 0) return;
    for (let level = leaf; level < levels; level++) {
      const index = entryIndex[level];
      let n = 0;
      while (n < s.count && (s.index[n] !== index || s.lo[n] !== entryLo[level] || s.hi[n] !== entryHi[level])) n++;
      if (n < s.count) continue;
      if (s.count === ENTRIES) {
        s.count = -1;
        return;
      }
      s.index[s.count] = index;
      s.lo[s.count] = entryLo[level];
      s.hi[s.count++] = entryHi[level];
    }
  }

  /** Every fetch translation is forgotten. */
  forget(): void {
    for (const s of this.#spaces) s.id = 0;
    this.#current = undefined;
    this.id = this.#take();
  }

  /** CR3 has a new value; `keep`: its translations are still good (PCIDs, bit 63 of the value). The PDPTE registers are loaded. */
  enter(cr3Lo: number, cr3Hi: number, keep: boolean): void {
    let s = this.#spaces.find((s) => s.id !== 0 && s.cr3Lo === cr3Lo && s.cr3Hi === cr3Hi);
    if (!s || (!keep && !this.#same(s))) {
      s ??= this.#spaces[this.#next++ % SPACES];
      s.cr3Lo = cr3Lo;
      s.cr3Hi = cr3Hi;
      s.id = this.#take();
      s.count = 0;
    }
    this.#current = s;
    this.id = s.id;
  }

  /** Whether the entries that code was fetched by are what they were. */
  #same(s: Space): boolean {
    const { i32, paging: { levels, pdpteLo, pdpteHi } } = this, wide = levels > 2;
    if (s.count < 0) return false;
    for (let n = 0; n < s.count; n++) {
      const index = s.index[n];
      if (
        index < 0
          ? pdpteLo[~index] !== s.lo[n] || pdpteHi[~index] !== s.hi[n]
          : i32[index] !== s.lo[n] || wide && i32[index + 1] !== s.hi[n]
      ) {
        return false;
      }
    }
    return true;
  }

  #take(): number {
    // Wraps after half a thousand million flushes; what is left from so long ago has been evicted.
    const id = this.#nextId;
    this.#nextId = id === (1 << 29) - 1 ? 2 : id + 1;
    return id;
  }
}
