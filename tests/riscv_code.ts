// RISC-V programs of tests, written as rows: instructions whose jumps go to labels, and what tests begin with.
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";

const isa = parseIsa("rv64gc_zicsr_sstc");
export const RAM = 0x8000_0000;
/** Registers; t0 is scratch of what is here. */
export const RA = 1,
  T0 = 5,
  T1 = 6,
  T2 = 7,
  S0 = 8,
  S1 = 9,
  A0 = 10,
  A1 = 11,
  A2 = 12,
  A6 = 16,
  A7 = 17,
  S2 = 18,
  S3 = 19,
  S4 = 20,
  T3 = 28;
export const TIME = 0xc01;
/** An instruction whose jump may go to a label, or a label. */
export type Line = readonly [name: string, fields?: Record<string, number>, to?: string] | string;

/** An image of 4 KiB. */
export function assemble(lines: readonly Line[]): Uint8Array {
  const labels = new Map<string, number>(), image = new Uint8Array(0x1000), view = new DataView(image.buffer);
  let at = 0;
  for (const line of lines) typeof line === "string" ? labels.set(line, at) : at += 4;
  at = 0;
  for (const line of lines) {
    if (typeof line === "string") continue;
    const [name, fields = {}, to] = line;
    view.setUint32(at, encode(isa.table.row(name), { ...fields, ...(to ? { imm: labels.get(to)! - at } : {}) }), true);
    at += 4;
  }
  return image;
}
export const li = (rd: number, value: number): Line[] => [
  ["lui", { rd, imm: value + 0x800 & ~0xfff }],
  ["addi", { rd, rs1: rd, imm: (value & 0xfff) << 20 >> 20 }],
];
/** An offset in RAM. */
export const address = (rd: number, offset: number): Line[] => [
  ...li(rd, offset),
  ["addi", { rd: T0, rs1: 0, imm: 1 }],
  ["slli", { rd: T0, rs1: T0, shamt: 31 }],
  ["add", { rd, rs1: rd, rs2: T0 }],
];
/** Sets bits of a CSR. */
export const csr = (number: number, value: number): Line[] => [...li(T0, value), ["csrrs", { rd: 0, rs1: T0, csr: number }]];

/** From M-mode to S-mode with Sstc and all of memory; the timer's interrupt and `time` are the supervisor's. */
export const toSupervisor: readonly Line[] = [
  ["addi", { rd: T0, rs1: 0, imm: -1 }],
  ["csrrw", { rd: 0, rs1: T0, csr: 0x3b0 }],
  ["csrrwi", { rd: 0, uimm: 0x1f, csr: 0x3a0 }],
  ...csr(0x303, 0x20),
  ...csr(0x306, 7),
  ["addi", { rd: T0, rs1: 0, imm: -1 }],
  ["csrrw", { rd: 0, rs1: T0, csr: 0x14d }],
  ["slli", { rd: T0, rs1: T0, shamt: 63 }],
  ["csrrs", { rd: 0, rs1: T0, csr: 0x30a }],
  ...csr(0x300, 0x800),
  ["auipc", { rd: T0, imm: 0 }],
  ["addi", { rd: T0, rs1: T0, imm: 16 }],
  ["csrrw", { rd: 0, rs1: T0, csr: 0x341 }],
  ["mret"],
];
