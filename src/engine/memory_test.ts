// Windows of memory against their definition: where each address leads, what changed when they move, which pages are watched.
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { BusRegion } from "../core/bus.ts";
import { PAGE } from "../ir/layout.ts";
import { IS_CODE, IS_TABLE, Layout, LinearMemory } from "./memory.ts";
import { Dice } from "./testing/random_region.ts";

Deno.test("addresses lead to where the windows are, whole accesses only; what moved is told, and whether it had code", () => {
  const counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let seed = 1; seed <= 40; seed++) {
    const r = new Dice(seed), layout = new Layout(), sizes = [PAGE, 2 * PAGE, PAGE / 2, 5 * PAGE + 0x400];
    const rams = Array.from(
      { length: 1 + r.below(3) },
      (_, n) => ({ base: 2 ** 32 * r.below(2) + n * 0x10_0000, length: r.pick(sizes), readonly: r.one(3) }),
    );
    const memory = new LinearMemory(layout, rams);
    let windows = rams.map((ram, n) => ({ ...ram, offset: memory.rams[n].offset }));
    for (let step = 0; step < 30; step++) {
      const message = `seed ${seed}, step ${step}`;
      assertEquals(new Set(memory.views), new Set(windows), message);
      for (const w of windows) {
        for (const at of [w.base - 1, w.base, w.base + 1, w.base + w.length - 8, w.base + w.length - 1, w.base + w.length]) {
          for (const size of [1, 4, 8, PAGE]) {
            const inside = windows.find((v) => at >= v.base && at + size <= v.base + v.length);
            assertEquals(memory.hostOf(at, size), inside ? inside.offset + at - inside.base : -1, message);
          }
          const inside = windows.find((v) => at >= v.base && at < v.base + v.length);
          assertEquals(memory.ramAt(at), inside, message);
          if (inside) assertEquals(memory.viewOf(inside.offset + at - inside.base), inside, message);
        }
      }
      assertThrows(() => memory.viewOf(Math.max(...memory.rams.map((ram) => ram.offset + ram.length))), Error, "no memory of the guest");
      // Some are watched; then one changes, or none.
      const watched = new Map<number, number>();
      for (const ram of memory.rams) {
        for (let at = ram.offset; at < ram.offset + ram.length; at += PAGE) {
          memory.unwatch(at >>> 12, IS_CODE | IS_TABLE);
          const why = r.one(3) ? r.pick([IS_CODE, IS_TABLE, IS_CODE | IS_TABLE]) : 0;
          if (why & IS_CODE) memory.watch(at >>> 12, IS_CODE);
          if (why & IS_TABLE) memory.watch(at >>> 12, IS_TABLE);
          watched.set(at >>> 12, why);
        }
        const own = [...watched].filter(([p]) => p >= ram.offset >>> 12 && p <= (ram.offset + ram.length - 1) >>> 12).map(([, why]) => why);
        assertEquals([...memory.watchedIn(ram)], own, message);
      }
      for (const [p, why] of watched) assertEquals(memory.why(p * PAGE + r.below(PAGE)), why, message);
      const next = windows.map((w) => ({ ...w })), one = r.below(next.length || 1), what = next.length ? r.below(6) : 5;
      if (what === 0) next[one].readonly = !next[one].readonly;
      else if (what === 1) next[one].base = 2 ** 33 + 2 ** 20 * step;
      else if (what === 2) next.splice(one, 1);
      else if (what === 3 && next[one].length > PAGE) next[one].length -= PAGE;
      else if (what === 4) {
        // Another place in memory at the same address.
        const n = r.below(rams.length), { offset, length } = memory.rams[n];
        if (!next.some((w, i) => i !== one && w.offset < offset + length && offset < w.offset + w.length)) {
          next[one] = { ...next[one], offset, length };
        }
      } else if (what === 5) {
        const n = r.below(rams.length),
          { offset, length } = memory.rams[n],
          window = { ...rams[n], base: 2 ** 34 + 2 ** 20 * step, offset };
        if (!next.some((w) => w.offset < offset + length && offset < w.offset + w.length)) next.push(window);
      }
      const regions = next.map((w) => ({ ...w, bytes: memory.u8.subarray(w.offset, w.offset + w.length) }));
      const others = [{ base: 0x7000_0000, bytes: undefined, readonly: false }, {
        base: 0x7100_0000,
        bytes: new Uint8Array(PAGE),
        readonly: false,
      }];
      const same = (v: typeof windows[number], w: typeof windows[number]) =>
        v.base === w.base && v.length === w.length && v.readonly === w.readonly && v.offset === w.offset;
      const gone = windows.filter((v) => !next.some((w) => same(v, w))), moved = gone.length > 0 || next.length !== windows.length;
      const pages = gone.flatMap((w) => [...watched].filter(([p]) => p >= w.offset >>> 12 && p <= (w.offset + w.length - 1) >>> 12));
      const code = pages.some(([, why]) => (why & IS_CODE) !== 0);
      assertEquals(memory.remap([...regions, ...others] as unknown as BusRegion[]), { moved, code }, message);
      count(code ? "code moved" : gone.length ? "moved" : moved ? "came" : "as it was");
      if (pages.some(([, why]) => why === (IS_CODE | IS_TABLE)) && !pages.some(([, why]) => why === IS_CODE)) count("both");
      windows = next;
    }
  }
  for (const [what, floor] of Object.entries({ "code moved": 100, moved: 100, came: 20, "as it was": 50, both: 20 })) {
    assert((counts[what] ?? 0) >= floor, `${what}: ${JSON.stringify(counts)}`);
  }
});
