// What the rest of the system knows of a processor: machine, firmware, debugger and scenarios see only this.
import type { IrqLine } from "./irq.ts";

/** Why `Cpu.run` came back. */
export type RunEnd =
  /** The budget is used up, or the clock or a device asked for attention. */
  | "slice"
  /** Waiting for an interrupt (`wfi`, `hlt`); the rest of the slice was not used. */
  | "idle"
  /** It can never run again without a reset: halted with interrupts off, triple fault, HSM stopped. */
  | "halted"
  | "breakpoint";

/** What a processor tells of itself: a line each for the channels that are on. */
export interface CpuTrace {
  readonly trap?: (line: string) => void;
  readonly mmu?: (line: string) => void;
}

/** A register for the debugger: the target description, `reg()` and the death report are made from these rows. */
export interface RegisterInfo {
  readonly name: string;
  /** What debuggers call it, if that is another name. */
  readonly debugName?: string;
  readonly bits: number;
  /** GDB's group and feature: "general" | "float" | "csr" | "system". */
  readonly group: string;
  /** GDB type, where it is not the plain integer of that width ("code_ptr", "data_ptr", "ieee_double"). */
  readonly type?: string;
}

export interface Cpu {
  readonly index: number;
  /** As machine files call it. */
  readonly arch: string;
  /** Address of the next instruction, as the guest sees it (unsigned). */
  readonly pc: bigint;
  reset(): void;
  /** Runs at most `budget` instructions (below 2^29), synchronously. `executed` tells how many it took. */
  run(budget: number): RunEnd;
  /** Instructions of the current or last `run`, exact also inside a device access. */
  readonly executed: number;
  /** Cuts the running slice: `run` returns after the current instruction. */
  attention(): void;
  /** True while it waits for an interrupt and none is pending. */
  readonly idle: boolean;
  /** What it does instead of running while `idle`, when it is not that it waits for an interrupt: "shut down". */
  readonly resting?: string | undefined;
  /** The inputs that would end its waiting as things are: none while it waits for another processor. "timer" stands for what has no wire. */
  readonly wakers: readonly string[];
  /** Interrupt inputs by name: "msip" "mtip" "meip" "seip" (RISC-V), "intr" "nmi" "a20m" "ignne" (x86); undefined when there is none. */
  input(name: string): IrqLine | undefined;
  /** Connects an output: "ferr" (x86). */
  connect?(output: string, line: IrqLine): void;
  readonly registers: readonly RegisterInfo[];
  /** @throws {Error} no register of that name. Values are unsigned. */
  reg(name: string): bigint;
  setReg(name: string, value: bigint): void;
  /** Physical address of a virtual one as the CPU would see it now, without side effects; undefined when it is not mapped. */
  translate(vaddr: bigint, access: "read" | "write" | "fetch"): number | undefined;
  /** Text and length in bytes of the instruction at a virtual address; undefined when it cannot be read. */
  disassemble(vaddr: bigint): { readonly text: string; readonly length: number } | undefined;
  /** Stops before the instruction at this virtual address is executed. */
  readonly breakpoints: Set<bigint>;
  /** Call after `breakpoints` changed. */
  breakpointsChanged(): void;
  /** Plain data for a snapshot, and back. */
  save(): unknown;
  load(state: unknown): void;
}
