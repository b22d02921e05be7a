// How a scenario fails. Every message says what was awaited, the guest time, what was printed last, where the CPUs are, and how to repeat
// it.
import { ConfigError, ConfigErrors } from "../core/errors.ts";
import type { Stop } from "../machine/stop.ts";
import type { Report } from "./reporting.ts";

/** What a failed wait knows. */
export interface FailureDetails {
  /** What was awaited: "serial to print /login:/". */
  readonly awaited: string;
  /** Guest time of the failure in nanoseconds since reset. */
  readonly guestNs: number;
  /** Everything printed so far, by console, with names beside addresses. */
  readonly transcript: Readonly<Record<string, string>>;
  /** Names of the script's steps that it is in, the outermost first. */
  readonly steps?: readonly string[];
  /** The stop that came instead, if the machine stopped. */
  readonly stop?: Stop;
  /** Why the machine is where it is; absent: nobody knows. */
  readonly report?: Report;
}

/** Any failure of a wait; the kinds below tell them apart. */
export class ScenarioFailure extends Error {
  override name = "ScenarioFailure";
  constructor(message: string, readonly details: FailureDetails) {
    super(message);
  }
}
/** The guest time budget of a wait is used up. It depends on the guest alone and is the same on every host. */
export class ScenarioTimeout extends ScenarioFailure {
  override name = "ScenarioTimeout";
}
/** The machine stopped while something else was awaited. */
export class UnexpectedStop extends ScenarioFailure {
  override name = "UnexpectedStop";
}
/** The guest printed something that `failOn` forbids. */
export class FailPatternSeen extends ScenarioFailure {
  override name = "FailPatternSeen";
}
/** Something is not as a script expects it. */
export class ExpectationFailed extends ScenarioFailure {
  override name = "ExpectationFailed";
}
/** A replay has gone another way than the run that was recorded. */
export class ReplayDiverged extends Error {
  override name = "ReplayDiverged";
}
/** The safety net in wall-clock time: the host was too slow, which says nothing about the guest. */
export class WallClockTimeout extends ScenarioFailure {
  override name = "WallClockTimeout";
}

/** What the waits of a session are: a promise that knows whether anybody listens, so that a forgotten `await` can be told of. */
export class Outcome<T> extends Promise<T> {
  /** What `then` and `finally` make of it are promises like any other. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }
  heard = false;
  override then<A = T, B = never>(
    onResolve?: ((value: T) => A | PromiseLike<A>) | null,
    onReject?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.heard = true;
    return super.then(onResolve, onReject);
  }

  /** It failed: says so where `takeForgotten` is asked, unless somebody listens by then. */
  failed(error: Error): void {
    if (!forgotten || this.heard) return;
    super.then(undefined, () => {});
    forgotten.push({ wait: this, error });
  }
}

/** Failed waits that nobody listened to; undefined while nobody will ask for them. */
let forgotten: { readonly wait: Outcome<unknown>; readonly error: Error }[] | undefined;

/** Failures of `expect.soft`, which end a test when it is over. */
let soft: ScenarioFailure[] = [];

/** From now on a failed wait that nobody listens to does not end the process, nor a soft failure a test: whoever calls this asks for them. */
export function collectForgotten(): void {
  forgotten = [];
  soft = [];
}
/** The soft failures until now, or the failure of a wait that nobody has listened to, if there was one. */
export function takeForgotten(): Error | undefined {
  const error = forgotten?.find((f) => !f.wait.heard)?.error;
  if (forgotten) forgotten = [];
  return soft.length > 0 ? withSoft(error) as Error : error;
}

/** The last soft failure, if there was one. */
export const lastSoft = (): ScenarioFailure | undefined => soft.at(-1);

/** Keeps a soft failure for the end of the test. False: nobody will ask for it. */
export function collectSoft(error: Error): boolean {
  if (!forgotten || !(error instanceof ScenarioFailure)) return false;
  soft.push(error);
  return true;
}

/** What a test has thrown, if anything, with the soft failures before it; each is told once. */
export function withSoft(thrown: unknown): unknown {
  const all = [...soft, ...thrown === undefined ? [] : [thrown]];
  soft = [];
  if (all.length < 2) return all[0];
  const last = all.findLast((e) => e instanceof ScenarioFailure)!,
    text = (e: unknown) => e instanceof Error ? e.stack!.split("\n").slice(1) : [];
  const told = all.map((e, i) => `${i + 1}) ${[e instanceof Error ? `${e.name}: ${e.message}` : String(e), ...text(e)].join("\n")}`);
  const Kind = last.constructor as typeof ScenarioFailure;
  return placed(new Kind(`${all.length} failures:\n${told.join("\n")}`, last.details), new Error());
}

/** Makes an error's stack the place where something was awaited: the message is in it once, and nothing of this program. */
export function placed<E extends Error>(error: E, from: Error): E {
  const here = new URL("..", import.meta.url).href, ours = (line: string) => line.includes(here);
  const lines = (from.stack ?? "").split("\n"), first = lines.findIndex((l) => /^ +at /.test(l));
  const shown = first < 0 ? [] : lines.slice(first).filter((l) => !ours(l) && !/at new \w+ \(<anonymous>\)/.test(l));
  const callers = shown.join("\n");
  // Deno prints the message and then the stack without its first line.
  error.stack = `${error.name}: ${error.message.split("\n")[0]}\n${callers}`;
  Object.defineProperty(error, Symbol.for("Deno.customInspect"), {
    configurable: true,
    value: () => `${error.name}: ${error.message}\n${callers}`,
  });
  return error;
}

/** A script's mistake, with the line of the script. Deno shows an error whose stack has been looked at as it was made, so it is made anew. */
export const restated = (e: ConfigError, from: Error = e): ConfigError =>
  placed(e instanceof ConfigErrors ? new ConfigErrors(e.errors) : new ConfigError(e.problem, e.place), from);

/** One line about a stop: "exit with code 3". */
export function describeStop(stop: Stop): string {
  switch (stop.kind) {
    case "exit":
      return `exit with code ${stop.code}${stop.pass === undefined ? "" : stop.pass ? " (pass)" : " (fail)"}`;
    case "reset":
      return "the guest asked for a reset";
    case "deadHalt":
      return `dead halt at 0x${stop.pc.toString(16)}: every hart waits and nothing can wake one`;
    case "tripleFault":
      return `triple fault at 0x${stop.pc.toString(16)}\n${stop.report}`;
    case "trapLoop":
      return `unhandled trap at 0x${stop.pc.toString(16)}\n${stop.report}`;
    case "breakpoint":
      return `breakpoint of cpu${stop.cpu} at 0x${stop.pc.toString(16)}`;
    case "budget":
      return "the time or instruction budget is used up";
  }
}
