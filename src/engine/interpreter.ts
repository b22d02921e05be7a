// The interpreter: one wasm function, a loop around a br_table with a handler for each micro-op, generated from the table.
// It leaves with a reason; IP and BUDGET then hold where and how many instructions of the budget are left.
import { BUDGET, CLOCK, CONTEXT, CURRENT, IP, JUMP_CACHE, PAGE, PC, TLB, TLB_HALF } from "../ir/layout.ts";
import type { Limits } from "../ir/limits.ts";
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

// The pieces that handlers are made of, as bytes: they are written at every start.
const GET = 0x20, SET = 0x21, CONST = 0x41;
/** Pushes the address of an operand: a micro-op's field. The one operand of a row is in b, the third in c. */
const A = [GET, ip, W.i32Load16U, 0, 4], B = [GET, ip, W.i32Load, 0, 8], C = [GET, ip, W.i32Load16U, 0, 6];
const FIELDS = [[], [B], [A, B], [A, B, C]] as const;
const LOAD_I = [W.i32Load, 0, 0], LOAD_L = [W.i64Load, 0, 0], STORE_I = [W.i32Store, 0, 0], STORE_L = [W.i64Store, 0, 0];
/** Pushes the address of the result. */
const DESTINATION = [GET, ip, W.i32Load16U, 0, 2];
const NEXT = [GET, ip, CONST, UOP_BYTES, W.i32Add, SET, ip];
const NO_BYTES: readonly number[] = [];

/** Pushes the operand of type `ty` whose address is in a micro-op's field. */
const operand = (a: Asm, field: readonly number[], ty: string) => a.ops(field).ops(ty === "l" ? LOAD_L : LOAD_I);

/** Pushes the value of a pure row over a micro-op's operands. */
function emitPure(a: Asm, row: OpRow): void {
  const { args } = row, fields = FIELDS[args.length], each = row.each === undefined ? NO_BYTES : [row.each];
  for (let i = 0; i < fields.length; i++) operand(a, fields[i], args[i]).ops(each);
  emitOp(a, row);
}
/** The operation itself, operands on the stack. */
function emitOp(a: Asm, { wasm }: OpRow): void {
  if (typeof wasm === "string") a.call(FIRST_RUNTIME + runtimeNames.indexOf(wasm));
  else a.ops(wasm!);
}

const next = (a: Asm) => a.ops(NEXT).br("next");
const leave = (a: Asm, reason: number) => a.storeAt(W.i32Store, IP, ip).storeAt(W.i32Store, BUDGET, budget).i32(reason).op(W.return);
const addLeft = (a: Asm) => a.get(budget).get(ip).mem(W.i32Load16U, 14).op(W.i32Add).set(budget);
const addCount = (a: Asm) => a.get(budget).get(ip).i32(H_COUNT).op(W.i32Add).mem(W.i32Load16U, 0).op(W.i32Add);

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

/** From the address on the stack to `e`, the entry of the TLB. */
const entryOf = ({ tlbEntries }: Limits) =>
  new Asm().tee(v).op(W.wrap).i32(8).op(W.i32ShrU).i32((tlbEntries - 1) << 4).op(W.i32And).get(tlb).op(W.i32Add).tee(e).bytes;
/** From the last byte's address on the stack to its page, and the comparison with the tag. */
const COMPARE = new Asm().i64(-PAGE).op(W.i64And).op(W.i64Ne).bytes;
/** Leaves the host address of the access on the stack, or branches to "slow". */
function translate(a: Asm, toEntry: Uint8Array, row: OpRow, address: OpRow): void {
  const half = row.effect === "writes" || row.rmw ? TLB_HALF : 0;
  emitPure(a, address);
  a.append(toEntry).mem(W.i64Load, half).get(v);
  if (row.size! > 1) a.i64(row.size! - 1).op(W.i64Add);
  a.append(COMPARE).brIf("slow").get(v).op(W.wrap).get(e).mem(W.i32Load, half + 8).op(W.i32Add);
}

function control(a: Asm, name: string): void {
  switch (name) {
    case "nop":
      break;
    case "move.i":
      operand(a.ops(DESTINATION), B, "i").ops(STORE_I);
      break;
    case "move.l":
      operand(a.ops(DESTINATION), B, "l").ops(STORE_L);
      break;
    case "ticks":
      a.ops(DESTINATION).at(W.i64Load, CLOCK).get(budget).get(ip).mem(W.i32Load16U, 14).op(W.i32Add).op(W.extU).op(W.i64Sub).ops(STORE_L);
      break;
    case "skipIf":
      operand(a, B, "i").if().ops(DESTINATION).i32(4).op(W.i32Shl).get(ip).op(W.i32Add).set(ip).end();
      break;
    case "jump":
      addLeft(a).ops(B).tee(t).if().get(t).set(ip).br("enter").end();
      return void leave(a, LEFT.unlinked);
    case "jumpFar":
      return void addLeft(a).i32(0).get(ip).mem(W.i32Load, 4).mem(W.i64Load, 0).tee(v).mem(W.i64Store, PC).br("lookup");
    case "jumpOut":
    case "jumpTo":
      if (name === "jumpOut") a.at(W.i32Load, TLB).set(tlb);
      return void operand(a.i32(0), B, "l").tee(v).mem(W.i64Store, PC).br("lookup");
    case "call":
      next(a.ops(B).get(ip).get(budget).call(HELPER).tee(t).op(W.i32Eqz).if()).end().br("status");
      return;
    case "callEnd":
    case "callOut":
      a.ops(B).get(ip).get(budget).call(HELPER).tee(t).i32(1).op(W.i32Eq).brIf("status").at(W.i32Load, TLB).set(tlb);
      // The block may go on behind this instruction: what comes there does not begin.
      if (name === "callOut") addLeft(a).get(budget).i32(1).op(W.i32Sub).set(budget);
      a.get(t).op(W.i32Eqz).if().at(W.i64Load, PC).set(v).br("lookup").end();
      return void leave(a, LEFT.attention);
    case "stale":
      return void leave(addCount(a).set(budget), LEFT.stale);
    case "boundary":
      return void leave(a, LEFT.boundary);
    case "region":
      return void addCount(a).ops(B).op(W.returnCallIndirect).u(REGION_TYPE).u(0);
    case "resume":
      return void a.i32(0).get(ip).mem(W.i32Load, 4).mem(W.i32Store, CURRENT).ops(B).set(ip).br("next");
    default:
      throw new Error(`no handler for '${name}'`);
  }
  next(a);
}

function handler(a: Asm, toEntry: Uint8Array, { name, kind, root, child }: Uop): void {
  if (kind === "control") return control(a, name!);
  if (kind === "branch") {
    if (child) emitPure(a, child);
    else operand(a, B, "i");
    next(a.op(W.i32Eqz).if()).end().br("taken");
    return;
  }
  const row = root!, long = row.result === "l";
  if (kind === "pure") {
    a.ops(DESTINATION);
    emitPure(a, child ?? row);
    if (child) emitOp(a, row);
    a.ops(long ? STORE_L : STORE_I);
  } else {
    translate(a, toEntry, row, child!);
    // A value is loaded first: its local is `v` or `t`, whose address is no longer needed.
    if (kind === "load") a.mem(loadOpcode(row), 0).set(long ? v : t).ops(DESTINATION).get(long ? v : t).ops(long ? STORE_L : STORE_I);
    else operand(a, C, row.args[1]).mem(storeOpcode(row), 0);
  }
  next(a);
}

/** The interpreter's module: exports run(ip, budget) -> reason. */
export function interpreterModule(memoryPages: number, limits: Limits): Uint8Array<ArrayBuffer> {
  const toEntry = entryOf(limits);
  const a = new Asm(16384).at(W.i32Load, TLB).set(tlb);
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
  a.blocks(UOPS.length).get(ip).mem(W.i32Load16U, 0).brTable(UOPS.length);
  for (let i = 0; i < UOPS.length; i++) handler(a.end(), toEntry, UOPS[i]);
  // taken: the branch at ip goes to its jump, mostly one that is linked already.
  a.end();
  a.ops(DESTINATION).i32(4).op(W.i32Shl).get(ip).op(W.i32Add).tee(ip).mem(W.i32Load, 8).tee(t).op(W.i32Eqz).brIf("next");
  addLeft(a).get(t).set(ip).br("enter");
  // lookup: the pc in v (and PC) through the jump cache.
  a.end();
  jumpEntry(a, v, t, e, limits);
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
export function jumpEntry(a: Asm, pc: number, word: number, entry: number, { jumpEntries }: Limits): void {
  a.get(pc).op(W.wrap).tee(word).i32(3).op(W.i32Shl).get(word).i32(8).op(W.i32ShrU).op(W.i32Xor).at(W.i32Load, CONTEXT).op(W.i32Xor);
  a.i32((jumpEntries - 1) << 4).op(W.i32And).tee(entry).mem(W.i64Load, JUMP_CACHE).get(pc).op(W.i64Eq).if();
  a.get(entry).mem(W.i32Load, JUMP_CACHE + 8).at(W.i32Load, CONTEXT).op(W.i32Eq).if();
}

/** Index of a pc (low half) in a context in the jump cache, in bytes from its start; `mask`: those that may be. */
export const jumpIndex = (lo: number, context: number, mask: number): number => ((lo << 3) ^ (lo >>> 8) ^ context) & mask;
