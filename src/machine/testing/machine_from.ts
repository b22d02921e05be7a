// Machines whose files are only in memory.
import { ConfigError } from "../../core/errors.ts";
import { type Log, silent } from "../../core/log.ts";
import { createMachine, type Host, loadGraph, type Machine, type MachineOptions } from "../machine.ts";
import { memoryFiles } from "./toys.ts";

/** A host that has these files and no others. */
export const hostOf = (files: Readonly<Record<string, string | Uint8Array>>, log: Log = silent): Host => ({
  readFile: memoryFiles(files, () => new ConfigError("no such file")),
  log,
});

/** The machine that `toml` describes, which is "m.toml" for messages; where there is a file "kernel", that is its kernel. */
export async function machineFrom(
  toml: string,
  files: Readonly<Record<string, string | Uint8Array>> = {},
  options: Partial<MachineOptions> = {},
  log: Log = silent,
): Promise<Machine> {
  const all: MachineOptions = { file: "m.toml", ...(files.kernel && { kernel: "kernel" }), ...options };
  const host = hostOf({ "m.toml": toml, ...files }, log);
  return createMachine(all, host, await loadGraph(all, host));
}

/** A RISC-V machine of a processor, RAM and a ROM for its reset. */
export const RISCV_BOARD = `schema = 1
[cpu]
arch = "riscv64"
isa = "rv64gc"
reset = 0x1000
[memory.ram]
at = 0x8000_0000
size = "8MiB"
[memory.mrom]
at = 0x1000
size = 4096
kind = "rom"
`;

/** A boot sector that halts. */
export const HALTED = Uint8Array.from({ length: 512 }, (_, i) => i === 0 ? 0xf4 : i === 510 ? 0x55 : i === 511 ? 0xaa : 0);
