// Tables for a firmware that gets them by fw_cfg and puts them where it likes. Source: QEMU's docs/specs/fw_cfg.rst and the commands of its
// table loader (SeaBIOS 1.16, src/fw/romfile_loader.h): allocate, add a pointer, add a checksum; 128 bytes each.
import { acpiTables } from "./acpi.ts";
import { ascii, le } from "./aml.ts";
import type { TablesDescription } from "./description.ts";
import { smbios } from "./smbios.ts";

const FILES = { tables: "etc/acpi/tables", rsdp: "etc/acpi/rsdp" };
const ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3, HIGH = 1, F_SEGMENT = 2;
const COMMAND_BYTES = 128, NAME_BYTES = 56;

const named = (file: string): number[] => [...ascii(file), ...Array<number>(NAME_BYTES - file.length).fill(0)];
const command = (kind: number, ...fields: number[]): number[] => {
  const bytes = [...le(kind, 4), ...fields];
  return [...bytes, ...Array<number>(COMMAND_BYTES - bytes.length).fill(0)];
};

/** The files by which a firmware publishes the tables. Without power management there is no ACPI. */
export function firmwareFiles(d: TablesDescription): { readonly name: string; readonly bytes: Uint8Array }[] {
  const { anchor, structures } = smbios(d, 0);
  const files = [{ name: "etc/smbios/smbios-tables", bytes: structures }, { name: "etc/smbios/smbios-anchor", bytes: anchor }];
  if (!d.pm) return files;
  const acpi = acpiTables(d);
  const commands = [
    command(ALLOCATE, ...named(FILES.rsdp), ...le(16, 4), F_SEGMENT),
    command(ALLOCATE, ...named(FILES.tables), ...le(64, 4), HIGH),
    ...acpi.pointers.map((p) => command(ADD_POINTER, ...named(FILES[p.in]), ...named(FILES.tables), ...le(p.at, 4), p.bytes)),
    ...acpi.checksums.map((c) => command(ADD_CHECKSUM, ...named(FILES[c.in]), ...le(c.at, 4), ...le(c.from, 4), ...le(c.length, 4))),
  ];
  return [
    ...files,
    { name: FILES.tables, bytes: acpi.tables },
    { name: FILES.rsdp, bytes: acpi.rsdp },
    { name: "etc/table-loader", bytes: Uint8Array.from(commands.flat()) },
  ];
}
