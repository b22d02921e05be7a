// A small WebAssembly assembler: bytes, labels by name, sections. WebAssembly Core Specification 2.0, chapter 5 (binary format).

export const I32 = 0x7f, I64 = 0x7e, EMPTY = 0x40;

/** Instructions used by name; everything else is written as bytes by its caller. */
export const W = {
  unreachable: 0x00,
  return: 0x0f,
  call: 0x10,
  returnCallIndirect: 0x13,
  select: 0x1b,
  drop: 0x1a,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Load8S: 0x2c,
  i32Load8U: 0x2d,
  i32Load16S: 0x2e,
  i32Load16U: 0x2f,
  i64Load8S: 0x30,
  i64Load8U: 0x31,
  i64Load16S: 0x32,
  i64Load16U: 0x33,
  i64Load32S: 0x34,
  i64Load32U: 0x35,
  i32Store: 0x36,
  i64Store: 0x37,
  i32Store8: 0x3a,
  i32Store16: 0x3b,
  i64Store8: 0x3c,
  i64Store16: 0x3d,
  i64Store32: 0x3e,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32GtU: 0x4b,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtU: 0x54,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivS: 0x6d,
  i32DivU: 0x6e,
  i32RemS: 0x6f,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64DivS: 0x7f,
  i64DivU: 0x80,
  i64RemS: 0x81,
  i64RemU: 0x82,
  i64And: 0x83,
  i64Or: 0x84,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  wrap: 0xa7,
  extS: 0xac,
  extU: 0xad,
} as const; // deno-fmt-ignore

/** Code of one function body under construction. */
export class Asm {
  readonly bytes: number[] = [];
  readonly #labels: string[] = [];

  op(...bytes: number[]): this {
    for (const b of bytes) this.bytes.push(b);
    return this;
  }
  u(n: number): this {
    for (n >>>= 0; n > 0x7f; n >>>= 7) this.bytes.push((n & 0x7f) | 0x80);
    this.bytes.push(n);
    return this;
  }
  i32(n: number): this {
    this.bytes.push(0x41);
    for (n |= 0;;) {
      const b = n & 0x7f;
      n >>= 7;
      if ((n === 0 && !(b & 0x40)) || (n === -1 && (b & 0x40))) return this.op(b);
      this.bytes.push(b | 0x80);
    }
  }
  i64(n: bigint): this {
    this.bytes.push(0x42);
    for (n = BigInt.asIntN(64, n);;) {
      const b = Number(n & 0x7fn);
      n >>= 7n;
      if ((n === 0n && !(b & 0x40)) || (n === -1n && (b & 0x40))) return this.op(b);
      this.bytes.push(b | 0x80);
    }
  }
  get(local: number): this {
    return this.op(0x20).u(local);
  }
  set(local: number): this {
    return this.op(0x21).u(local);
  }
  tee(local: number): this {
    return this.op(0x22).u(local);
  }
  /** A load or store with its static offset; alignment hints are left at 0, they change nothing. */
  mem(opcode: number, offset: number): this {
    return this.op(opcode, 0).u(offset);
  }
  /** The slot or table at a constant address. */
  at(opcode: number, address: number): this {
    return this.i32(0).mem(opcode, address);
  }
  /** Stores a local at a constant address. */
  storeAt(opcode: number, address: number, local: number): this {
    return this.i32(0).get(local).mem(opcode, address);
  }
  block(label: string, type: number = EMPTY): this {
    this.#labels.push(label);
    return this.op(0x02, type);
  }
  loop(label: string, type: number = EMPTY): this {
    this.#labels.push(label);
    return this.op(0x03, type);
  }
  if(type: number = EMPTY, label = ""): this {
    this.#labels.push(label);
    return this.op(0x04, type);
  }
  else(): this {
    return this.op(0x05);
  }
  end(): this {
    this.#labels.pop();
    return this.op(0x0b);
  }
  /** Depth of a label as branches count it. @throws {Error} no such label is open. */
  depth(label: string): number {
    const i = this.#labels.lastIndexOf(label);
    if (i < 0) throw new Error(`no label '${label}'`);
    return this.#labels.length - 1 - i;
  }
  isOpen(label: string): boolean {
    return this.#labels.includes(label);
  }
  br(label: string): this {
    return this.op(0x0c).u(this.depth(label));
  }
  brIf(label: string): this {
    return this.op(0x0d).u(this.depth(label));
  }
  brTable(labels: readonly string[], fallback: string): this {
    this.op(0x0e).u(labels.length);
    for (const l of labels) this.u(this.depth(l));
    return this.u(this.depth(fallback));
  }
  call(index: number): this {
    return this.op(0x10).u(index);
  }
}

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}
export interface WasmFunction {
  readonly type: FunctionType;
  /** Types of the locals after the parameters. */
  readonly locals: readonly number[];
  readonly body: readonly number[];
  readonly export?: string;
}
export interface WasmImport {
  readonly name: string;
  readonly type: FunctionType;
}

/** A module that imports memory "e"."memory", functions of "e" and, if wanted, "e"."table"; functions are numbered after the imports, types like both. */
export function wasmModule(
  imports: readonly WasmImport[],
  functions: readonly WasmFunction[],
  memoryPages: number,
  table = false,
): Uint8Array<ArrayBuffer> {
  const types = [...imports, ...functions].map((f) => f.type);
  const name = (s: string) => [s.length, ...new TextEncoder().encode(s)];
  const u = (n: number) => new Asm().u(n).bytes;
  const vector = (items: readonly (readonly number[])[]) => [...u(items.length), ...items.flat()];
  const section = (id: number, body: readonly number[]) => [id, ...u(body.length), ...body];
  const importRows = [
    [...name("e"), ...name("memory"), 2, 1, ...u(memoryPages), ...u(memoryPages)],
    ...(table ? [[...name("e"), ...name("table"), 1, 0x70, 0, 1]] : []),
    ...imports.map((f, i) => [...name("e"), ...name(f.name), 0, ...u(i)]),
  ];
  const exportRows = functions.flatMap((f, i) => f.export ? [[...name(f.export), 0, ...u(imports.length + i)]] : []);
  const head = [
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, vector(types.map((t) => [0x60, ...vector(t.params.map((p) => [p])), ...vector(t.results.map((r) => [r]))]))),
    ...section(2, vector(importRows)),
    ...section(3, vector(functions.map((_, i) => u(imports.length + i)))),
    ...section(7, vector(exportRows)),
  ]; // deno-fmt-ignore
  // Code can be large: it is copied once, not spread.
  const bodies = functions.map((f) => {
    const locals = vector(f.locals.map((t) => [1, t]));
    return { head: [...u(locals.length + f.body.length + 1), ...locals], body: f.body };
  });
  const count = u(bodies.length);
  const size = count.length + bodies.reduce((n, b) => n + b.head.length + b.body.length + 1, 0);
  const start = [...head, 10, ...u(size), ...count];
  const out = new Uint8Array(start.length + size - count.length);
  out.set(start);
  let at = start.length;
  for (const b of bodies) {
    out.set(b.head, at);
    out.set(b.body, at += b.head.length);
    at += b.body.length;
    out[at++] = 0x0b;
  }
  return out;
}
