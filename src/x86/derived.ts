// HOT: no bigint, no closures, no allocation.
// What follows from a processor's state and is not part of it: the mode of operation, the bits that translated code depends on, the
// engine's numbers for code and TLBs, how paging is set up, address spaces. It is worked out anew when something that it follows from has
// changed.
import { CONTEXT, SWITCH, SWITCH_END, TLB } from "../ir/layout.ts";
import type { CoreEnv } from "../ir/frontend.ts";
import type { Spaces } from "../ir/spaces.ts";
import type { CpuState, Modes } from "./cpu_state.ts";
import type { DebugRegisters } from "./debug_registers.ts";
import type { LinearAddresses } from "./linear_addresses.ts";
import type { MicrocodeMemory } from "./microcode_memory.ts";
import type { Paging } from "./paging.ts";
import type { X86Config } from "./ports.ts";
import { BIG, CS, LONG, SS } from "./segments.ts";
import {
  CODE_END,
  MODE_CODE32,
  MODE_CODE64,
  MODE_CPL_SHIFT,
  MODE_EM,
  MODE_FLAT,
  MODE_MP,
  MODE_ODD_END,
  MODE_OSFXSR,
  MODE_PHYSICAL,
  MODE_PROTECTED,
  MODE_SSE_FAST,
  MODE_STACK32,
  MODE_TF,
  MODE_TS,
  MODE_V86,
  MXCSR,
  mxcsrIsFast,
  SWITCH_SYSTEM,
  SWITCH_USER,
  TSC_OFFSET,
  TSC_PLAIN,
} from "./slots.ts";
import {
  AC,
  CR0_AM,
  CR0_EM,
  CR0_MP,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_LA57,
  CR4_OSFXSR,
  CR4_PAE,
  CR4_PKE,
  CR4_PKS,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  EFER_LMA,
  EFER_NXE,
  RF,
  STATUS,
  TF,
  VM,
} from "./registers.ts";
import type { SegmentFile } from "./segment_file.ts";
import type { X86Window } from "./state_window.ts";

export class Derived {
  readonly env: CoreEnv;
  readonly s: CpuState;
  readonly window: X86Window;
  readonly modes: Modes;
  readonly segments: SegmentFile;
  readonly debug: DebugRegisters;
  readonly paging: Paging;
  readonly spaces: Spaces;
  /** What translated code depends on has changed; helpers begin with false. */
  changed = false;
  /** Mode bits but for the privilege and MODE_SSE_FAST; those two, the regime's part and the address space that SWITCH are of. */
  #mode = 0;
  #fast = 0;
  #paged = 0;
  #space = 0;

  constructor(readonly config: Pick<X86Config, "tscIsClock">, readonly addresses: LinearAddresses, readonly memory: MicrocodeMemory) {
    this.env = addresses.env;
    this.s = addresses.s;
    this.window = addresses.window;
    this.modes = addresses.modes;
    this.segments = addresses.segments;
    this.debug = addresses.debug;
    this.paging = addresses.paging;
    this.spaces = addresses.spaces;
  }

  mode(): number {
    const fast = mxcsrIsFast(this.window.lo(MXCSR)) ? MODE_SSE_FAST : 0;
    if (fast !== this.#fast) {
      this.#fast = fast;
      this.forgetSwitch();
    }
    return this.#mode | this.window.cpl << MODE_CPL_SHIFT | fast;
  }
  regime(): number {
    return this.spaces.regime(this.paging.levels === 0 ? 0 : this.window.cpl === 3 ? 3 : this.addresses.smap ? 2 : 1);
  }
  context(): number {
    return this.window.cpl === 3 ? this.spaces.user << 1 | 1 : this.spaces.system << 1;
  }
  get physical(): boolean {
    return (this.#mode & MODE_PHYSICAL) !== 0;
  }

  /** Derives anew what depends on the mode: after any change of CR0, CR4, EFER, RFLAGS' TF, RF, VM or AC, CPL or a segment register. */
  refresh(): void {
    const s = this.s, attr = this.segments.attr, flags = this.window.systemFlags, cs = attr[CS];
    const pe = (s.cr0 & CR0_PE) !== 0, v86 = pe && (flags & VM) !== 0, lma = (this.window.efer & EFER_LMA) !== 0;
    const code64 = lma && (cs & LONG) !== 0, protectedMode = pe && !v86;
    if (code64 !== this.modes.code64 || protectedMode !== this.modes.protectedMode || v86 !== this.modes.v86) {
      // Other code leaves the upper halves of the status flags' record alone: they must be zero there.
      if (!code64 && this.modes.code64) this.window.setFlags(this.window.flags, STATUS);
      this.modes.code64 = code64;
      this.modes.protectedMode = protectedMode;
      this.segments.modeChanged();
    }
    this.modes.v86 = v86;
    this.modes.lma = lma;
    const aligned = this.window.cpl === 3 && (s.cr0 & CR0_AM) !== 0 && (flags & AC) !== 0;
    const stepping = flags & (TF | RF) || s.stepOnce || this.debug.onCode;
    const flat = code64 || this.segments.flat;
    // 64-bit code has one kind of stack: that of an interrupt, with a null SS, and that of SYSCALL have the same code.
    const mode = (code64 ? MODE_CODE64 : (cs & BIG ? MODE_CODE32 : 0) | (attr[SS] & BIG ? MODE_STACK32 : 0)) | (pe ? MODE_PROTECTED : 0) |
      (v86 ? MODE_V86 : 0) | (flat ? MODE_FLAT : 0) | (s.cr0 & CR0_TS ? MODE_TS : 0) |
      (s.cr0 & CR0_EM ? MODE_EM : 0) | (s.cr0 & CR0_MP ? MODE_MP : 0) | (s.cr4 & CR4_OSFXSR ? MODE_OSFXSR : 0) | (stepping ? MODE_TF : 0) |
      (this.paging.levels === 0 && s.a20 && !this.debug.onData && !aligned ? MODE_PHYSICAL : 0) |
      (flat || (this.window.lo(CODE_END) & 15) === 15 ? 0 : MODE_ODD_END);
    // Pages that were cached without the check must not be while it is on.
    if (aligned && !this.addresses.aligned) this.env.flushTlb();
    this.addresses.aligned = aligned;
    const paged = (this.paging.levels === 0 ? 0 : 1) | s.cr4 & CR4_SMAP, space = this.spaces.system;
    if (mode !== this.#mode || paged !== this.#paged || space !== this.#space) {
      this.#mode = mode;
      this.#paged = paged;
      this.#space = space;
      this.forgetSwitch();
    }
    if (this.env.base() === 0) this.#announce();
  }
  /** Goes on at privilege `cpl`; CS and the flags may have changed, and nothing else that `refresh` looks at. */
  enter(cpl: number): void {
    this.window.cpl = cpl;
    const calm = this.modes.code64 && this.segments.attr[CS] & LONG &&
      !((this.#mode & MODE_TF) | (this.window.systemFlags & (TF | RF | AC))) &&
      !this.addresses.aligned;
    if (calm) this.#announce();
    else this.refresh();
  }
  /** What the other privilege's code and TLB are is not known any more, or not to be used without a look. */
  forgetSwitch(): void {
    this.env.i32.fill(0, SWITCH >> 2, SWITCH_END >> 2);
  }
  /**
   * Lets the engine know what code and TLB go with the present mode, if it does not: mostly only the privilege has changed, and back again.
   */
  #announce(): void {
    const { env } = this, { i32 } = env, cpl = this.window.cpl, side = (cpl === 3 ? SWITCH_USER : SWITCH_SYSTEM) >> 2;
    // Under a debugger's breakpoints and in an NMI's handler the ways back are the helpers'.
    const known = (cpl === 0 || cpl === 3) && !(this.s.dr7 & 0xff) && !this.s.nmiMasked &&
      !(this.s.cr4 & CR4_SMAP && this.window.systemFlags & AC) &&
      this.#fast === (mxcsrIsFast(i32[MXCSR >> 2]) ? MODE_SSE_FAST : 0);
    const tlb = i32[TLB >> 2], context = i32[CONTEXT >> 2];
    if (known && i32[side + 1] !== 0) {
      i32[TLB >> 2] = i32[side];
      i32[CONTEXT >> 2] = i32[side + 1];
    } else {
      env.changed();
      if (known) {
        i32[side] = i32[TLB >> 2];
        i32[side + 1] = i32[CONTEXT >> 2];
      }
    }
    if (i32[TLB >> 2] !== tlb || i32[CONTEXT >> 2] !== context) this.changed = true;
  }
  /** After DR7 was written. */
  breakpointsMoved(): void {
    this.forgetSwitch();
    this.debug.moved();
    this.env.flushTlb();
    this.refresh();
  }

  /** After the time-stamp counter or CR4 was written. */
  tscMoved(): void {
    const { tscOffset, cr4 } = this.s, hi = Math.floor(tscOffset / 2 ** 32);
    this.window.set(TSC_OFFSET, tscOffset - hi * 2 ** 32, hi);
    const plain = this.config.tscIsClock && Math.abs(tscOffset) < 2 ** 52;
    this.window.set(TSC_PLAIN, !plain ? 0 : cr4 & CR4_TSD ? 1 : 2, 0);
  }

  /** After CR0, CR3, CR4 or EFER were written: paging mode, root. Flushes nothing. */
  setPaging(): void {
    this.tscMoved();
    const s = this.s, p = this.paging, paged = (s.cr0 & CR0_PG) !== 0, pae = (s.cr4 & CR4_PAE) !== 0;
    p.levels = !paged ? 0 : this.window.efer & EFER_LMA ? (s.cr4 & CR4_LA57 ? 5 : 4) : pae ? 3 : 2;
    p.root = p.levels >= 4 ? (s.cr3Hi & 0xff) * 2 ** 32 + ((s.cr3Lo & -4096) >>> 0) : (s.cr3Lo & -4096) >>> 0;
    p.pse = (s.cr4 & CR4_PSE) !== 0;
    p.nxe = (this.window.efer & EFER_NXE) !== 0;
    p.wp = (s.cr0 & CR0_WP) !== 0;
    p.smep = (s.cr4 & CR4_SMEP) !== 0;
    p.userKeys = p.levels >= 4 && s.cr4 & CR4_PKE ? s.pkru : 0;
    p.systemKeys = p.levels >= 4 && s.cr4 & CR4_PKS ? s.pkrs : 0;
  }
  /**
   * After PKRU or IA32_PKRS was written. What was translated with other rights is void; compiled code that goes on must not keep to it,
   * either.
   */
  keysMoved(): void {
    const { paging } = this, { userKeys, systemKeys } = paging;
    this.setPaging();
    if (paging.userKeys === userKeys && paging.systemKeys === systemKeys) return;
    this.env.flushTlb();
    this.changed = true;
  }
  /** Physical addresses lead to other places in memory now: so do those of the page tables. */
  remapped(): void {
    this.paging.tables.forget();
    this.flushAll();
  }
  /** See `Core.entryChanged`. */
  entryChanged(word: number, count: number, fetched: boolean): boolean {
    if (!fetched || !this.spaces.changed(word, count)) return false;
    this.forgetSwitch();
    this.env.changed();
    return true;
  }
  /** Forgets every translation. */
  flushAll(): void {
    this.env.flushTlb();
    this.spaces.forget();
    this.#enterSpace();
    this.refresh();
  }
  /** After a write to CR3. Its value alone says what the translations are: they are coherent with the tables. */
  newRoot(): void {
    this.memory.forget();
    this.#enterSpace();
    this.refresh();
  }
  /** SDM volume 3A, 4.4.1: PAE's PDPTEs are registers; which ones were loaded tells address spaces apart, too. */
  #enterSpace(): void {
    const { levels, pdpteLo, pdpteHi } = this.paging;
    const pdptes = levels === 3 ? Int32Array.of(...pdpteLo, ...pdpteHi) : undefined;
    // If another space had this place, it had these data TLBs.
    if (this.spaces.enter(this.s.cr3Lo, this.s.cr3Hi, pdptes)) this.env.flushTlb();
  }
  /** Derives everything anew after the state was replaced. */
  reload(): void {
    this.setPaging();
    this.segments.modeChanged();
    this.breakpointsMoved();
    this.flushAll();
    // The slots of segments depend on the mode that refresh has just found.
    this.segments.modeChanged();
  }
}
