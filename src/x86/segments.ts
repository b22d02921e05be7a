// HOT: no bigint, no closures, no allocation.
// Segment descriptors: their fields, reading them from the tables, and loading segment registers with every check.
// Intel SDM volume 3A (253668-083), 3.4, 3.5, 5.2 to 5.5, 5.10.
// A failed check throws the fault that cpu.ts records (Microcode.fault): descriptors are read in the middle of many instructions.
import type { Microcode } from "./microcode.ts";
import { XCPT } from "./exceptions.ts";
import { GDT_BASE, GDT_LIMIT } from "./slots.ts";

/** Segment registers in the order of the encoding, then the two system ones. */
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;
export const SEGMENT_NAMES = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"] as const;

/** Attributes are the upper half of a descriptor without base and limit. 0: the register is not usable. */
export const ATTRIBUTES = 0x00f0_ff00;
export const ACCESSED = 0x100, WRITABLE = 0x200, READABLE = 0x200, EXPAND_DOWN = 0x400, CONFORMING = 0x400, CODE = 0x800, S = 0x1000;
export const DPL_SHIFT = 13, PRESENT = 0x8000, LONG = 0x20_0000, BIG = 0x40_0000, GRANULAR = 0x80_0000;
/** System types (bits 11..8): in long mode 2, 9, 11, 12, 14 and 15 only, of 16 bytes. */
export const TSS16 = 1, LDT = 2, TSS16_BUSY = 3, CALL16 = 4, TASK_GATE = 5, INT16 = 6, TRAP16 = 7;
export const TSS32 = 9, TSS32_BUSY = 11, CALL32 = 12, INT32 = 14, TRAP32 = 15;

export const dpl = (attr: number): number => attr >> DPL_SHIFT & 3;
export const type = (attr: number): number => attr >> 8 & 15;
export const isCode = (attr: number): boolean => (attr & (S | CODE)) === (S | CODE);
export const isData = (attr: number): boolean => (attr & (S | CODE)) === S;
export const isWritable = (attr: number): boolean => (attr & (S | CODE | WRITABLE)) === (S | WRITABLE);
export const isReadable = (attr: number): boolean => (attr & S) !== 0 && ((attr & CODE) === 0 || (attr & READABLE) !== 0);
export const isConforming = (attr: number): boolean => (attr & (S | CODE | CONFORMING)) === (S | CODE | CONFORMING);
export const descriptorBase = (lo: number, hi: number): number => (hi & 0xff00_0000) | (hi & 0xff) << 16 | lo >>> 16;
export function descriptorLimit(lo: number, hi: number): number {
  const limit = (hi & 0xf_0000) | (lo & 0xffff);
  return (hi & GRANULAR ? limit << 12 | 0xfff : limit) >>> 0;
}

/** Flat segments for privilege 0, as the fast system calls load them; code lacks LONG or BIG. */
export const FLAT_CODE = GRANULAR | PRESENT | S | CODE | READABLE | ACCESSED,
  FLAT_DATA = GRANULAR | BIG | PRESENT | S | WRITABLE | ACCESSED;
/** What real mode and virtual-8086 mode have in their segment registers. */
export const REAL_DATA = PRESENT | S | WRITABLE | ACCESSED, V86_DATA = REAL_DATA | 3 << DPL_SHIFT;

/** Selector without its RPL: what error codes carry. */
export const index = (selector: number): number => selector & 0xfffc;

/**
 * Reads the descriptor of a selector that is not null into cpu.descLo and descHi; its linear address goes to cpu.descAt (halves).
 * Beyond the limit of its table, or in a missing LDT: `vector` (#GP or #TS) with the selector.
 */
export function readDescriptor(cpu: Microcode, selector: number, vector: number): void {
  const offset = selector & 0xfff8;
  let baseLo = cpu.window.lo(GDT_BASE), baseHi = cpu.window.hi(GDT_BASE), limit = cpu.window.lo(GDT_LIMIT);
  if (selector & 4) {
    if (!(cpu.segments.attr[LDTR] & PRESENT)) cpu.fault(vector, index(selector));
    baseLo = cpu.segments.baseLo(LDTR);
    baseHi = cpu.segments.baseHi(LDTR);
    limit = cpu.segments.limit[LDTR];
  }
  if (offset + 7 > limit) cpu.fault(vector, index(selector));
  readAt(cpu, baseLo, baseHi, offset);
}

/** Reads 8 bytes of a descriptor table. */
export function readAt(cpu: Microcode, baseLo: number, baseHi: number, offset: number): void {
  const at = (baseLo >>> 0) + offset, lo = at | 0, hi = cpu.modes.lma ? (baseHi + (at > 0xffff_ffff ? 1 : 0)) | 0 : 0;
  cpu.descAtLo = lo;
  cpu.descAtHi = hi;
  const read = cpu.memory.read64(lo, hi, false);
  cpu.descLo = read.lo;
  cpu.descHi = read.hi;
}

/** The third word of a 16-byte system descriptor: upper half of its base; the fourth must be of type 0. */
export function readUpper(cpu: Microcode, selector: number, vector: number): number {
  const limit = selector & 4 ? cpu.segments.limit[LDTR] : cpu.window.lo(GDT_LIMIT);
  if ((selector & 0xfff8) + 15 > limit) cpu.fault(vector, index(selector));
  const at = (cpu.descAtLo >>> 0) + 8;
  const upper = cpu.memory.read64(at | 0, (cpu.descAtHi + (at > 0xffff_ffff ? 1 : 0)) | 0, false);
  if (upper.hi & 0x1f00) cpu.fault(vector, index(selector));
  return upper.lo;
}

/** Sets the accessed bit of the descriptor that was read last, in memory (SDM 3.4.5.1). */
export function setAccessed(cpu: Microcode): void {
  if (cpu.descHi & ACCESSED) return;
  cpu.descHi |= ACCESSED;
  writeHigh(cpu, cpu.descHi);
}

/** Replaces the upper word of the descriptor that was read last. */
export function writeHigh(cpu: Microcode, value: number): void {
  const at = (cpu.descAtLo >>> 0) + 4;
  cpu.memory.write32(at | 0, (cpu.descAtHi + (at > 0xffff_ffff ? 1 : 0)) | 0, value, false);
}

/** Fills a segment register from the descriptor that was read last. The caller refreshes the mode. */
export function setFromDescriptor(cpu: Microcode, n: number, selector: number): void {
  const lo = cpu.descLo, hi = cpu.descHi;
  cpu.segments.set(n, selector, descriptorBase(lo, hi), 0, descriptorLimit(lo, hi), hi & ATTRIBUTES);
}

/** A null selector that is loaded: not usable. The bases of FS and GS are cleared, as on Intel's processors and AMD's since Zen 2. */
export function setNull(cpu: Microcode, n: number, selector: number): void {
  cpu.segments.set(n, selector, 0, 0, 0, 0);
}

/** Real and virtual-8086 mode: the base follows the selector; real mode keeps limit and attributes ("unreal mode"). */
export function setReal(cpu: Microcode, n: number, selector: number): void {
  if (cpu.modes.v86) cpu.segments.set(n, selector, selector << 4, 0, 0xffff, V86_DATA);
  else if (n === CS) cpu.segments.set(n, selector, selector << 4, 0, cpu.segments.limit[CS], REAL_DATA);
  else {cpu.segments.set(
      n,
      selector,
      selector << 4,
      0,
      cpu.segments.limit[n],
      cpu.segments.attr[n] === 0 ? REAL_DATA : cpu.segments.attr[n],
    );}
}

/** MOV, POP, LDS... to ES, SS, DS, FS or GS (SDM volume 2, MOV; 5.5 and 5.6). */
export function loadSegment(cpu: Microcode, n: number, selector: number): void {
  selector &= 0xffff;
  if (!cpu.modes.protectedMode) setReal(cpu, n, selector);
  else if (n === SS) loadSs(cpu, selector);
  else if (index(selector) === 0) setNull(cpu, n, selector);
  else {
    readDescriptor(cpu, selector, XCPT.GP);
    checkData(cpu, selector);
    setAccessed(cpu);
    setFromDescriptor(cpu, n, selector);
  }
  cpu.derived.refresh();
}

/** Type, privilege and presence of a data or readable code segment that is about to be loaded. */
function checkData(cpu: Microcode, selector: number): void {
  const hi = cpu.descHi;
  if (!isReadable(hi)) cpu.fault(XCPT.GP, index(selector));
  if (!isConforming(hi) && (dpl(hi) < (selector & 3) || dpl(hi) < cpu.window.cpl)) cpu.fault(XCPT.GP, index(selector));
  if (!(hi & PRESENT)) cpu.fault(XCPT.NP, index(selector));
}

function loadSs(cpu: Microcode, selector: number): void {
  const cpl = cpu.window.cpl;
  if (index(selector) === 0) {
    // A null SS is allowed in 64-bit mode below CPL 3, with the RPL of the CPL.
    if (!cpu.modes.code64 || cpl === 3 || (selector & 3) !== cpl) cpu.fault(XCPT.GP, 0);
    setNullSs(cpu, selector);
    return;
  }
  readDescriptor(cpu, selector, XCPT.GP);
  const hi = cpu.descHi;
  if ((selector & 3) !== cpl || !isWritable(hi) || dpl(hi) !== cpl) cpu.fault(XCPT.GP, index(selector));
  if (!(hi & PRESENT)) cpu.fault(XCPT.SS, index(selector));
  setAccessed(cpu);
  setFromDescriptor(cpu, SS, selector);
}

/** SS null in 64-bit mode: its DPL still tells the CPL. */
export function setNullSs(cpu: Microcode, selector: number): void {
  cpu.segments.set(SS, selector, 0, 0, 0, (selector & 3) << DPL_SHIFT);
}

/**
 * The stack segment that goes with a new CPL, from a TSS (#TS) or a stack (#GP): checks and reads it without loading. In `cpu.desc*`.
 * Errors carry the selector; `ext` is OR-ed in.
 */
export function checkNewSs(cpu: Microcode, selector: number, cpl: number, vector: number, ext: number): void {
  if (index(selector) === 0) cpu.fault(vector, ext);
  readDescriptorExt(cpu, selector, vector, ext);
  const hi = cpu.descHi;
  if ((selector & 3) !== cpl || dpl(hi) !== cpl || !isWritable(hi)) cpu.fault(vector, index(selector) | ext);
  if (!(hi & PRESENT)) cpu.fault(XCPT.SS, index(selector) | ext);
  setAccessed(cpu);
}

/** readDescriptor whose error code has EXT when the event came from outside. */
export function readDescriptorExt(cpu: Microcode, selector: number, vector: number, ext: number): void {
  const limit = selector & 4 ? (cpu.segments.attr[LDTR] & PRESENT ? cpu.segments.limit[LDTR] : -1) : cpu.window.lo(GDT_LIMIT);
  if ((selector & 0xfff8) + 7 > limit) cpu.fault(vector, index(selector) | ext);
  readDescriptor(cpu, selector, vector);
}

/**
 * After a return to an outer ring: the selectors of data segments that it may not use become 0 and the registers unusable (SDM 5.8.6, RET
 * and IRET). True when one did. The base stays: 64-bit code adds those of FS and GS whatever their selectors are, and a system that set
 * them by MSR wants them back (AMD64 volume 2, 4.5.3, and volume 3, IRET, null no base either; so do QEMU and Intel's processors).
 */
export function dropInnerSegments(cpu: Microcode): boolean {
  let dropped = false;
  for (const n of DATA_SEGMENTS) {
    const attr = cpu.segments.attr[n];
    if (!(attr & S) || dpl(attr) >= cpu.window.cpl || isConforming(attr)) continue;
    cpu.segments.set(n, 0, cpu.segments.baseLo(n), cpu.segments.baseHi(n), 0, 0);
    dropped = true;
  }
  return dropped;
}
const DATA_SEGMENTS = [ES, DS, FS, GS];

/** Whether `size` bytes at an offset lie within a segment's limit. */
export function withinLimit(attr: number, limit: number, offset: number, size: number): boolean {
  const last = (offset >>> 0) + size - 1;
  if (isData(attr) && attr & EXPAND_DOWN) return (offset >>> 0) > limit && last <= (attr & BIG ? 0xffff_ffff : 0xffff);
  return last <= limit;
}

/** The segment may be read, written or executed; 0: yes, else the vector (SDM 5.4.1; null segments have no attributes). */
export function rightsFault(cpu: Microcode, n: number, write: boolean): boolean {
  const attr = cpu.segments.attr[n];
  if (!cpu.modes.protectedMode) return false;
  if (!(attr & PRESENT) || !(attr & S)) return true;
  return write ? !isWritable(attr) : !isReadable(attr);
}

/** A descriptor as LAR, LSL, VERR and VERW look at it, without faults; false: not there. */
export function peekDescriptor(cpu: Microcode, selector: number): boolean {
  if (index(selector) === 0) return false;
  const limit = selector & 4 ? (cpu.segments.attr[LDTR] & PRESENT ? cpu.segments.limit[LDTR] : -1) : cpu.window.lo(GDT_LIMIT);
  if ((selector & 0xfff8) + 7 > limit) return false;
  readDescriptor(cpu, selector, XCPT.GP);
  return true;
}

/** DPL against CPL and RPL, as LAR, LSL, VERR and VERW check it; conforming code is open to all. */
export function visible(cpu: Microcode, selector: number): boolean {
  const hi = cpu.descHi;
  return isConforming(hi) || (dpl(hi) >= cpu.window.cpl && dpl(hi) >= (selector & 3));
}
