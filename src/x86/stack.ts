// HOT: no bigint, no closures, no allocation.
// A stack that an instruction or an event pushes to or pops from, committed to RSP only when everything has succeeded.
// Intel SDM volume 3A (253668-083), 6.12 to 6.14; volume 1 (253665), 6.2.
import type { Modes } from "./cpu_state.ts";
import { XCPT } from "./exceptions.ts";
import type { Faults } from "./faults.ts";
import type { LinearAddresses } from "./linear_addresses.ts";
import type { Halves, MicrocodeMemory } from "./microcode_memory.ts";
import { BIG, SS, withinLimit } from "./segments.ts";
import type { SegmentFile } from "./segment_file.ts";
import { GPR } from "./slots.ts";
import type { X86Window } from "./state_window.ts";

const RSP = GPR(4);

export class Stack {
  /** The stack pointer. */
  lo = 0;
  hi = 0;
  /** Bytes of the stack pointer: 2, 4 or 8. */
  width = 2;
  #baseLo = 0;
  #limit = 0;
  #attr = 0;
  #user = false;
  #error = 0;
  /** Linear address that `#check` has found. */
  #atLo = 0;
  #atHi = 0;
  readonly #popped = { lo: 0, hi: 0 };

  constructor(
    readonly window: X86Window,
    readonly modes: Modes,
    readonly segments: SegmentFile,
    readonly addresses: LinearAddresses,
    readonly memory: MicrocodeMemory,
    readonly faults: Faults,
  ) {}

  /** The stack that SS:RSP is now; `error` is the code of its #SS faults. */
  current(error: number): void {
    this.lo = this.window.lo(RSP);
    this.hi = this.window.hi(RSP);
    this.#set(
      this.modes.code64 ? 8 : this.segments.attr[SS] & BIG ? 4 : 2,
      this.segments.baseLo(SS),
      this.segments.limit[SS],
      this.segments.attr[SS],
      this.window.cpl === 3,
      error,
    );
  }

  /** A stack in a segment that is not loaded yet. */
  other(baseLo: number, limit: number, attr: number, lo: number, user: boolean, error: number): void {
    this.lo = lo;
    this.hi = 0;
    this.#set(attr & BIG ? 4 : 2, baseLo, limit, attr, user, error);
  }

  /** A stack of 64-bit mode. */
  long(lo: number, hi: number, user: boolean, error: number): void {
    this.lo = lo;
    this.hi = hi;
    this.#set(8, 0, 0, 0, user, error);
  }

  #set(width: number, baseLo: number, limit: number, attr: number, user: boolean, error: number): void {
    this.width = width;
    this.#baseLo = baseLo;
    this.#limit = limit;
    this.#attr = attr;
    this.#user = user;
    this.#error = error;
  }

  /** Moves the pointer by a signed number of bytes. */
  move(bytes: number): void {
    const sum = (this.lo >>> 0) + bytes;
    if (this.width === 8) this.hi = (this.hi + Math.floor(sum / 2 ** 32)) | 0;
    this.lo = this.width === 2 ? (this.lo & ~0xffff) | (sum & 0xffff) : sum | 0;
  }

  /** Checks `bytes` at the pointer and leaves their linear address in atLo and atHi. */
  #check(bytes: number): void {
    if (this.width === 8) {
      if (!this.addresses.canonicalSpan(this.lo, this.hi, bytes)) this.faults.raise(XCPT.SS, this.#error);
      this.#atLo = this.lo;
      this.#atHi = this.hi;
      return;
    }
    const offset = this.width === 2 ? this.lo & 0xffff : this.lo;
    if (!withinLimit(this.#attr, this.#limit, offset, bytes)) this.faults.raise(XCPT.SS, this.#error);
    this.#atLo = (this.#baseLo + offset) | 0;
    this.#atHi = 0;
  }
  /** Pushes 2, 4 or 8 bytes. */
  push(bytes: number, lo: number, hi: number): void {
    this.move(-bytes);
    this.#check(bytes);
    if (bytes === 8) this.memory.write64(this.#atLo, this.#atHi, lo, hi, this.#user);
    else if (bytes === 4) this.memory.write32(this.#atLo, this.#atHi, lo, this.#user);
    else this.memory.write16(this.#atLo, this.#atHi, lo, this.#user);
  }

  /** Pops 2, 4 or 8 bytes and returns the low half, zero-extended. */
  pop(bytes: number): number {
    return this.popWide(bytes).lo;
  }
  /** The same with both halves: good until the next call. */
  popWide(bytes: number): Halves {
    const { memory } = this;
    this.#check(bytes);
    const value = bytes === 8 ? memory.read64(this.#atLo, this.#atHi, this.#user) : this.#popped;
    if (bytes === 4) this.#popped.lo = memory.read32(this.#atLo, this.#atHi, this.#user);
    else if (bytes === 2) this.#popped.lo = memory.read16(this.#atLo, this.#atHi, this.#user);
    this.move(bytes);
    return value;
  }

  /** Makes the pointer RSP: SP and ESP keep what lies above them (ESP clears it). */
  commit(): void {
    if (this.width === 2) this.window.set(RSP, (this.window.lo(RSP) & ~0xffff) | (this.lo & 0xffff), this.window.hi(RSP));
    else this.window.set(RSP, this.lo, this.width === 8 ? this.hi : 0);
  }
}
