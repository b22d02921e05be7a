// What the command line of a run asks for: reads the options, and what they mean together.
import { ConfigError, didYouMean } from "../core/errors.ts";
import { JIT_OPTIONS, type JitOption } from "../machine/machine.ts";
import type { BootOptions, Scenario } from "../scenario/boot.ts";
import { parseDuration } from "../scenario/duration.ts";
import { findMachineFile, shellQuote, shippedMachines } from "../scenario/host.ts";
import { type CommandLine, COMMANDS } from "./options.ts";
import { parseSet } from "./set.ts";

/** What the command line asks for, checked. */
export interface Plan {
  readonly machine: string;
  boot: BootOptions;
  readonly expect: readonly RegExp[];
  readonly scenario: string | undefined;
  readonly gdbPort: number | undefined;
  readonly wait: boolean;
  readonly gdbArch: string | undefined;
  readonly stats: boolean;
  readonly display: boolean;
  /** Where consoles go. */
  readonly serial: readonly string[];
  /** Nobody has said what is shown: a hint may help. */
  readonly hint: boolean;
  readonly screenshot: string | undefined;
  readonly record: string | undefined;
  readonly until: string | undefined;
  readonly report: string | undefined;
  /** Where the state goes at the end. */
  readonly save: string | undefined;
  readonly timeline: string | undefined;
  /** Where a script that fails leaves a folder. */
  readonly failures: string | undefined;
}

/** Checks the arguments and what they mean together; `given` is the command line as it was typed. @throws {ConfigError} */
export function makePlan({ positional, values }: CommandLine, given: readonly string[] = Deno.args): Plan {
  checkPositional(positional);
  const [machine, kernel] = positional;
  const options = Object.keys(values).length > 0 ? readOptions(values) : NO_OPTIONS;
  const replay = ["deno run -A mod.ts", ...given.map(shellQuote)].join(" ");
  return { ...options, machine, boot: { ...options.boot, replay, ...(kernel !== undefined ? { kernel } : {}) } };
}

/** The machine is the command line's; what the script forbids and how long it waits is its own, unless the command line limits the time. */
export function withLimitsOf({ options: { failOn = [], budget } }: Scenario, given: BootOptions, limited: boolean): BootOptions {
  const { budget: _, ...rest } = given, guest = limited ? given.budget?.guest : budget?.guest;
  return { ...rest, failOn: [...failOn, ...given.failOn ?? []], budget: { ...budget, ...(guest !== undefined ? { guest } : {}) } };
}

/** @throws {ConfigError} these are not a machine file and perhaps a kernel. */
function checkPositional([machine, kernel, ...more]: readonly string[]): void {
  if (machine === "" || kernel === "") {
    throw new ConfigError(`the ${machine === "" ? "machine" : "kernel"}'s name is empty: a variable that is not set?`);
  }
  if (machine === undefined) throw new ConfigError("which machine? usage: bringup MACHINE.toml [KERNEL] [options]");
  if (/^\w+$/.test(machine) && !isMachine(machine)) {
    // Who may not look cannot know: Deno tells what is missing.
    if (Deno.permissions.querySync({ name: "read", path: machine }).state !== "granted") Deno.statSync(machine);
    const names = [...Object.keys(COMMANDS), ...shippedMachines()];
    throw new ConfigError(`'${machine}' is neither a command nor a machine file${didYouMean(machine, names)}`);
  }
  if (!machine.endsWith(".toml") && kernel?.endsWith(".toml")) {
    throw new ConfigError(`'${machine}' is in the machine's place: the machine file comes first`);
  }
  if (more.length > 0) throw new ConfigError(`unexpected argument '${more[0]}': after the machine file comes one kernel, then options`);
}

/** Whether a bare word names a machine file. */
export function isMachine(word: string): boolean {
  try {
    return findMachineFile(word) !== word;
  } catch {
    return false;
  }
}

const NO_OPTIONS: Omit<Plan, "machine"> = {
  boot: { budget: { guest: "none", wall: "none" } },
  expect: [],
  scenario: undefined,
  gdbPort: undefined,
  gdbArch: undefined,
  wait: false,
  stats: false,
  display: false,
  serial: [],
  hint: true,
  screenshot: undefined,
  record: undefined,
  until: undefined,
  report: undefined,
  save: undefined,
  timeline: undefined,
  failures: undefined,
};

/** @throws {ConfigError} an option's value is wrong, or options exclude each other. */
function readOptions(values: CommandLine["values"]): Omit<Plan, "machine"> {
  const text = (name: string) => values[name] as string | undefined;
  const list = (name: string) => (values[name] ?? []) as readonly string[];
  if (values["gdb-arch"] !== undefined && values.gdb === undefined) throw new ConfigError("--gdb-arch needs --gdb");
  if (values.wait && values.gdb === undefined) throw new ConfigError("--wait needs --gdb: only a debugger can let the guest go on");
  if (values.scenario !== undefined && values.expect) {
    throw new ConfigError("--scenario and --expect exclude each other: the script says what is expected");
  }
  if (values.record !== undefined && values.gdb !== undefined) {
    throw new ConfigError("--record and --gdb exclude each other: what a debugger does is not recorded; --replay takes --gdb");
  }
  const until = text("until");
  if (until !== undefined && values.replay === undefined) throw new ConfigError("--until needs --replay");
  if (values.load !== undefined && values.replay !== undefined) {
    throw new ConfigError("--load and --replay exclude each other: a recording begins where the machine does");
  }
  if (until !== undefined && !/^\d{1,15}$/.test(until)) within("--until", () => parseDuration(until));
  const engine = text("engine");
  if (engine !== undefined && engine !== "interp" && engine !== "jit") {
    throw new ConfigError(`--engine: there is no engine '${engine}'; expected interp or jit`);
  }
  const off = list("no-opt").map((name) => {
    if (!Object.hasOwn(JIT_OPTIONS, name)) {
      throw new ConfigError(
        `--no-opt: there is no pass '${name}'; expected ${Object.keys(JIT_OPTIONS).join(", ")}${
          didYouMean(name, Object.keys(JIT_OPTIONS))
        }`,
      );
    }
    return name as JitOption;
  });
  const display = text("display");
  if (display !== undefined && display !== "terminal" && display !== "none") {
    throw new ConfigError(`--display: there is no display '${display}'; expected terminal or none`);
  }
  const timeout = text("timeout"),
    initrd = text("initrd"),
    symbols = text("symbols"),
    append = text("append"),
    trace = text("trace"),
    load = text("load"),
    traceFile = text("trace-file");
  if (timeout !== undefined) within("--timeout", () => parseDuration(timeout));
  const failOn = list("fail").map((r) => regexp("--fail", r));
  const set = parseSet(list("set"));
  const shorthand: [option: string, key: string][] = [["memory", "memory"], ["harts", "harts"], ["firmware", "firmware"]];
  for (const [option, key] of shorthand) {
    const value = text(option);
    if (value === undefined) continue;
    if (key in set) throw new ConfigError(`--${option} and --set ${key} exclude each other`);
    set[key] = value;
  }
  return {
    boot: {
      set,
      failOn,
      budget: { guest: timeout ?? "none", wall: "none" },
      ...(initrd !== undefined ? { initrd } : {}),
      ...(symbols !== undefined ? { symbols } : {}),
      ...(append !== undefined ? { append } : {}),
      disks: [
        ...list("disk"),
        ...list("floppy").map((file) => ({ file, kind: "floppy" }) as const),
        ...list("cd").map((file) => ({ file, kind: "cd" }) as const),
      ],
      ...(trace !== undefined ? { trace } : {}),
      ...(load !== undefined ? { load } : {}),
      ...(values.raw ? { raw: true } : {}),
      ...(traceFile !== undefined ? { traceFile } : {}),
      ...(engine !== undefined ? { engine } : {}),
      tuning: { off, profile: values.stats === true },
    },
    expect: list("expect").map((r) => regexp("--expect", r)),
    scenario: text("scenario"),
    gdbPort: values.gdb === undefined ? undefined : port(text("gdb") || "1234"),
    wait: values.wait === true,
    gdbArch: text("gdb-arch"),
    stats: values.stats === true,
    display: text("display") === "terminal",
    serial: list("serial"),
    hint: text("display") === undefined && values.screenshot === undefined,
    screenshot: text("screenshot"),
    record: text("record"),
    until,
    report: text("report"),
    save: text("save"),
    timeline: text("timeline"),
    failures: text("failures"),
  };
}

function port(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 65535) throw new ConfigError(`--gdb: '${text}' is not a TCP port: expected 1 to 65535`);
  return n;
}

function regexp(option: string, source: string): RegExp {
  try {
    return new RegExp(source, "m");
  } catch (e) {
    throw new ConfigError(`${option}: ${(e as Error).message}`);
  }
}

function within<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (e) {
    throw e instanceof ConfigError ? new ConfigError(`${option}: ${e.problem}`) : e;
  }
}
