// What `describe` and `devices` print.
import { assert, assertEquals } from "@std/assert";
import { DEVICES, loadDevices } from "../devices/mod.ts";
import { describe, listDevices, listKeys } from "./describe.ts";
import { keysOf } from "./architectures.ts";
import * as format from "./format.ts";
import { loadConfig } from "./build_graph.ts";
import { memoryFiles, TOYS } from "./testing/toys.ts";

await loadDevices();

const virt = loadConfig(new URL("../../machines/virt.toml", import.meta.url).pathname, { readFile: (path) => Deno.readFileSync(path) });

/** Lines below a heading, without indentation, columns separated by one space. */
const section = (text: string, heading: string) =>
  text.trimEnd().split("\n\n").find((s) => s.startsWith(heading))!.split("\n").slice(1).map((l) => l.trim().replace(/ +/g, " "));

Deno.test("describe: a RISC-V machine", () => {
  const text = describe(virt);
  assertEquals(section(text, "memory map").slice(0, 6), [
    "0x1000..0xffff 60 KiB mrom rom",
    "0x0010_0000..0x0010_0fff 4 KiB test sifive.test regs",
    "0x0010_1000..0x0010_1fff 4 KiB rtc goldfish.rtc regs",
    "0x0200_0000..0x0200_ffff 64 KiB clint riscv.clint regs",
    "0x0c00_0000..0x0c5f_ffff 6 MiB plic riscv.plic regs",
    "0x1000_0000..0x1000_0007 8 bytes uart0 ns16550a regs",
  ]);
  assertEquals(section(text, "memory map").at(-1), "0x8000_0000..0x87ff_ffff 128 MiB dram ram");
  assert(section(text, "interrupts").includes("uart0.irq -> plic:10"));
  assertEquals(section(text, "boot"), [
    "firmware builtin",
    "protocol auto",
    "command line (none)",
    "kernel starts in S-mode, or M-mode if it is linked at the start of RAM; hart id in a0, device tree in a1",
    "raw images at 0x8020_0000",
    "a guest's reset restarts the machine",
    "consoles uart0",
  ]);
  assert(text.includes("device tree\n/dts-v1/;"), "the device tree is shown");
  assert(!text.includes("port map"), "there are no ports");
});

Deno.test("describe: the processor and its clocks, in columns", () => {
  const top = (text: string) => text.slice(0, text.indexOf("\n\n")).split("\n").slice(1);
  assertEquals(top(describe(virt)).filter((l) => !l.includes("isa")), [
    "  arch       riscv64",
    "  harts      1",
    "  mmu        sv57",
    "  reset      0x1000",
    "  clock      virtual, 1000000000 instructions per second",
    "  timebase   10000000 Hz",
    "  starts at  2026-01-01T00:00:00.000Z",
  ]);
  const text = `schema = 1\nname = "pc"\n[cpu]\narch = "x86_64"\nfeatures = ["+la57"]\n[memory.ram]\nat = 0\nsize = 4096\n`;
  assertEquals(top(describe(loadConfig("pc.toml", { readFile: () => new TextEncoder().encode(text) }))), [
    "  arch                x86_64",
    "  model               qemu64 +la57",
    "  cores               1",
    "  reset               f000:fff0",
    "  triple fault        stop",
    "  clock               virtual, 1000000000 instructions per second",
    "  time-stamp counter  1000000000 Hz",
    "  starts at           2026-01-01T00:00:00.000Z",
  ]);
});

Deno.test("the list of keys says what is required, what is optional, and defaults", async () => {
  const rows = section(await listDevices(TOYS), "keys: ");
  assertEquals(rows.slice(1, 5), [
    "divisor an integer from 1 to 256 default 1 a count",
    'buffer a size like 4096, 0x1000 or "128MiB" that is a power of two default 4096 memory of its own',
    'serial_number a 64-bit integer or a text like "0xffff_ffff_0000_0000" default 0x0 64 bits',
    "loopback true or false default false a switch",
  ]);
  assertEquals(rows.slice(7), [
    "image a path optional a file",
    "since a time with its offset, like 2026-01-01T00:00:00Z optional a time",
    "pins a list, each an integer from 0 to 31 optional numbers",
    "verdict a table with pass, fail optional values",
    "rate an integer of at least 0 default clock.timebase_hz taken from the machine",
  ]);
  assertEquals(section(listKeys(), "[cpu] (riscv)")[0], 'arch one of "riscv32", "riscv64", "x86_64" required instruction set');
});

Deno.test("describe: what a machine file says about booting", () => {
  const path = new URL("../../machines/virt.toml", import.meta.url).pathname;
  const boot = (set: Record<string, unknown>) => {
    const readFile = (p: string) => p === path ? Deno.readFileSync(p) : new Uint8Array();
    return section(describe(loadConfig(path, { readFile, set })), "boot");
  };
  assertEquals(
    boot({
      firmware: "fw.elf",
      "boot.kernel": "k.elf",
      "boot.initrd": "i.gz",
      "boot.cmdline": "quiet",
      "boot.reset": "stop",
      "device.uart0.console": false,
    }),
    [
      "firmware fw.elf",
      "protocol auto",
      "kernel k.elf",
      "initrd i.gz",
      "command line quiet",
      "kernel starts in S-mode, or M-mode if it is linked at the start of RAM; hart id in a0, device tree in a1",
      "raw images at 0x8020_0000",
      "a guest's reset stops the run",
      "consoles (none)",
    ],
  );
  assertEquals(boot({ firmware: "none" })[3], "kernel starts in M-mode at its entry point");
});

Deno.test("describe: a PC's PCI slots, in order", () => {
  const text = `schema = 1\n[cpu]\narch = "x86_64"\n[memory.ram]\nat = 0\nsize = "640KiB"\n[device.vga]\ntype = "vga"\npci = "bridge:10.0"
[device.isa]\ntype = "isa.piix3"\npci = "bridge:1.0"\n[device.bridge]\ntype = "pci.i440fx"\n`;
  const out = describe(loadConfig("pc.toml", { readFile: () => new TextEncoder().encode(text) }));
  assertEquals(section(out, "PCI"), ["bridge:0.0 bridge pci.i440fx", "bridge:1.0 isa isa.piix3", "bridge:10.0 vga vga"]);
});

Deno.test("describe: drives with what is in them, and where what is written goes; memory that a chipset hides", () => {
  const toml = `extends = "pc.toml"
[device.ide.disk0]
file = "a.img"
overlay = false
[device.ide.disk1]
file = "a.img"
[device.ide.disk2]
media = "cd"
file = "a.iso"
[device.ide.disk3]
media = "cd"
[device.fdc.drive0]
file = "a.img"
readonly = true
`;
  const files = { "m.toml": new TextEncoder().encode(toml), "a.img": new Uint8Array(1_474_560), "a.iso": new Uint8Array(0x9000) };
  const readFile = (path: string) =>
    files[path as keyof typeof files] ?? Deno.readFileSync(new URL(`../../machines/${path}`, import.meta.url));
  const text = describe(loadConfig("m.toml", { readFile }));
  assertEquals(section(text, "drives"), [
    "ide.disk0 hard a.img writes go to the file",
    "ide.disk1 hard a.img writes stay in memory",
    "ide.disk2 cd a.iso read-only",
    "ide.disk3 cd (empty)",
    "fdc.drive0 floppy a.img read-only",
    "fdc.drive1 (none: takes floppy)",
  ]);
  assert(section(text, "memory map").some((l) => /^0x000c_0000..0x000f_ffff 256 KiB ram ram, hidden$/.test(l)), text);
});

Deno.test("describe: a PC has a port map and no device tree", () => {
  const text = `schema = 1
name = "pc"
[cpu]
arch = "x86_64"
[memory.ram]
at = 0
size = "1MiB"
holes = ["640KiB..768KiB"]
[device.isa]
type = "irq.fanout"
to = ["pic:n"]
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
at = 0x200000
`;
  const types = { ...DEVICES, ...TOYS };
  const out = describe(loadConfig("pc.toml", { types, readFile: memoryFiles({ "pc.toml": text }, (p) => new Error(p)) }), types);
  assertEquals(section(out, "port map"), [
    "0x20..0x21 2 pic i8259.pair first",
    "0x40..0x43 4 pit i8254 regs",
    "0xa0..0xa1 2 pic i8259.pair second",
  ]);
  assertEquals(section(out, "interrupts"), ["pic.intr -> cpu0.intr", "pit.irq -> pic:0 (through isa)", "gpio.irq -> (nowhere)"]);
  assertEquals(section(out, "memory map"), [
    "0x0..0x0009_ffff 640 KiB ram ram",
    "0x000c_0000..0x000f_ffff 256 KiB ram ram",
    "0x0020_0000..0x0020_000f 16 bytes gpio gpio regs",
  ]);
  assert(!out.includes("device tree"));
});

Deno.test("every type and every key is listed", async () => {
  const list = await listDevices(), keys = listKeys();
  for (const type of Object.values(DEVICES)) {
    const rows = section(list, `${type.type}: ${type.doc}`);
    for (const key of Object.keys(type.keys)) assert(rows.some((r) => r.startsWith(`${key} `)), `${type.type}.${key}`);
  }
  for (
    const [table, heading] of [[keysOf("cpu").riscv, "[cpu] (riscv)"], [keysOf("boot").x86, "[boot] (x86)"], [
      format.MEMORY,
      "[memory.NAME]",
    ]] as const
  ) {
    assertEquals(section(keys, heading).map((r) => r.split(" ")[0]), Object.keys(table));
  }
});
