// ACPI machine language: as much of it as our tables use, one function for each construct.
// Source: ACPI Specification 6.3, chapters 6.4 (resource descriptors) and 20 (AML).

export type Aml = readonly number[];

/** Bytes and lists of bytes, one after the other. Every start of a PC comes here, and this is by far the fastest way. */
export const join = (...parts: (number | Aml)[]): number[] => ([] as number[]).concat(...parts);

/** Little-endian bytes of a number. */
export function le(value: number, bytes: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < bytes; i++, value = Math.floor(value / 256)) out.push(value & 0xff);
  return out;
}
export function ascii(text: string): number[] {
  const out: number[] = [];
  for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i));
  return out;
}

/** 20.2.4: a length that counts itself. */
function withLength(...parts: (number | Aml)[]): number[] {
  const body = join(...parts);
  if (body.length < 0x3f) return join(body.length + 1, body);
  const bytes = body.length < 0xffe ? 2 : body.length < 0xf_fffd ? 3 : 4, length = body.length + bytes;
  return join((bytes - 1) << 6 | length & 0xf, le(length >> 4, bytes - 1), body);
}

/** 20.2.2: "\\_SB.PCI0"; segments are filled up with underscores. */
function path(name: string): number[] {
  const out: number[] = [], root = name[0] === "\\", segments = name.split("."), count = segments.length;
  if (root) out.push(0x5c);
  if (count > 1) count === 2 ? out.push(0x2e) : out.push(0x2f, count);
  for (let n = 0; n < count; n++) {
    const segment = segments[n], from = root && n === 0 ? 1 : 0;
    for (let i = from; i < from + 4; i++) out.push(i < segment.length ? segment.charCodeAt(i) : 0x5f);
  }
  return out;
}

/** An operand: a number, or the name of an object, or AML. */
type Operand = number | string | Aml;
function operand(o: Operand): Aml {
  if (typeof o === "string") return path(o);
  if (typeof o !== "number") return o;
  if (o < 2) return [o];
  return o < 0x100 ? [0x0a, o] : o < 0x1_0000 ? join(0x0b, le(o, 2)) : o < 2 ** 32 ? join(0x0c, le(o, 4)) : join(0x0e, le(o, 8));
}

export const text = (s: string): Aml => join(0x0d, ascii(s), 0);
/** 19.3.4: "PNP0A03" as a number: three letters of five bits, four hexadecimal digits, big-endian. */
export function eisaId(id: string): number {
  const [a, b, c] = ascii(id).map((letter) => letter - 0x40), digits = parseInt(id.slice(3), 16), letters = a << 10 | b << 5 | c;
  return ((digits & 0xff) << 24 | (digits & 0xff00) << 8 | (letters & 0xff) << 8 | letters >> 8) >>> 0;
}

export const name = (n: string, value: Operand): Aml => join(0x08, path(n), operand(value));
export const scope = (n: string, ...body: Aml[]): Aml => join(0x10, withLength(path(n), ...body));
export const device = (n: string, ...body: Aml[]): Aml => join(0x5b, 0x82, withLength(path(n), ...body));
/** Serialized: it may name objects. */
export const method = (n: string, parameters: number, ...body: Aml[]): Aml => join(0x14, withLength(path(n), parameters | 8, ...body));
export const list = (...elements: Operand[]): Aml => join(0x12, withLength(elements.length, ...elements.map(operand)));
export const buffer = (bytes: Aml): Aml => join(0x11, withLength(operand(bytes.length), bytes));
/** An operation region in PCI configuration space with fields of one byte each. */
export function configBytes(region: string, offset: number, ...fields: string[]): Aml {
  const PCI_CONFIG = 2, BYTE_ACCESS = 1, declared = join(0x5b, 0x80, path(region), PCI_CONFIG, operand(offset), operand(fields.length));
  return join(declared, 0x5b, 0x81, withLength(path(region), BYTE_ACCESS, ...fields.flatMap((f) => [path(f), 8])));
}
export const ARG0: Aml = [0x68];
export const give = (value: Operand): Aml => join(0xa4, operand(value));
export const store = (value: Operand, to: Operand): Aml => join(0x70, operand(value), operand(to));
export const and = (a: Operand, b: Operand): Aml => join(0x7b, operand(a), operand(b), 0);
/** Sets bits of an object. */
export const setBits = (target: string, bits: number): Aml => join(0x7d, operand(target), operand(bits), operand(target));
export const when = (condition: Operand, ...body: Aml[]): Aml => join(0xa0, withLength(operand(condition), ...body));
/** Names 32 bits of a buffer. */
export const dwordField = (of: Operand, offset: number, n: string): Aml => join(0x8a, operand(of), operand(offset), path(n));

// Resource descriptors.
export const resources = (...descriptors: Aml[]): Aml => buffer(join(...descriptors, 0x79, 0));
export const ports = (base: number, length: number): Aml => join(0x47, 1, le(base, 2), le(base, 2), 1, length);
export const isaIrq = (irq: number): Aml => join(0x22, le(1 << irq, 2));
export const memory = (base: number, length: number): Aml => join(0x86, 9, 0, 1, le(base, 4), le(length, 4));
/** Level-triggered, active high, shared. */
export const sharedIrqs = (...irqs: number[]): Aml =>
  join(0x89, le(2 + 4 * irqs.length, 2), 9, irqs.length, ...irqs.map((irq) => le(irq, 4)));
const BUS_NUMBERS = 2, PORTS = 1, MEMORY = 0, FIXED = 0x0c, ENTIRE_RANGE = 3, WRITABLE = 1;
const range = (tag: number, kind: number, specific: number, bytes: number, from: number, to: number): Aml =>
  join(tag, le(3 + 5 * bytes, 2), kind, FIXED, specific, ...[0, from, to, 0, to - from + 1].map((n) => le(n, bytes)));
/** What a bridge passes on, both ends included. */
export const busRange = (from: number, to: number): Aml => range(0x88, BUS_NUMBERS, 0, 2, from, to);
export const portRange = (from: number, to: number): Aml => range(0x88, PORTS, ENTIRE_RANGE, 2, from, to);
export const memoryRange = (from: number, to: number): Aml => range(0x87, MEMORY, WRITABLE, 4, from, to);
