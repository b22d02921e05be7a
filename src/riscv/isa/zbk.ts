// Zbkb and Zbkx: bit manipulation for cryptography (RISC-V Unprivileged ISA 20240411, 28.5.1 and 28.5.3; 28.4.43 to 28.4.47).
// The rows that Zbkb shares with Zbb are in zb.ts.
import type { Val } from "../../ir/builder.ts";
import type { Emit } from "../emit.ts";
import { type Group, insn, type Row } from "../insn.ts";

/** A 32-bit pattern, repeated over the register. */
const pattern = (b: Emit, n: number) => b.xlen === 64 ? b.i64Halves(n | 0, n | 0) : b.i32(n);

/** The low halves of two registers. */
function pack(b: Emit, x: Val, y: Val): Val {
  const half = b.imm(b.xlen / 2);
  return b.or(b.shrU(b.shl(x, half), half), b.shl(y, half));
}

/** The bits of each byte the other way round. */
function brev8(b: Emit, x: Val): Val {
  for (const [n, mask] of [[4, 0x0f0f_0f0f], [2, 0x3333_3333], [1, 0x5555_5555]]) {
    x = b.or(b.and(b.shrU(x, b.imm(n)), pattern(b, mask)), b.shl(b.and(x, pattern(b, mask)), b.imm(n)));
  }
  return x;
}

/** Steps that interleave the halves of a word: distance, bits that stay, bits that come from below, bits that come from above. */
const ZIP = [
  [8, 0xff00_00ff, 0x00ff_0000, 0x0000_ff00],
  [4, 0xf00f_f00f, 0x0f00_0f00, 0x00f0_00f0],
  [2, 0xc3c3_c3c3, 0x3030_3030, 0x0c0c_0c0c],
  [1, 0x9999_9999, 0x4444_4444, 0x2222_2222],
] as const;
function shuffle(b: Emit, x: Val, steps: readonly (typeof ZIP)[number][]): Val {
  for (const [n, stay, up, down] of steps) {
    const moved = b.or(b.and(b.shl(x, b.imm(n)), b.imm(up)), b.and(b.shrU(x, b.imm(n)), b.imm(down)));
    x = b.or(b.and(x, b.imm(stay)), moved);
  }
  return x;
}

/** For each element of `bits` bits in `y` the element of `x` with that index; 0 when there is none. */
function crossbar(b: Emit, x: Val, y: Val, bits: 4 | 8): Val {
  const mask = b.imm((1 << bits) - 1), count = b.xlen / bits;
  let out = b.imm(0);
  for (let at = 0; at < b.xlen; at += bits) {
    const index = b.and(b.shrU(y, b.imm(at)), mask), element = b.and(b.shrU(x, b.mul(index, b.imm(bits))), mask);
    out = b.or(out, b.shl(b.select(b.ltU(index, b.imm(count)), element, b.imm(0)), b.imm(at)));
  }
  return out;
}

// deno-fmt-ignore
const ZBKB: readonly Row[] = [
  insn("0000100 rs2 rs1 100 rd 0110011", "pack rd, rs1, rs2",  (b, f) => b.setX(f.rd, pack(b, b.x(f.rs1), b.x(f.rs2)))),
  insn("0000100 rs2 rs1 111 rd 0110011", "packh rd, rs1, rs2", (b, f) => b.setX(f.rd, b.or(b.and(b.x(f.rs1), b.imm(0xff)), b.shl(b.and(b.x(f.rs2), b.imm(0xff)), b.imm(8))))),
  insn("011010000111 rs1 101 rd 0010011", "brev8 rd, rs1",     (b, f) => b.setX(f.rd, brev8(b, b.x(f.rs1)))),
];
// deno-fmt-ignore
const ZBKB32: readonly Row[] = [
  insn("000010001111 rs1 001 rd 0010011", "zip rd, rs1",   (b, f) => b.setX(f.rd, shuffle(b, b.x(f.rs1), ZIP))),
  insn("000010001111 rs1 101 rd 0010011", "unzip rd, rs1", (b, f) => b.setX(f.rd, shuffle(b, b.x(f.rs1), [...ZIP].reverse()))),
];
// deno-fmt-ignore
const ZBKB64: readonly Row[] = [
  insn("0000100 rs2 rs1 100 rd 0111011", "packw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.or(b.and(b.w(f.rs1), b.i32(0xffff)), b.shl(b.w(f.rs2), b.i32(16))))),
];
// deno-fmt-ignore
const ZBKX: readonly Row[] = [
  insn("0010100 rs2 rs1 010 rd 0110011", "xperm4 rd, rs1, rs2", (b, f) => b.setX(f.rd, crossbar(b, b.x(f.rs1), b.x(f.rs2), 4))),
  insn("0010100 rs2 rs1 100 rd 0110011", "xperm8 rd, rs1, rs2", (b, f) => b.setX(f.rd, crossbar(b, b.x(f.rs1), b.x(f.rs2), 8))),
];

export const BITS_FOR_CRYPTOGRAPHY: readonly Group[] = [
  { needs: "zbkb", rows: ZBKB },
  { needs: "zbkb", xlen: 32, rows: ZBKB32 },
  { needs: "zbkb", xlen: 64, rows: ZBKB64 },
  { needs: "zbkx", rows: ZBKX },
];
