import { assertEquals } from "@std/assert";
import clint, { type Clint } from "./clint.ts";
import { bench } from "../testing/bench.ts";

const setUp = (harts = 2) => {
  const b = bench(clint, {}, { harts });
  return { ...b, clint: b.dev as Clint };
};
const MTIMECMP = 0x4000, MTIME = 0xbff8;

Deno.test("msip of each hart drives its own wire and keeps one bit", () => {
  const c = setUp();
  c.write(4, 0xffff_ffff, 4);
  assertEquals([c.read(0, 4), c.read(4, 4), c.edges], [0, 1, ["2+"]]);
  c.write(4, 0xfffe, 4);
  assertEquals([c.read(4, 4), c.edges], [0, ["2+", "2-"]]);
});

Deno.test("mtime counts at the timebase, low and high halves", () => {
  const c = setUp();
  c.passNs(99);
  assertEquals(c.read(MTIME, 4), 0);
  c.passNs(1);
  assertEquals([c.read(MTIME, 4), c.clint.timeSource()], [1, 1]);
  c.passNs(1e9 * 1000);
  assertEquals([c.read(MTIME, 4), c.read(MTIME + 4, 4)], [(10_000_000_001) % 2 ** 32, 2]);
});

Deno.test("mtip rises at the first tick at which mtime >= mtimecmp and falls when mtimecmp moves away", () => {
  const c = setUp();
  c.write(MTIMECMP + 8, 5, 4);
  assertEquals(c.irq[3].level, false, "the high half is still all ones");
  c.write(MTIMECMP + 12, 0, 4);
  assertEquals(c.clock.next, 500);
  c.passNs(499);
  assertEquals(c.irq[3].level, false);
  c.passNs(1);
  assertEquals([c.irq[3].level, c.irq[1].level], [true, false]);
  c.write(MTIMECMP + 8, 6, 4);
  assertEquals(c.irq[3].level, false);
  c.write(MTIMECMP + 8, 0, 4);
  assertEquals(c.irq[3].level, true, "a time that has passed is due at once");
});

Deno.test("the alarm is exact where ticks and timebase do not divide", () => {
  const b = bench(clint, { timebase_hz: 3_000_000 }, { hz: 1_000_000_000 });
  b.write(MTIMECMP, 2, 4);
  b.write(MTIMECMP + 4, 0, 4);
  assertEquals(b.clock.next, 667);
  b.clock.base = 666;
  assertEquals(b.read(MTIME, 4), 1);
  b.passNs(1);
  assertEquals([b.read(MTIME, 4), b.irq[1].level], [2, true]);
});

Deno.test("mtime can be written: both halves, with the alarms following", () => {
  const c = setUp(1);
  c.passNs(1000);
  c.write(MTIMECMP + 4, 1, 4);
  c.write(MTIMECMP, 0, 4); // 2^32
  c.write(MTIME, 0xffff_fff0, 4);
  assertEquals([c.read(MTIME, 4), c.clint.mtime(), c.irq[1].level], [0xffff_fff0, 0xffff_fff0n, false]);
  c.passNs(1599);
  assertEquals(c.irq[1].level, false);
  c.passNs(1);
  assertEquals([c.irq[1].level, c.clint.timeSource()], [true, 2 ** 32]);
  c.write(MTIME + 4, 0, 4);
  assertEquals(c.irq[1].level, false);
});

Deno.test("a hart whose time is before that of a write of mtime finds what was written, and its alarms are where they should be", () => {
  for (const written of [0, 5_000, 0xffff_0000]) {
    const c = setUp();
    c.passNs(100_000); // 1000 counts
    c.write(MTIME, written, 4);
    c.write(MTIME + 4, 0, 4);
    assertEquals(c.clint.timeSource(), written);
    c.clock.base = 40_000;
    assertEquals([c.clint.mtime(), c.clint.timeSource()], [BigInt(written), written]);
    c.write(MTIMECMP + 8, written + 7, 4);
    c.write(MTIMECMP + 12, 0, 4);
    assertEquals([c.irq[3].level, c.clock.next, c.clint.tickOfTime(written + 7)], [false, 100_700, 100_700]);
    c.passNs(60_600);
    assertEquals([c.clint.timeSource(), c.irq[3].level], [written + 6, false]);
    c.passNs(100);
    assertEquals([c.clint.timeSource(), c.irq[3].level], [written + 7, true]);
  }
});

Deno.test("mtime near 2^64 wraps and compares unsigned", () => {
  const c = setUp(1);
  c.write(MTIME, 0xffff_ffff, 4);
  c.write(MTIME + 4, 0xffff_ffff, 4);
  assertEquals(c.irq[1].level, true, "equal to the mtimecmp of reset");
  c.passNs(100);
  assertEquals(c.clint.mtime(), 0n);
});

Deno.test("reset: mtime starts again, mtimecmp is all ones, wires are low", () => {
  const c = setUp(1);
  c.passNs(5000);
  c.write(0, 1, 4);
  c.write(MTIMECMP + 4, 0, 4);
  c.write(MTIMECMP, 0, 4);
  c.dev.reset();
  assertEquals([c.read(MTIME, 4), c.read(MTIMECMP, 4), c.read(MTIMECMP + 4, 4)], [0, 0xffff_ffff, 0xffff_ffff]);
  assertEquals(c.irq.map((w) => w.level), [false, false]);
  c.passNs(200);
  assertEquals(c.clint.timeSource(), 2);
});

Deno.test("a hart that does not exist is logged", () => {
  const c = setUp(2);
  assertEquals([c.read(8, 4), c.read(MTIMECMP + 16, 4), c.read(0xb000, 4)], [0, 0, 0]);
  c.write(8, 1, 4);
  assertEquals(c.log.length, 4);
});

// The shortest times: already past, at once, and one or two counts ahead, from every phase of a count.
for (const ahead of [-1, 0, 1, 2]) {
  for (const phase of [0, 1, 99]) {
    Deno.test(`mtimecmp ${ahead} counts ahead, ${phase} ns into one`, () => {
      const c = setUp();
      c.passNs(1000 + phase);
      c.write(MTIMECMP + 4, 0, 4);
      c.write(MTIMECMP, 10 + ahead, 4);
      for (let ns = phase; ns < 300; ns++) {
        assertEquals(c.irq[1].level, ns >= 100 * ahead, `${ns} ns`);
        c.passNs(1);
      }
    });
  }
}
