// HOT: no bigint, no closures, no allocation.
// Far jumps, calls and returns, through gates and to other privileges; SYSENTER, SYSCALL and their returns.
// Intel SDM volume 3A (253668-083), 5.8; JMP, CALL, RET, SYSENTER, SYSEXIT, SYSCALL, SYSRET in volume 2.
import type { Status } from "../ir/frontend.ts";
import type { Microcode } from "./microcode.ts";
import { DR6_BS, EFER_SCE, IF, RF, SYSRET_FLAGS, TF, VM } from "./registers.ts";
import { XCPT } from "./exceptions.ts";
import { checkReturnCode, enterCode, innerStack, longStack, returnStack } from "./interrupts.ts";
import {
  checkNewSs,
  dropInnerSegments,
  readDescriptor,
  readUpper,
  setAccessed,
  setFromDescriptor,
  setNullSs,
  setReal,
} from "./segment_loads.ts";
import {
  BIG,
  CALL16,
  CALL32,
  CS,
  Descriptor,
  dpl,
  DPL_SHIFT,
  FLAT_CODE,
  FLAT_DATA,
  index,
  isCode,
  isConforming,
  LONG,
  PRESENT,
  S,
  SS,
  TASK_GATE,
  TSS16,
  TSS32,
  type,
} from "./segments.ts";
import { CSTAR, FMASK, GPR, LSTAR, STAR } from "./slots.ts";
import { taskSwitch } from "./tasks.ts";

/** What a selector names, the code segment behind a gate, the stack segment that comes with it: each for as long as an instruction takes. */
const named = new Descriptor(), code = new Descriptor(), inner = new Descriptor();

const RCX = GPR(1), RDX = GPR(2), RSP = GPR(4), R11 = GPR(11);

/** A far jump or call with `size`-byte operands (2, 4 or 8); `next*` is the linear address of the following instruction. */
export function farTransfer(
  cpu: Microcode,
  call: boolean,
  selector: number,
  size: number,
  lo: number,
  hi: number,
  nextLo: number,
  nextHi: number,
): Status {
  const ipLo = cpu.modes.code64 ? nextLo : (nextLo - cpu.segments.baseLo(CS)) | 0, ipHi = cpu.modes.code64 ? nextHi : 0;
  selector &= 0xffff;
  if (!cpu.modes.protectedMode) farReal(cpu, call, selector, size, lo, ipLo);
  else farProtected(cpu, call, selector, size, lo, hi, ipLo, ipHi);
  return cpu.pending.done();
}

function farReal(cpu: Microcode, call: boolean, selector: number, size: number, ip: number, returnIp: number): void {
  if ((ip >>> 0) > cpu.segments.limit[CS]) cpu.fault(XCPT.GP, 0);
  if (call) {
    const stack = cpu.stack;
    stack.current(0);
    stack.push(size, cpu.segments.selector(CS), 0);
    stack.push(size, returnIp, 0);
    stack.commit();
  }
  setReal(cpu, CS, selector);
  cpu.derived.refresh();
  cpu.segments.setEip(ip, 0);
}

function farProtected(
  cpu: Microcode,
  call: boolean,
  selector: number,
  size: number,
  lo: number,
  hi: number,
  ipLo: number,
  ipHi: number,
): void {
  const cpl = cpu.window.cpl;
  if (index(selector) === 0) cpu.fault(XCPT.GP, 0);
  readDescriptor(cpu, named, selector, XCPT.GP);
  const attr = named.hi, kind = type(attr);
  if (isCode(attr)) {
    if (isConforming(attr) ? dpl(attr) > cpl : (selector & 3) > cpl || dpl(attr) !== cpl) cpu.fault(XCPT.GP, index(selector));
    if (cpu.modes.lma && (attr & (LONG | BIG)) === (LONG | BIG)) cpu.fault(XCPT.GP, index(selector));
    if (!(attr & PRESENT)) cpu.fault(XCPT.NP, index(selector));
    setAccessed(cpu, named);
    checkTarget(cpu, named, lo, hi);
    if (call) {
      const stack = cpu.stack;
      stack.current(0);
      stack.push(size, cpu.segments.selector(CS), 0);
      stack.push(size, ipLo, ipHi);
      stack.commit();
    }
    enterCode(cpu, named, selector, cpl, lo, hi);
    return;
  }
  if (attr & S) cpu.fault(XCPT.GP, index(selector));
  const allowed = cpu.modes.lma
    ? kind === CALL32
    : kind === TSS16 || kind === TSS32 || kind === TASK_GATE || kind === CALL16 || kind === CALL32;
  if (!allowed || dpl(attr) < cpl || dpl(attr) < (selector & 3)) cpu.fault(XCPT.GP, index(selector));
  if (!(attr & PRESENT)) cpu.fault(XCPT.NP, index(selector));
  const reason = call ? "call" : "jump";
  if (kind === TASK_GATE) taskSwitch(cpu, named.lo >>> 16, reason, 0, ipLo, cpu.window.flags);
  else if (kind === TSS16 || kind === TSS32) taskSwitch(cpu, selector, reason, 0, ipLo, cpu.window.flags);
  else throughGate(cpu, call, selector, ipLo, ipHi);
}

/** The offset must lie in the code segment. */
function checkTarget(cpu: Pick<Microcode, "modes" | "addresses" | "fault">, code: Descriptor, lo: number, hi: number): void {
  const wrong = cpu.modes.lma && code.hi & LONG ? !cpu.addresses.canonical(hi) : (lo >>> 0) > code.limit;
  if (wrong) cpu.fault(XCPT.GP, 0);
}

/** SDM 5.8.3 to 5.8.5: the gate's descriptor is in `named`. */
function throughGate(cpu: Microcode, call: boolean, gate: number, ipLo: number, ipHi: number): void {
  const { lo: gateLo, hi: gateHi } = named, wide = type(gateHi) === CALL32, long = cpu.modes.lma, size = long ? 8 : wide ? 4 : 2;
  const offsetHi = long ? readUpper(cpu, named, gate, XCPT.GP) : 0;
  const offset = wide ? (gateHi & 0xffff_0000) | (gateLo & 0xffff) : gateLo & 0xffff, selector = gateLo >>> 16, words = gateHi & 31;
  const from = cpu.window.cpl;
  if (index(selector) === 0) cpu.fault(XCPT.GP, 0);
  readDescriptor(cpu, code, selector, XCPT.GP);
  const attr = code.hi;
  if (!isCode(attr) || dpl(attr) > from || (!call && !isConforming(attr) && dpl(attr) !== from)) cpu.fault(XCPT.GP, index(selector));
  if (long && (attr & (LONG | BIG)) !== LONG) cpu.fault(XCPT.GP, index(selector));
  if (!(attr & PRESENT)) cpu.fault(XCPT.NP, index(selector));
  setAccessed(cpu, code);
  const deeper = call && !isConforming(attr) && dpl(attr) < from, cpl = deeper ? dpl(attr) : from;
  checkTarget(cpu, code, offset, offsetHi);
  const stack = cpu.stack;
  if (deeper) {
    const oldSs = cpu.segments.selector(SS), oldLo = cpu.window.lo(RSP), oldHi = cpu.window.hi(RSP);
    if (long) {
      const to = longStack(cpu, cpl, 0);
      stack.long(to.lo, to.hi, cpl === 3, 0);
      stack.push(8, oldSs, 0);
      stack.push(8, oldLo, oldHi);
      stack.push(8, cpu.segments.selector(CS), 0);
      stack.push(8, ipLo, ipHi);
      setNullSs(cpu.segments, cpl);
    } else {
      const { sp, ss } = innerStack(cpu, cpl, 0);
      checkNewSs(cpu, inner, ss, cpl, XCPT.TS, 0);
      // Parameters are read from the old stack before the new one is written.
      const parameters: number[] = [];
      stack.current(0);
      for (let n = 0; n < words; n++) parameters.push(stack.pop(size));
      stack.other(inner.base, inner.limit, inner.attributes, sp, cpl === 3, index(ss));
      stack.push(size, oldSs, 0);
      stack.push(size, oldLo, 0);
      for (let n = words - 1; n >= 0; n--) stack.push(size, parameters[n], 0);
      stack.push(size, cpu.segments.selector(CS), 0);
      stack.push(size, ipLo, 0);
      setFromDescriptor(cpu.segments, SS, ss, inner);
    }
    stack.commit();
  } else if (call) {
    stack.current(0);
    stack.push(size, cpu.segments.selector(CS), 0);
    stack.push(size, ipLo, ipHi);
    stack.commit();
  }
  enterCode(cpu, code, selector, cpl, offset, offsetHi);
}

/** RETF with `size`-byte operands that drops `drop` bytes of parameters. */
export function farReturn(cpu: Microcode, size: number, drop: number): Status {
  const stack = cpu.stack;
  stack.current(0);
  const { lo: ipLo, hi: ipHi } = stack.popWide(size), selector = stack.pop(size) & 0xffff;
  if (!cpu.modes.protectedMode) {
    if ((ipLo >>> 0) > cpu.segments.limit[CS]) cpu.fault(XCPT.GP, 0);
    stack.move(drop);
    stack.commit();
    setReal(cpu, CS, selector);
    cpu.derived.refresh();
    cpu.segments.setEip(ipLo, 0);
    return cpu.pending.done();
  }
  const cpl = selector & 3;
  checkReturnCode(cpu, code, selector);
  const long = cpu.modes.lma && (code.hi & LONG) !== 0, outer = cpl > cpu.window.cpl;
  checkTarget(cpu, code, ipLo, ipHi);
  stack.move(drop);
  if (outer) {
    const { lo: spLo, hi: spHi } = stack.popWide(size), ss = stack.pop(size) & 0xffff;
    returnStack(cpu, ss, cpl, long, size, spLo, spHi);
  } else stack.commit();
  enterCode(cpu, code, selector, cpl, ipLo, ipHi);
  if (outer) {
    // Parameters are on the outer stack as well.
    stack.current(0);
    stack.move(drop);
    stack.commit();
    dropInnerSegments(cpu);
    cpu.derived.refresh();
  }
  return cpu.pending.done();
}

/** CS and SS as the fast system calls load them: flat, without a look at the tables. */
function flatSegments(cpu: Pick<Microcode, "segments" | "derived">, code: number, stack: number, cpl: number, long: boolean): void {
  cpu.segments.setFlat(CS, (code & 0xfffc) | cpl, FLAT_CODE | (long ? LONG : BIG) | cpl << DPL_SHIFT);
  cpu.segments.setFlat(SS, (stack & 0xfffc) | cpl, FLAT_DATA | cpl << DPL_SHIFT);
  cpu.derived.enter(cpl);
}

/** SYSCALL. TWIN (src/README.md): the row `syscall` of isa/system.ts, between 64-bit code. */
export function syscall(cpu: Microcode, nextLo: number, nextHi: number): Status {
  const s = cpu.s, star = cpu.window.hi(STAR) & 0xffff;
  // 32-bit code may use it on AMD's processors only.
  if (!(cpu.window.efer & EFER_SCE) || !(s.cr0 & 1) || (!cpu.modes.code64 && cpu.features.intel)) cpu.fault(XCPT.UD, 0);
  if (cpu.modes.lma) {
    const flags = cpu.window.flags & ~RF, fromLong = cpu.modes.code64;
    cpu.window.set(RCX, fromLong ? nextLo : (nextLo - cpu.segments.baseLo(CS)) | 0, fromLong ? nextHi : 0);
    cpu.window.set(R11, flags, 0);
    cpu.window.setFlags(0, (cpu.window.lo(FMASK) & ~2) | RF);
    flatSegments(cpu, star, star + 8, 0, true);
    const to = fromLong ? LSTAR : CSTAR;
    cpu.window.setPc(cpu.window.lo(to), cpu.window.hi(to));
    // The trap is looked for with the new flags: a kernel that masks TF is not stepped into (AMD64 volume 2, 6.1.1 and 13.1.4).
    if (!(cpu.window.systemFlags & TF)) s.debugDue &= ~DR6_BS;
  } else {
    cpu.window.set(RCX, (nextLo - cpu.segments.baseLo(CS)) | 0, 0);
    cpu.window.setFlags(0, IF | RF | VM);
    flatSegments(cpu, star, star + 8, 0, false);
    cpu.segments.setEip(cpu.window.lo(STAR), 0);
  }
  return cpu.pending.done();
}

/** SYSRET with 4- or 8-byte operands. TWIN (src/README.md): the row `sysret` of isa/system.ts, between 64-bit code. */
export function sysret(cpu: Microcode, size: number): Status {
  const s = cpu.s, base = cpu.window.hi(STAR) >>> 16;
  if (!(cpu.window.efer & EFER_SCE) || (!cpu.modes.code64 && cpu.features.intel)) cpu.fault(XCPT.UD, 0);
  if (!(s.cr0 & 1) || cpu.window.cpl !== 0) cpu.fault(XCPT.GP, 0);
  const lo = cpu.window.lo(RCX), hi = cpu.window.hi(RCX);
  // On AMD's processors the fault comes with the fetch, at CPL 3.
  if (size === 8 && cpu.features.intel && !cpu.addresses.canonical(hi)) cpu.fault(XCPT.GP, 0);
  if (cpu.modes.lma) cpu.window.setFlags(cpu.window.lo(R11), SYSRET_FLAGS);
  else cpu.window.setFlags(IF, IF);
  // The selectors come with RPL 3 whatever STAR says; SS stays what it is on AMD's processors but for the selector.
  // Unlike after IRET, the trap is that of SYSRET itself.
  if (cpu.window.systemFlags & TF) s.debugDue |= DR6_BS;
  flatSegments(cpu, size === 8 ? base + 16 : base, base + 8, 3, size === 8);
  cpu.segments.setEip(lo, size === 8 ? hi : 0);
  return cpu.pending.done();
}

/** SYSENTER. AMD's processors have it, and SYSEXIT, outside long mode only. */
export function sysenter(cpu: Microcode): Status {
  const s = cpu.s;
  if (cpu.modes.lma && !cpu.features.intel) cpu.fault(XCPT.UD, 0);
  if (!(s.cr0 & 1) || (s.sysenterCs & 0xfffc) === 0) cpu.fault(XCPT.GP, 0);
  cpu.window.setFlags(0, VM | IF | RF);
  const long = cpu.modes.lma;
  flatSegments(cpu, s.sysenterCs, s.sysenterCs + 8, 0, long);
  cpu.window.set(RSP, s.sysenterEspLo, long ? s.sysenterEspHi : 0);
  cpu.segments.setEip(s.sysenterEipLo, long ? s.sysenterEipHi : 0);
  return cpu.pending.done();
}

/** SYSEXIT with 4- or 8-byte operands. */
export function sysexit(cpu: Microcode, size: number): Status {
  const s = cpu.s, long = size === 8;
  if (cpu.modes.lma && !cpu.features.intel) cpu.fault(XCPT.UD, 0);
  if (!(s.cr0 & 1) || cpu.window.cpl !== 0 || (s.sysenterCs & 0xfffc) === 0) cpu.fault(XCPT.GP, 0);
  const ipLo = cpu.window.lo(RDX), ipHi = cpu.window.hi(RDX), spLo = cpu.window.lo(RCX), spHi = cpu.window.hi(RCX);
  if (long && (!cpu.addresses.canonical(ipHi) || !cpu.addresses.canonical(spHi))) cpu.fault(XCPT.GP, 0);
  flatSegments(cpu, s.sysenterCs + (long ? 32 : 16), s.sysenterCs + (long ? 40 : 24), 3, long);
  cpu.window.set(RSP, spLo, long ? spHi : 0);
  cpu.segments.setEip(ipLo, long ? ipHi : 0);
  return cpu.pending.done();
}
