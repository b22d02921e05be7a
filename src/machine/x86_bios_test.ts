import { assertEquals } from "@std/assert";
import type { Graph } from "./graph.ts";
import { ImageDisk, memoryMap } from "./x86_bios.ts";

Deno.test("an image is a hard disk unless it has a floppy's size; written sectors stay in memory", () => {
  const image = new Uint8Array(1300).fill(7), disk = new ImageDisk(image);
  assertEquals([disk.kind, disk.sectors], ["hard", 3]);
  assertEquals([...disk.read(2, 1)!.subarray(275, 277)], [7, 0], "the last sector is filled up");
  assertEquals(disk.read(2, 2), undefined);
  assertEquals(disk.write(1, new Uint8Array(1024).fill(9)), true);
  assertEquals([disk.read(0, 3)![511], disk.read(0, 3)![512], disk.read(2, 1)![0]], [7, 9, 9]);
  assertEquals(disk.write(2, new Uint8Array(1024)), false);
  assertEquals(image.every((b) => b === 7), true);
  assertEquals(new ImageDisk(new Uint8Array(1_474_560)).kind, "floppy");
  const small = new Uint8Array(737_280);
  assertEquals(new ImageDisk(small).kind, "hard");
  small.set([0, 2], 11);
  assertEquals(new ImageDisk(small).kind, "floppy");
});

Deno.test("the memory map leaves out what the BIOS keeps and names what lies under the ROM", () => {
  const ram = {
    kind: "ram",
    segments: [{ base: 0, length: 0xa_0000 }, { base: 0x10_0000, length: 0x700_0000 }, { base: 2 ** 32, length: 4096 }],
  };
  const rom = { kind: "rom", segments: [{ base: 0xe_0000, length: 0x2_0000 }] };
  assertEquals(memoryMap({ memories: [ram, rom] } as unknown as Graph), [
    { base: 0, length: 0x9_fc00, type: 1 },
    { base: 0x9_fc00, length: 0x400, type: 2 },
    { base: 0xf_0000, length: 0x1_0000, type: 2 },
    { base: 0x10_0000, length: 0x700_0000, type: 1 },
    { base: 2 ** 32, length: 4096, type: 1 },
  ]);
});
