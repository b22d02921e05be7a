// The interpreter: one wasm function, a loop around a br_table with a handler for each micro-op, generated from the table.
// It leaves with a reason; IP and BUDGET then hold where and how many instructions of the budget are left.
import { BUDGET, CONTEXT, CURRENT, IP, JUMP_CACHE, JUMP_SLOTS, PAGE, PC, TLB, TLB_ENTRIES, TLB_HALF } from "../ir/layout.ts";
import type { OpRow } from "../ir/ops.ts";
import { RUNTIME } from "./runtime.ts";
import { H_COUNT, H_HEAT, type Uop, UOP_BYTES, UOPS } from "./uops.ts";
import { Asm, I32, I64, UNREACHABLE, W, wasmModule } from "./wasm.ts";

/** Why the interpreter left. */
export const LEFT = {
  /** The block at IP needs more instructions than the budget has. */
  budget: 0,
  /** The jump at IP has no known target yet. */
  unlinked: 1,
  /** The pc in PC is not in the jump cache. */
  lookup: 2,
  /** The instruction of the micro-op at IP faults; it had no effect. */
  fault: 3,
  /** The micro-op at IP is done; stop after its instruction. */
  finish: 4,
  /** A callEnd helper asks for attention; PC is set. */
  attention: 5,
  /** The block at IP is dead. */
  stale: 6,
  /** The instruction of the micro-op at IP must not begin. */
  boundary: 7,
  /** Compiled code cannot run the instruction at PC: it is the interpreter's. */
  side: 8,
  /** The block at IP has been interpreted for long. */
  hot: 9,
  /** The region at IP has code in several pages, which must be where they were in the present context. */
  verify: 10,
} as const;

// Parameters and locals of the function.
const ip = 0, budget = 1, v = 2, e = 3, tlb = 4, t = 5;
/** Imports: slow(ip, budget, address low, address high) and helper(index, ip, budget); both return a Status. */
const SLOW = 0, HELPER = 1;
const runtimeNames = Object.keys(RUNTIME);
const FIRST_RUNTIME = 2;
/** Types are numbered like imports and functions: those of regions come after the interpreter's. */
const REGION_TYPE = FIRST_RUNTIME + runtimeNames.length + 1;

/** Pushes the operand of type `ty` whose address is in a micro-op's field. */
function operand(a: Asm, field: "a" | "b" | "c", ty: string): void {
  if (field === "b") a.get(ip).mem(W.i32Load, 8);
  else a.get(ip).mem(W.i32Load16U, field === "a" ? 4 : 6);
  a.mem(ty === "l" ? W.i64Load : W.i32Load, 0);
}

/** Pushes the value of a pure row over a micro-op's operands. */
export function emitPure(a: Asm, row: OpRow): void {
  const fields = row.args.length === 1 ? ["b"] as const : row.args.length === 2 ? ["a", "b"] as const : ["a", "b", "c"] as const;
  for (const [i, f] of fields.entries()) {
    operand(a, f, row.args[i]);
    if (row.each) a.op(row.each);
  }
  emitOp(a, row);
}
/** The operation itself, operands on the stack. */
function emitOp(a: Asm, row: OpRow): void {
  if (typeof row.wasm === "string") a.call(FIRST_RUNTIME + runtimeNames.indexOf(row.wasm));
  else a.ops(row.wasm!);
}

const destination = (a: Asm) => a.get(ip).mem(W.i32Load16U, 2);
const next = (a: Asm) => a.get(ip).i32(UOP_BYTES).op(W.i32Add).set(ip).br("next");
const leave = (a: Asm, reason: number) => a.storeAt(W.i32Store, IP, ip).storeAt(W.i32Store, BUDGET, budget).i32(reason).op(W.return);
const addLeft = (a: Asm) => a.get(budget).get(ip).mem(W.i32Load16U, 14).op(W.i32Add).set(budget);

/** wasm opcodes of the access itself, by bytes, type and signedness. */
export function loadOpcode(row: OpRow): number {
  const s = row.signed;
  if (row.result === "i") {
    return row.size === 1 ? (s ? W.i32Load8S : W.i32Load8U) : row.size === 2 ? (s ? W.i32Load16S : W.i32Load16U) : W.i32Load;
  }
  if (row.size === 1) return s ? W.i64Load8S : W.i64Load8U;
  if (row.size === 2) return s ? W.i64Load16S : W.i64Load16U;
  return row.size === 4 ? (s ? W.i64Load32S : W.i64Load32U) : W.i64Load;
}
export function storeOpcode(row: OpRow): number {
  if (row.args[1] === "i") return row.size === 1 ? W.i32Store8 : row.size === 2 ? W.i32Store16 : W.i32Store;
  return row.size === 1 ? W.i64Store8 : row.size === 2 ? W.i64Store16 : row.size === 4 ? W.i64Store32 : W.i64Store;
}

/** Leaves the host address of the access on the stack, or branches to "slow". */
function translate(a: Asm, u: Uop): void {
  const row = u.root!, write = row.effect === "writes" || row.rmw;
  emitPure(a, u.child!);
  a.tee(v).op(W.wrap).i32(8).op(W.i32ShrU).i32((TLB_ENTRIES - 1) << 4).op(W.i32And).get(tlb).op(W.i32Add).tee(e);
  a.mem(W.i64Load, write ? TLB_HALF : 0).get(v);
  if (row.size! > 1) a.i64(row.size! - 1).op(W.i64Add);
  a.i64(-PAGE).op(W.i64And).op(W.i64Ne).brIf("slow");
  a.get(v).op(W.wrap).get(e).mem(W.i32Load, (write ? TLB_HALF : 0) + 8).op(W.i32Add);
}

const handlers: Record<string, (a: Asm) => void> = {
  nop: next,
  "move.i": (a) => {
    destination(a);
    operand(a, "b", "i");
    next(a.mem(W.i32Store, 0));
  },
  "move.l": (a) => {
    destination(a);
    operand(a, "b", "l");
    next(a.mem(W.i64Store, 0));
  },
  skipIf: (a) => {
    operand(a, "b", "i");
    a.if();
    destination(a).i32(4).op(W.i32Shl).get(ip).op(W.i32Add).set(ip).end();
    next(a);
  },
  jump: (a) => {
    addLeft(a).get(ip).mem(W.i32Load, 8).tee(t).if();
    a.get(t).set(ip).br("enter").end();
    leave(a, LEFT.unlinked);
  },
  jumpFar: (a) => {
    addLeft(a).i32(0).get(ip).mem(W.i32Load, 4).mem(W.i64Load, 0).tee(v).mem(W.i64Store, PC).br("lookup");
  },
  jumpTo: (a) => {
    a.i32(0);
    operand(a, "b", "l");
    a.tee(v).mem(W.i64Store, PC).br("lookup");
  },
  call: (a) => {
    a.get(ip).mem(W.i32Load, 8).get(ip).get(budget).call(HELPER).tee(t).op(W.i32Eqz).if();
    next(a).end().br("status");
  },
  callEnd: (a) => {
    a.get(ip).mem(W.i32Load, 8).get(ip).get(budget).call(HELPER).set(t).at(W.i32Load, TLB).set(tlb);
    a.get(t).op(W.i32Eqz).if().at(W.i64Load, PC).set(v).br("lookup").end();
    a.get(t).i32(1).op(W.i32Eq).brIf("status");
    leave(a, LEFT.attention);
  },
  stale: (a) => {
    a.get(budget).get(ip).i32(H_COUNT).op(W.i32Add).mem(W.i32Load16U, 0).op(W.i32Add).set(budget);
    leave(a, LEFT.stale);
  },
  boundary: (a) => void leave(a, LEFT.boundary),
  region: (a) => {
    a.get(budget).get(ip).i32(H_COUNT).op(W.i32Add).mem(W.i32Load16U, 0).op(W.i32Add).get(ip).mem(W.i32Load, 8);
    a.op(W.returnCallIndirect).u(REGION_TYPE).u(0);
  },
  resume: (a) => {
    a.i32(0).get(ip).mem(W.i32Load, 4).mem(W.i32Store, CURRENT).get(ip).mem(W.i32Load, 8).set(ip).br("next");
  },
};

function handler(a: Asm, u: Uop): void {
  if (u.kind === "control") return handlers[u.name](a);
  if (u.kind === "branch") {
    if (u.child) emitPure(a, u.child);
    else operand(a, "b", "i");
    a.op(W.i32Eqz).if();
    next(a).end().br("taken");
    return;
  }
  if (u.kind === "pure") {
    destination(a);
    if (u.child) {
      emitPure(a, u.child);
      emitOp(a, u.root!);
    } else emitPure(a, u.root!);
    next(a.mem(u.root!.result === "l" ? W.i64Store : W.i32Store, 0));
    return;
  }
  if (u.kind === "load") {
    translate(a, u);
    const value = u.root!.result === "l";
    // The value is computed first: its local is `v` or `t`, whose address is no longer needed.
    a.mem(loadOpcode(u.root!), 0).set(value ? v : t);
    destination(a).get(value ? v : t);
    next(a.mem(value ? W.i64Store : W.i32Store, 0));
    return;
  }
  translate(a, u);
  operand(a, "c", u.root!.args[1]);
  next(a.mem(storeOpcode(u.root!), 0));
}

/** The interpreter's module: exports run(ip, budget) -> reason. */
export function interpreterModule(memoryPages: number): Uint8Array<ArrayBuffer> {
  const a = new Asm();
  a.at(W.i32Load, TLB).set(tlb);
  a.loop("enter");
  // The whole block is taken off the budget at once; jumps out of its middle give back what they skip.
  a.get(budget).get(ip).i32(H_COUNT).op(W.i32Add).mem(W.i32Load16U, 0).tee(t).op(W.i32Sub).tee(budget).i32(0).op(W.i32LtS).if();
  a.get(budget).get(t).op(W.i32Add).set(budget);
  leave(a, LEFT.budget).end();
  a.get(ip).i32(H_HEAT).op(W.i32Add).tee(e).get(e).mem(W.i32Load, 0).get(t).op(W.i32Sub).tee(e).mem(W.i32Store, 0);
  // Hot when this entry has brought it from above 0 to 0 or below.
  a.get(t).i32(0).get(e).op(W.i32Sub).op(W.i32GtU).if().get(budget).get(t).op(W.i32Add).set(budget);
  leave(a, LEFT.hot).end();
  a.storeAt(W.i32Store, CURRENT, ip);
  a.loop("next");
  a.block("status").block("slow").block("lookup").block("taken");
  for (let i = 0; i < UOPS.length; i++) a.block("handler");
  a.get(ip).mem(W.i32Load16U, 0).brTable(UOPS.length);
  for (const u of UOPS) handler(a.end(), u);
  // taken: the branch at ip goes to its jump, mostly one that is linked already.
  a.end();
  destination(a).i32(4).op(W.i32Shl).get(ip).op(W.i32Add).tee(ip).mem(W.i32Load, 8).tee(t).op(W.i32Eqz).brIf("next");
  addLeft(a).get(t).set(ip).br("enter");
  // lookup: the pc in v (and PC) through the jump cache.
  a.end();
  jumpEntry(a, v, t, e);
  a.get(e).mem(W.i32Load, JUMP_CACHE + 12).set(ip).br("enter").end().end();
  leave(a, LEFT.lookup);
  // slow: the access of the micro-op at ip, whose address is in v, in TypeScript.
  a.end();
  a.get(ip).get(budget).get(v).op(W.wrap).get(v).i64(32).op(W.i64ShrU).op(W.wrap).call(SLOW).tee(t).op(W.i32Eqz).if();
  next(a).end();
  // status: t is not CONTINUE.
  a.br("status").end();
  a.storeAt(W.i32Store, IP, ip).storeAt(W.i32Store, BUDGET, budget);
  a.i32(LEFT.fault).i32(LEFT.finish).get(t).i32(1).op(W.i32Eq).op(W.select).op(W.return);
  a.end().end().op(W.unreachable);
  return wasmModule(
    [
      { name: "slow", type: { params: [I32, I32, I32, I32], results: [I32] } },
      { name: "helper", type: { params: [I32, I32, I32], results: [I32] } },
    ],
    [
      ...runtimeNames.map((n) => RUNTIME[n]),
      { type: { params: [I32, I32], results: [I32] }, locals: [I64, I32, I32, I32], body: a.bytes, export: "run" },
      // Never called: gives the type of regions a number.
      { type: { params: [I32], results: [I32] }, locals: [], body: UNREACHABLE },
    ],
    memoryPages,
    true,
  );
}

/**
 * Opens two ifs behind which local `entry` is the offset of the jump cache's entry for the pc in the i64 local `pc`, which is of the present
 * context; `word` is an i32 local to work with. The function of the address is that of `jumpIndex`.
 */
export function jumpEntry(a: Asm, pc: number, word: number, entry: number): void {
  a.get(pc).op(W.wrap).tee(word).i32(3).op(W.i32Shl).get(word).i32(8).op(W.i32ShrU).op(W.i32Xor).at(W.i32Load, CONTEXT).op(W.i32Xor);
  a.i32((JUMP_SLOTS - 1) << 4).op(W.i32And).tee(entry).mem(W.i64Load, JUMP_CACHE).get(pc).op(W.i64Eq).if();
  a.get(entry).mem(W.i32Load, JUMP_CACHE + 8).at(W.i32Load, CONTEXT).op(W.i32Eq).if();
}

/** Index of a pc (low half) in a context in the jump cache, in bytes from its start. */
export const jumpIndex = (lo: number, context: number): number => ((lo << 3) ^ (lo >>> 8) ^ context) & ((JUMP_SLOTS - 1) << 4);
