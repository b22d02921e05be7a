import { assertEquals } from "@std/assert";
import { readStatus } from "./flags.ts";
import { CF, PF, ZF } from "./registers.ts";
import { GPR, MODE_SSE_FAST, MXCSR, XMM } from "./slots.ts";
import { Bench, LONG } from "./testing/bench.ts";

const u64 = new BigUint64Array(1), f64 = new Float64Array(u64.buffer);
const double = (x: number) => (f64[0] = x, u64[0]);

/** Runs one instruction on xmm0 and xmm1 (low, high); what xmm0 and MXCSR then are. */
function run(hex: string, a: readonly [bigint, bigint], b: readonly [bigint, bigint], mxcsr = 0x1f80, mode = LONG) {
  const m = new Bench();
  [a, b].forEach(([lo, hi], n) => {
    m.slots.setBigUint64(XMM(n), lo, true);
    m.slots.setBigUint64(XMM(n) + 8, hi, true);
  });
  m.slots.setInt32(MXCSR, mxcsr, true);
  const exit = m.run(hex, mode, 0x1000, 1);
  return {
    m,
    kind: exit.kind,
    low: m.slots.getBigUint64(XMM(0), true),
    high: m.slots.getBigUint64(XMM(0) + 8, true),
    mxcsr: m.slots.getInt32(MXCSR, true),
  };
}

Deno.test("scalar arithmetic: the same bits and flags on the fast way and on the exact one", () => {
  const numbers = [0, -0, 1, -1, 0.1, 3, 1e308, -1e308, 5e-324, 2 ** -1022, Infinity, -Infinity, NaN, 1e-200, 2 ** 53];
  const opcodes = [
    "f2 0f 58 c1",
    "f2 0f 5c c1",
    "f2 0f 59 c1",
    "f2 0f 5e c1",
    "f2 0f 51 c1",
    "f2 0f 5d c1",
    "f2 0f 5f c1",
    "f2 0f 5a c1",
    "66 0f 2f c1",
  ];
  for (const hex of opcodes) {
    for (const x of numbers) {
      for (const y of numbers) {
        const slow = run(hex, [double(x), 7n], [double(y), 8n], 0x1fa0),
          fast = run(hex, [double(x), 7n], [double(y), 8n], 0x1fa0, LONG | MODE_SSE_FAST);
        assertEquals(
          [fast.low, fast.high, fast.mxcsr, readStatus(fast.m.i32)],
          [slow.low, 7n, slow.mxcsr, readStatus(slow.m.i32)],
          `${hex} ${x} ${y}`,
        );
      }
    }
  }
  assertEquals(run("f2 0f 58 c1", [double(0.1), 0n], [double(0.2), 0n]).low, double(0.1 + 0.2));
});

Deno.test("MXCSR: rounding, flushing, flags, and unmasked exceptions that leave the register alone", () => {
  const third = (mxcsr: number) => run("f2 0f 5e c1", [double(1), 0n], [double(3), 0n], mxcsr);
  assertEquals([0x1f80, 0x3f80, 0x5f80, 0x7f80].map((m) => third(m).low & 0xfn), [5n, 5n, 6n, 5n]);
  assertEquals(third(0x1f80).mxcsr, 0x1fa0);
  assertEquals(run("f2 0f 59 c1", [double(1e-200), 0n], [double(1e-200), 0n], 0x9f80).mxcsr, 0x9fb0); // UE and PE
  const trap = run("f2 0f 5e c1", [double(1), 0n], [double(0), 0n], 0x1d80); // division by zero unmasked
  assertEquals([trap.kind, trap.low, trap.mxcsr, trap.m.faults], ["fault", double(1), 0x1d84, [19]]);
});

Deno.test("comparisons set the flags as unsigned ones would, or all three", () => {
  const flags = (x: number, y: number) => readStatus(run("66 0f 2e c1", [double(x), 0n], [double(y), 0n]).m.i32);
  assertEquals([flags(1, 2), flags(2, 1), flags(1, 1), flags(1, NaN)], [CF, 0, ZF, ZF | PF | CF]);
});

Deno.test("packed integers, shuffles and string comparisons", () => {
  const a = [0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n] as const, b = [0xffff_ffff_8000_7fffn, 0x0101_0101_0101_0101n] as const;
  // deno-fmt-ignore
  const cases: readonly (readonly [string, bigint, bigint])[] = [
    ["66 0f fc c1", 0x0605_0403_8302_80ffn, 0x100f_0e0d_0c0b_0a09n],    // paddb
    ["66 0f ed c1", 0x0705_0503_8302_7fffn, 0x100f_0e0d_0c0b_0a09n],    // paddsw
    ["66 0f 60 c1", 0x8003_0002_7f01_ff00n, 0xff07_ff06_ff05_ff04n],    // punpcklbw
    ["66 0f 70 c1 1b", 0x0101_0101_0101_0101n, 0x8000_7fff_ffff_ffffn], // pshufd
    ["66 0f 38 00 c1", 0x0000_0000_0000_0f00n, 0x0101_0101_0101_0101n], // pshufb
    ["66 0f ef c1", 0xf8f9_fafb_8302_7effn, 0x0e0f_0c0d_0a0b_0809n],    // pxor
    ["66 0f 3a 0f c1 04", 0x0101_0101_ffff_ffffn, 0x0302_0100_0101_0101n], // palignr
  ];
  for (const [hex, low, high] of cases) {
    const r = run(hex, a, b);
    assertEquals([r.low.toString(16), r.high.toString(16)], [low.toString(16), high.toString(16)], hex);
  }
  // pcmpistri, equal ordered: where "lo" is in "hello".
  const text = (s: string) => [...s].reduce((v, c, n) => v | BigInt(c.charCodeAt(0)) << BigInt(8 * n), 0n);
  const found = run("66 0f 3a 63 c1 0c", [text("lo"), 0n], [text("hello"), 0n]);
  assertEquals(found.m.slots.getBigUint64(GPR(1), true), 3n);
});
