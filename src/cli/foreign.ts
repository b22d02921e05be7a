// What other programs' users and the Rust ecosystem's runners append to a command line: QEMU's options (qemu/table.ts) and those of Rust's test
// harness, each mapped to ours, accepted because it changes nothing here, or refused with what to use instead. Loaded when an option is not ours.
// Source: "CLI arguments" of the rustc book's "Tests" chapter.
import { ConfigError } from "../core/errors.ts";
import { type Given, LIBTEST, libtestOption, selects } from "./libtest/arguments.ts";
import { followingValue, isOption, type Option, optionName, RUN_OPTIONS, unknownOption } from "./options.ts";
import { QEMU, type Row } from "./qemu/table.ts";

/** Options that `cargo test`, `cargo bench` and their users give a test program. Without one that selects cases, a kernel's own runner decides. */
const HARNESS: Readonly<Record<string, Row>> = Object.fromEntries(
  Object.entries(LIBTEST).flatMap(([name, { value, short }]) =>
    [name, short ?? name].map((n) => [n, { doc: "", ...(value ? { value } : {}) }])
  ),
);

/** Given again, these say nothing new. */
const ONCE: ReadonlySet<string> = new Set(["--set boot.reset=stop", "--serial stdio", "--display none"]);

/** What is wanted of a `bringup` command line with foreign options, and what its user should know. */
export interface Translated {
  readonly args: readonly string[];
  readonly notes: readonly string[];
  /** What asks for single test cases, if anything does. */
  readonly cases: Given | undefined;
}

/**
 * Our command line for one with foreign options. With `cargo`, which runs us, arguments behind the kernel are meant for the test harness.
 * @throws {ConfigError} an option is nobody's, or cannot be served.
 */
export function translate(args: readonly string[], cargo: boolean): Translated {
  const out: string[] = [], notes: string[] = [], asked: [string | undefined, string][] = [], more: string[] = [];
  const positional: string[] = [];
  const place = (arg: string) => {
    positional.push(arg);
    if (positional.length <= 2) return void out.push(arg);
    more.push(arg);
    asked.push([undefined, arg]);
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (!isOption(arg) || arg === "--") {
      if (arg !== "--") place(arg);
      continue;
    }
    const [, given, equals] = /^(--?[^=]*)(?:=(.*))?$/s.exec(arg)!, own = optionName(given, RUN_OPTIONS);
    if (own !== undefined) {
      out.push(arg);
      const option: Option = RUN_OPTIONS[own as keyof typeof RUN_OPTIONS], next = args[i + 1];
      const follows = option.value && equals === undefined && next !== undefined && followingValue(option, next, RUN_OPTIONS) === next;
      if (follows) out.push(args[++i]);
      continue;
    }
    const name = given.replace(/^--?/, ""), row = rowOf(name);
    if (!row) throw unknownOption(given, RUN_OPTIONS);
    const value = row.value ? equals ?? args[++i] : "";
    if (value === undefined) throw new ConfigError(`${given} needs a value`);
    if (!row.value && equals !== undefined) throw new ConfigError(`${given} takes no value`);
    const harness = row === HARNESS[name] ? libtestOption(name) : undefined;
    if (harness !== undefined) asked.push([harness, value]);
    const why = row.instead ?? row.missing;
    if (why) throw new ConfigError(`${given}: ${why}`);
    if (row.said) notes.push(`${given}: ${row.said}`);
    let ours: readonly string[];
    try {
      ours = row.to?.(value, { machine: positional[0] }) ?? [];
    } catch (e) {
      throw e instanceof ConfigError ? new ConfigError(`${given} ${value}: ${e.message}`) : e;
    }
    if (ours.length === 1 && !isOption(ours[0])) place(ours[0]);
    // A runner appends what its user has given already.
    else if (!ONCE.has(ours.join(" ")) || !out.join(" ").includes(ours.join(" "))) out.push(...ours);
  }
  // Behind the kernel Cargo puts what is meant for the test program; anybody else says so with an option of its.
  if (!cargo && asked.every(([option]) => option === undefined)) return { args: [...out, ...more], notes, cases: undefined };
  return { args: out, notes, cases: selects(asked) ? asked : undefined };
}

/** Every option that is known here. */
export const FOREIGN_OPTIONS: readonly string[] = [...Object.keys(QEMU), ...Object.keys(HARNESS)];

const rowOf = (name: string): Row | undefined => [QEMU, HARNESS].find((rows) => Object.hasOwn(rows, name))?.[name];
