// Linux's bzImage: its setup header, and the boot parameters ("zero page") that it is handed instead of running its real-mode part.
// Source: Linux Documentation/arch/x86/boot.rst (6.12), protocol 2.06 to 2.15; Documentation/arch/x86/zero-page.rst.
// Not modelled: video modes of `vga=`, EFI handover, setup_data. The entry in real mode is in x86_linux16.ts.
import { ConfigError } from "../../core/errors.ts";
import { Symbols } from "../elf.ts";
import type { Boot, BootEntry, X86Image } from "./boot.ts";

/** Offsets in the file, and in the boot parameters. */
export const SETUP_SECTORS = 0x1f1, VERSION = 0x206, LOADFLAGS = 0x211, CODE32_START = 0x214;
const HEADER = 0x1f1, VIDEO_MODE = 0x1fa, BOOT_FLAG = 0x1fe, JUMP_LENGTH = 0x201, MAGIC = 0x202;
const LOADER = 0x210, INITRD = 0x218, INITRD_SIZE = 0x21c, CMDLINE = 0x228, INITRD_MAX = 0x22c;
const XLOADFLAGS = 0x236, CMDLINE_SIZE = 0x238, PREFERRED = 0x258, INIT_SIZE = 0x260;
const ACPI_RSDP = 0x70, MAP_ENTRIES = 0x1e8, MAP = 0x2d0, MOST_ENTRIES = 128, PARAMETERS = 4096;
const HDRS = 0x5372_6448,
  OLDEST = 0x0206,
  LOADED_HIGH = 0x01,
  KERNEL_64 = 0x01,
  ENTRY_64 = 0x200,
  OTHER_LOADER = 0xff,
  NORMAL_VIDEO = 0xffff;
/** From this version on the header tells how much memory the kernel needs before it looks at the map. */
const WITH_INIT_SIZE = 0x020a, WITH_ENTRY_64 = 0x020c;

export function isLinux(file: Uint8Array): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return file.length > 0x264 && view.getUint16(BOOT_FLAG, true) === 0xaa55 && view.getUint32(MAGIC, true) === HDRS;
}

/** @param long the 64-bit entry instead of the 32-bit one. @throws {ConfigError} the kernel is too old, damaged or has no such entry. */
export function readLinux(file: Uint8Array, name: string, long: boolean): X86Image {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), version = view.getUint16(VERSION, true);
  const bad = (problem: string) => new ConfigError(problem, { file: name });
  if (version < OLDEST) {
    throw bad(
      `boot protocol ${version >> 8}.${
        String(version & 0xff).padStart(2, "0")
      } is too old for this entry: Linux 2.6.22 (2.06) or later has it, linux16 starts others`,
    );
  }
  if (!(file[LOADFLAGS] & LOADED_HIGH)) throw bad('a zImage, which is loaded below 1 MiB: boot.protocol = "linux16" starts it');
  if (long && (version < WITH_ENTRY_64 || !(view.getUint16(XLOADFLAGS, true) & KERNEL_64))) throw bad("a kernel without a 64-bit entry");
  const start = 512 * ((file[SETUP_SECTORS] || 4) + 1), bytes = file.subarray(start);
  if (bytes.length === 0) throw bad(`truncated kernel: its code begins at byte ${start}, the file has ${file.length}`);
  const load = view.getUint32(CODE32_START, true), needs = version >= WITH_INIT_SIZE ? view.getUint32(INIT_SIZE, true) : 0;
  // The kernel unpacks itself to the preferred address or, when that lies below, to where it was loaded.
  const to = needs ? Math.max(load, Number(view.getBigUint64(PREFERRED, true))) : load;
  const segment = (paddr: number, bytes: Uint8Array, size: number) => ({ paddr, vaddr: BigInt(paddr), bytes, size });
  return {
    protocol: long ? "linux64" : "linux",
    entry: long ? load + ENTRY_64 : load,
    segments: [segment(load, bytes, bytes.length), ...(needs ? [segment(to, new Uint8Array(), needs)] : [])],
    symbols: new Symbols(),
    tell: (boot) => tellLinux(boot, file, long),
  };
}

function tellLinux(boot: Boot, file: Uint8Array, long: boolean): BootEntry {
  const header = new DataView(file.buffer, file.byteOffset, file.byteLength), { table } = boot, at = table.reserve(PARAMETERS);
  const zero = new DataView(table.view.buffer, at, PARAMETERS), version = header.getUint16(VERSION, true), { cmdline, map } = boot;
  new Uint8Array(table.view.buffer, at).set(file.subarray(HEADER, Math.min(MAGIC + file[JUMP_LENGTH], 0x290)), HEADER);
  const longest = header.getUint32(CMDLINE_SIZE, true), length = new TextEncoder().encode(cmdline).length;
  if (length > longest) {
    throw new ConfigError(`the command line has ${length} bytes; this kernel takes ${longest}`, { file: boot.imageName });
  }
  zero.setUint8(LOADER, OTHER_LOADER);
  zero.setUint16(VIDEO_MODE, NORMAL_VIDEO, true);
  zero.setUint32(CMDLINE, table.text(cmdline), true);
  const [initrd] = boot.modules, below = header.getUint32(INITRD_MAX, true) + 1;
  if (initrd) {
    zero.setUint32(INITRD, boot.placeHigh(initrd.bytes, below), true);
    zero.setUint32(INITRD_SIZE, initrd.bytes.length, true);
  }
  if (version >= 0x020e) zero.setBigUint64(ACPI_RSDP, BigInt(boot.rsdp ?? 0), true);
  zero.setUint8(MAP_ENTRIES, Math.min(map.length, MOST_ENTRIES));
  for (const [i, e] of map.slice(0, MOST_ENTRIES).entries()) {
    zero.setBigUint64(MAP + 20 * i, BigInt(e.base), true);
    zero.setBigUint64(MAP + 20 * i + 8, BigInt(e.length), true);
    zero.setUint32(MAP + 20 * i + 16, e.type, true);
  }
  if (boot.hasScreen) screenInfo(zero);
  // 6.12 boot.rst, "32-bit Boot Protocol": EBP, EDI and EBX are zero.
  return { registers: { rsi: table.base + at, rbp: 0, rdi: 0, rbx: 0 }, long };
}

/** The text mode that the BIOS set: 80 by 25 in colour, the cursor at the top. */
function screenInfo(zero: DataView): void {
  for (const [at, value] of [[0x06, 3], [0x07, 80], [0x0e, 25], [0x0f, 1], [0x10, 16]]) zero.setUint8(at, value);
  zero.setUint16(0x0a, 3, true); // EGA memory: 256 KiB, in colour
}
