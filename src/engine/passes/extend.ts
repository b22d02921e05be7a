// Sign extensions: RV64's `*w` instructions extend each result from 32 bits. Where the operand is known to be extended, nothing is to be
// done; and, or and xor of extended values are made of their low halves, so that the extension waits until somebody looks at the upper
// half (and V8 sees 32-bit rotations in shift, shift, or).
import { OP, OPS } from "../../ir/ops.ts";
import type { Graph } from "../graph.ts";
import type { RegionNode } from "../region.ts";
import { Edit } from "./edit.ts";

const GET_I = OP["get.i"], GET_L = OP["get.l"], SET_L = OP["set.l"], SET_I = OP["set.i"], CONST_I = OP["const.i"], CONST_L = OP["const.l"];
const EXTS = OP["extS"], EXTU = OP["extU"], EXT32S = OP["ext32S"], WRAP = OP["wrap"], BRANCH = OP["branch"];
const AND_L = OP["and.l"], SHRS_L = OP["shrS.l"], SHRU_L = OP["shrU.l"], SELECT_L = OP["select.l"];
/** and, or, xor: the i32 row of the i64 one. */
const LOGIC = new Map(["and", "or", "xor"].map((n) => [OP[`${n}.l`], OP[`${n}.i`]]));
const CALLS = Uint8Array.from(OPS, (r) => r.effect === "call" ? 1 : 0);
/** Loads whose i64 result has equal bits 31 to 63. */
const EXTENDED_LOAD = Uint8Array.from(
  OPS,
  (r) => r.effect === "reads" && r.result === "l" && (r.signed ? r.size! <= 4 : r.size! <= 2) ? 1 : 0,
);
/** Rows whose i32 result is not negative. */
const SMALL = Uint8Array.from(
  OPS,
  (r) =>
    r.result === "i" && (/^(eqz?|ne|[lg][te][SU]|f(eq|lt|le))\./.test(r.name) || r.name === "load8U.i" || r.name === "load16U.i") ? 1 : 0,
);

type Facts = ReadonlySet<number>;

/** Walks one node with the slots that are extended at its start; tells each edge what is extended there. */
class Walk {
  readonly edit: Edit;
  /** Slots that are extended now; of those, the ones that this node made from 32 bits. */
  readonly slots: Set<number>;
  readonly #fresh = new Set<number>();

  constructor(node: RegionNode, facts: Facts, readonly edge: (to: number, facts: Facts) => void) {
    this.edit = new Edit(node);
    this.slots = new Set(facts);
  }

  run(): this {
    const { edit, slots } = this, { ir, targets } = edit.node;
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      if (op === BRANCH) {
        edit.copy(i);
        this.edge(targets.get(i)!, new Set(slots));
      } else if (op === SET_L) {
        const v = edit.at[ir.a[i]], s = ir.lo[i];
        edit.copy(i);
        if (this.#extended(v)) slots.add(s);
        else slots.delete(s);
        if (this.#isFresh(v)) this.#fresh.add(s);
        else this.#fresh.delete(s);
      } else if (op === SET_I) {
        edit.copy(i);
        slots.delete(ir.lo[i]);
        this.#fresh.delete(ir.lo[i]);
      } else if (CALLS[op]) {
        edit.copy(i);
        slots.clear();
        this.#fresh.clear();
      } else if (op === EXTS || op === EXT32S) this.#extension(i);
      else if (LOGIC.has(op)) this.#logic(i);
      else edit.copy(i);
    }
    return this;
  }

  #extension(i: number): void {
    const { edit } = this, v = edit.at[edit.node.ir.a[i]], op = edit.opOf(v);
    if (edit.node.ir.op[i] === EXT32S && this.#extended(v)) edit.at[i] = v;
    else if (op === GET_I && this.slots.has(edit.loOf(v))) edit.at[i] = edit.add(GET_L, 0, 0, 0, 0, 0, edit.loOf(v));
    else if (op === WRAP && this.#extended(edit.operand(v, 0))) edit.at[i] = edit.operand(v, 0);
    else edit.copy(i);
  }
  #logic(i: number): void {
    const { edit } = this, { ir } = edit.node, a = edit.at[ir.a[i]], b = edit.at[ir.b[i]];
    if ((this.#isFresh(a) || this.#isFresh(b)) && this.#extended(a) && this.#extended(b)) {
      edit.at[i] = edit.add(EXTS, edit.add(LOGIC.get(ir.op[i])!, this.#low(a), this.#low(b)));
    } else edit.copy(i);
  }
  /** The low half of an extended value. */
  #low(v: number): number {
    const { edit } = this, op = edit.opOf(v);
    if (op === EXTS) return edit.operand(v, 0);
    if (op === CONST_L) return edit.add(CONST_I, 0, 0, 0, 0, 0, edit.loOf(v));
    if (op === GET_L) return edit.add(GET_I, 0, 0, 0, 0, 0, edit.loOf(v));
    return edit.add(WRAP, v);
  }
  /** Made from 32 bits in this node: its low half costs nothing. */
  #isFresh(v: number): boolean {
    const op = this.edit.opOf(v);
    return op === EXTS || (op === GET_L && this.#fresh.has(this.edit.loOf(v)));
  }
  /** Whether the i64 value is certainly its own low half, sign-extended. */
  #extended(v: number): boolean {
    const { edit } = this, op = edit.opOf(v), a = edit.operand(v, 0), b = edit.operand(v, 1);
    if (op === EXTS || op === EXT32S || EXTENDED_LOAD[op]) return true;
    if (op === CONST_L) return edit.hiOf(v) === edit.loOf(v) >> 31;
    if (op === GET_L) return this.slots.has(edit.loOf(v));
    if (op === EXTU) return SMALL[edit.opOf(a)] === 1;
    if (op === AND_L) return this.#isSmallConst(a) || this.#isSmallConst(b) || (this.#extended(a) && this.#extended(b));
    if (LOGIC.has(op) || op === SELECT_L) return this.#extended(a) && this.#extended(b);
    if (op === SHRS_L) return edit.opOf(b) === CONST_L && ((edit.loOf(b) & 63) >= 32 || this.#extended(a));
    if (op === SHRU_L) return edit.opOf(b) === CONST_L && (edit.loOf(b) & 63) > 32;
    return false;
  }
  #isSmallConst(v: number): boolean {
    return this.edit.opOf(v) === CONST_L && this.edit.hiOf(v) === 0 && this.edit.loOf(v) >= 0;
  }
}

/** The region without extensions that change nothing. */
export function extend(graph: Graph): RegionNode[] {
  const { nodes } = graph,
    order = nodes.map((_, n) => n).filter((n) => graph.order[n] >= 0).sort((p, q) => graph.order[p] - graph.order[q]);
  // What is extended at a node's start on every path; undefined: not yet reached.
  const facts: (Set<number> | undefined)[] = nodes.map(() => undefined);
  facts[0] = new Set();
  for (let changed = true; changed;) {
    changed = false;
    for (const n of order) {
      if (!facts[n]) continue;
      const edge = (to: number, slots: Facts) => {
        if (to < 0) return;
        const old = facts[to], kept = old ? old.intersection(slots) : new Set(slots);
        changed ||= kept.size !== old?.size;
        facts[to] = kept;
      };
      const walk = new Walk(nodes[n], facts[n]!, edge).run();
      for (const t of graph.successors[n]) if (!isBranchTarget(nodes[n], t)) edge(t, walk.slots);
    }
  }
  return nodes.map((node, n) => facts[n] ? new Walk(node, facts[n]!, () => {}).run().edit.done() : node);
}

/** Whether only branches in the middle of a node lead to node `to`. */
function isBranchTarget(node: RegionNode, to: number): boolean {
  const last = node.ir.count - 1;
  if (node.targets.get(last) === to && node.ir.op[last] !== BRANCH) return false;
  if (node.returns.includes(to)) return false;
  return [...node.targets.values()].includes(to);
}
