// `bringup test [SCRIPT...]`: scenario scripts and other test files, in worker processes. The same files run under plain `deno test`.
import { ConfigError } from "../../core/errors.ts";
import { parseDuration } from "../../scenario/duration.ts";
import type { CommandLine } from "../options.ts";
import { writeText } from "../output.ts";
import { configOf } from "../script.ts";
import { testFiles } from "./discover.ts";
import { dot, github, list } from "./report_text.ts";
import { type Reporter, type Sink, together } from "./reporters.ts";
import { succeeded } from "./results.ts";
import { Runner, type RunPlan, TestModule } from "./run.ts";
import { parseShard } from "./shard.ts";

/** Status of a run that a signal ended. */
const SIGNALS: readonly (readonly [Deno.Signal, number])[] = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]];

/** Runs the tests and returns 0 when all pass, else 1, or the status of the signal that ended them. @throws {ConfigError} there is none. */
export async function test(line: CommandLine): Promise<number> {
  const { positional, values } = line, plan = planOf(values), { files } = testFiles(positional);
  const runner = new Runner(plan, together(reporters(values)));
  const modules = files.map((path) => new TestModule(path, configOf(path)));
  let signalled: number | undefined;
  const listeners = SIGNALS.map(([signal, status]) => [signal, () => (signalled = status, runner.stop())] as const);
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  try {
    const summary = await runner.run(modules),
      notes = signalled === undefined ? [] : ["a signal ended the run: what is missing was not run"];
    runner.reporter.end?.({ ...summary, notes: [...summary.notes, ...notes] });
    await runner.close();
    return signalled ?? (succeeded(summary) ? 0 : 1);
  } finally {
    runner.stop();
    for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  }
}

/** The options of a run. @throws {ConfigError} one of them has no such value. */
export function planOf(values: CommandLine["values"], env: Readonly<Record<string, string | undefined>> = Deno.env.toObject()): RunPlan {
  const text = (name: string) => values[name] as string | undefined;
  const number = (name: string, least: number, otherwise: number) => {
    const given = text(name);
    if (given === undefined) return otherwise;
    if (!/^\d{1,6}$/.test(given) || Number(given) < least) {
      throw new ConfigError(`--${name}: expected a number of at least ${least}, got '${given}'`);
    }
    return Number(given);
  };
  const filter = text("filter"), shard = text("shard"), timeout = text("timeout");
  const timeoutMs = timeout === undefined ? 600_000 : parseDuration(timeout) / 1e6;
  // Longer than a timer can wait is never.
  if (timeoutMs <= 0 || timeoutMs >= 2 ** 31) {
    throw new ConfigError(`--timeout: expected more than 0 and less than 24 days, got '${timeout}'`);
  }
  return {
    ...(filter !== undefined && { filter: parseFilter(filter) }),
    ...(shard !== undefined && { shard: parseShard(shard, env) }),
    retries: number("retries", 0, 0),
    repeats: number("repeats", 0, 0),
    jobs: number("jobs", 1, navigator.hardwareConcurrency),
    timeoutMs,
    isolate: values.isolate === true,
    digests: values.digests === true,
    args: [],
  };
}

/** "text" or "/regular expression/", as `deno test` has it. */
function parseFilter(text: string): (name: string) => boolean {
  const [, source, flags] = /^\/(.+)\/([imsu]*)$/s.exec(text) ?? [];
  if (source === undefined) return (name) => name.includes(text);
  try {
    const pattern = new RegExp(source, flags);
    return (name) => pattern.test(name);
  } catch (e) {
    throw new ConfigError(`--filter: ${(e as Error).message}`);
  }
}

const REPORTERS: Readonly<Record<string, (sink: Sink) => Reporter>> = { list, dot, github };

/** Those that are asked for. @throws {ConfigError} there is none of a name. */
function reporters(values: CommandLine["values"]): Reporter[] {
  const stdout: Sink = {
    colours: Deno.stdout.isTerminal() && !Deno.noColor,
    write: (text) => void writeText(Deno.stdout, text),
  };
  return (values.reporter as readonly string[] | undefined ?? ["list"]).map((given) => {
    if (!Object.hasOwn(REPORTERS, given)) {
      throw new ConfigError(`--reporter: there are ${Object.keys(REPORTERS).join(", ")}; got '${given}'`);
    }
    return REPORTERS[given](stdout);
  });
}
