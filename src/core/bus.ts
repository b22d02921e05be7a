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
  /** Writes bytes one after the other, as `write` would; only devices that are faster so have it. */
  writeBytes?(offset: number, data: Uint8Array): void;
  /** Parts of the window that are plain memory now: processors reach them without the device. Disjoint; sorted by offset. */
  readonly direct?: readonly Direct[];
  /** Set by the bus; the device calls it when `direct` has changed. */
  onDirect?: () => void;
}

/** A part of a device's window that is plain memory. */
export interface Direct {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One window of an address space: RAM or ROM (`bytes`), or a device (`target`). */
export interface BusRegion {
  readonly base: number;
  readonly length: number;
  readonly name: string;
  readonly readonly: boolean;
  readonly bytes?: Uint8Array;
  readonly target?: BusTarget;
}

/** How the guest sees a shadow RAM: not at all, for reading only, or as RAM. */
export type ShadowAccess = "off" | "read" | "write";

/**
 * One address space. Physical addresses are numbers below 2^53. Where windows overlap the order is: shadow RAM that is shown, windows of
 * `map` and `mapRam` (which may not overlap each other), windows of `mapBehind` in the order of their names.
 */
export class Bus {
  /** The value of `regions`; undefined when windows have changed since. */
  #regions: readonly BusRegion[] | undefined;
  #last: BusRegion | undefined;
  readonly #fixed: BusRegion[] = [];
  readonly #behind: BusRegion[] = [];
  readonly #shadows: { readonly base: number; readonly bytes: Uint8Array; readonly name: string; readonly pages: ShadowAccess[] }[] = [];
  /** Answers where nothing is mapped, with offsets that are addresses; without it an access there is a fault. */
  elsewhere: BusRegion | undefined;
  /** Called after a device (not a CPU) has written RAM, so that translated code there is dropped. */
  onDmaWrite: (paddr: number, length: number) => void = () => {};
  /** Called after `regions` has changed. */
  onRemap: () => void = () => {};

  /** What the guest sees: sorted by base; disjoint. A window that others hide in part is there in pieces. */
  get regions(): readonly BusRegion[] {
    return this.#regions ??= this.#arrange();
  }

  /** @throws {ConfigError} the window overlaps another. */
  map(base: number, length: number, target: BusTarget, name = "device"): void {
    this.#insert({ base, length, target, name, readonly: false });
  }

  /** Maps host bytes as RAM, or as ROM when `readonly` (guest writes are ignored). @throws {ConfigError} on overlap. */
  mapRam(base: number, bytes: Uint8Array, options: { readonly?: boolean; name?: string } = {}): void {
    this.#insert({ base, length: bytes.length, bytes, name: options.name ?? "ram", readonly: options.readonly ?? false });
  }

  /** A device's window behind all others, which may come and go (a PCI BAR); what it returns is for `unmap`. */
  mapBehind(base: number, length: number, target: BusTarget, name = "device"): BusRegion {
    const region = { base, length, target, name, readonly: false };
    this.#behind.push(region);
    // Not by time: a machine restored from a snapshot maps them in another order.
    this.#behind.sort((a, b) => a.name < b.name ? -1 : 1);
    this.#watch(region);
    this.#changed();
    return region;
  }

  /** Removes a window of `mapBehind`. */
  unmap(region: BusRegion): void {
    const i = this.#behind.indexOf(region);
    if (i >= 0) this.#behind.splice(i, 1);
    this.#changed();
  }

  /** RAM that a chipset can show in front of what else is there; hidden until `shadow` shows it. */
  mapShadow(base: number, bytes: Uint8Array, name = "shadow"): void {
    this.#shadows.push({ base, bytes, name, pages: Array<ShadowAccess>(bytes.length / PAGE).fill("off") });
  }

  /** Shows or hides the shadow RAM of a range (multiples of 4 KiB); without shadow RAM there nothing happens. */
  shadow(base: number, length: number, access: ShadowAccess): void {
    let changed = false;
    for (const s of this.#shadows) {
      for (const page of s.pages.keys()) {
        const at = s.base + page * PAGE;
        if (at < base || at >= base + length || s.pages[page] === access) continue;
        s.pages[page] = access;
        changed = true;
      }
    }
    if (changed) this.#changed();
  }

  #insert(r: BusRegion): void {
    for (const o of this.#fixed) {
      if (r.base >= o.base + o.length || o.base >= r.base + r.length) continue;
      throw new ConfigError(`'${r.name}' (${range(r)}) overlaps '${o.name}' (${range(o)})`);
    }
    this.#fixed.push(r);
    this.#watch(r);
    this.#changed();
  }

  #watch({ target }: BusRegion): void {
    if (target) target.onDirect = () => this.#changed();
  }

  /** What is mapped, or shown of it, is not what it was. */
  #changed(): void {
    this.#last = this.#regions = undefined;
    this.onRemap();
  }

  #arrange(): BusRegion[] {
    const regions: BusRegion[] = [];
    for (const s of this.#shadows) addShown(s.base, s.bytes, s.name, s.pages, regions);
    for (const r of this.#fixed) addDirect(r, regions);
    // The windows of the machine file do not hide one another.
    const front = regions.length;
    for (const r of this.#fixed) addUncovered(r, front, regions);
    for (const r of this.#behind) {
      addDirect(r, regions);
      addUncovered(r, regions.length, regions);
    }
    return regions.sort((a, b) => a.base - b.base);
  }

  /** The window that holds `paddr`, or else `elsewhere`. */
  find(paddr: number): BusRegion | undefined {
    const last = this.#last;
    if (last && paddr >= last.base && paddr < last.base + last.length) return last;
    const { regions } = this;
    let lo = 0, hi = regions.length - 1;
    while (lo <= hi) {
      const mid = (lo + hi) >> 1, r = regions[mid];
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
    const offset = windowOffset(r, paddr);
    if (offset + size > r.length) return this.#readAcross(paddr, size);
    if (r.bytes) {
      let v = 0;
      for (let i = size - 1; i >= 0; i--) v = v * 256 + r.bytes[offset + i];
      return v;
    }
    return readTarget(r.target!, offset, size);
  }

  /** An access that leaves its window goes byte by byte. */
  #readAcross(paddr: number, size: Size): number {
    let v = 0;
    for (let i = size - 1; i >= 0; i--) v = v * 256 + this.read(paddr + i, 1);
    return v;
  }

  /** @throws {BusFault} nothing is mapped there. */
  write(paddr: number, size: Size, value: number): void {
    const r = this.find(paddr);
    if (!r) throw new BusFault(paddr, "write");
    const offset = windowOffset(r, paddr);
    if (offset + size > r.length) { for (let i = 0; i < size; i++) this.write(paddr + i, 1, value >>> (8 * i) & 0xff); }
    else if (r.bytes) {
      if (r.readonly) return;
      for (let i = 0; i < size; i++) r.bytes[offset + i] = value >>> (8 * i);
      this.onDmaWrite(paddr, size);
    } else writeTarget(r.target!, offset, size, value);
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

  /** Copies into RAM, ROM included when `rom` (a loader). @throws {BusFault} on anything else; what comes before that is written. */
  writeBytes(paddr: number, data: Uint8Array, options: { rom?: boolean } = {}): void {
    for (let done = 0; done < data.length;) {
      const r = this.find(paddr + done);
      if (!r?.bytes || (r.readonly && !options.rom)) throw new BusFault(paddr + done, "write");
      const to = paddr + done - r.base, n = Math.min(data.length - done, r.length - to);
      r.bytes.set(data.subarray(done, done + n), to);
      this.onDmaWrite(paddr + done, n);
      done += n;
    }
  }
}

/** Where an address is in its window. One base above 2^31 makes doubles of all: what is small becomes an integer again, which devices are fast with. */
export function windowOffset(r: BusRegion, paddr: number): number {
  const offset = paddr - r.base;
  return offset <= 0x7fff_ffff ? offset | 0 : offset;
}

/** All bits of so many bytes. Powers of two were a third of what it costs a guest to poll a device. */
export const BITS = [0, 0xff, 0xffff, 0, -1] as const;

/**
 * Reads a device window at any width: wide accesses are split low half first, narrow ones cut out of a wider register. A model may answer with
 * more bits than it was asked for.
 */
export function readTarget(t: BusTarget, offset: number, size: Size): number {
  const { min, max } = t.access;
  if (size > max) {
    let v = 0;
    for (let i = size - max; i >= 0; i -= max) v = v * 2 ** (8 * max) + (t.read(offset + i, max) & BITS[max]);
    return v;
  }
  if (size >= min) return (t.read(offset, size) & BITS[size]) >>> 0;
  const shift = 8 * (offset % min);
  const wide = t.read(offset - offset % min, min);
  return (wide >>> shift) & BITS[size];
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

const PAGE = 4096;

/** Adds the runs of pages with equal access that are shown. */
function addShown(base: number, bytes: Uint8Array, name: string, pages: readonly ShadowAccess[], out: BusRegion[]): void {
  for (let from = 0, to; from < pages.length; from = to) {
    for (to = from + 1; to < pages.length && pages[to] === pages[from];) to++;
    if (pages[from] === "off") continue;
    const length = (to - from) * PAGE, at = from * PAGE;
    out.push({ base: base + at, length, name, readonly: pages[from] === "read", bytes: bytes.subarray(at, at + length) });
  }
}

/** Adds the memory that a device shows itself in its window, where nothing hides it. */
function addDirect(r: BusRegion, out: BusRegion[]): void {
  for (const { offset, bytes } of r.target?.direct ?? []) {
    addUncovered({ base: r.base + offset, length: bytes.length, bytes, name: r.name, readonly: false }, out.length, out);
  }
}

/** Adds what of a window the first `count` regions do not hide: itself, or pieces of it. */
function addUncovered(r: BusRegion, count: number, out: BusRegion[]): void {
  let covered = false;
  for (let i = 0; i < count && !covered; i++) covered = out[i].base < r.base + r.length && r.base < out[i].base + out[i].length;
  if (!covered) {
    out.push(r);
    return;
  }
  let parts: [from: number, to: number][] = [[r.base, r.base + r.length]];
  for (let i = 0; i < count; i++) {
    const o = out[i], end = o.base + o.length;
    parts = parts.flatMap(([from, to]): [number, number][] =>
      o.base >= to || end <= from ? [[from, to]] : [[from, Math.min(to, o.base)], [Math.max(from, end), to]]
    ).filter(([from, to]) => from < to);
  }
  for (const [from, to] of parts) out.push(part(r, from - r.base, to - from));
}

/** A piece of a window. */
function part(r: BusRegion, skip: number, length: number): BusRegion {
  const { target, bytes } = r;
  return {
    ...r,
    base: r.base + skip,
    length,
    ...(bytes && { bytes: bytes.subarray(skip, skip + length) }),
    ...(target && {
      target: {
        access: target.access,
        read: (offset: number, size: Size) => target.read(offset + skip, size),
        write: (offset: number, size: Size, value: number) => target.write(offset + skip, size, value),
        ...(target.writeBytes && { writeBytes: (offset: number, data: Uint8Array) => target.writeBytes!(offset + skip, data) }),
      },
    }),
  };
}

const range = (r: { base: number; length: number }) => `0x${r.base.toString(16)}..0x${(r.base + r.length - 1).toString(16)}`;
