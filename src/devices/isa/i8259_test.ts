import { assertEquals } from "@std/assert";
import type { I8259Pair } from "./i8259.ts";
import pic from "./i8259.ts";
import { bench } from "../testing/bench.ts";

function setUp({ init = true, icw4 = 0x01 } = {}) {
  const b = bench(pic);
  const out = (port: number, ...values: number[]) => {
    for (const v of values) b.write(port & 1, v, 1, port >= 0x4d0 ? 2 : port >= 0xa0 ? 1 : 0);
  };
  const inp = (port: number) => b.read(port & 1, 1, port >= 0x4d0 ? 2 : port >= 0xa0 ? 1 : 0);
  if (init) {
    out(0x20, 0x11);
    out(0x21, 0x20, 0x04, icw4);
    out(0xa0, 0x11);
    out(0xa1, 0x28, 0x02, icw4);
  }
  const line = (n: number) => b.dev.input!(String(n))!;
  const pulse = (n: number) => {
    line(n).set(true);
    line(n).set(false);
  };
  return { ...b, out, inp, line, pulse, intr: () => b.irq[0].level, ack: () => (b.dev as I8259Pair).acknowledge() };
}

Deno.test("an edge is latched, acknowledged with its vector, and not repeated", () => {
  const p = setUp();
  p.line(1).set(true);
  assertEquals([p.intr(), p.inp(0x20)], [true, 0x02]);
  assertEquals([p.ack(), p.intr(), p.inp(0x20)], [0x21, false, 0]);
  p.out(0x20, 0x0b);
  assertEquals(p.inp(0x20), 0x02);
  p.out(0x20, 0x20);
  assertEquals([p.inp(0x20), p.intr()], [0, false]);
  p.line(1).set(false);
  p.line(1).set(true);
  assertEquals(p.intr(), true);
});

Deno.test("masks, and the initialization that clears them", () => {
  const p = setUp();
  p.out(0x21, 0xff);
  p.pulse(0);
  assertEquals([p.intr(), p.inp(0x21)], [false, 0xff]);
  p.out(0x21, 0xfe);
  assertEquals(p.intr(), true);
  p.out(0x21, 0xff);
  p.out(0x20, 0x11);
  p.out(0x21, 0x08, 0x04, 0x01);
  assertEquals([p.inp(0x21), p.inp(0x20), p.intr()], [0, 0, false]);
  p.pulse(3);
  assertEquals(p.ack(), 0x0b);
});

Deno.test("fixed priority: a lower one waits for the end of interrupt, a higher one nests", () => {
  const p = setUp();
  p.pulse(4);
  assertEquals(p.ack(), 0x24);
  p.pulse(6);
  assertEquals(p.intr(), false);
  p.pulse(1);
  assertEquals([p.intr(), p.ack()], [true, 0x21]);
  p.out(0x20, 0x20);
  assertEquals(p.intr(), false, "4 is still in service");
  p.out(0x20, 0x20);
  assertEquals([p.intr(), p.ack()], [true, 0x26]);
});

Deno.test("the slave goes through input 2 and needs both ends of interrupt", () => {
  const p = setUp();
  p.pulse(12);
  p.pulse(14);
  assertEquals(p.ack(), 0x2c);
  p.pulse(8);
  p.out(0x20, 0x0b);
  assertEquals(p.inp(0x20), 0x04);
  p.out(0x20, 0x20);
  assertEquals([p.intr(), p.ack()], [true, 0x28]);
  p.out(0xa0, 0x20);
  p.out(0x20, 0x20);
  assertEquals(p.intr(), false, "12 is in service in the slave");
  p.out(0xa0, 0x20);
  assertEquals([p.intr(), p.ack()], [true, 0x2e]);
});

Deno.test("special fully nested mode lets the slave interrupt itself", () => {
  const p = setUp({ icw4: 0x11 });
  p.pulse(14);
  assertEquals(p.ack(), 0x2e);
  p.pulse(8);
  assertEquals([p.intr(), p.ack()], [true, 0x28]);
});

Deno.test("spurious interrupts: 7 of the master, 15 of the slave", () => {
  const p = setUp();
  assertEquals(p.ack(), 0x27);
  p.out(0x20, 0x0b);
  assertEquals(p.inp(0x20), 0, "it is not in service");
  p.pulse(10);
  p.out(0xa1, 0xff);
  assertEquals([p.intr(), p.ack()], [true, 0x2f]);
  assertEquals(p.inp(0x20), 0x04, "the cascade is");
});

Deno.test("specific ends of interrupt and rotations", () => {
  const p = setUp();
  p.pulse(5);
  p.ack();
  p.out(0x20, 0x65);
  p.out(0x20, 0x0b);
  assertEquals(p.inp(0x20), 0);
  p.out(0x20, 0xc3); // 3 becomes the lowest
  p.pulse(3);
  p.pulse(4);
  assertEquals(p.ack(), 0x24);
  p.out(0x20, 0xa0); // rotate on non-specific end
  p.pulse(4);
  p.pulse(5);
  assertEquals(p.ack(), 0x25);
  p.out(0x20, 0xe5);
  assertEquals([p.inp(0x20), p.ack()], [0, 0x23]);
});

Deno.test("automatic end of interrupt, plain and rotating", () => {
  const p = setUp({ icw4: 0x03 });
  p.pulse(0);
  p.pulse(1);
  assertEquals([p.ack(), p.intr(), p.ack(), p.intr()], [0x20, true, 0x21, false]);
  p.out(0x20, 0x80);
  p.pulse(0);
  p.ack();
  p.pulse(0);
  p.pulse(1);
  assertEquals([p.ack(), p.ack()], [0x21, 0x20]);
  p.pulse(8);
  p.pulse(9);
  assertEquals([p.ack(), p.ack()], [0x28, 0x29], "the slave's second request is not lost");
});

Deno.test("special mask mode lets lower ones through while the served one is masked", () => {
  const p = setUp();
  p.pulse(1);
  p.ack();
  p.out(0x21, 0x02);
  p.out(0x20, 0x68);
  p.pulse(6);
  assertEquals([p.intr(), p.ack()], [true, 0x26]);
  p.out(0x20, 0x48);
  p.pulse(7);
  assertEquals(p.intr(), false);
});

Deno.test("poll answers and acknowledges", () => {
  const p = setUp();
  p.out(0x20, 0x0c);
  assertEquals(p.inp(0x20), 0);
  p.pulse(3);
  p.out(0x20, 0x0c);
  assertEquals([p.inp(0x20), p.intr()], [0x83, false]);
  p.out(0x20, 0x0b);
  assertEquals(p.inp(0x20), 0x08);
});

Deno.test("the ELCR makes inputs level-triggered, except those that cannot be", () => {
  const p = setUp();
  p.out(0x4d0, 0xff);
  p.out(0x4d1, 0xff);
  assertEquals([p.inp(0x4d0), p.inp(0x4d1)], [0xf8, 0xde]);
  p.line(11).set(true);
  assertEquals(p.ack(), 0x2b);
  p.out(0xa0, 0x20);
  p.out(0x20, 0x20);
  assertEquals([p.intr(), p.ack()], [true, 0x2b], "the line is still high");
  p.line(11).set(false);
  p.out(0xa0, 0x20);
  p.out(0x20, 0x20);
  assertEquals(p.intr(), false);
});

Deno.test("single mode and a missing ICW4 shorten the initialization", () => {
  const p = setUp({ init: false });
  p.out(0x20, 0x13);
  p.out(0x21, 0x40, 0x01, 0xfd);
  assertEquals(p.inp(0x21), 0xfd);
  p.out(0x20, 0x12);
  p.out(0x21, 0x48, 0xee);
  assertEquals(p.inp(0x21), 0xee);
  p.out(0x20, 0x18);
  assertEquals(p.log, ["unimp level-triggered mode of ICW1: use the ELCR"]);
});

Deno.test("what may still ask: inputs that outrank what is in service and are not masked, of the slave by way of the master", () => {
  const p = setUp({ init: true });
  const may = () =>
    Array.from({ length: 16 }, (_, n) => n).filter((n) => p.dev.mayRaise!(0, { input: (i) => i === String(n), message: () => false }));
  const all = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
  assertEquals(may(), all);
  p.out(0x21, 0x02);
  p.out(0xa1, 0x80);
  assertEquals(may(), all.filter((n) => n !== 1 && n !== 15));
  p.out(0x21, 0x04);
  p.out(0xa1, 0);
  assertEquals(may(), [0, 1, 3, 4, 5, 6, 7], "the cascade is masked");
  p.out(0x21, 0);
  p.pulse(4);
  p.ack();
  assertEquals(may(), [0, 1, 3, 8, 9, 10, 11, 12, 13, 14, 15], "4 is in service");
  p.pulse(10);
  p.ack();
  assertEquals(may(), [0, 1], "10 is, and so the cascade");
  p.out(0x20, 0x20);
  assertEquals(may(), [0, 1, 3, 8, 9], "the master's is ended, the slave's is not");
  p.out(0xa0, 0x20);
  assertEquals(may(), [0, 1, 3, 8, 9, 10, 11, 12, 13, 14, 15], "4 still is");
  p.out(0x20, 0x20);
  assertEquals(may(), all);
  // Special mask mode: what is in service and masked keeps nothing back.
  p.pulse(0);
  p.ack();
  assertEquals(may(), []);
  p.out(0x20, 0x68);
  p.out(0x21, 0x01);
  assertEquals(may(), all.filter((n) => n !== 0));
});
