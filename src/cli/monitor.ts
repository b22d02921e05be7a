// The monitor behind Ctrl-A C: commands about the machine, typed on the guest's terminal. The guest goes on unless it is paused.
import { runCommand, type RunControl } from "../debug/monitor.ts";

const PROMPT = "(bringup) ";
const BACKSPACE = 0x08, LF = 0x0a, CR = 0x0d, CTRL_U = 0x15, DELETE = 0x7f;

/** A line editor of its own, because the terminal is raw: backspace and Ctrl-U work. */
export class Monitor {
  #line = "";
  constructor(readonly host: RunControl & { write(text: string): void }) {
    host.write(`\n${PROMPT}`);
  }

  byte(b: number): void {
    if (b === CR || b === LF) {
      this.host.write("\n");
      const answer = runCommand(this.#line, this.host);
      this.#line = "";
      this.host.write(`${answer}${answer && "\n"}${PROMPT}`);
    } else if (b === DELETE || b === BACKSPACE) {
      if (this.#line) this.host.write("\b \b");
      this.#line = this.#line.slice(0, -1);
    } else if (b === CTRL_U) {
      this.host.write("\b \b".repeat(this.#line.length));
      this.#line = "";
    } else if (b >= 0x20 && b < 0x7f) {
      this.#line += String.fromCharCode(b);
      this.host.write(String.fromCharCode(b));
    }
  }
}
