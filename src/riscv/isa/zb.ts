// Zba, Zbb, Zbc, Zbs: bit manipulation (RISC-V Unprivileged ISA 20240411, chapter 28). Carry-less products are helpers.
import type { Val } from "../../ir/builder.ts";
import type { Emit } from "../emit.ts";
import { H } from "../helpers.ts";
import { type Group, insn, type Row } from "../insn.ts";

/** Low 32 bits of a register, zero-extended. */
const zextW = (b: Emit, n: number) => b.extU(b.w(n));

// deno-fmt-ignore
const ZBA: readonly Row[] = [
  insn("0010000 rs2 rs1 010 rd 0110011", "sh1add rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.shl(b.x(f.rs1), b.imm(1)), b.x(f.rs2)))),
  insn("0010000 rs2 rs1 100 rd 0110011", "sh2add rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.shl(b.x(f.rs1), b.imm(2)), b.x(f.rs2)))),
  insn("0010000 rs2 rs1 110 rd 0110011", "sh3add rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.shl(b.x(f.rs1), b.imm(3)), b.x(f.rs2)))),
];
// deno-fmt-ignore
const ZBA64: readonly Row[] = [
  insn("0000100 rs2 rs1 000 rd 0111011", "add.uw rd, rs1, rs2",    (b, f) => b.setX(f.rd, b.add(zextW(b, f.rs1), b.x(f.rs2)))),
  insn("0010000 rs2 rs1 010 rd 0111011", "sh1add.uw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.shl(zextW(b, f.rs1), b.i64(1)), b.x(f.rs2)))),
  insn("0010000 rs2 rs1 100 rd 0111011", "sh2add.uw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.shl(zextW(b, f.rs1), b.i64(2)), b.x(f.rs2)))),
  insn("0010000 rs2 rs1 110 rd 0111011", "sh3add.uw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.add(b.shl(zextW(b, f.rs1), b.i64(3)), b.x(f.rs2)))),
  insn("000010 shamt[5:0] rs1 001 rd 0011011", "slli.uw rd, rs1, shamt", (b, f) => b.setX(f.rd, b.shl(zextW(b, f.rs1), b.i64(f.shamt)))),
];

/** Constant of repeated bytes as wide as a register. */
const bytes = (b: Emit, low: number) => b.xlen === 64 ? b.i64Halves(low, low) : b.i32(low);

/** Each byte that is not zero becomes 0xff. */
function orcB(b: Emit, x: Val): Val {
  // Adding 0x7f carries into a byte's top bit unless its low seven bits are all zero.
  const low = b.add(b.and(x, bytes(b, 0x7f7f_7f7f)), bytes(b, 0x7f7f_7f7f));
  const ones = b.and(b.shrU(b.or(low, x), b.imm(7)), bytes(b, 0x0101_0101));
  return b.mul(ones, b.imm(0xff));
}

function rev8(b: Emit, x: Val): Val {
  const swap = (v: Val, n: number, mask: number) =>
    b.or(b.and(b.shrU(v, b.imm(n)), bytes(b, mask)), b.shl(b.and(v, bytes(b, mask)), b.imm(n)));
  const pairs = swap(x, 8, 0x00ff_00ff);
  return b.xlen === 64 ? b.rotl(swap(pairs, 16, 0x0000_ffff), b.imm(32)) : b.rotl(pairs, b.imm(16));
}

/** What Zbkb has, too (28.5.1). */
// deno-fmt-ignore
const ZBB_ZBKB: readonly Row[] = [
  insn("0100000 rs2 rs1 111 rd 0110011", "andn rd, rs1, rs2", (b, f) => b.setX(f.rd, b.and(b.x(f.rs1), b.not(b.x(f.rs2))))),
  insn("0100000 rs2 rs1 110 rd 0110011", "orn rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.or(b.x(f.rs1), b.not(b.x(f.rs2))))),
  insn("0100000 rs2 rs1 100 rd 0110011", "xnor rd, rs1, rs2", (b, f) => b.setX(f.rd, b.not(b.xor(b.x(f.rs1), b.x(f.rs2))))),
  insn("0110000 rs2 rs1 001 rd 0110011", "rol rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.rotl(b.x(f.rs1), b.x(f.rs2)))),
  insn("0110000 rs2 rs1 101 rd 0110011", "ror rd, rs1, rs2",  (b, f) => b.setX(f.rd, b.rotr(b.x(f.rs1), b.x(f.rs2)))),
];
// deno-fmt-ignore
const ZBB: readonly Row[] = [
  insn("0110000 00000 rs1 001 rd 0010011", "clz rd, rs1",     (b, f) => b.setX(f.rd, b.clz(b.x(f.rs1)))),
  insn("0110000 00001 rs1 001 rd 0010011", "ctz rd, rs1",     (b, f) => b.setX(f.rd, b.ctz(b.x(f.rs1)))),
  insn("0110000 00010 rs1 001 rd 0010011", "cpop rd, rs1",    (b, f) => b.setX(f.rd, b.popcnt(b.x(f.rs1)))),
  insn("0110000 00100 rs1 001 rd 0010011", "sext.b rd, rs1",  (b, f) => b.setX(f.rd, b.ext8S(b.x(f.rs1)))),
  insn("0110000 00101 rs1 001 rd 0010011", "sext.h rd, rs1",  (b, f) => b.setX(f.rd, b.ext16S(b.x(f.rs1)))),
  insn("0000101 rs2 rs1 110 rd 0110011", "max rd, rs1, rs2",  (b, f) => { const x = b.x(f.rs1), y = b.x(f.rs2); b.setX(f.rd, b.select(b.gtS(x, y), x, y)); }),
  insn("0000101 rs2 rs1 111 rd 0110011", "maxu rd, rs1, rs2", (b, f) => { const x = b.x(f.rs1), y = b.x(f.rs2); b.setX(f.rd, b.select(b.gtU(x, y), x, y)); }),
  insn("0000101 rs2 rs1 100 rd 0110011", "min rd, rs1, rs2",  (b, f) => { const x = b.x(f.rs1), y = b.x(f.rs2); b.setX(f.rd, b.select(b.ltS(x, y), x, y)); }),
  insn("0000101 rs2 rs1 101 rd 0110011", "minu rd, rs1, rs2", (b, f) => { const x = b.x(f.rs1), y = b.x(f.rs2); b.setX(f.rd, b.select(b.ltU(x, y), x, y)); }),
  insn("001010000111 rs1 101 rd 0010011", "orc.b rd, rs1",    (b, f) => b.setX(f.rd, orcB(b, b.x(f.rs1)))),
];
// deno-fmt-ignore
const ZBB_ZBKB32: readonly Row[] = [
  insn("0110000 shamt[4:0] rs1 101 rd 0010011", "rori rd, rs1, shamt", (b, f) => b.setX(f.rd, b.rotr(b.x(f.rs1), b.imm(f.shamt)))),
  insn("011010011000 rs1 101 rd 0010011", "rev8 rd, rs1",     (b, f) => b.setX(f.rd, rev8(b, b.x(f.rs1)))),
];
// deno-fmt-ignore
const ZBB32: readonly Row[] = [
  insn("0000100 00000 rs1 100 rd 0110011", "zext.h rd, rs1",  (b, f) => b.setX(f.rd, b.and(b.x(f.rs1), b.imm(0xffff)))),
];
// deno-fmt-ignore
const ZBB_ZBKB64: readonly Row[] = [
  insn("011000 shamt[5:0] rs1 101 rd 0010011", "rori rd, rs1, shamt", (b, f) => b.setX(f.rd, b.rotr(b.x(f.rs1), b.imm(f.shamt)))),
  insn("011010111000 rs1 101 rd 0010011", "rev8 rd, rs1",     (b, f) => b.setX(f.rd, rev8(b, b.x(f.rs1)))),
  insn("0110000 rs2 rs1 001 rd 0111011", "rolw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.rotl(b.w(f.rs1), b.w(f.rs2)))),
  insn("0110000 rs2 rs1 101 rd 0111011", "rorw rd, rs1, rs2", (b, f) => b.setX(f.rd, b.rotr(b.w(f.rs1), b.w(f.rs2)))),
  insn("0110000 shamt[4:0] rs1 101 rd 0011011", "roriw rd, rs1, shamt", (b, f) => b.setX(f.rd, b.rotr(b.w(f.rs1), b.i32(f.shamt)))),
];
// deno-fmt-ignore
const ZBB64: readonly Row[] = [
  insn("0000100 00000 rs1 100 rd 0111011", "zext.h rd, rs1",  (b, f) => b.setX(f.rd, b.and(b.x(f.rs1), b.imm(0xffff)))),
  insn("0110000 00000 rs1 001 rd 0011011", "clzw rd, rs1",    (b, f) => b.setX(f.rd, b.clz(b.w(f.rs1)))),
  insn("0110000 00001 rs1 001 rd 0011011", "ctzw rd, rs1",    (b, f) => b.setX(f.rd, b.ctz(b.w(f.rs1)))),
  insn("0110000 00010 rs1 001 rd 0011011", "cpopw rd, rs1",   (b, f) => b.setX(f.rd, b.popcnt(b.w(f.rs1)))),
];

/** On RV32 the helper's 64-bit product of two 32-bit numbers has all three results in it. */
function clmul(b: Emit, helper: "clmul" | "clmulh" | "clmulr", f: { rd: number; rs1: number; rs2: number }): void {
  if (b.xlen === 64) return b.setX(f.rd, b.call(H[helper], b.x(f.rs1), b.x(f.rs2)));
  const shift = { clmul: 0, clmulr: 31, clmulh: 32 }[helper];
  b.setX(f.rd, b.wrap(b.shrU(b.call(H.clmul, b.arg(f.rs1), b.arg(f.rs2)), b.i64(shift))));
}

// deno-fmt-ignore
const ZBC: readonly Row[] = [
  insn("0000101 rs2 rs1 001 rd 0110011", "clmul rd, rs1, rs2",  (b, f) => clmul(b, "clmul", f)),
  insn("0000101 rs2 rs1 010 rd 0110011", "clmulr rd, rs1, rs2", (b, f) => clmul(b, "clmulr", f)),
  insn("0000101 rs2 rs1 011 rd 0110011", "clmulh rd, rs1, rs2", (b, f) => clmul(b, "clmulh", f)),
];

type Change = (b: Emit, x: Val, amount: Val) => Val;
const SINGLE: readonly (readonly [name: string, funct6: string, funct3: string, change: Change])[] = [
  ["bclr", "010010", "001", (b, x, n) => b.and(x, b.not(b.shl(b.imm(1), n)))],
  ["bext", "010010", "101", (b, x, n) => b.and(b.shrU(x, n), b.imm(1))],
  ["binv", "011010", "001", (b, x, n) => b.xor(x, b.shl(b.imm(1), n))],
  ["bset", "001010", "001", (b, x, n) => b.or(x, b.shl(b.imm(1), n))],
];
type F6 = "000000";
type F3 = "000";
const ZBS: readonly Row[] = SINGLE.map(([name, f6, f3, change]) =>
  insn(`${f6 as F6}0 rs2 rs1 ${f3 as F3} rd 0110011`, `${name} rd, rs1, rs2`, (b, f) => b.setX(f.rd, change(b, b.x(f.rs1), b.x(f.rs2))))
);
const ZBS32: readonly Row[] = SINGLE.map(([name, f6, f3, change]) =>
  insn(
    `${f6 as F6}0 shamt[4:0] rs1 ${f3 as F3} rd 0010011`,
    `${name}i rd, rs1, shamt`,
    (b, f) => b.setX(f.rd, change(b, b.x(f.rs1), b.imm(f.shamt))),
  )
);
const ZBS64: readonly Row[] = SINGLE.map(([name, f6, f3, change]) =>
  insn(
    `${f6 as F6} shamt[5:0] rs1 ${f3 as F3} rd 0010011`,
    `${name}i rd, rs1, shamt`,
    (b, f) => b.setX(f.rd, change(b, b.x(f.rs1), b.imm(f.shamt))),
  )
);

export const BITS: readonly Group[] = [
  { needs: "zba", rows: ZBA },
  { needs: "zba", xlen: 64, rows: ZBA64 },
  { needs: "zbb|zbkb", rows: ZBB_ZBKB },
  { needs: "zbb|zbkb", xlen: 32, rows: ZBB_ZBKB32 },
  { needs: "zbb|zbkb", xlen: 64, rows: ZBB_ZBKB64 },
  { needs: "zbb", rows: ZBB },
  { needs: "zbb", xlen: 32, rows: ZBB32 },
  { needs: "zbb", xlen: 64, rows: ZBB64 },
  { needs: "zbc", rows: ZBC },
  { needs: "zbs", rows: ZBS },
  { needs: "zbs", xlen: 32, rows: ZBS32 },
  { needs: "zbs", xlen: 64, rows: ZBS64 },
];
