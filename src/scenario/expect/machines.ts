// How a machine ends, and how long it has run.
import { checkOptions, ConfigError, didYouMean } from "../../core/errors.ts";
import type { Stop } from "../../machine/stop.ts";
import { type Duration, formatNs, parseDuration } from "../duration.ts";
import { describeStop } from "../failures.ts";
import type { MachineSession } from "../session.ts";
import { nothingWithin, spanOf } from "./consoles.ts";
import { differenceAt } from "./values.ts";
import { type Call, failure, type Kind } from "./verdict.ts";

/** Kinds of final stops. */
const KINDS: Readonly<Record<Exclude<Stop["kind"], "breakpoint" | "budget">, true>> = {
  exit: true,
  reset: true,
  deadHalt: true,
  tripleFault: true,
  trapLoop: true,
};

/** "exit with code 0", or what else a script wants to know of a stop. */
function describeWanted({ kind, ...rest }: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(rest).map(([name, value]) => `${name} ${typeof value === "bigint" ? `0x${value.toString(16)}` : value}`);
  return [kind, ...parts].join(", ");
}

async function toStop(
  m: MachineSession,
  call: Call,
  wanted?: string | Partial<Stop>,
  options: { readonly within?: Duration } = {},
): Promise<Stop> {
  const pattern = typeof wanted === "string" ? { kind: wanted } : wanted ?? {}, kind = (pattern as Partial<Stop>).kind;
  if (kind !== undefined && !Object.hasOwn(KINDS, kind)) {
    throw new ConfigError(
      `toStop: there is no stop '${kind}'${didYouMean(kind, Object.keys(KINDS))}; there are ${Object.keys(KINDS).join(", ")}`,
    );
  }
  const to = `stop${kind === undefined ? "" : ` (${describeWanted(pattern)})`}`, subject = "the machine";
  const answer = (stop: Stop) => {
    const pass = differenceAt(Object.fromEntries(Object.keys(pattern).map((k) => [k, stop[k as keyof Stop]])), pattern, true) === undefined;
    return { pass, subject, to, found: `it stopped: ${describeStop(stop)}` };
  };
  if (call.negated) {
    const within = spanOf("not.toStop", options);
    const seen = () => {
      const verdict = m.stop && answer(m.stop);
      return verdict?.pass ? verdict.found : undefined;
    };
    return await nothingWithin(m, call, within, { subject, to, seen, done: () => {} }) as never;
  }
  checkOptions("toStop", options, ["within"]);
  const verdict = answer(await m.stopped(options));
  if (!verdict.pass) throw failure(call, verdict, m);
  return m.stop!;
}

/** Guest time a script took for something. */
async function toTake(
  m: MachineSession,
  call: Call,
  limits: { readonly atLeast?: Duration; readonly atMost?: Duration },
  body: () => unknown,
): Promise<unknown> {
  checkOptions("toTake", limits, ["atLeast", "atMost"]);
  if (typeof body !== "function") throw new ConfigError("toTake: the second argument is a function, whose guest time is measured");
  const before = m.machine.age, result = await body(), ns = (m.machine.age - before) * 1e9 / m.machine.clock.hz;
  const verdict = spanVerdict("what the script did", "take", ns, limits);
  if (verdict.pass === call.negated) throw failure(call, verdict, m);
  return result;
}

function spanVerdict(
  subject: string,
  verb: string,
  ns: number,
  { atLeast, atMost }: { readonly atLeast?: Duration; readonly atMost?: Duration },
) {
  if (atLeast === undefined && atMost === undefined) throw new ConfigError(`how long? { atLeast: "1ms", atMost: "2ms" }, or one of both`);
  const pass = (atLeast === undefined || ns >= parseDuration(atLeast)) && (atMost === undefined || ns <= parseDuration(atMost));
  const words = [...atLeast === undefined ? [] : [`at least ${atLeast}`], ...atMost === undefined ? [] : [`at most ${atMost}`]];
  return { pass, subject, to: `${verb} ${words.join(" and ")} of guest time`, found: `it is ${formatNs(ns)}` };
}

export const MACHINES: Kind = {
  title: "a machine",
  session: (m: MachineSession) => m,
  checks: {
    toHaveRun: (m: MachineSession, limits = {}) => {
      checkOptions("toHaveRun", limits, ["atLeast", "atMost"]);
      return spanVerdict("the machine", "have run", m.machine.clock.nowNs, limits);
    },
    toHaveDigest: (m: MachineSession, digest: string) => {
      const found = m.machine.digest();
      return { pass: found === digest, subject: "the machine", to: `have the digest ${digest}`, found: `it has ${found}` };
    },
  },
  waits: { toStop, toTake },
};
