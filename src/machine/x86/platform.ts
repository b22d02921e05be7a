// x86 machines: processors, ports, the interrupt acknowledge cycle, and what runs first after a reset.
import { BITS, Bus, type BusRegion, type BusTarget, readTarget, type Size, windowOffset, writeTarget } from "../../core/bus.ts";
import { ConfigError } from "../../core/errors.ts";
import type { IrqLine } from "../../core/irq.ts";
import type { MapEntry } from "../../firmware/bios/mod.ts";
import type { PciFunction } from "../../core/pci.ts";
import type { CpuPorts } from "../../x86/ports.ts";
import { X86Cpu } from "../../x86/cpu.ts";
import { Features, modelByName } from "../../x86/cpuid.ts";
import { CUT, LONGEST, OK } from "../../x86/decode.ts";
import { disassemble } from "../../x86/disasm.ts";
import { Insn } from "../../x86/insn.ts";
import { x86Table } from "../../x86/instruction_set.ts";
import { initFpu } from "../../x86/state.ts";
import { MODE_CODE32, MODE_CODE64 } from "../../x86/slots.ts";
import { CS, DS, ES, PRESENT, S, SS, WRITABLE } from "../../x86/segments.ts";
import { isElf, notInMemory, Symbols } from "../elf.ts";
import type { X86CpuNode } from "./descriptor.ts";
import type { MachineGraph } from "../machine_graph.ts";
import { EngineCpu } from "../engine_cpu.ts";
import type { Host, Platform, PlatformParts } from "../platform.ts";
import { loadSegments } from "../ram.ts";
import { Interrupts } from "./apic.ts";
import { BuiltinBios } from "./bios.ts";
import { Boot, type BootModule, startKernel, type X86Image } from "./boot.ts";
import { readX86Image } from "./image.ts";
import { isLinux } from "./linux.ts";
import { provideItems, RomBios, vgaRom, withRom } from "./rom.ts";

/** Class and sub-class of a VGA. */
const PCI_VGA = 0x0300;
/** Larger files that are no kernels by their first bytes are disks. */
const LARGE = 64 * 2 ** 20, FIRST_BYTES = 0x1_0000;
const BOOT_SECTOR = 0x7c00;

/** A processor as the rest of the system sees it. */
class X86 extends EngineCpu<X86Cpu> {
  readonly arch = "x86_64";
  connect(_ferr: string, line: IrqLine): void {
    this.core.ferr.line = line;
  }
  /** Linear address: what breakpoints are compared with. */
  get pc(): bigint {
    return this.engine.pc(this.index);
  }
  disassemble(vaddr: bigint): { text: string; length: number } | undefined {
    const bytes = this.#code(vaddr), mode = this.core.mode(), code = mode & MODE_CODE64 ? 64 : mode & MODE_CODE32 ? 32 : 16;
    if (!bytes) return undefined;
    const decoded = new Insn(), outcome = x86Table().decode(decoded, bytes, 0, bytes.length, code, this.core.modes.protectedMode);
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
const openBus = (length: number): BusRegion => ({ base: 0, length, name: "nothing", readonly: false, target: OPEN_BUS });

/** What answers at a port. */
class Port {
  readonly read: BusTarget["read"];
  readonly write: BusTarget["write"];
  readonly min: number;
  readonly max: number;
  /** @param left bytes from here to the end of its window */
  constructor(readonly port: number, readonly target: BusTarget, readonly offset: number, readonly left: number) {
    this.read = target.read;
    this.write = target.write;
    this.min = target.access.min;
    this.max = Math.min(target.access.max, left);
  }
}

/** Port accesses: an access that leaves its device's window, or is not aligned to its size, goes byte by byte. */
class Ports implements CpuPorts {
  /** What was looked up of late, by the port's low bits. */
  readonly #known: (Port | undefined)[] = Array(KNOWN_PORTS);
  constructor(readonly bus: Bus) {
    bus.onRemap = () => this.#known.fill(undefined);
  }
  #at(port: number): Port {
    const known = this.#known[port & (KNOWN_PORTS - 1)];
    return known?.port === port ? known : this.#find(port);
  }
  #find(port: number): Port {
    const r = this.bus.find(port)!, offset = windowOffset(r, port);
    // Behind a port where nothing is may be one where something is.
    const left = r === this.bus.elsewhere ? 1 : r.length - offset;
    return this.#known[port & (KNOWN_PORTS - 1)] = new Port(port, r.target!, offset, left);
  }
  in(port: number, size: number): number {
    const p = this.#at(port);
    if (size >= p.min && size <= p.max) return (p.read.call(p.target, p.offset, size as Size) & BITS[size as Size]) >>> 0;
    if (size <= p.left) return readTarget(p.target, p.offset, size as Size) >>> 0;
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.in((port + i) & 0xffff, 1) << (8 * i);
    return value >>> 0;
  }
  out(port: number, size: number, value: number): void {
    const p = this.#at(port);
    if (size >= p.min && size <= p.max) return p.write.call(p.target, p.offset, size as Size, value >>> 0);
    if (size <= p.left) return writeTarget(p.target, p.offset, size as Size, value);
    for (let i = 0; i < size; i++) this.out((port + i) & 0xffff, 1, value >>> (8 * i) & 0xff);
  }
}
/** A power of two that the ports of ISA cards fit in. */
const KNOWN_PORTS = 1024;

/** @throws {ConfigError} there is no such CPU model, or no such feature. */
export function checkCpu({ cpu, cpuPlaces }: MachineGraph): void {
  const { model, features } = cpu as X86CpuNode;
  try {
    new Features(modelByName(model), features);
  } catch (e) {
    throw e instanceof ConfigError ? new ConfigError(e.problem, cpuPlaces[e.place.key!.slice(4)]) : e;
  }
}

export function createPlatform(parts: PlatformParts): Platform {
  return new X86Platform(parts);
}

class X86Platform implements Platform {
  readonly cpus: readonly X86[];
  readonly symbols: Symbols;
  readonly io = new Bus();
  readonly #image: X86Image;
  readonly #imageName: string;
  readonly #modules: readonly BootModule[];
  readonly #bios: BuiltinBios;
  readonly #interrupts = new Interrupts();
  readonly #rom: RomBios | undefined;
  #advised = false;

  constructor(readonly parts: PlatformParts) {
    const { graph, options, engine, clock, bus } = parts, node = graph.cpu as X86CpuNode;
    bus.elsewhere = openBus(2 ** 52);
    this.io.elsewhere = openBus(0x1_0000);
    const kernel = options.kernel ?? graph.boot.kernel, initrd = options.initrd ?? graph.boot.initrd;
    this.#imageName = kernel ?? "";
    this.#image = kernel === undefined ? { protocol: "bios", entry: 0, segments: [], symbols: new Symbols() } : this.#readImage(kernel);
    if (kernel === undefined) parts.disks.fill();
    if (kernel === undefined && parts.disks.all.length === 0 && graph.firmware.kind !== "file") {
      throw new ConfigError("no kernel to start: name one on the command line or as boot.kernel", { file: graph.file });
    }
    this.#modules = this.#readModules(initrd ?? "");
    this.symbols = this.#image.symbols;
    this.#bios = new BuiltinBios(parts, this.io);
    if (graph.firmware.kind === "file") {
      this.#rom = new RomBios(parts, this.#bios, this.#image.protocol === "bios" ? undefined : (map) => this.#startKernel(map));
    } else this.#bios.serve();
    this.#check();
    const [segment, offset] = node.reset.split(":").map((t) => parseInt(t, 16)), interrupts = this.#interrupts;
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
        tscIsClock: tscHz === clock.hz,
        get apic() {
          return interrupts.apicOf(index);
        },
        acknowledge: () => interrupts.acknowledge(index),
        onNoVector: (vector) => this.#adviseVector(index, vector),
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

  /** Who calls a BIOS that is not there goes through zeros for ever. */
  #adviseVector(index: number, vector: number): void {
    if (this.#advised) return;
    this.#advised = true;
    const number = `interrupt 0x${vector.toString(16)} has the vector 0000:0000, where no code is`;
    const without = "the machine has no BIOS, since it has no memory for one below 1 MiB (pc.toml has)";
    this.parts.host.log.line("advice", `cpu${index}`, this.#rom || this.#bios.possible ? number : `${number}: ${without}`);
  }

  /** Of a large disk only the beginning is read. */
  #readImage(kernel: string): X86Image {
    const { host, graph, disks } = this.parts, source = disks.open(kernel, { write: false });
    const first = source.read(0, Math.min(source.size, FIRST_BYTES));
    const start = source.size > LARGE && !isElf(first) && !isLinux(first) ? first : host.readFile(kernel);
    const image = readX86Image(start, kernel, graph.boot.protocol);
    disks.fill(image.protocol === "bios" ? { source, path: kernel } : undefined);
    return image;
  }

  /** Multiboot kernels may have several modules, each with arguments, as on QEMU's command line: "a.bin first,b.bin". */
  #readModules(initrd: string): BootModule[] {
    const several = this.#image.protocol.startsWith("multiboot"), texts = several ? initrd.split(",") : [initrd];
    return texts.filter(Boolean).map((text) => ({ text, bytes: this.parts.host.readFile(several ? text.split(" ")[0] : text) }));
  }

  /** @throws {ConfigError} a segment, or a boot sector that no BIOS loads, does not fit the machine's memory. */
  #check(): void {
    if (this.#image.protocol === "linux16" && !this.#rom && !this.#bios.possible) {
      throw new ConfigError("an entry in real mode asks a BIOS, and the machine has no memory for one below 1 MiB", {
        file: this.#imageName,
      });
    }
    const sector = this.#image.protocol === "bios" && !this.#rom && !this.#bios.possible;
    for (const s of sector ? [{ paddr: BOOT_SECTOR, size: 512 }] : this.#image.segments) {
      const r = this.parts.bus.find(s.paddr);
      if (r?.bytes && s.paddr + s.size <= r.base + r.length) continue;
      throw new ConfigError(notInMemory(s), { file: this.#imageName });
    }
  }

  powerOn(): void {
    this.#interrupts.connect(this.parts.devices.values(), this.cpus.map((c) => c.core));
    this.parts.engine.select(0);
    for (const c of this.cpus) c.reset();
    // The others wait for a startup IPI.
    for (const c of this.cpus.slice(1)) c.core.init();
    const { core } = this.cpus[0], { bus } = this.parts;
    // A machine without memory for a BIOS starts from the state after a reset.
    const bios = this.#bios.possible;
    this.#bios.core = core;
    if (this.#rom) return this.#rom.powerOn();
    provideItems(this.parts, this.#bios);
    initFpu(core.window);
    if (bios) this.#bios.powerOn(core);
    if (this.#image.protocol === "bios" && bios) {
      this.#bios.boot();
      return;
    }
    if (this.#image.protocol === "bios") {
      // The boot sector of the first disk, as a BIOS leaves it: CS:IP 0000:7c00, DL the drive.
      bus.writeBytes(BOOT_SECTOR, this.parts.disks.all[0].read(0, 1)!.subarray(0, 512));
      for (const n of [ES, CS, SS, DS]) core.segments.set(n, 0, 0, 0, 0xffff, PRESENT | S | WRITABLE);
      core.derived.refresh();
      core.setReg("rsp", BigInt(BOOT_SECTOR));
      core.setReg("rdx", 0x80n);
      core.setReg("rip", BigInt(BOOT_SECTOR));
      return;
    }
    this.#startKernel();
  }

  /** The first processor goes on with the kernel; `map` is the memory map of a BIOS that is not the built-in one. */
  #startKernel(map?: readonly MapEntry[]): void {
    const { core } = this.cpus[0], { bus, engine } = this.parts;
    engine.select(0);
    core.reset();
    initFpu(core.window);
    // What a Linux kernel needs behind its bytes it clears itself.
    if (!this.parts.blank()) loadSegments(bus, this.parts.graph, this.#image.segments, !this.#image.protocol.startsWith("linux"));
    startKernel(new Boot(this.parts, this.#bios, this.#image, this.#imageName, this.#modules, map), core);
  }

  /** A VGA has its BIOS with it, for a BIOS from a file; the built-in one needs none. */
  expansionRom(fn: PciFunction): Uint8Array | undefined {
    return fn.class >> 8 === PCI_VGA ? vgaRom(this.parts.graph, this.parts.host) : undefined;
  }

  save(): unknown {
    return this.#bios.save();
  }
  load(state: unknown): void {
    this.#bios.load(state);
  }
}

/** A BIOS from a file brings its ROM. @throws {ConfigError} it is none. */
export function prepare(graph: MachineGraph, host: Host): MachineGraph {
  return graph.firmware.kind === "file" ? withRom(graph, host) : graph;
}
