// ISA bridge of the PIIX3: routes the four PCI interrupts to inputs of the interrupt controllers.
// Source: Intel 82371SB data sheet, 290550-001, 2.1 and 4.2; values at reset of what is not modelled: as in QEMU's hw/isa/piix3.c.
// Parts of the chip that are devices of their own here: IDE, timers, 8259s with ELCR, DMA controllers; its reset port is the host bridge's.
// Not modelled: ISA timing, positive decoding, motherboard devices, the APM timer and what else raises SMIs, USB.
import { defineDevice, type Device } from "../../core/device.ts";
import { type IrqLine, Wire } from "../../core/irq.ts";
import type { PciDevice, PciFunction, PciSlot } from "../../core/pci.ts";

const PIRQS = ["pirqa", "pirqb", "pirqc", "pirqd"] as const;
const PIRQRC = 0x60, ROUTE_OFF = 0x80, ROUTE_IRQ = 0x0f;
/** Interrupts that a PIRQ can be routed to. */
const IRQS = [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15];

export default defineDevice({
  type: "isa.piix3",
  doc: "PIIX3 ISA bridge: routes PCI interrupts (inputs pirqa to pirqd) to the interrupt controllers.",
  spec: "Intel 82371SB data sheet 290550-001",
  keys: {},
  windows: () => [],
  outputs: () => IRQS.map((n) => `irq${n}`),
  inputs: () => ({ names: PIRQS }),
  pci: "required",
  create: (_env, _config, ports) => new Piix3(ports.irq, ports.pci),
});

export class Piix3 implements Device, PciDevice {
  state = {};
  readonly #pirqs = PIRQS.map(() => new Wire(() => this.#update()));
  readonly pci: PciFunction = {
    vendor: 0x8086,
    device: 0x7000,
    class: 0x06_0100,
    subsystem: [0x1af4, 0x1100],
    registers: [
      { at: 0x04, size: 4, value: 0x0200_0000 },
      { at: 0x4c, size: 4, value: 0x0003_004d },
      { at: PIRQRC, size: 4, value: 0x8080_8080 },
      { at: 0x69, size: 1, value: 0x02 },
      { at: 0x70, size: 1, value: 0x80 },
      { at: 0x76, size: 4, value: 0x0002_0c0c },
      { at: 0xa0, size: 1, value: 0x08 },
      { at: 0xa8, size: 1, value: 0x0f },
    ],
    changed: (at, length) => {
      if (at < PIRQRC + 4 && at + length > PIRQRC) this.#update();
    },
  };

  constructor(readonly irq: readonly IrqLine[], readonly slot: PciSlot | undefined) {}

  reset(): void {
    this.#update();
  }

  restored(): void {
    this.#update();
  }

  input(name: string): IrqLine | undefined {
    return this.#pirqs[PIRQS.findIndex((p) => p === name)];
  }

  /** An interrupt is high while a PIRQ is that leads to it. */
  #update(): void {
    const high = new Set<number>();
    for (const [i, wire] of this.#pirqs.entries()) {
      const route = this.slot?.config[PIRQRC + i] ?? ROUTE_OFF;
      if (wire.level && !(route & ROUTE_OFF)) high.add(route & ROUTE_IRQ);
    }
    for (const [i, n] of IRQS.entries()) this.irq[i]?.set(high.has(n));
  }
}
