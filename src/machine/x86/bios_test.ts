import { assertEquals } from "@std/assert";
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
