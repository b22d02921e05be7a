// The entry of the command line: reads the arguments and hands over to the subcommand; other files than that of `run` are loaded only then.
import { ConfigError } from "../core/errors.ts";
import { load } from "../core/later.ts";
import { type CommandLine, COMMANDS, parseCommandLine, type Subcommand, UnknownOption } from "./options.ts";
import { CannotWrite, writeText } from "./output.ts";
import { run } from "./run.ts";

const RUN: Record<Exclude<Subcommand, "qemu">, (line: CommandLine) => Promise<number>> = {
  run: (line) => run(line),
  test: async (line) => (await load<typeof import("./runner/mod.ts")>("cli/runner/mod.ts")).test(line),
  merge: async (line) => (await load<typeof import("./runner/merge.ts")>("cli/runner/merge.ts")).merge(line),
  check: async (line) => (await load<typeof import("./inspect.ts")>("cli/inspect.ts")).check(line),
  describe: async (line) => (await load<typeof import("./inspect.ts")>("cli/inspect.ts")).describeMachine(line),
  devices: async (line) => (await load<typeof import("./inspect.ts")>("cli/inspect.ts")).devices(line),
};

const libtest = () => load<typeof import("./libtest/mod.ts")>("cli/libtest/mod.ts");

/** Whether Cargo runs us. Without the permission to look, nobody does. */
const underCargo = () => Deno.permissions.querySync({ name: "env", variable: "CARGO" }).state === "granted" && Deno.env.has("CARGO");

/** The arguments, also those that `cargo test` and QEMU's users append. @throws {ConfigError} */
async function read(args: readonly string[]): Promise<CommandLine> {
  let line: CommandLine | undefined;
  try {
    line = parseCommandLine(args);
    if (line.command !== "run" || line.positional.length <= 2 || !underCargo()) return line;
  } catch (e) {
    if (!(e instanceof UnknownOption) || Object.hasOwn(RUN, args[0] ?? "") && args[0] !== "run") throw e;
  }
  const { translate } = await load<typeof import("./foreign.ts")>("cli/foreign.ts");
  const { args: ours, notes, cases } = translate(args[0] === "run" ? args.slice(1) : args, underCargo());
  writeText(Deno.stderr, notes.map((n) => `bringup: ${n}\n`).join(""));
  return { ...parseCommandLine(ours), ...(cases ? { cases } : {}) };
}

/** Runs a command line and returns the exit status. A mistake of the user's is one line on stderr and status 2. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    // What follows is QEMU's to name.
    if (args[0] === "qemu") return await (await load<typeof import("./qemu/mod.ts")>("cli/qemu/mod.ts")).qemu(args.slice(1));
    if (args[0] === "test" && args.some((arg) => /^--kernel(=|$)/.test(arg))) return await (await libtest()).testCommand(args.slice(1));
    const line = await read(args);
    if (line.values.version) {
      const { versionText } = await load<typeof import("./help.ts")>("cli/help.ts");
      writeText(Deno.stdout, versionText() + "\n");
      return 0;
    }
    if (line.values.help || args.length === 0 || args[0] === "help") {
      const asked = args[0] === "help" && Object.hasOwn(COMMANDS, args[1] ?? "") ? args[1] as Subcommand : undefined;
      const { helpText } = await load<typeof import("./help.ts")>("cli/help.ts");
      writeText(args.length ? Deno.stdout : Deno.stderr, helpText(line.values.help ? line.command : asked) + "\n");
      return args.length ? 0 : 2;
    }
    return await (line.cases ? (await libtest()).testKernel({ line, given: line.cases }) : RUN[line.command as keyof typeof RUN](line));
  } catch (e) {
    if (e instanceof CannotWrite || isDenied(e)) {
      writeText(Deno.stderr, `bringup: ${(e as Error).message}\n`);
      return e instanceof CannotWrite ? 1 : 2;
    }
    if (!(e instanceof ConfigError)) throw e;
    writeText(Deno.stderr, e.message.split("\n").map((l) => `bringup: ${l}\n`).join(""));
    return 2;
  }
}

/** Deno was not allowed something. Its message names the flag; for a module that is loaded it is a TypeError's. */
const isDenied = (e: unknown) => e instanceof Error && /^Requires \w+ access.* --allow-\w+ flag/s.test(e.message);
