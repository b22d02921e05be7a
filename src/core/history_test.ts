import { assertEquals } from "@std/assert";
import { History, historyLines } from "./history.ts";

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
