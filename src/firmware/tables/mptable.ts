// The table of processors and interrupt assignments for kernels without ACPI.
// Source: Intel MultiProcessor Specification 1.4 (242016-006, May 1997), chapter 4.
import { ascii, le } from "./aml.ts";
import { LINK_IRQS, linkOf, type TablesDescription } from "./description.ts";

const SPEC_REVISION = 4, APIC_VERSION = 0x14, IO_APIC_VERSION = 0x20, FEATURES = 0x201;
const ENABLED = 1, BOOTSTRAP = 2;
const PROCESSOR = 0, BUS = 1, IO_APIC = 2, IO_INTERRUPT = 3, LOCAL_INTERRUPT = 4;
const INT = 0, NMI = 1, EXT_INT = 3, ALL = 0xff;
const PCI_BUS = 0, ISA_BUS = 1;
/** Polarity and trigger mode: active high; level. */
const ACTIVE_HIGH = 1, LEVEL = 0xc;

const sum = (bytes: readonly number[]): number => bytes.reduce((n, b) => n + b, 0);
/** With the byte at `at` set so that all of them add up to 0. */
function checked(bytes: number[], at: number): number[] {
  bytes[at] = -sum(bytes) & 0xff;
  return bytes;
}

/** The floating pointer and, behind it, the table, for an address that is a multiple of 16; undefined for a machine without APICs. */
export function mpTable(d: TablesDescription, base: number): Uint8Array | undefined {
  if (d.localApic === undefined || !d.ioApic) return undefined;
  const io = d.ioApic.id, busNumber = d.pci ? ISA_BUS : 0, routes: number[][] = [];
  const level = new Set(d.overrides.filter((o) => o.level).map((o) => o.irq));
  for (const dev of d.pci?.isaBridge === undefined ? [] : d.pci.devices) {
    for (let pin = 0; pin < 4; pin++) {
      const irq = dev === Number(d.pci!.isaBridge!.split(".")[0]) && pin === 0 && d.pm ? d.pm.sci : LINK_IRQS[linkOf(dev, pin)];
      routes.push([IO_INTERRUPT, INT, ACTIVE_HIGH | LEVEL, 0, PCI_BUS, dev << 2 | pin, io, irq]);
    }
  }
  const isa = Array.from({ length: 16 }, (_, irq) => {
    const input = d.overrides.find((o) => o.irq === irq)?.input ?? irq;
    return [IO_INTERRUPT, INT, ...le(level.has(irq) ? ACTIVE_HIGH | LEVEL : 0, 2), busNumber, irq, io, input];
  });
  // Input 2 is the timer's where that has moved; interrupts that PCI devices have are assigned above.
  const used = new Set(routes.map((r) => r[7])), moved = new Set(d.overrides.filter((o) => o.input !== o.irq).map((o) => o.input));
  const entries = [
    ...Array.from({ length: d.processors }, (_, n) => [
      ...[PROCESSOR, n, APIC_VERSION, ENABLED | (n === 0 ? BOOTSTRAP : 0), ...le(d.signature, 4), ...le(FEATURES, 4), ...le(0, 8)],
    ]),
    ...(d.pci ? [[BUS, PCI_BUS, ...ascii("PCI   ")]] : []),
    [BUS, busNumber, ...ascii("ISA   ")],
    [IO_APIC, io, IO_APIC_VERSION, ENABLED, ...le(d.ioApic.address, 4)],
    ...routes,
    ...isa.filter((entry, irq) => !moved.has(irq) && !used.has(entry[7])),
    [LOCAL_INTERRUPT, EXT_INT, 0, 0, busNumber, 0, 0, 0],
    [LOCAL_INTERRUPT, NMI, 0, 0, busNumber, 0, ALL, 1],
  ];
  const body = entries.flat(), length = 44 + body.length;
  const table = checked([
    ...[...ascii("PCMP"), ...le(length, 2), SPEC_REVISION, 0, ...ascii("BRINGUP "), ...ascii(d.product.slice(0, 12).padEnd(12))],
    ...[...le(0, 4), ...le(0, 2), ...le(entries.length, 2), ...le(d.localApic, 4), ...le(0, 4), ...body],
  ], 7);
  const pointer = checked([...ascii("_MP_"), ...le(base + 16, 4), 1, SPEC_REVISION, 0, 0, 0, 0, 0, 0], 10);
  return new Uint8Array([...pointer, ...table]);
}
