// Packed data: what comes back, that the same gives the same, and bytes that are none.
import { assertEquals, assertThrows } from "@std/assert";
import { BadPack, pack, unpack } from "./pack.ts";

const VALUES: readonly unknown[] = [
  undefined,
  null,
  false,
  true,
  ...[0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER, -1, -0, 0.5, 2 ** 53, 1e300, Infinity, -Infinity, NaN],
  ...[0n, 1n, -1n, 2n ** 64n - 1n, -(2n ** 80n)],
  ...["", "abc", "谁家 é \u0000", "x".repeat(300)],
  [],
  [1, [2, ["three"]], undefined],
  {},
  { a: 1, "": { b: [] }, constructor: "x" },
  new Map<unknown, unknown>([[1, [2, 3]], ["a", new Map()]]),
  new Set([1, "x"]),
  ...[Uint8Array, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float64Array].map((Type) => Type.of(1, 2, 250)),
  BigUint64Array.of(2n ** 63n),
  BigInt64Array.of(-1n),
  new Uint8Array(0),
  new Uint8Array(200_000).fill(7),
];

Deno.test("every kind of plain data comes back as it was, alone and together, and has bytes of its own", () => {
  for (const value of [...VALUES, VALUES]) {
    const back = unpack(pack(value));
    assertEquals(back, value);
    assertEquals(pack(back), pack(value));
  }
  const odd = new Uint8Array(pack([3, Float64Array.of(1.5)]).length + 1);
  odd.set(pack([3, Float64Array.of(1.5)]), 1);
  assertEquals(unpack(odd.subarray(1)), [3, Float64Array.of(1.5)]);
});

Deno.test("what is no plain data is refused", () => {
  for (
    const value of [() => 0, Symbol(), new Date(), new Error(), new (class A {})(), new DataView(new ArrayBuffer(1)), new Float32Array(1)]
  ) {
    assertThrows(() => pack([value]), TypeError, "no plain data");
  }
});

Deno.test("bytes that are cut, changed or made up are one error or other data: nothing else, and nothing large", () => {
  const bytes = pack(VALUES), text = (s: string) => new TextEncoder().encode(s);
  for (let n = 0; n < 500; n++) assertThrows(() => unpack(bytes.subarray(0, n)), BadPack);
  assertThrows(() => unpack(Uint8Array.of(...pack(5), 0)), BadPack, "behind the end");
  let other = 0;
  for (let n = 0; n < 600; n++) {
    for (const change of [1, 0x80, 0xff]) {
      const changed = bytes.with(n, bytes[n] ^ change);
      try {
        unpack(changed);
        other++;
      } catch (e) {
        assertEquals((e as Error).name, "BadPack", `${n} ${change}`);
      }
    }
  }
  assertEquals(other > 100, true);
  const many = [0xff, 0xff, 0xff, 0xff, 0x7f];
  const bad: [string, readonly number[]][] = [
    ["too early", [8, ...many]],
    ["too early", [9, ...many]],
    ["too early", [10, ...many]],
    ["too early", [11, ...many]],
    ["too early", [12, 0, ...many]],
    ["too early", [7, ...many]],
    ["too large", [4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["nested too deeply", Array(5000).fill(8).flatMap((b) => [b, 1])],
    ["too many values", [8, 0xe0, 0x91, 0x43, ...new Uint8Array(1_100_000)]],
    ["no value begins with 13", [13]],
    ["no such kind", [12, 9, 0]],
    ["within an element", [12, 5, 3, 0, 0, 0]],
    ["not UTF-8", [7, 1, 0xff]],
    ["odd digits", [6, 2, ...text("0x")]],
    ["no place for '__proto__'", [9, 1, 9, ...text("__proto__"), 0]],
    ["no place for 'a'", [9, 2, 1, ...text("a"), 0, 1, ...text("a"), 0]],
  ];
  for (const [message, b] of bad) assertThrows(() => unpack(Uint8Array.from(b)), BadPack, message);
});
