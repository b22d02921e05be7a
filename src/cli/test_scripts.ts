// `bringup test SCRIPT...`: scenario scripts and other test files under `deno test`.
import { ConfigError } from "../core/errors.ts";
import type { CommandLine } from "./options.ts";

/** Runs the scripts and returns 0 when all pass, else 1. @throws {ConfigError} a script is missing. */
export async function test({ positional, values }: CommandLine): Promise<number> {
  if (positional.length === 0) throw new ConfigError("which scripts? usage: bringup test SCRIPT...");
  const files = positional.flatMap(scripts);
  const config = ownConfig() ? [] : ["--config", decodeURIComponent(new URL("../../deno.json", import.meta.url).pathname)];
  const filter = values.filter ? [`--filter=${values.filter}`] : [];
  const child = new Deno.Command(Deno.execPath(), { args: ["test", "-A", "--no-check", ...config, ...filter, ...files], stdin: "null" })
    .spawn();
  return (await child.status).success ? 0 : 1;
}

/** A file, or every script of a folder. */
function scripts(path: string): string[] {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch {
    throw new ConfigError("no such file or folder", { file: path });
  }
  if (!info.isDirectory) return [path];
  const found = [...Deno.readDirSync(path)].filter((e) => e.isFile && e.name.endsWith(".ts")).map((e) =>
    `${path.replace(/\/$/, "")}/${e.name}`
  ).sort();
  if (found.length === 0) throw new ConfigError("no scripts (*.ts) in this folder", { file: path });
  return found;
}

/** True when the working folder belongs to a Deno project of its own, whose import map must say what "bringup" is. */
function ownConfig(): boolean {
  for (let dir = Deno.cwd();; dir = dir.slice(0, dir.lastIndexOf("/"))) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      try {
        return Deno.statSync(`${dir}/${name}`).isFile;
      } catch {
        // Not here: look further up.
      }
    }
    if (dir === "" || dir === "/") return false;
  }
}
