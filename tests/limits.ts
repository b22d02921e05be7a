// Limits of the engine so small that guests meet them all the time; see src/ir/limits.ts. Several sets, since what is always full hides what
// would happen behind it: a code cache that is emptied every few blocks never has regions to evict.
import type { EngineOptions } from "../src/engine/engine.ts";
import type { Limits } from "../src/ir/limits.ts";

/** What is known of addresses, address spaces and page tables. */
const TRANSLATION: Partial<Limits> = {
  jumpEntries: 4,
  tlbEntries: 2,
  tlbFills: 3,
  fetchEntries: 2,
  recentContexts: 2,
  contexts: 3,
  spaces: 2,
  spaceEntries: 2,
  spaceNumbers: 9,
  walkedTables: 2,
  tableUses: 2,
  tableRun: 3,
  tableLook: 4,
  walks: 4,
  stamps: 5,
};
/** What regions are made of. */
const REGIONS: Partial<Limits> = {
  regions: 3,
  regionNodes: 4,
  regionInstructions: 40,
  regionPages: 2,
  regionReturns: 1,
  pageCaches: 2,
  lateSlots: 2,
  fewSlots: 2,
  span: 16,
  inheritedSpan: 8,
  sides: 8,
  sideWorth: 2,
};
/** When code that was translated is dropped. */
const CODE: Partial<Limits> = {
  arena: 204_800,
  blockInstructions: 3,
  memos: 8,
  regions: 8,
  regionBytes: 4096,
  freeMoves: 2,
  preciseAfter: 2,
  patience: 4,
  restless: 256,
};
const TIGHT: Readonly<Record<string, Partial<Limits>>> = {
  translations: TRANSLATION,
  regions: REGIONS,
  code: CODE,
  "translations and regions": { ...TRANSLATION, ...REGIONS, contexts: 2, recentContexts: 8, fetchEntries: 8, jumpEntries: 1 << 16 },
  all: {
    ...TRANSLATION,
    ...REGIONS,
    ...CODE,
    tlbFills: 2,
    spaces: 1,
    spaceNumbers: 6,
    walkedTables: 1,
    walks: 1,
    tableUses: 1,
    regions: 2,
  },
};
/**
 * Engines with each set, by name. Where few regions are kept, those that are evicted are compiled anew each time they are hot, so that is not
 * at once.
 */
export const TIGHT_INTERPRETERS: readonly (readonly [name: string, options: EngineOptions])[] = Object.entries(TIGHT).map((
  [name, limits],
) => [`interpreter, tight limits of ${name}`, { limits }]);
export const TIGHT_JITS: readonly (readonly [name: string, options: EngineOptions])[] = Object.entries(TIGHT).map(([name, limits]) => [
  `JIT, tight limits of ${name}`,
  { jit: true, threshold: limits.regions === undefined ? 3 : 100, limits },
]);
