// 16550A UART. Source: PC16550D data sheet (National Semiconductor, June 1995), section 8.
// Not modelled: the time that a sent byte takes on the line (it is out at once, so the transmitter is always empty), parity and framing errors.
// A byte from outside takes the time of its baud rate. A guest that polls without interrupts is given it when it has looked for one in vain: it
// would do nothing but look.
// DEVIATION: data bits beyond the word length of LCR are kept, as in QEMU, because many kernels never write LCR.
import type { BusTarget } from "../core/bus.ts";
import type { Alarm } from "../core/clock.ts";
import { type CharDevice, type CharPort, defineDevice, type Device, type DeviceEnv } from "../core/device.ts";
import { type IrqLine, unconnected } from "../core/irq.ts";
import { bool, choice, type Config, int } from "../core/schema.ts";

const RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7;
const IER_RX = 0x01, IER_THRE = 0x02, IER_LINE = 0x04, IER_MODEM = 0x08;
const IIR_NONE = 0x01, IIR_LINE = 0x06, IIR_RX = 0x04, IIR_TIMEOUT = 0x0c, IIR_THRE = 0x02, IIR_MODEM = 0x00, IIR_FIFO = 0xc0;
const FCR_ENABLE = 0x01, FCR_CLEAR_RX = 0x02, FCR_CLEAR_TX = 0x04, FCR_KEPT = 0xc9;
const LCR_WORD = 0x03, LCR_STOP = 0x04, LCR_PARITY = 0x08, LCR_DLAB = 0x80;
const MCR_LOOP = 0x10, MCR_WRITABLE = 0x1f;
const LSR_DR = 0x01, LSR_OE = 0x02, LSR_BI = 0x10, LSR_ERRORS = 0x1e, LSR_EMPTY = 0x60, LSR_FIFO_ERROR = 0x80;
const MSR_DELTAS = 0x0f, MSR_RI = 0x40, MSR_TERI = 0x04;
/** The cable of the outside: carrier, data set ready, clear to send. */
const MSR_CABLE = 0xb0;
const FIFO_DEPTH = 16;
const TRIGGER = [1, 4, 8, 14];
/** Marks an entry of the receiver that came with a break. */
const BREAK = 0x100;

const powerOn = () => ({
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0x08,
  /** Overrun and break, until LSR is read; the other bits follow from the rest. */
  errors: 0,
  msr: MSR_CABLE,
  scr: 0,
  divisor: 12,
  rx: [] as number[],
  /** The receiver buffer without FIFO; it keeps its last character when that was read. */
  rbr: 0,
  threPending: false,
  timeoutPending: false,
  /** When the character timeout comes, in ticks; -1 when none is running. */
  timeoutAt: -1,
  /** Until when the last byte from outside was on the line, in ticks. */
  lineFrom: 0,
  /** LSR has told since that there is nothing to read. */
  looked: false,
});

const keys = {
  reg_shift: int("log2 of the distance of two registers in bytes", { default: 0, min: 0, max: 2 }),
  reg_io_width: choice("width in bytes of an access, told to the guest in the device tree", { choices: [1, 2, 4], default: 1 }),
  clock_hz: int("input clock; the baud rate is clock_hz / 16 / divisor", { default: 3_686_400, min: 16 }),
  fifo: bool("false makes it a 16450 without FIFOs", { default: true }),
};

export default defineDevice({
  type: "ns16550a",
  doc: "16550A serial port (UART) with FIFOs.",
  spec: "PC16550D data sheet, June 1995, section 8",
  keys,
  windows: (c) => [{ bus: "any", name: "regs", length: 8 << c.reg_shift }],
  outputs: () => ["irq"],
  char: true,
  fdtName: "serial",
  fdt: (c) => ({
    compatible: c.fifo ? "ns16550a" : "ns16450",
    "clock-frequency": c.clock_hz,
    ...(c.reg_shift ? { "reg-shift": c.reg_shift } : {}),
    ...(c.reg_io_width !== 1 ? { "reg-io-width": Number(c.reg_io_width) } : {}),
  }),
  create: (env, config, ports) => new Ns16550a(env, config, ports.irq[0] ?? unconnected()),
});

export class Ns16550a implements Device<ReturnType<typeof powerOn>>, BusTarget, CharPort, CharDevice {
  state = powerOn();
  // As in QEMU an access of any width reaches the one register that it begins in.
  readonly access = { min: 1, max: 4 } as const;
  readonly windows = [this];
  readonly char: CharPort = this;
  onByte: (byte: number) => void = () => {};
  onRoom: () => void = () => {};
  readonly #timeout: Alarm;
  readonly #line: Alarm;

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, readonly irq: IrqLine) {
    this.#timeout = env.alarm("timeout", () => this.#timedOut());
    this.#line = env.alarm("line", () => this.#tellRoom(0));
  }

  reset(): void {
    const before = this.room();
    this.state = powerOn();
    this.#timeout.cancel();
    this.#line.cancel();
    this.#update();
    this.#tellRoom(before);
  }

  restored(): void {
    if (this.state.timeoutAt < 0) this.#timeout.cancel();
    else this.#timeout.scheduleAt(this.state.timeoutAt);
    if (this.state.lineFrom <= this.env.clock.ticks) this.#line.cancel();
    else this.#line.scheduleAt(this.state.lineFrom);
    this.#update();
  }

  /** A byte for firmware that polls the device, whatever the guest has selected at offset 0. */
  take(): number {
    const s = this.state, { lcr } = s;
    s.lcr &= ~LCR_DLAB;
    const byte = s.rx.length ? this.read(RBR_THR) : -1;
    s.lcr = lcr;
    if (byte < 0) this.#looked();
    return byte;
  }

  read(offset: number): number {
    const s = this.state;
    const reg = offset >> this.config.reg_shift;
    switch (reg) {
      case RBR_THR: {
        if (s.lcr & LCR_DLAB) return s.divisor & 0xff;
        const before = this.room();
        const entry = s.rx.shift() ?? (this.#fifo ? 0 : s.rbr);
        this.#topChanged();
        s.timeoutPending = false;
        this.#startTimeout();
        this.#update();
        this.#tellRoom(before);
        return entry & 0xff;
      }
      case IER:
        return s.lcr & LCR_DLAB ? s.divisor >> 8 : s.ier;
      case IIR_FCR: {
        const cause = this.#cause();
        if (cause === IIR_THRE) {
          s.threPending = false;
          this.#update();
        }
        return cause | (this.#fifo ? IIR_FIFO : 0);
      }
      case LCR:
        return s.lcr;
      case MCR:
        return s.mcr;
      case LSR: {
        const value = this.#lsr();
        s.errors = 0;
        if (s.rx.length) s.rx[0] &= 0xff;
        this.#update();
        if (!s.rx.length) this.#looked();
        return value;
      }
      case MSR: {
        const value = s.msr;
        s.msr &= ~MSR_DELTAS;
        this.#update();
        return value;
      }
      case SCR:
        return s.scr;
      default:
        this.env.log("guest", () => `read of register ${reg}: there are 8`);
        return 0;
    }
  }

  write(offset: number, _size: number, wide: number): void {
    const s = this.state, value = wide & 0xff;
    const reg = offset >> this.config.reg_shift;
    switch (reg) {
      case RBR_THR:
        if (s.lcr & LCR_DLAB) {
          s.divisor = (s.divisor & 0xff00) | value;
          return;
        }
        // The holding register is full for no time, but an edge-triggered controller must see the request go and come.
        s.threPending = false;
        this.#update();
        if (s.mcr & MCR_LOOP) this.#arrive(value);
        else this.onByte(value);
        s.threPending = true;
        break;
      case IER: {
        if (s.lcr & LCR_DLAB) {
          s.divisor = (s.divisor & 0x00ff) | (value << 8);
          return;
        }
        const before = this.room(), changed = s.ier ^ value;
        s.ier = value & 0x0f;
        // 8.6: enabling the request while the holding register is empty makes it.
        if (changed & IER_THRE) s.threPending = !!(value & IER_THRE);
        this.#update();
        this.#tellRoom(before);
        return;
      }
      case IIR_FCR: {
        if (!this.config.fifo) return;
        const before = this.room();
        const toggled = (s.fcr ^ value) & FCR_ENABLE;
        // 8.4: the other bits are taken only together with the enable bit; switching modes empties both FIFOs.
        s.fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
        if (toggled || (value & FCR_CLEAR_RX && value & FCR_ENABLE)) {
          s.rx = [];
          s.errors &= ~LSR_BI;
          s.timeoutPending = false;
        }
        if (toggled || (value & FCR_CLEAR_TX && value & FCR_ENABLE)) s.threPending = true;
        this.#startTimeout();
        this.#update();
        this.#tellRoom(before);
        return;
      }
      case LCR:
        s.lcr = value;
        break;
      case MCR: {
        const before = this.room();
        s.mcr = value & MCR_WRITABLE;
        this.#modemInputs(s.mcr & MCR_LOOP ? this.#loopedModem() : MSR_CABLE);
        this.#update();
        this.#tellRoom(before);
        return;
      }
      case LSR:
      case MSR:
        this.env.log("guest", () => `write of 0x${value.toString(16)} to the read-only register ${reg}`);
        return;
      case SCR:
        s.scr = value;
        return;
      default:
        this.env.log("guest", () => `write of 0x${value.toString(16)} to register ${reg}: there are 8`);
        return;
    }
    this.#update();
  }

  /** Bytes that the receiver takes now without an overrun: none while the line is busy, nor in loopback, where it is cut off. */
  room(): number {
    const { mcr, ier, looked, lineFrom, rx } = this.state;
    if (mcr & MCR_LOOP || !(looked && !(ier & IER_RX)) && this.env.clock.ticks < lineFrom) return 0;
    return Math.max(0, (this.#fifo ? FIFO_DEPTH : 1) - rx.length);
  }

  get interrupts(): boolean {
    return !!(this.state.ier & IER_RX);
  }

  receive(byte: number): void {
    const s = this.state;
    if (s.mcr & MCR_LOOP) return;
    this.#arrive(byte & 0xff);
    s.looked = false;
    this.#line.schedule(this.#characterNs());
    s.lineFrom = this.#line.at;
    this.#update();
  }

  /** The guest has found nothing to read. */
  #looked(): void {
    if (this.state.looked) return;
    const before = this.room();
    this.state.looked = true;
    this.#tellRoom(before);
  }

  /** A break on the line: one zero byte with the break mark. */
  receiveBreak(): void {
    if (this.state.mcr & MCR_LOOP) return;
    this.#arrive(BREAK);
    this.#update();
  }

  get #fifo(): boolean {
    return !!(this.state.fcr & FCR_ENABLE);
  }

  #arrive(entry: number): void {
    const s = this.state;
    if (this.#fifo) {
      // 8.4: an overrun leaves the FIFO as it is and loses the new character; without FIFO it overwrites the old one.
      if (s.rx.length >= FIFO_DEPTH) s.errors |= LSR_OE;
      else s.rx.push(entry);
    } else {
      if (s.rx.length) s.errors |= LSR_OE;
      s.rx = [entry];
      s.rbr = entry & 0xff;
    }
    this.#topChanged();
    this.#startTimeout();
  }

  /** An error shows in LSR when its character comes to the top of the FIFO (8.5). */
  #topChanged(): void {
    const s = this.state;
    if (s.rx.length && s.rx[0] & BREAK) s.errors |= LSR_BI;
  }

  #lsr(): number {
    const { rx, errors } = this.state;
    const inFifo = this.#fifo && rx.some((entry) => entry & BREAK) ? LSR_FIFO_ERROR : 0;
    return (rx.length ? LSR_DR : 0) | errors | LSR_EMPTY | inFifo;
  }

  /** Modem inputs in loopback: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD (8.6). */
  #loopedModem(): number {
    const m = this.state.mcr;
    return (m & 0x0c) << 4 | (m & 0x02) << 3 | (m & 0x01) << 5;
  }

  #modemInputs(next: number): void {
    const s = this.state, changed = s.msr ^ next;
    let deltas = s.msr & MSR_DELTAS | (changed & MSR_CABLE) >> 4;
    // Only the trailing edge of the ring indicator counts (8.8).
    if (changed & MSR_RI && !(next & MSR_RI)) deltas |= MSR_TERI;
    s.msr = next & 0xf0 | deltas;
  }

  /** The timeout counts four character times from the last arrival or read while characters wait (8.11). */
  #startTimeout(): void {
    const s = this.state;
    if (!this.#fifo || !s.rx.length) {
      s.timeoutAt = -1;
      this.#timeout.cancel();
      return;
    }
    this.#timeout.schedule(4 * this.#characterNs());
    s.timeoutAt = this.#timeout.at;
  }

  /** Nanoseconds that a character takes on the line: start, data, parity and stop bits. */
  #characterNs(): number {
    const { lcr, divisor } = this.state;
    const bits = 1 + 5 + (lcr & LCR_WORD) + (lcr & LCR_PARITY ? 1 : 0) + (lcr & LCR_STOP ? 2 : 1);
    return bits * 1e9 * 16 * Math.max(1, divisor) / this.config.clock_hz;
  }

  #timedOut(): void {
    this.state.timeoutAt = -1;
    this.state.timeoutPending = this.state.rx.length > 0;
    this.#update();
  }

  #tellRoom(before: number): void {
    if (before === 0 && this.room() > 0) this.onRoom();
  }

  /** The pending cause of highest priority (table IV of the data sheet). */
  #cause(): number {
    const s = this.state;
    if (s.ier & IER_LINE && s.errors & LSR_ERRORS) return IIR_LINE;
    if (s.ier & IER_RX && s.timeoutPending) return IIR_TIMEOUT;
    if (s.ier & IER_RX && s.rx.length >= (this.#fifo ? TRIGGER[s.fcr >> 6] : 1)) return IIR_RX;
    if (s.ier & IER_THRE && s.threPending) return IIR_THRE;
    if (s.ier & IER_MODEM && s.msr & MSR_DELTAS) return IIR_MODEM;
    return IIR_NONE;
  }

  #update(): void {
    this.irq.set(this.#cause() !== IIR_NONE);
  }
}
