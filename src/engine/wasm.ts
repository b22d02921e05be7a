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
  i32GtS: 0x4a,
  i32GtU: 0x4b,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtU: 0x54,
  i64GtU: 0x56,
  i64GeU: 0x5a,
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

/** Code of one function body under construction. HOT when regions are compiled: no allocation but for growing. */
export class Asm {
  #buffer: Uint8Array<ArrayBuffer>;
  #length = 0;
  /** Labels that are open, and how many blocks are open around each; blocks without a label are only counted. */
  readonly #labels: string[] = [];
  readonly #around: number[] = [];
  #open = 0;
  /** Where an `if` is whose condition hardly ever holds. */
  readonly unlikely: number[] = [];

  /** @param room bytes that fit without growing */
  constructor(room = 1024) {
    this.#buffer = new Uint8Array(room);
  }

  /** The code so far; valid until more is added. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }
  /** Room for `n` more bytes. */
  #reserve(n: number): void {
    if (this.#length + n <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + n));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
  op(b: number): this {
    if (this.#length === this.#buffer.length) this.#reserve(1);
    this.#buffer[this.#length++] = b;
    return this;
  }
  /** Several bytes of one instruction or of a short sequence. */
  ops(bytes: readonly number[]): this {
    const n = bytes.length, from = this.#length;
    if (from + n > this.#buffer.length) this.#reserve(n);
    const buffer = this.#buffer;
    for (let i = 0; i < n; i++) buffer[from + i] = bytes[i];
    this.#length = from + n;
    return this;
  }
  /** Code that was made elsewhere. */
  append(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }
  u(n: number): this {
    for (n >>>= 0; n > 0x7f; n >>>= 7) this.op((n & 0x7f) | 0x80);
    return this.op(n);
  }
  i32(n: number): this {
    this.op(0x41);
    return this.#signed(n | 0);
  }
  /** Signed LEB128 of a 32-bit number. */
  #signed(n: number): this {
    for (;;) {
      const b = n & 0x7f;
      n >>= 7;
      if ((n === 0 && !(b & 0x40)) || (n === -1 && (b & 0x40))) return this.op(b);
      this.op(b | 0x80);
    }
  }
  /** An i64 constant from its halves. */
  i64(lo: number, hi: number = lo >> 31): this {
    this.op(0x42);
    lo |= 0;
    hi |= 0;
    while (hi !== lo >> 31) {
      this.op((lo & 0x7f) | 0x80);
      lo = (lo >>> 7) | (hi << 25);
      hi >>= 7;
    }
    return this.#signed(lo);
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
    return this.op(opcode).op(0).u(offset);
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
    this.#label(label);
    return this.op(0x02).op(type);
  }
  /** `count` blocks without labels. */
  blocks(count: number): this {
    this.#open += count;
    for (let i = 0; i < count; i++) this.op(0x02).op(EMPTY);
    return this;
  }
  loop(label: string, type: number = EMPTY): this {
    this.#label(label);
    return this.op(0x03).op(type);
  }
  if(type: number = EMPTY, label = ""): this {
    if (label) this.#label(label);
    else this.#open++;
    return this.op(0x04).op(type);
  }
  #label(label: string): void {
    this.#labels.push(label);
    this.#around.push(this.#open++);
  }
  /** An `if` whose condition hardly ever holds: the compiler is told so. */
  unlikelyIf(): this {
    this.unlikely.push(this.#length);
    return this.if();
  }
  else(): this {
    return this.op(0x05);
  }
  end(): this {
    this.#open--;
    if (this.#around[this.#around.length - 1] === this.#open) {
      this.#around.pop();
      this.#labels.pop();
    }
    return this.op(0x0b);
  }
  /** Depth of a label as branches count it. @throws {Error} no such label is open. */
  depth(label: string): number {
    const i = this.#labels.lastIndexOf(label);
    if (i < 0) throw new Error(`no label '${label}'`);
    return this.#open - 1 - this.#around[i];
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
  /** Jumps out of the n-th enclosing block, innermost first, for the n on the stack; `count` of them. */
  brTable(count: number): this {
    this.op(0x0e).u(count);
    for (let i = 0; i < count; i++) this.u(i);
    return this.u(0);
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
  readonly body: Uint8Array;
  readonly export?: string;
  /** See Asm; offsets in the body. */
  readonly unlikely?: readonly number[];
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
  const out = new Asm().append(MAGIC);
  let a = new Asm().u(imports.length + functions.length);
  for (const { type } of imports) functionType(a, type);
  for (const { type } of functions) functionType(a, type);
  section(out, 1, a);

  a = new Asm().u(imports.length + (table ? 2 : 1));
  name(name(a, "e"), "memory").op(2).op(1).u(memoryPages).u(memoryPages);
  if (table) name(name(a, "e"), "table").op(1).op(0x70).op(0).op(1);
  for (let i = 0; i < imports.length; i++) name(name(a, "e"), imports[i].name).op(0).u(i);
  section(out, 2, a);

  a = new Asm().u(functions.length);
  for (let i = 0; i < functions.length; i++) a.u(imports.length + i);
  section(out, 3, a);

  const exported = functions.filter((f) => f.export);
  a = new Asm().u(exported.length);
  for (const f of exported) name(a, f.export!).op(0).u(imports.length + functions.indexOf(f));
  section(out, 7, a);

  const heads = functions.map(localsOf), hinted = functions.filter((f) => f.unlikely?.length);
  if (hinted.length) {
    // WebAssembly 3.0, branch hinting: offsets from the function's locals; 1 byte: 0 for unlikely.
    a = name(new Asm(), "metadata.code.branch_hint").u(hinted.length);
    for (const f of hinted) {
      const i = functions.indexOf(f);
      a.u(imports.length + i).u(f.unlikely!.length);
      for (const at of f.unlikely!) a.u(heads[i].length + at).u(1).u(0);
    }
    section(out, 0, a);
  }
  a = new Asm().u(functions.length);
  for (let i = 0; i < functions.length; i++) {
    const { body } = functions[i];
    a.u(heads[i].length + body.length + 1).append(heads[i]).append(body).op(0x0b);
  }
  return section(out, 10, a).bytes.slice();
}

const section = (out: Asm, id: number, content: Asm) => out.op(id).u(content.bytes.length).append(content.bytes);
function functionType(a: Asm, { params, results }: FunctionType): void {
  a.op(0x60).u(params.length).ops(params).u(results.length).ops(results);
}
/** A name of ASCII characters. */
function name(a: Asm, text: string): Asm {
  a.u(text.length);
  for (let i = 0; i < text.length; i++) a.op(text.charCodeAt(i));
  return a;
}
/** How a function begins: runs of locals of the same type. */
function localsOf({ locals }: WasmFunction): Uint8Array {
  let runs = 0;
  for (let i = 0; i < locals.length; i++) if (locals[i] !== locals[i - 1]) runs++;
  const a = new Asm(16).u(runs);
  for (let i = 0, from = 0; i < locals.length; i++) {
    if (locals[i] === locals[i + 1]) continue;
    a.u(i + 1 - from).op(locals[i]);
    from = i + 1;
  }
  return a.bytes;
}

/** The body of functions that are there only for their type. */
export const UNREACHABLE = Uint8Array.of(W.unreachable);
const MAGIC = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
