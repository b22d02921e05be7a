// What the built-in BIOS needs of the machine, and the vocabulary of its interrupts.
// Sources: IBM PS/2 and PC BIOS Interface Technical Reference (April 1987); Ralf Brown's Interrupt List, release 61.
import type { StopRequest } from "../../core/device.ts";
import type { Geometry, Translation } from "../../core/disk.ts";
import type { TablesDescription } from "../tables/mod.ts";

export const REGISTERS = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"] as const;
export const SEGMENTS = ["ds", "es", "ss"] as const;
export type Register = typeof REGISTERS[number];
export type SegmentName = typeof SEGMENTS[number];

/** A disk as int 13h sees it. */
export interface BiosDisk {
  readonly kind: "floppy" | "hard" | "cd";
  /** Bytes of a sector: 512, or 2048 of a CD. */
  readonly sectorSize: number;
  readonly sectors: number;
  readonly readonly: boolean;
  /** Cylinders, heads and sectors as the drive reports them and as int 13h counts them; of a CD they mean nothing. */
  readonly geometry: Geometry;
  readonly chs: Geometry;
  readonly translation: Translation;
  /** `count` whole sectors; undefined when they cannot be read. */
  read(lba: number, count: number): Uint8Array | undefined;
  /** Writes whole sectors; false when they cannot be written. */
  write(lba: number, data: Uint8Array): boolean;
}

/** An entry of the memory map: type 1 is usable RAM, 2 reserved, 3 and 4 belong to ACPI. */
export interface MapEntry {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** What was booted from a CD; plain data. */
export interface Booted {
  /** Drive number of the CD. */
  readonly cd: number;
  /** 0: none; 1, 2, 3: a floppy of 1.2, 1.44, 2.88 MB; 4: a hard disk. Flags in the upper half. */
  readonly media: number;
  /** Number of the drive that was booted from. */
  readonly drive: number;
  /** First block (of 2048 bytes) of the image, and how many sectors (of 512) were loaded. */
  readonly lba: number;
  readonly sectors: number;
  readonly segment: number;
  readonly chs: Geometry;
  /** False once the emulation was ended by 4B00h. */
  readonly active: boolean;
}

/** What a machine offers to the BIOS. Values are unsigned; addresses are linear ones. */
export interface BiosHost {
  reg(name: Register): number;
  setReg(name: Register, value: number): void;
  /** Selector of a segment register. */
  segment(name: SegmentName): number;
  /** Loads a segment register as real mode does. */
  setSegment(name: SegmentName, value: number): void;
  read(address: number, size: 1 | 2 | 4): number;
  write(address: number, size: 1 | 2 | 4, value: number): void;
  readBytes(address: number, length: number): Uint8Array;
  writeBytes(address: number, data: Uint8Array): void;
  /** Writes what the guest can only read. */
  writeRom(paddr: number, data: Uint8Array): void;
  in(port: number, size: 1 | 2 | 4): number;
  out(port: number, size: 1 | 2 | 4, value: number): void;
  /** Writes bytes to one port, one after the other. */
  outAll(port: number, bytes: readonly number[]): void;
  /** Floppies first, by drive number; then hard disks; then CDs. */
  readonly disks: readonly BiosDisk[];
  /** Drive numbers in the order in which int 19h tries them. */
  readonly bootOrder: readonly number[];
  readonly memoryMap: readonly MapEntry[];
  /** What its tables say about the machine; absent: there are none. */
  readonly tables?: TablesDescription;
  /** Bytes of display memory and the address of the linear framebuffer; undefined without VBE. */
  readonly framebuffer: { readonly address: number; readonly length: number } | undefined;
  /** What programs print by int 10h's teletype goes there, too; absent: nowhere else. */
  readonly echo?: (character: number) => void;
  /** Guest time since reset. */
  readonly nowNs: number;
  /** What the BIOS remembers beside the BIOS data area; part of a snapshot. */
  state: BiosState;
  stop(request: StopRequest): void;
  /** A line on a trace channel. */
  log(channel: "sbi" | "unimp" | "guest", text: () => string): void;
}

export const biosPowerOn = () => ({
  /** Guest time until which int 15h, AH=86h waits, or -1. */
  waitUntilNs: -1,
  /** Guest time at which int 15h, AH=83h sets bit 7 of a byte, or -1; and the byte's address. */
  eventAtNs: -1,
  eventByte: 0,
  /** The VBE mode that is set, with its flags; 0 in a mode of AH=00h. */
  vbeMode: 0,
  /** Index of the boot device that int 18h tries next. */
  bootNext: 0,
  /** What was booted from a CD. */
  booted: undefined as Booted | undefined,
  /** How often each CD was locked. */
  locks: [] as number[],
});
export type BiosState = ReturnType<typeof biosPowerOn>;

/** The BIOS data area (at 0x400): offsets from address 0. */
export const BDA = {
  COM: 0x400,
  LPT: 0x408,
  EBDA: 0x40e,
  EQUIPMENT: 0x410,
  MEMORY_KIB: 0x413,
  SHIFT: 0x417,
  SHIFT_2: 0x418,
  KEY_HEAD: 0x41a,
  KEY_TAIL: 0x41c,
  FLOPPY_STATUS: 0x441,
  MODE: 0x449,
  COLUMNS: 0x44a,
  PAGE_BYTES: 0x44c,
  PAGE_START: 0x44e,
  CURSORS: 0x450,
  CURSOR_SHAPE: 0x460,
  PAGE: 0x462,
  CRTC: 0x463,
  TICKS: 0x46c,
  MIDNIGHT: 0x470,
  DISK_STATUS: 0x474,
  DISKS: 0x475,
  KEY_START: 0x480,
  KEY_END: 0x482,
  ROWS: 0x484,
  CHAR_HEIGHT: 0x485,
  VIDEO: 0x487,
  SWITCHES: 0x488,
  VIDEO_FLAGS: 0x489,
  SHIFT_3: 0x496,
} as const;

/** Segment of the ROM, and the length of the stub of each interrupt at its start. */
export const ROM_SEGMENT = 0xf000, STUB_BYTES = 16;
/** The port on which a stub calls the emulator. */
export const BIOS_PORT = 0xb0;
/** Where the extended BIOS data area is: the last KiB of conventional memory. */
export const EBDA_SEGMENT = 0x9fc0;

export const CF = 0x0001, ZF = 0x0040;

/** One interrupt call: the caller's registers by their usual names. Flags are those that the stub's IRET will load. */
export class Call {
  constructor(readonly host: BiosHost, readonly vector: number) {}

  get ax() {
    return this.host.reg("eax") & 0xffff;
  }
  set ax(v) {
    this.#set16("eax", v);
  }
  get bx() {
    return this.host.reg("ebx") & 0xffff;
  }
  set bx(v) {
    this.#set16("ebx", v);
  }
  get cx() {
    return this.host.reg("ecx") & 0xffff;
  }
  set cx(v) {
    this.#set16("ecx", v);
  }
  get dx() {
    return this.host.reg("edx") & 0xffff;
  }
  set dx(v) {
    this.#set16("edx", v);
  }
  get si() {
    return this.host.reg("esi") & 0xffff;
  }
  set si(v) {
    this.#set16("esi", v);
  }
  get di() {
    return this.host.reg("edi") & 0xffff;
  }
  set di(v) {
    this.#set16("edi", v);
  }
  get bp() {
    return this.host.reg("ebp") & 0xffff;
  }
  set bp(v) {
    this.#set16("ebp", v);
  }
  get al() {
    return this.ax & 0xff;
  }
  set al(v) {
    this.ax = this.ax & 0xff00 | v & 0xff;
  }
  get ah() {
    return this.ax >> 8;
  }
  set ah(v) {
    this.ax = this.ax & 0xff | (v & 0xff) << 8;
  }
  get bl() {
    return this.bx & 0xff;
  }
  set bl(v) {
    this.bx = this.bx & 0xff00 | v & 0xff;
  }
  get bh() {
    return this.bx >> 8;
  }
  set bh(v) {
    this.bx = this.bx & 0xff | (v & 0xff) << 8;
  }
  get cl() {
    return this.cx & 0xff;
  }
  set cl(v) {
    this.cx = this.cx & 0xff00 | v & 0xff;
  }
  get ch() {
    return this.cx >> 8;
  }
  get dl() {
    return this.dx & 0xff;
  }
  set dl(v) {
    this.dx = this.dx & 0xff00 | v & 0xff;
  }
  get dh() {
    return this.dx >> 8;
  }
  set dh(v) {
    this.dx = this.dx & 0xff | (v & 0xff) << 8;
  }
  get es() {
    return this.host.segment("es");
  }
  set es(v) {
    this.host.setSegment("es", v);
  }
  get ds() {
    return this.host.segment("ds");
  }

  /** Address of segment:offset. */
  at(segment: number, offset: number): number {
    return segment * 16 + (offset & 0xffff);
  }

  /** Where the stack holds the caller's flags: above the stub's number, IP and CS. */
  get #flagsAt(): number {
    return this.at(this.host.segment("ss"), this.host.reg("esp") + 6);
  }
  setFlag(flag: number, on: boolean): void {
    const at = this.#flagsAt, flags = this.host.read(at, 2);
    this.host.write(at, 2, on ? flags | flag : flags & ~flag);
  }
  /** The usual end of a call: carry says that it failed. */
  set carry(on: boolean) {
    this.setFlag(CF, on);
  }

  /** Comes back to this call after the next hardware interrupt. */
  again(): void {
    this.#continueAt(STUB_WAIT);
  }
  /** Returns to the caller; the rule, unless the call says otherwise. */
  done(): void {
    this.#continueAt(STUB_DONE);
  }
  /** Stops for good. */
  halt(): void {
    this.jump(HALT_AT);
  }
  #continueAt(offset: number): void {
    this.jump(this.vector * STUB_BYTES + offset);
  }
  /** Goes on with code at an offset of the ROM instead of the stub's end. */
  jump(offset: number): void {
    this.host.write(this.at(this.host.segment("ss"), this.host.reg("esp")), 2, offset);
  }

  #set16(name: Register, v: number): void {
    this.host.setReg(name, (this.host.reg(name) & 0xffff_0000 | v & 0xffff) >>> 0);
  }
}

/**
 * The code behind an interrupt vector: it pushes its number and calls the emulator, which puts the offset to go on at in the number's
 * place. At STUB_DONE it returns to the caller, at STUB_WAIT it waits for a hardware interrupt and calls again.
 */
export const stubOf = (vector: number): number[] => [
  ...[0x68, vector & 0xff, vector >> 8], // push vector
  ...[0xe6, BIOS_PORT], // out BIOS_PORT, al
  0xc3, // ret
  0xcf, // iret
  ...[0xfb, 0xf4, 0xfa], // sti; hlt; cli
  ...[0xeb, 0xf4], // jmp to the start
];
export const STUB_DONE = 6, STUB_WAIT = 7;
/** The stub of the reset vector, and where the offset of the code is that stops for good. */
export const RESET_VECTOR = 0x100, HALT_AT = 0x1020, HALT = [0xfa, 0xf4, 0xeb, 0xfc];

/** A function of an interrupt, told apart by AH or AX. */
export interface BiosFunction {
  readonly name: string;
  call(c: Call): void;
}
/** One interrupt: what it is called, and what serves it. */
export interface BiosInterrupt {
  readonly vector: number;
  readonly name: string;
  /** By AX where the key has four digits ("e820"), by AH where it has two. */
  readonly functions: Readonly<Record<string, BiosFunction>>;
  /** What a call of a function that is not there does. */
  unknown(c: Call): void;
}

/** 0x42 for 42. */
export const toBcd = (n: number) => Math.floor(n / 10) << 4 | n % 10;
export const fromBcd = (n: number) => (n >> 4) * 10 + (n & 0xf);
