import { assertEquals, assertNotEquals } from "@std/assert";
import type { Paging } from "./paging.ts";
import { Spaces } from "./spaces.ts";

/** Two levels of paging whose last walk went by the words 5 and 9. */
function setUp() {
  const i32 = new Int32Array(16), entryIndex = Int32Array.of(5, 9, 0, 0, 0), entryLo = new Int32Array(5), entryHi = new Int32Array(5);
  const paging = { leaf: 0, levels: 2, entryIndex, entryLo, entryHi } as unknown as Paging, spaces = new Spaces(i32, paging);
  const fetch = () => {
    for (const level of [0, 1]) entryLo[level] = i32[entryIndex[level]];
    spaces.fetched();
  };
  const enter = (cr3: number, keep = false) => {
    spaces.enter(cr3, 0, keep);
    return spaces.id;
  };
  return { i32, spaces, fetch, enter };
}

Deno.test("a space entered again is the same one while the entries that code was fetched by are what they were", () => {
  const { i32, spaces, fetch, enter } = setUp();
  i32.set([0x1003], 5);
  i32.set([0x2003], 9);
  const first = enter(0x1000);
  fetch();
  assertNotEquals(enter(0x3000), first);
  assertEquals(enter(0x1000), first);
  i32[3] = 1;
  assertEquals(enter(0x1000), first, "another word");
  i32[5] = 0x1007;
  const changed = enter(0x1000);
  assertNotEquals(changed, first);
  fetch();
  i32[9] = 0;
  assertEquals(enter(0x1000, true), changed, "its translations are kept");
  i32[9] = 0x2003;
  spaces.forget();
  assertNotEquals(enter(0x1000), changed, "forgotten");
});

Deno.test("a space with more entries than are remembered is a new one each time", () => {
  const { i32, fetch, enter } = setUp(), first = enter(0x1000);
  for (let n = 0; n < 300; n++) {
    i32[5] = n;
    fetch();
  }
  assertNotEquals(enter(0x1000), first);
});
