// Exact IEEE 754 arithmetic on bit patterns: the slow path and the oracle of guest floating point. Sources: IEEE 754-2019; RISC-V Unprivileged ISA
// 20240411, chapters "F", "D", "Zfh", "Zfa"; Intel SDM vol. 1, sections 4.8 (table 4-7: NaNs) and 4.9 (exceptions), chapters 8 (x87) and 11 (SSE).
// Values are unsigned bigints: 16, 32 or 64 bits, and 80 bits for x87's extended format (sign and exponent in bits 79..64).
// Not modelled: the results of unmasked x86 exceptions, but for the x87's overflow and underflow.
//
// When may wasm's (round-to-nearest) operation stand in for this file? It gives the same bits, and no flag but NX can be raised, when the result is
// finite (no NaN, no infinity) and, by operation:
//   add, sub, sqrt:     always; a subnormal or zero sum is exact.
//   mul, div, demotion: |result| > the smallest normal number. EQUAL IS NOT ENOUGH: (1 - 2^-53) * 2^-1022 rounds to 2^-1022 but raises UF, because
//                       tininess is judged after rounding to full precision. Nor is zero, which may be an underflow.
// On x86 no operand may be subnormal either (DE, DAZ). softfloat_test.ts tests this with random operands.

/** Exception flags, as in RISC-V's fflags; DE is x86's denormal operand flag. */
export const NX = 1, UF = 2, OF = 4, DZ = 8, NV = 16, DE = 32;

/** Rounding modes, as in RISC-V's frm: nearest even, to zero, down, up, nearest with ties away from zero. */
export const RNE = 0, RTZ = 1, RDN = 2, RUP = 3, RMM = 4;
export type Rounding = 0 | 1 | 2 | 3 | 4;

/** Rounding mode by the RC field of MXCSR and of the x87 control word. */
export const X86_ROUNDING: readonly Rounding[] = [RNE, RDN, RUP, RTZ];

/** The flags as x86 has them in MXCSR and the x87 status word: IE DE ZE OE UE PE from bit 0. */
export function toX86Flags(flags: number): number {
  return (flags & NV) >> 4 | (flags & DE) >> 4 | (flags & DZ) >> 1 | (flags & OF) << 1 | (flags & UF) << 3 | (flags & NX) << 5;
}

/** Whose rules hold for NaN results, integer conversions out of range, and the denormal flag. */
export type Policy =
  /** Canonical NaN; integer conversions saturate; no DE. */
  | "riscv"
  /** The first NaN operand, quieted; "integer indefinite"; DE. */
  | "sse"
  /** The NaN operand with the larger significand, a quiet one before a signalling one; "integer indefinite"; DE. */
  | "x87";

/** Modes and sticky flags of one floating-point unit. */
export class FloatEnv {
  rm: Rounding = RNE;
  /** Accumulates; the caller clears it. */
  flags = 0;
  /** Whether a result is tiny is judged after (RISC-V, x86) or before rounding. */
  tininess: "after" | "before" = "after";
  /** Subnormal operands count as zero (MXCSR.DAZ). */
  daz = false;
  /** Tiny results become zero (MXCSR.FTZ, underflow masked). */
  ftz = false;
  /** OF and UF as far as their exceptions are unmasked (x87): see `#beyond`. */
  unmasked = 0;
  /** Significand bits of x87 sums, products, quotients and roots (precision control): 24, 53 or 64. */
  precision = 64;
  /** Whether the last rounded result was rounded away from zero (x87's C1); untouched by results that need no rounding. */
  roundedUp = false;
  /** @internal DE, or 0 where there is no such flag. */
  readonly denormal: number;

  constructor(readonly policy: Policy = "riscv") {
    this.denormal = policy === "riscv" ? 0 : DE;
  }
}

/** Shape of a binary format; `explicitOne`: the significand's leading one is stored (x87). */
export interface FormatShape {
  readonly expBits: number;
  readonly fracBits: number;
  readonly explicitOne?: boolean;
}

/** Result of `compare`: UNORDERED when an operand is a NaN. */
export type Order = -1 | 0 | 1 | 2;
export const UNORDERED = 2;

/** Which of the results of `remainder`. */
export interface Remainder {
  readonly value: bigint;
  /** Low three bits of the quotient's magnitude (0 when incomplete). */
  readonly quotient: number;
  /** False when only part of the reduction was done (x87's C2). */
  readonly complete: boolean;
}

// Kinds of a number; those from QNAN on are the ones that need care first.
const ZERO = 0, FINITE = 1, INF = 2, QNAN = 3, SNAN = 4, /** An encoding that the x87 refuses. */ BAD = 5;

/** A number taken apart: (-1)^sign * sig * 2^exp; a finite non-zero sig has exactly the format's precision in bits. */
class Parts {
  kind = ZERO;
  sign = false;
  exp = 0;
  sig = 0n;
  /** The encoding was subnormal. */
  subnormal = false;
}

// Operands of the running operation; nothing here survives it.
const A = new Parts(), B = new Parts(), C = new Parts();

const F64 = new Float64Array(1), W64 = new Uint32Array(F64.buffer);

/** Bits in x (0 < x < 2^1023). */
function bitLength(x: bigint): number {
  F64[0] = Number(x);
  const n = (W64[1] >>> 20) - 1022;
  // Number() may have rounded up to a power of two.
  return n > 53 && (W64[1] & 0xf_ffff) === 0 && W64[0] === 0 && x >> BigInt(n - 1) === 0n ? n - 1 : n;
}

/** Whether a magnitude that lost bits grows by one unit; `half` is the sign of (lost bits - half a unit). */
function increments(rm: Rounding, sign: boolean, odd: boolean, half: number): boolean {
  if (rm === RNE) return half > 0 || (half === 0 && odd);
  if (rm === RMM) return half >= 0;
  return rm === RTZ ? false : (rm === RDN) === sign;
}

/** sig / 2^cut as an integer, rounded; `inexact` and `up` tell what was lost. */
function shiftRound(rm: Rounding, sign: boolean, sig: bigint, cut: number): bigint {
  if (cut <= 0) {
    inexact = up = false;
    return cut === 0 ? sig : sig << BigInt(-cut);
  }
  const n = BigInt(cut), m = sig >> n, lost = BigInt.asUintN(cut, sig);
  inexact = lost !== 0n;
  if (!inexact) {
    up = false;
    return m;
  }
  // The leading lost bit and the rest are all that matter.
  const top = lost >> (n - 1n) !== 0n;
  const half = !top ? -1 : BigInt.asUintN(cut - 1, lost) === 0n ? 0 : 1;
  up = increments(rm, sign, BigInt.asUintN(1, m) === 1n, half);
  return up ? m + 1n : m;
}
let inexact = false, up = false;

/** Floor of the square root (n < 2^1023). */
function integerSqrt(n: bigint): bigint {
  let x = BigInt(Math.floor(Math.sqrt(Number(n)))); // 53 good bits; one step of Newton's method makes it 100
  x = (x + n / x) >> 1n;
  while (x * x > n) x--;
  while ((x + 1n) * (x + 1n) <= n) x++;
  return x;
}

/** The operations of one format. Operands and results are bit patterns; every operation takes the environment first and adds to its flags. */
export class FloatFormat {
  /** Bits of an encoding. */
  readonly bits: number;
  /** Bits of a significand, the leading one included. */
  readonly precision: number;
  readonly infinity: bigint;
  readonly maxFinite: bigint;
  readonly minNormal: bigint;
  readonly signBit: bigint;
  /** RISC-V's canonical NaN; x86's default NaN ("real indefinite") is the same with the sign set. */
  readonly canonicalNaN: bigint;
  readonly explicitOne: boolean;
  readonly #bias: number;
  readonly #maxExp: number;
  /** Exponent of the smallest normal number. */
  readonly #emin: number;
  /** Bits below the exponent field. */
  readonly #field: number;
  readonly #fieldN: bigint;
  readonly #one: bigint;
  readonly #quiet: bigint;

  constructor(shape: FormatShape) {
    this.explicitOne = shape.explicitOne ?? false;
    this.precision = shape.fracBits + 1;
    this.#field = shape.fracBits + (this.explicitOne ? 1 : 0);
    this.#fieldN = BigInt(this.#field);
    this.bits = 1 + shape.expBits + this.#field;
    this.#maxExp = 2 ** shape.expBits - 1;
    this.#bias = 2 ** (shape.expBits - 1) - 1;
    this.#emin = 1 - this.#bias;
    this.#one = 1n << BigInt(shape.fracBits);
    this.#quiet = this.#one >> 1n;
    this.signBit = 1n << BigInt(this.bits - 1);
    const one = this.explicitOne ? this.#one : 0n;
    this.infinity = BigInt(this.#maxExp) << this.#fieldN | one;
    this.maxFinite = BigInt(this.#maxExp - 1) << this.#fieldN | one | (this.#one - 1n);
    this.minNormal = 1n << this.#fieldN | one;
    this.canonicalNaN = this.infinity | this.#quiet;
  }

  /** a + b. */
  add(env: FloatEnv, a: bigint, b: bigint): bigint {
    return this.#sum(env, a, b, false);
  }

  /** a - b. */
  sub(env: FloatEnv, a: bigint, b: bigint): bigint {
    return this.#sum(env, a, b, true);
  }

  #sum(env: FloatEnv, a: bigint, b: bigint, subtract: boolean): bigint {
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    if (A.kind >= QNAN || B.kind >= QNAN) return this.#nan2(env, a, b);
    const signB = B.sign !== subtract;
    if (A.kind === INF && B.kind === INF && A.sign !== signB) return this.#invalid(env);
    if (A.subnormal || B.subnormal) env.flags |= env.denormal;
    if (A.kind === INF) return this.#inf(A.sign);
    if (B.kind === INF) return this.#inf(signB);
    return this.#addParts(env, A.sign, A.exp, A.sig, signB, B.exp, B.sig);
  }

  /** Sum of two finite numbers, rounded; their significands have up to twice the format's precision. */
  #addParts(env: FloatEnv, s1: boolean, e1: number, m1: bigint, s2: boolean, e2: number, m2: bigint): bigint {
    const prec = this.#controlled(env), p = this.precision;
    if (m2 === 0n) return m1 === 0n ? this.#zero(s1 === s2 ? s1 : env.rm === RDN) : this.#round(env, s1, e1, m1, prec);
    if (m1 === 0n) return this.#round(env, s2, e2, m2, prec);
    if (e1 < e2) [s1, e1, m1, s2, e2, m2] = [s2, e2, m2, s1, e1, m1];
    let exp: number, sum: bigint;
    if (e1 - e2 > 3 * p + 3) {
      // The smaller one (2p bits at most) lies wholly below what can matter: an odd last bit stands for it.
      exp = e1 - 3 - p;
      sum = (m1 << BigInt(3 + p)) + (s1 === s2 ? 1n : -1n);
    } else {
      exp = e2;
      m1 <<= BigInt(e1 - e2);
      sum = s1 === s2 ? m1 + m2 : m1 - m2;
      if (sum === 0n) return this.#zero(env.rm === RDN);
      if (sum < 0n) return this.#round(env, !s1, exp, -sum, prec);
    }
    return this.#round(env, s1, exp, sum, prec);
  }

  /** a * b. */
  mul(env: FloatEnv, a: bigint, b: bigint): bigint {
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    if (A.kind >= QNAN || B.kind >= QNAN) return this.#nan2(env, a, b);
    const sign = A.sign !== B.sign;
    if ((A.kind === INF && B.kind === ZERO) || (A.kind === ZERO && B.kind === INF)) return this.#invalid(env);
    if (A.subnormal || B.subnormal) env.flags |= env.denormal;
    if (A.kind === INF || B.kind === INF) return this.#inf(sign);
    if (A.kind === ZERO || B.kind === ZERO) return this.#zero(sign);
    return this.#round(env, sign, A.exp + B.exp, A.sig * B.sig, this.#controlled(env));
  }

  /** a / b. */
  div(env: FloatEnv, a: bigint, b: bigint): bigint {
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    if (A.kind >= QNAN || B.kind >= QNAN) return this.#nan2(env, a, b);
    const sign = A.sign !== B.sign;
    if (A.kind === B.kind && A.kind !== FINITE) return this.#invalid(env);
    if (B.kind === ZERO && A.kind !== INF) {
      env.flags |= DZ;
      return this.#inf(sign);
    }
    if (A.subnormal || B.subnormal) env.flags |= env.denormal;
    if (A.kind === INF) return this.#inf(sign);
    if (B.kind === INF || A.kind === ZERO) return this.#zero(sign);
    const k = this.precision + 2, n = A.sig << BigInt(k), q = n / B.sig;
    return this.#round(env, sign, A.exp - B.exp - k, q * B.sig === n ? q : q | 1n, this.#controlled(env));
  }

  /** Square root. */
  sqrt(env: FloatEnv, a: bigint): bigint {
    this.#unpack(env, a, A);
    if (A.kind >= QNAN) return this.#nan1(env, a);
    if (A.kind === ZERO) return this.#zero(A.sign);
    if (A.sign) return this.#invalid(env);
    if (A.subnormal) env.flags |= env.denormal;
    if (A.kind === INF) return this.infinity;
    const k = this.precision + 4 + ((A.exp + this.precision) & 1), n = A.sig << BigInt(k), r = integerSqrt(n);
    return this.#round(env, false, (A.exp - k) / 2, r * r === n ? r : r | 1n, this.#controlled(env));
  }

  /**
   * (a * b) + c with one rounding; the product and the addend are negated as asked (a NaN operand is not). x86: of several NaNs the first of a, b, c is
   * taken, and they stand in the order of the mnemonic's digits (`vfmadd213`: a is the second source, b the destination, c the third).
   */
  fma(env: FloatEnv, a: bigint, b: bigint, c: bigint, negateProduct = false, negateAddend = false): bigint {
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    this.#unpack(env, c, C);
    const sign = (A.sign !== B.sign) !== negateProduct, signC = C.sign !== negateAddend;
    const invalid = (A.kind === INF && B.kind === ZERO) || (A.kind === ZERO && B.kind === INF);
    if (A.kind >= QNAN || B.kind >= QNAN || C.kind >= QNAN) {
      // RISC-V "F": infinity times zero raises NV even when the addend is a quiet NaN. x86: the NaN comes first, no invalid operation.
      if (invalid && env.policy === "riscv") env.flags |= NV;
      return this.#nan3(env, a, b, c);
    }
    if (invalid) return this.#invalid(env);
    const infinite = A.kind === INF || B.kind === INF;
    if (infinite && C.kind === INF && sign !== signC) return this.#invalid(env);
    if (A.subnormal || B.subnormal || C.subnormal) env.flags |= env.denormal;
    if (infinite) return this.#inf(sign);
    if (C.kind === INF) return this.#inf(signC);
    return this.#addParts(env, sign, A.exp + B.exp, A.sig * B.sig, signC, C.exp, C.sig);
  }

  /**
   * a - b * q, exact, where q is a / b rounded to zero (`fprem`) or to the nearest even integer (`nearest`: `fprem1`, IEEE remainder).
   * As on the x87, an exponent difference of 64 or more is reduced by 32 to 63 only, and the result is not complete.
   */
  remainder(env: FloatEnv, a: bigint, b: bigint, nearest = false): Remainder {
    const done = (value: bigint, quotient = 0): Remainder => ({ value, quotient, complete: true });
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    if (A.kind >= QNAN || B.kind >= QNAN) return done(this.#nan2(env, a, b));
    if (A.kind === INF || B.kind === ZERO) return done(this.#invalid(env));
    if (A.subnormal || B.subnormal) env.flags |= env.denormal;
    const p = this.precision;
    if (A.kind === ZERO) return done(this.#zero(A.sign));
    const d = A.exp - B.exp;
    if (B.kind === INF || d < -1) return done(this.#round(env, A.sign, A.exp, A.sig, p));
    if (d >= 64) {
      const n = (d & 31) | 32, top = A.sig << BigInt(n), r = top % B.sig;
      return { value: r === 0n ? this.#zero(A.sign) : this.#round(env, A.sign, A.exp - n, r, p), quotient: 0, complete: false };
    }
    const top = A.sig << BigInt(d + 1), bottom = B.sig << 1n; // both in units of 2^(B.exp - 1)
    let q = top / bottom, r = top - q * bottom, sign = A.sign;
    if (nearest && (r > B.sig || (r === B.sig && (q & 1n) === 1n))) {
      q++;
      r = bottom - r;
      sign = !sign;
    }
    return done(r === 0n ? this.#zero(A.sign) : this.#round(env, sign, B.exp - 1, r, p), Number(q & 7n));
  }

  /** (-1)^sign * sig * 2^exp (0 < sig < 2^1023), rounded once to all of the format's precision. */
  rounded(env: FloatEnv, sign: boolean, exp: number, sig: bigint): bigint {
    return this.#round(env, sign, exp, sig, this.precision);
  }

  /** The integral value next to a in mode `rm`; raises NX when `exact` and the value changed. */
  roundToIntegral(env: FloatEnv, a: bigint, rm: Rounding = env.rm, exact = true): bigint {
    this.#unpack(env, a, A);
    if (A.kind >= QNAN) return this.#nan1(env, a);
    if (A.kind === ZERO) return this.#zero(A.sign);
    if (A.subnormal && env.policy === "x87") env.flags |= DE; // SSE's ROUNDSS has no DE
    if (A.kind === INF || A.exp >= 0) return a;
    const m = shiftRound(rm, A.sign, A.sig, -A.exp);
    if (inexact && exact) env.flags |= NX;
    env.roundedUp = up;
    const rounded = up; // the packing below is exact and would clear it
    const value = m === 0n ? this.#zero(A.sign) : this.#round(env, A.sign, 0, m, this.precision);
    env.roundedUp = rounded;
    return value;
  }

  /** a in another format. */
  convert(env: FloatEnv, a: bigint, to: FloatFormat): bigint {
    this.#unpack(env, a, A);
    if (A.kind === BAD) return to.#invalid(env);
    if (A.kind >= QNAN) {
      if (A.kind === SNAN) env.flags |= NV;
      if (env.policy === "riscv") return to.canonicalNaN;
      const frac = BigInt.asUintN(this.precision - 1, a), n = BigInt(this.precision - to.precision);
      return (A.sign ? to.signBit : 0n) | to.canonicalNaN | (n < 0n ? frac << -n : frac >> n);
    }
    // x86 reports subnormal operands of 32 and 64 bits, but none when F16C widens halves or the x87 stores an extended number.
    if (A.subnormal && (this.bits === 32 || this.bits === 64)) env.flags |= env.denormal;
    if (A.kind === INF) return to.#inf(A.sign);
    return A.kind === ZERO ? to.#zero(A.sign) : to.#round(env, A.sign, A.exp, A.sig, to.precision);
  }

  /** The integer `value` (any bigint) as a number of this format. */
  fromInt(env: FloatEnv, value: bigint): bigint {
    if (value === 0n) return 0n;
    return value < 0n ? this.#round(env, true, 0, -value, this.precision) : this.#round(env, false, 0, value, this.precision);
  }

  /**
   * a as an integer of `width` bits, rounded in mode `rm`, as an unsigned bit pattern. Out of range raises NV alone and gives, on RISC-V, the nearest
   * integer (NaN: the largest), on x86 "integer indefinite": the smallest signed integer, or all ones. NX only when `exact` and in range.
   */
  toInt(env: FloatEnv, a: bigint, width: number, signed: boolean, rm: Rounding = env.rm, exact = true): bigint {
    this.#unpack(env, a, A);
    if (A.kind === ZERO) return 0n;
    const lo = signed ? -1n << BigInt(width - 1) : 0n, hi = (1n << BigInt(signed ? width - 1 : width)) - 1n;
    if (A.kind === FINITE && A.exp <= width) {
      const magnitude = shiftRound(rm, A.sign, A.sig, -A.exp);
      const value = A.sign ? -magnitude : magnitude;
      if (value >= lo && value <= hi) {
        if (inexact && exact) env.flags |= NX;
        env.roundedUp = up;
        return BigInt.asUintN(width, value);
      }
    }
    env.flags |= NV;
    if (env.policy === "riscv") return BigInt.asUintN(width, A.kind < QNAN && A.sign ? lo : hi);
    return BigInt.asUintN(width, signed ? lo : -1n);
  }

  /** Zfa's `fcvtmod.w.d`: a rounded to zero, modulo 2^32, sign-extended to 64 bits as an unsigned pattern; NaN and infinity give 0. Flags as of `fcvt.w.d`. */
  toIntModular(env: FloatEnv, a: bigint): bigint {
    this.#unpack(env, a, A);
    if (A.kind === ZERO) return 0n;
    if (A.kind !== FINITE) {
      env.flags |= NV;
      return 0n;
    }
    const magnitude = A.exp >= 0 ? A.sig << BigInt(A.exp) : A.sig >> BigInt(-A.exp);
    const value = A.sign ? -magnitude : magnitude;
    if (value < -0x8000_0000n || value > 0x7fff_ffffn) env.flags |= NV;
    else if (A.exp < 0 && BigInt.asUintN(-A.exp, A.sig) !== 0n) env.flags |= NX;
    return BigInt.asUintN(64, BigInt.asIntN(32, value));
  }

  /** -1, 0 or 1 as a is below, equal to or above b; NV for a signalling NaN, and for any NaN when `signalling`. */
  compare(env: FloatEnv, a: bigint, b: bigint, signalling: boolean): Order {
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    if (A.kind >= QNAN || B.kind >= QNAN) {
      if (signalling || A.kind >= SNAN || B.kind >= SNAN) env.flags |= NV;
      return UNORDERED;
    }
    if (A.subnormal || B.subnormal) env.flags |= env.denormal;
    return order();
  }

  /** a = b, quiet. */
  eq(env: FloatEnv, a: bigint, b: bigint): boolean {
    return this.compare(env, a, b, false) === 0;
  }
  /** a < b, signalling (RISC-V `flt`). */
  lt(env: FloatEnv, a: bigint, b: bigint): boolean {
    return this.compare(env, a, b, true) === -1;
  }
  /** a <= b, signalling (RISC-V `fle`). */
  le(env: FloatEnv, a: bigint, b: bigint): boolean {
    return this.compare(env, a, b, true) <= 0;
  }
  /** a < b, quiet (Zfa `fltq`). */
  ltQuiet(env: FloatEnv, a: bigint, b: bigint): boolean {
    return this.compare(env, a, b, false) === -1;
  }
  /** a <= b, quiet (Zfa `fleq`). */
  leQuiet(env: FloatEnv, a: bigint, b: bigint): boolean {
    return this.compare(env, a, b, false) <= 0;
  }

  /** IEEE 754-2019 minimumNumber (RISC-V `fmin`): a NaN loses against a number; -0 is below +0. */
  min(env: FloatEnv, a: bigint, b: bigint): bigint {
    return this.#pick(env, a, b, -1, true);
  }
  /** IEEE 754-2019 maximumNumber (RISC-V `fmax`). */
  max(env: FloatEnv, a: bigint, b: bigint): bigint {
    return this.#pick(env, a, b, 1, true);
  }
  /** IEEE 754-2019 minimum (Zfa `fminm`): a NaN wins. */
  minimum(env: FloatEnv, a: bigint, b: bigint): bigint {
    return this.#pick(env, a, b, -1, false);
  }
  /** IEEE 754-2019 maximum (Zfa `fmaxm`). */
  maximum(env: FloatEnv, a: bigint, b: bigint): bigint {
    return this.#pick(env, a, b, 1, false);
  }

  #pick(env: FloatEnv, a: bigint, b: bigint, wanted: -1 | 1, numberWins: boolean): bigint {
    this.#unpack(env, a, A);
    this.#unpack(env, b, B);
    if (A.kind >= QNAN || B.kind >= QNAN) {
      if (numberWins && A.kind < QNAN !== B.kind < QNAN) {
        if (A.kind >= SNAN || B.kind >= SNAN) env.flags |= NV;
        return A.kind < QNAN ? a : b;
      }
      return this.#nan2(env, a, b);
    }
    const o = order();
    if (o === 0) return A.sign === (wanted < 0) ? a : b;
    return o === wanted ? a : b;
  }

  /** The bit of RISC-V's `fclass` for a: 0 -inf, 1 -normal, 2 -subnormal, 3 -0, 4 +0, 5 +subnormal, 6 +normal, 7 +inf, 8 signalling, 9 quiet NaN. */
  classify(a: bigint): number {
    this.#unpack(NEUTRAL, a, A);
    if (A.kind >= QNAN) return A.kind === QNAN ? 1 << 9 : 1 << 8;
    const magnitude = A.kind === INF ? 3 : A.kind === ZERO ? 0 : A.subnormal ? 1 : 2;
    return 1 << (A.sign ? 3 - magnitude : 4 + magnitude);
  }

  isNaN(a: bigint): boolean {
    this.#unpack(NEUTRAL, a, A);
    return A.kind >= QNAN;
  }
  /** Flips the sign, of a NaN too. */
  negate(a: bigint): bigint {
    return a ^ this.signBit;
  }

  /** The value in a 64-bit RISC-V register: the canonical NaN unless all bits above it are ones (NaN boxing). */
  unbox(register: bigint): bigint {
    return this.bits === 64 || register >> BigInt(this.bits) === (1n << BigInt(64 - this.bits)) - 1n
      ? BigInt.asUintN(this.bits, register)
      : this.canonicalNaN;
  }
  /** The value as a 64-bit RISC-V register holds it. */
  box(a: bigint): bigint {
    return this.bits === 64 ? a : a | ((1n << BigInt(64 - this.bits)) - 1n) << BigInt(this.bits);
  }

  /** NaN that an invalid operation gives under this policy. */
  defaultNaN(env: FloatEnv): bigint {
    return env.policy === "riscv" ? this.canonicalNaN : this.canonicalNaN | this.signBit;
  }

  #invalid(env: FloatEnv): bigint {
    env.flags |= NV;
    return this.defaultNaN(env);
  }
  #inf(sign: boolean): bigint {
    return sign ? this.infinity | this.signBit : this.infinity;
  }
  #zero(sign: boolean): bigint {
    return sign ? this.signBit : 0n;
  }
  /** Precision of a result that x87's precision control applies to. */
  #controlled(env: FloatEnv): number {
    return this.explicitOne ? env.precision : this.precision;
  }

  #unpack(env: FloatEnv, bits: bigint, out: Parts): void {
    const top = Number(bits >> this.#fieldN), exp = top & this.#maxExp;
    let sig = BigInt.asUintN(this.#field, bits);
    out.sign = top > this.#maxExp;
    out.subnormal = false;
    if (exp === 0) {
      if (sig === 0n || env.daz) {
        out.kind = ZERO;
        out.sig = 0n;
        return;
      }
      const n = this.precision - bitLength(sig); // 0 for x87's pseudo-denormals
      out.kind = FINITE;
      out.subnormal = true;
      out.sig = sig << BigInt(n);
      out.exp = this.#emin - this.precision + 1 - n;
      return;
    }
    if (this.explicitOne) {
      if (sig < this.#one) {
        out.kind = BAD;
        return;
      }
      if (exp === this.#maxExp) sig -= this.#one;
    } else if (exp !== this.#maxExp) sig += this.#one;
    if (exp === this.#maxExp) out.kind = sig === 0n ? INF : (sig & this.#quiet) !== 0n ? QNAN : SNAN;
    else {
      out.kind = FINITE;
      out.sig = sig;
      out.exp = exp - this.#bias - this.precision + 1;
    }
  }

  /** Rounds sig * 2^exp (sig > 0) to `prec` bits and packs it. A sig that stands for lost bits by an odd last bit has at least two bits too many. */
  #round(env: FloatEnv, sign: boolean, exp: number, sig: bigint, prec: number): bigint {
    const e = exp + bitLength(sig) - 1, emin = this.#emin;
    if (env.unmasked && (e < emin || e >= this.#bias)) {
      const beyond = this.#beyond(env, sign, e, sig, prec);
      if (beyond !== undefined) return beyond;
    }
    const cut = Math.max(e, emin) - prec + 1 - exp;
    let m = shiftRound(env.rm, sign, sig, cut);
    const lost = inexact;
    env.roundedUp = up;
    if (e < emin && (lost || env.ftz)) {
      // Tiny after rounding: would it stay below the smallest normal number if the exponent were unbounded?
      const tiny = e < emin - 1 || env.tininess === "before" || shiftRound(env.rm, sign, sig, cut - 1) !== 1n << BigInt(prec);
      if (tiny && env.ftz) {
        env.flags |= UF | NX;
        return this.#zero(sign);
      }
      if (tiny) env.flags |= UF;
    }
    if (lost) env.flags |= NX;
    let biased = Math.max(e, emin) + this.#bias;
    if (this.explicitOne) {
      m <<= BigInt(this.precision - prec);
      if (m >> this.#fieldN !== 0n) {
        m >>= 1n;
        biased++;
      } else if (m < this.#one) biased--;
      m |= BigInt(biased) << this.#fieldN;
    } else m += BigInt(biased - 1) << this.#fieldN; // m's leading one, or a carry out of it, raises the exponent
    if (m >= this.infinity) {
      env.flags |= OF | NX;
      const away = env.rm === RNE || env.rm === RMM || (env.rm === RDN) === sign && env.rm !== RTZ;
      env.roundedUp = away;
      m = away ? this.infinity : this.maxFinite - ((1n << BigInt(this.precision - prec)) - 1n);
    }
    return sign ? m | this.signBit : m;
  }

  /**
   * A result out of range whose exception is unmasked (SDM vol. 1, 8.5.4, 8.5.5): rounded as if the exponent had no bounds, then the exponent
   * is moved by 24576 towards the range. Underflow is raised for exact results, too. Undefined when the rounded number is in range, or masked.
   */
  #beyond(env: FloatEnv, sign: boolean, e: number, sig: bigint, prec: number): bigint | undefined {
    let m = shiftRound(env.rm, sign, sig, bitLength(sig) - prec);
    const lost = inexact, away = up;
    if (m >> BigInt(prec) !== 0n) {
      m >>= 1n;
      e++;
    }
    const flag = e < this.#emin ? UF : e > this.#bias ? OF : 0;
    if (!(env.unmasked & flag)) return undefined;
    const biased = e + this.#bias + (flag === UF ? 24576 : -24576), far = biased <= 0 || biased >= this.#maxExp;
    env.flags |= flag | (lost || far ? NX : 0);
    // What even that does not bring into the range (fscale) is infinite or zero in every rounding mode, as processors have it.
    env.roundedUp = far ? flag === OF : away;
    const magnitude = !far ? BigInt(biased) << this.#fieldN | m << BigInt(this.precision - prec) : flag === OF ? this.infinity : 0n;
    return sign ? magnitude | this.signBit : magnitude;
  }

  #quieted(a: bigint): bigint {
    return a | this.#quiet;
  }

  #nan1(env: FloatEnv, a: bigint): bigint {
    if (A.kind === BAD) return this.#invalid(env);
    if (A.kind === SNAN) env.flags |= NV;
    return env.policy === "riscv" ? this.canonicalNaN : this.#quieted(a);
  }

  /** Result of an operation on A and B, at least one of them a NaN (SDM vol. 1, table 4-7). */
  #nan2(env: FloatEnv, a: bigint, b: bigint): bigint {
    if (A.kind === BAD || B.kind === BAD) return this.#invalid(env);
    if (A.kind === SNAN || B.kind === SNAN) env.flags |= NV;
    if (env.policy === "riscv") return this.canonicalNaN;
    if (B.kind < QNAN) return this.#quieted(a);
    if (A.kind < QNAN) return this.#quieted(b);
    if (env.policy === "sse") return this.#quieted(a);
    if (A.kind !== B.kind) return A.kind === QNAN ? a : b;
    const x = BigInt.asUintN(this.#field, a), y = BigInt.asUintN(this.#field, b);
    return this.#quieted(x > y || (x === y && !A.sign) ? a : b);
  }

  #nan3(env: FloatEnv, a: bigint, b: bigint, c: bigint): bigint {
    if (A.kind === SNAN || B.kind === SNAN || C.kind === SNAN) env.flags |= NV;
    if (env.policy === "riscv") return this.canonicalNaN;
    return this.#quieted(A.kind >= QNAN ? a : B.kind >= QNAN ? b : c);
  }
}

const NEUTRAL = new FloatEnv();

/** Order of A and B, which are no NaNs. */
function order(): -1 | 0 | 1 {
  if (A.kind === ZERO && B.kind === ZERO) return 0;
  if (A.sign !== B.sign) return A.sign ? -1 : 1;
  const up = A.sign ? -1 : 1, down = A.sign ? 1 : -1;
  if (A.kind !== B.kind) return A.kind > B.kind ? up : down; // zero < finite < infinite
  if (A.kind !== FINITE) return 0;
  if (A.exp !== B.exp) return A.exp > B.exp ? up : down;
  return A.sig === B.sig ? 0 : A.sig > B.sig ? up : down;
}

/** A format computed in integers alone. */
export function makeFormat(shape: FormatShape): FloatFormat {
  return new FloatFormat(shape);
}

export const f16 = makeFormat({ expBits: 5, fracBits: 10 });
export const f32 = makeFormat({ expBits: 8, fracBits: 23 });
export const f64 = makeFormat({ expBits: 11, fracBits: 52 });
/** x87's extended format. */
export const f80 = makeFormat({ expBits: 15, fracBits: 63, explicitOne: true });
