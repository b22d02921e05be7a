// Power on, INIT and startup IPIs. Intel SDM volume 3A (253668-083), 9.1.1, table 9-1, 8.4.
import { GUEST, GUEST_END } from "../ir/layout.ts";
import { powerOn } from "./cpu_state.ts";
import { writeStatus } from "./flags.ts";
import type { Microcode } from "./microcode.ts";
import { CR0_CD, CR0_ET, CR0_NW } from "./registers.ts";
import { CS, DS, ES, FS, GS, LDTR, PRESENT, REAL_DATA, SS, TR } from "./segments.ts";
import { GPR, RETURNED, RFLAGS, SYSTEM, SYSTEM_END } from "./slots.ts";
import { resetFpu } from "./state.ts";

/** Puts the processor into its state after power on (SDM 9.1.1); wires keep their levels. */
export function reset(cpu: Microcode): void {
  const { i32 } = cpu.env, base = cpu.env.base() >> 2, { nmiLine, a20, ignne } = cpu.s, { intr } = cpu.window;
  i32.fill(0, base + (GUEST >> 2), base + (GUEST_END >> 2));
  Object.assign(cpu.s, powerOn(), { nmiLine, a20, ignne });
  cpu.window.intr = intr;
  cpu.ferr.set(false);
  const seed = cpu.config.seed + 0x9e37_79b9 * (cpu.config.index + 1);
  for (let i = 0; i < 4; i++) cpu.s.random[i] = Math.imul(seed + i, 0x85eb_ca6b) | 1;
  resetFpu(cpu.window);
  resetRegisters(cpu);
  const { segment, offset } = cpu.config.reset;
  cpu.segments.set(CS, segment, segment === 0xf000 ? 0xffff_0000 | 0 : segment << 4, 0, 0xffff, REAL_DATA);
  cpu.events.clear();
  cpu.window.set(RETURNED, 0, 0);
  cpu.derived.reload();
  cpu.segments.setEip(offset, 0);
}

/** The INIT signal; it is taken between two instructions. */
export function signalInit(cpu: Microcode): void {
  const s = cpu.s;
  if (cpu.env.base() === 0 && !cpu.pending.waiting) s.initDue = true;
  else init(cpu);
  cpu.config.onPending();
}

/** INIT (SDM 9.1.1, table 9-1): like reset, but caches, FPU and most MSRs stay. Other processors than the first then wait for a SIPI. */
export function init(cpu: Microcode): void {
  const s = cpu.s, kept = { ...s }, { i32 } = cpu.env, base = cpu.env.base(), { intr } = cpu.window;
  i32.fill(0, (base + SYSTEM) >> 2, (base + SYSTEM_END) >> 2);
  cpu.window.intr = intr;
  Object.assign(s, powerOn(), {
    cr0: CR0_ET | (kept.cr0 & (CR0_CD | CR0_NW)),
    nmiLine: kept.nmiLine,
    a20: kept.a20,
    ignne: kept.ignne,
    ferr: kept.ferr,
    msrs: kept.msrs,
    random: kept.random,
    tscOffset: kept.tscOffset,
    pkru: kept.pkru,
    pkrs: kept.pkrs,
    parked: cpu.config.index !== 0,
  });
  for (let n = 0; n < 16; n++) cpu.window.set(GPR(n), 0, 0);
  resetRegisters(cpu);
  cpu.segments.set(CS, 0xf000, 0xffff_0000 | 0, 0, 0xffff, REAL_DATA);
  cpu.derived.reload();
  cpu.segments.setEip(0xfff0, 0);
}
function resetRegisters(cpu: Pick<Microcode, "config" | "window" | "segments">): void {
  cpu.segments.setGdt(0, 0, 0xffff);
  cpu.window.set(GPR(2), cpu.config.model.signature, 0);
  cpu.window.set(RFLAGS, 2, 0);
  writeStatus(cpu.window.slots, 0);
  for (const n of [ES, SS, DS, FS, GS]) cpu.segments.set(n, 0, 0, 0, 0xffff, REAL_DATA);
  cpu.segments.set(LDTR, 0, 0, 0, 0xffff, PRESENT | 2 << 8);
  cpu.segments.set(TR, 0, 0, 0, 0xffff, PRESENT | 11 << 8);
}

/** A startup IPI: starts a parked processor in real mode at `vector` * 4 KiB. */
export function startup(cpu: Pick<Microcode, "config" | "s" | "segments" | "derived">, vector: number): void {
  if (!cpu.s.parked) return;
  cpu.s.parked = cpu.s.waiting = false;
  cpu.segments.set(CS, vector << 8, vector << 12, 0, 0xffff, REAL_DATA);
  cpu.derived.refresh();
  cpu.segments.setEip(0, 0);
  cpu.config.onPending();
}
