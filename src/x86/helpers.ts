// Names of the functions that x86 code calls; an index into HELPERS is what IR carries. The processor supplies the functions in this order.
// Arguments are i64: the comment of each row lists them; "-> x" is the result. `*` marks helpers for callEnd: they set the pc slot, which holds
// linear addresses, and so do `here` and `next`: the linear addresses of this instruction and of the following one (a subtraction of CS's base gives EIP).
// A helper that faults returns FAULT and has had no effect; one after which interrupts or the mode must be looked at returns FINISH.

/** Helpers of the processor's system part: src/x86/cpu.ts has them. */
export const SYSTEM_HELPERS = [
  "exception", // * vector, error code (-1: none), here
  "fetchFault", // * here; the fault on the following page has been recorded
  "step", // here: called before every instruction under MODE_TF
  "interrupt", // * vector, kind (0: int n, 1: int3, 2: into, 3: int1), here, next
  "segRead", // linear address, offset (zero-extended), segment | bytes << 8 -> linear address; raises #GP or #SS if that may not be read
  "segWrite", // the same for writing
  "codeLimit", // linear address, new EIP -> linear address: raises #GP if the EIP is above the limit or not canonical
  "jumpFar", // * selector | operand bytes << 16, offset, here, next
  "callFar", // * selector | operand bytes << 16, offset, here, next
  "returnFar", // * operand bytes, bytes to pop, here, next
  "iret", // * operand bytes, here, next
  "loadSegment", // segment, selector | 2^16 when an interrupt shadow follows (mov ss, pop ss): loads it with all checks
  "readFlags", // operand bytes -> RFLAGS as pushf stores it; raises #GP in virtual-8086 mode
  "writeFlags", // value, operand bytes: popf, with all checks
  "cli", // checks IOPL
  "sti", // the same; an interrupt shadow follows
  "hlt", // * here, next
  "in", // port, bytes -> value (zero-extended); checks the I/O permission
  "out", // port, bytes, value
  "cpuid", // reads and writes the registers
  "rdtsc", // writes EDX:EAX (64-bit halves cleared)
  "rdtscp", // writes EDX:EAX and ECX
  "rdpid", // -> IA32_TSC_AUX
  "rdpmc", // ECX -> EDX:EAX
  "rdmsr", // ECX -> EDX:EAX
  "wrmsr", // ECX, EDX:EAX
  "xgetbv", // ECX -> EDX:EAX
  "xsetbv", // ECX, EDX:EAX
  "random", // 0: rdrand, 1: rdseed -> 64 random bits
  "readCr", // number -> value
  "writeCr", // number, value
  "readDr", // number -> value
  "writeDr", // number, value
  "clts", // none
  "smsw", // -> CR0
  "lmsw", // value
  "tableLimit", // 0: GDTR, 1: IDTR -> limit; checks that sgdt or sidt is allowed (UMIP)
  "tableBase", // 0: GDTR, 1: IDTR -> base
  "loadTable", // 0: GDTR, 1: IDTR; base, limit
  "systemSelector", // 0: LDTR, 1: TR -> selector; raises #UD outside protected mode
  "loadSystemSelector", // 0: LDTR, 1: TR; selector
  "lar", // selector -> access rights, or -1
  "lsl", // selector -> limit, or -1
  "verr", // selector -> 1 when it may be read
  "verw", // selector -> 1 when it may be written
  "invlpg", // linear address
  "invpcid", // type, low and high half of the descriptor
  "invd", // none: invd and wbinvd
  "swapgs", // none
  "fsgsbase", // none: raises #UD unless CR4.FSGSBASE
  "writeBase", // segment (4: FS, 5: GS), value: raises #GP if it is not canonical
  "monitor", // linear address
  "mwait", // * here, next
  "syscall", // * here, next
  "sysret", // * operand bytes (4 or 8), here
  "sysenter", // * here, next
  "sysexit", // * operand bytes (4 or 8), here
  "fxsave", // linear address, 1 with REX.W: 512 bytes
  "fxrstor", // the same
  "xsave", // linear address, 1 with REX.W, 0: xsave, 1: xsaveopt, 2: xsavec, 3: xsaves
  "xrstor", // linear address, 1 with REX.W, 0: xrstor, 3: xrstors
  "fpuError", // none: an unmasked x87 exception is pending at a waiting instruction: raises #MF, or signals the interrupt controller when CR0.NE is 0
] as const;

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

export type HelperName = typeof SYSTEM_HELPERS[number] | typeof INTEGER_HELPERS[number];

/** Every helper's name, in the order of the core's `helpers`. */
export const HELPERS: readonly HelperName[] = [...SYSTEM_HELPERS, ...INTEGER_HELPERS];

/** Helper numbers by name. */
export const H = Object.fromEntries(HELPERS.map((name, i) => [name, i])) as Readonly<Record<HelperName, number>>;
