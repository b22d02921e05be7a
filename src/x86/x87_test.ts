import { assertEquals } from "@std/assert";
import { FPU_CW, FPU_EMPTY, FPU_REG, FPU_SW, FPU_TOP } from "./slots.ts";
import { Bench, LONG } from "./testing/bench.ts";

/** A processor after fninit with these values on the x87 stack, the top first. */
function fresh(...stack: bigint[]): Bench {
  const b = new Bench();
  b.run("db e3", LONG, 0x1000, 1);
  stack.forEach((v, n) => {
    const r = 8 - stack.length + n;
    b.slots.setBigUint64(FPU_REG(r), BigInt.asUintN(64, v), true);
    b.slots.setUint16(FPU_REG(r) + 8, Number(v >> 64n), true);
    b.slots.setInt32(FPU_EMPTY, b.slots.getInt32(FPU_EMPTY, true) & ~(1 << r), true);
  });
  b.slots.setInt32(FPU_TOP, (8 - stack.length) & 7, true);
  return b;
}
function st(b: Bench, i: number): bigint {
  const at = FPU_REG((b.slots.getInt32(FPU_TOP, true) + i) & 7);
  return b.slots.getBigUint64(at, true) | BigInt(b.slots.getUint16(at + 8, true)) << 64n;
}
const status = (b: Bench) => b.slots.getInt32(FPU_SW, true);
const HALF = 0x3ffe_8000_0000_0000_0000n,
  ONE = 0x3fff_8000_0000_0000_0000n,
  TWO = 0x4000_8000_0000_0000_0000n,
  THREE = 0x4000_c000_0000_0000_0000n;
const QUARTER = 0x3ffd_8000_0000_0000_0000n, INDEFINITE = 0xffff_c000_0000_0000_0000n;

Deno.test("transcendental functions, square root and division give what a processor gives", () => {
  // deno-fmt-ignore
  const cases: readonly (readonly [string, readonly bigint[], bigint])[] = [
    ["d9 fe", [ONE], 0x3ffe_d76a_a478_4867_7021n],          // fsin
    ["d9 ff", [ONE], 0x3ffe_8a51_407d_a834_5c92n],          // fcos
    ["d9 f0", [HALF], 0x3ffd_d413_cccf_e779_9211n],         // f2xm1
    ["d9 f1", [THREE, ONE], 0x3fff_cae0_0d1c_fdeb_43d0n],   // fyl2x
    ["d9 f9", [QUARTER, ONE], 0x3ffd_a4d3_c25e_68dc_57f2n], // fyl2xp1
    ["d9 f3", [TWO, ONE], 0x3ffd_ed63_382b_0dda_7b45n],     // fpatan
    ["d9 fa", [TWO], 0x3fff_b504_f333_f9de_6484n],          // fsqrt
    ["d8 f1", [ONE, THREE], 0x3ffd_aaaa_aaaa_aaaa_aaabn],   // fdiv st, st(1)
  ];
  for (const [hex, stack, want] of cases) {
    const b = fresh(...stack);
    b.run(hex, LONG, 0x1000, 1);
    assertEquals(st(b, 0).toString(16), want.toString(16), hex);
    assertEquals(status(b) & 0x3f, 0x20, hex); // PE alone
  }
  const b = fresh(HALF);
  b.run("d9 f2", LONG, 0x1000, 1); // fptan
  assertEquals([st(b, 0), st(b, 1)], [ONE, 0x3ffe_8bda_7adf_9a3a_5219n]);
});

const ZERO = 0n,
  SIGN = 1n << 79n,
  INFINITY = 0x7fff_8000_0000_0000_0000n,
  QNAN = 0x7fff_c000_0000_0000_1234n,
  LEAST = 1n,
  TINY = 0x3fff_0000_0000_0000_0001n;
const minus = (v: bigint) => v | SIGN;
/** Exceptions of the status word, stack fault, and condition codes. */
const IE = 0x01, DE = 0x02, ZE = 0x04, OE = 0x08, PE = 0x20, SF = 0x40, C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000;

Deno.test("the tables of the manual for zeros, infinities, NaNs, subnormal numbers and empty registers", () => {
  // Instruction; ST(0), ST(1) before; ST(0), perhaps ST(1) behind it; exceptions, and condition codes where they say something.
  // deno-fmt-ignore
  const cases: readonly (readonly [string, readonly bigint[], readonly bigint[], number, number?])[] = [
    // FSCALE; all of these are in SDM volume 2A, with the instruction.
    ["d9 fd", [ZERO, INFINITY], [INDEFINITE], IE],
    ["d9 fd", [minus(ZERO), minus(INFINITY)], [minus(ZERO)], 0],
    ["d9 fd", [INFINITY, minus(INFINITY)], [INDEFINITE], IE],
    ["d9 fd", [minus(INFINITY), INFINITY], [minus(INFINITY)], 0],
    ["d9 fd", [minus(ONE), INFINITY], [minus(INFINITY)], 0],
    ["d9 fd", [THREE, minus(INFINITY)], [ZERO], 0],
    ["d9 fd", [INFINITY, THREE], [INFINITY], 0],
    ["d9 fd", [minus(ZERO), THREE], [minus(ZERO)], 0],
    ["d9 fd", [THREE, QUARTER], [THREE], 0],
    ["d9 fd", [ONE, minus(TWO)], [QUARTER], 0],
    ["d9 fd", [ONE, 0x4030_8000_0000_0000_0000n], [INFINITY], OE | PE],
    ["d9 fd", [LEAST, ONE], [2n], DE],
    ["d9 fd", [ONE, QNAN], [QNAN], 0],
    // FXTRACT: the significand on top of the exponent.
    ["d9 f4", [minus(INFINITY)], [minus(INFINITY), INFINITY], 0],
    ["d9 f4", [minus(ZERO)], [minus(ZERO), minus(INFINITY)], ZE],
    ["d9 f4", [THREE], [0x3fff_c000_0000_0000_0000n, ONE], 0],
    ["d9 f4", [QUARTER], [ONE, minus(TWO)], 0],
    ["d9 f4", [LEAST], [ONE, 0xc00d_807a_0000_0000_0000n], DE],
    ["d9 f4", [QNAN], [QNAN, QNAN], 0],
    ["d9 f4", [], [INDEFINITE, INDEFINITE], IE | SF],
    // FYL2X: ST(1) * log2 ST(0).
    ["d9 f1", [minus(ONE), ONE], [INDEFINITE], IE],
    ["d9 f1", [ZERO, ONE], [minus(INFINITY)], ZE],
    ["d9 f1", [ZERO, ZERO], [INDEFINITE], IE],
    ["d9 f1", [minus(ZERO), minus(INFINITY)], [INFINITY], 0],
    ["d9 f1", [ONE, INFINITY], [INDEFINITE], IE],
    ["d9 f1", [ONE, minus(THREE)], [minus(ZERO)], 0],
    ["d9 f1", [INFINITY, ZERO], [INDEFINITE], IE],
    ["d9 f1", [INFINITY, minus(ONE)], [minus(INFINITY)], 0],
    ["d9 f1", [HALF, INFINITY], [minus(INFINITY)], 0],
    ["d9 f1", [TWO, minus(INFINITY)], [minus(INFINITY)], 0],
    ["d9 f1", [HALF, ZERO], [minus(ZERO)], 0],
    ["d9 f1", [TWO, minus(ZERO)], [minus(ZERO)], 0],
    ["d9 f1", [QNAN, ONE], [QNAN], 0],
    ["d9 f1", [TINY, ONE], [INDEFINITE], IE],
    // FYL2XP1.
    ["d9 f9", [ZERO, INFINITY], [INDEFINITE], IE],
    ["d9 f9", [minus(ZERO), THREE], [minus(ZERO)], 0],
    ["d9 f9", [ZERO, minus(THREE)], [minus(ZERO)], 0],
    ["d9 f9", [QUARTER, minus(INFINITY)], [minus(INFINITY)], 0],
    ["d9 f9", [minus(QUARTER), INFINITY], [minus(INFINITY)], 0],
    ["d9 f9", [minus(QUARTER), ZERO], [minus(ZERO)], 0],
    // FPATAN: ST(1) / ST(0).
    ["d9 f3", [ONE, minus(ZERO)], [minus(ZERO)], 0],
    ["d9 f3", [INFINITY, ONE], [ZERO], 0],
    ["d9 f3", [minus(ONE), minus(ZERO)], [0xc000_c90f_daa2_2168_c235n], PE],
    // Angles: out of range they stay, and C2 says so.
    ["d9 fe", [INFINITY], [INDEFINITE], IE, 0],
    ["d9 fe", [0x403e_8000_0000_0000_0000n], [0x403e_8000_0000_0000_0000n], 0, C2],
    ["d9 ff", [minus(ZERO)], [ONE], 0, 0],
    ["d9 fb", [QNAN], [QNAN, QNAN], 0, 0],
    ["d9 fb", [ZERO], [ONE, ZERO], 0, 0],
    ["d9 f2", [], [INDEFINITE, INDEFINITE], IE | SF, 0],
    // FXAM.
    ["d9 e5", [ZERO], [ZERO], 0, C3],
    ["d9 e5", [minus(ZERO)], [minus(ZERO)], 0, C3 | C1],
    ["d9 e5", [INFINITY], [INFINITY], 0, C2 | C0],
    ["d9 e5", [minus(QNAN)], [minus(QNAN)], 0, C0 | C1],
    ["d9 e5", [ONE], [ONE], 0, C2],
    ["d9 e5", [LEAST], [LEAST], 0, C3 | C2],
    ["d9 e5", [TINY], [TINY], 0, 0],
    ["d9 e5", [], [], 0, C3 | C0],
    // FTST.
    ["d9 e4", [ONE], [ONE], 0, 0],
    ["d9 e4", [minus(ONE)], [minus(ONE)], 0, C0],
    ["d9 e4", [minus(ZERO)], [minus(ZERO)], 0, C3],
    ["d9 e4", [QNAN], [QNAN], IE, C3 | C2 | C0],
    ["d9 e4", [LEAST], [LEAST], DE, 0],
  ];
  for (const [hex, stack, want, exceptions, conditions] of cases) {
    const b = fresh(...stack), what = `${hex} ${stack.map((v) => v.toString(16))}`;
    b.run(hex, LONG, 0x1000, 1);
    assertEquals(want.map((_, i) => st(b, i).toString(16)), want.map((v) => v.toString(16)), what);
    assertEquals((status(b) & 0x7f).toString(16), exceptions.toString(16), what);
    if (conditions !== undefined) assertEquals((status(b) & 0x4700).toString(16), conditions.toString(16), what);
  }
});

Deno.test("precision and rounding control, and C1", () => {
  const b = fresh(ONE, THREE);
  b.slots.setInt32(FPU_CW, 0x087f, true); // 24 bits, upwards
  b.run("d8 f1", LONG, 0x1000, 1);
  assertEquals(st(b, 0), 0x3ffd_aaaa_ab00_0000_0000n);
  assertEquals(status(b) & 0x200, 0x200);
});

Deno.test("stack faults, invalid operations and divisions by zero, masked and not", () => {
  let b = fresh();
  b.run("d8 c1", LONG, 0x1000, 1); // fadd st, st(1), both empty
  assertEquals([st(b, 0), status(b)], [INDEFINITE, 0x41]);
  b = fresh(ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE);
  b.run("d9 e8", LONG, 0x1000, 1); // fld1 on a full stack
  assertEquals([st(b, 0), status(b)], [INDEFINITE, 0x241]);
  b = fresh(ONE, 0n);
  b.run("d8 f1", LONG, 0x1000, 1); // fdiv by zero
  assertEquals([st(b, 0), status(b)], [0x7fff_8000_0000_0000_0000n, 4]);
  // Unmasked, nothing changes but the status, and the next waiting instruction asks for the exception.
  b = fresh(ONE, 0n);
  b.slots.setInt32(FPU_CW, 0x37b, true);
  b.run("de f9", LONG, 0x1000, 1); // fdivp st(1), st: 0 / 1 is fine
  assertEquals(status(b), 0);
  b = fresh(0n, ONE);
  b.slots.setInt32(FPU_CW, 0x37b, true);
  b.run("de f9", LONG, 0x1000, 1); // 1 / 0
  assertEquals([st(b, 0), st(b, 1), status(b)], [0n, ONE, 0x8084]);
  assertEquals(b.run("9b", LONG, 0x1000, 1).kind, "fault"); // fwait
  assertEquals(b.calls.at(-1)!.split(" ")[0], "fpuError");
  assertEquals(b.run("db e2", LONG, 0x1000, 1).kind, "next"); // fnclex does not wait
  assertEquals(b.run("9b", LONG, 0x1000, 1).kind, "next");
});

Deno.test("unmasked overflow and underflow: registers get the result with a moved exponent, memory gets nothing", () => {
  const huge = 0x7ffe_8000_0000_0000_0000n, tiny = 0x0001_8000_0000_0000_0000n;
  const cases: readonly (readonly [string, readonly bigint[], bigint, number])[] = [
    ["d8 c9", [huge, THREE], 0x1fff_c000_0000_0000_0000n, 0x8088], // fmul st, st(1): exponent - 24576
    ["d8 c9", [tiny, QUARTER], 0x5fff_8000_0000_0000_0000n, 0x8090], // + 24576, though the result is exact
    ["d9 fd", [huge, 0x400e_8000_0000_0000_0000n], 0x7fff_8000_0000_0000_0000n, 0x82a8], // fscale by far too much
    ["d9 f0", [tiny], 0x6000_b172_17f7_d1cf_79acn, 0x82b0], // f2xm1: x * ln 2
  ];
  for (const [hex, stack, want, sw] of cases) {
    const b = fresh(...stack);
    b.slots.setInt32(FPU_CW, 0x367, true); // overflow and underflow unmasked
    b.run(hex, LONG, 0x1000, 1);
    assertEquals([st(b, 0).toString(16), status(b).toString(16)], [want.toString(16), sw.toString(16)], hex);
  }
  const b = fresh(huge);
  b.slots.setInt32(FPU_CW, 0x367, true);
  b.reg(3, 0x9000n);
  b.map(0x9000, [1, 2, 3, 4]);
  b.run("d9 1b", LONG, 0x1000, 1); // fstp m32
  assertEquals([[...b.memory.values()], st(b, 0), status(b)], [[1, 2, 3, 4], huge, 0x8088]);
});

Deno.test("a store that faults pops nothing", () => {
  const b = fresh(THREE);
  b.reg(3, 0x9000n);
  for (const hex of ["d9 1b", "dd 1b", "db 3b", "df 33", "df 3b"]) { // fstp m32, m64, m80, fbstp, fistp m64
    assertEquals(b.run(hex, LONG, 0x1000, 1).kind, "fault", hex);
    assertEquals([b.slots.getInt32(FPU_TOP, true), st(b, 0)], [7, THREE], hex);
  }
  b.map(0x9000, new Array(10).fill(0xaa));
  b.run("df 33", LONG, 0x1000, 1); // fbstp
  assertEquals([...b.memory.values()], [3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals(b.slots.getInt32(FPU_TOP, true), 0);
});
