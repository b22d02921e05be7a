// Helpers of integer instructions: flags, divisions of 128 bits, rotates through carry, BCD, and bit gathering.
import { CONTINUE, type CoreEnv, type Helper, type Status } from "../ir/frontend.ts";
import { ARG, RESULT } from "../ir/layout.ts";
import { conditionOf, readStatus, writeStatus } from "./flags.ts";
import { INTEGER_HELPERS } from "./helpers.ts";
import { AF, CF, OF, PF, SF, STATUS, ZF } from "./registers.ts";
import { GPR } from "./slots.ts";

const M64 = 0xffff_ffff_ffff_ffffn;
/** The BCD instructions, by the number that `decimal` takes. */
export const DECIMAL = ["daa", "das", "aaa", "aas", "aam", "aad"] as const;

/** The helpers in the order of INTEGER_HELPERS. `raise` records an exception (error code -1: none) and returns FAULT. */
export function integerHelpers(env: CoreEnv, raise: (vector: number, error: number) => Status): Helper[] {
  const { i32, u64 } = env, arg = (n: number) => u64[(ARG >> 3) + n], small = (n: number) => i32[(ARG >> 2) + 2 * n];
  const result = (v: bigint): Status => {
    u64[RESULT >> 3] = v;
    return CONTINUE;
  };
  const number = (v: number): Status => {
    i32[RESULT >> 2] = v;
    i32[(RESULT >> 2) + 1] = 0;
    return CONTINUE;
  };
  const resultFlags = (v: number) => (v === 0 ? ZF : 0) | (v & 0x80 ? SF : 0) | (bitCount(v) & 1 ? 0 : PF);

  const run: Readonly<Record<typeof INTEGER_HELPERS[number], () => Status>> = {
    status: () => number(readStatus(i32)),
    carry: () => number(readStatus(i32) & CF),
    condition: () => number(conditionOf(readStatus(i32), small(0))),
    divideError: () => raise(0, -1),
    boundError: () => raise(5, -1),
    alignmentError: () => raise(13, 0),
    div64: () => {
      const y = arg(1), n = (u64[GPR(2) >> 3] << 64n) | u64[GPR(0) >> 3];
      if (y === 0n) return raise(0, -1);
      const q = n / y;
      return q > M64 ? raise(0, -1) : result(q);
    },
    idiv64: () => {
      const y = BigInt.asIntN(64, arg(1)), n = BigInt.asIntN(128, (u64[GPR(2) >> 3] << 64n) | u64[GPR(0) >> 3]);
      if (y === 0n) return raise(0, -1);
      const q = n / y;
      return q !== BigInt.asIntN(64, q) ? raise(0, -1) : result(BigInt.asUintN(64, q));
    },
    rotateCarry: () => {
      const size = small(2) & 15, right = (small(2) & 16) !== 0, bits = 8 * size, flags = readStatus(i32);
      let n = small(1) % (bits + 1), v = arg(0), carry = flags & CF;
      if (small(1) === 0) return result(v);
      // CF and the operand are a number of bits + 1 bits; to the right is to the left the other way round.
      if (right) n = (bits + 1 - n) % (bits + 1);
      const all = (BigInt(carry) << BigInt(bits)) | v, turned = (all << BigInt(n)) | (all >> BigInt(bits + 1 - n));
      v = BigInt.asUintN(bits, turned);
      carry = Number((turned >> BigInt(bits)) & 1n);
      const top = Number((v >> BigInt(bits - 1)) & 1n), second = Number((v >> BigInt(bits - 2)) & 1n);
      writeStatus(i32, (flags & ~(CF | OF)) | carry | ((right ? top ^ second : top ^ carry) ? OF : 0));
      return result(v);
    },
    pdep: () => {
      const value = arg(0);
      let mask = arg(1), out = 0n;
      for (let k = 0n; mask !== 0n; k++) {
        const lowest = mask & -mask;
        if ((value >> k) & 1n) out |= lowest;
        mask ^= lowest;
      }
      return result(out);
    },
    pext: () => {
      const value = arg(0);
      let mask = arg(1), out = 0n;
      for (let k = 0n; mask !== 0n; k++) {
        const lowest = mask & -mask;
        if (value & lowest) out |= 1n << k;
        mask ^= lowest;
      }
      return result(out);
    },
    crc32: () => {
      let crc = small(0);
      for (let n = 0; n < small(2); n++) {
        crc ^= Number((arg(1) >> BigInt(8 * n)) & 0xffn);
        // The polynomial 0x1EDC6F41, reflected.
        for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
      }
      return result(BigInt(crc >>> 0));
    },
    decimal: () => {
      const slot = GPR(0) >> 2, ax = i32[slot], al = ax & 0xff, ah = (ax >> 8) & 0xff, flags = readStatus(i32);
      const put = (value: number, f: number): Status => {
        i32[slot] = (ax & ~0xffff) | (value & 0xffff);
        writeStatus(i32, (f & STATUS & ~(SF | ZF | PF)) | resultFlags(value & 0xff));
        return CONTINUE;
      };
      const adjust = (al & 15) > 9 || (flags & AF) !== 0, immediate = small(1);
      switch (DECIMAL[small(0)]) {
        case "daa":
        case "das": {
          const sign = DECIMAL[small(0)] === "daa" ? 1 : -1, high = al > 0x99 || (flags & CF) !== 0;
          let v = al, f = 0;
          if (adjust) {
            v += 6 * sign;
            // SDM: CF takes the carry of this step too, but daa's is implied by al > 0x99.
            f |= AF | (flags & CF) | (v < 0 || v > 0xff ? CF : 0);
          }
          if (high) {
            v += 0x60 * sign;
            f |= CF;
          } else if (sign > 0) f &= ~CF;
          return put((ah << 8) | (v & 0xff), f);
        }
        case "aaa":
          return adjust ? put((ax + 0x106) & 0xff0f, AF | CF) : put(ax & 0xff0f, 0);
        case "aas":
          return adjust ? put((((ax - 6) & 0xffff) - 0x100) & 0xff0f, AF | CF) : put(ax & 0xff0f, 0);
        case "aam":
          if (immediate === 0) return raise(0, -1);
          return put((Math.trunc(al / immediate) << 8) | (al % immediate), 0);
        default:
          return put((al + ah * immediate) & 0xff, 0);
      }
    },
  };
  return INTEGER_HELPERS.map((name) => ({ name, run: run[name] }));
}

function bitCount(n: number): number {
  let c = 0;
  for (; n; n &= n - 1) c++;
  return c;
}
