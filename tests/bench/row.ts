// What a line of the benchmark is, and what its commands have in common.
import { isAbsolute, join } from "@std/path";
import type { Command } from "./measure.ts";

export const ROOT = join(import.meta.dirname!, "..", "..");
/** A path of the repository, or one of the user's own. */
export const path = (file: string) => isAbsolute(file) ? file : join(ROOT, file);
/** Where the programs for the host are built; not in the repository. */
export const NATIVE = path("cache/bench/suite");

/**
 * One line of the table: `ours` and `other` are run alternately and must print the same below the firmware's banner, unless they
 * print times.
 */
export interface Row {
  readonly name: string;
  readonly group: string;
  readonly ours: Command;
  readonly other?: Command;
  /** What `other` is; QEMU unless this says otherwise. */
  readonly rival?: string;
  /** The same work on the host itself, for orientation. */
  readonly native?: Command;
  /** What is compared: wall time, or the largest resident set. */
  readonly measures: "time" | "memory";
  /** Largest accepted quotient of ours and the other. */
  readonly target?: number;
  /** Largest accepted value of ours, in ms or MB; smallest accepted million instructions per second. */
  readonly most?: number;
  readonly leastMips?: number;
  /** What it prints depends on the machine, and is not compared. */
  readonly printsTimes?: boolean;
  /** Makes the guest; without what that needs the row fails. */
  readonly prepare?: () => Promise<void>;
  /** It is run only when `--only` names it. */
  readonly apart?: boolean;
  /** Files that must exist; without them the row is skipped. */
  readonly needs?: readonly string[];
}

/** bringup with these arguments; `until` is where its measurement ends. */
export function bringup(args: readonly string[], until?: string): Command {
  return { program: Deno.execPath(), args: ["run", "-A", path("mod.ts"), ...args], ...(until === undefined ? {} : { until }) };
}

/** A QEMU with these arguments. */
export function qemu(system: string, args: readonly string[], until?: string): Command {
  return { program: `qemu-system-${system}`, args, ...(until === undefined ? {} : { until }) };
}
