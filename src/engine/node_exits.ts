// How one node of a region counts its instructions, and leaves in the middle of them.
import { ANSWER } from "../ir/layout.ts";
import { BRANCH, INSN } from "../ir/ops.ts";
import { LEFT } from "./interpreter.ts";
import type { NodeValues } from "./node_values.ts";
import { budget, exitPc, finish, kind, type RegionFunction, status } from "./region_function.ts";
import { type Asm, W } from "./wasm.ts";

export class NodeExits {
  readonly region: RegionFunction;
  readonly #a: Asm;
  /** Instructions that are taken off the budget already, the current one included. */
  left = 1;
  /** Of the current instruction, from the node's start. */
  #offset = 0;
  /** A helper of the current instruction may have asked to stop behind it. */
  mayFinish = false;

  constructor(readonly values: NodeValues) {
    this.region = values.region;
    this.#a = values.region.asm;
  }

  /** The instruction at operation `i` begins. */
  begin(i: number): void {
    const offset = this.values.ir.lo[i];
    this.#checkFinish(offset);
    this.#offset = offset;
    if (this.left === 1) this.#charge(i);
    else this.left--;
  }
  /**
   * Takes the instructions from the one at operation `i` off the budget: those to the node's end or to a branch back in a loop, which
   * then has nothing to give back. Leaving early gives back what was skipped.
   */
  #charge(i: number): void {
    const a = this.#a, { ir, index } = this.values, { graph, nodes } = this.region;
    let n = 0, back = false;
    for (let k = i; k < ir.count; k++) {
      if (ir.op[k] === INSN && back) break;
      if (ir.op[k] === INSN) n++;
      const to = ir.op[k] === BRANCH ? nodes[index].targets.get(k)! : -1;
      back ||= to >= 0 && graph.isBack(index, to);
    }
    this.left = n;
    a.get(budget).i32(n).op(W.i32Sub).tee(budget).i32(0).op(W.i32LtS).unlikelyIf();
    this.refund(n);
    this.leave(LEFT.attention, ...this.pc(this.#offset));
    a.end();
  }
  refund(n: number): void {
    if (n) this.#a.get(budget).i32(n).op(W.i32Add).set(budget);
  }
  pc(offset: number): [number, number] {
    const { pcLo, pcHi } = this.region.nodes[this.values.index], lo = (pcLo >>> 0) + offset;
    return [lo | 0, pcHi + (lo > 0xffff_ffff ? 1 : 0)];
  }

  /** Writes back and leaves with the pc in halves. */
  leave(reason: number, pcLo: number, pcHi: number): void {
    this.region.leave(reason, pcLo, pcHi, this.values.late);
  }
  /** Leaves before the current instruction, which the interpreter then runs. */
  side(): void {
    this.refund(this.left);
    this.leave(LEFT.side, ...this.pc(this.#offset));
  }
  /** The same, but with the fault if there is one: if `status` is `fault`. */
  sideOrFault(fault: number): void {
    const a = this.#a;
    this.refund(this.left);
    this.region.store(this.values.late);
    a.i64(...this.pc(this.#offset)).set(exitPc).i32(LEFT.fault).i32(LEFT.side).get(status).i32(fault).op(W.i32Eq).op(W.select).set(kind);
    a.br("exit");
  }
  /** Looks at ANSWER. */
  afterValue(fault: () => void): void {
    const a = this.#a;
    a.at(W.i32Load, ANSWER).tee(status).unlikelyIf().get(status).i32(1).op(W.i32Eq).unlikelyIf();
    fault();
    a.end().i32(1).set(finish).end();
    this.mayFinish = true;
  }
  /** Behind an instruction with a call: stops before the next one, `offset` bytes from the node's start, if its helper asked for it. */
  #checkFinish(offset: number): void {
    if (!this.mayFinish) return;
    this.mayFinish = false;
    const a = this.#a.get(finish).unlikelyIf();
    this.refund(this.left - 1);
    this.leave(LEFT.attention, ...this.pc(offset));
    a.end();
  }
  /** The same where the instruction jumps, to a pc in halves. */
  finishAt(pcLo: number, pcHi: number): void {
    if (!this.mayFinish) return;
    this.#a.get(finish).unlikelyIf();
    this.leave(LEFT.attention, pcLo, pcHi);
    this.#a.end();
  }
}
