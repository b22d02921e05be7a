// A PC's screen as a scenario sees it: rows of Unicode text with their colours, patterns to look for, pictures.
import { type Colour, COLOURS, CP437 } from "../core/cp437.ts";
import type { ScreenPort, TextScreen } from "../core/device.ts";
import { checkOptions, ConfigError, didYouMean } from "../core/errors.ts";
import { checkPattern, type Pattern, show } from "./console.ts";

export type { Colour };

/** Where and how a text must be shown. Blanks have no foreground colour. */
export interface Look {
  readonly fg?: Colour;
  readonly bg?: Colour;
  /** The row that it begins in, from 0, or from the bottom when negative: -1 is the last one. */
  readonly row?: number;
  /** The part of the screen that is looked at: rows and columns from 0; what is absent goes to the screen's end. */
  readonly region?: { readonly row?: number; readonly column?: number; readonly rows?: number; readonly columns?: number };
}
export const LOOKS: readonly string[] = ["fg", "bg", "row", "region"];

/** One character cell. */
export interface Cell {
  readonly character: string;
  readonly fg: Colour;
  readonly bg: Colour;
  readonly blink: boolean;
}

const isBlank = (cell: number) => (cell & 0xff) === 0x20 || (cell & 0xff) === 0 || (cell & 0xff) === 0xff;

/** Number of a colour. @throws {ConfigError} there is none of that name. */
function numberOf(colour: Colour | undefined): number | undefined {
  if (colour === undefined) return undefined;
  const n = COLOURS.indexOf(colour);
  if (n < 0) throw new ConfigError(`no colour '${colour}'${didYouMean(colour, COLOURS)}; the colours are ${COLOURS.join(", ")}`);
  return n;
}

/** Looks for a pattern on a text screen, in each row alone or, when the pattern has a line break, in all of them. */
export class ScreenMatcher {
  readonly #fg: number | undefined;
  readonly #bg: number | undefined;
  readonly #regexp: RegExp;
  readonly #allRows: boolean;
  /** Of a text. */
  readonly #lines: readonly string[];

  /** @throws {ConfigError} there is no such colour or row, or the text is empty. */
  constructor(readonly pattern: Pattern, readonly look: Look = {}) {
    checkPattern(pattern);
    checkOptions("a text on the screen", look, LOOKS);
    const { row = 0 } = look;
    if (!Number.isInteger(row)) throw new ConfigError(`\`row\` must be a whole number, got ${row}`);
    checkOptions("region", look.region ?? {}, ["row", "column", "rows", "columns"]);
    const odd = Object.entries(look.region ?? {}).find(([, n]) => !Number.isInteger(n) || n < 0);
    if (odd) throw new ConfigError(`\`region.${odd[0]}\` must be a whole number of at least 0, got ${odd[1]}`);
    this.#fg = numberOf(look.fg);
    this.#bg = numberOf(look.bg);
    this.#lines = typeof pattern === "string" ? pattern.split("\n") : [];
    const source = typeof pattern === "string" ? RegExp.escape(pattern) : pattern.source;
    this.#allRows = typeof pattern === "string" ? pattern.includes("\n") : /\\n|\n/.test(source);
    const flags = typeof pattern === "string" ? "" : pattern.flags.replace(/[gy]/g, "");
    this.#regexp = new RegExp(source, `${flags}g`);
  }

  /** True when a change in one row can only make a match in that row. */
  get byRow(): boolean {
    return !this.#allRows;
  }

  /** Why this can never be found on such a screen, if so. */
  impossible({ rows, columns }: TextScreen): string | undefined {
    const { row, region } = this.look, size = `the screen has ${columns} columns and ${rows} rows`, lines = this.#lines;
    const part = this.#part({ rows, columns });
    if (region && (part.top >= part.bottom || part.left >= part.right || part.bottom > rows || part.right > columns)) {
      return `the region is not on it: ${size}`;
    }
    if (row !== undefined && (row >= rows || row < -rows)) return `there is no row ${row}: ${size}, 0 to ${rows - 1} or -${rows} to -1`;
    if (lines.some((l) => l.length > columns)) {
      return `a text without a line break is looked for in one row, and this one is longer: ${size}`;
    }
    if (lines.length > rows - this.#rowOf(rows)) return `the text has ${lines.length} lines, from row ${row ?? 0} on: ${size}`;
    return undefined;
  }
  /** The row that it has to begin in, from the top. */
  #rowOf(rows: number): number {
    const { row = 0 } = this.look;
    return row < 0 ? rows + row : row;
  }

  /** The rows and columns that are looked at, up to those behind the last ones. */
  #part({ rows, columns }: Pick<TextScreen, "rows" | "columns">) {
    const { row = 0, column = 0, rows: height = rows - row, columns: width = columns - column } = this.look.region ?? {};
    return { top: row, bottom: row + height, left: column, right: column + width };
  }

  /** The match and its groups. With `only`, no other row has changed since the last time. */
  find(text: TextScreen, only = -1): string[] | undefined {
    const wanted = this.look.row === undefined ? undefined : this.#rowOf(text.rows), { top, bottom } = this.#part(text);
    if (this.#allRows) return this.#search(text, top, Math.min(bottom, text.rows), wanted);
    const first = wanted ?? (only >= 0 ? only : top), last = Math.min(bottom - 1, wanted ?? (only >= 0 ? only : text.rows - 1));
    if (only >= 0 && (only < first || only > last)) return undefined;
    for (let r = Math.max(top, first); r <= last && r < text.rows; r++) {
      const found = this.#search(text, r, r + 1);
      if (found) return found;
    }
    return undefined;
  }

  /** Looks at the rows without the blanks at their ends, and then with them: a prompt may end in one. `begin`: the row that it begins in. */
  #search(text: TextScreen, from: number, to: number, begin?: number): string[] | undefined {
    const { left, right } = this.#part(text),
      rows = Array.from({ length: to - from }, (_, i) => rowText(text, from + i).slice(left, right));
    for (const shown of [rows.map((r) => r.trimEnd()), rows]) {
      const all = shown.join("\n");
      for (const match of all.matchAll(this.#regexp)) {
        if (begin !== undefined && from + all.slice(0, match.index).split("\n").length - 1 !== begin) continue;
        if (this.#looksRight(text, from, shown, match.index, match[0].length)) return [...match];
      }
    }
    return undefined;
  }

  #looksRight(text: TextScreen, from: number, shown: readonly string[], start: number, length: number): boolean {
    if (this.#fg === undefined && this.#bg === undefined) return true;
    const { left } = this.#part(text);
    for (let r = 0, at = 0; r < shown.length; at += shown[r].length + 1, r++) {
      const first = Math.max(0, start - at), end = Math.min(shown[r].length, start + length - at);
      for (let column = first; column < end; column++) {
        const cell = text.cells[(from + r) * text.columns + left + column];
        if (this.#bg !== undefined && background(text, cell) !== this.#bg) return false;
        if (this.#fg !== undefined && !isBlank(cell) && (cell >> 8 & 0xf) !== this.#fg) return false;
      }
    }
    return true;
  }
}

const background = (text: TextScreen, cell: number) => text.blink ? cell >> 12 & 7 : cell >> 12;

/** A row as Unicode, one UTF-16 unit for each cell. */
export function rowText(text: TextScreen, row: number): string {
  let out = "";
  for (let i = row * text.columns; i < (row + 1) * text.columns; i++) out += CP437[text.cells[i] & 0xff];
  return out.replaceAll("\u00a0", " ");
}

/** The screen of a machine. */
export class Screen {
  readonly #watchers: Set<(row: number) => void> = new Set();

  constructor(readonly port: ScreenPort) {}

  /** From now on `watcher` is called when something on it has changed; see `ScreenPort.onChange`. */
  watch(watcher: (row: number) => void): void {
    this.#watchers.add(watcher);
    this.port.onChange = (row) => {
      for (const w of this.#watchers) w(row);
    };
  }
  unwatch(watcher: (row: number) => void): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size === 0) this.port.onChange = undefined;
  }

  /** The rows of the text screen without the blanks at their ends; none in a graphics mode. */
  get lines(): string[] {
    const text = this.port.text();
    return text ? Array.from({ length: text.rows }, (_, row) => rowText(text, row).trimEnd()) : [];
  }

  /** The whole text, a line for each row, without empty lines at its end. */
  text(): string {
    return this.lines.join("\n").trimEnd();
  }

  /** One cell; undefined outside the screen and in a graphics mode. */
  cell(row: number, column: number): Cell | undefined {
    const text = this.port.text();
    if (!text || row < 0 || row >= text.rows || column < 0 || column >= text.columns) return undefined;
    const cell = text.cells[row * text.columns + column];
    return {
      character: CP437[cell & 0xff],
      fg: COLOURS[cell >> 8 & 0xf],
      bg: COLOURS[background(text, cell)],
      blink: text.blink && cell >> 15 === 1,
    };
  }

  /** Where the cursor is; undefined in a graphics mode. */
  get cursor(): { readonly row: number; readonly column: number; readonly visible: boolean } | undefined {
    return this.port.text()?.cursor;
  }

  /** True when it shows the pattern now. @throws {ConfigError} there is no such colour or row, or the text is empty. */
  shows(pattern: Pattern, look: Look = {}): boolean {
    const text = this.port.text(), matcher = new ScreenMatcher(pattern, look), why = text && matcher.impossible(text);
    if (why !== undefined) throw new ConfigError(`the screen cannot show ${show(pattern)}: ${why}`);
    return text !== undefined && matcher.find(text) !== undefined;
  }

  /** The picture as three bytes for each pixel. */
  image(): { readonly width: number; readonly height: number; readonly rgb: Uint8Array } {
    return this.port.image();
  }

  /** The picture as a PNG file. */
  async png(): Promise<Uint8Array> {
    const { encode } = await import("npm:fast-png@8.0.0"), { width, height, rgb } = this.port.image();
    return encode({ width, height, data: rgb, channels: 3, depth: 8 });
  }
}

/** ANSI colours (0..7) of VGA's: red and blue change places. */
const ANSI = [0, 4, 2, 6, 1, 5, 3, 7];

/** A text screen for a terminal: one line for each row, with colours. */
export function ansiLines(text: TextScreen, columns = Infinity): string[] {
  return Array.from({ length: text.rows }, (_, row) => {
    let out = "", last = -1;
    for (let column = 0; column < text.columns && column < columns; column++) {
      const cell = text.cells[row * text.columns + column], colours = cell >> 8 & (text.blink ? 0x7f : 0xff);
      if (colours !== last) {
        const fg = colours & 0xf, bg = colours >> 4;
        out += `\x1b[${ANSI[fg & 7] + (fg & 8 ? 90 : 30)};${ANSI[bg & 7] + (bg & 8 ? 100 : 40)}m`;
        last = colours;
      }
      out += CP437[cell & 0xff];
    }
    return `${out}\x1b[0m`;
  });
}
