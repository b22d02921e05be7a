// A counter of the 8254, clock by clock, slow and obvious, from the data sheet (Intel 231164-005, September 1993). Like the device it loads a
// count in the clock in which it is written, not one later.

/** 0 stands for the largest count; in BCD as well. */
const fromRegister = (raw: number, bcd: boolean): number => (bcd ? parseInt(raw.toString(16), 10) : raw) || (bcd ? 10_000 : 0x1_0000);
const toRegister = (n: number, bcd: boolean): number => bcd ? parseInt(String(n % 10_000), 16) : n & 0xffff;

export class SlowCounter {
  out = false;
  gate = true;
  mode = 0;
  /** 1 low byte, 2 high byte, 3 both. */
  #rw = 3;
  #bcd = false;
  /** Count register, and whether it has been loaded into the counting element. */
  #cr = 0x1_0000;
  #null = true;
  /** A count has come since the control word. */
  #written = false;
  /** The counting element; it counts while `#counting`. */
  #ce = 0x1_0000;
  #counting = false;
  #low = -1;
  #high = false;
  #latched: number[] = [];
  #status = -1;
  /** Mode 3, an odd count: one clock more, while the output is high. */
  #extra = false;
  /** Modes 4 and 5: the strobe has not come. Mode 1: the shot is under way. */
  #armed = false;

  control(value: number): void {
    const mode = value >> 1 & 7;
    this.mode = mode > 5 ? mode - 4 : mode;
    this.#rw = value >> 4 & 3;
    this.#bcd = (value & 1) !== 0;
    // "All control logic is reset, and OUT goes to a known initial state; no CLK pulses are required." The counting element is left.
    this.out = this.mode !== 0;
    this.#counting =
      this.#armed =
      this.#high =
      this.#written =
        false;
    this.#null = true;
    this.#low = -1;
    this.#latched = [];
    this.#status = -1;
  }

  write(value: number): void {
    if (this.#rw === 3 && this.#low < 0) {
      this.#low = value;
      // "Writing the first byte disables counting. OUT is set low immediately."
      if (this.mode === 0) this.#counting = this.out = false;
      return;
    }
    const raw = this.#rw === 1 ? value : this.#rw === 2 ? value << 8 : value << 8 | this.#low, first = !this.#written;
    this.#low = -1;
    this.#cr = fromRegister(raw, this.#bcd);
    this.#null = this.#written = true;
    if (this.mode === 0) this.out = false;
    // Modes 1 and 5 wait for a trigger; modes 2 and 3 go on with a new count when they begin anew.
    if (this.mode === 0 || this.mode === 4 || (first && this.mode !== 1 && this.mode !== 5)) this.#load();
  }

  #load(): void {
    this.#counting = this.#armed = true;
    if (this.mode >= 4) this.out = true;
    this.#null = false;
    this.#ce = this.#cr;
    this.#extra = this.mode === 3 && this.#cr % 2 === 1 && this.out;
    if (this.mode === 3) this.#ce -= this.#cr % 2;
  }

  setGate(gate: boolean): void {
    const rises = gate && !this.gate;
    this.gate = gate;
    // "If GATE goes low during an output pulse, OUT is set high immediately. A trigger reloads the counter."
    if (!gate && (this.mode === 2 || this.mode === 3)) this.out = true;
    if (!rises || this.mode === 0 || this.mode === 4 || !this.#written) return;
    if (this.mode === 1) this.out = false;
    this.#load();
  }
  /** There is something in the counting element that the data sheet tells. */
  get loaded(): boolean {
    return this.#written && !(this.#null && !this.#counting);
  }

  clock(): void {
    const modulus = this.#bcd ? 10_000 : 0x1_0000;
    if (!this.#counting || (!this.gate && this.mode !== 1 && this.mode !== 5)) return;
    if (this.mode === 3) {
      if (this.#extra) {
        // The first half of an odd count ends one clock behind its last step.
        if (this.#ce === 0) {
          this.out = false;
          this.#load();
        } else this.#ce -= 2;
        return;
      }
      this.#ce -= 2;
      if (this.#ce > 0) return;
      this.out = !this.out;
      this.#load();
      return;
    }
    if (this.mode === 2) {
      this.#ce--;
      if (this.#ce === 1) this.out = false;
      else if (this.#ce === 0) {
        this.out = true;
        this.#load();
      }
      return;
    }
    this.#ce = (this.#ce - 1 + modulus) % modulus;
    if (this.mode >= 4) this.out = !(this.#armed && this.#ce === 0);
    else if (this.#armed && this.#ce === 0) this.out = true;
    if (this.#ce === 0) this.#armed = false;
  }

  /** What the counting element shows. */
  get #shown(): number {
    return toRegister(this.#ce, this.#bcd);
  }
  /** Bytes as a read gets them: a latched status, a latched count, the running count. */
  read(): number {
    if (this.#status >= 0) {
      const status = this.#status;
      this.#status = -1;
      return status;
    }
    if (this.#latched.length) return this.#latched.shift()!;
    const high = this.#rw === 2 || (this.#rw === 3 && this.#high);
    if (this.#rw === 3) this.#high = !this.#high;
    return high ? this.#shown >> 8 : this.#shown & 0xff;
  }
  latch(): void {
    if (this.#latched.length) return;
    const bytes = [this.#shown & 0xff, this.#shown >> 8];
    this.#latched = this.#rw === 3 ? bytes : [bytes[this.#rw - 1]];
  }
  latchStatus(): void {
    if (this.#status >= 0) return;
    this.#status = Number(this.out) << 7 | Number(this.#null) << 6 | this.#rw << 4 | this.mode << 1 | Number(this.#bcd);
  }
}
