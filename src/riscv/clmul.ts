// Carry-less multiplication for Zbc (RISC-V Unprivileged ISA 20240411, 28.4.9 to 28.4.11) on the 32-bit halves of the operands.
import { CONTINUE, type CoreEnv, type Helper, type Status } from "../ir/frontend.ts";
import { ARG, RESULT } from "../ir/layout.ts";
import type { CLMUL_HELPERS } from "./helpers.ts";

/** Halves of the last product of two 32-bit numbers. */
let productLo = 0, productHi = 0;
function multiply(x: number, y: number): void {
  let lo = 0, hi = 0;
  for (let i = 0; i < 32; i++) {
    if ((y >>> i) & 1) {
      lo ^= x << i;
      if (i) hi ^= x >>> (32 - i);
    }
  }
  productLo = lo;
  productHi = hi;
}

/** The 128-bit product of two 64-bit numbers as four words, the lowest first; the array is reused. */
const words = new Int32Array(4);
function product(xLo: number, xHi: number, yLo: number, yHi: number): Int32Array {
  multiply(xLo, yLo);
  words[0] = productLo;
  words[1] = productHi;
  multiply(xHi, yHi);
  words[2] = productLo;
  words[3] = productHi;
  multiply(xLo, yHi);
  words[1] ^= productLo;
  words[2] ^= productHi;
  multiply(xHi, yLo);
  words[1] ^= productLo;
  words[2] ^= productHi;
  return words;
}

/** The helpers, over the argument slots of `env`. */
export function clmulHelpers({ i32 }: Pick<CoreEnv, "i32">): (Helper & { readonly name: typeof CLMUL_HELPERS[number] })[] {
  const helper = (name: typeof CLMUL_HELPERS[number], lo: (p: Int32Array) => number, hi: (p: Int32Array) => number) => ({
    name,
    run(): Status {
      const p = product(i32[ARG >> 2], i32[(ARG >> 2) + 1], i32[(ARG >> 2) + 2], i32[(ARG >> 2) + 3]);
      i32[RESULT >> 2] = lo(p);
      i32[(RESULT >> 2) + 1] = hi(p);
      return CONTINUE;
    },
  });
  return [
    helper("clmul", (p) => p[0], (p) => p[1]),
    helper("clmulh", (p) => p[2], (p) => p[3]),
    helper("clmulr", (p) => (p[2] << 1) | (p[1] >>> 31), (p) => (p[3] << 1) | (p[2] >>> 31)),
  ];
}
