import { assertEquals } from "@std/assert";
import lpt from "./lpt.ts";
import { bench } from "../testing/bench.ts";

Deno.test("a byte is printed at the strobe and acknowledged", () => {
  const b = bench(lpt), printed: number[] = [];
  b.dev.char!.onByte = (byte) => printed.push(byte);
  assertEquals(b.read(1), 0xd8);
  b.write(0, 0x41);
  assertEquals([b.read(0), printed], [0x41, []]);
  b.write(2, 0x0d);
  b.write(2, 0x0d);
  b.write(2, 0x0c);
  assertEquals([printed, b.read(1), b.read(1), b.read(2)], [[0x41], 0x98, 0xd8, 0xcc]);
});

Deno.test("the acknowledgement interrupts while that is enabled; a printer in its reset takes nothing", () => {
  const b = bench(lpt), printed: number[] = [];
  b.dev.char!.onByte = (byte) => printed.push(byte);
  b.write(2, 0x1c);
  b.write(2, 0x1d);
  assertEquals(b.irq[0].level, true);
  b.read(1);
  assertEquals(b.irq[0].level, false);
  b.write(2, 0x08);
  b.write(2, 0x09);
  assertEquals(printed, [0]);
});
