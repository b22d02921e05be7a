// x86 machines: processors, ports, the interrupt acknowledge cycle, and the way from reset to the kernel without a BIOS.
// Sources: Multiboot Specification 0.6.96, 3.2 and 3.3; Xen's PVH boot ABI (docs/misc/pvh.pandoc and include/public/arch-x86/hvm/start_info.h, 4.16).
import { Bus, type BusTarget, readTarget, type Region, type Size, writeTarget } from "../core/bus.ts";
import type { Device } from "../core/device.ts";
import { ConfigError } from "../core/errors.ts";
import type { CpuPorts } from "../x86/apic_hooks.ts";
import { X86Cpu } from "../x86/cpu.ts";
import { modelByName } from "../x86/cpuid.ts";
import { CUT, LONGEST, OK } from "../x86/decode.ts";
import { disassemble } from "../x86/disasm.ts";
import { Insn } from "../x86/insn.ts";
import { x86Table } from "../x86/isa.ts";
import { MODE_CODE32, MODE_CODE64 } from "../x86/slots.ts";
import { BIG, CODE, CS, DS, ES, FS, GRANULAR, GS, PRESENT, READABLE, S, SS, TR, TSS32_BUSY, WRITABLE } from "../x86/segments.ts";
import type { Symbols } from "./elf.ts";
import { mainRam, type X86Cpu as CpuNode } from "./graph.ts";
import { EngineCpu } from "./engine_cpu.ts";
import type { Platform, PlatformParts } from "./machine.ts";
import { BuiltinBios } from "./x86_bios.ts";
import { readX86Image, type X86Image } from "./x86_image.ts";

const MIB = 2 ** 20;
/** Where the tables for a directly started kernel go, below the place of a boot sector; QEMU's place as well. */
const BOOT_INFO = 0x9000;
/** Lowest address of the memory that a BIOS leaves to itself. */
const LOW_END = 0x9_fc00;

/** Where `disassemble` decodes to. */
const decoded = new Insn();

/** A processor as the rest of the system sees it. */
class X86 extends EngineCpu<X86Cpu> {
  readonly arch = "x86_64";
  /** Linear address: what breakpoints are compared with. */
  get pc(): bigint {
    return this.engine.pc(this.index);
  }
  disassemble(vaddr: bigint): { text: string; length: number } | undefined {
    const bytes = this.#code(vaddr), mode = this.core.mode(), code = mode & MODE_CODE64 ? 64 : mode & MODE_CODE32 ? 32 : 16;
    if (!bytes) return undefined;
    const outcome = x86Table().decode(decoded, bytes, 0, bytes.length, code, this.core.protectedMode);
    if (outcome !== OK) return outcome === CUT ? undefined : { text: `.byte 0x${bytes[0].toString(16).padStart(2, "0")}`, length: 1 };
    return { text: disassemble(decoded, vaddr, code), length: decoded.length };
  }
  /** Up to 15 bytes of code at a linear address; undefined when the first cannot be read. */
  #code(vaddr: bigint): Uint8Array | undefined {
    const bytes: number[] = [], { u8 } = this.core.env;
    for (let i = 0n; i < LONGEST; i++) {
      const paddr = this.translate(vaddr + i, "fetch"), host = paddr === undefined ? -1 : this.engine.hostOf(paddr, 1);
      if (host < 0) break;
      bytes.push(u8[host]);
    }
    return bytes.length ? Uint8Array.from(bytes) : undefined;
  }
}

/** What is behind the addresses and ports that nothing is mapped at: reads give all ones, writes go nowhere. */
const OPEN_BUS: BusTarget = {
  access: { min: 1, max: 4 },
  read: (_offset, size) => 2 ** (8 * size) - 1,
  write: () => {},
};
const openBus = (length: number): Region => ({ base: 0, length, name: "nothing", readonly: false, target: OPEN_BUS });

/** Port accesses: an access that leaves its device's window, or is not aligned to its size, goes byte by byte. */
class Ports implements CpuPorts {
  constructor(readonly bus: Bus) {}
  in(port: number, size: number): number {
    const r = this.bus.find(port)!;
    if (port + size <= r.base + r.length) return readTarget(r.target!, port - r.base, size as Size) >>> 0;
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.in((port + i) & 0xffff, 1) << (8 * i);
    return value >>> 0;
  }
  out(port: number, size: number, value: number): void {
    const r = this.bus.find(port)!;
    if (port + size <= r.base + r.length) return writeTarget(r.target!, port - r.base, size as Size, value);
    for (let i = 0; i < size; i++) this.out((port + i) & 0xffff, 1, value >>> (8 * i) & 0xff);
  }
}

export function x86Platform(parts: PlatformParts): Platform {
  return new X86Platform(parts);
}

class X86Platform implements Platform {
  readonly cpus: readonly X86[];
  readonly symbols: Symbols;
  readonly io = new Bus();
  readonly #image: X86Image;
  readonly #imageName: string;
  readonly #initrd: Uint8Array | undefined;
  readonly #bios: BuiltinBios;
  /** The device that answers the first processor's acknowledge cycle. */
  #pic: Device | undefined;

  constructor(readonly parts: PlatformParts) {
    const { graph, options, host, engine, clock, bus } = parts, node = graph.cpu as CpuNode;
    bus.elsewhere = openBus(2 ** 52);
    this.io.elsewhere = openBus(0x1_0000);
    const kernel = options.kernel ?? graph.boot.kernel, initrd = options.initrd ?? graph.boot.initrd;
    if (kernel === undefined) {
      throw new ConfigError("no kernel to start: name one on the command line or as boot.kernel", { file: graph.file });
    }
    if (graph.firmware.kind === "file") {
      throw new ConfigError('a BIOS image cannot be started yet: only "builtin"', { file: graph.file, key: "firmware.bios" });
    }
    this.#imageName = kernel;
    this.#image = readX86Image(host.readFile(kernel), kernel, graph.boot.protocol);
    this.#initrd = initrd === undefined ? undefined : host.readFile(initrd);
    this.symbols = this.#image.symbols;
    this.#bios = new BuiltinBios(parts, this.io, this.#image.disk);
    this.#check();
    const [segment, offset] = node.reset.split(":").map((t) => parseInt(t, 16));
    const model = modelByName(node.model), ports = new Ports(this.io), tscHz = graph.clock.tsc_hz ?? graph.clock.cpu_hz;
    this.cpus = engine.harts.map((slot, index) => {
      const core: X86Cpu = new X86Cpu(slot, {
        index,
        model,
        features: node.features,
        reset: { segment, offset },
        cores: node.harts,
        ports,
        seed: graph.seed,
        tsc: () => clock.count(tscHz),
        acknowledge: () => index === 0 ? this.#pic?.acknowledge?.() ?? -1 : -1,
        onPending: () => {
          engine.attention();
          parts.interrupted(index);
        },
        onTripleFault: (report) => {
          if (node.triple_fault === "reset") parts.stop({ kind: "reset" });
          else parts.die({ kind: "tripleFault", pc: engine.pc(index), report });
        },
      });
      slot.core = core;
      return new X86(index, core, engine);
    });
  }

  /** @throws {ConfigError} a segment does not fit the machine's memory. */
  #check(): void {
    for (const s of this.#image.segments) {
      const r = this.parts.bus.find(s.paddr);
      if (r?.bytes && s.paddr + s.size <= r.base + r.length) continue;
      throw new ConfigError(`it goes to 0x${s.paddr.toString(16)}..0x${(s.paddr + s.size - 1).toString(16)}, which is not in memory`, {
        file: this.#imageName,
      });
    }
  }

  powerOn(): void {
    this.#pic = [...this.parts.devices.values()].find((d) => d.acknowledge);
    for (const c of this.cpus) c.reset();
    // Without local APICs nothing could start the other processors: they wait for a startup IPI.
    for (const c of this.cpus.slice(1)) c.core.init(true);
    const { core } = this.cpus[0], { bus } = this.parts;
    // A machine without memory for a BIOS starts from the state after a reset.
    const bios = this.#bios.possible;
    this.#bios.core = core;
    if (bios) this.#bios.powerOn(core);
    for (const s of this.#image.segments) bus.writeBytes(s.paddr, s.bytes, { rom: true });
    if (this.#image.protocol === "bios" && bios) {
      this.#bios.boot();
      return;
    }
    if (this.#image.protocol === "bios") {
      // The boot sector of the first disk, as a BIOS leaves it: CS:IP 0000:7c00, DL the drive.
      bus.writeBytes(0x7c00, this.#image.disk!.subarray(0, 512));
      for (const n of [ES, CS, SS, DS]) core.setSegment(n, 0, 0, 0, 0xffff, PRESENT | S | WRITABLE);
      core.refresh();
      core.setReg("rsp", 0x7c00n);
      core.setReg("rdx", 0x80n);
      core.setReg("rip", 0x7c00n);
      return;
    }
    this.#protectedMode();
    const info = this.#image.protocol === "multiboot1" ? this.#multibootInfo() : this.#startInfo();
    core.setReg("rax", this.#image.protocol === "multiboot1" ? 0x2bad_b002n : 0n);
    core.setReg("rbx", BigInt(info));
    core.setReg("rip", BigInt(this.#image.entry));
  }

  /** Flat 32-bit segments with their descriptors in memory, paging and interrupts off. */
  #protectedMode(): void {
    const { core } = this.cpus[0], gdt = BOOT_INFO - 0x20;
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
    if (!this.#initrd) return undefined;
    const high = mainRam(this.parts.graph).segments.find((s) => s.base + s.length > MIB);
    const start = high ? Math.floor((high.base + high.length - this.#initrd.length) / 4096) * 4096 : 0;
    if (start < MIB || this.#image.segments.some((s) => s.paddr + s.size > start && s.paddr < start + this.#initrd!.length)) {
      throw new ConfigError(`the initial RAM disk of ${this.#initrd.length} bytes does not fit`, { file: this.parts.graph.file });
    }
    this.parts.bus.writeBytes(start, this.#initrd);
    return { start, end: start + this.#initrd.length };
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
    set(16, table.text(`${this.#imageName}${this.#cmdline ? ` ${this.#cmdline}` : ""}`));
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

  save(): unknown {
    return this.#bios.save();
  }
  load(state: unknown): void {
    this.#bios.load(state);
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
