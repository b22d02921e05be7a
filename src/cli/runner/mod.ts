// `bringup test [SCRIPT...]`: scenario scripts and other test files, in worker processes. The same files run under plain `deno test`.
import { ConfigError, didYouMean } from "../../core/errors.ts";
import { load } from "../../core/later.ts";
import { FAILURES_VARIABLE } from "../../scenario/boot.ts";
import { parseDuration } from "../../scenario/duration.ts";
import type { CommandLine } from "../options.ts";
import { openFile, writeAll, writeText } from "../output.ts";
import { configOf } from "../script.ts";
import { testFiles } from "./discover.ts";
import { htmlOf } from "./html.ts";
import { jsonOf } from "./json.ts";
import { junitOf } from "./junit.ts";
import { keepFailed, lastFailed } from "./last_run.ts";
import { dot, github, list } from "./report_text.ts";
import { type Reporter, type Sink, together } from "./reporters.ts";
import { succeeded } from "./results.ts";
import { Runner, type RunPlan, TestModule } from "./run.ts";
import { parseShard } from "./shard.ts";

/** Status of a run that a signal ended. */
const SIGNALS: readonly (readonly [Deno.Signal, number])[] = [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]];

/** Runs the tests and returns 0 when all pass, else 1, or the status of the signal that ended them. @throws {ConfigError} there is none. */
export async function test({ positional, values }: CommandLine): Promise<number> {
  const plan = planOf(values), over = new AbortController();
  let signalled: number | undefined;
  const end = (status: number) => (signalled = status, runner.stop(), over.abort());
  const runner = new Runner(plan, together(reportersOf(values, () => end(141))));
  const find = () => {
    const { files, folders } = testFiles(positional);
    return { modules: files.map((path) => new TestModule(path, configOf(path))), folders };
  };
  const listeners = SIGNALS.map(([signal, status]) => [signal, () => end(status)] as const);
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  // The processes that run the tests have it from here.
  // Without the permission to look they cannot be started either, and say what they need.
  const permitted = Deno.permissions.querySync({ name: "env", variable: FAILURES_VARIABLE }).state === "granted";
  const failures = permitted ? Deno.env.get(FAILURES_VARIABLE) : undefined;
  if (permitted) Deno.env.set(FAILURES_VARIABLE, (values.failures as string | undefined) ?? failures ?? "bringup-failures");
  try {
    if (values.watch === true) {
      const say = (text: string) => void writeText(Deno.stderr, text);
      const { watch } = await load<typeof import("./watch.ts")>("cli/runner/watch.ts");
      await watch({ runner, find, told: (summary) => runner.reporter.end?.(summary), say, signal: over.signal });
      return signalled!;
    }
    const { modules } = find();
    const summary = await runner.run(modules);
    const names = new Map(modules.map((m) => [m.name, new Set(m.tests.map((t) => t.name))]));
    keepFailed(summary.results, (file, name) => names.get(file)?.has(name) === false);
    runner.reporter.end?.(signalled === undefined ? summary : { ...summary, interrupted: true });
    await runner.close();
    return signalled ?? (succeeded(summary) ? 0 : 1);
  } finally {
    runner.stop();
    if (permitted && failures === undefined) Deno.env.delete(FAILURES_VARIABLE);
    else if (failures !== undefined) Deno.env.set(FAILURES_VARIABLE, failures);
    for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
  }
}

/** The options of a run. @throws {ConfigError} one of them has no such value. */
export function planOf(values: CommandLine["values"], env?: Readonly<Record<string, string | undefined>>): RunPlan {
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
    ...(shard !== undefined && { shard: parseShard(shard, env ?? (shard === "auto" ? Deno.env.toObject() : {})) }),
    retries: number("retries", 0, 0),
    repeats: number("repeats", 0, 0),
    jobs: number("jobs", 1, navigator.hardwareConcurrency),
    timeoutMs,
    isolate: values.isolate === true,
    digests: values.digests === true,
    ...(values["last-failed"] === true && { lastFailed: lastFailed() }),
    args: values["update-snapshots"] === true ? ["--update-snapshots"] : [],
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

/** What reporters make of results, the file that is written when none is named, and whether it is all at the end. */
const REPORTERS: Readonly<Record<string, { readonly make: (sink: Sink, file: string | undefined) => Reporter; readonly file?: string }>> = {
  list: { make: list },
  dot: { make: dot },
  github: { make: github },
  json: { make: (sink) => ({ end: (summary) => sink.write(jsonOf(summary)) }) },
  html: { make: (sink, file) => ({ end: (summary) => sink.write(htmlOf(summary, file)) }), file: "bringup-report.html" },
  junit: { make: (sink) => ({ end: (summary) => sink.write(junitOf(summary, hostname())) }) },
};

function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "localhost";
  }
}

/** Those that are asked for. @throws {ConfigError} there is none of a name, its file cannot be written, or two write to standard output. */
export function reportersOf(values: CommandLine["values"], onBrokenPipe: () => void = () => {}): Reporter[] {
  const asked = (values.reporter as readonly string[] | undefined ?? ["list"]).map((given) => {
    const [, name, file] = /^([^=]*)(?:=(.+))?$/s.exec(given) ?? [], names = Object.keys(REPORTERS);
    if (name === undefined || !names.includes(name)) {
      throw new ConfigError(
        `--reporter: there is no '${name ?? given}'${didYouMean(name ?? given, names)}: expected ${names.join(", ")}, or NAME=FILE`,
      );
    }
    return { name, file: file ?? REPORTERS[name].file, option: "--reporter" };
  });
  if (values.junit !== undefined) asked.push({ name: "junit", file: values.junit as string, option: "--junit" });
  const onStdout = asked.filter((a) => a.file === undefined);
  if (onStdout.length > 1) {
    throw new ConfigError(
      `--reporter: ${onStdout.map((a) => a.name).join(" and ")} both write to standard output: give one a file, NAME=FILE`,
    );
  }
  const stdout: Sink = {
    colours: Deno.stdout.isTerminal() && !Deno.noColor,
    write: (text) => writeText(Deno.stdout, text) || onBrokenPipe(),
  };
  return asked.map(({ name, file, option }) => {
    const sink = file === undefined ? stdout : fileSink(file, option), reporter = REPORTERS[name].make(sink, file);
    return { ...reporter, start: (what) => (sink.again?.(), reporter.start?.(what)) };
  });
}

/** A file, which is emptied when it is opened: what an earlier run wrote is not taken for this one's. */
function fileSink(path: string, option: string): Sink {
  const file = openFile(path, option, true);
  return {
    colours: false,
    write(text) {
      writeAll(file, new TextEncoder().encode(text), path);
      // Nothing of a longer report is behind it that another run in the same folder has written meanwhile.
      if (file.statSync().isFile) file.truncateSync(file.seekSync(0, Deno.SeekMode.Current));
    },
    again() {
      // What is no file (a pipe, a terminal) has nothing to be emptied.
      if (!file.statSync().isFile) return;
      file.truncateSync();
      file.seekSync(0, Deno.SeekMode.Start);
    },
  };
}
