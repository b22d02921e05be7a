// A command line of QEMU's as it was typed, and what becomes of it. Sources: QEMU 7.2, "Invocation"; softmmu/vl.c for what options mean together.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { isOption, type Option, optionName, RUN_OPTIONS } from "../options.ts";
import { type Properties, properties } from "./syntax.ts";
import { QEMU, type Row } from "./table.ts";

/** The programs that there are, by what they end in; the machine's architecture in the end. */
const PROGRAMS = { x86_64: "x86", i386: "x86", riscv64: "riscv", riscv32: "riscv" } as const;
export type Target = keyof typeof PROGRAMS;
export const TARGETS = Object.keys(PROGRAMS) as Target[];

/** An option with its value, as it was typed. */
export interface Given {
  readonly name: string;
  readonly value: string;
}

/** What is asked for in the end. */
export class QemuLine {
  readonly family: "x86" | "riscv";
  /** What was typed, in its order. */
  readonly given: Given[] = [];
  /** Our own options among it. */
  readonly own: string[] = [];
  /** The machine file's name. */
  machine = "";
  kernel: string | undefined;
  initrd: string | undefined;
  append: string | undefined;
  /** Changes to the machine file by key path. */
  readonly set = new Map<string, unknown>();
  /** Our options for what is no part of the machine. */
  readonly options: string[] = [];
  /** The monitor shares the terminal: Ctrl-A commands are taken from a pipe, too. */
  mux = false;
  /** What is accepted though it is not there: the reason, and what was typed. */
  readonly said = new Map<string, string[]>();

  constructor(readonly target: Target, readonly files: Files) {
    this.family = PROGRAMS[target];
  }

  /** What was typed of some options, in the order of typing. */
  all(...names: readonly string[]): Given[] {
    return this.given.filter((g) => names.includes(g.name));
  }
  /** The value of the last one; undefined when there is none. */
  last(...names: readonly string[]): string | undefined {
    return this.all(...names).at(-1)?.value;
  }
  has(name: string): boolean {
    return this.given.some((g) => g.name === name);
  }
  /** The properties of an option that may be given several times, with what to call each in a message. */
  tables(name: string, first: string): { readonly what: string; readonly props: Record<string, string> }[] {
    return this.all(name).map((g) => ({ what: typed(g), props: this.reading(g, () => properties(g.value, first)) }));
  }
  /** All of an option that adds up, such as -machine. */
  merged(names: readonly string[], first: string): Record<string, string> {
    return Object.fromEntries(this.all(...names).flatMap((g) => Object.entries(this.reading(g, () => properties(g.value, first)))));
  }

  /** Accepts something in one line. */
  say(reason: string, what: string): void {
    const list = this.said.get(reason) ?? [];
    if (!list.includes(what)) list.push(what);
    this.said.set(reason, list);
  }
  get notes(): string[] {
    return [...this.said].map(([reason, whats]) => `${whats.join(", ")}: ${reason}`);
  }

  /** Does something for an option; what it throws names that. */
  reading<T>(given: Given | string, work: () => T): T {
    try {
      return work();
    } catch (e) {
      if (!(e instanceof ConfigError) || e instanceof Named) throw e;
      throw new Named(`${typeof given === "string" ? given : typed(given)}: ${e.message}`);
    }
  }
}

/** An error that says already which option it is about. */
class Named extends ConfigError {}

/** What may be asked of the host while a command line is read. */
export interface Files {
  /** The first bytes of a file; undefined when it cannot be read. */
  start(path: string): Uint8Array | undefined;
  /** Standard input and output are a terminal: a window may be shown there. */
  readonly terminal: boolean;
}

/** A long value is not repeated in full. */
export const typed = ({ name, value }: Given): string =>
  `-${name}${value ? ` ${value.length > 80 ? `${value.slice(0, 77)}...` : value}` : ""}`;

/** @throws {ConfigError} a property that QEMU does not know either, or not for this. */
export function onlyKnown(props: Properties, known: readonly string[]): void {
  const odd = Object.keys(props).find((key) => !known.includes(key.replace(/\..*/, "")));
  if (odd !== undefined) throw new ConfigError(`unknown property '${odd}'${didYouMean(odd, known)}`);
}

/** The program that a word names: "qemu-system-riscv64", "/usr/bin/qemu-system-i386", "qemu-kvm". */
export function targetOf(word: string): Target | undefined {
  const name = word.replace(/^.*\//, "").replace(/\.exe$/, "");
  if (/^(qemu-)?kvm$/.test(name)) return "x86_64";
  const target = name.replace(/^qemu-system-/, "");
  return target !== name && Object.hasOwn(PROGRAMS, target) ? target as Target : undefined;
}

/** @throws {ConfigError} the first word is none of those programs. */
export function readTarget(word: string | undefined): Target {
  const target = word === undefined ? undefined : targetOf(word), names = Object.keys(PROGRAMS).map((name) => `qemu-system-${name}`);
  if (target) return target;
  if (word === undefined || isOption(word)) {
    throw new ConfigError(`which program? usage: bringup qemu ${names[0]} ...; there are ${names.join(", ")}`);
  }
  throw new ConfigError(`'${word}' is not there${didYouMean(word, names)}; there are ${names.join(", ")}`);
}

/** These QEMU has as well, and then they are QEMU's. */
const isOwn = (given: string): boolean =>
  given.startsWith("--") && !Object.hasOwn(QEMU, given.slice(2)) && optionName(given, RUN_OPTIONS) !== undefined;

/** Sorts the arguments behind the program's name. @throws {ConfigError} an option is nobody's or lacks its value. */
export function readArguments(line: QemuLine, args: readonly string[]): void {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    // QEMU takes a bare word for the first hard disk.
    if (!isOption(arg)) {
      line.given.push({ name: "hda", value: arg });
      continue;
    }
    const bare = arg.replace(/=.*/s, "");
    if (isOwn(bare)) {
      const option: Option = RUN_OPTIONS[optionName(bare, RUN_OPTIONS) as keyof typeof RUN_OPTIONS];
      line.own.push(arg);
      if (option.value && bare === arg && i + 1 < args.length && !option.value.startsWith("[")) line.own.push(args[++i]);
      continue;
    }
    const name = arg.replace(/^--?/, ""), row = Object.hasOwn(QEMU, name) ? QEMU[name] : undefined;
    if (!row) throw unknown(arg, bare);
    if (row.value && i + 1 >= args.length) throw new ConfigError(`${arg} needs a value: ${row.value}`);
    accept(line, { name, value: row.value ? args[++i] : "" }, row);
  }
}

function accept(line: QemuLine, given: Given, row: Row): void {
  if (row.missing) throw new ConfigError(`${typed(given)}: ${row.missing}`);
  if (row.said) line.say(row.said, `-${given.name}`);
  else if (row.part) line.given.push(given);
  else if (row.to) line.options.push(...line.reading(given, () => row.to!(given.value, { machine: undefined })));
}

function unknown(arg: string, bare: string): ConfigError {
  const name = bare.replace(/^--?/, "");
  if (bare !== arg && Object.hasOwn(QEMU, name)) {
    return new ConfigError(`unknown option '${arg}': QEMU has the value in an argument of its own, -${name} ${arg.slice(bare.length + 1)}`);
  }
  if (arg.length > 80) return new ConfigError(`unknown option '${arg.slice(0, 77)}...'`);
  const near = didYouMean(name, Object.keys(QEMU)), ours = didYouMean(name, Object.keys(RUN_OPTIONS));
  return new ConfigError(`unknown option '${arg}'${near ? near.replace("'", "'-") : ours.replace("'", "'--")}`);
}
