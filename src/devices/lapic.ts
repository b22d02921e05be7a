// Local APICs of every processor: each answers its own processor at the same address. Source: Intel SDM volume 3A (253668-083), chapter 10
// (xAPIC, x2APIC 10.12); messages of I/O APICs and devices: 10.11. Version and number of LVT entries are QEMU's.
// Not modelled: another base address than the window's, SMIs, remote reads, suppression of EOI broadcasts, the thermal and performance
// interrupts (their registers are there), arbitration, the clusters of DFR's hierarchical model beyond one level.
// DEVIATION: after reset LINT0 of the bootstrap processor takes ExtINT also while the APIC is disabled by software, as QEMU's does, so that
// a kernel that is started without a BIOS has its 8259 (a BIOS writes the same there).
import { EXT_INT, type LocalApic, type LocalApics, NO_VECTOR } from "../core/apic.ts";
import type { BusTarget, Size } from "../core/bus.ts";
import type { Alarm } from "../core/clock.ts";
import { defineDevice, type Device, type DeviceEnv, type DevicePorts, type Sources } from "../core/device.ts";
import { type IrqLine, unconnected, Wire } from "../core/irq.ts";
import { type Config, int } from "../core/schema.ts";

/** Registers by number: the address is 16 times that, the MSR 0x800 more. */
const ID = 0x02, VERSION = 0x03, TPR = 0x08, APR = 0x09, PPR = 0x0a, EOI = 0x0b, REMOTE_READ = 0x0c, LDR = 0x0d, DFR = 0x0e, SVR = 0x0f;
const ISR = 0x10, TMR = 0x18, IRR = 0x20, ESR = 0x28, ICR_LOW = 0x30, ICR_HIGH = 0x31, LVT = 0x32;
const INITIAL_COUNT = 0x38, CURRENT_COUNT = 0x39, DIVIDE = 0x3e, SELF_IPI = 0x3f;
const VERSION_VALUE = 0x0005_0014;
/** Entries of the local vector table from LVT on, and which bits can be written. */
const TIMER = 0, LINT0 = 3, LINT1 = 4, ERROR = 5;
const LVT_WRITABLE = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff];
const LVT_DELIVERY_STATUS = 0x1000, LVT_MASKED = 0x1_0000, LVT_LEVEL = 0x8000, LVT_REMOTE_IRR = 0x4000, LVT_TIMER_MODE = 0x6_0000;
const ONE_SHOT = 0, PERIODIC = 0x2_0000, TSC_DEADLINE = 0x4_0000;
const SVR_ENABLED = 0x100, SVR_WRITABLE = 0x1ff;
const BASE_BOOTSTRAP = 0x100, BASE_X2APIC = 0x400, BASE_ENABLED = 0x800;
/** Where messages of I/O APICs and devices go, and where the registers are. */
const WINDOW = 0xfee0_0000, WINDOW_BYTES = 0x10_0000, REGISTER_BYTES = 0x1000;
/** Delivery modes. */
const FIXED = 0, LOWEST = 1, SMI = 2, NMI = 4, INIT = 5, STARTUP = 6, EXTERNAL = 7;
const ICR_WRITABLE = 0x000c_cfff, ICR_LOGICAL = 0x800, ICR_ASSERT = 0x4000, ICR_LEVEL = 0x8000;
const SEND_ILLEGAL = 0x20, RECEIVE_ILLEGAL = 0x40, ILLEGAL_REGISTER = 0x80;
const BROADCAST = 0xff, X2_BROADCAST = 0xffff_ffff;

const words = (): number[] => Array<number>(8).fill(0);

/** After an INIT; `processor` is its number and its ID. */
const initial = (processor: number) => ({
  id: processor,
  tpr: 0,
  ldr: 0,
  dfr: 0xffff_ffff,
  svr: 0xff,
  isr: words(),
  tmr: words(),
  irr: words(),
  /** What ESR shows, and what has happened since it was written. */
  esr: 0,
  errors: 0,
  icrLow: 0,
  icrHigh: 0,
  lvt: [LVT_MASKED, LVT_MASKED, LVT_MASKED, processor === 0 ? EXTERNAL << 8 : LVT_MASKED, LVT_MASKED, LVT_MASKED],
  initialCount: 0,
  divide: 0,
  /** Count of the timer's clock at which it began to count down from the initial count. */
  startedAt: 0,
  deadline: 0,
  /** An ExtINT message waits for its acknowledge cycle. */
  extInt: false,
});
const powerOn = (processors: number) => ({
  apics: Array.from({ length: processors }, (_, n) => ({
    ...initial(n),
    base: WINDOW + BASE_ENABLED + (n === 0 ? BASE_BOOTSTRAP : 0),
  })),
  /** Levels of the pins, which every APIC has. */
  lint: [false, false],
});
type State = ReturnType<typeof powerOn>;

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

/** What is asked of a group of APICs. */
interface Message {
  readonly mode: number;
  readonly vector: number;
  readonly level: boolean;
}

export class LocalApicDevice implements Device<State>, BusTarget, LocalApics {
  state: State;
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

  /** Executes an interrupt command of processor `from`. */
  command(from: Apic, low: number, destination: number): void {
    const mode = low >> 8 & 7, vector = low & 0xff, shorthand = low >> 18 & 3;
    // The end of an INIT only concerned the arbitration of old APICs (10.6.1).
    if (mode === INIT && !(low & ICR_ASSERT) && low & ICR_LEVEL) return;
    if ((mode === FIXED || mode === LOWEST) && vector < 16) return from.error(SEND_ILLEGAL);
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
    if (message.mode === SMI) this.env.log("unimp", () => "system management interrupt");
    const awake = targets.filter((a) => a.enabled);
    if (message.mode !== LOWEST) { for (const a of awake) a.accept(message); }
    else if (awake.length > 0) awake.reduce((best, a) => a.arbitration() < best.arbitration() ? a : best).accept(message);
  }
}

/** One processor's. */
class Apic implements LocalApic {
  readonly #alarm: Alarm;
  readonly #intr: IrqLine;
  readonly #nmi: IrqLine;

  constructor(readonly device: LocalApicDevice, readonly processor: number) {
    this.#alarm = device.env.clock.alarm(() => this.#timerFired());
    this.#intr = device.ports.irq[2 * processor] ?? unconnected();
    this.#nmi = device.ports.irq[2 * processor + 1] ?? unconnected();
  }

  get s(): State["apics"][number] {
    return this.device.state.apics[this.processor];
  }
  get enabled(): boolean {
    return (this.s.base & BASE_ENABLED) !== 0;
  }
  get x2(): boolean {
    return (this.s.base & BASE_X2APIC) !== 0;
  }
  restored(): void {
    this.#update();
    this.#schedule();
  }
  /** Whether an interrupt, or with `special` an NMI, may come: by the timer, by a pin whose entry lets it through, or as a message. */
  mayRaise(special: boolean, from: Sources): boolean {
    // Without the APIC its pins are the processor's INTR and NMI (10.4.3).
    if (!this.enabled) return from.input(special ? "lint1" : "lint0");
    const pins = [LINT0, LINT1].some((n) => {
      const entry = this.s.lvt[n], ordinary = [FIXED, LOWEST, EXTERNAL].includes(entry >> 8 & 7);
      return !(entry & LVT_MASKED) && ordinary !== special && from.input(n === LINT0 ? "lint0" : "lint1");
    });
    return pins || (!special && this.#alarm.at < Infinity) || from.message(special);
  }
  /** After an INIT (10.4.7.3): the base address stays. */
  #initialize(): void {
    Object.assign(this.s, initial(this.processor));
    this.restored();
  }

  // --- the processor's side
  get baseLo(): number {
    return this.s.base | 0;
  }
  get baseHi(): number {
    return 0;
  }
  /** 10.12.5, figure 10-27: x2APIC mode is entered from xAPIC mode only, and left only by disabling the APIC. */
  writeBase(lo: number, hi: number, x2apic: boolean): boolean {
    const { s } = this, old = s.base & (BASE_ENABLED | BASE_X2APIC), mode = lo & (BASE_ENABLED | BASE_X2APIC);
    if (lo & 0x2ff || hi !== 0 || (mode & BASE_X2APIC && !x2apic) || mode === BASE_X2APIC) return false;
    if ((old === BASE_ENABLED + BASE_X2APIC && mode === BASE_ENABLED) || (old === 0 && mode & BASE_X2APIC)) return false;
    if ((lo & -4096) !== (WINDOW | 0)) this.device.env.log("unimp", () => `APIC base 0x${((lo & -4096) >>> 0).toString(16)}`);
    s.base = ((lo & ~BASE_BOOTSTRAP) >>> 0) + (this.processor === 0 ? BASE_BOOTSTRAP : 0);
    if (mode === 0) this.#initialize();
    else this.#update();
    return true;
  }
  get priority(): number {
    return this.s.tpr >> 4;
  }
  set priority(value: number) {
    this.s.tpr = value << 4;
    this.#update();
  }
  get deadline(): number {
    return this.s.deadline;
  }
  set deadline(count: number) {
    if ((this.s.lvt[TIMER] & LVT_TIMER_MODE) !== TSC_DEADLINE) return;
    this.s.deadline = count;
    this.#schedule();
  }
  readMsr(number: number): { lo: number; hi: number } | undefined {
    const register = number - 0x800;
    if (!this.x2 || !X2_REGISTERS.get(register)?.readable) return undefined;
    return { lo: this.read(register) | 0, hi: register === ICR_LOW ? this.s.icrHigh | 0 : 0 };
  }
  writeMsr(number: number, lo: number, hi: number): boolean {
    const register = number - 0x800, writable = this.x2 ? X2_REGISTERS.get(register)?.writable : undefined;
    if (writable === undefined || lo & ~writable || (register !== ICR_LOW && hi !== 0)) return false;
    if (register === SELF_IPI) this.device.command(this, 0x4_0000 | lo & 0xff, 0);
    else {
      if (register === ICR_LOW) this.s.icrHigh = hi >>> 0;
      this.write(register, lo >>> 0);
    }
    return true;
  }
  acknowledge(): number {
    const vector = this.#deliverable(), { s } = this;
    if (vector >= 0) {
      clear(s.irr, vector);
      set(s.isr, vector);
      this.#update();
      return vector;
    }
    if (!this.#external) return NO_VECTOR;
    s.extInt = false;
    this.#update();
    return EXT_INT;
  }

  // --- registers
  read(register: number): number {
    const { s } = this, block = register & 0x38;
    if (block === ISR) return s.isr[register & 7];
    if (block === TMR) return s.tmr[register & 7];
    if (block === IRR) return s.irr[register & 7];
    if (register >= LVT && register < LVT + s.lvt.length) return s.lvt[register - LVT];
    switch (register) {
      case ID:
        return this.x2 ? s.id : s.id << 24;
      case VERSION:
        return VERSION_VALUE;
      case TPR:
        return s.tpr;
      case APR:
        return this.arbitration();
      case PPR:
        return this.#processorPriority();
      case LDR:
        return this.x2 ? (s.id >> 4) << 16 | 1 << (s.id & 15) : s.ldr;
      case DFR:
        return s.dfr;
      case SVR:
        return s.svr;
      case ESR:
        return s.esr;
      case ICR_LOW:
        return s.icrLow;
      case ICR_HIGH:
        return s.icrHigh;
      case INITIAL_COUNT:
        return s.initialCount;
      case CURRENT_COUNT:
        return this.#currentCount();
      case DIVIDE:
        return s.divide;
      case EOI:
      case REMOTE_READ:
        return 0;
      default:
        this.error(ILLEGAL_REGISTER);
        return 0;
    }
  }

  write(register: number, value: number): void {
    const { s } = this;
    if (register >= LVT && register < LVT + s.lvt.length) return this.#writeLvt(register - LVT, value);
    switch (register) {
      case ID:
        s.id = value >>> 24;
        break;
      case TPR:
        s.tpr = value & 0xff;
        break;
      case EOI:
        this.#endOfInterrupt();
        break;
      case LDR:
        s.ldr = (value & 0xff00_0000) >>> 0;
        break;
      case DFR:
        s.dfr = (value | 0x0fff_ffff) >>> 0;
        break;
      case SVR:
        s.svr = value & SVR_WRITABLE;
        // Disabled by software: every entry is masked (10.4.7.2).
        if (!(value & SVR_ENABLED)) { for (const n of s.lvt.keys()) s.lvt[n] |= LVT_MASKED; }
        this.#schedule();
        break;
      case ESR:
        s.esr = s.errors;
        s.errors = 0;
        break;
      case ICR_LOW:
        s.icrLow = value & ICR_WRITABLE;
        this.device.command(this, s.icrLow, this.x2 ? s.icrHigh : s.icrHigh >>> 24);
        break;
      case ICR_HIGH:
        s.icrHigh = (value & 0xff00_0000) >>> 0;
        break;
      case INITIAL_COUNT:
        if ((s.lvt[TIMER] & LVT_TIMER_MODE) === TSC_DEADLINE) return;
        s.initialCount = value;
        s.startedAt = this.#count();
        this.#schedule();
        break;
      case DIVIDE:
        this.#setDivide(value & 0xb);
        break;
      default:
        if (!isRegister(register)) this.error(ILLEGAL_REGISTER);
    }
    this.#update();
  }

  #writeLvt(n: number, value: number): void {
    const { s } = this, old = s.lvt[n];
    s.lvt[n] = value & LVT_WRITABLE[n] | old & LVT_REMOTE_IRR;
    if (!(value & LVT_LEVEL)) s.lvt[n] &= ~LVT_REMOTE_IRR;
    if (!(s.svr & SVR_ENABLED)) s.lvt[n] |= LVT_MASKED;
    if (n === TIMER) {
      // 10.5.4.1: a change to or from TSC-deadline mode disarms the timer.
      if ((old ^ value) & TSC_DEADLINE) s.initialCount = s.deadline = 0;
      this.#schedule();
    }
    if (n === LINT0 || n === LINT1) this.#levelPin(n);
    this.#update();
  }

  // --- interrupts
  /** Whether a logical destination names this APIC (10.6.2.2, 10.12.10.1). */
  inGroup(destination: number): boolean {
    const { s } = this, ldr = s.ldr >>> 24;
    if (this.x2) {
      const mine = this.read(LDR);
      return mine >>> 16 === destination >>> 16 && (mine & destination & 0xffff) !== 0;
    }
    if (s.dfr >>> 28 === 0xf) return (ldr & destination) !== 0;
    return (destination >> 4 === ldr >> 4 || destination >> 4 === 0xf) && (ldr & destination & 0xf) !== 0;
  }

  accept({ mode, vector, level }: Message): void {
    const { s } = this;
    switch (mode) {
      case FIXED:
      case LOWEST:
        if (vector < 16) return this.error(RECEIVE_ILLEGAL);
        if (!(s.svr & SVR_ENABLED)) return;
        set(s.irr, vector);
        (level ? set : clear)(s.tmr, vector);
        break;
      case NMI:
        this.#nmi.set(true);
        this.#nmi.set(false);
        return;
      case INIT:
        this.#initialize();
        return this.device.onInit(this.processor);
      case STARTUP:
        return this.device.onStartup(this.processor, vector);
      case EXTERNAL:
        s.extInt = true;
    }
    this.#update();
  }

  /** Notes an error (10.5.3) and asks for the error interrupt. */
  error(bit: number): void {
    const { s } = this, repeated = s.errors & bit;
    s.errors |= bit;
    if (!repeated) this.#local(ERROR);
  }

  /** An entry of the local vector table asks for its interrupt. */
  #local(n: number): void {
    const entry = this.s.lvt[n];
    if (entry & LVT_MASKED) return;
    const mode = n === TIMER || n === ERROR ? FIXED : entry >> 8 & 7;
    this.accept({ mode, vector: entry & 0xff, level: (n === LINT0 || n === LINT1) && (entry & LVT_LEVEL) !== 0 });
  }

  pinChanged(pin: number, level: boolean): void {
    const n = LINT0 + pin, entry = this.s.lvt[n];
    if (!this.enabled) {
      // The pins are the processor's INTR and NMI (10.4.3).
      if (pin === 1) this.#nmi.set(level);
    } else if ((entry >> 8 & 7) === FIXED && entry & LVT_LEVEL) this.#levelPin(n);
    else if (level && (entry >> 8 & 7) !== EXTERNAL) this.#local(n);
    this.#update();
  }
  /** A level-triggered pin asks again after each end of interrupt. */
  #levelPin(n: number): void {
    const entry = this.s.lvt[n];
    if ((entry >> 8 & 7) !== FIXED || !(entry & LVT_LEVEL) || entry & (LVT_REMOTE_IRR | LVT_MASKED)) return;
    if (!this.device.state.lint[n - LINT0]) return;
    this.s.lvt[n] |= LVT_REMOTE_IRR;
    this.#local(n);
  }

  #endOfInterrupt(): void {
    const { s } = this, vector = highest(s.isr);
    if (vector < 0) return;
    clear(s.isr, vector);
    if (!has(s.tmr, vector)) return;
    for (const n of [LINT0, LINT1]) {
      if (s.lvt[n] & LVT_REMOTE_IRR && (s.lvt[n] & 0xff) === vector) {
        s.lvt[n] &= ~LVT_REMOTE_IRR;
        this.#levelPin(n);
      }
    }
    this.device.onEndOfInterrupt(vector);
  }

  /** 10.8.3.1. */
  #processorPriority(): number {
    const { s } = this, served = highest(s.isr);
    return served >> 4 > s.tpr >> 4 ? served & 0xf0 : s.tpr;
  }
  /** How busy it is, for the choice of the lowest priority. */
  arbitration(): number {
    const { s } = this;
    return Math.max(s.tpr >> 4, highest(s.isr) >> 4, highest(s.irr) >> 4) << 4;
  }
  /** The vector that may interrupt the processor now, or -1. */
  #deliverable(): number {
    const vector = this.enabled ? highest(this.s.irr) : -1;
    return vector >> 4 > this.#processorPriority() >> 4 ? vector : -1;
  }
  /** Whether the 8259 asks through this APIC. */
  get #external(): boolean {
    const { s } = this, pin = this.device.state.lint[0];
    return this.enabled ? s.extInt || (pin && (s.lvt[LINT0] & (LVT_MASKED | 0x700)) === EXTERNAL << 8) : pin;
  }
  #update(): void {
    this.#intr.set(this.#external || this.#deliverable() >= 0);
  }

  // --- timer (10.5.4)
  #count(): number {
    return this.device.env.clock.count(this.device.config.timer_hz);
  }
  get #divisor(): number {
    const { divide } = this.s, n = divide >> 1 & 4 | divide & 3;
    return n === 7 ? 1 : 2 << n;
  }
  /** Counts of the timer's clock since it began, of a period's beginning when it is periodic. */
  #currentCount(): number {
    const { s } = this;
    if (s.initialCount === 0) return 0;
    const counted = Math.floor((this.#count() - s.startedAt) / this.#divisor);
    if ((s.lvt[TIMER] & LVT_TIMER_MODE) === PERIODIC) return s.initialCount - counted % s.initialCount;
    return Math.max(0, s.initialCount - counted);
  }
  /** The count goes on at the new pace from where it is. */
  #setDivide(value: number): void {
    const { s } = this, left = this.#currentCount();
    s.divide = value;
    s.startedAt = this.#count() - (s.initialCount - left) * this.#divisor;
    this.#schedule();
  }
  /** Sets the alarm; a timer that is masked needs none. */
  #schedule(): void {
    const { s, device } = this, { clock } = device.env, entry = s.lvt[TIMER], mode = entry & LVT_TIMER_MODE;
    let at = Infinity;
    if (mode === TSC_DEADLINE) {
      // A deadline that has passed is due at once, masked or not.
      if (s.deadline > 0) at = Math.max(clock.tickOf(s.deadline, device.config.tsc_hz), clock.ticks);
    } else if (s.initialCount > 0 && !(entry & LVT_MASKED)) {
      const period = s.initialCount * this.#divisor, passed = this.#count() - s.startedAt;
      if (mode === PERIODIC) at = clock.tickOf(s.startedAt + period * (Math.floor(passed / period) + 1), device.config.timer_hz);
      else if (mode === ONE_SHOT && passed < period) at = clock.tickOf(s.startedAt + period, device.config.timer_hz);
    }
    if (at <= Number.MAX_SAFE_INTEGER) this.#alarm.scheduleAt(at);
    else if (this.#alarm.at !== Infinity) this.#alarm.cancel();
  }
  #timerFired(): void {
    this.s.deadline = 0;
    this.#local(TIMER);
    this.#schedule();
  }
}

/** Whether the map has a register of this number. */
const isRegister = (register: number): boolean =>
  [ID, VERSION, TPR, APR, PPR, EOI, REMOTE_READ, LDR, DFR, SVR, ESR, INITIAL_COUNT, CURRENT_COUNT, DIVIDE].includes(register) ||
  (register >= ISR && register < ESR) || (register >= ICR_LOW && register < LVT + 6);
/** A register in x2APIC mode: whether it can be read, and which bits may be written; the others raise #GP, as does a register without any. */
interface X2Register {
  readonly readable: boolean;
  readonly writable?: number;
}
const readOnly: X2Register = { readable: true };
const both = (writable: number): X2Register => ({ readable: true, writable });
/** Table 10-6 and 10.12.1.2, by number. What cannot be changed in an entry of the vector table may be written back. */
const X2_REGISTERS: ReadonlyMap<number, X2Register> = new Map<number, X2Register>([
  ...[ID, VERSION, PPR, LDR, CURRENT_COUNT].map((n) => [n, readOnly] as const),
  ...Array.from({ length: 24 }, (_, n) => [ISR + n, readOnly] as const),
  [TPR, both(0xff)],
  [EOI, { readable: false, writable: 0 }],
  [SVR, both(SVR_WRITABLE)],
  [ESR, both(0)],
  [ICR_LOW, both(ICR_WRITABLE)],
  ...LVT_WRITABLE.map((mask, n) => [LVT + n, both(mask | LVT_DELIVERY_STATUS | LVT_REMOTE_IRR)] as const),
  [INITIAL_COUNT, both(-1)],
  [DIVIDE, both(0xb)],
  [SELF_IPI, { readable: false, writable: 0xff }],
]);

// Sets of 256 vectors in eight words.
const set = (words: number[], vector: number): void => void (words[vector >> 5] = (words[vector >> 5] | 1 << (vector & 31)) >>> 0);
const clear = (words: number[], vector: number): void => void (words[vector >> 5] = (words[vector >> 5] & ~(1 << (vector & 31))) >>> 0);
const has = (words: number[], vector: number): boolean => (words[vector >> 5] >>> (vector & 31) & 1) !== 0;
/** The highest vector of a set, or -1. */
function highest(words: readonly number[]): number {
  for (let n = 7; n >= 0; n--) if (words[n] !== 0) return 32 * n + 31 - Math.clz32(words[n]);
  return -1;
}
