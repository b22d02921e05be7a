// The PC keyboard as a scenario sees it: keys become scan codes of set 1. The guest gets the next byte when it has read the last one, and the
// next key when a person would press it and the BIOS has room for it.
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

/** A key that goes down or up: the bytes that tell it. */
export interface KeyEvent {
  readonly codes: readonly number[];
  readonly press: boolean;
  /** A BIOS puts it into its buffer when it is pressed. */
  readonly buffered: boolean;
}
/** Keys that only hold or change a state. */
const STATES = new Set(
  ["ctrl", "shift", "rightshift", "alt", "rightctrl", "altgr", "capslock", "numlock", "scrolllock"].map((n) => NAMED[n]),
);

const press = (code: number): KeyEvent => ({ codes: make(code), press: true, buffered: !STATES.has(code) });
const letGo = (code: number): KeyEvent => ({ codes: release(code), press: false, buffered: false });
const codesOf = (events: readonly KeyEvent[]) => events.flatMap((e) => e.codes);

/** What happens on the US layout when a text is typed. @throws {ConfigError} no key gives one of its characters. */
export function eventsOfText(text: string): KeyEvent[] {
  return [...text].flatMap((c) => {
    const key = keyOf(c);
    if (!key) throw new ConfigError(`no key of the US layout gives ${JSON.stringify(c)}: send its scan codes`);
    const pressed = [press(key.code), letGo(key.code)];
    return key.shift ? [press(NAMED.shift), ...pressed, letGo(NAMED.shift)] : pressed;
  });
}
/** The scan codes of that. */
export const scancodesOfText = (text: string): number[] => codesOf(eventsOfText(text));

/** Keys pressed in this order and released in the other: "ctrl+alt+delete", "f1", "A". @throws {ConfigError} unknown key. */
export function eventsOfChord(chord: string): KeyEvent[] {
  // A plus sign is a key of its own at the end, and so is the keypad's: "ctrl++", "alt+keypad+".
  const last = /(?:^|\+)(keypad\+)$/i.exec(chord)?.[1] ?? (chord.endsWith("+") ? "+" : "");
  const names = last ? [...chord.slice(0, -last.length).split("+").filter(Boolean), last] : chord.split("+");
  const codes = names.flatMap((name) => {
    const lower = ALIASES[name.toLowerCase()] ?? name.toLowerCase();
    if (Object.hasOwn(NAMED, lower)) return [NAMED[lower]];
    const key = keyOf(name) ?? keyOf(lower);
    if (!key) throw new ConfigError(`no key '${name}'${didYouMean(lower, [...Object.keys(NAMED), ...Object.keys(ALIASES)])}`);
    return key.shift ? [NAMED.shift, key.code] : [key.code];
  });
  return [...codes.map(press), ...codes.toReversed().map(letGo)];
}
/** The scan codes of that. */
export const scancodesOfChord = (chord: string): number[] => codesOf(eventsOfChord(chord));

/** The keyboard buffer of a BIOS: where the next key goes, and whether there is no room for it. */
export interface KeyBuffer {
  readonly tail: number;
  readonly full: boolean;
}

/**
 * The buffer in a BIOS data area. Undefined when that cannot be one.
 * Source: IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area": 40:1A head, 1C tail, 80 start, 82 end.
 */
export function biosKeyBuffer(area: DataView): KeyBuffer | undefined {
  const [head, tail, start, end] = [0x1a, 0x1c, 0x80, 0x82].map((at) => area.getUint16(at, true));
  const inside = (at: number) => at >= start && at < end && (at & 1) === (start & 1);
  if (start < 0x1e || end > 0x100 || start >= end || !inside(head) || !inside(tail)) return undefined;
  return { tail, full: (tail + 2 >= end ? start : tail + 2) === head };
}

/** What a queue of keys needs of its machine. Times are ticks of its age. */
export interface KeyHost {
  now(): number;
  /** Where a BIOS would keep keys; absent on other machines. */
  buffer?(): KeyBuffer | undefined;
}

/** Something that waits for the guest, and the ticks that pass from when the guest has read it until the next. */
interface Waiting extends KeyEvent {
  readonly pause: number;
}

export interface KeyQueueState {
  readonly queue: readonly Waiting[];
  readonly begun: number;
  readonly from: number;
  readonly pause: number;
  readonly tail: number;
}
const empty = (): KeyQueueState => ({ queue: [], begun: 0, from: 0, pause: -1, tail: -1 });

/** The queue of keys that wait for the guest. */
export class KeyQueue {
  #queue: Waiting[] = [];
  /** How many bytes of the first one were given. */
  #begun = 0;
  /** When the next may be given, in ticks. */
  #from = 0;
  /** What has to pass from when the guest reads the last one; -1 when it has read it. */
  #pause = -1;
  /** The tail of the BIOS' buffer when the last key was given that goes there; -1: unknown. */
  #tail = -1;
  /** Called with each byte that was handed to the guest. */
  onFed: (byte: number) => void = () => {};
  /** Called when the last queued byte was handed over. */
  onDrained: () => void = () => {};
  /** Called when the guest may have the next at `due`. */
  onDue: () => void = () => {};
  /** As a console's. */
  ready: () => boolean = () => true;
  takes = true;

  /** `retry`: after how many ticks a full buffer is looked at again. */
  constructor(readonly port: KeyPort, readonly host: KeyHost = { now: () => 0 }, readonly retry = 0) {
    port.onRoom = () => this.feed();
  }

  /** How many bytes wait. */
  get queued(): number {
    return this.#queue.reduce((n, e) => n + e.codes.length, 0) - this.#begun;
  }
  /** When the next byte has to be given, in ticks; Infinity while there is none or the guest has to read first. */
  get due(): number {
    return this.#queue.length > 0 && this.port.room() > 0 ? this.#from : Infinity;
  }
  /** True when nothing is left to be pressed. */
  get onlyReleases(): boolean {
    return this.#queue.every((e) => !e.press);
  }

  /** Bytes as they are, each when the guest has read the one before. */
  enqueue(codes: readonly number[]): void {
    this.press(codes.map((code) => ({ codes: [code], press: code < 0x80, buffered: false })), 0, 0);
  }

  /** Keys as a person presses them: `hold` and `gap` are the ticks after a press and after a release. */
  press(events: readonly KeyEvent[], hold: number, gap: number): void {
    if (!this.takes) return;
    this.#queue.push(...events.map((e) => ({ ...e, pause: e.press ? hold : gap })));
    if (this.ready()) this.feed();
  }

  /** What is still queued is dropped: the machine has stopped. */
  clear(): void {
    this.load(empty());
  }

  /** Hands over what is due and what the keyboard has room for. */
  feed(): void {
    while (this.port.room() > 0) {
      const now = this.host.now();
      if (this.#pause >= 0) this.#from = now + this.#pause;
      this.#pause = -1;
      const first = this.#queue.at(0);
      if (!first) return;
      if (now >= this.#from && this.#begun === 0 && first.buffered && this.#bufferFull()) this.#from = now + this.retry;
      if (now < this.#from) return this.onDue();
      const byte = first.codes[this.#begun++];
      if (this.#begun === first.codes.length) {
        this.#queue.shift();
        this.#begun = 0;
        this.#pause = first.pause;
      }
      this.onFed(byte);
      this.port.receive(byte);
      if (this.#queue.length === 0) this.onDrained();
    }
  }

  /** True while the BIOS would drop the next key. When the last one did not get into its buffer, somebody else has the keyboard. */
  #bufferFull(): boolean {
    const buffer = this.host.buffer?.(), full = buffer !== undefined && buffer.full && buffer.tail !== this.#tail;
    this.#tail = full || !buffer ? -1 : buffer.tail;
    return full;
  }

  save(): KeyQueueState {
    return { queue: [...this.#queue], begun: this.#begun, from: this.#from, pause: this.#pause, tail: this.#tail };
  }
  load(s: KeyQueueState = empty()): void {
    [this.#queue, this.#begun, this.#from, this.#pause, this.#tail] = [[...s.queue], s.begun, s.from, s.pause, s.tail];
  }
}
