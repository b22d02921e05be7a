// The floating-point helpers of translated RISC-V code: exact arithmetic by ../ir/softfloat.ts, flags into fcsr (RISC-V Unprivileged ISA 20240411, 21.2).
// A helper has the mnemonic's name; helpers.ts lists its arguments. f operands are unboxed.
import { CONTINUE, type CoreEnv, FINISH, type Helper, type Status } from "../ir/frontend.ts";
import { ARG, RESULT } from "../ir/layout.ts";
import { f16, f32, f64, FloatEnv, type FloatFormat, NX, RNE, type Rounding, RTZ } from "../ir/softfloat.ts";
import { QUICK32, QUICK64 } from "./quick_float.ts";
import { FLOAT_HELPERS, type FloatHelper } from "./helpers.ts";
import { FFLAGS, FRM } from "./slots.ts";

type Operation = (env: FloatEnv, t: FloatFormat, a: bigint, b: bigint, c: bigint) => bigint;
const truth = (v: boolean) => v ? 1n : 0n;

/** Operations that round, by the mode of the instruction word. */
const ROUNDING: Readonly<Record<string, Operation>> = {
  fadd: (env, t, a, b) => t.add(env, a, b),
  fsub: (env, t, a, b) => t.sub(env, a, b),
  fmul: (env, t, a, b) => t.mul(env, a, b),
  fdiv: (env, t, a, b) => t.div(env, a, b),
  fsqrt: (env, t, a) => t.sqrt(env, a),
  fmadd: (env, t, a, b, c) => t.fma(env, a, b, c),
  fmsub: (env, t, a, b, c) => t.fma(env, a, b, c, false, true),
  fnmsub: (env, t, a, b, c) => t.fma(env, a, b, c, true, false),
  fnmadd: (env, t, a, b, c) => t.fma(env, a, b, c, true, true),
  fround: (env, t, a) => t.roundToIntegral(env, a, env.rm, false),
  froundnx: (env, t, a) => t.roundToIntegral(env, a, env.rm, true),
};
/** Operations that do not: their words have no rounding-mode field. */
const EXACT: Readonly<Record<string, Operation>> = {
  fmin: (env, t, a, b) => t.min(env, a, b),
  fmax: (env, t, a, b) => t.max(env, a, b),
  fminm: (env, t, a, b) => t.minimum(env, a, b),
  fmaxm: (env, t, a, b) => t.maximum(env, a, b),
  feq: (env, t, a, b) => truth(t.eq(env, a, b)),
  flt: (env, t, a, b) => truth(t.lt(env, a, b)),
  fle: (env, t, a, b) => truth(t.le(env, a, b)),
  fltq: (env, t, a, b) => truth(t.ltQuiet(env, a, b)),
  fleq: (env, t, a, b) => truth(t.leQuiet(env, a, b)),
  fclass: (_env, t, a) => BigInt(t.classify(a)),
};
const FORMATS: Readonly<Record<string, FloatFormat>> = { h: f16, s: f32, d: f64 };
const INTS: Readonly<Record<string, { width: 32 | 64; signed: boolean }>> = {
  w: { width: 32, signed: true },
  wu: { width: 32, signed: false },
  l: { width: 64, signed: true },
  lu: { width: 64, signed: false },
};

/** What a helper computes, and whether it rounds. */
function operation(name: FloatHelper): { rounds: boolean; run: (env: FloatEnv, a: bigint, b: bigint, c: bigint) => bigint } {
  const [op, x, y] = name.split(".");
  if (name === "fcvtmod.w.d") return { rounds: false, run: (env, a) => f64.toIntModular(env, a) };
  if (op !== "fcvt") {
    const t = FORMATS[x], rounds = op in ROUNDING, f = rounds ? ROUNDING[op] : EXACT[op];
    return { rounds, run: (env, a, b, c) => f(env, t, a, b, c) };
  }
  const to = FORMATS[x], from = FORMATS[y];
  if (to && from) return { rounds: true, run: (env, a) => from.convert(env, a, to) };
  if (to) {
    const { width, signed } = INTS[y];
    return { rounds: true, run: (env, a) => to.fromInt(env, signed ? BigInt.asIntN(width, a) : BigInt.asUintN(width, a)) };
  }
  const { width, signed } = INTS[x];
  // 32-bit results are sign-extended, unsigned ones too (Unpriv 21.7).
  return { rounds: true, run: (env, a) => BigInt.asUintN(64, BigInt.asIntN(width, from.toInt(env, a, width, signed))) };
}

/**
 * The helpers in the order of FLOAT_HELPERS. `illegal` records an illegal instruction exception for a word: the dynamic rounding mode is reserved.
 */
export function floatHelpers(env: CoreEnv, illegal: (word: number) => Status): Helper[] {
  const { u64, i32 } = env, float = new FloatEnv("riscv");
  const doubles = new Float64Array(u64.buffer, 0, (RESULT >> 3) + 1), singles = new Float32Array(u64.buffer, 0, (RESULT >> 2) + 1);
  return FLOAT_HELPERS.map((name): Helper => {
    // Looked up at the first call: a start does not pay for all of them.
    let op: ReturnType<typeof operation> | undefined;
    let toNearest = false, wide = false, third = 0, quick: (typeof QUICK64)[string] | undefined;
    const at = ARG >> 3;
    return {
      name,
      run(): Status {
        if (!op) {
          const [base, format] = name.split(".");
          op = operation(name);
          toNearest = name.endsWith(".rne");
          wide = format === "d";
          third = at + (toNearest ? 3 : 0);
          quick = toNearest ? undefined : wide ? QUICK64[base] : format === "s" ? QUICK32[base] : undefined;
        }
        if (toNearest) float.rm = RNE;
        else if (op.rounds) {
          const word = i32[(ARG >> 2) + 6], field = (word >>> 12) & 7, rm = field === 7 ? i32[FRM >> 2] : field;
          if (rm > 4) return illegal(word);
          float.rm = rm as Rounding;
          if (rm === RNE && quick) {
            const r = wide
              ? quick(doubles[at + 1], doubles[at + 2], doubles[third])
              : quick(singles[2 * at + 2], singles[2 * at + 4], singles[2 * third]);
            if (r === r) {
              if (wide) doubles[RESULT >> 3] = r;
              else singles[RESULT >> 2] = r; // the row's box covers the upper half
              return CONTINUE;
            }
          }
        } else float.rm = RTZ;
        float.flags = 0;
        u64[RESULT >> 3] = op.run(float, u64[at + 1], u64[at + 2], u64[third]);
        const before = i32[FFLAGS >> 2], now = before | float.flags;
        if (now === before) return CONTINUE;
        i32[FFLAGS >> 2] = now;
        // Translated code depends on whether NX is set (MODE_FP_FAST).
        if (((now ^ before) & NX) === 0) return CONTINUE;
        env.changed();
        return FINISH;
      },
    };
  });
}
