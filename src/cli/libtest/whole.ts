// Kernels whose file tells of no cases: they are run once, as a whole, and what they print tells; one that prints none is a case itself, such as
// the binaries of "Writing an OS in Rust" with `harness = false`.
import type { TestCase } from "../../machine/test_cases.ts";
import type { Duration } from "../../scenario/duration.ts";
import { ScenarioFailure } from "../../scenario/failures.ts";
import type { Stop } from "../../machine/stop.ts";
import type { MachineSession } from "../../scenario/session.ts";
import type { Result } from "./formats.ts";
import { printedCases } from "./printed.ts";
import { alone, panics, passes, type Suite, type SuiteOptions, Transcript, whyNot } from "./suites.ts";
import { runTo } from "./calls.ts";

/** Runs a machine to its end: what it printed, and why that is no success, if it is none. */
async function toEnd(m: MachineSession, timeout: Duration, live: (text: string) => void) {
  const transcript = new Transcript(alone(m), live);
  let why: readonly string[] = [], stop: Stop | undefined;
  try {
    stop = await runTo(m, new Set(), timeout);
    if (!passes(stop)) why = await whyNot(m, stop, timeout);
  } catch (e) {
    if (!(e instanceof ScenarioFailure)) throw e;
    why = [e.message.split("\n")[0]];
  }
  await m[Symbol.asyncDispose]();
  return { transcript, why, stop };
}

/** Runs a kernel to its end and tells how its cases, or it, have ended. */
export async function runWhole(name: string, { boot, timeout }: SuiteOptions, live: (text: string) => void): Promise<Suite> {
  const m = await boot(), { transcript, why: given, stop } = await toEnd(m, timeout, live);
  // As a plain run has it: a reset that ends it is no failure.
  const why = stop?.kind === "reset" ? [] : given;
  const printed = printedCases(transcript.text),
    failed = printed.filter((c) => c.outcome === "failed"),
    results = new Map<string, Result>();
  const cases: TestCase[] = [];
  const add = (name: string, ignored: boolean, result: Result) => {
    // A name that comes twice is told apart.
    for (let n = 2, given = name; results.has(name); n++) name = `${given}#${n}`;
    cases.push({ name, ignored, shouldPanic: false, entry: 0n });
    results.set(name, result);
  };
  for (const c of printed) {
    // The last of those that failed is the one that the kernel ended with.
    const ok = c.outcome !== "failed", reasons = ok ? [] : c === failed.at(-1) && why.length > 0 ? why : ["the kernel says so"];
    add(c.name, c.outcome === "ignored", { ok, output: c.output, why: reasons, guestNs: 0 });
  }
  if (printed.length === 0 || (why.length > 0 && failed.length === 0)) {
    add(name, false, { ok: why.length === 0, output: why.length ? transcript.shown : transcript.text, why, guestNs: m.nowNs });
  }
  return { cases, prepare: () => Promise.resolve(), run: (c) => Promise.resolve(results.get(c.name)!) };
}

/** Cases of a kernel that chooses one itself: each is a whole run, of a machine that is told which. */
export class SelectedSuite implements Suite {
  constructor(
    readonly cases: readonly TestCase[],
    readonly timeout: Duration,
    readonly boot: (name: string) => Promise<MachineSession>,
  ) {}
  prepare(): Promise<void> {
    return Promise.resolve();
  }
  async run(c: TestCase, live: (text: string) => void): Promise<Result> {
    const limit = c.timeoutNs === undefined ? this.timeout : `${c.timeoutNs / 1e6}ms`;
    const m = await this.boot(c.name), { transcript, why, stop } = await toEnd(m, limit, live), { text } = transcript;
    const own = printedCases(text).find(({ name }) => name === c.name), said = own?.outcome === "failed";
    const done = (ok: boolean, why: readonly string[]): Result => ({ ok, output: ok ? text : transcript.shown, why, guestNs: m.nowNs });
    // A kernel that prints its results may end by a reset.
    const reasons = why.length > 0 && !(own && stop?.kind === "reset") ? why : said ? ["the kernel says so"] : [];
    if (!c.shouldPanic) return done(reasons.length === 0, reasons);
    const panicked = said || panics(stop, text);
    return done(panicked, panicked ? [] : reasons.length > 0 ? reasons : ["it did not panic, and should have"]);
  }
}
