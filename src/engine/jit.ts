// The JIT: a region's IR -> one wasm function. Guest registers are locals; the control flow is structured from the dominator tree
// (Norman Ramsey, "Beyond Relooper", ICFP 2022); only fast paths are compiled. Whatever is rare leaves the function with everything
// written back, and the interpreter does it. The function's parameter is the budget; its result is a reason of LEFT.
import {
  ANSWER,
  ARG,
  BUDGET,
  CACHE_ADDEND,
  CACHE_LIMIT,
  CLOCK,
  CONTEXT,
  CURRENT,
  IP,
  JUMP_CACHE,
  PAGE,
  PAGE_CACHE_BYTES,
  PAGE_CACHES,
  PC,
  RESULT,
  TLB,
  TLB_HALF,
} from "../ir/layout.ts";
import type { Ir } from "../ir/builder.ts";
import type { Limits } from "../ir/limits.ts";
import {
  ADD_L,
  ARITY,
  BARRIER,
  BRANCH,
  CALL,
  CALL_END,
  CALL_END_UNLESS,
  CALL_UNLESS,
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
  INSN,
  IS_LOW,
  JUMP,
  JUMP_OUT,
  JUMP_TO,
  LONG,
  OP,
  OPS,
  PURE,
  READS,
  SET_I,
  SET_L,
  STORES,
  TICKS,
  WRAP,
  WRITES,
} from "../ir/ops.ts";
import { verifyIr } from "../ir/verify.ts";
import { jumpEntry, LEFT, loadOpcode, storeOpcode } from "./interpreter.ts";
import { Graph } from "./graph.ts";
import { extend, narrowSlots } from "./passes/extend.ts";
import { fold } from "./passes/fold.ts";
import { findSpans, type Place, type Span, type SpanPlan } from "./passes/spans.ts";
import { type SlotHome, slotHomes, SlotTable } from "./slots.ts";
import type { JitOption } from "./jit_options.ts";
import type { RegionNode } from "./region.ts";
import { RUNTIME } from "./runtime.ts";
import { UOP } from "./uops.ts";
import { Asm, I32, I64, UNREACHABLE, W, wasmModule } from "./wasm.ts";

const NONE = 0x7fff_ffff;
const NO_SLOTS: ReadonlySet<number> = new Set();
/** The limit of a page cache that has a page: an access that begins below it ends in the page, whatever its size. */
const CACHED = PAGE - 7;

export interface RegionCode {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Size of the function body, for statistics. */
  readonly size: number;
  /** Slots that it takes for sign-extended from 32 bits when it is entered; it leaves for `verify` when one is not. */
  readonly assumes: readonly number[];
  /** How many page caches it uses, from the first one on. */
  readonly pageCaches: number;
}

// Imports of every region's module.
/** regionHelper(index, instructions left including the running one) -> Status; index -1: the instruction at the pc faults. */
const HELPER = 0;
/** fill(address low, high, 1 for writing + 2 * bytes) -> 1 when the TLB has the page now, 2 when the access faults, else 0. */
const FILL = 1;
/**
 * store(address low, high, bytes, instructions left including the running one) -> 0 when it is done, 1 when it faults, 2 when it is done and the
 * region has to be left, 3 when the interpreter must do it; the value is in RESULT.
 */
const STORE = 2;
/**
 * load(address low, high, bytes, instructions left including the running one) -> low half of what a load finds, wherever that is; the upper half is in
 * RESULT, and in ANSWER whether it faults or the region has to be left behind the instruction.
 */
const LOAD = 3;
/** value(helper, a, b, instructions left including the running one) -> see Helper.value in frontend.ts. */
const VALUE = 4;
/** Functions that are imported. */
const IMPORTS = 5;
// Parameter and fixed locals.
const budget = 0, tlb = 1, exitPc = 2, kind = 3, va = 4, entry = 5, status = 6, finish = 7;

interface SlotLocal {
  readonly local: number;
  /** The slot has 64 bits. */
  readonly long: boolean;
  /** ... and the local the low 32 of them, of which the others are the sign. */
  readonly narrow: boolean;
  readonly home: SlotHome;
  /** How often the region sets it to something else than itself and a constant. */
  readonly moves: number;
}

/** A window of RAM that guest addresses reach without translation. */
export interface PhysicalRam {
  /** Guest address of its first byte (below 2^53), bytes, index in the linear memory. */
  readonly base: number;
  readonly length: number;
  readonly offset: number;
  /** There is no other RAM. */
  readonly only: boolean;
  /** The part, from its byte `from`, that has no code: the region is dropped when that changes. */
  readonly free: { readonly from: number; readonly length: number } | undefined;
}

/** What a region is compiled for. */
export interface RegionTarget {
  /** The entry block's micro-ops. */
  readonly block: number;
  /** Size of the imported memory. */
  readonly memoryPages: number;
  readonly off: ReadonlySet<JitOption>;
  readonly limits: Limits;
  /** Look at the IR before and behind each pass that changes it. */
  readonly verify?: boolean | undefined;
  /** Address of the context (i32) in which its pages were last found in their places; 0 when it has one page only. */
  readonly guard: number;
  /** Address of an i64 to which the instructions that the region runs are added; 0: they are not counted. */
  readonly count: number;
  /** Set when addresses are physical in the region's mode. */
  readonly ram: PhysicalRam | undefined;
  /** Whether the instruction that begins `offset` bytes behind a node's start was seen to reach a device. */
  readonly isDevice?: ((node: RegionNode, offset: number) => boolean) | undefined;
  /** Helpers that have `value`. */
  readonly values?: ReadonlySet<number> | undefined;
  /** Whether a slot is sign-extended from 32 bits at the moment; undefined: nothing is to be taken from that. */
  readonly isExtended?: ((slot: number) => boolean) | undefined;
}

export function compileRegion(nodes: readonly RegionNode[], target: RegionTarget): RegionCode {
  return new Region(nodes, target).compile();
}

/** What the nodes of one function share: its code, locals and exits. */
class Region {
  readonly asm = new Asm();
  readonly graph: Graph;
  readonly slots = new Map<number, SlotLocal>();
  readonly assumes: number[] = [];
  readonly #types: number[] = [I32, I64, I32, I64, I32, I32, I32];
  readonly #runtime: string[] = [];
  readonly #pageCaches = new Map<string, number>();
  /** Accesses, where addresses are physical, and the locals of spans: index of the first byte in the linear memory. */
  readonly spans: SpanPlan | undefined;
  /** Of each node the accesses that were seen to reach devices. */
  readonly devices: readonly ReadonlySet<number>[];
  readonly #spanLocals = new Map<Span, number>();
  readonly #behind: Set<number>[] = [];
  readonly #farConstants = new Map<number, number>();
  readonly #temps: { readonly i: number[]; readonly l: number[] } = { i: [], l: [] };

  constructor(readonly nodes: readonly RegionNode[], readonly target: RegionTarget) {
    const { off } = target, graph = this.graph = new Graph(nodes, !off.has("returns")), table = new SlotTable(nodes);
    const verify = (pass: string) => {
      if (target.verify) nodes.forEach(({ ir }) => verifyIr(ir, pass));
    };
    verify("translation");
    if (!off.has("fold")) fold(graph, table);
    verify("fold");
    const homes = slotHomes(graph, table, off.has("through"), target.limits.fewSlots), extended = new Uint8Array(homes.length);
    let narrow: Uint8Array = new Uint8Array(homes.length);
    if (!off.has("extend")) {
      // A loop that begins with the region is worth a look at what it is entered with.
      const asks = graph.isLoop[0] && !off.has("narrow") ? target.isExtended : undefined;
      for (const [n, { atEntry }] of homes.entries()) extended[n] = table.long[n] && (!atEntry || asks?.(table.slots[n])) ? 1 : 0;
      const throughout = extend(graph, table, extended);
      // What is stored at each set is extended there anyway.
      for (const [n, home] of homes.entries()) if (home.kind === "through") throughout[n] = 0;
      if (!off.has("narrow")) narrow = narrowSlots(graph, table, throughout);
      verify("extend");
    }
    this.devices = nodes.map((node) => devicesOf(node, target.isDevice));
    if (target.ram) this.spans = findSpans(graph, table, off.has("spans"), !off.has("across"), target.limits, this.devices);
    for (const [n, home] of homes.entries()) {
      const slot = table.slots[n], long = table.long[n];
      if (extended[n] && home.atEntry) this.assumes.push(slot);
      this.slots.set(slot, {
        local: this.newLocal(long && !narrow[n] ? I64 : I32),
        long,
        narrow: narrow[n] === 1,
        home,
        moves: table.moves[n],
      });
    }
  }

  newLocal(type: number): number {
    this.#types.push(type);
    return this.#types.length; // the parameter comes first
  }
  /** The n-th temporary of a type. */
  temp(n: number, long: boolean): number {
    const pool = long ? this.#temps.l : this.#temps.i;
    return pool[n] ??= this.newLocal(long ? I64 : I32);
  }
  /** The local of a span that is checked here; whoever is behind may use it. */
  newSpanLocal(span: Span): number {
    const local = this.newLocal(I32);
    this.#spanLocals.set(span, local);
    return local;
  }
  spanLocal(span: Span): number | undefined {
    return this.#spanLocals.get(span);
  }
  /** The local of a constant that no instruction of the host can add; undefined where V8 had better make it each time. */
  farConstant(n: number): number | undefined {
    if (n > -(2 ** 31) || this.slots.size > this.target.limits.fewSlots) return undefined;
    let local = this.#farConstants.get(n);
    if (!local) this.#farConstants.set(n, local = this.newLocal(I64));
    return local;
  }
  /**
   * Address of a page cache; undefined when there are too many already. They are not locals: V8 keeps most of these in the frame, and copies them from
   * place to place in every iteration.
   */
  pageCache(key: string): number | undefined {
    let at = this.#pageCaches.get(key);
    if (at === undefined && this.#pageCaches.size < this.target.limits.pageCaches) {
      this.#pageCaches.set(key, at = PAGE_CACHES + PAGE_CACHE_BYTES * this.#pageCaches.size);
    }
    return at;
  }
  /** Calls a function of runtime.ts. */
  callRuntime(name: string): void {
    let i = this.#runtime.indexOf(name);
    if (i < 0) i = this.#runtime.push(name) - 1;
    this.asm.call(IMPORTS + i);
  }

  compile(): RegionCode {
    const a = this.asm;
    a.block("done").block("exit");
    this.tree(0);
    a.end();
    const prologue = this.#prologue(), body = new Asm().append(prologue).append(a.bytes).append(this.#epilogue()).bytes;
    const unlikely = a.unlikely.map((at) => prologue.length + at);
    const bytes = wasmModule(
      [
        { name: "regionHelper", type: { params: [I32, I32], results: [I32] } },
        { name: "fill", type: { params: [I32, I32, I32], results: [I32] } },
        ...["store", "load", "value"].map((name) => ({ name, type: { params: [I32, I32, I32, I32], results: [I32] } })),
      ],
      [
        ...this.#runtime.map((n) => RUNTIME[n]),
        { type: { params: [I32], results: [I32] }, locals: this.#types, body, export: "region", unlikely },
        // Never called: gives the interpreter's type a number.
        { type: { params: [I32, I32], results: [I32] }, locals: [], body: UNREACHABLE },
      ],
      this.target.memoryPages,
      true,
    );
    return { bytes, size: body.length, assumes: this.assumes, pageCaches: this.#pageCaches.size };
  }

  #prologue(): Uint8Array {
    const a = new Asm(), { guard, block } = this.target;
    const verify = () => {
      a.unlikelyIf().i32(0).i32(block).mem(W.i32Store, IP).storeAt(W.i32Store, BUDGET, budget).i32(LEFT.verify).op(W.return).end();
    };
    if (guard) {
      a.at(W.i32Load, guard).at(W.i32Load, CONTEXT).op(W.i32Ne);
      verify();
    }
    for (const [n, slot] of this.assumes.entries()) {
      a.at(W.i64Load, slot).at(W.i64Load32S, slot).op(W.i64Ne);
      if (n > 0) a.op(W.i32Or);
    }
    if (this.assumes.length) verify();
    this.#count(a, W.i64Add);
    for (const [slot, s] of this.slots) if (s.home.atEntry) a.at(s.long && !s.narrow ? W.i64Load : W.i32Load, slot).set(s.local);
    a.at(W.i32Load, TLB).set(tlb).i32(0).i32(block).mem(W.i32Store, CURRENT);
    // The TLB is below 2^32, so the right-hand side is 0; V8 must not know, or it makes `mov` and `add` of what is one `lea`.
    for (const [n, local] of this.#farConstants) i64(a, n).get(tlb).op(W.extU).i64(32).op(W.i64ShrU).op(W.i64Or).set(local);
    for (const at of this.#pageCaches.values()) a.i32(0).i64(0).mem(W.i64Store, at + CACHE_LIMIT);
    return a.bytes;
  }
  /** The budget is added at the entry and what is left of it taken away at the exit. */
  #count(a: Asm, op: number): void {
    const { count } = this.target;
    if (count) a.i32(0).at(W.i64Load, count).get(budget).op(W.extU).op(op).mem(W.i64Store, count);
  }
  writeBack(a: Asm): void {
    for (const [slot, s] of this.slots) if (s.home.kind === "carried") this.storeSlot(a, slot, s);
  }
  /** Stores a slot from its local. */
  storeSlot(a: Asm, slot: number, s: SlotLocal): void {
    if (s.narrow) a.i32(0).get(s.local).op(W.extS).mem(W.i64Store, slot);
    else a.storeAt(s.long ? W.i64Store : W.i32Store, slot, s.local);
  }
  /** Everything is written back; then on by the jump cache, or out. */
  #epilogue(): Uint8Array {
    const a = new Asm(), regionType = IMPORTS + this.#runtime.length;
    this.writeBack(a);
    // "done": the helper of a callEnd has set the pc, and slots that must not be written back.
    a.storeAt(W.i64Store, PC, exitPc);
    // A fault is delivered here: on from its handler.
    a.get(kind).i32(LEFT.fault).op(W.i32Eq).if().i32(-1).get(budget).call(HELPER).set(status);
    a.get(budget).i32(1).op(W.i32Sub).set(budget).at(W.i64Load, PC).set(exitPc);
    a.i32(LEFT.attention).i32(LEFT.lookup).get(status).op(W.select).set(kind).end().op(0x0b);
    this.#count(a, W.i64Sub);
    a.get(kind).i32(LEFT.lookup).op(W.i32Eq).if();
    jumpEntry(a, exitPc, status, entry, this.target.limits);
    a.get(entry).mem(W.i32Load, JUMP_CACHE + 12).tee(entry).mem(W.i32Load16U, 0).i32(UOP.region).op(W.i32Eq).if();
    // Tail calls: to the region, or to the interpreter (element 0 of the table).
    a.get(budget).get(entry).mem(W.i32Load, 8).op(W.returnCallIndirect).u(regionType).u(0).end();
    a.get(entry).get(budget).i32(0).op(W.returnCallIndirect).u(regionType + 1).u(0);
    a.end().end().end();
    return a.storeAt(W.i32Store, BUDGET, budget).get(kind).bytes;
  }

  /** The code of node `x` and of all that it dominates, entered with slots of which only the locals are right. Does not fall through. */
  tree(x: number, late: ReadonlySet<number> = NO_SLOTS): void {
    const a = this.asm, g = this.graph, walk = new Walk(this, x, late);
    if (g.isLoop[x]) {
      walk.hoist();
      a.loop(`n${x}`);
    }
    // Nodes where paths join come behind the blocks that end in front of them, the last one in order outermost.
    const joins = g.children[x].filter((c) => g.joins[c]).sort((p, q) => g.order[q] - g.order[p]);
    for (const j of joins) a.block(`n${j}`);
    walk.emit();
    for (const j of joins.reverse()) {
      a.end();
      this.tree(j);
    }
    if (g.isLoop[x]) a.end();
  }

  /** From node `from` to node `to`, or out to the pc in halves; `late` as for `tree`. Does not fall through. */
  edge(from: number, to: number, pcLo: number, pcHi: number, late: ReadonlySet<number>): void {
    const g = this.graph, open = to >= 0 && this.asm.isOpen(`n${to}`) && (g.joins[to] || g.isLoop[to]);
    if (!open && to >= 0 && !g.joins[to] && g.parent[to] === from && !g.isBack(from, to)) {
      if (!g.isLoop[to]) return this.tree(to, late);
      this.store(late);
      this.tree(to);
    } else if (open) {
      this.store(late);
      this.asm.br(`n${to}`);
    } else this.leave(LEFT.lookup, pcLo, pcHi, late);
  }
  /** Slots that are set by nodes to which only node `x` leads: where nobody sets a slot again, a store that waits only keeps its local alive. */
  setBehind(x: number): ReadonlySet<number> {
    const known = this.#behind[x];
    if (known) return known;
    const { graph } = this, sets = this.#behind[x] = new Set<number>();
    for (const c of graph.children[x]) {
      if (graph.joins[c] || graph.isLoop[c]) continue;
      const { op, lo, count } = this.nodes[c].ir;
      for (let i = 0; i < count; i++) if (op[i] === SET_I || op[i] === SET_L) sets.add(lo[i]);
    }
    return sets;
  }
  /** Stores slots from their locals. */
  store(late: ReadonlySet<number>): void {
    for (const slot of late) this.storeSlot(this.asm, slot, this.slots.get(slot)!);
  }

  /** Writes back and leaves with the pc in halves. */
  leave(reason: number, pcLo: number, pcHi: number, late: ReadonlySet<number>): void {
    this.store(late);
    this.asm.i64(pcLo, pcHi).set(exitPc).i32(reason).set(kind).br("exit");
  }
}

/** The accesses of instructions that reach devices, where they are the only one of theirs and nothing behind them can fail: a device is accessed once. */
function devicesOf(node: RegionNode, isDevice: RegionTarget["isDevice"]): ReadonlySet<number> {
  if (!isDevice) return NO_SLOTS;
  const { op, lo, count } = node.ir, devices = new Set<number>();
  let offset = 0, access = -1, fits = false;
  for (let i = 0; i <= count; i++) {
    if (i === count || op[i] === INSN) {
      if (fits && isDevice(node, offset)) devices.add(access);
      if (i < count) offset = lo[i];
      access = -1;
      fits = false;
    } else if (READS[op[i]] || WRITES[op[i]]) {
      fits = access < 0 && (READS[op[i]] === 1 || op[i + 1] === INSN || op[i + 1] === JUMP);
      access = i;
    } else if (HELPERS[op[i]]) fits = false;
  }
  return devices;
}

/** Pushes a whole number below 2^53 as i64. */
const i64 = (a: Asm, n: number) => a.i64(n | 0, Math.floor(n / 2 ** 32));

/** Writes one node. */
class Walk {
  readonly #a: Asm;
  readonly #node: RegionNode;
  readonly #ir: Ir;
  readonly #uses: Uint16Array;
  /** Index at which a value is last needed, deferred users counted where they are written. */
  readonly #last: Int32Array;
  /** For get and set: the next operation that may write the slot. */
  readonly #nextWrite: Int32Array;
  readonly #deferred: Uint8Array;
  /** Local of a value that has one; 0 when it has none. */
  readonly #local: Int32Array;
  #tempsI = 0;
  #tempsL = 0;
  /** Instructions that are taken off the budget already, the current one included. */
  #left: number;
  /** Of the current instruction, from the node's start. */
  #offset = 0;
  /** A helper of the current instruction may have asked to stop behind it. */
  #mayFinish = false;
  /** Accesses, where addresses are physical. */
  readonly #places: ReadonlyMap<number, Place>;
  /** Sets of each slot so far. */
  readonly #version = new Map<number, number>();

  /** Slots of the kind `through` whose last value is still in the local only: mostly it is replaced before anybody can see it. */
  readonly #late: Set<number>;

  constructor(readonly region: Region, readonly index: number, late: ReadonlySet<number>) {
    this.#late = new Set(late);
    this.#a = region.asm;
    this.#node = region.nodes[index];
    this.#ir = this.#node.ir;
    const n = this.#ir.count;
    this.#uses = new Uint16Array(n);
    this.#last = new Int32Array(n);
    this.#nextWrite = new Int32Array(n);
    this.#deferred = new Uint8Array(n);
    this.#local = new Int32Array(n);
    this.#left = 1;
    this.#places = region.spans?.places[index] ?? new Map();
    this.#analyse();
  }

  #analyse(): void {
    const ir = this.#ir, slotNext = new Map<number, number>(), fuse = !this.region.target.off.has("fuse");
    let barrier = NONE, call = NONE;
    for (let i = ir.count - 1; i >= 0; i--) {
      const op = ir.op[i];
      let at = i;
      if (op === SET_I || op === SET_L || op === GET_I || op === GET_L) {
        this.#nextWrite[i] = Math.min(slotNext.get(ir.lo[i]) ?? NONE, call);
        if (op === SET_I || op === SET_L) slotNext.set(ir.lo[i], i);
      } else if (fuse && PURE[op] && this.#uses[i] === 1 && this.#last[i] <= barrier) {
        this.#deferred[i] = 1;
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
    if (this.#uses[v]++ === 0 || at > this.#last[v]) this.#last[v] = at;
  }

  emit(): void {
    const a = this.#a, ir = this.#ir, { region } = this, node = this.#node;
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      if (op === CONST_I || op === CONST_L || this.#deferred[i]) continue;
      if (op === INSN) {
        this.#checkFinish(ir.lo[i]);
        this.#offset = ir.lo[i];
        if (this.#left === 1) this.#charge(i);
        else this.#left--;
        this.#tempsI = this.#tempsL = 0;
      } else if (op === GET_I || op === GET_L) {
        if (!this.#uses[i] || this.#last[i] <= this.#nextWrite[i]) continue;
        this.#pushSlot(ir.lo[i], op === GET_L);
        this.#keep(i);
      } else if (op === SET_I || op === SET_L) this.#setSlot(i);
      else if (op === TICKS) {
        a.at(W.i64Load, CLOCK).get(budget).i32(this.#left).op(W.i32Add).op(W.extU).op(W.i64Sub);
        this.#keep(i);
      } else if (PURE[op]) {
        if (!this.#uses[i]) continue;
        this.#operation(i);
        this.#keep(i);
      } else if (READS[op] && region.devices[this.index].has(i)) this.#loadDevice(i, op);
      else if (WRITES[op] && region.devices[this.index].has(i)) this.#storeDevice(i, op);
      else if (READS[op]) {
        a.mem(loadOpcode(OPS[op]), this.#address(i, op));
        if (this.#uses[i]) this.#keep(i);
        else a.op(W.drop);
      } else if (WRITES[op]) {
        const { ram } = region.target;
        if (!ram) a.block("stored");
        const offset = this.#address(i, op);
        this.#push(ir.b[i]);
        a.mem(storeOpcode(OPS[op]), offset);
        if (!ram) a.end();
      } else if (op === BRANCH) {
        // What is never taken is left out, and so is what comes behind what always is.
        const always = ir.op[ir.a[i]] === CONST_I;
        if (always && ir.lo[ir.a[i]] === 0) continue;
        if (always) a.block("");
        else {
          this.#push(ir.a[i]);
          a.if();
        }
        this.#refund(this.#left - 1);
        if (this.#mayFinish) this.#finishAt(ir.lo[i], ir.hi[i]);
        region.edge(this.index, node.targets.get(i)!, ir.lo[i], ir.hi[i], this.#late);
        a.end();
        if (always) return void a.op(W.unreachable);
      } else if (op === JUMP) {
        if (this.#mayFinish) this.#finishAt(ir.lo[i], ir.hi[i]);
        region.edge(this.index, node.targets.get(i)!, ir.lo[i], ir.hi[i], this.#late);
      } else if (op === JUMP_TO || op === JUMP_OUT) this.#jumpTo(i);
      else if (op === CALL && region.target.values?.has(ir.lo[i])) this.#value(i);
      else if (op === CALL) {
        this.#call([ir.a[i], ir.b[i], ir.c[i], ir.d[i]], ir.lo[i]);
        this.#late.clear();
        if (this.#uses[i]) {
          a.at(W.i64Load, RESULT);
          this.#keep(i);
        }
      } else if (op === CALL_UNLESS) {
        const result = this.#local[i] = this.#newTemp(true);
        this.#push(ir.b[i]);
        a.set(result);
        this.#push(ir.a[i]);
        a.op(W.i32Eqz).if();
        this.#call([ir.b[i], ir.c[i], ir.d[i], ir.e[i]], ir.lo[i]);
        a.at(W.i64Load, RESULT).set(result).end();
      } else if (op === CALL_END) this.#callEnd([ir.a[i], ir.b[i], ir.c[i], ir.d[i]], ir.lo[i]);
      else if (op === CALL_END_UNLESS) {
        this.#push(ir.a[i]);
        a.op(W.i32Eqz).unlikelyIf();
        this.#callEnd([ir.b[i], ir.c[i], ir.d[i], ir.e[i]], ir.lo[i]);
        a.end();
      } else throw new Error(`jit: cannot compile '${OPS[op].name}'`);
    }
  }

  /**
   * Takes the instructions from the one at operation `i` off the budget: those to the node's end or to a branch back in a loop, which
   * then has nothing to give back. Leaving early gives back what was skipped.
   */
  #charge(i: number): void {
    const a = this.#a, ir = this.#ir, { graph } = this.region;
    let n = 0, back = false;
    for (let k = i; k < ir.count; k++) {
      if (ir.op[k] === INSN && back) break;
      if (ir.op[k] === INSN) n++;
      const to = ir.op[k] === BRANCH ? this.#node.targets.get(k)! : -1;
      back ||= to >= 0 && graph.isBack(this.index, to);
    }
    this.#left = n;
    a.get(budget).i32(n).op(W.i32Sub).tee(budget).i32(0).op(W.i32LtS).unlikelyIf();
    this.#refund(n);
    this.region.leave(LEFT.attention, ...this.#pc(this.#offset), this.#late);
    a.end();
  }
  #refund(n: number): void {
    if (n) this.#a.get(budget).i32(n).op(W.i32Add).set(budget);
  }
  #newTemp(long: boolean): number {
    return this.region.temp(long ? this.#tempsL++ : this.#tempsI++, long);
  }
  /** Takes the value of `i` off the stack into a local. */
  #keep(i: number): void {
    this.#a.set(this.#local[i] = this.#newTemp(LONG[this.#ir.op[i]] === 1));
  }

  /** Pushes a value. */
  #push(v: number): void {
    const ir = this.#ir, op = ir.op[v];
    if (op === CONST_I) this.#a.i32(ir.lo[v]);
    else if (op === CONST_L) this.#a.i64(ir.lo[v], ir.hi[v]);
    else if (this.#local[v]) this.#a.get(this.#local[v]);
    else if (op === GET_I || op === GET_L) this.#pushSlot(ir.lo[v], op === GET_L);
    else this.#operation(v);
  }
  /** Pushes the low half of an i64 value. */
  #pushLow(v: number): void {
    const ir = this.#ir, op = ir.op[v], a = this.#a;
    if (op === CONST_L) a.i32(ir.lo[v]);
    else if (!this.#local[v] && op === GET_L) this.#pushSlot(ir.lo[v], false);
    else if (!this.#local[v] && op === EXT_S) this.#push(ir.a[v]);
    else if (!this.#local[v] && IS_LOW[op]) {
      this.#pushLow(ir.a[v]);
      this.#pushLow(ir.b[v]);
      a.op((OPS[op].wasm as readonly number[])[0]);
    } else {
      this.#push(v);
      a.op(W.wrap);
    }
  }
  /** Pushes the result of a pure operation. */
  #operation(i: number): void {
    const ir = this.#ir, row = OPS[ir.op[i]], a = this.#a;
    const low = COMPARE32[ir.op[i]];
    if (low && (this.#isNarrow(ir.a[i]) || this.#isNarrow(ir.b[i])) && this.#isExtended(ir.a[i]) && this.#isExtended(ir.b[i])) {
      this.#pushLow(ir.a[i]);
      this.#pushLow(ir.b[i]);
      a.op(low);
      return;
    }
    if (ir.op[i] === WRAP) return this.#pushLow(ir.a[i]);
    for (let n = 0; n < row.args.length; n++) {
      const v = n === 0 ? ir.a[i] : n === 1 ? ir.b[i] : ir.c[i];
      if (IS_LOW[ir.op[i]]) this.#pushLow(v);
      else {
        this.#push(v);
        if (row.each) a.op(row.each);
      }
    }
    if (typeof row.wasm === "string") this.region.callRuntime(row.wasm);
    else a.ops(row.wasm!);
  }
  /** Whether an i64 value is the extension of a local of 32 bits. */
  #isNarrow(v: number): boolean {
    return this.#ir.op[v] === GET_L && this.region.slots.get(this.#ir.lo[v])!.narrow;
  }
  /** Whether an i64 value is its own low half, sign-extended, as its operation shows. */
  #isExtended(v: number): boolean {
    const ir = this.#ir, op = ir.op[v];
    return op === CONST_L ? ir.hi[v] === ir.lo[v] >> 31 : EXTENDED[op] === 1 || this.#isNarrow(v);
  }
  #pushSlot(slot: number, long: boolean): void {
    const s = this.region.slots.get(slot)!;
    this.#a.get(s.local);
    if (s.narrow && long) this.#a.op(W.extS);
    else if (s.long && !s.narrow && !long) this.#a.op(W.wrap);
  }
  #setSlot(i: number): void {
    const slot = this.#ir.lo[i], v = this.#ir.a[i], s = this.region.slots.get(slot)!, a = this.#a, long = LONG[this.#ir.op[v]] === 1;
    if (s.long && !long) {
      // Only the low half changes.
      a.get(s.local).i64(0, -1).op(W.i64And);
      this.#push(v);
      a.op(W.extU).op(W.i64Or);
    } else {
      if (s.narrow) this.#pushLow(v);
      else this.#push(v);
    }
    a.set(s.local);
    if (s.home.kind === "through") {
      if (this.#nextWrite[i] !== NONE || this.region.setBehind(this.index).has(slot)) this.#delay(slot);
      else {
        this.region.storeSlot(a, slot, s);
        this.#late.delete(slot);
      }
    }
    this.#version.set(slot, (this.#version.get(slot) ?? 0) + 1);
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

  /** Leaves before the current instruction, which the interpreter then runs. */
  #side(): void {
    this.#refund(this.#left);
    this.region.leave(LEFT.side, ...this.#pc(this.#offset), this.#late);
  }
  /** The same, but with the fault if there is one: if `status` is `fault`. */
  #sideOrFault(fault: number): void {
    const a = this.#a;
    this.#refund(this.#left);
    this.region.store(this.#late);
    a.i64(...this.#pc(this.#offset)).set(exitPc).i32(LEFT.fault).i32(LEFT.side).get(status).i32(fault).op(W.i32Eq).op(W.select).set(kind);
    a.br("exit");
  }
  #pc(offset: number): [number, number] {
    const lo = (this.#node.pcLo >>> 0) + offset;
    return [lo | 0, this.#node.pcHi + (lo > 0xffff_ffff ? 1 : 0)];
  }

  /** Leaves the host address of access `i` on the stack; returns the static offset that belongs to it. */
  #address(i: number, op: number): number {
    const { ram, off } = this.region.target;
    const a = this.#a,
      { size } = OPS[op],
      half = STORES[op] ? TLB_HALF : 0,
      v = this.#ir.a[i];
    const free = off.has("free") ? undefined : ram?.free, writes = this.#places.get(i)?.span.stores;
    if (ram && !off.has("physical") && (free || !writes)) return this.#physical(i, ram, writes ? free : undefined);
    this.#push(v);
    a.set(va);
    const cache = off.has("pages") ? undefined : this.region.pageCache(this.#pageKey(v, half));
    if (cache === undefined) {
      this.#lookUp(half, size!, size!, i);
      a.get(va).op(W.wrap).get(entry).mem(W.i32Load, half + 8).op(W.i32Add);
      return 0;
    }
    // How far the first byte is behind the page's start, so that what begins in front of the page is as far away as what begins behind it.
    a.get(va).at(W.i64Load, cache).op(W.i64Sub).at(W.i64Load, cache + CACHE_LIMIT).op(W.i64GeU).unlikelyIf();
    this.#lookUp(half, size!, size!, i);
    a.i32(0).get(va).i64(-PAGE).op(W.i64And).mem(W.i64Store, cache).i32(0).i64(CACHED).mem(W.i64Store, cache + CACHE_LIMIT);
    a.i32(0).get(entry).mem(W.i32Load, half + 8).mem(W.i32Store, cache + CACHE_ADDEND).end();
    a.get(va).op(W.wrap).at(W.i32Load, cache + CACHE_ADDEND).op(W.i32Add);
    return 0;
  }
  /** Pushes the page of the last of `length` bytes at `va`. */
  #page(length: number): void {
    this.#a.get(va);
    if (length > 1) this.#a.i64(length - 1).op(W.i64Add);
    this.#a.i64(-PAGE).op(W.i64And);
  }
  /**
   * Sets `entry` to the TLB entry of `length` bytes at `va`, which an access of `size` bytes asks for; what is in no page alone is the interpreter's:
   * the entry is the first byte's, where no page behind that one has its place, and its tag has to be the last byte's page.
   * `own`: the access, if `va` is its own address, so that what faults there is the current instruction; else -1.
   */
  #lookUp(half: number, size: number, length: number, own: number): void {
    const a = this.#a;
    a.get(va).op(W.wrap).i32(8).op(W.i32ShrU).i32((this.region.target.limits.tlbEntries - 1) << 4).op(W.i32And).get(tlb).op(W.i32Add).tee(
      entry,
    );
    a.mem(W.i64Load, half);
    this.#page(length);
    a.op(W.i64Ne).unlikelyIf();
    if (own >= 0 && this.#storeMissed(own, size)) return void a.end();
    a.get(va).op(W.wrap).get(va).i64(32).op(W.i64ShrU).op(W.wrap).i32((half ? 1 : 0) | size << 1).call(FILL).tee(status);
    a.i32(1).op(W.i32Ne).get(entry).mem(W.i64Load, half);
    this.#page(length);
    a.op(W.i64Ne).op(W.i32Or).unlikelyIf();
    if (own >= 0) this.#sideOrFault(2);
    else this.#side();
    a.end().end();
  }
  /**
   * Behind a TLB miss of store `i`: it is done without leaving the region, be it to a page whose writes are looked at. That is for instructions
   * that end with the store, where it is known how to go on; false for others.
   */
  #storeMissed(i: number, size: number): boolean {
    const next = this.#ir.op[i + 1];
    if (!WRITES[this.#ir.op[i]] || this.region.target.ram || this.#mayFinish || (next !== INSN && next !== JUMP)) return false;
    this.#callStore(i, size);
    return true;
  }
  /** Has the store `i`, of which its instruction is done, made by STORE; its address is in `va`. */
  #callStore(i: number, size: number): void {
    const a = this.#a, ir = this.#ir, next = ir.op[i + 1], value = ir.b[i];
    a.i32(0);
    this.#push(value);
    if (!LONG[ir.op[value]]) a.op(W.extU);
    a.mem(W.i64Store, RESULT).get(va).op(W.wrap).get(va).i64(32).op(W.i64ShrU).op(W.wrap).i32(size);
    a.get(budget).i32(this.#left).op(W.i32Add).call(STORE).tee(status).op(W.i32Eqz).brIf("stored");
    a.get(status).i32(2).op(W.i32Eq).if();
    this.#refund(this.#left - 1);
    const pc = next === INSN ? this.#pc(ir.lo[i + 1]) : [ir.lo[i + 1], ir.hi[i + 1]] as const;
    this.region.leave(LEFT.attention, ...pc, this.#late);
    a.end();
    this.#sideOrFault(1);
  }
  /** Sets `va` to the address of access `i`; begins an if for what is in memory that the TLB has. */
  #ifInMemory(i: number, half: number, size: number): void {
    const a = this.#a;
    this.#push(this.#ir.a[i]);
    a.tee(va).op(W.wrap).i32(8).op(W.i32ShrU).i32((this.region.target.limits.tlbEntries - 1) << 4).op(W.i32And).get(tlb).op(W.i32Add).tee(
      entry,
    ).mem(
      W.i64Load,
      half,
    );
    this.#page(size);
    a.op(W.i64Eq).if();
  }
  /** A store that was seen to reach a device. */
  #storeDevice(i: number, op: number): void {
    const a = this.#a, { size } = OPS[op];
    a.block("stored");
    this.#ifInMemory(i, TLB_HALF, size!);
    a.get(va).op(W.wrap).get(entry).mem(W.i32Load, TLB_HALF + 8).op(W.i32Add);
    this.#push(this.#ir.b[i]);
    a.mem(storeOpcode(OPS[op]), 0).br("stored").end();
    this.#callStore(i, size!);
    a.end();
  }
  /** A load that was, and is the last thing of its instruction that can fail. */
  #loadDevice(i: number, op: number): void {
    const a = this.#a, row = OPS[op], long = row.result === "l", { size, signed } = row, value = this.#local[i] = this.#newTemp(long);
    this.#ifInMemory(i, 0, size!);
    a.get(va).op(W.wrap).get(entry).mem(W.i32Load, 8).op(W.i32Add).mem(loadOpcode(row), 0).set(value).else();
    a.get(va).op(W.wrap).get(va).i64(32).op(W.i64ShrU).op(W.wrap).i32(size!).get(budget).i32(this.#left).op(W.i32Add).call(LOAD);
    if (signed && size! < 4) a.ops(OPS[OP[size === 1 ? "ext8S.i" : "ext16S.i"]].wasm as readonly number[]);
    if (long) a.op(signed ? W.extS : W.extU);
    if (size === 8) a.at(W.i64Load32U, RESULT + 4).i64(32).op(W.i64Shl).op(W.i64Or);
    a.set(value);
    this.#afterValue(() => this.#sideOrFault(1));
    a.end();
  }
  /** A helper that changes no slot. */
  #value(i: number): void {
    const a = this.#a, ir = this.#ir, { region } = this;
    region.store(this.#late);
    this.#late.clear();
    region.writeBack(a);
    a.i32(ir.lo[i]);
    for (const v of [ir.a[i], ir.b[i]]) {
      if (v < 0) a.i32(0);
      else this.#pushLow(v);
    }
    a.get(budget).i32(this.#left).op(W.i32Add).call(VALUE).op(W.extU);
    this.#keep(i);
    this.#afterValue(() => this.#side());
  }
  /** Looks at ANSWER. */
  #afterValue(fault: () => void): void {
    const a = this.#a;
    a.at(W.i32Load, ANSWER).tee(status).unlikelyIf().get(status).i32(1).op(W.i32Eq).unlikelyIf();
    fault();
    a.end().i32(1).set(finish).end();
    this.#mayFinish = true;
  }
  /** The address is physical: mostly all that the access's span reaches is in RAM, in its part without code if the span has stores. */
  #physical(i: number, ram: PhysicalRam, free: PhysicalRam["free"]): number {
    const a = this.#a, { span, offset } = this.#places.get(i)!, start = free?.from ?? 0;
    const known = this.region.spanLocal(span);
    if (known !== undefined) {
      a.get(known);
      return offset - span.low;
    }
    const fixed = this.#constant(span.base) - ram.base - start;
    if (fixed >= 0 && fixed + span.high <= (free?.length ?? ram.length)) {
      a.i32(ram.offset + start + fixed);
      return 0;
    }
    const index = span.count > 1 ? this.region.newSpanLocal(span) : status;
    this.#check(span, ram, free, index);
    a.get(index);
    return offset - span.low;
  }
  /** In front of a loop: checks spans whose bases the loop does not change. Where one fails, the interpreter begins with the loop. */
  hoist(): void {
    const { spans, target: { ram, off } } = this.region, free = off.has("free") ? undefined : ram?.free;
    if (!ram || off.has("physical")) return;
    this.#left = 0;
    for (const [span, slot] of spans!.hoisted[this.index]) {
      if (free || !span.stores) this.#check(span, ram, span.stores ? free : undefined, this.region.newSpanLocal(span), slot);
    }
    this.#left = 1;
  }
  /** Sets `index` to where a span's first byte is in the linear memory; its base is a value, or what `slot` holds. */
  #check(span: Span, ram: PhysicalRam, free: PhysicalRam["free"], index: number, slot?: number): void {
    const a = this.#a, start = free?.from ?? 0, half = span.stores ? TLB_HALF : 0;
    // How far the span's first byte is behind the RAM's byte `start`; or, where that is the least i32, the base itself: a signed comparison
    // then says that it is in front of the RAM's end.
    const { narrow } = span,
      distance = narrow ? entry : va,
      first = ram.base + start,
      signed = narrow && first === 2 ** 31 && span.low >= 0;
    const zero = signed ? span.low : first;
    const add = (n: number) => n === 0 ? a : narrow ? a.i32(n).op(W.i32Add) : i64(a, n).op(W.i64Add);
    if (slot !== undefined) this.#pushSlot(slot, !narrow);
    else if (narrow) this.#pushNarrow(span.base);
    else this.#push(span.base);
    const far = narrow ? undefined : this.region.farConstant(span.low - first);
    if (far) a.get(far).op(W.i64Add);
    else add(span.low - zero);
    a.tee(distance);
    const bytes = free?.length ?? ram.length, length = span.high - span.low;
    const most = (narrow ? Math.min(bytes, 2 ** 32 - first) : bytes) - (signed ? span.high : length);
    if (most < 0) a.op(W.drop).i32(1);
    else if (signed) a.i32(first + most).op(W.i32GtS);
    else if (narrow) a.i32(most).op(W.i32GtU);
    else i64(a, most).op(W.i64GtU);
    const inRam = () => {
      a.get(distance);
      if (!narrow) a.op(W.wrap);
      a.i32(ram.offset + start + zero - first).op(W.i32Add).set(index);
    };
    a.unlikelyIf();
    if (ram.only && !span.stores) {
      // V8 unrolls loops only while they are small and call nothing.
      this.#side();
      a.end();
      inRam();
    } else {
      // Elsewhere: other memory, or a page with code. The TLB knows.
      a.get(distance);
      add(zero);
      if (narrow) a.op(W.extU);
      a.set(va);
      this.#lookUp(half, span.size, length, -1);
      a.get(va).op(W.wrap).get(entry).mem(W.i32Load, half + 8).op(W.i32Add).set(index).else();
      inRam();
      a.end();
    }
  }
  /** An i64 value that is a constant below 2^53; else NaN. */
  #constant(v: number): number {
    const ir = this.#ir;
    return ir.op[v] === CONST_L && ir.hi[v] >>> 21 === 0 ? ir.hi[v] * 2 ** 32 + (ir.lo[v] >>> 0) : NaN;
  }
  /** Pushes the low half of an address whose upper half is 0. */
  #pushNarrow(v: number): void {
    const ir = this.#ir, op = ir.op[v];
    if (this.#deferred[v] && op === EXT_U) this.#push(ir.a[v]);
    else if (this.#deferred[v] && op === EA32) {
      this.#push(ir.a[v]);
      this.#push(ir.b[v]);
      this.#a.op(W.i32Add);
    } else {
      this.#push(v);
      if (LONG[op]) this.#a.op(W.wrap);
    }
  }
  /** Accesses that probably stay in one page share a cache: those off one base register that is not set in between. */
  #pageKey(v: number, half: number): string {
    const ir = this.#ir, op = ir.op[v];
    if (op === CONST_L) return `${half} ${ir.hi[v]} ${ir.lo[v] & -PAGE}`;
    const base = op === ADD_L || op === EA32 ? ir.a[v] : v, got = ir.op[base];
    if (got !== GET_I && got !== GET_L) return `${half} ${this.index} ${v}`;
    const slot = ir.lo[base];
    if (this.region.slots.get(slot)!.moves <= 2) return `${half} s${slot}`;
    return `${half} s${slot} ${this.index} ${this.#version.get(slot) ?? 0}`;
  }

  #jumpTo(i: number): void {
    const a = this.#a, { region } = this;
    this.#push(this.#ir.a[i]);
    a.set(exitPc);
    region.store(this.#late);
    if (this.#mayFinish) a.get(finish).unlikelyIf().i32(LEFT.attention).set(kind).br("exit").end();
    for (const r of region.graph.returnsOf(this.index)) {
      const target = region.nodes[r];
      a.get(exitPc).i64(target.pcLo, target.pcHi).op(W.i64Eq).if();
      region.edge(this.index, r, target.pcLo, target.pcHi, NO_SLOTS);
      a.end();
    }
    a.i32(LEFT.lookup).set(kind).br("exit");
  }

  /** Puts arguments into their slots, writes back, calls, and reads back: a helper may look at any slot. */
  #call(args: readonly number[], helper: number): void {
    const a = this.#a, { region } = this;
    this.#arguments(args);
    region.store(this.#late);
    region.writeBack(a);
    a.i32(helper).get(budget).i32(this.#left).op(W.i32Add).call(HELPER).tee(status).unlikelyIf();
    // A fault happens again when the interpreter runs the instruction.
    a.get(status).i32(1).op(W.i32Eq).unlikelyIf();
    this.#side();
    a.end().i32(1).set(finish).end();
    for (const [slot, s] of region.slots) a.at(s.long ? W.i64Load : W.i32Load, slot).set(s.local);
    this.#mayFinish = true;
  }
  #arguments(args: readonly number[]): void {
    for (const [n, v] of args.entries()) {
      if (v < 0) continue;
      this.#a.i32(0);
      this.#push(v);
      this.#a.mem(W.i64Store, ARG + 8 * n);
    }
  }
  /** Behind an instruction with a call: stops before the next one, `offset` bytes from the node's start, if its helper asked for it. */
  #checkFinish(offset: number): void {
    if (!this.#mayFinish) return;
    this.#mayFinish = false;
    const a = this.#a.get(finish).unlikelyIf();
    this.#refund(this.#left - 1);
    this.region.leave(LEFT.attention, ...this.#pc(offset), this.#late);
    a.end();
  }
  /** The same where the instruction jumps. */
  #finishAt(pcLo: number, pcHi: number): void {
    this.#a.get(finish).unlikelyIf();
    this.region.leave(LEFT.attention, pcLo, pcHi, this.#late);
    this.#a.end();
  }

  /** The helper sets the pc; if it asks for nothing, on from there. */
  #callEnd(args: readonly number[], helper: number): void {
    const a = this.#a, { region } = this;
    this.#arguments(args);
    region.store(this.#late);
    region.writeBack(a);
    a.i32(helper).get(budget).i32(this.#left).op(W.i32Add).call(HELPER).tee(status).i32(1).op(W.i32Eq).unlikelyIf();
    this.#side();
    a.end();
    this.#refund(this.#left - 1);
    // The helper may have changed any slot: nothing is written back again. An earlier helper of this instruction may have asked for attention.
    a.at(W.i64Load, PC).set(exitPc).i32(LEFT.attention).i32(LEFT.lookup).get(status);
    if (this.#mayFinish) a.get(finish).op(W.i32Or);
    a.op(W.select).set(kind).br("done");
  }
}
