import { assert, assertEquals } from "@std/assert";
import { Console, Matcher, type Pattern } from "./console.ts";

function console(): { c: Console; print(data: string | number[]): void; taken: number[]; room: { n: number } } {
  const taken: number[] = [], room = { n: 0 };
  const port = {
    onByte: (_: number) => {},
    onRoom: () => {},
    room: () => room.n,
    receive: (b: number) => {
      taken.push(b);
      room.n--;
    },
  };
  const c = new Console("uart0", port);
  const print = (data: string | number[]) => {
    for (const b of typeof data === "string" ? new TextEncoder().encode(data) : data) port.onByte(b);
  };
  return { c, print, taken, room };
}

Deno.test("text is kept whole and found from any offset, over lines and within one", () => {
  const { c, print } = console();
  print("one\r\ntwo\nthr");
  assertEquals(c.text(), "one\r\ntwo\nthr");
  assertEquals(c.lines, ["one", "two", "thr"]);
  assertEquals([0, 3, 5, 8, 9, 10, 12].map((n) => c.textFrom(n)), [
    "one\r\ntwo\nthr",
    "\r\ntwo\nthr",
    "two\nthr",
    "\nthr",
    "thr",
    "hr",
    "",
  ]);
});

Deno.test("bytes that are no UTF-8 become replacement characters, and nothing after them is lost", () => {
  const { c, print } = console();
  print([0xe4, 0xb8, 0x41, 0xff, 0x42, 0xc3, 0x0a, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0x21]);
  assertEquals(c.text(), "\ufffdA\ufffdB\ufffd\né😀!");
  assertEquals(c.textFrom(c.lineStart), "é😀!");
});

/** Prints a text character by character; how much was printed when the pattern was found. */
function foundAfter(text: string, pattern: Pattern): string | undefined {
  const { c, print } = console(), matcher = new Matcher(pattern, 0);
  for (let i = 0; i < text.length; i++) {
    print(text[i]);
    if (matcher.find(c)) return text.slice(0, i + 1);
  }
  return undefined;
}

const FOUND: [text: string, pattern: Pattern, printed: string | undefined][] = [
  ["a\nbc\nd", "bc", "a\nbc"],
  ["a\nbc\nd", "a\nb", "a\nb"],
  ["a\nbc\nd", /a.b/, undefined],
  ["a\nbc\nd", /a.b/s, "a\nb"],
  ["a\nbc\nd", /a\sb/, "a\nb"],
  ["a\nbc\nd", /a[^x]b/, "a\nb"],
  ["a\nbc\nd", /a\cJb/, "a\nb"],
  ["a\nbc\nd", /^b/, undefined],
  ["a\nbc\nd", /^b/m, "a\nb"],
  ["a\nbc\nd", /(?<=a\n)b/, "a\nb"],
  ["a\nbc\nd", /c$/, "a\nbc"],
  ["say hi hi", /(h.) \1/, "say hi hi"],
  ["aXbX", /x/gi, "aX"],
];

for (const [text, pattern, printed] of FOUND) {
  Deno.test(`${JSON.stringify(text)} and ${pattern}`, () => assertEquals(foundAfter(text, pattern), printed));
}

Deno.test("queued bytes are handed over as room appears, in order, and the end is told once", () => {
  const { c, taken, room } = console();
  let drained = 0;
  c.onDrained = () => drained++;
  c.enqueue(new Uint8Array([1, 2, 3]));
  assertEquals([taken.length, c.queued, drained], [0, 3, 0]);
  room.n = 2;
  c.port.onRoom();
  assertEquals([taken, c.queued, drained], [[1, 2], 1, 0]);
  c.enqueue(new Uint8Array([4]));
  room.n = 5;
  c.port.onRoom();
  assertEquals([taken, c.queued, drained], [[1, 2, 3, 4], 0, 1]);
});

Deno.test("the history has a bound; offsets go on, and a match begins no earlier than what is kept", () => {
  const port = { onByte: (_: number) => {}, onRoom: () => {}, room: () => 0, receive: () => {} };
  const c = new Console("uart0", port, 10_000), line = "x".repeat(99) + "\n";
  for (let i = 0; i < 1000; i++) for (const b of new TextEncoder().encode(line)) port.onByte(b);
  assertEquals([c.end, c.lineStart], [100_000, 100_000]);
  assert(c.start >= 100_000 - 10_000 - 4096 && c.start <= 90_000, `${c.start}`);
  assertEquals(c.text().length, c.end - c.start);
  assertEquals(c.textFrom(99_900), line);
  assertEquals(c.textFrom(0), c.text());
  assertEquals(new Matcher("x\n", 0).findInHistory(c)!.end % 100, 0);
  const again = new Console("uart0", { ...port }, 10_000);
  again.load(c.save());
  assertEquals([again.start, again.end, again.lineStart, again.text()], [c.start, c.end, c.lineStart, c.text()]);
});

Deno.test("a guest that prints without line ends is not searched from its beginning with each character", () => {
  const { c, print } = console(), textFrom = c.textFrom.bind(c);
  let longest = 0;
  c.textFrom = (offset) => {
    const text = textFrom(offset);
    longest = Math.max(longest, text.length);
    return text;
  };
  const matchers = ["login:", /login:/, /login:\s/].map((p) => new Matcher(p, 0));
  const text = new Array(2000).fill("all work and no play. ").join("");
  for (const ch of text) {
    print(ch);
    for (const m of matchers) assertEquals(m.find(c), undefined);
  }
  print("login: ");
  assertEquals(matchers.map((m) => m.find(c)?.end), [text.length + 6, text.length + 6, text.length + 7]);
  assert(longest <= 1 << 14, `${longest} characters`);
});
