// Scatter lists with every special length, and sectors up to the ends of 28 and 48 bits on disks that nobody could store.
// Programming Interface for Bus Master IDE Controller 1.0 (Intel, 1994), 1.2 and 3.1; ATA/ATAPI-7 (T13/1532D), volume 1, 6.
import { assertEquals } from "@std/assert";
import { PciBus, PciSlot } from "../../../core/pci.ts";
import { Disk, type DiskSource } from "../../../core/disk.ts";
import ide, { type Ide } from "./mod.ts";
import { bench } from "../../testing/bench.ts";

const ERROR = 1, STATUS = 7, BUSY = 0x80, READY = 0x50, FAILED = 0x41, IDNF = 0x10, END = 0x8000, RAM = 0x10_0000;

/** A disk of so many sectors, each of which begins with its number in 8 bytes. */
const numbered = (sectors: number): DiskSource => ({
  size: sectors * 512,
  read: (offset, length) => {
    const view = new DataView(new ArrayBuffer(length));
    for (let at = 0; at + 8 <= length; at += 512) view.setBigUint64(at, BigInt(Math.floor((offset + at) / 512)), true);
    return new Uint8Array(view.buffer);
  },
});

function setUp(source: DiskSource, ram = RAM) {
  const pci = new PciSlot(1, 1), disk = new Disk(source, "hard"), b = bench(ide, {}, { drives: { disk0: { kind: "hard", disk } }, pci });
  const config: Record<string, Uint8Array> = {}, dev = b.dev as Ide, master = dev.pci.bars![4]!.target;
  b.dma.mapRam(0x1_0000, new Uint8Array(ram - 0x1_0000));
  new PciBus({ mem: b.dma, io: undefined, config: () => config, lines: [], route: () => 0 }).plug(pci, dev.pci);
  const out = (register: number, value: number) => b.write(register, value, 1, 0), inp = (register: number) => b.read(register, 1, 0);
  /** Gives a command with these registers from the feature register on; 48-bit ones are written twice. */
  const command = (code: number, ...registers: readonly number[][]) => {
    for (const set of registers) set.forEach((v, i) => out(ERROR + i, v));
    out(STATUS, code);
  };
  const transfer = (code: number, lba: number, count: number) => {
    const byte = (n: number) => Math.floor(lba / 2 ** n) & 0xff, low = [0, count & 0xff, byte(0), byte(8), byte(16)];
    if ([0x24, 0x25, 0x29, 0x34, 0x35, 0x39, 0x42].includes(code)) {
      command(code, [0, count >> 8 & 0xff, byte(24), byte(32), byte(40)], [...low, 0x40]);
    } else command(code, [...low, 0xe0 | byte(24) & 0xf]);
  };
  /** The sector that the registers name. */
  const named = (wide: boolean) => {
    const read = () => inp(3) + inp(4) * 2 ** 8 + inp(5) * 2 ** 16, low = read();
    if (!wide) return low + (inp(6) & 0xf) * 2 ** 24;
    b.write(0, 0x80, 1, 1);
    const high = read();
    b.write(0, 0, 1, 1);
    return low + high * 2 ** 24;
  };
  const start = (table: number, toMemory: boolean) => {
    master.write(4, 4, table);
    master.write(0, 1, toMemory ? 9 : 1);
  };
  return { ...b, disk, transfer, named, start, inp, status: () => b.read(0, 1, 1), busMaster: () => master.read(2, 1) };
}

/** Address, what the field of the length holds, end bit: the list; then what it stands for, in bytes; and what is left in both status registers. */
interface List {
  readonly name: string;
  readonly sectors: number;
  readonly list: readonly (readonly [address: number, size: number, flags: number])[];
  readonly places: readonly (readonly [address: number, length: number])[];
  readonly master: number;
  readonly status?: number;
}
// In the bus master's status 4 is the interrupt, 1 active: a list longer than the transfer leaves both, one that is shorter none (1.2).
const LISTS: readonly List[] = [
  { name: "one piece", sectors: 1, list: [[0x2000, 512, END]], places: [[0x2000, 512]], master: 4 },
  {
    name: "pieces of 2 bytes at the start",
    sectors: 1,
    list: [[0x2000, 2, 0], [0x3000, 2, 0], [0x4000, 508, END]],
    places: [[0x2000, 2], [0x3000, 2], [0x4000, 508]],
    master: 4,
  },
  { name: "length 0 is 64 KiB", sectors: 128, list: [[0x2_0000, 0, END]], places: [[0x2_0000, 0x1_0000]], master: 4 },
  {
    name: "64 KiB and more",
    sectors: 129,
    list: [[0x2_0000, 0, 0], [0x4_0000, 512, END]],
    places: [[0x2_0000, 0x1_0000], [0x4_0000, 512]],
    master: 4,
  },
  { name: "64 KiB for one sector", sectors: 1, list: [[0x2_0000, 0, END]], places: [[0x2_0000, 512]], master: 5 },
  {
    name: "the largest length that is no 0",
    sectors: 128,
    list: [[0x2_0000, 0xfffe, 0], [0x4_0000, 2, END]],
    places: [[0x2_0000, 0xfffe], [0x4_0000, 2]],
    master: 4,
  },
  {
    name: "an odd length: bit 0 is reserved",
    sectors: 1,
    list: [[0x2000, 257, 0], [0x3000, 257, END]],
    places: [[0x2000, 256], [0x3000, 256]],
    master: 4,
  },
  { name: "length 1, which is 0 without bit 0", sectors: 1, list: [[0x2000, 1, END]], places: [[0x2000, 512]], master: 5 },
  { name: "an odd address: bit 0 is reserved", sectors: 1, list: [[0x2001, 512, END]], places: [[0x2000, 512]], master: 4 },
  // Not allowed; as in QEMU it goes straight on.
  { name: "across 64 KiB", sectors: 1, list: [[0x2_ff00, 512, END]], places: [[0x2_ff00, 512]], master: 4 },
  { name: "no end bit, just long enough", sectors: 1, list: [[0x2000, 512, 0]], places: [[0x2000, 512]], master: 5 },
  {
    name: "no end bit, the next entry is used",
    sectors: 1,
    list: [[0x2000, 256, 0], [0x3000, 0, 0]],
    places: [[0x2000, 256], [0x3000, 256]],
    master: 5,
  },
  { name: "longer than the transfer by 2", sectors: 1, list: [[0x2000, 514, END]], places: [[0x2000, 512]], master: 5 },
  { name: "more entries than are needed", sectors: 1, list: [[0x2000, 512, 0], [0x3000, 512, END]], places: [[0x2000, 512]], master: 5 },
  { name: "shorter than the transfer by 2", sectors: 1, list: [[0x2000, 510, END]], places: [[0x2000, 510]], master: 0, status: BUSY },
  { name: "up to the end of memory", sectors: 1, list: [[RAM - 512, 512, END]], places: [[RAM - 512, 512]], master: 4 },
  {
    name: "2 bytes beyond the end of memory",
    sectors: 1,
    list: [[RAM - 510, 512, END]],
    places: [[RAM - 510, 510]],
    master: 6,
    status: FAILED,
  },
];
const LBA = 1000, TABLE = 0x1000, FILL = 0xee;

for (const { name, sectors, list, places, master, status = READY } of LISTS) {
  Deno.test(`scatter list: ${name}`, () => {
    for (const toMemory of [true, false]) {
      const pattern = (i: number) => i * 7 + (i >> 8) & 0xff, whole = Uint8Array.from({ length: sectors * 512 }, (_, i) => pattern(i));
      const image = new Uint8Array((LBA + 200) * 512).fill(FILL);
      if (toMemory) image.set(whole, LBA * 512);
      const b = setUp({ size: image.length, read: (offset, length) => image.subarray(offset, offset + length) });
      b.dma.writeBytes(0x1_0000, new Uint8Array(RAM - 0x1_0000).fill(FILL));
      b.dma.writeBytes(0x2000, new Uint8Array(0x3000).fill(FILL));
      const expected = new Uint8Array(RAM).fill(FILL);
      let at = 0;
      for (const [address, length] of places) {
        if (!toMemory) b.dma.writeBytes(address, whole.subarray(at, at + length));
        expected.set(whole.subarray(at, at + length), address);
        at += length;
      }
      list.forEach(([address, size, flags], i) => {
        b.dma.write(TABLE + 8 * i, 4, address);
        b.dma.write(TABLE + 8 * i + 4, 4, (size | flags << 16) >>> 0);
      });
      b.start(TABLE, toMemory);
      b.transfer(toMemory ? 0x25 : 0x35, LBA, sectors);
      b.passNs(10_000);
      assertEquals([b.busMaster(), b.status()], [master, status], toMemory ? "read" : "write");
      if (toMemory) {
        for (const from of [0x2000, 0x2_0000, 0x3_0000, 0x4_0000, RAM - 0x1000]) {
          assertEquals(b.dma.readBytes(from, 0x1000), expected.subarray(from, from + 0x1000), `at 0x${from.toString(16)}`);
        }
        assertEquals(b.dma.readBytes(0x2_f000, 0x1000), expected.subarray(0x2_f000, 0x3_0000));
      } else {
        const written = status === READY ? whole : new Uint8Array(sectors * 512).fill(FILL);
        assertEquals(b.disk.read(LBA, sectors)!.slice(), written);
        assertEquals(b.disk.read(LBA + sectors, 1)![0], FILL);
      }
    }
  });
}

Deno.test("a count of 0 is 256 sectors of 28-bit commands, and 65,536 of 48-bit ones", () => {
  for (const [code, sectors] of [[0xc8, 256], [0x25, 0x1_0000]]) {
    const ram = 0x10_0000 + (sectors + 1) * 512, b = setUp(numbered(0x2_0000), ram), pieces = Math.ceil(sectors / 128);
    for (let i = 0; i < pieces; i++) {
      b.dma.write(TABLE + 8 * i, 4, 0x10_0000 + i * 0x1_0000);
      b.dma.write(TABLE + 8 * i + 4, 4, i === pieces - 1 ? 0x8000_0000 : 0);
    }
    b.start(TABLE, true);
    b.transfer(code, 5, 0);
    b.passNs(1e6);
    assertEquals([b.busMaster(), b.status()], [4, READY]);
    const word = (n: number) => b.dma.read(0x10_0000 + 512 * n, 4);
    assertEquals([word(0), word(1), word(sectors - 1), word(sectors)], [5, 6, sectors + 4, 0]);
  }
});

/** 300 GiB, and 3 TiB, whose sectors do not fit into 32 bits. */
const SIZES = [300 * 2 ** 21, 3 * 2 ** 31];
const NARROW = { read: [0x20, 0xc4, 0xc8], write: [0x30, 0xc5, 0xca], verify: 0x40 },
  WIDE = { read: [0x24, 0x29, 0x25], write: [0x34, 0x39, 0x35], verify: 0x42 };
for (const sectors of SIZES) {
  Deno.test(`sectors of a disk of ${sectors * 512 / 2 ** 30} GiB, by 28 and 48 bits, to its end`, () => {
    const b = setUp(numbered(sectors)), ends = [0x100, 0x1_0000, 0x100_0000, 0x1000_0000, 2 ** 29, 2 ** 31, 2 ** 32, sectors];
    const dma = (code: number) => [0xc8, 0xca, 0x25, 0x35].includes(code);
    const settle = (code: number, toMemory: boolean) => {
      b.dma.write(TABLE, 4, 0x2000);
      b.dma.write(TABLE + 4, 4, 0x8000_0200);
      if (dma(code)) b.start(TABLE, toMemory);
    };
    for (const lba of ends.flatMap((end) => [end - 2, end - 1, end]).filter((lba) => lba <= sectors)) {
      for (const { read, write, verify } of [...lba < 0x1000_0000 ? [NARROW] : [], WIDE]) {
        for (const code of read) {
          settle(code, true);
          b.transfer(code, lba, 1);
          b.passNs(3000);
          const there = lba < sectors;
          assertEquals(
            [b.status() & 0xf1, b.inp(ERROR)],
            there ? [dma(code) ? READY : 0x50, 0] : [FAILED, IDNF],
            `${code.toString(16)}h at ${lba}`,
          );
          if (!there) continue;
          const words = Array.from({ length: 256 }, (_, i) => dma(code) ? b.dma.read(0x2000 + 2 * i, 2) : b.read(0, 2, 0));
          assertEquals(words[0] + words[1] * 2 ** 16 + words[2] * 2 ** 32, lba, `${code.toString(16)}h at ${lba}`);
        }
        for (const code of write) {
          if (lba >= sectors) {
            b.transfer(code, lba, 1);
            assertEquals([b.status(), b.inp(ERROR)], [FAILED, IDNF], `${code.toString(16)}h at ${lba}`);
            continue;
          }
          const before = b.disk.save(), mark = lba % 251 + 1;
          b.dma.writeBytes(0x2000, new Uint8Array(512).fill(mark));
          settle(code, false);
          b.transfer(code, lba, 1);
          if (!dma(code)) { for (let i = 0; i < 256; i++) b.write(0, mark * 0x101, 2, 0); }
          b.passNs(3000);
          assertEquals([...b.disk.save().keys()], [lba], `${code.toString(16)}h at ${lba}`);
          assertEquals(b.disk.read(lba, 1)![511], mark);
          b.disk.load(before);
        }
        for (const count of [1, 2]) {
          b.transfer(verify, lba, count);
          b.passNs(3000);
          assertEquals([b.status(), b.inp(ERROR)], lba + count <= sectors ? [READY, 0] : [FAILED, IDNF], `verify ${count} at ${lba}`);
        }
      }
    }
    // Across the end, by the port: the first one comes, and then the registers name the one that is not there.
    b.transfer(0x24, sectors - 1, 2);
    b.passNs(3000);
    for (let i = 0; i < 256; i++) b.read(0, 2, 0);
    b.passNs(3000);
    assertEquals([b.status(), b.inp(ERROR), b.named(true)], [FAILED, IDNF, sectors]);
    // What the drive says of its end (ATA/ATAPI-7, volume 1, 6.30 and 6.31).
    b.transfer(0x27, 0, 0);
    b.passNs(3000);
    const native = b.named(true);
    b.transfer(0xf8, 0, 0);
    b.passNs(3000);
    assertEquals([native, b.named(false)], [sectors - 1, 0xfff_fffe]);
  });
}
