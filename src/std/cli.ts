// Command-line arguments: the part of JSR's @std/cli `parseArgs` (1.0) that this project uses, with the same options and meaning, so that a
// fresh clone runs without a JSR registry. Not here: dotted keys ("a.b=1" makes no nested object) and numbers (values stay strings).

/** How `parseArgs` reads the arguments. Names are without dashes. */
export interface ParseOptions {
  /** Options without a value. `true` would mean all; name them. */
  readonly boolean?: readonly string[];
  /** Options with a value. */
  readonly string?: readonly string[];
  /** Options that may be given often; their value is always an array. */
  readonly collect?: readonly string[];
  /** Booleans that `--no-NAME` turns off. */
  readonly negatable?: readonly string[];
  /** Other spellings of an option: `{ h: "help" }`. */
  readonly alias?: Readonly<Record<string, string | readonly string[]>>;
  readonly default?: Readonly<Record<string, unknown>>;
  /** Everything from the first positional argument on is positional. */
  readonly stopEarly?: boolean;
  /** What follows `--` goes to the result's "--" and not to "_". */
  readonly "--"?: boolean;
  /**
   * Called with each argument that is no declared option (`key` is undefined for a positional one); `false` leaves it out of the
   * result.
   */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** The options by name (each under all its aliases), the positional arguments in `_`, and with the option "--" what followed it. */
export type Args = { _: string[]; "--"?: string[] } & Record<string, unknown>;

/** Reads `args` as options and positional arguments. */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const booleans = new Set(options.boolean), strings = new Set(options.string), collect = new Set(options.collect);
  const negatable = new Set(options.negatable);
  const names = aliasGroups(options.alias ?? {});
  const any = (set: ReadonlySet<string>, key: string) => spellings(names, key).some((k) => set.has(k));
  const declared = (key: string) => any(booleans, key) || any(strings, key) || any(collect, key) || names.has(key);

  const result: Args = { _: [] };
  for (const key of booleans) if (!any(collect, key)) assign(key, false);
  for (const key of collect) assign(key, []);
  for (const [key, value] of Object.entries(options.default ?? {})) assign(key, value);
  const collected = new Set<string>();

  function assign(key: string, value: unknown): void {
    for (const k of spellings(names, key)) result[k] = value;
  }
  function set(arg: string, key: string, value: unknown): void {
    if (options.unknown && !declared(key) && options.unknown(arg, key, value) === false) return;
    if (!any(collect, key)) return assign(key, value);
    const before = collected.has(spellings(names, key)[0]) ? result[key] as unknown[] : [];
    collected.add(spellings(names, key)[0]);
    assign(key, [...before, value]);
  }
  function positional(arg: string): void {
    if (!options.unknown || options.unknown(arg) !== false) result._.push(arg);
  }

  const end = args.indexOf("--");
  const rest = end < 0 ? [] : args.slice(end + 1);
  const list = end < 0 ? args : args.slice(0, end);
  for (let i = 0; i < list.length; i++) {
    const arg = list[i];
    // A value follows unless it looks like an option itself; "-" alone and negative numbers are values.
    const takesNext = (key: string) =>
      !any(booleans, key) && i + 1 < list.length && (!/^-/.test(list[i + 1]) || /^-(\d|$)/.test(list[i + 1]));
    const next = (key: string): unknown => {
      if (takesNext(key)) return list[++i];
      if (any(booleans, key) && /^(true|false)$/.test(list[i + 1] ?? "")) return list[++i] === "true";
      return any(strings, key) ? "" : true;
    };
    const long = /^--([^=]+)(?:=(.*))?$/s.exec(arg);
    const short = /^-([^-].*)$/s.exec(arg);
    if (long) {
      const [, key, given] = long;
      if (key.startsWith("no-") && any(negatable, key.slice(3))) set(arg, key.slice(3), false);
      else if (given !== undefined) set(arg, key, any(booleans, key) ? given !== "false" : given);
      else set(arg, key, next(key));
    } else if (short && !/^\d/.test(short[1])) {
      const letters = short[1];
      for (let n = 0; n < letters.length; n++) {
        const key = letters[n], after = letters.slice(n + 1);
        if (after === "") set(arg, key, next(key));
        else if (after.startsWith("=")) set(arg, key, after.slice(1));
        else if (any(strings, key) || /^-?\d/.test(after)) set(arg, key, after);
        else {
          set(arg, key, true);
          continue;
        }
        break;
      }
    } else {
      positional(arg);
      if (options.stopEarly) {
        result._.push(...list.slice(i + 1));
        break;
      }
    }
  }
  if (options["--"]) result["--"] = rest;
  else for (const arg of rest) result._.push(arg);
  return result;
}

/** Every spelling of each aliased option, itself included. */
function aliasGroups(alias: Readonly<Record<string, string | readonly string[]>>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [key, others] of Object.entries(alias)) {
    const group = [...new Set([key, ...[others].flat() as string[]].flatMap((k) => groups.get(k) ?? [k]))];
    for (const k of group) groups.set(k, group);
  }
  return groups;
}

const spellings = (groups: ReadonlyMap<string, string[]>, key: string) => groups.get(key) ?? [key];
