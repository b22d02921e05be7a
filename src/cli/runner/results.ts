// What a run of tests comes to.

/** Where a test stands: line and column count from 1. */
export interface Location {
  /** As the user would name it: below the working folder without it. */
  readonly file: string;
  readonly line: number;
  readonly column?: number;
}

/** Why a test failed. */
export interface TestError {
  /** The error's name: "AssertionError", "ScenarioTimeout". */
  readonly type: string;
  /** It is not the test that said so: its process ended, it took too long, its file does not load. */
  readonly broken?: true;
  /** One line. */
  readonly message: string;
  /** All of it, with the places of the script that it went through. */
  readonly text: string;
  readonly at?: Location;
}

/** A part of a test that `t.step` named. */
export interface StepResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly ms: number;
  readonly error?: TestError;
  readonly steps: readonly StepResult[];
}

/** The state in which a test left a machine. */
export interface MachineEnd {
  readonly digest: string;
  /** Guest time in nanoseconds since reset. */
  readonly guestNs: number;
}

/** One time that a test was run. */
export interface Attempt {
  readonly passed: boolean;
  /** The host's time. */
  readonly ms: number;
  readonly error?: TestError;
  /** What it wrote to standard output and standard error. */
  readonly output: string;
  readonly steps: readonly StepResult[];
  /** With --digests. */
  readonly machines?: readonly MachineEnd[];
}

/** passed; failed; flaky: it failed and passed when it was run again; skipped: it said so. */
export type Status = "passed" | "failed" | "flaky" | "skipped";

/** What became of a test. */
export interface TestResult {
  readonly file: string;
  readonly name: string;
  readonly line?: number;
  readonly status: Status;
  /** With --repeats: which time it is, from 1. */
  readonly repeat?: number;
  /** Every time that it was run; none when it was skipped. */
  readonly attempts: readonly Attempt[];
}

/** What there is to tell when all have been run. */
export interface Summary {
  readonly results: readonly TestResult[];
  /** What else is worth knowing, a sentence each. */
  readonly notes: readonly string[];
  /** Tests were left out for others' sake that are marked `only`: that is no success. */
  readonly only: boolean;
  /** A signal ended it: what is missing was not run. */
  readonly interrupted?: true;
  /** The host's time of all. */
  readonly ms: number;
  readonly shard?: Shard;
  /** When it began, by the host's clock. */
  readonly started: Date;
}

/** A part of the tests: `index` counts from 1. */
export interface Shard {
  readonly index: number;
  readonly total: number;
}

/** How often each status is among the results. */
export function counts(results: readonly Pick<TestResult, "status">[]): Record<Status, number> {
  const out = { passed: 0, failed: 0, flaky: 0, skipped: 0 };
  for (const { status } of results) out[status]++;
  return out;
}

/** Whether all is well: the exit status, and what reports say. */
export const succeeded = ({ results, only, interrupted }: Summary): boolean => !only && !interrupted && counts(results).failed === 0;

/** The host's time of all attempts. */
export const msOf = (result: TestResult): number => result.attempts.reduce((sum, a) => sum + a.ms, 0);

/** The last time that it was run. */
export const lastOf = (result: TestResult): Attempt | undefined => result.attempts.at(-1);

/** Its name, with the time that it is of several. */
export const titleOf = ({ name, repeat }: TestResult): string => repeat === undefined ? name : `${name} #${repeat}`;

/** "12ms", "3.4s", "2m05s". */
export function formatMs(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}s`;
}

/** "3 passed", with what else there was. */
export function describeCounts(results: readonly Pick<TestResult, "status">[]): string {
  const { passed, failed, flaky, skipped } = counts(results);
  return [
    `${passed} passed`,
    `${failed} failed`,
    ...flaky ? [`${flaky} flaky`] : [],
    ...skipped ? [`${skipped} skipped`] : [],
  ].join(" | ");
}
