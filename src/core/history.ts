// The past traps of a processor: the last ones, and the first ones since it last returned from a handler, among which is the cause of what went
// wrong. Equal ones in a row are one entry with a count. HOT: recording allocates nothing.

/** One entry. What its numbers mean is the architecture's business. */
export interface HistoryEntry {
  readonly what: number;
  readonly code: number;
  /** Unsigned 64-bit values. */
  readonly a: bigint;
  readonly b: bigint;
  /** Of the first of them. */
  readonly at: number;
  readonly times: number;
}

const FIRST = 4, LAST = 16, WORDS = 6;

export class History {
  /** Events since reset. */
  count = 0;
  /** Different ones since reset, and since the last return; and all since the last return. */
  #entries = 0;
  #chain = 0;
  #chained = 0;
  // Places 0..FIRST-1 have the first of a chain that is longer, those behind them the last ones, as a ring.
  readonly #words = new Int32Array(WORDS * (FIRST + LAST));
  readonly #at = new Float64Array(FIRST + LAST);
  readonly #times = new Float64Array(FIRST + LAST);

  record(what: number, code: number, aLo: number, aHi: number, bLo: number, bHi: number, at: number): void {
    const before = FIRST + (this.#entries + LAST - 1) % LAST, w = this.#words, i = WORDS * before;
    this.count++;
    this.#chained++;
    if (
      this.#chain > 0 && w[i] === (what | 0) && w[i + 1] === (code | 0) && w[i + 2] === (aLo | 0) && w[i + 3] === (aHi | 0) &&
      w[i + 4] === (bLo | 0) && w[i + 5] === (bHi | 0)
    ) {
      this.#times[before]++;
      return;
    }
    if (this.#chain === FIRST) this.#keepFirst();
    this.#put(FIRST + this.#entries++ % LAST, what, code, aLo, aHi, bLo, bHi, at);
    this.#chain++;
  }
  /** The chain is longer than what can be kept of its beginning: that is taken out of the ring. Chains are rarely that long. */
  #keepFirst(): void {
    for (let n = 0; n < FIRST; n++) {
      const from = FIRST + (this.#entries - FIRST + n) % LAST;
      this.#words.copyWithin(WORDS * n, WORDS * from, WORDS * (from + 1));
      this.#at[n] = this.#at[from];
      this.#times[n] = this.#times[from];
    }
  }
  #put(place: number, what: number, code: number, aLo: number, aHi: number, bLo: number, bHi: number, at: number): void {
    const w = this.#words, i = WORDS * place;
    w[i] = what;
    w[i + 1] = code;
    w[i + 2] = aLo;
    w[i + 3] = aHi;
    w[i + 4] = bLo;
    w[i + 5] = bHi;
    this.#at[place] = at;
    this.#times[place] = 1;
  }

  /** The processor has returned from a handler. */
  returned(): void {
    this.#chain = this.#chained = 0;
  }

  clear(): void {
    this.count =
      this.#entries =
      this.#chain =
      this.#chained =
        0;
    for (const list of [this.#words, this.#at, this.#times]) list.fill(0);
  }

  /** Plain data for a snapshot, and back. */
  save() {
    const { count } = this;
    return {
      count,
      numbers: [this.#entries, this.#chain, this.#chained],
      words: this.#words.slice(),
      at: this.#at.slice(),
      times: this.#times.slice(),
    };
  }
  load(saved: ReturnType<History["save"]>): void {
    this.count = saved.count;
    [this.#entries, this.#chain, this.#chained] = saved.numbers;
    this.#words.set(saved.words);
    this.#at.set(saved.at);
    this.#times.set(saved.times);
  }

  /** The last entries, oldest first; at most 16. */
  last(): HistoryEntry[] {
    const entries: HistoryEntry[] = [];
    for (let n = Math.max(0, this.#entries - LAST); n < this.#entries; n++) entries.push(this.#entry(FIRST + n % LAST));
    return entries;
  }

  /** What a report shows: at most `n` entries. When the chain is longer, its first ones, how many events are left out, and the last ones. */
  digest(n: number): { readonly first: HistoryEntry[]; readonly between: number; readonly last: HistoryEntry[] } {
    const last = this.last();
    if (this.#chain <= n) return { first: [], between: 0, last: last.slice(-n) };
    const first = Array.from({ length: FIRST }, (_, i) => this.#entry(i)), end = last.slice(FIRST - n);
    return { first, between: [...first, ...end].reduce((left, e) => left - e.times, this.#chained), last: end };
  }

  #entry(place: number): HistoryEntry {
    const w = this.#words, i = WORDS * place, wide = (lo: number, hi: number) => BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0);
    return {
      what: w[i],
      code: w[i + 1],
      a: wide(w[i + 2], w[i + 3]),
      b: wide(w[i + 4], w[i + 5]),
      at: this.#at[place],
      times: this.#times[place],
    };
  }
}

/** Lines for a report: `text` says what an entry is. */
export function historyLines(history: History, text: (e: HistoryEntry) => string): string[] {
  const { first, between, last } = history.digest(10);
  const line = (e: HistoryEntry) => `  ${text(e)}, instruction ${e.at}${e.times > 1 ? ` (${e.times} times in a row)` : ""}`;
  const lines = first.map(line);
  if (between > 0) lines.push(`  ... ${between} more ...`);
  return [...lines, ...last.map(line)];
}
