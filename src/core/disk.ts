// Disks: sectors over the bytes of an image. What the guest writes stays in memory, sector by sector, as a part of the machine's state; it
// goes to the image only where the machine file says so, and only when the guest flushes or the run ends.
import { ConfigError } from "./errors.ts";
import { bool, choice, type Config, file, size, table } from "./schema.ts";

export type DiskKind = "hard" | "floppy" | "cd";
export const SECTOR_BYTES: Readonly<Record<DiskKind, number>> = { hard: 512, floppy: 512, cd: 2048 };

/** The bytes of an image. */
export interface DiskSource {
  /** Bytes. */
  readonly size: number;
  /**
   * Bytes from `offset` on, all of them inside the image, as they were when it was opened, whatever `write` has done since: snapshots and
   * forks rely on that. The result may be shared and must not be written to.
   */
  read(offset: number, length: number): Uint8Array;
  /** Changes the image; absent when nobody has allowed that. */
  write?(offset: number, data: Uint8Array): void;
  /** Several writes at once; what they wrote survives a loss of power when this comes back. */
  together?(writes: () => void): void;
}

/** Bytes of a disk that may be written over its image. */
const MOST_WRITTEN = 2 ** 30;

/** An image in memory, which is never changed. */
export const memorySource = (bytes: Uint8Array): DiskSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

/** What was written to a disk: whole sectors by number. The arrays are never changed, so copies of the map may share them. */
export type WrittenSectors = ReadonlyMap<number, Uint8Array>;

/** A disk in its drive. */
export class Disk {
  readonly sectorSize: number;
  readonly sectors: number;
  /** What the drive reports, and what int 13h uses; of a CD they mean nothing. */
  readonly geometry: Geometry;
  readonly chs: Geometry;
  readonly translation: Translation;
  /** Called with how many sectors are read or written: such work is counted. */
  onAccess: (sectors: number) => void = () => {};
  /** Sectors that may be written over the image: they are in memory, with as much again for keeping them. */
  mostWritten: number;
  #written = new Map<number, Uint8Array>();
  /** Sectors that the image has now, where they are not those it had when it was opened. */
  readonly #flushed = new Map<number, Uint8Array>();
  /** Sectors that may differ between the two. */
  readonly #changed = new Set<number>();

  /** `readonly`: the guest cannot write. An image that ends within a sector, or is no whole floppy, is filled up with zeros. */
  constructor(readonly source: DiskSource, readonly kind: DiskKind, readonly readonly: boolean = kind === "cd") {
    this.sectorSize = SECTOR_BYTES[kind];
    this.mostWritten = MOST_WRITTEN / this.sectorSize;
    const sectors = Math.ceil(source.size / this.sectorSize);
    this.sectors = kind === "floppy" && !(sectors in FLOPPIES) ? FORMATS.find((n) => n >= sectors) ?? sectors : sectors;
    const floppy = kind === "floppy" ? FLOPPIES[this.sectors] ?? FLOPPIES[2880] : undefined;
    const hard = floppy ? undefined : driveGeometry(sectors, source.read(0, Math.min(512, source.size)));
    this.geometry = floppy ?? hard!;
    this.chs = floppy ?? biosGeometry(sectors, hard!);
    this.translation = hard?.translation ?? "none";
  }

  /** `count` whole sectors from `lba` on; undefined when the disk ends before. The result may be shared and must not be written to. */
  read(lba: number, count: number): Uint8Array | undefined {
    if (lba < 0 || count < 0 || lba + count > this.sectors) return undefined;
    this.onAccess(count);
    const size = this.sectorSize, from = lba * size, length = count * size;
    const image = this.source.read(from, Math.max(0, Math.min(length, this.source.size - from)));
    if (image.length === length && this.#written.size === 0) return image;
    const out = new Uint8Array(length);
    out.set(image);
    for (let i = 0; i < count; i++) {
      const sector = this.#written.get(lba + i);
      if (sector) out.set(sector, i * size);
    }
    return out;
  }

  /** Writes whole sectors; false when the disk ends before or cannot be written. @throws {ConfigError} more was written than memory should hold. */
  write(lba: number, data: Uint8Array): boolean {
    const size = this.sectorSize;
    if (this.readonly || lba < 0 || data.length % size || lba + data.length / size > this.sectors) return false;
    this.onAccess(data.length / size);
    if (this.#written.size + data.length / size > this.mostWritten) this.#checkRoom(lba, data.length / size);
    for (let at = 0; at < data.length; at += size) this.#written.set(lba + at / size, data.slice(at, at + size));
    if (this.source.write) { for (let i = 0; i < data.length / size; i++) this.#changed.add(lba + i); }
    return true;
  }

  /** The run ends: a guest that was told of an error would be another guest. */
  #checkRoom(lba: number, count: number): void {
    let more = 0;
    for (let i = 0; i < count; i++) if (!this.#written.has(lba + i)) more++;
    if (this.#written.size + more <= this.mostWritten) return;
    const bytes = this.mostWritten * this.sectorSize, text = bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes} bytes`;
    throw new ConfigError(`the guest has written ${text} of a disk, and memory holds all of that; its drive's key \`written\` allows more`);
  }

  /** Brings an image that may be written up to date; does nothing to others. */
  flush(): void {
    const { source } = this;
    if (!source.write) return;
    if (this.#changed.size === 0) return;
    const write = () => {
      for (const lba of this.#changed) {
        const now = this.#written.get(lba), from = lba * this.sectorSize, length = Math.min(this.sectorSize, source.size - from);
        if (now === this.#flushed.get(lba) || length <= 0) continue;
        source.write!(from, (now ?? source.read(from, length)).subarray(0, length));
        if (now) this.#flushed.set(lba, now);
        else this.#flushed.delete(lba);
      }
    };
    if (source.together) source.together(write);
    else write();
    this.#changed.clear();
  }

  /** What was written, ascending by sector. */
  save(): WrittenSectors {
    return new Map([...this.#written].sort(([a], [b]) => a - b));
  }
  load(written: WrittenSectors): void {
    this.#written = new Map(written);
    // A restored snapshot may be older than what was flushed.
    if (this.source.write) {
      for (const sectors of [this.#written, this.#flushed]) {
        for (const lba of sectors.keys()) this.#changed.add(lba);
      }
    }
  }
}

const keys = <const K extends readonly DiskKind[]>(kinds: K) => ({
  file: file(`the image in it, or "@kernel": the image that the command line names, if it is of this kind; absent: the drive is empty`, {
    optional: true,
    large: true,
  }),
  media: choice("what the drive takes", { choices: kinds, default: kinds[0] }),
  overlay: bool("writes stay in memory; false: they go to the file when the guest flushes them and when the run ends", { default: true }),
  readonly: bool("the guest cannot write", { default: false }),
  written: size("how much of it the guest may write: memory holds that, and once more for keeping it, with and without overlay", {
    default: MOST_WRITTEN,
    min: 512,
  }),
});

/** A key for a drive of a device; its type names it in `drives`. Without the table there is no drive, unless an image is put there. */
export const drive = <const K extends readonly DiskKind[]>(doc: string, kinds: K) => table(doc, keys(kinds), { optional: true });
/** What a machine file says of a drive. */
export type DriveConfig = Config<ReturnType<typeof keys>>;

/** What a device finds in a drive. */
export interface Drive {
  readonly kind: DiskKind;
  /** Undefined while the drive is empty. */
  readonly disk: Disk | undefined;
}

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
}

/** How a BIOS makes its geometry of a drive's: not at all, from the number of sectors, or by doubling the heads (the numbers are the CMOS's). */
export const TRANSLATION = { none: 0, lba: 1, large: 2 } as const;
export type Translation = keyof typeof TRANSLATION;

/**
 * Geometry that a hard disk's drive reports, and the translation that a PC's BIOS is told: by the partition table if it has one (as QEMU
 * does it, so that a disk means the same in both), else 16 heads of 63 sectors.
 */
export function driveGeometry(sectors: number, first: Uint8Array): Geometry & { readonly translation: Translation } {
  const standard = { cylinders: Math.max(2, Math.min(16383, Math.floor(sectors / (16 * 63)))), heads: 16, sectors: 63 };
  const auto = (g: Geometry) => ({ ...g, translation: g.cylinders <= 1024 ? "none" : "lba" } as const);
  for (let at = 446; at < 510 && first[510] === 0x55 && first[511] === 0xaa; at += 16) {
    const length = new DataView(first.buffer, first.byteOffset).getUint32(at + 12, true),
      lastHead = first[at + 5],
      perTrack = first[at + 6] & 63;
    if (!length || !lastHead || !perTrack) continue;
    const heads = lastHead + 1, cylinders = Math.floor(sectors / (heads * perTrack));
    if (cylinders < 1 || cylinders > 16383) continue;
    if (heads <= 16) return auto({ cylinders, heads, sectors: perTrack });
    return { ...standard, translation: standard.cylinders * standard.heads <= 131_072 ? "large" : "lba" };
  }
  return auto(standard);
}

/** Geometry that int 13h uses for it: at most 1024 cylinders. */
export function biosGeometry(sectors: number, drive: Geometry & { readonly translation: Translation }): Geometry {
  let { cylinders, heads, sectors: perTrack } = drive;
  if (drive.translation === "lba") {
    perTrack = 63;
    const tracks = Math.floor(sectors / 63);
    heads = [16, 32, 64, 128].find((h) => Math.floor(tracks / 1024) <= h) ?? 255;
    cylinders = Math.floor(tracks / heads);
  }
  for (; drive.translation === "large" && cylinders > 1024; heads *= 2) cylinders >>= 1;
  return { cylinders: Math.min(1024, cylinders), heads, sectors: perTrack };
}

/** Sizes of floppies in sectors, with their format and the drive type that int 13h reports. */
export const FLOPPIES: Readonly<Record<number, Geometry & { readonly type: number }>> = {
  320: { cylinders: 40, heads: 1, sectors: 8, type: 1 },
  360: { cylinders: 40, heads: 1, sectors: 9, type: 1 },
  640: { cylinders: 40, heads: 2, sectors: 8, type: 1 },
  720: { cylinders: 40, heads: 2, sectors: 9, type: 1 },
  1440: { cylinders: 80, heads: 2, sectors: 9, type: 3 },
  2400: { cylinders: 80, heads: 2, sectors: 15, type: 2 },
  2880: { cylinders: 80, heads: 2, sectors: 18, type: 4 },
  5760: { cylinders: 80, heads: 2, sectors: 36, type: 6 },
};

/** Sizes in sectors that a floppy drive takes an image of another size for: 1.44 MB, the format that boot sectors count on, or 2.88 MB. */
const FORMATS = [2880, 5760], LARGEST_FLOPPY = 5760 * 512;

/** Offset of the identifier of an ISO 9660 volume descriptor (ECMA-119, 8.1.2). */
const CD_MARK_AT = 0x8001, CD_MARK = "CD001";

/**
 * What kind of disk an image is, by its contents and size: 1.44 MB; a file system of CDs; another floppy's size with a FAT parameter
 * block, as a hard disk may have that size by chance; else a hard disk.
 */
export function kindOf(image: DiskSource): DiskKind {
  if (image.size === 1_474_560) return "floppy";
  const mark = image.size > CD_MARK_AT + CD_MARK.length ? image.read(CD_MARK_AT, CD_MARK.length) : new Uint8Array();
  if (String.fromCharCode(...mark) === CD_MARK) return "cd";
  if (image.size % 512 || !(image.size / 512 in FLOPPIES)) return "hard";
  const [low, high] = image.read(11, 2);
  return (low | high << 8) === 512 ? "floppy" : "hard";
}

/** What is wrong with an image of this many bytes in such a drive, if anything; `padded`: the drive fills up a sector that the image ends in. */
export function sizeProblem(kind: DiskKind, bytes: number, padded = false): string | undefined {
  if (bytes === 0) return "the image is empty";
  if (padded) return undefined;
  if (kind === "floppy") {
    return bytes > LARGEST_FLOPPY ? `an image of ${bytes} bytes is too large for a floppy, which has at most ${LARGEST_FLOPPY}` : undefined;
  }
  const sector = SECTOR_BYTES[kind];
  return bytes % sector ? `an image of ${bytes} bytes does not consist of whole sectors of ${sector} bytes` : undefined;
}
