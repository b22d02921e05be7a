// The transcendental functions of the x87, rounded correctly: series in fixed point with 320 bits after the point. Intel SDM volume 1 (253665-083), 8.3.6 to 8.3.10.
// Angles are reduced by the pi of 66 bits that processors use (8.3.8). DEVIATION: their results may be off by one unit in the last place, these are not.
import { f80, type FloatEnv } from "../ir/softfloat.ts";

const P = 320, N = BigInt(P), ONE = 1n << N;
const SIGN = 1n << 79n, EXPONENT = 0x7fffn << 64n, INTEGER = 1n << 63n, M64 = (1n << 64n) - 1n;

/** A finite number taken apart: magnitude m * 2^e, m with 64 bits. */
interface Parts {
  readonly negative: boolean;
  readonly m: bigint;
  readonly e: number;
}
function parts(v: bigint): Parts {
  let m = v & M64, e = Number((v & EXPONENT) >> 64n) - 16383 - 63;
  if ((v & EXPONENT) === 0n) e++;
  if (m !== 0n) {
    const shift = 64 - m.toString(2).length;
    m <<= BigInt(shift);
    e -= shift;
  }
  return { negative: (v & SIGN) !== 0n, m, e };
}
const isInfinite = (v: bigint) => (v & ~SIGN) === (EXPONENT | INTEGER);
const isZero = (v: bigint) => (v & ~SIGN) === 0n;
const shift = (v: bigint, n: number) => n >= 0 ? v << BigInt(n) : v >> BigInt(-n);

/** A value and whether its magnitude was rounded up. */
export interface Rounded {
  readonly value: bigint;
  readonly up: boolean;
}

/** m * 2^e, where m stands for a number that is not exactly that, as an extended number in the environment's rounding mode; flags are raised. */
function round(env: FloatEnv, negative: boolean, m: bigint, e: number): Rounded {
  const extra = m.toString(2).length - 128;
  // The odd last bit stands for the rest.
  const value = f80.rounded(env, negative, e + extra, shift(m, -extra) | 1n);
  return { value, up: env.roundedUp };
}
function finish(env: FloatEnv, negative: boolean, m: bigint, e: number): bigint {
  const r = round(env, negative, m, e);
  env.roundedUp = r.up;
  return r.value;
}

/** The sum of t - t^3 + ..., where `next` gives a term from the one before and its number. */
function series(first: bigint, next: (term: bigint, k: bigint) => bigint): bigint {
  let sum = first, term = first;
  for (let k = 1n; term !== 0n && term !== -1n; k++) sum += term = next(term, k);
  return sum;
}
/** atanh(1/n) or atan(1/n) with `bits` bits. */
function inverse(n: bigint, bits: bigint, alternate: boolean): bigint {
  let power = (1n << bits) / n, sum = power;
  const square = n * n;
  for (let k = 3n, sign = -1n; power !== 0n; k += 2n, sign = -sign) {
    power /= square;
    sum += alternate ? sign * (power / k) : power / k;
  }
  return sum;
}

let constants: { pi: bigint; ln2: bigint } | undefined;
/** pi and ln 2 as fixed-point numbers. */
function known(): { pi: bigint; ln2: bigint } {
  if (!constants) {
    const quarter = 4n * inverse(5n, N + 16n, true) - inverse(239n, N + 16n, true); // Machin
    const ln2 = 18n * inverse(26n, N + 16n, false) - 2n * inverse(4801n, N + 16n, false) + 8n * inverse(8749n, N + 16n, false);
    constants = { pi: (4n * quarter) >> 16n, ln2: ln2 >> 16n };
  }
  return constants;
}

/** Sine and cosine of r (fixed point, at most pi/4 or so). */
function sinCos(r: bigint): [bigint, bigint] {
  const square = (r * r) >> N;
  return [
    series(r, (t, k) => -(((t * square) >> N) / ((2n * k) * (2n * k + 1n)))),
    series(ONE, (t, k) => -(((t * square) >> N) / ((2n * k - 1n) * (2n * k)))),
  ];
}
/** pi/2 for the reduction of angles, as a fixed-point number. */
const HALF_PI = (0xc_90fd_aa22_168c_234cn << N) >> 67n;
/** The angle's rest after multiples of pi/2, their number modulo 4. */
function reduce(p: Parts): { r: bigint; quadrant: number } {
  const x = shift(p.m, p.e + P), n = (2n * x + HALF_PI) / (2n * HALF_PI);
  return { r: x - n * HALF_PI, quadrant: Number(n & 3n) };
}
/** Operands this small give themselves, but for the last place. */
const SMALL = -100;

function circular(env: FloatEnv, v: bigint, cosine: boolean): Rounded {
  const p = parts(v);
  if (p.e + 63 < SMALL) {
    // sin x is a little less than x, cos x than 1.
    return cosine ? round(env, false, (1n << 200n) - 1n, -200) : round(env, p.negative, (p.m << 140n) - 1n, p.e - 140);
  }
  const { r, quadrant } = reduce(p), [s, c] = sinCos(r), q = quadrant + (cosine ? 1 : 0);
  const m = (q & 1 ? c : s) * (q & 2 ? -1n : 1n), negative = (m < 0n) !== (!cosine && p.negative);
  return round(env, negative, m < 0n ? -m : m, -P);
}
/** Sine of a number below 2^63 that is not zero. */
export const sine = (env: FloatEnv, v: bigint): Rounded => circular(env, v, false);
/** Cosine, likewise. */
export const cosine = (env: FloatEnv, v: bigint): Rounded => circular(env, v, true);
/** Tangent, likewise. */
export function tangent(env: FloatEnv, v: bigint): Rounded {
  const p = parts(v);
  if (p.e + 63 < SMALL) return round(env, p.negative, (p.m << 140n) + 1n, p.e - 140);
  const { r, quadrant } = reduce(p);
  let [s, c] = sinCos(r);
  if (quadrant & 1) [s, c] = [c, -s];
  const negative = (s < 0n) !== (c < 0n), a = s < 0n ? -s : s, b = c < 0n ? -c : c;
  return round(env, negative !== p.negative, (a << N) / b, -P);
}

/** 2^x - 1 for finite x that is not zero; beyond -1..1, where it is undefined, x itself. */
export function powerOfTwoMinusOne(env: FloatEnv, v: bigint): bigint {
  const p = parts(v), { ln2 } = known();
  if (p.e + 63 >= 0) {
    if (p.m !== INTEGER || p.e + 63 !== 0) return v;
    return p.negative ? SIGN | 16382n << 64n | INTEGER : v;
  }
  if (p.e + 63 < SMALL) return finish(env, p.negative, p.m * ln2, p.e - P);
  const t = (shift(p.m, p.e + P) * ln2 >> N) * (p.negative ? -1n : 1n);
  const sum = series(t, (term, k) => ((term * t) >> N) / (k + 1n));
  return finish(env, p.negative, sum < 0n ? -sum : sum, -P);
}

/** ln of m (fixed point, between 0.5 and 2). */
function naturalLog(m: bigint): bigint {
  const z = ((m - ONE) << N) / (m + ONE), square = (z * z) >> N;
  let power = z, sum = z;
  for (let k = 3n; power !== 0n && power !== -1n; k += 2n) {
    power = (power * square) >> N;
    sum += power / k;
  }
  return 2n * sum;
}
/** y * log2(x), or y * log2(1 + x): finite numbers, y not zero, the logarithm's argument positive and (without plusOne) not 1. */
export function log2Times(env: FloatEnv, xv: bigint, yv: bigint, plusOne: boolean): bigint {
  const x = parts(xv), y = parts(yv), { ln2 } = known();
  let log: bigint, e = -P;
  if (plusOne && x.e + 63 < SMALL) {
    log = ((x.m << (2n * N)) / ln2) * (x.negative ? -1n : 1n);
    e = x.e - P;
  } else {
    const argument = plusOne ? ONE + shift(x.m, x.e + P) * (x.negative ? -1n : 1n) : x.m << BigInt(P - 63);
    if (argument <= 0n) return f80.sqrt(env, SIGN | 16383n << 64n | INTEGER); // undefined: taken as an invalid operation
    const bits = argument.toString(2).length - 1 - P;
    let m = shift(argument, -bits), k = BigInt(bits + (plusOne ? 0 : x.e + 63));
    if (m > ONE + (ONE >> 1n)) {
      m >>= 1n;
      k++;
    }
    if (m === ONE) return product(env, yv, k);
    log = (naturalLog(m) << N) / ln2 + k * ONE;
  }
  const negative = (log < 0n) !== y.negative;
  return finish(env, negative, (log < 0n ? -log : log) * y.m, e + y.e);
}
function product(env: FloatEnv, y: bigint, k: bigint): bigint {
  const keep = env.precision, rm = env.rm;
  env.precision = 64;
  const factor = f80.fromInt(env, k);
  env.rm = rm;
  const r = f80.mul(env, y, factor);
  env.precision = keep;
  return r;
}

/** atan(t) of a fixed-point t between 0 and 1: Euler's series. */
function arctangent(t: bigint): bigint {
  const square = (t * t) >> N, ratio = (square << N) / (ONE + square);
  return series((t << N) / (ONE + square), (term, k) => ((term * ratio) >> N) * (2n * k) / (2n * k + 1n));
}
/** The angle of the point (x, y), both numbers or infinities; not (y zero, x positive). */
export function atan2(env: FloatEnv, yv: bigint, xv: bigint): bigint {
  const negative = (yv & SIGN) !== 0n, left = (xv & SIGN) !== 0n, { pi } = known();
  const angle = (numerator: bigint, denominator: bigint) => finish(env, negative, pi * numerator / denominator, -P);
  if (isInfinite(yv)) return isInfinite(xv) ? angle(left ? 3n : 1n, 4n) : angle(1n, 2n);
  if (isZero(xv) && !isZero(yv)) return angle(1n, 2n);
  if (isInfinite(xv) || isZero(yv)) return left ? angle(1n, 1n) : negative ? SIGN : 0n;
  const x = parts(xv), y = parts(yv), d = y.e - x.e;
  // The 64 bits of pi and pi/2 are followed by 0.77 of the last one: what is 2^-99 away is rounded as they are.
  if (d > -SMALL) return angle(1n, 2n);
  if (d < SMALL) {
    if (left) return angle(1n, 1n);
    // y / x, a little less.
    const q = (y.m << 200n) / x.m;
    if (q * x.m !== y.m << 200n) return finish(env, negative, q, d - 200);
    return finish(env, negative, (q << 100n) - 1n, d - 300);
  }
  const swap = d > 0 || d === 0 && y.m > x.m, num = swap ? x : y, den = swap ? y : x;
  let a = arctangent(shift((num.m << N) / den.m, num.e - den.e));
  if (swap) a = (pi >> 1n) - a;
  if (left) a = pi - a;
  return finish(env, negative, a, -P);
}
