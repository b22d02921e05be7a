// What the rest of the machine asks of an architecture without knowing which it is. Each has a folder with its descriptor and a line in
// architectures.ts; its processors are in a folder of src, and the module that makes them is loaded when a machine has one.
import type { Cpu } from "../core/cpu.ts";
import type { FdtProperties } from "../core/device.ts";
import type { Keys } from "../core/schema.ts";

/** The processors of a graph. */
export interface CpuBase {
  readonly arch: string;
  readonly family: string;
  readonly harts: number;
}

/** What descriptions are made of, besides the processors. */
export interface Described {
  readonly clock: { readonly timebase_hz?: number; readonly tsc_hz?: number };
  readonly firmware: { readonly kind: string };
  readonly boot: { readonly dtb?: string; readonly load: number };
}
type Row = readonly (string | number)[];

// deno-lint-ignore no-explicit-any
export interface Architecture<C extends CpuBase = any> {
  /** As messages call it. */
  readonly title: string;
  /** What `cpu.arch` may say. */
  readonly names: readonly string[];
  /** Of its sections of a machine file; `cpu.arch` belongs to all. */
  readonly keys: Readonly<Record<Section, Keys>>;
  /** The key of `cpu` that says how many processors there are. */
  readonly harts: string;
  /** Values of the first key of `firmware` that are no paths. */
  readonly firmwareWords: readonly string[];
  /** Interrupt inputs of a processor, with their numbers in a device tree. */
  readonly inputs: Readonly<Record<string, number>>;
  /** Whether it has a space of ports. */
  readonly ports: boolean;
  /** Whether a machine can start at an address of a file that is loaded, as from a kernel without a protocol. */
  readonly entries?: true;
  /** Machines of ELF files that it runs. */
  readonly elf: readonly number[];
  /** The module below src that makes its machines (`PlatformModule`). */
  readonly platform: string;
  /** The module below src that answers what scripts ask of its processors (`Inspector`). */
  readonly inspector?: string;
  /**
   * The graph's node of a section that was read. `given`: whether the file has a key; `misfit` says that one of those must be otherwise. After
   * errors values may be undefined.
   */
  // deno-lint-ignore no-explicit-any
  cpu(arch: string, values: any, given: (key: string) => boolean, misfit: (key: string, must: string) => void): C;
  /** Puts in what the clock's keys leave to others. */
  clock?(clock: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** Outputs of the first processor, and where they lead; the names are those of keys of `cpu`. */
  outputs?(cpu: C): Readonly<Record<string, string | undefined>>;
  /** Bits of a physical address. */
  physicalBits(cpu: C): number;
  /** The address of the first instruction, when there must be memory. */
  resetAt?(cpu: C): bigint | undefined;
  /** Where raw images go: as the file says, or from the first address of the main RAM. */
  loadAt(cpu: C, load: number | undefined, ram: number): number;
  describe(cpu: C, machine: Described): {
    readonly processor: readonly Row[];
    readonly timer: Row;
    /** What a kernel starts in. */
    readonly kernel: string;
    readonly boot: readonly Row[];
  };
  /** The processors' nodes, of an architecture whose machines have a device tree; `handles` are the phandles of a hart and of its controller. */
  addCpus?(
    tree: TreeWriter,
    cpu: C,
    clock: Described["clock"],
    handles: (hart: number) => { readonly cpu: number; readonly controller: number },
  ): void;
  /** How functions call each other, for backtraces; `bits` of the program's addresses. Absent: nobody knows. */
  stack?(bits: 32 | 64): StackConvention;
  /** The module below src that knows what an exception leaves on the stack (`ExceptionFrames`). Absent: backtraces end at handlers. */
  readonly exceptions?: string;
  /** The module below src that tells why a processor has died (`DeathReporter` of report/facts.ts). Absent: nobody knows. */
  readonly deaths?: string;
  /** How GDB is told of a processor: its own description, then others that may be asked for, by name. */
  gdb(arch: string): Readonly<Record<string, GdbArchitecture>>;
}

/** What debugging information and frame pointers count on. */
export interface StackConvention {
  /** Bytes of a word. */
  readonly bytes: number;
  /** Names of registers by their numbers in debugging information (DWARF). */
  readonly registers: readonly string[];
  /** Numbers of the stack pointer and of the frame pointer. */
  readonly stack: number;
  readonly frame: number;
  /** Words from the frame pointer on: where the caller's frame pointer and the return address are saved, and where the caller's stack ends. */
  readonly saved: { readonly frame: number; readonly returnAddress: number; readonly above: number };
  /** The register that a call leaves the return address in; absent: the top of the stack. */
  readonly link?: number;
}

/** Registers of a function, as far as they are known. */
export interface Registers {
  readonly pc: bigint;
  /** By their numbers in debugging information. */
  readonly values: (bigint | undefined)[];
}
/** What a module of exception frames has. */
export interface ExceptionFrames {
  interruptedFrames(
    cpu: Cpu,
    convention: StackConvention,
    read: (address: bigint, bytes: number) => bigint | undefined,
    symbols: { lookup(address: bigint): { readonly name: string; readonly offset: bigint } | undefined },
  ): InterruptedFrames;
}
/** The exceptions of a processor whose handlers have not returned. */
export interface InterruptedFrames {
  /**
   * What was interrupted, when the frame behind `now` is an exception's: `caller` is what would be there else, `certain` when debugging
   * information says so; `next`: the instruction at `now` comes next, it is not the one behind a call. Each exception is given once.
   */
  behind(now: Registers, caller: Registers | undefined, certain: boolean, next: boolean): {
    readonly at: Registers;
    readonly exception: string;
  } | undefined;
}
export type Section = "cpu" | "clock" | "firmware" | "boot";

/** A device tree that is being written. */
export interface TreeWriter {
  begin(name: string): void;
  end(): void;
  set(properties: FdtProperties): void;
  property(name: string, value: FdtProperties[string]): void;
}

/** How GDB calls an architecture, and which feature each group of registers belongs to. */
export interface GdbArchitecture {
  /** Absent: GDB takes what its symbol file, or the user, says. */
  readonly name?: string;
  /** Of addresses. */
  readonly bits: 32 | 64;
  readonly features: Readonly<Record<string, string>>;
  readonly types?: Readonly<Record<string, string>>;
  /** Names for the lower half of registers. */
  readonly halves?: Readonly<Record<string, string>>;
  /** What GDB has no means to show of where a processor stands: said once for each kind. */
  readonly hidden?: (cpu: Cpu) => readonly [kind: string, text: string] | undefined;
}
