// Names beside addresses: what is an address, what is none, streams that are cut anywhere, escape sequences, hostile output.
import { assert, assertEquals, assertLess } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { AddressNames, type NamedStream } from "./address_names.ts";
import { elfFile } from "./testing/elf_file.ts";

/** A program with 4 KiB of code, whose functions have 256 bytes each. */
function program(base: bigint, bits: 32 | 64 = 64, name = "f") {
  const image = elfFile({
    bits,
    length: 0x1000,
    shoff: 64,
    sections: [{ type: 1, flags: 6, addr: base, size: 0x1000 }, { type: 1, flags: 3, addr: base + 0x1000n, size: 0x1000 }],
  });
  const lookup = (at: bigint) => at < base ? undefined : { name: `${name}${(at - base) >> 8n}`, offset: (at - base) & 0xffn };
  return { bits, image: () => image, lookup };
}
const LOW = new AddressNames(program(0x8020_0000n)), HIGH = new AddressNames(program(0xffff_ffff_8100_0000n));
const NARROW = new AddressNames(program(0xc010_0000n, 32));

/** What a stream shows of a text that comes in pieces. */
function shown(stream: NamedStream, pieces: readonly string[], typed = -1): string {
  const decoder = new TextDecoder(), encoder = new TextEncoder();
  let out = "";
  pieces.forEach((piece, i) => {
    if (i === typed) stream.typed();
    out += decoder.decode(stream.push(encoder.encode(piece)), { stream: true });
  });
  return out + decoder.decode(stream.end());
}

const TEXTS: readonly (readonly [names: AddressNames, printed: string, shown: string])[] = [
  [LOW, "panicked at 0x80200010!\n", "panicked at 0x80200010 <f0+0x10>!\n"],
  [LOW, "sepc=0x0000000080200100 stval=0x10", "sepc=0x0000000080200100 <f1> stval=0x10"],
  [LOW, "0X8020_0210,0x80200FFF", "0X8020_0210 <f2+0x10>,0x80200FFF <f15+0xff>"],
  [LOW, "pc 0000000080200010", "pc 0000000080200010 <f0+0x10>"],
  [LOW, "VirtAddr(0x80200010)", "VirtAddr(0x80200010 <f0+0x10>)"],
  // Data, other places, parts of longer words, numbers that are not in hexadecimal, and the ends of the code.
  [LOW, "0x80201000 0x801fffff 0x0 2149580816", "0x80201000 0x801fffff 0x0 2149580816"],
  [LOW, "a0x80200010 0x80200010z 0x80200010_b _0x80200010", "a0x80200010 0x80200010z 0x80200010_b _0x80200010"],
  [LOW, "80200010 0x00000000080200010 0x8020__0010", "80200010 0x00000000080200010 0x8020__0010"],
  [HIGH, " [<ffffffff81000110>] ? x+0x50/0x1f0\n", " [<ffffffff81000110 <f1+0x10>>] ? x+0x50/0x1f0\n"],
  [HIGH, "RIP: 0010:0xffff_ffff_8100_0000", "RIP: 0010:0xffff_ffff_8100_0000 <f0>"],
  [NARROW, "EIP: c0100010 [<c0100200>] 0xc0100010", "EIP: c0100010 <f0+0x10> [<c0100200 <f2>>] 0xc0100010 <f0+0x10>"],
  [LOW, "\x1b[31m0x80200010\x1b[0m: \x1b]0;0x80200010\x07x", "\x1b[31m0x80200010 <f0+0x10>\x1b[0m: \x1b]0;0x80200010\x07x"],
  [LOW, "é0x80200010→0x80200100é", "é0x80200010 <f0+0x10>→0x80200100 <f1>é"],
];

Deno.test("addresses in code have their names, in a text and in a stream, however it is cut; all else stays as it is", () => {
  for (const [names, printed, expected] of TEXTS) {
    assertEquals(names.text(printed), expected);
    for (let cut = 0; cut <= printed.length; cut++) {
      assertEquals(shown(names.stream(), [printed.slice(0, cut), printed.slice(cut)]), expected);
    }
    assertEquals(shown(names.stream(), [...printed]), expected);
  }
});

Deno.test("a line that the guest lays out or somebody types in stays as it is on a terminal", () => {
  const at = "0x80200010 ", named = "0x80200010 <f0+0x10> ";
  for (
    const [printed, expected] of [
      [`${at}\n${at}`, `${named}\n${named}`],
      [`\r${at}\r\n${at}\n\r${at}`, `\r${named}\r\n${named}\n\r${named}`],
      // A line that is written anew, the cursor, what is erased, a correction; the next line is as any.
      [`${at}\r${at}\n${at}`, `${named}\r${at}\n${named}`],
      [`\x1b[5;1H${at}\n${at}`, `\x1b[5;1H${at}\n${named}`],
      [`\x1b[K${at}`, `\x1b[K${at}`],
      [`x\b${at}`, `x\b${at}`],
      // The alternate screen.
      [`\x1b[?1049h${at}\n${at}\x1b[?1049l${at}\n${at}`, `\x1b[?1049h${at}\n${at}\x1b[?1049l${at}\n${named}`],
      // Sequences that are none: an escape that ends the text, one in another, a string without an end.
      [`\x1b`, `\x1b`],
      [`\x1b[3\x1b[1m${at}`, `\x1b[3\x1b[1m${named}`],
      [`\x1bP${at}\n${at}`, `\x1bP${at}\n${at}`],
      [`\x1bP${at}\x1b\\${at}`, `\x1bP${at}\x1b\\${named}`],
    ]
  ) assertEquals(shown(LOW.stream(), [...printed]), expected, JSON.stringify(printed));
  assertEquals(shown(LOW.stream(), [at, `> ${at}\n`, at], 1), `${named}> ${at}\n${named}`);
});

Deno.test("random output in random pieces: the same names, nothing lost; much of it takes no time, and a hostile name no room", () => {
  const random = new Random(5),
    words = ["0x80200010", "0000000080200100", "0x", "x", " ", "\n", "\r\n", "\x1b[1m", "é", "0x80200", "ff", "_", "\t", "[", "]"];
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: 1 + random.below(30) }, () => words[random.below(words.length)]).join(""), pieces: string[] = [];
    for (let at = 0; at < text.length;) pieces.push(text.slice(at, at += 1 + random.below(9)));
    const whole = shown(LOW.stream(), [text]);
    assertEquals(shown(LOW.stream(), pieces), whole, JSON.stringify(text));
    assertEquals(whole.replaceAll(/ <f\d+(\+0x[0-9a-f]+)?>/g, ""), text);
    if (!text.includes("\r") && !text.includes("\x1b")) assertEquals(whole, LOW.text(text));
  }
  const line = new TextEncoder().encode("0123456789abcdef 0x80200010 the quick brown fox\n".repeat(20_000)),
    stream = LOW.stream(),
    from = performance.now();
  assertEquals(stream.push(line).length, line.length + 20_000 * " <f0+0x10>".length);
  assertLess(performance.now() - from, 1000);
  const long = new Uint8Array(1 << 20).fill(0x30), passed = LOW.stream();
  assertEquals(passed.push(long), long);
  assertEquals(passed.end().length, 0);
  const hostile = new AddressNames(program(0x1000n, 64, `\x1b[2J\x9b${"x".repeat(10_000)}`)).text("0x1010");
  assertEquals([hostile.slice(0, 15), hostile.length < 200], ["0x1010 <?[2J?xx", true]);
});

Deno.test("a program without code has no names", () => {
  const nothing = new AddressNames({ bits: 64, lookup: () => ({ name: "x", offset: 0n }), image: () => undefined });
  assertEquals([nothing.any, nothing.text("0x80200010")], [false, "0x80200010"]);
  assert(LOW.any);
});
