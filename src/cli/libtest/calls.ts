// Calling functions of the guest from outside, as a debugger does: where a function that has just been entered returns to, and another one in
// its place.
import type { Bus } from "../../core/bus.ts";
import type { Cpu } from "../../core/cpu.ts";
import type { StackConvention } from "../../machine/architecture.ts";
import { architectureOf, familyOf } from "../../machine/architectures.ts";
import type { Stop } from "../../machine/stop.ts";
import type { Duration } from "../../scenario/duration.ts";
import type { MachineSession } from "../../scenario/session.ts";

/** A processor at a function's first instruction. */
export interface Entered {
  readonly cpu: number;
  readonly stack: bigint;
  readonly returnAddress: bigint;
}

/** What the guest's calls are like. */
export class Calls {
  readonly #convention: StackConvention;
  constructor(arch: string, bits: 32 | 64) {
    this.#convention = architectureOf({ family: familyOf(arch)! }).stack!(bits);
  }

  /** Of a processor that has just been called. */
  entered(cpu: Cpu, bus: Bus): Entered {
    const { registers, link } = this.#convention, sp = this.stack(cpu);
    const returnAddress = link !== undefined ? cpu.reg(registers[link]) : this.#word(cpu, bus, sp);
    return { cpu: cpu.index, stack: sp, returnAddress };
  }
  stack(cpu: Cpu): bigint {
    return cpu.reg(this.#convention.registers[this.#convention.stack]);
  }
  /** Goes on at another function. */
  jump(cpu: Cpu, to: bigint): void {
    const pc = cpu.registers.find(({ name }) => name === "pc" || name === "rip")!;
    cpu.setReg(pc.name, to);
  }

  #word(cpu: Cpu, bus: Bus, at: bigint): bigint {
    const bytes = readMemory(cpu, bus, at, this.#convention.bytes) ?? new Uint8Array();
    return bytes.reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  }
}

/** Memory as a processor sees it; undefined when it is not all RAM or ROM. */
export function readMemory(cpu: Cpu, bus: Bus, at: bigint, length: number): Uint8Array | undefined {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const paddr = cpu.translate(at + BigInt(i), "read");
    const region = paddr === undefined ? undefined : bus.regions.find((r) => r.bytes && paddr >= r.base && paddr < r.base + r.length);
    if (!region) return undefined;
    out[i] = region.bytes![paddr! - region.base];
  }
  return out;
}

/**
 * Runs until one of these addresses is about to be executed or the machine stops; a "budget" stop says that neither came within the time, or that
 * it is enough.
 */
export function runTo(
  m: MachineSession,
  addresses: ReadonlySet<bigint>,
  within: Duration,
  enough: () => boolean = () => false,
): Promise<Stop> {
  const { cpus } = m.machine,
    breakAt = (at: Iterable<bigint>) => {
      for (const c of cpus) {
        c.breakpoints.clear();
        for (const a of at) c.breakpoints.add(a);
        c.breakpointsChanged();
      }
    };
  breakAt(addresses);
  return m.wait<Stop>(
    "a test case to end",
    within,
    ({ stop, late }) =>
      stop && (stop.kind !== "breakpoint" || addresses.has(stop.pc))
        ? { value: stop }
        : late || enough()
        ? { value: { kind: "budget" } }
        : undefined,
    { done: () => breakAt([]) },
  );
}
