// Where code goes on: instruction pointers, the limit of CS, jumps and branches.
import type { I32, I64, Val } from "../ir/builder.ts";
import type { Values } from "./emit_values.ts";
import { H } from "./helpers.ts";
import { CODE_END, CODE_LIMIT, MODE_ODD_END, SEG_BASE } from "./slots.ts";

/** How a block leaves for an address that the current instruction names or computes. */
export class Flow {
  constructor(readonly b: Values) {}

  /** EIP after this instruction plus `distance`: i64 in 64-bit mode, else i32, cut to the operand size. */
  ip(distance = 0): Val {
    const { b } = this;
    if (b.long) return b.pcPlus(b.i.length + distance);
    const linear = b.i32(b.pcLo + b.i.length + distance);
    return b.mask(b.i.operand, b.flat ? linear : b.sub(linear, b.getI(SEG_BASE(1))));
  }
  /** Offset from this instruction of a direct target `distance` bytes after it, in flat code. */
  #offset(distance: number): number {
    const { b } = this;
    const offset = b.i.length + distance;
    return !b.long && b.i.operand === 2 ? ((b.pcLo + offset) & 0xffff) - b.pcLo : offset;
  }
  /**
   * Linear address of an EIP in CS: #GP(0) beyond the limit, or when it is not canonical, before anything else has happened (SDM volume 2,
   * JMP, CALL, RET); with an i32 `when` only if that is not zero.
   */
  codeAddress(ip: Val, when?: I32): I64 {
    const { b } = this;
    if (b.flat && !b.long) return b.zx(ip);
    // Addresses of five levels that four do not have are the helper's to judge.
    const inside = b.long ? b.ltU(b.add(ip, b.i64Halves(0, 0x8000)), b.i64Halves(0, 0x1_0000)) : b.leU(ip, b.getI(CODE_LIMIT));
    const ok = when === undefined ? inside : b.or(inside, b.eqz(when));
    const to = b.long ? ip : b.ea32(b.getI(SEG_BASE(1)), ip);
    return b.callUnless(ok, to, H.codeLimit, b.zx(ip));
  }
  /** Whether a direct target `distance` after this instruction has to be checked: in flat code only near the ends of the canonical addresses. */
  checksTarget(distance: number): boolean {
    const { b } = this;
    if (!b.long) return !b.flat;
    const lo = (b.pcLo >>> 0) + b.i.length + distance, top = (b.pcHi + Math.floor(lo / 2 ** 32)) >> 15;
    return top !== 0 && top !== -1;
  }
  /**
   * Outside flat code every byte of an instruction has to lie within the limit of CS (SDM volume 3A, 5.3). Whether one of which `bytes` were looked
   * at, `offset` behind the block's start, may be the first that does not: most segments end where 16 bytes do, and jumps are checked.
   */
  mayBeBeyond(offset: number, bytes: number): boolean {
    const { b } = this;
    const inside = (b.startLo + offset) & 15;
    return !b.flat && (offset === 0 || inside === 0 || inside + bytes > 16 || (b.mode & MODE_ODD_END) !== 0);
  }
  checkEnd(bytes: number): void {
    const { b } = this;
    const last = b.i32((b.pcLo + bytes - 1) | 0);
    b.callUnless(b.leU(last, b.getI(CODE_END)), b.i64(0), H.codeEnd, b.zx(last));
  }
  /** Ends the block: on to a computed EIP, cut to the operand size already. */
  jumpIp(ip: Val): void {
    this.b.jumpTo(this.codeAddress(ip));
  }
  /** Ends the block: on to `distance` after this instruction. */
  jumpNear(distance: number): void {
    if (!this.checksTarget(distance)) return this.b.jump(this.#offset(distance));
    const to = this.codeAddress(this.ip(distance));
    this.jumpChecked(distance, to);
  }
  /** Ends the block: on to `distance` after this instruction, which is `to` and allowed. */
  jumpChecked(distance: number, to: I64): void {
    const { b } = this;
    if (b.long) return b.jumpTo(to);
    this.#unlessWrapped(distance, to);
    b.jump(b.i.length + distance);
  }
  /** An IP of 16 bits that wraps is elsewhere than its distance says, by what the segment's base is: such a jump is looked up. */
  #unlessWrapped(distance: number, to: I64, when?: I32): void {
    const { b } = this;
    if (b.i.operand !== 2) return;
    const ip = b.sub(b.i32(b.pcLo + b.i.length + distance), b.getI(SEG_BASE(1)));
    const straight = b.eqz(b.shrU(ip, b.i32(16)));
    b.callEndUnless(when === undefined ? straight : b.or(straight, b.eqz(when)), H.goTo, to);
  }
  /** Goes on `distance` after this instruction when the i32 `cond` is not zero; `commit` writes registers once nothing can fault any more. */
  branchNear(cond: I32, distance: number, commit?: () => void): void {
    const { b } = this;
    if (!this.checksTarget(distance)) {
      commit?.();
      return b.branchIf(cond, this.#offset(distance));
    }
    const target = this.codeAddress(this.ip(distance), cond);
    commit?.();
    if (b.long) return b.jumpTo(b.select(cond, target, b.following()));
    this.#unlessWrapped(distance, target, cond);
    b.branchIf(cond, b.i.length + distance);
  }
}
