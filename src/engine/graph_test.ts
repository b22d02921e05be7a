// The control flow of regions, and where their slots live, against the definitions: dominators by leaving nodes out, liveness by following paths.
import { assert, assertEquals } from "@std/assert";
import type { Ir } from "../ir/builder.ts";
import { OPS } from "../ir/ops.ts";
import { parseIr } from "../ir/parse.ts";
import { Graph } from "./graph.ts";
import type { RegionNode } from "./region.ts";
import { slotHomes, SlotTable } from "./slots.ts";
import { Dice, randomRegion } from "./testing/random_region.ts";

const EMPTY = parseIr("");
/** A graph of up to 9 nodes, each with up to 3 ways out, some of them out of the region, some predicted. */
function randomGraph(r: Dice): RegionNode[] {
  const count = 1 + r.below(9), to = () => r.one(9) ? -1 : r.below(count);
  return Array.from({ length: count }, (_, at) => ({
    pcLo: at,
    pcHi: 0,
    at,
    insns: 1,
    bytes: 4,
    ir: EMPTY,
    targets: new Map(Array.from({ length: r.one(5) ? 0 : 1 + r.below(3) }, (_, i) => [i, to()])),
    returns: r.one(4) ? [r.below(count), r.below(count)] : [],
  }));
}
/** Nodes that can be reached from one without going through another. */
function reach(next: readonly (readonly number[])[], from: number, without = -1): Set<number> {
  const seen = new Set<number>(), todo = [from];
  for (let x = todo.pop(); x !== undefined; x = todo.pop()) {
    if (x === without || seen.has(x)) continue;
    seen.add(x);
    todo.push(...next[x]);
  }
  return seen;
}
/** Loops by their first nodes, and whether a node dominates another. */
function structure(next: readonly (readonly number[])[]) {
  const alive = reach(next, 0), dominates = (x: number, y: number) => x === y || alive.has(y) && !reach(next, 0, x).has(y);
  const loops = new Map<number, Set<number>>();
  for (const x of alive) {
    for (const to of next[x]) {
      if (!dominates(to, x)) continue;
      // Nodes from which the edge back is reached without the loop's first node.
      const body = [...alive].filter((n) => n === to || reach(next, n, to).has(x));
      loops.set(to, new Set([...loops.get(to) ?? [], ...body]));
    }
  }
  return { alive, dominates, loops };
}
const sorted = (list: Iterable<number>) => [...list].sort((a, b) => a - b);

Deno.test("order, dominators, joins and loops are what their definitions say", () => {
  let joins = 0, loops = 0, irreducible = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const r = new Dice(seed), nodes = randomGraph(r), predict = r.one(2), g = new Graph(nodes, predict), message = `seed ${seed}`;
    const next = nodes.map((n) => [...n.targets.values(), ...predict ? n.returns : []].filter((t) => t >= 0));
    const { alive, dominates, loops: due } = structure(next);
    assertEquals(g.successors, next, message);
    for (const [x, { returns }] of nodes.entries()) {
      assertEquals(g.returnsOf(x), predict ? returns : [], message);
      assertEquals(g.order[x] >= 0, alive.has(x), message);
      const from = [...alive].flatMap((p) => next[p].filter((t) => t === x).map(() => p));
      assertEquals(sorted(g.predecessors[x]), sorted(from), message);
      if (!alive.has(x)) continue;
      const others = [...alive].filter((d) => d !== x && dominates(d, x)), forward = from.filter((p) => g.order[p] < g.order[x]);
      // The immediate one is dominated by all others.
      const parent = x === 0 ? 0 : others.find((d) => others.every((o) => dominates(o, d)));
      assertEquals(g.parent[x], parent, message);
      assert(x === 0 || forward.length > 0, message);
      const odd = from.filter((p) => g.order[p] >= g.order[x] && !dominates(x, p));
      assertEquals([g.joins[x], g.isLoop[x]], [forward.length > 1 || odd.length > 0, due.has(x)], message);
      for (const p of alive) assertEquals(g.isBack(p, x), dominates(x, p), message);
      // What goes back in order closes a cycle.
      for (const p of from) assert(forward.includes(p) || reach(next, x).has(p), message);
      assertEquals(g.children[x], [...alive].filter((c) => c !== 0 && g.parent[c] === x).sort((p, q) => g.order[p] - g.order[q]), message);
      if (due.has(x)) assertEquals(sorted(g.loop(x)), sorted(due.get(x)!), message);
      joins += g.joins[x] ? 1 : 0;
      loops += due.has(x) ? 1 : 0;
      irreducible += odd.length > 0 ? 1 : 0;
    }
    assertEquals(sorted([...g.order].filter((n) => n >= 0)), sorted([...alive].keys()), message);
    assertEquals(g.order[0], 0);
  }
  assert(joins > 200 && loops > 400 && irreducible > 40, `${joins} joins, ${loops} loops, ${irreducible} edges into the midst of loops`);
});

/** What an operation does to a slot: reads, sets all of it, or changes its low half. */
function use(ir: Ir, i: number, long: (slot: number) => boolean): "reads" | "sets" | "half" | undefined {
  const { name } = OPS[ir.op[i]];
  if (name.startsWith("get.")) return "reads";
  return name === "set.l" || name === "set.i" && !long(ir.lo[i]) ? "sets" : name === "set.i" ? "half" : undefined;
}
/** Whether some path from a node's start reads a slot before all of it is set. */
function isLive(nodes: readonly RegionNode[], graph: Graph, start: number, slot: number, long: (slot: number) => boolean): boolean {
  const seen = new Set<number>(), todo = [start];
  for (let n = todo.pop(); n !== undefined; n = todo.pop()) {
    if (seen.has(n)) continue;
    seen.add(n);
    const { ir, targets } = nodes[n];
    let set = false;
    for (let i = 0; i < ir.count && !set; i++) {
      const what = ir.lo[i] === slot ? use(ir, i, long) : undefined, to = targets.get(i) ?? -1;
      if (what === "reads" || what === "half") return true;
      set = what === "sets";
      if (to >= 0) todo.push(to);
    }
    if (!set) todo.push(...graph.returnsOf(n));
  }
  return false;
}

Deno.test("slots: their numbers, widths, sets and homes are what their definitions say", () => {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= 150; seed++) {
    const r = new Dice(seed), nodes = randomRegion(seed, { words: r.one(2), accesses: r.one(2), calls: r.one(4), constants: r.one(4) });
    const graph = new Graph(nodes, r.one(2)), table = new SlotTable(nodes), message = `seed ${seed}`;
    const all = nodes.flatMap(({ ir }) => [...ir.op.keys()].map((i) => ({ ir, i, name: OPS[ir.op[i]].name })));
    const uses = all.filter(({ name }) => /^[gs]et\./.test(name)), slots = [...new Set(uses.map(({ ir, i }) => ir.lo[i]))];
    const of = (slot: number) => uses.filter(({ ir, i }) => ir.lo[i] === slot);
    const setsOf = (slot: number) => of(slot).filter(({ name }) => name.startsWith("set"));
    const name = (ir: Ir, v: number) => OPS[ir.op[v]].name;
    const steps = (slot: number) =>
      setsOf(slot).filter(({ ir, i }) => {
        const v = ir.a[i];
        return /^(add|sub)\./.test(name(ir, v)) && /^get\./.test(name(ir, ir.a[v])) && ir.lo[ir.a[v]] === slot &&
          /^const\./.test(name(ir, ir.b[v]));
      }).length;
    const long = (slot: number) => of(slot).some(({ name }) => name.endsWith(".l"));
    assertEquals([table.slots, table.long], [slots, slots.map(long)], message);
    assertEquals([table.sets, table.moves], [slots.map((s) => setsOf(s).length), slots.map((s) => setsOf(s).length - steps(s))], message);
    for (const [n, slot] of slots.entries()) assertEquals(table.of(slot), n);
    // Loops around each node, the smallest last.
    const { loops } = structure(graph.successors),
      around = nodes.map((_, n) =>
        [...loops].filter(([, body]) => body.has(n)).sort(([p, a], [q, b]) => b.size - a.size || p - q).map(([first]) => first)
      );
    const few = r.pick([2, slots.length - 1, slots.length]), carryAll = r.one(4), homes = slotHomes(graph, table, carryAll, few);
    for (const [s, slot] of slots.entries()) {
      const kills = nodes.keys().filter((n) => {
        const { ir } = nodes[n];
        return [...ir.op.keys()].some((i) => ir.lo[i] === slot && use(ir, i, long) === "sets");
      });
      let carries = 0, others = 0;
      for (const n of kills) {
        const header = around[n].at(-1), depth = around[n].length;
        if (header !== undefined && isLive(nodes, graph, header, slot, long)) carries = Math.max(carries, depth);
        else others = Math.max(others, depth);
      }
      const through = !carryAll && slots.length > few && (carries === 0 || carries < others);
      const kind = setsOf(slot).length === 0 ? "read" : through ? "through" : "carried";
      const atEntry = kind === "carried" || isLive(nodes, graph, 0, slot, long), home = `${kind}${atEntry ? ", loaded" : ""}`;
      assertEquals(homes[s], { kind, atEntry }, `${message}: slot ${slot.toString(16)}`);
      counts[home] = (counts[home] ?? 0) + 1;
      if (carries > 0 && carries < others) counts.deeper = (counts.deeper ?? 0) + 1;
    }
  }
  const floors: Record<string, number> = {
    "read, loaded": 200,
    read: 50,
    "through, loaded": 50,
    through: 100,
    "carried, loaded": 300,
    deeper: 8,
  };
  for (const [kind, floor] of Object.entries(floors)) assert((counts[kind] ?? 0) >= floor, `${kind}: ${JSON.stringify(counts)}`);
  if (Deno.args.includes("--cases")) console.log(counts);
});
