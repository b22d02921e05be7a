// The hash tells bytes apart by what they are, where they are, and how many; wherever in memory they begin.
import { assertEquals, assertMatch } from "@std/assert";
import { Hash } from "./hash.ts";

const hashOf = (...parts: Uint8Array[]) => {
  const hash = new Hash();
  for (const part of parts) hash.bytes(part);
  return hash.hex();
};

Deno.test("every change of a byte, of their order and of their number gives another hash; the place in memory does not", () => {
  const bytes = Uint8Array.from({ length: 75 }, (_, i) => i * 7), seen = new Set([hashOf(bytes)]);
  let tried = 1;
  const other = (...parts: Uint8Array[]) => (seen.add(hashOf(...parts)), tried++);
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [1, 0x10, 0x80]) other(bytes.with(at, bytes[at] ^ bit));
    other(bytes.subarray(0, at));
    if (at) other(bytes.subarray(0, at), bytes.subarray(at));
  }
  for (let at = 0; at + 8 < bytes.length; at += 4) {
    const swapped = bytes.slice();
    swapped.copyWithin(at, at + 4, at + 8);
    swapped.set(bytes.subarray(at, at + 4), at + 4);
    other(swapped);
  }
  assertEquals(seen.size, tried);
  for (const hash of seen) assertMatch(hash, /^[0-9a-f]{16}$/);
  for (const shift of [1, 2, 3, 4]) {
    const moved = new Uint8Array(bytes.length + shift);
    moved.set(bytes, shift);
    assertEquals(hashOf(moved.subarray(shift)), hashOf(bytes));
  }
});
