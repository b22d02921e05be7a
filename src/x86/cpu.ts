// An x86 processor made of its parts, as the engine and the machine see it. Intel SDM volumes 2 and 3 (253666-083, 253668-083).
// Instructions are in isa/*.ts; what they call is in system_helpers.ts, far.ts, interrupts.ts, tasks.ts; microcode.ts lists the parts.
// Not modelled: SMM, VMX, SVM, CET, VME (CR4.VME, PVI), machine checks, performance counters.
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
  type Status,
} from "../ir/frontend.ts";
import { ANSWER, GUEST, GUEST_END } from "../ir/layout.ts";
import { type CpuState, Modes, powerOn } from "./cpu_state.ts";
import { Features } from "./cpuid.ts";
import { deathReport, registerTable } from "./debug.ts";
import { DebugRegisters } from "./debug_registers.ts";
import type { DecodeTable } from "./decode.ts";
import { interrupt, raise } from "./delivery.ts";
import { Derived } from "./derived.ts";
import { EventLog, hex, XCPT } from "./exceptions.ts";
import { FAULTED, Faults } from "./faults.ts";
import { readStatus, writeStatus } from "./flags.ts";
import { ENDING_HELPERS, SYSTEM_HELPERS } from "./helpers.ts";
import { x86Table } from "./instruction_set.ts";
import { LinearAddresses } from "./linear_addresses.ts";
import type { Microcode } from "./microcode.ts";
import { MicrocodeMemory } from "./microcode_memory.ts";
import { Paging } from "./paging.ts";
import { Pending } from "./pending.ts";
import type { X86Config } from "./ports.ts";
import { CR4_OSXMMEXCPT, EFER_LMA } from "./registers.ts";
import { init, reset, signalInit, startup } from "./resets.ts";
import { SegmentFile } from "./segment_file.ts";
import { CS, LONG } from "./segments.ts";
import { Stack } from "./stack.ts";
import { X86Window } from "./state_window.ts";
import { checkPort, systemHelpers } from "./system_helpers.ts";
import { instructionHelpers, translateBlock } from "./translate.ts";
import { FpuErrorOutput, inputsOf } from "./wires.ts";

export class X86Cpu implements Core, Microcode {
  readonly features: Features;
  readonly s: CpuState = powerOn();
  readonly modes = new Modes();
  readonly faults: Faults = new Faults();
  readonly window: X86Window;
  readonly segments: SegmentFile;
  readonly debug: DebugRegisters;
  readonly paging: Paging;
  readonly addresses: LinearAddresses;
  readonly memory: MicrocodeMemory;
  readonly stack: Stack;
  readonly derived: Derived;
  readonly pending: Pending;
  readonly ferr: FpuErrorOutput;
  readonly events = new EventLog();
  trace: CpuTrace | undefined;
  place: (at: bigint) => string = hex;
  readonly helpers: readonly Helper[];
  readonly #inputs: ReadonlyMap<string, IrqLine>;
  /** What it can decode; made when its first block is translated. */
  #table: DecodeTable | undefined;
  /** The debugger's view; made when somebody asks. */
  #named: ReturnType<typeof registerTable> | undefined;

  constructor(readonly env: CoreEnv, readonly config: X86Config) {
    const { s, modes, faults } = this, onPending = () => config.onPending();
    const features = this.features = new Features(config.model, config.features);
    const window = this.window = new X86Window(env);
    const segments = this.segments = new SegmentFile(env, window, modes);
    const debug = this.debug = new DebugRegisters(s, onPending);
    const paging = this.paging = new Paging(env);
    const addresses = this.addresses = new LinearAddresses(env, s, window, modes, segments, debug, faults, paging, features);
    const memory = this.memory = new MicrocodeMemory(env, modes, addresses);
    this.stack = new Stack(window, modes, segments, addresses, memory, faults);
    this.derived = new Derived(config, addresses, memory);
    this.pending = new Pending(env, s, window, onPending);
    this.ferr = new FpuErrorOutput(s, window, faults);
    this.#inputs = inputsOf(this);
    const own = systemHelpers(this);
    this.helpers = [
      ...SYSTEM_HELPERS.map((name) => {
        const run = own[name], ends = ENDING_HELPERS.has(name);
        const value = name === "in" ? (port: number, size: number) => this.#in(port & 0xffff, size) : undefined;
        return { name, run: () => this.#guarded(run, ends), value };
      }),
      ...instructionHelpers(
        env,
        (vector, errorCode) => faults.record(vector === XCPT.XM ? this.#simdException : vector, errorCode),
        () => this.ferr.mayBeGone(),
      ),
    ];
  }

  /** SDM volume 3A, 2.5: without CR4.OSXMMEXCPT an unmasked SIMD floating-point exception is #UD. */
  get #simdException(): number {
    return this.s.cr4 & CR4_OSXMMEXCPT ? XCPT.XM : XCPT.UD;
  }

  /** Runs a helper; what it says, and FINISH when translated code of the same block must not go on. */
  #guarded(run: () => Status, ends: boolean): Status {
    let status: Status;
    this.derived.changed = false;
    try {
      status = run();
    } catch (e) {
      if (e !== FAULTED) throw e;
      status = FAULT;
    }
    return this.derived.changed && status === CONTINUE && !ends ? FINISH : status;
  }

  /** IN by code that takes its value at once. */
  #in(port: number, size: number): number {
    const { i32 } = this.env;
    this.derived.changed = false;
    try {
      checkPort(this, port, size);
    } catch (e) {
      if (e !== FAULTED) throw e;
      i32[ANSWER >> 2] = FAULT;
      return 0;
    }
    const value = this.config.ports.in(port, size) | 0;
    i32[ANSWER >> 2] = this.derived.changed ? FINISH : CONTINUE;
    return value;
  }

  fault(vector: number, errorCode: number): never {
    this.faults.raise(vector, errorCode);
  }

  // --- what the engine asks
  mode(): number {
    return this.derived.mode();
  }
  regime(): number {
    return this.derived.regime();
  }
  context(): number {
    return this.derived.context();
  }
  get physical(): boolean {
    return this.derived.physical;
  }
  get writable(): boolean {
    return this.paging.levels === 0 || this.paging.writable;
  }
  translate(lo: number, hi: number, access: Access, size?: number): number {
    return this.addresses.translate(lo, hi, access, size);
  }
  get pageCacheable(): boolean {
    return this.addresses.pageCacheable;
  }
  probe(vaddr: bigint, access: Access): number | undefined {
    return this.addresses.probe(vaddr, access);
  }
  /** Only fetches come here: elsewhere the bus answers with all ones, and code of all ones is no instruction. */
  busFault(lo: number, _hi: number, access: Access): void {
    this.faults.record(access === FETCH && this.segments.beyondCode(lo) ? XCPT.GP : XCPT.UD, 0);
  }
  remapped(): void {
    this.derived.remapped();
  }
  tablesForgotten(): void {
    this.paging.tables.forget();
  }
  entryChanged(word: number, count: number, fetched: boolean): boolean {
    return this.derived.entryChanged(word, count, fetched);
  }
  dataDropped(lo?: number): void {
    this.memory.forget(lo);
  }
  translateBlock(b: Builder, code: Code, max: number): void {
    translateBlock(b, code, max, this.mode(), this.#table ??= x86Table(this.features));
  }
  raise(): void {
    raise(this);
  }
  interrupt(): boolean {
    return interrupt(this);
  }
  get waiting(): boolean {
    return this.pending.waiting;
  }

  // --- what the machine asks
  reset(): void {
    reset(this);
  }
  signalInit(): void {
    signalInit(this);
  }
  init(): void {
    init(this);
  }
  startup(vector: number): void {
    startup(this, vector);
  }
  /** "intr", "nmi", "ignne" or "a20m"; undefined when there is none. */
  input(name: string): IrqLine | undefined {
    return this.#inputs.get(name);
  }
  get wakers(): readonly string[] {
    return this.pending.wakers;
  }
  get resting(): string | undefined {
    return this.pending.resting;
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
    this.ferr.set(this.s.ferr);
    // The flags are recorded as this mode has them.
    this.modes.code64 = (this.window.efer & EFER_LMA) !== 0 && (this.segments.attr[CS] & LONG) !== 0;
    this.derived.reload();
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
