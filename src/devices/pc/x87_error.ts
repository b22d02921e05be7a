// The PC's way of reporting x87 errors (CR0.NE clear): FERR# becomes IRQ 13, and a write to port F0h lets the processor go on by IGNNE#.
// Source: Intel 82371FB/SB (PIIX, PIIX3) datasheet 290550-002, 2.5.5.3 "Coprocessor error register" and FERR#, IGNNE#.
// Not modelled: port F1h (a reset of an external coprocessor), the switch in the PIIX3's XBCS register (always on, as in QEMU).
import type { BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DevicePorts } from "../../core/device.ts";
import { type IrqLine, Wire } from "../../core/irq.ts";

const powerOn = () => ({
  /** Level of FERR#. */
  ferr: false,
  /** The interrupt, until it is acknowledged at the port. */
  busy: false,
  ignne: false,
});

export default defineDevice({
  type: "x87-error",
  family: "x86",
  doc: "x87 errors as IRQ 13, acknowledged at port 0xf0 (input `ferr`: the processor's; output `ignne` lets it go on).",
  spec: "Intel 82371FB/SB (PIIX3) datasheet 290550-002, 2.5.5.3",
  keys: {},
  windows: () => [{ bus: "io", name: "busy", length: 1, at: 0xf0 }],
  inputs: () => ({ names: ["ferr"] }),
  outputs: () => ["irq", "ignne"],
  create: (_env, _config, ports) => new X87Error(ports.irq),
});

export class X87Error implements Device<ReturnType<typeof powerOn>>, BusTarget {
  state = powerOn();
  readonly access = { min: 1, max: 1 } as const;
  readonly windows = [this];
  readonly #ferr = new Wire((level) => this.#error(level));

  constructor(readonly irq: DevicePorts["irq"]) {}

  reset(): void {
    this.state = powerOn();
    this.#update();
  }
  restored(): void {
    this.#update();
  }

  input(name: string): IrqLine | undefined {
    return name === "ferr" ? this.#ferr : undefined;
  }

  #error(level: boolean): void {
    const s = this.state;
    if (level && !s.ferr) s.busy = true;
    s.ferr = level;
    if (!level) s.ignne = false;
    this.#update();
  }

  read(): number {
    return 0xff;
  }

  /** IGNNE# is not asserted unless FERR# is active. */
  write(): void {
    this.state.busy = false;
    this.state.ignne = this.state.ferr;
    this.#update();
  }

  #update(): void {
    this.irq[0].set(this.state.busy);
    this.irq[1].set(this.state.ignne);
  }
}
