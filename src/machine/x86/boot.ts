// The way from reset to a kernel without a BIOS: the processor's state, and what the kernel may ask about the machine. What it is told, and how,
// is in the protocols' files (multiboot.ts, linux.ts, linux16.ts, pvh.ts).
import { ConfigError } from "../../core/errors.ts";
import { type MapEntry, setClosestMode } from "../../firmware/bios/mod.ts";
import type { X86Cpu } from "../../x86/cpu.ts";
import { setReal } from "../../x86/segment_loads.ts";
import { BIG, CODE, CS, DS, ES, FS, GRANULAR, GS, LONG, PRESENT, READABLE, S, SS, TR, TSS32_BUSY, WRITABLE } from "../../x86/segments.ts";
import type { ImageSegment, Symbols } from "../elf.ts";
import { mainRam } from "../machine_graph.ts";
import type { PlatformParts } from "../platform.ts";
import type { BuiltinBios } from "./bios.ts";
import { Places } from "../places.ts";

const MIB = 2 ** 20, GIB = 2 ** 30, PAGE = 4096;
/** Where the tables for a directly started kernel go if the kernel is not there itself, above the place of a boot sector; QEMU's place as well. */
const BOOT_INFO = 0x9000, BOOT_INFO_BYTES = 0x6000;
/** Page tables for a 64-bit entry: the same. */
const PAGE_TABLES = 0x1_0000, MAPPED_GIB = 4, PAGE_TABLE_BYTES = (2 + MAPPED_GIB) * PAGE;
/** Behind the interrupt vectors and the BIOS's data area. */
const LOWEST = 0x1000;
/** Linux's selectors; the other protocols leave them open. */
const BOOT_CS = 0x10, BOOT_DS = 0x18;
const FLAT = GRANULAR | PRESENT | S | 0x100, FLAT_CODE = FLAT | CODE | READABLE, FLAT_DATA = FLAT | BIG | WRITABLE;
const CR0_PE = 0x1, CR0_ET = 0x10, CR0_PG = 0x8000_0000, CR4_PAE = 0x20, EFER_LME_LMA = 0x500;
const GDT_BYTES = 0x20, PTE = 0x3, PTE_LARGE = 0x83;

/** A file that the kernel is given: an initial RAM disk or a Multiboot module. */
export interface BootModule {
  /** The file's name and its arguments, as they were written. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** How the kernel's first instruction finds the processor. */
export interface BootEntry {
  /** General registers; the others are 0. */
  readonly registers: Readonly<Record<string, number>>;
  /** In 64-bit mode with the first 4 GiB mapped, instead of 32-bit mode without paging. */
  readonly long?: boolean;
  /** In real mode: the segment of its data and stack; its code is 0x20 behind it. */
  readonly real?: number;
}

/**
 * In the order of preference: a disk may hold a Multiboot kernel in its first sectors. `linux64` and `linux16` are other entries of a Linux
 * kernel, of which the last is the only one of some.
 */
export const PROTOCOLS = ["linux", "linux64", "linux16", "bios", "multiboot2", "multiboot1", "pvh"] as const;
export type X86Protocol = typeof PROTOCOLS[number];

/** A file that can be booted. */
export interface X86Image {
  readonly protocol: X86Protocol;
  /** Physical address of the first instruction; unused for a disk. */
  readonly entry: number;
  readonly segments: readonly ImageSegment[];
  readonly symbols: Symbols;
  /** Writes what the protocol tells a kernel; absent for a disk. */
  tell?(boot: Boot): BootEntry;
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
  readonly table: Table;
  readonly #places: Places;

  constructor(
    readonly parts: PlatformParts,
    readonly bios: BuiltinBios,
    readonly image: X86Image,
    readonly imageName: string,
    readonly modules: readonly BootModule[],
    /** Where memory is. */
    readonly map: readonly MapEntry[] = bios.memoryMap,
  ) {
    const segments = image.segments.map((s) => ({ base: s.paddr, length: s.size }));
    this.#places = new Places(map.filter((e) => e.type === 1), segments);
    // Below 640 KiB the BIOS keeps data, above it its ROM and what its ROM tells; at the top of memory are the ACPI tables.
    const kept = bios.possible ? map.find((e) => e.type !== 1 && this.#places.touched(e.base, e.length)) : undefined;
    if (kept) {
      throw new ConfigError(
        `it would overwrite 0x${kept.base.toString(16)}..0x${(kept.base + kept.length - 1).toString(16)}, which the BIOS keeps`,
        {
          file: imageName,
        },
      );
    }
    for (const { name, segments } of parts.loads) {
      for (const { paddr, size } of segments) {
        const there = this.#places.touched(paddr, size);
        if (there) {
          throw new ConfigError(`it goes to 0x${paddr.toString(16)}..0x${(paddr + size - 1).toString(16)}, where '${imageName}' is`, {
            file: name,
          });
        }
      }
      for (const { paddr, size } of segments) this.#places.take(paddr, size);
    }
    this.table = new Table(this.low(BOOT_INFO_BYTES + GDT_BYTES, BOOT_INFO));
  }

  /** A place for tables: the usual one, or the next that is free. @throws {ConfigError} there is none. */
  low(length: number, usual: number): number {
    const below = 4 * GIB, at = this.#places.lowest(length, { from: usual, below }) ?? this.#places.lowest(length, { from: LOWEST, below });
    if (at === undefined) {
      throw new ConfigError(`no room below 4 GiB for ${length} bytes that tell the kernel about the machine`, this.#place);
    }
    return this.#places.take(at, length);
  }
  get #place() {
    return mainRam(this.parts.graph).place;
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
    const ends = this.image.segments.map((s) => s.paddr + s.size).filter((end) => end <= 4 * GIB), wish = { from: MIB, below: 4 * GIB };
    return this.#put(
      bytes,
      this.#places.lowest(bytes.length, { ...wish, from: Math.max(MIB, ...ends) }) ?? this.#places.lowest(bytes.length, wish),
    );
  }
  /** Puts bytes as high as possible below an address. @throws {ConfigError} they do not fit. */
  placeHigh(bytes: Uint8Array, below = 4 * GIB): number {
    return this.#put(bytes, this.#places.highest(bytes.length, { from: MIB, below }));
  }
  #put(bytes: Uint8Array, at: number | undefined): number {
    const { length } = bytes;
    if (at === undefined) {
      throw new ConfigError(
        `no room for ${length} bytes beside the kernel: an initial RAM disk or module, or the machine's memory`,
        this.#place,
      );
    }
    this.parts.bus.writeBytes(at, bytes);
    return this.#places.take(at, length);
  }
}

/** Puts what a kernel is told into memory, and the processor before its first instruction; the image's segments are in memory already. */
export function startKernel(boot: Boot, core: X86Cpu): void {
  const { bus } = boot.parts, { registers, long, real } = boot.image.tell!(boot);
  for (const name of ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"]) core.setReg(name, BigInt(registers[name] ?? 0));
  if (real !== undefined) {
    for (const n of [ES, SS, DS, FS, GS]) setReal(core, n, real);
    setReal(core, CS, real + 0x20);
    core.derived.reload();
    core.setReg("rip", 0n);
    return;
  }
  bus.writeBytes(boot.table.base, boot.table.bytes());
  // Flat segments with their descriptors in memory; interrupts are off since the reset.
  const gdt = boot.table.end, code = FLAT_CODE | (long ? LONG : BIG);
  const descriptors = new DataView(new ArrayBuffer(GDT_BYTES));
  for (const [selector, attributes] of [[BOOT_CS, code], [BOOT_DS, FLAT_DATA]]) {
    descriptors.setUint32(selector, 0xffff, true);
    descriptors.setUint32(selector + 4, attributes | 0xf_0000, true);
  }
  bus.writeBytes(gdt, new Uint8Array(descriptors.buffer));
  core.s.cr0 = CR0_PE | CR0_ET;
  if (long) {
    const at = boot.low(PAGE_TABLE_BYTES, PAGE_TABLES);
    bus.writeBytes(at, identityMap(at));
    core.setReg("cr3", BigInt(at));
    core.s.cr4 = CR4_PAE;
    core.window.efer = EFER_LME_LMA;
    core.s.cr0 |= CR0_PG;
  }
  core.segments.set(CS, BOOT_CS, 0, 0, 0xffff_ffff, code);
  for (const n of [ES, SS, DS, FS, GS]) core.segments.set(n, BOOT_DS, 0, 0, 0xffff_ffff, FLAT_DATA);
  core.segments.set(TR, 0, 0, 0, 0xffff, PRESENT | TSS32_BUSY << 8);
  core.setReg("gdtr_base", BigInt(gdt));
  core.setReg("gdtr_limit", BigInt(descriptors.byteLength - 1));
  core.derived.reload();
  core.setReg("rip", BigInt(boot.image.entry));
}

/** Page tables of four levels that map the first 4 GiB to themselves by pages of 2 MiB, as they are at an address. */
function identityMap(at: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(PAGE_TABLE_BYTES)), directories = 2 * PAGE;
  const set = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  set(0, at + PAGE + PTE);
  for (let i = 0; i < MAPPED_GIB; i++) set(PAGE + 8 * i, at + directories + i * PAGE + PTE);
  for (let i = 0; i < 512 * MAPPED_GIB; i++) set(directories + 8 * i, i * 2 * MIB + PTE_LARGE);
  return new Uint8Array(view.buffer);
}

/** A growing block of memory; offsets are from its start, aligned to 8 bytes. Behind it is room for the segment descriptors. */
class Table {
  readonly view = new DataView(new ArrayBuffer(BOOT_INFO_BYTES));
  #length = 0;
  constructor(readonly base: number) {}
  get end(): number {
    return this.base + this.view.byteLength;
  }
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
