// What split and packed virtqueues have in common: their state, the buffers of a request, and how a ring says what is wrong with it.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 2.6.
import type { GuestMemory } from "./memory.ts";

/** Entries that a queue may have at most, as in QEMU; and descriptors that a chain may have, in an indirect table, too. */
export const MOST_ENTRIES = 1024;
/** Bytes of a descriptor. */
export const DESCRIPTOR = 16;
/** Flags of a descriptor. */
export const NEXT = 1, WRITE = 2, INDIRECT = 4;

/** A queue, as plain data. */
export const queueAtPowerOn = (size: number) => ({
  size,
  ready: false,
  /** Addresses of the descriptor table or ring, of what the driver writes beside it, and of what the device writes. */
  desc: 0,
  driver: 0,
  device: 0,
  /** The interface before 1.0 gives one page number for all three. */
  page: 0,
  align: 4096,
  /** Where the next request is (split: counted modulo 2^16), and the wrap counter of packed rings there. */
  next: 0,
  wrap: true,
  /** The same for what is used next. */
  used: 0,
  usedWrap: true,
  /** `used` when the driver's event was last looked at, for packed rings with the turn. */
  signalled: 0,
  /** The driver has said that there is something; it was not looked at yet. */
  kicked: false,
});
export type QueueState = ReturnType<typeof queueAtPowerOn>;

/** The buffers of a request, as plain data. */
export interface Chain {
  /** Which descriptor (split) or buffer (packed) it is called by, and how many entries of a packed ring it takes. */
  readonly id: number;
  readonly count: number;
  /** Address and length of each buffer: those that the device reads, then those that it writes. */
  readonly buffers: readonly number[];
  /** How many numbers of `buffers` belong to what the device reads. */
  readonly readable: number;
  readonly outBytes: number;
  readonly inBytes: number;
}

/** The driver broke a rule, after which the device cannot go on. */
export class Malformed extends Error {}

/** Whether what of it was negotiated. */
export interface RingFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

/** One of the two formats. */
export interface RingFormat {
  /** @throws {Malformed} no queue of this format has that size. */
  checkSize(size: number): void;
  /** The next request; undefined: there is none. @throws {Malformed | BusFault} */
  pop(memory: GuestMemory, q: QueueState, features: RingFeatures): Chain | undefined;
  /** Whether there is no request. */
  empty(memory: GuestMemory, q: QueueState): boolean;
  /** Gives a request back, of which so many bytes were written. */
  push(memory: GuestMemory, q: QueueState, chain: Chain, written: number): void;
  /** Whether the driver wants to be told of what was given back since the last time. */
  wantsInterrupt(memory: GuestMemory, q: QueueState, features: RingFeatures): boolean;
}

/** Collects the buffers of a chain and checks them. */
export class ChainBuilder {
  readonly buffers: number[] = [];
  readable = 0;
  outBytes = 0;
  inBytes = 0;
  #seen = 0;
  constructor(readonly memory: GuestMemory) {}

  add(address: number, length: number, flags: number): void {
    this.count();
    const write = (flags & WRITE) !== 0;
    if (!write && this.inBytes) throw new Malformed("a buffer that the device reads comes behind one that it writes");
    if (length === 0) return;
    this.memory.check(address, length, write);
    this.buffers.push(address, length);
    if (write) this.inBytes += length;
    else {
      this.outBytes += length;
      this.readable += 2;
    }
  }
  /** Counts descriptors: a chain of more is a loop. */
  count(): void {
    if (++this.#seen > MOST_ENTRIES) throw new Malformed(`a chain has more than ${MOST_ENTRIES} descriptors`);
  }
  chain(id: number, count: number): Chain {
    const { buffers, readable, outBytes, inBytes } = this;
    return { id, count, buffers, readable, outBytes, inBytes };
  }
}

/** What an indirect descriptor must be (2.7.5.3.1, 2.8.19). */
export function checkIndirect(length: number, flags: number, features: RingFeatures): void {
  if (!features.indirect) throw new Malformed("an indirect descriptor, which was not negotiated");
  if (flags & NEXT) throw new Malformed("an indirect descriptor has a next one");
  if (length === 0 || length % DESCRIPTOR) throw new Malformed(`an indirect table of ${length} bytes`);
}

/** Whether an event index lies among what was given back since `old`, modulo 2^16 (2.7.10). */
export const needsEvent = (event: number, now: number, old: number): boolean => ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);

/** The bytes from `from` on that a request brings. */
export function readOut(memory: GuestMemory, { buffers, readable, outBytes }: Chain, from: number, length: number): Uint8Array {
  const out = new Uint8Array(Math.max(0, Math.min(length, outBytes - from)));
  let at = 0;
  for (let i = 0; i < readable && at < out.length; from -= buffers[i + 1], i += 2) {
    if (from >= buffers[i + 1]) continue;
    const skip = Math.max(0, from), n = Math.min(buffers[i + 1] - skip, out.length - at);
    out.set(memory.view(buffers[i] + skip, n), at);
    at += n;
  }
  return out;
}

/** Writes into what a request offers, from byte `from` of it on; what does not fit is left out. */
export function writeIn(memory: GuestMemory, { buffers, readable }: Chain, from: number, data: Uint8Array): void {
  let at = 0;
  for (let i = readable; i < buffers.length && at < data.length; from -= buffers[i + 1], i += 2) {
    if (from >= buffers[i + 1]) continue;
    const skip = Math.max(0, from), n = Math.min(buffers[i + 1] - skip, data.length - at);
    memory.write(buffers[i] + skip, data.subarray(at, at + n));
    at += n;
  }
}
