// The manifests for CI systems and batch engines: what they run is a command line that bringup takes, and gives each machine another part.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "yaml";
import { parseCommandLine } from "../src/cli/options.ts";
import { planOf } from "../src/cli/runner/mod.ts";
import { ROOT } from "./cli.ts";

// deno-lint-ignore no-explicit-any
type Any = any;
const read = (name: string) => Deno.readTextFileSync(`${ROOT}examples/${name}`);

/** The command lines of bringup in a shell text, with what the engine and the shell put in. */
const commands = (text: string, variables: Readonly<Record<string, string>>) =>
  text.split("\n").flatMap((line) => /(?:deno run -A bringup\/mod\.ts|exec bringup) (.*)$/.exec(line)?.[1] ?? []).map((args) => {
    const filled = args.replace(/\$\{\{ *([\w.-]+) *\}\}|\$(\w+|@)/g, (_, expression, name) => variables[expression ?? name] ?? "?")
      .replaceAll('"', "");
    assert(!filled.includes("?"), `${args}: nothing says what is in it`);
    return parseCommandLine(filled.split(" ").filter(Boolean));
  });

/** What machine `index` (from 0) of four runs, by the variables that it has: its part, and files that no other one writes. */
function checkParts(script: string, variables: (index: number) => Readonly<Record<string, string>>): void {
  const files = new Set<string>();
  for (let index = 0; index < 4; index++) {
    const env = variables(index), [line, ...more] = commands(script, env);
    assertEquals([line.command, more.length, planOf(line.values, env).shard], ["test", 0, { index: index + 1, total: 4 }]);
    for (const file of [line.values.junit, ...line.values.reporter as string[]].filter((f) => String(f).includes("/"))) {
      files.add(String(file));
    }
  }
  assertEquals(files.size, 8);
}
const merges = (script: string) => commands(script, {}).map(({ command, positional }) => [command, ...positional]);

Deno.test("GitHub Actions: a matrix of four, whose index and number are given, and a report of all", () => {
  const { on, jobs } = parse(read("github-actions.yml")) as Any, { test, report } = jobs;
  assertEquals([on, Object.keys(jobs), test.strategy.matrix.part.length], [["push", "pull_request"], ["test", "report"], 4]);
  const step = test.steps.find((s: Any) => s.run);
  checkParts(step.run, (index) => {
    const strategy: Record<string, string> = {
      "strategy.job-index": String(index),
      "strategy.job-total": String(test.strategy.matrix.part.length),
    };
    const env = Object.entries(step.env).map(([name, value]) => [name, strategy[/^\$\{\{ ([\w.-]+) \}\}$/.exec(String(value))![1]]]);
    return { ...strategy, ...Object.fromEntries(env) };
  });
  assertEquals([report.needs, report.if, merges(report.steps.flatMap((s: Any) => s.run ?? []).join("\n"))], ["test", "always()", [[
    "merge",
    "reports",
  ]]]);
  for (const { steps } of [test, report]) for (const s of steps) assert(s.run || /^[\w-]+\/[\w-]+@v\d$/.test(s.uses), JSON.stringify(s));
});

Deno.test("GitLab: four jobs, whose reports GitLab reads", () => {
  const { stages, default: defaults, "kernel tests": test, report } = parse(read("gitlab-ci.yml")) as Any;
  assertEquals([stages.includes(test.stage) && stages.includes(report.stage), test.parallel], [true, 4]);
  assertMatch(defaults.image, /^denoland\/deno:\d/);
  checkParts(test.script.join("\n"), (index) => ({ CI_NODE_INDEX: String(index + 1), CI_NODE_TOTAL: String(test.parallel) }));
  assertEquals([test.artifacts.when, test.artifacts.reports.junit, merges(report.script.join("\n"))], ["always", "reports/*.xml", [[
    "merge",
    "reports",
  ]]]);
});

Deno.test("Kubernetes: an indexed job, which tells its pods how many they are", () => {
  const { apiVersion, kind, spec } = parse(read("kubernetes.yml")) as Any,
    { restartPolicy, containers: [container], volumes } = spec.template.spec;
  assertEquals([apiVersion, kind, spec.completionMode, spec.completions, spec.parallelism, restartPolicy], [
    "batch/v1",
    "Job",
    "Indexed",
    4,
    4,
    "Never",
  ]);
  const env = Object.fromEntries(container.env.map((e: Any) => [e.name, e.value]));
  assertEquals([env, container.command, container.args.length], [{ BRINGUP_SHARD_TOTAL: String(spec.completions) }, ["sh", "-c"], 1]);
  checkParts(container.args[0], (index) => ({ ...env, JOB_COMPLETION_INDEX: String(index) }));
  assertEquals(container.volumeMounts.map((v: Any) => v.name), volumes.map((v: Any) => v.name));
});

Deno.test("Slurm: an array of four", () => {
  const text = read("slurm.sh"), [, first, last] = /^#SBATCH --array=(\d+)-(\d+)$/m.exec(text)!;
  assertEquals([first, last], ["1", "4"]);
  const told = { SLURM_ARRAY_TASK_COUNT: "4", SLURM_ARRAY_TASK_MIN: first, SLURM_ARRAY_TASK_STEP: "1", "@": "scripts" };
  checkParts(text, (index) => ({ ...told, SLURM_ARRAY_TASK_ID: String(index + 1) }));
});
