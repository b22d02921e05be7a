// Loads a scenario script for `--scenario`.
import { ConfigError } from "../core/errors.ts";
import type { Scenario } from "../scenario/boot.ts";
import { readFile } from "../scenario/host.ts";
import type { MachineSession } from "../scenario/session.ts";

/** The script's body. @throws {ConfigError} the file is missing, does not load, or its default export is no scenario. */
export async function loadScript(path: string): Promise<(m: MachineSession) => Promise<void>> {
  readFile(path);
  let module: { default?: Scenario };
  try {
    module = await import(new URL(path, `file://${Deno.cwd()}/`).href);
  } catch (e) {
    throw new ConfigError(`the script does not load: ${(e as Error).message}`, { file: path });
  }
  const run = module.default?.run;
  if (typeof run !== "function") {
    throw new ConfigError("its default export must be a scenario: export default scenario({ … }, async (m) => { … })", { file: path });
  }
  return run;
}
