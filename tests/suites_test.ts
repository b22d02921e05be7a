// scripts/dev/suites.ts: its lists, and that it tells what is as expected from what is not. The suites themselves are run by hand; here it runs
// guests of ours.
import { assert, assertEquals } from "@std/assert";
import { expand, LISTS, readList, testsOf } from "../scripts/dev/suites.ts";

const ROOT = new URL("..", import.meta.url).pathname;

Deno.test("suites: alternatives in braces", () => {
  assertEquals(expand("a"), ["a"]);
  assertEquals(expand("a-{b,c}-{d,}"), ["a-b-d", "a-b-", "a-c-d", "a-c-"]);
});

Deno.test("suites: every list can be read, no test stands in it twice, and every machine is there", async () => {
  const lists = [...Deno.readDirSync(LISTS)].map(({ name }) => name).filter((name) => name.endsWith(".list.toml"));
  assert(lists.length > 0);
  for (const list of lists) {
    const suite = readList(`${LISTS}/${list}`), names = testsOf(suite, ROOT).map(({ name }) => name);
    assertEquals(names.filter((name, i) => names.indexOf(name) !== i), [], list);
    for (const { machine } of suite.groups) {
      const found = await Promise.any([`${LISTS}/${machine}`, `${ROOT}machines/${machine}`].map((path) => Deno.stat(path))).catch(() =>
        undefined
      );
      assert(found, `${list}: ${machine}`);
    }
  }
});

Deno.test("suites: a star stands for the files that are there, and for itself when there are none", () => {
  const group = { file: "{test}.rv64.elf", machine: "virt.toml", judge: "exit", tests: ["tests_*", "nothing_*", "smp*"] } as const;
  const tests = testsOf({ name: "ours", folder: "guests/bin", groups: [group] }, `${ROOT}tests`);
  assertEquals(tests.map(({ name }) => name), ["tests_fail", "tests_pass", "nothing_*", "smp"]);
});

const LIST = `
folder = ""
[[group]]
file = "{test}.rv64.elf"
judge = "exit"
codes = { pass = 0, fail = 1 }
machine = "virt.toml"
tests = ["tests_{pass,fail}", "nowhere"]
[[group]]
file = "{test}.rv64.elf"
judge = "says"
steps = ["Hello"]
machine = "virt.toml"
tests = ["hello"]
[[group]]
file = "{test}.rv64.elf"
judge = "says"
steps = ["this is never said"]
machine = "virt.toml"
expect = "no end in 1us"
because = "there is too little time"
guest = "1us"
tests = ["timer"]
`;

async function run(list: string, ...args: string[]): Promise<{ code: number; lines: string[] }> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/ours.list.toml`, list);
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${ROOT}scripts/dev/suites.ts`, "--lists", folder, "--folder", `${ROOT}tests/guests/bin`, ...args],
    }).output();
    return { code, lines: new TextDecoder().decode(stdout).trim().split("\n") };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("suites: what is not as expected is a line each and the status; a reason is counted", async () => {
  const all = await run(LIST);
  assertEquals(all.lines.slice(0, -1), [
    "ours tests_fail: fail; expected pass",
    `ours nowhere: no file ${ROOT}tests/guests/bin/nowhere.rv64.elf; expected pass`,
  ]);
  assertEquals(all.lines.at(-1)!.replace(/; \d+ s$/, ""), "ours: 5 run, 2 pass, 1 not: there is too little time, 2 not as expected");
  assertEquals(all.code, 1);
  const good = await run(LIST, "ours", "--only", "pass|hello|timer", "--engine", "interp", "--jobs", "2");
  assertEquals(good.lines.map((line) => line.replace(/; \d+ s$/, "")), [
    "ours: 3 run, 2 pass, 1 not: there is too little time, 0 not as expected",
  ]);
  assertEquals(good.code, 0);
});

Deno.test("suites: a suite that nobody built is skipped with a line, and a failure for who named it", async () => {
  const list = LIST.replace('folder = ""', 'folder = "nowhere"');
  assertEquals(await run(list), { code: 0, lines: [`ours: skipped, there is no ${ROOT}tests/guests/bin/nowhere`] });
  assertEquals((await run(list, "ours")).code, 1);
  assertEquals((await run(list, "theirs")).code, 2);
});
