import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Spaces } from "./spaces.ts";

const numbers = (s: Spaces) => [s.system, s.user];

Deno.test("a space has its numbers until an entry changes that its own fetches went by; user and supervisor have their own", () => {
  const s = new Spaces(4, 1);
  s.enter(0x1000, 0);
  const one = numbers(s);
  s.fetched(5, false);
  s.fetched(6, true);
  s.fetched(7, false);
  s.fetched(7, true);
  assertEquals(s.changed(4), false);
  s.enter(0x2000, 0);
  assertEquals(new Set([...one, ...numbers(s)]).size, 4);
  s.enter(0x1000, 0);
  assertEquals(numbers(s), one);
  assertEquals(s.changed(6), true);
  assertEquals([s.system === one[0], s.user === one[1]], [true, false]);
  const two = numbers(s);
  assertEquals(s.changed(6), false); // nothing under the new number came from it
  assertEquals(s.changed(7), true); // ... for the user neither, but for the supervisor
  assertEquals([s.system === two[0], s.user === two[1]], [false, true]);
  assertEquals(s.changed(5), false);
});

Deno.test("an absent space loses its numbers, too; so do all that are forgotten or were entered with other values", () => {
  const s = new Spaces(4, 1);
  s.enter(0x1000, 1);
  const one = numbers(s);
  s.fetched(5, false);
  s.enter(0x1000, 2);
  assertEquals(s.changed(5), false);
  s.enter(0x1000, 1);
  assertNotEquals(s.system, one[0]);
  const two = numbers(s);
  s.forget();
  assert(s.enter(0x1000, 1));
  assertNotEquals(numbers(s), two);
  s.enter(0x3000, 0, Int32Array.of(1, 2));
  const three = numbers(s);
  assertEquals(s.enter(0x3000, 0, Int32Array.of(1, 2)), false);
  assertEquals(numbers(s), three);
  assert(s.enter(0x3000, 0, Int32Array.of(1, 3)));
  assertNotEquals(numbers(s), three);
});

Deno.test("a space that went by more entries than are remembered loses its numbers with any", () => {
  const s = new Spaces(2, 1);
  s.enter(0x1000, 0);
  for (let n = 0; n < 256; n++) s.fetched(n, false);
  assertEquals(s.changed(1000), false);
  s.fetched(256, false);
  assertEquals(s.changed(1000), false); // no code was ever fetched by that one
  assertEquals(s.changed(256), true);
});

Deno.test("the oldest place goes to a new space; numbers start again at their end", () => {
  const s = new Spaces(2, 1, 9);
  s.enter(1, 0);
  s.enter(2, 0);
  assert(s.enter(3, 0));
  assertEquals(s.index, 0);
  assertEquals(s.enter(2, 0), false);
  assert(s.enter(1, 0));
  s.enter(4, 0);
  assertEquals(numbers(s), [1, 2]);
});
