// Int 16h and the keyboard's hardware interrupt, int 09h: scan codes become keys in the buffer of the BIOS data area.
// Sources: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 09H", "INT 16H" and its table of key codes (US layout).
// Not modelled: Ctrl-Break, Print Screen, the keypad's Alt codes, the LEDs.
import { BDA, type BiosHost, type BiosInterrupt, type Call, ZF } from "./host.ts";

const DATA = 0x60, MASTER = 0x20, EOI = 0x20;
const RIGHT_SHIFT = 0x01, LEFT_SHIFT = 0x02, CTRL = 0x04, ALT = 0x08, NUM = 0x20, CAPS = 0x40, INSERT = 0x80;
const LEFT_CTRL = 0x01, LEFT_ALT = 0x02, E1 = 0x01, E0 = 0x02, RIGHT_CTRL = 0x04, RIGHT_ALT = 0x08;

/**
 * What a key gives: scan code and character (in the low byte) alone, with Shift, with Ctrl and with Alt; -1 for nothing. F0h in place of a
 * character: a key that the functions of the 84-key keyboard do not know.
 */
type Key = readonly [plain: number, shift: number, ctrl: number, alt: number];

const KEYS: ReadonlyMap<number, Key> = new Map<number, Key>([
  ...row(0x02, "1234567890-=", "!@#$%^&*()_+", (i) => 0x7800 + (i << 8)),
  ...row(0x10, "qwertyuiop[]", "QWERTYUIOP{}"),
  ...row(0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
  ...row(0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
  [0x01, [0x011b, 0x011b, 0x011b, 0x01f0]],
  [0x0e, [0x0e08, 0x0e08, 0x0e7f, 0x0ef0]],
  [0x0f, [0x0f09, 0x0f00, 0x9400, 0xa5f0]],
  [0x1c, [0x1c0d, 0x1c0d, 0x1c0a, 0x1cf0]],
  [0x39, [0x3920, 0x3920, 0x3920, 0x3920]],
  [0x37, [0x372a, 0x372a, 0x9600, 0x37f0]],
  [0x4a, [0x4a2d, 0x4a2d, 0x8e00, 0x4af0]],
  [0x4e, [0x4e2b, 0x4e2b, 0x9000, 0x4ef0]],
  [0x56, [0x565c, 0x567c, -1, -1]],
  ...Array.from(
    { length: 10 },
    (_, i): [number, Key] => [0x3b + i, [0x3b00, 0x5400, 0x5e00, 0x6800].map((k) => k + (i << 8)) as unknown as Key],
  ),
  [0x57, [0x8500, 0x8700, 0x8900, 0x8b00]],
  [0x58, [0x8600, 0x8800, 0x8a00, 0x8c00]],
]);

/** Ctrl makes control characters of the letters and of a few others; Alt leaves the scan code, the old functions only that of letters. */
function row(first: number, plain: string, shifted: string, alt?: (i: number) => number): [number, Key][] {
  const control: Readonly<Record<string, number>> = { "2": 0, "6": 0x1e, "-": 0x1f, "[": 0x1b, "]": 0x1d, "\\": 0x1c };
  return [...plain].map((c, i) => {
    const scan = first + i << 8, code = /[a-z]/.test(c) ? c.charCodeAt(0) & 0x1f : control[c];
    const ctrl = code === undefined ? -1 : c === "2" ? 0x0300 : scan | code;
    return [first + i, [scan | c.charCodeAt(0), scan | shifted.charCodeAt(i), ctrl, alt?.(i) ?? scan | (/[a-z]/.test(c) ? 0 : 0xf0)]];
  });
}

/** The keypad's keys from 0x47 on: their digits, and their codes with Ctrl. */
const KEYPAD = "789-456+1230.";
const KEYPAD_CTRL = [0x77, 0x8d, 0x84, 0, 0x73, 0x8f, 0x74, 0, 0x75, 0x91, 0x76, 0x92, 0x93];

/** Keys that hold a flag, by scan code: flag, and the flags of the left and the right one. */
const MODIFIERS: Readonly<Record<number, number>> = { 0x2a: LEFT_SHIFT, 0x36: RIGHT_SHIFT, 0x1d: CTRL, 0x38: ALT };
const TOGGLES: Readonly<Record<number, number>> = { 0x45: NUM, 0x3a: CAPS, 0x46: 0x10 };

/** Puts a key into the buffer; false when it is full. */
export function storeKey(host: BiosHost, key: number): boolean {
  const tail = host.read(BDA.KEY_TAIL, 2), next = following(host, tail);
  if (next === host.read(BDA.KEY_HEAD, 2)) return false;
  host.write(0x400 + tail, 2, key);
  host.write(BDA.KEY_TAIL, 2, next);
  return true;
}
function following(host: BiosHost, at: number): number {
  return at + 2 >= host.read(BDA.KEY_END, 2) ? host.read(BDA.KEY_START, 2) : at + 2;
}

/** The oldest key in the buffer; it is taken when `take`. -1 when there is none. */
function nextKey(host: BiosHost, take: boolean): number {
  const head = host.read(BDA.KEY_HEAD, 2);
  if (head === host.read(BDA.KEY_TAIL, 2)) return -1;
  const key = host.read(0x400 + head, 2);
  if (take) host.write(BDA.KEY_HEAD, 2, following(host, head));
  return key;
}

/** Keys as the functions of the 101-key keyboard give them. */
const newKey = (key: number): number => (key & 0xff) === 0xf0 && key >> 8 ? key & 0xff00 : key;
/** Keys as the functions of the 84-key keyboard give them; -1 for keys that it does not have. */
function oldKey(key: number): number {
  const scan = key >> 8, character = key & 0xff;
  if (character === 0xf0 && scan !== 0) return -1;
  if (scan === 0xe0) return character === 0x0a || character === 0x0d ? 0x1c00 | character : 0x3500 | character;
  if (scan > 0x84) return -1;
  return character === 0xe0 && scan !== 0 ? key & 0xff00 : key;
}

function readKey(c: Call, enhanced: boolean): void {
  for (;;) {
    const key = nextKey(c.host, true);
    if (key < 0) return c.again();
    const given = enhanced ? newKey(key) : oldKey(key);
    if (given < 0) continue;
    c.ax = given;
    return;
  }
}

function checkKey(c: Call, enhanced: boolean): void {
  for (;;) {
    const key = nextKey(c.host, false), given = key < 0 ? key : enhanced ? newKey(key) : oldKey(key);
    if (key >= 0 && given < 0) {
      nextKey(c.host, true);
      continue;
    }
    c.setFlag(ZF, key < 0);
    if (key >= 0) c.ax = given;
    return;
  }
}

export const int16: BiosInterrupt = {
  vector: 0x16,
  name: "keyboard",
  functions: {
    "00": { name: "read", call: (c) => readKey(c, false) },
    "01": { name: "check", call: (c) => checkKey(c, false) },
    "02": { name: "shift flags", call: (c) => void (c.al = c.host.read(BDA.SHIFT, 1)) },
    "03": { name: "typematic rate", call: () => {} },
    "05": { name: "store", call: (c) => void (c.al = storeKey(c.host, c.cx) ? 0 : 1) },
    "09": { name: "functions", call: (c) => void (c.al = 0x30) },
    // AB 83, as the controller translates it.
    "0a": { name: "keyboard's number", call: (c) => void (c.bx = 0x41ab) },
    "10": { name: "read enhanced", call: (c) => readKey(c, true) },
    "11": { name: "check enhanced", call: (c) => checkKey(c, true) },
    "12": {
      name: "extended shift flags",
      call: (c) => {
        const second = c.host.read(BDA.SHIFT_2, 1), third = c.host.read(BDA.SHIFT_3, 1);
        c.ax = (second & 0x73 | third & 0x0c | (second & 4) << 5) << 8 | c.host.read(BDA.SHIFT, 1);
      },
    },
    "6f08": { name: "vendor's keyboard", call: (c) => void (c.ah = 2) },
    "92": { name: "has AH=10h to 12h", call: (c) => void (c.ah = 0x80) },
    "a2": { name: "has AH=20h to 22h", call: () => {} },
  },
  unknown: (c) => c.host.log("unimp", () => `int 16h, ah=${c.ah.toString(16)}`),
};

/** One byte from the keyboard, in set 1. */
export function scanned(host: BiosHost, code: number): void {
  const third = host.read(BDA.SHIFT_3, 1), prefix = third & (E0 | E1);
  if (code === 0xe0 || code === 0xe1) return host.write(BDA.SHIFT_3, 1, third | (code === 0xe0 ? E0 : E1));
  const released = (code & 0x80) !== 0, scan = code & 0x7f, extended = (prefix & E0) !== 0;
  // The pause key is E1 1D 45 E1 9D C5: no part of it is a key.
  if (prefix & E1) return void (scan === 0x45 && host.write(BDA.SHIFT_3, 1, third & ~(E0 | E1)));
  host.write(BDA.SHIFT_3, 1, third & ~(E0 | E1));
  // An extended key comes with false shifts around it.
  if (extended && (scan === 0x2a || scan === 0x36)) return;
  if (scan in MODIFIERS) return modifier(host, scan, extended, released);
  let flags = host.read(BDA.SHIFT, 1);
  if (!extended && scan in TOGGLES) return toggle(host, TOGGLES[scan], released);
  if (released) return;
  if (scan === 0x53 && (flags & (CTRL | ALT)) === (CTRL | ALT)) return host.stop({ kind: "reset" });
  if (scan === 0x52 && (extended || !(flags & NUM))) host.write(BDA.SHIFT, 1, flags ^= INSERT);
  const key = keyOf(scan, flags, extended);
  if (key >= 0) storeKey(host, key);
}

function modifier(host: BiosHost, scan: number, extended: boolean, released: boolean): void {
  const change = (at: number, flag: number) => host.write(at, 1, released ? host.read(at, 1) & ~flag : host.read(at, 1) | flag);
  if (scan === 0x1d) change(extended ? BDA.SHIFT_3 : BDA.SHIFT_2, extended ? RIGHT_CTRL : LEFT_CTRL);
  if (scan === 0x38) change(extended ? BDA.SHIFT_3 : BDA.SHIFT_2, extended ? RIGHT_ALT : LEFT_ALT);
  change(BDA.SHIFT, MODIFIERS[scan]);
}

/** A lock that is held is noted, and changes no more by the codes that the key repeats. */
function toggle(host: BiosHost, flag: number, released: boolean): void {
  const held = host.read(BDA.SHIFT_2, 1);
  host.write(BDA.SHIFT_2, 1, released ? held & ~flag : held | flag);
  if (!released && !(held & flag)) host.write(BDA.SHIFT, 1, host.read(BDA.SHIFT, 1) ^ flag);
}

function keyOf(scan: number, flags: number, extended: boolean): number {
  const column = flags & ALT ? 3 : flags & CTRL ? 2 : flags & (LEFT_SHIFT | RIGHT_SHIFT) ? 1 : 0;
  if (extended) {
    if (scan === 0x1c) return [0xe00d, 0xe00d, 0xe00a, 0xa600][column];
    if (scan === 0x35) return [0xe02f, 0xe02f, 0x9500, 0xa400][column];
    if (scan < 0x47 || scan > 0x53 || KEYPAD[scan - 0x47] === "-" || KEYPAD[scan - 0x47] === "+") return -1;
    return column === 3 ? scan + 0x50 << 8 : column === 2 ? KEYPAD_CTRL[scan - 0x47] << 8 | 0xe0 : scan << 8 | 0xe0;
  }
  const key = KEYS.get(scan);
  if (key) {
    const letter = /[a-z]/i.test(String.fromCharCode(key[0] & 0xff));
    return key[letter && column < 2 && flags & CAPS ? 1 - column : column];
  }
  if (scan < 0x47 || scan > 0x53) return -1;
  if (column === 3) return -1;
  if (column === 2) return KEYPAD_CTRL[scan - 0x47] << 8;
  // NumLock and Shift undo each other.
  const digits = (column === 1) !== ((flags & NUM) !== 0), character = KEYPAD.charCodeAt(scan - 0x47);
  return digits ? scan << 8 | character : scan === 0x4c ? 0x4c00 : scan << 8;
}

/** IRQ 1. */
export const int09: BiosInterrupt = {
  vector: 0x09,
  name: "keyboard interrupt",
  functions: {},
  unknown: (c) => {
    scanned(c.host, c.host.in(DATA, 1));
    c.host.out(MASTER, 1, EOI);
  },
};
