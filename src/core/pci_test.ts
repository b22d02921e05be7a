// Configuration space, base address registers and interrupt pins by the PCI specification.
import { assertEquals, assertThrows } from "@std/assert";
import { Bus, type BusTarget } from "./bus.ts";
import { Wire } from "./irq.ts";
import { get, PciBus, type PciFunction, PciSlot } from "./pci.ts";

const target: BusTarget = { access: { min: 1, max: 4 }, read: (offset) => offset, write: () => {} };
const NIC: PciFunction = {
  vendor: 0x8086,
  device: 0x100e,
  class: 0x02_0000,
  revision: 3,
  subsystem: [0x1af4, 0x1100],
  pin: 1,
  bars: [{ kind: "mem", name: "regs", size: 0x2_0000, target }, { kind: "io", name: "ports", size: 0x40, target }],
};
const COMMAND = 4, BAR0 = 0x10, BAR1 = 0x14, ROM = 0x30;

function rig(...functions: [device: number, func: number, fn: PciFunction, rom?: Uint8Array][]) {
  const state: { config: Record<string, Uint8Array> } = { config: {} }, mem = new Bus(), io = new Bus();
  const lines = Array.from({ length: 4 }, () => new Wire(() => {}));
  const bus = new PciBus({ mem, io, config: () => state.config, lines, route: (device, pin) => (device + pin - 1) & 3 });
  const slots = functions.map(([device, func, fn, rom]) => {
    const slot = new PciSlot(device, func, `f${device}${func}`);
    bus.plug(slot, fn, rom);
    return slot;
  });
  bus.reset();
  return { state, mem, io, lines, bus, slots, windows: (b: Bus) => b.regions.map((r) => `${r.name} ${r.base.toString(16)}`) };
}

Deno.test("the header: ids, class, what can be written, and all ones where nothing is", () => {
  const { bus } = rig([3, 0, NIC]);
  const header = [0, 4, 8, 0xc, 0x2c, 0x3c].map((at) => bus.read(3, 0, at, 4));
  assertEquals(header, [0x100e_8086, 0, 0x0200_0003, 0, 0x1100_1af4, 0x100]);
  for (let at = 0; at < 0x40; at += 4) bus.write(3, 0, at, 4, 0xffff_ffff);
  assertEquals([0, 4, 8, 0xc, 0x2c, 0x3c].map((at) => bus.read(3, 0, at, 4)), [
    0x100e_8086,
    0x507,
    0x0200_0003,
    0xff,
    0x1100_1af4,
    0x1ff,
  ]);
  assertEquals([bus.read(3, 1, 0, 4), bus.read(4, 0, 0, 2), bus.read(4, 0, 2, 1)], [0xffff_ffff, 0xffff, 0xff]);
});

Deno.test("a BAR tells its size, is mapped while the command register allows it, and moves", () => {
  const { bus, mem, io, windows } = rig([3, 0, NIC]);
  for (const at of [BAR0, BAR1]) bus.write(3, 0, at, 4, 0xffff_ffff);
  assertEquals([bus.read(3, 0, BAR0, 4), bus.read(3, 0, BAR1, 4), bus.read(3, 0, 0x18, 4)], [0xfffe_0000, 0xffff_ffc1, 0]);
  bus.write(3, 0, BAR0, 4, 0xfeb0_1234);
  bus.write(3, 0, BAR1, 4, 0xc044);
  assertEquals([windows(mem), windows(io)], [[], []]);
  bus.write(3, 0, COMMAND, 2, 3);
  assertEquals([windows(mem), windows(io)], [["f30.regs feb00000"], ["f30.ports c040"]]);
  assertEquals([mem.read(0xfeb0_0104, 4), io.read(0xc041, 1)], [0x104, 1]);
  bus.write(3, 0, BAR0 + 2, 2, 0xfea0);
  assertEquals(windows(mem), ["f30.regs fea00000"]);
  bus.write(3, 0, COMMAND, 1, 1);
  assertEquals([windows(mem), windows(io)], [[], ["f30.ports c040"]]);
  bus.reset();
  assertEquals([windows(io), bus.read(3, 0, BAR1, 4)], [[], 1]);
});

Deno.test("BARs of 64 bits, expansion ROMs, windows of the function's own registers", () => {
  const changes: string[] = [];
  const { bus, mem, io, windows, slots } = rig([1, 0, {
    ...NIC,
    bars: [{ kind: "mem64", name: "big", size: 2 ** 33, target, prefetchable: true }],
    registers: [{ at: 0x40, size: 4, value: 0x501, writable: 0xffc1 }],
    windows: (config) => config[0x40] & 1 ? [{ kind: "io", name: "pm", base: get(config, 0x40, 4) & 0xffc0, length: 64, target }] : [],
    changed: (at, length) => changes.push(`${at} ${length}`),
  }, Uint8Array.of(0x55, 0xaa, 3)]);
  assertEquals([bus.read(1, 0, BAR0, 4), windows(io)], [0xc, ["f10.pm 500"]]);
  for (const at of [BAR0, BAR1, ROM, 0x40]) bus.write(1, 0, at, 4, 0xffff_ffff);
  assertEquals([BAR0, BAR1, ROM, 0x40].map((at) => bus.read(1, 0, at, 4)), [0xc, 0xffff_fffe, 0xffff_f801, 0xffc1]);
  bus.write(1, 0, BAR0, 4, 0);
  bus.write(1, 0, BAR1, 4, 0x40);
  bus.write(1, 0, ROM, 4, 0xfff8_0001);
  bus.write(1, 0, 0x40, 4, 0xb001);
  bus.write(1, 0, COMMAND, 2, 2);
  assertEquals([windows(mem), windows(io)], [["f10.rom fff80000", "f10.big 4000000000"], ["f10.pm b000"]]);
  assertEquals([mem.read(0xfff8_0000, 4), mem.read(0xfff8_0004, 1)], [0xff03_aa55, 0xff]);
  assertEquals(changes, ["0 256", ...[BAR0, BAR1, ROM, 0x40, BAR0, BAR1, ROM, 0x40].map((at) => `${at} 4`), "4 2"]);
  assertEquals(slots[0].config[0x41], 0xb0);
});

Deno.test("windows are there only with their command bit, at an address that is not 0, and below their space's end", () => {
  const bars: PciFunction["bars"] = [{ kind: "mem", name: "m", size: 0x1000, target }, { kind: "io", name: "i", size: 0x40, target }, {
    kind: "mem64",
    name: "l",
    size: 0x1_0000,
    target,
  }];
  const { bus, mem, io, windows } = rig([1, 0, { ...NIC, bars }, new Uint8Array(2048)]);
  const LONG = 0x18,
    cases: readonly (readonly [command: number, m: number, i: number, l: number, high: number, rom: number, there: string])[] = [
      [2, 0x1000_0000, 0x100, 0x2000_0000, 0, 0x3000_0001, "m 10000000,l 20000000,rom 30000000"],
      [1, 0x1000_0000, 0x100, 0x2000_0000, 0, 0x3000_0001, "i 100"],
      [3, 0x1000_0000, 0x100, 0x2000_0000, 1, 0x3000_0000, "m 10000000,l 120000000,i 100"],
      [0, 0x1000_0000, 0x100, 0x2000_0000, 0, 0x3000_0001, ""],
      [3, 0, 0, 0, 0, 1, ""],
      [3, 0xffff_e000, 0xffc0, 0xfffe_0000, 0, 0xffff_f001, "m ffffe000,l fffe0000,rom fffff000,i ffc0"],
      [3, 0xffff_f000, 0xffc0, 0xffff_0000, 0xf_ffff, 0xffff_f801, "i ffc0"],
      [3, 0xffff_f000, 0x1_0000, 0xffff_0000, 0x10_0000, 0xffff_f801, ""],
    ];
  for (const [command, m, i, l, high, rom, there] of cases) {
    bus.write(1, 0, COMMAND, 2, 0);
    for (const [at, value] of [[BAR0, m], [BAR1, i], [LONG, l], [LONG + 4, high], [ROM, rom]]) bus.write(1, 0, at, 4, value);
    bus.write(1, 0, COMMAND, 2, command);
    const found = [...windows(mem), ...windows(io)].map((w) => w.replace("f10.", ""));
    assertEquals(found.sort(), there.split(",").filter(Boolean).sort(), `command ${command}, BAR 0 ${m.toString(16)}`);
  }
});

Deno.test("interrupt pins share lines; the status bit shows the pin, the command bit silences it", () => {
  const { bus, lines, slots: [a, b] } = rig([1, 0, NIC], [5, 0, NIC]);
  const level = () => lines.map((l) => l.level ? 1 : 0).join("");
  a.intx.set(true);
  b.intx.set(true);
  a.intx.set(false);
  assertEquals([level(), bus.read(1, 0, 6, 2), bus.read(5, 0, 6, 2)], ["0100", 0, 8]);
  bus.write(5, 0, COMMAND, 2, 0x400);
  assertEquals([level(), bus.read(5, 0, 6, 2)], ["0000", 8]);
  bus.write(5, 0, COMMAND, 2, 0);
  b.intx.set(false);
  assertEquals(level(), "0000");
});

Deno.test("function 0 says that there are others; a restored state is mapped", () => {
  const { bus, state, mem, windows } = rig([1, 0, NIC], [1, 3, NIC], [2, 0, NIC]);
  assertEquals([bus.read(1, 0, 0xe, 1), bus.read(1, 3, 0xe, 1), bus.read(2, 0, 0xe, 1)], [0x80, 0, 0]);
  const saved = structuredClone(state.config);
  bus.write(1, 3, BAR0, 4, 0xfeb0_0000);
  bus.write(1, 3, COMMAND, 2, 2);
  const later = structuredClone(state.config);
  state.config = saved;
  bus.restored();
  assertEquals(windows(mem), []);
  state.config = later;
  bus.restored();
  assertEquals(windows(mem), ["f13.regs feb00000"]);
});

Deno.test("status bits are cleared by writing ones; mistakes of a device file are found", () => {
  const { bus, state } = rig([1, 0, { ...NIC, registers: [{ at: 6, size: 2, value: 0xfa80 }] }]);
  bus.write(1, 0, 6, 2, 0x3880);
  assertEquals(get(state.config["1.0"], 6, 2), 0xc280);
  assertThrows(() => bus.plug(new PciSlot(1, 0), NIC), Error, "PCI slot 1.0 is taken");
  const odd: PciFunction = { ...NIC, bars: [{ kind: "io", name: "x", size: 6, target }] };
  assertThrows(() => bus.plug(new PciSlot(2, 0), odd), Error, "BAR 0: 6 bytes are no power of two of at least 4");
});

Deno.test("an expansion ROM is there with its enable, with memory decoding, at an address; registers without a value are 0", () => {
  const bytes = new Uint8Array(0x1800).fill(0x55), { bus, mem, windows } = rig([2, 0, { vendor: 1, device: 2, class: 3 }, bytes]);
  assertEquals(
    [0x2c, 0x2e, 0x3c, 0x3d, 8].map((at) => bus.read(2, 0, at, at === 8 ? 4 : 2)),
    [0, 0, 0, 0, 0x300].map((v, i) => i === 3 ? bus.read(2, 0, 0x3d, 2) : v),
  );
  assertEquals(bus.read(2, 0, 0x3d, 1), 0);
  bus.write(2, 0, ROM, 4, 0xffff_ffff);
  assertEquals(bus.read(2, 0, ROM, 4), 0xffff_e001);
  for (
    const [bar, command, there] of [
      [0xfe00_0001, 2, true],
      [0xfe00_0000, 2, false],
      [0xfe00_0001, 0, false],
      [0xfe00_0001, 1, false],
      [1, 2, false],
      [0xffff_c001, 2, true],
      [0xffff_e001, 2, false], // the very top is what is left by finding out the size
    ] as const
  ) {
    bus.write(2, 0, COMMAND, 2, command);
    bus.write(2, 0, ROM, 4, bar);
    const at = (bar & ~0x7ff) >>> 0;
    assertEquals(windows(mem), there ? [`f20.rom ${at.toString(16)}`] : [], `${bar.toString(16)}, command ${command}`);
    if (there) assertEquals([mem.read(at, 1), mem.read(at + 0x17ff, 1), mem.regions[0].length], [0x55, 0x55, 0x2000]);
  }
});
