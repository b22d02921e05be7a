// MC146818 real-time clock and CMOS memory of a PC.
// Source: Motorola MC146818A data sheet (ADI1117, 1984); the century byte 0x32 and its alias 0x37 are the PC's.
// Not modelled: the square wave, daylight saving, other time bases than 32768 Hz.
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";

const SECONDS = 0, SECONDS_ALARM = 1, MINUTES = 2, MINUTES_ALARM = 3, HOURS = 4, HOURS_ALARM = 5;
const WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9, A = 10, B = 11, C = 12, D = 13, CENTURY = 0x32, CENTURY_ALIAS = 0x37;
const A_UPDATING = 0x80, A_DIVIDER = 0x70, A_RATE = 0x0f;
const B_SET = 0x80, B_PERIODIC = 0x40, B_ALARM = 0x20, B_UPDATE = 0x10, B_BINARY = 0x04, B_24H = 0x02;
const C_IRQ = 0x80, C_PERIODIC = 0x40, C_ALARM = 0x20, C_UPDATE = 0x10, D_VALID = 0x80;
const PM = 0x80, ANY = 0xc0;
const HZ = 32_768, SECOND_NS = 1e9;
/** The update-in-progress bit is up this long before the time changes. */
const UPDATE_NS = 244_141;
const DAY_SECONDS = 86_400;

const powerOn = () => ({
  index: 0,
  /** All 128 bytes. The time and alarm bytes are what the guest sees only while the clock stands. */
  ram: Array.from<unknown, number>({ length: 128 }, (_, i) => i === A ? 0x26 : i === B ? B_24H : i === D ? D_VALID : 0),
  /** What the guest's settings add to the machine's time. */
  adjustSeconds: 0,
  /** Phase of the second: 0..999_999_999. */
  phaseNs: 0,
  /** Interrupt flags of C, complete up to the moment that the two `seen` name. */
  flags: 0,
  seenSecond: 0,
  seenClock: 0,
});

export default defineDevice({
  type: "mc146818",
  doc: "MC146818 real-time clock with 128 bytes of CMOS memory.",
  spec: "Motorola MC146818A data sheet, 1984",
  keys: {},
  windows: () => [{ bus: "io", name: "cmos", length: 2, at: 0x70 }],
  outputs: () => ["irq"],
  create: (env, _config, ports) => new Mc146818(env, ports.irq[0] ?? unconnected()),
});

export class Mc146818 implements Device<ReturnType<typeof powerOn>>, BusTarget {
  state = powerOn();
  readonly access = { min: 1, max: 1 } as const;
  readonly windows = [this];
  readonly #alarm: Alarm;

  constructor(readonly env: DeviceEnv, readonly irq: IrqLine) {
    this.#alarm = env.alarm("event", () => this.#update());
  }

  /** The battery keeps time and memory; RESET clears the interrupt enables and flags. */
  reset(): void {
    const { ram, adjustSeconds, phaseNs } = this.state;
    ram[B] &= ~(B_PERIODIC | B_ALARM | B_UPDATE);
    this.state = { ...powerOn(), ram, adjustSeconds, phaseNs };
    this.#seen();
    this.#update();
  }

  restored(): void {
    this.#signal();
  }

  /** Sets a byte of the CMOS memory as the firmware would (sizes, boot order). */
  setByte(index: number, value: number): void {
    this.state.ram[index & 0x7f] = value & 0xff;
  }

  read(offset: number): number {
    if (offset === 0) return 0xff; // the index is write-only
    const s = this.state, index = s.index === CENTURY_ALIAS ? CENTURY : s.index;
    if (index === C) {
      this.#collect();
      const enabled = s.flags & s.ram[B] & (C_PERIODIC | C_ALARM | C_UPDATE);
      const value = s.flags | (enabled ? C_IRQ : 0);
      s.flags = 0;
      this.#update();
      return value;
    }
    if (index === A) return s.ram[A] & ~A_UPDATING | (this.#updating() ? A_UPDATING : 0);
    return isTime(index) && this.#running ? this.#timeByte(index, this.#second()) : s.ram[index];
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.state;
    if (offset === 0) {
      s.index = value & 0x7f; // bit 7 masks the NMI of a PC
      return;
    }
    const index = s.index === CENTURY_ALIAS ? CENTURY : s.index;
    this.#collect();
    if (index === A || index === B) this.#control(index, value);
    else if (index === C || index === D) {
      this.env.log("guest", () => `write of 0x${value.toString(16)} to read-only register ${"ABCD"[index - A]}`);
    } else if (isTime(index) && this.#running) {
      this.#freeze();
      s.ram[index] = value;
      this.#setTime();
    } else s.ram[index] = value;
    this.#update();
  }

  /** Time passes: not being set, and the divider counts. */
  get #running(): boolean {
    const { ram } = this.state;
    return !(ram[B] & B_SET) && this.#dividing;
  }

  get #dividing(): boolean {
    return (this.state.ram[A] & A_DIVIDER) <= 0x20;
  }

  #control(index: number, value: number): void {
    const s = this.state, was = this.#running, divided = this.#dividing;
    if (was) this.#freeze();
    s.ram[index] = index === A ? value & ~A_UPDATING : value;
    // The first update comes half a second after the divider was released.
    if (!divided && this.#dividing) s.phaseNs = this.#phaseFor(SECOND_NS / 2);
    if (!was && this.#running) this.#setTime();
  }

  #ns(): number {
    return this.env.clock.nowNs + this.state.phaseNs;
  }

  /** Seconds since 1970 on the guest's clock. */
  #second(): number {
    return this.env.epochSeconds + this.state.adjustSeconds + Math.floor(this.#ns() / SECOND_NS);
  }

  /** The phase with which the current second is `ns` old. */
  #phaseFor(ns: number): number {
    return (ns + SECOND_NS - this.env.clock.nowNs % SECOND_NS) % SECOND_NS;
  }

  #updating(): boolean {
    return this.#running && this.#ns() % SECOND_NS >= SECOND_NS - UPDATE_NS;
  }

  /** Copies the running time into the bytes. */
  #freeze(): void {
    const second = this.#second();
    for (const index of TIME_BYTES) this.state.ram[index] = this.#timeByte(index, second);
  }

  /** Takes the time from the bytes. Dates that do not exist roll over. */
  #setTime(): void {
    const { ram } = this.state;
    const n = (index: number) => this.#decode(ram[index]);
    const pm = ram[HOURS] & PM;
    const hours = ram[B] & B_24H ? n(HOURS) : this.#decode(ram[HOURS] & ~PM) % 12 + (pm ? 12 : 0);
    const wanted = Date.UTC(100 * n(CENTURY) + n(YEAR), n(MONTH) - 1, n(DAY), hours, n(MINUTES), n(SECONDS)) / 1000;
    this.state.adjustSeconds += wanted - this.#second();
    this.#seen();
  }

  #timeByte(index: number, second: number): number {
    const t = new Date(second * 1000);
    switch (index) {
      case SECONDS:
        return this.#encode(t.getUTCSeconds());
      case MINUTES:
        return this.#encode(t.getUTCMinutes());
      case HOURS: {
        const h = t.getUTCHours();
        return this.state.ram[B] & B_24H ? this.#encode(h) : this.#encode(h % 12 || 12) | (h >= 12 ? PM : 0);
      }
      case WEEKDAY:
        return this.#encode(t.getUTCDay() + 1);
      case DAY:
        return this.#encode(t.getUTCDate());
      case MONTH:
        return this.#encode(t.getUTCMonth() + 1);
      case YEAR:
        return this.#encode(t.getUTCFullYear() % 100);
      default:
        return this.#encode(Math.floor(t.getUTCFullYear() / 100));
    }
  }

  #encode(n: number): number {
    return this.state.ram[B] & B_BINARY ? n : Math.floor(n / 10) << 4 | n % 10;
  }

  #decode(byte: number): number {
    return this.state.ram[B] & B_BINARY ? byte : 10 * (byte >> 4) + (byte & 15);
  }

  /** Period of the periodic interrupt in clocks of 32768 Hz, or 0. Rates 1 and 2 are those of 8 and 9 (data sheet, table 5). */
  #period(): number {
    const rate = this.state.ram[A] & A_RATE;
    return rate === 0 || !this.#dividing ? 0 : 1 << (rate < 3 ? rate + 6 : rate - 1);
  }

  #clock(): number {
    return this.env.clock.count(HZ);
  }

  #seen(): void {
    this.state.seenSecond = this.#second();
    this.state.seenClock = this.#clock();
  }

  /** Brings the flags up to now. */
  #collect(): void {
    const s = this.state, period = this.#period();
    if (period && Math.floor(this.#clock() / period) > Math.floor(s.seenClock / period)) s.flags |= C_PERIODIC;
    if (this.#running && this.#second() > s.seenSecond) {
      s.flags |= C_UPDATE;
      if (this.#nextAlarm(s.seenSecond) <= this.#second()) s.flags |= C_ALARM;
    }
    this.#seen();
  }

  /** The first second after `second` that matches the alarm bytes; Infinity when none does. */
  #nextAlarm(second: number): number {
    const { ram } = this.state;
    const matches = (alarm: number, index: number, t: number) => (ram[alarm] & ANY) === ANY || ram[alarm] === this.#timeByte(index, t);
    for (let t = second + 1; t <= second + DAY_SECONDS;) {
      if (!matches(HOURS_ALARM, HOURS, t)) t += 3600 - t % 3600;
      else if (!matches(MINUTES_ALARM, MINUTES, t)) t += 60 - t % 60;
      else if (!matches(SECONDS_ALARM, SECONDS, t)) t++;
      else return t;
    }
    return Infinity;
  }

  /** Nanoseconds until a second of the guest's clock begins. */
  #until(second: number): number {
    return (second - this.#second()) * SECOND_NS - this.#ns() % SECOND_NS;
  }

  #update(): void {
    this.#collect();
    this.#signal();
  }
  get #asking(): boolean {
    const { flags, ram } = this.state;
    return (flags & ram[B] & (B_PERIODIC | B_ALARM | B_UPDATE)) !== 0;
  }
  /** The line stays high until register C is read. */
  mayRaise(): boolean {
    return !this.#asking && this.#alarm.at < Infinity;
  }
  /** The line by the flags, and the alarm for the first event that would raise it. */
  #signal(): void {
    const s = this.state, b = s.ram[B];
    this.irq.set(this.#asking);
    // A flag that is up already raises nothing more.
    const waiting = b & ~s.flags, { clock } = this.env;
    let at = Infinity;
    const period = this.#period();
    if (waiting & B_PERIODIC && period) at = clock.tickOf((Math.floor(this.#clock() / period) + 1) * period, HZ);
    this.#alarm.cancel();
    if (this.#running && waiting & (B_UPDATE | B_ALARM)) {
      const second = waiting & B_UPDATE ? this.#second() + 1 : this.#nextAlarm(this.#second());
      if (second < Infinity) this.#alarm.schedule(this.#until(second));
    }
    if (at < this.#alarm.at) this.#alarm.scheduleAt(at);
  }
}

const TIME_BYTES = [SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY];
const isTime = (index: number) => TIME_BYTES.includes(index);
