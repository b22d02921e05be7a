// Micro-ops: what the interpreter executes. The table is derived from the IR's: each pure, load and store row is a micro-op, and the FUSED
// pairs are further ones. Operands are addresses of 4- or 8-byte cells in the linear memory: slots, temporaries or literals.
//
// A micro-op is 16 bytes:   +0 u16 code   +2 u16 dst   +4 u16 a   +6 u16 c   +8 u32 b   +12 u16 pcOffset   +14 u16 left
// `left` counts the instructions from this one to the end of its block, itself included. A one-operand row has its operand in b.
// Jumps have their target's pc as the literal at u32 +4 and the target's micro-ops at +8 (0: not known yet); their `left` is
// the number of instructions of the block that the jump skips (0 for the jump that ends it).
import { ACCESS, ADD_L, BRANCH, EA32, EXACT, EXT_U, OP, type OpName, type OpRow, OPS, PURE, READS, WRAP } from "../ir/ops.ts";

export const UOP_BYTES = 16;
/** Before a block's first micro-op: pc i64, instruction count u16, flags u16, instructions until it is hot i32. */
export const HEADER_BYTES = 16, H_PC = -16, H_COUNT = -8, H_FLAGS = -6, H_HEAT = -4;

export type UopKind = "pure" | "load" | "store" | "branch" | "control";
export interface Uop {
  readonly kind: UopKind;
  /** Of control micro-ops; the others are named by their rows (`nameOf`). */
  readonly name?: string;
  /** The row whose result, access or condition this is; for control micro-ops undefined. */
  readonly root?: OpRow;
  /** A row that is computed first and is the root's first operand. */
  readonly child?: OpRow;
}

/** "add.l", "extS(add.i)", "nop". */
export const nameOf = ({ name, root, child }: Uop): string => name ?? (child ? `${root!.name}(${child.name})` : root!.name);

const CONTROL = [
  "nop", // an instruction without effects
  "move.i",
  "move.l",
  "ticks", // the clock
  "skipIf", // skips `dst` further micro-ops when the i32 at b is not zero
  "jump", // to a pc in the same page
  "jumpFar", // to a pc in another page: the mapping may have changed, so through the jump cache
  "jumpTo", // to the pc at b
  "call", // helper b
  "callEnd", // helper b, then on at the PC slot
  "callOut", // the same in the middle of an instruction, where it is mostly skipped
  "jumpOut", // to the pc at b, in another mode
  "stale", // the block was invalidated: first micro-op of a dead block
  "boundary", // stands for the first micro-op of an instruction before which the interpreter must leave
  "region", // the block is compiled: element b of the table
  "resume", // goes on at the micro-op at u32 +8 of the block at u32 +4: how the interpreter is entered in the middle of a block
] as const;
/** Pairs worth one micro-op: root row -> rows that may be its first operand. Comparisons, and loads and stores, add to these, see below. */
// deno-fmt-ignore
const FUSED: Readonly<Record<"extS" | "extU", readonly OpName[]>> = {
  extS: [
    "add.i", "sub.i", "mul.i", "and.i", "or.i", "xor.i", "shl.i", "shrS.i", "shrU.i", "divS.i", "divU.i", "remS.i", "remU.i", "rotl.i", "rotr.i",
    "clz.i", "ctz.i", "popcnt.i",
  ],
  extU: ["add.i", "sub.i", "and.i", "or.i", "xor.i", "shl.i", "shrS.i", "shrU.i", "mul.i"],
};

export const UOPS: readonly Uop[] = [];
/** Code of the control micro-ops and of the plain branch, by name. */
export const UOP = {} as Record<typeof CONTROL[number] | "branch", number>;
/** Micro-op of a pure row by op code; 0xffff where there is none. */
export const PURE_UOP = new Uint16Array(OPS.length).fill(0xffff);
/** Micro-op of a fused pair by root * ROOT + child; 0 where there is none. For loads and stores every address row has an entry. */
export const ROOT = OPS.length, FUSED_UOP = new Uint16Array(ROOT * OPS.length);

// Plain loops, and not in functions: these would be compiled at every start.
const uops = UOPS as Uop[];
for (const name of CONTROL) UOP[name] = uops.push({ kind: "control", name }) - 1;
for (let op = 0; op < OPS.length; op++) {
  if (PURE[op] && op !== WRAP) PURE_UOP[op] = uops.push({ kind: "pure", root: OPS[op] }) - 1;
}
UOP.branch = uops.push({ kind: "branch", root: OPS[BRANCH] }) - 1;
for (const name of ["extS", "extU"] as const) {
  const op = OP[name], root = OPS[op];
  for (const child of FUSED[name]) FUSED_UOP[op * ROOT + OP[child]] = uops.push({ kind: "pure", root, child: OPS[OP[child]] }) - 1;
}
// Comparisons of integers are the conditions of branches, and results of 64 bits.
for (let op = 0; op < OPS.length; op++) {
  const child = OPS[op];
  if (!child.truth || !EXACT[op]) continue;
  FUSED_UOP[EXT_U * ROOT + op] = uops.push({ kind: "pure", root: OPS[EXT_U], child }) - 1;
  FUSED_UOP[BRANCH * ROOT + op] = uops.push({ kind: "branch", root: OPS[BRANCH], child }) - 1;
}
// Loads and stores always add a and b: the address is a sum, or the other operand is the slot ZERO.
for (let op = 0; op < OPS.length; op++) {
  if (!ACCESS[op]) continue;
  const root = OPS[op], kind = READS[op] ? "load" : "store";
  for (const child of [ADD_L, EA32]) FUSED_UOP[op * ROOT + child] = uops.push({ kind, root, child: OPS[child] }) - 1;
}
