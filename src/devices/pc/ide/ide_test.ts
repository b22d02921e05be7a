import { assertEquals } from "@std/assert";
import { PciBus, PciSlot } from "../../../core/pci.ts";
import { Disk, type Drive, memorySource } from "../../../core/disk.ts";
import ide, { type Ide } from "./mod.ts";
import { bench } from "../../testing/bench.ts";

const DATA = 0, ERROR = 1, COUNT = 2, LOW = 3, MID = 4, HIGH = 5, DEVICE = 6, STATUS = 7;
const BUSY = 0x80, READY = 0x50, DATA_READY = 0x58, FAILED = 0x41;

/** A disk whose bytes tell their sector. */
function numbered(sectors: number, size = 512): Uint8Array {
  return new Uint8Array(sectors * size).map((_, i) => Math.floor(i / size) + i % size);
}
const hard = (sectors: number, readonly = false): Drive => ({
  kind: "hard",
  disk: new Disk(memorySource(numbered(sectors)), "hard", readonly),
});
const cd = (blocks: number): Drive => ({ kind: "cd", disk: blocks ? new Disk(memorySource(numbered(blocks, 2048)), "cd") : undefined });

function setUp(drives: Record<string, Drive> = { disk0: hard(2000), disk2: cd(100) }) {
  const pci = new PciSlot(1, 1);
  const b = bench(ide, {}, { drives, pci }), dev = b.dev as Ide, config: Record<string, Uint8Array> = {};
  new PciBus({ mem: b.dma, io: undefined, config: () => config, lines: [], route: () => 0 }).plug(pci, dev.pci);
  const master = dev.pci.bars![4]!.target;
  const channel = (n: number) => {
    const block = 2 * n, out = (register: number, value: number) => b.write(register, value, 1, block);
    const inp = (register: number) => b.read(register, 1, block);
    return {
      out,
      inp,
      control: (value: number) => b.write(0, value, 1, block + 1),
      alternate: () => b.read(0, 1, block + 1),
      irq: () => b.irq[n].level,
      wait: () => b.passNs(2000),
      /** Registers from the feature register to the device register, then the command; its time passes. */
      command(command: number, registers: readonly number[] = [0, 0, 0, 0, 0, 0xe0]) {
        registers.forEach((v, i) => out(ERROR + i, v));
        out(STATUS, command);
        b.passNs(2000);
        return this.alternate();
      },
      read: (bytes: number) => Array.from({ length: bytes / 2 }, () => b.read(DATA, 2, block)).flatMap((w) => [w & 0xff, w >> 8]),
      write: (bytes: ArrayLike<number>) => {
        for (let i = 0; i < bytes.length; i += 2) b.write(DATA, bytes[i] | bytes[i + 1] << 8, 2, block);
      },
      packet(bytes: readonly number[], { feature = 0, limit = 0xfffe } = {}) {
        this.command(0xa0, [feature, 0, 0, limit & 0xff, limit >> 8, 0xa0]);
        this.write([...bytes, ...Array(12 - bytes.length).fill(0)]);
        b.passNs(2000);
        return this.alternate();
      },
      startMaster(table: number, direction: number) {
        master.write(8 * n + 4, 4, table);
        master.write(8 * n, 1, direction | 1);
      },
      master: (offset: number, size: 1 | 4 = 1) => master.read(8 * n + offset, size),
      writeMaster: (offset: number, value: number) => master.write(8 * n + offset, 1, value),
    };
  };
  return { ...b, first: channel(0), second: channel(1), disk: (name: string) => drives[name].disk! };
}

const sectorBytes = (n: number) => [...numbered(n + 1).subarray(n * 512)];

Deno.test("IDENTIFY DEVICE: geometry, sectors, model", () => {
  const { first } = setUp();
  assertEquals(first.command(0xec), DATA_READY);
  assertEquals(first.irq(), true);
  assertEquals([first.inp(STATUS), first.irq()], [DATA_READY, false], "reading the status acknowledges");
  const bytes = new DataView(Uint8Array.from(first.read(512)).buffer), word = (n: number) => bytes.getUint16(2 * n, true);
  assertEquals([word(0), word(1), word(3), word(6)], [0x40, 2, 16, 63]);
  assertEquals([bytes.getUint32(120, true), bytes.getBigUint64(200, true)], [2000, 2000n]);
  assertEquals([word(49) & 0x300, word(83) & 0x0400, word(88) & 0xff], [0x300, 0x400, 0x3f]);
  const model = Array.from({ length: 40 }, (_, i) => String.fromCharCode(bytes.getUint8(54 + (i ^ 1)))).join("").trim();
  assertEquals(model, "BRINGUP HARDDISK");
  assertEquals(first.alternate(), READY);
});

/** Words of IDENTIFY in which a mode shows, by the argument of SET FEATURES 03h (ATA/ATAPI-7, 6.17.33, 6.17.41, table 44): 63 and 88. */
const MODES: readonly (readonly [mode: number, multiword: number, ultra: number])[] = [
  ...[0x00, 0x01, 0x08, 0x0b, 0x0c].map((mode) => [mode, 0x07, 0x3f] as const),
  ...[0, 1, 2].map((n) => [0x20 + n, 0x0107 + (0x100 << n) - 0x100, 0x3f] as const),
  ...[0, 1, 2, 3, 4, 5].map((n) => [0x40 + n, 0x07, 0x013f + (0x100 << n) - 0x100] as const),
];
Deno.test("SET FEATURES: every transfer mode that there is shows in IDENTIFY, others and unknown features are refused", () => {
  for (const [name, identify] of [["first", 0xec], ["second", 0xa1]] as const) {
    const channel = setUp()[name];
    const words = () => {
      assertEquals(channel.command(identify), DATA_READY);
      const bytes = new DataView(Uint8Array.from(channel.read(512)).buffer);
      return [63, 88, 85].map((n) => bytes.getUint16(2 * n, true));
    };
    const works = (feature: number, count: number) => (channel.command(0xef, [feature, count, 0, 0, 0, 0xe0]) & 1) === 0;
    let at = words().slice(0, 2);
    for (let mode = 0; mode < 0x50; mode++) {
      const expected = MODES.find(([m]) => m === mode);
      if (mode >= 2 && mode <= 0x0f && mode !== 0x08) continue;
      assertEquals(works(3, mode), expected !== undefined || mode === 0x0f, `${name}: mode ${mode.toString(16)}`);
      if (expected) at = expected.slice(1);
      assertEquals(words().slice(0, 2), at, `${name}: after mode ${mode.toString(16)}`);
    }
    const accepted = [0x02, 0x05, 0x42, 0x55, 0x66, 0x82, 0x85, 0xaa, 0xc2, 0xcc];
    for (let feature = 0; feature < 256; feature++) {
      if (feature !== 3) assertEquals(works(feature, 0), accepted.includes(feature), `${name}: feature ${feature.toString(16)}`);
    }
  }
  // The write cache shows in word 85.
  const { first } = setUp(),
    word85 = () => (first.command(0xec), new DataView(Uint8Array.from(first.read(512)).buffer).getUint16(170, true));
  first.command(0xef, [0x82, 0, 0, 0, 0, 0xe0]);
  const off = word85();
  first.command(0xef, [0x02, 0, 0, 0, 0, 0xe0]);
  assertEquals(word85() ^ off, 0x20);
});

/** ATA/ATAPI-7, table 4, those that are here: what comes of every command code of a hard disk and of a CD drive with empty registers. */
Deno.test("every other command code is aborted", () => {
  const known = {
    first: "10-1f 20 21 24 25 27 29 30 31 34 35 39 40 41 42 70 90 91 c4 c5 c6 c8 c9 ca cb e0 e1 e2 e3 e5 e6 e7 ea ec ef f8",
    second: "08 90 a0 a1 e0 e1 e2 e3 e5 e6 e7 ef",
  };
  for (const [name, list] of Object.entries(known) as ["first" | "second", string][]) {
    const codes = new Set(
      list.split(" ").flatMap((text) => {
        const [from, to = from] = text.split("-").map((n) => parseInt(n, 16));
        return Array.from({ length: to - from + 1 }, (_, i) => from + i);
      }),
    );
    for (let code = 0; code < 256; code++) {
      const channel = setUp({ disk0: hard(64), disk2: cd(20) })[name], status = channel.command(code, [2, 1, 1, 0, 0, 0xe0]);
      const aborted = (status & 1) === 1 && channel.inp(ERROR) === 4;
      assertEquals(!aborted, codes.has(code), `${name}: command ${code.toString(16)}`);
    }
  }
});

Deno.test("READ SECTORS by LBA: an interrupt for each sector, none after the last", () => {
  const { first } = setUp();
  [0, 2, 5, 0, 0, 0xe0].forEach((v, i) => first.out(ERROR + i, v));
  first.out(STATUS, 0x20);
  assertEquals([first.alternate(), first.irq()], [BUSY, false]);
  for (const n of [5, 6]) {
    first.wait();
    assertEquals([first.irq(), first.inp(STATUS)], [true, DATA_READY]);
    assertEquals(first.read(512), sectorBytes(n).map((b) => b & 0xff));
  }
  first.wait();
  assertEquals([first.irq(), first.alternate()], [false, READY]);
});

Deno.test("32-bit accesses and a count of 0 for 256 sectors; READ MULTIPLE interrupts once for its sectors", () => {
  const b = setUp(), { first } = b;
  assertEquals(first.command(0xc4, [0, 0, 0, 0, 0, 0xe0]), DATA_READY);
  let blocks = 0;
  while (first.inp(STATUS) === DATA_READY) {
    blocks++;
    for (let i = 0; i < 16 * 128; i++) b.read(DATA, 4, 0);
    first.wait();
  }
  assertEquals([blocks, first.alternate()], [16, READY]);
  assertEquals(first.command(0xc6, [0, 3, 0, 0, 0, 0xe0]), FAILED, "no power of two");
  assertEquals(first.command(0xc6, [0, 0, 0, 0, 0, 0xe0]), READY);
  assertEquals([first.command(0xc4, [0, 1, 0, 0, 0, 0xe0]), first.inp(ERROR)], [FAILED, 4], "READ MULTIPLE is off");
});

Deno.test("CHS addresses, and another translation by INITIALIZE DEVICE PARAMETERS", () => {
  const { first } = setUp();
  first.command(0x20, [0, 1, 4, 1, 0, 0xa2]); // cylinder 1, head 2, sector 4
  assertEquals(first.read(2)[0], (1 * 16 + 2) * 63 + 3 & 0xff);
  first.read(510);
  assertEquals(first.command(0x91, [0, 10, 0, 0, 0, 0xa3]), READY);
  first.command(0x20, [0, 1, 4, 1, 0, 0xa2]);
  assertEquals(first.read(2)[0], (1 * 4 + 2) * 10 + 3);
  first.read(510);
  assertEquals([first.command(0x20, [0, 1, 0, 0, 0, 0xa0]), first.inp(ERROR)], [FAILED, 0x10], "there is no sector 0");
});

Deno.test("48-bit addresses: registers are two deep, the older bytes behind HOB", () => {
  const { first } = setUp();
  for (const [register, value] of [[COUNT, 0], [LOW, 0], [MID, 0], [HIGH, 0], [COUNT, 1], [LOW, 7], [MID, 0], [HIGH, 0]]) {
    first.out(register, value);
  }
  first.out(DEVICE, 0x40);
  first.out(STATUS, 0x24);
  first.wait();
  assertEquals(first.read(512), sectorBytes(7).map((b) => b & 0xff));
  for (const [register, value] of [[LOW, 0x12], [LOW, 0x34]]) first.out(register, value);
  assertEquals(first.inp(LOW), 0x34);
  first.control(0x80);
  assertEquals(first.inp(LOW), 0x12);
});

Deno.test("WRITE SECTORS: the first block without an interrupt, the others and the end with one", () => {
  const b = setUp(), { first } = b;
  [0, 2, 9, 0, 0, 0xe0].forEach((v, i) => first.out(ERROR + i, v));
  first.out(STATUS, 0x30);
  assertEquals([first.alternate(), first.irq()], [DATA_READY, false]);
  first.write(new Uint8Array(512).fill(0xaa));
  assertEquals(first.alternate(), BUSY);
  first.wait();
  assertEquals([first.irq(), first.inp(STATUS)], [true, DATA_READY]);
  first.write(new Uint8Array(512).fill(0xbb));
  first.wait();
  assertEquals([first.irq(), first.inp(STATUS)], [true, READY]);
  const read = b.disk("disk0").read(9, 2)!;
  assertEquals([read[0], read[511], read[512], read[1023]], [0xaa, 0xaa, 0xbb, 0xbb]);
});

Deno.test("beyond the end: IDNF with the sector; a protected disk refuses writes", () => {
  const { first } = setUp({ disk0: hard(100, true) });
  assertEquals([first.command(0x20, [0, 1, 100, 0, 0, 0xe0]), first.inp(ERROR)], [FAILED, 0x10]);
  first.command(0x20, [0, 2, 99, 0, 0, 0xe0]);
  first.read(512);
  first.wait();
  assertEquals([first.alternate(), first.inp(ERROR), first.inp(LOW)], [FAILED, 0x10, 100]);
  assertEquals([first.command(0x30, [0, 1, 0, 0, 0, 0xe0]), first.inp(ERROR)], [FAILED, 4]);
  assertEquals([first.command(0x77), first.inp(ERROR)], [FAILED, 4], "unknown command");
});

Deno.test("absent drives read as zeros; a channel with one drive answers for it alone", () => {
  const { first, second } = setUp({ disk0: hard(100) });
  assertEquals([STATUS, ERROR, COUNT, LOW, DEVICE].map((r) => second.inp(r)), [0, 0, 0, 0, 0]);
  second.command(0xec);
  assertEquals([second.alternate(), second.irq()], [0, false]);
  first.out(DEVICE, 0xb0);
  assertEquals([first.inp(STATUS), first.alternate()], [0, 0]);
  first.out(STATUS, 0xec);
  first.wait();
  assertEquals(first.irq(), false);
  first.out(DEVICE, 0xa0);
  assertEquals(first.inp(STATUS), READY);
});

Deno.test("software reset and diagnostics leave the signatures", () => {
  const { first, second } = setUp();
  for (const c of [first, second]) {
    c.out(DEVICE, 0xb0);
    c.control(4);
    assertEquals(c.alternate(), 0, "the slave is not there");
    c.control(0);
    c.wait();
    assertEquals(c.irq(), false);
  }
  const signature = [COUNT, LOW, MID, HIGH, ERROR];
  assertEquals([...signature.map((r) => first.inp(r)), first.inp(STATUS)], [1, 1, 0, 0, 1, READY]);
  assertEquals([...signature.map((r) => second.inp(r)), second.inp(STATUS)], [1, 1, 0x14, 0xeb, 1, 0]);
  first.command(0x90, [0, 9, 9, 9, 9, 0xa0]);
  assertEquals([first.irq(), ...signature.map((r) => first.inp(r))], [true, 1, 1, 0, 0, 1]);
});

Deno.test("nIEN holds the interrupt back; it appears when it is enabled", () => {
  const b = setUp(), { first } = b;
  first.control(2);
  first.command(0xec);
  assertEquals(first.irq(), false);
  first.control(0);
  assertEquals(first.irq(), true);
});

Deno.test("bus master: descriptors in both directions, status bits, interrupt", () => {
  const b = setUp(), { first } = b;
  const table = (at: number, ...entries: [address: number, size: number, flags: number][]) =>
    entries.forEach(([address, size, flags], i) => {
      b.dma.write(at + 8 * i, 4, address);
      b.dma.write(at + 8 * i + 4, 4, size | flags << 16);
    });
  table(0x100, [0x1000, 256, 0], [0x3000, 768, 0x8000]);
  first.startMaster(0x100, 8);
  assertEquals(first.master(2), 0x01);
  first.command(0xc8, [0, 2, 3, 0, 0, 0xe0]);
  assertEquals([first.irq(), first.master(2), first.inp(STATUS)], [true, 0x04, READY]);
  assertEquals([...b.dma.readBytes(0x1000, 256), ...b.dma.readBytes(0x3000, 768)], [...numbered(5).subarray(3 * 512)]);
  first.writeMaster(2, 4);
  first.writeMaster(0, 0);
  assertEquals([first.master(2), first.master(0), first.master(4, 4)], [0, 0, 0x100]);
  // The command first, then the start; a longer table stays active.
  b.dma.writeBytes(0x2000, new Uint8Array(512).fill(0x77));
  table(0x200, [0x2000, 1024, 0x8000]);
  for (const register of [COUNT, LOW, MID, HIGH]) first.out(register, 0);
  first.command(0x35, [0, 1, 50, 0, 0, 0x40]);
  assertEquals(first.alternate(), BUSY);
  first.startMaster(0x200, 0);
  first.wait();
  assertEquals([first.master(2), first.alternate()], [0x05, READY]);
  assertEquals([b.disk("disk0").read(50, 1)![5], b.disk("disk0").read(51, 1)![0]], [0x77, 51]);
});

Deno.test("bus master: a bad address ends in an error of both", () => {
  const b = setUp(), { first } = b;
  b.dma.write(0x100, 4, 0x7000_0000);
  b.dma.write(0x104, 4, 0x8000_0200);
  first.startMaster(0x100, 8);
  first.command(0xc8, [0, 1, 3, 0, 0, 0xe0]);
  assertEquals([first.master(2), first.inp(STATUS)], [0x06, FAILED]);
  first.startMaster(0x7000_0000, 8);
  first.writeMaster(0, 0);
  first.startMaster(0x7000_0000, 8);
  first.command(0xc8, [0, 1, 3, 0, 0, 0xe0]);
  assertEquals(first.inp(STATUS), FAILED);
});

Deno.test("CD: signature instead of IDENTIFY DEVICE, IDENTIFY PACKET DEVICE", () => {
  const { second } = setUp();
  assertEquals([second.command(0xec), second.inp(ERROR), second.inp(MID), second.inp(HIGH)], [FAILED, 4, 0x14, 0xeb]);
  assertEquals(second.command(0xa1), DATA_READY);
  assertEquals(second.read(2), [0xc0, 0x85]);
});

Deno.test("CD: READ (10) in parts of the byte limit with their reasons and counts", () => {
  const { second } = setUp();
  second.out(DEVICE, 0xa0);
  [0, 0, 0, 0x00, 0x10, 0xa0].forEach((v, i) => second.out(ERROR + i, v));
  second.out(STATUS, 0xa0);
  assertEquals([second.alternate(), second.inp(COUNT), second.irq()], [DATA_READY, 1, false]);
  second.write([0x28, 0, 0, 0, 0, 7, 0, 0, 3, 0, 0, 0]);
  const all: number[] = [];
  for (const bytes of [4096, 2048]) {
    second.wait();
    assertEquals([second.irq(), second.inp(COUNT), second.inp(MID) | second.inp(HIGH) << 8], [true, 2, bytes]);
    assertEquals(second.inp(STATUS), DATA_READY);
    all.push(...second.read(bytes));
  }
  second.wait();
  assertEquals([second.irq(), second.inp(COUNT), second.inp(STATUS)], [true, 3, 0x40]);
  assertEquals(all, [...numbered(10, 2048).subarray(7 * 2048)]);
});

Deno.test("CD: READ (12) by DMA", () => {
  const b = setUp(), { second } = b;
  b.dma.write(0x100, 4, 0x4000);
  b.dma.write(0x104, 4, 0x8000_0800);
  second.packet([0xa8, 0, 0, 0, 0, 99, 0, 0, 0, 1], { feature: 1 });
  second.startMaster(0x100, 8);
  second.wait();
  assertEquals([second.inp(STATUS), second.inp(COUNT), second.master(2)], [0x40, 3, 0x04]);
  assertEquals(b.dma.readBytes(0x4000, 2048), numbered(100, 2048).subarray(99 * 2048));
});

Deno.test("CD: DMA of a whole DVD reads what the descriptors have room for", () => {
  let largest = 0;
  const read = (_offset: number, length: number) => {
    largest = Math.max(largest, length);
    return new Uint8Array(length).fill(7);
  };
  const { second, ...b } = setUp({ disk2: { kind: "cd", disk: new Disk({ size: 4_000_000 * 2048, read }, "cd") } });
  largest = 0;
  b.dma.write(0x100, 4, 0x4000);
  b.dma.write(0x104, 4, 0x8000_0800);
  second.packet([0xa8, 0, 0, 0, 0, 0, 0, 0x3d, 0x09, 0x00], { feature: 1 });
  second.startMaster(0x100, 8);
  b.passNs(2000);
  assertEquals([largest, ...b.dma.readBytes(0x47ff, 2)], [2048, 7, 0]);
});

Deno.test("CD: errors are told by REQUEST SENSE", () => {
  const { second } = setUp();
  const sense = () => {
    second.packet([3, 0, 0, 0, 18]);
    const bytes = second.read(18);
    second.wait();
    second.inp(STATUS);
    // SPC-2, 7.20.2: fixed format, valid, ten bytes more.
    assertEquals(bytes, [0xf0, 0, bytes[2], 0, 0, 0, 0, 10, 0, 0, 0, 0, bytes[12], bytes[13], 0, 0, 0, 0]);
    return [bytes[2], bytes[12], bytes[13]];
  };
  assertEquals([second.packet([0x28, 0, 0, 0, 0, 99, 0, 0, 2]), second.inp(ERROR), second.inp(COUNT)], [0x41, 0x50, 3]);
  assertEquals([sense(), sense()], [[5, 0x21, 0], [0, 0, 0]]);
  second.packet([0xff]);
  assertEquals(sense(), [5, 0x20, 0]);
  assertEquals(second.packet([0x1e, 0, 0, 0, 1]), 0x40);
  assertEquals(second.packet([0x1b, 0, 0, 0, 2]), 0x41, "the tray is locked");
  assertEquals(sense(), [5, 0x53, 2]);
  second.packet([0x1e]);
  second.packet([0x1b, 0, 0, 0, 2]);
  assertEquals([second.packet([0]), sense()], [0x41, [2, 0x3a, 0]]);
  second.packet([0x1b, 0, 0, 0, 3]);
  assertEquals(second.packet([0]), 0x40);
});

Deno.test("CD: replies of the other commands", () => {
  const { second } = setUp();
  const ask = (cdb: number[], bytes: number) => {
    assertEquals(second.packet(cdb), DATA_READY);
    assertEquals(second.inp(MID) | second.inp(HIGH) << 8, bytes);
    const reply = second.read(bytes);
    second.wait();
    return reply;
  };
  assertEquals(ask([0x25], 8), [0, 0, 0, 99, 0, 0, 8, 0]);
  assertEquals(ask([0x12, 0, 0, 0, 36], 36).slice(0, 5), [5, 0x80, 0, 0x21, 31]);
  assertEquals(ask([0x43, 0, 0, 0, 0, 0, 0, 0, 20], 20), [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 100]);
  assertEquals(ask([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 20], 12), [0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 3, 25]);
  assertEquals(ask([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 28], 28).slice(0, 12), [0, 28, 1, 0, 0, 0, 0, 0, 0x2a, 20, 0x3b, 0]);
  assertEquals(ask([0x46, 0, 0, 0, 0, 0, 0, 0, 8], 8), [0, 0, 0, 36, 0, 0, 0, 8]);
  assertEquals(ask([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8], 8), [0, 4, 4, 0x10, 0, 2, 0, 0]);
  assertEquals(ask([0x51, 0, 0, 0, 0, 0, 0, 0, 34], 34).slice(0, 4), [0, 32, 0x0e, 1]);
});

Deno.test("CD: an empty drive is not ready but answers", () => {
  const { second } = setUp({ disk2: cd(0) });
  assertEquals([second.packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1]), second.inp(ERROR) >> 4], [0x41, 2]);
  assertEquals(second.packet([0x12, 0, 0, 0, 36]), DATA_READY);
});

Deno.test("a transfer that is saved in its middle goes on in another controller", () => {
  const a = setUp(), b = setUp();
  a.first.command(0x20, [0, 3, 5, 0, 0, 0xe0]);
  a.first.read(256);
  b.clock.base = a.clock.base;
  b.dev.state = structuredClone(a.dev.state);
  b.dev.restored!();
  for (const { first } of [a, b]) {
    assertEquals(first.read(256), sectorBytes(5).slice(256).map((x) => x & 0xff));
    first.wait();
    assertEquals(first.read(512), sectorBytes(6).map((x) => x & 0xff));
  }
  assertEquals(b.dev.state, a.dev.state);
});
