import { assertEquals } from "@std/assert";
import { Bus } from "../../core/bus.ts";
import { VirtualClock } from "../../core/clock.ts";
import { PciBus, PciSlot } from "../../core/pci.ts";
import pm, { type Piix4Pm } from "./piix4_pm.ts";
import { bench } from "../testing/bench.ts";

const STATUS = 0, ENABLE = 2, CONTROL = 4, TIMER = 8, GENERAL = 12, SCI_ON = 1, TIMER_BIT = 1;
/** Without a PCI bus: window 0 is the APM ports, 1 the registers. */
const setUp = () => {
  const b = bench(pm);
  const get = (offset: number, size: 1 | 2 | 4 = 2) => b.read(offset, size, 1);
  return { ...b, get, set: (offset: number, value: number, size: 1 | 2 | 4 = 2) => b.write(offset, value, size, 1) };
};
/** 2^23 periods of 3.579545 MHz. */
const HALF_NS = Math.ceil(2 ** 23 / 3_579_545 * 1e9);

Deno.test("the timer counts at 3.579545 MHz in 24 bits, read whole or in parts", () => {
  const m = setUp();
  m.passNs(1e9);
  assertEquals([m.get(TIMER, 4), m.get(TIMER, 2), m.get(TIMER + 2, 1)], [3_579_545, 3_579_545 & 0xffff, 3_579_545 >> 16]);
  m.passNs(4e9);
  assertEquals(m.get(TIMER, 4), (5 * 3_579_545) % 2 ** 24);
});

Deno.test("the timer's highest bit sets its status, and with its enable bits an interrupt, until it is cleared", () => {
  const m = setUp();
  m.set(ENABLE, TIMER_BIT);
  m.set(CONTROL, SCI_ON);
  m.passNs(HALF_NS - 1);
  assertEquals([m.get(STATUS), m.edges], [0, []]);
  m.passNs(1);
  assertEquals([m.get(STATUS), m.edges], [TIMER_BIT, ["0+"]]);
  m.set(STATUS, TIMER_BIT);
  assertEquals([m.get(STATUS), m.edges], [0, ["0+", "0-"]]);
  m.passNs(HALF_NS);
  assertEquals(m.irq[0].level, true, "the bit has changed again, to 0");
  m.set(CONTROL, 0);
  assertEquals(m.irq[0].level, false, "not in ACPI mode");
});

Deno.test("without the enable bit there is a status and no alarm", () => {
  const m = setUp();
  assertEquals(m.clock.next, Infinity);
  m.passNs(HALF_NS);
  assertEquals([m.get(STATUS), m.edges], [TIMER_BIT, []]);
  m.set(STATUS, 0xffff);
  assertEquals(m.get(STATUS), 0);
});

Deno.test("registers can be written in bytes; bits that are not there stay 0", () => {
  const m = setUp();
  m.set(ENABLE, 0xffff);
  assertEquals(m.get(ENABLE), 0x0521);
  m.set(ENABLE + 1, 0, 1);
  assertEquals(m.get(ENABLE), 0x0021);
  m.set(CONTROL, 0x1c00);
  assertEquals(m.get(CONTROL), 0x1c00);
  m.set(GENERAL + 2, 0x0101);
  assertEquals([m.get(GENERAL), m.get(GENERAL + 2), m.get(0x20)], [0, 0x0101, 0]);
});

Deno.test("sleep type 0 with the sleep bit switches off; others are not modelled", () => {
  const m = setUp();
  m.set(CONTROL, 0x2401);
  assertEquals([m.stops, m.log], [[], ["unimp sleep type 1"]]);
  m.set(CONTROL, 0x2001);
  assertEquals([m.stops, m.get(CONTROL)], [[{ kind: "exit", code: 0 }], SCI_ON]);
});

Deno.test("the APM port switches ACPI mode on and off as a BIOS does", () => {
  const m = setUp();
  m.write(0, 0xf1);
  assertEquals([m.get(CONTROL), m.read(0)], [SCI_ON, 0xf1]);
  m.write(0, 0xf0);
  m.write(1, 0x5a);
  assertEquals([m.get(CONTROL), m.read(1)], [0, 0x5a]);
});

Deno.test("as a PCI function its registers place the ports; nobody answers on the SMBus", () => {
  const io = new Bus(), config: Record<string, Uint8Array> = {}, slot = new PciSlot(1, 3);
  const clock = new VirtualClock(1_000_000_000), stops: unknown[] = [];
  const env = {
    id: "pm",
    clock,
    alarm: (name: string, onFire: () => void) => clock.alarm(name, onFire),
    dma: new Bus(),
    io,
    memory: new Uint8Array(),
    epochSeconds: 0,
    log: () => {},
    stop: (r: unknown) => stops.push(r),
  };
  const dev = pm.create(env, {}, { irq: [], harts: 1, hart: () => 0, pci: slot }) as Piix4Pm;
  const bus = new PciBus({ mem: new Bus(), io, config: () => config, lines: [], route: () => 0 });
  bus.plug(slot, dev.pci!);
  assertEquals([bus.read(1, 3, 0, 4), bus.read(1, 3, 8, 4), bus.read(1, 3, 0x40, 4), dev.windows?.length], [
    ...[0x7113_8086, 0x0680_0003, 1, 1],
  ]);
  bus.write(1, 3, 0x40, 4, 0xffff_b03f);
  assertEquals([bus.read(1, 3, 0x40, 4), io.find(0xb004)], [0xb001, undefined]);
  bus.write(1, 3, 0x80, 1, 1);
  io.write(0xb004, 2, 0x2000);
  assertEquals(stops, [{ kind: "exit", code: 0 }]);
  bus.write(1, 3, 0x40, 4, 0x600);
  assertEquals([io.find(0xb004), io.find(0x604)?.base], [undefined, 0x600]);
  bus.write(1, 3, 0x90, 4, 0x700);
  bus.write(1, 3, 0xd2, 1, 9);
  io.write(0x702, 1, 0x48);
  assertEquals([io.read(0x700, 1), io.read(0x702, 1)], [0x04, 0x08]);
  io.write(0x700, 1, 0x04);
  assertEquals(io.read(0x700, 1), 0);
});
