// Fused multiply-add in terms of IR arithmetic, rounding to nearest even: wasm has none. Results are exact, and only NX may be raised, when `ok`.
// Sources: T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971): the exact product and sum;
// A. Ziv, "Fast evaluation of elementary mathematical functions with correctly rounded last bit", ACM TOMS 17 (1991): the test of the last bit.
import type { Builder, I32, I64, Val } from "./builder.ts";

/** A value, and whether it is right. */
export interface Fused<V extends Val = Val> {
  readonly value: V;
  readonly ok: I32;
}

const SIGN_HI = 0x8000_0000 | 0;
const add = (b: Builder, x: I64, y: I64) => b.pure("fadd.l", x, y);
const sub = (b: Builder, x: I64, y: I64) => b.pure("fsub.l", x, y);
const mul = (b: Builder, x: I64, y: I64) => b.pure("fmul.l", x, y);

const isZero = (b: Builder, x: I64) => b.eqz(b.shl(x, b.i64(1)));

/** What rounding x + y to `sum` has lost; exact but for overflow (then it is a NaN). */
function sumError(b: Builder, x: I64, y: I64, sum: I64): I64 {
  const second = sub(b, sum, x);
  return add(b, sub(b, x, sub(b, sum, second)), sub(b, y, second));
}

/** x * y + z for binary32 bit patterns. */
export function fused32(b: Builder, x: I32, y: I32, z: I32): Fused<I32> {
  // The product of two 24-bit significands is exact in 53 bits, and in range. Rounding the sum a second time is right unless the first
  // rounding has brought it half way between two binary32 numbers.
  const product = mul(b, b.fpromote(x), b.fpromote(y)), addend = b.fpromote(z), sum = add(b, product, addend);
  const between = b.ne(b.and(sum, b.i64(0x1fff_ffff)), b.i64(0x1000_0000)), exact = isZero(b, sumError(b, product, addend, sum));
  const value = b.fdemote(sum), magnitude = b.shl(value, b.i32(1));
  // Finite and above the smallest normal number, or exactly zero.
  const safe = b.ltU(b.sub(magnitude, b.i32(0x0100_0001)), b.i32(0xfdff_ffff));
  return { value, ok: b.and(b.or(safe, isZero(b, sum)), b.or(between, exact)) };
}

/** The upper half of a significand, by Veltkamp's splitting; a NaN for numbers of 2^996 and more. */
function upper(b: Builder, x: I64): I64 {
  const t = mul(b, x, b.i64Halves(0x0200_0000, 0x41a0_0000)); // 2^27 + 1
  return sub(b, t, sub(b, t, x));
}

/** x * y + z for binary64 bit patterns. */
export function fused64(b: Builder, x: I64, y: I64, z: I64): Fused<I64> {
  const product = mul(b, x, y), xh = upper(b, x), yh = upper(b, y), xl = sub(b, x, xh), yl = sub(b, y, yh);
  const productError = add(b, add(b, add(b, sub(b, mul(b, xh, yh), product), mul(b, xh, yl)), mul(b, xl, yh)), mul(b, xl, yl));
  // The exact result is sum + (sumError + productError); `rest` is the bracket, less than 2^-53 of itself away.
  const sum = add(b, product, z), rest = add(b, sumError(b, product, z, sum), productError);
  const value = add(b, sum, rest), left = sumError(b, sum, rest, value);
  // What is left, and eight times the doubt about it, must not move the last bit. There is no doubt when the product is exact.
  const doubt = mul(b, rest, b.i64Halves(0, 0x3cd0_0000)); // 2^-50
  const settled = b.and(b.eq(add(b, value, add(b, left, doubt)), value), b.eq(add(b, value, sub(b, left, doubt)), value));
  // Below 2^-800 the product's error may not be a number of the format; a zero has no error.
  const large = b.geU(b.shl(product, b.i64(1)), b.i64Halves(0, 0x1be0_0000));
  const zeroFactor = b.or(isZero(b, x), isZero(b, y));
  // Finite and above the smallest normal number; or +0, unless it should be -0.
  const safe = b.ltU(b.sub(b.shl(value, b.i64(1)), b.i64Halves(1, 0x0020_0000)), b.i64Halves(-1, 0xffbf_ffff | 0));
  const zero = b.and(b.eqz(value), b.ne(sum, b.i64Halves(0, SIGN_HI)));
  return { value, ok: b.and(b.and(b.or(large, zeroFactor), b.or(safe, zero)), b.or(settled, isZero(b, productError))) };
}

/** -x for a bit pattern of either format. */
export const negated = <V extends Val>(b: Builder, x: V): V =>
  b.xor(x, (b.isLong(x) ? b.i64Halves(0, SIGN_HI) : b.i32(SIGN_HI)) as Val as V);
