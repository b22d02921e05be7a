// Names beside the addresses that a guest prints: "0x80200010 <kernel::main src/main.rs:12>", whatever the text around them is. What is named is a
// word that is a number in hexadecimal (0x..., in Rust's way with underscores, or as many digits as an address has) and lies in the program's code.
import { debugInfoOf, type Program } from "./backtrace.ts";
import { sectionHeaders } from "./elf.ts";

const SHF_EXECINSTR = 4;
/** Characters of a name that are shown, and names that are remembered. */
const LONGEST = 120, REMEMBERED = 4096;
/** Characters of a word that may be an address: 0x, 16 digits and as many underscores as people put between them. */
const WORD = 40;

const MAY_BE_ADDRESS = /0[xX][0-9a-fA-F]|[0-9a-fA-F]{8}/;

/** Gives addresses their names. */
export class AddressNames {
  readonly #code: readonly (readonly [from: bigint, to: bigint])[];
  readonly #known = new Map<string, string | undefined>();
  readonly #word: RegExp;

  constructor(readonly program: Program) {
    const image = program.image?.();
    this.#code = image
      ? sectionHeaders(image).headers.filter((h) => h.flags & SHF_EXECINSTR).map((h) => [h.address, h.address + BigInt(h.size)] as const)
      : [];
    const digits = (program.bits ?? 64) / 4;
    this.#word = new RegExp(`^(?:0[xX][0-9a-fA-F](?:_?[0-9a-fA-F]){0,15}|[0-9a-fA-F]{${digits}})$`);
  }

  /** False: nothing has a name. */
  get any(): boolean {
    return this.#code.length > 0;
  }

  /** " <name file:line>" of a word that is an address in the program's code. */
  beside(word: string): string | undefined {
    if (word.length > WORD || !this.#word.test(word)) return undefined;
    if (this.#known.has(word)) return this.#known.get(word);
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    const name = this.#nameOf(BigInt(`0x${word.replace(/^0[xX]/, "").replaceAll("_", "")}`));
    this.#known.set(word, name);
    return name;
  }

  #nameOf(address: bigint): string | undefined {
    if (!this.#code.some(([from, to]) => address >= from && address < to)) return undefined;
    const found = this.program.lookup(address);
    if (!found) return undefined;
    const line = debugInfoOf(this.program)?.line(address), offset = found.offset ? `+0x${found.offset.toString(16)}` : "";
    const name = found.name.length > LONGEST ? `${found.name.slice(0, LONGEST)}...` : found.name;
    const file = line && line.file.length > LONGEST ? `...${line.file.slice(-LONGEST)}` : line?.file;
    // An ELF file may say anything, and a terminal obeys some of it.
    // deno-lint-ignore no-control-regex
    return ` <${line ? `${name} ${file}:${line.line}` : `${name}${offset}`}>`.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
  }

  /** A text with the names in it. Escape sequences of terminals are no words. */
  text(text: string): string {
    if (!this.any || !MAY_BE_ADDRESS.test(text)) return text;
    // deno-lint-ignore no-control-regex
    return text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[0-9A-Za-z_]+/gs, (word) => {
      return word + (word.startsWith("\x1b") ? "" : this.beside(word) ?? "");
    });
  }

  /** What is shown of a stream; see `NamedStream`. */
  stream(): NamedStream {
    return new NamedStream(this);
  }
}

const enum State {
  text,
  escape,
  control,
  string,
  stringEscape,
}

const ESC = 0x1b, BEL = 0x07, LF = 0x0a, CR = 0x0d, BACKSPACE = 0x08;
/** Letters, digits and the underscore. */
const IN_WORD = Uint8Array.from({ length: 256 }, (_, b) => /\w/.test(String.fromCharCode(b)) ? 1 : 0);
/** Control sequences of the alternate screen (xterm). */
const ALTERNATE = /^\?(?:47|1047|1049)([hl])$/;

/**
 * Puts names into what goes to a terminal, byte after byte: a name comes when the address is known to be over, with the byte behind it; nothing
 * is kept back. Where a line is laid out by the guest (the cursor is moved in it, the alternate screen) or somebody types in it, more text would
 * be in the way: such a line stays as it is.
 */
export class NamedStream {
  #state: State = State.text;
  /** The word so far; one that is too long is no address. */
  #word = "";
  #sequence = "";
  /** Nothing is put into this line. */
  #still = false;
  /** Something has been printed in this line. */
  #begun = false;
  #alternate = false;
  readonly #encoder = new TextEncoder();

  constructor(readonly names: AddressNames) {}

  /** Somebody has typed: what the guest prints in this line may be that. */
  typed(): void {
    this.#still = true;
  }

  push(bytes: Uint8Array): Uint8Array {
    const out: Uint8Array[] = [];
    let from = 0, longer = 0;
    for (let i = 0; i < bytes.length; i++) {
      const name = this.#byte(bytes[i]);
      if (name === undefined) continue;
      const text = this.#encoder.encode(name);
      out.push(bytes.subarray(from, i), text);
      longer += text.length;
      from = i;
    }
    if (out.length === 0) return bytes;
    out.push(bytes.subarray(from));
    const joined = new Uint8Array(bytes.length + longer);
    let at = 0;
    for (const part of out) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  /** The name that comes before this byte. */
  #byte(b: number): string | undefined {
    switch (this.#state) {
      case State.text:
        return this.#plain(b);
      case State.escape:
        this.#sequence = "";
        // CSI; OSC, DCS, SOS, PM, APC; any other is over with this byte, or nearly (ECMA-48, 5.4 and 5.6).
        this.#state = b === 0x5b
          ? State.control
          : b === 0x5d || b === 0x50 || b === 0x58 || b === 0x5e || b === 0x5f
          ? State.string
          : State.text;
        return undefined;
      case State.control:
        if (b === ESC) this.#state = State.escape;
        else if (b < 0x20 || b > 0x7e) this.#state = State.text;
        else if (b < 0x40) {
          if (this.#sequence.length < WORD) this.#sequence += String.fromCharCode(b);
        } else {
          this.#state = State.text;
          // Colours do no harm.
          if (b !== 0x6d) this.#laidOut(this.#sequence + String.fromCharCode(b));
        }
        return undefined;
      case State.string:
        if (b === BEL) this.#state = State.text;
        else if (b === ESC) this.#state = State.stringEscape;
        return undefined;
      case State.stringEscape:
        this.#state = b === 0x5c ? State.text : b === ESC ? State.stringEscape : State.string;
        return undefined;
    }
  }

  #plain(b: number): string | undefined {
    if (IN_WORD[b]) {
      if (this.#word.length <= WORD) this.#word += String.fromCharCode(b);
      return undefined;
    }
    const name = this.#named();
    if (b === ESC) this.#state = State.escape;
    else if (b === LF) this.#still = this.#begun = false;
    else if (b === BACKSPACE || (b === CR && this.#begun)) this.#still = true;
    else if (b > 0x20) this.#begun = true;
    return name;
  }
  #named(): string | undefined {
    const word = this.#word;
    if (word === "") return undefined;
    this.#begun = true;
    this.#word = "";
    return this.#still || this.#alternate ? undefined : this.names.beside(word);
  }
  /** There is no more: the name of an address that comes last. */
  end(): Uint8Array {
    return this.#encoder.encode(this.#named() ?? "");
  }

  #laidOut(sequence: string): void {
    const [, alternate] = ALTERNATE.exec(sequence) ?? [];
    if (alternate) this.#alternate = alternate === "h";
    this.#still = true;
  }
}

const ALL = new WeakMap<Program, AddressNames>();
/** The names of a program, made once. */
export function namesOf(program: Program): AddressNames {
  const known = ALL.get(program) ?? new AddressNames(program);
  ALL.set(program, known);
  return known;
}
