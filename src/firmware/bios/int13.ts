// Int 13h: disks by cylinder, head and sector, and by block number. Data goes straight between disk and memory.
// Sources: IBM PS/2 and PC BIOS Interface Technical Reference, "INT 13H"; Phoenix Enhanced Disk Drive Specification 3.0 (T13 D1572);
// Ralf Brown's Interrupt List, release 61; where they leave a choice: as SeaBIOS. Not modelled: formatting hard disks, ejecting for good, the
// device path of EDD 3.0.
import { FLOPPIES } from "../../core/disk.ts";
import { emulatedDisk, emulationStatus } from "./el_torito.ts";
import { BDA, type BiosDisk, type BiosFunction, type BiosInterrupt, type Call, ROM_SEGMENT } from "./host.ts";

const OK = 0x00, INVALID = 0x01, READ_ONLY = 0x03, NOT_FOUND = 0x04, DMA_BOUNDARY = 0x09, NOT_READY = 0x80;
const NOT_LOCKED = 0xb0, LOCKED = 0xb1, NOT_REMOVABLE = 0xb2, TOO_MANY_LOCKS = 0xb4;
/** Where the floppy parameter table is in the ROM segment (int 1Eh points to it), and the table. */
export const FLOPPY_TABLE_AT = 0x7ec0;
export const FLOPPY_TABLE = [0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08];

export const floppyType = (disk: BiosDisk) => FLOPPIES[disk.sectors]?.type ?? 4;

/** The disk of a drive number: floppies from 0, hard disks from 0x80, CDs from 0xe0; the one that a CD emulates comes before its like. */
export function diskOf({ host }: Call, drive: number): BiosDisk | undefined {
  const of = (kind: BiosDisk["kind"]) => host.disks.filter((d) => d.kind === kind);
  const emulated = emulatedDisk(host), all = (kind: BiosDisk["kind"]) => emulated?.kind === kind ? [emulated, ...of(kind)] : of(kind);
  return drive >= 0xe0 ? of("cd")[drive - 0xe0] : drive >= 0x80 ? all("hard")[drive - 0x80] : all("floppy")[drive];
}

/** Ends a call with a status: in AH, in the data area, and carry when it is an error. */
function finish(c: Call, status: number): void {
  c.host.write(c.dl & 0x80 ? BDA.DISK_STATUS : BDA.FLOPPY_STATUS, 1, status);
  c.ah = status;
  c.carry = status !== OK;
}

type Transfer = "read" | "write" | "verify";

/** Moves sectors; the status. */
function transfer(c: Call, disk: BiosDisk, what: Transfer, lba: number, count: number, address: number): number {
  if (lba + count > disk.sectors) return NOT_FOUND;
  if (what === "verify") return OK;
  if (what === "write") {
    if (disk.readonly) return READ_ONLY;
    return disk.write(lba, c.host.readBytes(address, count * disk.sectorSize)) ? OK : NOT_FOUND;
  }
  const data = disk.read(lba, count);
  if (!data) return NOT_FOUND;
  c.host.writeBytes(address, data);
  return OK;
}

/**
 * A floppy's data goes through the 8237, whose page register does not count on: no transfer crosses a multiple of 64 KiB (IBM's Technical
 * Reference, "INT 13H", status 09h). Nothing is moved then. A floppy that a CD pretends to have needs no such channel.
 */
function crosses(c: Call, disk: BiosDisk, what: Transfer, address: number, bytes: number): boolean {
  if (disk.kind !== "floppy" || what === "verify" || !c.host.disks.includes(disk)) return false;
  return address >>> 16 !== (address + bytes - 1) >>> 16;
}

const byChs = (name: string, what: Transfer): BiosFunction => ({
  name,
  call(c) {
    const disk = diskOf(c, c.dl), count = c.al;
    if (!disk || disk.kind === "cd") return finish(c, disk ? INVALID : c.dl & 0x80 ? INVALID : NOT_READY);
    const { cylinders, heads, sectors } = disk.chs;
    const cylinder = c.ch | (c.cl & 0xc0) << 2, head = c.dh, sector = c.cl & 0x3f;
    if (count === 0 || count > 128 || sector === 0 || sector > sectors || head >= heads || cylinder >= cylinders) return finish(c, INVALID);
    const lba = (cylinder * heads + head) * sectors + sector - 1, address = c.at(c.es, c.bx);
    const status = crosses(c, disk, what, address, count * disk.sectorSize) ? DMA_BOUNDARY : transfer(c, disk, what, lba, count, address);
    if (status !== OK) c.al = 0;
    finish(c, status);
  },
});

/** EDD 3.0, 8.3: the disk address packet: length, 0, blocks, buffer, first block, and a flat address for those that are longer. */
const byPacket = (name: string, what: Transfer): BiosFunction => ({
  name,
  call(c) {
    const { host } = c, disk = diskOf(c, c.dl), at = c.at(c.ds, c.si), length = host.read(at, 1);
    if (!disk || disk.kind === "floppy" || length < 16) return finish(c, INVALID);
    const count = host.read(at + 2, 2), far = host.read(at + 4, 4);
    const flat = far === 0xffff_ffff && length >= 24;
    const address = flat ? host.read(at + 16, 4) : (far >>> 16) * 16 + (far & 0xffff);
    const lba = host.read(at + 8, 4) + host.read(at + 12, 4) * 2 ** 32;
    if (lba >= disk.sectors) return finish(c, INVALID);
    const status = transfer(c, disk, what, lba, count, address);
    if (status !== OK) host.write(at + 2, 2, 0);
    finish(c, status);
  },
});

function parameters(c: Call): void {
  const { host } = c, disk = diskOf(c, c.dl), hard = c.dl >= 0x80;
  const kind = hard ? "hard" : "floppy",
    count = host.disks.filter((d) => d.kind === kind).length + (emulatedDisk(host)?.kind === kind ? 1 : 0);
  if (!disk || disk.kind === "cd") {
    if (!hard && c.dl < 4) [c.bx, c.cx, c.dx] = [0, 0, count];
    return finish(c, INVALID);
  }
  // The last cylinder of a hard disk is for diagnostics.
  const { cylinders, heads, sectors } = disk.chs, last = cylinders - (hard ? 2 : 1);
  finish(c, OK);
  c.al = 0;
  c.cx = (last & 0xff) << 8 | last >> 2 & 0xc0 | sectors;
  c.dx = heads - 1 << 8 | count;
  if (hard) return;
  c.bx = floppyType(disk);
  c.es = ROM_SEGMENT;
  c.di = FLOPPY_TABLE_AT;
}

/** EDD 3.0, 8.6: what is known of a disk; as much as the caller has room for. */
function extendedParameters(c: Call): void {
  const { host } = c, disk = diskOf(c, c.dl), at = c.at(c.ds, c.si), room = host.read(at, 2);
  if (!disk || disk.kind === "floppy" || room < 26) return finish(c, INVALID);
  const { cylinders, heads, sectors } = disk.chs, hard = disk.kind === "hard", length = room >= 30 ? 30 : 26;
  const block = new Uint8Array(length), view = new DataView(block.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, hard ? 0x02 : 0x74, true); // the geometry is valid; a CD is removable and can be locked
  view.setUint32(4, hard ? Math.max(cylinders, Math.floor(disk.sectors / (heads * sectors))) : 0xffff_ffff, true);
  view.setUint32(8, hard ? heads : 0xffff_ffff, true);
  view.setUint32(12, hard ? sectors : 0xffff_ffff, true);
  view.setBigUint64(16, BigInt(disk.sectors), true);
  view.setUint16(24, disk.sectorSize, true);
  if (length >= 30) view.setUint32(26, 0xffff_ffff, true);
  host.writeBytes(at, block);
  finish(c, OK);
}

/** A floppy's track is filled; other disks need no formatting. */
function format(c: Call): void {
  const disk = diskOf(c, c.dl), count = c.al;
  if (disk?.kind !== "floppy") return finish(c, disk || c.dl & 0x80 ? INVALID : NOT_READY);
  const { cylinders, heads, sectors } = disk.chs;
  if (count === 0 || count > sectors || c.ch >= cylinders || c.dh >= heads) return finish(c, INVALID);
  if (disk.readonly) return finish(c, READ_ONLY);
  disk.write((c.ch * heads + c.dh) * sectors, new Uint8Array(count * disk.sectorSize).fill(FLOPPY_TABLE[8]));
  finish(c, OK);
}

/** EDD 3.0, 8.7: locks are counted; only a CD has them. */
function lock(c: Call): void {
  const disk = diskOf(c, c.dl), { locks } = c.host.state, n = c.dl - 0xe0;
  if (!disk || disk.kind !== "cd" || c.al > 2) return finish(c, disk && c.al <= 2 ? OK : INVALID);
  const held = locks[n] ?? 0, status = c.al === 0 && held === 255 ? TOO_MANY_LOCKS : c.al === 1 && held === 0 ? NOT_LOCKED : OK;
  if (status === OK && c.al < 2) locks[n] = held + (c.al === 0 ? 1 : -1);
  c.al = locks[n] ? 1 : 0;
  finish(c, status);
}

/** Answers without doing anything when the drive is there. */
const present = (name: string): BiosFunction => ({
  name,
  call: (c) => finish(c, diskOf(c, c.dl) ? OK : c.dl & 0x80 ? INVALID : NOT_READY),
});

/** The same for what only fixed disks have; floppies know 00h to 05h, 08h and 15h to 18h. */
const fixed = (name: string): BiosFunction => ({
  name,
  call: (c) => finish(c, c.dl >= 0x80 && diskOf(c, c.dl) ? OK : INVALID),
});

export const int13: BiosInterrupt = {
  vector: 0x13,
  name: "disk",
  functions: {
    "00": { name: "reset", call: (c) => finish(c, c.dl < 0x80 || diskOf(c, c.dl) ? OK : INVALID) },
    "01": {
      name: "status",
      call: (c) => {
        const status = c.host.read(c.dl & 0x80 ? BDA.DISK_STATUS : BDA.FLOPPY_STATUS, 1);
        c.ah = status;
        c.carry = status !== OK;
      },
    },
    "02": byChs("read", "read"),
    "03": byChs("write", "write"),
    "04": byChs("verify", "verify"),
    "05": { name: "format track", call: format },
    "08": { name: "parameters", call: parameters },
    "09": fixed("initialize"),
    "0c": fixed("seek"),
    "0d": fixed("reset"),
    "10": fixed("ready"),
    "11": fixed("recalibrate"),
    "14": fixed("diagnostics"),
    "15": {
      name: "type",
      call: (c) => {
        const disk = diskOf(c, c.dl);
        if (!disk) return finish(c, INVALID);
        c.host.write(c.dl & 0x80 ? BDA.DISK_STATUS : BDA.FLOPPY_STATUS, 1, OK);
        if (disk.kind === "hard") {
          const { cylinders, heads, sectors } = disk.chs, all = (cylinders - 1) * heads * sectors;
          c.cx = all >>> 16;
          c.dx = all & 0xffff;
        }
        c.ah = disk.kind === "hard" ? 3 : 1;
        c.carry = false;
      },
    },
    "16": {
      name: "disk change",
      call: (c) => finish(c, diskOf(c, c.dl)?.kind === "floppy" ? OK : c.dl & 0x80 ? INVALID : NOT_READY),
    },
    "17": present("media type"),
    "18": present("media type for formatting"),
    "41": {
      name: "EDD check",
      call: (c) => {
        const disk = diskOf(c, c.dl);
        if (!disk || disk.kind === "floppy" || c.bx !== 0x55aa) return finish(c, INVALID);
        finish(c, OK);
        c.bx = 0xaa55;
        c.ah = 0x30; // version 3.0
        c.cx = 0x0007; // packets, locking, EDD
      },
    },
    "42": byPacket("EDD read", "read"),
    "43": byPacket("EDD write", "write"),
    "44": byPacket("EDD verify", "verify"),
    "45": { name: "lock", call: lock },
    "46": {
      name: "eject",
      call: (c) => finish(c, diskOf(c, c.dl)?.kind !== "cd" ? NOT_REMOVABLE : c.host.state.locks[c.dl - 0xe0] ? LOCKED : OK),
    },
    "47": present("EDD seek"),
    "48": { name: "EDD parameters", call: extendedParameters },
    "49": { name: "media change", call: (c) => finish(c, diskOf(c, c.dl) ? OK : INVALID) },
    "4b": { name: "CD emulation", call: (c) => finish(c, emulationStatus(c) ? OK : INVALID) },
    "4e": {
      name: "set hardware configuration",
      call: (c) => finish(c, diskOf(c, c.dl) && [1, 3, 4, 6].includes(c.al) ? OK : INVALID),
    },
  },
  unknown: (c) => finish(c, INVALID),
};
