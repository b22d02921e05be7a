// RV32I and RV64I (RISC-V Unprivileged ISA 20240411, chapters 2 and 4; listing: chapter 34), with ecall, ebreak and the fences.
// Rows that read alike for both widths are written once: values are as wide as the registers.
import type { Val } from "../../ir/builder.ts";
import type { Emit } from "../emit.ts";
import { H } from "../helpers.ts";
import { type Group, insn, type Row } from "../insn.ts";
import { CAUSE } from "../trap.ts";

function branch(b: Emit, cond: "eq" | "ne" | "ltS" | "geS" | "ltU" | "geU", f: { rs1: number; rs2: number; imm: number }): void {
  const taken = b[cond](b.x(f.rs1), b.x(f.rs2));
  if (!b.misaligned(f.imm)) return b.branchIf(taken, f.imm);
  b.branchIf(b.eqz(taken), b.length);
  b.raise(CAUSE.misalignedFetch, b.pcAt(f.imm));
}

function jal(b: Emit, rd: number, offset: number): void {
  if (b.misaligned(offset)) return b.raise(CAUSE.misalignedFetch, b.pcAt(offset));
  b.setX(rd, b.pcX(b.length));
  b.jump(offset);
}

function jalr(b: Emit, rd: number, rs1: number, offset: number): void {
  let target: Val = b.and(b.addr(rs1, offset), b.i64(-2));
  if (!b.compressed) target = b.callUnless(b.eqz(b.and(target, b.i64(2))), target, H.misalignedFetch);
  b.setX(rd, b.pcX(b.length));
  b.jumpTo(target);
}

/** Rows of both RV32I and RV64I. */
const I: readonly Row[] = [
  insn("imm[31:12] rd 0110111", "lui rd, imm>>12", (b, f) => b.setX(f.rd, b.imm(f.imm))),
  insn("imm[31:12] rd 0010111", "auipc rd, imm>>12", (b, f) => b.setX(f.rd, b.pcX(f.imm))),
  insn("imm[20|10:1|11|19:12] rd 1101111", "jal rd, pc+imm", (b, f) => jal(b, f.rd, f.imm)),
  insn("imm[11:0] rs1 000 rd 1100111", "jalr rd, imm(rs1)", (b, f) => jalr(b, f.rd, f.rs1, f.imm)),
  insn("imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011", "beq rs1, rs2, pc+imm", (b, f) => branch(b, "eq", f)),
  insn("imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011", "bne rs1, rs2, pc+imm", (b, f) => branch(b, "ne", f)),
  insn("imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011", "blt rs1, rs2, pc+imm", (b, f) => branch(b, "ltS", f)),
  insn("imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011", "bge rs1, rs2, pc+imm", (b, f) => branch(b, "geS", f)),
  insn("imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011", "bltu rs1, rs2, pc+imm", (b, f) => branch(b, "ltU", f)),
  insn("imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011", "bgeu rs1, rs2, pc+imm", (b, f) => branch(b, "geU", f)),
  insn("imm[11:0] rs1 000 rd 0000011", "lb rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("lb", b.addr(f.rs1, f.imm)))),
  insn("imm[11:0] rs1 001 rd 0000011", "lh rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("lh", b.addr(f.rs1, f.imm)))),
  insn("imm[11:0] rs1 010 rd 0000011", "lw rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("lw", b.addr(f.rs1, f.imm)))),
  insn("imm[11:0] rs1 100 rd 0000011", "lbu rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("lbu", b.addr(f.rs1, f.imm)))),
  insn("imm[11:0] rs1 101 rd 0000011", "lhu rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("lhu", b.addr(f.rs1, f.imm)))),
  insn("imm[11:5] rs2 rs1 000 imm[4:0] 0100011", "sb rs2, imm(rs1)", (b, f) => b.storeX("sb", b.addr(f.rs1, f.imm), b.x(f.rs2))),
  insn("imm[11:5] rs2 rs1 001 imm[4:0] 0100011", "sh rs2, imm(rs1)", (b, f) => b.storeX("sh", b.addr(f.rs1, f.imm), b.x(f.rs2))),
  insn("imm[11:5] rs2 rs1 010 imm[4:0] 0100011", "sw rs2, imm(rs1)", (b, f) => b.storeX("sw", b.addr(f.rs1, f.imm), b.x(f.rs2))),
  insn("imm[11:0] rs1 000 rd 0010011", "addi rd, rs1, imm", (b, f) => b.setX(f.rd, f.rs1 ? b.add(b.x(f.rs1), b.imm(f.imm)) : b.imm(f.imm))),
  insn("imm[11:0] rs1 010 rd 0010011", "slti rd, rs1, imm", (b, f) => b.setX(f.rd, b.ltS(b.x(f.rs1), b.imm(f.imm)))),
  insn("imm[11:0] rs1 011 rd 0010011", "sltiu rd, rs1, imm", (b, f) => b.setX(f.rd, b.ltU(b.x(f.rs1), b.imm(f.imm)))),
  insn("imm[11:0] rs1 100 rd 0010011", "xori rd, rs1, imm", (b, f) => b.setX(f.rd, b.xor(b.x(f.rs1), b.imm(f.imm)))),
  insn("imm[11:0] rs1 110 rd 0010011", "ori rd, rs1, imm", (b, f) => b.setX(f.rd, b.or(b.x(f.rs1), b.imm(f.imm)))),
  insn("imm[11:0] rs1 111 rd 0010011", "andi rd, rs1, imm", (b, f) => b.setX(f.rd, b.and(b.x(f.rs1), b.imm(f.imm)))),
  insn("0000000 rs2 rs1 000 rd 0110011", "add rd, rs1, rs2", (b, f) => b.setX(f.rd, f.rs1 ? b.add(b.x(f.rs1), b.x(f.rs2)) : b.x(f.rs2))),
  insn("0100000 rs2 rs1 000 rd 0110011", "sub rd, rs1, rs2", (b, f) => b.setX(f.rd, b.sub(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 001 rd 0110011", "sll rd, rs1, rs2", (b, f) => b.setX(f.rd, b.shl(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 010 rd 0110011", "slt rd, rs1, rs2", (b, f) => b.setX(f.rd, b.ltS(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 011 rd 0110011", "sltu rd, rs1, rs2", (b, f) => b.setX(f.rd, b.ltU(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 100 rd 0110011", "xor rd, rs1, rs2", (b, f) => b.setX(f.rd, b.xor(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 101 rd 0110011", "srl rd, rs1, rs2", (b, f) => b.setX(f.rd, b.shrU(b.x(f.rs1), b.x(f.rs2)))),
  insn("0100000 rs2 rs1 101 rd 0110011", "sra rd, rs1, rs2", (b, f) => b.setX(f.rd, b.shrS(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 110 rd 0110011", "or rd, rs1, rs2", (b, f) => b.setX(f.rd, b.or(b.x(f.rs1), b.x(f.rs2)))),
  insn("0000000 rs2 rs1 111 rd 0110011", "and rd, rs1, rs2", (b, f) => b.setX(f.rd, b.and(b.x(f.rs1), b.x(f.rs2)))),
  // One hart runs at a time and every access is performed in order: fences order nothing more. Reserved fm and set rd, rs1 are plain fences too.
  insn("fm pred succ rs1 000 rd 0001111", "fence pred, succ", () => {}),
  insn("000000000000 00000 000 00000 1110011", "ecall", (b) => b.callEnd(H.ecall, b.here())),
  insn("000000000001 00000 000 00000 1110011", "ebreak", (b) => b.callEnd(H.ebreak, b.here())),
];

/** Shifts by a constant, whose amounts have five bits on RV32 only. */
const I32: readonly Row[] = [
  insn("0000000 shamt[4:0] rs1 001 rd 0010011", "slli rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shl(b.x(f.rs1), b.imm(f.shamt)))),
  insn("0000000 shamt[4:0] rs1 101 rd 0010011", "srli rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shrU(b.x(f.rs1), b.imm(f.shamt)))),
  insn("0100000 shamt[4:0] rs1 101 rd 0010011", "srai rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shrS(b.x(f.rs1), b.imm(f.shamt)))),
];

/** Rows of RV64I only. */
const I64: readonly Row[] = [
  insn("imm[11:0] rs1 110 rd 0000011", "lwu rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("lwu", b.addr(f.rs1, f.imm)))),
  insn("imm[11:0] rs1 011 rd 0000011", "ld rd, imm(rs1)", (b, f) => b.setX(f.rd, b.loadX("ld", b.addr(f.rs1, f.imm)))),
  insn("imm[11:5] rs2 rs1 011 imm[4:0] 0100011", "sd rs2, imm(rs1)", (b, f) => b.storeX("sd", b.addr(f.rs1, f.imm), b.x(f.rs2))),
  insn("000000 shamt[5:0] rs1 001 rd 0010011", "slli rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shl(b.x(f.rs1), b.imm(f.shamt)))),
  insn("000000 shamt[5:0] rs1 101 rd 0010011", "srli rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shrU(b.x(f.rs1), b.imm(f.shamt)))),
  insn("010000 shamt[5:0] rs1 101 rd 0010011", "srai rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shrS(b.x(f.rs1), b.imm(f.shamt)))),
  insn("imm[11:0] rs1 000 rd 0011011", "addiw rd, rs1, imm", (b, f) => b.setX(f.rd, b.add(b.w(f.rs1), b.i32(f.imm)))),
  insn("0000000 shamt[4:0] rs1 001 rd 0011011", "slliw rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shl(b.w(f.rs1), b.i32(f.shamt)))),
  insn("0000000 shamt[4:0] rs1 101 rd 0011011", "srliw rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shrU(b.w(f.rs1), b.i32(f.shamt)))),
  insn("0100000 shamt[4:0] rs1 101 rd 0011011", "sraiw rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shrS(b.w(f.rs1), b.i32(f.shamt)))),
  insn("0000000 rs2 rs1 000 rd 0111011", "addw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.w(f.rs1), b.w(f.rs2)))),
  insn("0100000 rs2 rs1 000 rd 0111011", "subw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.sub(b.w(f.rs1), b.w(f.rs2)))),
  insn("0000000 rs2 rs1 001 rd 0111011", "sllw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.shl(b.w(f.rs1), b.w(f.rs2)))),
  insn("0000000 rs2 rs1 101 rd 0111011", "srlw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.shrU(b.w(f.rs1), b.w(f.rs2)))),
  insn("0100000 rs2 rs1 101 rd 0111011", "sraw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.shrS(b.w(f.rs1), b.w(f.rs2)))),
];

const ZIFENCEI: readonly Row[] = [
  // imm, rs1 and rd are for finer fences; implementations ignore them (Unpriv 6).
  // Code that is stored to is dropped at once.
  insn("imm[11:0] rs1 001 rd 0001111", "fence.i", () => {}),
];

const ZIHINTPAUSE: readonly Row[] = [
  insn("0000 0001 0000 00000 000 00000 0001111", "pause", () => {}),
];

/** Wait-on-reservation-set: a wait may end at any time, so it ends at once. */
const ZAWRS: readonly Row[] = [
  insn("000000001101 00000 000 00000 1110011", "wrs.nto", () => {}),
  insn("000000011101 00000 000 00000 1110011", "wrs.sto", () => {}),
];

const ZICOND: readonly Row[] = [
  insn(
    "0000111 rs2 rs1 101 rd 0110011",
    "czero.eqz rd, rs1, rs2",
    (b, f) => b.setX(f.rd, b.select(b.eqz(b.x(f.rs2)), b.imm(0), b.x(f.rs1))),
  ),
  insn(
    "0000111 rs2 rs1 111 rd 0110011",
    "czero.nez rd, rs1, rs2",
    (b, f) => b.setX(f.rd, b.select(b.eqz(b.x(f.rs2)), b.x(f.rs1), b.imm(0))),
  ),
];

export const BASE: readonly Group[] = [
  { needs: "i", rows: I },
  { needs: "i", xlen: 32, rows: I32 },
  { needs: "i", xlen: 64, rows: I64 },
  { needs: "zicond", rows: ZICOND },
  { needs: "zifencei", rows: ZIFENCEI },
  { needs: "zihintpause", rows: ZIHINTPAUSE },
  { needs: "zawrs", rows: ZAWRS },
];
