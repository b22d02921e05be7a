// `Deno.test` in a worker: what a test file declares is kept, and run when the runner says so. The same files run under plain `deno test`.
import type { Declaration } from "./protocol.ts";
import type { StepResult, TestError } from "./results.ts";

type Context = Deno.TestContext;
type TestFunction = (t: Context) => void | Promise<void>;
type Hook = () => void | Promise<void>;
const HOOKS = ["beforeAll", "beforeEach", "afterEach", "afterAll"] as const;
type Hooks = Record<typeof HOOKS[number], Hook[]>;

interface Test extends Declaration {
  readonly fn: TestFunction;
}

/** What a test came to. */
export interface Ran {
  /** The first thing that went wrong; what follows from it says less. */
  readonly error?: TestError;
  readonly steps: readonly StepResult[];
}

const noHooks = (): Hooks => ({ beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] });

/** The tests of one file. */
export class TestFile {
  readonly tests: Test[] = [];
  readonly hooks = noHooks();
  /** `beforeAll` has run, and how it failed if it did. */
  #begun: { readonly error?: TestError } | undefined;

  constructor(
    readonly url: string,
    /** Hooks that hold for every file: those of modules that are loaded once for all. */
    readonly common: Hooks,
    readonly describe: (e: unknown) => TestError,
  ) {}

  /** Runs a test. `failed` rejects when something goes wrong that nobody catches. */
  async run(index: number, failed: Promise<never>): Promise<Ran> {
    const { name, fn } = this.tests[index], steps: StepResult[] = [];
    this.#begun ??= await this.#attempt(async () => await this.#all("beforeAll"));
    let { error } = this.#begun;
    if (!error) {
      ({ error } = await this.#attempt(async () => {
        await this.#all("beforeEach");
        await Promise.race([fn(this.#context(name, steps)), failed]);
      }));
      const after = await this.#attempt(async () => await this.#all("afterEach"));
      const wrong = failedSteps(steps);
      if (!error && wrong.length) {
        const text = wrong.map(({ path, error }) => `step ${path}: ${error!.text}`).join("\n");
        error = {
          ...wrong[0].error!,
          message: `${wrong.length === 1 ? "a step" : `${wrong.length} steps`} failed: ${wrong[0].error!.message}`,
          text,
        };
      }
      error ??= after.error;
    }
    return { ...(error && { error }), steps };
  }

  /** Behind the last test that is run. */
  async finish(): Promise<Pick<Ran, "error">> {
    return this.#begun ? await this.#attempt(async () => await this.#all("afterAll")) : {};
  }

  async #all(kind: keyof Hooks): Promise<void> {
    const hooks = [...this.common[kind], ...this.hooks[kind]];
    // As Deno does: what was set up last is taken down first.
    for (const hook of kind.startsWith("after") ? hooks.reverse() : hooks) await hook();
  }

  async #attempt(work: () => Promise<unknown>): Promise<{ readonly error?: TestError }> {
    try {
      await work();
      return {};
    } catch (e) {
      return { error: this.describe(e) };
    }
  }

  #context(name: string, steps: StepResult[], parent?: Context): Context {
    const context: Context = {
      name,
      origin: this.url,
      ...(parent && { parent }),
      assertSnapshot: () => Promise.reject(new Error("t.assertSnapshot is only known to `deno test`")),
      step: async (first: unknown, second?: unknown) => {
        const given =
          (typeof first === "function"
            ? { name: first.name, fn: first }
            : typeof first === "string"
            ? { name: first, fn: second }
            : first) as Deno.TestStepDefinition;
        if (!given.name || typeof given.fn !== "function") throw new TypeError("a step needs a name and a function");
        const below: StepResult[] = [], from = performance.now();
        if (given.ignore) {
          steps.push({ name: given.name, status: "skipped", ms: 0, steps: [] });
          return true;
        }
        const { error } = await this.#attempt(async () => await given.fn(this.#context(given.name, below, context)));
        const passed = !error && failedSteps(below).length === 0;
        steps.push({
          name: given.name,
          status: passed ? "passed" : "failed",
          ms: performance.now() - from,
          steps: below,
          ...(error && { error }),
        });
        return passed;
      },
    };
    return context;
  }
}

/** The steps that failed themselves, with those that they are in. */
function failedSteps(steps: readonly StepResult[], within = ""): (StepResult & { readonly path: string })[] {
  return steps.flatMap((s) => {
    const path = within + s.name;
    return [...s.error ? [{ ...s, path }] : [], ...failedSteps(s.steps, `${path} > `)];
  });
}

/** What takes the place of `Deno.test`. */
export class Collector {
  readonly #common = noHooks();
  #file: TestFile | undefined;
  readonly api: typeof Deno.test;

  /** `lineOf` says which line of a file the caller's caller is on. */
  constructor(readonly describe: (e: unknown) => TestError, readonly lineOf: (url: string) => number | undefined) {
    const kind = (forced: Partial<Declaration>) => {
      const declare = (...args: unknown[]) => this.#declare(args, forced);
      return Object.assign(declare, {
        each: (cases: readonly unknown[]) => (...args: unknown[]) => this.#declareEach(cases, args, forced),
      });
    };
    const kinds = { ignore: kind({ ignore: true }), only: kind({ only: true }) };
    const hooks = Object.fromEntries(
      HOOKS.map((kind) => [kind, (hook: Hook) => void (this.#file?.hooks ?? this.#common)[kind].push(hook)]),
    );
    this.api = Object.assign(kind({}), kinds, hooks, { sanitizer: () => {} }) as unknown as typeof Deno.test;
  }

  /** Imports a file and keeps what it declares. */
  async load(url: string): Promise<TestFile> {
    const file = this.#file = new TestFile(url, this.#common, this.describe);
    try {
      await import(url);
    } finally {
      this.#file = undefined;
    }
    return file;
  }

  /** The forms of `Deno.test`: (function), (name, function), (name, options, function), (options, function), (options with a function). */
  #declare(args: readonly unknown[], forced: Partial<Declaration>): void {
    const name = args.find((a) => typeof a === "string"), fn = args.find((a) => typeof a === "function");
    const options = (args.find((a) => typeof a === "object" && a !== null) ?? {}) as Partial<Deno.TestDefinition>;
    const test = {
      ...options,
      ...forced,
      name: name ?? options.name ?? fn?.name ?? "",
      fn: (fn ?? options.fn) as TestFunction | undefined,
    };
    if (typeof test.fn !== "function") throw new TypeError("a test needs a function");
    if (!test.name) throw new TypeError("a test needs a name");
    if (!this.#file) throw new Error(`the test '${test.name}' is declared too late: behind the loading of its file`);
    if (options.permissions !== undefined && options.permissions !== "inherit") {
      throw new Error(`the test '${test.name}' asks for permissions of its own, which only \`deno test\` can give`);
    }
    const line = this.lineOf(this.#file.url), { fn: run, ignore = false, only = false, retry, repeats, timeout } = test;
    const own = Object.entries({ line, retry, repeats, timeout }).filter(([, value]) => value !== undefined);
    this.#file.tests.push({ name: test.name, fn: run, ignore, only, ...Object.fromEntries(own) });
  }

  /** `Deno.test.each(cases)(name, function)`: a test for each case, which the function gets, an array as its arguments. */
  #declareEach(cases: readonly unknown[], args: readonly unknown[], forced: Partial<Declaration>): void {
    const template = String(args[0]), fn = args.at(-1) as (...values: unknown[]) => void;
    for (const [i, one] of cases.entries()) {
      const values = Array.isArray(one) ? one : [one], run: TestFunction = (t) => fn(...values, t);
      this.#declare([nameOf(template, one, values, i), ...args.slice(1, -1), run], forced);
    }
  }
}

const FORMATS: Readonly<Record<string, (value: unknown) => string>> = {
  s: String,
  d: (v) => String(Number(v)),
  i: (v) => String(Math.trunc(Number(v))),
  f: (v) => String(Number(v)),
  j: (v) => JSON.stringify(v),
  o: (v) => Deno.inspect(v, { colors: false }),
  O: (v) => Deno.inspect(v, { colors: false }),
};

/** A name with `%s` and its like, `%#` and `$key.of.an.object` filled in. */
function nameOf(template: string, one: unknown, values: readonly unknown[], index: number): string {
  let next = 0;
  return template.replace(/%([sdifjoO#%])|\$([A-Za-z_][\w.]*)/g, (all, format: string | undefined, path: string | undefined) => {
    if (format === "%") return "%";
    if (format === "#") return String(index);
    if (format !== undefined) return next < values.length ? FORMATS[format](values[next++]) : all;
    if (typeof one !== "object" || one === null || Array.isArray(one)) return all;
    const value = path!.split(".").reduce<unknown>((of, key) => (of as Record<string, unknown> | undefined)?.[key], one);
    return value === undefined ? all : String(value);
  });
}
