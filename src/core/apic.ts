// What processors, the machine and other interrupt controllers know of local APICs. Intel SDM volume 3A (253668-083), chapter 10.

/** Answers of `acknowledge` that are no vectors: nobody asks any more; the 8259 pair knows the vector (ExtINT). */
export const NO_VECTOR = -1, EXT_INT = -2;

/** The local APIC of one processor. */
export interface LocalApic {
  /** IA32_APIC_BASE in halves (10.4.4). */
  readonly baseLo: number;
  readonly baseHi: number;
  /** Writes IA32_APIC_BASE; false: the change is not allowed (#GP). `x2apic`: the processor offers that mode. */
  writeBase(lo: number, hi: number, x2apic: boolean): boolean;
  /** Task priority class, 0..15: CR8. */
  priority: number;
  /** Count of the time-stamp counter since reset at which the timer fires; 0: it is not armed. Counts for TSC-deadline mode only. */
  deadline: number;
  /** x2APIC registers as MSRs; undefined or false: there is no such register, so #GP. */
  readMsr(number: number): { readonly lo: number; readonly hi: number } | undefined;
  writeMsr(number: number, lo: number, hi: number): boolean;
  /** The interrupt acknowledge cycle: the vector, which is in service now, or NO_VECTOR or EXT_INT. */
  acknowledge(): number;
}

/** The local APICs of a machine, and what they ask of it. */
export interface LocalApics {
  /** By number of the processor. */
  readonly of: readonly LocalApic[];
  /** Set by the machine: the processor gets an INIT, a startup IPI. */
  onInit: (processor: number) => void;
  onStartup: (processor: number, vector: number) => void;
  /** Set by the machine: a level-triggered interrupt with this vector was ended. */
  onEndOfInterrupt: (vector: number) => void;
}

/** The device that has them. */
export interface ApicDevice {
  readonly localApics: LocalApics;
}

/** An I/O APIC. */
export interface EndsInterrupts {
  /** A processor has ended a level-triggered interrupt with this vector. */
  endOfInterrupt(vector: number): void;
}

/** An 8259 pair. */
export interface Acknowledges {
  /** An interrupt acknowledge cycle: takes the pending request and returns its vector (0..255). */
  acknowledge(): number;
}
