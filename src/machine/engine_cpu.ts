// A processor as the rest of the system sees it, made of its architecture's core and the engine that runs it.
import type { Cpu, CpuTrace, RegisterInfo, RunEnd } from "../core/cpu.ts";
import type { IrqLine } from "../core/irq.ts";
import type { Engine } from "../engine/engine.ts";
import { type Access, type Core, FETCH, READ, WRITE } from "../ir/frontend.ts";

/** What every architecture's core has besides what the engine needs. */
export interface DebuggableCore extends Core {
  readonly registers: readonly RegisterInfo[];
  /** Set while somebody listens. */
  trace: CpuTrace | undefined;
  /** An address with its symbol's name, for reports. */
  place: (at: bigint) => string;
  reset(): void;
  /** See `Cpu`. */
  readonly resting: string | undefined;
  reg(name: string): bigint;
  setReg(name: string, value: bigint): void;
  input(name: string): IrqLine | undefined;
  readonly wakers: readonly string[];
  /** Physical address that an access would reach now, without side effects; undefined when it would fault. */
  probe(vaddr: bigint, access: Access): number | undefined;
  save(): unknown;
  load(state: unknown): void;
}

const ACCESS = { read: READ, write: WRITE, fetch: FETCH } as const;

export abstract class EngineCpu<C extends DebuggableCore> implements Cpu {
  abstract readonly arch: Cpu["arch"];
  readonly breakpoints = new Set<bigint>();
  /** Runs the processor instead, while somebody wants to see where it goes (tracing.ts). */
  stepper: { run(budget: number): RunEnd; readonly executed: number; attention(): void } | undefined;
  constructor(readonly index: number, readonly core: C, readonly engine: Engine) {}

  abstract readonly pc: bigint;
  abstract disassemble(vaddr: bigint): { readonly text: string; readonly length: number } | undefined;

  reset(): void {
    this.core.reset();
  }
  run(budget: number): RunEnd {
    return this.stepper === undefined ? this.engine.run(this.index, budget) : this.stepper.run(budget);
  }
  get executed(): number {
    if (this.stepper !== undefined) return this.stepper.executed;
    return this.engine.running.index === this.index ? this.engine.executed : 0;
  }
  attention(): void {
    this.stepper?.attention();
    this.engine.attention();
  }
  get idle(): boolean {
    return this.core.waiting;
  }
  get resting(): string | undefined {
    return this.core.resting;
  }
  get wakers(): readonly string[] {
    return this.core.wakers;
  }
  input(name: string): IrqLine | undefined {
    return this.core.input(name);
  }
  get registers(): readonly RegisterInfo[] {
    return this.core.registers;
  }
  reg(name: string): bigint {
    return this.core.reg(name);
  }
  setReg(name: string, value: bigint): void {
    this.core.setReg(name, value);
  }
  translate(vaddr: bigint, access: "read" | "write" | "fetch"): number | undefined {
    return this.core.probe(vaddr, ACCESS[access]);
  }
  breakpointsChanged(): void {
    this.engine.setBreakpoints(this.breakpoints);
  }
  save(): unknown {
    return { core: this.core.save(), instructions: this.engine.harts[this.index].total };
  }
  load(state: unknown): void {
    const s = state as { core: unknown; instructions: number };
    this.engine.harts[this.index].total = s.instructions;
    this.core.load(s.core);
  }
}
