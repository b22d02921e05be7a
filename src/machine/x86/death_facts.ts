// What is asked of an x86 processor that has died: by the rows of death_causes.ts.
import type { Cpu } from "../../core/cpu.ts";
import type { Event } from "../../x86/exceptions.ts";
import type { Occasion, Program, Seen, WalkFact } from "../report/facts.ts";

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
export interface X86Facts {
  readonly occasion: Occasion;
  readonly chain: readonly Event[];
  /** Of the chain: what began it, and what was in front of it when that was an interrupt that could not be delivered. */
  readonly first: Event | undefined;
  readonly firstIndex: number;
  readonly recent: readonly Event[];
  readonly shutdown: boolean;
  readonly waiting: boolean;
  readonly protectedMode: boolean;
  readonly long: boolean;
  readonly code64: boolean;
  readonly cpl: number;
  /** The registers are those of the first exception. */
  readonly live: boolean;
  /** The stack pointer at the first exception. */
  readonly sp: bigint | undefined;
  readonly walk: WalkFact | undefined;
  readonly walkReason: string;
  /** Present flags of the walk by level, the root first: whether user mode, and writing, are allowed. */
  readonly idt: { readonly base: bigint; readonly limit: number; readonly entries: number };
  readonly gdtLimit: number;
  readonly tss: { readonly selector: number; readonly rsp0: bigint | undefined; readonly ist: readonly (bigint | undefined)[] };
  readonly pic: { readonly imr: number; readonly isr: number; readonly vectors: readonly number[] } | undefined;
  readonly seen: Seen;
  reg(name: string): bigint;
  has(feature: string): boolean;
  instruction(at: bigint): string;
  byte(at: bigint): number | undefined;
  physical(at: bigint): number | undefined;
  gate(vector: number): Gate | undefined;
  /** Attributes of a descriptor of the GDT; undefined: it is not there. */
  descriptor(selector: number): { readonly present: boolean; readonly code: boolean; readonly long: boolean } | undefined;
  place(at: bigint): string;
  /** The function that an address is in; "" when nobody knows. */
  function(at: bigint): string;
  readonly cpu: Cpu;
  readonly symbols: Program;
}
