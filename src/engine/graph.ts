// The control flow of a region: order, dominators, loops.
import type { RegionNode } from "./region.ts";

/** Order, dominators and the kinds of edges of a region's control flow. */
export class Graph {
  /** Position in reverse postorder; -1 for nodes that are not reached. */
  readonly order: Int32Array;
  /** Immediate dominator. */
  readonly parent: Int32Array;
  readonly children: number[][];
  /** Nodes that two or more forward edges reach. */
  readonly joins: boolean[];
  /** Nodes that a back edge reaches. */
  readonly isLoop: boolean[];
  /** Nodes that each node goes to. */
  readonly successors: readonly (readonly number[])[];
  /** Nodes that go to each node, once for each way. */
  readonly predecessors: readonly (readonly number[])[];

  constructor(readonly nodes: readonly RegionNode[], readonly predict: boolean) {
    const n = nodes.length, successors = nodes.map((x, i) => [...x.targets.values(), ...this.returnsOf(i)].filter((t) => t >= 0));
    this.successors = successors;
    this.order = new Int32Array(n).fill(-1);
    const post: number[] = [], seen = new Uint8Array(n), stack: [number, number][] = [[0, 0]];
    seen[0] = 1;
    while (stack.length) {
      const top = stack.at(-1)!, next = successors[top[0]][top[1]++];
      if (next === undefined) post.push(stack.pop()![0]);
      else if (!seen[next]) {
        seen[next] = 1;
        stack.push([next, 0]);
      }
    }
    const rpo = post.reverse();
    for (const [i, x] of rpo.entries()) this.order[x] = i;
    // Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001).
    const predecessors: number[][] = nodes.map(() => []);
    for (const x of rpo) for (const s of successors[x]) predecessors[s].push(x);
    this.predecessors = predecessors;
    this.parent = new Int32Array(n).fill(-1);
    this.parent[0] = 0;
    for (let changed = true; changed;) {
      changed = false;
      for (const x of rpo.slice(1)) {
        let d = -1;
        for (const p of predecessors[x]) if (this.parent[p] >= 0) d = d < 0 ? p : this.#meet(d, p);
        if (this.parent[x] !== d) {
          this.parent[x] = d;
          changed = true;
        }
      }
    }
    this.children = nodes.map(() => []);
    for (const x of rpo.slice(1)) this.children[this.parent[x]].push(x);
    this.joins = nodes.map((_, x) =>
      predecessors[x].filter((p) => this.order[p] < this.order[x]).length > 1 ||
      (predecessors[x].some((p) => this.order[p] >= this.order[x] && !this.isBack(p, x)))
    );
    this.isLoop = nodes.map((_, x) => predecessors[x].some((p) => this.isBack(p, x)));
  }
  #meet(a: number, b: number): number {
    while (a !== b) {
      while (this.order[a] > this.order[b]) a = this.parent[a];
      while (this.order[b] > this.order[a]) b = this.parent[b];
    }
    return a;
  }
  /** Whether the edge goes back to a node that dominates its origin. */
  isBack(from: number, to: number): boolean {
    for (let x = from;; x = this.parent[x]) {
      if (x === to) return true;
      if (x === 0 || this.order[x] < this.order[to]) return false;
    }
  }
  /** Nodes of the loop whose first node is `header`, it included. */
  loop(header: number): Set<number> {
    const body = new Set([header]), todo = this.predecessors[header].filter((p) => this.isBack(p, header));
    for (let x = todo.pop(); x !== undefined; x = todo.pop()) {
      if (body.has(x)) continue;
      body.add(x);
      todo.push(...this.predecessors[x]);
    }
    return body;
  }
  /** Nodes that a computed jump at the end of node `i` is compared with. */
  returnsOf(i: number): readonly number[] {
    return this.predict ? this.nodes[i].returns : [];
  }
}
