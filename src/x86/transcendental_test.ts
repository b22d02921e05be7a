// The transcendental functions by themselves: against the host's in double precision, and where the manual's tables say what comes out.
// Source: Intel SDM volume 2 (253666, 253667), F2XM1, FPATAN, FYL2X, FYL2XP1, FSIN, FCOS, FPTAN.
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { FloatEnv, NV, RDN, RNE, type Rounding, RTZ, RUP } from "../ir/softfloat.ts";
import { atan2, cosine, log2Times, powerOfTwoMinusOne, sine, tangent } from "./transcendental.ts";

const env = (rm: Rounding = RNE) => {
  const e = new FloatEnv("x87");
  e.rm = rm;
  e.precision = 64;
  return e;
};
const bits = new DataView(new ArrayBuffer(8));

/** A double as an extended number: exact. */
function extended(x: number): bigint {
  bits.setFloat64(0, x);
  const v = bits.getBigUint64(0), sign = v >> 63n << 79n, exponent = v >> 52n & 0x7ffn, fraction = v & (1n << 52n) - 1n;
  if (exponent === 0x7ffn) return sign | 0x7fffn << 64n | 1n << 63n | fraction << 11n;
  if (exponent === 0n) return fraction === 0n ? sign : extended(x * 2 ** 64) - (64n << 64n);
  return sign | exponent - 1023n + 16383n << 64n | 1n << 63n | fraction << 11n;
}
/** The nearest double, and what the next extended numbers are. */
function double(v: bigint): number {
  const e = Number(v >> 64n & 0x7fffn), m = v & (1n << 64n) - 1n, sign = v >> 79n ? -1 : 1;
  if (e === 0x7fff) return m << 1n & (1n << 64n) - 1n ? NaN : sign * Infinity;
  return sign * Number(m) * 2 ** Math.max(-1000, e - 16383 - 63);
}
const near = (mine: bigint, theirs: number, what: string, error = 4e-16) => {
  const x = double(mine);
  assert(Object.is(x, theirs) || Math.abs(x - theirs) <= Math.abs(theirs) * error, `${what}: ${x}, ${theirs}`);
};

Deno.test("functions of random numbers are the host's to a double's last places", () => {
  const random = new Random(7),
    number = (low: number, high: number) => (random.below(2) ? 1 : -1) * 2 ** (low + random.below(1 << 20) / (1 << 20) * (high - low));
  for (let i = 0; i < 60; i++) {
    const x = number(-60, 0.9), y = number(-60, 60), z = number(-60, 60);
    near(sine(env(), extended(x)).value, Math.sin(x), `sin ${x}`);
    near(cosine(env(), extended(x)).value, Math.cos(x), `cos ${x}`, 4e-15);
    near(tangent(env(), extended(x)).value, Math.tan(x), `tan ${x}`, 4e-15);
    near(atan2(env(), extended(y), extended(z)), Math.atan2(y, z), `atan ${y} ${z}`);
    const a = Math.abs(y);
    if (a !== 1) near(log2Times(env(), extended(a), extended(z), false), z * Math.log2(a), `${z} log ${a}`, 1e-14);
    const small = number(-70, -2);
    near(log2Times(env(), extended(small), extended(z), true), z * Math.log1p(small) / Math.LN2, `${z} log 1+${small}`, 1e-14);
    near(powerOfTwoMinusOne(env(), extended(small)), Math.expm1(small * Math.LN2), `2^${small}-1`, 1e-14);
  }
});

Deno.test("angles beyond the first turn are reduced, in every quadrant", () => {
  for (let quarter = 0; quarter < 9; quarter++) {
    for (const rest of [0.1, 0.7, 1.2]) {
      // Pi with 66 bits is pi itself to a double's places, for so few turns.
      const x = quarter * Math.PI / 2 + rest;
      for (const sign of [1, -1]) {
        near(sine(env(), extended(sign * x)).value, Math.sin(sign * x), `sin ${sign * x}`, 1e-14);
        near(cosine(env(), extended(sign * x)).value, Math.cos(sign * x), `cos ${sign * x}`, 1e-14);
        near(tangent(env(), extended(sign * x)).value, Math.tan(sign * x), `tan ${sign * x}`, 1e-13);
      }
    }
  }
});

Deno.test("tiny angles give themselves, but for the side on which the exact result is", () => {
  const x = extended(2 ** -120), minus = extended(-(2 ** -120)), one = extended(1);
  /** The next magnitude below: below a power of two it has another exponent, and all bits. */
  const down = (v: bigint) => v % (1n << 64n) === 1n << 63n ? v - (1n << 64n) + (1n << 63n) - 1n : v - 1n;
  // sin x < x < tan x; cos x < 1.
  assertEquals([sine(env(), x).value, sine(env(RUP), x).value, sine(env(RDN), x).value, sine(env(RTZ), x).value], [
    x,
    x,
    down(x),
    down(x),
  ]);
  assertEquals([sine(env(RDN), minus).value, sine(env(RUP), minus).value], [minus, down(minus)]);
  assertEquals([tangent(env(), x).value, tangent(env(RUP), x).value, tangent(env(RDN), x).value], [x, x + 1n, x]);
  assertEquals([cosine(env(), x).value, cosine(env(RUP), x).value, cosine(env(RTZ), x).value], [one, one, down(one)]);
  assertEquals([sine(env(), x).up, sine(env(RTZ), x).up, tangent(env(RUP), x).up], [true, false, true]);
});

Deno.test("FPATAN: every sign of zeros, infinities and numbers, and angles that are nearly an axis", () => {
  const values = [0, -0, 1, -1, Infinity, -Infinity, 2 ** -300, -(2 ** -300), 2 ** 300];
  for (const y of values) {
    for (const x of values) {
      if (y === 0 && x === 0) continue;
      if (y === 0 && !Object.is(x, 0) && x > 0) continue; // the caller's
      near(atan2(env(), extended(y), extended(x)), Math.atan2(y, x), `${y} ${x}`);
    }
  }
  // y / x is exact, and the angle a little less: the side is seen when rounding down.
  const y = extended(2 ** -200), x = extended(1);
  assert(atan2(env(RDN), y, x) < y && atan2(env(RUP), y, x) === y);
  assertEquals(atan2(env(), 1n, extended(0)), atan2(env(), x, extended(0)), "the least of all subnormal numbers");
  const halfPi = atan2(env(), x, extended(0));
  assert(atan2(env(RDN), extended(2 ** 200), x) <= halfPi && atan2(env(RUP), extended(2 ** 200), extended(-1)) >= halfPi);
});

Deno.test("F2XM1: at the ends of its range, beyond it, and for numbers of which only ln 2 is left", () => {
  const f = (x: number) => powerOfTwoMinusOne(env(), extended(x));
  assertEquals([f(1), f(-1), f(2), f(-3.5)], [extended(1), extended(-0.5), extended(2), extended(-3.5)]);
  near(f(2 ** -150), 2 ** -150 * Math.LN2, "tiny");
  near(f(-(2 ** -150)), -(2 ** -150) * Math.LN2, "tiny and negative");
});

Deno.test("FYL2X and FYL2XP1: powers of two are exact, arguments on both sides of 1.5, tiny ones; below -1 there is no logarithm", () => {
  const f = (x: number, y: number) => log2Times(env(), extended(x), extended(y), false),
    p1 = (x: number, y: number) => log2Times(env(), extended(x), extended(y), true);
  for (const [x, y, result] of [[8, 3, 9], [0.25, 5, -10], [2 ** 300, -1, -300], [2, 0.1, 0.1]]) {
    assertEquals(f(x, y), extended(result), `${y} log ${x}`);
  }
  for (const x of [1.25, 1.75, 1.9999, 3, 0.6]) near(f(x, 3), 3 * Math.log2(x), `${x}`, 1e-14);
  assertEquals([p1(1, 7), p1(-0.5, 7)], [extended(7), extended(-7)]);
  near(p1(0.75, 2), 2 * Math.log2(1.75), "1.75");
  near(p1(2 ** -150, 3), 3 * 2 ** -150 / Math.LN2, "tiny");
  near(p1(-(2 ** -150), 3), -3 * 2 ** -150 / Math.LN2, "tiny and negative");
  for (const x of [-1, -5]) {
    const e = env();
    assertEquals([log2Times(e, extended(x), extended(2), true), e.flags], [0xffff_c000_0000_0000_0000n, NV]);
  }
  // Precision control is for sums, products, quotients and roots only (volume 1, 8.1.5.2), and stays as it is.
  const narrow = env();
  narrow.precision = 24;
  assertEquals([log2Times(narrow, extended(2 ** 16), extended(1 / 3), false), narrow.precision], [extended(16 / 3), 24]);
});
