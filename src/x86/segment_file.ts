// HOT: no bigint, no closures, no allocation.
// The segment registers of a processor and the GDTR, as loaded, and what code adds and compares for them. Intel SDM volume 3A (253668-083),
// 3.4; volume 1 (253665-083), 3.4.2. How they are loaded from descriptors is in segment_loads.ts.
import type { CoreEnv } from "../ir/frontend.ts";
import type { Modes } from "./cpu_state.ts";
import { CODE, CS, DPL_SHIFT, DS, ES, EXPAND_DOWN, FS, GS, isData, isReadable, isWritable, PRESENT, SS } from "./segments.ts";
import {
  CODE_END,
  CODE_LIMIT,
  GDT_BASE,
  GDT_LIMIT,
  LOADED_BASE,
  SEG_ATTR,
  SEG_BASE,
  SEG_LIMIT,
  SEG_READ_TOP,
  SEG_WRITE_TOP,
  SELECTOR,
} from "./slots.ts";
import type { X86Window } from "./state_window.ts";

const FLAT_SEGMENTS = [ES, CS, SS, DS];

export class SegmentFile {
  /** Limits and attributes in the state window, and where they are while another processor runs. */
  readonly #limitHere: Uint32Array;
  readonly #attrHere: Int32Array;
  #limitAway: Uint32Array | undefined;
  #attrAway: Int32Array | undefined;

  constructor(readonly env: CoreEnv, readonly window: X86Window, readonly modes: Modes) {
    this.#limitHere = env.u32.subarray(SEG_LIMIT >> 2, (SEG_LIMIT >> 2) + 8);
    this.#attrHere = env.i32.subarray(SEG_ATTR >> 2, (SEG_ATTR >> 2) + 8);
  }

  /** GDTR. */
  setGdt(baseLo: number, baseHi: number, limit: number): void {
    this.window.set(GDT_BASE, baseLo, baseHi);
    this.window.setLo(GDT_LIMIT, limit);
  }

  /** Limits of ES CS SS DS FS GS LDTR TR in bytes. */
  get limit(): Uint32Array {
    const base = this.env.base(), at = (base + SEG_LIMIT) >> 2;
    return base === 0 ? this.#limitHere : this.#limitAway ??= this.env.u32.subarray(at, at + 8);
  }
  /** Their attributes (segments.ts). */
  get attr(): Int32Array {
    const base = this.env.base(), at = (base + SEG_ATTR) >> 2;
    return base === 0 ? this.#attrHere : this.#attrAway ??= this.env.i32.subarray(at, at + 8);
  }
  selector(n: number): number {
    return this.window.lo(SELECTOR(n)) & 0xffff;
  }
  /** Base of a segment register as loaded, also where 64-bit mode ignores it. From FS on the slot itself: WRFSBASE writes it. */
  baseLo(n: number): number {
    return this.window.lo(n < FS ? LOADED_BASE(n) : SEG_BASE(n));
  }
  baseHi(n: number): number {
    return this.window.hi(n < FS ? LOADED_BASE(n) : SEG_BASE(n));
  }

  /** Loads a segment register; the caller calls `refresh` when it is done. */
  set(n: number, selector: number, baseLo: number, baseHi: number, limit: number, attr: number): void {
    const { i32 } = this.env, window = this.env.base() >> 2, base = window + ((n < FS ? LOADED_BASE(n) : SEG_BASE(n)) >> 2);
    i32[window + (SELECTOR(n) >> 2)] = selector;
    i32[window + (SEG_LIMIT >> 2) + n] = limit;
    i32[window + (SEG_ATTR >> 2) + n] = attr;
    i32[base] = baseLo;
    i32[base + 1] = baseHi;
    if (!this.modes.code64) this.#setSlots(n);
  }
  /** The same with base 0 and limit 2^32 - 1; cheap where only the privilege changes. */
  setFlat(n: number, selector: number, attr: number): void {
    const same = ((attr ^ this.attr[n]) & ~(3 << DPL_SHIFT)) === 0 && this.limit[n] === 0xffff_ffff &&
      (this.baseLo(n) | this.baseHi(n)) === 0;
    if (!same) return this.set(n, selector, 0, 0, 0xffff_ffff, attr);
    this.window.setLo(SELECTOR(n), selector);
    this.attr[n] = attr;
  }
  /** What code adds and compares: nothing but the bases of FS and GS in 64-bit mode, where the other slots are 0. */
  #setSlots(n: number): void {
    if (n > GS) return;
    if (n < FS) this.window.set(SEG_BASE(n), this.modes.code64 ? 0 : this.baseLo(n), this.modes.code64 ? 0 : this.baseHi(n));
    const attr = this.modes.code64 ? 0 : this.attr[n], limit = this.modes.code64 ? 0 : this.limit[n];
    if (n === CS) {
      const end = (this.baseLo(CS) >>> 0) + limit;
      this.window.setLo(CODE_LIMIT, limit);
      this.window.setLo(CODE_END, end > 0xffff_ffff ? 0 : end);
    }
    let read = !this.modes.protectedMode || ((attr & PRESENT) !== 0 && isReadable(attr));
    let write = !this.modes.protectedMode || ((attr & PRESENT) !== 0 && isWritable(attr));
    if (isData(attr) && attr & EXPAND_DOWN) read = write = false;
    const topLo = (limit + 1) | 0, topHi = limit === 0xffff_ffff ? 1 : 0;
    this.window.set(SEG_READ_TOP(n), read ? topLo : 0, read ? topHi : 0);
    this.window.set(SEG_WRITE_TOP(n), write ? topLo : 0, write ? topHi : 0);
  }
  setBase(n: number, lo: number, hi: number): void {
    this.window.set(n < FS ? LOADED_BASE(n) : SEG_BASE(n), lo, hi);
    if (!this.modes.code64) this.#setSlots(n);
  }

  /** What code adds and compares follows the mode: after any change of it. */
  modeChanged(): void {
    for (let n = 0; n < 6; n++) this.#setSlots(n);
  }
  /** Whether 32-bit code may leave out bases and checks. */
  get flat(): boolean {
    for (const n of FLAT_SEGMENTS) {
      if (this.baseLo(n) !== 0 || this.limit[n] !== 0xffff_ffff || !(this.attr[n] & PRESENT)) return false;
      const attr = this.attr[n];
      if (n === CS ? !isReadable(attr) : !isWritable(attr) || (attr & (CODE | EXPAND_DOWN)) !== 0) return false;
    }
    return true;
  }

  /** Goes to an offset in the present code segment. */
  setEip(lo: number, hi: number): void {
    if (this.modes.code64) this.window.setPc(lo, hi);
    else this.window.setPc((this.baseLo(CS) + lo) | 0, 0);
  }
  /** Code beyond the limit of its segment is not fetched. */
  beyondCode(lo: number): boolean {
    return !this.modes.code64 && ((lo - this.baseLo(CS)) >>> 0) > this.limit[CS];
  }
}
