// Fused multiply-add in terms of IR arithmetic, rounding to nearest even: wasm has none. Results are exact, and only NX may be raised, when `ok`.
// Sources: T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971): the exact product and sum;
// S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57 (2008): rounding to odd before the last rounding.
import type { Builder, Val } from "./builder.ts";

/** A value, and an i32 that says whether it is right. */
export interface Fused {
  readonly value: Val;
  readonly ok: Val;
}

const SIGN_HI = 0x8000_0000 | 0;
const add = (b: Builder, x: Val, y: Val) => b.pure("fadd.l", x, y);
const sub = (b: Builder, x: Val, y: Val) => b.pure("fsub.l", x, y);
const mul = (b: Builder, x: Val, y: Val) => b.pure("fmul.l", x, y);

/** What rounding x + y to `sum` has lost; exact but for overflow (then it is a NaN). */
function sumError(b: Builder, x: Val, y: Val, sum: Val): Val {
  const second = sub(b, sum, x);
  return add(b, sub(b, x, sub(b, sum, second)), sub(b, y, second));
}

/** `sum` rounded to odd: when `error` is lost and its last bit is even, the neighbour on the error's side. */
function toOdd(b: Builder, sum: Val, error: Val): Val {
  const inexact = b.ne(b.shl(error, b.i64(1)), b.i64(0)), even = b.eqz(b.and(sum, b.i64(1)));
  const step = b.or(b.shrS(b.xor(sum, error), b.i64(63)), b.i64(1));
  return b.add(sum, b.select(b.and(inexact, even), step, b.i64(0)));
}

/** x * y + z for binary32 bit patterns (i32). */
export function fused32(b: Builder, x: Val, y: Val, z: Val): Fused {
  // The product of two 24-bit significands is exact in 53 bits, and in range.
  const product = mul(b, b.pure("fpromote", x), b.pure("fpromote", y)), addend = b.pure("fpromote", z);
  const sum = add(b, product, addend), odd = toOdd(b, sum, sumError(b, product, addend, sum));
  const value = b.pure("fdemote", odd), magnitude = b.shl(value, b.i32(1));
  // Finite and above the smallest normal number, or exactly zero.
  const safe = b.ltU(b.sub(magnitude, b.i32(0x0100_0001)), b.i32(0xfdff_ffff));
  return { value, ok: b.or(safe, b.eqz(b.shl(sum, b.i64(1)))) };
}

/** The upper half of a significand, by Veltkamp's splitting; a NaN for numbers of 2^996 and more. */
function upper(b: Builder, x: Val): Val {
  const t = mul(b, x, b.i64Halves(0x0200_0000, 0x41a0_0000)); // 2^27 + 1
  return sub(b, t, sub(b, t, x));
}

/** x * y + z for binary64 bit patterns (i64). */
export function fused64(b: Builder, x: Val, y: Val, z: Val): Fused {
  const product = mul(b, x, y), xh = upper(b, x), yh = upper(b, y), xl = sub(b, x, xh), yl = sub(b, y, yh);
  const productError = add(b, add(b, add(b, sub(b, mul(b, xh, yh), product), mul(b, xh, yl)), mul(b, xl, yh)), mul(b, xl, yl));
  const low = add(b, z, productError), lowError = sumError(b, z, productError, low);
  const high = add(b, product, low), highError = sumError(b, product, low, high);
  const rest = add(b, lowError, highError), odd = toOdd(b, rest, sumError(b, lowError, highError, rest));
  const exact = add(b, high, odd), plain = add(b, product, z);
  // A zero has the sign that the plain sum has; the detour loses it.
  const isZero = b.eqz(b.shl(exact, b.i64(1))), value = b.select(isZero, plain, exact);
  // Below 2^-900 the product's error may not be a number of the format; a zero has no error.
  const magnitude = b.shl(value, b.i64(1)), large = b.geU(b.shl(product, b.i64(1)), b.i64Halves(0, 0x0f60_0000));
  const zeroFactor = b.or(b.eqz(b.shl(x, b.i64(1))), b.eqz(b.shl(y, b.i64(1))));
  const safe = b.ltU(b.sub(magnitude, b.i64Halves(1, 0x0020_0000)), b.i64Halves(-1, 0xffbf_ffff | 0));
  return { value, ok: b.and(b.or(large, zeroFactor), b.or(safe, b.eqz(magnitude))) };
}

/** -x for a bit pattern of either format. */
export const negated = (b: Builder, x: Val): Val => b.xor(x, b.isLong(x) ? b.i64Halves(0, SIGN_HI) : b.i32(SIGN_HI));
