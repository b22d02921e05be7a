// Plain values: numbers, texts, lists, data.
import { ConfigError } from "../../core/errors.ts";
import type { Check, Kind, Verdict } from "./verdict.ts";

/** Characters of a value that a message shows at most. */
const SHOWN = 2000;

/** A value for a message: numbers in hexadecimal, too, where that says more. */
export function showValue(value: unknown): string {
  if (typeof value === "bigint" || Number.isInteger(value)) {
    const n = BigInt(value as number | bigint), decimal = `${value}${typeof value === "bigint" ? "n" : ""}`;
    return n >= 4096n ? `${decimal} (0x${n.toString(16)})` : decimal;
  }
  const text = typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value, { depth: 8, iterableLimit: 64, sorted: true });
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
}

const isObject = (v: unknown): v is object => typeof v === "object" && v !== null;
const isNumber = (v: unknown): v is number | bigint => typeof v === "number" || typeof v === "bigint";
const kindOf = (v: object) =>
  Array.isArray(v) ? "array" : v instanceof Map || v instanceof Set ? v.constructor : Object.prototype.toString.call(v);

/**
 * Where two values differ: "" the values themselves, ".tasks[2].state" a part; undefined: they are equal. Numbers are equal whatever their type
 * is when `loosely`: what a guest has may be wider than what a script writes.
 */
export function differenceAt(a: unknown, b: unknown, loosely = false, path = "", seen: readonly object[] = []): string | undefined {
  if (Object.is(a, b) || (loosely && isNumber(a) && isNumber(b) && a == b)) return undefined;
  if (!isObject(a) || !isObject(b) || kindOf(a) !== kindOf(b)) return path;
  // What is in itself has been compared so far.
  if (seen.includes(a)) return undefined;
  if (a instanceof Date || a instanceof RegExp || a instanceof Error) return String(a) === String(b) ? undefined : path;
  const inner = (x: unknown, y: unknown, at: string) => differenceAt(x, y, loosely, path + at, [...seen, a]);
  if (ArrayBuffer.isView(a) || Array.isArray(a)) {
    const [x, y] = [a, b] as unknown as [ArrayLike<unknown>, ArrayLike<unknown>];
    for (let i = 0; i < Math.max(x.length, y.length); i++) {
      const found = i < x.length && i < y.length ? inner(x[i], y[i], `[${i}]`) : `${path}[${i}]`;
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (a instanceof Map || a instanceof Set) return inner([...a], [...b as typeof a], "");
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const at = /^[\w$]+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    const both = Object.hasOwn(a, key) && Object.hasOwn(b, key);
    const found = both ? inner((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key], at) : path + at;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A verdict about equality: says where data differ. */
export function equality(subject: string, actual: unknown, expected: unknown, loosely = false): Verdict {
  const at = differenceAt(actual, expected, loosely);
  return {
    pass: at === undefined,
    subject,
    to: `equal ${showValue(expected)}`,
    found: `it is ${showValue(actual)}`,
    ...(at ? { more: [`they differ at ${at}`] } : {}),
  };
}

/** A verdict about a number. @throws {ConfigError} one of both is none. */
export function comparison(subject: string, actual: unknown, how: keyof typeof ORDERS, bound: unknown, show = showValue): Verdict {
  for (const v of [actual, bound]) {
    if (!isNumber(v) || Number.isNaN(v)) throw new ConfigError(`${how}: numbers are compared, got ${showValue(v)}`);
  }
  const [holds, words] = ORDERS[how];
  return {
    pass: holds(actual as number, bound as number),
    subject,
    to: `be ${words} ${show(bound)}`,
    found: `it is ${show(actual)}`,
  };
}
const ORDERS = {
  toBeAtLeast: [(a: number, b: number) => a >= b, "at least"],
  toBeAtMost: [(a: number, b: number) => a <= b, "at most"],
  toBeAbove: [(a: number, b: number) => a > b, "above"],
  toBeBelow: [(a: number, b: number) => a < b, "below"],
} as const;

const orders = Object.fromEntries(
  (Object.keys(ORDERS) as (keyof typeof ORDERS)[]).map((
    how,
  ): [string, Check] => [how, (actual, bound) => comparison("the value", actual, how, bound)]),
);

/** A part of a text, an element of a list. */
function containment(actual: unknown, part: unknown): Verdict {
  const list = ArrayBuffer.isView(actual) ? [...actual as Uint8Array] : actual;
  if (typeof list !== "string" && !Array.isArray(list)) {
    throw new ConfigError(`toContain: a text or a list is looked at, got ${showValue(actual)}`);
  }
  if (typeof list === "string" && typeof part !== "string") {
    throw new ConfigError(`toContain: a text contains texts, got ${showValue(part)}`);
  }
  const pass = typeof list === "string" ? list.includes(part as string) : list.some((e) => differenceAt(e, part) === undefined);
  return { pass, subject: "the value", to: `contain ${showValue(part)}`, found: `it is ${showValue(actual)}` };
}

export const VALUES: Kind = {
  title: "a value",
  session: () => undefined,
  checks: {
    toBe: (actual, expected) => ({
      pass: Object.is(actual, expected),
      subject: "the value",
      to: `be ${showValue(expected)}`,
      found: `it is ${showValue(actual)}`,
      ...(isObject(actual) && differenceAt(actual, expected) === undefined ? { more: ["they are equal, but not the same: toEqual?"] } : {}),
    }),
    toEqual: (actual, expected) => equality("the value", actual, expected),
    toContain: containment,
    toHaveLength: (actual, length) => ({
      pass: (actual as ArrayLike<unknown>)?.length === length,
      subject: "the value",
      to: `have a length of ${showValue(length)}`,
      found: `its length is ${showValue((actual as ArrayLike<unknown>)?.length)}`,
    }),
    toMatch: (actual, pattern) => {
      if (typeof actual !== "string") throw new ConfigError(`toMatch: a text is looked at, got ${showValue(actual)}`);
      const pass = typeof pattern === "string"
        ? actual.includes(pattern)
        : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).test(actual);
      return {
        pass,
        subject: "the text",
        to: `match ${typeof pattern === "string" ? JSON.stringify(pattern) : pattern}`,
        found: `it is ${showValue(actual)}`,
      };
    },
    ...orders,
  },
};
