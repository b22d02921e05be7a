// Limits that cannot be are refused, each at its edge; and the defaults are what the layout has room for, and what src/README.md says.
import { assertEquals, assertThrows } from "@std/assert";
import {
  ANSWER,
  ARG,
  BUDGET,
  CACHE_ADDEND,
  CACHE_LIMIT,
  CLOCK,
  CONTEXT,
  CURRENT,
  GUEST,
  GUEST_END,
  IP,
  JUMP_CACHE,
  PAGE,
  PAGE_CACHE_BYTES,
  PAGE_CACHES,
  PC,
  REGIMES,
  RESULT,
  SWITCH,
  SWITCH_END,
  TEMP,
  TEMPS,
  TLB,
  TLB_HALF,
  TLB_INVALID,
  TLB_SIZE,
  TLBS,
  ZERO,
} from "./layout.ts";
import { LIMITS, type Limits, limitsOf } from "./limits.ts";

const NAMES = Object.keys(LIMITS) as (keyof Limits)[];
/** The least that each may be, where that is not 1; and the most. */
const LEAST: Partial<Limits> = { jumpEntries: 2, tlbEntries: 2, regions: 2, spaceNumbers: 2 * LIMITS.spaces + 4 };
const MOST: Partial<Limits> = { jumpEntries: 1 << 16, tlbEntries: 1 << 12, pageCaches: 40, spaces: 8 };
const POWERS = ["jumpEntries", "tlbEntries", "fetchEntries", "recentContexts", "walkedTables", "walks"];

Deno.test("each limit is taken at its least and at its most, and refused beyond", () => {
  assertEquals(limitsOf(undefined), LIMITS);
  assertEquals(limitsOf({}), LIMITS);
  for (const name of NAMES) {
    const least = LEAST[name] ?? 1,
      most = MOST[name],
      refused = (value: number, due: string) =>
        void assertThrows(() => limitsOf({ [name]: value }), RangeError, `engine limit '${name}' is ${value}, expected ${due}`);
    assertEquals(limitsOf({ [name]: least }), { ...LIMITS, [name]: least });
    refused(0, "at least 1");
    refused(-1, "at least 1");
    refused(NaN, "at least 1");
    if (least > 1) refused(least - 1, `at least ${least}`);
    if (most !== undefined) {
      assertEquals(limitsOf({ [name]: most })[name], most);
      refused(POWERS.includes(name) ? 2 * most : most + 1, `at most ${most}`);
    }
    if (POWERS.includes(name)) {
      assertEquals(limitsOf({ [name]: 4 })[name], 4);
      for (const odd of [3, 6, 12]) refused(odd, "a power of two");
    } else if ((most ?? 3) >= 3 && least <= 3) assertEquals(limitsOf({ [name]: 3 })[name], 3);
  }
  // Twice as many numbers as spaces may hold, and 4.
  assertEquals(limitsOf({ spaces: 1, spaceNumbers: 6 }).spaceNumbers, 6);
  assertThrows(() => limitsOf({ spaces: 1, spaceNumbers: 5 }), RangeError, "expected at least 6");
});

Deno.test("the defaults are those that were measured", () => {
  assertEquals(LIMITS, {
    arena: 83_886_080,
    blockInstructions: 64,
    memos: 131_072,
    jumpEntries: 65_536,
    tlbEntries: 4096,
    tlbFills: 8192,
    fetchEntries: 256,
    recentContexts: 64,
    contexts: 65_536,
    spaces: 8,
    spaceEntries: 256,
    spaceNumbers: 536_870_912,
    walkedTables: 16,
    tableUses: 5,
    tableRun: 16,
    tableLook: 64,
    walks: 64,
    stamps: 2_147_483_647,
    regions: 1024,
    regionBytes: 8_388_608,
    regionNodes: 96,
    regionInstructions: 1500,
    regionPages: 8,
    regionReturns: 6,
    pageCaches: 40,
    lateSlots: 6,
    fewSlots: 16,
    span: 4096,
    inheritedSpan: 256,
    freeMoves: 12,
    sides: 1024,
    sideWorth: 300,
    preciseAfter: 16,
    patience: 512,
    restless: 32_768,
  });
});

Deno.test("what is in the linear memory has its place, one behind the other, and no two the same", () => {
  /** Name, address, bytes, and whether the next thing begins at once behind it. */
  const PLACES: readonly (readonly [string, number, number])[] = [
    ["PC", PC, 8],
    ["ZERO", ZERO, 8],
    ["IP", IP, 4],
    ["CURRENT", CURRENT, 4],
    ["BUDGET", BUDGET, 4],
    ["TLB", TLB, 4],
    ["CONTEXT", CONTEXT, 4],
    ["ANSWER", ANSWER, 4],
    ["", ANSWER + 4, 8],
    ["ARG", ARG, 32],
    ["RESULT", RESULT, 8],
    ["SWITCH", SWITCH, 16],
    ["CLOCK", CLOCK, 8],
    ["", CLOCK + 8, 0x750],
    ["PAGE_CACHES", PAGE_CACHES, PAGE_CACHE_BYTES * LIMITS.pageCaches],
    ["", PAGE_CACHES + 0x3c0, 0x440],
    ["GUEST", GUEST, 0x1000],
    ["TEMP", TEMP, 8 * TEMPS],
    ["", TEMP + 0x4000, 0xa000],
    ["JUMP_CACHE", JUMP_CACHE, 16 * LIMITS.jumpEntries],
    ["TLBS", TLBS, 0],
  ];
  let at = PC;
  for (const [name, start, bytes] of PLACES) {
    assertEquals(start, at, name);
    at += bytes;
  }
  assertEquals([PC, PAGE_CACHES, GUEST, JUMP_CACHE, TLBS], [0x40, 0x800, 0x1000, 0x1_0000, 0x11_0000]);
  assertEquals([SWITCH_END, GUEST_END, TEMPS], [SWITCH + 16, TEMP, 2048]);
  // A page cache: page, limit, addend.
  assertEquals([CACHE_LIMIT, CACHE_ADDEND, PAGE_CACHE_BYTES], [8, 16, 24]);
  assertEquals([TLB_HALF, TLB_SIZE, REGIMES, PAGE], [16 * LIMITS.tlbEntries, 32 * LIMITS.tlbEntries, 32, 4096]);
  // No page's address.
  assertEquals([TLB_INVALID & PAGE - 1, TLB_INVALID], [1, 1]);
});
