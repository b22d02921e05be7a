// Stdin to the guest: a raw terminal with Ctrl-A commands, or a pipe that is fed as it is.
import type { SerialConsole } from "../scenario/session.ts";

/** Where typed bytes go. */
export type Sink = Pick<SerialConsole, "enqueue" | "queued" | "onDrained">;

const CTRL_A = 0x01;

export interface InputHooks {
  /** A key after Ctrl-A other than Ctrl-A itself and "a". */
  onCommand(key: string): void;
  /** While it returns true, bytes go to `onMonitorByte` and not to the guest. */
  monitorOpen(): boolean;
  onMonitorByte(byte: number): void;
  /** Something was fed, or stdin ended. */
  onActivity(): void;
}

/** Reads stdin until it ends. */
export class Input {
  readonly interactive = Deno.stdin.isTerminal();
  /** Stdin has ended: the guest will never get anything more. */
  ended = false;
  #escaped = false;
  #raw = false;

  constructor(readonly console: Sink | undefined, readonly hooks: InputHooks) {}

  /** Switches the terminal to raw mode, so that every key reaches the guest, and starts reading. */
  start(): void {
    if (this.interactive) {
      Deno.stdin.setRaw(true);
      this.#raw = true;
    }
    this.#read();
  }

  /** Gives the terminal back as it was. Harmless when called again. */
  restore(): void {
    if (!this.#raw) return;
    this.#raw = false;
    Deno.stdin.setRaw(false);
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4096);
    for (;;) {
      let n: number | null;
      try {
        n = await Deno.stdin.read(buffer);
      } catch {
        // Stdin is closed, or is something that cannot be read (a folder): as good as its end.
        n = null;
      }
      if (n === null) break;
      const data = buffer.subarray(0, n);
      if (this.interactive) { for (const b of data) this.#key(b); }
      else this.console?.enqueue(data);
      this.hooks.onActivity();
      // Back pressure: a pipe is read only as fast as the guest takes it.
      if (!this.interactive) await this.#drained();
    }
    this.ended = true;
    this.hooks.onActivity();
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
