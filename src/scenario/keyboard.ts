// The PC keyboard as a scenario sees it: keys become scan codes of set 1, and the guest gets the next byte when it has read the last one.
// Source: IBM PS/2 Hardware Interface Technical Reference (October 1990), "Keyboards": scan code set 1, US English layout.
import type { KeyPort } from "../core/device.ts";
import { ConfigError, didYouMean } from "../core/errors.ts";

/** Rows of keys from their first code on: what they give alone and with Shift. */
const ROWS: readonly [first: number, plain: string, shifted: string][] = [
  [0x02, "1234567890-=", "!@#$%^&*()_+"],
  [0x10, "qwertyuiop[]", "QWERTYUIOP{}"],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"],
];
/** Characters of keys that have names as well. */
const CONTROLS: Readonly<Record<string, string>> = {
  "\n": "enter",
  "\r": "enter",
  "\t": "tab",
  "\b": "backspace",
  "\x1b": "esc",
  " ": "space",
};

/** Make codes of the keys with names; above 0xff the high byte is a prefix. The break code has bit 7 set. */
const NAMED: Readonly<Record<string, number>> = {
  f1: 0x3b,
  f2: 0x3c,
  f3: 0x3d,
  f4: 0x3e,
  f5: 0x3f,
  f6: 0x40,
  f7: 0x41,
  f8: 0x42,
  f9: 0x43,
  f10: 0x44,
  f11: 0x57,
  f12: 0x58,
  esc: 0x01,
  backspace: 0x0e,
  tab: 0x0f,
  enter: 0x1c,
  ctrl: 0x1d,
  shift: 0x2a,
  rightshift: 0x36,
  alt: 0x38,
  space: 0x39,
  capslock: 0x3a,
  numlock: 0x45,
  scrolllock: 0x46,
  keypad7: 0x47,
  keypad8: 0x48,
  keypad9: 0x49,
  "keypad-": 0x4a,
  keypad4: 0x4b,
  keypad5: 0x4c,
  keypad6: 0x4d,
  "keypad+": 0x4e,
  keypad1: 0x4f,
  keypad2: 0x50,
  keypad3: 0x51,
  keypad0: 0x52,
  "keypad.": 0x53,
  "keypad*": 0x37,
  "keypad/": 0xe035,
  keypadenter: 0xe01c,
  rightctrl: 0xe01d,
  altgr: 0xe038,
  home: 0xe047,
  up: 0xe048,
  pageup: 0xe049,
  left: 0xe04b,
  right: 0xe04d,
  end: 0xe04f,
  down: 0xe050,
  pagedown: 0xe051,
  insert: 0xe052,
  delete: 0xe053,
  meta: 0xe05b,
  rightmeta: 0xe05c,
  menu: 0xe05d,
  print: 0xe037,
};
const ALIASES: Readonly<Record<string, string>> = {
  escape: "esc",
  return: "enter",
  control: "ctrl",
  del: "delete",
  ins: "insert",
  pgup: "pageup",
  pgdn: "pagedown",
  super: "meta",
  win: "meta",
  rightalt: "altgr",
  plus: "=",
};

/** Code and Shift of the key that gives a character; undefined when the layout has none. */
function keyOf(character: string): { readonly code: number; readonly shift: boolean } | undefined {
  if (character.length !== 1) return undefined;
  if (Object.hasOwn(CONTROLS, character)) return { code: NAMED[CONTROLS[character]], shift: false };
  for (const [first, plain, shifted] of ROWS) {
    const alone = plain.indexOf(character), i = alone >= 0 ? alone : shifted.indexOf(character);
    if (i >= 0) return { code: first + i, shift: alone < 0 };
  }
  return undefined;
}

const make = (code: number) => code > 0xff ? [code >> 8, code & 0xff] : [code];
const release = (code: number) => code > 0xff ? [code >> 8, code & 0xff | 0x80] : [code | 0x80];

/** Scan codes that type a text on the US layout. @throws {ConfigError} no key gives one of its characters. */
export function scancodesOfText(text: string): number[] {
  const shift = NAMED.shift;
  return [...text].flatMap((c) => {
    const key = keyOf(c);
    if (!key) throw new ConfigError(`no key of the US layout gives ${JSON.stringify(c)}: send its scan codes`);
    const pressed = [...make(key.code), ...release(key.code)];
    return key.shift ? [...make(shift), ...pressed, ...release(shift)] : pressed;
  });
}

/** Scan codes of keys pressed in this order and released in the other: "ctrl+alt+delete", "f1", "A". @throws {ConfigError} unknown key. */
export function scancodesOfChord(chord: string): number[] {
  // A plus sign is a key of its own at the end: "ctrl++".
  const names = chord.endsWith("+") ? [...chord.slice(0, -1).split("+").filter(Boolean), "+"] : chord.split("+");
  const codes = names.flatMap((name) => {
    const lower = ALIASES[name.toLowerCase()] ?? name.toLowerCase();
    if (Object.hasOwn(NAMED, lower)) return [NAMED[lower]];
    const key = keyOf(name) ?? keyOf(lower);
    if (!key) throw new ConfigError(`no key '${name}'${didYouMean(lower, [...Object.keys(NAMED), ...Object.keys(ALIASES)])}`);
    return key.shift ? [NAMED.shift, key.code] : [key.code];
  });
  return [...codes.flatMap(make), ...codes.toReversed().flatMap(release)];
}

/** The queue of scan codes that wait for the guest. */
export class KeyQueue {
  #queue: number[] = [];
  /** Called with each byte that was handed to the guest. */
  onFed: (byte: number) => void = () => {};
  /** Called when the last queued byte was handed over. */
  onDrained: () => void = () => {};

  constructor(readonly port: KeyPort) {
    port.onRoom = () => this.feed();
  }

  get queued(): number {
    return this.#queue.length;
  }

  enqueue(codes: readonly number[]): void {
    this.#queue.push(...codes);
    this.feed();
  }

  /** Hands over as many bytes as the keyboard has room for. */
  feed(): void {
    if (this.#queue.length === 0) return;
    while (this.#queue.length > 0 && this.port.room() > 0) {
      const byte = this.#queue.shift()!;
      this.onFed(byte);
      this.port.receive(byte);
    }
    if (this.#queue.length === 0) this.onDrained();
  }

  save(): readonly number[] {
    return [...this.#queue];
  }
  load(queue: readonly number[]): void {
    this.#queue = [...queue];
  }
}
