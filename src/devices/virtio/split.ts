// Split virtqueues: a descriptor table, a ring of what the driver offers, a ring of what the device has used.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 2.7.
import type { GuestMemory } from "./memory.ts";
import {
  type Chain,
  ChainBuilder,
  checkIndirect,
  DESCRIPTOR,
  INDIRECT,
  Malformed,
  needsEvent,
  NEXT,
  type QueueState,
  type RingFeatures,
} from "./queue.ts";

/** Offsets in both rings, and bytes of an entry of the ring of what is used. */
const INDEX = 2, RING = 4, USED = 8;
const NO_INTERRUPT = 1;

const pending = (m: GuestMemory, q: QueueState) => (m.u16(q.driver + INDEX) - q.next) & 0xffff;

/** The chain that begins with descriptor `head` (2.7.5). */
function walk(m: GuestMemory, q: QueueState, head: number, features: RingFeatures): Chain {
  const builder = new ChainBuilder(m);
  let table = q.desc, entries = q.size, indirect = false;
  for (let i = head;;) {
    if (i >= entries) throw new Malformed(`descriptor ${i} of a table of ${entries}`);
    const at = table + DESCRIPTOR * i, address = m.u64(at), length = m.u32(at + 8), flags = m.u16(at + 12);
    if (flags & INDIRECT) {
      if (indirect) throw new Malformed("an indirect descriptor in an indirect table");
      checkIndirect(length, flags, features);
      m.check(address, length, false);
      builder.count();
      indirect = true;
      table = address;
      entries = length / DESCRIPTOR;
      i = 0;
      continue;
    }
    builder.add(address, length, flags);
    if (!(flags & NEXT)) return builder.chain(head, 1);
    i = m.u16(at + 14);
  }
}

export function checkSize(size: number): void {
  if (size & (size - 1)) throw new Malformed(`a split queue of ${size} entries: it must be a power of 2`);
}

export function empty(m: GuestMemory, q: QueueState): boolean {
  return pending(m, q) === 0;
}

export function pop(m: GuestMemory, q: QueueState, features: RingFeatures): Chain | undefined {
  const count = pending(m, q);
  if (count === 0) return undefined;
  if (count > q.size) throw new Malformed(`${count} new requests in a queue of ${q.size}`);
  const head = m.u16(q.driver + RING + 2 * (q.next % q.size));
  q.next = (q.next + 1) & 0xffff;
  // The driver need not tell of what comes before the index that stands behind the ring (2.7.10).
  if (features.eventIndex) m.setU16(q.device + RING + USED * q.size, q.next);
  return walk(m, q, head, features);
}

export function push(m: GuestMemory, q: QueueState, chain: Chain, written: number): void {
  const at = q.device + RING + USED * (q.used % q.size);
  m.setU32(at, chain.id);
  m.setU32(at + 4, written);
  q.used = (q.used + 1) & 0xffff;
  m.setU16(q.device + INDEX, q.used);
}

/** 2.7.7.2. */
export function wantsInterrupt(m: GuestMemory, q: QueueState, features: RingFeatures): boolean {
  if (!features.eventIndex) return !(m.u16(q.driver) & NO_INTERRUPT);
  const old = q.signalled;
  q.signalled = q.used;
  return needsEvent(m.u16(q.driver + RING + 2 * q.size), q.used, old);
}
