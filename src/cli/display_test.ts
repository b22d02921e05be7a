import { assertEquals } from "@std/assert";
import type { ScreenPort, TextScreen } from "../core/device.ts";
import { scancodesOfChord, scancodesOfText } from "../scenario/keyboard.ts";
import { Screen } from "../scenario/screen.ts";
import { TerminalDisplay, Typist } from "./display.ts";

Deno.test("what a terminal sends becomes keys", () => {
  const got: number[] = [], typist = new Typist({ strike: (events) => void got.push(...events.flatMap((e) => e.codes)) });
  const typed = (text: string) => {
    got.length = 0;
    for (const b of new TextEncoder().encode(text)) typist.byte(b);
    typist.settle();
    return [...got];
  };
  assertEquals(typed("aB\r"), scancodesOfText("aB\n"));
  assertEquals(typed("\x03\x7f\t"), ["ctrl+c", "backspace", "tab"].flatMap(scancodesOfChord));
  assertEquals(
    typed("\x00\x1a\x1c\x1d\x1e\x1f"),
    ["space", "z", "\\", "]", "6", "/"].map((key) => `ctrl+${key}`).flatMap(scancodesOfChord),
  );
  // Any byte may come: none ends the run.
  for (let b = 0; b < 0x100; b++) for (const before of ["", "\x1b", "\x1b[", "\x1bO"]) typed(before + String.fromCharCode(b));
  assertEquals(typed("\x1b[A\x1bOP\x1b[15~"), ["up", "f1", "f5"].flatMap(scancodesOfChord));
  assertEquals(typed("\x1b"), scancodesOfChord("esc"));
  assertEquals(typed("\x1bx"), scancodesOfChord("alt+x"));
  assertEquals(typed("\x1b[99~"), [], "an unknown sequence is no key");
});

Deno.test("every byte, alone and behind an escape character; the next one is itself again", () => {
  const got: number[] = [], typist = new Typist({ strike: (events) => void got.push(...events.flatMap((e) => e.codes)) });
  const typed = (...bytes: number[]) => {
    got.length = 0;
    for (const b of bytes) typist.byte(b);
    return [...got];
  };
  const named: Record<number, string> = {
    0: "ctrl+space",
    9: "tab",
    10: "enter",
    13: "enter",
    0x1c: "ctrl+\\",
    0x1d: "ctrl+]",
    0x1e: "ctrl+6",
    0x1f: "ctrl+/",
    0x7f: "backspace",
  };
  const A = 0x61, a = scancodesOfText("a"), ALT = 0x38;
  for (let b = 0; b < 0x100; b++) {
    const c = String.fromCharCode(b), character = b >= 0x20 && b < 0x7f;
    const key = b in named
      ? scancodesOfChord(named[b])
      : b === 0x1b
      ? []
      : b < 0x20
      ? scancodesOfChord(`ctrl+${"abcdefghijklmnopqrstuvwxyz"[b - 1]}`)
      : character
      ? scancodesOfText(c)
      : [];
    if (b !== 0x1b) assertEquals(typed(b, A), [...key, ...a], `byte ${b}`);
    if (c === "[" || c === "O") continue;
    assertEquals(typed(0x1b, b, A), [...character ? [ALT, ...scancodesOfText(c), ALT | 0x80] : [], ...a], `Esc and byte ${b}`);
  }
  // A sequence that is not complete is dropped when nothing follows.
  typed(0x1b, 0x5b);
  typist.settle();
  assertEquals(typed(A), a);
});

Deno.test("a graphics mode is one line that says so, cut off; nothing is drawn or closed that was not started", () => {
  let text = undefined as TextScreen | undefined, out = "", columns = 80;
  const port: ScreenPort = { text: () => text, image: () => ({ width: 0, height: 0, rgb: new Uint8Array() }), onChange: undefined };
  const display = new TerminalDisplay(new Screen(port), (t) => out += t, () => ({ columns, rows: 2 }));
  const after = (work: () => unknown) => {
    out = "";
    const value = work();
    return [out, value];
  };
  assertEquals([after(() => display.draw(100)), after(() => display.suspend()), after(() => display.close())], [["", false], [
    "",
    undefined,
  ], [
    "",
    undefined,
  ]]);
  display.start();
  assertEquals([after(() => display.draw(29)), after(() => display.draw(30))], [["", false], [
    "\x1b[1;1H(a graphics mode: --screenshot shows it)\x1b[K\x1b[?25l",
    true,
  ]]);
  assertEquals([after(() => display.draw(59)), after(() => display.draw(60))], [["", false], ["", true]]);
  columns = 3;
  assertEquals(after(() => display.draw(90)), ["\x1b[0m\x1b[2J\x1b[1;1H(a \x1b[K\x1b[?25l", true]);
  assertEquals([after(() => display.suspend()), after(() => display.suspend())], [["\x1b[0m\x1b[?25h\x1b[?1049l", undefined], [
    "",
    undefined,
  ]]);
  display.start();
  assertEquals(after(() => display.draw(120)), ["\x1b[0m\x1b[2J\x1b[1;1H(a \x1b[K\x1b[?25l", true], "drawn anew");
  assertEquals(after(() => display.close()), ["\x1b[0m\x1b[?25h\x1b[?1049l", undefined]);
  display.start();
  text = { columns: 2, rows: 1, cells: Uint16Array.of(0x0720, 0x0720), blink: true, cursor: { row: 0, column: 0, visible: true } };
  assertEquals(after(() => display.close()), ["\x1b[0m\x1b[?25h\x1b[?1049l", undefined], "nothing to leave");
});

Deno.test("rows that have changed are drawn, at most every 30 ms; the text stays when the terminal is given back", () => {
  const cells = new Uint16Array(8).fill(0x0720),
    text: TextScreen = {
      columns: 4,
      rows: 2,
      cells,
      blink: true,
      cursor: { row: 1, column: 2, visible: true },
    };
  const port: ScreenPort = { text: () => text, image: () => ({ width: 0, height: 0, rgb: new Uint8Array() }), onChange: undefined };
  let out = "";
  const display = new TerminalDisplay(new Screen(port), (t) => out += t);
  const after = (work: () => void) => {
    out = "";
    work();
    return out;
  };
  assertEquals(after(() => display.start()), "\x1b[?1049h\x1b[2J");
  display.draw(100);
  cells[4] = 0x0e41;
  assertEquals(after(() => display.draw(110)), "");
  assertEquals(after(() => display.draw(140)), "\x1b[2;1H\x1b[93;40mA\x1b[37;40m   \x1b[0m\x1b[K\x1b[2;3H\x1b[?25h");
  // What else has written on the terminal is drawn over.
  const whole = "\x1b[1;1H\x1b[37;40m    \x1b[0m\x1b[K\x1b[2;1H\x1b[93;40mA\x1b[37;40m   \x1b[0m\x1b[K\x1b[2;3H\x1b[?25h";
  assertEquals(after(() => display.redraw(141)), "\x1b[0m\x1b[2J" + whole);
  assertEquals(after(() => display.suspend()), "\x1b[0m\x1b[?25h\x1b[?1049l");
  assertEquals(after(() => display.redraw(200)), "");
  assertEquals(after(() => display.start()) + after(() => display.draw(300)), "\x1b[?1049h\x1b[2J\x1b[0m\x1b[2J" + whole);
  // An idle guest's last words do not wait.
  cells[5] = 0x0e42;
  assertEquals(after(() => display.draw(301, true)), "\x1b[2;1H\x1b[93;40mAB\x1b[37;40m  \x1b[0m\x1b[K\x1b[2;3H\x1b[?25h");
  cells[5] = 0x0720;
  assertEquals(after(() => display.close()), "\x1b[0m\x1b[?25h\x1b[?1049l\nA\n");
  assertEquals(after(() => display.close()), "");
});

Deno.test("a terminal that is too small shows the rows down to the last text or the cursor, cut off; a new size is drawn anew", () => {
  const cells = new Uint16Array(4 * 5).fill(0x0720), cursor = { row: 0, column: 3, visible: true };
  const text: TextScreen = { columns: 5, rows: 4, cells, blink: true, cursor };
  const port: ScreenPort = { text: () => text, image: () => ({ width: 0, height: 0, rgb: new Uint8Array() }), onChange: undefined };
  const size = { columns: 5, rows: 4 };
  let out = "";
  const display = new TerminalDisplay(new Screen(port), (t) => out += t, () => size);
  /** What is drawn, with the colours left out. */
  const drawn = () => {
    out = "";
    display.draw(0, true);
    // deno-lint-ignore no-control-regex
    return out.replace(/\x1b\[[\d;]*m/g, "").replaceAll("\x1b", "");
  };
  for (const [row, c] of ["a", "b", "c"].entries()) cells.fill(0x0700 | c.charCodeAt(0), row * 5, row * 5 + 5);
  display.start();
  // No erasure behind a full line: it would take the line's last character.
  assertEquals(drawn(), "[1;1Haaaaa[2;1Hbbbbb[3;1Hccccc[4;1H     [1;4H[?25h");
  size.columns = 3;
  size.rows = 2;
  assertEquals(drawn(), "[2J[1;1Hbbb[2;1Hccc[0;3H[?25h".replace("[0;3H[?25h", "[?25l"));
  cursor.row = 3;
  assertEquals(drawn(), "[1;1Hccc[2;1H   [2;3H[?25h");
  assertEquals(drawn(), "");
});
