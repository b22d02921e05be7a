// HOT: no bigint, no closures, no allocation.
// Address translation: Sv32, Sv39, Sv48, Sv57 with Svnapot and Svpbmt (RISC-V Privileged 20240411, 10.3 to 10.6, 11 and 12).
// Every walk goes to memory: the engine's TLB is the cache, and coherent with the tables (ir/walked_tables.ts). Physical addresses are doubles; above 2^53 they lose low bits, where nothing is.
import { type Access, type CoreEnv, FETCH, READ, WRITE } from "../ir/frontend.ts";
import { WalkedTables } from "../ir/walked_tables.ts";
import type { Pmp } from "./pmp.ts";
import { MXR, SUM } from "./registers.ts";

export type MmuMode = "bare" | "sv32" | "sv39" | "sv48" | "sv57";

const V = 1, R = 2, W = 4, X = 8, U = 0x10, A = 0x40, D = 0x80;
// Bits of the upper half of a PTE.
const PPN_HIGH = 0x3f_ffff, RESERVED = 0x1fc0_0000, PBMT = 0x6000_0000, PBMT_SHIFT = 29, NAPOT = 0x8000_0000 | 0;

/** Why a walk failed; the index is `Mmu.reason`. */
// deno-fmt-ignore
export const REASONS = [
  "", "the address is not canonical", "the physical memory protection forbids reading the page table", "the page table is not in RAM",
  "the entry is not valid", "the entry has reserved bits set", "the last level holds a pointer", "supervisor pages are closed to user mode",
  "a user page is closed to supervisor mode", "the page does not permit this access", "the superpage is misaligned",
  "the accessed or dirty bit is clear", "the physical memory protection forbids the access", "the physical memory protection forbids updating the page table",
] as const;
const NOT_CANONICAL = 1, PMP_TABLE = 2, NO_RAM = 3, INVALID = 4, RESERVED_BITS = 5, TOO_DEEP = 6, NOT_USER = 7, IS_USER = 8, NO_RIGHT = 9;
const MISALIGNED = 10, AD_CLEAR = 11, PMP_ACCESS = 12, PMP_UPDATE = 13;
/** Access fault, not page fault. */
const PHYSICAL = 1 << PMP_TABLE | 1 << NO_RAM | 1 << PMP_ACCESS | 1 << PMP_UPDATE;

/** Levels by the MODE field of satp. */
const LEVELS: Readonly<Record<number, number>> = { 0: 0, 1: 2, 8: 3, 9: 4, 10: 5 };
/** Pages in a leaf of each level. */
const SPAN = [1, 2 ** 9, 2 ** 18, 2 ** 27, 2 ** 36];
const MODES: readonly MmuMode[] = ["bare", "sv32", "sv39", "sv48", "sv57"];
const NUMBERS: Readonly<Record<MmuMode, number>> = { bare: 0, sv32: 1, sv39: 8, sv48: 9, sv57: 10 };
export interface MmuConfig {
  readonly xlen: 32 | 64;
  /** The widest mode that satp takes. */
  readonly mmu: MmuMode;
  readonly svnapot: boolean;
}

export class Mmu {
  /** Page table levels of the present satp; 0: no translation. */
  levels = 0;
  /** Number of the page of physical memory that has the root table. */
  root = 0;
  /** Whether the walker sets A and D itself; else a clear bit is a page fault (Svade). */
  updates = true;
  /** Whether PTEs may carry page-based memory types (menvcfg.PBMTE). */
  pbmt = false;
  /** After a successful translation: whether the page answers alike for this kind of access. */
  whole = true;
  /** After a failed one: index into REASONS, and the level at which it failed; `levels` in front of the first entry. */
  reason = 0;
  level = 0;
  /** PTEs of the last walk by level: physical address and value in halves. */
  readonly pteAddress = new Float64Array(5);
  readonly pteLo = new Int32Array(5);
  readonly pteHi = new Int32Array(5);
  readonly #bits: number;
  /** Indices in i32 of those entries. */
  readonly pteIndex = new Int32Array(5);
  readonly tables: WalkedTables;

  constructor(readonly env: CoreEnv, readonly pmp: Pmp, readonly config: MmuConfig) {
    this.#bits = config.xlen === 64 ? 9 : 10;
    this.tables = new WalkedTables(env);
  }

  // Where QEMU 7.2 differs from the document: it reads entries with reserved bits 54 to 60 as if they were clear (when Svnapot or Svpbmt is
  // there), gives a page fault where the page table is not in memory, and updates A and D of a reserved Svnapot encoding before it faults.

  /** Whether satp takes this MODE. */
  supports(mode: number): boolean {
    const name = MODES.find((m) => NUMBERS[m] === mode), { mmu, xlen } = this.config;
    if (!name) return false;
    return name === "bare" || (xlen === 32 ? name === "sv32" && mmu !== "bare" : name !== "sv32" && NUMBERS[mmu] >= mode);
  }

  /** Takes a satp value. Any TLB is the caller's business. */
  setSatp(lo: number, hi: number): void {
    this.levels = LEVELS[this.config.xlen === 64 ? hi >>> 28 : lo >>> 31];
    this.root = this.config.xlen === 64 ? (hi & 0xfff) * 2 ** 32 + (lo >>> 0) : lo & PPN_HIGH;
  }

  /** The fault of the last failed translation is an access fault; else a page fault. */
  get physical(): boolean {
    return (PHYSICAL >> this.reason & 1) !== 0;
  }

  #fail(reason: number, level: number): number {
    this.reason = reason;
    this.level = level;
    return -1;
  }

  /**
   * Physical address of a virtual one, or -1 (see `reason`). `user` is the effective privilege U, else S; `status` is mstatus (SUM, MXR).
   * `dry`: changes nothing, and nobody is to remember the result.
   */
  walk(lo: number, hi: number, access: Access, user: boolean, status: number, dry: boolean, size = 1): number {
    const wide = this.config.xlen === 64, levels = this.levels, pmp = this.pmp, env = this.env;
    if (wide) {
      // Bits above the highest translated one equal it: bit 38, 47 or 56.
      const top = hi >> (9 * levels - 21);
      if (top !== 0 && top !== -1) return this.#fail(NOT_CANONICAL, levels);
    }
    // The number of the table's page.
    let table = this.root;
    for (let level = levels - 1; level >= 0; level--) {
      const n = vpn(lo, hi, level, this.#bits), at = table * 4096 + n * (wide ? 8 : 4);
      this.pteAddress[level] = at;
      this.pteLo[level] = this.pteHi[level] = 0;
      if (!pmp.open && !(pmp.rights(at, false, wide ? 8 : 4) & 1)) return this.#fail(PMP_TABLE, level);
      const index = this.tables.find(table, level) + (wide ? 2 * n : n);
      if (index < 0) return this.#fail(NO_RAM, level);
      this.pteIndex[level] = index;
      const pte = env.i32[index], high = wide ? env.i32[index + 1] : 0;
      this.pteLo[level] = pte;
      this.pteHi[level] = high;
      if (!(pte & V)) return this.#fail(INVALID, level);
      if ((pte & (R | W)) === W || high & RESERVED) return this.#fail(RESERVED_BITS, level);
      let ppn = (high & PPN_HIGH) * 2 ** 22 + (pte >>> 10);
      if (!(pte & (R | X))) {
        // Priv 10.4.1: D, A, U and the attributes of a pointer are reserved.
        if (pte & (D | A | U) || high & (PBMT | NAPOT)) return this.#fail(RESERVED_BITS, level);
        table = ppn;
        continue;
      }
      if (high & PBMT && (!this.pbmt || (high & PBMT) >> PBMT_SHIFT === 3)) return this.#fail(RESERVED_BITS, level);
      if (pte & U) {
        if (!user && (access === FETCH || !(status & SUM))) return this.#fail(IS_USER, level);
      } else if (user) return this.#fail(NOT_USER, level);
      const allowed = access === READ ? pte & R || (status & MXR && pte & X) : pte & (access === WRITE ? W : X);
      if (!allowed) return this.#fail(NO_RIGHT, level);
      if (level > 0 && ppn % (wide ? SPAN[level] : 1024) !== 0) return this.#fail(MISALIGNED, level);
      if (high & NAPOT) {
        // Svnapot: only 64 KiB pages, PPN bits 3..0 are 1000.
        if (!this.config.svnapot || level > 0 || ppn % 16 !== 8) return this.#fail(RESERVED_BITS, level);
        ppn += (lo >>> 12 & 15) - 8;
      }
      const set = A | (access === WRITE ? D : 0);
      if ((pte & set) !== set) {
        if (!this.updates) return this.#fail(AD_CLEAR, level);
        // Priv 10.3.2, step 7; QEMU 7.2 does not look.
        if (!pmp.open && !(pmp.rights(at, false, wide ? 8 : 4) & 2)) return this.#fail(PMP_UPDATE, level);
        if (!dry) {
          env.i32[index] = this.pteLo[level] = pte | set;
          env.walkerWrote(index << 2 >>> 0, 4);
        }
      }
      const paddr = ppn * 4096 + offset(lo, hi, level, wide);
      if (pmp.open) this.whole = true;
      else {
        if (!(pmp.rights(paddr, false, size) & RIGHT[access])) return this.#fail(PMP_ACCESS, level);
        this.whole = pmp.whole;
      }
      if (!dry) this.tables.served(lo, hi, level, levels - 1, levels, this.#bits, access);
      this.reason = 0;
      this.level = level;
      return paddr;
    }
    return this.#fail(TOO_DEEP, 0);
  }

  /** After a walk that succeeded: the page's A bit is set. */
  get accessed(): boolean {
    return (this.pteLo[this.level] & A) !== 0;
  }
}

/** The right that an access needs, as in pmpcfg, by `Access`. */
export const RIGHT = [1, 2, 4];

/** Address bits from 12 + bits*level on, as many as an index has. */
function vpn(lo: number, hi: number, level: number, bits: number): number {
  const shift = 12 + bits * level, mask = (1 << bits) - 1;
  return (shift >= 32 ? hi >>> (shift - 32) : shift > 22 ? (lo >>> shift) | (hi << (32 - shift)) : lo >>> shift) & mask;
}

/** Offset in a page of a level. */
function offset(lo: number, hi: number, level: number, wide: boolean): number {
  if (level === 0) return lo & 0xfff;
  if (!wide) return lo & 0x3f_ffff;
  if (level <= 2) return lo & (level === 1 ? 0x1f_ffff : 0x3fff_ffff);
  return (hi & (level === 3 ? 0x7f : 0xffff)) * 2 ** 32 + (lo >>> 0);
}
