// Which lines of src the tests run, command lines and other processes that they start included: Deno hands the folder of profiles on to its
// children (DENO_COVERAGE_DIR), and each process leaves its own there. Costs about twice as much as the tests themselves; not part of the gate.
// Run: deno task coverage [TEST...] [--report] [--dir FOLDER] [--only PREFIX]... [--floor PERCENT]
//
// Without TEST everything runs. Profiles stay in the folder until the next run; `--report` only prints what is there. Status 1 when a test failed,
// or when less than `--floor` of the lines were run.
import { parseArgs } from "@std/cli";
import ts from "typescript";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** What is not counted: tests, what only tests use, lists that are generated. */
const LEFT_OUT = /_test\.ts$|\/testing\/|^src\/loads\/|^src\/devices\/files\.ts$/;

/** How often each line of a file was run; only lines that hold code are in it. */
export type Lines = ReadonlyMap<number, number>;

/** Files by path below the root, from a report in lcov's format. */
export function parseLcov(text: string, root = ROOT): Map<string, Lines> {
  const files = new Map<string, Lines>();
  let lines = new Map<number, number>();
  for (const line of text.split("\n")) {
    const [, key, value] = /^(\w+):(.*)$/.exec(line) ?? [];
    if (key === "SF") files.set(value.startsWith(root) ? value.slice(root.length) : value, lines = new Map());
    else if (key === "DA") {
      const [n, count] = value.split(",").map(Number);
      lines.set(n, count);
    }
  }
  return files;
}

/** What no process has loaded: every line that holds code, run never. A file of types alone has none. */
export function neverRun(source: string): Lines {
  const file = ts.createSourceFile("x.ts", source, ts.ScriptTarget.Latest), lines = new Map<number, number>();
  const types = (node: ts.Node) => ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isImportDeclaration(node);
  for (const node of file.statements.filter((s) => !types(s))) {
    const from = file.getLineAndCharacterOfPosition(node.getStart(file)).line, to = file.getLineAndCharacterOfPosition(node.end).line;
    source.split("\n").slice(from, to + 1).forEach((text, i) => /^\s*(\/\/|\/?\*|$)/.test(text) || lines.set(from + i + 1, 0));
  }
  return lines;
}

/** "3-5, 9" of the lines that were not run; lines without code in between do not part them. */
export function gaps(lines: Lines): string {
  const ranges: [number, number][] = [];
  let open = false;
  for (const [n, count] of [...lines].sort(([a], [b]) => a - b)) {
    if (count === 0 && open) ranges.at(-1)![1] = n;
    else if (count === 0) ranges.push([n, n]);
    open = count === 0;
  }
  return ranges.map(([from, to]) => from === to ? `${from}` : `${from}-${to}`).join(", ");
}

/** Lines that were run, and all. */
export function counted(files: Iterable<Lines>): [run: number, all: number] {
  let run = 0, all = 0;
  for (const lines of files) {
    for (const count of lines.values()) run += count > 0 ? 1 : 0, all++;
  }
  return [run, all];
}

const row = (name: string, [run, all]: [number, number], more = "") =>
  `${name.padEnd(36)} ${String(run).padStart(6)} of ${String(all).padStart(6)} ${
    (all ? run / all * 100 : 100).toFixed(1).padStart(6)
  } %  ${more}`
    .trimEnd();

/** The table by folder, then by file with what was not run. */
export function table(files: ReadonlyMap<string, Lines>): string {
  const sorted = [...files].filter(([, lines]) => lines.size > 0).sort(([a], [b]) => a < b ? -1 : 1);
  const folder = (path: string) => path.slice(0, path.lastIndexOf("/"));
  const folders = Map.groupBy(sorted, ([path]) => folder(path));
  return [
    ...[...folders].map(([name, of]) => row(name, counted(of.map(([, lines]) => lines)))),
    row("all", counted(sorted.map(([, lines]) => lines))),
    "",
    ...sorted.map(([path, lines]) => row(path, counted([lines]), gaps(lines))),
  ].join("\n");
}

function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    if (isDirectory) yield* sources(`${folder}/${name}`);
    else if (name.endsWith(".ts") && !LEFT_OUT.test(`${folder}/${name}`)) yield `${folder}/${name}`;
  }
}

async function deno(args: string[]): Promise<boolean> {
  return (await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).spawn().status).success;
}

async function main(): Promise<number> {
  const options = parseArgs(Deno.args, { string: ["dir", "only", "floor"], boolean: ["report"], collect: ["only"] });
  const dir = options.dir as string | undefined ?? `${ROOT}cache/coverage`, only = options.only as string[], report = `${dir}/lcov.info`;
  let passed = true;
  if (!options.report) {
    await Deno.remove(dir, { recursive: true }).catch(() => {});
    const tests = options._.map(String);
    passed = await deno(["test", "-A", "--no-check", "--parallel", `--coverage=${dir}`, "--coverage-raw-data-only", ...tests]);
  }
  // A process that was killed while it wrote leaves an empty profile, at which the report would end.
  for (const { name } of Deno.readDirSync(dir)) if (Deno.statSync(`${dir}/${name}`).size === 0) Deno.removeSync(`${dir}/${name}`);
  if (!await deno(["coverage", dir, "--lcov", `--output=${report}`, `--include=^file://${ROOT}src/`, "--exclude=_test\\.ts$"])) return 1;
  const found = parseLcov(Deno.readTextFileSync(report)), files = new Map<string, Lines>();
  for (const path of sources("src")) {
    if (only.length > 0 && !only.some((prefix) => path.startsWith(prefix))) continue;
    files.set(path, found.get(path) ?? neverRun(Deno.readTextFileSync(ROOT + path)));
  }
  console.log(table(files));
  const [run, all] = counted(files.values());
  return passed && run / all * 100 >= Number(options.floor ?? 0) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
