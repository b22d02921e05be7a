import { assert, assertEquals, equal } from "@std/assert";
import { History, type HistoryEntry, historyLines } from "./history.ts";
import { Random } from "../../tests/fuzz/random.ts";

const record = (h: History, what: number, n = 1) => {
  for (; n > 0; n--) h.record(what, 0, what, 0, 0, 0, h.count);
};
const lines = (h: History) => historyLines(h, (e) => `e${e.what}`).map((l) => l.trim().replace(", instruction", ""));

Deno.test("a history keeps the first since the last return and the last, and says what is between", () => {
  const h = new History();
  for (let i = 1; i <= 30; i++) record(h, i);
  assertEquals(lines(h), ["e1 0", "e2 1", "e3 2", "e4 3", "... 20 more ...", "e25 24", "e26 25", "e27 26", "e28 27", "e29 28", "e30 29"]);
  h.returned();
  record(h, 31);
  assertEquals(lines(h).at(-1), "e31 30");
  assertEquals(lines(h)[0], "e22 21", "a short chain leaves room for what was before");
});

Deno.test("equal ones in a row are one entry", () => {
  const h = new History();
  record(h, 1);
  record(h, 2, 1000);
  assertEquals([lines(h), h.count], [["e1 0", "e2 1 (1000 times in a row)"], 1001]);
  // Two that take turns.
  for (let i = 0; i < 500; i++) record(h, 3), record(h, 4);
  assertEquals(lines(h), [
    "e1 0",
    "e2 1 (1000 times in a row)",
    "e3 1001",
    "e4 1002",
    "... 992 more ...",
    "e3 1995",
    "e4 1996",
    "e3 1997",
    "e4 1998",
    "e3 1999",
    "e4 2000",
  ]);
  h.returned();
  record(h, 4);
  assertEquals(lines(h).slice(-2), ["e4 2000", "e4 2001"], "not in a row: there was a return in between");
});

Deno.test("a history is plain data", () => {
  const a = new History(), b = new History();
  for (let i = 0; i < 40; i++) record(a, i >> 1);
  b.load(structuredClone(a.save()));
  for (const h of [a, b]) record(h, 19), record(h, 50);
  assertEquals([lines(b), b.save()], [lines(a), a.save()]);
  b.clear();
  assertEquals([lines(b), b.save()], [[], new History().save()]);
});

Deno.test("random events, returns and restored states, against a list of all of them", () => {
  const random = new Random(5), below = (n: number) => random.bits() % n, WORD = [0, 1, 2, -1, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff];
  let h = new History(), events: HistoryEntry[] = [], chain = 0, count = 0, merged = 0, long = 0;
  const wide = (lo: number, hi: number) => BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0);
  let last = [0, 0, 0, 0, 0, 0];
  for (let n = 0; n < 1500; n++) {
    if (below(30) === 0) {
      h.returned();
      chain = events.length;
    }
    if (below(100) === 0) {
      const other = new History();
      other.record(7, 7, 7, 7, 7, 7, 7);
      other.load(structuredClone(h.save()));
      h = other;
    }
    if (below(500) === 0) {
      h.clear();
      [events, chain, count] = [[], 0, 0];
    }
    // Mostly one word of an event is another one than before.
    last = last.slice();
    if (below(3)) last[below(6)] = WORD[below(WORD.length)];
    const [what, code, aLo, aHi, bLo, bHi] = last, event = { what: what | 0, code: code | 0, a: wide(aLo, aHi), b: wide(bLo, bHi) };
    h.record(what, code, aLo, aHi, bLo, bHi, n);
    count++;
    const before = events.at(-1), { at: _, times, ...same } = before ?? { at: 0, times: 0 };
    if (events.length > chain && equal(same, event)) {
      events[events.length - 1] = { ...before!, times: times + 1 };
      merged++;
    } else events.push({ ...event, at: n, times: 1 });
    const of = events.slice(chain), shown = 6 + below(12), all = of.reduce((sum, e) => sum + e.times, 0);
    const ends = [...of.slice(0, 4), ...of.slice(Math.max(4, of.length - shown + 4))];
    const due = of.length <= shown
      ? { first: [], between: 0, last: events.slice(-16).slice(-shown) }
      : { first: ends.slice(0, 4), between: all - ends.reduce((sum, e) => sum + e.times, 0), last: ends.slice(4) };
    if (of.length > shown) long++;
    assertEquals([h.count, h.last()], [count, events.slice(-16)], `event ${n}`);
    assertEquals(h.digest(shown), due, `event ${n}, ${shown} shown`);
  }
  assert(merged > 300 && long > 200, `${merged} merged, ${long} long chains`);
});

Deno.test("a report says how often, from twice on, and how many are left out, from one on", () => {
  const h = new History();
  record(h, 1, 2);
  for (let i = 2; i <= 10; i++) record(h, i);
  assertEquals([lines(h).length, lines(h)[0]], [10, "e1 0 (2 times in a row)"]);
  record(h, 11);
  assertEquals(lines(h)[4], "... 1 more ...");
});
