// Writes goldens anew and says what changed in them: a golden is what a test found when somebody last looked at it. Read the changes, and say in the
// commit why each is right. Run: deno task golden [TEXT...] (of the path of a test that has goldens; all without)
import { parseArgs } from "@std/cli";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** Where goldens are. */
const FOLDERS = ["tests/golden", "tests/ir"];

function* filesIn(folder: string, ending: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    if (isDirectory) yield* filesIn(`${folder}/${name}`, ending);
    else if (name.endsWith(ending)) yield `${folder}/${name}`;
  }
}

/** Tests that write goldens when they are asked to, by themselves or by a file that they import. */
export function tests(): string[] {
  const files = ["src", "tests"].flatMap((folder) => [...filesIn(folder, ".ts")]).map((path) => ({
    path,
    text: Deno.readTextFileSync(ROOT + path),
  }));
  const writes = files.filter(({ text }) => text.includes('Deno.args.includes("--update")')).map(({ path }) => path);
  const importing = writes.map((path) => `/${path.split("/").at(-1)}";`);
  return files.filter(({ path, text }) =>
    path.endsWith("_test.ts") && (writes.includes(path) || importing.some((end) => text.includes(end)))
  )
    .map(({ path }) => path).sort();
}

const goldens = (): Map<string, string> =>
  new Map(FOLDERS.flatMap((folder) => [...filesIn(folder, "")]).sort().map((path) => [path, Deno.readTextFileSync(ROOT + path)]));

/** How many lines of a file are others, and the first of them. */
export function changes(path: string, before: string, after: string, most = 10): string[] {
  if (before === after) return [];
  const had = before.split("\n"), has = after.split("\n"), old = new Set(had), now = new Set(has);
  const gone = had.filter((line) => !now.has(line)), added = has.filter((line) => !old.has(line));
  const some = (lines: string[], sign: string) => lines.slice(0, most).map((line) => `  ${sign} ${line.slice(0, 130)}`);
  return [`${path}: ${gone.length} lines are gone, ${added.length} are new`, ...some(gone, "-"), ...some(added, "+")];
}

async function main(): Promise<number> {
  const wanted = parseArgs(Deno.args)._.map(String),
    chosen = tests().filter((path) => !wanted.length || wanted.some((w) => path.includes(w)));
  if (!chosen.length) {
    console.error(`golden: no test with goldens has '${wanted.join("' or '")}' in its path; there are ${tests().join(", ")}`);
    return 2;
  }
  const before = goldens(), args = ["test", "-A", "--no-check", "--quiet", ...chosen, "--", "--update"];
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdout: "inherit", stderr: "inherit" }).output();
  const after = goldens(), paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = paths.flatMap((path) => changes(path, before.get(path) ?? "", after.get(path) ?? ""));
  console.log(changed.length ? changed.join("\n") : "no golden has changed");
  return success ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
