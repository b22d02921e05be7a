// What a processor needs of the things around it. The machine connects them.
import type { LocalApic } from "../core/apic.ts";
import type { CpuidModel } from "./cpuid.ts";

/** Port space as the processor sees it. Sizes are 1, 2 or 4 bytes; values are unsigned. */
export interface CpuPorts {
  in(port: number, size: number): number;
  out(port: number, size: number, value: number): void;
}

/** What distinguishes one processor from another, and what it is connected to. */
export interface X86Config {
  readonly index: number;
  readonly model: CpuidModel;
  /** Changes to the model's features: "+fsgsbase", "-la57". */
  readonly features: readonly string[];
  /** Physical address bits and so on are the model's; `reset` is segment and offset of the first instruction. */
  readonly reset: { readonly segment: number; readonly offset: number };
  /** How many processors the machine has (CPUID). */
  readonly cores: number;
  readonly ports: CpuPorts;
  /** Its local APIC; undefined on a machine that has none. */
  readonly apic?: LocalApic | undefined;
  /** Seed of RDRAND. */
  readonly seed: number;
  /** The time-stamp counter since reset: an integer below 2^53. */
  tsc(): number;
  /** It counts the ticks that the engine's clock has. */
  readonly tscIsClock: boolean;
  /** An interrupt or exception in real mode has the vector 0000:0000; for advice alone. */
  onNoVector?(vector: number): void;
  /** The interrupt acknowledge cycle: the vector, or -1 when nobody asks any more. */
  acknowledge(): number;
  /** An event has become deliverable: cut the running slice. May be called at any moment. */
  onPending(): void;
  /** The processor has shut down: a fault while a double fault was delivered. */
  onTripleFault(report: string): void;
}
