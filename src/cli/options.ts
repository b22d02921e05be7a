// The command line as a table: parsing, checks and the help text are made from it.
import { parseArgs } from "../std/cli.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";

/** One option. `value` names its argument; "[PORT]" is one that may be left out. */
interface Option {
  readonly value?: string;
  readonly many?: boolean;
  readonly short?: string;
  readonly doc: string;
}

/** Options of a run. */
export const RUN_OPTIONS = {
  append: { value: "TEXT", doc: "kernel command line" },
  initrd: { value: "FILE", doc: "initial RAM disk" },
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
  wait: { doc: "with --gdb: start stopped, until the debugger continues" },
  scenario: { value: "FILE", doc: "let a scenario script drive the machine" },
  timeout: { value: "TIME", doc: "end the run with status 4 after this much guest time, such as 5s" },
  expect: { value: "REGEXP", many: true, doc: "end with status 0 once this was printed; given often: in this order" },
  fail: { value: "REGEXP", many: true, doc: "end with status 1 when this is printed" },
  display: { value: "WHERE", doc: "terminal: show the guest's text screen on this terminal and type on its keyboard; none (the default)" },
  screenshot: { value: "FILE.png", doc: "write a picture of the guest's screen at the end" },
  trace: { value: "CHANNELS", doc: "write trace lines to stderr: guest,irq,... or all; help lists the channels" },
  stats: { doc: "print counters to stderr at the end" },
  engine: { value: "ENGINE", doc: "interp or jit (the default)" },
  "no-opt": { value: "NAME", many: true, doc: "switch off one of the JIT's passes; a wrong name lists them" },
  help: { short: "h", doc: "this text" },
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
  test: { filter: { value: "TEXT", doc: "run only tests with this in their name" }, help: RUN_OPTIONS.help },
} as const satisfies Record<string, Record<string, Option>>;

/** What can be asked for: its arguments and what it does. */
export const COMMANDS = {
  run: { usage: "MACHINE.toml [KERNEL] [options]", doc: "run a kernel on a machine; its console is this terminal", options: RUN_OPTIONS },
  test: { usage: "test SCRIPT...", doc: "run scenario scripts (files or folders) as tests", options: OTHER_OPTIONS.test },
  check: { usage: "check MACHINE.toml", doc: "say what is wrong with a machine file", options: OTHER_OPTIONS.check },
  describe: {
    usage: "describe MACHINE.toml [--dtb FILE]",
    doc: "print its memory map, wires and device tree",
    options: OTHER_OPTIONS.describe,
  },
  devices: { usage: "devices", doc: "print every component with its keys", options: OTHER_OPTIONS.devices },
} as const;
export type Command = keyof typeof COMMANDS;

/** A parsed command line. Only options that were given are in `values`. */
export interface CommandLine {
  readonly command: Command;
  readonly positional: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly string[]>>;
}

/** Reads the arguments. @throws {ConfigError} an option is unknown, lacks its value, has one too many, or is given twice. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const command = args[0] !== undefined && Object.hasOwn(COMMANDS, args[0]) ? args[0] as Command : "run";
  const rest = args[0] === command ? args.slice(1) : args;
  return rest.some((arg) => arg.startsWith("-")) ? parseOptions(command, rest) : { command, positional: rest, values: {} };
}

function parseOptions(command: Command, args: readonly string[]): CommandLine {
  const options: Record<string, Option> = COMMANDS[command].options;
  const names = Object.keys(options);
  const flags = names.filter((n) => !options[n].value), valued = names.filter((n) => options[n].value);
  const given = args.map((arg, i, all) => {
    // An option whose value may be left out must not swallow the next argument unless it looks like its value.
    const name = arg.replace(/^--/, "");
    return arg.startsWith("--") && options[name]?.value?.startsWith("[") && !/^\d+$/.test(all[i + 1] ?? "") ? `${arg}=` : arg;
  });
  const end = given.indexOf("--");
  checkValues(end < 0 ? given : given.slice(0, end), options);
  const parsed = parseArgs(given, {
    boolean: flags,
    string: valued,
    collect: valued,
    alias: Object.fromEntries(names.filter((n) => options[n].short).map((n) => [n, options[n].short!])),
  });
  const values: Record<string, string | boolean | readonly string[]> = {};
  for (const n of flags) if (parsed[n]) values[n] = true;
  for (const n of valued) {
    const list = parsed[n] as string[];
    if (list.length > 1 && !options[n].many) throw new ConfigError(`--${n} is given ${list.length} times`);
    if (list.length > 0) values[n] = options[n].many ? list : list[0];
  }
  return { command, positional: parsed._, values };
}

/** Unknown options, missing values, and values of options that take none. */
function checkValues(args: readonly string[], options: Record<string, Option>): void {
  const shorts = new Map(Object.entries(options).flatMap(([n, o]) => o.short ? [[o.short, n]] : []));
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (!arg.startsWith("-") || arg === "-") continue;
    const [, dashes, given, value] = /^(--?)([^=]*)(?:=(.*))?$/s.exec(arg)!;
    const name = dashes === "-" ? shorts.get(given) : Object.hasOwn(options, given) ? given : undefined;
    if (name === undefined) throw new ConfigError(`unknown option '${dashes}${given}'${didYouMeanOption(given, options)}`);
    const option = options[name];
    if (!option.value && value !== undefined) throw new ConfigError(`--${name} takes no value`);
    if (!option.value || value !== undefined) {
      if (value === "" && !option.value?.startsWith("[")) throw new ConfigError(`--${name} needs a value: ${option.value}`);
      continue;
    }
    const next = args[++i];
    const none = next === undefined || (next.startsWith("-") && next !== "-") || (next === "" && option.value === "FILE");
    if (none) throw new ConfigError(`--${name} needs a value: ${option.value}`);
  }
}

function didYouMeanOption(given: string, options: Record<string, Option>): string {
  const names = Object.keys(options), starts = names.find((n) => n.startsWith(given));
  return starts && given ? ` (did you mean '--${starts}'?)` : didYouMean(given, names).replace("'", "'--");
}
