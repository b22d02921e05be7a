// Virtual time. It advances by instructions executed and by idle waits, never by the host's clock.

/** A one-shot alarm on the machine's clock; scheduling it again moves it. */
export interface Alarm {
  /** Fires `delayNs` nanoseconds of guest time from now. */
  schedule(delayNs: number): void;
  /** Fires at an absolute time in ticks; a time that has passed fires at the next boundary between instructions. */
  scheduleAt(ticks: number): void;
  cancel(): void;
  /** Absolute time in ticks, or Infinity when it is not scheduled. */
  readonly at: number;
}

/** What a device sees of time. */
export interface Clock {
  /** Nanoseconds since reset. */
  readonly nowNs: number;
  /** Ticks (instruction times) since reset. */
  readonly ticks: number;
  /** How often a counter of `hz` has counted since reset. */
  count(hz: number): number;
  /** The first tick at which `count(hz)` is at least `count`. */
  tickOf(count: number, hz: number): number;
}

class ClockAlarm implements Alarm {
  at = Infinity;
  constructor(readonly clock: VirtualClock, readonly name: string, readonly device: string | undefined, readonly onFire: () => void) {}
  schedule(delayNs: number): void {
    this.scheduleAt(this.clock.ticks + Math.max(0, Math.ceil(delayNs * this.clock.hz / 1e9)));
  }
  scheduleAt(ticks: number): void {
    this.at = ticks;
    this.clock.moved();
  }
  cancel(): void {
    this.at = Infinity;
    this.clock.moved();
  }
}

/** A timer whose counter is RISC-V's time CSR (a CLINT). */
export interface TimeSource {
  /** Counter of timebase_hz; exact below 2^53. */
  timeSource(): number;
  /** First tick at which that is at least `time`. */
  tickOfTime(time: number): number;
  /** To be called when that counter was written; set by whoever uses it. */
  onTimeWritten?: () => void;
}

/** The machine's clock: `hz` ticks per guest second; one tick is the time of one instruction. */
export class VirtualClock implements Clock {
  /** Ticks up to the start of the running slice. */
  base = 0;
  /** Ticks of the running slice so far; the machine replaces it while a hart runs. */
  elapsed: () => number = () => 0;
  /** Called when an alarm was moved, so that a running slice can be cut short. */
  onMoved: () => void = () => {};
  readonly alarms: ClockAlarm[] = [];
  #next = Infinity;
  readonly #ratios = new Map<number, { readonly n: number; readonly d: number }>();

  constructor(readonly hz: number) {}

  get ticks(): number {
    return this.base + this.elapsed();
  }
  get nowNs(): number {
    const t = this.ticks, seconds = Math.floor(t / this.hz);
    return seconds * 1e9 + Math.floor((t - seconds * this.hz) * 1e9 / this.hz);
  }
  count(hz: number): number {
    // Guests poll counters: no remainders of doubles, which are slow.
    if (hz === this.hz) return this.ticks;
    const { n, d } = this.#ratio(hz), t = this.ticks, whole = Math.floor(t / d);
    return whole * n + Math.floor((t - whole * d) * n / d);
  }
  tickOf(count: number, hz: number): number {
    const { n, d } = this.#ratio(hz);
    return Math.floor(count / n) * d + Math.ceil((count % n) * d / n);
  }
  /** Counts of `hz` in so many ticks, in lowest terms. */
  #ratio(hz: number): { readonly n: number; readonly d: number } {
    let ratio = this.#ratios.get(hz);
    if (!ratio) {
      const g = gcd(hz, this.hz);
      this.#ratios.set(hz, ratio = { n: hz / g, d: this.hz / g });
    }
    return ratio;
  }
  /** A new alarm: of a device, or of the platform. Snapshots know it by its name, which must be its own. */
  alarm(name: string, onFire: () => void, device?: string): Alarm {
    const a = new ClockAlarm(this, device === undefined ? name : `${device}: ${name}`, device, onFire);
    if (this.alarms.some((other) => other.name === a.name)) throw new Error(`two alarms are called '${a.name}'`);
    this.alarms.push(a);
    return a;
  }
  /** When each alarm that is set fires, by name. */
  save(): Record<string, number> {
    const out: Record<string, number> = {};
    for (const { name, at } of this.alarms) if (at < Infinity) out[name] = at;
    return out;
  }
  /** Sets the alarms as `save` told of them, and no others. */
  load(saved: Readonly<Record<string, number>>): void {
    for (const a of this.alarms) a.at = saved[a.name] ?? Infinity;
    this.refresh();
  }
  /** Time of the earliest alarm in ticks, or Infinity. */
  get next(): number {
    return this.#next;
  }
  /** @internal An alarm changed. */
  moved(): void {
    this.refresh();
    this.onMoved();
  }
  /** Recomputes `next`. */
  refresh(): void {
    this.#next = Infinity;
    for (const a of this.alarms) if (a.at < this.#next) this.#next = a.at;
  }
  /** Fires every alarm that is due at the current time, earliest first, ties in order of creation. */
  fireDue(): void {
    while (this.#next <= this.ticks) {
      let due: ClockAlarm | undefined;
      for (const a of this.alarms) if (a.at <= this.ticks && (!due || a.at < due.at)) due = a;
      if (!due) break;
      due.at = Infinity;
      this.refresh();
      due.onFire();
    }
  }
}

function gcd(a: number, b: number): number {
  while (b) [a, b] = [b, a % b];
  return a;
}
