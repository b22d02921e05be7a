// The values of one node of a region: which are computed where they are used, which have locals, what is in the slots' locals only.
import type { Ir } from "../ir/builder.ts";
import {
  ARITY,
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
  PURE,
  SET_I,
  SET_L,
  WRAP,
} from "../ir/ops.ts";
import type { RegionFunction } from "./region_function.ts";
import { type Asm, W } from "./wasm.ts";

const NONE = 0x7fff_ffff;

export class NodeValues {
  readonly ir: Ir;
  readonly #a: Asm;
  /** How often a value is used. */
  readonly uses: Uint16Array;
  /** Index at which a value is last needed, deferred users counted where they are written. */
  readonly #last: Int32Array;
  /** For get and set: the next operation that may write the slot. */
  readonly #nextWrite: Int32Array;
  /** Values that are computed by their only user. */
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
    this.uses = new Uint16Array(n);
    this.#last = new Int32Array(n);
    this.#nextWrite = new Int32Array(n);
    this.deferred = new Uint8Array(n);
    this.#local = new Int32Array(n);
    this.#analyse();
  }

  #analyse(): void {
    const { ir, uses } = this, slotNext = new Map<number, number>(), fuse = !this.region.target.off.has("fuse");
    let barrier = NONE, call = NONE;
    for (let i = ir.count - 1; i >= 0; i--) {
      const op = ir.op[i];
      let at = i;
      if (op === SET_I || op === SET_L || op === GET_I || op === GET_L) {
        this.#nextWrite[i] = Math.min(slotNext.get(ir.lo[i]) ?? NONE, call);
        if (op === SET_I || op === SET_L) slotNext.set(ir.lo[i], i);
      } else if (fuse && PURE[op] && uses[i] === 1 && this.#last[i] <= barrier) {
        this.deferred[i] = 1;
        at = this.#last[i];
      }
      if (BARRIER[op]) barrier = i;
      if (HELPERS[op] && op !== CALL_END_UNLESS) call = i;
      const arity = ARITY[op];
      if (arity > 0) this.#use(ir.a[i], at);
      if (arity > 1) this.#use(ir.b[i], at);
      if (arity > 2) this.#use(ir.c[i], at);
      if (arity > 3) this.#use(ir.d[i], at);
      if (arity > 4) this.#use(ir.e[i], at);
    }
  }
  #use(v: number, at: number): void {
    if (v < 0) return;
    if (this.uses[v]++ === 0 || at > this.#last[v]) this.#last[v] = at;
  }
  /** Whether a get is needed only while its slot's local has the value. */
  isInSlot(get: number): boolean {
    return this.#last[get] <= this.#nextWrite[get];
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
  /** An i64 value that is a constant below 2^53; else NaN. */
  constant(v: number): number {
    const { ir } = this;
    return ir.op[v] === CONST_L && ir.hi[v] >>> 21 === 0 ? ir.hi[v] * 2 ** 32 + (ir.lo[v] >>> 0) : NaN;
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
      if (this.#nextWrite[i] !== NONE || region.setBehind(this.index).has(slot)) this.#delay(slot);
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
