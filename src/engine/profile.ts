// What `--stats` tells beyond plain counters: where compiled code had to leave an instruction to the interpreter, and why. The cause is
// what the interpreter met there: it is found out behind the instruction, so compiled code knows nothing of it.

/** Counters of the engine, for `--stats`. All of them count in paths that are slow anyway. */
export class Counters {
  /** Blocks translated, their instructions, and writes that hit them. */
  blocks = 0;
  instructionsTranslated = 0;
  invalidations = 0;
  /** Times that the run loop had to find a block: the jump cache did not know it. */
  lookups = 0;
  /** Regions compiled; dropped because their code changed, because they left too often, or to make room. */
  regions = 0;
  regionsChanged = 0;
  regionsReverted = 0;
  regionsEvicted = 0;
  /** Wasm of all regions compiled (bytes), and what finding and compiling them took. */
  regionBytes = 0;
  compileMs = 0;
  /** Instructions that regions left to the interpreter. */
  sideExits = 0;
  /** Pages that a TLB got to know, by kind of access. */
  tlbReads = 0;
  tlbWrites = 0;
  tlbFetches = 0;
  deviceAccesses = 0;
  /** Accesses across the end of a page, stores into pages with translated code, and into page tables. */
  pageCrossings = 0;
  codePageStores = 0;
  tableStores = 0;
  /** Exceptions of loads, stores, helpers and fetches. */
  faults = 0;
  /** Times that all translations were dropped. */
  flushes = 0;
}

/** Causes of side exits, each with the counter that grows behind one; the first that fits is meant. */
const CAUSES = {
  fault: "faults",
  device: "deviceAccesses",
  "page crossing": "pageCrossings",
  "code page": "codePageStores",
  "page table": "tableStores",
} as const;
type Cause = keyof typeof CAUSES | "other";

/** Instructions at one address that compiled code left to the interpreter. */
export interface SideExitSite {
  readonly pc: bigint;
  readonly cause: Cause;
  readonly count: number;
}

/** Sites that are told apart; beyond them only the causes are counted. */
const MAX_SITES = 1 << 16;

/** Side exits by cause and address. */
export class SideExits {
  readonly #sites = new Map<string, { readonly pc: bigint; readonly cause: Cause; count: number }>();
  readonly #causes = new Map<Cause, number>();
  readonly #before: number[] = [];

  constructor(readonly counters: Counters) {}

  /** The instruction at the pc is about to be interpreted. */
  before(): void {
    for (const [i, name] of Object.values(CAUSES).entries()) this.#before[i] = this.counters[name];
  }
  /** It was. */
  after(pc: bigint): void {
    const found = Object.values(CAUSES).findIndex((name, i) => this.counters[name] !== this.#before[i]);
    const cause = found < 0 ? "other" : Object.keys(CAUSES)[found] as Cause, key = `${pc} ${cause}`, site = this.#sites.get(key);
    this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1);
    if (site) site.count++;
    else if (this.#sites.size < MAX_SITES) this.#sites.set(key, { pc, cause, count: 1 });
  }
  /** How many of each cause. */
  get causes(): ReadonlyMap<string, number> {
    return this.#causes;
  }
  /** The `n` addresses with most of them. */
  top(n: number): SideExitSite[] {
    return [...this.#sites.values()].sort((a, b) => b.count - a.count).slice(0, n);
  }
}
