// Stdin to the guest: a raw terminal with Ctrl-A commands, or a pipe that is fed as it is.
import type { SerialConsole } from "../scenario/serial_console.ts";

/** Where typed bytes go. */
export type Sink = Pick<SerialConsole, "enqueue" | "queued" | "onDrained">;

const CTRL_A = 0x01;
/** Milliseconds in which the end of a pipe is heard of. */
const PATIENCE_MS = 300;

export interface InputHooks {
  /** A key after Ctrl-A other than Ctrl-A itself and "a". */
  onCommand(key: string): void;
  /** While it returns true, bytes go to `onMonitorByte` and not to the guest. */
  monitorOpen(): boolean;
  onMonitorByte(byte: number): void;
  /** Something was fed, or stdin ended. */
  onActivity(): void;
}

/**
 * Whether the terminal is this job's. The kernel stops a job that is not (SIGTTOU, SIGTTIN) when it sets the terminal up or reads from it: one
 * behind `&`, or under `timeout`. Only the kernel knows, and tells in proc(5), stat: process group (5) and that of the terminal (8).
 */
export function inForeground(): boolean {
  try {
    // The name in the second place may have blanks and parentheses.
    const fields = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\)/s, "").trim().split(" ");
    return fields[2] === fields[5];
  } catch {
    return true;
  }
}

/** Reads stdin until it ends. */
export class Input {
  readonly #terminal = Deno.stdin.isTerminal();
  /** Somebody types: stdin is a terminal, and ours. */
  interactive: boolean = this.#terminal && inForeground();
  /** Stdin has ended: the guest will never get anything more. */
  ended = false;
  /** What is being read has come, or does not for a while. */
  heard = false;
  #hear: () => void = () => {};
  #escaped = false;
  #raw = false;

  /** `commands`: a pipe has Ctrl-A commands, too, as QEMU's mux has. */
  constructor(readonly console: Sink | undefined, readonly hooks: InputHooks, readonly commands = false) {}

  /** Switches the terminal to raw mode, so that every key reaches the guest, and starts reading. */
  start(): void {
    if (this.interactive) {
      Deno.stdin.setRaw(true);
      this.#raw = true;
    }
    // Another job's terminal is left alone.
    if (this.interactive || !this.#terminal) this.#read();
  }

  /** The terminal is another job's, and may become ours. */
  get waitsForTerminal(): boolean {
    return this.#terminal && !this.interactive;
  }
  /** The process goes on after it was stopped, or has become the job in front: then the terminal is ours. */
  continued(): void {
    if (!this.waitsForTerminal || !inForeground()) return;
    this.interactive = true;
    this.start();
  }

  /** Gives the terminal back as it was. Harmless when called again. */
  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    if (inForeground()) Deno.stdin.setRaw(false);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (;;) {
      let n: number | null;
      this.heard = false;
      try {
        n = await Deno.stdin.read(buffer);
      } catch {
        // Stdin is closed, or is something that cannot be read (a folder): as good as its end.
        n = null;
      }
      this.#listened();
      if (n === null) break;
      const data = buffer.subarray(0, n);
      if (this.interactive || this.commands) { for (const b of data) this.#key(b); }
      else this.console?.enqueue(data);
      this.hooks.onActivity();
      // Back pressure: a pipe is read only as fast as the guest takes it.
      if (!this.interactive) await this.#drained();
    }
    this.ended = true;
    this.hooks.onActivity();
  }

  /** Until the first bytes or the end of stdin, or for as long as a pipe may take that somebody writes to. */
  hear(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#listened(), PATIENCE_MS);
      this.#hear = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.heard) this.#hear();
    });
  }
  #listened(): void {
    this.heard = true;
    this.#hear();
  }

  #key(byte: number): void {
    if (this.#escaped) {
      this.#escaped = false;
      const key = String.fromCharCode(byte).toLowerCase();
      if (byte === CTRL_A || key === "a") this.#deliver(CTRL_A);
      else this.hooks.onCommand(key);
    } else if (byte === CTRL_A) this.#escaped = true;
    else this.#deliver(byte);
  }

  #deliver(byte: number): void {
    if (this.hooks.monitorOpen()) this.hooks.onMonitorByte(byte);
    else this.console?.enqueue(Uint8Array.of(byte));
  }

  #drained(): Promise<void> {
    const { console } = this;
    if (!console || console.queued === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = console.onDrained;
      console.onDrained = () => {
        console.onDrained = before;
        before();
        resolve();
      };
    });
  }
}
