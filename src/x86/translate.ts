// Turns x86 code into IR, one block at a time: decodes the instructions, finds out backwards which flags anybody may look at, then emits them.
// A repeated string instruction is a block that jumps to itself: every iteration counts as one instruction, and interrupts come between iterations.
// HOT: no bigint, no closures, no allocation.
import { Builder } from "../ir/builder.ts";
import type { Code, CoreEnv, Helper, Status } from "../ir/frontend.ts";
import { CUT, type DecodeTable, LONGEST, OK, type Outcome, TOO_LONG } from "./decode.ts";
import { Emit } from "./emit.ts";
import { XCPT } from "./exceptions.ts";
import { H, MMX_HELPERS, SSE_HELPERS, X87_HELPERS } from "./helpers.ts";
import { CONST, IMM, Insn, STRING } from "./insn.ts";
import { STATUS } from "./registers.ts";
import { integerHelpers } from "./integer.ts";
import { x86Table } from "./instruction_set.ts";
import { CS } from "./segments.ts";
import { sseHelpers } from "./sse.ts";
import { x87Helpers } from "./x87.ts";
import { MODE_EM, MODE_OSFXSR, MODE_TF, MODE_TS } from "./slots.ts";

/** Longest block, in instructions, and operations after which no further instruction is begun: the largest one (ENTER) takes less than what is left. */
const MAX_BLOCK = 64, MAX_OPERATIONS = Builder.CAPACITY - 2048;

const emitters = new WeakMap<Builder, Emit>();
function emitterOf(b: Builder): Emit {
  if (b instanceof Emit) return b;
  let e = emitters.get(b);
  if (!e) emitters.set(b, e = new Emit(b));
  return e;
}

/** The instructions of the block being built, and the flags that are live after each. */
const pool = Array.from({ length: MAX_BLOCK }, () => new Insn());
const live = new Int32Array(MAX_BLOCK), outcomes = new Uint8Array(MAX_BLOCK);
/** An instruction that crosses into the next page, put together. */
const joined = new Uint8Array(2 * LONGEST);

/**
 * Builds the block of at most `max` instructions (1 or more) that starts at the builder's pc, for the mode bits of slots.ts. It ends where an
 * instruction ends it, before a page's end, or after 64 instructions; an instruction that crosses into the next page is always a block of its own.
 */
export function translateBlock(b: Builder, code: Code, max: number, mode: number, table: DecodeTable = x86Table()): void {
  const e = emitterOf(b);
  e.reset(b.startLo, b.startHi);
  e.leavesBefore = b.leavesBefore;
  e.begin(mode);
  if (mode & MODE_TF || max < 1) max = 1;
  let count = decodeBlock(e, table, code, max < MAX_BLOCK ? max : MAX_BLOCK);
  if (count < 0) {
    // The page that follows cannot be fetched from.
    e.insn(e.startLo, e.startHi, 0);
    if (mode & MODE_TF) e.call(H.step, e.here());
    e.callEnd(H.fetchFault, e.here());
    e.codeBytes = code.limit;
  }
  // A block that gets too large is made again, shorter: which flags are live depends on where it ends.
  for (let next; count > 0 && (next = emitBlock(e, count, mode)) < count; count = next) {
    e.reset(b.startLo, b.startHi);
    e.begin(mode);
  }
  b.codeBytes = e.codeBytes;
  if (e === b) return;
  b.count = e.count;
  b.insns = e.insns;
  b.ended = e.ended;
  b.pcLo = e.pcLo;
  b.pcHi = e.pcHi;
}

/** Decodes the block into `pool`; returns the number of instructions (1 or more), the last of which may be undecodable, or -1. */
function decodeBlock(e: Emit, table: DecodeTable, code: Code, max: number): number {
  const { bytes, at, limit } = code, stop = code.stop ?? limit;
  let n = 0;
  for (let offset = 0; n < max && offset < stop; n++) {
    const i = pool[n];
    let outcome: Outcome = table.decode(i, bytes, at + offset, limit - offset, e.code, e.protectedMode);
    if (outcome === CUT) {
      if (n > 0) break;
      const next = code.next();
      if (next < 0) return -1;
      joined.set(bytes.subarray(at, at + limit));
      joined.set(bytes.subarray(next, next + LONGEST), limit);
      outcome = table.decode(i, joined, 0, LONGEST, e.code, e.protectedMode);
    }
    outcomes[n] = outcome;
    if (outcome !== OK) return n + 1;
    offset += i.length;
    if (i.row.ends || i.rep !== 0 && (i.operands[0].kind === STRING || i.operands[1].kind === STRING)) return n + 1;
  }
  return n;
}

/** Returns how many instructions the block may have: `count`, or fewer when they do not fit. */
function emitBlock(e: Emit, count: number, mode: number): number {
  // Backwards: an instruction that may leave the block shows all flags, before it and, mostly, after it.
  let after = STATUS, end = 0;
  for (let n = 0; n < count; n++) if (outcomes[n] === OK) end += pool[n].length;
  for (let n = count - 1; n >= 0; n--) {
    const i = pool[n];
    if (outcomes[n] !== OK) {
      after = STATUS;
      continue;
    }
    const row = i.row;
    end -= i.length;
    if (!row.quiet || i.hasMemory) {
      live[n] = row.quiet && e.leavesBefore && (e.long || e.flat && i.segment < 4 && i.segment !== CS) ? after : STATUS;
      after = STATUS;
      continue;
    }
    live[n] = after;
    // A count that may be zero leaves what was: those flags pass through.
    const writes = row.counted !== 0 && surelyShifts(i) ? row.writes | row.counted : row.writes;
    after = e.flow.mayBeBeyond(end, i.length) ? STATUS : (after & ~writes) | row.reads;
  }
  let offset = 0;
  for (let n = 0; n < count && !e.ended; n++) {
    if (e.count > MAX_OPERATIONS) return n;
    const i = pool[n], lo = (e.startLo >>> 0) + offset;
    e.insn(lo | 0, e.long && lo > 0xffff_ffff ? e.startHi + 1 : e.startHi, offset);
    e.begin1(i, live[n]);
    if (mode & MODE_TF) e.call(H.step, e.here());
    if (e.flow.mayBeBeyond(offset, i.length)) e.flow.checkEnd(i.length);
    if (outcomes[n] !== OK) {
      if (outcomes[n] === TOO_LONG) e.raise(XCPT.GP, 0);
      else e.raise(XCPT.UD);
      e.codeBytes = offset + LONGEST;
      return count;
    }
    if (allowed(e, i, mode)) {
      const o = i.operands;
      i.row.emit(e, o[0], o[1], o[2], o[3]);
    }
    offset += i.length;
  }
  if (!e.ended) e.jump(e.i.length);
  e.codeBytes = offset;
  return count;
}

/** True when the shift or rotate has a count that is known not to be zero. */
function surelyShifts(i: Insn): boolean {
  const n = i.row.operands.length - 1, o = i.operands[n];
  return o.kind === CONST || o.kind === IMM && (i.imm & (i.operands[0].size === 8 ? 63 : 31)) !== 0;
}

/** The checks that rows name by marks; false when an exception was emitted instead. */
function allowed(e: Emit, i: Insn, mode: number): boolean {
  const row = i.row;
  if (row.protectedOnly && !e.protectedMode) {
    e.raise(XCPT.UD);
    return false;
  }
  if (row.cpl0 && e.cpl !== 0) {
    e.raise(XCPT.GP, 0);
    return false;
  }
  switch (row.unit) {
    case "fpu":
    case "fxsr":
      if (!(mode & (MODE_EM | MODE_TS))) return true;
      e.raise(XCPT.NM);
      return false;
    case "mmx":
    case "sse":
      if (mode & MODE_EM || row.unit === "sse" && !(mode & MODE_OSFXSR)) e.raise(XCPT.UD);
      else if (mode & MODE_TS) e.raise(XCPT.NM);
      else return true;
      return false;
    default:
      return true;
  }
}

/** The helpers of HELPERS that follow SYSTEM_HELPERS. `raise` records an exception (error code -1: none) and returns FAULT; `fpuCleared` hears that x87 exceptions may be gone. */
export function instructionHelpers(
  env: CoreEnv,
  raise: (vector: number, error: number) => Status,
  fpuCleared: () => void = () => {},
): Helper[] {
  return [
    ...integerHelpers(env, raise),
    ...later([...SSE_HELPERS, ...MMX_HELPERS], () => sseHelpers(env, raise)),
    ...later(X87_HELPERS, () => x87Helpers(env, fpuCleared)),
  ];
}

/** Helpers that are made when one of them is first called: most programs never do. */
class LaterHelper implements Helper {
  constructor(readonly name: string, readonly make: () => void) {}
  run(): Status {
    this.make();
    return this.run();
  }
}
function later(names: readonly string[], make: () => Helper[]): Helper[] {
  const makeAll = () => {
    const made = make();
    for (let i = 0; i < all.length; i++) all[i].run = made[i].run;
  };
  const all = names.map((name) => new LaterHelper(name, makeAll));
  return all;
}
