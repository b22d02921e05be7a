// What the interpreter is given: IR -> micro-ops, of instructions of both architectures and of IR made for the purpose. The texts are in
// tests/golden/blocks.
import { assert, assertEquals } from "@std/assert";
import { Builder, printIr } from "../ir/builder.ts";
import { ARG, GUEST, PAGE, RESULT, TEMP, TEMPS, ZERO } from "../ir/layout.ts";
import { encode } from "../riscv/insn.ts";
import { loadFloating, parseIsa } from "../riscv/instruction_set.ts";
import { F, MODE_FS, MODE_FS_DIRTY, X } from "../riscv/slots.ts";
import { translateBlock } from "../riscv/translate.ts";
import { Bench, FLAT32, LONG, REAL } from "../x86/testing/bench.ts";
import { Selector, SMALL } from "./select.ts";
import { compareGoldens } from "../../tests/golden_files.ts";
import { H_COUNT, HEADER_BYTES, nameOf, UOP_BYTES, UOPS } from "./uops.ts";
import { LIMITS } from "../ir/limits.ts";

await loadFloating();

const SMALL_AT = 0x1_0000, LITERALS = 0x2_0000, ARENA = 0x4_0000;

/** The micro-ops of a block as text: name, destination, operands; a jump's target; the pc's offset and `left` where they change. */
function select(ir: Builder): string {
  const buffer = new ArrayBuffer(0x8_0000), selector = new Selector(buffer, SMALL_AT, LITERALS, LIMITS.memos), view = new DataView(buffer);
  const end = selector.select(ir, ARENA), lines: string[] = [];
  const literal = (at: number) => `#${view.getBigInt64(at, true)}`;
  const place = (at: number): string => {
    if (at === ZERO) return "#0";
    if (at >= TEMP && at < TEMP + 8 * TEMPS) return `t${(at - TEMP) / 8}`;
    if (at >= X(0) && at < F(0)) return `x${(at - GUEST) / 8}`;
    if (at >= F(0) && at < F(32)) return `f${(at - F(0)) / 8}`;
    if (at >= ARG && at < ARG + 32) return `arg${(at - ARG) / 8}`;
    if (at === RESULT) return "result";
    return at >= SMALL_AT ? literal(at) : `[0x${at.toString(16)}]`;
  };
  let before = "";
  for (let at = ARENA + HEADER_BYTES; at < end; at += UOP_BYTES) {
    const u = UOPS[view.getUint16(at, true)], name = nameOf(u), dst = view.getUint16(at + 2, true), b = view.getUint32(at + 8, true);
    const a = place(view.getUint16(at + 4, true)), c = place(view.getUint16(at + 6, true)), value = place(b);
    const row = u.child ?? u.root, two = (row?.args.length ?? 0) > 1 ? `${a}, ${value}` : value;
    const n = (at - ARENA - HEADER_BYTES) / UOP_BYTES;
    const text = u.kind === "pure"
      ? `${place(dst)} = ${name} ${row!.args.length === 3 ? `${a}, ${value}, ${c}` : two}`
      : u.kind === "load"
      ? `${place(dst)} = ${name} ${a}, ${value}`
      : u.kind === "store"
      ? `${name} ${a}, ${value} <- ${c}`
      : u.kind === "branch"
      ? `${name} ${two} -> ${n + dst}`
      : name.startsWith("move")
      ? `${place(dst)} = ${name} ${value}`
      : name.startsWith("jump") && name !== "jumpTo"
      ? `${name} 0x${view.getBigUint64(view.getUint32(at + 4, true), true).toString(16)}`
      : name === "skipIf"
      ? `skipIf ${value} -> ${n + 1 + dst}`
      : name.startsWith("call")
      ? `${name} ${b}`
      : name === "jumpTo"
      ? `jumpTo ${value}`
      : name;
    const where = `+${view.getUint16(at + 12, true)} left ${view.getUint16(at + 14, true)}`;
    lines.push(`${String(n).padStart(3)}  ${text.padEnd(44)}${where === before ? "" : where}`.trimEnd());
    before = where;
  }
  assertEquals(view.getUint16(ARENA + HEADER_BYTES + H_COUNT, true), ir.insns);
  return lines.join("\n");
}

type Line = readonly [mnemonic: string, fields?: Readonly<Record<string, number>>];
const BLOCKS: readonly (readonly [string, 32 | 64, readonly Line[]])[] = [
  ["operands are registers and constants", 64, [
    ["add", { rd: 5, rs1: 6, rs2: 7 }],
    ["addi", { rd: 5, rs1: 5, imm: -1 }],
    ["addi", { rd: 5, rs1: 0, imm: 7 }],
    ["addi", { rd: 5, rs1: 6, imm: 0 }],
    ["sub", { rd: 5, rs1: 0, rs2: 6 }],
    ["slli", { rd: 5, rs1: 5, shamt: 40 }],
    ["addi", { rd: 0, rs1: 0, imm: 0 }],
    ["lui", { rd: 6, imm: 0x12345 << 12 }],
    ["auipc", { rd: 7, imm: 0x7000 }],
    ["jal", { rd: 0, imm: 16 }],
  ]],
  ["32-bit results are extended by the operation's own micro-op", 64, [
    ["addw", { rd: 5, rs1: 6, rs2: 7 }],
    ["addiw", { rd: 5, rs1: 5, imm: 0 }],
    ["sraiw", { rd: 5, rs1: 5, shamt: 3 }],
    ["mulw", { rd: 6, rs1: 5, rs2: 5 }],
    ["remuw", { rd: 6, rs1: 5, rs2: 7 }],
    ["sltu", { rd: 6, rs1: 5, rs2: 7 }],
    ["sh1add.uw", { rd: 6, rs1: 5, rs2: 7 }],
    ["jalr", { rd: 1, rs1: 1, imm: 0 }],
  ]],
  ["loads and stores add their address", 64, [
    ["ld", { rd: 5, rs1: 2, imm: 16 }],
    ["lbu", { rd: 5, rs1: 5, imm: 0 }],
    ["sw", { rs1: 2, rs2: 5, imm: -4 }],
    ["sd", { rs1: 2, rs2: 0, imm: 2047 }],
    ["sb", { rs1: 0, rs2: 5, imm: 100 }],
    ["ld", { rd: 0, rs1: 2, imm: 0 }],
    ["fsd", { rs1: 2, rs2: 9, imm: 8 }],
    ["flw", { rd: 9, rs1: 2, imm: 8 }],
    ["jal", { rd: 1, imm: -4096 }],
  ]],
  ["branches compare; their jumps come behind the block", 64, [
    ["beq", { rs1: 5, rs2: 6, imm: 32 }],
    ["bltu", { rs1: 0, rs2: 6, imm: -4096 }],
    ["addi", { rd: 5, rs1: 5, imm: 1 }],
    ["bge", { rs1: 5, rs2: 0, imm: 8 }],
    ["jalr", { rd: 0, rs1: 1, imm: 0 }],
  ]],
  ["atomics", 64, [
    ["amoadd.w", { rd: 5, rs1: 6, rs2: 7, aq: 0, rl: 0 }],
    ["lr.d", { rd: 5, rs1: 6, aq: 0, rl: 0 }],
    ["sc.d", { rd: 5, rs1: 6, rs2: 7, aq: 0, rl: 0 }],
    ["jal", { rd: 0, imm: 0 }],
  ]],
  ["helpers", 64, [
    ["clmul", { rd: 5, rs1: 6, rs2: 7 }],
    ["fsqrt.s", { rd: 5, rs1: 6, rm: 1 }],
    ["csrrs", { rd: 5, rs1: 0, csr: 0xc00 }],
  ]],
  ["RV32", 32, [
    ["add", { rd: 5, rs1: 6, rs2: 7 }],
    ["lw", { rd: 5, rs1: 2, imm: 16 }],
    ["sb", { rs1: 5, rs2: 6, imm: 0 }],
    ["slt", { rd: 5, rs1: 6, rs2: 0 }],
    ["mulh", { rd: 5, rs1: 6, rs2: 7 }],
    ["bne", { rs1: 5, rs2: 0, imm: -16 }],
    ["jalr", { rd: 1, rs1: 5, imm: 4 }],
  ]],
];

Deno.test("RISC-V blocks: IR and micro-ops", () => {
  const cases = new Map<string, string>();
  for (const [title, xlen, lines] of BLOCKS) {
    const isa = parseIsa(`rv${xlen}gc_zba_zbb_zbc_zbs`),
      bytes = new Uint8Array(2 * PAGE),
      view = new DataView(bytes.buffer),
      b = new Builder();
    lines.forEach(([name, fields], i) => view.setUint32(4 * i, encode(isa.table.row(name), fields ?? {}), true));
    b.reset(0x8000_0100 | 0, 0);
    translateBlock(b, { bytes, at: 0, limit: PAGE, next: () => -1 }, lines.length, MODE_FS | MODE_FS_DIRTY, isa);
    const source = lines.map(([name, f]) => `${name} ${Object.entries(f ?? {}).map(([k, v]) => `${k}=${v}`).join(" ")}`.trim());
    cases.set(`RV${xlen}: ${title}`, `${source.join("\n")}\n\n${printIr(b)}\n\n${select(b)}\n`);
  }
  compareGoldens("blocks", "rv", cases);
});

/** Code as bytes in hexadecimal, an instruction a line. */
const X86_BLOCKS: readonly (readonly [title: string, mode: number, ...lines: string[]])[] = [
  ["64-bit code: operands are registers and constants", LONG, "48 01 c8", "29 d1", "b8 07 00 00 00", "41 83 e1 0f", "c3"],
  ["64-bit code: a comparison and its branch", LONG, "48 39 d8", "72 05", "31 c0", "eb 00"],
  ["64-bit code: memory by base, index and displacement", LONG, "48 8b 44 8b 10", "88 03", "48 8d 04 40", "ff 05 00 01 00 00", "f4"],
  ["64-bit code: flags of a shift by CL, and a carry that goes on", LONG, "48 d3 e0", "48 11 da", "0f 92 c1", "c3"],
  ["64-bit code: stack, call and return", LONG, "50", "48 8b 04 24", "59", "e8 10 00 00 00"],
  ["64-bit code: scalar floating point", LONG, "f2 0f 58 c1", "f3 0f 10 03", "66 0f ef c0", "c3"],
  ["32-bit code: flat segments", FLAT32, "8b 45 08", "0f b6 c0", "f7 e1", "40", "75 f4"],
  ["16-bit code: real mode, segments and wrapping addresses", REAL, "8b 47 10", "26 89 05", "05 ff 7f", "70 02", "f4"],
  ["16-bit code: a repeated string instruction", REAL, "f3 a4"],
];

Deno.test("x86 blocks: IR and micro-ops", () => {
  const bench = new Bench(), cases = new Map<string, string>();
  for (const [title, mode, ...lines] of X86_BLOCKS) {
    const b = bench.translate(lines.join(" "), mode, 0x1000, lines.length);
    cases.set(`x86, ${title}`, `${lines.join("\n")}\n\n${printIr(b)}\n\n${select(b)}\n`);
  }
  compareGoldens("blocks", "x86", cases);
});

/** A block of one or more instructions in IR. */
function block(...instructions: readonly ((b: Builder) => void)[]): Builder {
  const b = new Builder();
  b.reset(0x1000, 0);
  instructions.forEach((f, i) => {
    b.insn(0x1000 + 4 * i, 0, 4 * i);
    f(b);
  });
  if (!b.ended) b.jump(4);
  return b;
}

Deno.test("a value is read where it is, unless its slot is written before its last use", () => {
  const swap = block((b) => {
    const x = b.getL(X(5)), y = b.getL(X(6));
    b.set(X(5), y);
    b.set(X(6), x);
  });
  assertEquals(select(swap).split("\n").slice(0, 3).map((l) => l.slice(5, 40).trim()), [
    "t0 = move.l x5",
    "x5 = move.l x6",
    "x6 = move.l t0",
  ]);
  // A helper may write any slot.
  const called = block((b) => {
    const x = b.getL(X(5)), result = b.call(0, x);
    b.set(X(6), b.add(x, result));
  });
  assert(select(called).includes("t0 = move.l x5"), select(called));
});

Deno.test("a branch whose operands need a move first leads to its own jump", () => {
  const text = select(block((b) => b.branchIf(b.ltS(b.i32(1 << 20), b.getI(X(5))), 0x40)));
  assertEquals(text.split("\n").map((l) => l.slice(5, 49).trim()), [
    "t0 = move.i #1048576",
    "branch(ltS.i) t0, x5 -> 3",
    "jump 0x1004",
    "jump 0x1040",
  ]);
});

Deno.test("instructions without effects are there all the same: each has its pc and its tick", () => {
  const text = select(block(() => {}, () => {}, (b) => b.set(X(5), b.i64(1))));
  assertEquals(text.split("\n").map((l) => l.slice(5, 49).trim()), ["nop", "nop", "x5 = move.l #1", "jump 0x100c"]);
  assertEquals(text.split("\n").map((l) => l.slice(49)), ["+0 left 3", "+4 left 2", "+8 left 1", "+8 left 0"]);
});

Deno.test("small constants are shared, large ones are literals, jumps to other pages are marked", () => {
  const buffer = new ArrayBuffer(0x8_0000), selector = new Selector(buffer, SMALL_AT, LITERALS, LIMITS.memos);
  const literals = (n: number) => {
    const from = selector.literalAt;
    selector.select(block((b) => b.set(X(5), b.add(b.getL(X(5)), b.i64(n)))), ARENA);
    return (from - selector.literalAt) / 8 - 1; // one is the jump's
  };
  assertEquals([-SMALL, -1, 0, SMALL - 1, SMALL, -SMALL - 1].map(literals), [0, 0, 0, 0, 1, 1]);
  assert(select(block((b) => b.jump(PAGE))).includes("jumpFar 0x2000"));
  assert(select(block((b) => b.jump(PAGE - 4))).includes("jump 0x1ffc"));
});
