// What the message of a failed wait says: what was printed and shown last and would have been next, and where the processors are.
import type { CharPort } from "../core/device.ts";
import type { Stop } from "../machine/stop.ts";
import type { Console } from "./console.ts";
import { type Duration, formatNs, parseDuration } from "./duration.ts";
import { Later } from "../core/later.ts";
import { describeStop, type FailureDetails, placed, type ScenarioFailure } from "./failures.ts";
import { describeAddress, describeRest, loadBacktrace, type MachineLike, namesBeside, ticksOf, whereabouts } from "./machine_like.ts";
import type { Occasion, Report, Resets } from "./reporting.ts";
import type { Screen } from "./screen.ts";

/** What the guest would say for so long after a forbidden pattern is part of the message, so that its sentence is whole. */
const LAST_WORDS: Duration = "10ms", LAST_WORDS_MS = 500;

/** What the guest would print and show next. */
export interface LastWords {
  readonly printed: ReadonlyMap<string, string>;
  readonly screen: string | undefined;
}

/** Why machines die: for those that do. */
const REPORTING = new Later<typeof import("./reporting.ts")>("scenario/reporting.ts");
/** What a failure is to a report; of others than these the machine is not to blame. */
const OCCASIONS: Readonly<Record<string, Occasion>> = { ScenarioTimeout: "timeout", FailPatternSeen: "failOn", WallClockTimeout: "demand" };

export class FailureReport {
  /** That of the last failure, or of a stop. */
  last: Report | undefined;
  /** To be awaited before guest time goes on. */
  loading: Promise<void> | undefined;
  /** Resets that the guest asked for, and the machine's age at the last one. */
  #resets: Resets | undefined;
  #resetAt = 0;

  constructor(
    readonly machine: MachineLike,
    readonly consoles: readonly Console[],
    readonly screen: Screen | undefined,
    /** The command that repeats the run. */
    readonly replay: string | undefined,
    /** Names of the script's steps that go on. */
    readonly steps: () => readonly string[] = () => [],
    /** No names beside the addresses that the guest printed. */
    readonly raw: boolean = false,
  ) {
    machine.onReset = () => this.#beforeReset();
  }

  /** The machine runs to be looked at only, and comes back: what happens has not happened. */
  away = false;

  /** To be awaited before `failure` and `report`. */
  async prepare(): Promise<void> {
    await loadBacktrace();
    await (await REPORTING.load()).prepare(this.machine);
  }

  /** From the second reset on it is worth knowing why; it takes about as long as a reset, so not of each. */
  #beforeReset(): void {
    const { machine } = this,
      before = this.#resets,
      count = (before?.count ?? 0) + 1,
      cpu = machine.cpus.find((c) => !c.idle) ?? machine.cpus[0];
    const told = count > 1 && !this.loading && (count & (count - 1)) === 0;
    const report = told ? this.report("reset", describeStop({ kind: "reset" }))?.facts : undefined;
    this.#resets = {
      count,
      apart: machine.age - this.#resetAt,
      last: describeAddress(machine, cpu.pc),
      ...(report ? { report, reported: count } : before?.report ? { report: before.report, reported: before.reported! } : {}),
    };
    this.#resetAt = machine.age;
    if (count === 1) this.loading = this.prepare().then(() => this.loading = undefined);
  }
  /** It is another time now. */
  restored(): void {
    this.last = undefined;
    this.#resets = undefined;
    this.#resetAt = this.machine.age;
  }

  /** Why the machine is where it is; undefined: nobody knows its processors. `prepare` comes first. `look`: to run on, and come back. */
  report(occasion: Occasion, headline: string, look = false): Report | undefined {
    const named = this.raw ? (text: string) => text : namesBeside(this.machine);
    const printed = this.consoles.flatMap((c) => c.lines.slice(-20).map(named));
    // What is told of a reset is told of no other one.
    const resets = occasion === "reset" || !this.#resets ? {} : { resets: this.#resets };
    const aside = look ? { aside: <T>(run: () => T) => this.#aside(run) } : {};
    const made = REPORTING.now?.reportOn(this.machine, occasion, headline, { printed, ...resets, ...aside });
    if (occasion !== "demand" && occasion !== "reset") this.last = made;
    return made;
  }

  /** Lets the machine run on without anybody hearing of it, and puts it back. */
  #aside<T>(run: () => T): T {
    const { machine } = this, saved = machine.snapshot();
    const ports = this.consoles.map(({ port }) => [port, { ...hooksOf(port) }] as const), keys = machine.keyboard, keysRoom = keys?.onRoom;
    const { onReset } = machine;
    for (const [port] of ports) port.onByte = port.onRoom = () => {};
    if (keys) keys.onRoom = () => {};
    machine.onReset = () => {};
    this.away = true;
    try {
      return run();
    } finally {
      this.away = false;
      if (machine.rewind) machine.rewind(saved);
      else machine.restore(saved);
      machine.onReset = onReset!;
      for (const [port, hooks] of ports) Object.assign(port, hooks);
      if (keys) keys.onRoom = keysRoom!;
    }
  }

  /** Runs on for LAST_WORDS and comes back: the machine stays at the instruction where it is. `stop`: whether it has stopped meanwhile. */
  lastWords(stop: () => Stop | undefined): LastWords {
    const { machine } = this, until = machine.age + ticksOf(machine, parseDuration(LAST_WORDS)), printed = new Map<string, string>();
    return this.#aside(() => {
      for (const c of this.consoles) {
        const decoder = new TextDecoder();
        c.port.onByte = (byte) => {
          c.onByte(byte);
          printed.set(c.name, (printed.get(c.name) ?? "") + decoder.decode(Uint8Array.of(byte), { stream: true }));
        };
      }
      // What a slow guest would say takes too long.
      const patience = performance.now() + LAST_WORDS_MS;
      while (!stop() && machine.age < until && performance.now() < patience) {
        machine.run(machine.clock.ticks + Math.max(1, until - machine.age), LAST_WORDS_MS);
      }
      return { printed, screen: this.screen?.text() };
    });
  }

  /** An error that tells of a wait, placed where it was awaited. `prepare` comes first. */
  failure<E extends ScenarioFailure>(
    Kind: new (message: string, details: FailureDetails) => E,
    wait: { readonly what: string; readonly from: Error; readonly more?: readonly string[] },
    problem: string,
    stop?: Stop,
    words?: LastWords,
  ): E {
    const { machine } = this, steps = this.steps(), told = [problem, wait.what].filter(Boolean).join(" ");
    const occasion = OCCASIONS[Kind.name] ?? (stop && stop.kind !== "breakpoint" && stop.kind !== "budget" ? stop.kind : undefined);
    const report = occasion &&
      this.report(occasion, stop ? describeStop(stop).split("\n")[0] : told.split("\n")[0], occasion === "timeout");
    // What the processor says of itself is in the report, and more.
    if (report && stop && "report" in stop) problem = problem.replace(`\n${stop.report}`, "");
    const lines = [[problem, wait.what].filter(Boolean).join(" "), ...(wait.more ?? []).map((line) => `  ${line}`)];
    lines.push(...(report?.causes ?? []).map((line) => `  ${line}`));
    lines.push(`  guest time: ${formatNs(machine.clock.nowNs)} (tick ${machine.clock.ticks})`);
    if (steps.length) lines.push(`  in the step: ${steps.join(" > ")}`);
    const named = this.raw ? (text: string) => text : namesBeside(machine);
    const quote = (heading: string, rows: readonly string[]) => lines.push(`  ${heading}:`, ...rows.map((l) => `    | ${named(l)}`));
    for (const c of this.consoles) {
      if (c.text()) quote(`${c.name}, last lines`, c.lines.slice(-20));
      else lines.push(`  ${c.name} has printed nothing`);
      const more = words?.printed.get(c.name);
      if (more) quote(`${c.name} would have gone on`, more.split(/\r*\n/).slice(0, 10));
    }
    const screen = this.screen?.text();
    if (screen) quote("the screen", screen.split("\n"));
    if (words?.screen && words.screen !== screen) quote(`the screen would have been, ${LAST_WORDS} later`, words.screen.split("\n"));
    for (const c of machine.cpus) {
      const { place, callers } = whereabouts(machine, c);
      lines.push(`  cpu${c.index}: pc ${place}${c.idle ? ` (${describeRest(c)})` : ""}`, ...callers.map((line) => `    ${line}`));
    }
    lines.push(...(report?.details ?? []).map((line) => `  ${line}`));
    if (this.replay) lines.push(`  replay: ${this.replay}`);
    const transcript: Record<string, string> = Object.fromEntries(this.consoles.map((c) => [c.name, named(c.text())]));
    if (screen) transcript.screen = named(screen);
    const error = new Kind(lines.join("\n"), {
      awaited: wait.what,
      guestNs: machine.clock.nowNs,
      transcript,
      steps,
      ...(stop ? { stop } : {}),
      ...(report ? { report } : {}),
    });
    return placed(error, wait.from);
  }
}

const hooksOf = ({ onByte, onRoom }: CharPort) => ({ onByte, onRoom });
