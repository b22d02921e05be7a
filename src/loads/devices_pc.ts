// Device types and what they need, in the order of evaluation. Written by scripts/dev/gen.ts.
// Deno reads and decodes the source map of every module that is the first to import some other one: let it be this short one.
export { default as floppy } from "../devices/floppy.ts";
export { default as fw_cfg } from "../devices/fw_cfg.ts";
export { default as hpet } from "../devices/hpet.ts";
import "../core/pci.ts";
export { default as i440fx } from "../devices/i440fx.ts";
export { default as i8042 } from "../devices/i8042.ts";
export { default as i8257 } from "../devices/i8257.ts";
import "../devices/ide/atapi.ts";
import "../devices/ide/identify.ts";
export { default as ide } from "../devices/ide.ts";
export { default as ioapic } from "../devices/ioapic.ts";
import "../core/apic.ts";
export { default as lapic } from "../devices/lapic.ts";
export { default as lpt } from "../devices/lpt.ts";
export { default as piix3 } from "../devices/piix3.ts";
export { default as piix4_pm } from "../devices/piix4_pm.ts";
export { default as port_console } from "../devices/port_console.ts";
import "../core/cp437.ts";
import "../core/font8x16.ts";
import "../core/vga_modes.ts";
import "../devices/vga/state.ts";
import "../devices/vga/ports.ts";
import "../devices/vga/dispi.ts";
import "../devices/vga/memory.ts";
import "../devices/vga/picture.ts";
export { default as vga } from "../devices/vga/mod.ts";
export { default as x87_error } from "../devices/x87_error.ts";
