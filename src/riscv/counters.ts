// HOT: no bigint but in writes, no closures, no allocation.
// Cycles, retired instructions and time (RISC-V Privileged 20240411, 3.1.10 to 3.1.12): instructions begun, as QEMU has it with a fixed rate. A value
// is 64 bits; its halves are asked for one by one.
import type { CoreEnv } from "../ir/frontend.ts";
import { CY, IR } from "./registers.ts";
import type { HartState } from "./state.ts";
import { low32, wide } from "./trap.ts";

/** Halves of `lo`, `hi` plus a count below 2^53; `count | 0` and `count >>> 0` are the count modulo 2^32. */
const sumLo = (lo: number, count: number): number => (lo + (count | 0)) | 0;
const sumHi = (lo: number, hi: number, count: number): number =>
  (hi + Math.floor(count / 2 ** 32) + ((lo >>> 0) + (count >>> 0) >= 2 ** 32 ? 1 : 0)) | 0;

/**
 * A counter is an offset in the state and a count, while it runs; the offset alone while it is inhibited. A write is seen by the next
 * instruction: where an instruction writes, `late` is 1, since it is counted itself when its write takes effect.
 */
export class Counters {
  constructor(
    readonly s: HartState,
    readonly env: Pick<CoreEnv, "instructions">,
    /** The counter behind the time CSR. */
    readonly host: { time(): number },
  ) {}

  #cycles(late = 0): number {
    return this.s.mcountinhibit & CY ? 0 : this.env.instructions() + late;
  }
  #retired(late = 0): number {
    return this.s.mcountinhibit & IR ? 0 : this.env.instructions() - this.s.trapped + late;
  }

  cycleLo(): number {
    return sumLo(this.s.cycleLo, this.#cycles());
  }
  cycleHi(): number {
    return sumHi(this.s.cycleLo, this.s.cycleHi, this.#cycles());
  }
  instretLo(): number {
    return sumLo(this.s.instretLo, this.#retired());
  }
  instretHi(): number {
    return sumHi(this.s.instretLo, this.s.instretHi, this.#retired());
  }
  timeLo(): number {
    return sumLo(0, this.host.time());
  }
  timeHi(): number {
    return sumHi(0, 0, this.host.time());
  }

  #setCycle(offset: bigint): void {
    this.s.cycleLo = low32(offset);
    this.s.cycleHi = low32(offset >> 32n);
  }
  #setInstret(offset: bigint): void {
    this.s.instretLo = low32(offset);
    this.s.instretHi = low32(offset >> 32n);
  }
  writeCycle(lo: number, hi: number, late: number): void {
    this.#setCycle(wide(lo, hi) - BigInt(this.#cycles(late)));
  }
  writeInstret(lo: number, hi: number, late: number): void {
    this.#setInstret(wide(lo, hi) - BigInt(this.#retired(late)));
  }
  /**
   * Priv 3.1.12. The write is done when its instruction is: a counter that ran counts it, one that stood does not, others go on. What a counter
   * has counted goes into its offset when it stops, and is taken from it when it starts.
   */
  setCountinhibit(value: number, late: number): void {
    const s = this.s, changed = s.mcountinhibit ^ value, begun = this.env.instructions() + late;
    const sign = (bit: number) => value & bit ? 1 : -1;
    s.mcountinhibit = value;
    if (changed & CY) this.#setCycle(wide(s.cycleLo, s.cycleHi) + BigInt(sign(CY) * begun));
    if (changed & IR) this.#setInstret(wide(s.instretLo, s.instretHi) + BigInt(sign(IR) * (begun - s.trapped)));
  }
}
