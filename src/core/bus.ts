// Address spaces. A machine has one for memory; a PC has a second one for port I/O.
import { BusFault, ConfigError } from "./errors.ts";

/** Bytes of one access. Wider guest accesses are split by the bus, low half first. */
export type Size = 1 | 2 | 4;

/** Answers accesses inside one bus window. `offset` is in bytes from the window's base; values are unsigned. */
export interface BusTarget {
  /** Widths that the model implements; the bus splits wider accesses and widens narrower ones. */
  readonly access: { readonly min: Size; readonly max: Size };
  read(offset: number, size: Size): number;
  write(offset: number, size: Size, value: number): void;
}

/** One window of an address space: RAM or ROM (`bytes`), or a device (`target`). */
export interface Region {
  readonly base: number;
  readonly length: number;
  readonly name: string;
  readonly readonly: boolean;
  readonly bytes?: Uint8Array;
  readonly target?: BusTarget;
}

/** One address space. Physical addresses are numbers below 2^53. */
export class Bus {
  /** Sorted by base; disjoint. */
  readonly regions: Region[] = [];
  #last: Region | undefined;
  /** Answers where nothing is mapped, with offsets that are addresses; without it an access there is a fault. */
  elsewhere: Region | undefined;
  /** Called after a device (not a CPU) has written RAM, so that translated code there is dropped. */
  onDmaWrite: (paddr: number, length: number) => void = () => {};

  /** @throws {ConfigError} the window overlaps another. */
  map(base: number, length: number, target: BusTarget, name = "device"): void {
    this.#insert({ base, length, target, name, readonly: false });
  }

  /** Maps host bytes as RAM, or as ROM when `readonly` (guest writes are ignored). @throws {ConfigError} on overlap. */
  mapRam(base: number, bytes: Uint8Array, options: { readonly?: boolean; name?: string } = {}): void {
    this.#insert({ base, length: bytes.length, bytes, name: options.name ?? "ram", readonly: options.readonly ?? false });
  }

  /** Removes the window that starts at `base` (a PCI BAR that moves). */
  unmap(base: number): void {
    const i = this.regions.findIndex((r) => r.base === base);
    if (i >= 0) this.regions.splice(i, 1);
    this.#last = undefined;
  }

  #insert(r: Region): void {
    const clash = this.regions.find((o) => r.base < o.base + o.length && o.base < r.base + r.length);
    if (clash) throw new ConfigError(`'${r.name}' (${range(r)}) overlaps '${clash.name}' (${range(clash)})`);
    this.regions.push(r);
    this.regions.sort((a, b) => a.base - b.base);
  }

  /** The window that holds `paddr`, or else `elsewhere`. */
  find(paddr: number): Region | undefined {
    const last = this.#last;
    if (last && paddr >= last.base && paddr < last.base + last.length) return last;
    let lo = 0, hi = this.regions.length - 1;
    while (lo <= hi) {
      const mid = (lo + hi) >> 1, r = this.regions[mid];
      if (paddr < r.base) hi = mid - 1;
      else if (paddr >= r.base + r.length) lo = mid + 1;
      else return this.#last = r;
    }
    return this.elsewhere;
  }

  /** @throws {BusFault} nothing is mapped there. */
  read(paddr: number, size: Size): number {
    const r = this.find(paddr);
    if (!r) throw new BusFault(paddr, "read");
    const offset = paddr - r.base;
    if (r.bytes) {
      let v = 0;
      for (let i = size - 1; i >= 0; i--) v = v * 256 + r.bytes[offset + i];
      return v;
    }
    return readTarget(r.target!, offset, size);
  }

  /** @throws {BusFault} nothing is mapped there. */
  write(paddr: number, size: Size, value: number): void {
    const r = this.find(paddr);
    if (!r) throw new BusFault(paddr, "write");
    const offset = paddr - r.base;
    if (r.bytes) {
      if (r.readonly) return;
      for (let i = 0; i < size; i++) r.bytes[offset + i] = value >>> (8 * i);
      this.onDmaWrite(paddr, size);
      return;
    }
    writeTarget(r.target!, offset, size, value);
  }

  /** Copies guest memory out (a loader, DMA, the debugger). Only RAM and ROM. @throws {BusFault} on anything else. */
  readBytes(paddr: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const r = this.find(paddr + done);
      if (!r?.bytes) throw new BusFault(paddr + done, "read");
      const from = paddr + done - r.base, n = Math.min(length - done, r.length - from);
      out.set(r.bytes.subarray(from, from + n), done);
      done += n;
    }
    return out;
  }

  /** Copies into RAM, ROM included when `rom` (a loader). @throws {BusFault} on anything else. */
  writeBytes(paddr: number, data: Uint8Array, options: { rom?: boolean } = {}): void {
    for (let done = 0; done < data.length;) {
      const r = this.find(paddr + done);
      if (!r?.bytes || (r.readonly && !options.rom)) throw new BusFault(paddr + done, "write");
      const to = paddr + done - r.base, n = Math.min(data.length - done, r.length - to);
      r.bytes.set(data.subarray(done, done + n), to);
      done += n;
    }
    this.onDmaWrite(paddr, data.length);
  }
}

/** Reads a device window at any width: wide accesses are split low half first, narrow ones cut out of a wider register. */
export function readTarget(t: BusTarget, offset: number, size: Size): number {
  const { min, max } = t.access;
  if (size > max) {
    let v = 0;
    for (let i = size - max; i >= 0; i -= max) v = v * 2 ** (8 * max) + t.read(offset + i, max);
    return v;
  }
  if (size >= min) return t.read(offset, size) >>> 0;
  const shift = 8 * (offset % min);
  const wide = t.read(offset - offset % min, min);
  return (wide >>> shift) & (2 ** (8 * size) - 1);
}

/** Writes a device window at any width; a narrow write to a wide register carries zeros in the other bytes. */
export function writeTarget(t: BusTarget, offset: number, size: Size, value: number): void {
  const { min, max } = t.access;
  if (size > max) {
    const mask = 2 ** (8 * max) - 1;
    for (let i = 0; i < size; i += max) t.write(offset + i, max, ((value >>> (8 * i)) & mask) >>> 0);
  } else if (size >= min) t.write(offset, size, value >>> 0);
  else t.write(offset - offset % min, min, (value << (8 * (offset % min))) >>> 0);
}

const range = (r: { base: number; length: number }) => `0x${r.base.toString(16)}..0x${(r.base + r.length - 1).toString(16)}`;
