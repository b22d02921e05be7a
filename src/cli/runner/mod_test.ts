import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { cliArgs } from "../../../tests/cli.ts";
import { ConfigError } from "../../core/errors.ts";
import { test } from "./mod.ts";

const scratch = Deno.makeTempDirSync({ prefix: "bringup-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
/** Waits for processes that a fault may keep from ever coming. */
const LIMIT = { timeout: 120_000 };
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
    `for (const n of [1, 2, 3]) Deno.test("t" + n + "\\nof any name", () => {
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

Deno.test(
  "Ctrl-C ends tests that never give way within a second, and what the runner leaves behind when it is killed ends, too",
  LIMIT,
  async () => {
    const dir = `${scratch}/endless`, alive = (pid: number) => existsSync(`/proc/${pid}`);
    Deno.mkdirSync(dir);
    Deno.writeTextFileSync(`${dir}/done.scenario.ts`, `Deno.test("done", () => {});`);
    const tests: Readonly<Record<string, string>> = { busy: "for (;;) {}", waits: "await new Promise((r) => setTimeout(r, 1e6));" };
    for (const [name, body] of Object.entries(tests)) {
      const text = `Deno.test("${name}", async () => { Deno.writeTextFileSync("${dir}/${name}.pid", String(Deno.pid)); ${body} });`;
      Deno.writeTextFileSync(`${dir}/${name}.scenario.ts`, text);
    }
    const start = async (...names: string[]) => {
      for (const name of names) if (existsSync(`${dir}/${name}.pid`)) Deno.removeSync(`${dir}/${name}.pid`);
      const args = cliArgs(["test", "--jobs", "3", ...["done", ...names].map((name) => `${dir}/${name}.scenario.ts`)]);
      const child = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
      const pids: number[] = [];
      for (const name of names) {
        const written = () => existsSync(`${dir}/${name}.pid`) && Deno.readTextFileSync(`${dir}/${name}.pid`);
        while (!written()) await new Promise((resolve) => setTimeout(resolve, 10));
        pids.push(Number(written()));
      }
      return { child, pids };
    };
    const { child, pids } = await start("busy", "waits"), from = performance.now();
    child.kill("SIGINT");
    const { code, stdout } = await child.output(), took = performance.now() - from, text = new TextDecoder().decode(stdout);
    assertEquals([code, pids.map(alive)], [130, [false, false]]);
    // A second on a machine that has nothing else to do.
    assert(took < 10_000, `${took} ms`);
    assertMatch(text, /^done \.\.\. ok[^]*\nINTERRUPTED \| 1 passed \| 0 failed \(/m);
    const orphan = await start("waits");
    orphan.child.kill("SIGKILL");
    await orphan.child.output();
    for (let i = 0; i < 200 && orphan.pids.some(alive); i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assertEquals(orphan.pids.map(alive), [false]);
  },
);
