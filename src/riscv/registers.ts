// Names of the registers (RISC-V ABIs 1.0, 1.1), and fields of the control and status registers (RISC-V Privileged 20240411, "Priv").

// deno-fmt-ignore
/** ABI names of the integer registers and of the floating-point ones. */
export const X_NAMES: readonly string[] = [
  "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
  "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];
// deno-fmt-ignore
export const F_NAMES: readonly string[] = [
  "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
  "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

// mstatus, low half; names of Priv 3.1.6 with the bit in place.
export const SIE = 1 << 1, MIE = 1 << 3, SPIE = 1 << 5, MPIE = 1 << 7, SPP = 1 << 8, MPP = 3 << 11, MPP_SHIFT = 11, FS = 3 << 13;
export const MPRV = 1 << 17, SUM = 1 << 18, MXR = 1 << 19, TVM = 1 << 20, TW = 1 << 21, TSR = 1 << 22, SD = 1 << 31;
/** The fields that sstatus shows (UBE and VS are 0 here, XS too). */
export const SSTATUS = SIE | SPIE | SPP | FS | SUM | MXR;
// menvcfg and senvcfg.
export const FIOM = 1, CBIE = 3 << 4, CBCFE = 1 << 6, CBZE = 1 << 7;
/** In the upper half of menvcfg. */
export const STCE = 1 << 31, PBMTE = 1 << 30, ADUE = 1 << 29;
/** counteren and countinhibit bits. */
export const CY = 1, TM = 2, IR = 4;
