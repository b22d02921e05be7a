import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
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

// --- against the manual's own words (Priv 3.7.1), over every kind and size of entry, both widths, 16 and 64 entries

interface Registers {
  readonly xlen: 32 | 64;
  readonly cfg: readonly number[];
  readonly address: readonly bigint[];
}
/** First byte and the one behind the last of what an entry matches; RV32's end at 2^34 and RV64's at 2^56 are the end of everything. */
function rangeOf(r: Registers, i: number): readonly [bigint, bigint] {
  const kind = r.cfg[i] >> 3 & 3,
    at = r.address[i] << 2n,
    end = (n: bigint) => n >= (1n << (r.xlen === 64 ? 56n : 34n)) - 4n ? 1n << 56n : n;
  if (kind === 0) return [0n, 0n];
  if (kind === 1) return [i === 0 ? 0n : r.address[i - 1] << 2n, end(at)];
  if (kind === 2) return [at, at + 4n];
  let bits = 3n;
  while (r.address[i] >> bits - 3n & 1n) bits++;
  return [at >> bits << bits, end((at >> bits) + 1n << bits)];
}
/** Which of the bytes an entry has decides: the first that has any must have all. */
function rightsOf(r: Registers, at: bigint, size: bigint, machine: boolean): number {
  for (let i = 0; i < r.cfg.length; i++) {
    const [start, end] = rangeOf(r, i);
    if (at + size <= start || at >= end || start >= end) continue;
    if (at < start || at + size > end) return 0;
    return machine && !(r.cfg[i] & L) ? 7 : r.cfg[i] & 7;
  }
  return machine || r.cfg.length === 0 ? 7 : 0;
}
const endsInside = (r: Registers, page: bigint) =>
  r.cfg.some((_, i) => rangeOf(r, i).some((at) => at > page && at < page + 4096n && rangeOf(r, i)[0] < rangeOf(r, i)[1]));

/** Every edge of every entry, and the bytes and pages around it. */
function compare(p: Pmp, r: Registers, what: string): void {
  const edges = new Set(r.cfg.flatMap((_, i) => rangeOf(r, i)).filter((at) => at < 1n << 53n)), limit = 1n << (r.xlen === 64 ? 53n : 34n);
  for (const edge of [...edges, 0x8000_0000n]) {
    for (const [below, size] of [[-1n, 1n], [0n, 1n], [1n, 1n], [4n, 4n], [4n, 8n], [2n, 4n], [8n, 8n], [0n, 8n]]) {
      const at = edge - below;
      if (at < 0n || at >= limit || at % 4096n + size > 4096n) continue;
      for (const machine of [false, true]) {
        const where = `${what}: ${size} bytes at 0x${at.toString(16)}, ${machine ? "M" : "S"}`;
        assertEquals(p.rights(Number(at), machine, Number(size)), rightsOf(r, at, size, machine), where);
        const page = at & ~4095n;
        if (!endsInside(r, page)) assertEquals(p.whole, true, where);
        else if (p.whole) {
          const all = Array.from({ length: 1024 }, (_, i) => rightsOf(r, page + 4n * BigInt(i), 4n, machine));
          assertEquals(new Set(all).size, 1, where);
        }
      }
    }
  }
  const all = [...edges, ...[...edges].map((e) => e - 1n)].filter((at) => at >= 0n && at < limit);
  if (p.open) { for (const at of all) assertEquals(rightsOf(r, at, 1n, false), 7, `${what} is not open`); }
  if (p.unlocked) {
    for (const at of all) assertEquals(rightsOf(r, at, 1n, true), 7, `${what} is locked`);
    for (const at of edges) assertEquals(endsInside(r, at & ~4095n), false, `${what} ends inside a page`);
  }
}

/** An instance with these registers, written as software does: addresses first. */
function written(xlen: 32 | 64, entries: number, cfg: ReadonlyMap<number, number>, address: ReadonlyMap<number, bigint>) {
  const p = new Pmp(entries, xlen), r = { xlen, cfg: Array<number>(entries).fill(0), address: Array<bigint>(entries).fill(0n) };
  for (const [i, a] of address) {
    p.writeAddress(i, Number(a & 0xffff_ffffn), Number(a >> 32n));
    r.address[i] = a & ((1n << (xlen === 64 ? 54n : 32n)) - 1n);
  }
  for (const [i, c] of cfg) {
    p.writeCfg(i, c);
    r.cfg[i] = c & (c & R ? 0x9f : 0x9c); // without R, W is taken away, too
  }
  p.refresh();
  return { p, r };
}

Deno.test("each size of NAPOT, NA4 and TOR, in the first, a middle and the last entry of 16 and 64", () => {
  for (const xlen of [64, 32] as const) {
    for (const entries of [16, 64]) {
      for (const i of [0, 1, entries - 2, entries - 1]) {
        for (
          const [cfg, address] of [[NA4 | R, 0x2000_0001n], [TOR | R | X, 0x2000_0401n], [TOR | R | W, 0x2000_0400n], [
            NA4 | 7,
            0x2000_03ffn,
          ]] as const
        ) {
          const { p, r } = written(xlen, entries, new Map([[i, cfg]]), new Map([[i, address]]));
          compare(p, r, `RV${xlen}, entry ${i} of ${entries}, ${cfg.toString(16)}`);
        }
        for (let ones = 0n; ones <= (xlen === 64 ? 54n : 32n); ones++) {
          const address = (xlen === 64 ? 0x15_5555_a000_0000n : 0xa000_0000n) >> ones + 1n << ones + 1n | (1n << ones) - 1n;
          const { p, r } = written(xlen, entries, new Map([[i, NAPOT | 7]]), new Map([[i, address]]));
          compare(p, r, `RV${xlen}, entry ${i} of ${entries}, NAPOT with ${ones} ones`);
          assertEquals([p.open, p.unlocked], [ones >= (xlen === 64 ? 53n : 31n), ones >= 9n], `${ones} ones`);
        }
      }
    }
  }
});

Deno.test("random entries, locked ones among them, are what the manual says; a reset leaves none", () => {
  const random = new Random(5);
  let open = 0, unlocked = 0;
  for (let round = 0; round < 150; round++) {
    const xlen = random.pick([32, 64] as const),
      entries = random.pick([16, 64]),
      cfg = new Map<number, number>(),
      address = new Map<number, bigint>();
    for (let n = random.below(5); n > 0; n--) {
      const i = random.pick([0, 1, 2, entries - 1, random.below(entries)]), page = 0x2000_0000n + BigInt(random.below(4)) * 0x400n;
      address.set(i, random.pick([page, page + BigInt(random.below(0x400)), page | 0x1ffn, 0x2_2000_0000n, (1n << 54n) - 1n, 0n]));
      cfg.set(i, random.below(4) << 3 | random.pick([7, 7, 0, 1, 3, 4, 5, 2, 6]) | (random.one(4) ? L : 0) | random.pick([0, 0x20, 0x40]));
    }
    const { p, r } = written(xlen, entries, cfg, address), what = `round ${round}`;
    assertEquals([...p.cfg], r.cfg, what);
    assertEquals([...p.addressLo].map((lo, i) => BigInt(p.addressHi[i]) << 32n | BigInt(lo)), r.address, what);
    compare(p, r, what);
    // An address that changes takes effect at once.
    const i = random.below(entries), before = p.cfg[i] & L || (p.cfg[i + 1] & 0x98) === (L | TOR) ? r.address[i] : 0x2000_0123n;
    p.writeAddress(i, 0x2000_0123, 0);
    compare(p, { ...r, address: r.address.with(i, before) }, `${what}, entry ${i} moved`);
    open += p.open ? 1 : 0;
    unlocked += p.unlocked ? 1 : 0;
    p.reset();
    const empty = new Pmp(entries, xlen);
    assertEquals([p.cfg, p.addressLo, p.addressHi, p.open, p.unlocked, p.rights(0, false)], [
      empty.cfg,
      empty.addressLo,
      empty.addressHi,
      false,
      true,
      0,
    ]);
  }
  assert(open > 1 && unlocked > 10, `${open} open, ${unlocked} unlocked`);
});

Deno.test("what is locked: an entry's own two registers, and the address below a locked TOR; nothing else", () => {
  for (const entries of [16, 64]) {
    for (const i of [0, 1, 5, entries - 2, entries - 1]) {
      for (const kind of [OFF, TOR, NA4, NAPOT]) {
        for (const lock of [0, L]) {
          const { p } = written(64, entries, new Map([[i, kind | R | lock]]), new Map([[i, 5n]]));
          for (let n = 0; n < entries; n++) {
            p.writeCfg(n, X);
            p.writeAddress(n, 6, 7);
          }
          const own = (n: number) => lock !== 0 && n === i, below = (n: number) => lock !== 0 && kind === TOR && n === i - 1;
          assertEquals([...p.cfg], Array.from(p.cfg, (_, n) => own(n) ? kind | R | L : X));
          assertEquals([...p.addressLo], Array.from(p.cfg, (_, n) => own(n) ? 5 : below(n) ? 0 : 6));
          assertEquals([...p.addressHi], Array.from(p.cfg, (_, n) => own(n) || below(n) ? 0 : 7));
        }
      }
    }
  }
});

Deno.test("an empty instance: everything is open until something is written, or nothing is, without entries", () => {
  assertEquals([16, 64, 0].map((n) => new Pmp(n, 64)).map((p) => [p.open, p.unlocked, p.whole]), [
    [false, true, true],
    [false, true, true],
    [true, true, true],
  ]);
});
