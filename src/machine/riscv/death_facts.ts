// What is asked of a RISC-V hart that has died: by the rows of death_causes.ts.
import { FETCH, READ, WRITE } from "../../ir/frontend.ts";
import { ACCESS_FAULT, PAGE_FAULT, type Trap } from "../../riscv/trap.ts";
import type { CpuOfDeath } from "../report/facts.ts";

/** What predicates are asked of. */
export interface RiscvFacts extends CpuOfDeath<Trap> {
  readonly stopped: boolean;
  readonly xlen: 32 | 64;
  readonly isa: { has(extension: string): boolean };
  /** No entry of the physical memory protection is in use. */
  readonly pmpClosed: boolean;
  /** Up to 32 bits of code; undefined when they cannot be read. */
  code(at: bigint): number | undefined;
  physicalCode(at: bigint): number | undefined;
  /** Whether memory is at a physical address. */
  memory(at: bigint): boolean;
}

/** The kind of access that a fault was at, if it was one. */
export const accessOf = ({ cause, interrupt }: Trap): typeof READ | typeof WRITE | typeof FETCH | undefined =>
  interrupt ? undefined : ([READ, WRITE, FETCH] as const).find((a) => PAGE_FAULT[a] === cause || ACCESS_FAULT[a] === cause);
