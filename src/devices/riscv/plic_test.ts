import { assertEquals } from "@std/assert";
import plic from "./plic.ts";
import { bench, defaults } from "../testing/bench.ts";

const PENDING = 0x1000;
const enable = (context: number, word = 0) => 0x2000 + 0x80 * context + 4 * word;
const threshold = (context: number) => 0x20_0000 + 0x1000 * context;
const claim = (context: number) => threshold(context) + 4;

const setUp = (given = {}, harts = 1) => {
  const b = bench(plic, given, { harts });
  return {
    ...b,
    get: (offset: number) => b.read(offset, 4),
    set: (offset: number, value: number) => b.write(offset, value, 4),
    line: (n: number) => b.dev.input!(String(n))!,
  };
};

Deno.test("a source reaches a context only when enabled and above the threshold", () => {
  const p = setUp();
  p.line(10).set(true);
  assertEquals([p.get(PENDING), p.edges], [1 << 10, []]);
  p.set(4 * 10, 1);
  p.set(enable(1), 1 << 10);
  assertEquals(p.edges, ["1+"]);
  p.set(threshold(1), 1);
  assertEquals([p.edges, p.get(PENDING)], [["1+", "1-"], 1 << 10]);
  p.set(threshold(1), 0);
  assertEquals(p.irq.map((w) => w.level), [false, true]);
});

Deno.test("claim hands out the highest priority, the lowest number among equals, and each once", () => {
  const p = setUp();
  for (const [source, priority] of [[3, 2], [40, 7], [95, 7], [8, 2]]) {
    p.set(4 * source, priority);
    p.line(source).set(true);
  }
  for (const word of [0, 1, 2]) p.set(enable(0, word), 0xffff_ffff);
  assertEquals([1, 2, 3, 4, 5].map(() => p.get(claim(0))), [40, 95, 3, 8, 0]);
  assertEquals(p.irq[0].level, false);
});

Deno.test("the threshold masks the request and not the claim (chapter 8); priority 0 is never claimed", () => {
  const p = setUp();
  for (const [source, priority] of [[10, 1], [11, 7], [12, 0]]) {
    p.set(4 * source, priority);
    p.line(source).set(true);
  }
  p.set(enable(1), 7 << 10);
  p.set(threshold(1), 7);
  assertEquals([p.irq[1].level, p.get(claim(1)), p.get(claim(1)), p.get(claim(1))], [false, 11, 10, 0], "polled");
  p.set(claim(1), 10);
  p.set(claim(1), 11);
  p.set(threshold(1), 5);
  assertEquals([p.irq[1].level, p.get(claim(1)), p.irq[1].level], [true, 11, false], "the rest does not exceed the threshold");
  assertEquals([p.get(claim(1)), p.get(claim(1)), p.get(PENDING)], [10, 0, 1 << 12]);
});

Deno.test("gateway: a level that stays high is pending again after completion, not before", () => {
  const p = setUp();
  p.set(4, 1);
  p.set(enable(0), 2);
  p.line(1).set(true);
  assertEquals(p.get(claim(0)), 1);
  assertEquals([p.get(PENDING), p.irq[0].level], [0, false]);
  p.line(1).set(false);
  p.line(1).set(true);
  assertEquals(p.get(PENDING), 0, "in service");
  p.set(claim(0), 1);
  assertEquals([p.get(PENDING), p.irq[0].level, p.get(claim(0))], [2, true, 1]);
  p.line(1).set(false);
  p.set(claim(0), 1);
  assertEquals([p.get(PENDING), p.irq[0].level], [0, false]);
});

Deno.test("a request stays when its line falls before the claim", () => {
  const p = setUp();
  p.set(4 * 5, 1);
  p.set(enable(0), 1 << 5);
  p.line(5).set(true);
  p.line(5).set(false);
  assertEquals([p.irq[0].level, p.get(PENDING), p.get(claim(0)), p.irq[0].level], [true, 1 << 5, 5, false]);
  p.set(claim(0), 5);
  assertEquals([p.get(PENDING), p.get(claim(0))], [0, 0]);
});

Deno.test("one claim serves all contexts; a completion needs the enable bit of its context", () => {
  const p = setUp({}, 2);
  p.set(4 * 7, 3);
  p.set(enable(1), 1 << 7);
  p.set(enable(3), 1 << 7);
  p.line(7).set(true);
  assertEquals(p.irq.map((w) => w.level), [false, true, false, true]);
  assertEquals([p.get(claim(3)), p.get(claim(1))], [7, 0]);
  p.set(claim(0), 7);
  p.set(claim(1), 96);
  assertEquals([p.irq[1].level, p.log.length], [false, 2]);
  p.set(claim(1), 7);
  assertEquals(p.irq.map((w) => w.level), [false, true, false, true]);
});

Deno.test("WARL: priorities and thresholds keep three bits, source 0 and sources past the last keep none", () => {
  const p = setUp();
  p.set(4 * 9, 0xff);
  p.set(threshold(0), 0x1a);
  p.set(0, 7);
  p.set(enable(0), 0xffff_ffff);
  assertEquals([p.get(4 * 9), p.get(threshold(0)), p.get(0), p.get(enable(0))], [7, 2, 0, 0xffff_fffe]);
  const small = setUp({ sources: 31, priority_bits: 1 });
  small.set(enable(0), 0xffff_ffff);
  small.set(4, 3);
  assertEquals([small.get(enable(0)), small.get(4)], [0xffff_fffe, 1]);
  const odd = setUp({ sources: 33 });
  odd.set(enable(0, 1), 0xffff_ffff);
  assertEquals([odd.get(enable(0, 1)), odd.dev.input!("33") !== undefined, odd.dev.input!("34"), odd.dev.input!("0")], [
    3,
    true,
    undefined,
    undefined,
  ]);
});

Deno.test("pending is read-only; unknown registers and contexts are logged", () => {
  const p = setUp();
  p.set(PENDING, 0xff);
  assertEquals([p.get(PENDING), p.get(threshold(2)), p.get(enable(2)), p.get(threshold(0) + 8)], [0, 0, 0, 0]);
  assertEquals(p.log.length, 4);
});

Deno.test("a snapshot restores levels, claims and outputs", () => {
  const p = setUp(), q = setUp();
  p.set(4 * 10, 1);
  p.set(enable(1), 1 << 10);
  p.line(10).set(true);
  q.dev.state = structuredClone(p.dev.state);
  q.dev.restored!();
  assertEquals(q.irq[1].level, true);
  q.line(10).set(true); // the source sets its wire again after the restore
  assertEquals(q.get(claim(1)), 10);
  q.set(claim(1), 10);
  assertEquals(q.irq[1].level, true);
});

Deno.test("the device-tree node tells the number of sources", () => {
  assertEquals(plic.fdt!(defaults(plic.keys))["riscv,ndev"], 95);
});
