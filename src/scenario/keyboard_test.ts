import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import type { KeyPort } from "../core/device.ts";
import { KeyQueue, scancodesOfChord, scancodesOfText } from "./keyboard.ts";

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
