// Configuration mechanism 1, memory attributes and the reset port, as the data sheets have them.
import { assertEquals } from "@std/assert";
import type { I440fx } from "./i440fx.ts";
import i440fx from "./i440fx.ts";
import { PciSlot } from "../../core/pci.ts";
import { bench } from "../testing/bench.ts";

const ADDRESS = 0, DATA = 4;

function rig() {
  const b = bench(i440fx), at = (reg: number, device = 0, func = 0) => 0x8000_0000 + device * 0x800 + func * 0x100 + (reg & 0xfc);
  return {
    ...b,
    bridge: b.dev as I440fx,
    get(reg: number, size: 1 | 2 | 4 = 4, device = 0) {
      b.write(ADDRESS, at(reg, device), 4);
      return b.read(DATA + (reg & 3), size);
    },
    set(reg: number, value: number, size: 1 | 2 | 4 = 4, device = 0) {
      b.write(ADDRESS, at(reg, device), 4);
      b.write(DATA + (reg & 3), value, size);
    },
  };
}

Deno.test("i440fx: the bridge finds itself; ids as QEMU's", () => {
  const r = rig();
  assertEquals([r.get(0), r.get(8), r.get(0x2c), r.get(0x72, 1), r.get(0xe, 1)], [0x1237_8086, 0x0600_0002, 0x1100_1af4, 2, 0]);
  assertEquals([r.get(2, 2), r.get(3, 1), r.read(ADDRESS, 4)], [0x1237, 0x12, 0x8000_0000]);
  assertEquals(r.get(0, 4, 1), 0xffff_ffff);
});

Deno.test("i440fx: only 32-bit accesses reach the address register; without its top bit or for other buses there is nothing", () => {
  const r = rig();
  r.write(ADDRESS, 0x8000_0000, 4);
  r.write(ADDRESS, 0x12, 1);
  r.write(ADDRESS + 2, 0x1234, 2);
  assertEquals([r.read(ADDRESS, 4), r.read(ADDRESS, 1), r.read(DATA, 2)], [0x8000_0000, 0xff, 0x8086]);
  r.write(ADDRESS, 0x0000_0000, 4);
  assertEquals(r.read(DATA, 4), 0xffff_ffff);
  r.write(ADDRESS, 0x8001_0000, 4);
  assertEquals(r.read(DATA, 2), 0xffff);
});

Deno.test("i440fx: memory attributes show and hide the RAM below 1 MiB", () => {
  const r = rig(), ram = new Uint8Array(0x4_0000);
  r.dma.mapShadow(0xc_0000, ram);
  const shown = () =>
    r.dma.regions.filter((x) => x.base > 0x10000).map((x) => `${x.base.toString(16)}+${x.length.toString(16)}${x.readonly ? " ro" : ""}`);
  assertEquals(shown(), []);
  r.set(0x59, 0x30, 1);
  r.set(0x5a, 0x13, 1);
  r.set(0x5f, 0x12, 1);
  assertEquals(shown(), ["c0000+4000", "c4000+4000 ro", "ec000+4000 ro", "f0000+10000"]);
  const saved = structuredClone(r.dev.state);
  r.dev.reset();
  assertEquals(shown(), []);
  r.dev.state = saved;
  r.dev.restored!();
  assertEquals(shown(), ["c0000+4000", "c4000+4000 ro", "ec000+4000 ro", "f0000+10000"]);
});

Deno.test("i440fx: a write with bit 2 to port 0xcf9 resets", () => {
  const r = rig();
  r.write(1, 0x02, 1);
  assertEquals([r.read(1, 1), r.stops], [2, []]);
  r.write(1, 0x06, 1);
  assertEquals(r.stops, [{ kind: "reset" }]);
});

Deno.test("i440fx: pin A of device n drives line n - 1", () => {
  const r = rig(), slot = new PciSlot(3, 0);
  r.bridge.pciBus.plug(slot, { vendor: 1, device: 1, class: 0, pin: 1 });
  slot.intx.set(true);
  assertEquals(r.edges, ["2+"]);
});
