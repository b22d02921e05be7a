// HOT: no bigint, no closures, no allocation.
// The page tables that a walker goes through. Translations are coherent with them: the engine watches the pages that served as tables, and
// a change of a valid entry acts at once as the fence of what it maps (see "Page tables" in src/README.md). So it has to be told of each
// table; it is told once of those that are walked often.
import { type Access, type CoreEnv, FETCH } from "./frontend.ts";

const LEVELS = 5, DATA = 1, CODE = 2;

export class WalkedTables {
  /** Where the last walk found its tables below, by level. */
  readonly #place = new Int32Array(LEVELS);
  /** Page of physical memory, and index in i32. */
  readonly #page: Float64Array;
  readonly #at: Int32Array;
  /** What the engine was told: for which kinds of access, and an address that the table translated. */
  readonly #told: Uint8Array;
  readonly #lo: Int32Array;
  readonly #hi: Int32Array;
  /** Tables of each level that are remembered, by the low bits of their page. */
  readonly #places: number;

  constructor(readonly env: CoreEnv) {
    this.#places = env.limits.walkedTables;
    const all = LEVELS * this.#places;
    this.#page = new Float64Array(all).fill(-1);
    this.#at = new Int32Array(all);
    this.#told = new Uint8Array(all);
    this.#lo = new Int32Array(all);
    this.#hi = new Int32Array(all);
  }

  /** Index in i32 of the table in a physical page (its number); far below 0 when that is not in RAM. */
  find(page: number, level: number): number {
    const places = this.#places, place = level * places + (page & (places - 1));
    this.#place[level] = place;
    if (this.#page[place] === page) return this.#at[place];
    const at = this.env.ram(page * 4096, 4096);
    this.#page[place] = page;
    this.#told[place] = 0;
    return this.#at[place] = at < 0 ? -4096 : at >>> 2;
  }

  /**
   * An address was translated by the tables found last, from level `top` down to `leaf`. `levels` and `bits` of an index say what a table
   * of a level stands for.
   */
  served(lo: number, hi: number, leaf: number, top: number, levels: number, bits: number, access: Access): void {
    const told = this.#told, kind = access === FETCH ? CODE : DATA;
    for (let level = top; level >= leaf; level--) {
      const place = this.#place[level], shift = 12 + bits * (level + 1), both = hi ^ this.#hi[place];
      // The root stands for all addresses.
      const same = level === levels - 1 ||
        (shift >= 32 ? both >>> (shift - 32) === 0 : both === 0 && (lo ^ this.#lo[place]) >>> shift === 0);
      if (same && told[place] & kind) continue;
      told[place] = (same ? told[place] : 0) | kind;
      this.#lo[place] = lo;
      this.#hi[place] = hi;
      this.env.table(this.#at[place] << 2 >>> 0, level, levels, bits, lo, hi, access === FETCH);
    }
  }

  /** Tables are no longer watched, or physical addresses lead to other places in memory. */
  forget(): void {
    this.#page.fill(-1);
    this.#told.fill(0);
  }
}
