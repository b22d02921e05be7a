// HOT: no bigint, no closures, no allocation.
// Address spaces that code was fetched in, by the register that names their root. The engine keeps what it knows of code under their numbers;
// a space has one for the supervisor and one for user programs, and keeps them until an entry of a page table changes that its fetches
// went by. So neither a switch of spaces nor a fence costs anything.

import type { CoreEnv } from "./frontend.ts";

/** What spaces need of a CoreEnv. */
export type SpacesEnv = Pick<CoreEnv, "limits" | "contextsAgain">;
const SYSTEM = 1, USER = 2, SEEN = 1 << 14;

class Space {
  lo = 0;
  hi = 0;
  /** Values that the root's registers had besides; see `enter`. */
  readonly more = new Int32Array(8);
  used = false;
  system = 0;
  user = 0;
  /** Entries of page tables that its fetches went by: indices in i32, and whose fetches. -1: more than are remembered. */
  count = 0;
  readonly word: Int32Array;
  readonly who: Uint8Array;
  /** @param entries that are remembered; a space with more loses its numbers when any entry changes that code was fetched by */
  constructor(entries: number) {
    this.word = new Int32Array(entries);
    this.who = new Uint8Array(entries);
  }
}

/** Numbers begin with this. */
const FIRST = 1;
/** Data TLBs of each space, the first one unused: without translation there is number 0. */
const RIGHTS = 4;

export class Spaces {
  /** Place of the present space, and its numbers. */
  index = 0;
  system = 0;
  user = 0;
  /** Numbers for what no table translates. */
  readonly untranslated: [number, number] = [0, 0];
  readonly #spaces: readonly Space[];
  readonly #places: number;
  /** By the low bits of an entry's index: whether code was ever fetched by it. */
  readonly #seen = new Uint8Array(SEEN);
  #next = 0;
  #nextId = FIRST;
  /** How often they started again. */
  #rounds = 0;

  constructor(readonly env: SpacesEnv) {
    const { spaces, spaceEntries } = env.limits;
    this.#places = spaces;
    this.#spaces = Array.from({ length: spaces }, () => new Space(spaceEntries));
  }

  #take(): number {
    if (this.#nextId - FIRST === this.env.limits.spaceNumbers) this.#again();
    return this.#nextId++;
  }
  /** There are no more numbers: all that are in use are given out anew, and nobody may know the old ones. */
  #again(): void {
    this.#rounds++;
    this.#nextId = FIRST;
    for (const s of this.#spaces) {
      if (!s.used) continue;
      s.system = this.#nextId++;
      s.user = this.#nextId++;
    }
    for (const n of this.untranslated.keys()) this.untranslated[n] = this.#nextId++;
    this.#present();
    this.env.contextsAgain();
  }
  #present(): void {
    this.system = this.#spaces[this.index].system;
    this.user = this.#spaces[this.index].user;
  }

  /** Which data TLB the present space has for accesses with rights of a kind, from 1 to 3; 0: nothing is translated. */
  regime(rights: number): number {
    return rights === 0 ? 0 : RIGHTS * this.index + rights;
  }

  /** Every fetch translation is forgotten; `enter` has to follow. */
  forget(): void {
    for (const s of this.#spaces) s.used = false;
    for (const n of this.untranslated.keys()) this.untranslated[n] = this.#take();
  }

  /** The root has a new value, with `more` (at most 8) values that belong to it. Whether another space had its place. */
  enter(lo: number, hi: number, more?: Int32Array): boolean {
    let i = 0;
    while (i < this.#places && !(this.#spaces[i].used && this.#spaces[i].lo === lo && this.#spaces[i].hi === hi)) i++;
    let s = this.#spaces[i];
    const known = s !== undefined && (!more || more.every((v, n) => v === s.more[n]));
    if (!known) {
      if (!s) s = this.#spaces[i = this.#next++ % this.#places];
      s.used = true;
      s.lo = lo;
      s.hi = hi;
      if (more) s.more.set(more);
      s.system = this.#take();
      s.user = this.#take();
      s.count = 0;
    }
    this.index = i;
    this.#present();
    return !known;
  }

  /** In the present space, code was fetched by an entry: its index in i32. */
  fetched(word: number, user: boolean): void {
    this.#seen[word & (SEEN - 1)] = 1;
    const s = this.#spaces[this.index], who = user ? USER : SYSTEM;
    for (let n = 0; n < s.count; n++) {
      if (s.word[n] !== word) continue;
      s.who[n] |= who;
      return;
    }
    if (s.count < 0) return;
    if (s.count === s.word.length) {
      s.count = -1;
      return;
    }
    s.word[s.count] = word;
    s.who[s.count++] = who;
  }

  /** Entries at `count` words from `word` on have changed, in a table that code was fetched by. Whether the present space has other numbers now. */
  changed(word: number, count = 1): boolean {
    const rounds = this.#rounds;
    let present = false;
    if (count === 1 && this.#seen[word & (SEEN - 1)] === 0) return false;
    for (let i = 0; i < this.#places; i++) {
      const s = this.#spaces[i];
      if (!s.used) continue;
      let who = s.count < 0 ? SYSTEM | USER : 0;
      for (let n = 0; n < s.count; n++) if (s.word[n] >= word && s.word[n] < word + count) who |= s.who[n];
      if (who === 0) continue;
      if (who & SYSTEM) s.system = this.#take();
      if (who & USER) s.user = this.#take();
      this.#keep(s, ~who);
      present ||= i === this.index;
    }
    this.#present();
    return present || rounds !== this.#rounds;
  }
  /** Forgets the entries that are not of `who`. */
  #keep(s: Space, who: number): void {
    let count = 0;
    for (let n = 0; n < s.count; n++) {
      if ((s.who[n] & who) === 0) continue;
      s.word[count] = s.word[n];
      s.who[count++] = s.who[n] & who;
    }
    s.count = count;
  }
}
