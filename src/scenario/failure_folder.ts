// The folder that a failing script leaves: all that tells why, and a recording that runs to the failure again. Loaded when a script has failed.
import { formatNs } from "./duration.ts";
import { osMessage, shellQuote } from "./host.ts";
import { describeRest, loadBacktrace, whereabouts } from "./machine_like.ts";
import { recordingOf } from "./record.ts";
import type { Report } from "./reporting.ts";
import type { MachineSession } from "./session.ts";
import { timelineAgain } from "./timeline.ts";
import { pageOf } from "./timeline_facts.ts";

/** So often a folder is given its name, while other runs do the same. */
const TRIES = 10;

/** What failed. */
export interface Failed {
  /** The script's path, and what the test is called in it. */
  readonly script: string;
  readonly name: string;
  readonly error: unknown;
}

/** A name for files of what may have any name: readable, and another one for another. */
export function fileNameOf(script: string, name: string): string {
  const whole = `${script} ${name}`, base = script.replace(/^.*\//, "").replace(/(?:\.scenario|_test|\.test)?\.[jt]sx?$/, "");
  const words = `${base} ${name}`.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  let hash = 0x811c_9dc5;
  for (let i = 0; i < whole.length; i++) hash = Math.imul(hash ^ whole.charCodeAt(i), 0x0100_0193) >>> 0;
  return `${words || "test"}-${hash.toString(16).padStart(8, "0")}`;
}

/** A console's name as one of a file. */
const plainName = (name: string) => name.replace(/[^\w.-]/g, "_");
/** The program, as somebody in this folder calls it. */
function program(): string {
  const api = decodeURIComponent(new URL("../../mod.ts", import.meta.url).pathname), here = `${Deno.cwd()}/`;
  return `deno run -A ${shellQuote(api.startsWith(here) ? api.slice(here.length) : api)}`;
}
const messageOf = (e: unknown) => e instanceof Error ? `${e.name}: ${e.message}` : String(e);
const reason = (e: unknown) => (e instanceof Error ? osMessage(e) : String(e)).split("\n")[0];

/**
 * Leaves a folder in `dir`, in the place of the one that an earlier run has left, and returns what is to be said of it. Nothing is thrown: a test
 * has failed, and that is what has to be told.
 */
export async function leaveFolder(session: MachineSession, dir: string, failed: Failed): Promise<string[]> {
  if (Deno.permissions.querySync({ name: "write", path: dir }).state !== "granted") {
    return [`no folder of the failure is left: it needs --allow-write=${dir}`];
  }
  const name = fileNameOf(failed.script, failed.name),
    folder = `${dir.replace(/\/+$/, "")}/${name}`,
    work = `${folder}.${crypto.randomUUID()}`;
  try {
    session.freeze();
    const again = await fill(session, work, folder, failed);
    replaceFolder(folder, work);
    return [`kept in: ${folder}/`, ...again];
  } catch (e) {
    try {
      Deno.removeSync(work, { recursive: true });
    } catch {
      // Nothing was written.
    }
    return [`no folder of the failure is left in ${dir}: ${reason(e)}`];
  }
}

/** Gives `work` the name of a folder, which it replaces. */
export function replaceFolder(folder: string, work: string): void {
  for (let tries = 1;; tries++) {
    try {
      removeIfThere(folder);
      return Deno.renameSync(work, folder);
    } catch (e) {
      // Another run of the same test has removed it, too, or put its own there in between: the last one stays.
      if (tries === TRIES) throw e;
    }
  }
}
function removeIfThere(folder: string): void {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (e) {
    if (!(e instanceof Deno.errors.NotFound)) throw e;
  }
}

/** Writes everything below `work`, which becomes `folder`; what cannot be made is said and left out. */
async function fill(session: MachineSession, work: string, folder: string, { script, name, error }: Failed): Promise<string[]> {
  const said: string[] = [];
  const write = (file: string, content: string | Uint8Array) => {
    Deno.writeFileSync(`${work}/${file}`, typeof content === "string" ? new TextEncoder().encode(content) : content);
  };
  const attempt = async (what: string, work: () => void | Promise<void>) => {
    try {
      await work();
    } catch (e) {
      if (e instanceof Deno.errors.PermissionDenied || e instanceof Deno.errors.NotCapable) throw e;
      said.push(`without ${what}: ${reason(e)}`);
    }
  };
  Deno.mkdirSync(work, { recursive: true });
  for (const console of session.consoles.values()) write(`${plainName(console.name)}.txt`, console.text());
  await attempt("a picture of the screen", async () => {
    if (!session.hasScreen) return;
    const text = session.screen.text();
    if (text) write("screen.txt", `${text}\n`);
    write("screen.png", await session.screen.png());
  });
  let again: string | undefined;
  await attempt("a recording", () => {
    write("inputs.rec", recordingOf(session, { status: 1, why: messageOf(error).split("\n")[0] }));
    again = `${program()} --replay ${shellQuote(`${folder}/inputs.rec`)}`;
  });
  await attempt("a snapshot", () => session.save(`${work}/state.snap`));
  let report: Report | undefined = Object(Object(error).details).report;
  await attempt("a report on the machine", async () => void (report ??= await session.report()));
  await attempt("a timeline", async () => {
    const how = { title: `${script}: ${name}`, verdict: messageOf(error).split("\n")[0], failed: true };
    const text = [messageOf(error), ...again ? [`again: ${again}`] : [], "", report?.text ?? ""].join("\n");
    write("report.html", await pageOf(session, await timelineAgain(session), { ...how, report: text }));
  });
  await loadBacktrace();
  const replay = again === undefined ? [] : [`again: ${again} (with --gdb it stops at the failure)`];
  write("report.txt", [`${script}: ${name}`, messageOf(error), ...replay, ...said, "", report?.text ?? ""].join("\n"));
  write(
    "report.json",
    JSON.stringify(
      { ...factsOf(session, error), script, name, replay: again, ...(report && { report: JSON.parse(report.json) }) },
      plain,
      1,
    ) + "\n",
  );
  return [...replay, ...said];
}

/** What programs may want to know of a failure. */
function factsOf({ machine, options, steps, inputs, inputsForgotten }: MachineSession, error: unknown) {
  const { transcript: _, report: __, ...details } = Object(Object(error).details) as Record<string, unknown>;
  return {
    version: 1,
    machine: options.origin?.machine,
    options: options.origin?.options,
    error: { name: error instanceof Error ? error.name : "Error", message: error instanceof Error ? error.message : String(error) },
    details,
    tick: machine.age,
    guestTime: formatNs(machine.clock.nowNs),
    guestNs: machine.clock.nowNs,
    digest: machine.digest(),
    cpus: machine.cpus.map((cpu) => ({ index: cpu.index, pc: cpu.pc, ...whereabouts(machine, cpu), rest: describeRest(cpu) })),
    steps,
    inputs: { entries: inputs.length, forgotten: inputsForgotten },
  };
}
const plain = (_: string, v: unknown) => typeof v === "bigint" ? `0x${v.toString(16)}` : v;
