// Scenario scripts for `--scenario` and `bringup test`: both load a script with the import map of its own folder.
import { ConfigError } from "../core/errors.ts";
import type { Scenario } from "../scenario/boot.ts";
import { readFile } from "../scenario/host.ts";

const root = new URL("../../", import.meta.url);
/** The file of the public API, which a script knows as "bringup", and the configuration that maps the name for scripts without one. */
export const API: string = decodeURIComponent(new URL("mod.ts", root).pathname);
const OWN_CONFIG = decodeURIComponent(new URL("deno.json", root).pathname);
/** Tells a process under which configuration it was started again. */
const MARK = "BRINGUP_CONFIG";
const FORWARDED: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** The deno.json whose import map holds for a script: the nearest in its folder or above, ours where there is none. */
export function configOf(script: string): string {
  const path = new URL(script.split("/").map(encodeURIComponent).join("/"), `file://${Deno.cwd()}/`).pathname;
  for (let dir = decodeURIComponent(path); dir !== "";) {
    dir = dir.slice(0, dir.lastIndexOf("/"));
    for (const name of ["deno.json", "deno.jsonc"]) {
      try {
        if (Deno.statSync(`${dir}/${name}`).isFile) return `${dir}/${name}`;
      } catch {
        // Not here: look further up.
      }
    }
  }
  return OWN_CONFIG;
}

/**
 * A script, or the exit status when it had to be run by another process: the import map of a process is settled when it starts.
 * @throws {ConfigError} the file is missing, does not load, or its default export is no scenario.
 */
export async function loadScript(path: string): Promise<Scenario | number> {
  readFile(path);
  const config = configOf(path);
  if (!holds(config)) return await startAgain(config);
  let module: { default?: Scenario };
  try {
    module = await import(new URL(path.split("/").map(encodeURIComponent).join("/"), `file://${Deno.cwd()}/`).href);
  } catch (e) {
    const { message } = e as Error, unmapped = message.startsWith('Import "bringup"');
    throw new ConfigError(
      unmapped
        ? `the script does not load: ${config} does not say what "bringup" is; add "bringup": "${API}" to its imports`
        : `the script does not load: ${message}`,
      { file: path },
    );
  }
  const script = module.default;
  if (typeof script?.run !== "function") {
    throw new ConfigError("its default export must be a scenario: export default scenario({ … }, async (m) => { … })", { file: path });
  }
  return script;
}

/** True when this process resolves names as `config` says. */
function holds(config: string): boolean {
  if (Deno.env.get(MARK) === config) return true;
  try {
    return config === OWN_CONFIG && decodeURIComponent(new URL(import.meta.resolve("bringup")).pathname) === API;
  } catch {
    return false;
  }
}

/** Runs this command line with another configuration and returns its status. */
async function startAgain(config: string): Promise<number> {
  const args = ["run", "-A", "--no-check", "--config", config, API, ...Deno.args];
  return await runDeno(args, { env: { [MARK]: config }, stdin: "inherit" });
}

/** Runs another Deno in our place and returns its status; the signals that would end us are its to obey. */
export async function runDeno(args: readonly string[], options: Omit<Deno.CommandOptions, "args">): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { ...options, args: [...args] }).spawn();
  const listeners = FORWARDED.map((signal) => [signal, () => child.kill(signal)] as const);
  for (const [signal, forward] of listeners) Deno.addSignalListener(signal, forward);
  const { code } = await child.status;
  for (const [signal, forward] of listeners) Deno.removeSignalListener(signal, forward);
  return code;
}
