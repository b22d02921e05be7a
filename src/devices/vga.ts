// VGA with the Bochs extensions (VBE DISPI) and a linear framebuffer: what QEMU calls the standard VGA.
// Sources: IBM PS/2 Hardware Interface Technical Reference (October 1990), "Video Subsystem"; the DISPI interface as documented in QEMU,
// docs/specs/standard-vga.rst, and in Bochs' vbe.h.
// Where the processor sees plain memory (text modes, mode 13h, VBE modes) the bus gets it directly, unless somebody watches the screen.
// Not modelled: the read latches in those modes, smooth scrolling by pixels, the phase of blinking, underlining, light pen, interrupts, timing other than that of the status
// register (70 Hz, 449 lines, whatever the CRTC says).
import type { BusTarget, Direct } from "../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type ScreenPort, type TextScreen } from "../core/device.ts";
import { builtinFont } from "../core/font8x16.ts";
import type { PciFunction } from "../core/pci.ts";
import { bool, type Config, int, size } from "../core/schema.ts";
import { textMode, vgaPalette } from "../core/vga_modes.ts";

/** Parts of the registers' window of the PCI function. */
const REGISTER_PORTS = 0x400, REGISTER_VBE = 0x500, REGISTER_EXTENSION = 0x600, REGISTER_ENDIAN = 0x604, EXTENSION_BYTES = 8;
/** Ports, as offsets from 0x3b0. The CRTC and status 1 are at 0x3b4 and 0x3ba (monochrome) or at 0x3d4 and 0x3da. */
const MONO_CRTC = 0x04, MONO_STATUS = 0x0a, ATTRIBUTE = 0x10, ATTRIBUTE_DATA = 0x11, MISC = 0x12, SEQUENCER = 0x14, DAC_MASK = 0x16;
const DAC_READ = 0x17, DAC_WRITE = 0x18, DAC_DATA = 0x19, FEATURE = 0x1a, MISC_READ = 0x1c, GRAPHICS = 0x1e, CRTC = 0x24, STATUS = 0x2a;

const MISC_COLOUR = 0x01, MISC_RAM = 0x02, SENSE = 0x10, STATUS_BLANK = 0x01, STATUS_RETRACE = 0x08;
const SR_CLOCKING = 1, SR_MAP_MASK = 2, SR_FONT = 3, SR_MEMORY = 4, CLOCKING_8_DOTS = 0x01, CLOCKING_OFF = 0x20;
const MEMORY_NO_ODD_EVEN = 0x04, MEMORY_CHAIN4 = 0x08;
const GR_SET_RESET = 0, GR_ENABLE = 1, GR_COMPARE = 2, GR_FUNCTION = 3, GR_READ_MAP = 4, GR_MODE = 5, GR_MISC = 6, GR_CARE = 7, GR_MASK = 8;
const MODE_READ_COMPARE = 0x08, MODE_ODD_EVEN = 0x10, MODE_CGA = 0x20, MODE_256 = 0x40, MISC_GRAPHICS = 0x01;
const AR_MODE = 0x10, AR_PLANES = 0x12, AR_SELECT = 0x14;
const AR_MODE_LINE = 0x04, AR_MODE_BLINK = 0x08, AR_MODE_256 = 0x40, AR_MODE_P54 = 0x80, ATTRIBUTE_ON = 0x20;
const CR_COLUMNS = 0x01, CR_OVERFLOW = 0x07, CR_SCAN = 0x09, CR_CURSOR = 0x0a, CR_CURSOR_END = 0x0b, CR_START = 0x0c, CR_LOCATION = 0x0e;
const CR_PROTECT = 0x11, CR_LINES = 0x12, CR_OFFSET = 0x13, CR_UNDERLINE = 0x14, CR_MODE = 0x17, CR_COMPARE = 0x18;
const CURSOR_REGISTERS = [CR_CURSOR, CR_CURSOR_END, CR_LOCATION, CR_LOCATION + 1];
const CURSOR_OFF = 0x20, SCAN_DOUBLE = 0x80, UNDERLINE_DOUBLE_WORD = 0x40, CR_MODE_BYTES = 0x40, CR_MODE_MAP13 = 0x01, CR_MODE_MAP14 = 0x02;

const DISPI_ID = 0, DISPI_X = 1, DISPI_Y = 2, DISPI_BPP = 3, DISPI_ENABLE = 4, DISPI_BANK = 5, DISPI_WIDTH = 6, DISPI_HEIGHT = 7;
const DISPI_X_OFFSET = 8, DISPI_Y_OFFSET = 9, DISPI_MEMORY = 10;
const DISPI_ON = 0x01, DISPI_CAPABILITIES = 0x02, DISPI_8_BITS = 0x20, DISPI_KEEP = 0x80;
const DISPI_LATEST = 0xb0c5, DISPI_OLDEST = 0xb0c0, MAX_WIDTH = 16000, MAX_HEIGHT = 12000, DEPTHS = [4, 8, 15, 16, 24, 32];

/** Bytes that are cleared at once. */
const PAGE = 4096;
/** 70.086 frames per second of 449 lines, of which 400 are shown. */
const LINE_NS = 31_778, LINES = 449, SHOWN_LINES = 400, RETRACE_LINE = 412, RETRACE_LINES = 2, SHOWN_NS = 25_422;

const zeros = (n: number) => Array<number>(n).fill(0);
const powerOn = () => ({
  misc: 0,
  feature: 0,
  sequencerIndex: 0,
  sequencer: zeros(8),
  graphicsIndex: 0,
  graphics: zeros(16),
  crtcIndex: 0,
  crtc: zeros(25),
  /** With bit 5: the palette belongs to the screen. */
  attributeIndex: 0,
  /** The next write to the attribute port is data. */
  attributeData: false,
  attribute: zeros(21),
  dac: zeros(768),
  dacMask: 0xff,
  /** Index and component of the next access, and which kind it is. */
  dacIndex: 0,
  dacComponent: 0,
  dacReading: false,
  latch: zeros(4),
  dispiIndex: 0,
  dispi: [DISPI_LATEST, ...zeros(10)],
  /** Number of the arrangement in `FLAT` whose bytes are in the flat copy; -1: none. */
  flat: -1,
});

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
const FLAT_BYTES = 0x1_0000;

const keys = {
  vram: size("bytes of display memory", { default: 16 << 20, min: 256 << 10, max: 256 << 20, power2: true }),
  lfb: int("address of the linear framebuffer", { default: 0xfd00_0000, max: 0xffff_f000, multiple: 4096 }),
  text_mode: bool("starts as a BIOS leaves it, with 80 by 25 characters on the screen, instead of switched off", { default: false }),
};

export default defineDevice({
  type: "vga",
  doc: "VGA with text, planar and linear modes, the Bochs VBE registers and a linear framebuffer.",
  spec: "IBM PS/2 Hardware Interface Technical Reference, October 1990, Video Subsystem; Bochs VBE DISPI",
  keys,
  windows: (c, plugged) => [
    { bus: "mem", name: "memory", length: 0x2_0000, at: 0xa_0000, multiple: 4096 },
    ...(plugged ? [] : [{ bus: "mem", name: "lfb", length: c.vram, at: c.lfb, multiple: 4096 } as const]),
    { bus: "io", name: "ports", length: 0x30, at: 0x3b0 },
    { bus: "io", name: "vbe", length: 3, at: 0x1ce },
  ],
  memory: (c) => c.vram + FLAT_BYTES,
  pci: "optional",
  create: (env, config, ports) => new Vga(env, config, ports.pci !== undefined),
});

export class Vga implements Device<ReturnType<typeof powerOn>>, ScreenPort {
  state: ReturnType<typeof powerOn>;
  readonly windows: readonly BusTarget[];
  readonly screen: ScreenPort = this;
  readonly pci: PciFunction;
  #onChange: ((row: number) => void) | undefined;
  /** Byte i of plane p is at 4 * i + p. The linear framebuffer is the same memory. */
  readonly #planes: Uint8Array;
  readonly #flatBytes: Uint8Array;
  readonly #window: BusTarget & { direct: readonly Direct[] };
  readonly #framebuffer: BusTarget & { direct: readonly Direct[] };
  /** The arrangement and the bank that the bus has; -1: none. */
  #offeredFlat = -1;
  #offeredBank = -1;
  /** What follows from the registers for a write to the memory window; undefined when they have changed. */
  #layout: { readonly start: number; readonly stride: number; readonly rows: number; readonly shift: number } | undefined;

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, plugged: boolean) {
    this.state = powerOn();
    this.#planes = env.memory.subarray(0, config.vram);
    this.#flatBytes = env.memory.subarray(config.vram);
    const bytes = { min: 1, max: 1 } as const;
    this.#window = {
      access: bytes,
      read: (offset) => this.#readMemory(offset),
      write: (offset, _size, value) => this.#writeMemory(offset, value),
      writeBytes: (offset, data) => this.#writeWindow(offset, data),
      direct: [],
    };
    this.#framebuffer = {
      access: { min: 1, max: 4 },
      read: (offset, size) => this.#readLinear(offset, size),
      write: (offset, size, value) => this.#writeLinear(offset, size, value),
      direct: [],
    };
    this.windows = [
      this.#window,
      ...(plugged ? [] : [this.#framebuffer]),
      { access: bytes, read: (offset) => this.#readPort(offset), write: (offset, _size, value) => this.#writePort(offset, value) },
      {
        access: { min: 1, max: 2 },
        read: (offset, size) => (offset === 0 ? this.state.dispiIndex : this.#readDispi()) & (size === 1 ? 0xff : 0xffff),
        write: (offset, size, value) => this.#writeVbe(offset, size, value),
      },
    ];
    const registers: BusTarget = {
      access: { min: 1, max: 2 },
      read: (offset, size) => this.#readRegister(offset, size),
      write: (offset, size, value) => this.#writeRegister(offset, size, value),
    };
    this.pci = {
      vendor: 0x1234,
      device: 0x1111,
      class: 0x03_0000,
      revision: 2,
      subsystem: [0x1af4, 0x1100],
      bars: [
        { kind: "mem", name: "lfb", size: config.vram, target: this.#framebuffer, prefetchable: true },
        undefined,
        { kind: "mem", name: "registers", size: 0x1000, target: registers },
      ],
    };
  }

  reset(): void {
    this.state = powerOn();
    if (this.config.text_mode) this.#startText();
    this.#changed();
  }

  restored(): void {
    this.#changed();
  }

  get onChange(): ((row: number) => void) | undefined {
    return this.#onChange;
  }
  set onChange(watcher: ((row: number) => void) | undefined) {
    this.#onChange = watcher;
    this.#offer();
  }

  /** Mode 3 with the built-in font, an empty screen and the cursor in its corner. */
  #startText(): void {
    const s = this.state, mode = textMode(), font = builtinFont(16);
    s.misc = mode.misc;
    s.sequencer = [3, ...mode.sequencer, 0, 0, 0];
    s.crtc = [...mode.crtc];
    s.graphics = [...mode.graphics, ...zeros(7)];
    s.attribute = [...mode.attribute, 0];
    s.attributeIndex = ATTRIBUTE_ON;
    s.dac = vgaPalette(mode.palette);
    for (let i = 0; i < mode.columns * mode.rows; i++) {
      this.#poke(8 * i, 0x20);
      this.#poke(8 * i + 1, 0x07);
    }
    for (let i = 0; i < font.length; i++) this.#poke(4 * ((i >> 4) * 32 + (i & 15)) + 2, font[i]);
  }

  // Memory.

  /** Byte of display memory, wherever it is now. */
  #peek(i: number): number {
    const from = FLAT[this.state.flat]?.from(i) ?? -1;
    return from >= 0 ? this.#flatBytes[from] : this.#planes[i] ?? 0;
  }

  #poke(i: number, value: number): void {
    const from = FLAT[this.state.flat]?.from(i) ?? -1;
    if (from >= 0) this.#flatBytes[from] = value;
    else if (i < this.#planes.length) this.#planes[i] = value;
  }

  /** The arrangement that the registers ask for; -1 when the window is not plain memory, or that of a VBE mode. */
  #flatMode(): number {
    const { misc, graphics: gr, sequencer } = this.state, memory = sequencer[SR_MEMORY], planes = sequencer[SR_MAP_MASK] & 0xf;
    if (this.#linear || !(misc & MISC_RAM) || gr[GR_MODE] & (3 | MODE_READ_COMPARE) || gr[GR_FUNCTION] & 0x1f) return -1;
    if (gr[GR_ENABLE] & planes || gr[GR_MASK] !== 0xff) return -1;
    const where = gr[GR_MISC] >> 2 & 3;
    if (memory & MEMORY_CHAIN4) return where === 1 && planes === 0xf ? 2 : -1;
    const text = !(memory & MEMORY_NO_ODD_EVEN) && gr[GR_MODE] & MODE_ODD_EVEN && !(gr[GR_READ_MAP] & 2) && planes === 3;
    return text && where >= 2 ? where - 2 : -1;
  }

  /** Leaves an arrangement that the registers do not ask for any more. */
  #settle(): void {
    const old = FLAT[this.state.flat];
    if (!old || this.#flatMode() === this.state.flat) return;
    spread(this.#flatBytes, this.#planes, old, false);
    this.state.flat = -1;
  }

  /** At an access through the window: takes up the arrangement that the registers ask for. Not sooner, since modes are set step by step. */
  #flatten(): void {
    if (this.state.flat >= 0) return;
    const mode = this.#flatMode();
    if (mode < 0) return;
    spread(this.#flatBytes, this.#planes, FLAT[mode], true);
    this.state.flat = mode;
    this.#offer();
  }

  /** Lets the bus have what is plain memory. Who watches the screen has to see every write to it. */
  #offer(): void {
    const { dispi } = this.state, flat = this.#onChange ? -1 : this.state.flat, shownBank = this.#linear ? dispi[DISPI_BANK] : -1;
    if (flat === this.#offeredFlat && shownBank === this.#offeredBank) return;
    this.#offeredFlat = flat;
    this.#offeredBank = shownBank;
    const now = FLAT[flat], text = now ? [{ offset: now.offset, bytes: this.#flatBytes.subarray(0, now.length) }] : [];
    const from = dispi[DISPI_BANK] * 0x1_0000, bank = { offset: 0, bytes: this.#planes.subarray(from, from + 0x1_0000) };
    this.#give(this.#window, this.#linear ? [bank] : text);
    this.#give(this.#framebuffer, this.#linear ? [{ offset: 0, bytes: this.#planes }] : []);
  }
  #give(target: BusTarget & { direct: readonly Direct[] }, direct: readonly Direct[]): void {
    const same = direct.length === target.direct.length &&
      direct.every((d, i) => d.offset === target.direct[i].offset && d.bytes.byteOffset === target.direct[i].bytes.byteOffset);
    if (same) return;
    target.direct = direct;
    target.onDirect?.();
  }

  #readLinear(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#peek(offset + i);
    return value;
  }

  #writeLinear(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.#poke(offset + i, value >>> 8 * i & 0xff);
    this.#onChange?.(-1);
  }

  /** The VBE mode is on and has a linear layout. */
  get #linear(): boolean {
    const { dispi } = this.state;
    return (dispi[DISPI_ENABLE] & DISPI_ON) !== 0 && dispi[DISPI_BPP] !== 4;
  }

  /** Offset in a plane that an address of the window means, or -1 when the window is elsewhere (graphics register 6). */
  #offset(address: number): number {
    const { misc, graphics } = this.state;
    if (!(misc & MISC_RAM)) return -1;
    switch (graphics[GR_MISC] >> 2 & 3) {
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
    const { dispi, graphics: gr, sequencer, latch } = this.state;
    if (this.#linear) return address < 0x1_0000 ? this.#peek(dispi[DISPI_BANK] * 0x1_0000 + address) : 0xff;
    this.#flatten();
    const flat = FLAT[this.state.flat];
    if (flat) return address >= flat.offset && address < flat.offset + flat.length ? this.#flatBytes[address - flat.offset] : 0xff;
    let offset = this.#offset(address), plane = gr[GR_READ_MAP] & 3;
    if (offset < 0) return 0xff;
    if (sequencer[SR_MEMORY] & MEMORY_CHAIN4) [plane, offset] = [offset & 3, offset & ~3];
    else if (gr[GR_MODE] & MODE_ODD_EVEN) [plane, offset] = [plane & 2 | offset & 1, offset & ~1];
    for (let p = 0; p < 4; p++) latch[p] = this.#peek(4 * offset + p);
    if (!(gr[GR_MODE] & MODE_READ_COMPARE)) return latch[plane];
    let differs = 0;
    for (let p = 0; p < 4; p++) if (gr[GR_CARE] & 1 << p) differs |= latch[p] ^ (gr[GR_COMPARE] & 1 << p ? 0xff : 0);
    return ~differs & 0xff;
  }

  #writeMemory(address: number, value: number): void {
    const { dispi, graphics: gr, sequencer } = this.state;
    if (this.#linear) {
      if (address < 0x1_0000) this.#writeLinear(dispi[DISPI_BANK] * 0x1_0000 + address, 1, value);
      return;
    }
    this.#flatten();
    let offset = this.#offset(address), planes = sequencer[SR_MAP_MASK] & 0xf;
    if (offset < 0) return;
    if (sequencer[SR_MEMORY] & MEMORY_CHAIN4) {
      planes &= 1 << (offset & 3);
      offset &= ~3;
    } else if (!(sequencer[SR_MEMORY] & MEMORY_NO_ODD_EVEN)) {
      planes &= offset & 1 ? 0b1010 : 0b0101;
      offset &= ~1;
    }
    let changed = false;
    for (let p = 0; p < 4; p++) {
      if (!(planes & 1 << p)) continue;
      const at = 4 * offset + p, byte = this.#byteFor(p, value);
      if (this.#peek(at) === byte) continue;
      this.#poke(at, byte);
      changed = true;
    }
    if (changed) this.#onChange?.(gr[GR_MISC] & MISC_GRAPHICS || !(planes & 3) ? -1 : this.#rowOf(offset));
  }

  /** Many bytes: straight into the planes where the graphics controller changes nothing and addresses are those of a plane (a font, say). */
  #writeWindow(address: number, data: Uint8Array): void {
    const mode = this.state.flat < 0 ? this.#flatMode() : -1, flat = FLAT[mode];
    if (flat && address === flat.offset && data.length === flat.length) {
      // A whole screen: nothing has to be fetched from the planes first.
      this.#flatBytes.set(data);
      this.state.flat = mode;
      this.#offer();
      this.#onChange?.(-1);
      return;
    }
    const { graphics: gr, sequencer } = this.state, planes = sequencer[SR_MAP_MASK] & 0xf, memory = sequencer[SR_MEMORY];
    const bytes = this.#planes,
      offset = this.#offset(address),
      plain = !this.#linear && !(memory & MEMORY_CHAIN4) && memory & MEMORY_NO_ODD_EVEN &&
        !(gr[GR_MODE] & 3) && !(gr[GR_FUNCTION] & 0x1f) && !(gr[GR_ENABLE] & planes) && gr[GR_MASK] === 0xff;
    if (!plain || offset < 0 || this.#offset(address + data.length - 1) !== offset + data.length - 1) {
      for (const [i, byte] of data.entries()) this.#writeMemory(address + i, byte);
      return;
    }
    for (let p = 0; p < 4; p++) {
      if (planes & 1 << p) { for (let i = 0; i < data.length; i++) bytes[4 * (offset + i) + p] = data[i]; }
    }
    this.#onChange?.(-1);
  }

  /** What the graphics controller makes of a written byte for one plane. */
  #byteFor(plane: number, value: number): number {
    const { graphics: gr, latch } = this.state, mode = gr[GR_MODE] & 3, old = latch[plane];
    if (mode === 1) return old;
    const rotate = gr[GR_FUNCTION] & 7, all = (n: number) => gr[n] & 1 << plane ? 0xff : 0;
    const rotated = (value >> rotate | value << 8 - rotate) & 0xff;
    let mask = gr[GR_MASK], data: number;
    if (mode === 2) data = value & 1 << plane ? 0xff : 0;
    else if (mode === 3) {
      mask &= rotated;
      return all(GR_SET_RESET) & mask | old & ~mask;
    } else data = all(GR_ENABLE) ? all(GR_SET_RESET) : rotated;
    switch (gr[GR_FUNCTION] >> 3 & 3) {
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
    const l = this.#layout ??= this.#textLayout(), row = Math.floor(((offset >> l.shift) - l.start & 0xffff) / l.stride);
    return row < l.rows ? row : -1;
  }

  #textLayout() {
    const { lines, charHeight } = this.#geometry(), stride = Math.max(1, 2 * this.state.crtc[CR_OFFSET]);
    return { start: this.#crtc16(CR_START), stride, rows: Math.floor(lines / charHeight), shift: this.#addressShift };
  }

  // Ports.

  #readPort(offset: number): number {
    const s = this.state, colour = !!(s.misc & MISC_COLOUR);
    const crtc = colour ? CRTC : MONO_CRTC;
    switch (offset) {
      case crtc:
        return s.crtcIndex;
      case crtc + 1:
        return s.crtc[s.crtcIndex] ?? 0;
      case colour ? STATUS : MONO_STATUS:
        s.attributeData = false;
        return this.#status();
      case ATTRIBUTE:
        return s.attributeData ? 0 : s.attributeIndex;
      case ATTRIBUTE_DATA:
        return s.attribute[s.attributeIndex & 0x1f] ?? 0;
      case MISC:
        return SENSE;
      case SEQUENCER:
        return s.sequencerIndex;
      case SEQUENCER + 1:
        return s.sequencer[s.sequencerIndex];
      case DAC_MASK:
        return s.dacMask;
      case DAC_READ:
        return s.dacReading ? 3 : 0;
      case DAC_WRITE:
        return s.dacIndex;
      case DAC_DATA:
        return this.#nextDac(undefined);
      case FEATURE:
        return s.feature;
      case MISC_READ:
        return s.misc;
      case GRAPHICS:
        return s.graphicsIndex;
      case GRAPHICS + 1:
        return s.graphics[s.graphicsIndex];
      default:
        return 0xff;
    }
  }

  #writePort(offset: number, value: number): void {
    const s = this.state, colour = !!(s.misc & MISC_COLOUR);
    const crtc = colour ? CRTC : MONO_CRTC;
    switch (offset) {
      case crtc:
        s.crtcIndex = value & 0x3f;
        return;
      case crtc + 1:
        return this.#writeCrtc(s.crtcIndex, value);
      case colour ? STATUS : MONO_STATUS:
        s.feature = value;
        return;
      case ATTRIBUTE:
        if (!s.attributeData) s.attributeIndex = value & 0x3f;
        else if ((s.attributeIndex & 0x1f) < s.attribute.length) s.attribute[s.attributeIndex & 0x1f] = value;
        s.attributeData = !s.attributeData;
        return this.#changed();
      case MISC:
        s.misc = value;
        return this.#changed();
      case SEQUENCER:
        s.sequencerIndex = value & 7;
        return;
      case SEQUENCER + 1:
        s.sequencer[s.sequencerIndex] = value;
        return this.#changed();
      case DAC_MASK:
        s.dacMask = value;
        return;
      case DAC_READ:
      case DAC_WRITE:
        s.dacIndex = value;
        s.dacComponent = 0;
        s.dacReading = offset === DAC_READ;
        return;
      case DAC_DATA:
        this.#nextDac(value);
        return;
      case GRAPHICS:
        s.graphicsIndex = value & 0xf;
        return;
      case GRAPHICS + 1:
        s.graphics[s.graphicsIndex] = value;
        return this.#changed();
      default:
        this.env.log("guest", () => `write of 0x${value.toString(16)} to port 0x${(0x3b0 + offset).toString(16)}`);
    }
  }

  #writeCrtc(index: number, value: number): void {
    const { crtc } = this.state;
    if (index >= crtc.length) return;
    // The first eight registers can be locked, except for bit 8 of the line compare register.
    if (index < 8 && crtc[CR_PROTECT] & 0x80) {
      if (index !== CR_OVERFLOW) return;
      value = crtc[index] & ~0x10 | value & 0x10;
    }
    crtc[index] = value;
    // The cursor is no part of the text.
    if (!CURSOR_REGISTERS.includes(index)) this.#changed();
  }

  /** Bits 0 and 3 by guest time: what is blank, and the vertical retrace. */
  #status(): number {
    const t = this.env.clock.nowNs % (LINE_NS * LINES), line = Math.floor(t / LINE_NS);
    const retrace = line >= RETRACE_LINE && line < RETRACE_LINE + RETRACE_LINES;
    return (line >= SHOWN_LINES || t % LINE_NS >= SHOWN_NS ? STATUS_BLANK : 0) | (retrace ? STATUS_RETRACE : 0);
  }

  /** Reads or writes a component of a colour and goes on to the next one. */
  #nextDac(value: number | undefined): number {
    const s = this.state, at = 3 * s.dacIndex + s.dacComponent, old = s.dac[at];
    if (value !== undefined) s.dac[at] = s.dispi[DISPI_ENABLE] & DISPI_8_BITS ? value : value & 0x3f;
    if (++s.dacComponent === 3) {
      s.dacComponent = 0;
      s.dacIndex = s.dacIndex + 1 & 0xff;
    }
    return old;
  }

  // The Bochs registers: a 16-bit index at 0x1ce, 16-bit data at 0x1cf or 0x1d0.

  #writeVbe(offset: number, size: number, value: number): void {
    if (size !== 2) this.env.log("guest", () => "the VBE registers are 16 bits wide");
    else if (offset === 0) this.state.dispiIndex = value;
    else this.#writeDispi(value);
  }

  /** The registers' window of the PCI function: the ports from 0x3c0, the VBE registers, QEMU's extension (its size, little-endian pixels). */
  #readRegister(offset: number, size: number): number {
    if (offset >= REGISTER_PORTS && offset < REGISTER_PORTS + 0x20) {
      const port = offset - REGISTER_PORTS + ATTRIBUTE, low = this.#readPort(port);
      return size === 1 ? low : low | this.#readPort(port + 1) << 8;
    }
    if (offset >= REGISTER_VBE && offset < REGISTER_VBE + 2 * this.state.dispi.length && size === 2) {
      this.state.dispiIndex = (offset - REGISTER_VBE) >> 1;
      return this.#readDispi();
    }
    if (offset === REGISTER_EXTENSION) return EXTENSION_BYTES;
    return offset >= REGISTER_ENDIAN && offset < REGISTER_ENDIAN + 4 ? size === 1 ? 0x1e : 0x1e1e : 0;
  }

  #writeRegister(offset: number, size: number, value: number): void {
    if (offset >= REGISTER_PORTS && offset < REGISTER_PORTS + 0x20) {
      for (let i = 0; i < size; i++) this.#writePort(offset - REGISTER_PORTS + ATTRIBUTE + i, value >> 8 * i & 0xff);
    } else if (offset >= REGISTER_VBE && offset < REGISTER_VBE + 2 * this.state.dispi.length && size === 2) {
      this.state.dispiIndex = (offset - REGISTER_VBE) >> 1;
      this.#writeDispi(value);
    } else this.env.log("guest", () => `write of 0x${value.toString(16)} to register 0x${offset.toString(16)}`);
  }

  #readDispi(): number {
    const { dispi, dispiIndex: i } = this.state;
    if (i === DISPI_MEMORY) return this.config.vram >> 16;
    if (dispi[DISPI_ENABLE] & DISPI_CAPABILITIES && i >= DISPI_X && i <= DISPI_BPP) return [MAX_WIDTH, MAX_HEIGHT, 32][i - DISPI_X];
    return dispi[i] ?? 0;
  }

  #writeDispi(value: number): void {
    const { dispi, dispiIndex: i } = this.state, on = dispi[DISPI_ENABLE] & DISPI_ON;
    switch (i) {
      case DISPI_ID:
        if (value >= DISPI_OLDEST && value <= DISPI_LATEST) dispi[i] = value;
        return;
      case DISPI_X:
        if (value <= MAX_WIDTH && !on) dispi[i] = value & ~7;
        return;
      case DISPI_Y:
        if (value <= MAX_HEIGHT && !on) dispi[i] = value;
        return;
      case DISPI_BPP:
        if ((DEPTHS.includes(value) || value === 0) && !on) dispi[i] = value || 8;
        return;
      case DISPI_BANK:
        if (value < this.config.vram >> 16) dispi[i] = value;
        return this.#offer();
      case DISPI_ENABLE:
        this.#enable(value);
        break;
      case DISPI_WIDTH:
        if (value < dispi[DISPI_X]) return;
        dispi[i] = value;
        dispi[DISPI_HEIGHT] = Math.min(0xffff, Math.floor(this.config.vram / this.#pitch));
        break;
      case DISPI_X_OFFSET:
      case DISPI_Y_OFFSET:
        dispi[i] = value;
        break;
      case DISPI_HEIGHT:
      case DISPI_MEMORY:
        return;
      default:
        this.env.log("guest", () => `no VBE register ${i}`);
    }
    this.#changed();
  }

  #enable(value: number): void {
    const s = this.state, { dispi } = s, was = dispi[DISPI_ENABLE];
    // The DAC keeps its colours when its width changes.
    if ((was ^ value) & DISPI_8_BITS) s.dac = s.dac.map((v) => value & DISPI_8_BITS ? v << 2 | v >> 4 : v >> 2);
    dispi[DISPI_ENABLE] = value;
    if (!(value & DISPI_ON) || was & DISPI_ON) return;
    if (!dispi[DISPI_BPP]) dispi[DISPI_BPP] = 8;
    dispi[DISPI_WIDTH] = dispi[DISPI_X];
    dispi[DISPI_HEIGHT] = Math.min(0xffff, Math.floor(this.config.vram / Math.max(1, this.#pitch)));
    dispi[DISPI_X_OFFSET] = dispi[DISPI_Y_OFFSET] = dispi[DISPI_BANK] = 0;
    if (!(value & DISPI_KEEP)) this.#clear();
  }

  /** Clears display memory, and touches no page of it that is clear already. */
  #clear(): void {
    this.#settle();
    const words = new Int32Array(this.#planes.buffer, this.#planes.byteOffset, this.#planes.length >> 2);
    for (let i = 0; i < words.length; i++) if (words[i] !== 0) words.fill(0, i, i = (i | PAGE / 4 - 1) + 1);
  }

  /** Bytes from one line of the VBE mode to the next. */
  get #pitch(): number {
    const { dispi } = this.state, bpp = dispi[DISPI_BPP];
    return bpp === 4 ? dispi[DISPI_WIDTH] >> 1 : dispi[DISPI_WIDTH] * (bpp + 7 >> 3);
  }

  #changed(): void {
    this.#layout = undefined;
    this.#settle();
    this.#offer();
    this.#onChange?.(-1);
  }

  // What is on the screen.

  #crtc16(high: number): number {
    return this.state.crtc[high] << 8 | this.state.crtc[high + 1];
  }

  /** The CRTC counts bytes, words (1) or double words (2) of a plane. */
  get #addressShift(): number {
    const { crtc } = this.state;
    return crtc[CR_UNDERLINE] & UNDERLINE_DOUBLE_WORD ? 2 : crtc[CR_MODE] & CR_MODE_BYTES ? 0 : 1;
  }

  #geometry() {
    const { crtc } = this.state, overflow = crtc[CR_OVERFLOW];
    const scans = (crtc[CR_LINES] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
    const lines = crtc[CR_SCAN] & SCAN_DOUBLE ? scans >> 1 : scans;
    return { columns: crtc[CR_COLUMNS] + 1, lines, charHeight: (crtc[CR_SCAN] & 0x1f) + 1 };
  }

  get #shown(): boolean {
    const { attributeIndex, sequencer, crtc } = this.state;
    return (attributeIndex & ATTRIBUTE_ON) !== 0 && !(sequencer[SR_CLOCKING] & CLOCKING_OFF) && crtc[CR_COLUMNS] > 0;
  }

  text(only = -1): TextScreen | undefined {
    const { dispi, graphics, crtc, attribute } = this.state;
    if (dispi[DISPI_ENABLE] & DISPI_ON || graphics[GR_MISC] & MISC_GRAPHICS || !this.#shown) return undefined;
    const { columns, lines, charHeight } = this.#geometry(), rows = Math.floor(lines / charHeight);
    const { start, stride, shift } = this.#textLayout(), cells = new Uint16Array(columns * rows);
    for (let row = Math.max(0, only); row < (only < 0 ? rows : Math.min(rows, only + 1)); row++) {
      for (let column = 0; column < columns; column++) {
        const at = 4 * ((start + row * stride + column << shift) & 0xffff);
        cells[row * columns + column] = this.#peek(at) | this.#peek(at + 1) << 8;
      }
    }
    const cell = this.#crtc16(CR_LOCATION) - start & 0xffff, row = Math.floor(cell / stride), column = cell % stride;
    const visible = !(crtc[CR_CURSOR] & CURSOR_OFF) && (crtc[CR_CURSOR] & 0x1f) <= (crtc[CR_CURSOR_END] & 0x1f);
    return {
      columns,
      rows,
      cells,
      blink: (attribute[AR_MODE] & AR_MODE_BLINK) !== 0,
      cursor: { row, column, visible: visible && row < rows && column < columns },
    };
  }

  image(): { width: number; height: number; rgb: Uint8Array } {
    const { dispi, graphics } = this.state;
    if (dispi[DISPI_ENABLE] & DISPI_ON) return this.#vbeImage();
    if (!this.#shown) return { width: 640, height: 480, rgb: new Uint8Array(640 * 480 * 3) };
    return graphics[GR_MISC] & MISC_GRAPHICS ? this.#graphicsImage() : this.#textImage(this.text()!);
  }

  /** The DAC as bytes. */
  #colours(): Uint8Array {
    const { dac, dispi } = this.state, wide = dispi[DISPI_ENABLE] & DISPI_8_BITS;
    return Uint8Array.from(dac, (v) => wide ? v : v << 2 | v >> 4);
  }

  /** The DAC's index for each of the sixteen colours of the attribute controller. */
  #palette(): number[] {
    const { attribute, dacMask } = this.state, select = attribute[AR_SELECT];
    return attribute.slice(0, 16).map((a) =>
      ((attribute[AR_MODE] & AR_MODE_P54 ? a & 0x0f | (select & 3) << 4 : a & 0x3f) | (select & 0xc) << 4) & dacMask
    );
  }

  #textImage(text: TextScreen) {
    const { sequencer, crtc, attribute } = this.state, palette = this.#palette();
    const { charHeight, lines } = this.#geometry(), charWidth = sequencer[SR_CLOCKING] & CLOCKING_8_DOTS ? 8 : 9;
    const picture = new Picture(text.columns * charWidth, lines, this.#colours());
    // A character's bit 3 of the attribute chooses between two fonts (sequencer register 3).
    const select = sequencer[SR_FONT], fonts = [(select & 3) << 1 | select >> 4 & 1, (select >> 2 & 3) << 1 | select >> 5 & 1];
    for (const [i, cell] of text.cells.entries()) {
      const row = Math.floor(i / text.columns), column = i % text.columns, character = cell & 0xff;
      const foreground = palette[cell >> 8 & 0xf], background = palette[text.blink ? cell >> 12 & 7 : cell >> 12];
      const cursor = text.cursor.visible && text.cursor.row === row && text.cursor.column === column;
      for (let y = 0; y < charHeight; y++) {
        const inCursor = cursor && y >= (crtc[CR_CURSOR] & 0x1f) && y <= (crtc[CR_CURSOR_END] & 0x1f);
        const dots = inCursor ? 0xff : this.#peek(4 * (fonts[cell >> 11 & 1] * 0x2000 + character * 32 + y) + 2);
        // The ninth dot is the eighth again for characters that draw lines.
        const ninth = inCursor || (attribute[AR_MODE] & AR_MODE_LINE && character >= 0xc0 && character <= 0xdf) ? dots & 1 : 0;
        for (let x = 0; x < charWidth; x++) {
          const lit = x < 8 ? dots & 0x80 >> x : ninth;
          picture.set(column * charWidth + x, row * charHeight + y, lit ? foreground : background);
        }
      }
    }
    return picture;
  }

  #graphicsImage() {
    const { crtc, graphics, attribute, dacMask } = this.state, { columns, lines, charHeight } = this.#geometry();
    const deep = (graphics[GR_MODE] & MODE_256) !== 0, cga = (graphics[GR_MODE] & MODE_CGA) !== 0;
    const width = columns * (deep && attribute[AR_MODE] & AR_MODE_256 ? 4 : 8);
    // Lines that are shown twice and more are one in the picture; a CGA layout alternates between two banks on them.
    const banks = (crtc[CR_MODE] & CR_MODE_MAP13 ? 0 : 1) | (crtc[CR_MODE] & CR_MODE_MAP14 ? 0 : 2), repeat = banks ? 1 : charHeight;
    const height = Math.ceil(lines / repeat), picture = new Picture(width, height, this.#colours()), palette = this.#palette();
    const shift = this.#addressShift, planes = attribute[AR_PLANES] & 0xf;
    const split = (crtc[CR_COMPARE] | (crtc[CR_OVERFLOW] & 0x10) << 4 | (crtc[CR_SCAN] & 0x40) << 3) + 1;
    const scanned = crtc[CR_SCAN] & SCAN_DOUBLE ? 2 : 1;
    for (let y = 0; y < height; y++) {
      const scan = y * repeat * scanned, below = scan >= split;
      const line = Math.floor((y * repeat - (below ? Math.ceil(split / scanned) : 0)) / charHeight), within = y * repeat % charHeight;
      const start = (below ? 0 : this.#crtc16(CR_START)) + line * 2 * crtc[CR_OFFSET];
      for (let x = 0; x < width; x++) {
        const unit = deep ? x >> 2 : x >> 3;
        let at = start + unit << shift;
        if (banks & 1) at = at & ~0x2000 | (within & 1) << 13;
        if (banks & 2) at = at & ~0x4000 | (within & 2) << 13;
        at = 4 * (at & 0xffff);
        let colour: number;
        if (deep) colour = this.#peek(at + (x & 3)) & dacMask;
        else if (cga) colour = palette[this.#peek(at + (x >> 2 & 1)) >> 6 - 2 * (x & 3) & 3];
        else {
          let bits = 0;
          for (let p = 0; p < 4; p++) bits |= (this.#peek(at + p) >> 7 - (x & 7) & 1) << p;
          colour = palette[bits & planes];
        }
        picture.set(x, y, colour);
      }
    }
    return picture;
  }

  #vbeImage() {
    const { dispi, dacMask } = this.state, bpp = dispi[DISPI_BPP], width = dispi[DISPI_X], height = dispi[DISPI_Y];
    const picture = new Picture(width, height, this.#colours()), bytes = bpp + 7 >> 3, palette = this.#palette();
    for (let y = 0; y < height; y++) {
      const line = (y + dispi[DISPI_Y_OFFSET]) * this.#pitch;
      for (let x = 0; x < width; x++) {
        const column = x + dispi[DISPI_X_OFFSET];
        if (bpp === 4) {
          const at = line + (column >> 3) * 4;
          let bits = 0;
          for (let p = 0; p < 4; p++) bits |= (this.#peek(at + p) >> 7 - (column & 7) & 1) << p;
          picture.set(x, y, palette[bits]);
          continue;
        }
        const v = this.#readLinear(line + column * bytes, bytes);
        if (bpp === 8) picture.set(x, y, v & dacMask);
        else if (bpp === 15) picture.rgbAt(x, y, wide(v >> 10, 5), wide(v >> 5, 5), wide(v, 5));
        else if (bpp === 16) picture.rgbAt(x, y, wide(v >> 11, 5), wide(v >> 5, 6), wide(v, 5));
        else picture.rgbAt(x, y, v >>> 16 & 0xff, v >>> 8 & 0xff, v & 0xff);
      }
    }
    return picture;
  }
}

/** The low `bits` bits of a component as a byte. */
const wide = (value: number, bits: number) => Math.round((value & (1 << bits) - 1) * 255 / ((1 << bits) - 1));

/** Pixels that are being drawn, black at first. */
class Picture {
  readonly rgb: Uint8Array;
  /** @param colours three bytes for each colour. */
  constructor(readonly width: number, readonly height: number, readonly colours: Uint8Array) {
    this.rgb = new Uint8Array(width * height * 3);
  }
  set(x: number, y: number, colour: number): void {
    this.rgbAt(x, y, this.colours[3 * colour], this.colours[3 * colour + 1], this.colours[3 * colour + 2]);
  }
  rgbAt(x: number, y: number, r: number, g: number, b: number): void {
    const at = 3 * (y * this.width + x);
    if (y >= this.height) return;
    this.rgb[at] = r;
    this.rgb[at + 1] = g;
    this.rgb[at + 2] = b;
  }
}
