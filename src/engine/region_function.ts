// What the nodes of one compiled region share: its function with locals, prologue and ways out, and what its passes have found.
import { BUDGET, CACHE_LIMIT, CONTEXT, CURRENT, IP, JUMP_CACHE, PAGE_CACHE_BYTES, PAGE_CACHES, PC, TLB } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";
import { HELPERS, INSN, JUMP, READS, SET_I, SET_L, WRITES } from "../ir/ops.ts";
import { verifyIr } from "../ir/verify.ts";
import { Graph } from "./graph.ts";
import { jumpEntry, LEFT } from "./interpreter.ts";
import type { JitOption } from "./jit_options.ts";
import { extend, narrowSlots } from "./passes/extend.ts";
import { fold } from "./passes/fold.ts";
import { findSpans, type Span, type SpanPlan } from "./passes/spans.ts";
import type { RegionNode } from "./region.ts";
import { RUNTIME } from "./runtime.ts";
import { type SlotHome, slotHomes, SlotTable } from "./slots.ts";
import { UOP } from "./uops.ts";
import { Asm, I32, I64, UNREACHABLE, W, wasmModule } from "./wasm.ts";

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
export const HELPER = 0;
/** fill(address low, high, 1 for writing + 2 * bytes) -> 1 when the TLB has the page now, 2 when the access faults, else 0. */
export const FILL = 1;
/**
 * store(address low, high, bytes, instructions left including the running one) -> 0 when it is done, 1 when it faults, 2 when it is done and the
 * region has to be left, 3 when the interpreter must do it; the value is in RESULT.
 */
export const STORE = 2;
/**
 * load(address low, high, bytes, instructions left including the running one) -> low half of what a load finds, wherever that is; the upper half is in
 * RESULT, and in ANSWER whether it faults or the region has to be left behind the instruction.
 */
export const LOAD = 3;
/** value(helper, a, b, instructions left including the running one) -> see Helper.value in frontend.ts. */
export const VALUE = 4;
/** Functions that are imported. */
export const IMPORTS = 5; // Parameter and fixed locals.
export const budget = 0, tlb = 1, exitPc = 2, kind = 3, va = 4, entry = 5, status = 6, finish = 7;

export const NO_SLOTS: ReadonlySet<number> = new Set();
/** Pushes a whole number below 2^53 as i64. */
export const i64 = (a: Asm, n: number): Asm => a.i64(n | 0, Math.floor(n / 2 ** 32));

export interface SlotLocal {
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
/** The function of one region. */
export class RegionFunction {
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

  /** The module, when all nodes are written. */
  module(): RegionCode {
    const a = this.asm, prologue = this.#prologue(), body = new Asm().append(prologue).append(a.bytes).append(this.#epilogue()).bytes;
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
