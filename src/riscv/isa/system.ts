// Zicsr (RISC-V Unprivileged ISA 20240411, chapter 7), the privileged instructions (Privileged 20240411, 3.3 and 10.2), Svinval
// and the cache-block operations Zicbom, Zicbop, Zicboz (Unpriv 19). Rights are checked by the helpers. Not modelled: caches.
import type { I64, Val } from "../../ir/builder.ts";
import { SD, SIE, SSTATUS } from "../registers.ts";
import type { Emit } from "../emit.ts";
import { H } from "../helpers.ts";
import { type Group, insn, type Row } from "../insn.ts";
import { HELD, MODE_CBZE, MODE_FS_DIRTY, STATUS } from "../slots.ts";

type Kind = "write" | "set" | "clear";

/** `operand` is the register's or the immediate's value, x-wide; `writes` is false for csrrs and csrrc that name no bits. */
function csr(b: Emit, kind: Kind, rd: number, number: number, operand: Val, writes: boolean): void {
  const plain = b.csrPlain?.(number, b.mode);
  if (!plain || (plain.slot === STATUS && kind === "write")) return b.callEnd(H.csr, ...asked(b, operand));
  if (plain.slot === STATUS) return sstatus(b, kind === "set", rd, operand, writes);
  const old = b.xlen === 64 ? b.getL(plain.slot) : b.getI(plain.slot);
  if (writes) {
    const value = kind === "write" ? operand : kind === "set" ? b.or(old, operand) : b.and(old, b.not(operand));
    b.set(plain.slot, plain.writeMask === ALL[b.xlen] ? value : b.and(value, b.like(value, Number(BigInt.asIntN(32, plain.writeMask)))));
  }
  b.setX(rd, old);
}
const asked = (b: Emit, operand: Val): I64[] => [b.i64Halves(b.word, 0), b.long(operand), b.here(), b.next()];
/** Kernels switch interrupts off and on all the time: SIE is changed here, all else by the helper, and what would let an interrupt in. */
function sstatus(b: Emit, set: boolean, rd: number, operand: Val, writes: boolean): void {
  const known = b.constant(operand);
  if (writes && (set || known === undefined || (known & ~SIE) !== 0)) {
    const bits = b.isLong(operand) ? b.wrap(operand) : operand;
    b.callEndUnless(b.eqz(b.and(bits, set ? b.getI(HELD) : b.i32(~SIE))), H.csr, ...asked(b, operand));
  }
  const old = b.getI(STATUS), dirty = b.mode & MODE_FS_DIRTY ? SD : 0;
  // UXL is 64: S-mode implies a U-mode.
  const value = b.xlen === 64 ? b.or(b.extU(b.and(old, b.i32(SSTATUS))), b.i64Halves(0, dirty | 2)) : b.and(old, b.i32(SSTATUS | dirty));
  if (writes) {
    const bits = known !== undefined ? b.i32(known) : b.xlen === 64 ? b.wrap(operand) : operand;
    b.set(STATUS, set ? b.or(old, bits) : b.and(old, b.not(bits)));
  }
  b.setX(rd, value);
}
/** Masks of address registers clear low bits only: their low half, sign-extended, is the mask. */
const ALL = { 32: 0xffff_ffffn, 64: 0xffff_ffff_ffff_ffffn };

const register = (kind: Kind) => (b: Emit, f: { rd: number; rs1: number; csr: number }) =>
  csr(b, kind, f.rd, f.csr, b.x(f.rs1), kind === "write" || f.rs1 !== 0);
const immediate = (kind: Kind) => (b: Emit, f: { rd: number; uimm: number; csr: number }) =>
  csr(b, kind, f.rd, f.csr, b.imm(f.uimm), kind === "write" || f.uimm !== 0);

const ZICSR: readonly Row[] = [
  insn("csr rs1 001 rd 1110011", "csrrw rd, csr, rs1", register("write")),
  insn("csr rs1 010 rd 1110011", "csrrs rd, csr, rs1", register("set")),
  insn("csr rs1 011 rd 1110011", "csrrc rd, csr, rs1", register("clear")),
  insn("csr uimm[4:0] 101 rd 1110011", "csrrwi rd, csr, uimm", immediate("write")),
  insn("csr uimm[4:0] 110 rd 1110011", "csrrsi rd, csr, uimm", immediate("set")),
  insn("csr uimm[4:0] 111 rd 1110011", "csrrci rd, csr, uimm", immediate("clear")),
];

function sfenceVma(b: Emit, rs1: number, rs2: number): void {
  const given = (rs1 ? 1 : 0) | (rs2 ? 2 : 0);
  b.callEnd(H.sfenceVma, b.arg(rs1), b.arg(rs2), b.i64Halves(given, b.word), b.here());
}

const PRIVILEGED: readonly Row[] = [
  insn("0001000 00010 00000 000 00000 1110011", "sret", (b) => b.system("sret")),
  insn("0011000 00010 00000 000 00000 1110011", "mret", (b) => b.system("mret")),
  insn("0001000 00101 00000 000 00000 1110011", "wfi", (b) => b.system("wfi")),
  insn("0001001 rs2 rs1 000 00000 1110011", "sfence.vma rs1, rs2", (b, f) => sfenceVma(b, f.rs1, f.rs2)),
];

/** Translations are dropped at once, so the two ordering instructions have nothing to wait for; they are illegal in U-mode. */
const SVINVAL: readonly Row[] = [
  insn("0001011 rs2 rs1 000 00000 1110011", "sinval.vma rs1, rs2", (b, f) => sfenceVma(b, f.rs1, f.rs2)),
  insn("0001100 00000 00000 000 00000 1110011", "sfence.w.inval", (b) => b.privilege === 0 ? b.illegal() : undefined),
  insn("0001100 00001 00000 000 00000 1110011", "sfence.inval.ir", (b) => b.privilege === 0 ? b.illegal() : undefined),
];

/** Bytes of a cache block (the device tree says so). */
export const CACHE_BLOCK = 64;
const check = (b: Emit, rs1: number) => b.call(H.cbo, b.i64Halves(b.word, 0), b.arg(rs1));

const ZICBOM: readonly Row[] = [
  insn("000000000000 rs1 010 00000 0001111", "cbo.inval (rs1)", (b, f) => void check(b, f.rs1)),
  insn("000000000001 rs1 010 00000 0001111", "cbo.clean (rs1)", (b, f) => void check(b, f.rs1)),
  insn("000000000010 rs1 010 00000 0001111", "cbo.flush (rs1)", (b, f) => void check(b, f.rs1)),
];

const ZICBOZ: readonly Row[] = [
  insn("000000000100 rs1 010 00000 0001111", "cbo.zero (rs1)", (b, f) => {
    if (!(b.mode & MODE_CBZE)) check(b, f.rs1);
    const block = b.and(b.addr(f.rs1, 0), b.i64(-CACHE_BLOCK)), zero = b.i64(0);
    for (let i = 0; i < CACHE_BLOCK; i += 8) b.store("store64.l", b.add(block, b.i64(i)), zero);
  }),
];

/** Prefetches are ori instructions that write x0: hints. */
const ZICBOP: readonly Row[] = [
  insn("imm[11:5] 00000 rs1 110 00000 0010011", "prefetch.i imm(rs1)", () => {}),
  insn("imm[11:5] 00001 rs1 110 00000 0010011", "prefetch.r imm(rs1)", () => {}),
  insn("imm[11:5] 00011 rs1 110 00000 0010011", "prefetch.w imm(rs1)", () => {}),
];

export const SYSTEM: readonly Group[] = [
  // Old documents count CSR instructions and fence.i as part of I; the privileged architecture is always there.
  { needs: "i", rows: PRIVILEGED },
  { needs: "zicbom", rows: ZICBOM },
  { needs: "zicbop", rows: ZICBOP },
  { needs: "zicboz", rows: ZICBOZ },
  { needs: "zicsr", rows: ZICSR },
  { needs: "svinval", rows: SVINVAL },
];
