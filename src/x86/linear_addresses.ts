// HOT: no bigint (but for the debugger's `probe`), no closures, no allocation.
// Linear addresses: which are canonical, and what physical address is behind one, for the engine, for microcode and for a debugger. Intel
// SDM volume 1 (253665-083), 3.3.7; volume 3A (253668-083), chapter 4, 6.15 (#AC), 9.1.5 (A20).
import { type Access, type CoreEnv, FETCH } from "../ir/frontend.ts";
import { Spaces } from "../ir/spaces.ts";
import type { CpuState, Modes } from "./cpu_state.ts";
import type { Features } from "./cpuid.ts";
import type { DebugRegisters } from "./debug_registers.ts";
import { NOT_CANONICAL, XCPT } from "./exceptions.ts";
import { FAULTED, type Faults } from "./faults.ts";
import type { Paging } from "./paging.ts";
import { AC, CR4_LA57, CR4_SMAP } from "./registers.ts";
import type { SegmentFile } from "./segment_file.ts";
import type { X86Window } from "./state_window.ts";

export class LinearAddresses {
  /** Address spaces that code was fetched in. */
  readonly spaces: Spaces;
  /** Accesses must be aligned (SDM 6.15, #AC). */
  aligned = false;
  pageCacheable = true;
  readonly #wideBases: boolean;

  constructor(
    readonly env: CoreEnv,
    readonly s: CpuState,
    readonly window: X86Window,
    readonly modes: Modes,
    readonly segments: SegmentFile,
    readonly debug: DebugRegisters,
    readonly faults: Faults,
    readonly paging: Paging,
    features: Features,
  ) {
    this.spaces = new Spaces(env);
    this.#wideBases = features.has("la57");
  }

  /** Whether an address with this upper half is canonical: that of an access or a jump. */
  canonical(hi: number): boolean {
    const top = hi >> (this.s.cr4 & CR4_LA57 ? 24 : 15);
    return top === 0 || top === -1;
  }
  /**
   * The same for an address that a register is loaded with: bases of segments and of descriptor tables, MSRs, INVPCID's descriptor. There
   * counts what the processor has, not CR4.LA57 (Intel, "5-Level Paging and 5-Level EPT" 335252, 2.5 and 2.6).
   */
  canonicalBase(hi: number): boolean {
    const top = hi >> (this.#wideBases ? 24 : 15);
    return top === 0 || top === -1;
  }
  /** Whether all of an operand of 64-bit code is at canonical addresses. */
  canonicalSpan(lo: number, hi: number, bytes: number): boolean {
    return this.canonical(hi) && ((lo >>> 0) + bytes <= 2 ** 32 || this.canonical((hi + 1) | 0));
  }

  /** An operand of 64-bit code that a helper accesses must be canonical. */
  checkSpan(lo: number, hi: number, bytes: number): void {
    if (!this.modes.code64 || this.canonicalSpan(lo, hi, bytes)) return;
    this.faults.recordAt(NOT_CANONICAL, 0, lo, hi);
    throw FAULTED;
  }

  /** The A20 gate. */
  gate(paddr: number): number {
    return this.s.a20 || !(paddr & 0x10_0000) ? paddr : paddr - 0x10_0000;
  }

  /** The supervisor may not touch user pages (SDM 4.6.1). */
  get smap(): boolean {
    return (this.s.cr4 & CR4_SMAP) !== 0 && this.window.cpl < 3 && !(this.window.systemFlags & AC);
  }

  /** Physical address for the microcode; throws FAULTED. */
  physical(lo: number, hi: number, access: Access, user: boolean): number {
    const paging = this.paging;
    if (paging.levels === 0) return this.gate(lo >>> 0);
    if (this.modes.lma && !this.canonical(hi)) this.faults.raise(XCPT.GP, 0);
    // Accesses to descriptor tables and the TSS are the supervisor's at any CPL, and SMAP holds for them; AC counts only below CPL 3.
    const smap = (this.s.cr4 & CR4_SMAP) !== 0 && !(this.window.cpl < 3 && this.window.systemFlags & AC);
    const paddr = paging.walk(lo, hi, access, user, smap, false);
    if (paddr < 0) {
      this.faults.recordAt(XCPT.PF, this.paging.errorCode, lo, hi);
      throw FAULTED;
    }
    return this.gate(paddr);
  }

  /** What the engine asks: see `Core.translate`. */
  translate(lo: number, hi: number, access: Access, size = 1): number {
    this.pageCacheable = true;
    if (hi !== 0 && !this.modes.code64) {
      // The second part of an access that wraps at 4 GiB; the TLB would keep it under an address that nobody flushes.
      hi = 0;
      this.pageCacheable = false;
    }
    if (this.debug.onData && access !== FETCH) {
      this.pageCacheable = false;
      this.debug.matchData(lo, hi, access, size);
    }
    if (this.paging.levels === 0) return this.#misaligned(lo, access, size) ? -1 : this.gate(lo >>> 0);
    // Also the last byte: an operand that begins below the end of the canonical addresses may lie beyond it (SDM volume 1, 3.3.7.1).
    if (hi !== 0 && !this.canonicalSpan(lo, hi, size)) {
      this.faults.recordAt(access === FETCH ? XCPT.GP : NOT_CANONICAL, 0, lo, hi);
      return -1;
    }
    if (this.#misaligned(lo, access, size)) return -1;
    const user = this.window.cpl === 3, paddr = this.paging.walk(lo, hi, access, user, this.smap, false);
    if (paddr < 0) {
      if (access === FETCH && this.segments.beyondCode(lo)) this.faults.record(XCPT.GP, 0);
      else this.faults.recordAt(XCPT.PF, this.paging.errorCode, lo, hi);
      return -1;
    }
    if (access === FETCH) {
      const { leaf, levels, entryIndex } = this.paging;
      for (let level = leaf; level < levels; level++) if (entryIndex[level] >= 0) this.spaces.fetched(entryIndex[level], user);
    }
    return this.gate(paddr);
  }

  /** Records #AC for an access that has to be aligned and is not, with paging or without. While they have to be, the TLB keeps no page. */
  #misaligned(lo: number, access: Access, size: number): boolean {
    if (!this.aligned || access === FETCH) return false;
    this.pageCacheable = false;
    if (size > 8 || (lo & (size - 1)) === 0) return false;
    this.faults.record(XCPT.AC, 0);
    return true;
  }

  /**
   * Physical address that an access would reach now but for SMAP and protection keys, without side effects; undefined when it would fault.
   */
  probe(vaddr: bigint, access: Access): number | undefined {
    const lo = Number(BigInt.asIntN(32, vaddr)), hi = this.modes.lma ? Number(BigInt.asIntN(32, vaddr >> 32n)) : 0;
    if (this.paging.levels === 0) return this.gate(lo >>> 0);
    if (this.modes.lma && !this.canonical(hi)) return undefined;
    const p = this.paging, { userKeys, systemKeys } = p;
    // As SMAP, the keys are to catch programs, not who looks at them.
    p.userKeys = p.systemKeys = 0;
    const paddr = p.walk(lo, hi, access, this.window.cpl === 3, false, true);
    p.userKeys = userKeys;
    p.systemKeys = systemKeys;
    return paddr < 0 ? undefined : this.gate(paddr);
  }
}
