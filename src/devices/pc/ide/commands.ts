// The commands of hard disks and of CD drives, by their codes. Source: ATA/ATAPI-7 (T13/1532D revision 4b), volume 1, 6.
import { type DriveState, IDNF, LBA, SECTOR, type Unit } from "./drive.ts";
import { identifyCd, identifyHardDisk, MULTIPLE_MAX } from "./identify.ts";

/** What a command does to its channel (`Channel`). */
export interface CommandChannel {
  later(d: DriveState): void;
  abort(d: DriveState, error?: number): void;
  send(d: DriveState, from: number, length: number, block: number): void;
  sendReply(d: DriveState, reply: Uint8Array, block?: number): void;
  receive(d: DriveState, from: number, length: number, block: number): void;
  receivePacket(d: DriveState): void;
  dma(d: DriveState, from: number, length: number, reply?: Uint8Array): void;
  setSignature(d: DriveState, cd: boolean): void;
  diagnose(): void;
}

/** A command of hard disks or of CD drives. */
export type DriveCommand = (c: CommandChannel, d: DriveState, u: Unit) => void;

/** Sector that the registers name, with 28 or 48 bits or by cylinder, head and sector; -1: no such sector. */
export function lbaOf(d: DriveState, bits: 28 | 48): number {
  const [low, mid, high] = [d.low, d.mid, d.high];
  if (bits === 48) {
    return (low & 0xff) + (mid & 0xff) * 2 ** 8 + (high & 0xff) * 2 ** 16 + (low >> 8) * 2 ** 24 + (mid >> 8) * 2 ** 32 +
      (high >> 8) * 2 ** 40;
  }
  if (d.device & LBA) return (d.device & 0xf) * 2 ** 24 + (high & 0xff) * 2 ** 16 + (mid & 0xff) * 2 ** 8 + (low & 0xff);
  const cylinder = (high & 0xff) << 8 | mid & 0xff, head = d.device & 0xf, sector = low & 0xff;
  if (sector === 0 || sector > d.sectors || head >= d.heads) return -1;
  return (cylinder * d.heads + head) * d.sectors + sector - 1;
}

/** The inverse, in the notation of the command. */
export function setLba(d: DriveState, lba: number): void {
  const byte = (n: number) => Math.floor(lba / 2 ** n) & 0xff;
  if (EXTENDED.has(d.command)) {
    Object.assign(d, { low: byte(24) << 8 | byte(0), mid: byte(32) << 8 | byte(8), high: byte(40) << 8 | byte(16) });
  } else if (d.device & LBA) Object.assign(d, { low: byte(0), mid: byte(8), high: byte(16), device: d.device & 0xf0 | byte(24) & 0xf });
  else {
    const track = Math.floor(lba / d.sectors), cylinder = Math.floor(track / d.heads);
    Object.assign(d, {
      low: lba % d.sectors + 1,
      mid: cylinder & 0xff,
      high: cylinder >> 8 & 0xff,
      device: d.device & 0xf0 | track % d.heads,
    });
  }
}

const EXTENDED = new Set([0x24, 0x25, 0x27, 0x29, 0x34, 0x35, 0x39, 0x42, 0xea]);
export const isWrite = (command: number) => command === 0xca || command === 0xcb || command === 0x35;
const MULTIPLE = new Set([0xc4, 0xc5, 0x29, 0x39]);

/** A transfer of sectors: where and how many, checked, then `go`. */
const sectors =
  (go: (c: CommandChannel, d: DriveState, from: number, length: number, block: number, u: Unit) => void): DriveCommand => (c, d, u) => {
    const extended = EXTENDED.has(d.command), lba = lbaOf(d, extended ? 48 : 28);
    const count = extended ? d.count || 0x1_0000 : d.count & 0xff || 256;
    if (MULTIPLE.has(d.command) && d.multiple === 0) return c.abort(d);
    if (lba < 0 || lba >= u.disk!.sectors) return c.abort(d, IDNF);
    d.reply = undefined;
    d.data = new Uint8Array();
    go(c, d, lba * SECTOR, count * SECTOR, SECTOR * (MULTIPLE.has(d.command) ? d.multiple : 1), u);
  };
const READ = sectors((c, d, from, length, block) => c.send(d, from, length, block));
const WRITE = sectors((c, d, from, length, block, u) => u.disk!.readonly ? c.abort(d) : c.receive(d, from, length, block));
const DMA = sectors((c, d, from, length, _block, u) => isWrite(d.command) && u.disk!.readonly ? c.abort(d) : c.dma(d, from, length));
const VERIFY = sectors((c, d, from, length, _block, u) => from + length > u.disk!.sectors * SECTOR ? c.abort(d, IDNF) : c.later(d));
/** Nothing to do for a model. */
const OK: DriveCommand = (c, d) => c.later(d);

/** ATA/ATAPI-7, 6.49: features that change nothing here are accepted. */
const SET_FEATURES: DriveCommand = (c, d) => {
  const feature = d.feature & 0xff, value = d.count & 0xff;
  if (feature === 0x02 || feature === 0x82) d.writeCache = feature === 0x02;
  else if (feature === 0x03) {
    // PIO default and flow control, single-word DMA (which there is not), multi-word and Ultra DMA with their numbers.
    const kind = value >> 3, n = value & 7, limit = [1, 4, -1, -1, 2, -1, -1, -1, 5][kind] ?? -1;
    if (n > limit) return c.abort(d);
    d.transferMode = value;
  } else if (![0x05, 0x85, 0x42, 0xc2, 0x55, 0xaa, 0x66, 0xcc].includes(feature)) return c.abort(d);
  c.later(d);
};
const POWER: Readonly<Record<number, DriveCommand>> = Object.fromEntries([0xe0, 0xe1, 0xe2, 0xe3, 0xe6].map((n) => [n, OK]));
/** CHECK POWER MODE: active. */
const CHECK_POWER: DriveCommand = (c, d) => {
  d.count = 0xff;
  c.later(d);
};
const DIAGNOSE: DriveCommand = (c) => c.diagnose();
const FLUSH: DriveCommand = (c, d, u) => {
  u.disk?.flush();
  c.later(d);
};

export const DISK_COMMANDS: Readonly<Record<number, DriveCommand>> = {
  ...Object.fromEntries(Array.from({ length: 16 }, (_, n) => [0x10 + n, OK])), // RECALIBRATE
  0x20: READ,
  0x21: READ,
  0x24: READ,
  0x25: DMA,
  0x27: (c, d, u) => {
    setLba(d, u.disk!.sectors - 1);
    c.later(d);
  },
  0x29: READ,
  0x30: WRITE,
  0x31: WRITE,
  0x34: WRITE,
  0x35: DMA,
  0x39: WRITE,
  0x40: VERIFY,
  0x41: VERIFY,
  0x42: VERIFY,
  0x70: sectors((c, d) => c.later(d)), // SEEK
  0x90: DIAGNOSE,
  // INITIALIZE DEVICE PARAMETERS: another translation
  0x91: (c, d) => {
    const heads = (d.device & 0xf) + 1, sectors = d.count & 0xff;
    if (sectors === 0) return c.abort(d);
    Object.assign(d, { heads, sectors });
    c.later(d);
  },
  0xc4: READ,
  0xc5: WRITE,
  0xc6: (c, d) => {
    const n = d.count & 0xff;
    if (n > MULTIPLE_MAX || (n & n - 1) !== 0) return c.abort(d);
    d.multiple = n;
    c.later(d);
  },
  0xc8: DMA,
  0xc9: DMA,
  0xca: DMA,
  0xcb: DMA,
  ...POWER,
  0xe5: CHECK_POWER,
  0xe7: FLUSH,
  0xea: FLUSH,
  0xec: (c, d, u) => c.sendReply(d, identifyHardDisk(descriptionOf(d, u))),
  0xef: SET_FEATURES,
  0xf8: (c, d, u) => {
    d.device |= LBA;
    setLba(d, Math.min(u.disk!.sectors - 1, 0x0fff_fffe));
    c.later(d);
  },
};

function descriptionOf(d: DriveState, u: Unit) {
  const { cylinders, heads, sectors } = u.disk!.geometry;
  const { multiple, transferMode, writeCache } = d;
  const current = { heads: d.heads, sectors: d.sectors };
  return {
    serial: u.serial,
    sectors: u.disk!.sectors,
    cylinders,
    heads,
    sectorsPerTrack: sectors,
    current,
    multiple,
    transferMode,
    writeCache,
  };
}

// CD drives

/** Commands for hard disks leave the signature, so that the drive is told from one. */
const NOT_FOR_CDS: DriveCommand = (c, d) => {
  c.setSignature(d, true);
  c.abort(d);
};
export const CD_COMMANDS: Readonly<Record<number, DriveCommand>> = {
  0x08: (c, d) => c.setSignature(d, true),
  0x20: NOT_FOR_CDS,
  0x90: DIAGNOSE,
  0xa0: (c, d) => c.receivePacket(d),
  0xa1: (c, d, u) => c.sendReply(d, identifyCd(u.serial, d.transferMode)),
  ...POWER,
  0xe5: CHECK_POWER,
  0xe7: OK,
  0xec: NOT_FOR_CDS,
  0xef: SET_FEATURES,
};
