// Which test file executes which line: each test file is run once, alone, with coverage, its processes included. Kept in `cache/mutate/map.json` and
// made anew where the test or a source changed; for a source file that changed since, every test that executed any of its lines counts.
import { dirname, join } from "@std/path";
import { type Limits, runTest } from "./run.ts";

/** A test file that runs for longer with coverage is given up, and notices nothing. The machine may be busy with something else. */
const LONGEST: Limits = { cpu: 400, wall: 3000 };

interface Entry {
  /** Of the test file. */
  readonly hash: string;
  readonly ok: boolean;
  /** Seconds. */
  readonly cpu: number;
  readonly wall: number;
  /** Lines executed of each source file: first and last ones of runs, in turn. */
  readonly lines: Readonly<Record<string, readonly number[]>>;
}

export interface CoverageMap {
  /** Hashes of the source files that the lines are of, for each test file. */
  readonly sources: Record<string, Record<string, string>>;
  readonly tests: Record<string, Entry>;
}

export async function hashOf(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", await Deno.readFile(path));
  return new Uint8Array(digest).toHex().slice(0, 12);
}

/** Files below a folder, by the end of their names. */
export function* filesBelow(root: string, folder: string, end: string): Generator<string> {
  for (const e of [...Deno.readDirSync(join(root, folder))].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = `${folder}/${e.name}`;
    if (e.isDirectory) yield* filesBelow(root, path, end);
    else if (e.name.endsWith(end)) yield path;
  }
}

/** What is no test of src, or takes minutes by design. */
const LEFT_OUT = /^src\/std\/|^tests\/(bench\/|recipes_test|linux_work_test)/;
export const testFiles = (root: string): string[] =>
  ["src", "tests"].flatMap((folder) => [...filesBelow(root, folder, "_test.ts")]).filter((file) => !LEFT_OUT.test(file));

/** Executed lines of each file below src, from an lcov report. */
export function executed(lcov: string, root: string): Record<string, number[]> {
  const out: Record<string, number[]> = {};
  let runs: number[] | undefined;
  for (const line of lcov.split("\n")) {
    if (line.startsWith("SF:")) {
      const file = line.slice(3).replace(root + "/", "");
      runs = /^src\//.test(file) && !/_test\.ts$/.test(file) ? out[file] ??= [] : undefined;
      continue;
    }
    const hit = runs && /^DA:(\d+),([1-9]\d*)/.exec(line);
    if (!runs || !hit) continue;
    const at = Number(hit[1]);
    if (runs.length && runs[runs.length - 1] === at - 1) runs[runs.length - 1] = at;
    else runs.push(at, at);
  }
  return out;
}

const pathOf = (root: string): string => join(root, "cache", "mutate", "map.json");

export function readMap(root: string): CoverageMap {
  try {
    const map: CoverageMap = JSON.parse(Deno.readTextFileSync(pathOf(root))), there = new Set(testFiles(root));
    // A test file that was renamed fails in any case, and would notice everything.
    for (const file of Object.keys(map.tests)) if (!there.has(file)) delete map.tests[file];
    return map;
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
    return { sources: {}, tests: {} };
  }
}

async function isUpToDate(root: string, sources: Readonly<Record<string, string>>): Promise<boolean> {
  for (const [source, hash] of Object.entries(sources)) {
    try {
      if (await hashOf(join(root, source)) !== hash) return false;
    } catch (e) {
      if (e instanceof Deno.errors.NotFound) return false;
      throw e;
    }
  }
  return true;
}

/** Measures the test files that are new or changed, or whose sources are, those whose paths contain `only`. */
export async function refreshMap(root: string, only = ""): Promise<void> {
  const path = pathOf(root), folder = dirname(path), map = readMap(root);
  Deno.mkdirSync(folder, { recursive: true });
  for (const file of testFiles(root)) {
    if (!file.includes(only)) continue;
    const hash = await hashOf(join(root, file)), entry = map.tests[file];
    if (entry?.hash === hash && entry.ok && await isUpToDate(root, map.sources[file])) continue;
    const coverage = Deno.makeTempDirSync({ prefix: "mutate_map_" }), log = join(folder, "log");
    try {
      const covered = await runTest(root, file, LONGEST, log, coverage);
      // Coverage makes what computes a lot several times as slow.
      const plain = covered.cpu > 4 ? await runTest(root, file, LONGEST, log) : covered, { ok, cpu, wall } = plain;
      const { stdout } = await new Deno.Command("deno", { args: ["coverage", "--lcov", coverage], cwd: root, stderr: "null" }).output();
      const lines = executed(new TextDecoder().decode(stdout), root), sources: Record<string, string> = {};
      for (const source of Object.keys(lines)) sources[source] = await hashOf(join(root, source));
      // Others may write it, too.
      const now = readMap(root);
      now.tests[file] = { hash, ok, cpu, wall, lines };
      now.sources[file] = sources;
      console.log(`${ok ? "ok    " : "FAILED"} ${cpu.toFixed(1).padStart(6)} s  ${file}`);
      Deno.writeTextFileSync(path, JSON.stringify(now));
    } finally {
      Deno.removeSync(coverage, { recursive: true });
    }
  }
}

/** The test files that execute a line, with their seconds. */
export function testsOfLine(
  map: CoverageMap,
  hashes: ReadonlyMap<string, string>,
  file: string,
  line: number,
): { file: string; cpu: number; wall: number }[] {
  return Object.entries(map.tests).filter(([test, { ok, lines }]) => {
    const runs = lines[file];
    if (!ok || !runs || runs.length === 0) return false;
    if (map.sources[test][file] !== hashes.get(file)) return true;
    for (let i = 0; i < runs.length; i += 2) if (line >= runs[i] && line <= runs[i + 1]) return true;
    return false;
  }).map(([test, { cpu, wall }]) => ({ file: test, cpu, wall }));
}
