// fw_cfg by its specification: selector and data port, the file directory, DMA.
import { assertEquals } from "@std/assert";
import { bench } from "../testing/bench.ts";
import type { FwCfg } from "./fw_cfg.ts";
import fwCfg from "./fw_cfg.ts";

const text = (s: string) => new TextEncoder().encode(s);

function rig() {
  const b = bench(fwCfg), dev = b.dev as FwCfg;
  dev.provide(() => [
    { key: 0x05, bytes: Uint8Array.of(2, 0) },
    { name: "etc/e820", bytes: text("map") },
    { name: "bootorder", bytes: text("/pci") },
  ]);
  const select = (key: number) => b.write(0, key, 2);
  const bytes = (n: number) => Array.from({ length: n }, () => b.read(1));
  /** Runs a descriptor at 0x1000; its control word afterwards. */
  const dma = (control: number, length: number, address: number) => {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint32(0, control);
    view.setUint32(4, length);
    view.setBigUint64(8, BigInt(address));
    b.dma.writeBytes(0x1000, new Uint8Array(view.buffer));
    b.write(4, 0, 4);
    b.write(8, 0x0010_0000, 4); // 0x1000, big-endian
    return new DataView(b.dma.readBytes(0x1000, 4).buffer).getUint32(0);
  };
  return { ...b, space: b.dma, select, bytes, dma, memory: (at: number, n: number) => [...b.dma.readBytes(at, n)] };
}

Deno.test("fw_cfg: signature, features, an item, zeros behind its end", () => {
  const r = rig();
  r.select(0);
  assertEquals(String.fromCharCode(...r.bytes(4)), "QEMU");
  r.select(1);
  assertEquals(r.bytes(4), [3, 0, 0, 0]);
  r.select(5);
  assertEquals(r.bytes(4), [2, 0, 0, 0]);
  r.select(0x1234);
  assertEquals(r.bytes(2), [0, 0]);
});

Deno.test("fw_cfg: files are sorted by name, and their keys are in the directory", () => {
  const r = rig();
  r.select(0x19);
  const entry = (size: number, key: number, name: string) => [0, 0, 0, size, 0, key, 0, 0, ...text(name.padEnd(56, "\0"))];
  assertEquals(r.bytes(4 + 128), [0, 0, 0, 2, ...entry(4, 0x20, "bootorder"), ...entry(3, 0x21, "etc/e820")]);
  r.select(0x21);
  assertEquals(r.bytes(3), [...text("map")]);
});

Deno.test("fw_cfg: DMA selects, reads past the end, skips, and refuses to write", () => {
  const r = rig();
  assertEquals([r.read(4, 4), r.read(8, 4), r.read(4, 1)], [0x554d_4551, 0x4746_4320, 0x51]);
  assertEquals(r.dma(0x21_000a, 5, 0x2000), 0);
  assertEquals(r.memory(0x2000, 5), [...text("map"), 0, 0]);
  assertEquals([r.dma(0x20_000c, 2, 0), r.dma(2, 2, 0x2000)], [0, 0]);
  assertEquals(r.memory(0x2000, 2), [...text("ci")]);
  assertEquals([r.dma(0x20_0018, 1, 0x2000), r.dma(0x2_0018, 1, 0x2000)], [1, 1]);
  assertEquals(r.memory(0x2000, 2), [...text("ci")]);
});

Deno.test("fw_cfg: data outside RAM is an error, a descriptor there does nothing", () => {
  const r = rig();
  assertEquals(r.dma(0x20_000a, 2, 0x1_0000), 1);
  r.write(4, 0x0100_0000, 4); // 4 GiB and up
  r.write(8, 0, 4);
  assertEquals(r.log, ["guest fw_cfg descriptor at 0x100000000 is not in RAM"]);
});

Deno.test("fw_cfg: a length of 4 GiB ends where RAM ends, and a descriptor in ROM stays as it is", () => {
  const r = rig();
  assertEquals(r.dma(5 << 16 | 0x0a, 0xffff_ffff, 0x2000), 1);
  assertEquals(r.memory(0x2000, 3), [2, 0, 0]);
  const rom = new Uint8Array(16);
  rom.set([0, 5, 0, 8]);
  r.space.mapRam(0x10_0000, rom, { readonly: true });
  r.write(8, 0x0000_1000, 4); // 0x10_0000, big-endian
  assertEquals([rom[3], r.bytes(1)], [8, [2]]);
});

// A descriptor's length is what moves, whatever the item has; pieces of 16 MiB, one after the other, make no difference.
const PIECE = 16 << 20, BIG = PIECE + 3, ROOM = 0x10_0000, item = new Uint8Array(BIG).fill(0xaa), room = new Uint8Array(2 * PIECE + 0x1000);
for (const n of [0, 1, PIECE - 2, PIECE - 1, PIECE, PIECE + 1, PIECE + 2]) item[n] = 0x10 + n % 13;
for (const length of [0, 1, BIG - 1, BIG, BIG + 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1]) {
  Deno.test(`fw_cfg: DMA of ${length} bytes of an item of ${BIG}`, () => {
    const r = rig();
    (r.dev as FwCfg).provide(() => [{ key: 5, bytes: item }]);
    r.space.mapRam(ROOM, room.fill(0xee));
    const control = r.dma(0x5_000a, length, ROOM);
    assertEquals(control, length > PIECE ? 0x5_000a : 0, "under way, or done");
    r.passNs(1e9);
    assertEquals(new DataView(r.space.readBytes(0x1000, 4).buffer).getUint32(0), 0);
    const at = (n: number) => r.space.read(ROOM + n, 1);
    for (const n of [0, 1, PIECE - 1, PIECE, PIECE + 1, BIG - 1, BIG, length - 1, length]) {
      if (n < 0) continue;
      assertEquals(at(n), n >= length ? 0xee : item[n] ?? 0, `byte ${n}`);
    }
    // Where the next read goes on.
    assertEquals(r.read(1), item[length] ?? 0);
  });
}

// [length, address, control afterwards]: RAM ends at 64 KiB.
for (const [length, address, control] of [[2, 0xfffe, 0], [2, 0xffff, 1], [0, 0x1_0000, 0], [1, 0x1_0000, 1], [1, 0xffff, 0]]) {
  Deno.test(`fw_cfg: DMA of ${length} bytes to 0x${address.toString(16)}`, () => {
    const r = rig();
    assertEquals(r.dma(0x5_000a, length, address), control);
  });
}

Deno.test("fw_cfg: skips end at the item's end; a descriptor in the last 16 bytes of RAM, and one that reaches beyond", () => {
  const r = rig();
  assertEquals([r.dma(0x5_000c, 1, 0), r.bytes(3)], [0, [0, 0, 0]]);
  assertEquals([r.dma(0x21_000c, 2, 0), r.bytes(2)], [0, [112, 0]]);
  assertEquals([r.dma(0x21_000c, 0xffff_ffff, 0), r.dma(2, 1, 0x2000), r.memory(0x2000, 1)], [0, 0, [0]]);
  for (const [at, done] of [[0xfff0, true], [0xfff1, false]] as const) {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint32(0, 0x5_000a);
    view.setUint32(4, 1);
    view.setBigUint64(8, 0x3000n);
    r.space.writeBytes(at, new Uint8Array(view.buffer).subarray(0, 0x1_0000 - at));
    r.space.write(0x3000, 1, 0xee);
    r.write(4, 0, 4);
    r.write(8, (at & 0xff) * 2 ** 24 + (at >> 8) * 2 ** 16, 4);
    assertEquals(r.memory(0x3000, 1), [done ? 2 : 0xee]);
  }
});
