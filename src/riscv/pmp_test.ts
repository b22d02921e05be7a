import { assertEquals } from "@std/assert";
import { Pmp } from "./pmp.ts";

const OFF = 0, TOR = 0x08, NA4 = 0x10, NAPOT = 0x18, L = 0x80, R = 1, W = 2, X = 4;

function pmp(...entries: [cfg: number, address: number][]): Pmp {
  const p = new Pmp(16, 64);
  for (const [i, [, address]] of entries.entries()) p.writeAddress(i, (address / 4) >>> 0, Math.floor(address / 4 / 2 ** 32));
  for (const [i, [cfg]] of entries.entries()) p.writeCfg(i, cfg);
  p.refresh();
  return p;
}

Deno.test("without a matching entry M may do everything and S nothing", () => {
  const p = pmp();
  assertEquals([p.rights(0x8000_0000, true), p.rights(0x8000_0000, false), p.open], [7, 0, false]);
  assertEquals(new Pmp(0, 64).rights(0x8000_0000, false), 7); // no entries implemented: no restriction
});

Deno.test("NAPOT: trailing ones give the size", () => {
  // 64 KiB at 0x8001_0000: address | 0x7fff in bytes of the encoding
  const p = pmp([NAPOT | R | X, 0x8001_0000 + 0x7ffc]);
  assertEquals(p.rights(0x8000_fffc, false), 0);
  assertEquals([p.rights(0x8001_0000, false), p.whole], [R | X, true]);
  assertEquals(p.rights(0x8001_ffff, false), R | X);
  assertEquals(p.rights(0x8002_0000, false), 0);
});

Deno.test("NAPOT of all ones opens everything, in both widths", () => {
  for (const xlen of [32, 64] as const) {
    const p = new Pmp(16, xlen);
    p.writeAddress(0, 0xffff_ffff, 0xffff_ffff);
    p.writeCfg(0, NAPOT | R | W | X);
    p.refresh();
    assertEquals([p.open, p.addressHi[0]], [true, xlen === 64 ? 0x3f_ffff : 0]);
  }
});

Deno.test("TOR: from the entry below, and from 0 for entry 0; an empty range matches nothing", () => {
  const p = pmp([TOR | R, 0x8000_0000], [TOR | R | W, 0x8000_1000], [TOR | X, 0x8000_0800]);
  assertEquals([0, 0x7fff_ffff, 0x8000_0000, 0x8000_0fff, 0x8000_1000].map((a) => p.rights(a, false)), [R, R, R | W, R | W, 0]);
});

Deno.test("the first matching entry decides, and a page that it splits is not whole", () => {
  const p = pmp([NA4 | R, 0x8000_0010], [NAPOT | R | W | X, 0x8000_0000 + 0x7ffc]);
  assertEquals([p.rights(0x8000_0010, false), p.whole], [R, false]);
  assertEquals([p.rights(0x8000_0014, false), p.whole], [7, false]);
  assertEquals([p.rights(0x8000_1000, false), p.whole], [7, true]);
});

Deno.test("a locked entry binds M too and keeps what it has, also the address below a TOR", () => {
  const p = pmp([OFF, 0x8000_0000], [L | TOR | R, 0x8000_1000]);
  assertEquals([p.rights(0x8000_0000, true), p.rights(0x8000_1000, true)], [R, 7]);
  p.writeCfg(1, NAPOT | 7);
  p.writeAddress(1, 1, 0);
  p.writeAddress(0, 1, 0);
  assertEquals([p.cfg[1], p.addressLo[1], p.addressLo[0]], [L | TOR | R, 0x2000_0400, 0x2000_0000]);
});

Deno.test("write permission without read permission is taken away", () => {
  const p = pmp([NAPOT | W | X, 0x8000_0000]);
  assertEquals(p.cfg[0], NAPOT | X);
});

Deno.test("an access has to lie wholly in the entry that has any of it, also in M-mode", () => {
  const p = pmp([NA4 | R | W, 0x8000_0104], [NAPOT | R | W | X, 0x8000_0000 + 0x7ffc]);
  const at = (paddr: number, size: number) => [p.rights(paddr, false, size), p.rights(paddr, true, size)];
  assertEquals([at(0x8000_0104, 4), at(0x8000_0106, 2), at(0x8000_0100, 4)], [[R | W, 7], [R | W, 7], [7, 7]]);
  for (const [paddr, size] of [[0x8000_0100, 8], [0x8000_0104, 8], [0x8000_0103, 2], [0x8000_0107, 2], [0x8000_0102, 4]]) {
    assertEquals(at(paddr, size), [0, 0], paddr.toString(16));
  }
  assertEquals(p.unlocked, false);
  p.writeCfg(0, OFF);
  p.refresh();
  assertEquals([p.unlocked, at(0x8000_0102, 4)], [true, [7, 7]]);
});
