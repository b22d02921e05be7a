// The local APIC of one processor: registers, what it accepts, priorities, its timer.
// Source: Intel SDM volume 3A (253668-083), chapter 10.
import { EXT_INT, type LocalApic, NO_VECTOR } from "../../../core/apic.ts";
import type { Alarm } from "../../../core/clock.ts";
import type { DeviceEnv, DevicePorts, Sources } from "../../../core/device.ts";
import { type IrqLine, unconnected } from "../../../core/irq.ts";
import {
  BASE_BOOTSTRAP,
  BASE_ENABLED,
  BASE_X2APIC,
  clear,
  ENTRY,
  has,
  highest,
  ICR_WRITABLE,
  ILLEGAL_REGISTER,
  isRegister,
  LVT_LEVEL,
  LVT_MASKED,
  LVT_REMOTE_IRR,
  LVT_TIMER_MODE,
  LVT_WRITABLE,
  MODE,
  ONE_SHOT,
  PERIODIC,
  RECEIVE_ILLEGAL,
  REG,
  set,
  SVR_ENABLED,
  SVR_WRITABLE,
  TSC_DEADLINE,
  VERSION_VALUE,
  WINDOW,
  X2_REGISTERS,
} from "./registers.ts";

const words = (): number[] => Array<number>(8).fill(0);

/** After an INIT; `processor` is its number and its ID. */
export const initial = (processor: number) => ({
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
  lvt: [LVT_MASKED, LVT_MASKED, LVT_MASKED, processor === 0 ? MODE.external << 8 : LVT_MASKED, LVT_MASKED, LVT_MASKED],
  initialCount: 0,
  divide: 0,
  /** Count of the timer's clock at which it began to count down from the initial count. */
  startedAt: 0,
  deadline: 0,
  /** An ExtINT message waits for its acknowledge cycle. */
  extInt: false,
});
export const powerOn = (processors: number) => ({
  apics: Array.from({ length: processors }, (_, n) => ({
    ...initial(n),
    base: WINDOW + BASE_ENABLED + (n === 0 ? BASE_BOOTSTRAP : 0),
  })),
  /** Levels of the pins, which every APIC has. */
  lint: [false, false],
});
export type ApicState = ReturnType<typeof powerOn>;

/** Delivery modes that come as interrupts with a vector. */
const ORDINARY: readonly number[] = [MODE.fixed, MODE.lowest, MODE.external];

/** What is asked of a group of APICs. */
export interface Message {
  readonly mode: number;
  readonly vector: number;
  readonly level: boolean;
}

/** What the APIC of a processor asks of the device that has them all. */
export interface ApicHost {
  readonly env: DeviceEnv;
  readonly config: { readonly timer_hz: number; readonly tsc_hz: number };
  readonly ports: DevicePorts;
  readonly state: ApicState;
  onInit(processor: number): void;
  onStartup(processor: number, vector: number): void;
  onEndOfInterrupt(vector: number): void;
  /** Whether a message on the system bus with this destination is for this APIC. */
  addresses(apic: Apic, destination: number, logical: boolean): boolean;
  /** Executes an interrupt command of processor `from`. */
  command(from: Apic, low: number, destination: number): void;
}

/** One processor's. */
export class Apic implements LocalApic {
  readonly #alarm: Alarm;
  readonly #intr: IrqLine;
  readonly #nmi: IrqLine;

  constructor(readonly device: ApicHost, readonly processor: number) {
    this.#alarm = device.env.alarm(`timer${processor}`, () => this.#timerFired());
    this.#intr = device.ports.irq[2 * processor] ?? unconnected();
    this.#nmi = device.ports.irq[2 * processor + 1] ?? unconnected();
  }

  get s(): ApicState["apics"][number] {
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
  /**
   * Whether an interrupt, or with `special` an NMI, may come: by the timer, by a pin whose entry lets it through, or as a message. One with a vector
   * must outrank what is in service and TPR (10.8.3.1): nobody ends or changes those any more.
   */
  mayRaise(special: boolean, from: Sources): boolean {
    // Without the APIC its pins are the processor's INTR and NMI (10.4.3).
    if (!this.enabled) return from.input(special ? "lint1" : "lint0");
    const { lvt } = this.s, outranks = (vector: number) => vector >> 4 > this.#processorPriority() >> 4;
    const pins = [ENTRY.lint0, ENTRY.lint1].some((n) => {
      const entry = lvt[n], mode = entry >> 8 & 7, pin = n === ENTRY.lint0 ? "lint0" : "lint1";
      if (entry & LVT_MASKED || ORDINARY.includes(mode) === special) return false;
      return (special || mode === MODE.external || outranks(entry & 0xff)) && from.input(pin);
    });
    const timer = () => this.#alarm.at < Infinity && !(lvt[ENTRY.timer] & LVT_MASKED) && outranks(lvt[ENTRY.timer] & 0xff);
    return pins || (!special && timer()) || from.message(special, ({ mode, vector, destination, logical }) => {
      if (!this.device.addresses(this, destination, logical)) return false;
      if (special || mode === MODE.external) return true;
      // An illegal vector raises the error interrupt (10.5.3).
      return vector < 16 ? !(lvt[ENTRY.error] & LVT_MASKED) : (this.s.svr & SVR_ENABLED) !== 0 && outranks(vector);
    });
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
    if ((this.s.lvt[ENTRY.timer] & LVT_TIMER_MODE) !== TSC_DEADLINE) return;
    this.s.deadline = count;
    this.#schedule();
  }
  readMsr(number: number): { lo: number; hi: number } | undefined {
    const register = number - 0x800;
    if (!this.x2 || !X2_REGISTERS.get(register)?.readable) return undefined;
    return { lo: this.read(register) | 0, hi: register === REG.icrLow ? this.s.icrHigh | 0 : 0 };
  }
  writeMsr(number: number, lo: number, hi: number): boolean {
    const register = number - 0x800, writable = this.x2 ? X2_REGISTERS.get(register)?.writable : undefined;
    if (writable === undefined || lo & ~writable || (register !== REG.icrLow && hi !== 0)) return false;
    if (register === REG.selfIpi) this.device.command(this, 0x4_0000 | lo & 0xff, 0);
    else {
      if (register === REG.icrLow) this.s.icrHigh = hi >>> 0;
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
    if (block === REG.isr) return s.isr[register & 7];
    if (block === REG.tmr) return s.tmr[register & 7];
    if (block === REG.irr) return s.irr[register & 7];
    if (register >= REG.lvt && register < REG.lvt + s.lvt.length) return s.lvt[register - REG.lvt];
    switch (register) {
      case REG.id:
        return this.x2 ? s.id : s.id << 24;
      case REG.version:
        return VERSION_VALUE;
      case REG.tpr:
        return s.tpr;
      case REG.apr:
        return this.arbitration();
      case REG.ppr:
        return this.#processorPriority();
      case REG.ldr:
        return this.x2 ? (s.id >> 4) << 16 | 1 << (s.id & 15) : s.ldr;
      case REG.dfr:
        return s.dfr;
      case REG.svr:
        return s.svr;
      case REG.esr:
        return s.esr;
      case REG.icrLow:
        return s.icrLow;
      case REG.icrHigh:
        return s.icrHigh;
      case REG.initialCount:
        return s.initialCount;
      case REG.currentCount:
        return this.#currentCount();
      case REG.divide:
        return s.divide;
      case REG.eoi:
      case REG.remoteRead:
        return 0;
      default:
        this.error(ILLEGAL_REGISTER);
        return 0;
    }
  }

  write(register: number, value: number): void {
    const { s } = this;
    if (register >= REG.lvt && register < REG.lvt + s.lvt.length) return this.#writeLvt(register - REG.lvt, value);
    switch (register) {
      case REG.id:
        s.id = value >>> 24;
        break;
      case REG.tpr:
        s.tpr = value & 0xff;
        break;
      case REG.eoi:
        this.#endOfInterrupt();
        break;
      case REG.ldr:
        s.ldr = (value & 0xff00_0000) >>> 0;
        break;
      case REG.dfr:
        s.dfr = (value | 0x0fff_ffff) >>> 0;
        break;
      case REG.svr:
        s.svr = value & SVR_WRITABLE;
        // Disabled by software: every entry is masked (10.4.7.2).
        if (!(value & SVR_ENABLED)) { for (const n of s.lvt.keys()) s.lvt[n] |= LVT_MASKED; }
        this.#schedule();
        break;
      case REG.esr:
        s.esr = s.errors;
        s.errors = 0;
        break;
      case REG.icrLow:
        s.icrLow = value & ICR_WRITABLE;
        this.device.command(this, s.icrLow, this.x2 ? s.icrHigh : s.icrHigh >>> 24);
        break;
      case REG.icrHigh:
        s.icrHigh = (value & 0xff00_0000) >>> 0;
        break;
      case REG.initialCount:
        if ((s.lvt[ENTRY.timer] & LVT_TIMER_MODE) === TSC_DEADLINE) return;
        s.initialCount = value;
        s.startedAt = this.#count();
        this.#schedule();
        break;
      case REG.divide:
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
    if (n === ENTRY.timer) {
      // 10.5.4.1: a change to or from TSC-deadline mode disarms the timer.
      if ((old ^ value) & TSC_DEADLINE) s.initialCount = s.deadline = 0;
      this.#schedule();
    }
    if (n === ENTRY.lint0 || n === ENTRY.lint1) this.#levelPin(n);
    this.#update();
  }

  // --- interrupts
  /** Whether a logical destination names this APIC (10.6.2.2, 10.12.10.1). */
  inGroup(destination: number): boolean {
    const { s } = this, ldr = s.ldr >>> 24;
    if (this.x2) {
      const mine = this.read(REG.ldr);
      return mine >>> 16 === destination >>> 16 && (mine & destination & 0xffff) !== 0;
    }
    if (s.dfr >>> 28 === 0xf) return (ldr & destination) !== 0;
    return (destination >> 4 === ldr >> 4 || destination >> 4 === 0xf) && (ldr & destination & 0xf) !== 0;
  }

  accept({ mode, vector, level }: Message): void {
    const { s } = this;
    switch (mode) {
      case MODE.fixed:
      case MODE.lowest:
        if (vector < 16) return this.error(RECEIVE_ILLEGAL);
        if (!(s.svr & SVR_ENABLED)) return;
        set(s.irr, vector);
        (level ? set : clear)(s.tmr, vector);
        break;
      case MODE.nmi:
        this.#nmi.set(true);
        this.#nmi.set(false);
        return;
      case MODE.init:
        this.#initialize();
        return this.device.onInit(this.processor);
      case MODE.startup:
        return this.device.onStartup(this.processor, vector);
      case MODE.external:
        s.extInt = true;
    }
    this.#update();
  }

  /** Notes an error (10.5.3) and asks for the error interrupt. */
  error(bit: number): void {
    const { s } = this, repeated = s.errors & bit;
    s.errors |= bit;
    if (!repeated) this.#local(ENTRY.error);
  }

  /** An entry of the local vector table asks for its interrupt. */
  #local(n: number): void {
    const entry = this.s.lvt[n];
    if (entry & LVT_MASKED) return;
    const mode = n === ENTRY.timer || n === ENTRY.error ? MODE.fixed : entry >> 8 & 7;
    this.accept({ mode, vector: entry & 0xff, level: (n === ENTRY.lint0 || n === ENTRY.lint1) && (entry & LVT_LEVEL) !== 0 });
  }

  /** An NMI is an edge. The line does not stay up with its pin: a message would be lost then, and a restored machine would have to raise it again. */
  #pulseNmi(): void {
    this.#nmi.set(true);
    this.#nmi.set(false);
  }

  pinChanged(pin: number, level: boolean): void {
    const n = ENTRY.lint0 + pin, entry = this.s.lvt[n];
    if (!this.enabled) {
      // The pins are the processor's INTR and NMI (10.4.3).
      if (pin === 1 && level) this.#pulseNmi();
    } else if ((entry >> 8 & 7) === MODE.fixed && entry & LVT_LEVEL) this.#levelPin(n);
    else if (level && (entry >> 8 & 7) !== MODE.external) this.#local(n);
    this.#update();
  }
  /** A level-triggered pin asks again after each end of interrupt. */
  #levelPin(n: number): void {
    const entry = this.s.lvt[n];
    if ((entry >> 8 & 7) !== MODE.fixed || !(entry & LVT_LEVEL) || entry & (LVT_REMOTE_IRR | LVT_MASKED)) return;
    if (!this.device.state.lint[n - ENTRY.lint0]) return;
    this.s.lvt[n] |= LVT_REMOTE_IRR;
    this.#local(n);
  }

  #endOfInterrupt(): void {
    const { s } = this, vector = highest(s.isr);
    if (vector < 0) return;
    clear(s.isr, vector);
    if (!has(s.tmr, vector)) return;
    for (const n of [ENTRY.lint0, ENTRY.lint1]) {
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
    return this.enabled ? s.extInt || (pin && (s.lvt[ENTRY.lint0] & (LVT_MASKED | 0x700)) === MODE.external << 8) : pin;
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
    if ((s.lvt[ENTRY.timer] & LVT_TIMER_MODE) === PERIODIC) return s.initialCount - counted % s.initialCount;
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
    const { s, device } = this, { clock } = device.env, entry = s.lvt[ENTRY.timer], mode = entry & LVT_TIMER_MODE;
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
    this.#local(ENTRY.timer);
    this.#schedule();
  }
}
