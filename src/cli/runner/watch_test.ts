// `--watch`: what a change affects is run again, and nothing else, in processes that know nothing that is out of date.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { configOf } from "../script.ts";
import { testFiles } from "./discover.ts";
import { planOf } from "./mod.ts";
import type { Summary } from "./results.ts";
import { Runner, TestModule } from "./run.ts";
import { watch } from "./watch.ts";

const scratch = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "bringup-watch-" }));
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const guest = (name: string) => Deno.readFileSync(new URL(`../../../tests/guests/bin/${name}.rv64.elf`, import.meta.url));

Deno.test(
  "a change of a kernel, a script or a module runs what it affects again; files come and go; a run that is out of date is cut off",
  { timeout: 120_000 },
  async () => {
    const write = (name: string, content: string | Uint8Array) => {
      // As linkers and editors do: the file is there with all that is in it.
      Deno.writeFileSync(`${scratch}/.new`, typeof content === "string" ? new TextEncoder().encode(content) : content);
      Deno.renameSync(`${scratch}/.new`, `${scratch}/${name}`);
    };
    const script = (name: string, pattern: string, more = "") =>
      `import { expect, scenario } from "bringup";\n${more}
scenario({ name: "${name}", machine: "virt", kernel: "${scratch}/kernel.elf" }, async (m) => { await expect(m.serial).toPrint(${pattern}, { within: "50ms" }); });\n`;
    write("kernel.elf", guest("hello"));
    write("kernel.scenario.ts", script("kernel", `"Hello"`));
    write("helper.ts", `export const NAME = "one", PID = Deno.pid;`);
    write("other.scenario.ts", `import { NAME, PID } from "./helper.ts";\nDeno.test("other " + NAME, () => { console.log(PID); });`);
    const over = new AbortController(), runner = new Runner({ ...planOf({}, {}), jobs: 2 }, {}), summaries: Summary[] = [];
    let said = "", heard = () => {};
    const find = () => {
      const { files, folders } = testFiles([scratch]);
      return { modules: files.map((path) => new TestModule(path, configOf(path))), folders };
    };
    const say = (text: string) => (said += text, heard());
    const watched = watch({ runner, find, told: (summary) => summaries.push(summary), say, signal: over.signal });
    /** What the next run comes to, when it waits again. */
    async function next(change: () => void): Promise<[string[], Summary]> {
      said = "";
      summaries.length = 0;
      change();
      while (!said.includes("waiting for changes")) await new Promise<void>((resolve) => heard = resolve);
      const all = summaries.at(-1)!;
      return [all.results.map((r) => `${r.name}: ${r.status}`), all];
    }
    try {
      assertEquals((await next(() => {}))[0], ["kernel: passed", "other one: passed"]);
      assertEquals((await next(() => write("kernel.elf", guest("echo"))))[0], ["kernel: failed"]);
      assertMatch(said, /^\(began \d+ ms after the change\)\n/);
      assertEquals((await next(() => write("kernel.scenario.ts", script("echo", `"> "`))))[0], ["echo: passed"]);
      const [first, before] = await next(() => write("helper.ts", `export const NAME = "two", PID = Deno.pid;`));
      assertEquals(first, ["other two: passed"]);
      const [second, after] = await next(() => write("helper.ts", `export const NAME = "three", PID = Deno.pid;`));
      assertEquals(second, ["other three: passed"]);
      const pid = (s: Summary) => s.results[0].attempts[0].output;
      assert(pid(before) !== pid(after), "modules are those of the change");
      assertEquals((await next(() => write("new.scenario.ts", `Deno.test("new", () => {`)))[0], ["(loading the file): failed"]);
      assertEquals((await next(() => write("new.scenario.ts", `Deno.test("new", () => {});`)))[0], ["new: passed"]);
      // Neither the file that has gone nor one that nobody uses starts anything: what comes next is the run of the change behind them.
      const [, { results }] = await next(() => {
        Deno.removeSync(`${scratch}/new.scenario.ts`);
        write("notes.txt", "nothing");
        write("other.scenario.ts", `Deno.test("for ever", () => new Promise((r) => setTimeout(r, 1e6)));`);
        setTimeout(() => write("other.scenario.ts", `Deno.test("at last", () => {});`), 300);
      });
      assertEquals([results.map((r) => `${r.name}: ${r.status}`), summaries.length], [["at last: passed"], 1]);
    } finally {
      over.abort();
      runner.stop();
      await watched;
    }
  },
);
