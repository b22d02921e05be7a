// The command line as a table: parsing, checks and the help text are made from it.
import { ConfigError, didYouMean } from "../core/errors.ts";

/** One option. `value` names its argument; "[PORT]" is one that may be left out. */
export interface Option {
  readonly value?: string;
  readonly many?: boolean;
  readonly short?: string;
  readonly doc: string;
}

/** Options of a run. */
export const RUN_OPTIONS = {
  append: { value: "TEXT", doc: "kernel command line" },
  initrd: { value: "FILE", doc: "initial RAM disk" },
  symbols: { value: "FILE", doc: "ELF file with the image's symbols; else they are the image's, or those of the ELF file beside it" },
  disk: {
    value: "FILE",
    many: true,
    doc: "put a disk image into the first free drive of its kind (hard disk, floppy, CD); writes to it stay in memory",
  },
  floppy: { value: "FILE", many: true, doc: "the same as a floppy, however short the image is (QEMU's -fda)" },
  cd: { value: "FILE", many: true, doc: "the same as a CD (QEMU's -cdrom)" },
  memory: { value: "SIZE", doc: "size of the machine's RAM, such as 256MiB" },
  harts: { value: "N", doc: "number of harts" },
  set: { value: "KEY=VALUE", many: true, doc: "override a key of the machine file, such as memory.dram.size=2GiB" },
  firmware: {
    value: "FILE",
    doc: "firmware.sbi (builtin, none, or the path of an OpenSBI, RustSBI or U-Boot image) or firmware.bios (builtin, or SeaBIOS's path)",
  },
  gdb: { value: "[PORT]", doc: "serve the GDB remote protocol on 127.0.0.1 (default port 1234)" },
  "gdb-arch": { value: "ARCH", doc: "with --gdb on x86: i386 or x86_64; when absent i386 if the kernel is a 32-bit ELF file" },
  wait: { doc: "with --gdb: start stopped, until the debugger continues" },
  scenario: { value: "FILE", doc: "let a scenario script drive the machine" },
  record: { value: "FILE", doc: "write all that the guest is given to a file, which --replay takes" },
  replay: {
    value: "FILE",
    doc: "run again what was recorded, on the machine and the images that the file names; with --gdb it stops at the end",
  },
  timeline: {
    value: "FILE.html",
    doc: "write what happened as a page: output, inputs, screen, interrupts, exceptions, the script's steps, on one axis of guest time",
  },
  until: { value: "TICK", doc: "with --replay: stop at this tick, or guest time such as 5s; with --gdb for the debugger" },
  failures: { value: "FOLDER", doc: "where a --scenario that fails leaves a folder (default bringup-failures); none: nowhere" },
  timeout: { value: "TIME", doc: "end the run with status 4 after this much guest time, such as 5s" },
  expect: { value: "REGEXP", many: true, doc: "end with status 0 once this was printed; given often: in this order" },
  fail: { value: "REGEXP", many: true, doc: "end with status 1 when this is printed" },
  serial: {
    value: "WHERE",
    many: true,
    doc:
      "where the machine's consoles go, in their order: stdio (the first's default), a file, a TCP port of 127.0.0.1 by its number, none; a copy of the output goes to a file with WHERE,log=FILE",
  },
  display: { value: "WHERE", doc: "terminal: show the guest's text screen on this terminal and type on its keyboard; none (the default)" },
  save: { value: "FILE", doc: "write the machine's state to a file at the end; with --expect: only if all of it was printed" },
  load: { value: "FILE", doc: "go on from such a file, with the same machine, kernel and disks" },
  raw: { doc: "no names beside the addresses that the guest prints, on a terminal and in reports" },
  screenshot: { value: "FILE.png", doc: "write a picture of the guest's screen at the end" },
  report: { value: "FILE", doc: "write at the end why the machine is where it is: FILE.json for programs, FILE.html a page, else text" },
  trace: { value: "CHANNELS", doc: "write trace lines to stderr: guest,irq,... or all; help lists the channels" },
  "trace-file": { value: "FILE", doc: "write them there instead" },
  stats: { doc: "print counters to stderr at the end" },
  engine: { value: "ENGINE", doc: "interp or jit (the default)" },
  "no-opt": { value: "NAME", many: true, doc: "switch off one of the JIT's passes; a wrong name lists them" },
  help: { short: "h", doc: "this text" },
  version: { short: "V", doc: "the version, and Deno's" },
} as const satisfies Record<string, Option>;

const OTHER_OPTIONS = {
  check: {
    set: RUN_OPTIONS.set,
    help: RUN_OPTIONS.help,
  },
  describe: {
    set: RUN_OPTIONS.set,
    dtb: { value: "FILE", doc: "write the device tree as a binary" },
    help: RUN_OPTIONS.help,
  },
  devices: { help: RUN_OPTIONS.help },
  test: {
    kernel: { value: "FILE", doc: "run the test cases of a kernel instead, each on a fork of its own: see test --kernel FILE --help" },
    filter: { value: "TEXT", doc: "run only tests with this in their name, or a /regular expression/ that matches it" },
    jobs: {
      value: "N",
      short: "j",
      doc: "files that are run at the same time, each in a process (default: as many as there are processors)",
    },
    isolate: { doc: "a new process for every file: one is used for several files otherwise" },
    shard: { value: "I/N", doc: "run the I-th of N parts of the tests; auto: what the CI system or batch engine says (see README)" },
    retries: { value: "N", doc: "run a test that failed up to N times more; one that passes then is flaky" },
    repeats: { value: "N", doc: "run each test N times more, each of which has to pass" },
    timeout: { value: "TIME", doc: "the host's time that one test may take, a safety net (default 10m); waits have limits of guest time" },
    "last-failed": { doc: "run only what failed last time in this folder" },
    watch: { doc: "run again what a changed kernel, machine file or script affects, until Ctrl-C" },
    "update-snapshots": { doc: "write what goldens are compared with anew (tests see it in Deno.args)" },
    reporter: {
      value: "NAME",
      many: true,
      doc: "list (the default), dot, github, json, html (bringup-report.html), junit; NAME=FILE writes to that file",
    },
    junit: { value: "FILE", doc: "the same as --reporter junit=FILE, beside the default" },
    failures: { value: "FOLDER", doc: "where a test that fails leaves a folder (default bringup-failures); none: nowhere" },
    digests: { doc: "tell the digest of every machine as its test left it, to compare runs" },
    help: RUN_OPTIONS.help,
  },
  qemu: {
    toml: { doc: "print the machine as a machine file and run nothing" },
    "install-shim": { value: "DIR", doc: "write programs named qemu-system-x86_64 and so on there, which are bringup" },
    help: RUN_OPTIONS.help,
  },
} as const satisfies Record<string, Record<string, Option>>;

/** Options of `merge`. */
const MERGE_OPTIONS = {
  junit: { value: "FILE", doc: "write JUnit XML" },
  html: { value: "FILE", doc: "write a page" },
  json: { value: "FILE", doc: "write JSON" },
  lcov: { value: "FILE", doc: "write an lcov trace file" },
  help: RUN_OPTIONS.help,
} as const satisfies Record<string, Option>;

/** What can be asked for: its arguments and what it does. */
export const COMMANDS = {
  run: { usage: "MACHINE.toml [KERNEL] [options]", doc: "run a kernel on a machine; its console is this terminal", options: RUN_OPTIONS },
  test: {
    usage: "test [SCRIPT...] [options]",
    doc: "run scenario scripts as tests: files, or folders with *.scenario.ts",
    options: OTHER_OPTIONS.test,
  },
  qemu: {
    usage: "qemu [--toml] qemu-system-ARCH ...",
    doc: "run a command line of QEMU's, or print its machine; --install-shim DIR: by programs of QEMU's names",
    options: OTHER_OPTIONS.qemu,
  },
  merge: {
    usage: "merge REPORT... [options]",
    doc: "join the reports of all parts of a run (files or folders): JUnit, JSON, HTML, coverage",
    options: MERGE_OPTIONS,
  },
  check: { usage: "check MACHINE.toml", doc: "say what is wrong with a machine file", options: OTHER_OPTIONS.check },
  describe: {
    usage: "describe MACHINE.toml [--dtb FILE]",
    doc: "print its memory map, wires and device tree",
    options: OTHER_OPTIONS.describe,
  },
  devices: { usage: "devices", doc: "print every component with its keys", options: OTHER_OPTIONS.devices },
} as const;
export type Subcommand = keyof typeof COMMANDS;

/** A parsed command line. Only options that were given are in `values`. */
export interface CommandLine {
  readonly command: Subcommand;
  readonly positional: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly string[]>>;
  /** What asks for single test cases of the kernel, in the order in which it was given: see `libtest/arguments.ts`. */
  readonly cases?: readonly (readonly [option: string | undefined, value: string])[];
}

/** An option that is not ours. QEMU's, and what test harnesses are told, are translated only then: see `foreign.ts`. */
export class UnknownOption extends ConfigError {}

/** Reads the arguments. @throws {ConfigError} an option is unknown, lacks its value, has one too many, or is given twice. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const command = args[0] !== undefined && Object.hasOwn(COMMANDS, args[0]) ? args[0] as Subcommand : "run";
  return { command, ...parseArguments(args[0] === command ? args.slice(1) : args, COMMANDS[command].options) };
}

/** The same for other options. @throws {ConfigError} */
export function parseArguments(rest: readonly string[], options: Readonly<Record<string, Option>>): Omit<CommandLine, "command"> {
  const positional: string[] = [], values: Record<string, string | boolean | string[]> = {};
  for (let i = 0; i < rest.length; i++) {
    const arg = rest[i];
    if (arg === "--") {
      positional.push(...rest.slice(i + 1));
      break;
    }
    if (!isOption(arg)) {
      positional.push(arg);
      continue;
    }
    const [, given, equals] = /^(--?[^=]*)(?:=(.*))?$/s.exec(arg)!, name = optionName(given, options);
    if (name === undefined) throw unknownOption(given, options);
    const option = options[name];
    if (!option.value) {
      if (equals !== undefined) throw new ConfigError(`--${name} takes no value`);
      values[name] = true;
      continue;
    }
    const value = equals ?? followingValue(option, rest[i + 1], options);
    if (equals === undefined && value === rest[i + 1]) i++;
    if (value === undefined || (value === "" && !mayBeEmpty(option))) {
      throw new ConfigError(`--${name} needs a value: ${option.value}${hintOnText(name, option, rest[i + 1])}`);
    }
    if (values[name] === undefined) values[name] = option.many ? [value] : value;
    else if (option.many) (values[name] as string[]).push(value);
    else throw new ConfigError(`--${name} is given ${timesGiven(name, rest, options)} times`);
  }
  return { positional, values };
}

/** Whether an argument is an option; "-" alone is a file. */
export const isOption = (arg: string): boolean => arg.startsWith("-") && arg !== "-";

/** The option that "--name" or "-n" names. */
export function optionName(given: string, options: Readonly<Record<string, Option>>): string | undefined {
  if (given.startsWith("--")) return Object.hasOwn(options, given.slice(2)) ? given.slice(2) : undefined;
  return Object.keys(options).find((n) => options[n].short === given.slice(1));
}

const mayBeEmpty = (option: Option) => option.value!.startsWith("[") || option.value === "TEXT";

/**
 * The value that the next argument is; undefined when it is none. A value that may be left out is a number, any text but one of our options is
 * a TEXT (a kernel's command line may begin with a dash), and nothing else begins with a dash.
 */
export function followingValue(option: Option, next: string | undefined, options: Readonly<Record<string, Option>>): string | undefined {
  if (option.value!.startsWith("[")) return next !== undefined && /^\d+$/.test(next) ? next : "";
  if (next === undefined || !isOption(next)) return next;
  return option.value === "TEXT" && next !== "--" && optionName(next.replace(/=.*/s, ""), options) === undefined ? next : undefined;
}

const hintOnText = (name: string, option: Option, next: string | undefined) =>
  option.value === "TEXT" && next !== undefined ? ` (--${name}=${next} if that is meant)` : "";

function timesGiven(name: string, args: readonly string[], options: Readonly<Record<string, Option>>): number {
  return args.filter((a) => isOption(a) && optionName(a.replace(/=.*/s, ""), options) === name).length;
}

export function unknownOption(dashed: string, options: Readonly<Record<string, Option>>): UnknownOption {
  const given = dashed.replace(/^--?/, ""), names = Object.keys(options), starts = given && names.find((n) => n.startsWith(given));
  return new UnknownOption(
    `unknown option '${dashed}'${starts ? ` (did you mean '--${starts}'?)` : didYouMean(given, names).replace("'", "'--")}`,
  );
}
