// A death report for a terminal.
import { frameLines } from "../backtrace.ts";
import { type CpuFacts, type DeathReport, hex, type Place, type TrapFact, type WalkFact } from "./facts.ts";

/** Registers on a line. */
const COLUMNS = 4;

/** All of it; the last lines say where each processor is, and how it came there. */
export const reportText = (report: DeathReport): string =>
  [report.headline, ...causeLines(report), ...detailLines(report), ...report.cpus.flatMap(whereLines)].join("\n");

/** "cause: ..., see docs/deaths.md#x86-no-idt". */
export function causeLines({ causes, resets }: DeathReport): string[] {
  const lines = causes.flatMap(({ says, link }, n) => [`${n === 0 ? "cause" : "  and"}: ${says}`, `       (${link})`]);
  if (resets?.report && resets.count > 1) {
    lines.push(
      `before reset ${resets.reported}:`,
      ...reportText(resets.report).split("\n").map((l) => `  ${l}`),
    );
  }
  return lines;
}

const place = ({ address, name, file, line }: Place): string =>
  `${hex(address)}${name ? ` ${name}` : ""}${file === undefined ? "" : `, ${file}:${line}`}`;

/** The exceptions that led there, and the state of the processors. */
export const detailLines = (report: DeathReport): string[] =>
  report.known ? report.cpus.flatMap((cpu) => [...stateLines(cpu, report), ...otherLines(cpu)]) : [];

function stateLines(cpu: CpuFacts, { cpu: culprit, cpus, occasion }: DeathReport): string[] {
  const own = cpu.index === cpus[culprit].index, living = occasion === "timeout" || occasion === "exit" || occasion === "failOn";
  // What others do, and what lives, is told by where it is.
  if (cpu.chain.length === 0 && (!own || living)) return [];
  const lines = [
    `state of cpu${cpu.index}: ${cpu.mode}, ${cpu.traps} exceptions and interrupts since reset${
      cpu.chain.length ? "; since a return:" : ""
    }`,
  ];
  for (const [n, trap] of cpu.chain.entries()) {
    if (n === cpu.before && cpu.gap > 0) lines.push(`  ... ${cpu.gap} more ...`);
    lines.push(...trapLines(trap, n < cpu.before ? n + 1 : n + 1 + cpu.gap, trap.pc !== cpu.chain[n - 1]?.pc));
  }
  if (cpu.walk) lines.push(...walkLines(cpu.walk).map((l) => `  ${l}`));
  if (own) { for (const { title, rows } of cpu.tables) lines.push(...tableLines(title, rows).map((l) => `  ${l}`)); }
  return lines;
}

/** Where it goes round, and its source. */
function otherLines(cpu: CpuFacts): string[] {
  const lines = cpu.samples ? [sampleLine(cpu)] : [];
  for (const { file, line, lines: quoted } of cpu.source) {
    const width = String(quoted.at(-1)!.number).length;
    lines.push(`${file}:${line}`, ...quoted.map((q) => `${q.number === line ? ">" : " "} ${String(q.number).padStart(width)} | ${q.text}`));
  }
  return lines;
}

function trapLines(trap: TrapFact, n: number, elsewhere: boolean): string[] {
  const detail = trap.detail ? ` (${trap.detail})` : "", times = trap.times > 1 ? `, ${trap.times} times in a row` : "";
  const lines = [`  ${n}. ${trap.privilege}  ${trap.name}${detail} at ${place(trap.at)}, instruction ${trap.instructions}${times}`];
  if (trap.instruction && elsewhere) lines.push(`       ${trap.instruction}`);
  return lines;
}

export function walkLines({ address, root, levels, failed, mappedTo }: WalkFact): string[] {
  return [
    `page walk of ${hex(address)}, root ${hex(root)}:`,
    ...levels.map(({ name, at, entry, flags }) => `  ${name}: entry at ${hex(at)} = ${hex(entry)} ${flags}`),
    failed ? `  ${failed.level}: ${failed.why}` : `  it is mapped now, to ${hex(mappedTo!)}`,
  ];
}

function tableLines(title: string, rows: readonly (readonly [string, string])[]): string[] {
  if (title !== "registers") return [`${title}: ${rows.map(([name, value]) => `${name} ${value}`).join("; ")}`];
  const lines = [`${title}:`];
  for (let i = 0; i < rows.length; i += COLUMNS) {
    lines.push(`  ${rows.slice(i, i + COLUMNS).map(([name, value]) => `${name.padEnd(3)} ${value.padEnd(18)}`).join("  ").trimEnd()}`);
  }
  return lines;
}

function sampleLine({ index, samples }: CpuFacts): string {
  const { count, idle, places } = samples!,
    ran = places.map(({ name, count, from, to }) => `${count} in ${name || "?"} (${hex(from)}${from === to ? "" : `..${hex(to)}`})`);
  return `looked at ${count} times, cpu${index}: ${[...idle ? [`waiting ${idle} times`] : [], ...idle < count ? ran : []].join(", ")}`;
}

/** "cpu0 at 0x80200010 kernel::main+0x10, waiting for an interrupt", and who called. */
export function whereLines({ index, rest, backtrace }: CpuFacts): string[] {
  const [at, ...callers] = frameLines(backtrace);
  return [`cpu${index} at ${at}${rest === undefined ? "" : `, ${rest}`}`, ...callers.map((line) => `  ${line}`)];
}
