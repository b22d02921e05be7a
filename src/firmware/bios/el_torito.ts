// Booting from CDs: the boot catalog, and the floppy or hard disk that a boot image pretends to be.
// Sources: "El Torito" Bootable CD-ROM Format Specification 1.0 (January 1995), 2 to 4; which entry is taken: the first, as SeaBIOS does.
// Not modelled: the choice among several entries (4D01h reads the catalog), emulations on SCSI.
import { FLOPPIES, type Geometry } from "../../core/disk.ts";
import { BDA, type BiosDisk, type BiosHost, type Booted, type Call } from "./host.ts";

const DESCRIPTOR_BLOCK = 17, BLOCK = 2048, RATIO = 4;
const MARK = "\0CD001\x01EL TORITO SPECIFICATION", CATALOG_AT = 0x47;
const BOOTABLE = 0x88, ENTRY = 32, DEFAULT_SEGMENT = 0x7c0;
const EMULATED_FLOPPIES = [0, 2400, 2880, 5760], HARD_DISK = 4;

/** Loads the boot image of a CD; undefined when there is none to boot. */
export function loadBootImage(host: BiosHost, cd: BiosDisk, number: number): Booted | undefined {
  const descriptor = cd.read(DESCRIPTOR_BLOCK, 1);
  if (!descriptor || [...MARK].some((c, i) => descriptor[i] !== c.charCodeAt(0))) return undefined;
  const catalog = cd.read(view(descriptor).getUint32(CATALOG_AT, true), 1);
  if (!catalog || catalog[0] !== 1 || catalog[1] !== 0 || catalog[30] !== 0x55 || catalog[31] !== 0xaa) return undefined;
  const entry = view(catalog.subarray(ENTRY, 2 * ENTRY));
  if (entry.getUint8(0) !== BOOTABLE) return undefined;
  const media = entry.getUint8(1), kind = media & 0xf, segment = entry.getUint16(2, true) || DEFAULT_SEGMENT;
  const sectors = entry.getUint16(6, true), lba = entry.getUint32(8, true), image = cd.read(lba, Math.ceil(sectors / RATIO));
  if (!image || kind > HARD_DISK) return undefined;
  host.writeBytes(segment * 16, image.subarray(0, sectors * BLOCK / RATIO));
  const drive = kind === 0 ? number : kind === HARD_DISK ? 0x80 : 0;
  return { cd: number, media, drive, lba, sectors, segment, chs: geometry(kind, image), active: kind !== 0 };
}

/** A floppy's format; of a hard disk what the first partition's end says. */
function geometry(kind: number, image: Uint8Array): Geometry {
  if (kind !== HARD_DISK) return FLOPPIES[EMULATED_FLOPPIES[kind]] ?? { cylinders: 0, heads: 0, sectors: 0 };
  const [head = 0, sector = 0, cylinder = 0] = image.subarray(451, 454);
  return { cylinders: ((sector & 0xc0) << 2 | cylinder) + 1, heads: head + 1, sectors: sector & 0x3f };
}

/** The disk that the CD pretends to be, while it does. */
export function emulatedDisk(host: BiosHost): BiosDisk | undefined {
  const booted = host.state.booted;
  if (!booted?.active) return undefined;
  const cd = host.disks.filter((d) => d.kind === "cd")[booted.cd - 0xe0], { cylinders, heads, sectors } = booted.chs;
  const size = cylinders * heads * sectors;
  return {
    kind: booted.drive & 0x80 ? "hard" : "floppy",
    sectorSize: BLOCK / RATIO,
    sectors: size,
    readonly: true,
    geometry: booted.chs,
    chs: booted.chs,
    translation: "none",
    read(lba, count) {
      const first = Math.floor(lba / RATIO), last = Math.ceil((lba + count) / RATIO), from = (lba - first * RATIO) * (BLOCK / RATIO);
      if (lba + count > size) return undefined;
      return cd?.read(booted.lba + first, last - first)?.subarray(from, from + count * (BLOCK / RATIO));
    },
    write: () => false,
  };
}

/** El Torito 4.4: fills the specification packet at DS:SI; AL=0 ends the emulation. False: nothing was booted from a CD. */
export function emulationStatus(c: Call): boolean {
  const { host } = c, { booted } = host.state;
  if (!booted) return false;
  const packet = new Uint8Array(19), v = view(packet), { cylinders, heads, sectors } = booted.chs, last = Math.max(0, cylinders - 1);
  v.setUint8(0, packet.length);
  v.setUint8(1, booted.media);
  v.setUint8(2, booted.drive);
  v.setUint32(4, booted.lba, true);
  v.setUint16(12, booted.segment, true);
  v.setUint16(14, booted.sectors, true);
  packet.set([last & 0xff, last >> 2 & 0xc0 | sectors, Math.max(0, heads - 1)], 16);
  host.writeBytes(c.at(c.ds, c.si), packet);
  if (c.al === 0 && booted.active) {
    host.state.booted = { ...booted, active: false };
    countDrives(host, booted.drive, -1);
  }
  return true;
}

/** Tells the data area that there is a drive more or less. */
export function countDrives(host: BiosHost, drive: number, change: number): void {
  if (drive & 0x80) host.write(BDA.DISKS, 1, host.read(BDA.DISKS, 1) + change & 0xff);
  else {
    const equipment = host.read(BDA.EQUIPMENT, 2), floppies = (equipment & 1 ? (equipment >> 6 & 3) + 1 : 0) + change;
    host.write(BDA.EQUIPMENT, 2, equipment & ~0xc1 | (floppies > 0 ? 1 | (Math.min(floppies, 4) - 1) << 6 : 0));
  }
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
