// Machines of the test that runs, while tests that fail are to leave folders. Loaded when that is wanted; what makes the folders is loaded when
// one has failed.
import { load } from "../core/later.ts";
import type { Failed } from "./failure_folder.ts";
import { ScenarioFailure } from "./failures.ts";
import type { MachineSession } from "./session.ts";

interface Seen {
  readonly session: MachineSession;
  readonly script: string;
  /** The failure of its last wait. */
  error?: Error | undefined;
  kept?: true;
}
let seen: Seen[] = [];

/** A test begins. */
export function begin(): void {
  seen = [];
}

/** A machine of the test that runs. */
export function watch(session: MachineSession, script: string): void {
  const entry: Seen = { session, script };
  seen.push(entry);
  session.trail = [];
  session.onOutcome = (session, error) => {
    if (session === entry.session) entry.error = error;
    else if (error) seen.push({ session, script, error });
  };
}

/** What a test has thrown: it is of the machine whose wait failed with it, else of the one that is given, or the last one. */
export async function keep(dir: string, failed: Failed, session?: MachineSession): Promise<void> {
  if (!session && seen.some((s) => s.kept)) return;
  const one = seen.find((s) => s.error === failed.error) ?? seen.find((s) => s.session === session) ?? seen.at(-1);
  if (one) await leave(one, dir, failed);
}

/** A test is over, and nobody can say whether it has failed: it has when the last wait of a machine has. */
export async function keepUnawaited(dir: string): Promise<void> {
  for (const one of seen) {
    if (!one.error) continue;
    const [, line = "0"] = /:(\d+):\d+\)?$/m.exec(one.error.stack ?? "") ?? [];
    await leave(one, dir, { script: one.script, name: `line ${line}`, error: one.error }, true);
  }
}

/** `told`: the error is on its way already. */
async function leave(one: Seen, dir: string, failed: Failed, told = false): Promise<void> {
  if (one.kept) return;
  one.kept = true;
  const { leaveFolder } = await load<typeof import("./failure_folder.ts")>("scenario/failure_folder.ts");
  const said = await leaveFolder(one.session, dir, failed), { error } = failed;
  // A failure's own message has it where all reporters have it.
  if (error instanceof ScenarioFailure && !told) error.message += said.map((line) => `\n  ${line}`).join("");
  else Deno.stderr.writeSync(new TextEncoder().encode(said.map((line) => `bringup: ${line}\n`).join("")));
}
