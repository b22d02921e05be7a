// HOT: no bigint, no closures, no allocation.
// The registers of an x86 processor that are slots of the state window. Flags are put together of RFLAGS and of the record of the status flags.
import type { CoreEnv } from "../ir/frontend.ts";
import { RESULT } from "../ir/layout.ts";
import { StateWindow } from "../ir/state_window.ts";
import { readStatus, writeStatus } from "./flags.ts";
import { STATUS } from "./registers.ts";
import { CPL, EFER, INTR, RFLAGS } from "./slots.ts";

/** The pc is linear, and has 64 bits in every mode. */
export class X86Window extends StateWindow {
  constructor(env: CoreEnv) {
    super(env, 64);
  }

  /** All slots, as flags.ts takes them. */
  get slots(): Int32Array {
    const base = this.env.base();
    return base === 0 ? this.env.i32 : this.env.i32.subarray(base >> 2);
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
    this.setLo(CPL, level);
  }
  get efer(): number {
    return this.lo(EFER);
  }
  set efer(value: number) {
    this.setLo(EFER, value);
  }
  /** Level of the interrupt input. */
  get intr(): boolean {
    return this.lo(INTR) !== 0;
  }
  set intr(level: boolean) {
    this.setLo(INTR, level ? 1 : 0);
  }
}
