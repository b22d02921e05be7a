// The way from reset to a kernel without a BIOS: the processor's state, and what the kernel is told about the machine.
// Sources: Multiboot Specification 0.6.96, 3.2 and 3.3; Xen's PVH boot ABI (docs/misc/pvh.pandoc and include/public/arch-x86/hvm/start_info.h, 4.16).
import { ConfigError } from "../core/errors.ts";
import type { X86Cpu } from "../x86/cpu.ts";
import { BIG, CODE, CS, DS, ES, FS, GRANULAR, GS, PRESENT, READABLE, S, SS, TR, TSS32_BUSY, WRITABLE } from "../x86/segments.ts";
import { mainRam } from "./graph.ts";
import type { PlatformParts } from "./machine.ts";
import type { X86Image } from "./x86_image.ts";

const MIB = 2 ** 20;
/** Where the tables for a directly started kernel go, below the place of a boot sector; QEMU's place as well. */
const BOOT_INFO = 0x9000;
/** Lowest address of the memory that a BIOS leaves to itself. */
const LOW_END = 0x9_fc00;

/** Puts what a kernel is told into memory, and the processor before its first instruction; the image's segments are in memory already. */
export function startKernel(parts: PlatformParts, core: X86Cpu, image: X86Image, imageName: string, initrd: Uint8Array | undefined): void {
  new Boot(parts, core, image, imageName, initrd).start();
}

class Boot {
  constructor(
    readonly parts: PlatformParts,
    readonly core: X86Cpu,
    readonly image: X86Image,
    readonly imageName: string,
    readonly initrd: Uint8Array | undefined,
  ) {}

  start(): void {
    this.#protectedMode();
    const { core, image } = this, info = image.protocol === "multiboot1" ? this.#multibootInfo() : this.#startInfo();
    core.setReg("rax", image.protocol === "multiboot1" ? 0x2bad_b002n : 0n);
    core.setReg("rbx", BigInt(info));
    core.setReg("rip", BigInt(image.entry));
  }

  /** Flat 32-bit segments with their descriptors in memory, paging and interrupts off. */
  #protectedMode(): void {
    const { core } = this, gdt = BOOT_INFO - 0x20;
    const descriptors = new DataView(new ArrayBuffer(24));
    descriptors.setBigUint64(8, 0x00cf_9b00_0000_ffffn, true);
    descriptors.setBigUint64(16, 0x00cf_9300_0000_ffffn, true);
    this.parts.bus.writeBytes(gdt, new Uint8Array(descriptors.buffer));
    const flat = GRANULAR | BIG | PRESENT | S | 0x100;
    core.s.cr0 = 0x11;
    core.setSegment(CS, 8, 0, 0, 0xffff_ffff, flat | CODE | READABLE);
    for (const n of [ES, SS, DS, FS, GS]) core.setSegment(n, 16, 0, 0, 0xffff_ffff, flat | WRITABLE);
    core.setSegment(TR, 0, 0, 0, 0xffff, PRESENT | TSS32_BUSY << 8);
    core.setReg("gdtr_base", BigInt(gdt));
    core.setReg("gdtr_limit", 23n);
    core.reload();
  }

  /** Where usable memory is, in the manner of a BIOS: what it keeps for itself below 1 MiB is left out. */
  #memoryMap(): { readonly base: number; readonly length: number; readonly usable: boolean }[] {
    const map = this.parts.graph.memories.filter((m) => m.kind === "ram").flatMap((m) => m.segments).flatMap(({ base, length }) => {
      if (base >= LOW_END || base + length <= LOW_END) return [{ base, length, usable: true }];
      const rest = base + length > MIB ? [{ base: MIB, length: base + length - MIB, usable: true }] : [];
      return [{ base, length: LOW_END - base, usable: true }, {
        base: LOW_END,
        length: Math.min(MIB, base + length) - LOW_END,
        usable: false,
      }, ...rest];
    });
    return map.sort((a, b) => a.base - b.base);
  }

  /** The initial RAM disk: at the top of the main RAM's first segment above 1 MiB, page-aligned. */
  #placeInitrd(): { readonly start: number; readonly end: number } | undefined {
    if (!this.initrd) return undefined;
    const high = mainRam(this.parts.graph).segments.find((s) => s.base + s.length > MIB);
    const start = high ? Math.floor((high.base + high.length - this.initrd.length) / 4096) * 4096 : 0;
    if (start < MIB || this.image.segments.some((s) => s.paddr + s.size > start && s.paddr < start + this.initrd!.length)) {
      throw new ConfigError(`the initial RAM disk of ${this.initrd.length} bytes does not fit`, { file: this.parts.graph.file });
    }
    this.parts.bus.writeBytes(start, this.initrd);
    return { start, end: start + this.initrd.length };
  }

  get #cmdline(): string {
    return this.parts.options.append ?? this.parts.graph.boot.cmdline;
  }

  /** Multiboot 3.3: the information structure; its address. */
  #multibootInfo(): number {
    const table = new Table(BOOT_INFO), view = table.view, map = this.#memoryMap(), initrd = this.#placeInitrd();
    const info = table.reserve(116), set = (offset: number, value: number) => view.setUint32(info + offset, value, true);
    const low = map.find((e) => e.base === 0 && e.usable), high = map.find((e) => e.base <= MIB && e.base + e.length > MIB && e.usable);
    let flags = 0x1 | 0x4 | 0x40 | 0x200;
    set(4, Math.floor((low?.length ?? 0) / 1024));
    set(8, Math.floor((high ? high.base + high.length - MIB : 0) / 1024));
    set(16, table.text(`${this.imageName}${this.#cmdline ? ` ${this.#cmdline}` : ""}`));
    if (initrd) {
      flags |= 0x8;
      const module = table.reserve(16);
      view.setUint32(module, initrd.start, true);
      view.setUint32(module + 4, initrd.end, true);
      view.setUint32(module + 8, table.text(""), true);
      set(20, 1);
      set(24, BOOT_INFO + module);
    }
    const entries = table.reserve(24 * map.length);
    for (const [i, e] of map.entries()) {
      view.setUint32(entries + 24 * i, 20, true);
      view.setBigUint64(entries + 24 * i + 4, BigInt(e.base), true);
      view.setBigUint64(entries + 24 * i + 12, BigInt(e.length), true);
      view.setUint32(entries + 24 * i + 20, e.usable ? 1 : 2, true);
    }
    set(44, 24 * map.length);
    set(48, BOOT_INFO + entries);
    set(64, table.text("bringup"));
    set(0, flags);
    this.parts.bus.writeBytes(BOOT_INFO, table.bytes());
    return BOOT_INFO + info;
  }

  /** PVH: hvm_start_info of version 1; its address. */
  #startInfo(): number {
    const table = new Table(BOOT_INFO), view = table.view, map = this.#memoryMap(), initrd = this.#placeInitrd();
    const info = table.reserve(56), entries = table.reserve(24 * map.length);
    const set64 = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
    view.setUint32(info, 0x336e_c578, true);
    view.setUint32(info + 4, 1, true);
    if (initrd) {
      const module = table.reserve(32);
      set64(module, initrd.start);
      set64(module + 8, initrd.end - initrd.start);
      view.setUint32(info + 12, 1, true);
      set64(info + 16, BOOT_INFO + module);
    }
    set64(info + 24, table.text(this.#cmdline));
    set64(info + 40, BOOT_INFO + entries);
    view.setUint32(info + 48, map.length, true);
    for (const [i, e] of map.entries()) {
      set64(entries + 24 * i, e.base);
      set64(entries + 24 * i + 8, e.length);
      view.setUint32(entries + 24 * i + 16, e.usable ? 1 : 2, true);
    }
    this.parts.bus.writeBytes(BOOT_INFO, table.bytes());
    return BOOT_INFO + info;
  }
}

/** A growing block of memory; offsets are from its start, aligned to 8 bytes. */
class Table {
  readonly view = new DataView(new ArrayBuffer(0x6000));
  #length = 0;
  constructor(readonly base: number) {}
  reserve(bytes: number): number {
    const at = this.#length;
    this.#length += Math.ceil(bytes / 8) * 8;
    if (this.#length > this.view.byteLength) throw new ConfigError("the kernel's command line is too long");
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
