import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { limitsOf } from "./limits.ts";
import { Spaces } from "./spaces.ts";
import { Random } from "../../tests/fuzz/random.ts";

const numbers = (s: Spaces) => [s.system, s.user];
const spacesOf = (spaces: number, more = {}, contextsAgain = () => {}) =>
  new Spaces({ limits: limitsOf({ spaces, ...more }), contextsAgain });

Deno.test("a space has its numbers until an entry changes that its own fetches went by; user and supervisor have their own", () => {
  const s = spacesOf(4);
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
  const s = spacesOf(4);
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
  const s = spacesOf(2);
  s.enter(0x1000, 0);
  for (let n = 0; n < 256; n++) s.fetched(n, false);
  assertEquals(s.changed(1000), false);
  s.fetched(256, false);
  assertEquals(s.changed(1000), false); // no code was ever fetched by that one
  assertEquals(s.changed(256), true);
});

Deno.test("the oldest place goes to a new space", () => {
  const s = spacesOf(2);
  s.enter(1, 0);
  s.fetched(5, false);
  s.enter(2, 0);
  assert(s.enter(3, 0));
  assertEquals(s.index, 0);
  // What the old one's fetches went by is none of its business.
  const three = numbers(s);
  assertEquals([s.changed(5), numbers(s)], [false, three]);
  assertEquals(s.enter(2, 0), false);
  assert(s.enter(1, 0));
});

Deno.test("numbers start again at their end, and none ever stands for two things that are remembered", () => {
  for (const [places, more] of [[1, 0], [2, 0], [2, 1], [3, 3], [8, 0]]) {
    // What each number was given out for since they last started again; a change of an entry is a new meaning of its space's numbers.
    const given = new Map<number, string>(), ages = new Map<number, [system: number, user: number]>();
    let rounds = 0, x = 1, age = 0;
    const s = spacesOf(places, { spaceNumbers: 2 * places + 4 + more, spaceEntries: 2 }, () => {
      rounds++;
      given.clear();
    });
    const below = (n: number) => ((x = Math.imul(x, 1103515245) + 12345 | 0) >>> 16) % n;
    const is = (number: number, what: string) => {
      assertEquals(given.get(number) ?? what, what, `number ${number}`);
      given.set(number, what);
    };
    s.forget();
    for (let n = 0, root = 0; n < 2000; n++) {
      if (n === 0 || below(3) === 0) {
        root = below(places + 2);
        if (below(20) === 0) {
          s.forget();
          ages.clear();
          age++;
        }
        if (s.enter(root, 0)) ages.set(root, [++age, ++age]);
      } else if (below(2)) s.fetched(root * 4 + below(4), below(2) === 1);
      else {
        const before = [s.system, s.user, rounds], moved = s.changed(below(4 * places + 8), 1 + below(3));
        // Whether anything is another number for the present space.
        assertEquals(moved, s.system !== before[0] || s.user !== before[1] || rounds !== before[2]);
        if (rounds === before[2]) {
          const of = ages.get(root)!;
          if (s.system !== before[0]) of[0] = ++age;
          if (s.user !== before[1]) of[1] = ++age;
        } else for (const of of ages.values()) of[0] = of[1] = ++age;
      }
      const [system, user] = ages.get(root)!;
      is(s.system, `system of ${root}, ${system}`);
      is(s.user, `user of ${root}, ${user}`);
      for (const [i, number] of s.untranslated.entries()) is(number, `untranslated ${i}`);
    }
    assert(rounds > 20, `${rounds} rounds`);
  }
});

Deno.test("the first space is new whatever its root; roots differ in either half; values that belong to it are all compared", () => {
  const s = spacesOf(4);
  s.forget();
  assert(s.enter(0, 0));
  const all = new Set([...numbers(s), ...s.untranslated]);
  assertEquals([all.size, Math.min(...all) > 0], [4, true]);
  assertEquals(s.enter(0, 0), false);
  for (const [lo, hi] of [[0, 1], [1, 0], [1, 1]]) assertEquals([s.enter(lo, hi), s.enter(0, 0), s.enter(lo, hi)], [true, false, false]);
  // A space whose values change stays in its place, and the others are as they were.
  const more = Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8), t = spacesOf(3), roots = [5, 6, 7];
  for (const root of roots) t.enter(root, 0, more);
  const before = roots.map((root) => (t.enter(root, 0, more), numbers(t)));
  for (let n = 0; n < 8; n++) {
    const other = more.map((v, i) => i === n ? -v : v);
    assertEquals([t.enter(6, 0, other), t.enter(6, 0, other), t.index], [true, false, 1]);
    assert(t.enter(6, 0, more));
  }
  assertEquals([5, 7].map((root) => (t.enter(root, 0, more), numbers(t))), [before[0], before[2]]);
});

Deno.test("who is told that numbers start again finds the present space with its new ones", () => {
  const told: number[][] = [], s: Spaces = spacesOf(1, { spaceNumbers: 6 }, () => told.push(numbers(s)));
  s.forget();
  s.enter(1, 0);
  s.fetched(3, false);
  s.changed(3);
  const last = numbers(s);
  s.fetched(3, true);
  s.changed(3);
  s.fetched(3, true);
  s.changed(3);
  assertEquals(told.length, 1);
  assertNotEquals(told[0], last);
  assert(told[0].every((n) => n > 0 && n <= 4), `${told}`);
});

Deno.test("random spaces, fetches and changes, against a list of what each space's fetches went by", () => {
  interface Known {
    readonly place: number;
    /** By supervisor and user; undefined: one that nobody has seen. */
    readonly numbers: [number | undefined, number | undefined];
    readonly by: Map<number, Set<0 | 1>>;
    all: boolean;
  }
  const random = new Random(4), below = (n: number) => random.below(n);
  let same = 0, moved = 0, full = 0;
  for (const entries of [1, 3, 8]) {
    const s = spacesOf(3, { spaceEntries: entries }), spaces = new Map<number, Known>(), used = new Set<number>(), seen = new Set<number>();
    s.forget();
    for (let n = 0, root = 0, next = 0; n < 1200; n++) {
      if (n === 0 || below(4) === 0) {
        root = 1 + below(5);
        const known = spaces.has(root);
        assertEquals(s.enter(root, -root), !known);
        if (!known) {
          for (const [other, { place }] of spaces) if (place === next) spaces.delete(other);
          spaces.set(root, { place: next, numbers: [undefined, undefined], by: new Map(), all: false });
          next = (next + 1) % 3;
        }
      }
      const here = spaces.get(root)!;
      if (below(2)) {
        const word = below(12), user = below(2) as 0 | 1;
        s.fetched(word, user === 1);
        seen.add(word);
        if (!here.all && !here.by.has(word) && here.by.size === entries) {
          here.all = true;
          here.by.clear();
          full++;
        } else if (!here.all) here.by.set(word, (here.by.get(word) ?? new Set()).add(user));
      } else if (below(4) > 1) {
        const word = below(12), count = 1 + below(3);
        let present = false;
        for (const space of spaces.values()) {
          const who = new Set<0 | 1>(space.all && (count > 1 || seen.has(word)) ? [0, 1] : []);
          for (const [w, users] of space.by) if (w >= word && w < word + count) { for (const user of users) who.add(user); }
          if (who.size === 0) continue;
          space.all = false;
          for (const user of who) space.numbers[user] = undefined;
          for (const [w, users] of space.by) {
            for (const user of who) users.delete(user);
            if (users.size === 0) space.by.delete(w);
          }
          present ||= space === here;
        }
        assertEquals(s.changed(word, count), present, `${count} words from ${word}, ${entries} entries`);
      }
      for (const [user, number] of numbers(s).entries()) {
        if (here.numbers[user] === undefined) {
          assert(!used.has(number), "a number that nobody has had");
          used.add(here.numbers[user] = number);
          moved++;
        } else {
          assertEquals(here.numbers[user], number);
          same++;
        }
      }
      assertEquals(s.index, here.place);
    }
  }
  assert(same > 2000 && moved > 500 && full > 20, `${same} ${moved} ${full}`);
});
