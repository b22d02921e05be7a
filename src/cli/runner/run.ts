// Runs test files in worker processes: lists their tests, chooses among them, runs each file's one after another, files side by side.
import { ConfigError } from "../../core/errors.ts";
import { absolutePath, shown } from "./discover.ts";
import { keyOf } from "./last_run.ts";
import { type WorkerEnded, WorkerProcess } from "./process.ts";
import type { Answer, Declaration } from "./protocol.ts";
import type { Reporter } from "./reporters.ts";
import { type Attempt, formatMs, type Shard, type Summary, type TestError, type TestResult } from "./results.ts";
import { partOf } from "./shard.ts";

/** How tests are chosen and run. */
export interface RunPlan {
  /** Whether a name is one that is asked for; absent: all are. */
  readonly filter?: (name: string) => boolean;
  readonly shard?: Shard;
  /** Tests that failed last time, as `keyOf` names them; absent: it does not matter. */
  readonly lastFailed?: ReadonlySet<string>;
  readonly retries: number;
  /** Times that each test is run beyond the first. */
  readonly repeats: number;
  readonly jobs: number;
  readonly timeoutMs: number;
  readonly isolate: boolean;
  readonly digests: boolean;
  /** Arguments that tests see. */
  readonly args: readonly string[];
}

/** A test file. */
export class TestModule {
  /** As reports name it. */
  readonly name: string;
  /** The file that is imported. */
  readonly path: string;
  /** Its tests, when they have been listed. */
  tests: readonly Declaration[] = [];
  /** Why it does not load. */
  error: TestError | undefined;
  /** Files that its machines were made of. */
  readonly uses = new Set<string>();
  /** How often it was to be loaded anew in processes that had loaded it. */
  again = 0;
  /** Modules of the user's own that it imports, and what they import. */
  imports: ReadonlySet<string> = new Set();

  constructor(path: string, readonly config: string) {
    this.name = shown(path);
    this.path = absolutePath(path);
  }
  get url(): string {
    const url = `file://${this.path.split("/").map(encodeURIComponent).join("/")}`;
    return this.again ? `${url}?again=${this.again}` : url;
  }

  /** Whether its machines were made of a file. */
  usesFile(path: string): boolean {
    return [...this.uses].some((used) => absolutePath(used) === path);
  }

  /** Finds what it imports; what Deno cannot tell of a broken file is nothing. */
  async findImports(): Promise<void> {
    const args = ["info", "--json", "--config", this.config, this.path];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).output();
    try {
      const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { local?: string }[] };
      this.imports = new Set(
        modules.flatMap(({ local }) =>
          local === undefined || local === this.path || local.startsWith(OURS) || !isOwn(local) ? [] : [local]
        ),
      );
    } catch {
      // Its error was told when it was loaded.
    }
  }
}

/** The emulator's folders, whose modules do not change meanwhile, nor do packages. */
const OURS = decodeURIComponent(new URL("../../", import.meta.url).pathname),
  API = decodeURIComponent(new URL("../../../mod.ts", import.meta.url).pathname);
const isOwn = (path: string) => path !== API && path.startsWith("/") && !/\/(node_modules|npm|deno)\//.test(path);

/** A test that is to be run, and whose turn it is. */
interface Chosen {
  readonly module: TestModule;
  readonly index: number;
  readonly test: Declaration;
}

const LOADING = "(loading the file)", ENDING = "(afterAll)", OUTSIDE = "(outside of its tests)";

export class Runner {
  readonly #live = new Set<WorkerProcess>();
  readonly #idle: WorkerProcess[] = [];
  /** What went wrong outside of tests, by the file that it came from. */
  readonly #strays = new Map<string, TestError>();
  #stopped = false;
  #onBegin: (() => void) | undefined;

  constructor(readonly plan: RunPlan, readonly reporter: Reporter) {}

  /** Runs the tests of some files. @throws {ConfigError} there is none to be run. */
  async run(modules: readonly TestModule[]): Promise<Summary> {
    const from = performance.now(), started = new Date(), { shard } = this.plan, notes: string[] = [];
    await this.#sideBySide(modules, (m) => this.#list(m));
    const chosen = this.#choose(modules, notes), results: { at: number; result: TestResult }[] = [];
    const order = new Map(modules.map((m, i) => [m, i * 1e6]));
    const add = (module: TestModule, index: number, result: TestResult) => {
      if (this.#stopped) return;
      results.push({ at: order.get(module)! + index, result });
      this.reporter.result?.(result);
    };
    const broken = modules.filter((m) => m.error);
    this.reporter.start?.({ tests: chosen.length, files: new Set(chosen.map((c) => c.module)).size, ...(shard && { shard }) });
    for (const m of broken) add(m, 0, failedResult(m, LOADING, m.error!));
    const units = [...Map.groupBy(chosen, (c) => c.module).values()];
    await this.#sideBySide(units, (unit) => this.#runFile(unit, add));
    for (const m of modules) if (this.#strays.has(m.url)) add(m, 1e6 - 1, failedResult(m, OUTSIDE, this.#strays.get(m.url)!));
    this.#strays.clear();
    const sorted = results.sort((a, b) => a.at - b.at).map((r) => r.result);
    const only = chosen.some((c) => c.test.only);
    return { results: sorted, notes, only, ms: performance.now() - from, started, ...(shard && { shard }) };
  }

  /** Ends everything at once. */
  stop(): void {
    this.#stopped = true;
    for (const worker of this.#live) worker.kill();
  }
  /** Ends what runs; processes that wait go on waiting. */
  abort(): void {
    this.#stopped = true;
    for (const worker of this.#live) if (!this.#idle.includes(worker)) worker.kill();
  }
  get stopped(): boolean {
    return this.#stopped;
  }
  /** What has been stopped may run again; `onBegin` is called when the first test begins. */
  resume(onBegin?: () => void): void {
    this.#stopped = false;
    this.#onBegin = onBegin;
  }
  /** Ends processes that have loaded files. */
  discard(): void {
    for (const worker of this.#idle.filter((w) => w.loaded.size > 0)) this.#end(worker);
  }
  /** Has a process ready for each configuration that has loaded no file yet. */
  prepare(modules: readonly TestModule[]): void {
    for (const config of new Set(modules.map((m) => m.config))) {
      if (this.#idle.some((w) => w.config === config && w.loaded.size === 0 && !w.ended)) continue;
      const worker = new WorkerProcess(config, this.plan.args);
      this.#live.add(worker);
      this.#idle.push(worker);
    }
  }
  #end(worker: WorkerProcess): void {
    worker.close();
    this.#live.delete(worker);
    const at = this.#idle.indexOf(worker);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Lets the processes end. */
  async close(): Promise<void> {
    for (const worker of this.#live) worker.close();
    await Promise.all([...this.#live].map((worker) => worker.gone));
  }

  /** Does something for each, as many at a time as there may be processes. */
  async #sideBySide<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const rest = items.values();
    const lane = async () => {
      for (const item of rest) {
        if (this.#stopped) return;
        await work(item);
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.plan.jobs, items.length) }, lane));
  }

  async #list(module: TestModule): Promise<void> {
    const worker = this.#take(module), limit = setTimeout(() => worker.kill(), this.plan.timeoutMs);
    try {
      const { tests, error, stray } = await this.#load(worker, module);
      if (stray) {
        this.#blame(worker, stray);
        return await this.#list(module);
      }
      module.tests = tests ?? [];
      module.error = error;
    } catch (e) {
      module.error = ended(e as WorkerEnded, "while it loaded the file");
    } finally {
      clearTimeout(limit);
    }
    this.#give(worker);
  }

  async #load(worker: WorkerProcess, module: TestModule): Promise<Answer> {
    const { answer } = await worker.ask({ do: "load", url: module.url });
    if (answer.tests) worker.loaded.add(module.url);
    for (const path of answer.files ?? []) module.uses.add(path);
    return answer;
  }

  /** The tests that are asked for, in order. @throws {ConfigError} there is none at all. */
  #choose(modules: readonly TestModule[], notes: string[]): Chosen[] {
    const { filter, shard, lastFailed } = this.plan;
    let all: Chosen[] = modules.flatMap((module) => module.tests.map((test, index) => ({ module, index, test })));
    const broken = modules.some((m) => m.error);
    if (all.length === 0 && !broken && !this.#stopped) throw new ConfigError(`no tests in ${modules.map((m) => m.name).join(", ")}`);
    const only = all.filter((c) => c.test.only);
    if (only.length) {
      all = only;
      notes.push("`only` is used: tests without it were not run, which is no success");
    }
    if (filter) all = all.filter((c) => filter(c.test.name));
    if (lastFailed) all = all.filter((c) => lastFailed.has(keyOf(c.module.name, c.test.name)));
    if (all.length === 0 && !broken && !this.#stopped) {
      throw new ConfigError(
        lastFailed ? "no test failed last time that is still there and asked for" : "no test has a name that --filter asks for",
      );
    }
    const part = shard ? partOf(all, shard) : all;
    if (part.length === 0 && all.length > 0) {
      notes.push(`nothing is left for part ${shard!.index} of ${shard!.total}: ${all.length} tests in all`);
    }
    return part;
  }

  async #runFile(unit: readonly Chosen[], add: (module: TestModule, index: number, result: TestResult) => void): Promise<void> {
    const { module } = unit[0];
    let worker: WorkerProcess | undefined;
    for (const { index, test } of unit) {
      const { name, line, ignore } = test, repeats = test.repeats ?? this.plan.repeats;
      const told = { file: module.name, name, ...(line !== undefined && { line }) };
      if (ignore) {
        add(module, index, { ...told, status: "skipped", attempts: [] });
        continue;
      }
      for (let repeat = 0; repeat <= repeats && !this.#stopped; repeat++) {
        const attempts: Attempt[] = [];
        do {
          if (attempts.length && worker) {
            // Nothing of the first time may be the reason of the second.
            worker.close();
            this.#live.delete(worker);
            worker = undefined;
          }
          worker ??= attempts.length ? this.#start(module) : this.#take(module);
          const attempt = await this.#attempt(worker, module, index, test);
          if (attempt) attempts.push(attempt);
          if (worker.ended) {
            this.#live.delete(worker);
            worker = undefined;
          }
        } while (!attempts.at(-1)?.passed && attempts.length <= (test.retry ?? this.plan.retries) && !this.#stopped);
        const passed = attempts.at(-1)?.passed, status = !passed ? "failed" : attempts.length > 1 ? "flaky" : "passed";
        add(module, index, { ...told, status, attempts, ...(repeats && { repeat: repeat + 1 }) });
      }
    }
    if (!worker) return;
    try {
      const { answer: { error, stray, spoilt } } = await worker.ask({ do: "finish", url: module.url });
      if (stray) this.#blame(worker, stray);
      else if (spoilt) worker.close();
      if (error) add(module, unit.at(-1)!.index + 0.5, failedResult(module, ENDING, error));
    } catch (e) {
      add(module, unit.at(-1)!.index + 0.5, failedResult(module, ENDING, ended(e as WorkerEnded, "behind the last test")));
    }
    this.#give(worker);
  }

  /** Runs a test; undefined when another file has spoilt the process before. */
  async #attempt(worker: WorkerProcess, module: TestModule, index: number, { name, timeout }: Declaration): Promise<Attempt | undefined> {
    const { timeoutMs, digests } = this.plan, ms = timeout || timeoutMs;
    const from = performance.now(), took = () => performance.now() - from;
    let late = false;
    const limit = setTimeout(() => (late = true, worker.kill()), ms);
    try {
      if (!worker.loaded.has(module.url)) {
        const { error, stray } = await this.#load(worker, module);
        if (stray) return void this.#blame(worker, stray);
        if (error) return { passed: false, ms: took(), error, output: "", steps: [] };
      }
      this.#onBegin?.();
      this.#onBegin = undefined;
      this.reporter.begin?.(module.name, name);
      const { answer, output } = await worker.ask({ do: "run", url: module.url, index, name, digests });
      for (const path of answer.files ?? []) module.uses.add(path);
      if (answer.stray && answer.stray.url !== module.url) return void this.#blame(worker, answer.stray);
      if (answer.spoilt) worker.close();
      const { steps = [], machines, error = answer.stray?.error } = answer;
      return { passed: !error, ms: took(), output, steps, ...(error && { error }), ...(machines && { machines }) };
    } catch (e) {
      const message = `it took longer than the ${formatMs(ms)} of the host's time that a test may take (--timeout), and was ended`;
      const error: TestError = late
        ? { type: "TimeOut", broken: true, message, text: message }
        : ended(e as WorkerEnded, "in the midst of the test");
      return { passed: false, ms: took(), error, output: (e as WorkerEnded).output ?? "", steps: [] };
    } finally {
      clearTimeout(limit);
    }
  }

  /** Something went wrong in a process while no test ran. */
  #blame(worker: WorkerProcess, { url, error }: NonNullable<Answer["stray"]>): void {
    worker.close();
    this.#live.delete(worker);
    this.#strays.set(url, error);
  }

  /** A process for a file: one that has loaded it, or another one that is free, or a new one. */
  #take(module: TestModule): WorkerProcess {
    const fits = this.#idle.filter((w) => !w.ended && w.config === module.config);
    const worker = fits.find((w) => w.loaded.has(module.url)) ?? (this.plan.isolate ? undefined : fits[0]);
    if (!worker) return this.#start(module);
    this.#idle.splice(this.#idle.indexOf(worker), 1);
    return worker;
  }

  #start(module: TestModule): WorkerProcess {
    // As many as may run at a time, those that wait included.
    while (this.#idle.length && this.#live.size >= this.plan.jobs) {
      this.#end(this.#idle[0]);
    }
    const worker = new WorkerProcess(module.config, this.plan.args);
    this.#live.add(worker);
    return worker;
  }

  #give(worker: WorkerProcess): void {
    if (worker.ended) this.#live.delete(worker);
    else this.#idle.push(worker);
  }
}

const failedResult = ({ name: file }: TestModule, name: string, error: TestError): TestResult => ({
  file,
  name,
  status: "failed",
  attempts: [{ passed: false, ms: 0, error, output: "", steps: [] }],
});

function ended(e: WorkerEnded, when: string): TestError {
  const message = `${e.message} ${when}`;
  return { type: "Ended", broken: true, message, text: e.output?.trim() ? `${message}; its last words:\n${e.output.trimEnd()}` : message };
}
