// What each device answers to long random use that makes sense to it: register sequences as drivers write them, lines, bytes and keys from
// outside, and time. Two things are asked of it. A device that is saved and restored into a fresh one, again and again in the midst of it,
// answers the same. And the answers are those of the last time that anybody looked: tests/golden/devices.txt has a line for each stretch.
// Who changes a device on purpose writes it anew (`-- --update`), and says in the commit why each of these lines changed; `-- --show ide` prints
// what ide answers, so that both ways can be compared.
import { assertEquals } from "@std/assert";
import { Bus, type BusTarget, readTarget, type Size, writeTarget } from "../src/core/bus.ts";
import { VirtualClock } from "../src/core/clock.ts";
import type { DeviceType, InterruptMessage, Sources } from "../src/core/device.ts";
import { Disk, type Drive, memorySource } from "../src/core/disk.ts";
import type { DmaChannel } from "../src/core/dma.ts";
import { Wire } from "../src/core/irq.ts";
import { PciBus, PciSlot } from "../src/core/pci.ts";
import { vgaMode as vgaModeOf } from "../src/core/vga_modes.ts";
import type { Keys } from "../src/core/schema.ts";
import { DEVICES, loadDevices } from "../src/devices/mod.ts";
import { type AnyDevice, defaults } from "../src/devices/testing/bench.ts";
import { Random } from "./fuzz/random.ts";

const GOLDEN = new URL("golden/devices.txt", import.meta.url).pathname;
/** Stretches of each device, each from power-on, and phrases in each. */
const STRETCHES = 8, PHRASES = 250;

/** A device with all that it can be connected to. */
interface Rig {
  readonly r: Random;
  readonly device: AnyDevice;
  readonly clock: VirtualClock;
  readonly dma: Bus;
  readonly inputs: readonly string[];
  /** How many. */
  readonly outputs: number;
  readonly targets: readonly BusTarget[];
  readonly lengths: readonly number[];
  readonly pci: PciBus;
  readonly memory: Uint8Array;
  /** The hart that accesses it. */
  hart: number;
  /** What it has told so far. */
  readonly told: string[];
  readonly drives: Readonly<Record<string, Drive>>;
  readonly config: Record<string, Uint8Array>;
  /** Channels that others have of it. */
  readonly channels: readonly DmaChannel[];
}

const disk = (kind: "floppy" | "hard" | "cd", sectors: number, readonly = false): Drive => {
  const size = kind === "cd" ? 2048 : 512, bytes = new Uint8Array(sectors * size).map((_, i) => Math.imul(i, 0x9e3779b1) >>> 13);
  return { kind, disk: new Disk(memorySource(bytes), kind, readonly) };
};
const DRIVES: Readonly<Record<string, () => Readonly<Record<string, Drive>>>> = {
  "virtio.blk": () => ({ disk: disk("hard", 60) }),
  i82077aa: () => ({ drive0: disk("floppy", 2880), drive1: disk("floppy", 720, true) }),
  "ide.piix": () => ({
    disk0: disk("hard", 3000),
    disk1: disk("hard", 300, true),
    disk2: disk("cd", 60),
    disk3: { kind: "cd", disk: undefined },
  }),
};

/** Used without the bus that it could be plugged into, where its registers have no fixed place. */
const ALONE = new Set(["acpi.piix4"]);

/** Where DMA goes; a page at 0 has tables. */
const RAM = 0x1_0000;

function rig(type: DeviceType<Keys>, r: Random): Rig {
  const clock = new VirtualClock(100_000_000), told: string[] = [], config = defaults(type.keys), harts = 2;
  const names = (type.outputs?.(config) ?? []).flatMap((name) =>
    name.includes("*") ? [0, 1].map((n) => name.replace("*", String(n))) : [name]
  );
  const irq = names.map((name) => new Wire((level) => told.push(`${name}${level ? "+" : "-"}`)));
  const dma = new Bus(), space = new Bus(), io = new Bus(), memory = new Uint8Array(type.memory?.(config) ?? 0);
  // What display memory holds at power-on is not said; so fonts are to be seen.
  if (type.type === "vga") { for (let i = 0; i < 0x4_0000; i++) memory[i] = Math.imul(i, 0x85ebca6b) >>> 11; }
  dma.mapRam(0, new Uint8Array(RAM).map((_, i) => Math.imul(i, 0x85ebca6b) >>> 15));
  // Messages of I/O APICs.
  dma.map(0xfee0_0000, 0x10_0000, {
    access: { min: 4, max: 4 },
    read: () => 0,
    write: (offset, _size, value) => told.push(`message ${offset.toString(16)} ${value.toString(16)}`),
  });
  const slot = new PciSlot(1, 1),
    drives = DRIVES[type.type]?.() ?? {},
    plugged = type.pci !== undefined && !ALONE.has(type.type),
    space0: Record<string, Uint8Array> = {};
  const channel: DmaChannel = {
    move: (data, toMemory) => {
      if (r.one(8)) return undefined;
      const moved = Math.min(data.length, 1 + r.below(1500));
      if (toMemory) told.push(`to memory ${hash(data.subarray(0, moved))}`);
      else for (let i = 0; i < moved; i++) data[i] = r.below(256);
      return { moved, done: r.one(4) };
    },
    onReady: () => {},
  };
  const rig = { r, clock, dma, memory, told, drives, hart: 0, config: space0 };
  const device: AnyDevice = type.create(
    {
      id: "dut",
      clock,
      alarm: (name, onFire) => clock.alarm(name, onFire),
      dma,
      io,
      memory,
      epochSeconds: 1_767_225_600,
      // What is not modelled is said once a run.
      log: (channel, text) => void (channel !== "unimp" && told.push(`${channel} ${text()}`)),
      stop: (request) => told.push(`stop ${JSON.stringify(request)}`),
    },
    config,
    { irq, harts, hart: () => rig.hart, drives, dma: channel, ...plugged && { pci: slot } },
  );
  const lines = [0, 1, 2, 3].map((n) => new Wire((level) => told.push(`pci ${n}${level ? "+" : "-"}`)));
  const pci = device.pciBus ?? new PciBus({ mem: space, io, config: () => space0, lines, route: (d, pin) => (d + pin) & 3 });
  if (device.pci && plugged) pci.plug(slot, device.pci);
  device.reset();
  if (!device.pciBus) pci.reset();
  device.provide?.(
    () => [{ key: 5, bytes: Uint8Array.of(1, 2, 3) }, { name: "etc/x", bytes: Uint8Array.of(9, 8, 7, 6, 5) }, { name: "b", bytes: memory }],
  );
  const { char, keyboard, localApics } = device;
  if (char) char.onByte = (byte) => told.push(`out ${byte}`);
  if (char) char.onRoom = () => told.push("room");
  if (keyboard) keyboard.onRoom = () => told.push("key room");
  if (device.screen) device.screen.onChange = (row) => told.push(`row ${row}`);
  if (localApics) {
    localApics.onInit = (n) => told.push(`init ${n}`);
    localApics.onStartup = (n, vector) => told.push(`startup ${n} ${vector}`);
    localApics.onEndOfInterrupt = (vector) => told.push(`eoi ${vector}`);
  }
  if ("onTimeWritten" in device || device.timeSource) device.onTimeWritten = () => told.push("time");
  const channels = Array.from({ length: type.dmaChannels ?? 0 }, (_, n) => device.dma!(n)!);
  for (const [n, line] of channels.entries()) line.onReady = () => told.push(`ready ${n}`);
  const inputs = type.inputs?.(config), windows = type.windows(config, plugged);
  const bars = (device.pci?.bars ?? []).filter((bar) => bar !== undefined);
  told.length = 0;
  // What machine files and the bus find of it.
  const { bars: _bars, ...identity } = device.pci ?? { bars: [] };
  told.push(`${JSON.stringify([windows, names, inputs, identity, bars.map(({ target: _target, ...bar }) => bar)])}`);
  return Object.assign(rig, {
    device,
    channels,
    pci,
    outputs: irq.length,
    inputs: !inputs ? [] : "names" in inputs ? inputs.names : numbersOf(type, inputs.numbers),
    targets: [...device.windows ?? [], ...bars.map((bar) => bar.target)],
    lengths: [...windows.map((w) => w.length), ...bars.map((bar) => bar.size)],
  });
}

/** Inputs by number; where the slave of two chips is, nothing else is connected. */
const numbersOf = (type: DeviceType<Keys>, [first, last]: readonly [number, number]): string[] =>
  Array.from({ length: last - first + 1 }, (_, i) => String(first + i)).filter((n) => type.type !== "i8259.pair" || n !== "2");

function hash(bytes: Uint8Array): string {
  let h = 0x811c9dc5;
  for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  return (h >>> 0).toString(16);
}
const hashText = (text: string): string => hash(new TextEncoder().encode(text));

const read = (m: Rig, window: number, offset: number, size: Size = 1): number => {
  const value = readTarget(m.targets[window], offset, size);
  m.told.push(`${window}:${offset.toString(16)}/${size} is ${value.toString(16)}`);
  return value;
};
const write = (m: Rig, window: number, offset: number, value: number, size: Size = 1): void =>
  writeTarget(m.targets[window], offset, size, size === 4 ? value >>> 0 : value & (2 ** (8 * size) - 1));
const pass = (m: Rig, ns: number): void => {
  const end = m.clock.base + Math.round(ns / 10);
  while (m.clock.next <= end) {
    m.clock.base = Math.max(m.clock.base, m.clock.next);
    m.clock.fireDue();
  }
  m.clock.base = end;
};

/** A value that registers like. */
function value(r: Random): number {
  return r.pick([
    () => r.below(256),
    () => r.below(16),
    () => r.bits(),
    () => 1 << r.below(32),
    () => ~(1 << r.below(32)),
    () => 0,
    () => -1,
    () => r.below(0x1_0000),
  ])() >>> 0;
}

/** Writes indexed registers: index, then data. */
const indexed = (window: number, index: number, data: number, count: number, size: Size = 1) => (m: Rig): void => {
  write(m, window, index, m.r.below(count), size);
  if (m.r.one(2)) write(m, window, data, value(m.r), size);
  read(m, window, data, size);
};

/** A bus master's table at 0x100 of the first page: pieces that come up to about `bytes`. */
function scatter(m: Rig, bytes: number): number {
  const at = 0x100 + 0x80 * m.r.below(4);
  for (let n = 0, left = bytes;; n++) {
    const size = m.r.one(6) ? left : Math.min(left, 2 + 2 * m.r.below(400)), last = (left -= size) <= 0 || n === 14 || m.r.one(12);
    m.dma.write(at + 8 * n, 4, m.r.one(25) ? 0x7000_0000 : 0x2000 + 2 * m.r.below(0x4000));
    m.dma.write(at + 8 * n + 4, 4, size & 0xfffe | (last ? 0x8000_0000 : 0));
    if (last) return at;
  }
}

const ATA = [0x08, 0x10, 0x20, 0x24, 0x25, 0x27, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x42, 0x70, 0x90, 0x91, 0xa0, 0xa1, 0xc4, 0xc5, 0xc6];
const ATA_MORE = [0xc8, 0xca, 0xe0, 0xe5, 0xe7, 0xea, 0xec, 0xef, 0xf8, 0xc9, 0xcb, 0x21, 0x31, 0x41, 0x1f];
const PACKETS = [0, 3, 0x12, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa8, 0xbd, 0xbe];

function ideCommand(m: Rig): void {
  const { r } = m, channel = r.below(2), block = 2 * channel, master = m.targets.length - 1, cd = channel === 1;
  const packet = cd && !r.one(3), command = packet ? 0xa0 : r.one(12) ? r.below(256) : r.pick(r.one(2) ? ATA : ATA_MORE);
  if (r.one(3)) write(m, block + 1, 0, r.pick([0, 2, 0x80, 0, r.one(4) ? 4 : 0]));
  const registers = packet ? [r.below(2), 0, 0, r.pick([0xfe, 0, 0x10]), r.pick([0xff, 8, 0]), 0xa0] : [
    r.pick([3, 2, 0x82, 0xaa, r.below(256)]),
    r.pick([0, 1, 2, 3, 8, 0x45, 0x22, 0x0c]),
    r.below(70),
    r.below(12),
    r.below(2),
    r.pick([0xe0, 0xa0, 0x40, 0xa3]),
  ];
  registers[5] |= r.one(5) ? 0x10 : 0;
  if (r.one(2)) { for (let n = 1; n <= 5; n++) write(m, block, n, r.one(3) ? r.below(64) : 0); }
  registers.forEach((v, n) => r.one(10) || write(m, block, n + 1, v));
  if (r.one(3)) {
    writeTarget(m.targets[master], 8 * channel + 4, 4, scatter(m, 512 * (registers[1] || 4)));
    writeTarget(m.targets[master], 8 * channel, 1, r.pick([9, 1, 8, 0]));
  }
  write(m, block, 7, command);
  if (r.one(8)) read(m, block + 1, 0);
  if (packet) {
    const cdb = [r.one(10) ? r.below(256) : r.pick(PACKETS), ...Array.from({ length: 11 }, () => r.one(3) ? r.below(64) : 0)];
    if (r.one(2)) cdb[8] = r.pick([2, 18, 40, 255]);
    if (r.one(2)) cdb[4] = r.pick([1, 2, 3, 36, 255]);
    if (cdb[0] === 0x5a) cdb[2] = r.pick([1, 0x2a, 0x3f, 0xff, 0x7f, r.below(64)]);
    if (cdb[0] === 0x43) cdb[2] = r.pick([0, 0, 1, 2]);
    for (let n = 0; n < 12; n += 2) write(m, block, 0, cdb[n] | cdb[n + 1] << 8, 2);
  }
  pass(m, r.pick([500, 2000, 2000, 5000]));
  for (let n = 0; n < 8; n++) {
    const status = read(m, block + 1, 0);
    if (!(status & 8) || r.one(20)) break;
    const words = r.pick([4, 16, 128, 256, 256, 1024]), size = r.pick([2, 2, 4]) as Size, data = [];
    for (let i = 0; i < words; i++) {
      if (/30|31|34|39|c5/.test(command.toString(16))) write(m, block, 0, i * 77 + n, size);
      else data.push(readTarget(m.targets[block], 0, size));
    }
    m.told.push(`data ${hashText(data.join())}`);
    if (!r.one(4)) read(m, block, 7);
    pass(m, r.pick([500, 2000]));
  }
  for (const register of [1, 2, 3, 4, 5, 6, 7]) read(m, block, register);
  m.told.push([0, 2].map((n) => readTarget(m.targets[master], 8 * channel + n, 1)).join(" "));
  if (r.one(2)) writeTarget(m.targets[master], 8 * channel + 2, 1, r.pick([6, 0x66, 0x60]));
  if (r.one(2)) writeTarget(m.targets[master], 8 * channel, 1, 0);
}

const FLOPPY = [3, 4, 5, 6, 7, 8, 0x0a, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x18, 0x19, 0x1d, 0x02, 0x0c, 0x09];
function floppyCommand(m: Rig): void {
  const { r } = m;
  if (r.one(5)) write(m, 0, r.pick([2, 2, 4, 3]), r.pick([0x1c, 0x2d, 0x0c, 0x3d, 0x14, r.below(256)]));
  if (r.one(5)) write(m, 1, 0, r.below(4));
  // A seek near the last cylinder, and what is there.
  if (r.one(6)) {
    const drive = r.below(2);
    for (const byte of [0x0f, drive, r.pick([0, 38, 39, 40, 41, 78, 79, 80, 81])]) write(m, 0, 5, byte);
    pass(m, 500_000_000);
    write(m, 0, 5, 8);
    for (let n = 0; n < 3; n++) read(m, 0, 5);
    for (const byte of [0x4a, drive | r.pick([0, 4])]) write(m, 0, 5, byte);
    pass(m, 500_000_000);
    for (let n = 0; n < 7; n++) read(m, 0, 5);
  }
  const code = r.one(15) ? r.below(256) : r.pick(FLOPPY) | r.pick([0, 0x40, 0xc0, 0xe0]);
  write(m, 0, 5, code);
  for (let n = 0; n < 10 && (read(m, 0, 4) & 0xc0) === 0x80; n++) {
    // Drive and head, cylinder, head, sector, size, end of track, gap, length.
    const plausible = [r.below(8), r.pick([0, 1, 2, 39, 40, 79, 80]), r.below(3), 1 + r.below(10), 2, 9 + r.below(10), 0x1b, 0xff][n % 8];
    write(m, 0, 5, r.one(12) ? r.below(256) : plausible);
  }
  pass(m, r.pick([1000, 100_000, 20_000_000]));
  for (let n = 0; n < 12; n++) {
    const status = read(m, 0, 4);
    if (!(status & 0x80) || !(status & 0x10)) break;
    if (status & 0x40) read(m, 0, 5);
    else write(m, 0, 5, r.below(256));
    pass(m, 30_000);
  }
  for (const offset of [0, 1, 2, 3, 4]) read(m, 0, offset);
  read(m, 1, 0);
}

/** Formats, reads or writes with the drive ready and the head where it is wanted, each field at an edge. */
function floppyEdges(m: Rig): void {
  const { r } = m, drive = r.one(3) ? 1 : 0, cylinder = r.pick([0, 1, 39, 40, 79, 80]), head = r.below(2);
  const command = (...bytes: number[]) => bytes.forEach((byte) => write(m, 0, 5, byte));
  const results = () => {
    for (let n = 0; n < 10 && (read(m, 0, 4) & 0xd0) === 0xd0; n++) read(m, 0, 5);
  };
  write(m, 0, 2, drive | r.pick([0x3c, 0x3c, 0x0c]));
  write(m, 1, 0, drive ? r.pick([2, 1, 0]) : 0);
  pass(m, 50_000);
  for (let n = 0; n < 4; n++) (command(8), results());
  command(3, 0xaf, 2 | (r.one(2) ? 1 : 0));
  command(0x13, 0, r.pick([0, 0x40, 0x10]), 0);
  command(4, r.below(8)), results();
  command(0x0f, head << 2 | drive, cylinder);
  pass(m, 500_000_000);
  command(8), results();
  const sectors = drive ? 9 : 18,
    sector = r.pick([0, 1, sectors - 1, sectors, sectors + 1]),
    code = r.pick([2, 5, 6, 9, 0x0c, 0x0d, 0x0d, 0x0d, 0x11, 0x19, 0x1d, 0x16]);
  if (code === 0x0d) command(0x4d, head << 2 | drive, r.one(9) ? 3 : 2, r.pick([0, 1, 2, sectors, sectors + 1]), 0x1b, r.below(256));
  else {command(
      code | r.pick([0, 0x40, 0xc0]),
      head << 2 | drive,
      r.one(6) ? cylinder + 1 : cylinder,
      r.one(6) ? head ^ 1 : head,
      sector,
      r.one(9) ? 3 : 2,
      r.pick([sectors, sector]),
      0x1b,
      0xff,
    );}
  pass(m, 200_000);
  for (let n = 0; n < 2200 && (read(m, 0, 4) & 0xb0) === 0xb0; n++) {
    m.told.length--;
    if (readTarget(m.targets[0], 4, 1) & 0x40) readTarget(m.targets[0], 5, 1);
    else write(m, 0, 5, n & 3 ? n * 7 : r.below(20));
    if (n % 512 === 511) pass(m, 30_000);
  }
  pass(m, 2_000_000);
  results();
}

/** One message of a local APIC or a register that matters. */
function lapicAccess(m: Rig): void {
  const { r } = m,
    registers = [0x20, 0x80, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0];
  m.hart = r.below(2);
  const apic = m.device.localApics!.of[m.hart];
  if (r.one(4)) write(m, 0, 0xf0, 0x1ff, 4);
  const register = r.pick(registers),
    vector = r.pick([0x31, 0x45, 0x80, 0xfe, 0x0f, 0x10]),
    mode = r.pick([0, 0, 0x100, 0x400, 0x500, 0x600, 0x700]);
  const icr = vector | mode | r.pick([0, 0x800]) | r.pick([0, 0x4000]) | r.pick([0, 0x8000]) | r.pick([0, 0x4_0000, 0x8_0000, 0xc_0000]);
  const plausible = {
    0x20: r.below(8) << 24,
    0x80: r.below(256),
    0xd0: 1 << 24 + r.below(8),
    0xe0: r.pick([0xffff_ffff, 0x0fff_ffff]),
    0xf0: r.pick([0x1ff, 0x1ff, 0x11f, 0xff]),
    0x300: icr,
    0x310: r.pick([0, 1, 3, 0xff, 0x11]) << 24,
    0x380: r.below(5000),
    0x3e0: r.below(16),
    0x320: vector | r.pick([0, 0x2_0000, 0x4_0000, 0x1_0000]),
  }[register];
  write(m, 0, register, plausible ?? (r.one(3) ? value(r) : vector | mode | (r.one(4) ? 0x1_0000 : 0) | (r.one(3) ? 0x8000 : 0)), 4);
  if (r.one(3)) write(m, 0, r.pick([0, 1, 0xff, 0x11]) << 12 | (r.one(2) ? 4 : 0), icr & 0xcfff, 4);
  if (r.one(3)) m.told.push(`acknowledged ${apic.acknowledge()}`);
  if (r.one(5)) {
    m.told.push(
      `base ${apic.writeBase(r.pick([0xfee0_0900, 0xfee0_0d00, 0xfee0_0000, 0xfee0_0800, 0xfee0_0c00]), 0, r.one(2))} ${apic.baseLo}`,
    );
  }
  if (r.one(4)) {
    m.told.push(
      `msr ${
        apic.writeMsr(
          r.pick([0x808, 0x80b, 0x80d, 0x80f, 0x828, 0x830, 0x832, 0x838, 0x83e, 0x83f]),
          plausible ?? icr,
          r.pick([0, 1, 2, -1]),
        )
      }`,
    );
  }
  if (r.one(4)) m.told.push(`msr ${JSON.stringify(apic.readMsr(0x800 + r.below(0x40)))}`);
  if (r.one(6)) apic.deadline = r.below(100_000);
  if (r.one(6)) apic.priority = r.below(16);
  m.told.push(`${apic.priority} ${apic.deadline} ${apic.baseLo}`);
  for (let n = 0; n < 5; n++) read(m, 0, n === 0 ? register : 0x10 * r.below(0x40), 4);
}

function fwCfg(m: Rig): void {
  const { r } = m;
  write(m, 0, 0, r.pick([0, 1, 5, 0x19, 0x20, 0x21, 0x22, 0x2000, 0x4005, 0xffff]), 2);
  for (let n = r.below(9); n > 0; n--) read(m, 0, 1, r.pick([1, 1, 2, 4]));
  if (r.one(2)) return;
  const at = 0x1000 + 16 * r.below(8);
  for (
    const [n, v] of [
      r.pick([0x0015_0002, 0x0005_000a, 0x0019_000a, 2, 4, 8, 0x10, 0x20_000a]),
      r.pick([1, 4, 8, 200]),
      0,
      0x2000 + r.below(64),
    ].entries()
  ) {
    const swapped = new DataView(new ArrayBuffer(4));
    swapped.setUint32(0, v);
    m.dma.writeBytes(at + 4 * n, new Uint8Array(swapped.buffer));
  }
  const big = (v: number) => (v >>> 24 | (v >>> 8 & 0xff00) | (v & 0xff00) << 8 | v << 24) >>> 0;
  write(m, 0, 4, 0, 4);
  write(m, 0, 8, big(at), 4);
  m.told.push(hash(m.dma.readBytes(at, 16)), hash(m.dma.readBytes(0x2000, 256)));
  for (let n = 4; n < 12; n++) read(m, 0, n, 1);
}

const pciConfig = (device: number, func: number) => (m: Rig): void => {
  const { r } = m, size = r.pick([1, 2, 4]) as Size, at = r.below(r.one(2) ? 0x40 : 256) & -size;
  const [d, f] = r.one(12) ? [r.below(3), r.below(3)] : [device, func];
  if (r.one(2)) m.pci.write(d, f, at, size, value(r) & (size === 4 ? -1 : 2 ** (8 * size) - 1));
  m.told.push(`config ${at} ${m.pci.read(d, f, at, size).toString(16)}`);
};

const vgaOut = (m: Rig, port: number, ...values: number[]) => values.forEach((v) => write(m, 1, port - 0x3b0, v));
const vgaIn = (m: Rig, port: number) => read(m, 1, port - 0x3b0);
const vgaBase = (m: Rig) => readTarget(m.targets[1], 0x1c, 1) & 1 ? 0x3d0 : 0x3b0;

/** Any register by its index, a colour, or a port that has none. */
function vgaRegister(m: Rig): void {
  const { r } = m, base = vgaBase(m), index = r.below(32);
  const [at, count] = r.pick([[0x3c4, 8], [0x3ce, 16], [base + 4, 64], [base + 4, 25]] as const), v = r.one(2) ? r.below(16) : r.below(256);
  vgaOut(m, at, r.below(count));
  if (r.one(2)) vgaOut(m, at + 1, v);
  vgaIn(m, at), vgaIn(m, at + 1), vgaIn(m, base + 10);
  if (r.one(2)) vgaOut(m, 0x3c0, index | (r.one(4) ? 0 : 0x20), r.one(2) ? r.below(16) : r.below(256));
  vgaIn(m, 0x3c0), vgaIn(m, 0x3c1);
  if (r.one(2)) vgaOut(m, 0x3c8, r.below(256)), vgaOut(m, 0x3c9, ...Array.from({ length: r.below(7) }, () => r.below(256)));
  if (r.one(2)) vgaOut(m, 0x3c7, r.below(256)), vgaIn(m, 0x3c9), vgaIn(m, 0x3c9), vgaIn(m, 0x3c7), vgaIn(m, 0x3c9), vgaIn(m, 0x3c8);
  if (r.one(6)) vgaOut(m, 0x3c6, r.pick([0xff, 0xff, 0x3f, 0x0f, r.below(256)]));
  if (r.one(9)) vgaOut(m, 0x3c2, r.pick([0x63, 0x62, 0x67, 0x61, r.below(256)]));
  if (r.one(9)) vgaOut(m, base + 10, r.below(256));
  pass(m, r.below(20_000_000));
  for (const port of [base + 10, 0x3ca, 0x3cc, 0x3c2, 0x3c6, 0x3b0 + index, 0x3d0 + (index & 15)]) vgaIn(m, port);
}

/** A mode of the BIOS that is as small as may be, with a register or two that are otherwise; and every colour. */
function vgaMode(m: Rig): void {
  const { r } = m, mode = vgaModeOf(r.pick([0, 3, 7, 4, 6, 0x0d, 0x10, 0x12, 0x13, 0x13]))!;
  vgaOut(m, 0x3c2, mode.misc);
  const base = vgaBase(m),
    each = (port: number, first: number, values: readonly number[]) =>
      values.forEach((v, n) => (vgaOut(m, port, first + n), vgaOut(m, port + 1, r.one(40) ? v ^ 1 << r.below(8) : v)));
  each(0x3c4, 1, mode.sequencer);
  vgaOut(m, base + 4, 0x11), vgaOut(m, base + 5, 0);
  const crtc = [...mode.crtc];
  Object.assign(crtc, {
    1: r.below(10),
    7: r.one(4) ? 0x10 : 0,
    0x12: r.below(40),
    0x13: 1 + r.below(8),
    0x18: r.pick([0xff, 9]),
    0x0d: r.below(4),
  });
  if (r.one(2)) {
    Object.assign(crtc, { 9: r.pick([0, 1, 7, 15]) | r.pick([0x80, 0x40, 0]), 0x0a: r.below(16), 0x0b: r.below(16), 0x0f: r.below(30) });
  }
  if (r.one(3)) crtc[0x17] = crtc[0x17] & ~0x43 | r.pick([0x40, 0x41, 0x42, 0x43, 1, 2, 3]);
  each(base + 4, 0, crtc);
  each(0x3ce, 0, mode.graphics);
  vgaIn(m, base + 10);
  mode.attribute.forEach((v, n) => vgaOut(m, 0x3c0, n, r.one(40) ? r.below(256) : v));
  if (r.one(2)) vgaOut(m, 0x3c0, 0x14, r.below(16));
  vgaOut(m, 0x3c0, 0x20);
  vgaOut(m, 0x3c8, 0), vgaOut(m, 0x3c9, ...Array.from({ length: 768 }, (_, n) => Math.imul(n + 1, 0x9e3779b1) >>> 20));
  if (r.one(2)) write(m, 2, 0, 4, 2), write(m, 2, 1, 0, 2);
}

/** Memory behind the window and the framebuffer, with the graphics controller as programs that draw set it up. */
function vgaMemory(m: Rig): void {
  const { r } = m;
  if (r.one(2)) {
    const set = [
      r.below(16),
      r.below(16),
      r.below(16),
      r.below(32),
      r.below(4),
      r.pick([0, 1, 2, 3, 8, 0x0a, 0x10, 0x40]),
      r.pick([5, 1, 0xe, 0xb]),
      r.below(16),
    ];
    for (const [n, v] of [...set, r.pick([0xff, 0xff, 0, 0x3c])].entries()) if (r.one(2)) vgaOut(m, 0x3ce, n), vgaOut(m, 0x3cf, v);
    if (r.one(2)) vgaOut(m, 0x3c4, 2), vgaOut(m, 0x3c5, r.below(16));
    if (r.one(3)) vgaOut(m, 0x3c4, 4), vgaOut(m, 0x3c5, r.pick([2, 6, 0xe, 0]));
  }
  for (let n = 0; n < 12; n++) {
    const window = r.one(4) ? 3 : 0, size = r.pick([1, 1, 2, 4]) as Size;
    const at = (r.pick(window ? [0] : [0, 0, 0x8000, 0x1_0000, 0x1_8000, 0x1_8000]) + r.below(r.one(4) ? 0x8000 : 0x200)) & -size;
    write(m, window, at, value(r), size);
    read(m, r.one(4) ? 3 - window : window, at, size);
  }
  if (r.one(3)) {
    const at = r.pick([0, 0x1_0000, 0x1_8000, 0x1_8000 + r.below(99)]),
      bytes = new Uint8Array(r.one(12) ? 0x8000 : r.pick([64, 7, 300])).map((_, i) => i * 5 + (at >> 3));
    m.targets[0].writeBytes!(at, bytes.subarray(0, 0x2_0000 - at));
    for (let n = 0; n < 8; n++) read(m, 0, at + r.below(64), 1);
  }
}

/** The Bochs registers: small modes of every depth. */
function vgaLinear(m: Rig): void {
  const { r } = m,
    registers = (index: number, v: number) =>
      r.one(3) ? write(m, 4, 0x500 + 2 * index, v, 2) : (write(m, 2, 0, index, 2), write(m, 2, 1, v, 2));
  if (r.one(2)) registers(4, 0);
  registers(1, r.one(6) ? r.below(20_000) : 8 * (1 + r.below(6)));
  registers(2, r.one(6) && !r.one(6) ? r.below(30) : 1 + r.below(12));
  registers(3, r.pick([4, 8, 15, 16, 24, 32, 0, 9]));
  if (read(m, 4, 0x502, 2) < 100) registers(4, 1 | r.pick([0, 0x40, 0x80, 0xc0, 0x20, 0x60, 2]));
  for (
    const [index, v] of [[5, r.below(300)], [6, 8 * r.below(9)], [7, 9], [8, r.below(9)], [9, r.below(9)], [0, 0xb0bf + r.below(8)], [
      r.below(14),
      3,
    ]]
  ) {
    if (r.one(2) && index > 4) registers(index, v);
    if (index === 0) registers(0, v);
    write(m, 2, 0, index, 2);
    read(m, 2, 1, r.pick([1, 2]));
  }
  vgaMemory(m);
  for (let n = 0; n < 6; n++) {
    read(m, 4, r.pick([0x400, 0x500, 0x514, 0x600, 0x604, 0x400 + r.below(0x22), r.below(0x620)]) & ~1, r.pick([1, 2]));
  }
  if (r.one(3)) write(m, 4, 0x400 + 2 * r.below(16), r.below(0x1_0000), 2);
}

function vgaPicture(m: Rig): void {
  const screen = m.device.screen!, text = screen.text();
  m.told.push(
    text
      ? `${text.columns} ${text.rows} ${text.blink} ${JSON.stringify(text.cursor)} ${hash(new Uint8Array(text.cells.buffer))}`
      : "no text",
  );
  if (m.r.one(4) && text) m.told.push(`row ${hash(new Uint8Array(screen.text(m.r.below(text.rows))!.cells.buffer))}`);
  if (text && text.columns * text.rows > 500) return;
  const { width, height, rgb } = screen.image();
  m.told.push(`${width} by ${height} ${hash(rgb.subarray(0, 60_000))}`);
}

/** The first of the pages at which a queue is set up, and where requests have their bytes. */
const QUEUE_PAGE = 1, QUEUE_PAGES = 2, REQUEST = 0x9000;

/** A virtio device as drivers before 1.0 set it up: features of those that it offers, three queues of eight. */
function virtioSetup(m: Rig): void {
  for (const value of [0, 3]) write(m, 0, 0x70, value, 4);
  write(m, 0, 0x20, read(m, 0, 0x10, 4) & m.r.pick([0, ~0, 0x1000_0000, 0x2000_0000, 0x0fff_ffff]), 4);
  write(m, 0, 0x28, 4096, 4);
  for (let queue = 0; queue < 3; queue++) {
    const page = QUEUE_PAGE + QUEUE_PAGES * queue;
    m.dma.writeBytes(4096 * page, new Uint8Array(4096 * QUEUE_PAGES));
    for (const [at, value] of [[0x30, queue], [0x38, 8], [0x3c, 4096], [0x40, page]]) write(m, 0, at, value, 4);
  }
  write(m, 0, 0x70, 7, 4);
}

/** A request: 16 bytes that the device reads, more that it reads or writes, and one that it writes. */
function virtioRequest(m: Rig): void {
  const queue = m.r.below(3),
    base = 4096 * (QUEUE_PAGE + QUEUE_PAGES * queue),
    ring = base + 16 * 8,
    { dma } = m,
    writes = m.r.one(2) ? 2 : 0;
  const head = m.r.pick([0, 3]), bytes = m.r.pick([16, 20, 512, 1024, 1 + m.r.below(2000)]);
  const one = (n: number, values: readonly number[]) => values.forEach((v, i) => dma.write(base + 16 * (head + n) + 4 * i, 4, v));
  one(0, [REQUEST, 0, 16, 1 | (head + 1) << 16]);
  one(1, [REQUEST + 0x100, 0, bytes, 1 | writes | (head + 2) << 16]);
  one(2, [REQUEST + 0x1000, 0, m.r.pick([1, 1, 1, 30]), 2]);
  [m.r.pick([0, 1, 4, 8, 11, 13, m.r.below(20)]), 0, m.r.below(64), 0].forEach((v, i) => dma.write(REQUEST + 4 * i, 4, v));
  if (m.r.one(2)) [m.r.below(64), 0, m.r.below(8), m.r.below(2)].forEach((v, i) => dma.write(REQUEST + 0x100 + 4 * i, 4, v));
  const index = dma.read(ring + 2, 2);
  dma.write(ring + 4 + 2 * (index % 8), 2, head);
  dma.write(ring + 2, 2, index + 1 & 0xffff);
  write(m, 0, 0x50, queue, 4);
  pass(m, m.r.pick([500, 5000, 1e6]));
  m.told.push(
    `used ${hash(dma.readBytes(base + 4096, 70))}, bytes ${hash(dma.readBytes(REQUEST + 0x100, bytes))} ${dma.read(REQUEST + 0x1000, 1)}`,
  );
  if (m.r.one(3)) write(m, 0, 0x64, read(m, 0, 0x60, 4), 4);
}
const VIRTIO = [virtioSetup, virtioRequest, virtioRequest, virtioRequest, virtioRequest, virtioRequest, virtioRequest];

/** What a device is used for besides accesses at random; the more often listed, the more often done. */
const PHRASES_OF: Readonly<Record<string, readonly ((m: Rig) => void)[]>> = {
  "ide.piix": [ideCommand, ideCommand, ideCommand, pciConfig(1, 1)],
  i82077aa: [floppyCommand, floppyCommand, floppyCommand, floppyEdges],
  "virtio.blk": VIRTIO,
  "virtio.rng": VIRTIO,
  "virtio.console": VIRTIO,
  "virtio.keyboard": VIRTIO,
  "x86.lapic": [lapicAccess, lapicAccess, lapicAccess],
  fw_cfg: [fwCfg, fwCfg],
  mc146818: [
    indexed(0, 0, 1, 0x10),
    indexed(0, 0, 1, 0x80),
    (m) => (write(m, 0, 0, 0xb), write(m, 0, 1, m.r.pick([2, 0x72, 0x82, 0x02, 0x46]))),
  ],
  "x86.ioapic": [
    indexed(0, 0, 0x10, 0x40, 4),
    (m) => {
      // An entry with few different vectors, and its line; ends of such interrupts.
      const { r } = m, n = r.below(24), vector = r.pick([0x40, 0x41, 0x51]);
      write(m, 0, 0, 0x10 + 2 * n, 4);
      write(m, 0, 0x10, vector | r.pick([0, 0x8000, 0x8000, 0xa000, 0x2000]) | (r.one(5) ? 0x1_0000 : 0) | r.pick([0, 0, 0x800, 0x100]), 4);
      m.device.input!(String(n))!.set(r.one(2));
      if (r.one(2)) m.device.endOfInterrupt!(r.pick([0x40, 0x41, 0x51]));
      read(m, 0, 0x10, 4);
    },
  ],
  "acpi.piix4": [
    (m) => {
      write(m, 0, 0, m.r.pick([0xf0, 0xf1, 0xf2, m.r.below(256)]));
      for (const offset of [0, 2, 4, 12, 14]) read(m, 1, offset, 2);
      if (m.r.one(2)) write(m, 1, m.r.pick([0, 2, 4]), m.r.pick([1, 0x21, 0x2001, 0x2401, 0x100, m.r.below(0x1_0000)]), 2);
    },
  ],
  "isa.piix3": [pciConfig(1, 1), pciConfig(1, 1)],
  "pci.i440fx": [
    (m) => {
      const { r } = m, size = r.pick([1, 2, 4]) as Size, at = r.below(256) & -size;
      write(m, 0, 0, 0x8000_0000 | r.pick([0, 0, 0, 0x800, 0x100, 0x1_0000]) | at & 0xfc, r.one(9) ? 2 : 4);
      if (r.one(2)) write(m, 0, 4 + (at & 3), value(r), size);
      read(m, 0, 4 + (at & 3), size);
      if (r.one(9)) write(m, 0, 1, r.below(8));
    },
  ],
  "goldfish.rtc": [
    (m) => {
      write(m, 0, 4 * m.r.below(9), m.r.pick([m.r.bits(), m.r.below(4), 0x18b8_0000]), 4);
      for (let n = 0; n < 9; n++) read(m, 0, 4 * n, 4);
    },
  ],
  "pc-testdev": [
    (m) => {
      const { r } = m,
        window = r.below(m.targets.length),
        size = r.pick([1, 2, 4]) as Size,
        at = r.below(Math.min(64, m.lengths[window])) & -size;
      if (at + size > m.lengths[window]) return;
      write(m, window, at, r.pick([r.below(24), r.below(256), r.bits()]), size);
      read(m, window, at, size);
    },
  ],
  "i8259.pair": [
    (m) => {
      const chip = m.r.below(2);
      for (const [at, v] of [[0, 0x11 | m.r.below(16)], [1, m.r.below(32) << 3], [1, chip ? 2 : 4], [1, 1 | m.r.below(32)]]) {
        write(m, chip, at, v);
      }
      for (const c of [0, 1]) write(m, c, 1, m.r.pick([0, 0, m.r.below(256)]));
    },
    (m) => m.told.push(`vector ${m.device.acknowledge!()}`),
    (m) =>
      write(
        m,
        m.r.below(2),
        0,
        m.r.pick([0x20, 0x0a, 0x0b, 0x60 | m.r.below(8), 0xa0, 0xc0 | m.r.below(8), 0x0c, 0x68, 0x48, 0xe0, 0x80, 0]),
      ),
  ],
  i8254: [
    (m) => {
      const counter = m.r.below(3), access = 1 + m.r.below(3), mode = m.r.below(8);
      write(m, 0, 3, counter << 6 | access << 4 | mode << 1 | (m.r.one(6) ? 1 : 0));
      for (let n = m.r.below(4); n > 0; n--) write(m, 0, counter, m.r.below(256));
    },
    (m) => write(m, 0, 3, m.r.pick([0xc0 | m.r.below(64), m.r.below(4) << 6])),
    (m) => {
      for (let n = 0; n < 6; n++) read(m, 0, m.r.below(3));
      read(m, 1, 0);
    },
    (m) => write(m, 1, 0, m.r.below(4)),
  ],
  i8257: [
    (m) => {
      for (let n = 0; n < 6; n++) write(m, m.r.below(3), m.r.below(32) & 15, m.r.below(256));
      write(m, 2, 0x16, m.r.below(256));
      write(m, 0, 0xb, m.r.below(256));
    },
    (m) => {
      const channel = m.r.below(8), words = channel >> 2, window = words ? 2 : 0, step = words ? 2 : 1, number = channel & 3;
      if (m.r.one(2)) write(m, window, 0xc * step, 0);
      for (const [n, bytes] of [[2 * number, [0, 0x10 + m.r.below(16)]], [2 * number + 1, [m.r.below(64), 0]]] as const) {
        for (const byte of bytes) write(m, window, n * step, byte);
      }
      write(m, window, 0xb * step, number | m.r.pick([4, 8, 0, 0x14, 0x18, 0x24, 0x44]));
      write(m, window, 0xa * step, number | (m.r.one(6) ? 4 : 0));
      write(m, 1, m.r.below(16), m.r.below(2));
      const data = new Uint8Array(2 * m.r.below(80)).map((_, i) => i * 3), moved = m.channels[channel].move(data, m.r.one(2));
      m.told.push(`${JSON.stringify(moved)} ${hash(data)} ${hash(m.dma.readBytes(0, 0x2000))}`);
      for (const n of [2 * number, 2 * number, 2 * number + 1, 2 * number + 1, 8]) read(m, window, n * step);
    },
  ],
  i8042: [
    (m) => {
      write(
        m,
        1,
        0,
        m.r.pick([0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xc0, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xdd, 0xdf, 0xf0, 0xfe]),
      );
      if (m.r.one(2)) write(m, 0, 0, m.r.pick([0x47, 0x03, 0x65, 0xf4, 0xff, 0xe6, 0xf3, 0xe8, 0xe9, 0xeb, 0xf2, 0xea, m.r.below(256)]));
    },
    (m) => {
      const byte = m.r.pick([0xed, 0xee, 0xf0, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]);
      write(m, 0, 0, byte);
      if (m.r.one(2)) write(m, 0, 0, m.r.below(8));
    },
    (m) => {
      for (let n = m.r.below(12); n > 0; n--) {
        if (read(m, 1, 0) & 1) read(m, 0, 0);
        pass(m, 1_000_000);
      }
    },
    (m) => {
      // The mouse as drivers wake it: the wheel's rates, resolutions and scales, then movements, asked for or not.
      const { r } = m,
        tell = (...bytes: number[]) =>
          bytes.forEach((byte) => {
            write(m, 1, 0, 0xd4), write(m, 0, 0, byte);
            for (let n = 0; n < 5; n++) {
              if (read(m, 1, 0) & 1) read(m, 0, 0);
              pass(m, 1_200_000);
            }
          });
      if (r.one(3)) tell(0xff);
      if (r.one(2)) tell(0xf3, 200, 0xf3, r.pick([100, 200, 100, 80]), 0xf3, 80, 0xf2);
      if (r.one(2)) {
        tell(...r.pick([[0xe8, r.below(5)], [0xe7], [0xe6], [0xf0], [0xea], [0xee], [0xec], [0xf3, r.below(256)], [0xf6], [0xfe]]));
      }
      tell(r.pick([0xf4, 0xf4, 0xf4, 0xf5]));
      for (let n = r.below(4); n >= 0; n--) {
        m.device.mouse!.move({
          dx: r.pick([0, 1, -1, 255, 300, -300]),
          dy: r.pick([0, 5, -256, 999]),
          buttons: r.below(32),
          ...r.one(2) && { dz: r.below(20) - 9 },
        });
      }
      tell(r.pick([0xeb, 0xe9]));
    },
    (m) => {
      // Another set of codes, which keys tell of their release, and keys.
      const { r } = m,
        take = () => {
          for (let n = 0; n < 4; n++) {
            if (read(m, 1, 0) & 1) read(m, 0, 0);
            pass(m, 1_200_000);
          }
        };
      const send = (...bytes: number[]) => bytes.forEach((byte) => (write(m, 0, 0, byte), take()));
      if (r.one(2)) send(0xf0, r.pick([0, 1, 2, 3, 3, 3, 4]));
      if (r.one(2)) send(r.pick([0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd]), ...[0x1c, 0x11, 0x12, 0x58, 0x2d].slice(r.below(6)));
      if (r.one(4)) (write(m, 1, 0, 0x60), write(m, 0, 0, r.pick([0x43, 0x03, 0x47])));
      send(0xf4);
      for (
        const key of r.pick([[0x1e, 0x9e], [0x1d, 0x9d], [0x2a, 0x13, 0xaa], [0xe0, 0x48, 0xe0, 0xc8], [0x3a, 0xba], [
          0x41,
          0x54,
          0xc1,
          0xd4,
        ], [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5]])
      ) {
        m.device.keyboard!.receive(key);
        if (r.one(2)) take();
      }
      for (let n = 0; n < 3; n++) take();
    },
  ],
  "riscv.plic": [
    (m) => {
      const { r } = m;
      write(m, 0, 4 * (1 + r.below(12)), r.below(8), 4);
      write(m, 0, 0x2000 + 0x80 * r.below(4) + 4 * r.below(2), value(r), 4);
      write(m, 0, 0x20_0000 + 0x1000 * r.below(4), r.below(8), 4);
      const context = 0x20_0004 + 0x1000 * r.below(4), claimed = read(m, 0, context, 4);
      if (r.one(2)) write(m, 0, context, r.one(6) ? r.below(20) : claimed, 4);
      read(m, 0, 0x1000 + 4 * r.below(3), 4);
      m.told.push(`last ${m.device.lastClaim!(r.below(2), r.one(2))}`);
    },
  ],
  "riscv.clint": [
    (m) => {
      const at = m.r.pick([0, 4, 0x4000, 0x4008, 0x4004, 0x400c, 0xbff8, 0xbffc]);
      write(m, 0, at, at === 0xbff8 || at % 8 === 0 ? m.r.below(100_000) : m.r.below(2), 4);
      m.told.push(`${m.device.timeSource!()} ${m.device.tickOfTime!(m.r.below(100_000))}`);
    },
  ],
  "x86.hpet": [
    (m) => {
      const { r } = m, at = r.pick([0x10, 0x20, 0xf0, 0x100, 0x104, 0x108, 0x10c, 0x120, 0x128, 0x12c, 0x140, 0x148]);
      const plausible = at === 0x10
        ? r.below(4)
        : (at & 0x1f) === 0
        ? r.pick([4, 0xc, 0x4c, 0x104, 0x10c, 6, 0x14e]) | r.below(32) << 9
        : r.below(2000);
      write(m, 0, at, r.one(5) ? value(r) : plausible, 4);
      read(m, 0, at, 4);
    },
  ],
  vga: [vgaRegister, vgaRegister, vgaMode, vgaMode, vgaMemory, vgaMemory, vgaLinear, vgaPicture, vgaPicture, pciConfig(1, 1)],
  ns16550a: [
    (m) => {
      write(m, 0, m.r.pick([1, 2, 3, 4]), m.r.pick([m.r.below(16), 0x80, 3, 0xc7, 0x1f, m.r.below(256)]));
      for (let n = m.r.below(6); n > 0; n--) write(m, 0, 0, m.r.below(256));
      for (let n = 0; n < 8; n++) read(m, 0, n);
    },
    (m) => {
      for (let n = m.r.below(20); n > 0; n--) if (m.device.char!.room() > 0) m.device.char!.receive(m.r.below(256));
    },
  ],
};

/** What holds for all: an access at random, a line, a byte, a key, some time. */
function anything(m: Rig): void {
  const { r, device } = m;
  // Whether it may wake a processor, where it has a rule for that: reports of dead machines ask.
  if (device.mayRaise && r.one(3)) {
    // Some of the inputs, by the last digit of their names; of messages any.
    const raised = r.below(16), input = (name: string) => (raised >> (name.charCodeAt(name.length - 1) & 3) & 1) === 1;
    const sent = Array.from({ length: r.below(3) }, (): InterruptMessage => ({
      mode: r.pick([0, 0, 1, 4, 7]),
      vector: r.pick([0, 0x0f, 0x10, 0x40, 0x81, 0xfe]),
      destination: r.pick([0, 1, 2, 0xff]),
      logical: r.one(2),
    }));
    const from: Sources = { input, message: (_special, accepts) => sent.some(accepts) };
    m.told.push(`may raise ${Array.from({ length: m.outputs }, (_, n) => device.mayRaise!(n, from)).join()}`);
  }
  if (device.maySend && r.one(3)) {
    const raised = r.below(16), from: Sources = { input: (name) => (raised >> (Number(name) & 3) & 1) === 1, message: () => false };
    // Which messages are asked about.
    const asked: string[] = [], accepts = (message: InterruptMessage) => asked.push(JSON.stringify(message)) % 3 === 0;
    m.told.push(`may send ${device.maySend(false, from, accepts)} ${device.maySend(true, from, accepts)}: ${asked.join()}`);
  }
  switch (r.below(8)) {
    case 0:
    case 1:
    case 2: {
      if (!m.targets.length) return;
      const window = r.below(m.targets.length), size = r.pick([1, 1, 2, 4]) as Size, length = m.lengths[window];
      const at = (r.one(3) ? r.below(length) : r.below(Math.min(length, 64))) & -size;
      if (at + size > length) return;
      m.hart = r.below(2);
      if (r.one(2)) write(m, window, at, value(r), size);
      else read(m, window, at, size);
      return;
    }
    case 3:
      if (m.inputs.length) device.input!(r.pick(m.inputs))!.set(r.one(2));
      return;
    case 4:
      if (device.char && device.char.room() > 0) device.char.receive(r.below(256));
      if (device.keyboard) m.told.push(`keys ${device.keyboard.room()}`);
      if (device.keyboard && device.keyboard.room() > 0) device.keyboard.receive(r.below(256));
      return;
    case 5:
      device.mouse?.move({ dx: r.below(400) - 200, dy: r.below(400) - 200, buttons: r.below(32), ...!r.one(3) && { dz: r.below(5) - 2 } });
      return;
    default:
      return pass(m, r.pick([100, 1000, 20_000, 1_000_000, 30_000_000, 1_100_000_000]));
  }
}

/** Every bit of every register near the beginning of a window, and reads of all others that there may be, behind the last one, too. */
function walk(m: Rig): void {
  for (const [window, length] of m.lengths.entries()) {
    const target = m.targets[window], size = (target.access.max === 4 && length % 4 === 0 ? 4 : 1) as Size, seen: number[] = [];
    for (let at = 0; at < Math.min(length, 0x30 * size); at += size) {
      for (let bit = 0; bit < 8 * size; bit++) {
        for (const v of [2 ** bit, 2 ** (8 * size) - 1 - 2 ** bit]) {
          writeTarget(target, at, size, v), seen.push(readTarget(target, at, size));
        }
      }
    }
    for (let at = 0; at + size <= Math.min(length, 0x2400); at += size) seen.push(readTarget(target, at, size));
    m.told.push(`window ${window} ${hashText(seen.join())}`);
  }
}

/** Its state goes into a fresh device, as a machine restores it. */
function moved(type: DeviceType<Keys>, m: Rig): Rig {
  const to = rig(type, m.r);
  to.clock.base = m.clock.base;
  to.hart = m.hart;
  to.dma.writeBytes(0, m.dma.readBytes(0, RAM));
  to.memory.set(m.memory);
  for (const [name, drive] of Object.entries(m.drives)) {
    const disk = drive.disk, other = to.drives[name].disk;
    if (disk && other && !disk.readonly) other.write(0, disk.read(0, disk.sectors)!);
  }
  // Lines that others drive are theirs to restore, before or behind it.
  const lines = () => m.inputs.forEach((name) => to.device.input!(name)!.set(m.device.input!(name)!.level)),
    before = m.told.length % 2 === 0;
  if (before) lines();
  to.device.state = structuredClone(m.device.state);
  Object.assign(to.config, structuredClone(m.config));
  to.device.restored?.();
  if (!to.device.pciBus) to.pci.restored();
  assertEquals(to.clock.next, m.clock.next, `${type.type}: its next alarm`);
  if (!before) {
    // Whoever drives its lines says again what they are: nothing has happened.
    to.told.length = 0;
    lines();
    assertEquals(to.told, [], `${type.type}: the levels that its lines have already are news to it`);
  }
  to.told.length = 0;
  to.told.push(...m.told);
  return to;
}

/** What a device told in one stretch. */
function stretch(type: DeviceType<Keys>, seed: number, restores: boolean): readonly string[] {
  const r = new Random(seed), restoring = new Random(seed), phrases = PHRASES_OF[type.type] ?? [];
  let m = rig(type, r);
  for (let n = 0; n < PHRASES; n++) {
    if (phrases.length && !r.one(3)) r.pick(phrases)(m);
    else anything(m);
    if (n % 50 === 49) m.told.push(`next ${m.clock.next} memory ${hash(m.dma.readBytes(0, RAM))} ${hash(m.memory.subarray(0, 0x4_0000))}`);
    if (restores && restoring.one(20)) m = moved(type, m);
    if (r.one(60)) {
      m.told.push("reset");
      // Whoever drives its lines is reset, too.
      for (const name of m.inputs) m.device.input!(name)!.set(false);
      m.device.reset();
    }
  }
  if (seed % 8 === 1) walk(m);
  return m.told;
}

await loadDevices();
const golden = new Map(Deno.readTextFileSync(GOLDEN).split("\n").filter(Boolean).map((line) => line.split(": ") as [string, string]));
for (const name of Object.keys(PHRASES_OF)) if (!DEVICES[name]) throw new Error(`there is no ${name}`);
const written: string[] = [], show = Deno.args[Deno.args.indexOf("--show") + 1];
for (const type of Object.values(DEVICES)) {
  Deno.test(`${type.type} answers as before, and the same when it is restored in between`, () => {
    const differ: string[] = [];
    for (let n = 0; n < STRETCHES; n++) {
      const name = `${type.type} ${n}`, told = stretch(type, 1000 + n, false), digest = hashText(told.join("\n"));
      if (Deno.args.includes("--show") && show === type.type) console.log(told.join("\n"));
      written.push(`${name}: ${digest}`);
      if (golden.get(name) !== digest) differ.push(name);
      if (n % 4 === 0) assertEquals(stretch(type, 1000 + n, true), told, `${name}, restored`);
    }
    if (!Deno.args.includes("--update")) assertEquals(differ, [], "these stretches are not as in tests/golden/devices.txt");
  });
}
Deno.test("every stretch is in tests/golden/devices.txt", () => {
  if (Deno.args.includes("--update")) Deno.writeTextFileSync(GOLDEN, written.join("\n") + "\n");
  else assertEquals([...golden.keys()], written.map((line) => line.split(": ")[0]));
});
