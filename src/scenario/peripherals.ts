// The screen and the keyboard of a session. Loaded for machines that have one.
import { checkOptions, ConfigError } from "../core/errors.ts";
import type { KeyPort, ScreenPort } from "../core/device.ts";
import { type Pattern, show } from "./console.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { biosKeyBuffer, eventsOfChord, eventsOfText, type KeyBuffer, type KeyEvent, KeyQueue } from "./keyboard.ts";
import type { MachineLike } from "./machine_like.ts";
import { type Look, LOOKS, Screen, ScreenMatcher } from "./screen.ts";
import type { Waiting } from "./waiting.ts";

export { ScreenMatcher };

/** A screen that scripts expect texts on. */
export class SessionScreen extends Screen {
  constructor(readonly session: Waiting, port: ScreenPort) {
    super(port);
  }

  /**
   * Runs the guest until the screen shows the pattern (at once when it does), and stops on the instruction that completes it. A pattern is
   * looked for in each row; one with a line break in the whole text, where `row` is the one that it begins in. Returns the match and its groups.
   * @throws {ScenarioTimeout} `within` (default: the session's budget) of guest time has passed. @throws {UnexpectedStop} the machine
   * stopped. @throws {ConfigError} there is no such colour, or the guest has written on a screen that has no such row or is too small.
   */
  toShow(pattern: Pattern, options: Look & { readonly within?: Duration } = {}): Promise<string[]> {
    checkOptions("toShow", options, [...LOOKS, "within"]);
    const { within, ...look } = options, matcher = new ScreenMatcher(pattern, look);
    let found: string[] | undefined, error: ConfigError | undefined;
    // While a mode is being set the screen has any size: what is written on it tells that it is there.
    const lookAt = (row: number, written: boolean) => {
      const only = matcher.byRow ? row : -1, text = this.port.text(only);
      found = text && matcher.find(text, only);
      const why = written && text && !found ? matcher.impossible(text) : undefined;
      if (why !== undefined) error = new ConfigError(`the screen cannot show ${show(pattern)}: ${why}`);
    };
    lookAt(-1, this.text() !== "");
    const watch = (row: number) => {
      if (found || error) return;
      lookAt(row, row >= 0);
      if (found || error) this.session.machine.requestBreak();
    };
    this.watch(watch);
    const how = Object.entries(look).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(
      ", ",
    );
    return this.session.wait<string[]>(
      `the screen to show ${show(pattern)}${how ? ` (${how})` : ""}`,
      within,
      () => found ? { value: found } : error && { error },
      { done: () => this.unwatch(watch) },
    );
  }
}

/** How long a key is held, and then let go, unless a script says otherwise: as QEMU's `sendkey` does. */
const PACE: Duration = "100ms";
/** The same for somebody at a terminal, where a key is released at once and people type faster; and how often a full buffer is looked at. */
const HOLD: Duration = "60ms", GAP: Duration = "10ms", RETRY: Duration = "10ms";

/** How keys are typed. */
export interface Typing {
  /** How long each key is held, and the next is waited with, in guest time: "100ms" when absent, "0ms" as fast as the guest reads. */
  readonly pace?: Duration;
  /** How much longer than the typing itself it may take. */
  readonly within?: Duration;
}

/** Where a PC's BIOS keeps keys; undefined on other machines. */
function bufferOf(machine: MachineLike): KeyBuffer | undefined {
  const at = 0x400, ram = machine.bus.regions.find((r) => r.bytes && r.base <= at && r.base + r.length >= at + 0x100);
  return ram && biosKeyBuffer(new DataView(ram.bytes!.buffer, ram.bytes!.byteOffset + at - ram.base, 0x100));
}

/** A keyboard that scripts type on; all of it goes to the input log. */
export class SessionKeyboard {
  readonly keys: KeyQueue;

  constructor(readonly session: Waiting, port: KeyPort) {
    const { machine } = session, isPc = machine.cpus[0]?.arch === "x86_64";
    const host = { now: () => machine.age, ...(isPc ? { buffer: () => bufferOf(machine) } : {}) };
    this.keys = new KeyQueue(port, host, session.ticksOf(parseDuration(RETRY)));
  }

  /**
   * Sends raw bytes of scan code set 1, each when the guest has read the one before, and waits until it was given all of them.
   * @throws {ScenarioTimeout} the guest does not read them in time. @throws {ConfigError} a code is no byte.
   */
  scancodes(codes: readonly number[], options: { within?: Duration } = {}): Promise<void> {
    checkOptions("scancodes", options, ["within"]);
    const odd = codes.find((code) => !Number.isInteger(code) || code < 0 || code > 0xff);
    if (odd !== undefined) throw new ConfigError(`scancodes: a scan code is a whole number from 0 to 255, got ${odd}`);
    return this.#send(`${codes.length} scan codes`, options.within, 0, () => this.keys.enqueue(codes));
  }

  /** Presses keys together and releases them: "enter", "ctrl+alt+delete", "F1", "A". @throws {ConfigError} an unknown key. */
  press(chord: string, options: Typing = {}): Promise<void> {
    return this.#press(eventsOfChord(chord), chord, options);
  }

  /**
   * Types a text on the US layout, as a person does; "\n" is the Enter key. A key waits until the last one was read, and where a BIOS has the
   * keyboard until there is room in its buffer.
   * @throws {ConfigError} a character that no key has.
   */
  type(text: string, options: Typing = {}): Promise<void> {
    return this.#press(eventsOfText(text), JSON.stringify(text), options);
  }

  /** Keys of somebody at a terminal; nobody waits for them. */
  strike(events: readonly KeyEvent[]): void {
    const [hold, gap] = [HOLD, GAP].map((d) => this.session.ticksOf(parseDuration(d)));
    this.keys.press(events, hold, gap);
  }

  #press(events: readonly KeyEvent[], keys: string, options: Typing): Promise<void> {
    checkOptions("the keyboard", options, ["pace", "within"]);
    const { pace = PACE, within } = options;
    const ns = parseDuration(pace), ticks = this.session.ticksOf(ns);
    return this.#send(keys, within, events.length * ns, () => this.keys.press(events, ticks, ticks));
  }

  #send(keys: string, within: Duration | undefined, typingNs: number, start: () => void): Promise<void> {
    const what = `the keyboard to be read (${keys})`, refused = this.session.refused(what, true);
    if (refused) return refused;
    start();
    return this.session.wait(what, within, ({ stop }) => {
      // The last key may end the machine: then nobody reads that it is released.
      if (stop && stop.kind !== "breakpoint" && this.keys.onlyReleases) this.keys.clear();
      return this.keys.queued === 0 ? { value: undefined } : undefined;
    }, { extraNs: typingNs });
  }
}
