// The help text, made from the tables of options and trace channels.
import { CHANNELS } from "../core/log.ts";
import { COMMANDS, type Option, type Subcommand } from "./options.ts";

export const EXIT_STATUS = `Exit status of a run: the guest's own code when it ends with one; otherwise
  0  clean shutdown, a reset that ends the run, or every --expect was printed
  1  a scenario or --expect failed, --fail was printed, or the output cannot be written
  2  the command line, machine file or image is wrong; nothing was started
  3  the machine died (dead halt, unhandled trap, triple fault)
  4  the --timeout in guest time was reached
  129, 130, 143  SIGHUP, SIGINT (Ctrl-C) or SIGTERM ended the run
  141  who reads the standard output has gone`;

const FOREIGN =
  `QEMU's options are taken as far as they mean something here (-no-reboot, -serial stdio, -s, -S, -m 256M, ...), and so are those of
Rust's test harness (--nocapture, -q, ...): what \`cargo test\` and runners such as bootimage append.`;

export const KEYS = `Keys in the terminal, after Ctrl-A:
  x  end the run        c  monitor: registers, pause, save; again: back to the guest
  h  this list          a  send Ctrl-A itself
  r  report: where it is, and why (also SIGUSR1, SIGUSR2)
  l  draw the guest's screen again (--display terminal)`;

/** Help on everything, or on one command. */
export function helpText(command?: Subcommand): string {
  if (command && command !== "run") {
    return `bringup ${COMMANDS[command].usage}\n  ${COMMANDS[command].doc}\n\n${optionList(COMMANDS[command].options)}`;
  }
  const usage = Object.values(COMMANDS).map((c) => `  ${`bringup ${c.usage}`.padEnd(46)}${c.doc}`).join("\n");
  return `bringup runs kernels on machines described by a TOML file.\n\nUsage (bringup is \`deno run -A mod.ts\`):\n${usage}\n\n${
    optionList(COMMANDS.run.options)
  }\n\n${FOREIGN}\n\n${KEYS}\n\n${EXIT_STATUS}`;
}

export function optionList(options: Readonly<Record<string, Option>>): string {
  const rows = Object.entries(options).map(([name, o]) => {
    const left = `${o.short ? `-${o.short}, ` : ""}--${name}${o.value ? ` ${o.value}` : ""}`;
    return `  ${left.padEnd(22)}${o.doc}${o.many ? " (may be repeated)" : ""}`;
  });
  return `Options:\n${rows.join("\n")}`;
}

/** "bringup 0.1.0 (Deno 2.1.0, V8 13.0)". */
export function versionText(): string {
  const { version } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  return `bringup ${version} (Deno ${Deno.version.deno}, V8 ${Deno.version.v8})`;
}

/** The trace channels, for `--trace help`. */
export function channelText(): string {
  return Object.entries(CHANNELS).map(([name, doc]) => `  ${name.padEnd(8)}${doc}`).join("\n");
}
