// How a run of the command line ends: waits for it, says why it ended, and gives the exit status.
import { ConfigError } from "../core/errors.ts";
import type { Stop } from "../machine/stop.ts";
import { formatNs } from "../scenario/duration.ts";
import {
  collectForgotten,
  describeStop,
  FailPatternSeen,
  restated,
  ScenarioFailure,
  ScenarioTimeout,
  takeForgotten,
  withSoft,
} from "../scenario/failures.ts";
import { describeRest, loadBacktrace, whereabouts } from "../scenario/machine_like.ts";
import type { Report } from "../scenario/reporting.ts";
import type { MachineSession } from "../scenario/session.ts";
import type { Output } from "./output.ts";

/** Where the guest's output and our words go. */
export type Told = Pick<Output, "flush" | "note">;

/** Exit status of each stop that has no code of its own. */
const STATUS: Record<Exclude<Stop["kind"], "exit">, number> = {
  reset: 0,
  deadHalt: 3,
  tripleFault: 3,
  trapLoop: 3,
  breakpoint: 3,
  budget: 4,
};
/** Of a stop: a status has 8 bits, and a failure must not look like a success when its code is a multiple of 256. */
export const exitStatus = (stop: Stop): number => {
  if (stop.kind !== "exit") return STATUS[stop.kind];
  const status = stop.code & 0xff;
  return status === 0 && (stop.pass === false || (stop.pass === undefined && stop.code !== 0)) ? 1 : status;
};

/** Runs to the end, or until everything in `expected` was printed in this order. */
export async function watch(
  session: MachineSession,
  expected: readonly RegExp[],
  output: Told,
  statusOf = exitStatus,
): Promise<number> {
  const ended = session.stopped();
  let next = 0;
  const seen = (async () => {
    for (; next < expected.length; next++) await session.serial.toPrint(expected[next], { within: "none" });
  })();
  try {
    const stop = expected.length ? await Promise.race([ended, seen]) : await ended;
    // It must not run on while what reports of it is loaded.
    session.freeze();
    output.flush();
    if (!stop) return 0;
    if (stop.kind !== "exit") {
      const died = STATUS[stop.kind] !== 0, [headline] = describeStop(stop).split("\n");
      if (died) await session.failureReport.prepare();
      const report = died && stop.kind !== "breakpoint" && stop.kind !== "budget" && session.failureReport.report(stop.kind, headline);
      output.note(`bringup: ${report ? headline : describeStop(stop)}`);
      if (report) noteReport(report, output);
      if (died) output.note(await everyCpu(session));
    }
    if (next < expected.length) {
      output.note(`bringup: the run ended (${describeStop(stop).split("\n")[0]}) before it printed ${expected[next]}`);
      return 1;
    }
    return statusOf(stop);
  } catch (e) {
    session.freeze();
    return await notReached(e, session, expected[next], output);
  }
}

/** Says why a wait was in vain, for `expected` or for the end. */
async function notReached(e: unknown, session: MachineSession, expected: RegExp | undefined, output: Told): Promise<number> {
  if (!(e instanceof ScenarioFailure)) throw e;
  // The guest's output is on the terminal already: the report's first line is news, the transcript is not.
  const late = expected ? `it printed ${expected}` : "the machine stopped";
  output.note(
    `bringup: ${
      e instanceof ScenarioTimeout
        ? `time-out: ${formatNs(e.details.guestNs)} of guest time passed before ${late}`
        : e.message.split("\n")[0]
    }`,
  );
  if (e.details.report) noteReport(e.details.report, output);
  output.note(await everyCpu(session));
  return statusOf(e);
}

/** What a report says besides where the processors are. */
function noteReport({ causes, details }: Report, output: Told): void {
  const lines = [...causes, ...details].map((line) => `bringup: ${line}`);
  if (lines.length) output.note(lines.join("\n"));
}

/** Lets a script drive the machine. */
export async function drive(
  session: MachineSession,
  script: (m: MachineSession) => Promise<void>,
  output: Told,
  /** Leaves what tells of a failure, and returns what is to be said of that. */
  keep?: (error: unknown) => Promise<readonly string[]>,
): Promise<number> {
  collectForgotten();
  try {
    await script(session);
    // Ended in order, so that what nobody awaited is told of.
    await session[Symbol.asyncDispose]();
    await new Promise((resolve) => setImmediate(resolve));
    const forgotten = takeForgotten();
    if (forgotten) throw forgotten;
    output.flush();
    return 0;
  } catch (thrown) {
    const e = withSoft(thrown);
    session.freeze();
    output.note(
      e instanceof ScenarioFailure
        ? `bringup: ${e.name}: ${e.message}`
        : e instanceof ConfigError
        ? `bringup: ${restated(e).stack}`
        : e instanceof Error
        ? e.stack ?? e.message
        : String(e),
    );
    for (const line of e instanceof ConfigError ? [] : await keep?.(e) ?? []) output.note(`bringup: ${line}`);
    return e instanceof ScenarioFailure ? statusOf(e) : 1;
  }
}

function statusOf(e: ScenarioFailure): number {
  if (e instanceof ScenarioTimeout) return 4;
  const { stop } = e.details;
  return !(e instanceof FailPatternSeen) && stop && stop.kind !== "exit" && STATUS[stop.kind] === 3 ? 3 : 1;
}

/** Where every processor is, and how it came there. */
export async function everyCpu({ machine }: MachineSession): Promise<string> {
  await loadBacktrace();
  return machine.cpus.flatMap((cpu) => {
    const { place, callers } = whereabouts(machine, cpu);
    return [`cpu${cpu.index} at ${place}${cpu.idle ? `, ${describeRest(cpu)}` : ""}`, ...callers.map((line) => `  ${line}`)];
  }).map((line) => `bringup: ${line}`).join("\n");
}
