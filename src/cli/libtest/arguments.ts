// The command line of Rust's test programs, which Cargo, nextest and editors speak to a runner.
// Source: the rustc book, "Tests", CLI arguments (1.9x); what nextest sends: its site, "Custom test harnesses".
import { ConfigError, didYouMean } from "../../core/errors.ts";

/** One option of a test program. */
export interface LibtestOption {
  readonly value?: string;
  readonly short?: string;
  readonly many?: true;
  /** Whoever gives it speaks to single cases: without such an option the kernel's own runner decides. */
  readonly selects?: true;
  /** Absent: it is accepted and changes nothing, since each case runs on its own fork, one after the other. */
  readonly doc?: string;
}

const OPTIONS = {
  list: { selects: true, doc: "print the names of the cases, and run none" },
  exact: { selects: true, doc: "filters are whole names, not parts of them" },
  ignored: { selects: true, doc: "run only cases that are ignored" },
  "include-ignored": { selects: true, doc: "run those, too" },
  "exclude-should-panic": { selects: true, doc: "leave out cases that pass by panicking" },
  skip: { value: "FILTER", many: true, selects: true, doc: "leave out cases with this in their name" },
  format: { value: "FORMAT", selects: true, doc: "pretty (the default), terse, json or junit" },
  quiet: { short: "q", doc: "the same as --format terse" },
  nocapture: { doc: "show what cases print, as they print it" },
  "no-capture": { doc: "the same" },
  "show-output": { doc: "show at the end what the cases printed that passed" },
  color: { value: "WHEN", doc: "auto, always or never" },
  test: {},
  bench: {},
  shuffle: {},
  "report-time": {},
  "ensure-time": {},
  "force-run-in-process": {},
  "test-threads": { value: "N" },
  "shuffle-seed": { value: "SEED" },
  logfile: { value: "FILE" },
  Z: { value: "FLAG", short: "Z" },
} as const satisfies Record<string, LibtestOption>;
export const LIBTEST: Readonly<Record<string, LibtestOption>> = OPTIONS;

/** The option of a name or a letter without its dashes. */
export const libtestOption = (given: string): string | undefined =>
  Object.hasOwn(LIBTEST, given) ? given : Object.keys(LIBTEST).find((name) => LIBTEST[name].short === given);

const FORMATS = ["pretty", "terse", "json", "junit"] as const;
export type Format = (typeof FORMATS)[number];
const COLORS = ["auto", "always", "never"];

/** What a test program was asked for. */
export interface Libtest {
  readonly list: boolean;
  readonly exact: boolean;
  readonly ignored: "no" | "only" | "too";
  readonly shouldPanic: boolean;
  readonly filters: readonly string[];
  readonly skip: readonly string[];
  readonly format: Format;
  readonly capture: boolean;
  readonly showOutput: boolean;
  readonly color: string;
}

/** Options and filters in the order in which they were given; undefined: a filter. */
export type Given = readonly (readonly [option: string | undefined, value: string])[];

/** Whether they ask for single cases. */
export const selects = (given: Given): boolean => given.some(([option]) => option === undefined || LIBTEST[option].selects);

/** @throws {ConfigError} values that are none, or options that exclude each other. */
export function readLibtest(given: Given): Libtest {
  const all = (name: string | undefined) => given.flatMap(([option, value]) => option === name ? [value] : []);
  const has = (name: keyof typeof OPTIONS) => all(name).length > 0;
  const choice = (name: keyof typeof OPTIONS, among: readonly string[], otherwise: string) => {
    const value = all(name).at(-1) ?? otherwise;
    if (!among.includes(value)) throw new ConfigError(`--${name}: expected ${among.join(", ")}, got '${value}'${didYouMean(value, among)}`);
    return value;
  };
  if (has("ignored") && has("include-ignored")) throw new ConfigError("--ignored and --include-ignored exclude each other");
  if (has("quiet") && has("format")) throw new ConfigError("--quiet and --format exclude each other");
  const threads = all("test-threads").find((n) => !/^[1-9]\d*$/.test(n));
  if (threads !== undefined) throw new ConfigError(`--test-threads: expected a number of at least 1, got '${threads}'`);
  return {
    list: has("list"),
    exact: has("exact"),
    ignored: has("ignored") ? "only" : has("include-ignored") ? "too" : "no",
    shouldPanic: !has("exclude-should-panic"),
    filters: all(undefined),
    skip: all("skip"),
    format: choice("format", FORMATS, has("quiet") ? "terse" : "pretty") as Format,
    capture: !has("nocapture") && !has("no-capture"),
    showOutput: has("show-output"),
    color: choice("color", COLORS, "auto"),
  };
}

/** What is chosen of the cases, in libtest's order, which is that of their names; those that are ignored are told of, and not run. */
export function choose<C extends { readonly name: string; readonly ignored: boolean; readonly shouldPanic: boolean }>(
  { exact, ignored, shouldPanic, filters, skip }: Libtest,
  cases: readonly C[],
): C[] {
  const matches = (name: string) => (filter: string) => exact ? name === filter : name.includes(filter);
  return cases.filter((c) =>
    (filters.length === 0 || filters.some(matches(c.name))) && !skip.some(matches(c.name)) && (shouldPanic || !c.shouldPanic) &&
    (ignored !== "only" || c.ignored)
  ).map((c) => ignored === "no" ? c : { ...c, ignored: false }).sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
