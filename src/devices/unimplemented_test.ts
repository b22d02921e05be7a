import { assertEquals } from "@std/assert";
import unimplemented from "./unimplemented.ts";
import { bench } from "./testing/bench.ts";

Deno.test("reads give the value at the width asked for, writes do nothing", () => {
  const b = bench(unimplemented, { name: "ccu", size: 0x400, value: 0xdead_beef });
  b.write(0x10, 1, 4);
  assertEquals([b.read(0x10, 4), b.read(0x10, 2), b.read(0x10, 1)], [0xdead_beef, 0xbeef, 0xef]);
});

Deno.test("each register is logged once for reads and once for writes", () => {
  const b = bench(unimplemented, { name: "ccu", size: 0x400 });
  for (let i = 0; i < 3; i++) {
    b.read(4, 4);
    b.write(4, 7, 4);
  }
  assertEquals(b.log, ["unimp ccu: read of 0x4", "unimp ccu: write to 0x4: 0x7"]);
});

Deno.test("the log falls silent after 1024 different accesses", () => {
  const b = bench(unimplemented, { name: "big", size: 0x1_0000 });
  for (let i = 0; i < 2000; i++) b.read(4 * i, 4);
  assertEquals(b.log.length, 1024);
});
