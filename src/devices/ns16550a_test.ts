import { assertEquals } from "@std/assert";
import uart, { type Ns16550a } from "./ns16550a.ts";
import { bench, defaults } from "./testing/bench.ts";

const RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7;

function setUp(given = {}) {
  const b = bench(uart, given);
  const port = b.dev.char!, sent: number[] = [];
  port.onByte = (byte) => sent.push(byte);
  const type = (text: string) => [...text].forEach((c) => port.receive(c.charCodeAt(0)));
  return { ...b, uart: b.dev as Ns16550a, port, sent, type };
}

Deno.test("registers after reset are the data sheet's", () => {
  const u = setUp();
  assertEquals([IER, IIR, LCR, MCR, LSR, MSR, SCR].map((r) => u.read(r)), [0, 0x01, 0, 0x08, 0x60, 0xb0, 0]);
});

Deno.test("a written byte is out at once, with all eight bits", () => {
  const u = setUp();
  u.write(THR, 0x41);
  u.write(THR, 0xc3);
  assertEquals(u.sent, [0x41, 0xc3]);
  assertEquals(u.read(LSR), 0x60);
});

Deno.test("the divisor latch hides data and interrupt enable", () => {
  const u = setUp();
  u.write(LCR, 0x83);
  u.write(0, 0x34);
  u.write(1, 0x12);
  assertEquals([u.read(0), u.read(1), u.sent.length], [0x34, 0x12, 0]);
  u.write(LCR, 0x03);
  assertEquals([u.read(IER), u.read(LCR)], [0, 3]);
  u.write(SCR, 0xa5);
  assertEquals(u.read(SCR), 0xa5);
});

Deno.test("THRE: enabling raises it, reading IIR clears it, a write pulses the wire, re-enabling raises it again", () => {
  const u = setUp();
  u.write(IER, 0x02);
  assertEquals(u.irq[0].level, true);
  assertEquals(u.read(IIR), 0x02);
  assertEquals(u.irq[0].level, false);
  assertEquals(u.read(IIR), 0x01);
  u.write(IER, 0x02);
  assertEquals(u.irq[0].level, false, "nothing changed in IER");
  u.write(THR, 1);
  assertEquals(u.irq[0].level, true);
  u.edges.length = 0;
  u.write(THR, 2);
  assertEquals(u.edges, ["0-", "0+"]);
  u.read(IIR);
  u.write(IER, 0);
  u.write(IER, 2);
  assertEquals(u.irq[0].level, true);
});

Deno.test("without FIFO: one byte of room, data ready, interrupt, overrun overwrites", () => {
  const u = setUp();
  u.write(IER, 0x05);
  assertEquals(u.port.room(), 1);
  u.type("a");
  assertEquals([u.port.room(), u.read(IIR), u.irq[0].level, u.read(LSR)], [0, 0x04, true, 0x61]);
  u.type("b");
  assertEquals(u.read(IIR), 0x06, "line status comes first");
  assertEquals(u.read(LSR), 0x63);
  assertEquals(u.read(LSR), 0x61, "reading clears the overrun");
  assertEquals(u.read(RBR), 0x62);
  assertEquals([u.irq[0].level, u.read(LSR), u.read(RBR)], [false, 0x60, 0x62]);
});

Deno.test("FIFO: 16 deep, keeps its contents on overrun, tells room", () => {
  const u = setUp();
  let told = 0;
  u.port.onRoom = () => told++;
  u.write(FCR, 0x01);
  assertEquals(u.read(IIR), 0xc1);
  u.type("0123456789abcdefX");
  assertEquals([u.port.room(), u.read(LSR), told], [0, 0x63, 0]);
  u.passNs(1e7);
  assertEquals(String.fromCharCode(u.read(RBR)), "0");
  assertEquals([u.port.room(), told], [1, 1]);
  let rest = "";
  while (u.read(LSR) & 1) rest += String.fromCharCode(u.read(RBR));
  assertEquals([rest, told], ["123456789abcdef", 1]);
});

Deno.test("with its interrupt on, a byte from outside takes its time on the line, also in a restored port", () => {
  // 115,200 baud at 3.6864 MHz: divisor 2; with 8 data bits, no parity, one stop bit a byte takes 10 bits, with parity and two stop bits 12.
  for (const [lcr, ns] of [[0x03, 86_806], [0x0f, 104_167]]) {
    const u = setUp();
    u.write(LCR, 0x80);
    u.write(THR, 2);
    u.write(LCR, lcr);
    u.write(FCR, 0x01);
    u.write(IER, 0x01);
    let told = 0;
    u.port.onRoom = () => told++;
    u.type("a");
    assertEquals([u.port.room(), u.read(LSR) & 1, u.read(RBR), u.read(LSR) & 1, u.port.room()], [0, 1, 0x61, 0, 0]);
    u.passNs(ns - 1);
    const saved = structuredClone(u.uart.state), later = setUp();
    later.passNs(u.clock.ticks);
    later.uart.state = saved;
    later.uart.restored();
    later.port.onRoom = () => told++;
    assertEquals([u.port.room(), later.port.room(), told], [0, 0, 0]);
    for (const one of [u, later]) {
      one.passNs(1);
      assertEquals(one.port.room(), 16);
      one.type("b");
      assertEquals(one.port.room(), 0);
      // Who polls again need not wait.
      one.write(IER, 0);
      assertEquals(one.port.room(), 0);
      assertEquals([one.read(RBR), one.port.room(), one.read(LSR) & 1, one.port.room()], [0x62, 0, 0, 16]);
    }
    assertEquals(told, 4);
  }
});

Deno.test("a guest that polls is given a byte when it has looked in vain, and then when its time on the line is over", () => {
  for (const look of [(u: ReturnType<typeof setUp>) => u.read(LSR), (u: ReturnType<typeof setUp>) => u.uart.take()]) {
    const u = setUp();
    u.write(FCR, 0x01);
    const waiting = [..."abcd"].map((c) => c.charCodeAt(0));
    u.port.onRoom = () => u.port.receive(waiting.shift()!);
    u.port.onRoom();
    assertEquals([waiting.length, u.read(RBR), waiting.length], [3, 0x61, 3], "reading alone does not say that it wants more");
    look(u);
    assertEquals([waiting.length, u.read(LSR) & 1, u.read(RBR)], [2, 1, 0x62]);
    u.passNs(500_000);
    assertEquals([waiting.length, u.read(RBR)], [1, 0x63]);
  }
});

Deno.test("FIFO trigger levels 1, 4, 8 and 14", () => {
  for (const [code, level] of [[0x00, 1], [0x40, 4], [0x80, 8], [0xc0, 14]]) {
    const u = setUp();
    u.write(FCR, 0x01 | code);
    u.write(IER, 0x01);
    for (let n = 1; n < level; n++) u.type("x");
    assertEquals(u.irq[0].level, false, `below ${level}`);
    u.type("x");
    assertEquals([u.irq[0].level, u.read(IIR)], [true, 0xc4]);
    u.read(RBR);
    assertEquals(u.irq[0].level, false);
  }
});

Deno.test("character timeout comes after four character times and restarts with every arrival and read", () => {
  const u = setUp();
  u.write(LCR, 0x83);
  u.write(0, 2); // 3_686_400 / 16 / 2 = 115_200 baud
  u.write(LCR, 0x03);
  u.write(FCR, 0x41);
  u.write(IER, 0x01);
  const fourCharactersNs = Math.ceil(4 * 10 * 1e9 / 115_200);
  u.type("ab");
  u.passNs(fourCharactersNs - 10);
  u.type("c");
  u.passNs(fourCharactersNs - 1);
  assertEquals(u.irq[0].level, false);
  u.passNs(1);
  assertEquals([u.irq[0].level, u.read(IIR)], [true, 0xcc]);
  u.read(RBR);
  assertEquals(u.irq[0].level, false);
  u.passNs(fourCharactersNs);
  assertEquals(u.read(IIR), 0xcc);
  u.read(RBR);
  u.read(RBR);
  u.passNs(1e9);
  assertEquals([u.read(IIR), u.irq[0].level], [0xc1, false], "an empty FIFO never times out");
});

Deno.test("a pending character timeout survives a snapshot", () => {
  const u = setUp(), v = setUp();
  u.write(FCR, 0xc1);
  u.write(IER, 1);
  u.type("a");
  u.passNs(1000);
  v.clock.base = u.clock.base;
  v.uart.state = structuredClone(u.uart.state);
  v.uart.restored();
  assertEquals(v.clock.next, u.clock.next);
  v.passNs(1e8);
  assertEquals([v.irq[0].level, v.read(RBR)], [true, 0x61]);
});

Deno.test("switching the FIFO on or off, or the clear bit, empties the receiver and gives room", () => {
  const u = setUp();
  let told = 0;
  u.port.onRoom = () => told++;
  u.type("a");
  u.write(FCR, 0x01);
  assertEquals([u.read(LSR), told], [0x60, 1]);
  u.type("abc");
  u.write(FCR, 0x03);
  assertEquals([u.read(LSR), u.port.room()], [0x60, 16]);
  u.type("abc");
  u.write(FCR, 0x00);
  assertEquals([u.read(LSR), u.read(IIR), u.port.room()], [0x60, 0x01, 1]);
});

Deno.test("a break sets BI when it is on top and marks the FIFO until LSR is read", () => {
  const u = setUp();
  u.write(FCR, 0x01);
  u.write(IER, 0x04);
  u.type("a");
  u.uart.receiveBreak();
  assertEquals([u.read(LSR), u.irq[0].level], [0xe1, false]);
  u.read(RBR);
  assertEquals([u.irq[0].level, u.read(IIR), u.read(LSR)], [true, 0xc6, 0xf1]);
  assertEquals([u.read(LSR), u.read(RBR), u.read(LSR)], [0x61, 0, 0x60]);
});

Deno.test("loopback: bytes come back, modem outputs become inputs, the outside is cut off but not lost", () => {
  const u = setUp();
  let told = 0;
  u.port.onRoom = () => told++;
  u.write(MCR, 0x1a); // loop, OUT2, RTS
  assertEquals(u.read(MSR) & 0xf0, 0x90);
  u.write(THR, 0x55);
  assertEquals([u.sent.length, u.read(LSR) & 1, u.port.room(), u.read(RBR)], [0, 1, 0, 0x55]);
  u.write(MCR, 0x08);
  assertEquals([told, u.port.room(), u.read(MSR) & 0xf0], [1, 1, 0xb0]);
});

Deno.test("modem status: deltas raise the interrupt, reading clears them, ring counts its trailing edge only", () => {
  const u = setUp();
  u.write(MCR, 0x1b);
  u.read(MSR);
  u.write(IER, 0x08);
  assertEquals(u.irq[0].level, false);
  u.write(MCR, 0x1f); // OUT1: RI rises
  assertEquals([u.irq[0].level, u.read(MSR)], [false, 0xf0]);
  u.write(MCR, 0x1b);
  assertEquals([u.irq[0].level, u.read(IIR), u.read(MSR)], [true, 0x00, 0xb4]);
  u.write(MCR, 0x11); // RTS and OUT2 fall
  assertEquals([u.read(MSR), u.irq[0].level], [0x29, false]);
});

Deno.test("causes come in the order line status, received data, transmitter, modem", () => {
  const u = setUp();
  u.write(IER, 0x0f);
  u.write(MCR, 0x10);
  u.write(MCR, 0x08);
  u.type("a");
  u.type("b");
  const seen = [u.read(IIR)];
  u.read(LSR);
  seen.push(u.read(IIR));
  u.read(RBR);
  seen.push(u.read(IIR), u.read(IIR));
  u.read(MSR);
  seen.push(u.read(IIR));
  assertEquals(seen, [0x06, 0x04, 0x02, 0x00, 0x01]);
});

Deno.test("register stride, width and missing FIFO come from the configuration", () => {
  const u = setUp({ reg_shift: 2, reg_io_width: 4 });
  u.write(SCR << 2, 0x77, 4);
  assertEquals([u.read(SCR << 2, 4), u.read(LSR << 2, 4)], [0x77, 0x60]);
  const old = setUp({ fifo: false });
  old.write(FCR, 0x01);
  assertEquals(old.read(IIR), 0x01);
  assertEquals(uart.fdt!(defaults(uart.keys)), { compatible: "ns16550a", "clock-frequency": 3_686_400 });
  assertEquals(uart.fdt!(defaults(uart.keys, { reg_shift: 2, reg_io_width: 4, clock_hz: 24_000_000 })), {
    compatible: "ns16550a",
    "clock-frequency": 24_000_000,
    "reg-shift": 2,
    "reg-io-width": 4,
  });
});

Deno.test("writes to read-only registers and offsets past the registers are the guest's mistake", () => {
  const u = setUp();
  u.write(LSR, 0);
  u.write(MSR, 0xff);
  u.uart.read(9);
  assertEquals(u.log.map((line) => line.split(" ")[0]), ["guest", "guest", "guest"]);
});
