// The op table: `eval`, which is the definition, against the wasm that both engines emit, for every pure row on edge values and random ones.
import { assert, assertEquals } from "@std/assert";
import { RUNTIME } from "../engine/runtime.ts";
import { Asm, I32, I64, type WasmFunction, wasmModule } from "../engine/wasm.ts";
import { evaluateOp } from "./evaluate.ts";
import * as T from "./ops.ts";
import { OP, type OpName, type OpRow, OPS } from "./ops.ts";

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

const u64 = (n: bigint) => BigInt.asUintN(64, n), extended = (n: bigint) => u64(BigInt.asIntN(32, n));
const float = (type: string, n: bigint) => FLOATS[type as "i" | "l"][Number(n % BigInt(FLOATS[type as "i" | "l"].length))];

Deno.test("the column `extended`: always, where every result is its low half extended, and of no other pure row; so it is of loads", () => {
  const random = randomFrom(7n),
    integer = (t: string, i: number) => i && random() & 1n ? random() & 63n : BigInt.asUintN(t === "l" ? 64 : 32, random());
  for (const row of PURE.filter((r) => r.result === "l")) {
    const draw = () => isFloat(row) ? [...row.args].map((t) => float(t, random())) : [...row.args].map(integer);
    const always = Array.from({ length: 200 }, draw).every((args) => evaluateOp(row, args) === extended(evaluateOp(row, args)));
    assertEquals(row.extended === "always", always, row.name);
  }
  for (const [op, row] of OPS.entries()) {
    if (T.READS[op]) assertEquals(row.extended === "always", row.result === "l" && row.size! <= (row.signed ? 4 : 2), row.name);
    assertEquals([T.EXTENDED[op], T.MAYBE_EXTENDED[op]], [row.extended === "always" ? 1 : 0, row.extended ? 1 : 0], row.name);
    if (row.extended) assertEquals(row.result, "l", row.name);
  }
  assertEquals(names(T.MAYBE_EXTENDED.map((n, op) => n & ~T.EXTENDED[op])), "and.l const.l extU get.l or.l select.l shrS.l shrU.l xor.l");
});

Deno.test("the columns `truth` and `lowOf`, and comparisons of low halves, hold of the definitions", () => {
  const random = randomFrom(11n), same = (n: bigint) => random() & 3n ? n : extended(random());
  for (const [op, row] of OPS.entries()) {
    const low = T.LOW[op] ? OPS[T.LOW[op]] : undefined, narrow = OPS[op - T.TWIN];
    if (row.lowOf) assertEquals([T.IS_LOW[op], T.LOW[OP[row.lowOf as OpName]]], [1, op]);
    else assertEquals(T.IS_LOW[op], 0, row.name);
    assertEquals(T.COMPARE32[op] !== 0, row.truth === true && row.args === "ll" && !row.float, row.name);
    if (!row.eval) continue;
    let truth = row.result === "i";
    for (let n = 0; n < 100; n++) {
      const a = extended(random()), integers = [a, same(a), random() & 1n].slice(0, row.args.length);
      const args = isFloat(row) ? [...row.args].map((t) => float(t, random())) : integers;
      const given = args.map((v, i) => row.args[i] === "l" ? v : BigInt.asUintN(32, v)), value = evaluateOp(row, given);
      truth &&= value < 2n;
      if (T.NOT_NEGATIVE[op]) assert(value < 1n << 31n, row.name);
      if (low) assertEquals(evaluateOp(low, given), value, low.name);
      if (T.COMPARE32[op]) {
        assertEquals(evaluateOp(narrow, args.map((v) => BigInt.asUintN(32, v))), value, row.name);
        assertEquals(narrow.wasm, [T.COMPARE32[op]]);
      }
    }
    assertEquals(row.truth === true, truth, row.name);
  }
  assertEquals(names(T.LOW), "and.l or.l xor.l");
});

/** Names of the rows of which a column holds, in order. */
const names = (column: ArrayLike<number>) => OPS.filter((_, op) => column[op]).map((r) => r.name).sort().join(" ");

Deno.test("the columns of operations that are not pure", () => {
  const rows = (holds: (r: OpRow) => unknown) => OPS.filter(holds).map((r) => r.name).sort().join(" "), slots = "get.i get.l set.i set.l";
  assertEquals(rows((r) => r.effect === "ends"), "callEnd jump jumpOut jumpTo");
  const both = (list: string) => list.split(" ").flatMap((name) => [`${name}.i`, `${name}.l`]);
  assertEquals(names(T.COMMUTES), [...both("add mul and or xor eq ne mulhS mulhU"), "andS.l", "orS.l", "xorS.l"].sort().join(" "));
  assertEquals(names(T.CALLS), "call callEndUnless callUnless");
  assertEquals(names(T.HELPERS), "call callEnd callEndUnless callUnless");
  assertEquals(names(T.BARRIER), "branch call callEnd callEndUnless callUnless insn jump jumpOut jumpTo set.i set.l");
  assertEquals([names(T.ON_SLOT), names(T.LONG_SLOT)], [slots, "get.l set.l"]);
  assertEquals(rows((r) => r.imm === "constant" || r.imm === "pc"), "branch const.i const.l jump");
  assertEquals(rows((r) => r.imm === "offset"), "insn");
  assertEquals(names(T.NOT_NEGATIVE), rows((r) => r.truth || /^(load|rmw)(8|16)U\.i$/.test(r.name)));
  assertEquals(names(T.STORES), rows((r) => /^(store|rmw)/.test(r.name)));
  assertEquals([names(T.READS), names(T.WRITES)], [rows((r) => /^(load|rmw)/.test(r.name)), rows((r) => r.name.startsWith("store"))]);
  assertEquals(names(T.ACCESS), rows((r) => r.size));
  assertEquals(names(T.EXACT), rows((r) => r.eval && !/^(f|trunc)/.test(r.name)));
  for (const [op, r] of OPS.entries()) {
    const { args } = r, l = (s: string | undefined) => s?.includes("l") ? 1 : 0;
    assertEquals([T.ARITY[op], T.SIZE[op], T.PURE[op]], [args.length, r.size ?? 0, r.eval ? 1 : 0], r.name);
    assertEquals([T.LONG[op], T.LONG_ARGS[op], T.LONG_FIRST[op]], [l(r.result), l(args), l(args[0])], r.name);
    assertEquals(T.COMMUTES[op], r.commutes ? 1 : 0, r.name);
    if (r.commutes) assertEquals(args[0], args[1], r.name);
    // Arguments of helpers are i64, and the last operands.
    if (T.HELPERS[op]) assertEquals(args.slice(r.optional), args.slice(r.optional).replaceAll("i", "l"), r.name);
    else assertEquals(r.optional, undefined, r.name);
  }
});

Deno.test("the table: names are unique and tell the type, op codes fit 16 bits, memory rows say their size", () => {
  assertEquals(new Set(OPS.map((r) => r.name)).size, OPS.length);
  assert(OPS.length <= 0xffff);
  for (const [i, r] of OPS.entries()) {
    assertEquals(OP[r.name as OpName], i);
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
