// The built-in BIOS on an x86 machine: the emulator behind the port that its stubs call.
import { type Bus, type BusRegion, type BusTarget, windowOffset, writeTarget } from "../../core/bus.ts";
import type { Disk } from "../../core/disk.ts";
import {
  acpiAddress,
  BIOS_PORT,
  biosCall,
  type BiosHost,
  biosPowerOn,
  type BiosState,
  type MapEntry,
  post,
  readPci,
  type Register,
  ROM_SEGMENT,
  type SegmentName,
  STUB_BYTES,
} from "../../firmware/bios/mod.ts";
import type { TablesDescription } from "../../firmware/tables/mod.ts";
import { READ, WRITE } from "../../ir/frontend.ts";
import type { X86Cpu } from "../../x86/cpu.ts";
import { setReal } from "../../x86/segment_loads.ts";
import { CS, DS, ES, SS } from "../../x86/segments.ts";
import { GPR } from "../../x86/slots.ts";
import type { MachineGraph } from "../machine_graph.ts";
import type { PlatformParts } from "../platform.ts";
import { describeTables } from "./firmware_tables.ts";

/** The BIOS has its stack below the boot sector while it looks for one. */
const BOOT_STACK = 0x7c00, BOOT_VECTOR = 0x19;
const MIB = 2 ** 20, ROM = ROM_SEGMENT * 16, PAGE = 4096;
/** Lowest address of the memory that the BIOS keeps for itself, and of what lies under display memory and ROM. */
const LOW_END = 0x9_fc00, HIDDEN = 0xa_0000;

const SLOTS: Readonly<Record<Register, number>> = {
  eax: GPR(0),
  ecx: GPR(1),
  edx: GPR(2),
  ebx: GPR(3),
  esp: GPR(4),
  ebp: GPR(5),
  esi: GPR(6),
  edi: GPR(7),
};
const SEGMENT_NUMBERS: Readonly<Record<SegmentName, number>> = { es: ES, ss: SS, ds: DS };

/** Where memory is, for E820 and the like: what the BIOS keeps for itself, and low memory from `tablesAt` on, is reserved. */
export function memoryMap(graph: MachineGraph, tablesAt = Infinity): MapEntry[] {
  const map: MapEntry[] = [];
  for (const { base, length } of graph.memories.filter((m) => m.kind === "ram").flatMap((m) => m.segments)) {
    const whole = base + length, end = whole <= 2 ** 32 ? Math.min(whole, tablesAt) : whole;
    const usable = (from: number, to: number) => to > from && map.push({ base: from, length: to - from, type: 1 });
    usable(base, Math.min(end, LOW_END));
    usable(Math.max(base, MIB), end);
    if (end < whole) map.push({ base: end, length: whole - end, type: 2 });
    if (base <= LOW_END && end > LOW_END) map.push({ base: LOW_END, length: HIDDEN - LOW_END, type: 2 });
  }
  map.push({ base: ROM, length: MIB - ROM, type: 2 });
  return map.sort((a, b) => a.base - b.base);
}

const FIRST_DRIVE: Readonly<Record<Disk["kind"], number>> = { floppy: 0, hard: 0x80, cd: 0xe0 };

export class BuiltinBios implements BiosHost {
  state: BiosState = biosPowerOn();
  readonly memoryMap: readonly MapEntry[];
  readonly tables: TablesDescription;
  readonly echo?: (character: number) => void;
  /** The processor that calls. */
  core!: X86Cpu;

  constructor(readonly parts: PlatformParts, readonly io: Bus) {
    this.tables = describeTables(parts.graph);
    if (parts.graph.firmware.serial) this.echo = (character) => parts.firmwareConsole()?.write(character);
    this.memoryMap = memoryMap(parts.graph, this.possible ? acpiAddress(this.tables) : undefined);
  }

  /** Takes the calls of its stubs. */
  serve(): void {
    const trap: BusTarget = { access: { min: 1, max: 4 }, read: () => 0xff, write: () => this.#trapped() };
    this.io.map(BIOS_PORT, 1, trap, "bios");
  }

  get disks(): readonly Disk[] {
    return this.parts.disks.all;
  }
  /** The image of the command line first, then every disk by its kind. */
  get bootOrder(): readonly number[] {
    const { disks, graph } = this.parts, all = disks.all;
    const number = (d: Disk) => FIRST_DRIVE[d.kind] + all.filter((other) => other.kind === d.kind).indexOf(d);
    const wanted = (graph.boot.order ?? []).flatMap((kind) => all.filter((d) => d.kind === kind));
    return [...new Set([...(disks.bootDisk ? [disks.bootDisk] : []), ...wanted].map(number))];
  }

  /** Where the machine file or BAR 0 has it. */
  get framebuffer(): BiosHost["framebuffer"] {
    const vga = this.parts.graph.devices.find((d) => d.type === "vga"), lfb = vga?.windows.find((w) => w.name === "lfb");
    if (lfb) return { address: lfb.base, length: lfb.length };
    if (!vga?.pci) return undefined;
    const bar = readPci(this, 8 * vga.pci.device + vga.pci.func, 0x10, 4);
    return { address: bar - bar % 16, length: vga.config.vram as number };
  }

  /** Whether the machine has memory where the BIOS is. */
  get possible(): boolean {
    const region = this.parts.bus.find(ROM);
    return region?.bytes !== undefined && region.base + region.length >= MIB;
  }

  /** Leaves everything but the processor as a BIOS does before it boots. */
  powerOn(core: X86Cpu): void {
    this.core = core;
    this.state = biosPowerOn();
    post(this);
  }

  /** The processor goes on with int 19h. */
  boot(): void {
    const { core } = this;
    core.segments.set(CS, ROM_SEGMENT, ROM, 0, 0xffff, core.segments.attr[CS]);
    core.derived.refresh();
    this.setReg("esp", BOOT_STACK);
    core.segments.setEip(BOOT_VECTOR * STUB_BYTES, 0);
  }

  /** Only the stubs in ROM may call: a write by anybody else goes nowhere. */
  #trapped(): void {
    if (this.core.segments.selector(CS) === ROM_SEGMENT && !this.core.modes.code64) biosCall(this);
  }

  reg(name: Register): number {
    return this.core.window.lo(SLOTS[name]) >>> 0;
  }
  setReg(name: Register, value: number): void {
    this.core.window.set(SLOTS[name], value | 0, 0);
  }
  segment(name: SegmentName): number {
    return this.core.segments.selector(SEGMENT_NUMBERS[name]);
  }
  setSegment(name: SegmentName, value: number): void {
    setReal(this.core, SEGMENT_NUMBERS[name], value);
  }

  /** In virtual-8086 mode linear addresses may be paged; what is not mapped is address 0's page, as no BIOS call expects it. */
  #paddr(address: number, access: "read" | "write"): number {
    if (this.core.paging.levels === 0) return address;
    return this.core.probe(BigInt(address), access === "read" ? READ : WRITE) ?? 0;
  }
  read(address: number, size: 1 | 2 | 4): number {
    return this.parts.bus.read(this.#paddr(address, "read"), size);
  }
  write(address: number, size: 1 | 2 | 4, value: number): void {
    this.parts.bus.write(this.#paddr(address, "write"), size, value);
  }

  readBytes(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    this.#pieces(address, length, "read", (paddr, from, length, region) => {
      if (region?.bytes) out.set(region.bytes.subarray(paddr - region.base, paddr - region.base + length), from);
      else out[from] = this.parts.bus.read(paddr, 1);
    });
    return out;
  }
  writeBytes(address: number, data: Uint8Array): void {
    const { bus } = this.parts, whole = this.core.paging.levels === 0 ? bus.find(address) : undefined;
    if (whole?.target?.writeBytes && address + data.length <= whole.base + whole.length) {
      whole.target.writeBytes(windowOffset(whole, address), data);
      return;
    }
    this.#pieces(address, data.length, "write", (paddr, from, length, region) => {
      const part = data.subarray(from, from + length);
      if (region?.bytes) bus.writeBytes(paddr, part);
      else if (region?.target?.writeBytes) region.target.writeBytes(windowOffset(region, paddr), part);
      else bus.write(paddr, 1, data[from]);
    });
  }
  /** Calls `each` for every stretch of RAM, or of a device that takes many bytes at once, and for every byte of something else. */
  #pieces(
    address: number,
    length: number,
    access: "read" | "write",
    each: (paddr: number, from: number, length: number, region: BusRegion | undefined) => void,
  ): void {
    for (let done = 0; done < length;) {
      const at = address + done, paddr = this.#paddr(at, access), r = this.parts.bus.find(paddr);
      const whole = r && (access === "read" ? r.bytes : r.readonly ? undefined : r.bytes ?? r.target?.writeBytes);
      const limit = this.core.paging.levels === 0 ? Infinity : PAGE - at % PAGE;
      const n = whole ? Math.min(length - done, limit, r.base + r.length - paddr) : 1;
      each(paddr, done, n, whole && r);
      done += n;
    }
  }

  writeRom(paddr: number, data: Uint8Array): void {
    this.parts.bus.writeBytes(paddr, data, { rom: true });
  }
  in(port: number, size: 1 | 2 | 4): number {
    return this.io.read(port, size);
  }
  out(port: number, size: 1 | 2 | 4, value: number): void {
    this.io.write(port, size, value);
  }
  outAll(port: number, bytes: readonly number[]): void {
    const r = this.io.find(port)!, offset = windowOffset(r, port);
    for (let i = 0; i < bytes.length; i++) writeTarget(r.target!, offset, 1, bytes[i]);
  }
  get nowNs(): number {
    return this.parts.clock.nowNs;
  }
  stop(request: Parameters<BiosHost["stop"]>[0]): void {
    this.parts.stop(request);
  }
  log(channel: "sbi" | "unimp" | "guest", text: () => string): void {
    const { log } = this.parts.host;
    if (log.on(channel)) log.line(channel, "bios", text());
  }

  save(): unknown {
    return structuredClone(this.state);
  }
  load(saved: unknown): void {
    this.state = structuredClone(saved as BiosState);
  }
}
