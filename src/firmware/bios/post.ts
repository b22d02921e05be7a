// The power-on self test, in no time: ROM, interrupt vectors, BIOS data area, and the chipset as a BIOS leaves it.
// Sources: IBM PS/2 and PC BIOS Interface Technical Reference, "BIOS Data Area" and "Interrupt Vectors"; the register values are those that
// kernels find under SeaBIOS.
import { TRANSLATION } from "../../core/disk.ts";
import { builtinFont } from "../../core/font8x16.ts";
import { BDA, type BiosHost, EBDA_SEGMENT, HALT, HALT_AT, RESET_VECTOR, ROM_SEGMENT, STUB_BYTES, STUB_DONE, stubOf } from "./host.ts";
import { FUNCTIONALITY, FUNCTIONALITY_AT } from "./int10.ts";
import { FLOPPY_TABLE, FLOPPY_TABLE_AT, floppyType } from "./int13.ts";
import { CONFIGURATION, CONFIGURATION_AT } from "./int15.ts";
import { fromBcd, toBcd } from "./host.ts";
import { readCmos, TICKS_PER_DAY, writeCmos } from "./int1a.ts";
import { startPci } from "./pci.ts";
import { placeTables, startApic } from "./post_tables.ts";
import { ROM_CODE } from "./rom_code.ts";
import { ROM_FONTS, setMode } from "./video_text.ts";

const ROM = ROM_SEGMENT * 16, MIB = 2 ** 20;
const IRET = 0xcf;
/** int 1Ch; push ax; mov al, 20h; out 20h, al; pop ax; iret. */
const TIMER_TAIL = [0xcd, 0x1c, 0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf];
/** Model byte, and the date that old programs look for. */
const MODEL_AT = 0xfffe, MODEL = 0xfc, DATE_AT = 0xfff5, DATE = "01/01/26", RESET_AT = 0xfff0;

/** Sets up everything that a kernel may expect of a BIOS. `served` are the vectors that call the emulator. */
export function post(host: BiosHost, served: readonly number[]): void {
  writeRom(host, served);
  writeVectors(host, served);
  writeDataArea(host);
  startChipset(host);
  startPci(host);
  startApic(host);
  placeTables(host);
  writeCmosSizes(host, host.read(BDA.EQUIPMENT, 1));
  setMode(host, 3);
  setClock(host);
}

function writeRom(host: BiosHost, served: readonly number[]): void {
  const rom = new Uint8Array(0x1_0000);
  for (let vector = 0; vector < 256; vector++) rom[vector * STUB_BYTES] = IRET;
  for (const vector of served) rom.set(stubOf(vector), vector * STUB_BYTES);
  rom.set(TIMER_TAIL, 0x08 * STUB_BYTES + STUB_DONE);
  rom.set(stubOf(RESET_VECTOR), RESET_VECTOR * STUB_BYTES);
  rom.set(HALT, HALT_AT);
  for (const { at, code } of ROM_CODE) rom.set(code, at);
  for (const height of [8, 14, 16] as const) rom.set(builtinFont(height), ROM_FONTS[height]);
  rom.set(FUNCTIONALITY, FUNCTIONALITY_AT);
  rom.set(FLOPPY_TABLE, FLOPPY_TABLE_AT);
  rom.set(CONFIGURATION, CONFIGURATION_AT);
  const reset = RESET_VECTOR * STUB_BYTES;
  rom.set([0xea, reset & 0xff, reset >> 8, ROM_SEGMENT & 0xff, ROM_SEGMENT >> 8], RESET_AT);
  for (let i = 0; i < DATE.length; i++) rom[DATE_AT + i] = DATE.charCodeAt(i);
  rom[MODEL_AT] = MODEL;
  host.writeRom(ROM, rom);
}

/** Vectors that point to data: floppy and fixed disk tables, fonts. */
const TABLES: Readonly<Record<number, number>> = {
  0x1d: 0,
  0x1e: ROM_SEGMENT * 0x1_0000 + FLOPPY_TABLE_AT,
  0x1f: ROM_SEGMENT * 0x1_0000 + ROM_FONTS[8] + 1024,
  0x41: 0,
  0x46: 0,
};

function writeVectors(host: BiosHost, served: readonly number[]): void {
  const vectors = new Uint32Array(256);
  for (let vector = 0; vector < 256; vector++) {
    // The user's own vectors and those above the hardware interrupts are empty.
    const own = vector < 0x60 || (vector >= 0x68 && vector < 0x78) || served.includes(vector);
    vectors[vector] = TABLES[vector] ?? (own ? ROM_SEGMENT * 0x1_0000 + vector * STUB_BYTES : 0);
  }
  host.writeBytes(0, new Uint8Array(vectors.buffer));
}

/** Ports of the serial interfaces that answer. */
function serialPorts(host: BiosHost): number[] {
  return [0x3f8, 0x2f8, 0x3e8, 0x2e8].filter((port) => {
    host.out(port + 7, 1, 0x5a);
    return host.in(port + 7, 1) === 0x5a;
  });
}

/** Those of the parallel ports. */
function parallelPorts(host: BiosHost): number[] {
  return [0x378, 0x278, 0x3bc].filter((port) => {
    host.out(port, 1, 0xaa);
    return host.in(port, 1) === 0xaa;
  });
}

function writeDataArea(host: BiosHost): void {
  host.writeBytes(0x400, new Uint8Array(0x100));
  const serial = serialPorts(host), parallel = parallelPorts(host), floppies = host.disks.filter((d) => d.kind === "floppy").length;
  for (const [i, port] of serial.entries()) host.write(BDA.COM + 2 * i, 2, port);
  for (const [i, port] of parallel.entries()) host.write(BDA.LPT + 2 * i, 2, port);
  host.write(BDA.EBDA, 2, EBDA_SEGMENT);
  host.write(EBDA_SEGMENT * 16, 1, 1);
  // A coprocessor, a mouse, 80 by 25 in colour, floppies, serial and parallel ports.
  host.write(BDA.EQUIPMENT, 2, 0x0026 | (floppies ? 1 | floppies - 1 << 6 : 0) | serial.length << 9 | parallel.length << 14);
  host.write(BDA.MEMORY_KIB, 2, EBDA_SEGMENT / 64);
  for (const [at, value] of [[BDA.KEY_HEAD, 0x1e], [BDA.KEY_TAIL, 0x1e], [BDA.KEY_START, 0x1e], [BDA.KEY_END, 0x3e]]) {
    host.write(at, 2, value);
  }
  host.write(BDA.SHIFT_3, 1, 0x10);
  host.write(BDA.DISKS, 1, host.disks.filter((d) => d.kind === "hard").length);
  for (let i = 0; i < 4; i++) host.write(0x478 + i, 1, 0x14), host.write(0x47c + i, 1, 0x0a);
}

function startChipset(host: BiosHost): void {
  const out = (port: number, ...values: number[]) => {
    for (const v of values) host.out(port, 1, v);
  };
  // Interrupt controllers at 08h and 70h; timer, keyboard and floppy on, of the slave the clock, PS/2 mouse and coprocessor off.
  out(0x20, 0x11);
  out(0x21, 0x08, 0x04, 0x01, 0xb8);
  out(0xa0, 0x11);
  out(0xa1, 0x70, 0x02, 0x01, 0x8f);
  // 18.2 ticks a second.
  out(0x43, 0x34);
  out(0x40, 0, 0);
  // The keyboard controller translates to set 1 and raises interrupts; the mouse is off.
  out(0x64, 0xaa);
  host.in(0x60, 1);
  out(0x64, 0x60);
  out(0x60, 0x61);
  const port92 = host.in(0x92, 1);
  if (port92 !== 0xff) out(0x92, (port92 | 2) & ~1);
}

/** Sizes of memory and disks, where old programs and BIOSes from files look for them; `equipment` without the floppies. */
export function writeCmosSizes(host: BiosHost, equipment: number): void {
  const end = (limit: number) => Math.max(0, ...host.memoryMap.filter((e) => e.type === 1 && e.base < limit).map((e) => e.base + e.length));
  const below = end(2 ** 32), above = Math.max(0, end(Infinity) - 2 ** 32);
  const kib = Math.max(0, Math.min(0xffff, (below - MIB) / 1024)), blocks = Math.max(0, Math.min(0xffff, (below - 16 * MIB) / 0x1_0000));
  const word = (index: number, value: number) => (writeCmos(host, index, value & 0xff), writeCmos(host, index + 1, value >> 8));
  word(0x15, 640);
  for (const index of [0x17, 0x30]) word(index, kib);
  word(0x34, blocks);
  word(0x5b, above / 0x1_0000 & 0xffff);
  writeCmos(host, 0x5d, above / 2 ** 32 & 0xff);
  const [first, second] = host.disks.filter((d) => d.kind === "floppy");
  writeCmos(host, 0x10, (first ? floppyType(first) << 4 : 0) | (second ? floppyType(second) : 0));
  writeCmos(host, 0x14, equipment | (first ? 0x01 : 0) | (second ? 0x40 : 0));
  const hard = host.disks.filter((d) => d.kind === "hard");
  writeCmos(host, 0x12, (hard[0] ? 0xf0 : 0) | (hard[1] ? 0x0f : 0));
  writeCmos(host, 0x39, hard.slice(0, 4).reduce((byte, disk, i) => byte | TRANSLATION[disk.translation] << 2 * i, 0));
  for (const [i, disk] of hard.slice(0, 2).entries()) {
    const { cylinders, heads, sectors } = disk.geometry, at = 0x1b + 9 * i;
    writeCmos(host, 0x19 + i, 47);
    word(at, cylinders);
    writeCmos(host, at + 2, heads);
    word(at + 3, 0xffff);
    writeCmos(host, at + 5, 0xc0 | (heads > 8 ? 8 : 0));
    word(at + 6, cylinders);
    writeCmos(host, at + 8, sectors);
  }
}

/** The tick count of the time of day. */
function setClock(host: BiosHost): void {
  const [hours, minutes, seconds] = [4, 2, 0].map((index) => fromBcd(readCmos(host, index)));
  const ticks = Math.floor((hours * 3600 + minutes * 60 + seconds) * TICKS_PER_DAY / 86_400);
  host.write(BDA.TICKS, 4, ticks < TICKS_PER_DAY ? ticks : 0);
  if (readCmos(host, 0x32) === 0) writeCmos(host, 0x32, toBcd(20));
}
