// Where a machine goes round: it runs on for a while, and is looked at again and again. Who asks puts it back afterwards.
import type { Cpu } from "../../core/cpu.ts";
import type { Program, SampledPlace, Samples } from "./facts.ts";

/** How often it is looked at, and ticks in between: a prime, so that no loop is always met at the same place. */
const TIMES = 64, APART = 10_007;
/** Instructions that are read of a loop; and those of them that wait for another processor. */
const LONGEST = 64, WAITS = /^(lock |xchg\b.*\[|pause$|lr\.|sc\.|amo(swap|cas))/;

interface Runs {
  readonly clock: { readonly ticks: number };
  readonly cpus: readonly Cpu[];
  readonly symbols: Program;
  run(untilTicks: number, wallMs?: number): unknown;
}

/** @param wallMs of the host's time that may pass */
export function sample(machine: Runs, wallMs: number): Samples[] {
  const { cpus, clock } = machine, patience = performance.now() + wallMs;
  const seen = cpus.map(() => ({ idle: 0, places: new Map<string | bigint, { name: string; count: number; from: bigint; to: bigint }>() }));
  let count = 0;
  while (count < TIMES && performance.now() < patience) {
    const stopped = machine.run(clock.ticks + APART, wallMs);
    count++;
    for (const [n, cpu] of cpus.entries()) {
      // Code without names goes by its pages.
      const { pc } = cpu,
        { places } = seen[n],
        name = machine.symbols.lookup(pc)?.name ?? "",
        key = name || pc >> 12n,
        place = places.get(key);
      if (cpu.idle) seen[n].idle++;
      else if (!place) places.set(key, { name, count: 1, from: pc, to: pc });
      else {
        place.count++;
        if (pc < place.from) place.from = pc;
        if (pc > place.to) place.to = pc;
      }
    }
    if (stopped) break;
  }
  return seen.map(({ idle, places }, n) => ({
    count,
    idle,
    places: [...places.values()].map((p): SampledPlace => ({ ...p, locked: waits(cpus[n], p.from, p.to) }))
      .sort((a, b) => b.count - a.count).slice(0, 5),
  }));
}

function waits(cpu: Cpu, from: bigint, to: bigint): boolean {
  for (let at = from, n = 0; at <= to && n < LONGEST; n++) {
    const insn = cpu.disassemble(at);
    if (!insn) return false;
    if (WAITS.test(insn.text)) return true;
    at += BigInt(insn.length);
  }
  return false;
}
