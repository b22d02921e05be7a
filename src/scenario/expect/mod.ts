// `expect`: which matchers a subject has. Loaded with the first machine of a script.
import { checkOptions, ConfigError } from "../../core/errors.ts";
import { Console } from "../console.ts";
import { type Duration, parseDuration } from "../duration.ts";
import { describeStop } from "../failures.ts";
import { Processor, StackWatch, Tally, Variable } from "../inspection.ts";
import { SessionScreen } from "../peripherals.ts";
import { MachineSession } from "../session.ts";
import { CONSOLES } from "./consoles.ts";
import { MACHINES } from "./machines.ts";
import { PROCESSORS } from "./processors.ts";
import { SCREENS } from "./screens.ts";
import { STACKS } from "./stacks.ts";
import { Terminal } from "../terminal.ts";
import { TERMINALS } from "./terminals.ts";
import { TALLIES } from "./tallies.ts";
import type { Expect, PollOptions } from "./types.ts";
import { VALUES } from "./values.ts";
import { VARIABLES } from "./variables.ts";
import { type Call, checkNamed, type Kind, matchersFor, named, outcome, settle } from "./verdict.ts";

/** Kinds of subjects by their classes; what is none of them is a value. */
const KINDS: readonly (readonly [abstract new (...args: never) => object, Kind])[] = [
  [Console, CONSOLES],
  [SessionScreen, SCREENS],
  [MachineSession, MACHINES],
  [Processor, PROCESSORS],
  [Variable, VARIABLES],
  [Tally, TALLIES],
  [Terminal, TERMINALS],
  [StackWatch, STACKS],
];

/** @throws {ConfigError} it is a promise. */
function kindOf(subject: unknown): Kind {
  if (subject instanceof Promise) throw new ConfigError("expect: this is a promise: is an `await` missing?");
  return KINDS.find(([Class]) => subject instanceof Class)?.[1] ?? VALUES;
}

/** Guest time from one question to the next. */
const EVERY: Duration = "1ms";

/** Asks the matcher `name` of what `of` gives, until the verdict is the expected one. */
async function poll(m: MachineSession, of: () => unknown, options: PollOptions, call: Call, name: string, args: unknown[]): Promise<void> {
  const { within = m.guestBudget, every = EVERY } = options, step = Math.max(1, m.ticksOf(parseDuration(every)));
  const end = within === "none" ? Infinity : m.machine.age + m.ticksOf(parseDuration(within));
  for (;;) {
    const subject = await of(), verdict = checkNamed(kindOf(subject), name)(subject, ...args), { stop } = m, now = m.machine.age;
    if (verdict.pass !== call.negated) return;
    if (stop || now >= end) {
      const why = stop ? `the machine has stopped (${describeStop(stop).split("\n")[0]})` : `${within} of guest time have passed`;
      return settle(call, { ...verdict, more: [...verdict.more ?? [], `asked every ${every}: ${why}`] }, m);
    }
    const what = `${verdict.subject}${call.negated ? " not" : ""} to ${verdict.to}`;
    await m.pass(what, Math.min(step, end - now));
  }
}

const how = { negated: false, soft: false };

export const expect: Expect = Object.assign((subject: unknown) => matchersFor(kindOf(subject), subject, how) as never, {
  soft: (subject: unknown) => matchersFor(kindOf(subject), subject, { ...how, soft: true }) as never,
  poll: (m: MachineSession, of: () => unknown, options: PollOptions = {}) => {
    checkOptions("expect.poll", options, ["within", "every"]);
    if (!(m instanceof MachineSession)) {
      throw new ConfigError("expect.poll: the machine that runs meanwhile comes first: expect.poll(m, () => ...)");
    }
    if (typeof of !== "function") throw new ConfigError("expect.poll: a function is asked again and again: expect.poll(m, () => ...)");
    return named(how, (name, how) => (...args) => {
      const call = { ...how, from: new Error() };
      return outcome(call, () => poll(m, of, options, call, name, args));
    }) as never;
  },
});
