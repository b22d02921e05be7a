// Model-specific registers: one row each. Intel SDM volume 4 (335592-083), table 2-2; AMD64 volume 2 (24593), appendix A, for SYSCALL's.
// Memory types (MTRR, PAT), machine check banks and so on can be read and written and have no effect.
import { writeEfer, writeKeys } from "./control_registers.ts";
import type { LocalApic } from "../core/apic.ts";
import type { Microcode } from "./microcode.ts";
import { XCPT } from "./exceptions.ts";
import type { Halves } from "./microcode_memory.ts";
import { FS, GS } from "./segments.ts";
import { CSTAR, FMASK, KERNEL_GS_BASE, LSTAR, STAR } from "./slots.ts";

export interface MsrRow {
  readonly name: string;
  /** What it returns is good until the next call. */
  read(cpu: Microcode): Halves;
  /** Absent: writes raise #GP. */
  write?(cpu: Microcode, lo: number, hi: number): void;
}

const read = { lo: 0, hi: 0 };
function value(lo: number, hi: number): Halves {
  read.lo = lo | 0;
  read.hi = hi | 0;
  return read;
}
const fixed = (name: string, lo: number, hi = 0): MsrRow => ({ name, read: () => value(lo, hi) });
/** Remembers what is written; `lo` and `hi` are its value after reset. */
const plain = (name: string, number: number, lo = 0, hi = 0): MsrRow => ({
  name,
  read: (cpu) => {
    const v = cpu.s.msrs[number];
    return value(v ? v[0] : lo, v ? v[1] : hi);
  },
  write: (cpu, lo, hi) => void (cpu.s.msrs[number] = [lo, hi]),
});
const canonical = (cpu: Pick<Microcode, "addresses" | "fault">, hi: number): void => {
  if (!cpu.addresses.canonicalBase(hi)) cpu.fault(XCPT.GP, 0);
};

type AddressField = "sysenterEsp" | "sysenterEip";
/** A 64-bit register of the state, an address. */
const halves = (name: string, field: AddressField): MsrRow => ({
  name,
  read: (cpu) => value(cpu.s[`${field}Lo`], cpu.s[`${field}Hi`]),
  write: (cpu, lo, hi) => {
    canonical(cpu, hi);
    cpu.s[`${field}Lo`] = lo;
    cpu.s[`${field}Hi`] = hi;
  },
});
/** A 64-bit register in a slot. `address`: it must be canonical. */
const slot = (name: string, at: number, address: boolean): MsrRow => ({
  name,
  read: (cpu) => value(cpu.window.lo(at), cpu.window.hi(at)),
  write: (cpu, lo, hi) => {
    if (address) canonical(cpu, hi);
    cpu.window.set(at, lo, hi);
  },
});
const base = (name: string, segment: number): MsrRow => ({
  name,
  read: (cpu) => value(cpu.segments.baseLo(segment), cpu.segments.baseHi(segment)),
  write: (cpu, lo, hi) => {
    canonical(cpu, hi);
    cpu.segments.setBase(segment, lo, hi);
    cpu.derived.refresh();
  },
});

/** The APIC whose timer has the TSC-deadline mode. */
function deadlineTimer(cpu: Pick<Microcode, "config" | "features" | "fault">): LocalApic {
  const { apic } = cpu.config;
  if (!apic || !cpu.features.has("tsc-deadline")) cpu.fault(XCPT.GP, 0);
  return apic;
}

const SYSENTER_CS = 0x174, APIC_BASE = 0x1b, TSC_DEADLINE = 0x6e0;

/** The time-stamp counter. Guests poll it: no remainder of doubles, which is slow. */
export function readTsc(cpu: Pick<Microcode, "config" | "s">): Halves {
  const t = cpu.config.tsc() + cpu.s.tscOffset, hi = Math.floor(t / 2 ** 32);
  return value(t - hi * 2 ** 32, hi);
}

/** By number. */
const ROWS = new Map<number, MsrRow>([
  [0x10, {
    name: "IA32_TIME_STAMP_COUNTER",
    read: readTsc,
    write: (cpu, lo, hi) => {
      cpu.s.tscOffset = (hi >>> 0) * 2 ** 32 + (lo >>> 0) - cpu.config.tsc();
      cpu.derived.tscMoved();
    },
  }],
  [0x17, fixed("IA32_PLATFORM_ID", 0)],
  [APIC_BASE, {
    name: "IA32_APIC_BASE",
    read: (cpu: Microcode) => {
      const { apic } = cpu.config;
      if (!apic) cpu.fault(XCPT.GP, 0);
      return value(apic.baseLo, apic.baseHi);
    },
    write: (cpu: Microcode, lo, hi) => {
      if (!cpu.config.apic?.writeBase(lo, hi, cpu.features.has("x2apic"))) cpu.fault(XCPT.GP, 0);
    },
  }],
  [0x3a, plain("IA32_FEATURE_CONTROL", 0x3a, 1)],
  [0x79, { name: "IA32_BIOS_UPDT_TRIG", read: (cpu) => cpu.fault(XCPT.GP, 0), write: () => {} }],
  [0x8b, plain("IA32_BIOS_SIGN_ID", 0x8b, 0, 1)],
  [0xfe, fixed("IA32_MTRRCAP", 0x508)],
  [SYSENTER_CS, {
    name: "IA32_SYSENTER_CS",
    read: (cpu) => value(cpu.s.sysenterCs, 0),
    write: (cpu, lo) => void (cpu.s.sysenterCs = lo & 0xffff),
  }],
  [TSC_DEADLINE, {
    name: "IA32_TSC_DEADLINE",
    read: (cpu) => {
      const { deadline } = deadlineTimer(cpu), t = deadline === 0 ? 0 : deadline + cpu.s.tscOffset;
      return value(t % 2 ** 32 | 0, Math.floor(t / 2 ** 32));
    },
    // DEVIATION: a deadline stays where it is when the counter is written afterwards.
    write: (cpu, lo, hi) => {
      const t = (hi >>> 0) * 2 ** 32 + (lo >>> 0);
      deadlineTimer(cpu).deadline = t === 0 ? 0 : Math.max(1, t - cpu.s.tscOffset);
    },
  }],
  [0x175, halves("IA32_SYSENTER_ESP", "sysenterEsp")],
  [0x176, halves("IA32_SYSENTER_EIP", "sysenterEip")],
  [0x179, fixed("IA32_MCG_CAP", 0)],
  [0x17a, plain("IA32_MCG_STATUS", 0x17a)],
  [0x1a0, plain("IA32_MISC_ENABLE", 0x1a0, 1)],
  [0x1d9, plain("IA32_DEBUGCTL", 0x1d9)],
  [0x277, {
    ...plain("IA32_PAT", 0x277, 0x0007_0406, 0x0007_0406),
    write: (cpu, lo, hi) => {
      // Each byte is a memory type: 0, 1, 4 to 7.
      for (const byte of new Uint8Array(Int32Array.of(lo, hi).buffer)) if (byte > 7 || byte === 2 || byte === 3) cpu.fault(XCPT.GP, 0);
      cpu.s.msrs[0x277] = [lo, hi];
    },
  }],
  [0x2ff, plain("IA32_MTRR_DEF_TYPE", 0x2ff)],
  [0x6e1, {
    name: "IA32_PKRS",
    read: (cpu) => {
      if (!cpu.features.has("pks")) cpu.fault(XCPT.GP, 0);
      return value(cpu.s.pkrs, 0);
    },
    write: (cpu, lo, hi) => {
      if (!cpu.features.has("pks") || hi !== 0) cpu.fault(XCPT.GP, 0);
      writeKeys(cpu, cpu.s.pkru, lo);
    },
  }],
  [0xc000_0080, { name: "IA32_EFER", read: (cpu) => value(cpu.window.efer, 0), write: writeEfer }],
  [0xc000_0081, slot("IA32_STAR", STAR, false)],
  [0xc000_0082, slot("IA32_LSTAR", LSTAR, true)],
  [0xc000_0083, slot("IA32_CSTAR", CSTAR, true)],
  [0xc000_0084, {
    name: "IA32_FMASK",
    read: (cpu) => value(cpu.window.lo(FMASK), 0),
    write: (cpu, lo) => cpu.window.setLo(FMASK, lo),
  }],
  [0xc000_0100, base("IA32_FS_BASE", FS)],
  [0xc000_0101, base("IA32_GS_BASE", GS)],
  [0xc000_0102, slot("IA32_KERNEL_GS_BASE", KERNEL_GS_BASE, true)],
  [0xc000_0103, {
    name: "IA32_TSC_AUX",
    read: (cpu) => value(cpu.s.tscAux, 0),
    write: (cpu, lo, hi) => {
      if (hi !== 0) cpu.fault(XCPT.GP, 0);
      cpu.s.tscAux = lo;
    },
  }],
  [0xc001_0010, plain("SYSCFG", 0xc001_0010)],
  [0xc001_0015, plain("HWCR", 0xc001_0015)],
  [0xc001_001f, plain("NB_CFG", 0xc001_001f)],
  [0xc001_0055, plain("INT_PENDING_MSG", 0xc001_0055)],
  [0xc001_0112, plain("SMM_ADDR", 0xc001_0112)],
  [0xc001_0113, plain("SMM_MASK", 0xc001_0113)],
  [0xc001_1029, plain("DE_CFG", 0xc001_1029, 2)],
]);

/** What becomes of a register that no row has. */
type Policy = "x2apic" | "ignored" | "fault";
/**
 * By number, from `first` to `last`; the first line that fits. "ignored": it reads as 0 and writes change nothing. QEMU 7.2 does that with every
 * register that it does not know (it faults on none), but systems find out by the #GP what there is (Linux, rdmsrl_safe), so only
 * what a system may expect without asking is ignored.
 */
export const POLICY: readonly { readonly first: number; readonly last: number; readonly policy: Policy; readonly why: string }[] = [
  { first: 0x800, last: 0x8ff, policy: "x2apic", why: "the local APIC's registers in x2APIC mode, else #GP (SDM volume 3A, 10.12.1.2)" },
  {
    first: 0xc001_0000,
    last: 0xc001_1fff,
    policy: "ignored",
    why: "AMD's of the implementation: which are there depends on family and model, not on CPUID (AMD64 volume 2, appendix A); the first " +
      "eight are the performance counters that every one has since the K7",
  },
  { first: 0, last: 0xffff_ffff, policy: "fault", why: "reserved or not implemented (SDM volume 2B, RDMSR and WRMSR; AMD64 volume 3)" },
];
for (let n = 0; n < 16; n++) ROWS.set(0x200 + n, plain(`IA32_MTRR_PHYS${n & 1 ? "MASK" : "BASE"}${n >> 1}`, 0x200 + n));
for (const n of [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f]) {
  ROWS.set(n, plain(`IA32_MTRR_FIX_${n.toString(16)}`, n));
}

/** Intel's processors have none of AMD's. */
function policyOf(cpu: Pick<Microcode, "features">, number: number): Policy {
  const { policy } = POLICY.find(({ first, last }) => number >= first && number <= last)!;
  return policy === "ignored" && cpu.features.intel ? "fault" : policy;
}

const ZERO = { lo: 0, hi: 0 };

/** RDMSR; `number` is unsigned. */
export function readMsr(cpu: Microcode, number: number): Halves {
  const row = ROWS.get(number);
  if (row) return row.read(cpu);
  const policy = policyOf(cpu, number),
    v = policy === "x2apic" ? cpu.config.apic?.readMsr(number) : policy === "ignored" ? ZERO : undefined;
  if (!v) cpu.fault(XCPT.GP, 0);
  return value(v.lo, v.hi);
}

/** WRMSR. */
export function writeMsr(cpu: Microcode, number: number, lo: number, hi: number): void {
  const row = ROWS.get(number);
  if (row?.write) return row.write(cpu, lo, hi);
  const policy = row ? "fault" : policyOf(cpu, number);
  if (policy === "fault" || (policy === "x2apic" && !cpu.config.apic?.writeMsr(number, lo, hi))) cpu.fault(XCPT.GP, 0);
}
