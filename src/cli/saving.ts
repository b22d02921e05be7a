// `--save FILE`: the state of a run at its end. `--load FILE`: what somebody at a terminal sees of it.
import { ConfigError } from "../core/errors.ts";
import { checkWritable } from "../scenario/host.ts";
import type { MachineSession } from "../scenario/session.ts";
import { CannotWrite, type Output, writeText } from "./output.ts";
import type { Plan } from "./plan.ts";

/** Gives what writes the file at the end, for the run's status. @throws {ConfigError} it could not be written. */
export function prepareSave(file: string) {
  checkWritable(file);
  return async (session: MachineSession, { expect }: Pick<Plan, "expect">, status: number, output: Pick<Output, "note">): Promise<void> => {
    // What was to be reached was not: whoever goes on from there must not take it for that.
    if (expect.length > 0 && status !== 0) {
      return output.note(`bringup: ${file}: not saved, since not everything was printed that was expected`);
    }
    try {
      await session.save(file);
    } catch (e) {
      throw e instanceof ConfigError ? new CannotWrite(`--save: ${e.message}`) : e;
    }
  };
}

/** The line that the guest had begun, such as its prompt: somebody at a terminal would see nothing before its next one. */
export function showLine(session: MachineSession, { display, serial }: Pick<Plan, "display" | "serial">): void {
  if (session.consoles.size === 0 || display || serial.length > 0 || !Deno.stdout.isTerminal()) return;
  writeText(Deno.stdout, session.serial.textFrom(session.serial.lineStart));
}
