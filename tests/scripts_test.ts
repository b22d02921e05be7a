// Every example script is a test, here under plain `deno test`. At the end `bringup test` runs them again, one after another and side by side: all
// machines have to end in the same state.
import { assert, assertEquals } from "@std/assert";
import { sessionEnds } from "../src/scenario/session.ts";
import { cliArgs, ROOT } from "./cli.ts";
import type { Summary } from "../src/cli/runner/results.ts";
import "../scripts/faults.scenario.ts";
import "../scripts/hello.scenario.ts";
import "../scripts/linux.scenario.ts";
import "../scripts/page_tables.scenario.ts";
import "../scripts/panic.scenario.ts";
import "../scripts/shell.scenario.ts";
import "../scripts/stack_overflow.scenario.ts";
import "../scripts/timer.scenario.ts";
import "../scripts/typing.scenario.ts";

/** Digests of machines at the end of their scripts, in order; Linux, which takes longest, is run once only. */
const digests: string[] = [];
sessionEnds.seen = ({ machine, options }) => {
  if (!options.replay?.includes("linux")) digests.push(machine.digest());
};

Deno.test("one after another and side by side, the scripts' machines end in the states that they have under `deno test`", async () => {
  const run = async (jobs: number) => {
    const args = ["test", "scripts", "--digests", "--reporter", "json", "--jobs", String(jobs), "--filter", "/^(?!Debian's Linux)/"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: cliArgs(args), cwd: ROOT }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
    const { results } = JSON.parse(new TextDecoder().decode(stdout)) as Summary;
    return results.flatMap((r) => r.attempts.flatMap((a) => a.machines!.map((m) => m.digest)));
  };
  const [serial, parallel] = [await run(1), await run(2)];
  assert(serial.length >= 15, `${serial.length} machines`);
  assertEquals([serial, parallel], [digests, digests]);
});
