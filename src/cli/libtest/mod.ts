// A kernel's test cases by the command line of Rust's test programs: as a Cargo runner (`cargo test -- --list`, nextest, editors), and as
// `bringup test --kernel FILE`.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { load } from "../../core/later.ts";
import { EM_386, EM_RISCV, EM_X86_64, isElf, readElf, Symbols, withSymbolsBeside } from "../../machine/elf.ts";
import { findHarness } from "../../machine/test_cases.ts";
import { boot, type BootOptions } from "../../scenario/boot.ts";
import { readFile } from "../../scenario/host.ts";
import { type CommandLine, type Option, parseArguments, RUN_OPTIONS } from "../options.ts";
import { openFile, writeAll, writeText } from "../output.ts";
import { isMachine, makePlan, type Plan } from "../plan.ts";
import { choose, type Given, LIBTEST, type Libtest, readLibtest } from "./arguments.ts";
import { bootable, successStatus } from "./bootimage.ts";
import { junit, reporter, type Result, type Told, type Totals } from "./formats.ts";
import { CalledSuite, type Suite } from "./suites.ts";
import { runWhole, SelectedSuite } from "./whole.ts";

/** Guest time that a case may take: no more, so that one that hangs is told of in some seconds of the host's. */
const TIMEOUT = "5s";
/** The status of Rust's test programs when a case fails. */
const FAILED = 101;
/** Options of a run that mean nothing to single cases. */
const NOT_HERE = ["expect", "scenario", "gdb", "gdb-arch", "wait", "screenshot", "stats"];

/** Options of a run that `test --kernel` has, too. */
const OF_RUNS = [
  ...["append", "initrd", "symbols", "disk", "floppy", "cd", "memory", "harts", "set", "firmware", "fail", "trace", "engine", "no-opt"],
] as const;
const OPTIONS: Readonly<Record<string, Option>> = {
  kernel: { value: "FILE", doc: "the kernel, or a disk image with its ELF file beside it" },
  filter: { value: "TEXT", many: true, doc: "the same as a filter behind the machine" },
  timeout: { value: "TIME", doc: `guest time that a case may take: ${TIMEOUT} when absent` },
  junit: { value: "FILE", doc: "write a JUnit document, too" },
  select: {
    value: "HOW",
    doc: "for a kernel that chooses a case itself: boot anew for each, with the case's name for {} in append=TEXT, a part of its command " +
      "line, or in fw_cfg=NAME=TEXT, an item of the firmware configuration device",
  },
  ...Object.fromEntries(Object.entries(LIBTEST).flatMap(([name, { doc, ...o }]) => doc ? [[name, { ...o, doc }]] : [])),
  ...Object.fromEntries(OF_RUNS.map((name) => [name, RUN_OPTIONS[name]])),
  help: RUN_OPTIONS.help,
};
/** The machine file for an ELF file's machine and class, when none is named. */
const MACHINES: Readonly<Record<string, string>> = {
  [`${EM_RISCV}/64`]: "virt",
  [`${EM_RISCV}/32`]: "virt32",
  [`${EM_X86_64}/64`]: "pc",
  [`${EM_386}/32`]: "pc",
};

/** `bringup test --kernel FILE [MACHINE] [FILTER...]`. @throws {ConfigError} */
export async function testCommand(args: readonly string[]): Promise<number> {
  const { positional, values } = parseArguments(args, OPTIONS);
  if (values.help) {
    const { optionList } = await load<typeof import("../help.ts")>("cli/help.ts");
    const usage = "bringup test --kernel FILE [MACHINE.toml] [FILTER...] [options]";
    writeText(
      Deno.stdout,
      `${usage}
  runs the test cases of a kernel, each on a fork of its own: docs/kernel_tests.md

${optionList(OPTIONS)}
`,
    );
    return 0;
  }
  const { kernel, junit, select, filter = [], ...rest } = values as Record<string, string>;
  const named = positional[0] !== undefined && isMachine(positional[0]), machine = named ? positional[0] : machineFor(kernel, rest.symbols);
  const given = Object.entries(values).flatMap(([name, value]) => {
    if (!Object.hasOwn(LIBTEST, name)) return [];
    delete rest[name];
    return (Array.isArray(value) ? value : [value]).map((v) => [name, v === true ? "" : String(v)] as const);
  });
  const filters = [...positional.slice(named ? 1 : 0), ...filter].map((text) => [undefined, text] as const);
  return await testKernel({
    line: { command: "test", positional: [machine, kernel], values: rest },
    given: [...given, ...filters],
    junit,
    select,
  });
}

/** @throws {ConfigError} its machine is not known, and none is named. */
function machineFor(kernel: string, symbols: string | undefined): string {
  const elf = programOf(kernel, symbols)?.elf, machine = elf && MACHINES[`${elf.machine}/${elf.bits}`];
  if (machine !== undefined) return machine;
  throw new ConfigError("which machine? usage: bringup test --kernel FILE MACHINE.toml [FILTER...]", { file: kernel });
}

const UNNAMED = "bringup: the kernel's symbols do not name its test cases, so it is run as a whole: build it with the rustc option " +
  "-Csymbol-mangling-version=v0 to have them run one by one\n";

/** What a run of cases is given besides a machine. */
export interface TestRun {
  readonly line: CommandLine;
  readonly given: Given;
  /** A file for a JUnit document. */
  readonly junit?: string | undefined;
  /** How the kernel is told which case it is to run, if it chooses itself. */
  readonly select?: string | undefined;
}

/** Runs, or lists, the cases that are chosen; returns the exit status. @throws {ConfigError} nothing was started. */
export async function testKernel({ line, given, junit: junitFile, select }: TestRun): Promise<number> {
  const options = readLibtest(given), plan = planOf(line), kernel = plan.boot.kernel!, name = programName(kernel);
  using document = junitFile === undefined ? undefined : openFile(junitFile, "--junit", true);
  plan.boot = { ...plan.boot, kernel: await bootable(kernel) };
  const success = successStatus(kernel), suite = await suiteOf(plan, name, options, select), chosen = choose(options, suite.cases);
  const color = options.color === "always" || (options.color === "auto" && Deno.stdout.isTerminal() && !Deno.noColor);
  const write = (text: string) => void writeText(Deno.stdout, text);
  const to = reporter(options.format, { write, color, live: !options.capture, showOutput: options.showOutput });
  const vain = options.filters.find((f) => !suite.cases.some((c) => options.exact ? c.name === f : c.name.includes(f)));
  // Cargo gives a filter to every test program of a package: most have no case for it.
  if (vain !== undefined && line.command === "test") {
    writeText(Deno.stderr, `bringup: no test case matches '${vain}'${didYouMean(vain, suite.cases.map((c) => c.name))}\n`);
  }
  if (options.list) {
    to.list(chosen);
    return success;
  }
  const totals = await runCases(suite, chosen, options, to, write);
  if (document) writeAll(document, new TextEncoder().encode(junit(name, totals)), junitFile);
  return totals.failed.length > 0 ? FAILED : success;
}

async function runCases(
  suite: Suite,
  chosen: Suite["cases"],
  options: Libtest,
  to: ReturnType<typeof reporter>,
  write: (text: string) => void,
): Promise<Totals> {
  const passed: [Told, Result][] = [], failed: [Told, Result][] = [], ignored: Told[] = [];
  if (chosen.some((c) => !c.ignored)) await suite.prepare();
  to.start(chosen);
  for (const c of chosen) {
    if (c.ignored) {
      ignored.push(c);
      to.ignored(c);
      continue;
    }
    to.begin(c);
    // A document is no place for what a kernel prints.
    const result = await suite.run(c, options.capture || options.format === "junit" || options.format === "json" ? () => {} : write);
    (result.ok ? passed : failed).push([c, result]);
    to.end(c, result);
  }
  const totals = { passed, failed, ignored, filteredOut: suite.cases.length - chosen.length };
  to.finish(totals);
  return totals;
}

/** @throws {ConfigError} there is no kernel, or an option means nothing here. */
function planOf(line: CommandLine): Plan {
  const odd = NOT_HERE.find((name) => line.values[name] !== undefined);
  if (odd !== undefined) throw new ConfigError(`--${odd} means nothing where single test cases are run`);
  if (line.values.display === "terminal") throw new ConfigError("--display terminal means nothing where single test cases are run");
  if (line.positional[1] === undefined) throw new ConfigError("which kernel? its test cases are in the ELF file");
  return makePlan(line);
}

/** A program's name without what Cargo and bootimage add: "kernel" of "deps/bootimage-kernel-0123456789abcdef.bin". */
export const programName = (path: string): string =>
  path.replace(/^.*\//, "").replace(/^bootimage-/, "").replace(/\.(bin|elf|img)$/, "").replace(/-[0-9a-f]{16}$/, "");

/** How a kernel is told of a case by name, as `--select` says. @throws {ConfigError} */
export function tellBy(select: string, { append, set }: BootOptions): (name: string) => BootOptions {
  const [, text] = /^append=(.*\{\}.*)$/s.exec(select) ?? [], [, item, contents] = /^fw_cfg=([^=]+)=(.*\{\}.*)$/s.exec(select) ?? [];
  if (text !== undefined) {
    return (name) => ({ append: [...append === undefined ? [] : [append], text.replaceAll("{}", name)].join(" ") });
  }
  if (item === undefined) throw new ConfigError(`--select: expected append=TEXT or fw_cfg=NAME=TEXT with {} in the text, got '${select}'`);
  const key = "device.fw_cfg.items", others = set?.[key] as object | undefined;
  return (name) => ({ set: { [key]: { ...others, [item]: contents.replaceAll("{}", name) } } });
}

async function suiteOf(plan: Plan, name: string, { capture, list }: Libtest, select: string | undefined): Promise<Suite> {
  const { kernel, budget, ...rest } = plan.boot, timeout = budget?.guest === "none" ? TIMEOUT : budget!.guest!;
  const options = {
    timeout,
    boot: (told: BootOptions = {}) => {
      const budget = { guest: timeout, wall: "none" } as const;
      // A kernel that resets itself would begin anew for ever.
      const set = { "boot.reset": "stop", ...rest.set, ...told.set };
      return boot(plan.machine, { ...rest, ...told, kernel: kernel!, budget, set });
    },
  };
  const told = select === undefined ? undefined : tellBy(select, rest);
  const program = programOf(kernel!, rest.symbols), harness = program && findHarness(program.bytes, program.elf, program.name);
  const named = harness === "unnamed" ? undefined : harness;
  if (told !== undefined) {
    const { cases } = named ?? await runWhole(name, options, () => {});
    return new SelectedSuite(cases, timeout, (name) => options.boot(told(name)));
  }
  if (named) return new CalledSuite(named, program!.elf, options);
  if (harness === "unnamed") writeText(Deno.stderr, UNNAMED);
  return await runWhole(name, options, capture || list ? () => {} : (text) => void writeText(Deno.stdout, text));
}

/** The ELF file of a kernel: its own, or the one beside a disk image. */
function programOf(kernel: string, symbols: string | undefined) {
  const path = symbols ?? kernel, file = readFile(path);
  if (isElf(file)) return { bytes: file, name: path, elf: readElf(file, path) };
  const beside = withSymbolsBeside(new Symbols(), path, [EM_386, EM_X86_64, EM_RISCV], readFile),
    bytes = beside.image(),
    name = beside.file ?? path;
  return bytes && { bytes, name, elf: readElf(bytes, name) };
}
