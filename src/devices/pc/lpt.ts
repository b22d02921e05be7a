// Parallel port with a printer that takes every byte at once.
// Source: IBM PC Technical Reference (April 1984), "Parallel Printer Adapter"; the extended modes are not modelled, nor is input.
import type { BusTarget } from "../../core/bus.ts";
import { type CharDevice, type CharPort, defineDevice, type Device } from "../../core/device.ts";
import { type IrqLine, unconnected } from "../../core/irq.ts";

const DATA = 0, STATUS = 1, CONTROL = 2;
const STROBE = 0x01, INIT = 0x04, IRQ_ON = 0x10, CONTROL_WRITABLE = 0x3f, CONTROL_ONES = 0xc0;
/** Not busy, acknowledging or not, no paper out, selected, no error. */
const READY = 0xd8, ACKNOWLEDGING = 0x98;

const powerOn = () => ({ data: 0, control: 0x0c, acknowledging: false });

export default defineDevice({
  type: "lpt",
  doc: "Parallel port whose printer takes every byte at once.",
  spec: "IBM PC Technical Reference, Parallel Printer Adapter",
  keys: {},
  windows: () => [{ bus: "io", name: "regs", length: 3, at: 0x378 }],
  outputs: () => ["irq"],
  char: true,
  create: (_env, _config, ports) => new Lpt(ports.irq[0] ?? unconnected()),
});

export class Lpt implements Device<ReturnType<typeof powerOn>>, BusTarget, CharPort, CharDevice {
  state = powerOn();
  readonly access = { min: 1, max: 1 } as const;
  readonly windows = [this];
  readonly char: CharPort = this;
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};

  constructor(readonly irq: IrqLine) {}

  reset(): void {
    this.state = powerOn();
    this.irq.set(false);
  }
  restored(): void {
    this.#update();
  }

  /** A printer says nothing. */
  room(): number {
    return 0;
  }
  receive(): void {}

  read(offset: number): number {
    const s = this.state;
    if (offset === DATA) return s.data;
    if (offset === CONTROL) return s.control | CONTROL_ONES;
    const status = s.acknowledging ? ACKNOWLEDGING : READY;
    s.acknowledging = false;
    this.#update();
    return status;
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.state;
    if (offset === DATA) s.data = value;
    if (offset === STATUS || offset === DATA) return;
    const strobed = ~s.control & value & STROBE;
    s.control = value & CONTROL_WRITABLE;
    // The printer takes what is there at the strobe, unless it is held in its reset (active low).
    if (strobed && value & INIT) {
      s.acknowledging = true;
      this.onByte(s.data);
    }
    this.#update();
  }

  #update(): void {
    this.irq.set(this.state.acknowledging && !!(this.state.control & IRQ_ON));
  }
}
