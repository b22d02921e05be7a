// What the monitor says of itself: one EDID block, as boot loaders and kernels read it by VBE/DDC.
// Source: VESA Enhanced EDID Standard, release A, revision 2 (September 2006), section 3 (EDID 1.4); timings: VESA DMT 1.0, revision 13.

/** A mode's detailed timing (3.10.2): pixel clock in units of 10 kHz, then active, blank, front porch and sync, in pixels and in lines. */
interface Timing {
  readonly clock: number;
  readonly x: readonly [active: number, blank: number, front: number, sync: number];
  readonly y: readonly [active: number, blank: number, front: number, sync: number];
}
/** DMT 10h: 1024 by 768 at 60 Hz, the mode that is preferred. */
const PREFERRED: Timing = { clock: 6500, x: [1024, 320, 24, 136], y: [768, 38, 3, 6] };
/** Standard timings at 60 Hz (3.9): width, and the aspect ratio's code (0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9). */
const STANDARD: readonly (readonly [width: number, aspect: number])[] = [[1280, 2], [1280, 0], [1280, 3], [1600, 1], [1920, 3]];
/** 640 by 480, 800 by 600, 1024 by 768, each at 60 Hz (3.8). */
const ESTABLISHED = [0x21, 0x08, 0x00];
const WIDTH_MM = 271, HEIGHT_MM = 203;

const detailed = ({ clock, x, y }: Timing): number[] => [
  ...[clock & 0xff, clock >> 8],
  ...[x[0] & 0xff, x[1] & 0xff, x[0] >> 8 << 4 | x[1] >> 8],
  ...[y[0] & 0xff, y[1] & 0xff, y[0] >> 8 << 4 | y[1] >> 8],
  ...[x[2] & 0xff, x[3] & 0xff, (y[2] & 15) << 4 | y[3] & 15, x[2] >> 8 << 6 | x[3] >> 8 << 4 | y[2] >> 4 << 2 | y[3] >> 4],
  ...[WIDTH_MM & 0xff, HEIGHT_MM & 0xff, WIDTH_MM >> 8 << 4 | HEIGHT_MM >> 8, 0, 0, 0x18], // no border; separate sync, both negative
];
/** A display descriptor of up to 13 characters (3.10.3). */
const text = (tag: number, value: string): number[] => [0, 0, 0, tag, 0, ...new TextEncoder().encode(`${value}\n`.padEnd(13))];
/** Three letters of five bits (3.4.1). */
const maker = (letters: string): number[] => {
  const code = [...letters].reduce((all, c) => all << 5 | c.charCodeAt(0) - 64, 0);
  return [code >> 8, code & 0xff];
};

/** The block: 128 bytes that add up to 0. */
export function edid(): Uint8Array {
  const bytes = Uint8Array.from([
    ...[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00],
    ...[...maker("BRU"), 1, 0, 1, 0, 0, 0, 0, 2026 - 1990], // product 1, serial number 1, made in 2026
    ...[1, 4, 0xa5, 27, 20, 120, 0x06], // EDID 1.4; digital, 8 bits a colour; 27 by 20 cm; gamma 2.2; sRGB, the first timing is the native one
    ...[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], // the colours of sRGB
    ...ESTABLISHED,
    ...STANDARD.flatMap(([width, aspect]) => [width / 8 - 31, aspect << 6]),
    ...Array<number>(2 * (8 - STANDARD.length)).fill(1), // unused
    ...detailed(PREFERRED),
    ...[0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 22, 1, 0x0a, ...Array<number>(6).fill(0x20)], // 50 to 125 Hz, 30 to 160 kHz, to 220 MHz
    ...text(0xfc, "bringup"),
    ...text(0xff, "1"),
    ...[0, 0], // no further blocks
  ]);
  bytes[127] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
}
