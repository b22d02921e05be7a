import { assertEquals } from "@std/assert";
import { Marked, Printed } from "./process.ts";

Deno.test("answers are told from what is printed, wherever the stream is cut", () => {
  const mark = "\x1eabc:", all = `one\x1e\ntwo${mark}{"a":1}\nthree\x1eab${mark}\n${mark}x\nfour\x1eabc`;
  for (let first = 0; first <= all.length; first++) {
    for (let second = first; second <= all.length; second++) {
      const told: string[] = [];
      let printed = "";
      const marked = new Marked(mark, (text) => printed += text, (rest) => told.push(`${printed.length}: ${rest}`));
      for (const part of [all.slice(0, first), all.slice(first, second), all.slice(second)]) marked.push(part);
      // What cannot be a mark any more is there at once.
      assertEquals(printed, "one\x1e\ntwothree\x1eabfour");
      marked.end();
      assertEquals([printed, told], ["one\x1e\ntwothree\x1eabfour\x1eabc", [`8: {"a":1}`, "16: ", "16: x"]], `${first}, ${second}`);
    }
  }
});

Deno.test("of very much that is printed the beginning and the end are kept, and what is left out is counted", () => {
  const printed = new Printed(), text = "0123456789".repeat(100_000);
  for (let at = 0; at < text.length; at += 999) printed.add(text.slice(at, at + 999));
  const all = printed.take(), [, head, lost, tail] = /^(\d*)\n\[(\d+) characters are left out here\]\n(\d*)$/.exec(all)!;
  assertEquals([head.length + Number(lost) + tail.length, text.startsWith(head), text.endsWith(tail)], [text.length, true, true]);
  assertEquals([printed.take(), all.length < 300_000], ["", true]);
  printed.add("short");
  assertEquals(printed.take(), "short");
});
