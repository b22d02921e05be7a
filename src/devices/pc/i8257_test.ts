import { assertEquals } from "@std/assert";
import i8257 from "./i8257.ts";
import { bench } from "../testing/bench.ts";

function setUp() {
  const b = bench(i8257),
    out = (port: number, value: number) => b.write(port >= 0xc0 ? port - 0xc0 : port & 0xf, value, 1, port >= 0xc0 ? 2 : port >> 7);
  const inp = (port: number) => b.read(port >= 0xc0 ? port - 0xc0 : port & 0xf, 1, port >= 0xc0 ? 2 : port >> 7);
  /** Programs channel 2. */
  const program = (mode: number, address: number, count: number) => {
    out(0x0a, 0x06);
    out(0x0c, 0);
    for (const [port, value] of [[4, address], [5, count]]) {
      out(port, value & 0xff);
      out(port, value >> 8 & 0xff);
    }
    out(0x81, address >> 16);
    out(0x0b, mode);
    out(0x0a, 0x02);
  };
  return { ...b, out, inp, program, channel: (n: number) => b.dev.dma!(n) };
}
const bytes = (n: number) => Uint8Array.from({ length: n }, (_, i) => i + 1);

Deno.test("a device's bytes go to memory up to the terminal count, which masks the channel", () => {
  const b = setUp(), channel = b.channel(2);
  assertEquals(channel.move(bytes(4), true), undefined, "masked after the reset");
  b.program(0x46, 0x1000, 9);
  assertEquals(channel.move(bytes(4), true), { moved: 4, done: false });
  b.out(0x0c, 0);
  assertEquals([b.inp(4), b.inp(4), b.inp(5), b.inp(5)], [0x04, 0x10, 5, 0]);
  assertEquals(channel.move(bytes(100), true), { moved: 6, done: true });
  assertEquals([...b.dma.readBytes(0x1000, 12)], [1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 0, 0]);
  assertEquals([b.inp(8), b.inp(8), b.inp(0x0f) & 4], [4, 0, 4], "reading the status clears it");
  assertEquals(channel.move(bytes(1), true), undefined);
});

Deno.test("from memory, downwards, with automatic reload; verify moves nothing", () => {
  const b = setUp(), channel = b.channel(2), to = new Uint8Array(6);
  b.dma.writeBytes(0x2000, bytes(4));
  b.program(0x7a, 0x2003, 3);
  assertEquals([channel.move(to, false), [...to]], [{ moved: 4, done: true }, [4, 3, 2, 1, 0, 0]]);
  assertEquals(channel.move(to.subarray(4), false), { moved: 2, done: false });
  assertEquals([...to], [4, 3, 2, 1, 4, 3]);
  b.program(0x42, 0x3000, 3);
  assertEquals([channel.move(bytes(4), true), ...b.dma.readBytes(0x3000, 4)], [{ moved: 4, done: true }, 0, 0, 0, 0]);
});

Deno.test("an address stays in its page; the device hears when its channel is unmasked", () => {
  const b = setUp(), channel = b.channel(2);
  let ready = 0;
  channel.onReady = () => ready++;
  b.program(0x46, 0xfffe, 3);
  assertEquals(ready > 0, true);
  channel.move(bytes(4), true);
  assertEquals([...b.dma.readBytes(0xfffe, 2), ...b.dma.readBytes(0, 2)], [1, 2, 3, 4]);
});

Deno.test("channels of the second controller move words", () => {
  const b = setUp(), channel = b.channel(5);
  b.out(0xd8, 0);
  for (const [port, value] of [[0xc4, 0x00], [0xc4, 0x08], [0xc6, 1], [0xc6, 0]]) b.out(port, value);
  b.out(0x8b, 0);
  b.out(0xd6, 0x45);
  b.out(0xd4, 0x01);
  assertEquals(channel.move(bytes(4), true), { moved: 4, done: true });
  assertEquals([...b.dma.readBytes(0x1000, 4)], [1, 2, 3, 4]);
  assertEquals(b.inp(0xd0), 2);
});

Deno.test("the controller can be switched off; master clear masks everything", () => {
  const b = setUp(), channel = b.channel(2);
  b.program(0x46, 0x1000, 9);
  b.out(8, 4);
  assertEquals(channel.move(bytes(1), true), undefined);
  b.out(8, 0);
  assertEquals(channel.move(bytes(1), true), { moved: 1, done: false });
  b.out(0x0d, 0);
  assertEquals([channel.move(bytes(1), true), b.inp(0x0f)], [undefined, 0xff]);
  b.out(0x0e, 0);
  assertEquals(b.inp(0x0f), 0xf0);
  assertEquals([b.inp(0x81), (b.out(0x84, 0x5a), b.inp(0x84))], [0, 0x5a]);
});
