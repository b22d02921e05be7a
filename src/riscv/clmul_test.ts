import { assertEquals } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { CONTINUE } from "../ir/frontend.ts";
import { ARG, RESULT } from "../ir/layout.ts";
import { clmulHelpers } from "./clmul.ts";

/** The product bit by bit, as 28.4.9 of the manual writes it. */
function model(x: bigint, y: bigint): bigint {
  let product = 0n;
  for (let i = 0n; i < 64n; i++) if (y >> i & 1n) product ^= x << i;
  return product;
}

Deno.test("carry-less products: low half, high half, and reversed, of edges and of random numbers", () => {
  const bytes = new ArrayBuffer(1 << 16), view = new DataView(bytes), helpers = clmulHelpers({ i32: new Int32Array(bytes) });
  const random = new Random(3);
  const edges = [0n, 1n, 2n, 1n << 31n, 1n << 32n, 0xffff_ffffn, 1n << 63n, (1n << 64n) - 1n];
  const pairs = [
    ...edges.flatMap((x) => edges.map((y) => [x, y])),
    ...Array.from({ length: 200 }, () => [random.integer(), random.bits64()]),
  ];
  for (const [x, y] of pairs) {
    const product = model(x, y), want: Record<string, bigint> = { clmul: product, clmulh: product >> 64n, clmulr: product >> 63n };
    for (const { name, run } of helpers) {
      view.setBigUint64(ARG, x, true);
      view.setBigUint64(ARG + 8, y, true);
      assertEquals([run(), view.getBigUint64(RESULT, true)], [CONTINUE, BigInt.asUintN(64, want[name])], `${name} ${x} ${y}`);
    }
  }
  assertEquals(helpers.map((h) => h.name), ["clmul", "clmulh", "clmulr"]);
});
