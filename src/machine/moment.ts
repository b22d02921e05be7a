// Moments of a run: where exactly something from outside came in. A tick is not enough: several harts have theirs one after the other, and
// what comes before the alarms of a tick is not what comes behind them.

/** A moment between two instructions, or inside of one. Two of a run are the same when both numbers are. */
export interface Moment {
  /** The machine's age in ticks, as the hart counts whose turn it is. */
  readonly ticks: number;
  /** 0 between two slices, when the alarms of that tick have fired; else `turnOf` of a hart, and FRESH or INSIDE. */
  readonly where: number;
}

/** The machine has called back: from within an instruction, or from an alarm that fires. */
export const INSIDE = 1;
/** The hart has run nothing of its slice yet. */
export const FRESH = 2;
/** It is this hart's turn in a slice. */
export const turnOf = (hart: number): number => (hart + 1) * 4;

/** "1234", "1234.0" in the turn of hart 0, with "+" when it is fresh and "!" inside. */
export function formatMoment({ ticks, where }: Moment): string {
  return `${ticks}${where < 4 ? "" : `.${(where >> 2) - 1}`}${where & FRESH ? "+" : ""}${where & INSIDE ? "!" : ""}`;
}

/** Undefined when it is none. */
export function parseMoment(text: unknown): Moment | undefined {
  const m = typeof text === "string" ? /^(\d{1,16})(?:\.(\d{1,4}))?(\+)?(!)?$/.exec(text) : null;
  if (!m || !Number.isSafeInteger(Number(m[1]))) return undefined;
  return { ticks: Number(m[1]), where: (m[2] === undefined ? 0 : turnOf(Number(m[2]))) | (m[3] ? FRESH : 0) | (m[4] ? INSIDE : 0) };
}
