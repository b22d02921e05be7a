// C: compressed instructions (RISC-V Unprivileged ISA 20240411, chapter 26; listing: 26.8). Each is another instruction in short form.
// Encodings that the manual marks RES are rows of their own; HINTs fall out of writing x0 or adding zero.
import { alias, type Group, insn, reserved, type Row } from "../insn.ts";

/** Rows of RV32C and RV64C without floating point. */
const C: readonly Row[] = [
  // Quadrant 0. The word of all zeros is illegal by definition; so is any other c.addi4spn of 0.
  reserved("000 00000000 --- 00"),
  alias("000 nzuimm[5:4|9:6|2|3] rd' 00", "c.addi4spn rd', sp, nzuimm", "addi rd', sp, nzuimm"),
  alias("010 uimm[5:3] rs1' uimm[2|6] rd' 00", "c.lw rd', uimm(rs1')", "lw rd', uimm(rs1')"),
  alias("110 uimm[5:3] rs1' uimm[2|6] rs2' 00", "c.sw rs2', uimm(rs1')", "sw rs2', uimm(rs1')"),
  // Quadrant 1.
  insn("000 0 00000 00000 01", "c.nop", () => {}),
  alias("000 imm[5] rd imm[4:0] 01", "c.addi rd, imm", "addi rd, rd, imm"),
  alias("010 imm[5] rd imm[4:0] 01", "c.li rd, imm", "addi rd, zero, imm"),
  reserved("011 0 ----- 00000 01"),
  reserved("011 0 00010 00000 01"),
  alias("011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", "c.addi16sp sp, nzimm", "addi sp, sp, nzimm"),
  alias("011 nzimm[17] rd nzimm[16:12] 01", "c.lui rd, nzimm>>12", "lui rd, nzimm>>12"),
  alias("100 imm[5] 10 rd' imm[4:0] 01", "c.andi rd', imm", "andi rd', rd', imm"),
  alias("100 0 11 rd' 00 rs2' 01", "c.sub rd', rs2'", "sub rd', rd', rs2'"),
  alias("100 0 11 rd' 01 rs2' 01", "c.xor rd', rs2'", "xor rd', rd', rs2'"),
  alias("100 0 11 rd' 10 rs2' 01", "c.or rd', rs2'", "or rd', rd', rs2'"),
  alias("100 0 11 rd' 11 rs2' 01", "c.and rd', rs2'", "and rd', rd', rs2'"),
  alias("101 imm[11|4|9:8|10|6|7|3:1|5] 01", "c.j pc+imm", "jal zero, pc+imm"),
  alias("110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "c.beqz rs1', pc+imm", "beq rs1', zero, pc+imm"),
  alias("111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", "c.bnez rs1', pc+imm", "bne rs1', zero, pc+imm"),
  // Quadrant 2.
  reserved("010 - 00000 ----- 10"),
  alias("010 uimm[5] rd uimm[4:2|7:6] 10", "c.lwsp rd, uimm(sp)", "lw rd, uimm(sp)"),
  reserved("100 0 00000 00000 10"),
  alias("100 0 rs1 00000 10", "c.jr rs1", "jalr zero, 0(rs1)"),
  alias("100 0 rd rs2 10", "c.mv rd, rs2", "add rd, zero, rs2"),
  alias("100 1 00000 00000 10", "c.ebreak", "ebreak"),
  alias("100 1 rs1 00000 10", "c.jalr rs1", "jalr ra, 0(rs1)"),
  alias("100 1 rd rs2 10", "c.add rd, rs2", "add rd, rd, rs2"),
  alias("110 uimm[5:2|7:6] rs2 10", "c.swsp rs2, uimm(sp)", "sw rs2, uimm(sp)"),
];

/** Rows of RV32C only; shift amounts of 32 and more are for custom extensions there. */
const C32: readonly Row[] = [
  alias("001 imm[11|4|9:8|10|6|7|3:1|5] 01", "c.jal pc+imm", "jal ra, pc+imm"),
  alias("100 0 00 rd' shamt[4:0] 01", "c.srli rd', shamt", "srli rd', rd', shamt"),
  alias("100 0 01 rd' shamt[4:0] 01", "c.srai rd', shamt", "srai rd', rd', shamt"),
  alias("000 0 rd shamt[4:0] 10", "c.slli rd, shamt", "slli rd, rd, shamt"),
];

/** Rows of RV64C only. */
const C64: readonly Row[] = [
  alias("011 uimm[5:3] rs1' uimm[7:6] rd' 00", "c.ld rd', uimm(rs1')", "ld rd', uimm(rs1')"),
  alias("111 uimm[5:3] rs1' uimm[7:6] rs2' 00", "c.sd rs2', uimm(rs1')", "sd rs2', uimm(rs1')"),
  reserved("001 - 00000 ----- 01"),
  alias("001 imm[5] rd imm[4:0] 01", "c.addiw rd, imm", "addiw rd, rd, imm"),
  alias("100 shamt[5] 00 rd' shamt[4:0] 01", "c.srli rd', shamt", "srli rd', rd', shamt"),
  alias("100 shamt[5] 01 rd' shamt[4:0] 01", "c.srai rd', shamt", "srai rd', rd', shamt"),
  alias("100 1 11 rd' 00 rs2' 01", "c.subw rd', rs2'", "subw rd', rd', rs2'"),
  alias("100 1 11 rd' 01 rs2' 01", "c.addw rd', rs2'", "addw rd', rd', rs2'"),
  alias("000 shamt[5] rd shamt[4:0] 10", "c.slli rd, shamt", "slli rd, rd, shamt"),
  reserved("011 - 00000 ----- 10"),
  alias("011 uimm[5] rd uimm[4:3|8:6] 10", "c.ldsp rd, uimm(sp)", "ld rd, uimm(sp)"),
  alias("111 uimm[5:3|8:6] rs2 10", "c.sdsp rs2, uimm(sp)", "sd rs2, uimm(sp)"),
];

/** Zcb (27.7, "Zcb"): what needs nothing else, and what stands for instructions of M, Zbb and Zba. */
const ZCB: readonly Row[] = [
  alias("100 0 00 rs1' uimm[0|1] rd' 00", "c.lbu rd', uimm(rs1')", "lbu rd', uimm(rs1')"),
  alias("100 0 01 rs1' 0 uimm[1] rd' 00", "c.lhu rd', uimm(rs1')", "lhu rd', uimm(rs1')"),
  alias("100 0 01 rs1' 1 uimm[1] rd' 00", "c.lh rd', uimm(rs1')", "lh rd', uimm(rs1')"),
  alias("100 0 10 rs1' uimm[0|1] rs2' 00", "c.sb rs2', uimm(rs1')", "sb rs2', uimm(rs1')"),
  alias("100 0 11 rs1' 0 uimm[1] rs2' 00", "c.sh rs2', uimm(rs1')", "sh rs2', uimm(rs1')"),
  alias("100 1 11 rd' 11 000 01", "c.zext.b rd'", "andi rd', rd', 255"),
  alias("100 1 11 rd' 11 101 01", "c.not rd'", "xori rd', rd', -1"),
];
const ZCB_MUL: readonly Row[] = [alias("100 1 11 rd' 10 rs2' 01", "c.mul rd', rs2'", "mul rd', rd', rs2'")];
const ZCB_ZBB: readonly Row[] = [
  alias("100 1 11 rd' 11 001 01", "c.sext.b rd'", "sext.b rd', rd'"),
  alias("100 1 11 rd' 11 010 01", "c.zext.h rd'", "zext.h rd', rd'"),
  alias("100 1 11 rd' 11 011 01", "c.sext.h rd'", "sext.h rd', rd'"),
];
const ZCB_ZBA64: readonly Row[] = [alias("100 1 11 rd' 11 100 01", "c.zext.w rd'", "add.uw rd', rd', zero")];

export const COMPRESSED: readonly Group[] = [
  { needs: "zca", rows: C },
  { needs: "zca", xlen: 32, rows: C32 },
  { needs: "zca", xlen: 64, rows: C64 },
  { needs: "zcb", rows: ZCB },
  { needs: "zcb m|zmmul", rows: ZCB_MUL },
  { needs: "zcb zbb", rows: ZCB_ZBB },
  { needs: "zcb zba", xlen: 64, rows: ZCB_ZBA64 },
];
