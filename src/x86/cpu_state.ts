// What a processor's state is besides its slots: plain data that a snapshot copies. Intel SDM volume 3A (253668-083), table 9-1.
import { CR0_CD, CR0_ET, CR0_NW, DR6_FIXED, DR7_FIXED } from "./registers.ts";

/** Everything that a snapshot holds apart from the slots and segment registers. */
export const powerOn = () => ({
  cr0: CR0_CD | CR0_NW | CR0_ET,
  cr3Lo: 0,
  cr3Hi: 0,
  cr4: 0,
  xcr0: 1,
  /** PKRU and IA32_PKRS. */
  pkru: 0,
  pkrs: 0,
  /** CR8 where there is no local APIC. */
  priority: 0,
  idtLo: 0,
  idtHi: 0,
  idtLimit: 0xffff,
  drLo: [0, 0, 0, 0],
  drHi: [0, 0, 0, 0],
  dr6: DR6_FIXED,
  dr7: DR7_FIXED,
  /** DR6 bits of a debug trap that is due after the present instruction. */
  debugDue: 0,
  /** The next instruction is one after which interrupts are looked at. */
  stepOnce: false,
  /** Instruction count at which an interrupt shadow (STI, MOV SS) is in force; -1: never. */
  shadowAt: -1,
  /** The same for MOV SS and POP SS: a data breakpoint's trap is held back, too (SDM volume 3A, 6.8.3). */
  stackShadowAt: -1,
  /** HLT has been executed. */
  waiting: false,
  /** Waits for a startup IPI. */
  parked: false,
  /** An INIT came while it was executing an instruction. */
  initDue: false,
  /** After a triple fault. */
  shutdown: false,
  /** Level of the wire; that of INTR is a slot. */
  nmiLine: false,
  nmi: false,
  nmiMasked: false,
  a20: true,
  ignne: false,
  ferr: false,
  sysenterCs: 0,
  sysenterEspLo: 0,
  sysenterEspHi: 0,
  sysenterEipLo: 0,
  sysenterEipHi: 0,
  tscAux: 0,
  /** Added to the time-stamp counter (integer). */
  tscOffset: 0,
  /** MSRs without an effect, by number: halves. */
  msrs: {} as Record<number, [number, number]>,
  /** State of RDRAND's generator. */
  random: [0, 0, 0, 0],
});
export type CpuState = ReturnType<typeof powerOn>;

/** The mode of operation (SDM volume 3A, 2.2): `Derived.refresh` works it out, everybody looks at it. */
export class Modes {
  /** CR0.PE and not virtual-8086 mode. */
  protectedMode = false;
  v86 = false;
  /** EFER.LMA; and CS.L as well. */
  lma = false;
  code64 = false;
}
