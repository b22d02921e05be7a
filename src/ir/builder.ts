// Builds the IR of one block. HOT: no bigint, no closures, no allocation on the common path.
// Values are indices of the operation that makes them. Semantics of instructions call the methods; widths follow the operands.
// Those of integer rows and of rows whose names say their widths come from the op table itself.
import {
  type Args,
  BRANCH,
  CALL,
  CALL_END,
  CALL_END_UNLESS,
  CALL_UNLESS,
  CONST_I,
  CONST_L,
  type FixedName,
  GET_I,
  GET_L,
  INSN,
  type IntegerArgs,
  type IntegerName,
  type IntegerResult,
  JUMP,
  JUMP_OUT,
  JUMP_TO,
  type LoadName,
  LONG,
  OP,
  type OpName,
  type OpRow,
  OPS,
  type PureName,
  type Result,
  SELECT_I,
  SET_I,
  SET_L,
  type StoreName,
  TICKS,
  TWIN,
} from "./ops.ts";

/** A value of 32 or of 64 bits: the index of the operation that defines it in its block. */
export type I32 = number & { readonly __bits: 32 };
export type I64 = number & { readonly __bits: 64 };
/** One whose width depends on the instruction or on the mode: it may stand for either. `isLong` tells. */
// deno-lint-ignore no-explicit-any
export type Val = number & { readonly __bits: any };

/** The type of a value by its letter in the op table, and of operands by theirs; letters that may be either ask for no more than a value. */
type Of<Letter> = Letter extends "i" ? I32 : Letter extends "l" ? I64 : never;
type Operands<Letters> = [Letters] extends [""] ? []
  : [Letters] extends [`${infer First}${infer Rest}`] ? [Of<First>, ...Operands<Rest>]
  : never;

/** The value that a store writes, behind its address. */
type Stored<Letters> = Letters extends `l${infer Value}` ? Of<Value> : never;

/** A method for each integer row; the width is that of the first operand. Shift and rotate amounts have the width of the value and count modulo it. */
type IntegerMethods = {
  readonly [N in Exclude<IntegerName, "add">]: IntegerArgs<N> extends "w"
    ? IntegerResult<N> extends "w" ? <V extends Val>(a: V) => V : (a: Val) => I32
    : IntegerResult<N> extends "w" ? <V extends Val>(a: V, b: V) => V
    : <V extends Val>(a: V, b: V) => I32;
};
/** A method for each pure row of fixed types that has no twin. */
type FixedMethods = {
  readonly [N in Extract<PureName, FixedName> as N extends `${string}.${string}` ? never : N]: (
    ...operands: Operands<Args<N>>
  ) => Of<Result<N>>;
};

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

export interface Builder extends IntegerMethods, FixedMethods {}
/** IR of a block in flat arrays; reused from block to block. */
export class Builder {
  static readonly CAPACITY = 8192;
  /** Number of operations so far. */
  count = 0;
  readonly op: Uint16Array;
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
    this.op = over ? over.op : new Uint16Array(n);
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
  relative<V extends Val>(v: V, n: number): V {
    this.a[v] = 1;
    this.b[v] = n;
    return v;
  }
  /** Ends the block behind the current instruction, `length` bytes long, which does not end it itself. */
  cut(length: number): void {
    this.jump(length);
    this.c[this.count - 1] = 1;
  }

  #push<V extends Val>(op: number, a: number, b: number, c: number): V {
    const i = this.count++;
    this.op[i] = op;
    this.a[i] = a;
    this.b[i] = b;
    this.c[i] = c;
    return i as V;
  }

  /** True for an i64 value, false for an i32 one. */
  isLong(v: Val): v is I64 {
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
  i32(n: number): I32 {
    const v = this.#push<I32>(CONST_I, 0, 0, 0);
    this.lo[v] = n | 0;
    this.hi[v] = 0;
    return v;
  }
  /** i64 constant from a signed 32-bit number. */
  i64(n: number): I64 {
    return this.i64Halves(n | 0, n >> 31);
  }
  i64Halves(lo: number, hi: number): I64 {
    const v = this.#push<I64>(CONST_L, 0, 0, 0);
    this.lo[v] = lo;
    this.hi[v] = hi;
    return v;
  }
  /** i64 constant from a bigint; for rare constants. */
  i64Big(n: bigint): I64 {
    return this.i64Halves(Number(BigInt.asIntN(32, n)), Number(BigInt.asIntN(32, n >> 32n)));
  }
  /** i64 constant: address of the current instruction plus a signed 32-bit number. */
  pcPlus(n: number): I64 {
    const lo = (this.pcLo >>> 0) + (n >>> 0);
    return this.i64Halves(lo | 0, (this.pcHi + (n >> 31) + (lo > 0xffff_ffff ? 1 : 0)) | 0);
  }

  // --- state
  /** The 32-bit (low) part of a slot. */
  getI(slot: number): I32 {
    const v = this.#push<I32>(GET_I, 0, 0, 0);
    this.lo[v] = slot;
    return v;
  }
  getL(slot: number): I64 {
    const v = this.#push<I64>(GET_L, 0, 0, 0);
    this.lo[v] = slot;
    return v;
  }
  /** i64: ticks of the clock before the current instruction. */
  ticks(): I64 {
    return this.#push(TICKS, 0, 0, 0);
  }
  /** Writes 4 bytes for an i32 value, 8 for an i64 one. */
  set(slot: number, value: Val): void {
    const v = this.#push(this.isLong(value) ? SET_L : SET_I, value, 0, 0);
    this.lo[v] = slot;
  }

  // --- pure operations: see IntegerMethods and FixedMethods, too
  /** Any pure row of the table by name. */
  pure<N extends PureName>(name: N, ...operands: Operands<Args<N>>): Of<Result<N>>;
  pure(name: PureName, a: number, b = 0, c = 0): Val {
    return this.#push(OP[name], a, b, c);
  }
  /** A pure row, a load or a store as the table has it: for random blocks, where types cannot follow. */
  operation(row: OpRow, a: Val, b: Val | 0 = 0, c: Val | 0 = 0): Val {
    return this.#push(OP[row.name as OpName], a, b, c);
  }
  /** Nothing is built to add a constant zero. */
  add<V extends Val>(a: V, b: V): V {
    if (this.constant(b) === 0) return a;
    return this.#push(ADD + TWIN * LONG[this.op[a]], a, b, 0);
  }
  /** `ifTrue` when `cond` is not zero, else `ifFalse`. */
  select<V extends Val>(cond: I32, ifTrue: V, ifFalse: V): V {
    return this.#push(SELECT_I + LONG[this.op[ifTrue]], ifTrue, ifFalse, cond);
  }
  static {
    const methods = this.prototype as unknown as Record<string, unknown>;
    for (let op = 0; op < OPS.length; op++) {
      const { name, effect, args, bits } = OPS[op], method = bits === 32 ? name.slice(0, -2) : name, two = args.length === 2;
      if (effect !== "pure" || method.includes(".") || method === "add") continue;
      const twin = bits === 32 ? TWIN : 0;
      if (two) {
        methods[method] = function (this: Builder, a: Val, b: Val) {
          return this.#push(op + twin * LONG[this.op[a]], a, b, 0);
        };
      } else {methods[method] = function (this: Builder, a: Val) {
          return this.#push(op + twin * LONG[this.op[a]], a, 0, 0);
        };}
    }
  }

  // --- memory, by a row's name; `address` is a guest virtual address
  load<N extends LoadName>(kind: N, address: I64): Of<Result<N>> {
    return this.#push(OP[kind], address, 0, 0);
  }
  store<N extends StoreName>(kind: N, address: I64, value: Stored<Args<N>>): void {
    this.#push(OP[kind], address, value, 0);
  }

  // --- control
  /** Leaves the block for `pc + offset` when `cond` is not zero; the block goes on otherwise. */
  branchIf(cond: I32, offset: number): void {
    this.#target(BRANCH, cond, offset);
  }
  /** Ends the block: on to `pc + offset`. */
  jump(offset: number): void {
    this.#target(JUMP, 0, offset);
    this.ended = true;
  }
  /** Ends the block: on to a computed pc. */
  jumpTo(target: I64): void {
    this.#push(JUMP_TO, target, 0, 0);
    this.ended = true;
  }
  /** The same where TLB and CONTEXT have been set for the target's mode. */
  jumpOut(target: I64): void {
    this.#push(JUMP_OUT, target, 0, 0);
    this.ended = true;
  }
  #target(op: number, cond: number, offset: number): void {
    const lo = (this.pcLo >>> 0) + (offset >>> 0);
    const v = this.#push(op, cond, offset, 0);
    this.lo[v] = lo | 0;
    this.hi[v] = (this.pcHi + (offset >> 31) + (lo > 0xffff_ffff ? 1 : 0)) | 0;
  }
  /** Calls helper number `helper` with arguments; its result. The pc slot is not valid inside; see Helper in frontend.ts. */
  call(helper: number, ...args: I64[]): I64 {
    return this.#helper(CALL, helper, args);
  }
  /** Calls a helper that sets the pc slot; ends the block. */
  callEnd(helper: number, ...args: I64[]): void {
    this.#helper(CALL_END, helper, args);
    this.ended = true;
  }
  /** Goes on when `ok` is not zero; else like `callEnd`. */
  callEndUnless(ok: I32, helper: number, ...args: I64[]): void {
    const n = args.length, v = this.#push<I64>(CALL_END_UNLESS, ok, n > 0 ? args[0] : -1, n > 1 ? args[1] : -1);
    this.d[v] = n > 2 ? args[2] : -1;
    this.e[v] = n > 3 ? args[3] : -1;
    this.lo[v] = helper;
  }
  #helper(op: number, helper: number, args: I64[]): I64 {
    const n = args.length, v = this.#push<I64>(op, n > 0 ? args[0] : -1, n > 1 ? args[1] : -1, n > 2 ? args[2] : -1);
    this.d[v] = n > 3 ? args[3] : -1;
    this.lo[v] = helper;
    return v;
  }
  /** `fast` when `ok` is not zero; else the result of the helper for `fast` and up to three more arguments. */
  callUnless(ok: I32, fast: I64, helper: number, ...args: I64[]): I64 {
    const n = args.length, v = this.#push<I64>(CALL_UNLESS, ok, fast, n > 0 ? args[0] : -1);
    this.d[v] = n > 1 ? args[1] : -1;
    this.e[v] = n > 2 ? args[2] : -1;
    this.lo[v] = helper;
    return v;
  }
}

const ADD = OP["add.i"];

/** The operations of a block, wherever they are kept; see Builder. */
export interface Ir {
  readonly count: number;
  readonly op: Uint16Array;
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
    const imm = row.imm === "constant" || row.imm === "pc"
      ? [hex(ir.hi[i], ir.lo[i])]
      : row.imm === "slot"
      ? [`[0x${ir.lo[i].toString(16)}]`]
      : row.imm
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
