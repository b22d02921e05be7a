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
type Fused = "fmadd" | "fmsub" | "fnmsub" | "fnmadd";
/** Floating-point helpers have the mnemonic's name. */
export type FloatHelper =
  | `${Fused}.${"s" | "d"}.rne`
  | `${typeof ARITHMETIC[number]}.${Format}`
  | `fcvt.${Format}.${Format | typeof INTEGERS[number]}`
  | `fcvt.${typeof INTEGERS[number]}.${Format}`
  | "fcvtmod.w.d";

/**
 * Third operand (or the result of the fast way), first operand, second operand, instruction word; src/riscv/float.ts has them.
 * Those that end in .rne round to nearest even: result of the fast way, first, second, third operand.
 */
export const FLOAT_HELPERS: readonly FloatHelper[] = [];

export type HelperName = typeof SYSTEM_HELPERS[number] | typeof CLMUL_HELPERS[number] | FloatHelper;

/** Every helper's name, in the order of the core's `helpers`. */
export const HELPERS: readonly HelperName[] = [...SYSTEM_HELPERS, ...CLMUL_HELPERS];

/** Helper numbers by name. */
export const H = Object.create(null) as Readonly<Record<HelperName, number>>;

// Plain loops, and not in functions: these would be compiled at every start.
const float = FLOAT_HELPERS as FloatHelper[], all = HELPERS as HelperName[];
for (const f of FORMATS) {
  for (const op of ARITHMETIC) float.push(`${op}.${f}`);
  for (const g of FORMATS) if (g !== f) float.push(`fcvt.${f}.${g}`);
  for (const i of INTEGERS) float.push(`fcvt.${f}.${i}`, `fcvt.${i}.${f}`);
}
float.push("fcvtmod.w.d");
for (const op of ["fmadd", "fmsub", "fnmsub", "fnmadd"] as const) float.push(`${op}.s.rne`, `${op}.d.rne`);
for (const name of float) all.push(name);
for (let i = 0; i < all.length; i++) (H as Record<HelperName, number>)[all[i]] = i;
