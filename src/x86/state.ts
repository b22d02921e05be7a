// The x87 and SSE state in memory: FXSAVE, XSAVE and their inverses. Intel SDM volume 1 (253665-083), 10.5 and chapter 13.
// Offered state components: x87, SSE, and PKRU.
import { CONTINUE, type Status } from "../ir/frontend.ts";
import type { Microcode } from "./microcode.ts";
import { writeKeys } from "./control_registers.ts";
import { PKRU_BYTES, PKRU_OFFSET, PKRU_STATE } from "./cpuid.ts";
import { CR0_EM, CR0_TS, CR4_OSXSAVE } from "./registers.ts";
import { XCPT } from "./exceptions.ts";
import { FPU_CS, FPU_CW, FPU_DP, FPU_DS, FPU_EMPTY, FPU_IP, FPU_OPCODE, FPU_REG, FPU_SW, FPU_TOP, GPR, MXCSR, XMM } from "./slots.ts";
import type { X86Window } from "./state_window.ts";

const RAX = GPR(0);
/** Which bits of MXCSR may be set. */
const MXCSR_MASK = 0xffff;
/** The extended region begins behind the header; of the compacted form PKRU is the only component there. */
const HEADER = 512, EXTENDED = 576, STANDARD = 1, SSE_STATE = 2, COMPACT = 0x8000_0000 | 0;

/** After power on (SDM volume 3A, table 9-1). */
export function resetFpu(window: X86Window): void {
  window.setLo(FPU_CW, 0x40);
  window.setLo(MXCSR, 0x1f80);
}
/** After FNINIT, as a BIOS leaves the x87. */
export function initFpu(window: X86Window): void {
  window.setLo(FPU_CW, 0x37f);
  window.setLo(FPU_EMPTY, 0xff);
}

/** Bytes of the save area on their way. */
const buffer = new Int32Array((PKRU_OFFSET + PKRU_BYTES) / 4), view = new DataView(buffer.buffer);

type Area = Pick<Microcode, "window" | "addresses" | "memory" | "modes">;
function write(cpu: Area, lo: number, hi: number, from: number, bytes: number): void {
  const user = cpu.window.cpl === 3;
  cpu.addresses.checkSpan(lo, hi, from + bytes);
  for (let i = from; i < from + bytes; i += 8) {
    const at = (lo >>> 0) + i;
    cpu.memory.write64(at | 0, cpu.modes.lma && at > 0xffff_ffff ? (hi + 1) | 0 : hi, buffer[i >> 2], buffer[(i >> 2) + 1], user);
  }
}
function read(cpu: Area, lo: number, hi: number, from: number, bytes: number): void {
  const user = cpu.window.cpl === 3;
  cpu.addresses.checkSpan(lo, hi, from + bytes);
  for (let i = from; i < from + bytes; i += 8) {
    const at = (lo >>> 0) + i;
    const value = cpu.memory.read64(at | 0, cpu.modes.lma && at > 0xffff_ffff ? (hi + 1) | 0 : hi, user);
    buffer[i >> 2] = value.lo;
    buffer[(i >> 2) + 1] = value.hi;
  }
}

/** The x87 part of the area. `wide`: 64-bit pointers (REX.W). */
function packX87(window: X86Window, wide: boolean): void {
  const top = window.lo(FPU_TOP);
  view.setUint16(0, window.lo(FPU_CW), true);
  view.setUint16(2, (window.lo(FPU_SW) & ~0x3800) | top << 11, true);
  view.setUint8(4, ~window.lo(FPU_EMPTY) & 0xff);
  view.setUint8(5, 0);
  view.setUint16(6, window.lo(FPU_OPCODE), true);
  for (const [at, offset, selector] of [[8, FPU_IP, FPU_CS], [16, FPU_DP, FPU_DS]]) {
    view.setInt32(at, window.lo(offset), true);
    view.setInt32(at + 4, wide ? window.hi(offset) : window.lo(selector) & 0xffff, true);
  }
  for (let i = 0; i < 8; i++) {
    const slot = FPU_REG((top + i) & 7), at = 32 + 16 * i;
    view.setInt32(at, window.lo(slot), true);
    view.setInt32(at + 4, window.hi(slot), true);
    view.setInt32(at + 8, window.lo(slot + 8) & 0xffff, true);
    view.setInt32(at + 12, 0, true);
  }
}
function unpackX87({ window, ferr }: Pick<Microcode, "window" | "ferr">, wide: boolean): void {
  const sw = view.getUint16(2, true), top = sw >> 11 & 7;
  // Bit 6 of the control word always reads as 1, and the high ones as 0.
  window.setLo(FPU_CW, (view.getUint16(0, true) & 0x1f7f) | 0x40);
  window.setLo(FPU_SW, sw & ~0x3800);
  window.setLo(FPU_TOP, top);
  window.setLo(FPU_EMPTY, ~view.getUint8(4) & 0xff);
  window.setLo(FPU_OPCODE, view.getUint16(6, true) & 0x7ff);
  for (const [at, offset, selector] of [[8, FPU_IP, FPU_CS], [16, FPU_DP, FPU_DS]]) {
    window.set(offset, view.getInt32(at, true), wide ? view.getInt32(at + 4, true) : 0);
    window.setLo(selector, wide ? 0 : view.getUint16(at + 4, true));
  }
  for (let i = 0; i < 8; i++) {
    const slot = FPU_REG((top + i) & 7), at = 32 + 16 * i;
    window.set(slot, view.getInt32(at, true), view.getInt32(at + 4, true));
    window.set(slot + 8, view.getUint16(at + 8, true), 0);
  }
  ferr.mayBeGone();
}

const xmmCount = (cpu: Pick<Microcode, "modes">): number => cpu.modes.code64 ? 16 : 8;
function packXmm(window: X86Window, count: number): void {
  for (let n = 0; n < count; n++) {
    for (let half = 0; half < 16; half += 8) {
      view.setInt32(160 + 16 * n + half, window.lo(XMM(n) + half), true);
      view.setInt32(164 + 16 * n + half, window.hi(XMM(n) + half), true);
    }
  }
}
function unpackXmm(window: X86Window, count: number): void {
  for (let n = 0; n < count; n++) {
    for (let half = 0; half < 16; half += 8) {
      window.set(XMM(n) + half, view.getInt32(160 + 16 * n + half, true), view.getInt32(164 + 16 * n + half, true));
    }
  }
}
/** MXCSR at 24 is loaded after its check. */
function checkMxcsr(cpu: Pick<Microcode, "fault">): void {
  if (view.getInt32(24, true) & ~MXCSR_MASK) cpu.fault(XCPT.GP, 0);
}
function setMxcsr(cpu: Pick<Microcode, "window" | "env">, value: number): void {
  cpu.window.setLo(MXCSR, value);
  // The mode has a bit that depends on it.
  cpu.env.changed();
}

function checkFx(cpu: Pick<Microcode, "s" | "fault">, lo: number): void {
  if (cpu.s.cr0 & CR0_EM) cpu.fault(XCPT.NM, 0);
  if (cpu.s.cr0 & CR0_TS) cpu.fault(XCPT.NM, 0);
  if (lo & 15) cpu.fault(XCPT.GP, 0);
}

/** FXSAVE: the area's last 96 bytes, and XMM8 to XMM15 outside 64-bit mode, are left alone. */
export function fxsave(cpu: Microcode, lo: number, hi: number, wide: boolean): Status {
  checkFx(cpu, lo);
  packX87(cpu.window, wide);
  view.setInt32(24, cpu.window.lo(MXCSR), true);
  view.setInt32(28, MXCSR_MASK, true);
  packXmm(cpu.window, xmmCount(cpu));
  write(cpu, lo, hi, 0, 160 + 16 * xmmCount(cpu));
  return CONTINUE;
}

export function fxrstor(cpu: Microcode, lo: number, hi: number, wide: boolean): Status {
  checkFx(cpu, lo);
  read(cpu, lo, hi, 0, 160 + 16 * xmmCount(cpu));
  checkMxcsr(cpu);
  unpackX87(cpu, wide);
  unpackXmm(cpu.window, xmmCount(cpu));
  setMxcsr(cpu, view.getInt32(24, true));
  return CONTINUE;
}

function checkXsave(cpu: Pick<Microcode, "s" | "fault">, lo: number): void {
  if (!(cpu.s.cr4 & CR4_OSXSAVE)) cpu.fault(XCPT.UD, 0);
  if (cpu.s.cr0 & CR0_TS) cpu.fault(XCPT.NM, 0);
  if (lo & 63) cpu.fault(XCPT.GP, 0);
}

/**
 * XSAVE (kind 0), XSAVEOPT (1), XSAVEC (2), XSAVES (3): SDM 13.7 to 13.11. x87 and SSE always count as in use (XINUSE, 13.6), PKRU when it is
 * not 0; all but XSAVE leave out what is not.
 */
export function xsave(cpu: Microcode, lo: number, hi: number, wide: boolean, kind: number): Status {
  checkXsave(cpu, lo);
  if (kind === 3 && cpu.window.cpl !== 0) cpu.fault(XCPT.GP, 0);
  const wanted = cpu.window.lo(RAX) & cpu.s.xcr0;
  read(cpu, lo, hi, HEADER, 64);
  const old = buffer[HEADER >> 2], used = wanted & (cpu.s.pkru === 0 ? ~PKRU_STATE : -1);
  if (wanted & STANDARD) {
    packX87(cpu.window, wide);
    write(cpu, lo, hi, 0, 24);
    write(cpu, lo, hi, 32, 128);
  }
  if (wanted & SSE_STATE) {
    view.setInt32(24, cpu.window.lo(MXCSR), true);
    view.setInt32(28, MXCSR_MASK, true);
    packXmm(cpu.window, xmmCount(cpu));
    write(cpu, lo, hi, 24, 8);
    write(cpu, lo, hi, 160, 16 * xmmCount(cpu));
  }
  if ((kind === 0 ? wanted : used) & PKRU_STATE) {
    const at = kind >= 2 ? EXTENDED : PKRU_OFFSET;
    buffer[at >> 2] = cpu.s.pkru;
    buffer[(at >> 2) + 1] = 0;
    write(cpu, lo, hi, at, PKRU_BYTES);
  }
  buffer[HEADER >> 2] = kind >= 2 ? used : (old & ~wanted) | used;
  if (kind >= 2) {
    buffer[(HEADER >> 2) + 1] = 0;
    buffer[(HEADER >> 2) + 2] = wanted;
    buffer[(HEADER >> 2) + 3] = COMPACT;
  }
  write(cpu, lo, hi, HEADER, kind >= 2 ? 16 : 8);
  return CONTINUE;
}

/** XRSTOR (kind 0), XRSTORS (3): SDM 13.8, 13.12. Components that the header does not have go to their initial state. */
export function xrstor(cpu: Microcode, lo: number, hi: number, wide: boolean, kind: number): Status {
  checkXsave(cpu, lo);
  if (kind === 3 && cpu.window.cpl !== 0) cpu.fault(XCPT.GP, 0);
  const wanted = cpu.window.lo(RAX) & cpu.s.xcr0;
  read(cpu, lo, hi, HEADER, 64);
  const h = HEADER >> 2, present = buffer[h], compact = buffer[h + 3] === COMPACT;
  let reserved = buffer[h + 1] | (compact ? buffer[h + 2] & ~cpu.s.xcr0 : buffer[h + 2] | buffer[h + 3]);
  for (let i = h + 4; i < h + 16; i++) reserved |= buffer[i];
  if (present & ~(compact ? buffer[h + 2] : cpu.s.xcr0) || reserved !== 0 || (kind === 3 && !compact)) cpu.fault(XCPT.GP, 0);
  const keysAt = compact ? EXTENDED : PKRU_OFFSET, { s } = cpu;
  if (wanted & present & PKRU_STATE) read(cpu, lo, hi, keysAt, PKRU_BYTES);
  read(cpu, lo, hi, 0, 160 + 16 * xmmCount(cpu));
  // The standard form loads MXCSR whether the header has the SSE state or not (SDM volume 1, 13.8.1; not so QEMU 7.2).
  const stored = !compact || (present & SSE_STATE) !== 0, mxcsr = stored ? view.getInt32(24, true) : 0x1f80;
  if (wanted & SSE_STATE && stored) checkMxcsr(cpu);
  if (wanted & STANDARD) {
    if (!(present & STANDARD)) {
      buffer.fill(0, 0, 6);
      buffer.fill(0, 8, 40);
      view.setUint16(0, 0x37f, true);
    }
    unpackX87(cpu, wide);
  }
  if (wanted & SSE_STATE) {
    if (!(present & SSE_STATE)) buffer.fill(0, 40, 40 + 4 * xmmCount(cpu));
    unpackXmm(cpu.window, xmmCount(cpu));
    setMxcsr(cpu, mxcsr);
  }
  if (wanted & PKRU_STATE) writeKeys(cpu, present & PKRU_STATE ? buffer[keysAt >> 2] : 0, s.pkrs);
  return CONTINUE;
}
