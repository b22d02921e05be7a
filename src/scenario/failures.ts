// How a scenario fails. Every message says what was awaited, the guest time, what was printed last, where the CPUs are, and how to repeat
// it.
import type { Stop } from "../machine/stop.ts";

/** What a failed wait knows. */
export interface FailureDetails {
  /** What was awaited: "serial to print /login:/". */
  readonly awaited: string;
  /** Guest time of the failure in nanoseconds since reset. */
  readonly guestNs: number;
  /** Everything printed so far, by console. */
  readonly transcript: Readonly<Record<string, string>>;
  /** The stop that came instead, if the machine stopped. */
  readonly stop?: Stop;
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
/** The safety net in wall-clock time: the host was too slow, which says nothing about the guest. */
export class WallClockTimeout extends ScenarioFailure {
  override name = "WallClockTimeout";
}

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
    case "guestPanic":
      return `guest panic: ${stop.text}`;
    case "breakpoint":
      return `breakpoint of cpu${stop.cpu} at 0x${stop.pc.toString(16)}`;
    case "budget":
      return "the time or instruction budget is used up";
  }
}
