// The VGA's memory: four planes behind the sequencer and the graphics controller, in the window at 0xa0000, and side by side in the linear
// framebuffer. Where the processor sees plain memory (text modes, mode 13h, VBE modes) the bus gets it directly, unless somebody watches the
// screen. Not modelled: the read latches in those modes.
import type { BusTarget, Direct } from "../../../core/bus.ts";
import {
  type Adapter,
  DISPI,
  GR,
  isLinear,
  MEMORY_CHAIN4,
  MEMORY_NO_ODD_EVEN,
  MISC_GRAPHICS,
  MISC_RAM,
  MODE_ODD_EVEN,
  MODE_READ_COMPARE,
  SR,
  type TextLayout,
  textLayout,
} from "./state.ts";

/** Bytes that are cleared at once. */
const PAGE = 4096;

/**
 * Arrangements in which the processor's addresses are spread over the planes and it sees plain memory all the same. While one is in use its
 * bytes are not in display memory but side by side behind it, so that the bus can have them. Units of 2 or 4 bytes are side by side in the
 * window and four times as far from each other in display memory. `from` is the offset of a place in it, or -1.
 */
interface Flat {
  /** Of the window, bytes. */
  readonly offset: number;
  readonly length: number;
  readonly unit: 2 | 4;
  from(at: number): number;
}
const oddEven = (offset: number): Flat => ({
  offset,
  length: 0x8000,
  unit: 2,
  from: (at) => (at & 6) === 0 && at < 0x2_0000 ? at >> 2 | at & 1 : -1,
});
const FLAT: readonly Flat[] = [oddEven(0x1_0000), oddEven(0x1_8000), {
  offset: 0,
  length: 0x1_0000,
  unit: 4,
  from: (at) => (at & 0xc) === 0 && at < 0x4_0000 ? at >> 2 | at & 3 : -1,
}];
/** Copies units of a flat copy to where they are in display memory, or the reverse. */
function spread(flat: Uint8Array, planes: Uint8Array, { length, unit }: Flat, back: boolean): void {
  const units = ({ buffer, byteOffset }: Uint8Array, bytes: number) =>
    unit === 2 ? new Uint16Array(buffer, byteOffset, bytes / 2) : new Uint32Array(buffer, byteOffset, bytes / 4);
  const near = units(flat, length), far = units(planes, 4 * length);
  if (back) { for (let i = 0; i < near.length; i++) near[i] = far[4 * i]; }
  else for (let i = 0; i < near.length; i++) far[4 * i] = near[i];
}
/** Bytes behind display memory that the flat copy takes. */
export const FLAT_BYTES = 0x1_0000;

export class DisplayMemory {
  /** Byte i of plane p is at 4 * i + p. The linear framebuffer is the same memory. */
  readonly #planes: Uint8Array;
  readonly #flatBytes: Uint8Array;
  readonly window: BusTarget & { direct: readonly Direct[] };
  readonly framebuffer: BusTarget & { direct: readonly Direct[] };
  /** The arrangement and the bank that the bus has; -1: none. */
  #offeredFlat = -1;
  #offeredBank = -1;
  /** What follows from the registers for a write to the window; undefined when they have changed. */
  #layout: TextLayout | undefined;

  constructor(readonly vga: Adapter, bytes: Uint8Array) {
    this.#planes = bytes.subarray(0, vga.vram);
    this.#flatBytes = bytes.subarray(vga.vram);
    this.window = {
      access: { min: 1, max: 1 },
      read: (offset) => this.#readMemory(offset),
      write: (offset, _size, value) => this.#writeMemory(offset, value),
      writeBytes: (offset, data) => this.#writeWindow(offset, data),
      direct: [],
    };
    this.framebuffer = {
      access: { min: 1, max: 4 },
      read: (offset, size) => this.readLinear(offset, size),
      write: (offset, size, value) => this.#writeLinear(offset, size, value),
      direct: [],
    };
  }

  /** Byte of display memory, wherever it is now. */
  peek(i: number): number {
    const from = FLAT[this.vga.state.flat]?.from(i) ?? -1;
    return from >= 0 ? this.#flatBytes[from] : this.#planes[i] ?? 0;
  }

  poke(i: number, value: number): void {
    const from = FLAT[this.vga.state.flat]?.from(i) ?? -1;
    if (from >= 0) this.#flatBytes[from] = value;
    else if (i < this.#planes.length) this.#planes[i] = value;
  }

  /** The arrangement that the registers ask for; -1 when the window is not plain memory, or that of a VBE mode. */
  #flatMode(): number {
    const { misc, graphics: gr, sequencer } = this.vga.state, memory = sequencer[SR.memory], planes = sequencer[SR.mapMask] & 0xf;
    if (isLinear(this.vga.state) || !(misc & MISC_RAM) || gr[GR.mode] & (3 | MODE_READ_COMPARE) || gr[GR.function] & 0x1f) return -1;
    if (gr[GR.enable] & planes || gr[GR.mask] !== 0xff) return -1;
    const where = gr[GR.misc] >> 2 & 3;
    if (memory & MEMORY_CHAIN4) return where === 1 && planes === 0xf ? 2 : -1;
    const text = !(memory & MEMORY_NO_ODD_EVEN) && gr[GR.mode] & MODE_ODD_EVEN && !(gr[GR.readMap] & 2) && planes === 3;
    return text && where >= 2 ? where - 2 : -1;
  }

  /** Leaves an arrangement that the registers do not ask for any more. */
  settle(): void {
    const old = FLAT[this.vga.state.flat];
    if (!old || this.#flatMode() === this.vga.state.flat) return;
    spread(this.#flatBytes, this.#planes, old, false);
    this.vga.state.flat = -1;
  }

  /** At an access through the window: takes up the arrangement that the registers ask for. Not sooner, since modes are set step by step. */
  #flatten(): void {
    if (this.vga.state.flat >= 0) return;
    const mode = this.#flatMode();
    if (mode < 0) return;
    spread(this.#flatBytes, this.#planes, FLAT[mode], true);
    this.vga.state.flat = mode;
    this.offer();
  }

  /** Lets the bus have what is plain memory. Who watches the screen has to see every write to it. */
  offer(): void {
    const { dispi } = this.vga.state,
      flat = this.vga.onChange ? -1 : this.vga.state.flat,
      shownBank = isLinear(this.vga.state) ? dispi[DISPI.bank] : -1;
    if (flat === this.#offeredFlat && shownBank === this.#offeredBank) return;
    this.#offeredFlat = flat;
    this.#offeredBank = shownBank;
    const now = FLAT[flat], text = now ? [{ offset: now.offset, bytes: this.#flatBytes.subarray(0, now.length) }] : [];
    const from = dispi[DISPI.bank] * 0x1_0000, bank = { offset: 0, bytes: this.#planes.subarray(from, from + 0x1_0000) };
    this.#give(this.window, isLinear(this.vga.state) ? [bank] : text);
    this.#give(this.framebuffer, isLinear(this.vga.state) ? [{ offset: 0, bytes: this.#planes }] : []);
  }
  #give(target: BusTarget & { direct: readonly Direct[] }, direct: readonly Direct[]): void {
    const same = direct.length === target.direct.length &&
      direct.every((d, i) => d.offset === target.direct[i].offset && d.bytes.byteOffset === target.direct[i].bytes.byteOffset);
    if (same) return;
    target.direct = direct;
    target.onDirect?.();
  }

  readLinear(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.peek(offset + i);
    return value;
  }

  #writeLinear(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.poke(offset + i, value >>> 8 * i & 0xff);
    this.vga.onChange?.(-1);
  }

  /** Offset in a plane that an address of the window means, or -1 when the window is elsewhere (graphics register 6). */
  #offset(address: number): number {
    const { misc, graphics } = this.vga.state;
    if (!(misc & MISC_RAM)) return -1;
    switch (graphics[GR.misc] >> 2 & 3) {
      case 0:
        return address & 0xffff;
      case 1:
        return address < 0x1_0000 ? address : -1;
      case 2:
        return address >= 0x1_0000 && address < 0x1_8000 ? address & 0x7fff : -1;
      default:
        return address >= 0x1_8000 ? address & 0x7fff : -1;
    }
  }

  #readMemory(address: number): number {
    const { dispi, graphics: gr, sequencer, latch } = this.vga.state;
    if (isLinear(this.vga.state)) return address < 0x1_0000 ? this.peek(dispi[DISPI.bank] * 0x1_0000 + address) : 0xff;
    this.#flatten();
    const flat = FLAT[this.vga.state.flat];
    if (flat) return address >= flat.offset && address < flat.offset + flat.length ? this.#flatBytes[address - flat.offset] : 0xff;
    let offset = this.#offset(address), plane = gr[GR.readMap] & 3;
    if (offset < 0) return 0xff;
    if (sequencer[SR.memory] & MEMORY_CHAIN4) [plane, offset] = [offset & 3, offset & ~3];
    else if (gr[GR.mode] & MODE_ODD_EVEN) [plane, offset] = [plane & 2 | offset & 1, offset & ~1];
    for (let p = 0; p < 4; p++) latch[p] = this.peek(4 * offset + p);
    if (!(gr[GR.mode] & MODE_READ_COMPARE)) return latch[plane];
    let differs = 0;
    for (let p = 0; p < 4; p++) if (gr[GR.care] & 1 << p) differs |= latch[p] ^ (gr[GR.compare] & 1 << p ? 0xff : 0);
    return ~differs & 0xff;
  }

  #writeMemory(address: number, value: number): void {
    const { dispi, graphics: gr, sequencer } = this.vga.state;
    if (isLinear(this.vga.state)) {
      if (address < 0x1_0000) this.#writeLinear(dispi[DISPI.bank] * 0x1_0000 + address, 1, value);
      return;
    }
    this.#flatten();
    let offset = this.#offset(address), planes = sequencer[SR.mapMask] & 0xf;
    if (offset < 0) return;
    if (sequencer[SR.memory] & MEMORY_CHAIN4) {
      planes &= 1 << (offset & 3);
      offset &= ~3;
    } else if (!(sequencer[SR.memory] & MEMORY_NO_ODD_EVEN)) {
      planes &= offset & 1 ? 0b1010 : 0b0101;
      offset &= ~1;
    }
    let changed = false;
    for (let p = 0; p < 4; p++) {
      if (!(planes & 1 << p)) continue;
      const at = 4 * offset + p, byte = this.#byteFor(p, value);
      if (this.peek(at) === byte) continue;
      this.poke(at, byte);
      changed = true;
    }
    if (changed) this.vga.onChange?.(gr[GR.misc] & MISC_GRAPHICS || !(planes & 3) ? -1 : this.#rowOf(offset));
  }

  /** Many bytes: straight into the planes where the graphics controller changes nothing and addresses are those of a plane (a font, say). */
  #writeWindow(address: number, data: Uint8Array): void {
    const mode = this.vga.state.flat < 0 ? this.#flatMode() : -1, flat = FLAT[mode];
    if (flat && address === flat.offset && data.length === flat.length) {
      // A whole screen: nothing has to be fetched from the planes first.
      this.#flatBytes.set(data);
      this.vga.state.flat = mode;
      this.offer();
      this.vga.onChange?.(-1);
      return;
    }
    const { graphics: gr, sequencer } = this.vga.state, planes = sequencer[SR.mapMask] & 0xf, memory = sequencer[SR.memory];
    const bytes = this.#planes,
      offset = this.#offset(address),
      plain = !isLinear(this.vga.state) && !(memory & MEMORY_CHAIN4) && memory & MEMORY_NO_ODD_EVEN &&
        !(gr[GR.mode] & 3) && !(gr[GR.function] & 0x1f) && !(gr[GR.enable] & planes) && gr[GR.mask] === 0xff;
    if (!plain || offset < 0 || this.#offset(address + data.length - 1) !== offset + data.length - 1) {
      for (const [i, byte] of data.entries()) this.#writeMemory(address + i, byte);
      return;
    }
    for (let p = 0; p < 4; p++) {
      if (planes & 1 << p) { for (let i = 0; i < data.length; i++) bytes[4 * (offset + i) + p] = data[i]; }
    }
    this.vga.onChange?.(-1);
  }

  /** What the graphics controller makes of a written byte for one plane. */
  #byteFor(plane: number, value: number): number {
    const { graphics: gr, latch } = this.vga.state, mode = gr[GR.mode] & 3, old = latch[plane];
    if (mode === 1) return old;
    const rotate = gr[GR.function] & 7, all = (n: number) => gr[n] & 1 << plane ? 0xff : 0;
    const rotated = (value >> rotate | value << 8 - rotate) & 0xff;
    let mask = gr[GR.mask], data: number;
    if (mode === 2) data = value & 1 << plane ? 0xff : 0;
    else if (mode === 3) {
      mask &= rotated;
      return all(GR.setReset) & mask | old & ~mask;
    } else data = all(GR.enable) ? all(GR.setReset) : rotated;
    switch (gr[GR.function] >> 3 & 3) {
      case 1:
        data &= old;
        break;
      case 2:
        data |= old;
        break;
      case 3:
        data ^= old;
        break;
    }
    return data & mask | old & ~mask;
  }

  /** The row of text that a byte of planes 0 and 1 belongs to; -1 when it is none, or not only one. */
  #rowOf(offset: number): number {
    const l = this.#layout ??= textLayout(this.vga.state), row = Math.floor(((offset >> l.shift) - l.start & 0xffff) / l.stride);
    return row < l.rows ? row : -1;
  }

  /** Clears display memory, and touches no page of it that is clear already. */
  clear(): void {
    this.settle();
    const words = new Int32Array(this.#planes.buffer, this.#planes.byteOffset, this.#planes.length >> 2);
    for (let i = 0; i < words.length; i++) if (words[i] !== 0) words.fill(0, i, i = (i | PAGE / 4 - 1) + 1);
  }

  /** A register was written: what followed from them is forgotten. */
  changed(): void {
    this.#layout = undefined;
    this.settle();
    this.offer();
  }
}
