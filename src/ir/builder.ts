// Builds the IR of one block. HOT: no bigint, no closures, no allocation on the common path.
// Values are indices of the operation that makes them. Semantics of instructions call the methods; widths follow the operands.
import { LONG, OP, OPS } from "./ops.ts";

/** A value: the index of the operation that defines it in its block. */
export type Val = number & { readonly __val: unique symbol };

const CONST_I = OP["const.i"], CONST_L = OP["const.l"];

/** What the engine remembers of instructions of one instruction set in one mode. */
export interface Memo {
  /** Twice the number of the instruction with these bits, plus 1 when it ends its block; 0 when it is not known. */
  find(word: number): number;
  /** Addresses of instructions have 32 bits. */
  readonly narrow: boolean;
}
export interface Memos {
  /** There is no room for more. */
  readonly full: boolean;
  of(isa: { readonly xlen: 32 | 64 }, mode: number): Memo;
}

/** IR of a block in flat arrays; reused from block to block. */
export class Builder {
  static readonly CAPACITY = 8192;
  /** Number of operations so far. */
  count = 0;
  readonly op: Uint8Array;
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly c: Int32Array;
  readonly d: Int32Array;
  /** Fourth helper argument of callUnless and callEndUnless. */
  readonly e: Int32Array;
  /** Immediate: a constant's low half, a slot, a helper number, a pc's low half. */
  readonly lo: Int32Array;
  /** A constant's or pc's high half. */
  readonly hi: Int32Array;
  /** pc of the block's first instruction, halves. */
  startLo = 0;
  startHi = 0;
  /** pc of the current instruction, halves. */
  pcLo = 0;
  pcHi = 0;
  /** Instructions begun. */
  insns = 0;
  /** Bytes of code that the block was made of, from its start on (those on the page behind, too); 0: whoever translated it does not say. */
  codeBytes = 0;
  /** True once an operation has ended the block. */
  ended = false;
  /** Where whoever takes the block needs no operations of instructions that it knows already; undefined where all are wanted. */
  memos: Memos | undefined = undefined;
  /** Loads and stores leave before their instruction if they leave: nobody sees what is behind it. So it is in regions. */
  leavesBefore = false;
  /** The one in use for this block. */
  memo: Memo | undefined = undefined;
  /** The last instruction that is to be remembered; -1: none of this block. */
  #insn = -1;

  /** @param over a builder whose arrays this one writes into; else it has its own */
  constructor(over?: Builder) {
    const n = Builder.CAPACITY;
    this.op = over ? over.op : new Uint8Array(n);
    this.a = over ? over.a : new Int32Array(n);
    this.b = over ? over.b : new Int32Array(n);
    this.c = over ? over.c : new Int32Array(n);
    this.d = over ? over.d : new Int32Array(n);
    this.e = over ? over.e : new Int32Array(n);
    this.lo = over ? over.lo : new Int32Array(n);
    this.hi = over ? over.hi : new Int32Array(n);
  }

  /** Starts a block at a pc given in halves. */
  reset(pcLo: number, pcHi: number): void {
    this.count = this.insns = this.codeBytes = 0;
    this.startLo = this.pcLo = pcLo | 0;
    this.startHi = this.pcHi = pcHi | 0;
    this.ended = false;
    this.memo = undefined;
    this.#insn = -1;
  }

  /** Sets the pc, in halves, of the current instruction. */
  at(pcLo: number, pcHi: number): void {
    this.pcLo = pcLo | 0;
    this.pcHi = pcHi | 0;
  }
  /** Starts the next instruction at a pc given in halves; `offset` is its distance in bytes from the block's start. */
  insn(pcLo: number, pcHi: number, offset: number): void {
    this.pcLo = pcLo | 0;
    this.pcHi = pcHi | 0;
    this.insns++;
    this.#push(INSN, 0, 0, 0);
    this.lo[this.count - 1] = offset;
  }
  /**
   * The next instruction, `offset` bytes from the block's start, is complete: `known` is what `memo` found, `immediate` the instruction's own where
   * others that differ in nothing else are known by the same number. The pc is left as it was.
   */
  recall(known: number, offset: number, immediate: number): void {
    const i = this.count++;
    this.insns++;
    this.op[i] = INSN;
    this.a[i] = known >> 1;
    this.c[i] = immediate;
    this.lo[i] = offset;
    if (known & 1) this.ended = true;
  }
  /**
   * Behind `insn`: what is built until the next instruction starts is remembered by these bits. It may depend on nothing but them, the memo's
   * mode and, by `relative`, branches and jumps, the pc; if it does: `unlike`. `immediate`, unless 0, is what is built with in place of the
   * instruction's own: constants and distances that are equal to it stand for that one.
   */
  learn(word: number, immediate: number, own: number): void {
    const i = this.count - 1;
    this.b[i] = 1;
    this.hi[i] = word;
    this.d[i] = immediate;
    this.c[i] = own;
    this.#insn = i;
  }
  /** What the current instruction does depends on more than `recall` allows for. */
  unlike(): void {
    if (this.#insn >= 0) this.b[this.#insn] = 0;
  }
  /** Notes that a constant is the pc plus `n`. */
  relative(v: Val, n: number): Val {
    this.a[v] = 1;
    this.b[v] = n;
    return v;
  }
  /** Ends the block behind the current instruction, `length` bytes long, which does not end it itself. */
  cut(length: number): void {
    this.jump(length);
    this.c[this.count - 1] = 1;
  }

  #push(op: number, a: number, b: number, c: number): Val {
    const i = this.count++;
    this.op[i] = op;
    this.a[i] = a;
    this.b[i] = b;
    this.c[i] = c;
    return i as Val;
  }

  /** True for an i64 value, false for an i32 one. */
  isLong(v: Val): boolean {
    return LONG[this.op[v]] === 1;
  }
  /** The constant that `v` is when it fits 32 bits signed; undefined when it is not a constant. */
  constant(v: Val): number | undefined {
    const op = this.op[v];
    if (this.a[v] !== 0) return undefined; // no constant, or another one at another pc
    if (op === CONST_I || (op === CONST_L && this.hi[v] === this.lo[v] >> 31)) return this.lo[v];
    return undefined;
  }

  // --- constants
  /** i32 constant. */
  i32(n: number): Val {
    const v = this.#push(CONST_I, 0, 0, 0);
    this.lo[v] = n | 0;
    this.hi[v] = 0;
    return v;
  }
  /** i64 constant from a signed 32-bit number. */
  i64(n: number): Val {
    return this.i64Halves(n | 0, n >> 31);
  }
  i64Halves(lo: number, hi: number): Val {
    const v = this.#push(CONST_L, 0, 0, 0);
    this.lo[v] = lo;
    this.hi[v] = hi;
    return v;
  }
  /** i64 constant from a bigint; for rare constants. */
  i64Big(n: bigint): Val {
    return this.i64Halves(Number(BigInt.asIntN(32, n)), Number(BigInt.asIntN(32, n >> 32n)));
  }
  /** i64 constant: address of the current instruction plus a signed 32-bit number. */
  pcPlus(n: number): Val {
    const lo = (this.pcLo >>> 0) + (n >>> 0);
    return this.i64Halves(lo | 0, (this.pcHi + (n >> 31) + (lo > 0xffff_ffff ? 1 : 0)) | 0);
  }

  // --- state
  /** The 32-bit (low) part of a slot. */
  getI(slot: number): Val {
    const v = this.#push(OP_GET_I, 0, 0, 0);
    this.lo[v] = slot;
    return v;
  }
  getL(slot: number): Val {
    const v = this.#push(OP_GET_L, 0, 0, 0);
    this.lo[v] = slot;
    return v;
  }
  /** i64: ticks of the clock before the current instruction. */
  ticks(): Val {
    return this.#push(OP_TICKS, 0, 0, 0);
  }
  /** Writes 4 bytes for an i32 value, 8 for an i64 one. */
  set(slot: number, value: Val): void {
    const v = this.#push(this.isLong(value) ? OP_SET_L : OP_SET_I, value, 0, 0);
    this.lo[v] = slot;
  }

  // --- pure operations; the width is that of the first operand
  #wide1(i: number, a: Val): Val {
    return this.#push(i + WIDE * LONG[this.op[a]], a, 0, 0);
  }
  #wide2(i: number, a: Val, b: Val): Val {
    return this.#push(i + WIDE * LONG[this.op[a]], a, b, 0);
  }
  /** Any pure row of the table by name. */
  pure(name: string, a: Val, b: Val = 0 as Val, c: Val = 0 as Val): Val {
    return this.#push(OP[name], a, b, c);
  }
  add(a: Val, b: Val): Val {
    if (this.constant(b) === 0) return a;
    return this.#wide2(0, a, b);
  }
  // deno-fmt-ignore-start
  sub(a: Val, b: Val): Val { return this.#wide2(I.sub, a, b); }
  mul(a: Val, b: Val): Val {
    return this.#wide2(I.mul, a, b);
  }
  and(a: Val, b: Val): Val {
    return this.#wide2(I.and, a, b);
  }
  or(a: Val, b: Val): Val {
    return this.#wide2(I.or, a, b);
  }
  xor(a: Val, b: Val): Val {
    return this.#wide2(I.xor, a, b);
  }
  /** Shift and rotate amounts have the width of the value and count modulo it. */
  shl(a: Val, b: Val): Val {
    return this.#wide2(I.shl, a, b);
  }
  shrS(a: Val, b: Val): Val {
    return this.#wide2(I.shrS, a, b);
  }
  shrU(a: Val, b: Val): Val {
    return this.#wide2(I.shrU, a, b);
  }
  rotl(a: Val, b: Val): Val {
    return this.#wide2(I.rotl, a, b);
  }
  rotr(a: Val, b: Val): Val {
    return this.#wide2(I.rotr, a, b);
  }
  clz(a: Val): Val {
    return this.#wide1(I.clz, a);
  }
  ctz(a: Val): Val {
    return this.#wide1(I.ctz, a);
  }
  popcnt(a: Val): Val {
    return this.#wide1(I.popcnt, a);
  }
  /** Comparisons give an i32 of 0 or 1. */
  eqz(a: Val): Val {
    return this.#wide1(I.eqz, a);
  }
  eq(a: Val, b: Val): Val {
    return this.#wide2(I.eq, a, b);
  }
  ne(a: Val, b: Val): Val {
    return this.#wide2(I.ne, a, b);
  }
  ltS(a: Val, b: Val): Val {
    return this.#wide2(I.ltS, a, b);
  }
  ltU(a: Val, b: Val): Val {
    return this.#wide2(I.ltU, a, b);
  }
  gtS(a: Val, b: Val): Val {
    return this.#wide2(I.gtS, a, b);
  }
  gtU(a: Val, b: Val): Val {
    return this.#wide2(I.gtU, a, b);
  }
  leS(a: Val, b: Val): Val {
    return this.#wide2(I.leS, a, b);
  }
  leU(a: Val, b: Val): Val {
    return this.#wide2(I.leU, a, b);
  }
  geS(a: Val, b: Val): Val {
    return this.#wide2(I.geS, a, b);
  }
  geU(a: Val, b: Val): Val {
    return this.#wide2(I.geU, a, b);
  }
  divS(a: Val, b: Val): Val {
    return this.#wide2(I.divS, a, b);
  }
  divU(a: Val, b: Val): Val {
    return this.#wide2(I.divU, a, b);
  }
  remS(a: Val, b: Val): Val {
    return this.#wide2(I.remS, a, b);
  }
  remU(a: Val, b: Val): Val {
    return this.#wide2(I.remU, a, b);
  }
  mulhS(a: Val, b: Val): Val {
    return this.#wide2(I.mulhS, a, b);
  }
  mulhU(a: Val, b: Val): Val {
    return this.#wide2(I.mulhU, a, b);
  }
  mulhSU(a: Val, b: Val): Val {
    return this.#wide2(I.mulhSU, a, b);
  }
  ext8S(a: Val): Val {
    return this.#wide1(I.ext8S, a);
  }
  ext16S(a: Val): Val {
    return this.#wide1(I.ext16S, a);
  }
  wrap(a: Val): Val {
    return this.#push(OP_WRAP, a, 0, 0);
  }
  extS(a: Val): Val {
    return this.#push(OP_EXTS, a, 0, 0);
  }
  extU(a: Val): Val {
    return this.#push(OP_EXTU, a, 0, 0);
  }
  ext32S(a: Val): Val {
    return this.#push(OP_EXT32S, a, 0, 0);
  }
  /** i64 address from two i32 that are added modulo 2^32. */
  ea32(a: Val, b: Val): Val {
    return this.#push(OP_EA32, a, b, 0);
  }
  /** `ifTrue` when the i32 `cond` is not zero, else `ifFalse`. */
  select(cond: Val, ifTrue: Val, ifFalse: Val): Val {
    return this.#push(OP_SELECT_I + LONG[this.op[ifTrue]], ifTrue, ifFalse, cond);
  }
  // deno-fmt-ignore-end

  // --- memory: `address` is an i64 guest virtual address
  /** `kind` is a row's name: "load8U.i" ... "load64.l". */
  load(kind: string, address: Val): Val {
    return this.#push(OP[kind], address, 0, 0);
  }
  /** `kind` is a row's name: "store8.i" ... "store64.l". */
  store(kind: string, address: Val, value: Val): void {
    this.#push(OP[kind], address, value, 0);
  }

  // --- control
  /** Leaves the block for `pc + offset` when `cond` (i32) is not zero; the block goes on otherwise. */
  branchIf(cond: Val, offset: number): void {
    this.#target(OP_BRANCH, cond, offset);
  }
  /** Ends the block: on to `pc + offset`. */
  jump(offset: number): void {
    this.#target(OP_JUMP, 0 as Val, offset);
    this.ended = true;
  }
  /** Ends the block: on to a computed i64 pc. */
  jumpTo(target: Val): void {
    this.#push(OP_JUMPTO, target, 0, 0);
    this.ended = true;
  }
  /** The same where TLB and CONTEXT have been set for the target's mode. */
  jumpOut(target: Val): void {
    this.#push(OP_JUMPOUT, target, 0, 0);
    this.ended = true;
  }
  #target(op: number, cond: Val, offset: number): void {
    const lo = (this.pcLo >>> 0) + (offset >>> 0);
    const v = this.#push(op, cond, offset, 0);
    this.lo[v] = lo | 0;
    this.hi[v] = (this.pcHi + (offset >> 31) + (lo > 0xffff_ffff ? 1 : 0)) | 0;
  }
  /** Calls helper number `helper` with i64 arguments; its i64 result. The pc slot is not valid inside; see Helper in frontend.ts. */
  call(helper: number, ...args: Val[]): Val {
    return this.#helper(OP_CALL, helper, args);
  }
  /** Calls a helper that sets the pc slot; ends the block. */
  callEnd(helper: number, ...args: Val[]): void {
    this.#helper(OP_CALLEND, helper, args);
    this.ended = true;
  }
  /** Goes on when the i32 `ok` is not zero; else like `callEnd`. */
  callEndUnless(ok: Val, helper: number, ...args: Val[]): void {
    const n = args.length, v = this.#push(OP_CALLENDUNLESS, ok, n > 0 ? args[0] : -1, n > 1 ? args[1] : -1);
    this.d[v] = n > 2 ? args[2] : -1;
    this.e[v] = n > 3 ? args[3] : -1;
    this.lo[v] = helper;
  }
  #helper(op: number, helper: number, args: Val[]): Val {
    const n = args.length, v = this.#push(op, n > 0 ? args[0] : -1, n > 1 ? args[1] : -1, n > 2 ? args[2] : -1);
    this.d[v] = n > 3 ? args[3] : -1;
    this.lo[v] = helper;
    return v;
  }
  /** The i64 `fast` when the i32 `ok` is not zero; else the result of the helper for `fast` and up to three more arguments. */
  callUnless(ok: Val, fast: Val, helper: number, ...args: Val[]): Val {
    const n = args.length, v = this.#push(OP_CALLUNLESS, ok, fast, n > 0 ? args[0] : -1);
    this.d[v] = n > 1 ? args[1] : -1;
    this.e[v] = n > 2 ? args[2] : -1;
    this.lo[v] = helper;
    return v;
  }
}

/** Distance from an i32 row to its i64 twin. */
const WIDE = OP["add.l"] - OP["add.i"];
/** Op codes of the i32 rows by bare name. */
const I: Record<string, number> = {};
for (let i = 0; i < WIDE; i++) I[OPS[i].name.slice(0, -2)] = i;
const INSN = OP["insn"],
  OP_GET_I = OP["get.i"],
  OP_GET_L = OP["get.l"],
  OP_SET_I = OP["set.i"],
  OP_SET_L = OP["set.l"],
  OP_TICKS = OP["ticks"];
const OP_WRAP = OP["wrap"], OP_EXTS = OP["extS"], OP_EXTU = OP["extU"], OP_EXT32S = OP["ext32S"], OP_EA32 = OP["ea32"];
const OP_SELECT_I = OP["select.i"], OP_BRANCH = OP["branch"], OP_JUMP = OP["jump"], OP_JUMPTO = OP["jumpTo"];
const OP_CALL = OP["call"], OP_CALLEND = OP["callEnd"], OP_CALLUNLESS = OP["callUnless"];
const OP_JUMPOUT = OP["jumpOut"], OP_CALLENDUNLESS = OP["callEndUnless"];

/** The operations of a block, wherever they are kept; see Builder. */
export interface Ir {
  readonly count: number;
  readonly op: Uint8Array;
  readonly a: Int32Array;
  readonly b: Int32Array;
  readonly c: Int32Array;
  readonly d: Int32Array;
  readonly e: Int32Array;
  readonly lo: Int32Array;
  readonly hi: Int32Array;
}

/** The IR as text, the format of the goldens: one operation a line. */
export function printIr(ir: Ir): string {
  const lines: string[] = [];
  for (let i = 0; i < ir.count; i++) {
    const row = OPS[ir.op[i]],
      operands = [ir.a[i], ir.b[i], ir.c[i], ir.d[i], ir.e[i]].slice(0, row.args.length).filter((v) => v >= 0).map((v) => `v${v}`);
    const imm = row.name.startsWith("const") || row.name === "branch" || row.name === "jump"
      ? [hex(ir.hi[i], ir.lo[i])]
      : /^(get|set)/.test(row.name)
      ? [`[0x${ir.lo[i].toString(16)}]`]
      : /^(insn|call)/.test(row.name)
      ? [String(ir.lo[i])]
      : [];
    lines.push(`${row.result ? `v${i} = ` : ""}${row.name} ${[...imm, ...operands].join(", ")}`.trim());
  }
  return lines.join("\n");
}
const hex = (hi: number, lo: number) => "0x" + ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);

/** Bytes of the longest instruction of any architecture. */
export const LONGEST_INSTRUCTION = 16;
/** Bytes that the builder's block was made of, or, if that is not known, at most. */
export function codeBytes(b: Builder): number {
  if (b.codeBytes > 0) return b.codeBytes;
  let i = b.count - 1;
  while (i > 0 && b.op[i] !== INSN) i--;
  return b.lo[i] + LONGEST_INSTRUCTION;
}
