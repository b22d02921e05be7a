// The helpers of MMX and SSE: packed integers by packed.ts; floating point exact by ../ir/softfloat.ts, with MXCSR's rounding, DAZ, FTZ, flags and masks.
// Intel SDM volume 1 (253665-083), chapters 9 to 12; volume 2 for each instruction.
// Not modelled: the table-driven low bits of RCP and RSQRT (results are as exact as a binary32 can be), exact tiny results under an unmasked underflow.
import { CONTINUE, type CoreEnv, FAULT, FINISH, type Helper, type Status } from "../ir/frontend.ts";
import { ARG, RESULT } from "../ir/layout.ts";
import { f32, f64, FloatEnv, type FloatFormat, RTZ, toX86Flags, UNORDERED, X86_ROUNDING } from "../ir/softfloat.ts";
import { writeStatus } from "./flags.ts";
import { type FloatName, MMX_HELPERS, SSE_HELPERS, type SseHelper } from "./helpers.ts";
import { CF, OF, PF, SF, ZF } from "./registers.ts";
import { type Packed, PACKED_BOTH, PACKED_MMX, PACKED_SSE, u16, u32, u64 as lanes64, u8 } from "./packed.ts";
import { GPR, MXCSR, mxcsrIsFast, XMM } from "./slots.ts";

const F32 = new Float32Array(1), U32 = new Uint32Array(F32.buffer), F64 = new Float64Array(1), U64 = new BigUint64Array(F64.buffer);
const number32 = (x: bigint) => (U32[0] = Number(x), F32[0]), number64 = (x: bigint) => (U64[0] = x, F64[0]);
const bits32 = (x: number) => (F32[0] = x, BigInt(U32[0])), bits64 = (x: number) => (F64[0] = x, U64[0]);
const MIN32 = 2 ** -126, MIN64 = 2 ** -1022;

type Binary = (env: FloatEnv, t: FloatFormat, a: bigint, b: bigint) => bigint;
/** min and max give the second operand when the comparison says nothing: for NaNs and for zeros. */
const choose = (wanted: -1 | 1): Binary => (env, t, a, b) => {
  const x = flushed(env, t, a), y = flushed(env, t, b);
  return t.compare(env, a, b, true) === wanted ? x : y;
};
/** A subnormal operand is a zero under DAZ, also where it is handed on. */
function flushed(env: FloatEnv, t: FloatFormat, a: bigint): bigint {
  return env.daz && (a & t.infinity) === 0n ? a & t.signBit : a;
}
const EXACT: Readonly<Record<FloatName, Binary>> = {
  add: (env, t, a, b) => t.add(env, a, b),
  sub: (env, t, a, b) => t.sub(env, a, b),
  mul: (env, t, a, b) => t.mul(env, a, b),
  div: (env, t, a, b) => t.div(env, a, b),
  sqrt: (env, t, _a, b) => t.sqrt(env, b),
  min: choose(-1),
  max: choose(1),
};
const FAST: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

/** Predicates of cmpps and so on by the immediate's low two bits; bit 2 negates. */
function predicate(env: FloatEnv, t: FloatFormat, a: bigint, b: bigint, imm: number): boolean {
  const which = imm & 3, order = t.compare(env, a, b, which === 1 || which === 2);
  const v = which === 0 ? order === 0 : which === 1 ? order === -1 : which === 2 ? order <= 0 : order === UNORDERED;
  return v !== ((imm & 4) !== 0);
}
/** ZF PF CF as comis and ucomis set them. */
function comparisonFlags(env: FloatEnv, t: FloatFormat, a: bigint, b: bigint, signalling: boolean): number {
  const order = t.compare(env, a, b, signalling);
  return order === UNORDERED ? ZF | PF | CF : order === 0 ? ZF : order < 0 ? CF : 0;
}

/** The approximations: subnormal operands and results count as zero, no flags. */
function approximate(x: bigint, root: boolean): bigint {
  const v = number32(x), magnitude = x & 0x7fff_ffffn;
  if (magnitude > 0x7f80_0000n) return x | 0x40_0000n;
  if (magnitude < 0x80_0000n) return (x & 0x8000_0000n) | 0x7f80_0000n;
  if (root && v < 0) return 0xffc0_0000n;
  const r = Math.fround(root ? 1 / Math.sqrt(v) : 1 / v);
  return Math.abs(r) < MIN32 ? (x & 0x8000_0000n) : bits32(r);
}

/** The helpers in the order of SSE_HELPERS and MMX_HELPERS. `raise` records an exception and returns FAULT. */
export function sseHelpers(env: CoreEnv, raise: (vector: number, error: number) => Status): Helper[] {
  const { i32, u64: slots } = env, float = new FloatEnv("sse");
  const arg = (n: number) => slots[(ARG >> 3) + n], small = (n: number) => i32[(ARG >> 2) + 2 * n];

  /** Takes the modes from MXCSR; `fast`: nothing but an inexact result is to be feared. */
  let fast = false;
  const begin = () => {
    const mxcsr = i32[MXCSR >> 2];
    fast = mxcsrIsFast(mxcsr);
    float.flags = 0;
    float.rm = X86_ROUNDING[(mxcsr >> 13) & 3];
    float.daz = (mxcsr & 0x40) !== 0;
    float.ftz = (mxcsr & 0x8800) === 0x8800;
  };
  /** Puts the flags into MXCSR; FAULT when one is unmasked. */
  const end = (): Status => {
    if (float.flags === 0) return CONTINUE;
    const mxcsr = i32[MXCSR >> 2];
    let flags = toX86Flags(float.flags);
    const unmasked = flags & ~(mxcsr >> 7) & 0x3f;
    // Invalid, denormal and divide-by-zero come before the operation, the others after it (SDM volume 1, 11.5.2).
    if (unmasked & 7) flags &= 7;
    const now = mxcsr | flags;
    if (now !== mxcsr) i32[MXCSR >> 2] = now;
    if (unmasked) return raise(19, -1);
    if (mxcsrIsFast(now) === mxcsrIsFast(mxcsr)) return CONTINUE;
    env.changed();
    return FINISH;
  };
  const result = (v: bigint): Status => {
    const status = end();
    if (status !== FAULT) slots[RESULT >> 3] = v;
    return status;
  };
  /** A scalar operation: its arguments are (the result of the fast way, first operand, second operand, immediate). */
  const scalar = (f: (a: bigint, b: bigint, imm: number) => bigint) => (): Status => {
    begin();
    return result(f(arg(1), arg(2), small(3)));
  };

  /** A 128-bit operation on register arg 0, and the source in args 1 and 2; immediate in arg 3. */
  const wide = (f: (imm: number, at: number) => void, floating: boolean) => (): Status => {
    const at = XMM(small(0)) >> 3;
    lanes64[0] = slots[at];
    lanes64[1] = slots[at + 1];
    lanes64[2] = arg(1);
    lanes64[3] = arg(2);
    if (floating) begin();
    f(small(3), at);
    const status = floating ? end() : CONTINUE;
    if (status !== FAULT) {
      slots[at] = lanes64[4];
      slots[at + 1] = lanes64[5];
    }
    return status;
  };
  const each32 = (f: (a: bigint, b: bigint, imm: number, lane: number) => bigint) =>
    wide((imm) => {
      for (let k = 0; k < 4; k++) u32[8 + k] = Number(f(BigInt(u32[k]), BigInt(u32[4 + k]), imm, k));
    }, true);
  const each64 = (f: (a: bigint, b: bigint, imm: number, lane: number) => bigint) =>
    wide((imm) => {
      for (let k = 0; k < 2; k++) lanes64[4 + k] = f(lanes64[k], lanes64[2 + k], imm, k);
    }, true);

  /** The host's arithmetic where it gives the same bits and flags (the rule is in softfloat.ts), else the exact one. */
  const quick32 = (name: FloatName): (a: bigint, b: bigint) => bigint => {
    const f = FAST[name], slow = EXACT[name];
    return (a, b) => {
      if (fast && f) {
        const x = number32(a), y = number32(b), r = Math.fround(f(x, y));
        if (Math.abs(x) >= MIN32 && Math.abs(y) >= MIN32 && Math.abs(r) > MIN32 && Number.isFinite(r)) return bits32(r);
      }
      return slow(float, f32, a, b);
    };
  };
  const quick64 = (name: FloatName): (a: bigint, b: bigint) => bigint => {
    const f = FAST[name], slow = EXACT[name];
    return (a, b) => {
      if (fast && f) {
        const x = number64(a), y = number64(b), r = f(x, y);
        if (Math.abs(x) >= MIN64 && Math.abs(y) >= MIN64 && Math.abs(r) > MIN64 && Number.isFinite(r)) return bits64(r);
      }
      return slow(float, f64, a, b);
    };
  };
  const M32 = 0xffff_ffffn, M64 = 0xffff_ffff_ffff_ffffn;
  const round = (t: FloatFormat) => (_a: bigint, b: bigint, imm: number) =>
    t.roundToIntegral(float, b, imm & 4 ? float.rm : X86_ROUNDING[imm & 3], (imm & 8) === 0);
  const toInt = (t: FloatFormat, width: number, truncate: boolean) => (a: bigint) =>
    t.toInt(float, a, width, true, truncate ? RTZ : float.rm);
  const sumOf = (t: FloatFormat, subtract: boolean) => (a: bigint, b: bigint) => subtract ? t.sub(float, a, b) : t.add(float, a, b);
  /** haddps and hsubps: neighbours of A, then of B. */
  const horizontal32 = (subtract: boolean) =>
    wide(() => {
      const f = sumOf(f32, subtract);
      for (let k = 0; k < 4; k++) {
        // A has lanes 0 to 3, B the following four.
        u32[8 + k] = Number(f(BigInt(u32[2 * k]), BigInt(u32[2 * k + 1])));
      }
    }, true);
  const horizontal64 = (subtract: boolean) =>
    wide(() => {
      const f = sumOf(f64, subtract);
      for (let k = 0; k < 2; k++) lanes64[4 + k] = f(lanes64[2 * k], lanes64[2 * k + 1]);
    }, true);
  /** Narrow results go to the low half, the upper one is cleared. */
  const narrow = (f: (lane: number) => bigint) =>
    wide(() => {
      const lo = f(0), hi = f(1);
      lanes64[4] = lo | (hi << 32n);
      lanes64[5] = 0n;
    }, true);
  const widened = (f: (lane: number) => bigint) =>
    wide(() => {
      const lo = f(0);
      lanes64[5] = f(1);
      lanes64[4] = lo;
    }, true);
  /** blendv: the mask's sign bits choose; the mask is XMM0. */
  const blendv = (bytes: number) =>
    wide(() => {
      const mask = XMM(0);
      for (let k = 0; k < 16; k++) {
        const top = (k - k % bytes) + bytes - 1;
        u8[32 + k] = env.u8[mask + top] & 0x80 ? u8[16 + k] : u8[k];
      }
    }, false);

  const run: Record<string, () => Status> = {};
  for (const [name, f] of Object.entries({ ...PACKED_BOTH, ...PACKED_SSE }) as [string, Packed][]) {
    run[name] = wide((imm) => f(16, imm), false);
  }
  for (const name of Object.keys(EXACT) as FloatName[]) {
    const f = EXACT[name], a = quick32(name), b = quick64(name);
    run[`${name}ss`] = scalar((x, y) => f(float, f32, x & M32, y & M32));
    run[`${name}sd`] = scalar((x, y) => f(float, f64, x, y));
    run[`${name}ps2`] = scalar((x, y) => a(x & M32, y & M32) | (a(x >> 32n, y >> 32n) << 32n));
    run[`${name}ps`] = each32((x, y) => a(x, y));
    run[`${name}pd`] = each64((x, y) => b(x, y));
  }
  run.cmpss = scalar((x, y, imm) => predicate(float, f32, x, y, imm) ? M32 : 0n);
  run.cmpsd = scalar((x, y, imm) => predicate(float, f64, x, y, imm) ? M64 : 0n);
  run.cmpps = each32((x, y, imm) => predicate(float, f32, x, y, imm) ? M32 : 0n);
  run.cmppd = each64((x, y, imm) => predicate(float, f64, x, y, imm) ? M64 : 0n);
  run.comiss = scalar((x, y) => BigInt(comparisonFlags(float, f32, x, y, true)));
  run.comisd = scalar((x, y) => BigInt(comparisonFlags(float, f64, x, y, true)));
  run.ucomiss = scalar((x, y) => BigInt(comparisonFlags(float, f32, x, y, false)));
  run.ucomisd = scalar((x, y) => BigInt(comparisonFlags(float, f64, x, y, false)));
  run.cvtsi2ss = scalar((x) => f32.fromInt(float, BigInt.asIntN(64, x)));
  run.cvtsi2sd = scalar((x) => f64.fromInt(float, BigInt.asIntN(64, x)));
  for (const [suffix, width] of [["", 32], ["q", 64]] as const) {
    run[`cvtss2si${suffix}`] = scalar(toInt(f32, width, false));
    run[`cvtsd2si${suffix}`] = scalar(toInt(f64, width, false));
    run[`cvttss2si${suffix}`] = scalar(toInt(f32, width, true));
    run[`cvttsd2si${suffix}`] = scalar(toInt(f64, width, true));
  }
  run.cvtss2sd = scalar((x) => f32.convert(float, x, f64));
  run.cvtsd2ss = scalar((x) => f64.convert(float, x, f32));
  run.roundss = scalar((_x, y, imm) => round(f32)(0n, y, imm));
  run.roundsd = scalar((_x, y, imm) => round(f64)(0n, y, imm));
  run.roundps = each32(round(f32));
  run.roundpd = each64(round(f64));
  run.rcpss = scalar((x) => approximate(x, false));
  run.rsqrtss = scalar((x) => approximate(x, true));
  run.rcpps = each32((_x, y) => approximate(y, false));
  run.rsqrtps = each32((_x, y) => approximate(y, true));
  run.cvtdq2ps = each32((_x, y) => f32.fromInt(float, BigInt.asIntN(32, y)));
  run.cvtps2dq = each32((_x, y) => toInt(f32, 32, false)(y));
  run.cvttps2dq = each32((_x, y) => toInt(f32, 32, true)(y));
  run.cvtpd2dq = narrow((k) => toInt(f64, 32, false)(lanes64[2 + k]));
  run.cvttpd2dq = narrow((k) => toInt(f64, 32, true)(lanes64[2 + k]));
  run.cvtpd2ps = narrow((k) => f64.convert(float, lanes64[2 + k], f32));
  run.cvtps2pd = widened((k) => f32.convert(float, BigInt(u32[4 + k]), f64));
  run.haddps = horizontal32(false);
  run.hsubps = horizontal32(true);
  run.haddpd = horizontal64(false);
  run.hsubpd = horizontal64(true);
  run.addsubps = each32((x, y, _imm, lane) => lane & 1 ? f32.add(float, x, y) : f32.sub(float, x, y));
  run.addsubpd = each64((x, y, _imm, lane) => lane & 1 ? f64.add(float, x, y) : f64.sub(float, x, y));
  run.dpps = wide((imm) => {
    const p = [0, 1, 2, 3].map((k) => (imm >> (4 + k)) & 1 ? f32.mul(float, BigInt(u32[k]), BigInt(u32[4 + k])) : 0n);
    const sum = f32.add(float, f32.add(float, p[0], p[1]), f32.add(float, p[2], p[3]));
    for (let k = 0; k < 4; k++) u32[8 + k] = (imm >> k) & 1 ? Number(sum) : 0;
  }, true);
  run.dppd = wide((imm) => {
    const p = [0, 1].map((k) => (imm >> (4 + k)) & 1 ? f64.mul(float, lanes64[k], lanes64[2 + k]) : 0n), sum = f64.add(float, p[0], p[1]);
    for (let k = 0; k < 2; k++) lanes64[4 + k] = (imm >> k) & 1 ? sum : 0n;
  }, true);
  run.pblendvb = blendv(1);
  run.blendvps = blendv(4);
  run.blendvpd = blendv(8);
  // Packed conversions between MMX and SSE: one half in arg 1, the result a half.
  const two = (f: (half: bigint) => bigint) => scalar((x) => f(x & M32) | (f(x >> 32n) << 32n));
  run.cvtpi2ps = two((x) => f32.fromInt(float, BigInt.asIntN(32, x)));
  run.cvtps2pi = two(toInt(f32, 32, false));
  run.cvttps2pi = two(toInt(f32, 32, true));
  run.cvtpd2pi = scalar((x, y) => toInt(f64, 32, false)(x) | (toInt(f64, 32, false)(y) << 32n));
  run.cvttpd2pi = scalar((x, y) => toInt(f64, 32, true)(x) | (toInt(f64, 32, true)(y) << 32n));
  run.ldmxcsr = () => {
    const was = i32[MXCSR >> 2], value = small(0);
    if (value & ~0xffff) return raise(13, 0);
    i32[MXCSR >> 2] = value;
    if (mxcsrIsFast(was) === mxcsrIsFast(value)) return CONTINUE;
    env.changed();
    return FINISH;
  };
  // String comparisons: register arg 0 and its source; the immediate, with bit 8 for explicit lengths, bit 9 for 64-bit lengths, bit 10 for a mask as result.
  run.pcmpstr = () => {
    const at = XMM(small(0)) >> 3, imm = small(3);
    lanes64[0] = slots[at];
    lanes64[1] = slots[at + 1];
    lanes64[2] = arg(1);
    lanes64[3] = arg(2);
    const length = (register: number) => imm & 0x200 ? BigInt.asIntN(64, slots[GPR(register) >> 3]) : BigInt(i32[GPR(register) >> 2]);
    const r = compareStrings(imm, length(0), length(2));
    writeStatus(i32, r.flags);
    if (imm & 0x400) {
      const out = XMM(0) >> 3;
      let lo = 0n, hi = 0n;
      for (let k = 0; k < (imm & 1 ? 8 : 16); k++) {
        if (!(r.mask >> k & 1)) continue;
        if (!(imm & 0x40)) lo |= 1n << BigInt(k);
        else if (imm & 1) k < 4 ? lo |= 0xffffn << BigInt(16 * k) : hi |= 0xffffn << BigInt(16 * (k - 4));
        else k < 8 ? lo |= 0xffn << BigInt(8 * k) : hi |= 0xffn << BigInt(8 * (k - 8));
      }
      slots[out] = lo;
      slots[out + 1] = hi;
    } else slots[GPR(1) >> 3] = BigInt(r.index);
    return CONTINUE;
  };

  const sse = SSE_HELPERS.map((name: SseHelper): Helper => ({ name, run: run[name] }));
  const packed: Readonly<Record<string, Packed>> = { ...PACKED_BOTH, ...PACKED_MMX };
  const mmx = MMX_HELPERS.map((name): Helper => {
    const f = packed[name.slice(4)];
    return {
      name,
      run: () => {
        lanes64[0] = arg(0);
        lanes64[2] = arg(1);
        f(8, small(2));
        slots[RESULT >> 3] = lanes64[4];
        return CONTINUE;
      },
    };
  });
  return [...sse, ...mmx];
}

/** pcmpestri and its relatives (SDM volume 2, 4.1) on A (the first operand) and B: the result mask, the index, and the flags. */
function compareStrings(imm: number, lengthA: bigint, lengthB: bigint): { mask: number; index: number; flags: number } {
  const words = (imm & 1) !== 0, count = words ? 8 : 16, signed = (imm & 2) !== 0, all = (1 << count) - 1;
  const element = (side: 0 | 1, k: number) => {
    const v = words ? u16[8 * side + k] : u8[16 * side + k];
    return signed ? words ? (v << 16) >> 16 : (v << 24) >> 24 : v;
  };
  const valid = (side: 0 | 1) => {
    if (imm & 0x100) {
      const n = side ? lengthB : lengthA, magnitude = n < 0n ? -n : n;
      return magnitude > BigInt(count) ? count : Number(magnitude);
    }
    let k = 0;
    while (k < count && element(side, k) !== 0) k++;
    return k;
  };
  const na = valid(0), nb = valid(1);
  let mask = 0;
  for (let j = 0; j < count; j++) {
    let v = false;
    switch ((imm >> 2) & 3) {
      case 0: // equal any
        for (let k = 0; k < na && !v; k++) v = j < nb && element(0, k) === element(1, j);
        break;
      case 1: // ranges
        for (let k = 0; k + 1 < na && !v; k += 2) v = j < nb && element(0, k) <= element(1, j) && element(1, j) <= element(0, k + 1);
        break;
      case 2: // equal each
        v = j < na && j < nb ? element(0, j) === element(1, j) : j >= na && j >= nb;
        break;
      default: // equal ordered
        v = true;
        for (let k = 0; j + k < count && k < na && v; k++) v = j + k < nb && element(0, k) === element(1, j + k);
    }
    if (v) mask |= 1 << j;
  }
  if (imm & 0x10) mask ^= imm & 0x20 ? (1 << nb) - 1 : all;
  mask &= all;
  const index = mask === 0 ? count : imm & 0x40 ? 31 - Math.clz32(mask) : 31 - Math.clz32(mask & -mask);
  const flags = (mask ? CF : 0) | (nb < count ? ZF : 0) | (na < count ? SF : 0) | (mask & 1 ? OF : 0);
  return { mask, index, flags };
}
