// What instructions do to the flags, and what others read of them, as IR: each records what it did, unless nobody will look (flags.ts).
import type { I32, Val } from "../ir/builder.ts";
import { LOG2, type Values } from "./emit_values.ts";
import { KIND } from "./flags.ts";
import { H } from "./helpers.ts";
import { CF, OF, PF, SF, STATUS, ZF } from "./registers.ts";
import { CC_A, CC_B, CC_KIND, CC_RESULT } from "./slots.ts";

/** The record of the last operation, as the code of a block builds it up. */
export class FlagWriter {
  /** Status flags that somebody may look at after the current instruction. */
  live = STATUS;
  /** CC_KIND where it is known, else -1. */
  kind = -1;
  constructor(readonly b: Values) {}

  #record(kind: number, size: number): void {
    const { b } = this;
    const k = kind | LOG2[size];
    if (k === this.kind) return;
    b.set(CC_KIND, b.i32(k));
    this.kind = k;
  }
  /** True when some of the flags in `mask` may be looked at. */
  wants(mask: number): boolean {
    return (this.live & mask) !== 0;
  }
  /** A value of the record. In 64-bit code its slots are whole, so that nothing has to be kept of what they were. */
  #set(slot: number, v: Val): void {
    const { b } = this;
    const n = b.long && !b.isLong(v) ? b.constant(v) : undefined;
    b.set(slot, n !== undefined ? b.i64Halves(n, 0) : b.long ? b.zx(v) : v);
  }
  /** Before the result of an addition is put in the place of `x`, one of its operands: `add` follows. */
  addend(x: Val): void {
    if (this.wants(STATUS)) this.#set(CC_B, x);
  }
  add(size: number, result: Val): void {
    if (!this.wants(STATUS)) return;
    this.#set(CC_A, result);
    this.#record(KIND.add, size);
  }
  sub(size: number, x: Val, y: Val): void {
    if (!this.wants(STATUS)) return;
    this.#set(CC_A, x);
    this.#set(CC_B, y);
    this.#record(KIND.sub, size);
  }
  /** adc and sbb: `carry` is the CF that they give (i32, 0 or 1). */
  withCarry(size: number, x: Val, y: Val, result: Val, carry: Val): void {
    const { b } = this;
    if (!this.wants(STATUS)) return;
    const v = b.xor(b.xor(x, y), result), without = b.and(v, b.like(v, -2));
    this.#set(CC_RESULT, result);
    this.#set(CC_A, without);
    this.#set(CC_B, b.or(without, size === 8 ? b.extU(carry) : carry));
    this.#record(KIND.carry, size);
  }
  logic(size: number, result: Val): void {
    if (!this.wants(STATUS)) return;
    this.#set(CC_A, result);
    this.#set(CC_B, this.b.i32(0));
    this.#record(KIND.logic, size);
  }
  /** `kind`: shl or shr; bit 0 of `x` is CF. */
  shift(kind: number, size: number, result: Val, x: Val): void {
    const { b } = this;
    if (!this.wants(STATUS)) return;
    this.#set(CC_RESULT, result);
    this.#set(CC_A, b.and(x, b.like(x, -2)));
    this.#set(CC_B, x);
    this.#record(kind, size);
  }
  /** `kind`: mul or logicCarry; `carry` is 0 or 1. */
  result(kind: number, size: number, result: Val, carry: Val): void {
    if (!this.wants(STATUS)) return;
    this.#set(CC_RESULT, result);
    this.#set(CC_A, this.b.i32(0));
    this.#set(CC_B, carry);
    this.#record(kind, size);
  }
  /** `kind`: inc or dec; CF stays. */
  step(kind: number, size: number, result: Val): void {
    if (!this.wants(STATUS & ~CF)) return;
    this.#set(CC_RESULT, result);
    this.#record(kind, size);
  }
  /** All six flags as an i32 image. */
  image(image: I32): void {
    const { b } = this;
    if (!this.wants(STATUS)) return;
    this.#set(CC_RESULT, image);
    this.#set(CC_A, b.i32(0));
    this.#set(CC_B, b.and(image, b.i32(CF)));
    this.#record(KIND.image, 1);
  }
  /** Those flags of `mask` are set as `image` (which has no others) has them; the others stay. */
  some(mask: number, image: I32): void {
    const { b } = this;
    if (!this.wants(mask)) return;
    this.image(this.wants(STATUS & ~mask) ? b.or(b.and(this.status(), b.i32(STATUS & ~mask)), image) : image);
  }
  /** All six flags as in RFLAGS. */
  status(): I32 {
    const { b } = this;
    return this.kind >= 0 && (this.kind & ~3) === KIND.image ? b.getI(CC_RESULT) : b.wrap(b.call(H.status));
  }
  /** The record was rewritten by a helper. */
  unknown(): void {
    this.kind = -1;
  }
  /** CF as 0 or 1. */
  carry(): I32 {
    const { b } = this;
    const op = this.kind < 0 ? -1 : this.kind & ~3, narrow = (this.kind & 3) !== 3 && (op === KIND.add || op === KIND.sub);
    if (op === KIND.image) return b.and(b.getI(CC_RESULT), b.i32(CF));
    if (op === KIND.logic) return b.i32(0);
    if (op === KIND.shl || op === KIND.shr || op === KIND.carry) return b.and(b.getI(CC_B), b.i32(1));
    if (op === KIND.mul || op === KIND.logicCarry) return b.getI(CC_B);
    return b.long && !narrow ? b.ltU(b.getL(CC_A), b.getL(CC_B)) : b.ltU(b.getI(CC_A), b.getI(CC_B));
  }
  /** A slot of the record, as wide as the record's operation. */
  #slot(slot: number): Val {
    const { b } = this;
    return (this.kind & 3) === 3 ? b.getL(slot) : b.getI(slot);
  }
  /** The result of the recorded operation. */
  #result(): Val {
    const { b } = this;
    const size = 1 << (this.kind & 3), op = this.kind & ~3;
    if (op === KIND.add || op === KIND.logic) return this.#slot(CC_A);
    if (op === KIND.sub) return b.mask(size, b.sub(this.#slot(CC_A), this.#slot(CC_B)));
    return this.#slot(CC_RESULT);
  }
  #overflow(): I32 {
    const { b } = this;
    const size = 1 << (this.kind & 3), op = this.kind & ~3, r = this.#result();
    switch (op) {
      case KIND.add:
      case KIND.sub: {
        // Of an addition, the difference is the other operand.
        const x = this.#slot(CC_A), y = this.#slot(CC_B);
        return b.sign(size, b.and(b.xor(x, y), b.xor(x, op === KIND.sub ? r : b.sub(x, y))));
      }
      case KIND.carry:
        return b.xor(this.carry(), b.sign(size, this.#slot(CC_B)));
      case KIND.inc:
      case KIND.dec: {
        const lowest = size === 8 ? b.i64Halves(0, 0x8000_0000 | 0) : b.i32(size === 4 ? 0x8000_0000 : 1 << (8 * size - 1));
        return b.eq(op === KIND.inc ? r : b.mask(size, b.add(r, b.like(r, 1))), lowest);
      }
      case KIND.shl:
        return b.xor(this.carry(), b.sign(size, r));
      case KIND.shr:
        return b.sign(size, b.xor(r, this.#slot(CC_B)));
      case KIND.mul:
        return this.carry();
      default:
        return b.i32(0);
    }
  }
  #parity(v: Val): I32 {
    const { b } = this;
    return b.xor(b.and(b.popcnt(b.and(b.low(v), b.i32(0xff))), b.i32(1)), b.i32(1));
  }
  /** SF, ZF and PF of a value of `size` bytes. */
  ofResult(size: number, r: Val): I32 {
    const { b } = this;
    const zero = b.shl(b.eqz(r), b.i32(6)), sign = b.shl(b.sign(size, r), b.i32(7));
    return b.or(b.or(zero, sign), b.shl(this.#parity(r), b.i32(2)));
  }
  /** 1 when condition code `cc` holds, else 0. */
  condition(cc: number): I32 {
    const { b } = this;
    const kind = this.kind, op = kind & ~3, size = 1 << (kind & 3), which = cc >> 1, negate = (cc & 1) !== 0;
    if (kind < 0) return b.wrap(b.call(H.condition, b.i64(cc)));
    if (op === KIND.sub && which !== 0 && which !== 4 && which !== 5) {
      let x = this.#slot(CC_A), y = this.#slot(CC_B);
      if (which >= 6) [x, y] = [b.signed(size, x), b.signed(size, y)];
      // deno-fmt-ignore
      switch (which) {
        case 1: return negate ? b.geU(x, y) : b.ltU(x, y);
        case 2: return negate ? b.ne(x, y) : b.eq(x, y);
        case 3: return negate ? b.gtU(x, y) : b.leU(x, y);
        case 6: return negate ? b.geS(x, y) : b.ltS(x, y);
        default: return negate ? b.gtS(x, y) : b.leS(x, y);
      }
    }
    if (op === KIND.image) {
      const f = b.getI(CC_RESULT);
      const bit = (mask: number) => negate ? b.eqz(b.and(f, b.i32(mask))) : b.ne(b.and(f, b.i32(mask)), b.i32(0));
      if (which < 6) return bit([OF, CF, ZF, CF | ZF, SF, PF][which]);
      const less = b.and(b.xor(f, b.shrU(f, b.i32(4))), b.i32(SF));
      const all = which === 6 ? less : b.or(less, b.and(f, b.i32(ZF)));
      return negate ? b.eqz(all) : b.ne(all, b.i32(0));
    }
    if (which === 2 || op === KIND.logic && which === 3) {
      const r = this.#result();
      return negate ? b.ne(r, b.like(r, 0)) : b.eqz(r);
    }
    if (which === 4 || op === KIND.logic && which >= 6) {
      const r = b.signed(size, this.#result()), zero = b.like(r, 0);
      if (which === 7) return negate ? b.gtS(r, zero) : b.leS(r, zero);
      return negate ? b.geS(r, zero) : b.ltS(r, zero);
    }
    let v: I32;
    if (which === 0) v = this.#overflow();
    else if (which === 1) v = this.carry();
    else if (which === 3) v = b.or(this.carry(), b.eqz(this.#result()));
    else if (which === 5) v = this.#parity(this.#result());
    else {
      v = b.xor(b.sign(size, this.#result()), this.#overflow());
      if (which === 7) v = b.or(v, b.eqz(this.#result()));
    }
    return negate ? b.xor(v, b.i32(1)) : v;
  }
}
