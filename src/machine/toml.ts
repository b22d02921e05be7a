// S2, STOP: read the end of /tmp/w/s3/notes.md (lead, 19:20) before going on with this file.
// TOML text -> a tree of values that know where they stand in the file and how they were written.
// Source: TOML v1.1.0. Not modelled: dates and times without an offset (they are read as UTC; nothing takes them, but messages show what
// was written); control characters in comments are let through.
import { ConfigError, ConfigErrors, type Place } from "../core/errors.ts";

/** A value of a machine file. `text` is how a number, text or date was written ("" for arrays and tables). */
export interface Node {
  readonly value: Scalar | readonly Node[] | Table;
  readonly place: Place;
  readonly text: string;
}
export type Scalar = string | number | boolean | bigint | Date;
export type Table = Map<string, Node>;

/** The tree of a TOML text. @throws {ConfigErrors} it is not TOML, or an integer would be rounded. */
export function readToml(text: string, file: string): Table {
  return new Parser(text, file, true).document();
}

/** The value of a TOML text that is one value, at a place without lines. @throws {ConfigErrors} it is not one, or an integer would be rounded. */
export function readValue(text: string, { file = "", key = "" }: Place): Node {
  return new Parser(text, file, false).onlyValue(key);
}

/** `a.b[0].c`, with quotes around a part that is not a bare key. */
export const joinKey = (path: string, part: string) => (path ? path + "." : "") + (/^[\w-]+$/.test(part) ? part : JSON.stringify(part));

/** True for the text of an integer that a JavaScript number cannot hold exactly. */
export function isUnsafe(text: string): boolean {
  if (!/^[+-]?(0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|[0-9_]+)$/i.test(text)) return false;
  try {
    return BigInt(text.replace(/^[+-]/, "").replaceAll("_", "")) > Number.MAX_SAFE_INTEGER;
  } catch {
    return false; // not an integer after all ("_")
  }
}

/**
 * How a table came to be, which says what may still be added to it: by the header of a table below it, by its own header, by a dotted key,
 * or in braces.
 */
type Origin = "above" | "header" | "dotted" | "braces";

const TAB = 9, LINE_FEED = 10, RETURN = 13, SPACE = 32, QUOTE = 34, HASH = 35, APOSTROPHE = 39, PLUS = 43, COMMA = 44, MINUS = 45, DOT = 46;
const ZERO = 48, EQUALS = 61, OPEN = 91, BACKSLASH = 92, CLOSE = 93, OPEN_BRACE = 123, CLOSE_BRACE = 125, DELETE = 127;
const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\x1b",
  '"': '"',
  "\\": "\\",
};
const ESCAPE_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const BASES: Readonly<Record<string, number>> = { x: 16, o: 8, b: 2 };

class Parser {
  #i = 0;
  #line = 1;
  /** Integers that a number cannot hold; they come before what else is wrong. */
  readonly #rounded: ConfigError[] = [];
  /** Of tables that did not get theirs from a header of their own. */
  readonly #origins = new Map<Table, Origin>();
  /** Arrays made of `[[...]]`. */
  readonly #growing = new Set<unknown>();
  // What follows is in this table.
  #table: Table = new Map();
  #path = "";

  constructor(readonly s: string, readonly file: string, readonly lines: boolean) {}

  document(): Table {
    const root = this.#table;
    for (this.#skip(); this.#i < this.s.length; this.#skip()) {
      if (this.s.charCodeAt(this.#i) === OPEN) this.#header(root);
      else this.#pair(this.#table, this.#path);
      this.#endOfLine();
    }
    if (this.#rounded.length) throw new ConfigErrors(this.#rounded);
    return root;
  }

  onlyValue(key: string): Node {
    this.#blank();
    const node = this.#value(key);
    this.#blank();
    if (this.#i < this.s.length) this.#fail("one value is expected");
    if (this.#rounded.length) throw new ConfigErrors(this.#rounded);
    return node;
  }

  /** `[a.b]` or `[[a.b]]`; a part that is an array of tables means its last element. */
  #header(root: Table): void {
    this.#i++;
    const array = this.#take(OPEN);
    let table = root, path = "";
    for (;;) {
      const part = this.#part(), last = !this.#take(DOT);
      path = joinKey(path, part);
      const old = table.get(part);
      if (last) {
        if (array) this.#grow(table, part, path, old);
        else this.#open(table, part, path, old);
        break;
      }
      if (!old) table = this.#add(table, part, path, "above");
      else if (old.value instanceof Map && this.#origins.get(old.value) !== "braces") table = old.value;
      else if (this.#growing.has(old.value)) {
        const elements = old.value as Node[];
        table = elements[elements.length - 1].value as Table;
        path += `[${elements.length - 1}]`;
      } else this.#fail(`'${path}' is not a table that could be added to`);
    }
    if (!this.#take(CLOSE) || (array && !this.#take(CLOSE))) this.#fail(`a header ends with ${array ? "]]" : "]"}`);
  }

  #open(table: Table, part: string, path: string, old: Node | undefined): void {
    this.#path = path;
    if (!old) this.#table = this.#add(table, part, path);
    else if (old.value instanceof Map && this.#origins.get(old.value) === "above") {
      this.#table = old.value;
      this.#origins.delete(old.value);
    } else this.#fail(`'${path}' is there already`);
  }

  /** Another element of an array of tables. */
  #grow(table: Table, part: string, path: string, old: Node | undefined): void {
    let elements: Node[];
    if (!old) {
      this.#growing.add(elements = []);
      table.set(part, { value: elements, place: this.#place(this.#line, path), text: "" });
    } else if (this.#growing.has(old.value)) elements = old.value as Node[];
    else this.#fail(`'${path}' is there already`);
    this.#path = `${path}[${elements.length}]`;
    this.#table = new Map();
    elements.push({ value: this.#table, place: this.#place(this.#line, this.#path), text: "" });
  }

  /** A new table. */
  #add(table: Table, part: string, path: string, origin?: Origin): Table {
    const value: Table = new Map();
    if (origin) this.#origins.set(value, origin);
    table.set(part, { value, place: this.#place(this.#line, path), text: "" });
    return value;
  }

  /** `a.b = value` */
  #pair(table: Table, path: string): void {
    for (;;) {
      const part = this.#part(), last = !this.#take(DOT), old = table.get(part);
      path = joinKey(path, part);
      if (last) {
        if (old) this.#fail(`'${path}' is there already`);
        if (!this.#take(EQUALS)) this.#fail("'=' is expected behind a key");
        this.#blank();
        table.set(part, this.#value(path));
        return;
      }
      if (!old) table = this.#add(table, part, path, "dotted");
      else if (old.value instanceof Map && this.#origins.get(old.value) === "dotted") table = old.value;
      else this.#fail(`'${path}' is not a table that could be added to`);
    }
  }

  /** One part of a key, and the blanks around it. */
  #part(): string {
    this.#blank();
    const { s } = this, from = this.#i;
    let c = s.charCodeAt(from), part: string;
    if (c === QUOTE || c === APOSTROPHE) {
      if (s.charCodeAt(from + 1) === c && s.charCodeAt(from + 2) === c) this.#fail("a key is one line");
      part = this.#string(c);
    } else {
      while ((c >= 97 && c <= 122) || c === 95 || (c >= 48 && c <= 57) || c === MINUS || (c >= 65 && c <= 90)) c = s.charCodeAt(++this.#i);
      if (this.#i === from) this.#fail("a key is expected");
      part = s.slice(from, this.#i);
    }
    this.#blank();
    return part;
  }

  #value(path: string): Node {
    const { s } = this, from = this.#i, line = this.#line, c = s.charCodeAt(from);
    let value: Node["value"], text = "";
    if (c === OPEN) value = this.#array(path);
    else if (c === OPEN_BRACE) value = this.#braces(path);
    else {
      value = c === QUOTE || c === APOSTROPHE ? this.#string(c) : this.#bare(path);
      text = s.slice(from, this.#i);
    }
    return { value, place: this.#place(line, path), text };
  }

  #array(path: string): Node[] {
    const out: Node[] = [];
    this.#i++;
    for (;;) {
      this.#skip();
      if (this.#take(CLOSE)) return out;
      out.push(this.#value(`${path}[${out.length}]`));
      this.#skip();
      if (!this.#take(COMMA)) break;
    }
    if (!this.#take(CLOSE)) this.#fail("',' or ']' is expected behind an element");
    return out;
  }

  #braces(path: string): Table {
    const out: Table = new Map();
    this.#i++;
    for (;;) {
      this.#skip();
      if (this.#take(CLOSE_BRACE)) break;
      this.#pair(out, path);
      this.#skip();
      if (this.#take(COMMA)) continue;
      if (!this.#take(CLOSE_BRACE)) this.#fail("',' or '}' is expected behind a value");
      break;
    }
    this.#origins.set(out, "braces");
    return out;
  }

  #string(quote: number): string {
    const { s } = this, long = s.charCodeAt(this.#i + 1) === quote && s.charCodeAt(this.#i + 2) === quote;
    let from = this.#i += long ? 3 : 1, out = "";
    if (long) {
      // A line break right behind the quotes is not part of the text.
      if (s.charCodeAt(this.#i) === RETURN && s.charCodeAt(this.#i + 1) === LINE_FEED) this.#i++;
      if (s.charCodeAt(this.#i) === LINE_FEED) this.#i++, this.#line++;
      from = this.#i;
    }
    for (;;) {
      const c = s.charCodeAt(this.#i);
      if (c === quote) {
        if (!long) break;
        if (s.charCodeAt(this.#i + 1) === quote && s.charCodeAt(this.#i + 2) === quote) {
          // Up to two more quotes belong to the text.
          for (let n = 0; n < 2 && s.charCodeAt(this.#i + 3) === quote; n++) this.#i++;
          break;
        }
        this.#i++;
      } else if (c === BACKSLASH && quote === QUOTE) {
        out += s.slice(from, this.#i) + this.#escape(long);
        from = this.#i;
      } else if (c === LINE_FEED && long) this.#i++, this.#line++;
      else if (!(c >= SPACE || c === TAB || (c === RETURN && long && s.charCodeAt(this.#i + 1) === LINE_FEED)) || c === DELETE) {
        this.#fail(this.#i < s.length && c !== LINE_FEED && c !== RETURN ? "a control character in a text" : "a text that does not end");
      } else this.#i++;
    }
    out += s.slice(from, this.#i);
    this.#i += long ? 3 : 1;
    return out;
  }

  /** What a backslash and the characters behind it stand for. */
  #escape(long: boolean): string {
    const { s } = this, c = s[++this.#i], plain = ESCAPES[c], digits = ESCAPE_DIGITS[c];
    if (plain !== undefined) {
      this.#i++;
      return plain;
    }
    if (digits !== undefined) {
      const hex = s.slice(this.#i + 1, this.#i + 1 + digits), code = parseInt(hex, 16);
      if (hex.length < digits || !/^[0-9a-f]+$/i.test(hex) || code > 0x10_ffff || (code >= 0xd800 && code < 0xe000)) {
        this.#fail(`'\\${c}${hex}' is no character`);
      }
      this.#i += 1 + digits;
      return String.fromCodePoint(code);
    }
    // At the end of a line: the line break and all blanks behind it are left out.
    const end = /[ \t]*\r?\n[ \t\r\n]*/y;
    end.lastIndex = this.#i;
    const blanks = long ? end.exec(s) : null;
    if (!blanks) this.#fail(`'\\${c ?? ""}' is no escape`);
    this.#line += blanks[0].split("\n").length - 1;
    this.#i += blanks[0].length;
    return "";
  }

  /** A number, `true`, `false`, a date or a time. */
  #bare(path: string): Scalar {
    const { s } = this, from = this.#i, line = this.#line;
    let at = from, c = s.charCodeAt(at);
    // Mostly it is a small decimal number, or one in hexadecimal.
    let n = 0, sign = 1, base = 10;
    if (c === PLUS || c === MINUS) {
      if (c === MINUS) sign = -1;
      c = s.charCodeAt(++at);
    } else if (c === ZERO) {
      base = BASES[s[at + 1]] ?? 10;
      if (base !== 10) c = s.charCodeAt(at += 2);
    }
    const first = at;
    for (let digit = -1;; c = s.charCodeAt(++at)) {
      if (c === 95 && digit >= 0) {
        digit = -1; // neither two underscores nor one at an end
        continue;
      }
      const d = c < 58 ? c - 48 : (c | 32) >= 97 ? (c | 32) - 87 : 99;
      if (d < 0 || d >= base) {
        if (digit < 0 || !endsValue(c) || (base === 10 && at - first > 1 && s.charCodeAt(first) === ZERO)) return this.#other();
        break;
      }
      digit = d;
      n = n * base + d;
    }
    this.#i = at;
    if (n > Number.MAX_SAFE_INTEGER) {
      const text = s.slice(from, at);
      this.#rounded.push(
        new ConfigError(`must be exact, but ${text} would be rounded: write it as a text, "${text}"`, this.#place(line, path)),
      );
    }
    return n === 0 ? 0 : sign * n;
  }

  #other(): Scalar {
    const word = /[^,\]}#\n]*/y;
    word.lastIndex = this.#i;
    const text = word.exec(this.s)![0].trim(), value = scalar(text);
    if (value === undefined) this.#fail(text ? `'${text}' is no value` : "a value is expected");
    this.#i += text.length;
    return value;
  }

  // --- characters

  /** Blanks, line breaks and comments. */
  #skip(): void {
    const { s } = this;
    for (;;) {
      const c = s.charCodeAt(this.#i);
      if (c === LINE_FEED) this.#line++;
      else if (c === HASH) {
        this.#comment();
        continue;
      } else if (c !== SPACE && c !== TAB && (c !== RETURN || s.charCodeAt(this.#i + 1) !== LINE_FEED)) return;
      this.#i++;
    }
  }
  #comment(): void {
    const end = this.s.indexOf("\n", this.#i);
    this.#i = end < 0 ? this.s.length : end;
  }
  #blank(): void {
    for (let c = this.s.charCodeAt(this.#i); c === SPACE || c === TAB;) c = this.s.charCodeAt(++this.#i);
  }
  #endOfLine(): void {
    this.#blank();
    const { s } = this;
    if (s.charCodeAt(this.#i) === HASH) this.#comment();
    if (s.charCodeAt(this.#i) === RETURN) this.#i++;
    if (this.#i < s.length && s.charCodeAt(this.#i) !== LINE_FEED) this.#fail("the end of the line is expected");
  }
  #take(c: number): boolean {
    if (this.s.charCodeAt(this.#i) !== c) return false;
    this.#i++;
    return true;
  }

  #place(line: number, key: string): Place {
    return this.lines ? { file: this.file, line, key } : { file: this.file, key };
  }
  #fail(problem: string): never {
    if (this.#rounded.length) throw new ConfigErrors(this.#rounded);
    throw new ConfigErrors([new ConfigError(`not valid TOML: ${problem}`, { file: this.file, line: this.#line })]);
  }
}

/** True for what may stand behind a number; NaN is the end of the text. */
const endsValue = (c: number) =>
  c === LINE_FEED || c === SPACE || c === COMMA || c === CLOSE || c === RETURN || c === TAB || c === HASH || c === CLOSE_BRACE || c !== c;

/** Words, floats, dates and times. */
function scalar(text: string): Scalar | undefined {
  if (text === "true" || text === "false") return text === "true";
  if (/^[+-]?(inf|nan)$/.test(text)) return text.endsWith("nan") ? NaN : text[0] === "-" ? -Infinity : Infinity;
  if (/^[+-]?(0|[1-9](_?\d)*)(\.\d(_?\d)*)?([eE][+-]?\d(_?\d)*)?$/.test(text)) return Number(text.replaceAll("_", ""));
  const m = /^(?:(\d{4}-\d\d-\d\d)(?:[Tt ](?=\d)|$))?(?:(\d\d:\d\d)(:\d\d)?(\.\d+)?([Zz]|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (!m || (!m[1] && (!m[2] || m[5]))) return undefined;
  const [, day = "1970-01-01", time = "00:00", seconds = ":00", fraction = "", offset = "Z"] = m;
  const date = new Date(`${day}T${time}${seconds}${fraction.slice(0, 4)}${offset.toUpperCase()}`);
  // JavaScript takes the 30th of February for the 2nd of March.
  return Number.isNaN(date.getTime()) ||
      Number(day.slice(8)) > new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 0)).getUTCDate()
    ? undefined
    : date;
}
