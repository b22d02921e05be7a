// What passes over a region's IR share: a copy of a node's operations under construction.
import { OPS } from "../../ir/ops.ts";
import type { Ir, RegionNode } from "../region.ts";

const ARITY = Uint8Array.from(OPS, (r) => r.args.length);

/** A node's new operations; the i-th of the old ones is `at[i]` of the new ones. */
export class Edit {
  readonly at: Int32Array;
  readonly #columns: readonly [op: number[], a: number[], b: number[], c: number[], d: number[], e: number[], lo: number[], hi: number[]] =
    [
      [],
      [],
      [],
      [],
      [],
      [],
      [],
      [],
    ];

  constructor(readonly node: RegionNode) {
    this.at = new Int32Array(node.ir.count).fill(-1);
  }
  get count(): number {
    return this.#columns[0].length;
  }
  opOf(v: number): number {
    return this.#columns[0][v];
  }
  operand(v: number, n: 0 | 1): number {
    return this.#columns[1 + n][v];
  }
  loOf(v: number): number {
    return this.#columns[6][v];
  }
  hiOf(v: number): number {
    return this.#columns[7][v];
  }
  /** Adds an operation whose operands are new ones; its number. */
  add(op: number, a = 0, b = 0, c = 0, d = 0, e = 0, lo = 0, hi = 0): number {
    const row = [op, a, b, c, d, e, lo, hi];
    for (let i = 0; i < 8; i++) this.#columns[i].push(row[i]);
    return this.count - 1;
  }
  /** Copies old operation `i`. */
  copy(i: number): number {
    const { ir } = this.node, n = ARITY[ir.op[i]], old = [ir.a[i], ir.b[i], ir.c[i], ir.d[i], ir.e[i]];
    const [a, b, c, d, e] = old.map((v, k) => k < n && v >= 0 ? this.at[v] : v);
    return this.at[i] = this.add(ir.op[i], a, b, c, d, e, ir.lo[i], ir.hi[i]);
  }
  /** The node with its new operations. */
  done(): RegionNode {
    const [op, a, b, c, d, e, lo, hi] = this.#columns;
    const ir: Ir = {
      count: op.length,
      op: Uint8Array.from(op),
      a: Int32Array.from(a),
      b: Int32Array.from(b),
      c: Int32Array.from(c),
      d: Int32Array.from(d),
      e: Int32Array.from(e),
      lo: Int32Array.from(lo),
      hi: Int32Array.from(hi),
    };
    return { ...this.node, ir, targets: new Map([...this.node.targets].map(([i, to]) => [this.at[i], to])) };
  }
}
