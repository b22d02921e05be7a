// How a run of the command line ends: nothing happens behind its end, and what is in the way of its output or its terminal is told in one line.
import { assertEquals, assertMatch } from "@std/assert";
import { boot } from "../src/scenario/boot.ts";
import { cliArgs, installed, ROOT } from "./cli.ts";

const VIRT = "machines/virt.toml", HELLO = "tests/guests/bin/hello.rv64.elf";
const scratch = Deno.makeTempDirSync({ prefix: "bringup-ends-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

Deno.test("a run ends with the instruction that printed what is expected, however long the statistics take to load", async () => {
  await using m = await boot(VIRT, { kernel: HELLO });
  await m.serial.toPrint(/line 1/);
  const script = `${scratch}/ends_test.ts`;
  Deno.writeTextFileSync(
    script,
    `import { scenario } from "${ROOT}mod.ts";
    export default scenario({ name: "x", machine: "${ROOT}${VIRT}", kernel: "${ROOT}${HELLO}" }, async (m) => {
      await Promise.race([m.stopped().catch(() => {}), m.serial.toPrint(/line 1/)]);
    });`,
  );
  const wanted = [m.machine.clock.ticks, m.machine.digest()];
  const ends: [string[], Record<string, string>][] = [
    [["--expect", "line 1"], {}],
    // Nothing is compiled yet there: loading takes as long as it can.
    [["--expect", "line 1"], { DENO_DIR: scratch }],
    [["--scenario", script], {}],
    [["--scenario", script], { DENO_DIR: scratch + "/2" }],
  ];
  for (const [how, env] of ends) {
    const args = cliArgs([VIRT, HELLO, ...how, "--stats"]);
    const { stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, env, stdin: "null", stdout: "null", stderr: "piped" })
      .output();
    const text = new TextDecoder().decode(stderr), value = (name: string) => new RegExp(`${name} +([0-9a-f]+)`).exec(text)?.[1];
    assertEquals([Number(value("ticks")), value("digest")], wanted, `${how} ${text}`);
  }
});

/** What a shell command on a pty of its own shows; job control as a terminal's shell has it. */
async function onTerminal(command: string): Promise<string> {
  const args = ["-qec", `bash -c ${JSON.stringify(command).replaceAll("$", "\\$")}`, "/dev/null"];
  const child = new Deno.Command("script", { args, cwd: ROOT, stdin: "piped", stdout: "piped" }).spawn();
  const kill = setTimeout(() => child.kill("SIGKILL"), 60_000);
  const { stdout } = await child.output();
  clearTimeout(kill);
  await child.stdin.close().catch(() => {});
  return new TextDecoder().decode(stdout);
}
const hello = [Deno.execPath(), ...cliArgs([VIRT, HELLO])].join(" ");

Deno.test({
  name: "another job's terminal is left alone: behind `&`, under `timeout`, with and without something expected",
  ignore: !installed("script") || !installed("timeout"),
  fn: async () => {
    for (
      const command of [
        `timeout 50 ${hello}; echo status $?`,
        `timeout 50 ${hello} --expect Hello; echo status $?`,
        `set -m; ${hello} & wait; echo status $?`,
      ]
    ) assertMatch(await onTerminal(command), /Hello[^]*status 0/, command);
  },
});
