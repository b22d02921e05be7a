// VESA BIOS extensions over the Bochs VBE registers. Source: VESA BIOS Extension (VBE) Core Functions Standard 3.0 (September 1998),
// section 4; mode numbers from 0x140 on as in the Bochs VBE interface. Not modelled: power management, protected-mode entry. The monitor: VESA VBE/DDC Standard 1.1 (November 1999).
import { edid } from "./edid.ts";
import type { BiosHost, Call } from "./host.ts";
import { dispi, readDispi, setMode } from "./video_text.ts";

interface VbeMode {
  readonly number: number;
  readonly width: number;
  readonly height: number;
  readonly bpp: number;
}
const SIZES: readonly [width: number, height: number, numbers: Readonly<Record<number, number>>][] = [
  [320, 200, { 8: 0x146, 15: 0x10d, 16: 0x10e, 24: 0x10f, 32: 0x140 }],
  [640, 400, { 8: 0x100, 32: 0x141 }],
  [640, 480, { 8: 0x101, 15: 0x110, 16: 0x111, 24: 0x112, 32: 0x142 }],
  [800, 600, { 8: 0x103, 15: 0x113, 16: 0x114, 24: 0x115, 32: 0x143 }],
  [1024, 768, { 8: 0x105, 15: 0x116, 16: 0x117, 24: 0x118, 32: 0x144 }],
  [1280, 1024, { 8: 0x107, 15: 0x119, 16: 0x11a, 24: 0x11b, 32: 0x145 }],
  [1600, 1200, { 8: 0x11c, 15: 0x11d, 16: 0x11e, 24: 0x11f, 32: 0x147 }],
  [1280, 800, { 16: 0x178, 24: 0x179, 32: 0x17a }],
  [1280, 720, { 16: 0x18d, 24: 0x18e, 32: 0x18f }],
  [1920, 1080, { 16: 0x190, 24: 0x191, 32: 0x192 }],
];
export const VBE_MODES: readonly VbeMode[] = SIZES.flatMap(([width, height, numbers]) =>
  Object.entries(numbers).map(([bpp, number]) => ({ number, width, height, bpp: Number(bpp) }))
).sort((a, b) => a.number - b.number);

/** Sizes and positions of red, green, blue and the rest in a pixel. */
const LAYOUT: Readonly<Record<number, readonly number[]>> = {
  8: [0, 0, 0, 0, 0, 0, 0, 0],
  15: [5, 10, 5, 5, 5, 0, 1, 15],
  16: [5, 11, 6, 5, 5, 0, 0, 0],
  24: [8, 16, 8, 8, 8, 0, 0, 0],
  32: [8, 16, 8, 8, 8, 0, 8, 24],
};
/** AL=4Fh: there is such a function. AH: it has failed, or has no sense in this mode. */
const LINEAR = 0x4000, KEEP = 0x8000, OK = 0x004f, FAILED = 0x014f, INVALID = 0x034f, UNSUPPORTED = 0x0100;
const pitchOf = (m: VbeMode) => m.width * (m.bpp + 7 >> 3);

/** AX=4Fxxh. */
export function vbe(c: Call): void {
  const { framebuffer } = c.host, serve = FUNCTIONS[c.al];
  // A guest that finds no VBE sees AL unchanged.
  if (!framebuffer) return;
  c.ax = serve ? serve(c, framebuffer) : UNSUPPORTED;
}

type Serve = (c: Call, framebuffer: { readonly address: number; readonly length: number }) => number;
const FUNCTIONS: Readonly<Record<number, Serve>> = {
  0x00: information,
  0x01: modeInformation,
  0x02: setVbeMode,
  0x03: (c) => {
    c.bx = c.host.state.vbeMode || c.host.read(0x449, 1);
    return OK;
  },
  0x05: (c) => {
    if (c.bl !== 0) return FAILED;
    if (c.bh === 1) c.dx = readDispi(c.host, 5);
    else if (c.bh === 0) dispi(c.host, 5, c.dx);
    else return FAILED;
    return OK;
  },
  0x06: lineLength,
  0x07: displayStart,
  0x08: (c) => {
    if (hasTrueColour(c)) return INVALID;
    const enabled = readDispi(c.host, 4), wide = c.bl === 0 ? c.bh >= 8 : (enabled & 0x20) !== 0;
    if (c.bl > 1) return FAILED;
    if (c.bl === 0) dispi(c.host, 4, enabled & ~0x20 | (wide ? 0x20 : 0));
    c.bh = wide ? 8 : 6;
    return OK;
  },
  0x09: paletteData,
  0x15: monitor,
};

function information(c: Call, framebuffer: { readonly length: number }): number {
  const { host } = c, to = c.at(c.es, c.di), newer = host.read(to, 4) === 0x3245_4256; // "VBE2"
  const fits = VBE_MODES.filter((m) => pitchOf(m) * m.height <= framebuffer.length);
  const block = new Uint8Array(newer ? 512 : 256), view = new DataView(block.buffer), far = (o: number) => (c.es << 16 | c.di + o) >>> 0;
  block.set(new TextEncoder().encode("VESA"));
  view.setUint16(4, 0x0300, true);
  view.setUint32(6, far(0xc0), true);
  view.setUint32(10, 1, true); // the DAC can be 8 bits wide
  view.setUint32(14, far(0x22), true);
  view.setUint16(18, framebuffer.length >> 16, true);
  for (const [i, m] of [...fits.map((m) => m.number), 0xffff].entries()) view.setUint16(0x22 + 2 * i, m, true);
  block.set(new TextEncoder().encode("bringup VBE\0"), 0xc0);
  if (newer) { for (const o of [0x16, 0x1a, 0x1e]) view.setUint32(o, far(0xc0), true); }
  host.writeBytes(to, block);
  return OK;
}

function modeInformation(c: Call, framebuffer: { readonly address: number; readonly length: number }): number {
  const mode = VBE_MODES.find((m) => m.number === (c.cx & 0x1ff));
  if (!mode || pitchOf(mode) * mode.height > framebuffer.length) return FAILED;
  const block = new Uint8Array(256), view = new DataView(block.buffer), pitch = pitchOf(mode), layout = LAYOUT[mode.bpp];
  const pages = Math.min(255, Math.floor(framebuffer.length / (pitch * mode.height)) - 1);
  view.setUint16(0, 0x009b, true); // supported, described, colour, graphics, linear framebuffer; no text output by the BIOS
  block[2] = 7; // window A can be moved, read and written
  view.setUint16(4, 64, true);
  view.setUint16(6, 64, true);
  view.setUint16(8, 0xa000, true);
  view.setUint16(0x10, pitch, true);
  view.setUint16(0x12, mode.width, true);
  view.setUint16(0x14, mode.height, true);
  block.set([8, 16, 1, mode.bpp, 1, mode.bpp === 8 ? 4 : 6, 0, pages, 1, ...layout, 0], 0x16);
  if (mode.bpp === 32) block[0x27] = 2; // the reserved bits are the guest's
  view.setUint32(0x28, framebuffer.address, true);
  view.setUint16(0x32, pitch, true);
  block.set([pages, pages, ...layout], 0x34);
  c.host.writeBytes(c.at(c.es, c.di), block);
  return OK;
}

function setVbeMode(c: Call, framebuffer: { readonly length: number }): number {
  const { host } = c, number = c.bx & 0x1ff, mode = VBE_MODES.find((m) => m.number === number);
  if (number < 0x100) return setMode(host, number | (c.bx & KEEP ? 0x80 : 0)) ? OK : FAILED;
  if (!mode || pitchOf(mode) * mode.height > framebuffer.length) return FAILED;
  enter(host, mode, c.bx & (LINEAR | KEEP));
  return OK;
}

function enter(host: BiosHost, mode: VbeMode, flags: number): void {
  dispi(host, 4, 0);
  for (const [i, v] of [[1, mode.width], [2, mode.height], [3, mode.bpp]]) dispi(host, i, v);
  dispi(host, 4, 0x01 | (flags & LINEAR ? 0x40 : 0) | (flags & KEEP ? 0x80 : 0));
  host.state.vbeMode = mode.number | flags;
}

/**
 * Sets the true-colour mode (24 or 32 bits, linear) that comes closest to a size and depth; 0 is no preference. Undefined without VBE or when
 * none fits the display memory.
 */
export function setClosestMode(
  host: BiosHost,
  width: number,
  height: number,
  depth: number,
): { address: number; pitch: number; width: number; height: number; depth: number } | undefined {
  const { framebuffer } = host;
  if (!framebuffer) return undefined;
  const [w, h] = [width || 1024, height || 768], distance = (m: VbeMode) => Math.abs(m.width - w) + Math.abs(m.height - h);
  const fits = VBE_MODES.filter((m) => m.bpp >= 24 && pitchOf(m) * m.height <= framebuffer.length);
  const other = (m: VbeMode) => Number(m.bpp !== (depth === 24 ? 24 : 32));
  const [mode] = fits.sort((a, b) => distance(a) - distance(b) || other(a) - other(b));
  if (!mode) return undefined;
  enter(host, mode, LINEAR);
  return { address: framebuffer.address, pitch: pitchOf(mode), width: mode.width, height: mode.height, depth: mode.bpp };
}

/** 4.11, 4.12: such modes have no palette. */
const hasTrueColour = (c: Call) => c.host.state.vbeMode !== 0 && readDispi(c.host, 3) > 8;
const bytesPerPixel = (c: Call) => Math.max(1, readDispi(c.host, 3) + 7 >> 3);

function lineLength(c: Call, framebuffer: { readonly length: number }): number {
  if (!c.host.state.vbeMode) return INVALID;
  const each = bytesPerPixel(c);
  if (c.bl === 0) dispi(c.host, 6, c.cx);
  else if (c.bl === 2) dispi(c.host, 6, Math.ceil(c.cx / each));
  else if (c.bl > 3) return FAILED;
  const pixels = c.bl === 3 ? 0xffff / each | 0 : readDispi(c.host, 6);
  c.bx = pixels * each;
  c.cx = pixels;
  c.dx = Math.min(0xffff, Math.floor(framebuffer.length / (pixels * each)));
  return OK;
}

function displayStart(c: Call): number {
  if (!c.host.state.vbeMode) return INVALID;
  const bl = c.bl & 0x7f;
  if (bl === 1) {
    c.bx = c.bl;
    c.cx = readDispi(c.host, 8);
    c.dx = readDispi(c.host, 9);
  } else if (bl === 0) {
    dispi(c.host, 8, c.cx);
    dispi(c.host, 9, c.dx);
  } else return FAILED;
  return OK;
}

/** VBE/DDC 4.1 and 4.2: BL=0 says what is supported, 1 reads block DX of what the monitor says of itself. */
function monitor(c: Call): number {
  if (c.bl === 0) {
    c.bx = 0x0103; // a block takes a second at most; DDC1 and DDC2; the screen stays on
    return OK;
  }
  if (c.bl !== 1 || c.dx !== 0) return FAILED;
  c.host.writeBytes(c.at(c.es, c.di), edid());
  return OK;
}

/** BL=0 sets and 1 reads CX colours from DX on; a colour is blue, green, red and a byte that is not used. */
function paletteData(c: Call): number {
  const { host } = c, set = (c.bl & 0x7f) === 0, from = c.at(c.es, c.di);
  if (hasTrueColour(c)) return INVALID;
  if ((c.bl & 0x7f) > 1) return FAILED;
  host.out(set ? 0x3c8 : 0x3c7, 1, c.dx);
  for (let i = 0; i < c.cx; i++) {
    for (const component of [2, 1, 0]) {
      const at = from + 4 * i + component;
      if (set) host.out(0x3c9, 1, host.read(at, 1));
      else host.write(at, 1, host.in(0x3c9, 1));
    }
  }
  return OK;
}
