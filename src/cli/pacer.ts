// Idle time against the wall clock. A busy guest runs as fast as it can; a guest that waits for somebody to type waits in real time and
// costs the host nothing. Runs without anybody at the keyboard jump over idle time, so that they end as early as possible.
import type { MachineLike } from "../scenario/machine_like.ts";

/** Longest stretch of idle guest time that is run at once while pacing, and longest sleep. */
const IDLE_SLICE_S = 0.05;
/** Silence in guest time after which a piped run that could still get input is paced, too. */
const QUIET_S = 60;

/** How idle time passes: with the wall clock, jumped over, or jumped over until the guest has been silent for a minute of its time. */
export type Pacing = "wall" | "jump" | "auto";

export class Pacer {
  /** Where guest and wall time were equal. */
  #anchorTicks = 0;
  #anchorMs = performance.now();
  /** Tick of the last output or input. */
  #lastActivity = 0;
  #wake: () => void = () => {};

  constructor(readonly machine: MachineLike) {}

  /** The guest printed something, or was given something. */
  activity(): void {
    this.#lastActivity = this.machine.clock.ticks;
  }

  /** Ends a sleep: input has come. */
  wake(): void {
    this.activity();
    this.#wake();
  }

  /** Ticks that the next slice may take. */
  limitTicks(pacing: Pacing): number {
    const { ticks, hz } = this.machine.clock;
    if (this.#paced(pacing)) return hz * IDLE_SLICE_S;
    // Not beyond the time from which on it is paced.
    return pacing === "auto" ? Math.floor(this.#lastActivity + QUIET_S * hz - ticks) + 1 : Infinity;
  }

  /** The guest was working: what it gained or lost against the wall clock is forgotten. */
  busy(): void {
    this.#anchorTicks = this.machine.clock.ticks;
    this.#anchorMs = performance.now();
  }

  /** Every hart waits. `forever`: only input can end that. The promise is over when guest time may go on. */
  idle(pacing: Pacing, forever: boolean): Promise<void> | void {
    if (pacing === "jump") return;
    if (forever) return this.#sleep(undefined);
    if (!this.#paced(pacing)) return;
    const guestMs = (this.machine.clock.ticks - this.#anchorTicks) * 1000 / this.machine.clock.hz;
    const ahead = guestMs - (performance.now() - this.#anchorMs);
    if (ahead < -1000 * IDLE_SLICE_S) return this.busy();
    // Timers of the host are good to a millisecond or two.
    if (ahead > 2) return this.#sleep(ahead);
  }

  #paced(pacing: Pacing): boolean {
    const { ticks, hz } = this.machine.clock;
    return pacing === "wall" || (pacing === "auto" && ticks - this.#lastActivity > QUIET_S * hz);
  }

  #sleep(ms: number | undefined): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).then(() => {
      this.#wake = () => {};
      if (ms === undefined) this.busy();
    });
  }
}
