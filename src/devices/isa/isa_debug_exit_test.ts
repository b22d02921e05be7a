import { assertEquals } from "@std/assert";
import debugExit from "./isa_debug_exit.ts";
import { bench } from "../testing/bench.ts";

Deno.test("a value ends the run with its odd code and the declared verdict", () => {
  const b = bench(debugExit, { verdict: { pass: 0x10, fail: 0x11 } });
  b.write(0, 0x10, 4);
  b.write(0, 0x11, 1);
  b.write(0, 0, 2);
  assertEquals(b.stops, [{ kind: "exit", code: 33, pass: true }, { kind: "exit", code: 35, pass: false }, { kind: "exit", code: 1 }]);
});

Deno.test("without a verdict the code stands alone; reading does nothing", () => {
  const b = bench(debugExit, { verdict: {} as never, size: 2 });
  assertEquals(b.read(0, 2), 0);
  b.write(0, 0xffff, 2);
  assertEquals(b.stops, [{ kind: "exit", code: 0x1_ffff }]);
});
