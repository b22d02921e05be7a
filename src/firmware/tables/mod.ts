// The tables by which a PC's firmware describes the machine: pure functions from a description to bytes.
export { acpiTables, placeAcpi } from "./acpi.ts";
export { type InterruptOverride, type IsaDevice, LINK_IRQS, PM_BASE, type TablesDescription } from "./description.ts";
export { firmwareFiles } from "./loader.ts";
export { mpTable } from "./mptable.ts";
export { smbios } from "./smbios.ts";
