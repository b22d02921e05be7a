// A BIOS from a file: where its ROM is, and what the machine tells it through fw_cfg and CMOS memory.
// Sources: QEMU 7.2, docs/specs/fw_cfg.rst and hw/i386 (which items and CMOS bytes there are); SeaBIOS 1.16, docs/Runtime_config.md;
// BIOS Boot Specification 1.01, 3.3 (expansion ROMs that boot).
import type { Alarm } from "../../core/clock.ts";
import { offer } from "../../core/device.ts";
import { ConfigError, type Place } from "../../core/errors.ts";
import type { FirmwareItem, TakesItems } from "../../core/firmware.ts";
import { BIOS_PORT, type MapEntry, writeCmosSizes } from "../../firmware/bios/mod.ts";
import { firmwareFiles } from "../../firmware/tables/mod.ts";
import { CS } from "../../x86/segments.ts";
import type { MachineGraph, MemoryNode } from "../machine_graph.ts";
import type { Host, PlatformParts } from "../platform.ts";
import type { BuiltinBios } from "./bios.ts";

/** Option ROMs are in segments from here on. */
const ROM_SEGMENTS = 0xc000;
const MIB = 2 ** 20, TOP = 2 ** 32, PAGE = 4096;
/** The option ROM that starts a kernel, and what is where in it. */
const KERNEL_ROM = "genroms/kernel.bin", PNP_HEADER = 0x20, BOOTSTRAP = 0x40;
/** CMOS memory, and where QEMU has the kinds of boot devices in it, by four bits each: 0 is none. */
const CMOS = 0x70, BOOT_ORDER = 0x3d, BOOT_ORDER_3 = 0x38, KINDS = ["floppy", "hard", "cd"];
const COM1 = 0x3f8;
const VGA_ROM = "vgabios-stdvga.bin";
/** Keys of fw_cfg items. */
const RAM_SIZE = 0x03, CPUS = 0x05, NUMA = 0x0d, MAX_CPUS = 0x0f, IRQ0_OVERRIDE = 0x8002;
const takesItems = offer<TakesItems>("provide");
/** Usable, as in E820. */
const USABLE = 1, E820_BYTES = 20;
/** A mouse, and a coprocessor. */
const EQUIPMENT = 0x06;

/**
 * The machine with its firmware's ROM: it ends at 4 GiB, and its end is also in the ROM below 1 MiB. The same graph when the firmware is
 * built in. @throws {ConfigError} there is no such ROM, or the image does not fit.
 */
export function withRom(graph: MachineGraph, host: Host): MachineGraph {
  if (graph.firmware.kind !== "file") return graph;
  const { path } = graph.firmware, place = graph.firmwarePlaces.bios;
  const isLow = (m: MemoryNode) => m.kind === "rom" && m.segments.length === 1 && m.segments[0].base + m.segments[0].length === MIB;
  const low = graph.memories.find(isLow);
  if (!low) throw new ConfigError("there is no ROM that ends at 1 MiB for a BIOS image", place);
  const { length } = host.readFile(path), window = low.segments[0];
  if (length === 0 || length % PAGE || length > 16 * MIB) {
    throw new ConfigError(`a BIOS image must have a multiple of 4 KiB up to 16 MiB, '${path}' has ${length} bytes`, place);
  }
  const shown = Math.min(length, window.length),
    others = [
      ...graph.memories.filter((m) => m !== low).map(({ id, segments }) => ({ id, parts: segments })),
      ...graph.devices.map(({ id, windows }) => ({ id, parts: windows.filter((w) => w.bus === "mem") })),
    ];
  const inTheWay = others.find(({ parts }) => parts.some((p) => p.base < TOP && p.base + p.length > TOP - length));
  if (inTheWay) throw new ConfigError(`its ROM of ${length} bytes ends at 4 GiB, where '${inTheWay.id}' is`, place);
  const rom: MemoryNode = {
    ...low,
    file: path,
    size: length,
    segments: [{ base: MIB - shown, length: shown, offset: length - shown }, { base: TOP - length, length, offset: 0 }],
  };
  return { ...graph, memories: graph.memories.map((m) => m === low ? rom : m) };
}

/** The VGA's ROM: the one that the machine file names, or the usual one beside the BIOS if it is there. @throws {ConfigError} the named one is none. */
export function vgaRom({ firmware, firmwarePlaces }: MachineGraph, host: Host): Uint8Array | undefined {
  if (firmware.kind !== "file") return undefined;
  const { path, vga } = firmware;
  if (vga !== undefined) {
    const rom = host.readFile(vga);
    if (rom[0] === 0x55 && rom[1] === 0xaa) return rom;
    throw new ConfigError(`'${vga}' is no expansion ROM: it does not begin with 55 AA`, firmwarePlaces.vga);
  }
  try {
    return host.readFile(path.replace(/[^/]*$/, VGA_ROM));
  } catch (e) {
    if (e instanceof ConfigError) return undefined;
    throw e;
  }
}

/** Gives fw_cfg what QEMU's has: kernels ask it for the size of memory and the number of processors, whoever the firmware is. */
export function provideItems({ graph, host, devices }: PlatformParts, bios: BuiltinBios, more: readonly FirmwareItem[] = []): void {
  for (const { id, type, config, place } of graph.devices) {
    const device = devices.get(id)!;
    if (!takesItems(device)) continue;
    const theirs = type === "fw_cfg" && config.items !== undefined ? userItems(config.items as UserItems, host, place) : [];
    device.provide(() => [
      ...firmwareItems(graph, bios, more).filter((i) => !("name" in i) || theirs.every((t) => t.name !== i.name)),
      ...theirs,
    ]);
  }
}

type UserItems = Readonly<Record<string, string | { readonly file: string }>>;
/** Bytes of a name, with the zero behind it (fw_cfg.rst, "File Directory"). */
const NAME_BYTES = 56;
/** Items of the machine file. @throws {ConfigError} a name is too long, or no ASCII. */
function userItems(items: UserItems, host: Host, place: Place): { readonly name: string; readonly bytes: Uint8Array }[] {
  return Object.entries(items).map(([name, item]) => {
    if (!/^[\x21-\x7e]+$/.test(name) || name.length >= NAME_BYTES) {
      throw new ConfigError(`items: '${name}' must be a name of 1 to ${NAME_BYTES - 1} characters of ASCII without blanks`, place);
    }
    return { name, bytes: typeof item === "string" ? new TextEncoder().encode(item) : host.readFile(item.file) };
  });
}

function firmwareItems(graph: MachineGraph, bios: BuiltinBios, more: readonly FirmwareItem[]): FirmwareItem[] {
  const ram = graph.memories.filter((m) => m.kind === "ram"), harts = graph.cpu.harts;
  return [
    { key: RAM_SIZE, bytes: numbers(8, ram.reduce((n, m) => n + m.size, 0)) },
    { key: CPUS, bytes: numbers(2, harts) },
    { key: MAX_CPUS, bytes: numbers(2, harts) },
    { key: NUMA, bytes: numbers(8, 0, ...Array<number>(harts).fill(0)) },
    { key: IRQ0_OVERRIDE, bytes: numbers(4, 1) },
    { name: "etc/e820", bytes: e820(ram) },
    ...firmwareFiles(bios.tables),
    ...more,
  ];
}

/** A BIOS from a file at work: it finds devices itself and is told the rest by fw_cfg and CMOS memory. */
export class RomBios {
  readonly #start: Alarm;

  /** @param bios gives access to the machine. @param start starts the kernel, when it is not the BIOS that loads it from a disk. */
  constructor(readonly parts: PlatformParts, readonly bios: BuiltinBios, readonly start: ((map: readonly MapEntry[]) => void) | undefined) {
    this.#start = parts.clock.alarm("kernel's start", () => start?.(this.#map()));
    if (!start) return;
    // Only for the option ROM; and not in the middle of the OUT instruction.
    const write = () => {
      const { core } = bios;
      if (!core.modes.protectedMode && core.segments.selector(CS) >= ROM_SEGMENTS) this.#start.scheduleAt(parts.clock.ticks);
    };
    bios.io.map(BIOS_PORT, 1, { access: { min: 1, max: 4 }, read: () => 0xff, write }, "kernel");
  }

  /** Fills fw_cfg and CMOS memory. */
  powerOn(): void {
    const { parts, bios } = this, { graph, disks } = parts;
    provideItems(parts, bios, [
      // When nothing boots, that is the end.
      { name: "etc/boot-fail-wait", bytes: Uint8Array.of(0xff, 0xff, 0xff, 0xff) },
      ...(graph.firmware.serial ? [{ name: "etc/sercon-port", bytes: numbers(2, COM1) }] : []),
      ...(this.start ? [{ name: KERNEL_ROM, bytes: kernelRom() }, { name: "bootorder", bytes: ascii(`/rom@${KERNEL_ROM}\0`) }] : []),
    ]);
    writeCmosSizes(bios, EQUIPMENT);
    const { bootDisk } = disks, kinds = [...new Set([...(bootDisk ? [bootDisk.kind] : []), ...graph.boot.order ?? []])];
    const cmos = (index: number, value: number) => (bios.out(CMOS, 1, index), bios.out(CMOS + 1, 1, value));
    const code = (i: number) => KINDS.indexOf(kinds[i]) + 1;
    cmos(BOOT_ORDER, code(0) | code(1) << 4);
    cmos(BOOT_ORDER_3, code(2) << 4);
  }

  /** What the option ROM has collected. */
  #map(): MapEntry[] {
    const { bios } = this, bytes = bios.readBytes(bios.segment("es") * 16, bios.reg("edi") & 0xffff), view = new DataView(bytes.buffer);
    const entry = (at: number) => ({
      base: Number(view.getBigUint64(at, true)),
      length: Number(view.getBigUint64(at + 8, true)),
      type: view.getUint32(at + 16, true),
    });
    return Array.from({ length: Math.floor(bytes.length / E820_BYTES) }, (_, i) => entry(E820_BYTES * i));
  }
}

/** An option ROM that boots: it lets the BIOS say where memory is, and calls the emulator. */
function kernelRom(): Uint8Array {
  const rom = new Uint8Array(512);
  rom.set([0x55, 0xaa, rom.length / 512, 0xcb]); // signature, size; initialization: retf
  rom.set([PNP_HEADER], 0x1a);
  // Plug and Play BIOS Specification 1.0a, 3.2: revision 1, 32 bytes; a network device, with a bootstrap entry vector.
  rom.set([...ascii("$PnP"), 1, 2], PNP_HEADER);
  rom.set([BOOTSTRAP], PNP_HEADER + 0x1a);
  rom.set([
    ...[0xb8, 0x00, 0x70, 0x8e, 0xc0], // mov ax, 7000h; mov es, ax
    ...[0x31, 0xff, 0x66, 0x31, 0xdb], // xor di, di; xor ebx, ebx
    ...[0x66, 0xb8, 0x20, 0xe8, 0x00, 0x00], // next: mov eax, 0e820h
    ...[0x66, 0xba, 0x50, 0x41, 0x4d, 0x53], // mov edx, "SMAP"
    ...[0x66, 0xb9, E820_BYTES, 0x00, 0x00, 0x00], // mov ecx, 20
    ...[0xcd, 0x15, 0x72, 0x08], // int 15h; jc done
    ...[0x83, 0xc7, E820_BYTES, 0x66, 0x85, 0xdb], // add di, 20; test ebx, ebx
    ...[0x75, 0xe2], // jnz next
    ...[0xe6, BIOS_PORT, 0xeb, 0xfe], // done: out BIOS_PORT, al; stay there
  ], BOOTSTRAP);
  rom[rom.length - 1] = -rom.reduce((sum, byte) => sum + byte, 0);
  return rom;
}

/** RAM as the chipset has it; what lies under the ROM and the screen counts, since the firmware knows of them. */
function e820(ram: readonly MemoryNode[]): Uint8Array {
  const ranges: { from: number; to: number }[] = [];
  const parts = ram.flatMap((m) => [...m.segments, ...m.shadows]).sort((a, b) => a.base - b.base);
  for (const { base, length } of parts) {
    const last = ranges.at(-1);
    // The hole below 1 MiB is the firmware's own business.
    if (last && (base <= last.to || base <= MIB)) last.to = base + length;
    else ranges.push({ from: base, to: base + length });
  }
  const view = new DataView(new ArrayBuffer(E820_BYTES * ranges.length));
  for (const [i, { from, to }] of ranges.entries()) {
    view.setBigUint64(E820_BYTES * i, BigInt(from), true);
    view.setBigUint64(E820_BYTES * i + 8, BigInt(to - from), true);
    view.setUint32(E820_BYTES * i + 16, USABLE, true);
  }
  return new Uint8Array(view.buffer);
}

const ascii = (text: string) => new TextEncoder().encode(text);

/** Little-endian integers of `size` bytes each. */
function numbers(size: 2 | 4 | 8, ...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  for (const [i, v] of values.entries()) view.setBigUint64(size * i, BigInt(v), true);
  return new Uint8Array(view.buffer, 0, size * values.length);
}
