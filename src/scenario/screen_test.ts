import { assert, assertEquals, assertThrows } from "@std/assert";
import { COLOURS } from "../core/cp437.ts";
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

Deno.test("a pattern over several rows begins in the row that is asked for", () => {
  const text = screen([["a", 7], ["b", 7], ["a", 7], ["b", 7]]);
  const find = (p: string | RegExp, row: number) => new ScreenMatcher(p, { row }).find(text);
  for (const pattern of ["a\nb", /(?<=\n|^)a\n\w/]) {
    assertEquals(
      [0, 1, 2, -2, -3, -4].map((row) => find(pattern, row) !== undefined),
      [true, false, true, true, false, true],
      `${pattern}`,
    );
  }
  assertEquals(find(/b\n(a)/, 1), ["b\na", "a"]);
});

Deno.test("what can never be shown is told: rows that are none, lines that are too long or too many, empty texts, colours, unknown keys", () => {
  const s = new Screen(port(screen([["a", 7]])));
  const refused = (p: string | RegExp, look: object, text: string) => {
    assertThrows(() => s.shows(p, look), ConfigError, text);
  };
  for (const row of [4, 100, -5]) refused("a", { row }, `cannot show "a": there is no row ${row}: the screen has 20 columns and 4 rows`);
  for (const row of [4, -5]) refused(/a\nb/, { row }, `cannot show /a\\nb/: there is no row ${row}`);
  for (const row of [1.5, NaN, Infinity, "1" as unknown as number]) refused("a", { row }, `\`row\` must be a whole number, got ${row}`);
  refused("x".repeat(21), {}, "a text without a line break is looked for in one row, and this one is longer");
  refused("1\n2\n3\n4\n5", {}, "the text has 5 lines, from row 0 on");
  refused("1\n2", { row: -1 }, "the text has 2 lines, from row -1 on");
  refused("", {}, "an empty text is found everywhere");
  refused(5 as unknown as string, {}, "a text or a regular expression is looked for, got number");
  refused("a", { colour: "red" }, "a text on the screen: unknown option 'colour'; there are fg, bg, row");
  refused("a", { rwo: 1 }, "unknown option 'rwo' (did you mean 'row'?)");
  refused("a", { bg: "rde" }, "no colour 'rde' (did you mean 'red'?)");
  const size = "the screen has 20 columns and 4 rows",
    why = (p: string, row?: number) => new ScreenMatcher(p, row === undefined ? {} : { row }).impossible(screen([]));
  assertEquals([why("a", 4), why("a", -5)], [4, -5].map((row) => `there is no row ${row}: ${size}, 0 to 3 or -4 to -1`));
  assertEquals(why("x".repeat(21)), `a text without a line break is looked for in one row, and this one is longer: ${size}`);
  assertEquals([why("1\n2", 3), why("1\n2\n3\n4\n5")], [
    `the text has 2 lines, from row 3 on: ${size}`,
    `the text has 5 lines, from row 0 on: ${size}`,
  ]);
  // The edges that there are.
  for (const row of [0, -4]) assertEquals(s.shows("a", { row }), true);
  for (const row of [3, -1]) assertEquals(s.shows(/^$/, { row }), true);
  assertEquals([s.shows("x".repeat(20)), s.shows("1\n2\n3\n4"), s.shows("1\n2", { row: -2 })], [false, false, false]);
  assertEquals(new Screen(port(undefined)).shows("a", { row: 99 }), false, "nothing is known of a screen that shows no text");
});

Deno.test("a row that the screen does not have shows nothing, not even blanks", () => {
  const text = screen([["", 7]]);
  for (let row = -6; row < 7; row++) {
    const there = row >= -4 && row < 4;
    for (const pattern of [/ /, /^ *$/]) {
      for (const only of [-1, 0, 3]) {
        // Where another row has changed there is nothing new in this one.
        const here = there && (only < 0 || only === (row < 0 ? row + 4 : row));
        assertEquals(new ScreenMatcher(pattern, { row }).find(text, only) !== undefined, here, `${pattern}, row ${row}, changed ${only}`);
      }
    }
  }
});

Deno.test("a regular expression's flags g and y change nothing, and it keeps no state", () => {
  const text = screen([["ab ab", 7], ["ab", 7]]);
  for (const flags of ["g", "y", "gy"]) {
    const pattern = new RegExp("b", flags);
    pattern.lastIndex = 5;
    const matcher = new ScreenMatcher(pattern, { row: -3 });
    for (let i = 0; i < 3; i++) assertEquals(matcher.find(text), ["b"], flags);
    assertEquals(pattern.lastIndex, 5);
  }
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

Deno.test("each of the 16 by 16 colours is found where it is and nowhere else, with and without blinking", () => {
  for (const blink of [true, false]) {
    for (let attribute = 0; attribute < 256; attribute++) {
      const text = screen([["..x y..", attribute]], blink), bright = blink ? attribute >> 4 & 7 : attribute >> 4;
      const found = COLOURS.flatMap((fg, f) => COLOURS.flatMap((bg, b) => new ScreenMatcher("x y", { fg, bg }).find(text) ? [[f, b]] : []));
      assertEquals(found, [[attribute & 15, bright]], `attribute ${attribute}, blink ${blink}`);
      const alone = [
        COLOURS.findIndex((fg) => new ScreenMatcher("x", { fg }).find(text)),
        COLOURS.findIndex((bg) => new ScreenMatcher("x", { bg }).find(text)),
      ];
      assertEquals(alone, [attribute & 15, bright]);
    }
  }
});

Deno.test("a pattern is found in the row that has changed as by searching all of them: random rows, colours, places, cuts", () => {
  let s = 3;
  const random = (n: number) => (s = Math.imul(s, 1664525) + 1013904223 >>> 0, Math.floor(s / 2 ** 32 * n));
  const pick = <T>(list: readonly T[]) => list[random(list.length)];
  const counts = { found: 0, not: 0, over: 0, look: 0 };
  for (let n = 0; n < 4500; n++) {
    const rows = Array.from({ length: 4 }, () => Array.from({ length: random(6) }, () => pick([..."aab x."])).join(""));
    const text = screen([]),
      pattern: string | RegExp = pick([
        ...["a", "ab", " x", "b\na", "a ", ".", "x."],
        ...[/a+b/, /^x/, /a$/, / $/, /b\n/, /^a$/m, /a.b/s, /\w\W/, /A/i, /a*/],
      ]);
    const colour = () => random(2) ? pick(COLOURS.slice(0, 2)) : undefined,
      fg = colour(),
      bg = colour(),
      row = random(3) ? undefined : random(8) - 4;
    const look = { ...(fg && { fg }), ...(bg && { bg }), ...(row === undefined ? {} : { row }) };
    const matcher = new ScreenMatcher(pattern, look), source = typeof pattern === "string" ? RegExp.escape(pattern) : pattern.source;
    const regexp = new RegExp(source, `g${typeof pattern === "string" ? "" : pattern.flags}`), over = /\n|\\n/.test(source);
    /** Over the text of the rows, or over that of each alone; each without the blanks at its end, and then with them. */
    const naive = () => {
      const lines = [0, 1, 2, 3].map((r) => String.fromCharCode(...text.cells.subarray(20 * r, 20 * r + 20)).replace(/[^ -~]/g, " "));
      const chars = lines.map((_, r) => [...text.cells.subarray(20 * r, 20 * r + 20)].map((c) => String.fromCharCode(c & 0xff)).join(""));
      const areas = over ? [[0, 1, 2, 3]] : (row === undefined ? [0, 1, 2, 3] : [row < 0 ? row + 4 : row]).map((r) => [r]);
      for (const area of areas) {
        for (const cut of [(l: string) => l.trimEnd(), (l: string) => l]) {
          const shown = area.map((r) => cut(chars[r])), joined = shown.join("\n");
          /** The cell of each character. */
          const places = shown.flatMap((l, i) => [...[...l].map((_, column) => area[i] * 20 + column), -1]);
          for (const m of joined.matchAll(regexp)) {
            const begin = joined.slice(0, m.index).split("\n").length - 1;
            if (over && row !== undefined && begin !== (row < 0 ? row + 4 : row)) continue;
            const cells = places.slice(m.index, m.index + m[0].length).filter((p) => p >= 0).map((p) => text.cells[p]);
            const right = cells.every((c) =>
              (!bg || COLOURS[c >> 12 & 7] === bg) && (!fg || (c & 0xff) === 0x20 || COLOURS[c >> 8 & 15] === fg)
            );
            if (right) return [...m];
          }
        }
      }
      return undefined;
    };
    // Cell by cell, as a guest writes them, until it is there.
    let shown = naive();
    assertEquals(matcher.find(text), shown);
    writing: for (const [r, line] of rows.entries()) {
      for (const [column, c] of [...line].entries()) {
        if (shown) break writing;
        text.cells[20 * r + column] = random(2) << 12 | random(2) << 8 | c.charCodeAt(0);
        shown = naive();
        const what = `${pattern} ${JSON.stringify(look)} in ${JSON.stringify(rows)} at ${r},${column}`;
        assertEquals(matcher.find(text, matcher.byRow ? r : -1), shown, what);
        assertEquals(matcher.find(text), shown, what);
      }
    }
    counts[shown ? "found" : "not"]++;
    if (shown && over) counts.over++;
    if (shown && (fg || bg)) counts.look++;
  }
  for (const [what, n] of Object.entries(counts)) assert(n > 100, `${what}: ${n}`);
});

Deno.test("for a terminal, each attribute has the ANSI codes of its colours, with and without blinking, as many columns as fit", () => {
  // ECMA-48 8.3.117 (SGR), in the order of its colours; 90 to 97 and 100 to 107 are the bright ones of aixterm.
  const order = ["black", "red", "green", "brown", "blue", "magenta", "cyan", "lightgray"],
    dark = (n: number) => order.indexOf(COLOURS[n & 7]);
  for (const blink of [true, false]) {
    for (let attribute = 0; attribute < 256; attribute++) {
      const [line, ...others] = ansiLines(screen([["ab", attribute]], blink), 2), bg = blink ? attribute >> 4 & 7 : attribute >> 4;
      const codes = [dark(attribute) + (attribute & 8 ? 90 : 30), dark(bg) + (bg & 8 ? 100 : 40)];
      assertEquals([line, others.length], [`\x1b[${codes.join(";")}mab\x1b[0m`, 3], `${attribute}, ${blink}`);
    }
  }
  assertEquals(ansiLines(screen([["ab", 7]]), 0)[0], "\x1b[0m");
});

Deno.test("a cell is what is there, to the screen's edges; whoever watches is told until the last one has gone", () => {
  const p = port(screen([["a", 7], [" ".repeat(19) + "b", 0x9c]])), s = new Screen(p), told: string[] = [];
  assertEquals([s.cell(0, 0)?.character, s.cell(1, 19)?.character, s.cell(3, 0)?.character], ["a", "b", " "]);
  for (const [row, column] of [[-1, 0], [4, 0], [0, -1], [0, 20]]) assertEquals(s.cell(row, column), undefined, `${row},${column}`);
  assertEquals([s.cell(1, 19)?.blink, s.cell(0, 0)?.blink], [true, false]);
  const [one, two] = ["one", "two"].map((name) => (row: number) => void told.push(`${name} ${row}`));
  s.watch(one), s.watch(two);
  p.onChange!(2);
  s.unwatch(one);
  p.onChange!(-1);
  s.unwatch(two);
  assertEquals([told, p.onChange], [["one 2", "two 2", "two -1"], undefined]);
  assertEquals(s.image(), { width: 2, height: 1, rgb: Uint8Array.of(255, 0, 0, 0, 0, 255) });
});

Deno.test("a part of the screen: what is in it, with its colours, in one row and over several; nothing around it", () => {
  const text = screen([["left|right one", 0x0e], ["left|right two", 0x1e], ["left|below", 0x0e]]), columns = 10;
  text.cells[1 * 20 + 5] = 0x0c << 8 | "R".charCodeAt(0);
  const find = (p: string | RegExp, look: ConstructorParameters<typeof ScreenMatcher>[1], only = -1) =>
    new ScreenMatcher(p, look).find(text, only)?.[0];
  const right = { column: 5 }, rows = { row: 1, rows: 1 };
  assertEquals([find("left", { region: right }), find("|", { region: { column: 4, columns: 1 } })], [undefined, "|"]);
  assertEquals(find(/^right one$/, { region: right }), "right one");
  assertEquals([find("two", { region: rows }), find("one", { region: rows }), find("below", { region: rows })], [
    "two",
    undefined,
    undefined,
  ]);
  assertEquals([find("two", { region: rows }, 1), find("two", { region: rows }, 0), find("one", { region: rows }, 0)], [
    "two",
    undefined,
    undefined,
  ]);
  assertEquals([find(/^right one\nRight two\nbelow/, { region: right }), find(/^left\|?\nleft/, { region: { columns: 4 } })], [
    "right one\nRight two\nbelow",
    "left\nleft",
  ]);
  // Rows are the screen's; so are colours.
  assertEquals([find("Right\n", { region: { ...right, row: 1 }, row: 1 }), find(/two\nbelow/, { region: right, row: 1 })], [
    undefined,
    "two\nbelow",
  ]);
  assertEquals([find("R", { fg: "lightred", region: right }), find("R", { fg: "yellow", region: right })], ["R", undefined]);
  assertEquals([find("ight two", { bg: "blue", region: right }), find("ight two", { bg: "black", region: right })], [
    "ight two",
    undefined,
  ]);
  const s = new Screen(port(text));
  assertThrows(() => s.shows("x", { region: { column: 15, columns } }), ConfigError, "the region is not on it: the screen has 20 columns");
  assertThrows(() => s.shows("x", { region: { row: 4 } }), ConfigError, "the region is not on it");
  assertThrows(() => s.shows("x", { region: { row: -1 } }), ConfigError, "`region.row` must be a whole number of at least 0, got -1");
  assertThrows(() => s.shows("x", { region: { clumn: 1 } as object }), ConfigError, "unknown option 'clumn'");
});
