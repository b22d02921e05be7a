// Plain data as bytes and back: what the states of machines are made of (numbers, bigints, texts, lists, records, maps, sets, typed arrays). The same
// data gives the same bytes, on every host. What is read was perhaps written by somebody who means ill: nothing is made that is larger than the
// bytes by more than a fixed factor, and whatever is wrong is one error.

/** The bytes are no packed data. */
export class BadPack extends Error {
  override name = "BadPack";
}

/** How values begin. */
const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  integer: 4,
  double: 5,
  bigint: 6,
  text: 7,
  list: 8,
  record: 9,
  map: 10,
  set: 11,
  array: 12,
} as const;

/** Typed arrays, by number. */
const ARRAYS = [
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
] as const;
type Typed = InstanceType<typeof ARRAYS[number]>;

/** Values within values, and values in all, which take some 50 bytes each when they are read. */
const DEEPEST = 64, MOST = 1e6;

/** @throws {TypeError} something in it is not plain data. */
export function pack(value: unknown): Uint8Array {
  const out = new Writer();
  out.value(value);
  return out.bytes();
}

class Writer {
  #buffer = new Uint8Array(1 << 16);
  #length = 0;
  readonly #encoder = new TextEncoder();
  readonly #eight = new DataView(new ArrayBuffer(8));

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
  #room(n: number): void {
    if (this.#length + n <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + n));
    larger.set(this.bytes());
    this.#buffer = larger;
  }
  #byte(b: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = b;
  }
  #put(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }
  /** LEB128, of what is below 2^53. */
  #count(n: number): void {
    for (; n > 0x7f; n = Math.floor(n / 128)) this.#byte(n % 128 | 0x80);
    this.#byte(n);
  }
  #text(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.#count(bytes.length);
    this.#put(bytes);
  }

  value(v: unknown): void {
    if (v === undefined || v === null || typeof v === "boolean") this.#byte(TAG[`${v}`]);
    else if (typeof v === "number") this.#number(v);
    else if (typeof v === "bigint") {
      this.#byte(TAG.bigint);
      this.#text(v.toString(16));
    } else if (typeof v === "string") {
      this.#byte(TAG.text);
      this.#text(v);
    } else if (ArrayBuffer.isView(v)) this.#array(v as Typed);
    else if (Array.isArray(v)) this.#all(TAG.list, v.length, v);
    else if (v instanceof Map) this.#all(TAG.map, v.size, [...v].flat());
    else if (v instanceof Set) this.#all(TAG.set, v.size, v);
    else if (typeof v === "object" && Object.getPrototypeOf(v) === Object.prototype) {
      const entries = Object.entries(v);
      this.#byte(TAG.record);
      this.#count(entries.length);
      for (const [key, member] of entries) {
        this.#text(key);
        this.value(member);
      }
    } else throw new TypeError(`no plain data: ${Object.prototype.toString.call(v)}`);
  }
  #all(tag: number, count: number, values: Iterable<unknown>): void {
    this.#byte(tag);
    this.#count(count);
    for (const v of values) this.value(v);
  }
  #number(v: number): void {
    if (Number.isSafeInteger(v) && v >= 0 && !Object.is(v, -0)) {
      this.#byte(TAG.integer);
      return this.#count(v);
    }
    this.#byte(TAG.double);
    this.#eight.setFloat64(0, v, true);
    this.#put(new Uint8Array(this.#eight.buffer));
  }
  #array(v: Typed): void {
    const kind = ARRAYS.findIndex((Type) => v instanceof Type);
    if (kind < 0) throw new TypeError(`no plain data: ${Object.prototype.toString.call(v)}`);
    this.#byte(TAG.array);
    this.#byte(kind);
    this.#count(v.byteLength);
    this.#put(new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
  }
}

/** @throws {BadPack} */
export function unpack(bytes: Uint8Array): unknown {
  return new Reader(bytes).all();
}

class Reader {
  #at = 0;
  #values = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  all(): unknown {
    const value = this.#value(0);
    if (this.#at !== this.bytes.length) throw new BadPack("there is something behind the end");
    return value;
  }

  #take(n: number): Uint8Array {
    if (n > this.bytes.length - this.#at) throw new BadPack("it ends too early");
    this.#at += n;
    return this.bytes.subarray(this.#at - n, this.#at);
  }
  #byte(): number {
    return this.#take(1)[0];
  }
  #count(): number {
    for (let n = 0, unit = 1;; unit *= 128) {
      const b = this.#byte();
      n += (b & 0x7f) * unit;
      if (n > Number.MAX_SAFE_INTEGER) throw new BadPack("a number is too large");
      if (!(b & 0x80)) return n;
    }
  }
  /** A number of values, each of which has a byte at least. */
  #members(each = 1): number {
    const n = this.#count();
    if (n * each > this.bytes.length - this.#at) throw new BadPack("it ends too early");
    return n;
  }
  #text(): string {
    try {
      return this.#decoder.decode(this.#take(this.#count()));
    } catch (e) {
      throw e instanceof BadPack ? e : new BadPack("a text is not UTF-8");
    }
  }

  #value(depth: number): unknown {
    if (depth > DEEPEST) throw new BadPack("it is nested too deeply");
    if (++this.#values > MOST) throw new BadPack("it has too many values");
    const tag = this.#byte(), read = this.#readers[tag];
    if (!read) throw new BadPack(`no value begins with ${tag}`);
    return read(depth);
  }
  /** By tag. */
  readonly #readers: readonly ((depth: number) => unknown)[] = [
    () => undefined,
    () => null,
    () => false,
    () => true,
    () => this.#count(),
    () => (this.#take(8), this.#view.getFloat64(this.#at - 8, true)),
    () => this.#bigint(),
    () => this.#text(),
    (depth) => this.#list(this.#members(), depth),
    (depth) => this.#record(this.#members(2), depth),
    (depth) => this.#map(this.#members(2), depth),
    (depth) => new Set(this.#list(this.#members(), depth)),
    () => this.#array(),
  ];
  #map(n: number, depth: number): Map<unknown, unknown> {
    const list = this.#list(2 * n, depth);
    return new Map(Array.from({ length: n }, (_, i) => [list[2 * i], list[2 * i + 1]]));
  }
  #list(n: number, depth: number): unknown[] {
    const out: unknown[] = [];
    for (let i = 0; i < n; i++) out.push(this.#value(depth + 1));
    return out;
  }
  #record(n: number, depth: number): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (let i = 0; i < n; i++) {
      const key = this.#text();
      if (key === "__proto__" || Object.hasOwn(out, key)) throw new BadPack(`a record has no place for '${key}'`);
      out[key] = this.#value(depth + 1);
    }
    return out;
  }
  #bigint(): bigint {
    const text = this.#text(), digits = text.replace(/^-/, "");
    if (!/^[0-9a-f]{1,4096}$/.test(digits)) throw new BadPack("a number has odd digits");
    const value = BigInt(`0x${digits}`);
    return text === digits ? value : -value;
  }
  #array(): Typed {
    const Type = ARRAYS[this.#byte()];
    if (!Type) throw new BadPack("no such kind of list");
    const bytes = this.#take(this.#count());
    if (bytes.length % Type.BYTES_PER_ELEMENT) throw new BadPack("a list ends within an element");
    // A copy of its own: aligned, and not kept alive by the rest, nor keeping that. (A Node buffer's `slice` is none.)
    return new Type(new Uint8Array(bytes).buffer);
  }
}
