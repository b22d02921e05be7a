// What everything that builds x86 code knows: the mode, the current instruction, widths of values, general registers, the pc.
// Values of 8, 16 and 32 bits are i32, those of 8 and 16 bits zero-extended; values of 64 bits are i64.
import { Builder, type I32, type I64, type Val } from "../ir/builder.ts";
import { H } from "./helpers.ts";
import { Insn } from "./insn.ts";
import { GPR, MODE_CODE32, MODE_CODE64, MODE_CPL_SHIFT, MODE_FLAT, MODE_PROTECTED, MODE_STACK32, MODE_V86 } from "./slots.ts";

/** Register numbers with a part to play. */
export const AX = 0, CX = 1, DX = 2, BX = 3, SP = 4, BP = 5, SI = 6, DI = 7;

export const LOG2: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };

/** What holds a value of so many bytes. */
export type Sized<Bytes extends number> = number extends Bytes ? Val : Bytes extends 8 ? I64 : I32;

/** What every part builds with: none of them knows another but by what it is given. */
export class Values extends Builder {
  /** Mode bits of slots.ts that hold while the block runs. */
  mode = 0;
  /** Width of code, and bytes of the stack pointer. */
  code: 16 | 32 | 64 = 64;
  long = true;
  stackBytes: 2 | 4 | 8 = 8;
  flat = true;
  protectedMode = true;
  cpl = 0;
  /** The current instruction. */
  i = new Insn();

  /** Starts a block of code that runs in `mode`. */
  begin(mode: number): void {
    this.mode = mode;
    this.long = (mode & MODE_CODE64) !== 0;
    this.code = this.long ? 64 : mode & MODE_CODE32 ? 32 : 16;
    this.stackBytes = this.long ? 8 : mode & MODE_STACK32 ? 4 : 2;
    this.flat = this.long || (mode & MODE_FLAT) !== 0;
    this.protectedMode = (mode & MODE_PROTECTED) !== 0 && (mode & MODE_V86) === 0;
    this.cpl = (mode >> MODE_CPL_SHIFT) & 3;
  }

  // --- constants and widths
  /** A constant as wide as a value of `size` bytes. */
  imm<N extends number>(size: N, n: number): Sized<N> {
    return (size === 8 ? this.i64(n) : this.i32(size === 1 ? n & 0xff : size === 2 ? n & 0xffff : n)) as Val as Sized<N>;
  }
  /** A constant as wide as `v`. */
  like<V extends Val>(v: V, n: number): V {
    return (this.isLong(v) ? this.i64(n) : this.i32(n)) as Val as V;
  }
  /** The low `size` bytes of an i32, zero-extended; wider values as they are. */
  mask<V extends Val>(size: number, v: V): V {
    return size > 2 ? v : this.and(v, this.like(v, size === 1 ? 0xff : 0xffff));
  }
  /** A value of `size` bytes, sign-extended to the IR type that holds it. */
  signed<V extends Val>(size: number, v: V): V {
    return size === 1 ? this.ext8S(v) : size === 2 ? this.ext16S(v) : v;
  }
  /** Zero-extended. */
  zx(v: Val): I64 {
    return this.isLong(v) ? v : this.extU(v);
  }
  /** The low half. */
  low(v: Val): I32 {
    return this.isLong(v) ? this.wrap(v) : v;
  }
  not<V extends Val>(v: V): V {
    return this.xor(v, this.like(v, -1));
  }
  /** 1 when the value of `size` bytes is negative, else 0. */
  sign(size: number, v: Val): I32 {
    if (size === 8) return this.wrap(this.shrU(v, this.i64(63)));
    return size === 4 ? this.shrU(v, this.i32(31)) : this.and(this.shrU(v, this.i32(8 * size - 1)), this.i32(1));
  }

  // --- general registers
  /** Register n as `size` bytes; 16 to 19 are AH, CH, DH, BH. */
  reg<N extends number>(n: number, size: N): Sized<N> {
    return this.#reg(n, size) as Sized<N>;
  }
  #reg(n: number, size: number): Val {
    if (size === 8) return this.getL(GPR(n));
    if (size === 4) return this.getI(GPR(n));
    if (size === 2) return this.and(this.getI(GPR(n)), this.i32(0xffff));
    return this.and(n >= 16 ? this.shrU(this.getI(GPR(n - 16)), this.i32(8)) : this.getI(GPR(n)), this.i32(0xff));
  }
  /** Writes register n; 32-bit results clear the upper half in 64-bit mode, 8- and 16-bit ones leave the rest. Upper bits of `v` do not matter. */
  setReg(n: number, size: number, v: Val): void {
    if (size === 8) this.set(GPR(n), v);
    else if (size === 4) this.set(GPR(n), this.long ? this.extU(v) : v);
    else if (size === 2) {
      this.set(GPR(n), this.or(this.and(this.getI(GPR(n)), this.i32(-0x1_0000)), this.and(v, this.i32(0xffff))));
    } else if (n >= 16) {
      const slot = GPR(n - 16), byte = this.shl(this.and(v, this.i32(0xff)), this.i32(8));
      this.set(slot, this.or(this.and(this.getI(slot), this.i32(~0xff00)), byte));
    } else this.set(GPR(n), this.or(this.and(this.getI(GPR(n)), this.i32(~0xff)), this.and(v, this.i32(0xff))));
  }

  // --- control
  /** Linear address of this instruction plus `offset`. */
  pcAt(offset: number): I64 {
    return this.long ? this.pcPlus(offset) : this.i64Halves((this.pcLo + offset) | 0, 0);
  }
  here(): I64 {
    return this.pcAt(0);
  }
  following(): I64 {
    return this.pcAt(this.i.length);
  }
  override branchIf(cond: I32, offset: number): void {
    super.branchIf(cond, offset);
    if (!this.long) this.hi[this.count - 1] = 0;
  }
  override jump(offset: number): void {
    super.jump(offset);
    if (!this.long) this.hi[this.count - 1] = 0;
  }
  /** Ends the block with an exception; `error` is its code, -1 for none. */
  raise(vector: number, error = -1): void {
    this.callEnd(H.exception, this.i64(vector), this.i64(error), this.here());
  }
}
