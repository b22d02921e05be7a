// Jumps, calls, returns, loops, software interrupts. Intel SDM volume 2 (253666-083).
import type { Val } from "../../ir/builder.ts";
import { CX, type Emit } from "../emit.ts";
import { H } from "../helpers.ts";
import { hex2, type RowText, type Semantics, x86 } from "../insn.ts";
import { CONDITIONS } from "./mov.ts";

const jump: Semantics = (b) => b.jumpNear(b.i.imm);
const call: Semantics = (b) => {
  const size = b.i.operand, back = b.ip();
  if (b.flat) {
    b.push(size, back);
    return b.jumpNear(b.i.imm);
  }
  const target = b.codeAddress(b.ip(b.i.imm));
  b.push(size, back);
  b.jumpTo(target);
};
const jumpIndirect: Semantics = (b, s) => b.jumpIp(b.get(s));
const callIndirect: Semantics = (b, s) => {
  const target = b.codeAddress(b.get(s));
  b.push(b.i.operand, b.ip());
  b.jumpTo(target);
};
const ret: Semantics = (b) => {
  const size = b.i.operand, target = b.codeAddress(b.top(size));
  b.setSp(b.spPlus(size + (b.i.row.operands.length ? b.i.imm : 0)));
  b.jumpTo(target);
};

/** Ends with a far transfer; `selector` and `offset` are i64. */
function far(b: Emit, helper: number, selector: Val, offset: Val): void {
  b.callEnd(helper, b.or(selector, b.i64(b.i.operand << 16)), offset, b.here(), b.following());
}
const farDirect = (helper: number): Semantics => (b) =>
  far(b, helper, b.i64(b.i.imm2), b.i.operand === 2 ? b.i64(b.i.imm & 0xffff) : b.i64Halves(b.i.imm, 0));
const farIndirect = (helper: number): Semantics => (b) => {
  const size = b.i.operand, offset = b.zx(b.loadSized(size, b.address(size, false)));
  far(b, helper, b.zx(b.load("load16U.i", b.address(2, false, size))), offset);
};
const retFar: Semantics = (b) =>
  b.callEnd(H.returnFar, b.i64(b.i.operand), b.i64(b.i.row.operands.length ? b.i.imm : 0), b.here(), b.following());

/** loop, loope, loopne: `cc` is the condition that must hold as well, -1 for none. */
const loop = (cc: number): Semantics => (b) => {
  const size = b.i.address, n = b.reg(CX, size), less = b.mask(size, b.add(n, b.like(n, -1)));
  let again = b.ne(less, b.like(less, 0));
  if (cc >= 0) again = b.and(again, b.condition(cc));
  b.branchNear(again, b.i.imm, () => b.setReg(CX, size, less));
};
const jcxz: Semantics = (b) => b.branchNear(b.eqz(b.reg(CX, b.i.address)), b.i.imm);

const interrupt = (b: Emit, vector: number, kind: number) => b.callEnd(H.interrupt, b.i64(vector), b.i64(kind), b.here(), b.following());

export const control: RowText[] = [
  x86("EB", "jmp Jb", "f64", jump),
  x86("E9", "jmp Jz", "f64", jump),
  x86("FF /4", "jmp Ev", "f64", jumpIndirect),
  x86("FF /5", "jmpf Mp", "", farIndirect(H.jumpFar)),
  x86("EA", "jmpf Ap", "i64", farDirect(H.jumpFar)),
  x86("E8", "call Jz", "f64", call),
  x86("FF /2", "call Ev", "f64", callIndirect),
  x86("FF /3", "callf Mp", "", farIndirect(H.callFar)),
  x86("9A", "callf Ap", "i64", farDirect(H.callFar)),
  x86("C3", "ret", "f64", ret),
  x86("C2", "ret Iw", "f64", ret),
  x86("CB", "retf", "", retFar),
  x86("CA", "retf Iw", "", retFar),
  x86("CF", "iret", "", (b) => b.callEnd(H.iret, b.i64(b.i.operand), b.here(), b.following())),
  x86("E0", "loopne Jb", "f64", loop(5)),
  x86("E1", "loope Jb", "f64", loop(4)),
  x86("E2", "loop Jb", "f64", loop(-1)),
  x86("E3", "jcxz Jb", "f64", jcxz),
  x86("CC", "int3", "", (b) => interrupt(b, 3, 1)),
  x86("CD", "int Ib", "", (b) => interrupt(b, b.i.imm & 0xff, 0)),
  x86("CE", "into", "i64", (b) => {
    b.branchIf(b.condition(1), b.i.length);
    interrupt(b, 4, 2);
  }),
  x86("F1", "int1", "", (b) => interrupt(b, 1, 3)),
];
for (const [cc, name] of CONDITIONS.entries()) {
  const branch: Semantics = (b) => b.branchNear(b.condition(cc), b.i.imm);
  control.push(x86(hex2(0x70 + cc), `j${name} Jb`, "f64", branch), x86(`0F ${hex2(0x80 + cc)}`, `j${name} Jz`, "f64", branch));
}
