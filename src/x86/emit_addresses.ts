// Operands in memory and on the stack: effective and linear addresses, the checks of segments, loads and stores of any size.
import type { I64, Val } from "../ir/builder.ts";
import type { LoadName, StoreName } from "../ir/ops.ts";
import { RIP } from "./decode.ts";
import { type Sized, SP, type Values } from "./emit_values.ts";
import { H } from "./helpers.ts";
import { GPR, SEG_BASE, SEG_READ_TOP, SEG_WRITE_TOP } from "./slots.ts";

/** Names of the IR rows by the bytes of the access. */
const LOAD: Readonly<Record<number, LoadName>> = { 1: "load8U.i", 2: "load16U.i", 4: "load32.i", 8: "load64.l" };
const MODIFY: Readonly<Record<number, LoadName>> = { 1: "rmw8U.i", 2: "rmw16U.i", 4: "rmw32.i", 8: "rmw64.l" };
const STORE: Readonly<Record<number, StoreName>> = { 1: "store8.i", 2: "store16.i", 4: "store32.i", 8: "store64.l" };

/** The memory operand of the current instruction, and any offset in a segment. */
export class Addresses {
  /** Added to rSP as a base: pop computes its address after the pop. */
  spBias = 0;
  constructor(readonly b: Values) {}

  /** The effective address of the memory operand: i64 when addresses have 8 bytes, else i32. */
  ea(): Val {
    const { b } = this, { i } = b, { address } = i;
    if (address === 8) {
      if (i.base === RIP) return b.pcPlus(i.disp + i.length);
      if (i.base < 0 && i.index < 0) return b.i64Halves(i.disp, i.dispHi);
      let v = i.base >= 0 ? b.getL(GPR(i.base)) : undefined;
      if (i.index >= 0) {
        const x = b.getL(GPR(i.index)), scaled = i.scale ? b.shl(x, b.i64(i.scale)) : x;
        v = v === undefined ? scaled : b.add(v, scaled);
      }
      const disp = i.disp + (i.base === SP ? this.spBias : 0);
      return disp ? b.add(v!, b.i64(disp)) : v!;
    }
    if (i.base === RIP) return b.i32(b.pcLo + i.disp + i.length);
    const disp = i.disp + (i.base === SP && address === 4 ? this.spBias : 0);
    let v = i.base >= 0 ? b.getI(GPR(i.base)) : undefined;
    if (i.index >= 0) {
      const x = b.getI(GPR(i.index)), scaled = i.scale ? b.shl(x, b.i32(i.scale)) : x;
      v = v === undefined ? scaled : b.add(v, scaled);
    }
    v = v === undefined ? b.i32(disp) : disp ? b.add(v, b.i32(disp)) : v;
    return address === 2 ? b.and(v, b.i32(0xffff)) : v;
  }
  /** Linear address of the memory operand, of which `size` bytes are read or written; `offset` is added to the effective address. */
  address(size: number, write: boolean, offset = 0): I64 {
    const { b } = this;
    let ea = this.ea();
    if (offset) {
      ea = b.add(ea, b.like(ea, offset));
      if (b.i.address === 2) ea = b.and(ea, b.i32(0xffff));
    }
    return this.linear(b.i.segment, ea, size, write);
  }
  /** Linear address of an offset in segment `seg`, with its checks. */
  linear(seg: number, ea: Val, size: number, write: boolean): I64 {
    const { b } = this;
    if (b.long) {
      const wide = b.zx(ea);
      return seg >= 4 ? b.add(wide, b.getL(SEG_BASE(seg))) : wide;
    }
    if (b.flat && seg < 4 && !(seg === 1 && write && b.protectedMode)) return b.zx(ea);
    const offset = b.zx(ea), top = b.getL(write ? SEG_WRITE_TOP(seg) : SEG_READ_TOP(seg));
    const ok = b.leU(b.add(offset, b.i64(size)), top);
    const args = b.i64(seg | (size << 8));
    return b.callUnless(ok, b.ea32(b.getI(SEG_BASE(seg)), b.low(ea)), write ? H.segWrite : H.segRead, offset, args);
  }
  /** Linear address of the memory operand for invlpg, which checks no limit. */
  pageAddress(): I64 {
    const { b } = this;
    const ea = this.ea(), seg = b.i.segment;
    if (b.long) return seg >= 4 ? b.add(b.zx(ea), b.getL(SEG_BASE(seg))) : b.zx(ea);
    return b.ea32(b.getI(SEG_BASE(seg)), ea);
  }
  load<N extends number>(size: N, address: I64): Sized<N> {
    return this.b.load(LOAD[size], address) as Val as Sized<N>;
  }
  modify(size: number, address: Val): Val {
    return this.b.load(MODIFY[size], address);
  }
  store(size: number, address: Val, v: Val): void {
    this.b.store(STORE[size], address, v);
  }
}

/** The stack at the stack pointer, as wide as the mode has it. */
export class StackTop {
  constructor(readonly b: Values, readonly memory: Addresses) {}

  /** The stack pointer, as wide as the stack's addresses (16 bits: zero-extended i32). */
  sp(): Val {
    const { b } = this;
    return b.reg(SP, b.stackBytes);
  }
  /** The stack pointer plus `n`, modulo its width. */
  spPlus(n: number): Val {
    const { b } = this;
    const sp = this.sp();
    return n === 0 ? sp : b.mask(b.stackBytes, b.add(sp, b.like(sp, n)));
  }
  setSp(v: Val): void {
    const { b } = this;
    // A 32-bit stack exists outside 64-bit mode only: the upper half is left alone.
    b.setReg(SP, b.stackBytes, v);
  }
  /** Stores a value of `size` bytes at the stack pointer plus `offset`, which is left as it is. */
  store(offset: number, size: number, v: Val): void {
    this.b.store(STORE[size], this.memory.linear(2, this.spPlus(offset), size, true), v);
  }
  load(offset: number, size: number): Val {
    return this.b.load(LOAD[size], this.memory.linear(2, this.spPlus(offset), size, false));
  }
  push(size: number, v: Val): void {
    const sp = this.spPlus(-size);
    this.b.store(STORE[size], this.memory.linear(2, sp, size, true), v);
    this.setSp(sp);
  }
  /** Reads the top of the stack; the caller moves the stack pointer by `setSp(spPlus(size))` when nothing more can fault. */
  top(size: number): Val {
    return this.load(0, size);
  }
}
