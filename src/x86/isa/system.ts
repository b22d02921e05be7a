// System instructions, hints, and encodings that do nothing. Intel SDM volume 2 (253666-083). Rights beyond privilege 0 are checked by the helpers.
import type { I32, Val } from "../../ir/builder.ts";
import { CONTEXT, TLB } from "../../ir/layout.ts";
import { AX, CX, DX, type Emit } from "../emit.ts";
import { XCPT } from "../exceptions.ts";
import { H } from "../helpers.ts";
import { MEM, type RowText, type Semantics, x86 } from "../insn.ts";
import { AC, EFER_SCE, RF, STATUS, SYSRET_FLAGS, TF, ZF } from "../registers.ts";
import { CS, DPL_SHIFT, FLAT_CODE, FLAT_DATA, LONG, SS } from "../segments.ts";
import {
  CPL,
  CR2,
  EFER,
  FMASK,
  GPR,
  INTR,
  KERNEL_GS_BASE,
  LOADED_BASE,
  LSTAR,
  MODE_TF,
  MXCSR,
  RFLAGS,
  SEG_ATTR,
  SEG_BASE,
  SEG_LIMIT,
  SELECTOR,
  STAR,
  SWITCH_SYSTEM,
  SWITCH_USER,
  TSC_OFFSET,
  TSC_PLAIN,
} from "../slots.ts";

/** A helper without arguments that does it all. */
const plain = (helper: number): Semantics => (b) => void b.call(helper);
/** A helper that ends the block, with the addresses of this instruction and the next. */
const end = (helper: number): Semantics => (b) => b.callEnd(helper, b.here(), b.following());
const nothing: Semantics = () => {};
const undefined_: Semantics = (b) => b.raise(XCPT.UD);

/** sgdt and sidt: 6 bytes, 10 in 64-bit mode. */
const storeTable = (which: number): Semantics => (b) => {
  const limit = b.call(H.tableLimit, b.i64(which)), base = b.call(H.tableBase, b.i64(which)), size = b.long ? 8 : 4;
  const at = b.memory.address(2, true), high = b.memory.address(size, true, 2);
  b.memory.modify(size, high);
  b.store("store16.i", at, b.wrap(limit));
  b.memory.store(size, high, size === 8 ? base : b.wrap(base));
};
const loadTable = (which: number): Semantics => (b) => {
  const limit = b.load("load16U.i", b.memory.address(2, false)), size = b.long ? 8 : 4;
  const base = b.zx(b.memory.load(size, b.memory.address(size, false, 2)));
  // A 16-bit operand has a base of 24 bits.
  b.call(H.loadTable, b.i64(which), b.i.operand === 2 && !b.long ? b.and(base, b.i64(0xff_ffff)) : base, b.zx(limit));
};
/** sldt, str, smsw: 16 bits to memory, the operand's size to a register. */
const storeSelector = (b: Emit, d: Parameters<Semantics>[1], v: Val) => b.put(d, d.size === 8 ? v : b.mask(d.size, b.wrap(v)));
/** lar and lsl: ZF tells whether the selector was good. */
const describe = (helper: number): Semantics => (b, d, s) => {
  const v = b.call(helper, b.zx(b.get(s))), bad = b.eq(v, b.i64(-1));
  const old = b.getL(GPR(d.n));
  if (d.size === 2) b.setReg(d.n, 2, b.select(bad, b.wrap(old), b.wrap(v)));
  else if (b.long) b.setReg(d.n, 8, b.select(bad, old, b.and(v, b.i64Halves(-1, 0))));
  else b.setReg(d.n, 4, b.select(bad, b.wrap(old), b.wrap(v)));
  b.flags.some(ZF, b.shl(b.eqz(bad), b.i32(6)));
};
const verify = (helper: number): Semantics => (b, s) => b.flags.some(ZF, b.shl(b.wrap(b.call(helper, b.zx(b.get(s)))), b.i32(6)));
/** Memory is written, and has to be writable, only when the selector changes. */
const arpl: Semantics = (b, d, s) => {
  const at = d.kind === MEM ? b.memory.address(2, false) : undefined, x = at === undefined ? b.get(d) : b.memory.load(2, at);
  const rpl = b.and(b.get(s), b.i32(3)), lower = b.ltU(b.and(x, b.i32(3)), rpl), y = b.or(b.and(x, b.i32(0xfffc)), rpl);
  if (at === undefined) b.put(d, b.select(lower, y, x));
  else b.callUnless(b.eqz(lower), at, H.storeSelector, b.zx(b.memory.ea()), b.i64(b.i.segment | 2 << 8), b.zx(y));
  b.flags.some(ZF, b.shl(lower, b.i32(6)));
};
const fromControl = (helper: number): Semantics => (b, d, s) => {
  const v = helper === H.readCr && s.n === 2 ? b.getL(CR2) : b.call(helper, b.i64(s.n));
  b.setReg(d.n, b.long ? 8 : 4, b.long ? v : b.wrap(v));
};
const toControl = (helper: number): Semantics => (b, d, s) => void b.call(helper, b.i64(d.n), b.zx(b.reg(s.n, b.long ? 8 : 4)));
/** rdtsc: the clock as it is, or as the helper has it. */
const timeStamp: Semantics = (b) => {
  const t = b.add(b.ticks(), b.getL(TSC_OFFSET)), plain = b.geU(b.getI(TSC_PLAIN), b.i32(b.cpl === 0 ? 1 : 2));
  const v = b.callUnless(plain, t, H.rdtsc);
  b.setReg(AX, 4, b.wrap(v));
  b.setReg(DX, 4, b.wrap(b.shrU(v, b.i64(32))));
};
/** rdrand and rdseed always succeed: CF is set. */
const random = (kind: number): Semantics => (b, d) => {
  const v = b.call(H.random, b.i64(kind));
  b.put(d, d.size === 8 ? v : b.mask(d.size, b.wrap(v)));
  b.flags.image(b.i32(1));
};
const invpcid: Semantics = (b, type) => {
  const lo = b.load("load64.l", b.memory.address(16, false)), hi = b.load("load64.l", b.memory.address(8, false, 8));
  b.call(H.invpcid, b.zx(b.reg(type.n, b.long ? 8 : 4)), lo, hi);
};
const baseRegister = (segment: number, write: boolean): Semantics => (b, d) => {
  b.call(H.fsgsbase);
  if (!write) {
    const v = b.getL(SEG_BASE(segment));
    return b.put(d, d.size === 8 ? v : b.wrap(v));
  }
  const v = b.zx(b.get(d));
  b.call(H.writeBase, b.i64(segment), v);
};
const swapgs: Semantics = (b) => {
  const base = b.getL(SEG_BASE(5));
  b.set(SEG_BASE(5), b.getL(KERNEL_GS_BASE));
  b.set(KERNEL_GS_BASE, base);
};
/** fxsave and so on: the address, and whether REX.W is there. */
const area = (helper: number, kind = 0): Semantics => (b) =>
  void b.call(helper, b.memory.address(512, helper === H.fxsave || helper === H.xsave), b.i64(b.i.rex & 8 ? 1 : 0), b.i64(kind));
const rdpid: Semantics = (b, d) => {
  const v = b.call(H.rdpid);
  b.put(d, d.size === 8 ? v : b.wrap(v));
};
/** clflush and so on are checked like a read of a byte. */
const touch: Semantics = (b) => void b.load("load8U.i", b.memory.address(1, false));
const monitor: Semantics = (b) => {
  const { i } = b;
  b.call(H.monitor, b.memory.linear(i.override < 0 ? 3 : i.override, b.reg(AX, i.address), 1, false));
};
/** CS and SS as the fast system calls load them, the privilege, and what the engine has for it. */
function flatSegments(b: Emit, code: Val, stack: Val, cpl: number): void {
  const selector = (v: I32) => b.or(b.and(v, b.i32(0xfffc)), b.i32(cpl));
  b.set(SELECTOR(CS), selector(code));
  b.set(SELECTOR(SS), selector(stack));
  b.set(SEG_ATTR + 4 * CS, b.i32(FLAT_CODE | LONG | cpl << DPL_SHIFT));
  b.set(SEG_ATTR + 4 * SS, b.i32(FLAT_DATA | cpl << DPL_SHIFT));
  for (const n of [CS, SS]) {
    b.set(SEG_LIMIT + 4 * n, b.i32(-1));
    b.set(LOADED_BASE(n), b.i64(0));
  }
  b.set(CPL, b.i32(cpl));
  const known = cpl === 0 ? SWITCH_SYSTEM : SWITCH_USER;
  b.set(TLB, b.getI(known));
  b.set(CONTEXT, b.getI(known + 4));
}
const flag = (b: Emit, v: I32, mask: number) => b.ne(b.and(v, b.i32(mask)), b.i32(0));
/**
 * Between 64-bit code, while the engine knows the other privilege's code and TLB and nothing is out of the ordinary; else the helper does it.
 * TWINS (src/README.md) of `syscall` and `sysret` of far.ts.
 */
const syscall: Semantics = (b) => {
  if (!b.long || b.mode & MODE_TF) return b.callEnd(H.syscall, b.here(), b.following());
  const status = b.flags.status(), flags = b.getI(RFLAGS), kept = b.not(b.getI(FMASK)), star = b.getI(STAR + 4);
  const known = b.and(flag(b, b.getI(EFER), EFER_SCE), b.ne(b.getI(SWITCH_SYSTEM + 4), b.i32(0)));
  b.callEndUnless(b.and(known, b.eqz(b.and(flags, b.i32(AC)))), H.syscall, b.here(), b.following());
  b.set(GPR(CX), b.following());
  b.set(GPR(11), b.extU(b.or(flags, status)));
  b.set(RFLAGS, b.extU(b.or(b.and(flags, kept), b.i32(2))));
  b.flags.image(b.and(status, kept));
  flatSegments(b, star, b.add(star, b.i32(8)), 0);
  b.jumpOut(b.getL(LSTAR));
};
const sysret: Semantics = (b) => {
  if (!b.long || b.mode & MODE_TF || b.cpl !== 0 || !(b.i.rex & 8)) {
    return b.callEnd(H.sysret, b.i64(b.i.rex & 8 ? 8 : 4), b.here());
  }
  const to = b.getL(GPR(CX)), flags = b.getI(GPR(11)), star = b.shrU(b.getI(STAR + 4), b.i32(16));
  const known = b.and(flag(b, b.getI(EFER), EFER_SCE), b.ne(b.getI(SWITCH_USER + 4), b.i32(0)));
  // An address of the lower half; no change of what is compiled; no interrupt that is let in.
  const plain = b.and(b.eqz(b.shrU(to, b.i64(47))), b.eqz(b.and(flags, b.i32(TF | RF | AC))));
  const quiet = b.eqz(b.and(b.shrU(flags, b.i32(9)), b.getI(INTR)));
  b.callEndUnless(b.and(b.and(known, plain), quiet), H.sysret, b.i64(8), b.here());
  b.set(RFLAGS, b.extU(b.or(b.or(b.and(b.getI(RFLAGS), b.i32(~SYSRET_FLAGS)), b.and(flags, b.i32(SYSRET_FLAGS & ~STATUS))), b.i32(2))));
  b.flags.image(b.and(flags, b.i32(STATUS)));
  flatSegments(b, b.add(star, b.i32(16)), b.add(star, b.i32(8)), 3);
  b.jumpOut(to);
};
/** #UD in real and virtual-8086 mode is by the mark `prot`. */
const q = "quiet";
export const system: RowText[] = [
  x86("F4", "hlt", "cpl0 ends", end(H.hlt)),
  x86("FA", "cli", "", plain(H.cli)),
  x86("FB", "sti", "", plain(H.sti)),
  x86("9B", "fwait", "", (b) => b.waitFpu()),
  x86("63 /r", "arpl Ew, Gw", "i64 prot !Z", arpl),
  x86("0F 00 /0", "sldt Mw", "prot", (b, d) => storeSelector(b, d, b.call(H.systemSelector, b.i64(0)))),
  x86("0F 00 /0", "sldt Rv", "prot", (b, d) => storeSelector(b, d, b.call(H.systemSelector, b.i64(0)))),
  x86("0F 00 /1", "str Mw", "prot", (b, d) => storeSelector(b, d, b.call(H.systemSelector, b.i64(1)))),
  x86("0F 00 /1", "str Rv", "prot", (b, d) => storeSelector(b, d, b.call(H.systemSelector, b.i64(1)))),
  x86("0F 00 /2", "lldt Ew", "prot cpl0", (b, s) => void b.call(H.loadSystemSelector, b.i64(0), b.zx(b.get(s)))),
  x86("0F 00 /3", "ltr Ew", "prot cpl0", (b, s) => void b.call(H.loadSystemSelector, b.i64(1), b.zx(b.get(s)))),
  x86("0F 00 /4", "verr Ew", "prot !Z", verify(H.verr)),
  x86("0F 00 /5", "verw Ew", "prot !Z", verify(H.verw)),
  x86("0F 01 /0", "sgdt M", "", storeTable(0)),
  x86("0F 01 /1", "sidt M", "", storeTable(1)),
  x86("0F 01 /2", "lgdt M", "cpl0", loadTable(0)),
  x86("0F 01 /3", "lidt M", "cpl0", loadTable(1)),
  x86("0F 01 /4", "smsw Mw", "", (b, d) => storeSelector(b, d, b.call(H.smsw))),
  x86("0F 01 /4", "smsw Rv", "", (b, d) => storeSelector(b, d, b.call(H.smsw))),
  x86("0F 01 /6", "lmsw Ew", "cpl0", (b, s) => void b.call(H.lmsw, b.zx(b.get(s)))),
  x86("0F 01 /7", "invlpg M", "cpl0", (b) => void b.call(H.invlpg, b.memory.pageAddress())),
  x86("0F 01 C8", "monitor", "monitor", monitor),
  x86("0F 01 C9", "mwait", "monitor ends", end(H.mwait)),
  x86("NP 0F 01 D0", "xgetbv", "xsave", plain(H.xgetbv)),
  x86("NP 0F 01 D1", "xsetbv", "xsave cpl0", plain(H.xsetbv)),
  x86("NP 0F 01 EE", "rdpkru", "pku", plain(H.rdpkru)),
  x86("NP 0F 01 EF", "wrpkru", "pku", plain(H.wrpkru)),
  x86("0F 01 CA", "clac", "smap", (b) => void b.call(H.accessFlag, b.i64(0))),
  x86("0F 01 CB", "stac", "smap", (b) => void b.call(H.accessFlag, b.i64(1))),
  x86("0F 01 F8", "swapgs", "o64 cpl0", swapgs),
  x86("0F 01 F9", "rdtscp", "rdtscp", plain(H.rdtscp)),
  x86("0F 02 /r", "lar Gv, Ew", "prot !Z", describe(H.lar)),
  x86("0F 03 /r", "lsl Gv, Ew", "prot !Z", describe(H.lsl)),
  x86("0F 05", "syscall", "syscall ends", syscall),
  x86("0F 07", "sysret", "syscall ends", sysret),
  x86("0F 06", "clts", "cpl0", plain(H.clts)),
  x86("0F 08", "invd", "cpl0", plain(H.invd)),
  x86("0F 09", "wbinvd", "cpl0", plain(H.invd)),
  x86("0F 0B", "ud2", "ends", undefined_),
  x86("0F B9 /r", "ud1 Gv, Ev", "ends", undefined_),
  x86("0F FF /r", "ud0 Gv, Ev", "ends", undefined_),
  x86("0F 0D /r", "prefetchw M", q, nothing),
  x86("0F 18 /r", "prefetch M", q, nothing),
  x86("0F 18 /r", "nop Rv", q, nothing),
  x86("F3 0F 1E FA", "endbr64", q, nothing),
  x86("F3 0F 1E FB", "endbr32", q, nothing),
  x86("0F 20 /r", "mov Ry, Cy", "f64 cpl0", fromControl(H.readCr)),
  x86("0F 21 /r", "mov Ry, Dy", "f64 cpl0", fromControl(H.readDr)),
  x86("0F 22 /r", "mov Cy, Ry", "f64 cpl0", toControl(H.writeCr)),
  x86("0F 23 /r", "mov Dy, Ry", "f64 cpl0", toControl(H.writeDr)),
  x86("0F 30", "wrmsr", "msr cpl0", plain(H.wrmsr)),
  x86("0F 31", "rdtsc", "tsc", timeStamp),
  x86("0F 32", "rdmsr", "msr cpl0", plain(H.rdmsr)),
  x86("0F 33", "rdpmc", "", plain(H.rdpmc)),
  x86("0F 34", "sysenter", "sep ends", end(H.sysenter)),
  x86("0F 35", "sysexit", "sep cpl0 ends", (b) => b.callEnd(H.sysexit, b.i64(b.i.rex & 8 ? 8 : 4), b.here())),
  x86("0F A2", "cpuid", "", plain(H.cpuid)),
  x86("NP 0F AE /0", "fxsave M", "@fxsr fxsr", area(H.fxsave)),
  x86("NP 0F AE /1", "fxrstor M", "@fxsr fxsr", area(H.fxrstor)),
  x86("NP 0F AE /2", "ldmxcsr Md", "@sse sse", (b, s) => void b.call(H.ldmxcsr, b.extU(b.get(s)))),
  x86("NP 0F AE /3", "stmxcsr Md", "@sse sse", (b, d) => b.put(d, b.getI(MXCSR))),
  x86("NP 0F AE /4", "xsave M", "xsave", area(H.xsave)),
  x86("NP 0F AE /5", "xrstor M", "xsave", area(H.xrstor)),
  x86("NP 0F AE /6", "xsaveopt M", "xsaveopt", area(H.xsave, 1)),
  x86("0F C7 /4", "xsavec M", "xsavec", area(H.xsave, 2)),
  x86("0F C7 /5", "xsaves M", "xsaves cpl0", area(H.xsave, 3)),
  x86("0F C7 /3", "xrstors M", "xsaves cpl0", area(H.xrstor, 3)),
  x86("NP 0F AE /5", "lfence Rd", "sse2 quiet", nothing),
  x86("NP 0F AE /6", "mfence Rd", "sse2 quiet", nothing),
  x86("NP 0F AE /7", "sfence Rd", "sse quiet", nothing),
  x86("NP 0F AE /7", "clflush Mb", "clflush", touch),
  x86("66 0F AE /7", "clflushopt Mb", "clflushopt", touch),
  x86("66 0F AE /6", "clwb Mb", "clwb", touch),
  x86("F3 0F AE /0", "rdfsbase Ry", "fsgsbase o64", baseRegister(4, false)),
  x86("F3 0F AE /1", "rdgsbase Ry", "fsgsbase o64", baseRegister(5, false)),
  x86("F3 0F AE /2", "wrfsbase Ry", "fsgsbase o64", baseRegister(4, true)),
  x86("F3 0F AE /3", "wrgsbase Ry", "fsgsbase o64", baseRegister(5, true)),
  x86("66 0F 38 82 /r", "invpcid Gy, Mdq", "invpcid f64 cpl0", invpcid),
  x86("0F C7 /6", "rdrand Rv", "rdrand !OSZAPC", random(0)),
  x86("0F C7 /7", "rdseed Rv", "rdseed !OSZAPC", random(1)),
  x86("F3 0F C7 /7", "rdpid Ry", "rdpid f64", rdpid),
];
for (const n of ["19", "1A", "1B", "1C", "1D", "1E", "1F"]) system.push(x86(`0F ${n} /r`, "nop Ev", q, nothing));
