// scripts/dev/fuzz.ts with fuzzers that do nothing but count, in a folder of their own: counts add up, and whatever is wrong is status 1.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { counted, fuzz, type Fuzzer, FUZZERS } from "./fuzz.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
/** What a fuzzer of this name does; all take some time. */
const FAKES = {
  good: `console.log("a: " + 2 * cases + " instructions of " + cases + " programs, each run 3 ways; 0 differ");
    console.log("b: " + cases + " cases over 9 rows (at least 2 each), 0 differ");`,
  // From the second chunk on.
  differs: `const again = Deno.readDirSync(".").some(({ name }) => name === "ran");
    Deno.writeTextFileSync("ran", "");
    console.log("seed " + seed);
    console.log("c: 70 instructions in 7 random blocks over 5 rows; " + (again ? 2 : 0) + " differ");
    if (again) Deno.exit(1);`,
  crashes: `throw new Error("out of luck");`,
  silent: `console.log("done");`,
  lacks: `console.log("skipped: there is no QEMU");`,
};

async function run(names: readonly (keyof typeof FAKES)[], seed: number, signal?: AbortSignal) {
  const root = await Deno.makeTempDir(), lines: string[] = [];
  try {
    for (const name of names) {
      const head = `const cases = Number(Deno.args[1]), seed = Number(Deno.args[3]), end = performance.now() + 60;
        while (performance.now() < end);\n`;
      await Deno.writeTextFile(`${root}/${name}.js`, head + FAKES[name]);
    }
    const fuzzers = names.map((name): Fuzzer => ({ architecture: "x86", name, command: `${name}.js`, weight: 1, first: 3 }));
    const print = (text: string) => void lines.push(...text.split("\n"));
    const status = await fuzz(fuzzers, { seconds: 0.15 * names.length, seed, jobs: 2, chunk: 0.1, root, print, ...signal && { signal } });
    return { status, lines, table: lines.slice(lines.indexOf("") + 1) };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const numbers = (line: string) =>
  [...line.replaceAll(",", "").matchAll(/(\d+) (seeds|cases|instructions|differences)/g)].map(([, n]) => Number(n));

Deno.test("fuzz: closing lines are counted, of every form that the fuzzers have", () => {
  const forms: readonly (readonly [string, ...number[]])[] = [
    [
      "IR: 40001 instructions in 900 random blocks over 120 rows, 7 faults, 1 + 2 regions, 40 accesses across pages in compiled code; 0 differ",
      900,
      40001,
      0,
    ],
    ["RV64: 150000 instructions of 15 programs, each run 30 ways, 900 traps, 5 regions, 6 side exits; 3 differ", 15, 150000, 3],
    ["long: 30000 instructions of 12 programs (2 shut down), each run 30 ways, 5 faults, 7 blocks changed; 1 differ", 12, 30000, 1],
    ["16-bit: 2000 cases of up to 8 instructions over 300 rows, 0 differ; never drawn: x", 2000, 2000, 0],
    ["64-bit: 500 draws of lines in the interpreter, 30 of them in the JIT, 4 differ from the evaluator", 500, 500, 4],
    [
      "SSE, FMA, F16C: 10 cases over 5 instructions (2 each or more), 0 differ\nx87: 20 cases over 5 instructions (4 each or more), 1 differ",
      30,
      30,
      1,
    ],
    ["paged: 120000 instructions of 6 cases from seed 5, 0 differ", 6, 120000, 0],
  ];
  for (const [text, cases, instructions, differences] of forms) {
    assertEquals(counted(`seed 5\n${text}\n`), { cases, instructions, differences }, text);
  }
  assertEquals(counted("seed 5\nRV64: only 3 accesses across pages in compiled code, 4 were due\n"), undefined);
});

Deno.test("fuzz: chunks with new seeds until the time is over; counts add up; what cannot run says why", async () => {
  const { status, lines, table } = await run(["good", "lacks"], 5);
  assertEquals(status, 0);
  const chunks = lines.filter((line) => line.includes("good") && line.includes("seed ")).map((
    line,
  ) => [/seed (\d+)/.exec(line)![1], ...numbers(line)]);
  assert(chunks.length > 1, lines.join("\n"));
  assertEquals(new Set(chunks.map(([seed]) => seed)).size, chunks.length);
  assertEquals(chunks[0].slice(1), [6, 9, 0]);
  const sum = (n: number) => chunks.reduce((all, chunk) => all + Number(chunk[n]), 0);
  assertEquals(numbers(table.find((line) => line.includes("good"))!), [chunks.length, sum(1), sum(2), 0]);
  assertEquals(numbers(table.find((line) => /^x86 +all /.test(line))!), [chunks.length, sum(1), sum(2), 0]);
  assert(lines.includes("x86 lacks: skipped: there is no QEMU"));
  assertMatch(table.find((line) => line.includes("lacks"))!, / 0 seeds .*; skipped: there is no QEMU$/);
});

Deno.test("fuzz: a difference, an exception, a fuzzer that does not count: status 1, the command that repeats it, no second time", async () => {
  const { status, lines, table } = await run(["differs", "crashes", "silent"], 6);
  assertEquals(status, 1);
  assertEquals(["differs", "crashes", "silent"].map((name) => numbers(table.find((line) => line.includes(name))!)), [
    [2, 14, 140, 2],
    [1, 0, 0, 1],
    [1, 0, 0, 1],
  ]);
  const repeated = table.filter((line) => line.startsWith("to repeat: "));
  assertEquals(repeated.length, 3);
  const seed = lines.filter((line) => line.includes("differs") && line.includes("seed "))[1].match(/seed (\d+)/)![1];
  assert(
    repeated.some((line) => new RegExp(`^to repeat: deno run -A differs.js --cases \\d+ --seed ${seed}$`).test(line)),
    repeated.join("\n"),
  );
  assert(lines.includes(`  seed ${seed}`), "the fuzzer's own output");
  assert(lines.some((line) => line.includes("out of luck")));
  // The same seed gives the same chunks.
  assertEquals((await run(["differs"], 6)).lines[0].match(/seed \d+/), lines.find((line) => line.includes("differs"))!.match(/seed \d+/));
});

Deno.test("fuzz: an interrupt ends with the table", async () => {
  const { status, lines } = await run(["good"], 5, AbortSignal.timeout(30));
  assertEquals(status, 130);
  assertEquals(lines.slice(0, 2), ["", "Interrupted; what ran until then:"]);
  assertMatch(lines[2], /^x86 +good +0 seeds /);
});

Deno.test("fuzz: every fuzzer of tests/fuzz is in the table, and a real one counts", async () => {
  const files = [...Deno.readDirSync(`${ROOT}tests/fuzz`)].map(({ name }) => `tests/fuzz/${name}`).filter((name) =>
    name.endsWith("_fuzz.ts")
  );
  assertEquals(files.filter((file) => !FUZZERS.some(({ command }) => command.startsWith(file))), []);
  const lines: string[] = [], fuzzer = { ...FUZZERS.find(({ name }) => name === "floating point, exact")!, first: 1000 };
  assertEquals(await fuzz([fuzzer], { seconds: 0.01, seed: 1, jobs: 1, chunk: 1, root: ROOT, print: (line) => void lines.push(line) }), 0);
  assertEquals(numbers(lines[0]).slice(0, 3), [100, 100, 0]);
});
