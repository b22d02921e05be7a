// HOT: no bigint (but for the debugger's side), no closures, no allocation.
// What addresses mean to a hart as its state is now: translation with protection, and the mode, regime and context by which the engine tells such
// meanings apart (RISC-V Privileged 20240411, 3.1.6.3, 3.7 and 10.3; Svade and Svadu 1.0).
import { type Access, type CoreEnv, FETCH } from "../ir/frontend.ts";
import { Spaces } from "../ir/spaces.ts";
import { type Mmu, RIGHT } from "./mmu.ts";
import type { Pmp } from "./pmp.ts";
import { ADUE, CBZE, FS, MPP, MPP_SHIFT, MPRV, PBMTE, SUM } from "./registers.ts";
import { FFLAGS, FRM, MODE_CBZE, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, MODE_PHYSICAL, MODE_PRIV_SHIFT } from "./slots.ts";
import { type HartState, type HartWindow, mayCbo } from "./state.ts";
import { ACCESS_FAULT, hex, low32, PAGE_FAULT, type PendingException, type Reporter, wide } from "./trap.ts";

const NX = 1;

export class Addressing {
  /** See `Core.translate`. */
  pageCacheable = true;

  // Derived from the state by `refresh`.
  #mode = 0;
  #rights = 0;
  #context = 0;
  /** Effective privilege of loads and stores. */
  #dataPriv = 3;
  /** Whether untranslated data TLB entries were made with M's rights: matters only when the PMP tells them apart. */
  #bareMachine = true;
  /** Fetch contexts: of satp values, and numbers for M-mode and for untranslated S and U. */
  readonly #spaces: Spaces;

  /** @param updates whether hardware sets A and D bits; "menvcfg": as ADUE says there */
  constructor(
    readonly env: CoreEnv,
    readonly s: HartState,
    readonly window: HartWindow,
    readonly mmu: Mmu,
    readonly pmp: Pmp,
    readonly exception: PendingException,
    readonly updates: boolean | "menvcfg",
    readonly reporter: Reporter,
  ) {
    this.#spaces = new Spaces(env);
  }

  // --- what the engine asks
  get physical(): boolean {
    return (this.#mode & MODE_PHYSICAL) !== 0;
  }
  mode(): number {
    // The flags change in floating-point helpers, too, so they are looked at here.
    const i32 = this.env.i32, base = this.env.base();
    return i32[base + FFLAGS >> 2] & NX && i32[base + FRM >> 2] === 0 ? this.#mode | MODE_FP_FAST : this.#mode;
  }
  regime(): number {
    return this.#spaces.regime(this.#rights);
  }
  context(): number {
    return this.#context;
  }

  translate(lo: number, hi: number, access: Access, size = 1): number {
    const s = this.s, mmu = this.mmu, pmp = this.pmp, priv = access === FETCH ? s.priv : this.#dataPriv;
    const inPage = Math.min(access === FETCH ? 2 : size, 4096 - (lo & 0xfff));
    let paddr: number;
    if (priv === 3 || mmu.levels === 0) {
      paddr = (hi >>> 0) * 2 ** 32 + (lo >>> 0);
      const rights = pmp.rights(paddr, priv === 3, inPage);
      this.pageCacheable = pmp.whole;
      if (!(rights & RIGHT[access]) || hi >>> 0 >= 1 << 24) {
        this.exception.record(ACCESS_FAULT[access], lo, hi);
        return -1;
      }
    } else {
      paddr = mmu.walk(lo, hi, access, priv === 0, this.window.status, false, inPage);
      if (paddr < 0) {
        this.exception.record((mmu.physical ? ACCESS_FAULT : PAGE_FAULT)[access], lo, hi);
        return -1;
      }
      if (access === FETCH) this.#fetched(priv);
      this.pageCacheable = mmu.whole;
    }
    return access === FETCH && !this.pageCacheable ? this.#fetchRest(lo, hi, paddr, priv) : paddr;
  }

  /** In a page of mixed rights: the second half of the instruction at `paddr` has to be executable, too. */
  #fetchRest(lo: number, hi: number, paddr: number, priv: number): number {
    const at = (lo & 0xfff) < 4094 ? this.env.ram(paddr, 2) : -1;
    if (at < 0 || (this.env.u8[at] & 3) !== 3) return paddr;
    const allowed = this.pmp.rights(paddr + 2, priv === 3, 2) & RIGHT[FETCH];
    this.pageCacheable = false;
    if (allowed) return paddr;
    this.exception.record(ACCESS_FAULT[FETCH], (lo + 2) | 0, hi);
    return -1;
  }

  probeFetch(lo: number, hi: number): number {
    const { mmu } = this, { priv } = this.s, { status } = this.window;
    if (priv === 3 || mmu.levels === 0 || mmu.walk(lo, hi, FETCH, priv === 0, status, true) < 0 || !mmu.accessed) return -1;
    // Now that it is known to change nothing: once more, so that changes of the tables take the page into account.
    const paddr = mmu.walk(lo, hi, FETCH, priv === 0, status, false);
    this.#fetched(priv);
    return mmu.whole ? paddr : -1;
  }
  /** Code was found by the entries of the last walk. */
  #fetched(priv: number): void {
    const { level, levels, pteIndex } = this.mmu;
    for (let n = level; n < levels; n++) this.#spaces.fetched(pteIndex[n], priv === 0);
  }
  entryChanged(word: number, count: number, fetched: boolean): boolean {
    if (!fetched || !this.#spaces.changed(word, count)) return false;
    this.refresh();
    return true;
  }
  remapped(): void {
    this.mmu.tables.forget();
    this.forget();
  }

  // --- what changes it
  /** sfence.vma of one page (`one`) or of everything (Priv 10.2.1): translations are coherent with their tables, so there is nothing to do. */
  fenceVma(lo: number, hi: number, one: boolean): void {
    this.reporter.trace?.mmu?.(
      one ? `fence of ${this.reporter.place(BigInt.asUintN(this.window.bits, wide(lo, hi)))}` : "fence of everything",
    );
  }
  /** Priv 10.1.11: an unsupported MODE leaves the register as it was. */
  setSatp(lo: number, hi: number): void {
    const s = this.s;
    if (!this.mmu.supports(this.window.bits === 64 ? hi >>> 28 : lo >>> 31) || (s.satpLo === lo && s.satpHi === hi)) return;
    s.satpLo = lo;
    s.satpHi = hi;
    this.reporter.trace?.mmu?.(`satp = ${hex(BigInt.asUintN(this.window.bits, wide(lo, hi)))}`);
    this.mmu.setSatp(lo, hi);
    this.#findSpace();
    this.refresh();
  }

  pmpChanged(): void {
    this.reporter.trace?.mmu?.("the physical memory protection changes");
    this.forget();
  }

  /** After the upper half of menvcfg has changed: entries may mean something else now. */
  environmentChanged(): void {
    const { mmu, s, updates } = this;
    mmu.pbmt = (s.menvcfgHi & PBMTE) !== 0;
    mmu.updates = updates === "menvcfg" ? (s.menvcfgHi & ADUE) !== 0 : updates;
    this.forget();
  }
  /** Everything anew after the state was replaced. */
  reload(): void {
    this.mmu.setSatp(this.s.satpLo, this.s.satpHi);
    this.environmentChanged();
  }
  /** All translations are forgotten, those of physical addresses too. */
  forget(): void {
    this.#spaces.forget();
    this.#findSpace();
    this.refresh();
  }
  #findSpace(): void {
    // If another space had this place, it had these data TLBs.
    if (this.#spaces.enter(this.s.satpLo, this.s.satpHi)) this.env.flushTlb();
  }
  /** After a change of the privilege, of what mstatus says of accesses and floating point, or of what is allowed by menvcfg and senvcfg. */
  refresh(): void {
    const { s, mmu, pmp } = this, { status } = this.window, fs = status & FS;
    this.#mode = s.priv << MODE_PRIV_SHIFT | (fs ? MODE_FS : 0) | (fs === FS ? MODE_FS_DIRTY : 0) | (mayCbo(s, CBZE) ? MODE_CBZE : 0);
    const data = status & MPRV ? (status & MPP) >> MPP_SHIFT : s.priv, bare = mmu.levels === 0;
    this.#dataPriv = data;
    this.#rights = data === 3 || bare ? 0 : data === 0 ? 3 : status & SUM ? 2 : 1;
    if (this.#rights === 0 && this.#bareMachine !== (data === 3)) {
      this.#bareMachine = data === 3;
      if (!pmp.open) this.env.flushTlb();
    }
    const free = (priv: number) => priv === 3 ? pmp.unlocked || pmp.open : bare && pmp.open;
    if (free(s.priv) && free(data)) this.#mode |= MODE_PHYSICAL;
    const { system, user, untranslated: [machineSpace, bareSpace] } = this.#spaces;
    this.#context = (s.priv === 3 ? machineSpace : bare ? bareSpace : s.priv === 0 ? user : system) << 2 | s.priv;
    this.env.changed();
  }

  // --- debugger
  /** Physical address that an access would reach now, without side effects; undefined when it would fault. */
  probe(vaddr: bigint, access: Access): number | undefined {
    const lo = low32(vaddr), hi = this.window.bits === 64 ? low32(vaddr >> 32n) : 0;
    const priv = access === FETCH ? this.s.priv : this.#dataPriv;
    if (priv !== 3 && this.mmu.levels > 0) {
      const paddr = this.mmu.walk(lo, hi, access, priv === 0, this.window.status, true);
      return paddr < 0 ? undefined : paddr;
    }
    const paddr = (hi >>> 0) * 2 ** 32 + (lo >>> 0);
    return hi >>> 0 < 1 << 24 && this.pmp.rights(paddr, priv === 3) & RIGHT[access] ? paddr : undefined;
  }
}
