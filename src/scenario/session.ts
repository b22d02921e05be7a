// A running machine as scripts, the command line and the debugger share it. Guest time passes only while something is awaited (pump.ts).
import { checkOptions, ConfigError } from "../core/errors.ts";
import { Later } from "../core/later.ts";
import type { Stop } from "../machine/stop.ts";
import { HISTORY, type Pattern } from "./console.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { FailureReport } from "./failure_report.ts";
import { describeStop, Outcome } from "./failures.ts";
import { Forbidden } from "./forbidden.ts";
import type { Basis } from "./basis.ts";
import { type InputEntry, InputLog, KEYBOARD, RESET } from "./inputs.ts";
import type { AccessFilter, Processor, Reach, StackPlace, StackWatch, Tally, Variable, Which } from "./inspection.ts";
import { addressOf, describeAddress, type MachineLike, momentOf, ticksOf } from "./machine_like.ts";
import type { SessionKeyboard, SessionScreen } from "./peripherals.ts";
import { Pump, type Queue, type SessionHooks } from "./pump.ts";
import type { Origin, Recording, Replay, ReplayEnd } from "./recorded.ts";
import type { Report } from "./reporting.ts";
import { SerialConsole } from "./serial_console.ts";
import type { SessionSnapshot } from "./session_snapshot.ts";
import type { Awaited, Step } from "./steps.ts";
import type { Poll, Waiting } from "./waiting.ts";

export interface SessionOptions {
  /** Patterns that no console may print and no text screen may show: every pending wait fails at once. */
  readonly failOn?: readonly Pattern[];
  /** Default limits of one wait: guest time (default "60s") and, as a safety net, wall-clock time (default "10m"). "none" lifts one. */
  readonly budget?: { readonly guest?: Duration | "none"; readonly wall?: Duration | "none" };
  /** Characters of each console's output, and bytes of input, that are kept for later waits, messages and `inputs` (default 4 Mi). */
  readonly history?: number;
  /** Makes another machine of the same configuration, for `fork`; `blank`: it is about to be restored. */
  readonly create?: (blank: boolean) => MachineLike;
  /** The command that repeats this run, for failure messages. */
  readonly replay?: string;
  /** Failures show what the guest printed as it is, without names beside addresses. */
  readonly raw?: boolean;
  /** What the machine was made of, for recordings. */
  readonly origin?: Origin;
  /** What its states belong to, for `save`. */
  readonly basis?: Basis;
}

/** Snapshots in files: for runs that save or load one. */
const FILES = new Later<typeof import("./snapshot_file.ts")>("scenario/snapshot_file.ts");

const EARLY = "the guest is given what its recording says, and nothing else before that ends: await m.replayed() first";

/** Screens and keyboards: for machines that have them. */
const PERIPHERALS = new Later<typeof import("./peripherals.ts")>("scenario/peripherals.ts");
/** To be awaited before a session is made for a machine with a screen or a keyboard. */
export const loadPeripherals = (): Promise<unknown> => PERIPHERALS.load();

/** Who wants to know how machines are when their scripts are done with them. */
export const sessionEnds: { seen?: ((session: MachineSession) => void) | undefined } = {};
/** What scripts look at in a machine: for those. */
const INSPECTION = new Later<typeof import("./inspection.ts")>("scenario/inspection.ts");
/** To be awaited before a script is given a session. */
export const loadInspection = async (m: MachineSession): Promise<void> => await (await INSPECTION.load()).loadFor(m.machine);

/** A machine that a script drives; made by `boot`. */
export class MachineSession implements Waiting, AsyncDisposable {
  /** By name, the first one is `serial`. */
  readonly consoles: ReadonlyMap<string, SerialConsole>;
  /** The steps of the script, in the order in which they began. */
  readonly steps: Step[] = [];
  /** @internal */
  readonly failureReport: FailureReport;
  readonly #inputs: InputLog;
  readonly guestBudget: Duration | "none";
  readonly #forbidden: Forbidden;
  readonly #pump: Pump;
  readonly #screen: SessionScreen | undefined;
  readonly #keyboard: SessionKeyboard | undefined;
  /** Where `rewind` goes. */
  #mark: SessionSnapshot | undefined;
  #cpus: readonly Processor[] | undefined;
  readonly #queues: Queue[];
  /** What was awaited, the last of it; undefined while nobody wants to know. */
  get trail(): Awaited[] | undefined {
    return this.#pump.trail;
  }
  set trail(trail: Awaited[] | undefined) {
    this.#pump.trail = trail;
  }
  /** Called when a wait of this machine or of a fork ends, with the error if it fails. */
  set onOutcome(told: ((session: MachineSession, error?: Error) => void) | undefined) {
    this.#onOutcome = told;
    this.#pump.onOutcome = told && ((error) => told(this, error));
  }
  #onOutcome: ((session: MachineSession, error?: Error) => void) | undefined;
  /** Writes what the guest is given to a file; ended with the session. */
  recorder: Recording | undefined;
  /** Gives the guest what a recording says, until its end. */
  replayer: Replay | undefined;

  constructor(readonly machine: MachineLike, readonly options: SessionOptions = {}) {
    this.#inputs = new InputLog(options.history ?? HISTORY);
    this.consoles = new Map([...machine.consoles.keys()].map((name) => [name, new SerialConsole(name, this)]));
    checkOptions("budget", options.budget ?? {}, ["guest", "wall"]);
    this.guestBudget = options.budget?.guest ?? "60s";
    const wall = options.budget?.wall ?? "10m", wallMs = wall === "none" ? Infinity : parseDuration(wall) / 1e6;
    if (this.guestBudget !== "none") parseDuration(this.guestBudget);
    const { failOn = [] } = options, consoles = [...this.consoles.values()];
    this.#forbidden = new Forbidden(machine, failOn, consoles);
    const { screen, keyboard } = machine;
    if (screen) {
      const { ScreenMatcher, SessionScreen } = PERIPHERALS.now!;
      this.#screen = new SessionScreen(this, screen);
      if (failOn.length) this.#forbidden.watchScreen(this.#screen, failOn.map((pattern) => new ScreenMatcher(pattern)));
    }
    if (keyboard) {
      this.#keyboard = new PERIPHERALS.now!.SessionKeyboard(this, keyboard);
    }
    const queues = [...this.consoles, ...this.#keyboard ? [[KEYBOARD, this.#keyboard.keys] as const] : []];
    this.#queues = queues.map(([, queue]) => queue);
    for (const [name, queue] of queues) {
      queue.onFed = (byte) => this.#inputs.add(momentOf(machine), name, byte);
      queue.ready = () => machine.yielded !== true;
      queue.onDrained = queue.onDue = () => machine.requestBreak();
    }
    this.failureReport = new FailureReport(machine, consoles, this.#screen, options.replay, () => openSteps(this.steps), options.raw);
    this.#pump = new Pump(machine, wallMs, this.#queues, this.#forbidden, this.failureReport);
  }

  /** How a host takes part in running. */
  get hooks(): SessionHooks {
    return this.#pump.hooks;
  }
  set hooks(hooks: SessionHooks) {
    this.#pump.hooks = hooks;
  }

  /** The machine's first console. @throws {ConfigError} it has none. */
  get serial(): SerialConsole {
    const first = this.consoles.values().next().value;
    if (!first) throw new ConfigError("this machine has no console: give a device `console = true`");
    return first;
  }

  /** The machine's screen. @throws {ConfigError} it has none. */
  get screen(): SessionScreen {
    if (!this.#screen) throw new ConfigError(`this machine has no screen: it needs a device such as "vga"`);
    return this.#screen;
  }
  get hasScreen(): boolean {
    return this.#screen !== undefined;
  }

  /** The machine's keyboard. @throws {ConfigError} it has none. */
  get keyboard(): SessionKeyboard {
    if (!this.#keyboard) throw new ConfigError(`this machine has no keyboard: it needs a device such as "i8042"`);
    return this.#keyboard;
  }
  get hasKeyboard(): boolean {
    return this.#keyboard !== undefined;
  }
  /** The first processor. */
  get cpu(): Processor {
    return this.cpus[0];
  }
  get cpus(): readonly Processor[] {
    return this.#cpus ??= INSPECTION.now!.processorsOf(this);
  }

  /**
   * A variable by its name ("kernel::TASKS[3].name": fields, elements, `.*` what a pointer points to), or an address with a type: "u32",
   * "[u8; 16]", "*T", a type of the program. @throws {ConfigError} there is no such symbol, type or part.
   */
  memory(where: string | number | bigint, type?: string, reach?: Reach): Variable {
    return INSPECTION.now!.memoryOf(this, where, type, reach);
  }

  /** Counts interrupts that processors take from now on: all, those with a word in their name ("timer"), or of a vector or cause. */
  interrupts(which?: Which, options?: { readonly cpu?: number }): Tally {
    return INSPECTION.now!.trapsOf(this, true, which, options);
  }
  /** The same of exceptions, system calls among them: "page fault", "environment call". */
  exceptions(which?: Which, options?: { readonly cpu?: number }): Tally {
    return INSPECTION.now!.trapsOf(this, false, which, options);
  }
  /** Counts accesses of a device's registers from now on; memory that it shows itself (VGA's) is none of them. */
  accesses(device: string, filter?: AccessFilter): Tally {
    return INSPECTION.now!.accessesOf(this, device, filter);
  }

  /** Watches how deep a stack becomes: one that is a symbol with a size, or that `place` tells. What is free of it is filled with a pattern now. */
  stack(name: string, place?: StackPlace): StackWatch {
    return INSPECTION.now!.stackOf(this, name, place);
  }

  /** Keys that wait for the guest. */
  get queuedKeys(): number {
    return this.#keyboard?.keys.queued ?? 0;
  }

  /**
   * What was fed to the guest, the last `history` bytes of it: with the machine's configuration it determines the whole run, unless
   * `inputsForgotten` is more than 0.
   */
  get inputs(): readonly InputEntry[] {
    return this.#inputs.entries;
  }
  /** Bytes that were fed to the guest and are not in `inputs` any more. */
  get inputsForgotten(): number {
    return this.#inputs.forgotten;
  }

  /** The log behind them. */
  get inputLog(): InputLog {
    return this.#inputs;
  }
  /** Something else that has things for the guest. */
  addQueue(queue: Queue): void {
    this.#queues.push(queue);
  }

  /** Presses the machine's reset button. */
  reset(): void {
    this.settle();
    this.#inputs.add(momentOf(this.machine), RESET, 0);
    this.machine.reset();
  }
  /** Exactly one instruction of one hart, for debuggers. */
  stepCpu(cpu: number): Stop | undefined {
    this.replayer?.disturbed();
    return this.machine.step(cpu);
  }
  /** Where the host's clock has stopped the machine in front of alarms that are due, they fire. */
  settle(): void {
    const { machine } = this;
    if (machine.yielded && !this.stop && momentOf(machine).where === 0) machine.run(machine.clock.ticks);
  }

  /**
   * Runs to the end of the recording that this machine was started with; until then nothing else can be given to the guest.
   * @throws {ReplayDiverged} it goes another way than the run that was recorded.
   */
  replayed(): Promise<ReplayEnd> {
    if (!this.replayer) throw new ConfigError("this machine replays nothing: boot it with a `recording`");
    return this.replayer.wait();
  }

  /** Guest time in nanoseconds since reset. */
  get nowNs(): number {
    return this.machine.clock.nowNs;
  }

  /**
   * Runs for a span of guest time, a number of instruction times, or until an address or symbol is about to be executed. The result is a
   * "budget" or "breakpoint" stop, or the stop that ended the machine before its time was over.
   * @throws {ScenarioTimeout} `until` was not reached within the budget. @throws {UnexpectedStop} the machine stopped before `until`, or had
   * stopped before. @throws {ConfigError} a duration, a number or a name is none.
   */
  run(
    how: { readonly for: Duration } | { readonly instructions: number } | { readonly until: string | bigint; readonly within?: Duration },
  ): Promise<Stop> {
    checkOptions("run", how, "until" in how ? ["until", "within"] : ["for", "instructions", "until"]);
    if ("until" in how) return this.#runUntil(how.until, how.within);
    const ticks = "for" in how ? this.ticksOf(parseDuration(how.for)) : how.instructions;
    // What is no number would never pass.
    if (!("for" in how) && !(Number.isSafeInteger(ticks) && ticks >= 0)) {
      throw new ConfigError(`run: \`instructions\` must be an integer of at least 0, got ${ticks}`);
    }
    const what = "for" in how ? `${how.for} of guest time to pass` : `${ticks} instructions to pass`;
    return this.refused(what) ?? this.pass(what, ticks);
  }
  /** @internal Runs for so many ticks, or to the stop that ends the machine before. */
  pass(what: string, ticks: number): Promise<Stop> {
    return this.#pump.wait<Stop>(
      what,
      what,
      this.machine.age + ticks,
      ({ stop, late }) => stop && stop.kind !== "breakpoint" ? { value: stop } : late ? { value: { kind: "budget" } } : undefined,
    );
  }

  /** Runs until the machine has stopped for good and says why. @throws {ScenarioTimeout} it did not within the budget. */
  stopped(options: { within?: Duration } = {}): Promise<Stop> {
    checkOptions("stopped", options, ["within"]);
    return this.#pump.waitForEnd("the machine to stop", ...this.#limits(options.within));
  }

  #runUntil(until: string | bigint, within?: Duration): Promise<Stop> {
    let address: bigint;
    try {
      address = addressOf(this.machine, until);
    } catch (e) {
      return Outcome.reject(e as Error);
    }
    const what = `cpu to reach ${describeAddress(this.machine, address)}`, refused = this.refused(what);
    if (refused) return refused;
    const added = this.machine.cpus.filter((c) => !c.breakpoints.has(address));
    for (const c of added) c.breakpoints.add(address), c.breakpointsChanged();
    const removeAll = () => {
      for (const c of added) c.breakpoints.delete(address), c.breakpointsChanged();
    };
    const reached: Poll<Stop> = ({ stop }) => stop?.kind === "breakpoint" && stop.pc === address ? { value: stop } : undefined;
    return this.wait(what, within, reached, { done: removeAll });
  }

  /** Names a part of the script: failures in it say so, and reports show when it was. Returns what `body` does. */
  step<T>(name: string, body: () => T | Promise<T>): Promise<T> {
    return stepIn(this, name, body);
  }

  /** State of the machine and of the consoles' histories and queues; `rewind` goes back to it. */
  snapshot(): SessionSnapshot {
    return this.#mark = this.state();
  }
  /** @internal The same without that. */
  state(): SessionSnapshot {
    const consoles = Object.fromEntries([...this.consoles.values()].map((c) => [c.name, c.save()]));
    const keys = this.#keyboard ? { keys: this.#keyboard.keys.save() } : {};
    return { machine: this.machine.snapshot(), consoles, inputs: this.#inputs.save(), forbidden: this.#forbidden.save(), ...keys };
  }

  /** Back to a snapshot of this session or of a fork. @throws {Error} something is being awaited. */
  restore(snapshot: SessionSnapshot): void {
    this.#load(snapshot, (state) => this.machine.restore(state));
  }

  /**
   * Back to the last snapshot: where `snapshot` or `restore` was last called, where this session was forked, or its start. What the engine has
   * translated stays, so that it goes on as fast as it was. @throws {Error} something is being awaited.
   */
  rewind(): void {
    this.#mark ??= this.#start();
    this.#load(this.#mark, (state) => this.machine.rewind ? this.machine.rewind(state) : this.machine.restore(state));
  }
  /** The state before anything ran. */
  #start(): SessionSnapshot {
    return new MachineSession(this.#create(false), this.options).state();
  }

  #load(snapshot: SessionSnapshot, restore: (machine: unknown) => void): void {
    if (this.#pump.busy) throw new Error("Cannot restore a snapshot while something is awaited");
    restore(snapshot?.machine);
    for (const c of this.consoles.values()) c.load(snapshot.consoles[c.name]);
    this.#keyboard?.keys.load(snapshot.keys);
    this.#inputs.load(snapshot.inputs);
    this.#forbidden.load(snapshot.forbidden);
    this.#pump.restored();
    this.failureReport.restored();
    this.#mark = snapshot;
  }

  /** An independent machine in the same state. @throws {Error} the session was not made by `boot`. */
  fork(): MachineSession {
    const child = new MachineSession(this.#create(true), this.options);
    child.restore(this.state());
    if (this.#onOutcome) child.onOutcome = this.#onOutcome;
    if (this.trail) child.trail = [...this.trail];
    return child;
  }
  /** @internal The same with the machine of a fork that is over. */
  forkInto({ machine }: MachineSession): MachineSession {
    const child = new MachineSession(machine, this.options);
    child.#load(this.state(), (state) => machine.rewind!(state));
    return child;
  }
  /** @internal Nobody waits for it, and nobody has left anything in its machine that a snapshot does not put back. */
  get untouched(): boolean {
    return !this.#pump.busy && this.machine.rewind !== undefined && this.machine.cpus.every((c) => c.breakpoints.size === 0);
  }
  #create(blank: boolean): MachineLike {
    if (!this.options.create) throw new Error("Cannot fork: this session cannot make another machine");
    return this.options.create(blank);
  }

  /**
   * Why the machine has died, or where it is: causes, exceptions, tables, backtraces of every processor, as text, JSON and HTML. `sample`: it is
   * let run on for a moment, to see where it goes round, and put back. @throws {ConfigError} nobody knows its processors.
   */
  async report({ sample = false, ...more }: { readonly sample?: boolean } = {}): Promise<Report> {
    checkOptions("report", more, ["sample"]);
    await this.failureReport.prepare();
    const { stop, machine } = this, headline = stop ? describeStop(stop).split("\n")[0] : `at tick ${machine.clock.ticks}`;
    const occasion = stop && stop.kind !== "breakpoint" && stop.kind !== "budget" ? stop.kind : "demand";
    const report = this.failureReport.report(occasion, headline, sample);
    if (!report) throw new ConfigError("nobody knows this machine's processors well enough for a report");
    return report;
  }

  /**
   * Writes its state to a file, from which `boot` with `load` goes on, with the same machine, kernel and disks. What is in the file stays until all is
   * written. @throws {ConfigError} the file cannot be written, or the session was not made by `boot`.
   */
  async save(file: string): Promise<void> {
    const state = this.state();
    (await FILES.load()).writeSnapshot(file, state, this.options.basis);
  }
  /** @internal Takes up the state that a file has. @throws {ConfigError} */
  async load(file: string): Promise<void> {
    const { basis, history } = this.options, { readSnapshot, refused } = await FILES.load();
    const state = readSnapshot(file, this.state(), basis!, history);
    try {
      this.restore(state);
    } catch (e) {
      throw refused(file, e as Error);
    }
  }

  /** Ends the run from outside, as if the machine had stopped. */
  end(stop: Stop): void {
    this.#pump.end(stop);
  }

  /** Guest time passes no more, whoever still waits: what is to be looked at stays as it is. */
  freeze(): void {
    this.#pump.freeze();
  }

  /** Why the machine has stopped for good, if it has. */
  get stop(): Stop | undefined {
    return this.#pump.stop;
  }

  /** Lets a paused session look again. */
  wake(): void {
    this.#pump.wake();
  }

  /** Ends the session: pending waits are rejected, and disk images that may be written have what the guest wrote. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#pump.close();
    this.recorder?.end();
    sessionEnds.seen?.(this);
    this.machine.disks?.flush();
    return Promise.resolve();
  }

  /** See `Waiting`. */
  wait<T>(
    what: string,
    within: Duration | undefined,
    poll: Poll<T>,
    { done, extraNs = 0 }: { readonly done?: () => void; readonly extraNs?: number } = {},
  ): Promise<T> {
    return this.#pump.wait(what, ...this.#limits(within, extraNs), poll, done);
  }

  /** How messages tell a limit of guest time, and the machine's age at which it is over. */
  #limits(within: Duration | undefined, extraNs = 0): [text: string, deadline: number] {
    const text = within ?? this.guestBudget;
    return [`${text} of guest time`, text === "none" ? Infinity : this.machine.age + this.ticksOf(parseDuration(text) + extraNs)];
  }

  /** A wait that has failed because the machine stopped before, for what only a running one can do; undefined while it may go on. */
  refused(what: string, gives = false): Promise<never> | undefined {
    const early = gives && this.replayer !== undefined && !this.replayer.ended;
    return early ? Outcome.reject(new ConfigError(EARLY)) : this.#pump.refused(what);
  }

  /** Ticks of the machine's clock in so many nanoseconds. */
  ticksOf(ns: number): number {
    return ticksOf(this.machine, ns);
  }
}

/** Names of the steps that go on, the outermost first. */
const openSteps = (steps: readonly Step[]): string[] => steps.filter((s) => s.toTicks === undefined).map((s) => s.name);

/** Does what a step consists of. */
async function stepIn<T>({ steps, machine }: MachineSession, name: string, body: () => T | Promise<T>): Promise<T> {
  const step: Step = { name, depth: openSteps(steps).length, fromTicks: machine.age, fromNs: machine.clock.nowNs };
  steps.push(step);
  try {
    return await body();
  } catch (e) {
    step.failed = true;
    throw e;
  } finally {
    step.toTicks = machine.age;
    step.toNs = machine.clock.nowNs;
  }
}
