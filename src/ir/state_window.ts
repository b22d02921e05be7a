// HOT: no bigint, no closures, no allocation.
// The registers of one processor, in the state window while it runs and elsewhere while another does (see layout.ts); and what a helper was
// called with, which only the running one has.
import type { CoreEnv } from "./frontend.ts";
import { ARG, GUEST_END, PC } from "./layout.ts";

export class StateWindow {
  /** @param bits of an address: where it is 32, the upper half of the pc stays 0 */
  constructor(readonly env: Pick<CoreEnv, "i32" | "base">, readonly bits: 32 | 64) {}

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
  /** Leaves the upper half as it is. */
  setLo(slot: number, value: number): void {
    this.env.i32[(this.env.base() + slot) >> 2] = value;
  }

  /** Index of the pc in i32: it lies behind the other registers while another processor runs. */
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
    this.env.i32[i + 1] = this.bits === 64 ? hi : 0;
  }

  /** Halves of a helper's argument `n`. */
  argLo(n: number): number {
    return this.env.i32[(ARG >> 2) + 2 * n];
  }
  argHi(n: number): number {
    return this.env.i32[(ARG >> 2) + 2 * n + 1];
  }
}
