// What a machine file may not say though each key of it is right: overlaps, addresses beyond the processor, slots and channels taken twice.
import type { AnyDeviceType } from "../core/device.ts";
import { didYouMean, type Place, placeAt } from "../core/errors.ts";
import { hex, isOverride } from "./config.ts";
import { architectureOf, type CpuNode } from "./architectures.ts";
import type { DeviceNode, MemoryNode } from "./machine_graph.ts";
import type { ConfigSections } from "./config_sections.ts";
import type { TomlTable } from "./toml.ts";

const range = (r: { base: number; length: number }, bus: "mem" | "io") =>
  bus === "io" ? `0x${r.base.toString(16)}..0x${(r.base + r.length - 1).toString(16)}` : `${hex(r.base)}..${hex(r.base + r.length - 1)}`;

/** A machine whose parts are right one by one. */
export interface Parts {
  readonly sections: ConfigSections;
  readonly types: Readonly<Record<string, AnyDeviceType>>;
  readonly cpu: CpuNode;
  readonly memories: readonly MemoryNode[];
  readonly devices: readonly DeviceNode[];
  readonly byId: ReadonlyMap<string, DeviceNode>;
  /** Names of all devices, faulty ones included. */
  readonly names: ReadonlyMap<string, unknown>;
}

export function checkOverlaps({ sections, memories, devices }: Parts): void {
  for (const bus of ["mem", "io"] as const) {
    const ranges: { id: string; base: number; length: number; place: Place }[] = [];
    if (bus === "mem") {
      for (const { id, segments, place } of memories) for (const { base, length } of segments) ranges.push({ id, base, length, place });
    }
    for (const { id, windows, place } of devices) {
      for (const w of windows) if (w.bus === bus) ranges.push({ id, base: w.base, length: w.length, place });
    }
    for (let i = 1; i < ranges.length; i++) {
      const b = ranges[i], from = b.base, to = from + b.length;
      for (let k = 0; k < i; k++) {
        const a = ranges[k];
        if (a.base >= to || from >= a.base + a.length) continue;
        sections.reader.error(`'${b.id}' (${range(b, bus)}) overlaps '${a.id}' (${range(a, bus)})`, b.place);
        break;
      }
    }
  }
}

/** What lies beyond the processor's physical addresses cannot be reached. */
export function checkWidth({ sections, cpu, memories, devices }: Parts): void {
  const bits = architectureOf(cpu).physicalBits(cpu), end = 2 ** bits;
  const check = (id: string, base: number, length: number, place: Place) => {
    if (base + length <= end) return;
    const where = range({ base, length }, "mem");
    sections.reader.error(`'${id}' (${where}) must end below ${hex(end)}: physical addresses of ${cpu.arch} have ${bits} bits`, place);
  };
  for (const { id, segments, place } of memories) for (const { base, length } of segments) check(id, base, length, place);
  for (const { id, windows, place } of devices) for (const w of windows) if (w.bus === "mem") check(id, w.base, w.length, place);
}

/** A memory that an override has made smaller may end below a load address, which an ELF file does not need. */
export function checkLoad({ sections, memories }: Parts, load: number): void {
  const { place } = sections.get("boot").get("load")!, size = sections.get("memory").get(memories.find((m) => m.main)?.id ?? "");
  const resized = size && isOverride((size.value as TomlTable).get("size")!.place);
  if (
    sections.reader.errors.length || (resized && !isOverride(place)) ||
    memories.some((m) => m.segments.some((s) => load >= s.base && load < s.base + s.length))
  ) return;
  sections.reader.error(`must be an address in RAM or ROM, got ${hex(load)}`, place);
}

export function checkReset({ sections, cpu, memories }: Parts): void {
  const reset = architectureOf(cpu).resetAt?.(cpu), at = Number(reset);
  if (reset === undefined || sections.reader.errors.length) return;
  for (const m of memories) for (const s of m.segments) if (at >= s.base && at < s.base + s.length) return;
  sections.reader.error(`must be an address in RAM or ROM, got ${hex(reset)}`, sections.get("cpu").get("reset")!.place);
}

export function checkDma({ sections, types, devices, byId }: Parts): void {
  const served = new Map<string, string>();
  for (const { id, dma, place } of devices) {
    if (!dma) continue;
    const { device, channel } = dma,
      target = byId.get(device),
      bad = (problem: string) => sections.reader.error(problem, placeAt(place, { key: `${place.key}.dma` }));
    const channels = target && types[target.type].dmaChannels, name = `${device}:${channel}`, other = served.get(name);
    if (!target) {
      bad(`no device '${device}'${didYouMean(device, devices.filter((d) => types[d.type].dmaChannels).map((d) => d.id))}`);
    } else if (!channels) bad(`'${device}' (${target.type}) is no DMA controller`);
    else if (channel >= channels) bad(`'${device}' has channels from 0 to ${channels - 1}, got ${channel}`);
    else if (other) bad(`channel ${channel} of '${device}' already serves '${other}'`);
    else served.set(name, id);
  }
}

/** Every device with a slot has one of its own, on a host bridge that exists. */
export function checkPci({ sections, types, devices, byId, names }: Parts): void {
  const r = sections.reader, hosts: string[] = [], taken = new Map<string, string>();
  for (const d of devices) {
    if (!types[d.type].pciHost) continue;
    hosts.push(d.id);
    taken.set(`${d.id}:0.0`, d.id);
  }
  for (const d of devices) {
    if (!d.pci) continue;
    const { host, device, func } = d.pci, slot = `${host}:${device}.${func}`;
    const table = (sections.get("device").get(d.id)!.value as TomlTable).get("pci")!;
    if (!byId.has(host)) {
      if (!names.has(host)) r.error(`no device '${host}'${didYouMean(host, hosts)}`, table.place);
    } else if (!hosts.includes(host)) r.error(`'${host}' (${byId.get(host)!.type}) has no PCI bus`, table.place);
    else if (taken.has(slot)) r.error(`${slot} is already taken by '${taken.get(slot)}'`, table.place);
    else taken.set(slot, d.id);
  }
}
