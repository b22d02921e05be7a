// Values of a guest's memory, by their types.
import type { GuestType, Member, Variant } from "./types.ts";

/** What a value becomes: numbers of up to 32 bits are numbers, wider ones bigints; structures are objects, pointers addresses. */
export type GuestValue = number | bigint | boolean | string | null | readonly GuestValue[] | { readonly [name: string]: GuestValue };

/** Bytes of memory. @throws what it likes: there are none. */
export type ReadMemory = (address: bigint, bytes: number) => Uint8Array;

/** Parts that a value may have; structures in each other that are followed. */
const MOST = 1 << 16, DEEPEST = 100;

/** Wrappers of Rust's standard library that are what they hold. */
const TRANSPARENT =
  /^core::(cell::(Unsafe|Sync|SyncUnsafe|Once|Lazy)?Cell|sync::atomic::(Atomic\w*|private::Align\d+)|mem::(manually_drop::ManuallyDrop|maybe_uninit::MaybeUninit|maybe_dangling::MaybeDangling)|ptr::(non_null::NonNull|unique::Unique)|num::(wrapping::Wrapping|saturating::Saturating|nonzero::NonZero)|pin::Pin)\b/;

const ATOMIC_BOOL = /^core::sync::atomic::Atomic(Bool$|<bool>)/;

export class NotAValue extends Error {}

/** What a transparent wrapper holds; undefined: it is none. A union holds its last member (MaybeUninit). */
export function heldBy(type: GuestType): Member | undefined {
  if (type.kind !== "structure" || type.variants || !TRANSPARENT.test(type.name)) return undefined;
  return type.members.findLast((m) => m.type().bytes > 0);
}

const littleEndian = (bytes: Uint8Array): bigint => {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[i]);
  return value;
};
/** Names of a tuple's members. */
const isTuple = (members: readonly Member[]) => members.length > 0 && members.every(({ name }, i) => name === `__${i}`);

/** Rust's slices and strings: a pointer and a length. */
export function sliceOf(type: GuestType): { readonly pointer: Member; readonly length: Member; readonly text: boolean } | undefined {
  if (type.kind !== "structure" || type.members.length !== 2) return undefined;
  const pointer = type.members.find((m) => m.name === "data_ptr"), length = type.members.find((m) => m.name === "length");
  return pointer && length && { pointer, length, text: /\bstr\b/.test(type.name) && !type.name.includes("[") };
}

/** Rust's Vec and String: where the first element is, how many they are. */
function vectorOf(
  type: GuestType,
): { readonly pointer: number; readonly length: Member; readonly of: GuestType; readonly text: boolean } | undefined {
  if (type.kind !== "structure") return undefined;
  const text = type.name === "alloc::string::String",
    inner = text ? type.members[0]?.type() : type,
    base = text ? type.members[0].offset : 0;
  if (inner?.kind !== "structure" || !inner.name.startsWith("alloc::vec::Vec<") || !inner.argument) return undefined;
  const length = inner.members.find((m) => m.name === "len"), pointer = pointerIn(inner, 0);
  return length && pointer !== undefined
    ? { pointer: base + pointer, length: { ...length, offset: base + length.offset }, of: inner.argument(), text }
    : undefined;
}
/** The offset of the first pointer in a structure. */
function pointerIn(type: GuestType, depth: number): number | undefined {
  if (type.kind === "pointer") return 0;
  if (type.kind !== "structure" || depth > 8) return undefined;
  for (const m of type.members) {
    const at = pointerIn(m.type(), depth + 1);
    if (at !== undefined) return m.offset + at;
  }
  return undefined;
}

/** @throws {NotAValue} it has too many parts, or nothing is known of its type; what `read` throws. */
export function valueOf(type: GuestType, address: bigint, read: ReadMemory): GuestValue {
  let parts = 0;
  const word = (at: bigint, bytes: number) => littleEndian(read(at, bytes));
  const list = (of: GuestType, at: bigint, count: number, depth: number): GuestValue[] => {
    const many = Number(count);
    if (many > MOST) throw new NotAValue(`it has ${many} elements, and at most ${MOST} are read at once: ask for one, [0]`);
    return Array.from({ length: many }, (_, i) => decode(of, at + BigInt(i * of.bytes), depth + 1));
  };
  const characters = (at: bigint, bytes: number): string => {
    if (bytes > MOST) throw new NotAValue(`the text has ${bytes} bytes, and at most ${MOST} are read`);
    return bytes === 0 ? "" : new TextDecoder().decode(read(at, bytes));
  };
  const member = (m: Member, at: bigint, depth: number): GuestValue => {
    const type = m.type();
    if (!m.bits) return decode(type, at + BigInt(m.offset), depth + 1);
    const { from, count } = m.bits, first = from % 8, bytes = Math.ceil((first + count) / 8);
    const raw = word(at + BigInt(m.offset), bytes) >> BigInt(first), signed = type.kind === "integer" && type.signed;
    const value = signed ? BigInt.asIntN(count, raw) : BigInt.asUintN(count, raw);
    return type.kind === "boolean"
      ? value !== 0n
      : type.kind === "enumeration"
      ? type.values.get(value) ?? plain(value, count)
      : plain(value, count);
  };
  const members = (all: readonly Member[], at: bigint, depth: number): GuestValue => {
    if (isTuple(all)) return all.map((m) => member(m, at, depth));
    const out: Record<string, GuestValue> = {};
    for (const m of all) {
      const value = member(m, at, depth);
      // A base class, or a structure without a name in another.
      if (m.name === "" && typeof value === "object" && !Array.isArray(value)) Object.assign(out, value);
      else Object.defineProperty(out, m.name, { value, enumerable: true, configurable: true, writable: true });
    }
    return out;
  };

  const structure = (type: Extract<GuestType, { kind: "structure" }>, at: bigint, depth: number): GuestValue => {
    const held = heldBy(type), slice = sliceOf(type), vector = vectorOf(type);
    if (held) {
      const inner = member(held, at, depth);
      // It is kept as a number.
      return ATOMIC_BOOL.test(type.name) ? inner !== 0 && inner !== false : inner;
    }
    if (slice) {
      const to = slice.pointer.type(),
        start = word(at + BigInt(slice.pointer.offset), to.bytes),
        length = word(at + BigInt(slice.length.offset), to.bytes);
      const of = to.kind === "pointer" ? to.to() : to;
      return slice.text ? characters(start, Number(length)) : list(of, start, Number(length), depth);
    }
    if (vector) {
      const bytes = vector.length.type().bytes,
        start = word(at + BigInt(vector.pointer), bytes),
        length = Number(word(at + BigInt(vector.length.offset), bytes));
      return vector.text ? characters(start, length) : list(vector.of, start, length, depth);
    }
    if (!type.variants) return members(type.members, at, depth);
    const chosen = variantOf(type, at, read);
    if (!chosen) return null;
    const inside = chosen.member.type(), data = inside.kind === "structure" ? inside.members : [];
    if (data.length === 0) return chosen.member.name;
    const value = members(data, at + BigInt(chosen.member.offset), depth);
    return { [chosen.member.name]: Array.isArray(value) && value.length === 1 ? value[0] : value };
  };

  const decode = (type: GuestType, at: bigint, depth: number): GuestValue => {
    if (++parts > MOST) throw new NotAValue(`it has more than ${MOST} parts: ask for one of them`);
    // Rust's ().
    if (type.bytes === 0 && type.kind === "integer") return null;
    if (depth > DEEPEST) throw new NotAValue("it has too many structures in each other");
    switch (type.kind) {
      case "integer": {
        const raw = word(at, type.bytes), bits = 8 * type.bytes;
        return plain(type.signed ? BigInt.asIntN(bits, raw) : raw, bits);
      }
      case "float": {
        const bytes = read(at, type.bytes), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        if (type.bytes === 4) return view.getFloat32(0, true);
        if (type.bytes === 8) return view.getFloat64(0, true);
        throw new NotAValue(`floating-point numbers of ${type.bytes} bytes are not read`);
      }
      case "boolean":
        return word(at, type.bytes) !== 0n;
      case "character": {
        const code = Number(word(at, type.bytes));
        return code <= 0x10_ffff ? String.fromCodePoint(code) : code;
      }
      case "enumeration": {
        const raw = word(at, type.bytes);
        return type.values.get(raw) ?? plain(raw, 8 * type.bytes);
      }
      case "pointer":
        return word(at, type.bytes);
      case "array": {
        const of = type.of();
        if (of.kind !== "character" || of.wide) return list(of, at, type.count, depth);
        // C's texts end with their first 0.
        const text = characters(at, type.count), end = text.indexOf("\0");
        return end < 0 ? text : text.slice(0, end);
      }
      case "structure":
        return structure(type, at, depth);
      case "opaque":
        throw new NotAValue(`nothing is known of its type${type.name === "void" ? "" : ` (${type.name})`}`);
    }
  };
  return decode(type, address, 0);
}

/** Which variant a value is; undefined: none that there is. */
export function variantOf(type: GuestType, address: bigint, read: ReadMemory): Variant | undefined {
  if (type.kind !== "structure" || !type.variants) return undefined;
  const { discriminant, all } = type.variants, other = all.find((v) => v.when === undefined);
  if (!discriminant) return other ?? all[0];
  const { bytes } = discriminant.type(), bits = 8 * bytes, found = littleEndian(read(address + BigInt(discriminant.offset), bytes));
  return all.find((v) => v.when !== undefined && BigInt.asUintN(bits, v.when) === found) ?? other;
}

const plain = (value: bigint, bits: number): number | bigint => bits <= 32 ? Number(value) : value;
