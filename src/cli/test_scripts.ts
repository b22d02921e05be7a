// `bringup test SCRIPT...`: scenario scripts and other test files under `deno test`.
import { ConfigError, didYouMean } from "../core/errors.ts";
import { namesBeside } from "../scenario/host.ts";
import type { CommandLine } from "./options.ts";
import { configOf, runDeno } from "./script.ts";

/** Runs the scripts and returns 0 when all pass, else 1, or the status of the signal that ended them. @throws {ConfigError} a script is missing. */
export async function test({ positional, values }: CommandLine): Promise<number> {
  if (positional.length === 0) throw new ConfigError("which scripts? usage: bringup test SCRIPT...");
  const filter = values.filter ? [`--filter=${values.filter}`] : [];
  let passed = true;
  for (const [config, files] of Map.groupBy(positional.flatMap(scripts), configOf)) {
    const args = ["test", "-A", "--no-check", "--config", config, ...filter, ...files];
    const status = await runDeno(args, { stdin: "null" });
    if (status > 128) return status;
    passed = status === 0 && passed;
  }
  return passed ? 0 : 1;
}

/** A file, or every script of a folder. */
function scripts(path: string): string[] {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    throw new ConfigError(`no such file or folder${didYouMean(path.slice(path.lastIndexOf("/") + 1), namesBeside(path) ?? [])}`, {
      file: path,
    });
  }
  if (!info.isDirectory) return [path];
  const found = [...Deno.readDirSync(path)].filter((e) => e.isFile && e.name.endsWith(".ts")).map((e) =>
    `${path.replace(/\/$/, "")}/${e.name}`
  ).sort();
  if (found.length === 0) throw new ConfigError("no scripts (*.ts) in this folder", { file: path });
  return found;
}
