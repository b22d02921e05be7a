// What can still wake a machine whose processors all wait. One rule for whoever asks: dead is what no enabled interrupt, NMI or other processor
// can wake. The masks of the interrupt controllers stay as they are while nobody runs, so the wires are followed back from the processors to
// what may move by itself: a device whose alarm is set, or that the outside may give something.
import type { VirtualClock } from "../core/clock.ts";
import type { Cpu } from "../core/cpu.ts";
import { type Device, hasChar, hasKeyboard, hasMouse, type Sources } from "../core/device.ts";
import { type MachineGraph, targetName } from "./machine_graph.ts";

/** What only the outside can wake waits for "input". */
export type Sleep = "dead" | "input" | undefined;

export class Reach {
  /** Outputs that drive an input, by the input's name. */
  readonly #drivers = new Map<string, { readonly device: string; readonly output: number }[]>();
  /** Names of the inputs of each device that something drives. */
  readonly #inputs = new Map<string, string[]>();
  #outside = false;

  constructor(graph: MachineGraph, readonly devices: ReadonlyMap<string, Device>, readonly clock: VirtualClock) {
    for (const { from, to } of graph.edges) {
      if ("hart" in from) continue;
      const name = targetName(to), drivers = this.#drivers.get(name) ?? [];
      drivers.push(from);
      this.#drivers.set(name, drivers);
      if ("device" in to) this.#inputs.set(to.device, [...this.#inputs.get(to.device) ?? [], to.input]);
    }
    for (const { id, pci } of graph.devices) if (pci) this.#plugged.push([pci.host, id]);
  }
  readonly #plugged: (readonly [host: string, device: string])[] = [];

  /** For processors that all wait; undefined: something may wake one. */
  sleep(cpus: readonly Cpu[]): Sleep {
    if (this.#anyWakes(cpus, false)) return undefined;
    return this.#anyWakes(cpus, true) ? "input" : "dead";
  }

  #anyWakes(cpus: readonly Cpu[], outside: boolean): boolean {
    this.#outside = outside;
    return cpus.some((c) => c.wakers.some((input) => input === "timer" ? this.#alarmOf(undefined) : this.#rises({ hart: c.index, input })));
  }
  /** Whether an alarm of a device, or of the platform, is set. */
  #alarmOf(device: string | undefined): boolean {
    return this.clock.alarms.some((a) => a.device === device && a.at < Infinity);
  }
  #rises(to: { readonly hart: number; readonly input: string } | { readonly device: string; readonly input: string }): boolean {
    return this.#drivers.get(targetName(to))?.some(({ device, output }) => this.#raises(device, output)) ?? false;
  }
  #raises(id: string, output: number): boolean {
    const device = this.devices.get(id)!;
    return device.mayRaise ? device.mayRaise(output, this.#sources(id)) : this.#moves(id);
  }
  #sources(device: string): Sources {
    return {
      input: (input) => this.#rises({ device, input }),
      message: (special, accepts) => {
        for (const [id, d] of this.devices) if (d.maySend?.(special, this.#sources(id), accepts)) return true;
        return false;
      },
    };
  }
  /** Whether a device that has no rule of its own may move: by itself, by the outside, by what drives it or is plugged into it. */
  #moves(id: string): boolean {
    const device = this.devices.get(id)!;
    if (this.#alarmOf(id)) return true;
    if (this.#outside && (hasChar(device) || hasKeyboard(device) || hasMouse(device))) return true;
    return (this.#inputs.get(id) ?? []).some((input) => this.#rises({ device: id, input })) ||
      this.#plugged.some(([host, plugged]) => host === id && this.#moves(plugged));
  }
}
