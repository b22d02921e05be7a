// The linear memory of a machine: what is where in it, what guest-physical addresses reach of it, and which pages are looked at when they are
// written.
import type { BusRegion } from "../core/bus.ts";
import { PAGE, TLBS } from "../ir/layout.ts";

/** A window of guest-physical memory in the linear memory. */
export interface Ram {
  readonly base: number;
  readonly length: number;
  readonly readonly: boolean;
  /** Index in the linear memory. */
  readonly offset: number;
}

/** Why writes to a page are looked at. */
export const IS_CODE = 1, IS_TABLE = 2;

/** Hands out the linear memory from its fixed slots (ir/layout.ts) upwards. */
export class Layout {
  end: number = TLBS;
  /** Index of the first of so many bytes. */
  take(bytes: number, align = 16): number {
    const from = Math.ceil(this.end / align) * align;
    this.end = from + bytes;
    return from;
  }
}

export class LinearMemory {
  readonly wasm: WebAssembly.Memory;
  /** Its size in pages of wasm, of 64 KiB. */
  readonly pages: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  /** All memory of the machine, that of devices too, as it was allocated. */
  readonly rams: readonly Omit<Ram, "base">[];
  /** What guest addresses reach of it now, the largest first. */
  views: readonly Ram[];
  /** A byte for each page of the linear memory: why writes to it are looked at (IS_CODE, IS_TABLE). */
  readonly #watched: number;

  /**
   * @param layout what has been given out stays; memory of the guest comes behind it
   * @param rams windows of RAM and ROM, in guest-physical addresses, and memory without an address, zeroed
   * @throws {RangeError} they do not fit a 32-bit linear memory (3.5 GiB in all)
   */
  constructor(layout: Layout, rams: readonly { base?: number; length: number; readonly: boolean }[]) {
    const views: Ram[] = [], all: Omit<Ram, "base">[] = [];
    for (const { base, length, readonly } of rams) {
      const offset = layout.take(length, 65536);
      all.push({ length, readonly, offset });
      if (base !== undefined) views.push(viewAt({ base, length, readonly, offset }));
    }
    this.rams = all;
    this.views = views;
    this.#watched = layout.take(Math.ceil(layout.end / PAGE));
    this.pages = Math.ceil(layout.end / 65536);
    if (this.pages > 65536) throw new RangeError(`memory of ${Math.round(layout.end / 2 ** 20)} MiB does not fit: at most 3.5 GiB in all`);
    this.wasm = new WebAssembly.Memory({ initial: this.pages, maximum: this.pages });
    const buffer = this.wasm.buffer as ArrayBuffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
  }

  /** Bytes of a RAM window, for the bus and the loader. */
  ramBytes(index: number): Uint8Array {
    const r = this.rams[index];
    return this.u8.subarray(r.offset, r.offset + r.length);
  }
  /** Index in the linear memory of guest-physical RAM or ROM that holds all of `size` bytes; -1 elsewhere. */
  hostOf(paddr: number, size: number): number {
    const views = this.views;
    for (let i = 0; i < views.length; i++) {
      const r = views[i], at = paddr - r.base;
      if (at >= 0 && at + size <= r.length) return r.offset + at;
    }
    return -1;
  }
  /** The window that a guest-physical address is in. */
  ramAt(paddr: number): Ram | undefined {
    const views = this.views;
    for (let i = 0; i < views.length; i++) {
      const r = views[i], at = paddr - r.base;
      if (at >= 0 && at < r.length) return r;
    }
    return undefined;
  }
  /** The window that an index in the linear memory is in; there is one. */
  viewOf(host: number): Ram {
    for (const r of this.views) if (host >= r.offset && host < r.offset + r.length) return r;
    throw new Error("no memory of the guest is there");
  }
  /** Looks at the bus anew. Whether memory is elsewhere now, and whether that had translated code. */
  remap(regions: Iterable<BusRegion>): { readonly moved: boolean; readonly code: boolean } {
    const old = this.views, views: Ram[] = [];
    for (const { base, bytes, readonly } of regions) {
      if (bytes?.buffer !== this.u8.buffer) continue;
      let i = views.length;
      while (i > 0 && views[i - 1].length < bytes.length) i--;
      views.splice(i, 0, viewAt({ base, length: bytes.length, readonly, offset: bytes.byteOffset }));
    }
    let moved = views.length !== old.length, code = false;
    for (const v of old) {
      if (has(views, v)) continue;
      moved = true;
      const map = this.watchedIn(v);
      code ||= map.includes(IS_CODE) || map.includes(IS_CODE | IS_TABLE);
    }
    if (moved) this.views = views;
    return { moved, code };
  }

  /** Why writes to the page of a byte are looked at; 0: they are not. */
  why(host: number): number {
    return this.u8[this.#watched + (host >>> 12)];
  }
  watch(page: number, why: number): void {
    this.u8[this.#watched + page] |= why;
  }
  unwatch(page: number, why: number): void {
    this.u8[this.#watched + page] &= ~why;
  }
  /** `why` of each page of a window; its last part of a page has one, too. */
  watchedIn({ offset, length }: Omit<Ram, "base">): Uint8Array {
    return this.u8.subarray(this.#watched + (offset >>> 12), this.#watched + ((offset + length - 1) >>> 12) + 1);
  }
}

/** Whether a window is among others, unchanged. */
function has(views: readonly Ram[], v: Ram): boolean {
  for (const w of views) if (w.base === v.base && w.length === v.length && w.readonly === v.readonly && w.offset === v.offset) return true;
  return false;
}

/**
 * What everything here takes for granted of memory that the guest sees: an address has the same place in its page as the byte in the linear
 * memory, since the TLBs and the checks of compiled code tell pages only. Whoever lays out memory holds to it (`machine/machine_graph.ts`,
 * `Window.multiple`). Parts of pages are fine, as what hides a part of a device's memory leaves them.
 */
function viewAt(ram: Ram): Ram {
  if ((ram.base - ram.offset) % PAGE === 0) return ram;
  throw new Error(`memory at 0x${ram.base.toString(16)} does not begin where a page of the host's memory does`);
}
