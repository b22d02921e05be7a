// What scenarios of a kind are given: made in order before a script runs, taken down in the reverse order behind it.
import { ConfigError } from "../core/errors.ts";
import type { MachineSession } from "./session.ts";

/** What a fixture is made of: the machine, the fixtures of `extend`s before its own, and what is to be done when the script is over. */
export type FixtureContext<Before> = Before & {
  readonly m: MachineSession;
  /** Calls `undo` when the script is over, also when it failed; the last one first. */
  after(undo: () => unknown): void;
};

/** Makes what scripts are given. A value that has `Symbol.asyncDispose` or `Symbol.dispose` is disposed of when the script is over. */
export type Fixture<Before> = (context: FixtureContext<Before>) => unknown;

/** Fixtures by name, as one `extend` has them. */
export type Fixtures = Readonly<Record<string, Fixture<never>>>;

/** Runs a script with what the chain of `extend`s makes. What it throws comes first, then what taking down throws. */
export async function withFixtures(
  chain: readonly Fixtures[],
  m: MachineSession,
  run: (m: MachineSession, fixtures: Readonly<Record<string, unknown>>) => unknown,
): Promise<void> {
  const made: Record<string, unknown> = {}, undo: (() => unknown)[] = [];
  let failed: { readonly error: unknown } | undefined;
  const attempt = async (work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      failed ??= { error };
    }
  };
  await attempt(async () => {
    for (const fixtures of chain) {
      // Those of one `extend` see only those before it.
      const before = { ...made };
      for (const [name, make] of Object.entries(fixtures)) {
        if (typeof make !== "function") throw new ConfigError(`the fixture '${name}' must be a function that makes it`);
        const value = await (make as Fixture<object>)({ ...before, m, after: (f) => void undo.push(f) });
        const { [Symbol.asyncDispose]: later, [Symbol.dispose]: now } = Object(value) as Partial<AsyncDisposable & Disposable>;
        if (later ?? now) undo.push(() => (later ?? now)!.call(value));
        made[name] = value;
      }
    }
    await run(m, made);
  });
  for (const f of undo.reverse()) await attempt(f);
  if (failed) throw failed.error;
}
