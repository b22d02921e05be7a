// MMX, and SSE to SSE4.2. Intel SDM volume 2 (253666-083). An XMM register is two i64 halves; scalar arithmetic goes inline where MXCSR allows it
// (MODE_SSE_FAST) and the operands are tame, under the conditions that ../../ir/softfloat.ts states; all else is exact by the helpers of ../sse.ts.
import type { I32, I64, Val } from "../../ir/builder.ts";
import { DI, type Emit } from "../emit.ts";
import { type FloatName, H, type HelperName } from "../helpers.ts";
import { MEM, MMX, type Operand, type RowText, type Semantics, x86 } from "../insn.ts";
import { FPU_EMPTY, FPU_REG, FPU_TOP, MODE_SSE_FAST, XMM } from "../slots.ts";

// --- registers and memory
const lo = (b: Emit, n: number) => b.getL(XMM(n)), hi = (b: Emit, n: number) => b.getL(XMM(n) + 8);
function put(b: Emit, n: number, low: I64, high: I64): void {
  b.set(XMM(n), low);
  b.set(XMM(n) + 8, high);
}
/** Both halves of a 128-bit operand; in memory it must be aligned unless `loose`. */
function both(b: Emit, o: Operand, loose = false): [I64, I64] {
  if (o.kind !== MEM) return [lo(b, o.n), hi(b, o.n)];
  let at = b.memory.address(16, false);
  if (!loose) at = b.callUnless(b.eqz(b.and(at, b.i64(15))), at, H.alignmentError);
  return [b.load("load64.l", at), b.load("load64.l", b.add(at, b.i64(8)))];
}
/** The low 64 bits of an XMM register or 64 bits of memory. */
const low64 = (b: Emit, o: Operand) => o.kind === MEM ? b.load("load64.l", b.memory.address(8, false)) : lo(b, o.n);
const low32 = (b: Emit, o: Operand) => o.kind === MEM ? b.load("load32.i", b.memory.address(4, false)) : b.getI(XMM(o.n));
function store128(b: Emit, low: I64, high: I64, loose: boolean): void {
  let at = b.memory.address(16, true);
  if (!loose) at = b.callUnless(b.eqz(b.and(at, b.i64(15))), at, H.alignmentError);
  const second = b.add(at, b.i64(8));
  // Both halves must be writable before one is written; the first is looked at first, as a fault's address is that of the first byte.
  if (loose) {
    b.load("rmw64.l", at);
    b.store("store64.l", second, high);
    b.store("store64.l", at, low);
    return;
  }
  b.store("store64.l", at, low);
  b.store("store64.l", second, high);
}
/** Writes the low 32 bits of a register, the rest stays. */
function putLow32(b: Emit, n: number, v: Val): void {
  b.set(XMM(n), b.or(b.and(lo(b, n), b.i64Halves(0, -1)), b.extU(v)));
}

/** MMX instructions make all x87 registers valid and the top register 0, once nothing can fault any more. */
function enterMmx(b: Emit): void {
  b.set(FPU_TOP, b.i32(0));
  b.set(FPU_EMPTY, b.i32(0));
}
function putMmx(b: Emit, n: number, v: I64): void {
  enterMmx(b);
  b.set(FPU_REG(n), v);
  b.set(FPU_REG(n) + 8, b.i64(0xffff));
}

// --- packed operations: one name, an MMX and an SSE row
type Two = (b: Emit, x: Val, y: Val) => Val;
const ADD_MASKS: Readonly<Record<string, readonly [number, number]>> = {
  b: [0x7f7f_7f7f, 0x8080_8080],
  w: [0x7fff_7fff, 0x8000_8000],
  d: [0x7fff_ffff, 0x8000_0000],
};
/** Sums of lanes: without the top bits they cannot carry over; the top bits are added by xor. */
const laneSum = (lane: string): Two => (b, x, y) => {
  const [low, high] = ADD_MASKS[lane], m = b.i64Halves(low | 0, low | 0), h = b.i64Halves(high | 0, high | 0);
  return b.xor(b.add(b.and(x, m), b.and(y, m)), b.and(b.xor(x, y), h));
};
const laneDifference = (lane: string): Two => (b, x, y) => {
  const [low, high] = ADD_MASKS[lane], m = b.i64Halves(low | 0, low | 0), h = b.i64Halves(high | 0, high | 0);
  return b.xor(b.sub(b.or(x, h), b.and(y, m)), b.and(b.xor(x, b.not(y)), h));
};
/** A 32-bit lane of a half. */
type Lane = readonly [half: Val, upper: boolean];
const LOW32 = (b: Emit) => b.i64Halves(-1, 0), HIGH32 = (b: Emit) => b.i64Halves(0, -1);
/** The half that two lanes make. */
function join(b: Emit, [p, pUpper]: Lane, [q, qUpper]: Lane): Val {
  if (p === q && !pUpper && qUpper) return p;
  return b.or(pUpper ? b.shrU(p, b.i64(32)) : b.and(p, LOW32(b)), qUpper ? b.and(q, HIGH32(b)) : b.shl(q, b.i64(32)));
}
const laneOf = (b: Emit, v: I64, upper: boolean) => b.wrap(upper ? b.shrU(v, b.i64(32)) : v);
/** The half whose lanes are these i32 values. */
const fromLanes = (b: Emit, p: I32, q: I32) => b.or(b.extU(p), b.shl(b.extU(q), b.i64(32)));
/** An operation on both lanes of halves. */
const eachLane = (f: Two): Two => (b, x, y) =>
  fromLanes(b, f(b, laneOf(b, x, false), laneOf(b, y, false)), f(b, laneOf(b, x, true), laneOf(b, y, true)));
/** All ones in the lanes (8 or 16 bits) of a half where x and y are equal: the sum's top bit tells whether any of the others is set. */
const laneEqual = (lane: "b" | "w"): Two => (b, x, y) => {
  const [low, high] = ADD_MASKS[lane], m = b.i64Halves(low, low), v = b.xor(x, y);
  const zero = b.and(b.not(b.or(b.add(b.and(v, m), m), v)), b.i64Halves(high | 0, high | 0));
  return b.or(zero, b.sub(zero, b.shrU(zero, b.i64(lane === "b" ? 7 : 15))));
};
const allOnes = (b: Emit, condition: Val) => b.sub(b.like(condition, 0), condition);
/** Operations that work on 64-bit halves alone, as IR. */
const INLINE: Readonly<Record<string, Two>> = {
  pand: (b, x, y) => b.and(x, y),
  pandn: (b, x, y) => b.and(b.not(x), y),
  por: (b, x, y) => b.or(x, y),
  pxor: (b, x, y) => b.xor(x, y),
  paddq: (b, x, y) => b.add(x, y),
  psubq: (b, x, y) => b.sub(x, y),
  paddb: laneSum("b"),
  paddw: laneSum("w"),
  paddd: laneSum("d"),
  psubb: laneDifference("b"),
  psubw: laneDifference("w"),
  psubd: laneDifference("d"),
  pcmpeqb: laneEqual("b"),
  pcmpeqw: laneEqual("w"),
  pcmpeqd: eachLane((b, x, y) => allOnes(b, b.eq(x, y))),
  pcmpgtd: eachLane((b, x, y) => allOnes(b, b.ltS(y, x))),
  pmuludq: (b, x, y) => b.mul(b.and(x, LOW32(b)), b.and(y, LOW32(b))),
  pmulld: eachLane((b, x, y) => b.mul(x, y)),
};
/** Which lanes of the destination (0 to 3) and of the source (4 to 7) make up the result, by the immediate. */
const SHUFFLES: Readonly<Record<string, (imm: number) => readonly number[]>> = {
  punpckldq: () => [0, 4, 1, 5],
  punpckhdq: () => [2, 6, 3, 7],
  unpcklps: () => [0, 4, 1, 5],
  unpckhps: () => [2, 6, 3, 7],
  punpcklqdq: () => [0, 1, 4, 5],
  punpckhqdq: () => [2, 3, 6, 7],
  movsldup: () => [4, 4, 6, 6],
  movshdup: () => [5, 5, 7, 7],
  pshufd: (imm) => [0, 2, 4, 6].map((at) => 4 + (imm >> at & 3)),
  shufps: (imm) => [0, 2, 4, 6].map((at, k) => (k < 2 ? 0 : 4) + (imm >> at & 3)),
  shufpd: (imm) => [imm & 1 ? 2 : 0, imm & 1 ? 3 : 1, imm & 2 ? 6 : 4, imm & 2 ? 7 : 5],
};
/** Bits that stay in each lane of a half that is shifted as a whole. */
function shiftMask(bits: number, count: number, left: boolean): bigint {
  const all = (1n << BigInt(bits)) - 1n, kept = left ? all << BigInt(count) & all : all >> BigInt(count);
  let mask = 0n;
  for (let at = 0; at < 64; at += bits) mask |= kept << BigInt(at);
  return BigInt.asIntN(64, mask);
}
const LANE_BITS: Readonly<Record<string, number>> = { w: 16, d: 32, q: 64 };
/** A half shifted by a constant; undefined: not here. */
function shiftedHalf(b: Emit, name: string, v: I64, count: number): I64 | undefined {
  const bits = LANE_BITS[name.at(-1)!], left = name.startsWith("psll");
  if (name === "psrad") {
    const n = b.i32(Math.min(count, 31));
    return fromLanes(b, b.shrS(laneOf(b, v, false), n), b.shrS(laneOf(b, v, true), n));
  }
  if (name.startsWith("psra")) return undefined;
  if (count >= bits) return b.i64(0);
  const moved = left ? b.shl(v, b.i64(count)) : b.shrU(v, b.i64(count));
  return bits === 64 ? moved : b.and(moved, b.i64Big(shiftMask(bits, count, left)));
}
const immediate = (b: Emit, o: Operand) => b.i64(o.kind ? b.i.imm & 0xff : 0);

const packedSse = (name: string): Semantics => {
  const inline = INLINE[name];
  if (SHUFFLES[name]) return shuffle(name);
  if (!inline) return wide(name as HelperName);
  return (b, d, s) => {
    const [sl, sh] = both(b, s);
    put(b, d.n, inline(b, lo(b, d.n), sl), inline(b, hi(b, d.n), sh));
  };
};
const shuffle = (name: string): Semantics => (b, d, s, i) => {
  const halves = [lo(b, d.n), hi(b, d.n), ...both(b, s)];
  const [p, q, u, v] = SHUFFLES[name](i.kind ? b.i.imm & 0xff : 0).map((n): Lane => [halves[n >> 1], (n & 1) !== 0]);
  put(b, d.n, join(b, p, q), join(b, u, v));
};
/** By a helper that writes the register. */
const wide = (name: HelperName): Semantics => (b, d, s, i) => {
  const [sl, sh] = both(b, s);
  b.call(H[name], b.i64(d.n), sl, sh, immediate(b, i));
};
/** The same where the source in memory has 64 bits only, or less. */
const wideLow = (name: HelperName): Semantics => (b, d, s, i) => {
  const v = s.kind === MEM ? b.zx(b.memory.load(s.size, b.memory.address(s.size, false))) : lo(b, s.n);
  b.call(H[name], b.i64(d.n), v, b.i64(0), immediate(b, i));
};
const packedMmx = (name: string): Semantics => {
  const inline = INLINE[name];
  return (b, d, s, i) => {
    b.checkFpu();
    const y = b.get(s), x = b.get(d);
    const r = inline ? inline(b, x, y) : b.call(H[`mmx.${name}` as HelperName], x, y, immediate(b, i));
    putMmx(b, d.n, r);
  };
};
/** Shifts by an immediate count. */
const shiftSse = (name: string): Semantics => (b, d) => {
  const count = b.i.imm & 0xff, low = shiftedHalf(b, name, lo(b, d.n), count), high = low && shiftedHalf(b, name, hi(b, d.n), count);
  if (low && high) put(b, d.n, low, high);
  else b.call(H[name as HelperName], b.i64(d.n), b.i64(count), b.i64(0));
};
/** psrldq and pslldq: the register as a whole, by bytes. */
const shiftBytes = (left: boolean): Semantics => (b, d) => {
  const bits = 8 * Math.min(b.i.imm & 0xff, 16), l = lo(b, d.n), h = hi(b, d.n), zero = b.i64(0);
  if (bits === 0) return;
  const shift = (v: Val, by: number, toLeft: boolean) =>
    by === 0 ? v : by >= 64 ? zero : toLeft ? b.shl(v, b.i64(by)) : b.shrU(v, b.i64(by));
  const near = left ? l : h, far = left ? h : l, crossed = bits >= 64 ? shift(near, bits - 64, left) : shift(near, 64 - bits, !left);
  const moved = bits >= 64 ? crossed : b.or(shift(far, bits, left), crossed), rest = shift(near, bits, left);
  put(b, d.n, left ? rest : moved, left ? moved : rest);
};
const shiftMmx = (name: string): Semantics => (b, d) => {
  b.checkFpu();
  putMmx(b, d.n, b.call(H[`mmx.${name}` as HelperName], b.get(d), b.i64(b.i.imm & 0xff)));
};

// deno-fmt-ignore
/** Opcodes after 0F of what there is on MMX and on XMM registers, by the features that the one and the other form belong to. */
const SHARED: readonly (readonly [mmx: string, xmm: string, rows: readonly (readonly [string, string])[]])[] = [
  ["mmx", "sse2", [
    ["60", "punpcklbw"], ["61", "punpcklwd"], ["62", "punpckldq"], ["63", "packsswb"], ["64", "pcmpgtb"], ["65", "pcmpgtw"], ["66", "pcmpgtd"],
    ["67", "packuswb"], ["68", "punpckhbw"], ["69", "punpckhwd"], ["6A", "punpckhdq"], ["6B", "packssdw"], ["74", "pcmpeqb"], ["75", "pcmpeqw"],
    ["76", "pcmpeqd"], ["D1", "psrlw"], ["D2", "psrld"], ["D3", "psrlq"], ["D5", "pmullw"], ["D8", "psubusb"], ["D9", "psubusw"], ["DB", "pand"],
    ["DC", "paddusb"], ["DD", "paddusw"], ["DF", "pandn"], ["E1", "psraw"], ["E2", "psrad"], ["E5", "pmulhw"], ["E8", "psubsb"], ["E9", "psubsw"],
    ["EB", "por"], ["EC", "paddsb"], ["ED", "paddsw"], ["EF", "pxor"], ["F1", "psllw"], ["F2", "pslld"], ["F3", "psllq"], ["F5", "pmaddwd"],
    ["F8", "psubb"], ["F9", "psubw"], ["FA", "psubd"], ["FC", "paddb"], ["FD", "paddw"], ["FE", "paddd"],
  ]],
  ["sse", "sse2", [
    ["DA", "pminub"], ["DE", "pmaxub"], ["E0", "pavgb"], ["E3", "pavgw"], ["E4", "pmulhuw"], ["EA", "pminsw"], ["EE", "pmaxsw"], ["F6", "psadbw"],
  ]],
  ["sse2", "sse2", [
    ["D4", "paddq"], ["F4", "pmuludq"], ["FB", "psubq"],
  ]],
  ["ssse3", "ssse3", [
    ["38 00", "pshufb"], ["38 01", "phaddw"], ["38 02", "phaddd"], ["38 03", "phaddsw"], ["38 04", "pmaddubsw"], ["38 05", "phsubw"],
    ["38 06", "phsubd"], ["38 07", "phsubsw"], ["38 08", "psignb"], ["38 09", "psignw"], ["38 0A", "psignd"], ["38 0B", "pmulhrsw"],
    ["38 1C", "pabsb"], ["38 1D", "pabsw"], ["38 1E", "pabsd"],
  ]],
];
// deno-fmt-ignore
/** The same of what XMM registers alone have. */
const SSE_ONLY: readonly (readonly [feature: string, rows: readonly (readonly [string, string])[]])[] = [
  ["sse2", [
    ["6C", "punpcklqdq"], ["6D", "punpckhqdq"],
  ]],
  ["sse4.1", [
    ["38 28", "pmuldq"], ["38 29", "pcmpeqq"], ["38 2B", "packusdw"], ["38 38", "pminsb"], ["38 39", "pminsd"], ["38 3A", "pminuw"],
    ["38 3B", "pminud"], ["38 3C", "pmaxsb"], ["38 3D", "pmaxsd"], ["38 3E", "pmaxuw"], ["38 3F", "pmaxud"], ["38 40", "pmulld"],
    ["38 41", "phminposuw"],
  ]],
  ["sse4.2", [
    ["38 37", "pcmpgtq"],
  ]],
];
// deno-fmt-ignore
const WIDENINGS: readonly (readonly [string, string, string])[] = [
  ["0", "bw", "q"], ["1", "bd", "d"], ["2", "bq", "w"], ["3", "wd", "q"], ["4", "wq", "d"], ["5", "dq", "q"],
];
// deno-fmt-ignore
const SHIFT_GROUPS: readonly (readonly [string, number, string])[] = [
  ["71", 2, "psrlw"], ["71", 4, "psraw"], ["71", 6, "psllw"], ["72", 2, "psrld"], ["72", 4, "psrad"], ["72", 6, "pslld"], ["73", 2, "psrlq"], ["73", 6, "psllq"],
];

// --- scalar floating point; `double` values are i64, `single` ones i32
const suffix = (double: boolean) => double ? "l" : "i";
/** The bits without the sign, shifted left by one: ordered like magnitudes. */
const magnitude = (b: Emit, v: Val) => b.shl(v, b.like(v, 1));
/** Twice the smallest normal number's bits, as wide as v. */
const normal = (b: Emit, v: Val) => b.isLong(v) ? b.i64Halves(0, 0x0020_0000) : b.i32(0x0100_0000);
/** No subnormal number. */
const notTiny = (b: Emit, v: Val) => b.geU(b.sub(magnitude(b, v), b.like(v, 1)), b.sub(normal(b, v), b.like(v, 1)));
/** Finite and above the smallest normal number. */
function isSafe(b: Emit, v: Val): I32 {
  const m = magnitude(b, v);
  return b.isLong(v)
    ? b.ltU(b.sub(m, b.i64Halves(1, 0x0020_0000)), b.i64Halves(-1, 0xffbf_ffff | 0))
    : b.ltU(b.sub(m, b.i32(0x0100_0001)), b.i32(0xfdff_ffff));
}
const isFinite_ = (b: Emit, v: Val) => b.ltU(magnitude(b, v), b.isLong(v) ? b.i64Halves(0, 0xffe0_0000 | 0) : b.i32(0xff00_0000 | 0));
const isNumber = (b: Emit, v: Val) => b.pure(`feq.${b.isLong(v) ? "l" : "i"}`, v, v);
const fast = (b: Emit) => (b.mode & MODE_SSE_FAST) !== 0;
/** Source and destination of a scalar operation. */
const value = (b: Emit, o: Operand, double: boolean) => double ? low64(b, o) : low32(b, o);
/** Writes an i64 result to the low part of a register. */
function putScalar(b: Emit, n: number, double: boolean, v: Val): void {
  if (double) b.set(XMM(n), v);
  else putLow32(b, n, b.wrap(v));
}

/** The host's result of a scalar operation, and whether it has the guest's bits and flags. */
function hostResult(b: Emit, name: FloatName, x: Val, y: Val): [r: Val, ok: I32] {
  const t = suffix(b.isLong(x));
  if (name === "sqrt") {
    const r = b.pure(`fsqrt.${t}`, y);
    return [r, b.and(isSafeOrZero(b, r, y), notTiny(b, y))];
  }
  let r: Val, ok: Val;
  if (name === "min" || name === "max") {
    const [p, q] = name === "min" ? [x, y] : [y, x];
    r = b.select(b.pure(`flt.${t}`, p, q), x, y);
    ok = b.and(isNumber(b, x), isNumber(b, y));
  } else {
    r = b.pure(`f${name}.${t}`, x, y);
    ok = name === "mul"
      ? b.or(isSafe(b, r), b.and(b.eqz(magnitude(b, r)), b.or(b.eqz(magnitude(b, x)), b.eqz(magnitude(b, y)))))
      : name === "div"
      ? isSafeOrZero(b, r, x)
      : isFinite_(b, r);
  }
  return [r, b.and(ok, b.and(notTiny(b, x), notTiny(b, y)))];
}
/** The result is safe, or it is zero because the operand is. */
const isSafeOrZero = (b: Emit, r: Val, x: Val) => b.or(isSafe(b, r), b.eqz(b.or(magnitude(b, r), magnitude(b, x))));

const arithmetic = (name: FloatName, double: boolean): Semantics => {
  const helper = H[`${name}${double ? "sd" : "ss"}`];
  return (b, d, s) => {
    const y = value(b, s, double), x = double ? lo(b, d.n) : b.getI(XMM(d.n));
    if (!fast(b)) return putScalar(b, d.n, double, b.call(helper, b.i64(0), b.zx(x), b.zx(y)));
    const [r, ok] = hostResult(b, name, x, y);
    putScalar(b, d.n, double, b.callUnless(ok, b.zx(r), helper, b.zx(x), b.zx(y)));
  };
};
/** Half by half: nothing can fault while all exceptions are masked. */
const packedArithmetic = (name: FloatName, double: boolean): Semantics => {
  const slow = wide(`${name}${double ? "pd" : "ps"}`), helper = H[`${name}${double ? "sd" : "ps2"}`];
  return (b, d, s, i, z) => {
    if (!fast(b)) return slow(b, d, s, i, z);
    const half = (x: Val, y: Val) => {
      if (double) {
        const [r, ok] = hostResult(b, name, x, y);
        return b.callUnless(ok, r, helper, x, y);
      }
      const [p, pOk] = hostResult(b, name, laneOf(b, x, false), laneOf(b, y, false));
      const [q, qOk] = hostResult(b, name, laneOf(b, x, true), laneOf(b, y, true));
      return b.callUnless(b.and(pOk, qOk), fromLanes(b, p, q), helper, x, y);
    };
    const [yl, yh] = both(b, s), l = half(lo(b, d.n), yl);
    put(b, d.n, l, half(hi(b, d.n), yh));
  };
};
/** cmpss and cmpsd; cmppd half by half. */
function comparisonMask(b: Emit, double: boolean, x: Val, y: Val): I64 {
  const t = suffix(double), imm = b.i.imm & 0xff;
  const holds = (imm & 3) === 3 ? b.i32(0) : b.pure(`${(["feq", "flt", "fle"] as const)[imm & 3]}.${t}`, x, y);
  const mask = b.sub(b.i64(0), b.extU(imm & 4 ? b.eqz(holds) : holds));
  const ok = b.and(b.and(isNumber(b, x), isNumber(b, y)), b.and(notTiny(b, x), notTiny(b, y)));
  return b.callUnless(ok, double ? mask : b.and(mask, LOW32(b)), H[double ? "cmpsd" : "cmpss"], b.zx(x), b.zx(y), b.i64(imm));
}
const compareScalar = (double: boolean): Semantics => (b, d, s, i, z) => {
  if (!fast(b)) return scalarHelper(double ? "cmpsd" : "cmpss", double)(b, d, s, i, z);
  const y = value(b, s, double), x = double ? lo(b, d.n) : b.getI(XMM(d.n));
  putScalar(b, d.n, double, comparisonMask(b, double, x, y));
};
const compareDoubles: Semantics = (b, d, s, i, z) => {
  if (!fast(b)) return wide("cmppd")(b, d, s, i, z);
  const [yl, yh] = both(b, s), l = comparisonMask(b, true, lo(b, d.n), yl);
  put(b, d.n, l, comparisonMask(b, true, hi(b, d.n), yh));
};
const comparison = (name: "comiss" | "comisd" | "ucomiss" | "ucomisd"): Semantics => (b, d, s) => {
  const double = name.endsWith("d"), y = value(b, s, double), x = double ? lo(b, d.n) : b.getI(XMM(d.n)), t = suffix(double);
  let image: Val;
  if (fast(b)) {
    const r = b.or(b.pure(`flt.${t}`, x, y), b.shl(b.pure(`feq.${t}`, x, y), b.i32(6)));
    const ok = b.and(b.and(isNumber(b, x), isNumber(b, y)), b.and(notTiny(b, x), notTiny(b, y)));
    image = b.callUnless(ok, b.extU(r), H[name], b.zx(x), b.zx(y));
  } else image = b.call(H[name], b.i64(0), b.zx(x), b.zx(y));
  b.flags.image(b.wrap(image));
};
/** An operation on the low part of a register by a helper: first operand, second operand, immediate. */
const scalarHelper = (name: HelperName, double: boolean): Semantics => (b, d, s, i) => {
  const y = value(b, s, double), x = double ? lo(b, d.n) : b.getI(XMM(d.n));
  putScalar(b, d.n, double, b.call(H[name], b.i64(0), b.zx(x), b.zx(y), immediate(b, i)));
};
/** rcpss and rsqrtss: one operand. */
const approximation = (name: HelperName): Semantics => (b, d, s) => {
  const y = low32(b, s);
  putLow32(b, d.n, b.wrap(b.call(H[name], b.i64(0), b.extU(y))));
};
const fromInteger = (double: boolean): Semantics => (b, d, s) => {
  const v = b.get(s), long = s.size === 8, wideV = long ? v : b.extS(v), t = suffix(double);
  const helper = double ? H.cvtsi2sd : H.cvtsi2ss;
  if (double && !long || fast(b)) {
    const r = b.pure(`fromS.${long ? "l" : "i"}.${t}`, v);
    putScalar(b, d.n, double, b.zx(r));
  } else putScalar(b, d.n, double, b.call(helper, b.i64(0), wideV));
};
/** -2^31 and -2^63, as bits of a float and of a double. */
const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  "i.4": [0xcf00_0000 | 0, 0x4f00_0000],
  "i.8": [0xdf00_0000 | 0, 0x5f00_0000],
  "l.4": [0xc1e0_0000 | 0, 0x41e0_0000],
  "l.8": [0xc3e0_0000 | 0, 0x43e0_0000],
};
/** A float as an integer of `size` bytes: an i64. */
function integerOf(b: Emit, x: Val, truncate: boolean, size: number): I64 {
  const double = b.isLong(x), t = suffix(double);
  const helper = H[`cvt${truncate ? "t" : ""}${double ? "sd" : "ss"}2si${size === 8 ? "q" : ""}` as HelperName];
  if (!fast(b)) return b.call(helper, b.i64(0), b.zx(x));
  const n = truncate ? x : b.pure(`fnearest.${t}`, x), [low, high] = LIMITS[`${t}.${size}`];
  const limit = (v: number) => double ? b.i64Halves(0, v) : b.i32(v);
  const ok = b.and(b.pure(`fle.${t}`, limit(low), n), b.pure(`flt.${t}`, n, limit(high)));
  return b.callUnless(ok, b.zx(b.pure(`truncS.${t}.${size === 8 ? "l" : "i"}`, n)), helper, b.zx(x));
}
const toInteger = (double: boolean, truncate: boolean): Semantics => (b, d, s) => {
  const r = integerOf(b, value(b, s, double), truncate, d.size);
  b.put(d, d.size === 8 ? r : b.wrap(r));
};
/** A single as a double, an i64, and the reverse. */
function doubleOf(b: Emit, x: I32): I64 {
  if (!fast(b)) return b.call(H.cvtss2sd, b.i64(0), b.extU(x));
  return b.callUnless(b.and(isNumber(b, x), notTiny(b, x)), b.fpromote(x), H.cvtss2sd, b.extU(x));
}
function singleOf(b: Emit, x: Val): Val {
  if (!fast(b)) return b.call(H.cvtsd2ss, b.i64(0), x);
  const r = b.fdemote(x), ok = b.or(isSafe(b, r), b.eqz(magnitude(b, x)));
  return b.callUnless(ok, b.extU(r), H.cvtsd2ss, x);
}
const toDouble: Semantics = (b, d, s) => b.set(XMM(d.n), doubleOf(b, low32(b, s)));
const toSingle: Semantics = (b, d, s) => putLow32(b, d.n, b.wrap(singleOf(b, low64(b, s))));
/** Packed conversions, lane by lane while nothing can fault. */
const packedToDouble: Semantics = (b, d, s, i, z) => {
  if (!fast(b)) return wideLow("cvtps2pd")(b, d, s, i, z);
  const v = low64(b, s), l = doubleOf(b, laneOf(b, v, false));
  put(b, d.n, l, doubleOf(b, laneOf(b, v, true)));
};
const packedToSingle: Semantics = (b, d, s, i, z) => {
  if (!fast(b)) return wide("cvtpd2ps")(b, d, s, i, z);
  const [l, h] = both(b, s), low = singleOf(b, l);
  put(b, d.n, join(b, [low, false], [singleOf(b, h), false]), b.i64(0));
};
/** 32-bit integers of a register as doubles: always exact. */
const integersToDoubles: Semantics = (b, d, s) => {
  const v = low64(b, s);
  put(b, d.n, b.pure("fromS.i.l", laneOf(b, v, false)), b.pure("fromS.i.l", laneOf(b, v, true)));
};
const integersToSingles: Semantics = (b, d, s, i, z) => {
  if (!fast(b)) return wide("cvtdq2ps")(b, d, s, i, z);
  const half = (v: I64) => fromLanes(b, b.pure("fromS.i.i", laneOf(b, v, false)), b.pure("fromS.i.i", laneOf(b, v, true)));
  const [l, h] = both(b, s);
  put(b, d.n, half(l), half(h));
};
const packedToIntegers = (double: boolean, truncate: boolean): Semantics => (b, d, s, i, z) => {
  if (!fast(b)) return wide(`cvt${truncate ? "t" : ""}${double ? "pd" : "ps"}2dq` as HelperName)(b, d, s, i, z);
  const half = (p: Val, q: Val): Val => {
    const low = integerOf(b, p, truncate, 4);
    return join(b, [low, false], [integerOf(b, q, truncate, 4), false]);
  };
  const [l, h] = both(b, s);
  if (double) return put(b, d.n, half(l, h), b.i64(0));
  const low = half(laneOf(b, l, false), laneOf(b, l, true));
  put(b, d.n, low, half(laneOf(b, h, false), laneOf(b, h, true)));
};

// --- moves
const loadBoth = (loose: boolean): Semantics => (b, d, s) => {
  const [l, h] = both(b, s, loose);
  put(b, d.n, l, h);
};
const storeBoth = (loose: boolean): Semantics => (b, d, s) => {
  if (d.kind === MEM) store128(b, lo(b, s.n), hi(b, s.n), loose);
  else put(b, d.n, lo(b, s.n), hi(b, s.n));
};
/** movss and movsd: from memory the rest is cleared, from a register it stays. */
const loadScalar = (double: boolean): Semantics => (b, d, s) => {
  const v = value(b, s, double);
  if (s.kind === MEM) put(b, d.n, b.zx(v), b.i64(0));
  else putScalar(b, d.n, double, b.zx(v));
};
const storeScalar = (double: boolean): Semantics => (b, d, s) => {
  const v = double ? lo(b, s.n) : b.getI(XMM(s.n));
  if (d.kind === MEM) b.memory.store(double ? 8 : 4, b.memory.address(double ? 8 : 4, true), v);
  else putScalar(b, d.n, double, b.zx(v));
};
const storeLow: Semantics = (b, _d, s) => b.store("store64.l", b.memory.address(8, true), lo(b, s.n));
const storeHigh: Semantics = (b, _d, s) => b.store("store64.l", b.memory.address(8, true), hi(b, s.n));
const loadLow: Semantics = (b, d) => b.set(XMM(d.n), b.load("load64.l", b.memory.address(8, false)));
const loadHigh: Semantics = (b, d) => b.set(XMM(d.n) + 8, b.load("load64.l", b.memory.address(8, false)));
/** movmskps and movmskpd. */
const signs = (double: boolean): Semantics => (b, d, s) => {
  const l = lo(b, s.n), h = hi(b, s.n), bit = (v: I64, from: number, to: number) => b.and(b.shrU(v, b.i64(from - to)), b.i64(1 << to));
  const r = double
    ? b.or(b.shrU(l, b.i64(63)), bit(h, 63, 1))
    : b.or(b.or(bit(l, 31, 0), bit(l, 63, 1)), b.or(b.and(b.shrU(h, b.i64(29)), b.i64(4)), bit(h, 63, 3)));
  b.put(d, d.size === 8 ? r : b.wrap(r));
};
/** The top bits of the eight bytes of a half: a product collects them in its topmost byte. */
function byteSigns(b: Emit, v: I64): I64 {
  const signs = b.and(v, b.i64Halves(0x8080_8080 | 0, 0x8080_8080 | 0));
  return b.shrU(b.mul(b.shrU(signs, b.i64(7)), b.i64Halves(0x1020_4080, 0x0102_0408)), b.i64(56));
}
/** Lane `k` of a register as i32 (lanes of 32 bits) or i64. */
const lane32 = (b: Emit, n: number, k: number) => {
  const v = k < 2 ? lo(b, n) : hi(b, n);
  return b.wrap(k & 1 ? b.shrU(v, b.i64(32)) : v);
};
/** Puts `bits` bits of the i64 `v` into lane k. */
function insert(b: Emit, n: number, bits: number, k: number, v: Val): void {
  const perHalf = 64 / bits, slot = XMM(n) + (k >= perHalf ? 8 : 0), at = (k % perHalf) * bits;
  if (bits === 64) return b.set(slot, v);
  const field = ((1n << BigInt(bits)) - 1n) << BigInt(at);
  b.set(
    slot,
    b.or(b.and(b.getL(slot), b.i64Big(BigInt.asIntN(64, ~field))), b.shl(b.and(v, b.i64Big((1n << BigInt(bits)) - 1n)), b.i64(at))),
  );
}
const extract = (b: Emit, n: number, bits: number, k: number) => {
  const perHalf = 64 / bits, v = k >= perHalf ? hi(b, n) : lo(b, n), at = (k % perHalf) * bits;
  return bits === 64 ? v : b.and(b.shrU(v, b.i64(at)), b.i64Big((1n << BigInt(bits)) - 1n));
};
const pinsr = (bits: number): Semantics => (b, d, s) => {
  insert(b, d.n, bits, b.i.imm & (128 / bits - 1), b.zx(b.get(s)));
};
const pextr = (bits: number): Semantics => (b, d, s) => {
  const v = extract(b, s.n, bits, b.i.imm & (128 / bits - 1));
  if (d.kind === MEM) b.memory.store(bits / 8, b.memory.address(bits / 8, true), bits === 64 ? v : b.wrap(v));
  else b.put(d, d.size === 8 ? v : b.wrap(v));
};
const ptest: Semantics = (b, d, s) => {
  const [sl, sh] = both(b, s), dl = lo(b, d.n), dh = hi(b, d.n);
  const zf = b.eqz(b.or(b.and(sl, dl), b.and(sh, dh))), cf = b.eqz(b.or(b.and(sl, b.not(dl)), b.and(sh, b.not(dh))));
  b.flags.image(b.or(b.shl(zf, b.i32(6)), cf));
};
const pcmpstr = (bits: number): Semantics => (b, d, s) => {
  const [sl, sh] = both(b, s, true);
  const wideLengths = b.i.rex & 8 ? 0x200 : 0;
  b.call(H.pcmpstr, b.i64(d.n), sl, sh, b.i64((b.i.imm & 0xff) | bits | wideLengths));
  b.flags.unknown();
};
/** maskmovq and maskmovdqu: a byte at a time, where the mask has its top bit. Every byte is read, to find out whether it may be written. */
function maskedStore(b: Emit, parts: readonly (readonly [Val, Val])[]): void {
  const { i } = b, segment = i.override < 0 ? 3 : i.override, base = b.reg(DI, i.address);
  for (const [k, [v, mask]] of parts.entries()) {
    for (let n = 0; n < 8; n++) {
      const ea = b.mask(i.address, b.add(base, b.like(base, 8 * k + n))),
        at = b.memory.linear(segment, ea, 1, true),
        old = b.load("rmw8U.i", at);
      const bit = b.wrap(b.and(b.shrU(mask, b.i64(8 * n + 7)), b.i64(1)));
      b.store("store8.i", at, b.select(bit, b.wrap(b.shrU(v, b.i64(8 * n))), old));
    }
  }
}

export function sse(): RowText[] {
  const rows: RowText[] = [];
  for (const [mmx, xmm, both] of SHARED) {
    for (const [opcode, name] of both) {
      rows.push(
        // punpckl of MMX reads 32 bits of memory only.
        name.startsWith("punpckl")
          ? x86(`NP 0F ${opcode} /r`, `${name} Pq, Qd`, `@mmx ${mmx}`, (b, d, s, i, z) => {
            if (s.kind === MMX) return packedMmx(name)(b, d, s, i, z);
            b.checkFpu();
            const y = b.extU(b.load("load32.i", b.memory.address(4, false)));
            putMmx(b, d.n, b.call(H[`mmx.${name}` as HelperName], b.getL(FPU_REG(d.n)), y));
          })
          : x86(`NP 0F ${opcode} /r`, `${name} Pq, Qq`, `@mmx ${mmx}`, packedMmx(name)),
        x86(`66 0F ${opcode} /r`, `${name} Vdq, Wdq`, `@sse ${xmm}`, packedSse(name)),
      );
    }
  }
  for (const [feature, more] of SSE_ONLY) {
    for (const [opcode, name] of more) rows.push(x86(`66 0F ${opcode} /r`, `${name} Vdq, Wdq`, `@sse ${feature}`, packedSse(name)));
  }
  for (const [digit, lanes, size] of WIDENINGS) {
    rows.push(
      x86(`66 0F 38 2${digit} /r`, `pmovsx${lanes} Vdq, W${size}`, "@sse sse4.1", wideLow(`pmovsx${lanes}` as HelperName)),
      x86(`66 0F 38 3${digit} /r`, `pmovzx${lanes} Vdq, W${size}`, "@sse sse4.1", wideLow(`pmovzx${lanes}` as HelperName)),
    );
  }
  for (const [opcode, digit, name] of SHIFT_GROUPS) {
    rows.push(
      x86(`NP 0F ${opcode} /${digit}`, `${name} Nq, Ib`, "@mmx mmx", shiftMmx(name)),
      x86(`66 0F ${opcode} /${digit}`, `${name} Udq, Ib`, "@sse sse2", shiftSse(name)),
    );
  }
  for (
    const [opcode, name] of [["51", "sqrt"], ["58", "add"], ["59", "mul"], ["5C", "sub"], ["5D", "min"], ["5E", "div"], [
      "5F",
      "max",
    ]] as const
  ) {
    rows.push(
      x86(`NP 0F ${opcode} /r`, `${name}ps Vps, Wps`, "@sse sse", packedArithmetic(name, false)),
      x86(`66 0F ${opcode} /r`, `${name}pd Vpd, Wpd`, "@sse sse2", packedArithmetic(name, true)),
      x86(`F3 0F ${opcode} /r`, `${name}ss Vss, Wss`, "@sse sse", arithmetic(name, false)),
      x86(`F2 0F ${opcode} /r`, `${name}sd Vsd, Wsd`, "@sse sse2", arithmetic(name, true)),
    );
  }
  for (
    const [opcode, name, logic] of [["54", "and", "pand"], ["55", "andn", "pandn"], ["56", "or", "por"], ["57", "xor", "pxor"]] as const
  ) {
    rows.push(
      x86(`NP 0F ${opcode} /r`, `${name}ps Vps, Wps`, "@sse sse", packedSse(logic)),
      x86(`66 0F ${opcode} /r`, `${name}pd Vpd, Wpd`, "@sse sse2", packedSse(logic)),
    );
  }
  rows.push(
    // Moves.
    x86("NP 0F 10 /r", "movups Vps, Wps", "@sse sse quiet", loadBoth(true)),
    x86("66 0F 10 /r", "movupd Vpd, Wpd", "@sse sse2 quiet", loadBoth(true)),
    x86("F3 0F 10 /r", "movss Vss, Wss", "@sse sse quiet", loadScalar(false)),
    x86("F2 0F 10 /r", "movsd Vsd, Wsd", "@sse sse2 quiet", loadScalar(true)),
    x86("NP 0F 11 /r", "movups Wps, Vps", "@sse sse quiet", storeBoth(true)),
    x86("66 0F 11 /r", "movupd Wpd, Vpd", "@sse sse2 quiet", storeBoth(true)),
    x86("F3 0F 11 /r", "movss Wss, Vss", "@sse sse quiet", storeScalar(false)),
    x86("F2 0F 11 /r", "movsd Wsd, Vsd", "@sse sse2 quiet", storeScalar(true)),
    x86("NP 0F 12 /r", "movlps Vq, Mq", "@sse sse quiet", loadLow),
    x86("66 0F 12 /r", "movlpd Vq, Mq", "@sse sse2 quiet", loadLow),
    x86("NP 0F 12 /r", "movhlps Vq, Uq", "@sse sse quiet", (b, d, s) => b.set(XMM(d.n), hi(b, s.n))),
    x86("NP 0F 13 /r", "movlps Mq, Vq", "@sse sse quiet", storeLow),
    x86("66 0F 13 /r", "movlpd Mq, Vq", "@sse sse2 quiet", storeLow),
    x86("NP 0F 16 /r", "movhps Vq, Mq", "@sse sse quiet", loadHigh),
    x86("66 0F 16 /r", "movhpd Vq, Mq", "@sse sse2 quiet", loadHigh),
    x86("NP 0F 16 /r", "movlhps Vq, Uq", "@sse sse quiet", (b, d, s) => b.set(XMM(d.n) + 8, lo(b, s.n))),
    x86("NP 0F 17 /r", "movhps Mq, Vq", "@sse sse quiet", storeHigh),
    x86("66 0F 17 /r", "movhpd Mq, Vq", "@sse sse2 quiet", storeHigh),
    x86("F3 0F 12 /r", "movsldup Vdq, Wdq", "@sse sse3", shuffle("movsldup")),
    x86("F3 0F 16 /r", "movshdup Vdq, Wdq", "@sse sse3", shuffle("movshdup")),
    x86("F2 0F 12 /r", "movddup Vq, Wq", "@sse sse3 quiet", (b, d, s) => {
      const v = low64(b, s);
      put(b, d.n, v, v);
    }),
    x86("NP 0F 14 /r", "unpcklps Vps, Wps", "@sse sse", shuffle("unpcklps")),
    x86("66 0F 14 /r", "unpcklpd Vpd, Wpd", "@sse sse2", shuffle("punpcklqdq")),
    x86("NP 0F 15 /r", "unpckhps Vps, Wps", "@sse sse", shuffle("unpckhps")),
    x86("66 0F 15 /r", "unpckhpd Vpd, Wpd", "@sse sse2", shuffle("punpckhqdq")),
    x86("NP 0F 28 /r", "movaps Vps, Wps", "@sse sse", loadBoth(false)),
    x86("66 0F 28 /r", "movapd Vpd, Wpd", "@sse sse2", loadBoth(false)),
    x86("NP 0F 29 /r", "movaps Wps, Vps", "@sse sse", storeBoth(false)),
    x86("66 0F 29 /r", "movapd Wpd, Vpd", "@sse sse2", storeBoth(false)),
    x86("NP 0F 2B /r", "movntps Mps, Vps", "@sse sse", storeBoth(false)),
    x86("66 0F 2B /r", "movntpd Mpd, Vpd", "@sse sse2", storeBoth(false)),
    x86("66 0F E7 /r", "movntdq Mdq, Vdq", "@sse sse2", storeBoth(false)),
    x86("66 0F 38 2A /r", "movntdqa Vdq, Mdq", "@sse sse4.1", loadBoth(false)),
    x86("NP 0F C3 /r", "movnti My, Gy", "sse2 quiet", (b, d, s) => b.put(d, b.get(s))),
    x86("66 0F 6F /r", "movdqa Vdq, Wdq", "@sse sse2", loadBoth(false)),
    x86("F3 0F 6F /r", "movdqu Vdq, Wdq", "@sse sse2", loadBoth(true)),
    x86("66 0F 7F /r", "movdqa Wdq, Vdq", "@sse sse2", storeBoth(false)),
    x86("F3 0F 7F /r", "movdqu Wdq, Vdq", "@sse sse2", storeBoth(true)),
    x86("F2 0F F0 /r", "lddqu Vdq, Mdq", "@sse sse3", loadBoth(true)),
    x86("66 0F 6E /r", "movd Vdq, Ey", "@sse sse2 quiet", (b, d, s) => put(b, d.n, b.zx(b.get(s)), b.i64(0))),
    x86("66 0F 7E /r", "movd Ey, Vdq", "@sse sse2 quiet", (b, d, s) => b.put(d, d.size === 8 ? lo(b, s.n) : b.getI(XMM(s.n)))),
    x86("F3 0F 7E /r", "movq Vq, Wq", "@sse sse2 quiet", (b, d, s) => put(b, d.n, low64(b, s), b.i64(0))),
    x86("66 0F D6 /r", "movq Wq, Vq", "@sse sse2 quiet", (b, d, s) => {
      if (d.kind === MEM) storeLow(b, d, s, s, s);
      else put(b, d.n, lo(b, s.n), b.i64(0));
    }),
    x86("NP 0F 50 /r", "movmskps Gy, Ups", "@sse sse quiet", signs(false)),
    x86("66 0F 50 /r", "movmskpd Gy, Upd", "@sse sse2 quiet", signs(true)),
    x86("66 0F D7 /r", "pmovmskb Gy, Udq", "@sse sse2", (b, d, s) => {
      const r = b.or(byteSigns(b, lo(b, s.n)), b.shl(byteSigns(b, hi(b, s.n)), b.i64(8)));
      b.put(d, d.size === 8 ? r : b.wrap(r));
    }),
    x86("66 0F F7 /r", "maskmovdqu Vdq, Udq", "@sse sse2", (b, d, s) => {
      maskedStore(b, [[lo(b, d.n), lo(b, s.n)], [hi(b, d.n), hi(b, s.n)]]);
    }),
    // MMX moves.
    x86("NP 0F 6E /r", "movd Pq, Ey", "@mmx mmx", (b, d, s) => {
      b.checkFpu();
      putMmx(b, d.n, b.zx(b.get(s)));
    }),
    x86("NP 0F 7E /r", "movd Ey, Pq", "@mmx mmx", (b, d, s) => {
      b.checkFpu();
      b.put(d, d.size === 8 ? b.get(s) : b.getI(FPU_REG(s.n)));
      enterMmx(b);
    }),
    x86("NP 0F 6F /r", "movq Pq, Qq", "@mmx mmx", (b, d, s) => {
      b.checkFpu();
      putMmx(b, d.n, b.get(s));
    }),
    x86("NP 0F 7F /r", "movq Qq, Pq", "@mmx mmx", (b, d, s) => {
      b.checkFpu();
      const v = b.get(s);
      if (d.kind === MMX) return putMmx(b, d.n, v);
      b.put(d, v);
      enterMmx(b);
    }),
    x86("NP 0F E7 /r", "movntq Mq, Pq", "@mmx sse", (b, d, s) => {
      b.checkFpu();
      b.put(d, b.get(s));
      enterMmx(b);
    }),
    x86("NP 0F D7 /r", "pmovmskb Gy, Nq", "@mmx sse", (b, d, s) => {
      b.checkFpu();
      const r = byteSigns(b, b.get(s));
      b.put(d, d.size === 8 ? r : b.wrap(r));
      enterMmx(b);
    }),
    x86("NP 0F F7 /r", "maskmovq Pq, Nq", "@mmx sse", (b, d, s) => {
      b.checkFpu();
      maskedStore(b, [[b.get(d), b.get(s)]]);
      enterMmx(b);
    }),
    x86("F3 0F D6 /r", "movq2dq Vdq, Nq", "@mmx sse2", (b, d, s) => {
      b.checkFpu();
      put(b, d.n, b.get(s), b.i64(0));
      enterMmx(b);
    }),
    x86("F2 0F D6 /r", "movdq2q Pq, Uq", "@mmx sse2", (b, d, s) => {
      b.checkFpu();
      putMmx(b, d.n, lo(b, s.n));
    }),
    x86("NP 0F 77", "emms", "@mmx mmx", (b) => {
      b.checkFpu();
      b.set(FPU_EMPTY, b.i32(0xff));
      b.set(FPU_TOP, b.i32(0));
    }),
    // Shuffles, blends, single lanes.
    x86("NP 0F 70 /r", "pshufw Pq, Qq, Ib", "@mmx sse", packedMmx("pshufw")),
    x86("66 0F 70 /r", "pshufd Vdq, Wdq, Ib", "@sse sse2", shuffle("pshufd")),
    x86("F3 0F 70 /r", "pshufhw Vdq, Wdq, Ib", "@sse sse2", wide("pshufhw")),
    x86("F2 0F 70 /r", "pshuflw Vdq, Wdq, Ib", "@sse sse2", wide("pshuflw")),
    x86("66 0F 73 /3", "psrldq Udq, Ib", "@sse sse2", shiftBytes(false)),
    x86("66 0F 73 /7", "pslldq Udq, Ib", "@sse sse2", shiftBytes(true)),
    x86("NP 0F C6 /r", "shufps Vps, Wps, Ib", "@sse sse", shuffle("shufps")),
    x86("66 0F C6 /r", "shufpd Vpd, Wpd, Ib", "@sse sse2", shuffle("shufpd")),
    x86("NP 0F 3A 0F /r", "palignr Pq, Qq, Ib", "@mmx ssse3", packedMmx("palignr")),
    x86("66 0F 3A 0F /r", "palignr Vdq, Wdq, Ib", "@sse ssse3", wide("palignr")),
    x86("66 0F 3A 0C /r", "blendps Vps, Wps, Ib", "@sse sse4.1", wide("blendps")),
    x86("66 0F 3A 0D /r", "blendpd Vpd, Wpd, Ib", "@sse sse4.1", wide("blendpd")),
    x86("66 0F 3A 0E /r", "pblendw Vdq, Wdq, Ib", "@sse sse4.1", wide("pblendw")),
    x86("66 0F 38 10 /r", "pblendvb Vdq, Wdq, XMM0", "@sse sse4.1", wide("pblendvb")),
    x86("66 0F 38 14 /r", "blendvps Vps, Wps, XMM0", "@sse sse4.1", wide("blendvps")),
    x86("66 0F 38 15 /r", "blendvpd Vpd, Wpd, XMM0", "@sse sse4.1", wide("blendvpd")),
    x86("66 0F 3A 42 /r", "mpsadbw Vdq, Wdq, Ib", "@sse sse4.1", wide("mpsadbw")),
    x86("66 0F 3A 40 /r", "dpps Vps, Wps, Ib", "@sse sse4.1", wide("dpps")),
    x86("66 0F 3A 41 /r", "dppd Vpd, Wpd, Ib", "@sse sse4.1", wide("dppd")),
    x86("66 0F 38 17 /r", "ptest Vdq, Wdq", "@sse sse4.1 !OSZAPC", ptest),
    x86("NP 0F C4 /r", "pinsrw Pq, Rd, Ib", "@mmx sse", (b, d, s) => pinsrwMmx(b, d, b.zx(b.get(s)))),
    x86("NP 0F C4 /r", "pinsrw Pq, Mw, Ib", "@mmx sse", (b, d, s) => pinsrwMmx(b, d, b.zx(b.get(s)))),
    x86("NP 0F C5 /r", "pextrw Gy, Nq, Ib", "@mmx sse", (b, d, s) => {
      b.checkFpu();
      const v = b.and(b.shrU(b.get(s), b.i64((b.i.imm & 3) * 16)), b.i64(0xffff));
      b.put(d, d.size === 8 ? v : b.wrap(v));
      enterMmx(b);
    }),
    x86("66 0F C4 /r", "pinsrw Vdq, Rd, Ib", "@sse sse2 quiet", pinsr(16)),
    x86("66 0F C4 /r", "pinsrw Vdq, Mw, Ib", "@sse sse2 quiet", pinsr(16)),
    x86("66 0F C5 /r", "pextrw Gy, Udq, Ib", "@sse sse2 quiet", pextr(16)),
    x86("66 0F 3A 14 /r", "pextrb Ry, Vdq, Ib", "@sse sse4.1 quiet", pextr(8)),
    x86("66 0F 3A 14 /r", "pextrb Mb, Vdq, Ib", "@sse sse4.1 quiet", pextr(8)),
    x86("66 0F 3A 15 /r", "pextrw Ry, Vdq, Ib", "@sse sse4.1 quiet", pextr(16)),
    x86("66 0F 3A 15 /r", "pextrw Mw, Vdq, Ib", "@sse sse4.1 quiet", pextr(16)),
    x86("66 W0 0F 3A 16 /r", "pextrd Ed, Vdq, Ib", "@sse sse4.1 quiet", pextr(32)),
    x86("66 REX.W 0F 3A 16 /r", "pextrq Eq, Vdq, Ib", "o64 @sse sse4.1 quiet", pextr(64)),
    x86("66 0F 3A 17 /r", "extractps Ed, Vdq, Ib", "@sse sse4.1 quiet", (b, d, s) => b.put(d, lane32(b, s.n, b.i.imm & 3))),
    x86("66 0F 3A 20 /r", "pinsrb Vdq, Rd, Ib", "@sse sse4.1 quiet", pinsr(8)),
    x86("66 0F 3A 20 /r", "pinsrb Vdq, Mb, Ib", "@sse sse4.1 quiet", pinsr(8)),
    x86("66 0F 3A 21 /r", "insertps Vdq, Udq, Ib", "@sse sse4.1", wide("insertps")),
    x86("66 0F 3A 21 /r", "insertps Vdq, Md, Ib", "@sse sse4.1", (b, d) => {
      // From memory comes the one lane there is.
      b.call(H.insertps, b.i64(d.n), b.extU(b.load("load32.i", b.memory.address(4, false))), b.i64(0), b.i64(b.i.imm & 0x3f));
    }),
    x86("66 W0 0F 3A 22 /r", "pinsrd Vdq, Ed, Ib", "@sse sse4.1 quiet", pinsr(32)),
    x86("66 REX.W 0F 3A 22 /r", "pinsrq Vdq, Eq, Ib", "o64 @sse sse4.1 quiet", pinsr(64)),
    x86("66 0F 3A 60 /r", "pcmpestrm Vdq, Wdq, Ib", "@sse sse4.2 !OSZAPC", pcmpstr(0x500)),
    x86("66 0F 3A 61 /r", "pcmpestri Vdq, Wdq, Ib", "@sse sse4.2 !OSZAPC", pcmpstr(0x100)),
    x86("66 0F 3A 62 /r", "pcmpistrm Vdq, Wdq, Ib", "@sse sse4.2 !OSZAPC", pcmpstr(0x400)),
    x86("66 0F 3A 63 /r", "pcmpistri Vdq, Wdq, Ib", "@sse sse4.2 !OSZAPC", pcmpstr(0)),
    // Floating point.
    x86("NP 0F C2 /r", "cmpps Vps, Wps, Ib", "@sse sse", wide("cmpps")),
    x86("66 0F C2 /r", "cmppd Vpd, Wpd, Ib", "@sse sse2", compareDoubles),
    x86("F3 0F C2 /r", "cmpss Vss, Wss, Ib", "@sse sse", compareScalar(false)),
    x86("F2 0F C2 /r", "cmpsd Vsd, Wsd, Ib", "@sse sse2", compareScalar(true)),
    x86("NP 0F 2E /r", "ucomiss Vss, Wss", "@sse sse !OSZAPC", comparison("ucomiss")),
    x86("66 0F 2E /r", "ucomisd Vsd, Wsd", "@sse sse2 !OSZAPC", comparison("ucomisd")),
    x86("NP 0F 2F /r", "comiss Vss, Wss", "@sse sse !OSZAPC", comparison("comiss")),
    x86("66 0F 2F /r", "comisd Vsd, Wsd", "@sse sse2 !OSZAPC", comparison("comisd")),
    x86("NP 0F 52 /r", "rsqrtps Vps, Wps", "@sse sse", wide("rsqrtps")),
    x86("F3 0F 52 /r", "rsqrtss Vss, Wss", "@sse sse", approximation("rsqrtss")),
    x86("NP 0F 53 /r", "rcpps Vps, Wps", "@sse sse", wide("rcpps")),
    x86("F3 0F 53 /r", "rcpss Vss, Wss", "@sse sse", approximation("rcpss")),
    x86("66 0F 7C /r", "haddpd Vpd, Wpd", "@sse sse3", wide("haddpd")),
    x86("F2 0F 7C /r", "haddps Vps, Wps", "@sse sse3", wide("haddps")),
    x86("66 0F 7D /r", "hsubpd Vpd, Wpd", "@sse sse3", wide("hsubpd")),
    x86("F2 0F 7D /r", "hsubps Vps, Wps", "@sse sse3", wide("hsubps")),
    x86("66 0F D0 /r", "addsubpd Vpd, Wpd", "@sse sse3", wide("addsubpd")),
    x86("F2 0F D0 /r", "addsubps Vps, Wps", "@sse sse3", wide("addsubps")),
    x86("66 0F 3A 08 /r", "roundps Vps, Wps, Ib", "@sse sse4.1", wide("roundps")),
    x86("66 0F 3A 09 /r", "roundpd Vpd, Wpd, Ib", "@sse sse4.1", wide("roundpd")),
    x86("66 0F 3A 0A /r", "roundss Vss, Wss, Ib", "@sse sse4.1", scalarHelper("roundss", false)),
    x86("66 0F 3A 0B /r", "roundsd Vsd, Wsd, Ib", "@sse sse4.1", scalarHelper("roundsd", true)),
    // Conversions.
    x86("F3 0F 2A /r", "cvtsi2ss Vss, Ey", "@sse sse", fromInteger(false)),
    x86("F2 0F 2A /r", "cvtsi2sd Vsd, Ey", "@sse sse2", fromInteger(true)),
    x86("F3 0F 2C /r", "cvttss2si Gy, Wss", "@sse sse", toInteger(false, true)),
    x86("F2 0F 2C /r", "cvttsd2si Gy, Wsd", "@sse sse2", toInteger(true, true)),
    x86("F3 0F 2D /r", "cvtss2si Gy, Wss", "@sse sse", toInteger(false, false)),
    x86("F2 0F 2D /r", "cvtsd2si Gy, Wsd", "@sse sse2", toInteger(true, false)),
    x86("F3 0F 5A /r", "cvtss2sd Vsd, Wss", "@sse sse2", toDouble),
    x86("F2 0F 5A /r", "cvtsd2ss Vss, Wsd", "@sse sse2", toSingle),
    x86("NP 0F 5A /r", "cvtps2pd Vpd, Wq", "@sse sse2", packedToDouble),
    x86("66 0F 5A /r", "cvtpd2ps Vps, Wpd", "@sse sse2", packedToSingle),
    x86("NP 0F 5B /r", "cvtdq2ps Vps, Wdq", "@sse sse2", integersToSingles),
    x86("66 0F 5B /r", "cvtps2dq Vdq, Wps", "@sse sse2", packedToIntegers(false, false)),
    x86("F3 0F 5B /r", "cvttps2dq Vdq, Wps", "@sse sse2", packedToIntegers(false, true)),
    x86("66 0F E6 /r", "cvttpd2dq Vdq, Wpd", "@sse sse2", packedToIntegers(true, true)),
    x86("F3 0F E6 /r", "cvtdq2pd Vpd, Wq", "@sse sse2", integersToDoubles),
    x86("F2 0F E6 /r", "cvtpd2dq Vdq, Wpd", "@sse sse2", packedToIntegers(true, false)),
    x86("NP 0F 2A /r", "cvtpi2ps Vps, Qq", "@mmx sse", (b, d, s) => {
      b.checkFpu();
      const v = b.get(s);
      b.set(XMM(d.n), b.call(H.cvtpi2ps, b.i64(0), v));
      if (s.kind === MMX) enterMmx(b);
    }),
    x86("66 0F 2A /r", "cvtpi2pd Vpd, Qq", "@mmx sse2", (b, d, s) => {
      if (s.kind === MMX) b.checkFpu();
      const v = b.get(s);
      put(b, d.n, b.pure("fromS.i.l", b.wrap(v)), b.pure("fromS.i.l", b.wrap(b.shrU(v, b.i64(32)))));
      if (s.kind === MMX) enterMmx(b);
    }),
    ...(["cvttps2pi", "cvtps2pi"] as const).map((name, n) =>
      x86(`NP 0F 2${n ? "D" : "C"} /r`, `${name} Pq, Wq`, "@mmx sse", (b, d, s) => {
        b.checkFpu();
        putMmx(b, d.n, b.call(H[name], b.i64(0), low64(b, s)));
      })
    ),
    ...(["cvttpd2pi", "cvtpd2pi"] as const).map((name, n) =>
      x86(`66 0F 2${n ? "D" : "C"} /r`, `${name} Pq, Wpd`, "@mmx sse2", (b, d, s) => {
        b.checkFpu();
        const [l, h] = both(b, s);
        putMmx(b, d.n, b.call(H[name], b.i64(0), l, h));
      })
    ),
  );
  return rows;
}

function pinsrwMmx(b: Emit, d: Operand, v: I64): void {
  b.checkFpu();
  const at = (b.i.imm & 3) * 16, field = 0xffffn << BigInt(at);
  const kept = b.and(b.getL(FPU_REG(d.n)), b.i64Big(BigInt.asIntN(64, ~field)));
  putMmx(b, d.n, b.or(kept, b.shl(b.and(v, b.i64(0xffff)), b.i64(at))));
}
