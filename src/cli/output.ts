// The guest's output on stdout, byte for byte, and a progress line on stderr while the guest is silent.

import { ConfigError } from "../core/errors.ts";
import { osMessage } from "../scenario/host.ts";

/** Bytes that are kept while the terminal shows something else. */
const KEPT = 1 << 16;
/** Milliseconds of silence before the progress line appears, and between its updates. */
export const SILENCE_MS = 2000;
const UPDATE_MS = 500;

/** Standard output, or a file of a run, takes no more, and not because its reader has gone. */
export class CannotWrite extends Error {}

const LATIN = new TextDecoder("latin1");

/** Opens a file that an option names, which is made if need be. @throws {ConfigError} it cannot be written. */
export function openFile(path: string, option: string, truncate: boolean): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true, truncate });
  } catch (e) {
    throw new ConfigError(`${option}: cannot be written: ${osMessage(e)}`, { file: path });
  }
}

/** Writes all of `data` synchronously. False when the reader has gone away. @throws {CannotWrite} a full disk, say; never for stderr. */
export function writeAll(to: { writeSync(p: Uint8Array): number }, data: Uint8Array, name = "standard output"): boolean {
  try {
    for (let done = 0; done < data.length;) {
      try {
        done += to.writeSync(data.subarray(done));
      } catch (e) {
        // A pipe that another process has made non-blocking: wait for its reader.
        if (!(e instanceof Deno.errors.WouldBlock)) throw e;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
    return true;
  } catch (e) {
    // There is nobody to be told of what stderr does not take.
    if (e instanceof Deno.errors.BrokenPipe || to === Deno.stderr) return false;
    throw new CannotWrite(`${name}: ${osMessage(e)}`);
  }
}

/** The same for a text. */
export const writeText = (to: typeof Deno.stdout | typeof Deno.stderr, text: string): boolean =>
  writeAll(to, new TextEncoder().encode(text));

/** What may be an address, for which names are loaded; bytes that are kept for that while they are, and of what went before. */
const MAY_BE_ADDRESS = /0[xX][0-9a-fA-F]|[0-9a-fA-F]{8}/, MOST = 1 << 20, BEFORE = 48;

/** Puts names beside the addresses of a stream (machine/address_names.ts). */
export interface Names {
  push(bytes: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

/** Collects bytes and writes them in pieces. */
export class Output {
  #buffer = new Uint8Array(1 << 14);
  /** Beside addresses. "none": nobody wants them, "later": they are loaded when there may be an address. */
  #names: Names | "none" | "later" = "none";
  /** The last bytes while there are no names yet: an address may have begun in them. */
  #before = new Uint8Array(0);
  #used = 0;
  #lastByteMs = performance.now();
  #updatedMs = 0;
  /** Characters on the current line, roughly: the progress line must not wrap. */
  #column = 0;
  #progressShown = false;
  /** Nobody reads stdout any more. */
  broken = false;
  /** Why it takes no more, if it is not that. */
  failed: string | undefined;
  readonly #progress = Deno.stderr.isTerminal();
  /** What the guest printed, and what we had to say, while the terminal showed something else. */
  #kept = new Uint8Array(0);
  #notes: string[] = [];
  #covered = false;
  /** The guest has printed something. */
  any = false;

  /** @param describe the text of the progress line; undefined: nothing to show (the guest waits for us). */
  constructor(readonly describe: () => string | undefined) {}

  byte(b: number): void {
    if (this.#used === this.#buffer.length) this.#full();
    this.#buffer[this.#used++] = b;
    this.#column = b === 0x0a || b === 0x0d ? 0 : this.#column + 1;
  }

  /** It is written, unless it waits for names: those can only be loaded between two slices. */
  #full(): void {
    if (!this.wantsNames || this.#used >= MOST) return this.flush();
    const more = new Uint8Array(2 * this.#buffer.length);
    more.set(this.#buffer);
    this.#buffer = more;
  }

  /** Whether what waits may hold an address that nobody names yet; to be asked before `flush`. */
  get wantsNames(): boolean {
    if (this.#names !== "later" || this.#used === 0) return false;
    return MAY_BE_ADDRESS.test(String.fromCharCode(...this.#before) + LATIN.decode(this.#buffer.subarray(0, this.#used)));
  }
  /** Names beside addresses from now on. */
  set names(names: Names | "none" | "later") {
    this.#names = names;
    if (typeof names !== "string") names.push(this.#before);
    this.#before = new Uint8Array(0);
  }

  /** Writes what has been collected. */
  flush(): void {
    if (this.#used === 0) return;
    this.any = true;
    const given = this.#buffer.subarray(0, this.#used), names = this.#names;
    if (names === "later") this.#before = Uint8Array.of(...this.#before, ...given.subarray(-BEFORE)).slice(-BEFORE);
    this.#show(typeof names === "string" ? given : names.push(given));
    this.#used = 0;
  }
  /** What comes last has its name, too. */
  end(): void {
    this.flush();
    if (typeof this.#names !== "string") this.#show(this.#names.end());
  }

  #show(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#covered) {
      const kept = new Uint8Array(this.#kept.length + bytes.length);
      kept.set(this.#kept);
      kept.set(bytes, this.#kept.length);
      this.#kept = kept.slice(-KEPT);
      return;
    }
    this.eraseProgress();
    this.#write(bytes);
    this.#lastByteMs = performance.now();
  }

  #write(data: Uint8Array): void {
    if (this.broken) return;
    try {
      this.broken = !writeAll(Deno.stdout, data);
    } catch (e) {
      this.failed = (e as CannotWrite).message;
      this.broken = true;
    }
  }

  /** The guest's screen takes the terminal: what comes now is kept, the last of it, until that is over. */
  cover(): void {
    this.#covered = true;
  }
  uncover(): void {
    if (!this.#covered) return;
    this.flush();
    this.#covered = false;
    this.#write(this.#kept);
    this.#column = this.#kept.length - 1 - this.#kept.lastIndexOf(0x0a);
    for (const text of this.#notes) this.note(text);
  }

  /** Shows, updates or leaves the progress line; call it often. */
  tick(): void {
    if (!this.#progress || this.#covered) return;
    const now = performance.now();
    if (now - this.#lastByteMs < SILENCE_MS || now - this.#updatedMs < UPDATE_MS) return;
    this.#updatedMs = now;
    const text = this.describe();
    if (text === undefined) return this.eraseProgress();
    const room = Deno.consoleSize().columns - this.#column - 2;
    if (room < 20) return;
    // Save the cursor, write, restore it: the guest's own text, a prompt perhaps, stays where it is.
    this.#stderr(`\x1b7\x1b[K ${`[${text}]`.slice(0, room)}\x1b8`);
    this.#progressShown = true;
  }

  eraseProgress(): void {
    if (this.#progressShown) this.#stderr("\x1b[K");
    this.#progressShown = false;
  }

  /** A line of ours between the guest's. */
  note(text: string): void {
    this.flush();
    if (this.#covered) return void this.#notes.push(text);
    this.eraseProgress();
    this.#stderr(`${this.#column > 0 ? "\n" : ""}${text}\n`);
    this.#column = 0;
  }

  #stderr(text: string): void {
    writeText(Deno.stderr, text);
  }
}
