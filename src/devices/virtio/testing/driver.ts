// A driver for tests: sets a device up by its registers, as the specification has it, and speaks to it through queues in the bench's memory.
// Source: Virtual I/O Device (VIRTIO) Version 1.2 (OASIS, 2022), 2.7.13 (split), 2.8.21 (packed), 3.1, 4.2.3.
import type { AnyDeviceType } from "../../../core/device.ts";
import type { Drive } from "../../../core/disk.ts";
import { type AnyDevice, type Bench, bench } from "../../testing/bench.ts";

/** Features by their bits; 32 and above are of the upper word. */
export const INDIRECT = 28, EVENT_INDEX = 29, VERSION_1 = 32, PACKED = 34;
export const STATUS = 0x70, INTERRUPTS = 0x60, ACKNOWLEDGE = 0x64, NOTIFY = 0x50, CONFIG = 0x100;

export interface Setup {
  readonly legacy?: boolean;
  readonly features?: readonly number[];
  /** Entries of each queue. */
  readonly size?: number;
  /** How many pieces each half of a request comes in. */
  readonly pieces?: number;
  readonly keys?: Readonly<Record<string, unknown>>;
  /** False: the test itself says behind which requests it wants an interrupt. */
  readonly asksForInterrupts?: boolean;
  readonly drives?: Readonly<Record<string, Drive>>;
}

/** A queue's memory and where the driver is in it. */
interface Ring {
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
  next: number;
  used: number;
  wrap: boolean;
  usedWrap: boolean;
  descriptors: number;
}
export interface Answer {
  readonly written: number;
  readonly data: Uint8Array;
}
/** What was posted: where its answer goes, and how many descriptors it took. */
interface Posted {
  readonly at: number;
  readonly length: number;
  readonly count: number;
}

/** Rings, each with room for a table; those before 1.0 have the ring of what is used on a page of its own. */
const RINGS = 0x1000, RING_BYTES = 0x1000, DEVICE_RING = 0x400, LEGACY_BYTES = 0x2000, LEGACY_DEVICE_RING = 0x1000, TABLE = 0x800;
const TABLES = 8, TABLE_BYTES = 0x100;
const BUFFERS = 0x9000, BUFFER_BYTES = 0x7000;

export class Driver {
  readonly bench: Bench<AnyDevice>;
  readonly rings: Ring[] = [];
  readonly size: number;
  readonly features: readonly number[];
  readonly #posted = new Map<string, Posted>();
  #buffer = 0;
  #tables = 0;

  constructor(type: AnyDeviceType, readonly queues: number, readonly setup: Setup = {}) {
    const { legacy = false, features = [], size = 8, drives, keys } = setup;
    this.size = size;
    this.features = legacy ? features : [...features, VERSION_1];
    this.bench = bench(type, { ...keys, force_legacy: legacy, packed: true }, drives ? { drives } : {});
    this.start();
  }

  read(offset: number): number {
    return this.bench.read(offset, 4);
  }
  write(offset: number, value: number): void {
    this.bench.write(offset, value, 4);
  }
  get #memory() {
    return this.bench.dma;
  }
  #has(feature: number): boolean {
    return this.features.includes(feature);
  }

  /** Resets the device, agrees on features and sets the queues up (3.1). */
  start(): void {
    const { legacy = false } = this.setup;
    this.write(STATUS, 0);
    this.write(STATUS, 3);
    for (const word of legacy ? [0] : [0, 1]) {
      this.write(0x24, word);
      this.write(0x20, this.features.filter((f) => f >> 5 === word).reduce((v, f) => v | 1 << (f & 31), 0) >>> 0);
    }
    if (legacy) this.write(0x28, 4096);
    else this.write(STATUS, 11);
    this.rings.length = 0;
    this.#posted.clear();
    for (let n = 0; n < this.queues; n++) this.#place(n, legacy);
    this.write(STATUS, legacy ? 7 : 15);
  }

  #place(n: number, legacy: boolean): void {
    const bytes = legacy ? LEGACY_BYTES : RING_BYTES, desc = RINGS + n * bytes, driver = desc + 16 * this.size;
    const device = desc + (legacy ? LEGACY_DEVICE_RING : DEVICE_RING);
    this.#memory.writeBytes(desc, new Uint8Array(bytes));
    this.rings[n] = { desc, driver, device, next: 0, used: 0, wrap: true, usedWrap: true, descriptors: 0 };
    this.write(0x30, n);
    this.write(0x38, this.size);
    if (legacy) {
      this.write(0x3c, 4096);
      this.write(0x40, desc / 4096);
      return;
    }
    for (const [at, address] of [[0x80, desc], [0x90, driver], [0xa0, device]]) {
      this.write(at, address);
      this.write(at + 4, 0);
    }
    this.write(0x44, 1);
  }

  /** So many bytes of memory for data. */
  #room(bytes: number): number {
    if (this.#buffer + bytes > BUFFER_BYTES) this.#buffer = 0;
    this.#buffer += bytes;
    return BUFFERS + this.#buffer - bytes;
  }

  /** Puts a request into a queue: bytes for the device, and room for so many from it. */
  post(queue: number, out: Uint8Array, inBytes: number): void {
    const { pieces = 1 } = this.setup, ring = this.rings[queue], from = this.#room(out.length), to = this.#room(inBytes);
    this.#memory.writeBytes(from, out);
    this.#memory.writeBytes(to, new Uint8Array(inBytes).fill(0xee));
    const parts = (at: number, bytes: number, flags: number) => {
      const n = Math.min(pieces, bytes), step = Math.floor(bytes / n);
      return Array.from({ length: n }, (_, i) => [at + i * step, i === n - 1 ? bytes - i * step : step, flags]);
    };
    let list = [...out.length ? parts(from, out.length, 0) : [], ...inBytes ? parts(to, inBytes, 2) : []];
    if (this.#has(INDIRECT)) {
      const table = ring.desc + TABLE + TABLE_BYTES * (this.#tables++ % TABLES);
      list.forEach((d, i) => this.#descriptor(table + 16 * i, d, this.#has(PACKED) ? 0 : i + 1, i < list.length - 1 && !this.#has(PACKED)));
      list = [[table, 16 * list.length, 4]];
    }
    const id = this.#has(PACKED) ? this.#offerPacked(ring, list) : this.#offer(ring, list);
    this.#posted.set(`${queue} ${id}`, { at: to, length: inBytes, count: list.length });
  }

  /** `last`: the next descriptor's number, or what a packed one has there: its number in bits 0 to 15 and flags in 16 to 31. */
  #descriptor(at: number, [address, length, flags]: readonly number[], last: number, next: boolean): void {
    this.#memory.write(at, 4, address);
    this.#memory.write(at + 4, 4, 0);
    this.#memory.write(at + 8, 4, length);
    this.#memory.write(at + 12, 2, this.#has(PACKED) ? last & 0xffff : flags | (next ? 1 : 0));
    this.#memory.write(at + 14, 2, this.#has(PACKED) ? last >>> 16 | flags : last);
  }

  #offer(ring: Ring, list: readonly (readonly number[])[]): number {
    const head = ring.descriptors;
    for (const [i, d] of list.entries()) {
      const index = (head + i) % this.size;
      this.#descriptor(ring.desc + 16 * index, d, (index + 1) % this.size, i < list.length - 1);
    }
    ring.descriptors = (head + list.length) % this.size;
    this.#memory.write(ring.driver + 4 + 2 * (ring.next % this.size), 2, head);
    ring.next = (ring.next + 1) & 0xffff;
    this.#memory.write(ring.driver + 2, 2, ring.next);
    return head;
  }

  #offerPacked(ring: Ring, list: readonly (readonly number[])[]): number {
    const id = ring.next;
    for (const [i, d] of list.entries()) {
      const marks = (ring.wrap ? 0x80 : 0x8000) | (i < list.length - 1 ? 1 : 0);
      this.#descriptor(ring.desc + 16 * ring.next, d, id | marks << 16, false);
      if (++ring.next < this.size) continue;
      ring.next = 0;
      ring.wrap = !ring.wrap;
    }
    return id;
  }

  /** Tells the device, and lets time pass. */
  kick(queue: number, ns = 1e7): void {
    this.write(NOTIFY, queue);
    this.bench.passNs(ns);
  }

  /** What came back from a queue. */
  collect(queue: number): Answer[] {
    const ring = this.rings[queue], m = this.#memory, out: Answer[] = [];
    const take = (id: number, written: number): number => {
      const posted = this.#posted.get(`${queue} ${id}`);
      if (!posted) throw new Error(`${id} came back from queue ${queue}, which was not posted`);
      this.#posted.delete(`${queue} ${id}`);
      out.push({ written, data: m.readBytes(posted.at, posted.length) });
      return posted.count;
    };
    if (!this.#has(PACKED)) {
      for (; ring.used !== m.read(ring.device + 2, 2); ring.used = (ring.used + 1) & 0xffff) {
        const at = ring.device + 4 + 8 * (ring.used % this.size);
        take(m.read(at, 4), m.read(at + 4, 4));
      }
      // The next one shall be told (2.7.7.1).
      if (this.#has(EVENT_INDEX) && this.setup.asksForInterrupts !== false) m.write(ring.driver + 4 + 2 * this.size, 2, ring.used);
      return out;
    }
    for (;;) {
      const at = ring.desc + 16 * ring.used, flags = m.read(at + 14, 2);
      if (!!(flags & 0x80) !== ring.usedWrap || !!(flags & 0x8000) !== ring.usedWrap) return out;
      ring.used += take(m.read(at + 12, 2), m.read(at + 8, 4));
      if (ring.used < this.size) continue;
      ring.used -= this.size;
      ring.usedWrap = !ring.usedWrap;
    }
  }

  /** One request and its answer. */
  ask(queue: number, out: Uint8Array, inBytes: number): Answer {
    this.post(queue, out, inBytes);
    this.kick(queue);
    const answers = this.collect(queue);
    if (answers.length !== 1) throw new Error(`${answers.length} answers: ${this.bench.log.join("; ")}`);
    return answers[0];
  }

  /** The configuration space. */
  config(length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => this.bench.read(CONFIG + i, 1));
  }
}

/** Every way to have queues, by name. */
export const WAYS: Readonly<Record<string, Setup>> = {
  legacy: { legacy: true },
  "legacy, event index, indirect": { legacy: true, features: [INDIRECT, EVENT_INDEX] },
  split: {},
  "split, event index": { features: [EVENT_INDEX] },
  "split, indirect, in pieces": { features: [INDIRECT], pieces: 3 },
  "split, in pieces, size 16": { pieces: 3, size: 16 },
  packed: { features: [PACKED] },
  "packed, event index, in pieces": { features: [PACKED, EVENT_INDEX], pieces: 3, size: 11 },
  "packed, indirect": { features: [PACKED, INDIRECT, EVENT_INDEX], pieces: 2 },
};
