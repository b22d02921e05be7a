// The VGA's registers by name, what they hold at power-on, and what they say together.
// Sources: IBM PS/2 Hardware Interface Technical Reference (October 1990), "Video Subsystem"; the DISPI interface as documented in QEMU,
// docs/specs/standard-vga.rst, and in Bochs' vbe.h.
import type { DeviceEnv } from "../../../core/device.ts";

/** Indices of the sequencer's registers. */
export const SR = { clocking: 1, mapMask: 2, font: 3, memory: 4 } as const;
/** Indices of the graphics controller's registers. */
export const GR = { setReset: 0, enable: 1, compare: 2, function: 3, readMap: 4, mode: 5, misc: 6, care: 7, mask: 8 } as const;
/** Indices of the attribute controller's registers behind the sixteen colours. */
export const AR = { mode: 0x10, planes: 0x12, select: 0x14 } as const;
/** Indices of the CRTC's registers. */
export const CR = {
  columns: 0x01,
  overflow: 0x07,
  scan: 0x09,
  cursor: 0x0a,
  cursorEnd: 0x0b,
  start: 0x0c,
  location: 0x0e,
  protect: 0x11,
  lines: 0x12,
  offset: 0x13,
  underline: 0x14,
  mode: 0x17,
  compare: 0x18,
} as const;
/** Indices of the Bochs interface's registers. */
export const DISPI = { id: 0, x: 1, y: 2, bpp: 3, enable: 4, bank: 5, width: 6, height: 7, xOffset: 8, yOffset: 9, memory: 10 } as const;

export const MISC_COLOUR = 0x01, MISC_RAM = 0x02, SENSE = 0x10, STATUS_BLANK = 0x01, STATUS_RETRACE = 0x08;
export const CLOCKING_8_DOTS = 0x01, CLOCKING_OFF = 0x20;
export const MEMORY_NO_ODD_EVEN = 0x04, MEMORY_CHAIN4 = 0x08;
export const MODE_READ_COMPARE = 0x08, MODE_ODD_EVEN = 0x10, MODE_CGA = 0x20, MODE_256 = 0x40, MISC_GRAPHICS = 0x01;
export const AR_MODE_LINE = 0x04, AR_MODE_BLINK = 0x08, AR_MODE_256 = 0x40, AR_MODE_P54 = 0x80, ATTRIBUTE_ON = 0x20;
export const CURSOR_REGISTERS = [CR.cursor, CR.cursorEnd, CR.location, CR.location + 1];
export const CURSOR_OFF = 0x20,
  SCAN_DOUBLE = 0x80,
  UNDERLINE_DOUBLE_WORD = 0x40,
  CR_MODE_BYTES = 0x40,
  CR_MODE_MAP13 = 0x01,
  CR_MODE_MAP14 = 0x02;

export const DISPI_ON = 0x01, DISPI_CAPABILITIES = 0x02, DISPI_8_BITS = 0x20, DISPI_KEEP = 0x80;
export const DISPI_LATEST = 0xb0c5, DISPI_OLDEST = 0xb0c0, MAX_WIDTH = 16000, MAX_HEIGHT = 12000, DEPTHS = [4, 8, 15, 16, 24, 32];

const zeros = (n: number) => Array<number>(n).fill(0);
export const powerOn = () => ({
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
export type VgaState = ReturnType<typeof powerOn>;

/** What the parts of the device have in common. */
export interface Adapter {
  readonly env: DeviceEnv;
  readonly state: VgaState;
  /** Bytes of display memory. */
  readonly vram: number;
  /** Somebody watches the screen: told of the row of text that changed, or -1 for more than one. */
  readonly onChange: ((row: number) => void) | undefined;
  /** A register was written that may change what is shown, or where memory is. */
  changed(): void;
}

/** The VBE mode is on and has a linear layout. */
export const isLinear = ({ dispi }: VgaState): boolean => (dispi[DISPI.enable] & DISPI_ON) !== 0 && dispi[DISPI.bpp] !== 4;

/** Bytes from one line of the VBE mode to the next. */
export function pitchOf({ dispi }: VgaState): number {
  const bpp = dispi[DISPI.bpp];
  return bpp === 4 ? dispi[DISPI.width] >> 1 : dispi[DISPI.width] * (bpp + 7 >> 3);
}

/** Two registers of the CRTC, the high byte first. */
export const crtc16 = ({ crtc }: VgaState, high: number): number => crtc[high] << 8 | crtc[high + 1];

/** The CRTC counts bytes, words (1) or double words (2) of a plane. */
export const addressShift = ({ crtc }: VgaState): number =>
  crtc[CR.underline] & UNDERLINE_DOUBLE_WORD ? 2 : crtc[CR.mode] & CR_MODE_BYTES ? 0 : 1;

/** Characters in a line, lines of the picture, and lines of a character. */
export function geometry({ crtc }: VgaState) {
  const overflow = crtc[CR.overflow];
  const scans = (crtc[CR.lines] | (overflow & 0x02) << 7 | (overflow & 0x40) << 3) + 1;
  const lines = crtc[CR.scan] & SCAN_DOUBLE ? scans >> 1 : scans;
  return { columns: crtc[CR.columns] + 1, lines, charHeight: (crtc[CR.scan] & 0x1f) + 1 };
}

/** Where the text is: its first character and the distance of its rows, in units of 1 << `shift` bytes of a plane. */
export interface TextLayout {
  readonly start: number;
  readonly stride: number;
  readonly rows: number;
  readonly shift: number;
}
export function textLayout(s: VgaState): TextLayout {
  const { lines, charHeight } = geometry(s), stride = Math.max(1, 2 * s.crtc[CR.offset]);
  return { start: crtc16(s, CR.start), stride, rows: Math.floor(lines / charHeight), shift: addressShift(s) };
}
