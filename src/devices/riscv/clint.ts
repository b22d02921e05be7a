// Core-local interruptor: software interrupts, mtime and mtimecmp of every hart. Source: SiFive FU540-C000 manual v1p4,
// chapter 9 (the map), and RISC-V Privileged 20240411, 3.2.1 (mtime, mtimecmp). Not modelled: nothing.
// mtimecmp starts as all ones, so that no timer interrupt is pending before it is written (the manual leaves it open).
import type { BusTarget } from "../../core/bus.ts";
import type { Alarm, TimeSource } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv, type DevicePorts } from "../../core/device.ts";
import { unconnected } from "../../core/irq.ts";
import { type Config, int } from "../../core/schema.ts";

const MSIP = 0x0000, MTIMECMP = 0x4000, MTIME_LOW = 0xbff8, MTIME_HIGH = 0xbffc, LENGTH = 0x1_0000;
const NEVER = 0xffff_ffff_ffff_ffffn, LOW = 0xffff_ffffn;

const powerOn = (harts: number) => ({
  msip: Array<number>(harts).fill(0),
  mtimecmp: Array<bigint>(harts).fill(NEVER),
  /** mtime minus what the clock has counted, modulo 2^64. */
  offset: 0n,
  /**
   * What the clock had counted when mtime was last written. Harts run one after another, so one may read mtime at a time before that: until
   * its time has come, too, it finds what was written, and never less.
   */
  since: 0,
});

const keys = {
  timebase_hz: int("rate of mtime; the machine's clock.timebase_hz unless given", {
    from: "clock.timebase_hz",
    default: 10_000_000,
    min: 1,
  }),
};

export default defineDevice({
  type: "riscv.clint",
  family: "riscv",
  doc: "SiFive CLINT: software and timer interrupts of every hart.",
  spec: "SiFive FU540-C000 manual v1p4, chapter 9",
  keys,
  windows: () => [{ bus: "mem", name: "regs", length: LENGTH }],
  outputs: () => ["cpu*.msip", "cpu*.mtip"],
  fdt: () => ({ compatible: ["sifive,clint0", "riscv,clint0"] }),
  create: (env, config, ports) => new Clint(env, config, ports),
});

export class Clint implements Device<ReturnType<typeof powerOn>>, BusTarget, TimeSource {
  state: ReturnType<typeof powerOn>;
  readonly access = { min: 4, max: 4 } as const;
  readonly windows = [this];
  onTimeWritten?: () => void;
  readonly #alarms: Alarm[];
  readonly #msip;
  readonly #mtip;

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, readonly ports: DevicePorts) {
    const harts = Array.from({ length: ports.harts }, (_, i) => i);
    this.state = powerOn(ports.harts);
    this.#msip = harts.map((i) => ports.irq[2 * i] ?? unconnected());
    this.#mtip = harts.map((i) => ports.irq[2 * i + 1] ?? unconnected());
    this.#alarms = harts.map((i) => env.alarm(`mtimecmp${i}`, () => this.#compare(i)));
  }

  /** mtime restarts from 0. */
  reset(): void {
    this.state = powerOn(this.ports.harts);
    this.state.since = this.#counted();
    this.state.offset = BigInt.asUintN(64, -BigInt(this.state.since));
    this.#update();
  }

  restored(): void {
    this.#update();
  }

  /** Only processors write msip; a timer that is not set never comes. */
  mayRaise(output: number): boolean {
    return (output & 1) === 1 && this.#alarms[output >> 1].at < Infinity;
  }

  /** mtime as a number: for the `time` CSR. Exact below 2^53. */
  timeSource(): number {
    const offset = this.state.offset;
    return offset === 0n ? this.#counted() : Number(this.mtime());
  }
  tickOfTime(time: number): number {
    return this.env.clock.tickOf(this.#counted() + time - this.timeSource(), this.config.timebase_hz);
  }

  /** mtime, exact. */
  mtime(): bigint {
    return BigInt.asUintN(64, BigInt(this.#counted()) + this.state.offset);
  }

  read(offset: number): number {
    const { msip, mtimecmp } = this.state;
    if (offset < MSIP + 4 * msip.length) return msip[offset >> 2];
    if (offset >= MTIMECMP && offset < MTIMECMP + 8 * mtimecmp.length) {
      const value = mtimecmp[(offset - MTIMECMP) >> 3];
      return Number(offset & 4 ? value >> 32n : value & LOW);
    }
    if (offset === MTIME_LOW) return Number(this.mtime() & LOW);
    if (offset === MTIME_HIGH) return Number(this.mtime() >> 32n);
    this.env.log("guest", () => `read of 0x${offset.toString(16)}: no such register or hart`);
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    const { msip, mtimecmp } = this.state;
    if (offset < MSIP + 4 * msip.length) {
      const hart = offset >> 2;
      msip[hart] = value & 1;
      this.#msip[hart].set(msip[hart] === 1);
    } else if (offset >= MTIMECMP && offset < MTIMECMP + 8 * mtimecmp.length) {
      const hart = (offset - MTIMECMP) >> 3;
      mtimecmp[hart] = withHalf(mtimecmp[hart], offset, value);
      this.#compare(hart);
    } else if (offset === MTIME_LOW || offset === MTIME_HIGH) {
      const now = this.mtime();
      this.state.offset = BigInt.asUintN(64, this.state.offset + withHalf(now, offset, value) - now);
      this.state.since = this.#counted();
      this.#update();
      this.onTimeWritten?.();
    } else this.env.log("guest", () => `write of 0x${value.toString(16)} to 0x${offset.toString(16)}: no such register or hart`);
  }

  #counted(): number {
    return Math.max(this.env.clock.count(this.config.timebase_hz), this.state.since);
  }

  /** Privileged 3.2.1: mtip is high exactly while mtime >= mtimecmp, unsigned. */
  #compare(hart: number): void {
    const left = this.state.mtimecmp[hart] - this.mtime();
    this.#mtip[hart].set(left <= 0n);
    const at = left <= 0n ? Infinity : this.env.clock.tickOf(this.#counted() + Number(left), this.config.timebase_hz);
    // Beyond 2^53 ticks nothing happens in a machine's life.
    if (at <= Number.MAX_SAFE_INTEGER) this.#alarms[hart].scheduleAt(at);
    else this.#alarms[hart].cancel();
  }

  #update(): void {
    for (const [hart, level] of this.state.msip.entries()) {
      this.#msip[hart].set(level === 1);
      this.#compare(hart);
    }
  }
}

/** `old` with the half that `offset` names replaced. */
function withHalf(old: bigint, offset: number, value: number): bigint {
  return offset & 4 ? BigInt(value) << 32n | old & LOW : old & ~LOW | BigInt(value);
}
