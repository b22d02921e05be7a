// Which exception an operand of 64-bit code raises that is not canonical: what the instruction at the pc is decides, and so it is decoded
// once more. Intel SDM volume 1 (253665-083), 3.3.7.1; volume 3A (253668-083), 6.15, #SS.
import { FETCH } from "../ir/frontend.ts";
import { LONGEST, OK } from "./decode.ts";
import { wide } from "./exceptions.ts";
import { Insn, MEM } from "./insn.ts";
import { x86Table } from "./instruction_set.ts";
import type { Microcode } from "./microcode.ts";
import { SS } from "./segments.ts";
import { GPR } from "./slots.ts";

const PUSHES = /^(push|pushf|call|enter)$/, POPS = /^(pop|popf|ret|leave)$/;

/** Also that of LGDT, FXSAVE and so on, which has no size of its own; strings have their segments whatever the base. */
const memoryOperand = (i: Insn) => i.operands.find((o) => o.kind === MEM);

/**
 * Whether an access of an instruction of 64-bit code, `distance` bytes above RSP, is one to the stack: its own, or by its operand's base.
 */
function isStackAccess(i: Insn, distance: number): boolean {
  const { mnemonic } = i.row,
    own = PUSHES.test(mnemonic) ? distance >= -8 && distance < 0 : POPS.test(mnemonic) && distance >= 0 && distance < 8;
  if (memoryOperand(i)) return own || i.segment === SS;
  return PUSHES.test(mnemonic) || POPS.test(mnemonic);
}

/** Bytes of operands in memory that have no size of their own. */
const UNSIZED: Readonly<Record<string, number>> = {
  ...{ fxsave: 512, fxrstor: 512, xsave: 576, xsaveopt: 576, xsavec: 576, xsaves: 576, xrstor: 576, xrstors: 576 },
  ...{ fnstenv: 28, fldenv: 28, fnsave: 108, frstor: 108, sgdt: 10, sidt: 10, lgdt: 10, lidt: 10 },
};
/** Bytes of the operand in memory of an instruction of 64-bit code; 0 when it has none. */
function operandBytes(i: Insn): number {
  const operand = memoryOperand(i);
  return operand ? operand.size || UNSIZED[i.row.mnemonic] || 0 : 0;
}

/**
 * Whether an operand that is accessed in pieces, and whose first one is missing in the last canonical page, lies beyond the end as well.
 */
export function reachesEnd(cpu: Microcode): boolean {
  const lo = cpu.faults.addressLo >>> 0, hi = cpu.faults.addressHi;
  if (!cpu.modes.code64 || lo < 0xffff_f000 || cpu.addresses.canonical((hi + 1) | 0)) return false;
  const insn = instruction(cpu);
  return insn !== undefined && lo + operandBytes(insn) > 2 ** 32;
}
/** Whether the operand at `address` of the instruction at the pc is on the stack (64-bit mode). */
export function onStack(cpu: Microcode): boolean {
  const rsp = wide(cpu.window.lo(GPR(4)), cpu.window.hi(GPR(4))),
    at = wide(cpu.faults.addressLo, cpu.faults.addressHi),
    insn = instruction(cpu);
  return insn !== undefined && isStackAccess(insn, Number(BigInt.asIntN(64, at - rsp)));
}
/** The instruction of 64-bit code at the pc. */
function instruction(cpu: Pick<Microcode, "env" | "features" | "window" | "addresses">): Insn | undefined {
  const bytes: number[] = [], pc = wide(cpu.window.pcLo, cpu.window.pcHi), table = x86Table(cpu.features);
  for (let n = 0; n < LONGEST; n++) {
    const paddr = cpu.addresses.probe(pc + BigInt(n), FETCH), at = paddr === undefined ? -1 : cpu.env.ram(paddr, 1);
    if (at < 0) break;
    bytes.push(cpu.env.u8[at]);
  }
  const insn = new Insn();
  return table.decode(insn, Uint8Array.from(bytes), 0, bytes.length, 64) === OK ? insn : undefined;
}
