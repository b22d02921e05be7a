// `bringup MACHINE.toml [KERNEL]`: runs a machine with this process's terminal or pipes as its console, and maps its end to the exit
// status.
import { ConfigError, didYouMean } from "../core/errors.ts";
import { lazy } from "../core/lazy.ts";
import { JIT_OPTIONS, type JitOption } from "../machine/machine.ts";
import type { Stop } from "../machine/stop.ts";
import { boot, type BootOptions, type Scenario } from "../scenario/boot.ts";
import { formatNs, parseDuration } from "../scenario/duration.ts";
import {
  collectForgotten,
  describeStop,
  FailPatternSeen,
  restated,
  ScenarioFailure,
  ScenarioTimeout,
  takeForgotten,
} from "../scenario/failures.ts";
import { findMachineFile, shippedMachines } from "../scenario/host.ts";
import { describeAddress, describeRest } from "../scenario/machine_like.ts";
import type { MachineSession } from "../scenario/session.ts";
import type { TerminalDisplay, Typist } from "./display.ts";
import { inForeground, Input } from "./input.ts";
import type { Monitor } from "./monitor.ts";
import { type CommandLine, COMMANDS } from "./options.ts";
import { CannotWrite, Output, SILENCE_MS, writeAll } from "./output.ts";
import { Pacer } from "./pacer.ts";
import type { SerialPorts } from "./serial.ts";
import { parseSet } from "./set.ts";

const load = <Module>(path: string) => lazy<Module>(path, import.meta.url);

/** Exit status of each stop that has no code of its own. */
const STATUS: Record<Exclude<Stop["kind"], "exit">, number> = {
  reset: 0,
  deadHalt: 3,
  tripleFault: 3,
  trapLoop: 3,
  breakpoint: 3,
  budget: 4,
};
/** Of a stop: a status has 8 bits, and a failure must not look like a success when its code is a multiple of 256. */
export const exitStatus = (stop: Stop): number => {
  if (stop.kind !== "exit") return STATUS[stop.kind];
  const status = stop.code & 0xff;
  return status === 0 && (stop.pass === false || (stop.pass === undefined && stop.code !== 0)) ? 1 : status;
};
const SIGNALS: Partial<Record<Deno.Signal, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** What the command line asks for, checked. */
interface Plan {
  readonly machine: string;
  boot: BootOptions;
  readonly expect: readonly RegExp[];
  readonly scenario: string | undefined;
  readonly gdbPort: number | undefined;
  readonly wait: boolean;
  readonly gdbArch: string | undefined;
  readonly stats: boolean;
  readonly display: boolean;
  /** Where consoles go. */
  readonly serial: readonly string[];
  /** Nobody has said what is shown: a hint may help. */
  readonly hint: boolean;
  readonly screenshot: string | undefined;
}

/** Runs the machine and returns the exit status. @throws {ConfigError} nothing was started. */
export async function run(line: CommandLine): Promise<number> {
  if (line.values.trace === "help") return await printChannels();
  const plan = makePlan(line);
  const script = plan.scenario === undefined ? undefined : await loadScript(plan.scenario);
  if (typeof script === "number") return script;
  const scenario = script?.run;
  if (script) plan.boot = withLimitsOf(script, plan.boot, line.values.timeout !== undefined);
  const started = performance.now();
  const session = await boot(plan.machine, plan.boot);
  if (plan.display || plan.screenshot !== undefined) checkScreen(session, plan);
  const screenshot = plan.screenshot === undefined ? undefined : openScreenshot(plan.screenshot);
  const bounded = plan.boot.budget?.guest !== "none";
  const serial = plan.serial.length > 0 ? await load<typeof import("./serial.ts")>("./serial.ts") : undefined;
  const host = new TerminalHost(session, {
    feed: scenario === undefined,
    serial: serial && ((onActivity) => serial.openPorts(session, plan.serial, onActivity)),
    hint: plan.hint,
    display: plan.display ? await load<typeof import("./display.ts")>("./display.ts") : undefined,
    jump: bounded || plan.expect.length > 0,
    bounded,
  });
  let status: number;
  try {
    const gdb = plan.gdbPort === undefined ? undefined : await serveGdb(session, plan.gdbPort, plan, host);
    host.start();
    status = await host.race(scenario ? drive(session, scenario, host) : watch(session, plan.expect, host));
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
  if (plan.stats) await printStatistics(session, performance.now() - started);
  return status;
}

async function printChannels(): Promise<number> {
  const { channelText } = await load<typeof import("./help.ts")>("./help.ts");
  writeAll(Deno.stdout, new TextEncoder().encode(channelText() + "\n"));
  return 0;
}

async function loadScript(path: string): Promise<Scenario | number> {
  return await (await load<typeof import("./script.ts")>("./script.ts")).loadScript(path);
}

/** The machine is the command line's; what the script forbids and how long it waits is its own, unless the command line limits the time. */
function withLimitsOf({ options: { failOn = [], budget } }: Scenario, given: BootOptions, limited: boolean): BootOptions {
  const { budget: _, ...rest } = given, guest = limited ? given.budget?.guest : budget?.guest;
  return { ...rest, failOn: [...failOn, ...given.failOn ?? []], budget: { ...budget, ...(guest !== undefined ? { guest } : {}) } };
}

async function serveGdb(session: MachineSession, port: number, { wait, gdbArch: arch }: Plan, host: TerminalHost) {
  const { serveGdb } = await load<typeof import("../debug/gdb.ts")>("../debug/gdb.ts");
  const onMessage = (text: string) => host.output.note(`bringup: ${text}`);
  await session.machine.complete?.();
  return host.debugger = await serveGdb(session, { port, wait, arch, onQuit: () => host.quit(0), onMessage });
}

async function printStatistics(session: MachineSession, wallMs: number): Promise<void> {
  const { statistics } = await load<typeof import("./stats.ts")>("./stats.ts");
  writeAll(Deno.stderr, new TextEncoder().encode(statistics(session.machine, wallMs)));
}

/** @throws {ConfigError} a screen is asked for that is not there. */
function checkScreen(session: MachineSession, plan: Plan): void {
  const option = plan.display ? "--display" : plan.screenshot === undefined ? undefined : "--screenshot";
  if (option && !session.hasScreen) throw new ConfigError(`${option}: this machine has no screen`);
  if (plan.display && !(Deno.stdout.isTerminal() && Deno.stdin.isTerminal())) {
    throw new ConfigError("--display terminal: standard input and output are no terminal");
  }
  if (plan.display && !inForeground()) throw new ConfigError("--display terminal: the terminal belongs to another job");
}

/** Opens the file before anything runs, and gives what writes the picture. @throws {ConfigError} the file cannot be written. */
function openScreenshot(path: string): (session: MachineSession) => Promise<void> {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (e) {
      const { message } = e as Error;
      throw new ConfigError(`--screenshot: cannot be written: ${message.replace(/ \(os error.*/, "")}`, { file: path });
    }
  };
  // What is in it stays until there is a picture.
  const file = attempt(() => Deno.openSync(path, { write: true, create: true }));
  return async (session) => {
    const png = await session.screen.png();
    attempt(() => {
      if (file.statSync().isFile) file.truncateSync();
      for (let at = 0; at < png.length;) at += file.writeSync(png.subarray(at));
      file.close();
    });
  };
}

/** Runs to the end, or until everything in `expected` was printed in this order. */
async function watch(session: MachineSession, expected: readonly RegExp[], host: TerminalHost): Promise<number> {
  const ended = session.stopped();
  let next = 0;
  const seen = (async () => {
    for (; next < expected.length; next++) await session.serial.toPrint(expected[next], { within: "none" });
  })();
  seen.catch(() => {});
  try {
    const stop = expected.length ? await Promise.race([ended, seen]) : await ended;
    // It must not run on while what reports of it is loaded.
    session.freeze();
    ended.catch(() => {});
    host.output.flush();
    if (!stop) return 0;
    if (stop.kind !== "exit") host.output.note(`bringup: ${describeStop(stop)}`);
    if (stop.kind !== "exit" && STATUS[stop.kind] !== 0) host.output.note(whereabouts(session));
    if (next < expected.length) {
      host.output.note(`bringup: the run ended (${describeStop(stop).split("\n")[0]}) before it printed ${expected[next]}`);
      return 1;
    }
    return exitStatus(stop);
  } catch (e) {
    session.freeze();
    return notReached(e, session, expected[next], host);
  }
}

/** Says why a wait was in vain, for `expected` or for the end. */
function notReached(e: unknown, session: MachineSession, expected: RegExp | undefined, host: TerminalHost): number {
  if (!(e instanceof ScenarioFailure)) throw e;
  // The guest's output is on the terminal already: the report's first line is news, the transcript is not.
  const late = expected ? `it printed ${expected}` : "the machine stopped";
  host.output.note(
    `bringup: ${
      e instanceof ScenarioTimeout
        ? `time-out: ${formatNs(e.details.guestNs)} of guest time passed before ${late}`
        : e.message.split("\n")[0]
    }`,
  );
  host.output.note(whereabouts(session));
  return statusOf(e);
}

/** Lets a script drive the machine. */
async function drive(session: MachineSession, script: (m: MachineSession) => Promise<void>, host: TerminalHost): Promise<number> {
  collectForgotten();
  try {
    await script(session);
    // Ended in order, so that what nobody awaited is told of.
    await session[Symbol.asyncDispose]();
    session.freeze();
    const forgotten = takeForgotten();
    if (forgotten) throw forgotten;
    host.output.flush();
    return 0;
  } catch (e) {
    session.freeze();
    host.output.note(
      e instanceof ScenarioFailure
        ? `bringup: ${e.name}: ${e.message}`
        : e instanceof ConfigError
        ? `bringup: ${restated(e).stack}`
        : e instanceof Error
        ? e.stack ?? e.message
        : String(e),
    );
    return e instanceof ScenarioFailure ? statusOf(e) : 1;
  }
}

function statusOf(e: ScenarioFailure): number {
  if (e instanceof ScenarioTimeout) return 4;
  const { stop } = e.details;
  return !(e instanceof FailPatternSeen) && stop && stop.kind !== "exit" && STATUS[stop.kind] === 3 ? 3 : 1;
}

/** Checks the arguments and what they mean together. @throws {ConfigError} */
function makePlan({ positional, values }: CommandLine): Plan {
  const [machine, kernel] = positional;
  if (!machine?.endsWith(".toml") || kernel === "" || positional.length > 2) checkPositional(positional);
  const options = Object.keys(values).length > 0 ? readOptions(values) : NO_OPTIONS;
  const replay = ["deno run -A mod.ts", ...Deno.args.map(shellQuote)].join(" ");
  return { ...options, machine, boot: { ...options.boot, replay, ...(kernel !== undefined ? { kernel } : {}) } };
}

/** @throws {ConfigError} these are not a machine file and perhaps a kernel. */
function checkPositional([machine, kernel, ...more]: readonly string[]): void {
  if (machine === "" || kernel === "") {
    throw new ConfigError(`the ${machine === "" ? "machine" : "kernel"}'s name is empty: a variable that is not set?`);
  }
  if (machine === undefined) throw new ConfigError("which machine? usage: bringup MACHINE.toml [KERNEL] [options]");
  if (/^\w+$/.test(machine) && !isMachine(machine)) {
    // Who may not look cannot know: Deno tells what is missing.
    if (Deno.permissions.querySync({ name: "read", path: machine }).state !== "granted") Deno.statSync(machine);
    const names = [...Object.keys(COMMANDS), ...shippedMachines()];
    throw new ConfigError(`'${machine}' is neither a command nor a machine file${didYouMean(machine, names)}`);
  }
  if (!machine.endsWith(".toml") && kernel?.endsWith(".toml")) {
    throw new ConfigError(`'${machine}' is in the machine's place: the machine file comes first`);
  }
  if (more.length > 0) throw new ConfigError(`unexpected argument '${more[0]}': after the machine file comes one kernel, then options`);
}

/** Whether a bare word names a machine file. */
function isMachine(word: string): boolean {
  try {
    return findMachineFile(word) !== word;
  } catch {
    return false;
  }
}

const NO_OPTIONS: Omit<Plan, "machine"> = {
  boot: { budget: { guest: "none", wall: "none" } },
  expect: [],
  scenario: undefined,
  gdbPort: undefined,
  gdbArch: undefined,
  wait: false,
  stats: false,
  display: false,
  serial: [],
  hint: true,
  screenshot: undefined,
};

/** @throws {ConfigError} an option's value is wrong, or options exclude each other. */
function readOptions(values: CommandLine["values"]): Omit<Plan, "machine"> {
  const text = (name: string) => values[name] as string | undefined;
  const list = (name: string) => (values[name] ?? []) as readonly string[];
  if (values["gdb-arch"] !== undefined && values.gdb === undefined) throw new ConfigError("--gdb-arch needs --gdb");
  if (values.wait && values.gdb === undefined) throw new ConfigError("--wait needs --gdb: only a debugger can let the guest go on");
  if (values.scenario !== undefined && values.expect) {
    throw new ConfigError("--scenario and --expect exclude each other: the script says what is expected");
  }
  const engine = text("engine");
  if (engine !== undefined && engine !== "interp" && engine !== "jit") {
    throw new ConfigError(`--engine: there is no engine '${engine}'; expected interp or jit`);
  }
  const off = list("no-opt").map((name) => {
    if (!Object.hasOwn(JIT_OPTIONS, name)) {
      throw new ConfigError(
        `--no-opt: there is no pass '${name}'; expected ${Object.keys(JIT_OPTIONS).join(", ")}${
          didYouMean(name, Object.keys(JIT_OPTIONS))
        }`,
      );
    }
    return name as JitOption;
  });
  const display = text("display");
  if (display !== undefined && display !== "terminal" && display !== "none") {
    throw new ConfigError(`--display: there is no display '${display}'; expected terminal or none`);
  }
  const timeout = text("timeout"), initrd = text("initrd"), symbols = text("symbols"), append = text("append"), trace = text("trace");
  if (timeout !== undefined) within("--timeout", () => parseDuration(timeout));
  const failOn = list("fail").map((r) => regexp("--fail", r));
  const set = parseSet(list("set"));
  const shorthand: [option: string, key: string][] = [["memory", "memory"], ["harts", "harts"], ["firmware", "firmware"]];
  for (const [option, key] of shorthand) {
    const value = text(option);
    if (value === undefined) continue;
    if (key in set) throw new ConfigError(`--${option} and --set ${key} exclude each other`);
    set[key] = value;
  }
  return {
    boot: {
      set,
      failOn,
      budget: { guest: timeout ?? "none", wall: "none" },
      ...(initrd !== undefined ? { initrd } : {}),
      ...(symbols !== undefined ? { symbols } : {}),
      ...(append !== undefined ? { append } : {}),
      disks: [
        ...list("disk"),
        ...list("floppy").map((file) => ({ file, kind: "floppy" }) as const),
        ...list("cd").map((file) => ({ file, kind: "cd" }) as const),
      ],
      ...(trace !== undefined ? { trace } : {}),
      ...(engine !== undefined ? { engine } : {}),
      tuning: { off, profile: values.stats === true },
    },
    expect: list("expect").map((r) => regexp("--expect", r)),
    scenario: text("scenario"),
    gdbPort: values.gdb === undefined ? undefined : port(text("gdb") || "1234"),
    wait: values.wait === true,
    gdbArch: text("gdb-arch"),
    stats: values.stats === true,
    display: text("display") === "terminal",
    serial: list("serial"),
    hint: text("display") === undefined && values.screenshot === undefined,
    screenshot: text("screenshot"),
  };
}

function port(text: string): number {
  const n = Number(text);
  if (!/^\d+$/.test(text) || n < 1 || n > 65535) throw new ConfigError(`--gdb: '${text}' is not a TCP port: expected 1 to 65535`);
  return n;
}

function regexp(option: string, source: string): RegExp {
  try {
    return new RegExp(source, "m");
  } catch (e) {
    throw new ConfigError(`${option}: ${(e as Error).message}`);
  }
}

function within<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (e) {
    throw e instanceof ConfigError ? new ConfigError(`${option}: ${e.problem}`) : e;
  }
}

const shellQuote = (s: string) => /^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`;

/** Where every cpu is, a line for each. */
function whereabouts(session: MachineSession): string {
  const { machine } = session;
  return machine.cpus.map((c) => `bringup: cpu${c.index} at ${describeAddress(machine, c.pc)}${c.idle ? `, ${describeRest(c)}` : ""}`)
    .join("\n");
}

/** What takes typed bytes as keys. */
const keyboardSink = (typist: Typist) => ({
  enqueue: (bytes: Uint8Array) => bytes.forEach((b) => typist.byte(b)),
  queued: 0,
  onDrained: () => {},
});

/** Ties a session to this process: stdout, stdin, signals, monitor, debugger and pacing. */
class TerminalHost {
  readonly output: Output;
  readonly input: Input;
  readonly #pacer: Pacer;
  #monitor: Monitor | undefined;
  /** The list of keys is shown in the place of the guest's screen. */
  #helping = false;
  #hinted = false;
  readonly #startedMs = performance.now();
  /** What `--serial` named. */
  readonly ports: SerialPorts | undefined;
  #paused = false;
  #quit!: (status: number) => void;
  readonly #quitting = new Promise<number>((resolve) => this.#quit = resolve);
  #listening = false;
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #lastTicks = 0;
  #lastMs = performance.now();
  /** The GDB server, when there is one: it may hold the machine. */
  debugger: { readonly paused: boolean; onBreakpoint(stop: Stop): void; onFinalStop(stop: Stop): void } | undefined;

  /** The guest's screen on this terminal, and who types on its keyboard. */
  readonly #display: TerminalDisplay | undefined;
  readonly #typist: Typist | undefined;

  /**
   * @param how `feed`: stdin goes to the guest; `jump`: idle time is skipped also when somebody may still type; `bounded`: guest time is
   * limited; `display`: with which the terminal shows the guest's screen.
   */
  constructor(
    readonly session: MachineSession,
    readonly how: {
      readonly feed: boolean;
      readonly jump: boolean;
      readonly bounded: boolean;
      readonly display?: typeof import("./display.ts") | undefined;
      readonly serial?: ((onActivity: () => void) => SerialPorts) | undefined;
      readonly hint?: boolean;
    },
  ) {
    this.ports = how.serial?.(() => this.#pacer.wake());
    const console = this.ports ? this.ports.stdio : session.consoles.values().next().value;
    this.output = new Output(() => this.#progress());
    if (how.display) {
      const show = (text: string) => writeAll(Deno.stdout, new TextEncoder().encode(text));
      this.#display = new how.display.TerminalDisplay(session.screen, show, () => Deno.consoleSize());
      if (session.hasKeyboard) this.#typist = new how.display.Typist(session.keyboard);
    }
    this.input = new Input(this.#typist ? keyboardSink(this.#typist) : console, {
      onCommand: (key) => this.#command(key),
      monitorOpen: () => this.#monitor !== undefined || this.#helping,
      onMonitorByte: (b) => this.#monitor ? this.#monitor.byte(b) : this.#cover(),
      onActivity: () => this.#pacer.wake(),
    });
    this.#pacer = new Pacer(session.machine);
    if (console) {
      console.onByte = (b) => {
        this.output.byte(b);
        this.#pacer.activity();
      };
    }
    session.hooks = {
      inputMayCome: () => this.how.feed ? !this.input.ended || this.ports?.live === true : this.ports?.live || undefined,
      limitTicks: () => this.#pacer.limitTicks(this.#pacing()),
      afterSlice: () => this.#afterSlice(),
      paused: () => {
        const paused = this.#paused || this.debugger?.paused === true;
        if (paused) this.output.flush();
        return paused;
      },
      onBreakpoint: (stop) => this.debugger?.onBreakpoint(stop),
      onFinalStop: (stop) => this.debugger?.onFinalStop(stop),
    };
  }

  start(): void {
    if (this.input.interactive || this.debugger || !this.how.feed) this.#listen();
    this.#cover();
  }

  /** The guest's screen takes the terminal, for the first time or again. */
  #cover(): void {
    if (!this.#display) return;
    this.#helping = false;
    this.output.cover();
    this.#display.start();
    this.#display.redraw(performance.now());
  }

  /** Takes signals and stdin; what is not somebody's terminal or debugger waits for the end of the first slice: many runs end in it. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    for (const [signal, status] of Object.entries(SIGNALS)) {
      this.#on(signal as Deno.Signal, () => this.quit(status));
    }
    if (this.how.feed) this.input.start();
    if (this.how.feed && this.input.waitsForTerminal) this.#on("SIGCONT", () => this.input.continued());
    if (this.#display) this.#on("SIGWINCH", () => this.#display!.redraw(performance.now()));
  }
  #on(signal: Deno.Signal, listener: () => void): void {
    Deno.addSignalListener(signal, listener);
    this.#listeners.push([signal, listener]);
  }

  /** The status of whichever comes first: the work's, or that of a quit. */
  race(work: Promise<number>): Promise<number> {
    return Promise.race([work, this.#quitting]);
  }

  quit(status: number): void {
    this.#quit(status);
    this.session.freeze();
  }

  /** Gives the terminal back. */
  close(): void {
    this.#display?.close();
    this.output.uncover();
    this.output.flush();
    this.output.eraseProgress();
    this.input.restore();
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  #pacing(): "wall" | "auto" | "jump" {
    if (this.session.machine.paced || (this.how.feed && this.ports?.live)) return "wall";
    if (!this.how.feed || this.input.ended) return "jump";
    if (this.input.interactive) return "wall";
    return this.how.jump ? "jump" : "auto";
  }

  #afterSlice(): Promise<void> | void {
    // Before anything is shown: who sees it may send a signal at once.
    if (!this.session.stop) this.#listen();
    const behind = this.ports?.flush();
    return behind ? behind.then(() => this.#rest()) : this.#rest();
  }

  #rest(): Promise<void> | void {
    const idle = this.session.machine.cpus.every((c) => c.idle);
    if (this.#display) this.#draw(this.#display, idle);
    else {
      this.output.flush();
      this.output.tick();
    }
    if (this.how.hint && !this.#hinted) this.#hint(idle);
    if (this.output.broken) return this.quit(141);
    const { session } = this, { machine } = session;
    if (machine.yielded) return;
    if (session.stop || !idle) return this.#pacer.busy();
    const forever = machine.sleep === "input" && ![...session.consoles.values()].some((c) => c.queued > 0) && !session.queuedKeys;
    // A pipe's end, or what is in it, is known in a moment; whether time passes meanwhile must not depend on that moment.
    if (forever && this.how.feed && !this.input.interactive && !this.input.heard) return this.input.hear();
    // Where nobody can type, waiting for that would never end; and guest time that is limited goes on even if nothing can happen any more.
    return this.#pacer.idle(forever && !this.how.feed ? "jump" : this.#pacing(), forever && !this.how.bounded);
  }

  /** An idle guest's last words are drawn at once: perhaps nothing happens any more. */
  #draw(display: TerminalDisplay, idle: boolean): void {
    this.output.flush();
    if (display.draw(performance.now(), idle)) this.#typist?.settle();
  }

  /** Whoever sees an empty terminal while the guest writes on its screen is told so, once. */
  #hint(idle: boolean): void {
    const { session } = this, wait = !idle && !session.stop && performance.now() - this.#startedMs < SILENCE_MS;
    if (wait || !session.hasScreen || this.output.any || !Deno.stdout.isTerminal()) return;
    const text = session.screen.text();
    if (text !== undefined && text.trim() === "") return;
    this.#hinted = true;
    this.output.note(
      text === undefined
        ? "bringup: the guest draws on its screen: --screenshot FILE.png shows it at the end"
        : "bringup: the guest writes on its screen, not on the serial port: --display terminal shows it",
    );
  }

  #progress(): string | undefined {
    const { machine } = this.session, now = performance.now(), ticks = machine.stats.instructions ?? machine.clock.ticks;
    const mips = (ticks - this.#lastTicks) / (now - this.#lastMs) / 1000;
    [this.#lastTicks, this.#lastMs] = [ticks, now];
    const cpu = machine.cpus.find((c) => !c.idle);
    return cpu && `guest ${formatNs(machine.clock.nowNs)}, ${mips.toFixed(0)} MIPS, pc ${describeAddress(machine, cpu.pc)}`;
  }

  #command(key: string): void {
    if (key === "x") return this.quit(0);
    if (key === "h") this.#help();
    if (key === "c") this.#toggleMonitor();
    if (key === "l") this.#display?.redraw(performance.now());
  }

  async #help(): Promise<void> {
    const { KEYS } = await load<typeof import("./help.ts")>("./help.ts");
    if (!this.#display || this.#monitor) return this.output.note(KEYS);
    // Beside the guest's screen, not on it.
    this.#display.suspend();
    this.#helping = true;
    writeAll(Deno.stderr, new TextEncoder().encode(`${KEYS}\nAny key: back to the guest's screen\n`));
  }

  async #toggleMonitor(): Promise<void> {
    const { Monitor } = await load<typeof import("./monitor.ts")>("./monitor.ts");
    if (this.#monitor) {
      this.#monitor = undefined;
      writeAll(Deno.stderr, new TextEncoder().encode("\n"));
      return this.#cover();
    }
    this.#display?.suspend();
    this.#helping = false;
    this.#monitor = new Monitor({
      session: this.session,
      setPaused: (paused) => {
        this.#paused = paused;
        this.session.wake();
      },
      quit: () => this.quit(0),
      write: (text) => writeAll(Deno.stderr, new TextEncoder().encode(text)),
    });
  }
}
