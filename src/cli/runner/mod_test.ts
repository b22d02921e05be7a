import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { test } from "./mod.ts";

const scratch = Deno.makeTempDirSync({ prefix: "bringup-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const run = (positional: string[], values = {}) => test({ command: "test", positional, values: { jobs: "1", ...values } });

Deno.test("files and whole folders are run, those of the name that is asked for; one failure is a failure of all", async () => {
  const dir = `${scratch}/scripts`, log = `${scratch}/log`;
  Deno.mkdirSync(`${dir}/below`, { recursive: true });
  const script = (path: string, passes: boolean) =>
    Deno.writeTextFileSync(
      `${dir}/${path}`,
      `Deno.test("${path}", () => {\n  Deno.writeTextFileSync("${log}", "${path} ", { append: true });\n  if (!${passes}) throw 1;\n});\n`,
    );
  for (const path of ["b.ts", "a.ts", "below/c.ts"]) script(path, true);
  Deno.writeTextFileSync(`${dir}/notes.md`, "no script");
  const ran = () => {
    const text = Deno.readTextFileSync(log);
    Deno.removeSync(log);
    return text.trim().split(" ");
  };
  assertEquals([await run([`${dir}/`]), ran()], [0, ["a.ts", "b.ts"]]);
  assertEquals([await run([dir, `${dir}/below/c.ts`], { filter: "c" }), ran()], [0, ["below/c.ts"]]);
  script("b.ts", false);
  assertEquals([await run([dir]), ran()], [1, ["a.ts", "b.ts"]]);
});

Deno.test("what is not there, and a folder without scripts, is said before anything runs", async () => {
  Deno.mkdirSync(`${scratch}/empty`);
  Deno.writeTextFileSync(`${scratch}/empty/notes.md`, "no script");
  await assertRejects(() => run([`${scratch}/gone.ts`]), ConfigError, "gone.ts: no such file or folder");
  await assertRejects(() => run([`${scratch}/empty`]), ConfigError, "empty: no tests in this folder: neither *.scenario.ts in it or below");
  // Without arguments it is the folder where one is.
  const cwd = Deno.cwd();
  Deno.chdir(`${scratch}/empty`);
  try {
    await assertRejects(() => run([]), ConfigError, ".: no tests in this folder");
  } finally {
    Deno.chdir(cwd);
  }
});

Deno.test("what failed last time is run again until it passes, by itself", async () => {
  const dir = `${scratch}/last`, cwd = Deno.cwd(), fails = `${dir}/fails`;
  Deno.mkdirSync(dir);
  Deno.writeTextFileSync(
    `${dir}/a.scenario.ts`,
    `for (const n of [1, 2, 3]) Deno.test("t" + n, () => {
  Deno.writeTextFileSync("${dir}/log", n + Deno.args.join("") + " ", { append: true });
  if (Deno.readTextFileSync("${fails}").includes(String(n))) throw 1;
});`,
  );
  const log = () => {
    const text = Deno.readTextFileSync(`${dir}/log`).trim();
    Deno.removeSync(`${dir}/log`);
    return text;
  };
  Deno.chdir(dir);
  try {
    await assertRejects(() => run([], { "last-failed": true }), ConfigError, "--last-failed: no test failed last time in this folder");
    Deno.writeTextFileSync(fails, "1 3");
    assertEquals([await run([], { reporter: ["dot"] }), log()], [1, "1 2 3"]);
    Deno.writeTextFileSync(fails, "3");
    assertEquals([await run([], { "last-failed": true, reporter: ["dot"] }), log()], [1, "1 3"]);
    // What was not run is still known to have failed.
    assertEquals([await run([], { filter: "t1", reporter: ["dot"] }), log()], [0, "1"]);
    Deno.writeTextFileSync(fails, "");
    assertEquals([await run([], { "last-failed": true, "update-snapshots": true, reporter: ["dot"] }), log()], [0, "3--update-snapshots"]);
    await assertRejects(() => run([], { "last-failed": true }), ConfigError, "--last-failed: no test failed last time");
    assertEquals(Deno.readTextFileSync(".bringup/.gitignore"), "*\n");
  } finally {
    Deno.chdir(cwd);
  }
});
