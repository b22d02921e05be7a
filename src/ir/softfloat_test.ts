// Floating point against JavaScript's own doubles and Math.fround, tables of edges, and the property that lets wasm stand in for it.
import { assert, assertEquals } from "@std/assert";
import {
  DE,
  DZ,
  f16,
  f32,
  f64,
  f80,
  FloatEnv,
  type FloatFormat,
  NV,
  NX,
  OF,
  type Policy,
  RDN,
  RMM,
  RNE,
  type Rounding,
  RTZ,
  RUP,
  toX86Flags,
  UF,
  UNORDERED,
} from "./softfloat.ts";

const F64 = new Float64Array(1), U64 = new BigUint64Array(F64.buffer), F32 = new Float32Array(1), U32 = new Uint32Array(F32.buffer);
const d = (x: number) => (F64[0] = x, U64[0]), toD = (x: bigint) => (U64[0] = x, F64[0]);
const s = (x: number) => (F32[0] = x, BigInt(U32[0])), toS = (x: bigint) => (U32[0] = Number(x), F32[0]);

/** A generator of 32 random bits; the seed makes a failure repeatable. */
function xorshift(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Random patterns: anything, exponents near the middle, and exponents that make products straddle the smallest normal number. */
function operandsOf(f: FloatFormat, next: () => number): () => bigint {
  const field = BigInt(f.precision - 1), bias = Number(f.infinity >> field) >> 1, all = (1n << BigInt(f.bits)) - 1n;
  return () => {
    const x = (BigInt(next()) << 32n | BigInt(next())) & all, kind = next() % 4;
    if (kind === 0) return x;
    const exp = kind === 1 ? (bias >> 1) + next() % 3 : kind === 2 ? next() % 64 : bias + next() % 64 - 32;
    // Half of the fractions are close to a power of two, where carries happen.
    const frac = next() % 2 ? x : next() % 2 ? BigInt(next() % 4) : -1n - BigInt(next() % 4);
    return (x & f.signBit) | BigInt(exp) << field | BigInt.asUintN(Number(field), frac);
  };
}

function env(rm: Rounding = RNE, policy: Policy = "riscv"): FloatEnv {
  const e = new FloatEnv(policy);
  e.rm = rm;
  return e;
}

/** The five operations that both JavaScript and wasm have, in one format. */
const HOST: Readonly<Record<string, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  sqrt: (x) => Math.sqrt(x),
};

function ours(f: FloatFormat, op: string, e: FloatEnv, a: bigint, b: bigint): bigint {
  return op === "sqrt" ? f.sqrt(e, a) : f[op as "add" | "sub" | "mul" | "div"](e, a, b);
}

for (const [name, f, to, from] of [["f64", f64, toD, d], ["f32", f32, toS, s]] as const) {
  Deno.test(`${name}: nearest-even results equal the host's, and a result that wasm may give raises at most NX`, () => {
    const next = xorshift(0x2545f491), draw = operandsOf(f, next);
    let stoodIn = 0, atMinimum = 0;
    for (let i = 0; i < 40_000; i++) {
      const a = draw(), b = next() % 8 ? draw() : a ^ f.signBit ^ BigInt(next() % 4);
      for (const [op, host] of Object.entries(HOST)) {
        const e = env(), mine = ours(f, op, e, a, b), theirs = host(to(a), to(b));
        const message = `${name} ${op} ${a.toString(16)} ${b.toString(16)} = ${mine.toString(16)}, flags ${e.flags}`;
        if (Number.isNaN(theirs)) {
          assertEquals(mine, f.canonicalNaN, message);
          continue;
        }
        assertEquals(mine, from(theirs), message);
        // The rule of the file's header, in terms of the result alone.
        const magnitude = mine & ~f.signBit, anyFinite = op === "add" || op === "sub" || op === "sqrt";
        const mayStandIn = magnitude < f.infinity && (anyFinite || magnitude > f.minNormal);
        if (mayStandIn) {
          stoodIn++;
          assertEquals(e.flags & ~NX, 0, message);
        }
        if (magnitude === f.minNormal && e.flags & UF) atMinimum++;
      }
    }
    assert(stoodIn > 50_000, `only ${stoodIn} results tested the property`);
    assert(atMinimum > 0, "no result rounded up to the smallest normal number with UF: the draw must cover that trap");
  });

  Deno.test(`${name}: NX is raised exactly when the host's result, multiplied or added back, is not exact`, () => {
    const next = xorshift(0x1234567),
      draw = () => {
        const x = Math.fround((next() % 4096 - 2048) / 2 ** (next() % 16)); // short significands: half of the results are exact
        return from(x);
      };
    let exact = 0, inexact = 0;
    for (let i = 0; i < 20_000; i++) {
      const a = draw(), b = draw(), x = to(a), y = to(b);
      // Products and sums of twelve-bit numbers are exact as doubles; a quotient or root is exact iff it multiplies back in doubles.
      for (const [op, q] of Object.entries({ div: to(from(x / y)), sqrt: to(from(Math.sqrt(x))), add: x + y, mul: x * y })) {
        if (!Number.isFinite(q)) continue;
        const e = env();
        ours(f, op, e, a, b);
        const fits = op === "div"
          ? timesExactly(q, y) === rational(x)
          : op === "sqrt"
          ? timesExactly(q, q) === rational(x)
          : to(from(q)) === q;
        assertEquals(e.flags, fits ? 0 : NX, `${name} ${op} ${x} ${y}`);
        if (fits) exact++;
        else inexact++;
      }
    }
    assert(exact > 1000 && inexact > 1000);
  });
}

/** x in units of 2^-2000 (exact for the numbers used here). */
function rational(x: number): bigint {
  const bits = d(Math.abs(x)), exp = Number(bits >> 52n);
  const sig = (bits & (1n << 52n) - 1n) + (exp ? 1n << 52n : 0n), n = sig << BigInt(Math.max(exp, 1) - 1075 + 2000);
  return x < 0 ? -n : n;
}
const timesExactly = (x: number, y: number) => rational(x) * rational(y) / (1n << 2000n);

Deno.test("f64 to f32 equals Math.fround, and a result above the smallest normal number raises at most NX", () => {
  const next = xorshift(99), wide = operandsOf(f64, next);
  let minimum = 0;
  const check = (a: bigint) => {
    const e = env(), mine = f64.convert(e, a, f32), x = toD(a), magnitude = mine & ~f32.signBit;
    if (Number.isNaN(x)) return assertEquals(mine, f32.canonicalNaN);
    assertEquals(mine, s(x), a.toString(16));
    if (magnitude < f32.infinity && magnitude > f32.minNormal) assertEquals(e.flags & ~NX, 0, a.toString(16));
    if (magnitude === f32.minNormal && e.flags & UF) minimum++;
  };
  for (let i = 0; i < 50_000; i++) {
    check(wide());
    // Around f32's smallest normal number, 2^-126.
    check(BigInt(1023 - 127 + next() % 3) << 52n | BigInt.asUintN(52, next() % 2 ? -1n - BigInt(next()) : BigInt(next()) << 20n));
  }
  assert(minimum > 0);
});

Deno.test("tininess after rounding: a product that rounds up to the smallest normal number raises UF, unless it would at full precision too", () => {
  const e = env(), below1 = d(1 - 2 ** -53);
  assertEquals(f64.mul(e, below1, d(2 ** -1022)), d(2 ** -1022)); // (1 - 2^-53) * 2^-1022 has 53 bits: tiny, and a tie in 52
  assertEquals(e.flags, UF | NX);
  const fused = (tininess: "after" | "before") => {
    const e = env();
    e.tininess = tininess;
    // 2^-1022 less a little under half of the unit below it (2^-1075): at full precision that still rounds to 2^-1022.
    assertEquals(f64.fma(e, d(2 ** -600), d(2 ** -476 * (1 - 2 ** -53)) | f64.signBit, d(2 ** -1022)), d(2 ** -1022));
    return e.flags;
  };
  assertEquals(fused("after"), NX);
  assertEquals(fused("before"), UF | NX);
});

Deno.test("rounding modes: one third, ties, overflow and underflow", () => {
  const modes: readonly Rounding[] = [RNE, RTZ, RDN, RUP, RMM];
  const table = (run: (e: FloatEnv) => bigint) => modes.map((rm) => run(env(rm)));
  const one = d(1), half = d(2 ** -53), max = f64.maxFinite, inf = f64.infinity, neg = f64.signBit;
  assertEquals(table((e) => f64.div(e, one, d(3))), [
    0x3fd5555555555555n,
    0x3fd5555555555555n,
    0x3fd5555555555555n,
    0x3fd5555555555556n,
    0x3fd5555555555555n,
  ]);
  assertEquals(table((e) => f64.add(e, one, half)), [one, one, one, one + 1n, one + 1n]);
  assertEquals(table((e) => f64.add(e, one | neg, half | neg)), [one | neg, one | neg, one + 1n | neg, one | neg, one + 1n | neg]);
  assertEquals(table((e) => f64.add(e, max, max)), [inf, max, max, inf, inf]);
  assertEquals(table((e) => f64.add(e, max | neg, max | neg)), [inf | neg, max | neg, inf | neg, max | neg, inf | neg]);
  assertEquals(table((e) => f64.mul(e, 1n, half)), [0n, 0n, 0n, 1n, 0n]);
  assertEquals(table((e) => f64.mul(e, 1n, d(0.5))), [0n, 0n, 0n, 1n, 1n]);
  assertEquals(table((e) => f64.sub(e, one, one)), [0n, 0n, neg, 0n, 0n]);
  assertEquals(table((e) => f64.roundToIntegral(e, d(2.5))), [d(2), d(2), d(2), d(3), d(3)]);
  assertEquals(table((e) => f64.roundToIntegral(e, d(-0.5))), [neg, neg, d(-1), neg, d(-1)]);
  assertEquals(table((e) => f64.toInt(e, d(-2.5), 32, true)).map((x) => BigInt.asIntN(32, x)), [-2n, -2n, -3n, -2n, -3n]);
  const e = env();
  f64.add(e, max, max);
  assertEquals(e.flags, OF | NX);
});

Deno.test("invalid operations and division by zero, under each policy", () => {
  const inf = f32.infinity, neg = f32.signBit, one = s(1);
  const cases: readonly [string, (e: FloatEnv) => bigint][] = [
    ["inf - inf", (e) => f32.sub(e, inf, inf)],
    ["0 * inf", (e) => f32.mul(e, 0n, inf)],
    ["0 / 0", (e) => f32.div(e, 0n, 0n)],
    ["inf / inf", (e) => f32.div(e, inf, inf | neg)],
    ["sqrt -1", (e) => f32.sqrt(e, one | neg)],
    ["0 * inf + 1", (e) => f32.fma(e, 0n, inf, one)],
    ["inf * 1 - inf", (e) => f32.fma(e, inf, one, inf, false, true)],
  ];
  for (const [name, run] of cases) {
    for (const [policy, nan] of [["riscv", 0x7fc00000n], ["sse", 0xffc00000n], ["x87", 0xffc00000n]] as const) {
      const e = env(RNE, policy);
      assertEquals(run(e), nan, name);
      assertEquals(e.flags, NV, name);
    }
  }
  const e = env();
  assertEquals(f32.div(e, one | neg, 0n), inf | neg);
  assertEquals(e.flags, DZ);
  assertEquals(f32.sqrt(env(), neg), neg);
});

Deno.test("NaN operands: canonical, first operand, or larger significand", () => {
  const quietA = 0x7fc00001n, quietB = 0xffc00002n, signalling = 0x7fa00000n;
  const sum = (policy: Policy, a: bigint, b: bigint) => {
    const e = env(RNE, policy);
    return [f32.add(e, a, b), e.flags];
  };
  assertEquals(sum("riscv", quietA, quietB), [0x7fc00000n, 0]);
  assertEquals(sum("riscv", signalling, quietB), [0x7fc00000n, NV]);
  assertEquals(sum("sse", quietA, quietB), [quietA, 0]);
  assertEquals(sum("sse", signalling, quietB), [0x7fe00000n, NV]);
  assertEquals(sum("sse", s(1), quietB), [quietB, 0]);
  assertEquals(sum("x87", quietA, quietB), [quietB, 0]);
  assertEquals(sum("x87", signalling, quietA), [quietA, NV]);
  assertEquals(sum("x87", quietA ^ f32.signBit, quietA), [quietA, 0]); // equal significands: the positive one
  // RISC-V: infinity times zero is invalid even when the addend is a quiet NaN.
  const fma = (policy: Policy) => {
    const e = env(RNE, policy);
    return [f32.fma(e, f32.infinity, 0n, quietA), e.flags];
  };
  assertEquals(fma("riscv"), [0x7fc00000n, NV]);
  assertEquals(fma("sse"), [quietA, 0]);
  // Payloads keep their top bits between formats.
  assertEquals(f32.convert(env(RNE, "sse"), 0xffa00001n, f64), 0xfffc_0000_2000_0000n);
  assertEquals(f64.convert(env(RNE, "sse"), 0xfffc_0000_2000_0000n, f32), 0xffe00001n);
});

Deno.test("fused multiply-add rounds once", () => {
  const x = d(1 + 2 ** -30), e = env();
  assertEquals(f64.fma(e, x, x, d(-1 - 2 ** -29)), d(2 ** -60)); // the square's last bit is lost when it is rounded first
  assertEquals(e.flags, 0);
  assertEquals(f64.fma(env(), d(3), d(5), d(7), true, false), d(-8));
  assertEquals(f64.fma(env(), d(3), d(5), d(7), false, true), d(8));
  assertEquals(f64.fma(env(), d(3), d(5), d(7), true, true), d(-22));
  assertEquals(f64.fma(env(RDN), d(3), d(5), d(-15)), f64.signBit);
});

Deno.test("integers: saturation, integer indefinite, modular, and from 64 bits", () => {
  const to = (policy: Policy, x: bigint, width: number, signed: boolean) => {
    const e = env(RTZ, policy);
    return [f64.toInt(e, x, width, signed), e.flags];
  };
  const nan = f64.canonicalNaN | f64.signBit;
  assertEquals(to("riscv", nan, 32, true), [0x7fffffffn, NV]);
  assertEquals(to("riscv", d(-1e300), 32, true), [0x80000000n, NV]);
  assertEquals(to("riscv", d(-0.75), 32, false), [0n, NX]);
  assertEquals(to("riscv", d(-1), 32, false), [0n, NV]);
  assertEquals(to("riscv", d(4294967295.5), 32, false), [0xffffffffn, NX]);
  assertEquals(to("riscv", f64.infinity, 64, false), [0xffff_ffff_ffff_ffffn, NV]);
  assertEquals(to("riscv", d(-2147483648.9), 32, true), [0x80000000n, NX]);
  assertEquals(to("sse", nan, 32, true), [0x80000000n, NV]);
  assertEquals(to("sse", d(2147483648), 32, true), [0x80000000n, NV]);
  assertEquals(to("sse", d(2 ** 63), 64, true), [1n << 63n, NV]);
  const modular = (x: number) => {
    const e = env();
    return [f64.toIntModular(e, d(x)), e.flags];
  };
  assertEquals(modular(2 ** 32 + 5), [5n, NV]);
  assertEquals(modular(-1.5), [0xffff_ffff_ffff_ffffn, NX]);
  assertEquals(modular(2 ** 31), [0xffff_ffff_8000_0000n, NV]);
  assertEquals(modular(-(2 ** 31)), [0xffff_ffff_8000_0000n, 0]);
  assertEquals(modular(-(2 ** 31) - 0.5), [0xffff_ffff_8000_0000n, NX]);
  assertEquals(modular(2 ** 31 - 0.5), [0x7fff_ffffn, NX]);
  assertEquals(modular(Infinity), [0n, NV]);
  assertEquals(f32.fromInt(env(), 0x1_0000_0100_0001n), s(0x1_0000_0200_0000));
  assertEquals(f64.fromInt(env(RUP), (1n << 64n) - 1n), d(2 ** 64));
  assertEquals(f16.fromInt(env(), 65520n), f16.infinity);
});

Deno.test("comparison, minimum, maximum and classes", () => {
  const nan = f32.canonicalNaN, snan = 0x7f800001n, zero = 0n, minus = f32.signBit, one = s(1), inf = f32.infinity;
  const flagsOf = (run: (e: FloatEnv) => unknown) => {
    const e = env();
    return [run(e), e.flags];
  };
  assertEquals(flagsOf((e) => f32.compare(e, zero, minus, true)), [0, 0]);
  assertEquals(flagsOf((e) => f32.compare(e, nan, one, false)), [UNORDERED, 0]);
  assertEquals(flagsOf((e) => f32.eq(e, snan, one)), [false, NV]);
  assertEquals(flagsOf((e) => f32.lt(e, nan, one)), [false, NV]);
  assertEquals(flagsOf((e) => f32.ltQuiet(e, nan, one)), [false, 0]);
  assertEquals(flagsOf((e) => f32.le(e, inf | minus, inf)), [true, 0]);
  assertEquals(flagsOf((e) => f32.min(e, zero, minus)), [minus, 0]);
  assertEquals(flagsOf((e) => f32.max(e, minus, zero)), [zero, 0]);
  assertEquals(flagsOf((e) => f32.min(e, nan, one)), [one, 0]);
  assertEquals(flagsOf((e) => f32.max(e, one, snan)), [one, NV]);
  assertEquals(flagsOf((e) => f32.max(e, nan, nan | minus)), [nan, 0]);
  assertEquals(flagsOf((e) => f32.minimum(e, one, nan)), [nan, 0]);
  assertEquals(flagsOf((e) => f32.maximum(e, one, s(2))), [s(2), 0]);
  const classes = [inf | minus, one | minus, 1n | minus, minus, zero, 1n, one, inf, snan, nan];
  assertEquals(classes.map((x) => f32.classify(x)), classes.map((_, i) => 1 << i));
  assertEquals(f32.unbox(0xffff_ffff_3f80_0000n), one);
  assertEquals(f32.unbox(0x3f80_0000n), nan);
  assertEquals(f16.box(0x3c00n), 0xffff_ffff_ffff_3c00n);
});

Deno.test("x86: denormal flag, DAZ, FTZ, and the order of the flags in MXCSR", () => {
  const e = env(RNE, "sse");
  assertEquals(f64.add(e, 1n, d(1)), d(1));
  assertEquals(e.flags, DE | NX);
  const daz = env(RNE, "sse");
  daz.daz = true;
  assertEquals(f64.add(daz, 1n, d(1)), d(1));
  assertEquals(daz.flags, 0);
  const ftz = env(RNE, "sse");
  ftz.ftz = true;
  assertEquals(f64.mul(ftz, d(-(2 ** -1022)), d(0.5)), f64.signBit);
  assertEquals(ftz.flags, UF | NX);
  assertEquals([NV, DE, DZ, OF, UF, NX].map(toX86Flags), [1, 2, 4, 8, 16, 32]);
});

Deno.test("x87: refused encodings, precision control, remainders", () => {
  const e = (precision = 64) => Object.assign(env(RNE, "x87"), { precision });
  const x = (n: number) => f64.convert(env(), d(n), f80), indefinite = 0xffff_c000_0000_0000_0000n;
  for (const bad of [0x3fff_0000_0000_0000_0001n, 0x7fff_0000_0000_0000_0000n, 0x7fff_4000_0000_0000_0000n]) {
    const v = e();
    assertEquals(f80.add(v, bad, x(1)), indefinite);
    assertEquals(v.flags, NV);
  }
  const pseudo = e();
  assertEquals(f80.add(pseudo, 0x8000_0000_0000_0000n, 0n), 0x0001_8000_0000_0000_0000n); // a pseudo-denormal is worth the smallest normal number
  assertEquals(pseudo.flags, DE);
  assertEquals([64, 53, 24].map((p) => f80.div(e(p), x(1), x(3)) & 0xffff_ffff_ffff_ffffn), [
    0xaaaa_aaaa_aaaa_aaabn,
    0xaaaa_aaaa_aaaa_a800n,
    0xaaaa_ab00_0000_0000n,
  ]);
  const up = e();
  f80.div(up, x(1), x(3));
  assert(up.roundedUp);
  assertEquals(f80.remainder(e(), x(17), x(5)), { value: x(2), quotient: 3, complete: true });
  assertEquals(f80.remainder(e(), x(18), x(5), true), { value: x(-2), quotient: 4, complete: true });
  assertEquals(f80.remainder(e(), x(5), x(2), true), { value: x(1), quotient: 2, complete: true }); // ties go to the even quotient
  assertEquals(f80.remainder(e(), x(7), x(2), true), { value: x(-1), quotient: 4, complete: true });
  const far = f80.remainder(e(), x(2 ** 100 + 2 ** 60), x(3)), near = f80.remainder(e(), far.value, x(3));
  assertEquals([far.complete, near.complete, near.value], [false, true, x(Number((2n ** 100n + 2n ** 60n) % 3n))]);
});
