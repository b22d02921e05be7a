// Jumps, calls, returns, loops, software interrupts. Intel SDM volume 2 (253666-083).
import type { I32, I64 } from "../../ir/builder.ts";
import { CX, type Emit, SP } from "../emit.ts";
import { H } from "../helpers.ts";
import { hex2, type RowText, type Semantics, x86 } from "../insn.ts";
import { CONTEXT, TLB } from "../../ir/layout.ts";
import { PLAIN_CODE, PLAIN_CODE_MASK, PLAIN_DATA, PLAIN_DATA_MASK } from "../interrupts.ts";
import { AC, NT, RF, STATUS, SYSRET_FLAGS, TF, VIF, VIP } from "../registers.ts";
import { ATTRIBUTES, CS, DPL_SHIFT, GRANULAR, S, SS } from "../segments.ts";
import {
  CPL,
  GDT_BASE,
  GDT_LIMIT,
  GPR,
  INTR,
  LOADED_BASE,
  MODE_TF,
  RETURNED,
  RFLAGS,
  SEG_ATTR,
  SEG_LIMIT,
  SELECTOR,
  SWITCH_USER,
} from "../slots.ts";
import { CONDITIONS } from "./mov.ts";

const jump: Semantics = (b) => b.flow.jumpNear(b.i.imm);
const call: Semantics = (b) => {
  const size = b.i.operand, back = b.flow.ip();
  if (!b.flow.checksTarget(b.i.imm)) {
    b.stack.push(size, back);
    return b.flow.jumpNear(b.i.imm);
  }
  const target = b.flow.codeAddress(b.flow.ip(b.i.imm));
  b.stack.push(size, back);
  b.flow.jumpChecked(b.i.imm, target);
};
const jumpIndirect: Semantics = (b, s) => b.flow.jumpIp(b.get(s));
const callIndirect: Semantics = (b, s) => {
  const target = b.flow.codeAddress(b.get(s));
  b.stack.push(b.i.operand, b.flow.ip());
  b.jumpTo(target);
};
const ret: Semantics = (b) => {
  const size = b.i.operand, target = b.flow.codeAddress(b.stack.top(size));
  b.stack.setSp(b.stack.spPlus(size + (b.i.row.operands.length ? b.i.imm : 0)));
  b.jumpTo(target);
};

/** Ends with a far transfer; `selector` and `offset` are i64. */
function far(b: Emit, helper: number, selector: I64, offset: I64): void {
  b.callEnd(helper, b.or(selector, b.i64(b.i.operand << 16)), offset, b.here(), b.following());
}
const farDirect = (helper: number): Semantics => (b) =>
  far(b, helper, b.i64(b.i.imm2), b.i.operand === 2 ? b.i64(b.i.imm & 0xffff) : b.i64Halves(b.i.imm, 0));
const farIndirect = (helper: number): Semantics => (b) => {
  const size = b.i.operand, offset = b.zx(b.memory.load(size, b.memory.address(size, false)));
  far(b, helper, b.zx(b.load("load16U.i", b.memory.address(2, false, size))), offset);
};
const retFar: Semantics = (b) =>
  b.callEnd(H.returnFar, b.i64(b.i.operand), b.i64(b.i.row.operands.length ? b.i.imm : 0), b.here(), b.following());

/** loop, loope, loopne: `cc` is the condition that must hold as well, -1 for none. */
const loop = (cc: number): Semantics => (b) => {
  const size = b.i.address, n = b.reg(CX, size), less = b.mask(size, b.add(n, b.like(n, -1)));
  let again = b.ne(less, b.like(less, 0));
  if (cc >= 0) again = b.and(again, b.flags.condition(cc));
  b.flow.branchNear(again, b.i.imm, () => b.setReg(CX, size, less));
};
const jcxz: Semantics = (b) => b.flow.branchNear(b.eqz(b.reg(CX, b.i.address)), b.i.imm);

const interrupt = (b: Emit, vector: number, kind: number) => b.callEnd(H.interrupt, b.i64(vector), b.i64(kind), b.here(), b.following());

/**
 * IRETQ from privilege 0 to 64-bit code of privilege 3, if nothing is out of the ordinary. TWIN (src/README.md) of `plainReturn` and
 * `returnFrom` of interrupts.ts.
 */
const iret: Semantics = (b) => {
  const general = () => b.callEnd(H.iret, b.i64(b.i.operand), b.here(), b.following());
  if (!b.long || b.i.operand !== 8 || b.cpl !== 0 || b.mode & MODE_TF) return general();
  // Also a frame in two pages is for the helper, which checks CS before it reads all of it; and one that is not canonical: that is #SS.
  const rsp = b.getL(GPR(SP)), canonical = b.leU(b.add(b.shrS(rsp, b.i64(47)), b.i64(1)), b.i64(1));
  const together = b.leU(b.and(b.wrap(rsp), b.i32(0xfff)), b.i32(0x1000 - 40));
  b.callEndUnless(b.and(b.ne(b.getI(SWITCH_USER + 4), b.i32(0)), b.and(canonical, together)), H.iret, b.i64(8), b.here(), b.following());
  const [ip, code, image, sp, stack] = [0, 8, 16, 24, 32].map((at) => b.stack.load(at, 8));
  const flags = b.wrap(image), cs = b.and(b.wrap(code), b.i32(0xffff)), ss = b.and(b.wrap(stack), b.i32(0xffff));
  const inGdt = (s: I32) => b.and(b.eq(b.and(s, b.i32(7)), b.i32(3)), b.leU(b.or(s, b.i32(7)), b.getI(GDT_LIMIT)));
  const found = b.and(inGdt(cs), inGdt(ss));
  // An address of the lower half; flags that change nothing but IF and what code sees; no interrupt that is let in; no data segments to drop.
  const plain = b.and(
    b.eqz(b.shrU(ip, b.i64(47))),
    b.eqz(b.or(b.and(flags, b.i32(TF | NT | AC | VIF | VIP)), b.and(b.getI(RFLAGS), b.i32(NT)))),
  );
  const quiet = b.eqz(b.and(b.shrU(flags, b.i32(9)), b.getI(INTR)));
  const loaded = [0, 3, 4, 5].map((n) => b.getI(SEG_ATTR + 4 * n)).reduce((x, y) => b.or(x, y));
  const ok = b.and(b.and(found, plain), b.and(quiet, b.eqz(b.and(loaded, b.i32(S)))));
  b.callEndUnless(ok, H.iret, b.i64(8), b.here(), b.following());
  const descriptor = (s: I32) => b.load("load64.l", b.add(b.getL(GDT_BASE), b.extU(b.and(s, b.i32(0xfff8)))));
  const csd = descriptor(cs), ssd = descriptor(ss), high = (d: I64) => b.wrap(b.shrU(d, b.i64(32)));
  const is = (d: I64, mask: number, kind: number) => b.eq(b.and(high(d), b.i32(mask)), b.i32(kind | 3 << DPL_SHIFT));
  const good = b.and(is(csd, PLAIN_CODE_MASK, PLAIN_CODE), is(ssd, PLAIN_DATA_MASK, PLAIN_DATA));
  b.callEndUnless(good, H.iret, b.i64(8), b.here(), b.following());
  b.set(RETURNED, b.i32(1));
  for (const [n, selector, d] of [[CS, cs, csd], [SS, ss, ssd]] as const) {
    const lo = b.wrap(d), hi = high(d), limit = b.or(b.and(hi, b.i32(0xf_0000)), b.and(lo, b.i32(0xffff)));
    b.set(SELECTOR(n), selector);
    b.set(SEG_ATTR + 4 * n, b.and(hi, b.i32(ATTRIBUTES)));
    b.set(SEG_LIMIT + 4 * n, b.select(b.and(hi, b.i32(GRANULAR)), b.or(b.shl(limit, b.i32(12)), b.i32(0xfff)), limit));
    const base = b.or(b.or(b.and(hi, b.i32(0xff00_0000)), b.shl(b.and(hi, b.i32(0xff)), b.i32(16))), b.shrU(lo, b.i32(16)));
    b.set(LOADED_BASE(n), b.extU(base));
  }
  b.set(GPR(SP), sp);
  b.set(
    RFLAGS,
    b.extU(b.or(b.or(b.and(b.getI(RFLAGS), b.i32(~SYSRET_FLAGS)), b.and(flags, b.i32(SYSRET_FLAGS & ~(STATUS | RF)))), b.i32(2))),
  );
  b.flags.image(b.and(flags, b.i32(STATUS)));
  b.set(CPL, b.i32(3));
  b.set(TLB, b.getI(SWITCH_USER));
  b.set(CONTEXT, b.getI(SWITCH_USER + 4));
  b.jumpOut(ip);
};

export const control: RowText[] = [
  x86("EB", "jmp Jb", "f64 ends", jump),
  x86("E9", "jmp Jz", "f64 ends", jump),
  x86("FF /4", "jmp Ev", "f64 ends", jumpIndirect),
  x86("FF /5", "jmpf Mp", "ends", farIndirect(H.jumpFar)),
  x86("EA", "jmpf Ap", "i64 ends", farDirect(H.jumpFar)),
  x86("E8", "call Jz", "f64 ends", call),
  x86("FF /2", "call Ev", "f64 ends", callIndirect),
  x86("FF /3", "callf Mp", "ends", farIndirect(H.callFar)),
  x86("9A", "callf Ap", "i64 ends", farDirect(H.callFar)),
  x86("C3", "ret", "f64 ends", ret),
  x86("C2", "ret Iw", "f64 ends", ret),
  x86("CB", "retf", "ends", retFar),
  x86("CA", "retf Iw", "ends", retFar),
  x86("CF", "iret", "ends", iret),
  x86("E0", "loopne Jb", "f64", loop(5)),
  x86("E1", "loope Jb", "f64", loop(4)),
  x86("E2", "loop Jb", "f64", loop(-1)),
  x86("E3", "jcxz Jb", "f64", jcxz),
  x86("CC", "int3", "ends", (b) => interrupt(b, 3, 1)),
  x86("CD", "int Ib", "ends", (b) => interrupt(b, b.i.imm & 0xff, 0)),
  x86("CE", "into", "i64 ends", (b) => {
    b.branchIf(b.flags.condition(1), b.i.length);
    interrupt(b, 4, 2);
  }),
  x86("F1", "int1", "ends", (b) => interrupt(b, 1, 3)),
];
for (const [cc, name] of CONDITIONS.entries()) {
  const branch: Semantics = (b) => b.flow.branchNear(b.flags.condition(cc), b.i.imm);
  control.push(x86(hex2(0x70 + cc), `j${name} Jb`, "f64", branch), x86(`0F ${hex2(0x80 + cc)}`, `j${name} Jz`, "f64", branch));
}
