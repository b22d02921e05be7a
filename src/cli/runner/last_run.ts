// Which tests failed when they were run last in this folder, for `--last-failed`: kept in `.bringup`, which tells git that it is nothing to keep.
import { ConfigError } from "../../core/errors.ts";
import type { TestResult } from "./results.ts";

const FOLDER = ".bringup", FILE = `${FOLDER}/last-run.json`, VERSION = 1;

/** How a test is named there: a name may have any character. */
export const keyOf = (file: string, name: string): string => JSON.stringify([file, name]);
const pairOf = (key: string): [file: string, name: string] => JSON.parse(key);

/** The tests that failed. @throws {ConfigError} none did, or what was kept cannot be read. */
export function lastFailed(): Set<string> {
  const failed = read();
  if (failed.size === 0) throw new ConfigError("--last-failed: no test failed last time in this folder, or none was run");
  return failed;
}

function read(): Set<string> {
  let text: string;
  try {
    text = Deno.readTextFileSync(FILE);
  } catch {
    return new Set();
  }
  try {
    const { version, failed } = JSON.parse(text) as { version: number; failed: string[][] };
    if (version === VERSION) return new Set(failed.map(([file, name]) => keyOf(file, name)));
  } catch {
    // Another program's, or cut off: the same as none.
  }
  return new Set();
}

/** Keeps what failed now, and what failed before and was not run now. `gone`: whether a test is no longer there. */
export function keepFailed(results: readonly TestResult[], gone: (file: string, name: string) => boolean): void {
  const failed = read(), before = failed.size;
  for (const key of failed) if (gone(...pairOf(key))) failed.delete(key);
  for (const { file, name } of results) failed.delete(keyOf(file, name));
  for (const { file, name, status } of results) if (status === "failed") failed.add(keyOf(file, name));
  if (before === 0 && failed.size === 0) return;
  try {
    if (failed.size === 0) return Deno.removeSync(FILE);
    Deno.mkdirSync(FOLDER, { recursive: true });
    Deno.writeTextFileSync(`${FOLDER}/.gitignore`, "*\n");
    const pairs = [...failed].sort().map(pairOf);
    Deno.writeTextFileSync(FILE, `${JSON.stringify({ version: VERSION, failed: pairs }, null, 1)}\n`);
  } catch {
    // A folder that may not be written to: nothing is remembered.
  }
}
