// The passes of the JIT by name, for whoever has to know them without it.

/** Passes that `--no-opt` switches off. */
export const JIT_OPTIONS = {
  /** Remember the page that an access found, and look into the TLB only when it changes. */
  pages: "page caches: one TLB look-up for accesses that stay in a page",
  /** Where addresses are physical, check against the bounds of RAM instead of looking into the TLB. */
  physical: "direct access to RAM while there is no translation",
  /** Compare a computed jump with the instructions behind the region's calls. */
  returns: "return prediction inside a region",
  /** Check accesses off one base register together, where addresses are physical. */
  spans: "one check of the bounds for accesses off one base register",
  /** Such a check holds on in the nodes behind it; loops have those of what they do not change in front of them. */
  across: "checks of a base register for the nodes behind, and in front of loops",
  /** Where addresses are physical, take it that the largest part of RAM without code stays so. */
  free: "stores need not look for code in the part of RAM that has none",
  /** Conditions, addresses and other values that are used once are written where they are used, not kept in locals. */
  fuse: "compare and branch, address and access in one",
  /** Operations, addresses and conditions of constants are constants. */
  fold: "constant folding, of addresses and conditions, too",
  /** Do without sign extensions that change nothing. */
  extend: "sign extension elimination",
  /** Registers that hold nothing but extended 32-bit results are locals of 32 bits. */
  narrow: "32-bit locals for registers of 32-bit results",
  /** Store a register once it is set, unless it is set again first, rather than when the region is left, unless a loop carries it round. */
  through: "no registers in locals for the exits' sake alone",
} as const;
export type JitOption = keyof typeof JIT_OPTIONS;
