// Each pass by a property: random regions of the rows that it looks at do what the evaluator does with what was there before the pass, with the
// pass alone and with all of them. Each asserts what it covered: how often it changed something of each kind, and how often it had nothing to do.
import { assert } from "@std/assert";
import { printIr } from "../../ir/builder.ts";
import { OP } from "../../ir/ops.ts";
import { Graph } from "../graph.ts";
import { LEFT } from "../interpreter.ts";
import { JIT_OPTIONS, type JitOption } from "../jit_options.ts";
import type { RegionNode } from "../region.ts";
import { slotHomes, SlotTable } from "../slots.ts";
import { Dice, type Kind, randomRegion, randomState } from "../testing/random_region.ts";
import { compareNodes, compareRegion, copyNodes, type Events, LIMITS, slot, type State } from "../testing/regions.ts";
import { extend, narrowSlots } from "./extend.ts";
import { fold } from "./fold.ts";
import { findSpans } from "./spans.ts";

const PASSES = Object.keys(JIT_OPTIONS) as JitOption[];
/** `--cases N`: how many times as many as a test may take. */
const MORE = Number(Deno.args[Deno.args.indexOf("--cases") + 1]) || 1;

/** Counts of what was covered; each has to be at least so many. */
class Covered {
  readonly counts = new Map<string, number>();
  count(kind: string, n = 1): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + n);
  }
  atLeast(floors: Readonly<Record<string, number>>): void {
    for (const [kind, floor] of Object.entries(floors)) {
      assert((this.counts.get(kind) ?? 0) >= floor, `${kind}: ${this.counts.get(kind) ?? 0} of ${floor}; ${this}`);
    }
  }
  toString(): string {
    return [...this.counts].map(([kind, n]) => `${kind} ${n}`).join(", ");
  }
}
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
      for (let n = 0; n < 4; n++) covered.count("instructions", compareNodes(nodes, after, randomState(r), 60));
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
    for (const [n, used] of atEntry.entries()) {
      if (used) covered.count("assumed at entry");
      if (throughout[n]) covered.count("extended throughout");
    }
    changes(nodes, after, covered);
    try {
      for (const s of states) covered.count("instructions", compareNodes(nodes, after, s, 60));
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
});

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
    cases: 24,
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
    cases: 60,
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
    cases: 30,
    kind: (r) => ({ words: r.one(2), accesses: r.one(4), calls: r.one(3) }),
    look: (nodes, _, covered) => {
      for (const { kind, atEntry } of slotHomes(new Graph(nodes, true), new SlotTable(nodes), false, LIMITS.fewSlots)) {
        covered.count(`${kind}${atEntry ? ", loaded" : ""}`);
      }
    },
    floors: { changed: 8, "left alone": 3, "read, loaded": 50, through: 30, "through, loaded": 10, "carried, loaded": 50 },
  },
  returns: {
    cases: 60,
    kind: (r) => ({ words: r.one(2), accesses: false, calls: r.one(3) }),
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
      const states = [1, 2, 3, 4].map(() => randomState(r)), budget = 40 + r.below(60), assume = r.one(2);
      const run = (off: readonly JitOption[], limits = {}) => compareRegion(nodes, { off, physical, assume, budget, states, limits });
      try {
        // Those at the limits of what the writer keeps, too.
        const limits = r.one(2) ? {} : { fewSlots: 2, lateSlots: 2, pageCaches: 1, span: 16, inheritedSpan: 12 };
        const events = run(alone, limits), same = String(events[0].code.bytes) === String(run([...alone, pass], limits)[0].code.bytes);
        covered.count(same ? "left alone" : "changed");
        look?.(nodes, [...events, ...run([], limits)], covered, states);
      } catch (e) {
        throw failed(e, seed, nodes);
      }
    }
    covered.atLeast(floors);
    if (Deno.args.includes("--cases")) console.log(`${pass}: ${covered}`);
  });
}
