// The wires of a processor: its inputs, and FERR#. Intel SDM volume 1 (253665-083), 8.7; volume 3A (253668-083), 6.3.1, 6.7.
import type { IrqLine } from "../core/irq.ts";
import { CONTINUE, type Status } from "../ir/frontend.ts";
import type { CpuState } from "./cpu_state.ts";
import type { Derived } from "./derived.ts";
import { FREEZE } from "./exceptions.ts";
import type { Faults } from "./faults.ts";
import type { Pending } from "./pending.ts";
import { FPU_ERROR, FPU_SW } from "./slots.ts";
import type { X86Window } from "./state_window.ts";

/** What inputs act on. */
interface Inputs {
  readonly s: CpuState;
  readonly window: X86Window;
  readonly pending: Pending;
  readonly derived: Derived;
}
/** By name: "a20m" is high while address bit 20 is masked. */
export const inputsOf = (cpu: Inputs): ReadonlyMap<string, IrqLine> =>
  new Map<string, IrqLine>([
    ["intr", new IntrInput(cpu)],
    ["nmi", new NmiInput(cpu)],
    ["a20m", new A20Input(cpu)],
    ["ignne", new IgnneInput(cpu)],
  ]);

/** Level-sensitive. */
class IntrInput implements IrqLine {
  constructor(readonly cpu: Inputs) {}
  get level(): boolean {
    return this.cpu.window.intr;
  }
  set(level: boolean): void {
    this.cpu.window.intr = level;
    if (level) this.cpu.pending.wake();
  }
}
/** Edge-triggered. */
class NmiInput implements IrqLine {
  constructor(readonly cpu: Inputs) {}
  get level(): boolean {
    return this.cpu.s.nmiLine;
  }
  set(level: boolean): void {
    const s = this.cpu.s, rising = level && !s.nmiLine;
    s.nmiLine = level;
    if (!rising) return;
    s.nmi = true;
    this.cpu.pending.wake();
  }
}
/** High: x87 errors are ignored while CR0.NE is clear. */
class IgnneInput implements IrqLine {
  constructor(readonly cpu: Inputs) {}
  get level(): boolean {
    return this.cpu.s.ignne;
  }
  set(level: boolean): void {
    this.cpu.s.ignne = level;
  }
}
/** High: address bit 20 is 0. */
class A20Input implements IrqLine {
  constructor(readonly cpu: Inputs) {}
  get level(): boolean {
    return !this.cpu.s.a20;
  }
  set(level: boolean): void {
    const { s, derived } = this.cpu;
    if (s.a20 !== level) return;
    s.a20 = !level;
    derived.flushAll();
  }
}

/** FERR#: an x87 error waits while CR0.NE is clear. */
export class FpuErrorOutput {
  /** Undefined where nobody would hear of it. */
  line: IrqLine | undefined;
  constructor(readonly s: CpuState, readonly window: X86Window, readonly faults: Faults) {}

  /**
   * A waiting x87 instruction finds an error (SDM volume 1, 8.7.2): unless IGNNE# lets it go on, FERR# goes up, and the processor stops before
   * the instruction until an interrupt comes.
   */
  report(): Status {
    if (this.s.ignne || !this.line) return CONTINUE;
    this.set(true);
    return this.faults.record(FREEZE, 0);
  }
  /** After the x87's status word was replaced: FERR# falls when no error is left. */
  mayBeGone(): void {
    if (this.s.ferr && !(this.window.lo(FPU_SW) & FPU_ERROR)) this.set(false);
  }
  set(level: boolean): void {
    this.s.ferr = level;
    this.line?.set(level);
  }
}
