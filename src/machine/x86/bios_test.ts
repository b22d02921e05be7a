import { assert, assertEquals } from "@std/assert";
import { Random } from "../../../tests/fuzz/random.ts";
import type { MachineGraph } from "../machine_graph.ts";
import { memoryMap } from "./bios.ts";

Deno.test("the memory map leaves out what the BIOS keeps and names what lies under the ROM", () => {
  const ram = {
    kind: "ram",
    segments: [{ base: 0, length: 0xa_0000 }, { base: 0x10_0000, length: 0x700_0000 }, { base: 2 ** 32, length: 4096 }],
  };
  const rom = { kind: "rom", segments: [{ base: 0xe_0000, length: 0x2_0000 }] };
  assertEquals(memoryMap({ memories: [ram, rom] } as unknown as MachineGraph), [
    { base: 0, length: 0x9_fc00, type: 1 },
    { base: 0x9_fc00, length: 0x400, type: 2 },
    { base: 0xf_0000, length: 0x1_0000, type: 2 },
    { base: 0x10_0000, length: 0x700_0000, type: 1 },
    { base: 2 ** 32, length: 4096, type: 1 },
  ]);
});

Deno.test("the memory map of random memories, KiB by KiB: what is usable, what the BIOS keeps, and that nothing is told twice", () => {
  const random = new Random(61), KIB = 1024, MIB = 2 ** 20, GIB = 2 ** 30;
  for (let round = 0; round < 200; round++) {
    const pages = (n: number) => 4096 * random.below(n);
    // From 0 or higher, with a hole below 1 MiB at times; more of it above 1 MiB and above 4 GiB.
    const base = random.pick([0, 0, 4096, 0x9_f000, 0xa_0000]), low = random.pick([0xa_0000, 0xc_0000, 0x9_f000, 0x8_0000, base + 4096]);
    const high = MIB + random.pick([0, 4096, MIB]), end = high + 4096 + pages(200), top = 4 * GIB + pages(2);
    const segments = [
      ...(low > base ? [{ base, length: low - base }] : []),
      { base: high, length: end - high },
      ...(random.one(2) ? [{ base: top, length: 4096 + pages(20) }] : []),
    ];
    const tables = random.pick([undefined, end, end - 4096, high]),
      memories = [{ kind: "ram", segments }, { kind: "rom", segments: [{ base: 0, length: 4096 }] }];
    const map = memoryMap({ memories } as unknown as MachineGraph, tables), what = Deno.inspect({ segments, tables });
    const type = (at: number) => map.filter((e) => at >= e.base && at < e.base + e.length).map((e) => e.type);
    for (const [i, e] of map.entries()) {
      assert(e.length > 0 && (i === 0 || e.base >= map[i - 1].base + map[i - 1].length), `in order: ${what}`);
    }
    const wanted = (at: number): number[] => {
      const ram = segments.find((s) => at >= s.base && at < s.base + s.length);
      if (at >= 0xf_0000 && at < MIB) return [2];
      // The last KiB below 640 KiB, where RAM is there.
      if (at >= 0x9_fc00 && at < 0xa_0000) return segments.some((s) => s.base <= 0x9_fc00 && s.base + s.length > 0x9_fc00) ? [2] : [];
      if (!ram || (at >= 0xa_0000 && at < MIB)) return [];
      return [at >= (tables ?? Infinity) && at < 4 * GIB ? 2 : 1];
    };
    for (const [from, to] of [[0, 3 * MIB], [4 * GIB - 8 * KIB, 4 * GIB + 128 * KIB]]) {
      for (let at = from; at < to; at += KIB) {
        const got = type(at), want = wanted(at);
        if (got.join() !== want.join()) assertEquals([at.toString(16), got], [at.toString(16), want], what);
      }
    }
  }
});
