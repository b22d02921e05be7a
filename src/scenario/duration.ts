// Spans of guest time as people write them: "5s", "100ms", "2us", "1m30s", "1_000ns".
import { ConfigError } from "../core/errors.ts";

/** Text like "5s" or "1m30s"; a bare number is refused, because its unit could only be guessed. */
export type Duration = string;

const UNIT_NS: Record<string, number> = { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, m: 60e9, min: 60e9, h: 3600e9 };

/** Nanoseconds in a duration. @throws {ConfigError} it is not one, or is negative. */
export function parseDuration(text: Duration): number {
  // Scripts run without a type check, too: what they give may be a number.
  const given = String(text).replaceAll("_", ""), parts = [...given.matchAll(/(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|min|s|m|h)\s*/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join("").trim() !== given.trim()) {
    throw new ConfigError(`'${text}' is not a duration: expected a number with a unit, such as 5s, 100ms or 2us`);
  }
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * UNIT_NS[unit], 0);
}

/** Guest time for people: "1.250 s", "12.5 ms". */
export function formatNs(ns: number): string {
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(3)} s`;
  if (ns >= 1e6) return `${(ns / 1e6).toFixed(3)} ms`;
  return ns >= 1e3 ? `${(ns / 1e3).toFixed(3)} us` : `${ns} ns`;
}
