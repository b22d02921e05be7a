// Each pass by a property: random regions of the rows that it looks at do what the evaluator does with what was there before the pass, with the
// pass alone and with all of them. Each asserts what it covered: how often it changed something of each kind, and how often it had nothing to do.
// All that the passes make of these regions is in tests/golden/properties.txt, as counts and a digest: so a pass that does less, or something else that
// is right, too, is seen. `-- --update` writes what they make today.
import { assert, assertEquals } from "@std/assert";
import { printIr } from "../../ir/builder.ts";
import { PAGE } from "../../ir/layout.ts";
import { CALLS, OP, OPS, SET_I } from "../../ir/ops.ts";
import { Graph } from "../graph.ts";
import { LEFT } from "../interpreter.ts";
import { JIT_OPTIONS, type JitOption } from "../jit_options.ts";
import type { RegionNode } from "../region.ts";
import { slotHomes, SlotTable } from "../slots.ts";
import { Covered, MORE } from "../../../tests/covered.ts";
import { Dice, type Kind, randomRegion, randomState } from "../testing/random_region.ts";
import { compareNodes, compareRegion, copyNodes, type Events, LIMITS, PAGES, RAM, slot, type State, witness } from "../testing/regions.ts";
import { extend, narrowSlots } from "./extend.ts";
import { fold } from "./fold.ts";
import { findSpans, type Span, type SpanPlan } from "./spans.ts";

const PASSES = Object.keys(JIT_OPTIONS) as JitOption[];
const texts = (nodes: readonly RegionNode[]) => nodes.map((n) => printIr(n.ir)).join("\n");
function failed(e: unknown, seed: number, nodes: readonly RegionNode[]): Error {
  return new Error(
    `seed ${seed}: ${(e as Error).message}\n${nodes.map((n, i) => `node ${i} (${n.returns})\n${printIr(n.ir)}`).join("\n")}`,
  );
}

// --- passes that change the IR

const CONST_I = OP["const.i"], CONST_L = OP["const.l"], BRANCH = OP["branch"];
/** Of each operation that a pass has changed: what it was and what it is; and which operands are others. */
function changes(before: readonly RegionNode[], after: readonly RegionNode[], covered: Covered): void {
  let any = false;
  const loops = new Graph(before, true).isLoop.includes(true), calls = texts(before).includes("call");
  for (const [n, { ir }] of before.entries()) {
    const now = after[n].ir;
    for (let i = 0; i < ir.count; i++) {
      const was = ir.op[i], is = now.op[i], name = Object.keys(OP)[was];
      if (was !== is) covered.count(`${/^(?!const|get|select|call)/.test(name) ? "operation" : name} to ${Object.keys(OP)[is]}`);
      if (was === BRANCH && was === is && ir.op[ir.a[i]] !== CONST_I && now.op[now.a[i]] === CONST_I) {
        covered.count(now.lo[now.a[i]] ? "always taken" : "never taken");
      }
      if (/^(load|store|rmw)/.test(name) && ir.op[ir.a[i]] !== CONST_L && now.op[now.a[i]] === CONST_L) covered.count("constant address");
      if (was === is && name !== "jump" && (ir.a[i] !== now.a[i] || ir.b[i] !== now.b[i])) covered.count("operand replaced");
      any ||= was !== is || ir.a[i] !== now.a[i] || ir.b[i] !== now.b[i] || ir.lo[i] !== now.lo[i] || ir.hi[i] !== now.hi[i];
    }
  }
  covered.made(texts(after));
  covered.count(any ? "changed" : "left alone");
  if (any && loops) covered.count("changed with loops");
  if (any && calls) covered.count("changed with calls");
}

Deno.test("fold: the evaluator finds what it found before", () => {
  const covered = new Covered();
  for (let seed = 1; seed <= 500 * MORE; seed++) {
    const r = new Dice(seed),
      kind: Kind = { words: false, accesses: r.one(3), calls: r.one(2), constants: !r.one(3) },
      nodes = randomRegion(seed, kind);
    const after = copyNodes(nodes);
    fold(new Graph(after, true), new SlotTable(after));
    changes(nodes, after, covered);
    try {
      for (let n = 0; n < 2; n++) covered.count("instructions", compareNodes(nodes, after, randomState(r), 60));
    } catch (e) {
      throw failed(e, seed, nodes);
    }
  }
  covered.atLeast({
    changed: 120,
    "left alone": 50,
    "changed with loops": 50,
    "changed with calls": 50,
    "always taken": 8,
    "never taken": 8,
    "constant address": 50,
    "get.i to const.i": 15,
    "get.l to const.l": 4,
    "callUnless to select.l": 20,
    "operand replaced": 30,
    "operation to const.i": 20,
    "operation to const.l": 40,
    instructions: 8000,
  });
  covered.golden("fold, alone");
});

Deno.test("extend: the evaluator finds what it found before, whatever the region is entered with", () => {
  const covered = new Covered();
  for (let seed = 1; seed <= 500 * MORE; seed++) {
    const r = new Dice(seed), nodes = randomRegion(seed, { words: !r.one(3), accesses: r.one(3), calls: r.one(4) });
    const after = copyNodes(nodes),
      graph = new Graph(after, true),
      table = new SlotTable(after),
      states = [1, 2, 3].map(() => randomState(r));
    // What is taken for granted is what holds of all states.
    const holds = table.slots.map((at, n) => {
      const extended = table.long[n] &&
        states.every((s) => BigInt.asIntN(64, s.slots[(at - slot(0)) / 8]) === BigInt.asIntN(32, s.slots[(at - slot(0)) / 8]));
      return extended && r.one(2) ? 1 : 0;
    });
    const atEntry = Uint8Array.from(holds), throughout = extend(graph, table, atEntry);
    for (const narrow of narrowSlots(graph, table, throughout)) if (narrow) covered.count("narrow");
    covered.made(throughout);
    covered.made(atEntry);
    for (const [n, used] of atEntry.entries()) {
      if (used) covered.count("assumed at entry");
      if (throughout[n]) covered.count("extended throughout");
    }
    changes(nodes, after, covered);
    // Those that are said to be extended throughout are, at each instruction, and nothing sets half of them or may set anything.
    const wide = table.slots.filter((_, n) => throughout[n]);
    try {
      for (const { ir } of wide.length ? nodes : []) {
        for (const [i, op] of ir.op.entries()) assert(!CALLS[op] && !(op === SET_I && wide.includes(ir.lo[i])), `operation ${i}`);
      }
      const look = (slots: DataView) => {
        for (const at of wide) assertEquals(slots.getInt32(at + 4, true), slots.getInt32(at, true) >> 31, `slot 0x${at.toString(16)}`);
      };
      for (const s of states) covered.count("instructions", compareNodes(nodes, after, s, 60, look));
    } catch (e) {
      throw failed(e, seed, nodes);
    }
  }
  covered.atLeast({
    changed: 200,
    "left alone": 50,
    "changed with loops": 50,
    "changed with calls": 20,
    "operand replaced": 40,
    "operation to get.l": 20,
    "operation to andS.l": 3,
    "operation to orS.l": 3,
    "operation to xorS.l": 3,
    "assumed at entry": 20,
    "extended throughout": 50,
    instructions: 6000,
  });
  covered.golden("extend, alone");
});

/** The access that begins each span: in the node that leads to all others of it. */
function beginners(graph: Graph, plan: SpanPlan): Map<Span, { readonly node: number; readonly at: number }> {
  const found = new Map<Span, { node: number; at: number }>();
  const visit = (node: number): void => {
    for (const [at, { span }] of [...plan.places[node]].sort(([a], [b]) => a - b)) if (!found.has(span)) found.set(span, { node, at });
    graph.children[node].forEach(visit);
  };
  visit(0);
  return found;
}

Deno.test("spans: every access is where its span has it, behind a check that is good for it, with no helper in between", () => {
  const covered = new Covered();
  for (let seed = 1; seed <= 600 * MORE; seed++) {
    const r = new Dice(seed),
      nodes = randomRegion(seed, { words: false, accesses: true, calls: r.one(4), fewBases: true }),
      across = !r.one(4);
    const limits = { ...LIMITS, ...r.one(2) ? {} : { span: 32, inheritedSpan: 16 } },
      graph = new Graph(nodes, true),
      table = new SlotTable(nodes);
    const not = nodes.map(({ ir }) => new Set(r.one(3) ? ir.op.keys().filter((i) => SIZE[ir.op[i]] > 0 && i % 3 === 0) : []));
    const plan = findSpans(graph, table, false, across, limits, not), first = beginners(graph, plan);
    try {
      for (const [n, { ir }] of nodes.entries()) {
        for (let i = 0; i < ir.count; i++) {
          assertEquals(plan.places[n].has(i), graph.order[n] >= 0 && SIZE[ir.op[i]] > 0 && !not[n].has(i), `node ${n}, operation ${i}`);
        }
      }
      for (const [span, { node, at }] of first) {
        const own: number[][] = [], others: number[][] = [];
        let ownStores = false, stores = false, all = 0;
        for (const [n, map] of plan.places.entries()) {
          for (const [i, place] of map) {
            if (place.span !== span) continue;
            const size = SIZE[nodes[n].ir.op[i]], writes = STORES[nodes[n].ir.op[i]] === 1;
            (n === node ? own : others).push([place.offset, place.offset + size]);
            if (n === node) ownStores ||= writes;
            stores ||= writes;
            all++;
          }
        }
        const low = (list: number[][]) => Math.min(...list.map(([from]) => from)),
          high = (list: number[][]) => Math.max(...list.map(([, to]) => to));
        const both = [...own, ...others];
        // What comes under a condition asks for no more rights, and for little more memory.
        assertEquals([span.low, span.high, span.stores, span.count, span.size], [
          low(both),
          high(both),
          stores,
          all,
          SIZE[nodes[node].ir.op[at]],
        ]);
        assertEquals(stores, ownStores, "rights");
        assert(high(own) - low(own) <= limits.span || own.length === 1, "size");
        assert(span.high - span.low <= Math.max(high(own) - low(own), limits.inheritedSpan), "inherited size");
        covered.count(others.length ? "in several nodes" : all === 1 ? "alone" : span.narrow ? "together, 32 bits" : "together");
        if (others.length && limits.span === 32) covered.count("in several nodes, small");
        if (others.length && !across) throw new Error("a span goes on in another node");
        if (span.stores && all > 1) covered.count("together, with stores");
        covered.made([node, at, ...both.flat()]);
      }
      for (const [n, map] of plan.hoisted.entries()) {
        for (const [span, at] of map) {
          const begins = first.get(span)!, { ir, targets } = nodes[n];
          covered.count("in front of a loop");
          assert(across && graph.isLoop[n] && begins.node === n && ir.lo[span.base] === at, "hoisted from elsewhere");
          for (let i = 0; i < begins.at; i++) assert(ir.op[i] !== BRANCH || targets.get(i)! < 0, "not in each turn of the loop");
        }
      }
      for (let n = 0; n < 3; n++) follow(nodes, graph, plan, first, randomState(r), covered);
    } catch (e) {
      throw failed(e, seed, nodes);
    }
  }
  covered.atLeast({
    alone: 2000,
    together: 200,
    "together, 32 bits": 120,
    "together, with stores": 300,
    "in several nodes": 40,
    "in several nodes, small": 12,
    "in front of a loop": 200,
    "in a loop": 8000,
    behind: 3000,
    "in another node": 500,
  });
  covered.golden("spans, alone");
});
const SIZE = Uint8Array.from(OPS, (r) => r.size ?? 0), STORES = Uint8Array.from(OPS, (r) => r.effect === "writes" || r.rmw ? 1 : 0);
/** Follows the evaluator, and holds each access to the last check of its span. */
function follow(
  nodes: readonly RegionNode[],
  graph: Graph,
  plan: SpanPlan,
  first: ReturnType<typeof beginners>,
  state: State,
  covered: Covered,
): void {
  /** What the base of each span was when it was checked. */
  const checked = new Map<Span, bigint>(), low = (v: bigint, span: Span) => BigInt.asUintN(span.narrow ? 32 : 64, v);
  let before = -1, node = 0, at = 0;
  witness(nodes, state, 80, {
    begins(now, operation, slots) {
      if (operation === 0) {
        const turn = before >= 0 && graph.isBack(before, now);
        for (const [span, slot] of turn ? [] : plan.hoisted[now]) checked.set(span, low(slots.getBigUint64(slot, true), span));
      }
      before = node = now;
      at = operation;
    },
    accesses(address) {
      while (SIZE[nodes[node].ir.op[at]] === 0) at++;
      const place = plan.places[node].get(at), begins = place && first.get(place.span)!;
      if (place) {
        const { span, offset } = place, hoisted = plan.hoisted[begins!.node].has(span), base = low(address - BigInt(offset), span);
        if (begins!.node === node && begins!.at === at && !hoisted) checked.set(span, base);
        else covered.count(begins!.node === node ? hoisted ? "in a loop" : "behind" : "in another node");
        assertEquals(base, checked.get(span), `operation ${at} of node ${node}: the span's base`);
        if (span.narrow) assert(address < 2n ** 32n);
      }
      at++;
    },
    calls: () => checked.clear(),
  });
}

// --- passes that are the writer's: compiled code against the evaluator

/** What a pass needs of the others. */
const NEEDS: Partial<Record<JitOption, readonly JitOption[]>> = {
  spans: ["physical"],
  across: ["physical", "spans"],
  free: ["physical"],
  narrow: ["extend"],
};
interface Property {
  readonly cases: number;
  readonly kind: (r: Dice) => Kind;
  readonly physical?: boolean;
  /** What else there is to be seen of it. */
  readonly look?: (nodes: readonly RegionNode[], events: readonly Events[], covered: Covered, states: readonly State[]) => void;
  readonly floors: Readonly<Record<string, number>>;
}
const accesses = (r: Dice): Kind => ({ words: r.one(2), accesses: true, calls: r.one(4) });
const left = (events: readonly Events[], covered: Covered) =>
  events.forEach((e) => covered.count(e.reason === LEFT.side ? "left an access" : "left"));
/** Spans as the writer has them. */
function spansOf(nodes: readonly RegionNode[], covered: Covered): void {
  const graph = new Graph(nodes, true),
    { places, hoisted } = findSpans(graph, new SlotTable(nodes), false, true, LIMITS),
    owner = new Map<unknown, number>();
  for (const [n, map] of places.entries()) {
    for (const { span } of map.values()) {
      if (owner.has(span) && owner.get(span) !== n) covered.count("in several nodes");
      else if (owner.has(span)) covered.count(span.narrow ? "together, 32 bits" : "together");
      else covered.count("first");
      owner.set(span, n);
      if (span.stores) covered.count("with stores");
    }
  }
  for (const map of hoisted) covered.count("in front of a loop", map.size);
}
const PROPERTIES: Readonly<Record<JitOption, Property>> = {
  physical: {
    cases: 60,
    kind: accesses,
    physical: true,
    look: (_, events, covered) => left(events, covered),
    floors: { changed: 15, "left an access": 5, left: 30 },
  },
  spans: {
    cases: 40,
    kind: accesses,
    physical: true,
    look: (nodes, events, covered) => (spansOf(nodes, covered), left(events, covered)),
    floors: { changed: 15, "left alone": 3, together: 10, "together, 32 bits": 5, first: 50, "with stores": 30, "left an access": 8 },
  },
  across: {
    cases: 90,
    kind: accesses,
    physical: true,
    look: (nodes, events, covered) => (spansOf(nodes, covered), left(events, covered)),
    floors: { changed: 15, "left alone": 10, "in several nodes": 6, "in front of a loop": 8, "left an access": 10 },
  },
  free: { cases: 24, kind: accesses, physical: true, look: (_, e, c) => left(e, c), floors: { changed: 10, "left alone": 3, left: 30 } },
  pages: {
    cases: 40,
    kind: accesses,
    look: (_, events, covered) => {
      for (const e of events) covered.count(e.fills === 0 ? "no TLB miss" : e.fills < 3 ? "some TLB misses" : "many TLB misses");
    },
    floors: { changed: 25, "no TLB miss": 5, "some TLB misses": 30, "many TLB misses": 15 },
  },
  fuse: { cases: 24, kind: (r) => ({ words: r.one(2), accesses: r.one(2), calls: r.one(2) }), floors: { changed: 20 } },
  fold: {
    cases: 16,
    kind: (r) => ({ words: false, accesses: r.one(2), calls: r.one(2), constants: true }),
    floors: { changed: 8, "left alone": 1 },
  },
  extend: { cases: 16, kind: (r) => ({ words: true, accesses: r.one(3), calls: r.one(4) }), floors: { changed: 8, "left alone": 1 } },
  narrow: {
    cases: 80,
    kind: (r) => ({ words: true, accesses: r.one(4), calls: r.one(8) }),
    look: (nodes, events, covered) => {
      const after = copyNodes(nodes), graph = new Graph(after, true), table = new SlotTable(after);
      const entry = Uint8Array.from(slotHomes(graph, table, true, LIMITS.fewSlots), (h, n) => table.long[n] && !h.atEntry ? 1 : 0);
      for (const n of narrowSlots(graph, table, extend(graph, table, entry))) covered.count(n ? "narrow" : "wide");
      for (const e of events) if (e.code.assumes.length) covered.count(e.reason === LEFT.verify ? "refused at entry" : "taken as assumed");
    },
    floors: { changed: 10, "left alone": 20, wide: 50, "refused at entry": 10, "taken as assumed": 5 },
  },
  through: {
    cases: 100,
    kind: (r) => ({ words: r.one(4), accesses: r.one(4), calls: !r.one(4), sets: true }),
    look: (nodes, _, covered) => {
      for (const { kind, atEntry } of slotHomes(new Graph(nodes, true), new SlotTable(nodes), false, LIMITS.fewSlots)) {
        covered.count(`${kind}${atEntry ? ", loaded" : ""}`);
      }
    },
    floors: { changed: 8, "left alone": 3, "read, loaded": 50, through: 30, "through, loaded": 10, "carried, loaded": 50 },
  },
  returns: {
    cases: 60,
    kind: (r) => ({ words: r.one(2), accesses: false, calls: r.one(3), sets: r.one(2) }),
    look: (nodes, events, covered) => {
      const ways = nodes.reduce((n, { returns }) => n + returns.length, 0);
      if (ways) covered.count("with returns", events.length);
    },
    floors: { changed: 20, "left alone": 8, "with returns": 40 },
  },
};

for (const pass of PASSES) {
  const { cases, kind, physical = false, look, floors } = PROPERTIES[pass];
  Deno.test(`${pass}: compiled code does what the evaluator does, with this pass alone, without it, and with all`, () => {
    const covered = new Covered(), others = PASSES.filter((p) => p !== pass), alone = others.filter((p) => !NEEDS[pass]?.includes(p));
    for (let n = 0; n < cases * MORE; n++) {
      const seed = 1000 * PASSES.indexOf(pass) + 1_000_000 + n, r = new Dice(seed), nodes = randomRegion(seed, kind(r));
      // Where addresses are physical: at both ends of what there is; and memory that goes on beyond 4 GiB, as 32-bit addresses do not.
      const base = physical && r.one(3) ? 2 ** 32 - PAGE * (PAGES >> 1) : RAM;
      const states = [1, 2, 3, 4].map(() => randomState(r, physical, base)),
        budget = 40 + r.below(60),
        assume = r.one(2),
        devices = r.one(4);
      const run = (off: readonly JitOption[], limits = {}) =>
        compareRegion(nodes, { off, physical, assume, devices, budget, states, limits, base });
      try {
        // Those at the limits of what the writer keeps, too.
        const limits = r.one(2) ? {} : { fewSlots: 2, lateSlots: 2, pageCaches: 1, span: 16, inheritedSpan: 12 };
        const events = run(alone, limits), same = String(events[0].code.bytes) === String(run([...alone, pass], limits)[0].code.bytes);
        covered.count(same ? "left alone" : "changed");
        covered.made(events[0].code.bytes);
        const all = run([], limits);
        covered.made(all[0].code.bytes);
        look?.(nodes, [...events, ...all], covered, states);
      } catch (e) {
        throw failed(e, seed, nodes);
      }
    }
    covered.atLeast(floors);
    covered.golden(pass);
  });
}
