// How guest time passes: every hart has its slice, one after the other, and the clock goes on behind them. It knows of processors and of the
// clock only. What it does follows from guest time alone: the host's clock decides no more than where `run` comes back.
import type { VirtualClock } from "../core/clock.ts";
import type { Cpu } from "../core/cpu.ts";
import type { StopRequest } from "../core/device.ts";
import { FRESH, INSIDE, type Moment, turnOf } from "./moment.ts";
import type { Sleep } from "./reach.ts";
import type { Stop } from "./stop.ts";

/** Instructions that a hart runs before the next one has its turn, when several are awake. Such a slice is never cut by the caller's wishes: the run must not depend on them. */
const QUANTUM = 20_000;
/**
 * A hart that is alone awake stops at every multiple of so many ticks, and a session's slices end there: where the engine is cut decides which
 * blocks it meets, and what it compiles must not follow the wall clock. 0.2 ms of compiled code, 1 to 2 ms of interpreted code.
 */
const GRID = 2 ** 19;
/** A reset takes a millisecond of guest time: chipsets hold its line about that long. */
const RESETS_A_SECOND = 1000;
/** The next tick at which a hart that is alone awake stops. */
const gridAfter = (ticks: number) => (Math.floor(ticks / GRID) + 1) * GRID;

/** The part of guest time that is being run: every hart gets `length` ticks, one after the other. */
export interface Slice {
  length: number;
  hart: number;
  /** Ticks that the present hart has had. */
  done: number;
  /** When each hart begins: Infinity while it waits. What one hart wakes does not run before that, wherever the slice began. */
  readonly from: number[];
}

/** What the schedule asks of the machine. */
export interface ScheduleHost {
  /** A hart is about to run whose first instruction is at this tick. */
  begins(ticks: number): void;
  /** What can wake processors that all wait. */
  sleep(): Sleep;
  /** A reset was asked for: carries it out (`Schedule.reset` among it), or says that it ends the run. */
  reset(): Stop | undefined;
}

export class Schedule {
  /** In the order of their turns; given when the platform has made them, before anything runs. */
  cpus: readonly Cpu[] = [];
  /** How the run ended for good; undefined while it can go on. */
  stopped: Stop | undefined;
  #request: StopRequest | undefined;
  #break = false;
  #slice: Slice | undefined;
  #yielded = false;
  /** By the host's clock, when `run` is to come back. */
  #wallEnd = Infinity;
  /** Whoever runs it with a limit of wall time knows that it waits for input. */
  #announced = false;
  /** Ticks up to the last reset, and those that the resets took. */
  #before = 0;
  /** It is running, or an alarm fires. */
  #inside = false;
  /** `run` comes back at this moment, which is not inside of anything. */
  stopAt: Moment | undefined;

  constructor(readonly clock: VirtualClock, readonly host: ScheduleHost) {}

  /** Whether the last `run` came back for the sake of wall time. */
  get yielded(): boolean {
    return this.#yielded;
  }
  /** Ticks of guest time that have passed in all, those before resets included. */
  get age(): number {
    return this.#before + this.clock.ticks;
  }
  /** Where the run is, exactly. */
  get moment(): Moment {
    return { ticks: this.age, where: this.#where() };
  }
  #where(): number {
    const slice = this.#slice;
    if (!slice) return this.#inside ? INSIDE : 0;
    if (this.#inside) return turnOf(slice.hart) | INSIDE;
    return turnOf(slice.hart) | (this.#isFresh(slice) ? FRESH : 0);
  }
  #isFresh({ hart, done, from, length }: Slice): boolean {
    return done === Math.min(from[hart], length);
  }
  /** Ticks of the present hart until `stopAt`; Infinity when that is not in its turn. */
  #ticksToStop({ hart, done }: Slice): number {
    const { stopAt } = this, fits = stopAt !== undefined && stopAt.where >> 2 === hart + 1;
    const left = fits ? stopAt.ticks - this.#before - this.clock.base - done : -1;
    return left < 0 ? Infinity : left;
  }
  /** Whether the open slice is at `stopAt`; then `run` comes back. */
  #stopsHere(slice: Slice): boolean {
    const here = this.#ticksToStop(slice) === 0 && this.#isFresh(slice) === ((this.stopAt!.where & FRESH) !== 0);
    if (here) this.#break = true;
    return here;
  }
  /** Ticks of the short first slice that are left. */
  get early(): number {
    return Math.max(0, GRID - this.clock.ticks);
  }

  /** See `Machine.run`. */
  run(untilTicks: number, wallMs = Infinity): Stop | undefined {
    this.#inside = true;
    const stop = this.#run(untilTicks, wallMs);
    this.#inside = false;
    return stop;
  }
  #run(untilTicks: number, wallMs: number): Stop | undefined {
    this.#wallEnd = performance.now() + wallMs;
    untilTicks = Math.floor(untilTicks);
    this.#break = this.#yielded = false;
    let stop: Stop | undefined;
    while (!(stop = this.stopped) && !this.#break && !this.#yielded) {
      if (!this.#slice) {
        this.clock.fireDue();
        this.#settle();
        if (this.stopped || this.#break) continue;
        if (this.clock.base >= untilTicks) break;
        if (this.cpus.every((c) => c.idle)) {
          const sleep = this.host.sleep(), next = Math.min(this.clock.next, untilTicks);
          if (sleep === "dead") this.stopped = { kind: "deadHalt", pc: this.cpus[0].pc };
          if (sleep === "dead" || (sleep === "input" && !this.#announced && this.#wallEnd < Infinity) || next === Infinity) {
            this.#announced = true;
            break;
          }
          this.clock.base = next;
          this.#look();
          continue;
        }
      }
      if ((stop = this.#runSlice(untilTicks))) break;
    }
    return stop ?? this.stopped;
  }

  /** Looks at the host's clock. */
  #look(): void {
    if (this.#wallEnd < Infinity && performance.now() >= this.#wallEnd) this.#yielded = true;
  }

  /** Runs the present slice, or a new one, to its end or to a break; undefined unless a breakpoint was met. */
  #runSlice(untilTicks: number): Stop | undefined {
    this.#announced = false;
    const awake = this.cpus.reduce((n, c) => n + (c.idle ? 0 : 1), 0);
    const slice = this.#slice ??= {
      length: Math.max(
        1,
        Math.min(this.clock.next, awake > 1 ? this.clock.base + QUANTUM : Math.min(untilTicks, gridAfter(this.clock.base))) -
          this.clock.base,
      ),
      hart: 0,
      done: 0,
      from: this.cpus.map((c) => c.idle ? Infinity : 0),
    };
    for (; slice.hart < this.cpus.length; slice.hart++, slice.done = Math.min(slice.from[slice.hart], slice.length)) {
      const cpu = this.cpus[slice.hart];
      if (this.#stopsHere(slice)) return undefined;
      while (slice.done < slice.length && !cpu.idle) {
        const before = slice.done;
        this.clock.elapsed = () => before + cpu.executed;
        this.host.begins(this.clock.base + before);
        const end = cpu.run(Math.min(slice.length - before, this.#ticksToStop(slice) || Infinity));
        slice.done = before + cpu.executed;
        this.clock.elapsed = () => slice.done;
        this.#settle();
        if (this.stopped) return this.#endSlice(slice.done);
        if (end === "breakpoint") return { kind: "breakpoint", cpu: cpu.index, pc: cpu.pc };
        if (this.#break || this.#stopsHere(slice)) return undefined;
        this.#look();
        if (this.#yielded) return undefined;
      }
      // A hart alone does not wait out its slice: the clock goes on from here to whatever wakes it.
      if (this.cpus.length === 1) return this.#endSlice(slice.done);
    }
    return this.#endSlice(slice.length);
  }
  #endSlice(ticks: number): undefined {
    this.clock.base += ticks;
    this.clock.elapsed = () => 0;
    this.#slice = undefined;
    return undefined;
  }

  /** Exactly one instruction of one hart. */
  step(cpu: number): Stop | undefined {
    this.#inside = true;
    const stop = this.#step(cpu);
    this.#inside = false;
    return stop;
  }
  #step(cpu: number): Stop | undefined {
    const c = this.cpus[cpu];
    this.clock.fireDue();
    if (this.stopped) return this.stopped;
    const base = this.clock.base + (this.#slice?.done ?? 0);
    this.clock.elapsed = () => base - this.clock.base + c.executed;
    this.#slice ??= { length: 1, hart: cpu, done: 0, from: this.cpus.map(() => 0) };
    this.host.begins(base);
    // A breakpoint at the very instruction is passed over.
    if (c.run(1) === "breakpoint") c.run(1);
    this.#endSlice((this.#slice?.done ?? 0) + c.executed);
    this.#settle();
    return this.stopped;
  }

  /** An alarm was set: the running slice must end there. */
  clockMoved(): void {
    const slice = this.#slice;
    if (slice && this.clock.next < this.clock.base + slice.length) this.#cut(Math.max(1, Math.ceil(this.clock.next - this.clock.base)));
  }
  /** A hart that may have been idle has work: harts after it in this slice see it at once, the others at its end. */
  interrupted(hart: number): void {
    const slice = this.#slice;
    if (!slice || hart === slice.hart) return;
    const now = this.clock.ticks - this.clock.base;
    if (slice.from[hart] === Infinity) slice.from[hart] = now;
    this.#cut(now + 1);
  }
  /** Ends the running slice after `length` ticks if it is longer. */
  #cut(length: number): void {
    const slice = this.#slice!;
    const now = this.clock.ticks - this.clock.base;
    slice.length = Math.min(slice.length, Math.max(length, now));
    this.cpus[slice.hart]?.attention();
  }

  /** Leaves `run` after the current instruction; for callbacks that run inside it. */
  requestBreak(): void {
    this.#break = true;
    this.#attention();
  }
  #attention(): void {
    if (this.#slice) this.cpus[this.#slice.hart]?.attention();
  }
  /** A device or the firmware asks for the end of the run or for a reset, after the current instruction. */
  ask(request: StopRequest): void {
    this.#request ??= request;
    this.#attention();
  }
  /** Ends the run: the guest can do nothing sensible any more. */
  die(stop: Stop): void {
    this.stopped ??= stop;
    this.#attention();
  }
  /** Acts on what was asked for. */
  #settle(): void {
    const request = this.#request;
    this.#request = undefined;
    if (request && !this.stopped) this.stopped ??= request.kind === "reset" ? this.host.reset() : request;
  }

  /** Guest time starts again at 0, and no alarm is set. */
  reset(): void {
    // It takes as long as it would: a guest that resets itself for ever grows old, too.
    this.#before += this.clock.ticks + Math.ceil(this.clock.hz / RESETS_A_SECOND);
    // `run` must come back: a guest that resets itself for ever never reaches the time that the caller waits for.
    this.#break = true;
    this.#slice = undefined;
    this.clock.elapsed = () => 0;
    this.clock.base = 0;
    this.clock.load({});
  }

  save(): {
    readonly clock: number;
    readonly before: number;
    readonly alarms: Readonly<Record<string, number>>;
    readonly slice: Slice | undefined;
    readonly stopped: Stop | undefined;
  } {
    return {
      clock: this.clock.base,
      before: this.#before,
      alarms: this.clock.save(),
      slice: structuredClone(this.#slice),
      stopped: this.stopped,
    };
  }
  /** Takes up the state of `save`; `between` is when devices and processors take up theirs. */
  load(s: ReturnType<Schedule["save"]>, between: () => void): void {
    this.clock.base = s.clock;
    this.#before = s.before;
    const slice = structuredClone(s.slice), done = slice?.done ?? 0;
    // Wires that move while devices take up their states must not cut the slice: what is to be cut has been cut.
    this.#slice = undefined;
    this.clock.elapsed = () => done;
    between();
    this.clock.load(s.alarms);
    this.#slice = slice;
    this.stopped = s.stopped;
    this.#request = undefined;
  }
}
