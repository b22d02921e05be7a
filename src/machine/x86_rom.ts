// A BIOS from a file: where its ROM is, and what the machine tells it through fw_cfg and CMOS memory.
// Sources: QEMU 7.2, docs/specs/fw_cfg.rst and hw/i386 (which items and CMOS bytes there are); SeaBIOS 1.16, docs/Runtime_config.md.
import type { FirmwareItem } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";
import type { BiosHost } from "../firmware/bios/mod.ts";
import { writeCmosSizes } from "../firmware/bios/mod.ts";
import type { Graph, MemoryNode } from "./graph.ts";
import type { Host, PlatformParts } from "./machine.ts";

const MIB = 2 ** 20, TOP = 2 ** 32;
const VGA_ROM = "vgabios-stdvga.bin";
/** Keys of fw_cfg items. */
const RAM_SIZE = 0x03, CPUS = 0x05, NUMA = 0x0d, MAX_CPUS = 0x0f, IRQ0_OVERRIDE = 0x8002;
/** Usable, as in E820. */
const USABLE = 1, E820_BYTES = 20;
/** A mouse, and a coprocessor. */
const EQUIPMENT = 0x06;

/**
 * The machine with its firmware's ROM: it ends at 4 GiB, and its end is also in the ROM below 1 MiB. The same graph when the firmware is
 * built in. @throws {ConfigError} there is no such ROM, or the image does not fit.
 */
export function withRom(graph: Graph, host: Host): Graph {
  if (graph.firmware.kind !== "file") return graph;
  const { path } = graph.firmware, place = { file: graph.file, key: "firmware.bios" };
  const isLow = (m: MemoryNode) => m.kind === "rom" && m.segments.length === 1 && m.segments[0].base + m.segments[0].length === MIB;
  const low = graph.memories.find(isLow);
  if (!low) throw new ConfigError("there is no ROM that ends at 1 MiB for a BIOS image", place);
  const { length } = host.readFile(path), window = low.segments[0];
  if (length === 0 || length % 0x1_0000 || length > 16 * MIB) {
    throw new ConfigError(`a BIOS image must have a multiple of 64 KiB up to 16 MiB, '${path}' has ${length} bytes`, place);
  }
  const shown = Math.min(length, window.length);
  const rom: MemoryNode = {
    ...low,
    file: path,
    size: length,
    segments: [{ base: MIB - shown, length: shown, offset: length - shown }, { base: TOP - length, length, offset: 0 }],
  };
  return { ...graph, memories: graph.memories.map((m) => m === low ? rom : m) };
}

/** The VGA's ROM: the one that the machine file names, or the usual one beside the BIOS if it is there. @throws {ConfigError} the named one is missing. */
export function vgaRom({ path, vga }: { readonly path: string; readonly vga?: string }, host: Host): Uint8Array | undefined {
  if (vga !== undefined) return host.readFile(vga);
  try {
    return host.readFile(path.replace(/[^/]*$/, VGA_ROM));
  } catch (e) {
    if (e instanceof ConfigError) return undefined;
    throw e;
  }
}

/** Tells the firmware about the machine. `files` are those of the tables that it is to publish. */
export function informFirmware(parts: PlatformParts, bios: BiosHost, files: readonly FirmwareItem[]): void {
  const { graph, devices } = parts;
  writeCmosSizes(bios, EQUIPMENT);
  const ram = graph.memories.filter((m) => m.kind === "ram"), harts = graph.cpu.harts;
  const items: FirmwareItem[] = [
    { key: RAM_SIZE, bytes: numbers(8, ram.reduce((n, m) => n + m.size, 0)) },
    { key: CPUS, bytes: numbers(2, harts) },
    { key: MAX_CPUS, bytes: numbers(2, harts) },
    { key: NUMA, bytes: numbers(8, 0, ...Array<number>(harts).fill(0)) },
    { key: IRQ0_OVERRIDE, bytes: numbers(4, 1) },
    { name: "etc/e820", bytes: e820(ram) },
    ...files,
  ];
  for (const device of devices.values()) device.provide?.(items);
}

/** RAM as the chipset has it; what lies under the ROM and the screen counts, since the firmware knows of them. */
function e820(ram: readonly MemoryNode[]): Uint8Array {
  const ranges: { from: number; to: number }[] = [];
  const parts = ram.flatMap((m) => [...m.segments, ...m.shadows]).sort((a, b) => a.base - b.base);
  for (const { base, length } of parts) {
    const last = ranges.at(-1);
    // The hole below 1 MiB is the firmware's own business.
    if (last && (base <= last.to || base <= MIB)) last.to = base + length;
    else ranges.push({ from: base, to: base + length });
  }
  const view = new DataView(new ArrayBuffer(E820_BYTES * ranges.length));
  for (const [i, { from, to }] of ranges.entries()) {
    view.setBigUint64(E820_BYTES * i, BigInt(from), true);
    view.setBigUint64(E820_BYTES * i + 8, BigInt(to - from), true);
    view.setUint32(E820_BYTES * i + 16, USABLE, true);
  }
  return new Uint8Array(view.buffer);
}

/** Little-endian integers of `size` bytes each. */
function numbers(size: 2 | 4 | 8, ...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  for (const [i, v] of values.entries()) view.setBigUint64(size * i, BigInt(v), true);
  return new Uint8Array(view.buffer, 0, size * values.length);
}
