// Names of the functions that RISC-V code calls; an index into HELPERS is what IR carries. The hart supplies the functions in this order.
// Arguments are i64 (RV32 values zero-extended): the comment of each row lists them. `*` marks helpers for callEnd: they set the pc slot.

/** Helpers of the privileged architecture; src/riscv/hart.ts has them. */
export const SYSTEM_HELPERS = [
  "exception", // * cause, tval, pc
  "csr", // * instruction word, value of rs1 or uimm, pc, next pc
  "ecall", // * pc
  "ebreak", // * pc
  "mret", // * pc, next pc
  "sret", // * pc, next pc
  "wfi", // * pc, next pc
  "sfenceVma", // * vaddr, asid, operands given (1: vaddr, 2: asid) with the instruction word in the upper half, pc
  "fenceI", // * next pc
  "fetchFault", // * pc; the fault on the following page has been recorded
  "misalignedLoad", // address: records the exception
  "misalignedStore", // address: records the exception
  "misalignedFetch", // target: records the exception (only without C)
  "fpDirty", // none: sets mstatus.FS to Dirty
  "cbo", // instruction word, address: checks that the cache-block instruction is allowed
] as const;

/** Carry-less multiplication; src/riscv/clmul.ts has them. */
export const CLMUL_HELPERS = ["clmul", "clmulh", "clmulr"] as const;

const FORMATS = ["h", "s", "d"] as const;
const INTEGERS = ["w", "wu", "l", "lu"] as const;
const ARITHMETIC = [
  "fadd",
  "fsub",
  "fmul",
  "fdiv",
  "fsqrt",
  "fmadd",
  "fmsub",
  "fnmsub",
  "fnmadd",
  "fmin",
  "fmax",
  "fminm",
  "fmaxm",
  "feq",
  "flt",
  "fle",
  "fltq",
  "fleq",
  "fround",
  "froundnx",
  "fclass",
] as const;
type Format = typeof FORMATS[number];
const FUSED = ["fmadd", "fmsub", "fnmsub", "fnmadd"] as const;
const FUSED_RNE = FUSED.flatMap((op) => [`${op}.s.rne` as const, `${op}.d.rne` as const]);
/** Floating-point helpers have the mnemonic's name. */
export type FloatHelper =
  | typeof FUSED_RNE[number]
  | `${typeof ARITHMETIC[number]}.${Format}`
  | `fcvt.${Format}.${Format | typeof INTEGERS[number]}`
  | `fcvt.${typeof INTEGERS[number]}.${Format}`
  | "fcvtmod.w.d";

/**
 * Third operand (or the result of the fast way), first operand, second operand, instruction word; src/riscv/float.ts has them.
 * Those that end in .rne round to nearest even: result of the fast way, first, second, third operand.
 */
export const FLOAT_HELPERS: readonly FloatHelper[] = [
  ...FORMATS.flatMap((f) => [
    ...ARITHMETIC.map((op) => `${op}.${f}` as const),
    ...FORMATS.filter((g) => g !== f).map((g) => `fcvt.${f}.${g}` as const),
    ...INTEGERS.map((i) => `fcvt.${f}.${i}` as const),
    ...INTEGERS.map((i) => `fcvt.${i}.${f}` as const),
  ]),
  "fcvtmod.w.d",
  ...FUSED_RNE,
];

export type HelperName = typeof SYSTEM_HELPERS[number] | typeof CLMUL_HELPERS[number] | FloatHelper;

/** Every helper's name, in the order of the core's `helpers`. */
export const HELPERS: readonly HelperName[] = [...SYSTEM_HELPERS, ...CLMUL_HELPERS, ...FLOAT_HELPERS];

/** Helper numbers by name. */
export const H = Object.fromEntries(HELPERS.map((name, i) => [name, i])) as Readonly<Record<HelperName, number>>;
