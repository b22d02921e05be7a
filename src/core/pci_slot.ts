// A PCI function's place on the bus, which every machine's wiring knows; the bus itself is in pci.ts, where the sources are, too.
import type { BusTarget, Size } from "./bus.ts";
import { type IrqLine, Wire } from "./irq.ts";

export const PCI_COMMAND = 0x04, PCI_STATUS = 0x06;
const COMMAND_NO_INTX = 0x400, STATUS_INTX = 0x08;
/** Bytes of a configuration space. */
export const SPACE = 256;

/** Where a function is plugged in, and what it sees of the bus. */
export class PciSlot {
  #level = false;
  /** Set by the bus. */
  drive: (level: boolean) => void = () => {};
  /** Set by the bus; see `config`. */
  configOf: () => Uint8Array = () => new Uint8Array(SPACE);
  /** The interrupt pin. Its level is also bit 3 of the status register. */
  readonly intx: IrqLine = new Wire((level) => {
    this.#level = level;
    this.update();
  });
  /** @param name of the device; @param wrap what its windows are passed through (traces). */
  constructor(readonly device: number, readonly func: number, readonly name = "", readonly wrap = (t: BusTarget, _name: string) => t) {}

  /** "1.3" */
  get key(): string {
    return `${this.device}.${this.func}`;
  }
  /** The 256 bytes of configuration space. They belong to the host bridge's state: ask anew each time. */
  get config(): Uint8Array {
    return this.configOf();
  }
  /** The command register, or the pin, has changed. */
  update(): void {
    const { config } = this;
    config[PCI_STATUS] = config[PCI_STATUS] & ~STATUS_INTX | (this.#level ? STATUS_INTX : 0);
    this.drive(this.#level && !(get(config, PCI_COMMAND, 2) & COMMAND_NO_INTX));
  }
}

/** A register of a configuration space. */
export function get(config: Uint8Array, at: number, size: Size): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + config[at + i];
  return value;
}
/** Sets a register of a configuration space, whether the guest can write it or not. */
export function set(config: Uint8Array, at: number, size: Size, value: number): void {
  for (let i = 0; i < size; i++) config[at + i] = value >>> 8 * i;
}
