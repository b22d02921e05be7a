// ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT, HPET. Sources: ACPI Specification 6.3, chapters 5.2 and 6;
// IA-PC HPET Specification 1.0a, 3.2.4. They are made as one block with places that depend on its address, so that either we or a firmware
// that gets it by fw_cfg can put it anywhere.
import * as aml from "./aml.ts";
import { ascii, join, le } from "./aml.ts";
import { LINK_CHOICES, linkOf, type TablesDescription } from "./description.ts";

/** Tables that can be put anywhere. Offsets are from the beginning of the block they are in. */
export interface AcpiTables {
  readonly tables: Uint8Array;
  /** Root pointer; its pointers lead into `tables`. */
  readonly rsdp: Uint8Array;
  readonly pointers: readonly Pointer[];
  /** Later ones contain earlier ones. */
  readonly checksums: readonly Checksum[];
}
/** A place that holds an offset in `tables` instead of an address. */
interface Pointer {
  readonly in: "tables" | "rsdp";
  readonly at: number;
  readonly bytes: 4 | 8;
}
/** A byte at `at` that makes `length` bytes from `from` on add up to 0. */
interface Checksum {
  readonly in: "tables" | "rsdp";
  readonly at: number;
  readonly from: number;
  readonly length: number;
}

const HEADER = 36, CHECKSUM = 9;
export const ACPI_ENABLE = 0xf1, ACPI_DISABLE = 0xf0, SMI_PORT = 0xb2;
const RESET_PORT = 0xcf9, FULL_RESET = 6;
/** FADT flags: WBINVD works, C1 on every processor, no sleep button, the RTC wakes from S4, platform clock; reset register. */
const FADT_FLAGS = 0x80a5, FADT_RESET = 0x400;
const LEGACY_DEVICES = 1, HAS_8042 = 2;
const ACTIVE_HIGH_LEVEL = 0xd;
const HPET_ID = 0x8086_a201;

const OEM = ascii("BRINGU"), REST = join(OEM, ascii("BRINGUP "), le(1, 4), ascii("BRNG"), le(1, 4));
const table = (signature: string, revision: number, body: readonly number[]): number[] =>
  join(ascii(signature), le(HEADER + body.length, 4), revision, 0, REST, body);
const zeros = (bytes: number): number[] => Array<number>(bytes).fill(0);
/** A generic address: port space (1) or memory (0). */
const address = (space: number, bits: number, at: number): number[] => join(space, bits, 0, 0, le(at, 8));

/** The tables of a machine that has power management: without it there is no ACPI. */
export function acpiTables(d: TablesDescription): AcpiTables {
  let block: number[] = [];
  const pointers: Pointer[] = [], checksums: Checksum[] = [];
  const add = (bytes: readonly number[]): number => {
    const at = Math.ceil(block.length / 16) * 16;
    block = join(block, zeros(at - block.length), bytes);
    checksums.push({ in: "tables", at: at + CHECKSUM, from: at, length: bytes.length });
    return at;
  };
  // The FACS, at the beginning since it must be aligned to 64 bytes, has no checksum.
  const facs = add(join(ascii("FACS"), le(64, 4), zeros(56)));
  checksums.length = 0;
  const dsdt = add(table("DSDT", 2, dsdtBody(d))), fadt = add(table("FACP", 3, fadtBody(d, facs, dsdt)));
  for (const at of [36, 40]) pointers.push({ in: "tables", at: fadt + at, bytes: 4 });
  pointers.push({ in: "tables", at: fadt + 140, bytes: 8 });
  const listed = [fadt];
  if (d.localApic !== undefined) listed.push(add(table("APIC", 3, madtBody(d, d.localApic))));
  if (d.hpet !== undefined) listed.push(add(table("HPET", 1, join(le(HPET_ID, 4), address(0, 64, d.hpet), 0, 0, 0, 0))));
  const rsdt = add(table("RSDT", 1, listed.flatMap((t) => le(t, 4)))), xsdt = add(table("XSDT", 1, listed.flatMap((t) => le(t, 8))));
  for (const i of listed.keys()) {
    pointers.push({ in: "tables", at: rsdt + HEADER + 4 * i, bytes: 4 }, { in: "tables", at: xsdt + HEADER + 8 * i, bytes: 8 });
  }
  const rsdp = join(ascii("RSD PTR "), 0, OEM, 2, le(rsdt, 4), le(36, 4), le(xsdt, 8), 0, 0, 0, 0);
  pointers.push({ in: "rsdp", at: 16, bytes: 4 }, { in: "rsdp", at: 24, bytes: 8 });
  checksums.push({ in: "rsdp", at: 8, from: 0, length: 20 }, { in: "rsdp", at: 32, from: 0, length: 36 });
  return { tables: new Uint8Array(block), rsdp: new Uint8Array(rsdp), pointers, checksums };
}

/** The tables for an address, with pointers and sums. */
export function placeAcpi(t: AcpiTables, base: number): { tables: Uint8Array; rsdp: Uint8Array } {
  const out = { tables: t.tables.slice(), rsdp: t.rsdp.slice() };
  for (const p of t.pointers) {
    const view = new DataView(out[p.in].buffer);
    view.setUint32(p.at, view.getUint32(p.at, true) + base, true);
  }
  for (const c of t.checksums) {
    const bytes = out[c.in];
    let sum = 0;
    for (let i = c.from; i < c.from + c.length; i++) sum += bytes[i];
    bytes[c.at] = -sum;
  }
  return out;
}

function fadtBody(d: TablesDescription, facs: number, dsdt: number): number[] {
  const pm = d.pm!, reset = d.pci !== undefined, boot = LEGACY_DEVICES | (d.isa.some((i) => i.id === "PNP0303") ? HAS_8042 : 0);
  const none = address(0, 0, 0), ports = (offset: number, bits: number) => address(1, bits, pm.base + offset);
  return join(
    ...[le(facs, 4), le(dsdt, 4), 0, 1, le(pm.sci, 2), le(SMI_PORT, 4), ACPI_ENABLE, ACPI_DISABLE, 0, 0],
    ...[pm.base, 0, pm.base + 4, 0, 0, pm.base + 8, pm.base + 12, 0].map((n) => le(n, 4)),
    [4, 2, 0, 4, 4, 0, 0, 0],
    // No C2 and C3, no cache to flush by reading, no duty cycle; the CMOS clock has its century at 32h.
    ...[le(0xfff, 2), le(0xfff, 2), zeros(8), 0x32, le(boot, 2), 0],
    ...[le(FADT_FLAGS | (reset ? FADT_RESET : 0), 4), reset ? address(1, 8, RESET_PORT) : none, reset ? FULL_RESET : 0, 0, 0, 0],
    // The FACS must not be named twice.
    ...[zeros(8), le(dsdt, 8), ports(0, 32), none, ports(4, 16), none, none, ports(8, 32), ports(12, 32), none],
  );
}

function madtBody(d: TablesDescription, localApic: number): number[] {
  const io = d.ioApic, PC_AT_COMPATIBLE = 1;
  return join(
    ...[le(localApic, 4), le(PC_AT_COMPATIBLE, 4)],
    ...Array.from({ length: d.processors }, (_, n) => [0, 8, n, n, 1, 0, 0, 0]),
    ...(io ? [1, 12, io.id, 0, le(io.address, 4), le(0, 4)] : []),
    ...d.overrides.map((o) => join(2, 10, 0, o.irq, le(o.input, 4), le(o.level ? ACTIVE_HIGH_LEVEL : 0, 2))),
    [4, 6, 0xff, 0, 0, 1], // NMI at LINT1 of every processor
  );
}

function dsdtBody(d: TablesDescription): number[] {
  const { name, device } = aml, bridge = d.pci?.isaBridge, isa = d.isa.map(isaDevice);
  const processors = Array.from(
    { length: d.processors },
    (_, n) => device(`C${n.toString(16).padStart(3, "0").toUpperCase()}`, name("_HID", aml.text("ACPI0007")), name("_UID", n)),
  );
  const hpet = d.hpet === undefined
    ? []
    : device("HPET", name("_HID", aml.eisaId("PNP0103")), name("_UID", 0), name("_CRS", aml.resources(aml.memory(d.hpet, 0x400))));
  const behind = bridge
    ? [device("ISA", name("_ADR", slotAddress(bridge)), aml.configBytes("PIRQ", 0x60, "PRQA", "PRQB", "PRQC", "PRQD"), ...isa)]
    : isa;
  return join(
    aml.scope("\\_SB", ...processors, hpet, ...(d.pci ? [pciHost(d, behind)] : behind), ...(bridge ? [..."ABCD"].map(linkDevice) : [])),
    // Sleep type 0 in PM1_CNT is off.
    name("\\_S5", aml.list(0, 0, 0, 0)),
  );
}

const slotAddress = (slot: string): number => {
  const [dev, func] = slot.split(".").map(Number);
  return dev << 16 | func;
};

function isaDevice(d: TablesDescription["isa"][number], n: number, all: TablesDescription["isa"]): aml.Aml {
  const before = all.slice(0, n).filter((o) => o.id === d.id).length;
  return aml.device(
    d.name,
    aml.name("_HID", aml.eisaId(d.id)),
    aml.name("_UID", before + 1),
    aml.name("_CRS", aml.resources(...d.ports.map((p) => aml.ports(p.base, p.length)), ...d.irqs.map(aml.isaIrq))),
  );
}

/** The host bridge with what it passes on, how pins are routed, and what is behind it. */
function pciHost(d: TablesDescription, behind: readonly aml.Aml[]): aml.Aml {
  const { devices, isaBridge } = d.pci!, { pm } = d;
  const routes = devices.flatMap((dev) =>
    [0, 1, 2, 3].map((pin) => {
      const where = dev * 0x1_0000 + 0xffff;
      // The ISA bridge's power management raises its own interrupt.
      const own = pm && pin === 0 && isaBridge !== undefined && dev === Number(isaBridge.split(".")[0]);
      return own ? aml.list(where, pin, 0, pm.sci) : aml.list(where, pin, `LNK${"ABCD"[linkOf(dev, pin)]}`, 0);
    })
  );
  const passed = aml.resources(
    aml.busRange(0, 0xff),
    aml.ports(0xcf8, 8),
    aml.portRange(0, 0xcf7),
    aml.portRange(0xd00, 0xffff),
    aml.memoryRange(0xa_0000, 0xb_ffff),
    aml.memoryRange(d.lowMemoryEnd, 0xfebf_ffff),
  );
  return aml.device(
    "PCI0",
    aml.name("_HID", aml.eisaId("PNP0A03")),
    aml.name("_UID", 0),
    aml.name("_CRS", passed),
    isaBridge ? aml.name("_PRT", aml.list(...routes)) : [],
    ...behind,
  );
}

/** An interrupt link (PNP0C0F): its register in the ISA bridge holds the interrupt's number, bit 7 switches it off. */
function linkDevice(letter: string, n: number): aml.Aml {
  const register = `\\_SB.PCI0.ISA.PRQ${letter}`;
  return aml.device(
    `LNK${letter}`,
    aml.name("_HID", aml.eisaId("PNP0C0F")),
    aml.name("_UID", n),
    aml.name("_PRS", aml.resources(aml.sharedIrqs(...LINK_CHOICES))),
    aml.name("NOW", aml.resources(aml.sharedIrqs(0))),
    aml.method("_STA", 0, aml.when(aml.and(register, 0x80), aml.give(0x9)), aml.give(0xb)),
    aml.method("_DIS", 0, aml.setBits(register, 0x80)),
    aml.method("_CRS", 0, aml.dwordField("NOW", 5, "IRQ"), aml.store(aml.and(register, 0xf), "IRQ"), aml.give("NOW")),
    aml.method("_SRS", 1, aml.dwordField(aml.ARG0, 5, "IRQ"), aml.store("IRQ", register)),
  );
}
