// What is remembered at most, by the engine and by the cores. None of it can be seen by a guest: what is beyond a limit is forgotten and found
// again, or left to the interpreter. Tests run with the smallest numbers that work, so that every limit is met all the time.

/** The defaults. "Entries": a table that is indexed by low bits, whose size has to be a power of two. */
export const LIMITS = {
  /**
   * Bytes in which micro-ops grow up and literals down; when it is full all translations go. So large that a machine of 128 MiB stays below the
   * 229 MiB of memory outside its heap at which V8 starts to collect the whole heap: 3 ms of a short run.
   */
  arena: 80 << 20,
  /** Instructions of a block. Also of a region's node: its first one has to fit into what the budget leaves. */
  blockInstructions: 64,
  /** Instructions whose micro-ops are remembered by their bits; beyond that the others are built each time. */
  memos: 1 << 17,
  /** Entries of the jump cache and of each half of a data TLB; at least 2, at most what `layout.ts` has room for. */
  jumpEntries: 1 << 16,
  tlbEntries: 1 << 12,
  /** TLB entries of a hart that are filled before all are dropped. */
  tlbFills: 8192,
  /** Entries for the places of code pages, and for the numbers of contexts, of a hart. */
  fetchEntries: 256,
  recentContexts: 64,
  /** Numbers of contexts given out before all are forgotten. */
  contexts: 1 << 16,
  /** Address spaces that a hart remembers (as many as there are TLBs for), and entries of page tables that the fetches of each went by. */
  spaces: 8,
  spaceEntries: 256,
  /** Numbers of address spaces before they start again: more than `spaces` can hold, which is twice as many and 4. Below 2^29. */
  spaceNumbers: 1 << 29,
  /** Entries for the places of page tables, by level; and places in a translation that one table may have: recursive mappings have one a level. */
  walkedTables: 16,
  tableUses: 5,
  /**
   * Stores in a row to a page table without a TLB miss after which it is none any more: it is being filled with something else. And stores
   * after which it is looked for a valid entry.
   */
  tableRun: 16,
  tableLook: 64,
  /** Entries for pages that x86's microcode accesses, and changes of them before their stamps start again. */
  walks: 64,
  stamps: 2 ** 31 - 1,
  /** Live regions (at least 2) and bytes of their wasm (V8's code and bookkeeping take several times that); beyond them the older half goes. */
  regions: 1024,
  regionBytes: 8 << 20,
  /** Of one region: nodes, instructions (of what is looked at for it), pages that it has code in, instructions that a jump is compared with. */
  regionNodes: 96,
  regionInstructions: 1500,
  regionPages: 8,
  regionReturns: 6,
  /** Page caches of a region; at most what `layout.ts` has room for. */
  pageCaches: 40,
  /** Slots that wait to be stored, each at every exit; and slots of a region that are all kept in locals. */
  lateSlots: 6,
  fewSlots: 16,
  /** Bytes of a span (so that it is in two pages at most), and of one that a node inherits and makes longer. */
  span: 4096,
  inheritedSpan: 256,
  /** How often regions are dropped because there is code where they expected none. */
  freeMoves: 12,
  /** A region that leaves so often after fewer instructions each is not worth its while. */
  sides: 1024,
  sideWorth: 300,
  /** Writes into a page's code after which only the code that was hit is dropped. */
  preciseAfter: 16,
  /** Writes beside a page's code after which it is dropped, at first: about what translating some of it anew costs. */
  patience: 512,
  /** Bytes translated of a page, over and over, after which it has short blocks; see `SHORT` in code_cache.ts. */
  restless: 8 * 4096,
};
export type Limits = Readonly<Record<keyof typeof LIMITS, number>>;

/** Indexed by low bits. */
const ENTRIES = ["jumpEntries", "tlbEntries", "fetchEntries", "recentContexts", "walkedTables", "walks"] as const;
/** More than the layout has room for. */
const FIXED = ["jumpEntries", "tlbEntries", "pageCaches", "spaces"] as const;

/** The defaults but for what is given. @throws {RangeError} a limit cannot be that */
export function limitsOf(given: Partial<Limits> | undefined): Limits {
  if (!given) return LIMITS;
  const limits: Limits = { ...LIMITS, ...given };
  const wrong = (name: keyof Limits, due: string) => new RangeError(`engine limit '${name}' is ${limits[name]}, expected ${due}`);
  for (const name of Object.keys(limits) as (keyof Limits)[]) if (!(limits[name] >= 1)) throw wrong(name, "at least 1");
  for (const name of ENTRIES) if (limits[name] & (limits[name] - 1)) throw wrong(name, "a power of two");
  for (const name of FIXED) if (limits[name] > LIMITS[name]) throw wrong(name, `at most ${LIMITS[name]}`);
  for (const name of ["jumpEntries", "tlbEntries", "regions"] as const) if (limits[name] < 2) throw wrong(name, "at least 2");
  if (limits.spaceNumbers < 2 * limits.spaces + 4) throw wrong("spaceNumbers", `at least ${2 * limits.spaces + 4}`);
  return limits;
}
