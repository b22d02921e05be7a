import { assertEquals } from "@std/assert";
import finisher from "./sifive_finisher.ts";
import { bench } from "../testing/bench.ts";

Deno.test("pass, fail with its code, and reset", () => {
  const b = bench(finisher);
  b.write(0, 0x5555, 4);
  b.write(0, 0x002a_3333, 4);
  b.write(0, 0x3333, 2);
  b.write(0, 0x7777, 4);
  assertEquals(b.stops, [
    { kind: "exit", code: 0, pass: true },
    { kind: "exit", code: 42, pass: false },
    { kind: "exit", code: 0, pass: false },
    { kind: "reset" },
  ]);
});

Deno.test("anything else is logged and does nothing", () => {
  const b = bench(finisher);
  b.write(0, 0x1234, 4);
  b.write(4, 0x5555, 4);
  assertEquals([b.read(0, 4), b.stops.length, b.log.length], [0, 0, 3]);
});

Deno.test("power-off and reboot nodes point at the finisher", () => {
  assertEquals(finisher.fdtExtra!({}, 4), {
    poweroff: { value: 0x5555, offset: 0, regmap: 4, compatible: "syscon-poweroff" },
    reboot: { value: 0x7777, offset: 0, regmap: 4, compatible: "syscon-reboot" },
  });
});
