// Micro-ops: what the interpreter executes. The table is derived from the IR's: each pure, load and store row is a micro-op, and the FUSED
// pairs are further ones. Operands are addresses of 4- or 8-byte cells in the linear memory: slots, temporaries or literals.
//
// A micro-op is 16 bytes:   +0 u16 code   +2 u16 dst   +4 u16 a   +6 u16 c   +8 u32 b   +12 u16 pcOffset   +14 u16 left
// `left` counts the instructions from this one to the end of its block, itself included. A one-operand row has its operand in b.
// Jumps have their target's pc as the literal at u32 +4 and the target's micro-ops at +8 (0: not known yet); their `left` is
// the number of instructions of the block that the jump skips (0 for the jump that ends it).
import { OP, type OpRow, OPS } from "../ir/ops.ts";

export const UOP_BYTES = 16;
/** Before a block's first micro-op: pc i64, instruction count u16, flags u16, instructions until it is hot i32. */
export const HEADER_BYTES = 16, H_PC = -16, H_COUNT = -8, H_FLAGS = -6, H_HEAT = -4;

export type UopKind = "pure" | "load" | "store" | "branch" | "control";
export interface Uop {
  readonly name: string;
  readonly kind: UopKind;
  /** The row whose result, access or condition this is; for control micro-ops undefined. */
  readonly root?: OpRow;
  /** A row that is computed first and is the root's first operand. */
  readonly child?: OpRow;
}

const both = (names: string) => names.split(" ").flatMap((n) => [`${n}.i`, `${n}.l`]);
const COMPARES = both("eq ne ltS ltU gtS gtU leS leU geS geU");
/** Pairs worth one micro-op: root row -> rows that may be its first operand. */
const FUSED: Readonly<Record<string, readonly string[]>> = {
  extS: "add sub mul and or xor shl shrS shrU divS divU remS remU rotl rotr clz ctz popcnt".split(" ").map((n) => `${n}.i`),
  extU: [...COMPARES, ...both("eqz"), ..."add sub and or xor shl shrS shrU mul".split(" ").map((n) => `${n}.i`)],
  branch: [...COMPARES, ...both("eqz")],
};
const ADDRESSES = ["add.l", "ea32"];

const row = (name: string): OpRow => OPS[OP[name]];
const CONTROL = [
  "nop", // an instruction without effects
  "move.i",
  "move.l",
  "skipIf", // skips `dst` further micro-ops when the i32 at b is not zero
  "jump", // to a pc in the same page
  "jumpFar", // to a pc in another page: the mapping may have changed, so through the jump cache
  "jumpTo", // to the pc at b
  "call", // helper b
  "callEnd", // helper b, then on at the PC slot
  "stale", // the block was invalidated: first micro-op of a dead block
  "boundary", // stands for the first micro-op of an instruction before which the interpreter must leave
  "region", // the block is compiled: element b of the table
  "resume", // goes on at the micro-op at u32 +8 of the block at u32 +4: how the interpreter is entered in the middle of a block
] as const;

export const UOPS: readonly Uop[] = [
  ...CONTROL.map((name): Uop => ({ name, kind: "control" })),
  ...OPS.filter((r) => r.effect === "pure" && r.args !== "" && r.name !== "wrap").map((root): Uop => ({
    name: root.name,
    kind: "pure",
    root,
  })),
  ...["extS", "extU"].flatMap((r) => FUSED[r].map((c): Uop => ({ name: `${r}(${c})`, kind: "pure", root: row(r), child: row(c) }))),
  { name: "branch", kind: "branch", root: row("branch") },
  ...FUSED.branch.map((c): Uop => ({ name: `branch(${c})`, kind: "branch", root: row("branch"), child: row(c) })),
  // Loads and stores always add a and b: the address is a sum, or the other operand is the slot ZERO.
  ...OPS.filter((r) => r.effect === "reads" || r.effect === "writes").flatMap((root) =>
    ADDRESSES.map((c): Uop => ({ name: `${root.name}(${c})`, kind: root.effect === "reads" ? "load" : "store", root, child: row(c) }))
  ),
];

/** Micro-op code by name. */
export const UOP: Readonly<Record<string, number>> = Object.fromEntries(UOPS.map((u, i) => [u.name, i]));

/** Micro-op of a pure row by op code; 0xffff where there is none. */
export const PURE_UOP = Uint16Array.from(OPS, (r) => UOP[r.name] ?? 0xffff);
/** Micro-op of a fused pair by root * 256 + child; 0 where there is none. For loads and stores every address row has an entry. */
export const FUSED_UOP = new Uint16Array(256 * 256);
for (const [code, u] of UOPS.entries()) if (u.root && u.child) FUSED_UOP[OP[u.root.name] * 256 + OP[u.child.name]] = code;
