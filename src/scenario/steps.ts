// What a script says it is doing: named parts of it, which failures and reports tell.

/** A part of a script: `m.step("log in", ...)`. Ticks are the machine's age. */
export interface Step {
  readonly name: string;
  /** How many steps it is in. */
  readonly depth: number;
  readonly fromTicks: number;
  /** Undefined while it goes on. */
  toTicks?: number;
  /** Guest time of its beginning and its end, in nanoseconds since reset. */
  readonly fromNs: number;
  toNs?: number;
  /** It has thrown. */
  failed?: true;
}

/** Something that a script has awaited; ticks are the machine's age. */
export interface Awaited {
  readonly what: string;
  readonly from: number;
  /** Undefined while it is awaited. */
  to?: number;
  /** How many steps it is in. */
  readonly depth: number;
  failed?: true;
}
