// What the semantics of a row call: values and registers of x86 on top of the IR builder, operands, and parts for what else an instruction does:
// its addresses and the stack, its flags, where it goes on.
// HOT: no bigint, no closures, no allocation on the common path.
import type { I32, I64, Val } from "../ir/builder.ts";
import { Addresses, StackTop } from "./emit_addresses.ts";
import { FlagWriter } from "./emit_flags.ts";
import { Flow } from "./emit_flow.ts";
import { LOG2, Values } from "./emit_values.ts";
import { XCPT } from "./exceptions.ts";
import { H } from "./helpers.ts";
import { IMM, type Insn, MEM, MMX, type Operand, REG, XMM as XMM_OPERAND } from "./insn.ts";
import { FPU_REG, FPU_SW, MODE_MP, MODE_TS, RFLAGS, XMM } from "./slots.ts";
export { AX, BP, BX, CX, DI, DX, SI, SP } from "./emit_values.ts";

/** Builds the IR of x86 instructions. */
export class Emit extends Values {
  readonly memory = new Addresses(this);
  readonly stack = new StackTop(this, this.memory);
  readonly flags = new FlagWriter(this);
  readonly flow = new Flow(this);
  /** Linear address of the memory operand once `modify` has made it. */
  #at: I64 | -1 = -1;

  override begin(mode: number): void {
    super.begin(mode);
    this.flags.kind = -1;
  }
  /** Starts instruction `i`; `live` are the flags that must be right after it. */
  begin1(i: Insn, live: number): void {
    this.i = i;
    this.flags.live = live;
    this.memory.spBias = 0;
    this.#at = -1;
  }

  // --- operands
  /** The value of an operand. */
  get(o: Operand): Val {
    switch (o.kind) {
      case REG:
        return this.reg(o.n, o.size);
      case MEM:
        return this.memory.load(o.size, this.memory.address(o.size, false));
      case IMM:
        return o.size === 8 ? this.i64Halves(this.i.imm, this.i.immHi) : this.imm(o.size, this.i.imm);
      case MMX:
        return this.getL(FPU_REG(o.n));
      case XMM_OPERAND:
        return o.size === 4 ? this.getI(XMM(o.n)) : this.getL(XMM(o.n));
      default:
        return this.imm(o.size, o.n);
    }
  }
  /** The value of an operand that will be written: memory is checked for that first. */
  modify(o: Operand): Val {
    if (o.kind !== MEM) return this.get(o);
    return this.memory.modify(o.size, this.#at = this.memory.address(o.size, true));
  }
  /** Writes an operand. */
  put(o: Operand, v: Val): void {
    if (o.kind === REG) this.setReg(o.n, o.size, v);
    else if (o.kind === MEM) this.memory.store(o.size, this.#at === -1 ? this.memory.address(o.size, true) : this.#at, v);
    else if (o.kind === MMX) this.set(FPU_REG(o.n), v);
    else this.set(XMM(o.n), v);
  }

  /** The bytes that a string instruction moves by: `size`, or its negative when DF is set. */
  stringStep(size: number): I32 {
    // DF is bit 10.
    const twice = this.and(this.shrU(this.getI(RFLAGS), this.i32(10 - LOG2[size] - 1)), this.i32(2 * size));
    return this.sub(this.i32(size), twice);
  }

  // --- the x87
  /** What fwait does, and waiting x87 and MMX instructions begin with: #NM when CR0.MP and TS are set, then any pending x87 exception. */
  waitFpu(): void {
    if ((this.mode & (MODE_MP | MODE_TS)) === (MODE_MP | MODE_TS)) return this.raise(XCPT.NM);
    this.checkFpu();
  }
  /** Raises a pending unmasked x87 exception. */
  checkFpu(): void {
    // ES, bit 7 of the status word.
    this.callUnless(this.eqz(this.and(this.getI(FPU_SW), this.i32(0x80))), this.i64(0), H.fpuError);
  }
}
