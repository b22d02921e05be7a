import { assertEquals } from "@std/assert";
import type { Mc146818 } from "./mc146818.ts";
import rtc from "./mc146818.ts";
import { bench } from "../testing/bench.ts";

const A = 10, B = 11, C = 12, D = 13;
/** Thursday, 2026-12-31 23:59:58 UTC. */
const EVE = Date.UTC(2026, 11, 31, 23, 59, 58) / 1000;

function setUp(hz = 1e9) {
  const b = bench(rtc, {}, { epochSeconds: EVE, hz });
  const get = (index: number) => {
    b.write(0, index);
    return b.read(1);
  };
  const set = (index: number, value: number) => {
    b.write(0, index);
    b.write(1, value);
  };
  const time = () => [0x32, 9, 8, 7, 6, 4, 2, 0].map(get);
  return { ...b, dev: b.dev as Mc146818, get, set, time };
}

Deno.test("the time is the machine's, in BCD, and rolls over with the year", () => {
  const r = setUp();
  assertEquals(r.time(), [0x20, 0x26, 0x12, 0x31, 0x05, 0x23, 0x59, 0x58]);
  r.passNs(1_999_999_999);
  assertEquals(r.get(0), 0x59);
  r.passNs(1);
  assertEquals(r.time(), [0x20, 0x27, 0x01, 0x01, 0x06, 0x00, 0x00, 0x00]);
  assertEquals([r.get(D), r.get(0x37), r.read(0)], [0x80, 0x20, 0xff]);
});

Deno.test("binary and 12-hour forms", () => {
  const r = setUp();
  r.set(B, 0x06);
  assertEquals(r.time(), [20, 26, 12, 31, 5, 23, 59, 58]);
  r.set(B, 0x00);
  assertEquals(r.get(4), 0x91);
  r.set(B, 0x04);
  assertEquals(r.get(4), 0x8b);
  r.passNs(2e9);
  assertEquals(r.get(4), 12);
});

Deno.test("the time is set with the SET bit and goes on from there", () => {
  const r = setUp();
  r.set(B, 0x82);
  for (const [index, value] of [[9, 0x30], [8, 0x02], [7, 0x28], [4, 0x12], [2, 0x00], [0, 0x59]]) r.set(index, value);
  r.passNs(5e9);
  assertEquals(r.get(0), 0x59, "it stands");
  r.set(B, 0x02);
  r.passNs(1e9);
  assertEquals(r.time(), [0x20, 0x30, 0x02, 0x28, 0x05, 0x12, 0x01, 0x00]);
  r.set(2, 0x45);
  assertEquals([r.get(2), r.get(4)], [0x45, 0x12], "a byte may be set while it runs");
});

Deno.test("update in progress shows for 244 us before each second", () => {
  const r = setUp();
  r.passNs(999_755_858);
  assertEquals(r.get(A), 0x26);
  r.passNs(1);
  assertEquals(r.get(A), 0xa6);
  r.passNs(244_141);
  assertEquals([r.get(A), r.get(0)], [0x26, 0x59]);
});

Deno.test("the divider holds the clock; the first update comes half a second after its release", () => {
  const r = setUp();
  r.set(A, 0x76);
  r.passNs(10e9);
  assertEquals(r.get(0), 0x58);
  r.set(A, 0x26);
  r.passNs(499_999_999);
  assertEquals(r.get(0), 0x58);
  r.passNs(1);
  assertEquals(r.get(0), 0x59);
});

Deno.test("periodic interrupt: every rate, one request until C is read", () => {
  const r = setUp();
  r.set(A, 0x26); // 1024 Hz
  r.set(B, 0x42);
  r.passNs(976_562);
  assertEquals(r.irq[0].level, false);
  r.passNs(1);
  assertEquals([r.irq[0].level, r.get(C), r.irq[0].level, r.get(C)], [true, 0xc0, false, 0x00]);
  r.edges.length = 0;
  r.passNs(10e6);
  assertEquals([[...r.edges], r.get(C) & 0xc0], [["0+"], 0xc0]);
});

/** Periods in clocks of 32,768 Hz, by rate (data sheet, table 5, last column). */
const PERIODS = [0, 128, 256, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384];
for (const [rate, period] of PERIODS.entries()) {
  Deno.test(`periodic interrupt, rate ${rate}: every ${period} clocks, at the very one`, () => {
    const r = setUp(32_768);
    r.set(A, 0x20 | rate);
    r.set(B, 0x42);
    r.get(C);
    const seen: number[] = [], clock = () => r.clock.base;
    for (let n = 0; n < 3 * 16_384; n++) {
      r.passNs(1e9 / 32_768);
      if (!r.irq[0].level) continue;
      seen.push(clock());
      assertEquals([r.get(C) & 0xc0, r.irq[0].level], [0xc0, false]);
      if (seen.length === 3) break;
    }
    assertEquals(seen, period ? [period, 2 * period, 3 * period] : []);
  });
}

Deno.test("flags rise without an interrupt when it is not enabled", () => {
  const r = setUp();
  r.get(C);
  r.passNs(1e9);
  assertEquals([r.irq[0].level, r.get(C), r.get(C)], [false, 0x50, 0]);
});

Deno.test("update interrupt at each second", () => {
  const r = setUp();
  r.passNs(300e6);
  r.set(B, 0x12);
  r.passNs(699_999_999);
  assertEquals(r.irq[0].level, false);
  r.passNs(1);
  assertEquals([r.irq[0].level, r.get(C) & 0x90, r.irq[0].level], [true, 0x90, false]);
  r.passNs(1e9);
  assertEquals(r.irq[0].level, true);
});

Deno.test("alarm: a time of day, and bytes that match anything", () => {
  const r = setUp();
  for (const [index, value] of [[5, 0x00], [3, 0x01], [1, 0x30]]) r.set(index, value);
  r.set(B, 0x22);
  r.passNs(91_999_999_999);
  assertEquals(r.irq[0].level, false);
  r.passNs(1);
  assertEquals([r.irq[0].level, r.get(C) & 0xa0, r.get(4), r.get(2), r.get(0)], [true, 0xa0, 0x00, 0x01, 0x30]);
  r.edges.length = 0;
  r.passNs(86_400e9);
  assertEquals(r.edges, ["0+"], "once a day");
  const q = setUp();
  for (const [index, value] of [[5, 0xff], [3, 0xc0], [1, 0x15]]) q.set(index, value);
  q.set(B, 0x22);
  q.passNs(17e9);
  assertEquals([q.irq[0].level, q.get(C) & 0xa0], [true, 0xa0]);
  q.passNs(59_999_999_999);
  assertEquals(q.irq[0].level, false);
  q.passNs(1);
  assertEquals(q.irq[0].level, true, "once a minute");
});

Deno.test("memory and time survive a reset, the interrupt enables do not", () => {
  const r = setUp();
  r.set(0x0f, 0x05);
  r.dev.setByte(0x15, 0x80);
  r.set(B, 0x52);
  r.set(2, 0x10);
  r.dev.reset();
  assertEquals([r.get(0x0f), r.get(0x15), r.get(B), r.get(2)], [0x05, 0x80, 0x02, 0x10]);
  assertEquals(r.clock.next, Infinity);
});

Deno.test("C and D are read-only; the NMI bit of the index is no part of it", () => {
  const r = setUp();
  r.set(C, 1);
  r.set(D, 1);
  assertEquals(r.log.length, 2);
  r.set(0x80 | 0x40, 0x12);
  assertEquals(r.get(0x40), 0x12);
});
