// What a program says of its types and variables. DWARF 5 (2017), 5.1 (base types), 5.2 to 5.9 (types made of others), 5.10 (variants), 4.1
// (variables); what Rust's compiler makes of its own types by their names.
import { type Attributes, entriesOf, type Entry, type Unit, type Value } from "./entries.ts";
import { DwarfReader } from "./reader.ts";
import type { ElfSection } from "./elf_sections.ts";

export interface Member {
  readonly name: string;
  /** In bytes from the beginning of what it is in. */
  readonly offset: number;
  readonly type: TypeRef;
  /** Of a bit field: its first bit from the beginning of what it is in, and how many they are. */
  readonly bits?: { readonly from: number; readonly count: number };
}

/** One of several that a value may be (Rust's enums with data). */
export interface Variant {
  /** The value of the discriminant; undefined: any other. */
  readonly when: bigint | undefined;
  readonly member: Member;
}

/** A type, read when it is looked at: types hold themselves. */
export type TypeRef = () => GuestType;

export type GuestType =
  & {
    /** As the program calls it, with its path: "kernel::Task". */
    readonly name: string;
    /** 0: not known. */
    readonly bytes: number;
  }
  & (
    | { readonly kind: "integer"; readonly signed: boolean }
    | { readonly kind: "float" }
    | { readonly kind: "boolean" }
    /** A Unicode character (Rust's char), or a byte of a text (C's). */
    | { readonly kind: "character"; readonly wide: boolean }
    | { readonly kind: "enumeration"; readonly values: ReadonlyMap<bigint, string> }
    | { readonly kind: "pointer"; readonly to: TypeRef }
    | { readonly kind: "array"; readonly of: TypeRef; readonly count: number }
    | {
      readonly kind: "structure";
      readonly members: readonly Member[];
      readonly variants?: { readonly discriminant: Member | undefined; readonly all: readonly Variant[] };
      /** Of a generic type's arguments: T. */
      readonly argument?: TypeRef | undefined;
    }
    /** void, functions, and what nothing is said of. */
    | { readonly kind: "opaque" }
  );

export interface Types {
  /** The type of the variable that is at an address; `name` tells several there apart. */
  variable(address: bigint, name?: string): GuestType | undefined;
  /** A type by its path, or by the last part of it if that is its own. */
  named(name: string): GuestType | undefined;
  /** Names like one that is none. */
  names(): Iterable<string>;
}

const TAG = {
  array: 0x01,
  class: 0x02,
  enumeration: 0x04,
  member: 0x0d,
  pointer: 0x0f,
  reference: 0x10,
  structure: 0x13,
  typedef: 0x16,
  union: 0x17,
  variant: 0x19,
  inheritance: 0x1c,
  subrange: 0x21,
  base: 0x24,
  const: 0x26,
  enumerator: 0x28,
  subprogram: 0x2e,
  typeParameter: 0x2f,
  variantPart: 0x33,
  variable: 0x34,
  volatile: 0x35,
  restrict: 0x37,
  namespace: 0x39,
  rvalueReference: 0x42,
  atomic: 0x47,
};
const AT = {
  sibling: 0x01,
  location: 0x02,
  name: 0x03,
  byteSize: 0x0b,
  bitOffset: 0x0c,
  bitSize: 0x0d,
  discriminant: 0x15,
  discriminantValue: 0x16,
  constValue: 0x1c,
  lowerBound: 0x22,
  upperBound: 0x2f,
  count: 0x37,
  memberLocation: 0x38,
  declaration: 0x3c,
  encoding: 0x3e,
  specification: 0x47,
  type: 0x49,
  dataBitOffset: 0x6b,
};
const OP_ADDR = 0x03, OP_ADDRX = 0xa1, OP_PLUS_UCONST = 0x23;
/** Encodings of base types (7.8). */
const ATE = { boolean: 2, float: 4, signed: 5, signedChar: 6, unsigned: 7, unsignedChar: 8, utf: 0x10 };

const NAMED = new Set([TAG.base, TAG.structure, TAG.class, TAG.union, TAG.enumeration, TAG.typedef]);
const SCOPES = new Set([TAG.namespace, TAG.structure, TAG.class, TAG.union, TAG.enumeration, TAG.subprogram]);
/** What is another type in all that matters here. */
const SAME = new Set([TAG.typedef, TAG.const, TAG.volatile, TAG.restrict, TAG.atomic]);
const POINTERS = new Set([TAG.pointer, TAG.reference, TAG.rvalueReference]);
/** Types in each other that are followed without looking at a value. */
const LONGEST = 64;

const OPAQUE: GuestType = { kind: "opaque", name: "void", bytes: 0 };

interface Located extends Entry {
  readonly unit: Unit;
  readonly at: number;
  /** Where its children begin. */
  readonly inside: number;
}

export function typesOf(section: (name: string) => ElfSection | undefined): Types {
  const { info, units, entry, addressOf } = entriesOf(section), known = new Map<number, GuestType>(), paths = new Map<number, string>();

  const entryAt = (at: number): Located | undefined => {
    const unit = units().find((u) => at >= u.at && at < u.end);
    if (!unit) return undefined;
    const r = new DwarfReader(info, at, unit.end), found = entry(r, unit);
    return found && { ...found, unit, at, inside: r.at };
  };
  /** The entries in an entry, not those in them. */
  function* childrenOf({ unit, abbreviation, inside }: Located): Generator<Located> {
    if (!abbreviation.children) return;
    const r = new DwarfReader(info, inside, unit.end);
    for (let depth = 0; !r.done;) {
      const at = r.at, found = entry(r, unit);
      if (!found) {
        if (depth-- === 0) return;
        continue;
      }
      if (depth === 0) yield { ...found, unit, at, inside: r.at };
      const sibling = found.attributes.get(AT.sibling);
      if (!found.abbreviation.children) continue;
      if (sibling?.kind === "offset" && (sibling.value as number) > r.at) r.at = sibling.value as number;
      else depth++;
    }
  }
  const number = (v: Value | undefined): number | undefined => v?.kind === "number" ? Number(v.value) : undefined;
  const text = (v: Value | undefined): string => v?.kind === "text" ? v.value as string : "";

  const refOf = (a: Attributes): TypeRef => {
    const to = a.get(AT.type);
    return to?.kind === "offset" ? () => typeAt(to.value as number) : () => OPAQUE;
  };

  const typeAt = (at: number, depth = 0): GuestType => {
    const before = known.get(at);
    if (before) return before;
    let type: GuestType = OPAQUE;
    try {
      const found = entryAt(at);
      if (found) type = read(found, depth);
    } catch (e) {
      // What is damaged tells nothing.
      if (!(e instanceof RangeError)) throw e;
    }
    known.set(at, type);
    return type;
  };

  function read(e: Located, depth: number): GuestType {
    const { abbreviation: { tag }, attributes: a, unit } = e, own = text(a.get(AT.name)), name = paths.get(e.at) ?? own;
    const bytes = number(a.get(AT.byteSize)) ?? 0;
    if (SAME.has(tag)) {
      const to = a.get(AT.type);
      const type = to?.kind === "offset" && depth < LONGEST ? typeAt(to.value as number, depth + 1) : OPAQUE;
      return tag === TAG.typedef ? { ...type, name } : type;
    }
    if (POINTERS.has(tag)) {
      const to = refOf(a);
      return { kind: "pointer", name: own, bytes: bytes || unit.bytes, to };
    }
    switch (tag) {
      case TAG.base:
        return baseType(own, bytes, number(a.get(AT.encoding)) ?? 0);
      case TAG.enumeration: {
        const values = new Map<bigint, string>();
        for (const { abbreviation, attributes } of childrenOf(e)) {
          const v = attributes.get(AT.constValue);
          if (abbreviation.tag === TAG.enumerator && v?.kind === "number") {
            values.set(BigInt.asUintN(8 * (bytes || 8), BigInt(v.value)), text(attributes.get(AT.name)));
          }
        }
        return { kind: "enumeration", name, bytes, values };
      }
      case TAG.array:
        return arrayOf(e);
      case TAG.structure:
      case TAG.class:
      case TAG.union:
        return structureOf(e, name, bytes);
      default:
        return { ...OPAQUE, name: own };
    }
  }

  /** Several dimensions are arrays in each other. */
  function arrayOf(e: Located): GuestType {
    const counts: number[] = [];
    for (const { abbreviation, attributes: a } of childrenOf(e)) {
      if (abbreviation.tag !== TAG.subrange) continue;
      const count = number(a.get(AT.count)), upper = number(a.get(AT.upperBound)), lower = number(a.get(AT.lowerBound)) ?? 0;
      counts.push(Math.max(0, count ?? (upper === undefined ? 0 : upper - lower + 1)));
    }
    const element = refOf(e.attributes);
    let of = element, type: GuestType = OPAQUE;
    for (const count of counts.length ? counts.reverse() : [0]) {
      const inner = of, { name, bytes } = inner();
      type = { kind: "array", name: `[${name}; ${count}]`, bytes: bytes * count, of: inner, count };
      const made = type;
      of = () => made;
    }
    return type;
  }

  function memberOf({ attributes: a }: Located): Member {
    const place = a.get(AT.memberLocation), count = number(a.get(AT.bitSize)), type = refOf(a), name = text(a.get(AT.name));
    let offset = number(place) ?? 0;
    if (place?.kind === "block") {
      // Versions 2 and 3: an expression, which adds.
      const r = new DwarfReader(info, place.value as number);
      if (r.u8() === OP_PLUS_UCONST) offset = r.uleb();
    }
    if (count === undefined) return { name, offset, type };
    const first = number(a.get(AT.dataBitOffset)), old = number(a.get(AT.bitOffset));
    // Before version 4 bits were counted from the end of the storage unit.
    const size = number(a.get(AT.byteSize)) ?? type().bytes, from = first ?? 8 * offset + (old === undefined ? 0 : 8 * size - old - count);
    return { name, offset: Math.floor(from / 8), type, bits: { from, count } };
  }

  function structureOf(e: Located, name: string, bytes: number): GuestType {
    const members: Member[] = [];
    let argument: TypeRef | undefined, variants: Extract<GuestType, { kind: "structure" }>["variants"];
    for (const child of childrenOf(e)) {
      const { abbreviation: { tag }, attributes } = child;
      if (tag === TAG.member && !(attributes.has(AT.declaration))) members.push(memberOf(child));
      else if (tag === TAG.inheritance) members.push({ ...memberOf(child), name: "" });
      else if (tag === TAG.typeParameter && text(attributes.get(AT.name)) === "T") argument = refOf(attributes);
      else if (tag === TAG.variantPart) variants = variantsOf(child);
    }
    return { kind: "structure", name, bytes, members, ...(variants ? { variants } : {}), ...(argument ? { argument } : {}) };
  }

  function variantsOf(e: Located) {
    const all: Variant[] = [], chosen = e.attributes.get(AT.discriminant);
    let discriminant: Member | undefined;
    for (const child of childrenOf(e)) {
      const { tag } = child.abbreviation;
      if (tag === TAG.member && chosen?.kind === "offset" && chosen.value === child.at) discriminant = memberOf(child);
      if (tag !== TAG.variant) continue;
      const when = child.attributes.get(AT.discriminantValue);
      for (const inner of childrenOf(child)) {
        if (inner.abbreviation.tag !== TAG.member) continue;
        all.push({ when: when?.kind === "number" ? BigInt(when.value) : undefined, member: memberOf(inner) });
      }
    }
    return { discriminant, all };
  }

  /** The address of a variable that has one for good. */
  function addressOfVariable(a: Attributes, unit: Unit): bigint | undefined {
    const place = a.get(AT.location);
    if (place?.kind !== "block" || !place.length) return undefined;
    const at = place.value as number, r = new DwarfReader(info, at, at + place.length), op = r.u8();
    const address = op === OP_ADDR ? r.word(unit.bytes) : op === OP_ADDRX ? addressOf({ kind: "addrx", value: r.uleb() }, unit) : undefined;
    return r.done ? address : undefined;
  }

  /** Where types are by their paths, and the types of variables by their addresses. Made when somebody asks, in one go. */
  const makeIndex = () => {
    const variables = new Map<bigint, { readonly path: string; readonly type: number }[]>(),
      types = new Map<string, number>(),
      short = new Map<string, string | undefined>();
    const wanted = new Set([AT.name, AT.type, AT.location, AT.declaration, AT.specification]), specified: [bigint, string, number][] = [];
    const add = (address: bigint, path: string, type: number) => {
      const there = variables.get(address);
      if (there) there.push({ path, type });
      else variables.set(address, [{ path, type }]);
    };
    const typeOfVariable = new Map<number, number>();
    for (const unit of units()) {
      try {
        const r = new DwarfReader(info, unit.first, unit.end), scopes: string[] = [];
        for (let first = true; !r.done;) {
          const at = r.at, e = entry(r, unit, wanted);
          if (!e) {
            if (scopes.pop() === undefined) break;
            continue;
          }
          const { tag, children } = e.abbreviation, a = e.attributes, name = text(a.get(AT.name)), to = a.get(AT.type);
          const path = [...scopes.filter((s) => s !== ""), name].join("::");
          if (tag === TAG.variable) {
            const address = addressOfVariable(a, unit), spec = a.get(AT.specification);
            if (to?.kind === "offset") typeOfVariable.set(at, to.value as number);
            if (address !== undefined && to?.kind === "offset") add(address, path, to.value as number);
            else if (address !== undefined && spec?.kind === "offset") specified.push([address, path, spec.value as number]);
          } else if (NAMED.has(tag) && name !== "" && !a.has(AT.declaration)) {
            paths.set(at, path);
            if (!types.has(path)) types.set(path, at);
            short.set(name, !short.has(name) || short.get(name) === path ? path : undefined);
          }
          if (children) scopes.push(!first && SCOPES.has(tag) ? name : "");
          first = false;
        }
      } catch (e) {
        // A unit that is damaged says no more.
        if (!(e instanceof RangeError)) throw e;
      }
    }
    for (const [address, path, spec] of specified) {
      const type = typeOfVariable.get(spec);
      if (type !== undefined) add(address, path, type);
    }
    return { variables, types, short };
  };
  let made: ReturnType<typeof makeIndex> | undefined;
  const index = () => made ??= makeIndex();

  return {
    variable: (address, name) => {
      const all = index().variables.get(address) ?? [], named = all.find(({ path }) => path === name);
      // What takes no room may be where another one is.
      return named ? typeAt(named.type) : all.map(({ type }) => typeAt(type)).sort((a, b) => b.bytes - a.bytes)[0];
    },
    named: (name) => {
      const { types, short } = index(), at = types.get(name) ?? types.get(short.get(name) ?? "");
      return at === undefined ? undefined : typeAt(at);
    },
    names: () => index().types.keys(),
  };
}

function baseType(name: string, bytes: number, encoding: number): GuestType {
  const head = { name, bytes };
  switch (encoding) {
    case ATE.boolean:
      return { ...head, kind: "boolean" };
    case ATE.float:
      return { ...head, kind: "float" };
    case ATE.utf:
      return { ...head, kind: "character", wide: true };
    case ATE.signedChar:
    case ATE.unsignedChar:
      // Rust's u8 and C's uint8_t are numbers; `char` is of a text.
      return name === "char"
        ? { ...head, kind: "character", wide: false }
        : { ...head, kind: "integer", signed: encoding === ATE.signedChar };
    case ATE.signed:
    case ATE.unsigned:
      return { ...head, kind: "integer", signed: encoding === ATE.signed };
    default:
      return { ...head, kind: "opaque" };
  }
}
