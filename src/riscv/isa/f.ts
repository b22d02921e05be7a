// F, D, Zfhmin, Zfh and Zfa: binary floating point (RISC-V Unprivileged ISA 20240411, chapters 21, 22, 24, 25). One family of rows for all formats.
// Results that need care (flags not yet set, NaNs, tiny numbers, rounding modes other than nearest even) come from the helpers of float.ts;
// the rest is wasm arithmetic, under the conditions that ../../ir/softfloat.ts states and tests.
import type { I32, I64, Val } from "../../ir/builder.ts";
import { fused32, fused64, negated } from "../../ir/fused.ts";
import type { Emit } from "../emit.ts";
import { type FloatHelper, H } from "../helpers.ts";
import { alias, type Group, insn, type Row } from "../insn.ts";
import { F, FRM } from "../slots.ts";

/** A floating-point format. `raw` is a register's value (i32 for h and s, i64 for d), unboxed. */
interface Format {
  readonly letter: "h" | "s" | "d";
  /** The fmt field. */
  readonly bits: string;
  raw(b: Emit, n: number): Val;
  /** Writes the i64 `value`, whose upper bits are zero. */
  setLong(b: Emit, n: number, value: I64): void;
}
const half: Format = {
  letter: "h",
  bits: "10",
  raw: (b, n) => b.f16(n),
  setLong: (b, n, v) => b.setF16(n, v),
};
const single: Format = {
  letter: "s",
  bits: "00",
  raw: (b, n) => b.f32(n),
  setLong: (b, n, v) => b.setF32(n, v),
};
const double: Format = {
  letter: "d",
  bits: "01",
  raw: (b, n) => b.f64(n),
  setLong: (b, n, v) => b.setF64(n, v),
};

/** Type-level stand-ins for bits that a family puts into a row: their values do not matter to the type checker. */
type B2 = "00";
type B5 = "00000";

// --- conditions for the fast way; values are raw bits
/** Suffix of the IR rows of a value's format. */
const suffix = (b: Emit, v: Val) => b.isLong(v) ? "l" : "i";
/** The bits without the sign, shifted left by one: ordered like magnitudes. */
const magnitude = (b: Emit, v: Val) => b.shl(v, b.like(v, 1));
const isFinite_ = (b: Emit, v: Val) => b.ltU(magnitude(b, v), b.isLong(v) ? b.i64Halves(0, 0xffe0_0000 | 0) : b.i32(0xff00_0000));
/** Finite and above the smallest normal number. */
function isSafe(b: Emit, v: Val): I32 {
  const m = magnitude(b, v);
  return b.isLong(v)
    ? b.ltU(b.sub(m, b.i64Halves(1, 0x0020_0000)), b.i64Halves(-1, 0xffbf_ffff | 0))
    : b.ltU(b.sub(m, b.i32(0x0100_0001)), b.i32(0xfdff_ffff));
}
const isZero = (b: Emit, v: Val) => b.eqz(magnitude(b, v));
const isNumber = (b: Emit, v: Val) => b.pure(`feq.${suffix(b, v)}`, v, v);

// --- arithmetic
type Two = { readonly rd: number; readonly rs1: number; readonly rs2: number; readonly rm: number };
/** When the wasm result `r` of a and b is right and raises no flag but NX. */
type Condition = (b: Emit, r: Val, x: Val, y: Val) => I32;

function arithmetic(b: Emit, t: Format, name: "fadd" | "fsub" | "fmul" | "fdiv", f: Two, ok: Condition): void {
  if (!b.fpRounds(f.rm)) return;
  const x = t.raw(b, f.rs1), y = t.raw(b, f.rs2), helper = H[`${name}.${t.letter}`], word = b.i64Halves(b.word, 0);
  if (t === half || !b.fpFast(f.rm)) return t.setLong(b, f.rd, b.call(helper, b.i64(0), b.long(x), b.long(y), word));
  const r = b.pure(`${name}.${suffix(b, x)}`, x, y);
  t.setLong(b, f.rd, b.callUnless(ok(b, r, x, y), b.long(r), helper, b.long(x), b.long(y), word));
}

function sqrt(b: Emit, t: Format, f: { rd: number; rs1: number; rm: number }): void {
  if (!b.fpRounds(f.rm)) return;
  const x = t.raw(b, f.rs1), helper = H[`fsqrt.${t.letter}`], zero = b.i64(0), word = b.i64Halves(b.word, 0);
  if (t === half || !b.fpFast(f.rm)) return t.setLong(b, f.rd, b.call(helper, zero, b.long(x), zero, word));
  const r = b.pure(`fsqrt.${suffix(b, x)}`, x);
  t.setLong(b, f.rd, b.callUnless(isFinite_(b, r), b.long(r), helper, b.long(x), zero, word));
}

type Three = Two & { readonly rs3: number };
function fused(b: Emit, t: Format, name: "fmadd" | "fmsub" | "fnmsub" | "fnmadd", f: Three): void {
  if (!b.fpRounds(f.rm)) return;
  const x = t.raw(b, f.rs1), y = t.raw(b, f.rs2), z = t.raw(b, f.rs3);
  if (t.letter === "h" || !b.fpFast(f.rm)) {
    return t.setLong(b, f.rd, b.call(H[`${name}.${t.letter}`], b.long(z), b.long(x), b.long(y), b.i64Halves(b.word, 0)));
  }
  const factor = name === "fnmsub" || name === "fnmadd" ? negated(b, x) : x;
  const addend = name === "fmsub" || name === "fnmadd" ? negated(b, z) : z;
  const { value, ok } = t === double ? fused64(b, factor, y, addend) : fused32(b, factor, y, addend);
  t.setLong(b, f.rd, b.callUnless(ok, b.long(value), H[`${name}.${t.letter}.rne`], b.long(x), b.long(y), b.long(z)));
}

/** Calls the helper of a row without a rounding mode, on one or two operands; its i64 result. */
function helper(b: Emit, name: FloatHelper, x: Val, y: Val = b.i64(0)): I64 {
  return b.call(H[name], b.i64(0), b.long(x), b.long(y), b.i64Halves(b.word, 0));
}

type Pair = { readonly rd: number; readonly rs1: number; readonly rs2: number };
/** Sign of rs2, inverted, or combined with rs1's. */
function signInject(b: Emit, t: Format, kind: "" | "n" | "x", f: Pair): void {
  if (!b.fpWrites()) return;
  const x = t.raw(b, f.rs1), y = t.raw(b, f.rs2);
  const sign = t === double ? b.i64Halves(0, 0x8000_0000 | 0) : b.i32(t === single ? 0x8000_0000 : 0x8000);
  if (kind === "x") return t.setLong(b, f.rd, b.long(b.xor(x, b.and(y, sign))));
  const from = b.and(kind === "n" ? b.not(y) : y, sign);
  t.setLong(b, f.rd, b.long(b.or(b.and(x, b.not(sign)), from)));
}

function minMax(b: Emit, t: Format, name: "fmin" | "fmax", f: Pair): void {
  if (!b.fpWrites()) return;
  const x = t.raw(b, f.rs1), y = t.raw(b, f.rs2), word = b.i64Halves(b.word, 0);
  if (t === half) return t.setLong(b, f.rd, helper(b, `${name}.h`, x, y));
  // Equal numbers have equal bits, but for zeros: there the sign decides, -0 being below +0.
  const equal = name === "fmin" ? b.or(x, y) : b.and(x, y), s = suffix(b, x);
  const less = name === "fmin" ? x : y, greater = name === "fmin" ? y : x;
  const r = b.select(b.pure(`flt.${s}`, x, y), less, b.select(b.pure(`flt.${s}`, y, x), greater, equal));
  const ok = b.and(isNumber(b, x), isNumber(b, y));
  t.setLong(b, f.rd, b.callUnless(ok, b.long(r), H[`${name}.${t.letter}`], b.long(x), b.long(y), word));
}

function compare(b: Emit, t: Format, name: "feq" | "flt" | "fle", f: Pair): void {
  // Only flags are written, and only when an operand is a NaN; FS is dirty all the same, as on QEMU.
  if (!b.fpWrites()) return;
  const x = t.raw(b, f.rs1), y = t.raw(b, f.rs2), word = b.i64Halves(b.word, 0);
  if (t === half) return b.setX(f.rd, helper(b, `${name}.h`, x, y));
  const r = b.extU(b.pure(`${name}.${suffix(b, x)}`, x, y)), ok = b.and(isNumber(b, x), isNumber(b, y));
  b.setX(f.rd, b.callUnless(ok, r, H[`${name}.${t.letter}`], b.long(x), b.long(y), word));
}

// --- conversions
/** i32: whether the rounding mode is a valid one; an exact conversion then ignores it. */
const roundingValid = (b: Emit, rm: number) => rm < 5 || b.fpFast(rm) ? b.i32(1) : b.leU(b.getI(FRM), b.i32(4));

function convertFormat(b: Emit, to: Format, from: Format, f: { rd: number; rs1: number; rm: number }): void {
  if (!b.fpRounds(f.rm)) return;
  const x = from.raw(b, f.rs1), zero = b.i64(0), word = b.i64Halves(b.word, 0);
  const number = H[`fcvt.${to.letter}.${from.letter}` as FloatHelper];
  const unless = (ok: I32, fast: Val) => to.setLong(b, f.rd, b.callUnless(ok, b.long(fast), number, b.long(x), zero, word));
  if (to === double && from === single) return unless(b.and(isNumber(b, x), roundingValid(b, f.rm)), b.fpromote(x));
  if (to === single && from === double) {
    const r = b.fdemote(x), safe = b.or(isSafe(b, r), isZero(b, x));
    if (b.fpFast(f.rm)) return unless(safe, r);
    return unless(b.and(b.and(safe, b.eq(b.fpromote(r), x)), roundingValid(b, f.rm)), r);
  }
  to.setLong(b, f.rd, b.call(number, zero, b.long(x), zero, word));
}

interface Int {
  readonly name: "w" | "wu" | "l" | "lu";
  /** The rs2 field. */
  readonly bits: string;
  readonly signed: boolean;
  readonly long: boolean;
}
const INTS: readonly Int[] = [
  { name: "w", bits: "00000", signed: true, long: false },
  { name: "wu", bits: "00001", signed: false, long: false },
  { name: "l", bits: "00010", signed: true, long: true },
  { name: "lu", bits: "00011", signed: false, long: true },
];

function fromInt(b: Emit, t: Format, int: Int, f: { rd: number; rs1: number; rm: number }): void {
  if (!b.fpRounds(f.rm)) return;
  const x = int.long ? b.x(f.rs1) : b.w(f.rs1), number = H[`fcvt.${t.letter}.${int.name}`], zero = b.i64(0), word = b.i64Halves(b.word, 0);
  if (t === half) return t.setLong(b, f.rd, b.call(number, zero, b.long(x), zero, word));
  const kind = int.signed ? "S" : "U", width = int.long ? "l" : "i", s = t === double ? "l" : "i";
  const r = b.pure(`from${kind}.${width}.${s}`, x);
  // The result is finite and not tiny: the only flag can be NX.
  if (b.fpFast(f.rm)) return t.setLong(b, f.rd, b.long(r));
  let ok = roundingValid(b, f.rm);
  if (t === double && !int.long) {
    if (b.constant(ok) === 1) return t.setLong(b, f.rd, b.long(r));
  } else {
    // Exact when it converts back to what it was; 2^31 and so on would saturate to it.
    const back = b.eq(b.pure(`trunc${kind}.${s}.${width}`, r), x), high = RANGE[int.name][t === double ? "d" : "s"][1];
    ok = b.and(ok, b.and(back, b.pure(`flt.${s}`, r, t === double ? b.i64Halves(0, high) : b.i32(high))));
  }
  t.setLong(b, f.rd, b.callUnless(ok, b.long(r), number, b.long(x), zero, word));
}

/** Bit patterns of -2^31, -2^63 and so on, by format; `below` is the smallest number that truncates to the least integer, or is just below it. */
// deno-fmt-ignore
const RANGE = {
  w:  { s: [0xcf00_0000, 0x4f00_0000], d: [0xc1e0_0000, 0x41e0_0000] },
  wu: { s: [0x8000_0000, 0x4f80_0000], d: [0x8000_0000, 0x41f0_0000] },
  l:  { s: [0xdf00_0000, 0x5f00_0000], d: [0xc3e0_0000, 0x43e0_0000] },
  lu: { s: [0x8000_0000, 0x5f80_0000], d: [0x8000_0000, 0x43f0_0000] },
} as const;

function toInt(b: Emit, t: Format, int: Int, f: { rd: number; rs1: number; rm: number }): void {
  if (!b.fpRounds(f.rm)) return;
  const x = t.raw(b, f.rs1), number = H[`fcvt.${int.name}.${t.letter}`], word = b.i64Halves(b.word, 0);
  // To zero and to nearest even can go the fast way.
  if (t === half || f.rm > 1 && !b.fpFast(f.rm)) return b.setX(f.rd, b.call(number, b.i64(0), b.long(x), b.i64(0), word));
  const s = suffix(b, x), nearest = f.rm === 1 ? x : b.pure(`fnearest.${s}`, x);
  const [low, high] = RANGE[int.name][t === double ? "d" : "s"].map((hi) => t === double ? b.i64Halves(0, hi | 0) : b.i32(hi));
  const inRange = b.and(b.pure(`fle.${s}`, low, nearest), b.pure(`flt.${s}`, nearest, high));
  const kind = int.signed ? "S" : "U", width = int.long ? "l" : "i";
  const r = b.pure(`trunc${kind}.${s}.${width}`, nearest), fast = b.isLong(r) ? r : b.extS(r);
  // With NX set already an inexact result changes no flag; otherwise it must convert back to what it was.
  const ok = b.fpFast(7) ? inRange : b.and(inRange, b.pure(`feq.${s}`, b.pure(`from${kind}.${width}.${s}`, r), x));
  b.setX(f.rd, b.callUnless(ok, fast, number, b.long(x), b.i64(0), word));
}

/** Rows with a rounding-mode field and one family of arithmetic for each format. */
const safe: Condition = (b, r) => isSafe(b, r);
function arithmeticRows(t: Format): Row[] {
  const bits = t.bits as B2, l = t.letter;
  return [
    insn(`rs3 ${bits} rs2 rs1 rm rd 1000011`, `fmadd.${l} fd, fs1, fs2, fs3, rm`, (b, f) => fused(b, t, "fmadd", f)),
    insn(`rs3 ${bits} rs2 rs1 rm rd 1000111`, `fmsub.${l} fd, fs1, fs2, fs3, rm`, (b, f) => fused(b, t, "fmsub", f)),
    insn(`rs3 ${bits} rs2 rs1 rm rd 1001011`, `fnmsub.${l} fd, fs1, fs2, fs3, rm`, (b, f) => fused(b, t, "fnmsub", f)),
    insn(`rs3 ${bits} rs2 rs1 rm rd 1001111`, `fnmadd.${l} fd, fs1, fs2, fs3, rm`, (b, f) => fused(b, t, "fnmadd", f)),
    // A finite sum that is tiny is exact: no underflow.
    insn(`00000${bits} rs2 rs1 rm rd 1010011`, `fadd.${l} fd, fs1, fs2, rm`, (b, f) => arithmetic(b, t, "fadd", f, isFinite_)),
    insn(`00001${bits} rs2 rs1 rm rd 1010011`, `fsub.${l} fd, fs1, fs2, rm`, (b, f) => arithmetic(b, t, "fsub", f, isFinite_)),
    insn(
      `00010${bits} rs2 rs1 rm rd 1010011`,
      `fmul.${l} fd, fs1, fs2, rm`,
      // A zero product is exact when an operand is zero.
      (b, f) => arithmetic(b, t, "fmul", f, (b, r, x, y) => b.or(isSafe(b, r), b.and(isZero(b, r), b.or(isZero(b, x), isZero(b, y))))),
    ),
    insn(`00011${bits} rs2 rs1 rm rd 1010011`, `fdiv.${l} fd, fs1, fs2, rm`, (b, f) => arithmetic(b, t, "fdiv", f, safe)),
    insn(`01011${bits} 00000 rs1 rm rd 1010011`, `fsqrt.${l} fd, fs1, rm`, (b, f) => sqrt(b, t, f)),
    insn(`00100${bits} rs2 rs1 000 rd 1010011`, `fsgnj.${l} fd, fs1, fs2`, (b, f) => signInject(b, t, "", f)),
    insn(`00100${bits} rs2 rs1 001 rd 1010011`, `fsgnjn.${l} fd, fs1, fs2`, (b, f) => signInject(b, t, "n", f)),
    insn(`00100${bits} rs2 rs1 010 rd 1010011`, `fsgnjx.${l} fd, fs1, fs2`, (b, f) => signInject(b, t, "x", f)),
    insn(`00101${bits} rs2 rs1 000 rd 1010011`, `fmin.${l} fd, fs1, fs2`, (b, f) => minMax(b, t, "fmin", f)),
    insn(`00101${bits} rs2 rs1 001 rd 1010011`, `fmax.${l} fd, fs1, fs2`, (b, f) => minMax(b, t, "fmax", f)),
    insn(`10100${bits} rs2 rs1 010 rd 1010011`, `feq.${l} rd, fs1, fs2`, (b, f) => compare(b, t, "feq", f)),
    insn(`10100${bits} rs2 rs1 001 rd 1010011`, `flt.${l} rd, fs1, fs2`, (b, f) => compare(b, t, "flt", f)),
    insn(`10100${bits} rs2 rs1 000 rd 1010011`, `fle.${l} rd, fs1, fs2`, (b, f) => compare(b, t, "fle", f)),
    insn(`11100${bits} 00000 rs1 001 rd 1010011`, `fclass.${l} rd, fs1`, (b, f) => {
      if (b.fpOn()) b.setX(f.rd, helper(b, `fclass.${l}`, t.raw(b, f.rs1)));
    }),
    ...intRows(t, INTS.slice(0, 2)),
  ];
}

const intRows = (t: Format, ints: readonly Int[]): Row[] =>
  ints.flatMap((int) => [
    insn(`11000${t.bits as B2} ${int.bits as B5} rs1 rm rd 1010011`, `fcvt.${int.name}.${t.letter} rd, fs1, rm`, (b, f) =>
      toInt(b, t, int, f)),
    insn(`11010${t.bits as B2} ${int.bits as B5} rs1 rm rd 1010011`, `fcvt.${t.letter}.${int.name} fd, rs1, rm`, (b, f) =>
      fromInt(b, t, int, f)),
  ]);

function convertRow(to: Format, from: Format): Row {
  const source = ("000" + from.bits) as B5;
  return insn(
    `01000${to.bits as B2} ${source} rs1 rm rd 1010011`,
    `fcvt.${to.letter}.${from.letter} fd, fs1, rm`,
    (b, f) => convertFormat(b, to, from, f),
  );
}

const SINGLE: readonly Row[] = [
  insn("imm[11:0] rs1 010 rd 0000111", "flw fd, imm(rs1)", (b, f) => {
    if (b.fpWrites()) b.setF32(f.rd, b.load("load32U.l", b.addr(f.rs1, f.imm)));
  }),
  insn("imm[11:5] rs2 rs1 010 imm[4:0] 0100111", "fsw fs2, imm(rs1)", (b, f) => {
    if (b.fpOn()) b.store("store32.i", b.addr(f.rs1, f.imm), b.getI(F(f.rs2)));
  }),
  ...arithmeticRows(single),
  insn("1110000 00000 rs1 000 rd 1010011", "fmv.x.w rd, fs1", (b, f) => {
    if (b.fpOn()) b.setX(f.rd, b.getI(F(f.rs1)));
  }),
  insn("1111000 00000 rs1 000 rd 1010011", "fmv.w.x fd, rs1", (b, f) => {
    if (b.fpWrites()) b.setF32(f.rd, b.extU(b.w(f.rs1)));
  }),
];
const SINGLE64: readonly Row[] = intRows(single, INTS.slice(2));

const DOUBLE: readonly Row[] = [
  insn("imm[11:0] rs1 011 rd 0000111", "fld fd, imm(rs1)", (b, f) => {
    if (b.fpWrites()) b.setF64(f.rd, b.load("load64.l", b.addr(f.rs1, f.imm)));
  }),
  insn("imm[11:5] rs2 rs1 011 imm[4:0] 0100111", "fsd fs2, imm(rs1)", (b, f) => {
    if (b.fpOn()) b.store("store64.l", b.addr(f.rs1, f.imm), b.f64(f.rs2));
  }),
  ...arithmeticRows(double),
  convertRow(single, double),
  convertRow(double, single),
];
const DOUBLE64: readonly Row[] = [
  ...intRows(double, INTS.slice(2)),
  insn("1110001 00000 rs1 000 rd 1010011", "fmv.x.d rd, fs1", (b, f) => {
    if (b.fpOn()) b.setX(f.rd, b.f64(f.rs1));
  }),
  insn("1111001 00000 rs1 000 rd 1010011", "fmv.d.x fd, rs1", (b, f) => {
    if (b.fpWrites()) b.setF64(f.rd, b.x(f.rs1));
  }),
];

const ZFHMIN: readonly Row[] = [
  insn("imm[11:0] rs1 001 rd 0000111", "flh fd, imm(rs1)", (b, f) => {
    if (b.fpWrites()) b.setF16(f.rd, b.load("load16U.l", b.addr(f.rs1, f.imm)));
  }),
  insn("imm[11:5] rs2 rs1 001 imm[4:0] 0100111", "fsh fs2, imm(rs1)", (b, f) => {
    if (b.fpOn()) b.store("store16.i", b.addr(f.rs1, f.imm), b.getI(F(f.rs2)));
  }),
  insn("1110010 00000 rs1 000 rd 1010011", "fmv.x.h rd, fs1", (b, f) => {
    if (b.fpOn()) b.setX(f.rd, b.ext16S(b.getI(F(f.rs1))));
  }),
  insn("1111010 00000 rs1 000 rd 1010011", "fmv.h.x fd, rs1", (b, f) => {
    if (b.fpWrites()) b.setF16(f.rd, b.extU(b.and(b.w(f.rs1), b.i32(0xffff))));
  }),
  convertRow(single, half),
  convertRow(half, single),
];
/** With D. */
const ZFHMIN_D: readonly Row[] = [convertRow(double, half), convertRow(half, double)];
const ZFH: readonly Row[] = arithmeticRows(half);
const ZFH64: readonly Row[] = intRows(half, INTS.slice(2));

// --- Zfa
// deno-fmt-ignore
/** Constants of fli (Unpriv 25.1, table) as numbers; entry 1 is the smallest normal number of the format. */
const FLI: readonly number[] = [
  -1, 0, 2 ** -16, 2 ** -15, 2 ** -8, 2 ** -7, 0.0625, 0.125, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875,
  1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 8, 16, 128, 256, 2 ** 15, 2 ** 16, Infinity, NaN,
];
const scratch = new DataView(new ArrayBuffer(8));
/** Upper 32 bits of the constant's binary64; every constant but a few subnormal halves is exact in each format. */
function fliBits(t: Format, index: number): { lo: number; hi: number } {
  if (index === 31) return t === double ? { lo: 0, hi: 0x7ff8_0000 } : { lo: t === single ? 0x7fc0_0000 : 0x7e00, hi: 0 };
  if (index === 1) return t === double ? { lo: 0, hi: 0x0010_0000 } : { lo: t === single ? 0x0080_0000 : 0x0400, hi: 0 };
  const value = FLI[index];
  if (t === half) return { lo: halfBits(value), hi: 0 };
  if (t === single) {
    scratch.setFloat32(0, value);
    return { lo: scratch.getInt32(0), hi: 0 };
  }
  scratch.setFloat64(0, value);
  return { lo: scratch.getInt32(4), hi: scratch.getInt32(0) };
}
/** binary16 of a number that it holds exactly, or of 2^16, which comes out as infinity. */
function halfBits(v: number): number {
  const sign = v < 0 ? 0x8000 : 0, m = Math.abs(v);
  if (m === Infinity) return 0x7c00;
  if (m < 2 ** -14) return sign | (m * 2 ** 24);
  const e = Math.floor(Math.log2(m));
  return sign | ((e + 15) << 10) | ((m / 2 ** e - 1) * 1024);
}

function zfaRows(t: Format): Row[] {
  const bits = t.bits as B2, l = t.letter;
  const two = (name: "fminm" | "fmaxm") => (b: Emit, f: Pair) => {
    if (b.fpWrites()) t.setLong(b, f.rd, helper(b, `${name}.${l}`, t.raw(b, f.rs1), t.raw(b, f.rs2)));
  };
  const quiet = (name: "fltq" | "fleq") => (b: Emit, f: Pair) => {
    if (b.fpWrites()) b.setX(f.rd, helper(b, `${name}.${l}`, t.raw(b, f.rs1), t.raw(b, f.rs2)));
  };
  const round = (name: "fround" | "froundnx") => (b: Emit, f: { rd: number; rs1: number; rm: number }) => {
    if (b.fpRounds(f.rm)) t.setLong(b, f.rd, helper(b, `${name}.${l}`, t.raw(b, f.rs1)));
  };
  return [
    insn(`11110${bits} 00001 uimm[4:0] 000 rd 1010011`, `fli.${l} fd, uimm`, (b, f) => {
      if (!b.fpWrites()) return;
      const { lo, hi } = fliBits(t, f.uimm);
      t.setLong(b, f.rd, b.i64Halves(lo, hi));
    }),
    insn(`00101${bits} rs2 rs1 010 rd 1010011`, `fminm.${l} fd, fs1, fs2`, two("fminm")),
    insn(`00101${bits} rs2 rs1 011 rd 1010011`, `fmaxm.${l} fd, fs1, fs2`, two("fmaxm")),
    insn(`01000${bits} 00100 rs1 rm rd 1010011`, `fround.${l} fd, fs1, rm`, round("fround")),
    insn(`01000${bits} 00101 rs1 rm rd 1010011`, `froundnx.${l} fd, fs1, rm`, round("froundnx")),
    insn(`10100${bits} rs2 rs1 101 rd 1010011`, `fltq.${l} rd, fs1, fs2`, quiet("fltq")),
    insn(`10100${bits} rs2 rs1 100 rd 1010011`, `fleq.${l} rd, fs1, fs2`, quiet("fleq")),
  ];
}
const ZFA: readonly Row[] = zfaRows(single);
const ZFA_H: readonly Row[] = zfaRows(half);
const ZFA_D: readonly Row[] = [
  ...zfaRows(double),
  // The rounding mode is fixed: only 001 (to zero) is legal.
  insn("1100001 01000 rs1 001 rd 1010011", "fcvtmod.w.d rd, fs1, rtz", (b, f) => {
    if (b.fpWrites()) b.setX(f.rd, helper(b, "fcvtmod.w.d", b.f64(f.rs1)));
  }),
];
/** Moves of halves of a binary64, on RV32 only. */
const ZFA_D32: readonly Row[] = [
  insn("1110001 00001 rs1 000 rd 1010011", "fmvh.x.d rd, fs1", (b, f) => {
    if (b.fpOn()) b.setX(f.rd, b.wrap(b.shrU(b.f64(f.rs1), b.i64(32))));
  }),
  insn("1011001 rs2 rs1 000 rd 1010011", "fmvp.d.x fd, rs1, rs2", (b, f) => {
    if (b.fpWrites()) b.setF64(f.rd, b.or(b.arg(f.rs1), b.shl(b.arg(f.rs2), b.i64(32))));
  }),
];

// --- compressed loads and stores (chapter 26)
/** C with F, on RV32 only (Zcf). */
const CF32: readonly Row[] = [
  alias("011 uimm[5:3] rs1' uimm[2|6] rd' 00", "c.flw fd', uimm(rs1')", "flw fd', uimm(rs1')"),
  alias("111 uimm[5:3] rs1' uimm[2|6] rs2' 00", "c.fsw fs2', uimm(rs1')", "fsw fs2', uimm(rs1')"),
  alias("011 uimm[5] rd uimm[4:2|7:6] 10", "c.flwsp fd, uimm(sp)", "flw fd, uimm(sp)"),
  alias("111 uimm[5:2|7:6] rs2 10", "c.fswsp fs2, uimm(sp)", "fsw fs2, uimm(sp)"),
];

/** C with D (Zcd). */
const CD: readonly Row[] = [
  alias("001 uimm[5:3] rs1' uimm[7:6] rd' 00", "c.fld fd', uimm(rs1')", "fld fd', uimm(rs1')"),
  alias("101 uimm[5:3] rs1' uimm[7:6] rs2' 00", "c.fsd fs2', uimm(rs1')", "fsd fs2', uimm(rs1')"),
  alias("001 uimm[5] rd uimm[4:3|8:6] 10", "c.fldsp fd, uimm(sp)", "fld fd, uimm(sp)"),
  alias("101 uimm[5:3|8:6] rs2 10", "c.fsdsp fs2, uimm(sp)", "fsd fs2, uimm(sp)"),
];

export const FLOATING: readonly Group[] = [
  { needs: "f", rows: SINGLE },
  { needs: "f", xlen: 64, rows: SINGLE64 },
  { needs: "d", rows: DOUBLE },
  { needs: "d", xlen: 64, rows: DOUBLE64 },
  { needs: "zfhmin", rows: ZFHMIN },
  { needs: "zfhmin d", rows: ZFHMIN_D },
  { needs: "zfh", rows: ZFH },
  { needs: "zfh", xlen: 64, rows: ZFH64 },
  { needs: "zfa", rows: ZFA },
  { needs: "zfa zfh", rows: ZFA_H },
  { needs: "zfa d", rows: ZFA_D },
  { needs: "zfa d", xlen: 32, rows: ZFA_D32 },
  { needs: "zcd", rows: CD },
  { needs: "zcf", xlen: 32, rows: CF32 },
];
