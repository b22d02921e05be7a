// The tables' layout by their specifications; where Intel's disassembler is installed, it must find nothing wrong with the ACPI tables.
import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ascii, eisaId, le, list, name, scope, text } from "./aml.ts";
import { acpiTables, firmwareFiles, mpTable, placeAcpi, smbios, type TablesDescription } from "./mod.ts";

const PC: TablesDescription = {
  product: "pc",
  processors: 2,
  signature: 0x60fb1,
  cpuHz: 1e9,
  memoryBytes: 128 << 20,
  lowMemoryEnd: 128 << 20,
  localApic: 0xfee0_0000,
  ioApic: { id: 0, address: 0xfec0_0000 },
  overrides: [{ irq: 0, input: 2, level: false }, { irq: 9, input: 9, level: true }, { irq: 10, input: 10, level: true }],
  hpet: 0xfed0_0000,
  pm: { base: 0x600, sci: 9 },
  pci: { devices: [1, 2], isaBridge: "1.0" },
  isa: [
    { name: "KBD1", id: "PNP0303", ports: [{ base: 0x60, length: 1 }, { base: 0x64, length: 1 }], irqs: [1] },
    { name: "COM1", id: "PNP0501", ports: [{ base: 0x3f8, length: 8 }], irqs: [4] },
    { name: "COM2", id: "PNP0501", ports: [{ base: 0x2f8, length: 8 }], irqs: [3] },
  ],
};
const BASE = 0x7fe_0000;

const sum = (bytes: Uint8Array) => bytes.reduce((n, b) => n + b, 0) & 0xff;
const letters = (bytes: Uint8Array, at: number, length = 4) => new TextDecoder().decode(bytes.subarray(at, at + length));
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);

/** The tables that the root names, by their signatures. */
function byName({ tables, rsdp }: { tables: Uint8Array; rsdp: Uint8Array }, base = BASE): Map<string, Uint8Array> {
  const all = viewOf(tables),
    at = (address: number) => tables.subarray(address - base, address - base + all.getUint32(address - base + 4, true));
  const root = viewOf(rsdp), out = new Map<string, Uint8Array>();
  const rsdt = at(root.getUint32(16, true)), xsdt = at(Number(root.getBigUint64(24, true)));
  const narrow = Array.from({ length: (rsdt.length - 36) / 4 }, (_, i) => viewOf(rsdt).getUint32(36 + 4 * i, true));
  const wide = Array.from({ length: (xsdt.length - 36) / 8 }, (_, i) => Number(viewOf(xsdt).getBigUint64(36 + 8 * i, true)));
  assertEquals(narrow, wide);
  const fadt = viewOf(at(wide[0]));
  assertEquals(fadt.getUint32(40, true), Number(fadt.getBigUint64(140, true)));
  for (const address of [...wide, fadt.getUint32(36, true), fadt.getUint32(40, true)]) out.set(letters(at(address), 0), at(address));
  out.set("RSDT", rsdt);
  out.set("XSDT", xsdt);
  return out;
}

Deno.test("AML: lengths that count themselves, names, numbers, IDs", () => {
  assertEquals(scope("\\_SB"), [0x10, 0x06, 0x5c, ...ascii("_SB_")]);
  assertEquals(name("A.B", 1), [0x08, 0x2e, ...ascii("A___B___"), 1]);
  assertEquals(name("X", 0x1234), [0x08, ...ascii("X___"), 0x0b, 0x34, 0x12]);
  assertEquals(name("X", list(0, "LNKA")), [0x08, ...ascii("X___"), 0x12, 0x07, 2, 0, ...ascii("LNKA")]);
  for (const [length, lead] of [[0x3e, [0x3f]], [0x3f, [0x41, 0x04]], [0xffd, [0x4f, 0xff]], [0xffe, [0x81, 0x00, 0x01]]] as const) {
    assertEquals(scope("ABCD", Array<number>(length - 4).fill(0xa3)).slice(0, 1 + lead.length), [0x10, ...lead], `body of ${length} bytes`);
  }
  assertEquals([eisaId("PNP0A03"), eisaId("PNP0303"), text("a"), le(0x1_0203, 4)], [0x030a_d041, 0x0303_d041, [0x0d, 0x61, 0], [
    3,
    2,
    1,
    0,
  ]]);
});

Deno.test("ACPI: sums, signatures, lengths and pointers at any address", () => {
  for (const base of [BASE, 0x10_0040]) {
    const placed = placeAcpi(acpiTables(PC), base), tables = byName(placed, base);
    assertEquals([...tables.keys()], ["FACP", "APIC", "HPET", "FACS", "DSDT", "RSDT", "XSDT"]);
    assertEquals([letters(placed.rsdp, 0, 8), sum(placed.rsdp.subarray(0, 20)), sum(placed.rsdp)], ["RSD PTR ", 0, 0]);
    for (const [signature, bytes] of tables) if (signature !== "FACS") assertEquals(sum(bytes), 0, signature);
    assertEquals([tables.get("FACP")!.length, tables.get("FACS")!.length, tables.get("HPET")!.length], [244, 64, 56]);
  }
});

Deno.test("FADT: ports of power management, the interrupt, the reset register", () => {
  const fadt = viewOf(byName(placeAcpi(acpiTables(PC), BASE)).get("FACP")!);
  assertEquals([fadt.getUint16(46, true), fadt.getUint32(48, true), fadt.getUint8(52), fadt.getUint8(53)], [9, 0xb2, 0xf1, 0xf0]);
  assertEquals([56, 64, 76, 80].map((at) => fadt.getUint32(at, true)), [0x600, 0x604, 0x608, 0x60c]);
  assertEquals([88, 89, 91, 92].map((at) => fadt.getUint8(at)), [4, 2, 4, 4]);
  assertEquals([fadt.getUint32(112, true) >> 10 & 1, fadt.getUint8(116), fadt.getUint32(120, true), fadt.getUint8(128)], [1, 1, 0xcf9, 6]);
  assertEquals([148, 172, 208, 220].map((at) => [fadt.getUint8(at), fadt.getUint8(at + 1), fadt.getUint32(at + 4, true)]), [
    [1, 32, 0x600],
    [1, 16, 0x604],
    [1, 32, 0x608],
    [1, 32, 0x60c],
  ]);
});

Deno.test("MADT: processors, I/O APIC, overrides, NMI", () => {
  const madt = byName(placeAcpi(acpiTables(PC), BASE)).get("APIC")!, entries: number[][] = [];
  for (let at = 44; at < madt.length; at += madt[at + 1]) entries.push([...madt.subarray(at, at + madt[at + 1])]);
  assertEquals(viewOf(madt).getUint32(36, true), 0xfee0_0000);
  assertEquals(entries, [
    [0, 8, 0, 0, 1, 0, 0, 0],
    [0, 8, 1, 1, 1, 0, 0, 0],
    [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
    [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
    [2, 10, 0, 9, 9, 0, 0, 0, 13, 0],
    [2, 10, 0, 10, 10, 0, 0, 0, 13, 0],
    [4, 6, 255, 0, 0, 1],
  ]);
});

Deno.test("MP table: pointer, sums, every entry", () => {
  const bytes = mpTable(PC, 0xf_c000)!, table = bytes.subarray(16), view = viewOf(bytes);
  assertEquals([letters(bytes, 0), view.getUint32(4, true), sum(bytes.subarray(0, 16))], ["_MP_", 0xf_c010, 0]);
  assertEquals([letters(table, 0), view.getUint16(20, true), sum(table), view.getUint32(16 + 36, true)], [
    "PCMP",
    table.length,
    0,
    0xfee0_0000,
  ]);
  const entries: number[][] = [];
  for (let at = 44; at < table.length; at += entries.at(-1)!.length) entries.push([...table.subarray(at, at + (table[at] === 0 ? 20 : 8))]);
  assertEquals(entries.length, view.getUint16(16 + 34, true));
  const of = (type: number) => entries.filter((e) => e[0] === type);
  assertEquals(of(0).map((e) => [e[1], e[3]]), [[0, 3], [1, 1]]);
  assertEquals(of(1).map((e) => String.fromCharCode(...e.slice(2))), ["PCI   ", "ISA   "]);
  assertEquals(of(2), [[2, 0, 0x20, 1, 0, 0, 0xc0, 0xfe]]);
  // Pin A of device 1 is power management's; device 2 follows one link further.
  const pci = of(3).filter((e) => e[4] === 0).map((e) => [e[2], e[5], e[7]]);
  assertEquals(pci, [[13, 4, 9], [13, 5, 10], [13, 6, 11], [13, 7, 11], [13, 8, 10], [13, 9, 11], [13, 10, 11], [13, 11, 10]]);
  const isa = of(3).filter((e) => e[4] === 1).map((e) => [e[5], e[7]]);
  assertEquals(isa, [[0, 2], ...[1, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15].map((n) => [n, n])]);
  assertEquals(of(4), [[4, 3, 0, 0, 1, 0, 0, 0], [4, 1, 0, 0, 1, 0, 255, 1]]);
  const { ioApic: _, ...none } = PC;
  assertEquals(mpTable(none, 0xf_c000), undefined);
});

Deno.test("SMBIOS: the anchor's sums, and structures that follow one another to the last", () => {
  const { anchor, structures } = smbios(PC, 0xf_d000), view = viewOf(anchor);
  assertEquals([letters(anchor, 0), sum(anchor), letters(anchor, 16, 5), sum(anchor.subarray(16))], ["_SM_", 0, "_DMI_", 0]);
  assertEquals([view.getUint32(24, true), view.getUint16(22, true)], [0xf_d000, structures.length]);
  const types: number[] = [];
  let at = 0, texts = "";
  while (at < structures.length) {
    types.push(structures[at]);
    let end = at + structures[at + 1];
    while (structures[end] || structures[end + 1]) end++;
    texts += letters(structures, at + structures[at + 1], end - at - structures[at + 1]) + "|";
    at = end + 2;
  }
  assertEquals([types, at, view.getUint16(28, true)], [[0, 1, 3, 4, 16, 17, 19, 32, 127], structures.length, types.length]);
  assert(texts.includes("bringup\0pc\0"), texts);
});

Deno.test("for other firmware: the commands of the table loader give what we place ourselves", () => {
  const files = new Map(firmwareFiles(PC).map((f) => [f.name, f.bytes.slice()])), script = files.get("etc/table-loader")!;
  const where = new Map<string, number>(), fileAt = (at: number) => letters(script, at, 56).replace(/\0.*/s, "");
  const expected = placeAcpi(acpiTables(PC), BASE);
  for (let at = 0; at < script.length; at += 128) {
    const view = new DataView(script.buffer, at, 128), file = files.get(fileAt(at + 4))!;
    switch (view.getUint32(0, true)) {
      case 1: // allocate
        where.set(fileAt(at + 4), BASE);
        break;
      case 2: { // add a pointer
        const offset = view.getUint32(116, true), of = viewOf(file);
        of.setUint32(offset, of.getUint32(offset, true) + where.get(fileAt(at + 60))!, true);
        break;
      }
      case 3: { // add a checksum
        const [to, from, length] = [60, 64, 68].map((i) => view.getUint32(i, true));
        file[to] -= sum(file.subarray(from, from + length));
      }
    }
  }
  assertEquals(files.get("etc/acpi/tables"), expected.tables);
  assertEquals(files.get("etc/acpi/rsdp"), expected.rsdp);
  const { pm: _, ...none } = PC;
  assertEquals(firmwareFiles(none).map((f) => f.name), ["etc/smbios/smbios-tables", "etc/smbios/smbios-anchor"]);
});

const iasl = (...args: string[]) => new Deno.Command("iasl", { args, stdout: "piped", stderr: "piped" }).outputSync();
const installed = (() => {
  try {
    return iasl("-v").success;
  } catch {
    return false;
  }
})();
if (!installed) console.log("ACPI tables through iasl: skipped, it is not installed");

Deno.test({
  name: "Intel's compiler takes the DSDT apart and puts it together again without a complaint",
  ignore: !installed,
  fn: () => {
    const folder = Deno.makeTempDirSync();
    try {
      for (const [signature, bytes] of byName(placeAcpi(acpiTables(PC), BASE))) {
        const file = join(folder, `${signature}.aml`);
        Deno.writeFileSync(file, bytes);
        const { stdout, stderr } = iasl("-d", file), said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
        assert(!/error|warning|invalid/i.test(said), said);
      }
      const source = join(folder, "DSDT.dsl"), { stdout } = iasl("-p", join(folder, "again"), source);
      assert(/ 0 Errors, 0 Warnings/.test(new TextDecoder().decode(stdout)), new TextDecoder().decode(stdout));
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
