// HOT: no bigint, no closures, no allocation.
// The control and status registers of one hart: which of csr.ts's rows it has, the instructions on them, and the writes that change more than
// their register (RISC-V Privileged 20240411, "Priv"; CMO 1.0).
import type { CoreEnv } from "../ir/frontend.ts";
import { ARG } from "../ir/layout.ts";
import type { Addressing } from "./addressing.ts";
import type { Counters } from "./counters.ts";
import { type CsrHost, type CsrRow, csrRow, type HartIdentity } from "./csr.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Pmp } from "./pmp.ts";
import { ADUE, CBCFE, CBIE, CBZE, FIOM, FS, MPP, MPRV, MXR, PBMTE, SD, STCE, SUM } from "./registers.ts";
import { FFLAGS, FRM, X } from "./slots.ts";
import type { HartState, HartWindow } from "./state.ts";

/** Fields of mstatus on which loads, stores or code depend. */
const VISIBLE = SUM | MXR | MPRV | MPP | FS;
const CBIE_RESERVED = 2 << 4;

/** What instructions need of a row: all of one shape, which is fast. */
interface Row {
  readonly denied: CsrRow["denied"] | undefined;
  readonly read: CsrRow["read"];
  readonly high: CsrRow["high"] | undefined;
  readonly write: CsrRow["write"];
}

export class CsrFile implements CsrHost {
  readonly xlen: 32 | 64;
  readonly pcMask: number;
  /** Writable bits of the low half of menvcfg, and of senvcfg. */
  readonly envcfg: number;
  /** Writable bits of the upper half of menvcfg. */
  readonly menvcfgHigh: number;
  /** By number, those that were asked for; null: this hart has none. */
  readonly #rows = Array<Row | null | undefined>(4096);

  constructor(
    readonly env: Pick<CoreEnv, "flushTlb" | "i32">,
    readonly isa: CsrHost["isa"],
    readonly identity: HartIdentity,
    readonly s: HartState,
    readonly window: HartWindow,
    readonly pmp: Pmp,
    readonly counters: Counters,
    readonly interrupts: Interrupts,
    readonly addressing: Addressing,
  ) {
    this.xlen = this.window.bits;
    this.pcMask = isa.has("zca") ? -2 : -4;
    this.envcfg = FIOM | (isa.has("zicbom") ? CBIE | CBCFE : 0) | (isa.has("zicboz") ? CBZE : 0);
    this.menvcfgHigh = (isa.has("sstc") ? STCE : 0) | (isa.has("svpbmt") ? PBMTE : 0) | (isa.has("svadu") ? ADUE : 0);
  }

  #row(number: number): Row | null {
    let row = this.#rows[number];
    if (row === undefined) {
      const r = csrRow(number);
      row = !r || r.when?.(this) === false ? null : { denied: r.denied, read: r.read, high: r.high, write: r.write };
      this.#rows[number] = row;
    }
    return row;
  }

  /**
   * The CSR instruction that a helper was called with (see helpers.ts): its effect, after which the hart goes on behind it. False when it is
   * illegal here, and nothing has changed.
   */
  execute(): boolean {
    const { window } = this, { i32 } = this.env, a = ARG >> 2, word = i32[a], row = this.#row(word >>> 20), priv = this.s.priv;
    const kind = word >> 12 & 3, rs1 = word >> 15 & 31, rd = word >> 7 & 31, writes = kind === 1 || rs1 !== 0;
    const forbidden = !row || priv < (word >> 28 & 3) || (writes && word >>> 30 === 3) || (row.denied !== undefined && row.denied(this));
    if (forbidden) return false;
    const oldLo = row.read(this), oldHi = row.high === undefined ? 0 : row.high(this), lo = i32[a + 2], hi = i32[a + 3];
    window.setPc(i32[a + 6], i32[a + 7]);
    if (rd !== 0) window.set(X(rd), oldLo, oldHi);
    if (writes && row.write) {
      if (kind === 1) row.write(this, lo, hi, -1, 1);
      else if (kind === 2) row.write(this, oldLo | lo, oldHi | hi, lo, 1);
      else row.write(this, oldLo & ~lo, oldHi & ~hi, lo, 1);
    }
    return true;
  }

  setStatus(status: number): void {
    const { window } = this, dirty = (status & FS) === FS, changed = window.status ^ status;
    window.status = status & ~SD | (dirty ? SD : 0);
    if (changed & VISIBLE) {
      // Loads that MXR permits are in the data TLBs.
      if (changed & MXR) this.env.flushTlb();
      this.addressing.refresh();
    }
    this.interrupts.update();
  }

  setFcsr(fflags: number, frm: number): void {
    const { window } = this;
    window.setLo(FFLAGS, fflags);
    window.setLo(FRM, frm);
    window.status |= FS | SD;
    this.addressing.refresh();
  }

  /** CBIE is WARL, and 2 is reserved (CMO 1.0, 2.6): it stays as it was. */
  #legalEnvcfg(lo: number, before: number): number {
    return ((lo & CBIE) === CBIE_RESERVED ? lo & ~CBIE | before & CBIE : lo) & this.envcfg;
  }
  setSenvcfg(lo: number): void {
    this.s.senvcfg = this.#legalEnvcfg(lo, this.s.senvcfg);
    this.addressing.refresh();
  }
  setMenvcfg(lo: number, hi: number): void {
    const s = this.s, before = s.menvcfgHi;
    s.menvcfgLo = this.#legalEnvcfg(lo, s.menvcfgLo);
    s.menvcfgHi = hi & this.menvcfgHigh;
    if (before === s.menvcfgHi) return this.addressing.refresh();
    this.addressing.environmentChanged();
    this.interrupts.timerDue();
  }
}
