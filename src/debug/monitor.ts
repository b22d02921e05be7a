// Commands about the machine for people: the terminal's monitor (Ctrl-A C) and GDB's `monitor` share them.
import { ConfigError, didYouMean } from "../core/errors.ts";
import { formatNs } from "../scenario/duration.ts";
import { describeStop } from "../scenario/failures.ts";
import { describeAddress, describeRest } from "../scenario/machine_like.ts";
import type { MachineSession } from "../scenario/session.ts";
import { writeSnapshot } from "../scenario/snapshot_file.ts";

/** What a command may do to the run. */
export interface RunControl {
  readonly session: MachineSession;
  setPaused(paused: boolean): void;
  quit(): void;
}

interface Command {
  readonly doc: string;
  /** What comes behind its name. */
  readonly argument?: string;
  readonly run: (host: RunControl, argument: string) => string;
}

/** Every command: what it says and does. */
const COMMANDS: Readonly<Record<string, Command>> = {
  help: {
    doc: "this list",
    run: () => Object.entries(COMMANDS).map(([n, c]) => `  ${`${n} ${c.argument ?? ""}`.padEnd(16)}${c.doc}`).join("\n"),
  },
  "info registers": { doc: "registers of every cpu", run: (h) => registers(h.session) },
  "info code": { doc: "the next instructions of every cpu, in its present mode", run: (h) => code(h.session) },
  "info time": { doc: "guest time and counters", run: (h) => time(h.session) },
  "info memory": { doc: "what is mapped where", run: (h) => memory(h.session) },
  pause: { doc: "stop guest time", run: (h) => (h.setPaused(true), "paused") },
  continue: { doc: "let it go on", run: (h) => (h.setPaused(false), "running") },
  reset: { doc: "reset the machine", run: (h) => (h.session.reset(), "reset") },
  save: { doc: "write the whole state to a file, for --load", argument: "FILE", run: (h, file) => save(h.session, file) },
  digest: { doc: "hash of the whole state, to compare runs", run: (h) => h.session.machine.digest() },
  quit: { doc: "end the run", run: (h) => (h.quit(), "") },
};

/** Runs one line and returns what to print. Any unambiguous start of a command will do. */
export function runCommand(line: string, host: RunControl): string {
  const given = line.trim().replace(/\s+/g, " ");
  if (given === "") return "";
  const names = Object.keys(COMMANDS), words = given.split(" ");
  const [, word, argument] = /^\s*(\S+)\s*(.*?)\s*$/s.exec(line)!, takes = names.filter((n) => COMMANDS[n].argument && n.startsWith(word));
  if (takes.length === 1 && (argument || !names.some((n) => n !== takes[0] && n.startsWith(word)))) {
    const [name] = takes, command = COMMANDS[name];
    return argument ? command.run(host, argument) : `${name} needs a value: ${command.argument}`;
  }
  const fits = names.filter((n) => words.every((w, i) => n.split(" ")[i]?.startsWith(w)));
  if (fits.length === 1) return COMMANDS[fits[0]].run(host, "");
  return fits.length ? `'${given}' could be ${fits.join(" or ")}` : `no command '${given}'${didYouMean(given, names)}; try help`;
}

/** The state is that of this moment, whatever is awaited. */
function save(session: MachineSession, file: string): string {
  try {
    writeSnapshot(file, session.state(), session.options.basis);
    return `saved to ${file}`;
  } catch (e) {
    if (e instanceof ConfigError) return e.message;
    throw e;
  }
}

/** Every integer and system register, four to a line, for each cpu. */
function registers({ machine }: MachineSession): string {
  const out: string[] = [];
  for (const cpu of machine.cpus) {
    out.push(`cpu${cpu.index}: pc ${describeAddress(machine, cpu.pc)}${cpu.idle ? ` (${describeRest(cpu)})` : ""}`);
    const shown = cpu.registers.filter((r) => r.group === "general" || r.group === "system");
    for (let i = 0; i < shown.length; i += 4) {
      out.push(
        shown.slice(i, i + 4).map((r) => `  ${r.name.padStart(5)} ${cpu.reg(r.name).toString(16).padStart(Math.ceil(r.bits / 4), "0")}`)
          .join(""),
      );
    }
    const instruction = cpu.disassemble(cpu.pc);
    if (instruction) out.push(`  => ${instruction.text}`);
  }
  return out.join("\n");
}

const CODE_LINES = 8;

/** What GDB cannot show of an x86 processor in real mode, as it takes all code for 64-bit code. */
function code({ machine }: MachineSession): string {
  const out: string[] = [];
  for (const cpu of machine.cpus) {
    out.push(`cpu${cpu.index}: pc ${describeAddress(machine, cpu.pc)}`);
    for (let at = cpu.pc, i = 0; i < CODE_LINES; i++) {
      const instruction = cpu.disassemble(at);
      if (!instruction) break;
      out.push(`  ${at.toString(16).padStart(8, "0")}  ${instruction.text}`);
      at += BigInt(instruction.length);
    }
  }
  return out.join("\n");
}

/** Guest time, why it stopped, and the machine's counters. */
function time({ machine, stop }: MachineSession): string {
  const counters = Object.entries(machine.stats).map(([n, v]) => `  ${n.padEnd(20)}${v}`);
  return [`guest time ${formatNs(machine.clock.nowNs)}, tick ${machine.clock.ticks}`, ...(stop ? [describeStop(stop)] : []), ...counters]
    .join("\n");
}

function memory({ machine }: MachineSession): string {
  const hex = (n: number) => n.toString(16).padStart(10, "0");
  return machine.bus.regions.map((r) =>
    `  ${hex(r.base)}..${hex(r.base + r.length - 1)} ${r.bytes ? (r.readonly ? "rom" : "ram") : "dev"} ${r.name}`
  ).join("\n");
}
