// A console that scripts send to and expect from.
import { checkOptions, ConfigError } from "../core/errors.ts";
import { load } from "../core/later.ts";
import { Console, Matcher, type Pattern, show, UNANSWERED } from "./console.ts";
import { type Duration, parseDuration } from "./duration.ts";
import type { Terminal, TerminalSize } from "./terminal.ts";
import type { Waiting } from "./waiting.ts";

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
  constructor(name: string, readonly session: Waiting) {
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
    const refused = this.session.refused(what, true);
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

  /** What a terminal shows of this console: `await expect(terminal).toShow("login:", { fg: "green", row: -1 })`. It answers no queries. */
  async terminal(size: TerminalSize = {}): Promise<Terminal> {
    return await (await load<typeof import("./terminal.ts")>("scenario/terminal.ts")).terminalOf(this, size);
  }

  /** Called after the text has grown. */
  readonly watchers: Set<() => void> = new Set();
  override onText: () => void = () => {
    for (const look of this.watchers) look();
  };
}
