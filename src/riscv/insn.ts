// Instructions as rows: `insn(row, syntax, semantics)`, where `row` is the line of the manual's instruction set listing, verbatim
// (RISC-V Unprivileged ISA 20240411, chapter 34 "RV32/64G Instruction Set Listings"). Mask and match, fields, decoding, disassembly,
// encoding and fuzzing all come from the row. No regular expressions here: a start reads a hundred rows.
//
// In a row: 0 and 1 are fixed bits, - is ignored; `imm[12|10:5]` is a piece of a field with the bits it stands for, a bare name has its usual width.
// imm and nzimm are signed; a primed register counts from x8. In a syntax string fd, fs1, fs2, fs3 are rd, rs1, rs2, rs3 as floating-point
// registers, `pc+imm` is an address relative to the instruction, and `imm>>12` is written without its low bits.
import { F_NAMES, X_NAMES } from "./registers.ts";
import type { Emit } from "./emit.ts";

// deno-fmt-ignore
const WIDTH = { rd: 5, rs1: 5, rs2: 5, rs3: 5, "rd'": 3, "rs1'": 3, "rs2'": 3, csr: 12, rm: 3, pred: 4, succ: 4, fm: 4, aq: 1, rl: 1 } as const;
type Known = keyof typeof WIDTH | "imm" | "uimm" | "nzimm" | "nzuimm" | "shamt";
type Tokens<S extends string> = S extends `${infer H} ${infer T}` ? H | Tokens<T> : S;
type Name<T extends string> = T extends `${infer N}[${string}` ? N : T;
/** Field names that appear in a row, computed by the type checker. */
export type Fields<Row extends string> = { readonly [K in Extract<Name<Tokens<Row>>, Known>]: number };

/** One part of a field: `length` bits of the word from bit `from` on are the field's bits from `to` on. */
interface Piece {
  readonly from: number;
  readonly length: number;
  readonly to: number;
}
interface Field {
  readonly name: string;
  readonly signed: boolean;
  /** What is added: primed registers count from x8. */
  readonly base: number;
  /** The highest bit that a piece gives, plus one. */
  width: number;
  readonly pieces: Piece[];
}

/** What an instruction does, as code that builds its IR. */
export type Semantics = (b: Emit, f: Readonly<Record<string, number>>) => void;

/** A word of a row's text: fixed bits, or a part of a field. The same few are in all rows, so each is read once. */
interface Token {
  readonly bits: number;
  readonly mask: number;
  readonly match: number;
  /** The field; "" for fixed bits. */
  readonly name: string;
  /** Its pieces, counted from the token's lowest bit. */
  readonly pieces: readonly Piece[];
}

/** What tells the words of a row from others. */
interface Form {
  readonly bits: 16 | 32;
  readonly mask: number;
  readonly match: number;
}

/** One instruction, or one compressed form of another. Its text is read when somebody asks what it says: a run meets one row in ten. */
export class Row {
  #form: Form | undefined;
  #fields: readonly Field[] | undefined;

  constructor(
    readonly row: string,
    /** Assembly syntax; "" for an encoding that the manual reserves. */
    readonly syntax: string,
    /** Undefined for aliases and reserved encodings. */
    readonly emit: Semantics | undefined,
    /** The syntax of the instruction that an alias stands for. */
    readonly expansion: string | undefined,
  ) {}

  /** @throws {Error} the row is malformed; so do the getters. */
  form(): Form {
    return this.#form ??= parse(this.row);
  }
  get bits(): 16 | 32 {
    return this.form().bits;
  }
  get mask(): number {
    return this.form().mask;
  }
  get match(): number {
    return this.form().match;
  }
  get fields(): readonly Field[] {
    return this.#fields ??= fieldsOf(this.row);
  }
}

/** Rows that come together, with some extensions and, where it says so, at one width of registers only. */
export interface Group {
  /** All of these: "zcb m|zmmul" is Zcb with one of M and Zmmul. */
  readonly needs: string;
  readonly xlen?: 32 | 64;
  readonly rows: readonly Row[];
}

/** An instruction. */
export function insn<const R extends string>(row: R, syntax: string, emit: (b: Emit, f: Fields<R>) => void): Row {
  return new Row(row, syntax, emit as Semantics, undefined);
}

/** A compressed form: `expansion` is another row's syntax with fields of this row or registers put in. */
export function alias(row: string, syntax: string, expansion: string): Row {
  return new Row(row, syntax, undefined, expansion);
}

/** An encoding that must raise an illegal instruction although it lies inside another row (the manual's "RES"). */
export function reserved(row: string): Row {
  return new Row(row, "", undefined, undefined);
}

const SPACE = 32, BAR = 124, ZERO = 48, ONE = 49, DASH = 45, OPEN = 91, CLOSE = 93, COLON = 58, COMMA = 44, LEFT = 40, RIGHT = 41;
const isDigit = (c: number) => c >= 48 && c <= 57;

function parse(row: string): Form {
  const texts = row.split(" ");
  let bits = 0, mask = 0, match = 0;
  for (let i = texts.length - 1; i >= 0; i--) {
    const token = tokenOf(texts[i], row);
    mask |= token.mask << bits;
    match |= token.match << bits;
    bits += token.bits;
  }
  if (bits !== 16 && bits !== 32) throw new Error(`row "${row}" has ${bits} bits`);
  return { bits, mask: mask >>> 0, match: match >>> 0 };
}

/** The fields of a row, the last first. */
function fieldsOf(row: string): Field[] {
  const texts = row.split(" "), fields: Field[] = [];
  for (let i = texts.length - 1, bit = 0; i >= 0; i--) {
    const { name, pieces, bits } = tokenOf(texts[i], row);
    if (name !== "") {
      let n = 0;
      while (n < fields.length && fields[n].name !== name) n++;
      if (n === fields.length) {
        fields.push({ name, signed: name === "imm" || name === "nzimm", base: name.endsWith("'") ? 8 : 0, width: 0, pieces: [] });
      }
      const field = fields[n];
      for (let p = 0; p < pieces.length; p++) {
        const { from, length, to } = pieces[p];
        field.pieces.push({ from: bit + from, length, to });
        if (field.width < to + length) field.width = to + length;
      }
    }
    bit += bits;
  }
  return fields;
}

const NO_PIECES: readonly Piece[] = [];
const tokens = new Map<string, Token>();
function tokenOf(text: string, row: string): Token {
  let token = tokens.get(text);
  if (!token) tokens.set(text, token = readToken(text, row));
  return token;
}

function readToken(text: string, row: string): Token {
  const first = text.charCodeAt(0), bits = text.length;
  if (first !== ZERO && first !== ONE && first !== DASH) return readField(text, row);
  let mask = 0, match = 0;
  for (let i = 0; i < bits; i++) {
    const c = text.charCodeAt(i), bit = 1 << (bits - 1 - i);
    if (c === DASH) continue;
    mask |= bit;
    if (c === ONE) match |= bit;
    else if (c !== ZERO) throw new Error(`bad digit in row "${row}"`);
  }
  return { bits, mask, match, name: "", pieces: NO_PIECES };
}

function readField(text: string, row: string): Token {
  const open = text.indexOf("["), name = open < 0 ? text : text.slice(0, open), pieces: Piece[] = [];
  if (open < 0) {
    const bits = WIDTH[name as keyof typeof WIDTH];
    if (!bits) throw new Error(`unknown field '${name}' in row "${row}"`);
    return { bits, mask: 0, match: 0, name, pieces: [{ from: 0, length: bits, to: 0 }] };
  }
  if (text.charCodeAt(text.length - 1) !== CLOSE) throw new Error(`unclosed [ in row "${row}"`);
  // "12|10:5": slices from the last to the first.
  let bits = 0;
  for (let i = text.length - 2, low = 0, n = 0, scale = 1, isLow = false; i >= open; i--) {
    const c = text.charCodeAt(i);
    if (isDigit(c)) {
      n += (c - ZERO) * scale;
      scale *= 10;
    } else if (c === COLON) {
      low = n;
      isLow = true;
      n = 0;
      scale = 1;
    } else if (c === BAR || c === OPEN) {
      if (!isLow) low = n;
      const length = n - low + 1;
      if (length < 1) throw new Error(`bad slice in row "${row}"`);
      pieces.push({ from: bits, length, to: low });
      bits += length;
      n = 0;
      scale = 1;
      isLow = false;
    } else throw new Error(`bad slice in row "${row}"`);
  }
  return { bits, mask: 0, match: 0, name, pieces };
}

const lowBits = (n: number) => n === 32 ? -1 : (1 << n) - 1;

function fieldOf(f: Field, word: number): number {
  const { pieces } = f;
  let v = 0;
  for (let i = 0; i < pieces.length; i++) {
    const p = pieces[i];
    v |= ((word >>> p.from) & lowBits(p.length)) << p.to;
  }
  if (f.signed && f.width < 32) v = (v << (32 - f.width)) >> (32 - f.width);
  return v + f.base;
}

/** The values of a word's fields. */
export function extract(row: Row, word: number): Record<string, number> {
  const out: Record<string, number> = {};
  for (const f of row.fields) out[f.name] = fieldOf(f, word);
  return out;
}

/** The word with these field values: the inverse of `extract`. Bits that the row ignores are 0. */
export function encode(row: Row, values: Readonly<Record<string, number>>): number {
  let word = row.match;
  for (const f of row.fields) {
    const v = values[f.name] - f.base;
    for (const p of f.pieces) word |= ((v >>> p.to) & lowBits(p.length)) << p.from;
  }
  return word >>> 0;
}

/** True when the word is one of the row's. */
export const matches = (row: Row, word: number): boolean => ((word & row.mask) >>> 0) === row.match;

/** A random word of this row; `random` gives numbers in 0..1. */
export function randomWord(row: Row, random: () => number): number {
  const r = Math.floor(random() * 2 ** row.bits);
  return ((r & ~row.mask) | row.match) >>> 0;
}

/** The mnemonic of a syntax string. */
export function mnemonic(syntax: string): string {
  const space = syntax.indexOf(" ");
  return space < 0 ? syntax : syntax.slice(0, space);
}

/** The operands of a syntax string: "lw rd, imm(rs1)" has rd, imm and rs1. */
export function operands(syntax: string): string[] {
  const found: string[] = [];
  for (let from = mnemonic(syntax).length, i = from; i <= syntax.length; i++) {
    const c = i < syntax.length ? syntax.charCodeAt(i) : SPACE;
    if (c !== SPACE && c !== COMMA && c !== LEFT && c !== RIGHT) continue;
    if (i > from) found.push(syntax.slice(from, i));
    from = i + 1;
  }
  return found;
}

const ROUNDING = ["rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn"];

/** Registers that an expansion or syntax may name, e.g. "sp". */
const FIXED: Readonly<Record<string, number>> = Object.fromEntries(X_NAMES.map((n, i) => [n, i]));

/**
 * Assembly text of a word: the syntax with every field replaced by its value. With `pc`, branch targets are addresses; without, distances.
 * Bits above `xlen` do not appear.
 */
export function disassemble(row: Row, word: number, pc?: bigint, xlen: 32 | 64 = 64): string {
  if (row.syntax === "") return "";
  const f = extract(row, word), name = mnemonic(row.syntax);
  const text = row.syntax.slice(name.length + 1).replace(
    /pc\+(imm)|((?:nz)?imm)>>12|[a-z]+\d?'?/g,
    (token, relative?: string, upper?: string) => {
      if (upper) return "0x" + (f[upper] >>> 12).toString(16);
      if (relative) {
        return pc === undefined
          ? `pc${f[relative] < 0 ? "" : "+"}${f[relative]}`
          : "0x" + BigInt.asUintN(xlen, pc + BigInt(f[relative])).toString(16);
      }
      if (token in f) return show(token, f[token]);
      const asInteger = token.replace(/^f/, "r");
      return asInteger in f ? F_NAMES[f[asInteger]] : token;
    },
  );
  return text ? `${name} ${text}` : name;
}

function show(field: string, value: number): string {
  if (field === "rm") return ROUNDING[value];
  if (field === "pred" || field === "succ") return [..."iorw"].filter((_, i) => value & (8 >> i)).join("") || "0";
  if (field[0] === "r" && field !== "rl") return X_NAMES[value];
  return String(value);
}

/** A decoded word: the instruction (an alias has been replaced by what it stands for) and its fields. */
export interface Decoded {
  /** The row that the word matched, for its syntax. */
  readonly row: Row;
  readonly emit: Semantics;
  readonly fields: Readonly<Record<string, number>>;
  /** Bytes: 2 or 4. */
  readonly length: number;
}

/** How the words of a row become instructions. */
interface Plan {
  readonly emit: Semantics;
  /** What `emit` is given: numbers that an alias names, and the fields of the word at hand. */
  readonly values: Record<string, number>;
  /** Those of the word: their names in `values`, and where they come from. */
  readonly names: readonly string[];
  readonly sources: readonly Field[];
}
/** A row in a table. */
interface Entry {
  readonly row: Row;
  readonly mask: number;
  readonly match: number;
  /** Undefined until a word is met, null for a reserved encoding. */
  plan: Plan | null | undefined;
}

/** A set of rows made ready for decoding. */
export class DecodeTable {
  /** Rows by the key of their text, until a word with that key is met. */
  readonly #unread: (Row[] | undefined)[] = new Array(KEYS).fill(undefined);
  /** Rows by key, or by key and funct3 where instructions have 32 bits; the most specific mask first. */
  readonly #buckets: (Entry[] | undefined)[] = new Array(KEYS << 3).fill(undefined);

  readonly rows: Row[] = [];
  /** What translate.ts finds about `alike` rows, by bits 6..2 of a word and funct3 * 32; 0 where rows have come since. */
  readonly families = new Uint8Array(32 * 8);

  constructor(rows: readonly Row[] = []) {
    this.add(rows);
  }

  /** More rows. */
  add(rows: readonly Row[]): void {
    for (let i = 0; i < rows.length; i++) {
      const key = keyOfText(rows[i].row), list = this.#unread[key];
      if (list) list.push(rows[i]);
      else this.#unread[key] = [rows[i]];
      this.rows.push(rows[i]);
    }
    this.families.fill(0);
  }

  /** The instruction (not a compressed form) with this mnemonic; undefined when there is none. */
  #named(name: string): Row | undefined {
    const { rows } = this, n = name.length;
    for (let i = 0; i < rows.length; i++) {
      const { syntax, emit } = rows[i];
      if (emit && syntax.startsWith(name) && (syntax.length === n || syntax.charCodeAt(n) === SPACE)) return rows[i];
    }
    return undefined;
  }

  /** The instruction (not a compressed form) with this mnemonic. @throws {Error} there is none. */
  row(mnemonic: string): Row {
    const r = this.#named(mnemonic);
    if (!r) throw new Error(`no instruction '${mnemonic}'`);
    return r;
  }

  /** Reads the rows of a key. */
  #read(key: number): void {
    const rows = this.#unread[key] ?? [];
    this.#unread[key] = undefined;
    for (let r = 0; r < rows.length; r++) {
      const row = rows[r], { mask, match } = row.form(), entry: Entry = { row, mask, match, plan: undefined };
      // Every funct3 that the row allows.
      for (let n = 0; n < 8; n++) {
        if (((n << 12) ^ match) & mask & FUNCT3) continue;
        const bucket = this.#buckets[(key << 3) + n] ??= [];
        let i = bucket.length;
        while (i > 0 && ones(bucket[i - 1].mask) < ones(mask)) i--;
        if (i === bucket.length) bucket.push(entry);
        else bucket.splice(i, 0, entry);
      }
    }
  }

  /** The row of a word (only the low half counts when its low two bits are not 3), reserved encodings included; the most specific one wins. */
  find(word: number): Row | undefined {
    return this.#find(word)?.row;
  }
  #find(word: number): Entry | undefined {
    const w = (word & 3) === 3 ? word : word & 0xffff, key = (w & 3) === 3 ? (w >>> 2) & 31 : 32 | (w >>> 11) & 0x1c | w & 3;
    if (this.#unread[key]) this.#read(key);
    const bucket = this.#buckets[(key << 3) | ((w >>> 12) & 7)];
    if (bucket) { for (let i = 0; i < bucket.length; i++) if (((w ^ bucket[i].match) & bucket[i].mask) === 0) return bucket[i]; }
    return undefined;
  }

  /** The rows with the opcode and funct3 of a 32-bit word, the most specific first. */
  alike(word: number): Row[] {
    this.#find(word);
    return (this.#buckets[(word >>> 2 & 31) << 3 | word >>> 12 & 7] ?? []).map((entry) => entry.row);
  }

  /** Builds the IR of a word; false, and nothing is built, when it is illegal. */
  emit(word: number, b: Emit): boolean {
    const entry = this.#find(word);
    if (entry === undefined) return false;
    if (entry.plan === undefined) entry.plan = this.#plan(entry.row);
    if (entry.plan === null) return false;
    const { emit, values, names, sources } = entry.plan;
    for (let i = 0; i < names.length; i++) values[names[i]] = fieldOf(sources[i], word);
    emit(b, values);
    return true;
  }

  /** Decodes a word; undefined when it is illegal. */
  decode(word: number): Decoded | undefined {
    const entry = this.#find(word), plan = entry && (entry.plan ??= this.#plan(entry.row));
    if (!plan) return undefined;
    const fields = { ...plan.values };
    for (let i = 0; i < plan.names.length; i++) fields[plan.names[i]] = fieldOf(plan.sources[i], word);
    return { row: entry.row, emit: plan.emit, fields, length: entry.row.bits / 8 };
  }

  /** Null for a reserved encoding. */
  #plan(row: Row): Plan | null {
    const values: Record<string, number> = {}, names: string[] = [], sources: Field[] = [];
    if (row.emit) {
      const { fields } = row;
      for (let i = 0; i < fields.length; i++) {
        values[fields[i].name] = 0;
        names.push(fields[i].name);
      }
      return { emit: row.emit, values, names, sources: fields };
    }
    if (row.expansion === undefined) return null;
    const target = this.target(row), from = operands(row.expansion), to = operands(target.syntax);
    for (let i = 0; i < from.length; i++) {
      const source = sourceOf(from[i], row), name = fieldName(to[i]);
      if (typeof source === "number") values[name] = source;
      else {
        values[name] = 0;
        names.push(name);
        sources.push(source);
      }
    }
    return { emit: target.emit!, values, names, sources };
  }

  /** The instruction that an alias stands for. @throws {Error} it is not in the table, or the operands differ in number. */
  target(row: Row): Row {
    const name = mnemonic(row.expansion!), target = this.#named(name);
    if (!target) throw new Error(`'${row.syntax}' stands for '${name}', which is not in the table`);
    if (operands(target.syntax).length !== operands(row.expansion!).length) {
      throw new Error(`'${row.syntax}': operands of '${row.expansion}' do not fit`);
    }
    return target;
  }
}

/** "fd", "pc+imm" and "imm>>12" in a syntax mean the fields rd and imm. */
function fieldName(operand: string): string {
  if (operand.endsWith(">>12")) return operand.slice(0, -4);
  if (operand.startsWith("pc+")) return operand.slice(3);
  return operand[0] === "f" && operand !== "fm" ? "r" + operand.slice(1) : operand;
}

function sourceOf(operand: string, row: Row): Field | number {
  const name = fieldName(operand), { fields } = row;
  for (let i = 0; i < fields.length; i++) if (fields[i].name === name) return fields[i];
  const v = FIXED[operand] ?? (isDigit(operand.charCodeAt(operand[0] === "-" ? 1 : 0)) ? Number(operand) : undefined);
  if (v === undefined) throw new Error(`'${row.syntax}': unknown operand '${operand}' in '${row.expansion}'`);
  return v;
}

/** Opcodes of 32-bit instructions (bits 6..2), then funct3 and quadrant of 16-bit ones. */
const KEYS = 64, FUNCT3 = 7 << 12;

/** The key in a row's text: every row of the manual ends with its opcode or quadrant, and 16-bit rows begin with funct3, in digits. */
function keyOfText(row: string): number {
  const bit = (i: number) => row.charCodeAt(i) & 1, n = row.length;
  const quadrant = bit(n - 2) << 1 | bit(n - 1);
  if (quadrant !== 3) return 32 | bit(0) << 4 | bit(1) << 3 | bit(2) << 2 | quadrant;
  return bit(n - 7) << 4 | bit(n - 6) << 3 | bit(n - 5) << 2 | bit(n - 4) << 1 | bit(n - 3);
}

function ones(n: number): number {
  n -= (n >>> 1) & 0x5555_5555;
  n = (n & 0x3333_3333) + ((n >>> 2) & 0x3333_3333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/**
 * Pairs of rows that share a word although neither lies inside the other (nor is the shared part a row of its own): must be empty.
 * Equal rows count too.
 */
export function overlaps(rows: readonly Row[]): [string, string][] {
  const out: [string, string][] = [];
  const inside = (a: Row, b: Row) => (b.mask & ~a.mask) === 0 && a.mask !== b.mask;
  rows.forEach((a, i) => {
    for (const b of rows.slice(0, i)) {
      if (a.bits !== b.bits || (a.mask & b.mask & (a.match ^ b.match)) !== 0 || inside(a, b) || inside(b, a)) continue;
      const mask = (a.mask | b.mask) >>> 0, match = (a.match | b.match) >>> 0;
      if (
        !rows.some((r) =>
          r.bits === a.bits && (r.mask & ~mask) === 0 && ((match & r.mask) >>> 0) === r.match && inside(r, a) && inside(r, b)
        )
      ) out.push([a.row, b.row]);
    }
  });
  return out;
}
