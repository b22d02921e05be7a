// HOT: no bigint, no closures, no allocation.
// Debug registers: which breakpoints are set, and what meets them. Intel SDM volume 3B (253669-083), 17.2.
import { type Access, WRITE } from "../ir/frontend.ts";
import type { CpuState } from "./cpu_state.ts";

/** By the length field of DR7. */
const BREAKPOINT_BYTES = [1, 2, 8, 4];

/** DR7: n enabled in bits 2n and 2n + 1; its condition (0 execute, 1 write, 3 read or write) and its length from bit 16 + 4n on. */
export class DebugRegisters {
  /** A breakpoint on data is set. */
  onData = false;
  /** @param onPending a trap has become due */
  constructor(readonly s: CpuState, readonly onPending: () => void) {}

  /** A breakpoint on instructions is set. */
  get onCode(): boolean {
    const { dr7 } = this.s;
    if (!(dr7 & 0xff)) return false;
    for (let n = 0; n < 4; n++) if (dr7 >> (2 * n) & 3 && (dr7 >> (16 + 4 * n) & 3) === 0) return true;
    return false;
  }
  /** After DR7 was written. */
  moved(): void {
    const { dr7 } = this.s;
    this.onData = false;
    for (let n = 0; n < 4; n++) if (dr7 >> (2 * n) & 3 && (dr7 >> (16 + 4 * n) & 1) !== 0) this.onData = true;
  }

  /** Whether the instruction at an address has a breakpoint; DR6 then tells which. */
  matchInstruction(lo: number, hi: number): boolean {
    const s = this.s;
    let hit = 0;
    for (let n = 0; n < 4; n++) {
      if (s.dr7 >> (2 * n) & 3 && (s.dr7 >> (16 + 4 * n) & 3) === 0 && s.drLo[n] === lo && s.drHi[n] === hi) hit |= 1 << n;
    }
    if (hit === 0) return false;
    s.dr6 = (s.dr6 & ~15) | hit;
    return true;
  }
  /** An access to data makes the traps of its breakpoints due. */
  matchData(lo: number, hi: number, access: Access, size: number): void {
    const s = this.s;
    for (let n = 0; n < 4; n++) {
      const kind = s.dr7 >> (16 + 4 * n) & 3;
      if (!(s.dr7 >> (2 * n) & 3) || !(kind === 3 || (kind === 1 && access === WRITE)) || s.drHi[n] !== hi) continue;
      const length = BREAKPOINT_BYTES[s.dr7 >> (18 + 4 * n) & 3], from = (s.drLo[n] & -length) >>> 0, at = lo >>> 0;
      if (at >= from + length || at + size <= from) continue;
      s.debugDue |= 1 << n;
      this.onPending();
    }
  }
}
