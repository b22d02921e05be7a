// What is in a guest's memory.
import type { Variable } from "../memory.ts";
import { comparison, equality, VALUES } from "./values.ts";
import type { Check, Kind } from "./verdict.ts";

/** A check of a value, of a variable's. */
const ofValue = (check: Check): Check => (v: Variable, ...args) => ({ ...check(v.value, ...args), subject: v.description });
const ORDERS = ["toBeAtLeast", "toBeAtMost", "toBeAbove", "toBeBelow"] as const, OTHERS = ["toContain", "toHaveLength", "toMatch"] as const;

export const VARIABLES: Kind = {
  title: "a variable",
  session: (v: Variable) => v.session,
  checks: {
    // Numbers are equal whatever their width is.
    toEqual: (v: Variable, expected) => equality(v.description, v.value, expected, true),
    ...Object.fromEntries(
      ORDERS.map((how): [string, Check] => [how, (v: Variable, bound) => comparison(v.description, v.value, how, bound)]),
    ),
    ...Object.fromEntries(OTHERS.map((name) => [name, ofValue(VALUES.checks[name])])),
    toHaveBytes: (v: Variable, bytes: ArrayLike<number>) => equality(v.description, [...v.bytes(bytes.length)], [...bytes as number[]]),
  },
};
