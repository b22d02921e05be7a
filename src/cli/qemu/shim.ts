// `bringup qemu --install-shim DIR`: programs with QEMU's names that are bringup, for a PATH in front of QEMU's.
import { ConfigError } from "../../core/errors.ts";
import { osMessage } from "../../scenario/host.ts";
import { TARGETS } from "./line.ts";

const MOD = decodeURIComponent(new URL("../../../mod.ts", import.meta.url).pathname);
const quoted = (path: string) => `'${path.replaceAll("'", `'\\''`)}'`;

/** The program: $BRINGUP_OPTIONS may hold options of ours. */
export const shim = (deno: string): string =>
  `#!/bin/sh
# bringup in QEMU's place. Options of bringup's own: BRINGUP_OPTIONS="--timeout 10s" make qemu
exec ${quoted(deno)} run -A ${quoted(MOD)} qemu $BRINGUP_OPTIONS "\${0##*/}" "$@"
`;

/** Writes them. @returns their paths. @throws {ConfigError} a file of that name is there that is none of ours, or the folder cannot be written. */
export function installShims(folder: string): string[] {
  const paths = TARGETS.map((target) => `${folder.replace(/(.)\/+$/, "$1")}/qemu-system-${target}`);
  try {
    Deno.mkdirSync(folder, { recursive: true });
    for (const path of paths) {
      if (isForeign(path)) throw new ConfigError("there is one that is not bringup's: choose another folder", { file: path });
    }
    for (const path of paths) {
      Deno.writeTextFileSync(path, shim(Deno.execPath()));
      Deno.chmodSync(path, 0o755);
    }
  } catch (e) {
    if (e instanceof ConfigError) throw e;
    throw new ConfigError(`cannot be written: ${osMessage(e)}`, { file: folder });
  }
  return paths;
}

function isForeign(path: string): boolean {
  try {
    return !Deno.readTextFileSync(path).includes("bringup in QEMU's place");
  } catch (e) {
    return !(e instanceof Deno.errors.NotFound);
  }
}
