// Int 10h: the screen. Source: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 10H"; Ralf Brown's Interrupt List, release 61.
// Not modelled: the state functions AH=1Ch, and the static functionality table's rarer bits.
import { builtinFont } from "../../core/font8x16.ts";
import { BDA, type BiosFunction, type BiosInterrupt, type Call, ROM_SEGMENT } from "./host.ts";
import * as video from "./video_text.ts";
import { vbe } from "./vbe.ts";

const ATTRIBUTE = 0x3c0, DAC_READ = 0x3c7, DAC_WRITE = 0x3c8, DAC_DATA = 0x3c9;

/** AH=13h, bit 0: move the cursor; bit 1: the text holds attributes. */
const MOVE = 1, WITH_ATTRIBUTES = 2;

function writeString({ host, al, bh, bl, cx, dh, dl, es, bp, at }: Snapshot): void {
  const before = video.cursor(host, bh);
  let { row, column } = { row: dh, column: dl };
  // 0xff: where the cursor is.
  if (row === 0xff) ({ row, column } = before);
  video.setCursor(host, bh, row, column);
  for (let i = 0, from = bp; i < cx; i++) {
    const character = host.read(at(es, from++), 1);
    const attribute = al & WITH_ATTRIBUTES ? host.read(at(es, from++), 1) : bl;
    video.teletype(host, bh, character, attribute);
  }
  if (!(al & MOVE)) video.setCursor(host, bh, before.row, before.column);
}
type Snapshot = Pick<Call, "host" | "al" | "bh" | "bl" | "cx" | "dh" | "dl" | "es" | "bp" | "at">;

function writeRepeated(c: Call, attribute: number | undefined): void {
  const { row, column } = video.cursor(c.host, c.bh), wide = video.columns(c.host);
  for (let i = 0; i < c.cx; i++) {
    const at = column + i, down = row + Math.floor(at / wide);
    if (down >= video.rows(c.host)) break;
    video.putCharacter(c.host, c.bh, down, at % wide, c.al, attribute);
  }
}

/** A register of the attribute controller; the palette stays the screen's. */
function attributeOut(c: Call, index: number, value: number): void {
  const { host } = c;
  host.in(host.read(BDA.CRTC, 2) + 6, 1);
  host.out(ATTRIBUTE, 1, index | 0x20);
  host.out(ATTRIBUTE, 1, value);
}
function attributeIn(c: Call, index: number): number {
  const { host } = c, status = host.read(BDA.CRTC, 2) + 6;
  host.in(status, 1);
  host.out(ATTRIBUTE, 1, index | 0x20);
  const value = host.in(ATTRIBUTE + 1, 1);
  host.in(status, 1);
  return value;
}

function palette(c: Call): void {
  const { host } = c;
  switch (c.al) {
    case 0x00:
      return attributeOut(c, c.bl & 0x1f, c.bh);
    case 0x01:
      return attributeOut(c, 0x11, c.bh);
    case 0x02:
      for (let i = 0; i <= 16; i++) attributeOut(c, i < 16 ? i : 0x11, host.read(c.at(c.es, c.dx + i), 1));
      return;
    case 0x03:
      return attributeOut(c, 0x10, attributeIn(c, 0x10) & ~8 | (c.bl & 1) << 3);
    case 0x07:
      c.bh = attributeIn(c, c.bl & 0x1f);
      return;
    case 0x08:
      c.bh = attributeIn(c, 0x11);
      return;
    case 0x09:
      for (let i = 0; i <= 16; i++) host.write(c.at(c.es, c.dx + i), 1, attributeIn(c, i < 16 ? i : 0x11));
      return;
    case 0x10:
      host.out(DAC_WRITE, 1, c.bl);
      for (const v of [c.dh, c.ch, c.cl]) host.out(DAC_DATA, 1, v);
      return;
    case 0x12:
      host.out(DAC_WRITE, 1, c.bl);
      for (let i = 0; i < 3 * c.cx; i++) host.out(DAC_DATA, 1, host.read(c.at(c.es, c.dx + i), 1));
      return;
    case 0x13:
      if (c.bl === 0) attributeOut(c, 0x10, attributeIn(c, 0x10) & 0x7f | (c.bh & 1) << 7);
      else attributeOut(c, 0x14, attributeIn(c, 0x10) & 0x80 ? c.bh & 0xf : (c.bh & 3) << 2);
      return;
    case 0x15: {
      host.out(DAC_READ, 1, c.bl);
      c.dh = host.in(DAC_DATA, 1);
      const green = host.in(DAC_DATA, 1);
      c.cx = green << 8 | host.in(DAC_DATA, 1);
      return;
    }
    case 0x17:
      host.out(DAC_READ, 1, c.bl);
      for (let i = 0; i < 3 * c.cx; i++) host.write(c.at(c.es, c.dx + i), 1, host.in(DAC_DATA, 1));
      return;
    case 0x18:
      host.out(0x3c6, 1, c.bl);
      return;
    case 0x19:
      c.bl = host.in(0x3c6, 1);
      return;
    case 0x1a:
      c.bl = attributeIn(c, 0x10) >> 7;
      c.bh = attributeIn(c, 0x14);
      return;
    default:
      host.log("unimp", () => `int 10h, ax=10${c.al.toString(16)}`);
  }
}

/** Heights of the fonts that AL=x1h, x2h and x4h load. */
const FONT_HEIGHTS: Readonly<Record<number, 8 | 14 | 16>> = { 1: 14, 2: 8, 4: 16 };

function fonts(c: Call): void {
  const { host } = c, kind = c.al & 0xf, height = FONT_HEIGHTS[kind];
  if (c.al === 0x30) return fontInformation(c);
  if (c.al === 0x03) return host.out(0x3c4, 2, 3 | c.bl << 8);
  if (c.al < 0x20 && (height || kind === 0)) {
    const lines = height ?? c.bh, first = height ? 0 : c.dx & 0xff;
    const font = height ? builtinFont(height) : host.readBytes(c.at(c.es, c.bp), c.cx * c.bh);
    video.loadFont(host, font, lines, first, c.bl & 7);
    if (c.al & 0x10) video.setCharHeight(host, lines);
    return;
  }
  if (c.al >= 0x20 && c.al <= 0x24) return graphicsFont(c);
  host.log("unimp", () => `int 10h, ax=11${c.al.toString(16)}`);
}

/** AL=20h to 24h: the font that graphics modes draw with. */
function graphicsFont(c: Call): void {
  const { host } = c, height = c.al === 0x21 ? c.cx : { 0x22: 14, 0x23: 8, 0x24: 16 }[c.al];
  if (c.al === 0x20) return host.write(0x1f * 4, 4, (c.es << 16 | c.bp) >>> 0);
  const pointer = c.al === 0x21 ? (c.es << 16 | c.bp) >>> 0 : ROM_SEGMENT * 0x1_0000 + video.ROM_FONTS[height as 8];
  host.write(0x43 * 4, 4, pointer);
  host.write(BDA.CHAR_HEIGHT, 2, height!);
  host.write(BDA.ROWS, 1, [c.dl, 14, 25, 43][c.bl & 3] - 1);
}

function fontInformation(c: Call): void {
  const { host } = c, rom = (height: 8 | 14 | 16, from = 0) => ROM_SEGMENT * 0x1_0000 + video.ROM_FONTS[height] + from;
  const pointer = [host.read(0x1f * 4, 4), host.read(0x43 * 4, 4), rom(14), rom(8), rom(8, 1024), rom(14), rom(16), rom(16)][c.bh];
  if (pointer === undefined) return;
  c.cx = host.read(BDA.CHAR_HEIGHT, 2);
  c.dl = host.read(BDA.ROWS, 1);
  c.es = pointer >>> 16;
  c.bp = pointer & 0xffff;
}

function alternate(c: Call): void {
  switch (c.bl) {
    case 0x10: // colour, 256 KiB, switches as a VGA reports them
      c.bx = 0x0003;
      c.cx = 0x0009;
      return;
    case 0x30: // lines of text modes: only 400 is offered
    case 0x31:
    case 0x32:
    case 0x33:
    case 0x34:
    case 0x36:
      c.al = 0x12;
      return;
    default:
      c.host.log("unimp", () => `int 10h, ah=12h, bl=${c.bl.toString(16)}`);
  }
}

/** AH=1Bh: where the table of what this BIOS can do is, and the present state. */
function functionality(c: Call): void {
  const { host } = c, to = c.at(c.es, c.di);
  host.writeBytes(to, new Uint8Array(64));
  host.write(to, 4, ROM_SEGMENT * 0x1_0000 + FUNCTIONALITY_AT);
  host.writeBytes(to + 4, host.readBytes(BDA.MODE, 30));
  host.writeBytes(to + 0x22, host.readBytes(BDA.ROWS, 3));
  for (const [i, v] of [[0x25, 8], [0x27, 16], [0x29, 8], [0x2a, 2], [0x31, 3]]) host.write(to + i, 1, v);
  c.al = 0x1b;
}
/** Offset of that table in the ROM segment, and what it holds: the modes, the lines of text modes, fonts, functions. */
export const FUNCTIONALITY_AT = 0x7f00;
export const FUNCTIONALITY = [0xff, 0xe0, 0x0f, 0, 0, 0, 0, 0x04, 0x02, 0x08, 0xe7, 0x0c, 0, 0, 0, 0];

const f = (name: string, call: (c: Call) => void): BiosFunction => ({ name, call });

export const int10: BiosInterrupt = {
  vector: 0x10,
  name: "video",
  functions: {
    "00": f("set mode", (c) => {
      const number = c.al;
      if (!video.setMode(c.host, number)) return c.host.log("guest", () => `no video mode 0x${number.toString(16)}`);
      c.al = (number & 0x7f) > 7 ? 0x20 : (number & 0x7f) === 6 ? 0x3f : 0x30;
    }),
    "01": f("cursor shape", (c) => video.setCursorShape(c.host, c.ch & 0x3f, c.cl & 0x1f)),
    "02": f("set cursor", (c) => video.setCursor(c.host, c.bh, c.dh, c.dl)),
    "03": f("get cursor", (c) => {
      const { row, column } = video.cursor(c.host, c.bh);
      c.ax = 0;
      c.cx = c.host.read(BDA.CURSOR_SHAPE, 2);
      c.dx = row << 8 | column;
    }),
    "05": f("page", (c) => video.setPage(c.host, c.al & 7)),
    "06": f("scroll up", (c) => video.scroll(c.host, video.page(c.host), area(c), c.al, c.bh)),
    "07": f("scroll down", (c) => video.scroll(c.host, video.page(c.host), area(c), c.al ? -c.al : 0, c.bh)),
    "08": f("read cell", (c) => void (c.ax = video.readCell(c.host, c.bh))),
    "09": f("write with attribute", (c) => writeRepeated(c, c.bl)),
    "0a": f("write", (c) => writeRepeated(c, video.currentMode(c.host).graphicsSize ? c.bl : undefined)),
    "0b": f("background", (c) => {
      if (c.bh === 0) attributeOut(c, video.currentMode(c.host).graphicsSize ? 0 : 0x11, c.bl & 7 | (c.bl & 8) << 1);
    }),
    "0c": f("write pixel", (c) => video.putPixel(c.host, c.cx, c.dx, c.al)),
    "0d": f("read pixel", (c) => void (c.al = video.getPixel(c.host, c.cx, c.dx))),
    "0e": f("teletype", (c) => video.teletype(c.host, video.page(c.host), c.al, video.currentMode(c.host).graphicsSize ? c.bl : undefined)),
    "0f": f("get mode", (c) => {
      c.ax = video.columns(c.host) << 8 | c.host.read(BDA.MODE, 1) | c.host.read(BDA.VIDEO, 1) & 0x80;
      c.bh = video.page(c.host);
    }),
    "10": f("palette", palette),
    "11": f("fonts", fonts),
    "12": f("alternate", alternate),
    "13": f("write string", (c) => {
      const { host, al, bh, bl, cx, dh, dl, es, bp } = c;
      writeString({ host, al, bh, bl, cx, dh, dl, es, bp, at: c.at });
    }),
    "1a": f("display combination", (c) => {
      if (c.al === 0) c.bx = 0x0008;
      c.al = 0x1a;
    }),
    "1b": f("functionality", functionality),
    "4f": f("VBE", vbe),
  },
  unknown: () => {},
};

const area = (c: Call): video.Area => ({ top: c.ch, left: c.cl, bottom: c.dh, right: c.dl });
