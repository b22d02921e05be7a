// The assembler: numbers in LEB128, labels, and modules that WebAssembly accepts and that do what was written.
import { assertEquals, assertThrows } from "@std/assert";
import { Asm, I32, I64, W, wasmModule } from "./wasm.ts";

const code = (build: (a: Asm) => Asm): number[] => [...build(new Asm()).bytes];

Deno.test("unsigned and signed LEB128 at the limits of each length", () => {
  const unsigned: [number, number[]][] = [
    [0, [0]],
    [0x7f, [0x7f]],
    [0x80, [0x80, 1]],
    [0x3fff, [0xff, 0x7f]],
    [0x4000, [0x80, 0x80, 1]],
    [0xffff_ffff, [0xff, 0xff, 0xff, 0xff, 0xf]],
    [0x8000_0000, [0x80, 0x80, 0x80, 0x80, 8]],
  ];
  for (const [n, bytes] of unsigned) assertEquals(code((a) => a.u(n)), bytes, String(n));
  const signed: [number, number[]][] = [
    [0, [0]],
    [63, [63]],
    [64, [0xc0, 0]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [0x7fff_ffff, [0xff, 0xff, 0xff, 0xff, 7]],
    [-0x8000_0000, [0x80, 0x80, 0x80, 0x80, 0x78]],
  ];
  for (const [n, bytes] of signed) {
    assertEquals(code((a) => a.i32(n)), [0x41, ...bytes], String(n));
    assertEquals(code((a) => a.i64(n)), [0x42, ...bytes], String(n));
  }
});

Deno.test("i64 constants from halves have their value", () => {
  const values = [
    0n,
    -1n,
    1n << 31n,
    -(1n << 31n),
    (1n << 31n) - 1n,
    1n << 32n,
    -(1n << 32n),
    (1n << 63n) - 1n,
    -(1n << 63n),
    0x1234_5678_9abc_def0n,
  ];
  for (let n = 0; n < 64; n++) values.push(BigInt.asIntN(64, 1n << BigInt(n)), BigInt.asIntN(64, -(1n << BigInt(n)) - 1n));
  const functions = values.map((v, i) => ({
    type: { params: [], results: [I64] },
    locals: [],
    body: new Asm().i64(Number(BigInt.asIntN(32, v)), Number(BigInt.asIntN(32, v >> 32n))).bytes,
    export: `f${i}`,
  }));
  const exports = instantiate(wasmModule([], functions, 1));
  values.forEach((v, i) => assertEquals(exports[`f${i}`](), v));
});

Deno.test("labels: branches count the blocks between, inner names hide outer ones", () => {
  // 0x0c n: br n; 0x0d n: br_if n.
  assertEquals(code((a) => a.block("out").loop("again").br("again").br("out").end().end()), [2, 0x40, 3, 0x40, 0xc, 0, 0xc, 1, 0xb, 0xb]);
  assertEquals(code((a) => a.block("x").block("x").br("x").end().br("x").end()), [2, 0x40, 2, 0x40, 0xc, 0, 0xb, 0xc, 0, 0xb]);
  assertEquals(code((a) => a.block("x").if().brIf("x").else().end().end()), [2, 0x40, 4, 0x40, 0xd, 1, 5, 0xb, 0xb]);
  assertEquals(code((a) => a.block("a").block("b").brTable(2).end().end()), [2, 0x40, 2, 0x40, 0xe, 2, 0, 1, 0, 0xb, 0xb]);
  const a = new Asm().block("open");
  assertEquals([a.isOpen("open"), a.isOpen("other"), a.end().isOpen("open")], [true, false, false]);
  assertThrows(() => a.br("open"), Error, "no label 'open'");
});

Deno.test("code grows beyond the first buffer; what was written before stays", () => {
  const a = new Asm(), part = new Asm().i32(5).op(W.drop).bytes;
  for (let i = 0; i < 5000; i++) a.append(part);
  assertEquals(a.bytes.length, 15_000);
  assertEquals([...a.bytes.slice(-3)], [0x41, 5, W.drop]);
  const body = a.i32(7).bytes;
  assertEquals(instantiate(wasmModule([], [{ type: { params: [], results: [I32] }, locals: [], body, export: "f" }], 1)).f(), 7);
});

Deno.test("a module: memory, table, imported functions, locals after the parameters, tail calls by type", () => {
  const log: number[] = [];
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 }), table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const imports = [{ name: "note", type: { params: [I32], results: [I32] } }];
  const double = {
    type: { params: [I32], results: [I32] },
    locals: [I32],
    body: new Asm().get(0).tee(1).get(1).op(W.i32Add).bytes,
    export: "double",
  };
  // Stores its argument, notes it, and goes on to element 0 of the table, which has type number 1 (the first function's).
  const main = new Asm().storeAt(W.i32Store, 0x1_0000, 0).get(0).call(0).op(W.drop).at(W.i32Load, 0x1_0000).i32(0).op(W.returnCallIndirect)
    .u(1).u(0);
  const bytes = wasmModule(
    imports,
    [double, { type: { params: [I32], results: [I32] }, locals: [], body: main.bytes, export: "main" }],
    2,
    true,
  );
  const note = (n: number) => log.push(n);
  const exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { memory, table, note } }).exports as Record<
    string,
    (n: number) => number
  >;
  table.set(0, exports.double);
  assertEquals([exports.main(21), log, new Int32Array(memory.buffer)[0x4000]], [42, [21], 21]);
});

function instantiate(bytes: Uint8Array<ArrayBuffer>): Record<string, () => unknown> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { memory } }).exports as Record<string, () => unknown>;
}
