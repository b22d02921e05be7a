// Loads and stores of one node of a region: where addresses are physical, checks of spans against the RAM; else page caches and the TLB; and
// accesses that were seen to reach devices.
import { CACHE_ADDEND, CACHE_LIMIT, PAGE, RESULT, TLB_HALF } from "../ir/layout.ts";
import { ADD_L, CONST_L, EA32, GET_I, GET_L, INSN, JUMP, LONG, OP, OPS, STORES, WRITES } from "../ir/ops.ts";
import { LEFT, loadOpcode, storeOpcode } from "./interpreter.ts";
import type { NodeExits } from "./node_exits.ts";
import type { NodeValues } from "./node_values.ts";
import type { Place, Span } from "./passes/spans.ts";
import { budget, entry, FILL, i64, LOAD, type PhysicalRam, type RegionFunction, status, STORE, tlb, va } from "./region_function.ts";
import { type Asm, W } from "./wasm.ts";

/** The limit of a page cache that has a page: an access that begins below it ends in the page, whatever its size. */
const CACHED = PAGE - 7;

export class NodeAccesses {
  readonly region: RegionFunction;
  readonly #a: Asm;
  /** Accesses, where addresses are physical. */
  readonly #places: ReadonlyMap<number, Place>;

  constructor(readonly values: NodeValues, readonly exits: NodeExits) {
    const region = this.region = values.region;
    this.#a = region.asm;
    this.#places = region.spans?.places[values.index] ?? new Map();
  }

  load(i: number): void {
    const { values } = this, op = values.ir.op[i];
    if (this.region.devices[values.index].has(i)) return this.#loadDevice(i, op);
    this.#a.mem(loadOpcode(OPS[op]), this.#address(i, op));
    if (values.uses[i]) values.keep(i);
    else this.#a.op(W.drop);
  }
  store(i: number): void {
    const { values, region } = this, op = values.ir.op[i], { ram } = region.target, a = this.#a;
    if (region.devices[values.index].has(i)) return this.#storeDevice(i, op);
    if (!ram) a.block("stored");
    const offset = this.#address(i, op);
    values.push(values.ir.b[i]);
    a.mem(storeOpcode(OPS[op]), offset);
    if (!ram) a.end();
  }

  /** Leaves the host address of access `i` on the stack; returns the static offset that belongs to it. */
  #address(i: number, op: number): number {
    const { ram, off } = this.region.target, a = this.#a, { size } = OPS[op], half = STORES[op] ? TLB_HALF : 0, v = this.values.ir.a[i];
    const free = off.has("free") ? undefined : ram?.free, writes = this.#places.get(i)?.span.stores;
    if (ram && !off.has("physical") && (free || !writes)) return this.#physical(i, ram, writes ? free : undefined);
    this.values.push(v);
    a.set(va);
    const cache = off.has("pages") ? undefined : this.region.pageCache(this.#pageKey(v, half));
    if (cache === undefined) {
      this.#lookUp(half, size!, size!, i);
      this.#hostAddress(half);
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
  /** Accesses that probably stay in one page share a cache: those off one base register that is not set in between. */
  #pageKey(v: number, half: number): string {
    const { ir, index } = this.values, op = ir.op[v];
    if (op === CONST_L) return `${half} ${ir.hi[v]} ${ir.lo[v] & -PAGE}`;
    const base = op === ADD_L || op === EA32 ? ir.a[v] : v, got = ir.op[base];
    if (got !== GET_I && got !== GET_L) return `${half} ${index} ${v}`;
    const slot = ir.lo[base];
    if (this.region.slots.get(slot)!.moves <= 2) return `${half} s${slot}`;
    return `${half} s${slot} ${index} ${this.values.versionOf(slot)}`;
  }

  // --- through the TLB, of the address in `va`

  /** Pushes the address in halves. */
  #pushAddress(): Asm {
    return this.#a.get(va).op(W.wrap).get(va).i64(32).op(W.i64ShrU).op(W.wrap);
  }
  /** Makes the address on the stack its TLB entry, which `entry` holds, too. */
  #toEntry(): Asm {
    const mask = (this.region.target.limits.tlbEntries - 1) << 4;
    return this.#a.op(W.wrap).i32(8).op(W.i32ShrU).i32(mask).op(W.i32And).get(tlb).op(W.i32Add).tee(entry);
  }
  /** Pushes where the address is in the linear memory, by the entry. */
  #hostAddress(half: number): Asm {
    return this.#a.get(va).op(W.wrap).get(entry).mem(W.i32Load, half + 8).op(W.i32Add);
  }
  /** Pushes the page of the last of `length` bytes. */
  #page(length: number): void {
    this.#a.get(va);
    if (length > 1) this.#a.i64(length - 1).op(W.i64Add);
    this.#a.i64(-PAGE).op(W.i64And);
  }
  /**
   * Sets `entry` to the TLB entry of `length` bytes, which an access of `size` bytes asks for; what is in no page alone is the interpreter's:
   * the entry is the first byte's, where no page behind that one has its place, and its tag has to be the last byte's page.
   * `own`: the access, if `va` is its own address, so that what faults there is the current instruction; else -1.
   */
  #lookUp(half: number, size: number, length: number, own: number): void {
    const a = this.#a, { exits } = this;
    a.get(va);
    this.#toEntry().mem(W.i64Load, half);
    this.#page(length);
    a.op(W.i64Ne).unlikelyIf();
    if (own >= 0 && this.#storeMissed(own, size)) return void a.end();
    this.#pushAddress().i32((half ? 1 : 0) | size << 1).call(FILL).tee(status);
    a.i32(1).op(W.i32Ne).get(entry).mem(W.i64Load, half);
    this.#page(length);
    a.op(W.i64Ne).op(W.i32Or).unlikelyIf();
    if (own >= 0) exits.sideOrFault(2);
    else exits.side();
    a.end().end();
  }
  /**
   * Behind a TLB miss of store `i`: it is done without leaving the region, be it to a page whose writes are looked at. That is for instructions
   * that end with the store, where it is known how to go on; false for others.
   */
  #storeMissed(i: number, size: number): boolean {
    const { ir } = this.values, next = ir.op[i + 1];
    if (!WRITES[ir.op[i]] || this.region.target.ram || this.exits.mayFinish || (next !== INSN && next !== JUMP)) return false;
    this.#callStore(i, size);
    return true;
  }
  /** Has the store `i`, of which its instruction is done, made by STORE. */
  #callStore(i: number, size: number): void {
    const a = this.#a, { values, exits } = this, { ir } = values, next = ir.op[i + 1], value = ir.b[i];
    a.i32(0);
    values.push(value);
    if (!LONG[ir.op[value]]) a.op(W.extU);
    a.mem(W.i64Store, RESULT);
    this.#pushAddress().i32(size).get(budget).i32(exits.left).op(W.i32Add).call(STORE).tee(status).op(W.i32Eqz).brIf("stored");
    a.get(status).i32(2).op(W.i32Eq).if();
    exits.refund(exits.left - 1);
    const pc = next === INSN ? exits.pc(ir.lo[i + 1]) : [ir.lo[i + 1], ir.hi[i + 1]] as const;
    exits.leave(LEFT.attention, ...pc);
    a.end();
    exits.sideOrFault(1);
  }

  // --- devices

  /** Sets `va` to the address of access `i`; begins an if for what is in memory that the TLB has. */
  #ifInMemory(i: number, half: number, size: number): void {
    this.values.push(this.values.ir.a[i]);
    this.#a.tee(va);
    this.#toEntry().mem(W.i64Load, half);
    this.#page(size);
    this.#a.op(W.i64Eq).if();
  }
  /** A store that was seen to reach a device. */
  #storeDevice(i: number, op: number): void {
    const a = this.#a, { size } = OPS[op];
    a.block("stored");
    this.#ifInMemory(i, TLB_HALF, size!);
    this.#hostAddress(TLB_HALF);
    this.values.push(this.values.ir.b[i]);
    a.mem(storeOpcode(OPS[op]), 0).br("stored").end();
    this.#callStore(i, size!);
    a.end();
  }
  /** A load that was, and is the last thing of its instruction that can fail. */
  #loadDevice(i: number, op: number): void {
    const a = this.#a, { exits } = this, row = OPS[op], long = row.result === "l", { size, signed } = row;
    const value = this.values.newLocal(i, long);
    this.#ifInMemory(i, 0, size!);
    this.#hostAddress(0).mem(loadOpcode(row), 0).set(value).else();
    this.#pushAddress().i32(size!).get(budget).i32(exits.left).op(W.i32Add).call(LOAD);
    if (signed && size! < 4) a.ops(OPS[OP[size === 1 ? "ext8S.i" : "ext16S.i"]].wasm as readonly number[]);
    if (long) a.op(signed ? W.extS : W.extU);
    if (size === 8) a.at(W.i64Load32U, RESULT + 4).i64(32).op(W.i64Shl).op(W.i64Or);
    a.set(value);
    exits.afterValue(() => exits.sideOrFault(1));
    a.end();
  }

  // --- physical addresses

  /** Mostly all that the access's span reaches is in RAM, in its part without code if the span has stores. */
  #physical(i: number, ram: PhysicalRam, free: PhysicalRam["free"]): number {
    const a = this.#a, { span, offset } = this.#places.get(i)!, start = free?.from ?? 0;
    const known = this.region.spanLocal(span);
    if (known !== undefined) {
      a.get(known);
      return offset - span.low;
    }
    const fixed = this.values.constant(span.base) - ram.base - start;
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
    this.exits.left = 0;
    for (const [span, slot] of spans!.hoisted[this.values.index]) {
      if (free || !span.stores) this.#check(span, ram, span.stores ? free : undefined, this.region.newSpanLocal(span), slot);
    }
    this.exits.left = 1;
  }
  /** Sets `index` to where a span's first byte is in the linear memory; its base is a value, or what `slot` holds. */
  #check(span: Span, ram: PhysicalRam, free: PhysicalRam["free"], index: number, slot?: number): void {
    const a = this.#a, start = free?.from ?? 0, half = span.stores ? TLB_HALF : 0, { narrow } = span, { values } = this;
    // How far the span's first byte is behind the RAM's byte `start`; or, where that is the least i32, the base itself: a signed comparison
    // then says that it is in front of the RAM's end.
    const distance = narrow ? entry : va, first = ram.base + start, signed = narrow && first === 2 ** 31 && span.low >= 0;
    const zero = signed ? span.low : first;
    const add = (n: number) => n === 0 ? a : narrow ? a.i32(n).op(W.i32Add) : i64(a, n).op(W.i64Add);
    if (slot !== undefined) values.pushSlot(slot, !narrow);
    else if (narrow) values.pushNarrow(span.base);
    else values.push(span.base);
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
      this.exits.side();
      a.end();
      inRam();
    } else {
      // Elsewhere: other memory, or a page with code. The TLB knows.
      a.get(distance);
      add(zero);
      if (narrow) a.op(W.extU);
      a.set(va);
      this.#lookUp(half, span.size, length, -1);
      this.#hostAddress(half).set(index).else();
      inRam();
      a.end();
    }
  }
}
