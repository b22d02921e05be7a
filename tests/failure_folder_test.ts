// What a failing script leaves: one folder, with a recording that comes to the failure again; however it was run.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { boot, expect } from "../mod.ts";
import { fileNameOf, leaveFolder, replaceFolder } from "../src/scenario/failure_folder.ts";
import { ROOT, runCli, runHere } from "./cli.ts";

const scratch = Deno.makeTempDirSync();
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const ECHO = `${ROOT}tests/guests/bin/echo.rv64.elf`, SHELL = `${ROOT}tests/guests/bin/x86_shell.img`;
const SCRIPT = `${scratch}/a.scenario.ts`;
Deno.writeTextFileSync(
  SCRIPT,
  `import { boot, expect, scenario } from "${ROOT}mod.ts";
export default scenario({ name: "a <b>/../", machine: "virt", kernel: ${JSON.stringify(ECHO)} }, async (m) => {
  await expect(m.serial).toPrint("> ");
  await m.step("say hello", () => m.serial.send("hello\\r"));
  await expect(m.serial).toPrint("6 bytes", { within: "1ms" });
});
Deno.test("a wait", async () => {
  await using m = await boot("virt", { kernel: ${JSON.stringify(ECHO)} });
  await expect(m.serial).toPrint("never", { within: "1ms" });
});
Deno.test("no wait", async () => {
  await using m = await boot("virt", { kernel: ${JSON.stringify(ECHO)} });
  await expect(m.serial).toPrint("> ");
  throw new Error("no");
});
Deno.test("expected", async () => {
  await using m = await boot("virt", { kernel: ${JSON.stringify(ECHO)} });
  await expect(m.serial).toPrint("never", { within: "1ms" }).then(() => { throw 1; }, () => {});
  await expect(m.serial).toPrint("> ");
});
`,
);
const names = (folder: string) => [...Deno.readDirSync(folder)].map((e) => e.name).sort();

/** Replays a folder's recording to the failure. */
async function again(folder: string): Promise<void> {
  const { code, stderr } = await runHere(["--replay", `${folder}/inputs.rec`]),
    { tick, digest } = JSON.parse(Deno.readTextFileSync(`${folder}/report.json`));
  assertStringIncludes(stderr, `the recording ends at tick ${tick}, `);
  assertStringIncludes(stderr, `, with the digest ${digest} as it was recorded`);
  assertEquals(code, 1);
}

Deno.test("`bringup test` leaves a folder of each test that fails, and of no other", async () => {
  const folder = `${scratch}/tests`,
    { code, stdout, stderr } = await runCli(["test", SCRIPT, "--failures", folder]),
    printed = stdout + stderr;
  assertEquals(code, 1);
  const left = names(folder);
  assertEquals(left.map((name) => name.replace(/-\w{8}$/, "")), ["a-a-b", "a-line-9", "a-no-wait"]);
  for (const name of left) {
    assertEquals(
      names(`${folder}/${name}`),
      ["inputs.rec", "report.html", "report.json", "report.txt", "state.snap", "uart0.txt"],
      name,
    );
    assertStringIncludes(printed, `kept in: ${folder}/${name}/\n`);
    assertMatch(
      printed,
      new RegExp(`again: deno run -A mod.ts --replay ${folder}/${name}/inputs.rec \\(with --gdb it stops at the failure\\)`),
    );
    await again(`${folder}/${name}`);
  }
  const [first] = left,
    report = Deno.readTextFileSync(`${folder}/${first}/report.txt`),
    facts = JSON.parse(Deno.readTextFileSync(`${folder}/${first}/report.json`));
  assertStringIncludes(report, `${SCRIPT}: a <b>/../\nScenarioTimeout: Waited 1ms of guest time in vain for uart0 to print "6 bytes"\n`);
  assertEquals([facts.name, facts.machine, facts.steps[0].name, facts.details.awaited], [
    "a <b>/../",
    "virt",
    "say hello",
    'uart0 to print "6 bytes"',
  ]);
  assertStringIncludes(Deno.readTextFileSync(`${folder}/${first}/uart0.txt`), "5 bytes: hello");
});

Deno.test("--scenario leaves one, in the place of the last; none when that is said", async () => {
  const folder = `${scratch}/runs`, args = ["virt", ECHO, "--scenario", SCRIPT], name = fileNameOf(SCRIPT, "a <b>/../");
  Deno.mkdirSync(`${folder}/${name}`, { recursive: true });
  Deno.writeTextFileSync(`${folder}/${name}/old`, "");
  const [ran, none] = await Promise.all([runCli([...args, "--failures", folder]), runCli([...args, "--failures=none"])]);
  assertEquals([ran.code, none.code, none.stderr.includes("folder")], [4, 4, false]);
  assertStringIncludes(ran.stderr, `bringup: kept in: ${folder}/${name}/\n`);
  assertEquals([names(folder), names(`${folder}/${name}`).includes("old")], [[name], false]);
  await again(`${folder}/${name}`);
  await using m = await boot("virt", { kernel: ECHO, load: `${folder}/${name}/state.snap` });
  assertEquals(m.machine.digest(), JSON.parse(Deno.readTextFileSync(`${folder}/${name}/report.json`)).digest);
});

Deno.test("two at once are one; a machine with a screen has its picture; the names of files are anybody's", async () => {
  await using m = await boot("pc", { kernel: SHELL });
  await expect(m.screen).toShow("> ", { row: -1 });
  const dir = `${scratch}/both`, failed = { script: "s.ts", name: "n", error: "thrown" };
  const said = await Promise.all([leaveFolder(m, dir, failed), leaveFolder(m, dir, failed)]), [name] = names(dir);
  assertEquals([names(dir), said[0][0]], [[fileNameOf("s.ts", "n")], `kept in: ${dir}/${name}/`]);
  assertEquals([...Deno.readFileSync(`${dir}/${name}/screen.png`).subarray(1, 4)], [..."PNG"].map((c) => c.charCodeAt(0)));
  assertStringIncludes(Deno.readTextFileSync(`${dir}/${name}/screen.txt`), ">");
  assertMatch(
    (await leaveFolder(m, SCRIPT, failed)).join("\n"),
    /^no folder of the failure is left in .*a\.scenario\.ts: Not a directory$/,
  );
  const odd = ["", "../..", "a/b\\c", "日本", "x".repeat(500), "CON", "a\nb"].map((name) => fileNameOf("dir/k_test.ts", name));
  assertEquals(new Set(odd).size, odd.length);
  for (const name of odd) assertMatch(name, /^k(-[a-z0-9]+)*-[0-9a-f]{8}$/);
});

Deno.test({
  name: "without the permission to write a failure says so",
  permissions: { read: true, write: false, env: true, sys: true },
  fn: async () => {
    await using m = await boot("virt", { kernel: ECHO });
    assertEquals(await leaveFolder(m, "out", { script: "s.ts", name: "n", error: 1 }), [
      "no folder of the failure is left: it needs --allow-write=out",
    ]);
  },
});

Deno.test("runs side by side that replace the same folder: the last one stays, whole", () => {
  const folder = `${scratch}/raced`,
    made = (name: string) => {
      Deno.mkdirSync(`${scratch}/${name}`);
      Deno.writeTextFileSync(`${scratch}/${name}/${name}`, "");
      return `${scratch}/${name}`;
    };
  const { removeSync } = Deno, ours = made("ours"), others = [made("other1"), made("other2")];
  try {
    // Another run is faster, twice.
    Deno.removeSync = (...args) => {
      removeSync(...args);
      const other = others.pop();
      if (other) Deno.renameSync(other, folder);
    };
    Deno.mkdirSync(folder);
    replaceFolder(folder, ours);
  } finally {
    Deno.removeSync = removeSync;
  }
  assertEquals([names(folder), others], [["ours"], []]);
});
