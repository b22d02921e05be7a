// Alarms: in order of time, each known by its name.
import { assertEquals, assertThrows } from "@std/assert";
import { VirtualClock } from "./clock.ts";

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
