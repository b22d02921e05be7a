// Micro-ops of instructions that were translated before, by the instruction's bits. Most instructions of a program are among a few thousand;
// they are copied instead of being decoded, built and selected again. What depends on the pc is put right by relocations.
// HOT: no bigint, no closures, no allocation (but for instructions seen for the first time).
import type { Memo, Memos } from "../ir/builder.ts";

/** Micro-ops without their last word (pcOffset and left). */
export const WORDS = 3;
/**
 * Kinds of relocation: operand b of a micro-op is the address of a constant that is the pc plus a distance; a micro-op branches to a jump; a jump
 * follows the micro-ops; operand b is the address of the instruction's immediate.
 */
export const CONSTANT = 0, BRANCHES = 1, JUMPS = 2, IMMEDIATE = 3;
/** Bit of a kind: the distance is the instruction's immediate. */
export const BY_IMMEDIATE = 4;
/** A relocation's micro-op is behind this many bits of its kind. */
export const KIND_BITS = 3;
/** Most relocations that one instruction may have. */
export const MAX_RELOCATIONS = 16;

/** Instructions of one instruction set in one mode. */
class KnownWords implements Memo {
  /** Pairs: an instruction's bits, and what `find` gives. */
  #pairs = new Int32Array(1 << 11);
  #shift = 21;
  #count = 0;

  constructor(readonly narrow: boolean) {}

  find(word: number): number {
    const pairs = this.#pairs, mask = pairs.length - 1;
    for (let i = Math.imul(word, MULTIPLIER) >>> this.#shift & -2;; i = (i + 2) & mask) {
      const known = pairs[i + 1];
      if (known === 0 || pairs[i] === word) return known;
    }
  }
  add(word: number, known: number): void {
    if (++this.#count * 4 > this.#pairs.length) this.#grow();
    this.#put(word, known);
  }
  #put(word: number, known: number): void {
    const pairs = this.#pairs, mask = pairs.length - 1;
    let i = Math.imul(word, MULTIPLIER) >>> this.#shift & -2;
    while (pairs[i + 1] !== 0) i = (i + 2) & mask;
    pairs[i] = word;
    pairs[i + 1] = known;
  }
  #grow(): void {
    const old = this.#pairs;
    this.#pairs = new Int32Array(2 * old.length);
    this.#shift--;
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) this.#put(old[i], old[i + 1]);
  }
}
/** 2^32 divided by the golden ratio: spreads the bits of a word over the upper ones. */
const MULTIPLIER = 0x9e37_79b9 | 0;

/** All of them. A known instruction's number is its place in `pool`, which holds micro-ops and relocations one after the other. */
export class Templates implements Memos {
  /** Number of micro-ops and of relocations * 256; then WORDS for each micro-op; then kind, its micro-op and distance from the pc for each relocation. */
  pool = new Int32Array(1 << 14);
  #end = 1;
  #count = 0;
  #tables = new Map<object, KnownWords[]>();

  /** @param limit instructions that are remembered */
  constructor(readonly limit: number) {}

  of(isa: { readonly xlen: 32 | 64 }, mode: number): Memo {
    let byMode = this.#tables.get(isa);
    if (!byMode) this.#tables.set(isa, byMode = []);
    return byMode[mode] ??= new KnownWords(isa.xlen === 32);
  }
  /** Forgets all: their literals are gone. */
  clear(): void {
    this.#tables.clear();
    this.#end = 1;
    this.#count = 0;
  }
  /** Whether there is no room for more. */
  get full(): boolean {
    return this.#count >= this.limit;
  }
  /** Remembers `count` micro-ops that begin at index `from` of `uops` and belong to an instruction, and gives its number; `ends`: it ends its block. */
  add(memo: Memo, word: number, ends: boolean, uops: Int32Array, from: number, count: number, relocations: Int32Array, n: number): number {
    if (this.#end + 1 + WORDS * count + 2 * n > this.pool.length) {
      const larger = new Int32Array(2 * this.pool.length);
      larger.set(this.pool);
      this.pool = larger;
    }
    const { pool } = this, at = this.#end;
    let to = at;
    (memo as KnownWords).add(word, to << 1 | (ends ? 1 : 0));
    pool[to++] = count | n << 8;
    for (let u = 0, i = from; u < count; u++, i += 4) {
      pool[to++] = uops[i];
      pool[to++] = uops[i + 1];
      pool[to++] = uops[i + 2];
    }
    for (let r = 0; r < 2 * n; r++) pool[to++] = relocations[r];
    this.#end = to;
    this.#count++;
    return at;
  }
}
