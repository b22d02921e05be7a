// A running machine as scripts, the command line and the debugger share it. Guest time passes only while something is awaited: one pump
// runs the machine in short slices, and after each one looks which waits are satisfied, out of time, or hopeless because the machine
// stopped.
import { checkOptions, ConfigError } from "../core/errors.ts";
import { Later } from "../core/later.ts";
import type { CharPort } from "../core/device.ts";
import type { Stop } from "../machine/stop.ts";
import { type InputEntry, InputLog, type SavedInputs } from "./inputs.ts";
import { Console, type ConsoleState, HISTORY, Matcher, type Pattern, show, UNANSWERED } from "./console.ts";
import { type Duration, formatNs, parseDuration } from "./duration.ts";
import {
  describeStop,
  FailPatternSeen,
  type FailureDetails,
  Outcome,
  placed,
  type ScenarioFailure,
  ScenarioTimeout,
  UnexpectedStop,
  WallClockTimeout,
} from "./failures.ts";
import type { KeyQueueState } from "./keyboard.ts";
import { describeAddress, describeRest, type MachineLike } from "./machine_like.ts";
import type { SessionKeyboard, SessionScreen } from "./peripherals.ts";

/** Wall time in milliseconds after which other work of the process gets its turn; a run's short first slice mostly ends it, and is given longer once. */
const TURN_MS = 10, FIRST_TURN_MS = 100;
/** What the guest would say for so long after a forbidden pattern is part of the message, so that its sentence is whole. */
const LAST_WORDS: Duration = "10ms", LAST_WORDS_MS = 500;

export interface SessionOptions {
  /** Patterns that no console may print and no text screen may show: every pending wait fails at once. */
  readonly failOn?: readonly Pattern[];
  /** Default limits of one wait: guest time (default "60s") and, as a safety net, wall-clock time (default "10m"). "none" lifts one. */
  readonly budget?: { readonly guest?: Duration | "none"; readonly wall?: Duration | "none" };
  /** Characters of each console's output, and bytes of input, that are kept for later waits, messages and `inputs` (default 4 Mi). */
  readonly history?: number;
  /** Makes another machine of the same configuration, for `fork`. */
  readonly create?: () => MachineLike;
  /** The command that repeats this run, for failure messages. */
  readonly replay?: string;
}

/** How a host takes part in running: the terminal's pacing, output and debugger. */
export interface SessionHooks {
  /** Ticks that the next slice may take at most. */
  limitTicks?(): number;
  /** Whether somebody may still give the guest something. Absent: nobody but the script, and not while it waits for the end. */
  inputMayCome?(): boolean | undefined;
  /** Called after each slice; a promise holds the machine back until it is settled. */
  afterSlice?(): Promise<void> | void;
  /** Called on a breakpoint that no wait asked for. */
  onBreakpoint?(stop: Stop): void;
  /** Called when the machine has stopped for good, before the waits hear of it. */
  onFinalStop?(stop: Stop): void;
  /** While true the machine does not run; call `session.wake()` when it changes. */
  paused?(): boolean;
}

/** The state of a session: the machine's and the consoles' histories. */
export interface SessionSnapshot {
  readonly machine: unknown;
  readonly consoles: Readonly<Record<string, ConsoleState>>;
  readonly inputs: SavedInputs;
  /** Up to where each console was searched for each pattern of `failOn`. */
  readonly forbidden: readonly number[];
  /** Keys that wait for the guest. */
  readonly keys?: KeyQueueState;
}

/** When a wait is over, or can never be; `stop` is given when the machine stopped, `late` when its guest time is used up. */
type Poll<T> = (
  event: { readonly stop: Stop | undefined; readonly late: boolean },
) => { readonly value: T } | { readonly error: Error } | undefined;

interface Wait {
  readonly what: string;
  readonly within: string;
  /** The machine's age in ticks at which it is out of time. */
  readonly deadline: number;
  /** performance.now() of the safety net. */
  readonly wallDeadline: number;
  readonly poll: Poll<unknown>;
  /** Where it was awaited: a failure is reported there and not in the pump. Its text is made then: source maps are read for it. */
  readonly from: Error;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** What the guest would print and show next. */
interface LastWords {
  readonly printed: ReadonlyMap<string, string>;
  readonly screen: string | undefined;
}

/** From one byte to the next while the guest does not answer. */
const PATIENCE: Duration = "100ms";

/** How text is sent. */
export interface Sending {
  /**
   * Guest time from one byte to the next at least: "20ms". When absent, a text is sent as fast as the line is until the guest has not answered
   * several bytes that came by interrupt, and then as a person types; bytes are always sent as fast as the line is.
   */
  readonly pace?: Duration;
  /** How much longer than that it may take. */
  readonly within?: Duration;
}

/** A console that scripts send to and expect from. */
export class SerialConsole extends Console {
  constructor(name: string, readonly session: MachineSession) {
    super(name, session.machine.consoles.get(name)!, session.options.history, () => session.machine.age);
  }

  /**
   * Sends text (as UTF-8) or bytes and waits until the guest's device has taken all of it; it is never given more than it has room for, nor
   * faster than its line is (a UART's baud rate), nor than `pace` says.
   * @throws {ScenarioTimeout} the guest does not take it in time. @throws {UnexpectedStop} the machine has stopped.
   */
  send(data: string | Uint8Array, options: Sending = {}): Promise<void> {
    checkOptions("send", options, ["within", "pace"]);
    const { within, pace } = options;
    const what = `${this.name} to take ${typeof data === "string" ? JSON.stringify(data) : `${data.length} bytes`}`;
    const refused = this.session.refused(what);
    if (refused) return refused;
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data, ns = parseDuration(pace ?? "0ms");
    const patience = pace === undefined && typeof data === "string" ? parseDuration(PATIENCE) : ns;
    this.enqueue(bytes, this.session.ticksOf(ns), this.session.ticksOf(patience));
    const extraNs = ns * bytes.length + patience * Math.max(0, bytes.length - UNANSWERED);
    return this.session.wait(what, within, () => this.queued === 0 ? { value: undefined } : undefined, { extraNs });
  }

  /**
   * Runs the guest until the pattern is printed after the last match, and stops on that very instruction. Returns the match and its groups.
   * @throws {ScenarioTimeout} `within` (default: the session's budget) of guest time has passed. @throws {UnexpectedStop} the machine
   * stopped.
   */
  toPrint(pattern: Pattern, options: { within?: Duration } = {}): Promise<string[]> {
    checkOptions("toPrint", options, ["within"]);
    if (this.cursor < this.start) {
      return Promise.reject(
        new ConfigError(
          `${this.name} has printed ${this.end - this.cursor} characters since the last match, and only the last ${
            this.end - this.start
          } of them are kept: wait for ${show(pattern)} earlier, or boot with a larger \`history\``,
        ),
      );
    }
    const matcher = new Matcher(pattern, this.cursor);
    let found = matcher.findInHistory(this);
    const look = () => {
      found ??= matcher.find(this);
      if (found) this.session.machine.requestBreak();
    };
    this.watchers.add(look);
    const poll = () => {
      if (!found) return undefined;
      this.cursor = Math.max(this.cursor, found.end);
      return { value: found.groups };
    };
    return this.session.wait(`${this.name} to print ${show(pattern)}`, options.within, poll, { done: () => this.watchers.delete(look) });
  }

  /** Called after the text has grown. */
  readonly watchers: Set<() => void> = new Set();
  override onText: () => void = () => {
    for (const look of this.watchers) look();
  };
}

/** Screens and keyboards: for machines that have them. */
const PERIPHERALS = new Later<typeof import("./peripherals.ts")>("scenario/peripherals.ts");
/** To be awaited before a session is made for a machine with a screen or a keyboard. */
export const loadPeripherals = (): Promise<unknown> => PERIPHERALS.load();

/** A machine that a script drives; made by `boot`. */
export class MachineSession implements AsyncDisposable {
  /** By name, the first one is `serial`. */
  readonly consoles: ReadonlyMap<string, SerialConsole>;
  hooks: SessionHooks = {};
  readonly #inputs: InputLog;
  readonly #waits = new Set<Wait>();
  /** What waits for the guest: bytes of the consoles, keys. */
  readonly #queues: readonly { readonly due: number; feed(): void }[];
  readonly #guestBudget: Duration | "none";
  readonly #wallBudgetMs: number;
  readonly #forbidden: { readonly console: SerialConsole; readonly matcher: Matcher }[] = [];
  /** What was seen that `failOn` forbids, and on what. */
  #seen: { readonly where: string; readonly pattern: Pattern } | undefined;
  readonly #screen: SessionScreen | undefined;
  readonly #keyboard: SessionKeyboard | undefined;
  /** After the machine has changed at once: what is on the screen then was there before. */
  #lookAtScreen: () => void = () => {};
  #ended: Stop | undefined;
  /** Polls of waits for the end. */
  readonly #forEnd = new WeakSet<Poll<unknown>>();
  #pumping = false;
  #frozen = false;
  #closed = false;
  #wake: () => void = () => {};

  constructor(readonly machine: MachineLike, readonly options: SessionOptions = {}) {
    this.#inputs = new InputLog(options.history ?? HISTORY);
    this.consoles = new Map([...machine.consoles.keys()].map((name) => [name, new SerialConsole(name, this)]));
    checkOptions("budget", options.budget ?? {}, ["guest", "wall"]);
    this.#guestBudget = options.budget?.guest ?? "60s";
    const wall = options.budget?.wall ?? "10m";
    this.#wallBudgetMs = wall === "none" ? Infinity : parseDuration(wall) / 1e6;
    if (this.#guestBudget !== "none") parseDuration(this.#guestBudget);
    for (const console of this.consoles.values()) {
      console.onFed = (byte) => this.#inputs.add(machine.age, console.name, byte);
      console.onDrained = console.onDue = () => machine.requestBreak();
      for (const pattern of options.failOn ?? []) this.#forbidden.push({ console, matcher: new Matcher(pattern, 0) });
      if (options.failOn?.length) console.watchers.add(() => this.#lookForForbidden(console));
    }
    const { screen, keyboard } = machine;
    this.#screen = screen && new PERIPHERALS.now!.SessionScreen(this, screen);
    if (options.failOn?.length) this.#watchScreen(options.failOn);
    if (keyboard) {
      this.#keyboard = new PERIPHERALS.now!.SessionKeyboard(this, keyboard);
      this.#keyboard.keys.onFed = (byte) => this.#inputs.add(machine.age, "keyboard", byte);
      this.#keyboard.keys.onDrained = this.#keyboard.keys.onDue = () => machine.requestBreak();
    }
    this.#queues = [...this.consoles.values(), ...this.#keyboard ? [this.#keyboard.keys] : []];
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
  /** True when `screen` is there. */
  get hasScreen(): boolean {
    return this.#screen !== undefined;
  }

  /** The machine's keyboard. @throws {ConfigError} it has none. */
  get keyboard(): SessionKeyboard {
    if (!this.#keyboard) throw new ConfigError(`this machine has no keyboard: it needs a device such as "i8042"`);
    return this.#keyboard;
  }
  /** True when `keyboard` is there. */
  get hasKeyboard(): boolean {
    return this.#keyboard !== undefined;
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
    return this.refused(what) ?? this.#wait<Stop>(
      what,
      what,
      this.machine.age + ticks,
      ({ stop, late }) => stop && stop.kind !== "breakpoint" ? { value: stop } : late ? { value: { kind: "budget" } } : undefined,
    );
  }

  /** Runs until the machine has stopped for good and says why. @throws {ScenarioTimeout} it did not within the budget. */
  stopped(options: { within?: Duration } = {}): Promise<Stop> {
    checkOptions("stopped", options, ["within"]);
    const poll: Poll<Stop> = ({ stop }) => stop && stop.kind !== "breakpoint" ? { value: stop } : undefined;
    this.#forEnd.add(poll);
    return this.wait("the machine to stop", options.within, poll);
  }

  /** @throws {ConfigError} no symbol has the name, or several have it. */
  #addressOf(name: string): bigint {
    const { symbols } = this.machine, address = symbols.address(name);
    if (address !== undefined) return address;
    if (symbols.empty) {
      throw new ConfigError(
        `no symbol '${name}': the image has no symbol table, and \`symbols\` (--symbols) names no ELF file that has one`,
      );
    }
    const paths = symbols.near?.(name).slice(0, 3).map((path) => `'${path}'`).join(" or ");
    throw new ConfigError(`no symbol '${name}' in the kernel's symbol table${paths ? ` (did you mean ${paths}?)` : ""}`);
  }

  #runUntil(until: string | bigint, within?: Duration): Promise<Stop> {
    let address: bigint;
    try {
      address = typeof until === "bigint" ? until : this.#addressOf(until);
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

  /** State of the machine and of the consoles' histories and queues. */
  snapshot(): SessionSnapshot {
    const consoles = Object.fromEntries([...this.consoles.values()].map((c) => [c.name, c.save()]));
    const keys = this.#keyboard ? { keys: this.#keyboard.keys.save() } : {};
    const forbidden = this.#forbidden.map((f) => f.matcher.from);
    return { machine: this.machine.snapshot(), consoles, inputs: this.#inputs.save(), forbidden, ...keys };
  }

  /** Back to a snapshot of this session or of a fork. @throws {Error} something is being awaited. */
  restore(snapshot: SessionSnapshot): void {
    if (this.#waits.size > 0) throw new Error("Cannot restore a snapshot while something is awaited");
    this.machine.restore(snapshot?.machine);
    for (const c of this.consoles.values()) c.load(snapshot.consoles[c.name]);
    this.#keyboard?.keys.load(snapshot.keys);
    this.#inputs.load(snapshot.inputs);
    for (const [i, f] of this.#forbidden.entries()) f.matcher.from = snapshot.forbidden[i];
    this.#lookAtScreen();
    this.#ended = undefined;
    this.#seen = undefined;
  }

  /** An independent machine in the same state. @throws {Error} the session was not made by `boot`. */
  fork(): MachineSession {
    if (!this.options.create) throw new Error("Cannot fork: this session cannot make another machine");
    const child = new MachineSession(this.options.create(), this.options);
    child.restore(this.snapshot());
    return child;
  }

  /** Ends the run from outside, as if the machine had stopped. */
  end(stop: Stop): void {
    this.#ended ??= stop;
    this.machine.requestBreak();
    this.wake();
  }

  /** Guest time passes no more, whoever still waits: what is to be looked at stays as it is. */
  freeze(): void {
    this.#frozen = true;
    this.machine.requestBreak();
    this.wake();
  }

  /** Why the machine has stopped for good, if it has. */
  get stop(): Stop | undefined {
    return this.#ended ?? this.machine.stopped;
  }

  /** Lets a paused session look again. */
  wake(): void {
    this.#wake();
  }

  /** Ends the session: pending waits are rejected, and disk images that may be written have what the guest wrote. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.machine.disks?.flush();
    for (const w of this.#waits) {
      w.reject(placed(new Error(`The session ended while it waited for ${w.what}: is an \`await\` missing there?`), w.from));
    }
    this.#waits.clear();
    this.wake();
    return Promise.resolve();
  }

  /**
   * Runs the guest until `poll` gives a value. It is asked before the guest runs, and after each slice, break and stop. `done` is called at the
   * end, whichever it is; `extraNs`: so much time passes in any case.
   */
  wait<T>(what: string, within: Duration | undefined, poll: Poll<T>, { done = () => {}, extraNs = 0 } = {}): Promise<T> {
    const text = within ?? this.#guestBudget;
    const deadline = text === "none" ? Infinity : this.machine.age + this.ticksOf(parseDuration(text) + extraNs);
    return this.#wait(what, `${text} of guest time`, deadline, poll, done);
  }

  /** A wait that has failed because the machine stopped before, for what only a running one can do; undefined while it may go on. */
  refused(what: string): Promise<never> | undefined {
    const { stop } = this;
    if (!stop) return undefined;
    const problem = `The machine has stopped already (${describeStop(stop).split("\n")[0]}): it is too late for`;
    const error = this.#failure(UnexpectedStop, { what, from: new Error() }, problem, stop), wait = Outcome.reject<never>(error);
    (wait as Outcome<never>).failed(error);
    return wait;
  }

  #wait<T>(what: string, within: string, deadline: number, poll: Poll<T>, done: () => void = () => {}): Promise<T> {
    if (this.#closed) {
      done();
      return Outcome.reject(new Error(`The session is closed: nothing can be awaited (${what})`));
    }
    const from = new Error(), wallDeadline = performance.now() + this.#wallBudgetMs;
    let resolve!: (value: unknown) => void, reject!: (error: Error) => void;
    const wait = new Outcome<T>((...both) => [resolve, reject] = both as [typeof resolve, typeof reject]);
    const settled = { resolve: (v: unknown) => (done(), resolve(v)), reject: (e: Error) => (done(), reject(e), wait.failed(e)) };
    this.#waits.add({ what, within, deadline, wallDeadline, poll, from, ...settled });
    this.#pump();
    return wait;
  }

  /** Ticks of the machine's clock in so many nanoseconds. */
  ticksOf(ns: number): number {
    return Math.ceil(ns * this.machine.clock.hz / 1e9);
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    // Armed behind the first slice: many a guest ends in it, and timers cost a start of theirs.
    let turn: Turn | undefined;
    try {
      // Waits that are made together start together.
      await Promise.resolve();
      let stop: Stop | undefined;
      while (this.#waits.size > 0 && !this.#frozen) {
        if (this.hooks.paused?.()) {
          await new Promise<void>((resolve) => this.#wake = resolve);
          continue;
        }
        this.#feed();
        const settled = this.#settle(stop);
        stop = undefined;
        if (turn?.due) {
          await turn.taken;
          turn = new Turn();
        }
        if (settled) {
          // What follows a satisfied `await` runs before guest time goes on. Nobody waits any more: then it does not go on anyway.
          if (this.#waits.size > 0) await new Promise((resolve) => setImmediate(resolve));
          continue;
        }
        const { loading } = this.machine;
        if (loading) {
          await loading;
          continue;
        }
        const early = this.machine.early ?? 0;
        stop = this.#advance(early);
        // The short first slice and the next are one for the host: input may arrive behind them, however fast this process started.
        if (early > 0 && !stop && !this.machine.yielded && this.machine.sleep === undefined) continue;
        if (!stop) turn ??= new Turn();
        if (stop?.kind === "breakpoint" && !this.#wanted(stop)) this.hooks.onBreakpoint?.(stop);
        if (stop && stop.kind !== "breakpoint") this.hooks.onFinalStop?.(stop);
        await this.hooks.afterSlice?.();
      }
    } catch (e) {
      // A bug of ours or of a callback: whoever waits must hear of it.
      for (const w of this.#waits) w.reject(e as Error);
      this.#waits.clear();
    } finally {
      turn?.cancel();
      this.#pumping = false;
    }
  }

  /** Hands over the input that is due now; what waits only for the guest to read is given at that very instruction. */
  #feed(): void {
    if (this.stop || this.machine.yielded) return;
    for (const queue of this.#queues) if (queue.due <= this.machine.age) queue.feed();
  }

  /** Runs the machine until something has to be looked at. `early`: ticks of the short first slice that are left. */
  #advance(early: number): Stop | undefined {
    if (this.stop) return this.stop;
    const { machine } = this;
    if (!machine.yielded && machine.sleep === "input" && !this.#inputMayCome()) {
      this.end({ kind: "deadHalt", pc: machine.cpus[0].pc });
      return this.#ended;
    }
    let ticks = Math.min(early || Infinity, this.hooks.limitTicks?.() ?? Infinity);
    for (const w of this.#waits) ticks = Math.min(ticks, w.deadline - machine.age);
    for (const queue of this.#queues) ticks = Math.min(ticks, queue.due - machine.age);
    // In the midst of a slice of several harts the time may be up already: the slice goes on to its end.
    const more = ticks > 0 || machine.yielded;
    return (more
      ? machine.run(machine.clock.ticks + Math.ceil(ticks), early > 0 && !machine.yielded ? FIRST_TURN_MS : TURN_MS)
      : undefined) ?? this.#ended;
  }

  /** Whether a guest that only input can wake may still be given some. */
  #inputMayCome(): boolean {
    if ([...this.consoles.values()].some((c) => c.queued > 0) || this.queuedKeys > 0) return true;
    return this.hooks.inputMayCome?.() ?? [...this.#waits].some((w) => !this.#forEnd.has(w.poll) && w.deadline < Infinity);
  }

  /** True when a wait asked for this breakpoint. */
  #wanted(stop: Stop): boolean {
    return [...this.#waits].some((w) => w.poll({ stop, late: false }));
  }

  /** Ends the waits that can be ended. True when there was one. */
  #settle(stop: Stop | undefined): boolean {
    if (this.#seen) return this.#failForbidden(this.#seen);
    const now = this.machine.age, wall = performance.now(), before = this.#waits.size;
    const final = stop ?? this.stop;
    for (const w of [...this.#waits]) {
      const late = now >= w.deadline && !this.machine.yielded, result = w.poll({ stop: final, late });
      if (result) "error" in result ? w.reject(placed(result.error, w.from)) : w.resolve(result.value);
      else if (final && final.kind !== "breakpoint") {
        w.reject(this.#failure(UnexpectedStop, w, `The machine stopped (${describeStop(final)}) before`, final));
      } else if (late) w.reject(this.#failure(ScenarioTimeout, w, `Waited ${w.within} in vain for`));
      else if (wall >= w.wallDeadline) {
        w.reject(this.#failure(WallClockTimeout, w, `Waited ${(this.#wallBudgetMs / 1000).toFixed(0)} s of wall-clock time in vain for`));
      } else continue;
      this.#waits.delete(w);
    }
    return this.#waits.size < before;
  }

  #lookForForbidden(console: SerialConsole): void {
    if (this.#seen) return;
    for (const f of this.#forbidden) {
      const found = f.console === console ? f.matcher.find(console) : undefined;
      if (!found) continue;
      f.matcher.from = found.end;
      this.#seen = { where: `${console.name} printed`, pattern: f.matcher.pattern };
      this.machine.requestBreak();
      return;
    }
  }

  /** A forbidden text on the screen fails the waits once; it may stay there. */
  #watchScreen(patterns: readonly Pattern[]): void {
    const screen = this.#screen;
    if (!screen) return;
    const matchers = patterns.map((p) => new PERIPHERALS.now!.ScreenMatcher(p)), shown = new Set<typeof matchers[number]>();
    this.#lookAtScreen = () => {
      shown.clear();
      const text = screen.port.text();
      for (const m of matchers) if (text && m.find(text)) shown.add(m);
    };
    screen.watch((row) => {
      if (this.#seen) return;
      const text = screen.port.text(shown.size === 0 && matchers.every((m) => m.byRow) ? row : -1);
      for (const m of matchers) {
        if (shown.has(m) ? text && m.find(text) : !(text && m.find(text, m.byRow ? row : -1))) continue;
        if (shown.delete(m)) continue;
        shown.add(m);
        this.#seen = { where: "the screen shows", pattern: m.pattern };
        return this.machine.requestBreak();
      }
    });
  }

  #failForbidden(seen: { readonly where: string; readonly pattern: Pattern }): boolean {
    const words = this.#lastWords(), problem = `${seen.where} ${show(seen.pattern)} (failOn) while waiting for`;
    this.#seen = undefined;
    for (const w of this.#waits) w.reject(this.#failure(FailPatternSeen, w, problem, this.stop, words));
    this.#waits.clear();
    return true;
  }

  /** Runs on for LAST_WORDS and comes back: the machine stays at the instruction where it is. */
  #lastWords(): LastWords {
    const { machine } = this, saved = machine.snapshot(), until = machine.age + this.ticksOf(parseDuration(LAST_WORDS));
    const printed = new Map<string, string>(), ports = [...this.consoles.values()].map(({ port }) => [port, { ...hooksOf(port) }] as const);
    for (const c of this.consoles.values()) {
      const decoder = new TextDecoder();
      c.port.onByte = (byte) => {
        c.onByte(byte);
        printed.set(c.name, (printed.get(c.name) ?? "") + decoder.decode(Uint8Array.of(byte), { stream: true }));
      };
      c.port.onRoom = () => {};
    }
    const keys = machine.keyboard, keysRoom = keys?.onRoom;
    if (keys) keys.onRoom = () => {};
    try {
      // What a slow guest would say takes too long.
      const patience = performance.now() + LAST_WORDS_MS;
      while (!this.stop && machine.age < until && performance.now() < patience) {
        machine.run(machine.clock.ticks + Math.max(1, until - machine.age), LAST_WORDS_MS);
      }
      return { printed, screen: this.#screen?.text() };
    } finally {
      machine.restore(saved);
      for (const [port, hooks] of ports) Object.assign(port, hooks);
      if (keys) keys.onRoom = keysRoom!;
    }
  }

  #failure<E extends ScenarioFailure>(
    Kind: new (message: string, details: FailureDetails) => E,
    wait: Pick<Wait, "what" | "from">,
    problem: string,
    stop?: Stop,
    words?: LastWords,
  ): E {
    const { machine } = this;
    const lines = [`${problem} ${wait.what}`, `  guest time: ${formatNs(machine.clock.nowNs)} (tick ${machine.clock.ticks})`];
    const quote = (heading: string, rows: readonly string[]) => lines.push(`  ${heading}:`, ...rows.map((l) => `    | ${l}`));
    for (const c of this.consoles.values()) {
      if (c.text()) quote(`${c.name}, last lines`, c.lines.slice(-20));
      else lines.push(`  ${c.name} has printed nothing`);
      const more = words?.printed.get(c.name);
      if (more) quote(`${c.name} would have gone on`, more.split(/\r*\n/).slice(0, 10));
    }
    const screen = this.#screen?.text();
    if (screen) quote("the screen", screen.split("\n"));
    if (words?.screen && words.screen !== screen) quote(`the screen would have been, ${LAST_WORDS} later`, words.screen.split("\n"));
    for (const c of machine.cpus) {
      lines.push(`  cpu${c.index}: pc ${describeAddress(machine, c.pc)}${c.idle ? ` (${describeRest(c)})` : ""}`);
    }
    if (this.options.replay) lines.push(`  replay: ${this.options.replay}`);
    const transcript: Record<string, string> = Object.fromEntries([...this.consoles.values()].map((c) => [c.name, c.text()]));
    if (screen) transcript.screen = screen;
    const error = new Kind(lines.join("\n"), { awaited: wait.what, guestNs: machine.clock.nowNs, transcript, ...(stop ? { stop } : {}) });
    return placed(error, wait.from);
  }
}

const hooksOf = ({ onByte, onRoom }: CharPort) => ({ onByte, onRoom });

/**
 * The event loop's turn after TURN_MS of running. The timer is armed before the machine runs, so that it is due by then: awaiting a fresh
 * one costs 2 ms, and `setImmediate` may leave sockets and stdin unread for seconds.
 */
class Turn {
  readonly #from = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly taken = new Promise<void>((resolve) => this.#timer = setTimeout(resolve, 1));
  cancel(): void {
    clearTimeout(this.#timer);
  }
  get due(): boolean {
    return performance.now() - this.#from > TURN_MS;
  }
}
