// HOT: no bigint, no closures, no allocation.
// Memory as microcode accesses it: linear addresses in halves; `user`: with the rights of CPL 3. What faults throws FAULTED, with the
// exception recorded. What is no RAM reads as ones, and writes to it go nowhere. Translations are remembered here, like those of the
// guest's own accesses in the engine's TLBs, and dropped with them.
import { type Access, type CoreEnv, READ, WRITE } from "../ir/frontend.ts";
import type { Modes } from "./cpu_state.ts";
import type { LinearAddresses } from "./linear_addresses.ts";

/** A value of 64 bits. */
export interface Halves {
  readonly lo: number;
  readonly hi: number;
}

export class MicrocodeMemory {
  // Of each translation: page and kind, its place in u8, and the flush count it belongs to.
  readonly #walkLo: Int32Array;
  readonly #walkHi: Int32Array;
  readonly #walkHost: Float64Array;
  readonly #walkStamp: Int32Array;
  #stamp = 1;
  readonly #value = { lo: 0, hi: 0 };

  constructor(readonly env: CoreEnv, readonly modes: Modes, readonly addresses: LinearAddresses) {
    const { walks } = env.limits;
    this.#walkLo = new Int32Array(walks);
    this.#walkHi = new Int32Array(walks);
    this.#walkHost = new Float64Array(walks);
    this.#walkStamp = new Int32Array(walks);
  }

  /** Data TLB entries were dropped: those of the page of an address (low half), or any. */
  forget(lo?: number): void {
    if (lo === undefined) this.#forgetAll();
    else for (let n = 0; n < 4; n++) this.#walkStamp[this.#walkIndex(lo, n & 1 ? WRITE : READ, n > 1)] = 0;
  }
  #forgetAll(): void {
    if (this.#stamp++ < this.env.limits.stamps) return;
    this.#walkStamp.fill(0);
    this.#stamp = 1;
  }
  /** Where a page is in the cache of the microcode's accesses. */
  #walkIndex(lo: number, access: Access, user: boolean): number {
    return ((lo >>> 12) ^ (access * 21 + (user ? 11 : 0))) & (this.#walkStamp.length - 1);
  }
  /** Index in u8 of `size` bytes that do not cross a page, -1 when that is no RAM. Throws FAULTED. */
  #host(lo: number, hi: number, access: Access, user: boolean, size: number): number {
    const offset = lo & 0xfff, key = (lo & -4096) | access | (user ? 4 : 0), w = this.#walkIndex(lo, access, user);
    if (this.#walkStamp[w] === this.#stamp && this.#walkLo[w] === key && this.#walkHi[w] === hi) {
      return this.#walkHost[w] + offset;
    }
    const paddr = this.addresses.physical(lo, hi, access, user), page = this.env.ram(paddr - offset, 4096);
    if (page < 0) return this.env.ram(paddr, size);
    this.#walkStamp[w] = this.#stamp;
    this.#walkLo[w] = key;
    this.#walkHi[w] = hi;
    this.#walkHost[w] = page;
    return page + offset;
  }

  /**
   * Index in u8 of `size` bytes of RAM that are in one page and aligned to 4; -1 when they are not, and have to be accessed one after the
   * other. What the access at `lo` would raise is raised.
   */
  together(lo: number, hi: number, access: Access, user: boolean, size: number): number {
    return (lo & 3) !== 0 || (lo & 0xfff) + size > 0x1000 ? -1 : this.#host(lo, hi, access, user, size);
  }
  read8(lo: number, hi: number, user: boolean): number {
    const at = this.#host(lo, hi, READ, user, 1);
    return at < 0 ? 0xff : this.env.u8[at];
  }
  read16(lo: number, hi: number, user: boolean): number {
    if ((lo & 0xfff) === 0xfff) return this.#readBytes(lo, hi, 2, user);
    const at = this.#host(lo, hi, READ, user, 2), u8 = this.env.u8;
    return at < 0 ? 0xffff : u8[at] | u8[at + 1] << 8;
  }
  /** Signed. */
  read32(lo: number, hi: number, user: boolean): number {
    if ((lo & 0xfff) > 0xffc) return this.#readBytes(lo, hi, 4, user);
    const at = this.#host(lo, hi, READ, user, 4), u8 = this.env.u8;
    if (at < 0) return -1;
    return at & 3 ? u8[at] | u8[at + 1] << 8 | u8[at + 2] << 16 | u8[at + 3] << 24 : this.env.i32[at >>> 2];
  }
  /** What it returns is good until the next call. */
  read64(lo: number, hi: number, user: boolean): Halves {
    const value = this.#value;
    if (!(lo & 7)) {
      const at = this.#host(lo, hi, READ, user, 8), word = at >>> 2;
      value.lo = at < 0 ? -1 : this.env.i32[word];
      value.hi = at < 0 ? -1 : this.env.i32[word + 1];
      return value;
    }
    const next = (lo + 4) | 0;
    value.lo = this.read32(lo, hi, user);
    value.hi = this.read32(next, this.#carry(next, 4, hi), user);
    return value;
  }
  #readBytes(lo: number, hi: number, size: number, user: boolean): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.read8((lo + i) | 0, this.#carry(lo + i, i, hi), user) << (8 * i);
    return value;
  }
  /** Upper half of an address whose low half is `lo` after `added` (small) was added. */
  #carry(lo: number, added: number, hi: number): number {
    return this.modes.lma && (lo >>> 0) < added ? (hi + 1) | 0 : hi;
  }

  write16(lo: number, hi: number, value: number, user: boolean): void {
    this.#write(lo, hi, value, 2, user);
  }
  write32(lo: number, hi: number, value: number, user: boolean): void {
    this.#write(lo, hi, value, 4, user);
  }
  write64(lo: number, hi: number, valueLo: number, valueHi: number, user: boolean): void {
    if (!(lo & 7)) {
      const at = this.#host(lo, hi, WRITE, user, 8);
      if (at < 0) return;
      this.env.i32[at >>> 2] = valueLo;
      this.env.i32[(at >>> 2) + 1] = valueHi;
      this.env.wroteAt(at, 8);
      return;
    }
    const next = (lo + 4) | 0, nextHi = this.#carry(next, 4, hi);
    // Both halves are translated before either is written.
    if ((lo & 0xfff) > 0xff8) this.#host((lo + 7) | 0, this.#carry(lo + 7, 7, hi), WRITE, user, 1);
    this.#write(lo, hi, valueLo, 4, user);
    this.#write(next, nextHi, valueHi, 4, user);
  }
  #write(lo: number, hi: number, value: number, size: number, user: boolean): void {
    const { env } = this, { u8 } = env;
    if ((lo & 0xfff) + size > 0x1000) {
      // The first page is translated before the second is written.
      this.#host(lo, hi, WRITE, user, 1);
      for (let i = size - 1; i >= 0; i--) {
        const at = this.#host((lo + i) | 0, this.#carry(lo + i, i, hi), WRITE, user, 1);
        if (at < 0) continue;
        u8[at] = value >>> (8 * i);
        env.wroteAt(at, 1);
      }
      return;
    }
    const at = this.#host(lo, hi, WRITE, user, size);
    if (at < 0) return;
    if (size === 4 && !(at & 3)) env.i32[at >>> 2] = value;
    else for (let i = 0; i < size; i++) u8[at + i] = value >>> (8 * i);
    env.wroteAt(at, size);
  }
}
