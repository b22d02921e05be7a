import { assertEquals } from "@std/assert";
import { conditionOf, KIND, readStatus, writeStatus } from "./flags.ts";
import { AF, CF, OF, PF, SF, ZF } from "./registers.ts";
import { CC_A, CC_B, CC_KIND, CC_RESULT } from "./slots.ts";

const buffer = new ArrayBuffer(0x2000), i32 = new Int32Array(buffer), view = new DataView(buffer);
let state = 3;
const random32 = () => (state = (Math.imul(state, 1664525) + 1013904223) | 0) >>> 0;
const EDGES = [0n, 1n, -1n, 0x7fn, 0x80n, 0x7fffn, 0x8000n, 0x7fff_ffffn, 0x8000_0000n, 1n << 63n, (1n << 63n) - 1n];
const operand = () => random32() & 1 ? EDGES[random32() % EDGES.length] : (BigInt(random32()) << 32n) | BigInt(random32());

/** The flags by their definition: `wide` is the exact sum or difference of unsigned operands, `exact` that of signed ones. */
function expected(bits: number, result: bigint, wide: bigint, exact: bigint, nibble: bigint): number {
  const low = Number(result & 0xffn);
  let ones = 0;
  for (let k = 0; k < 8; k++) ones += low >> k & 1;
  return (wide !== BigInt.asUintN(bits, wide) ? CF : 0) | (exact !== BigInt.asIntN(bits, exact) ? OF : 0) | (result === 0n ? ZF : 0) |
    (BigInt.asIntN(bits, result) < 0n ? SF : 0) | (ones % 2 ? 0 : PF) | (nibble !== 0n ? AF : 0);
}

function record(kind: number, log: number, result: bigint, a: bigint, b: bigint): number {
  view.setBigUint64(CC_RESULT, BigInt.asUintN(64, result), true);
  view.setBigUint64(CC_A, BigInt.asUintN(64, a), true);
  view.setBigUint64(CC_B, BigInt.asUintN(64, b), true);
  view.setInt32(CC_KIND, kind | log, true);
  return readStatus(i32);
}

Deno.test("additions and subtractions, with and without carry, of all sizes", () => {
  for (let n = 0; n < 20000; n++) {
    const log = n & 3, bits = 8 << log, u = (v: bigint) => BigInt.asUintN(bits, v), s = (v: bigint) => BigInt.asIntN(bits, v);
    const a = u(operand()), b = u(operand()), c = BigInt(random32() & 1);
    // The upper half of RESULT does not count for sizes up to 32 bits.
    const junk = log < 3 ? BigInt(random32()) << 32n : 0n;
    const sum = (carry: bigint) =>
      expected(bits, u(a + b + carry), a + b + carry, s(a) + s(b) + carry, (a & 15n) + (b & 15n) + carry >> 4n);
    const difference = (carry: bigint) =>
      expected(bits, u(a - b - carry), a - b - carry, s(a) - s(b) - carry, (a & 15n) - (b & 15n) - carry < 0n ? 1n : 0n);
    assertEquals(record(KIND.add, log, 0n, u(a + b), b), sum(0n), `${a} + ${b}, ${bits} bits`);
    assertEquals(record(KIND.sub, log, 0n, a, b), difference(0n), `${a} - ${b}, ${bits} bits`);
    for (const [r, flags] of [[u(a + b + c), sum(c)], [u(a - b - c), difference(c)]] as const) {
      const v = (a ^ b ^ r) & ~1n;
      assertEquals(record(KIND.carry, log, r | junk, v, v | BigInt(flags & CF)), flags, `${a}, ${b} with ${c}, ${bits} bits`);
    }
    // Increments and decrements: CF is still that of what was before.
    const up = expected(bits, u(a + 1n), 0n, s(a) + 1n, (a & 15n) + 1n >> 4n),
      down = expected(bits, u(a - 1n), 0n, s(a) - 1n, (a & 15n) === 0n ? 1n : 0n),
      before = [operand(), operand()].map((v) => BigInt.asUintN(64, v));
    const carry = before[0] < before[1] ? CF : 0;
    assertEquals(record(KIND.inc, log, u(a + 1n) | junk, before[0], before[1]), up | carry, `${a} + 1, ${bits} bits`);
    assertEquals(record(KIND.dec, log, u(a - 1n) | junk, before[0], before[1]), down | carry, `${a} - 1, ${bits} bits`);
    assertEquals(record(KIND.logic, log, 0n, a, 0n), expected(bits, a, 0n, 0n, 0n));
  }
});

Deno.test("an image is what was written, and conditions follow from it", () => {
  for (let flags = 0; flags < 64; flags++) {
    const image = [CF, PF, AF, ZF, SF, OF].reduce((f, bit, n) => f | (flags >> n & 1 ? bit : 0), 0);
    writeStatus(i32, image | ~0x8d5);
    assertEquals(readStatus(i32), image);
    const o = !!(image & OF), c = !!(image & CF), z = !!(image & ZF), s = !!(image & SF), p = !!(image & PF);
    [o, c, z, c || z, s, p, s !== o, z || s !== o].forEach((v, n) => {
      assertEquals(conditionOf(image, 2 * n), v ? 1 : 0);
      assertEquals(conditionOf(image, 2 * n + 1), v ? 0 : 1);
    });
  }
});
