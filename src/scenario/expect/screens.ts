// What a screen shows.
import { checkOptions, ConfigError } from "../../core/errors.ts";
import { type Pattern, show } from "../console.ts";
import type { SessionScreen } from "../peripherals.ts";
import { type Cell, type Look, LOOKS, ScreenMatcher } from "../screen.ts";
import { toMatchScreenshot } from "./screenshots.ts";
import { showValue } from "./values.ts";
import type { Kind, Verdict } from "./verdict.ts";

const describeLook = (look: Look) =>
  Object.entries(look).map(([name, value]) => `${name} ${typeof value === "object" ? showValue(value) : value}`).join(", ");

/** Runs the guest until the screen does not show it any more. */
function notToShow(
  screen: SessionScreen,
  pattern: Pattern,
  options: Look & { readonly within?: string } = {},
): Promise<undefined> {
  checkOptions("not.toShow", options, [...LOOKS, "within"]);
  const { within, ...look } = options, matcher = new ScreenMatcher(pattern, look), { session } = screen;
  let shown: string[] | undefined;
  const lookAt = () => {
    const text = screen.port.text();
    shown = text && matcher.find(text);
  };
  lookAt();
  const watch = () => {
    lookAt();
    if (!shown) session.machine.requestBreak();
  };
  screen.watch(watch);
  const how = describeLook(look), what = `the screen not to show ${show(pattern)}${how ? ` (${how})` : ""}`;
  return session.wait<undefined>(what, within, () => shown ? undefined : { value: undefined }, { done: () => screen.unwatch(watch) });
}

function toHaveCell(screen: SessionScreen, row: number, column: number, wanted: Partial<Cell>): Verdict {
  checkOptions("toHaveCell", wanted, ["character", "fg", "bg", "blink"]);
  const cell = screen.cell(row, column);
  return {
    pass: cell !== undefined && (Object.keys(wanted) as (keyof Cell)[]).every((key) => cell[key] === wanted[key]),
    subject: `the screen, row ${row}, column ${column},`,
    to: `have ${showValue(wanted)}`,
    found: cell ? `it has ${showValue(cell)}` : "there is no such cell: the screen is in a graphics mode, or smaller",
  };
}

function toHaveCursor(screen: SessionScreen, wanted: Readonly<Record<string, unknown>>): Verdict {
  checkOptions("toHaveCursor", wanted, ["row", "column", "visible"]);
  const cursor = screen.cursor as Record<string, unknown> | undefined;
  if (Object.keys(wanted).length === 0) throw new ConfigError("toHaveCursor: where? { row, column, visible }, or some of them");
  return {
    pass: cursor !== undefined && Object.keys(wanted).every((key) => cursor[key] === wanted[key]),
    subject: "the screen",
    to: `have its cursor at ${showValue(wanted)}`,
    found: cursor ? `it is at ${showValue(cursor)}` : "there is none: the screen is in a graphics mode",
  };
}

export const SCREENS: Kind = {
  title: "a screen",
  session: (screen: SessionScreen) => screen.session,
  checks: { toHaveCell, toHaveCursor },
  waits: {
    toMatchScreenshot,
    toShow: (screen: SessionScreen, call, pattern, options) =>
      call.negated ? notToShow(screen, pattern, options) : screen.toShow(pattern, options),
  },
};
