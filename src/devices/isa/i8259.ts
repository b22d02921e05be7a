// Two cascaded 8259A interrupt controllers as in a PC, with the ELCR of PCI chipsets.
// Source: Intel 8259A data sheet (231468-003, December 1988); ELCR: Intel 82371SB (PIIX3) data sheet, 2.5.5.
// Not modelled: MCS-80 mode, the level bit of ICW1 (the ELCR takes its place), ICW3 (the slave is always on input 2).
import type { Acknowledges } from "../../core/apic.ts";
import type { BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type Sources } from "../../core/device.ts";
import { type IrqLine, unconnected, Wire } from "../../core/irq.ts";

const COMMAND = 0, ELCR_PORT = 0x4d0;
const ICW1 = 0x10, ICW1_ICW4 = 0x01, ICW1_SINGLE = 0x02, ICW1_LEVEL = 0x08;
const ICW4_AUTO_EOI = 0x02, ICW4_FULLY_NESTED = 0x10;
const OCW3 = 0x08, OCW3_READ = 0x02, OCW3_READ_ISR = 0x01, OCW3_POLL = 0x04, OCW3_SET_MASK = 0x40, OCW3_MASK = 0x20;
const CASCADE = 2, SPURIOUS = 7;
/** Inputs 0, 1, 2, 8 and 13 are always edge-triggered. */
const ELCR_WRITABLE = [0xf8, 0xde];

const chipPowerOn = () => ({
  /** Levels of the inputs. */
  lines: 0,
  irr: 0,
  imr: 0,
  isr: 0,
  elcr: 0,
  vector: 0,
  /** Number of the input with the highest priority. */
  highest: 0,
  /** Which initialization word the data port waits for: 2, 3, 4, or 0. */
  next: 0,
  icw4: false,
  single: false,
  autoEoi: false,
  rotateOnAutoEoi: false,
  specialMask: false,
  fullyNested: false,
  poll: false,
  readIsr: false,
});
type Chip = ReturnType<typeof chipPowerOn>;

const powerOn = () => ({ chips: [chipPowerOn(), chipPowerOn()] });

export default defineDevice({
  type: "i8259.pair",
  doc: "The two cascaded 8259A interrupt controllers of a PC.",
  spec: "Intel 8259A data sheet 231468-003; Intel 82371SB, 2.5.5",
  keys: {},
  windows: () => [
    { bus: "io", name: "master", length: 2, at: 0x20 },
    { bus: "io", name: "slave", length: 2, at: 0xa0 },
    { bus: "io", name: "elcr", length: 2, at: ELCR_PORT },
  ],
  outputs: () => ["intr"],
  inputs: () => ({ numbers: [0, 15] }),
  create: (env, _config, ports) => new I8259Pair(env, ports.irq[0] ?? unconnected()),
});

export class I8259Pair implements Device<ReturnType<typeof powerOn>>, Acknowledges {
  state = powerOn();
  readonly windows: readonly BusTarget[];
  readonly #inputs: IrqLine[];

  constructor(readonly env: DeviceEnv, readonly intr: IrqLine) {
    const access = { min: 1, max: 1 } as const;
    const chip = (n: number): BusTarget => ({
      access,
      read: (offset) => this.#read(n, offset),
      write: (offset, _size, value) => this.#write(n, offset, value),
    });
    const elcr: BusTarget = {
      access,
      read: (offset) => this.state.chips[offset].elcr,
      write: (offset, _size, value) => {
        const c = this.state.chips[offset];
        c.elcr = value & ELCR_WRITABLE[offset];
        // What is level-triggered now shows its line, not an edge of the past.
        c.irr = c.irr & ~c.elcr | c.lines & c.elcr;
        this.#update();
      },
    };
    this.windows = [chip(0), chip(1), elcr];
    this.#inputs = Array.from({ length: 16 }, (_, i) => new Wire((level) => this.#lineChanged(i, level)));
  }

  reset(): void {
    this.state = powerOn();
    this.#update();
  }

  restored(): void {
    this.intr.set(request(this.state.chips[0], true) >= 0);
  }

  input(name: string): IrqLine | undefined {
    return this.#inputs[Number(name)];
  }

  /** An input that may go up, is not masked, and has a higher priority than what is in service: what was not ended stays so while nobody runs. */
  mayRaise(_output: number, from: Sources): boolean {
    const [master, slave] = this.state.chips, asks = (c: Chip, input: number) => request({ ...c, irr: 1 << input }, c === master) >= 0;
    for (let n = 0; n < 16; n++) {
      const asked = n < 8 ? n !== CASCADE && asks(master, n) : asks(slave, n & 7) && asks(master, CASCADE);
      if (asked && from.input(String(n))) return true;
    }
    return false;
  }

  /** The INTA cycle. Without a request it is a spurious one: input 7 of the chip that was asked. */
  acknowledge(): number {
    const [master, slave] = this.state.chips;
    let input = request(master, true);
    if (input < 0) return master.vector | SPURIOUS;
    accept(master, input);
    if (input !== CASCADE) {
      this.#update();
      return master.vector | input;
    }
    input = request(slave, false);
    if (input >= 0) accept(slave, input);
    // The slave's INT goes low during the cycle, so that its next request is an edge for the master.
    drive(master, CASCADE, false);
    this.#update();
    return slave.vector | (input < 0 ? SPURIOUS : input);
  }

  #read(n: number, offset: number): number {
    const c = this.state.chips[n];
    if (c.poll) {
      c.poll = false;
      const input = request(c, n === 0);
      if (input >= 0) accept(c, input);
      this.#update();
      return input < 0 ? 0 : 0x80 | input;
    }
    return offset === COMMAND ? (c.readIsr ? c.isr : c.irr) : c.imr;
  }

  #write(n: number, offset: number, value: number): void {
    const c = this.state.chips[n];
    if (offset !== COMMAND) this.#writeData(c, value);
    else if (value & ICW1) this.#initialize(c, value);
    else if (value & OCW3) {
      if (value & OCW3_POLL) c.poll = true;
      if (value & OCW3_READ) c.readIsr = !!(value & OCW3_READ_ISR);
      if (value & OCW3_SET_MASK) c.specialMask = !!(value & OCW3_MASK);
    } else endOfInterrupt(c, value >> 5, value & 7);
    this.#update();
  }

  /** ICW1: everything but the vector is as after power-on; an input must rise again to be seen. */
  #initialize(c: Chip, value: number): void {
    if (value & ICW1_LEVEL) this.env.log("unimp", () => "level-triggered mode of ICW1: use the ELCR");
    Object.assign(c, chipPowerOn(), { lines: c.lines, elcr: c.elcr, vector: c.vector, irr: c.lines & c.elcr });
    c.icw4 = !!(value & ICW1_ICW4);
    c.single = !!(value & ICW1_SINGLE);
    c.next = 2;
  }

  #writeData(c: Chip, value: number): void {
    switch (c.next) {
      case 2:
        c.vector = value & 0xf8;
        c.next = c.single ? (c.icw4 ? 4 : 0) : 3;
        break;
      case 3:
        c.next = c.icw4 ? 4 : 0;
        break;
      case 4:
        c.autoEoi = !!(value & ICW4_AUTO_EOI);
        c.fullyNested = !!(value & ICW4_FULLY_NESTED);
        c.next = 0;
        break;
      default:
        c.imr = value;
    }
  }

  #lineChanged(n: number, level: boolean): void {
    drive(this.state.chips[n >> 3], n & 7, level);
    this.#update();
  }

  #update(): void {
    const [master, slave] = this.state.chips;
    drive(master, CASCADE, request(slave, false) >= 0);
    this.intr.set(request(master, true) >= 0);
  }
}

/** Sets an input: a rising edge is latched in IRR; a level-triggered one follows. */
function drive(c: Chip, input: number, level: boolean): void {
  const bit = 1 << input;
  if (c.elcr & bit) c.irr = level ? c.irr | bit : c.irr & ~bit;
  else if (level && !(c.lines & bit)) c.irr |= bit;
  c.lines = level ? c.lines | bit : c.lines & ~bit;
}

/** How far an input of the mask is from the highest priority; 8 when the mask is empty. */
function priority(c: Chip, mask: number): number {
  for (let p = 0; p < 8; p++) if (mask >> ((p + c.highest) & 7) & 1) return p;
  return 8;
}

/** The input that the chip asks service for, or -1. */
function request(c: Chip, master: boolean): number {
  const wanted = priority(c, c.irr & ~c.imr);
  let inService = c.isr;
  if (c.specialMask) inService &= ~c.imr;
  // Special fully nested mode: the slave may interrupt its own service.
  if (c.fullyNested && master) inService &= ~(1 << CASCADE);
  return wanted < priority(c, inService) ? (wanted + c.highest) & 7 : -1;
}

function accept(c: Chip, input: number): void {
  if (!c.autoEoi) c.isr |= 1 << input;
  else if (c.rotateOnAutoEoi) c.highest = (input + 1) & 7;
  if (!(c.elcr & 1 << input)) c.irr &= ~(1 << input);
}

/** OCW2: bits 7..5 are rotate, specific, end of interrupt. */
function endOfInterrupt(c: Chip, command: number, level: number): void {
  const first = priority(c, c.isr);
  const inService = (first + c.highest) & 7;
  switch (command) {
    case 0b000:
    case 0b100:
      c.rotateOnAutoEoi = command === 0b100;
      break;
    case 0b001:
    case 0b101:
      if (first === 8) break;
      c.isr &= ~(1 << inService);
      if (command === 0b101) c.highest = (inService + 1) & 7;
      break;
    case 0b011:
    case 0b111:
      c.isr &= ~(1 << level);
      if (command === 0b111) c.highest = (level + 1) & 7;
      break;
    case 0b110:
      c.highest = (level + 1) & 7;
      break;
  }
}
