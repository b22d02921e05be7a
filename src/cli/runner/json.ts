// Results as JSON, for programs, and to be merged: what a run came to, as `results.ts` describes it.
import { ConfigError } from "../../core/errors.ts";
import type { Status, Summary, TestResult } from "./results.ts";

/** Changes when what readers rely on does. */
export const VERSION = 1;

/** A summary as text. */
export const jsonOf = (summary: Summary): string => `${JSON.stringify({ bringup: VERSION, ...summary }, null, 2)}\n`;

const STATUSES: readonly Status[] = ["passed", "failed", "flaky", "skipped"];

/** The summary that a text holds. @throws {ConfigError} it holds none, or one of another version. */
export function readJson(text: string, file: string): Summary {
  let read: Partial<Record<keyof Summary | "bringup", unknown>>;
  try {
    read = JSON.parse(text);
  } catch (e) {
    throw new ConfigError(`no report: ${(e as Error).message}`, { file });
  }
  if (read?.bringup === undefined) throw new ConfigError("no report of `bringup test --reporter json`", { file });
  if (read.bringup !== VERSION) {
    throw new ConfigError(`a report of version ${read.bringup}: this bringup reads version ${VERSION}`, { file });
  }
  const { results, notes, ms, started, shard, only, interrupted } = read as Record<keyof Summary, unknown>, at = new Date(String(started));
  const part = shard as Summary["shard"];
  const whole = Array.isArray(results) && results.every(isResult) && Array.isArray(notes) && typeof ms === "number" &&
    !isNaN(at.getTime()) &&
    (part === undefined || Number.isInteger(part?.index) && Number.isInteger(part?.total));
  if (!whole) throw new ConfigError("the report is damaged: its results are not as `bringup test` writes them", { file });
  return {
    results,
    notes: notes.map(String),
    ms,
    started: at,
    only: only === true,
    ...(interrupted === true && { interrupted }),
    ...(part && { shard: part }),
  };
}

function isResult(value: unknown): value is TestResult {
  const { file, name, status, attempts } = Object(value) as Partial<TestResult>;
  return typeof file === "string" && typeof name === "string" && STATUSES.includes(status!) && Array.isArray(attempts) &&
    attempts.every((a) => typeof a?.ms === "number" && typeof a.output === "string" && Array.isArray(a.steps));
}
