// Why a machine has died, or where it is: facts of every processor, and the causes that explain them. Nothing of it is loaded, and nothing is
// counted, while nothing dies: all comes from the state as it is and from the history of exceptions that processors keep anyway.
import type { Cpu } from "../../core/cpu.ts";
import { Later } from "../../core/later.ts";
import { architectureOf, familyOf } from "../architectures.ts";
import { backtraceOf, deepestOf, functionsAt, loadExceptions } from "../backtrace.ts";
import { FIRST_CAUSES, LAST_CAUSES } from "./causes.ts";
import {
  type Cause,
  causesOf,
  type CpuFacts,
  type DeathReport,
  type DeathReporter,
  type Occasion,
  type Resets,
  type Samples,
  type SourceQuote,
  type Subject,
} from "./facts.ts";

export type { DeathReport } from "./facts.ts";

/** Lines of source that are shown around the one that is meant, of so many frames. */
const AROUND = 2, QUOTED = 2;
/** The page of all causes, which has a paragraph for each. */
export const DOCS = "docs/deaths.md";

const REPORTERS = new Map<string, Later<DeathReporter>>();
/** To be awaited before `makeReport` knows anything of processors. */
export async function loadReporters(cpus: readonly Cpu[]): Promise<void> {
  await loadExceptions();
  for (const { arch } of cpus) {
    const family = familyOf(arch), deaths = family === undefined ? undefined : architectureOf({ family }).deaths;
    if (deaths === undefined) continue;
    const later = REPORTERS.get(family!) ?? new Later<DeathReporter>(deaths);
    REPORTERS.set(family!, later);
    await later.load();
  }
}

export interface ReportOptions {
  /** What happened, in a line. */
  readonly headline: string;
  /** The last lines that consoles printed. */
  readonly printed?: readonly string[];
  /** A source file's text; undefined when it is not there. */
  readonly readSource?: (file: string) => string | undefined;
  /** Of each processor, where it was. */
  readonly samples?: readonly Samples[] | undefined;
  /** Those that the guest asked for. */
  readonly resets?: Resets;
}

export function makeReport(subject: Subject, occasion: Occasion, options: ReportOptions): DeathReport {
  const { clock, cpus, stopped } = subject, { resets } = options;
  const examined = cpus.map((cpu) => REPORTERS.get(familyOf(cpu.arch) ?? "")?.now?.examine(cpu, subject, occasion));
  const facts = cpus.map((cpu, n) => cpuFacts(subject, cpu, examined[n]?.facts, options, n));
  const at = culprit(facts, stopped && "pc" in stopped ? stopped.pc : undefined), panic = panicOf(options.printed ?? []);
  const recursion = () => deepestOf(cpus[at], subject.bus, subject.symbols);
  const own = blamed(occasion, facts[at])
    ? examined[at]?.causes({ backtrace: facts[at].backtrace, samples: facts[at].samples, panicked: panic.length > 0, recursion }) ?? []
    : [];
  const common = { occasion, cpu: facts[at], cpus: facts, panic, resets, explained: own.length > 0 };
  const causes = [...causesOf(FIRST_CAUSES, common), ...own, ...causesOf(LAST_CAUSES, common)].map(({ id, says }): Cause => ({
    id,
    says,
    link: `${DOCS}#${id}`,
  }));
  return {
    version: 1,
    occasion,
    headline: options.headline,
    guestNs: clock.nowNs,
    tick: clock.ticks,
    causes,
    cpu: at,
    cpus: facts,
    ...(panic.length ? { panic } : {}),
    ...(resets ? { resets } : {}),
    known: examined.some((e) => e !== undefined),
  };
}

/** What a processor is blamed for: one that is alive may be about to return from its handler. */
function blamed(occasion: Occasion, cpu: CpuFacts): boolean {
  const living = occasion === "demand" || occasion === "exit" || occasion === "failOn";
  const first = cpu.chain[cpu.first];
  return !living || first === undefined || /CPL 0|[SM] ->/.test(first.privilege);
}

/** The processor that has died, else the first with an exception at hand, else the first that runs. */
function culprit(cpus: readonly CpuFacts[], pc: bigint | undefined): number {
  const marks = [
    (c: CpuFacts) => c.mode.includes("shut down"),
    (c: CpuFacts) => pc !== undefined && c.at.address === pc && c.first >= 0,
    (c: CpuFacts) => c.first >= 0,
    (c: CpuFacts) => c.rest === undefined,
  ];
  for (const mark of marks) {
    const n = cpus.findIndex(mark);
    if (n >= 0) return n;
  }
  return 0;
}

function cpuFacts(
  { bus, symbols }: Subject,
  cpu: Cpu,
  known: Omit<CpuFacts, "index" | "arch" | "rest" | "at" | "backtrace" | "source" | "samples"> | undefined,
  { readSource, samples }: ReportOptions,
  n: number,
): CpuFacts {
  const backtrace = backtraceOf(cpu, bus, symbols), [{ name, file, line }] = functionsAt(symbols, cpu.pc).slice(-1);
  const rest = cpu.idle ? cpu.resting ?? "waiting for an interrupt" : undefined;
  return {
    index: cpu.index,
    arch: cpu.arch,
    at: { address: cpu.pc, name, file, line },
    ...(rest === undefined ? {} : { rest }),
    ...known ?? { mode: "", chain: [], before: 0, gap: 0, traps: 0, first: -1, tables: [] },
    backtrace,
    source: readSource ? quotes(backtrace, readSource) : [],
    ...(samples?.[n] ? { samples: samples[n] } : {}),
  };
}

/** The source lines of the first frames that have some. */
function quotes(backtrace: CpuFacts["backtrace"], read: (file: string) => string | undefined): SourceQuote[] {
  const found: SourceQuote[] = [];
  for (const { file, line } of backtrace.flatMap((f) => f.functions)) {
    if (found.length === QUOTED) break;
    if (file === undefined || line === undefined || found.some((q) => q.file === file && q.line === line)) continue;
    const lines = read(file)?.split(/\r?\n/);
    if (!lines || line > lines.length) continue;
    const from = Math.max(1, line - AROUND), to = Math.min(lines.length, line + AROUND);
    found.push({ file, line, lines: lines.slice(from - 1, to).map((text, i) => ({ number: from + i, text: text.trimEnd() })) });
  }
  return found;
}

/** Lines of a panic: Rust's ("panicked at src/main.rs:10:5:" and the message behind), and those of kernels that say so themselves. */
function panicOf(printed: readonly string[]): string[] {
  const n = printed.findLastIndex((line) => /panicked at|\bkernel panic\b|^panic\b|\bPANIC\b/i.test(line));
  if (n < 0) return [];
  return printed.slice(n, n + 3).map((line) => line.trimEnd()).filter((line, i) =>
    line !== "" && (i === 0 || /panicked at .*:\d+:$/.test(printed[n]))
  );
}
