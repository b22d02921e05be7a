// Accesses off one base: one check of all that they reach, at the first of them. The base is what a register held, wherever it went since, and
// whatever constants were added (a stack pointer that is stepped). A check holds on in the nodes behind it, through joins and in loops, where no
// way from it changes the register; and what a loop always accesses off a register that it does not change is checked in front of it. If a check
// fails, the interpreter does that one instruction; so a check may cover accesses that are never made. HOT when regions are compiled.
import type { Ir } from "../../ir/builder.ts";
import type { Limits } from "../../ir/limits.ts";
import {
  ACCESS,
  ADD_I,
  ADD_L,
  BRANCH,
  CALLS,
  CONST_I,
  CONST_L,
  EA32,
  EXT_S,
  EXT_U,
  GET_I,
  GET_L,
  SET_I,
  SET_L,
  SIZE,
  STORES,
  SUB_I,
  SUB_L,
  WRAP,
} from "../../ir/ops.ts";
import type { Graph } from "../graph.ts";
import type { SlotTable } from "../slots.ts";

export interface Span {
  /** A value of the first access's instruction that is the base plus `delta`. */
  readonly base: number;
  readonly delta: number;
  /** Bytes of the first access. */
  readonly size: number;
  /** The sum of base and offset is taken modulo 2^32. */
  readonly narrow: boolean;
  /** Bytes from `base` to the lowest and behind the highest byte that is accessed. */
  low: number;
  high: number;
  /** Some access needs write permission. */
  stores: boolean;
  /** Number of accesses. */
  count: number;
}

/** An access: its span and its distance from the span's base. */
export interface Place {
  readonly span: Span;
  readonly offset: number;
}

/** What registers hold at some point, each as a root and a distance from it: of all 64 bits, and of the low half. And the open spans by root. */
interface State {
  readonly root: Int32Array;
  readonly delta: Int32Array;
  readonly lowRoot: Int32Array;
  readonly lowDelta: Int32Array;
  readonly open: Map<number, Span>;
}
const copy = (s: State): State => ({
  root: s.root.slice(),
  delta: s.delta.slice(),
  lowRoot: s.lowRoot.slice(),
  lowDelta: s.lowDelta.slice(),
  open: new Map(s.open),
});

export interface SpanPlan {
  /** The accesses of each node by operation. */
  readonly places: readonly ReadonlyMap<number, Place>[];
  /** Spans that are checked in front of the loop that a node begins, and the slots that are their bases there. */
  readonly hoisted: readonly ReadonlyMap<Span, number>[];
}

/** The spans of a region; `apart`: each access has one of its own; `across`: they go on in the nodes behind; `not`: accesses of each node that need none. */
export function findSpans(
  graph: Graph,
  table: SlotTable,
  apart: boolean,
  across: boolean,
  limits: Limits,
  not: readonly ReadonlySet<number>[] = [],
): SpanPlan {
  return new Spans(graph, table, apart, across, limits, not);
}

class Spans implements SpanPlan {
  readonly places: Map<number, Place>[];
  readonly hoisted: Map<Span, number>[];
  /** Slots that each node sets; undefined: a helper may set any. */
  readonly #sets: (readonly number[] | undefined)[];
  /** Of the node's values: root and distance, of all bits and of the low half; root 0: something of its own. */
  readonly #root: Int32Array;
  readonly #delta: Int32Array;
  readonly #lowRoot: Int32Array;
  readonly #lowDelta: Int32Array;
  #roots = 0;

  constructor(
    readonly graph: Graph,
    readonly table: SlotTable,
    readonly apart: boolean,
    readonly across: boolean,
    readonly limits: Limits,
    readonly not: readonly ReadonlySet<number>[],
  ) {
    const { nodes } = graph, most = Math.max(...nodes.map((n) => n.ir.count)), count = table.slots.length;
    this.places = nodes.map(() => new Map<number, Place>());
    this.hoisted = nodes.map(() => new Map<Span, number>());
    this.#sets = nodes.map(({ ir }) => setsOf(ir, table));
    this.#root = new Int32Array(most);
    this.#delta = new Int32Array(most);
    this.#lowRoot = new Int32Array(most);
    this.#lowDelta = new Int32Array(most);
    const state = {
      root: new Int32Array(count),
      delta: new Int32Array(count),
      lowRoot: new Int32Array(count),
      lowDelta: new Int32Array(count),
      open: new Map<number, Span>(),
    };
    for (let s = 0; s < count; s++) this.#renew(state, s);
    this.#node(0, state, graph.isLoop[0] ? this.#between(-1, 0) : undefined);
  }

  /** Nobody knows what a slot holds. */
  #renew(state: State, s: number): void {
    state.root[s] = state.lowRoot[s] = ++this.#roots;
    state.delta[s] = state.lowDelta[s] = 0;
  }

  /** A node and all that it dominates. `changes`: of a loop's first node, what the loop sets, unless there are helpers. */
  #node(n: number, state: State, changes?: ReadonlySet<number>): void {
    const { graph, table } = this, { ir, targets } = graph.nodes[n], children = graph.children[n];
    const entered = new Map<number, State>(), set: number[] = [];
    // For nodes that are not entered from one place: what held before the first way out, and slots that are set behind that.
    let common: State | undefined, called = false;
    const inherited = new Set(state.open.values());
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      this.#value(ir, i, state);
      if (op === SET_I || op === SET_L) {
        const s = table.of(ir.lo[i]), v = ir.a[i];
        this.#renew(state, s);
        if (op === SET_L && this.#root[v]) {
          state.root[s] = this.#root[v];
          state.delta[s] = this.#delta[v];
        }
        if (this.#lowRoot[v]) {
          state.lowRoot[s] = this.#lowRoot[v];
          state.lowDelta[s] = this.#lowDelta[v];
        }
        set.push(s);
      } else if (CALLS[op]) {
        state.open.clear();
        for (let s = 0; s < state.root.length; s++) this.#renew(state, s);
        called = true;
      } else if (ACCESS[op] && !this.not[n]?.has(i)) {
        const opened = this.#access(n, ir, i, state, inherited);
        if (!opened || !changes || common || !this.across) continue;
        // It is certain to be accessed in each turn.
        const slot = ir.lo[opened.base];
        if (!changes.has(table.of(slot))) this.hoisted[n].set(opened, slot);
      }
      if (op === BRANCH && targets.get(i)! >= 0) {
        if (!common) {
          common = copy(state);
          set.length = 0;
          called = false;
        }
        entered.set(targets.get(i)!, copy(state));
      }
    }
    common ??= copy(state);
    for (const c of children) {
      if (!this.across) {
        for (let s = 0; s < state.root.length; s++) this.#renew(state, s);
        state.open.clear();
        this.#node(c, state);
        continue;
      }
      const one = graph.predecessors[c].filter((p) => graph.order[p] < graph.order[c]).length === 1;
      const there = copy(one ? entered.get(c) ?? state : common);
      if (one && !graph.joins[c] && !graph.isLoop[c]) {
        this.#node(c, there);
        continue;
      }
      const between = this.#between(n, c);
      if (between === undefined || (called && !one)) there.open.clear();
      if (!one) { for (const s of set) this.#renew(there, s); }
      for (const s of between ?? there.root.keys()) this.#renew(there, s);
      this.#node(c, there, graph.isLoop[c] ? between : undefined);
    }
  }
  /** Slots that are set on the ways from the end of node `from` to its child `to`; undefined: any, by helpers. */
  #between(from: number, to: number): Set<number> | undefined {
    const seen = new Set([from]), slots = new Set<number>(), todo = [...this.graph.predecessors[to]];
    for (let x = todo.pop(); x !== undefined; x = todo.pop()) {
      if (seen.has(x)) continue;
      seen.add(x);
      const sets = this.#sets[x];
      if (!sets) return undefined;
      for (const s of sets) slots.add(s);
      todo.push(...this.graph.predecessors[x]);
    }
    return slots;
  }

  /** What value `i` is. */
  #value({ op: ops, a: as, b: bs, lo, hi }: Ir, i: number, state: State): void {
    const op = ops[i], a = as[i], b = bs[i];
    this.#root[i] = this.#lowRoot[i] = 0;
    if (op === GET_I || op === GET_L) {
      const s = this.table.of(lo[i]);
      if (op === GET_L) {
        this.#root[i] = state.root[s];
        this.#delta[i] = state.delta[s];
      }
      this.#lowRoot[i] = state.lowRoot[s];
      this.#lowDelta[i] = state.lowDelta[s];
    } else if (op === ADD_I || op === ADD_L || op === SUB_I || op === SUB_L || op === EA32) {
      const c = ops[b];
      if (c !== CONST_I && (c !== CONST_L || hi[b] !== lo[b] >> 31)) return;
      const n = op === SUB_I || op === SUB_L ? -lo[b] : lo[b], long = op === ADD_L || op === SUB_L;
      // Distances that are not small are no use.
      if (long && Math.abs(this.#delta[a] + n) < 2 ** 20) {
        this.#root[i] = this.#root[a];
        this.#delta[i] = this.#delta[a] + n;
      }
      if (Math.abs(this.#lowDelta[a] + n) < 2 ** 20) {
        this.#lowRoot[i] = this.#lowRoot[a];
        this.#lowDelta[i] = this.#lowDelta[a] + n;
      }
    } else if (op === EXT_U || op === EXT_S || op === WRAP) {
      this.#lowRoot[i] = this.#lowRoot[a];
      this.#lowDelta[i] = this.#lowDelta[a];
    }
  }

  /** Finds the span of access `i`; returns it when it begins here with a register. */
  #access(n: number, ir: Ir, i: number, state: State, inherited: ReadonlySet<Span>): Span | undefined {
    const op = ir.op[i], v = ir.a[i], size = SIZE[op], stores = STORES[op] === 1, narrow = ir.op[v] === EA32 || ir.op[v] === EXT_U;
    const { base, offset } = addressOf(ir, v), root = narrow ? this.#lowRoot[base] : this.#root[base];
    if (this.apart || !root || (ir.op[base] !== GET_I && ir.op[base] !== GET_L)) {
      this.places[n].set(i, { span: { base: v, delta: 0, size, narrow, low: 0, high: size, stores, count: 1 }, offset: 0 });
      return undefined;
    }
    const delta = narrow ? this.#lowDelta[base] : this.#delta[base], key = 2 * root + (narrow ? 1 : 0);
    let span = state.open.get(key), opened: Span | undefined;
    if (span) {
      const at = offset + delta - span.delta,
        low = Math.min(span.low, at),
        high = Math.max(span.high, at + size),
        old = inherited.has(span);
      const grows = low < span.low || high > span.high;
      // What comes under a condition may not ask for more rights, nor for much more memory.
      if ((old && stores && !span.stores) || (grows && high - low > (old ? this.limits.inheritedSpan : this.limits.span))) span = undefined;
      else {
        span.low = low;
        span.high = high;
      }
    }
    if (!span) {
      span = opened = { base, delta, size, narrow, low: offset, high: offset + size, stores: false, count: 0 };
      state.open.set(key, span);
    }
    span.stores ||= stores;
    span.count++;
    this.places[n].set(i, { span, offset: offset + delta - span.delta });
    return opened;
  }
}

function setsOf(ir: Ir, table: SlotTable): readonly number[] | undefined {
  const sets: number[] = [];
  for (let i = 0; i < ir.count; i++) {
    if (CALLS[ir.op[i]]) return undefined;
    if (ir.op[i] === SET_I || ir.op[i] === SET_L) sets.push(table.of(ir.lo[i]));
  }
  return sets;
}

/** An address as base and constant. */
function addressOf(ir: Ir, v: number): { base: number; offset: number } {
  const op = ir.op[v], a = ir.a[v], b = ir.b[v];
  if (op === ADD_L && ir.op[b] === CONST_L && ir.hi[b] === ir.lo[b] >> 31) return { base: a, offset: ir.lo[b] };
  if (op === EA32 && ir.op[b] === CONST_I) return { base: a, offset: ir.lo[b] };
  if (op === EXT_U) return { base: a, offset: 0 };
  return { base: v, offset: 0 };
}
