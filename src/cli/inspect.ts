// `bringup check`, `describe` and `devices`: what a machine file says, without running it.
import { ConfigError } from "../core/errors.ts";
import { silent } from "../core/log.ts";
import { describe, listDevices } from "../machine/describe.ts";
import { buildFdt } from "../machine/fdt.ts";
import type { MachineGraph } from "../machine/machine_graph.ts";
import { loadGraph } from "../machine/machine.ts";
import { findMachineFile, findShipped, openDisk, readFile } from "../scenario/host.ts";
import type { CommandLine } from "./options.ts";
import { openFile, writeAll, writeText } from "./output.ts";
import { parseSet } from "./set.ts";

/** Checks a machine file. @throws {ConfigError} everything that is wrong with it. */
export async function check(line: CommandLine): Promise<number> {
  const graph = await load(line, "check");
  say(`${graph.file}: ok: ${graph.name}, ${graph.cpu.arch}, ${graph.devices.length} devices\n`);
  return 0;
}

/** Prints the graph; `--dtb FILE` writes the device tree. @throws {ConfigError} @throws {CannotWrite} the file takes no more. */
export async function describeMachine(line: CommandLine): Promise<number> {
  const graph = await load(line, "describe"), dtb = line.values.dtb as string | undefined;
  if (dtb === undefined) {
    say(describe(graph));
    return 0;
  }
  const blob = graph.boot.dtb === undefined ? buildFdt(graph) : readFile(graph.boot.dtb);
  const file = openFile(dtb, "--dtb", true);
  writeAll(file, blob, `${dtb}: --dtb: cannot be written`);
  file.close();
  return 0;
}

/** Prints every component with its keys. @throws {ConfigError} */
export async function devices({ positional }: CommandLine): Promise<number> {
  if (positional.length > 0) throw new ConfigError(`unexpected argument '${positional[0]}'`);
  say(await listDevices());
  return 0;
}

function load({ positional, values }: CommandLine, command: string): Promise<MachineGraph> {
  if (positional.length !== 1) throw new ConfigError(`one machine file is needed: bringup ${command} MACHINE.toml`);
  const options = { file: findMachineFile(positional[0]), set: parseSet((values.set ?? []) as string[]) };
  return loadGraph(options, { readFile, openDisk, findShipped, log: silent }, true);
}

function say(text: string): void {
  writeText(Deno.stdout, text.endsWith("\n") ? text : text + "\n");
}
