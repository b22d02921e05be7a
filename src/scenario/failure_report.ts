// What the message of a failed wait says: what was printed and shown last and would have been next, and where the processors are.
import type { CharPort } from "../core/device.ts";
import type { Stop } from "../machine/stop.ts";
import type { Console } from "./console.ts";
import { type Duration, formatNs, parseDuration } from "./duration.ts";
import { type FailureDetails, placed, type ScenarioFailure } from "./failures.ts";
import { describeRest, type MachineLike, ticksOf, whereabouts } from "./machine_like.ts";
import type { Screen } from "./screen.ts";

/** What the guest would say for so long after a forbidden pattern is part of the message, so that its sentence is whole. */
const LAST_WORDS: Duration = "10ms", LAST_WORDS_MS = 500;

/** What the guest would print and show next. */
export interface LastWords {
  readonly printed: ReadonlyMap<string, string>;
  readonly screen: string | undefined;
}

export class FailureReport {
  constructor(
    readonly machine: MachineLike,
    readonly consoles: readonly Console[],
    readonly screen: Screen | undefined,
    /** The command that repeats the run. */
    readonly replay: string | undefined,
    /** Names of the script's steps that go on. */
    readonly steps: () => readonly string[] = () => [],
  ) {}

  /** Runs on for LAST_WORDS and comes back: the machine stays at the instruction where it is. `stop`: whether it has stopped meanwhile. */
  lastWords(stop: () => Stop | undefined): LastWords {
    const { machine } = this,
      saved = machine.snapshot(),
      until = machine.age + ticksOf(machine, parseDuration(LAST_WORDS));
    const printed = new Map<string, string>(), ports = this.consoles.map(({ port }) => [port, { ...hooksOf(port) }] as const);
    for (const c of this.consoles) {
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
      while (!stop() && machine.age < until && performance.now() < patience) {
        machine.run(machine.clock.ticks + Math.max(1, until - machine.age), LAST_WORDS_MS);
      }
      return { printed, screen: this.screen?.text() };
    } finally {
      machine.restore(saved);
      for (const [port, hooks] of ports) Object.assign(port, hooks);
      if (keys) keys.onRoom = keysRoom!;
    }
  }

  /** An error that tells of a wait, placed where it was awaited. `loadBacktrace` comes first. */
  failure<E extends ScenarioFailure>(
    Kind: new (message: string, details: FailureDetails) => E,
    wait: { readonly what: string; readonly from: Error; readonly more?: readonly string[] },
    problem: string,
    stop?: Stop,
    words?: LastWords,
  ): E {
    const { machine } = this, steps = this.steps();
    const lines = [[problem, wait.what].filter(Boolean).join(" "), ...(wait.more ?? []).map((line) => `  ${line}`)];
    lines.push(`  guest time: ${formatNs(machine.clock.nowNs)} (tick ${machine.clock.ticks})`);
    if (steps.length) lines.push(`  in the step: ${steps.join(" > ")}`);
    const quote = (heading: string, rows: readonly string[]) => lines.push(`  ${heading}:`, ...rows.map((l) => `    | ${l}`));
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
    if (this.replay) lines.push(`  replay: ${this.replay}`);
    const transcript: Record<string, string> = Object.fromEntries(this.consoles.map((c) => [c.name, c.text()]));
    if (screen) transcript.screen = screen;
    const error = new Kind(lines.join("\n"), {
      awaited: wait.what,
      guestNs: machine.clock.nowNs,
      transcript,
      steps,
      ...(stop ? { stop } : {}),
    });
    return placed(error, wait.from);
  }
}

const hooksOf = ({ onByte, onRoom }: CharPort) => ({ onByte, onRoom });
