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

Deno.test("each byte alone is what it is in a text: a character below 80h, else part of one or none", () => {
  for (let byte = 0; byte < 256; byte++) {
    const { c, print } = console();
    print([byte]);
    assertEquals(c.text(), byte < 0x80 ? String.fromCharCode(byte) : byte < 0xc2 || byte > 0xf4 ? "\ufffd" : "", `byte ${byte} alone`);
    print([0x41]);
    assertEquals(c.text(), byte < 0x80 ? String.fromCharCode(byte, 0x41) : "\ufffdA", `byte ${byte}`);
  }
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

Deno.test("a history of whole pieces is kept to the character", () => {
  for (const [history, start] of [[4096, 4096], [4097, 0], [8192, 0]]) {
    const port = { onByte: (_: number) => {}, onRoom: () => {}, room: () => 0, receive: () => {} }, c = new Console("uart0", port, history);
    for (let i = 0; i < 8192; i++) port.onByte(0x61);
    assertEquals([c.start, c.end], [start, 8192], `${history}`);
  }
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

/** Numbers below `n` that are the same in every run. */
function dice(seed: number): (n: number) => number {
  let s = seed >>> 0;
  return (n) => {
    s = Math.imul(s, 1664525) + 1013904223 >>> 0;
    return Math.floor(s / 2 ** 32 * n);
  };
}
/** Parts of patterns: such as stay in a line, such as cross its end in their own ways, and such as look around. */
const ATOMS = [
  ..."a b x 1 é . ab xx (a) (?:b|x) a* x+ b? [ab] [b-x] (a|1)* .* .+ x.b (?<n>a) (?=a) (?!b) \\b \\B \\S \\w".split(" "),
  ..."\\n \\r \\s \\W \\D [^a] [^b\\n] [\\t-z] [\\b-b] [\0-x] [\t-b] \\x0a \\u000a \\cJ (?<=a) (?<!x) (?s:.) (?s:a.b) (?<m>a)\\k<m>".split(
    " ",
  ),
  ..."^ $ ^a b$ (?m:^b) (?m:a$) (?-m:^x) \\x61 \\0 (a)\\1 \\t".split(" "),
];
const LETTERS = [..."aabbxx1é \n\n\r\t"];

Deno.test("a pattern is found as by searching everything from the cursor on with each character: random patterns, texts, cursors, cuts", () => {
  const random = dice(1), pick = <T>(list: readonly T[]) => list[random(list.length)];
  const counts = { found: 0, never: 0, overLines: 0, again: 0 };
  for (let n = 0; n < 6000; n++) {
    const text = Array.from({ length: random(24) }, () => pick(LETTERS)).join("");
    const at = random(text.length + 1), piece = text.slice(at, at + 1 + random(3));
    const source = Array.from({ length: 1 + random(3) }, () => pick(ATOMS)).join("");
    let pattern: Pattern = piece || "b";
    if (random(4)) {
      try {
        pattern = new RegExp(source, pick(["", "", "m", "i", "s", "g", "y", "u", "ms"]));
      } catch {
        continue; // two groups of one name
      }
    }
    const { c, print } = console();
    // What was printed before anybody looked, and where the last match ended.
    const before = random(text.length + 1), cursor = random(before + 1);
    print(text.slice(0, before));
    const matcher = new Matcher(pattern, cursor);
    const plain = typeof pattern === "string" ? undefined : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    const naive = (shown: string) => {
      const rest = shown.slice(matcher.from),
        m = plain ? plain.exec(rest) : undefined,
        found = m ? m.index : rest.indexOf(pattern as string);
      if (plain ? !m : found < 0) return undefined;
      const match = m ? m[0] : pattern as string;
      return { groups: m ? [...m] : [match], end: matcher.from + found + match.length };
    };
    const label = `${pattern} in ${JSON.stringify(text)} from ${cursor}, seen from ${before}`;
    let wanted = naive(text.slice(0, before)), got = matcher.findInHistory(c);
    assertEquals(got, wanted, label);
    for (let i = before; i < text.length; i++) {
      if (wanted) {
        // As scripts and `failOn` go on: behind the match.
        matcher.from = wanted.end;
        counts.again++;
        wanted = naive(text.slice(0, i));
        if (wanted) break; // an empty match: for ever
      }
      print(text[i]);
      wanted = naive(text.slice(0, i + 1));
      got = matcher.find(c);
      assertEquals(got !== undefined, wanted !== undefined, `${label}, at ${i + 1}`);
      if (wanted?.groups[0]) assertEquals(got, wanted, `${label}, at ${i + 1}`);
    }
    counts[wanted ? "found" : "never"]++;
    if (wanted?.groups[0]?.includes("\n")) counts.overLines++;
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 100, `${what}: ${n}`);
});

Deno.test("a console is the same cut anywhere: saved and restored between two bytes, in the midst of a character and of what waits", () => {
  const random = dice(2), sent = Uint8Array.of(1, 2, 3, 4, 5);
  const bytes = [
    ...new TextEncoder().encode("\ufeffé家😀\ufeff\r\nx"),
    ...[0xe4, 0xb8, 0x41, 0xff, 0xe5, 0xe4, 0xb8, 0xad, 0xf0, 0x9f, 0x98, 0xc3, 0x0a, 0x80, 0xf0, 0x9f, 0x98, 0x80, 0xe0, 0x80, 0x21],
  ];
  const whole = console();
  whole.print(bytes);
  assertEquals(whole.c.text().slice(0, 9), "\ufeffé家😀\ufeff\r\nx");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const first = console(), second = console();
    first.print(bytes.slice(0, cut));
    if (random(2)) first.c.text();
    first.room.n = random(4);
    first.c.enqueue(sent);
    second.c.load(structuredClone(first.c.save()));
    for (const one of [first, second]) {
      one.print(bytes.slice(cut));
      one.room.n = 9;
      one.c.feed();
    }
    assertEquals(second.c.save(), first.c.save());
    assertEquals([first.c.text(), second.c.text()], [whole.c.text(), whole.c.text()], `cut at ${cut}`);
    assertEquals([...first.taken.slice(0, sent.length - second.taken.length), ...second.taken], [...sent]);
  }
});

Deno.test("bytes with a pace are handed over when it is time, those behind them not before; the time is part of what is saved", () => {
  const { c: plain } = console(), got: [number, number][] = [];
  let now = 100, due = 0;
  const port = { ...plain.port, room: () => 1, receive: (b: number) => got.push([now, b]) };
  const c = new Console("uart0", port, 100, () => now);
  c.onDue = () => due++;
  c.enqueue(Uint8Array.of(1, 2), 10);
  c.enqueue(Uint8Array.of(3));
  assertEquals([got, c.due, c.queued, due], [[[100, 1]], 110, 2, 2]);
  now = 109;
  c.feed();
  const saved = structuredClone(c.save());
  now = 110;
  c.feed();
  assertEquals([got.slice(1), c.due, c.queued], [[[110, 2]], 120, 1]);
  now = 120;
  c.feed();
  assertEquals([got.slice(2), c.due, c.queued], [[[120, 3]], Infinity, 0]);
  c.load(saved);
  now = 109;
  c.feed();
  assertEquals([c.due, c.queued, got.length], [110, 2, 3]);
});

Deno.test("nothing is handed over where only the host's clock has stopped the machine, nor taken while a recording is replayed", () => {
  const { c, taken, room } = console();
  room.n = 9;
  c.ready = () => false;
  c.enqueue(new Uint8Array([1, 2]));
  assertEquals([taken, c.queued], [[], 2]);
  c.feed();
  assertEquals([taken, c.queued], [[1, 2], 0]);
  c.takes = false;
  c.enqueue(new Uint8Array([3]));
  assertEquals([taken, c.queued], [[1, 2], 0]);
});
