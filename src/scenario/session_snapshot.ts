// The state of a session as plain data.
import type { ConsoleState } from "./console.ts";
import type { SavedInputs } from "./inputs.ts";
import type { KeyQueueState } from "./keyboard.ts";

/** The state of a session: the machine's and the consoles' histories. */
export interface SessionSnapshot {
  readonly machine: unknown;
  readonly consoles: Readonly<Record<string, ConsoleState>>;
  readonly inputs: SavedInputs;
  /** Up to where each console was searched for each pattern of `failOn`. */
  readonly forbidden: readonly number[];
  /** Keys that wait for the guest. */
  readonly keys?: KeyQueueState;
}
