import { assertEquals } from "@std/assert";
import type { IoApic } from "./ioapic.ts";
import ioapic from "./ioapic.ts";
import { bench } from "../testing/bench.ts";

const MASKED = 0x1_0000, LEVEL = 0x8000, LOGICAL = 0x800, REMOTE_IRR = 0x4000;

function setUp(given = {}) {
  const b = bench(ioapic, given), dev = b.dev as IoApic, sent: string[] = [];
  const target = {
    access: { min: 4, max: 4 },
    read: () => 0,
    write: (offset: number, _size: number, value: number) => sent.push(`${offset.toString(16)} ${value.toString(16)}`),
  } as const;
  b.dma.map(0xfee0_0000, 0x10_0000, target);
  const get = (register: number) => (b.write(0, register, 4), b.read(0x10, 4));
  const set = (register: number, value: number) => (b.write(0, register, 4), b.write(0x10, value, 4));
  const entry = (n: number, low: number, destination = 0) => (set(0x11 + 2 * n, destination << 24), set(0x10 + 2 * n, low));
  return { ...b, dev, sent, get, set, entry, line: (n: number, level: boolean) => dev.input(String(n))!.set(level) };
}

Deno.test("ID, version with 24 inputs, every input masked", () => {
  const m = setUp({ id: 3 });
  assertEquals([m.get(0), m.get(1), m.get(2), m.get(0x10), m.get(0x3f), m.read(0, 4)], [
    0x0300_0000,
    0x17_0020,
    0x0300_0000,
    MASKED,
    0,
    0x3f,
  ]);
  m.set(0, 0xff00_0000);
  assertEquals(m.get(0), 0x0f00_0000);
  assertEquals([m.get(0x40), m.log.length], [0, 1]);
});

Deno.test("an edge sends one message to the entry's destination; an edge at a masked input is lost", () => {
  const m = setUp();
  m.line(1, true);
  m.line(1, false);
  m.entry(1, 0x31, 2);
  assertEquals(m.sent, []);
  m.line(1, true);
  m.line(1, true);
  m.line(1, false);
  assertEquals([m.sent, m.get(0x12)], [["2000 4031"], 0x31]);
  m.entry(1, LOGICAL | 0x131, 0xff);
  m.line(1, true);
  assertEquals(m.sent.at(-1), "ff004 4131");
});

Deno.test("a level-triggered input waits for the end of its interrupt and asks again while it is high", () => {
  const m = setUp();
  m.entry(10, LEVEL | 0x50);
  m.line(10, true);
  assertEquals([m.sent, m.get(0x24)], [["0 c050"], LEVEL | REMOTE_IRR | 0x50]);
  m.dev.endOfInterrupt(0x51);
  assertEquals(m.sent.length, 1);
  m.dev.endOfInterrupt(0x50);
  assertEquals(m.sent.length, 2);
  m.line(10, false);
  m.write(0x40, 0x50, 4); // the EOI register
  assertEquals([m.sent.length, m.get(0x24)], [2, LEVEL | 0x50]);
});

Deno.test("a level that came while the input was masked asks when it is unmasked", () => {
  const m = setUp();
  m.entry(10, MASKED | LEVEL | 0x50);
  m.line(10, true);
  assertEquals(m.sent, []);
  m.set(0x24, LEVEL | 0x50);
  assertEquals(m.sent, ["0 c050"]);
  m.set(0x24, MASKED | 0x50);
  assertEquals(m.get(0x24), MASKED | 0x50, "edge mode clears the remote IRR");
});

Deno.test("delivery mode and read-only bits: NMI, ExtINT; destination has eight bits", () => {
  const m = setUp();
  m.entry(0, 0x700, 1);
  m.entry(5, 0x1400, 1);
  m.line(0, true);
  m.line(5, true);
  assertEquals([m.sent, m.get(0x1a), m.get(0x11)], [["1000 4700", "1000 4400"], 0x400, 0x0100_0000]);
});

Deno.test("what may still be sent: inputs that may rise and are not masked, by kind and receiver; none before the end of the last interrupt", () => {
  const m = setUp(), asked: string[] = [];
  const may = (special: boolean, rising: number, accepted = true) =>
    m.dev.maySend(special, { input: (n) => n === String(rising), message: () => false }, (message) => {
      asked.push(JSON.stringify(message));
      return accepted;
    });
  m.entry(3, 0x31 | LOGICAL, 5);
  m.entry(4, 0x400);
  assertEquals([may(false, 3), may(true, 3), may(false, 4), may(true, 4), may(false, 5)], [true, false, false, true, false]);
  assertEquals(may(false, 3, false), false);
  assertEquals(asked[0], JSON.stringify({ mode: 0, vector: 0x31, destination: 5, logical: true }));
  m.entry(3, 0x31 | LEVEL);
  m.line(3, true);
  assertEquals([m.get(0x16) & REMOTE_IRR, may(false, 3)], [REMOTE_IRR, false]);
  m.line(3, false);
  m.dev.endOfInterrupt(0x31);
  assertEquals(may(false, 3), true);
});
