// The screen and the keyboard of a session. Loaded for machines that have one.
import type { ScreenPort } from "../core/device.ts";
import { type Pattern, show } from "./console.ts";
import type { Duration } from "./duration.ts";
import { KeyQueue, scancodesOfChord, scancodesOfText } from "./keyboard.ts";
import { type Look, Screen, ScreenMatcher } from "./screen.ts";
import type { MachineSession } from "./session.ts";

export { KeyQueue, ScreenMatcher };

/** A screen that scripts expect texts on. */
export class SessionScreen extends Screen {
  constructor(readonly session: MachineSession, port: ScreenPort) {
    super(port);
  }

  /**
   * Runs the guest until the screen shows the pattern (at once when it does), and stops on the instruction that completes it. A pattern is
   * looked for in each row; one with a line break in the whole text. Returns the match and its groups.
   * @throws {ScenarioTimeout} `within` (default: the session's budget) of guest time has passed. @throws {UnexpectedStop} the machine
   * stopped.
   */
  toShow(pattern: Pattern, options: Look & { readonly within?: Duration } = {}): Promise<string[]> {
    const { within, ...look } = options, matcher = new ScreenMatcher(pattern, look);
    const find = (row: number) => {
      const only = matcher.byRow ? row : -1, text = this.port.text(only);
      return text && matcher.find(text, only);
    };
    let found = find(-1);
    const watch = (row: number) => {
      if (!found && (found = find(row))) this.session.machine.requestBreak();
    };
    this.watch(watch);
    const how = Object.entries(look).map(([name, value]) => `${name} ${value}`).join(", ");
    return this.session.wait(
      `the screen to show ${show(pattern)}${how ? ` (${how})` : ""}`,
      within,
      () => found && { value: found },
      () => this.unwatch(watch),
    );
  }
}

/** A keyboard that scripts type on; all of it goes to the input log. */
export class SessionKeyboard {
  constructor(readonly session: MachineSession, readonly keys: KeyQueue) {}

  /**
   * Sends raw bytes of scan code set 1, each when the guest has read the one before, and waits until it was given all of them.
   * @throws {ScenarioTimeout} the guest does not read them in time.
   */
  scancodes(codes: readonly number[], options: { within?: Duration } = {}): Promise<void> {
    return this.#send(codes, `${codes.length} scan codes`, options.within);
  }

  /** Presses keys together and releases them: "enter", "ctrl+alt+delete", "F1", "A". @throws {ConfigError} an unknown key. */
  press(chord: string, options: { within?: Duration } = {}): Promise<void> {
    return this.#send(scancodesOfChord(chord), chord, options.within);
  }

  /** Types a text on the US layout; "\n" is the Enter key. @throws {ConfigError} a character that no key has. */
  type(text: string, options: { within?: Duration } = {}): Promise<void> {
    return this.#send(scancodesOfText(text), JSON.stringify(text), options.within);
  }

  #send(codes: readonly number[], keys: string, within: Duration | undefined): Promise<void> {
    const what = `the keyboard to be read (${keys})`, refused = this.session.refused(what);
    if (refused) return refused;
    this.keys.enqueue(codes);
    return this.session.wait(what, within, () => this.keys.queued === 0 ? { value: undefined } : undefined);
  }
}
