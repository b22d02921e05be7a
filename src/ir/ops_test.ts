// The op table: `eval`, which is the definition, against the wasm that both engines emit, for every pure row on edge values and random ones.
import { assert, assertEquals } from "@std/assert";
import { RUNTIME } from "../engine/runtime.ts";
import { Asm, I32, I64, type WasmFunction, wasmModule } from "../engine/wasm.ts";
import { evaluateOp } from "./evaluate.ts";
import { OP, type OpRow, OPS } from "./ops.ts";

const PURE = OPS.filter((r) => r.effect === "pure" && r.args !== "");
const type = (ty: string) => ty === "l" ? I64 : I32;

/** Every row as an exported wasm function: operands in, result out. */
function compile(): Record<string, (...args: (number | bigint)[]) => number | bigint> {
  const names = Object.keys(RUNTIME);
  const body = (row: OpRow): WasmFunction => {
    const a = new Asm();
    for (let i = 0; i < row.args.length; i++) {
      a.get(i);
      if (row.each) a.op(row.each);
    }
    if (typeof row.wasm === "string") a.call(names.indexOf(row.wasm));
    else a.ops(row.wasm!);
    return { type: { params: [...row.args].map(type), results: [type(row.result)] }, locals: [], body: a.bytes, export: row.name };
  };
  const module = wasmModule([], [...names.map((n) => RUNTIME[n]), ...PURE.map(body)], 1);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  return new WebAssembly.Instance(new WebAssembly.Module(module), { e: { memory } }).exports as ReturnType<typeof compile>;
}

/** Random bits (xorshift64). */
function randomFrom(seed: bigint): () => bigint {
  let x = seed;
  return () => {
    x ^= BigInt.asUintN(64, x << 13n);
    x ^= x >> 7n;
    return x ^= BigInt.asUintN(64, x << 17n);
  };
}

const INTEGERS = [
  0n,
  1n,
  2n,
  3n,
  7n,
  31n,
  32n,
  33n,
  63n,
  64n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  -1n,
  -2n,
  -64n,
  -0x80n,
  -0x8000n,
];
const EDGES = {
  i: [...INTEGERS, 0x7fff_ffffn, 0x8000_0000n, 0x8000_0001n].map((n) => BigInt.asUintN(32, n)),
  l: [...INTEGERS, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, -0x8000_0000n, (1n << 63n) - 1n, 1n << 63n, (1n << 63n) + 1n]
    .map((n) => BigInt.asUintN(64, n)),
};
// Zeros, smallest and largest subnormal and normal numbers, one and its neighbours, halves, integer limits, infinities, NaNs of both kinds.
const doubles = [
  0,
  5e-324,
  2.2250738585072009e-308,
  2.2250738585072014e-308,
  0.5,
  1,
  1.5,
  2.5,
  1 + 2 ** -52,
  1 - 2 ** -53,
  3,
  2 ** 31,
  2 ** 31 - 1,
];
const bits = new DataView(new ArrayBuffer(8));
const FLOATS = {
  i: [...doubles, 2 ** -126, 2 ** -149, 1 + 2 ** -23, 2 ** 32, 2 ** 63, 2 ** 64, 3.4028234663852886e38, Infinity].flatMap((x) => {
    bits.setFloat32(0, x);
    return [BigInt(bits.getUint32(0)), BigInt(bits.getUint32(0)) | 0x8000_0000n];
  }).concat(0x7fc0_0000n, 0x7f80_0001n, 0xffff_ffffn),
  l: [
    ...doubles,
    2 ** 53,
    2 ** 53 - 1,
    2 ** 52 - 0.5,
    2 ** 32,
    2 ** 63,
    2 ** 64,
    2 ** -1074,
    2 ** 127 * (2 - 2 ** -24),
    Number.MAX_VALUE,
    Infinity,
  ]
    .flatMap((x) => {
      bits.setFloat64(0, x);
      return [bits.getBigUint64(0), bits.getBigUint64(0) | 1n << 63n];
    }).concat(0x7ff8n << 48n, (0x7ff0n << 48n) + 1n, 0xffff_ffff_ffff_ffffn),
};

/** Rows whose result is a float: which NaN they give is not defined. */
const GIVES_FLOAT = /^(fadd|fsub|fmul|fdiv|fsqrt|fnearest|fpromote|fdemote)/;
const isNaNOf = (row: OpRow, v: bigint) => row.result === "i" ? (v & 0x7fff_ffffn) > 0x7f80_0000n : (v & ~(1n << 63n)) > 0x7ff0n << 48n;
const isFloat = (row: OpRow) => /^(f[a-z]|trunc)/.test(row.name);

Deno.test("every pure row: eval equals its wasm on edge values and random ones", () => {
  const wasm = compile(), random = randomFrom(0x9e37_79b9_7f4a_7c15n);
  let cases = 0;
  for (const row of PURE) {
    const edges = [...row.args].map((t) => isFloat(row) ? FLOATS[t as "i" | "l"] : EDGES[t as "i" | "l"]);
    const check = (args: bigint[]) => {
      const given = args.map((v, i) => row.args[i] === "l" ? v : Number(v) | 0);
      const expected = evaluateOp(row, args), got = BigInt.asUintN(row.result === "l" ? 64 : 32, BigInt(wasm[row.name](...given)));
      cases++;
      if (expected === got || (GIVES_FLOAT.test(row.name) && isNaNOf(row, expected) && isNaNOf(row, got))) return;
      assertEquals(got.toString(16), expected.toString(16), `${row.name} ${args.map((v) => "0x" + v.toString(16)).join(" ")}`);
    };
    for (const a of edges[0]) {
      for (const b of edges[1] ?? [0n]) for (const c of edges[2] ?? [0n]) check([a, b, c].slice(0, row.args.length));
    }
    for (let n = 0; n < 1000; n++) {
      check(edges.map((e, i) => {
        const r = random(), width = row.args[i] === "l" ? 64 : 32;
        // Whole random words, small ones, and edge values beside random ones.
        return BigInt.asUintN(width, r & 3n ? r >> BigInt(r >> 2n & 31n) : e[Number((r >> 8n) % BigInt(e.length))]);
      }));
    }
  }
  assert(cases > 200_000, `only ${cases} cases`);
});

Deno.test("commuting rows commute; every result fits its type", () => {
  const random = randomFrom(42n);
  for (const row of PURE) {
    const width = row.result === "l" ? 64 : 32;
    for (let n = 0; n < 200; n++) {
      const args = [...row.args].map((t) => BigInt.asUintN(t === "l" ? 64 : 32, random()));
      const value = evaluateOp(row, args);
      assertEquals(value, BigInt.asUintN(width, value), row.name);
      if (row.commutes) assertEquals(evaluateOp(row, [args[1], args[0]]), value, row.name);
    }
  }
});

Deno.test("the table: names are unique and tell the type, op codes fit a byte, memory rows say their size", () => {
  assertEquals(new Set(OPS.map((r) => r.name)).size, OPS.length);
  assert(OPS.length <= 256);
  for (const [i, r] of OPS.entries()) {
    assertEquals(OP[r.name], i);
    if (/\.[il]$/.test(r.name) && r.result !== "" && !/^(eqz?|ne|[lg][te][SU]|feq|flt|fle)\./.test(r.name)) {
      assertEquals(r.result, r.name.at(-1), r.name);
    }
    if (r.effect === "reads" || r.effect === "writes") {
      assert(r.size && r.args[0] === "l", r.name);
      assertEquals(r.name.match(/\d+/)![0], String(8 * r.size), r.name);
    }
    if (r.effect === "pure" && r.args !== "") assert(r.eval && r.wasm, r.name);
  }
});
