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
    (part === undefined ||
      Number.isInteger(part?.total) && Number.isInteger(part?.index) && part!.index >= 1 && part!.index <= part!.total);
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

type Check = (value: unknown) => boolean;
const text: Check = (v) => typeof v === "string", number: Check = (v) => typeof v === "number", flag: Check = (v) => typeof v === "boolean";
const optional = (check: Check): Check => (v) => v === undefined || check(v);
const listOf = (check: Check): Check => (v) => Array.isArray(v) && v.every(check);
/** Of objects: what is in each field. */
const having = (fields: Readonly<Record<string, Check>>): Check => (v) =>
  typeof v === "object" && v !== null && Object.entries(fields).every(([name, check]) => check((v as Record<string, unknown>)[name]));

const ERROR = having({
  type: text,
  message: text,
  text,
  at: optional(having({ file: text, line: number, column: optional(number) })),
});
const STEP: Check = having({
  name: text,
  status: (v) => v === "passed" || v === "failed" || v === "skipped",
  ms: number,
  error: optional(ERROR),
  steps: (v) => listOf(STEP)(v),
});
const RESULT = having({
  file: text,
  name: text,
  line: optional(number),
  repeat: optional(number),
  status: (v) => STATUSES.includes(v as Status),
  attempts: listOf(having({
    passed: flag,
    ms: number,
    error: optional(ERROR),
    output: text,
    steps: listOf(STEP),
    machines: optional(listOf(having({ digest: text, guestNs: number }))),
  })),
});
const isResult = (value: unknown): value is TestResult => RESULT(value);
