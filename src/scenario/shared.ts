// Tests that begin where one boot has ended. Each has a machine of its own, in that state: a fork of the one that was booted, or the machine of a
// test that has passed, put back. Which of them it is no guest can see; the second goes on with all that has been translated.
import { restated } from "./failures.ts";
import { ConfigError } from "../core/errors.ts";
import type { MachineSession } from "./session.ts";

export class Shared {
  #booted: Promise<MachineSession> | undefined;
  /** Whose machine nobody uses any more. */
  #done: MachineSession | undefined;
  #told = false;

  constructor(readonly boot: () => Promise<MachineSession>) {}

  /** Does something with a machine of its own. @throws {Error} the boot has failed, or what is done. */
  async with(body: (m: MachineSession) => Promise<void>): Promise<void> {
    const base = await this.#base(), m = this.#done ? base.forkInto(this.#done) : base.fork();
    this.#done = undefined;
    try {
      await body(m);
      if (m.untouched) this.#done = m;
    } finally {
      await m[Symbol.asyncDispose]();
    }
  }

  /** The first that asks boots, and is told in full why that failed. */
  async #base(): Promise<MachineSession> {
    try {
      return await (this.#booted ??= this.boot());
    } catch (e) {
      const error = e instanceof ConfigError ? restated(e) : e as Error;
      if (this.#told) throw new Error(`what all these tests begin with has failed: ${error.message.split("\n")[0]}`);
      this.#told = true;
      throw error;
    }
  }
}
