// The slice under way: how much of it is left, and why it is to end before.

/**
 * Instructions differ in speed by a factor of 10,000, and whoever runs a machine has to look at the host's clock now and then. So `run` comes
 * back after so much work outside of compiled code: a call of a helper or of a device, a TLB miss, a turn of the run loop count 1. It is counted
 * and not timed, so that where the engine is cut, and with it what is compiled, follows from the guest's run alone.
 */
const WORK = 512;
export const WORK_OF_BLOCK = 8, WORK_OF_REGION = 512, WORK_OF_REMAP = 64;
/** Bytes that a device moves while a call is made. */
export const BYTES_OF_WORK = 512;

export class Pace {
  /** Instructions of the slice; 0 between slices. */
  budget = 0;
  /** What is left of it, the running instruction included; while wasm runs it is known only at its calls. */
  left = 0;
  /** The run loop is to look at something behind this instruction. */
  attention = false;
  /** A store has changed the translation of code. */
  moved = false;
  /** After how much work outside of compiled code `run` comes back before its budget is used up. */
  #pause = Infinity;
  /** What is left of that. */
  work = Infinity;

  /** Instructions begun, the running one not counted. */
  get begun(): number {
    return this.budget - this.left;
  }
  /** Counts work; see WORK. */
  spend(work: number): void {
    this.work -= work;
    if (this.work < 0) this.attention = true;
  }
  /** From now on `run` comes back early where instructions are slow. */
  comeBack(): void {
    this.#pause = this.work = WORK;
  }
  /** All of the work is to be done again. */
  rest(): void {
    if (this.work < 0) this.work = this.#pause;
  }
}
