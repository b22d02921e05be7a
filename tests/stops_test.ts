// Every way to stop, by every way of running: the exit status, the last line of the report, and that a disk without an overlay has what the guest
// wrote. Most runs go through the command line's own function in this process; signals, `test` and `deno test` have processes of their own.
import { existsSync } from "node:fs";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { EXIT_STATUS } from "../src/cli/help.ts";
import { cliArgs, ROOT, runHere } from "./cli.ts";
import { guestFile } from "./guests/hostile.ts";

const VIRT = `${ROOT}machines/virt.toml`, PC = `${ROOT}machines/pc.toml`;
const scratch = Deno.makeTempDirSync({ prefix: "bringup-stops-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
// The scripts here fail on purpose: no folders of that.
Deno.env.set("BRINGUP_FAILURES", "none");

const words = (...code: number[]): Uint8Array => new Uint8Array(Uint32Array.from(code).buffer);
const li = (register: number, value: number): number => (value << 20 | register << 7 | 0x13) >>> 0;
const A0 = 10, A1 = 11, A6 = 16, A7 = 17, ECALL = 0x73, LOOP = 0x6f;

/** M-mode code that prints "go\n" on the serial port (t0) and goes on. */
const machineMode = (...code: number[]): Uint8Array =>
  words(0x1000_02b7, ...[..."go\n"].flatMap((c) => [li(6, c.charCodeAt(0)), 0x62_8023]), ...code, LOOP); // lui t0, 0x10000; sb t1, 0(t0)

/** Writes a word to the finisher at 0x10_0000. */
const finish = (word: number): Uint8Array => {
  const low = (word << 20) >> 20;
  return machineMode(0x10_02b7, ((word - low) & 0xffff_f000 | 0x337) >>> 0, (low << 20 | 0x3_0313) >>> 0, 0x62_a023);
};

/** S-mode code that prints "go\n" by the SBI and goes on. */
const supervisor = (...code: number[]): Uint8Array =>
  words(li(A7, 1), ...[..."go\n"].flatMap((c) => [li(A0, c.charCodeAt(0)), ECALL]), ...code, ECALL, LOOP);
/** SRST: a call with a type and a reason. */
const systemReset = (type: number, reason: number) => supervisor(0x5352_58b7, 0x3548_8893, li(A6, 0), li(A0, type), li(A1, reason)); // lui a7, 0x53525; addi a7, a7, 0x354

/** A boot sector that fills the next sector with itself (INT 13h), prints "go\n" on COM1 and goes on. */
function sector(...code: number[]): Uint8Array {
  const image = new Uint8Array(4096);
  image.set([0x31, 0xdb, 0x8e, 0xc3, 0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c, 0xb9, 0x02, 0x00, 0xba, 0x80, 0x00, 0xcd, 0x13]);
  image.set([0xba, 0xfa, 0x03, 0xb0, 0x01, 0xee, 0xba, 0xf8, 0x03, 0xb0, 0x67, 0xee, 0xb0, 0x6f, 0xee, 0xb0, 0x0a, 0xee], 18);
  image.set([...code, 0xeb, 0xfe], 36);
  image.set([0x55, 0xaa], 510);
  return image;
}
const debugExit = (value: number) => sector(0xb0, value, 0xe6, 0xf4); // mov al, value; out 0xf4, al
const RESET_STOPS = { "boot.reset": "stop" };

type Settings = Readonly<Record<string, string>>;
interface Row {
  /** What the guest does. */
  readonly stop: string;
  readonly kernel: Uint8Array;
  /** Statuses: of a plain run; of `--expect` in vain; of a script that waits for something else. */
  readonly status: readonly [plain: number, expect: number, script: number];
  /** How the end is described. */
  readonly says: RegExp;
  readonly set?: Settings;
}
interface Files {
  readonly args: string[];
  readonly machine: string;
  readonly kernel: string;
  readonly set: Settings;
  written(): void;
}
const BARE = { "firmware.sbi": "none" };

// deno-fmt-ignore
const STOPS: readonly Row[] = [
  { stop: "finisher, pass",              kernel: finish(0x5555),         status: [0, 1, 1],  says: /^exit with code 0 \(pass\)$/, set: BARE },
  { stop: "finisher, fail",              kernel: finish(0x3333),         status: [1, 1, 1],  says: /^exit with code 0 \(fail\)$/, set: BARE },
  { stop: "finisher, fail 42",           kernel: finish(0x2a_3333),      status: [42, 1, 1], says: /^exit with code 42 \(fail\)$/, set: BARE },
  { stop: "finisher, fail 255",          kernel: finish(0xff_3333),      status: [255, 1, 1], says: /^exit with code 255 \(fail\)$/, set: BARE },
  { stop: "finisher, fail 256",          kernel: finish(0x100_3333),     status: [1, 1, 1],  says: /^exit with code 256 \(fail\)$/, set: BARE },
  { stop: "finisher, fail 298",          kernel: finish(0x12a_3333),     status: [42, 1, 1], says: /^exit with code 298 \(fail\)$/, set: BARE },
  { stop: "finisher, reset",             kernel: finish(0x7777),         status: [0, 1, 1],  says: /^the guest asked for a reset$/, set: { ...BARE, ...RESET_STOPS } },
  { stop: "SBI, legacy shutdown",        kernel: supervisor(li(A7, 8)),  status: [0, 1, 1],  says: /^exit with code 0 \(pass\)$/ },
  { stop: "SBI, shutdown",               kernel: systemReset(0, 0),      status: [0, 1, 1],  says: /^exit with code 0 \(pass\)$/ },
  { stop: "SBI, shutdown after failure", kernel: systemReset(0, 1),      status: [1, 1, 1],  says: /^exit with code 1 \(fail\)$/ },
  { stop: "SBI, cold reboot",            kernel: systemReset(1, 0),      status: [0, 1, 1],  says: /^the guest asked for a reset$/, set: RESET_STOPS },
  { stop: "SBI, warm reboot",            kernel: systemReset(2, 0),      status: [0, 1, 1],  says: /^the guest asked for a reset$/, set: RESET_STOPS },
  { stop: "wfi for ever",                kernel: machineMode(0x1050_0073), status: [3, 1, 3], says: /^dead halt at 0x[0-9a-f]+: every hart waits/, set: BARE },
  { stop: "unhandled trap",              kernel: machineMode(0),         status: [3, 1, 3],  says: /^unhandled trap at 0x0$/, set: BARE },
  { stop: "debug exit 16",               kernel: debugExit(16),          status: [33, 1, 1], says: /^exit with code 33 \(pass\)$/ },
  { stop: "debug exit 17",               kernel: debugExit(17),          status: [35, 1, 1], says: /^exit with code 35 \(fail\)$/ },
  { stop: "debug exit 0",                kernel: debugExit(0),           status: [1, 1, 1],  says: /^exit with code 1$/ },
  { stop: "debug exit 128",              kernel: debugExit(128),         status: [1, 1, 1],  says: /^exit with code 257$/ },
  { stop: "debug exit, told to pass",    kernel: debugExit(32),          status: [65, 1, 1], says: /^exit with code 65 \(pass\)$/, set: { "device.debugexit.verdict.pass": "32" } },
  { stop: "debug exit, told to fail",    kernel: debugExit(128),         status: [1, 1, 1],  says: /^exit with code 257 \(fail\)$/, set: { "device.debugexit.verdict.fail": "128" } },
  { stop: "ACPI power-off",              kernel: sector(0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef), status: [0, 1, 1], says: /^exit with code 0$/ },
  { stop: "APM power-off",               kernel: sector(0xb8, 0x07, 0x53, 0xbb, 0x01, 0x00, 0xb9, 0x03, 0x00, 0xcd, 0x15), status: [0, 1, 1], says: /^exit with code 0 \(pass\)$/ },
  { stop: "keyboard controller's reset", kernel: sector(0xb0, 0xfe, 0xe6, 0x64), status: [0, 1, 1], says: /^the guest asked for a reset$/, set: RESET_STOPS },
  { stop: "reset port 0xcf9",            kernel: sector(0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee), status: [0, 1, 1], says: /^the guest asked for a reset$/, set: RESET_STOPS },
  { stop: "triple fault",                kernel: sector(0x0f, 0x01, 0x1e, 0x00, 0x0e, 0xcc), status: [3, 1, 3], says: /^triple fault at 0x/ },
  { stop: "triple fault that resets",    kernel: sector(0x0f, 0x01, 0x1e, 0x00, 0x0e, 0xcc), status: [0, 1, 1], says: /^the guest asked for a reset$/, set: { ...RESET_STOPS, "cpu.triple_fault": "reset" } },
  { stop: "hlt for ever",                kernel: sector(0xfa, 0xf4),     status: [3, 1, 3],  says: /^dead halt at 0x[0-9a-f]+: every hart waits/ },
];

/** Writes the kernel anew; a machine and a command line for it; `written`: asserts that its disk has got the sector. */
function files(row: Pick<Row, "kernel" | "set">, name = "kernel"): Files {
  const onDisk = row.kernel[510] === 0x55, kernel = `${scratch}/${name}${onDisk ? ".img" : ".bin"}`, machine = onDisk ? PC : VIRT;
  Deno.writeFileSync(kernel, row.kernel);
  const set: Settings = { ...row.set, ...onDisk ? { "device.ide.disk0.overlay": "false" } : {} };
  const args = [machine, kernel, ...Object.entries(set).flatMap(([key, value]) => ["--set", `${key}=${value}`])];
  const written = () => {
    if (onDisk) {
      assert(Deno.readFileSync(kernel).subarray(512, 1024).every((b, i) => b === row.kernel[i]), `${kernel} has not got the sector`);
    }
  };
  return { args, machine, kernel, set, written };
}

/** A script for --scenario: `mod.ts`'s `scenario` would make a test of it, here in the midst of one. */
function script(name: string, body: string, options = "{}"): string {
  const path = `${scratch}/${name}.ts`;
  Deno.writeTextFileSync(path, `export default { name: "x", machine: "virt", options: ${options}, run: async (m) => { ${body} } };`);
  return path;
}
const WAITS = script("waits", `await m.serial.toPrint("never");`);
const ENDS = script("ends", `await m.stopped();`);

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)!;

/** Ways of running, each with what a row leads to. */
const WAYS: readonly { args: string[]; prints?: string; ends(row: Row): [status: number, lastLine: RegExp] }[] = [
  // An exit needs no words; a reset is told of, and of a death where it was.
  { args: [], ends: plainly },
  { args: ["--fail", "never", "--timeout", "1s"], ends: plainly },
  { args: ["--expect", "never"], ends: ({ status }) => [status[1], /^bringup: the run ended \((.*)\) before it printed \/never\/m$/] },
  { args: ["--expect", "^go$"], prints: "go", ends: () => [0, /^$/] },
  { args: ["--fail", "^go$"], ends: () => [1, /^bringup: cpu0 at 0x[0-9a-f]+/] },
  { args: ["--scenario", WAITS], ends: ({ status }) => [status[2], /^ {2}replay: deno run -A mod\.ts/] },
  { args: ["--scenario", ENDS], ends: () => [0, /^$/] },
];
function plainly({ status, says }: Row): [number, RegExp] {
  return [status[0], status[0] === 3 ? /^bringup: cpu0 at 0x[0-9a-f]+/ : says.source.startsWith("^exit") ? /^$/ : /^bringup: (.*)$/];
}

for (const row of STOPS) {
  Deno.test(`${row.stop}: by every way of running`, async () => {
    for (const { args, prints = "go\n", ends } of WAYS) {
      const run = files(row),
        [status, last] = ends(row),
        ran = await runHere([...run.args, ...args]),
        told = `${args.join(" ")}: ${ran.stderr}`;
      assertEquals([ran.code, ran.stdout], [status, prints], told);
      assertMatch(lastLine(ran.stderr), last, told);
      const said = last.exec(lastLine(ran.stderr))![1];
      if (said !== undefined) assertMatch(said, row.says, told);
      run.written();
    }
    const failed = await runHere([...files(row).args, "--scenario", WAITS]);
    assertMatch(failed.stderr, new RegExp(`^bringup: UnexpectedStop: The machine stopped \\(${row.says.source.replace(/^\^|\$$/g, "")}`));
  });
}

const SPIN = { "riscv": { kernel: machineMode(), set: BARE }, "x86": { kernel: sector() } };
const options = (text: string) => script(`options${text.length}${text.replace(/\W+/g, "_")}`, `await m.serial.toPrint("never");`, text);
const body = (text: string) => script(`body${text.replace(/\W+/g, "_")}`, text);
const PLACE = /^bringup: cpu0 at 0x[0-9a-f]+/, REPLAY = /^ {2}replay: deno run -A mod\.ts/, NOTHING = /^$/;

/** What ends the run of a guest that would go on for ever: with the status, and the first and the last line of the report. */
// deno-fmt-ignore
const ENDS_OUTSIDE: readonly [what: string, args: string[], status: number, first: RegExp, last: RegExp][] = [
  ["a limit of guest time", ["--timeout", "1ms"], 4, /^bringup: time-out: 1\.000 ms of guest time passed before the machine stopped$/, PLACE],
  ["the same, with something to be printed", ["--timeout", "1ms", "--expect", "never"], 4, /time passed before it printed \/never\/m$/, PLACE],
  ["the same, with something forbidden", ["--timeout", "1ms", "--fail", "never"], 4, /time passed before the machine stopped$/, PLACE],
  ["a limit in front of which it is printed", ["--timeout", "1ms", "--expect", "go"], 0, NOTHING, NOTHING],
  ["a limit in front of which the forbidden is printed", ["--timeout", "1ms", "--fail", "go"], 1, /printed \/go\/m \(failOn\) while waiting for the machine to stop$/, PLACE],
  ["the forbidden in front of the expected", ["--expect", "never", "--fail", "go"], 1, /printed \/go\/m \(failOn\) while waiting for the machine to stop$/, PLACE],
  ["all that is expected", ["--expect", "g", "--expect", "o"], 0, NOTHING, NOTHING],
  ["a script's budget of guest time", ["--scenario", options(`{ budget: { guest: "1ms" } }`)], 4, /^bringup: ScenarioTimeout: Waited 1ms of guest time in vain/, REPLAY],
  ["the command line's limit of a script", ["--scenario", WAITS, "--timeout", "1ms"], 4, /^bringup: ScenarioTimeout: Waited 1ms of guest time in vain/, REPLAY],
  ["a script's budget of wall time", ["--scenario", options(`{ budget: { wall: "20ms", guest: "none" } }`)], 1, /^bringup: WallClockTimeout: Waited 0 s of wall-clock time in vain/, REPLAY],
  ["a wait's limit", ["--scenario", body(`await m.serial.toPrint("never", { within: "1ms" });`)], 4, /^bringup: ScenarioTimeout: Waited 1ms/, REPLAY],
  ["what a script forbids", ["--scenario", options(`{ failOn: [/go/] }`)], 1, /^bringup: FailPatternSeen: \w+ printed \/go\/ \(failOn\)/, REPLAY],
  ["what the command line forbids a script", ["--scenario", WAITS, "--fail", "go"], 1, /^bringup: FailPatternSeen: \w+ printed \/go\/m \(failOn\)/, REPLAY],
  ["a script that throws", ["--scenario", body(`await m.serial.toPrint("go\\n"); throw new TypeError("my own");`)], 1, /^TypeError: my own$/, /^ {4}at /],
  ["a script that throws no error", ["--scenario", body(`await m.serial.toPrint("go\\n"); throw "my own";`)], 1, /^my own$/, /^my own$/],
  ["a script that forgets to await", ["--scenario", body(`await m.serial.toPrint("go\\n"); m.serial.toPrint("never");`)], 1, /print "never": is an `await` missing there\?$/, /^ {4}at /],
  ["a script's budget of instructions", ["--scenario", body(`const { kind } = await m.run({ instructions: 1e6 }); if (kind !== "budget") throw kind;`)], 0, NOTHING, NOTHING],
  ["a script's run for a time", ["--scenario", body(`const { kind } = await m.run({ for: "1ms" }); if (kind !== "budget") throw kind;`)], 0, NOTHING, NOTHING],
];

for (const [what, args, status, first, last] of ENDS_OUTSIDE) {
  Deno.test(`${what} ends the run of a guest that goes on`, async () => {
    for (const guest of Object.values(SPIN)) {
      const run = files(guest), { code, stderr } = await runHere([...run.args, ...args]);
      assertEquals(code, status, stderr);
      assertMatch(stderr.split("\n")[0], first);
      assertMatch(lastLine(stderr), last);
      run.written();
    }
  });
}

Deno.test("the end of stdin ends a guest that only input can wake; what was in it comes first", async () => {
  for (const guest of ["riscv uart", "x86 keyboard"]) {
    const { machine, kernel, set } = guestFile(guest),
      args = [machine, kernel, ...Object.entries(set).flatMap(([k, v]) => ["--set", `${k}=${v}`])];
    const exit = guest === "riscv uart" ? 0 : 33;
    for (
      const [input, more, status, last] of [["", [], 3, PLACE], ["", ["--timeout", "1h"], 3, PLACE], ["x", [], exit, NOTHING]] as const
    ) {
      // The keyboard is typed on in terminals only: by a pipe nothing comes.
      const ran = await runHere([...args, ...more], input);
      assertEquals(ran.code, status, `${guest} ${input}: ${ran.stderr}`);
      assertMatch(lastLine(ran.stderr), last);
    }
  }
});

Deno.test('a limit of guest time takes as long by the host\'s clock where clock.mode is "wall"', async () => {
  for (const guest of ["riscv far_alarm", "x86 far_alarm"]) {
    const { machine, kernel, set } = guestFile(guest),
      args = [machine, kernel, ...Object.entries(set).flatMap(([k, v]) => ["--set", `${k}=${v}`])];
    for (const [mode, least, most] of [["wall", 300, 5000], ["virtual", 0, 5000]] as const) {
      const from = performance.now(), ran = await runHere([...args, "--set", `clock.mode=${mode}`, "--timeout", "300ms"]);
      const ms = performance.now() - from;
      assertEquals(ran.code, 4, ran.stderr);
      assertMatch(ran.stderr, /^bringup: time-out: 300\.000 ms of guest time passed before the machine stopped\n/);
      assert(ms >= least && ms < most, `${guest}, ${mode}: ${ms} ms`);
    }
  }
});

Deno.test("who reads the output has gone, or it takes no more", async () => {
  for (const guest of Object.values(SPIN)) {
    for (
      const [error, status, said] of [[new Deno.errors.BrokenPipe("gone"), 141, ""], [
        new Error("No space left on device (os error 28)"),
        1,
        "bringup: standard output: No space left on device\n",
      ]] as const
    ) {
      const run = files(guest), ran = await runHere(run.args, "", error);
      assertEquals([ran.code, ran.stdout, ran.stderr], [status, "", said]);
      run.written();
    }
  }
});

Deno.test("nothing is started of what is wrong, by every way of running", async () => {
  const bad = `${scratch}/bad.toml`;
  Deno.writeTextFileSync(bad, 'schema = 1\n[cpu]\narch = "z80"\n');
  for (const guest of Object.values(SPIN)) {
    for (const { args } of WAYS) {
      const { machine, kernel } = files(guest);
      for (
        const [what, said] of [[[bad, kernel], /^bringup: .*bad\.toml:3: cpu\.arch: [^\n]*"z80"\n$/], [
          [machine, "no.elf"],
          /^bringup: no\.elf: no such file[^\n]*\n$/,
        ]] as const
      ) {
        const ran = await runHere([...what, ...args]);
        assertEquals([ran.code, ran.stdout], [2, ""]);
        assertMatch(ran.stderr, said);
      }
    }
  }
});

/** Starts a command line as a process and sends it a signal once its guest has printed. */
async function signalled(args: readonly string[], signal: Deno.Signal): Promise<{ code: number; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), { args: cliArgs(args), cwd: ROOT, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const out = child.stdout.getReader();
  await out.read();
  child.kill(signal);
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  await child.stdin.close().catch(() => {});
  await out.cancel();
  return { code, stderr };
}

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`${signal} ends a run, however it runs`, async () => {
    const project = Deno.makeTempDirSync({ dir: scratch });
    Deno.writeTextFileSync(`${project}/deno.json`, "{}");
    Deno.copyFileSync(WAITS, `${project}/waits.ts`);
    const ways = [[], ["--expect", "never"], ["--fail", "never", "--timeout", "1h"], ["--scenario", WAITS], [
      "--scenario",
      `${project}/waits.ts`,
    ]];
    await Promise.all(ways.map(async (args, i) => {
      const run = files(SPIN.x86, `${signal}${i}`), ran = await signalled([...run.args, ...args], signal);
      assertEquals([ran.code, ran.stderr.trim()], [status, ""], args.join(" "));
      run.written();
    }));
  });
}

Deno.test("a signal to `test` ends the scripts that it started", async () => {
  const path = `${scratch}/endless_test.ts`, pid = `${scratch}/pid`, { machine, kernel, set } = files(SPIN.riscv, "endless");
  Deno.writeTextFileSync(
    path,
    `import { scenario } from "${ROOT}mod.ts";
scenario({ name: "endless", ...${JSON.stringify({ machine, kernel, set })}, budget: { guest: "none" } }, async (m) => {
  await m.serial.toPrint("go");
  Deno.writeTextFileSync(${JSON.stringify(pid)}, String(Deno.pid));
  await m.serial.toPrint("never");
});\n`,
  );
  const child = new Deno.Command(Deno.execPath(), { args: cliArgs(["test", path]), stdout: "null", stderr: "null" }).spawn();
  while (!existsSync(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  const started = Number(Deno.readTextFileSync(pid));
  // Whatever the signal does, neither outlives this test.
  const limit = setTimeout(() => [child.pid, started].forEach((p) => existsSync(`/proc/${p}`) && Deno.kill(p, "SIGKILL")), 60_000);
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  for (let i = 0; i < 100 && existsSync(`/proc/${started}`); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(existsSync(`/proc/${started}`), false);
  clearTimeout(limit);
});

Deno.test("`test` and `deno test`: a script passes that nothing contradicts, and disks have what the guest wrote", async () => {
  const written: (() => void)[] = [], passes = new Map<string, boolean>(), path = `${scratch}/stops_scripts_test.ts`;
  let text = `import { scenario } from "${ROOT}mod.ts";\n`;
  const add = (name: string, passed: boolean, run: string, guest: Pick<Row, "kernel" | "set">, more: object | string = {}) => {
    const { machine, kernel, set, written: check } = files(guest, `script${passes.size}`);
    passes.set(name, passed);
    const rest = typeof more === "string" ? more : JSON.stringify(more).slice(1, -1);
    text += `scenario({ ...${JSON.stringify({ name, machine, kernel, set })}, ${rest} }, async (m) => { ${run} });\n`;
    if (!text.includes("no.elf")) written.push(check);
  };
  for (const row of STOPS) {
    add(`${row.stop}, in vain`, false, `await m.serial.toPrint("never");`, row);
    add(`${row.stop}, awaited`, true, `await m.stopped();`, row);
  }
  for (const [arch, guest] of Object.entries(SPIN)) {
    add(`${arch}, printed`, true, `await m.serial.toPrint("go\\n");`, guest);
    add(`${arch}, too late`, false, `await m.serial.toPrint("never");`, guest, { budget: { guest: "1ms" } });
    add(`${arch}, too slow`, false, `await m.serial.toPrint("never");`, guest, { budget: { guest: "none", wall: "20ms" } });
    add(`${arch}, throws`, false, `await m.serial.toPrint("go\\n"); throw new Error("my own");`, guest);
    add(`${arch}, forbidden`, false, `await m.serial.toPrint("never");`, guest, `failOn: [/go/]`);
    add(`${arch}, forgotten`, false, `await m.serial.toPrint("go\\n"); m.serial.toPrint("never");`, guest);
    add(`${arch}, budget`, true, `if ((await m.run({ instructions: 1e6 })).kind !== "budget") throw 1;`, guest);
  }
  for (const [arch, guest] of Object.entries(SPIN)) add(`${arch}, no kernel`, false, "", guest, { kernel: "no.elf" });
  add("no machine", false, "", SPIN.x86, { machine: "no.toml" });
  Deno.writeTextFileSync(path, text);
  for (
    const [args, filter] of [[["test", "-A", "--no-check", path], ""], [cliArgs(["test", path, "--filter", "riscv,"]), "riscv,"]] as const
  ) {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args: [...args], cwd: scratch, env: { NO_COLOR: "1" } }).output();
    const lines = new TextDecoder().decode(stdout).matchAll(/^(.*) \.\.\. (ok|FAILED) \(/gm);
    const found = new Map([...lines].map(([, name, how]) => [name, how === "ok"]));
    assertEquals([code, found], [1, new Map([...passes].filter(([name]) => name.includes(filter)))], args.join(" "));
    for (const check of written) check();
  }
});

Deno.test("README and --help tell of every status that was met above, and of no other", () => {
  const readme = Deno.readTextFileSync(`${ROOT}README.md`), table = /^\| exit status .*\n\|.*\n((?:\|.*\n)+)/m.exec(readme)![1];
  const told = new Map([...table.matchAll(/^\| (\S.*?) +\| (.*?) +\|$/gm)].map(([, status, what]) => [status, what]));
  /** What each row has to name. */
  const named: Readonly<Record<string, RegExp[]>> = {
    "the guest's own": [/test device/, /SBI/, /debug exit/, /never 0 but 1/],
    "0": [/shutdown/, /reset/, /--expect/],
    "1": [/scenario/, /--expect/, /--fail/],
    "2": [/command line/, /machine file/, /image/, /nothing was started/],
    "3": [/nothing can wake/, /trap/, /triple fault/],
    "4": [/time-out/],
    "129, 130, 143": [/SIGHUP/, /SIGINT/, /SIGTERM/],
    "141": [/standard output/],
  };
  assertEquals([...told.keys()].sort(), Object.keys(named).sort());
  for (const [status, words] of Object.entries(named)) for (const word of words) assertMatch(told.get(status)!, word);
  const helped = [...EXIT_STATUS.matchAll(/^ {2}(\d[\d, ]*?) {2}/gm)].map(([, status]) => status);
  assertEquals(helped.sort(), Object.keys(named).filter((status) => /^\d/.test(status)).sort());
  // Those of the tables without a code of the guest's.
  const own = STOPS.filter(({ says }) => !says.source.startsWith("^exit")).flatMap(({ status }) => status);
  const met = new Set([...own, ...ENDS_OUTSIDE.map(([, , status]) => status), 2]);
  assertEquals([...met].sort(), [0, 1, 2, 3, 4]);
});
