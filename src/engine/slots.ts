// Where the slots that a region uses live while it runs: all in wasm locals, but what has to be in memory when the region is left differs.
// A local that only the exits read costs V8 a register or a place in the frame, and moves at every join; a store at each set is cheaper.
import { OP } from "../ir/ops.ts";
import type { Graph } from "./graph.ts";

const GET_I = OP["get.i"], GET_L = OP["get.l"], SET_I = OP["set.i"], SET_L = OP["set.l"], BRANCH = OP["branch"];

export interface SlotHome {
  readonly slot: number;
  readonly long: boolean;
  /** read: never set; through: stored whenever it is set; carried: stored when the region is left. */
  readonly kind: "read" | "through" | "carried";
  /** Its local must hold it from the start. */
  readonly atEntry: boolean;
}

/** The slots of a region; `carryAll`: none is stored when set. */
export function slotHomes(graph: Graph, carryAll: boolean): SlotHome[] {
  const { nodes } = graph, long = new Map<number, boolean>(), sets = new Map<number, Set<number>>();
  for (const [n, { ir }] of nodes.entries()) {
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i], s = ir.lo[i];
      if (op !== GET_I && op !== GET_L && op !== SET_I && op !== SET_L) continue;
      long.set(s, (long.get(s) ?? false) || op === GET_L || op === SET_L);
      if (op === SET_I || op === SET_L) (sets.get(s) ?? sets.set(s, new Set()).get(s)!).add(n);
    }
  }
  const slots = [...long.keys()], live = liveIn(graph, long);
  // The depth of the deepest set whose innermost loop carries the slot round, and of the deepest other one.
  const carries = new Map<number, number>(),
    others = new Map<number, number>(),
    deeper = (m: Map<number, number>, s: number, d: number) => {
      if (d > (m.get(s) ?? -1)) m.set(s, d);
    };
  const loops = nodes.map((_, x) => x).filter((x) => graph.isLoop[x]).map((header) => ({ header, body: graph.loop(header) }));
  for (const [n] of nodes.entries()) {
    const around = loops.filter((l) => l.body.has(n)).sort((p, q) => p.body.size - q.body.size);
    for (const [s, at] of sets) {
      if (at.has(n)) deeper(around.length > 0 && live[around[0].header].has(s) ? carries : others, s, around.length);
    }
  }
  const carried = (s: number) => carryAll || (carries.get(s) ?? -1) >= (others.get(s) ?? 0);
  return slots.map((slot) => {
    const kind = !sets.has(slot) ? "read" : carried(slot) ? "carried" : "through";
    return { slot, long: long.get(slot)!, kind, atEntry: kind === "carried" || live[0].has(slot) };
  });
}

/** For each node the slots that it, or a node that it leads to, reads before they are set. */
function liveIn(graph: Graph, long: ReadonlyMap<number, boolean>): Set<number>[] {
  const { nodes } = graph;
  const exposed: Set<number>[] = [], edges: { readonly to: number; readonly killed: ReadonlySet<number> }[][] = [];
  for (const [n, { ir, targets }] of nodes.entries()) {
    const killed = new Set<number>(), reads = new Set<number>(), out: { to: number; killed: ReadonlySet<number> }[] = [];
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i], s = ir.lo[i];
      if (op === GET_I || op === GET_L || (op === SET_I && long.get(s))) {
        if (!killed.has(s)) reads.add(s);
      } else if (op === SET_I || op === SET_L) killed.add(s);
      else if (op === BRANCH && targets.get(i)! >= 0) out.push({ to: targets.get(i)!, killed: new Set(killed) });
    }
    const to = new Set(out.map((e) => e.to)), last = ir.count - 1;
    if (targets.has(last) && ir.op[last] !== BRANCH && targets.get(last)! >= 0) out.push({ to: targets.get(last)!, killed });
    for (const t of graph.successors[n]) if (!to.has(t) && t !== targets.get(last)) out.push({ to: t, killed });
    exposed.push(reads);
    edges.push(out);
  }
  const live = exposed.map((r) => new Set(r)), post = nodes.map((_, n) => n).sort((a, b) => graph.order[b] - graph.order[a]);
  for (let changed = true; changed;) {
    changed = false;
    for (const n of post) {
      const set = live[n], before = set.size;
      for (const e of edges[n]) for (const s of live[e.to]) if (!e.killed.has(s)) set.add(s);
      changed ||= set.size !== before;
    }
  }
  return live;
}
