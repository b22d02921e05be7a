// What the VGA shows: text cell by cell, and every mode as a picture.
// Not modelled: smooth scrolling by pixels, the phase of blinking, underlining.
import type { TextScreen } from "../../../core/device.ts";
import type { DisplayMemory } from "./memory.ts";
import {
  type Adapter,
  addressShift,
  AR,
  AR_MODE_256,
  AR_MODE_BLINK,
  AR_MODE_LINE,
  AR_MODE_P54,
  ATTRIBUTE_ON,
  CLOCKING_8_DOTS,
  CLOCKING_OFF,
  CR,
  CR_MODE_MAP13,
  CR_MODE_MAP14,
  crtc16,
  CURSOR_OFF,
  DISPI,
  DISPI_8_BITS,
  DISPI_ON,
  geometry,
  GR,
  MISC_GRAPHICS,
  MODE_256,
  MODE_CGA,
  pitchOf,
  SCAN_DOUBLE,
  SR,
  textLayout,
} from "./state.ts";

export class Shown {
  constructor(readonly vga: Adapter, readonly memory: DisplayMemory) {}

  get #shown(): boolean {
    const { attributeIndex, sequencer, crtc } = this.vga.state;
    return (attributeIndex & ATTRIBUTE_ON) !== 0 && !(sequencer[SR.clocking] & CLOCKING_OFF) && crtc[CR.columns] > 0;
  }

  text(only = -1): TextScreen | undefined {
    const { dispi, graphics, crtc, attribute } = this.vga.state;
    if (dispi[DISPI.enable] & DISPI_ON || graphics[GR.misc] & MISC_GRAPHICS || !this.#shown) return undefined;
    const { columns, lines, charHeight } = geometry(this.vga.state), rows = Math.floor(lines / charHeight);
    const { start, stride, shift } = textLayout(this.vga.state), cells = new Uint16Array(columns * rows);
    for (let row = Math.max(0, only); row < (only < 0 ? rows : Math.min(rows, only + 1)); row++) {
      for (let column = 0; column < columns; column++) {
        const at = 4 * ((start + row * stride + column << shift) & 0xffff);
        cells[row * columns + column] = this.memory.peek(at) | this.memory.peek(at + 1) << 8;
      }
    }
    const cell = crtc16(this.vga.state, CR.location) - start & 0xffff, row = Math.floor(cell / stride), column = cell % stride;
    const visible = !(crtc[CR.cursor] & CURSOR_OFF) && (crtc[CR.cursor] & 0x1f) <= (crtc[CR.cursorEnd] & 0x1f);
    return {
      columns,
      rows,
      cells,
      blink: (attribute[AR.mode] & AR_MODE_BLINK) !== 0,
      cursor: { row, column, visible: visible && row < rows && column < columns },
    };
  }

  image(): { width: number; height: number; rgb: Uint8Array } {
    const { dispi, graphics } = this.vga.state;
    if (dispi[DISPI.enable] & DISPI_ON) return this.#vbeImage();
    if (!this.#shown) return { width: 640, height: 480, rgb: new Uint8Array(640 * 480 * 3) };
    return graphics[GR.misc] & MISC_GRAPHICS ? this.#graphicsImage() : this.#textImage(this.text()!);
  }

  /** The DAC as bytes. */
  #colours(): Uint8Array {
    const { dac, dispi } = this.vga.state, wide = dispi[DISPI.enable] & DISPI_8_BITS;
    return Uint8Array.from(dac, (v) => wide ? v : v << 2 | v >> 4);
  }

  /** The DAC's index for each of the sixteen colours of the attribute controller. */
  #palette(): number[] {
    const { attribute, dacMask } = this.vga.state, select = attribute[AR.select];
    return attribute.slice(0, 16).map((a) =>
      ((attribute[AR.mode] & AR_MODE_P54 ? a & 0x0f | (select & 3) << 4 : a & 0x3f) | (select & 0xc) << 4) & dacMask
    );
  }

  #textImage(text: TextScreen) {
    const { sequencer, crtc, attribute } = this.vga.state, palette = this.#palette();
    const { charHeight, lines } = geometry(this.vga.state), charWidth = sequencer[SR.clocking] & CLOCKING_8_DOTS ? 8 : 9;
    const picture = new Picture(text.columns * charWidth, lines, this.#colours());
    // A character's bit 3 of the attribute chooses between two fonts (sequencer register 3).
    const select = sequencer[SR.font], fonts = [(select & 3) << 1 | select >> 4 & 1, (select >> 2 & 3) << 1 | select >> 5 & 1];
    for (const [i, cell] of text.cells.entries()) {
      const row = Math.floor(i / text.columns), column = i % text.columns, character = cell & 0xff;
      const foreground = palette[cell >> 8 & 0xf], background = palette[text.blink ? cell >> 12 & 7 : cell >> 12];
      const cursor = text.cursor.visible && text.cursor.row === row && text.cursor.column === column;
      for (let y = 0; y < charHeight; y++) {
        const inCursor = cursor && y >= (crtc[CR.cursor] & 0x1f) && y <= (crtc[CR.cursorEnd] & 0x1f);
        const dots = inCursor ? 0xff : this.memory.peek(4 * (fonts[cell >> 11 & 1] * 0x2000 + character * 32 + y) + 2);
        // The ninth dot is the eighth again for characters that draw lines.
        const ninth = inCursor || (attribute[AR.mode] & AR_MODE_LINE && character >= 0xc0 && character <= 0xdf) ? dots & 1 : 0;
        for (let x = 0; x < charWidth; x++) {
          const lit = x < 8 ? dots & 0x80 >> x : ninth;
          picture.set(column * charWidth + x, row * charHeight + y, lit ? foreground : background);
        }
      }
    }
    return picture;
  }

  #graphicsImage() {
    const { crtc, graphics, attribute, dacMask } = this.vga.state, { columns, lines, charHeight } = geometry(this.vga.state);
    const deep = (graphics[GR.mode] & MODE_256) !== 0, cga = (graphics[GR.mode] & MODE_CGA) !== 0;
    const width = columns * (deep && attribute[AR.mode] & AR_MODE_256 ? 4 : 8);
    // Lines that are shown twice and more are one in the picture; a CGA layout alternates between two banks on them.
    const banks = (crtc[CR.mode] & CR_MODE_MAP13 ? 0 : 1) | (crtc[CR.mode] & CR_MODE_MAP14 ? 0 : 2), repeat = banks ? 1 : charHeight;
    const height = Math.ceil(lines / repeat), picture = new Picture(width, height, this.#colours()), palette = this.#palette();
    const shift = addressShift(this.vga.state), planes = attribute[AR.planes] & 0xf;
    const split = (crtc[CR.compare] | (crtc[CR.overflow] & 0x10) << 4 | (crtc[CR.scan] & 0x40) << 3) + 1;
    const scanned = crtc[CR.scan] & SCAN_DOUBLE ? 2 : 1;
    for (let y = 0; y < height; y++) {
      const scan = y * repeat * scanned, below = scan >= split;
      const line = Math.floor((y * repeat - (below ? Math.ceil(split / scanned) : 0)) / charHeight), within = y * repeat % charHeight;
      const start = (below ? 0 : crtc16(this.vga.state, CR.start)) + line * 2 * crtc[CR.offset];
      for (let x = 0; x < width; x++) {
        const unit = deep ? x >> 2 : x >> 3;
        let at = start + unit << shift;
        if (banks & 1) at = at & ~0x2000 | (within & 1) << 13;
        if (banks & 2) at = at & ~0x4000 | (within & 2) << 13;
        at = 4 * (at & 0xffff);
        let colour: number;
        if (deep) colour = this.memory.peek(at + (x & 3)) & dacMask;
        else if (cga) colour = palette[this.memory.peek(at + (x >> 2 & 1)) >> 6 - 2 * (x & 3) & 3];
        else {
          let bits = 0;
          for (let p = 0; p < 4; p++) bits |= (this.memory.peek(at + p) >> 7 - (x & 7) & 1) << p;
          colour = palette[bits & planes];
        }
        picture.set(x, y, colour);
      }
    }
    return picture;
  }

  #vbeImage() {
    const { dispi, dacMask } = this.vga.state, bpp = dispi[DISPI.bpp], width = dispi[DISPI.x], height = dispi[DISPI.y];
    const picture = new Picture(width, height, this.#colours()), bytes = bpp + 7 >> 3, palette = this.#palette();
    for (let y = 0; y < height; y++) {
      const line = (y + dispi[DISPI.yOffset]) * pitchOf(this.vga.state);
      for (let x = 0; x < width; x++) {
        const column = x + dispi[DISPI.xOffset];
        if (bpp === 4) {
          const at = line + (column >> 3) * 4;
          let bits = 0;
          for (let p = 0; p < 4; p++) bits |= (this.memory.peek(at + p) >> 7 - (column & 7) & 1) << p;
          picture.set(x, y, palette[bits]);
          continue;
        }
        const v = this.memory.readLinear(line + column * bytes, bytes);
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
