// Goldens by file: a case is a file of its own in a folder of tests/golden, so that a change shows which cases it changes.
// `deno task golden` (or `-- --update`) writes them anew, to be read before they are committed.
import { assertEquals } from "@std/assert";

const FOLDER = new URL("golden/", import.meta.url).pathname;

/** "RV64: loads, and stores" is the file "rv64_loads_and_stores.txt". */
export const fileOf = (title: string): string => `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_").replace(/_$/, "")}.txt`;

/** Compares each case with its file below tests/golden/`folder`, those whose names begin with `prefix`; a file that is no case's is an error. */
export function compareGoldens(folder: string, prefix: string, cases: ReadonlyMap<string, string>): void {
  const path = `${FOLDER}${folder}/`, files = new Map([...cases].map(([title, text]) => [fileOf(title), text]));
  assertEquals(files.size, cases.size, "two cases have the name of one file");
  const there = () => [...Deno.readDirSync(path)].map(({ name }) => name).filter((name) => name.startsWith(prefix)).sort();
  if (Deno.args.includes("--update")) {
    for (const [file, text] of files) Deno.writeTextFileSync(path + file, text);
    for (const name of there()) if (!files.has(name)) Deno.removeSync(path + name);
  }
  assertEquals([...files.keys()].sort(), there(), `the cases, and the files of tests/golden/${folder}`);
  for (const [file, text] of files) assertEquals(text, Deno.readTextFileSync(path + file), `tests/golden/${folder}/${file}`);
}
