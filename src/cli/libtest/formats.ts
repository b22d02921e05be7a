// What a test program prints: as Rust's own does, so that Cargo, nextest, editors and CI systems read it. Times are guest time: the same on every
// host. Source: the rustc book, "Tests"; the formatters of Rust's library/test (1.9x).
import { NO_CHARACTER } from "../xml.ts";
import type { Format } from "./arguments.ts";

/** A case as it is told of. */
export interface Told {
  readonly name: string;
  readonly ignored: boolean;
  readonly shouldPanic: boolean;
}

/** How a case ended. */
export interface Result {
  readonly ok: boolean;
  /** What it printed. */
  readonly output: string;
  /** Why it failed, in lines. */
  readonly why: readonly string[];
  readonly guestNs: number;
}

/** Of a whole run. */
export interface Totals {
  readonly passed: readonly (readonly [Told, Result])[];
  readonly failed: readonly (readonly [Told, Result])[];
  readonly ignored: readonly Told[];
  readonly filteredOut: number;
}

/** What is told, in the order in which it happens. */
export interface Reporter {
  list(cases: readonly Told[]): void;
  start(cases: readonly Told[]): void;
  begin(c: Told): void;
  end(c: Told, result: Result): void;
  ignored(c: Told): void;
  finish(totals: Totals): void;
}

export interface ReporterOptions {
  readonly write: (text: string) => void;
  readonly color: boolean;
  /** What the cases print is shown as they print it. */
  readonly live: boolean;
  readonly showOutput: boolean;
}

const seconds = (ns: number) => ns / 1e9;
const guestNs = ({ passed, failed }: Totals) => [...passed, ...failed].reduce((sum, [, r]) => sum + r.guestNs, 0);
const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
/** Everything that a case had to say. */
const wordsOf = ({ output, why }: Result) => [output.replace(/\r*\n/g, "\n").trimEnd(), ...why].filter((l) => l !== "").join("\n");

const GREEN = 32, RED = 31, YELLOW = 33;

/** For people: a line for each case. */
class Pretty implements Reporter {
  constructor(readonly to: ReporterOptions) {}
  paint(text: string, color: number): string {
    return this.to.color ? `\x1b[${color}m${text}\x1b[m` : text;
  }
  list(cases: readonly Told[]): void {
    this.to.write(cases.map(({ name }) => `${name}: test\n`).join("") + this.listed(cases.length));
  }
  listed(n: number): string {
    return `${n > 0 ? "\n" : ""}${count(n, "test")}, 0 benchmarks\n`;
  }
  start(cases: readonly Told[]): void {
    this.to.write(`\nrunning ${count(cases.length, "test")}\n`);
  }
  begin(c: Told): void {
    this.to.write(`test ${c.name}${c.shouldPanic ? " - should panic" : ""} ... `);
  }
  end(_: Told, { ok }: Result): void {
    this.to.write(ok ? `${this.paint("ok", GREEN)}\n` : `${this.paint("FAILED", RED)}\n`);
  }
  ignored(c: Told): void {
    this.begin(c);
    this.to.write(`${this.paint("ignored", YELLOW)}\n`);
  }
  finish(totals: Totals): void {
    const { passed, failed, ignored, filteredOut } = totals, { write, live, showOutput } = this.to;
    const outputs = (title: string, of: Totals["passed"]) => {
      const shown = of.map(([c, r]) => [c.name, live ? r.why.join("\n") : wordsOf(r)] as const);
      write(`\n${title}:\n\n`);
      for (const [name, words] of shown) if (words) write(`---- ${name} stdout ----\n${words}\n\n`);
      write(`\n${title}:\n${shown.map(([name]) => `    ${name}\n`).join("")}`);
    };
    if (showOutput && passed.length > 0) outputs("successes", passed);
    if (failed.length > 0) outputs("failures", failed);
    const result = failed.length > 0 ? this.paint("FAILED", RED) : this.paint("ok", GREEN);
    write(
      `\ntest result: ${result}. ${passed.length} passed; ${failed.length} failed; ${ignored.length} ignored; 0 measured; ` +
        `${filteredOut} filtered out; finished in ${seconds(guestNs(totals)).toFixed(2)}s\n\n`,
    );
  }
}

/** Results in a line of the terse format. */
const COLUMNS = 88;

/** A character for each case; those that fail on a line of their own. */
class Terse extends Pretty {
  #column = 0;
  #done = 0;
  #all = 0;
  override listed(): string {
    return "";
  }
  override start(cases: readonly Told[]): void {
    this.#all = cases.length;
    super.start(cases);
  }
  override begin(): void {}
  override end(c: Told, { ok }: Result): void {
    if (ok) return this.#mark(this.paint(".", GREEN));
    if (this.#column > 0) this.#progress();
    this.#done++;
    this.to.write(`${c.name} --- ${this.paint("FAILED", RED)}\n`);
  }
  override ignored(): void {
    this.#mark(this.paint("i", YELLOW));
  }
  override finish(totals: Totals): void {
    this.to.write("\n");
    super.finish(totals);
  }
  #mark(text: string): void {
    this.to.write(text);
    this.#done++;
    if (++this.#column === COLUMNS) this.#progress();
  }
  #progress(): void {
    this.to.write(` ${this.#done}/${this.#all}\n`);
    this.#column = 0;
  }
}

/** A line of JSON for each event. */
class Json implements Reporter {
  constructor(readonly to: ReporterOptions) {}
  #line(event: object): void {
    this.to.write(`${JSON.stringify(event)}\n`);
  }
  list(cases: readonly Told[]): void {
    this.#line({ type: "suite", event: "discovery" });
    for (const { name, ignored } of cases) this.#line({ type: "test", event: "discovered", name, ignore: ignored });
    const ignored = cases.filter((c) => c.ignored).length;
    this.#line({ type: "suite", event: "completed", tests: cases.length, benchmarks: 0, total: cases.length, ignored });
  }
  start(cases: readonly Told[]): void {
    this.#line({ type: "suite", event: "started", test_count: cases.length });
  }
  begin({ name }: Told): void {
    this.#line({ type: "test", event: "started", name });
  }
  end({ name }: Told, result: Result): void {
    const stdout = result.ok && !this.to.showOutput ? "" : wordsOf(result), time = { exec_time: seconds(result.guestNs) };
    this.#line({ type: "test", name, event: result.ok ? "ok" : "failed", ...time, ...(stdout ? { stdout: `${stdout}\n` } : {}) });
  }
  ignored({ name }: Told): void {
    this.#line({ type: "test", name, event: "ignored" });
  }
  finish(totals: Totals): void {
    const { passed, failed, ignored, filteredOut } = totals;
    this.#line({
      type: "suite",
      event: failed.length > 0 ? "failed" : "ok",
      passed: passed.length,
      failed: failed.length,
      ignored: ignored.length,
      measured: 0,
      filtered_out: filteredOut,
      exec_time: seconds(guestNs(totals)),
    });
  }
}

/** Nothing but a JUnit document at the end. */
class Junit extends Json {
  override start(): void {}
  override begin(): void {}
  override end(): void {}
  override ignored(): void {}
  override finish(totals: Totals): void {
    this.to.write(junit("test", totals));
  }
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;" };
const xml = (text: string) => text.replace(NO_CHARACTER, "\ufffd").replace(/[&<>"\r]/g, (c) => ENTITIES[c]);
/** In attributes a line break would become a space. */
const attribute = (text: string) => xml(text).replaceAll("\n", "&#10;");

/** A JUnit document as CI systems read it. */
export function junit(suite: string, totals: Totals): string {
  const { passed, failed, ignored } = totals, time = (ns: number) => seconds(ns).toFixed(6);
  const all = [...passed, ...failed, ...ignored.map((c) => [c, undefined] as const)].sort(([a], [b]) => a.name < b.name ? -1 : 1);
  const rows = all.map(([{ name }, result]) => {
    const at = name.lastIndexOf("::"), folder = at < 0 ? suite : `${suite}::${name.slice(0, at)}`;
    const head = `    <testcase classname="${attribute(folder)}" name="${attribute(at < 0 ? name : name.slice(at + 2))}"`;
    if (!result) return `${head} time="0">\n      <skipped/>\n    </testcase>\n`;
    const { ok, output, why, guestNs } = result, out = output === "" ? "" : `      <system-out>${xml(output)}</system-out>\n`;
    const failure = ok ? "" : `      <failure message="${attribute(why[0] ?? "failed")}">${xml(why.join("\n"))}</failure>\n`;
    return `${head} time="${time(guestNs)}"${failure || out ? `>\n${failure}${out}    </testcase>` : "/>"}\n`;
  });
  const counts = `tests="${all.length}" failures="${failed.length}" errors="0" skipped="${ignored.length}" time="${time(guestNs(totals))}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${counts}>\n  <testsuite name="${attribute(suite)}" ${counts}>\n${
    rows.join("")
  }  </testsuite>\n</testsuites>\n`;
}

const REPORTERS: Readonly<Record<Format, new (to: ReporterOptions) => Reporter>> = {
  pretty: Pretty,
  terse: Terse,
  json: Json,
  junit: Junit,
};
export const reporter = (format: Format, to: ReporterOptions): Reporter => new REPORTERS[format](to);
