// A RISC-V hart: its parts put together, traps and returns, and what system instructions call. RISC-V Privileged 20240411, with Sstc 1.0.0,
// Svade/Svadu 1.0, Svinval, Svnapot and Svpbmt. Instructions are in isa/*.ts. Not modelled: H, N, debug mode, triggers, big-endian data, UXL and
// SXL other than XLEN.
import type { CpuTrace, RegisterInfo } from "../core/cpu.ts";
import type { IrqLine } from "../core/irq.ts";
import type { Builder } from "../ir/builder.ts";
import {
  type Access,
  type Code,
  CONTINUE,
  type Core,
  type CoreEnv,
  FAULT,
  FETCH,
  FINISH,
  type Helper,
  READ,
  type Status,
  WRITE,
} from "../ir/frontend.ts";
import { GUEST, GUEST_END } from "../ir/layout.ts";
import { Addressing } from "./addressing.ts";
import { clmulHelpers } from "./clmul.ts";
import { Counters } from "./counters.ts";
import { csrPlain, type HartIdentity, type PlainCsr, slotOf } from "./csr.ts";
import { CsrFile } from "./csr_file.ts";
import { DebugView } from "./debug.ts";
import { SYSTEM_HELPERS } from "./helpers.ts";
import type { Isa } from "./instruction_set.ts";
import { type InterruptHost, Interrupts } from "./interrupts.ts";
import { floatHelpers } from "./lazy_floating.ts";
import { Mmu, type MmuMode } from "./mmu.ts";
import { Pmp } from "./pmp.ts";
import {
  ADUE,
  CBCFE,
  CBIE,
  CBZE,
  CY,
  FS,
  IR,
  MIE,
  MPIE,
  MPP,
  MPP_SHIFT,
  MPRV,
  MXR,
  SD,
  SIE,
  SPIE,
  SPP,
  SUM,
  TM,
  TSR,
  TVM,
  TW,
} from "./registers.ts";
import { RES_ADDRESS, X } from "./slots.ts";
import { type HartState, HartWindow, mayCbo, powerOn } from "./state.ts";
import { translateBlock } from "./translate.ts";
import { ACCESS_FAULT, CAUSE, hex, low32, mostUrgent, PendingException, SEIP, SSIP, STIP, TrapLog, wide } from "./trap.ts";

/** What distinguishes one hart from another. */
export interface HartConfig extends InterruptHost, HartIdentity {
  /** S and U are always there. */
  readonly isa: Isa;
  /** Widest translation that satp offers. */
  readonly mmu: MmuMode;
  /** Clear A and D bits fault instead of being set by the walker (unless Svadu says otherwise). */
  readonly svade: boolean;
  /** Address of the first instruction. */
  readonly reset: bigint;
  /** Number of PMP entries: 0, 16 or 64. */
  readonly pmpEntries: number;
  /** Called when a trap handler's first instruction has trapped; `traps.loop` tells how often in a row. */
  onTrapLoop?(): void;
  /** An interrupt has been taken STORM times in a row, each when the handler had just returned from the one before. */
  onStorm?(interrupt: number): void;
  /** Called when an instruction is met that needs floating point, which is not loaded: `needsFloating` is set. */
  onFloating?(): void;
  /** Serves an environment call from S-mode in place of M-mode software; false: it did not, so the call traps. The pc is already behind the call. */
  firmware?(): boolean;
}

const [SEPC, SCAUSE, STVAL, MEPC, MCAUSE, MTVAL] = ["sepc", "scause", "stval", "mepc", "mcause", "mtval"].map(slotOf);
/** So many interrupts between which nothing ran are more than a burst: the longest of a device is a FIFO's length. */
export const STORM = 10_000;

export class Hart implements Core {
  readonly xlen: 32 | 64;
  readonly s: HartState = powerOn();
  readonly window: HartWindow;
  readonly interrupts: Interrupts;
  readonly addressing: Addressing;
  readonly counters: Counters;
  readonly csrs: CsrFile;
  readonly pmp: Pmp;
  readonly mmu: Mmu;
  readonly helpers: readonly Helper[];
  readonly traps = new TrapLog();
  trace: CpuTrace | undefined;
  place: (at: bigint) => string = hex;
  /** The next instruction is of floating point, which was not loaded. */
  needsFloating = false;
  readonly #exception = new PendingException();
  /** Which registers rows may access inline. */
  readonly csrPlain = (number: number, mode: number): PlainCsr | undefined => csrPlain(number, mode, this.config.isa);
  // For advice alone: interrupts in a row between which nothing ran, and the instruction count at the last return from one.
  #storm = 0;
  #returnedAt = -1;
  #interrupted = false;
  readonly #debug: DebugView;

  constructor(readonly env: CoreEnv, readonly config: HartConfig) {
    this.xlen = config.isa.xlen;
    this.window = new HartWindow(env, this.xlen);
    this.interrupts = new Interrupts(this.s, this.window, config);
    this.pmp = new Pmp(config.pmpEntries, this.xlen);
    this.mmu = new Mmu(env, this.pmp, { xlen: this.xlen, mmu: config.mmu, svnapot: this.has("svnapot") });
    const updates = this.has("svadu") ? "menvcfg" : !this.#svade;
    this.addressing = new Addressing(env, this.s, this.window, this.mmu, this.pmp, this.#exception, updates, this);
    this.counters = new Counters(this.s, env, config);
    const { s, window, pmp, counters, interrupts, addressing } = this;
    this.csrs = new CsrFile(env, config.isa, config, s, window, pmp, counters, interrupts, addressing);
    this.#debug = new DebugView(this.csrs, addressing, interrupts, this.traps, this);
    const own: Readonly<Record<(typeof SYSTEM_HELPERS)[number], () => Status>> = {
      exception: () => this.#trapAt(this.window.argLo(0), this.window.argLo(1), this.window.argHi(1), 2),
      csr: () => this.#csr(),
      ecall: () => this.#ecall(),
      // Priv 3.1.16 lets mtval be 0 or the pc; QEMU 7.2 writes 0.
      ebreak: () => this.#trapAt(CAUSE.breakpoint, this.window.argLo(0), this.window.argHi(0), 0),
      mret: () => this.#mret(),
      sret: () => this.#sret(),
      wfi: () => this.#wfi(),
      sfenceVma: () => this.#sfenceVma(),
      fetchFault: () => this.#fetchFault(),
      misalignedLoad: () => this.fault(CAUSE.misalignedLoad, this.window.argLo(0), this.window.argHi(0)),
      misalignedStore: () => this.fault(CAUSE.misalignedStore, this.window.argLo(0), this.window.argHi(0)),
      misalignedFetch: () => this.fault(CAUSE.misalignedFetch, this.window.argLo(0), this.window.argHi(0)),
      fpDirty: () => this.#fpDirty(),
      cbo: () => this.#cbo(),
    };
    this.helpers = [
      ...SYSTEM_HELPERS.map((name) => ({ name, run: own[name] })),
      ...clmulHelpers(env),
      ...floatHelpers(env, (word) => this.fault(CAUSE.illegal, word, 0)),
    ];
  }

  /** Clear A and D bits are page faults, unless menvcfg says otherwise. */
  get #svade(): boolean {
    return this.config.svade || this.has("svade");
  }
  has(extension: string): boolean {
    return this.config.isa.has(extension);
  }

  /** Puts the hart into its state after power on; wires keep their levels. */
  reset(): void {
    const { i32 } = this.env, base = this.env.base() >> 2, lines = this.s.lines;
    i32.fill(0, base + (GUEST >> 2), base + (GUEST_END >> 2));
    this.window.set(RES_ADDRESS, -1, -1);
    Object.assign(this.s, powerOn(), { lines });
    // Svadu: hardware updates are on unless Svade is there too (QEMU 8).
    this.s.menvcfgHi = this.#svade ? 0 : this.csrs.menvcfgHigh & ADUE;
    this.pc = this.config.reset;
    this.pmp.reset();
    this.traps.clear();
    this.config.timer(Infinity);
    this.#reload();
  }

  /**
   * What firmware leaves when it starts a hart in S-mode: everything delegated, memory open, floating point on, cycle, time and instret readable
   * in U-mode (as OpenSBI does it: tests/entry_test.ts compares), a0 = hart id.
   */
  startSupervisor(pc: bigint, a1: bigint): void {
    const s = this.s;
    s.priv = 1;
    this.window.status &= ~(SIE | SUM | MXR | MPRV);
    if (this.has("f")) this.window.status |= FS | SD;
    s.scounteren = CY | TM | IR;
    s.medeleg = 0xb1ff; // all but environment calls from S, which are the firmware's
    s.mideleg = SSIP | STIP | SEIP;
    s.mcounteren = -1;
    s.menvcfgLo = this.csrs.envcfg;
    // Where there are both, Svade holds until the supervisor asks for the other (SBI 3.0, 18: PTE_AD_HW_UPDATING).
    s.menvcfgHi = this.csrs.menvcfgHigh & (this.#svade ? ~ADUE : -1);
    s.satpLo = s.satpHi = 0;
    s.mie = s.soft = 0;
    s.waiting = s.stopped = false;
    if (this.pmp.entries > 0) {
      this.pmp.reset();
      this.pmp.writeAddress(0, 0xffff_ffff, 0xffff_ffff);
      this.pmp.writeCfg(0, 0x1f); // NAPOT, RWX
      this.pmp.refresh();
    }
    this.window.set(X(10), this.config.hartId, 0);
    this.window.set(X(11), low32(a1), this.xlen === 64 ? low32(a1 >> 32n) : 0);
    this.pc = pc;
    this.#reload();
  }

  get pc(): bigint {
    return this.window.pc;
  }
  set pc(value: bigint) {
    this.window.pc = value;
  }

  // --- what the engine asks
  get physical(): boolean {
    return this.addressing.physical;
  }
  get pageCacheable(): boolean {
    return this.addressing.pageCacheable;
  }
  mode(): number {
    return this.addressing.mode();
  }
  regime(): number {
    return this.addressing.regime();
  }
  context(): number {
    return this.addressing.context();
  }
  translate(lo: number, hi: number, access: Access, size = 1): number {
    return this.addressing.translate(lo, hi, access, size);
  }
  probeFetch(lo: number, hi: number): number {
    return this.addressing.probeFetch(lo, hi);
  }
  entryChanged(word: number, count: number, fetched: boolean): boolean {
    return this.addressing.entryChanged(word, count, fetched);
  }
  tablesForgotten(): void {
    this.mmu.tables.forget();
  }
  remapped(): void {
    this.addressing.remapped();
  }
  busFault(lo: number, hi: number, access: Access): void {
    this.fault(ACCESS_FAULT[access], lo, hi);
  }

  raise(): void {
    const s = this.s, { cause, tvalLo, tvalHi } = this.#exception;
    if (cause < 0) throw new Error("no exception is recorded");
    this.#exception.cause = -1;
    s.trapped++;
    const toS = s.priv < 3 && (s.medeleg >> cause & 1) !== 0;
    this.#enter(toS, cause, false, tvalLo, tvalHi);
  }

  interrupt(): boolean {
    const { deliverable } = this.interrupts;
    if (deliverable === 0) return false;
    const n = mostUrgent(deliverable);
    // One instruction has begun since the helper of the return looked: the return itself.
    this.#storm = this.env.instructions() === this.#returnedAt + 1 ? this.#storm + 1 : 1;
    if (this.#storm === STORM) this.config.onStorm?.(n);
    this.#interrupted = true;
    this.#enter((this.s.mideleg >> n & 1) !== 0, n, true, 0, 0);
    return true;
  }

  translateBlock(b: Builder, code: Code, max: number): void {
    translateBlock(b, code, max, this.mode(), this.config.isa, this.csrPlain);
    if (b.insns > 0) return;
    this.needsFloating = true;
    this.config.onFloating?.();
  }

  // --- traps
  /** Records an exception; `raise` delivers it. */
  fault(cause: number, tvalLo: number, tvalHi: number): Status {
    return this.#exception.record(cause, tvalLo, tvalHi);
  }

  /** Delivers an exception of the instruction whose address is argument `pcArg`. */
  #trapAt(cause: number, tvalLo: number, tvalHi: number, pcArg: number): Status {
    this.window.setPc(this.window.argLo(pcArg), this.window.argHi(pcArg));
    this.fault(cause, tvalLo, tvalHi);
    this.raise();
    return this.#done();
  }

  /** The status of a helper after which interrupts may have to be looked at. */
  #done(): Status {
    return this.interrupts.deliverable === 0 ? CONTINUE : FINISH;
  }

  /** Priv 3.1.6.1: stacks privilege and interrupt enable, writes cause, epc and tval, and goes to the vector. */
  #enter(toS: boolean, cause: number, interrupt: boolean, tvalLo: number, tvalHi: number): void {
    const { s, window } = this, rv64 = this.xlen === 64, { pcLo, pcHi, status } = window, from = s.priv;
    if (!rv64) tvalHi = 0;
    const flag = interrupt ? SD : 0; // the highest bit of cause
    window.set(toS ? SEPC : MEPC, pcLo, pcHi);
    window.set(toS ? SCAUSE : MCAUSE, rv64 ? cause : cause | flag, rv64 ? flag : 0);
    window.set(toS ? STVAL : MTVAL, tvalLo, tvalHi);
    if (toS) window.status = status & ~(SPP | SPIE | SIE) | (from === 1 ? SPP : 0) | (status & SIE ? SPIE : 0);
    else window.status = status & ~(MPP | MPIE | MIE) | from << MPP_SHIFT | (status & MIE ? MPIE : 0);
    s.priv = toS ? 1 : 3;
    const vecLo = toS ? s.stvecLo : s.mtvecLo, vecHi = toS ? s.stvecHi : s.mtvecHi;
    const lo = (vecLo & ~3) + (interrupt && vecLo & 1 ? 4 * cause : 0);
    const hi = rv64 ? vecHi + ((vecLo & ~3) < 0 && lo >= 0 ? 1 : 0) : 0;
    window.setPc(lo, hi);
    this.traps.record(cause, interrupt, pcLo, pcHi, tvalLo, tvalHi, from, s.priv, this.env.instructions(), lo | 0, hi | 0);
    if (this.trace !== undefined) {
      this.#debug.traceTrap(this.trace, { cause, interrupt, epc: wide(pcLo, pcHi), tval: wide(tvalLo, tvalHi), from, to: s.priv });
    }
    if (this.traps.loop > 0) this.config.onTrapLoop?.();
    this.addressing.refresh();
    this.interrupts.update();
  }

  #ecall(): Status {
    const s = this.s, { firmware } = this.config;
    if (s.priv === 1 && firmware && !(s.medeleg >> (CAUSE.ecall + 1) & 1)) {
      const lo = this.window.argLo(0), hi = this.window.argHi(0);
      this.window.setPc(lo + 4, hi + (lo >>> 0 >= 0xffff_fffc ? 1 : 0));
      // The firmware may stop the hart, raise interrupts and move the pc.
      if (firmware()) return FINISH;
      this.window.setPc(lo, hi);
    }
    return this.#trapAt(CAUSE.ecall + s.priv, 0, 0, 0);
  }

  /** An instruction that the present privilege forbids; `word` is its encoding. */
  #illegal(word: number, pcArg: number): Status {
    return this.#trapAt(CAUSE.illegal, word, 0, pcArg);
  }

  #mret(): Status {
    const s = this.s, status = this.window.status, to = (status & MPP) >> MPP_SHIFT;
    if (s.priv < 3) return this.#illegal(0x3020_0073, 0);
    this.window.status = status & ~(MPP | MIE | MPIE | (to === 3 ? 0 : MPRV)) | MPIE | (status & MPIE ? MIE : 0);
    return this.#return(to, MEPC);
  }

  #sret(): Status {
    const s = this.s, status = this.window.status;
    if (s.priv < 1 || (s.priv === 1 && status & TSR)) return this.#illegal(0x1020_0073, 0);
    // Priv 3.1.6.1: the new mode is less privileged than M, so MPRV is cleared.
    this.window.status = status & ~(SPP | SIE | SPIE | MPRV) | SPIE | (status & SPIE ? SIE : 0);
    return this.#return(status & SPP ? 1 : 0, SEPC);
  }

  #return(priv: number, epc: number): Status {
    this.s.priv = priv;
    this.traps.history.returned();
    if (this.#interrupted) {
      this.#interrupted = false;
      this.#returnedAt = this.env.instructions();
    }
    this.window.setPc(this.window.lo(epc), this.window.hi(epc));
    this.addressing.refresh();
    this.interrupts.update();
    return this.#done();
  }

  #wfi(): Status {
    const s = this.s;
    // Priv 3.1.6.5, 3.3.3: TW forbids it below M; in U-mode it is illegal (as in QEMU).
    if (s.priv === 0 || (s.priv === 1 && this.window.status & TW)) return this.#illegal(0x1050_0073, 0);
    this.window.setPc(this.window.argLo(1), this.window.argHi(1));
    this.interrupts.wait();
    return FINISH;
  }

  #sfenceVma(): Status {
    const s = this.s;
    if (s.priv === 0 || (s.priv === 1 && this.window.status & TVM)) return this.#illegal(this.window.argHi(2), 3);
    this.addressing.fenceVma(this.window.argLo(0), this.window.argHi(0), (this.window.argLo(2) & 1) !== 0);
    const pcLo = this.window.argLo(3);
    this.window.setPc(pcLo + 4, this.window.argHi(3) + (pcLo >>> 0 >= 0xffff_fffc ? 1 : 0));
    return this.#done();
  }

  /** Looks again, since the block may have been kept from earlier. */
  #fetchFault(): Status {
    const lo = this.window.argLo(0), hi = this.window.argHi(0), nextLo = ((lo & ~0xfff) + 0x1000) | 0, nextHi = hi + (nextLo === 0 ? 1 : 0);
    this.window.setPc(lo, hi);
    const paddr = this.translate(nextLo, nextHi, FETCH);
    if (paddr >= 0) {
      if (this.env.ram(paddr, 1) >= 0) return FINISH;
      this.busFault(nextLo, nextHi, FETCH);
    }
    this.raise();
    return this.#done();
  }

  #fpDirty(): Status {
    this.window.status |= FS | SD;
    this.addressing.refresh();
    return FINISH;
  }

  /** Priv 3.1.18, CMO 1.0 2.6: whether a cache-block instruction may run here, and whether its block can be reached. */
  #cbo(): Status {
    const word = this.window.argLo(0), kind = word >>> 20;
    if (!mayCbo(this.s, kind === 4 ? CBZE : kind === 0 ? CBIE : CBCFE)) return this.fault(CAUSE.illegal, word, 0);
    const lo = this.window.argLo(1), hi = this.window.argHi(1);
    if (kind === 4) return CONTINUE; // its stores find out
    if (this.translate(lo, hi, READ) < 0 && this.translate(lo, hi, WRITE) < 0) return FAULT;
    return CONTINUE;
  }

  #csr(): Status {
    return this.csrs.execute() ? this.#done() : this.#illegal(this.window.argLo(0), 2);
  }

  // --- interrupts, as the engine and the machine see them
  get waiting(): boolean {
    return this.interrupts.waiting;
  }
  get wakers(): readonly string[] {
    return this.interrupts.wakers;
  }
  get resting(): string | undefined {
    return this.s.stopped ? "waiting for its start" : undefined;
  }
  input(name: string): IrqLine | undefined {
    return this.interrupts.input(name);
  }

  /** Derives everything anew after the state was replaced. */
  #reload(): void {
    this.addressing.reload();
    this.interrupts.update();
  }

  // --- snapshots
  save(): unknown {
    const base = this.env.base(), { u8 } = this.env;
    return {
      registers: u8.slice(base + GUEST, base + GUEST_END),
      pc: this.pc,
      state: { ...this.s },
      traps: this.traps.save(),
      pmp: this.pmp.save(),
    };
  }
  /** The alarm behind `config.timer` is the machine's to restore. */
  load(saved: unknown): void {
    const { registers, pc, state, traps, pmp } = saved as {
      registers: Uint8Array;
      pc: bigint;
      state: HartState;
      traps: unknown;
      pmp: ReturnType<Pmp["save"]>;
    };
    this.env.u8.set(registers, this.env.base() + GUEST);
    this.pc = pc;
    Object.assign(this.s, state);
    this.traps.load(traps);
    this.pmp.load(pmp);
    this.interrupts.known();
    this.#reload();
  }

  // --- debugger
  get registers(): readonly RegisterInfo[] {
    return this.#debug.registers;
  }
  reg(name: string): bigint {
    return this.#debug.register(name).get();
  }
  setReg(name: string, value: bigint): void {
    this.#debug.register(name).set(value);
  }
  probe(vaddr: bigint, access: Access): number | undefined {
    return this.addressing.probe(vaddr, access);
  }
  deathReport(): string {
    return this.#debug.deathReport();
  }
}
