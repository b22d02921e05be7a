// What is asked of a RISC-V hart that has died: by the rows of death_causes.ts.
import type { Cpu } from "../../core/cpu.ts";
import { FETCH, READ, WRITE } from "../../ir/frontend.ts";
import { ACCESS_FAULT, PAGE_FAULT, type Trap } from "../../riscv/trap.ts";
import type { Occasion, Program, Seen, WalkFact } from "../report/facts.ts";

/** What predicates are asked of. */
export interface RiscvFacts {
  readonly occasion: Occasion;
  readonly chain: readonly Trap[];
  /** What began the chain. */
  readonly first: Trap | undefined;
  readonly firstIndex: number;
  readonly recent: readonly Trap[];
  readonly waiting: boolean;
  readonly stopped: boolean;
  readonly xlen: 32 | 64;
  readonly isa: { has(extension: string): boolean };
  /** The stack pointer at the first trap. */
  readonly sp: bigint | undefined;
  readonly walk: WalkFact | undefined;
  readonly walkReason: string;
  /** No entry of the physical memory protection is in use. */
  readonly pmpClosed: boolean;
  readonly seen: Seen;
  reg(name: string): bigint;
  instruction(at: bigint): string;
  /** Up to 32 bits of code; undefined when they cannot be read. */
  code(at: bigint): number | undefined;
  physicalCode(at: bigint): number | undefined;
  /** Whether memory is at a physical address. */
  memory(at: bigint): boolean;
  place(at: bigint): string;
  /** The function that an address is in; "" when nobody knows. */
  function(at: bigint): string;
  readonly cpu: Cpu;
  readonly symbols: Program;
}

/** The kind of access that a fault was at, if it was one. */
export const accessOf = ({ cause, interrupt }: Trap): typeof READ | typeof WRITE | typeof FETCH | undefined =>
  interrupt ? undefined : ([READ, WRITE, FETCH] as const).find((a) => PAGE_FAULT[a] === cause || ACCESS_FAULT[a] === cause);
