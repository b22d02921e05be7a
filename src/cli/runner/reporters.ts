// Who tells of results: to a person, to a program, or to a CI system.
import type { Shard, Summary, TestResult } from "./results.ts";

/** What is going to be run. */
export interface Beginning {
  readonly tests: number;
  readonly files: number;
  readonly shard?: Shard;
}

export interface Reporter {
  start?(what: Beginning): void;
  /** A test begins. */
  begin?(file: string, name: string): void;
  result?(result: TestResult): void;
  end?(summary: Summary): void;
}

/** Where a reporter writes: standard output, or a file, which is there when all is written. */
export interface Sink {
  write(text: string): void;
  /** Another run begins, as with --watch. */
  again?(): void;
  /** Whether colours can be seen there. */
  readonly colours: boolean;
}

/** Several reporters as one. */
export const together = (reporters: readonly Reporter[]): Reporter => ({
  start: (what) => reporters.forEach((r) => r.start?.(what)),
  begin: (file, name) => reporters.forEach((r) => r.begin?.(file, name)),
  result: (result) => reporters.forEach((r) => r.result?.(result)),
  end: (summary) => reporters.forEach((r) => r.end?.(summary)),
});

/** Paints text where colours can be seen. */
export const paint = ({ colours }: Pick<Sink, "colours">) => (code: number, text: string): string =>
  colours ? `\x1b[${code}m${text}\x1b[0m` : text;
export const GREEN = 32, RED = 31, YELLOW = 33, GREY = 90, BOLD = 1;
