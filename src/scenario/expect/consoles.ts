// What a console prints.
import { checkOptions, ConfigError } from "../../core/errors.ts";
import { Matcher, type Pattern, show } from "../console.ts";
import type { SerialConsole } from "../serial_console.ts";
import type { Waiting } from "../waiting.ts";
import { type Call, failure, type Kind } from "./verdict.ts";

/** A span of guest time in which something must not happen. @throws {ConfigError} it is not given. */
export function spanOf(what: string, options: { readonly within?: string } | undefined, known: readonly string[] = []): string {
  checkOptions(what, options ?? {}, ["within", ...known]);
  if (options?.within === undefined) throw new ConfigError(`${what}: how long? \`within\` is missing: { within: "100ms" }`);
  return options.within;
}

/** Runs the guest for so long, in which `seen` must not find anything; a clean end of the guest settles it, too. */
export function nothingWithin(
  session: Waiting,
  call: Call,
  within: string,
  { subject, to, seen, done }: { readonly subject: string; readonly to: string; seen(): string | undefined; done(): void },
): Promise<undefined> {
  const what = `${to} within ${within} of guest time`;
  return session.wait<undefined>(`${within} to pass in which ${subject} does not ${to}`, within, ({ stop, late }) => {
    const found = seen();
    if (found !== undefined) return { error: failure(call, { pass: true, subject, to: what, found }, session) };
    return late || stop?.kind === "exit" ? { value: undefined } : undefined;
  }, { done });
}

function notToPrint(console: SerialConsole, call: Call, pattern: Pattern, options?: { readonly within: string }): Promise<undefined> {
  const within = spanOf("not.toPrint", options), { session } = console, matcher = new Matcher(pattern, console.cursor);
  let found = matcher.findInHistory(console);
  const look = () => {
    found ??= matcher.find(console);
    if (found) session.machine.requestBreak();
  };
  console.watchers.add(look);
  return nothingWithin(session, call, within, {
    subject: console.name,
    to: `print ${show(pattern)}`,
    seen: () => found && `it printed ${JSON.stringify(found.groups[0])}`,
    done: () => console.watchers.delete(look),
  });
}

export const CONSOLES: Kind = {
  title: "a console",
  session: (console: SerialConsole) => console.session,
  checks: {
    toHavePrinted: (console: SerialConsole, pattern: Pattern) => {
      const found = new Matcher(pattern, console.start).findInHistory(console);
      return {
        pass: found !== undefined,
        subject: console.name,
        to: `have printed ${show(pattern)}`,
        found: found ? `it printed ${JSON.stringify(found.groups[0])}` : "it has not",
      };
    },
  },
  waits: {
    toPrint: (console: SerialConsole, call, pattern, options) =>
      call.negated ? notToPrint(console, call, pattern, options) : console.toPrint(pattern, options),
  },
};
