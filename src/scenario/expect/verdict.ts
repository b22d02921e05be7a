// What matchers answer, and what becomes of an answer that is not the expected one: one error text for all of them.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { collectSoft, ExpectationFailed, Outcome, placed, restated } from "../failures.ts";
import type { Waiting } from "../waiting.ts";

/** What a check found: "Expected `subject` to `to`; `found`." */
export interface Verdict {
  readonly pass: boolean;
  /** "cpu0's a0". */
  readonly subject: string;
  /** "be 5". */
  readonly to: string;
  /** "it is 7". */
  readonly found: string;
  /** Lines that say more. */
  readonly more?: readonly string[];
}

/** How a matcher is asked. */
export interface Call {
  /** By way of `.not`. */
  readonly negated: boolean;
  /** A failure does not end the test. */
  readonly soft: boolean;
  /** Where in the script. */
  readonly from: Error;
}

/** Answers at once; guest time stands still. */
// deno-lint-ignore no-explicit-any
export type Check = (subject: any, ...args: any[]) => Verdict;
/** Lets the guest run, or does what takes the host's time. */
// deno-lint-ignore no-explicit-any
export type Wait = (subject: any, call: Call, ...args: any[]) => Promise<unknown>;

/** A kind of subjects. */
export interface Kind {
  /** "a console". */
  readonly title: string;
  readonly checks: Readonly<Record<string, Check>>;
  readonly waits?: Readonly<Record<string, Wait>>;
  /** The machine that a failure tells of. */
  // deno-lint-ignore no-explicit-any
  session(subject: any): Waiting | undefined;
}

/** What was expected, and what was found; data of several lines are indented. */
const words = (call: Pick<Call, "negated">, { subject, to, found }: Verdict) =>
  [`Expected ${subject}${call.negated ? " not" : ""} to ${to}`, found].map((text) => text.replaceAll("\n", "\n  "));

/** The error of a verdict, placed where the script asked. `loadBacktrace` before it has it tell the callers, too. */
export function failure(call: Call, verdict: Verdict, session: Waiting | undefined): ExpectationFailed {
  const [expected, found] = words(call, verdict), more = [found, ...verdict.more ?? []];
  if (session) return session.failureReport.failure(ExpectationFailed, { what: expected, from: call.from, more }, "");
  const details = { awaited: expected, guestNs: 0, transcript: {} };
  return placed(new ExpectationFailed([expected, ...more.map((l) => `  ${l}`)].join("\n"), details), call.from);
}

/** @throws {ExpectationFailed} the verdict is not what was expected; a soft failure is kept for the end of the test. */
export function settle(call: Call, verdict: Verdict, session: Waiting | undefined): void {
  if (verdict.pass !== call.negated) return;
  const error = failure(call, verdict, session);
  if (!call.soft || !collectSoft(error)) throw error;
}

/** An object whose functions a script calls: each by its name, and by `.not`. */
export function named(how: Omit<Call, "from">, of: (name: string, how: Omit<Call, "from">) => (...args: unknown[]) => unknown): object {
  return new Proxy({}, {
    // Whoever awaits the object itself looks for `then`.
    get: (_, name) => {
      if (typeof name !== "string" || name === "then") return undefined;
      return name === "not" ? named({ ...how, negated: !how.negated }, of) : of(name, how);
    },
  });
}

/** The matchers of a subject. A name that is none is told of. */
export function matchersFor(kind: Kind, subject: unknown, how: Omit<Call, "from">): object {
  return named(how, (name, how) => (...args) => {
    const call = { ...how, from: new Error() }, wait = kind.waits && Object.hasOwn(kind.waits, name) ? kind.waits[name] : undefined;
    if (wait) return outcome(call, () => wait(subject, call, ...args));
    try {
      return settle(call, checkNamed(kind, name)(subject, ...args), kind.session(subject));
    } catch (e) {
      // A mistake of the script's.
      throw e instanceof ConfigError ? restated(e, call.from) : e;
    }
  });
}

/** @throws {ConfigError} there is no such check. */
export function checkNamed({ title, checks, waits = {} }: Kind, name: string): Check {
  if (Object.hasOwn(checks, name)) return checks[name];
  const names = [...Object.keys(checks), ...Object.keys(waits)];
  throw new ConfigError(`${title} has no matcher '${name}'${didYouMean(name, names)}; there are ${[...names, "not"].join(", ")}`);
}

/** A promise that tells of a forgotten `await`; a soft failure is kept for the end of the test. */
export function outcome(call: Call, work: () => Promise<unknown>): Promise<unknown> {
  let going: Promise<unknown>;
  try {
    going = work();
  } catch (e) {
    // A mistake of the script's.
    going = Promise.reject(e);
  }
  // It knows itself whether somebody listens.
  if (going instanceof Outcome && !call.soft) return going;
  const made: Outcome<unknown> = new Outcome((resolve, reject) =>
    void going.then(resolve, (thrown) => {
      const error = ours(thrown, call);
      if (call.soft && !(error instanceof ConfigError) && collectSoft(error)) return resolve([]);
      reject(error);
      made.failed(error);
    })
  );
  return made;
}

/** What was thrown, with the script's line: from the pump it is far to that, and a stack has ten lines. */
function ours(thrown: Error, { from }: Call): Error {
  if (thrown instanceof ConfigError) return restated(thrown, from);
  return thrown instanceof Error && !/^ +at /m.test(thrown.stack ?? "") ? placed(thrown, from) : thrown;
}
