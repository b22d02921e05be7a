// IR of a block -> micro-ops: chooses fused micro-ops, lets operands be slots wherever nothing intervenes, and writes them into the arena.
// HOT: no bigint, no closures, no allocation.
import { Builder } from "../ir/builder.ts";
import { ARG, PAGE, RESULT, TEMP, TEMPS, ZERO } from "../ir/layout.ts";
import * as ops from "../ir/ops.ts";
import { Liveness, type LivenessRules } from "./liveness.ts";
import { BRANCHES, BY_IMMEDIATE, CONSTANT, IMMEDIATE, JUMPS, KIND_BITS, MAX_RELOCATIONS, Templates, WORDS } from "./memo.ts";
import { H_COUNT, H_FLAGS, H_HEAT, H_PC, HEADER_BYTES, UOP, UOP_BYTES } from "./uops.ts";
import * as uops from "./uops.ts";

// Constants of this module: V8 makes them part of the code, and looks imported ones up each time (2 % of what rewrites its code).
const {
  ADD_L,
  ARITY,
  BARRIER,
  BRANCH,
  CALL,
  CALL_END,
  CALL_END_UNLESS,
  CALL_UNLESS,
  COMMUTES,
  CONST_I,
  CONST_L,
  GET_I,
  GET_L,
  HELPERS,
  INSN,
  JUMP,
  JUMP_OUT,
  JUMP_TO,
  LONG,
  OPS,
  PURE,
  READS,
  SET_I,
  SET_L,
  TICKS,
  WRAP,
  WRITES,
} = ops;
const { FUSED_UOP, PURE_UOP, ROOT } = uops;
const MOVE_I = UOP["move.i"], MOVE_L = UOP["move.l"];
/** Nothing is computed behind a store that can be in front of it. */
const LIVENESS: LivenessRules = {
  barrier: BARRIER.map((barrier, op) => barrier | WRITES[op]),
  clobbers: HELPERS,
  alias: WRAP,
  defer: true,
  fused: FUSED_UOP,
  fusedRow: ROOT,
};

/** Small constants have places for their literals: -SMALL..SMALL-1, 8 bytes each. */
export const SMALL = 2048;

export class Selector {
  readonly #live = new Liveness(Builder.CAPACITY, LIVENESS);
  /** Where a value is. */
  readonly #loc = new Int32Array(Builder.CAPACITY);
  /** Branches and their jumps: the branch's micro-op, the jump's target (halves), `left` behind the branch's instruction. */
  readonly #stubs = new Int32Array(4 * 256);
  #stubCount = 0;
  readonly templates: Templates;
  /** Of the instruction that is to be remembered: its first micro-op, and what of it depends on the pc. */
  #learnFrom = 0;
  readonly #relocations = new Int32Array(2 * MAX_RELOCATIONS);
  /** -1: nothing is remembered. */
  #relocationCount = -1;
  /** What it is built with in place of its immediate; 0: it has its own. Stubs before it. */
  #standIn = 0;
  #learnStubs = 0;
  readonly #u16: Uint16Array;
  readonly #i32: Int32Array;
  #ir!: Builder;
  /** Address of the next micro-op, and the number of instructions from the current one to the end. */
  #at = 0;
  #left = 0;
  #pcOffset = 0;
  #temp = TEMP;

  /**
   * @param smallLiterals address of the table of small constants (2 * SMALL entries of 8 bytes)
   * @param literalAt address behind the literal arena; moves down
   * @param memos instructions that are remembered
   */
  constructor(buffer: ArrayBuffer, readonly smallLiterals: number, public literalAt: number, memos: number) {
    this.templates = new Templates(memos);
    this.#u16 = new Uint16Array(buffer);
    this.#i32 = new Int32Array(buffer);
  }

  #literalInto(address: number, lo: number, hi: number): void {
    this.#i32[address >> 2] = lo;
    this.#i32[(address >> 2) + 1] = hi;
  }

  /** Writes the block's header and micro-ops at `at` (a multiple of 16); returns the address after them. The first micro-op is at `at + HEADER_BYTES`. `heat`: after how many instructions the interpreter reports it hot; 0 never. */
  select(ir: Builder, at: number, heat = 0): number {
    this.#ir = ir;
    // Where instructions are remembered, they do not depend on each other: only those that are not known yet are looked at, one by one.
    const apart = ir.memo !== undefined, live = this.#live, { uses, deferred } = live;
    if (!apart) live.analyse(ir, 0, ir.count);
    const first = at + HEADER_BYTES;
    this.#literalInto(first + H_PC, ir.startLo, ir.startHi);
    this.#u16[(first + H_COUNT) >> 1] = ir.insns;
    this.#u16[(first + H_FLAGS) >> 1] = 0;
    this.#i32[(first + H_HEAT) >> 2] = heat;
    this.#at = first;
    this.#left = ir.insns + 1;
    this.#stubCount = 0;
    this.#relocationCount = -1;
    this.#standIn = 0;
    let insnStart = first, begun = -1;
    for (let i = 0; i < ir.count; i++) {
      const op = ir.op[i];
      if (op === INSN) {
        if (this.#relocationCount >= 0) this.#learn(begun, false);
        if (begun >= 0 && this.#at === insnStart) this.#emit(UOP.nop, 0, 0, 0, 0);
        begun = i;
        this.#left--;
        this.#pcOffset = ir.lo[i];
        this.#temp = TEMP;
        insnStart = this.#at;
        if (!apart) continue;
        if (ir.a[i] !== 0) {
          this.#recall(ir.a[i], ir.c[i]);
          continue;
        }
        let end = i + 1;
        while (end < ir.count && ir.op[end] !== INSN) end++;
        live.analyse(ir, i + 1, end);
        if (ir.b[i] !== 0) {
          this.#relocationCount = 0;
          this.#learnFrom = insnStart;
          this.#standIn = ir.d[i];
          this.#learnStubs = this.#stubCount;
        }
      } else if (op === JUMP) {
        if (ir.c[i] === 0) this.#relocate(this.#at, JUMPS, ir.b[i]);
        if (this.#relocationCount >= 0 && this.#learn(begun, ir.c[i] === 0) && ir.c[i] === 0) continue;
        this.#left--;
        this.#jump(ir.lo[i], ir.hi[i]);
      } else if (op === CONST_I || op === CONST_L || deferred[i]) continue;
      else if (op === SET_I || op === SET_L) {
        const v = ir.a[i];
        if (this.#folded(i, v)) continue;
        this.#emit(op === SET_L ? MOVE_L : MOVE_I, ir.lo[i], 0, 0, this.#b(v));
      } else if (op === GET_I || op === GET_L) {
        if (!uses[i]) continue;
        if (live.isInSlot(i)) this.#loc[i] = ir.lo[i];
        else this.#emit(op === GET_L ? MOVE_L : MOVE_I, this.#loc[i] = this.#newTemp(), 0, 0, ir.lo[i]);
      } else if (op === TICKS) {
        this.#emit(UOP.ticks, this.#loc[i] = this.#newTemp(), 0, 0, 0);
      } else if (op === WRAP) {
        this.#loc[i] = this.#b(ir.a[i]);
        if (this.#isRelative(ir.a[i])) this.#unlike();
      } else if (PURE[op]) {
        if (!uses[i]) continue;
        this.#pure(i, op);
      } else if (READS[op]) {
        const dst = this.#destination(i);
        this.#address(op, ir.a[i], dst, 0);
        this.#loc[i] = dst;
      } else if (WRITES[op]) {
        this.#address(op, ir.a[i], 0, this.#near(ir.b[i]));
      } else if (op === BRANCH) {
        const v = ir.a[i];
        if (deferred[v]) this.#binary(FUSED_UOP[BRANCH * ROOT + ir.op[v]], v, 0);
        else this.#emit(UOP.branch, 0, 0, 0, this.#b(v));
        this.#stub(this.#at - UOP_BYTES, ir.lo[i], ir.hi[i]); // a move of an operand may come before it
        this.#relocate(this.#at - UOP_BYTES, BRANCHES, ir.b[i]);
      } else if (op === JUMP_TO) {
        this.#emit(UOP.jumpTo, 0, 0, 0, this.#b(ir.a[i]));
      } else if (op === JUMP_OUT) {
        this.#emit(UOP.jumpOut, 0, 0, 0, this.#b(ir.a[i]));
      } else if (op === CALL_END_UNLESS) {
        const skip = this.#at;
        this.#emit(UOP.skipIf, 0, 0, 0, this.#b(ir.a[i]));
        this.#arguments(ir.b[i], ir.c[i], ir.d[i], ir.e[i]);
        this.#emit(UOP.callOut, 0, 0, 0, ir.lo[i]);
        this.#u16[(skip >> 1) + 1] = (this.#at - skip) / UOP_BYTES - 1;
      } else if (op === CALL || op === CALL_END) {
        this.#arguments(ir.a[i], ir.b[i], ir.c[i], ir.d[i]);
        this.#emit(op === CALL ? UOP.call : UOP.callEnd, 0, 0, 0, ir.lo[i]);
        if (op === CALL && uses[i]) this.#emit(MOVE_L, this.#loc[i] = this.#newTemp(), 0, 0, RESULT);
      } else if (op === CALL_UNLESS) {
        const result = this.#loc[i] = this.#newTemp();
        this.#emit(MOVE_L, result, 0, 0, this.#b(ir.b[i]));
        const skip = this.#at;
        this.#emit(UOP.skipIf, 0, 0, 0, this.#b(ir.a[i]));
        this.#arguments(ir.b[i], ir.c[i], ir.d[i], ir.e[i]);
        this.#emit(UOP.call, 0, 0, 0, ir.lo[i]);
        this.#emit(MOVE_L, result, 0, 0, RESULT);
        this.#u16[(skip >> 1) + 1] = (this.#at - skip) / UOP_BYTES - 1;
      } else throw new Error(`select: no micro-op for '${OPS[op].name}'`);
    }
    if (this.#relocationCount >= 0) this.#learn(begun, true);
    const stubs = this.#stubs;
    for (let s = 0; s < this.#stubCount; s += 4) {
      const from = stubs[s];
      this.#u16[(from >> 1) + 1] = (this.#at - from) / UOP_BYTES;
      this.#left = stubs[s + 3];
      this.#jump(stubs[s + 1], stubs[s + 2]);
    }
    return this.#at;
  }
  #stub(from: number, lo: number, hi: number): void {
    const stubs = this.#stubs, s = this.#stubCount;
    stubs[s] = from;
    stubs[s + 1] = lo;
    stubs[s + 2] = hi;
    stubs[s + 3] = this.#left - 1;
    this.#stubCount = s + 4;
  }

  /** Notes that the micro-op at `at`, or what follows the last one, depends on the pc plus `distance`. */
  #relocate(at: number, kind: number, distance: number): void {
    const n = this.#relocationCount;
    if (n < 0) return;
    if (n === MAX_RELOCATIONS) return this.#unlike();
    if (distance === this.#standIn && distance !== 0) kind |= BY_IMMEDIATE;
    this.#relocations[2 * n] = kind | ((at - this.#learnFrom) / UOP_BYTES) << KIND_BITS;
    this.#relocations[2 * n + 1] = distance;
    this.#relocationCount = n + 1;
  }
  /** The current instruction is not to be remembered. */
  #unlike(): void {
    if (this.#standIn !== 0) throw new Error("select: an instruction that was built with a stand-in must be remembered");
    this.#relocationCount = -1;
  }
  /**
   * Remembers the instruction that operation `insn` starts, whose micro-ops are written, but for the jump that may end it. True when it was
   * built with a stand-in: then it is written anew, with its jump.
   */
  #learn(insn: number, ends: boolean): boolean {
    const ir = this.#ir, from = this.#learnFrom, count = (this.#at - from) / UOP_BYTES;
    let known = 0;
    if (count < 256) {
      known = this.templates.add(ir.memo!, ir.hi[insn], ends, this.#i32, from >> 2, count, this.#relocations, this.#relocationCount);
    }
    this.#relocationCount = -1;
    if (this.#standIn === 0) return false;
    this.#standIn = 0;
    this.#at = from;
    this.#stubCount = this.#learnStubs;
    this.#recall(known, ir.c[insn]);
    return true;
  }
  /** Writes the micro-ops of a known instruction. */
  #recall(known: number, immediate: number): void {
    const i32 = this.#i32, ir = this.#ir, { pool } = this.templates, from = this.#at, counts = pool[known];
    const last = this.#pcOffset | this.#left << 16;
    let p = known + 1, to = from >> 2;
    for (let n = counts & 0xff; n > 0; n--, p += WORDS, to += 4) {
      i32[to] = pool[p];
      i32[to + 1] = pool[p + 1];
      i32[to + 2] = pool[p + 2];
      i32[to + 3] = last;
    }
    this.#at = to << 2;
    for (let n = counts >> 8; n > 0; n--, p += 2) {
      const at = from + UOP_BYTES * (pool[p] >> KIND_BITS), kind = pool[p] & 3, distance = pool[p] & BY_IMMEDIATE ? immediate : pool[p + 1];
      if (kind === IMMEDIATE) {
        i32[(at + 8) >> 2] = this.#literal(immediate, immediate >> 31);
        continue;
      }
      // A block does not go beyond its page, so its pcs have the same upper half.
      const lo = ((ir.startLo + this.#pcOffset) >>> 0) + (distance >>> 0);
      const hi = ir.memo!.narrow ? 0 : (ir.startHi + (distance >> 31) + (lo > 0xffff_ffff ? 1 : 0)) | 0;
      if (kind === CONSTANT) i32[(at + 8) >> 2] = this.#newLiteral(lo | 0, hi);
      else if (kind === BRANCHES) this.#stub(at, lo | 0, hi);
      else {
        this.#left--;
        this.#jump(lo | 0, hi);
      }
    }
  }

  #emit(code: number, dst: number, a: number, c: number, b: number): void {
    const h = this.#at >> 1, u16 = this.#u16;
    u16[h] = code;
    u16[h + 1] = dst;
    u16[h + 2] = a;
    u16[h + 3] = c;
    this.#i32[(this.#at >> 2) + 2] = b;
    u16[h + 6] = this.#pcOffset;
    u16[h + 7] = this.#left;
    this.#at += UOP_BYTES;
  }

  #newTemp(): number {
    const t = this.#temp;
    if (t >= TEMP + 8 * TEMPS) throw new Error("select: an instruction needs too many temporaries");
    this.#temp += 8;
    return t;
  }

  /** Where a set that follows at once lets the value be made in place; else a temporary. */
  #destination(i: number): number {
    const ir = this.#ir;
    let k = i + 1;
    while (ir.op[k] === CONST_I || ir.op[k] === CONST_L) k++;
    if (k < ir.count && (ir.op[k] === SET_L || ir.op[k] === SET_I) && ir.a[k] === i && this.#live.last[i] <= this.#live.nextWrite[k]) {
      return ir.lo[k];
    }
    return this.#newTemp();
  }
  /** True when set `k` has nothing left to do because its value was made in the slot. */
  #folded(k: number, v: number): boolean {
    const op = this.#ir.op[v];
    return (PURE[op] === 1 && op !== WRAP || READS[op] === 1) && this.#loc[v] === this.#ir.lo[k];
  }

  /** Operand for the 32-bit field: literals are fine. */
  #b(v: number): number {
    const ir = this.#ir, op = ir.op[v];
    if (op !== CONST_I && op !== CONST_L) return this.#loc[v];
    if (ir.a[v] !== 0) {
      this.#relocate(this.#at, CONSTANT, ir.b[v]);
      return this.#newLiteral(ir.lo[v], ir.hi[v]);
    }
    const lo = ir.lo[v], hi = op === CONST_L ? ir.hi[v] : lo >> 31;
    if (lo !== 0 && lo === this.#standIn && hi === lo >> 31) this.#relocate(this.#at, IMMEDIATE, lo);
    return this.#literal(lo, hi);
  }
  #literal(lo: number, hi: number): number {
    if (lo === 0 && hi === 0) return ZERO;
    if (hi !== lo >> 31 || lo < -SMALL || lo >= SMALL) return this.#newLiteral(lo, hi);
    const at = this.smallLiterals + 8 * (lo + SMALL);
    this.#literalInto(at, lo, hi);
    return at;
  }
  #isRelative(v: number): boolean {
    const op = this.#ir.op[v];
    return (op === CONST_I || op === CONST_L) && this.#ir.a[v] !== 0;
  }
  #newLiteral(lo: number, hi: number): number {
    const at = this.literalAt -= 8;
    this.#literalInto(at, lo, hi);
    return at;
  }
  /** Operand for a 16-bit field: a slot or a temporary. */
  #near(v: number): number {
    const at = this.#b(v);
    if (at < 0x1_0000) return at;
    const t = this.#newTemp();
    this.#emit(LONG[this.#ir.op[v]] ? MOVE_L : MOVE_I, t, 0, 0, at);
    return t;
  }

  #pure(i: number, op: number): void {
    const ir = this.#ir, v = ir.a[i];
    if (this.#live.deferred[v]) {
      const code = FUSED_UOP[op * ROOT + ir.op[v]], at = this.#destination(i);
      this.#binary(code, v, at);
      this.#loc[i] = at;
      return;
    }
    if (ARITY[op] === 3) {
      const a = this.#near(ir.a[i]), c = this.#near(ir.c[i]), dst = this.#destination(i);
      this.#emit(PURE_UOP[op], dst, a, c, this.#b(ir.b[i]));
      this.#loc[i] = dst;
      return;
    }
    const dst = this.#destination(i);
    this.#binary(PURE_UOP[op], i, dst);
    this.#loc[i] = dst;
  }

  /** Emits `code` with the one or two operands of operation `i`. */
  #binary(code: number, i: number, dst: number): void {
    const ir = this.#ir;
    let x = ir.a[i], y = ir.b[i];
    if (ARITY[ir.op[i]] === 1) return this.#emit(code, dst, 0, 0, this.#b(x));
    if (COMMUTES[ir.op[i]] && (ir.op[x] === CONST_I || ir.op[x] === CONST_L)) [x, y] = [y, x];
    const a = this.#near(x);
    this.#emit(code, dst, a, 0, this.#b(y));
  }

  /** A load or store: the sum that makes its address is part of it. */
  #address(op: number, address: number, dst: number, c: number): void {
    const ir = this.#ir;
    if (this.#live.deferred[address]) {
      const code = FUSED_UOP[op * ROOT + ir.op[address]];
      let x = ir.a[address], y = ir.b[address];
      if (ir.op[x] === CONST_I || ir.op[x] === CONST_L) [x, y] = [y, x];
      const a = this.#near(x);
      this.#emit(code, dst, a, c, this.#b(y));
    } else this.#emit(FUSED_UOP[op * ROOT + ADD_L], dst, ZERO, c, this.#b(address));
  }

  #arguments(...args: number[]): void {
    for (let n = 0; n < 4; n++) if (args[n] >= 0) this.#emit(MOVE_L, ARG + 8 * n, 0, 0, this.#b(args[n]));
  }

  /** The jump to a constant pc. */
  #jump(lo: number, hi: number): void {
    const ir = this.#ir, far = hi !== ir.startHi || ((lo ^ ir.startLo) & -PAGE) !== 0, at = this.#newLiteral(lo, hi), from = this.#at;
    this.#emit(far ? UOP.jumpFar : UOP.jump, 0, 0, 0, 0);
    this.#i32[(from >> 2) + 1] = at;
  }
}
