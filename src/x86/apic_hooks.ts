// What a processor needs of its local APIC, and of the other things around it. The machine connects them.

/** Port space as the processor sees it. Sizes are 1, 2 or 4 bytes; values are unsigned. */
export interface CpuPorts {
  in(port: number, size: number): number;
  out(port: number, size: number, value: number): void;
}

/** The local APIC of one processor; absent on a machine that has none. */
export interface ApicHooks {
  /** IA32_APIC_BASE in halves (SDM volume 3A, 10.4.4); the bootstrap processor's bit 8 is the APIC's business. */
  baseLo: number;
  baseHi: number;
  /** Task priority, 0..15: CR8. */
  priority: number;
  /** x2APIC registers and IA32_TSC_DEADLINE as MSRs; undefined or false: there is no such register, so #GP. */
  readMsr(number: number): { readonly lo: number; readonly hi: number } | undefined;
  writeMsr(number: number, lo: number, hi: number): boolean;
}
