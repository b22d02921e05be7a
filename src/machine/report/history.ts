// The exceptions of a processor whose handlers have not returned, out of its history.
import type { History, HistoryEntry } from "../../core/history.ts";

/** Exceptions since the last return from a handler, oldest first; `gap` are left out behind the first `before` of them. */
export interface Chain {
  readonly entries: readonly HistoryEntry[];
  readonly before: number;
  readonly gap: number;
}

const SHOWN = 12;

/** @param returned whether a handler has returned that the history was not told of yet */
export function chainOf(history: History, returned = false): Chain {
  // Different ones since the last return.
  const [, length] = history.save().numbers, last = history.last();
  if (returned) return { entries: [], before: 0, gap: 0 };
  if (length <= last.length) return { entries: length > 0 ? last.slice(-length) : [], before: length, gap: 0 };
  const { first, between, last: end } = history.digest(SHOWN);
  return { entries: [...first, ...end], before: first.length, gap: between };
}

/** So many of one place in a row are looked for on a stack. */
const DEEPEST = 100;
/** The exceptions that an entry stands for: one that comes in its own handler is told as several in a row. */
export const inARow = (e: HistoryEntry): HistoryEntry[] => Array.from({ length: Math.min(e.times, DEEPEST) }, () => e);
