// What a VGA BIOS writes into the registers for the standard modes, and the palettes that go with them.
// Source: IBM PS/2 Hardware Interface Technical Reference (October 1990), "Video Subsystem": BIOS modes and default register values.

/** The registers of one mode, each list from index 0 (sequencer: from 1). */
export interface VgaMode {
  readonly misc: number;
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly graphics: readonly number[];
  readonly attribute: readonly number[];
  readonly palette: "ega" | "cga" | "mono" | "256";
  /** Columns and rows of text, and pixel lines of a character. */
  readonly columns: number;
  readonly rows: number;
  readonly charHeight: number;
  /** Where the CPU finds the screen. */
  readonly segment: number;
  /** Pixels and colours of a graphics mode. */
  readonly graphicsSize?: readonly [width: number, height: number, bits: number];
}

const hex = (text: string): number[] => text.trim().split(/\s+/).map((t) => parseInt(t, 16));

const EGA_COLOURS = "00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f";
const CGA_COLOURS = "00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17";
const PLANAR = "00 00 00 00 00 00 05 0f ff";
const TEXT_80 = "5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff";
const TEXT_40 = "2d 27 28 90 2b a0 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 14 1f 96 b9 a3 ff";

interface Row {
  readonly misc: number;
  readonly sr: string;
  readonly cr: string;
  readonly gr: string;
  readonly ar: string;
}
const text = (columns: number, row: Row, segment = 0xb800, palette: VgaMode["palette"] = "ega"): VgaMode => ({
  ...registers(row),
  palette,
  columns,
  rows: 25,
  charHeight: 16,
  segment,
});
const graphics = (
  size: [number, number, number],
  charHeight: number,
  palette: VgaMode["palette"],
  row: Row,
  segment = 0xa000,
): VgaMode => ({
  ...registers(row),
  palette,
  columns: size[0] / 8,
  rows: Math.floor(size[1] / charHeight),
  charHeight,
  segment,
  graphicsSize: size,
});
function registers({ misc, sr, cr, gr, ar }: Row) {
  return { misc, sequencer: hex(sr), crtc: hex(cr), graphics: hex(gr), attribute: hex(ar) };
}

const COLOUR_40 = { misc: 0x67, sr: "08 03 00 02", cr: TEXT_40, gr: "00 00 00 00 00 10 0e 00 ff", ar: `${EGA_COLOURS} 0c 00 0f 08` };
const COLOUR_80 = { ...COLOUR_40, sr: "00 03 00 02", cr: TEXT_80 };
const MONO_80 = {
  misc: 0x66,
  sr: "00 03 00 02",
  cr: TEXT_80.replace("28 1f", "28 0f"),
  gr: "00 00 00 00 00 10 0a 00 ff",
  ar: "00 08 08 08 08 08 08 08 10 18 18 18 18 18 18 18 0e 00 0f 08",
};
const CGA_4 = {
  misc: 0x63,
  sr: "09 03 00 02",
  cr: "2d 27 28 90 2b 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 a2 ff",
  gr: "00 00 00 00 00 30 0f 0f ff",
  ar: "00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17 01 00 03 00",
};
const CGA_2 = {
  misc: 0x63,
  sr: "01 01 00 06",
  cr: "5f 4f 50 82 54 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 c2 ff",
  gr: "00 00 00 00 00 00 0d 0f ff",
  ar: "00 17 17 17 17 17 17 17 17 17 17 17 17 17 17 17 01 00 01 00",
};
const LOW_200 = {
  misc: 0x63,
  sr: "09 0f 00 06",
  cr: "2d 27 28 90 2b 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 e3 ff",
  gr: PLANAR,
  ar: `${CGA_COLOURS} 01 00 0f 00`,
};
const HIGH_200 = {
  ...LOW_200,
  sr: "01 0f 00 06",
  cr: "5f 4f 50 82 54 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 e3 ff",
};
const HIGH_350 = {
  misc: 0xa3,
  sr: "01 0f 00 06",
  cr: "5f 4f 50 82 54 80 bf 1f 00 40 00 00 00 00 00 00 83 85 5d 28 0f 63 ba e3 ff",
  gr: PLANAR,
  ar: `${EGA_COLOURS} 01 00 0f 00`,
};
const HIGH_480 = { ...HIGH_350, misc: 0xe3, cr: "5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff" };
const TWO_480 = { ...HIGH_480, ar: "00 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 3f 01 00 0f 00" };
const LINEAR_256 = {
  misc: 0x63,
  sr: "01 0f 00 0e",
  cr: "5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff",
  gr: "00 00 00 00 00 40 05 0f ff",
  ar: "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 41 00 0f 00",
};

/** The modes of int 10h by number; each is made when it is first asked for. */
const MODES: Readonly<Record<number, () => VgaMode>> = {
  0x00: () => text(40, COLOUR_40),
  0x01: () => text(40, COLOUR_40),
  0x02: () => text(80, COLOUR_80),
  0x03: () => text(80, COLOUR_80),
  0x04: () => graphics([320, 200, 2], 8, "cga", CGA_4, 0xb800),
  0x05: () => graphics([320, 200, 2], 8, "cga", CGA_4, 0xb800),
  0x06: () => graphics([640, 200, 1], 8, "cga", CGA_2, 0xb800),
  0x07: () => text(80, MONO_80, 0xb000, "mono"),
  0x0d: () => graphics([320, 200, 4], 8, "cga", LOW_200),
  0x0e: () => graphics([640, 200, 4], 8, "cga", HIGH_200),
  0x10: () => graphics([640, 350, 4], 14, "ega", HIGH_350),
  0x11: () => graphics([640, 480, 1], 16, "ega", TWO_480),
  0x12: () => graphics([640, 480, 4], 16, "ega", HIGH_480),
  0x13: () => graphics([320, 200, 8], 8, "256", LINEAR_256),
};
const made = new Map<number, VgaMode>();
/** A mode of int 10h; undefined when there is none of that number. */
export function vgaMode(number: number): VgaMode | undefined {
  let mode = made.get(number);
  if (!mode && (mode = MODES[number]?.())) made.set(number, mode);
  return mode;
}
/** 80 by 25 characters in colour, which a BIOS starts with. */
export const textMode = (): VgaMode => vgaMode(3)!;

/** 256 colours of three components, each 0..63, as the DAC holds them after a mode was set. */
export function vgaPalette(kind: VgaMode["palette"]): number[] {
  const out = Array<number>(768).fill(0);
  let at = 0;
  const colour = (r: number, g: number, b: number) => {
    out[at++] = r;
    out[at++] = g;
    out[at++] = b;
  };
  if (kind === "ega") { for (let i = 0; i < 64; i++) egaColour(i, colour); }
  else if (kind === "cga") { for (let i = 0; i < 64; i++) cgaColour(i & 7 | (i & 0x10) >> 1, colour); }
  else if (kind === "mono") {
    for (let i = 0; i < 64; i++) {
      const v = [0, 0x2a, 0x15, 0x3f][i >> 3 & 3];
      colour(v, v, v);
    }
  } else {
    for (let i = 0; i < 16; i++) cgaColour(i, colour);
    for (const v of GREYS) colour(v, v, v);
    for (const [top, ...lows] of [[63, 0, 31, 45], [28, 0, 14, 20], [16, 0, 8, 11]]) for (const low of lows) hues(low, top, colour);
  }
  return out;
}

type Colour = (r: number, g: number, b: number) => void;
/** Bits 0..2 are two thirds of blue, green and red, bits 3..5 one third of each. */
function egaColour(i: number, colour: Colour): void {
  colour((i & 4 ? 0x2a : 0) + (i & 0x20 ? 0x15 : 0), (i & 2 ? 0x2a : 0) + (i & 0x10 ? 0x15 : 0), (i & 1 ? 0x2a : 0) + (i & 8 ? 0x15 : 0));
}

/** The sixteen colours of a CGA: dark yellow is brown. */
const cgaColour = (i: number, colour: Colour): void => egaColour(i === 6 ? 0x14 : i < 8 ? i : i & 7 | 0x38, colour);
const GREYS = [0, 5, 8, 11, 14, 17, 20, 24, 28, 32, 36, 40, 45, 50, 56, 63];

/** Once round the colour circle in 24 steps, from blue over red and green, with components from `low` to `top`. */
function hues(low: number, top: number, colour: Colour): void {
  const up = [0, 1, 2, 3].map((n) => Math.round(low + (top - low) * n / 4 + (low === 0 && top === 63 && n === 2 ? -0.5 : 0)));
  const down = [top, up[3], up[2], up[1]];
  for (let n = 0; n < 4; n++) colour(up[n], low, top);
  for (let n = 0; n < 4; n++) colour(top, low, down[n]);
  for (let n = 0; n < 4; n++) colour(top, up[n], low);
  for (let n = 0; n < 4; n++) colour(down[n], top, low);
  for (let n = 0; n < 4; n++) colour(low, top, up[n]);
  for (let n = 0; n < 4; n++) colour(low, down[n], top);
}
