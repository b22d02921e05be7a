// HOT: no bigint, no closures, no allocation.
// The status flags as lazy records: an instruction stores what it did (CC_KIND and up to three values), and the flags are worked out when somebody looks.
// Intel SDM volume 1 (253665-083), 3.4.3.1. Flags that the manual leaves undefined are whatever falls out here, the same always.
import { AF, CF, OF, PF, SF, STATUS, ZF } from "./registers.ts";
import { CC_A, CC_B, CC_KIND, CC_RESULT } from "./slots.ts";

/**
 * Kinds of records; CC_KIND is a kind with the base-2 logarithm of the operand's bytes in its low two bits. Whatever the kind, CF is A < B, unsigned, in
 * all bits of the slots: nobody has to know the kind for it. Values of 8, 16 and 32 bits are zero-extended; code outside 64-bit mode leaves the upper
 * halves alone, which are zero there.
 */
export const KIND = {
  /** RESULT holds the flags as RFLAGS has them. */
  image: 0,
  /** A = B + another number. */
  add: 4,
  /** A - B. */
  sub: 8,
  /** RESULT of an addition or subtraction with carry in; B is the xor of operands and RESULT but for bit 0, which is CF, and A is B without it. */
  carry: 12,
  /** A, with B = 0; OF and AF are 0. */
  logic: 16,
  /** RESULT of an increment or decrement: A and B stay as they are. */
  inc: 20,
  dec: 24,
  /** RESULT of a left shift; bit 0 of B is CF, A is B without it; OF is the xor of CF and RESULT's sign. */
  shl: 28,
  /** RESULT of a right shift; likewise, but OF is the xor of B's and RESULT's sign. */
  shr: 32,
  /** RESULT; A is 0, B is CF and OF. */
  mul: 36,
  /** RESULT; A is 0, B is CF; OF and AF are 0. */
  logicCarry: 40,
} as const;

/** 1 when the low byte has an even number of ones. */
function evenParity(n: number): number {
  n ^= n >> 4;
  return (0x9669 >> (n & 15)) & 1;
}

const SIGN = [0x80, 0x8000, 0x8000_0000 | 0, 0x8000_0000 | 0];

/** CF PF AF ZF SF OF as RFLAGS has them, of the record in the slots (`i32` is the state window). */
export function readStatus(i32: Int32Array): number {
  const kind = i32[CC_KIND >> 2], op = kind & ~3, log = kind & 3;
  if (op === KIND.image) return i32[CC_RESULT >> 2] & STATUS;
  const wide = log === 3, sign = SIGN[log], mask = log === 0 ? 0xff : log === 1 ? 0xffff : -1;
  const aLo = i32[CC_A >> 2], aHi = i32[(CC_A >> 2) + 1], bLo = i32[CC_B >> 2], bHi = i32[(CC_B >> 2) + 1];
  const carry = aHi === bHi ? (aLo >>> 0) < (bLo >>> 0) : (aHi >>> 0) < (bHi >>> 0);
  let lo = i32[CC_RESULT >> 2], hi = wide ? i32[(CC_RESULT >> 2) + 1] : lo;
  if (op === KIND.add || op === KIND.logic) {
    lo = aLo;
    hi = wide ? aHi : lo;
  } else if (op === KIND.sub) {
    lo = (aLo - bLo) & mask;
    hi = wide ? (aHi - bHi - ((aLo >>> 0) < (bLo >>> 0) ? 1 : 0)) | 0 : lo;
  }
  // The upper parts of what A and B are in this operation.
  const a = wide ? aHi : aLo, b = wide ? bHi : bLo;
  let f = ((wide ? lo | hi : lo & mask) === 0 ? ZF : 0) | ((hi & sign) !== 0 ? SF : 0) | (evenParity(lo & 0xff) ? PF : 0);
  if (carry) f |= CF;
  switch (op) {
    case KIND.add: {
      // The other summand is the difference.
      const other = wide ? (aHi - bHi - ((aLo >>> 0) < (bLo >>> 0) ? 1 : 0)) | 0 : aLo - bLo;
      if (((a ^ b) & (a ^ other) & sign) !== 0) f |= OF;
      return f | ((aLo ^ bLo ^ (aLo - bLo)) & AF);
    }
    case KIND.sub:
      if (((a ^ b) & (a ^ hi) & sign) !== 0) f |= OF;
      return f | ((aLo ^ bLo ^ lo) & AF);
    case KIND.carry:
      // Carries into the bits: into the sign, and into bit 4.
      if (((b & sign) !== 0) !== carry) f |= OF;
      return f | (bLo & AF);
    case KIND.inc:
      if (hi === sign && (!wide || lo === 0)) f |= OF;
      return (lo & 15) === 0 ? f | AF : f;
    case KIND.dec:
      if (wide ? hi === ~sign && lo === -1 : hi === ((sign - 1) & mask)) f |= OF;
      return (lo & 15) === 15 ? f | AF : f;
    case KIND.shl:
      return ((hi & sign) !== 0) !== carry ? f | OF : f;
    case KIND.shr:
      return ((hi ^ b) & sign) !== 0 ? f | OF : f;
    case KIND.mul:
      return carry ? f | OF : f;
  }
  return f;
}

/** Makes the record a plain image of `flags` (bits other than the six are dropped). */
export function writeStatus(i32: Int32Array, flags: number): void {
  i32[CC_RESULT >> 2] = flags & STATUS;
  i32[(CC_RESULT >> 2) + 1] =
    i32[CC_A >> 2] =
    i32[(CC_A >> 2) + 1] =
    i32[(CC_B >> 2) + 1] =
      0;
  i32[CC_B >> 2] = flags & CF;
  i32[CC_KIND >> 2] = KIND.image;
}

/** 1 when condition code `cc` (SDM volume 2, appendix B.1.4.7) holds for these flags, else 0. */
export function conditionOf(flags: number, cc: number): number {
  let v: boolean;
  switch (cc >> 1) {
    case 0:
      v = (flags & OF) !== 0;
      break;
    case 1:
      v = (flags & CF) !== 0;
      break;
    case 2:
      v = (flags & ZF) !== 0;
      break;
    case 3:
      v = (flags & (CF | ZF)) !== 0;
      break;
    case 4:
      v = (flags & SF) !== 0;
      break;
    case 5:
      v = (flags & PF) !== 0;
      break;
    default:
      v = ((flags & SF) !== 0) !== ((flags & OF) !== 0) || (cc >> 1 === 7 && (flags & ZF) !== 0);
  }
  return v !== ((cc & 1) !== 0) ? 1 : 0;
}
