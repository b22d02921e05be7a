// Wiring: devices are created from a graph, answer on their buses, and their interrupts arrive where the machine file says.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Bus } from "../core/bus.ts";
import { VirtualClock } from "../core/clock.ts";
import type { StopRequest } from "../core/device.ts";
import { BusFault, ConfigError } from "../core/errors.ts";
import { type IrqLine, Wire } from "../core/irq.ts";
import type { Channel, Log } from "../core/log.ts";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { loadConfig } from "./build_graph.ts";
import { memoryFiles, type Toy, TOYS } from "./testing/toys.ts";
import { wireDevices } from "./wire.ts";

await loadDevices();

const types = { ...DEVICES, ...TOYS };
const RISCV = `schema = 1
[cpu]
arch = "riscv64"
isa = "rv64gc"
harts = 2
reset = 0x8000_0000
[memory.dram]
at = 0x8000_0000
size = "1MiB"
`;

/** A machine without CPUs: only what devices can reach. */
function build(text: string, channels: readonly Channel[] = []) {
  const readFile = memoryFiles({ "m.toml": text }, (path) => new ConfigError(`cannot read '${path}'`));
  const graph = loadConfig("m.toml", { readFile, types });
  const bus = new Bus(), io = new Bus(), clock = new VirtualClock(graph.clock.cpu_hz);
  const cpu = new Map<string, IrqLine>(), stops: StopRequest[] = [], lines: string[] = [], changes: string[] = [];
  const log: Log = { on: (c) => channels.includes(c), line: (c, source, t) => lines.push(`[${c}] ${source}: ${t}`) };
  const cpuInput = (hart: number, name: string) => {
    const key = `cpu${hart}.${name}`;
    if (!cpu.has(key)) cpu.set(key, new Wire((level) => changes.push(`${key} ${level ? "high" : "low"}`)));
    return cpu.get(key);
  };
  const outputs = new Map<string, IrqLine>(),
    cpuOutput = (hart: number, name: string, line: IrqLine) => outputs.set(`cpu${hart}.${name}`, line);
  const devices = wireDevices(graph, { bus, io, clock, cpuInput, cpuOutput, log, types, stop: (r) => stops.push(r) });
  for (const d of devices.values()) d.reset();
  return { graph, bus, io, clock, devices, stops, lines, changes, outputs, toy: (id: string) => devices.get(id) as Toy };
}

const PLIC = `[device.uart0]
type = "ns16550a"
at = 0x1000_0000
irq = "plic:10"
[device.plic]
type = "riscv.plic"
at = 0xc00_0000
irq = ["cpu*.meip", "cpu*.seip"]
`;

Deno.test("a UART's interrupt reaches the second hart's S-mode input through the PLIC", () => {
  const m = build(RISCV + PLIC, ["irq"]);
  m.bus.write(0xc00_0000 + 4 * 10, 4, 1); // priority
  m.bus.write(0xc00_2000 + 0x80 * 3, 4, 1 << 10); // enable in context 3: hart 1, S-mode
  m.bus.write(0x1000_0001, 1, 0x02); // IER: transmitter empty
  assertEquals(m.changes, ["cpu1.seip high"]);
  assertEquals(m.lines, ["[irq] plic:10: high", "[irq] cpu1.seip: high"]);
  assertEquals(m.bus.read(0xc20_0004 + 0x1000 * 3, 4), 10); // claim
  assertEquals(m.changes, ["cpu1.seip high", "cpu1.seip low"]);
});

Deno.test("receivers are created first, whatever the order of the file", () => {
  assertEquals([...build(RISCV + PLIC).devices.keys()], ["plic", "uart0"]);
});

Deno.test("wires in a circle work: levels wait until both ends exist", () => {
  const gpio = (id: string, at: number, to: string) => `[device.${id}]\ntype = "gpio"\nat = ${at}\nirq = "${to}:lid"\n`;
  const m = build(RISCV + gpio("a", 0x100, "b") + gpio("b", 0x200, "a"));
  m.toy("a").outputs[0].set(true);
  assertEquals([m.toy("b").state.levels, m.toy("a").state.levels], [{ lid: true }, {}]);
  m.toy("b").outputs[0].set(true);
  m.toy("a").outputs[0].set(false);
  assertEquals([m.toy("b").state.levels, m.toy("a").state.levels], [{ lid: false }, { lid: true }]);
});

const PC = `schema = 1
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "1MiB"
[device.isa]
type = "irq.fanout"
to = ["pic:n", "ioapic:n?0=2"]
[device.pic]
type = "i8259.pair"
io = [0x20, 0xa0]
irq = "cpu0.intr"
[device.pit]
type = "i8254"
io = 0x40
irq = "isa:0"
[device.gpio]
type = "gpio"
io = 0x300
irq = "ioapic:2"
[device.ioapic]
type = "x86.ioapic"
`;

Deno.test("an output drives every target of a fan-out; a shared input is high while any of its outputs is", () => {
  const m = build(PC), pit = m.toy("pit").outputs[0], gpio = m.toy("gpio").outputs[0];
  pit.set(true);
  assertEquals([m.toy("pic").state.levels, m.toy("ioapic").state.levels], [{ 0: true }, { 2: true }]);
  gpio.set(true);
  pit.set(false);
  assertEquals([m.toy("pic").state.levels, m.toy("ioapic").state.levels], [{ 0: false }, { 2: true }]);
  gpio.set(false);
  assertEquals(m.toy("ioapic").state.levels, { 2: false });
});

Deno.test("an output of a processor reaches the input that the machine file names", () => {
  const m = build(PC.replace('arch = "x86_64"', 'arch = "x86_64"\nferr = "ioapic:13"'));
  assertEquals([...m.outputs.keys()], ["cpu0.ferr"]);
  m.outputs.get("cpu0.ferr")!.set(true);
  assertEquals(m.toy("ioapic").state.levels, { 13: true });
});

Deno.test("windows answer on their own bus at their own address, and nowhere else", () => {
  const m = build(PC);
  m.io.write(0xa1, 1, 0x5a);
  assertEquals(m.toy("pic").state.registers[1], 0x5a);
  m.bus.write(0xfec0_0010, 4, 7);
  assertEquals(m.toy("ioapic").state.registers[0x10], 7);
  assertThrows(() => m.io.read(0x22, 1), BusFault);
  assertThrows(() => m.bus.read(0xa1, 1), BusFault);
  assertEquals(m.io.regions.map((r) => r.name), ["pic.first", "pit", "pic.second", "gpio"]);
});

Deno.test("the trace channel `bus` shows every access, with the device's name", () => {
  const m = build(PC, ["bus"]);
  m.io.write(0x43, 1, 0x34);
  assertEquals(m.io.read(0x43, 1), 0x34);
  assertEquals(m.lines, ["[bus] pit: write +0x3 8 bits: 0x34", "[bus] pit: read +0x3 8 bits: 0x34"]);
});

Deno.test("devices see the machine's clock, its date, its harts, its log and its stop", () => {
  const m = build(
    RISCV.replace("[memory", "[clock]\nrtc = 2001-09-09T01:46:40Z\n[memory") +
      `[device.rtc]\ntype = "goldfish.rtc"\nat = 0x10_1000\n[device.test]\ntype = "sifive.test"\nat = 0x10_0000\n[device.hole]\ntype = "unimplemented"\nat = 0x100\nsize = 8\n`,
    ["unimp"],
  );
  m.clock.base = 1_000_000_000;
  const low = m.bus.read(0x10_1000, 4), high = m.bus.read(0x10_1004, 4);
  assertEquals(BigInt(high) << 32n | BigInt(low), 1_000_000_001_000_000_000n);
  m.bus.write(0x10_0000, 4, 0x3333 | 7 << 16);
  assertEquals(m.stops.map((s) => s.kind === "exit" && s.code), [7]);
  m.bus.read(0x104, 4);
  assertEquals(m.lines.length, 1);
  assert(m.lines[0].startsWith("[unimp] hole: "), m.lines[0]);
});

Deno.test("an input that the CPU does not have swallows its wire", () => {
  const text = `${RISCV}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "cpu0.seip"\n`;
  const graph = loadConfig("m.toml", { readFile: memoryFiles({ "m.toml": text }, (p) => new Error(p)), types });
  const log: Log = { on: () => false, line: () => {} };
  const devices = wireDevices(graph, {
    bus: new Bus(),
    clock: new VirtualClock(1e9),
    cpuInput: () => undefined,
    log,
    types,
    stop: () => {},
  });
  const line = (devices.get("g") as Toy).outputs[0];
  line.set(true);
  assertEquals(line.level, true);
});

Deno.test("a device that implements other windows than it declares is a mistake of ours", () => {
  const graph = loadConfig("m.toml", {
    readFile: memoryFiles({ "m.toml": `${RISCV}[device.g]\ntype = "gpio"\nat = 0x100\n` }, (p) => new Error(p)),
    types,
  });
  const log: Log = { on: () => false, line: () => {} };
  const host = { bus: new Bus(), clock: new VirtualClock(1e9), cpuInput: () => undefined, log, stop: () => {} };
  const broken = { ...TOYS.gpio, create: () => ({ state: {}, reset: () => {} }) };
  assertThrows(() => wireDevices(graph, { ...host, types: { gpio: broken } }), Error, "declares 1 windows and implements 0");
});
