// The log of what the guest was given: with the machine's configuration it determines the whole run. Twelve bytes for each byte of input, and
// a bound: a run of days stays as large as it is.
import type { Moment } from "../machine/moment.ts";

/** One entry: bytes that the guest was given at one instant, in ticks of the machine's age. */
export interface InputEntry {
  readonly ticks: number;
  readonly console: string;
  readonly bytes: readonly number[];
}

/** What was given at one moment, for who gives it once more. */
export interface Given {
  readonly at: Moment;
  /** A console's name, KEYBOARD or RESET. */
  readonly to: string;
  readonly bytes: readonly number[];
}

/** What the log calls the keyboard, and the reset button of the machine, which has one byte: 0. No console has that name. */
export const KEYBOARD = "keyboard", RESET = "machine:reset";

/** The same as plain data, byte by byte. */
export interface SavedInputs {
  readonly names: readonly string[];
  readonly ticks: Float64Array;
  readonly consoles: Uint8Array;
  readonly bytes: Uint8Array;
  /** `Moment.where`. */
  readonly wheres?: Uint16Array;
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
  #wheres = new Uint16Array(FIRST);
  #entries: InputEntry[] | undefined;

  /** Called with what is added, and when all of it has been replaced. */
  onAdd: (at: Moment, to: string, byte: number) => void = () => {};
  onLoad: () => void = () => {};

  /** @param most so many bytes are kept, and at least half of that. */
  constructor(readonly most: number) {}

  add({ ticks, where }: Moment, name: string, byte: number): void {
    if (this.#length === this.#ticks.length) this.#makeRoom();
    let console = this.#names.indexOf(name);
    if (console < 0) console = this.#names.push(name) - 1;
    this.#ticks[this.#length] = ticks;
    this.#consoles[this.#length] = console;
    this.#wheres[this.#length] = where;
    this.#bytes[this.#length++] = byte;
    this.#entries = undefined;
    this.onAdd({ ticks, where }, name, byte);
  }

  #makeRoom(): void {
    if (this.#length < this.most) return this.#take(this.save(), 2 * this.#length);
    const drop = Math.ceil(this.#length / 2);
    for (const list of [this.#ticks, this.#consoles, this.#bytes, this.#wheres]) list.copyWithin(0, drop);
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

  /** All that is kept, by moments. */
  *given(): Generator<Given> {
    for (let i = 0; i < this.#length;) {
      const ticks = this.#ticks[i], where = this.#wheres[i], console = this.#consoles[i], bytes: number[] = [];
      for (; i < this.#length && this.#ticks[i] === ticks && this.#wheres[i] === where && this.#consoles[i] === console; i++) {
        bytes.push(this.#bytes[i]);
      }
      yield { at: { ticks, where }, to: this.#names[console], bytes };
    }
  }

  save(): SavedInputs {
    const n = this.#length, [ticks, consoles, bytes] = [this.#ticks.slice(0, n), this.#consoles.slice(0, n), this.#bytes.slice(0, n)];
    return { names: [...this.#names], ticks, consoles, bytes, wheres: this.#wheres.slice(0, n), forgotten: this.forgotten };
  }
  load(saved: SavedInputs): void {
    this.#take(saved);
    this.onLoad();
  }
  #take({ names, ticks, consoles, bytes, wheres, forgotten }: SavedInputs, size = Math.max(FIRST, ticks.length)): void {
    this.#names = [...names];
    this.#length = ticks.length;
    this.#ticks = new Float64Array(size);
    this.#consoles = new Uint8Array(size);
    this.#bytes = new Uint8Array(size);
    this.#ticks.set(ticks);
    this.#consoles.set(consoles);
    this.#bytes.set(bytes);
    this.#wheres = new Uint16Array(size);
    if (wheres) this.#wheres.set(wheres);
    this.forgotten = forgotten;
    this.#entries = undefined;
  }
}
