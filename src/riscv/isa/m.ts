// M and Zmmul: multiplication and division (RISC-V Unprivileged ISA 20240411, chapter 13). Division is total in the IR as the manual's table 10 has it.
import { type Group, insn, type Row } from "../insn.ts";

/** Products, which Zmmul has, too. */
// deno-fmt-ignore
const MUL: readonly Row[] = [
  insn("0000001 rs2 rs1 000 rd 0110011", "mul rd, rs1, rs2",    (b, f) => b.setX(f.rd, b.mul(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000001 rs2 rs1 001 rd 0110011", "mulh rd, rs1, rs2",   (b, f) => b.setX(f.rd, b.mulhS(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000001 rs2 rs1 010 rd 0110011", "mulhsu rd, rs1, rs2", (b, f) => b.setX(f.rd, b.mulhSU(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000001 rs2 rs1 011 rd 0110011", "mulhu rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.mulhU(b.x(f.rs1), b.x(f.rs2)))),
];
// deno-fmt-ignore
const MUL64: readonly Row[] = [
  insn("0000001 rs2 rs1 000 rd 0111011", "mulw rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.mul(b.w(f.rs1), b.w(f.rs2)))),
];

// deno-fmt-ignore
const DIV: readonly Row[] = [
  insn("0000001 rs2 rs1 100 rd 0110011", "div rd, rs1, rs2",    (b, f) => b.setX(f.rd, b.divS(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000001 rs2 rs1 101 rd 0110011", "divu rd, rs1, rs2",   (b, f) => b.setX(f.rd, b.divU(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000001 rs2 rs1 110 rd 0110011", "rem rd, rs1, rs2",    (b, f) => b.setX(f.rd, b.remS(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000001 rs2 rs1 111 rd 0110011", "remu rd, rs1, rs2",   (b, f) => b.setX(f.rd, b.remU(b.x(f.rs1), b.x(f.rs2)))),
];
// deno-fmt-ignore
const DIV64: readonly Row[] = [
  insn("0000001 rs2 rs1 100 rd 0111011", "divw rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.divS(b.w(f.rs1), b.w(f.rs2)))),
  insn("0000001 rs2 rs1 101 rd 0111011", "divuw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.divU(b.w(f.rs1), b.w(f.rs2)))),
  insn("0000001 rs2 rs1 110 rd 0111011", "remw rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.remS(b.w(f.rs1), b.w(f.rs2)))),
  insn("0000001 rs2 rs1 111 rd 0111011", "remuw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.remU(b.w(f.rs1), b.w(f.rs2)))),
];

export const PRODUCTS: readonly Group[] = [
  { needs: "m|zmmul", rows: MUL },
  { needs: "m|zmmul", xlen: 64, rows: MUL64 },
  { needs: "m", rows: DIV },
  { needs: "m", xlen: 64, rows: DIV64 },
];
