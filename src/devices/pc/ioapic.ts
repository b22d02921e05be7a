// I/O APIC with 24 inputs, which sends its interrupts as messages on the system bus. Source: Intel 82093AA data sheet (290566-001, May 1996);
// the EOI register and version 20h: Intel ICH9 data sheet (316972-004), 13.5.
// Not modelled: the arbitration ID and the delivery status (a message is delivered at once). The polarity bit has no effect: wires carry logic levels.
import type { EndsInterrupts } from "../../core/apic.ts";
import type { BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type InterruptMessage, type Sources } from "../../core/device.ts";
import { type IrqLine, Wire } from "../../core/irq.ts";
import { type Config, int } from "../../core/schema.ts";

const SELECT = 0x00, WINDOW = 0x10, EOI = 0x40;
const ID = 0, VERSION = 1, ARBITRATION = 2, TABLE = 0x10;
const INPUTS = 24, VERSION_VALUE = 0x20 | (INPUTS - 1) << 16;
const MASKED = 0x1_0000, LEVEL = 0x8000, REMOTE_IRR = 0x4000, LOGICAL = 0x0800, WRITABLE = 0x1_afff;
const MESSAGES = 0xfee0_0000;

const powerOn = (id: number) => ({
  id,
  select: 0,
  /** Redirection table, halves; the upper one has only the destination. */
  low: Array<number>(INPUTS).fill(MASKED),
  high: Array<number>(INPUTS).fill(0),
  lines: Array<boolean>(INPUTS).fill(false),
});

const keys = { id: int("its APIC ID after reset", { default: 0, max: 15 }) };

export default defineDevice({
  type: "x86.ioapic",
  family: "x86",
  doc: "I/O APIC: 24 interrupt inputs, each with its vector, destination and trigger mode.",
  spec: "Intel 82093AA data sheet 290566-001",
  keys,
  windows: () => [{ bus: "mem", name: "regs", length: 0x1000, at: 0xfec0_0000 }],
  inputs: () => ({ numbers: [0, INPUTS - 1], shared: true }),
  create: (env, config) => new IoApic(env, config),
});

export class IoApic implements Device<ReturnType<typeof powerOn>>, BusTarget, EndsInterrupts {
  state: ReturnType<typeof powerOn>;
  readonly access = { min: 4, max: 4 } as const;
  readonly windows = [this];
  readonly #inputs: IrqLine[];

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>) {
    this.state = powerOn(config.id);
    this.#inputs = Array.from({ length: INPUTS }, (_, n) => new Wire((level) => this.#lineChanged(n, level)));
  }

  reset(): void {
    this.state = powerOn(this.config.id);
  }

  input(name: string): IrqLine | undefined {
    return this.#inputs[Number(name)];
  }

  /**
   * An input that may go up, is not masked and does not wait for the end of its last interrupt; delivery mode 0 and 1 are ordinary interrupts, 7 is
   * the 8259's (3.2.4).
   */
  maySend(special: boolean, from: Sources, accepts: (m: InterruptMessage) => boolean): boolean {
    return this.state.low.some((entry, n) => {
      const mode = entry >> 8 & 7;
      if (entry & (MASKED | REMOTE_IRR) || [0, 1, 7].includes(mode) === special) return false;
      const destination = this.state.high[n] >>> 24, logical = (entry & LOGICAL) !== 0;
      return accepts({ mode, vector: entry & 0xff, destination, logical }) && from.input(String(n));
    });
  }

  read(offset: number): number {
    const { state: s } = this, n = s.select - TABLE >> 1;
    if (offset === SELECT) return s.select;
    if (offset === WINDOW) {
      if (s.select === ID || s.select === ARBITRATION) return s.id << 24;
      if (s.select === VERSION) return VERSION_VALUE;
      if (n >= 0 && n < INPUTS) return (s.select & 1 ? s.high : s.low)[n];
    }
    this.env.log("guest", () => `read of offset 0x${offset.toString(16)}, register 0x${s.select.toString(16)}`);
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    const { state: s } = this, n = s.select - TABLE >> 1;
    if (offset === SELECT) s.select = value & 0xff;
    else if (offset === EOI) this.endOfInterrupt(value & 0xff);
    else if (offset === WINDOW && s.select === ID) s.id = value >>> 24 & 0xf;
    else if (offset === WINDOW && n >= 0 && n < INPUTS) {
      if (s.select & 1) s.high[n] = (value & 0xff00_0000) >>> 0;
      else {
        // An edge-triggered input has no remote IRR; so software clears a stuck one.
        s.low[n] = value & WRITABLE | (value & LEVEL ? s.low[n] & REMOTE_IRR : 0);
        this.#service(n);
      }
    } else this.env.log("guest", () => `write of offset 0x${offset.toString(16)}, register 0x${s.select.toString(16)}`);
  }

  /** A processor has ended a level-triggered interrupt with this vector. */
  endOfInterrupt(vector: number): void {
    const { low } = this.state;
    for (let n = 0; n < INPUTS; n++) {
      if (!(low[n] & REMOTE_IRR) || (low[n] & 0xff) !== vector) continue;
      low[n] &= ~REMOTE_IRR;
      this.#service(n);
    }
  }

  #lineChanged(n: number, level: boolean): void {
    const { low, lines } = this.state;
    if (lines[n] === level) return;
    lines[n] = level;
    if (low[n] & LEVEL) this.#service(n);
    // An edge at a masked input is lost.
    else if (level && !(low[n] & MASKED)) this.#send(n);
  }

  /** A level-triggered input asks while its line is high and its last interrupt has been ended. */
  #service(n: number): void {
    const { low, lines } = this.state;
    if (!lines[n] || (low[n] & (LEVEL | MASKED | REMOTE_IRR)) !== LEVEL) return;
    low[n] |= REMOTE_IRR;
    this.#send(n);
  }

  /** SDM volume 3A, 10.11: destination in the address; vector, delivery mode, level (always asserted) and trigger mode in the data. */
  #send(n: number): void {
    const { low, high } = this.state, entry = low[n];
    const address = MESSAGES + (high[n] >>> 24) * 0x1000 + (entry & LOGICAL ? 4 : 0);
    this.env.dma.write(address, 4, entry & (LEVEL | 0x7ff) | 0x4000);
  }
}
