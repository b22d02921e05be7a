// Where things go that are put into memory before the guest runs: free places of RAM, so that nothing overwrites what is there already.

export interface Range {
  readonly base: number;
  readonly length: number;
}

/** `from` and `below` bound the place; it begins at a multiple of `align`, a page unless given. */
export interface Wish {
  readonly from?: number;
  readonly below?: number;
  readonly align?: number;
}

export class Places {
  readonly #taken: Range[] = [];
  constructor(readonly ram: readonly Range[], taken: readonly Range[] = []) {
    for (const { base, length } of taken) this.take(base, length);
  }

  /** Something is there; returns its address. */
  take(base: number, length: number): number {
    if (length > 0) this.#taken.push({ base, length });
    return base;
  }

  /** The first of the ranges taken that these bytes would touch. */
  touched(base: number, length: number): Range | undefined {
    return this.#taken.find((t) => t.base < base + length && base < t.base + t.length);
  }

  /** The lowest free place for so many bytes; undefined when there is none. */
  lowest(length: number, { from = 0, below = Infinity, align = 4096 }: Wish = {}): number | undefined {
    // It begins where something else ends.
    const starts = [from, ...this.ram.map((r) => r.base), ...this.#taken.map((t) => t.base + t.length)];
    return this.#best(starts.map((at) => Math.ceil(at / align) * align).sort((a, b) => a - b), length, from, below);
  }

  /** The highest free place for so many bytes; undefined when there is none. */
  highest(length: number, { from = 0, below = Infinity, align = 4096 }: Wish = {}): number | undefined {
    const ends = [...this.ram.map((r) => Math.min(below, r.base + r.length)), ...this.#taken.map((t) => t.base)];
    return this.#best(ends.map((end) => Math.floor((end - length) / align) * align).sort((a, b) => b - a), length, from, below);
  }

  #best(places: readonly number[], length: number, from: number, below: number): number | undefined {
    const inside = (at: number) => this.ram.some((r) => at >= r.base && at + length <= r.base + r.length);
    return places.find((at) => at >= from && at + length <= below && inside(at) && !this.touched(at, length));
  }
}
