// Machine files to graphs: what is read, and one exact message for every kind of mistake.
import { assert, assertEquals } from "@std/assert";
import { ConfigError, ConfigErrors } from "../core/errors.ts";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { loadConfig } from "./build_graph.ts";
import { type MachineGraph, mainRam, targetName } from "./machine_graph.ts";
import { memoryFiles, TOYS } from "./testing/toys.ts";

await loadDevices();

const types = { ...DEVICES, ...TOYS };

/** A machine of 10 lines; cases append to it. */
const BASE = `schema = 1
name = "test"
[cpu]
arch = "riscv64"
isa = "rv64gc"
harts = 2
reset = 0x8000_0000
[memory.dram]
at = 0x8000_0000
size = "128MiB"
`;
/** The same as a PC; as long, so that lines are the same. */
const PC = `schema = 1
name = "test"
[cpu]
arch = "x86_64"
cores = 2
[memory.dram]
at = 0x8000_0000
size = "128MiB"


`;
const PLIC = `[device.plic]
type = "riscv.plic"
at = 0xc00_0000
irq = ["cpu*.meip", "cpu*.seip"]
`;

function load(text: string, set: Record<string, unknown> = {}, files: Record<string, string | Uint8Array> = {}): MachineGraph {
  const readFile = memoryFiles({ "m.toml": text, ...files }, () => new ConfigError("no such file"));
  return loadConfig("m.toml", { readFile, set, types });
}

/** The message of the error that a machine file raises. */
function problem(...args: Parameters<typeof load>): string {
  try {
    load(...args);
  } catch (e) {
    if (e instanceof ConfigErrors) return e.message;
    throw e;
  }
  return "(no error)";
}

const wires = (g: MachineGraph) =>
  g.edges.map(({ from, to }) =>
    "hart" in from
      ? `cpu${from.hart}.${from.output} -> ${targetName(to)}`
      : `${from.device}.${g.devices.find((d) => d.id === from.device)!.outputs[from.output]} -> ${targetName(to)}`
  );

Deno.test("devices share a line where the fan-out says so, and only there", () => {
  const port = (id: string, io: string, line: number) => `[device.${id}]\ntype = "ns16550a"\nio = ${io}\nirq = "isa:${line}"\n`;
  const isa = `[device.isa]\ntype = "irq.fanout"\nto = ["pic:n"]\nshared = [4]\n`;
  const machine = (line: number) => `${PC}${pic}${isa}${port("com1", "0x3f8", line)}${port("com3", "0x3e8", line)}`;
  assertEquals(load(machine(4)).edges.filter((e) => targetName(e.to) === "pic:4").length, 2);
  assert(problem(machine(3)).includes("'pic:3' is already driven by 'com1'"));
});

Deno.test("a processor's output must lead to an input that exists", () => {
  const text = PC.replace("cores = 2", 'cores = 2\nferr = "pic:13"');
  assertEquals(problem(text), `m.toml:6: cpu.ferr: no device 'pic'`);
  const driven = text + pic + '[device.g]\ntype = "gpio"\nio = 0x100\nirq = "pic:13"\n';
  assertEquals(problem(driven), "m.toml:6: cpu.ferr: 'pic:13' is already driven by 'g' (line 18)");
});

const keys = (line: string) => `${BASE}[device.k]\ntype = "keys"\n${line}\n`;
const BRIDGE = `[device.pci]\ntype = "pci.i440fx"\n`;
const pic = `[device.pic]\ntype = "i8259.pair"\nio = [0x20, 0xa0]\n`;

/** What is wrong, the file, what is reported ("TOML: ..." where the rest is the parser's). Overrides and further files follow where a case needs them. */
const MISTAKES: [string, string, string, Record<string, unknown>?, Record<string, string | Uint8Array>?][] = [
  ["syntax", `${BASE}[device.x\n`, "m.toml:11: not valid TOML: ..."],
  ["a key twice", `schema = 1\nschema = 1\n`, "m.toml:2: not valid TOML: ..."],
  ["not text", "", "m.toml: must be UTF-8 text", {}, { "m.toml": new Uint8Array([0xff, 0xfe]) }],
  [
    "an integer that would be rounded",
    keys("serial_number = 0xffff_ffff_0000_0000"),
    'm.toml:13: device.k.serial_number: must be exact, but 0xffff_ffff_0000_0000 would be rounded: write it as a text, "0xffff_ffff_0000_0000"',
  ],
  [
    "a rounded integer in a list",
    `${BASE}x = [1,\n  2, # two\n  9007199254740993]`,
    'm.toml:13: memory.dram.x[2]: must be exact, but 9007199254740993 would be rounded: write it as a text, "9007199254740993"',
  ],
  [
    "unknown key at the top",
    `colour = "red"\n${BASE}`,
    "m.toml:1: colour: unknown key 'colour'; known: boot, clock, compatible, cpu, device, extends, firmware, load, memory, model, name, schema, seed",
  ],
  ["unknown key with a suggestion", BASE.replace("harts", "hart"), "m.toml:6: cpu.hart: unknown key 'hart' (did you mean 'harts'?)"],
  ["unknown key of a device", keys(`divisr = 1`), "m.toml:13: device.k.divisr: unknown key 'divisr' (did you mean 'divisor'?)"],
  ["unknown key of a device: a wiring key", keys(`cout = 1`), "m.toml:13: device.k.cout: unknown key 'cout' (did you mean 'count'?)"],
  [
    "unknown key in an inline table",
    keys(`verdict = { pass = 1, fail = 2, failed = 3 }`),
    "m.toml:13: device.k.verdict.failed: unknown key 'failed' (did you mean 'fail'?)",
  ],
  ["unknown section", `${BASE}[devices.x]\ntype = "keys"`, "m.toml:11: devices: unknown key 'devices' (did you mean 'device'?)"],
  ["missing schema", BASE.replace("schema = 1", ""), "m.toml:1: schema: missing: it must be one of 1 (version of this format)"],
  ["unknown schema", BASE.replace("schema = 1", "schema = 2"), "m.toml:1: schema: must be one of 1, got 2"],
  [
    "missing arch",
    BASE.replace(/arch.*/, ""),
    'm.toml:3: cpu.arch: missing: it must be one of "riscv32", "riscv64", "x86_64" (instruction set)',
  ],
  [
    "unknown arch",
    BASE.replace("riscv64", "riscv46"),
    'm.toml:4: cpu.arch: must be one of "riscv32", "riscv64", "x86_64", got "riscv46" (did you mean \'riscv32\'?)',
  ],
  [
    "missing isa",
    BASE.replace(/isa.*/, ""),
    'm.toml:3: cpu.isa: missing: it must be an ISA string like "rv64gc_zba_zbb" (extensions, as in the device tree)',
  ],
  [
    "isa that is no isa",
    BASE.replace("rv64gc", "rv64gc zba"),
    'm.toml:5: cpu.isa: must be an ISA string like "rv64gc_zba_zbb", got "rv64gc zba"',
  ],
  [
    "isa of the other width",
    BASE.replace("rv64gc", "rv32gc"),
    'm.toml:5: cpu.isa: must start with rv64 because cpu.arch is "riscv64", got "rv32gc"',
  ],
  [
    "mmu of the other width",
    BASE.replace("[memory", `mmu = "sv32"\n[memory`),
    'm.toml:8: cpu.mmu: must be bare, sv39, sv48 or sv57 because cpu.arch is "riscv64", got "sv32"',
  ],
  [
    "missing size",
    BASE.replace(
      /size.*/,
      "",
    ),
    'm.toml:8: memory.dram.size: missing: it must be a size like 4096, 0x1000 or "128MiB" of at least 0x1000 that is a multiple of 0x1000 (bytes of memory)',
  ],
  [
    "missing key in an inline table",
    keys(`verdict = { pass = 1 }`),
    "m.toml:13: device.k.verdict.fail: missing: it must be an integer of at least 0 (bad)",
  ],
  ["a section that is no table", `clock = 3\n${BASE}`, "m.toml:1: clock: must be a table"],
  ["a device that is no table", `${BASE}[device]\nx = "keys"`, "m.toml:12: device.x: must be a table, or false to remove an inherited 'x'"],
  ["a device name", `${BASE}[device."a b"]\ntype = "keys"`, "m.toml:11: device.\"a b\": must be a name of letters, digits and '_'"],
  ["integer: a text", keys(`divisor = "four"`), 'm.toml:13: device.k.divisor: must be an integer from 1 to 256, got "four"'],
  ["integer: a float", keys(`divisor = 2.0`), "m.toml:13: device.k.divisor: must be an integer from 1 to 256, got 2.0"],
  ["integer: too small", keys(`divisor = 0`), "m.toml:13: device.k.divisor: must be an integer from 1 to 256, got 0"],
  [
    "integer: too large",
    keys(`divisor = 0x1_00`.replace("0x1_00", "0x101")),
    "m.toml:13: device.k.divisor: must be an integer from 1 to 256, got 0x101",
  ],
  ["integer: negative", BASE.replace("harts = 2", "harts = -1"), "m.toml:6: cpu.harts: must be an integer from 1 to 64, got -1"],
  ["integer: a list", keys(`divisor = [1]`), "m.toml:13: device.k.divisor: must be an integer from 1 to 256, got a list"],
  ["integer: a table", keys(`divisor = {}`), "m.toml:13: device.k.divisor: must be an integer from 1 to 256, got a table"],
  [
    "size: a text",
    keys(`buffer = "12 parsecs"`),
    'm.toml:13: device.k.buffer: must be a size like 4096, 0x1000 or "128MiB" that is a power of two, got "12 parsecs"',
  ],
  [
    "size: a decimal unit",
    keys(`buffer = "4MB"`),
    'm.toml:13: device.k.buffer: must be a size like 4096, 0x1000 or "128MiB" that is a power of two, got "4MB"',
  ],
  [
    "size: not a power of two",
    keys(`buffer = "12KiB"`),
    'm.toml:13: device.k.buffer: must be a size like 4096, 0x1000 or "128MiB" that is a power of two, got "12KiB"',
  ],
  [
    "size: not a multiple",
    BASE.replace("128MiB", "1000"),
    'm.toml:10: memory.dram.size: must be a size like 4096, 0x1000 or "128MiB" of at least 0x1000 that is a multiple of 0x1000, got "1000"',
  ],
  [
    "u64: negative",
    keys(`serial_number = -1`),
    'm.toml:13: device.k.serial_number: must be a 64-bit integer or a text like "0xffff_ffff_0000_0000", got -1',
  ],
  [
    "u64: 65 bits",
    keys(`serial_number = "0x1_0000_0000_0000_0000"`),
    'm.toml:13: device.k.serial_number: must be a 64-bit integer or a text like "0xffff_ffff_0000_0000", got "0x1_0000_0000_0000_0000"',
  ],
  ["bool", keys(`loopback = 1`), "m.toml:13: device.k.loopback: must be true or false, got 1"],
  ["text: a number", keys(`label = 1`), "m.toml:13: device.k.label: must be small letters, got 1"],
  ["text: not of the form", keys(`label = "A"`), 'm.toml:13: device.k.label: must be small letters, got "A"'],
  [
    "choice",
    keys(`parity = "eve"`),
    'm.toml:13: device.k.parity: must be one of "none", "odd", "even", got "eve" (did you mean \'even\'?)',
  ],
  [
    "time without an offset",
    keys(`since = 2026-01-01T00:00:00`),
    "m.toml:13: device.k.since: must be a time with its offset, like 2026-01-01T00:00:00Z, got 2026-01-01T00:00:00",
  ],
  ["list: an element", keys(`pins = [1,\n 2,\n 32]`), "m.toml:15: device.k.pins[2]: must be an integer from 0 to 31, got 32"],
  ["list: a number", keys(`pins = 3`), "m.toml:13: device.k.pins: must be a list, each an integer from 0 to 31, got 3"],
  ["file that does not exist", keys(`image = "disk.img"`), "m.toml:13: device.k.image: 'disk.img': no such file"],
  ["firmware that does not exist", `${BASE}[firmware]\nsbi = "fw.elf"`, "m.toml:12: firmware.sbi: 'fw.elf': no such file"],
  [
    "a long text is cut",
    keys(`label = "${"A".repeat(80)}"`),
    `m.toml:13: device.k.label: must be small letters, got "${"A".repeat(56)}...`,
  ],
  [
    "a place in another file",
    `extends = "a.toml"\n[device.g]\ntype = "gpio"\nat = 0\nirq = "cpu0.meip"`,
    "m.toml:5: device.g.irq: 'cpu0.meip' is already driven by 'plic'",
    {},
    {
      "a.toml": BASE + PLIC,
    },
  ],
  [
    "firmware word",
    `${BASE}[firmware]\nsbi = "bultin"`,
    "m.toml:12: firmware.sbi: 'bultin': no such file (did you mean 'builtin'?)",
  ],
  ["kernel that does not exist", `${BASE}[boot]\nkernel = "vmlinux"`, "m.toml:12: boot.kernel: 'vmlinux': no such file"],
  ["extends: no such file", `extends = "base.toml"\n${BASE}`, "m.toml:1: extends: 'base.toml': no such file"],
  ["extends: not a path", `extends = 1\n${BASE}`, "m.toml:1: extends: must be a path, got 1"],
  ["extends: itself", `extends = "m.toml"\n${BASE}`, "m.toml:1: extends: 'm.toml' extends this file again"],
  [
    "extends: itself by another name",
    `extends = "../x/./m.toml"\n${BASE}`,
    "x/m.toml:1: extends: '../x/./m.toml' extends this file again",
    {},
    {
      "x/m.toml": `extends = "../x/./m.toml"`,
      "m.toml": `extends = "x/m.toml"`,
    },
  ],
  ["extends: a cycle", `extends = "a.toml"\n${BASE}`, "b.toml:1: extends: 'a.toml' extends this file again", {}, {
    "a.toml": `extends = "b.toml"`,
    "b.toml": `extends = "a.toml"`,
  }],
  [
    "extends: a mistake in the other file",
    `extends = "a.toml"\nschema = 1\n`,
    "a.toml:6: cpu.harts: must be an integer from 1 to 64, got 0",
    {},
    {
      "a.toml": BASE.replace("harts = 2", "harts = 0"),
    },
  ],
  [
    "removing what is not there",
    `extends = "a.toml"\n[device]\npick = false`,
    "m.toml:3: device.pick: there is no 'pick' to remove (did you mean 'plic'?)",
    {},
    { "a.toml": BASE + PLIC },
  ],
  ["override of an unknown key", BASE, "--set: cpu.hart: unknown key 'hart' (did you mean 'harts'?)", { "cpu.hart": "2" }],
  ["override of an unknown device", BASE + PLIC, "--set: device.plik: there is no device 'plik' to change (did you mean 'plic'?)", {
    "device.plik.sources": "2",
  }],
  ["override of an unknown memory", BASE, "--set: memory.ram: there is no memory 'ram' to change (did you mean 'dram'?)", {
    "memory.ram.size": "2GiB",
  }],
  ["override with a wrong value", BASE, "--set: cpu.harts: must be an integer from 1 to 64, got many", { "cpu.harts": "many" }],
  ["override that is no path", BASE, "--set: 'cpu..harts' is not a key path", { "cpu..harts": 1 }],
  ["override that would be rounded", BASE, "--set: cpu.harts: must be an integer from 1 to 64, got 18446744073709551616", {
    "cpu.harts": "18446744073709551616",
  }],
  [
    "short override",
    BASE,
    '--memory: memory.dram.size: must be a size like 4096, 0x1000 or "128MiB" of at least 0x1000 that is a multiple of 0x1000, got 1000',
    { memory: "1000" },
  ],
  [
    "unknown device type",
    `${BASE}[device.x]\ntype = "ns16650a"`,
    "m.toml:12: device.x.type: unknown device type 'ns16650a' (did you mean 'ns16550a'?)",
  ],
  [
    "device without a type",
    `${BASE}[device.x]\nat = 0`,
    "m.toml:11: device.x.type: missing: it must be a text (which component it is; `bringup devices` lists them)",
  ],
  [
    "console without a byte stream",
    `${BASE}${PLIC}console = true`,
    "m.toml:15: device.plic.console: must be false: a 'riscv.plic' has no byte stream",
  ],
  ["no RAM", BASE.replace(/\[memory[^]*/, ""), "m.toml:1: memory: missing: a machine needs RAM"],
  ["only ROM", BASE + `kind = "rom"`, "m.toml:8: memory: missing: a machine needs RAM"],
  [
    "a hole that is no range",
    `${BASE}holes = ["1MiB..640KiB"]`,
    'm.toml:11: memory.dram.holes[0]: must be a range like "640KiB..1MiB" whose end is above its start, got "1MiB..640KiB"',
  ],
  ["a gap that is no range", `${BASE}gap = "3GiB"`, 'm.toml:11: memory.dram.gap: must be a range like "640KiB..1MiB", got "3GiB"'],
  [
    "reset outside memory",
    BASE.replace("reset = 0x8000_0000", "reset = 0x1000"),
    "m.toml:7: cpu.reset: must be an address in RAM or ROM, got 0x1000",
  ],
  [
    "overlap of devices",
    `${BASE}${PLIC}[device.g]\ntype = "gpio"\nat = 0xc00_0010`,
    "m.toml:15: device.g: 'g' (0x0c00_0010..0x0c00_001f) overlaps 'plic' (0x0c00_0000..0x0c5f_ffff)",
  ],
  [
    "overlap with memory",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x87ff_fff8`,
    "m.toml:11: device.g: 'g' (0x87ff_fff8..0x8800_0007) overlaps 'dram' (0x8000_0000..0x87ff_ffff)",
  ],
  [
    "overlap of ports",
    `${PC}${pic}[device.g]\ntype = "gpio"\nio = 0x18`,
    "m.toml:14: device.g: 'g' (0x18..0x27) overlaps 'pic' (0x20..0x21)",
  ],
  [
    "overlap of instances",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\ncount = 2\nstride = 8`,
    "m.toml:11: device.g: 'g[1]' (0x108..0x117) overlaps 'g[0]' (0x100..0x10f)",
  ],
  [
    "ports above 64 Ki",
    `${PC}[device.g]\ntype = "gpio"\nio = 0xfff8`,
    "m.toml:13: device.g.io: must be ports below 0x10000, got 0xfff8 for 16 ports",
  ],
  [
    "no address",
    `${BASE}[device.plic]\ntype = "riscv.plic"`,
    "m.toml:11: device.plic.at: missing: 'at' must give the address of the window 'regs' (6291456 bytes)",
  ],
  [
    "no address in memory or ports",
    `${BASE}[device.g]\ntype = "gpio"`,
    "m.toml:11: device.g.at: missing: 'at' or 'io' must give the address of the window 'regs' (16 bytes)",
  ],
  [
    "too few addresses",
    `${PC}[device.pic]\ntype = "i8259.pair"\nio = 0x20`,
    "m.toml:11: device.pic.io: missing: 'io' must give the address of the window 'second' (2 bytes)",
  ],
  [
    "too many addresses",
    `${BASE}[device.g]\ntype = "gpio"\nat = [0x100, 0x200]`,
    "m.toml:13: device.g.at: gives too many addresses: there is 1 window",
  ],
  [
    "ports on a machine without",
    `${BASE}[device.g]\ntype = "gpio"\nio = 0x60`,
    "m.toml:13: device.g.io: must be absent: only x86 machines have ports",
  ],
  ["ports for a memory device", `${BASE}${PLIC}io = 0x60`, "m.toml:15: device.plic.io: must be absent: it has no window there"],
  [
    "an address that is none",
    `${BASE}[device.g]\ntype = "gpio"\nat = "here"`,
    'm.toml:13: device.g.at: must be an address or a list of addresses, got "here"',
  ],
  [
    "an address in a list that is none",
    `${BASE}[device.g]\ntype = "gpio"\nat = [0x100, -1]`,
    "m.toml:13: device.g.at[1]: must be an integer of at least 0, got -1",
  ],
  [
    "count without stride",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\ncount = 2`,
    "m.toml:11: device.g.stride: missing: 'stride' must give the distance between two of them",
  ],
  [
    "stride without count",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\nstride = 8`,
    "m.toml:14: device.g.stride: must be absent without 'count'",
  ],
  [
    "irq to a device that is not there",
    `${BASE}${PLIC}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "plci:10"`,
    "m.toml:18: device.g.irq: no device 'plci' (did you mean 'plic'?)",
  ],
  [
    "irq that is no input",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "plic"`,
    'm.toml:14: device.g.irq: must be an input like "plic:10" or "cpu0.intr", got "plic"',
  ],
  [
    "irq number out of range",
    `${BASE}${PLIC}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "plic:96"`,
    "m.toml:18: device.g.irq: 'plic' has inputs from 1 to 95, got 96",
  ],
  [
    "irq by name to numbers",
    `${BASE}${PLIC}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "plic:ten"`,
    "m.toml:18: device.g.irq: 'plic' has numbered inputs from 1 to 95, got 'ten'",
  ],
  [
    "irq to a name that is not there",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\n[device.h]\ntype = "gpio"\nat = 0x200\nirq = "g:buton"`,
    "m.toml:17: device.h.irq: 'g' has no input 'buton' (did you mean 'button'?)",
  ],
  [
    "irq to a device without inputs",
    `${BASE}[device.k]\ntype = "keys"\n[device.h]\ntype = "gpio"\nat = 0x200\nirq = "k:1"`,
    "m.toml:16: device.h.irq: 'k' (keys) takes no interrupts",
  ],
  [
    "irq of a device without outputs",
    keys(`irq = "cpu0.meip"`),
    "m.toml:13: device.k.irq: must be absent: a 'keys' has no interrupt output",
  ],
  [
    "irq to a hart that is not there",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "cpu2.meip"`,
    "m.toml:14: device.g.irq: there is no cpu2: the last is cpu1",
  ],
  [
    "irq to a hart's input that is not there",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "cpu0.meis"`,
    "m.toml:14: device.g.irq: a CPU has no input 'meis' (did you mean 'meip'?)",
  ],
  [
    "a mistake that every hart meets is told once",
    `${BASE}[device.plic]\ntype = "riscv.plic"\nat = 0x0c00_0000\nirq = ["cpu*.meis", "cpu*.seip"]`,
    "m.toml:14: device.plic.irq[0]: a CPU has no input 'meis' (did you mean 'meip'?)",
  ],
  [
    "pci: no such bridge",
    `${PC}${BRIDGE}[device.isa]\ntype = "isa.piix3"\npci = "pcie:1.0"`,
    "m.toml:15: device.isa.pci: no device 'pcie' (did you mean 'pci'?)",
  ],
  [
    "pci: a device without a PCI bus",
    `${PC}${BRIDGE}[device.isa]\ntype = "isa.piix3"\npci = "pci:1.0"\n[device.vga]\ntype = "vga"\npci = "isa:2.0"`,
    "m.toml:18: device.vga.pci: 'isa' (isa.piix3) has no PCI bus",
  ],
  [
    "pci: a slot for two, and that of the bridge",
    `${PC}${BRIDGE}[device.isa]\ntype = "isa.piix3"\npci = "pci:2.0"\n[device.vga]\ntype = "vga"\npci = "pci:2.0"\n[device.ide]\ntype = "ide.piix"\npci = "pci:0.0"`,
    "m.toml:18: device.vga.pci: pci:2.0 is already taken by 'isa'\nm.toml:21: device.ide.pci: pci:0.0 is already taken by 'pci'",
  ],
  [
    "pci: missing",
    `${PC}${BRIDGE}[device.isa]\ntype = "isa.piix3"`,
    `m.toml:14: device.isa.pci: missing: a 'isa.piix3' must be plugged in, as in "pci:1.0"`,
  ],
  [
    "pci: no PCI device",
    `${PC}${BRIDGE}[device.g]\ntype = "gpio"\nat = 0\npci = "pci:1.0"`,
    "m.toml:16: device.g.pci: must be absent: a 'gpio' is no PCI device",
  ],
  [
    "pci: no slot",
    `${PC}${BRIDGE}[device.isa]\ntype = "isa.piix3"\npci = "pci:32.0"`,
    `m.toml:15: device.isa.pci: must be a host bridge with device (0..31) and function (0..7), like "pci:1.1", got "pci:32.0"`,
  ],
  [
    "shadow: not whole pages",
    `${BASE}shadow = ["0x8000_0000..0x8000_0800"]`,
    'm.toml:11: memory.dram.shadow[0]: must begin and end at multiples of 4 KiB, got "0x8000_0000..0x8000_0800"',
  ],
  [
    "holes: the second begins inside a page",
    `${BASE}holes = ["0x8010_0000..0x8020_0000",\n  "0x8030_0800..0x8030_1000"]`,
    'm.toml:12: memory.dram.holes[1]: must begin and end at multiples of 4 KiB, got "0x8030_0800..0x8030_1000"',
  ],
  [
    "a gap that ends inside a page",
    `${BASE}gap = "0x8010_0000..0x8030_0800"`,
    'm.toml:11: memory.dram.gap: must begin and end at multiples of 4 KiB, got "0x8010_0000..0x8030_0800"',
  ],
  [
    "display memory inside a page",
    `${PC}[device.vga]\ntype = "vga"\nat = [0xa_0000, 0xe000_0800]`,
    "m.toml:13: device.vga.at: must be a multiple of 0x1000 for the window 'lfb', got 0xe000_0800",
  ],
  [
    "instances of display memory that are no whole pages apart",
    `${PC}[device.vga]\ntype = "vga"\nio = [0x3b0, 0x1ce]\ncount = 2\nstride = "0x200_0800"`,
    "m.toml:15: device.vga.stride: must be a multiple of 0x1000 for the window 'memory', got 0x0200_0800",
  ],
  [
    "a memory that cannot hold its file",
    `${BASE}[memory.rom]\nat = 0\nsize = 4096\nfile = "rom.bin"`,
    "m.toml:14: memory.rom.file: must fit the memory of 4096 bytes, but the file has 4097",
    {},
    { "rom.bin": new Uint8Array(4097) },
  ],
  [
    "irq: an input that is driven",
    `${BASE}${PLIC}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "cpu1.seip"`,
    "m.toml:18: device.g.irq: 'cpu1.seip' is already driven by 'plic' (line 14)",
  ],
  [
    "irq: one text for several outputs",
    BASE + PLIC.replace(/irq.*/, `irq = "cpu*.meip"`),
    "m.toml:14: device.plic.irq: must be a list or a table, because there are 2 outputs: cpu*.meip, cpu*.seip",
  ],
  [
    "irq: too many",
    BASE + PLIC.replace(/irq.*/, `irq = ["cpu*.meip", "cpu*.seip", "cpu*.mtip"]`),
    "m.toml:14: device.plic.irq: must have at most 2 entries (cpu*.meip, cpu*.seip), got 3",
  ],
  [
    "irq: one wire for an output of every hart",
    BASE + PLIC.replace(/irq.*/, `irq = ["cpu0.meip"]`),
    "m.toml:14: device.plic.irq[0]: must contain '*', because the output 'cpu*.meip' exists once for each hart, got \"cpu0.meip\"",
  ],
  [
    "irq: an output that is not there",
    BASE + PLIC.replace(/irq.*/, `irq = { "cpu*.heip" = "cpu*.meip" }`),
    "m.toml:14: device.plic.irq.\"cpu*.heip\": unknown output 'cpu*.heip' (did you mean 'cpu*.meip'?)",
  ],
  [
    "irq: a number",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\nirq = 3`,
    'm.toml:14: device.g.irq: must be an input like "plic:10", a list of inputs, or a table from output to input, got 3',
  ],
  [
    "irq: a number in a list",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\nirq = ["plic:1", 3]`,
    "m.toml:14: device.g.irq[1]: must be a text, got 3",
  ],
  [
    "irq to several devices of a name",
    `${BASE}[device.g]\ntype = "gpio"\nat = 0x100\ncount = 2\nstride = 16\n[device.h]\ntype = "gpio"\nat = 0x200\nirq = "g:lid"`,
    "m.toml:19: device.h.irq: there are 2 of 'g': name one as 'g[0]'",
  ],
  [
    "fan-out to a device that is not there",
    `${BASE}[device.isa]\ntype = "irq.fanout"\nto = ["pic:n"]`,
    "m.toml:13: device.isa.to[0]: no device 'pic'",
  ],
  [
    "fan-out with a malformed target",
    `${PC}${pic}[device.isa]\ntype = "irq.fanout"\nto = ["pic:3"]`,
    'm.toml:16: device.isa.to[0]: must be a text like "pic:n" or "ioapic:n?0=2" (0 goes to 2, all others to their own number), got "pic:3"',
  ],
  [
    "fan-out to a fan-out",
    `${BASE}[device.isa]\ntype = "irq.fanout"\nto = []\n[device.eisa]\ntype = "irq.fanout"\nto = ["isa:n"]`,
    "m.toml:16: device.eisa.to[0]: must be a device, not another fan-out",
  ],
  [
    "irq beyond a fan-out",
    `${PC}${pic}[device.isa]\ntype = "irq.fanout"\nto = ["pic:n"]\n[device.g]\ntype = "gpio"\nat = 0\nirq = "isa:16"`,
    "m.toml:20: device.g.irq: 'pic' has inputs from 0 to 15, got 16 (through 'isa')",
  ],
  [
    "several, in the order of their lines: keys of a table, tables of the file, files one after the other",
    `name = 7\nextends = "base.toml"\n${
      BASE.replace("schema = 1", "").replace('name = "test"', "").replace("128MiB", "lots")
    }[boot]\nreset = "no"\n[clock]\nmode = "no"`,
    `m.toml:1: name: must be a text, got 7
m.toml:12: memory.dram.size: must be a size like 4096, 0x1000 or "128MiB" of at least 0x1000 that is a multiple of 0x1000, got "lots"
m.toml:14: boot.reset: must be one of "restart", "stop", got "no"
m.toml:16: clock.mode: must be one of "virtual", "wall", got "no"
base.toml:2: seed: must be an integer of at least 0, got "x"`,
    {},
    { "base.toml": `schema = 1\nseed = "x"` },
  ],
  [
    "a device of x86 machines on another",
    `${BASE}[device.l]\ntype = "x86.lapic"`,
    "m.toml:12: device.l.type: must be a device of RISC-V machines, since cpu.arch is \"riscv64\": 'x86.lapic' is one of x86 machines",
  ],
  [
    "a device of RISC-V machines on another",
    `${PC}[device.l]\ntype = "riscv.plic"`,
    "m.toml:12: device.l.type: must be a device of x86 machines, since cpu.arch is \"x86_64\": 'riscv.plic' is one of RISC-V machines",
  ],
  [
    "a load address outside of memory",
    `${BASE}[boot]\nload = 0x8800_0000`,
    "m.toml:12: boot.load: must be an address in RAM or ROM, got 0x8800_0000",
  ],
  [
    "a load address outside of memory, given with a smaller memory",
    BASE,
    "--set: boot.load: must be an address in RAM or ROM, got 0x8000_1000",
    { memory: 4096, "boot.load": 0x8000_1000 },
  ],
  [
    "RAM beyond physical addresses",
    PC.replace("0x8000_0000", "0xff_f900_0000"),
    "m.toml:6: memory.dram: 'dram' (0x00ff_f900_0000..0x0100_00ff_ffff) must end below 0x0100_0000_0000: physical addresses of x86_64 have 40 bits",
  ],
  [
    "RAM beyond physical addresses behind a gap, on RV32",
    BASE.replaceAll("64", "32") + 'gap = "0x8100_0000..0x3_ff00_0000"\n',
    "m.toml:8: memory.dram: 'dram' (0x0003_ff00_0000..0x0004_05ff_ffff) must end below 0x0004_0000_0000: physical addresses of riscv32 have 34 bits",
  ],
  [
    "a device beyond physical addresses",
    `${BASE.replaceAll("64", "32").replace("harts", 'mmu = "bare"\nharts')}[device.g]\ntype = "gpio"\nat = 0xffff_fff8`,
    "m.toml:12: device.g: 'g' (0xffff_fff8..0x0001_0000_0007) must end below 0x0001_0000_0000: physical addresses of riscv32 have 32 bits",
  ],
  [
    "two main memories, one of them a ROM",
    `${BASE}main = true\n[memory.sram]\nat = 0\nsize = 4096\nmain = true\n[memory.rom]\nat = 0x1_0000\nsize = 4096\nkind = "rom"\nmain = true`,
    "m.toml:15: memory.sram.main: must be false: 'dram' is the main RAM already\nm.toml:20: memory.rom.main: must be false: 'rom' is a ROM\nm.toml:20: memory.rom.main: must be false: 'dram' is the main RAM already",
  ],
  [
    "a main memory that holes hide",
    `${BASE}holes = ["0x8000_0000..0x8800_0000"]`,
    "m.toml:8: memory.dram: the main RAM 'dram' is hidden by its holes",
  ],
  [
    "a device without a node that is compatible with something",
    keys(`compatible = "acme,keys"`),
    "m.toml:13: device.k.compatible: must be absent: a 'keys' has no node in the device tree",
  ],
  [
    "compatible with a number",
    `${BASE}${PLIC}compatible = 7`,
    'm.toml:15: device.plic.compatible: must be a text like "snps,dw-apb-uart" or a list of texts, got 7',
  ],
  ["a device tree on a PC", `${PC}[boot]\ndtb = "x.dtb"`, "m.toml:12: boot.dtb: unknown key 'dtb'; known: ..."],
  [
    "a device tree that is not there",
    `${BASE}[boot]\ndtb = "x.dtb"`,
    "m.toml:12: boot.dtb: 'x.dtb': no such file",
  ],
  [
    "several at once",
    BASE.replace("harts = 2", "harts = 0").replace("128MiB", "lots") + `[device.x]\ntype = "nothing"\n`,
    'm.toml:6: cpu.harts: must be an integer from 1 to 64, got 0\nm.toml:10: memory.dram.size: must be a size like 4096, 0x1000 or "128MiB" of at least 0x1000 that is a multiple of 0x1000, got "lots"\nm.toml:12: device.x.type: unknown device type \'nothing\'',
  ],
];

Deno.test("every mistake has its message", async (t) => {
  for (const [what, text, message, set, files] of MISTAKES) {
    // The words of a syntax error are the parser's own.
    const wanted = message.replace(/: \.\.\.$/, ": "),
      got = () => problem(text, set, files).slice(0, message.endsWith(": ...") ? wanted.length : undefined);
    await t.step(what, () => assertEquals(got(), wanted));
  }
});

Deno.test("the smallest machine", () => {
  const g = load(BASE);
  assertEquals([g.name, g.model, g.compatible, g.seed], ["test", "test", ["riscv-virtio"], 0]);
  assertEquals(g.cpu, {
    arch: "riscv64",
    family: "riscv",
    isa: "rv64gc",
    harts: 2,
    mmu: "sv39",
    svade: false,
    reset: 0x8000_0000n,
    mvendorid: 0n,
    marchid: 0n,
    mimpid: 0n,
  });
  assertEquals(g.clock, { mode: "virtual", cpu_hz: 1e9, timebase_hz: 1e7, rtc: new Date("2026-01-01T00:00:00Z") });
  assertEquals(g.memories[0].segments, [{ base: 0x8000_0000, length: 128 << 20, offset: 0 }]);
  assertEquals(g.firmware, { kind: "builtin" });
  assertEquals(g.boot, { protocol: "auto", cmdline: "", reset: "restart", load: 0x8020_0000 });
});

Deno.test("every kind of key is read in every notation", () => {
  const read = (line: string) => load(keys(line)).devices[0].config;
  assertEquals(read(""), {
    divisor: 1,
    buffer: 4096,
    serial_number: 0n,
    loopback: false,
    label: "x",
    parity: "none",
    image: undefined,
    since: undefined,
    pins: undefined,
    verdict: undefined,
    rate: 10_000_000,
  });
  for (const text of ["0x10", "1_6", "0b1_0000", "0o20", '"0x10"', '"16"']) assertEquals(read(`divisor = ${text}`).divisor, 16, text);
  for (const text of ["65536", "0x1_0000", '"64KiB"', '"64K"', '"64 KiB"', '"0x10000"']) {
    assertEquals(read(`buffer = ${text}`).buffer, 65536, text);
  }
  assertEquals(read('buffer = "2GiB"').buffer, 2 ** 31);
  assertEquals(read('serial_number = "0xffff_ffff_ffff_ffff"').serial_number, 2n ** 64n - 1n);
  assertEquals(read('serial_number = "18446744073709551615"').serial_number, 2n ** 64n - 1n);
  assertEquals(read("serial_number = 0x1f_ffff_ffff_ffff").serial_number, 2n ** 53n - 1n);
  assertEquals(read("since = 2026-01-01T01:00:00+01:00").since, new Date("2026-01-01T00:00:00Z"));
  assertEquals(read("pins = [\n  1, # one\n  2,\n]").pins, [1, 2]);
  assertEquals(read("verdict = { fail = 0x11 }").verdict, { pass: 0x10, fail: 0x11 });
  assertEquals(read("rate = 5").rate, 5);
  assertEquals(load(keys(""), { "clock.timebase_hz": 32768 }).devices[0].config.rate, 32768);
});

Deno.test("a path is relative to the file that names it", () => {
  const files = { "boards/base.toml": keys(`image = "img/a.bin"`), "boards/img/a.bin": "x", "b.bin": "y" };
  const g = load(`extends = "boards/base.toml"\n[boot]\nkernel = "b.bin"`, {}, files);
  assertEquals([g.devices[0].config.image, g.boot.kernel], ["boards/img/a.bin", "b.bin"]);
  assertEquals(load(`extends = "boards/base.toml"`, { "device.k.image": "b.bin" }, files).devices[0].config.image, "b.bin");
  const up = load(`extends = "boards/base.toml"`, {}, {
    ...files,
    "boards/base.toml": keys(`image = "../b.bin"`),
    "m.toml": `extends = "./boards/../boards/base.toml"`,
  });
  assertEquals(up.devices[0].config.image, "b.bin");
  const absolute = load(keys(`image = "/img/c.bin"`), {}, { "/img/c.bin": "" });
  assertEquals(absolute.devices[0].config.image, "/img/c.bin");
  assertEquals(load(keys(`image = "@kernel"`)).devices[0].config.image, "@kernel");
});

Deno.test("extends: keys are overridden one by one, devices removed, replaced and added", () => {
  const base = `${BASE}${PLIC}[device.g]\ntype = "gpio"\nat = 0x100\nirq = "plic:1"\n[device.k]\ntype = "keys"\ndivisor = 7\n`;
  const g = load(
    `extends = "base.toml"
[cpu]
harts = 1
[device]
g = false
k = { label = "y" }
[device.more]
type = "keys"
[device.plic]
sources = 31
`,
    {},
    { "base.toml": base },
  );
  assertEquals(g.cpu.harts, 1);
  assertEquals(g.devices.map((d) => d.id), ["plic", "k", "more"]);
  assertEquals([g.devices[0].config.sources, g.devices[0].windows[0].base], [31, 0xc00_0000]);
  assertEquals([g.devices[1].config.divisor, g.devices[1].config.label], [7, "y"]);
  // Another type replaces the device: its keys would mean nothing to the new one.
  const replaced = load(`extends = "base.toml"\n[device.g]\ntype = "keys"`, {}, { "base.toml": base });
  assertEquals(replaced.devices[1].windows, []);
});

Deno.test("overrides: texts need no quotes, short names find their key", () => {
  const g = load(BASE + PLIC, {
    memory: "2GiB",
    harts: "4",
    "boot.cmdline": "console=ttyS0 quiet",
    "clock.rtc": "2030-01-01T00:00:00Z",
    "device.plic": false,
    "device.extra": { type: "gpio", at: 0x100, irq: ["cpu3.meip"] },
    "cpu.marchid": "0xffffffffffffffff",
  });
  assertEquals([g.memories[0].size, g.cpu.harts, g.boot.cmdline], [2 ** 31, 4, "console=ttyS0 quiet"]);
  assertEquals([g.clock.rtc.getUTCFullYear(), g.devices.map((d) => d.id), wires(g)], [2030, ["extra"], ["extra.irq -> cpu3.meip"]]);
  assertEquals(g.cpu.family === "riscv" && g.cpu.marchid, 2n ** 64n - 1n);
  // A text key takes what looks like a number as it was typed.
  assertEquals(load(BASE, { "boot.cmdline": "0x10" }).boot.cmdline, "0x10");
  assertEquals(load(BASE, { "boot.cmdline": '"a b"' }).boot.cmdline, "a b");
  assertEquals(load(BASE, { "boot.cmdline": "" }).boot.cmdline, "");
});

Deno.test("interrupt outputs of every hart, by list, by table, fanned out, left open", () => {
  const device = (irq: string) => `${BASE}[device.p]\ntype = "per.hart"\nat = 0x1000\nirq = ${irq}\n`;
  const list = ["p.cpu0.msip -> cpu0.msip", "p.cpu1.msip -> cpu1.msip", "p.cpu0.mtip -> cpu0.mtip", "p.cpu1.mtip -> cpu1.mtip"];
  const g = load(device(`["cpu*.msip", "cpu*.mtip"]`));
  assertEquals(wires(g), list);
  assertEquals(g.devices[0].outputs, ["cpu0.msip", "cpu0.mtip", "cpu1.msip", "cpu1.mtip", "nmi"]);
  assertEquals(wires(load(device(`["", "cpu*.mtip"]`))), list.slice(2));
  assertEquals(wires(load(device(`{ "cpu*.mtip" = "cpu*.mtip" }`))), list.slice(2));
  assertEquals(wires(load(device(`{ nmi = "cpu*.seip" }`))), ["p.nmi -> cpu0.seip", "p.nmi -> cpu1.seip"]);
  assertEquals(wires(load(device(`{ nmi = ["cpu0.seip", "cpu1.meip"] }`))), ["p.nmi -> cpu0.seip", "p.nmi -> cpu1.meip"]);
});

Deno.test("replicated devices count addresses and inputs", () => {
  const g = load(`${BASE}${PLIC}[device.v]
type = "gpio"
at = 0x1000_1000
count = 3
stride = 0x1000
irq = "plic:1+n"
[device.w]
type = "gpio"
at = 0x100
count = 1
irq = "v[2]:lid"
`);
  assertEquals(g.devices.map((d) => d.id), ["plic", "v[0]", "v[1]", "v[2]", "w[0]"]);
  assertEquals(g.devices.slice(1).map((d) => d.windows[0].base), [0x1000_1000, 0x1000_2000, 0x1000_3000, 0x100]);
  assertEquals(wires(g).slice(4), ["v[0].irq -> plic:1", "v[1].irq -> plic:2", "v[2].irq -> plic:3", "w[0].irq -> v[2]:lid"]);
  const ports = load(`${PC}[device.v]\ntype = "gpio"\nio = 0x100\ncount = 2\nstride = 16\n`);
  assertEquals(ports.devices.map((d) => [d.windows[0].bus, d.windows[0].base]), [["io", 0x100], ["io", 0x110]]);
});

const SEVERAL = `${BASE}${PLIC}[device.v]
type = "gpio"
at = 0x1000_1000
count = 4
stride = 0x1000
irq = "plic:1+n"
`;

Deno.test("one of several has keys of its own, is of another type at the same address, or is left out", () => {
  const nodes = (g: MachineGraph) => g.devices.slice(1).map((d) => `${d.id} ${d.type} ${d.windows[0].base.toString(16)}`);
  const gpio = (n: number) => `v[${n}] gpio 1000${n + 1}000`;
  const g = load(`${SEVERAL}[device."v[1]"]
irq = "plic:9+n"
[device."v[2]"]
type = "ns16550a"
console = true
[device]
"v[3]" = false
`);
  assertEquals(nodes(g), [gpio(0), gpio(1), "v[2] ns16550a 10003000"]);
  assertEquals(wires(g).slice(4), ["v[0].irq -> plic:1", "v[1].irq -> plic:10"]);
  assertEquals(g.devices.map((d) => d.console), [false, false, false, true]);
  // The first has an address of its own, the second those of two windows in both spaces.
  const moved = load(`${SEVERAL}[device."v[0]"]\nat = 0x2000\n`);
  assertEquals(nodes(moved), ["v[0] gpio 2000", gpio(1), gpio(2), gpio(3)]);
  const ports = load(`${PC}[device.v]\ntype = "gpio"\nio = 0x100\ncount = 2\nstride = 16\n[device."v[1]"]\ntype = "lpt"\n`);
  assertEquals(ports.devices.map((d) => [d.type, d.windows[0].bus, d.windows[0].base]), [["gpio", "io", 0x100], ["lpt", "io", 0x110]]);
  // From the command line, and on top of what is inherited; what goes with the others goes.
  assertEquals(wires(load(SEVERAL, { "device.v[3].irq": "plic:20" })).at(-1), "v[3].irq -> plic:20");
  const over = (text: string) => load(`extends = "base.toml"\n${text}`, {}, { "base.toml": `${SEVERAL}[device."v[1]"]\nirq = "plic:9"\n` });
  assertEquals(wires(over(`[device."v[1]"]\nat = 0x2000\n`)).slice(4, 6), ["v[0].irq -> plic:1", "v[1].irq -> plic:9"]);
  assertEquals(over("[device]\nv = false\n").devices.map((d) => d.id), ["plic"]);
  assertEquals(nodes(over(`[device.v]\ntype = "ns16550a"\nat = 0x3000\n`)), ["v ns16550a 3000"]);
});

Deno.test("mistakes of tables for one of several", () => {
  const cases: [text: string, message: string][] = [
    [`[device."v[4]"]\nirq = ""`, `m.toml:21: device."v[4]": there are 4 of 'v': the last is 'v[3]'`],
    [`[device."w[0]"]\nirq = ""`, `m.toml:21: device."w[0]": no device 'w' (did you mean 'v'?)`],
    [`[device."plic[0]"]\nirq = ""`, `m.toml:21: device."plic[0]": there is one 'plic': it has no 'count'`],
    [`[device."v[x]"]\nirq = ""`, `m.toml:21: device."v[x]": must be a name of letters, digits and '_'`],
    [`[device."v[0]"]\ncount = 2`, `m.toml:22: device."v[0]".count: must be absent: it is one of several`],
    [`[device."v[0]"]\nstride = 2`, `m.toml:22: device."v[0]".stride: must be absent: it is one of several`],
    [`[device."v[0]"]\nirk = ""`, `m.toml:22: device."v[0]".irk: unknown key 'irk' (did you mean 'irq'?)`],
    [`[device]\n"v[0]" = 1`, `m.toml:22: device."v[0]": must be a table, or false to leave it out`],
    [`[device."v[0]"]\ntype = "gpoi"`, `m.toml:22: device."v[0]".type: unknown device type 'gpoi' (did you mean 'gpio'?)`],
    [`[device."v[0]"]\nirq = "plic:2"`, `m.toml:20: device.v.irq: 'plic:2' is already driven by 'v[0]' (line 22)`],
    [
      `[device."v[0]"]\nat = 0x1000_2000`,
      `m.toml:15: device.v: 'v[1]' (0x1000_2000..0x1000_200f) overlaps 'v[0]' (0x1000_2000..0x1000_200f)`,
    ],
    [
      `[device.x]\ntype = "gpio"\nat = 0\nirq = "v[1]:lid"\n[device]\n"v[1]" = false`,
      `m.toml:24: device.x.irq: no device 'v[1]' (did you mean 'v[0]'?)`,
    ],
    [
      `[device.f]\ntype = "irq.fanout"\nto = ["plic:n"]\n[device."f[0]"]\nto = []`,
      `m.toml:24: device."f[0]": there is one 'f': it has no 'count'`,
    ],
  ];
  for (const [text, message] of cases) assertEquals(problem(`${SEVERAL}${text}\n`), message, text);
});

Deno.test("a PC: ports, holes, interrupts through a fan-out and by output name", () => {
  const g = load(`schema = 1
name = "pc"
[cpu]
arch = "x86_64"
cores = 2
features = ["+fsgsbase", "-la57"]
[memory.ram]
at = 0
size = "4GiB"
holes = ["640KiB..1MiB"]
gap = "3GiB..4GiB"
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
[device.kbd]
type = "i8042"
io = [0x60, 0x64]
irq = { keyboard = "isa:1", mouse = "isa:12" }
[device.ioapic]
type = "x86.ioapic"
[device.gpio]
type = "gpio"
io = 0x300
irq = "ioapic:1"
[boot]
protocol = "multiboot1"
`);
  assertEquals(g.memories[0].segments, [
    { base: 0, length: 0xa_0000, offset: 0 },
    { base: 0x10_0000, length: 0xbff0_0000, offset: 0x10_0000 },
    { base: 2 ** 32, length: 2 ** 30, offset: 0xc000_0000 },
  ]);
  assertEquals(wires(g), [
    "pic.intr -> cpu0.intr",
    "pit.irq -> pic:0",
    "pit.irq -> ioapic:2",
    "kbd.keyboard -> pic:1",
    "kbd.keyboard -> ioapic:1",
    "kbd.mouse -> pic:12",
    "kbd.mouse -> ioapic:12",
    "gpio.irq -> ioapic:1",
  ]);
  assertEquals(g.edges.map((e) => e.via), [undefined, "isa", "isa", "isa", "isa", "isa", "isa", undefined]);
  assertEquals(g.devices.flatMap((d) => d.windows.map((w) => `${d.id} ${w.bus} 0x${w.base.toString(16)}`)), [
    "pic io 0x20",
    "pic io 0xa0",
    "pit io 0x40",
    "kbd io 0x60",
    "kbd io 0x64",
    "ioapic mem 0xfec00000",
    "gpio io 0x300",
  ]);
  assertEquals([g.cpu.harts, g.clock.tsc_hz, g.boot.protocol, g.boot.load], [2, 1e9, "multiboot1", 0]);
});

Deno.test("the edges of what is allowed", () => {
  const gpio = (line: string, base = BASE + PLIC) => load(`${base}[device.g]\ntype = "gpio"\n${line}\n`);
  assertEquals(wires(gpio('at = 0\nirq = "plic:1"')).at(-1), "g.irq -> plic:1");
  assertEquals(wires(gpio('at = 0\nirq = "plic:95"')).at(-1), "g.irq -> plic:95");
  assertEquals(gpio("io = 0xfff0", PC).devices[0].windows[0].base, 0xfff0);
  assertEquals(gpio("at = 0xc60_0000").devices[1].windows[0].base, 0xc60_0000);
  const ram = (lines: string) => load(BASE + lines).memories[0].segments.map((s) => [s.base, s.length]);
  assertEquals(ram(`gap = "0x8000_0000..0x9000_0000"`), [[0x8000_0000, 128 << 20]]); // nothing lies below it
  assertEquals(ram(`gap = "0x8800_0000..0x9000_0000"`), [[0x8000_0000, 128 << 20]]); // everything does
  assertEquals(ram(`gap = "0x87ff_f000..0x9000_0000"`), [[0x8000_0000, 0x7ff_f000], [0x9000_0000, 0x1000]]);
  assertEquals(problem(`${BASE}gap = "1MiB..1MiB"`).includes("whose end is above its start"), true);
});

Deno.test("the main RAM is the largest, or the one that says so; --memory and load addresses go by it", () => {
  const sram = '[memory.sram]\nat = 0x2_0000\nsize = "32KiB"\n', text = BASE.replace("[memory.dram]", `${sram}[memory.dram]`);
  const mains = (g: MachineGraph) => g.memories.map((m) => [m.id, m.size, m.main]);
  assertEquals(mains(load(text)), [["sram", 0x8000, false], ["dram", 128 << 20, true]]);
  assertEquals([load(text).boot.load, mainRam(load(text)).id], [0x8020_0000, "dram"]);
  assertEquals(mains(load(text, { memory: "1GiB" })), [["sram", 0x8000, false], ["dram", 1 << 30, true]]);
  const small = text.replace("[memory.dram]", "main = true\n[memory.dram]");
  assertEquals(mains(load(small, { memory: "64KiB" })), [["sram", 0x1_0000, true], ["dram", 128 << 20, false]]);
  assertEquals(load(small).boot.load, 0x22_0000);
  // Of two that are as large the first.
  assertEquals(mainRam(load(text.replace('"32KiB"', '"128MiB"'))).id, "sram");
});

Deno.test("a load address may lie beyond a memory that the command line has made smaller", () => {
  const text = `${BASE}[boot]\nload = 0x8700_0000\n`;
  assertEquals(load(text, { memory: "1MiB" }).boot.load, 0x8700_0000);
});

Deno.test("extends: a file that is not beside is one that comes with bringup", () => {
  const files: Record<string, string> = { "ship/base.toml": BASE, "m.toml": 'extends = "base.toml"\nname = "mine"' };
  const read = (more: Record<string, string> = {}, file = "m.toml") =>
    loadConfig(file, {
      readFile: memoryFiles({ ...files, ...more }, () => new ConfigError("no such file")),
      types,
      findShipped: (name) => name === "base.toml" ? `ship/${name}` : undefined,
    });
  assertEquals([read().name, read().cpu.harts], ["mine", 2]);
  assertEquals(read({ "base.toml": BASE.replace("harts = 2", "harts = 3") }).cpu.harts, 3);
  // One of the same name may change it.
  const message = (more: Record<string, string>) => {
    try {
      return read(more).name;
    } catch (e) {
      return (e as Error).message;
    }
  };
  assertEquals(message({ "m.toml": 'extends = "other.toml"' }), "m.toml:1: extends: 'other.toml': no such file");
  assertEquals(message({ "m.toml": 'extends = "base"' }), "m.toml:1: extends: 'base': no such file (did you mean 'base.toml'?)");
  // What is wrong in a file beside is not hidden by a shipped one.
  assertEquals(message({ "base.toml": "schema = [" }).startsWith("base.toml:1: not valid TOML"), true);
});

Deno.test("the short override `memory` means the first RAM, not a ROM before it", () => {
  const rom = `[memory.rom]\nat = 0\nsize = 4096\nkind = "rom"\n`;
  const g = load(BASE.replace("[memory.dram]", rom + "[memory.dram]"), { memory: "1GiB", harts: 1 });
  assertEquals(g.memories.map((m) => m.size), [4096, 1 << 30]);
  const pc = load(PC, { memory: "1GiB", harts: 4, firmware: "builtin" });
  assertEquals([pc.memories[0].size, pc.cpu.harts], [1 << 30, 4]);
});

Deno.test("holes before, across, inside, behind and around a memory", () => {
  const rom = (hole: string) => load(`${BASE}[memory.rom]\nat = 0x1_0000\nsize = 0x4000\nkind = "rom"\nholes = ["${hole}"]\n`).memories[1];
  const parts = (hole: string) => rom(hole).segments.map((s) => [s.base, s.length, s.offset]);
  assertEquals(parts("0..0x10000"), [[0x1_0000, 0x4000, 0]]);
  assertEquals(parts("0..0x11000"), [[0x1_1000, 0x3000, 0x1000]]);
  assertEquals(parts("0x11000..0x12000"), [[0x1_0000, 0x1000, 0], [0x1_2000, 0x2000, 0x2000]]);
  assertEquals(parts("0x13000..0x20000"), [[0x1_0000, 0x3000, 0]]);
  assertEquals(parts("0x14000..0x20000"), [[0x1_0000, 0x4000, 0]]);
  assertEquals(parts("0..0x20000"), []);
  assertEquals([rom("0..4096").kind, rom("0..4096").size, "file" in rom("0..4096")], ["rom", 0x4000, false]);
  const file = load(`${BASE}[memory.rom]\nat = 0\nsize = 4096\nkind = "rom"\nfile = "rom.bin"\n`, {}, { "rom.bin": "x" });
  assertEquals(file.memories[1].file, "rom.bin");
});

Deno.test("shadow RAM is there, but not to be seen", () => {
  const { memories: [ram] } = load(
    BASE.replace("at = 0x8000_0000", "at = 0").replace("reset = 0x8000_0000", "reset = 0") +
      `holes = ["640KiB..768KiB"]\nshadow = ["768KiB..896KiB", "896KiB..1MiB"]\n`,
  );
  assertEquals(ram.segments, [{ base: 0, length: 0xa_0000, offset: 0 }, { base: 0x10_0000, length: 0x7f0_0000, offset: 0x10_0000 }]);
  assertEquals(ram.shadows, [{ base: 0xc_0000, length: 0x2_0000, offset: 0xc_0000 }, {
    base: 0xe_0000,
    length: 0x2_0000,
    offset: 0xe_0000,
  }]);
});

Deno.test("RAM of 128 MiB ends at 128 MiB: a gap above it moves nothing, a hole hides what is behind it", () => {
  const g = load(
    BASE.replace("at = 0x8000_0000", "at = 0").replace("reset = 0x8000_0000", "reset = 0") +
      `holes = ["640KiB..1MiB"]\ngap = "3GiB..4GiB"\n`,
  );
  assertEquals(g.memories[0].segments, [{ base: 0, length: 0xa_0000, offset: 0 }, {
    base: 0x10_0000,
    length: 0x7f0_0000,
    offset: 0x10_0000,
  }]);
});

Deno.test("the shipped machines load", () => {
  const dir = new URL("../../machines/", import.meta.url).pathname;
  for (const e of Deno.readDirSync(dir)) {
    if (!e.name.endsWith(".toml")) continue;
    const g = loadConfig(dir + e.name, { readFile: (path) => Deno.readFileSync(path) });
    assertEquals(g.name, e.name.slice(0, -5));
  }
});

Deno.test("the example of machines/README.md works", () => {
  const dir = new URL("../../machines/", import.meta.url).pathname;
  const [, example] = /```toml\n([^]*?)```/.exec(Deno.readTextFileSync(dir + "README.md"))!;
  const readFile = (path: string) => path === dir + "mine.toml" ? new TextEncoder().encode(example) : Deno.readFileSync(path);
  const g = loadConfig(dir + "mine.toml", { readFile });
  assertEquals([g.name, g.cpu.harts, g.memories[0].size], ["mine", 4, 512 << 20]);
  assertEquals(g.devices.some((d) => d.id === "rtc"), false);
  assertEquals(wires(g).at(-1), "uart1.irq -> plic:12");
});
