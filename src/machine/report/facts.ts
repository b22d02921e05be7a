// What a death report knows, as plain data: facts of the machine and of each processor, and the causes that follow from them. Renderers
// (text, HTML, JSON) know no more than this.
import type { Bus } from "../../core/bus.ts";
import type { Cpu } from "../../core/cpu.ts";
import type { Device } from "../../core/device.ts";
import type { MachineGraph } from "../machine_graph.ts";
import type { NamedFrame } from "../backtrace.ts";
import type { Stop } from "../stop.ts";

/** What a report asks of a machine. */
export interface Subject {
  readonly clock: { readonly ticks: number; readonly nowNs: number };
  readonly bus: Bus;
  readonly cpus: readonly Cpu[];
  readonly symbols: Program;
  readonly stopped?: Stop | undefined;
  readonly graph?: MachineGraph;
  device?(id: string): Device | undefined;
}
/** Where names of addresses come from. */
export interface Program {
  readonly bits?: 32 | 64 | undefined;
  readonly file?: string | undefined;
  lookup(address: bigint): { readonly name: string; readonly offset: bigint } | undefined;
  image?(): Uint8Array | undefined;
}

/** Why a report is made. */
export type Occasion = "tripleFault" | "trapLoop" | "deadHalt" | "reset" | "exit" | "timeout" | "failOn" | "demand" | "stop";

/** An address with what it is called. */
export interface Place {
  readonly address: bigint;
  /** "kernel::main+0x10"; "" when nobody knows. */
  readonly name: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
}

/** An exception, interrupt or trap that a processor took. */
export interface TrapFact {
  readonly name: string;
  /** Number of the vector, or the cause. */
  readonly code: number;
  readonly interrupt: boolean;
  /** What the error code or the trap value says, in words; "" where there is none. */
  readonly detail: string;
  readonly errorCode?: number;
  /** The address that could not be reached. */
  readonly address?: bigint | undefined;
  readonly pc: bigint;
  readonly at: Place;
  /** The instruction there, as memory has it now. */
  readonly instruction?: string | undefined;
  /** "CPL 0", "S -> M". */
  readonly privilege: string;
  /** Instructions that the processor had begun. */
  readonly instructions: number;
  /** How often in a row. */
  readonly times: number;
}

/** How an address is translated now, the root table first. */
export interface WalkFact {
  readonly address: bigint;
  readonly root: bigint;
  readonly levels: readonly { readonly name: string; readonly at: bigint; readonly entry: bigint; readonly flags: string }[];
  /** The level that failed, and why; absent: it is mapped. */
  readonly failed?: { readonly level: string; readonly why: string };
  readonly mappedTo?: bigint;
}

/** A table of names and values: registers, an IDT, trap vectors. */
export interface TableFact {
  readonly title: string;
  readonly rows: readonly (readonly [name: string, value: string])[];
}

/** A processor. */
export interface CpuFacts {
  readonly index: number;
  readonly arch: string;
  /** "64-bit mode, CPL 0", "privilege S". */
  readonly mode: string;
  /** What it does instead of running: "waiting for an interrupt"; absent: it runs. */
  readonly rest?: string;
  readonly at: Place;
  /** Exceptions since the last return from a handler, the first one first; `gap` are left out behind the first `before`. */
  readonly chain: readonly TrapFact[];
  readonly before: number;
  readonly gap: number;
  /** Since reset. */
  readonly traps: number;
  /** Index in `chain` of what began it; -1: no exception is being handled. */
  readonly first: number;
  readonly walk?: WalkFact;
  readonly tables: readonly TableFact[];
  readonly backtrace: readonly NamedFrame[];
  readonly source: readonly SourceQuote[];
  /** Where it was, while it ran on for a while; what was seen most often first. */
  readonly samples?: Samples;
}

/** Lines of a source file around one that an instruction is of. */
export interface SourceQuote {
  readonly file: string;
  readonly line: number;
  readonly lines: readonly { readonly number: number; readonly text: string }[];
}

export interface Samples {
  readonly count: number;
  /** How many of them it waited in. */
  readonly idle: number;
  readonly places: readonly SampledPlace[];
}
export interface SampledPlace {
  /** The function's. */
  readonly name: string;
  readonly count: number;
  /** The first and the last address that was seen. */
  readonly from: bigint;
  readonly to: bigint;
  /** There are instructions in between that wait for another processor: exchanges, load-reserved, pauses. */
  readonly locked: boolean;
}

/** What a cause is: its name (and that of its paragraph in docs/deaths.md), and the sentence. */
export interface Cause {
  readonly id: string;
  readonly says: string;
  readonly link: string;
}

/** Resets that the guest asked for. */
export interface Resets {
  readonly count: number;
  /** Guest time between the last two, in ticks. */
  readonly apart: number;
  /** Where the processor that ran was, at the last one. */
  readonly last: string;
  /** The report of one of the last, and which it was. */
  readonly report?: DeathReport;
  readonly reported?: number;
}

export interface DeathReport {
  readonly version: 1;
  readonly occasion: Occasion;
  /** What happened, in a line: "triple fault at 0x7c00". */
  readonly headline: string;
  readonly guestNs: number;
  readonly tick: number;
  /** What explains it, what comes first first. */
  readonly causes: readonly Cause[];
  /** Index of the processor that the causes are about. */
  readonly cpu: number;
  readonly cpus: readonly CpuFacts[];
  /** What consoles printed last that tells of a panic. */
  readonly panic?: readonly string[];
  readonly resets?: Resets;
  /** Whether an architecture told of its processors; else only where they are is known. */
  readonly known: boolean;
}

/** A row of a table of causes: `says` gives the sentence when it holds. */
export interface CauseRow<F> {
  readonly id: string;
  /** Rows of one group exclude each other: the first that holds is told. Absent: told besides. */
  readonly group?: string;
  readonly says: (facts: F) => string | undefined | false;
}

/** What a module of deaths has: the facts of a processor, and the causes that its architecture knows. */
export interface DeathReporter {
  /** Undefined: it is no processor of this architecture's. */
  examine(cpu: Cpu, subject: Subject, occasion: Occasion): Examined | undefined;
}
export interface Examined {
  readonly facts: Omit<CpuFacts, "index" | "arch" | "rest" | "at" | "backtrace" | "source" | "samples">;
  /** Given where it is, by those who have seen more. */
  causes(seen: Seen): Omit<Cause, "link">[];
}
/** What was seen of a processor besides itself. */
export interface Seen {
  readonly backtrace: readonly NamedFrame[];
  readonly samples?: Samples | undefined;
  /** The guest has said so itself: that it stands still then needs no words. */
  readonly panicked: boolean;
  /** The function that is most often on the stack, if it is there many times. */
  readonly recursion: () => { readonly name: string; readonly times: number; readonly all: boolean };
}

/** What predicates ask of a processor of any architecture; `T`: what its history holds. */
export interface CpuOfDeath<T> {
  readonly occasion: Occasion;
  readonly chain: readonly T[];
  /** Of the chain: what began it. */
  readonly first: T | undefined;
  readonly firstIndex: number;
  readonly recent: readonly T[];
  readonly waiting: boolean;
  /** The stack pointer at the first of them. */
  readonly sp: bigint | undefined;
  readonly walk: WalkFact | undefined;
  readonly walkReason: string;
  readonly seen: Seen;
  reg(name: string): bigint;
  instruction(at: bigint): string;
  place(at: bigint): string;
  /** The function that an address is in; "" when nobody knows. */
  function(at: bigint): string;
  readonly cpu: Cpu;
  readonly symbols: Program;
}
/** What of it follows from a processor and its program alone. */
export const asked = (cpu: Cpu, symbols: Program) => ({
  reg: (name: string) => cpu.reg(name),
  instruction: (at: bigint) => cpu.disassemble(at)?.text ?? "",
  place: (at: bigint) => {
    const found = symbols.lookup(at);
    return found ? `${found.name}${found.offset ? `+${hex(found.offset)}` : ""}` : hex(at);
  },
  function: (at: bigint) => symbols.lookup(at)?.name ?? "",
  cpu,
  symbols,
});
/** Names of a register's bits that are set, of those in `names`. */
export const bitsOf = (value: bigint, bits: Readonly<Record<string, bigint>>, names: string): string[] =>
  names.split(" ").filter((name) => value & bits[name]);

export const hex = (v: bigint | number): string => `0x${v.toString(16)}`;

/** The rows that hold, those of one group only the first. */
export function causesOf<F>(rows: readonly CauseRow<F>[], facts: F): Omit<Cause, "link">[] {
  const told = new Set<string>(), causes: Omit<Cause, "link">[] = [];
  for (const { id, group, says } of rows) {
    if (group !== undefined && told.has(group)) continue;
    const text = says(facts);
    if (!text) continue;
    if (group !== undefined) told.add(group);
    causes.push({ id, says: text });
  }
  return causes;
}
