// Packed virtqueues: one ring of descriptors, which driver and device mark as theirs by turns.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 2.8.
import type { GuestMemory } from "./memory.ts";
import {
  type Chain,
  ChainBuilder,
  checkIndirect,
  DESCRIPTOR,
  INDIRECT,
  Malformed,
  NEXT,
  type QueueState,
  type RingFeatures,
  WRITE,
} from "./queue.ts";

/** Flags by which driver and device mark a descriptor. */
const AVAIL = 0x80, USED = 0x8000;
/** What the driver's event structure says in its flags (2.8.10). */
const ALWAYS = 0, NEVER = 1;

/** Any size will do (2.8.10.1). */
export function checkSize(): void {}

const at = (q: QueueState, index: number) => q.desc + DESCRIPTOR * index;

/** A descriptor is on offer when its mark AVAIL is the wrap counter and USED is not (2.8.1). */
export function empty(m: GuestMemory, q: QueueState): boolean {
  const flags = m.u16(at(q, q.next) + 14);
  return !!(flags & AVAIL) !== q.wrap || !!(flags & USED) === q.wrap;
}

export function pop(m: GuestMemory, q: QueueState, features: RingFeatures): Chain | undefined {
  if (empty(m, q)) return undefined;
  const builder = new ChainBuilder(m);
  for (let count = 1;; count++) {
    if (count > q.size) throw new Malformed(`a chain of more descriptors than the ring's ${q.size}`);
    const d = at(q, q.next), flags = m.u16(d + 14), id = m.u16(d + 12);
    if (++q.next >= q.size) {
      q.next = 0;
      q.wrap = !q.wrap;
    }
    if (flags & INDIRECT) addTable(m, builder, m.u64(d), m.u32(d + 8), flags, features);
    else builder.add(m.u64(d), m.u32(d + 8), flags);
    if (flags & NEXT) continue;
    if (features.eventIndex) askAt(m, q);
    return builder.chain(id, count);
  }
}

/** Has the driver tell of the next descriptor, and not of others (2.8.10.2): the offset and the wrap counter, flags of 2. */
function askAt(m: GuestMemory, q: QueueState): void {
  m.setU32(q.device, q.next | (q.wrap ? 0x8000 : 0) | 2 << 16);
}

/** An indirect table is read from its first entry to its last (2.8.8). */
function addTable(m: GuestMemory, builder: ChainBuilder, address: number, length: number, flags: number, features: RingFeatures): void {
  checkIndirect(length, flags, features);
  m.check(address, length, false);
  for (let d = address; d < address + length; d += DESCRIPTOR) builder.add(m.u64(d), m.u32(d + 8), m.u16(d + 14) & WRITE);
}

export function push(m: GuestMemory, q: QueueState, chain: Chain, written: number): void {
  const d = at(q, q.used);
  m.setU32(d + 8, written);
  m.setU32(d + 12, chain.id | ((q.usedWrap ? AVAIL | USED : 0) | (chain.inBytes ? WRITE : 0)) << 16);
  q.used += chain.count;
  if (q.used < q.size) return;
  q.used -= q.size;
  q.usedWrap = !q.usedWrap;
}

/** 2.8.7 and 2.8.10: flags, or the place in the ring behind which the driver wants to be told. */
export function wantsInterrupt(m: GuestMemory, q: QueueState, features: RingFeatures): boolean {
  const event = m.u16(q.driver), how = m.u16(q.driver + 2) & 3;
  // Places of both turns of the ring as one number, which goes on counting.
  const now = q.used + (q.usedWrap ? 0 : q.size), old = q.signalled;
  q.signalled = now;
  if (how === ALWAYS || how === NEVER || !features.eventIndex) return how !== NEVER;
  const turn = 2 * q.size, wanted = (event & 0x7fff) + (event & 0x8000 ? 0 : q.size);
  return (now - wanted - 1 + turn) % turn < (now - old + turn) % turn;
}
