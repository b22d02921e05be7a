// HOT: no bigint, no closures, no allocation.
// The functions behind system instructions; rows call them by the names in helpers.ts. Intel SDM volume 2 (253666-083) for each instruction.
import { CONTINUE, FAULT, FETCH, FINISH, type Status } from "../ir/frontend.ts";
import { writeCr0, writeCr3, writeCr4, writeKeys } from "./control_registers.ts";
import type { Microcode } from "./microcode.ts";
import {
  AC,
  CR0_NE,
  CR0_TS,
  CR4_DE,
  CR4_FSGSBASE,
  CR4_OSXSAVE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_PKE,
  CR4_TSD,
  CR4_UMIP,
  DR6_BS,
  DR6_FIXED,
  DR7_FIXED,
  DR7_GD,
  FLAGS_ANY,
  IF,
  IOPL,
  RF,
  TF,
  VM,
} from "./registers.ts";
import { PKRU_BYTES, PKRU_OFFSET, PKRU_STATE } from "./cpuid.ts";
import { GENERAL_DETECT, wide, XCPT } from "./exceptions.ts";
import { farReturn, farTransfer, syscall, sysenter, sysexit, sysret } from "./far.ts";
import type { SystemHelper } from "./helpers.ts";
import { iret, softwareInterrupt } from "./interrupts.ts";
import type { Halves } from "./microcode_memory.ts";
import { readMsr, readTsc, writeMsr } from "./msr.ts";
import { loadSegment, peekDescriptor, readDescriptor, readUpper, rightsFault, visible, writeHigh } from "./segment_loads.ts";
import {
  ATTRIBUTES,
  CALL16,
  CALL32,
  CS,
  Descriptor,
  index,
  isReadable,
  isWritable,
  LDT,
  LDTR,
  PRESENT,
  S,
  SS,
  TASK_GATE,
  TR,
  TSS16,
  TSS16_BUSY,
  TSS32,
  TSS32_BUSY,
  type,
  withinLimit,
} from "./segments.ts";
import { CR2, GDT_BASE, GDT_LIMIT, GPR, RFLAGS } from "./slots.ts";
import { fxrstor, fxsave, xrstor, xsave } from "./state.ts";

/** The descriptor that an instruction asks about or loads. */
const asked = new Descriptor();

const RAX = GPR(0), RCX = GPR(1), RDX = GPR(2), RBX = GPR(3);
const BUSY = 0x200;

/** #GP unless the privilege is 0. */
function supervisor(cpu: Pick<Microcode, "window" | "fault">): void {
  if (cpu.window.cpl !== 0) cpu.fault(XCPT.GP, 0);
}
/** A 32-bit value into a register: the upper half is cleared. */
const set32 = (cpu: Pick<Microcode, "window">, slot: number, value: number): void => cpu.window.set(slot, value, 0);

/** The helpers of SYSTEM_HELPERS for one processor. Each may throw FAULTED after recording an exception. */
export function systemHelpers(cpu: Microcode): Readonly<Record<SystemHelper, () => Status>> {
  const lo = (n: number) => cpu.window.argLo(n), hi = (n: number) => cpu.window.argHi(n);
  const result = (low: number, high = 0): Status => {
    cpu.window.setResult(low, high);
    return CONTINUE;
  };
  const check = (write: boolean): Status => {
    const n = lo(2) & 0xff, size = lo(2) >>> 8;
    if (rightsFault(cpu, n, write) || !withinLimit(cpu.segments.attr[n], cpu.segments.limit[n], lo(1), size)) {
      cpu.fault(n === SS ? XCPT.SS : XCPT.GP, 0);
    }
    return result(lo(0), hi(0));
  };
  /** A 64-bit value into EDX:EAX. */
  const pair = (low: number, high: number): Status => {
    set32(cpu, RAX, low);
    set32(cpu, RDX, high);
    return CONTINUE;
  };
  /** Whether LAR, LSL, VERR and VERW see a descriptor, which is then in `asked`. */
  const peek = (): boolean => peekDescriptor(cpu, asked, lo(0) & 0xffff) && visible(asked, lo(0), cpu.window.cpl);
  const tsc = (): Halves => {
    if (cpu.s.cr4 & CR4_TSD && cpu.window.cpl !== 0) cpu.fault(XCPT.GP, 0);
    return readTsc(cpu);
  };
  return {
    exception: () => cpu.faults.record(lo(0), lo(1) < 0 ? 0 : lo(1)),
    fetchFault: () => fetchFault(cpu, lo(0), hi(0)),
    step: () => step(cpu, lo(0), hi(0)),
    interrupt: () => softwareInterrupt(cpu, lo(0) & 0xff, lo(1), lo(3), hi(3)),
    segRead: () => check(false),
    segWrite: () => check(true),
    storeSelector: () => {
      check(true);
      cpu.memory.write16(lo(0), hi(0), lo(3) & 0xffff, cpu.window.cpl === 3);
      return CONTINUE;
    },
    codeLimit: () => {
      if (cpu.modes.code64 ? !cpu.addresses.canonical(hi(1)) : lo(1) >>> 0 > cpu.segments.limit[CS]) cpu.fault(XCPT.GP, 0);
      return result(lo(0), hi(0));
    },
    codeEnd: () => {
      if (cpu.segments.beyondCode(lo(1))) cpu.fault(XCPT.GP, 0);
      return CONTINUE;
    },
    goTo: () => {
      cpu.window.setPc(lo(0), hi(0));
      return CONTINUE;
    },
    jumpFar: () => farTransfer(cpu, false, lo(0), lo(0) >>> 16, lo(1), hi(1), lo(3), hi(3)),
    callFar: () => farTransfer(cpu, true, lo(0), lo(0) >>> 16, lo(1), hi(1), lo(3), hi(3)),
    returnFar: () => farReturn(cpu, lo(0), lo(1)),
    iret: () => iret(cpu, lo(0), lo(2)),
    loadSegment: () => {
      loadSegment(cpu, lo(0), lo(1) & 0xffff);
      if (lo(1) & 0x1_0000) cpu.pending.stackShadow();
      return CONTINUE;
    },
    readFlags: () => {
      iopl3InV86(cpu);
      return result(cpu.window.flags & ~(RF | VM));
    },
    writeFlags: () => writeFlags(cpu, lo(0), lo(1)),
    cli: () => {
      checkIopl(cpu);
      cpu.window.setFlags(0, IF);
      return CONTINUE;
    },
    sti: () => {
      checkIopl(cpu);
      if (!(cpu.window.systemFlags & IF)) cpu.pending.shadow();
      cpu.window.setFlags(IF, IF);
      return cpu.pending.done();
    },
    hlt: () => {
      supervisor(cpu);
      cpu.window.setPc(lo(1), hi(1));
      cpu.s.waiting = cpu.pending.done() === CONTINUE;
      return FINISH;
    },
    in: () => {
      checkPort(cpu, lo(0) & 0xffff, lo(1));
      return result(cpu.config.ports.in(lo(0) & 0xffff, lo(1)) | 0);
    },
    out: () => {
      checkPort(cpu, lo(0) & 0xffff, lo(1));
      const size = lo(1);
      cpu.config.ports.out(lo(0) & 0xffff, size, size === 4 ? lo(2) >>> 0 : lo(2) & (size === 2 ? 0xffff : 0xff));
      return CONTINUE;
    },
    cpuid: () => cpuid(cpu),
    rdtsc: () => {
      const { lo, hi } = tsc();
      return result(lo, hi);
    },
    rdtscp: () => {
      const { lo, hi } = tsc();
      set32(cpu, RCX, cpu.s.tscAux);
      return pair(lo, hi);
    },
    rdpid: () => result(cpu.s.tscAux),
    rdpmc: () => {
      if (cpu.window.cpl !== 0 && !(cpu.s.cr4 & CR4_PCE)) cpu.fault(XCPT.GP, 0);
      // No performance counter exists.
      return cpu.fault(XCPT.GP, 0);
    },
    rdmsr: () => {
      supervisor(cpu);
      const { lo, hi } = readMsr(cpu, cpu.window.lo(RCX) >>> 0);
      return pair(lo, hi);
    },
    wrmsr: () => {
      supervisor(cpu);
      writeMsr(cpu, cpu.window.lo(RCX) >>> 0, cpu.window.lo(RAX), cpu.window.lo(RDX));
      return CONTINUE;
    },
    xgetbv: () => {
      if (!(cpu.s.cr4 & CR4_OSXSAVE)) cpu.fault(XCPT.UD, 0);
      if (cpu.window.lo(RCX) !== 0) cpu.fault(XCPT.GP, 0);
      return pair(cpu.s.xcr0, 0);
    },
    xsetbv: () => {
      if (!(cpu.s.cr4 & CR4_OSXSAVE)) cpu.fault(XCPT.UD, 0);
      supervisor(cpu);
      const value = cpu.window.lo(RAX);
      // x87 always, what else is offered if wanted.
      if (cpu.window.lo(RCX) !== 0 || cpu.window.lo(RDX) !== 0 || !(value & 1) || value & ~cpu.features.leaf(0xd, 0)[0]) {
        cpu.fault(XCPT.GP, 0);
      }
      cpu.s.xcr0 = value;
      return CONTINUE;
    },
    rdpkru: () => {
      if (!(cpu.s.cr4 & CR4_PKE)) cpu.fault(XCPT.UD, 0);
      if (cpu.window.lo(RCX) !== 0) cpu.fault(XCPT.GP, 0);
      return pair(cpu.s.pkru, 0);
    },
    wrpkru: () => {
      if (!(cpu.s.cr4 & CR4_PKE)) cpu.fault(XCPT.UD, 0);
      if (cpu.window.lo(RCX) !== 0 || cpu.window.lo(RDX) !== 0) cpu.fault(XCPT.GP, 0);
      writeKeys(cpu, cpu.window.lo(RAX), cpu.s.pkrs);
      return CONTINUE;
    },
    random: () => {
      const low = random32(cpu);
      return result(low, random32(cpu));
    },
    readCr: () => readCr(cpu, lo(0)),
    writeCr: () => {
      supervisor(cpu);
      const write = CR_WRITERS[lo(0)];
      if (!write) cpu.fault(XCPT.UD, 0);
      write(cpu, lo(1), hi(1));
      return cpu.pending.done();
    },
    readDr: () => {
      const n = debugRegister(cpu, lo(0)), s = cpu.s;
      return n < 4 ? result(s.drLo[n], s.drHi[n]) : result(n === 6 ? s.dr6 : s.dr7);
    },
    writeDr: () => writeDr(cpu, lo(0), lo(1), hi(1)),
    clts: () => {
      supervisor(cpu);
      cpu.s.cr0 &= ~CR0_TS;
      cpu.derived.refresh();
      return CONTINUE;
    },
    smsw: () => {
      userModeInstruction(cpu);
      return result(cpu.s.cr0);
    },
    lmsw: () => {
      supervisor(cpu);
      // PE, MP, EM and TS only, and PE cannot be cleared.
      writeCr0(cpu, (cpu.s.cr0 & ~0xe) | (lo(0) & 0xf), 0);
      return CONTINUE;
    },
    tableLimit: () => {
      userModeInstruction(cpu);
      return result(lo(0) === 0 ? cpu.window.lo(GDT_LIMIT) : cpu.s.idtLimit);
    },
    tableBase: () => lo(0) === 0 ? result(cpu.window.lo(GDT_BASE), cpu.window.hi(GDT_BASE)) : result(cpu.s.idtLo, cpu.s.idtHi),
    loadTable: () => {
      supervisor(cpu);
      const s = cpu.s, high = cpu.modes.code64 ? hi(1) : 0;
      if (cpu.modes.code64 && !cpu.addresses.canonicalBase(high)) cpu.fault(XCPT.GP, 0);
      if (lo(0) === 0) cpu.segments.setGdt(lo(1), high, lo(2) & 0xffff);
      else [s.idtLo, s.idtHi, s.idtLimit] = [lo(1), high, lo(2) & 0xffff];
      return CONTINUE;
    },
    systemSelector: () => {
      if (!cpu.modes.protectedMode) cpu.fault(XCPT.UD, 0);
      userModeInstruction(cpu);
      return result(cpu.segments.selector(lo(0) === 0 ? LDTR : TR));
    },
    loadSystemSelector: () => {
      if (!cpu.modes.protectedMode) cpu.fault(XCPT.UD, 0);
      supervisor(cpu);
      if (lo(0) === 0) lldt(cpu, lo(1) & 0xffff);
      else ltr(cpu, lo(1) & 0xffff);
      return CONTINUE;
    },
    lar: () => {
      const seen = peek() && (asked.hi & S || LAR_TYPES[cpu.modes.lma ? 1 : 0] >> type(asked.hi) & 1);
      return seen ? result(asked.attributes) : result(-1, -1);
    },
    lsl: () => {
      const seen = peek() && (asked.hi & S || LSL_TYPES[cpu.modes.lma ? 1 : 0] >> type(asked.hi) & 1);
      return seen ? result(asked.limit | 0) : result(-1, -1);
    },
    verr: () => result(peek() && isReadable(asked.hi) ? 1 : 0),
    verw: () => result(peek() && isWritable(asked.hi) ? 1 : 0),
    invlpg: () => {
      // Translations are coherent with the tables.
      supervisor(cpu);
      cpu.trace?.mmu?.(`invlpg ${cpu.place(wide(lo(0), hi(0)))}`);
      return CONTINUE;
    },
    invpcid: () => {
      const status = invpcid(cpu);
      cpu.trace?.mmu?.("invpcid");
      return status;
    },
    invd: () => {
      supervisor(cpu);
      return CONTINUE;
    },
    accessFlag: () => {
      if (!cpu.features.has("smap") || cpu.window.cpl !== 0) cpu.fault(XCPT.UD, 0);
      cpu.window.setFlags(lo(0) === 0 ? 0 : AC, AC);
      cpu.derived.refresh();
      // From here on another TLB counts: as for POPF.
      return FINISH;
    },
    fsgsbase: () => {
      if (!cpu.modes.code64 || !(cpu.s.cr4 & CR4_FSGSBASE)) cpu.fault(XCPT.UD, 0);
      return CONTINUE;
    },
    writeBase: () => {
      if (!cpu.addresses.canonicalBase(hi(1))) cpu.fault(XCPT.GP, 0);
      cpu.segments.setBase(lo(0), lo(1), hi(1));
      return CONTINUE;
    },
    monitor: () => {
      if (!cpu.features.has("monitor") || cpu.window.cpl !== 0) cpu.fault(XCPT.UD, 0);
      return CONTINUE;
    },
    mwait: () => {
      if (!cpu.features.has("monitor") || cpu.window.cpl !== 0) cpu.fault(XCPT.UD, 0);
      // It may end at any time, so it ends at once: a store by another processor is not watched for.
      cpu.window.setPc(lo(1), hi(1));
      return FINISH;
    },
    syscall: () => syscall(cpu, lo(1), hi(1)),
    sysret: () => sysret(cpu, lo(0)),
    sysenter: () => sysenter(cpu),
    sysexit: () => sysexit(cpu, lo(0)),
    fxsave: () => fxsave(cpu, lo(0), hi(0), lo(1) !== 0),
    fxrstor: () => fxrstor(cpu, lo(0), hi(0), lo(1) !== 0),
    xsave: () => xsave(cpu, lo(0), hi(0), lo(1) !== 0, lo(2)),
    xrstor: () => xrstor(cpu, lo(0), hi(0), lo(1) !== 0, lo(2)),
    fpuError: () => {
      if (cpu.s.cr0 & CR0_NE) cpu.fault(XCPT.MF, 0);
      return cpu.ferr.report();
    },
  };
}

/** Looks again, since the block may have been kept from earlier. */
function fetchFault(cpu: Microcode, lo: number, hi: number): Status {
  const nextLo = ((lo & ~0xfff) + 0x1000) | 0, nextHi = nextLo === 0 && cpu.modes.lma ? (hi + 1) | 0 : hi;
  cpu.window.setPc(lo, hi);
  const paddr = cpu.addresses.translate(nextLo, nextHi, FETCH);
  if (paddr < 0) return FAULT;
  if (cpu.env.ram(paddr, 1) >= 0) return FINISH;
  return cpu.faults.record(XCPT.UD, 0);
}

/** Called before every instruction under MODE_TF: RF, instruction breakpoints, the trap after it. */
function step(cpu: Microcode, pcLo: number, pcHi: number): Status {
  const s = cpu.s, flags = cpu.window.systemFlags;
  if (flags & RF) cpu.window.set(RFLAGS, flags & ~RF, 0);
  else if (cpu.debug.matchInstruction(pcLo, pcHi)) return cpu.faults.record(XCPT.DB, 0);
  if (flags & TF) s.debugDue |= DR6_BS;
  s.stepOnce = false;
  cpu.derived.refresh();
  return FINISH;
}

/** SDM volume 3A, 20.2.7: in virtual-8086 mode PUSHF and so on need IOPL 3. */
function iopl3InV86(cpu: Pick<Microcode, "modes" | "window" | "fault">): void {
  if (cpu.modes.v86 && (cpu.window.systemFlags & IOPL) !== IOPL) cpu.fault(XCPT.GP, 0);
}
/** CLI and STI. */
function checkIopl(cpu: Pick<Microcode, "s" | "window" | "fault">): void {
  if (cpu.s.cr0 & 1 && cpu.window.cpl > (cpu.window.systemFlags & IOPL) >> 12) cpu.fault(XCPT.GP, 0);
}

/** POPF with 2, 4 or 8 bytes: VM, VIF and VIP are unaffected. */
function writeFlags(cpu: Microcode, value: number, size: number): Status {
  iopl3InV86(cpu);
  const cpl = cpu.window.cpl, before = cpu.window.systemFlags;
  let mask = FLAGS_ANY | RF;
  if (cpu.modes.v86 || cpl <= (cpu.window.systemFlags & IOPL) >> 12) mask |= IF;
  if (cpl === 0) mask |= IOPL | IF;
  if (size === 2) mask &= 0xffff;
  cpu.window.setFlags(value & ~RF, mask);
  cpu.derived.refresh();
  // What the TLB has is void or another one's: code that goes on must not keep to a page that it remembers.
  return (before ^ cpu.window.systemFlags) & AC ? FINISH : cpu.pending.done();
}

/** SDM volume 1, 19.5.2: the I/O permission bitmap of the TSS. */
export function checkPort(cpu: Microcode, port: number, size: number): void {
  if (!(cpu.s.cr0 & 1) || (!cpu.modes.v86 && cpu.window.cpl <= (cpu.window.systemFlags & IOPL) >> 12)) return;
  const base = cpu.segments.baseLo(TR), high = cpu.segments.baseHi(TR), limit = cpu.segments.limit[TR];
  if (!(cpu.segments.attr[TR] & PRESENT) || !(cpu.segments.attr[TR] >> 8 & 8) || limit < 0x67) cpu.fault(XCPT.GP, 0);
  const at = (cpu.memory.read16(add(base, 0x66), carry(base, 0x66, high), false)) + (port >> 3);
  if (at + 1 > limit) cpu.fault(XCPT.GP, 0);
  const bits = cpu.memory.read16(add(base, at), carry(base, at, high), false) >> (port & 7);
  if (bits & ((1 << size) - 1)) cpu.fault(XCPT.GP, 0);
}
const add = (lo: number, n: number): number => (lo + n) | 0;
const carry = (lo: number, n: number, hi: number): number => (lo >>> 0) + n > 0xffff_ffff ? (hi + 1) | 0 : hi;

/** SGDT, SIDT, SLDT, STR, SMSW: not for users under UMIP. */
function userModeInstruction(cpu: Pick<Microcode, "s" | "window" | "fault">): void {
  if (cpu.s.cr4 & CR4_UMIP && cpu.window.cpl !== 0) cpu.fault(XCPT.GP, 0);
}

function cpuid(cpu: Pick<Microcode, "config" | "features" | "s" | "window">): Status {
  const { config, features } = cpu, number = cpu.window.lo(RAX) >>> 0, subleaf = cpu.window.lo(RCX) >>> 0;
  let [a, b, c, d] = features.leaf(number, subleaf);
  // What is not the model's but this processor's, at this time.
  if (number === 1) {
    b = (b & 0xff00) | config.index << 24 | (config.cores > 1 ? config.cores << 16 : 0);
    if (config.cores > 1) d |= 1 << 28;
    if (!(config.apic && config.apic.baseLo & 0x800)) d &= ~(1 << 9);
    if (!config.apic) c &= ~(1 << 21 | 1 << 24);
    if (cpu.s.cr4 & CR4_OSXSAVE) c |= 1 << 27;
  } else if (number === 7 && subleaf === 0) {
    if (cpu.s.cr4 & CR4_PKE) c |= 1 << 4;
  } else if (number === 0xd && subleaf < 2) {
    // The size of the area for what XCR0 has on, in the standard form and in the compacted one.
    if (cpu.s.xcr0 & PKRU_STATE && b !== 0) b = PKRU_BYTES + (subleaf === 0 ? PKRU_OFFSET : b);
  } else if (number === 0xb) {
    d = config.index;
    if (subleaf === 1) [a, b, c] = [Math.ceil(Math.log2(config.cores)), config.cores, 0x201];
    else if (subleaf > 1) [a, b, c] = [0, 0, subleaf & 0xff];
  } else if (number === 0x8000_0001) {
    if (!(config.apic && config.apic.baseLo & 0x800)) d &= ~(1 << 9);
    // Several processors in one package, as AMD says it.
    if (config.cores > 1 && !features.intel) c |= 1 << 1;
  } else if (number === 0x8000_0008) c = config.cores - 1;
  set32(cpu, RAX, a);
  set32(cpu, RBX, b);
  set32(cpu, RCX, c);
  set32(cpu, RDX, d);
  return CONTINUE;
}

/** xoshiro128**: seeded, so that a run can be repeated. */
function random32(cpu: Pick<Microcode, "s">): number {
  const r = cpu.s.random, m = Math.imul(r[1], 5), result = Math.imul((m << 7) | (m >>> 25), 9), t = r[1] << 9;
  r[2] ^= r[0];
  r[3] ^= r[1];
  r[1] ^= r[2];
  r[0] ^= r[3];
  r[2] ^= t;
  r[3] = (r[3] << 11) | (r[3] >>> 21);
  return result;
}

function readCr(cpu: Pick<Microcode, "config" | "s" | "window" | "fault">, n: number): Status {
  supervisor(cpu);
  const s = cpu.s;
  if (n === 0) cpu.window.setResult(s.cr0, 0);
  else if (n === 2) cpu.window.setResult(cpu.window.lo(CR2), cpu.window.hi(CR2));
  else if (n === 3) cpu.window.setResult(s.cr3Lo, s.cr3Hi);
  else if (n === 4) cpu.window.setResult(s.cr4, 0);
  else if (n === 8) cpu.window.setResult(cpu.config.apic ? cpu.config.apic.priority : s.priority, 0);
  else cpu.fault(XCPT.UD, 0);
  return CONTINUE;
}

const CR_WRITERS: Readonly<Record<number, (cpu: Microcode, lo: number, hi: number) => void>> = {
  0: writeCr0,
  2: (cpu, lo, hi) => cpu.window.set(CR2, lo, hi),
  3: writeCr3,
  4: writeCr4,
  8: (cpu, lo, hi) => {
    if (hi !== 0 || lo & ~15) cpu.fault(XCPT.GP, 0);
    if (cpu.config.apic) cpu.config.apic.priority = lo;
    else cpu.s.priority = lo;
  },
};

/** The number of a debug register after all checks: DR4 and DR5 are DR6 and DR7 unless CR4.DE (SDM volume 3B, 17.2.2). */
function debugRegister(cpu: Pick<Microcode, "s" | "window" | "fault">, n: number): number {
  const s = cpu.s;
  if (n > 7 || ((n === 4 || n === 5) && s.cr4 & CR4_DE)) cpu.fault(XCPT.UD, 0);
  supervisor(cpu);
  if (s.dr7 & DR7_GD) cpu.fault(GENERAL_DETECT, 0);
  return n === 4 || n === 5 ? n + 2 : n;
}

function writeDr(cpu: Pick<Microcode, "s" | "window" | "derived" | "fault">, number: number, lo: number, hi: number): Status {
  const n = debugRegister(cpu, number), s = cpu.s;
  if (n >= 6 && hi !== 0) cpu.fault(XCPT.GP, 0);
  if (n < 4) {
    s.drLo[n] = lo;
    s.drHi[n] = hi;
  } else if (n === 6) s.dr6 = (lo & 0xe00f) | DR6_FIXED;
  else s.dr7 = (lo & 0xffff_23ff) | DR7_FIXED;
  cpu.derived.breakpointsMoved();
  return CONTINUE;
}

const types = (...list: number[]) => list.reduce((m, t) => m | 1 << t, 0);
/** System types that LAR and LSL know, outside long mode and in it. */
const LAR_TYPES = [
  types(TSS16, LDT, TSS16_BUSY, CALL16, TASK_GATE, TSS32, TSS32_BUSY, CALL32),
  types(LDT, TSS32, TSS32_BUSY, CALL32),
];
const LSL_TYPES = [types(TSS16, LDT, TSS16_BUSY, TSS32, TSS32_BUSY), types(LDT, TSS32, TSS32_BUSY)];

function lldt(cpu: Microcode, selector: number): void {
  if (index(selector) === 0) return cpu.segments.set(LDTR, selector, 0, 0, 0, 0);
  if (selector & 4) cpu.fault(XCPT.GP, index(selector));
  readDescriptor(cpu, asked, selector, XCPT.GP);
  const { hi: high } = asked;
  if (high & S || type(high) !== LDT) cpu.fault(XCPT.GP, index(selector));
  if (!(high & PRESENT)) cpu.fault(XCPT.NP, index(selector));
  const upper = cpu.modes.lma ? readUpper(cpu, asked, selector, XCPT.GP) : 0;
  if (cpu.modes.lma && !cpu.addresses.canonicalBase(upper)) cpu.fault(XCPT.GP, index(selector));
  cpu.segments.set(LDTR, selector, asked.base, upper, asked.limit, high & ATTRIBUTES);
}

function ltr(cpu: Microcode, selector: number): void {
  if (index(selector) === 0) cpu.fault(XCPT.GP, 0);
  if (selector & 4) cpu.fault(XCPT.GP, index(selector));
  readDescriptor(cpu, asked, selector, XCPT.GP);
  const { hi: high } = asked, kind = type(high);
  if (high & S || !(kind === TSS32 || (kind === TSS16 && !cpu.modes.lma))) cpu.fault(XCPT.GP, index(selector));
  if (!(high & PRESENT)) cpu.fault(XCPT.NP, index(selector));
  const upper = cpu.modes.lma ? readUpper(cpu, asked, selector, XCPT.GP) : 0;
  if (cpu.modes.lma && !cpu.addresses.canonicalBase(upper)) cpu.fault(XCPT.GP, index(selector));
  writeHigh(cpu, asked, high | BUSY);
  cpu.segments.set(TR, selector, asked.base, upper, asked.limit, (high | BUSY) & ATTRIBUTES);
}

function invpcid(cpu: Microcode): Status {
  if (!cpu.features.has("invpcid")) cpu.fault(XCPT.UD, 0);
  supervisor(cpu);
  const kind = cpu.window.argLo(0), pcidLo = cpu.window.argLo(1), pcidHi = cpu.window.argHi(1), hi = cpu.window.argHi(2);
  if (cpu.window.argHi(0) !== 0 || kind < 0 || kind > 3) cpu.fault(XCPT.GP, 0);
  const pcids = cpu.s.cr4 & CR4_PCIDE ? 0xfff : 0;
  if (kind < 2 && (pcidHi !== 0 || pcidLo & ~pcids)) cpu.fault(XCPT.GP, 0);
  if (kind === 0 && !cpu.addresses.canonicalBase(hi)) cpu.fault(XCPT.GP, 0);
  return CONTINUE;
}
