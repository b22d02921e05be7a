// Where a RISC-V hart's registers are in the state window (see ir/layout.ts), and the mode bits that translated code depends on.
import { GUEST } from "../ir/layout.ts";

/** Integer register n: 8 bytes; RV32 uses the low 4. x0 is never written. */
export const X = (n: number): number => GUEST + 8 * n;
/** Floating-point register n: 8 bytes, narrower values NaN-boxed (Unpriv 20240411, 21.2). */
export const F = (n: number): number => GUEST + 0x100 + 8 * n;
/** i32: fcsr's accrued flags and rounding mode. */
export const FFLAGS = GUEST + 0x200, FRM = GUEST + 0x204;
/** i32: low half of mstatus; and the bits of sstatus that `csrs` must not set without a helper: all but SIE, and SIE while an interrupt waits for it. */
export const STATUS = GUEST + 0x208, HELD = GUEST + 0x20c;
/** i64: address and value of the last LR (address all ones: none), as QEMU does it: SC succeeds while memory still holds the value. */
export const RES_ADDRESS = GUEST + 0x210, RES_VALUE = GUEST + 0x218;
/** First slot free for CSRs (i64 each), up to GUEST_END. */
export const CSRS = GUEST + 0x240;

/** Mode bits. FS is not Off; FS is Dirty; binary32/64 arithmetic may go the fast way (NX is already set and frm is RNE). */
export const MODE_FS = 1, MODE_FS_DIRTY = 2, MODE_FP_FAST = 4;
/** Addresses of code and data are physical, and everything may be done at all of them. */
export const MODE_PHYSICAL = 8;
/** cbo.zero is allowed. */
export const MODE_CBZE = 64;
/** Privilege (0 U, 1 S, 3 M) in bits 5..4. */
export const MODE_PRIV_SHIFT = 4;
