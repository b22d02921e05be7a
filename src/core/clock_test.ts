// Alarms: in order of time, each known by its name.
import { assertEquals, assertThrows } from "@std/assert";
import { type Alarm, VirtualClock } from "./clock.ts";

Deno.test("alarms fire in order of time, ties in order of creation, each once", () => {
  const clock = new VirtualClock(1e9), fired: string[] = [];
  const [a, b, c] = ["a", "b", "c"].map((name) => clock.alarm(name, () => fired.push(`${name} ${clock.ticks}`)));
  c.scheduleAt(5);
  b.scheduleAt(7);
  a.scheduleAt(7);
  clock.base = 7;
  assertEquals(clock.next, 5);
  clock.fireDue();
  clock.fireDue();
  assertEquals([fired, clock.next], [["c 7", "a 7", "b 7"], Infinity]);
});

Deno.test("what is saved of alarms is theirs by name, whichever were made first, and sets no others", () => {
  const one = new VirtualClock(1e9), other = new VirtualClock(1e9), nothing = () => {};
  const [x, y] = [one.alarm("timer", nothing, "uart0"), one.alarm("timer", nothing, "uart1")];
  one.alarm("timer", nothing);
  x.scheduleAt(30);
  y.scheduleAt(20);
  assertEquals(one.save(), { "uart0: timer": 30, "uart1: timer": 20 });
  const platform = other.alarm("timer", nothing), again = ["uart1", "uart0"].map((device) => other.alarm("timer", nothing, device));
  platform.scheduleAt(3);
  other.load(one.save());
  assertEquals([platform.at, again.map((a) => a.at), other.next], [Infinity, [20, 30], 20]);
  other.load({});
  assertEquals([again.map((a) => a.at), other.next], [[Infinity, Infinity], Infinity]);
});

Deno.test("two alarms of a name would be one in a snapshot", () => {
  const clock = new VirtualClock(1e9);
  clock.alarm("timer", () => {}, "uart0");
  clock.alarm("timer", () => {}, "uart1");
  assertThrows(() => clock.alarm("timer", () => {}, "uart1"), Error, "two alarms are called 'uart1: timer'");
});

Deno.test("counters, their ticks and nanoseconds are those of fractions, at every tick", () => {
  for (const hz of [1_000_000_000, 500_000_000, 100_000_000, 7_159_090, 3, 1]) {
    const clock = new VirtualClock(hz);
    let run = 0;
    assertEquals([clock.ticks, clock.nowNs, clock.count(32_768), clock.next], [0, 0, 0, Infinity]);
    clock.elapsed = () => run;
    for (const counter of [10_000_000, 1_193_182, 32_768, hz, 2 * hz, 1]) {
      for (const at of [1, 2, 99, 100, 101, hz - 1, hz, hz + 1, 12_345_678_901, 3 * hz + 7]) {
        clock.base = at - (at >> 1);
        run = at >> 1;
        const [t, h, c] = [at - (at >> 1) + (at >> 1), hz, counter].map(BigInt), message = `${at} of ${hz} Hz, counter of ${counter} Hz`;
        assertEquals([clock.ticks, clock.nowNs], [Number(t), Number(t * 1_000_000_000n / h)], message);
        assertEquals([clock.count(counter), clock.count(counter)], [Number(t * c / h), Number(t * c / h)], message);
        assertEquals(clock.tickOf(at, counter), Number((t * h + c - 1n) / c), message);
      }
    }
  }
});

Deno.test("an alarm after so many nanoseconds is not early and less than a tick late; moving and cancelling is told of", () => {
  const clock = new VirtualClock(300_000_000), a = clock.alarm("a", () => {}), b = clock.alarm("b", () => {});
  let moved = 0;
  clock.onMoved = () => moved++;
  clock.base = 1000;
  clock.elapsed = () => 50;
  const at = (ns: number) => (a.schedule(ns), a.at);
  assertEquals([0, -5, 1, 3, 4, 10, 1e12, 1e9].map(at), [1050, 1050, 1051, 1051, 1052, 1053, 300_000_001_050, 300_001_050]);
  assertEquals([moved, clock.next], [8, 300_001_050]);
  b.scheduleAt(2000);
  assertEquals([moved, clock.next, clock.save()], [9, 2000, { a: 300_001_050, b: 2000 }]);
  b.cancel();
  assertEquals([moved, clock.next, b.at, clock.save()], [10, 300_001_050, Infinity, { a: 300_001_050 }]);
});

Deno.test("what an alarm sets for now fires at once, what it sets for later does not; it is not set any more when it fires", () => {
  const clock = new VirtualClock(1), fired: unknown[] = [];
  const [a, b]: Alarm[] = [
    clock.alarm("a", () => {
      fired.push(["a", a.at, clock.next]);
      b.scheduleAt(10);
      a.scheduleAt(11);
    }),
    clock.alarm("b", () => fired.push(["b", b.at, clock.next])),
  ];
  a.scheduleAt(4);
  clock.base = 10;
  clock.fireDue();
  assertEquals([fired, clock.next], [[["a", Infinity, Infinity], ["b", Infinity, 11]], 11]);
});
