// What the semantics of a row call: the IR builder with the registers, addresses, flags and exceptions of x86 on top.
// HOT: no bigint, no closures, no allocation on the common path.
// Values of 8, 16 and 32 bits are i32, those of 8 and 16 bits zero-extended; values of 64 bits are i64.
import { Builder, type I32, type I64, type Val } from "../ir/builder.ts";
import type { LoadName, StoreName } from "../ir/ops.ts";
import { RIP } from "./decode.ts";
import { XCPT } from "./exceptions.ts";
import { KIND } from "./flags.ts";
import { H } from "./helpers.ts";
import { IMM, Insn, MEM, MMX, type Operand, REG, XMM as XMM_OPERAND } from "./insn.ts";
import { CF, OF, PF, SF, STATUS, ZF } from "./registers.ts";
import {
  CC_A,
  CC_B,
  CC_KIND,
  CC_RESULT,
  CODE_END,
  CODE_LIMIT,
  FPU_REG,
  FPU_SW,
  GPR,
  MODE_CODE32,
  MODE_CODE64,
  MODE_CPL_SHIFT,
  MODE_FLAT,
  MODE_MP,
  MODE_ODD_END,
  MODE_PROTECTED,
  MODE_STACK32,
  MODE_TS,
  MODE_V86,
  RFLAGS,
  SEG_BASE,
  SEG_READ_TOP,
  SEG_WRITE_TOP,
  XMM,
} from "./slots.ts";

/** Register numbers with a part to play. */
export const AX = 0, CX = 1, DX = 2, BX = 3, SP = 4, BP = 5, SI = 6, DI = 7;

/** Names of the IR rows by the bytes of the access. */
const LOAD: Readonly<Record<number, LoadName>> = { 1: "load8U.i", 2: "load16U.i", 4: "load32.i", 8: "load64.l" };
const MODIFY: Readonly<Record<number, LoadName>> = { 1: "rmw8U.i", 2: "rmw16U.i", 4: "rmw32.i", 8: "rmw64.l" };
const STORE: Readonly<Record<number, StoreName>> = { 1: "store8.i", 2: "store16.i", 4: "store32.i", 8: "store64.l" };
const LOG2: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3 };

/** What holds a value of so many bytes. */
type Sized<Bytes extends number> = number extends Bytes ? Val : Bytes extends 8 ? I64 : I32;

/** Builds the IR of x86 instructions. */
export class Emit extends Builder {
  /** Mode bits of slots.ts that hold while the block runs. */
  mode = 0;
  /** Width of code, and bytes of the stack pointer. */
  code: 16 | 32 | 64 = 64;
  long = true;
  stackBytes: 2 | 4 | 8 = 8;
  flat = true;
  protectedMode = true;
  cpl = 0;
  /** The current instruction, and the status flags of it that somebody may look at. */
  i = new Insn();
  live = STATUS;
  /** CC_KIND where it is known, else -1. */
  kind = -1;
  /** Linear address of the memory operand once `modify` has made it. */
  #at: I64 | -1 = -1;
  /** Added to rSP as a base: pop computes its address after the pop. */
  spBias = 0;

  /** Starts a block of code that runs in `mode`. */
  begin(mode: number): void {
    this.mode = mode;
    this.long = (mode & MODE_CODE64) !== 0;
    this.code = this.long ? 64 : mode & MODE_CODE32 ? 32 : 16;
    this.stackBytes = this.long ? 8 : mode & MODE_STACK32 ? 4 : 2;
    this.flat = this.long || (mode & MODE_FLAT) !== 0;
    this.protectedMode = (mode & MODE_PROTECTED) !== 0 && (mode & MODE_V86) === 0;
    this.cpl = (mode >> MODE_CPL_SHIFT) & 3;
    this.kind = -1;
  }
  /** Starts instruction `i`; `live` are the flags that must be right after it. */
  begin1(i: Insn, live: number): void {
    this.i = i;
    this.live = live;
    this.#at = -1;
    this.spBias = 0;
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

  // --- operands
  /** The value of an operand. */
  get(o: Operand): Val {
    switch (o.kind) {
      case REG:
        return this.reg(o.n, o.size);
      case MEM:
        return this.load(LOAD[o.size], this.address(o.size, false));
      case IMM:
        return o.size === 8 ? this.i64Halves(this.i.imm, this.i.immHi) : this.imm(o.size, this.i.imm);
      case MMX:
        return this.getL(FPU_REG(o.n));
      case XMM_OPERAND:
        return o.size === 4 ? this.getI(XMM(o.n)) : this.getL(XMM(o.n));
      default:
        return this.imm(o.size, o.n);
    }
  }
  /** The value of an operand that will be written: memory is checked for that first. */
  modify(o: Operand): Val {
    if (o.kind !== MEM) return this.get(o);
    return this.load(MODIFY[o.size], this.#at = this.address(o.size, true));
  }
  /** Writes an operand. */
  put(o: Operand, v: Val): void {
    if (o.kind === REG) this.setReg(o.n, o.size, v);
    else if (o.kind === MEM) this.store(STORE[o.size], this.#at === -1 ? this.address(o.size, true) : this.#at, v);
    else if (o.kind === MMX) this.set(FPU_REG(o.n), v);
    else this.set(XMM(o.n), v);
  }

  // --- addresses
  /** The effective address of the memory operand: i64 when addresses have 8 bytes, else i32. */
  ea(): Val {
    const { i } = this, { address } = i;
    if (address === 8) {
      if (i.base === RIP) return this.pcPlus(i.disp + i.length);
      if (i.base < 0 && i.index < 0) return this.i64Halves(i.disp, i.dispHi);
      let v = i.base >= 0 ? this.getL(GPR(i.base)) : undefined;
      if (i.index >= 0) {
        const x = this.getL(GPR(i.index)), scaled = i.scale ? this.shl(x, this.i64(i.scale)) : x;
        v = v === undefined ? scaled : this.add(v, scaled);
      }
      const disp = i.disp + (i.base === SP ? this.spBias : 0);
      return disp ? this.add(v!, this.i64(disp)) : v!;
    }
    if (i.base === RIP) return this.i32(this.pcLo + i.disp + i.length);
    const disp = i.disp + (i.base === SP && address === 4 ? this.spBias : 0);
    let v = i.base >= 0 ? this.getI(GPR(i.base)) : undefined;
    if (i.index >= 0) {
      const x = this.getI(GPR(i.index)), scaled = i.scale ? this.shl(x, this.i32(i.scale)) : x;
      v = v === undefined ? scaled : this.add(v, scaled);
    }
    v = v === undefined ? this.i32(disp) : disp ? this.add(v, this.i32(disp)) : v;
    return address === 2 ? this.and(v, this.i32(0xffff)) : v;
  }
  /** Linear address of the memory operand, of which `size` bytes are read or written; `offset` is added to the effective address. */
  address(size: number, write: boolean, offset = 0): I64 {
    let ea = this.ea();
    if (offset) {
      ea = this.add(ea, this.like(ea, offset));
      if (this.i.address === 2) ea = this.and(ea, this.i32(0xffff));
    }
    return this.linear(this.i.segment, ea, size, write);
  }
  /** Linear address of an offset in segment `seg`, with its checks. */
  linear(seg: number, ea: Val, size: number, write: boolean): I64 {
    if (this.long) {
      const wide = this.zx(ea);
      return seg >= 4 ? this.add(wide, this.getL(SEG_BASE(seg))) : wide;
    }
    if (this.flat && seg < 4 && !(seg === 1 && write && this.protectedMode)) return this.zx(ea);
    const offset = this.zx(ea), top = this.getL(write ? SEG_WRITE_TOP(seg) : SEG_READ_TOP(seg));
    const ok = this.leU(this.add(offset, this.i64(size)), top);
    const args = this.i64(seg | (size << 8));
    return this.callUnless(ok, this.ea32(this.getI(SEG_BASE(seg)), this.low(ea)), write ? H.segWrite : H.segRead, offset, args);
  }
  /** Linear address of the memory operand for invlpg, which checks no limit. */
  pageAddress(): I64 {
    const ea = this.ea(), seg = this.i.segment;
    if (this.long) return seg >= 4 ? this.add(this.zx(ea), this.getL(SEG_BASE(seg))) : this.zx(ea);
    return this.ea32(this.getI(SEG_BASE(seg)), ea);
  }
  loadSized<N extends number>(size: N, address: I64): Sized<N> {
    return this.load(LOAD[size], address) as Val as Sized<N>;
  }
  modifySized(size: number, address: Val): Val {
    return this.load(MODIFY[size], address);
  }
  storeSized(size: number, address: Val, v: Val): void {
    this.store(STORE[size], address, v);
  }

  // --- stack
  /** The stack pointer, as wide as the stack's addresses (16 bits: zero-extended i32). */
  sp(): Val {
    return this.reg(SP, this.stackBytes);
  }
  /** The stack pointer plus `n`, modulo its width. */
  spPlus(n: number): Val {
    const sp = this.sp();
    return n === 0 ? sp : this.mask(this.stackBytes, this.add(sp, this.like(sp, n)));
  }
  setSp(v: Val): void {
    // A 32-bit stack exists outside 64-bit mode only: the upper half is left alone.
    this.setReg(SP, this.stackBytes, v);
  }
  /** Stores a value of `size` bytes at the stack pointer plus `offset`, which is left as it is. */
  stackStore(offset: number, size: number, v: Val): void {
    this.store(STORE[size], this.linear(2, this.spPlus(offset), size, true), v);
  }
  stackLoad(offset: number, size: number): Val {
    return this.load(LOAD[size], this.linear(2, this.spPlus(offset), size, false));
  }
  push(size: number, v: Val): void {
    const sp = this.spPlus(-size);
    this.store(STORE[size], this.linear(2, sp, size, true), v);
    this.setSp(sp);
  }
  /** Reads the top of the stack; the caller moves the stack pointer by `setSp(spPlus(size))` when nothing more can fault. */
  top(size: number): Val {
    return this.stackLoad(0, size);
  }

  // --- flags: each of these records what an instruction did, unless nobody will look
  #record(kind: number, size: number): void {
    const k = kind | LOG2[size];
    if (k === this.kind) return;
    this.set(CC_KIND, this.i32(k));
    this.kind = k;
  }
  /** True when some of the flags in `mask` may be looked at. */
  wants(mask: number): boolean {
    return (this.live & mask) !== 0;
  }
  /** A value of the record. In 64-bit code its slots are whole, so that nothing has to be kept of what they were. */
  setFlag(slot: number, v: Val): void {
    const n = this.long && !this.isLong(v) ? this.constant(v) : undefined;
    this.set(slot, n !== undefined ? this.i64Halves(n, 0) : this.long ? this.zx(v) : v);
  }
  /** Before the result of an addition is put in the place of `x`, one of its operands: `flagsAdd` follows. */
  flagsAddend(x: Val): void {
    if (this.wants(STATUS)) this.setFlag(CC_B, x);
  }
  flagsAdd(size: number, result: Val): void {
    if (!this.wants(STATUS)) return;
    this.setFlag(CC_A, result);
    this.#record(KIND.add, size);
  }
  flagsSub(size: number, x: Val, y: Val): void {
    if (!this.wants(STATUS)) return;
    this.setFlag(CC_A, x);
    this.setFlag(CC_B, y);
    this.#record(KIND.sub, size);
  }
  /** adc and sbb: `carry` is the CF that they give (i32, 0 or 1). */
  flagsCarry(size: number, x: Val, y: Val, result: Val, carry: Val): void {
    if (!this.wants(STATUS)) return;
    const v = this.xor(this.xor(x, y), result), without = this.and(v, this.like(v, -2));
    this.setFlag(CC_RESULT, result);
    this.setFlag(CC_A, without);
    this.setFlag(CC_B, this.or(without, size === 8 ? this.extU(carry) : carry));
    this.#record(KIND.carry, size);
  }
  flagsLogic(size: number, result: Val): void {
    if (!this.wants(STATUS)) return;
    this.setFlag(CC_A, result);
    this.setFlag(CC_B, this.i32(0));
    this.#record(KIND.logic, size);
  }
  /** `kind`: shl or shr; bit 0 of `x` is CF. */
  flagsShift(kind: number, size: number, result: Val, x: Val): void {
    if (!this.wants(STATUS)) return;
    this.setFlag(CC_RESULT, result);
    this.setFlag(CC_A, this.and(x, this.like(x, -2)));
    this.setFlag(CC_B, x);
    this.#record(kind, size);
  }
  /** `kind`: mul or logicCarry; `carry` is 0 or 1. */
  flagsResult(kind: number, size: number, result: Val, carry: Val): void {
    if (!this.wants(STATUS)) return;
    this.setFlag(CC_RESULT, result);
    this.setFlag(CC_A, this.i32(0));
    this.setFlag(CC_B, carry);
    this.#record(kind, size);
  }
  /** `kind`: inc or dec; CF stays. */
  flagsStep(kind: number, size: number, result: Val): void {
    if (!this.wants(STATUS & ~CF)) return;
    this.setFlag(CC_RESULT, result);
    this.#record(kind, size);
  }
  /** All six flags as an i32 image. */
  flagsImage(image: I32): void {
    if (!this.wants(STATUS)) return;
    this.setFlag(CC_RESULT, image);
    this.setFlag(CC_A, this.i32(0));
    this.setFlag(CC_B, this.and(image, this.i32(CF)));
    this.#record(KIND.image, 1);
  }
  /** Those flags of `mask` are set as `image` (which has no others) has them; the others stay. */
  flagsSome(mask: number, image: I32): void {
    if (!this.wants(mask)) return;
    this.flagsImage(this.wants(STATUS & ~mask) ? this.or(this.and(this.status(), this.i32(STATUS & ~mask)), image) : image);
  }
  /** All six flags as in RFLAGS. */
  status(): I32 {
    return this.kind >= 0 && (this.kind & ~3) === KIND.image ? this.getI(CC_RESULT) : this.wrap(this.call(H.status));
  }
  /** The record was rewritten by a helper. */
  flagsUnknown(): void {
    this.kind = -1;
  }
  /** CF as 0 or 1. */
  carry(): I32 {
    const op = this.kind < 0 ? -1 : this.kind & ~3, narrow = (this.kind & 3) !== 3 && (op === KIND.add || op === KIND.sub);
    if (op === KIND.image) return this.and(this.getI(CC_RESULT), this.i32(CF));
    if (op === KIND.logic) return this.i32(0);
    if (op === KIND.shl || op === KIND.shr || op === KIND.carry) return this.and(this.getI(CC_B), this.i32(1));
    if (op === KIND.mul || op === KIND.logicCarry) return this.getI(CC_B);
    return this.long && !narrow ? this.ltU(this.getL(CC_A), this.getL(CC_B)) : this.ltU(this.getI(CC_A), this.getI(CC_B));
  }
  /** A slot of the record, as wide as the record's operation. */
  #slot(slot: number): Val {
    return (this.kind & 3) === 3 ? this.getL(slot) : this.getI(slot);
  }
  /** The result of the recorded operation. */
  #result(): Val {
    const size = 1 << (this.kind & 3), op = this.kind & ~3;
    if (op === KIND.add || op === KIND.logic) return this.#slot(CC_A);
    if (op === KIND.sub) return this.mask(size, this.sub(this.#slot(CC_A), this.#slot(CC_B)));
    return this.#slot(CC_RESULT);
  }
  #overflow(): I32 {
    const size = 1 << (this.kind & 3), op = this.kind & ~3, r = this.#result();
    switch (op) {
      case KIND.add:
      case KIND.sub: {
        // Of an addition, the difference is the other operand.
        const x = this.#slot(CC_A), y = this.#slot(CC_B);
        return this.sign(size, this.and(this.xor(x, y), this.xor(x, op === KIND.sub ? r : this.sub(x, y))));
      }
      case KIND.carry:
        return this.xor(this.carry(), this.sign(size, this.#slot(CC_B)));
      case KIND.inc:
      case KIND.dec: {
        const lowest = size === 8 ? this.i64Halves(0, 0x8000_0000 | 0) : this.i32(size === 4 ? 0x8000_0000 : 1 << (8 * size - 1));
        return this.eq(op === KIND.inc ? r : this.mask(size, this.add(r, this.like(r, 1))), lowest);
      }
      case KIND.shl:
        return this.xor(this.carry(), this.sign(size, r));
      case KIND.shr:
        return this.sign(size, this.xor(r, this.#slot(CC_B)));
      case KIND.mul:
        return this.carry();
      default:
        return this.i32(0);
    }
  }
  #parity(v: Val): I32 {
    return this.xor(this.and(this.popcnt(this.and(this.low(v), this.i32(0xff))), this.i32(1)), this.i32(1));
  }
  /** SF, ZF and PF of a value of `size` bytes. */
  resultFlags(size: number, r: Val): I32 {
    const zero = this.shl(this.eqz(r), this.i32(6)), sign = this.shl(this.sign(size, r), this.i32(7));
    return this.or(this.or(zero, sign), this.shl(this.#parity(r), this.i32(2)));
  }
  /** 1 when condition code `cc` holds, else 0. */
  condition(cc: number): I32 {
    const kind = this.kind, op = kind & ~3, size = 1 << (kind & 3), which = cc >> 1, negate = (cc & 1) !== 0;
    if (kind < 0) return this.wrap(this.call(H.condition, this.i64(cc)));
    if (op === KIND.sub && which !== 0 && which !== 4 && which !== 5) {
      let x = this.#slot(CC_A), y = this.#slot(CC_B);
      if (which >= 6) [x, y] = [this.signed(size, x), this.signed(size, y)];
      // deno-fmt-ignore
      switch (which) {
        case 1: return negate ? this.geU(x, y) : this.ltU(x, y);
        case 2: return negate ? this.ne(x, y) : this.eq(x, y);
        case 3: return negate ? this.gtU(x, y) : this.leU(x, y);
        case 6: return negate ? this.geS(x, y) : this.ltS(x, y);
        default: return negate ? this.gtS(x, y) : this.leS(x, y);
      }
    }
    if (op === KIND.image) {
      const f = this.getI(CC_RESULT);
      const bit = (mask: number) => negate ? this.eqz(this.and(f, this.i32(mask))) : this.ne(this.and(f, this.i32(mask)), this.i32(0));
      if (which < 6) return bit([OF, CF, ZF, CF | ZF, SF, PF][which]);
      const less = this.and(this.xor(f, this.shrU(f, this.i32(4))), this.i32(SF));
      const all = which === 6 ? less : this.or(less, this.and(f, this.i32(ZF)));
      return negate ? this.eqz(all) : this.ne(all, this.i32(0));
    }
    if (which === 2 || op === KIND.logic && which === 3) {
      const r = this.#result();
      return negate ? this.ne(r, this.like(r, 0)) : this.eqz(r);
    }
    if (which === 4 || op === KIND.logic && which >= 6) {
      const r = this.signed(size, this.#result()), zero = this.like(r, 0);
      if (which === 7) return negate ? this.gtS(r, zero) : this.leS(r, zero);
      return negate ? this.geS(r, zero) : this.ltS(r, zero);
    }
    let v: I32;
    if (which === 0) v = this.#overflow();
    else if (which === 1) v = this.carry();
    else if (which === 3) v = this.or(this.carry(), this.eqz(this.#result()));
    else if (which === 5) v = this.#parity(this.#result());
    else {
      v = this.xor(this.sign(size, this.#result()), this.#overflow());
      if (which === 7) v = this.or(v, this.eqz(this.#result()));
    }
    return negate ? this.xor(v, this.i32(1)) : v;
  }
  /** The bytes that a string instruction moves by: `size`, or its negative when DF is set. */
  stringStep(size: number): I32 {
    // DF is bit 10.
    const twice = this.and(this.shrU(this.getI(RFLAGS), this.i32(10 - LOG2[size] - 1)), this.i32(2 * size));
    return this.sub(this.i32(size), twice);
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
  /** EIP after this instruction plus `distance`: i64 in 64-bit mode, else i32, cut to the operand size. */
  ip(distance = 0): Val {
    if (this.long) return this.pcPlus(this.i.length + distance);
    const linear = this.i32(this.pcLo + this.i.length + distance);
    return this.mask(this.i.operand, this.flat ? linear : this.sub(linear, this.getI(SEG_BASE(1))));
  }
  override branchIf(cond: I32, offset: number): void {
    super.branchIf(cond, offset);
    if (!this.long) this.hi[this.count - 1] = 0;
  }
  override jump(offset: number): void {
    super.jump(offset);
    if (!this.long) this.hi[this.count - 1] = 0;
  }
  /** Offset from this instruction of a direct target `distance` bytes after it, in flat code. */
  #offset(distance: number): number {
    const offset = this.i.length + distance;
    return !this.long && this.i.operand === 2 ? ((this.pcLo + offset) & 0xffff) - this.pcLo : offset;
  }
  /**
   * Linear address of an EIP in CS: #GP(0) beyond the limit, or when it is not canonical, before anything else has happened (SDM volume 2,
   * JMP, CALL, RET); with an i32 `when` only if that is not zero.
   */
  codeAddress(ip: Val, when?: I32): I64 {
    if (this.flat && !this.long) return this.zx(ip);
    // Addresses of five levels that four do not have are the helper's to judge.
    const inside = this.long
      ? this.ltU(this.add(ip, this.i64Halves(0, 0x8000)), this.i64Halves(0, 0x1_0000))
      : this.leU(ip, this.getI(CODE_LIMIT));
    const ok = when === undefined ? inside : this.or(inside, this.eqz(when));
    const to = this.long ? ip : this.ea32(this.getI(SEG_BASE(1)), ip);
    return this.callUnless(ok, to, H.codeLimit, this.zx(ip));
  }
  /** Whether a direct target `distance` after this instruction has to be checked: in flat code only near the ends of the canonical addresses. */
  checksTarget(distance: number): boolean {
    if (!this.long) return !this.flat;
    const lo = (this.pcLo >>> 0) + this.i.length + distance, top = (this.pcHi + Math.floor(lo / 2 ** 32)) >> 15;
    return top !== 0 && top !== -1;
  }
  /**
   * Outside flat code every byte of an instruction has to lie within the limit of CS (SDM volume 3A, 5.3). Whether one of which `bytes` were looked
   * at, `offset` behind the block's start, may be the first that does not: most segments end where 16 bytes do, and jumps are checked.
   */
  mayBeBeyond(offset: number, bytes: number): boolean {
    const inside = (this.startLo + offset) & 15;
    return !this.flat && (offset === 0 || inside === 0 || inside + bytes > 16 || (this.mode & MODE_ODD_END) !== 0);
  }
  checkEnd(bytes: number): void {
    const last = this.i32((this.pcLo + bytes - 1) | 0);
    this.callUnless(this.leU(last, this.getI(CODE_END)), this.i64(0), H.codeEnd, this.zx(last));
  }
  /** Ends the block: on to a computed EIP, cut to the operand size already. */
  jumpIp(ip: Val): void {
    this.jumpTo(this.codeAddress(ip));
  }
  /** Ends the block: on to `distance` after this instruction. */
  jumpNear(distance: number): void {
    if (!this.checksTarget(distance)) return this.jump(this.#offset(distance));
    const to = this.codeAddress(this.ip(distance));
    this.jumpChecked(distance, to);
  }
  /** Ends the block: on to `distance` after this instruction, which is `to` and allowed. */
  jumpChecked(distance: number, to: I64): void {
    if (this.long) return this.jumpTo(to);
    this.#unlessWrapped(distance, to);
    this.jump(this.i.length + distance);
  }
  /** An IP of 16 bits that wraps is elsewhere than its distance says, by what the segment's base is: such a jump is looked up. */
  #unlessWrapped(distance: number, to: I64, when?: I32): void {
    if (this.i.operand !== 2) return;
    const ip = this.sub(this.i32(this.pcLo + this.i.length + distance), this.getI(SEG_BASE(1)));
    const straight = this.eqz(this.shrU(ip, this.i32(16)));
    this.callEndUnless(when === undefined ? straight : this.or(straight, this.eqz(when)), H.goTo, to);
  }
  /** Goes on `distance` after this instruction when the i32 `cond` is not zero; `commit` writes registers once nothing can fault any more. */
  branchNear(cond: I32, distance: number, commit?: () => void): void {
    if (!this.checksTarget(distance)) {
      commit?.();
      return this.branchIf(cond, this.#offset(distance));
    }
    const target = this.codeAddress(this.ip(distance), cond);
    commit?.();
    if (this.long) return this.jumpTo(this.select(cond, target, this.following()));
    this.#unlessWrapped(distance, target, cond);
    this.branchIf(cond, this.i.length + distance);
  }

  // --- exceptions
  /** What fwait does, and waiting x87 and MMX instructions begin with: #NM when CR0.MP and TS are set, then any pending x87 exception. */
  waitFpu(): void {
    if ((this.mode & (MODE_MP | MODE_TS)) === (MODE_MP | MODE_TS)) return this.raise(XCPT.NM);
    this.checkFpu();
  }
  /** Raises a pending unmasked x87 exception. */
  checkFpu(): void {
    // ES, bit 7 of the status word.
    this.callUnless(this.eqz(this.and(this.getI(FPU_SW), this.i32(0x80))), this.i64(0), H.fpuError);
  }
  /** Ends the block with an exception; `error` is its code, -1 for none. */
  raise(vector: number, error = -1): void {
    this.callEnd(H.exception, this.i64(vector), this.i64(error), this.here());
  }
}
