// `bringup qemu qemu-system-ARCH ...`: runs a command line of QEMU's, or prints the machine that it means.
import { ConfigError } from "../../core/errors.ts";
import { load } from "../../core/later.ts";
import { loadTree } from "../../machine/config.ts";
import type { Stop } from "../../machine/stop.ts";
import { findShipped, osMessage, readFile, shellQuote, shippedMachines } from "../../scenario/host.ts";
import { exitStatus } from "../ends.ts";
import { type CommandLine, COMMANDS, isOption, type Option, optionName, parseCommandLine, RUN_OPTIONS } from "../options.ts";
import { writeText } from "../output.ts";
import { run } from "../run.ts";
import { board, boardNames } from "./board.ts";
import { Consoles } from "./consoles.ts";
import { deviceNames, devices } from "./devices.ts";
import { Disks } from "./disks.ts";
import { type Files, QemuLine, readArguments, readTarget } from "./line.ts";
import { processor, processorNames } from "./processor.ts";
import * as start from "./start.ts";
import { QEMU } from "./table.ts";
import { machineFile, tomlValue } from "./toml.ts";

/** What QEMU's options are taken to be. */
const VERSION = "7.2.0";

const FILES: Files = {
  start(path) {
    try {
      using file = Deno.openSync(path);
      const bytes = new Uint8Array(512);
      return bytes.subarray(0, file.readSync(bytes) ?? 0);
    } catch {
      return undefined;
    }
  },
  get terminal() {
    return Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  },
};

/** What a command line of QEMU's asks for: `args` begin with the program's name. @throws {ConfigError} */
export function understand(args: readonly string[], files: Files = FILES, own: readonly string[] = []): QemuLine {
  const line = new QemuLine(readTarget(args[0]), files);
  readArguments(line, args.slice(1));
  line.own.unshift(...own);
  board(line, shippedMachines());
  start.boot(line);
  processor(line, () => isaOf(line.machine));
  const disks = new Disks(line), consoles = new Consoles(line);
  devices({ line, disks, consoles });
  disks.finish();
  consoles.finish();
  start.run(line);
  return line;
}

/** The instruction set of a machine file that comes with bringup. */
function isaOf(machine: string): string {
  const file = findShipped(`${machine}.toml`)!,
    cpu = loadTree(file, readFile, findShipped).get("cpu")!.value as ReadonlyMap<string, { readonly value: unknown }>;
  return String(cpu.get("isa")!.value);
}

/** The same as a command line of ours. */
export function commandLine(line: QemuLine): CommandLine {
  const set = [...line.set].map(([key, value]) => `--set=${key}=${tomlValue(value)}`), own = parseCommandLine(["run", ...line.own]).values;
  // What the user says of ours goes before what follows from QEMU's.
  const theirs = new Set([...(own.set as string[] | undefined ?? []).map((s) => s.split("=")[0])]);
  const ours = set.filter((s) => !theirs.has(s.slice(6).split("=")[0]));
  const more = [
    ...line.initrd !== undefined ? [`--initrd=${line.initrd}`] : [],
    ...line.append !== undefined ? [`--append=${line.append}`] : [],
  ];
  const options = [...more, ...line.options].filter((o) => !(o.split("=")[0].slice(2) in own));
  return parseCommandLine(["run", line.machine, ...line.kernel !== undefined ? [line.kernel] : [], ...ours, ...options, ...line.own]);
}

/** QEMU ends with the guest's code, whatever it means, and where a triple fault is a reset that ends the run, with that. */
export const qemuStatus = (stop: Stop): number =>
  stop.kind === "exit" ? stop.code & 0xff : stop.kind === "tripleFault" ? 0 : exitStatus(stop);

/** Runs the command. @throws {ConfigError} */
export async function qemu(args: readonly string[]): Promise<number> {
  const { own, toml, shims, help, rest } = readOwn(args);
  if (help) return say((await load<typeof import("../help.ts")>("cli/help.ts")).helpText("qemu"));
  if (shims !== undefined) return await installed(shims);
  const asked = await answer(rest);
  if (asked !== undefined) return say(asked);
  const line = understand(rest, FILES, own);
  if (toml) return say(machineFile(line, rest.map(shellQuote).join(" ")).trimEnd());
  writeText(Deno.stderr, line.notes.map((n) => `bringup: ${n}\n`).join(""));
  const pid = line.last("pidfile");
  if (pid !== undefined) writePid(pid);
  return await run(commandLine(line), { statusOf: qemuStatus, signalStatus: 0, commands: line.mux });
}

function say(text: string): number {
  writeText(Deno.stdout, `${text}\n`);
  return 0;
}

async function installed(folder: string): Promise<number> {
  const { installShims } = await load<typeof import("./shim.ts")>("cli/qemu/shim.ts"), paths = installShims(folder);
  return say(`${paths.join("\n")}\nIn front of QEMU's: PATH=${shellQuote(Deno.realPathSync(folder))}:$PATH`);
}

function writePid(path: string): void {
  try {
    Deno.writeTextFileSync(path, `${Deno.pid}\n`);
  } catch (e) {
    throw new ConfigError(`-pidfile: cannot be written: ${osMessage(e)}`, { file: path });
  }
}

/** Our options in front of the program's name. */
function readOwn(args: readonly string[]) {
  const own: string[] = [], known: Record<string, Option> = { ...RUN_OPTIONS, ...COMMANDS.qemu.options };
  let toml = false, help = false, shims: string | undefined, i = 0;
  for (; i < args.length && isOption(args[i]); i++) {
    const bare = args[i].replace(/=.*/s, ""),
      name = optionName(bare, known),
      option = name === undefined ? undefined : known[name],
      value = bare === args[i] ? undefined : args[i].slice(bare.length + 1);
    if (!option) throw new ConfigError(`unknown option '${args[i]}' in front of the program's name`);
    const follows = option.value !== undefined && value === undefined && !option.value.startsWith("[");
    if (follows && args[i + 1] === undefined) throw new ConfigError(`--${name} needs a value: ${option.value}`);
    if (name === "help") help = true;
    else if (name === "toml") toml = true;
    else if (name === "install-shim") shims = value ?? args[++i];
    else own.push(args[i], ...follows ? [args[++i]] : []);
  }
  if (shims === "") throw new ConfigError("--install-shim: the folder's name is empty: a variable that is not set?");
  return { own, toml, help, shims, rest: args.slice(i) };
}

/** What QEMU prints without starting anything: Makefiles look for options and versions there. */
async function answer([program, ...args]: readonly string[]): Promise<string | undefined> {
  if (program === undefined) return undefined;
  const asks = (...names: readonly string[]) =>
    args.some((a, i) => names.includes(a.replace(/^--?/, "")) && /^(help|\?|list)$/.test(args[i + 1] ?? ""));
  if (args.some((a) => /^--?version$/.test(a))) {
    const { versionText } = await load<typeof import("../help.ts")>("cli/help.ts");
    return `QEMU emulator version ${VERSION} (its command lines, taken by ${versionText()})`;
  }
  const { family } = new QemuLine(readTarget(program), FILES);
  if (asks("machine", "M")) return `Supported machines are:\n${boardNames(family).join("\n")}`;
  if (asks("cpu")) return `Available CPUs:\n${processorNames(family).join("\n")}`;
  if (asks("device")) return deviceNames().join("\n");
  if (asks("d")) return start.TRACE_ITEMS.join("\n");
  if (!args.some((a) => /^--?h(elp)?$/.test(a))) return undefined;
  const rows = Object.entries(QEMU).map(([name, { value = "", doc }]) => `${`-${name} ${value}`.padEnd(28)} ${doc}`);
  return `usage: ${program} [options] [disk_image]: QEMU's options, as far as they mean something to bringup\n\n${rows.join("\n")}`;
}
