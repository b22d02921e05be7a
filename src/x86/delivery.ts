// HOT: no bigint, no closures, no allocation.
// From a recorded exception or a waiting event to its delivery, and to what comes of a fault in there. Intel SDM volume 3A (253668-083),
// 6.8, 6.9, 6.15 (#DF); volume 3B (253669-083), 17.2 and 17.3. How an event is delivered is in interrupts.ts.
import { CONTINUE } from "../ir/frontend.ts";
import { deathReport } from "./debug.ts";
import { combine, type EventKind, EXCEPTION, EXTERNAL, FREEZE, GENERAL_DETECT, NOT_CANONICAL, XCPT } from "./exceptions.ts";
import { FAULTED } from "./faults.ts";
import { deliver, note } from "./interrupts.ts";
import type { Microcode } from "./microcode.ts";
import { onStack, reachesEnd } from "./operand_faults.ts";
import { DR6_BD, DR7_GD, IF } from "./registers.ts";
import { init } from "./resets.ts";
import { CR2 } from "./slots.ts";

/** Delivers the recorded exception: see `Core.raise`. */
export function raise(cpu: Microcode): void {
  let vector = cpu.faults.vector;
  if (vector < 0) throw new Error("no exception is recorded");
  cpu.s.debugDue = 0;
  if (vector === FREEZE) {
    cpu.faults.vector = -1;
    cpu.s.waiting = cpu.pending.done() === CONTINUE;
    return;
  }
  if (vector === GENERAL_DETECT) {
    vector = XCPT.DB;
    cpu.s.dr6 |= DR6_BD;
  }
  if (vector === XCPT.PF && reachesEnd(cpu)) vector = NOT_CANONICAL;
  if (vector === NOT_CANONICAL) {
    vector = onStack(cpu) ? XCPT.SS : XCPT.GP;
    cpu.faults.errorCode = 0;
  }
  event(cpu, vector, EXCEPTION, cpu.faults.errorCode);
}

/** Delivers an event, or what comes of it; the pc is the return address. */
export function event(cpu: Microcode, vector: number, kind: EventKind, errorCode: number): void {
  const { s, window, faults } = cpu, { pcLo, pcHi } = window;
  s.waiting = false;
  for (;;) {
    const page = kind === EXCEPTION && vector === XCPT.PF;
    if (page) {
      window.set(CR2, faults.addressLo, faults.addressHi);
    }
    // SDM volume 3B, 17.2.4: cleared upon entering the handler.
    if (vector === XCPT.DB) s.dr7 &= ~DR7_GD;
    note(cpu, vector, kind, window.cpl, errorCode, pcLo, pcHi, page ? faults.addressLo : 0, page ? faults.addressHi : 0);
    faults.vector = -1;
    try {
      deliver(cpu, vector, kind, errorCode, pcLo, pcHi);
      return;
    } catch (e) {
      if (e !== FAULTED) throw e;
    }
    const second = faults.vector as number, next = kind === EXCEPTION ? combine(vector, second) : second;
    if (next !== second) {
      // The second fault is in the report, too, and so is its address in CR2.
      if (second === XCPT.PF) {
        window.set(CR2, faults.addressLo, faults.addressHi);
      }
      note(cpu, second, EXCEPTION, window.cpl, faults.errorCode, pcLo, pcHi, faults.addressLo, faults.addressHi);
    }
    if (next < 0) {
      s.shutdown = s.waiting = true;
      cpu.config.onTripleFault(deathReport(cpu));
      cpu.config.onPending();
      return;
    }
    errorCode = next === second ? faults.errorCode : 0;
    vector = next;
    kind = EXCEPTION;
  }
}

/** See `Core.interrupt`. */
export function interrupt(cpu: Microcode): boolean {
  const s = cpu.s;
  if (s.debugDue === 0 && !s.nmi && !cpu.window.intr && !s.initDue) return false;
  if (s.shutdown || s.parked) return false;
  if (s.initDue) {
    init(cpu);
    return true;
  }
  if (s.debugDue !== 0) {
    if (cpu.env.instructions() === s.stackShadowAt) return oneMore(cpu);
    debugTrap(cpu);
    return true;
  }
  const nmi = s.nmi && !s.nmiMasked;
  if (!nmi && !(cpu.window.intr && cpu.window.systemFlags & IF)) return false;
  if (cpu.env.instructions() === s.shadowAt) return oneMore(cpu);
  if (nmi) {
    s.nmi = false;
    s.nmiMasked = true;
    cpu.derived.forgetSwitch();
    event(cpu, XCPT.NMI, EXTERNAL, 0);
    return true;
  }
  const vector = cpu.config.acknowledge();
  if (vector < 0) return false;
  event(cpu, vector, EXTERNAL, 0);
  return true;
}
/** One more instruction, then the event is looked at again. */
function oneMore(cpu: Pick<Microcode, "s" | "derived">): boolean {
  cpu.s.stepOnce = true;
  cpu.derived.refresh();
  return false;
}
/** SDM volume 3B, 17.3.1. */
function debugTrap(cpu: Microcode): void {
  const s = cpu.s;
  s.dr6 = (s.dr6 & ~15) | s.debugDue;
  s.debugDue = 0;
  event(cpu, XCPT.DB, EXCEPTION, 0);
}
