import { assertEquals } from "@std/assert";
import { unconnected, Wire } from "./irq.ts";

Deno.test("a wire is low at first, and tells of each change once, when it has the new level", () => {
  const told: unknown[] = [], wire: Wire = new Wire((level) => told.push([level, wire.level]));
  assertEquals(wire.level, false);
  for (const level of [false, true, true, false, false, true]) {
    wire.set(level);
    assertEquals(wire.level, level);
  }
  assertEquals(told, [[true, true], [false, false], [true, true]]);
  const loose = unconnected();
  loose.set(true);
  assertEquals(loose.level, true);
});
