// What the semantics of a row call: the IR builder with the registers, addresses and exceptions of RISC-V on top.
// HOT: no bigint, no closures, no allocation on the common path.
import { Builder, type I32, type I64, type Val } from "../ir/builder.ts";
import { H, type HelperName } from "./helpers.ts";
import type { PlainCsr } from "./csr.ts";
import { CAUSE } from "./trap.ts";
import { F, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, MODE_PRIV_SHIFT, X } from "./slots.ts";

/** Loads into an x register, and loads of a read-modify-write, by the manual's width letters: the name of the IR row for RV32 and for RV64. */
const LOADS = {
  lb: ["load8S.i", "load8S.l"],
  lbu: ["load8U.i", "load8U.l"],
  lh: ["load16S.i", "load16S.l"],
  lhu: ["load16U.i", "load16U.l"],
  lw: ["load32.i", "load32S.l"],
  lwu: ["load32.i", "load32U.l"],
  ld: ["load64.l", "load64.l"],
} as const;
const STORES = {
  sb: ["store8.i", "store8.l"],
  sh: ["store16.i", "store16.l"],
  sw: ["store32.i", "store32.l"],
  sd: ["store64.l", "store64.l"],
} as const;

/** Builds the IR of RISC-V instructions. Values of x registers are i64 on RV64 and i32 on RV32. */
export class Emit extends Builder {
  xlen: 32 | 64 = 64;
  /** Mode bits of slots.ts that hold while the block runs. */
  mode = 0;
  /** True when the C extension is there: targets need only even addresses. */
  compressed = true;
  /** The current instruction: its bits, and its length in bytes. */
  word = 0;
  length = 4;
  /** Where a CSR that is a plain slot at this mode is (see Hart.csrPlain). */
  csrPlain: ((number: number, mode: number) => PlainCsr | undefined) | undefined = undefined;

  /** Privilege: 0 U, 1 S, 3 M. */
  get privilege(): number {
    return (this.mode >> MODE_PRIV_SHIFT) & 3;
  }
  /** f registers that a binary32 was written to in this block: they need no check. */
  #boxed32 = 0;

  // --- integer registers
  /** A constant as wide as an x register. */
  imm(n: number): Val {
    return this.xlen === 64 ? this.i64(n) : this.i32(n);
  }
  x(n: number): Val {
    if (n === 0) return this.imm(0);
    return this.xlen === 64 ? this.getL(X(n)) : this.getI(X(n));
  }
  /** The low 32 bits of an x register. */
  w(n: number): I32 {
    return n === 0 ? this.i32(0) : this.getI(X(n));
  }
  /** Writes x register `n`; an i32 value is sign-extended on RV64. */
  setX(n: number, value: Val): void {
    if (n === 0) return;
    if (this.xlen === 64) this.set(X(n), this.isLong(value) ? value : this.extS(value));
    else this.set(X(n), this.isLong(value) ? this.wrap(value) : value);
  }
  /** An x register as a helper's argument: zero-extended on RV32. */
  arg(n: number): I64 {
    return this.long(this.x(n));
  }
  /** An x-wide value, zero-extended. */
  long(v: Val): I64 {
    return this.isLong(v) ? v : this.extU(v);
  }
  not<V extends Val>(v: V): V {
    return this.xor(v, this.like(v, -1));
  }
  /** A constant as wide as `v`. */
  like<V extends Val>(v: V, n: number): V {
    return (this.isLong(v) ? this.i64(n) : this.i32(n)) as Val as V;
  }

  // --- memory
  /** The address x[base] + offset, modulo 2^xlen. */
  addr(base: number, offset: number): I64 {
    if (offset === 0) return this.arg(base);
    return this.xlen === 64 ? this.add(this.x(base), this.imm(offset)) : this.ea32(this.x(base), this.i32(offset));
  }
  /** A load as wide as an x register. */
  loadX(kind: keyof typeof LOADS, address: I64): Val {
    return this.load(LOADS[kind][this.xlen === 64 ? 1 : 0], address);
  }
  storeX(kind: keyof typeof STORES, address: I64, value: Val): void {
    this.store(STORES[kind][this.isLong(value) ? 1 : 0], address, value);
  }
  /** The address, checked to be a multiple of `size`; else the helper's exception. */
  aligned(address: I64, size: number, helper: "misalignedLoad" | "misalignedStore"): I64 {
    return this.callUnless(this.eqz(this.and(address, this.i64(size - 1))), address, H[helper]);
  }

  // --- control
  /** Address of this instruction (RV32 addresses are zero-extended). */
  here(): I64 {
    return this.pcAt(0);
  }
  /** Address of the next instruction. */
  next(): I64 {
    return this.pcAt(this.length);
  }
  /** Address of this instruction plus `offset`, modulo 2^xlen. */
  pcAt(offset: number): I64 {
    return this.relative(this.xlen === 64 ? this.pcPlus(offset) : this.i64Halves((this.pcLo + offset) | 0, 0), offset);
  }
  /** As wide as an x register: address of this instruction plus `offset`. */
  pcX(offset: number): Val {
    return this.relative(this.xlen === 64 ? this.pcPlus(offset) : this.i32(this.pcLo + offset), offset);
  }
  override branchIf(cond: I32, offset: number): void {
    super.branchIf(cond, offset);
    if (this.xlen === 32) this.hi[this.count - 1] = 0;
  }
  override jump(offset: number): void {
    super.jump(offset);
    if (this.xlen === 32) this.hi[this.count - 1] = 0;
  }
  /** True when a target at this distance is not a possible instruction address (Unpriv 1.5: only without C). */
  misaligned(offset: number): boolean {
    return !this.compressed && (offset & 3) !== 0;
  }
  /** Ends the block with an exception. */
  raise(cause: number, tval: I64): void {
    this.callEnd(H.exception, this.i64(cause), tval, this.here());
  }
  /** Ends the block with an illegal instruction exception. */
  illegal(): void {
    this.raise(CAUSE.illegal, this.i64Halves(this.word, 0));
  }
  /** Ends the block with a helper that takes the addresses of this instruction and of the next. */
  system(helper: HelperName): void {
    this.callEnd(H[helper], this.here(), this.next());
  }

  // --- floating point
  /** True when floating-point instructions may run; else the block ends with an illegal instruction exception. */
  fpOn(): boolean {
    if (this.mode & MODE_FS) return true;
    this.illegal();
    return false;
  }
  /** The same for an instruction that writes an f register or fcsr: it also makes mstatus.FS dirty. */
  fpWrites(): boolean {
    if (!this.fpOn()) return false;
    if (!(this.mode & MODE_FS_DIRTY)) this.call(H.fpDirty);
    return true;
  }
  /** The same for an instruction with a rounding-mode field; the values 5 and 6 are reserved. */
  fpRounds(rm: number): boolean {
    if (rm === 5 || rm === 6) {
      this.illegal();
      return false;
    }
    return this.fpWrites();
  }
  /** True when arithmetic that rounds by `rm` may go the fast way. */
  fpFast(rm: number): boolean {
    return (this.mode & MODE_FP_FAST) !== 0 && (rm === 0 || rm === 7);
  }
  /** f register as 64 bits. */
  f64(n: number): I64 {
    return this.getL(F(n));
  }
  setF64(n: number, value: I64): void {
    this.unlike();
    this.set(F(n), value);
    this.#boxed32 &= ~(1 << n);
  }
  /** f register as binary32: the canonical NaN when it is not NaN-boxed. */
  f32(n: number): I32 {
    this.unlike();
    if (this.#boxed32 & (1 << n)) return this.getI(F(n));
    const v = this.getL(F(n));
    return this.select(this.geU(v, this.i64Halves(0, -1)), this.wrap(v), this.i32(0x7fc0_0000));
  }
  /** Writes a binary32 whose upper half is zero, NaN-boxed. */
  setF32(n: number, value: I64): void {
    this.unlike();
    this.set(F(n), this.or(value, this.i64Halves(0, -1)));
    this.#boxed32 |= 1 << n;
  }
  /** f register as binary16, in the low bits. */
  f16(n: number): I32 {
    const v = this.getL(F(n));
    return this.select(this.geU(v, this.i64(-0x1_0000)), this.and(this.wrap(v), this.i32(0xffff)), this.i32(0x7e00));
  }
  /** Writes a binary16 whose other bits are zero, NaN-boxed. */
  setF16(n: number, value: I64): void {
    this.setF64(n, this.or(value, this.i64(-0x1_0000)));
  }
  override reset(pcLo: number, pcHi: number): void {
    super.reset(pcLo, pcHi);
    this.#boxed32 = 0;
  }
}
