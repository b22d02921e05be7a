// What scripts look at in a machine. Loaded when a script is given one: a run of the command line has no use for it.
import { loadInspector, type Privilege } from "../machine/inspector.ts";
import { loadBacktrace, type MachineLike } from "./machine_like.ts";
import { type GuestValue, memoryOf, type Reach, Variable } from "./memory.ts";
import { Processor } from "./processor.ts";
import { stackOf, type StackPlace, StackWatch } from "./stacks.ts";
import { accessesOf, type AccessFilter, Tally, trapsOf, type Which } from "./tallies.ts";
import type { Waiting } from "./waiting.ts";

export {
  accessesOf,
  type AccessFilter,
  type GuestValue,
  memoryOf,
  type Privilege,
  Processor,
  type Reach,
  stackOf,
  type StackPlace,
  StackWatch,
  Tally,
  trapsOf,
  Variable,
  type Which,
};

/** What cannot be loaded while guest time stands still. */
export async function loadFor({ cpus: [cpu] }: MachineLike): Promise<void> {
  await loadBacktrace();
  await loadInspector(cpu);
}

export const processorsOf = (session: Waiting): Processor[] => session.machine.cpus.map((cpu) => new Processor(session, cpu));
