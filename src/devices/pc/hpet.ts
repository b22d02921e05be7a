// High precision event timer: a counter with comparators. Source: IA-PC HPET Specification 1.0a (October 2004), chapter 2.
// The interrupts of the 8254 and of the CMOS clock pass through it: with legacy replacement routing it takes their place (2.3.5, LEG_RT_CNF).
// Not modelled: interrupts as messages (FSB).
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv, type DevicePorts, type Sources } from "../../core/device.ts";
import { type IrqLine, unconnected, Wire } from "../../core/irq.ts";
import { type Config, int, list } from "../../core/schema.ts";

const CAPABILITIES = 0x000, CONFIGURATION = 0x010, STATUS = 0x020, COUNTER = 0x0f0, TIMERS = 0x100, TIMER_BYTES = 0x20;
const TIMER_CONFIGURATION = 0x00, COMPARATOR = 0x08;
/** Vendor 8086h, legacy replacement, a counter of 64 bits, three comparators, revision 1. */
const ID = 0x8086_a201, COMPARATORS = 3;
const ENABLED = 0x1, LEGACY = 0x2;
const LEVEL = 0x2, INTERRUPTS = 0x4, PERIODIC = 0x8, VALUE_SET = 0x40, NARROW = 0x100, ROUTE = 0x3e00;
const WRITABLE = LEVEL | INTERRUPTS | PERIODIC | VALUE_SET | NARROW | ROUTE;
/** Of every timer: periodic mode, 64 bits. */
const ABILITIES = 0x30;
const ALL = 0xffff_ffff_ffff_ffffn, LOW = 0xffff_ffffn;
/** Outputs before those of the routes. */
const LEGACY_OUTPUTS = 2;

const timerPowerOn = () => ({
  configuration: 0,
  comparator: ALL,
  period: 0n,
  /** The lower half of the comparator was written with VALUE_SET: the upper one belongs to it. */
  setsValue: false,
  /** The counter has reached the comparator, and there is no period: nothing more comes until one of them or what it does is written. */
  done: false,
});
const powerOn = () => ({
  configuration: 0,
  /** Interrupts of level-triggered timers that have not been cleared. */
  status: 0,
  /** The counter while it stands; while it runs, what it is ahead of the clock's count, modulo 2^64. */
  counter: 0n,
  timers: Array.from({ length: COMPARATORS }, timerPowerOn),
  pit: false,
  rtc: false,
});
type Timer = ReturnType<typeof timerPowerOn>;

const keys = {
  hz: int("rate of its counter", { default: 100_000_000, min: 10_000_000, max: 1_000_000_000 }),
  routes: list("interrupt inputs that comparators can be routed to: outputs `route2` and so on", int("input", { max: 31 }), {
    default: [2] as number[],
  }),
};

export default defineDevice({
  type: "x86.hpet",
  family: "x86",
  doc: "High precision event timer with three comparators; the 8254's and the CMOS clock's interrupts pass through it.",
  spec: "IA-PC HPET Specification 1.0a",
  keys,
  windows: () => [{ bus: "mem", name: "regs", length: 0x400, at: 0xfed0_0000 }],
  outputs: (config) => ["irq0", "irq8", ...config.routes.map((n) => `route${n}`)],
  inputs: () => ({ names: ["pit", "rtc"] }),
  create: (env, config, ports) => new Hpet(env, config, ports),
});

export class Hpet implements Device<ReturnType<typeof powerOn>>, BusTarget {
  state = powerOn();
  readonly access = { min: 4, max: 4 } as const;
  readonly windows = [this];
  readonly #alarms: Alarm[];
  readonly #outputs: readonly IrqLine[];
  readonly #inputs: Readonly<Record<string, IrqLine>>;

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, ports: DevicePorts) {
    this.#alarms = this.state.timers.map((_, n) => env.alarm(`timer${n}`, () => this.#matched(n)));
    this.#outputs = Array.from({ length: LEGACY_OUTPUTS + config.routes.length }, (_, n) => ports.irq[n] ?? unconnected());
    const input = (name: "pit" | "rtc") =>
      new Wire((level) => {
        this.state[name] = level;
        this.#update();
      });
    this.#inputs = { pit: input("pit"), rtc: input("rtc") };
  }

  reset(): void {
    this.state = powerOn();
    this.restored();
  }
  restored(): void {
    this.#update();
    for (const n of this.state.timers.keys()) this.#schedule(n);
  }
  input(name: string): IrqLine | undefined {
    return this.#inputs[name];
  }

  /** By a comparator that goes there, or by what passes through. */
  mayRaise(output: number, from: Sources): boolean {
    const line = this.#outputs[output], through = this.#legacy ? undefined : ["pit", "rtc"][output];
    return this.#alarms.some((alarm, n) => alarm.at < Infinity && this.#outputOf(n) === line) ||
      (through !== undefined && from.input(through));
  }

  get #running(): boolean {
    return (this.state.configuration & ENABLED) !== 0;
  }
  get #counter(): bigint {
    const { counter } = this.state;
    return this.#running ? BigInt.asUintN(64, counter + BigInt(this.env.clock.count(this.config.hz))) : counter;
  }
  set #counter(value: bigint) {
    this.state.counter = this.#running ? BigInt.asUintN(64, value - BigInt(this.env.clock.count(this.config.hz))) : value;
  }

  read(offset: number): number {
    const { state: s } = this, high = (offset & 4) !== 0, half = (value: bigint) => Number(high ? value >> 32n : value & LOW);
    switch (offset & ~4) {
      case CAPABILITIES:
        return high ? Math.round(1e15 / this.config.hz) : ID;
      case CONFIGURATION:
        return high ? 0 : s.configuration;
      case STATUS:
        return high ? 0 : s.status;
      case COUNTER:
        return half(this.#counter);
    }
    const timer = s.timers[(offset - TIMERS) >> 5];
    switch (timer ? offset & (TIMER_BYTES - 5) : -1) {
      case TIMER_CONFIGURATION:
        return high ? this.config.routes.reduce((mask, n) => (mask | 1 << n) >>> 0, 0) : timer.configuration | ABILITIES;
      case COMPARATOR:
        return half(timer.comparator);
    }
    this.env.log("guest", () => `read of 0x${offset.toString(16)}: no such register`);
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    const { state: s } = this, high = (offset & 4) !== 0;
    const replaced = (old: bigint) => high ? BigInt(value) << 32n | old & LOW : old & ~LOW | BigInt(value);
    switch (offset & ~4) {
      case CAPABILITIES:
        return;
      case CONFIGURATION:
        if (!high) this.#configure(value & (ENABLED | LEGACY));
        return this.restored();
      case STATUS:
        if (!high) s.status &= ~value;
        return this.#update();
      case COUNTER:
        this.#counter = replaced(this.#counter);
        for (const t of s.timers) t.done = false;
        return this.restored();
    }
    const n = (offset - TIMERS) >> 5, timer = s.timers[n];
    switch (timer ? offset & (TIMER_BYTES - 5) : -1) {
      case TIMER_CONFIGURATION:
        if (high) return;
        timer.configuration = value & WRITABLE;
        timer.done = false;
        if (!(value & LEVEL)) s.status &= ~(1 << n);
        if (value & NARROW) narrow(timer);
        this.#update();
        return this.#schedule(n);
      case COMPARATOR:
        this.#setComparator(timer, high, replaced);
        timer.done = false;
        return this.#schedule(n);
    }
    this.env.log("guest", () => `write of 0x${value.toString(16)} to 0x${offset.toString(16)}: no such register`);
  }

  /** The counter goes on where it stood. */
  #configure(value: number): void {
    const counter = this.#counter;
    this.state.configuration = value;
    this.#counter = counter;
  }

  /** 2.3.9.2.2: in periodic mode a write sets the period, and with VALUE_SET, which it clears, the comparator as well. */
  #setComparator(t: Timer, high: boolean, replaced: (old: bigint) => bigint): void {
    const periodic = (t.configuration & PERIODIC) !== 0;
    if (!high) t.setsValue = (t.configuration & VALUE_SET) !== 0;
    if (!periodic || t.setsValue) t.comparator = replaced(t.comparator);
    if (periodic) t.period = replaced(t.period);
    t.configuration &= ~VALUE_SET;
    if (t.configuration & NARROW) narrow(t);
  }

  /** Sets the alarm for the moment at which the counter will be equal to the comparator. */
  #schedule(n: number): void {
    const t = this.state.timers[n], alarm = this.#alarms[n], bits = t.configuration & NARROW ? 32 : 64;
    let at = Infinity;
    if (this.#running && t.configuration & INTERRUPTS && !t.done) {
      const left = BigInt.asUintN(bits, t.comparator - this.#counter);
      at = this.env.clock.tickOf(this.env.clock.count(this.config.hz) + Number(left), this.config.hz);
    }
    // Beyond 2^53 ticks nothing happens in a machine's life.
    if (at <= Number.MAX_SAFE_INTEGER) alarm.scheduleAt(at);
    else if (alarm.at !== Infinity) alarm.cancel();
  }

  #matched(n: number): void {
    const { state: s } = this, t = s.timers[n], bits = t.configuration & NARROW ? 32 : 64;
    if (t.configuration & PERIODIC && t.period > 0n) {
      // Where the counter is faster than the processor, several periods may end at once.
      const passed = BigInt.asUintN(bits, this.#counter - t.comparator) / t.period + 1n;
      t.comparator = BigInt.asUintN(bits, t.comparator + passed * t.period);
      this.#schedule(n);
    } else t.done = true;
    if (t.configuration & LEVEL) {
      s.status |= 1 << n;
      this.#update();
    } else {
      this.#outputOf(n)?.set(true);
      this.#update();
    }
  }

  get #legacy(): boolean {
    return (this.state.configuration & LEGACY) !== 0;
  }
  /** Where a timer's interrupt goes now. */
  #outputOf(n: number): IrqLine | undefined {
    if (this.#legacy && n < LEGACY_OUTPUTS) return this.#outputs[n];
    const route = this.config.routes.indexOf((this.state.timers[n].configuration & ROUTE) >> 9);
    return route < 0 ? undefined : this.#outputs[LEGACY_OUTPUTS + route];
  }

  /** Levels of all outputs: level-triggered timers, and what passes through. */
  #update(): void {
    const { status, timers, pit, rtc } = this.state;
    const high = new Set(timers.map((_, n) => status >> n & 1 ? this.#outputOf(n) : undefined));
    const through = this.#legacy ? [false, false] : [pit, rtc];
    for (const [i, line] of this.#outputs.entries()) line.set(high.has(line) || (through[i] ?? false));
  }
}

/** A timer of 32 bits ignores the upper half. */
function narrow(t: Timer): void {
  t.comparator &= LOW;
  t.period &= LOW;
}
