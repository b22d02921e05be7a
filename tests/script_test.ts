// Where scripts live and what they may import: in folders of their own, with and without an import map, by `test`, `--scenario`, `deno test` and
// an installed command.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cliArgs, type Ran, ROOT } from "./cli.ts";

const API = `${ROOT}mod.ts`, VIRT = "machines/virt.toml";
const guest = (name: string) => `${ROOT}tests/guests/bin/${name}.rv64.elf`;

/** A new folder with these files. */
function folder(files: Readonly<Record<string, string>>): string {
  const dir = Deno.makeTempDirSync();
  for (const [name, text] of Object.entries(files)) {
    Deno.mkdirSync(`${dir}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${dir}/${name}`, text);
  }
  return dir;
}

async function ran(program: string, args: readonly string[], cwd: string): Promise<Ran> {
  const options: Deno.CommandOptions = {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", BRINGUP_FAILURES: "none" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  };
  const { code, stdout, stderr } = await new Deno.Command(program, options).output();
  const text = (b: Uint8Array) => new TextDecoder().decode(b);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
const deno = (args: readonly string[], cwd: string) => ran(Deno.execPath(), args, cwd);
const cli = (args: readonly string[], cwd: string) => deno(cliArgs(args), cwd);

/** A script about the echoing guest, which prints "type lines, exit ends" and "> ". */
const script = (body: string, { api = "bringup", options = "", imports = "" } = {}) =>
  `import { expect, scenario } from "${api}";
${imports}
export default scenario({ name: "a script", machine: "${VIRT}", kernel: "${guest("echo")}", ${options} }, async (m) => {
  ${body}
});
`;
const MAPPED = JSON.stringify({ imports: { bringup: API, "words/": "./words/" } });
const WORDS = { "words/prompt.ts": `export const PROMPT = "> ";`, "deno.json": MAPPED };

Deno.test("deno test runs a script that imports mod.ts by path: no import map, another one, types checked", async () => {
  const text = script(`await expect(m.serial).toPrint("> ");`, { api: API });
  const map = `{ "imports": { "@std/toml": "./nothing.ts", "fflate": "./nothing.ts" } }`;
  for (const [config, ...unchecked] of [[{}, "--no-check"], [{ "deno.json": map }]] as [Record<string, string>, string?][]) {
    const args = ["test", "-A", ...unchecked.map(String), "a_test.ts"];
    const { code, stdout, stderr } = await deno(args, folder({ "a_test.ts": text, ...config }));
    assertEquals(code, 0, stdout + stderr);
    assertStringIncludes(stdout, "1 passed");
  }
});

Deno.test("a script's mistake is told with its own line and nothing of this program", async () => {
  const wrong = script(`await m.run({ until: "mian" });`, { api: API }),
    missing = wrong.replace(/kernel: "[^"]*"/, 'kernel: "nothing.elf"');
  assert(missing !== wrong);
  const dir = folder({ "a_test.ts": wrong, "b_test.ts": missing });
  const { code, stdout, stderr } = await deno(["test", "-A", "--no-check", "a_test.ts", "b_test.ts"], dir), text = stdout + stderr;
  assertEquals(code, 1, text);
  const plain = text.split("\x1b[").map((part, i) => i ? part.slice(part.indexOf("m") + 1) : part).join("");
  const said = plain.split("\n").filter((l) => /ConfigError|throw|^ +at /.test(l) && !l.includes("ext:"));
  assertEquals(said.map((l) => l.trim().replace(/^at .*\/(\w+\.ts:\d+):\d+$/, "at $1")), [
    "error: ConfigError: no symbol 'mian' in the kernel's symbol table (did you mean 'main'?)",
    `at a_test.ts:${wrong.split("\n").findIndex((l) => l.includes("mian")) + 1}`,
    "error: ConfigError: nothing.elf: no such file",
  ]);
  const driven = await cli([VIRT, guest("echo"), "--scenario", "a_test.ts"], dir);
  assertMatch(driven.stderr, /^bringup: ConfigError: no symbol 'mian'[^\n]*\n +at [^\n]*a_test\.ts:\d+:\d+\n$/);
});

Deno.test("every package that src names is the one of deno.json", () => {
  const named = Object.values(JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).imports as Record<string, string>);
  const files = function* (dir: string): Generator<string> {
    for (const e of Deno.readDirSync(dir)) {
      if (e.isDirectory) yield* files(`${dir}/${e.name}`);
      else if (/(?<!_test)\.ts$/.test(e.name)) yield `${dir}/${e.name}`;
    }
  };
  const used = [...files(`${ROOT}src`)].flatMap((path) =>
    [...Deno.readTextFileSync(path).matchAll(/^(?:import|export|}).*(?:from|import) "([^."][^"]*)";$|import\("([^."][^"]*)"\)/gm)].map((
      m,
    ) => m[1] ?? m[2])
  );
  assertEquals(new Set(used.filter((u) => u.startsWith("npm:"))).size, 5);
  // What a program elsewhere imports has no import map of ours: a name of the map would not be found.
  for (const specifier of used) assert(specifier.startsWith("node:") || named.includes(specifier), specifier);
});

Deno.test("`test` and --scenario load a script with the import map of its own folder, wherever they are started", async () => {
  const imports = `import { PROMPT } from "words/prompt.ts";`;
  const dir = folder({ "deep/a.ts": script(`await expect(m.serial).toPrint(PROMPT);`, { imports }), ...WORDS });
  for (const [cwd, path] of [[dir, "deep/a.ts"], [ROOT, `${dir}/deep/a.ts`], [Deno.makeTempDirSync(), `${dir}/deep/a.ts`]]) {
    const tested = await cli(["test", path], cwd);
    assertEquals(tested.code, 0, tested.stdout + tested.stderr);
    const driven = await cli([VIRT, guest("echo"), "--scenario", path], cwd);
    assertEquals([driven.code, driven.stderr, driven.stdout], [0, "", "type lines, exit ends\n> "]);
  }
  // Scripts of two projects in one command.
  const other = folder({ "b.ts": script(`await expect(m.serial).toPrint("never", { within: "1ms" });`) });
  const both = await cli(["test", `${other}/b.ts`, `${dir}/deep/a.ts`], ROOT);
  assertEquals([both.code, both.stdout.match(/\d (passed|failed)/g)], [1, ["1 passed", "1 failed"]]);
  const unmapped = folder({ "c.ts": script(""), "deno.json": "{}" });
  const failed = await cli([VIRT, guest("echo"), "--scenario", `${unmapped}/c.ts`], ROOT);
  assertEquals([failed.code, failed.stderr.split("\n").length], [2, 2]);
  assertStringIncludes(failed.stderr, `${unmapped}/deno.json does not say what "bringup" is; add "bringup": "${API}" to its imports`);
});

Deno.test("--scenario honours what the script forbids and its budget; the command line adds and goes before", async () => {
  const waits = `await expect(m.serial).toPrint("never");`;
  const drive = (text: string, ...args: string[]) =>
    cli([VIRT, guest("echo"), "--scenario", `${folder({ "a.ts": text })}/a.ts`, ...args], ROOT);
  const forbidden = await drive(script(waits, { options: `failOn: [/exit e/]` }));
  assertEquals(forbidden.code, 1);
  assertMatch(
    forbidden.stderr,
    /^\n?bringup: FailPatternSeen: uart0 printed \/exit e\/ \(failOn\) while waiting for uart0 to print "never"\n/,
  );
  const late = await drive(script(waits, { options: `budget: { guest: "3ms" }` }));
  assertEquals([late.code, late.stderr.trim().split("\n")[0]], [
    4,
    `bringup: ScenarioTimeout: Waited 3ms of guest time in vain for uart0 to print "never"`,
  ]);
  const limited = await drive(script(waits, { options: `budget: { guest: "3ms" }` }), "--timeout", "2ms");
  assertStringIncludes(limited.stderr, "Waited 2ms of guest time");
  const both = await drive(script(waits, { options: `failOn: [/nothing/]` }), "--fail", "type l");
  assertEquals(both.code, 1);
  assertStringIncludes(both.stderr, "printed /type l/m (failOn)");
  const unlimited = await drive(script(waits));
  assertStringIncludes(unlimited.stderr, "Waited 60s of guest time", "as under `test`");
});

/** What makes a wait fail. */
const FAILURES: readonly (readonly [error: string, kernel: string, options: string, body: string])[] = [
  ["ScenarioTimeout", "echo", "", `await expect(m.serial).toPrint("never", { within: "1ms" });`],
  ["WallClockTimeout", "echo", `budget: { wall: "1ms" }`, `await expect(m.serial).toPrint("never");`],
  ["FailPatternSeen", "echo", "failOn: [/exit e/]", `await expect(m.serial).toPrint("never");`],
  ["UnexpectedStop", "hello", "", `await expect(m.serial).toPrint("never");`],
  ["UnexpectedStop", "hello", "", `await m.stopped(); await m.run({ until: "main" });`],
];
Deno.test("a failure tells the processor's callers, also the first one of a process: what reads them is loaded for it", async () => {
  for (const [error, kernel, options, body] of FAILURES) {
    // Each in a process of its own: it is the first there.
    const text = `import { boot, expect } from "${API}";
const m = await boot("${ROOT}${VIRT}", { kernel: "${guest(kernel)}", ${options} });
try {
  ${body}
} catch (e) {
  console.log(e.name + ": " + e.message);
}
await m[Symbol.asyncDispose]();
`;
    const { stdout, stderr } = await deno(["run", "-A", "--no-check", "a.ts"], folder({ "a.ts": text }));
    assertStringIncludes(stdout, `${error}: `, stderr);
    assertMatch(stdout, /\n {2}cpu0: pc 0x.*\n( {4}.*\n)* {4}by 0x\w+ _start/, body);
  }
});

Deno.test("the installed command runs machines, and scripts with and without a project", async () => {
  const root = Deno.makeTempDirSync(), made = await deno(["install", "-g", "-A", "--root", root, "--name", "bringup", API], root);
  assertEquals(made.code, 0, made.stderr);
  const command = [...Deno.readDirSync(root)].some((e) => e.name === "bringup") ? `${root}/bringup` : `${root}/bin/bringup`;
  const plain = await ran(command, [VIRT, guest("hello")], root);
  assertEquals([plain.code, plain.stderr], [0, ""]);
  const text = script(`await expect(m.serial).toPrint("> ");`);
  for (const dir of [folder({ "a.ts": text }), folder({ "a.ts": text, ...WORDS })]) {
    const driven = await ran(command, [VIRT, guest("echo"), "--scenario", "a.ts"], dir);
    assertEquals([driven.code, driven.stderr], [0, ""]);
    const tested = await ran(command, ["test", "a.ts"], dir);
    assertEquals(tested.code, 0, tested.stdout + tested.stderr);
  }
});

Deno.test("a forgotten await fails its own test and names its line; what else the test says comes first", async () => {
  const test = (name: string, body: string) =>
    `Deno.test("${name}", async () => { await using m = await boot("${VIRT}", { kernel: "${guest("echo")}" });\n${body}\n});\n`;
  const text = [
    `import { boot, expect } from "bringup";\n`,
    test("pending", `expect(m.serial).toPrint("never one"); // line 3`),
    test("failed", `\n\nexpect(m.serial).toPrint("never two", { within: "1us" }); // line 8\nawait m.run({ for: "1ms" });`),
    test("its own", `expect(m.serial).toPrint("never three");\nthrow new Error("my own");`),
    test("satisfied", `await expect(m.serial).toPrint("> "); m.serial.send("hello\\r"); await expect(m.serial).toPrint("5 bytes");`),
    test(
      "awaited late",
      `await expect(m.serial).toPrint("> "); const typed = m.serial.toPrint("5 bytes"); await m.serial.send("hello\\r"); await typed;`,
    ),
  ].join("");
  const dir = folder({ "a_test.ts": text, "b.ts": script(`expect(m.serial).toPrint("never");`), "deno.json": MAPPED });
  const { code, stdout } = await deno(["test", "-A", "--no-check", "a_test.ts"], dir);
  assertEquals([code, stdout.match(/\d (passed|failed)/g)], [1, ["2 passed", "3 failed"]], stdout);
  assertMatch(stdout, /"never one": is an `await` missing there\?\n +at \S+a_test\.ts:3:/);
  assertMatch(stdout, /Waited 1us of guest time in vain for uart0 to print "never two"\n[^]*?\n +at \S+a_test\.ts:8:/);
  assertStringIncludes(stdout, "error: Error: my own");
  assert(!stdout.includes("never three") && !stdout.includes("uncaught"), stdout);
  const driven = await cli([VIRT, guest("echo"), "--scenario", "b.ts"], dir);
  assertEquals(driven.code, 1);
  assertMatch(driven.stderr, /"never": is an `await` missing there\?\n +at \S+b\.ts:4:/);
});
