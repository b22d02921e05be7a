// What a terminal shows.
import { checkOptions } from "../../core/errors.ts";
import type { Terminal, TerminalCell } from "../terminal.ts";
import { showValue } from "./values.ts";
import type { Kind, Verdict } from "./verdict.ts";

function toHaveCell(terminal: Terminal, row: number, column: number, wanted: Partial<TerminalCell>): Verdict {
  checkOptions("toHaveCell", wanted, ["character", "fg", "bg", "bold", "underline", "inverse"]);
  const cell = terminal.cell(row, column);
  return {
    pass: cell !== undefined && (Object.keys(wanted) as (keyof TerminalCell)[]).every((key) => cell[key] === wanted[key]),
    subject: `the terminal, row ${row}, column ${column},`,
    to: `have ${showValue(wanted)}`,
    found: cell ? `it has ${showValue(cell)}` : `there is no such cell: it has ${terminal.columns} columns and ${terminal.rows} rows`,
    more: screenOf(terminal),
  };
}

function toHaveCursor(terminal: Terminal, wanted: { readonly row?: number; readonly column?: number }): Verdict {
  checkOptions("toHaveCursor", wanted, ["row", "column"]);
  const { cursor } = terminal;
  return {
    pass: (Object.keys(wanted) as (keyof typeof wanted)[]).every((key) => cursor[key] === wanted[key]),
    subject: "the terminal",
    to: `have its cursor at ${showValue(wanted)}`,
    found: `it is at ${showValue(cursor)}`,
    more: screenOf(terminal),
  };
}

/** What is on it, for a message. */
const screenOf = (terminal: Terminal): string[] => ["the terminal:", ...terminal.text().split("\n").map((line) => `  | ${line}`)];

export const TERMINALS: Kind = {
  title: "a terminal",
  session: (terminal: Terminal) => terminal.console.session,
  checks: { toHaveCell, toHaveCursor },
  waits: {
    toShow: (terminal: Terminal, call, pattern, options) => terminal.toShow(pattern, options, call.negated),
  },
};
