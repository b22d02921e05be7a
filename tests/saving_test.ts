// `--save` and `--load` on the command line, and `save` in the monitor: when a file is written, what goes on from it, and what is said.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { boot } from "../mod.ts";
import { runCommand } from "../src/debug/monitor.ts";
import { ROOT, runHere } from "./cli.ts";

const FOLDER = Deno.makeTempDirSync(), FILE = `${FOLDER}/a.snap`, KERNEL = `${ROOT}tests/guests/bin/echo.rv64.elf`;
addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));
const run = (args: string[], input = "") => runHere(["virt", KERNEL, "--memory", "4MiB", ...args], input);
const exists = () => {
  try {
    return Deno.statSync(FILE).isFile;
  } catch {
    return false;
  }
};

Deno.test("a state that was reached goes on: byte for byte what the guest prints from there", async () => {
  const saved = await run(["--expect", "> $", "--save", FILE]);
  assertEquals([saved.code, saved.stdout, saved.stderr], [0, "type lines, exit ends\r\n> ".replace("\r", ""), ""]);
  const whole = await run([], "hello\rexit\r"), rest = await run(["--load", FILE], "hello\rexit\r");
  assertEquals([rest.code, saved.stdout + rest.stdout, rest.stderr], [0, whole.stdout, ""]);
  // What was expected before is behind it.
  assertEquals((await run(["--load", FILE, "--expect", "> $", "--timeout", "1ms"], "\r")).stdout.startsWith("type"), false);
});

Deno.test("at the time-out, and at the guest's own end, the state is written, too; not when what was expected did not come", async () => {
  const args = (...more: string[]) => [...more, "--save", FILE];
  if (exists()) Deno.removeSync(FILE);
  const missed = await run(args("--expect", "never", "--timeout", "1ms"), "");
  assertStringIncludes(missed.stderr, `bringup: ${FILE}: not saved, since not everything was printed that was expected`);
  assert(missed.code > 0 && !exists());
  assertEquals([(await run(args("--timeout", "300us"), "he")).code, exists()], [4, true]);
  const goesOn = await run(["--load", FILE], "llo\rexit\r");
  assertEquals([goesOn.code, goesOn.stdout.includes("5 bytes: hello")], [0, true]);
  assertEquals((await run(args(), "exit\r")).code, 0);
  const ended = await run(["--load", FILE]);
  assertEquals([ended.code, ended.stdout], [0, ""]);
});

Deno.test("mistakes are one line, before anything runs", async () => {
  await run(["--expect", "> $", "--save", FILE]);
  const problem = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(args);
    assertEquals([code, stdout], [2, ""]);
    return stderr;
  };
  assertEquals(await problem("--save", FOLDER), `bringup: ${FOLDER}: cannot be written: it is a folder\n`);
  assertEquals(
    await problem("--load", FILE, "--harts", "2"),
    `bringup: ${FILE}: the snapshot is of another machine: cpu.harts is 1 there and 2 here\n`,
  );
  assertEquals(await problem("--load", KERNEL), `bringup: ${KERNEL}: this is no snapshot\n`);
  assertMatch(await problem("--load", `${FOLDER}/a.snip`), /no such file \(did you mean 'a\.snap'\?\)\n$/);
});

Deno.test("the monitor saves, while others wait", async () => {
  const m = await boot("virt", { kernel: KERNEL, set: { memory: "4MiB" } }), host = { session: m, setPaused: () => {}, quit: () => {} };
  await m.serial.toPrint("> ");
  const waits = m.serial.toPrint("never"), digest = m.machine.digest();
  assertEquals(runCommand(` save  ${FILE} `, host), `saved to ${FILE}`);
  assertEquals(runCommand("sa", host), "save needs a value: FILE");
  assertEquals(runCommand(`s ${FOLDER}`, host), `${FOLDER}: cannot be written: it is a folder`);
  assertMatch(runCommand("help", host), /^ {2}save FILE +write the whole state/m);
  await m[Symbol.asyncDispose]();
  await waits.catch(() => {});
  assertEquals((await boot("virt", { kernel: KERNEL, set: { memory: "4MiB" }, load: FILE })).machine.digest(), digest);
});
