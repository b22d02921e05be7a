import { assert, assertEquals } from "@std/assert";
import { builtinFont } from "../../../core/font8x16.ts";
import { PciBus, PciSlot } from "../../../core/pci.ts";
import { type VgaMode, vgaMode, vgaPalette } from "../../../core/vga_modes.ts";
import { type Bench, bench } from "../../testing/bench.ts";
import type { Device } from "../../../core/device.ts";
import vga from "./mod.ts";

const MEMORY = 0, LFB = 1, PORTS = 2, VBE = 3;

function card(given: { text_mode?: boolean; vram?: number } = {}) {
  const b = bench(vga, given), screen = b.dev.screen!;
  const out = (port: number, value: number, size: 1 | 2 = 1) => b.write(port - 0x3b0, value, size, PORTS);
  const input = (port: number) => b.read(port - 0x3b0, 1, PORTS);
  const indexed = (port: number, index: number, value: number) => out(port, index | value << 8, 2);
  const vbe = (index: number, value: number) => {
    b.write(0, index, 2, VBE);
    b.write(1, value, 2, VBE);
  };
  const vbeRead = (index: number) => {
    b.write(0, index, 2, VBE);
    return b.read(1, 2, VBE);
  };
  const poke = (paddr: number, value: number, size: 1 | 2 | 4 = 1) => b.write(paddr - 0xa0000, value, size, MEMORY);
  const peek = (paddr: number, size: 1 | 2 | 4 = 1) => b.read(paddr - 0xa0000, size, MEMORY);
  return { b, screen, out, input, indexed, vbe, vbeRead, poke, peek, mode: (m: VgaMode) => setMode(b, m) };
}

/** Programs a mode through the ports, as a BIOS does. */
function setMode(b: Bench<Device>, mode: VgaMode): void {
  const out = (port: number, value: number) => b.write(port - 0x3b0, value, 1, PORTS);
  out(0x3c2, mode.misc);
  const crtc = mode.misc & 1 ? 0x3d4 : 0x3b4;
  for (const [i, v] of mode.sequencer.entries()) out(0x3c4, i + 1), out(0x3c5, v);
  out(crtc, 0x11), out(crtc + 1, 0);
  for (const [i, v] of mode.crtc.entries()) out(crtc, i), out(crtc + 1, v);
  for (const [i, v] of mode.graphics.entries()) out(0x3ce, i), out(0x3cf, v);
  b.read(crtc + 6 - 0x3b0, 1, PORTS);
  for (const [i, v] of mode.attribute.entries()) out(0x3c0, i), out(0x3c0, v);
  out(0x3c0, 0x20);
  out(0x3c8, 0);
  for (const v of vgaPalette(mode.palette)) out(0x3c9, v);
}

const pixel = (
  image: { width: number; rgb: Uint8Array },
  x: number,
  y: number,
) => [...image.rgb.subarray(3 * (y * image.width + x), 3 * (y * image.width + x) + 3)];
const line = (cells: Uint16Array, row: number, columns = 80) =>
  String.fromCharCode(...[...cells.subarray(row * columns, (row + 1) * columns)].map((c) => c & 0xff)).trimEnd();

Deno.test("vga: switched off at power-on; text_mode shows an empty screen of 80 by 25", () => {
  const off = card();
  assertEquals(off.screen.text(), undefined);
  assert(off.screen.image().rgb.every((v) => v === 0));
  const { screen } = card({ text_mode: true }), text = screen.text()!;
  assertEquals([text.columns, text.rows, text.blink], [80, 25, true]);
  assertEquals(text.cursor, { row: 0, column: 0, visible: true });
  assert(text.cells.every((c) => c === 0x0720));
});

Deno.test("vga: what is written at 0xb8000 is on the screen, with its attribute; the changed row is reported", () => {
  const { screen, poke, peek } = card({ text_mode: true }), rows: number[] = [];
  screen.onChange = (row) => rows.push(row);
  for (const [i, c] of [..."Hello"].entries()) poke(0xb8000 + 2 * (3 * 80 + 2 + i), c.charCodeAt(0) | 0x4e00, 2);
  const text = screen.text()!;
  assertEquals(line(text.cells, 3), "  Hello");
  assertEquals(text.cells[3 * 80 + 2], 0x4e48);
  assertEquals(peek(0xb8000 + 2 * (3 * 80 + 2), 4), 0x4e65_4e48);
  assertEquals([...new Set(rows)], [3]);
  rows.length = 0;
  poke(0xb8000 + 2 * (3 * 80 + 2), 0x4e48, 2);
  assertEquals(rows, [], "writing the same again changes nothing");
  poke(0xa0000, 0x11);
  poke(0xb0000, 0x11);
  assertEquals(peek(0xa0000), 0xff, "the window is at 0xb8000 only");
});

Deno.test("vga: cursor, start address and blink follow the registers", () => {
  const { screen, indexed, out, input, poke } = card({ text_mode: true });
  poke(0xb8000 + 160, 0x0741, 2);
  indexed(0x3d4, 0x0e, 0);
  indexed(0x3d4, 0x0f, 85);
  assertEquals(screen.text()!.cursor, { row: 1, column: 5, visible: true });
  indexed(0x3d4, 0x0a, 0x20);
  assertEquals(screen.text()!.cursor.visible, false);
  indexed(0x3d4, 0x0c, 0);
  indexed(0x3d4, 0x0d, 80);
  assertEquals(screen.text()!.cells[0], 0x0741);
  assertEquals(screen.text()!.cursor.row, 0);
  input(0x3da);
  out(0x3c0, 0x30), out(0x3c0, 0x04);
  assertEquals(screen.text()!.blink, false);
  assertEquals(screen.text()!.columns, 80);
  indexed(0x3c4, 1, 0x20);
  assertEquals(screen.text(), undefined, "the sequencer has switched the screen off");
});

Deno.test("vga: CRTC registers 0 to 7 are locked by bit 7 of register 17, except for the line compare bit", () => {
  const { out, input } = card({ text_mode: true });
  const read = (i: number) => (out(0x3d4, i), input(0x3d5));
  assertEquals(read(0x11) & 0x80, 0x80);
  out(0x3d4, 0), out(0x3d5, 0x12);
  out(0x3d4, 7), out(0x3d5, 0x00);
  assertEquals([read(0), read(7)], [0x5f, 0x0f]);
  out(0x3d4, 0x11), out(0x3d5, 0x0e);
  out(0x3d4, 0), out(0x3d5, 0x12);
  assertEquals(read(0), 0x12);
});

Deno.test("vga: the attribute port alternates between index and data, and reading the status begins again", () => {
  const { out, input } = card({ text_mode: true });
  input(0x3da);
  out(0x3c0, 0x02);
  assertEquals(input(0x3c1), 0x02);
  out(0x3c0, 0x3f);
  out(0x3c0, 0x02);
  assertEquals(input(0x3c1), 0x3f);
  input(0x3da);
  out(0x3c0, 0x33);
  assertEquals(input(0x3c1), 0x08, "0x33 was an index again: register 19");
});

Deno.test("vga: the DAC counts through components and colours, 6 bits each; the mask and the state can be read", () => {
  const { out, input } = card();
  out(0x3c8, 0x10);
  for (const v of [1, 2, 0xff, 4, 5, 6]) out(0x3c9, v);
  assertEquals(input(0x3c8), 0x12);
  out(0x3c7, 0x10);
  assertEquals(input(0x3c7), 3);
  assertEquals([1, 2, 3, 4, 5, 6].map(() => input(0x3c9)), [1, 2, 0x3f, 4, 5, 6]);
  out(0x3c6, 0x0f);
  assertEquals(input(0x3c6), 0x0f);
});

Deno.test("vga: status 1 shows the vertical retrace once in each frame", () => {
  const { b, input } = card({ text_mode: true });
  let retraces = 0, was = 0, blank = 0;
  for (let t = 0; t < 28_536; t++) {
    const now = input(0x3da);
    if (now & 8 && !was) retraces++;
    was = now & 8;
    blank += now & 1;
    b.passNs(1000);
  }
  assertEquals(retraces, 2);
  assert(blank > 6000 && blank < 12000);
});

Deno.test("vga: a picture of text has 9 by 16 dots for a character, from the font in plane 2", () => {
  const { screen, poke, indexed } = card({ text_mode: true });
  indexed(0x3d4, 0x0a, 0x20);
  poke(0xb8000, 0x1e00 | 0x41, 2);
  const image = screen.image();
  assertEquals([image.width, image.height], [720, 400]);
  const font = builtinFont(16);
  for (let y = 0; y < 16; y++) {
    for (let x = 0; x < 9; x++) {
      const lit = x < 8 && font[0x41 * 16 + y] & 0x80 >> x;
      assertEquals(pixel(image, x, y), lit ? [0xff, 0xff, 0x55] : [0, 0, 0xaa]);
    }
  }
  // A guest's own font: character 0x41 becomes a bar at its left edge, and a line-drawing one reaches into the ninth dot.
  indexed(0x3c4, 2, 4), indexed(0x3c4, 4, 6), indexed(0x3ce, 5, 0), indexed(0x3ce, 6, 4), indexed(0x3ce, 4, 2);
  for (let y = 0; y < 16; y++) poke(0xa0000 + 0x41 * 32 + y, 0x80), poke(0xa0000 + 0xc4 * 32 + y, 0xff);
  indexed(0x3c4, 2, 3), indexed(0x3c4, 4, 2), indexed(0x3ce, 5, 0x10), indexed(0x3ce, 6, 0xe), indexed(0x3ce, 4, 0);
  poke(0xb8002, 0x07c4, 2);
  const changed = screen.image();
  assertEquals([0, 1, 8, 9, 16, 17].map((x) => pixel(changed, x, 5)[0]), [0xff, 0, 0, 0xaa, 0xaa, 0xaa]);
});

Deno.test("vga: mode 13h is 320 by 200 bytes at 0xa0000", () => {
  const { screen, poke, peek, mode } = card();
  mode(vgaMode(0x13)!);
  assertEquals(screen.text(), undefined);
  poke(0xa0000 + 320 * 100 + 161, 0x0c0e, 2);
  assertEquals(peek(0xa0000 + 320 * 100 + 161, 2), 0x0c0e);
  const image = screen.image();
  assertEquals([image.width, image.height], [320, 200]);
  assertEquals(pixel(image, 161, 100), [0xff, 0xff, 0x55]);
  assertEquals(pixel(image, 162, 100), [0xff, 0x55, 0x55]);
  assertEquals(pixel(image, 160, 100), [0, 0, 0]);
});

Deno.test("vga: mode X: the planes of 256 colours without chain 4", () => {
  const { screen, poke, indexed, mode } = card();
  mode(vgaMode(0x13)!);
  indexed(0x3c4, 4, 6);
  indexed(0x3d4, 0x14, 0);
  indexed(0x3d4, 0x17, 0xe3);
  indexed(0x3c4, 2, 0b0100);
  poke(0xa0000 + 80 * 3 + 1, 0x0e);
  assertEquals(pixel(screen.image(), 6, 3), [0xff, 0xff, 0x55]);
});

Deno.test("vga: planar 640 by 480: write modes, logic, set/reset, read modes", () => {
  const { screen, poke, peek, indexed, mode } = card();
  mode(vgaMode(0x12)!);
  const at = 0xa0000 + 80 * 479 + 79, colourAt = (x: number) => pixel(screen.image(), 632 + x, 479);
  indexed(0x3c4, 2, 0b0101);
  poke(at, 0xf0);
  assertEquals([colourAt(0), colourAt(4)], [[0xaa, 0, 0xaa], [0, 0, 0]]);
  indexed(0x3c4, 2, 0xf);
  // Set/reset: colour 14 in the pixels of the mask; the latches keep the rest.
  indexed(0x3ce, 0, 14), indexed(0x3ce, 1, 0xf), indexed(0x3ce, 8, 0x0f);
  peek(at);
  poke(at, 0);
  assertEquals([colourAt(0), colourAt(4)], [[0xaa, 0, 0xaa], [0xff, 0xff, 0x55]]);
  // Write mode 2: the value is a colour; exclusive or with the latches.
  indexed(0x3ce, 1, 0), indexed(0x3ce, 5, 2), indexed(0x3ce, 3, 0x18), indexed(0x3ce, 8, 0x80);
  peek(at);
  poke(at, 0b1111);
  indexed(0x3ce, 3, 0);
  assertEquals(colourAt(0), [0x55, 0xff, 0x55]);
  // Write mode 3: the rotated value masks the set/reset colour.
  indexed(0x3ce, 5, 3), indexed(0x3ce, 8, 0xff), indexed(0x3ce, 0, 1), indexed(0x3ce, 3, 1);
  peek(at);
  poke(at, 0x04);
  assertEquals(colourAt(6), [0, 0, 0xaa]);
  indexed(0x3ce, 3, 0);
  // Write mode 1 copies the latches.
  indexed(0x3ce, 5, 1);
  peek(at);
  poke(at - 80, 0);
  const image = screen.image();
  for (let x = 632; x < 640; x++) assertEquals(pixel(image, x, 478), pixel(image, x, 479));
  // Read modes: one plane, and the comparison of the colour in all planes.
  indexed(0x3ce, 5, 0), indexed(0x3ce, 4, 3);
  const blue = peek(at);
  assertEquals(blue, 0b1000_1101);
  indexed(0x3ce, 5, 8), indexed(0x3ce, 2, 14), indexed(0x3ce, 7, 0xf);
  assertEquals(peek(at), 0b0000_1101);
  indexed(0x3ce, 7, 0);
  assertEquals(peek(at), 0xff, "no plane is cared for");
});

Deno.test("vga: CGA's four colours in two banks", () => {
  const { screen, poke, mode } = card();
  mode(vgaMode(4)!);
  poke(0xb8000, 0b00_01_10_11);
  poke(0xba000, 0b11_00_00_00);
  const image = screen.image();
  assertEquals([image.width, image.height], [320, 200]);
  assertEquals([0, 1, 2, 3].map((x) => pixel(image, x, 0)), [[0, 0, 0], [0x55, 0xff, 0xff], [0xff, 0x55, 0xff], [0xff, 0xff, 0xff]]);
  assertEquals(pixel(image, 0, 1), [0xff, 0xff, 0xff]);
});

Deno.test("vga: VBE: identification, limits, a mode of 32 bits in the linear framebuffer and through the banks", () => {
  const { b, screen, vbe, vbeRead, poke, peek } = card();
  assertEquals(vbeRead(0), 0xb0c5);
  vbe(0, 0xb0c2);
  assertEquals(vbeRead(0), 0xb0c2);
  assertEquals(vbeRead(10), 256);
  vbe(4, 2);
  assertEquals([1, 2, 3].map(vbeRead), [16000, 12000, 32]);
  vbe(4, 0);
  vbe(1, 800), vbe(2, 600), vbe(3, 32), vbe(4, 0x41);
  assertEquals([6, 7].map(vbeRead), [800, 16 * 2 ** 20 / 3200 | 0]);
  b.write(4 * (800 * 10 + 5), 0x00ff_8040, 4, LFB);
  const image = screen.image();
  assertEquals([image.width, image.height, screen.text()], [800, 600, undefined]);
  assertEquals(pixel(image, 5, 10), [0xff, 0x80, 0x40]);
  vbe(5, 1);
  poke(0xa0000, 0x1234_5678, 4);
  assertEquals(b.read(0x1_0000, 4, LFB), 0x1234_5678);
  assertEquals(peek(0xa0000, 2), 0x5678);
  vbe(6, 1600), vbe(8, 2), vbe(9, 1);
  b.write(4 * (1600 + 2), 0x0000_00ff, 4, LFB);
  assertEquals(pixel(screen.image(), 0, 0), [0, 0, 0xff]);
  vbe(4, 0), vbe(4, 0xc1);
  assertEquals(b.read(4 * (1600 + 2), 1, LFB), 0xff, "kept when asked");
  vbe(4, 0), vbe(4, 0x41);
  assertEquals(b.read(4 * (1600 + 2), 1, LFB), 0, "cleared otherwise");
});

Deno.test("vga: VBE: 8, 15, 16 and 24 bits, and a DAC of 8 bits", () => {
  const { b, screen, vbe, out } = card();
  const show = (bpp: number, flags: number, bytes: number[]) => {
    vbe(4, 0), vbe(1, 640), vbe(2, 480), vbe(3, bpp), vbe(4, 0x41 | flags);
    for (const [i, v] of bytes.entries()) b.write(i, v, 1, LFB);
    return pixel(screen.image(), 1, 0);
  };
  assertEquals(show(15, 0, [0, 0, 0x1f, 0x7c]), [0xff, 0, 0xff]);
  assertEquals(show(16, 0, [0, 0, 0xe0, 0x07]), [0, 0xff, 0]);
  assertEquals(show(24, 0, [0, 0, 0, 1, 2, 3]), [3, 2, 1]);
  out(0x3c8, 7);
  for (const v of [0x3f, 0, 0x20]) out(0x3c9, v);
  assertEquals(show(8, 0, [0, 7]), [0xff, 0, 0x82]);
  assertEquals(show(8, 0x20, [0, 7]), [0xff, 0, 0x82]);
  out(0x3c8, 7);
  for (const v of [0x81, 0, 0]) out(0x3c9, v);
  assertEquals(pixel(screen.image(), 1, 0), [0x81, 0, 0]);
});

Deno.test("the built-in font: every drawn character differs from every other, and has no more than its cell", () => {
  const font = builtinFont(16), seen = new Map<string, number>();
  for (let c = 0x21; c < 0x7f; c++) {
    const key = font.subarray(16 * c, 16 * c + 16).join();
    assert(!seen.has(key), `${String.fromCharCode(c)} looks like ${String.fromCharCode(seen.get(key) ?? 0)}`);
    seen.set(key, c);
  }
  assertEquals([...font.subarray(16 * 0xdb, 16 * 0xdc)], Array(16).fill(0xff));
  assertEquals([8, 14, 16].map((h) => builtinFont(h as 8).length), [2048, 3584, 4096]);
});

Deno.test("vga: plain memory goes to the bus while nobody watches; watched or not, the same bytes are there", () => {
  const run = (watched: boolean) => {
    const { b, screen, mode, poke, peek, indexed } = card({ text_mode: true }), [window, lfb] = b.dev.windows!;
    if (watched) screen.onChange = () => {};
    // A processor's store: into plain memory where it is offered, else by the device.
    const store = (paddr: number, value: number) => {
      const offset = paddr - 0xa0000, d = window.direct!.find((d) => offset >= d.offset && offset < d.offset + d.bytes.length);
      if (d) d.bytes[offset - d.offset] = value;
      else poke(paddr, value);
    };
    const seen: unknown[] = [];
    const offered = () => window.direct!.map((d) => [d.offset, d.bytes.length]);
    assertEquals(offered(), []);
    poke(0xb8000, 0x41);
    assertEquals(offered(), watched ? [] : [[0x18000, 0x8000]]);
    for (let i = 1; i < 0x8000; i += 77) store(0xb8000 + i, i & 0xff);
    seen.push([...screen.text()!.cells], peek(0xb8000 + 78), peek(0xbffff), peek(0xa0000));
    // The planes have it, too: byte 78 is in plane 0 at 78, byte 155 in plane 1 at 154.
    seen.push(b.read(4 * 78, 1, LFB), b.read(4 * 154 + 1, 1, LFB));
    b.write(4 * 80, 0x5a, 1, LFB);
    seen.push(screen.text()!.cells[40]);
    // A font is loaded into plane 2: not plain.
    indexed(0x3c4, 2, 4), indexed(0x3c4, 4, 6), indexed(0x3ce, 5, 0), indexed(0x3ce, 6, 0), indexed(0x3ce, 4, 2);
    assertEquals(offered(), []);
    poke(0xa0000, 0xaa);
    seen.push(peek(0xa0000));
    mode(vgaMode(0x13)!);
    poke(0xa0000, 1);
    assertEquals(offered(), watched ? [] : [[0, 0x10000]]);
    for (let i = 0; i < 64000; i += 7) store(0xa0000 + i, i >> 8);
    seen.push([...screen.image().rgb]);
    seen.push([...b.memory.subarray(0, 0x4_0000)], lfb.direct!.length);
    return seen;
  };
  assertEquals(run(true), run(false));
});

Deno.test("vga: a VBE mode offers the framebuffer and the bank at 0xa0000", () => {
  const { b, vbe, peek } = card(), [window, lfb] = b.dev.windows!;
  vbe(1, 640), vbe(2, 480), vbe(3, 32), vbe(4, 0x41);
  assertEquals(lfb.direct!.map((d) => [d.offset, d.bytes.length]), [[0, 16 << 20]]);
  vbe(5, 2);
  lfb.direct![0].bytes[0x2_0010] = 0x77;
  assertEquals([window.direct![0].bytes[0x10], window.direct![0].bytes.length, peek(0xa0010)], [0x77, 0x1_0000, 0x77]);
  vbe(4, 0);
  assertEquals([window.direct, lfb.direct], [[], []]);
  vbe(4, 0x41);
  assertEquals(b.read(0x2_0010, 1, LFB), 0, "switching on clears");
});

Deno.test("vga: many bytes at once do what they do one by one, in every kind of mode", () => {
  const data = Uint8Array.from({ length: 600 }, (_, i) => i * 7);
  for (const number of [3, 0x12, 0x13, 0x0d, 4]) {
    const [whole, single] = [card(), card()].map((c, n) => {
      c.mode(vgaMode(number)!);
      const offset = number === 3 || number === 4 ? 0x1_8000 : 0x0010;
      const write = (at: number, bytes: Uint8Array) =>
        n === 0 ? c.b.dev.windows![MEMORY].writeBytes!(at, bytes) : bytes.forEach((v, i) => c.b.write(at + i, v, 1, MEMORY));
      write(offset, data);
      // A font goes to plane 2; then logic and a mask.
      c.indexed(0x3c4, 2, 4), c.indexed(0x3c4, 4, 6), c.indexed(0x3ce, 5, 0), c.indexed(0x3ce, 6, 4);
      write(0x40, data);
      c.indexed(0x3ce, 8, 0x3c), c.indexed(0x3ce, 3, 0x18), c.indexed(0x3c4, 2, 0xf);
      write(0x80, data);
      write(0xfff0, data);
      return c.b.memory;
    });
    assert(whole.every((v, i) => v === single[i]), `mode ${number}`);
  }
});

Deno.test("vga on PCI: ids, the framebuffer as BAR 0, ports and VBE registers as memory in BAR 2", () => {
  const b = bench(vga, {}, { pci: new PciSlot(2, 0) }), { pci, windows } = b.dev, config: Record<string, Uint8Array> = {};
  assertEquals([windows!.length, vga.windows(b.config as never, true).map((w) => w.name)], [3, ["memory", "ports", "vbe"]]);
  const bus = new PciBus({ mem: b.dma, io: undefined, config: () => config, lines: [], route: () => 0 });
  bus.plug(new PciSlot(2, 0), pci!);
  bus.reset();
  assertEquals([bus.read(2, 0, 0, 4), bus.read(2, 0, 8, 4)], [0x1111_1234, 0x0300_0002]);
  for (const [at, value] of [[0x10, 0xe000_0000], [0x18, 0xf000_0000], [0x04, 2]]) bus.write(2, 0, at, 4, value);
  const read = (offset: number, size: 1 | 2 | 4) => b.dma.read(0xf000_0000 + offset, size);
  const write = (offset: number, size: 1 | 2, value: number) => b.dma.write(0xf000_0000 + offset, size, value);
  write(0x402, 1, 0x67); // miscellaneous output: 0x3c2
  write(0x404, 2, 0x0f02); // sequencer 2: 0x3c4 and 0x3c5
  write(0x506, 2, 32); // VBE registers: depth
  write(0x502, 2, 800);
  assertEquals([read(0x40c, 1), read(0x404, 2), read(0x500, 2), read(0x506, 2), read(0x502, 2)], [0x67, 0x0f02, 0xb0c5, 32, 800]);
  assertEquals([read(0x600, 4), read(0x604, 4), read(0x800, 4)], [8, 0x1e1e_1e1e, 0]);
  b.dma.write(0xe000_1000, 4, 0x00ff_8040);
  assertEquals(b.dma.read(0xe000_1000, 4), 0x00ff_8040);
});
