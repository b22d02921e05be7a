// What a terminal shows of a console: a shell's screen with its colours and cursor, by xterm.js. Loaded when a script asks for one.
import { type Colour, COLOURS } from "../core/cp437.ts";
import { checkOptions, ConfigError, didYouMean } from "../core/errors.ts";
import { checkPattern, type Console, type Pattern, show } from "./console.ts";
import type { Duration } from "./duration.ts";
import type { Waiting } from "./waiting.ts";

/** A console of a session. */
interface Shown extends Console {
  readonly session: Waiting;
  readonly watchers: Set<() => void>;
}

/** One of 16 by their names, "#rrggbb", or what the terminal has when nothing is said. */
export type TerminalColour = Colour | `#${string}` | "default";

export interface TerminalLook {
  readonly fg?: TerminalColour;
  readonly bg?: TerminalColour;
  /** The row that it is in, from 0, or from the bottom when negative. */
  readonly row?: number;
}
const LOOKS = ["fg", "bg", "row"];

export interface TerminalCell {
  readonly character: string;
  readonly fg: TerminalColour;
  readonly bg: TerminalColour;
  readonly bold: boolean;
  readonly underline: boolean;
  readonly inverse: boolean;
}

/** What is used of xterm.js. Its way to write without waiting is its own business, so that its version is pinned. */
interface XtermCell {
  getChars(): string;
  getWidth(): number;
  isFgRGB(): boolean;
  isBgRGB(): boolean;
  isFgDefault(): boolean;
  isBgDefault(): boolean;
  getFgColor(): number;
  getBgColor(): number;
  isBold(): number;
  isUnderline(): number;
  isInverse(): number;
}
interface Xterm {
  readonly buffer: {
    readonly active: {
      readonly type: string;
      readonly cursorX: number;
      readonly cursorY: number;
      readonly baseY: number;
      getLine(y: number): { getCell(x: number): XtermCell | undefined } | undefined;
    };
  };
  readonly _core: { writeSync(text: string): void };
  reset(): void;
}

/** VGA's numbers of ANSI's colours: red and blue change places. */
const ANSI = [0, 4, 2, 6, 1, 5, 3, 7];
const named = (n: number): Colour => COLOURS[ANSI[n & 7] | n & 8];
const hex = (n: number): `#${string}` => `#${n.toString(16).padStart(6, "0")}`;
/** Of the 256 colours (xterm): a cube of 6 levels each, then 24 greys. */
function palette(n: number): TerminalColour {
  if (n < 16) return named(n);
  if (n >= 232) return hex((8 + 10 * (n - 232)) * 0x1_0101);
  const level = (v: number) => v === 0 ? 0 : 55 + 40 * v, c = n - 16;
  return hex(level(Math.floor(c / 36)) << 16 | level(Math.floor(c / 6) % 6) << 8 | level(c % 6));
}
const colour = (isDefault: boolean, isRgb: boolean, value: number): TerminalColour =>
  isDefault ? "default" : isRgb ? hex(value) : palette(value);

/** @throws {ConfigError} there is no such colour. */
function checkColour(given: string | undefined): void {
  if (given === undefined || given === "default" || /^#[0-9a-f]{6}$/.test(given) || (COLOURS as readonly string[]).includes(given)) return;
  throw new ConfigError(
    `no colour '${given}'${didYouMean(given, [...COLOURS, "default"])}; the colours are ${COLOURS.join(", ")}, default and #rrggbb`,
  );
}

export interface TerminalSize {
  /** 80 and 24 when absent. */
  readonly columns?: number;
  readonly rows?: number;
}

export class Terminal {
  readonly columns: number;
  readonly rows: number;
  readonly #xterm: Xterm;
  /** Offset in the console's text up to which it is shown, and which text that was. */
  #shown: number;
  #generation: number;

  /** @internal */
  constructor(readonly console: Shown, make: new (options: object) => unknown, { columns = 80, rows = 24 }: TerminalSize) {
    this.columns = columns;
    this.rows = rows;
    this.#xterm = new make({ cols: columns, rows, allowProposedApi: true, logLevel: "off", scrollback: 0 }) as Xterm;
    this.#shown = console.start;
    this.#generation = console.generation;
  }

  /** Shows what has been printed since; after a snapshot was restored all of it. */
  #update(): Xterm["buffer"]["active"] {
    const { console } = this;
    if (console.generation !== this.#generation || this.#shown < console.start) {
      this.#xterm.reset();
      this.#shown = console.start;
      this.#generation = console.generation;
    }
    const text = console.textFrom(this.#shown);
    this.#shown = console.end;
    if (text !== "") this.#xterm._core.writeSync(text);
    return this.#xterm.buffer.active;
  }

  /** A row's characters, and the column of each UTF-16 unit. */
  #row(row: number): { readonly text: string; readonly columns: readonly number[] } {
    const active = this.#xterm.buffer.active, line = active.getLine(active.baseY + row), columns: number[] = [];
    let text = "";
    for (let x = 0; x < this.columns; x++) {
      const cell = line?.getCell(x);
      // The second half of a wide character.
      if (cell?.getWidth() === 0) continue;
      const chars = cell?.getChars() || " ";
      text += chars;
      for (let i = 0; i < chars.length; i++) columns.push(x);
    }
    return { text, columns };
  }

  /** The rows without the blanks at their ends. */
  get lines(): string[] {
    this.#update();
    return Array.from({ length: this.rows }, (_, row) => this.#row(row).text.trimEnd());
  }
  /** The whole text, a line for each row, without empty lines at its end. */
  text(): string {
    return this.lines.join("\n").trimEnd();
  }
  get cursor(): { readonly row: number; readonly column: number } {
    const { cursorX, cursorY } = this.#update();
    return { row: cursorY, column: cursorX };
  }
  /** Whether a program shows a screen of its own (an editor), beside which the shell's waits. */
  get alternate(): boolean {
    return this.#update().type === "alternate";
  }
  /** One cell; undefined outside the terminal. */
  cell(row: number, column: number): TerminalCell | undefined {
    this.#update();
    return row < 0 || row >= this.rows || column < 0 || column >= this.columns ? undefined : this.#cell(row, column);
  }
  #cell(row: number, column: number): TerminalCell | undefined {
    const active = this.#xterm.buffer.active, cell = active.getLine(active.baseY + row)?.getCell(column);
    return cell && {
      character: cell.getChars() || " ",
      fg: colour(cell.isFgDefault(), cell.isFgRGB(), cell.getFgColor()),
      bg: colour(cell.isBgDefault(), cell.isBgRGB(), cell.getBgColor()),
      bold: cell.isBold() !== 0,
      underline: cell.isUnderline() !== 0,
      inverse: cell.isInverse() !== 0,
    };
  }

  /** The match and its groups, if it shows the pattern now. @throws {ConfigError} there is no such colour or row. */
  find(pattern: Pattern, look: TerminalLook = {}): string[] | undefined {
    return this.#matcher(pattern, look)();
  }

  #matcher(pattern: Pattern, look: TerminalLook): () => string[] | undefined {
    checkPattern(pattern);
    checkOptions("a text on a terminal", look, LOOKS);
    const { fg, bg, row } = look;
    [fg, bg].forEach(checkColour);
    if (row !== undefined && (!Number.isInteger(row) || row >= this.rows || row < -this.rows)) {
      throw new ConfigError(`there is no row ${row}: the terminal has ${this.rows} rows`);
    }
    const source = typeof pattern === "string" ? RegExp.escape(pattern) : pattern.source;
    const regexp = new RegExp(source, `${typeof pattern === "string" ? "" : pattern.flags.replace(/[gy]/g, "")}g`);
    const rows = row === undefined ? Array.from({ length: this.rows }, (_, i) => i) : [row < 0 ? this.rows + row : row];
    return () => {
      this.#update();
      for (const r of rows) {
        const { text, columns } = this.#row(r);
        // Without the blanks at its end, and with them: a prompt may end in one.
        for (const shown of [text.trimEnd(), text]) {
          for (const match of shown.matchAll(regexp)) {
            const cells = columns.slice(match.index, match.index + match[0].length).map((x) => this.#cell(r, x)!);
            if (cells.every((c) => (bg === undefined || c.bg === bg) && (fg === undefined || c.character.trim() === "" || c.fg === fg))) {
              return [...match];
            }
          }
        }
      }
      return undefined;
    };
  }

  /**
   * Runs the guest until a row of the terminal shows the pattern, or shows it no more, and stops on the very instruction. Returns the match and its
   * groups.
   */
  toShow(pattern: Pattern, options: TerminalLook & { readonly within?: Duration } = {}, negated = false): Promise<string[]> {
    checkOptions("toShow", options, [...LOOKS, "within"]);
    const { within, ...look } = options, match = this.#matcher(pattern, look), { console } = this, { session } = console;
    let found: string[] | undefined;
    const settled = () => negated ? found === undefined : found !== undefined;
    found = match();
    const watch = () => {
      found = match();
      if (settled()) session.machine.requestBreak();
    };
    console.watchers.add(watch);
    const how = Object.entries(look).map(([name, value]) => `${name} ${value}`).join(", ");
    return session.wait<string[]>(
      `the terminal on ${console.name}${negated ? " not" : ""} to show ${show(pattern)}${how ? ` (${how})` : ""}`,
      within,
      () => settled() ? { value: found ?? [] } : undefined,
      { done: () => console.watchers.delete(watch) },
    );
  }
}

/** See `SerialConsole.terminal`. @throws {ConfigError} the size is none. */
export async function terminalOf(console: Shown, size: TerminalSize): Promise<Terminal> {
  checkOptions("terminal", size, ["columns", "rows"]);
  for (const [name, n] of Object.entries(size)) {
    if (!Number.isInteger(n) || n < 2 || n > 1000) {
      throw new ConfigError(`terminal: \`${name}\` is a whole number from 2 to 1000, got ${n}`);
    }
  }
  const { default: { Terminal: Xterm } } = await import("npm:@xterm/headless@6.0.0");
  return new Terminal(console, Xterm, size);
}
