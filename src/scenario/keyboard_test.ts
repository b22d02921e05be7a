import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import type { KeyPort } from "../core/device.ts";
import { biosKeyBuffer, eventsOfChord, eventsOfText, KeyQueue, scancodesOfChord, scancodesOfText } from "./keyboard.ts";

Deno.test("a text becomes the keys of the US layout, with Shift where it is needed", () => {
  assertEquals(scancodesOfText("a1 "), [0x1e, 0x9e, 0x02, 0x82, 0x39, 0xb9]);
  assertEquals(scancodesOfText("A!"), [0x2a, 0x1e, 0x9e, 0xaa, 0x2a, 0x02, 0x82, 0xaa]);
  assertEquals(scancodesOfText("\n\t\b"), [0x1c, 0x9c, 0x0f, 0x8f, 0x0e, 0x8e]);
  assertEquals(scancodesOfText("|\\`~"), [0x2a, 0x2b, 0xab, 0xaa, 0x2b, 0xab, 0x29, 0xa9, 0x2a, 0x29, 0xa9, 0xaa]);
  const all = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i));
  assertEquals(new Set(all.map((c) => scancodesOfText(c).join())).size, 95, "every printable character has a key of its own");
  assertThrows(() => scancodesOfText("é"), ConfigError, "no key of the US layout gives");
});

Deno.test("a chord is pressed in order and released in the other", () => {
  assertEquals(scancodesOfChord("ctrl+alt+delete"), [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]);
  assertEquals(scancodesOfChord("F12"), [0x58, 0xd8]);
  assertEquals(scancodesOfChord("Ctrl+c"), [0x1d, 0x2e, 0xae, 0x9d]);
  assertEquals(scancodesOfChord("A"), [0x2a, 0x1e, 0x9e, 0xaa]);
  assertEquals(scancodesOfChord("escape"), scancodesOfChord("esc"));
  assertEquals(scancodesOfChord("ctrl++"), [0x1d, 0x2a, 0x0d, 0x8d, 0xaa, 0x9d]);
  assertEquals(scancodesOfChord("+"), scancodesOfText("+"));
  assertEquals(scancodesOfChord("keypad5"), [0x4c, 0xcc]);
  assertThrows(() => scancodesOfChord("ctrl+delte"), ConfigError, "did you mean 'delete'?");
});

Deno.test("the next byte is given when the guest has read the last one; a queue can be saved", () => {
  let room = 1;
  const got: number[] = [], log: string[] = [];
  const port: KeyPort = { room: () => room, receive: (b) => (got.push(b), room = 0), onRoom: () => {} };
  const keys = new KeyQueue(port);
  keys.onFed = (b) => log.push(`fed ${b}`);
  keys.onDrained = () => log.push("drained");
  keys.enqueue([1, 2, 3]);
  assertEquals(got, [1]);
  room = 1;
  port.onRoom();
  assertEquals([got, keys.queued, keys.save().queue.map((e) => e.codes)], [[1, 2], 1, [[3]]]);
  keys.load({ ...keys.save(), queue: keys.save().queue.map((e) => ({ ...e, codes: [9] })) });
  room = 1;
  port.onRoom();
  assertEquals([got, log], [[1, 2, 9], ["fed 1", "fed 2", "fed 9", "drained"]]);
});

/** A queue on a port that is read when the test says so, a clock set by hand, and a BIOS data area. */
function paced() {
  const s = { now: 1000, full: false };
  const got: [number, number][] = [],
    area = new DataView(new ArrayBuffer(0x100)),
    word = (at: number, value: number) => area.setUint16(at, value, true);
  const port: KeyPort = { room: () => s.full ? 0 : 1, receive: (b) => (got.push([s.now, b]), s.full = b !== 0xe0), onRoom: () => {} };
  const keys = new KeyQueue(port, { now: () => s.now, buffer: () => biosKeyBuffer(area) }, 7);
  /** Lets time pass; the guest reads after `reads` ticks. */
  const pass = (ticks: number, reads = Infinity) => {
    for (let n = 0; n < ticks; n++) {
      if (n === reads && s.full) s.full = false, port.onRoom();
      s.now++;
      if (keys.due <= s.now) keys.feed();
    }
  };
  const at = (
    head: number,
    tail: number,
    start = 0x1e,
    end = 0x3e,
  ) => (word(0x1a, head), word(0x1c, tail), word(0x80, start), word(0x82, end));
  return { s, got, keys, port, pass, at };
}

Deno.test("a key is held and the next waits, from when the guest has read; bytes of one key follow each other at once", () => {
  const { got, keys, pass, port, s } = paced();
  keys.press(eventsOfChord("shift+up"), 100, 50);
  pass(300, 20);
  // Read after 20 ticks of the 300; then nobody reads the arrow.
  assertEquals(got, [[1000, 0x2a], [1120, 0xe0], [1120, 0x48]]);
  assertEquals([keys.queued, keys.due, keys.onlyReleases], [3, Infinity, true]);
  s.full = false;
  port.onRoom();
  assertEquals([keys.due, s.now], [1400, 1300]);
  const saved = structuredClone(keys.save()), again = paced();
  again.s.now = 1300;
  again.keys.load(saved);
  for (const one of [{ got, pass, keys }, again]) {
    const from = one.got.length;
    one.pass(100);
    assertEquals([one.got.slice(from), one.keys.queued], [[[1400, 0xe0], [1400, 0xc8]], 1]);
  }
  keys.clear();
  assertEquals([keys.queued, keys.due], [0, Infinity]);
});

Deno.test("a key waits while the BIOS' buffer is full, as long as keys get there; modifiers and releases do not wait", () => {
  const { got, keys, pass, at } = paced();
  at(0x20, 0x1e); // full: the next place is the head
  keys.press(eventsOfText("Ab"), 10, 10);
  pass(200, 1);
  assertEquals(got.map(([, b]) => b), [0x2a], "Shift, and no more");
  at(0x22, 0x1e);
  pass(8);
  assertEquals(got.at(-1)![1], 0x1e);
  at(0x22, 0x20); // it has come there, and the buffer is full again
  pass(100, 0), pass(100, 0), pass(100, 0);
  assertEquals(got.map(([, b]) => b), [0x2a, 0x1e, 0x9e, 0xaa]);
  at(0x24, 0x20);
  pass(8);
  assertEquals(got.at(-1)![1], 0x30);
  // A kernel has taken over: keys do not get there any more, and what is there means nothing.
  at(0x22, 0x20);
  keys.press(eventsOfText("cd"), 10, 10);
  for (let n = 0; n < 8; n++) pass(100, 0);
  assertEquals(got.slice(5).map(([, b]) => b), [0xb0, 0x2e, 0xae, 0x20, 0xa0]);
});

Deno.test("a BIOS data area that can be one", () => {
  const area = (head: number, tail: number, start: number, end: number) => {
    const view = new DataView(new ArrayBuffer(0x100));
    for (const [at, value] of [[0x1a, head], [0x1c, tail], [0x80, start], [0x82, end]]) view.setUint16(at, value, true);
    return biosKeyBuffer(view);
  };
  assertEquals(area(0x1e, 0x1e, 0x1e, 0x3e), { tail: 0x1e, full: false });
  assertEquals(area(0x1e, 0x3c, 0x1e, 0x3e), { tail: 0x3c, full: true }, "around the end");
  assertEquals(area(0x3c, 0x3a, 0x1e, 0x3e), { tail: 0x3a, full: true });
  assertEquals(area(0x80, 0x82, 0x80, 0xa0), { tail: 0x82, full: false }, "moved");
  for (const no of [[0, 0, 0, 0], [0x3e, 0x1e, 0x1e, 0x3e], [0x1e, 0x3e, 0x1e, 0x3e], [0x1f, 0x1e, 0x1e, 0x3e], [0x1e, 0x1c, 0x1e, 0x3e]]) {
    assertEquals(area(...no as [number, number, number, number]), undefined, no.join());
  }
  assertEquals([area(0x20, 0x20, 0x3e, 0x1e), area(0x10, 0x10, 0x10, 0x3e), area(0x20, 0x20, 0x1e, 0x200)], [
    undefined,
    undefined,
    undefined,
  ]);
});

/** Keys with names by their scan codes of set 1, in rows of the keyboard: USB HID to PS/2 Scan Code Translation Table (Microsoft, revision 1.3). */
const KEYS: readonly (readonly [first: number, names: string])[] = [
  [0x01, "esc"],
  [0x0e, "backspace tab"],
  [0x1c, "enter ctrl"],
  [0x2a, "shift"],
  [0x36, "rightshift keypad* alt space capslock f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 numlock scrolllock"],
  [0x47, "keypad7 keypad8 keypad9 keypad- keypad4 keypad5 keypad6 keypad+ keypad1 keypad2 keypad3 keypad0 keypad."],
  [0x57, "f11 f12"],
  [0xe01c, "keypadenter rightctrl"],
  [0xe035, "keypad/"],
  [0xe037, "print altgr"],
  [0xe047, "home up pageup"],
  [0xe04b, "left"],
  [0xe04d, "right"],
  [0xe04f, "end down pagedown insert delete"],
  [0xe05b, "meta rightmeta menu"],
];
/** The last of two is the same key. */
const OTHER_NAMES =
  "escape esc, return enter, control ctrl, del delete, ins insert, pgup pageup, pgdn pagedown, super meta, win meta, rightalt altgr";

Deno.test("every key with a name has its code of set 1, behind E0 where the key came later; the release has bit 7 set", () => {
  for (const [first, names] of KEYS) {
    for (const [i, name] of names.split(" ").entries()) {
      const code = first + i, prefix = code > 0xff ? [0xe0] : [], byte = code & 0xff;
      assertEquals(scancodesOfChord(name), [...prefix, byte, ...prefix, byte | 0x80], name);
    }
  }
  assertEquals(scancodesOfChord("alt+Keypad+"), [0x38, 0x4e, 0xce, 0xb8]);
  for (const pair of OTHER_NAMES.split(", ")) {
    const [name, other] = pair.split(" ");
    assertEquals(scancodesOfChord(name), scancodesOfChord(other), name);
  }
  // The characters, by the key caps: each row from the code of its first key.
  const rows = [[0x02, "1234567890-=", "!@#$%^&*()_+"], [0x10, "qwertyuiop[]", "QWERTYUIOP{}"], [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'], [
    0x2b,
    "\\zxcvbnm,./",
    "|ZXCVBNM<>?",
  ]] as const;
  for (const [first, plain, shifted] of rows) {
    for (let i = 0; i < plain.length; i++) {
      const code = first + i, pressed = [code, code | 0x80];
      assertEquals([scancodesOfText(plain[i]), scancodesOfText(shifted[i])], [pressed, [0x2a, ...pressed, 0xaa]], plain[i]);
    }
  }
});

Deno.test("a BIOS buffers every key but those that only hold or change a state", () => {
  const states = ["ctrl", "shift", "rightshift", "alt", "rightctrl", "altgr", "capslock", "numlock", "scrolllock"];
  for (const name of KEYS.flatMap(([, names]) => names.split(" "))) {
    assertEquals(eventsOfChord(name).map((e) => e.buffered), [!states.includes(name), false], name);
  }
});
