// HOT: no bigint, no closures, no allocation.
// Which events wait, which of them may be taken, and what holds them back for an instruction. Intel SDM volume 3A (253668-083), 6.8.
import { CONTINUE, type CoreEnv, FINISH, type Status } from "../ir/frontend.ts";
import type { CpuState } from "./cpu_state.ts";
import { DR6_BS, IF } from "./registers.ts";
import type { X86Window } from "./state_window.ts";

export class Pending {
  /** @param onPending an event has become deliverable */
  constructor(readonly env: CoreEnv, readonly s: CpuState, readonly window: X86Window, readonly onPending: () => void) {}

  /** Begins an interrupt shadow: the next instruction is executed before any interrupt. */
  shadow(): void {
    this.s.shadowAt = this.env.instructions() + 1;
  }
  /** After MOV SS and POP SS: neither are they followed by a single step's trap, nor, for one instruction, by that of a data breakpoint. */
  stackShadow(): void {
    this.shadow();
    this.s.stackShadowAt = this.s.shadowAt;
    this.s.debugDue &= ~DR6_BS;
  }
  /** To be called after a change of what makes interrupts deliverable: FINISH when one can be taken. */
  done(): Status {
    const s = this.s;
    return s.debugDue !== 0 || (s.nmi && !s.nmiMasked) || (this.window.intr && this.window.systemFlags & IF) ? FINISH : CONTINUE;
  }
  /** A wire has moved. */
  wake(): void {
    const s = this.s;
    if (s.parked || s.shutdown || this.done() === CONTINUE) return;
    s.waiting = false;
    this.onPending();
  }
  get waiting(): boolean {
    return this.s.waiting || this.s.parked;
  }
  /** What ends HLT: an NMI, and an interrupt that IF lets through; a shutdown ends by an NMI alone, a wait for a startup IPI by neither. */
  get wakers(): readonly string[] {
    const { parked, shutdown, nmiMasked } = this.s, nmi = nmiMasked ? [] : ["nmi"];
    return parked ? [] : shutdown || !(this.window.systemFlags & IF) ? nmi : ["intr", ...nmi];
  }
  get resting(): string | undefined {
    return this.s.shutdown ? "shut down by a triple fault" : this.s.parked ? "waiting for its start" : undefined;
  }
}
