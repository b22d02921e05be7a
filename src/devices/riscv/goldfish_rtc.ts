// Goldfish real-time clock: nanoseconds since 1970, with one alarm. Source: Android emulator documentation,
// GOLDFISH-VIRTUAL-HARDWARE.TXT, section "Goldfish real-time clock". Not modelled: nothing.
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";

const TIME_LOW = 0x00, TIME_HIGH = 0x04, ALARM_LOW = 0x08, ALARM_HIGH = 0x0c;
const IRQ_ENABLED = 0x10, CLEAR_ALARM = 0x14, ALARM_STATUS = 0x18, CLEAR_INTERRUPT = 0x1c, LENGTH = 0x1000;
const LOW = 0xffff_ffffn;

const powerOn = () => ({
  /** What the guest has added to the machine's time by setting it, in ns, modulo 2^64. */
  adjustNs: 0n,
  /** Upper half of the time, latched by a read of the lower one. */
  timeHigh: 0,
  alarmNs: 0n,
  /** When the alarm rings, in ticks; -1 when it is not running. */
  alarmAt: -1,
  irqEnabled: false,
  irqPending: false,
});

export default defineDevice({
  type: "goldfish.rtc",
  doc: "Goldfish real-time clock with an alarm.",
  spec: "GOLDFISH-VIRTUAL-HARDWARE.TXT (Android emulator)",
  keys: {},
  windows: () => [{ bus: "mem", name: "regs", length: LENGTH }],
  outputs: () => ["irq"],
  fdt: () => ({ compatible: "google,goldfish-rtc" }),
  create: (env, _config, ports) => new GoldfishRtc(env, ports.irq[0] ?? unconnected()),
});

export class GoldfishRtc implements Device<ReturnType<typeof powerOn>>, BusTarget {
  state = powerOn();
  readonly access = { min: 4, max: 4 } as const;
  readonly windows = [this];
  readonly #alarm: Alarm;

  constructor(readonly env: DeviceEnv, readonly irq: IrqLine) {
    this.#alarm = env.alarm("alarm", () => this.#ring());
  }

  /** The time itself runs on. */
  reset(): void {
    this.state = { ...powerOn(), adjustNs: this.state.adjustNs };
    this.#alarm.cancel();
    this.#update();
  }

  restored(): void {
    if (this.state.alarmAt < 0) this.#alarm.cancel();
    else this.#alarm.scheduleAt(this.state.alarmAt);
    this.#update();
  }

  mayRaise(): boolean {
    return this.state.irqEnabled && this.state.alarmAt >= 0;
  }

  read(offset: number): number {
    const s = this.state;
    switch (offset) {
      case TIME_LOW: {
        const now = this.#now();
        s.timeHigh = Number(now >> 32n);
        return Number(now & LOW);
      }
      case TIME_HIGH:
        return s.timeHigh;
      case ALARM_LOW:
        return Number(s.alarmNs & LOW);
      case ALARM_HIGH:
        return Number(s.alarmNs >> 32n);
      case IRQ_ENABLED:
        return Number(s.irqEnabled);
      case ALARM_STATUS:
        return Number(s.alarmAt >= 0);
      default:
        this.env.log("guest", () => `read of 0x${offset.toString(16)}: no such register, or write-only`);
        return 0;
    }
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.state;
    switch (offset) {
      case TIME_LOW:
      case TIME_HIGH: {
        const now = this.#now();
        const next = offset === TIME_LOW ? withLow(now, value) : withHigh(now, value);
        s.adjustNs = BigInt.asUintN(64, s.adjustNs + next - now);
        // An alarm that is set keeps its moment, as in QEMU.
        break;
      }
      case ALARM_LOW:
        s.alarmNs = withLow(s.alarmNs, value);
        this.#setAlarm();
        break;
      case ALARM_HIGH:
        s.alarmNs = withHigh(s.alarmNs, value);
        break;
      case IRQ_ENABLED:
        s.irqEnabled = (value & 1) === 1;
        break;
      case CLEAR_ALARM:
        s.alarmAt = -1;
        this.#alarm.cancel();
        break;
      case CLEAR_INTERRUPT:
        s.irqPending = false;
        break;
      default:
        this.env.log("guest", () => `write of 0x${value.toString(16)} to 0x${offset.toString(16)}: no such register, or read-only`);
        return;
    }
    this.#update();
  }

  #now(): bigint {
    return BigInt.asUintN(64, BigInt(this.env.epochSeconds) * 1_000_000_000n + BigInt(this.env.clock.nowNs) + this.state.adjustNs);
  }

  /** The lower half, written last, starts the alarm; a time that has passed rings at once. */
  #setAlarm(): void {
    if (this.state.alarmNs <= this.#now()) {
      this.#alarm.cancel();
      this.#ring();
    } else {
      this.#alarm.schedule(Number(this.state.alarmNs - this.#now()));
      this.state.alarmAt = this.#alarm.at;
    }
  }

  #ring(): void {
    this.state.alarmAt = -1;
    this.state.irqPending = true;
    this.#update();
  }

  #update(): void {
    this.irq.set(this.state.irqEnabled && this.state.irqPending);
  }
}

const withLow = (old: bigint, value: number) => old & ~LOW | BigInt(value);
const withHigh = (old: bigint, value: number) => old & LOW | BigInt(value) << 32n;
