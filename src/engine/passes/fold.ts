// Constants: what slots certainly hold on every path through the region, and what is made of that by the op table's own definition. Addresses
// that are constant (`lui`, `addi`, load) need no check, conditions no branch, no choice and no helper. Other values are left to V8, which folds
// them as well and knows better which ones to keep in registers. Changes the operations in place; branches stay, and the writer leaves out
// those that are never taken. Floating point is left alone: NaNs differ.
// HOT when regions are compiled: bigint only where an operation folds.
import type { Ir } from "../../ir/builder.ts";
import { evaluateOp } from "../../ir/evaluate.ts";
import {
  ACCESS,
  ARITY,
  BRANCH,
  CALL_UNLESS,
  CALLS,
  CONST_I,
  CONST_L,
  EXACT,
  GET_I,
  GET_L,
  LONG,
  LONG_FIRST,
  OPS,
  SELECT_I,
  SELECT_L,
  SET_I,
  SET_L,
} from "../../ir/ops.ts";
import type { Graph } from "../graph.ts";
import type { SlotTable } from "../slots.ts";

/** Finds constants and folds what is made of them. */
export function fold(graph: Graph, table: SlotTable): void {
  new Fold(graph, table).run();
}

class Fold {
  readonly #slots: number;
  /** For each node and slot: whether it holds a constant at the node's start on every path that was seen, and which. */
  readonly #facts: Uint8Array;
  readonly #factLo: Int32Array;
  readonly #factHi: Int32Array;
  readonly #reached: Uint8Array;
  #changed = false;
  /** The same while a node is walked. */
  readonly #now: Uint8Array;
  readonly #nowLo: Int32Array;
  readonly #nowHi: Int32Array;
  /** Of the node's values: constants, and the value that takes its place. */
  readonly #known: Uint8Array;
  readonly #lo: Int32Array;
  readonly #hi: Int32Array;
  readonly #instead: Int32Array;

  constructor(readonly graph: Graph, readonly table: SlotTable) {
    const { nodes } = graph, most = Math.max(...nodes.map((n) => n.ir.count)), count = this.#slots = table.slots.length;
    this.#facts = new Uint8Array(nodes.length * count);
    this.#factLo = new Int32Array(nodes.length * count);
    this.#factHi = new Int32Array(nodes.length * count);
    this.#reached = new Uint8Array(nodes.length);
    this.#now = new Uint8Array(count);
    this.#nowLo = new Int32Array(count);
    this.#nowHi = new Int32Array(count);
    this.#known = new Uint8Array(most);
    this.#lo = new Int32Array(most);
    this.#hi = new Int32Array(most);
    this.#instead = new Int32Array(most);
  }

  run(): void {
    const { nodes, order } = this.graph;
    const forward = [...nodes.keys()].filter((n) => order[n] >= 0).sort((p, q) => order[p] - order[q]);
    this.#reached[0] = 1;
    do {
      this.#changed = false;
      for (const n of forward) if (this.#reached[n]) this.#walk(n, false);
    } while (this.#changed);
    for (const n of forward) if (this.#reached[n]) this.#walk(n, true);
  }

  /** What holds now holds at the start of node `to`, unless another path says otherwise. */
  #edge(to: number): void {
    const facts = this.#facts, now = this.#now, at = to * this.#slots;
    if (!this.#reached[to]) {
      this.#reached[to] = 1;
      facts.set(now, at);
      this.#factLo.set(this.#nowLo, at);
      this.#factHi.set(this.#nowHi, at);
      this.#changed = true;
      return;
    }
    for (let s = 0; s < now.length; s++) {
      if (!facts[at + s] || (now[s] && this.#factLo[at + s] === this.#nowLo[s] && this.#factHi[at + s] === this.#nowHi[s])) continue;
      facts[at + s] = 0;
      this.#changed = true;
    }
  }

  #walk(n: number, rewrite: boolean): void {
    const { ir, targets } = this.graph.nodes[n], { table } = this, now = this.#now, known = this.#known, lo = this.#lo, hi = this.#hi;
    const from = n * this.#slots, to = from + this.#slots;
    now.set(this.#facts.subarray(from, to));
    this.#nowLo.set(this.#factLo.subarray(from, to));
    this.#nowHi.set(this.#factHi.subarray(from, to));
    let replaced = false;
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i], arity = ARITY[op];
      this.#instead[i] = i;
      known[i] = 0;
      if (rewrite && replaced) {
        if (arity > 0 && ir.a[i] >= 0) ir.a[i] = this.#instead[ir.a[i]];
        if (arity > 1 && ir.b[i] >= 0) ir.b[i] = this.#instead[ir.b[i]];
        if (arity > 2 && ir.c[i] >= 0) ir.c[i] = this.#instead[ir.c[i]];
        if (arity > 3 && ir.d[i] >= 0) ir.d[i] = this.#instead[ir.d[i]];
        if (arity > 4 && ir.e[i] >= 0) ir.e[i] = this.#instead[ir.e[i]];
      }
      if (op === CONST_I || op === CONST_L) this.#is(i, ir.lo[i], op === CONST_L ? ir.hi[i] : 0);
      else if (op === GET_I || op === GET_L) {
        const s = table.of(ir.lo[i]);
        if (now[s]) this.#is(i, this.#nowLo[s], op === GET_L ? this.#nowHi[s] : 0);
      } else if (op === SET_I || op === SET_L) {
        const s = table.of(ir.lo[i]), v = ir.a[i];
        // What changes half of a slot leaves a constant if the other half is one.
        if (op === SET_I && table.long[s]) now[s] &= known[v];
        else {
          now[s] = known[v];
          this.#nowHi[s] = hi[v];
        }
        this.#nowLo[s] = lo[v];
      } else if (op === BRANCH) {
        const target = targets.get(i)!, taken = known[ir.a[i]] ? lo[ir.a[i]] !== 0 : undefined;
        if (target >= 0 && taken !== false && !rewrite) this.#edge(target);
        if (taken !== undefined && rewrite) this.#rewrite(ir, ir.a[i]);
        // What comes behind is never reached.
        if (taken === true) return;
      } else if (op === SELECT_I || op === SELECT_L || op === CALL_UNLESS) {
        const cond = op === CALL_UNLESS ? ir.a[i] : ir.c[i];
        if (known[cond] && (op !== CALL_UNLESS || lo[cond] !== 0)) {
          const v = op === CALL_UNLESS ? ir.b[i] : lo[cond] !== 0 ? ir.a[i] : ir.b[i];
          if (known[v]) this.#is(i, lo[v], hi[v]);
          if (rewrite) {
            replaced = (this.#instead[i] = v) >= 0;
            if (op === CALL_UNLESS) {
              ir.op[i] = SELECT_L;
              ir.a[i] = ir.b[i] = v;
              ir.c[i] = cond;
            }
          }
        } else if (op === CALL_UNLESS) now.fill(0);
      } else if (CALLS[op]) now.fill(0);
      else if (EXACT[op] && known[ir.a[i]] && (arity < 2 || known[ir.b[i]])) this.#evaluate(ir, i);
      if (rewrite && ACCESS[op] && known[ir.a[i]]) this.#rewrite(ir, ir.a[i]);
    }
    if (rewrite) return;
    const last = ir.count - 1, next = ir.op[last] === BRANCH ? undefined : targets.get(last);
    if (next !== undefined && next >= 0) this.#edge(next);
    for (const r of this.graph.returnsOf(n)) this.#edge(r);
  }

  #rewrite(ir: Ir, v: number): void {
    ir.op[v] = LONG[ir.op[v]] ? CONST_L : CONST_I;
    ir.lo[v] = this.#lo[v];
    ir.hi[v] = this.#hi[v];
  }
  #is(i: number, lo: number, hi: number): void {
    this.#known[i] = 1;
    this.#lo[i] = lo;
    this.#hi[i] = hi;
  }
  #evaluate(ir: Ir, i: number): void {
    const op = ir.op[i], args = [this.#bits(ir.a[i], LONG_FIRST[op] === 1)];
    if (ARITY[op] > 1) args.push(this.#bits(ir.b[i], LONG_FIRST[op] === 1));
    const value = evaluateOp(OPS[op], args);
    this.#is(i, Number(BigInt.asIntN(32, value)), LONG[op] ? Number(BigInt.asIntN(32, value >> 32n)) : 0);
  }
  #bits(v: number, long: boolean): bigint {
    const low = BigInt(this.#lo[v] >>> 0);
    return long ? BigInt(this.#hi[v] >>> 0) << 32n | low : low;
  }
}
