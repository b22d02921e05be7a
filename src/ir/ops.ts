// The IR: one table of total operations. `eval` is the definition (BigInt, unsigned bit patterns) and the oracle of the tests;
// `wasm` is how both engines emit it. Names are wasm's where the meaning is the same, suffixed .i (i32) or .l (i64).
// Floating-point values are bit patterns: f32 in .i, f64 in .l; wasm's NaN payloads are not defined, so callers guard NaN results.

/** Type of a value: i32, i64, or nothing. */
export type Ty = "i" | "l" | "";
/**
 * pure: may be moved, shared, dropped. reads/writes: guest memory; may leave before it has an effect. state: slots. call: a helper, behind which
 * the block goes on. leaves: may end the block. ends: ends it, and is its last one.
 */
export type Effect = "pure" | "reads" | "writes" | "state" | "call" | "leaves" | "ends";

/** A row of the table. */
export interface OpRow {
  readonly name: string;
  /** Types of the operands, one letter each. */
  readonly args: string;
  readonly result: Ty;
  readonly effect: Effect;
  /** The operands may change places. */
  readonly commutes?: boolean;
  /**
   * The definition: arguments are unsigned bit patterns, behind the (two) operands of a row of both widths its number of bits; of the result the
   * bits of its type count (`evaluateOp`). Pure rows only.
   */
  readonly eval?: (...args: bigint[]) => bigint;
  /** Bits of an integer row that exists in both widths. */
  readonly bits?: 32 | 64;
  /** wasm bytes with the operands on the stack, or the name of a function of `runtime.ts`. Pure rows only. */
  readonly wasm?: readonly number[] | string;
  /** wasm byte that follows each operand: the reinterpretation of its bits as a float, or its low half. */
  readonly each?: number;
  /** Memory rows: bytes of the access, whether a load extends the sign, and whether it needs write permission. */
  readonly size?: number;
  readonly signed?: boolean;
  readonly rmw?: boolean;
  /** What an operation has besides operands: a constant, a pc, a slot's address, bytes from the block's first pc, the number of a helper. */
  readonly imm?: "constant" | "pc" | "slot" | "offset" | "helper";
  /** The first of the operands that may be absent (-1): arguments of helpers. */
  readonly optional?: number;
  /** The result is 0 or 1. */
  readonly truth?: boolean;
  /** Whether an i64 result is its low half, sign-extended: always, or maybe, where its operands or its immediate say so. */
  readonly extended?: "always" | "maybe";
  /** The row of which this one is what remains when all operands are extended: it works on their low halves. */
  readonly lowOf?: string;
  /** Takes or gives floats: the definition does not say which NaN comes out. */
  readonly float?: boolean;
}

const M32 = 0xffff_ffffn, M64 = 0xffff_ffff_ffff_ffffn;
const s32 = (x: bigint) => BigInt.asIntN(32, x), s64 = (x: bigint) => BigInt.asIntN(64, x);
const bool = (b: boolean) => b ? 1n : 0n;
const ones = (x: bigint) => BigInt(x.toString(2).replaceAll("0", "").length);

type Wasm = readonly number[] | string;
type IntegerRow = readonly [
  string,
  "w" | "ww",
  "w" | "t",
  (a: bigint, b: bigint, n: bigint) => bigint,
  Wasm,
  Wasm,
  boolean?,
  OpRow["extended"]?,
];
/**
 * Integer rows that exist in both widths: [name, operands, result ("w": the width; "t": 0 or 1), eval(a, b, bits), wasm for i32, for i64, commutes,
 * whether the i64 is extended].
 */
// deno-fmt-ignore
const INTEGER = [
  ["add",   "ww", "w", (a, b) => a + b,                                   [0x6a], [0x7c], true],
  ["sub",   "ww", "w", (a, b) => a - b,                                   [0x6b], [0x7d]],
  ["mul",   "ww", "w", (a, b) => a * b,                                   [0x6c], [0x7e], true],
  ["and",   "ww", "w", (a, b) => a & b,                                   [0x71], [0x83], true, "maybe"],
  ["or",    "ww", "w", (a, b) => a | b,                                   [0x72], [0x84], true, "maybe"],
  ["xor",   "ww", "w", (a, b) => a ^ b,                                   [0x73], [0x85], true, "maybe"],
  ["shl",   "ww", "w", (a, b, n) => a << (b & (n - 1n)),                  [0x74], [0x86]],
  ["shrS",  "ww", "w", (a, b, n) => BigInt.asIntN(Number(n), a) >> (b & (n - 1n)), [0x75], [0x87], false, "maybe"],
  ["shrU",  "ww", "w", (a, b, n) => a >> (b & (n - 1n)),                  [0x76], [0x88], false, "maybe"],
  ["rotl",  "ww", "w", (a, b, n) => (a << (b & (n - 1n))) | (a >> (n - (b & (n - 1n)))), [0x77], [0x89]],
  ["rotr",  "ww", "w", (a, b, n) => (a >> (b & (n - 1n))) | (a << (n - (b & (n - 1n)))), [0x78], [0x8a]],
  ["clz",   "w",  "w", (a, _b, n) => n - BigInt(a ? a.toString(2).length : 0),           [0x67], [0x79], false, "always"],
  ["ctz",   "w",  "w", (a, _b, n) => a ? BigInt((a & -a).toString(2).length - 1) : n,    [0x68], [0x7a], false, "always"],
  ["popcnt","w",  "w", (a) => ones(a),                                    [0x69], [0x7b], false, "always"],
  ["eqz",   "w",  "t", (a) => bool(a === 0n),                             [0x45], [0x50]],
  ["eq",    "ww", "t", (a, b) => bool(a === b),                           [0x46], [0x51], true],
  ["ne",    "ww", "t", (a, b) => bool(a !== b),                           [0x47], [0x52], true],
  ["ltS",   "ww", "t", (a, b, n) => bool(BigInt.asIntN(Number(n), a) < BigInt.asIntN(Number(n), b)),  [0x48], [0x53]],
  ["ltU",   "ww", "t", (a, b) => bool(a < b),                             [0x49], [0x54]],
  ["gtS",   "ww", "t", (a, b, n) => bool(BigInt.asIntN(Number(n), a) > BigInt.asIntN(Number(n), b)),  [0x4a], [0x55]],
  ["gtU",   "ww", "t", (a, b) => bool(a > b),                             [0x4b], [0x56]],
  ["leS",   "ww", "t", (a, b, n) => bool(BigInt.asIntN(Number(n), a) <= BigInt.asIntN(Number(n), b)), [0x4c], [0x57]],
  ["leU",   "ww", "t", (a, b) => bool(a <= b),                            [0x4d], [0x58]],
  ["geS",   "ww", "t", (a, b, n) => bool(BigInt.asIntN(Number(n), a) >= BigInt.asIntN(Number(n), b)), [0x4e], [0x59]],
  ["geU",   "ww", "t", (a, b) => bool(a >= b),                            [0x4f], [0x5a]],
  // Division is RISC-V's (Unpriv 20240411, 13.2, table 10): by zero gives all ones and the dividend, overflow gives the dividend and 0.
  ["divS",  "ww", "w", (a, b, n) => { const w = Number(n), x = BigInt.asIntN(w, a), y = BigInt.asIntN(w, b); return y ? x / y : -1n; }, "divS.i", "divS.l"],
  ["divU",  "ww", "w", (a, b) => b ? a / b : -1n,                         "divU.i", "divU.l"],
  ["remS",  "ww", "w", (a, b, n) => { const w = Number(n), x = BigInt.asIntN(w, a), y = BigInt.asIntN(w, b); return y ? x % y : x; },   "remS.i", "remS.l"],
  ["remU",  "ww", "w", (a, b) => b ? a % b : a,                           "remU.i", "remU.l"],
  ["mulhS", "ww", "w", (a, b, n) => (BigInt.asIntN(Number(n), a) * BigInt.asIntN(Number(n), b)) >> n, "mulhS.i", "mulhS.l", true],
  ["mulhU", "ww", "w", (a, b, n) => (a * b) >> n,                         "mulhU.i", "mulhU.l", true],
  ["mulhSU","ww", "w", (a, b, n) => (BigInt.asIntN(Number(n), a) * b) >> n,              "mulhSU.i", "mulhSU.l"],
  ["ext8S", "w",  "w", (a) => BigInt.asIntN(8, a),                        [0xc0], [0xc2], false, "always"],
  ["ext16S","w",  "w", (a) => BigInt.asIntN(16, a),                       [0xc1], [0xc3], false, "always"],
] as const satisfies readonly IntegerRow[];

const f32 = new Float32Array(1), u32 = new Uint32Array(f32.buffer), f64 = new Float64Array(1), u64 = new BigUint64Array(f64.buffer);
const F = (x: bigint) => (u32[0] = Number(x), f32[0]), D = (x: bigint) => (u64[0] = x, f64[0]);
const fbits = (x: number) => (f32[0] = x, BigInt(u32[0])), dbits = (x: number) => (f64[0] = x, u64[0]);
const clamp = (x: number, lo: bigint, hi: bigint) =>
  Number.isNaN(x) ? 0n : x <= Number(lo) ? lo : x >= Number(hi) ? hi : BigInt(Math.trunc(x));
const nearest = (x: number) => {
  if (!Number.isFinite(x) || Math.abs(x) >= 2 ** 52) return x;
  const r = Math.sign(x) * (Math.abs(x) + 2 ** 52 - 2 ** 52);
  return r === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : r;
};

const I32_F32 = 0xbe, F32_I32 = 0xbc, I64_F64 = 0xbf, F64_I64 = 0xbd; // reinterpretations: f32.reinterpret_i32 and so on
// deno-fmt-ignore
const FLOAT = [
  { name: "fadd.i",     args: "ii", result: "i", effect: "pure", float: true, each: I32_F32, wasm: [0x92, F32_I32], eval: (a, b) => fbits(F(a) + F(b)) },
  { name: "fadd.l",     args: "ll", result: "l", effect: "pure", float: true, each: I64_F64, wasm: [0xa0, F64_I64], eval: (a, b) => dbits(D(a) + D(b)) },
  { name: "fsub.i",     args: "ii", result: "i", effect: "pure", float: true, each: I32_F32, wasm: [0x93, F32_I32], eval: (a, b) => fbits(F(a) - F(b)) },
  { name: "fsub.l",     args: "ll", result: "l", effect: "pure", float: true, each: I64_F64, wasm: [0xa1, F64_I64], eval: (a, b) => dbits(D(a) - D(b)) },
  { name: "fmul.i",     args: "ii", result: "i", effect: "pure", float: true, each: I32_F32, wasm: [0x94, F32_I32], eval: (a, b) => fbits(F(a) * F(b)) },
  { name: "fmul.l",     args: "ll", result: "l", effect: "pure", float: true, each: I64_F64, wasm: [0xa2, F64_I64], eval: (a, b) => dbits(D(a) * D(b)) },
  { name: "fdiv.i",     args: "ii", result: "i", effect: "pure", float: true, each: I32_F32, wasm: [0x95, F32_I32], eval: (a, b) => fbits(F(a) / F(b)) },
  { name: "fdiv.l",     args: "ll", result: "l", effect: "pure", float: true, each: I64_F64, wasm: [0xa3, F64_I64], eval: (a, b) => dbits(D(a) / D(b)) },
  { name: "feq.i",      args: "ii", result: "i", effect: "pure", float: true, truth: true, each: I32_F32, wasm: [0x5b],          eval: (a, b) => bool(F(a) === F(b)) },
  { name: "feq.l",      args: "ll", result: "i", effect: "pure", float: true, truth: true, each: I64_F64, wasm: [0x61],          eval: (a, b) => bool(D(a) === D(b)) },
  { name: "flt.i",      args: "ii", result: "i", effect: "pure", float: true, truth: true, each: I32_F32, wasm: [0x5d],          eval: (a, b) => bool(F(a) < F(b)) },
  { name: "flt.l",      args: "ll", result: "i", effect: "pure", float: true, truth: true, each: I64_F64, wasm: [0x63],          eval: (a, b) => bool(D(a) < D(b)) },
  { name: "fle.i",      args: "ii", result: "i", effect: "pure", float: true, truth: true, each: I32_F32, wasm: [0x5f],          eval: (a, b) => bool(F(a) <= F(b)) },
  { name: "fle.l",      args: "ll", result: "i", effect: "pure", float: true, truth: true, each: I64_F64, wasm: [0x65],          eval: (a, b) => bool(D(a) <= D(b)) },
  { name: "fsqrt.i",    args: "i", result: "i", effect: "pure", float: true, wasm: [I32_F32, 0x91, F32_I32],       eval: (a) => fbits(Math.sqrt(F(a))) },
  { name: "fsqrt.l",    args: "l", result: "l", effect: "pure", float: true, wasm: [I64_F64, 0x9f, F64_I64],       eval: (a) => dbits(Math.sqrt(D(a))) },
  { name: "fnearest.i", args: "i", result: "i", effect: "pure", float: true, wasm: [I32_F32, 0x90, F32_I32],       eval: (a) => fbits(nearest(F(a))) },
  { name: "fnearest.l", args: "l", result: "l", effect: "pure", float: true, wasm: [I64_F64, 0x9e, F64_I64],       eval: (a) => dbits(nearest(D(a))) },
  { name: "fpromote",   args: "i", result: "l", effect: "pure", float: true, wasm: [I32_F32, 0xbb, F64_I64],       eval: (a) => dbits(F(a)) },
  { name: "fdemote",    args: "l", result: "i", effect: "pure", float: true, wasm: [I64_F64, 0xb6, F32_I32],       eval: (a) => fbits(D(a)) },
  // Integers to floats, round to nearest even: source letter, signedness, target.
  { name: "fromS.i.i",  args: "i", result: "i", effect: "pure", float: true, wasm: [0xb2, F32_I32],                eval: (a) => fbits(Number(s32(a))) },
  { name: "fromU.i.i",  args: "i", result: "i", effect: "pure", float: true, wasm: [0xb3, F32_I32],                eval: (a) => fbits(Number(a)) },
  { name: "fromS.l.i",  args: "l", result: "i", effect: "pure", float: true, wasm: [0xb4, F32_I32],                eval: (a) => fbits(exact32(s64(a))) },
  { name: "fromU.l.i",  args: "l", result: "i", effect: "pure", float: true, wasm: [0xb5, F32_I32],                eval: (a) => fbits(exact32(a)) },
  { name: "fromS.i.l",  args: "i", result: "l", effect: "pure", float: true, wasm: [0xb7, F64_I64],                eval: (a) => dbits(Number(s32(a))) },
  { name: "fromU.i.l",  args: "i", result: "l", effect: "pure", float: true, wasm: [0xb8, F64_I64],                eval: (a) => dbits(Number(a)) },
  { name: "fromS.l.l",  args: "l", result: "l", effect: "pure", float: true, wasm: [0xb9, F64_I64],                eval: (a) => dbits(Number(s64(a))) },
  { name: "fromU.l.l",  args: "l", result: "l", effect: "pure", float: true, wasm: [0xba, F64_I64],                eval: (a) => dbits(Number(a)) },
  // Floats to integers, towards zero, saturating, NaN gives 0 (wasm's trunc_sat): source, target.
  { name: "truncS.i.i", args: "i", result: "i", effect: "pure", float: true, wasm: [I32_F32, 0xfc, 0],             eval: (a) => clamp(F(a), -(1n << 31n), (1n << 31n) - 1n) },
  { name: "truncU.i.i", args: "i", result: "i", effect: "pure", float: true, wasm: [I32_F32, 0xfc, 1],             eval: (a) => clamp(F(a), 0n, M32) },
  { name: "truncS.l.i", args: "l", result: "i", effect: "pure", float: true, wasm: [I64_F64, 0xfc, 2],             eval: (a) => clamp(D(a), -(1n << 31n), (1n << 31n) - 1n) },
  { name: "truncU.l.i", args: "l", result: "i", effect: "pure", float: true, wasm: [I64_F64, 0xfc, 3],             eval: (a) => clamp(D(a), 0n, M32) },
  { name: "truncS.i.l", args: "i", result: "l", effect: "pure", float: true, wasm: [I32_F32, 0xfc, 4],             eval: (a) => clamp(F(a), -(1n << 63n), (1n << 63n) - 1n) },
  { name: "truncU.i.l", args: "i", result: "l", effect: "pure", float: true, wasm: [I32_F32, 0xfc, 5],             eval: (a) => clamp(F(a), 0n, M64) },
  { name: "truncS.l.l", args: "l", result: "l", effect: "pure", float: true, wasm: [I64_F64, 0xfc, 6],             eval: (a) => clamp(D(a), -(1n << 63n), (1n << 63n) - 1n) },
  { name: "truncU.l.l", args: "l", result: "l", effect: "pure", float: true, wasm: [I64_F64, 0xfc, 7],             eval: (a) => clamp(D(a), 0n, M64) },
] as const satisfies readonly OpRow[];

/** A 64-bit integer rounded once to binary32 (through a double it would be rounded twice). */
function exact32(x: bigint): number {
  const neg = x < 0n, m = neg ? -x : x, extra = m.toString(2).length - 53;
  if (extra <= 0) return Number(x);
  // Round to odd at 53 bits first: then the second rounding is exact.
  const kept = (m >> BigInt(extra)) << BigInt(extra), v = Number(kept | (kept === m ? 0n : 1n << BigInt(extra)));
  return neg ? -v : v;
}

// deno-fmt-ignore
const CONVERT = [
  { name: "wrap",    args: "l",   result: "i", effect: "pure", wasm: [0xa7], eval: (a) => a },
  { name: "extS",    args: "i",   result: "l", effect: "pure", extended: "always", wasm: [0xac], eval: (a) => s32(a) },
  { name: "extU",    args: "i",   result: "l", effect: "pure", extended: "maybe", wasm: [0xad], eval: (a) => a },
  { name: "ext32S",  args: "l",   result: "l", effect: "pure", extended: "always", wasm: [0xc4], eval: (a) => s32(a) },
  // Logic of low halves, sign-extended.
  { name: "andS.l",  args: "ll",  result: "l", effect: "pure", extended: "always", lowOf: "and.l", each: 0xa7, wasm: [0x71, 0xac], commutes: true, eval: (a, b) => s32(a & b) },
  { name: "orS.l",   args: "ll",  result: "l", effect: "pure", extended: "always", lowOf: "or.l", each: 0xa7, wasm: [0x72, 0xac], commutes: true, eval: (a, b) => s32(a | b) },
  { name: "xorS.l",  args: "ll",  result: "l", effect: "pure", extended: "always", lowOf: "xor.l", each: 0xa7, wasm: [0x73, 0xac], commutes: true, eval: (a, b) => s32(a ^ b) },
  // A 32-bit effective address: the sum wraps, then is widened.
  { name: "ea32",    args: "ii",  result: "l", effect: "pure", wasm: [0x6a, 0xad], eval: (a, b) => (a + b) & M32 },
  // select(a, b, c): a when c is not zero, else b.
  { name: "select.i", args: "iii", result: "i", effect: "pure", wasm: [0x1b], eval: (a, b, c) => c ? a : b },
  { name: "select.l", args: "lli", result: "l", effect: "pure", extended: "maybe", wasm: [0x1b], eval: (a, b, c) => c ? a : b },
] as const satisfies readonly OpRow[];

// deno-fmt-ignore
/**
 * Address first. A load or store whose fast path fails leaves the block before its instruction, or completes it exactly: never in between. `rmw`, the
 * load half of a read-modify-write, needs, and faults for, write permission.
 */
const MEMORY = [
  { name: "load8U.i",  args: "l",  result: "i", effect: "reads",  size: 1 },
  { name: "load8S.i",  args: "l",  result: "i", effect: "reads",  size: 1, signed: true },
  { name: "load16U.i", args: "l",  result: "i", effect: "reads",  size: 2 },
  { name: "load16S.i", args: "l",  result: "i", effect: "reads",  size: 2, signed: true },
  { name: "load32.i",  args: "l",  result: "i", effect: "reads",  size: 4 },
  { name: "load8U.l",  args: "l",  result: "l", effect: "reads",  size: 1, extended: "always" },
  { name: "load8S.l",  args: "l",  result: "l", effect: "reads",  size: 1, signed: true, extended: "always" },
  { name: "load16U.l", args: "l",  result: "l", effect: "reads",  size: 2, extended: "always" },
  { name: "load16S.l", args: "l",  result: "l", effect: "reads",  size: 2, signed: true, extended: "always" },
  { name: "load32U.l", args: "l",  result: "l", effect: "reads",  size: 4 },
  { name: "load32S.l", args: "l",  result: "l", effect: "reads",  size: 4, signed: true, extended: "always" },
  { name: "load64.l",  args: "l",  result: "l", effect: "reads",  size: 8 },
  { name: "rmw8U.i",   args: "l",  result: "i", effect: "reads",  size: 1, rmw: true },
  { name: "rmw16U.i",  args: "l",  result: "i", effect: "reads",  size: 2, rmw: true },
  { name: "rmw32.i",   args: "l",  result: "i", effect: "reads",  size: 4, rmw: true },
  { name: "rmw64.l",   args: "l",  result: "l", effect: "reads",  size: 8, rmw: true },
  { name: "store8.i",  args: "li", result: "",  effect: "writes", size: 1 },
  { name: "store16.i", args: "li", result: "",  effect: "writes", size: 2 },
  { name: "store32.i", args: "li", result: "",  effect: "writes", size: 4 },
  { name: "store8.l",  args: "ll", result: "",  effect: "writes", size: 1 },
  { name: "store16.l", args: "ll", result: "",  effect: "writes", size: 2 },
  { name: "store32.l", args: "ll", result: "",  effect: "writes", size: 4 },
  { name: "store64.l", args: "ll", result: "",  effect: "writes", size: 8 },
] as const satisfies readonly OpRow[];

// deno-fmt-ignore
const CONTROL = [
  { name: "const.i", args: "", result: "i", effect: "pure",  imm: "constant" },
  { name: "const.l", args: "", result: "l", effect: "pure",  imm: "constant", extended: "maybe" },
  { name: "get.i",   args: "", result: "i", effect: "state", imm: "slot" },
  { name: "get.l",   args: "", result: "l", effect: "state", imm: "slot", extended: "maybe" },
  { name: "set.i",   args: "i", result: "", effect: "state", imm: "slot" },
  { name: "set.l",   args: "l", result: "", effect: "state", imm: "slot" },
  { name: "insn",    args: "", result: "",  effect: "state", imm: "offset" }, // an instruction begins
  { name: "ticks",   args: "", result: "l", effect: "state" }, // the clock: the slot CLOCK less the instructions left in the budget, this one included
  { name: "branch",  args: "i", result: "", effect: "leaves", imm: "pc" }, // leaves to the constant pc when the operand is not zero, else goes on
  { name: "jump",    args: "", result: "",  effect: "ends", imm: "pc" },   // to the constant pc
  { name: "jumpTo",  args: "l", result: "", effect: "ends" },              // to a computed pc
  // A helper with up to four arguments; it may fault or ask to stop after this instruction.
  { name: "call",    args: "llll", result: "l", effect: "call", imm: "helper", optional: 0 },
  // A helper that itself sets the pc: traps, returns from traps, changes of translation.
  { name: "callEnd", args: "llll", result: "",  effect: "ends", imm: "helper", optional: 0 },
  { name: "jumpOut", args: "l", result: "",  effect: "ends" }, // the same after TLB and CONTEXT were set: the target is in another mode
  // Goes on when operand 0 is not zero; else callEnd with operands 1 to 4.
  { name: "callEndUnless", args: "illll", result: "", effect: "call", imm: "helper", optional: 1 },
  // Operand 1 when operand 0 is not zero; else the helper's result for operands 1 to 4.
  { name: "callUnless", args: "illll", result: "l", effect: "call", imm: "helper", optional: 2 },
] as const satisfies readonly OpRow[];

type Integer = typeof INTEGER[number];
type Fixed = typeof CONVERT[number] | typeof FLOAT[number] | typeof MEMORY[number] | typeof CONTROL[number];
/** The bare name of a row that exists in both widths, and of one whose types are fixed. */
export type IntegerName = Integer[0];
export type FixedName = Fixed["name"];
/** The name of a row; of a pure one; of a load, a store. */
export type OpName = `${IntegerName}.${"i" | "l"}` | FixedName;
export type PureName = `${IntegerName}.${"i" | "l"}` | typeof CONVERT[number]["name"] | typeof FLOAT[number]["name"];
export type LoadName = Extract<typeof MEMORY[number], { effect: "reads" }>["name"];
export type StoreName = Extract<typeof MEMORY[number], { effect: "writes" }>["name"];
/** Operands and result of a row that exists in both widths ("w": the width, "t": 0 or 1), and of one by its name, as the table has them. */
export type IntegerArgs<N extends IntegerName> = Extract<Integer, readonly [N, ...unknown[]]>[1];
export type IntegerResult<N extends IntegerName> = Extract<Integer, readonly [N, ...unknown[]]>[2];
export type Args<N extends OpName> = N extends FixedName ? Extract<Fixed, { name: N }>["args"]
  : N extends `${infer B extends IntegerName}.${infer W}` ? IntegerArgs<B> extends "w" ? W : `${W}${W}`
  : never;
export type Result<N extends OpName> = N extends FixedName ? Extract<Fixed, { name: N }>["result"]
  : N extends `${infer B extends IntegerName}.${infer W}` ? IntegerResult<B> extends "w" ? W : "i"
  : never;

/** Every operation; an op code is an index into this table. Op codes are kept in 16 bits. */
export const OPS: readonly OpRow[] = [];
/** Op code by name. Without a prototype: an object of so many names is a dictionary from the first one on. */
export const OP: Readonly<Record<OpName, number>> = Object.create(null);

// Plain loops, and not in functions: these would be compiled at every start.
for (const w of ["i", "l"] as const) {
  for (const [name, args, result, define, narrow, wide, commutes, extended] of INTEGER as readonly IntegerRow[]) {
    const long = w === "l";
    (OPS as OpRow[]).push({
      name: `${name}.${w}`,
      args: args === "w" ? w : w + w,
      result: result === "w" ? w : "i",
      effect: "pure",
      commutes: commutes === true,
      eval: define,
      bits: long ? 64 : 32,
      wasm: long ? wide : narrow,
      truth: result === "t",
      ...(long && extended && { extended }),
    });
  }
}
for (const rows of [CONVERT, FLOAT, MEMORY, CONTROL]) for (const row of rows) (OPS as OpRow[]).push(row);

// What is asked of a row again and again, by op code: columns of the table as numbers, for code that is HOT.
const column = () => new Uint8Array(OPS.length);
/** The number of operands, and whether some operand, the first one, and the result are i64. */
export const ARITY = column(), LONG_ARGS = column(), LONG_FIRST = column(), LONG = column();
/** The operands may change places. */
export const COMMUTES = column();
/** Pure rows with operands, and those of them whose definition says every bit: no floats. */
export const PURE = column(), EXACT = column();
/** Rows of guest memory: loads, stores, both, those that need write permission; and the bytes of the access. */
export const READS = column(), WRITES = column(), ACCESS = column(), STORES = column(), SIZE = column();
/** The block goes on behind a helper, which may have changed any slot. */
export const CALLS = column();
/** Rows that call a helper at all. */
export const HELPERS = column();
/** Values are not moved across these, nor across what writes memory if they read it: they change slots, begin an instruction, or may leave. */
export const BARRIER = column();
/** Rows of a slot, and those of all of its 64 bits. */
export const ON_SLOT = column(), LONG_SLOT = column();
/** Rows whose i64 result always is its low half, sign-extended; and those where it is, or may be. */
export const EXTENDED = column(), MAYBE_EXTENDED = column();
/** Rows whose i32 result is not negative. */
export const NOT_NEGATIVE = column();
/** Rows that work on low halves, extended; and for the rows of which they do that, their op codes (else 0). */
export const IS_LOW = column(), LOW = new Uint16Array(OPS.length);
/** Comparisons of two i64: wasm's comparison of i32; 0 for other rows. */
export const COMPARE32 = column();
/** Distance from the i32 row of an integer operation to its i64 twin; the former come first. */
export const TWIN = INTEGER.length;

for (let i = 0; i < OPS.length; i++) {
  const { name, args, result, effect, imm, size, truth, extended, bits, lowOf } = OPS[i];
  (OP as Record<string, number>)[name] = i;
  ARITY[i] = args.length;
  if (args.includes("l")) LONG_ARGS[i] = 1;
  if (args[0] === "l") LONG_FIRST[i] = 1;
  if (result === "l") LONG[i] = 1;
  if (OPS[i].commutes) COMMUTES[i] = 1;
  if (effect === "pure" && args !== "") {
    PURE[i] = 1;
    if (!OPS[i].float) EXACT[i] = 1;
  }
  if (effect === "reads") READS[i] = ACCESS[i] = 1;
  if (effect === "writes") WRITES[i] = ACCESS[i] = 1;
  if (effect === "writes" || OPS[i].rmw) STORES[i] = 1;
  if (size) SIZE[i] = size;
  if (effect === "call") CALLS[i] = 1;
  if (imm === "helper") HELPERS[i] = 1;
  if (imm === "slot") {
    ON_SLOT[i] = 1;
    if (result === "l" || args === "l") LONG_SLOT[i] = 1;
  }
  if (effect === "call" || effect === "leaves" || effect === "ends" || imm === "offset" || (imm === "slot" && result === "")) {
    BARRIER[i] = 1;
  }
  if (extended) MAYBE_EXTENDED[i] = 1;
  if (extended === "always") EXTENDED[i] = 1;
  if (truth || (result === "i" && effect === "reads" && size! < 4 && !OPS[i].signed)) NOT_NEGATIVE[i] = 1;
  if (lowOf) {
    IS_LOW[i] = 1;
    LOW[OP[lowOf as OpName]] = i;
  }
  if (truth && bits === 64 && args.length === 2) COMPARE32[i] = OPS[i - TWIN].wasm![0] as number;
}

/** Op codes that are asked for by name. */
export const ADD_I = OP["add.i"],
  ADD_L = OP["add.l"],
  SUB_I = OP["sub.i"],
  SUB_L = OP["sub.l"],
  AND_L = OP["and.l"],
  SHR_S_L = OP["shrS.l"],
  SHR_U_L = OP["shrU.l"],
  WRAP = OP["wrap"],
  EXT_S = OP["extS"],
  EXT_U = OP["extU"],
  EXT32_S = OP["ext32S"],
  EA32 = OP["ea32"],
  SELECT_I = OP["select.i"],
  SELECT_L = OP["select.l"],
  CONST_I = OP["const.i"],
  CONST_L = OP["const.l"],
  GET_I = OP["get.i"],
  GET_L = OP["get.l"],
  SET_I = OP["set.i"],
  SET_L = OP["set.l"],
  INSN = OP["insn"],
  TICKS = OP["ticks"],
  BRANCH = OP["branch"],
  JUMP = OP["jump"],
  JUMP_TO = OP["jumpTo"],
  JUMP_OUT = OP["jumpOut"],
  CALL = OP["call"],
  CALL_END = OP["callEnd"],
  CALL_UNLESS = OP["callUnless"],
  CALL_END_UNLESS = OP["callEndUnless"];
