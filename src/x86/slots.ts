// Where an x86 processor's registers are in the state window (see ir/layout.ts), and the mode bits that translated code depends on.
import { GUEST } from "../ir/layout.ts";

/** General register n in the order of the encoding (RAX RCX RDX RBX RSP RBP RSI RDI R8..R15): 8 bytes. The PC slot holds RIP. */
export const GPR = (n: number): number => GUEST + 8 * n;
/** XMM register n: 16 bytes. */
export const XMM = (n: number): number => GUEST + 0x100 + 16 * n;
/** i64: base of segment register n (ES CS SS DS FS GS, LDTR, TR). In 64-bit mode code adds only those of FS and GS. */
export const SEG_BASE = (n: number): number => GUEST + 0x200 + 8 * n;
/**
 * The status flags, kept lazily: what the last instruction that set them did. i64 each: its result, and the operands from which CF, OF
 * and AF follow, by the kind of operation and operand size in i32 CC_KIND (flags.ts has the table). DF and the rest are in RFLAGS.
 */
export const CC_RESULT = GUEST + 0x240, CC_A = GUEST + 0x248, CC_B = GUEST + 0x250, CC_KIND = GUEST + 0x258;
/** i64: RFLAGS apart from CF PF AF ZF SF OF. */
export const RFLAGS = GUEST + 0x260;
/** i32: selector of segment register n (ES CS SS DS FS GS, then LDTR and TR, whose bases are SEG_BASE(6) and SEG_BASE(7)). */
export const SELECTOR = (n: number): number => GUEST + 0x280 + 4 * n;
/** First slot that is free. */
export const SYSTEM = GUEST + 0x2a0;

/** Mode bits: size of code (CS.D, CS.L), of the stack (SS.B), paging and protection, privilege, whether all segments are flat, FPU availability. */
export const MODE_CODE32 = 1, MODE_CODE64 = 2, MODE_STACK32 = 4, MODE_PROTECTED = 8, MODE_CPL_SHIFT = 4, MODE_V86 = 0x40, MODE_FLAT = 0x80;
/**
 * CR0.TS/EM make SSE and x87 fault; CR4.OSFXSR; MODE_TF: blocks of one instruction that begins with a call of the helper "step" with its
 * address (single-stepping, instruction breakpoints, the end of an interrupt shadow).
 */
export const MODE_NO_FPU = 0x100, MODE_NO_SSE = 0x200, MODE_TF = 0x400;
