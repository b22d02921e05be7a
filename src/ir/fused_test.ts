import { assert, assertEquals } from "@std/assert";
import { Builder, type Val } from "./builder.ts";
import { evaluate } from "./evaluate.ts";
import { type Fused, fused32, fused64 } from "./fused.ts";
import { GUEST } from "./layout.ts";
import { f32, f64, FloatEnv, type FloatFormat, NX } from "./softfloat.ts";
import { Random } from "../../tests/fuzz/random.ts";

const rng = new Random(7);
const below = (n: number) => rng.bits() % n;

/** A number: `spread` exponents around 1, or any; now and then an edge. */
function number(t: FloatFormat, spread: number): bigint {
  const fraction = t.precision - 1, top = 2 ** (t.bits - t.precision) - 1, bias = top >> 1;
  const any = [below(top + 1), 0, 1, top, bias][below(5)], exponent = spread > 500 ? any : bias + below(spread) - (spread >> 1);
  const bits = BigInt.asUintN(
    fraction,
    [(BigInt(rng.bits()) << 32n) | BigInt(rng.bits()), 0n, 1n, -1n, 1n << BigInt(below(fraction))][below(5)],
  );
  return (BigInt(below(2)) << BigInt(t.bits - 1)) | (BigInt(exponent) << BigInt(fraction)) | bits;
}

/** Addends that make the last rounding hard: near the negated product, or so large or small that the rest is close to half a unit. */
function addend(t: FloatFormat, x: bigint, y: bigint): bigint {
  const env = new FloatEnv("riscv"), product = t.mul(env, x, y), one = BigInt(t.precision - 1);
  if (below(3) === 0) return number(t, 1000);
  const near = BigInt.asUintN(t.bits, (below(2) ? t.negate(product) : product) + BigInt(below(5) - 2));
  const shift = [0n, 1n, one - 1n, one, one + 1n, one + 2n, 2n * one, 2n * one + 3n][below(8)] << one;
  return BigInt.asUintN(t.bits, below(2) ? near + shift : near - shift);
}

function check(t: FloatFormat, fused: (b: Builder, x: Val, y: Val, z: Val) => Fused, cases: number): number {
  const long = t.bits === 64, b = new Builder(), slots = new DataView(new ArrayBuffer(0x1_0000));
  const put = (slot: number, v: bigint) => slots.setBigUint64(slot, v, true), get = (slot: number) => long ? b.getL(slot) : b.getI(slot);
  b.reset(0, 0);
  b.insn(0, 0, 0);
  const { value, ok } = fused(b, get(GUEST), get(GUEST + 8), get(GUEST + 16));
  b.set(GUEST + 24, value);
  b.set(GUEST + 32, ok);
  b.jump(4);
  let fast = 0;
  for (let n = 0; n < cases; n++) {
    const spread = below(4) ? 20 : 1000, x = number(t, spread), y = number(t, spread), z = addend(t, x, y);
    [x, y, z].forEach((v, i) => put(GUEST + 8 * i, v));
    put(GUEST + 24, 0n);
    evaluate(b, { slots, helpers: [], load: () => undefined, store: () => false });
    if (slots.getUint32(GUEST + 32, true) === 0) continue;
    fast++;
    const env = new FloatEnv("riscv"), expected = t.fma(env, x, y, z), what = [x, y, z].map((v) => v.toString(16)).join(" ");
    assertEquals(slots.getBigUint64(GUEST + 24, true).toString(16), expected.toString(16), what);
    assertEquals(env.flags & ~NX, 0, what);
  }
  return fast / cases;
}

Deno.test("a fused binary32 that says it is right equals the exact one, and raises no flag but NX", () => {
  assert(check(f32, fused32, 10_000) > 0.6);
});

Deno.test("a fused binary64 that says it is right equals the exact one, and raises no flag but NX", () => {
  assert(check(f64, fused64, 10_000) > 0.6);
});
