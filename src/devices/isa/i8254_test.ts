import { assertEquals } from "@std/assert";
import type { I8254 } from "./i8254.ts";
import pit from "./i8254.ts";
import { bench } from "../testing/bench.ts";

/** One tick of the clock is one clock of the timer. */
function setUp() {
  const b = bench(pit, {}, { hz: 1_193_182 });
  const pass = (clocks: number) => {
    const end = b.clock.base + clocks;
    while (b.clock.next <= end) {
      b.clock.base = Math.max(b.clock.base, b.clock.next);
      b.clock.fireDue();
    }
    b.clock.base = end;
  };
  const mode = (counter: number, m: number, count: number, extra = 0) => {
    b.write(3, counter << 6 | 0x30 | m << 1 | extra);
    b.write(counter, count & 0xff);
    b.write(counter, count >> 8);
  };
  const value = (counter: number) => {
    b.write(3, counter << 6);
    return b.read(counter) | b.read(counter) << 8;
  };
  const out = (counter: number) => (b.dev as I8254).out(counter);
  const gate2 = (on: boolean) => b.write(0, Number(on), 1, 1);
  /** Levels of an output at the next clocks. */
  const trace = (counter: number, clocks: number) => {
    let text = "";
    for (let i = 0; i < clocks; i++) {
      text += out(counter) ? "-" : "_";
      pass(1);
    }
    return text;
  };
  return { ...b, pass, mode, value, out, gate2, trace };
}

Deno.test("mode 0: the output rises when the count is over, and the counter runs on", () => {
  const p = setUp();
  p.mode(0, 0, 5);
  assertEquals([p.irq[0].level, p.value(0)], [false, 5]);
  p.pass(4);
  assertEquals([p.irq[0].level, p.value(0)], [false, 1]);
  p.pass(1);
  assertEquals([p.irq[0].level, p.value(0)], [true, 0]);
  p.pass(2);
  assertEquals([p.value(0), p.edges], [0xfffe, ["0+"]]);
  p.write(0, 9);
  assertEquals(p.irq[0].level, false, "the first byte of a new count takes it down");
  p.pass(1000);
  assertEquals(p.irq[0].level, false, "and stops the counting");
  p.write(0, 0);
  p.pass(9);
  assertEquals(p.irq[0].level, true);
});

Deno.test("mode 1: one shot for each rising gate; a new count waits for the next", () => {
  const p = setUp();
  p.mode(2, 1, 3);
  assertEquals(p.trace(2, 3), "---");
  p.gate2(true);
  assertEquals(p.trace(2, 5), "___--");
  p.gate2(false);
  p.gate2(true);
  p.pass(1);
  p.write(2, 6);
  p.write(2, 0);
  p.gate2(false);
  assertEquals(p.trace(2, 4), "__--");
  p.gate2(true);
  assertEquals(p.trace(2, 8), "______--");
});

Deno.test("mode 2: one clock low for each period, a new count from the next period on", () => {
  const p = setUp();
  p.mode(0, 2, 4);
  assertEquals(p.trace(0, 10), "---_---_--");
  assertEquals(p.value(0), 2);
  p.write(0, 2);
  p.write(0, 0);
  assertEquals(p.trace(0, 6), "-_-_-_");
});

Deno.test("mode 2 raises the interrupt once for each period", () => {
  const p = setUp();
  p.mode(0, 2, 11932);
  p.edges.length = 0;
  p.pass(1_193_182);
  assertEquals(p.edges.filter((e) => e === "0+").length, 99);
});

Deno.test("mode 3: even and odd square waves, reload at the half", () => {
  const p = setUp();
  p.gate2(true);
  p.mode(2, 3, 4);
  assertEquals(p.trace(2, 8), "--__--__");
  p.mode(2, 3, 5);
  assertEquals(p.trace(2, 10), "---__---__");
  p.write(2, 2);
  p.write(2, 0);
  assertEquals(p.trace(2, 7), "---_-_-");
  p.mode(2, 3, 8);
  assertEquals([0, 1, 2, 3, 4, 5].map(() => (p.pass(1), p.value(2))), [6, 4, 2, 8, 6, 4]);
});

Deno.test("mode 3 interrupt: alarms are exact at a clock that does not divide", () => {
  const b = bench(pit, {}, { hz: 1_000_000_000 });
  b.write(3, 0x36);
  b.write(0, 0);
  b.write(0, 0);
  assertEquals(b.irq[0].level, true);
  b.passNs(27_462_000);
  assertEquals(b.irq[0].level, true);
  b.passNs(1_000);
  assertEquals(b.irq[0].level, false, "half of 54.925 ms");
  b.edges.length = 0;
  b.passNs(1e9);
  assertEquals(b.edges.filter((e) => e === "0+").length, 18);
});

Deno.test("mode 4: a strobe of one clock after a written count", () => {
  const p = setUp();
  p.mode(0, 4, 3);
  assertEquals(p.trace(0, 6), "---_--");
  p.mode(0, 4, 2);
  assertEquals(p.trace(0, 4), "--_-");
});

Deno.test("mode 5: a strobe after a rising gate", () => {
  const p = setUp();
  p.mode(2, 5, 2);
  assertEquals(p.trace(2, 4), "----");
  p.gate2(true);
  assertEquals(p.trace(2, 4), "--_-");
});

Deno.test("gate: modes 0 and 4 pause, modes 2 and 3 go high and start again", () => {
  const p = setUp();
  p.gate2(true);
  p.mode(2, 0, 5);
  p.pass(2);
  p.gate2(false);
  p.pass(100);
  assertEquals(p.value(2), 3);
  p.gate2(true);
  assertEquals(p.trace(2, 4), "___-");
  p.mode(2, 2, 3);
  assertEquals(p.trace(2, 3), "--_");
  p.pass(2);
  p.gate2(false);
  assertEquals(p.trace(2, 4), "----");
  p.gate2(true);
  assertEquals(p.trace(2, 6), "--_--_");
});

Deno.test("reading: low and high byte, only one of them, latched, and read-back with status", () => {
  const p = setUp();
  p.mode(0, 2, 0x1234);
  p.pass(0x34);
  assertEquals([p.read(0), p.read(0)], [0x00, 0x12]);
  p.write(3, 0x00);
  p.pass(0x100);
  p.write(3, 0x00);
  assertEquals([p.read(0), p.read(0)], [0x00, 0x12], "the first latch holds");
  assertEquals([p.read(0), p.read(0)], [0x00, 0x11]);
  p.read(0);
  p.write(3, 0x00);
  assertEquals([p.read(0), p.read(0), p.read(0)], [0x00, 0x11, 0x11], "a latch between two reads begins with the low byte");
  p.write(3, 0xc2); // count and status of counter 0
  assertEquals([p.read(0), p.read(0), p.read(0)], [0xb4, 0x00, 0x11]);
  p.write(3, 0x14); // low byte only, mode 2
  p.write(3, 0xe2);
  assertEquals(p.read(0), 0xd4, "no count yet");
  p.write(0, 0x80);
  p.pass(1);
  assertEquals([p.read(0), p.read(0)], [0x7f, 0x7f]);
  p.write(3, 0x24); // high byte only
  p.write(0, 0x02);
  assertEquals(p.read(0), 0x02);
  p.read(3);
  assertEquals(p.log.length, 1);
});

Deno.test("BCD counts, and modes 6 and 7", () => {
  const p = setUp();
  p.mode(0, 2, 0x1000, 1);
  p.pass(1);
  assertEquals(p.value(0), 0x0999);
  p.mode(0, 0, 0, 1);
  p.pass(1);
  assertEquals(p.value(0), 0x9999);
  p.mode(0, 6, 4);
  assertEquals(p.trace(0, 4), "---_");
  p.mode(0, 7, 4);
  assertEquals(p.trace(0, 4), "--__");
});

Deno.test("port 0x61: gate and speaker bits, output of counter 2, refresh toggle", () => {
  const p = setUp();
  p.write(0, 0xff, 1, 1);
  assertEquals(p.read(0, 1, 1) & 0xef, 0x0f);
  p.mode(2, 0, 10);
  assertEquals(p.read(0, 1, 1) & 0x20, 0);
  p.pass(10);
  assertEquals(p.read(0, 1, 1) & 0x20, 0x20);
  const seen = new Set<number>();
  for (let i = 0; i < 40; i++) {
    seen.add(p.read(0, 1, 1) & 0x10);
    p.pass(1);
  }
  assertEquals(seen.size, 2);
});

Deno.test("a snapshot keeps the running interrupt", () => {
  const p = setUp(), q = setUp();
  p.mode(0, 2, 100);
  p.pass(50);
  q.clock.base = p.clock.base;
  q.dev.state = structuredClone(p.dev.state);
  q.dev.restored!();
  assertEquals([q.clock.next, q.irq[0].level], [p.clock.next, true]);
});
