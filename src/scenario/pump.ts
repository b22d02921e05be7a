// Guest time passes only while something is awaited: one pump runs the machine in short slices, and after each one looks which waits are
// satisfied, out of time, or hopeless because the machine stopped.
import type { Stop } from "../machine/stop.ts";
import { show } from "./console.ts";
import type { FailureReport } from "./failure_report.ts";
import { describeStop, FailPatternSeen, Outcome, placed, ScenarioTimeout, UnexpectedStop, WallClockTimeout } from "./failures.ts";
import type { Forbidden } from "./forbidden.ts";
import type { MachineLike } from "./machine_like.ts";
import type { Awaited } from "./steps.ts";
import type { Poll } from "./waiting.ts";

/** Wall time in milliseconds after which other work of the process gets its turn; a run's short first slice mostly ends it, and is given longer once. */
const TURN_MS = 10, FIRST_TURN_MS = 100;

/** Waits that are remembered at most. */
const TRAIL = 1000;

/** How a host takes part in running: the terminal's pacing, output and debugger. */
export interface SessionHooks {
  /** Ticks that the next slice may take at most. */
  limitTicks?(): number;
  /** Whether somebody may still give the guest something. Absent: nobody but the script, and not while it waits for the end. */
  inputMayCome?(): boolean | undefined;
  /** Called after each slice; a promise holds the machine back until it is settled. */
  afterSlice?(): Promise<void> | void;
  /** Called on a breakpoint that no wait asked for. */
  onBreakpoint?(stop: Stop): void;
  /** Called when the machine has stopped for good, before the waits hear of it. */
  onFinalStop?(stop: Stop): void;
  /** While true the machine does not run; call `session.wake()` when it changes. */
  paused?(): boolean;
}

interface Wait {
  readonly what: string;
  readonly within: string;
  /** The machine's age in ticks at which it is out of time. */
  readonly deadline: number;
  /** performance.now() of the safety net. */
  readonly wallDeadline: number;
  readonly poll: Poll<unknown>;
  /** Where it was awaited: a failure is reported there and not in the pump. Its text is made then: source maps are read for it. */
  readonly from: Error;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

type FailureKind = typeof UnexpectedStop | typeof ScenarioTimeout | typeof WallClockTimeout;

/** How a wait ends. */
interface Ending {
  readonly wait: Wait;
  /** Whether `tell` makes a report of a failure, for which `FailureReport.prepare` comes first. */
  readonly reports: boolean;
  tell(): void;
}

/** What waits for the guest: bytes of a console, keys. */
export interface Queue {
  /** How many wait. */
  readonly queued: number;
  /** The machine's age in ticks at which the next one is handed over. */
  readonly due: number;
  /** It has to come to the end of the slice first: the machine runs although time is up. */
  readonly onward?: boolean;
  feed(): void;
}

export class Pump {
  hooks: SessionHooks = {};
  /** What was awaited, the last of it; undefined while nobody wants to know. */
  trail: Awaited[] | undefined;
  /** Called when a wait ends, with the error if it fails. */
  onOutcome: ((error?: Error) => void) | undefined;
  readonly #waits = new Set<Wait>();
  /** Polls of waits for the end. */
  readonly #forEnd = new WeakSet<Poll<unknown>>();
  #ended: Stop | undefined;
  #pumping = false;
  #frozen = false;
  #closed = false;
  #wake: () => void = () => {};

  constructor(
    readonly machine: MachineLike,
    /** Wall time that one wait may take. */
    readonly wallBudgetMs: number,
    readonly queues: readonly Queue[],
    readonly forbidden: Forbidden,
    readonly report: FailureReport,
  ) {}

  /** Why the machine has stopped for good, if it has. */
  get stop(): Stop | undefined {
    return this.#ended ?? this.machine.stopped;
  }
  /** Ends the run from outside, as if the machine had stopped. */
  end(stop: Stop): void {
    this.#ended ??= stop;
    this.machine.requestBreak();
    this.wake();
  }
  /** Guest time passes no more, whoever still waits. */
  freeze(): void {
    this.#frozen = true;
    this.machine.requestBreak();
    this.wake();
  }
  /** Lets a paused machine look again. */
  wake(): void {
    this.#wake();
  }
  /** Whether anything is being awaited. */
  get busy(): boolean {
    return this.#waits.size > 0;
  }
  /** The machine has been put back: it has not ended. */
  restored(): void {
    this.#ended = undefined;
  }
  /** Pending waits are rejected, and those to come. */
  close(): void {
    this.#closed = true;
    for (const w of this.#waits) {
      w.reject(placed(new Error(`The session ended while it waited for ${w.what}: is an \`await\` missing there?`), w.from));
    }
    this.#waits.clear();
    this.wake();
  }

  /** A wait that has failed because the machine stopped before; undefined while it may go on. */
  refused(what: string): Promise<never> | undefined {
    const { stop } = this;
    if (!stop) return undefined;
    const problem = `The machine has stopped already (${describeStop(stop).split("\n")[0]}): it is too late for`, from = new Error();
    const wait: Outcome<never> = new Outcome((_, reject) =>
      void this.report.prepare().then(() => {
        const error = this.report.failure(UnexpectedStop, { what, from }, problem, stop);
        reject(error);
        wait.failed(error);
      })
    );
    return wait;
  }

  /** Waits until the machine has stopped for good; no sign that input may come. */
  waitForEnd(what: string, within: string, deadline: number): Promise<Stop> {
    const poll: Poll<Stop> = ({ stop }) => stop && stop.kind !== "breakpoint" ? { value: stop } : undefined;
    this.#forEnd.add(poll);
    return this.wait(what, within, deadline, poll);
  }

  /** Runs the guest until `poll` gives a value, `deadline` (the machine's age in ticks) at most; `done` is called then. */
  wait<T>(what: string, within: string, deadline: number, poll: Poll<T>, done: () => void = () => {}): Promise<T> {
    if (this.#closed) {
      done();
      return Outcome.reject(new Error(`The session is closed: nothing can be awaited (${what})`));
    }
    const from = new Error(), wallDeadline = performance.now() + this.wallBudgetMs;
    let resolve!: (value: unknown) => void, reject!: (error: Error) => void;
    const wait = new Outcome<T>((...both) => [resolve, reject] = both as [typeof resolve, typeof reject]);
    const entry = this.#noted(what),
      ended = (e?: Error) => {
        done();
        if (entry) entry.to = this.machine.age;
        if (entry && e) entry.failed = true;
        this.onOutcome?.(e);
      };
    const settled = {
      resolve: (v: unknown) => (ended(), resolve(v)),
      reject: (e: Error) => (ended(e), reject(e), wait.failed(e)),
    };
    this.#waits.add({ what, within, deadline, wallDeadline, poll, from, ...settled });
    this.#pump();
    return wait;
  }

  /** The entry of a wait that begins, when somebody wants to know. */
  #noted(what: string): Awaited | undefined {
    if (!this.trail) return undefined;
    const entry: Awaited = { what, from: this.machine.age, depth: this.report.steps().length };
    if (this.trail.push(entry) > TRAIL) this.trail.shift();
    return entry;
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    // Armed behind the first slice: many a guest ends in it, and timers cost a start of theirs.
    let turn: Turn | undefined;
    try {
      // Waits that are made together start together.
      await Promise.resolve();
      let stop: Stop | undefined;
      while (this.#waits.size > 0 && !this.#frozen) {
        if (this.hooks.paused?.()) {
          await new Promise<void>((resolve) => this.#wake = resolve);
          continue;
        }
        this.#feed();
        const endings = this.#endings(stop);
        stop = undefined;
        // None is told before the others can be: what it wakes may let the guest go on.
        if (endings.some(({ reports }) => reports)) await this.report.prepare();
        for (const { wait, tell } of endings) {
          tell();
          this.#waits.delete(wait);
        }
        if (turn?.due) {
          await turn.taken;
          turn = new Turn();
          if (this.#frozen) break;
        }
        if (endings.length > 0) {
          // What follows a satisfied `await` runs before guest time goes on. Nobody waits any more: then it does not go on anyway.
          if (this.#waits.size > 0) await new Promise((resolve) => setImmediate(resolve));
          continue;
        }
        const loading = this.machine.loading ?? this.report.loading;
        if (loading) {
          await loading;
          continue;
        }
        const early = this.machine.early ?? 0;
        stop = this.#advance(early);
        // The short first slice and the next are one for the host: input may arrive behind them, however fast this process started.
        if (early > 0 && !stop && !this.machine.yielded && this.machine.sleep === undefined) continue;
        if (!stop) turn ??= new Turn();
        if (stop?.kind === "breakpoint" && !this.#wanted(stop)) this.hooks.onBreakpoint?.(stop);
        if (stop && stop.kind !== "breakpoint") this.hooks.onFinalStop?.(stop);
        await this.hooks.afterSlice?.();
      }
    } catch (e) {
      // A bug of ours or of a callback: whoever waits must hear of it.
      for (const w of this.#waits) w.reject(e as Error);
      this.#waits.clear();
    } finally {
      turn?.cancel();
      this.#pumping = false;
    }
  }

  /** Hands over the input that is due now; what waits only for the guest to read is given at that very instruction. */
  #feed(): void {
    if (this.stop || this.machine.yielded) return;
    for (const queue of this.queues) if (queue.due <= this.machine.age) queue.feed();
  }

  /** Runs the machine until something has to be looked at. `early`: ticks of the short first slice that are left. */
  #advance(early: number): Stop | undefined {
    if (this.stop) return this.stop;
    const { machine } = this;
    if (!machine.yielded && machine.sleep === "input" && !this.#inputMayCome()) {
      this.end({ kind: "deadHalt", pc: machine.cpus[0].pc });
      return this.#ended;
    }
    let ticks = Math.min(early || Infinity, this.hooks.limitTicks?.() ?? Infinity);
    for (const w of this.#waits) ticks = Math.min(ticks, w.deadline - machine.age);
    for (const queue of this.queues) ticks = Math.min(ticks, queue.due - machine.age);
    // In the midst of a slice of several harts the time may be up already: the slice goes on to its end.
    const more = ticks > 0 || machine.yielded || this.queues.some((q) => q.onward);
    return (more
      ? machine.run(machine.clock.ticks + Math.ceil(ticks), early > 0 && !machine.yielded ? FIRST_TURN_MS : TURN_MS)
      : undefined) ?? this.#ended;
  }

  /** Whether a guest that only input can wake may still be given some. */
  #inputMayCome(): boolean {
    if (this.queues.some((q) => q.queued > 0)) return true;
    return this.hooks.inputMayCome?.() ?? [...this.#waits].some((w) => !this.#forEnd.has(w.poll) && w.deadline < Infinity);
  }

  /** True when a wait asked for this breakpoint. */
  #wanted(stop: Stop): boolean {
    return [...this.#waits].some((w) => w.poll({ stop, late: false }));
  }

  /** The waits that end now. A poll takes what it finds: each is asked once. */
  #endings(stop: Stop | undefined): Ending[] {
    const { seen } = this.forbidden;
    if (seen) return this.#forbiddenEndings(seen);
    const now = this.machine.age, wall = performance.now(), final = stop ?? this.stop, endings: Ending[] = [];
    for (const wait of this.#waits) {
      const late = now >= wait.deadline && !this.machine.yielded, result = wait.poll({ stop: final, late });
      const reported = (Kind: FailureKind, problem: string, why?: Stop) =>
        endings.push({ wait, reports: true, tell: () => wait.reject(this.report.failure(Kind, wait, problem, why)) });
      if (result) {
        const tell = () => "error" in result ? wait.reject(placed(result.error, wait.from)) : wait.resolve(result.value);
        endings.push({ wait, reports: false, tell });
      } else if (final && final.kind !== "breakpoint") {
        reported(UnexpectedStop, `The machine stopped (${describeStop(final)}) before`, final);
      } else if (late) reported(ScenarioTimeout, `Waited ${wait.within} in vain for`);
      else if (wall >= wait.wallDeadline) {
        reported(WallClockTimeout, `Waited ${(this.wallBudgetMs / 1000).toFixed(0)} s of wall-clock time in vain for`);
      }
    }
    return endings;
  }

  /** A forbidden pattern fails whoever waits. */
  #forbiddenEndings(seen: NonNullable<Forbidden["seen"]>): Ending[] {
    const words = this.report.lastWords(() => this.stop), problem = `${seen.where} ${show(seen.pattern)} (failOn) while waiting for`;
    this.forbidden.seen = undefined;
    const failure = (wait: Wait) => this.report.failure(FailPatternSeen, wait, problem, this.stop, words);
    return [...this.#waits].map((wait) => ({ wait, reports: true, tell: () => wait.reject(failure(wait)) }));
  }
}

/**
 * The event loop's turn after TURN_MS of running. The timer is armed before the machine runs, so that it is due by then: awaiting a fresh
 * one costs 2 ms, and `setImmediate` may leave sockets and stdin unread for seconds.
 */
class Turn {
  readonly #from = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly taken = new Promise<void>((resolve) => this.#timer = setTimeout(resolve, 1));
  cancel(): void {
    clearTimeout(this.#timer);
  }
  get due(): boolean {
    return performance.now() - this.#from > TURN_MS;
  }
}
