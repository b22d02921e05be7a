import { assert, assertEquals } from "@std/assert";
import { Disk, type DiskSource, memorySource } from "../../core/disk.ts";
import { Random } from "../../../tests/fuzz/random.ts";
import blk from "./blk.ts";
import { ACKNOWLEDGE, type Answer, CONFIG, Driver, INDIRECT, INTERRUPTS, NOTIFY, type Setup, STATUS, WAYS } from "./testing/driver.ts";

const READ = 0, WRITE = 1, FLUSH = 4, ID = 8, DISCARD = 11, ZEROES = 13;
const OK = 0, IOERR = 1, UNSUPP = 2;
const F_FLUSH = 9, F_WCE = 11;

/** A disk whose sectors differ, and what its image has had written. */
function image(sectors: number): { source: DiskSource; bytes: Uint8Array; writes: () => number } {
  const bytes = Uint8Array.from({ length: sectors * 512 }, (_, i) => (i >> 9) * 7 + i);
  let writes = 0;
  const before = bytes.slice();
  const write = (at: number, data: Uint8Array) => {
    writes++;
    bytes.set(data, at);
  };
  return { source: { ...memorySource(before), write }, bytes, writes: () => writes };
}
function rig(setup: Setup = {}, { sectors = 64, readonly = false } = {}) {
  const { source, bytes, writes } = image(sectors), disk = new Disk(source, "hard", readonly);
  const queues = setup.keys?.queues as number ?? 1;
  return { d: new Driver(blk, queues, { ...setup, drives: { disk: { kind: "hard", disk } } }), disk, bytes, writes };
}
function request(type: number, sector: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  const out = new Uint8Array(16 + data.length), v = new DataView(out.buffer);
  v.setUint32(0, type, true);
  v.setBigUint64(8, BigInt(sector), true);
  out.set(data, 16);
  return out;
}
function range(sector: number, count: number, flags = 0): Uint8Array {
  const out = new Uint8Array(16), v = new DataView(out.buffer);
  v.setBigUint64(0, BigInt(sector), true);
  v.setUint32(8, count, true);
  v.setUint32(12, flags, true);
  return out;
}
const status = ({ data }: Answer) => data[data.length - 1];

for (const [name, setup] of Object.entries(WAYS)) {
  Deno.test(`virtio disk, ${name}: reads, writes, and what becomes of each request`, () => {
    const { d, disk } = rig({ ...setup, features: [...setup.features ?? [], F_FLUSH] });
    const random = new Random(5), model = disk.read(0, 64)!.slice();
    // Often enough for every index to come round its ring.
    for (let n = 0; n < 60; n++) {
      const count = 1 + random.below(3), sector = random.below(64 - count);
      if (random.one(2)) {
        const data = Uint8Array.from({ length: 512 * count }, () => random.below(256)), answer = d.ask(0, request(WRITE, sector, data), 1);
        assertEquals([answer.written, status(answer)], [1, OK]);
        model.set(data, 512 * sector);
      } else {
        const answer = d.ask(0, request(READ, sector), 512 * count + 1);
        assertEquals([answer.written, status(answer)], [512 * count + 1, OK]);
        assertEquals(answer.data.subarray(0, -1), model.subarray(512 * sector, 512 * (sector + count)));
      }
      assertEquals([d.bench.irq[0].level, d.read(INTERRUPTS)], [true, 1]);
      d.write(ACKNOWLEDGE, 1);
      assertEquals([d.bench.irq[0].level, d.read(INTERRUPTS)], [false, 0]);
    }
    assertEquals(disk.read(0, 64), model);
    const statuses: [out: Uint8Array, inBytes: number, status: number][] = [
      [request(READ, 64), 513, IOERR],
      [request(READ, 63), 1025, IOERR],
      [request(READ, 2 ** 52), 513, IOERR],
      [request(READ, 0), 512, IOERR], // no whole sectors
      [request(WRITE, 64, new Uint8Array(512)), 1, IOERR],
      [request(WRITE, 0, new Uint8Array(500)), 1, IOERR],
      [request(FLUSH, 0), 1, OK],
      [request(77, 0), 1, UNSUPP],
      [request(DISCARD, 0, range(8, 8)), 1, OK],
      [request(DISCARD, 0, range(8, 8, 1)), 1, UNSUPP],
      [request(DISCARD, 0, range(60, 5)), 1, IOERR],
      [request(ZEROES, 0, range(8, 4, 1)), 1, OK],
      [request(ZEROES, 0, range(8, 4, 2)), 1, UNSUPP],
      [request(ZEROES, 0, range(64, 1)), 1, IOERR],
      [request(ZEROES, 0, range(0, 0x40_0000)), 1, IOERR],
      [request(ZEROES, 0, new Uint8Array(17)), 1, UNSUPP],
    ];
    for (const [out, inBytes, wanted] of statuses) assertEquals(status(d.ask(0, out, inBytes)), wanted, `${out}`);
    assert(disk.read(8, 4)!.every((b) => b === 0), "zeroes");
    assertEquals(disk.read(12, 1), model.subarray(12 * 512, 13 * 512), "not one more");
    assertEquals(d.bench.log.filter((line) => line.startsWith("guest")), []);
  });
}

Deno.test("virtio disk: what it says of itself", () => {
  const { d } = rig({ keys: { serial: "disk number one", queues: 3 } }), config = new DataView(d.config(57).buffer);
  assertEquals([config.getBigUint64(0, true), config.getUint32(12, true), config.getUint32(20, true)], [64n, 254, 512]);
  assertEquals([config.getUint16(34, true), config.getUint32(36, true), config.getUint8(56)], [3, 0x3f_ffff, 1]);
  assertEquals([d.bench.read(CONFIG + 57, 1), d.bench.read(CONFIG + 56, 4)], [0xff, 0xffff_ffff], "behind its end");
  assertEquals(new TextDecoder().decode(d.ask(2, request(ID, 0), 21).data.subarray(0, 20)), "disk number one\0\0\0\0\0");
  assertEquals([...d.ask(0, request(ID, 0), 5).data], [...new TextEncoder().encode("disk"), OK], "less room");
  const features = (word: number) => (d.write(0x14, word), d.read(0x10));
  assertEquals([features(0), features(1), features(2)], [0x3000_7e54, 5, 0]);
  const old = rig({ legacy: true }, { readonly: true }).d;
  assertEquals([old.read(4), old.read(8), old.read(0x10)], [1, 2, 0x3100_6e74]);
});

Deno.test("virtio disk: what is more than a request may zero, on a disk that has it", () => {
  const source = { size: 2 ** 33, read: (_: number, length: number) => new Uint8Array(length) };
  const d = new Driver(blk, 1, { drives: { disk: { kind: "hard", disk: new Disk(source, "hard") } } });
  assertEquals([
    status(d.ask(0, request(DISCARD, 0, range(5, 0x3f_ffff)), 1)),
    status(d.ask(0, request(DISCARD, 0, range(5, 0x40_0000)), 1)),
  ], [OK, IOERR]);
});

Deno.test("virtio disk: several requests at once come back with one interrupt, each queue by itself", () => {
  const { d } = rig({ keys: { queues: 2 }, size: 16 });
  for (let n = 0; n < 4; n++) d.post(n & 1, request(READ, n), 513);
  d.kick(0);
  assertEquals([d.collect(0).length, d.collect(1).length], [2, 0]);
  assertEquals(d.bench.edges, ["0+"]);
  d.kick(1);
  assertEquals(d.collect(1).map((a) => a.data[0]), [7, 21]);
});

Deno.test("virtio disk: a driver that does not want interrupts gets none", () => {
  for (const [features, at, value] of [[[], 0, 1], [[34], 2, 1]] as const) {
    const { d } = rig({ features });
    d.bench.dma.write(d.rings[0].driver + at, 2, value);
    d.ask(0, request(READ, 0), 513);
    assertEquals(d.bench.edges, []);
  }
  // By event index: only behind the third.
  for (const [features, at, event] of [[[29], 4 + 2 * 8, 2], [[29, 34], 0, 0x8004]] as const) {
    const { d } = rig({ features, asksForInterrupts: false });
    d.ask(0, request(READ, 0), 513);
    d.write(ACKNOWLEDGE, 1);
    d.bench.edges.length = 0;
    d.bench.dma.write(d.rings[0].driver + at, 2, event);
    if (features.length > 1) d.bench.dma.write(d.rings[0].driver + 2, 2, 2);
    const edges = [2, 3, 4].map(() => (d.ask(0, request(READ, 0), 513), d.bench.edges.length));
    assertEquals(edges, [0, 1, 1], `${features}`);
  }
});

Deno.test("virtio disk: write-back until it flushes, write-through for a driver that cannot flush", () => {
  const data = new Uint8Array(512).fill(9), first = (bytes: Uint8Array) => bytes[5 * 512];
  const cached = rig({ features: [F_FLUSH] });
  cached.d.ask(0, request(WRITE, 5, data), 1);
  assertEquals(first(cached.bytes), 35);
  cached.d.ask(0, request(FLUSH, 0), 1);
  assertEquals(first(cached.bytes), 9);
  const plain = rig();
  plain.d.ask(0, request(WRITE, 5, data), 1);
  assertEquals(first(plain.bytes), 9);
  // The driver may choose.
  const choice = rig({ features: [F_FLUSH, F_WCE] });
  assertEquals(choice.d.bench.read(CONFIG + 32, 1), 1);
  choice.d.ask(0, request(WRITE, 5, data), 1);
  choice.d.bench.write(CONFIG + 32, 0, 1);
  assertEquals([choice.d.bench.read(CONFIG + 32, 1), first(choice.bytes)], [0, 9]);
  choice.d.ask(0, request(WRITE, 6, data), 1);
  assertEquals(choice.bytes[6 * 512], 9);
  // One that was read already, or has nothing to be written, stays as it is.
  const locked = rig({}, { readonly: true });
  assertEquals([WRITE, DISCARD, ZEROES].map((type) => status(locked.d.ask(0, request(type, 0, range(0, 1)), 1))), [IOERR, IOERR, IOERR]);
  assertEquals([status(locked.d.ask(0, request(FLUSH, 0), 1)), locked.writes()], [OK, 0]);
});

Deno.test("virtio disk: a request takes its time, a long one piece by piece; saved and restored in its midst it ends the same", () => {
  const bytes = new Uint8Array(32 << 20);
  for (let at = 0; at < bytes.length; at += 0x4000) bytes.fill(at >> 14, at, at + 0x4000);
  const disk = new Disk(memorySource(bytes), "hard");
  const make = () => new Driver(blk, 1, { features: [INDIRECT], drives: { disk: { kind: "hard", disk } } });
  const a = make(), b = make(), m = a.bench.dma, table = 0x9000, header = 0xf000, last = 0xf100;
  // 20 MB into the same 20 KiB, over and over.
  const buffers = [[header, 16, 1], ...Array.from({ length: 998 }, () => [0x4000, 0x5000, 3]), [last, 1, 2]];
  for (const [i, [address, length, flags]] of buffers.entries()) {
    m.write(table + 16 * i, 4, address);
    m.write(table + 16 * i + 8, 4, length);
    m.write(table + 16 * i + 12, 4, flags | (i + 1) << 16);
  }
  m.writeBytes(header, request(READ, 0));
  m.write(last, 1, 0xee);
  m.write(a.rings[0].desc, 4, table);
  m.write(a.rings[0].desc + 8, 4, 16 * buffers.length);
  m.write(a.rings[0].desc + 12, 2, 4);
  m.write(a.rings[0].driver + 2, 2, 1);
  a.write(NOTIFY, 0);
  const used = () => m.read(a.rings[0].device + 2, 2);
  a.bench.passNs(900);
  assertEquals([used(), m.read(0x4000, 1)], [0, 0], "it takes a microsecond");
  a.bench.passNs(50_000);
  assert(m.read(0x4000, 1) > 0 && used() === 0, "it is under way");
  b.bench.clock.base = a.bench.clock.base;
  b.bench.dma.writeBytes(0, m.readBytes(0, 0x10000));
  b.bench.dev.state = structuredClone(a.bench.dev.state);
  b.bench.dev.restored!();
  for (const d of [a, b]) {
    d.bench.passNs(1e7);
    assertEquals([d.bench.dma.read(d.rings[0].device + 2, 2), d.bench.dma.read(d.rings[0].device + 8, 4), d.bench.dma.read(last, 1)], [
      1,
      998 * 0x5000 + 1,
      OK,
    ]);
    assertEquals([d.bench.dma.read(0x4000, 1), d.bench.irq[0].level], [997 * 0x5000 >> 14 & 0xff, true]);
  }
  assertEquals(a.bench.dev.state, b.bench.dev.state);
});

Deno.test("virtio: status, features, queues and reset as the registers have them", () => {
  const { d } = rig();
  assertEquals([d.read(0), d.read(4), d.read(8), d.read(0xc), d.read(STATUS)], [0x7472_6976, 2, 2, 0x554d_4551, 15]);
  assertEquals([d.read(0x34), d.read(0x44), d.read(0xb0), d.read(0xfc)], [1024, 1, 0xffff_ffff, 0]);
  d.write(0x30, 1);
  assertEquals([d.read(0x34), d.read(0x44)], [0, 0], "there is one queue");
  d.write(STATUS, 0);
  assertEquals([d.read(STATUS), d.read(INTERRUPTS), d.read(0x34), d.read(0x44)], [0, 0, 1024, 0], "the first queue, and no queue is ready");
  // What was not offered is refused.
  d.write(STATUS, 3);
  d.write(0x24, 1);
  d.write(0x20, 1 << 5);
  d.write(STATUS, 11);
  assertEquals(d.read(STATUS), 3);
  d.write(0x20, 1);
  d.write(STATUS, 11);
  assertEquals(d.read(STATUS), 11);
  // Registers are 4 bytes wide, and those of the other interface are not there.
  assertEquals([d.bench.read(0, 1), d.bench.read(0, 2), d.read(0x40), d.read(0x28)], [0, 0, 0, 0]);
  // Nothing is looked at before the driver is ready.
  d.start();
  d.write(STATUS, 0);
  assertEquals(d.bench.irq[0].level, false);
  d.write(NOTIFY, 0);
  d.bench.passNs(1e7);
  assertEquals(d.collect(0).length, 0);
});
