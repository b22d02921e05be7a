// What a session knows of recordings: those who write and replay them are loaded when one is asked for.
import type { MachineOptions } from "../machine/machine.ts";

/** What a machine was made of. */
export interface Origin {
  readonly machine: string;
  readonly options: Omit<MachineOptions, "file">;
  /** Paths of all files that were read. */
  readonly files: ReadonlySet<string>;
}

/** How a run ended: its exit status, and in a line why. */
export interface Verdict {
  readonly status?: number;
  readonly why?: string;
}

/** A recording that is being written. */
export interface Recording {
  /** The run is over. */
  end(how?: Verdict): void;
}

/** Where a recording ended. */
export interface ReplayEnd extends Verdict {
  /** The machine's age. */
  readonly ticks: number;
  readonly digest: string;
  /** That is the digest of the run that was recorded. A debugger that has stepped may have gone another way. */
  readonly exact: boolean;
  /** False when the run was killed that was recorded: nothing says then how it was at its end. */
  readonly complete: boolean;
}

/** A recording that is being replayed. */
export interface Replay {
  readonly ended: ReplayEnd | undefined;
  /** A debugger has stepped: nothing is as it was recorded from here on, perhaps. */
  disturbed(): void;
  /** Until the end. */
  wait(): Promise<ReplayEnd>;
}
