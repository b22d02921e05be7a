// How often something has happened, and at which rate.
import { checkOptions, ConfigError } from "../../core/errors.ts";
import { type Duration, formatNs } from "../duration.ts";
import type { Tally } from "../tallies.ts";
import { type Call, failure, type Kind, type Verdict } from "./verdict.ts";

export interface Bounds<T> {
  readonly atLeast?: T;
  readonly atMost?: T;
}

/** @throws {ConfigError} these are no bounds. */
function wordsOf(what: string, bounds: Bounds<unknown>): string {
  checkOptions(what, bounds, ["atLeast", "atMost"]);
  const { atLeast, atMost } = bounds,
    words = [...atLeast === undefined ? [] : [`at least ${atLeast}`], ...atMost === undefined ? [] : [`at most ${atMost}`]];
  if (words.length === 0) throw new ConfigError(`${what}: a number, or { atLeast, atMost }, or one of both`);
  return words.join(" and ");
}
const howMany = (tally: Tally) => `there were ${tally.count} in ${formatNs(Math.round(tally.ns))}`;
const checkedCount = (what: string, n: unknown): number => {
  if (!Number.isSafeInteger(n) || n as number < 0) throw new ConfigError(`${what}: a whole number of at least 0 is expected, got ${n}`);
  return n as number;
};

function toHaveCount(tally: Tally, wanted: number | Bounds<number>): Verdict {
  const { atLeast, atMost } = typeof wanted === "object" ? wanted : { atLeast: wanted, atMost: wanted };
  const words = typeof wanted === "object" ? wordsOf("toHaveCount", wanted) : `${wanted}`;
  for (const n of [atLeast, atMost]) if (n !== undefined) checkedCount("toHaveCount", n);
  const pass = (atLeast === undefined || tally.count >= atLeast) && (atMost === undefined || tally.count <= atMost);
  return { pass, subject: `the ${tally.name}`, to: `have been ${words}`, found: howMany(tally) };
}

const UNITS: Readonly<Record<string, number>> = { Hz: 1, kHz: 1e3, MHz: 1e6 };
/** @throws {ConfigError} it is no frequency. */
function frequency(text: string): number {
  const [, n, unit] = /^(\d[\d_]*(?:\.\d+)?) ?(Hz|kHz|MHz)$/.exec(String(text)) ?? [];
  if (unit === undefined) {
    throw new ConfigError(`toHaveRate: '${text}' is not a rate: expected a number with Hz, kHz or MHz, such as "100Hz"`);
  }
  return Number(n.replaceAll("_", "")) * UNITS[unit];
}

/** One more or less is as near as whole numbers come to a rate. */
function toHaveRate(tally: Tally, wanted: string | Bounds<string>, options: { readonly tolerance?: number } = {}): Verdict {
  checkOptions("toHaveRate", options, ["tolerance"]);
  const { tolerance = 0.01 } = options, seconds = tally.ns / 1e9;
  if (!(tolerance >= 0)) throw new ConfigError(`toHaveRate: \`tolerance\` is a part of the rate, 0.01 for a hundredth, got ${tolerance}`);
  const { atLeast, atMost } = typeof wanted === "object" ? wanted : { atLeast: wanted, atMost: wanted };
  const words = typeof wanted === "object" ? wordsOf("toHaveRate", wanted) : wanted;
  const [low, high] = [atLeast, atMost].map((rate) => rate === undefined ? undefined : frequency(rate) * seconds);
  const room = (n: number) => Math.max(1, tolerance * n);
  const pass = seconds > 0 && (low === undefined || tally.count >= low - room(low)) &&
    (high === undefined || tally.count <= high + room(high));
  return {
    pass,
    subject: `the ${tally.name}`,
    to: `come at ${words}`,
    found: seconds > 0
      ? `${howMany(tally)}: ${Number(tally.perSecond.toPrecision(6))} a second`
      : "no guest time has passed since they are counted",
  };
}

/** Runs the guest until there were so many, and stops on that very instruction. */
async function toReach(tally: Tally, call: Call, count: number, options: { readonly within?: Duration } = {}): Promise<number> {
  checkOptions("toReach", options, ["within"]);
  checkedCount("toReach", count);
  if (call.negated) throw new ConfigError("not.toReach: run the guest, and then expect(...).toHaveCount({ atMost: ... })");
  const { session } = tally, before = tally.onCount;
  tally.onCount = () => {
    before?.();
    if (tally.count >= count) session.machine.requestBreak();
  };
  const done = () => tally.onCount = before;
  try {
    return await session.wait(
      `the ${tally.name} to be ${count}`,
      options.within,
      () => tally.count >= count ? { value: tally.count } : undefined,
      { done },
    );
  } catch (e) {
    // How many there were is worth knowing.
    if (e instanceof ConfigError || session.stop) throw e;
    throw failure(call, { pass: false, subject: `the ${tally.name}`, to: `reach ${count}`, found: howMany(tally) }, session);
  }
}

export const TALLIES: Kind = {
  title: "a tally",
  session: (tally: Tally) => tally.session,
  checks: { toHaveCount, toHaveRate },
  waits: { toReach },
};
