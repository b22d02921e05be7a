// The JIT: a region's IR -> one wasm function. Guest registers are locals; the control flow is structured from the dominator tree
// (Norman Ramsey, "Beyond Relooper", ICFP 2022); only fast paths are compiled. Whatever is rare leaves the function with everything
// written back, and the interpreter does it. The function's parameter is the budget; its result is a reason of LEFT.
import { LEFT } from "./interpreter.ts";
import { NodeWriter } from "./node_writer.ts";
import type { RegionNode } from "./region.ts";
import { NO_SLOTS, type RegionCode, RegionFunction, type RegionTarget } from "./region_function.ts";

export function compileRegion(nodes: readonly RegionNode[], target: RegionTarget): RegionCode {
  const region = new RegionFunction(nodes, target);
  region.asm.block("done").block("exit");
  writeTree(region, 0);
  region.asm.end();
  return region.module();
}

/** The code of node `x` and of all that it dominates, entered with slots of which only the locals are right. Does not fall through. */
function writeTree(region: RegionFunction, x: number, late: ReadonlySet<number> = NO_SLOTS): void {
  const { asm: a, graph: g } = region, node = new NodeWriter(region, x, late, (...edge) => writeEdge(region, ...edge));
  if (g.isLoop[x]) {
    node.hoist();
    a.loop(`n${x}`);
  }
  // Nodes where paths join come behind the blocks that end in front of them, the last one in order outermost.
  const joins = g.children[x].filter((c) => g.joins[c]).sort((p, q) => g.order[q] - g.order[p]);
  for (const j of joins) a.block(`n${j}`);
  node.emit();
  for (const j of joins.reverse()) {
    a.end();
    writeTree(region, j);
  }
  if (g.isLoop[x]) a.end();
}

/** See Edge. */
function writeEdge(region: RegionFunction, from: number, to: number, pcLo: number, pcHi: number, late: ReadonlySet<number>): void {
  const { asm: a, graph: g } = region, open = to >= 0 && a.isOpen(`n${to}`) && (g.joins[to] || g.isLoop[to]);
  if (!open && to >= 0 && !g.joins[to] && g.parent[to] === from && !g.isBack(from, to)) {
    if (!g.isLoop[to]) return writeTree(region, to, late);
    region.store(late);
    writeTree(region, to);
  } else if (open) {
    region.store(late);
    a.br(`n${to}`);
  } else region.leave(LEFT.lookup, pcLo, pcHi, late);
}
