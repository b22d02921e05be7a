// Writes one node of a region, operation by operation.
import { ARG, CLOCK, PC, RESULT } from "../ir/layout.ts";
import {
  BRANCH,
  CALL,
  CALL_END,
  CALL_END_UNLESS,
  CALL_UNLESS,
  CONST_I,
  CONST_L,
  GET_I,
  GET_L,
  INSN,
  JUMP,
  JUMP_OUT,
  JUMP_TO,
  OPS,
  PURE,
  READS,
  SET_I,
  SET_L,
  TICKS,
  WRITES,
} from "../ir/ops.ts";
import { LEFT } from "./interpreter.ts";
import { NodeAccesses } from "./node_accesses.ts";
import { NodeExits } from "./node_exits.ts";
import { NodeValues } from "./node_values.ts";
import { budget, exitPc, finish, HELPER, kind, NO_SLOTS, type RegionFunction, status, VALUE } from "./region_function.ts";
import { type Asm, W } from "./wasm.ts";

/** From node `from` to node `to`, or out to the pc in halves, with slots of which only the locals are right. Does not fall through. */
export type Edge = (from: number, to: number, pcLo: number, pcHi: number, late: ReadonlySet<number>) => void;

export class NodeWriter {
  readonly #a: Asm;
  readonly #values: NodeValues;
  readonly #exits: NodeExits;
  readonly #accesses: NodeAccesses;

  /** @param late slots of which only the locals are right when the node is entered */
  constructor(readonly region: RegionFunction, readonly index: number, late: ReadonlySet<number>, readonly edge: Edge) {
    this.#a = region.asm;
    this.#values = new NodeValues(region, index, late);
    this.#exits = new NodeExits(this.#values);
    this.#accesses = new NodeAccesses(this.#values, this.#exits);
  }

  /** In front of the loop that begins with the node. */
  hoist(): void {
    this.#accesses.hoist();
  }
  emit(): void {
    const a = this.#a, values = this.#values, exits = this.#exits, { ir, uses, deferred } = values;
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      if (op === CONST_I || op === CONST_L || deferred[i]) continue;
      if (op === INSN) {
        exits.begin(i);
        values.freeTemps();
      } else if (op === GET_I || op === GET_L) {
        if (!uses[i] || values.isInSlot(i)) continue;
        values.pushSlot(ir.lo[i], op === GET_L);
        values.keep(i);
      } else if (op === SET_I || op === SET_L) values.setSlot(i);
      else if (op === TICKS) {
        a.at(W.i64Load, CLOCK).get(budget).i32(exits.left).op(W.i32Add).op(W.extU).op(W.i64Sub);
        values.keep(i);
      } else if (PURE[op]) {
        if (!uses[i]) continue;
        values.operation(i);
        values.keep(i);
      } else if (READS[op]) this.#accesses.load(i);
      else if (WRITES[op]) this.#accesses.store(i);
      else if (op === BRANCH) {
        // What is never taken is left out, and so is what comes behind what always is.
        const always = ir.op[ir.a[i]] === CONST_I;
        if (always && ir.lo[ir.a[i]] === 0) continue;
        if (always) a.block("");
        else {
          values.push(ir.a[i]);
          a.if();
        }
        exits.refund(exits.left - 1);
        this.#jump(i);
        a.end();
        if (always) return void a.op(W.unreachable);
      } else if (op === JUMP) this.#jump(i);
      else if (op === JUMP_TO || op === JUMP_OUT) this.#jumpTo(i);
      else if (op === CALL && this.region.target.values?.has(ir.lo[i])) this.#value(i);
      else if (op === CALL) {
        this.#call([ir.a[i], ir.b[i], ir.c[i], ir.d[i]], ir.lo[i]);
        values.noneIsLate();
        if (uses[i]) {
          a.at(W.i64Load, RESULT);
          values.keep(i);
        }
      } else if (op === CALL_UNLESS) {
        const result = values.newLocal(i, true);
        values.push(ir.b[i]);
        a.set(result);
        values.push(ir.a[i]);
        a.op(W.i32Eqz).if();
        this.#call([ir.b[i], ir.c[i], ir.d[i], ir.e[i]], ir.lo[i]);
        a.at(W.i64Load, RESULT).set(result).end();
      } else if (op === CALL_END) this.#callEnd([ir.a[i], ir.b[i], ir.c[i], ir.d[i]], ir.lo[i]);
      else if (op === CALL_END_UNLESS) {
        values.push(ir.a[i]);
        a.op(W.i32Eqz).unlikelyIf();
        this.#callEnd([ir.b[i], ir.c[i], ir.d[i], ir.e[i]], ir.lo[i]);
        a.end();
      } else throw new Error(`jit: cannot compile '${OPS[op].name}'`);
    }
  }

  // --- jumps

  /** To the constant target of branch or jump `i`. */
  #jump(i: number): void {
    const { ir, late } = this.#values, lo = ir.lo[i], hi = ir.hi[i];
    this.#exits.finishAt(lo, hi);
    this.edge(this.index, this.region.nodes[this.index].targets.get(i)!, lo, hi, late);
  }
  #jumpTo(i: number): void {
    const a = this.#a, { region } = this, values = this.#values;
    values.push(values.ir.a[i]);
    a.set(exitPc);
    region.store(values.late);
    if (this.#exits.mayFinish) a.get(finish).unlikelyIf().i32(LEFT.attention).set(kind).br("exit").end();
    for (const r of region.graph.returnsOf(this.index)) {
      const target = region.nodes[r];
      a.get(exitPc).i64(target.pcLo, target.pcHi).op(W.i64Eq).if();
      this.edge(this.index, r, target.pcLo, target.pcHi, NO_SLOTS);
      a.end();
    }
    a.i32(LEFT.lookup).set(kind).br("exit");
  }

  // --- helpers

  /** A helper that changes no slot. */
  #value(i: number): void {
    const a = this.#a, { region } = this, values = this.#values, exits = this.#exits, { ir } = values;
    region.store(values.late);
    values.noneIsLate();
    region.writeBack(a);
    a.i32(ir.lo[i]);
    for (const v of [ir.a[i], ir.b[i]]) {
      if (v < 0) a.i32(0);
      else values.pushLow(v);
    }
    a.get(budget).i32(exits.left).op(W.i32Add).call(VALUE).op(W.extU);
    values.keep(i);
    exits.afterValue(() => exits.side());
  }
  /** Puts arguments into their slots, writes back, and calls. */
  #callHelper(args: readonly number[], helper: number): Asm {
    const a = this.#a, { region } = this, values = this.#values;
    for (const [n, v] of args.entries()) {
      if (v < 0) continue;
      a.i32(0);
      values.push(v);
      a.mem(W.i64Store, ARG + 8 * n);
    }
    region.store(values.late);
    region.writeBack(a);
    return a.i32(helper).get(budget).i32(this.#exits.left).op(W.i32Add).call(HELPER).tee(status);
  }
  /** Reads back behind it: a helper may look at any slot. */
  #call(args: readonly number[], helper: number): void {
    const a = this.#callHelper(args, helper).unlikelyIf();
    // A fault happens again when the interpreter runs the instruction.
    a.get(status).i32(1).op(W.i32Eq).unlikelyIf();
    this.#exits.side();
    a.end().i32(1).set(finish).end();
    for (const [slot, s] of this.region.slots) a.at(s.long ? W.i64Load : W.i32Load, slot).set(s.local);
    this.#exits.mayFinish = true;
  }
  /** The helper sets the pc; if it asks for nothing, on from there. */
  #callEnd(args: readonly number[], helper: number): void {
    const exits = this.#exits, a = this.#callHelper(args, helper).i32(1).op(W.i32Eq).unlikelyIf();
    exits.side();
    a.end();
    exits.refund(exits.left - 1);
    // The helper may have changed any slot: nothing is written back again. An earlier helper of this instruction may have asked for attention.
    a.at(W.i64Load, PC).set(exitPc).i32(LEFT.attention).i32(LEFT.lookup).get(status);
    if (exits.mayFinish) a.get(finish).op(W.i32Or);
    a.op(W.select).set(kind).br("done");
  }
}
