// The helpers of x87 instructions: the register stack, exact 80-bit arithmetic by ../ir/softfloat.ts, exceptions. Intel SDM volume 1 (253665-083), chapter 8.
// Transcendental functions are rounded correctly (transcendental.ts), which processors do not promise in the last place.
import { CONTINUE, type CoreEnv, type Helper, type Status } from "../ir/frontend.ts";
import { ARG, RESULT } from "../ir/layout.ts";
import {
  DE,
  f32,
  f64,
  f80,
  FloatEnv,
  type FloatFormat,
  NV,
  NX,
  OF,
  type Rounding,
  RTZ,
  toX86Flags,
  UF,
  UNORDERED,
  X86_ROUNDING,
} from "../ir/softfloat.ts";
import { X87_HELPERS } from "./helpers.ts";
import { CF, PF, ZF } from "./registers.ts";
import { FPU_CS, FPU_CW, FPU_DP, FPU_DS, FPU_EMPTY, FPU_IP, FPU_OPCODE, FPU_REG, FPU_SW, FPU_TOP } from "./slots.ts";
import { atan2, cosine, log2Times, powerOfTwoMinusOne, sine, tangent } from "./transcendental.ts";

const C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, CONDITIONS = C0 | C1 | C2 | C3;
const SF = 0x40, ES = 0x80, BUSY = 0x8000;
const M16 = 0xffffn, M64 = 0xffff_ffff_ffff_ffffn, SIGN = 1n << 79n, ONE = 1n << 63n, QUIET = 1n << 62n, EXPONENT = 0x7fffn << 64n;
/** The default NaN, "real indefinite". */
const INDEFINITE = 0xffff_c000_0000_0000_0000n;

/** Sources of operands: a stack register, or memory. */
const enum Source {
  register = 0,
  float = 1,
  double = 2,
  extended = 3,
  integer = 4,
  bcd = 5,
  constant = 6,
}

/** Constants by opcode D9 E8+n: the value rounded to zero, and whether the exact value is above it by more than half a unit. */
const CONSTANTS: readonly (readonly [value: bigint, nearer: boolean])[] = [
  [0x3fff_8000_0000_0000_0000n, false], // 1
  [0x4000_d49a_784b_cd1b_8afen, false], // log2 10
  [0x3fff_b8aa_3b29_5c17_f0bbn, true], // log2 e
  [0x4000_c90f_daa2_2168_c234n, true], // pi
  [0x3ffd_9a20_9a84_fbcf_f798n, true], // log10 2
  [0x3ffe_b172_17f7_d1cf_79abn, true], // ln 2
  [0n, false], // 0
];

const isNaN_ = (v: bigint) => (v & EXPONENT) === EXPONENT && (v & (ONE - 1n)) !== 0n || unsupported(v);
/** Encodings that the x87 refuses: an exponent without the leading one. */
const unsupported = (v: bigint) => (v & EXPONENT) !== 0n && (v & ONE) === 0n;
const isZero = (v: bigint) => (v & ~SIGN) === 0n;
const isInfinite = (v: bigint) => (v & ~SIGN) === (EXPONENT | ONE);
/** A number below the normal range. */
const isTiny = (v: bigint) => (v & EXPONENT) === 0n && !isZero(v);

/** A binary32 or binary64 number as an extended one, exactly; a signalling NaN stays one. */
function widen(v: bigint, t: FloatFormat): bigint {
  const bits = BigInt(t.bits), field = BigInt(t.precision - 1), sign = v >> (bits - 1n) & 1n ? SIGN : 0n;
  const exponent = v >> field & ((1n << (bits - 1n - field)) - 1n), fraction = v & ((1n << field) - 1n);
  if (exponent === (t.infinity >> field)) return sign | EXPONENT | ONE | (fraction << (63n - field));
  const bias = t.bits === 32 ? 127 : 1023;
  if (exponent !== 0n) return sign | (BigInt(Number(exponent) - bias + 16383) << 64n) | ONE | (fraction << (63n - field));
  if (fraction === 0n) return sign;
  const length = fraction.toString(2).length;
  return sign | (BigInt(1 - bias - (t.precision - length) + 16383) << 64n) | (fraction << BigInt(64 - length));
}

/** The helpers in the order of X87_HELPERS; `cleared` is called when pending exceptions may be gone. */
export function x87Helpers(env: CoreEnv, cleared: () => void): Helper[] {
  const { i32, u64 } = env, float = new FloatEnv("x87"), quiet = new FloatEnv("x87");
  const arg = (n: number) => u64[(ARG >> 3) + n], small = (n: number) => i32[(ARG >> 2) + 2 * n];
  const result = (v: bigint): Status => {
    u64[RESULT >> 3] = v;
    return CONTINUE;
  };

  const physical = (i: number) => (i32[FPU_TOP >> 2] + i) & 7;
  const empty = (i: number) => (i32[FPU_EMPTY >> 2] >> physical(i) & 1) !== 0;
  const get = (i: number): bigint => {
    const at = FPU_REG(physical(i)) >> 3;
    return u64[at] | (u64[at + 1] & M16) << 64n;
  };
  const set = (i: number, v: bigint) => {
    const n = physical(i), at = FPU_REG(n) >> 3;
    u64[at] = v & M64;
    u64[at + 1] = v >> 64n;
    i32[FPU_EMPTY >> 2] &= ~(1 << n);
  };
  const pop = () => {
    i32[FPU_EMPTY >> 2] |= 1 << physical(0);
    i32[FPU_TOP >> 2] = physical(1);
  };
  const status = (clear: number, add: number) => i32[FPU_SW >> 2] = (i32[FPU_SW >> 2] & ~clear) | add;

  let softStack = 0;
  const begin = () => {
    const cw = i32[FPU_CW >> 2];
    float.flags = 0;
    float.unmasked = (cw & 8 ? 0 : OF) | (cw & 0x10 ? 0 : UF);
    float.rm = X86_ROUNDING[cw >> 10 & 3];
    float.precision = [24, 64, 53, 64][cw >> 8 & 3];
    float.roundedUp = false;
    softStack = 0;
  };
  /** A register is empty that should not be, or the other way round. */
  const stackFault = (overflow: boolean) => {
    float.flags |= NV;
    softStack = SF | (overflow ? C1 : 0);
  };
  /** Puts the exceptions into the status word; false when one before the operation (invalid, denormal, division by zero) is unmasked: nothing may change. */
  const end = (keepC1 = false): boolean => {
    const flags = toX86Flags(float.flags), unmasked = flags & ~i32[FPU_CW >> 2] & 0x3f;
    const before = unmasked & 7, seen = before ? flags & 7 : flags;
    const c1 = softStack ? softStack & C1 : (float.flags & NX) !== 0 && float.roundedUp && !before ? C1 : 0;
    status(keepC1 && !softStack ? 0 : C1, seen | c1 | (softStack & SF) | (unmasked ? ES | BUSY : 0));
    return before === 0;
  };

  /** The value of a source: register number or bits from memory in `v`; the denormal flag comes from `tiny`. */
  let tiny = false;
  const source = (kind: number, v: bigint): bigint => {
    tiny = false;
    if (kind === Source.register) return get(Number(v));
    if (kind === Source.integer) return f80.fromInt(quiet, BigInt.asIntN(64, v));
    const t = kind === Source.float ? f32 : f64;
    if (kind === Source.float) v &= 0xffff_ffffn;
    tiny = (v & t.infinity) === 0n && (v & ~t.signBit) !== 0n;
    return widen(v, t);
  };
  /** A memory operand below its format's normal range raises DE, unless something else comes first. */
  const denormal = (other: bigint) => {
    if (tiny && (float.flags & NV) === 0 && !isNaN_(other) && (float.flags & 8) === 0) float.flags |= DE;
  };

  const ARITHMETIC: Readonly<Record<number, (a: bigint, b: bigint) => bigint>> = {
    0: (a, b) => f80.add(float, a, b),
    1: (a, b) => f80.mul(float, a, b),
    4: (a, b) => f80.sub(float, a, b),
    5: (a, b) => f80.sub(float, b, a),
    6: (a, b) => f80.div(float, a, b),
    7: (a, b) => f80.div(float, b, a),
  };
  /** operation, source, register or value, destination register | 16 to pop. */
  const arith = (): Status => {
    begin();
    const to = small(3) & 7, kind = small(1), n = Number(arg(2) & 7n);
    let r = INDEFINITE;
    if (empty(to) || kind === Source.register && empty(n)) stackFault(false);
    else {
      const a = get(to), b = source(kind, arg(2));
      r = ARITHMETIC[small(0)](a, b);
      denormal(a);
    }
    if (end()) {
      set(to, r);
      if (small(3) & 16) pop();
    }
    return CONTINUE;
  };

  const order = (a: bigint, b: bigint, quietly: boolean) => {
    if (unsupported(a) || unsupported(b)) {
      float.flags |= NV;
      return UNORDERED;
    }
    return f80.compare(float, a, b, !quietly);
  };
  /** 1: quiet, source, register or value, number of pops; sets C3, C2 and C0. */
  const compare = (): Status => {
    begin();
    const kind = small(1), n = Number(arg(2) & 7n);
    let r: number = UNORDERED;
    if (empty(0) || kind === Source.register && empty(n)) stackFault(false);
    else {
      const a = get(0);
      r = order(a, source(kind, arg(2)), small(0) === 1);
      denormal(a);
    }
    // The answer is given under an unmasked exception, too; the operands then stay.
    const done = end();
    status(CONDITIONS & ~C1, r === UNORDERED ? C3 | C2 | C0 : r === 0 ? C3 : r < 0 ? C0 : 0);
    if (done) { for (let k = small(3); k > 0; k--) pop(); }
    return CONTINUE;
  };
  /** 1: quiet, register, 1 to pop -> ZF PF CF. */
  const compareFlags = (): Status => {
    begin();
    let r: number = UNORDERED;
    if (empty(0) || empty(small(1))) stackFault(false);
    else r = order(get(0), get(small(1)), small(0) === 1);
    if (end(true) && small(2)) pop();
    return result(BigInt(r === UNORDERED ? ZF | PF | CF : r === 0 ? ZF : r < 0 ? CF : 0));
  };

  const push = (v: bigint) => {
    i32[FPU_TOP >> 2] = physical(7);
    set(0, v);
  };
  /** source, value (low half), high half. */
  const load = (): Status => {
    begin();
    const kind = small(0);
    let v: bigint;
    if (kind === Source.register && empty(small(1))) {
      stackFault(false);
      v = INDEFINITE;
    } else if (!empty(7)) {
      stackFault(true);
      v = INDEFINITE;
    } else if (kind === Source.register) v = get(small(1));
    else if (kind === Source.extended) v = arg(1) | (arg(2) & M16) << 64n;
    else if (kind === Source.bcd) {
      let n = 0n;
      for (let k = 8; k >= 0; k--) {
        const byte = k === 8 ? arg(2) & 0xffn : arg(1) >> BigInt(8 * k) & 0xffn;
        n = n * 100n + (byte >> 4n) * 10n + (byte & 15n);
      }
      v = f80.fromInt(quiet, n) | (arg(2) & 0x8000n ? SIGN : 0n);
    } else if (kind === Source.constant) {
      const [value, nearer] = CONSTANTS[small(1)], mode = i32[FPU_CW >> 2] >> 10 & 3;
      // The inexact ones are rounded by the rounding mode, without an exception.
      v = small(1) === 0 || small(1) === 6 ? value : value + (mode === 2 || mode === 0 && nearer ? 1n : 0n);
    } else {
      v = source(kind, arg(1));
      if (isNaN_(v) && (v & QUIET) === 0n) {
        float.flags |= NV;
        v |= QUIET;
      }
      if (tiny) float.flags |= DE;
    }
    // A subnormal number is loaded even when its exception is unmasked.
    if (end() || (float.flags & NV) === 0) push(v);
    return CONTINUE;
  };

  /** 1, 2: float, double; 3 to 5: integers of 2, 4, 8 bytes, 6 to 8: truncated; old contents of the memory, 1 to pop -> what to store. */
  const store = (): Status => {
    begin();
    const kind = small(0), width = [0, 0, 0, 16, 32, 64, 16, 32, 64][kind];
    let r: bigint;
    if (empty(0)) {
      stackFault(false);
      r = kind === 1 ? 0xffc0_0000n : kind === 2 ? 0xfff8_0000_0000_0000n : 1n << BigInt(width - 1);
    } else {
      const v = get(0), rm: Rounding = kind > 5 ? RTZ : float.rm;
      if (kind <= 2) r = f80.convert(float, v, kind === 1 ? f32 : f64);
      else if (unsupported(v)) {
        float.flags |= NV;
        r = 1n << BigInt(width - 1);
      } else r = f80.toInt(float, v, width, true, rm);
    }
    // Overflow and underflow, too, keep an unmasked exception's result from memory.
    const stops = toX86Flags(float.flags) & ~i32[FPU_CW >> 2] & 0x1f;
    if (stops) float.flags &= ~NX;
    if (!end() || stops) return result(arg(1));
    if (small(2)) pop();
    return result(r);
  };
  /** 0: the exponent word, 1: the significand, and pops; then old contents. */
  const store80 = (): Status => {
    const fault = empty(0), v = fault ? INDEFINITE : get(0);
    if (small(0) === 0) return result(fault && !(i32[FPU_CW >> 2] & 1) ? arg(1) : v >> 64n);
    begin();
    if (fault) stackFault(false);
    if (!end()) return result(arg(1));
    pop();
    return result(v & M64);
  };
  /** 0: bytes 8 and 9, 1: bytes 0 to 7, and pops; then old contents. */
  const storeBcd = (): Status => {
    begin();
    let lo = 0xc000_0000_0000_0000n, hi = 0xffffn;
    if (empty(0)) stackFault(false);
    else {
      const v = get(0), n = BigInt.asIntN(64, unsupported(v) ? M64 >> 1n : f80.toInt(float, v, 64, true)), magnitude = n < 0n ? -n : n;
      if (magnitude >= 10n ** 18n || (float.flags & NV) !== 0) float.flags = NV;
      else {
        let digits = 0n, rest = magnitude;
        for (let k = 0n; k < 18n; k++, rest /= 10n) digits |= rest % 10n << (4n * k);
        lo = digits & M64;
        hi = digits >> 64n | (v & SIGN ? 0x8000n : 0n);
      }
    }
    if (small(0) === 0) return result(toX86Flags(float.flags) & ~i32[FPU_CW >> 2] & 1 ? arg(1) : hi);
    if (!end()) return result(arg(1));
    pop();
    return result(lo);
  };
  /** Register, 1 to pop: copies the top. */
  const move = (): Status => {
    begin();
    const fault = empty(0), v = fault ? INDEFINITE : get(0);
    if (fault) stackFault(false);
    if (end()) {
      set(small(0), v);
      if (small(1)) pop();
    }
    return CONTINUE;
  };
  /** D9 D8+i, a store and pop that knows no empty registers. */
  const moveQuietly = (): Status => {
    if (!empty(0)) set(small(0), get(0));
    status(C1, 0);
    pop();
    return CONTINUE;
  };
  const exchange = (): Status => {
    begin();
    const n = small(0), x = empty(0) ? INDEFINITE : get(0), y = empty(n) ? INDEFINITE : get(n);
    if (empty(0) || empty(n)) stackFault(false);
    if (end()) {
      set(0, y);
      set(n, x);
    }
    return CONTINUE;
  };
  /** Register, 1 when the condition holds. */
  const conditionalMove = (): Status => {
    begin();
    const n = small(0), fault = empty(0) || empty(n);
    if (fault) stackFault(false);
    if (end(true)) {
      if (fault) set(0, INDEFINITE);
      else if (small(1)) set(0, get(n));
    }
    return CONTINUE;
  };

  // --- D9 E0..FF: what the top becomes
  /** With a result for the top. */
  const unary = (f: (v: bigint) => bigint): void => {
    let r = INDEFINITE;
    if (empty(0)) stackFault(false);
    else r = f(get(0));
    if (end()) set(0, r);
  };
  /** An invalid operation, or a NaN that is handed on: the result; undefined for a number. */
  const special = (v: bigint): bigint | undefined => {
    if (unsupported(v)) {
      float.flags |= NV;
      return INDEFINITE;
    }
    if (!isNaN_(v)) return undefined;
    if ((v & QUIET) === 0n) float.flags |= NV;
    return v | QUIET;
  };
  const invalid = () => {
    float.flags |= NV;
    return INDEFINITE;
  };
  /** With ST(1) and ST(0) giving a result in ST(1), and a pop. */
  const binaryPop = (f: (x: bigint, y: bigint) => bigint): void => {
    let r = INDEFINITE;
    if (empty(0) || empty(1)) stackFault(false);
    else {
      const x = get(0), y = get(1);
      r = isNaN_(x) || isNaN_(y) ? f80.add(float, y, x) : f(x, y);
    }
    if (end()) {
      set(1, r);
      pop();
    }
  };
  /** sin, cos, tan: C2 when the operand is too large, and nothing happens. */
  const angle = (f: (v: bigint) => readonly bigint[]): void => {
    if (empty(0)) {
      stackFault(false);
      if (end()) status(C2, 0);
      return finishAngle([INDEFINITE], f);
    }
    const v = get(0);
    let values: readonly bigint[];
    const s = special(v);
    if (s !== undefined) values = [s];
    else if (isInfinite(v)) values = [invalid()];
    else if (Number((v & EXPONENT) >> 64n) - 16383 >= 63) {
      status(C1, C2);
      return;
    } else {
      if (isTiny(v)) float.flags |= DE;
      values = f(v);
    }
    if (!end()) return;
    status(C2, 0);
    finishAngle(values, f);
  };
  let doubles = false;
  /** fsincos and fptan push a second value; for NaNs both are the NaN. */
  const finishAngle = (values: readonly bigint[], _f: unknown) => {
    if (doubles && !empty(7)) {
      begin();
      stackFault(true);
      if (!end()) return;
      set(0, INDEFINITE);
      return push(INDEFINITE);
    }
    set(0, values[0]);
    if (doubles) push(values.length > 1 ? values[1] : values[0]);
  };
  const inexact = (r: { value: bigint; up: boolean }) => {
    float.flags |= NX;
    float.roundedUp = r.up;
    return r.value;
  };
  const remainder = (nearest: boolean): void => {
    let c = 0, r = INDEFINITE;
    if (empty(0) || empty(1)) stackFault(false);
    else {
      const got = f80.remainder(float, get(0), get(1), nearest);
      r = got.value;
      c = got.complete ? (got.quotient & 4 ? C0 : 0) | (got.quotient & 2 ? C3 : 0) | (got.quotient & 1 ? C1 : 0) : C2;
    }
    const done = end();
    // Without a quotient only C2 changes.
    const none = !done || isNaN_(r);
    status(none ? C2 : CONDITIONS, none ? 0 : c);
    if (done) set(0, r);
  };
  /** fscale: ST(0) times two to the power of ST(1), cut to an integer. */
  const scale = (x: bigint, y: bigint): bigint => {
    if (isNaN_(x) || isNaN_(y)) return f80.add(float, x, y);
    if (isInfinite(y)) {
      if (isTiny(x)) float.flags |= DE;
      if (y & SIGN) return isInfinite(x) ? invalid() : x & SIGN;
      return isZero(x) ? invalid() : x & SIGN | EXPONENT | ONE;
    }
    if (isTiny(x) || isTiny(y)) float.flags |= DE;
    if (isInfinite(x) || isZero(x)) return x;
    const limit = 0x1_0000n, raw = BigInt.asIntN(64, f80.toInt(quiet, y, 64, true, RTZ));
    const far = Number((y & EXPONENT) >> 64n) - 16383 > 20
      ? (y & SIGN ? -limit : limit)
      : raw < -limit
      ? -limit
      : raw > limit
      ? limit
      : raw;
    return f80.rounded(float, (x & SIGN) !== 0n, Math.max(Number((x & EXPONENT) >> 64n), 1) - 16383 - 63 + Number(far), x & M64);
  };
  const extract = (): void => {
    if (empty(0)) {
      stackFault(false);
      if (!end()) return;
      set(0, INDEFINITE);
      return push(INDEFINITE);
    }
    if (!empty(7)) {
      stackFault(true);
      if (!end()) return;
      set(0, INDEFINITE);
      return push(INDEFINITE);
    }
    const v = get(0), s = special(v);
    let exponent: bigint, significand: bigint;
    if (s !== undefined) exponent = significand = s;
    else if (isInfinite(v)) [exponent, significand] = [EXPONENT | ONE, v];
    else if (isZero(v)) {
      float.flags |= 8; // division by zero
      [exponent, significand] = [SIGN | EXPONENT | ONE, v];
    } else {
      let e = Number((v & EXPONENT) >> 64n) - 16383, m = v & M64;
      if ((v & EXPONENT) === 0n) {
        float.flags |= DE;
        e = -16382;
        for (; (m & ONE) === 0n; m <<= 1n) e--;
      }
      exponent = f80.fromInt(quiet, BigInt(e));
      significand = (v & SIGN) | (16383n << 64n) | m;
    }
    if (!end()) return;
    set(0, exponent);
    push(significand);
  };
  const examine = () => {
    const v = get(0), sign = v & SIGN ? C1 : 0;
    let c: number;
    if (empty(0)) c = C3 | C0;
    else if (unsupported(v)) c = 0;
    else if (isNaN_(v)) c = C0;
    else if (isInfinite(v)) c = C2 | C0;
    else if (isZero(v)) c = C3;
    else c = (v & EXPONENT) === 0n ? C3 | C2 : C2;
    status(CONDITIONS, c | sign);
  };
  const test = () => {
    let r: number = UNORDERED;
    if (empty(0)) stackFault(false);
    else r = order(get(0), 0n, false);
    end();
    status(CONDITIONS & ~C1, r === UNORDERED ? C3 | C2 | C0 : r === 0 ? C3 : r < 0 ? C0 : 0);
  };
  const logarithm = (plusOne: boolean) =>
    binaryPop((x, y) => {
      const negative = (x & SIGN) !== 0n && !isZero(x);
      if (plusOne) {
        if (isInfinite(x)) return negative || isZero(y) ? invalid() : y & SIGN | EXPONENT | ONE;
        if (isZero(x)) return isInfinite(y) ? invalid() : (x ^ y) & SIGN;
        if (isInfinite(y)) return (x ^ y) & SIGN | EXPONENT | ONE;
      } else {
        if (negative) return invalid();
        if (isZero(x)) {
          if (isZero(y)) return invalid();
          if (!isInfinite(y)) float.flags |= 8;
          return ~y & SIGN | EXPONENT | ONE;
        }
        const one = x === CONSTANTS[0][0];
        if (isInfinite(x)) return isZero(y) ? invalid() : y & SIGN | EXPONENT | ONE;
        if (isInfinite(y)) return one ? invalid() : (x < CONSTANTS[0][0] ? ~y : y) & SIGN | EXPONENT | ONE;
        if (isZero(y)) return (x < CONSTANTS[0][0] ? ~y : y) & SIGN;
        if (one) return y & SIGN;
      }
      if (isTiny(x) || isTiny(y)) float.flags |= DE;
      if (isZero(y)) return (x ^ y) & SIGN;
      return log2Times(float, x, y, plusOne);
    });
  const arctangent = () =>
    binaryPop((x, y) => {
      if (isTiny(x) || isTiny(y)) float.flags |= DE;
      if (isZero(y) && !(x & SIGN)) return y;
      return atan2(float, y, x);
    });
  // deno-fmt-ignore
  const UNARY: Readonly<Record<number, () => void>> = {
    0xe0: () => { if (empty(0)) unary((v) => v); else { end(); set(0, get(0) ^ SIGN); } },
    0xe1: () => { if (empty(0)) unary((v) => v); else { end(); set(0, get(0) & ~SIGN); } },
    0xe4: test,
    0xe5: examine,
    0xf0: () => unary((v) => special(v) ?? (isZero(v) ? v : isInfinite(v) ? (v & SIGN ? SIGN | CONSTANTS[0][0] : v) : (isTiny(v) ? float.flags |= DE : 0, powerOfTwoMinusOne(float, v)))),
    0xf1: () => logarithm(false),
    0xf2: () => { doubles = true; angle((v) => [isZero(v) ? v : inexact(tangent(float, v)), CONSTANTS[0][0]]); doubles = false; },
    0xf3: arctangent,
    0xf4: extract,
    0xf5: () => remainder(true),
    0xf6: () => { status(C1, 0); i32[FPU_TOP >> 2] = physical(7); },
    0xf7: () => { status(C1, 0); i32[FPU_TOP >> 2] = physical(1); },
    0xf8: () => remainder(false),
    0xf9: () => logarithm(true),
    0xfa: () => unary((v) => f80.sqrt(float, v)),
    0xfb: () => { doubles = true; angle((v) => isZero(v) ? [v, CONSTANTS[0][0]] : [inexact(sine(float, v)), inexact(cosine(float, v))]); doubles = false; },
    0xfc: () => unary((v) => f80.roundToIntegral(float, v)),
    0xfd: () => { let r = INDEFINITE; if (empty(0) || empty(1)) stackFault(false); else r = scale(get(0), get(1)); if (end()) set(0, r); },
    0xfe: () => angle((v) => [isZero(v) ? v : inexact(sine(float, v))]),
    0xff: () => angle((v) => [isZero(v) ? CONSTANTS[0][0] : inexact(cosine(float, v))]),
  };

  /** Tag word: two bits a register: 0 valid, 1 zero, 2 special, 3 empty. */
  const tagWord = () => {
    let tags = 0;
    for (let n = 0; n < 8; n++) {
      const at = FPU_REG(n) >> 3, v = u64[at] | (u64[at + 1] & M16) << 64n, e = v & EXPONENT;
      const tag = i32[FPU_EMPTY >> 2] >> n & 1 ? 3 : isZero(v) ? 1 : e === 0n || e === EXPONENT || (v & ONE) === 0n ? 2 : 0;
      tags |= tag << 2 * n;
    }
    return tags;
  };
  /** ES and B follow from flags and masks. */
  const summary = () => {
    const pending = i32[FPU_SW >> 2] & ~i32[FPU_CW >> 2] & 0x3f;
    status(ES | BUSY, pending ? ES | BUSY : 0);
    cleared();
  };
  const initialise = () => {
    i32[FPU_CW >> 2] = 0x37f;
    i32[FPU_SW >> 2] =
      i32[FPU_TOP >> 2] =
      i32[FPU_OPCODE >> 2] =
      i32[FPU_CS >> 2] =
      i32[FPU_DS >> 2] =
        0;
    i32[FPU_EMPTY >> 2] = 0xff;
    u64[FPU_IP >> 3] = u64[FPU_DP >> 3] = 0n;
    cleared();
  };
  const statusWord = () => i32[FPU_SW >> 2] & ~0x3800 | i32[FPU_TOP >> 2] << 11;
  /** Word k of the environment (control, status, tags, IP, CS and opcode, DP, DS); layout 0: 16 bits real, 1: 16 bits protected, 2: 32 bits real, 3: 32 bits protected. */
  const environment = (): Status => {
    const k = small(0), layout = small(1), ip = Number(u64[FPU_IP >> 3] & 0xffff_ffffn), dp = Number(u64[FPU_DP >> 3] & 0xffff_ffffn);
    const cs = i32[FPU_CS >> 2] & 0xffff, ds = i32[FPU_DS >> 2] & 0xffff, opcode = i32[FPU_OPCODE >> 2] & 0x7ff;
    const high = layout >= 2 ? 0xffff_0000 : 0;
    let v: number;
    if (k < 3) v = [i32[FPU_CW >> 2], statusWord(), tagWord()][k] & 0xffff | high;
    else if (layout & 1) v = [ip, layout === 3 ? cs | opcode << 16 : cs, dp, ds | high][k - 3];
    else {
      const li = cs * 16 + ip, ld = ds * 16 + dp;
      v = layout === 0
        ? [li & 0xffff, (li >> 16 & 15) << 12 | opcode, ld & 0xffff, (ld >> 16 & 15) << 12][k - 3]
        : [li & 0xffff | high, (li >>> 16) << 12 | opcode, ld & 0xffff | high, (ld >>> 16) << 12][k - 3];
    }
    return result(BigInt(v >>> 0));
  };
  const setEnvironment = (): Status => {
    const k = small(0), layout = small(1), v = small(2), at = [0, 0, 0, FPU_IP, 0, FPU_DP, 0][k];
    if (k === 0) i32[FPU_CW >> 2] = v & 0x1f7f | 0x40;
    else if (k === 1) {
      i32[FPU_SW >> 2] = v & 0xffff & ~0x3800;
      i32[FPU_TOP >> 2] = v >> 11 & 7;
    } else if (k === 2) {
      let e = 0;
      for (let n = 0; n < 8; n++) if ((v >> 2 * n & 3) === 3) e |= 1 << n;
      i32[FPU_EMPTY >> 2] = e;
    } else if (layout & 1) {
      if (at) u64[at >> 3] = BigInt(v >>> 0);
      else if (k === 4) {
        i32[FPU_CS >> 2] = v & 0xffff;
        if (layout === 3) i32[FPU_OPCODE >> 2] = v >> 16 & 0x7ff;
      } else i32[FPU_DS >> 2] = v & 0xffff;
    } else {
      // A linear address: kept as an offset in segment 0.
      const slot = k < 5 ? FPU_IP : FPU_DP;
      if (at) u64[slot >> 3] = BigInt(v & 0xffff);
      else u64[slot >> 3] |= BigInt(layout === 0 ? (v >> 12 & 15) << 16 : (v >>> 12 & 0xffff) * 0x1_0000);
      if (k === 4) {
        i32[FPU_OPCODE >> 2] = v & 0x7ff;
        i32[FPU_CS >> 2] = 0;
      } else if (k === 6) i32[FPU_DS >> 2] = 0;
    }
    if (k === 6) summary();
    return CONTINUE;
  };

  const CONTROL: readonly (() => void)[] = [
    initialise,
    () => { // fnclex
      status(0x80ff, 0);
      cleared();
    },
    () => { // fldcw
      i32[FPU_CW >> 2] = small(1) & 0x1f7f | 0x40;
      summary();
    },
    () => { // fnstenv masks all exceptions
      i32[FPU_CW >> 2] |= 0x3f;
      summary();
    },
  ];
  const run: Readonly<Record<typeof X87_HELPERS[number], () => Status>> = {
    fpuArith: arith,
    fpuCompare: compare,
    fpuCompareFlags: compareFlags,
    fpuLoad: load,
    fpuStore: store,
    fpuStore80: store80,
    fpuStoreBcd: storeBcd,
    fpuMove: move,
    fpuMoveQuietly: moveQuietly,
    fpuExchange: exchange,
    fpuConditional: conditionalMove,
    fpuUnary: () => {
      begin();
      UNARY[small(0)]();
      return CONTINUE;
    },
    fpuFree: () => {
      i32[FPU_EMPTY >> 2] |= 1 << physical(small(0));
      status(C1, 0);
      if (small(1)) pop();
      return CONTINUE;
    },
    fpuControl: () => {
      CONTROL[small(0)]();
      return CONTINUE;
    },
    fpuStatus: () => result(BigInt(statusWord())),
    fpuEnvironment: environment,
    fpuSetEnvironment: setEnvironment,
    fpuRegister: () => result(small(1) ? get(small(0)) >> 64n : get(small(0)) & M64),
    fpuSetRegister: () => {
      const at = FPU_REG(physical(small(0))) >> 3;
      u64[at] = arg(1);
      u64[at + 1] = arg(2) & M16;
      return CONTINUE;
    },
  };
  return X87_HELPERS.map((name) => ({ name, run: run[name] }));
}
