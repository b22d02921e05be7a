// 8254 programmable interval timer, and port 0x61 of a PC, which holds the gate and the output of counter 2.
// Source: Intel 8254 data sheet (231164-005, September 1993); port 0x61: Intel 82371SB (PIIX3) data sheet, 2.5.4.
// Not modelled: the one clock between the writing of a count and its loading; sound.
// Power-on is the state after a control word of mode 0 for each counter, because the data sheet leaves it open.
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";

/** 105 MHz / 88, as in every PC. */
const HZ = 1_193_182;
const CONTROL = 3, READ_BACK = 3;
const RW_LATCH = 0, RW_LOW = 1, RW_HIGH = 2, RW_BOTH = 3;
const NOT_COUNT = 0x20, NOT_STATUS = 0x10;
const STATUS_OUT = 0x80, STATUS_NULL = 0x40;
const PORT_61_GATE = 0x01, PORT_61_WRITABLE = 0x0f, PORT_61_REFRESH = 0x10, PORT_61_OUT = 0x20;
/** The refresh bit of port 0x61 toggles with every memory refresh. */
const REFRESH_NS = 15_085;

const counterPowerOn = (gate: boolean) => ({
  mode: 0,
  bcd: false,
  rw: RW_BOTH,
  gate,
  /** Clocks of one run, 1..65536. */
  count: 0x1_0000,
  /** Count that takes over at the clock `nextAt` as if it had begun at `nextStartedAt`, or at a rising gate; or 0. */
  next: 0,
  nextAt: 0,
  nextStartedAt: 0,
  /** Clock at which the run began; only while `counting`. */
  startedAt: 0,
  /** Clocks of the run while it stands still. */
  elapsed: 0,
  counting: false,
  /** A count was loaded (modes 1 and 5: and the gate has risen), so that the output follows the run. */
  running: false,
  /** A count was written since the control word. */
  written: false,
  /** Low byte of a count whose high byte has not come, or -1. */
  lowWritten: -1,
  /** The next read gives the high byte: of the running count, of the latched one. */
  readHigh: false,
  latchedHigh: false,
  /** Latched count and status, or -1. */
  latched: -1,
  status: -1,
});
type Counter = ReturnType<typeof counterPowerOn>;

const powerOn = () => ({ counters: [counterPowerOn(true), counterPowerOn(true), counterPowerOn(false)], port61: 0 });

export default defineDevice({
  type: "i8254",
  doc: "8254 interval timer with the speaker port 0x61; output: counter 0.",
  spec: "Intel 8254 data sheet 231164-005; Intel 82371SB, 2.5.4",
  keys: {},
  windows: () => [{ bus: "io", name: "counters", length: 4, at: 0x40 }, { bus: "io", name: "port61", length: 1, at: 0x61 }],
  outputs: () => ["irq"],
  create: (env, _config, ports) => new I8254(env, ports.irq[0] ?? unconnected()),
});

export class I8254 implements Device<ReturnType<typeof powerOn>> {
  state = powerOn();
  readonly windows: readonly BusTarget[];
  readonly #alarm: Alarm;

  constructor(readonly env: DeviceEnv, readonly irq: IrqLine) {
    this.#alarm = env.alarm("output", () => this.#update());
    const access = { min: 1, max: 1 } as const;
    this.windows = [
      { access, read: (offset) => this.#read(offset), write: (offset, _size, value) => this.#write(offset, value) },
      { access, read: () => this.#readPort61(), write: (_offset, _size, value) => this.#writePort61(value) },
    ];
  }

  reset(): void {
    this.state = powerOn();
    this.#update();
  }

  restored(): void {
    this.#update();
  }

  /** Level of an OUT pin. */
  out(counter: number): boolean {
    const c = this.#at(counter);
    return level(c, elapsed(c, this.#now()));
  }

  #now(): number {
    return this.env.clock.count(HZ);
  }

  /** The counter, with a new count taken when its time has come. */
  #at(n: number): Counter {
    const c = this.state.counters[n];
    takeNext(c, this.#now());
    return c;
  }

  #read(offset: number): number {
    if (offset === CONTROL) {
      this.env.log("guest", () => "read of the control word, which is write-only");
      return 0;
    }
    const c = this.#at(offset);
    if (c.status >= 0) {
      const status = c.status;
      c.status = -1;
      return status;
    }
    if (c.latched < 0) {
      const value = counterValue(c, elapsed(c, this.#now()));
      const high = c.rw === RW_HIGH || (c.rw === RW_BOTH && c.readHigh);
      c.readHigh = c.rw === RW_BOTH && !high;
      return high ? value >> 8 : value & 0xff;
    }
    const value = c.latched, high = c.rw === RW_HIGH || (c.rw === RW_BOTH && c.latchedHigh);
    c.latchedHigh = c.rw === RW_BOTH && !high;
    if (!c.latchedHigh) c.latched = -1;
    return high ? value >> 8 : value & 0xff;
  }

  #write(offset: number, value: number): void {
    if (offset !== CONTROL) this.#writeCount(this.#at(offset), value);
    else if (value >> 6 === READ_BACK) {
      for (let n = 0; n < 3; n++) if (value & 2 << n) this.#readBack(this.#at(n), value);
    } else {
      const c = this.#at(value >> 6), rw = (value >> 4) & 3;
      if (rw === RW_LATCH) this.#latch(c);
      else this.#setMode(c, rw, value);
    }
    this.#update();
  }

  #setMode(c: Counter, rw: number, value: number): void {
    const mode = (value >> 1) & 7;
    // Modes 6 and 7 are modes 2 and 3.
    Object.assign(c, counterPowerOn(c.gate), { rw, mode: mode > 5 ? mode - 4 : mode, bcd: !!(value & 1), count: c.count });
  }

  /** A count that is already latched stays until it was read; a new one is read from its low byte on. */
  #latch(c: Counter): void {
    if (c.latched < 0) c.latched = counterValue(c, elapsed(c, this.#now()));
  }

  #readBack(c: Counter, command: number): void {
    if (!(command & NOT_COUNT)) this.#latch(c);
    if (command & NOT_STATUS || c.status >= 0) return;
    const out = level(c, elapsed(c, this.#now())) ? STATUS_OUT : 0;
    // Up from the writing of a count to its loading ("Null count", figure 12): in modes 1 and 5 that waits for the gate.
    const loaded = isTriggered(c) ? c.running : c.written;
    const isNull = !loaded || c.next ? STATUS_NULL : 0;
    c.status = out | isNull | c.rw << 4 | c.mode << 1 | Number(c.bcd);
  }

  #writeCount(c: Counter, value: number): void {
    if (c.rw === RW_BOTH && c.lowWritten < 0) {
      c.lowWritten = value;
      // Mode 0: the first byte stops the counting and sets the output low.
      if (c.mode === 0) Object.assign(c, { elapsed: elapsed(c, this.#now()), counting: false, running: false });
      return;
    }
    const raw = c.rw === RW_LOW ? value : c.rw === RW_HIGH ? value << 8 : value << 8 | c.lowWritten;
    c.lowWritten = -1;
    const count = fromRegister(raw, c.bcd);
    if (c.running && c.mode !== 0 && c.mode !== 4) {
      c.next = count;
      c.nextAt = Infinity;
      // Without its gate a counter of modes 2 and 3 stands as it is until the gate rises.
      if (!isTriggered(c) && c.counting) scheduleNext(c, this.#now());
      return;
    }
    c.count = count;
    c.written = true;
    // Modes 1 and 5 wait for the gate.
    if (isTriggered(c)) return;
    c.running = true;
    this.#start(c);
  }

  /** Begins a run; without its gate it stands at its start. */
  #start(c: Counter): void {
    c.elapsed = 0;
    c.startedAt = this.#now();
    c.counting = c.gate;
  }

  #setGate(n: number, gate: boolean): void {
    const c = this.#at(n);
    if (gate === c.gate) return;
    const now = this.#now();
    c.gate = gate;
    if (!gate) {
      if (isTriggered(c)) return;
      c.elapsed = elapsed(c, now);
      c.counting = false;
    } else if (c.mode === 0 || c.mode === 4) {
      c.startedAt = now - c.elapsed;
      c.counting = c.running;
    } else if (c.written) {
      // A rising gate starts a new run in the other modes.
      if (c.next) [c.count, c.next] = [c.next, 0];
      c.running = true;
      this.#start(c);
    }
  }

  #readPort61(): number {
    const refresh = Math.floor(this.env.clock.nowNs / REFRESH_NS) & 1;
    return this.state.port61 | (refresh ? PORT_61_REFRESH : 0) | (this.out(2) ? PORT_61_OUT : 0);
  }

  #writePort61(value: number): void {
    this.state.port61 = value & PORT_61_WRITABLE;
    this.#setGate(2, !!(value & PORT_61_GATE));
  }

  #update(): void {
    const c = this.#at(0), now = this.#now();
    this.irq.set(level(c, elapsed(c, now)));
    // A period of one clock changes nothing, but the count that waits behind it does.
    const left = Math.min(untilChange(c, elapsed(c, now)), c.next && c.counting ? c.nextAt - now : Infinity);
    if (left === Infinity) this.#alarm.cancel();
    else this.#alarm.scheduleAt(this.env.clock.tickOf(now + left, HZ));
  }
}

/** Modes 1 and 5 begin with a rising gate, and run on without it. */
const isTriggered = (c: Counter) => c.mode === 1 || c.mode === 5;

const elapsed = (c: Counter, now: number) => c.counting ? now - c.startedAt : c.elapsed;

/** Clocks of the high half of a square wave. */
const highHalf = (count: number) => (count + 1) >> 1;

/** Mode 2 takes a new count at the end of its period, mode 3 at the end of the half. */
function scheduleNext(c: Counter, now: number): void {
  const phase = (now - c.startedAt) % c.count, begin = now - phase, half = highHalf(c.count);
  if (c.mode === 3 && phase < half) {
    c.nextAt = begin + half;
    c.nextStartedAt = c.nextAt - highHalf(c.next);
  } else c.nextAt = c.nextStartedAt = begin + c.count;
}

function takeNext(c: Counter, now: number): void {
  if (!c.next || !c.counting || now < c.nextAt) return;
  c.count = c.next;
  c.startedAt = c.nextStartedAt;
  c.next = 0;
}

/** The level of OUT after `d` clocks of the run. */
function level(c: Counter, d: number): boolean {
  switch (c.mode) {
    case 0:
      return c.running && d >= c.count;
    case 1:
      return !c.running || d >= c.count;
    case 2:
      return !c.counting || d % c.count !== c.count - 1;
    case 3:
      return !c.counting || d % c.count < highHalf(c.count);
    default:
      return !c.running || d !== c.count;
  }
}

/** Clocks until OUT changes, or Infinity. A period of one clock is not allowed and changes nothing. */
function untilChange(c: Counter, d: number): number {
  if (!c.counting || !c.running) return Infinity;
  const left = c.count - d, phase = d % c.count;
  switch (c.mode) {
    case 0:
    case 1:
      return left > 0 ? left : Infinity;
    case 2:
      if (c.count === 1) return Infinity;
      return phase < c.count - 1 ? c.count - 1 - phase : 1;
    case 3:
      if (c.count === 1) return Infinity;
      return phase < highHalf(c.count) ? highHalf(c.count) - phase : c.count - phase;
    default:
      return left > 0 ? left : left === 0 ? 1 : Infinity;
  }
}

/** What the counting element shows after `d` clocks, as the register has it. */
function counterValue(c: Counter, d: number): number {
  const phase = d % c.count;
  switch (c.mode) {
    case 2:
      return toRegister(c.count - phase, c.bcd);
    case 3: {
      // It counts by two from the even number below, once for each half.
      const half = highHalf(c.count);
      return toRegister((c.count & ~1) - 2 * (phase < half ? phase : phase - half), c.bcd);
    }
    default: {
      const modulus = c.bcd ? 10_000 : 0x1_0000;
      return toRegister((c.count + modulus - d % modulus) % modulus, c.bcd);
    }
  }
}

/** 0 stands for the largest count. */
function fromRegister(raw: number, bcd: boolean): number {
  if (!bcd) return raw || 0x1_0000;
  const digits = [12, 8, 4, 0].map((shift) => (raw >> shift) & 15);
  return digits.reduce((n, digit) => 10 * n + digit, 0) || 10_000;
}

function toRegister(count: number, bcd: boolean): number {
  if (!bcd) return count & 0xffff;
  return [1000, 100, 10, 1].reduce((raw, unit) => raw << 4 | Math.floor(count / unit) % 10, 0);
}
