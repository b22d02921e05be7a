// The slots that a region uses, and where they live while it runs: all in wasm locals, but what has to be in memory when the region is left
// differs. A local that only the exits read costs V8 a register or a place in the frame, and moves at every join; a store at each set is
// cheaper. HOT when regions are compiled: no sets, no maps but by node.
import { ADD_I, ADD_L, BRANCH, CONST_I, CONST_L, GET_I, GET_L, LONG_SLOT, ON_SLOT, SET_I, SET_L, SUB_I, SUB_L } from "../ir/ops.ts";
import type { Graph } from "./graph.ts";
import type { RegionNode } from "./region.ts";
import type { Ir } from "../ir/builder.ts";

/** The slots of a region, numbered from 0. */
export class SlotTable {
  readonly slots: number[] = [];
  /** Whether some operation has all 64 bits. */
  readonly long: boolean[] = [];
  /** How many operations set it. */
  readonly sets: number[] = [];
  /** How often each is set to something else than itself and a constant. */
  readonly moves: number[] = [];
  /** By slot / 4: its number plus 1. */
  readonly #numbers = new Uint16Array(0x4000);

  constructor(nodes: readonly RegionNode[]) {
    for (const { ir } of nodes) {
      for (let i = 0; i < ir.count; i++) {
        const op = ir.op[i];
        if (!ON_SLOT[op]) continue;
        let n = this.#numbers[ir.lo[i] >> 2] - 1;
        if (n < 0) {
          n = this.slots.push(ir.lo[i]) - 1;
          this.long.push(false);
          this.sets.push(0);
          this.moves.push(0);
          this.#numbers[ir.lo[i] >> 2] = n + 1;
        }
        if (LONG_SLOT[op]) this.long[n] = true;
        if (op === SET_I || op === SET_L) {
          this.sets[n]++;
          if (!isStep(ir, i)) this.moves[n]++;
        }
      }
    }
  }
  /** The number of a slot of the region. */
  of(slot: number): number {
    return this.#numbers[slot >> 2] - 1;
  }
}

export interface SlotHome {
  /** read: never set; through: stored whenever it is set; carried: stored when the region is left. */
  readonly kind: "read" | "through" | "carried";
  /** Its local must hold it from the start. */
  readonly atEntry: boolean;
}

/** Homes of the table's slots; `carryAll`: none is stored when set; a region with no more than `few` keeps all in registers. */
export function slotHomes(graph: Graph, table: SlotTable, carryAll: boolean, few: number): SlotHome[] {
  const { nodes } = graph, count = table.slots.length, { live, sets } = liveIn(graph, table);
  const home = (s: number, through: boolean): SlotHome => {
    const kind = !table.sets[s] ? "read" : through ? "through" : "carried";
    return { kind, atEntry: kind === "carried" || live[s] === 1 };
  };
  // While there are few slots, V8 has registers for all.
  if (carryAll || count <= few) return table.slots.map((_, s) => home(s, false));
  // How deep in loops each node is, and the innermost one's first node.
  const depth = new Uint8Array(nodes.length), innermost = new Int16Array(nodes.length).fill(-1);
  const loops = [...nodes.keys()].filter((x) => graph.isLoop[x]).map((x) => ({ header: x, body: graph.loop(x) }));
  for (const { header, body } of loops.sort((p, q) => q.body.size - p.body.size)) {
    for (const n of body) {
      depth[n]++;
      innermost[n] = header;
    }
  }
  // The depth of the deepest set whose innermost loop carries the slot round, and of the deepest other one.
  const carries = new Uint8Array(count), others = new Uint8Array(count);
  for (let n = 0; n < nodes.length; n++) {
    for (let s = 0; s < count; s++) {
      if (!sets[n * count + s]) continue;
      const which = innermost[n] >= 0 && live[innermost[n] * count + s] ? carries : others;
      if (depth[n] > which[s]) which[s] = depth[n];
    }
  }
  return table.slots.map((_, s) => home(s, carries[s] === 0 || carries[s] < others[s]));
}

/** Whether a slot is set to itself and a constant: a stack pointer. */
function isStep(ir: Ir, i: number): boolean {
  const v = ir.a[i], op = ir.op[v], left = ir.op[ir.a[v]], right = ir.op[ir.b[v]];
  if (op !== ADD_I && op !== ADD_L && op !== SUB_I && op !== SUB_L) return false;
  return (left === GET_I || left === GET_L) && ir.lo[ir.a[v]] === ir.lo[i] && (right === CONST_I || right === CONST_L);
}

/** For each node and slot: whether the node, or one that it leads to, reads it before it is set; and whether the node sets it. */
function liveIn(graph: Graph, table: SlotTable): { live: Uint8Array; sets: Uint8Array } {
  const { nodes } = graph, count = table.slots.length, live = new Uint8Array(nodes.length * count), sets = live.slice();
  const edges: { readonly to: number; readonly killed: Uint8Array }[][] = [];
  for (let n = 0; n < nodes.length; n++) {
    const { ir, targets } = nodes[n], out: { to: number; killed: Uint8Array }[] = [], killed = sets.subarray(n * count, (n + 1) * count);
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      if (ON_SLOT[op]) {
        const s = table.of(ir.lo[i]), kills = op === SET_L || (op === SET_I && !table.long[s]);
        if (kills) killed[s] = 1;
        else if (!killed[s]) live[n * count + s] = 1;
        // What changes half of a slot reads the other half, and it sets nothing that could stop being read.
      } else if (op === BRANCH && targets.get(i)! >= 0) out.push({ to: targets.get(i)!, killed: killed.slice() });
    }
    const last = ir.count - 1, to = ir.op[last] === BRANCH ? undefined : targets.get(last);
    if (to !== undefined && to >= 0) out.push({ to, killed });
    for (const r of graph.returnsOf(n)) out.push({ to: r, killed });
    edges.push(out);
  }
  const post = [...nodes.keys()].sort((a, b) => graph.order[b] - graph.order[a]);
  for (let changed = true; changed;) {
    changed = false;
    for (const n of post) {
      for (const { to, killed } of edges[n]) {
        for (let s = 0, from = to * count, at = n * count; s < count; s++) {
          if (live[from + s] && !killed[s] && !live[at + s]) {
            live[at + s] = 1;
            changed = true;
          }
        }
      }
    }
  }
  return { live, sets };
}
