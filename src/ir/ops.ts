// The IR: one table of total operations. `eval` is the definition (BigInt, unsigned bit patterns) and the oracle of the tests;
// `wasm` is how both engines emit it. Names are wasm's where the meaning is the same, suffixed .i (i32) or .l (i64).
// Floating-point values are bit patterns: f32 in .i, f64 in .l; wasm's NaN payloads are not defined, so callers guard NaN results.

/** Type of a value: i32, i64, or nothing. */
export type Ty = "i" | "l" | "";
/** pure: may be moved, shared, dropped. reads/writes: guest memory; may leave before it has an effect. state: slots. call, ends: see the row. */
export type Effect = "pure" | "reads" | "writes" | "state" | "call" | "ends";

/** A row of the table. */
export interface OpRow {
  readonly name: string;
  /** Types of the operands, one letter each. */
  readonly args: string;
  readonly result: Ty;
  readonly effect: Effect;
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
}

const M32 = 0xffff_ffffn, M64 = 0xffff_ffff_ffff_ffffn;
const s32 = (x: bigint) => BigInt.asIntN(32, x), s64 = (x: bigint) => BigInt.asIntN(64, x);
const bool = (b: boolean) => b ? 1n : 0n;
const ones = (x: bigint) => BigInt(x.toString(2).replaceAll("0", "").length);

// deno-fmt-ignore
/** Integer rows that exist in both widths: [name, operands, result ("w" = the width), eval(a, b, bits), wasm for i32, for i64, commutes]. */
const INTEGER: readonly [string, string, string, (a: bigint, b: bigint, n: bigint) => bigint, readonly number[] | string, readonly number[] | string, boolean?][] = [
  ["add",   "ww", "w", (a, b) => a + b,                                   [0x6a], [0x7c], true],
  ["sub",   "ww", "w", (a, b) => a - b,                                   [0x6b], [0x7d]],
  ["mul",   "ww", "w", (a, b) => a * b,                                   [0x6c], [0x7e], true],
  ["and",   "ww", "w", (a, b) => a & b,                                   [0x71], [0x83], true],
  ["or",    "ww", "w", (a, b) => a | b,                                   [0x72], [0x84], true],
  ["xor",   "ww", "w", (a, b) => a ^ b,                                   [0x73], [0x85], true],
  ["shl",   "ww", "w", (a, b, n) => a << (b & (n - 1n)),                  [0x74], [0x86]],
  ["shrS",  "ww", "w", (a, b, n) => BigInt.asIntN(Number(n), a) >> (b & (n - 1n)), [0x75], [0x87]],
  ["shrU",  "ww", "w", (a, b, n) => a >> (b & (n - 1n)),                  [0x76], [0x88]],
  ["rotl",  "ww", "w", (a, b, n) => (a << (b & (n - 1n))) | (a >> (n - (b & (n - 1n)))), [0x77], [0x89]],
  ["rotr",  "ww", "w", (a, b, n) => (a >> (b & (n - 1n))) | (a << (n - (b & (n - 1n)))), [0x78], [0x8a]],
  ["clz",   "w",  "w", (a, _b, n) => n - BigInt(a ? a.toString(2).length : 0),           [0x67], [0x79]],
  ["ctz",   "w",  "w", (a, _b, n) => a ? BigInt((a & -a).toString(2).length - 1) : n,    [0x68], [0x7a]],
  ["popcnt","w",  "w", (a) => ones(a),                                    [0x69], [0x7b]],
  ["eqz",   "w",  "i", (a) => bool(a === 0n),                             [0x45], [0x50]],
  ["eq",    "ww", "i", (a, b) => bool(a === b),                           [0x46], [0x51], true],
  ["ne",    "ww", "i", (a, b) => bool(a !== b),                           [0x47], [0x52], true],
  ["ltS",   "ww", "i", (a, b, n) => bool(BigInt.asIntN(Number(n), a) < BigInt.asIntN(Number(n), b)),  [0x48], [0x53]],
  ["ltU",   "ww", "i", (a, b) => bool(a < b),                             [0x49], [0x54]],
  ["gtS",   "ww", "i", (a, b, n) => bool(BigInt.asIntN(Number(n), a) > BigInt.asIntN(Number(n), b)),  [0x4a], [0x55]],
  ["gtU",   "ww", "i", (a, b) => bool(a > b),                             [0x4b], [0x56]],
  ["leS",   "ww", "i", (a, b, n) => bool(BigInt.asIntN(Number(n), a) <= BigInt.asIntN(Number(n), b)), [0x4c], [0x57]],
  ["leU",   "ww", "i", (a, b) => bool(a <= b),                            [0x4d], [0x58]],
  ["geS",   "ww", "i", (a, b, n) => bool(BigInt.asIntN(Number(n), a) >= BigInt.asIntN(Number(n), b)), [0x4e], [0x59]],
  ["geU",   "ww", "i", (a, b) => bool(a >= b),                            [0x4f], [0x5a]],
  // Division is RISC-V's (Unpriv 20240411, 13.2, table 10): by zero gives all ones and the dividend, overflow gives the dividend and 0.
  ["divS",  "ww", "w", (a, b, n) => { const w = Number(n), x = BigInt.asIntN(w, a), y = BigInt.asIntN(w, b); return y ? x / y : -1n; }, "divS.i", "divS.l"],
  ["divU",  "ww", "w", (a, b) => b ? a / b : -1n,                         "divU.i", "divU.l"],
  ["remS",  "ww", "w", (a, b, n) => { const w = Number(n), x = BigInt.asIntN(w, a), y = BigInt.asIntN(w, b); return y ? x % y : x; },   "remS.i", "remS.l"],
  ["remU",  "ww", "w", (a, b) => b ? a % b : a,                           "remU.i", "remU.l"],
  ["mulhS", "ww", "w", (a, b, n) => (BigInt.asIntN(Number(n), a) * BigInt.asIntN(Number(n), b)) >> n, "mulhS.i", "mulhS.l", true],
  ["mulhU", "ww", "w", (a, b, n) => (a * b) >> n,                         "mulhU.i", "mulhU.l", true],
  ["mulhSU","ww", "w", (a, b, n) => (BigInt.asIntN(Number(n), a) * b) >> n,              "mulhSU.i", "mulhSU.l"],
  ["ext8S", "w",  "w", (a) => BigInt.asIntN(8, a),                        [0xc0], [0xc2]],
  ["ext16S","w",  "w", (a) => BigInt.asIntN(16, a),                       [0xc1], [0xc3]],
];

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
const FLOAT: readonly OpRow[] = [
  { name: "fadd.i",     args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x92, F32_I32], eval: (a, b) => fbits(F(a) + F(b)) },
  { name: "fadd.l",     args: "ll", result: "l", effect: "pure", each: I64_F64, wasm: [0xa0, F64_I64], eval: (a, b) => dbits(D(a) + D(b)) },
  { name: "fsub.i",     args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x93, F32_I32], eval: (a, b) => fbits(F(a) - F(b)) },
  { name: "fsub.l",     args: "ll", result: "l", effect: "pure", each: I64_F64, wasm: [0xa1, F64_I64], eval: (a, b) => dbits(D(a) - D(b)) },
  { name: "fmul.i",     args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x94, F32_I32], eval: (a, b) => fbits(F(a) * F(b)) },
  { name: "fmul.l",     args: "ll", result: "l", effect: "pure", each: I64_F64, wasm: [0xa2, F64_I64], eval: (a, b) => dbits(D(a) * D(b)) },
  { name: "fdiv.i",     args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x95, F32_I32], eval: (a, b) => fbits(F(a) / F(b)) },
  { name: "fdiv.l",     args: "ll", result: "l", effect: "pure", each: I64_F64, wasm: [0xa3, F64_I64], eval: (a, b) => dbits(D(a) / D(b)) },
  { name: "feq.i",      args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x5b],          eval: (a, b) => bool(F(a) === F(b)) },
  { name: "feq.l",      args: "ll", result: "i", effect: "pure", each: I64_F64, wasm: [0x61],          eval: (a, b) => bool(D(a) === D(b)) },
  { name: "flt.i",      args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x5d],          eval: (a, b) => bool(F(a) < F(b)) },
  { name: "flt.l",      args: "ll", result: "i", effect: "pure", each: I64_F64, wasm: [0x63],          eval: (a, b) => bool(D(a) < D(b)) },
  { name: "fle.i",      args: "ii", result: "i", effect: "pure", each: I32_F32, wasm: [0x5f],          eval: (a, b) => bool(F(a) <= F(b)) },
  { name: "fle.l",      args: "ll", result: "i", effect: "pure", each: I64_F64, wasm: [0x65],          eval: (a, b) => bool(D(a) <= D(b)) },
  { name: "fsqrt.i",    args: "i", result: "i", effect: "pure", wasm: [I32_F32, 0x91, F32_I32],       eval: (a) => fbits(Math.sqrt(F(a))) },
  { name: "fsqrt.l",    args: "l", result: "l", effect: "pure", wasm: [I64_F64, 0x9f, F64_I64],       eval: (a) => dbits(Math.sqrt(D(a))) },
  { name: "fnearest.i", args: "i", result: "i", effect: "pure", wasm: [I32_F32, 0x90, F32_I32],       eval: (a) => fbits(nearest(F(a))) },
  { name: "fnearest.l", args: "l", result: "l", effect: "pure", wasm: [I64_F64, 0x9e, F64_I64],       eval: (a) => dbits(nearest(D(a))) },
  { name: "fpromote",   args: "i", result: "l", effect: "pure", wasm: [I32_F32, 0xbb, F64_I64],       eval: (a) => dbits(F(a)) },
  { name: "fdemote",    args: "l", result: "i", effect: "pure", wasm: [I64_F64, 0xb6, F32_I32],       eval: (a) => fbits(D(a)) },
  // Integers to floats, round to nearest even: source letter, signedness, target.
  { name: "fromS.i.i",  args: "i", result: "i", effect: "pure", wasm: [0xb2, F32_I32],                eval: (a) => fbits(Number(s32(a))) },
  { name: "fromU.i.i",  args: "i", result: "i", effect: "pure", wasm: [0xb3, F32_I32],                eval: (a) => fbits(Number(a)) },
  { name: "fromS.l.i",  args: "l", result: "i", effect: "pure", wasm: [0xb4, F32_I32],                eval: (a) => fbits(exact32(s64(a))) },
  { name: "fromU.l.i",  args: "l", result: "i", effect: "pure", wasm: [0xb5, F32_I32],                eval: (a) => fbits(exact32(a)) },
  { name: "fromS.i.l",  args: "i", result: "l", effect: "pure", wasm: [0xb7, F64_I64],                eval: (a) => dbits(Number(s32(a))) },
  { name: "fromU.i.l",  args: "i", result: "l", effect: "pure", wasm: [0xb8, F64_I64],                eval: (a) => dbits(Number(a)) },
  { name: "fromS.l.l",  args: "l", result: "l", effect: "pure", wasm: [0xb9, F64_I64],                eval: (a) => dbits(Number(s64(a))) },
  { name: "fromU.l.l",  args: "l", result: "l", effect: "pure", wasm: [0xba, F64_I64],                eval: (a) => dbits(Number(a)) },
  // Floats to integers, towards zero, saturating, NaN gives 0 (wasm's trunc_sat): source, target.
  { name: "truncS.i.i", args: "i", result: "i", effect: "pure", wasm: [I32_F32, 0xfc, 0],             eval: (a) => clamp(F(a), -(1n << 31n), (1n << 31n) - 1n) },
  { name: "truncU.i.i", args: "i", result: "i", effect: "pure", wasm: [I32_F32, 0xfc, 1],             eval: (a) => clamp(F(a), 0n, M32) },
  { name: "truncS.l.i", args: "l", result: "i", effect: "pure", wasm: [I64_F64, 0xfc, 2],             eval: (a) => clamp(D(a), -(1n << 31n), (1n << 31n) - 1n) },
  { name: "truncU.l.i", args: "l", result: "i", effect: "pure", wasm: [I64_F64, 0xfc, 3],             eval: (a) => clamp(D(a), 0n, M32) },
  { name: "truncS.i.l", args: "i", result: "l", effect: "pure", wasm: [I32_F32, 0xfc, 4],             eval: (a) => clamp(F(a), -(1n << 63n), (1n << 63n) - 1n) },
  { name: "truncU.i.l", args: "i", result: "l", effect: "pure", wasm: [I32_F32, 0xfc, 5],             eval: (a) => clamp(F(a), 0n, M64) },
  { name: "truncS.l.l", args: "l", result: "l", effect: "pure", wasm: [I64_F64, 0xfc, 6],             eval: (a) => clamp(D(a), -(1n << 63n), (1n << 63n) - 1n) },
  { name: "truncU.l.l", args: "l", result: "l", effect: "pure", wasm: [I64_F64, 0xfc, 7],             eval: (a) => clamp(D(a), 0n, M64) },
];

/** A 64-bit integer rounded once to binary32 (through a double it would be rounded twice). */
function exact32(x: bigint): number {
  const neg = x < 0n, m = neg ? -x : x, extra = m.toString(2).length - 53;
  if (extra <= 0) return Number(x);
  // Round to odd at 53 bits first: then the second rounding is exact.
  const kept = (m >> BigInt(extra)) << BigInt(extra), v = Number(kept | (kept === m ? 0n : 1n << BigInt(extra)));
  return neg ? -v : v;
}

// deno-fmt-ignore
const CONVERT: readonly OpRow[] = [
  { name: "wrap",    args: "l",   result: "i", effect: "pure", wasm: [0xa7], eval: (a) => a },
  { name: "extS",    args: "i",   result: "l", effect: "pure", wasm: [0xac], eval: (a) => s32(a) },
  { name: "extU",    args: "i",   result: "l", effect: "pure", wasm: [0xad], eval: (a) => a },
  { name: "ext32S",  args: "l",   result: "l", effect: "pure", wasm: [0xc4], eval: (a) => s32(a) },
  // Logic of low halves, sign-extended.
  { name: "andS.l",  args: "ll",  result: "l", effect: "pure", each: 0xa7, wasm: [0x71, 0xac], commutes: true, eval: (a, b) => s32(a & b) },
  { name: "orS.l",   args: "ll",  result: "l", effect: "pure", each: 0xa7, wasm: [0x72, 0xac], commutes: true, eval: (a, b) => s32(a | b) },
  { name: "xorS.l",  args: "ll",  result: "l", effect: "pure", each: 0xa7, wasm: [0x73, 0xac], commutes: true, eval: (a, b) => s32(a ^ b) },
  // A 32-bit effective address: the sum wraps, then is widened.
  { name: "ea32",    args: "ii",  result: "l", effect: "pure", wasm: [0x6a, 0xad], eval: (a, b) => (a + b) & M32 },
  // select(a, b, c): a when c is not zero, else b.
  { name: "select.i", args: "iii", result: "i", effect: "pure", wasm: [0x1b], eval: (a, b, c) => c ? a : b },
  { name: "select.l", args: "lli", result: "l", effect: "pure", wasm: [0x1b], eval: (a, b, c) => c ? a : b },
];

const memory = (name: string, size: number, result: Ty, signed = false): OpRow => ({
  name,
  args: "l",
  result,
  effect: "reads",
  size,
  signed,
});
/** The load half of a read-modify-write: it needs, and faults for, write permission. */
const rmw = (name: string, size: number, result: Ty): OpRow => ({
  name,
  args: "l",
  result,
  effect: "reads",
  size,
  signed: false,
  rmw: true,
});
const store = (name: string, size: number, ty: Ty): OpRow => ({ name, args: "l" + ty, result: "", effect: "writes", size });
/** Address first. A load or store whose fast path fails leaves the block before its instruction, or completes it exactly: never in between. */
const MEMORY: readonly OpRow[] = [
  memory("load8U.i", 1, "i"),
  memory("load8S.i", 1, "i", true),
  memory("load16U.i", 2, "i"),
  memory("load16S.i", 2, "i", true),
  memory("load32.i", 4, "i"),
  memory("load8U.l", 1, "l"),
  memory("load8S.l", 1, "l", true),
  memory("load16U.l", 2, "l"),
  memory("load16S.l", 2, "l", true),
  memory("load32U.l", 4, "l"),
  memory("load32S.l", 4, "l", true),
  memory("load64.l", 8, "l"),
  rmw("rmw8U.i", 1, "i"),
  rmw("rmw16U.i", 2, "i"),
  rmw("rmw32.i", 4, "i"),
  rmw("rmw64.l", 8, "l"),
  store("store8.i", 1, "i"),
  store("store16.i", 2, "i"),
  store("store32.i", 4, "i"),
  store("store8.l", 1, "l"),
  store("store16.l", 2, "l"),
  store("store32.l", 4, "l"),
  store("store64.l", 8, "l"),
];

// deno-fmt-ignore
const CONTROL: readonly OpRow[] = [
  { name: "const.i", args: "", result: "i", effect: "pure" },
  { name: "const.l", args: "", result: "l", effect: "pure" },
  { name: "get.i",   args: "", result: "i", effect: "state" }, // imm: slot address
  { name: "get.l",   args: "", result: "l", effect: "state" },
  { name: "set.i",   args: "i", result: "", effect: "state" },
  { name: "set.l",   args: "l", result: "", effect: "state" },
  { name: "insn",    args: "", result: "",  effect: "state" }, // an instruction begins; imm: bytes from the block's first pc
  { name: "ticks",   args: "", result: "l", effect: "state" }, // the clock: the slot CLOCK less the instructions left in the budget, this one included
  { name: "branch",  args: "i", result: "", effect: "ends" },  // leaves to the constant pc when the operand is not zero, else goes on
  { name: "jump",    args: "", result: "",  effect: "ends" },  // to the constant pc
  { name: "jumpTo",  args: "l", result: "", effect: "ends" },  // to a computed pc
  { name: "call",    args: "llll", result: "l", effect: "call" }, // a helper (imm: its number) with up to four arguments; it may fault or ask to stop after this instruction
  { name: "callEnd", args: "llll", result: "",  effect: "ends" }, // a helper that itself sets the pc: traps, returns from traps, changes of translation
  { name: "jumpOut", args: "l", result: "",  effect: "ends" }, // the same after TLB and CONTEXT were set: the target is in another mode
  { name: "callEndUnless", args: "illll", result: "", effect: "call" }, // goes on when operand 0 is not zero; else callEnd with operands 1 to 4
  { name: "callUnless", args: "illll", result: "l", effect: "call" }, // operand 1 when operand 0 is not zero; else the helper's result for operands 1 to 4
];

/** Every operation; an op code is an index into this table. */
export const OPS: readonly OpRow[] = [];
/** Op code by name. Without a prototype: an object of so many names is a dictionary from the first one on. */
export const OP: Readonly<Record<string, number>> = Object.create(null);

// Plain loops, and not in functions: these would be compiled at every start.
for (const w of ["i", "l"] as const) {
  for (const [name, args, result, define, narrow, wide, commutes] of INTEGER) {
    const long = w === "l";
    (OPS as OpRow[]).push({
      name: `${name}.${w}`,
      args: args.length === 1 ? w : w + w,
      result: result === "w" ? w : "i",
      effect: "pure",
      commutes: commutes === true,
      eval: define,
      bits: long ? 64 : 32,
      wasm: long ? wide : narrow,
    });
  }
}
for (const rows of [CONVERT, FLOAT, MEMORY, CONTROL]) for (const row of rows) (OPS as OpRow[]).push(row);

/** By op code: the number of operands, and whether the result is an i64, the operands may change places, and what the row does. */
export const ARITY = new Uint8Array(OPS.length), LONG = new Uint8Array(OPS.length), COMMUTES = new Uint8Array(OPS.length);
/** Pure rows with operands. */
export const PURE = new Uint8Array(OPS.length);
export const READS = new Uint8Array(OPS.length), WRITES = new Uint8Array(OPS.length);

for (let i = 0; i < OPS.length; i++) {
  const { name, args, result, effect, commutes } = OPS[i];
  (OP as Record<string, number>)[name] = i;
  ARITY[i] = args.length;
  if (result === "l") LONG[i] = 1;
  if (commutes) COMMUTES[i] = 1;
  if (effect === "pure" && args !== "") PURE[i] = 1;
  else if (effect === "reads") READS[i] = 1;
  else if (effect === "writes") WRITES[i] = 1;
}
