// HOT: no bigint (but for the debugger's side and `#onStack`), no closures, no allocation.
// An x86 processor: modes, segment registers, memory as its microcode sees it, events, what the engine asks. Intel SDM volumes 2 and 3
// (253666-083, 253668-083). Instructions are in isa/*.ts; what they call is in system.ts, far.ts, interrupts.ts, tasks.ts.
// A check that fails deep inside such a function throws FAULTED after the exception was recorded; nothing of the guest's state has been
// changed by then, and the helper's wrapper or the delivery loop catches it. Translated code never sees it.
// Not modelled: SMM, VMX, SVM, CET, VME (CR4.VME, PVI), machine checks, performance counters.
import { ANSWER, CONTEXT, GUEST, GUEST_END, SWITCH, SWITCH_END, TLB } from "../ir/layout.ts";
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
  type Status,
} from "../ir/frontend.ts";
import type { IrqLine } from "../core/irq.ts";
import type { CpuTrace, RegisterInfo } from "../core/cpu.ts";
import { type CpuState, Modes, powerOn } from "./cpu_state.ts";
import { Features } from "./cpuid.ts";
import { DebugRegisters } from "./debug_registers.ts";
import { type DecodeTable, LONGEST, OK } from "./decode.ts";
import {
  combine,
  type EventKind,
  EventLog,
  EXCEPTION,
  EXTERNAL,
  FREEZE,
  GENERAL_DETECT,
  hex,
  NOT_CANONICAL,
  wide,
  XCPT,
} from "./exceptions.ts";
import { FAULTED, Faults } from "./faults.ts";
import { readStatus, writeStatus } from "./flags.ts";
import { ENDING_HELPERS, SYSTEM_HELPERS } from "./helpers.ts";
import { deliver } from "./interrupts.ts";
import { LinearAddresses } from "./linear_addresses.ts";
import { MicrocodeMemory } from "./microcode_memory.ts";
import { Paging } from "./paging.ts";
import type { X86Config } from "./ports.ts";
import { deathReport, registerTable, traceEvent } from "./debug.ts";
import { BIG, CS, DS, ES, FS, GS, LDTR, LONG, PRESENT, REAL_DATA, SS, TR } from "./segments.ts";
import { SegmentFile } from "./segment_file.ts";
import { resetFpu } from "./state.ts";
import {
  CODE_END,
  CR2,
  FPU_ERROR,
  FPU_SW,
  GPR,
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
  RETURNED,
  RFLAGS,
  SWITCH_SYSTEM,
  SWITCH_USER,
  SYSTEM,
  SYSTEM_END,
  TSC_OFFSET,
  TSC_PLAIN,
} from "./slots.ts";
import {
  AC,
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_LA57,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_PAE,
  CR4_PKE,
  CR4_PKS,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  DR6_BD,
  DR6_BS,
  DR7_GD,
  EFER_LMA,
  EFER_NXE,
  IF,
  RF,
  STATUS,
  TF,
  VM,
} from "./registers.ts";
import { StateWindow } from "./state_window.ts";
import { Insn } from "./insn.ts";
import { isStackAccess, operandBytes, Stack } from "./stack.ts";
import { checkPort, systemHelpers } from "./system_helpers.ts";
import { x86Table } from "./instruction_set.ts";
import { instructionHelpers, translateBlock } from "./translate.ts";

/** Data TLBs of each address space, the first one unused; without paging there is number 0. */
const RIGHTS = 4;

export class X86Cpu implements Core {
  readonly s: CpuState = powerOn();
  readonly modes = new Modes();
  readonly faults: Faults = new Faults();
  readonly window: StateWindow;
  readonly segments: SegmentFile;
  readonly debug: DebugRegisters;
  readonly addresses: LinearAddresses;
  readonly memory: MicrocodeMemory;
  readonly paging: Paging;
  readonly features: Features;
  readonly helpers: readonly Helper[];
  readonly events = new EventLog();
  trace: CpuTrace | undefined;
  place: (at: bigint) => string = hex;
  readonly stack: Stack;
  // Derived from the state by `refresh`.
  /** Mode bits but for the privilege and MODE_SSE_FAST; those two, the regime's part and the address space that SWITCH are of. */
  #mode = 0;
  #fast = 0;
  #paged = 0;
  #space = 0;
  /** A helper has changed what translated code depends on. */
  #changed = false;
  // Results of readDescriptor.
  descLo = 0;
  descHi = 0;
  descAtLo = 0;
  descAtHi = 0;
  /** FERR#: an x87 error waits while CR0.NE is clear; undefined where nobody would hear of it. */
  ferr: IrqLine | undefined;
  /** What it can decode; made when its first block is translated. */
  #table: DecodeTable | undefined;
  /** The debugger's view; made when somebody asks. */
  #named: ReturnType<typeof registerTable> | undefined;
  readonly #inputs: ReadonlyMap<string, IrqLine>;

  constructor(readonly env: CoreEnv, readonly config: X86Config) {
    this.window = new StateWindow(env);
    this.segments = new SegmentFile(env, this.window, this.modes);
    this.debug = new DebugRegisters(this.s, () => config.onPending());
    this.paging = new Paging(env);
    this.features = new Features(config.model, config.features);
    const { s, window, modes, segments, debug, faults, paging, features } = this;
    this.addresses = new LinearAddresses(env, s, window, modes, segments, debug, faults, paging, features);
    this.memory = new MicrocodeMemory(env, modes, this.addresses);
    this.stack = new Stack(this);
    const own = systemHelpers(this);
    this.helpers = [
      ...SYSTEM_HELPERS.map((name) => {
        const run = own[name], ends = ENDING_HELPERS.has(name);
        const value = name === "in" ? (port: number, size: number) => this.#in(port & 0xffff, size) : undefined;
        return { name, run: () => this.#guarded(run, ends), value };
      }),
      ...instructionHelpers(
        env,
        (vector, errorCode) => this.faults.record(vector === XCPT.XM ? this.#simdException : vector, errorCode),
        () => this.fpuErrorMayBeGone(),
      ),
    ];
    this.#inputs = new Map<string, IrqLine>([["intr", new IntrInput(this)], ["nmi", new NmiInput(this)], ["a20m", new A20Input(this)], [
      "ignne",
      new IgnneInput(this),
    ]]);
  }

  /** SDM volume 3A, 2.5: without CR4.OSXMMEXCPT an unmasked SIMD floating-point exception is #UD. */
  get #simdException(): number {
    return this.s.cr4 & CR4_OSXMMEXCPT ? XCPT.XM : XCPT.UD;
  }

  /** Runs a helper; what it says, and FINISH when translated code of the same block must not go on. */
  #guarded(run: () => Status, ends: boolean): Status {
    let status: Status;
    this.#changed = false;
    try {
      status = run();
    } catch (e) {
      if (e !== FAULTED) throw e;
      status = FAULT;
    }
    return this.#changed && status === CONTINUE && !ends ? FINISH : status;
  }

  /** IN by code that takes its value at once. */
  #in(port: number, size: number): number {
    const { i32 } = this.env;
    this.#changed = false;
    try {
      checkPort(this, port, size);
    } catch (e) {
      if (e !== FAULTED) throw e;
      i32[ANSWER >> 2] = FAULT;
      return 0;
    }
    const value = this.config.ports.in(port, size) | 0;
    i32[ANSWER >> 2] = this.#changed ? FINISH : CONTINUE;
    return value;
  }

  /** Puts the processor into its state after power on (SDM 9.1.1); wires keep their levels. */
  reset(): void {
    const { i32 } = this.env, base = this.env.base() >> 2, { nmiLine, a20, ignne } = this.s, { intr } = this.window;
    i32.fill(0, base + (GUEST >> 2), base + (GUEST_END >> 2));
    Object.assign(this.s, powerOn(), { nmiLine, a20, ignne });
    this.window.intr = intr;
    this.ferr?.set(false);
    const seed = this.config.seed + 0x9e37_79b9 * (this.config.index + 1);
    for (let i = 0; i < 4; i++) this.s.random[i] = Math.imul(seed + i, 0x85eb_ca6b) | 1;
    resetFpu(this);
    this.#resetRegisters();
    const { segment, offset } = this.config.reset;
    this.segments.set(CS, segment, segment === 0xf000 ? 0xffff_0000 | 0 : segment << 4, 0, 0xffff, REAL_DATA);
    this.events.clear();
    this.window.set(RETURNED, 0, 0);
    this.reload();
    this.segments.setEip(offset, 0);
  }

  /** The INIT signal; it is taken between two instructions. */
  signalInit(): void {
    const s = this.s;
    if (this.env.base() === 0 && !this.waiting) s.initDue = true;
    else this.init();
    this.config.onPending();
  }

  /** INIT (SDM 9.1.1, table 9-1): like reset, but caches, FPU and most MSRs stay. Other processors than the first then wait for a SIPI. */
  init(): void {
    const s = this.s, kept = { ...s }, { i32 } = this.env, base = this.env.base(), { intr } = this.window;
    i32.fill(0, (base + SYSTEM) >> 2, (base + SYSTEM_END) >> 2);
    this.window.intr = intr;
    Object.assign(s, powerOn(), {
      cr0: CR0_ET | (kept.cr0 & (CR0_CD | CR0_NW)),
      nmiLine: kept.nmiLine,
      a20: kept.a20,
      ignne: kept.ignne,
      ferr: kept.ferr,
      msrs: kept.msrs,
      random: kept.random,
      tscOffset: kept.tscOffset,
      pkru: kept.pkru,
      pkrs: kept.pkrs,
      parked: this.config.index !== 0,
    });
    for (let n = 0; n < 16; n++) this.window.set(GPR(n), 0, 0);
    this.#resetRegisters();
    this.segments.set(CS, 0xf000, 0xffff_0000 | 0, 0, 0xffff, REAL_DATA);
    this.reload();
    this.segments.setEip(0xfff0, 0);
  }
  #resetRegisters(): void {
    this.segments.setGdt(0, 0, 0xffff);
    this.window.set(GPR(2), this.config.model.signature, 0);
    this.window.set(RFLAGS, 2, 0);
    writeStatus(this.window.slots, 0);
    for (const n of [ES, SS, DS, FS, GS]) this.segments.set(n, 0, 0, 0, 0xffff, REAL_DATA);
    this.segments.set(LDTR, 0, 0, 0, 0xffff, PRESENT | 2 << 8);
    this.segments.set(TR, 0, 0, 0, 0xffff, PRESENT | 11 << 8);
  }

  /** A startup IPI: starts a parked processor in real mode at `vector` * 4 KiB. */
  startup(vector: number): void {
    if (!this.s.parked) return;
    this.s.parked = this.s.waiting = false;
    this.segments.set(CS, vector << 8, vector << 12, 0, 0xffff, REAL_DATA);
    this.refresh();
    this.segments.setEip(0, 0);
    this.config.onPending();
  }

  // --- what the engine asks
  mode(): number {
    const fast = mxcsrIsFast(this.window.lo(MXCSR)) ? MODE_SSE_FAST : 0;
    if (fast !== this.#fast) {
      this.#fast = fast;
      this.#forgetSwitch();
    }
    return this.#mode | this.window.cpl << MODE_CPL_SHIFT | fast;
  }
  regime(): number {
    return this.paging.levels === 0 ? 0 : RIGHTS * this.addresses.spaces.index + (this.window.cpl === 3 ? 3 : this.addresses.smap ? 2 : 1);
  }
  context(): number {
    return this.window.cpl === 3 ? this.addresses.spaces.user << 1 | 1 : this.addresses.spaces.system << 1;
  }
  get writable(): boolean {
    return this.paging.levels === 0 || this.paging.writable;
  }

  get physical(): boolean {
    return (this.#mode & MODE_PHYSICAL) !== 0;
  }

  translate(lo: number, hi: number, access: Access, size = 1): number {
    return this.addresses.translate(lo, hi, access, size);
  }
  get pageCacheable(): boolean {
    return this.addresses.pageCacheable;
  }
  probe(vaddr: bigint, access: Access): number | undefined {
    return this.addresses.probe(vaddr, access);
  }
  dataDropped(lo?: number): void {
    this.memory.forget(lo);
  }

  /** Only fetches come here: elsewhere the bus answers with all ones, and code of all ones is no instruction. */
  busFault(lo: number, _hi: number, access: Access): void {
    this.faults.record(access === FETCH && this.segments.beyondCode(lo) ? XCPT.GP : XCPT.UD, 0);
  }
  translateBlock(b: Builder, code: Code, max: number): void {
    translateBlock(b, code, max, this.mode(), this.#table ??= x86Table(this.features));
  }

  // --- exceptions and interrupts
  /** Records an exception and gives up what is being done. */
  fault(vector: number, errorCode: number): never {
    this.faults.raise(vector, errorCode);
  }

  raise(): void {
    let vector = this.faults.vector;
    if (vector < 0) throw new Error("no exception is recorded");
    this.s.debugDue = 0;
    if (vector === FREEZE) {
      this.faults.vector = -1;
      this.s.waiting = this.done() === CONTINUE;
      return;
    }
    if (vector === GENERAL_DETECT) {
      vector = XCPT.DB;
      this.s.dr6 |= DR6_BD;
    }
    if (vector === XCPT.PF && this.#reachesEnd()) vector = NOT_CANONICAL;
    if (vector === NOT_CANONICAL) {
      vector = this.#onStack() ? XCPT.SS : XCPT.GP;
      this.faults.errorCode = 0;
    }
    this.event(vector, EXCEPTION, this.faults.errorCode);
  }

  /** Whether an operand that is accessed in pieces, and whose first one is missing in the last canonical page, lies beyond the end as well. */
  #reachesEnd(): boolean {
    const lo = this.faults.addressLo >>> 0, hi = this.faults.addressHi;
    if (!this.modes.code64 || lo < 0xffff_f000 || this.addresses.canonical((hi + 1) | 0)) return false;
    const insn = this.#instruction();
    return insn !== undefined && lo + operandBytes(insn) > 2 ** 32;
  }
  /** Whether the operand at `address` of the instruction at the pc is on the stack (64-bit mode). */
  #onStack(): boolean {
    const rsp = wide(this.window.lo(GPR(4)), this.window.hi(GPR(4))),
      at = wide(this.faults.addressLo, this.faults.addressHi),
      insn = this.#instruction();
    return insn !== undefined && isStackAccess(insn, Number(BigInt.asIntN(64, at - rsp)));
  }
  /** The instruction of 64-bit code at the pc. */
  #instruction(): Insn | undefined {
    const bytes: number[] = [], pc = wide(this.window.pcLo, this.window.pcHi), table = this.#table ??= x86Table(this.features);
    for (let n = 0; n < LONGEST; n++) {
      const paddr = this.probe(pc + BigInt(n), FETCH), at = paddr === undefined ? -1 : this.env.ram(paddr, 1);
      if (at < 0) break;
      bytes.push(this.env.u8[at]);
    }
    const insn = new Insn();
    return table.decode(insn, Uint8Array.from(bytes), 0, bytes.length, 64) === OK ? insn : undefined;
  }

  /** Notes an event for the report, and for who listens. */
  note(
    vector: number,
    kind: EventKind,
    cpl: number,
    errorCode: number,
    pcLo: number,
    pcHi: number,
    addressLo: number,
    addressHi: number,
  ): void {
    if (this.window.lo(RETURNED) !== 0) {
      this.events.history.returned();
      this.window.set(RETURNED, 0, 0);
    }
    this.events.record(vector, kind, cpl, errorCode, pcLo, pcHi, addressLo, addressHi, this.env.instructions());
    if (this.trace !== undefined) traceEvent(this, this.trace);
  }

  /** Delivers an event, or what comes of it; the pc is the return address. */
  event(vector: number, kind: EventKind, errorCode: number): void {
    const s = this.s, pcLo = this.window.pcLo, pcHi = this.window.pcHi;
    s.waiting = false;
    for (;;) {
      const page = kind === EXCEPTION && vector === XCPT.PF;
      if (page) {
        this.window.set(CR2, this.faults.addressLo, this.faults.addressHi);
      }
      // SDM volume 3B, 17.2.4: cleared upon entering the handler.
      if (vector === XCPT.DB) s.dr7 &= ~DR7_GD;
      this.note(vector, kind, this.window.cpl, errorCode, pcLo, pcHi, page ? this.faults.addressLo : 0, page ? this.faults.addressHi : 0);
      this.faults.vector = -1;
      try {
        deliver(this, vector, kind, errorCode, pcLo, pcHi);
        return;
      } catch (e) {
        if (e !== FAULTED) throw e;
      }
      const second = this.faults.vector as number, next = kind === EXCEPTION ? combine(vector, second) : second;
      if (next !== second) {
        // The second fault is in the report, too, and so is its address in CR2.
        if (second === XCPT.PF) {
          this.window.set(CR2, this.faults.addressLo, this.faults.addressHi);
        }
        this.note(second, EXCEPTION, this.window.cpl, this.faults.errorCode, pcLo, pcHi, this.faults.addressLo, this.faults.addressHi);
      }
      if (next < 0) {
        s.shutdown = s.waiting = true;
        this.config.onTripleFault(this.deathReport());
        this.config.onPending();
        return;
      }
      errorCode = next === second ? this.faults.errorCode : 0;
      vector = next;
      kind = EXCEPTION;
    }
  }

  interrupt(): boolean {
    const s = this.s;
    if (s.debugDue === 0 && !s.nmi && !this.window.intr && !s.initDue) return false;
    if (s.shutdown || s.parked) return false;
    if (s.initDue) {
      this.init();
      return true;
    }
    if (s.debugDue !== 0) {
      if (this.env.instructions() === s.stackShadowAt) return this.#oneMore();
      this.#debugTrap();
      return true;
    }
    const nmi = s.nmi && !s.nmiMasked;
    if (!nmi && !(this.window.intr && this.window.systemFlags & IF)) return false;
    if (this.env.instructions() === s.shadowAt) return this.#oneMore();
    if (nmi) {
      s.nmi = false;
      s.nmiMasked = true;
      this.#forgetSwitch();
      this.event(XCPT.NMI, EXTERNAL, 0);
      return true;
    }
    const vector = this.config.acknowledge();
    if (vector < 0) return false;
    this.event(vector, EXTERNAL, 0);
    return true;
  }
  /** One more instruction, then the event is looked at again. */
  #oneMore(): boolean {
    this.s.stepOnce = true;
    this.refresh();
    return false;
  }
  /** SDM volume 3B, 17.3.1. */
  #debugTrap(): void {
    const s = this.s;
    s.dr6 = (s.dr6 & ~15) | s.debugDue;
    s.debugDue = 0;
    this.event(XCPT.DB, EXCEPTION, 0);
  }

  /**
   * A waiting x87 instruction finds an error while CR0.NE is clear (SDM volume 1, 8.7.2): unless IGNNE# lets it go on, FERR# goes up, and
   * the processor stops before the instruction until an interrupt comes.
   */
  reportFpuError(): Status {
    if (this.s.ignne || !this.ferr) return CONTINUE;
    this.#setFerr(true);
    return this.faults.record(FREEZE, 0);
  }
  /** After the x87's status word was replaced: FERR# falls when no error is left. */
  fpuErrorMayBeGone(): void {
    if (this.s.ferr && !(this.window.lo(FPU_SW) & FPU_ERROR)) this.#setFerr(false);
  }
  #setFerr(level: boolean): void {
    this.s.ferr = level;
    this.ferr?.set(level);
  }

  /** Begins an interrupt shadow: the next instruction is executed before any interrupt. */
  shadow(): void {
    this.s.shadowAt = this.env.instructions() + 1;
  }
  /** After MOV SS and POP SS: neither are they followed by a single step's trap, nor, for one instruction, by that of a data breakpoint. */
  stackShadow(): void {
    this.shadow();
    this.s.stackShadowAt = this.s.shadowAt;
    this.s.debugDue &= ~DR6_BS;
  }
  /** To be called after a change of what makes interrupts deliverable: FINISH when one can be taken. */
  done(): Status {
    const s = this.s;
    return s.debugDue !== 0 || (s.nmi && !s.nmiMasked) || (this.window.intr && this.window.systemFlags & IF) ? FINISH : CONTINUE;
  }
  /** A wire has moved. */
  wake(): void {
    const s = this.s;
    if (s.parked || s.shutdown || this.done() === CONTINUE) return;
    s.waiting = false;
    this.config.onPending();
  }
  get waiting(): boolean {
    return this.s.waiting || this.s.parked;
  }
  /** What ends HLT: an NMI, and an interrupt that IF lets through; a shutdown ends by an NMI alone, a wait for a startup IPI by neither. */
  get wakers(): readonly string[] {
    const { parked, shutdown, nmiMasked } = this.s, nmi = nmiMasked ? [] : ["nmi"];
    return parked ? [] : shutdown || !(this.window.systemFlags & IF) ? nmi : ["intr", ...nmi];
  }
  get resting(): string | undefined {
    return this.s.shutdown ? "shut down by a triple fault" : this.s.parked ? "waiting for its start" : undefined;
  }
  /** "intr", "nmi", "ignne" or "a20m" (high while address bit 20 is masked); undefined when there is none. */
  input(name: string): IrqLine | undefined {
    return this.#inputs.get(name);
  }
  /** The A20 gate: closed, address bit 20 is 0. */
  setA20(open: boolean): void {
    if (this.s.a20 === open) return;
    this.s.a20 = open;
    this.flushAll();
  }

  // --- debug registers
  /** Called before every instruction under MODE_TF: RF, instruction breakpoints, the trap after it. */
  step(pcLo: number, pcHi: number): Status {
    const s = this.s, flags = this.window.systemFlags;
    if (flags & RF) this.window.set(RFLAGS, flags & ~RF, 0);
    else if (this.debug.matchInstruction(pcLo, pcHi)) return this.faults.record(XCPT.DB, 0);
    if (flags & TF) s.debugDue |= DR6_BS;
    s.stepOnce = false;
    this.refresh();
    return FINISH;
  }
  // --- derived state
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
    const paged = (this.paging.levels === 0 ? 0 : 1) | s.cr4 & CR4_SMAP, space = this.addresses.spaces.system;
    if (mode !== this.#mode || paged !== this.#paged || space !== this.#space) {
      this.#mode = mode;
      this.#paged = paged;
      this.#space = space;
      this.#forgetSwitch();
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
  #forgetSwitch(): void {
    this.env.i32.fill(0, SWITCH >> 2, SWITCH_END >> 2);
  }
  /** Lets the engine know what code and TLB go with the present mode, if it does not: mostly only the privilege has changed, and back again. */
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
    if (i32[TLB >> 2] !== tlb || i32[CONTEXT >> 2] !== context) this.#changed = true;
  }
  /** After DR7 was written. */
  breakpointsMoved(): void {
    this.#forgetSwitch();
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

  // --- translations
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
  /** Sets PKRU and IA32_PKRS. What was translated with other rights is void; compiled code that goes on must not keep to it, either. */
  setKeys(pkru: number, pkrs: number): void {
    const { s, paging } = this, { userKeys, systemKeys } = paging;
    if (pkru !== s.pkru) this.trace?.mmu?.(`pkru = ${hex(pkru >>> 0)}`);
    if (pkrs !== s.pkrs) this.trace?.mmu?.(`pkrs = ${hex(pkrs >>> 0)}`);
    s.pkru = pkru;
    s.pkrs = pkrs;
    this.setPaging();
    if (paging.userKeys === userKeys && paging.systemKeys === systemKeys) return;
    this.env.flushTlb();
    this.#changed = true;
  }
  /** Physical addresses lead to other places in memory now: so do those of the page tables. */
  remapped(): void {
    this.paging.tables.forget();
    this.flushAll();
  }
  tablesForgotten(): void {
    this.paging.tables.forget();
  }
  entryChanged(word: number, count: number, fetched: boolean): boolean {
    if (!fetched || !this.addresses.spaces.changed(word, count)) return false;
    this.#forgetSwitch();
    this.env.changed();
    return true;
  }
  /** Forgets every translation. */
  flushAll(): void {
    this.env.flushTlb();
    this.addresses.spaces.forget();
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
    if (this.addresses.spaces.enter(this.s.cr3Lo, this.s.cr3Hi, pdptes)) this.env.flushTlb();
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

  // --- snapshots
  save(): unknown {
    const base = this.env.base(), window = this.env.u8.slice(base, base + GUEST_END);
    // How the status flags are recorded is no state: compiled code leaves out what nobody looks at.
    writeStatus(new Int32Array(window.buffer), readStatus(this.window.slots));
    return {
      registers: window.slice(GUEST),
      pc: [this.window.pcLo, this.window.pcHi],
      state: structuredClone(this.s),
      pdptes: { lo: this.paging.pdpteLo.slice(), hi: this.paging.pdpteHi.slice() },
      events: this.events.save(),
    };
  }
  load(saved: unknown): void {
    const { registers, pc, state, pdptes, events } = saved as {
      registers: Uint8Array;
      pc: [number, number];
      state: CpuState;
      pdptes: { lo: Int32Array; hi: Int32Array };
      events: ReturnType<EventLog["save"]>;
    };
    this.env.u8.set(registers, this.env.base() + GUEST);
    this.window.setPc(pc[0], pc[1]);
    Object.assign(this.s, structuredClone(state));
    this.paging.pdpteLo.set(pdptes.lo);
    this.paging.pdpteHi.set(pdptes.hi);
    this.events.load(events);
    this.ferr?.set(this.s.ferr);
    // The flags are recorded as this mode has them.
    this.modes.code64 = (this.window.efer & EFER_LMA) !== 0 && (this.segments.attr[CS] & LONG) !== 0;
    this.reload();
  }

  // --- debugger
  get registers(): readonly RegisterInfo[] {
    return (this.#named ??= registerTable(this))[0];
  }
  /** @throws {Error} no register of that name. */
  reg(name: string): bigint {
    return this.#register(name).get();
  }
  setReg(name: string, value: bigint): void {
    this.#register(name).set(value);
  }
  #register(name: string) {
    const access = (this.#named ??= registerTable(this))[1].get(name);
    if (!access) throw new Error(`no register '${name}'`);
    return access;
  }
  /** Why the processor is where it is, for a report to the user. */
  deathReport(): string {
    return deathReport(this);
  }
}

/** Level-sensitive. */
class IntrInput implements IrqLine {
  constructor(readonly cpu: X86Cpu) {}
  get level(): boolean {
    return this.cpu.window.intr;
  }
  set(level: boolean): void {
    this.cpu.window.intr = level;
    if (level) this.cpu.wake();
  }
}
/** Edge-triggered. */
class NmiInput implements IrqLine {
  constructor(readonly cpu: X86Cpu) {}
  get level(): boolean {
    return this.cpu.s.nmiLine;
  }
  set(level: boolean): void {
    const s = this.cpu.s, rising = level && !s.nmiLine;
    s.nmiLine = level;
    if (!rising) return;
    s.nmi = true;
    this.cpu.wake();
  }
}
/** High: x87 errors are ignored while CR0.NE is clear. */
class IgnneInput implements IrqLine {
  constructor(readonly cpu: X86Cpu) {}
  get level(): boolean {
    return this.cpu.s.ignne;
  }
  set(level: boolean): void {
    this.cpu.s.ignne = level;
  }
}
class A20Input implements IrqLine {
  constructor(readonly cpu: X86Cpu) {}
  get level(): boolean {
    return !this.cpu.s.a20;
  }
  set(level: boolean): void {
    this.cpu.setA20(!level);
  }
}
