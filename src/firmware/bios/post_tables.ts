// What POST does for kernels that look for tables and local APICs: ACPI at the top of low memory, root pointers in ROM, the first local APIC as
// the 8259's way to the processor. Sources: MultiProcessor Specification 1.4, 3.6.2.1 (virtual wire mode) and 4.1; ACPI Specification 6.3, 5.2.5.1;
// DSP0134, 5.2.1.
import { acpiTables, mpTable, placeAcpi, smbios, type TablesDescription } from "../tables/mod.ts";
import type { BiosHost } from "./host.ts";

/** How much of low memory belongs to the ACPI tables, as with SeaBIOS under QEMU, and where memory must reach for it. */
const ACPI_BYTES = 0x2_0000, LEAST_END = 0x20_0000;
/** Where the ROM has room for the others. */
const ROM_AT = 0xf_c000, ROM_END = 0xf_ff00;
const SPURIOUS = 0xf0, LINT0 = 0x350, LINT1 = 0x360, ENABLED_FF = 0x1ff, EXT_INT = 0x8700, NMI = 0x8400;

/** Where the ACPI tables begin; undefined for a machine that has none, or no memory for them. */
export const acpiAddress = (d: TablesDescription): number | undefined =>
  d.pm && d.lowMemoryEnd >= LEAST_END ? d.lowMemoryEnd - ACPI_BYTES : undefined;

export function startApic(host: BiosHost): void {
  const base = host.tables?.localApic;
  if (base === undefined) return;
  for (const [register, value] of [[SPURIOUS, ENABLED_FF], [LINT0, EXT_INT], [LINT1, NMI]]) host.write(base + register, 4, value);
}

export function placeTables(host: BiosHost): void {
  const { tables: d } = host;
  if (!d) return;
  let at = ROM_AT;
  const room = (length: number): number => {
    const from = at;
    at = Math.ceil((at + length) / 16) * 16;
    if (at > ROM_END) throw new Error(`the BIOS has no room for ${length} bytes of tables`);
    return from;
  };
  const put = (bytes: Uint8Array) => host.writeRom(room(bytes.length), bytes);
  const acpi = acpiAddress(d);
  if (acpi !== undefined) {
    const { tables, rsdp } = placeAcpi(acpiTables(d), acpi);
    host.writeBytes(acpi, tables);
    put(rsdp);
  }
  const mp = mpTable(d, at);
  if (mp) put(mp);
  const anchor = room(31), { structures, anchor: bytes } = smbios(d, at);
  host.writeRom(anchor, bytes);
  put(structures);
}
