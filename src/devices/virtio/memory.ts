// Guest memory as a virtio device reaches it: RAM, and nothing else. What a queue says may be any address; registers of devices are none of its business.
import type { Bus, BusRegion } from "../../core/bus.ts";
import { BusFault } from "../../core/errors.ts";

export class GuestMemory {
  constructor(readonly bus: Bus) {}

  /** The window that holds all of these bytes, when there is one. @throws {BusFault} no memory is there. */
  #whole(at: number, length: number, write: boolean): BusRegion | undefined {
    const r = this.bus.find(at);
    if (!r?.bytes || (write && r.readonly)) throw new BusFault(at, write ? "write" : "read");
    return at + length <= r.base + r.length ? r : undefined;
  }

  u16(at: number): number {
    const r = this.#whole(at, 2, false), bytes = r?.bytes ?? this.bus.readBytes(at, 2), from = r ? at - r.base : 0;
    return bytes[from] | bytes[from + 1] << 8;
  }
  u32(at: number): number {
    const r = this.#whole(at, 4, false), bytes = r?.bytes ?? this.bus.readBytes(at, 4), from = r ? at - r.base : 0;
    return (bytes[from] | bytes[from + 1] << 8 | bytes[from + 2] << 16 | bytes[from + 3] << 24) >>> 0;
  }
  /** 64 bits; what no address can be is rounded, and there is no memory either way. */
  u64(at: number): number {
    return this.u32(at + 4) * 2 ** 32 + this.u32(at);
  }
  setU16(at: number, value: number): void {
    this.bus.writeBytes(at, Uint8Array.of(value, value >> 8));
  }
  setU32(at: number, value: number): void {
    this.bus.writeBytes(at, Uint8Array.of(value, value >> 8, value >> 16, value >> 24));
  }

  /** @throws {BusFault} not all of these bytes are memory, or not all can be written. */
  check(at: number, length: number, write: boolean): void {
    const end = at + length;
    while (at < end) {
      const r = this.#whole(at, end - at, write);
      if (r) return;
      const part = this.bus.find(at)!;
      at = part.base + part.length;
    }
  }
  /** Bytes to be looked at before anything is written: mostly the memory itself. */
  view(at: number, length: number): Uint8Array {
    const r = this.#whole(at, length, false);
    return r ? r.bytes!.subarray(at - r.base, at - r.base + length) : this.bus.readBytes(at, length);
  }
  write(at: number, data: Uint8Array): void {
    this.bus.writeBytes(at, data);
  }
}
