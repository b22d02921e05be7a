// What the runner and its worker processes tell each other: JSON, a line each. Commands come on the worker's standard input; its answers go
// between what tests print on standard output, behind a mark that no test can guess.
import type { Location, MachineEnd, StepResult, TestError } from "./results.ts";

/** What a worker is told to do; it answers each with one `Answer`. */
export type Command =
  /** Imports a test file and lists its tests. */
  | { readonly do: "load"; readonly url: string }
  /** Runs one of them, by its place in the list; the name has to be the same as when it was listed. */
  | { readonly do: "run"; readonly url: string; readonly index: number; readonly name: string; readonly digests: boolean }
  /** What is to be done behind the file's last test. */
  | { readonly do: "finish"; readonly url: string };

/** A test as its file declares it. */
export interface Declaration {
  readonly name: string;
  readonly line?: number;
  readonly ignore: boolean;
  readonly only: boolean;
  /** Its own numbers of `--retries` and `--repeats`, and its own time-out in milliseconds. */
  readonly retry?: number;
  readonly repeats?: number;
  readonly timeout?: number;
}

export interface Answer {
  /** Of `load`. */
  readonly tests?: readonly Declaration[];
  /** What went wrong with what was asked for. */
  readonly error?: TestError;
  /** Of `run`. */
  readonly steps?: readonly StepResult[];
  readonly machines?: readonly MachineEnd[];
  /** Files that machines were made of, until now. */
  readonly files?: readonly string[];
  /** Something is left behind that may disturb what comes next: this worker should not be used again. */
  readonly spoilt?: boolean;
  /** Nothing was done: behind the last thing that was done for a file something went wrong there that nobody caught. */
  readonly stray?: { readonly url: string; readonly error: TestError };
}

/** In front of an answer, which ends with its line, and, alone, of the line on standard error that ends what belongs to it. */
export const markOf = (nonce: string): string => `\x1e${nonce}:`;

/** What of an error is told: Deno's way of showing it, without the runner's own places. */
export function describeError(e: unknown, isOwn: (line: string) => boolean): TestError {
  const whole = e instanceof Error ? Deno.inspect(e, { colors: false }) : `Uncaught ${Deno.inspect(e, { colors: false })}`;
  const lines = whole.split("\n").filter((line) => !(/^ +at /.test(line) && isOwn(line))).map((line) => line.replace(/\?again=\d+/g, ""));
  const place = lines.map(placeIn).find((p) => p !== undefined);
  const message = (e instanceof Error ? `${e.name}: ${e.message}` : whole).split("\n")[0];
  return { type: e instanceof Error ? e.name : "Error", message, text: lines.join("\n").trimEnd(), ...(place && { at: place }) };
}

/** The place that a line of a stack names, if it is in a file. */
function placeIn(line: string): Location | undefined {
  const [, url, row, column] = /^ +at .*?(file:\/\/[^\s)]+?):(\d+):(\d+)\)?$/.exec(line) ?? [];
  return url === undefined ? undefined : { file: decodeURIComponent(new URL(url).pathname), line: Number(row), column: Number(column) };
}
