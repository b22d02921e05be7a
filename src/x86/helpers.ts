// Names of the functions that x86 code calls; an index into HELPERS is what IR carries. The processor supplies the functions in this order.
// Arguments are i64: the comment of each row lists them; "-> x" is the result. The pc slot holds linear addresses, and so do `here` and `next`: those
// of this instruction and of the following one (a subtraction of CS's base gives EIP).
// A helper that faults returns FAULT and has had no effect; one after which interrupts or the mode must be looked at returns FINISH.
import { PACKED_BOTH, PACKED_MMX, PACKED_SSE } from "./packed.ts";

/** Whether a helper ends its block: those are for callEnd, set the pc slot, and what runs next is looked up in the new mode anyway. */
const ENDS = true, STAYS = false;

/** Helpers of the processor's system part: src/x86/system_helpers.ts has them. */
const SYSTEM = {
  exception: ENDS, // vector, error code (-1: none), here
  fetchFault: ENDS, // here; the fault on the following page has been recorded
  step: STAYS, // here: called before every instruction under MODE_TF
  interrupt: ENDS, // vector, kind (0: int n, 1: int3, 2: into, 3: int1), here, next
  segRead: STAYS, // linear address, offset (zero-extended), segment | bytes << 8 -> linear address; raises #GP or #SS if that may not be read
  segWrite: STAYS, // the same for writing
  storeSelector: STAYS, // linear address, offset, segment | bytes << 8, value: a word, with the checks of segWrite
  codeLimit: STAYS, // linear address, new EIP -> linear address: raises #GP if the EIP is above the limit or not canonical
  codeEnd: STAYS, // nothing, linear address of an instruction's last byte: raises #GP if it is above the limit
  goTo: ENDS, // linear address
  jumpFar: ENDS, // selector | operand bytes << 16, offset, here, next
  callFar: ENDS, // selector | operand bytes << 16, offset, here, next
  returnFar: ENDS, // operand bytes, bytes to pop, here, next
  iret: ENDS, // operand bytes, here, next
  loadSegment: STAYS, // segment, selector | 2^16 when an interrupt shadow follows (mov ss, pop ss): loads it with all checks
  readFlags: STAYS, // operand bytes -> RFLAGS as pushf stores it; raises #GP in virtual-8086 mode
  writeFlags: STAYS, // value, operand bytes: popf, with all checks
  cli: STAYS, // checks IOPL
  sti: STAYS, // the same; an interrupt shadow follows
  hlt: ENDS, // here, next
  in: STAYS, // port, bytes -> value (zero-extended); checks the I/O permission
  out: STAYS, // port, bytes, value
  cpuid: STAYS, // reads and writes the registers
  rdtsc: STAYS, // -> the time-stamp counter
  rdtscp: STAYS, // writes EDX:EAX and ECX (64-bit halves cleared)
  rdpid: STAYS, // -> IA32_TSC_AUX
  rdpmc: STAYS, // ECX -> EDX:EAX
  rdmsr: STAYS, // ECX -> EDX:EAX
  wrmsr: STAYS, // EDX:EAX into that of ECX
  xgetbv: STAYS, // ECX -> EDX:EAX
  xsetbv: STAYS, // EDX:EAX into that of ECX
  rdpkru: STAYS, // ECX -> EDX:EAX
  wrpkru: STAYS, // ECX, EDX:EAX
  random: STAYS, // 0: rdrand, 1: rdseed -> 64 random bits
  readCr: STAYS, // number -> value
  writeCr: STAYS, // number, value
  readDr: STAYS, // number -> value
  writeDr: STAYS, // number, value
  clts: STAYS, // none
  smsw: STAYS, // -> CR0
  lmsw: STAYS, // value
  tableLimit: STAYS, // 0: GDTR, 1: IDTR -> limit; checks that sgdt or sidt is allowed (UMIP)
  tableBase: STAYS, // 0: GDTR, 1: IDTR -> base
  loadTable: STAYS, // 0: GDTR, 1: IDTR; base, limit
  systemSelector: STAYS, // 0: LDTR, 1: TR -> selector; raises #UD outside protected mode
  loadSystemSelector: STAYS, // 0: LDTR, 1: TR; selector
  lar: STAYS, // selector -> access rights, or -1
  lsl: STAYS, // selector -> limit, or -1
  verr: STAYS, // selector -> 1 when it may be read
  verw: STAYS, // selector -> 1 when it may be written
  invlpg: STAYS, // linear address
  invpcid: STAYS, // type, low and high half of the descriptor
  invd: STAYS, // none: invd and wbinvd
  accessFlag: STAYS, // 0: clac, 1: stac
  fsgsbase: STAYS, // none: raises #UD unless CR4.FSGSBASE
  writeBase: STAYS, // segment (4: FS, 5: GS), value: raises #GP if it is not canonical
  monitor: STAYS, // linear address
  mwait: ENDS, // here, next
  syscall: ENDS, // here, next
  sysret: ENDS, // operand bytes (4 or 8), here
  sysenter: ENDS, // here, next
  sysexit: ENDS, // operand bytes (4 or 8), here
  fxsave: STAYS, // linear address, 1 with REX.W: 512 bytes
  fxrstor: STAYS, // the same
  xsave: STAYS, // linear address, 1 with REX.W, 0: xsave, 1: xsaveopt, 2: xsavec, 3: xsaves
  xrstor: STAYS, // linear address, 1 with REX.W, 0: xrstor, 3: xrstors
  fpuError: STAYS, // none: an unmasked x87 exception is pending at a waiting instruction: raises #MF, or signals the interrupt controller when CR0.NE is 0
} as const;
export type SystemHelper = keyof typeof SYSTEM;
export const SYSTEM_HELPERS = Object.keys(SYSTEM) as readonly SystemHelper[];
export const ENDING_HELPERS: ReadonlySet<string> = new Set(SYSTEM_HELPERS.filter((name) => SYSTEM[name] === ENDS));

/** Helpers that belong to rows; `instructionHelpers` of translate.ts makes them. */
export const INTEGER_HELPERS = [
  "status", // -> CF PF AF ZF SF OF as in RFLAGS
  "carry", // -> CF
  "condition", // condition code 0..15 -> 0 or 1
  "divideError", // any: raises #DE
  "boundError", // any: raises #BR
  "alignmentError", // any: raises #GP(0) for an operand of 16 bytes that is not aligned
  "div64", // any, divisor: divides RDX:RAX -> quotient; raises #DE
  "idiv64", // the same, signed
  "rotateCarry", // value, count (already modulo 32 or 64), bytes | 16 when to the right -> value; sets the flags
  "pdep", // value, mask -> bits
  "pext", // value, mask -> bits
  "crc32", // crc, value, bytes -> crc
  "decimal", // which of DECIMAL (integer.ts), immediate: works on AX and the flags
] as const;

/** Arithmetic of all four float forms (ss, sd, ps, pd). */
export const FLOAT_NAMES = ["add", "sub", "mul", "div", "sqrt", "min", "max"] as const;
export type FloatName = typeof FLOAT_NAMES[number];
const PACKED_BOTH_NAMES = Object.keys(PACKED_BOTH) as (keyof typeof PACKED_BOTH)[];
const PACKED_SSE_NAMES = Object.keys(PACKED_SSE) as (keyof typeof PACKED_SSE)[];

/**
 * Helpers of SSE, named like the mnemonics; src/x86/sse.ts has them. Scalar ones: result of the fast way, first operand, second operand, immediate -> result
 * (comisd and its relatives: ZF, PF and CF). Packed ones: number of the destination register, low and high half of the source, immediate; they write the register.
 */
export const SSE_HELPERS = [
  ...FLOAT_NAMES.flatMap((n) => [`${n}ss`, `${n}sd`, `${n}ps`, `${n}pd`, `${n}ps2`] as const), // ps2: half a register, as a scalar one
  ...PACKED_BOTH_NAMES,
  ...PACKED_SSE_NAMES,
  "cmpss",
  "cmpsd",
  "cmpps",
  "cmppd",
  "comiss",
  "comisd",
  "ucomiss",
  "ucomisd",
  "cvtsi2ss", // any, integer
  "cvtsi2sd",
  "cvtss2si", // any, float -> 32 bits
  "cvtsd2si",
  "cvttss2si",
  "cvttsd2si",
  "cvtss2siq", // any, float -> 64 bits
  "cvtsd2siq",
  "cvttss2siq",
  "cvttsd2siq",
  "cvtss2sd",
  "cvtsd2ss",
  "roundss", // any, any, float, immediate
  "roundsd",
  "roundps",
  "roundpd",
  "rcpss", // any, float
  "rsqrtss",
  "rcpps",
  "rsqrtps",
  "cvtdq2ps",
  "cvtps2dq",
  "cvttps2dq",
  "cvtpd2dq",
  "cvttpd2dq",
  "cvtpd2ps",
  "cvtps2pd",
  "haddps",
  "hsubps",
  "haddpd",
  "hsubpd",
  "addsubps",
  "addsubpd",
  "dpps",
  "dppd",
  "pblendvb",
  "blendvps",
  "blendvpd",
  "cvtpi2ps", // any, half -> half
  "cvtps2pi",
  "cvttps2pi",
  "cvtpd2pi", // any, low half, high half -> half
  "cvttpd2pi",
  "ldmxcsr", // value: raises #GP for reserved bits
  "pcmpstr", // as a packed one; see sse.ts for the immediate
] as const;
export type SseHelper = typeof SSE_HELPERS[number];

/** Packed MMX: first operand, second operand, immediate -> result. */
export const MMX_HELPERS = [...PACKED_BOTH_NAMES, ...(Object.keys(PACKED_MMX) as (keyof typeof PACKED_MMX)[])].map((n) =>
  `mmx.${n}` as const
);

/** Helpers of the x87; src/x86/x87.ts has them and says more about the numbers. */
export const X87_HELPERS = [
  "fpuArith", // operation, source, register or bits, destination register | 16 to pop
  "fpuCompare", // 1: quiet; source, register or bits, number of pops
  "fpuCompareFlags", // 1: quiet; register, 1 to pop -> ZF PF CF
  "fpuLoad", // source, register or low half, high half
  "fpuStore", // kind, old contents of the memory, 1 to pop -> what to store
  "fpuStore80", // 0, old contents -> exponent word; 1, old contents -> significand, and pops
  "fpuStoreBcd", // 0, old contents -> upper two bytes; 1, old contents -> low eight bytes, and pops
  "fpuMove", // register, 1 to pop
  "fpuMoveQuietly", // register; pops, and an empty register is no fault
  "fpuExchange", // register
  "fpuConditional", // register, 1 when the condition holds
  "fpuUnary", // ModRM byte of D9
  "fpuFree", // register, 1 to pop as well
  "fpuControl", // 0: finit, 1: fclex, 2: fldcw, 3: after fstenv; value
  "fpuStatus", // -> status word
  "fpuEnvironment", // word, layout -> value
  "fpuSetEnvironment", // word, layout, value
  "fpuRegister", // register, 0: significand, 1: exponent word -> value
  "fpuSetRegister", // register, significand, exponent word
] as const;

export type HelperName =
  | SystemHelper
  | typeof INTEGER_HELPERS[number]
  | SseHelper
  | typeof MMX_HELPERS[number]
  | typeof X87_HELPERS[number];

/** Every helper's name, in the order of the core's `helpers`. */
export const HELPERS: readonly HelperName[] = [...SYSTEM_HELPERS, ...INTEGER_HELPERS, ...SSE_HELPERS, ...MMX_HELPERS, ...X87_HELPERS];

/** Helper numbers by name. */
export const H = {} as Readonly<Record<HelperName, number>>;
for (let i = 0; i < HELPERS.length; i++) (H as Record<HelperName, number>)[HELPERS[i]] = i;
