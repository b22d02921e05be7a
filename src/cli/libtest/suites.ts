// How a kernel's cases are run. The machine is booted once, to where the kernel is ready for its cases, and each case is called on a fork of it:
// so one that hangs or dies hides no other, and none sees what another has left behind.
import { ConfigError } from "../../core/errors.ts";
import type { Harness, TestCase } from "../../machine/test_cases.ts";
import type { Elf } from "../../machine/elf.ts";
import type { Stop } from "../../machine/stop.ts";
import { type Duration, parseDuration } from "../../scenario/duration.ts";
import { HISTORY } from "../../scenario/console.ts";
import { describeStop, ScenarioFailure } from "../../scenario/failures.ts";
import type { Occasion } from "../../scenario/reporting.ts";
import type { MachineSession } from "../../scenario/session.ts";
import { Calls, type Entered, runTo } from "./calls.ts";
import type { Result } from "./formats.ts";
import { requestsOf, serve } from "./semihosting.ts";

/** A kernel's cases, and what runs one. */
export interface Suite {
  readonly cases: readonly TestCase[];
  /** Boots what cases are run on. @throws {ConfigError} the machine or an image is wrong. */
  prepare(): Promise<unknown>;
  /** @param live is given what the case prints, as it prints it. */
  run(c: TestCase, live: (text: string) => void): Promise<Result>;
}

export interface SuiteOptions {
  /** A machine that has not run yet. */
  readonly boot: () => Promise<MachineSession>;
  /** Guest time that a case may take, and the way to the first one. */
  readonly timeout: Duration;
}

/** Symbols of functions that are called when the guest panics: Rust's panic handler, by its names before and since 1.86, and C's usual one. */
const PANICS = ["rust_begin_unwind", "__rustc::rust_begin_unwind", "panic"];
/** What a guest prints that panics, where no symbol tells. */
const PANIC_TEXT = /panicked at/;
/** A guest that has panicked is heard until it stops or says nothing for so long, and not for ever. */
const SILENCE: Duration = "50ms", MOST_WORDS = 20, MOST_TEXT = 1 << 14;

/** What a request to a debugger takes off a case's time. */
const REQUEST_TIME: Duration = "100us";

/** Nobody gives a kernel under test any input: one that waits for some is dead. */
export const alone = (m: MachineSession): MachineSession => {
  m.hooks = { inputMayCome: () => false };
  return m;
};

/** Whether a machine ended well: the machine file's verdict says so, or its code. */
export const passes = (stop: Stop): boolean => stop.kind === "exit" && (stop.pass ?? stop.code === 0);

/** Whether one that did not end well has panicked, by how it ended and what it printed. */
export const panics = (stop: Stop | undefined, text: string): boolean => stop?.kind === "exit" && !passes(stop) || PANIC_TEXT.test(text);

/** What a machine prints from now on. */
export class Transcript {
  readonly #from: readonly number[];
  readonly #consoles;
  /** What reaches us in other ways. */
  #said = "";
  readonly #decoder = new TextDecoder();
  constructor(readonly m: MachineSession, readonly live: (text: string) => void = () => {}) {
    this.#consoles = [...m.consoles.values()];
    this.#from = this.#consoles.map((c) => c.end);
    for (const [i, c] of this.#consoles.entries()) {
      let told = this.#from[i];
      c.watchers.add(() => {
        if (c.end === told) return;
        live(c.textFrom(told));
        told = c.end;
      });
    }
  }
  say(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#said = (this.#said + text).slice(-HISTORY);
    this.live(text);
  }
  get text(): string {
    return this.#consoles.map((c, i) => c.textFrom(this.#from[i])).join("") + this.#said;
  }
  get length(): number {
    return this.#consoles.reduce((sum, c, i) => sum + c.end - this.#from[i], this.#said.length);
  }
  /** What there is to say of what was printed: a kernel that has no console may write on the screen. */
  get shown(): string {
    return this.text || (this.m.hasScreen ? this.m.screen.text().trimEnd() : "");
  }
}

/** Where these occasions find a machine its state explains nothing. */
const PLAIN: ReadonlySet<Occasion> = new Set(["demand", "reset"]);

/** What there is to say of where a machine is and how it came there, or why it died. */
async function reported(m: MachineSession, occasion: Occasion, headline: string): Promise<string[]> {
  await m.failureReport.prepare();
  const report = m.failureReport.report(occasion, headline, occasion === "timeout");
  return report ? [headline, ...report.causes, ...PLAIN.has(occasion) ? [] : report.details, ...report.places] : [headline];
}

/** Why a machine that stopped so has not passed. */
export async function whyNot(m: MachineSession, stop: Stop, timeout: Duration): Promise<string[]> {
  if (stop.kind === "budget") return await reported(m, "timeout", `timed out: ${timeout} of guest time have passed`);
  const [headline] = describeStop(stop).split("\n");
  return stop.kind === "exit" || stop.kind === "breakpoint" ? [headline] : await reported(m, stop.kind, headline);
}

/** Where the booted machine stands: a function has been entered whose place a case's takes. */
interface Ready {
  readonly m: MachineSession;
  readonly at: Entered;
  /** Where the kernel's test runner returns to. */
  readonly end: bigint | undefined;
}

/** Cases that are functions, called in the place of the one that the kernel calls first. */
export class CalledSuite implements Suite {
  #ready: Promise<Ready | Result> | undefined;
  /** Where the program asks a debugger for something: only embedded-test's do, of which this is the protocol. */
  readonly #requests: ReadonlySet<bigint>;
  constructor(readonly harness: Harness, readonly elf: Elf, readonly options: SuiteOptions) {
    this.#requests = harness.kind === "embedded-test" ? requestsOf(elf) : new Set();
  }

  get cases(): readonly TestCase[] {
    return this.harness.cases;
  }

  prepare(): Promise<Ready | Result> {
    return this.#ready ??= this.#boot();
  }

  async run(c: TestCase, live: (text: string) => void): Promise<Result> {
    const ready = await this.prepare();
    if (!("m" in ready)) return ready;
    const m = alone(ready.m.fork()), transcript = new Transcript(m, live), before = m.nowNs;
    const timeout = c.timeoutNs === undefined ? this.options.timeout : `${c.timeoutNs / 1e6}ms`;
    const done = (ok: boolean, why: readonly string[]): Result => ({
      ok,
      output: ok ? transcript.text : transcript.shown,
      why,
      guestNs: m.nowNs - before,
    });
    try {
      const { stop, panic } = await this.#call(c, ready, m, transcript, timeout);
      if (stop.kind === "breakpoint" || passes(stop)) {
        return c.shouldPanic ? done(false, ["it did not panic, and should have"]) : done(true, []);
      }
      const panicked = panic !== undefined || panics(stop, transcript.text);
      if (c.shouldPanic && panicked) return done(true, []);
      // A guest that goes round or waits behind its panic says nothing new.
      const told = panic !== undefined && (stop.kind === "budget" || stop.kind === "deadHalt") ? [] : await whyNot(m, stop, timeout);
      return done(false, [...panic ?? [], ...told]);
    } catch (e) {
      if (!(e instanceof ScenarioFailure)) throw e;
      return done(false, [e.message.split("\n")[0]]);
    } finally {
      await m[Symbol.asyncDispose]();
    }
  }

  /** The machine, ready for its cases; or how it failed to become so, which is every case's failure. */
  async #boot(): Promise<Ready | Result> {
    const { harness: { cases, kind, main }, options: { timeout } } = this, m = alone(await this.options.boot());
    const transcript = new Transcript(m), { cpus, bus } = m.machine, calls = new Calls(cpus[0].arch, this.elf.bits);
    const entries = kind === "test_case" ? cases.map((c) => c.entry) : [], awaited = new Set(entries);
    if (main !== undefined) awaited.add(main);
    let end: bigint | undefined, stop: Stop;
    for (;;) {
      stop = await this.#runTo(m, awaited, timeout, transcript);
      if (stop.kind !== "breakpoint") break;
      const at = calls.entered(cpus[stop.cpu], bus);
      if (stop.pc === end) break;
      if (kind !== "test_case" || stop.pc !== main) return { m, at, end };
      end = at.returnAddress;
      awaited.delete(main);
      awaited.add(end);
    }
    const why = stop.kind === "breakpoint" || passes(stop) ? [describeStop(stop)] : await whyNot(m, stop, timeout);
    return { ok: false, output: transcript.shown, why: ["the kernel did not come to its first test case:", ...why], guestNs: 0 };
  }

  /** Calls a case on a fork. A "breakpoint" says that it is over and the kernel goes on; `panic` where it has panicked meanwhile. */
  async #call(
    c: TestCase,
    { at, end }: Ready,
    m: MachineSession,
    transcript: Transcript,
    timeout: Duration,
  ): Promise<{ readonly stop: Stop; readonly panic?: readonly string[] }> {
    const { cpus } = m.machine, calls = new Calls(cpus[at.cpu].arch, this.elf.bits), handlers = panicHandlers(m);
    const deadline = m.machine.age + m.ticksOf(parseDuration(timeout)), own = this.harness.kind !== "test_case";
    const others = own ? [] : this.cases.map(({ entry }) => entry), ends = new Set(end === undefined ? [] : [end]);
    // Those of embedded-test do not return.
    const back = this.harness.kind === "embedded-test" ? [] : [at.returnAddress];
    let awaited = new Set([...ends, ...handlers, ...back, ...others.filter((entry) => entry !== c.entry)]);
    calls.jump(cpus[at.cpu], c.entry);
    for (;;) {
      const left = Math.max(0, deadline - m.machine.age) / m.machine.clock.hz * 1e9,
        stop = await this.#runTo(m, awaited, `${Math.ceil(left)}ns`, transcript);
      if (stop.kind !== "breakpoint") return { stop };
      if (handlers.has(stop.pc)) {
        const panic = await reported(m, "demand", "the kernel panicked:");
        return { stop: await this.#lastWords(m, transcript), panic };
      }
      if (stop.pc !== at.returnAddress) return { stop };
      // The place may be met by others: a runner that is called again, or another thread.
      if (stop.cpu !== at.cpu || calls.stack(cpus[at.cpu]) < at.stack) continue;
      if (own) return { stop };
      // The runner has its say about it, until it comes to the next.
      awaited = new Set([...ends, ...handlers, ...others]);
    }
  }

  /** `runTo`, which serves what the program asks a debugger for; a "breakpoint" also where it asks what to run. */
  async #runTo(
    m: MachineSession,
    addresses: ReadonlySet<bigint>,
    within: Duration,
    transcript: Transcript,
    enough?: () => boolean,
  ): Promise<Stop> {
    const requests = this.#requests, all = requests.size > 0 ? new Set([...addresses, ...requests]) : addresses;
    let until = m.machine.age + m.ticksOf(parseDuration(within));
    for (;;) {
      const left = Math.max(0, until - m.machine.age) / m.machine.clock.hz * 1e9,
        stop = await runTo(m, all, `${Math.ceil(left)}ns`, enough);
      if (stop.kind !== "breakpoint" || !requests.has(stop.pc)) return stop;
      const asked = serve(m.machine.cpus[stop.cpu], m.machine.bus, (text) => transcript.say(text));
      if (asked) return asked === "command line" ? stop : asked;
      // A program that does nothing but ask must come to an end, too.
      until -= m.ticksOf(parseDuration(REQUEST_TIME));
    }
  }

  /** What a guest says that has panicked, and how it ends. */
  async #lastWords(m: MachineSession, transcript: Transcript): Promise<Stop> {
    const most = transcript.length + MOST_TEXT, enough = () => transcript.length > most;
    for (let n = 0;; n++) {
      const before = transcript.length, stop = await this.#runTo(m, new Set(), SILENCE, transcript, enough);
      if (stop.kind !== "budget" || transcript.length === before || enough() || n === MOST_WORDS) return stop;
    }
  }
}

/** Addresses at which the guest panics. */
function panicHandlers({ machine: { symbols } }: MachineSession): Set<bigint> {
  const at = (name: string) => {
    try {
      return symbols.address(name);
    } catch (e) {
      if (e instanceof ConfigError) return undefined;
      throw e;
    }
  };
  return new Set(PANICS.map(at).filter((a) => a !== undefined));
}
