import { assert, assertEquals } from "@std/assert";
import { f32, f64, FloatEnv, type FloatFormat } from "../ir/softfloat.ts";
import { QUICK32, QUICK64 } from "./quick_float.ts";

let state = 3;
function random32(): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 8) >>> 0;
}
const scratch = new DataView(new ArrayBuffer(8));
/** Numbers that often give exact results, edges, and anything. */
function number(wide: boolean): number {
  const n = random32() % 2048 - 1024;
  switch (random32() % 6) {
    case 0:
      return n;
    case 1:
      return n * 2 ** (random32() % 200 - 100);
    case 2:
      return [0, -0, Infinity, -Infinity, NaN, 2 ** -1074, 2 ** -149, 2 ** 1023, 2 ** 127, 1][random32() % 10];
    case 3:
      scratch.setInt32(0, random32() << 8);
      scratch.setInt32(4, random32() << 8);
      return wide ? scratch.getFloat64(0) : scratch.getFloat32(0);
    default:
      return n / 8;
  }
}
function bits(t: FloatFormat, v: number): bigint {
  if (t === f64) {
    scratch.setFloat64(0, v);
    return scratch.getBigUint64(0);
  }
  scratch.setFloat32(0, v);
  return BigInt(scratch.getUint32(0));
}
const SLOW: Readonly<Record<string, (t: FloatFormat, env: FloatEnv, a: bigint, b: bigint, c: bigint) => bigint>> = {
  fadd: (t, env, a, b) => t.add(env, a, b),
  fsub: (t, env, a, b) => t.sub(env, a, b),
  fmul: (t, env, a, b) => t.mul(env, a, b),
  fdiv: (t, env, a, b) => t.div(env, a, b),
  fsqrt: (t, env, a) => t.sqrt(env, a),
  fmadd: (t, env, a, b, c) => t.fma(env, a, b, c),
  fmsub: (t, env, a, b, c) => t.fma(env, a, b, c, false, true),
  fnmsub: (t, env, a, b, c) => t.fma(env, a, b, c, true, false),
  fnmadd: (t, env, a, b, c) => t.fma(env, a, b, c, true, true),
};

for (const [t, quick] of [[f32, QUICK32], [f64, QUICK64]] as const) {
  Deno.test(`what is quickly found exact in binary${t.bits} is: same bits, no flags`, () => {
    for (const [name, f] of Object.entries(quick)) {
      let found = 0;
      for (let n = 0; n < 4000; n++) {
        const [x, y, z] = [0, 1, 2].map(() => t === f64 ? number(true) : Math.fround(number(false))), r = f(x, y, z);
        if (Number.isNaN(r)) continue;
        found++;
        const env = new FloatEnv("riscv"), slow = SLOW[name](t, env, bits(t, x), bits(t, y), bits(t, z));
        assertEquals([bits(t, r), env.flags], [slow, 0], `${name} ${x} ${y} ${z}`);
      }
      assert(found > 150, `${name}: ${found}`);
    }
  });
}
