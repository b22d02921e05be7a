// Page tables that are written, against the definition of what an entry maps: random tables of all kinds and places, several places for one table,
// stores of every size and place, contents that change otherwise, and tables that are let go.
import { assert, assertEquals } from "@std/assert";
import { PAGE } from "../ir/layout.ts";
import { limitsOf } from "../ir/limits.ts";
import { PageTables, type TableUser } from "./tables.ts";
import { Dice } from "./testing/random_region.ts";

/** Sv32 and 32-bit paging, Sv39, 4 and 5 levels: bits of an index, levels. */
const KINDS = [[10, 2], [9, 3], [9, 4], [9, 5]] as const;
interface Use {
  readonly bits: number;
  readonly levels: number;
  readonly level: number;
  /** First address. */
  readonly base: bigint;
}
interface Model {
  /** Undefined: more than are remembered. */
  uses: Use[] | undefined;
  narrow: boolean;
  fetched: boolean;
  stores: number;
  run: number;
  fills: number;
}
/** As the processor has it: sign-extended from the bits that are translated; 32 bits where entries have 4 bytes. */
const canonical = ({ bits, levels }: Pick<Use, "bits" | "levels">, address: bigint): bigint =>
  bits === 10 ? BigInt.asUintN(32, address) : BigInt.asUintN(64, BigInt.asIntN(12 + bits * levels, address));
const rangeOf = (use: Use, n: number) =>
  `0x${canonical(use, use.base + BigInt(n) * 2n ** BigInt(12 + use.bits * use.level)).toString(16)} + 2^${12 + use.bits * use.level}`;
const wholeOf = (use: Use) =>
  use.level === use.levels - 1 ? "all" : `0x${canonical(use, use.base).toString(16)} + 2^${12 + use.bits * (use.level + 1)}`;

class Hart implements TableUser {
  readonly dropped = new Set<string>();
  readonly entries = new Set<string>();
  forgotten = 0;
  moves = false;
  readonly core = {
    entryChanged: (word: number, count: number, fetched: boolean) => {
      this.entries.add(`${word} ${count} ${fetched}`);
      return this.moves;
    },
    tablesForgotten: () => void this.forgotten++,
  };
  protect(): void {}
  flushTlb = () => void this.dropped.add("all");
  #range = (lo: number, hi: number, bits: number) =>
    this.dropped.add(`0x${(BigInt(hi >>> 0) << 32n | BigInt(lo >>> 0)).toString(16)} + 2^${bits}`);
  flushPage = (lo: number, hi: number) => void this.#range(lo, hi, 12);
  flushRange = (lo: number, hi: number, shift: number) => void this.#range(lo, hi, shift);
}
const sorted = (list: Iterable<string>) => [...list].sort();

Deno.test("random stores into page tables drop what the entries mapped that changed and were valid, and nothing else", () => {
  const counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let seed = 1; seed <= 150; seed++) {
    const r = new Dice(seed), i32 = new Int32Array(5 * PAGE / 4), u8 = new Uint8Array(i32.buffer), watched = new Set<number>();
    const limits = limitsOf({ tableUses: 1 + r.below(3), tableRun: 3 + r.below(20), tableLook: 4 + r.below(20) });
    const harts = [new Hart(), new Hart()], models = new Map<number, Model>();
    let fills = 0, voided = 0;
    const watch = (page: number, on: boolean) => {
      assertEquals(watched.has(page), !on);
      if (on) watched.add(page);
      else watched.delete(page);
    };
    const tables = new PageTables(i32, () => harts, watch, () => voided++, () => fills, limits), mixed = r.one(4), kind = r.pick(KINDS);
    for (let step = 0; step < 80; step++) {
      const p = 1 + r.below(4), m = models.get(p), what = r.below(8);
      for (const h of harts) {
        h.dropped.clear();
        h.entries.clear();
        h.forgotten = 0;
        h.moves = false;
      }
      harts[r.below(2)].moves = r.one(2);
      voided = 0;
      if (!m || what === 0) {
        const [bits, levels] = mixed ? r.pick(KINDS) : kind,
          level = r.below(levels),
          address = BigInt.asUintN(64, BigInt(r.bits()) << 32n | BigInt(r.bits() >>> 0));
        const at = canonical({ bits, levels }, r.one(3) ? 0n : address), fetched = r.one(3), span = 2n ** BigInt(12 + bits * (level + 1));
        const base = level === levels - 1 ? 0n : at - at % span, use = { bits, levels, level, base };
        tables.served(
          p * PAGE + 8 * r.below(512),
          level,
          levels,
          bits,
          Number(BigInt.asIntN(32, at)),
          Number(BigInt.asIntN(32, at >> 32n)),
          fetched,
        );
        if (!m) {
          models.set(p, { uses: [use], narrow: bits === 10, fetched, stores: 0, run: 0, fills: 0 });
          assert(voided > 0);
        } else {
          if (
            m.uses && !m.uses.some((u) => JSON.stringify({ ...u, base: "" }) === JSON.stringify({ ...use, base: "" }) && u.base === base)
          ) {
            m.uses = m.uses.length === limits.tableUses ? undefined : [...m.uses, use];
            count(m.uses ? "another use" : "too many uses");
          }
          m.narrow ||= bits === 10;
          m.fetched ||= fetched;
        }
        assert(watched.has(p));
        continue;
      }
      if (what === 1) fills++;
      // A store of up to 8 bytes, or contents that change otherwise.
      const dma = r.one(6),
        size = dma ? r.pick([1, 4, 8, 9, 40]) : r.pick([1, 2, 4, 8]),
        offset = r.one(4) ? r.below(PAGE - size + 1) : Math.min(PAGE - size, 4 * r.below(1024));
      const host = p * PAGE + offset,
        old = i32.slice(),
        bytes = Array.from({ length: size }, (_, n) => r.one(3) ? u8[host + n] : r.one(2) ? 0 : r.bits() & 0xff);
      if (!dma) tables.before(host);
      bytes.forEach((b, n) => u8[host + n] = b);
      const moved = dma ? tables.written(host, size) : tables.after(host, size);
      // What is due.
      const dropped = new Set<string>(), entries = new Set<string>(), wide = !m.narrow, fetched = m.fetched;
      const change = (n: number) => {
        for (const u of m.uses ?? []) dropped.add(rangeOf(u, u.bits === 9 ? n >> 1 : n));
        if (!m.uses) dropped.add("all");
        entries.add(`${1024 * p + n} 1 ${fetched}`);
        if (!wide && n & 1) entries.add(`${1024 * p + n - 1} 1 ${fetched}`);
      };
      const step4 = wide ? 2 : 1, allNarrow = m.uses !== undefined && m.uses.every((u) => u.bits === 10);
      for (let n = (offset >> 2) & -step4; 4 * n < offset + size; n += step4) {
        const at = 1024 * p + n,
          changed = old[at] !== i32[at] || (wide && old[at + 1] !== i32[at + 1]),
          valid = !(wide || allNarrow) || (old[at] & 1) === 1;
        if (dma || changed && valid) {
          change(n);
          count(wide ? "wide entry" : allNarrow ? "narrow entry" : "entry of both kinds");
        } else count("nothing to drop");
      }
      const moves = entries.size > 0 && harts.some((h) => h.moves);
      if (fills !== m.fills) [m.fills, m.run] = [fills, 0];
      const stores = dma ? Math.ceil(size / 8) : 1;
      m.stores += stores;
      m.run += stores;
      const used = Array.from({ length: 1024 / step4 }, (_, n) => i32[1024 * p + step4 * n]).some((v) => v & 1);
      const goes = m.run >= limits.tableRun || (m.stores >= limits.tableLook && !used);
      if (!goes && m.stores >= limits.tableLook) m.stores = 0;
      if (goes) {
        for (const u of m.uses ?? []) dropped.add(wholeOf(u));
        if (!m.uses) dropped.add("all");
        entries.add(`${1024 * p} 1024 ${fetched}`);
        models.delete(p);
        count(m.run >= limits.tableRun ? "let go after stores in a row" : "let go without entries");
      }
      const message = `seed ${seed}, step ${step}: ${size} bytes at 0x${offset.toString(16)} of page ${p}`;
      for (const h of harts) {
        assertEquals(sorted(h.dropped), sorted(dropped), message);
        assertEquals(sorted(h.entries), sorted(entries), message);
        assertEquals(h.forgotten, goes ? 1 : 0, message);
      }
      assertEquals(moved, moves || goes && harts.some((h) => h.moves), message);
      assertEquals(voided > 0, entries.size > 0, message);
      assertEquals(watched.has(p), !goes, message);
    }
  }
  for (const [what, floor] of Object.entries(FLOORS)) assert((counts[what] ?? 0) >= floor, `${what}: ${JSON.stringify(counts)}`);
});
const FLOORS: Readonly<Record<string, number>> = {
  "wide entry": 1000,
  "narrow entry": 300,
  "entry of both kinds": 200,
  "nothing to drop": 1000,
  "another use": 200,
  "too many uses": 100,
  "let go after stores in a row": 100,
  "let go without entries": 50,
};
