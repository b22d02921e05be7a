// HOT: no bigint, no closures, no allocation.
// Interrupts of a hart: what is pending, what of it can be taken, the inputs and the supervisor's timer (RISC-V Privileged 20240411, 3.1.9; Sstc 1.0.0).
import type { IrqLine } from "../core/irq.ts";
import { MIE, SIE, STCE } from "./registers.ts";
import { HELD } from "./slots.ts";
import type { HartState, HartWindow } from "./state.ts";
import { MEIP, MSIP, MTIP, SEIP, SSIP, STIP } from "./trap.ts";

/** What interrupts need of the machine. */
export interface InterruptHost {
  /** The counter behind the time CSR: an integer below 2^53. */
  time(): number;
  /** Asks for a call of `timerDue()` when `time()` reaches a value; Infinity: never. A later request replaces an earlier one. */
  timer(at: number): void;
  /** An interrupt has become deliverable, or has ended a wait: cut the running slice. May be called at any moment. */
  onPending(): void;
}

/** Names of the interrupt inputs, and the bit of mip that each drives. */
export const INPUTS: Readonly<Record<string, number>> = { msip: MSIP, mtip: MTIP, meip: MEIP, seip: SEIP, ssip: SSIP, stip: STIP };

/** Bits of mie, and what sets those of mip: S-mode's timer and external interrupts have sources of M-mode's, too. */
const WAKERS: readonly (readonly [bit: number, input: string])[] = [
  [3, "msip"],
  [5, "timer"],
  [7, "mtip"],
  [9, "seip"],
  [11, "meip"],
];

export class Interrupts {
  /** mip as software reads it. */
  mip = 0;
  /** Those that would be taken now; 0 in the usual case. */
  deliverable = 0;
  readonly #inputs = new Map<string, IrqLine>();

  constructor(readonly s: HartState, readonly window: HartWindow, readonly host: InterruptHost) {}

  /** Recomputes mip and what of it can be delivered; to be called after any change to its inputs. */
  update(): void {
    const { s, window } = this;
    const mip = s.lines | (this.stimecmpActive ? s.soft & ~STIP | (s.timerHit ? STIP : 0) : s.soft);
    this.mip = mip;
    const pending = mip & s.mie, before = this.deliverable;
    window.setLo(HELD, (pending & s.mideleg) === 0 ? ~SIE : -1);
    if (pending === 0 || s.stopped) {
      this.deliverable = 0;
      return;
    }
    const woken = s.waiting;
    s.waiting = false;
    let set = s.priv < 3 || window.status & MIE ? pending & ~s.mideleg : 0;
    if (set === 0 && (s.priv < 1 || (s.priv === 1 && window.status & SIE))) set = pending & s.mideleg;
    this.deliverable = set;
    if (woken || (set !== 0 && before === 0)) this.host.onPending();
  }
  /** Before `update` after a restore: what is pending was pending. It is no news for the machine, which would cut its slice. */
  known(): void {
    this.deliverable = -1;
  }
  /** Sets or clears bits of mip that firmware owns (SSIP, STIP, SEIP). */
  setPending(bits: number, pending: boolean): void {
    this.s.soft = pending ? this.s.soft | bits : this.s.soft & ~bits;
    this.update();
  }

  // --- the timer
  /** Whether stimecmp drives STIP. */
  get stimecmpActive(): boolean {
    return (this.s.menvcfgHi & STCE) !== 0;
  }
  setStimecmp(lo: number, hi: number): void {
    this.s.stimecmpLo = lo;
    this.s.stimecmpHi = hi;
    this.timerDue();
  }
  /** Looks whether time has reached stimecmp, and asks to be called when it does: the machine's answer to that, too. */
  timerDue(): void {
    const s = this.s, at = (s.stimecmpHi >>> 0) * 2 ** 32 + (s.stimecmpLo >>> 0);
    s.timerHit = this.stimecmpActive && this.host.time() >= at;
    this.host.timer(this.stimecmpActive && !s.timerHit && at < 2 ** 53 ? at : Infinity);
    this.update();
  }

  // --- waiting
  /** WFI. */
  wait(): void {
    this.s.waiting = (this.mip & this.s.mie) === 0;
  }
  get waiting(): boolean {
    return this.s.waiting || this.s.stopped;
  }
  /** WFI ends when an interrupt is pending that mie enables, whatever mstatus says (privileged 3.3.3). SSIP comes from processors alone. */
  get wakers(): readonly string[] {
    const { stopped, mie } = this.s;
    return stopped ? [] : WAKERS.filter(([bit]) => mie >> bit & 1).map(([, name]) => name);
  }

  /** Input by name; undefined when there is none. */
  input(name: string): IrqLine | undefined {
    const bit = INPUTS[name];
    if (bit === undefined) return undefined;
    let line = this.#inputs.get(name);
    if (!line) this.#inputs.set(name, line = new Input(this, bit));
    return line;
  }
}

/** An interrupt input: its level is a bit of the hart's state. */
class Input implements IrqLine {
  constructor(readonly interrupts: Interrupts, readonly bit: number) {}
  get level(): boolean {
    return (this.interrupts.s.lines & this.bit) !== 0;
  }
  set(level: boolean): void {
    if (level === this.level) return;
    this.interrupts.s.lines ^= this.bit;
    this.interrupts.update();
  }
}
