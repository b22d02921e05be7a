// The log of what the guest was given: with the machine's configuration it determines the whole run. Ten bytes for each byte of input, and a
// bound: a run of days stays as large as it is.

/** One entry: bytes that the guest was given at one instant, in ticks of the machine's age. */
export interface InputEntry {
  readonly ticks: number;
  readonly console: string;
  readonly bytes: readonly number[];
}

/** The same as plain data, byte by byte. */
export interface SavedInputs {
  readonly names: readonly string[];
  readonly ticks: Float64Array;
  readonly consoles: Uint8Array;
  readonly bytes: Uint8Array;
  readonly forgotten: number;
}

/** Bytes for which there is room at first. */
const FIRST = 64;

export class InputLog {
  /** Bytes that are not kept any more. */
  forgotten = 0;
  /** Of the consoles, by number. */
  #names: string[] = [];
  #length = 0;
  #ticks = new Float64Array(FIRST);
  #consoles = new Uint8Array(FIRST);
  #bytes = new Uint8Array(FIRST);
  #entries: InputEntry[] | undefined;

  /** @param most so many bytes are kept, and at least half of that. */
  constructor(readonly most: number) {}

  add(ticks: number, name: string, byte: number): void {
    if (this.#length === this.#ticks.length) this.#makeRoom();
    let console = this.#names.indexOf(name);
    if (console < 0) console = this.#names.push(name) - 1;
    this.#ticks[this.#length] = ticks;
    this.#consoles[this.#length] = console;
    this.#bytes[this.#length++] = byte;
    this.#entries = undefined;
  }

  #makeRoom(): void {
    if (this.#length < this.most) return this.load(this.save(), 2 * this.#length);
    const drop = Math.ceil(this.#length / 2);
    for (const list of [this.#ticks, this.#consoles, this.#bytes]) list.copyWithin(0, drop);
    this.#length -= drop;
    this.forgotten += drop;
  }

  /** What was given at one instant to one console is one entry. */
  get entries(): readonly InputEntry[] {
    if (this.#entries) return this.#entries;
    const out: { ticks: number; console: string; bytes: number[] }[] = [];
    for (let i = 0; i < this.#length; i++) {
      const ticks = this.#ticks[i], console = this.#names[this.#consoles[i]], last = out.at(-1);
      if (last && last.ticks === ticks && last.console === console) last.bytes.push(this.#bytes[i]);
      else out.push({ ticks, console, bytes: [this.#bytes[i]] });
    }
    return this.#entries = out;
  }

  save(): SavedInputs {
    const n = this.#length, [ticks, consoles, bytes] = [this.#ticks.slice(0, n), this.#consoles.slice(0, n), this.#bytes.slice(0, n)];
    return { names: [...this.#names], ticks, consoles, bytes, forgotten: this.forgotten };
  }
  load({ names, ticks, consoles, bytes, forgotten }: SavedInputs, size = Math.max(FIRST, ticks.length)): void {
    this.#names = [...names];
    this.#length = ticks.length;
    this.#ticks = new Float64Array(size);
    this.#consoles = new Uint8Array(size);
    this.#bytes = new Uint8Array(size);
    this.#ticks.set(ticks);
    this.#consoles.set(consoles);
    this.#bytes.set(bytes);
    this.forgotten = forgotten;
    this.#entries = undefined;
  }
}
