// `bringup MACHINE.toml [KERNEL]`: runs a machine with this process's terminal or pipes as its console, and maps its end to the exit
// status.
import { load } from "../core/later.ts";
import type { Stop } from "../machine/stop.ts";
import { boot, bootBare, failuresFolder, type Scenario } from "../scenario/boot.ts";
import { describeStop } from "../scenario/failures.ts";
import type { MachineSession } from "../scenario/session.ts";
import { drive, watch } from "./ends.ts";
import type { CommandLine } from "./options.ts";
import { CannotWrite, writeAll, writeText } from "./output.ts";
import { makePlan, type Plan, withLimitsOf } from "./plan.ts";
import { TerminalHost } from "./terminal_host.ts";

/** What is other than the command line says it: the statuses of a stop and of a signal, and whether a pipe on stdin has Ctrl-A commands. */
export interface How {
  readonly statusOf?: (stop: Stop) => number;
  readonly signalStatus?: number;
  readonly commands?: boolean;
}

/** Options that name a file that is written. */
const WRITING = ["record", "save", "timeline", "report", "screenshot", "trace-file", "serial"];

/** Runs the machine and returns the exit status. @throws {ConfigError} nothing was started. */
export async function run(line: CommandLine, { statusOf, signalStatus, commands }: How = {}): Promise<number> {
  if (line.values.trace === "help") return await printChannels();
  const replaying = line.values.replay === undefined ? undefined : await load<typeof import("./replaying.ts")>("cli/replaying.ts");
  const plan = replaying?.replayPlan(line) ?? makePlan(line);
  if (WRITING.some((name) => line.values[name] !== undefined)) {
    (await load<typeof import("./clashes.ts")>("cli/clashes.ts")).checkClashes(plan, line.values.replay as string | undefined);
  }
  const script = plan.scenario === undefined ? undefined : await loadScript(plan.scenario);
  if (typeof script === "number") return script;
  const scenario = script?.run;
  if (script) plan.boot = withLimitsOf(script, plan.boot, line.values.timeout !== undefined);
  const started = performance.now(), saves = plan.save === undefined ? undefined : (await saving()).prepareSave(plan.save);
  const session = await (scenario ? boot : bootBare)(plan.machine, plan.boot);
  const screenshot = await prepareScreen(session, plan);
  const report = plan.report === undefined
    ? undefined
    : (await load<typeof import("./report.ts")>("cli/report.ts")).openReport(plan.report);
  const bounded = plan.boot.budget?.guest !== "none";
  const serial = plan.serial.length > 0 ? await load<typeof import("./serial.ts")>("cli/serial.ts") : undefined;
  const host = new TerminalHost(session, {
    feed: scenario === undefined && !replaying,
    serial: serial && ((onActivity) => serial.openPorts(session, plan.serial, onActivity)),
    hint: plan.hint,
    raw: plan.boot.raw === true,
    commands,
    signalStatus,
    display: plan.display ? await load<typeof import("./display.ts")>("cli/display.ts") : undefined,
    jump: bounded || plan.expect.length > 0,
    bounded,
  });
  const timeline = plan.timeline === undefined
    ? undefined
    : await (await load<typeof import("./timeline.ts")>("cli/timeline.ts")).openTimeline(session, plan.timeline);
  if (scenario) session.trail ??= [];
  if (plan.record !== undefined) {
    const { Recorder } = await load<typeof import("../scenario/record.ts")>("scenario/record.ts");
    const what = `${plan.record}: --record: cannot be written`;
    session.recorder = new Recorder(session, plan.record, (file, bytes) => void writeAll(file, bytes, what));
  }
  let status: number;
  try {
    const gdb = plan.gdbPort === undefined ? undefined : await serveGdb(session, plan.gdbPort, plan, host);
    host.start();
    if (plan.boot.load !== undefined) (await saving()).showLine(session, plan);
    const work = replaying ? replaying.watchReplay(session, plan.until, host.output, gdb) : scenario
      ? drive(
        session,
        scenario,
        host.output,
        async (error) => {
          const folder = plan.failures === "none" ? undefined : plan.failures ?? failuresFolder("bringup-failures");
          if (folder === undefined) return [];
          const { leaveFolder } = await load<typeof import("../scenario/failure_folder.ts")>("scenario/failure_folder.ts");
          return await leaveFolder(session, folder, { script: plan.scenario!, name: script.name, error });
        },
      )
      : watch(session, plan.expect, host.output, statusOf);
    status = await host.race(work);
    session.recorder?.end({ status, ...(session.stop && { why: describeStop(session.stop).split("\n")[0] }) });
    await gdb?.close(status);
  } finally {
    // What the guest wrote is kept whatever else goes wrong, and the terminal is given back even when that cannot be.
    try {
      session.machine.disks?.flush();
    } finally {
      host.close();
      await host.ports?.close();
    }
  }
  if (host.output.failed) throw new CannotWrite(host.output.failed);
  await screenshot?.(session);
  await timeline?.(status, script ? `${plan.scenario}: ${script.name}` : [plan.machine, plan.boot.kernel].filter(Boolean).join(" "));
  await report?.(session);
  await saves?.(session, plan, status, host.output);
  if (plan.stats) await printStatistics(session, performance.now() - started);
  return status;
}

async function printChannels(): Promise<number> {
  const { channelText } = await load<typeof import("./help.ts")>("cli/help.ts");
  writeText(Deno.stdout, channelText() + "\n");
  return 0;
}

async function loadScript(path: string): Promise<Scenario | number> {
  return await (await load<typeof import("./script.ts")>("cli/script.ts")).loadScript(path);
}

async function prepareScreen(session: MachineSession, plan: Plan): Promise<((session: MachineSession) => Promise<void>) | undefined> {
  if (!plan.display && plan.screenshot === undefined) return undefined;
  const { checkScreen, openScreenshot } = await load<typeof import("./screenshot.ts")>("cli/screenshot.ts");
  checkScreen(session, plan);
  return plan.screenshot === undefined ? undefined : openScreenshot(plan.screenshot);
}

const saving = () => load<typeof import("./saving.ts")>("cli/saving.ts");

async function serveGdb(session: MachineSession, port: number, { wait, gdbArch: arch }: Plan, host: TerminalHost) {
  const { serveGdb } = await load<typeof import("../debug/gdb.ts")>("debug/gdb.ts");
  const onMessage = (text: string) => host.output.note(`bringup: ${text}`);
  await session.machine.complete?.();
  return host.debugger = await serveGdb(session, { port, wait, arch, onQuit: () => host.quit(0), onMessage });
}

async function printStatistics(session: MachineSession, wallMs: number): Promise<void> {
  const { statistics } = await load<typeof import("./stats.ts")>("cli/stats.ts");
  writeText(Deno.stderr, statistics(session.machine, wallMs));
}
