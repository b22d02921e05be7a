// The memories of a machine as bytes: their windows, the pages that were touched, random contents.
import type { Bus } from "../core/bus.ts";
import type { ImageSegment } from "./elf.ts";
import type { MachineGraph, MemoryNode, MemoryPart } from "./machine_graph.ts";

/** A part of a memory. */
export interface MemoryWindow {
  readonly memory: MemoryNode;
  readonly segment: MemoryPart;
  /** Until a chipset shows it. */
  readonly hidden: boolean;
}

/** The memories of a machine, window by window: the engine keeps their bytes in this order. */
export function windowsOf(graph: MachineGraph): MemoryWindow[] {
  const out: MemoryWindow[] = [];
  for (const memory of graph.memories) {
    for (const segment of memory.segments) out.push({ memory, segment, hidden: false });
    for (const segment of memory.shadows) out.push({ memory, segment, hidden: true });
  }
  return out;
}

/** Random contents that depend on the seed alone (xorshift32). */
export function fillRandom(bytes: Uint8Array, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let x = (Math.imul(seed + 1, 0x9e37_79b9) | 1) >>> 0;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
}

/**
 * Puts an image's segments into memory. `zeros`: what is behind their bytes is 0 (System V ABI, chapter 5, PT_LOAD; Multiboot 0.6.96, 3.1.3,
 * bss_end_addr), which it is not by itself where memory is random at power-on.
 */
export function loadSegments(
  bus: Bus,
  { memories }: Pick<MachineGraph, "memories">,
  segments: readonly ImageSegment[],
  zeros: boolean,
): void {
  const clear = zeros && memories.some((m) => m.fill === "random");
  for (const { paddr, bytes, size } of segments) {
    bus.writeBytes(paddr, bytes, { rom: true });
    if (clear) bus.writeBytes(paddr + bytes.length, new Uint8Array(size - bytes.length), { rom: true });
  }
}
