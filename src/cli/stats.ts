// The text of `--stats`: counters of the machine and its engine, one to a line, and the addresses at which compiled code gave up most often.
import { formatNs } from "../scenario/duration.ts";
import { describeAddress, type MachineLike } from "../scenario/machine_like.ts";

/** Labels of the counters that have one, in the order of the lines; the others come behind under their own names. */
const LABELS: Readonly<Record<string, string>> = {
  instructions: "instructions",
  interpreted: "  by the interpreter",
  compiled: "  by regions",
  ticks: "ticks",
  blocks: "blocks translated",
  instructionsTranslated: "  their instructions",
  translateMs: "  time (ms)",
  invalidations: "  dropped by stores",
  lookups: "block look-ups",
  regions: "regions compiled",
  regionBytes: "  bytes of wasm",
  compileMs: "  time (ms)",
  regionsAlive: "  alive",
  regionsChanged: "  dropped by stores",
  regionsReverted: "  given up",
  regionsEvicted: "  evicted",
  flushes: "all code dropped",
  tlbReads: "TLB misses of reads",
  tlbWrites: "TLB misses of writes",
  tlbFetches: "TLB misses of fetches",
  deviceAccesses: "device accesses",
  pageCrossings: "page-crossing accesses",
  codePageStores: "stores to code pages",
  tableStores: "stores to page tables",
  faults: "faults",
  sideExits: "side exits",
};
/** Sites of side exits that are shown. */
const SITES = 10;

/** The lines, each with the program's name in front. */
export function statistics(machine: MachineLike, wallMs: number): string {
  const counters = machine.stats, instructions = counters.instructions ?? machine.clock.ticks;
  const names = [...Object.keys(LABELS).filter((n) => n in counters), ...Object.keys(counters).filter((n) => !(n in LABELS))];
  const rows: [string, string][] = [
    ["guest time", formatNs(machine.clock.nowNs)],
    ["wall time", `${(wallMs / 1000).toFixed(3)} s`],
    ["MIPS", (instructions / wallMs / 1000).toFixed(1)],
    ...names.map((n): [string, string] => [LABELS[n] ?? n, n.endsWith("Ms") ? counters[n].toFixed(1) : String(counters[n])]),
    ...[...machine.sideExits?.causes ?? []].map(([cause, count]): [string, string] => [`  by ${cause}`, String(count)]),
    ...(machine.sideExits?.top(SITES) ?? []).map((site): [string, string] => ["  at", describeSite(machine, site)]),
  ];
  const peak = peakMemory();
  if (peak !== undefined) rows.push(["peak memory (KiB)", String(peak)]);
  rows.push(["digest", machine.digest()]);
  return rows.map(([name, value]) => `bringup: ${name.padEnd(24)}${value}\n`).join("");
}

function describeSite(machine: MachineLike, site: { readonly pc: bigint; readonly cause: string; readonly count: number }): string {
  // Whatever is mapped there now; a page that is gone has no text.
  const text = machine.cpus[0].disassemble(site.pc)?.text;
  return `${site.count} ${site.cause}, ${describeAddress(machine, site.pc)}${text === undefined ? "" : `: ${text}`}`;
}

/** Largest resident set of this process (proc(5): VmHWM); undefined where the host does not say. */
function peakMemory(): number | undefined {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
  } catch {
    return undefined;
  }
}
