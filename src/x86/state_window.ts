// HOT: no bigint, no closures, no allocation.
// The registers of one processor that are slots of the state window, wherever that is at the moment: in front of the linear memory while
// the processor runs, elsewhere while another one does. Flags are put together of RFLAGS and of the record of the status flags.
import { ARG, GUEST_END, PC, RESULT } from "../ir/layout.ts";
import type { CoreEnv } from "../ir/frontend.ts";
import { readStatus, writeStatus } from "./flags.ts";
import { STATUS } from "./registers.ts";
import { CPL, EFER, INTR, RFLAGS } from "./slots.ts";

export class StateWindow {
  constructor(readonly env: CoreEnv) {}

  /** Low half of a slot. */
  lo(slot: number): number {
    return this.env.i32[(this.env.base() + slot) >> 2];
  }
  hi(slot: number): number {
    return this.env.i32[((this.env.base() + slot) >> 2) + 1];
  }
  set(slot: number, lo: number, hi: number): void {
    const i = (this.env.base() + slot) >> 2;
    this.env.i32[i] = lo;
    this.env.i32[i + 1] = hi;
  }
  /** A slot of 32 bits. */
  set32(slot: number, value: number): void {
    this.env.i32[(this.env.base() + slot) >> 2] = value;
  }
  /** All slots, as flags.ts takes them. */
  get slots(): Int32Array {
    const base = this.env.base();
    return base === 0 ? this.env.i32 : this.env.i32.subarray(base >> 2);
  }

  /** Index of the pc (linear) in i32: it lies behind the other registers while another processor runs. */
  #pcIndex(): number {
    const base = this.env.base();
    return (base === 0 ? PC : base + GUEST_END) >> 2;
  }
  get pcLo(): number {
    return this.env.i32[this.#pcIndex()];
  }
  get pcHi(): number {
    return this.env.i32[this.#pcIndex() + 1];
  }
  setPc(lo: number, hi: number): void {
    const i = this.#pcIndex();
    this.env.i32[i] = lo;
    this.env.i32[i + 1] = hi;
  }

  /** Argument n of the helper that runs. */
  argLo(n: number): number {
    return this.env.i32[(ARG >> 2) + 2 * n];
  }
  argHi(n: number): number {
    return this.env.i32[(ARG >> 2) + 2 * n + 1];
  }
  setResult(lo: number, hi: number): void {
    this.env.i32[RESULT >> 2] = lo;
    this.env.i32[(RESULT >> 2) + 1] = hi;
  }

  /** RFLAGS, all of it (bits above 31 are zero). */
  get flags(): number {
    return this.lo(RFLAGS) | readStatus(this.slots);
  }
  /** Replaces the bits of `mask` (which may hold status flags). */
  setFlags(value: number, mask: number): void {
    const old = this.lo(RFLAGS);
    if (mask & STATUS) {
      const { slots } = this, kept = (mask & STATUS) === STATUS ? 0 : readStatus(slots) & ~mask;
      writeStatus(slots, kept | (value & mask & STATUS));
    }
    this.set(RFLAGS, (old & ~mask) | (value & mask & ~STATUS) | 2, 0);
  }
  /** RFLAGS without the status flags: cheap. */
  get systemFlags(): number {
    return this.lo(RFLAGS);
  }

  get cpl(): number {
    return this.lo(CPL);
  }
  set cpl(level: number) {
    this.set32(CPL, level);
  }
  get efer(): number {
    return this.lo(EFER);
  }
  set efer(value: number) {
    this.set32(EFER, value);
  }
  /** Level of the interrupt input. */
  get intr(): boolean {
    return this.lo(INTR) !== 0;
  }
  set intr(level: boolean) {
    this.set32(INTR, level ? 1 : 0);
  }
}
