// Local APICs of every processor: each answers its own processor at the same address. Source: Intel SDM volume 3A (253668-083), chapter 10
// (xAPIC, x2APIC 10.12); messages of I/O APICs and devices: 10.11. Version and number of LVT entries are QEMU's.
// Not modelled: another base address than the window's, SMIs, remote reads, suppression of EOI broadcasts, the thermal and performance
// interrupts (their registers are there), arbitration, the clusters of DFR's hierarchical model beyond one level.
// DEVIATION: after reset LINT0 of the bootstrap processor takes ExtINT also while the APIC is disabled by software, as QEMU's does, so that
// a kernel that is started without a BIOS has its 8259 (a BIOS writes the same there).
import type { ApicDevice, LocalApics } from "../../../core/apic.ts";
import type { BusTarget, Size } from "../../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type DevicePorts, type Sources } from "../../../core/device.ts";
import { type IrqLine, Wire } from "../../../core/irq.ts";
import { type Config, int } from "../../../core/schema.ts";
import { Apic, type ApicHost, type ApicState, type Message, powerOn } from "./apic.ts";
import {
  BASE_ENABLED,
  BASE_X2APIC,
  BROADCAST,
  ICR_ASSERT,
  ICR_LEVEL,
  ICR_LOGICAL,
  MODE,
  REGISTER_BYTES,
  SEND_ILLEGAL,
  WINDOW,
  WINDOW_BYTES,
  X2_BROADCAST,
} from "./registers.ts";

const keys = {
  timer_hz: int("rate of the timer's clock before it is divided", { default: 1_000_000_000, min: 1 }),
  tsc_hz: int("rate of the time-stamp counter; the machine's clock.tsc_hz unless given", {
    from: "clock.tsc_hz",
    default: 1_000_000_000,
    min: 1,
  }),
};

export default defineDevice({
  type: "x86.lapic",
  family: "x86",
  doc: "The local APICs of all processors: interrupts between them, timers, the 8259's request on LINT0.",
  spec: "Intel SDM volume 3A 253668-083, chapter 10",
  keys,
  windows: () => [{ bus: "mem", name: "regs", length: WINDOW_BYTES, at: WINDOW }],
  outputs: () => ["cpu*.intr", "cpu*.nmi"],
  inputs: () => ({ names: ["lint0", "lint1"] }),
  create: (env, config, ports) => new LocalApicDevice(env, config, ports),
});

export class LocalApicDevice implements Device<ApicState>, BusTarget, LocalApics, ApicHost, ApicDevice {
  state: ApicState;
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  readonly localApics = this;
  readonly of: readonly Apic[];
  onInit: (processor: number) => void = () => {};
  onStartup: (processor: number, vector: number) => void = () => {};
  onEndOfInterrupt: (vector: number) => void = () => {};
  readonly #lint: IrqLine[];

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, readonly ports: DevicePorts) {
    this.state = powerOn(ports.harts);
    this.of = Array.from({ length: ports.harts }, (_, n) => new Apic(this, n));
    this.#lint = [0, 1].map((pin) => new Wire((level) => this.#pinChanged(pin, level)));
  }

  reset(): void {
    this.state = powerOn(this.ports.harts);
    this.restored();
  }
  restored(): void {
    for (const a of this.of) a.restored();
  }

  input(name: string): IrqLine | undefined {
    return { lint0: this.#lint[0], lint1: this.#lint[1] }[name];
  }
  mayRaise(output: number, from: Sources): boolean {
    return this.of[output >> 1].mayRaise((output & 1) === 1, from);
  }
  #pinChanged(pin: number, level: boolean): void {
    if (this.state.lint[pin] === level) return;
    this.state.lint[pin] = level;
    for (const a of this.of) a.pinChanged(pin, level);
  }

  read(offset: number, size: Size): number {
    const apic = this.of[this.ports.hart()], mode = apic.s.base & (BASE_ENABLED | BASE_X2APIC), shift = 8 * (offset & (4 - size));
    return (offset < REGISTER_BYTES && mode === BASE_ENABLED ? apic.read(offset >> 4) : -1) >>> shift;
  }
  write(offset: number, size: Size, value: number): void {
    const apic = this.of[this.ports.hart()];
    // Registers and messages are written by 32 bits; what narrower writes do is undefined (10.4.1, 10.11.2): nothing, as in QEMU.
    if (size < 4) return;
    // The registers' first 16 bytes are reserved: messages to APIC 0 go there, those to others beyond the registers (10.11.1).
    if (offset < 16 || offset >= REGISTER_BYTES) this.#message(offset, value);
    else if (apic.enabled && !apic.x2) apic.write(offset >> 4, value);
  }

  /** A message on the system bus: the address says to whom it goes, the data what it is. */
  #message(offset: number, data: number): void {
    const message = { mode: data >> 8 & 7, vector: data & 0xff, level: (data & 0x8000) !== 0 };
    const destination = offset >> 12 & 0xff;
    this.send(this.#matching(destination, (offset & 4) !== 0, destination === BROADCAST), message);
  }

  /** The APICs that a destination names. */
  #matching(destination: number, logical: boolean, all: boolean): Apic[] {
    return this.of.filter((a) => all || (logical ? a.inGroup(destination) : a.s.id === destination));
  }

  addresses(apic: Apic, destination: number, logical: boolean): boolean {
    return this.#matching(destination, logical, destination === BROADCAST).includes(apic);
  }

  /** Executes an interrupt command of processor `from`. */
  command(from: Apic, low: number, destination: number): void {
    const mode = low >> 8 & 7, vector = low & 0xff, shorthand = low >> 18 & 3;
    // The end of an INIT only concerned the arbitration of old APICs (10.6.1).
    if (mode === MODE.init && !(low & ICR_ASSERT) && low & ICR_LEVEL) return;
    if ((mode === MODE.fixed || mode === MODE.lowest) && vector < 16) return from.error(SEND_ILLEGAL);
    const all = destination === (from.x2 ? X2_BROADCAST : BROADCAST);
    const targets = [
      () => this.#matching(destination, (low & ICR_LOGICAL) !== 0, all),
      () => [from],
      () => [...this.of],
      () => this.of.filter((a) => a !== from),
    ][shorthand]();
    this.send(targets, { mode, vector, level: false });
  }

  send(targets: readonly Apic[], message: Message): void {
    if (message.mode === MODE.smi) this.env.log("unimp", () => "system management interrupt");
    const awake = targets.filter((a) => a.enabled);
    if (message.mode !== MODE.lowest) { for (const a of awake) a.accept(message); }
    else if (awake.length > 0) awake.reduce((best, a) => a.arbitration() < best.arbitration() ? a : best).accept(message);
  }
}
