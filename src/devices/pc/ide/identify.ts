// What IDENTIFY DEVICE and IDENTIFY PACKET DEVICE answer: 256 words that describe the drive.
// Source: ATA/ATAPI-7 (T13/1532D revision 4b, volume 1), 6.17 and 6.18; the values are those of QEMU's drives where the standard leaves a choice.

/** What differs from drive to drive. */
export interface HardDisk {
  readonly serial: string;
  readonly sectors: number;
  /** Translation at power-on, and the one that is set. */
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  readonly current: { readonly heads: number; readonly sectors: number };
  /** Sectors for each interrupt of READ MULTIPLE; 0: not set. */
  readonly multiple: number;
  /** The argument of SET FEATURES, 03h. */
  readonly transferMode: number;
  readonly writeCache: boolean;
}

const FIRMWARE = "1.0", LBA28_MAX = 0x0fff_ffff;
/** Largest number of sectors for each interrupt of READ MULTIPLE. */
export const MULTIPLE_MAX = 16;

export function identifyHardDisk(d: HardDisk): Uint8Array {
  const [bytes, word] = table();
  const { heads, sectors } = d.current, cylinders = Math.min(65535, Math.floor(d.sectors / (heads * sectors)));
  word(0, 0x0040); // fixed
  word(1, d.cylinders);
  word(3, d.heads);
  word(6, d.sectorsPerTrack);
  text(bytes, 10, 20, d.serial);
  text(bytes, 23, 8, FIRMWARE);
  text(bytes, 27, 40, "BRINGUP HARDDISK");
  word(47, 0x8000 | MULTIPLE_MAX);
  word(48, 1); // 32-bit accesses to the data port
  word(49, 0x0b00); // IORDY, LBA, DMA
  word(51, 0x0200, 0x0200);
  word(53, 7); // words 54 to 58, 64 to 70 and 88 are valid
  word(54, cylinders, heads, sectors, ...halves(cylinders * heads * sectors));
  if (d.multiple) word(59, 0x0100 | d.multiple);
  word(60, ...halves(Math.min(d.sectors, LBA28_MAX)));
  dmaModes(word, d.transferMode);
  word(80, 0x00f0, 0x0016); // ATA-4 to ATA-7
  word(82, 0x4021, 0x7400, 0x4000); // write cache; FLUSH CACHE (EXT), 48-bit addresses
  word(85, 0x4001 | (d.writeCache ? 0x20 : 0), 0x3400, 0x4000);
  word(93, 0x6001);
  word(100, ...halves(d.sectors), Math.floor(d.sectors / 2 ** 32) & 0xffff, 0);
  return bytes;
}

export function identifyCd(serial: string, transferMode: number): Uint8Array {
  const [bytes, word] = table();
  word(0, 0x85c0); // a removable CD drive that takes packets of 12 bytes within 50 us
  text(bytes, 10, 20, serial);
  text(bytes, 23, 8, FIRMWARE);
  text(bytes, 27, 40, "BRINGUP CD-ROM");
  word(48, 1);
  word(49, 0x0b00);
  word(53, 7);
  dmaModes(word, transferMode);
  word(71, 30, 30);
  word(80, 0x001e);
  word(82, 0x0010, 0x4000, 0x4000); // PACKET
  word(85, 0x0010, 0, 0x4000);
  return bytes;
}

/** Modes that the drive knows in the low bytes, the one that is set in the high byte. */
function dmaModes(word: Word, mode: number): void {
  const set = (kind: number) => mode >> 3 === kind ? 0x100 << (mode & 7) : 0;
  word(63, 0x07 | set(4), 0x03, 120, 120, 120, 120);
  word(88, 0x3f | set(8));
}

type Word = (at: number, ...values: number[]) => void;

/** 512 bytes and how words are put there. */
function table(): [Uint8Array, Word] {
  const bytes = new Uint8Array(512), view = new DataView(bytes.buffer);
  return [bytes, (at, ...values) => values.forEach((v, i) => view.setUint16(2 * (at + i), v, true))];
}

const halves = (n: number): [number, number] => [n & 0xffff, Math.floor(n / 0x1_0000) & 0xffff];

/** Texts have their first character in the upper byte of a word. */
function text(bytes: Uint8Array, at: number, length: number, content: string): void {
  for (let i = 0; i < length; i++) bytes[2 * at + (i ^ 1)] = content.padEnd(length).charCodeAt(i);
}
