// Int 10h on a real VGA: what calls draw is looked at as a monitor shows it. Source: Ralf Brown's Interrupt List, release 61; VBE Core 3.0.
import { assert, assertEquals } from "@std/assert";
import { builtinFont } from "../../core/font8x16.ts";
import { vgaMode } from "../../core/vga_modes.ts";
import { bench } from "../../devices/testing/bench.ts";
import vga from "../../devices/pc/vga/mod.ts";
import { BDA, ROM_SEGMENT } from "./host.ts";
import { FUNCTIONALITY_AT } from "./int10.ts";
import { post } from "./mod.ts";
import { FakeHost } from "./testing/fake_host.ts";

const MEMORY = 0, PORTS = 2, VBE = 3;

/** The card answers at its ports and in its window of memory; the rest is the fake machine's. */
class ScreenHost extends FakeHost {
  readonly card = bench(vga, { text_mode: true });
  readonly #at = (address: number) => address >= 0xa_0000 && address < 0xc_0000 ? address - 0xa_0000 : -1;
  override read(address: number, size: 1 | 2 | 4): number {
    return this.#at(address) < 0 ? super.read(address, size) : this.card.read(this.#at(address), size, MEMORY);
  }
  override write(address: number, size: 1 | 2 | 4, value: number): void {
    if (this.#at(address) < 0) super.write(address, size, value);
    else this.card.write(this.#at(address), value, size, MEMORY);
  }
  override readBytes = (address: number, length: number) => Uint8Array.from({ length }, (_, i) => this.read(address + i, 1));
  override writeBytes(address: number, data: Uint8Array): void {
    data.forEach((b, i) => this.write(address + i, 1, b));
  }
  override in(port: number, size: number): number {
    if (port >= 0x3b0 && port < 0x3e0) return this.card.read(port - 0x3b0, size as 1, PORTS);
    return port === 0x1ce || port === 0x1cf ? this.card.read(port - 0x1ce, size as 2, VBE) : super.in(port, size);
  }
  override out(port: number, size: number, value: number): void {
    if (port >= 0x3b0 && port < 0x3e0) this.card.write(port - 0x3b0, value, size as 1, PORTS);
    else if (port === 0x1ce || port === 0x1cf) this.card.write(port - 0x1ce, value, size as 2, VBE);
    else super.out(port, size, value);
  }

  image = () => this.card.dev.screen!.image();
  mode(number: number): this {
    this.int(0x10, { eax: number });
    return this;
  }
  put = (x: number, y: number, colour: number) => this.int(0x10, { eax: 0x0c00 | colour, ebx: 0, ecx: x, edx: y });
  get = (x: number, y: number) => this.int(0x10, { eax: 0x0d00, ebx: 0, ecx: x, edx: y }).al;
}
function screen(): ScreenHost {
  const host = new ScreenHost();
  post(host);
  return host;
}

/** What a picture shows, a character for each colour: the first to be met is ".", the next "1", and so on. */
function shown(h: ScreenHost, x: number, y: number, width: number, height: number): string[] {
  const { width: wide, rgb, height: high } = h.image(), mode = vgaMode(h.read(BDA.MODE, 1))!, [w, lines] = mode.graphicsSize!;
  // Modes of 200 lines and of 320 columns are shown twice as large, if the card says so.
  const sx = wide / w, sy = high / lines, black = "0,0,0", names = new Map([[black, "."]]);
  return Array.from({ length: height }, (_, j) =>
    Array.from({ length: width }, (_, i) => {
      const at = 3 * (Math.floor((y + j) * sy) * wide + Math.floor((x + i) * sx)), colour = rgb.subarray(at, at + 3).join();
      if (!names.has(colour)) names.set(colour, String(names.size));
      return names.get(colour);
    }).join(""));
}
/** A character's lines as `shown` names them. */
const glyph = (character: string, height: 8 | 14 | 16, on = "1", off = "."): string[] =>
  Array.from(
    { length: height },
    (_, y) =>
      builtinFont(height)[character.charCodeAt(0) * height + y].toString(2).padStart(8, "0").replaceAll("0", off).replaceAll("1", on),
  );
const blank = (height: number, width = 8, c = ".") => Array<string>(height).fill(c.repeat(width));

/** Graphics modes with the bits of a pixel. */
const MODES: [mode: number, bits: number][] = [[0x04, 2], [0x05, 2], [0x06, 1], [0x0d, 4], [0x0e, 4], [0x10, 4], [0x11, 1], [0x12, 4], [
  0x13,
  8,
]];

Deno.test("int 10h: a pixel is shown where it is put, and read back; nothing is outside; bit 7 inverts", () => {
  for (const [number, bits] of MODES) {
    const h = screen().mode(number), [width, height] = vgaMode(number)!.graphicsSize!, what = `mode ${number.toString(16)}`;
    const colour = Math.min(2 ** bits - 1, 3), corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1], [13, 7]];
    for (const [x, y] of corners) {
      assertEquals(h.get(x, y), 0, what);
      h.put(x, y, colour);
      assertEquals(h.get(x, y), colour, `${what} ${x} ${y}`);
    }
    assertEquals(shown(h, 12, 6, 3, 3), ["...", ".1.", "..."], what);
    assertEquals(shown(h, 0, 0, 2, 1), ["1."], what);
    assertEquals(shown(h, width - 2, height - 1, 2, 1), [".1"], what);
    const before = h.image().rgb.slice();
    for (const [x, y] of [[width, 0], [0, height]]) {
      h.put(x, y, colour);
      assertEquals(h.get(x, y), 0);
    }
    assertEquals(h.image().rgb, before, what);
    h.out(0x3ce, 1, 4);
    assertEquals(h.in(0x3cf, 1), 0, `${what}: the plane that is read is the first again`);
    if (bits === 8) continue;
    h.put(13, 7, colour | 0x80);
    assertEquals([h.get(13, 7), h.get(0, 0)], [0, colour], what);
    h.put(13, 7, colour | 0x80);
    assertEquals(h.get(13, 7), colour, what);
  }
});

Deno.test("int 10h: characters are drawn over what was there, or with bit 7 into it; the screen scrolls by rows of them", () => {
  // One of each kind of memory and height of characters: the others take as long, and no other way.
  for (const [number, bits] of MODES.filter(([mode]) => [0x04, 0x06, 0x0d, 0x10, 0x13].includes(mode))) {
    const h = screen().mode(number), mode = vgaMode(number)!, tall = mode.charHeight as 8, what = `mode ${number.toString(16)}`;
    const teletype = (text: string) => [...text].forEach((c) => h.int(0x10, { eax: 0x0e00 | c.charCodeAt(0), ebx: 1 }));
    const at = (row: number, column: number) => h.int(0x10, { eax: 0x0200, ebx: 0, edx: row << 8 | column });
    teletype("A\r\nB");
    assertEquals(shown(h, 0, 0, 8, tall), glyph("A", tall), what);
    assertEquals(shown(h, 0, tall, 8, tall), glyph("B", tall), what);
    assertEquals(shown(h, 8, 0, 8, 2 * tall), blank(2 * tall), what);
    // Drawn over: the other's pixels go.
    at(0, 0);
    h.int(0x10, { eax: 0x0943, ebx: 1, ecx: 2 });
    assertEquals(shown(h, 0, 0, 16, tall), glyph("C", tall).map((line) => line + line), what);
    if (bits < 8) {
      h.int(0x10, { eax: 0x0a43, ebx: 0x81, ecx: 1 });
      assertEquals(shown(h, 0, 0, 16, tall), glyph("C", tall).map((line) => "........" + line), `${what}: twice is nothing`);
    }
    // One row up: what was second is first, and the last is filled.
    const last = mode.rows - 1, fill = 1;
    h.int(0x10, { eax: 0x0601, ebx: fill << 8, ecx: 0, edx: last << 8 | mode.columns - 1 });
    assertEquals(shown(h, 0, 0, 8, tall), glyph("B", tall), what);
    const filled = (row: number) => h.get(0, row * tall) !== 0 && h.get(8 * mode.columns - 1, row * tall + tall - 1) !== 0;
    assertEquals([filled(last), filled(last - 1)], [true, false], what);
    // A window down: what is beside it stays.
    at(0, 2), teletype("D");
    h.int(0x10, { eax: 0x0701, ebx: 0, ecx: 0, edx: 0x0201 });
    assertEquals(shown(h, 0, tall, 8, tall), glyph("B", tall), what);
    assertEquals(shown(h, 0, 0, 8, tall), blank(tall), what);
    assertEquals(shown(h, 16, 0, 8, tall), glyph("D", tall), what);
    // All of it.
    h.int(0x10, { eax: 0x0600, ebx: 0, ecx: 0, edx: 0xffff });
    assert(h.image().rgb.every((v) => v === 0), what);
    // At the bottom, the teletype scrolls.
    at(last, mode.columns - 1), teletype("EF");
    assertEquals(shown(h, 8 * (mode.columns - 1), (last - 1) * tall, 8, tall), glyph("E", tall), what);
    assertEquals(shown(h, 0, last * tall, 8, tall), glyph("F", tall), what);
    assertEquals(h.int(0x10, { eax: 0x0300, ebx: 0 }).dx, last << 8 | 1, what);
    // There are no cells to be read, and characters behind the last row are not drawn.
    assertEquals(h.int(0x10, { eax: 0x0800, ebx: 0 }).ax, 0x20, what);
    at(last, mode.columns - 1);
    const before = h.image().rgb.slice();
    h.int(0x10, { eax: 0x0920, ebx: 0, ecx: 200 });
    assertEquals(h.image().rgb.length, before.length);
  }
});

Deno.test("int 10h: registers of the palette and colours of the DAC, one and many, are set and read back", () => {
  const h = screen(), call = (al: number, regs = {}) => h.int(0x10, { eax: 0x1000 | al, ...regs });
  const table = Uint8Array.from({ length: 17 }, (_, i) => (i * 5 + 3) & 0x3f);
  h.writeBytes(0x8000, table);
  call(0x02, { es: 0x800, edx: 0 });
  call(0x09, { es: 0x800, edx: 0x40 });
  assertEquals(h.readBytes(0x8040, 17), table);
  call(0x00, { ebx: 0x2a05 });
  call(0x01, { ebx: 0x1700 });
  assertEquals([call(0x07, { ebx: 5 }).bx >> 8, call(0x07, { ebx: 4 }).bx >> 8, call(0x08).bx >> 8], [0x2a, table[4], 0x17]);
  // Colours of 6 bits a component, in the order red, green, blue: DH, CH, CL.
  call(0x10, { ebx: 200, edx: 0x0b00, ecx: 0x1621 });
  assertEquals([call(0x15, { ebx: 200 }).dx >> 8, h.regs.ecx & 0xffff], [0x0b, 0x1621]);
  const colours = Uint8Array.from({ length: 3 * 4 }, (_, i) => i * 5);
  h.writeBytes(0x8100, colours);
  call(0x12, { ebx: 60, ecx: 4, es: 0x810, edx: 0 });
  call(0x17, { ebx: 60, ecx: 4, es: 0x820, edx: 0 });
  assertEquals(h.readBytes(0x8200, 12), colours);
  assertEquals([call(0x15, { ebx: 61 }).dx >> 8, h.regs.ecx & 0xffff], [15, 20 << 8 | 25]);
  call(0x18, { ebx: 0x3f });
  assertEquals(call(0x19, { ebx: 0 }).bx & 0xff, 0x3f);
  // Pages of 16 or 64 colours: the kind, then which.
  assertEquals(call(0x1a).bx, 0);
  call(0x13, { ebx: 0x0100 });
  call(0x13, { ebx: 0x0901 });
  assertEquals(call(0x1a).bx, 0x0901);
  call(0x13, { ebx: 0x0000 });
  call(0x13, { ebx: 0x0301 });
  assertEquals(call(0x1a).bx, 0x0c00);
  call(0x42);
  assertEquals(h.logged.at(-1), "int 10h, ax=1042");
});

Deno.test("int 10h: attribute bit 7 is blinking or a bright background, and the background of text is the border", () => {
  const h = screen(), text = () => h.card.dev.screen!.text()!;
  assertEquals(text().blink, true);
  h.int(0x10, { eax: 0x1003, ebx: 0 });
  assertEquals(text().blink, false);
  h.int(0x10, { eax: 0x1003, ebx: 1 });
  assertEquals(text().blink, true);
  h.int(0x10, { eax: 0x0b00, ebx: 0x000c });
  assertEquals(h.int(0x10, { eax: 0x1008 }).bx >> 8, 0x14);
  h.mode(4).int(0x10, { eax: 0x0b00, ebx: 0x0001 });
  const { rgb } = h.image();
  assert(rgb[0] === 0 && rgb[1] === 0 && rgb[2] > 0, "in graphics modes it is colour 0");
});

Deno.test("int 10h: fonts of 8, 14 and 16 lines and of one's own, with as many rows as fit", () => {
  const sizes = (h: ScreenHost) => [h.card.dev.screen!.text()!.rows, h.read(BDA.ROWS, 1) + 1, h.read(BDA.CHAR_HEIGHT, 2)];
  for (const [al, height, rows] of [[0x11, 14, 28], [0x12, 8, 50], [0x14, 16, 25]]) {
    const h = screen();
    h.int(0x10, { eax: 0x1100 | al, ebx: 0 });
    assertEquals(sizes(h), [rows, rows, height]);
    h.print("A");
    assertEquals(h.card.dev.screen!.text()!.cells[0] & 0xff, 0x41);
    h.int(0x10, { eax: 0x0f00 });
    h.print("\r\n".repeat(60) + "B");
    assertEquals(h.card.dev.screen!.text()!.cells[(rows - 1) * 80] & 0xff, 0x42, "it scrolls at the last of them");
  }
  // The shapes only: the rows stay. Two characters from 0x41 on, 16 lines each.
  const h = screen(), shape = Uint8Array.from({ length: 32 }, (_, i) => i < 16 ? 0xff : 0x00);
  h.writeBytes(0x8000, shape);
  h.int(0x10, { eax: 0x1100, ebx: 0x1000, ecx: 2, edx: 0x41, es: 0x800, ebp: 0 });
  h.print("AB");
  assertEquals(sizes(h), [25, 25, 16]);
  const { rgb, width } = h.image(), lit = (x: number, y: number) => rgb[3 * (y * width + x)] > 0;
  const cell = width / 80;
  assertEquals([lit(2, 3), lit(cell + 2, 3)], [true, false]);
  h.int(0x10, { eax: 0x1104, ebx: 0 });
  const again = h.image().rgb, a = builtinFont(16)[0x41 * 16];
  assertEquals(again[3 * 2] > 0, (a & 0x20) !== 0, "the ROM's characters are back");
  // Behind the last character comes the first.
  h.int(0x10, { eax: 0x1100, ebx: 0x1000, ecx: 2, edx: 0xff, es: 0x7ff, ebp: 0 });
  h.mode(0x83).int(0x10, { eax: 0x1100, ebx: 0x1000, ecx: 2, edx: 0xff, es: 0x7ff, ebp: 0 });
  h.write(0xb_8000, 2, 0x0700);
  assertEquals(h.image().rgb[3 * (3 * h.image().width + 2)] > 0, true);
  // AL=3 chooses two of the eight blocks; what is asked for and not there is told.
  h.int(0x10, { eax: 0x1103, ebx: 0x05 });
  h.out(0x3c4, 1, 3);
  assertEquals(h.in(0x3c5, 1), 5);
  h.int(0x10, { eax: 0x1105 });
  assertEquals(h.logged.at(-1), "int 10h, ax=115");
});

Deno.test("int 10h: where the fonts are, by the vectors and by AL=30h", () => {
  const h = screen().mode(0x12),
    pointer = (bh: number) => (h.int(0x10, { eax: 0x1130, ebx: bh << 8, es: 0, ebp: 0 }), h.regs.es << 16 | h.regs.ebp);
  const vector = (n: number) => h.read(4 * n, 4) >>> 0;
  h.int(0x10, { eax: 0x1120, es: 0x1234, ebp: 0x5678 });
  assertEquals([vector(0x1f), pointer(0)], [0x1234_5678, 0x1234_5678]);
  for (const [al, height, rows] of [[0x22, 14, 25], [0x23, 8, 43], [0x24, 16, 14]]) {
    const bl = { 25: 2, 43: 3, 14: 1 }[rows]!;
    h.int(0x10, { eax: 0x1100 | al, ebx: bl });
    assertEquals([h.read(BDA.CHAR_HEIGHT, 2), h.read(BDA.ROWS, 1)], [height, rows - 1]);
    assertEquals(pointer(1) >>> 0, vector(0x43));
    const at = (vector(0x43) >>> 16) * 16 + (vector(0x43) & 0xffff);
    assertEquals(h.readBytes(at, 256 * height), builtinFont(height as 8));
  }
  h.int(0x10, { eax: 0x1121, ebx: 0, ecx: 10, edx: 30, es: 0x2000, ebp: 0x100 });
  assertEquals([vector(0x43), h.read(BDA.CHAR_HEIGHT, 2), h.read(BDA.ROWS, 1)], [0x2000_0100, 10, 29]);
  assertEquals([h.int(0x10, { eax: 0x1130, ebx: 0x0600 }).cx, h.regs.edx & 0xff], [10, 29]);
  const rom = [2, 3, 4, 5, 6, 7].map((bh) => [pointer(bh) >>> 16, pointer(bh) & 0xffff]);
  assertEquals(rom.map(([segment]) => segment), Array(6).fill(ROM_SEGMENT));
  assertEquals(rom.map(([, offset]) => h.read(ROM_SEGMENT * 16 + offset + 0x41 * 1, 1)).length, 6);
  for (const [i, height] of [[0, 14], [1, 8], [4, 16]]) {
    assertEquals(h.readBytes(ROM_SEGMENT * 16 + rom[i][1], 16), builtinFont(height as 8).slice(0, 16));
  }
  assertEquals(rom[2][1] - rom[1][1], 1024, "the upper half of the small font");
  assertEquals(pointer(9), 0, "there are no more");
});

Deno.test("int 10h: what the card is, which lines it offers, and the table of what the BIOS can do", () => {
  const h = screen(), ask = (bl: number) => h.int(0x10, { eax: 0x1200, ebx: bl });
  assertEquals([ask(0x10).bx, h.regs.ecx & 0xffff], [0x0003, 0x0009]);
  for (const bl of [0x30, 0x31, 0x32, 0x33, 0x34, 0x36]) assertEquals(ask(bl).al, 0x12);
  ask(0x99);
  assertEquals(h.logged.at(-1), "int 10h, ah=12h, bl=99");
  assertEquals([h.int(0x10, { eax: 0x1a00, ebx: 0 }).bx, h.int(0x10, { eax: 0x1a00 }).al], [8, 0x1a]);
  assertEquals(h.int(0x10, { eax: 0x1b00, ebx: 0, es: 0x800, edi: 0x10 }).al, 0x1b);
  assertEquals(h.read(0x8010, 4) >>> 0, (ROM_SEGMENT << 16 | FUNCTIONALITY_AT) >>> 0);
  assertEquals([h.read(0x8014, 1), h.read(0x8015, 2), h.read(0x8032, 1), h.read(0x8033, 2)], [3, 80, 24, 16]);
  assertEquals([h.read(0x8035, 1), h.read(0x8037, 1), h.read(0x8041, 1)], [8, 16, 3], "VGA, 16 colours, 256 KiB");
});

Deno.test("int 10h: bit 7 of a mode keeps the memory; pages of a graphics mode are behind each other; no mode is refused", () => {
  const h = screen().mode(0x0d);
  h.put(5, 5, 3);
  h.mode(0x8d);
  assertEquals([h.get(5, 5), h.int(0x10, { eax: 0x0f00 }).ax, h.read(BDA.VIDEO, 1) & 0x80], [3, 0x288d, 0x80]);
  h.mode(0x0d);
  assertEquals([h.get(5, 5), h.int(0x10, { eax: 0x0f00 }).ax], [0, 0x280d]);
  h.put(5, 5, 3);
  h.int(0x10, { eax: 0x0501 });
  assertEquals(shown(h, 5, 5, 1, 1), ["."]);
  h.int(0x10, { eax: 0x0500 });
  assertEquals(shown(h, 5, 5, 1, 1), ["1"]);
  h.mode(0x55);
  assertEquals([h.logged.at(-1), h.int(0x10, { eax: 0x0f00 }).ax & 0xff], ["no video mode 0x55", 0x0d]);
  assertEquals([0x03, 0x06, 0x13].map((m) => h.int(0x10, { eax: m }).al), [0x30, 0x3f, 0x20]);
});

Deno.test("VBE: the window, the length of a line, the start of the display, the DAC's width and its colours", () => {
  const h = screen(), call = (al: number, regs = {}) => h.int(0x10, { eax: 0x4f00 | al, ...regs });
  const OK = 0x4f, FAILED = 0x14f, INVALID = 0x34f;
  assertEquals([call(0x06, { ebx: 1 }).ax, call(0x07, { ebx: 1 }).ax], [INVALID, INVALID], "in a text mode");
  assertEquals(call(0x02, { ebx: 0x105 }).ax, OK);
  assertEquals([call(0x05, { ebx: 0, edx: 3 }).ax, call(0x05, { ebx: 0x100, edx: 0 }).dx], [OK, 3]);
  h.write(0xa_0000, 1, 7);
  assertEquals([call(0x05, { ebx: 0, edx: 0 }).ax, h.read(0xa_0000, 1), call(0x05, { ebx: 1 }).ax, call(0x05, { ebx: 0x200 }).ax], [
    OK,
    0,
    FAILED,
    FAILED,
  ]);
  const line = (bl: number, cx = 0) => [call(0x06, { ebx: bl, ecx: cx }).ax, h.regs.ebx & 0xffff, h.regs.ecx & 0xffff];
  assertEquals(line(1), [OK, 1024, 1024]);
  assertEquals(line(0, 1600), [OK, 1600, 1600]);
  assertEquals(h.regs.edx & 0xffff, Math.floor(16 * 2 ** 20 / 1600));
  assertEquals(line(2, 2048), [OK, 2048, 2048]);
  assertEquals(line(3), [OK, 0xffff, 0xffff]);
  assertEquals(line(4)[0], FAILED);
  assertEquals([call(0x07, { ebx: 0, ecx: 8, edx: 16 }).ax, call(0x07, { ebx: 1, ecx: 0, edx: 0 }).cx, h.regs.edx & 0xffff], [OK, 8, 16]);
  assertEquals([call(0x07, { ebx: 0x80, ecx: 0, edx: 32 }).ax, call(0x07, { ebx: 1 }).dx, call(0x07, { ebx: 2 }).ax], [OK, 32, FAILED]);
  // 32 bits a pixel: a length in bytes is rounded up to pixels.
  assertEquals(call(0x02, { ebx: 0x4143 }).ax, OK);
  assertEquals(line(2, 4 * 1000 + 1), [OK, 4 * 1001, 1001]);
  assertEquals(
    [call(0x08, { ebx: 1 }).ax, call(0x09, { ebx: 1, ecx: 0 }).ax],
    [INVALID, INVALID],
    "4.11, 4.12: true colour has no palette",
  );
  assertEquals(call(0x02, { ebx: 0x4103 }).ax, OK);
  const width = (bl: number, bh = 0) => [call(0x08, { ebx: bh << 8 | bl }).ax, h.regs.ebx >> 8 & 0xff];
  assertEquals([width(1), width(0, 8), width(1), width(0, 6), width(1), width(2)[0]], [
    [OK, 6],
    [OK, 8],
    [OK, 8],
    [OK, 6],
    [OK, 6],
    FAILED,
  ]);
  // Blue, green, red and a byte that stays as it is.
  const colours = Uint8Array.of(1, 2, 3, 0xee, 4, 5, 6, 0xee);
  h.writeBytes(0x8000, colours);
  assertEquals(call(0x09, { ebx: 0, ecx: 2, edx: 9, es: 0x800, edi: 0 }).ax, OK);
  assertEquals([h.int(0x10, { eax: 0x1015, ebx: 9 }).dx >> 8, h.regs.ecx & 0xffff], [3, 0x0201]);
  h.writeBytes(0x8100, new Uint8Array(8).fill(0xdd));
  assertEquals(call(0x09, { ebx: 1, ecx: 2, edx: 9, es: 0x810, edi: 0 }).ax, OK);
  assertEquals(h.readBytes(0x8100, 8), Uint8Array.of(1, 2, 3, 0xdd, 4, 5, 6, 0xdd));
  assertEquals([call(0x09, { ebx: 2, ecx: 0 }).ax, call(0x0c).ax], [FAILED, 0x0100]);
});
