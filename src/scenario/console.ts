// One serial console as a scenario sees it: the history of what the guest printed, a cursor for waits, and a queue of bytes to send.
// Bytes become text by streaming UTF-8 decoding; terminal escape sequences stay in the text as they are.
import type { CharPort } from "../core/device.ts";

/** What a wait looks for: a text, or a pattern that may match anywhere after the cursor. */
export type Pattern = string | RegExp;
/** A pattern as messages have it. */
export const show = (p: Pattern): string => typeof p === "string" ? JSON.stringify(p) : String(p);

/** Looks for a pattern in text that arrives character by character, so that it is found with its last character. */
export class Matcher {
  readonly #regexp: RegExp | undefined;
  readonly #oneLine: boolean;
  constructor(readonly pattern: Pattern, public from: number) {
    if (typeof pattern === "string") this.#oneLine = !pattern.includes("\n");
    else {
      // Flags g and y would keep state between calls.
      this.#regexp = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
      this.#oneLine = staysInOneLine(this.#regexp);
    }
  }

  /** The match and the offset of its end, if the console's text holds one after `from`. */
  find(console: Console): { readonly groups: string[]; readonly end: number } | undefined {
    const start = this.#oneLine ? Math.max(this.from, console.lineStart) : this.from;
    return this.#search(console.textFrom(start), start);
  }

  /** Like `find`, for text that arrived before anybody was looking. */
  findInHistory(console: Console): { readonly groups: string[]; readonly end: number } | undefined {
    return this.#search(console.textFrom(this.from), this.from);
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
  return !/\\[nrsWDPpxucvf\d]|\[\^|\(\?<[=!]/.test(r.source) && !r.dotAll && !r.unicodeSets && (r.multiline || !r.source.includes("^")) &&
    !r.source.includes("\n");
}

/** A byte stream between a guest and the script. */
export class Console {
  /** Text before the current line, a string for each line with its line break. */
  #lines: string[] = [];
  #current = "";
  #decoder = new TextDecoder();
  /** The last byte was not ASCII, so the decoder may hold the start of a character. */
  #inSequence = false;
  #queue: number[] = [];
  /** How many bytes at the queue's start were handed over. */
  #taken = 0;
  /** Offset of the current line in the text. */
  lineStart = 0;
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

  constructor(readonly name: string, readonly port: CharPort) {
    port.onByte = (byte) => this.#received(byte);
    port.onRoom = () => this.feed();
  }

  /** Everything that the guest has printed. */
  text(): string {
    return this.#lines.join("") + this.#current;
  }

  /** The lines printed so far without their line ends; the last may be unfinished. */
  get lines(): string[] {
    return this.text().split(/\r*\n/);
  }

  /** The text from an offset on. */
  textFrom(offset: number): string {
    if (offset >= this.lineStart) return this.#current.slice(offset - this.lineStart);
    let first = this.#lines.length, at = this.lineStart;
    while (first > 0 && at > offset) at -= this.#lines[--first].length;
    return this.#lines.slice(first).join("").slice(offset - at) + this.#current;
  }

  /** Queues bytes for the guest; they are handed over as fast as it takes them. */
  enqueue(bytes: Uint8Array): void {
    for (const b of bytes) this.#queue.push(b);
    this.feed();
  }

  /** How many bytes wait for the guest to take them. */
  get queued(): number {
    return this.#queue.length - this.#taken;
  }

  /** Hands over as many queued bytes as the device has room for. */
  feed(): void {
    if (this.queued === 0) return;
    while (this.#taken < this.#queue.length && this.port.room() > 0) {
      const byte = this.#queue[this.#taken++];
      this.onFed(byte);
      this.port.receive(byte);
    }
    if (this.queued > 0) return;
    this.#queue = [];
    this.#taken = 0;
    this.onDrained();
  }

  /** The console's own part of a session snapshot. */
  save(): ConsoleState {
    return { text: this.text(), cursor: this.cursor, queue: this.#queue.slice(this.#taken) };
  }

  load(s: ConsoleState): void {
    const at = s.text.lastIndexOf("\n") + 1;
    this.#lines = at ? [s.text.slice(0, at)] : [];
    this.#current = s.text.slice(at);
    this.lineStart = at;
    this.cursor = s.cursor;
    this.#queue = [...s.queue];
    this.#taken = 0;
    this.#decoder = new TextDecoder();
    this.#inSequence = false;
  }

  #received(byte: number): void {
    this.onByte(byte);
    let text: string;
    if (byte < 0x80 && !this.#inSequence) text = String.fromCharCode(byte);
    else {
      text = this.#decoder.decode(Uint8Array.of(byte), { stream: true });
      this.#inSequence = byte >= 0x80;
      if (text === "") return;
    }
    this.#current += text;
    if (byte === 0x0a) {
      this.#lines.push(this.#current);
      this.lineStart += this.#current.length;
      this.#current = "";
    }
    this.onText();
  }
}

export interface ConsoleState {
  readonly text: string;
  readonly cursor: number;
  readonly queue: readonly number[];
}
