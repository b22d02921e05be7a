/** Why a machine stopped for good, or why `m.run` came back. */
export type Stop =
  /** The guest ended the run with a code of its own. `pass` when the exit device declares verdicts. */
  | { readonly kind: "exit"; readonly code: number; readonly pass?: boolean }
  /** The guest asked for a reset and the machine file says that a reset ends the run. */
  | { readonly kind: "reset" }
  /** Every hart waits with nothing that could ever wake it. */
  | { readonly kind: "deadHalt"; readonly pc: bigint }
  /** x86: a fault while delivering a double fault. */
  | { readonly kind: "tripleFault"; readonly pc: bigint; readonly report: string }
  /** An unhandled trap: a trap vector that itself traps on its first instruction, for ever. */
  | { readonly kind: "trapLoop"; readonly pc: bigint; readonly report: string }
  | { readonly kind: "breakpoint"; readonly cpu: number; readonly pc: bigint }
  /** The guest time or instruction budget of the run is used up. */
  | { readonly kind: "budget" };
