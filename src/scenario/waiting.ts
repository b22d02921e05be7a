// What consoles, screens and keyboards need of the session that they belong to.
import type { Stop } from "../machine/stop.ts";
import type { Duration } from "./duration.ts";
import type { FailureReport } from "./failure_report.ts";
import type { MachineLike } from "./machine_like.ts";

/** When a wait is over, or can never be; `stop` is given when the machine stopped, `late` when its guest time is used up. */
export type Poll<T> = (
  event: { readonly stop: Stop | undefined; readonly late: boolean },
) => { readonly value: T } | { readonly error: Error } | undefined;

/** A session, as what belongs to it sees it. */
export interface Waiting {
  readonly machine: MachineLike;
  readonly options: { readonly history?: number };
  /** Guest time that one wait may take when it does not say. */
  readonly guestBudget: Duration | "none";
  /** Why the machine has stopped for good, if it has. */
  readonly stop: Stop | undefined;
  /** What makes errors that tell of the machine as it is. */
  readonly failureReport: FailureReport;
  /**
   * Runs the guest until `poll` gives a value. It is asked before the guest runs, and after each slice, break and stop. `done` is called at the
   * end, whichever it is; `extraNs`: so much time passes in any case.
   */
  wait<T>(
    what: string,
    within: Duration | undefined,
    poll: Poll<T>,
    more?: { readonly done?: () => void; readonly extraNs?: number },
  ): Promise<T>;
  /**
   * A wait that has failed because the machine stopped before, for what only a running one can do; undefined while it may go on. `gives`: the
   * guest would be given something.
   */
  refused(what: string, gives?: boolean): Promise<never> | undefined;
  /** Ticks of the machine's clock in so many nanoseconds. */
  ticksOf(ns: number): number;
}
