// HOT: no bigint, no closures, no allocation.
// Segment descriptors and what their bits mean. Intel SDM volume 3A (253668-083), 3.4, 3.5, 5.2 to 5.5.

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

/** A descriptor, and the linear address that it was read from. */
export class Descriptor {
  lo = 0;
  hi = 0;
  atLo = 0;
  atHi = 0;
  get base(): number {
    return descriptorBase(this.lo, this.hi);
  }
  get limit(): number {
    return descriptorLimit(this.lo, this.hi);
  }
  get attributes(): number {
    return this.hi & ATTRIBUTES;
  }
}

/** Whether `size` bytes at an offset lie within a segment's limit. */
export function withinLimit(attr: number, limit: number, offset: number, size: number): boolean {
  const last = (offset >>> 0) + size - 1;
  if (isData(attr) && attr & EXPAND_DOWN) return (offset >>> 0) > limit && last <= (attr & BIG ? 0xffff_ffff : 0xffff);
  return last <= limit;
}
