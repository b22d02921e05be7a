// How much do the tests notice? Plants small faults in src, one at a time, runs the test files that execute the line, the quickest first, until
// one fails, and prints the share that was noticed by folder. A fault in a line that no test executes is not noticed. No part of the gate.
// Run: deno task mutate [--folder src/x86]... [--count N] [--seed S] [--listed] [--retry LOG] [--only TEXT] [--thorough] [--list | --map]
//
// A fault is a change of one place in the syntax tree: an operator, a number, a condition, a statement left out. They are drawn at random, the
// same ones for the same seed and sources. `mutate/listed.toml` has faults written by hand (--listed), `mutate/equivalent.toml` names those that
// change nothing that anybody can observe, each with its reason. --only takes those whose file, line and kind contain the text.
// --retry takes what an earlier run's output says was not noticed, where its line still stands.
// Long test files (LONG) and more of them than PATIENCE allows are tried with --thorough only. --map finds out which test file executes what, those
// that changed since; to be run first.
import { parseArgs } from "@std/cli";
import { basename, dirname, join } from "@std/path";
import { Random } from "../../tests/fuzz/random.ts";
import { equivalents, type Fault, faultsOf, listedFaults } from "./mutate/faults.ts";
import { type CoverageMap, filesBelow, hashOf, readMap, refreshMap, testFiles, testsOfLine } from "./mutate/map.ts";
import { runTest } from "./mutate/run.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const FOLDERS = ["core", "ir", "engine", "riscv", "x86", "devices", "firmware", "machine", "scenario", "debug", "cli"].map((n) =>
  `src/${n}`
);
/** Seconds of CPU time: of one test file, and of all for one fault. */
const LONG = 15, PATIENCE = 14;

type Verdict = "noticed" | "not noticed" | "not executed" | "equivalent";

const describe = ({ file, line, kind, text, n, with: other }: Fault): string =>
  `${file}:${line} ${kind}${n > 1 ? ` #${n}` : ""} | ${text} | ${other.replace(/\s+/g, " ").slice(0, 60)}`;

/** Faults of a folder's files. Those of tables of pictures and of names are no semantics. */
const PICTURES = /font8x16|\/testing\/|\/loads\//;
const faultsBelow = (folder: string): Fault[] =>
  [...filesBelow(ROOT, folder, ".ts")].filter((file) => !/_test\.ts$/.test(file) && !PICTURES.test(file))
    .flatMap((file) => faultsOf(file, Deno.readTextFileSync(join(ROOT, file))));

function draw(folders: readonly string[], count: number, seed: number): Fault[] {
  const random = new Random(seed), chosen: Fault[] = [];
  for (const folder of folders) {
    const all = faultsBelow(folder);
    for (let n = Math.min(count, all.length); n > 0; n--) chosen.push(...all.splice(random.below(all.length), 1));
  }
  return chosen;
}

/** Faults that a log calls not noticed or not executed. The file may have been renamed: what counts is its line. */
function retried(folders: readonly string[], log: string): Fault[] {
  const withoutPlace = (text: string) => text.replace(/^.*?:\d+ /, "");
  const wanted = new Set(
    log.split("\n").flatMap((line) => /^not (?:noticed|executed) +\d+ s {2}(.*)$/.exec(line)?.[1] ?? []).map(withoutPlace),
  );
  return folders.flatMap(faultsBelow).filter((fault) => wanted.delete(withoutPlace(describe(fault))));
}

/** How often a test file noticed a fault of a folder: such ones come earlier. */
const noticedBefore = new Map<string, number>();

/** The test files to try, in order. */
function candidates(map: CoverageMap, hashes: ReadonlyMap<string, string>, fault: Fault, thorough: boolean) {
  const name = basename(fault.file, ".ts").replace(/^mod$/, basename(dirname(fault.file))), part = fault.file.split("/")[1];
  const rank = (test: { file: string; cpu: number }): number => {
    // In the same part of src, or named after it: tests/x86_limits_test.ts.
    const beside = test.file.startsWith(`src/${part}/`) || basename(test.file).startsWith(`${part}_`),
      own = beside && test.file.includes(`${name}_test`);
    return test.cpu * (own ? 0.05 : beside ? 0.1 : 1) / (1 + (noticedBefore.get(`${dirname(fault.file)} ${test.file}`) ?? 0));
  };
  const all = testsOfLine(map, hashes, fault.file, fault.line).sort((a, b) => rank(a) - rank(b));
  if (thorough) return all;
  let left = PATIENCE;
  return all.filter(({ cpu }) => cpu <= LONG && (left -= cpu) > 0);
}

/** Tries a fault in a copy of the tree; says which test noticed it. A run that does not end notices it, too. */
async function verdictOf(
  fault: Fault,
  copy: string,
  tests: readonly { file: string; cpu: number; wall: number }[],
): Promise<string | undefined> {
  const path = join(copy, fault.file), source = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, source.slice(0, fault.from) + fault.with + source.slice(fault.to));
  try {
    for (const { file, cpu, wall } of tests) {
      const limits = { cpu: 2 * cpu + 3, wall: 4 * wall + 20 }, ran = await runTest(copy, file, limits);
      if (ran.ok) continue;
      const key = `${dirname(fault.file)} ${file}`;
      noticedBefore.set(key, (noticedBefore.get(key) ?? 0) + 1);
      return file + (ran.wall > limits.wall ? " (by waiting for ever)" : ran.cpu > limits.cpu ? " (by running for ever)" : "");
    }
    return undefined;
  } finally {
    Deno.writeTextFileSync(path, source);
  }
}

function copyTree(): string {
  const copy = Deno.makeTempDirSync({ prefix: "mutate_" });
  const names = ["src", "tests", "machines", "scripts", "mod.ts", "deno.json", "deno.lock", "README.md"];
  new Deno.Command("cp", { args: ["-r", ...names.map((n) => join(ROOT, n)), copy] }).outputSync();
  Deno.symlinkSync(Deno.realPathSync(join(ROOT, "cache")), join(copy, "cache"));
  return copy;
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    string: ["folder", "count", "seed", "only", "retry"],
    boolean: ["list", "listed", "map", "thorough"],
    collect: ["folder"],
  }) as unknown as Record<string, string | undefined> & {
    folder: string[];
    list: boolean;
    listed: boolean;
    map: boolean;
    thorough: boolean;
  };
  const folders = args.folder.length ? args.folder : FOLDERS, seed = Number(args.seed ?? 1), { only } = args;
  let chosen = args.listed ? listedFaults(ROOT).filter(({ file }) => folders.some((f) => file.startsWith(f + "/"))) : [];
  if (!args.listed) chosen = only === undefined ? draw(folders, Number(args.count ?? 30), seed) : folders.flatMap(faultsBelow);
  if (args.retry !== undefined) chosen = retried(folders, Deno.readTextFileSync(args.retry));
  if (only !== undefined) chosen = chosen.filter((fault) => describe(fault).includes(only));
  if (args.map) return await refreshMap(ROOT, only);
  if (args.list) {
    for (const fault of chosen) console.log(describe(fault));
    return;
  }
  const map = readMap(ROOT), missing = testFiles(ROOT).filter((file) => !map.tests[file]);
  console.log(`seed ${seed}, ${chosen.length} faults${missing.length ? `; --map has not seen ${missing.length} test files` : ""}`);
  const hashes = new Map<string, string>(), known = equivalents(), copy = copyTree();
  const score = new Map<string, Record<Verdict, number>>();
  try {
    for (const fault of chosen) {
      if (!hashes.has(fault.file)) hashes.set(fault.file, await hashOf(join(ROOT, fault.file)));
      const tests = candidates(map, hashes, fault, args.thorough), started = performance.now();
      let verdict: Verdict = known(fault) ? "equivalent" : tests.length === 0 ? "not executed" : "not noticed", by = "";
      if (verdict === "not noticed") {
        const test = await verdictOf(fault, copy, tests);
        if (test !== undefined) [verdict, by] = ["noticed", ` | ${test}`];
      }
      const folder = folders.find((f) => fault.file.startsWith(f + "/"))!;
      const row = score.get(folder) ?? { noticed: 0, "not noticed": 0, "not executed": 0, equivalent: 0 };
      row[verdict]++;
      score.set(folder, row);
      console.log(`${verdict.padEnd(12)} ${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s  ${describe(fault)}${by}`);
    }
  } finally {
    Deno.removeSync(copy, { recursive: true });
  }
  for (const [folder, row] of score) {
    const planted = row.noticed + row["not noticed"] + row["not executed"];
    const share = `${row.noticed} of ${planted} noticed (${Math.floor(100 * row.noticed / planted)} %)`;
    console.log(`${folder}: ${share}, ${row["not executed"]} of the others not executed, ${row.equivalent} equivalent`);
  }
}

if (import.meta.main) await main();
