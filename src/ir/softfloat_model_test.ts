// Every operation of softfloat.ts against fractions: operands are exact numbers, results are rounded by the definition (IEEE 754-2019, 4.3 and 7.5),
// over all pairs of special operands of each format, in every rounding mode, under each policy, with DAZ, FTZ, precision control and unmasked
// exceptions. What NaNs give and when flags are raised is said once more, as a table would.
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
  UF,
  UNORDERED,
} from "./softfloat.ts";
import { Random } from "../../tests/fuzz/random.ts";

interface Shape {
  readonly format: FloatFormat;
  readonly exp: number;
  readonly frac: number;
  readonly explicit: boolean;
}
const SHAPES: readonly Shape[] = [
  { format: f16, exp: 5, frac: 10, explicit: false },
  { format: f32, exp: 8, frac: 23, explicit: false },
  { format: f64, exp: 11, frac: 52, explicit: false },
  { format: f80, exp: 15, frac: 63, explicit: true },
];
/** A magnitude as a fraction n / d; the kind of a number; whether its encoding was subnormal. */
interface Num {
  readonly kind: "zero" | "finite" | "infinite" | "quiet" | "signalling" | "bad";
  readonly sign: boolean;
  readonly n: bigint;
  readonly d: bigint;
  readonly subnormal: boolean;
  readonly bits: bigint;
}
const p2 = (k: number) => 1n << BigInt(k), mask = (k: number) => p2(k) - 1n;
const biasOf = (s: Shape) => 2 ** (s.exp - 1) - 1,
  eminOf = (s: Shape) => 1 - biasOf(s),
  fieldOf = (s: Shape) => s.frac + (s.explicit ? 1 : 0);
const precisionOf = (s: Shape) => s.frac + 1, isNaN = ({ kind }: Num) => kind === "quiet" || kind === "signalling" || kind === "bad";
const signBit = (s: Shape) => p2(s.exp + fieldOf(s)),
  infinity = (s: Shape) => mask(s.exp) << BigInt(fieldOf(s)) | (s.explicit ? p2(63) : 0n);
const quietBit = (s: Shape) => p2(s.frac - 1), canonical = (s: Shape) => infinity(s) | quietBit(s);
/** m * 2^e as a fraction. */
const scaled = (m: bigint, e: number): [bigint, bigint] => e >= 0 ? [m << BigInt(e), 1n] : [m, p2(-e)];

function decode(s: Shape, bits: bigint, daz = false): Num {
  const sign = (bits & signBit(s)) !== 0n,
    exp = Number(bits >> BigInt(fieldOf(s)) & mask(s.exp)),
    sig = bits & mask(fieldOf(s)),
    frac = bits & mask(s.frac);
  const made = (kind: Num["kind"], m = 0n, e = 0): Num => {
    const [n, d] = scaled(m, e);
    return { kind, sign, n, d, subnormal: kind === "finite" && exp === 0, bits };
  };
  if (exp === 0) return sig === 0n || daz ? made("zero") : made("finite", sig, eminOf(s) - s.frac);
  if (s.explicit && sig >> 63n === 0n) return made("bad");
  if (exp === 2 ** s.exp - 1) return made(frac === 0n ? "infinite" : frac & quietBit(s) ? "quiet" : "signalling");
  return made("finite", frac | p2(s.frac), exp - biasOf(s) - s.frac);
}
const bitsIn = (x: bigint) => x.toString(2).length;
/** The power of two that n / d begins with. */
function log2(n: bigint, d: bigint): number {
  const e = bitsIn(n) - bitsIn(d), [an, ad] = scaled(d, e);
  return n * ad >= an ? e : e - 1;
}
/** n / d in units of 2^q, rounded to an integer: it, whether something was lost, and whether it grew. */
function toUnits(rm: Rounding, sign: boolean, n: bigint, d: bigint, q: number): { m: bigint; lost: boolean; up: boolean } {
  const [un, ud] = scaled(1n, q), top = n * ud, bottom = d * un, m = top / bottom, twice = 2n * (top - m * bottom);
  const lost = twice !== 0n;
  const up = lost &&
    (rm === RNE
      ? twice > bottom || twice === bottom && m % 2n === 1n
      : rm === RMM
      ? twice >= bottom
      : rm === RUP
      ? !sign
      : rm === RDN
      ? sign
      : false);
  return { m: up ? m + 1n : m, lost, up };
}
/** What an operation gives: bits, flags, and whether the magnitude grew, if it was rounded at all. */
interface Outcome {
  readonly value: bigint;
  readonly flags: number;
  readonly up?: boolean;
}
const signed = (s: Shape, sign: boolean, magnitude: bigint) => sign ? magnitude | signBit(s) : magnitude;
/** m * 2^q, which the format has. */
function encode(s: Shape, m: bigint, q: number): bigint {
  if (m === 0n) return 0n;
  const e = bitsIn(m) - 1 + q, exp = e < eminOf(s) ? 0 : e + biasOf(s), shift = q - (Math.max(e, eminOf(s)) - s.frac);
  const sig = shift >= 0 ? m << BigInt(shift) : m >> BigInt(-shift);
  return BigInt(exp) << BigInt(fieldOf(s)) | (s.explicit ? sig : sig & mask(s.frac));
}
function rounded(s: Shape, env: FloatEnv, sign: boolean, n: bigint, d: bigint, prec = precisionOf(s)): Outcome {
  const e = log2(n, d),
    emin = eminOf(s),
    bias = biasOf(s),
    free = toUnits(env.rm, sign, n, d, e - prec + 1),
    far = log2(free.m, 1n) + e - prec + 1;
  const unmasked = far < emin ? env.unmasked & UF : far > bias ? env.unmasked & OF : 0;
  if (unmasked) {
    const biased = far + bias + (unmasked === UF ? 24576 : -24576), out = biased <= 0 || biased >= 2 ** s.exp - 1;
    // Rounding may have carried into one bit more.
    const more = bitsIn(free.m) - 64, sig = more > 0 ? free.m >> BigInt(more) : free.m << BigInt(-more);
    const magnitude = out ? unmasked === OF ? infinity(s) : 0n : BigInt(biased) << 64n | sig;
    return { value: signed(s, sign, magnitude), flags: unmasked | (free.lost || out ? NX : 0), up: out ? unmasked === OF : free.up };
  }
  const q = Math.max(e, emin) - prec + 1, { m, lost, up } = toUnits(env.rm, sign, n, d, q);
  const tiny = e < emin && (env.tininess === "before" || far < emin);
  if (tiny && env.ftz) return { value: signed(s, sign, 0n), flags: UF | NX, up };
  if (m > 0n && bitsIn(m) - 1 + q > bias) {
    const away = env.rm === RNE || env.rm === RMM || env.rm === (sign ? RDN : RUP);
    return { value: signed(s, sign, away ? infinity(s) : encode(s, mask(prec), bias - prec + 1)), flags: OF | NX, up: away };
  }
  return { value: signed(s, sign, encode(s, m, q)), flags: (lost ? NX : 0) | (tiny && lost ? UF : 0), up };
}

const defaultNaN = (s: Shape, env: FloatEnv) => canonical(s) | (env.policy === "riscv" ? 0n : signBit(s));
const invalid = (s: Shape, env: FloatEnv): Outcome => ({ value: defaultNaN(s, env), flags: NV });
const plain = (value: bigint, flags = 0): Outcome => ({ value, flags });
/** What NaN operands give (SDM volume 1, table 4-7; RISC-V unprivileged, "NaN Generation and Propagation"). */
function nanOf(s: Shape, env: FloatEnv, ...operands: Num[]): Outcome | undefined {
  if (!operands.some(isNaN)) return undefined;
  if (operands.some(({ kind }) => kind === "bad")) return invalid(s, env);
  const flags = operands.some(({ kind }) => kind === "signalling") ? NV : 0, nans = operands.filter(isNaN);
  if (env.policy === "riscv") return plain(canonical(s), flags);
  let [first] = nans;
  if (env.policy === "x87" && nans.length === 2 && operands.length === 2) {
    const [a, b] = nans, sig = ({ bits }: Num) => bits & mask(fieldOf(s));
    if (a.kind !== b.kind) first = a.kind === "quiet" ? a : b;
    else if (sig(a) !== sig(b)) first = sig(a) > sig(b) ? a : b;
    else first = a.sign ? b : a;
  }
  return plain(first.bits | quietBit(s), flags);
}
const denormal = (env: FloatEnv, ...operands: Num[]) => env.policy !== "riscv" && operands.some((x) => x.subnormal) ? DE : 0;
const withFlags = (o: Outcome, flags: number): Outcome => ({ ...o, flags: o.flags | flags });
const controlled = (s: Shape, env: FloatEnv) => s.explicit ? env.precision : precisionOf(s);
const inf = (s: Shape, sign: boolean) => signed(s, sign, infinity(s));

function sum(s: Shape, env: FloatEnv, a: Num, b: Num): Outcome {
  if (a.kind === "infinite" || b.kind === "infinite") {
    if (a.kind === b.kind && a.sign !== b.sign) return invalid(s, env);
    return plain(inf(s, a.kind === "infinite" ? a.sign : b.sign));
  }
  const value = (a.sign ? -a.n : a.n) * b.d + (b.sign ? -b.n : b.n) * a.d, both = a.n === 0n && b.n === 0n && a.sign === b.sign;
  if (value === 0n) return plain(signed(s, both ? a.sign : env.rm === RDN, 0n));
  return rounded(s, env, value < 0n, value < 0n ? -value : value, a.d * b.d, controlled(s, env));
}
const negated = (x: Num, negate: boolean): Num => negate ? { ...x, sign: !x.sign } : x;
/** The product of numbers that are no NaNs; undefined where it is invalid. */
function product(a: Num, b: Num): Num | undefined {
  const sign = a.sign !== b.sign, n = a.n * b.n, d = a.d * b.d, other = { sign, n: 0n, d: 1n, subnormal: false, bits: 0n };
  if (a.kind === "infinite" || b.kind === "infinite") {
    return a.kind === "zero" || b.kind === "zero" ? undefined : { ...other, kind: "infinite" };
  }
  return n === 0n ? { ...other, kind: "zero" } : { ...other, kind: "finite", n, d };
}
const OPERATIONS: Readonly<Record<string, (s: Shape, env: FloatEnv, a: Num, b: Num) => Outcome>> = {
  add: (s, env, a, b) => nanOf(s, env, a, b) ?? withDenormal(env, sum(s, env, a, b), a, b),
  sub: (s, env, a, b) => nanOf(s, env, a, b) ?? withDenormal(env, sum(s, env, a, negated(b, true)), a, b),
  mul: (s, env, a, b) => {
    const nan = nanOf(s, env, a, b), x = product(a, b);
    if (nan) return nan;
    if (!x) return invalid(s, env);
    const o = x.kind === "infinite"
      ? plain(inf(s, x.sign))
      : x.n === 0n
      ? plain(signed(s, x.sign, 0n))
      : rounded(s, env, x.sign, x.n, x.d, controlled(s, env));
    return withFlags(o, denormal(env, a, b));
  },
  div: (s, env, a, b) => {
    const sign = a.sign !== b.sign, nan = nanOf(s, env, a, b);
    if (nan) return nan;
    if (a.kind === b.kind && a.kind !== "finite") return invalid(s, env);
    if (b.kind === "zero" && a.kind === "finite") return plain(inf(s, sign), DZ);
    if (a.kind === "infinite") return plain(inf(s, sign), denormal(env, b));
    if (b.kind === "infinite" || a.kind === "zero") return plain(signed(s, sign, 0n), denormal(env, a, b));
    return withFlags(rounded(s, env, sign, a.n * b.d, a.d * b.n, controlled(s, env)), denormal(env, a, b));
  },
};
/** An invalid operation comes before the flag of subnormal operands. */
const withDenormal = (env: FloatEnv, o: Outcome, ...operands: Num[]) => o.flags & NV ? o : withFlags(o, denormal(env, ...operands));

function sqrt(s: Shape, env: FloatEnv, a: Num): Outcome {
  const nan = nanOf(s, env, a);
  if (nan) return nan;
  if (a.kind === "zero") return plain(signed(s, a.sign, 0n));
  if (a.sign) return invalid(s, env);
  if (a.kind === "infinite") return plain(infinity(s));
  // The integer part of the root in units of 2^-k, and whether there is a rest: that is all that rounding asks for.
  const k = 2 * precisionOf(s) + Math.max(0, -log2(a.n, a.d)), square = (a.n << BigInt(2 * k)) / a.d;
  let root = p2((bitsIn(square) >> 1) + 1);
  for (let next = (root + square / root) >> 1n; next < root; next = (root + square / root) >> 1n) root = next;
  const exact = root * root * a.d === a.n << BigInt(2 * k);
  return withFlags(rounded(s, env, false, 2n * root + (exact ? 0n : 1n), p2(k + 1), controlled(s, env)), denormal(env, a));
}
function remainder(
  s: Shape,
  env: FloatEnv,
  a: Num,
  b: Num,
  nearest: boolean,
): Outcome & { readonly quotient: number; readonly complete: boolean } {
  const done = (o: Outcome, quotient = 0, complete = true) => ({ ...o, quotient, complete }), nan = nanOf(s, env, a, b);
  if (nan) return done(nan);
  if (a.kind === "infinite" || b.kind === "zero") return done(invalid(s, env));
  const de = denormal(env, a, b),
    whole = (sign: boolean, n: bigint, d: bigint) => withFlags(n === 0n ? plain(signed(s, a.sign, 0n)) : rounded(s, env, sign, n, d), de);
  if (b.kind === "infinite" || a.kind === "zero") return done(whole(a.sign, a.n, a.d));
  const d = log2(a.n, a.d) - log2(b.n, b.d);
  if (d >= 64) {
    const [n, bd] = scaled(b.n, d - ((d & 31) | 32)), q = a.n * b.d * bd / (n * a.d);
    return done(whole(a.sign, a.n * b.d * bd - q * n * a.d, a.d * b.d * bd), 0, false);
  }
  const top = a.n * b.d,
    bottom = b.n * a.d,
    up = nearest && toUnits(RNE, false, top, bottom, 0).up,
    q = top / bottom + (up ? 1n : 0n),
    rest = top - q * bottom;
  return done(whole(rest < 0n ? !a.sign : a.sign, rest < 0n ? -rest : rest, a.d * b.d), Number(q & 7n));
}
const orderOf = (a: Num, b: Num): number => {
  const rank = ({ kind, sign, n, d }: Num) => [kind === "infinite" ? 1n : 0n, sign ? -n : n, d] as const, sides = [rank(a), rank(b)];
  const infinite = (x: Num) => x.kind === "infinite" ? x.sign ? -1 : 1 : 0;
  if (infinite(a) || infinite(b)) return Math.sign(infinite(a) - infinite(b));
  const difference = sides[0][1] * sides[1][2] - sides[1][1] * sides[0][2];
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
};

// --- operands

/** Numbers at which something happens. */
function specials(s: Shape): bigint[] {
  const one = BigInt(biasOf(s)) << BigInt(fieldOf(s)) | (s.explicit ? p2(63) : 0n), top = infinity(s), unit = p2(fieldOf(s));
  const at = (e: number, frac = 0n) => encode(s, p2(s.frac) | frac, e - s.frac), emin = eminOf(s), p = precisionOf(s);
  const positive = [
    0n,
    1n,
    2n,
    3n,
    quietBit(s),
    mask(s.frac),
    at(emin),
    at(emin, 1n),
    at(emin + 1),
    at(emin + p),
    at(emin >> 1),
    at(emin >> 1, mask(s.frac)),
    at(-p - 1),
    at(-p),
    at(-p, 1n),
    at(1 - p),
    at(-1),
    at(-1, mask(s.frac)),
    one,
    one + 1n,
    at(0, quietBit(s)),
    at(1),
    at(1, quietBit(s)),
    at(2, quietBit(s) >> 1n),
    at(p - 2, 1n),
    at(p - 1, 1n),
    at(p),
    at(biasOf(s) >> 1, mask(s.frac)),
    at(biasOf(s)),
    at(biasOf(s), mask(s.frac)),
    top,
    canonical(s),
    canonical(s) | 5n,
    top | 1n,
    top | 6n,
  ];
  // Unnormals, pseudo-denormals, pseudo-infinities.
  if (s.explicit) positive.push(p2(63), p2(63) | 9n, one ^ p2(63) | 1n, unit, top ^ p2(63), top ^ p2(63) | 1n);
  return positive.flatMap((x) => [x, x | signBit(s)]);
}
const MODES: readonly Rounding[] = [RNE, RTZ, RDN, RUP, RMM];
const random = new Random(1), below = (n: number) => random.bits() % n, pick = <T>(list: readonly T[]): T => list[below(list.length)];
/** An environment, two times the same. */
function environment(s: Shape): () => FloatEnv {
  const policy: Policy = s.explicit ? "x87" : pick(["riscv", "sse", "x87"]),
    rm = s.explicit || below(2) ? pick(MODES) : RNE,
    up = below(2) === 1;
  const set = {
    rm,
    tininess: pick(["after", "after", "before"] as const),
    daz: policy === "sse" && below(4) === 0,
    ftz: policy === "sse" && below(4) === 0,
    unmasked: s.explicit ? pick([0, 0, OF, UF, OF | UF]) : 0,
    precision: s.explicit ? pick([64, 64, 53, 24]) : 64,
    roundedUp: up,
    // What was raised before stays raised.
    flags: pick([0, 0, NX | OF, NV | UF | DZ | DE]),
  };
  return () => Object.assign(new FloatEnv(policy), set);
}
const hex = (x: bigint) => `0x${x.toString(16)}`;
function check(
  what: string,
  s: Shape,
  make: () => FloatEnv,
  operands: readonly bigint[],
  run: (env: FloatEnv, f: FloatFormat) => bigint,
  due: (env: FloatEnv) => Outcome,
) {
  const env = make(), model = make(), { flags, value, up } = due(model), got = run(env, s.format);
  if (got === value && env.flags === (flags | model.flags) && env.roundedUp === (up ?? model.roundedUp)) return;
  const { policy, rm, tininess, daz, ftz, unmasked, precision } = env;
  assertEquals(
    [hex(got), env.flags, env.roundedUp],
    [hex(value), flags | model.flags, up ?? model.roundedUp],
    `f${s.format.bits} ${what} ${operands.map(hex)}: ${JSON.stringify({ policy, rm, tininess, daz, ftz, unmasked, precision })}`,
  );
}
/** Pairs of operands: all special ones, and as many whose sum or product is close to something. */
function* pairs(s: Shape): Generator<[bigint, bigint]> {
  const list = specials(s);
  // Of the extended format's, which are many and slow, some.
  for (const a of list) for (const b of list) if (!s.explicit || below(3) === 0) yield [a, b];
  const any = () => pick(list) ^ BigInt(below(2 ** 30)) << BigInt(below(s.frac));
  for (let n = 0; n < 300; n++) {
    const a = any(), b = below(3) ? any() : a ^ signBit(s) ^ BigInt(below(4));
    yield [a & (signBit(s) << 1n) - 1n, b & (signBit(s) << 1n) - 1n];
  }
}
for (const s of SHAPES) {
  const name = `f${s.format.bits}`;
  Deno.test(`${name}: sums, products, quotients, remainders and comparisons are those of fractions`, () => {
    for (const [a, b] of pairs(s)) {
      const make = environment(s), { daz, policy } = make(), x = decode(s, a, daz), y = decode(s, b, daz);
      for (const op of ["add", "sub", "mul", "div"] as const) {
        check(op, s, make, [a, b], (env, f) => f[op](env, a, b), (env) => OPERATIONS[op](s, env, x, y));
      }
      for (const nearest of [false, true]) {
        let got: unknown, due: unknown;
        check(`remainder ${nearest}`, s, make, [a, b], (env, f) => {
          const r = f.remainder(env, a, b, nearest);
          got = [r.quotient, r.complete];
          return r.value;
        }, (env) => {
          const r = remainder(s, env, x, y, nearest);
          due = [r.quotient, r.complete];
          return r;
        });
        assertEquals(got, due, `${name} remainder ${hex(a)} ${hex(b)} ${nearest}`);
      }
      const nan = isNaN(x) || isNaN(y), signals = [x, y].some(({ kind }) => kind === "signalling" || kind === "bad");
      for (const signalling of [false, true]) {
        const order = nan
          ? plain(BigInt(UNORDERED), signalling || signals ? NV : 0)
          : plain(BigInt(orderOf(x, y)), policy === "riscv" ? 0 : denormal(make(), x, y));
        check(`compare ${signalling}`, s, make, [a, b], (env, f) => BigInt(f.compare(env, a, b, signalling)), () => order);
      }
      const is = (wanted: number[]) => nan ? 0n : wanted.includes(orderOf(x, y)) ? 1n : 0n, flags = nan ? 0 : denormal(make(), x, y);
      for (
        const [op, wanted, loud] of [["eq", [0], false], ["lt", [-1], true], ["le", [-1, 0], true], ["ltQuiet", [-1], false], ["leQuiet", [
          -1,
          0,
        ], false]] as const
      ) {
        const raised = nan && (loud || signals) ? NV : flags;
        check(op, s, make, [a, b], (env, f) => f[op](env, a, b) ? 1n : 0n, () => plain(is([...wanted]), raised));
      }
      // RISC-V's: of numbers that count as equal, either is right elsewhere.
      for (
        const [op, sign, wins] of policy !== "riscv"
          ? []
          : [["min", -1, true], ["max", 1, true], ["minimum", -1, false], ["maximum", 1, false]] as const
      ) {
        check(op, s, make, [a, b], (env, f) => f[op](env, a, b), (env) => {
          if (nan && wins && isNaN(x) !== isNaN(y)) return plain(isNaN(x) ? b : a, signals ? NV : 0);
          const both = nanOf(s, env, x, y);
          if (both) return both;
          const o = orderOf(x, y) || (x.sign === y.sign ? 0 : x.sign ? -1 : 1);
          return plain(o === 0 || o === sign ? a : b);
        });
      }
    }
  });

  Deno.test(`${name}: roots, integers, other formats, classes and fused sums are those of fractions`, () => {
    const list = specials(s),
      all = [
        ...list,
        ...Array.from({ length: 600 }, () => (pick(list) ^ BigInt(below(2 ** 30)) << BigInt(below(s.frac))) & (signBit(s) << 1n) - 1n),
      ];
    for (const a of all) {
      const make = environment(s), { daz, policy } = make(), x = decode(s, a, daz);
      check("sqrt", s, make, [a], (env, f) => f.sqrt(env, a), (env) => sqrt(s, env, x));
      for (const rm of MODES) {
        for (const exact of [true, false]) {
          check(`roundToIntegral ${rm} ${exact}`, s, make, [a], (env, f) => f.roundToIntegral(env, a, rm, exact), (env) => {
            const nan = nanOf(s, env, x), flags = policy === "x87" ? denormal(env, x) : 0;
            if (nan) return nan;
            if (x.kind === "zero") return plain(signed(s, x.sign, 0n));
            if (x.kind === "infinite" || log2(x.n, x.d) >= s.frac) return plain(a, flags);
            const { m, lost, up } = toUnits(rm, x.sign, x.n, x.d, 0);
            return { value: signed(s, x.sign, encode(s, m, 0)), flags: flags | (lost && exact ? NX : 0), up };
          });
        }
        for (const [width, isSigned] of [[8, true], [32, true], [32, false], [64, true], [64, false]] as const) {
          const exact = below(4) > 0;
          check(`toInt ${width} ${isSigned} ${rm} ${exact}`, s, make, [a], (env, f) => f.toInt(env, a, width, isSigned, rm, exact), () => {
            if (x.kind === "zero") return plain(0n);
            const low = isSigned ? -p2(width - 1) : 0n,
              high = isSigned ? mask(width - 1) : mask(width),
              bits = (v: bigint) => BigInt.asUintN(width, v);
            if (x.kind === "finite") {
              const { m, lost, up } = toUnits(rm, x.sign, x.n, x.d, 0), v = x.sign ? -m : m;
              if (v >= low && v <= high) return { value: bits(v), flags: lost && exact ? NX : 0, up };
            }
            if (policy === "riscv") return plain(bits(!isNaN(x) && x.sign ? low : high), NV);
            return plain(bits(isSigned ? low : -1n), NV);
          });
        }
      }
      check("toIntModular", s, make, [a], (env, f) => f.toIntModular(env, a), () => {
        if (x.kind === "zero") return plain(0n);
        if (x.kind !== "finite") return plain(0n, NV);
        const m = x.n / x.d, v = x.sign ? -m : m, flags = v < -p2(31) || v >= p2(31) ? NV : m * x.d === x.n ? 0 : NX;
        return plain(BigInt.asUintN(64, BigInt.asIntN(32, v)), flags);
      });
      for (const to of SHAPES) {
        check(`convert to ${to.format.bits}`, s, make, [a], (env, f) => f.convert(env, a, to.format), (env) => {
          if (x.kind === "bad") return invalid(to, env);
          if (isNaN(x)) {
            const frac = a & mask(s.frac), shift = BigInt(s.frac - to.frac), moved = shift < 0n ? frac << -shift : frac >> shift;
            return plain(policy === "riscv" ? canonical(to) : signed(to, x.sign, canonical(to) | moved), x.kind === "signalling" ? NV : 0);
          }
          const flags = s.exp === 8 || s.exp === 11 ? denormal(env, x) : 0;
          if (x.kind === "infinite") return plain(inf(to, x.sign), flags);
          return x.kind === "zero" ? plain(signed(to, x.sign, 0n), flags) : withFlags(rounded(to, env, x.sign, x.n, x.d), flags);
        });
      }
      const classes = { infinite: 0, finite: x.subnormal ? 2 : 1, zero: 3 }, quiet = decode(s, a);
      const nth = quiet.kind === "quiet"
        ? 9
        : isNaN(quiet)
        ? 8
        : ((c) => quiet.sign ? c : 7 - c)(quiet.kind === "finite" ? quiet.subnormal ? 2 : 1 : classes[quiet.kind as "zero"]);
      assertEquals(
        [s.format.classify(a), s.format.isNaN(a), s.format.negate(a)],
        [1 << nth, isNaN(quiet), a ^ signBit(s)],
        `${name} ${hex(a)}`,
      );
      // Fused, with addends that cancel, are far away, or at half a unit.
      for (let n = 0; n < 6; n++) {
        const b = pick(all),
          y = decode(s, b, daz),
          np = below(2) === 1,
          na = below(2) === 1,
          near = s.format.mul(new FloatEnv(), a, b);
        const c = below(2) ? pick(all) : near ^ (below(3) ? signBit(s) : 0n) ^ BigInt(below(3)), z = decode(s, c, daz);
        if (s.explicit) continue;
        check(`fma ${np} ${na}`, s, make, [a, b, c], (env, f) => f.fma(env, a, b, c, np, na), (env) => {
          const p = isNaN(x) || isNaN(y) ? undefined : product(x, y),
            bad = p === undefined && !isNaN(x) && !isNaN(y),
            nan = nanOf(s, env, x, y, z);
          if (nan) return bad && policy === "riscv" ? withFlags(nan, NV) : nan;
          return bad ? invalid(s, env) : withDenormal(env, sum(s, env, negated(p!, np), negated(z, na)), x, y, z);
        });
      }
    }
    for (let n = 0; n < 400; n++) {
      const make = environment(s),
        value = BigInt.asIntN(
          pick([8, 24, 25, 53, 54, 64, 65]),
          (BigInt(random.bits()) << 40n | BigInt(random.bits()) << 20n) ^ pick([0n, 1n, -1n, p2(63), p2(52), p2(24)]),
        );
      const magnitude = value < 0n ? -value : value;
      check(
        "fromInt",
        s,
        make,
        [magnitude],
        (env, f) => f.fromInt(env, value),
        (env) => value === 0n ? plain(0n) : rounded(s, env, value < 0n, magnitude, 1n),
      );
      const exp = below(400) - 200, sign = value < 0n;
      if (magnitude > 0n) {
        check(
          `rounded ${exp}`,
          s,
          make,
          [magnitude],
          (env, f) => f.rounded(env, sign, exp, magnitude),
          (env) => rounded(s, env, sign, ...scaled(magnitude, exp)),
        );
      }
    }
  });
}

Deno.test("boxes: a register's upper bits are ones, or it holds the canonical NaN", () => {
  for (const { format: f } of SHAPES.slice(0, 3)) {
    const ones = (1n << 64n) - (1n << BigInt(f.bits));
    for (const a of [0n, 1n, f.infinity, f.signBit | 1n]) {
      assertEquals([f.box(a), f.unbox(f.box(a))], [a | ones, a]);
      for (const bit of f.bits === 64 ? [] : [f.bits, 40, 63]) assertEquals(f.unbox((a | ones) ^ 1n << BigInt(bit)), f.canonicalNaN);
    }
  }
  assert(f64.unbox(1n) === 1n);
});
