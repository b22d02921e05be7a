// What is asked of an x86 processor that has died: by the rows of death_causes.ts.
import type { Event } from "../../x86/exceptions.ts";
import type { CpuOfDeath } from "../report/facts.ts";

/** An entry of the IDT, as it is in memory. */
export interface Gate {
  readonly vector: number;
  readonly present: boolean;
  /** 14 interrupt gate, 15 trap gate, 5 task gate. */
  readonly type: number;
  readonly selector: number;
  readonly target: bigint;
  readonly dpl: number;
  readonly ist: number;
}

/** What predicates are asked of. */
export interface X86Facts extends CpuOfDeath<Event> {
  readonly shutdown: boolean;
  readonly protectedMode: boolean;
  readonly long: boolean;
  readonly code64: boolean;
  readonly cpl: number;
  /** The registers are those of the first exception. */
  readonly live: boolean;
  readonly idt: { readonly base: bigint; readonly limit: number; readonly entries: number };
  readonly gdtLimit: number;
  readonly tss: { readonly selector: number; readonly rsp0: bigint | undefined; readonly ist: readonly (bigint | undefined)[] };
  readonly pic: { readonly imr: number; readonly isr: number; readonly vectors: readonly number[] } | undefined;
  has(feature: string): boolean;
  byte(at: bigint): number | undefined;
  physical(at: bigint): number | undefined;
  gate(vector: number): Gate | undefined;
  /** Attributes of a descriptor of the GDT; undefined: it is not there. */
  descriptor(selector: number): { readonly present: boolean; readonly code: boolean; readonly long: boolean } | undefined;
}
