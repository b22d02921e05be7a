import { assertEquals } from "@std/assert";
import type { ScreenPort, TextScreen } from "../core/device.ts";
import { scancodesOfChord, scancodesOfText } from "../scenario/keyboard.ts";
import { Screen } from "../scenario/screen.ts";
import { TerminalDisplay, Typist } from "./display.ts";

Deno.test("what a terminal sends becomes keys", () => {
  const got: number[] = [], typist = new Typist({ enqueue: (codes) => got.push(...codes) });
  const typed = (text: string) => {
    got.length = 0;
    for (const b of new TextEncoder().encode(text)) typist.byte(b);
    typist.settle();
    return [...got];
  };
  assertEquals(typed("aB\r"), scancodesOfText("aB\n"));
  assertEquals(typed("\x03\x7f\t"), ["ctrl+c", "backspace", "tab"].flatMap(scancodesOfChord));
  assertEquals(typed("\x1b[A\x1bOP\x1b[15~"), ["up", "f1", "f5"].flatMap(scancodesOfChord));
  assertEquals(typed("\x1b"), scancodesOfChord("esc"));
  assertEquals(typed("\x1bx"), scancodesOfChord("alt+x"));
  assertEquals(typed("\x1b[99~"), [], "an unknown sequence is no key");
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
  assertEquals(after(() => display.close()), "\x1b[0m\x1b[?25h\x1b[?1049l\nA\n");
  assertEquals(after(() => display.close()), "");
});
