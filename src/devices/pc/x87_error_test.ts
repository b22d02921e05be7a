import { assertEquals } from "@std/assert";
import { bench } from "../testing/bench.ts";
import x87Error from "./x87_error.ts";

const IRQ = 0, IGNNE = 1;

Deno.test("an error is one interrupt, acknowledged at the port, and ignored until it is gone", () => {
  const b = bench(x87Error), ferr = b.dev.input!("ferr")!, levels = () => [b.irq[IRQ].level, b.irq[IGNNE].level];
  ferr.set(true);
  assertEquals(levels(), [true, false]);
  b.write(0, 0);
  assertEquals(levels(), [false, true]);
  ferr.set(false);
  assertEquals(levels(), [false, false]);
  ferr.set(true);
  ferr.set(false);
  assertEquals(levels(), [true, false], "the interrupt stays when the error is cleared first");
  b.write(0, 0);
  assertEquals(levels(), [false, false], "IGNNE# is not asserted without FERR#");
  assertEquals(b.read(0), 0xff);
});

Deno.test("a snapshot with an error goes on without a second interrupt", () => {
  const a = bench(x87Error), b = bench(x87Error);
  a.dev.input!("ferr")!.set(true);
  a.write(0, 0);
  b.dev.state = structuredClone(a.dev.state);
  b.dev.input!("ferr")!.set(true); // the processor takes up its state
  b.dev.restored!();
  assertEquals([b.irq[IRQ].level, b.irq[IGNNE].level, b.edges], [false, true, ["1+"]]);
});
