// What a hart sees, against models without any memory of their own: data TLBs, where code is, numbers of contexts; and registers when harts change.
import { assert, assertEquals } from "@std/assert";
import type { Core } from "../ir/frontend.ts";
import { CONTEXT, GUEST, GUEST_END, PAGE, PC, SWITCH, SWITCH_END, TLB, TLB_HALF, TLB_INVALID } from "../ir/layout.ts";
import { limitsOf } from "../ir/limits.ts";
import { Harts, HartSlot, SAVED_OF_HART, TLBS_OF_HART } from "./harts.ts";
import { Layout, LinearMemory } from "./memory.ts";
import { Counters } from "./profile.ts";
import { Dice } from "./testing/random_region.ts";

const RAM = 0x8000_0000, PAGES = 16, COUNT = 3;
const LIMITS = limitsOf({ tlbEntries: 8, tlbFills: 12, fetchEntries: 4, recentContexts: 4, contexts: 6 });

function setUp() {
  const layout = new Layout(), tlbs = layout.take(COUNT * TLBS_OF_HART), saved = layout.take(COUNT * SAVED_OF_HART), stats = new Counters();
  const memory = new LinearMemory(layout, [{ base: RAM, length: PAGES * PAGE, readonly: false }]), state = { forgotten: 0 };
  const none = () => {}, events = { wroteAt: none, walkerWrote: none, table: none, contextsAgain: none, changed: none, begun: () => 0 };
  const cores = Array.from({ length: COUNT }, () => ({
    now: { context: 1, mode: 0, regime: 0 },
    dropped: [] as (number | undefined)[],
    faults: 0,
    pageCacheable: true,
    where: (_lo: number, _hi: number): number => -1,
    context: (): number => 0,
    mode: (): number => 0,
    regime: (): number => 0,
    dataDropped: (_lo?: number) => {},
    translate: (_lo: number, _hi: number): number => -1,
    busFault: () => {},
  }));
  for (const core of cores) {
    core.context = () => core.now.context;
    core.mode = () => core.now.mode;
    core.regime = () => core.now.regime;
    core.dataDropped = (lo) => void core.dropped.push(lo);
    core.translate = (lo, hi) => core.where(lo, hi);
    core.busFault = () => void core.faults++;
  }
  const slots = cores.map((core, n) => {
    const slot = new HartSlot(memory, stats, events, LIMITS, n, tlbs + n * TLBS_OF_HART, saved + n * SAVED_OF_HART);
    slot.core = core as unknown as Core;
    return slot;
  });
  return { memory, stats, cores, slots, harts: new Harts(memory, slots, () => void state.forgotten++, LIMITS), state };
}

Deno.test("data TLBs: what was filled is there until its page, its range, its frame or all is dropped, and nothing else ever is", () => {
  const REGIMES = [0, 1, 5, 31], counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  const PAGES_LO = [0, PAGE, 7 * PAGE, 8 * PAGE, 0x7fff_f000, 0x8000_0000 | 0, -PAGE, 0x4000_0000], PAGES_HI = [0, 1, -1, 0x100];
  for (let seed = 1; seed <= 60; seed++) {
    const r = new Dice(seed), { memory, cores, slots } = setUp(), [{ offset }] = memory.rams, { i32 } = memory;
    /** By address: lo, hi, addend; and which were filled since a hart's last flush. */
    const model = slots.map(() => new Map<number, readonly [number, number, number]>()), filled = slots.map(() => new Set<number>());
    const used = slots.map(() => new Set<number>());
    for (let step = 0; step < 120; step++) {
      const h = r.below(2), slot = slots[h], m = model[h], what = r.below(9), message = `seed ${seed}, step ${step}`;
      const lo = r.one(2) ? r.pick(PAGES_LO) : r.bits() & -PAGE, hi = r.pick(PAGES_HI), drops: (number | undefined)[] = [];
      for (const c of cores) c.dropped.length = 0;
      if (what < 4) {
        const regime = r.pick(REGIMES), write = r.one(2), host = offset + r.below(PAGES) * PAGE, kind = r.one(4) ? r.pick([2, 4]) : 0;
        used[h].add(regime);
        assertEquals(slot.tlb(regime), slot.tlbs + regime * 2 * TLB_HALF);
        const at = slot.tlb(regime) + (write ? TLB_HALF : 0) + 16 * (lo >>> 12 & 7);
        if (filled[h].size === LIMITS.tlbFills) {
          count("full");
          filled[h].clear();
          m.clear();
          drops.push(undefined);
        }
        slot.fill(at, lo | kind, hi, host - lo | 0);
        filled[h].add(at);
        m.set(at, [lo | kind, hi, host - lo | 0]);
      } else if (what === 4) {
        const host = offset + r.below(PAGES) * PAGE;
        slot.protect(host);
        for (const [at, [tag, , addend]] of m) {
          if ((at - slot.tlbs) % (2 * TLB_HALF) < TLB_HALF || (tag + addend >>> 0) !== host) continue;
          m.delete(at);
          count("protected");
        }
      } else if (what === 5) {
        slot.flushPage(lo);
        for (const at of m.keys()) if ((at >> 4 & 7) === (lo >>> 12 & 7)) m.delete(at);
        drops.push(lo);
      } else if (what < 8) {
        const shift = r.pick([12, 13, 21, 22, 31, 32, 33, 39, 48]), [like] = [...m.values()];
        const [a, b] = like && r.one(2) ? [like[0] & -PAGE, like[1]] : [lo, hi];
        slot.flushRange(a, b, shift);
        const wide = (x: number, y: number) => (BigInt(y >>> 0) << 32n | BigInt(x >>> 0)) >> BigInt(shift);
        for (const [at, [tag, high]] of m) {
          if (wide(tag, high) !== wide(a, b)) continue;
          m.delete(at);
          count("range");
        }
        drops.push(undefined);
      } else if (r.one(3)) {
        slot.flushTlb();
        m.clear();
        filled[h].clear();
        drops.push(undefined);
      }
      assertEquals(cores.map((c) => c.dropped), cores.map((_, n) => n === h ? drops : []), message);
      for (const [n, { tlbs }] of slots.entries()) {
        for (const regime of used[n]) {
          for (const half of [0, TLB_HALF]) {
            for (let place = 0; place < 8; place++) {
              const at = tlbs + regime * 2 * TLB_HALF + half + 16 * place, e = at >> 2, want = model[n].get(at);
              if (want) assertEquals([...i32.subarray(e, e + 3)], [...want], message);
              // Untouched ones stand for page 0, which has its place in the first, and is looked for in the last from the end of all addresses.
              else assert(i32[e] === TLB_INVALID || i32[e] === 0 && place !== 0 && place !== 7, `${message}: place ${place}`);
            }
          }
        }
      }
    }
  }
  for (const [what, floor] of Object.entries({ full: 50, protected: 20, range: 300 })) {
    assert((counts[what] ?? 0) >= floor, `${what}: ${JSON.stringify(counts)}`);
  }
});

Deno.test("code is where its translation is, in each context, and is asked for once while that is remembered", () => {
  const counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let seed = 1; seed <= 40; seed++) {
    const r = new Dice(seed), { memory, stats, cores: [core], slots: [slot] } = setUp(), { i32 } = memory;
    let turn = 0, last = "";
    const hash = (lo: number, hi: number) => Math.imul((lo >>> 12) + 31 * hi + 7 * i32[CONTEXT >> 2] + 1001 * turn, 0x9e37_79b1) >>> 8;
    core.where = (lo, hi) => {
      const h = hash(lo, hi);
      // Some may not be fetched from, some are nowhere, of some not all of the page answers alike.
      core.pageCacheable = h % 5 !== 0;
      return h % 7 === 0 ? -1 : h % 11 === 0 ? 0x1000_0000 : RAM + (h >>> 4) % PAGES * PAGE + (lo & (PAGE - 1));
    };
    for (let step = 0; step < 200; step++) {
      const lo = r.pick([0, 0x1000, 0x2000, 0x10_0000, 0x8000_0000 | 0, -PAGE]) + r.below(PAGE), hi = r.pick([0, 1, -1, 4, -4]);
      if (r.one(4)) i32[CONTEXT >> 2] = 16 * (1 + r.below(3));
      if (r.one(20)) {
        slot.forgetFetches();
        turn++;
        last = "";
      }
      const { tlbFetches } = stats, { faults } = core, key = `${lo & -PAGE} ${hi} ${i32[CONTEXT >> 2]}`, h = hash(lo, hi);
      const at = slot.fetch(lo, hi), whole = slot.wholePage, due = core.where(lo, hi), message = `seed ${seed}, step ${step}`;
      assertEquals(at, due < 0 ? -1 : memory.hostOf(due, 1), message);
      assertEquals(core.faults - faults, due === 0x1000_0000 ? 1 : 0, message);
      if (due >= 0) assertEquals(whole, h % 5 !== 0, message);
      if (key === last) count("again");
      if (key === last) assertEquals(stats.tlbFetches, tlbFetches, message);
      last = at >= 0 && whole ? key : "";
    }
  }
  assert(counts.again > 20, JSON.stringify(counts));
});

Deno.test("contexts: a number for each hart, context and mode, no number twice, and all anew when there are too many", () => {
  const seen = new Set<number>();
  let forgotten = 0;
  for (let seed = 1; seed <= 30; seed++) {
    seen.clear();
    const r = new Dice(seed), { memory: { i32 }, cores, harts, slots, state } = setUp(), known = new Map<string, number>();
    let pages = 0;
    for (let step = 0; step < 120; step++) {
      const h = r.below(COUNT), { now } = cores[h], message = `seed ${seed}, step ${step}`, before = state.forgotten;
      Object.assign(now, {
        context: r.pick([1, 2, 3, 2 ** 31 - 1, 2 ** 31 - 2]),
        mode: r.pick([0, 1, 16, 0xffff]),
        regime: r.pick([0, 1, 31]),
      });
      if (r.one(8)) {
        // Whoever had one of them has another one now.
        for (let w = SWITCH >> 2; w < SWITCH_END >> 2; w++) i32[w] = 5;
        cores[harts.running.index].where = () => RAM;
        harts.running.fetch(0, 0);
        harts.forgetContexts();
        assertEquals([...i32.subarray(SWITCH >> 2, SWITCH_END >> 2)], [0, 0, 0, 0], message);
        known.clear();
        assertEquals(state.forgotten, before + 1);
        const { context, mode } = cores[harts.running.index].now, number = i32[CONTEXT >> 2];
        known.set(`${harts.running.index} ${context} ${mode}`, number);
        assert(!seen.has(number), message);
        seen.add(number);
        continue;
      }
      const key = `${h} ${now.context} ${now.mode}`, full = !known.has(key) && known.size === LIMITS.contexts;
      if (harts.running === slots[h]) harts.refresh();
      else harts.select(h);
      const number = i32[CONTEXT >> 2];
      assertEquals(i32[TLB >> 2], slots[h].tlb(now.regime), message);
      assertEquals(state.forgotten - before, full ? 1 : 0, message);
      if (full) known.clear();
      if (known.has(key)) assertEquals(number, known.get(key), message);
      else {
        assert(number !== 0 && number % 16 === 0 && !seen.has(number), message);
        seen.add(number);
        known.set(key, number);
      }
      pages++;
    }
    forgotten += state.forgotten;
    assert(pages > 50);
  }
  assert(forgotten > 100, `${forgotten}`);
});

Deno.test("registers and pc are a hart's own, wherever they are while another one runs", () => {
  const r = new Dice(1), { memory: { u8, i64, i32 }, harts, slots } = setUp();
  const own = slots.map(() => ({ registers: new Uint8Array(GUEST_END - GUEST), pc: 0n }));
  for (let step = 0; step < 100; step++) {
    const next = r.below(COUNT), switches = harts.running !== slots[next];
    for (let w = SWITCH >> 2; w < SWITCH_END >> 2; w++) i32[w] = 5;
    assertEquals(harts.select(next), slots[next]);
    assertEquals([...i32.subarray(SWITCH >> 2, SWITCH_END >> 2)], Array(4).fill(switches ? 0 : 5));
    for (const [n, slot] of slots.entries()) {
      assertEquals(slot.base() === 0, n === next);
      assertEquals(u8.slice(slot.base() + GUEST, slot.base() + GUEST_END), own[n].registers, `hart ${n}, step ${step}`);
      assertEquals(i64[harts.pcOf(n)], own[n].pc);
    }
    // Any hart's may be written.
    const n = r.below(COUNT), at = r.pick([0, own[n].registers.length - 1, r.below(own[n].registers.length)]);
    u8[slots[n].base() + GUEST + at] = own[n].registers[at] = r.below(256);
    i64[harts.pcOf(n)] = own[n].pc = BigInt(r.bits());
    assertEquals(i64[PC >> 3], own[next].pc);
  }
});
