// Entries of debugging information, whatever they tell: units, abbreviations, forms, ranges. DWARF 5 (2017), 2.17 (ranges of addresses), 7.5
// (entries and forms), 7.28 (lists of ranges); version 4 (2010), 2.17.3, for `.debug_ranges`.
import { DwarfReader, textAt } from "./reader.ts";
import type { ElfSection } from "./elf_sections.ts";

const AT_LOW_PC = 0x11, AT_HIGH_PC = 0x12, AT_STMT_LIST = 0x10, AT_RANGES = 0x55;
const AT_STR_OFFSETS_BASE = 0x72, AT_ADDR_BASE = 0x73, AT_RNGLISTS_BASE = 0x74;
const UT_COMPILE = 1, UT_PARTIAL = 3;

export type Value = {
  /** "block": the value is where its bytes are, "offset": where the entry is that is meant. */
  readonly kind: "number" | "address" | "offset" | "text" | "addrx" | "rnglistx" | "block" | "other";
  readonly value: number | bigint | string;
  /** Bytes of a block. */
  readonly length?: number;
};

export interface Abbreviation {
  readonly tag: number;
  readonly children: boolean;
  /** Attribute, form, and the value of an implicit constant, in turn. */
  readonly attributes: readonly number[];
}

export interface Unit {
  readonly at: number;
  readonly end: number;
  /** Of its first entry. */
  readonly first: number;
  readonly version: number;
  readonly wide: boolean;
  readonly bytes: number;
  readonly abbreviations: ReadonlyMap<number, Abbreviation>;
  readonly addrBase: number;
  readonly strOffsetsBase: number;
  readonly rnglistsBase: number;
  readonly low: bigint;
  /** Where its line table is. */
  readonly lines: number | undefined;
  readonly ranges: readonly (readonly [bigint, bigint])[] | undefined;
}

export type Attributes = ReadonlyMap<number, Value>;

/** An entry: its abbreviation and its attributes. */
export interface Entry {
  readonly abbreviation: Abbreviation;
  readonly attributes: Attributes;
}

export interface Entries {
  readonly info: Uint8Array;
  /** What is damaged ends the list. */
  units(): readonly Unit[];
  /** The entry at the reader's place, with the attributes that are wanted; undefined where a list of children ends. */
  entry(r: DwarfReader, unit: Unit, wanted?: ReadonlySet<number>): Entry | undefined;
  addressOf(v: Value | undefined, unit: Unit): bigint | undefined;
  /** The addresses of an entry; undefined when it has none of its own. */
  rangesOf(a: Attributes, unit: Unit): (readonly [bigint, bigint])[] | undefined;
}

/** What its functions throw is a RangeError: the data ends before, or cannot be. */
export function entriesOf(section: (name: string) => ElfSection | undefined): Entries {
  const bytesOf = (name: string) => section(name)?.bytes, info = bytesOf(".debug_info") ?? new Uint8Array();
  const tables = new Map<number, ReadonlyMap<number, Abbreviation>>();
  const abbreviationsAt = (at: number): ReadonlyMap<number, Abbreviation> => {
    let table = tables.get(at) as Map<number, Abbreviation> | undefined;
    if (table) return table;
    table = new Map();
    const r = new DwarfReader(bytesOf(".debug_abbrev") ?? new Uint8Array(), at);
    for (let code = r.uleb(); code !== 0; code = r.uleb()) {
      const tag = r.uleb(), children = r.u8() !== 0, attributes: number[] = [];
      for (;;) {
        const attribute = r.uleb(), form = r.uleb(), constant = form === 0x21 ? r.sleb() : 0;
        if (attribute === 0 && form === 0) break;
        attributes.push(attribute, form, constant);
      }
      table.set(code, { tag, children, attributes });
    }
    tables.set(at, table);
    return table;
  };

  const value = (r: DwarfReader, form: number, constant: number, unit: Pick<Unit, "wide" | "bytes" | "version" | "at">): Value => {
    const number = (n: number | bigint): Value => ({ kind: "number", value: n });
    const skip = (n: number): Value => (r.skip(n), { kind: "other", value: 0 });
    const block = (length: number): Value => (r.skip(length), { kind: "block", value: r.at - length, length });
    switch (form) {
      case 0x01:
        return { kind: "address", value: r.word(unit.bytes) };
      case 0x03:
        return block(r.u16());
      case 0x04:
        return block(r.u32());
      case 0x05:
        return number(r.u16());
      case 0x06:
        return number(r.u32());
      case 0x07:
        return number(r.u64());
      case 0x08:
        return { kind: "text", value: r.text() };
      case 0x09:
      case 0x18: // exprloc
        return block(r.uleb());
      case 0x0a:
        return block(r.u8());
      case 0x0b:
      case 0x0c: // flag
        return number(r.u8());
      case 0x0d:
        return number(r.sleb());
      case 0x0e:
        return { kind: "text", value: textAt(bytesOf(".debug_str"), r.offset(unit.wide)) };
      case 0x0f:
        return number(r.uleb());
      case 0x10: // ref_addr
        return { kind: "offset", value: unit.version === 2 ? Number(r.word(unit.bytes)) : r.offset(unit.wide) };
      case 0x11:
        return { kind: "offset", value: unit.at + r.u8() };
      case 0x12:
        return { kind: "offset", value: unit.at + r.u16() };
      case 0x13:
        return { kind: "offset", value: unit.at + r.u32() };
      case 0x14:
        return { kind: "offset", value: unit.at + Number(r.u64()) };
      case 0x15:
        return { kind: "offset", value: unit.at + r.uleb() };
      case 0x16:
        return value(r, r.uleb(), 0, unit);
      case 0x17: // sec_offset
        return number(r.offset(unit.wide));
      case 0x19: // flag_present
        return number(1);
      case 0x1a: // strx
        return { kind: "other", value: r.uleb() };
      case 0x1b:
        return { kind: "addrx", value: r.uleb() };
      case 0x1c:
      case 0x1d:
        return skip(form === 0x1c ? 4 : unit.wide ? 8 : 4); // of a supplementary file
      case 0x1e:
        return skip(16);
      case 0x1f:
        return { kind: "text", value: textAt(bytesOf(".debug_line_str"), r.offset(unit.wide)) };
      case 0x20:
        return skip(8);
      case 0x21:
        return number(constant);
      case 0x22: // loclistx
        return { kind: "other", value: r.uleb() };
      case 0x23:
        return { kind: "rnglistx", value: r.uleb() };
      case 0x25:
      case 0x26:
      case 0x27:
      case 0x28: // strx1 to strx4
        return { kind: "other", value: [r.u8, r.u16, r.u24, r.u32][form - 0x25].call(r) };
      case 0x29:
        return { kind: "addrx", value: r.u8() };
      case 0x2a:
        return { kind: "addrx", value: r.u16() };
      case 0x2b:
        return { kind: "addrx", value: r.u24() };
      case 0x2c:
        return { kind: "addrx", value: r.u32() };
      default:
        throw new RangeError(`form ${form} is not known`);
    }
  };

  const STRX = new Set([0x1a, 0x25, 0x26, 0x27, 0x28]);
  /** An entry: its abbreviation and its attributes; undefined where a list of children ends. */
  const entry = (
    r: DwarfReader,
    unit: Pick<Unit, "wide" | "bytes" | "version" | "at" | "abbreviations" | "strOffsetsBase">,
    wanted?: ReadonlySet<number>,
  ) => {
    const code = r.uleb();
    if (code === 0) return undefined;
    const abbreviation = unit.abbreviations.get(code);
    if (!abbreviation) throw new RangeError("an entry of a kind that there is not");
    const attributes = new Map<number, Value>(), list = abbreviation.attributes;
    for (let i = 0; i < list.length; i += 3) {
      let v = value(r, list[i + 1], list[i + 2], unit);
      if (wanted && !wanted.has(list[i])) continue;
      if (STRX.has(list[i + 1])) {
        const at = new DwarfReader(
          bytesOf(".debug_str_offsets") ?? new Uint8Array(),
          unit.strOffsetsBase + Number(v.value) * (unit.wide ? 8 : 4),
        );
        v = { kind: "text", value: unit.strOffsetsBase === 0 ? "" : textAt(bytesOf(".debug_str"), at.offset(unit.wide)) };
      }
      attributes.set(list[i], v);
    }
    return { abbreviation, attributes };
  };

  const addressOf = (v: Value | undefined, unit: Pick<Unit, "bytes" | "addrBase">): bigint | undefined => {
    if (v?.kind === "address") return v.value as bigint;
    if (v?.kind !== "addrx") return undefined;
    return new DwarfReader(bytesOf(".debug_addr") ?? new Uint8Array(), unit.addrBase + Number(v.value) * unit.bytes).word(unit.bytes);
  };

  /** The addresses of an entry; undefined when it has none of its own. */
  const rangesOf = (a: Attributes, unit: Omit<Unit, "ranges" | "abbreviations" | "lines">): (readonly [bigint, bigint])[] | undefined => {
    const low = addressOf(a.get(AT_LOW_PC), unit), high = a.get(AT_HIGH_PC), list = a.get(AT_RANGES);
    if (list) return unit.version >= 5 ? rnglist(list, unit) : debugRanges(Number(list.value), unit);
    if (low === undefined || !high) return undefined;
    return [[low, high.kind === "number" ? low + BigInt(high.value) : addressOf(high, unit) ?? low]];
  };
  const debugRanges = (at: number, { bytes, low }: Pick<Unit, "bytes" | "low">): (readonly [bigint, bigint])[] => {
    const r = new DwarfReader(bytesOf(".debug_ranges") ?? new Uint8Array(), at),
      out: (readonly [bigint, bigint])[] = [],
      ones = (1n << BigInt(8 * bytes)) - 1n;
    for (let base = low;;) {
      const from = r.word(bytes), to = r.word(bytes);
      if (from === 0n && to === 0n) return out;
      if (from === ones) base = to;
      else out.push([base + from, base + to]);
    }
  };
  const rnglist = (
    list: Value,
    unit: Pick<Unit, "bytes" | "low" | "rnglistsBase" | "wide" | "addrBase">,
  ): (readonly [bigint, bigint])[] => {
    const data = bytesOf(".debug_rnglists") ?? new Uint8Array();
    const at = list.kind === "rnglistx"
      ? unit.rnglistsBase + new DwarfReader(data, unit.rnglistsBase + Number(list.value) * (unit.wide ? 8 : 4)).offset(unit.wide)
      : Number(list.value);
    const r = new DwarfReader(data, at), out: (readonly [bigint, bigint])[] = [], { bytes } = unit;
    const indexed = () => addressOf({ kind: "addrx", value: r.uleb() }, unit)!;
    for (let base = unit.low;;) {
      switch (r.u8()) {
        case 0:
          return out;
        case 1:
          base = indexed();
          break;
        case 2:
          out.push([indexed(), indexed()]);
          break;
        case 3: {
          const from = indexed();
          out.push([from, from + BigInt(r.uleb())]);
          break;
        }
        case 4:
          out.push([base + BigInt(r.uleb()), base + BigInt(r.uleb())]);
          break;
        case 5:
          base = r.word(bytes);
          break;
        case 6:
          out.push([r.word(bytes), r.word(bytes)]);
          break;
        case 7: {
          const from = r.word(bytes);
          out.push([from, from + BigInt(r.uleb())]);
          break;
        }
        default:
          throw new RangeError("an entry of a list of ranges that is not known");
      }
    }
  };

  const readUnit = (at: number): { unit: Unit | undefined; next: number } => {
    const r = new DwarfReader(info, at), { length, wide } = r.length(), next = r.at + length;
    if (next > info.length) throw new RangeError("the unit ends behind the data");
    const version = r.u16();
    if (version < 2 || version > 5) return { unit: undefined, next };
    const type = version >= 5 ? r.u8() : UT_COMPILE;
    let bytes = version >= 5 ? r.u8() : 0;
    const abbreviations = abbreviationsAt(r.offset(wide));
    if (version < 5) bytes = r.u8();
    if (type !== UT_COMPILE && type !== UT_PARTIAL) return { unit: undefined, next };
    const head = { at, wide, version, bytes, abbreviations, strOffsetsBase: 0, end: next, first: r.at };
    const root = entry(r, head);
    if (!root) return { unit: undefined, next };
    const a = root.attributes, base = (attribute: number) => Number(a.get(attribute)?.value ?? 0);
    const bases = { addrBase: base(AT_ADDR_BASE), strOffsetsBase: base(AT_STR_OFFSETS_BASE), rnglistsBase: base(AT_RNGLISTS_BASE) };
    const low = addressOf(a.get(AT_LOW_PC), { bytes, ...bases }) ?? 0n, statements = a.get(AT_STMT_LIST);
    const whole = { ...head, ...bases, low, lines: statements && Number(statements.value) };
    return { unit: { ...whole, ranges: rangesOf(a, whole) }, next };
  };
  const allUnits = (): Unit[] => {
    const out: Unit[] = [];
    try {
      for (let at = 0; at < info.length;) {
        const { unit, next } = readUnit(at);
        if (unit) out.push(unit);
        at = next;
      }
    } catch (e) {
      // What is damaged ends the list.
      if (!(e instanceof RangeError)) throw e;
    }
    return out;
  };

  let units: readonly Unit[] | undefined;
  return { info, units: () => units ??= allUnits(), entry, addressOf, rangesOf };
}
