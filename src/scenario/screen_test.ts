import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import type { ScreenPort, TextScreen } from "../core/device.ts";
import { ansiLines, Screen, ScreenMatcher } from "./screen.ts";

/** A screen of 20 by 4 whose rows are given as text with one attribute each. */
function screen(rows: readonly [text: string, attribute: number][], blink = true): TextScreen {
  const cells = new Uint16Array(80);
  for (let row = 0; row < 4; row++) {
    const [text, attribute] = rows[row] ?? ["", 7];
    for (let i = 0; i < 20; i++) cells[row * 20 + i] = attribute << 8 | (i < text.length ? text.charCodeAt(i) : 0x20);
  }
  return { columns: 20, rows: 4, cells, blink, cursor: { row: 1, column: 3, visible: true } };
}
const port = (text: TextScreen | undefined): ScreenPort => ({
  text: () => text,
  image: () => ({ width: 2, height: 1, rgb: Uint8Array.of(255, 0, 0, 0, 0, 255) }),
  onChange: undefined,
});

Deno.test("the text of a screen is Unicode, with its colours by name", () => {
  const s = new Screen(port(screen([["\xdb\xc4 \x82\x01", 0x1e], ["", 7], ["blink", 0xcf]])));
  assertEquals(s.lines, ["█─ é☺", "", "blink", ""]);
  assertEquals(s.text(), "█─ é☺\n\nblink");
  assertEquals(s.cell(0, 0), { character: "█", fg: "yellow", bg: "blue", blink: false });
  assertEquals(s.cell(2, 4), { character: "k", fg: "white", bg: "red", blink: true });
  assertEquals(s.cell(4, 0), undefined);
  assertEquals(s.cursor, { row: 1, column: 3, visible: true });
  const bright = new Screen(port(screen([["x", 0xcf]], false)));
  assertEquals(bright.cell(0, 0), { character: "x", fg: "white", bg: "lightred", blink: false });
  const graphics = new Screen(port(undefined));
  assertEquals([graphics.lines, graphics.text(), graphics.cursor, graphics.shows(/x*/)], [[], "", undefined, false]);
});

Deno.test("patterns are found in a row, with and without its trailing blanks, or over rows when they have a line break", () => {
  const text = screen([["Hello World!", 0x0e], ["login: ", 7], ["a", 7], ["b", 7]]);
  const find = (p: string | RegExp, look = {}) => new ScreenMatcher(p, look).find(text)?.[0];
  assertEquals(find("World"), "World");
  assertEquals(find("login: "), "login: ");
  assertEquals(find(/^login:$/), "login:");
  assertEquals(find(/login: $/), undefined);
  assertEquals(find("World! login"), undefined);
  assertEquals(find("a\nb"), "a\nb");
  assertEquals(find(/!\nlogin:\na/), "!\nlogin:\na");
  assertEquals(new ScreenMatcher(/W(o)(r)/g).find(text), ["Wor", "o", "r"]);
  assertEquals(find("a", { row: 2 }), "a");
  assertEquals(find("a", { row: -2 }), "a");
  assertEquals(find("a", { row: 3 }), undefined);
  assertEquals(find("a.b"), undefined, "a text is no regular expression");
});

Deno.test("colours belong to the match: another place that looks the same in other colours is passed over", () => {
  const text = screen([["same one", 0x0e], ["same two", 0x4f]]);
  const find = (p: string | RegExp, look: ConstructorParameters<typeof ScreenMatcher>[1]) => new ScreenMatcher(p, look).find(text)?.[0];
  assertEquals(find(/same \w+/, { fg: "yellow" }), "same one");
  assertEquals(find(/same \w+/, { fg: "white", bg: "red" }), "same two");
  assertEquals(find(/same \w+/, { fg: "yellow", bg: "red" }), undefined);
  assertEquals(find("same", { fg: "white", row: 0 }), undefined);
  assertThrows(() => new ScreenMatcher("x", { fg: "yelow" as "yellow" }), ConfigError, "did you mean 'yellow'?");
});

Deno.test("when one row has changed, only it is looked at", () => {
  const text = screen([["one", 7], ["two", 7]]);
  assertEquals(new ScreenMatcher("two").find(text, 0), undefined);
  assertEquals(new ScreenMatcher("two").find(text, 1), ["two"]);
  assertEquals(new ScreenMatcher("two", { row: 0 }).find(text, 1), undefined);
});

Deno.test("for a terminal, colours become ANSI codes and a run of cells shares one", () => {
  const [first, second] = ansiLines(screen([["Hi", 0x1e], ["\xb0", 0x8c]]));
  assertEquals(first, `\x1b[93;44mHi${" ".repeat(18)}\x1b[0m`);
  assertEquals(second.slice(0, 9), "\x1b[91;40m░");
});

Deno.test("a PNG file of the picture", async () => {
  const png = await new Screen(port(undefined)).png();
  assertEquals([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const { decode } = await import("fast-png"), image = decode(png);
  assertEquals([image.width, image.height, [...image.data]], [2, 1, [255, 0, 0, 0, 0, 255]]);
});
