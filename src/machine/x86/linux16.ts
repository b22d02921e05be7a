// Linux's oldest entry: the kernel's own code in real mode runs first, and asks a BIOS for what it needs. Images that only look like Linux
// (iPXE, memdisk) have no other; so have kernels before 2.6.22 and zImages.
// Source: Linux Documentation/arch/x86/boot.rst (6.12), "Memory Layout", "Loading the rest of the kernel", "Running the kernel".
// Not modelled: boot protocols before 2.00, video modes of `vga=`.
import { ConfigError } from "../../core/errors.ts";
import { Symbols } from "../elf.ts";
import type { Boot, BootEntry, X86Image } from "./boot.ts";
import { CODE32_START, LOADFLAGS, SETUP_SECTORS, VERSION } from "./linux.ts";

/** Offsets in the setup header; the first two are those of protocols before 2.02. */
const CMDLINE_MAGIC = 0x20, CMDLINE_OFFSET = 0x22, LOADER = 0x210, INITRD = 0x218, INITRD_SIZE = 0x21c, HEAP_END = 0x224, CMDLINE = 0x228;
const INITRD_MAX = 0x22c, CMDLINE_SIZE = 0x238, VIDEO_MODE = 0x1fa, NORMAL_VIDEO = 0xffff;
const LOADED_HIGH = 0x01, CAN_USE_HEAP = 0x80, OTHER_LOADER = 0xff, OLD_CMDLINE = 0xa33f;
const WITH_HEAP = 0x0201, WITH_CMDLINE_POINTER = 0x0202, WITH_INITRD_MAX = 0x0203, WITH_CMDLINE_SIZE = 0x0206;
/** Where the code in real mode goes: before 2.02 it had to be at 9000:0. And its size with its heap and stack. */
const REAL = 0x1_0000, OLD_REAL = 0x9_0000, REAL_BYTES = 0x8000, HEAP_BYTES = 0x1000;
const KERNEL = 0x10_0000, ZIMAGE = 0x1_0000;
/** Limits of kernels that do not tell theirs. */
const OLD_INITRD_MAX = 0x37ff_ffff, OLD_CMDLINE_SIZE = 255;

/** Whether an image that looks like Linux has no entry but this one. */
export function needsRealMode(file: Uint8Array): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return view.getUint16(VERSION, true) < WITH_CMDLINE_SIZE || !(file[LOADFLAGS] & LOADED_HIGH) || view.getUint32(CODE32_START, true) === 0;
}

/** @throws {ConfigError} the image is damaged. */
export function readLinux16(file: Uint8Array, name: string): X86Image {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength), version = view.getUint16(VERSION, true);
  const setup = 512 * ((file[SETUP_SECTORS] || 4) + 1), high = (file[LOADFLAGS] & LOADED_HIGH) !== 0;
  const real = version < WITH_CMDLINE_POINTER || !high ? OLD_REAL : REAL, at = high ? KERNEL : ZIMAGE;
  if (setup > REAL_BYTES || setup >= file.length) {
    throw new ConfigError(`damaged kernel: its setup has ${setup} bytes of ${file.length}; at most ${REAL_BYTES} can be loaded`, {
      file: name,
    });
  }
  const segment = (paddr: number, bytes: Uint8Array, size: number) => ({ paddr, vaddr: BigInt(paddr), bytes, size });
  const [code, kernel] = [file.subarray(0, setup), file.subarray(setup)];
  return {
    protocol: "linux16",
    entry: real + 0x200,
    segments: [segment(real, code, REAL_BYTES + HEAP_BYTES), segment(at, kernel, kernel.length)],
    symbols: new Symbols(),
    tell: (boot) => tellLinux16(boot, view, real),
  };
}

/** Fills in what the boot loader tells in the header. */
function tellLinux16(boot: Boot, file: DataView, real: number): BootEntry {
  const { bus } = boot.parts, version = file.getUint16(VERSION, true), text = new TextEncoder().encode(boot.cmdline + "\0");
  const longest = version >= WITH_CMDLINE_SIZE ? file.getUint32(CMDLINE_SIZE, true) : OLD_CMDLINE_SIZE, room = HEAP_BYTES - 256;
  if (text.length - 1 > Math.min(longest, room)) {
    const problem = `the command line has ${text.length - 1} bytes; this kernel takes ${Math.min(longest, room)}`;
    throw new ConfigError(problem, { file: boot.imageName });
  }
  // Setup, then heap and stack, then the command line.
  const cmdline = REAL_BYTES, heapEnd = REAL_BYTES - 0x200;
  bus.writeBytes(real + cmdline, text);
  bus.write(real + VIDEO_MODE, 2, NORMAL_VIDEO);
  bus.write(real + LOADER, 1, OTHER_LOADER);
  if (version >= WITH_HEAP) {
    bus.write(real + LOADFLAGS, 1, file.getUint8(LOADFLAGS) | CAN_USE_HEAP);
    bus.write(real + HEAP_END, 2, heapEnd);
  }
  if (version >= WITH_CMDLINE_POINTER) bus.write(real + CMDLINE, 4, real + cmdline);
  else {
    bus.write(real + CMDLINE_MAGIC, 2, OLD_CMDLINE);
    bus.write(real + CMDLINE_OFFSET, 2, cmdline);
  }
  const [initrd] = boot.modules, below = (version >= WITH_INITRD_MAX ? file.getUint32(INITRD_MAX, true) : OLD_INITRD_MAX) + 1;
  if (initrd) {
    bus.write(real + INITRD, 4, boot.placeHigh(initrd.bytes, below));
    bus.write(real + INITRD_SIZE, 4, initrd.bytes.length);
  }
  return { registers: { rsp: REAL_BYTES - 16 }, real: real >> 4 };
}
