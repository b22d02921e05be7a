// What the functions behind instructions and events work with: the parts of a processor. Each function asks for those that it needs.
import type { CpuTrace } from "../core/cpu.ts";
import type { CoreEnv } from "../ir/frontend.ts";
import type { CpuState, Modes } from "./cpu_state.ts";
import type { Features } from "./cpuid.ts";
import type { DebugRegisters } from "./debug_registers.ts";
import type { Derived } from "./derived.ts";
import type { EventLog } from "./exceptions.ts";
import type { Faults } from "./faults.ts";
import type { LinearAddresses } from "./linear_addresses.ts";
import type { MicrocodeMemory } from "./microcode_memory.ts";
import type { Paging } from "./paging.ts";
import type { Pending } from "./pending.ts";
import type { X86Config } from "./ports.ts";
import type { SegmentFile } from "./segment_file.ts";
import type { Stack } from "./stack.ts";
import type { X86Window } from "./state_window.ts";
import type { FpuErrorOutput } from "./wires.ts";

export interface Microcode {
  readonly env: CoreEnv;
  readonly config: X86Config;
  readonly features: Features;
  // From one that knows nobody to those that know the ones before them.
  readonly s: CpuState;
  readonly modes: Modes;
  readonly faults: Faults;
  readonly window: X86Window;
  readonly segments: SegmentFile;
  readonly debug: DebugRegisters;
  readonly paging: Paging;
  readonly addresses: LinearAddresses;
  readonly memory: MicrocodeMemory;
  readonly stack: Stack;
  readonly derived: Derived;
  readonly pending: Pending;
  readonly ferr: FpuErrorOutput;
  /** Past events, for reports. */
  readonly events: EventLog;
  /** Who listens. */
  readonly trace: CpuTrace | undefined;
  /** An address by its symbol. */
  readonly place: (at: bigint) => string;
  /** `Faults.raise`: records an exception and gives up what is being done. */
  fault(vector: number, errorCode: number): never;
}
