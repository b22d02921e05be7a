// Modes, pages, cursor and characters of the screen, for int 10h. Text goes to display memory through the CPU's window; in graphics modes
// characters are drawn. Not modelled: CGA's snow and its mode registers, light pen.
import { builtinFont } from "../../core/font8x16.ts";
import { textMode, type VgaMode, vgaMode, vgaPalette } from "../../core/vga_modes.ts";
import { BDA, type BiosHost } from "./host.ts";

const SEQUENCER = 0x3c4, GRAPHICS = 0x3ce, ATTRIBUTE = 0x3c0, MISC = 0x3c2, DAC_INDEX = 0x3c8, DAC_DATA = 0x3c9;
/** The offsets of the fonts in the ROM segment. */
export const ROM_FONTS = { 16: 0x8000, 8: 0x9000, 14: 0x9800 } as const;

export const byte = (host: BiosHost, at: number) => host.read(at, 1);
export const word = (host: BiosHost, at: number) => host.read(at, 2);
const indexed = (host: BiosHost, port: number, index: number, value: number) => host.out(port, 2, index | (value & 0xff) << 8);

/** The mode that is set. */
export const currentMode = (host: BiosHost): VgaMode => vgaMode(byte(host, BDA.MODE) & 0x7f) ?? textMode();
export const columns = (host: BiosHost) => word(host, BDA.COLUMNS);
export const rows = (host: BiosHost) => byte(host, BDA.ROWS) + 1;
export const page = (host: BiosHost) => byte(host, BDA.PAGE);
const charHeight = (host: BiosHost) => Math.max(1, word(host, BDA.CHAR_HEIGHT));

/** Programs the VGA for a mode and sets up the data area; false when there is no such mode. Bit 7 keeps the display memory. */
export function setMode(host: BiosHost, number: number): boolean {
  const mode = vgaMode(number & 0x7f);
  if (!mode) return false;
  if (host.framebuffer) dispi(host, 4, 0);
  host.state.vbeMode = 0;
  host.out(MISC, 1, mode.misc);
  const crtc = mode.misc & 1 ? 0x3d4 : 0x3b4;
  indexed(host, SEQUENCER, 0, 1);
  for (let i = 0; i < mode.sequencer.length; i++) indexed(host, SEQUENCER, i + 1, mode.sequencer[i]);
  indexed(host, SEQUENCER, 0, 3);
  indexed(host, crtc, 0x11, 0);
  for (let i = 0; i < mode.crtc.length; i++) indexed(host, crtc, i, mode.crtc[i]);
  for (let i = 0; i < mode.graphics.length; i++) indexed(host, GRAPHICS, i, mode.graphics[i]);
  host.in(crtc + 6, 1);
  // Index and value by turns; register 14h is 0. Then the screen is switched on.
  for (let i = 0; i <= mode.attribute.length; i++) host.outAll(ATTRIBUTE, [i, mode.attribute[i] ?? 0]);
  host.out(ATTRIBUTE, 1, 0x20);
  host.out(0x3c6, 1, 0xff);
  host.out(DAC_INDEX, 1, 0);
  host.outAll(DAC_DATA, vgaPalette(mode.palette));
  setModeData(host, number, mode, crtc);
  if (!mode.graphicsSize) loadFont(host, builtinFont(16), 16, 0, 0);
  if (!(number & 0x80)) clear(host, mode);
  return true;
}

/** What a page takes of the address space in graphics modes, where it is not 16 KiB. */
const PAGE_BYTES: Readonly<Record<number, number>> = { 0x0d: 0x2000, 0x0f: 0x8000, 0x10: 0x8000, 0x11: 0xa000, 0x12: 0xa000, 0x13: 0x2000 };

function setModeData(host: BiosHost, number: number, mode: VgaMode, crtc: number): void {
  host.write(BDA.MODE, 1, number & 0x7f);
  host.write(BDA.COLUMNS, 2, mode.columns);
  host.write(BDA.ROWS, 1, mode.rows - 1);
  host.write(BDA.CHAR_HEIGHT, 2, mode.charHeight);
  host.write(BDA.PAGE_BYTES, 2, mode.graphicsSize ? PAGE_BYTES[number & 0x7f] ?? 0x4000 : mode.columns === 40 ? 0x800 : 0x1000);
  host.write(BDA.PAGE_START, 2, 0);
  host.writeBytes(BDA.CURSORS, new Uint8Array(16));
  host.write(BDA.CURSOR_SHAPE, 2, mode.graphicsSize ? 0 : 0x0d0e);
  host.write(BDA.PAGE, 1, 0);
  host.write(BDA.CRTC, 2, crtc);
  host.write(BDA.VIDEO, 1, 0x60 | number & 0x80);
  host.write(BDA.SWITCHES, 1, 0xf9);
  host.write(BDA.VIDEO_FLAGS, 1, 0x11);
  // The font that graphics modes draw with (int 43h) belongs to the mode.
  const font = ROM_FONTS[mode.charHeight as 8 | 14 | 16];
  host.write(0x43 * 4, 4, 0xf000_0000 + font);
}

function clear(host: BiosHost, mode: VgaMode): void {
  const blank = mode.graphicsSize ? 0 : 0x0720_0720, bytes = mode.segment === 0xa000 ? 0x1_0000 : 0x8000;
  host.writeBytes(mode.segment * 16, new Uint8Array(new Uint32Array(bytes / 4).fill(blank).buffer));
}

/** Loads `font` (`height` bytes for each character) into plane 2 from character `first` on; each has 32 lines there, the others blank. */
export function loadFont(host: BiosHost, font: Uint8Array, height: number, first: number, block: number): void {
  const base = ((block & 3) * 2 + (block >> 2 & 1)) * 0x2000;
  for (const [i, v] of [[2, 4], [4, 7]]) indexed(host, SEQUENCER, i, v);
  for (const [i, v] of [[4, 2], [5, 0], [6, 4]]) indexed(host, GRAPHICS, i, v);
  const count = Math.ceil(font.length / height), last = Math.min(256, first + count), cells = new Uint8Array(count * 32);
  for (let c = 0, at = 0; at < font.length; c++) for (let y = 0; y < height && at < font.length; y++) cells[32 * c + y] = font[at++];
  host.writeBytes(0xa_0000 + base + first * 32, cells.subarray(0, (last - first) * 32));
  if (first + count > 256) host.writeBytes(0xa_0000 + base, cells.subarray((256 - first) * 32));
  const mode = currentMode(host);
  for (const i of [2, 4]) indexed(host, SEQUENCER, i, mode.sequencer[i - 1]);
  for (const i of [4, 5, 6]) indexed(host, GRAPHICS, i, mode.graphics[i]);
}

/** Characters of another height: how many rows there are follows from it. */
export function setCharHeight(host: BiosHost, height: number): void {
  const crtc = word(host, BDA.CRTC), lines = 400, count = Math.floor(lines / height);
  indexed(host, crtc, 9, 0x40 | height - 1);
  indexed(host, crtc, 0x12, count * height - 1);
  host.write(BDA.ROWS, 1, count - 1);
  host.write(BDA.CHAR_HEIGHT, 2, height);
  host.write(BDA.PAGE_BYTES, 2, Math.ceil(count * columns(host) * 2 / 256) * 256);
  setCursorShape(host, height - 2, height - 1);
}

/** Writes a register of the Bochs VBE interface. */
export function dispi(host: BiosHost, index: number, value: number): void {
  host.out(0x1ce, 2, index);
  host.out(0x1cf, 2, value);
}
export function readDispi(host: BiosHost, index: number): number {
  host.out(0x1ce, 2, index);
  return host.in(0x1cf, 2);
}

// The cursor.

export const cursor = (host: BiosHost, p = page(host)) => {
  const at = word(host, BDA.CURSORS + 2 * (p & 7));
  return { row: at >> 8, column: at & 0xff };
};

export function setCursor(host: BiosHost, p: number, row: number, column: number): void {
  host.write(BDA.CURSORS + 2 * (p & 7), 2, row << 8 | column);
  if (p !== page(host)) return;
  const at = (word(host, BDA.PAGE_START) >> 1) + row * columns(host) + column, crtc = word(host, BDA.CRTC);
  indexed(host, crtc, 0x0e, at >> 8);
  indexed(host, crtc, 0x0f, at);
}

/** Programs written for characters of 8 lines are given a cursor in the same place of taller ones. */
export function setCursorShape(host: BiosHost, start: number, end: number): void {
  host.write(BDA.CURSOR_SHAPE, 2, start << 8 | end);
  const height = charHeight(host), crtc = word(host, BDA.CRTC);
  if (height > 8 && end < 8 && start < 0x20) {
    start = end === start + 1 ? ((end + 1) * height >> 3) - 2 : ((start + 1) * height >> 3) - 1;
    end = ((end + 1) * height >> 3) - 1;
  }
  indexed(host, crtc, 0x0a, start);
  indexed(host, crtc, 0x0b, end);
}

export function setPage(host: BiosHost, p: number): void {
  const start = p * word(host, BDA.PAGE_BYTES), crtc = word(host, BDA.CRTC);
  host.write(BDA.PAGE, 1, p);
  host.write(BDA.PAGE_START, 2, start);
  // In text modes the CRTC counts characters.
  const at = currentMode(host).graphicsSize ? start : start >> 1;
  indexed(host, crtc, 0x0c, at >> 8);
  indexed(host, crtc, 0x0d, at);
  const { row, column } = cursor(host, p);
  setCursor(host, p, row, column);
}

// Characters.

const cellAt = (host: BiosHost, p: number, row: number, column: number) =>
  currentMode(host).segment * 16 + p * word(host, BDA.PAGE_BYTES) + 2 * (row * columns(host) + column);

export function readCell(host: BiosHost, p: number): number {
  const { row, column } = cursor(host, p);
  return currentMode(host).graphicsSize ? 0x0020 : host.read(cellAt(host, p, row, column), 2);
}

/** Puts a character at a place; without `attribute` the cell keeps its own (text) or is drawn in light grey. */
export function putCharacter(host: BiosHost, p: number, row: number, column: number, character: number, attribute?: number): void {
  const mode = currentMode(host);
  if (mode.graphicsSize) return drawCharacter(host, mode, row, column, character, attribute ?? 7);
  const at = cellAt(host, p, row, column);
  if (attribute === undefined) host.write(at, 1, character);
  else host.write(at, 2, character | attribute << 8);
}

/** Writes a character as a terminal does: carriage return, line feed, backspace and bell are obeyed, and the screen scrolls. */
export function teletype(host: BiosHost, p: number, character: number, attribute?: number): void {
  let { row, column } = cursor(host, p);
  host.echo?.(character);
  if (character === 7) return;
  if (character === 8) column = Math.max(0, column - 1);
  else if (character === 0x0d) column = 0;
  else if (character === 0x0a) row++;
  else {
    putCharacter(host, p, row, column++, character, attribute);
    if (column === columns(host)) [row, column] = [row + 1, 0];
  }
  if (row >= rows(host)) {
    row = rows(host) - 1;
    const blank = currentMode(host).graphicsSize ? 0 : host.read(cellAt(host, p, row, 0) + 1, 1);
    scroll(host, p, { top: 0, left: 0, bottom: row, right: columns(host) - 1 }, 1, blank);
  }
  setCursor(host, p, row, column);
}

/** Rows and columns of a window, both ends included. */
export interface Area {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** Moves a window up by `lines` rows (down when negative) and blanks what becomes free; 0 blanks all of it. */
export function scroll(host: BiosHost, p: number, area: Area, lines: number, attribute: number): void {
  const bottom = Math.min(area.bottom, rows(host) - 1), right = Math.min(area.right, columns(host) - 1), { top, left } = area;
  const height = bottom - top + 1, width = right - left + 1;
  if (height <= 0 || width <= 0) return;
  const by = lines === 0 || Math.abs(lines) >= height ? height : Math.abs(lines), up = lines >= 0;
  const mode = currentMode(host);
  for (let i = 0; i < height; i++) {
    const row = up ? top + i : bottom - i, from = up ? row + by : row - by;
    const copied = from >= top && from <= bottom;
    if (mode.graphicsSize) {
      moveGraphics(host, mode, { row, from: copied ? from : undefined, left, width }, attribute);
      continue;
    }
    const to = cellAt(host, p, row, left);
    if (copied) host.writeBytes(to, host.readBytes(cellAt(host, p, from, left), 2 * width));
    else for (let x = 0; x < width; x++) host.write(to + 2 * x, 2, attribute << 8 | 0x20);
  }
}

// Graphics modes.

/** Where a line of pixels starts, in bytes from the display memory's start. */
function lineStart(mode: VgaMode, y: number): number {
  const [width, , bits] = mode.graphicsSize!;
  if (mode.segment === 0xb800) return (y & 1) * 0x2000 + (y >> 1) * 80;
  return bits === 8 ? y * width : y * width / 8;
}

const isPlanar = (mode: VgaMode) => mode.segment === 0xa000 && mode.graphicsSize![2] < 8;

export function putPixel(host: BiosHost, x: number, y: number, colour: number): void {
  const mode = currentMode(host), [width, height, bits] = mode.graphicsSize ?? [0, 0, 0];
  if (x >= width || y >= height) return;
  const start = mode.segment * 16 + lineStart(mode, y);
  if (isPlanar(mode)) {
    const at = start + (x >> 3);
    planar(host, { mode: 2, mask: 0x80 >> (x & 7), logic: colour & 0x80 ? 0x18 : 0 }, () => {
      host.read(at, 1);
      host.write(at, 1, colour);
    });
  } else if (bits === 8) host.write(start + x, 1, colour);
  else {
    const each = 8 / bits, shift = 8 - bits * (x % each + 1), mask = (1 << bits) - 1 << shift, at = start + Math.floor(x / each);
    const old = host.read(at, 1), value = colour << shift & mask;
    host.write(at, 1, colour & 0x80 ? old ^ value : old & ~mask | value);
  }
}

export function getPixel(host: BiosHost, x: number, y: number): number {
  const mode = currentMode(host), [width, height, bits] = mode.graphicsSize ?? [0, 0, 0];
  if (x >= width || y >= height) return 0;
  const start = mode.segment * 16 + lineStart(mode, y);
  if (isPlanar(mode)) {
    let colour = 0;
    for (let plane = 0; plane < 4; plane++) {
      indexed(host, GRAPHICS, 4, plane);
      colour |= (host.read(start + (x >> 3), 1) >> 7 - (x & 7) & 1) << plane;
    }
    indexed(host, GRAPHICS, 4, 0);
    return colour;
  }
  if (bits === 8) return host.read(start + x, 1);
  const each = 8 / bits;
  return host.read(start + Math.floor(x / each), 1) >> 8 - bits * (x % each + 1) & (1 << bits) - 1;
}

/** Runs `work` with the graphics controller set up, and leaves it as the mode has it. */
function planar(host: BiosHost, how: { mode: number; mask: number; logic?: number }, work: () => void): void {
  for (const [i, v] of [[5, how.mode], [8, how.mask], [3, how.logic ?? 0]]) indexed(host, GRAPHICS, i, v);
  work();
  for (const [i, v] of [[5, 0], [8, 0xff], [3, 0]]) indexed(host, GRAPHICS, i, v);
}

function drawCharacter(host: BiosHost, mode: VgaMode, row: number, column: number, character: number, colour: number): void {
  const height = charHeight(host), pointer = host.read(0x43 * 4, 4), font = (pointer >>> 16) * 16 + (pointer & 0xffff);
  for (let line = 0; line < height; line++) {
    const bits = host.read(font + character * height + line, 1), y = row * height + line;
    if (!isPlanar(mode)) {
      for (let x = 0; x < 8; x++) {
        if (colour & 0x80 && mode.graphicsSize![2] < 8) bits & 0x80 >> x && putPixel(host, 8 * column + x, y, colour);
        else putPixel(host, 8 * column + x, y, bits & 0x80 >> x ? colour : 0);
      }
      continue;
    }
    const at = mode.segment * 16 + lineStart(mode, y) + column, inverted = (colour & 0x80) !== 0;
    planar(host, { mode: 2, mask: bits, logic: inverted ? 0x18 : 0 }, () => {
      host.read(at, 1);
      host.write(at, 1, colour & 0xf);
    });
    if (!inverted) {
      planar(host, { mode: 2, mask: ~bits & 0xff }, () => {
        host.read(at, 1);
        host.write(at, 1, 0);
      });
    }
  }
}

/** Copies one row of characters in a graphics mode, or fills it with a colour. */
function moveGraphics(
  host: BiosHost,
  mode: VgaMode,
  move: { readonly row: number; readonly from: number | undefined; readonly left: number; readonly width: number },
  colour: number,
): void {
  const height = charHeight(host), bits = mode.graphicsSize![2], bytesEach = isPlanar(mode) ? 1 : bits;
  const start = mode.segment * 16 + move.left * bytesEach, bytes = move.width * bytesEach;
  const fill = bits === 8 || isPlanar(mode) ? colour : (colour & (1 << bits) - 1) * 0xff / ((1 << bits) - 1);
  const line = (row: number, y: number) => start + lineStart(mode, row * height + y);
  for (let y = 0; y < height; y++) {
    const to = line(move.row, y), from = move.from === undefined ? undefined : line(move.from, y);
    if (isPlanar(mode)) {
      planar(host, { mode: from === undefined ? 2 : 1, mask: 0xff }, () => {
        for (let i = 0; i < bytes; i++) {
          if (from !== undefined) host.read(from + i, 1);
          host.write(to + i, 1, fill);
        }
      });
    } else for (let i = 0; i < bytes; i++) host.write(to + i, 1, from === undefined ? fill : host.read(from + i, 1));
  }
}
