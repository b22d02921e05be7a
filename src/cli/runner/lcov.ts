// Coverage as lcov's trace files have it (geninfo(1)): what several runs executed, as one.
import { ConfigError } from "../../core/errors.ts";

interface FileCoverage {
  readonly lines: Map<number, number>;
  readonly functions: Map<string, { readonly lines: string; count: number }>;
  /** By line, block and branch; undefined where none of the runs came by. */
  readonly branches: Map<string, number | undefined>;
}
/** By source file. */
export type Coverage = Map<string, FileCoverage>;

/** Whether a text looks like a trace file. */
export const isLcov = (text: string): boolean => /^(?:\s*#.*\n|TN:.*\n|\s*\n)*SF:/.test(text);

const added = (a: number | undefined, b: number | undefined) => a === undefined ? b : b === undefined ? a : a + b;

/** Adds what a trace file says. @throws {ConfigError} a line of it is none. */
export function addLcov(to: Coverage, text: string, file: string): void {
  let of: FileCoverage | undefined, indexed = new Map<string, string>();
  const records: Readonly<Record<string, RegExp>> = {
    DA: /^(\d+),(\d+)(?:,.*)?$/,
    FN: /^(\d+(?:,\d+)?),(.+)$/,
    FNDA: /^(\d+),(.+)$/,
    FNL: /^(\d+),(\d+(?:,\d+)?)$/,
    FNA: /^(\d+),(\d+),(.+)$/,
    BRDA: /^(\d+,[^,]+,.+),(-|\d+)$/,
  };
  const add: Readonly<Record<string, (of: FileCoverage, m: readonly string[]) => void>> = {
    DA: ({ lines }, [, line, count]) => lines.set(Number(line), (lines.get(Number(line)) ?? 0) + Number(count)),
    FN: ({ functions }, [, lines, name]) => functions.set(name, { lines, count: functions.get(name)?.count ?? 0 }),
    FNDA: ({ functions }, [, count, name]) =>
      functions.set(name, { lines: functions.get(name)?.lines ?? "0", count: (functions.get(name)?.count ?? 0) + Number(count) }),
    FNL: (_, [, index, lines]) => indexed.set(index, lines),
    FNA: ({ functions }, [, index, count, name]) =>
      functions.set(name, { lines: indexed.get(index) ?? "0", count: (functions.get(name)?.count ?? 0) + Number(count) }),
    BRDA: ({ branches }, [, branch, taken]) => branches.set(branch, added(branches.get(branch), taken === "-" ? undefined : Number(taken))),
  };
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trim(), [, key, value] = /^([A-Z]+):(.*)$/.exec(line) ?? [];
    if (line === "" || line.startsWith("#") || key === "TN" || key === "VER") continue;
    if (key === "SF") {
      if (!to.has(value)) to.set(value, { lines: new Map(), functions: new Map(), branches: new Map() });
      of = to.get(value)!;
      indexed = new Map();
      continue;
    }
    if (line === "end_of_record") {
      of = undefined;
      continue;
    }
    // Sums, which are made anew.
    if (of && ["LF", "LH", "FNF", "FNH", "BRF", "BRH"].includes(key)) continue;
    const m = key !== undefined && Object.hasOwn(records, key) ? records[key].exec(value) : null;
    if (!of || !m) throw new ConfigError(`no line of an lcov trace file: '${line.slice(0, 60)}'`, { file, line: i + 1 });
    add[key](of, m);
  }
}

/** All of it as a trace file. */
export function lcovOf(coverage: Coverage): string {
  const out: string[] = [];
  for (const [file, { lines, functions, branches }] of [...coverage].sort(([a], [b]) => a < b ? -1 : 1)) {
    const hits = (counts: Iterable<number | undefined>) => [...counts].filter((n) => n !== undefined && n > 0).length;
    out.push("TN:", `SF:${file}`);
    for (const [name, { lines }] of functions) out.push(`FN:${lines},${name}`);
    for (const [name, { count }] of functions) out.push(`FNDA:${count},${name}`);
    out.push(`FNF:${functions.size}`, `FNH:${hits([...functions.values()].map((f) => f.count))}`);
    for (const [branch, taken] of branches) out.push(`BRDA:${branch},${taken ?? "-"}`);
    if (branches.size) out.push(`BRF:${branches.size}`, `BRH:${hits(branches.values())}`);
    for (const [line, count] of [...lines].sort(([a], [b]) => a - b)) out.push(`DA:${line},${count}`);
    out.push(`LF:${lines.size}`, `LH:${hits(lines.values())}`, "end_of_record");
  }
  return out.map((line) => `${line}\n`).join("");
}
