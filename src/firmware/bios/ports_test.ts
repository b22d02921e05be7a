// Calls that serve ports and power: int 14h, int 17h, and int 15h's power management.
import { assertEquals } from "@std/assert";
import { BDA, HALT_AT } from "./host.ts";
import { type FakeHost, started } from "./testing/fake_host.ts";

const COM = 0x2f8, LPT = 0x378;
function withPorts(): FakeHost {
  const h = started();
  h.write(BDA.COM, 2, 0x3f8);
  h.write(BDA.COM + 2, 2, COM);
  h.write(BDA.COM + 4, 4, 0);
  h.write(BDA.LPT, 2, LPT);
  h.write(BDA.LPT + 2, 4, 0);
  return h;
}

Deno.test("int 14h: a port is set up with rate, parity, stop bits and length, and its divisor is not left open", () => {
  // AL: rate in bits 5 to 7, the rest is the line control register's; 9600 baud is divisor 12.
  for (
    const [al, divisor, lcr] of [[0xe3, 0x0c, 0x03], [0x03, 0x417, 0x03], [0x3a, 0x300, 0x1a], [0x87, 0x60, 0x07], [0x5f, 0x180, 0x1f]]
  ) {
    const h = withPorts();
    for (const [port, value] of [[COM + 3, 0x03], [COM + 5, 0x60], [COM + 6, 0xb0]]) h.ports.set(port, value);
    const answer = h.int(0x14, { eax: al, edx: 1 });
    assertEquals(h.written, [[COM + 3, 0x83], [COM, divisor & 0xff], [COM + 1, divisor >> 8], [COM + 3, lcr]]);
    assertEquals([answer.ax, answer.carry], [0x60b0, false]);
  }
});

Deno.test("int 14h: bytes go when the transmitter is empty and come when there are some; else it took too long", () => {
  const h = withPorts(), line = (v: number) => h.ports.set(COM + 5, v);
  line(0x60);
  assertEquals([h.int(0x14, { eax: 0x0141, edx: 1 }).ax, h.written.pop()], [0x6041, [COM, 0x41]]);
  for (const busy of [0x00, 0x20, 0x40]) {
    line(busy);
    h.written.length = 0;
    assertEquals([h.int(0x14, { eax: 0x0141, edx: 1 }).ax, h.written.length], [(busy | 0x80) << 8 | 0x41, 0]);
  }
  h.ports.set(COM, 0x7a);
  line(0x61);
  assertEquals(h.int(0x14, { eax: 0x0200, edx: 1 }).ax, 0x617a);
  line(0x60);
  assertEquals(h.int(0x14, { eax: 0x0211, edx: 1 }).ax, 0xe011, "AL stays");
  h.ports.set(COM + 6, 0x30);
  assertEquals(h.int(0x14, { eax: 0x0300, edx: 1 }).ax, 0x6030);
});

Deno.test("int 14h and 17h: a port that is not there, a number beyond them and an unknown function fail", () => {
  const h = withPorts();
  for (
    const [vector, eax, edx] of [[0x14, 0x0300, 2], [0x14, 0x0300, 4], [0x14, 0x0600, 0], [0x17, 0x0200, 1], [0x17, 0x0200, 3], [
      0x17,
      0x0300,
      0,
    ]]
  ) {
    assertEquals([h.int(vector, { eax, edx }).carry, h.written.length], [true, 0], `${vector} ${eax} ${edx}`);
  }
});

Deno.test("int 17h: a byte is strobed, a printer is reset by a low pulse, and two bits of its status are inverted", () => {
  const h = withPorts();
  for (const [port, value] of [[LPT + 1, 0xdf], [LPT + 2, 0x0c]]) h.ports.set(port, value);
  // ACK high: nobody has taken it.
  assertEquals(h.int(0x17, { eax: 0x0041, edx: 0 }).ax, (0xdf ^ 0x48 | 1) << 8 | 0x41);
  assertEquals(h.written.splice(0), [[LPT, 0x41], [LPT + 2, 0x0d], [LPT + 2, 0x0c]]);
  h.ports.set(LPT + 1, 0x9f);
  assertEquals(h.int(0x17, { eax: 0x0042, edx: 0 }).ah, 0x9f ^ 0x48);
  h.written.length = 0;
  assertEquals(h.int(0x17, { eax: 0x0100, edx: 0 }).ah, 0x9f ^ 0x48);
  assertEquals(h.written.splice(0), [[LPT + 2, 0x08], [LPT + 2, 0x0c]]);
  assertEquals([h.int(0x17, { eax: 0x0200, edx: 0 }).ah, h.written.length], [0x9f ^ 0x48, 0]);
});

Deno.test("int 15h, AH=53h: version 1.2 without a battery, nothing to wait for, and off is the end", () => {
  const h = started(), call = (al: number, regs = {}) => h.int(0x15, { eax: 0x5300 | al, ebx: 0, ecx: 0, edx: 0, ...regs });
  const there = call(0x00);
  assertEquals([there.ax, there.bx, there.cx, there.carry], [0x0102, 0x504d, 0, false]);
  for (const al of [0x01, 0x04, 0x05, 0x06, 0x08, 0x0f]) assertEquals([call(al).carry, call(al).al], [false, al], al.toString(16));
  const power = call(0x0a, { ebx: 1 });
  assertEquals([power.bx, power.cx, power.dx, h.regs.esi & 0xffff, power.carry], [0x01ff, 0x80ff, 0xffff, 0, false]);
  assertEquals([call(0x0b).ah, call(0x0b).carry], [0x80, true], "no event");
  assertEquals([call(0x0e).ax, call(0x10, { ebx: 0x55, ecx: 7 }).bx & 0xff, h.regs.ecx & 0xffff], [0x0102, 0, 0]);
  assertEquals([call(0x03).carry, call(0x77).carry], [true, true], "no protected mode, no such function");
  for (const regs of [{ ebx: 1, ecx: 1 }, { ebx: 0x8001, ecx: 3 }]) {
    assertEquals([call(0x07, regs).carry, h.stops], [false, []], "standby, and one device: nothing happens");
  }
  call(0x07, { ebx: 1, ecx: 3 });
  assertEquals([h.stops, h.read(h.regs.esp, 2)], [[{ kind: "exit", code: 0, pass: true }], HALT_AT]);
});
