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

Deno.test("every byte of configuration space: its first value, which bits are written, and which are cleared by ones", () => {
  const registers: PciFunction["registers"] = [
    { at: 0x34, size: 1, value: 0x40 },
    { at: 4, size: 4, value: 0xffff_0000 },
    {
      at: 0x50,
      size: 4,
      value: 0x8000_0001,
      writable: 0x7fff_fff0,
    },
    { at: 0x60, size: 2 },
    { at: 0xe, size: 1, value: 2 },
  ];
  const bar = (kind: "mem" | "mem64" | "io", size: number) => ({ kind, name: `${kind}${size}`, size, target }) as const;
  const cases: readonly (readonly [bars: PciFunction["bars"], rom: number, bits: readonly number[]])[] = [
    [undefined, 0, []],
    [[undefined, bar("io", 4), undefined, bar("mem", 16)], 0, [0, 0xffff_fffc, 0, 0xffff_fff0]],
    [[bar("mem", 2 ** 31), undefined, bar("mem64", 16)], 1, [0x8000_0000, 0, 0xffff_fff0, 0xffff_ffff]],
    [[bar("mem64", 2 ** 33), undefined, bar("io", 256), undefined, bar("mem", 0x1000)], 0x1001, [
      0,
      0xffff_fffe,
      0xffff_ff00,
      0,
      0xffff_f000,
    ]],
    [[undefined, undefined, undefined, bar("mem64", 2 ** 32)], 0x800, [0, 0, 0, 0, 0xffff_ffff]],
  ];
  for (const [bars, rom, bits] of cases) {
    const fn: PciFunction = { vendor: 0x8086, device: 0x7113, class: 0xfe_dcba, revision: 0x81, pin: 4, registers, ...(bars && { bars }) };
    const { bus, state } = rig(rom ? [7, 0, fn, new Uint8Array(rom)] : [7, 0, fn], [7, 1, NIC]);
    const first = new Uint8Array(256), mask = new Uint8Array(256), view = new DataView(first.buffer), masks = new DataView(mask.buffer);
    for (const [at, value] of [[0, 0x7113_8086], [4, 0xfff7_0000], [8, 0xfedc_ba81], [0x34, 0x40], [0x3c, 0x400], [0x50, 0x8000_0001]]) {
      view.setUint32(at, value, true);
    }
    view.setUint8(0xe, 0x82);
    (bars ?? []).forEach((b, i) => b && view.setUint8(0x10 + 4 * i, b.kind === "io" ? 1 : b.kind === "mem64" ? 4 : 0));
    mask.fill(0xff, 0x40);
    for (const [at, value] of [[4, 0x507], [0x50, 0x7fff_fff0]]) masks.setUint32(at, value, true);
    mask[0xc] = mask[0x3c] = 0xff;
    bits.forEach((m, i) => masks.setUint32(0x10 + 4 * i, m, true));
    if (rom) masks.setUint32(0x30, rom > 0x1000 ? 0xffff_e001 : 0xffff_f801, true);
    assertEquals(state.config["7.0"], first);
    for (const [size, ones] of [[1, 0xff], [2, 0xffff], [4, 0xffff_ffff]] as const) {
      for (const value of [ones, 0]) {
        bus.reset();
        for (let at = 0; at < 256; at += size) bus.write(7, 0, at, size, value);
        // Status: what is written as a one is cleared (8, 11 to 15); bit 3 is the pin's.
        const due = first.map((v, i) => value ? v & ~mask[i] | mask[i] : v & ~mask[i]);
        if (value) due[7] = 0x06;
        assertEquals(state.config["7.0"], due, `${size} bytes of ${value}`);
      }
    }
  }
});

Deno.test("functions that are plugged in have their registers at once; function 1 is another function, too; nobody is written to", () => {
  const state: { config: Record<string, Uint8Array> } = { config: {} };
  const lines = [new Wire(() => {})],
    route = (_: number, pin: number) => {
      assertEquals([1, 2, 3, 4].includes(pin), true);
      return 0;
    };
  const bus = new PciBus({ mem: new Bus(), io: undefined, config: () => state.config, lines, route });
  const { pin: _, ...silent } = NIC, slot = new PciSlot(1, 0, "a");
  bus.plug(slot, silent);
  assertEquals(bus.read(1, 0, 0, 4), 0x100e_8086);
  bus.plug(new PciSlot(1, 1, "b"), NIC);
  assertEquals([bus.read(1, 0, 0xe, 1), bus.read(1, 1, 0xe, 1)], [0x80, 0]);
  bus.write(2, 0, 4, 2, 7);
  // Without a pin there is no line, and without port space no window there.
  slot.intx.set(true);
  bus.write(1, 0, COMMAND, 2, 1);
  bus.write(1, 0, BAR1, 4, 0xc001);
  assertEquals([lines[0].level, bus.read(1, 0, 6, 2)], [false, 8]);
});

Deno.test("a line follows its function's command register when that is restored or reset; port decoding does not silence it", () => {
  const { bus, state, lines, slots: [a] } = rig([1, 0, NIC]);
  a.intx.set(true);
  bus.write(1, 0, COMMAND, 2, 0x105);
  assertEquals(lines[1].level, true);
  const [loud, quiet] = [0x105, 0x505].map((command) => {
    bus.write(1, 0, COMMAND, 2, command);
    return structuredClone(state.config);
  });
  for (const [config, level] of [[loud, true], [quiet, false], [loud, true], [quiet, false]] as const) {
    state.config = structuredClone(config);
    bus.restored();
    assertEquals(lines[1].level, level);
  }
  bus.reset();
  assertEquals([lines[1].level, bus.read(1, 0, 6, 2)], [true, 8]);
});

Deno.test("what says the same as before stays mapped", () => {
  const { bus, mem, io, windows } = rig([1, 0, NIC, new Uint8Array(2048)]);
  let changes = 0;
  mem.onRemap = io.onRemap = () => changes++;
  for (const [at, value] of [[BAR0, 0xfe00_0000], [BAR1, 0xc000], [ROM, 0xfd00_0001], [COMMAND, 3]]) bus.write(1, 0, at, 4, value);
  assertEquals(changes, 3);
  for (const [at, value] of [[0x3c, 5], [COMMAND, 0x507], [BAR1, 0xc01f], [0x40, 1]]) bus.write(1, 0, at, 4, value);
  bus.restored();
  assertEquals([changes, windows(mem), windows(io)], [3, ["f10.rom fd000000", "f10.regs fe000000"], ["f10.ports c000"]]);
});

Deno.test("sizes of BARs: from 16 bytes in memory, from 4 among ports, at each multiple; other BARs and registers do not count", () => {
  for (const [kind, least] of [["mem", 16], ["mem64", 16], ["io", 4]] as const) {
    const fn = (size: number): PciFunction => ({
      ...NIC,
      bars: [{ kind, name: "x", size, target }, undefined, { kind: "io", name: "y", size: 4, target }],
    });
    for (const size of [least / 2, least + 1, 3 * least, 0]) {
      assertThrows(() => rig([1, 0, fn(size)]), Error, `BAR 0: ${size} bytes are no power of two of at least ${least}`);
    }
    const { bus, mem, io, windows } = rig([1, 0, fn(least)]);
    bus.write(1, 0, 0x18, 4, 0xe001);
    bus.write(1, 0, COMMAND, 2, 3);
    for (const base of [least, 3 * least, 0x1000 - least, 0xfffc - 0xfffc % least - least]) {
      bus.write(1, 0, BAR0, 4, base + least - 1);
      assertEquals([...windows(mem), ...windows(io)].sort(), [`f10.x ${base.toString(16)}`, "f10.y e000"].sort(), `${kind} at ${base}`);
    }
  }
  // A ROM whose address has a capability pointer behind it.
  const { bus, mem, windows } = rig([1, 0, { ...NIC, bars: [], registers: [{ at: 0x34, size: 1, value: 0x40 }] }, new Uint8Array(2048)]);
  bus.write(1, 0, ROM, 4, 0xfd00_0001);
  bus.write(1, 0, COMMAND, 2, 2);
  assertEquals(windows(mem), ["f10.rom fd000000"]);
  mem.write(0xfd00_0000, 4, 1);
  assertEquals([mem.read(0xfd00_0000, 4), mem.read(0xfd00_0000, 2)], [0, 0]);
});
