// What becomes of tests of every kind in worker processes.
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { configOf } from "../script.ts";
import { keyOf } from "./last_run.ts";
import { planOf } from "./mod.ts";
import { counts, type Summary } from "./results.ts";
import { Runner, type RunPlan, TestModule } from "./run.ts";
import { partOf } from "./shard.ts";

const HELLO = new URL("../../../tests/guests/bin/hello.rv64.elf", import.meta.url).pathname;
const scratch = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "bringup-run-" }));
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

async function run(files: Readonly<Record<string, string>>, plan: Partial<RunPlan> = {}): Promise<Summary> {
  const paths = Object.entries(files).map(([name, text]) => (Deno.writeTextFileSync(`${scratch}/${name}`, text), `${scratch}/${name}`));
  const runner = new Runner({ ...planOf({}, {}), jobs: 2, ...plan }, {});
  try {
    return await runner.run(paths.map((path) => new TestModule(path, configOf(path))));
  } finally {
    runner.stop();
  }
}
/** Name and status of each result. */
const told = ({ results }: Summary) => results.map((r) => `${r.name}: ${r.status}`);

Deno.test("every way to declare a test, and every way to fail; one test's end is not another's", async () => {
  const text = `
import { assertEquals } from "@std/assert";
Deno.test("name and function", () => {});
Deno.test(function named() {});
Deno.test({ name: "options", fn() {} });
Deno.test({ name: "ignored", ignore: true, fn() { throw 1; } });
Deno.test.ignore("ignored too", () => { throw 1; });
Deno.test("options between", { ignore: true }, () => {});
Deno.test.each([[1, 2], [3, 4]])("%i is below %d (%#)", (a, b) => assertEquals(a < b, true));
Deno.test.each([{ a: { b: 5 } }])("$a.b of 100%%", ({ a }) => assertEquals(a.b, 5));
let sets = 0;
Deno.test.beforeAll(() => { sets += 10; });
Deno.test.beforeEach(() => { sets++; });
let order = "";
Deno.test.afterEach(() => { order += "1"; });
Deno.test.afterEach(() => { order += "2"; });
Deno.test("hooks", () => assertEquals([sets, order], [17, "21".repeat(6)]));
Deno.test("throws", () => { throw new RangeError("out of range"); });
Deno.test("throws no error", () => { throw "a word"; });
Deno.test("steps", async (t) => {
  await t.step("one", () => {});
  await t.step({ name: "two", ignore: true, fn: () => { throw 1; } });
  await t.step("three", async (t) => { await t.step("below", () => { throw new Error("deep down"); }); });
});
Deno.test("nobody awaits it", async () => { Promise.reject(new Error("lost")); await new Promise(() => {}); });
Deno.test("later", () => { setTimeout(() => { throw new Error("from a timer"); }, 1); return new Promise(() => {}); });
Deno.test("exits", () => Deno.exit(3));
Deno.test("prints", () => { console.log("to stdout"); console.error("to stderr"); });
Deno.test("prints \\x1e alone", () => { Deno.stdout.writeSync(new Uint8Array([0x1e, 0x41])); });
Deno.test("takes too long", () => new Promise((r) => setTimeout(r, 1e6)));
Deno.test({ name: "hangs", timeout: 200, fn: () => { for (;;) {} } });
Deno.test({ name: "has its own limit", timeout: 50, fn: () => new Promise(() => {}) });
Deno.test("is killed", () => { Deno.kill(Deno.pid, "SIGKILL"); return new Promise(() => {}); });
Deno.test("the last one", () => {});
`;
  const late = `setTimeout(() => Deno.test("x", () => {}), 0);\nDeno.test("waits", () => new Promise((r) => setTimeout(r, 50)));`;
  const summary = await run({ "every.ts": text, "syntax.ts": "const = 1;", "late.ts": late }, { timeoutMs: 5000 });
  assertEquals(told(summary).slice(0, 24), [
    "name and function: passed",
    "named: passed",
    "options: passed",
    "ignored: skipped",
    "ignored too: skipped",
    "options between: skipped",
    "1 is below 2 (0): passed",
    "3 is below 4 (1): passed",
    "5 of 100%: passed",
    "hooks: passed",
    "throws: failed",
    "throws no error: failed",
    "steps: failed",
    "nobody awaits it: failed",
    "later: failed",
    "exits: failed",
    "prints: passed",
    "prints \x1e alone: passed",
    "takes too long: failed",
    "hangs: failed",
    "has its own limit: failed",
    "is killed: failed",
    "the last one: passed",
    "(loading the file): failed",
  ]);
  const of = (name: string) => summary.results.find((r) => r.name === name)!, error = (name: string) => of(name).attempts[0].error!;
  assertEquals([of("throws").line, of("ignored").line, of("1 is below 2 (0)").line], [18, 6, 9]);
  assertEquals(error("throws").message, "RangeError: out of range");
  assertEquals(error("throws").at, { file: `${scratch}/every.ts`, line: 18, column: 35 });
  assertEquals(error("throws").text.split("\n").length, 2, "nothing of the runner is in it");
  assertStringIncludes(error("throws no error").message, "a word");
  assertEquals(error("steps").message, "a step failed: Error: deep down");
  assertMatch(error("steps").text, /^step three > below: Error: deep down\n +at .*every\.ts:23:/);
  assertEquals(of("steps").attempts[0].steps.map((s) => [s.name, s.status, s.steps.length]), [
    ["one", "passed", 0],
    ["two", "skipped", 0],
    ["three", "failed", 1],
  ]);
  for (const [name, message] of [["nobody awaits it", "lost"], ["later", "from a timer"]]) assertStringIncludes(error(name).text, message);
  assertStringIncludes(error("exits").message, "called Deno.exit(3)");
  assertEquals(of("prints").attempts[0].output.split("\n").sort(), ["", "to stderr", "to stdout"]);
  assertEquals(of("prints \x1e alone").attempts[0].output, "\x1eA");
  assertStringIncludes(error("takes too long").message, "longer than the 5.0s of the host's time");
  assertStringIncludes(error("hangs").message, "longer than the 200ms of the host's time");
  assertStringIncludes(error("has its own limit").message, "longer than the 50ms of the host's time");
  assertEquals(error("is killed").message, "its process was ended by SIGKILL in the midst of the test");
  assertMatch(error("(loading the file)").text, /syntax\.ts/);
  const wrong = summary.results.filter((r) => r.file.endsWith("late.ts")).flatMap((r) => r.attempts.flatMap((a) => a.error?.text ?? []));
  assertStringIncludes(wrong.join(), "the test 'x' is declared too late");
});

Deno.test("a retry is in a new process and makes a flaky test; every repeat is a result of its own; digests are the machine's", async () => {
  const counter = `${scratch}/count`,
    text = `
import { boot } from "bringup";
const file = ${JSON.stringify(counter)}, bump = (what) => Deno.writeTextFileSync(file, what + Deno.pid + " ", { append: true });
Deno.test("sometimes", () => { bump("s"); if (Deno.readTextFileSync(file).split("s").length < 4) throw new Error("not yet"); });
Deno.test("never", () => { bump("n"); throw new Error("no"); });
Deno.test({ name: "once only", retry: 0, fn: () => { throw new Error("no"); } });
Deno.test("machine", async () => {
  await using m = await boot("virt", { kernel: ${JSON.stringify(HELLO)} });
  await m.stopped();
});
`;
  Deno.writeTextFileSync(counter, "");
  const summary = await run({ "retry.ts": text }, { retries: 2, digests: true });
  assertEquals(told(summary), ["sometimes: flaky", "never: failed", "once only: failed", "machine: passed"]);
  assertEquals(summary.results.map((r) => r.attempts.map((a) => a.passed)), [[false, false, true], [false, false, false], [false], [true]]);
  const pids = Deno.readTextFileSync(counter).trim().split(" ");
  assertEquals(new Set(pids.slice(0, 3)).size, 3, "of the flaky one each in another process");
  assertEquals(counts(summary.results), { passed: 1, failed: 2, flaky: 1, skipped: 0 });
  const [end] = summary.results[3].attempts[0].machines!;
  assert(end.guestNs > 0);
  const again = await run({ "retry.ts": text }, { repeats: 1, filter: (name) => name === "machine", digests: true });
  assertEquals(again.results.map((r) => [r.repeat, r.status, r.attempts[0].machines![0]]), [[1, "passed", end], [2, "passed", end]]);
});

Deno.test("`only`, filters, what failed last time and shards choose; nothing to be run is a mistake, a part without tests is none", async () => {
  const plain = {
    "a.ts": `for (const n of [1, 2, 3]) Deno.test("a" + n, () => {});`,
    "b.ts": `Deno.test("b1", () => {}); Deno.test("b2", () => {});`,
  };
  const all = ["a1: passed", "a2: passed", "a3: passed", "b1: passed", "b2: passed"];
  const parts = await Promise.all([1, 2, 3].map((index) => run(plain, { shard: { index, total: 3 }, jobs: 1 })));
  assertEquals(parts.map(told), [1, 2, 3].map((index) => partOf(all, { index, total: 3 })));
  const late = await run(plain, { shard: { index: 1, total: 6 }, jobs: 1 });
  assertEquals([late.results, late.notes], [[], ["nothing is left for part 1 of 6: 5 tests in all"]]);
  assertEquals(told(await run(plain, { lastFailed: new Set([keyOf(`${scratch}/b.ts`, "b2"), keyOf("gone.ts", "a1")]), isolate: true })), [
    "b2: passed",
  ]);
  await assertRejects(() => run(plain, { filter: () => false }), ConfigError, "no test has a name that --filter asks for");
  await assertRejects(() => run(plain, { lastFailed: new Set() }), ConfigError, "no test failed last time");
  await assertRejects(() => run({ "none.ts": "export const a = 1;" }), ConfigError, "no tests in ");
  const declared = `import { scenario, shared } from "bringup";
const virt = { machine: "virt", kernel: ${JSON.stringify(HELLO)} };
scenario({ ...virt, name: "left out", ignore: true }, async () => {});
scenario({ ...virt, name: "alone", only: true }, async (m) => { await m.stopped(); });
shared({ ...virt, name: "both", only: true }, async () => {}, { one: async () => {} });
`;
  const only = await run({ "only.ts": `Deno.test("x", () => {}); Deno.test.only("y", () => {});`, "declared.ts": declared, ...plain });
  assertEquals([told(only), only.only, only.notes.length], [["y: passed", "alone: passed", "both: one: passed"], true, 1]);
});
