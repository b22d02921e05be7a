// `--screenshot FILE.png` and what `--display` needs: a machine with a screen, a file that can be written, a terminal.
import { ConfigError } from "../core/errors.ts";
import type { MachineSession } from "../scenario/session.ts";
import { inForeground } from "./input.ts";
import { openFile, writeAll } from "./output.ts";
import type { Plan } from "./plan.ts";

/** @throws {ConfigError} the screen that is asked for is not there, or cannot be shown here. */
export function checkScreen(session: Pick<MachineSession, "hasScreen">, { display }: Pick<Plan, "display">): void {
  if (!session.hasScreen) throw new ConfigError(`${display ? "--display" : "--screenshot"}: this machine has no screen`);
  if (!display) return;
  if (!Deno.stdout.isTerminal() || !Deno.stdin.isTerminal()) {
    throw new ConfigError("--display terminal: standard input and output are no terminal");
  }
  if (!inForeground()) throw new ConfigError("--display terminal: the terminal belongs to another job");
}

/**
 * Opens the file before anything runs, and gives what writes the picture; what is in the file stays until there is one.
 * @throws {ConfigError} the file cannot be written; when it takes no more at the end, `CannotWrite`.
 */
export function openScreenshot(path: string): (session: Pick<MachineSession, "screen">) => Promise<void> {
  const file = openFile(path, "--screenshot", false);
  return async (session) => {
    const png = await session.screen.png();
    if (file.statSync().isFile) file.truncateSync();
    writeAll(file, png, `${path}: --screenshot: cannot be written`);
    file.close();
  };
}
