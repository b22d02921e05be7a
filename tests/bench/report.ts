// What the measurements come to: the numbers of a row, and the table in Markdown.
import { geometricMean, median, type Run } from "./measure.ts";
import type { Row } from "./row.ts";
import { MEAN_TARGETS } from "./rows.ts";

/** The runs of a row: `ours[i]` and `other[i]` followed each other. */
export interface Measured {
  readonly row: Row;
  readonly ours: readonly Run[];
  readonly other: readonly Run[];
  readonly native: readonly Run[];
  /** Instructions that the guest retired; 0 when not known. */
  readonly instructions: number;
}

/** A row's numbers: times in seconds, memory in MB, quotients of ours and the other. */
export interface Figures {
  readonly ours: number;
  readonly oursLeast: number;
  readonly other: number;
  readonly otherLeast: number;
  /** Of each pair. */
  readonly ratios: readonly number[];
  readonly ratio: number;
  readonly cpuRatio: number;
  readonly native: number;
  readonly mips: number;
  /** Which targets there are, and whether all of them are met. */
  readonly targets: readonly string[];
  readonly met: boolean;
}

/** Reduces the runs of a row to its figures; what was not measured is NaN. */
export function figures({ row, ours, other, native, instructions }: Measured): Figures {
  const value = (run: Run) => row.measures === "memory" ? run.peakKiB * 1024 / 1e6 : run.wallMs / 1000;
  const mine = ours.map(value), theirs = other.map(value);
  const ratios = theirs.map((v, i) => mine[i] / v), ratio = median(ratios), typical = median(mine);
  const mips = instructions / 1e6 / median(ours.map((run) => run.wallMs / 1000));
  const unit = row.measures === "memory" ? "MB" : "ms", scaled = row.measures === "memory" ? typical : typical * 1000;
  const checks: [string, boolean][] = [];
  if (row.target !== undefined) checks.push([`ratio ≤ ${row.target}`, ratio <= row.target]);
  if (row.most !== undefined) checks.push([`≤ ${row.most} ${unit}`, scaled <= row.most]);
  if (row.leastMips !== undefined) checks.push([`≥ ${row.leastMips} MIPS`, mips >= row.leastMips]);
  return {
    ours: typical,
    oursLeast: Math.min(...mine),
    other: median(theirs),
    otherLeast: theirs.length ? Math.min(...theirs) : NaN,
    ratios,
    ratio,
    cpuRatio: median(other.map((run, i) => ours[i].cpuMs / run.cpuMs)),
    native: median(native.map(value)),
    mips,
    targets: checks.map(([text]) => text),
    met: checks.every(([, met]) => met),
  };
}

/** Up to three significant digits; "-" for what was not measured. */
export function number(value: number): string {
  if (!Number.isFinite(value) || value === 0) return "-";
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(value < 1 ? 3 : 2);
}

const head = (rival: string) => ["", "ours", "least", rival, "least", "ratio", "CPU ratio", "MIPS", "native", "target", "met"];

/** The line of a row, cell by cell. */
export function cells(name: string, f: Figures): string[] {
  return [
    name,
    ...[f.ours, f.oursLeast, f.other, f.otherLeast].map(number),
    number(f.ratio),
    number(f.cpuRatio),
    f.mips >= 1 ? f.mips.toFixed(0) : "-",
    number(f.native),
    f.targets.join(", "),
    f.targets.length === 0 ? "" : f.met ? "yes" : "**no**",
  ];
}

/** One table per group, with the geometric mean of its ratios where there are several. */
export function markdown(all: readonly Measured[], preface: readonly string[]): string {
  const lines = [
    "# Results",
    "",
    "Written by `deno task bench`; README.md says what the rows mean.",
    "",
    ...preface.map((p) => `- ${p}`),
    "",
  ];
  for (const [group, members] of Map.groupBy(all, ({ row }) => row.group)) {
    const table = [head(members[0].row.rival ?? "QEMU"), ...members.map((m) => cells(m.row.name, figures(m)))];
    const mean = meanCells(group, members);
    if (mean) table.push(mean);
    const widths = table[0].map((_, column) => Math.max(3, ...table.map((row) => [...row[column]].length)));
    const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell + " ".repeat(widths[i] - [...cell].length)).join(" | ")} |`;
    lines.push(`## ${group}`, "", line(table[0]), line(widths.map((width) => "-".repeat(width))), ...table.slice(1).map(line), "");
  }
  return lines.join("\n");
}

/** The line of a group's geometric mean, or undefined when it has only one ratio. */
export function meanCells(group: string, members: readonly Measured[]): string[] | undefined {
  if (members.length < 3 || members.some(({ other, row }) => other.length === 0 || row.group !== group)) return undefined;
  if (!(group in MEAN_TARGETS) && !/RV32/.test(group)) return undefined;
  const all = members.map(figures), mean = geometricMean(all.map((f) => f.ratio)), target = MEAN_TARGETS[group];
  const cpu = geometricMean(all.map((f) => f.cpuRatio));
  return [
    "geometric mean",
    ...["", "", "", "", number(mean), number(cpu), "", ""],
    target === undefined ? "" : `ratio ≤ ${target}`,
    target === undefined ? "" : mean <= target ? "yes" : "**no**",
  ];
}
