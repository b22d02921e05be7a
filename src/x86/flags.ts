// HOT: no bigint, no closures, no allocation.
// The status flags as lazy records: an instruction stores what it did (CC_KIND and up to three values), and the flags are worked out when somebody looks.
// Intel SDM volume 1 (253665-083), 3.4.3.1. Flags that the manual leaves undefined are whatever falls out here, the same always.
import { AF, CF, OF, PF, SF, STATUS, ZF } from "./insn.ts";
import { CC_A, CC_B, CC_KIND, CC_RESULT } from "./slots.ts";

/**
 * Kinds of records; CC_KIND is a kind with the base-2 logarithm of the operand's bytes in its low two bits. Values of 8 and 16 bits are zero-extended
 * to 32, and of values up to 32 bits only the low halves of the slots count.
 */
export const KIND = {
  /** RESULT holds the flags as RFLAGS has them. */
  image: 0,
  /** A + B. */
  add: 4,
  /** A - B. */
  sub: 8,
  /** RESULT = A + B + CF. */
  adc: 12,
  /** RESULT = A - B - CF. */
  sbb: 16,
  /** RESULT; CF, OF and AF are 0. */
  logic: 20,
  /** From here on bit 0 of A is CF. RESULT of an increment. */
  inc: 0x40,
  /** RESULT of a decrement. */
  dec: 0x44,
  /** RESULT of a left shift; OF is the xor of CF and RESULT's sign. */
  shl: 0x48,
  /** RESULT of a right shift; OF is the xor of A's and RESULT's sign. */
  shr: 0x4c,
  /** RESULT; A is CF and OF. */
  mul: 0x50,
  /** RESULT; OF and AF are 0. */
  logicCarry: 0x54,
} as const;
/** Set in the kinds whose CF is bit 0 of A. */
export const CARRY_IN_A = 0x40;

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
  const aLo = i32[CC_A >> 2], bLo = i32[CC_B >> 2], aHi = wide ? i32[(CC_A >> 2) + 1] : aLo, bHi = wide ? i32[(CC_B >> 2) + 1] : bLo;
  let lo = i32[CC_RESULT >> 2], hi = wide ? i32[(CC_RESULT >> 2) + 1] : lo;
  if (op === KIND.add) {
    const sum = (aLo >>> 0) + (bLo >>> 0);
    lo = (aLo + bLo) & mask;
    hi = wide ? (aHi + bHi + (sum > 0xffff_ffff ? 1 : 0)) | 0 : lo;
  } else if (op === KIND.sub) {
    lo = (aLo - bLo) & mask;
    hi = wide ? (aHi - bHi - ((aLo >>> 0) < (bLo >>> 0) ? 1 : 0)) | 0 : lo;
  }
  let f = ((wide ? lo | hi : lo & mask) === 0 ? ZF : 0) | ((hi & sign) !== 0 ? SF : 0) | (evenParity(lo & 0xff) ? PF : 0);
  switch (op) {
    case KIND.add:
    case KIND.adc:
      if ((((aHi & bHi) | ((aHi | bHi) & ~hi)) & sign) !== 0) f |= CF;
      if (((aHi ^ hi) & (bHi ^ hi) & sign) !== 0) f |= OF;
      return f | ((aLo ^ bLo ^ lo) & AF);
    case KIND.sub:
    case KIND.sbb:
      if ((((~aHi & bHi) | ((~aHi | bHi) & hi)) & sign) !== 0) f |= CF;
      if (((aHi ^ bHi) & (aHi ^ hi) & sign) !== 0) f |= OF;
      return f | ((aLo ^ bLo ^ lo) & AF);
    case KIND.logic:
      return f;
    case KIND.inc:
      if (hi === sign && (!wide || lo === 0)) f |= OF;
      if ((lo & 15) === 0) f |= AF;
      break;
    case KIND.dec:
      if (wide ? hi === ~sign && lo === -1 : hi === ((sign - 1) & mask)) f |= OF;
      if ((lo & 15) === 15) f |= AF;
      break;
    case KIND.shl:
      if (((hi & sign) !== 0) !== ((aLo & 1) !== 0)) f |= OF;
      break;
    case KIND.shr:
      if (((hi ^ aHi) & sign) !== 0) f |= OF;
      break;
    case KIND.mul:
      if (aLo & 1) f |= OF;
      break;
  }
  return f | (aLo & CF);
}

/** Makes the record a plain image of `flags` (bits other than the six are dropped). */
export function writeStatus(i32: Int32Array, flags: number): void {
  i32[CC_RESULT >> 2] = flags & STATUS;
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
