// TOML text -> a tree of values that know where they stand in the file.
// Source: TOML v1.0.0. The parser gives the values but no positions; a scanner of ours finds the line and the written text of
// every key. It runs when a message asks for one of them, over text that the parser has taken.
import { parse } from "npm:smol-toml@1.9.1";
import { ConfigError, ConfigErrors, type Place } from "../core/errors.ts";

/** A value of a machine file. `text` is how a number, text or date was written ("" for arrays and tables). */
export interface TomlNode {
  readonly value: Scalar | readonly TomlNode[] | TomlTable;
  readonly place: Place;
  readonly text: string;
  /** True for a number that was read as an integer; others are told by `text`: 2.0 is none. */
  readonly whole?: boolean;
}
export type Scalar = string | number | boolean | bigint | Date;
export type TomlTable = Map<string, TomlNode>;

/** Where a key stands (lines count from 1) and how its value was written. */
interface Spot {
  readonly line: number;
  readonly text: string;
}

/** The tree of a TOML text. @throws {ConfigErrors} it is not TOML, or an integer would be rounded. */
export function readToml(text: string, file: string): TomlTable {
  let values: Record<string, unknown>;
  try {
    values = parse(text, { integersAsBigInt: true });
  } catch (e) {
    throw new ConfigErrors([new ConfigError(`not valid TOML: ${parserMessage(e)}`, { file, line: parserLine(e) ?? 1 })]);
  }
  const source = new Source(text, file), table = source.table(values, "", { file, line: 1 });
  if (source.rounded.length) {
    throw new ConfigErrors(
      source.rounded.map(({ text, place }) =>
        new ConfigError(`must be exact, but ${text} would be rounded: write it as a text, "${text}"`, place)
      ),
    );
  }
  return table;
}

/** `a.b[0].c`, with quotes around a part that is not a bare key. */
export const joinKey = (path: string, part: string) => (path ? path + "." : "") + (/^[\w-]+$/.test(part) ? part : JSON.stringify(part));

/** True for the text of an integer that a JavaScript number cannot hold exactly. */
export function isUnsafe(text: string): boolean {
  if (!/^[+-]?(0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|[0-9_]+)$/i.test(text)) return false;
  try {
    return BigInt(text.replace(/^[+-]/, "").replaceAll("_", "")) > Number.MAX_SAFE_INTEGER;
  } catch {
    return false; // not an integer after all ("_"); the parser will say so
  }
}

/** A file while its tree is made, and afterwards for whoever asks for lines. */
class Source {
  /** Integers that a number cannot hold. */
  readonly rounded: TomlNode[] = [];
  #spots: Map<string, Spot> | undefined;
  constructor(readonly text: string, readonly file: string) {}

  spot(key: string): Spot | undefined {
    if (!this.#spots) {
      const scanner = new Scanner(this.text);
      scanner.document();
      this.#spots = scanner.spots;
    }
    return this.#spots.get(key);
  }

  table(values: Record<string, unknown>, path: string, above: Place): TomlTable {
    const out: TomlTable = new Map();
    for (const name of Object.keys(values)) out.set(name, this.#node(values[name], joinKey(path, name), above));
    return out;
  }

  #node(value: unknown, key: string, above: Place): TomlNode {
    const place = new KeyPlace(this, key, above);
    if (Array.isArray(value)) return { value: value.map((v, i) => this.#node(v, `${key}[${i}]`, place)), place, text: "" };
    if (typeof value === "object" && value !== null && !(value instanceof Date)) {
      return { value: this.table(value as Record<string, unknown>, key, place), place, text: "" };
    }
    const whole = typeof value === "bigint", node = new ScalarNode(whole ? Number(value) : value as Scalar, whole, value, place);
    if (whole && !Number.isSafeInteger(node.value)) this.rounded.push(node);
    return node;
  }
}

/** Where a key stands: its line is looked for when somebody asks. (Getters in object literals cost a hidden class for each object.) */
class KeyPlace implements Place {
  readonly file: string;
  constructor(readonly source: Source, readonly key: string, readonly above: Place) {
    this.file = source.file;
  }
  get line(): number {
    return this.source.spot(this.key)?.line ?? this.above.line ?? 1;
  }
}

class ScalarNode implements TomlNode {
  constructor(readonly value: Scalar, readonly whole: boolean, readonly parsed: unknown, readonly place: KeyPlace) {}
  get text(): string {
    return this.place.source.spot(this.place.key)?.text ?? String(this.parsed);
  }
}

function parserMessage(e: unknown): string {
  const first = (e instanceof Error ? e.message : String(e)).split("\n")[0];
  return first.replace(/^Invalid TOML document: /, "").replace(/^Parse error on line \d+, column \d+: /, "");
}

function parserLine(e: unknown): number | undefined {
  if (typeof (e as { line?: unknown }).line === "number") return (e as { line: number }).line;
  const m = /line (\d+)/.exec(String(e));
  return m ? Number(m[1]) : undefined;
}

/** Thrown by the scanner to itself where the text is not TOML. */
const NOT_TOML = Symbol();

class Scanner {
  readonly spots = new Map<string, Spot>();
  /** Elements seen so far of each array of tables. */
  readonly #counts = new Map<string, number>();
  #i = 0;
  #line = 1;
  #lineEnd = 0;
  constructor(readonly s: string) {}

  document(): void {
    try {
      let prefix = "";
      for (this.#space(true); this.#i < this.s.length; this.#space(true)) {
        if (!this.#take("[")) this.#pair(prefix);
        else {
          const array = this.#take("["), line = this.#lineHere();
          prefix = this.#resolve(this.#key(), line);
          if (array) {
            const n = this.#counts.get(prefix) ?? 0;
            this.#counts.set(prefix, n + 1);
            this.#note(prefix, line, "");
            prefix += `[${n}]`;
            this.#expect("]");
          }
          this.#note(prefix, line, "");
          this.#expect("]");
        }
      }
    } catch (e) {
      if (e !== NOT_TOML) throw e;
    }
  }

  #pair(prefix: string): void {
    const line = this.#lineHere();
    let path = prefix;
    for (const part of this.#key()) this.#note(path = joinKey(path, part), line, "");
    this.#space(false);
    this.#expect("=");
    this.#value(path);
  }

  #value(path: string): void {
    this.#space(false);
    const line = this.#lineHere(), start = this.#i, c = this.s[start];
    if (c === "[") {
      this.#i++;
      for (let n = 0;; n++) {
        this.#space(true);
        if (this.#take("]")) break;
        this.#value(`${path}[${n}]`);
        this.#space(true);
        if (!this.#take(",")) {
          this.#space(true);
          this.#expect("]");
          break;
        }
      }
      return this.#note(path, line, "");
    }
    if (c === "{") {
      this.#i++;
      this.#note(path, line, "");
      for (;;) {
        this.#space(true);
        if (this.#take("}")) break;
        this.#pair(path);
        this.#space(true);
        if (!this.#take(",")) {
          this.#expect("}");
          break;
        }
      }
      return;
    }
    const token = this.#match(/"""[^]*?(?<!\\)(?:\\\\)*"{3,5}|'''[^]*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^,\]}#\n]+/y);
    this.#note(path, line, token.trim(), true);
  }

  /** A dotted key. */
  #key(): string[] {
    const parts: string[] = [];
    do {
      this.#space(false);
      const part = this.#match(/[\w-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/y);
      parts.push(part[0] === '"' ? unquote(part) : part[0] === "'" ? part.slice(1, -1) : part);
      this.#space(false);
    } while (this.#take("."));
    return parts;
  }

  /** The path of a table header; a part that is an array of tables means its last element. */
  #resolve(parts: string[], line: number): string {
    let path = "";
    for (const [i, part] of parts.entries()) {
      path = joinKey(path, part);
      const n = this.#counts.get(path);
      if (i === parts.length - 1) break;
      this.#note(path, line, "");
      if (n !== undefined) path += `[${n - 1}]`;
    }
    return path;
  }

  #note(path: string, line: number, text: string, replace = false): void {
    if (replace || !this.spots.has(path)) this.spots.set(path, { line, text });
  }

  #space(lines: boolean): void {
    this.#match(lines ? /(?:[ \t\r\n]|#[^\n]*)*/y : /[ \t]*/y);
  }
  #take(c: string): boolean {
    if (this.s[this.#i] !== c) return false;
    this.#i++;
    return true;
  }
  #expect(c: string): void {
    this.#space(false);
    if (!this.#take(c)) throw NOT_TOML;
  }
  #match(re: RegExp): string {
    re.lastIndex = this.#i;
    const m = re.exec(this.s);
    if (!m) throw NOT_TOML;
    this.#i = re.lastIndex;
    return m[0];
  }
  #lineHere(): number {
    for (; this.#lineEnd < this.#i; this.#lineEnd++) if (this.s[this.#lineEnd] === "\n") this.#line++;
    return this.#line;
  }
}

function unquote(text: string): string {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1); // an escape that JSON does not know; only a line number depends on it
  }
}
