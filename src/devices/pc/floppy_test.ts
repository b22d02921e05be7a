import { assertEquals } from "@std/assert";
import { Disk, type Drive, memorySource } from "../../core/disk.ts";
import type { DmaChannel } from "../../core/dma.ts";
import floppy from "./floppy.ts";
import { bench } from "../testing/bench.ts";

/** A medium whose bytes tell their sector. */
const medium = (sectors = 2880, readonly = false): Drive => ({
  kind: "floppy",
  disk: new Disk(memorySource(new Uint8Array(sectors * 512).map((_, i) => Math.floor(i / 512))), "floppy", readonly),
});

/** A DMA channel that takes `limit` bytes, and remembers them. */
class Channel implements DmaChannel {
  bytes: number[] = [];
  at = 0;
  ready = true;
  onReady = () => {};
  constructor(public limit: number, readonly source = new Uint8Array()) {}
  move(data: Uint8Array, toMemory: boolean) {
    if (!this.ready) return undefined;
    const moved = Math.min(data.length, this.limit - this.at);
    if (toMemory) this.bytes.push(...data.subarray(0, moved));
    else data.set(this.source.subarray(this.at, this.at + moved));
    this.at += moved;
    return { moved, done: this.at === this.limit };
  }
}

function setUp(drives: Record<string, Drive> = { drive0: medium() }, channel = new Channel(512)) {
  const b = bench(floppy, {}, { drives, dma: channel });
  const wait = () => b.passNs(100_000), status = () => b.read(4), irq = () => b.irq[0].level;
  const put = (...bytes: number[]) => bytes.forEach((v) => b.write(5, v));
  const results = () => {
    const out: number[] = [];
    while ((status() & 0xc0) === 0xc0) out.push(b.read(5));
    return out;
  };
  const command = (...bytes: number[]) => {
    put(...bytes);
    wait();
    return results();
  };
  b.write(2, 0x08);
  b.write(2, 0x1c);
  wait();
  for (let n = 0; n < 4; n++) command(8);
  b.write(0, 0, 1, 1); // 500 kbit/s
  return { ...b, channel, wait, status, irq, put, results, command, disk: drives.drive0?.disk };
}

Deno.test("a reset ends in an interrupt and four reports of drives", () => {
  const b = setUp();
  b.write(2, 0x18);
  assertEquals([b.status(), b.irq()], [0, false]);
  b.write(2, 0x1c);
  b.wait();
  assertEquals([b.status(), b.irq()], [0x80, true]);
  assertEquals([0, 1, 2, 3, 4].map(() => b.command(8)), [[0xc0, 0], [0xc1, 0], [0xc2, 0], [0xc3, 0], [0x80]]);
  assertEquals(b.irq(), false);
  b.write(4, 0x80);
  b.wait();
  assertEquals(b.irq(), true, "the reset of the data rate register ends by itself");
});

Deno.test("version, an invalid command, configuration, lock, registers", () => {
  const b = setUp();
  assertEquals([b.command(0x10), b.command(0x1f), b.command(0x18)], [[0x90], [0x80], [0x41]]);
  b.command(0x13, 0, 0x57, 3);
  b.command(0x03, 0xdf, 0x02);
  assertEquals(b.command(0x94), [0x10]);
  b.write(4, 0x80);
  b.wait();
  for (let n = 0; n < 4; n++) b.command(8);
  assertEquals(b.command(0x0e), [0, 0, 0, 0, 0xdf, 0x02, 0, 0x80, 0x57, 3]);
});

Deno.test("recalibrate and seek: the disk change line falls, the new cylinder is reported", () => {
  const b = setUp();
  assertEquals(b.read(0, 1, 1), 0x80);
  b.put(0x0f, 0, 40);
  assertEquals(b.status(), 1, "drive 0 is busy");
  b.wait();
  assertEquals([b.irq(), b.command(8), b.irq(), b.read(0, 1, 1)], [true, [0x20, 40], false, 0]);
  assertEquals(b.command(0x04, 0), [0x28]);
  b.command(0x07, 0);
  assertEquals([b.command(8), b.command(0x04, 0)], [[0x20, 0], [0x38]]);
  b.command(0x07, 1);
  assertEquals(b.command(8), [0x71, 0], "there is no drive 1");
});

Deno.test("read by DMA until terminal count; the result names the next sector", () => {
  const b = setUp(undefined, new Channel(1024));
  b.command(0x0f, 4, 2);
  b.command(8);
  b.put(0xe6, 4, 2, 1, 17, 2, 18, 0x1b, 0xff);
  assertEquals(b.status(), 0x10);
  b.wait();
  assertEquals([b.irq(), b.results(), b.irq()], [true, [4, 0, 0, 3, 0, 1, 2], false]);
  assertEquals([b.channel.bytes[0], b.channel.bytes[512]], [(2 * 2 + 1) * 18 + 16 & 0xff, (2 * 2 + 1) * 18 + 17 & 0xff]);
});

Deno.test("multi-track goes on with the other side; the end of the track without terminal count is an error", () => {
  const b = setUp(undefined, new Channel(4 * 512));
  assertEquals(b.command(0xe6, 0, 0, 0, 17, 2, 18, 0x1b, 0xff), [4, 0, 0, 0, 1, 3, 2]);
  assertEquals([0, 1, 2, 3].map((i) => b.channel.bytes[512 * i]), [16, 17, 18, 19]);
  b.channel.limit = 1e6;
  assertEquals(b.command(0x46, 0, 0, 0, 17, 2, 18, 0x1b, 0xff), [0x40, 0x80, 0, 1, 0, 1, 2]);
});

Deno.test("write by DMA; a channel that is masked holds the transfer until it is not", () => {
  const b = setUp(undefined, new Channel(512, new Uint8Array(512).fill(0xab)));
  b.channel.ready = false;
  assertEquals(b.command(0x45, 0, 0, 0, 3, 2, 18, 0x1b, 0xff), []);
  b.channel.ready = true;
  b.channel.onReady();
  b.wait();
  assertEquals([b.irq(), b.results()], [true, [0, 0, 0, 0, 0, 4, 2]]);
  assertEquals([b.disk!.read(2, 1)![511], b.disk!.read(3, 1)![0]], [0xab, 3]);
});

Deno.test("without DMA the bytes go through the FIFO", () => {
  const b = setUp();
  b.command(0x03, 0xdf, 0x03);
  b.put(0x46, 0, 0, 0, 5, 2, 6, 0x1b, 0xff);
  b.wait();
  assertEquals([b.status(), b.irq()], [0xf0, true]);
  const bytes: number[] = [];
  for (let sector = 0; sector < 2; sector++) {
    for (let i = 0; i < 512; i++) bytes.push(b.read(5));
    b.wait();
  }
  assertEquals([bytes[0], bytes[512], b.results()], [4, 5, [0x40, 0x80, 0, 1, 0, 1, 2]]);
  b.put(0x45, 0, 0, 0, 1, 2, 1, 0x1b, 0xff);
  b.wait();
  assertEquals(b.status(), 0xb0);
  b.put(...Array(512).fill(0x5a));
  b.wait();
  assertEquals([b.results()[1], b.disk!.read(0, 1)![100]], [0x80, 0x5a]);
});

Deno.test("errors: wrong cylinder, no such sector, wrong data rate, no medium, protected", () => {
  const b = setUp({ drive0: medium(2880, true), drive1: { kind: "floppy", disk: undefined } });
  const read = (...place: number[]) => b.command(0x46, ...place, 2, 18, 0x1b, 0xff).slice(0, 3);
  assertEquals(read(0, 1, 0, 1), [0x40, 0x04, 0x10]);
  assertEquals(read(0, 0, 0, 19), [0x40, 0x04, 0]);
  assertEquals(read(0, 0, 1, 1), [0x40, 0x04, 0], "the head of the command and of the address mark");
  assertEquals(read(1, 0, 0, 1), [0x41, 0x01, 0]);
  assertEquals(b.command(0x45, 0, 0, 0, 1, 2, 18, 0x1b, 0xff).slice(0, 3), [0x40, 0x02, 0]);
  assertEquals(b.command(0x04, 0), [0x78]);
  b.write(0, 2, 1, 1);
  assertEquals([read(0, 0, 0, 1), b.command(0x4a, 0).slice(0, 2)], [[0x40, 0x01, 0], [0x40, 0x01]]);
  b.write(0, 0, 1, 1);
  assertEquals(b.command(0x4a, 4), [4, 0, 0, 0, 1, 1, 2]);
});

Deno.test("an implied seek moves the head; formatting fills the sectors of its list", () => {
  const b = setUp(undefined, new Channel(8, Uint8Array.from([3, 0, 1, 2, 3, 0, 3, 2])));
  b.command(0x13, 0, 0x60, 0);
  assertEquals(b.command(0x46, 0, 3, 0, 1, 2, 18, 0x1b, 0xff).slice(0, 2), [0, 0]);
  b.channel.at = 0;
  assertEquals(b.command(0x4d, 0, 2, 2, 0x54, 0xf6).slice(0, 2), [0, 0]);
  const first = 3 * 36;
  assertEquals([0, 1, 2].map((i) => b.disk!.read(first + i, 1)![9]), [0xf6, first + 1, 0xf6]);
});

Deno.test("scan compares with what the host sends", () => {
  const b = setUp(undefined, new Channel(512, new Uint8Array(512).fill(4)));
  assertEquals(b.command(0x51, 0, 0, 0, 5, 2, 18, 0x1b, 1)[2], 0x08);
  b.channel.at = 0;
  assertEquals(b.command(0x51, 0, 0, 0, 6, 2, 18, 0x1b, 1)[2], 0x04);
  b.channel.at = 0;
  assertEquals(b.command(0x5d, 0, 0, 0, 6, 2, 18, 0x1b, 1)[2], 0x08, "the disk's bytes are higher");
});

Deno.test("a format begins in the last cylinder at the latest, under a head that is there, with as many sectors as a track has", () => {
  const NO_DATA = 4;
  for (
    const [cylinder, head, size, count, st1] of [
      [79, 1, 2, 18, 0],
      [80, 0, 2, 18, NO_DATA],
      [255, 0, 2, 1, NO_DATA],
      [0, 0, 2, 0, NO_DATA],
      [0, 0, 2, 19, NO_DATA],
      [0, 0, 3, 18, NO_DATA],
    ]
  ) {
    const b = setUp(undefined, new Channel(80, new Uint8Array(80)));
    b.command(0x0f, head << 2, cylinder);
    b.command(8);
    assertEquals(b.command(0x4d, head << 2, size, count, 0x54, 0xf6)[1], st1, `cylinder ${cylinder}, ${count} sectors`);
  }
});
