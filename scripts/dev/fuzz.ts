// The fuzzers of tests/fuzz at length, in chunks with a new seed each: a line for each chunk as it ends, the command that repeats one that found a
// difference, and a closing table. No part of the gate, which runs small doses of the same; run it for an hour before what matters.
// Run: deno task fuzz [--architecture riscv|x86|both] [--minutes N] [--seed S] [--jobs N] [--chunk SECONDS] [--only TEXT] [--list]
//
// --minutes is CPU time for each architecture, shared out by the weights below; --chunk is how much of it one chunk takes at most. The seeds of the
// chunks follow from --seed (one is drawn and printed without it); how many cases a chunk has depends on how fast this machine was, so the
// commands name both. --only takes the fuzzers whose name contains the text. Nothing is kept: what ran, and at which commit, is what is printed.
// A fuzzer that found a difference, crashed, did not end or did not count is not run again, and makes status 1. Ctrl-C ends with the table.
import { parseArgs } from "@std/cli";
import { Random } from "../../tests/fuzz/random.ts";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

export interface Fuzzer {
  readonly architecture: "riscv" | "x86";
  readonly name: string;
  /** The file and its options; --cases and --seed are added. */
  readonly command: string;
  /** Share of the architecture's time. */
  readonly weight: number;
  /** Cases of the first chunk, which finds out how fast it goes, a few seconds; and of any chunk at least. */
  readonly first: number;
}

const row = (architecture: "riscv" | "x86", name: string, weight: number, first: number, file: string, options = ""): Fuzzer => ({
  architecture,
  name,
  command: `tests/fuzz/${file}_fuzz.ts ${options}`.trim(),
  weight,
  first,
});

export const FUZZERS: readonly Fuzzer[] = [
  row("riscv", "IR", 2, 60_000, "engine", "--part ir"),
  row("riscv", "programs RV64", 3, 150_000, "engine", "--part programs --xlen 64"),
  row("riscv", "programs RV32", 3, 150_000, "engine", "--part programs --xlen 32"),
  row("riscv", "blocks RV64", 2, 30_000, "riscv_blocks", "--xlen 64"),
  row("riscv", "blocks RV32", 2, 30_000, "riscv_blocks", "--xlen 32"),
  row("riscv", "rows RV64", 2, 8000, "riscv_rows", "--xlen 64"),
  row("riscv", "rows RV32", 1, 8000, "riscv_rows", "--xlen 32"),
  row("riscv", "floating point, QEMU", 1, 20_000, "softfloat", "--only riscv"),
  row("riscv", "floating point, exact", 1, 200_000, "softfloat", "--only exact"),
  row("riscv", "paged", 1, 6, "paged", "--guests rv"),
  row("x86", "programs, real", 2, 30_000, "x86_programs", "--mode real"),
  row("x86", "programs, flat", 2, 30_000, "x86_programs", "--mode flat"),
  row("x86", "programs, paged", 3, 30_000, "x86_programs", "--mode paged"),
  row("x86", "programs, long", 3, 30_000, "x86_programs", "--mode long"),
  ...[64, 32, 16].flatMap((code) => [
    row("x86", `rows, ${code} bits`, 1, 6000, "x86_rows", `--code ${code}`),
    row("x86", `lines, ${code} bits`, 1, 2000, "x86_rows", `--code ${code} --length 8`),
    row("x86", `engine's rows, ${code} bits`, 0.5, 1500, "x86_rows", `--code ${code} --engine`),
    row("x86", `engine's lines, ${code} bits`, 0.5, 500, "x86_rows", `--code ${code} --engine --length 8`),
  ]),
  row("x86", "rows, segmented", 1, 6000, "x86_rows", "--code 32 --memory segmented"),
  row("x86", "floating point", 1, 100_000, "softfloat", "--only x86"),
  row("x86", "paged", 1, 6, "paged", "--guests x86"),
];

export interface Counts {
  cases: number;
  /** What the guest executed, once, however many ways it was compared; a case of a fuzzer that counts cases alone is one instruction at least. */
  instructions: number;
  differences: number;
}

/** What the closing lines of a fuzzer's output count, each like "RV64: 9000 instructions of 3 programs, ...; 0 differ". Undefined: there is none. */
export function counted(output: string): Counts | undefined {
  const LINE = /^[^:\n]*: (\d+) (?:instructions|cases|draws)\b(?: (?:of|in) (\d+) (?:programs|random blocks|cases))?.* (\d+) differ/gm;
  let sum: Counts | undefined;
  for (const [, count, of, differ] of output.matchAll(LINE)) {
    sum ??= { cases: 0, instructions: 0, differences: 0 };
    sum.cases += Number(of ?? count);
    sum.instructions += Number(count);
    sum.differences += Number(differ);
  }
  return sum;
}

/** What the chunks of one fuzzer came to. */
interface Sum extends Counts {
  readonly fuzzer: Fuzzer;
  readonly seeds: number[];
  cpu: number;
  /** Cases in a second of CPU time, by the last chunk. */
  rate: number;
  running: boolean;
  /** Why it is not run again. */
  over?: string;
}

export interface Options {
  /** Of CPU time, for each architecture. */
  readonly seconds: number;
  readonly seed: number;
  readonly jobs: number;
  /** Seconds of CPU time of a chunk, at most. */
  readonly chunk: number;
  readonly root: string;
  readonly print: (line: string) => void;
  /** When it is aborted, what runs is ended and not counted. */
  readonly signal?: AbortSignal;
}

// A process that goes on for ever is ended by the kernel. `time` counts what its children used, too: QEMU, compilers.
const SCRIPT = 'ulimit -St "$LIMIT"; TIMEFORMAT="%U %S"; time $COMMAND';
/** A chunk may take so many times what was expected, and a minute. The first one is expected to take so many seconds. */
const PATIENCE = 10, FIRST = 10;

async function runChunk(command: string, expected: number, { root, signal }: Options) {
  const child = new Deno.Command("bash", {
    args: ["-c", SCRIPT],
    cwd: root,
    env: { LIMIT: String(Math.ceil(60 + PATIENCE * expected)), COMMAND: `${Deno.execPath()} run -A --no-check ${command}`, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const end = () => {
    try {
      Deno.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  signal?.addEventListener("abort", end);
  const { success, code, stdout, stderr } = await child.output();
  signal?.removeEventListener("abort", end);
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  const [times, user, system] = /(\d+\.\d+) (\d+\.\d+)\s*$/.exec(errors) ?? ["", "0", "0"];
  return { success, code, text: out + errors.slice(0, errors.length - times.length), cpu: Number(user) + Number(system) };
}

const number = (n: number, width = 0) => n.toLocaleString("en-US", { maximumFractionDigits: 0 }).padStart(width);
const line = (f: Fuzzer, seeds: string, { cases, instructions, differences }: Counts, cpu: number) =>
  `${f.architecture.padEnd(6)}${f.name.padEnd(24)}${seeds.padEnd(16)}${number(cases, 13)} cases${number(instructions, 16)} instructions` +
  `${number(differences, 4)} differences${number(cpu, 7)} s`;

/** Runs fuzzers until each architecture has had its time, and prints; the status: 1 when anything differed. */
export async function fuzz(fuzzers: readonly Fuzzer[], o: Options): Promise<number> {
  const sums = fuzzers.map((fuzzer): Sum => ({
    fuzzer,
    seeds: [],
    cpu: 0,
    rate: 0,
    running: false,
    cases: 0,
    instructions: 0,
    differences: 0,
  }));
  const again: string[] = [];
  /** The time that is left to one of those that go on: what others did not take is shared out anew. */
  const left = ({ fuzzer, cpu }: Sum): number => {
    const same = sums.filter((s) => s.fuzzer.architecture === fuzzer.architecture), active = same.filter((s) => !s.over);
    const time = o.seconds - same.reduce((n, s) => n + (s.over ? s.cpu : 0), 0);
    return time * fuzzer.weight / active.reduce((n, s) => n + s.fuzzer.weight, 0) - cpu;
  };
  /** The next to run: who has had least of its share. A rest that is less than a first chunk is left: the fuzzers' floors are for no fewer cases. */
  const next = () =>
    sums.filter((s) => !s.over && !s.running && left(s) * s.rate >= (s.rate && s.fuzzer.first))
      .sort((a, b) => a.cpu / a.fuzzer.weight - b.cpu / b.fuzzer.weight).at(0);

  async function chunk(sum: Sum): Promise<void> {
    const { fuzzer } = sum, { architecture, name } = fuzzer, label = `${architecture} ${name}`;
    // The seed of a chunk depends on its number alone, not on what runs beside it.
    const chunkName = `${o.seed} ${label} ${sum.seeds.length}`,
      hash = [...chunkName].reduce((h, c) => Math.imul(h, 31) + c.charCodeAt(0) | 0, 0);
    const seed = new Random(hash).bits() >>> 1, seconds = sum.rate ? Math.min(o.chunk, left(sum)) : FIRST;
    const cases = sum.rate ? Math.max(fuzzer.first, Math.ceil(sum.rate * seconds)) : fuzzer.first,
      command = `${fuzzer.command} --cases ${cases} --seed ${seed}`;
    const { success, code, text, cpu } = await runChunk(command, seconds, o);
    if (o.signal?.aborted) return;
    sum.cpu += cpu;
    const counts = counted(text);
    if (success && !counts && /skipped/i.test(text)) {
      sum.over = text.trim().split("\n").at(-1)!;
      return o.print(`${label}: ${sum.over}`);
    }
    const { cases: done, instructions, differences } = counts ?? { cases: 0, instructions: 0, differences: 0 };
    // Whatever makes the fuzzer fail is a difference: an exception, a floor that was not reached, a run without an end.
    const failed = !success || !counts ? Math.max(1, differences) : differences;
    sum.seeds.push(seed);
    sum.rate = cases / Math.max(cpu, 0.1);
    sum.cases += done;
    sum.instructions += instructions;
    sum.differences += failed;
    o.print(line(fuzzer, `seed ${seed}`, { cases: done, instructions, differences: failed }, cpu));
    if (!failed) return;
    sum.over = "not run again after a difference";
    again.push(`deno run -A ${command}`);
    o.print(text.trimEnd().split("\n").map((l) => `  ${l}`).join("\n"));
    if (!counts) o.print(`  status ${code}, and it counted nothing`);
    o.print(`  to repeat: ${again.at(-1)}`);
  }

  async function work(): Promise<void> {
    for (let sum = next(); sum && !o.signal?.aborted; sum = next()) {
      sum.running = true;
      await chunk(sum);
      sum.running = false;
    }
  }
  await Promise.all(Array.from({ length: o.jobs }, work));

  o.print(o.signal?.aborted ? "\nInterrupted; what ran until then:" : "");
  for (const architecture of ["riscv", "x86"] as const) {
    const same = sums.filter((s) => s.fuzzer.architecture === architecture);
    if (!same.length) continue;
    for (const s of same) {
      o.print(line(s.fuzzer, `${s.seeds.length} seeds`, s, s.cpu) + (s.over ? `; ${s.over}` : ""));
    }
    const all = (key: keyof Counts | "cpu") => same.reduce((n, s) => n + s[key], 0), seeds = same.reduce((n, s) => n + s.seeds.length, 0);
    const counts = { cases: all("cases"), instructions: all("instructions"), differences: all("differences") };
    o.print(line({ ...same[0].fuzzer, name: "all" }, `${seeds} seeds`, counts, all("cpu")));
  }
  for (const command of again) o.print(`to repeat: ${command}`);
  return again.length ? 1 : o.signal?.aborted ? 130 : 0;
}

/** The commit that is checked out, and whether files differ from it. */
async function commit(): Promise<string> {
  const git = async (...args: string[]) => {
    const { stdout } = await new Deno.Command("git", { args, cwd: ROOT, stderr: "null" }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  const [name, changes] = [await git("rev-parse", "--short", "HEAD"), await git("status", "--porcelain")];
  return (name || "no commit") + (changes ? " with changes" : "");
}

async function main(): Promise<number> {
  const args = parseArgs(Deno.args, {
    string: ["architecture", "minutes", "seed", "jobs", "chunk", "only"],
    boolean: ["list"],
    default: { architecture: "both", minutes: "60", jobs: String(navigator.hardwareConcurrency), chunk: "180", only: "" },
    unknown: (arg) => {
      console.error(`fuzz: unknown argument '${arg}'`);
      Deno.exit(2);
    },
  }) as unknown as Record<string, string | undefined> & { list: boolean };
  const [minutes, jobs, chunk, seed] = [args.minutes, args.jobs, args.chunk, args.seed ?? Math.floor(Math.random() * 2 ** 31)].map(Number);
  if (!["riscv", "x86", "both"].includes(args.architecture!) || !(minutes > 0 && jobs >= 1 && chunk > 0) || !Number.isInteger(seed)) {
    console.error("fuzz: --architecture is riscv, x86 or both; --minutes, --jobs and --chunk are positive; --seed is a whole number");
    return 2;
  }
  const chosen = FUZZERS.filter((f) =>
    (args.architecture === "both" || f.architecture === args.architecture) && `${f.architecture} ${f.name}`.includes(args.only!)
  );
  if (args.list) { for (const f of chosen) console.log(`${f.architecture.padEnd(6)}${f.name.padEnd(24)}${f.command}`); }
  if (args.list || !chosen.length) return chosen.length ? 0 : 2;
  const at = await commit(), abort = new AbortController();
  console.log(`commit ${at}, seed ${seed}, ${minutes} minutes of CPU time for each architecture`);
  Deno.addSignalListener("SIGINT", () => abort.abort());
  const options = { seconds: 60 * minutes, seed, jobs, chunk, root: ROOT, print: console.log, signal: abort.signal };
  const status = await fuzz(chosen, options);
  console.log(`commit ${at}, seed ${seed}: ${["0 differences", "there are differences"][status] ?? "interrupted"}`);
  return status;
}

if (import.meta.main) Deno.exit(await main());
