import { assertEquals } from "@std/assert";
import portConsole from "./port_console.ts";
import { bench } from "../testing/bench.ts";

Deno.test("both ports print, read back 0xe9, and take no input", () => {
  const b = bench(portConsole);
  const sent: number[] = [];
  b.dev.char!.onByte = (byte) => sent.push(byte);
  b.write(0, 0x41);
  b.write(0, 0x42, 1, 1);
  assertEquals([sent, b.read(0), b.read(0, 1, 1), b.dev.char!.room()], [[0x41, 0x42], 0xe9, 0xe9, 0]);
  assertEquals(bench(portConsole, { readback: 0xff }).read(0), 0xff);
  assertEquals([true, false].map((seabios) => portConsole.windows({ readback: 0xe9, seabios }, false).length), [2, 1]);
});
