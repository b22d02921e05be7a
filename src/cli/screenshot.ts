// `--screenshot FILE.png` and what `--display` needs: a machine with a screen, a file that can be written, a terminal.
import { ConfigError } from "../core/errors.ts";
import type { MachineSession } from "../scenario/session.ts";
import { inForeground } from "./input.ts";
import type { Plan } from "./plan.ts";

/** @throws {ConfigError} a screen is asked for that is not there. */
export function checkScreen(session: MachineSession, plan: Pick<Plan, "display" | "screenshot">): void {
  const option = plan.display ? "--display" : plan.screenshot === undefined ? undefined : "--screenshot";
  if (option && !session.hasScreen) throw new ConfigError(`${option}: this machine has no screen`);
  if (plan.display && !(Deno.stdout.isTerminal() && Deno.stdin.isTerminal())) {
    throw new ConfigError("--display terminal: standard input and output are no terminal");
  }
  if (plan.display && !inForeground()) throw new ConfigError("--display terminal: the terminal belongs to another job");
}

/** Opens the file before anything runs, and gives what writes the picture. @throws {ConfigError} the file cannot be written. */
export function openScreenshot(path: string): (session: MachineSession) => Promise<void> {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (e) {
      const { message } = e as Error;
      throw new ConfigError(`--screenshot: cannot be written: ${message.replace(/ \(os error.*/, "")}`, { file: path });
    }
  };
  // What is in it stays until there is a picture.
  const file = attempt(() => Deno.openSync(path, { write: true, create: true }));
  return async (session) => {
    const png = await session.screen.png();
    attempt(() => {
      if (file.statSync().isFile) file.truncateSync();
      for (let at = 0; at < png.length;) at += file.writeSync(png.subarray(at));
      file.close();
    });
  };
}
