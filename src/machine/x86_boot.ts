// The way from reset to a kernel without a BIOS: the processor's state, and what the kernel may ask about the machine. What it is told, and how,
// is in the protocols' files (x86_multiboot.ts, x86_linux.ts, x86_pvh.ts).
import { ConfigError } from "../core/errors.ts";
import { type BiosHost, type MapEntry, setClosestMode } from "../firmware/bios/mod.ts";
import type { X86Cpu } from "../x86/cpu.ts";
import { BIG, CODE, CS, DS, ES, FS, GRANULAR, GS, LONG, PRESENT, READABLE, S, SS, TR, TSS32_BUSY, WRITABLE } from "../x86/segments.ts";
import type { PlatformParts } from "./machine.ts";
import type { X86Image } from "./x86_image.ts";

const MIB = 2 ** 20, GIB = 2 ** 30, PAGE = 4096;
/** Where the tables for a directly started kernel go, below the place of a boot sector; QEMU's place as well. */
const BOOT_INFO = 0x9000, BOOT_INFO_BYTES = 0x6000;
/** Page tables for a 64-bit entry. */
const PAGE_TABLES = 0x1_0000, MAPPED_GIB = 4;
/** Linux's selectors; the other protocols leave them open. */
const BOOT_CS = 0x10, BOOT_DS = 0x18;
const FLAT = GRANULAR | PRESENT | S | 0x100, FLAT_CODE = FLAT | CODE | READABLE, FLAT_DATA = FLAT | BIG | WRITABLE;
const CR0_PE = 0x1, CR0_ET = 0x10, CR0_PG = 0x8000_0000, CR4_PAE = 0x20, EFER_LME_LMA = 0x500;
const PTE = 0x3, PTE_LARGE = 0x83;

/** A file that the kernel is given: an initial RAM disk or a Multiboot module. */
export interface BootModule {
  /** The file's name and its arguments, as they were written. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** How the kernel's first instruction finds the processor. */
export interface Entry {
  /** General registers; the others are 0. */
  readonly registers: Readonly<Record<string, number>>;
  /** In 64-bit mode with the first 4 GiB mapped, instead of 32-bit mode without paging. */
  readonly long?: boolean;
}

/** The screen that a kernel asked for. */
export interface Framebuffer {
  readonly address: number;
  /** Bytes of a line. */
  readonly pitch: number;
  readonly width: number;
  readonly height: number;
  /** Bits of a pixel: 24 or 32, with blue in the lowest byte; 16 bits a cell of a text screen. */
  readonly depth: number;
  readonly text: boolean;
}

/** What there is to tell a kernel. Addresses are physical. */
export class Boot {
  readonly table = new Table(BOOT_INFO);
  /** What is in memory: nothing else may go there. */
  readonly #taken: { readonly base: number; readonly length: number }[];

  constructor(
    readonly parts: PlatformParts,
    readonly bios: BiosHost,
    readonly image: X86Image,
    readonly imageName: string,
    readonly modules: readonly BootModule[],
    /** Where memory is. */
    readonly map: readonly MapEntry[] = bios.memoryMap,
  ) {
    this.#taken = image.segments.map((s) => ({ base: s.paddr, length: s.size }));
  }

  get cmdline(): string {
    return this.parts.options.append ?? this.parts.graph.boot.cmdline;
  }
  /** Where the ACPI tables begin, if a BIOS has put them into memory (ACPI 6.3, 5.2.5.1). */
  get rsdp(): number | undefined {
    const { bus } = this.parts, signature = [0x2044_5352, 0x2052_5450]; // "RSD PTR "
    for (let at = 0xe_0000; at < MIB; at += 16) {
      if (bus.find(at)?.bytes && bus.read(at, 4) === signature[0] && bus.read(at + 4, 4) === signature[1]) return at;
    }
    return undefined;
  }
  /** Whether there is a screen; a BIOS has set its text mode. */
  get hasScreen(): boolean {
    return this.parts.graph.devices.some((d) => d.type === "vga");
  }
  /** Sets the graphics mode that comes closest to the wishes, of which 0 is none; undefined when the machine has no such screen. */
  setFramebuffer(width: number, height: number, depth: number): Framebuffer | undefined {
    const mode = setClosestMode(this.bios, width, height, depth);
    return mode && { ...mode, text: false };
  }

  /** Puts bytes behind the kernel and returns their address, a multiple of a page. @throws {ConfigError} they do not fit. */
  placeLow(bytes: Uint8Array): number {
    const from = Math.max(MIB, ...this.#taken.filter((t) => t.base < 4 * GIB).map((t) => t.base + t.length));
    return this.#place(bytes, Math.ceil(from / PAGE) * PAGE);
  }
  /** Puts bytes at the top of memory below an address, above everything that is there. @throws {ConfigError} they do not fit. */
  placeHigh(bytes: Uint8Array, below = 4 * GIB): number {
    const ends = this.map.filter((e) => e.type === 1 && e.base < below).map((e) => Math.min(below, e.base + e.length));
    return this.#place(bytes, Math.floor((Math.max(0, ...ends) - bytes.length) / PAGE) * PAGE);
  }
  #place(bytes: Uint8Array, at: number): number {
    const { length } = bytes, end = at + length;
    const usable = at >= MIB && this.map.some((e) => e.type === 1 && at >= e.base && end <= e.base + e.length);
    if (!usable || this.#taken.some((t) => t.base < end && t.base + t.length > at)) {
      throw new ConfigError(`no room for ${length} bytes beside the kernel: an initial RAM disk or module, or the machine's memory`, {
        file: this.parts.graph.file,
      });
    }
    this.parts.bus.writeBytes(at, bytes);
    this.#taken.push({ base: at, length });
    return at;
  }
}

/** Puts what a kernel is told into memory, and the processor before its first instruction; the image's segments are in memory already. */
export function startKernel(boot: Boot, core: X86Cpu): void {
  const { bus } = boot.parts, { registers, long } = boot.image.tell!(boot);
  bus.writeBytes(BOOT_INFO, boot.table.bytes());
  // Flat segments with their descriptors in memory; interrupts are off since the reset.
  const gdt = BOOT_INFO - 0x20, code = FLAT_CODE | (long ? LONG : BIG);
  const descriptors = new DataView(new ArrayBuffer(0x20));
  for (const [selector, attributes] of [[BOOT_CS, code], [BOOT_DS, FLAT_DATA]]) {
    descriptors.setUint32(selector, 0xffff, true);
    descriptors.setUint32(selector + 4, attributes | 0xf_0000, true);
  }
  bus.writeBytes(gdt, new Uint8Array(descriptors.buffer));
  core.s.cr0 = CR0_PE | CR0_ET;
  if (long) {
    bus.writeBytes(PAGE_TABLES, identityMap());
    core.setReg("cr3", BigInt(PAGE_TABLES));
    core.s.cr4 = CR4_PAE;
    core.efer = EFER_LME_LMA;
    core.s.cr0 |= CR0_PG;
  }
  core.setSegment(CS, BOOT_CS, 0, 0, 0xffff_ffff, code);
  for (const n of [ES, SS, DS, FS, GS]) core.setSegment(n, BOOT_DS, 0, 0, 0xffff_ffff, FLAT_DATA);
  core.setSegment(TR, 0, 0, 0, 0xffff, PRESENT | TSS32_BUSY << 8);
  core.setReg("gdtr_base", BigInt(gdt));
  core.setReg("gdtr_limit", BigInt(descriptors.byteLength - 1));
  core.reload();
  for (const name of ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"]) core.setReg(name, BigInt(registers[name] ?? 0));
  core.setReg("rip", BigInt(boot.image.entry));
}

/** Page tables of four levels that map the first 4 GiB to themselves by pages of 2 MiB. */
function identityMap(): Uint8Array {
  const view = new DataView(new ArrayBuffer((2 + MAPPED_GIB) * PAGE)), directories = 2 * PAGE;
  const set = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  set(0, PAGE_TABLES + PAGE | PTE);
  for (let i = 0; i < MAPPED_GIB; i++) set(PAGE + 8 * i, PAGE_TABLES + directories + i * PAGE | PTE);
  for (let i = 0; i < 512 * MAPPED_GIB; i++) set(directories + 8 * i, i * 2 * MIB + PTE_LARGE);
  return new Uint8Array(view.buffer);
}

/** A growing block of memory; offsets are from its start, aligned to 8 bytes. */
class Table {
  readonly view = new DataView(new ArrayBuffer(BOOT_INFO_BYTES));
  #length = 0;
  constructor(readonly base: number) {}
  reserve(bytes: number): number {
    const at = this.#length;
    this.#length += Math.ceil(bytes / 8) * 8;
    if (this.#length > this.view.byteLength) {
      throw new ConfigError(`command line, names of modules and section headers do not fit into ${BOOT_INFO_BYTES} bytes`);
    }
    return at;
  }
  /** A text with its terminating zero; its address. */
  text(text: string): number {
    const bytes = new TextEncoder().encode(text), at = this.reserve(bytes.length + 1);
    new Uint8Array(this.view.buffer).set(bytes, at);
    return this.base + at;
  }
  bytes(): Uint8Array {
    return new Uint8Array(this.view.buffer, 0, this.#length);
  }
}
