// Hardware task switches. Intel SDM volume 3A (253668-083), 7.2 to 7.5. Not modelled: the debug trap of the TSS's T bit on a fault in the new task.
// The order of the checks is the manual's: what fails before the commit point faults in the old task, what fails after it in the new one.
import type { Microcode } from "./microcode.ts";
import { CR0_PG, CR0_TS, DR6_BT, NT, VM } from "./registers.ts";
import { XCPT } from "./exceptions.ts";
import { readDescriptor, setAccessed, setFromDescriptor, setReal, writeHigh } from "./segment_loads.ts";
import {
  ATTRIBUTES,
  CS,
  Descriptor,
  dpl,
  DS,
  ES,
  FS,
  GS,
  index,
  isCode,
  isConforming,
  isReadable,
  isWritable,
  LDT,
  LDTR,
  PRESENT,
  S,
  SS,
  TR,
  TSS16,
  TSS16_BUSY,
  TSS32,
  TSS32_BUSY,
  type,
} from "./segments.ts";
import { GPR } from "./slots.ts";
import { loadCr3 } from "./control_registers.ts";

/** The new task's TSS, and a segment that is read beside it. */
const tss = new Descriptor(), segment = new Descriptor();

/** Offsets in a TSS (figures 7-2 and 7-10), size of a register, number of segments saved, smallest limit. */
const LAYOUT32 = { size: 4, ip: 0x20, flags: 0x24, gpr: 0x28, segments: 0x48, count: 6, ldt: 0x60, limit: 0x67 };
const LAYOUT16 = { size: 2, ip: 0x0e, flags: 0x10, gpr: 0x12, segments: 0x22, count: 4, ldt: 0x2a, limit: 0x2b };
const CR3_OFFSET = 0x1c, TRAP_OFFSET = 0x64, BUSY = 0x200;
/** Segment registers in the order of the TSS. */
const ORDER = [ES, CS, SS, DS, FS, GS];

export type TaskReason = "jump" | "call" | "gate" | "return";

/**
 * Switches to the task of a TSS selector. `ip` and `flags` are what the old task goes on with. `ext` is OR-ed into error codes.
 * Privileges of the TSS or task gate have been checked.
 */
export function taskSwitch(cpu: Microcode, selector: number, reason: TaskReason, ext: number, ip: number, flags: number): void {
  // Also through a task gate of the IDT it is #GP (SDM volume 2, INT n, TASK-GATE; table 7-1).
  const wrong = reason === "return" ? XCPT.TS : XCPT.GP, code = index(selector) | ext;
  if (selector & 4 || index(selector) === 0) cpu.fault(wrong, code);
  readDescriptor(cpu, tss, selector, wrong, ext);
  const kind = type(tss.hi), returns = reason === "return";
  if (tss.hi & S || !(returns ? kind === TSS16_BUSY || kind === TSS32_BUSY : kind === TSS16 || kind === TSS32)) cpu.fault(wrong, code);
  if (!(tss.hi & PRESENT)) cpu.fault(XCPT.NP, code);
  const to = kind >= TSS32 ? LAYOUT32 : LAYOUT16, { limit, base } = tss;
  if (limit < to.limit) cpu.fault(XCPT.TS, code);

  // Everything that may page-fault in the new TSS is read first.
  const read = (offset: number, size: number) =>
    size === 4 ? cpu.memory.read32((base + offset) | 0, 0, false) : cpu.memory.read16((base + offset) | 0, 0, false);
  const newIp = read(to.ip, to.size);
  let newFlags = read(to.flags, to.size);
  const gprs = Array.from({ length: 8 }, (_, n) => read(to.gpr + n * to.size, to.size));
  const selectors = Array.from({ length: to.count }, (_, n) => read(to.segments + n * to.size, 2));
  const ldt = read(to.ldt, 2), cr3 = to === LAYOUT32 ? read(CR3_OFFSET, 4) : 0, trap = to === LAYOUT32 ? read(TRAP_OFFSET, 2) & 1 : 0;

  const old = cpu.segments.attr[TR] >> 8 & 8 ? LAYOUT32 : LAYOUT16,
    oldBase = cpu.segments.baseLo(TR),
    oldSelector = cpu.segments.selector(TR);
  const write = (at: number, offset: number, size: number, value: number) =>
    size === 4 ? cpu.memory.write32((at + offset) | 0, 0, value, false) : cpu.memory.write16((at + offset) | 0, 0, value, false);
  if (reason === "jump" || returns) {
    readDescriptor(cpu, segment, oldSelector, XCPT.TS);
    writeHigh(cpu, segment, segment.hi & ~BUSY);
  }
  write(oldBase, old.ip, old.size, ip);
  write(oldBase, old.flags, old.size, returns ? flags & ~NT : flags);
  for (let n = 0; n < 8; n++) write(oldBase, old.gpr + n * old.size, old.size, cpu.window.lo(GPR(n)));
  for (let n = 0; n < old.count; n++) write(oldBase, old.segments + n * old.size, 2, cpu.segments.selector(ORDER[n]));
  if (reason === "call" || reason === "gate") {
    write(base, 0, 2, oldSelector);
    newFlags |= NT;
  }
  if (!returns) writeHigh(cpu, tss, tss.hi | BUSY);

  // Committed: what fails from here on happens in the new task.
  cpu.segments.set(TR, selector, base, 0, limit, (tss.hi | BUSY) & ATTRIBUTES);
  cpu.s.cr0 |= CR0_TS;
  if (to === LAYOUT32 && cpu.s.cr0 & CR0_PG) loadCr3(cpu, cr3, 0);
  cpu.s.dr7 &= ~0x55; // local breakpoints
  for (let n = 0; n < 8; n++) cpu.window.set(GPR(n), to.size === 4 ? gprs[n] : gprs[n] | 0xffff_0000, 0);
  cpu.window.setFlags(newFlags, to.size === 4 ? 0x3f_7fd5 : 0x7fd5 | VM);
  const v86 = (newFlags & VM) !== 0 && to.size === 4, cpl = v86 ? 3 : selectors[1] & 3;
  while (selectors.length < 6) selectors.push(0);
  for (let n = 0; n < 6; n++) cpu.segments.set(ORDER[n], selectors[n], 0, 0, 0, 0);
  cpu.segments.set(LDTR, ldt, 0, 0, 0, 0);
  cpu.window.cpl = cpl;
  cpu.derived.refresh();
  cpu.segments.setEip(newIp, 0);
  loadLdt(cpu, ldt, ext);
  if (v86) { for (let n = 0; n < 6; n++) setReal(cpu, ORDER[n], selectors[n]); }
  else loadSegments(cpu, selectors, cpl, ext);
  cpu.derived.breakpointsMoved();
  cpu.derived.refresh();
  cpu.segments.setEip(newIp, 0);
  if ((newIp >>> 0) > cpu.segments.limit[CS]) cpu.fault(XCPT.GP, ext);
  if (trap) cpu.s.debugDue |= DR6_BT;
}

function loadLdt(cpu: Microcode, ldt: number, ext: number): void {
  if (index(ldt) === 0) return;
  if (ldt & 4) cpu.fault(XCPT.TS, index(ldt) | ext);
  readDescriptor(cpu, segment, ldt, XCPT.TS, ext);
  if (segment.hi & S || type(segment.hi) !== LDT || !(segment.hi & PRESENT)) cpu.fault(XCPT.TS, index(ldt) | ext);
  setFromDescriptor(cpu.segments, LDTR, ldt, segment);
}

/** SDM table 7-1, checks 8 and on. */
function loadSegments(cpu: Microcode, selectors: readonly number[], cpl: number, ext: number): void {
  const [es, cs, ss, ds, fs, gs] = selectors, code = (s: number) => index(s) | ext;
  if (index(cs) === 0) cpu.fault(XCPT.TS, ext);
  readDescriptor(cpu, segment, cs, XCPT.TS, ext);
  let hi = segment.hi;
  if (!isCode(hi) || (isConforming(hi) ? dpl(hi) > cpl : dpl(hi) !== cpl)) cpu.fault(XCPT.TS, code(cs));
  if (!(hi & PRESENT)) cpu.fault(XCPT.NP, code(cs));
  setAccessed(cpu, segment);
  setFromDescriptor(cpu.segments, CS, cs, segment);
  if (index(ss) === 0) cpu.fault(XCPT.TS, ext);
  readDescriptor(cpu, segment, ss, XCPT.TS, ext);
  hi = segment.hi;
  if ((ss & 3) !== cpl || !isWritable(hi) || dpl(hi) !== cpl) cpu.fault(XCPT.TS, code(ss));
  if (!(hi & PRESENT)) cpu.fault(XCPT.SS, code(ss));
  setAccessed(cpu, segment);
  setFromDescriptor(cpu.segments, SS, ss, segment);
  for (const [n, s] of [[ES, es], [DS, ds], [FS, fs], [GS, gs]]) {
    if (index(s) === 0) continue;
    readDescriptor(cpu, segment, s, XCPT.TS, ext);
    hi = segment.hi;
    if (!isReadable(hi) || (!isConforming(hi) && (dpl(hi) < cpl || dpl(hi) < (s & 3)))) cpu.fault(XCPT.TS, code(s));
    if (!(hi & PRESENT)) cpu.fault(XCPT.NP, code(s));
    setAccessed(cpu, segment);
    setFromDescriptor(cpu.segments, n, s, segment);
  }
}

/** IRET with NT: back to the task in the back link. */
export function taskReturn(cpu: Microcode, ip: number, flags: number): void {
  const link = cpu.memory.read16(cpu.segments.baseLo(TR), 0, false);
  taskSwitch(cpu, link, "return", 0, ip, flags);
}
