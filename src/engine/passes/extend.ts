// Sign extensions: RV64's `*w` instructions extend each result from 32 bits. Where the operand is known to be extended, nothing is to be
// done; and, or and xor of extended values become the rows that work on low halves, so that the extension waits until somebody looks at
// the upper half (and V8 sees 32-bit rotations in shift, shift, or). Changes the operations in place. HOT when regions are compiled.
import type { Ir } from "../../ir/builder.ts";
import {
  AND_L,
  ARITY,
  BRANCH,
  CALLS,
  COMPARE32,
  CONST_L,
  EXT32_S,
  EXT_S,
  EXT_U,
  EXTENDED,
  GET_I,
  GET_L,
  IS_LOW,
  LONG_ARGS,
  LOW,
  MAYBE_EXTENDED,
  NOT_NEGATIVE,
  SELECT_L,
  SET_I,
  SET_L,
  SHR_S_L,
  SHR_U_L,
  WRAP,
} from "../../ir/ops.ts";
import type { Graph } from "../graph.ts";

import type { SlotTable } from "../slots.ts";

/**
 * Takes sign extensions that change nothing out of the region. `atEntry`, by slot number: 1 where a slot is extended when the region is entered
 * (or nobody looks); left are those of which this was used. Returns the slots that are extended wherever they are set, too.
 */
export function extend(graph: Graph, table: SlotTable, atEntry: Uint8Array): Uint8Array {
  const throughout = new Uint8Array(atEntry.length);
  if (!graph.nodes.some(({ ir }) => ir.op.includes(EXT_S) || ir.op.includes(EXT32_S))) atEntry.fill(0);
  else new Extend(graph, table, atEntry, throughout).run();
  return throughout;
}

/** Weight of an operation for each loop that it is in: what is done once is worth little. */
const LOOP = 8;

/** Of slots that are extended throughout, by number: 1 where a local of 32 bits takes fewer extensions, since few look at the upper half. */
export function narrowSlots(graph: Graph, table: SlotTable, extended: Uint8Array): Uint8Array {
  const gain = new Float64Array(extended.length), { nodes } = graph;
  if (!extended.includes(1)) return extended;
  const weight = new Float64Array(nodes.length).fill(1);
  for (let x = 0; x < nodes.length; x++) if (graph.isLoop[x]) { for (const n of graph.loop(x)) weight[n] *= LOOP; }
  for (const [n, { ir }] of nodes.entries()) {
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      if (op === SET_L && extended[table.of(ir.lo[i])] && (ir.op[ir.a[i]] === EXT_S || IS_LOW[ir.op[ir.a[i]]])) {
        gain[table.of(ir.lo[i])] += weight[n];
      }
      if (LONG_ARGS[op] === 0 || IS_LOW[op] || op === WRAP || COMPARE32[op]) continue;
      if (op === SET_L && extended[table.of(ir.lo[i])]) continue;
      for (let k = 0; k < ARITY[op]; k++) {
        const v = k === 0 ? ir.a[i] : k === 1 ? ir.b[i] : k === 2 ? ir.c[i] : k === 3 ? ir.d[i] : ir.e[i];
        if (v >= 0 && ir.op[v] === GET_L && extended[table.of(ir.lo[v])]) gain[table.of(ir.lo[v])] -= weight[n];
      }
    }
  }
  return extended.map((e, s) => e && gain[s] >= 0 ? 1 : 0);
}

class Extend {
  readonly #slots: number;
  /** For each node and slot: extended at the node's start on every path that was seen. */
  readonly #facts: Uint8Array;
  readonly #reached: Uint8Array;
  #changed = false;
  /** While a node is walked: slots that are extended; of those, the ones that the node made from 32 bits. */
  readonly #now: Uint8Array;
  readonly #fresh: Uint8Array;
  /** The last operation that may have changed it. */
  readonly #changedAt: Int32Array;
  /** Of its values: extended, made from 32 bits, and the value that takes its place. */
  readonly #extended: Uint8Array;
  readonly #made: Uint8Array;
  readonly #instead: Int32Array;

  constructor(readonly graph: Graph, readonly table: SlotTable, readonly atEntry: Uint8Array, readonly throughout: Uint8Array) {
    const { nodes } = graph, most = Math.max(...nodes.map((n) => n.ir.count));
    this.#slots = table.slots.length;
    this.#facts = new Uint8Array(nodes.length * this.#slots);
    this.#reached = new Uint8Array(nodes.length);
    this.#now = new Uint8Array(this.#slots);
    this.#fresh = new Uint8Array(this.#slots);
    this.#changedAt = new Int32Array(this.#slots);
    this.#extended = new Uint8Array(most);
    this.#made = new Uint8Array(most);
    this.#instead = new Int32Array(most);
    // Slots that are extended or used in logic, and those that are set by nothing but what may be extended: no sums of pointers.
    const asked = new Uint8Array(this.#slots), mixed = new Uint8Array(this.#slots);
    let calls = false;
    for (const { ir } of nodes) {
      for (let i = 0; i < ir.count; i++) {
        const op = ir.op[i], a = ir.a[i], b = ir.b[i];
        if (op === SET_L) {
          if (!MAYBE_EXTENDED[ir.op[a]]) mixed[table.of(ir.lo[i])] = 1;
          else if (ir.op[a] === EXT_S) throughout[table.of(ir.lo[i])] = 1;
        } else if (op === SET_I) mixed[table.of(ir.lo[i])] = 1;
        else if (op === EXT_S && ir.op[a] === GET_I) asked[table.of(ir.lo[a])] = 1;
        else if (LOW[op]) {
          if (ir.op[a] === GET_L) asked[table.of(ir.lo[a])] = 1;
          if (ir.op[b] === GET_L) asked[table.of(ir.lo[b])] = 1;
        } else if (CALLS[op]) calls = true;
      }
    }
    for (let s = 0; s < this.#slots; s++) {
      if (calls || mixed[s] || !atEntry[s]) throughout[s] = 0;
      if (!throughout[s] && !asked[s]) atEntry[s] = 0;
    }
  }

  run(): void {
    const { nodes, order } = this.graph;
    const forward = [...nodes.keys()].filter((n) => order[n] >= 0).sort((p, q) => order[p] - order[q]);
    this.#facts.set(this.atEntry);
    this.#reached[0] = 1;
    do {
      this.#changed = false;
      for (const n of forward) this.#walk(n, false);
    } while (this.#changed);
    for (const n of forward) this.#walk(n, true);
  }

  /** What holds now holds at the start of node `to`, unless another path says otherwise. */
  #edge(to: number): void {
    const facts = this.#facts, now = this.#now, at = to * this.#slots;
    if (!this.#reached[to]) {
      this.#reached[to] = 1;
      facts.set(now, at);
      this.#changed = true;
      return;
    }
    for (let s = 0; s < now.length; s++) {
      if (facts[at + s] && !now[s]) {
        facts[at + s] = 0;
        this.#changed = true;
      }
    }
  }

  #walk(n: number, rewrite: boolean): void {
    const { ir, targets } = this.graph.nodes[n], { table } = this, now = this.#now, fresh = this.#fresh, instead = this.#instead;
    now.set(this.#facts.subarray(n * this.#slots, (n + 1) * this.#slots));
    fresh.fill(0);
    this.#changedAt.fill(-1);
    let replaced = false;
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      instead[i] = i;
      this.#made[i] = this.#extended[i] = 0;
      if (replaced) {
        const arity = ARITY[op];
        if (arity > 0 && ir.a[i] >= 0) ir.a[i] = instead[ir.a[i]];
        if (arity > 1 && ir.b[i] >= 0) ir.b[i] = instead[ir.b[i]];
        if (arity > 2 && ir.c[i] >= 0) ir.c[i] = instead[ir.c[i]];
        if (arity > 3 && ir.d[i] >= 0) ir.d[i] = instead[ir.d[i]];
        if (arity > 4 && ir.e[i] >= 0) ir.e[i] = instead[ir.e[i]];
      }
      if (op === SET_L) {
        const s = table.of(ir.lo[i]);
        now[s] = this.#extended[ir.a[i]];
        if (!now[s]) this.throughout[s] = 0;
        fresh[s] = this.#made[ir.a[i]];
        this.#changedAt[s] = i;
      } else if (op === SET_I) {
        const s = table.of(ir.lo[i]);
        now[s] = fresh[s] = 0;
        this.#changedAt[s] = i;
      } else if (CALLS[op]) {
        now.fill(0);
        fresh.fill(0);
        this.#changedAt.fill(i);
      } else if (op === BRANCH) {
        const to = targets.get(i)!;
        if (to >= 0 && !rewrite) this.#edge(to);
      } else if (op === GET_L) {
        this.#extended[i] = now[table.of(ir.lo[i])];
        this.#made[i] = fresh[table.of(ir.lo[i])];
      } else if (op === EXT_S || op === EXT32_S) {
        const v = ir.a[i];
        this.#extended[i] = 1;
        if (op === EXT_S) this.#made[i] = 1;
        if (!rewrite) continue;
        if (op === EXT_S && ir.op[v] === GET_I && now[table.of(ir.lo[v])] && this.#changedAt[table.of(ir.lo[v])] < v) {
          ir.op[i] = GET_L;
          ir.lo[i] = ir.lo[v];
        } else if (op === EXT32_S && this.#extended[v]) replaced = (instead[i] = v) >= 0;
        else if (op === EXT_S && ir.op[v] === WRAP && this.#extended[ir.a[v]]) replaced = (instead[i] = ir.a[v]) >= 0;
      } else if (this.#isExtended(ir, i)) {
        this.#extended[i] = 1;
        if (!LOW[op] || !this.#extended[ir.a[i]] || !this.#extended[ir.b[i]] || !(this.#made[ir.a[i]] || this.#made[ir.b[i]])) continue;
        this.#made[i] = 1;
        if (rewrite) ir.op[i] = LOW[op];
      }
    }
    if (rewrite) return;
    const last = ir.count - 1, to = ir.op[last] === BRANCH ? undefined : targets.get(last);
    if (to !== undefined && to >= 0) this.#edge(to);
    for (const r of this.graph.returnsOf(n)) this.#edge(r);
  }

  /** Whether the i64 value `i` is certainly its own low half, sign-extended. */
  #isExtended({ op: ops, a: as, b: bs, lo, hi }: Ir, i: number): boolean {
    const op = ops[i], a = as[i], b = bs[i], extended = this.#extended;
    if (EXTENDED[op]) return true;
    if (op === CONST_L) return hi[i] === lo[i] >> 31;
    if (op === EXT_U) return NOT_NEGATIVE[ops[a]] === 1;
    const small = (v: number) => ops[v] === CONST_L && hi[v] === 0 && lo[v] >= 0;
    if (op === AND_L && (small(a) || small(b))) return true;
    if (LOW[op] || op === SELECT_L) return extended[a] === 1 && extended[b] === 1;
    if (op === SHR_S_L) return ops[b] === CONST_L && ((lo[b] & 63) >= 32 || extended[a] === 1);
    if (op === SHR_U_L) return ops[b] === CONST_L && (lo[b] & 63) > 32;
    return false;
  }
}
