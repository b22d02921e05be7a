// The benchmark: runs bringup and QEMU alternately on the same guests, prints medians and quotients, writes results.md and results.svg.
// Run: deno task bench [--only TEXT] [--pairs N] [--quick] [--dry]
import { parseArgs } from "@std/cli";
import { dirname, join, resolve } from "@std/path";
import { type Command, measure, type Run } from "./measure.ts";
import { plot } from "./plot.ts";
import { cells, figures, markdown, meanCells, type Measured } from "./report.ts";
import { NATIVE, path, ROOT, type Row } from "./row.ts";
import { rows } from "./rows.ts";
import { kernelRow } from "./rows_riscv.ts";

const HELP = `deno task bench [options]
  --only TEXT  rows with this in their group or name; may be repeated; nothing is written
  --kernel F   an M-mode RV64 image of your own instead of the rows; may be repeated; nothing is written
  --pairs N    timed runs of each side (default 3); there is one more of each before
  --quick      a fifth of the work, one pair; nothing is written
  --dry        print the commands and run nothing`;

/** The last line of OpenSBI's banner: what follows is the guest's. */
const BANNER_END = /Boot HART MEDELEG[^\n]*\n/;
const NATIVE_FLAGS = "-O2 -ffp-contract=off -fno-math-errno -fno-tree-loop-distribute-patterns -w -DNATIVE".split(" ");

const options = parseArgs(Deno.args, {
  string: ["only", "kernel", "pairs"],
  boolean: ["quick", "dry", "help"],
  collect: ["only", "kernel"],
});
if (options.help) {
  console.log(HELP);
  Deno.exit(0);
}
const only = options.only as string[], kernels = options.kernel as string[];
const pairs = options.quick ? 1 : Number(options.pairs ?? 3);
if (!Number.isInteger(pairs) || pairs < 1) fail(`--pairs needs a whole number, 1 or more: ${options.pairs}`);
const table = kernels.length > 0 ? kernels.map((file) => kernelRow(resolve(file))) : rows(options.quick ? 5 : 1);
const wanted = table.filter((row) => only.length === 0 ? !row.apart : only.some((text) => `${row.group}/${row.name}`.includes(text)));
if (wanted.length === 0) fail(`no row has '${only.join("' or '")}' in its name`);

if (options.dry) {
  for (const { group, name, ours, other } of wanted) {
    console.log(
      [`# ${group}: ${name}`, ...[ours, other].flatMap((c) => c ? [`${c.program} ${c.args.map(quote).join(" ")}`] : [])].join("\n"),
    );
  }
  Deno.exit(0);
}

const native = await buildNative();
const loadBefore = Deno.loadavg()[0], all: Measured[] = [];
const failures: string[] = [];
let group = "";
for (const row of wanted) {
  const missing = (row.needs ?? []).filter((file) => !exists(path(file)));
  if (missing.length > 0) {
    console.log(`skipped: ${row.group}, ${row.name}: ${missing.join(", ")} not there (see README.md)`);
    continue;
  }
  if (row.group !== group) {
    console.log(`\n${group = row.group}\n${line(["", "ours", "least", row.rival ?? "QEMU", "least", "ratio", "CPU", "MIPS", "native"])}`);
  }
  const measured = await measureRow(row).catch((error) => String(error.message));
  if (typeof measured === "string") {
    failures.push(`${row.group}, ${row.name}: ${measured.split("\n")[0]}`);
    console.log(`FAILED ${failures.at(-1)}`);
    continue;
  }
  all.push(measured);
  console.log(line(cells(row.name, figures(measured))));
  const members = all.filter((m) => m.row.group === group), last = wanted.findLast((r) => r.group === group) === row;
  const mean = last && only.length === 0 ? meanCells(group, members) : undefined;
  if (mean) console.log(line(mean));
}
if (only.length + kernels.length === 0 && !options.quick) {
  await write();
  await new Deno.Command(Deno.execPath(), { args: ["run", "-A", join(ROOT, "tests/bench/snapshots.ts")] }).spawn().status;
}
for (const failure of failures) console.error(`failed: ${failure}`);
if (failures.length > 0) Deno.exitCode = 1;

/** Runs a row: once each unmeasured, checking that both print the same, then the pairs. */
async function measureRow(row: Row): Promise<Measured> {
  const memory = row.measures === "memory";
  await row.prepare?.();
  const first = await measure(withStats(row.ours));
  const instructions = Number(/instructions\s+(\d+)/.exec(first.stderr)?.[1] ?? 0);
  if (row.other) {
    const reference = await measure(row.other);
    if (row.ours.until === undefined && !row.printsTimes && text(first) !== text(reference)) {
      throw new Error(`the outputs differ\n${first.stderr}`);
    }
  }
  const runs: { ours: Run[]; other: Run[]; native: Run[] } = { ours: [], other: [], native: [] };
  for (let pair = 0; pair < pairs; pair++) {
    runs.ours.push(await measure(row.ours, { memory }));
    if (row.other) runs.other.push(await measure(row.other, { memory }));
    if (row.native && native) runs.native.push(await measure(row.native));
  }
  return { row, ...runs, instructions };
}

/** The same run with counters on stderr; a run that is cut short when a text was printed ends by itself there. */
function withStats({ program, args, until }: Command): Command {
  return { program, args: [...args, "--stats", ...(until === undefined ? [] : ["--expect", until])] };
}

function text(run: Run): string {
  return run.stdout.replaceAll("\r", "").replace(new RegExp(`^[^]*${BANNER_END.source}`), "").trim();
}

/** Builds the suite for the host. False, with a line, when there is no compiler. */
async function buildNative(): Promise<boolean> {
  await Deno.mkdir(dirname(NATIVE), { recursive: true });
  const source = join(ROOT, "tests/bench/guests/suite.c");
  const built = await new Deno.Command("cc", { args: [...NATIVE_FLAGS, source, "-o", NATIVE] }).output().catch(() => undefined);
  if (!built?.success) console.log("skipped: native programs (no C compiler)");
  return built?.success ?? false;
}

async function write(): Promise<void> {
  const version = await new Deno.Command("qemu-system-riscv64", { args: ["--version"] }).output();
  const qemu = new TextDecoder().decode(version.stdout).split("\n")[0].replace(/^QEMU emulator version /, "QEMU ").replace(/ \(.*/, "");
  const preface = [
    `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC; ${navigator.hardwareConcurrency} cores; load ${
      loadBefore.toFixed(1)
    } before, ${Deno.loadavg()[0].toFixed(1)} after (the benchmark itself is about 1)`,
    `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}; ${qemu}`,
    ...failures.map((failure) => `**failed**: ${failure}`),
    `${pairs} pairs; times in seconds, memory in MB; ratio: median of the pairs' quotients, ours / QEMU's; CPU ratio: the same of user and system time of all threads`,
  ];
  const folder = join(ROOT, "tests/bench");
  await Deno.writeTextFile(join(folder, "results.md"), markdown(all, preface));
  const timed = all.filter(({ row }) => row.measures === "time" && row.other?.program.startsWith("qemu"));
  const points = timed.flatMap((m) => {
    const { ratios, ratio } = figures(m);
    return ratios.map((r) => ({ group: m.row.group, name: m.row.name, ratio: r, median: ratio }));
  });
  await plot(points, join(folder, "results.svg"));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", join(folder, "results.md"), join(folder, "results.svg")] }).output();
  console.log("\nwrote tests/bench/results.md and results.svg");
}

function line(columns: readonly string[]): string {
  return columns.map((cell, i) => i === 0 ? cell.padEnd(38) : i < 9 ? cell.padStart(9) : `  ${cell}`).join("");
}

function exists(file: string): boolean {
  try {
    return Deno.statSync(file).isFile;
  } catch {
    return false;
  }
}

function quote(argument: string): string {
  return /^[\w./:=-]+$/.test(argument) ? argument : `'${argument}'`;
}

function fail(message: string): never {
  console.error(message);
  Deno.exit(1);
}
