// HOT: no bigint, no closures, no allocation.
// Descriptors are read from their tables, and segment registers are loaded with every check. Intel SDM volume 3A (253668-083), 3.4, 3.5,
// 5.2 to 5.5, 5.8.6, 5.10. A failed check throws: descriptors are read in the middle of many instructions.
import { XCPT } from "./exceptions.ts";
import type { Microcode } from "./microcode.ts";
import type { SegmentFile } from "./segment_file.ts";
import {
  ACCESSED,
  CS,
  Descriptor,
  dpl,
  DPL_SHIFT,
  DS,
  ES,
  FS,
  GS,
  index,
  isConforming,
  isReadable,
  isWritable,
  LDTR,
  PRESENT,
  REAL_DATA,
  S,
  SS,
  V86_DATA,
} from "./segments.ts";
import { GDT_BASE, GDT_LIMIT } from "./slots.ts";

/** What it takes to read a descriptor. */
type Tables = Pick<Microcode, "window" | "segments" | "modes" | "memory" | "fault">;

/** Of the segment that an instruction loads. */
const data = new Descriptor();

/** Whether so many bytes at a selector's descriptor are within its table; in a missing LDT none are. */
function isInTable({ window, segments }: Pick<Tables, "window" | "segments">, selector: number, bytes: number): boolean {
  const last = (selector & 0xfff8) + bytes - 1;
  if (!(selector & 4)) return last <= window.lo(GDT_LIMIT);
  return (segments.attr[LDTR] & PRESENT) !== 0 && last <= segments.limit[LDTR];
}

/**
 * Reads the descriptor of a selector that is not null. Where its table has none: `vector` (#GP or #TS) with the selector, and with EXT (`ext`)
 * when the event came from outside.
 */
export function readDescriptor(cpu: Tables, d: Descriptor, selector: number, vector: number, ext = 0): void {
  if (!isInTable(cpu, selector, 8)) cpu.fault(vector, index(selector) | ext);
  const { window, segments } = cpu, offset = selector & 0xfff8;
  if (selector & 4) readAt(cpu, d, segments.baseLo(LDTR), segments.baseHi(LDTR), offset);
  else readAt(cpu, d, window.lo(GDT_BASE), window.hi(GDT_BASE), offset);
}

/** Reads 8 bytes of a descriptor table. */
export function readAt(cpu: Pick<Tables, "modes" | "memory">, d: Descriptor, baseLo: number, baseHi: number, offset: number): void {
  const at = (baseLo >>> 0) + offset, lo = at | 0, hi = cpu.modes.lma ? (baseHi + (at > 0xffff_ffff ? 1 : 0)) | 0 : 0;
  d.atLo = lo;
  d.atHi = hi;
  const read = cpu.memory.read64(lo, hi, false);
  d.lo = read.lo;
  d.hi = read.hi;
}

/** The third word of a 16-byte system descriptor: upper half of its base; the fourth must be of type 0. */
export function readUpper(cpu: Tables, d: Descriptor, selector: number, vector: number): number {
  if (!isInTable(cpu, selector, 16)) cpu.fault(vector, index(selector));
  const at = (d.atLo >>> 0) + 8;
  const upper = cpu.memory.read64(at | 0, (d.atHi + (at > 0xffff_ffff ? 1 : 0)) | 0, false);
  if (upper.hi & 0x1f00) cpu.fault(vector, index(selector));
  return upper.lo;
}

/** Sets the accessed bit of a descriptor, also in memory (SDM 3.4.5.1). */
export function setAccessed(cpu: Pick<Tables, "memory">, d: Descriptor): void {
  if (d.hi & ACCESSED) return;
  d.hi |= ACCESSED;
  writeHigh(cpu, d, d.hi);
}

/** Replaces the upper word of a descriptor in memory. */
export function writeHigh(cpu: Pick<Tables, "memory">, d: Descriptor, value: number): void {
  const at = (d.atLo >>> 0) + 4;
  cpu.memory.write32(at | 0, (d.atHi + (at > 0xffff_ffff ? 1 : 0)) | 0, value, false);
}

/** Fills a segment register from a descriptor. The caller refreshes the mode. */
export function setFromDescriptor(segments: SegmentFile, n: number, selector: number, d: Descriptor): void {
  segments.set(n, selector, d.base, 0, d.limit, d.attributes);
}

/** A null selector that is loaded: not usable. The bases of FS and GS are cleared, as on Intel's processors and AMD's since Zen 2. */
export function setNull(segments: SegmentFile, n: number, selector: number): void {
  segments.set(n, selector, 0, 0, 0, 0);
}

/** Real and virtual-8086 mode: the base follows the selector; real mode keeps limit and attributes ("unreal mode"). */
export function setReal({ segments, modes }: Pick<Microcode, "segments" | "modes">, n: number, selector: number): void {
  const limit = segments.limit[n], attr = segments.attr[n];
  if (modes.v86) segments.set(n, selector, selector << 4, 0, 0xffff, V86_DATA);
  else segments.set(n, selector, selector << 4, 0, limit, n === CS || attr === 0 ? REAL_DATA : attr);
}

/** MOV, POP, LDS... to ES, SS, DS, FS or GS (SDM volume 2, MOV; 5.5 and 5.6). */
export function loadSegment(cpu: Microcode, n: number, selector: number): void {
  selector &= 0xffff;
  if (!cpu.modes.protectedMode) setReal(cpu, n, selector);
  else if (n === SS) loadSs(cpu, selector);
  else if (index(selector) === 0) setNull(cpu.segments, n, selector);
  else {
    readDescriptor(cpu, data, selector, XCPT.GP);
    checkData(cpu, data, selector);
    setAccessed(cpu, data);
    setFromDescriptor(cpu.segments, n, selector, data);
  }
  cpu.derived.refresh();
}

/** Type, privilege and presence of a data or readable code segment that is about to be loaded. */
function checkData(cpu: Pick<Microcode, "window" | "fault">, { hi }: Descriptor, selector: number): void {
  if (!isReadable(hi)) cpu.fault(XCPT.GP, index(selector));
  if (!isConforming(hi) && (dpl(hi) < (selector & 3) || dpl(hi) < cpu.window.cpl)) cpu.fault(XCPT.GP, index(selector));
  if (!(hi & PRESENT)) cpu.fault(XCPT.NP, index(selector));
}

function loadSs(cpu: Tables, selector: number): void {
  const cpl = cpu.window.cpl;
  if (index(selector) === 0) {
    // A null SS is allowed in 64-bit mode below CPL 3, with the RPL of the CPL.
    if (!cpu.modes.code64 || cpl === 3 || (selector & 3) !== cpl) cpu.fault(XCPT.GP, 0);
    setNullSs(cpu.segments, selector);
    return;
  }
  readDescriptor(cpu, data, selector, XCPT.GP);
  const { hi } = data;
  if ((selector & 3) !== cpl || !isWritable(hi) || dpl(hi) !== cpl) cpu.fault(XCPT.GP, index(selector));
  if (!(hi & PRESENT)) cpu.fault(XCPT.SS, index(selector));
  setAccessed(cpu, data);
  setFromDescriptor(cpu.segments, SS, selector, data);
}

/** SS null in 64-bit mode: its DPL still tells the CPL. */
export function setNullSs(segments: SegmentFile, selector: number): void {
  segments.set(SS, selector, 0, 0, 0, (selector & 3) << DPL_SHIFT);
}

/**
 * The stack segment that goes with a new CPL, from a TSS (#TS) or a stack (#GP): reads and checks it without loading.
 * Errors carry the selector; `ext` is OR-ed in.
 */
export function checkNewSs(cpu: Tables, d: Descriptor, selector: number, cpl: number, vector: number, ext: number): void {
  if (index(selector) === 0) cpu.fault(vector, ext);
  readDescriptor(cpu, d, selector, vector, ext);
  const { hi } = d;
  if ((selector & 3) !== cpl || dpl(hi) !== cpl || !isWritable(hi)) cpu.fault(vector, index(selector) | ext);
  if (!(hi & PRESENT)) cpu.fault(XCPT.SS, index(selector) | ext);
  setAccessed(cpu, d);
}

/**
 * After a return to an outer ring: the selectors of data segments that it may not use become 0 and the registers unusable (SDM 5.8.6, RET
 * and IRET). True when one did. The base stays: 64-bit code adds those of FS and GS whatever their selectors are, and a system that set
 * them by MSR wants them back (AMD64 volume 2, 4.5.3, and volume 3, IRET, null no base either; so do QEMU and Intel's processors).
 */
export function dropInnerSegments(cpu: Pick<Microcode, "window" | "segments">): boolean {
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

/** The segment may be read, written or executed; 0: yes, else the vector (SDM 5.4.1; null segments have no attributes). */
export function rightsFault(cpu: Pick<Microcode, "segments" | "modes">, n: number, write: boolean): boolean {
  const attr = cpu.segments.attr[n];
  if (!cpu.modes.protectedMode) return false;
  if (!(attr & PRESENT) || !(attr & S)) return true;
  return write ? !isWritable(attr) : !isReadable(attr);
}

/** A descriptor as LAR, LSL, VERR and VERW look at it, without faults; false: not there. */
export function peekDescriptor(cpu: Tables, d: Descriptor, selector: number): boolean {
  if (index(selector) === 0 || !isInTable(cpu, selector, 8)) return false;
  readDescriptor(cpu, d, selector, XCPT.GP);
  return true;
}

/** DPL against CPL and RPL, as LAR, LSL, VERR and VERW check it; conforming code is open to all. */
export function visible({ hi }: Descriptor, selector: number, cpl: number): boolean {
  return isConforming(hi) || (dpl(hi) >= cpl && dpl(hi) >= (selector & 3));
}
