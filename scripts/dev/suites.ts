// Conformance suites that are not ours: runs what somebody has built of them in cache/suites, which git ignores, and compares with the lists in
// `suites/*.toml` beside this file. Nothing of the suites is kept here but names and results.
// Run: deno run -A scripts/dev/suites.ts [SUITE...] [--only PATTERN] [--engine interp|jit] [--threshold N] [--jobs N] [--folder DIR] [--lists DIR]
//
// One line for each result that is not the expected one, with --verbose the end of what that test printed; then what was run. The status is 0
// when every result was the expected one, and every file was there.
import { parseArgs } from "@std/cli";
import { parse } from "@std/toml";
import { basename, dirname, join } from "@std/path";
import { boot, type BootOptions, type MachineSession, ScenarioTimeout, type Stop } from "../../mod.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
export const LISTS = join(import.meta.dirname!, "suites");
const DEFAULT_GUEST = "60s", DEFAULT_WALL = "30m", TAIL_LINES = 12;
/** A value of `set`: the test's file, which then is no kernel. */
const FILE_HERE = "{file}";

/** What tests of a suite share. */
export interface Group {
  /** Names, with alternatives in braces: "rv64ui-{p,v}-{add,sub}"; a "*" at a file's end or beginning stands for all that are there. */
  readonly tests: readonly string[];
  /** Where a test's image is in the suite's folder; "{test}" is its name. */
  readonly file: string;
  /** A shipped machine, or a file beside the list. */
  readonly machine: string;
  readonly set?: Readonly<Record<string, unknown>>;
  readonly append?: string;
  /** Other images in the suite's folder. */
  readonly disks?: readonly string[];
  readonly judge: keyof typeof JUDGES;
  /** exit: what a status means. */
  readonly codes?: Readonly<Record<string, number>>;
  /** says: what it prints, each time answered by the next. */
  readonly steps?: readonly string[];
  readonly failOn?: readonly string[];
  /** prints: the file of the suite with all that it must print; "{test}" is the test's name. */
  readonly reference?: string;
  /** post: the codes in their order, in hexadecimal. */
  readonly post?: string;
  /** The outcome, "pass" unless it is given; any other has its reason. */
  readonly expect?: string;
  readonly because?: string;
  /** What QEMU 7.2 (TCG) makes of it, where that is something else. */
  readonly qemu?: string;
  /** Limits of one test, of guest and of wall time. */
  readonly guest?: string;
  readonly wall?: string;
}

export interface Suite {
  readonly name: string;
  /** Below cache/suites. */
  readonly folder: string;
  readonly groups: readonly Group[];
}

/** One run. */
export interface Test {
  readonly name: string;
  readonly group: Group;
  /** Of the suite. */
  readonly folder: string;
}

export interface Tuning {
  readonly engine?: "interp" | "jit";
  readonly threshold?: number;
}

export interface Outcome {
  readonly outcome: string;
  /** The end of what it printed. */
  readonly tail: string;
  readonly ms: number;
}

/** "a-{b,c}" are a-b and a-c. */
export function expand(text: string): string[] {
  const at = /\{([^{}]*)\}/.exec(text);
  if (!at) return [text];
  return at[1].split(",").flatMap((part) => expand(text.slice(0, at.index) + part + text.slice(at.index + at[0].length)));
}

/** A list from its file. @throws {Error} it is none. */
export function readList(path: string): Suite {
  const { folder, group } = parse(Deno.readTextFileSync(path)) as unknown as { folder: string; group: Group[] };
  const wrong = (why: string) => new Error(`${path}: ${why}`);
  if (typeof folder !== "string" || !Array.isArray(group)) throw wrong("a list has a `folder` and [[group]]s");
  for (const { tests, file, machine, judge, expect = "pass", because } of group) {
    const where = String(tests?.[0]);
    if (!tests?.length || !file || !machine) throw wrong(`the group of ${where} needs \`tests\`, \`file\` and \`machine\``);
    if (!Object.hasOwn(JUDGES, judge)) throw wrong(`the group of ${where}: no judge '${judge}', only ${Object.keys(JUDGES).join(", ")}`);
    if ((expect === "pass") !== (because === undefined)) {
      throw wrong(`the group of ${where}: \`because\` belongs to any \`expect\` but "pass"`);
    }
  }
  return { name: basename(path, ".list.toml"), folder, groups: group };
}

/** The tests of a suite that is below the folder `suites`; a name with a "*" stands for those whose files are there. */
export function testsOf(suite: Suite, suites: string): Test[] {
  const folder = join(suites, suite.folder);
  return suite.groups.flatMap((group) =>
    group.tests.flatMap(expand).flatMap((name) => name.includes("*") ? present(folder, group.file, name) : [name]).map((name) => ({
      name,
      group,
      folder,
    }))
  );
}

/** The names that a name with a "*" stands for; when there are none, itself, whose file will be missed. */
function present(folder: string, file: string, name: string): string[] {
  const path = join(folder, file.replaceAll("{test}", name)), [before, after] = basename(path).split("*");
  try {
    const files = [...Deno.readDirSync(dirname(path))].map((entry) => entry.name).filter((f) => f.startsWith(before) && f.endsWith(after));
    if (files.length > 0) return files.sort().map((f) => name.replace("*", f.slice(before.length, f.length - after.length)));
  } catch {
    // The folder is not there.
  }
  return [name];
}

const inFolder = ({ name, folder }: Test, file: string) => join(folder, file.replaceAll("{test}", name));
const fileOf = (test: Test) => inFolder(test, test.group.file);

/** How a test's outcome is found: "pass", or what it was instead. */
const JUDGES = {
  /** HTIF: 1 in the ELF's `tohost` is success, else the test's number is above bit 0. */
  async tohost(m: MachineSession): Promise<string> {
    const address = Number(m.machine.symbols.address("tohost")!), SLICE = 20_000;
    const limit = m.nowNs + 10e9;
    while (m.nowNs < limit) {
      const stop = await m.run({ instructions: SLICE });
      const value = m.machine.bus.read(address, 4) >>> 0;
      if (value !== 0) return value === 1 ? "pass" : `fail ${value >>> 1}`;
      if (stop.kind !== "budget") return stop.kind;
    }
    return "no end";
  },
  /** The status that it ends with. */
  async exit(m: MachineSession, { group: { codes = {} } }: Test): Promise<string> {
    const stop: Stop = await m.stopped();
    if (stop.kind !== "exit") return stop.kind;
    return Object.keys(codes).find((name) => codes[name] === stop.code) ?? `status ${stop.code}`;
  },
  /** A conversation on the console. */
  async says(m: MachineSession, { group: { steps = [] } }: Test): Promise<string> {
    for (let i = 0; i < steps.length; i++) {
      if (i % 2 === 0) await m.serial.toPrint(steps[i]);
      else await m.serial.send(steps[i]);
    }
    return "pass";
  },
  /** It ends, and the console has what the reference has. */
  async prints(m: MachineSession, test: Test): Promise<string> {
    const reference = Deno.readTextFileSync(inFolder(test, test.group.reference!)).trim().split(/\r?\n/);
    await m.stopped();
    const printed = m.serial.text().trim().split(/\r?\n/), differ = reference.flatMap((line, i) => line === printed[i] ? [] : [i]);
    if (differ.length > 0) {
      return `line ${differ[0] + 1} is '${printed[differ[0]] ?? ""}', not '${reference[differ[0]]}'; ${differ.length} differ`;
    }
    return printed.length === reference.length ? "pass" : `${printed.length} lines, not ${reference.length}`;
  },
  /** It ends behind all codes on the console "post" and, if there is a reference, has printed that. */
  async post(m: MachineSession, test: Test): Promise<string> {
    const seen: string[] = [], { post = "", reference } = test.group;
    m.consoles.get("post")!.onByte = (code) => seen.push(code.toString(16).padStart(2, "0"));
    if (reference) {
      const outcome = await JUDGES.prints(m, test);
      if (outcome !== "pass") return outcome;
    } else await m.stopped();
    return seen.join(" ") === post ? "pass" : `codes ${seen.join(" ")}`;
  },
};

/** Runs one test. */
export async function runTest(test: Test, { engine, threshold }: Tuning): Promise<Outcome> {
  const { group } = test, started = performance.now();
  const ended = (outcome: string, text = ""): Outcome => ({
    outcome,
    tail: text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n"),
    ms: performance.now() - started,
  });
  const file = fileOf(test), missing = [file, ...(group.disks ?? []).map((d) => inFolder(test, d))].find((path) => !exists(path));
  if (missing) return ended(`no file ${missing}`);
  const beside = join(LISTS, group.machine);
  const set = Object.entries(group.set ?? {}), isKernel = !set.some(([, value]) => value === FILE_HERE);
  const options: BootOptions = {
    ...(isKernel ? { kernel: file } : {}),
    set: Object.fromEntries(set.map(([key, value]) => [key, value === FILE_HERE ? file : value])),
    history: 1 << 26,
    budget: { guest: group.guest ?? DEFAULT_GUEST, wall: group.wall ?? DEFAULT_WALL },
    ...(group.append !== undefined ? { append: group.append } : {}),
    ...(group.disks ? { disks: group.disks.map((disk) => inFolder(test, disk)) } : {}),
    ...(group.failOn ? { failOn: group.failOn } : {}),
    ...(engine ? { engine } : {}),
    ...(threshold !== undefined ? { tuning: { threshold } } : {}),
  };
  let m: MachineSession | undefined;
  try {
    m = await boot(exists(beside) ? beside : group.machine, options);
    return ended(await JUDGES[group.judge](m, test), m.serial.text());
  } catch (e) {
    if (e instanceof ScenarioTimeout) return ended(`no end in ${group.guest ?? DEFAULT_GUEST}`, m?.serial.text());
    return ended((e as Error).message.split("\n")[0], m?.serial.text());
  } finally {
    await m?.[Symbol.asyncDispose]();
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Runs tests on `jobs` workers; `each` hears of every outcome. */
export async function runAll(
  tests: readonly Test[],
  tuning: Tuning,
  jobs: number,
  each: (test: Test, outcome: Outcome) => void,
): Promise<void> {
  let next = 0;
  const one = async () => {
    const worker = new Worker(new URL("suites_worker.ts", import.meta.url), { type: "module" });
    while (next < tests.length) {
      const test = tests[next++];
      const answer = new Promise<Outcome>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (e) => reject(new Error(`${test.name}: ${e.message}`));
      });
      worker.postMessage({ test, tuning });
      each(test, await answer);
    }
    worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.min(jobs, tests.length) }, one));
}

/** Runs a suite and says what was not as expected. Returns whether all was. */
async function runSuite(suite: Suite, tests: readonly Test[], tuning: Tuning, jobs: number, verbose: boolean): Promise<boolean> {
  const terminal = Deno.stderr.isTerminal(), started = performance.now(), reasons = new Map<string, number>();
  let done = 0, passed = 0, wrong = 0;
  await runAll(tests, tuning, jobs, ({ name, group: { expect = "pass", because } }, { outcome, tail, ms }) => {
    done++;
    if (outcome !== expect) {
      wrong++;
      console.log(`${suite.name} ${name}: ${outcome}; expected ${expect}${verbose ? `\n${tail.replaceAll(/^/gm, "    ")}` : ""}`);
    } else if (because === undefined) passed++;
    else reasons.set(because, (reasons.get(because) ?? 0) + 1);
    const progress = `${suite.name} ${done}/${tests.length} ${name} (${(ms / 1000).toFixed(1)} s)`;
    if (terminal) Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${done < tests.length ? progress : ""}`));
    else if (verbose || done % 100 === 0) console.error(progress);
  });
  const known = [...reasons].map(([because, count]) => `, ${count} not: ${because}`).join("");
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${suite.name}: ${done} run, ${passed} pass${known}, ${wrong} not as expected; ${seconds} s`);
  return wrong === 0;
}

async function main(args: string[]): Promise<number> {
  const options = parseArgs(args, {
    string: ["only", "engine", "threshold", "jobs", "folder", "lists"],
    boolean: ["verbose"],
    default: { jobs: "1", folder: join(ROOT, "cache", "suites"), lists: LISTS },
  });
  const { engine } = options, named = options._.map(String);
  const text = (name: string) => String(options[name] ?? ""), lists = text("lists"), folder = text("folder");
  if (engine !== undefined && engine !== "interp" && engine !== "jit") {
    return fail(`--engine: there is no engine '${engine}'; expected interp or jit`);
  }
  const known = [...Deno.readDirSync(lists)].map(({ name }) => name).filter((n) => n.endsWith(".list.toml"))
    .map((n) => n.slice(0, -".list.toml".length)).sort();
  const unknown = named.find((name) => !known.includes(name));
  if (unknown !== undefined) return fail(`there is no suite '${unknown}', only ${known.join(", ")}`);
  const tuning: Tuning = {
    ...(engine ? { engine } : {}),
    ...(options.threshold !== undefined ? { threshold: Number(options.threshold) } : {}),
  };
  const only = new RegExp(text("only"));
  let good = true;
  for (const name of named.length ? named : known) {
    const suite = readList(join(lists, `${name}.list.toml`));
    const tests = testsOf(suite, folder).filter((test) => only.test(test.name));
    try {
      Deno.statSync(join(folder, suite.folder));
    } catch {
      // Who names a suite wants it to have run.
      console.log(`${name}: skipped, there is no ${join(folder, suite.folder)}`);
      good &&= named.length === 0;
      continue;
    }
    good = await runSuite(suite, tests, tuning, Number(options.jobs), options.verbose === true) && good;
  }
  return good ? 0 : 1;
}

function fail(text: string): number {
  console.error(text);
  return 2;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
