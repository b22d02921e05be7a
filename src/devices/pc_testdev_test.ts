import { assertEquals } from "@std/assert";
import testdev from "./pc_testdev.ts";
import { bench } from "./testing/bench.ts";

/** Windows in their order. */
const PRINT = 0, VALUE = 1, FLUSH = 2, BYTE = 3, IRQ = 4, MEMORY = 5;

Deno.test("the value keeps what is written at every width, also byte by byte in the other window", () => {
  const b = bench(testdev);
  b.write(0, 0x1234_5678, 4, VALUE);
  assertEquals([b.read(0, 4, VALUE), b.read(1, 1, VALUE), b.read(2, 2, VALUE), b.read(3, 1, BYTE)], [0x1234_5678, 0x56, 0x1234, 0x12]);
  b.write(1, 0xff, 1, VALUE);
  b.write(0, 0x8899_aabb, 4, BYTE);
  assertEquals(b.read(0, 4, VALUE), 0x8899_aabb);
  b.write(0, 0x1000, 4, FLUSH);
  assertEquals([b.read(0, 4, FLUSH), b.read(0, 4, VALUE)], [0, 0x8899_aabb]);
});

Deno.test("an interrupt line follows its port, and a snapshot", () => {
  const b = bench(testdev);
  b.write(14, 1, 1, IRQ);
  b.write(3, 7, 1, IRQ);
  b.write(14, 0, 1, IRQ);
  assertEquals(b.edges, ["14+", "3+", "14-"]);
  assertEquals([b.read(3, 1, IRQ), b.read(14, 1, IRQ)], [1, 0]);
  const saved = structuredClone(b.dev.state), other = bench(testdev);
  other.dev.state = saved;
  other.dev.restored?.();
  assertEquals(other.irq.map((line) => line.level).indexOf(true), 3);
});

Deno.test("what is printed, and the memory", () => {
  const b = bench(testdev), printed: number[] = [];
  b.dev.char!.onByte = (byte) => printed.push(byte);
  b.write(0, 0x41, 1, PRINT);
  assertEquals(printed, [0x41]);
  b.write(0xfffc, 0xdead_beef, 4, MEMORY);
  b.write(2, 0x55, 1, MEMORY);
  assertEquals([b.read(0xfffe, 2, MEMORY), b.read(0, 4, MEMORY)], [0xdead, 0x55_0000]);
});
