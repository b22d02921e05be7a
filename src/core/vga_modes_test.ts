// The standard modes: what their registers come to is what the mode is said to be; and every register and colour as when it was last compared
// with the reference (IBM PS/2 Hardware Interface Technical Reference, October 1990, "Video Subsystem").
import { assertEquals } from "@std/assert";
import { textMode, vgaMode, vgaPalette } from "./vga_modes.ts";

/** FNV-1a over numbers. */
const digest = (...lists: readonly (readonly number[])[]): string =>
  lists.reduce((h, list) => [list.length, ...list].reduce((h, v) => Math.imul(h ^ v, 0x0100_0193), h), 0x811c_9dc5 | 0).toString(16);

/** Columns, rows, lines of a character, segment, pixels, palette; a digest of the registers. */
const MODES: Readonly<Record<number, readonly [number, number, number, number, string, string, string]>> = {
  0x00: [40, 25, 16, 0xb800, "", "ega", "-4eee3a6c"],
  0x01: [40, 25, 16, 0xb800, "", "ega", "-4eee3a6c"],
  0x02: [80, 25, 16, 0xb800, "", "ega", "-229207d3"],
  0x03: [80, 25, 16, 0xb800, "", "ega", "-229207d3"],
  0x04: [40, 25, 8, 0xb800, "320x200x2", "cga", "-3729f1fb"],
  0x05: [40, 25, 8, 0xb800, "320x200x2", "cga", "-3729f1fb"],
  0x06: [80, 25, 8, 0xb800, "640x200x1", "cga", "2eb22bbf"],
  0x07: [80, 25, 16, 0xb000, "", "mono", "1ec4bcba"],
  0x0d: [40, 25, 8, 0xa000, "320x200x4", "cga", "5241b80b"],
  0x0e: [80, 25, 8, 0xa000, "640x200x4", "cga", "3648ac9c"],
  0x10: [80, 25, 14, 0xa000, "640x350x4", "ega", "-c7c13cb"],
  0x11: [80, 30, 16, 0xa000, "640x480x1", "ega", "-3780f736"],
  0x12: [80, 30, 16, 0xa000, "640x480x4", "ega", "2399e24b"],
  0x13: [40, 25, 8, 0xa000, "320x200x8", "256", "513d20d3"],
};

Deno.test("int 10h's modes: size, place and palette by number, and what the registers come to", () => {
  for (let number = 0; number < 256; number++) {
    const mode = vgaMode(number), want = MODES[number];
    assertEquals(mode === undefined, want === undefined, `mode ${number}`);
    if (!mode || !want) continue;
    const { columns, rows, charHeight, segment, graphicsSize, palette, misc, sequencer, crtc, graphics, attribute } = mode;
    const registers = digest([misc], sequencer, crtc, graphics, attribute);
    assertEquals(
      [columns, rows, charHeight, segment, graphicsSize?.join("x") ?? "", palette, registers],
      [...want],
      `mode ${number.toString(16)}`,
    );
    assertEquals([sequencer.length, crtc.length, graphics.length, attribute.length], [4, 25, 9, 20]);
    // Dots of a line: characters of 8 or 9 dots, halved by the sequencer or by 256 colours. Lines: with their ninth and tenth bits.
    const dots = (crtc[1] + 1) * (sequencer[0] & 1 || graphicsSize ? 8 : 9),
      lines = crtc[0x12] + 1 + ((crtc[7] & 2) << 7) + ((crtc[7] & 0x40) << 3);
    const [width, height] = graphicsSize ?? [columns * 9, rows * charHeight];
    assertEquals(
      [dots / (attribute[0x10] & 0x40 ? 2 : 1), lines / (graphicsSize && crtc[9] & 0x81 ? 2 : 1)],
      [width, height],
      `mode ${number.toString(16)}`,
    );
    assertEquals([(attribute[0x10] & 1) !== 0, (graphics[6] & 1) !== 0, vgaMode(number) === mode], [
      graphicsSize !== undefined,
      graphicsSize !== undefined,
      true,
    ]);
  }
});

Deno.test("what a BIOS starts with is mode 3", () => {
  assertEquals(textMode() === vgaMode(3), true);
});

Deno.test("the four palettes, colour by colour", () => {
  const hex = (rgb: readonly number[]) => rgb.map((v) => v.toString(16).padStart(2, "0")).join("");
  const colour = (kind: Parameters<typeof vgaPalette>[0], n: number) => hex(vgaPalette(kind).slice(3 * n, 3 * n + 3));
  const cga = [
    "000000",
    "00002a",
    "002a00",
    "002a2a",
    "2a0000",
    "2a002a",
    "2a1500",
    "2a2a2a",
    "151515",
    "15153f",
    "153f15",
    "153f3f",
    "3f1515",
    "3f153f",
    "3f3f15",
    "3f3f3f",
  ];
  assertEquals(Array.from({ length: 16 }, (_, n) => colour("256", n)), cga);
  assertEquals(
    Array.from({ length: 8 }, (_, n) => [colour("cga", n), colour("cga", n + 0x10), colour("cga", n + 8)]),
    Array.from({ length: 8 }, (_, n) => [cga[n], cga[n + 8], cga[n]]),
  );
  for (let n = 0; n < 64; n++) {
    const part = (low: number, high: number) => (n >> low & 1) * 0x2a + (n >> high & 1) * 0x15;
    assertEquals(colour("ega", n), hex([part(2, 5), part(1, 4), part(0, 3)]), `ega ${n}`);
    assertEquals(colour("mono", n), hex(Array(3).fill([0, 0x2a, 0x15, 0x3f][n >> 3 & 3])), `mono ${n}`);
  }
  assertEquals((["ega", "cga", "mono", "256"] as const).map((kind) => [vgaPalette(kind).length, digest(vgaPalette(kind))]), [
    [768, "-26856b41"],
    [768, "64467ef"],
    [768, "25bd5c9f"],
    [768, "42833ded"],
  ]);
});
