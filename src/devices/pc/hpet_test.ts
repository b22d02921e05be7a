import { assertEquals } from "@std/assert";
import type { Hpet } from "./hpet.ts";
import hpet from "./hpet.ts";
import { bench } from "../testing/bench.ts";

const CONFIGURATION = 0x10, STATUS = 0x20, COUNTER = 0xf0, COUNTER_HIGH = 0xf4;
const timer = (n: number) => 0x100 + 0x20 * n;
const COMPARATOR = 8, LEVEL = 2, ON = 4, PERIODIC = 8, VALUE_SET = 0x40, NARROW = 0x100, ROUTE_2 = 2 << 9;
/** Outputs: legacy irq0 and irq8, route2. One count is 10 ns. */
const setUp = (given = {}) => {
  const b = bench(hpet, given), dev = b.dev as Hpet;
  return { ...b, dev, get: (offset: number) => b.read(offset, 4), set: (offset: number, value: number) => b.write(offset, value, 4) };
};

Deno.test("capabilities: three timers of 64 bits, legacy replacement, 10 ns; routes as the machine has them", () => {
  const m = setUp();
  assertEquals([m.get(0), m.get(4), m.get(CONFIGURATION), m.get(timer(0)), m.get(timer(2) + 4), m.get(timer(0) + COMPARATOR)], [
    ...[0x8086_a201, 10_000_000, 0, 0x30, 4, 0xffff_ffff],
  ]);
  assertEquals(setUp({ routes: [2, 20] }).get(timer(1) + 4), 1 << 2 | 1 << 20);
  assertEquals(setUp({ hz: 14_318_180 }).get(4), 69_841_279);
});

Deno.test("the counter runs only while it is enabled, can be written in halves, and wraps", () => {
  const m = setUp();
  m.passNs(1000);
  assertEquals(m.get(COUNTER), 0);
  m.set(CONFIGURATION, 1);
  m.passNs(1000);
  assertEquals(m.get(COUNTER), 100);
  m.set(CONFIGURATION, 0);
  m.passNs(1000);
  assertEquals(m.get(COUNTER), 100);
  m.set(COUNTER, 0xffff_fffe);
  m.set(COUNTER_HIGH, 0xffff_ffff);
  m.set(CONFIGURATION, 1);
  m.passNs(30);
  assertEquals([m.get(COUNTER), m.get(COUNTER_HIGH)], [1, 0]);
});

Deno.test("one shot: fires when the counter is equal, on the route of its configuration, as an edge", () => {
  const m = setUp();
  m.set(timer(2) + COMPARATOR, 50);
  m.set(timer(2) + COMPARATOR + 4, 0);
  m.set(timer(2), ON | ROUTE_2);
  m.set(CONFIGURATION, 1);
  m.passNs(499);
  assertEquals(m.edges, []);
  m.passNs(1);
  assertEquals([m.edges, m.get(STATUS), m.clock.next], [["2+", "2-"], 0, Infinity], "the next time is 2^64 counts away");
});

Deno.test("a route that does not exist leads nowhere; without its enable bit a timer has no alarm", () => {
  const m = setUp();
  m.set(CONFIGURATION, 1);
  m.set(timer(0) + COMPARATOR + 4, 0);
  m.set(timer(0) + COMPARATOR, 5);
  assertEquals(m.clock.next, Infinity);
  m.set(timer(0), ON | 3 << 9);
  m.passNs(100);
  assertEquals(m.edges, []);
});

Deno.test("level-triggered: high until its status bit is cleared", () => {
  const m = setUp();
  m.set(timer(1) + COMPARATOR + 4, 0);
  m.set(timer(1) + COMPARATOR, 10);
  m.set(timer(1), ON | LEVEL | ROUTE_2);
  m.set(CONFIGURATION, 1);
  m.passNs(200);
  assertEquals([m.edges, m.get(STATUS)], [["2+"], 2]);
  m.set(STATUS, 1);
  assertEquals(m.irq[2].level, true);
  m.set(STATUS, 2);
  assertEquals([m.edges, m.get(STATUS)], [["2+", "2-"], 0]);
});

Deno.test("periodic: the first write after VALUE_SET sets the comparator, the next one the period", () => {
  const m = setUp();
  m.set(timer(0), ON | PERIODIC | VALUE_SET | NARROW | ROUTE_2);
  m.set(timer(0) + COMPARATOR, 100);
  assertEquals(m.get(timer(0)), ON | PERIODIC | NARROW | ROUTE_2 | 0x30, "VALUE_SET clears itself");
  m.set(timer(0) + COMPARATOR, 30);
  m.set(CONFIGURATION, 1);
  m.passNs(1000);
  assertEquals([m.edges.length, m.get(timer(0) + COMPARATOR)], [2, 130]);
  m.passNs(600);
  assertEquals([m.edges.length, m.get(timer(0) + COMPARATOR)], [6, 190]);
});

Deno.test("periods shorter than an instruction are not lost, and time goes on", () => {
  const b = bench(hpet, {}, { hz: 1_000_000 }), set = (offset: number, value: number) => b.write(offset, value, 4);
  set(timer(0), ON | PERIODIC | VALUE_SET | NARROW | ROUTE_2);
  set(timer(0) + COMPARATOR, 100);
  set(timer(0) + COMPARATOR, 30);
  set(CONFIGURATION, 1);
  b.passNs(1000);
  assertEquals([b.edges, b.read(timer(0) + COMPARATOR, 4), b.clock.next], [["2+", "2-"], 130, 2]);
  b.passNs(1000);
  assertEquals([b.edges.length, b.read(timer(0) + COMPARATOR, 4), b.clock.next], [4, 220, 3]);
});

Deno.test("a comparator of 64 bits is set whole by two writes with VALUE_SET", () => {
  const m = setUp();
  m.set(timer(0), ON | PERIODIC | VALUE_SET);
  m.set(timer(0) + COMPARATOR, 7);
  m.set(timer(0) + COMPARATOR + 4, 1);
  assertEquals([m.get(timer(0) + COMPARATOR), m.get(timer(0) + COMPARATOR + 4)], [7, 1]);
});

Deno.test("32-bit mode: the counter's lower half counts, also after it has wrapped", () => {
  const m = setUp();
  m.set(COUNTER, 0xffff_fff0);
  m.set(timer(0), ON | NARROW | ROUTE_2);
  m.set(timer(0) + COMPARATOR, 4);
  m.set(CONFIGURATION, 1);
  m.passNs(190);
  assertEquals(m.edges, []);
  m.passNs(10);
  assertEquals(m.edges, ["2+", "2-"]);
});

Deno.test("legacy replacement: timers 0 and 1 take the places of the 8254 and the clock, which pass through otherwise", () => {
  const m = setUp(), pit = m.dev.input("pit")!, rtc = m.dev.input("rtc")!;
  pit.set(true);
  rtc.set(true);
  rtc.set(false);
  assertEquals(m.edges, ["0+", "1+", "1-"]);
  m.set(CONFIGURATION, 3);
  assertEquals(m.irq[0].level, false);
  pit.set(false);
  pit.set(true);
  m.edges.length = 0;
  for (const n of [0, 1]) {
    m.set(timer(n) + COMPARATOR + 4, 0);
    m.set(timer(n) + COMPARATOR, 100 + n);
    m.set(timer(n), ON | ROUTE_2);
  }
  m.passNs(2000);
  assertEquals(m.edges, ["0+", "0-", "1+", "1-"]);
  m.set(CONFIGURATION, 1);
  assertEquals(m.irq[0].level, true, "the 8254 is back");
});

Deno.test("a match is one interrupt: neither a restored timer nor another register brings it again", () => {
  // Ten ticks are one count: the counter is equal to the comparator for all of them. In 32 bits it would be again after 43 seconds.
  for (const configuration of [ON | ROUTE_2, ON | ROUTE_2 | NARROW, ON | ROUTE_2 | PERIODIC]) {
    const m = setUp(), other = setUp();
    m.set(timer(0), configuration);
    for (const [at, value] of [[COMPARATOR + 4, 0], [COMPARATOR, 5]]) m.set(timer(0) + at, value);
    // A period of 0 is none.
    if (configuration & PERIODIC) m.set(timer(0) + COMPARATOR, 0);
    m.set(CONFIGURATION, 1);
    if (configuration & PERIODIC) {
      for (const [at, value] of [[0, ON | ROUTE_2], [COMPARATOR + 4, 0], [COMPARATOR, 5], [0, configuration]]) m.set(timer(0) + at, value);
    }
    m.passNs(52);
    assertEquals(m.edges.splice(0), ["2+", "2-"]);
    other.clock.base = m.clock.base;
    other.dev.state = structuredClone(m.dev.state);
    other.dev.restored();
    m.set(CONFIGURATION, 1);
    for (const b of [m, other]) {
      assertEquals(b.clock.next, Infinity);
      b.passNs(5);
      assertEquals(b.edges, []);
    }
    m.set(timer(0) + COMPARATOR, 6);
    m.passNs(5);
    assertEquals(m.edges.length, 2, "until it is written again");
  }
});

Deno.test("the shortest times, the longest, and 0: exactly at the first tick of the count, at every rate", () => {
  for (const [hz, ticks] of [[10_000_000, 100], [100_000_000, 10], [1_000_000_000, 1], [300_000_000, 10 / 3]]) {
    for (const count of [1, 2, 3, 1000, 0x7fff_ffff, 0xffff_ffff]) {
      for (const periodic of [false, true]) {
        const m = setUp({ hz });
        m.set(timer(0), ON | ROUTE_2 | NARROW | (periodic ? PERIODIC | VALUE_SET : 0));
        m.set(timer(0) + COMPARATOR, count);
        if (periodic) m.set(timer(0) + COMPARATOR, count);
        m.set(CONFIGURATION, 1);
        const due = [1, 2, 3].map((n) => Math.ceil(n * count * ticks)), seen: number[] = [];
        for (let n = 0; n < (periodic ? 3 : 1); n++) {
          seen.push(m.clock.next);
          m.clock.base = m.clock.next;
          m.clock.fireDue();
        }
        assertEquals(seen, due.slice(0, seen.length), `${count} at ${hz} Hz${periodic ? ", again and again" : ""}`);
        assertEquals([m.edges.length, m.clock.next], [2 * seen.length, periodic ? Math.ceil(4 * count * ticks) : Infinity]);
      }
    }
  }
  // Equal already: at once.
  const m = setUp();
  m.set(timer(0), ON | ROUTE_2 | NARROW);
  m.set(timer(0) + COMPARATOR, 0);
  m.set(CONFIGURATION, 1);
  assertEquals(m.clock.next, 0);
});
