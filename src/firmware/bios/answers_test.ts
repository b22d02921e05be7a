// What every function of the built-in BIOS answers to some hundred calls each, with registers at the edges of what it looks at, and what it
// does to memory, ports and disks for that, in which order: against the last time that anybody looked (tests/golden/bios_answers.txt has a
// line for each function and each kind of start). These lines notice that something changed, not what is right: that is for the other tests
// here. Who changes the BIOS on purpose writes it anew (`-- --update`); `-- --show "int 13h 42"` prints all that a line stands for, so that
// both ways can be compared.
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../tests/fuzz/random.ts";
import { firmwareFiles, type TablesDescription } from "../tables/mod.ts";
import { BDA, type BiosDisk, biosPowerOn, CF, type Register, type SegmentName, ZF } from "./host.ts";
import { biosCall, INTERRUPTS, post } from "./mod.ts";
import { setClosestMode, VBE_MODES } from "./vbe.ts";
import { disk, FakeHost, MIB, STACK } from "./testing/fake_host.ts";

const GOLDEN = new URL("../../../tests/golden/bios_answers.txt", import.meta.url).pathname;
type Regs = Partial<Record<Register | SegmentName, number>>;

/** Configuration space of one PCI function: what it is, and which bits can be written. */
function pciFunction(id: number, set: Readonly<Record<number, number>>, writable: Readonly<Record<number, number>>) {
  const words = new Uint32Array(64), masks = new Uint32Array(64);
  words[0] = id;
  masks[1] = 0xffff;
  masks[15] = 0xff;
  for (const [at, value] of Object.entries(set)) words[Number(at) >> 2] = value;
  for (const [at, mask] of Object.entries(writable)) masks[Number(at) >> 2] = mask;
  return { words, masks };
}
/** A 440FX board, and cards with every kind of base address. */
const board = () =>
  new Map([
    [0x00, pciFunction(0x1237_8086, { 0x08: 0x0600_0002 }, {})],
    [0x08, pciFunction(0x7000_8086, { 0x08: 0x0601_0000, 0x0c: 0x80_0000 }, { 0x60: NONE })],
    [0x09, pciFunction(0x7010_8086, { 0x08: 0x0101_8000, 0x20: 1 }, { 0x20: 0xfff0, 0x40: NONE })],
    [0x0b, pciFunction(0x7113_8086, { 0x08: 0x0680_0003, 0x3c: 0x100 }, { 0x40: 0xffc0, 0x80: NONE, 0x90: 0xfff0, 0xd0: NONE })],
    [0x10, pciFunction(0x1111_1234, { 0x08: 0x0300_0002, 0x10: 8 }, { 0x10: 0xff00_0000, 0x18: 0xffff_f000, 0x30: 0xffff_0001 })],
    // Function 1 of a device that says it has one only.
    [0x11, pciFunction(0x2222_1234, { 0x08: 0x0300_0002 }, { 0x10: 0xffff_0000 })],
    [
      0x1d,
      pciFunction(0x3333_1234, { 0x08: 0x0200_0000, 0x14: 0xc, 0x1c: 1, 0x3c: 0x200 }, { 0x14: 0xfff0_0000, 0x18: NONE, 0x1c: 0xffe0 }),
    ],
    [0x18, pciFunction(0x3332_1234, { 0x08: 0x0200_0000, 0x0c: 0x80_0000, 0x3c: 0x400 }, { 0x24: 0xffff_ff00, 0x10: 0xfffe_0000 })],
    [0xf8, pciFunction(0x3333_1234, { 0x08: 0x0200_0000, 0x10: 1, 0x3c: 0x300 }, { 0x10: 0xff00 })],
  ]);
const NONE = 0xffff_ffff;

/** A machine that notes everything that is done to it. What it was not told about its ports it answers at random. */
class Watched extends FakeHost {
  hash = 0x811c9dc5;
  operations = 0;
  lines: string[] | undefined;
  quiet = false;
  readonly pci = board();
  tables?: TablesDescription;
  /** Ports that keep what is written; the others of these answer ones. */
  there = new Set([0x3ff, 0x2ff, 0x378]);
  constructor(readonly r: Random) {
    super();
  }
  note(what: string, a: number, b = 0, c = 0): void {
    if (this.quiet) return;
    this.operations++;
    this.lines?.push(`  ${what} ${a.toString(16)} ${b.toString(16)} ${c.toString(16)}`);
    let h = this.hash ^ what.charCodeAt(0) ^ what.charCodeAt(what.length - 1) << 8;
    for (const v of [a, b, c, a / 2 ** 32]) h = Math.imul(h ^ v, 0x01000193), h ^= h >>> 15;
    this.hash = h;
  }
  noteText = (what: string, text: string) => this.note(what, [...text].reduce((h, ch) => Math.imul(h ^ ch.charCodeAt(0), 0x01000193), 0));
  noteBytes(what: string, at: number, bytes: Uint8Array): void {
    let h = 0x811c9dc5;
    if (!this.quiet) { for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193), h ^= h >>> 13; }
    this.note(what, at, bytes.length, h);
  }
  /** Memory ends at 4 MiB; what is behind it is a pattern. */
  #outside = (address: number, length: number) => address + length > this.memory.length;
  override read(address: number, size: 1 | 2 | 4): number {
    // Display memory knows that it was read.
    if (address >> 17 === 5) this.note("look", address, size);
    return this.#outside(address, size) ? Math.imul(address, 0x9e3779b1) >>> 8 & 2 ** (8 * size) - 1 : super.read(address, size);
  }
  override write(address: number, size: 1 | 2 | 4, value: number): void {
    this.note("write", address, size, value);
    if (!this.#outside(address, size)) super.write(address, size, value);
  }
  override readBytes = (address: number, length: number) =>
    this.#outside(address, length) ? Uint8Array.from({ length }, (_, i) => address + i >> 3) : this.memory.slice(address, address + length);
  override writeBytes(address: number, data: Uint8Array): void {
    this.noteBytes("bytes", address, data);
    if (!this.#outside(address, data.length)) super.writeBytes(address, data);
  }
  override writeRom(address: number, data: Uint8Array): void {
    this.noteBytes("rom", address, data);
    super.writeRom(address, data);
  }
  override setSegment(name: SegmentName, value: number): void {
    this.note(name, value);
    super.setSegment(name, value);
  }
  override stop(request: unknown): void {
    this.noteText("stop", JSON.stringify(request));
  }
  override log(channel: string, text: () => string): void {
    this.noteText("log", `${channel} ${text()}`);
  }
  override in(port: number, size: number): number {
    const value = this.#in(port, size);
    this.note("in", port, size, value);
    return value;
  }
  #in(port: number, size: number): number {
    const { r } = this, address = this.ports.get(0xcf8) ?? 0;
    if (port >> 2 === 0xcfc >> 2) {
      const f = address >>> 31 && !(address >> 16 & 0x7f00) && (address >> 16 & 0xff) === 0 ? this.pci.get(address >> 8 & 0xff) : undefined;
      return ((f ? f.words[address >> 2 & 63] : NONE) >>> 8 * (port & 3) & 2 ** (8 * size) - 1) >>> 0;
    }
    if (port === 0x71) return this.cmos[this.ports.get(0x70)! & 0x7f];
    if (port === 0x1cf) return this.dispi[this.ports.get(0x1ce)!] ?? 0;
    if (this.there.has(port)) return this.ports.get(port)!;
    if (port === 0x64) return r.pick([0x1c, 0x1d, 0x3d, 0x3d, 0x3d, 0x3c]);
    if (port === 0x60) return r.one(4) ? r.below(256) : r.pick([0xfa, 0xfa, 0xfa, 0xaa, 0, 3, 0x47]);
    if ([0x3ff, 0x2ff, 0x3ef, 0x2ef, 0x378, 0x278, 0x3bc].includes(port) && !this.#printing) return 0xff;
    return r.one(2) ? (this.ports.get(port) ?? 0xff) & 2 ** (8 * size) - 1 : r.below(2 ** (8 * size));
  }
  /** While int 14h and 17h are called, ports are where the data area says. */
  #printing = false;
  printing(): this {
    this.#printing = true;
    return this;
  }
  override out(port: number, size: number, value: number): void {
    this.note("out", port, size, value);
    const address = this.ports.get(0xcf8) ?? 0, f = this.pci.get(address >> 8 & 0xff);
    if (port >> 2 === 0xcfc >> 2 && address >>> 31 && f) {
      const n = address >> 2 & 63, shift = 8 * (port & 3), bits = 2 ** (8 * size) - 1 << shift & f.masks[n];
      f.words[n] = f.words[n] & ~bits | value << shift & bits;
    }
    if (port === 0x71) this.cmos[this.ports.get(0x70)! & 0x7f] = value;
    else if (port === 0x1cf) this.dispi[this.ports.get(0x1ce)!] = value;
    else this.ports.set(port, value);
  }

  /** Calls an interrupt and notes what it answers. */
  call(vector: number, regs: Regs): void {
    Object.assign(this.regs, regs, { esp: STACK - 8, ss: 0 });
    this.lines?.push(`int ${vector.toString(16)} ${Object.entries(this.regs).map(([n, v]) => `${n}=${v.toString(16)}`).join(" ")}`);
    const { quiet } = this;
    this.quiet = true;
    for (const [i, v] of [vector, 0x1234, 0x5678, this.r.pick([CF | ZF | 0x200, 0x202])].entries()) this.write(STACK - 8 + 2 * i, 2, v);
    this.quiet = quiet;
    assert(biosCall(this), "no such interrupt");
    for (const [name, value] of Object.entries(this.regs)) this.note(name, value);
    this.noteText("state", JSON.stringify(this.state));
  }
  /** Prepares something that is not of interest by itself. */
  quietly(work: () => void): void {
    this.quiet = true;
    work();
    this.quiet = false;
  }
}

const BUFFER = 0x2_0000, PACKET = 0x6000;

/** A disk that notes what is moved; its sectors hold their own number. `broken` cannot be read or written. */
function watched(h: Watched, like: BiosDisk, { readonly = like.readonly, broken = false, sectors = like.sectors } = {}): BiosDisk {
  const { sectorSize } = like, changed = new Map<number, Uint8Array>();
  const one = (lba: number) => changed.get(lba) ?? new Uint8Array(sectorSize).fill(lba * 7 + lba / 256);
  return {
    ...like,
    readonly,
    sectors,
    read: (lba, count) => {
      h.note("read", lba, count);
      if (broken) return undefined;
      const bytes = new Uint8Array(count * sectorSize);
      for (let i = 0; i < count; i++) bytes.set(one(lba + i), i * sectorSize);
      return bytes;
    },
    write: (lba, data) => {
      h.noteBytes("disk", lba, data);
      if (broken) return false;
      for (let i = 0; i < data.length; i += sectorSize) changed.set(lba + i / sectorSize, data.slice(i, i + sectorSize));
      return true;
    },
  };
}
const floppy = (sectors = 2880) => disk(sectors, "floppy");

/** A boot sector, or none; of a CD what El Torito wants, some of it wrong. */
function bootable(r: Random, d: BiosDisk, all = false): BiosDisk {
  const wrong = (n: number) => !all && r.one(n),
    good = !wrong(4),
    media = r.pick([0, 0, 1, 2, 3, 4, 4, 0x40, 0xc4, 5]),
    entry = r.pick([2, 18, 19]);
  const mark = new TextEncoder().encode("\0CD001\x01EL TORITO SPECIFICATION");
  return {
    ...d,
    read(lba, count) {
      const bytes = d.read(lba, count);
      if (!bytes) return undefined;
      if (d.kind !== "cd") {
        if (lba === 0) bytes.set(good ? [0x55, 0xaa] : r.pick([[0x55, 0], [0, 0xaa]]), 510);
        return bytes;
      }
      if (lba === 17 && count > 0) {
        bytes.set(mark);
        if (wrong(6)) bytes[r.below(mark.length)] ^= 1;
        bytes.set([entry, 0, 0, 0], 0x47);
      } else if (lba === entry && count === 1) {
        bytes.fill(0);
        bytes.set([wrong(9) ? 2 : 1, wrong(9) ? 1 : 0]);
        bytes.set([wrong(9) ? 0x54 : 0x55, wrong(9) ? 0xab : 0xaa, wrong(9) ? 0 : 0x88, media, 0, r.pick([0, 0, 2, 0x20]), 0xb, 0], 30);
        bytes.set([r.pick([0, 1, 4, 5, 9]), wrong(3) ? 1 : 0, 20, 0, 0, 0], 38);
      } else if (lba === 20 && count > 0) bytes.set([0x80, 0, 1, 0, 6, r.below(16), r.below(256), r.below(60)], 446);
      return bytes;
    },
  };
}

/** A started machine; `seed` gives everything that is random in it. */
function machine(seed: number, disks: (h: Watched) => BiosDisk[] = () => []): Watched {
  const h = new Watched(new Random(seed));
  h.quietly(() => {
    h.disks = disks(h);
    post(h);
  });
  return h;
}
const everyDisk = (h: Watched) => [
  watched(h, floppy()),
  watched(h, floppy(5760), { readonly: true }),
  watched(h, disk(20160)),
  watched(h, disk(1000), { broken: true }),
  watched(h, disk(1 << 22), { sectors: 2 ** 33 + 5 }),
  bootable(h.r, watched(h, disk(100, "cd"))),
  bootable(h.r, watched(h, disk(400, "cd"))),
];

const small = (r: Random) => r.pick([r.below(3), r.below(8), r.below(256), 0, 255]);
const word = (r: Random) => r.pick([r.below(4), small(r), small(r) << 8 | small(r), r.below(0x1_0000), 0xffff]);
/** A register whose upper half is to stay. */
const dword = (r: Random) => (r.below(0x1_0000) * 0x1_0000 + word(r)) >>> 0;
/** A number at an edge: the first ones, the last ones, the first that is too many. */
const edge = (r: Random, end: number) => Math.max(0, r.pick([0, 1, 2, end - 1, end, end + 1, r.below(end + 1)]));
const anyMode = (r: Random) => r.pick([0, 1, 2, 3, 7, 4, 5, 6, 0x0d, 0x0e, 0x10, 0x11, 0x12, 0x13]);

/** What comes before a call, and the registers that are no good at random. */
const PREPARE: Record<number, (h: Watched, ax: number) => Regs> = {
  0x08: (h) => (h.write(BDA.TICKS, 4, h.r.pick([0x18_00ae, 0x18_00af, 0x18_00b0, 0, 0xffff])), {}),
  0x10: (h, ax) => {
    const { r } = h, ah = ax >> 8;
    if (r.one(9)) {
      h.framebuffer = r.pick([undefined, { address: 0xfd00_0000, length: 16 * MIB }, {
        address: 0xe000_0000,
        length: r.pick([2, 3, 4, 8]) * MIB,
      }]);
    }
    if (r.one(4)) {
      h.int(0x10, { eax: r.one(4) ? r.pick([0x4f02]) : anyMode(r) | (r.one(5) ? 0x80 : 0), ebx: r.pick([0x4112, 0x103, 0xc10d, 0x143]) });
    }
    if (r.one(3)) h.write(BDA.PAGE, 1, r.below(3));
    if (r.one(3)) h.write(BDA.CURSORS + 2 * r.below(4), 2, r.below(26) << 8 | r.below(81));
    if (r.one(5)) h.memory.set([r.below(256), r.below(256), r.below(256)], 0xb_8000 + 160 * r.below(25) + 1);
    const at = { ecx: dword(r), edx: r.below(27) << 8 | r.below(82), ebx: r.below(r.one(2) ? 256 : 8) | r.below(r.one(3) ? 9 : 2) << 8 };
    const area = {
      ecx: r.below(26) << 8 | r.below(40),
      edx: r.pick([24, 25, 5, 255, r.below(26)]) << 8 | r.pick([39, 79, 80, 255, r.below(80)]),
    };
    if (ah === 0x00) return { eax: ax & 0xff00 | r.pick([anyMode(r), anyMode(r) | 0x80, r.below(256)]) };
    if (ah === 0x01) return { ecx: r.pick([0x20, 0, 6, 11, 13, 0x2d, r.below(64)]) << 8 | r.pick([7, 14, 8, r.below(34)]) };
    if (ah === 0x05) return { eax: ax & 0xff00 | r.below(10) };
    if (ah === 0x06 || ah === 0x07) return { ...area, ebx: r.below(256) << 8, eax: ax & 0xff00 | r.pick([0, 1, 2, 24, 25, 26, 255]) };
    if (ah === 0x09 || ah === 0x0a) return { ...at, ecx: r.pick([0, 1, 2, 3, 41, 81, h.read(BDA.MODE, 1) < 4 ? 2001 : 4]) };
    if (ah === 0x0c || ah === 0x0d) {
      return { eax: ax & 0xff00 | small(r), ecx: edge(r, r.pick([320, 640])), edx: edge(r, r.pick([200, 350, 480])) };
    }
    if (ah === 0x0e) return { ...at, eax: ax & 0xff00 | r.pick([7, 8, 9, 10, 13, 65, r.below(256)]) };
    if (ah === 0x10) {
      const al = r.below(0x1e), ebx = r.pick([r.below(2), r.below(34), r.below(256)]) | r.below(256) << 8;
      return {
        eax: ax & 0xff00 | al,
        ebx,
        ecx: r.pick([0, 1, 3, r.below(40)]) | (al === 0x10 ? r.below(64) << 8 : 0),
        es: 0x2000,
        edx: r.below(0x4000),
      };
    }
    if (ah === 0x11) {
      const al = r.pick([0, 1, 2, 3, 4, 5, 0x10, 0x11, 0x12, 0x14, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x30, 0x30]);
      const ebx = (al === 0x30 ? r.below(9) : r.pick([1, 8, 14, 16, 31])) << 8 | r.below(9);
      return {
        eax: ax & 0xff00 | al,
        ebx,
        ecx: r.pick([1, 3, 8, 200, 256]),
        edx: r.pick([0, 65, 255, 200]) | r.below(2) << 8,
        es: 0x2000,
        ebp: 8,
      };
    }
    if (ah === 0x12) return { ebx: r.pick([0x10, 0x20, r.below(64), 0x30 + r.below(8)]) };
    if (ah === 0x13) {
      return {
        ...at,
        eax: ax & 0xff00 | r.below(5),
        ecx: r.below(12),
        edx: r.one(4) ? 0xff00 | r.below(80) : at.edx,
        es: 0x2000,
        ebp: r.below(99),
      };
    }
    if (ah === 0x1a) return { eax: ax & 0xff00 | r.below(3) };
    if (ah === 0x4f) {
      const al = r.pick([0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 9, 0x15, 0x16]), mode = r.pick(VBE_MODES).number + (r.one(5) ? 1 : 0);
      if (al === 0) h.write(BUFFER, 4, r.pick([0x3245_4256, 0x4153_4556]));
      if (al >= 3 && r.one(3)) h.int(0x10, { eax: 0x4f02, ebx: mode });
      if (al === 2) return { eax: 0x4f02, ebx: r.pick([mode, mode, 3, 0x13, 0x55, 0x80, 0xff]) | r.below(4) << 14 };
      const ebx = al === 8
        ? r.below(3) | r.below(10) << 8
        : al === 7 || al === 9
        ? r.below(4) | r.below(2) << 7
        : r.below(6) | r.below(3) << 8;
      const ecx = al === 1 ? mode : al === 9 ? r.below(20) : r.pick([0, 1, r.below(4096), word(r)]);
      return { eax: 0x4f00 | al, ebx, ecx, edx: r.pick([0, 0, 1, word(r)]), es: 0x2000, edi: 0 };
    }
    return { ...at, es: 0x2000, edi: word(r) };
  },
  0x13: (h, ax) => {
    const { r } = h, ah = ax >> 8, drive = r.pick([0, 0, 1, 2, 0x80, 0x80, 0x81, 0x82, 0x83, 0xe0, 0xe0, 0xe1, 0xe2, 0x7f]);
    if (r.one(6)) {
      h.state = { ...biosPowerOn(), locks: r.one(2) ? [r.pick([0, 1, 255]), 2] : [] };
      h.bootOrder = [r.pick([0xe0, 0xe1])];
      if (r.one(2)) h.int(0x19);
    }
    const d = h.disks.filter((x) => x.kind === (drive >= 0xe0 ? "cd" : drive >= 0x80 ? "hard" : "floppy"))[drive & 0x1f];
    const { cylinders, heads, sectors } = d?.chs ?? { cylinders: 9, heads: 2, sectors: 9 };
    const cylinder = edge(r, cylinders), edx = drive | edge(r, heads) << 8, ebx = r.pick([0, 0xfe00, 0xfe01, 0x10, 0x200]);
    if (ah >= 0x41 && ah <= 0x4e) {
      const count = r.pick([0, 1, 2, 5]),
        total = d?.sectors ?? 9,
        lba = r.pick([0, 1, 17, total - 2, total - 1, total, 2 ** 32 + 3, r.below(total)]);
      const length = ah === 0x48 ? r.pick([25, 26, 27, 29, 30, 66, 74]) : r.pick([15, 16, 17, 23, 24, 25]), flat = r.one(4);
      const far = flat ? NONE : r.pick([0x2000_0010, 0x1fff_fff0, 0x2000_0000]);
      const words = [
        length | (ah === 0x48 ? 0 : count << 16),
        far,
        Math.max(0, lba) >>> 0,
        Math.floor(Math.max(0, lba) / 2 ** 32),
        0x2_1000,
        0,
      ];
      for (const [i, v] of words.entries()) h.write(PACKET + 4 * i, 4, v);
      return {
        eax: ax & 0xff00 | r.below(8),
        ebx: r.pick([0x55aa, 0x55aa, 0x55ab]),
        ecx: dword(r),
        edx: drive,
        ds: 0x600,
        esi: 0,
        es: 0x2000,
        edi: 9,
      };
    }
    const ecx = (cylinder & 0xff) << 8 | cylinder >> 2 & 0xc0 | edge(r, sectors) & 0x3f,
      eax = ax & 0xff00 | r.pick([0, 1, 1, 1, 2, 18, 128, 129]);
    return { eax, ebx, ecx, edx, es: r.pick([0x2000, 0x1000, 0x1fe0]), ds: 0x600, esi: 0 };
  },
  0x14: (h, ax) => {
    for (let i = 0; i < 4; i++) h.write(BDA.COM + 2 * i, 2, h.r.pick([0, 0x3f8, 0x2e8]));
    for (let i = 0; i < 4; i++) h.write(BDA.LPT + 2 * i, 2, h.r.pick([0, 0x378, 0x3bc]));
    h.printing().ports.set(0x3fd, h.r.pick([0, 1, 0x20, 0x40, 0x60, 0x61])).set(0x2ed, 0x60).set(0x379, small(h.r));
    return { eax: ax & 0xff00 | h.r.below(256), edx: h.r.below(6) };
  },
  0x15: (h, ax) => {
    const { r } = h, ah = ax >> 8;
    if (r.one(3)) h.nowNs += r.pick([1, 999, 1000, 5_000_000]);
    if (ax === 0xe820) {
      return {
        eax: ax,
        ebx: r.pick([0, 1, h.memoryMap.length - 1, h.memoryMap.length]),
        ecx: r.pick([19, 20, 24, NONE]),
        edx: r.pick([0x534d_4150, 0x534d_4150, 0x534d_4151]),
        es: 0x2000,
        edi: word(r),
      };
    }
    if (r.one(4)) {
      const size = r.pick([0, 1, 14, 15, 16, 63, 64, 100, 3000, 4096]) * MIB + r.pick([0, 0x1_0000, 0xfc00]);
      h.memoryMap = [
        { base: 2 ** 32, length: MIB, type: 1 },
        { base: 0, length: 0xa_0000, type: 1 },
        { base: MIB, length: size, type: 1 },
        {
          base: MIB + size + r.below(2),
          length: r.pick([0, 0x2_0000]),
          type: r.pick([1, 2]),
        },
      ];
    }
    if (ah === 0x24) return (h.ports.set(0x92, r.below(4)), { eax: ax & 0xff00 | r.below(6) });
    if (ah === 0x53) return { eax: ax & 0xff00 | r.below(20), ebx: r.pick([0, 1, 1]), ecx: r.pick([0, 1, 3, 3]) };
    if (ah === 0x83 || ah === 0x86) {
      if (r.one(3)) {
        Object.assign(h.state, { waitUntilNs: r.pick([-1, h.nowNs - 1, h.nowNs, h.nowNs + 1]), eventAtNs: r.pick([-1, 0, h.nowNs]) });
      }
      return { eax: ax & 0xff00 | r.below(3), ecx: r.below(3), edx: word(r), es: 0x2000 };
    }
    if (ah === 0x87 || ah === 0x89) {
      for (let i = 0; i < 0x40; i++) h.memory[BUFFER + i] = r.below(256);
      for (const at of [0x10, 0x18]) h.memory.set([r.below(256), r.below(256), r.below(0x1f), 0x93, 0, r.one(4) ? 1 : 0], BUFFER + at + 2);
      return { ebx: dword(r), ecx: r.pick([0, 1, 2, 99, 0x8000, 0x8001]), es: 0x2000, esi: 0 };
    }
    if (ah === 0xc1) h.write(BDA.EBDA, 2, r.pick([0, 0x9fc0, 0x9e00]));
    if (ah === 0xc2) {
      h.write(BDA.EBDA, 2, 0x9fc0);
      h.memory[0x9_fc27] = r.below(256);
      return {
        eax: ax & 0xff00 | r.below(9),
        ebx: r.pick([0, 1, 2, 3, 4, 6, 7, 8]) << 8 | small(r),
        ecx: dword(r),
        es: r.pick([0, 0, 0x2000]),
      };
    }
    return {};
  },
  0x16: (h, ax) => {
    const { r } = h;
    const key = () => r.pick([0x1e61, 0x84e0, 0x8500, 0x48e0, 0x00e0, 0xe00d, 0xe00a, 0xe02f, 0x5300, r.below(0x1_0000)]),
      head = 0x1e + 2 * r.below(16);
    h.write(BDA.KEY_HEAD, 2, head);
    h.write(BDA.KEY_TAIL, 2, r.pick([head, 0x1e + 2 * r.below(16)]));
    for (let at = 0x1e; at < 0x3e; at += 2) h.write(0x400 + at, 2, key());
    for (const at of [BDA.SHIFT, BDA.SHIFT_2, BDA.SHIFT_3]) h.write(at, 1, r.below(256));
    return { eax: ax };
  },
  0x1a: (h, ax) => {
    const { r } = h, al = ax & 0xff, devfn = r.pick([...h.pci.keys(), 0x12, 0x20]);
    h.write(BDA.TICKS, 4, r.below(2 ** 32));
    h.write(BDA.MIDNIGHT, 1, r.below(2));
    for (let i = 0; i < 14; i++) h.cmos[i] = r.below(256);
    if (ax >> 8 !== 0xb1) return {};
    if (r.one(20)) h.pci.has(0) ? h.pci.delete(0) : h.pci.set(0, board().get(0)!);
    if ((al & 0x7f) === 2) {
      return { eax: ax, edx: r.pick([0xffff, 0x1234, 0x8086]), ecx: r.pick([0x3333, 0x1111, 0x7010, 0xffff]), esi: r.below(3) };
    }
    if ((al & 0x7f) === 3) return { eax: ax, ecx: r.pick([0x02_0000, 0x1203_0000, 0x01_0180, 0x06_0000]), esi: r.below(4) };
    return {
      eax: ax,
      ebx: r.one(6) ? r.below(0x1_0000) : devfn,
      edi: r.pick([0, 4, 0x10, 0x3c, 0xfc, 0x100, r.below(256), r.below(256)]),
      ecx: r.below(2 ** 32),
    };
  },
  0x70: (h) => {
    const { r } = h;
    h.nowNs = 1000;
    Object.assign(h.state, {
      eventAtNs: r.pick([-1, 0, 999, 1000, 1001]),
      waitUntilNs: r.pick([-1, 0, 5000]),
      eventByte: BUFFER + r.below(9),
    });
    h.cmos[0x0b] = r.below(256);
    h.cmos[0x0c] = r.below(256);
    return {};
  },
  0x74: (h) => {
    const { r } = h;
    h.write(BDA.EBDA, 2, r.pick([0x9fc0, 0x9e00]));
    for (const base of [0x9_fc00, 0x9_e000]) h.memory.set([r.below(12), r.pick([0x83, 0x03, 0x84, 0x80, r.below(256)])], base + 0x26);
    return {};
  },
};
const SLOW = 250_000;

function calls(h: Watched, vector: number, key: string): void {
  const { r } = h, prepare = PREPARE[vector === 0x17 ? 0x14 : vector] ?? (() => ({}));
  const most = key === "c2" || key === "4f" ? 1500 : 300;
  for (let n = 0; n < most && h.operations < SLOW; n++) {
    const ax = key.length === 4 ? parseInt(key, 16) : parseInt(key, 16) << 8 | r.pick([r.below(4), r.below(20), r.below(256)]);
    const free: Regs = {
      eax: ax,
      ebx: dword(r),
      ecx: dword(r),
      edx: dword(r),
      esi: dword(r),
      edi: dword(r),
      ebp: dword(r),
      ds: 0x600,
      es: 0x2000,
    };
    let regs: Regs = {};
    h.quietly(() => regs = prepare(h, ax));
    h.call(vector, { ...free, ...regs });
  }
}

const golden = new Map(
  (() => {
    try {
      return Deno.readTextFileSync(GOLDEN);
    } catch {
      return "";
    }
  })().split("\n").filter(Boolean).map((line) => line.split(": ") as [string, string]),
);
const update = Deno.args.includes("--update"), written = new Map<string, string>();
const shown = Deno.args.includes("--show") ? Deno.args[Deno.args.indexOf("--show") + 1] : undefined;
/** Runs something on a machine and compares all that was done to it with the last time. */
function line(name: string, h: Watched, run: (h: Watched) => void): void {
  if (shown === name) h.lines = [];
  run(h);
  if (h.lines) console.log(h.lines.join("\n"));
  written.set(name, (h.hash >>> 0).toString(16));
  if (!update) assertEquals(written.get(name), golden.get(name), `${name}: not as in tests/golden/bios_answers.txt`);
}

for (const { vector, functions } of INTERRUPTS.filter((i) => i.vector !== 0x09 && i.vector !== 0x18 && i.vector !== 0x19)) {
  const name = `int ${vector.toString(16).padStart(2, "0")}h`;
  Deno.test(`${name}: every function does what it did`, () => {
    for (const key of [...Object.keys(functions), "7e"]) {
      const seed = parseInt(key, 16) + 0x1_0000 * vector;
      line(`${name} ${key}`, machine(seed, vector === 0x13 ? everyDisk : undefined), (h) => calls(h, vector, key));
    }
  });
}

Deno.test("int 09h: every byte of the keyboard, with every flag, does what it did", () => {
  const flags = [0, 1, 2, 4, 8, 0x0c, 0x20, 0x21, 0x22, 0x24, 0x40, 0x41, 0x44, 0x48, 0x60, 0x80, 0x10, 0xff];
  for (const prefix of [0x10, 0x12, 0x11, 0x13, 0x0e]) {
    line(`int 09h ${prefix.toString(16)}`, machine(9), (h) => {
      for (const shift of flags) {
        for (let code = 0; code < 256; code++) {
          h.quietly(() => {
            h.write(BDA.SHIFT, 1, shift);
            h.write(BDA.SHIFT_2, 1, code & 3);
            h.write(BDA.SHIFT_3, 1, prefix);
            h.write(BDA.KEY_TAIL, 2, 0x1e);
            h.write(BDA.KEY_HEAD, 2, 0x20 + 2 * (code & 7));
          });
          h.there.add(0x60);
          h.ports.set(0x60, code);
          h.call(0x09, {});
        }
      }
    });
  }
});

Deno.test("int 19h and 18h: machines with every kind of boot disk start as they did, and the disks answer", () => {
  for (const media of ["floppies", "hard disks", "CDs", "all"]) {
    line(`int 19h ${media}`, machine(19), (h) => {
      const { r } = h;
      for (let n = 0; n < 60; n++) {
        const kinds = {
          floppies: [floppy(), floppy(5760)],
          "hard disks": [disk(20160), disk(900)],
          CDs: [disk(40, "cd"), disk(400, "cd")],
        };
        const all = Object.entries(kinds).flatMap(([kind, disks]) => kind === media || (media === "all" && r.one(2)) ? disks : []);
        h.disks = all.map((d) => bootable(r, watched(h, d, { broken: r.one(9) })));
        h.bootOrder = r.order(6).map((i) => [0, 1, 0x80, 0x81, 0xe0, 0xe1][i]);
        h.write(BDA.EQUIPMENT, 2, r.below(0x1_0000));
        h.write(BDA.DISKS, 1, r.pick([0, 1, 2, 255]));
        for (const vector of [0x19, 0x18, 0x18]) {
          h.call(vector, { eax: r.below(NONE), ebx: 1, ecx: 2, esi: 3, edi: 4, ebp: 5, ds: 6, es: 7 });
          for (let i = 0; i < 4; i++) {
            const { booted } = h.state,
              edx = booted?.drive ?? r.pick([0, 0x80]),
              size = booted ? booted.chs.cylinders * booted.chs.sectors : 9;
            h.quietly(() =>
              [0x0001_0010, 0x2000_0000, Math.max(0, r.pick([0, 1, size - 1, size])), 0].forEach((v, n) => h.write(PACKET + 4 * n, 4, v))
            );
            const eax = r.pick([0x0201, 0x0205, 0x0800, 0x1500, 0x4200, 0x4800, 0x4b01, 0x4b00]);
            h.call(0x13, { eax, ecx: 1 + r.below(6) | r.below(2) << 8, edx: edx | r.below(2) << 8, ebx: 0, es: 0x2000, ds: 0x600, esi: 0 });
          }
        }
      }
    });
  }
});

/** Any machine that there may be. */
function description(r: Random): TablesDescription {
  const isa = [["KBD1", "PNP0303", 0x60, 1, [1]], ["COM1", "PNP0501", 0x3f8, 8, [4]], ["COM2", "PNP0501", 0x2f8, 8, [3, 5]], [
    "RTC",
    "PNP0B00",
    0x70,
    2,
    [8],
  ]];
  const pci = r.one(4)
    ? undefined
    : { devices: r.pick([[0, 1, 2], [1], [2, 3, 31]]), ...!r.one(4) && { isaBridge: r.pick(["1.0", "2.0"]) } };
  const lowMemoryEnd = r.pick([2 * MIB - 1, 2 * MIB, 128 * MIB, 0xc000_0000]);
  return {
    product: r.pick(["pc", "a machine with a long name"]),
    processors: r.pick([1, 2, 17]),
    signature: r.below(2 ** 31),
    cpuHz: r.pick([1e6, 1.5e9, 1e12]),
    memoryBytes: r.pick([640 * 1024, 128 * MIB, 0x7ffe * MIB, 0x7fff * MIB, 2 ** 41, 2 ** 42, 2 ** 42 + 1024, 2 ** 43]),
    lowMemoryEnd,
    ...!r.one(4) && { localApic: 0xfee0_0000 },
    ...!r.one(4) && { ioApic: { id: r.below(3), address: 0xfec0_0000 } },
    overrides: [{ irq: 0, input: 2, level: false }, { irq: 9, input: 9, level: true }, { irq: 10, input: 20, level: r.one(2) }].slice(
      r.below(3),
    ),
    ...!r.one(4) && { hpet: 0xfed0_0000 },
    ...!r.one(4) && { pm: { base: 0x600, sci: r.pick([9, 11]) } },
    ...pci && { pci },
    isa: isa.slice(r.below(3)).map(([name, id, base, length, irqs]) =>
      ({ name, id, ports: [{ base, length }], irqs }) as TablesDescription["isa"][number]
    ),
  };
}

Deno.test("POST does to every machine what it did", () => {
  for (let n = 0; n < 40; n++) {
    const h = new Watched(new Random(n)), { r } = h;
    h.quietly(() => {
      const some = (all: BiosDisk[]) => all.slice(0, r.below(all.length + 1));
      h.disks = [
        ...some([floppy(r.pick([2880, 720, 1440, 2400, 5760])), floppy(999), floppy()]),
        ...some([disk(20160), disk(2 ** 23), disk(2 ** 26), disk(99), disk(12345)]),
        ...some([disk(9, "cd")]),
      ].map((d) => watched(h, d));
      for (const key of [...h.pci.keys()]) if (r.one(5)) h.pci.delete(key);
      if (n === 0) h.pci.clear();
      h.there = new Set([0x3ff, 0x2ff, 0x3ef, 0x2ef, 0x378, 0x278, 0x3bc].filter(() => r.one(2)));
      if (r.one(4)) h.framebuffer = undefined;
      const size = r.pick([0, 1, 14, 15, 16, 64, 127, 3071, 4000]) * MIB + r.pick([0, 0x1_0000]);
      h.memoryMap = [{ base: 0, length: 0x9_fc00, type: 1 }, { base: MIB, length: size, type: 1 }, {
        base: 2 ** 32,
        length: r.pick([0, 1, 4096, 2 ** 20]) * MIB,
        type: 1,
      }];
      h.memoryMap.push({ base: 2 ** 43, length: MIB, type: 2 });
      for (let i = 0; i < 10; i++) h.cmos[i] = [r.below(6), 0, r.below(6), 0, r.pick([0, 0x23, r.below(3)])][i] << 4 & 0x70 | r.below(10);
      if (n < 4) h.cmos.set([0x59 + n, 0, 0x59, 0, 0x23]);
      h.cmos[4] &= 0x3f;
      h.cmos[0x32] = r.pick([0, 0x20, 0x19]);
      if (r.one(2)) h.ports.set(0x92, r.below(256)), h.there.add(0x92);
      if (!r.one(5)) h.tables = description(r);
    });
    line(`start ${n}`, h, () => {
      post(h);
      if (h.tables) { for (const { name, bytes } of firmwareFiles(h.tables)) h.noteText("file", name), h.noteBytes("file", 0, bytes); }
    });
  }
});

Deno.test("the mode that comes closest to what a kernel asks for is the one that it was", () => {
  line("closest modes", machine(1), (h) => {
    for (const length of [0, 0.5, 2, 3, 4, 16, 64]) {
      h.framebuffer = length ? { address: 0xfd00_0000, length: length * MIB } : undefined;
      for (const depth of [0, 8, 16, 24, 32]) {
        for (const [w, y] of [[0, 0], [640, 480], [800, 0], [0, 1080], [700, 500], [1, 1], [1920, 1080], [1280, 760], [9999, 9999]]) {
          h.noteText("mode", JSON.stringify(setClosestMode(h, w, y, depth) ?? null));
        }
      }
    }
  });
});

Deno.test("every line of tests/golden/bios_answers.txt was looked at", () => {
  if (update) Deno.writeTextFileSync(GOLDEN, [...written].map(([name, digest]) => `${name}: ${digest}\n`).join(""));
  else assertEquals([...golden.keys()], [...written.keys()]);
});
