// The rows of x86 guests.
import type { Row } from "./row.ts";

/** `count` scales how often a program runs. */
export function x86Rows(_count: (n: number) => number): Row[] {
  return [];
}
