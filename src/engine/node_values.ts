// The values of one node of a region: which are computed where they are used, which have locals, what is in the slots' locals only.
import type { Ir } from "../ir/builder.ts";
import {
  BARRIER,
  CALL_END_UNLESS,
  COMPARE32,
  CONST_I,
  CONST_L,
  EA32,
  EXT_S,
  EXT_U,
  EXTENDED,
  GET_I,
  GET_L,
  HELPERS,
  IS_LOW,
  LONG,
  OPS,
  WRAP,
} from "../ir/ops.ts";
import { Liveness, type LivenessRules, NONE } from "./liveness.ts";
import type { RegionFunction } from "./region_function.ts";
import { type Asm, W } from "./wasm.ts";

/** What a helper wrote that ends the region is nobody's there. */
const FUSED: LivenessRules = {
  barrier: BARRIER,
  clobbers: HELPERS.map((helper, op) => op === CALL_END_UNLESS ? 0 : helper),
  alias: -1,
  defer: true,
  fused: undefined,
  fusedRow: 0,
};
/** With the pass `fuse` off. */
const APART: LivenessRules = { ...FUSED, defer: false };

export class NodeValues {
  readonly ir: Ir;
  readonly #a: Asm;
  readonly #live: Liveness;
  /** How often a value is used, and whether it is computed by its only user. */
  readonly uses: Uint16Array;
  readonly deferred: Uint8Array;
  /** Local of a value that has one; 0 when it has none. */
  readonly #local: Int32Array;
  #tempsI = 0;
  #tempsL = 0;
  /** Sets of each slot so far. */
  readonly #version = new Map<number, number>();
  /** Slots of the kind `through` whose last value is still in the local only: mostly it is replaced before anybody can see it. */
  readonly #late: Set<number>;

  constructor(readonly region: RegionFunction, readonly index: number, late: ReadonlySet<number>) {
    this.#late = new Set(late);
    this.#a = region.asm;
    this.ir = region.nodes[index].ir;
    const n = this.ir.count;
    this.#live = new Liveness(n, region.target.off.has("fuse") ? APART : FUSED);
    this.#live.analyse(this.ir, 0, n);
    this.uses = this.#live.uses;
    this.deferred = this.#live.deferred;
    this.#local = new Int32Array(n);
  }

  /** Whether a get is needed only while its slot's local has the value. */
  isInSlot(get: number): boolean {
    return this.#live.isInSlot(get);
  }

  // --- locals of values

  /** Temporaries may be used again: an instruction begins. */
  freeTemps(): void {
    this.#tempsI = this.#tempsL = 0;
  }
  /** The local of value `i`, which gets one. */
  newLocal(i: number, long: boolean): number {
    return this.#local[i] = this.region.temp(long ? this.#tempsL++ : this.#tempsI++, long);
  }
  /** Takes the value of `i` off the stack into a local. */
  keep(i: number): void {
    this.#a.set(this.newLocal(i, LONG[this.ir.op[i]] === 1));
  }

  // --- values onto the stack

  push(v: number): void {
    const { ir } = this, op = ir.op[v];
    if (op === CONST_I) this.#a.i32(ir.lo[v]);
    else if (op === CONST_L) this.#a.i64(ir.lo[v], ir.hi[v]);
    else if (this.#local[v]) this.#a.get(this.#local[v]);
    else if (op === GET_I || op === GET_L) this.pushSlot(ir.lo[v], op === GET_L);
    else this.operation(v);
  }
  /** Pushes the low half of an i64 value. */
  pushLow(v: number): void {
    const { ir } = this, op = ir.op[v], a = this.#a;
    if (op === CONST_L) a.i32(ir.lo[v]);
    else if (!this.#local[v] && op === GET_L) this.pushSlot(ir.lo[v], false);
    else if (!this.#local[v] && op === EXT_S) this.push(ir.a[v]);
    else if (!this.#local[v] && IS_LOW[op]) {
      this.pushLow(ir.a[v]);
      this.pushLow(ir.b[v]);
      a.op((OPS[op].wasm as readonly number[])[0]);
    } else {
      this.push(v);
      a.op(W.wrap);
    }
  }
  /** Pushes the low half of an address whose upper half is 0. */
  pushNarrow(v: number): void {
    const { ir } = this, op = ir.op[v];
    if (this.deferred[v] && op === EXT_U) this.push(ir.a[v]);
    else if (this.deferred[v] && op === EA32) {
      this.push(ir.a[v]);
      this.push(ir.b[v]);
      this.#a.op(W.i32Add);
    } else {
      this.push(v);
      if (LONG[op]) this.#a.op(W.wrap);
    }
  }
  /** Pushes the result of a pure operation. */
  operation(i: number): void {
    const { ir } = this, row = OPS[ir.op[i]], a = this.#a;
    const low = COMPARE32[ir.op[i]];
    if (low && (this.#isNarrow(ir.a[i]) || this.#isNarrow(ir.b[i])) && this.#isExtended(ir.a[i]) && this.#isExtended(ir.b[i])) {
      this.pushLow(ir.a[i]);
      this.pushLow(ir.b[i]);
      a.op(low);
      return;
    }
    if (ir.op[i] === WRAP) return this.pushLow(ir.a[i]);
    for (let n = 0; n < row.args.length; n++) {
      const v = n === 0 ? ir.a[i] : n === 1 ? ir.b[i] : ir.c[i];
      if (IS_LOW[ir.op[i]]) this.pushLow(v);
      else {
        this.push(v);
        if (row.each) a.op(row.each);
      }
    }
    if (typeof row.wasm === "string") this.region.callRuntime(row.wasm);
    else a.ops(row.wasm!);
  }
  /** Whether an i64 value is the extension of a local of 32 bits. */
  #isNarrow(v: number): boolean {
    return this.ir.op[v] === GET_L && this.region.slots.get(this.ir.lo[v])!.narrow;
  }
  /** Whether an i64 value is its own low half, sign-extended, as its operation shows. */
  #isExtended(v: number): boolean {
    const { ir } = this, op = ir.op[v];
    return op === CONST_L ? ir.hi[v] === ir.lo[v] >> 31 : EXTENDED[op] === 1 || this.#isNarrow(v);
  }
  /** An i64 value that is a constant, rounded where it is far beyond every RAM; else NaN. */
  constant(v: number): number {
    const { ir } = this;
    return ir.op[v] === CONST_L ? ir.hi[v] * 2 ** 32 + (ir.lo[v] >>> 0) : NaN;
  }

  // --- slots

  pushSlot(slot: number, long: boolean): void {
    const s = this.region.slots.get(slot)!;
    this.#a.get(s.local);
    if (s.narrow && long) this.#a.op(W.extS);
    else if (s.long && !s.narrow && !long) this.#a.op(W.wrap);
  }
  setSlot(i: number): void {
    const { ir, region } = this, slot = ir.lo[i], v = ir.a[i], s = region.slots.get(slot)!, a = this.#a, long = LONG[ir.op[v]] === 1;
    if (s.long && !long) {
      // Only the low half changes.
      a.get(s.local).i64(0, -1).op(W.i64And);
      this.push(v);
      a.op(W.extU).op(W.i64Or);
    } else {
      if (s.narrow) this.pushLow(v);
      else this.push(v);
    }
    a.set(s.local);
    if (s.home.kind === "through") {
      if (this.#live.nextWrite[i] !== NONE || region.setBehind(this.index).has(slot)) this.#delay(slot);
      else {
        region.storeSlot(a, slot, s);
        this.#late.delete(slot);
      }
    }
    this.#version.set(slot, this.versionOf(slot) + 1);
  }
  /** How often the node has set a slot so far. */
  versionOf(slot: number): number {
    return this.#version.get(slot) ?? 0;
  }
  /** A slot has been set; too many that wait are stored, the longest waiting one first. */
  #delay(slot: number): void {
    this.#late.delete(slot);
    this.#late.add(slot);
    if (this.#late.size <= this.region.target.limits.lateSlots) return;
    const [first] = this.#late;
    this.region.store(new Set([first]));
    this.#late.delete(first);
  }
  /** Slots that have to be stored by whoever leaves. */
  get late(): ReadonlySet<number> {
    return this.#late;
  }
  /** Somebody else has stored them. */
  noneIsLate(): void {
    this.#late.clear();
  }
}
