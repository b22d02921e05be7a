// HOT: no bigint, no closures, no allocation.
// A stack that an instruction or an event pushes to or pops from, committed to RSP only when everything has succeeded.
// Intel SDM volume 3A (253668-083), 6.12 to 6.14; volume 1 (253665), 6.2.
import type { X86Cpu } from "./cpu.ts";
import { XCPT } from "./exceptions.ts";
import { type Insn, MEM } from "./insn.ts";
import type { Halves } from "./microcode_memory.ts";
import { BIG, SS, withinLimit } from "./segments.ts";
import { GPR } from "./slots.ts";

const RSP = GPR(4);

const PUSHES = /^(push|pushf|call|enter)$/, POPS = /^(pop|popf|ret|leave)$/;

/** Also that of LGDT, FXSAVE and so on, which has no size of its own; strings have their segments whatever the base. */
const memoryOperand = (i: Insn) => i.operands.find((o) => o.kind === MEM);

/** Whether an access of an instruction of 64-bit code, `distance` bytes above RSP, is one to the stack: its own, or by its operand's base. */
export function isStackAccess(i: Insn, distance: number): boolean {
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
export function operandBytes(i: Insn): number {
  const operand = memoryOperand(i);
  return operand ? operand.size || UNSIZED[i.row.mnemonic] || 0 : 0;
}

export class Stack {
  /** The stack pointer. */
  lo = 0;
  hi = 0;
  /** Bytes of the stack pointer: 2, 4 or 8. */
  width = 2;
  #baseLo = 0;
  #limit = 0;
  #attr = 0;
  #user = false;
  #error = 0;
  /** Linear address that `#check` has found. */
  #atLo = 0;
  #atHi = 0;
  readonly #popped = { lo: 0, hi: 0 };

  constructor(readonly cpu: X86Cpu) {}

  /** The stack that SS:RSP is now; `error` is the code of its #SS faults. */
  current(error: number): void {
    const cpu = this.cpu;
    this.lo = cpu.window.lo(RSP);
    this.hi = cpu.window.hi(RSP);
    this.#set(
      cpu.modes.code64 ? 8 : cpu.segments.attr[SS] & BIG ? 4 : 2,
      cpu.segments.baseLo(SS),
      cpu.segments.limit[SS],
      cpu.segments.attr[SS],
      cpu.window.cpl === 3,
      error,
    );
  }

  /** A stack in a segment that is not loaded yet. */
  other(baseLo: number, limit: number, attr: number, lo: number, user: boolean, error: number): void {
    this.lo = lo;
    this.hi = 0;
    this.#set(attr & BIG ? 4 : 2, baseLo, limit, attr, user, error);
  }

  /** A stack of 64-bit mode. */
  long(lo: number, hi: number, user: boolean, error: number): void {
    this.lo = lo;
    this.hi = hi;
    this.#set(8, 0, 0, 0, user, error);
  }

  #set(width: number, baseLo: number, limit: number, attr: number, user: boolean, error: number): void {
    this.width = width;
    this.#baseLo = baseLo;
    this.#limit = limit;
    this.#attr = attr;
    this.#user = user;
    this.#error = error;
  }

  /** Moves the pointer by a signed number of bytes. */
  move(bytes: number): void {
    const sum = (this.lo >>> 0) + bytes;
    if (this.width === 8) this.hi = (this.hi + Math.floor(sum / 2 ** 32)) | 0;
    this.lo = this.width === 2 ? (this.lo & ~0xffff) | (sum & 0xffff) : sum | 0;
  }

  /** Checks `bytes` at the pointer and leaves their linear address in atLo and atHi. */
  #check(bytes: number): void {
    const cpu = this.cpu;
    if (this.width === 8) {
      if (!cpu.addresses.canonicalSpan(this.lo, this.hi, bytes)) cpu.fault(XCPT.SS, this.#error);
      this.#atLo = this.lo;
      this.#atHi = this.hi;
      return;
    }
    const offset = this.width === 2 ? this.lo & 0xffff : this.lo;
    if (!withinLimit(this.#attr, this.#limit, offset, bytes)) cpu.fault(XCPT.SS, this.#error);
    this.#atLo = (this.#baseLo + offset) | 0;
    this.#atHi = 0;
  }
  /** Pushes 2, 4 or 8 bytes. */
  push(bytes: number, lo: number, hi: number): void {
    this.move(-bytes);
    this.#check(bytes);
    if (bytes === 8) this.cpu.memory.write64(this.#atLo, this.#atHi, lo, hi, this.#user);
    else if (bytes === 4) this.cpu.memory.write32(this.#atLo, this.#atHi, lo, this.#user);
    else this.cpu.memory.write16(this.#atLo, this.#atHi, lo, this.#user);
  }

  /** Pops 2, 4 or 8 bytes and returns the low half, zero-extended. */
  pop(bytes: number): number {
    return this.popWide(bytes).lo;
  }
  /** The same with both halves: good until the next call. */
  popWide(bytes: number): Halves {
    const { memory } = this.cpu;
    this.#check(bytes);
    let value: Halves = this.#popped;
    if (bytes === 8) value = memory.read64(this.#atLo, this.#atHi, this.#user);
    else {this.#popped.lo = bytes === 4
        ? memory.read32(this.#atLo, this.#atHi, this.#user)
        : memory.read16(this.#atLo, this.#atHi, this.#user);}
    this.move(bytes);
    return value;
  }

  /** Makes the pointer RSP: SP and ESP keep what lies above them (ESP clears it). */
  commit(): void {
    const cpu = this.cpu;
    if (this.width === 2) cpu.window.set(RSP, (cpu.window.lo(RSP) & ~0xffff) | (this.lo & 0xffff), cpu.window.hi(RSP));
    else cpu.window.set(RSP, this.lo, this.width === 8 ? this.hi : 0);
  }
}
