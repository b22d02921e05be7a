/** A level-sensitive wire. Edge detection, polarity and routing belong to the receiver (PIC, PLIC). */
export interface IrqLine {
  readonly level: boolean;
  set(level: boolean): void;
}

/** A wire whose receiver is called when the level changes, and only then. */
export class Wire implements IrqLine {
  #level = false;
  constructor(readonly onChange: (level: boolean) => void) {}
  get level(): boolean {
    return this.#level;
  }
  set(level: boolean): void {
    if (level === this.#level) return;
    this.#level = level;
    this.onChange(level);
  }
}

/** A wire that leads nowhere; it still remembers its level. */
export const unconnected = (): IrqLine => new Wire(() => {});

/** An interrupt controller whose interrupts RISC-V harts claim (a PLIC). */
export interface ClaimController {
  /** The source that a hart's M or S mode has claimed last; 0: none. */
  lastClaim(hart: number, supervisor: boolean): number;
}
