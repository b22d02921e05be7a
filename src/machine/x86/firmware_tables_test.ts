// The tables that a machine's graph gives, where the built-in BIOS and SeaBIOS put them.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { silent } from "../../core/log.ts";
import { loadDevices } from "../../devices/mod.ts";
import { loadConfig } from "../build_graph.ts";
import { createMachine, type Host, loadGraph, type Machine } from "../machine.ts";
import { describeTables } from "./firmware_tables.ts";

await loadDevices();
const ROOT = new URL("../../../", import.meta.url).pathname, SEABIOS = "/usr/share/seabios/bios-256k.bin";
const sector = new Uint8Array(512);
sector.set([0xf4, 0xeb, 0xfd]); // hlt; jmp to it
sector.set([0x55, 0xaa], 510);
const host: Host = { readFile: (path) => path === "sector" ? sector : Deno.readFileSync(path), log: silent } as Host;
const describe = (set = {}) => describeTables(loadConfig(`${ROOT}machines/pc.toml`, { readFile: (p) => Deno.readFileSync(p), set }));

async function machine(set = {}): Promise<Machine> {
  const options = { file: `${ROOT}machines/pc.toml`, kernel: "sector", set };
  return createMachine(options, host, await loadGraph(options, host));
}

Deno.test("pc.toml: processors, controllers, interrupts with their overrides, devices without a bus", () => {
  const d = describe({ harts: 3, memory: "64MiB" });
  assertEquals([d.processors, d.localApic, d.ioApic, d.hpet, d.pm], [
    ...[3, 0xfee0_0000, { id: 0, address: 0xfec0_0000 }, 0xfed0_0000, { base: 0x600, sci: 9 }],
  ]);
  assertEquals(d.lowMemoryEnd, 64 << 20);
  assertEquals(d.overrides.map((o) => [o.irq, o.input, o.level]), [
    [0, 2, false],
    [5, 5, true],
    [9, 9, true],
    [10, 10, true],
    [11, 11, true],
  ]);
  assertEquals([d.pci?.isaBridge, d.pci?.devices.includes(2)], ["1.0", true]);
  const isa = Object.fromEntries(d.isa.map((i) => [i.name, [i.id, i.ports[0]?.base, ...i.irqs]]));
  assertEquals([isa.KBD1, isa.MOU1, isa.RTC1, isa.COM1, isa.COM2, isa.FDC1, isa.LPT1], [
    ["PNP0303", 0x60, 1],
    ["PNP0F13", undefined, 12],
    ["PNP0B00", 0x70, 8],
    ["PNP0501", 0x3f8, 4],
    ["PNP0501", 0x2f8, 3],
    ["PNP0700", 0x3f0, 6],
    ["PNP0400", 0x378, 7],
  ]);
});

Deno.test("all that is told of the shipped machines", () => {
  const of = (file: string, set = {}) =>
    describeTables(loadConfig(`${ROOT}machines/${file}`, { readFile: (p) => Deno.readFileSync(p), set }));
  const port = (base: number, length: number) => ({ base, length }), level = (irq: number) => ({ irq, input: irq, level: true });
  assertEquals(of("pc.toml", { memory: "5GiB", harts: 2, model: "mine" }), {
    ...{ product: "mine", processors: 2, signature: 0x60fb1, cpuHz: 1e9, memoryBytes: 5 * 2 ** 30 - 0x6_0000, lowMemoryEnd: 0xc000_0000 },
    ...{ localApic: 0xfee0_0000, ioApic: { id: 0, address: 0xfec0_0000 }, hpet: 0xfed0_0000, pm: { base: 0x600, sci: 9 } },
    overrides: [{ irq: 0, input: 2, level: false }, ...[5, 9, 10, 11].map(level)],
    pci: { devices: [1, 2], isaBridge: "1.0" },
    isa: [
      { name: "KBD1", id: "PNP0303", ports: [port(0x60, 1), port(0x64, 1), port(0x92, 1)], irqs: [1] },
      { name: "MOU1", id: "PNP0F13", ports: [], irqs: [12] },
      { name: "RTC1", id: "PNP0B00", ports: [port(0x70, 2)], irqs: [8] },
      ...[[0x3f8, 4], [0x2f8, 3], [0x3e8, 4], [0x2e8, 3]].map(([at, irq], i) => ({
        name: `COM${i + 1}`,
        id: "PNP0501",
        ports: [port(at, 8)],
        irqs: [irq],
      })),
      { name: "FDC1", id: "PNP0700", ports: [port(0x3f0, 6), port(0x3f7, 1)], irqs: [6] },
      { name: "LPT1", id: "PNP0400", ports: [port(0x378, 3)], irqs: [7] },
    ],
  });
  assertEquals(of("microvm.toml"), {
    ...{
      product: "microvm",
      processors: 1,
      signature: 0x60fb1,
      cpuHz: 1e9,
      memoryBytes: 2 ** 27 - 0x6_0000,
      lowMemoryEnd: 2 ** 27,
      overrides: [],
    },
    isa: [
      { name: "RTC1", id: "PNP0B00", ports: [port(0x70, 2)], irqs: [8] },
      { name: "COM1", id: "PNP0501", ports: [port(0x3f8, 8)], irqs: [4] },
    ],
  });
});

Deno.test("what a machine does not have is not in its tables", () => {
  const d = describe({ "device.hpet": false, "device.pit.irq": "isa:0", "device.cmos.irq": "isa:8", "device.pm": false });
  assertEquals([d.hpet, d.pm, d.overrides[0], d.isa.find((i) => i.name === "RTC1")?.irqs], [
    ...[undefined, undefined, { irq: 0, input: 2, level: false }, [8]],
  ]);
});

/** Root pointers in the last 128 KiB, by signature: their address. */
function find(m: Machine, signature: string): number {
  for (let at = 0xe_0000; at < 0x10_0000; at += 16) {
    if (String.fromCharCode(...m.bus.readBytes(at, signature.length)) === signature) return at;
  }
  throw new Error(`there is no ${signature}`);
}

/** What a kernel finds, whoever has put it there. */
function findTables(m: Machine): void {
  const bytes = (at: number, length: number) => m.bus.readBytes(at, length);
  const sum = (at: number, length: number) => bytes(at, length).reduce((n, b) => n + b, 0) & 0xff;
  const rsdp = find(m, "RSD PTR "), xsdt = m.bus.read(rsdp + 24, 4), length = m.bus.read(xsdt + 4, 4);
  assertEquals([sum(rsdp, 20), sum(rsdp, 36), sum(xsdt, length)], [0, 0, 0]);
  const tables = Array.from({ length: (length - 36) / 8 }, (_, i) => m.bus.read(xsdt + 36 + 8 * i, 4));
  assertEquals(tables.map((at) => String.fromCharCode(...bytes(at, 4))), ["FACP", "APIC", "HPET"]);
  assertEquals(tables.map((at) => sum(at, m.bus.read(at + 4, 4))), [0, 0, 0]);
  const dsdt = m.bus.read(tables[0] + 40, 4);
  assertEquals([String.fromCharCode(...bytes(dsdt, 4)), sum(dsdt, m.bus.read(dsdt + 4, 4))], ["DSDT", 0]);
  const mp = find(m, "_MP_"), table = m.bus.read(mp + 4, 4);
  assertEquals([sum(mp, 16), sum(table, m.bus.read(table + 4, 2))], [0, 0]);
  const dmi = find(m, "_SM_"), structures = m.bus.read(dmi + 24, 4);
  assertEquals([sum(dmi, m.bus.read(dmi + 5, 1)), sum(dmi + 16, 15), m.bus.read(structures, 1)], [0, 0, 0]);
}

Deno.test("the built-in BIOS has put all of them into memory, and leaves them out of the memory map", async () => {
  const m = await machine();
  findTables(m);
  assert(m.bus.read(find(m, "RSD PTR ") + 24, 4) >= 0x7fe_0000);
});

Deno.test("with less than 2 MiB there is no room for ACPI; above 3 GiB the tables stay below the gap", async () => {
  const small = await machine({ memory: "1MiB" }), large = await machine({ memory: "3300MiB" });
  assertThrows(() => find(small, "RSD PTR "));
  assertEquals(large.bus.read(find(large, "RSD PTR ") + 24, 4) >>> 17, 0xbffe_0000 >>> 17);
});

Deno.test({
  name: "SeaBIOS publishes them, too",
  ignore: (() => {
    try {
      return !Deno.statSync(SEABIOS).isFile;
    } catch {
      return true;
    }
  })(),
  fn: async () => {
    const m = await machine({ firmware: SEABIOS });
    m.run(2_000_000_000);
    findTables(m);
  },
});
