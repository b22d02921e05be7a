import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { geometricMean, measure, median, type Run } from "./measure.ts";
import { figures, markdown, type Measured } from "./report.ts";
import type { Row } from "./row.ts";
import { rows } from "./rows.ts";

const run = (wallMs: number, more: Partial<Run> = {}): Run => ({
  wallMs,
  cpuMs: wallMs,
  peakKiB: 0,
  stdout: "",
  stderr: "",
  code: 0,
  ...more,
});
const row = (more: Partial<Row> = {}): Row => ({ name: "n", group: "g", measures: "time", ours: { program: "a", args: [] }, ...more });
const measured = (more: Partial<Measured>): Measured => ({ row: row(), ours: [], other: [], native: [], instructions: 0, ...more });

Deno.test("median() takes the middle, or the mean of the two in the middle", () => {
  assertEquals(median([3, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 3]), 2.5);
  assertEquals(median([]), NaN);
});

Deno.test("geometricMean() of quotients does not depend on which side is the divisor", () => {
  assertAlmostEquals(geometricMean([2, 0.5]), 1);
  assertAlmostEquals(geometricMean([1, 2, 4]), 2);
});

Deno.test("figures() takes the median of the pairs' quotients, not the quotient of the medians", () => {
  const f = figures(measured({ ours: [run(10), run(100), run(30)], other: [run(10), run(50), run(10)] }));
  assertEquals(f.ratios, [1, 2, 3]);
  assertEquals([f.ratio, f.ours, f.oursLeast, f.other], [2, 0.03, 0.01, 0.01]);
});

Deno.test("figures() holds every target against its own figure", () => {
  const runs = { ours: [run(100)], other: [run(100)], instructions: 50e6 };
  const met = (target: Partial<Row>) => figures(measured({ row: row(target), ...runs })).met;
  assertEquals([met({ target: 1 }), met({ target: 0.9 })], [true, false]);
  assertEquals([met({ most: 100 }), met({ most: 99 })], [true, false]);
  assertEquals([met({ leastMips: 500 }), met({ leastMips: 501 })], [true, false]);
  assertEquals(met({ target: 1, most: 99 }), false);
});

Deno.test("figures() of a memory row are in MB", () => {
  const f = figures(
    measured({ row: row({ measures: "memory", most: 120 }), ours: [run(1, { peakKiB: 100_000 })], other: [run(1, { peakKiB: 50_000 })] }),
  );
  assertEquals([f.ours, f.ratio, f.met], [102.4, 2, true]);
});

Deno.test("markdown() has a table per group, with the geometric mean where a group has a target", () => {
  const of = (name: string, group: string, ours: number) => measured({ row: row({ name, group }), ours: [run(ours)], other: [run(100)] });
  const text = markdown(
    [of("a", "Integer, RV64", 50), of("b", "Integer, RV64", 100), of("c", "Integer, RV64", 200), of("d", "Other", 100)],
    ["load 0"],
  );
  assertStringIncludes(text, "- load 0");
  assertStringIncludes(text, "## Integer, RV64");
  const mean = text.split("\n").find((line) => line.includes("geometric mean"))!;
  assertStringIncludes(mean, "1.00");
  assertStringIncludes(mean, "**no**");
  assertEquals(text.match(/geometric mean/g)!.length, 1);
});

Deno.test("rows() have names of their own, and run images that are there", async () => {
  const all = rows(), names = all.map(({ group, name }) => `${group}/${name}`);
  assertEquals(new Set(names).size, names.length);
  const images = all.flatMap(({ ours, needs, prepare }) => needs || prepare ? [] : ours.args.filter((arg) => arg.endsWith(".elf")));
  for (const image of new Set(images)) assert((await Deno.stat(image)).isFile, image);
});

const tools = await Promise.all(
  ["nasm", "riscv64-unknown-elf-gcc"].map((tool) =>
    new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" }).output().then(() => true, () => false)
  ),
);
Deno.test({
  name: "every guest of the cliffs is assembled",
  ignore: tools.includes(false),
  fn: async () => {
    const cliffs = rows(1e5).filter(({ group }) => group.startsWith("cliffs"));
    for (const { prepare } of cliffs) await prepare!();
    assert(cliffs.length >= 70, `${cliffs.length} rows`);
  },
});

Deno.test("measure() ends a program at the text it waits for, and says so when it never comes", async () => {
  const script = (code: string) => ({ program: Deno.execPath(), args: ["eval", code] });
  const reached = await measure({ ...script("console.log('marker'); setTimeout(() => {}, 60_000)"), until: "marker" });
  assert(reached.wallMs < 30_000);
  assertStringIncludes(reached.stdout, "marker");
  const error = await measure({ ...script("console.log('other')"), until: "marker" }).catch((e) => e);
  assertStringIncludes(String(error.message), "ended without printing 'marker'");
});
