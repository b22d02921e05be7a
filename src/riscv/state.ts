// The state of a hart: its registers in the state window, and what a snapshot keeps besides them.
import { StateWindow } from "../ir/state_window.ts";
import { STATUS } from "./slots.ts";
import { low32, wide } from "./trap.ts";

export class HartWindow extends StateWindow {
  /** Low half of mstatus, with SD in bit 31. Rows clear SIE, and set it while no interrupt waits for it, on their own. */
  get status(): number {
    return this.lo(STATUS);
  }
  set status(status: number) {
    this.setLo(STATUS, status);
  }
  get pc(): bigint {
    return BigInt.asUintN(this.bits, wide(this.pcLo, this.pcHi));
  }
  set pc(value: bigint) {
    this.setPc(low32(value), low32(value >> 32n));
  }
}

/** Everything that a snapshot holds apart from the slots, the PMP and the past traps. Interrupt bits are those of mip. */
export const powerOn = () => ({
  /** 0 U, 1 S, 3 M. */
  priv: 3,
  mie: 0,
  /** mip's bits that software set. */
  soft: 0,
  /** mip's bits that wires drive. */
  lines: 0,
  /** time has reached stimecmp. */
  timerHit: false,
  medeleg: 0,
  mideleg: 0,
  mcounteren: 0,
  scounteren: 0,
  mcountinhibit: 0,
  menvcfgLo: 0,
  menvcfgHi: 0,
  senvcfg: 0,
  satpLo: 0,
  satpHi: 0,
  mtvecLo: 0,
  mtvecHi: 0,
  stvecLo: 0,
  stvecHi: 0,
  stimecmpLo: -1,
  stimecmpHi: -1,
  /** What to add to the instruction count; the value itself while the counter is inhibited. */
  cycleLo: 0,
  cycleHi: 0,
  instretLo: 0,
  instretHi: 0,
  /** Instructions begun that did not retire because they trapped. */
  trapped: 0,
  /** wfi has been executed and no enabled interrupt is pending. */
  waiting: false,
  /** SBI HSM: the hart runs nothing until it is started. */
  stopped: false,
});
export type HartState = ReturnType<typeof powerOn>;

/** Whether menvcfg and senvcfg allow a kind of cache-block instruction: CBIE, CBCFE or CBZE (Priv 3.1.18, CMO 1.0 2.6). */
export function mayCbo(s: HartState, needed: number): boolean {
  return (s.priv === 3 || (s.menvcfgLo & needed) !== 0) && (s.priv > 0 || (s.senvcfg & needed) !== 0);
}
