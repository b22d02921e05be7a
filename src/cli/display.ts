// `--display terminal`: the guest's text screen, in colour, on this terminal; what is typed goes to its keyboard. The serial console's output is
// kept back and printed at the end.
import type { TextScreen } from "../core/device.ts";
import { eventsOfChord, eventsOfText } from "../scenario/keyboard.ts";
import type { SessionKeyboard } from "../scenario/peripherals.ts";
import { ansiLines, rowText, type Screen } from "../scenario/screen.ts";

/** Milliseconds between two pictures, and after which an escape character is a key of its own. */
const PICTURE_MS = 30;
const ESC = 0x1b, CSI = "[", SS3 = "O";

/** What a terminal sends for keys without a character, behind the escape character. */
const SEQUENCES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(["up", "down", "right", "left"].flatMap((key, i) => [[`[${"ABCD"[i]}`, key], [`O${"ABCD"[i]}`, key]])),
  ...Object.fromEntries(["f1", "f2", "f3", "f4"].map((key, i) => [`O${"PQRS"[i]}`, key])),
  "[H": "home",
  "[F": "end",
  "[2~": "insert",
  "[3~": "delete",
  "[5~": "pageup",
  "[6~": "pagedown",
  "[15~": "f5",
  "[17~": "f6",
  "[18~": "f7",
  "[19~": "f8",
  "[20~": "f9",
  "[21~": "f10",
  "[23~": "f11",
  "[24~": "f12",
};

/** What terminals send for Ctrl with other keys than letters (xterm: Ctrl-Space or 2, Ctrl-\\, Ctrl-], Ctrl-6, Ctrl-/ or -). */
const CONTROLS: Readonly<Record<number, string>> = { 0: "space", 0x1c: "\\", 0x1d: "]", 0x1e: "6", 0x1f: "/" };

/** Terminal bytes as keys: characters of the US layout, control characters, and escape sequences. */
export class Typist {
  /** An escape sequence that is not complete, without its first character; undefined outside of one. */
  #sequence: string | undefined;
  constructor(readonly keyboard: Pick<SessionKeyboard, "strike">) {}

  byte(b: number): void {
    if (this.#sequence !== undefined) return this.#inSequence(String.fromCharCode(b));
    if (b === ESC) this.#sequence = "";
    else if (b === 0x7f) this.#press("backspace");
    else if (b === 0x0a || b === 0x0d) this.#press("enter");
    else if (b === 0x09) this.#press("tab");
    else if (b < 0x20) this.#press(`ctrl+${CONTROLS[b] ?? String.fromCharCode(b | 0x60)}`);
    else if (b < 0x7f) this.keyboard.strike(eventsOfText(String.fromCharCode(b)));
  }

  /** Nothing has come for a while: an escape character that waits was the key. */
  settle(): void {
    if (this.#sequence === "") this.#press("esc");
    this.#sequence = undefined;
  }

  #inSequence(c: string): void {
    this.#sequence += c;
    const text = this.#sequence!;
    if (text === CSI || text === SS3) return;
    if (text.length === 1) {
      // Escape and a character: the terminal's way of Alt.
      this.#sequence = undefined;
      if (c >= " " && c < "\x7f") this.#press(`alt+${c}`);
      return;
    }
    if (!/[A-Za-z~]$/.test(c)) return;
    this.#sequence = undefined;
    if (Object.hasOwn(SEQUENCES, text)) this.#press(SEQUENCES[text]);
  }

  #press(chord: string): void {
    this.keyboard.strike(eventsOfChord(chord));
  }
}

/** The row of the cursor or of the last text: a low terminal shows the rows down to there. */
function lastUsedRow(text: TextScreen): number {
  let row = text.rows - 1;
  while (row > text.cursor.row && rowText(text, row).trim() === "") row--;
  return row;
}

/** Draws a screen on a terminal, the rows that have changed. */
export class TerminalDisplay {
  #shown: string[] = [];
  #cursor = "";
  #drawnMs = 0;
  #started = false;
  #size = "";

  /** @param size of the terminal: what does not fit into it is left out. */
  constructor(
    readonly screen: Screen,
    readonly write: (text: string) => void,
    readonly size: () => { readonly columns: number; readonly rows: number } = () => ({ columns: Infinity, rows: Infinity }),
  ) {}

  /** Switches to the terminal's second screen, so that what was there comes back. */
  start(): void {
    this.#started = true;
    this.#size = "";
    this.write("\x1b[?1049h\x1b[2J");
  }

  /** Gives the terminal back for a while; `start` ends that. */
  suspend(): void {
    if (this.#started) this.write("\x1b[0m\x1b[?25h\x1b[?1049l");
    this.#started = false;
  }

  /** Draws everything anew: something else may have written there. */
  redraw(nowMs: number): void {
    this.#size = "";
    this.draw(nowMs, true);
  }

  /** Draws when it is time, and tells whether it was; `nowMs` is wall time. With `now` it is time. */
  draw(nowMs: number, now = false): boolean {
    if (!this.#started || (!now && nowMs - this.#drawnMs < PICTURE_MS)) return false;
    this.#drawnMs = nowMs;
    const { columns, rows } = this.size(), text = this.screen.port.text(), cursor = text?.cursor;
    const first = text ? Math.max(0, lastUsedRow(text) + 1 - rows) : 0;
    const lines = text
      ? ansiLines(text, columns).slice(first, first + rows)
      : ["(a graphics mode: --screenshot shows it)".slice(0, columns)];
    const size = `${columns} ${rows} ${lines.length}`, anew = size !== this.#size;
    let out = anew && this.#shown.length > 0 ? "\x1b[0m\x1b[2J" : "";
    // Behind a full line the cursor is still on its last character, which an erasure would take.
    const erase = text && text.columns >= columns ? "" : "\x1b[K";
    for (const [row, line] of lines.entries()) if (anew || line !== this.#shown[row]) out += `\x1b[${row + 1};1H${line}${erase}`;
    this.#shown = lines;
    this.#size = size;
    const where = cursor?.visible && cursor.row >= first
      ? `\x1b[${cursor.row - first + 1};${Math.min(cursor.column + 1, columns)}H\x1b[?25h`
      : "\x1b[?25l";
    if (out || where !== this.#cursor) this.write(out + where);
    this.#cursor = where;
    return true;
  }

  /** Gives the terminal back and leaves the screen's text on it. */
  close(): void {
    if (!this.#started) return;
    this.#started = false;
    const text = this.screen.port.text();
    const rows = text ? Array.from({ length: text.rows }, (_, row) => rowText(text, row).trimEnd()).join("\n").trimEnd() : "";
    this.write(`\x1b[0m\x1b[?25h\x1b[?1049l${rows ? `${rows}\n` : ""}`);
  }
}
