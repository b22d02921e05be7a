// A worker of `bringup test`: a process that loads test files and runs their tests one at a time, as the runner says on its standard input.
// Arguments: the nonce of its marks, and those that tests shall see.
import { load as loadModule } from "../../core/later.ts";
import { fileUses } from "../../scenario/host.ts";
import { sessionEnds } from "../../scenario/session.ts";
import { Collector, type TestFile } from "./collect.ts";
import { shown } from "./discover.ts";
import { type Answer, type Command, describeError, markOf } from "./protocol.ts";
import type { MachineEnd } from "./results.ts";

const [nonce, ...args] = Deno.args, { stdout, stderr } = Deno, mark = markOf(nonce), encoder = new TextEncoder();
const HERE = new URL(".", import.meta.url).href, OURS = new URL("../../", HERE).href, API = new URL("../mod.ts", OURS).href;
/** What is between a test and the runner, and no place where anything went wrong. */
const BETWEEN = [HERE, new URL("scenario/boot.ts", OURS).href, new URL("std/assert.ts", OURS).href];
const isOwn = (line: string) =>
  BETWEEN.some((file) => line.includes(file)) || line.includes(" at async ") && line.includes(OURS) ||
  /\((?:ext|node):|at (?:ext|node):/.test(line);

function write(to: typeof stdout | typeof stderr, text: string): void {
  const bytes = encoder.encode(text);
  for (let done = 0; done < bytes.length;) done += to.writeSync(bytes.subarray(done));
}

/** The line of the test file that the caller's callers are on; a stack names a file by the URL that it was imported by. */
function lineOf(url: string): number | undefined {
  const frame = (new Error().stack ?? "").split("\n").find((line) => line.includes(`${url}:`));
  const [, line] = frame === undefined ? [] : /:(\d+):\d+\)?$/.exec(frame) ?? [];
  return line === undefined ? undefined : Number(line);
}

const collector = new Collector((e) => describeError(e, isOwn), lineOf), loaded = new Map<string, TestFile>();

/** The file for which something was done last. */
let touched = "";
/** What went wrong where nobody catches it fails the test that runs; while none does it is told instead of the next answer. */
let spoilt = false, stray: Answer["stray"], failTest: ((e: unknown) => void) | undefined;
function uncaught(e: unknown): void {
  spoilt = true;
  if (failTest) failTest(e);
  else stray ??= { url: touched, error: describeError(e, isOwn) };
}

/** Files that machines were made of since they were last told of, and how the machines of the test that runs ended. */
let files = new Set<string>(), machines: MachineEnd[] = [];

async function load(url: string): Promise<Answer> {
  try {
    const file = await collector.load(url);
    loaded.set(url, file);
    return { tests: file.tests.map(({ fn: _, ...declaration }) => declaration) };
  } catch (e) {
    return { error: { ...describeError(e, isOwn), broken: true } };
  }
}

async function run({ url, index, name, digests }: Extract<Command, { do: "run" }>): Promise<Answer> {
  const file = loaded.get(url)!;
  if (file.tests[index]?.name !== name) {
    const message = "the file declares other tests each time it is loaded: this one is not at its place";
    return { error: { type: "Error", broken: true, message, text: message } };
  }
  machines = [];
  sessionEnds.seen = digests ? ({ machine }) => machines.push({ digest: machine.digest(), guestNs: machine.clock.nowNs }) : undefined;
  const failed = new Promise<never>((_, reject) => failTest = reject);
  // Nobody may be listening when it comes.
  failed.catch(() => {});
  try {
    const ran = await file.run(index, failed);
    if (ran.error) {
      // It declares hooks when it is loaded, which is behind the collector.
      const { keepFailure } = await loadModule<typeof import("../../scenario/boot.ts")>("scenario/boot.ts");
      await keepFailure({ script: shown(decodeURIComponent(new URL(url).pathname)), name, error: ran.error.text });
    }
    return { ...ran, ...(digests && { machines }) };
  } finally {
    failTest = undefined;
  }
}

async function answer(command: Command): Promise<Answer> {
  if (stray) return { stray };
  touched = command.url;
  switch (command.do) {
    case "load":
      return await load(command.url);
    case "run":
      return await run(command);
    case "finish":
      return await loaded.get(command.url)!.finish();
  }
}

async function* lines(from: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const part of from.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    text += part;
    for (let end: number; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) yield text.slice(0, end);
  }
}

async function main(): Promise<void> {
  globalThis.addEventListener("error", (e) => (e.preventDefault(), uncaught(e.error)));
  globalThis.addEventListener("unhandledrejection", (e) => (e.preventDefault(), uncaught(e.reason)));
  // Ctrl-C reaches every process of the terminal: the runner decides.
  for (const signal of ["SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
  const exit = Deno.exit,
    refuse = (code?: number) => {
      throw new Error(`the test called Deno.exit(${code ?? ""}), which would end all tests`);
    };
  for (const [name, value] of Object.entries({ exit: refuse, args, test: collector.api })) Object.defineProperty(Deno, name, { value });
  fileUses.seen = (path) => files.add(path);
  // What every script needs, while the runner looks for the files.
  const api = import(API);
  const handle = async (command: Command) => {
    await api;
    const told = await answer(command), used = [...files];
    files = new Set();
    write(stderr, `${mark}\n`);
    write(stdout, `${mark}${JSON.stringify({ ...told, ...(used.length && { files: used }), ...(spoilt && { spoilt }) })}\n`);
  };
  // One at a time comes, and the end of all may come in the midst of a test: the runner is gone, or done with this process.
  for await (const line of lines(Deno.stdin.readable)) handle(JSON.parse(line));
  exit(0);
}

await main();
