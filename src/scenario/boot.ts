// `boot` starts a machine for a script; `scenario` declares a script that runs as a test and on the command line alike.
import { ConfigError, didYouMean } from "../core/errors.ts";
import { Later, load } from "../core/later.ts";
import type { Channel } from "../core/log.ts";
import { pagesOfAll } from "../machine/pages.ts";
import { createMachine, loadGraph, loadGunzip, type MachineOptions, NeedsGunzip } from "../machine/machine.ts";
import type { Expect, PollOptions } from "./expect/types.ts";
import { collectForgotten, lastSoft, placed, restated, takeForgotten, withSoft } from "./failures.ts";
import type { Failed } from "./failure_folder.ts";
import type { FixtureContext, Fixtures } from "./fixtures.ts";
import { findMachineFile, findShipped, openDisk, openTraces, parseChannels, readFile, TraceLog } from "./host.ts";
import { Images } from "./images.ts";
import type { Shared } from "./shared.ts";
import { loadInspection, loadPeripherals, MachineSession, type SessionOptions } from "./session.ts";

/** The environment variable that names the folder in which tests that fail leave folders; "none": they leave none. */
export const FAILURES_VARIABLE = "BRINGUP_FAILURES";
const FAILING = new Later<typeof import("./failing.ts")>("scenario/failing.ts");
/** The folder that failing tests leave folders in, if any; `otherwise`: where nobody says. */
export function failuresFolder(otherwise?: string): string | undefined {
  const granted = Deno.permissions.querySync({ name: "env", variable: FAILURES_VARIABLE }).state === "granted";
  const folder = granted && Deno.env.get(FAILURES_VARIABLE) || otherwise;
  return folder === "none" ? undefined : folder;
}
/** Leaves the folder of a test that has failed, if that is wanted. */
export async function keepFailure(failed: Failed, m?: MachineSession): Promise<void> {
  const folder = failuresFolder();
  if (folder !== undefined) await FAILING.now?.keep(folder, failed, m);
}

// A forgotten `await` fails its own test, at its end, with the line that forgot it. Ignored outside of `deno test`.
Deno.test.beforeEach?.(async () => {
  collectForgotten();
  FAILING.now?.begin();
  await loadForScripts();
});
Deno.test.afterEach?.(async () => {
  if (FAILING.now) await FAILING.now.keepUnawaited(failuresFolder()!);
  const error = takeForgotten();
  if (error) throw error;
});

export interface BootOptions extends Omit<MachineOptions, "file">, Omit<SessionOptions, "create" | "origin" | "basis"> {
  /** Trace channels for stderr: "irq,trap" or "all". */
  readonly trace?: string;
  /** A file for them instead. */
  readonly traceFile?: string;
  /** File that is written with all that the guest is given. */
  readonly record?: string;
  /** Such a file: the guest is given what it says, and `m.replayed()` runs to its end. */
  readonly recording?: string;
  /** A file that `save` has written: the machine is in that state. Everything else has to be as it was then. */
  readonly load?: string;
}

const OPTIONS: Readonly<Record<keyof BootOptions, true>> = {
  set: true,
  kernel: true,
  initrd: true,
  symbols: true,
  disks: true,
  append: true,
  engine: true,
  tuning: true,
  failOn: true,
  budget: true,
  history: true,
  raw: true,
  replay: true,
  trace: true,
  traceFile: true,
  record: true,
  recording: true,
  load: true,
};

/** Scripts run without a type check as well. @throws {ConfigError} */
function checkOptions(machine: string, options: BootOptions): void {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(OPTIONS, key));
  if (unknown !== undefined) {
    throw new ConfigError(
      `unknown option '${unknown}'${didYouMean(unknown, ["machine", ...Object.keys(OPTIONS)].filter((name) => name !== unknown))}`,
    );
  }
  if (typeof machine !== "string") throw new ConfigError('which machine? `machine` is missing: a machine file, or a name such as "virt"');
}

/**
 * Builds the machine that a file describes and loads the kernel; nothing runs before the first `await` on the session.
 * @throws {ConfigError} the file, an override or an image is wrong.
 */
export async function boot(machineFile: string, options: BootOptions = {}): Promise<MachineSession> {
  const from = new Error();
  try {
    const m = await bootBare(machineFile, options);
    await loadForScripts(m);
    if (failuresFolder() !== undefined) (await FAILING.load()).watch(m, callerPath(from) ?? "script");
    return m;
  } catch (e) {
    // A mistake of the caller's: where this program noticed it tells nobody anything.
    throw e instanceof ConfigError ? placed(e, from) : e;
  }
}

/** The same for the command line, which needs nothing of what scripts do. */
export async function bootBare(machineFile: string, options: BootOptions): Promise<MachineSession> {
  checkOptions(machineFile, options);
  const { failOn, budget, history, raw, replay = replayCommand(), trace, traceFile, record, recording, load: loadFrom, ...rest } = options;
  const channels: ReadonlySet<Channel> = trace ? parseChannels(trace) : new Set();
  const traces = traceFile === undefined ? undefined : openTraces(traceFile);
  const machineOptions = { file: findMachineFile(machineFile), ...rest };
  const graph = await loadGraph(machineOptions, { readFile, openDisk, findShipped, log: new TraceLog(channels, traces) }, true);
  const images = new Images({ mayWrite: recording === undefined });
  const create = (blank: boolean) => {
    const log = new TraceLog(channels, traces);
    const machine = createMachine(machineOptions, { readFile: images.readFile, openDisk: images.openDisk, log }, graph, blank);
    images.made();
    log.nowNs = () => machine.clock.nowNs;
    return machine;
  };
  let machine: ReturnType<typeof create>;
  try {
    machine = create(loadFrom !== undefined);
  } catch (e) {
    if (!(e instanceof NeedsGunzip)) throw e;
    await loadGunzip();
    machine = create(loadFrom !== undefined);
  }
  if (machine.screen || machine.keyboard) await loadPeripherals();
  // Traces disassemble, and the last words after a forbidden pattern run in one go.
  if (trace || failOn?.length) await machine.complete();
  const limits = {
    ...(failOn ? { failOn } : {}),
    ...(budget ? { budget } : {}),
    ...(history === undefined ? {} : { history }),
    ...(raw ? { raw } : {}),
  };
  const { disks, engine } = machine, { readFile: readImage } = images, patterns = (failOn ?? []).map(String);
  const session = new MachineSession(machine, {
    create,
    replay,
    ...limits,
    origin: { machine: machineFile, options: rest, files: images.paths },
    basis: { graph, options: machineOptions, readFile: readImage, disks, pages: pagesOfAll(engine), failOn: patterns },
  });
  if (loadFrom !== undefined) {
    if (recording !== undefined) {
      throw new ConfigError("`load` and `recording` exclude each other: a recording begins where the machine does");
    }
    await session.load(loadFrom);
  }
  if (record !== undefined || recording !== undefined) {
    const { Recorder, replayFile } = await load<typeof import("./record.ts")>("scenario/record.ts");
    if (recording !== undefined) replayFile(session, recording);
    if (record !== undefined) session.recorder = new Recorder(session, record);
  }
  return session;
}

const EXPECT = new Later<{ readonly expect: Expect }>("scenario/expect/mod.ts");
/** Loads what a script needs beside its machine. */
export async function loadForScripts(m?: MachineSession): Promise<void> {
  await EXPECT.load();
  if (m) await loadInspection(m);
}
const ask = (): Expect => {
  if (!EXPECT.now) throw new ConfigError("expect: it is there once a machine has been booted");
  return EXPECT.now.expect;
};

/** Reads well in scripts: `await expect(m.serial).toPrint(/login:/)`. */
export const expect: Expect = Object.assign(<T>(subject: T) => ask()(subject), {
  soft: <T>(subject: T) => ask().soft(subject),
  poll: <T>(m: MachineSession, of: () => T | Promise<T>, options?: PollOptions) => ask().poll(m, of, options),
});

/** A script: what it boots when nobody boots for it, and what it does. */
export interface Scenario {
  readonly name: string;
  readonly machine: string;
  /** Absent: none. */
  readonly tags?: readonly string[];
  readonly options: BootOptions;
  readonly run: (m: MachineSession) => Promise<void>;
}

/** What a script declares. */
export interface Declared extends BootOptions {
  readonly name: string;
  readonly machine: string;
  /** It is not run, and reports say so. */
  readonly ignore?: boolean;
  /** While one is worked on: nothing else is run, and the run is no success. */
  readonly only?: boolean;
  /** Words to choose tests by: "slow" makes "@slow" part of the test's name, so that `--filter @slow` finds it. */
  readonly tags?: readonly string[];
}

/** Declares scripts that are given `F` beside the machine. */
export interface Scenarios<F> {
  /**
   * Declares a script as its module's default export. Under `deno test` (and `bringup test`) it boots `machine` and is a test;
   * with `--scenario FILE` it drives the machine of the command line.
   */
  (declared: Declared, run: (m: MachineSession, fixtures: F) => Promise<void>): Scenario;
  /**
   * Declares scripts that are given more: each function makes one thing, of the machine and of what earlier `extend`s made, before the script
   * runs; what it returns is the script's, and is disposed of behind it.
   */
  extend<G extends Readonly<Record<string, (context: FixtureContext<F>) => unknown>>>(
    fixtures: G,
  ): Scenarios<F & { readonly [K in keyof G]: Awaited<ReturnType<G[K]>> }>;
}

export const scenario: Scenarios<unknown> = scenarios([]);

function scenarios<F>(chain: readonly Fixtures[]): Scenarios<F> {
  const declare: Scenarios<F> = (declared, script) => {
    const { name, machine, ignore = false, only = false, tags = [], ...options } = declared, replay = options.replay ?? replayCommand();
    const path = callerPath() ?? "script";
    const run = chain.length === 0 ? script as Scenario["run"] : async (m: MachineSession) => {
      const { withFixtures } = await load<typeof import("./fixtures.ts")>("scenario/fixtures.ts");
      await withFixtures(chain, m, (m, fixtures) => script(m, fixtures as F));
    };
    const words = tagWords(tags);
    // Deno ignores `Deno.test` outside of `deno test`.
    Deno.test({
      name: [name, ...words].join(" "),
      ignore,
      only,
      fn: async () => {
        try {
          await using m = await boot(machine, { ...options, replay });
          const failed = (error: unknown) => keepFailure({ script: path, name, error }, m);
          try {
            await run(m);
          } catch (e) {
            // A script's own mistake says all itself.
            if (!(e instanceof ConfigError)) await failed(e);
            throw e;
          }
          if (lastSoft()) await failed(lastSoft());
        } catch (e) {
          throw withSoft(e instanceof ConfigError ? restated(e) : e);
        }
      },
    });
    return { name, machine, ...(tags.length ? { tags } : {}), options, run };
  };
  declare.extend = (fixtures) => scenarios([...chain, fixtures]);
  return declare;
}

/**
 * Declares tests that begin where one boot ends: under `deno test` (and `bringup test`) the machine is booted once, `prepare` brings it to where all
 * tests begin, and each of them gets a machine of its own in that state.
 */
export function shared(
  declared: Declared,
  prepare: (m: MachineSession) => Promise<void>,
  tests: Readonly<Record<string, (m: MachineSession) => Promise<void>>>,
): void {
  const { name, machine, ignore = false, only = false, tags = [], ...options } = declared, replay = options.replay ?? replayCommand();
  const path = callerPath() ?? "script";
  let all: Promise<Shared> | undefined;
  const begin = async () => {
    const { Shared } = await load<typeof import("./shared.ts")>("scenario/shared.ts");
    return new Shared(async () => {
      const m = await boot(machine, { ...options, replay });
      await prepare(m);
      m.snapshot();
      return m;
    });
  };
  for (const [test, body] of Object.entries(tests)) {
    Deno.test({
      name: [`${name}: ${test}`, ...tagWords(tags)].join(" "),
      ignore,
      only,
      fn: async () => {
        try {
          await (await (all ??= begin())).with(body);
        } catch (e) {
          if (!(e instanceof ConfigError)) await keepFailure({ script: path, name: `${name}: ${test}`, error: e });
          throw withSoft(e instanceof ConfigError ? restated(e) : e);
        }
      },
    });
  }
}

/** Tags as names of tests have them. @throws {ConfigError} one is no word. */
function tagWords(tags: readonly string[]): string[] {
  const odd = tags.find((tag) => !/^[\w.-]+$/.test(tag));
  if (odd !== undefined) throw new ConfigError(`scenario: a tag is a word, such as "slow", got ${JSON.stringify(odd)}`);
  return tags.map((tag) => `@${tag}`);
}

/** The path of the calling script: the first file of the stack that is not part of this folder. */
function callerPath(from = new Error()): string | undefined {
  const here = new URL(".", import.meta.url).href, shipped = new URL("../../mod.ts", import.meta.url).href;
  const frame = [...(from.stack ?? "").matchAll(/(file:\/\/[^\s)]+?):\d+:\d+/g)].map((m) => m[1]).find((f) =>
    !f.startsWith(here) && f !== shipped
  );
  if (!frame) return undefined;
  const path = decodeURIComponent(new URL(frame).pathname), cwd = Deno.cwd() + "/";
  return path.startsWith(cwd) ? path.slice(cwd.length) : path;
}
/** The command that runs it again. */
function replayCommand(): string {
  const path = callerPath();
  return path === undefined ? "run the script again" : `deno test -A ${path}`;
}
