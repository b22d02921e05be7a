// HOT: no bigint, no closures, no allocation.
// Delivery of exceptions and interrupts, and the return from them. Intel SDM volume 3A (253668-083), 6.10 to 6.14, 20.1.4, 20.3; IRET in
// volume 2A. Not modelled: interrupt redirection of CR4.VME, user interrupts, shadow stacks.
import { READ, type Status, WRITE } from "../ir/frontend.ts";
import type { Microcode } from "./microcode.ts";
import { AC, DR6_BS, DR6_BT, FLAGS_ANY, IF, IOPL, NT, RF, STATUS, TF, VIF, VIP, VM } from "./registers.ts";
import { traceEvent } from "./debug.ts";
import { type EventKind, EXCEPTION, hasErrorCode, SOFTWARE, SOFTWARE_TRAP, XCPT } from "./exceptions.ts";
import {
  checkNewSs,
  dropInnerSegments,
  readAt,
  readDescriptor,
  setAccessed,
  setFromDescriptor,
  setNull,
  setNullSs,
  setReal,
} from "./segment_loads.ts";
import {
  ACCESSED,
  ATTRIBUTES,
  BIG,
  CODE,
  CONFORMING,
  CS,
  Descriptor,
  descriptorBase,
  descriptorLimit,
  dpl,
  DPL_SHIFT,
  DS,
  ES,
  FS,
  GS,
  index,
  INT16,
  INT32,
  isCode,
  isConforming,
  LONG,
  PRESENT,
  S,
  SS,
  TASK_GATE,
  TR,
  TRAP16,
  TRAP32,
  type,
  WRITABLE,
} from "./segments.ts";
import { writeStatus } from "./flags.ts";
import { CPL, GDT_BASE, GDT_LIMIT, GPR, LOADED_BASE, RETURNED, RFLAGS, SEG_ATTR, SEG_BASE, SEG_LIMIT, SELECTOR } from "./slots.ts";
import type { Halves } from "./microcode_memory.ts";
import { taskReturn, taskSwitch } from "./tasks.ts";

/** The gate of an event, the code segment that is gone to, the stack segment that comes with it: each for as long as a delivery takes. */
const gate = new Descriptor(), code = new Descriptor(), newStack = new Descriptor();

const RSP = GPR(4);

/**
 * Delivers an event; the return address is given as a linear one. Throws FAULTED with an exception recorded; the guest's registers are then
 * unchanged.
 */
export function deliver(cpu: Microcode, vector: number, kind: EventKind, errorCode: number, pcLo: number, pcHi: number): void {
  const baseLo = cpu.modes.code64 ? 0 : cpu.segments.baseLo(CS);
  const ipLo = (pcLo - baseLo) | 0, ipHi = cpu.modes.code64 ? pcHi : 0;
  // A fault pushes RF, so that the instruction is not caught by its own breakpoint again (SDM volume 3B, 17.3.1.1).
  const flags = kind === EXCEPTION && vector !== XCPT.DB && vector !== XCPT.DF ? cpu.window.flags | RF : cpu.window.flags;
  if (!(cpu.s.cr0 & 1)) realMode(cpu, vector, flags, ipLo);
  else if (cpu.modes.lma) longMode(cpu, vector, kind, errorCode, flags, ipLo, ipHi);
  else protectedMode(cpu, vector, kind, errorCode, flags, ipLo);
}

function realMode(cpu: Microcode, vector: number, flags: number, ip: number): void {
  const s = cpu.s, at = (s.idtLo + vector * 4) | 0;
  if (vector * 4 + 3 > s.idtLimit) cpu.fault(XCPT.GP, vector * 8 + 2);
  const offset = cpu.memory.read16(at, 0, false), selector = cpu.memory.read16((at + 2) | 0, 0, false), stack = cpu.stack;
  if ((offset | selector) === 0) cpu.config.onNoVector?.(vector);
  stack.current(0);
  stack.push(2, flags, 0);
  stack.push(2, cpu.segments.selector(CS), 0);
  stack.push(2, ip, 0);
  stack.commit();
  cpu.window.setFlags(0, IF | TF | AC | RF);
  setReal(cpu, CS, selector);
  cpu.derived.refresh();
  cpu.segments.setEip(offset, 0);
}

/** The flags that every handler starts without; interrupt gates clear IF as well. */
const CLEARED = TF | NT | RF | VM;

function protectedMode(cpu: Microcode, vector: number, kind: EventKind, errorCode: number, flags: number, ip: number): void {
  const s = cpu.s, software = kind === SOFTWARE || kind === SOFTWARE_TRAP, ext = software ? 0 : 1, where = vector * 8 + 2 + ext;
  if (vector * 8 + 7 > s.idtLimit) cpu.fault(XCPT.GP, where);
  readAt(cpu, gate, s.idtLo, 0, vector * 8);
  const { lo: gateLo, hi: gateHi } = gate, kindOfGate = type(gateHi);
  if (
    gateHi & S ||
    !(kindOfGate === TASK_GATE || kindOfGate === INT16 || kindOfGate === TRAP16 || kindOfGate === INT32 || kindOfGate === TRAP32)
  ) {
    cpu.fault(XCPT.GP, where);
  }
  if (software && dpl(gateHi) < cpu.window.cpl) cpu.fault(XCPT.GP, where);
  if (!(gateHi & PRESENT)) cpu.fault(XCPT.NP, where);
  const pushes = kind === EXCEPTION && hasErrorCode(vector);
  if (kindOfGate === TASK_GATE) {
    taskSwitch(cpu, gateLo >>> 16, "gate", ext, ip, flags);
    if (!pushes) return;
    const stack = cpu.stack;
    stack.current(ext);
    stack.push(cpu.segments.attr[TR] >> 8 & 8 ? 4 : 2, errorCode, 0);
    stack.commit();
    return;
  }
  const selector = gateLo >>> 16, wide = kindOfGate >= INT32, size = wide ? 4 : 2;
  const offset = wide ? (gateHi & 0xffff_0000) | (gateLo & 0xffff) : gateLo & 0xffff;
  if (index(selector) === 0) cpu.fault(XCPT.GP, ext);
  readDescriptor(cpu, code, selector, XCPT.GP, ext);
  const attr = code.hi;
  if (!isCode(attr) || dpl(attr) > cpu.window.cpl) cpu.fault(XCPT.GP, index(selector) | ext);
  if (!(attr & PRESENT)) cpu.fault(XCPT.NP, index(selector) | ext);
  const inner = !isConforming(attr) && dpl(attr) < cpu.window.cpl, cpl = inner ? dpl(attr) : cpu.window.cpl;
  if (cpu.modes.v86 && !(inner && cpl === 0)) cpu.fault(XCPT.GP, index(selector) | ext);
  setAccessed(cpu, code);
  if ((offset >>> 0) > code.limit) cpu.fault(XCPT.GP, ext);
  const { stack } = cpu, { v86 } = cpu.modes;
  let ss = 0;
  if (inner) {
    const to = innerStack(cpu, cpl, ext);
    ss = to.ss;
    checkNewSs(cpu, newStack, ss, cpl, XCPT.TS, ext);
    stack.other(newStack.base, newStack.limit, newStack.attributes, to.sp, cpl === 3, index(ss) | ext);
    if (v86) {
      stack.push(size, cpu.segments.selector(GS), 0);
      stack.push(size, cpu.segments.selector(FS), 0);
      stack.push(size, cpu.segments.selector(DS), 0);
      stack.push(size, cpu.segments.selector(ES), 0);
    }
    stack.push(size, cpu.segments.selector(SS), 0);
    stack.push(size, cpu.window.lo(RSP), 0);
  } else stack.current(ext);
  stack.push(size, flags, 0);
  stack.push(size, cpu.segments.selector(CS), 0);
  stack.push(size, ip, 0);
  if (pushes) stack.push(size, errorCode, 0);
  if (inner) {
    setFromDescriptor(cpu.segments, SS, ss, newStack);
    if (v86) { for (const n of V86_SAVED) setNull(cpu.segments, n, 0); }
  }
  stack.commit();
  cpu.window.setFlags(0, CLEARED | (kindOfGate === INT16 || kindOfGate === INT32 ? IF : 0));
  enterCode(cpu, code, selector, cpl, offset, 0);
}
const V86_SAVED = [ES, DS, FS, GS];

/** Loads CS from a descriptor, with a CPL, and goes to an offset in it. */
export function enterCode(
  cpu: Pick<Microcode, "segments" | "derived">,
  code: Descriptor,
  selector: number,
  cpl: number,
  lo: number,
  hi: number,
): void {
  setFromDescriptor(cpu.segments, CS, (selector & 0xfffc) | cpl, code);
  cpu.derived.enter(cpl);
  cpu.segments.setEip(lo, hi);
}

/** ESP and SS of a privilege level from the TSS (SDM 7.2.1, 7.6); good until the next call. */
export function innerStack(cpu: Pick<Microcode, "segments" | "memory" | "fault">, cpl: number, ext: number): Readonly<typeof inner> {
  const tss32 = (cpu.segments.attr[TR] >> 8 & 8) !== 0, offset = tss32 ? 4 + 8 * cpl : 2 + 4 * cpl;
  if (offset + (tss32 ? 5 : 3) > cpu.segments.limit[TR]) cpu.fault(XCPT.TS, index(cpu.segments.selector(TR)) | ext);
  const at = (cpu.segments.baseLo(TR) + offset) | 0;
  inner.sp = tss32 ? cpu.memory.read32(at, 0, false) : cpu.memory.read16(at, 0, false);
  inner.ss = cpu.memory.read16((at + (tss32 ? 4 : 2)) | 0, 0, false);
  return inner;
}
const inner = { sp: 0, ss: 0 };

/** A 64-bit stack pointer of the TSS (SDM 7.7): RSP0 to RSP2 for `slot` 0..2, IST1 to IST7 for 3..9. */
export function longStack(cpu: Pick<Microcode, "segments" | "memory" | "fault">, slot: number, ext: number): Halves {
  const offset = slot < 3 ? 4 + 8 * slot : 0x24 + 8 * (slot - 3);
  if (offset + 7 > cpu.segments.limit[TR]) cpu.fault(XCPT.TS, index(cpu.segments.selector(TR)) | ext);
  const sum = (cpu.segments.baseLo(TR) >>> 0) + offset;
  return cpu.memory.read64(sum | 0, (cpu.segments.baseHi(TR) + (sum > 0xffff_ffff ? 1 : 0)) | 0, false);
}

/** Upper half of a sum. */
const sum = (lo: number, hi: number, n: number): number => (lo >>> 0) + n > 0xffff_ffff ? (hi + 1) | 0 : hi;

// What happens most, a gate without a stack of its own into privilege 0 and the return from there, each in one go: nothing here is unusual, or
// nothing has been done and the general way does it. Memory is read in the same order there, so what faults here faults there.
// TWINS (src/README.md): `plainEvent` of `longMode`; `plainReturn` of `returnFrom`, and the row `iret` of isa/control.ts of both.

/** Bits of a gate that tell an interrupt or trap gate without IST: present, S, type but for its lowest bit, IST. */
const PLAIN_GATE_MASK = PRESENT | S | 0xe07, PLAIN_GATE = PRESENT | INT32 << 8;
/** Bits of descriptors that tell a 64-bit code segment and a writable data segment, both accessed; with the DPL. */
export const PLAIN_CODE_MASK = PRESENT | 3 << DPL_SHIFT | S | CODE | CONFORMING | ACCESSED | LONG | BIG,
  PLAIN_CODE = PRESENT | S | CODE | ACCESSED | LONG;
export const PLAIN_DATA_MASK = PRESENT | 3 << DPL_SHIFT | S | CODE | WRITABLE | ACCESSED, PLAIN_DATA = PRESENT | S | WRITABLE | ACCESSED;
/** Whether an address with this upper half is canonical with four levels, and so with five. */
const canonical48 = (hi: number): boolean => hi >> 15 === 0 || hi >> 15 === -1;
/** Index in i32 of a descriptor of the GDT; below 0 when it cannot be read in one piece, or is none of the GDT's. */
function descriptorAt(cpu: Pick<Microcode, "env" | "memory">, selector: number): number {
  const { i32 } = cpu.env, offset = selector & 0xfff8, base = i32[GDT_BASE >> 2];
  if (selector & 4 || offset === 0 || offset + 7 > i32[GDT_LIMIT >> 2]) return -1;
  return cpu.memory.together(base + offset | 0, sum(base, i32[(GDT_BASE >> 2) + 1], offset), READ, false, 8) >> 2;
}
/** Loads a segment register in 64-bit mode, as `setSegment` does. */
function load(i32: Int32Array, n: number, selector: number, lo: number, hi: number): void {
  i32[SELECTOR(n) >> 2] = selector;
  i32[(SEG_LIMIT >> 2) + n] = descriptorLimit(lo, hi);
  i32[(SEG_ATTR >> 2) + n] = hi & ATTRIBUTES;
  i32[LOADED_BASE(n) >> 2] = descriptorBase(lo, hi);
  i32[(LOADED_BASE(n) >> 2) + 1] = 0;
}

function plainEvent(
  cpu: Microcode,
  vector: number,
  hasCode: boolean,
  errorCode: number,
  flags: number,
  ipLo: number,
  ipHi: number,
): boolean {
  const s = cpu.s, { i32 } = cpu.env;
  if (!cpu.modes.code64 || vector * 16 + 15 > s.idtLimit) return false;
  const gate = cpu.memory.together(s.idtLo + vector * 16 | 0, sum(s.idtLo, s.idtHi, vector * 16), READ, false, 16) >> 2;
  if (gate < 0 || (i32[gate + 1] & PLAIN_GATE_MASK) !== PLAIN_GATE) return false;
  const gateLo = i32[gate], gateHi = i32[gate + 1], offsetHi = i32[gate + 2], selector = gateLo >>> 16, code = descriptorAt(cpu, selector);
  if (code < 0 || (i32[code + 1] & PLAIN_CODE_MASK) !== PLAIN_CODE || !canonical48(offsetHi)) return false;
  const codeLo = i32[code], codeHi = i32[code + 1], inner = i32[CPL >> 2] !== 0, spLo = i32[RSP >> 2], spHi = i32[(RSP >> 2) + 1];
  let top = spLo, topHi = spHi;
  if (inner) {
    if (i32[(SEG_LIMIT >> 2) + TR] >>> 0 < 11) return false;
    const base = i32[SEG_BASE(TR) >> 2],
      rsp0 = cpu.memory.together(base + 4 | 0, sum(base, i32[(SEG_BASE(TR) >> 2) + 1], 4), READ, false, 8) >> 2;
    if (rsp0 < 0) return false;
    top = i32[rsp0];
    topHi = i32[rsp0 + 1];
  }
  top &= ~15;
  const size = hasCode ? 48 : 40;
  if (top & 0xfff && (top & 0xfff) < size || top === 0 || !canonical48(topHi)) return false;
  const last = cpu.memory.together(top - 8, topHi, WRITE, false, 8), at = last >> 2;
  if (at < 0) return false;
  i32[at] = i32[SELECTOR(SS) >> 2] & 0xffff;
  i32[at - 2] = spLo;
  i32[at - 1] = spHi;
  i32[at - 4] = flags;
  i32[at - 6] = i32[SELECTOR(CS) >> 2] & 0xffff;
  i32[at - 8] = ipLo;
  i32[at - 7] = ipHi;
  i32[at + 1] = i32[at - 3] = i32[at - 5] = 0;
  if (hasCode) {
    i32[at - 10] = errorCode;
    i32[at - 9] = 0;
  }
  cpu.env.wroteAt(last + 8 - size, size);
  i32[RSP >> 2] = top - size;
  i32[(RSP >> 2) + 1] = topHi;
  if (inner) load(i32, SS, 0, 0, 0);
  load(i32, CS, selector & 0xfffc, codeLo, codeHi);
  i32[RFLAGS >> 2] = (i32[RFLAGS >> 2] & ~(CLEARED | (gateHi & 0x100 ? 0 : IF))) | 2;
  cpu.derived.enter(0);
  cpu.window.setPc((gateHi & 0xffff_0000) | (gateLo & 0xffff), offsetHi);
  return true;
}

/** IRETQ from privilege 0 to 64-bit code; false: nothing has been done. */
function plainReturn(cpu: Microcode): boolean {
  const { i32 } = cpu.env;
  if (!cpu.modes.code64 || i32[CPL >> 2] !== 0 || cpu.s.dr7 & 0xff || !canonical48(i32[(RSP >> 2) + 1])) return false;
  const at = cpu.memory.together(i32[RSP >> 2], i32[(RSP >> 2) + 1], READ, false, 40) >> 2;
  if (at < 0) return false;
  const ipLo = i32[at], ipHi = i32[at + 1], selector = i32[at + 2] & 0xffff, flags = i32[at + 4], ss = i32[at + 8] & 0xffff;
  const cpl = selector & 3, dpl = cpl << DPL_SHIFT;
  if (flags & (TF | NT | AC | VIF | VIP) || (ss & 3) !== cpl || !canonical48(ipHi)) return false;
  const code = descriptorAt(cpu, selector);
  if (code < 0 || (i32[code + 1] & PLAIN_CODE_MASK) !== (PLAIN_CODE | dpl)) return false;
  const codeLo = i32[code], codeHi = i32[code + 1], stack = descriptorAt(cpu, ss);
  if (stack < 0 || (i32[stack + 1] & PLAIN_DATA_MASK) !== (PLAIN_DATA | dpl)) return false;
  load(i32, SS, ss, i32[stack], i32[stack + 1]);
  load(i32, CS, selector, codeLo, codeHi);
  i32[RSP >> 2] = i32[at + 6];
  i32[(RSP >> 2) + 1] = i32[at + 7];
  const mask = FLAGS_ANY | RF | IOPL | VIF | VIP | IF;
  i32[RFLAGS >> 2] = (i32[RFLAGS >> 2] & ~mask) | (flags & mask & ~(STATUS | RF)) | 2;
  writeStatus(i32, flags);
  cpu.derived.enter(cpl);
  cpu.window.setPc(ipLo, ipHi);
  if (cpl !== 0 && dropInnerSegments(cpu)) cpu.derived.refresh();
  return true;
}

function longMode(cpu: Microcode, vector: number, kind: EventKind, errorCode: number, flags: number, ipLo: number, ipHi: number): void {
  const s = cpu.s,
    software = kind === SOFTWARE || kind === SOFTWARE_TRAP,
    ext = software ? 0 : 1,
    where = vector * 8 + 2 + ext;
  const hasCode = kind === EXCEPTION && hasErrorCode(vector);
  if (!software && plainEvent(cpu, vector, hasCode, errorCode, flags, ipLo, ipHi)) return;
  if (vector * 16 + 15 > s.idtLimit) cpu.fault(XCPT.GP, where);
  readAt(cpu, gate, s.idtLo, s.idtHi, vector * 16);
  const { lo: gateLo, hi: gateHi } = gate, kindOfGate = type(gateHi);
  if (gateHi & S || (kindOfGate !== INT32 && kindOfGate !== TRAP32)) cpu.fault(XCPT.GP, where);
  if (software && dpl(gateHi) < cpu.window.cpl) cpu.fault(XCPT.GP, where);
  if (!(gateHi & PRESENT)) cpu.fault(XCPT.NP, where);
  const offsetHi = cpu.memory.read32(gate.atLo + 8 | 0, sum(gate.atLo, gate.atHi, 8), false);
  const offsetLo = (gateHi & 0xffff_0000) | (gateLo & 0xffff), selector = gateLo >>> 16, ist = gateHi & 7;
  if (index(selector) === 0) cpu.fault(XCPT.GP, ext);
  readDescriptor(cpu, code, selector, XCPT.GP, ext);
  const attr = code.hi;
  if (!isCode(attr) || dpl(attr) > cpu.window.cpl || (attr & (LONG | BIG)) !== LONG) cpu.fault(XCPT.GP, index(selector) | ext);
  if (!(attr & PRESENT)) cpu.fault(XCPT.NP, index(selector) | ext);
  const inner = !isConforming(attr) && dpl(attr) < cpu.window.cpl, cpl = inner ? dpl(attr) : cpu.window.cpl, stack = cpu.stack;
  setAccessed(cpu, code);
  if (!cpu.addresses.canonical(offsetHi)) cpu.fault(XCPT.GP, ext);
  const spLo = cpu.window.lo(RSP), spHi = cpu.window.hi(RSP);
  let topLo = spLo, topHi = spHi;
  if (ist !== 0 || inner) ({ lo: topLo, hi: topHi } = longStack(cpu, ist !== 0 ? 2 + ist : cpl, ext));
  stack.long(topLo & ~15, topHi, cpl === 3, ext);
  stack.push(8, cpu.segments.selector(SS), 0);
  stack.push(8, spLo, spHi);
  stack.push(8, flags, 0);
  stack.push(8, cpu.segments.selector(CS), 0);
  stack.push(8, ipLo, ipHi);
  if (hasCode) stack.push(8, errorCode, 0);
  stack.commit();
  if (inner) setNullSs(cpu.segments, cpl);
  cpu.window.setFlags(0, CLEARED | (kindOfGate === INT32 ? IF : 0));
  enterCode(cpu, code, selector, cpl, offsetLo, offsetHi);
}

/** IRET, IRETD, IRETQ: `size` is 2, 4 or 8; the linear address of the following instruction is given for a task return. */
export function iret(cpu: Microcode, size: number, nextLo: number): Status {
  const status = returnFrom(cpu, size, nextLo);
  cpu.window.set(RETURNED, 1, 0);
  return status;
}
function returnFrom(cpu: Microcode, size: number, nextLo: number): Status {
  const s = cpu.s;
  // NMIs are let in again also when the return faults (SDM 6.7.1).
  s.nmiMasked = false;
  if (!(s.cr0 & 1)) return iretReal(cpu, size);
  if (cpu.modes.v86) {
    if ((cpu.window.systemFlags & IOPL) !== IOPL) cpu.fault(XCPT.GP, 0);
    return iretReal(cpu, size);
  }
  if (cpu.window.systemFlags & NT) {
    if (cpu.modes.lma) cpu.fault(XCPT.GP, 0);
    taskReturn(cpu, (nextLo - cpu.segments.baseLo(CS)) | 0, cpu.window.flags);
    return cpu.pending.done();
  }
  const stack = cpu.stack;
  if (size === 8 && plainReturn(cpu)) return cpu.pending.done();
  stack.current(0);
  const { lo: ipLo, hi: ipHi } = stack.popWide(size), selector = stack.pop(size) & 0xffff, flags = stack.pop(size);
  if (flags & VM && size === 4 && cpu.window.cpl === 0 && !cpu.modes.lma) return iretV86(cpu, ipLo, selector, flags);
  const cpl = selector & 3;
  checkReturnCode(cpu, code, selector);
  const long = cpu.modes.lma && (code.hi & LONG) !== 0;
  if (long ? !cpu.addresses.canonical(ipHi) : (ipLo >>> 0) > code.limit) cpu.fault(XCPT.GP, 0);
  const outer = cpl > cpu.window.cpl;
  if (outer || cpu.modes.code64) {
    const { lo: spLo, hi: spHi } = stack.popWide(size), ss = stack.pop(size) & 0xffff;
    returnStack(cpu, ss, cpl, long, size, spLo, spHi);
  } else stack.commit();
  returnFlags(cpu, flags, size);
  enterCode(cpu, code, selector, cpl, ipLo, ipHi);
  if (outer && dropInnerSegments(cpu)) cpu.derived.refresh();
  return cpu.pending.done();
}
/** Reads and checks the code segment of a return. */
export function checkReturnCode(cpu: Microcode, code: Descriptor, selector: number): void {
  const cpl = selector & 3;
  if (index(selector) === 0) cpu.fault(XCPT.GP, 0);
  readDescriptor(cpu, code, selector, XCPT.GP);
  const { hi } = code;
  if (!isCode(hi) || cpl < cpu.window.cpl || (isConforming(hi) ? dpl(hi) > cpl : dpl(hi) !== cpl)) cpu.fault(XCPT.GP, index(selector));
  if (cpu.modes.lma && (hi & (LONG | BIG)) === (LONG | BIG)) cpu.fault(XCPT.GP, index(selector));
  if (!(hi & PRESENT)) cpu.fault(XCPT.NP, index(selector));
  setAccessed(cpu, code);
}

/** Loads SS and RSP of a return to `cpl`; `size` bytes of the pointer were popped. */
export function returnStack(cpu: Microcode, ss: number, cpl: number, long: boolean, size: number, spLo: number, spHi: number): void {
  if (index(ss) === 0) {
    if (!long || cpl === 3 || (ss & 3) !== cpl) cpu.fault(XCPT.GP, 0);
    setNullSs(cpu.segments, ss);
  } else {
    checkNewSs(cpu, newStack, ss, cpl, XCPT.GP, 0);
    setFromDescriptor(cpu.segments, SS, ss, newStack);
  }
  if (size === 8 && long) cpu.window.set(RSP, spLo, spHi);
  // What is popped is zero-extended, 16 bits too.
  else if (long || cpu.segments.attr[SS] & BIG) cpu.window.set(RSP, spLo, 0);
  else cpu.window.set(RSP, (cpu.window.lo(RSP) & ~0xffff) | (spLo & 0xffff), cpu.window.hi(RSP));
}

/** What IRET takes from an image of the flags at the present CPL. */
function returnFlags(cpu: Pick<Microcode, "s" | "window">, flags: number, size: number): void {
  const s = cpu.s, old = cpu.window.systemFlags;
  let mask = FLAGS_ANY | RF;
  if (cpu.window.cpl === 0) mask |= IOPL | VIF | VIP;
  if (cpu.window.cpl <= (old & IOPL) >> 12) mask |= IF;
  if (size === 2) mask &= 0xffff;
  // RF without instruction breakpoints would only cost a look at every return from a fault.
  if (!(s.dr7 & 0xff)) flags &= ~RF;
  cpu.window.setFlags(flags, mask);
}

function iretReal(cpu: Microcode, size: number): Status {
  const stack = cpu.stack, v86 = cpu.modes.v86;
  stack.current(0);
  const ip = stack.pop(size), selector = stack.pop(size) & 0xffff, flags = stack.pop(size);
  if ((ip >>> 0) > cpu.segments.limit[CS]) cpu.fault(XCPT.GP, 0);
  stack.commit();
  let mask = FLAGS_ANY | RF | IF | (v86 ? 0 : IOPL);
  if (size === 2) mask &= 0xffff;
  cpu.window.setFlags(cpu.s.dr7 & 0xff ? flags : flags & ~RF, mask);
  setReal(cpu, CS, selector);
  cpu.derived.refresh();
  cpu.segments.setEip(ip, 0);
  return cpu.pending.done();
}

/** SDM 20.2.2: the return to virtual-8086 mode. */
function iretV86(cpu: Microcode, ip: number, selector: number, flags: number): Status {
  const stack = cpu.stack, sp = stack.pop(4), ss = stack.pop(4), es = stack.pop(4), ds = stack.pop(4), fs = stack.pop(4), gs = stack.pop(4);
  if ((ip >>> 0) > 0xffff) cpu.fault(XCPT.GP, 0);
  cpu.window.setFlags(flags, FLAGS_ANY | RF | IF | IOPL | VM | VIF | VIP);
  cpu.window.cpl = 3;
  cpu.derived.refresh();
  setReal(cpu, CS, selector);
  setReal(cpu, SS, ss & 0xffff);
  setReal(cpu, ES, es & 0xffff);
  setReal(cpu, DS, ds & 0xffff);
  setReal(cpu, FS, fs & 0xffff);
  setReal(cpu, GS, gs & 0xffff);
  cpu.window.set(RSP, sp, 0);
  cpu.derived.refresh();
  cpu.segments.setEip(ip & 0xffff, 0);
  return cpu.pending.done();
}

/** Notes an event for the report, and for who listens. */
export function note(
  cpu: Microcode,
  vector: number,
  kind: EventKind,
  cpl: number,
  errorCode: number,
  pcLo: number,
  pcHi: number,
  addressLo: number,
  addressHi: number,
): void {
  if (cpu.window.lo(RETURNED) !== 0) {
    cpu.events.history.returned();
    cpu.window.set(RETURNED, 0, 0);
  }
  cpu.events.record(vector, kind, cpl, errorCode, pcLo, pcHi, addressLo, addressHi, cpu.env.instructions());
  if (cpu.trace !== undefined) traceEvent(cpu, cpu.trace);
}

/** INT n, INT3, INTO and INT1 (kind 0..3); the return address follows the instruction. */
export function softwareInterrupt(cpu: Microcode, vector: number, kind: number, nextLo: number, nextHi: number): Status {
  const s = cpu.s;
  // SDM 20.3: INT n traps to the monitor when IOPL is below 3; INT3 and INTO do not.
  if (cpu.modes.v86 && kind === 0 && (cpu.window.systemFlags & IOPL) !== IOPL) cpu.fault(XCPT.GP, 0);
  const { cpl } = cpu.window;
  // INT1 checks no privilege, and is an event from outside.
  deliver(cpu, vector, kind === 3 ? EXCEPTION : kind === 0 ? SOFTWARE : SOFTWARE_TRAP, 0, nextLo, nextHi);
  // What faults has had no effect, and may be tried once more.
  note(cpu, vector, SOFTWARE, cpl, 0, nextLo, nextHi, 0, 0);
  // No single step after the handler was entered; a task's T bit and a data breakpoint that MOV SS has held back are another matter. INT1
  // is a debug exception itself, and takes that along.
  s.debugDue &= ~DR6_BS;
  if (kind === 3) {
    s.dr6 = (s.dr6 & ~15) | (s.debugDue & 15);
    s.debugDue &= DR6_BT;
  }
  return cpu.pending.done();
}
