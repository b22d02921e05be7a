// Where an x86 processor's registers are in the state window (see ir/layout.ts), and the mode bits that translated code depends on.
// The PC slot holds the linear address of the instruction (CS base + EIP, 32 bits wide outside 64-bit mode), because translated code is kept by page.
import { GUEST, SWITCH } from "../ir/layout.ts";

/** General register n in the order of the encoding (RAX RCX RDX RBX RSP RBP RSI RDI R8..R15): 8 bytes. Code outside 64-bit mode writes the low 4 only. */
export const GPR = (n: number): number => GUEST + 8 * n;
/** XMM register n: 16 bytes. */
export const XMM = (n: number): number => GUEST + 0x100 + 16 * n;
/** i64: base of segment register n (ES CS SS DS FS GS, LDTR, TR). In 64-bit mode code adds only those of FS and GS; CS, SS, DS, ES read as 0 there. */
export const SEG_BASE = (n: number): number => GUEST + 0x200 + 8 * n;
/**
 * The status flags, kept lazily: what the last instruction that set them did. CC_KIND (i32) tells how the flags follow from the three values
 * (i64; code outside 64-bit mode writes the low halves, and the upper ones are zero then); CF is A < B whatever the kind; see flags.ts. After `readStatus` and `writeStatus` of flags.ts they are a plain image.
 */
export const CC_RESULT = GUEST + 0x240, CC_A = GUEST + 0x248, CC_B = GUEST + 0x250, CC_KIND = GUEST + 0x258;
/** i64: RFLAGS apart from CF PF AF ZF SF OF (which are zero here); bit 1 is set. */
export const RFLAGS = GUEST + 0x260;
/** i32: selector of segment register n (ES CS SS DS FS GS, then LDTR and TR, whose bases are SEG_BASE(6) and SEG_BASE(7)). */
export const SELECTOR = (n: number): number => GUEST + 0x280 + 4 * n;
/** System registers that code reads or sets itself: from SYSTEM up to SYSTEM_END. */
export const SYSTEM = GUEST + 0x2a0, SYSTEM_END = SYSTEM + 0xc0;
/** i32: limit in bytes and attributes (segments.ts) of the segment registers in the order of SELECTOR. */
export const SEG_LIMIT = SYSTEM, SEG_ATTR = SYSTEM + 0x20;
/** i64: base of ES, CS, SS and DS as loaded, also where 64-bit mode ignores it. */
export const LOADED_BASE = (n: number): number => SYSTEM + 0x40 + 8 * n;
/** i32: current privilege level; EFER; IA32_FMASK; 1 while the interrupt input is active. */
export const CPL = SYSTEM + 0x60, EFER = SYSTEM + 0x64, FMASK = SYSTEM + 0x68, INTR = SYSTEM + 0x6c;
/** i64: CR2, IA32_KERNEL_GS_BASE, IA32_STAR, IA32_LSTAR, IA32_CSTAR. */
export const CR2 = SYSTEM + 0x70, KERNEL_GS_BASE = SYSTEM + 0x78, STAR = SYSTEM + 0x80, LSTAR = SYSTEM + 0x88, CSTAR = SYSTEM + 0x90;
/**
 * i64: what is added to the clock's ticks in the time-stamp counter; i32: 0 when it is no such sum, 1 when only privilege 0 may read it by RDTSC, 2 when
 * all may.
 */
export const TSC_OFFSET = SYSTEM + 0x98, TSC_PLAIN = SYSTEM + 0xa0;
/** i64 and i32: base and limit of the GDT. */
export const GDT_BASE = SYSTEM + 0xa8, GDT_LIMIT = SYSTEM + 0xb0;
/** What TLB and CONTEXT are (i32 each) at privilege 0 and at 3, while CR0, CR4, the address space and so on stay; 0: not known. See cpu.ts, `refresh`. */
export const SWITCH_SYSTEM = SWITCH, SWITCH_USER = SWITCH + 8;

/**
 * i64: the offset after the last one that may be read from (written to) segment n, when that is all there is to check: an expand-up segment that is
 * present and has the right; else 0, and the helper segRead (segWrite) decides. 2^32 for a 4 GiB limit.
 */
export const SEG_READ_TOP = (n: number): number => GUEST + 0x840 + 8 * n;
export const SEG_WRITE_TOP = (n: number): number => GUEST + 0x880 + 8 * n;
/** i32: limit of CS in bytes, the last valid offset; linear address of that, 0 when it is beyond 4 GiB: the helper codeEnd decides then. */
export const CODE_LIMIT = GUEST + 0x8c0, CODE_END = GUEST + 0x8c4;

/** x87 register n by its physical number (not relative to the top): significand (i64, also MMX register n), then sign and exponent (16 bits). */
export const FPU_REG = (n: number): number => GUEST + 0x900 + 16 * n;
/** i32 each: control word, status word without TOP, TOP, bit n set when register n is empty. */
export const FPU_CW = GUEST + 0x980, FPU_SW = GUEST + 0x984, FPU_TOP = GUEST + 0x988, FPU_EMPTY = GUEST + 0x98c;
/** Bit of the status word: an unmasked exception is pending (ES). */
export const FPU_ERROR = 0x80;
/** Last x87 instruction: opcode (11 bits, i32), CS and DS selectors (i32), offsets of instruction and operand (i64). */
export const FPU_OPCODE = GUEST + 0x990, FPU_CS = GUEST + 0x994, FPU_DS = GUEST + 0x998, FPU_IP = GUEST + 0x9a0, FPU_DP = GUEST + 0x9a8;
/** i32: MXCSR. */
export const MXCSR = GUEST + 0x9b0;
/** i32: 1 once an IRET has returned from a handler since the last event, by whichever way it was run. For reports: which events belong together. */
export const RETURNED = GUEST + 0x9b8;

/** Mode bits: size of code (CS.D, CS.L), of the stack (SS.B), CR0.PE, privilege, virtual-8086 mode. */
export const MODE_CODE32 = 1, MODE_CODE64 = 2, MODE_STACK32 = 4, MODE_PROTECTED = 8, MODE_CPL_SHIFT = 4, MODE_V86 = 0x40;
/** Bases of CS, SS, DS and ES are 0, their limits 4 GiB, and all of them may be read and the data segments written (always in 64-bit mode). */
export const MODE_FLAT = 0x80;
/**
 * CR0.TS, CR0.EM, CR4.OSFXSR, CR0.MP. MODE_TF: blocks of one instruction that begins with a call of the helper "step" (single-stepping,
 * instruction breakpoints, the end of an interrupt shadow).
 */
export const MODE_TS = 0x100, MODE_EM = 0x200, MODE_TF = 0x400, MODE_OSFXSR = 0x800, MODE_MP = 0x1000;
/** MXCSR is such that SSE arithmetic may take the fast way: see `mxcsrIsFast`. */
export const MODE_SSE_FAST = 0x2000;

/** Linear addresses are physical ones: no paging, address bit 20 is not masked, and no data breakpoint is set. */
export const MODE_PHYSICAL = 0x4000;

/** The segment of code has a limit, and does not end where 16 bytes do: its instructions are all checked, not only where they may be the first beyond. */
export const MODE_ODD_END = 0x8000;

/** True when all SSE exceptions are masked, PE is set already, and results round to nearest even with no DAZ or FTZ: an inexact result then changes nothing. */
export const mxcsrIsFast = (mxcsr: number): boolean => (mxcsr & 0xffe0) === 0x1fa0;
