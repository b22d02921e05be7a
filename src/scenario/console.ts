// One serial console as a scenario sees it: the history of what the guest printed, a cursor for waits, and a queue of bytes to send.
// Bytes become text by streaming UTF-8 decoding, when somebody looks; terminal escape sequences stay in the text as they are.
import type { CharPort } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";

/** What a wait looks for: a text, or a pattern that may match anywhere after the cursor. */
export type Pattern = string | RegExp;
/** A pattern as messages have it. */
export const show = (p: Pattern): string => typeof p === "string" ? JSON.stringify(p) : String(p);

/** @throws {ConfigError} it is found everywhere, or is none. */
export function checkPattern(pattern: Pattern): void {
  if (pattern === "") throw new ConfigError("an empty text is found everywhere: what is meant?");
  if (typeof pattern !== "string" && !(pattern instanceof RegExp)) {
    throw new ConfigError(`a text or a regular expression is looked for, got ${typeof pattern}`);
  }
}

/** Characters that a match may have, when it is found while they arrive. */
const REACH = 1 << 14;
/** Characters of its output that a console keeps unless its session says otherwise, and in one piece. */
export const HISTORY: number = 1 << 22;
const PIECE = 1 << 12;

/** Looks for a pattern in text that arrives character by character, so that it is found with its last character. */
export class Matcher {
  readonly #regexp: RegExp | undefined;
  readonly #oneLine: boolean;
  /** It may match only where the search begins. */
  readonly #anchored: boolean = false;
  /** @throws {ConfigError} see `checkPattern`. */
  constructor(readonly pattern: Pattern, public from: number) {
    checkPattern(pattern);
    if (typeof pattern === "string") this.#oneLine = !pattern.includes("\n");
    else {
      // Flags g and y would keep state between calls.
      this.#regexp = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
      this.#oneLine = staysInOneLine(this.#regexp);
      this.#anchored = !pattern.multiline && pattern.source.includes("^");
    }
  }

  /**
   * The match and the offset of its end, if the console's text holds one after `from` that ends with the last character; to be asked after
   * each. A match is not longer than REACH, so that a guest that prints without line ends is not searched from its beginning each time.
   */
  find(console: Console): { readonly groups: string[]; readonly end: number } | undefined {
    const least = this.#oneLine ? Math.max(this.from, console.lineStart) : this.from;
    const reach = typeof this.pattern === "string" ? this.pattern.length + 8 : this.#anchored ? Infinity : REACH;
    const start = Math.max(least, console.start, console.end - reach);
    return this.#search(console.textFrom(start), start);
  }

  /** Like `find`, for text that arrived before anybody was looking. */
  findInHistory(console: Console): { readonly groups: string[]; readonly end: number } | undefined {
    const start = Math.max(this.from, console.start);
    return this.#search(console.textFrom(start), start);
  }

  #search(text: string, start: number): { readonly groups: string[]; readonly end: number } | undefined {
    if (this.#regexp) {
      const m = this.#regexp.exec(text);
      return m ? { groups: [...m], end: start + m.index + m[0].length } : undefined;
    }
    const wanted = this.pattern as string, at = text.indexOf(wanted);
    return at < 0 ? undefined : { groups: [wanted], end: start + at + wanted.length };
  }
}

/**
 * True when a match can only lie within one line, and the line alone decides: then only the current line is searched for each new character
 * instead of everything since the cursor. Patterns that could match a line break, or look at what stands before, are left alone.
 */
function staysInOneLine(r: RegExp): boolean {
  // Escapes and classes that match a line break, ranges that hold one, backward looks, and flags within the pattern.
  return !/\\[nrsWDPpxucvf\d]|\[\^|(?:[\0-\n]|\\[tb])-|\(\?<[=!]|\(\?[imsu-]+:/.test(r.source) && !r.dotAll && !r.unicodeSets &&
    (r.multiline || !r.source.includes("^")) && !r.source.includes("\n");
}

/** Everything that was printed is text, a byte order mark, too. */
const decoder = () => new TextDecoder("utf-8", { ignoreBOM: true });
/** The start of a character at the end of these bytes, of which a decoder makes nothing yet. */
function begun(bytes: readonly number[]): readonly number[] {
  const starts = bytes.map((_, i) => bytes.slice(i));
  return starts.find((b) => decoder().decode(Uint8Array.from(b), { stream: true }) === "") ?? [];
}

/** So many bytes a handler is given before the guest prints anything; then it is given them at a person's pace. */
export const UNANSWERED = 8;

/**
 * Bytes that were sent together, how many of them were handed over, and the ticks from one to the next: always, and after those that only an
 * interrupt handler has seen.
 */
interface Piece {
  readonly bytes: Uint8Array;
  readonly pace: number;
  readonly patience: number;
  taken: number;
}

/** A byte stream between a guest and the script. */
export class Console {
  /** Pieces of the history before the last one, which grows. */
  #pieces: string[] = [];
  #last = "";
  /** Bytes that nobody has looked at yet. */
  readonly #raw = new Uint8Array(PIECE);
  #rawLength = 0;
  #start = 0;
  #lineStart = 0;
  /** Offset of the end of what was decoded. */
  #end = 0;
  #decoder = decoder();
  /** The last bytes when the last of all was not ASCII: the decoder may hold the start of a character. */
  #ending: readonly number[] = [];
  #queue: Piece[] = [];
  /** When the next byte may be handed over, in ticks. */
  #from = 0;
  /** Bytes that were handed over since the guest last printed something. */
  #unanswered = 0;
  /** Offset in the text up to which waits have consumed it. */
  cursor = 0;
  /** Called with each byte from the guest, before it is matched. */
  onByte: (byte: number) => void = () => {};
  /** Called when the text has grown. */
  onText: () => void = () => {};
  /** Called with each byte that was handed to the guest. */
  onFed: (byte: number) => void = () => {};
  /** Called when the last queued byte was handed over. */
  onDrained: () => void = () => {};
  /** Called when the guest may have the next at `due`. */
  onDue: () => void = () => {};
  /** Whether what is queued may be handed over at once: not where only the host's clock has stopped the machine. */
  ready: () => boolean = () => true;
  /** Whether anything can be queued: not while a recording says what the guest is given. */
  takes = true;

  /** @param history how many characters of its output are kept, and a few more. @param now the machine's age in ticks. */
  constructor(readonly name: string, readonly port: CharPort, readonly history: number = HISTORY, readonly now: () => number = () => 0) {
    port.onByte = (byte) => this.#received(byte);
    port.onRoom = () => this.feed();
  }

  /** Everything that the guest has printed, or the last `history` characters of it. */
  text(): string {
    this.#decode();
    return this.#pieces.join("") + this.#last;
  }
  /** Offset of the first character that is still there. */
  get start(): number {
    this.#decode();
    return this.#start;
  }
  /** Offset of the end of the text. */
  get end(): number {
    this.#decode();
    return this.#end;
  }
  /** Offset of the current line in the text. */
  get lineStart(): number {
    this.#decode();
    return this.#lineStart;
  }

  /** The lines printed so far without their line ends; the last may be unfinished. */
  get lines(): string[] {
    return this.text().split(/\r*\n/);
  }

  /** The text from an offset on, or what is left of it. */
  textFrom(offset: number): string {
    this.#decode();
    let first = this.#pieces.length, at = this.#end - this.#last.length;
    if (offset >= at) return this.#last.slice(offset - at);
    while (first > 0 && at > offset) at -= this.#pieces[--first].length;
    return this.#pieces.slice(first).join("").slice(Math.max(0, offset - at)) + this.#last;
  }

  /**
   * Queues bytes for the guest; they are handed over as fast as it takes them, but `pace` ticks apart, and `patience` while they may be too many
   * for the buffer of a handler.
   */
  enqueue(bytes: Uint8Array, pace = 0, patience = pace): void {
    if (!this.takes) return;
    if (bytes.length) this.#queue.push({ bytes: Uint8Array.from(bytes), taken: 0, pace, patience });
    if (this.ready()) this.feed();
  }

  /** How many bytes wait for the guest to take them. */
  get queued(): number {
    return this.#queue.reduce((n, p) => n + p.bytes.length - p.taken, 0);
  }
  /** When the next byte has to be handed over, in ticks; Infinity while there is none or the guest has to take one first. */
  get due(): number {
    return this.#queue.length > 0 && this.port.room() > 0 ? this.#from : Infinity;
  }

  /** Hands over what is due and what the device has room for. */
  feed(): void {
    if (this.#queue.length === 0) return;
    while (this.#queue.length > 0 && this.port.room() > 0) {
      const piece = this.#queue[0], now = this.now();
      if (now < this.#from) return this.onDue();
      const byte = piece.bytes[piece.taken++];
      this.#from = now + (++this.#unanswered >= UNANSWERED && this.port.interrupts ? piece.patience : piece.pace);
      if (piece.taken === piece.bytes.length) this.#queue.shift();
      this.onFed(byte);
      this.port.receive(byte);
    }
    if (this.#queue.length === 0) this.onDrained();
  }

  /** The console's own part of a session snapshot. */
  save(): ConsoleState {
    const text = this.text(), queue = structuredClone(this.#queue);
    return {
      text,
      start: this.#start,
      cursor: this.cursor,
      queue,
      from: this.#from,
      unanswered: this.#unanswered,
      begun: begun(this.#ending),
    };
  }

  /** How often the text has become another one. */
  generation = 0;
  load(s: ConsoleState): void {
    this.generation++;
    this.#start = s.start;
    this.#end = s.start + s.text.length;
    this.#lineStart = s.start + s.text.lastIndexOf("\n") + 1;
    this.#pieces = s.text ? [s.text] : [];
    this.#last = "";
    this.#rawLength = 0;
    this.cursor = s.cursor;
    this.#queue = structuredClone(s.queue) as Piece[];
    this.#from = s.from;
    this.#unanswered = s.unanswered;
    this.#decoder = decoder();
    this.#ending = s.begun;
    this.#decoder.decode(Uint8Array.from(s.begun), { stream: true });
  }

  #received(byte: number): void {
    this.onByte(byte);
    this.#unanswered = 0;
    this.#raw[this.#rawLength++] = byte;
    if (this.#rawLength === PIECE) this.#decode();
    this.onText();
  }

  /** Makes text of the bytes that have come. */
  #decode(): void {
    const length = this.#rawLength;
    if (length === 0) return;
    this.#rawLength = 0;
    let text: string;
    if (length === 1 && this.#raw[0] < 0x80 && this.#ending.length === 0) text = String.fromCharCode(this.#raw[0]);
    else {
      text = this.#decoder.decode(this.#raw.subarray(0, length), { stream: true });
      const last = [...this.#ending, ...this.#raw.subarray(Math.max(0, length - 3), length)].slice(-3);
      this.#ending = last[last.length - 1] < 0x80 ? [] : last;
    }
    const line = text.lastIndexOf("\n");
    if (line >= 0) this.#lineStart = this.#end + line + 1;
    this.#end += text.length;
    this.#last += text;
    if (this.#last.length < PIECE) return;
    // Looking at a character has the string stored flat: grown one by one it takes 30 bytes for each.
    this.#last.charCodeAt(this.#last.length - 1);
    this.#pieces.push(this.#last);
    this.#last = "";
    while (this.#end - this.#start - this.#pieces[0].length >= this.history) this.#start += this.#pieces.shift()!.length;
  }
}

export interface ConsoleState {
  readonly text: string;
  /** Offset of its first character: what came before is no longer kept. */
  readonly start: number;
  readonly cursor: number;
  readonly queue: readonly Piece[];
  readonly from: number;
  readonly unanswered: number;
  /** The start of a character. */
  readonly begun: readonly number[];
}
