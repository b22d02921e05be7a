import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { type CommandLine, COMMANDS, parseCommandLine, UnknownOption } from "./options.ts";

/** Arguments, and what they are: command, positional arguments, values. */
const LINES: [args: string, command: CommandLine["command"], positional: string[], values: CommandLine["values"]][] = [
  ["", "run", [], {}],
  ["virt k", "run", ["virt", "k"], {}],
  ["run virt k", "run", ["virt", "k"], {}],
  ["check", "check", [], {}],
  ["virt check", "run", ["virt", "check"], {}],
  ["virt run", "run", ["virt", "run"], {}],
  ["check virt --set a=b --set c=d", "check", ["virt"], { set: ["a=b", "c=d"] }],
  ["describe virt --dtb=x", "describe", ["virt"], { dtb: "x" }],
  ["test a b --filter x", "test", ["a", "b"], { filter: "x" }],
  ["virt --stats k", "run", ["virt", "k"], { stats: true }],
  ["virt -h", "run", ["virt"], { help: true }],
  ["-V", "run", [], { version: true }],
  ["virt --timeout 5s k", "run", ["virt", "k"], { timeout: "5s" }],
  ["virt --expect a --expect=b=c", "run", ["virt"], { expect: ["a", "b=c"] }],
  ["virt --gdb k", "run", ["virt", "k"], { gdb: "" }],
  ["virt --gdb k1", "run", ["virt", "k1"], { gdb: "" }],
  ["virt --gdb 1234 k", "run", ["virt", "k"], { gdb: "1234" }],
  ["virt --gdb=1234 k", "run", ["virt", "k"], { gdb: "1234" }],
  ["virt --gdb --wait", "run", ["virt"], { gdb: "", wait: true }],
  // A TEXT may begin with a dash, and be empty; but it is no option of ours.
  ["virt --append -v", "run", ["virt"], { append: "-v" }],
  ["virt --append=", "run", ["virt"], { append: "" }],
  ["virt --append=--stats", "run", ["virt"], { append: "--stats" }],
  ["virt --initrd -", "run", ["virt"], { initrd: "-" }],
  ["virt -- --stats -x", "run", ["virt", "--stats", "-x"], {}],
];

Deno.test("arguments are a command, what it is about, and options with their values", () => {
  for (const [args, command, positional, values] of LINES) {
    assertEquals(parseCommandLine(args.split(" ").filter(Boolean)), { command, positional, values }, args);
  }
  assertEquals(parseCommandLine(["virt", "--append", ""]).values, { append: "" });
});

const WRONG: [args: string, message: string][] = [
  ["virt --stat", "unknown option '--stat' (did you mean '--stats'?)"],
  ["virt --timout 5s", "unknown option '--timout' (did you mean '--timeout'?)"],
  ["virt -zzzz", "unknown option '-zzzz'"],
  ["virt --constructor", "unknown option '--constructor'"],
  ["check virt --stats", "unknown option '--stats'"],
  ["virt --stats=1", "--stats takes no value"],
  ["virt --timeout", "--timeout needs a value: TIME"],
  ["virt --timeout --stats", "--timeout needs a value: TIME"],
  ["virt --timeout=", "--timeout needs a value: TIME"],
  ["virt --append --stats", "--append needs a value: TEXT (--append=--stats if that is meant)"],
  ["virt --append --", "--append needs a value: TEXT (--append=-- if that is meant)"],
  ["virt --mem 1", "unknown option '--mem' (did you mean '--memory'?)"],
  ["virt --timeout 1s --stats --expect a --timeout=2s k --timeout 3s", "--timeout is given 3 times"],
];

Deno.test("what is wrong with an option is said of the option, and only ours are known", () => {
  for (const [args, message] of WRONG) {
    const e = assertThrows(() => parseCommandLine(args.split(" ")), ConfigError, message);
    assertEquals(e.message, message);
    assertEquals(e instanceof UnknownOption, message.startsWith("unknown"), args);
  }
});

Deno.test("every command says how it is used, and its options what they do", () => {
  for (const [name, { usage, doc, options }] of Object.entries(COMMANDS)) {
    assertEquals([name === "run" || usage.startsWith(name), doc.length > 0, "help" in options], [true, true, true], name);
    for (const [option, { doc }] of Object.entries(options)) assertEquals(/^[a-zA-Z]/.test(doc), true, option);
  }
});

Deno.test("an option may be repeated, or takes no value, or is given once: all of them", () => {
  const many = ["disk", "floppy", "cd", "set", "expect", "fail", "serial", "no-opt", "reporter"];
  const flags = ["toml", "raw", "wait", "stats", "help", "version", "isolate", "last-failed", "update-snapshots", "watch", "digests"];
  for (const [command, { options }] of Object.entries(COMMANDS)) {
    for (const name of Object.keys(options)) {
      const twice = (value: string) => parseCommandLine([command, `--${name}${value}`, `--${name}${value}`]).values[name];
      if (flags.includes(name)) assertEquals(twice(""), true);
      else if (many.includes(name)) assertEquals(twice("=1"), ["1", "1"]);
      else assertThrows(() => twice("=1"), ConfigError, `--${name} is given 2 times`);
    }
  }
});
