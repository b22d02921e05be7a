// Power management of the PIIX4: ACPI's fixed registers, the timer, switching off, and the APM ports. It is a PCI function whose registers
// place the ports; without a PCI bus the ports are where the machine file says.
// Sources: Intel 82371AB (PIIX4) data sheet (290562-001, April 1997), chapters 7 and 11.5; ACPI Specification 6.3, 4.8.3.
// Not modelled: sleep states but S5, SMIs (the write to the APM port that asks for ACPI mode works as if a BIOS had served it), device
// monitors, throttling, general purpose pins; on the SMBus there is nobody.
import type { BusTarget, Size } from "../../core/bus.ts";
import type { Alarm } from "../../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv } from "../../core/device.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";
import { get, type PciDevice, type PciFunction } from "../../core/pci.ts";

const STATUS = 0x00, ENABLE = 0x02, CONTROL = 0x04, TIMER = 0x08, GENERAL_STATUS = 0x0c, GENERAL_ENABLE = 0x0e, LENGTH = 0x40;
const TIMER_STATUS = 0x0001, ENABLE_WRITABLE = 0x0521, GENERAL_WRITABLE = 0x0f0f;
const SCI_ENABLED = 0x0001, CONTROL_WRITABLE = 0x1c03, SLEEP_TYPE = 0x1c00, SLEEP = 0x2000;
const HZ = 3_579_545, TIMER_MASK = 0xff_ffff, TIMER_TOP = 0x80_0000;
const APM_PORTS = 0xb2, ACPI_ON = 0xf1, ACPI_OFF = 0xf0;
const PM_BASE = 0x40, ACTIVITY_B = 0x58, PM_ENABLE = 0x80, SMBUS_BASE = 0x90, SMBUS_CONFIGURATION = 0xd2;
const SMBUS_CONTROL = 2, SMBUS_START = 0x40, SMBUS_BYTES = 16, SMBUS_NOBODY = 0x04;

const powerOn = () => ({
  status: 0,
  enable: 0,
  control: 0,
  generalStatus: 0,
  generalEnable: 0,
  /** Count of the timer at which its highest bit changes next after its status was cleared. */
  changesAt: TIMER_TOP,
  apm: [0, 0],
  smbus: Array<number>(SMBUS_BYTES).fill(0),
});

export default defineDevice({
  type: "acpi.piix4",
  doc: "ACPI power management of the PIIX4: timer, interrupt, switching off.",
  spec: "Intel 82371AB data sheet 290562-001; ACPI Specification 6.3, 4.8.3",
  keys: {},
  pci: "optional",
  windows: (_config, plugged) => [
    { bus: "io", name: "apm", length: 2, at: APM_PORTS },
    ...(plugged ? [] : [{ bus: "io", name: "pm", length: LENGTH, at: 0x600 } as const]),
  ],
  outputs: () => ["sci"],
  create: (env, _config, ports) => new Piix4Pm(env, ports.irq[0] ?? unconnected(), ports.pci !== undefined),
});

export class Piix4Pm implements Device<ReturnType<typeof powerOn>>, PciDevice {
  state = powerOn();
  readonly windows: readonly BusTarget[];
  readonly pci: PciFunction;
  readonly #alarm: Alarm;

  constructor(readonly env: DeviceEnv, readonly sci: IrqLine, plugged: boolean) {
    this.#alarm = env.alarm("timer", () => this.#update());
    const pm: BusTarget = {
      access: { min: 1, max: 2 },
      read: (offset, size) => this.#read(offset & ~1) >> 8 * (offset & 1) & (2 ** (8 * size) - 1),
      write: (offset, size, value) => this.#write(offset & ~1, offset & 1, size, value),
    };
    const apm: BusTarget = {
      access: { min: 1, max: 1 },
      read: (offset) => this.state.apm[offset],
      write: (offset, _size, value) => {
        this.state.apm[offset] = value;
        if (offset !== 0) return;
        if (value === ACPI_ON) this.state.control |= SCI_ENABLED;
        else if (value === ACPI_OFF) this.state.control &= ~SCI_ENABLED;
        this.#update();
      },
    };
    const smbus: BusTarget = {
      access: { min: 1, max: 1 },
      read: (offset) => this.state.smbus[offset],
      write: (offset, _size, value) => {
        const { smbus: registers } = this.state;
        // Register 0 is the status: ones clear.
        registers[offset] = offset === 0 ? registers[0] & ~value : value;
        if (offset !== SMBUS_CONTROL || !(value & SMBUS_START)) return;
        registers[SMBUS_CONTROL] &= ~SMBUS_START;
        registers[0] |= SMBUS_NOBODY;
      },
    };
    this.windows = plugged ? [apm] : [apm, pm];
    this.pci = {
      vendor: 0x8086,
      device: 0x7113,
      class: 0x06_8000,
      revision: 3,
      subsystem: [0x1af4, 0x1100],
      pin: 1,
      registers: [
        { at: 0x06, size: 2, value: 0x0280 },
        { at: PM_BASE, size: 4, value: 1, writable: 0xffc0 },
        // A BIOS takes this bit (SMI by the APM port) as a sign that system management mode has been set up.
        { at: ACTIVITY_B, size: 4, value: 0x0200_0000, writable: 0xffff_ffff },
        { at: PM_ENABLE, size: 1, writable: 0x01 },
        { at: SMBUS_BASE, size: 4, value: 1, writable: 0xfff0 },
        { at: SMBUS_CONFIGURATION, size: 1, writable: 0x0f },
      ],
      windows: (config) => [
        ...(config[PM_ENABLE] & 1
          ? [{ kind: "io", name: "pm", base: get(config, PM_BASE, 2) & 0xffc0, length: LENGTH, target: pm } as const]
          : []),
        ...(config[SMBUS_CONFIGURATION] & 1
          ? [{ kind: "io", name: "smbus", base: get(config, SMBUS_BASE, 2) & 0xfff0, length: SMBUS_BYTES, target: smbus } as const]
          : []),
      ],
    };
  }

  reset(): void {
    this.state = powerOn();
    this.state.changesAt = this.#nextChange();
    this.#update();
  }
  restored(): void {
    this.#update();
  }

  #count(): number {
    return this.env.clock.count(HZ);
  }
  #nextChange(): number {
    return Math.floor(this.#count() / TIMER_TOP + 1) * TIMER_TOP;
  }

  /** A register of 16 bits. */
  #read(offset: number): number {
    const { state: s } = this;
    switch (offset) {
      case STATUS:
        return this.#status;
      case ENABLE:
        return s.enable;
      case CONTROL:
        return s.control;
      case TIMER:
        return this.#count() & 0xffff;
      case TIMER + 2:
        return (this.#count() & TIMER_MASK) >> 16;
      case GENERAL_STATUS:
        return s.generalStatus;
      case GENERAL_ENABLE:
        return s.generalEnable;
    }
    this.env.log("unimp", () => `read of 0x${offset.toString(16)}`);
    return 0;
  }

  /** Writes one byte (of an even or odd address) or both of a register. */
  #write(offset: number, odd: number, size: Size, value: number): void {
    const { state: s } = this, bits = value << 8 * odd, mask = size === 2 ? 0xffff : 0xff << 8 * odd;
    const merged = (old: number, writable: number) => old & ~(mask & writable) | bits & writable;
    switch (offset) {
      case STATUS:
        s.status = this.#status & ~bits;
        if (bits & TIMER_STATUS) s.changesAt = this.#nextChange();
        break;
      case ENABLE:
        s.enable = merged(s.enable, ENABLE_WRITABLE);
        break;
      case CONTROL:
        s.control = merged(s.control, CONTROL_WRITABLE);
        if (bits & SLEEP) this.#sleep((s.control & SLEEP_TYPE) >> 10);
        break;
      case TIMER:
      case TIMER + 2:
        break;
      case GENERAL_STATUS:
        s.generalStatus &= ~bits;
        break;
      case GENERAL_ENABLE:
        s.generalEnable = merged(s.generalEnable, GENERAL_WRITABLE);
        break;
      default:
        this.env.log("unimp", () => `write of 0x${value.toString(16)} to 0x${offset.toString(16)}`);
    }
    this.#update();
  }

  #sleep(type: number): void {
    if (type === 0) this.env.stop({ kind: "exit", code: 0 });
    else this.env.log("unimp", () => `sleep type ${type}`);
  }

  /** PM1 status with the timer's bit as it is by now. */
  get #status(): number {
    return this.state.status | (this.#count() >= this.state.changesAt ? TIMER_STATUS : 0);
  }

  #update(): void {
    const { state: s } = this, raised = (this.#status & s.enable) !== 0 || (s.generalStatus & s.generalEnable) !== 0;
    this.sci.set((s.control & SCI_ENABLED) !== 0 && raised);
    const waits = (s.control & SCI_ENABLED) !== 0 && (s.enable & TIMER_STATUS) !== 0 && !(this.#status & TIMER_STATUS);
    if (waits) this.#alarm.scheduleAt(this.env.clock.tickOf(s.changesAt, HZ));
    else if (this.#alarm.at !== Infinity) this.#alarm.cancel();
  }
}
