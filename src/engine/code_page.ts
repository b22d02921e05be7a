// What is known of one page of the linear memory that has translated code: its blocks and regions, and which of its bytes they came from.
import { LONGEST_INSTRUCTION } from "../ir/builder.ts";
import { PAGE } from "../ir/layout.ts";

const GRANULE_SHIFT = 6;

/** Bytes of one page of the linear memory that something was translated from. */
export interface CodeRange {
  /** Index in the linear memory. */
  readonly at: number;
  readonly bytes: number;
}

/** A translated block. */
export interface Block extends CodeRange {
  /** Address of its first micro-op. */
  readonly ip: number;
  readonly pcLo: number;
  readonly pcHi: number;
  /** Of an instruction that crosses into the next page: where that is, compared at each look-up; -1: it cannot be fetched from. */
  readonly second: number | undefined;
  /** Where its page keeps it. */
  readonly key: number;
  /** Another block of the same place and mode at another virtual address. */
  next: Block | undefined;
}

/** A compiled region: reached through its entry block, whose first micro-op leads to it. */
export interface CompiledRegion {
  readonly block: Block;
  /** Element of the table. */
  readonly element: number;
  /** See RegionTarget. */
  readonly guard: number;
  /** Its virtual pages (addresses; below 2^53 or rounded alike) and where they were. */
  readonly pages: readonly (readonly [page: number, host: number])[];
  /** Code it was made of, its entry block's included. */
  readonly ranges: readonly CodeRange[];
  /** It was compiled for the part of a RAM that is free of code. */
  readonly trustsFree: boolean;
  readonly wasmBytes: number;
  /** Slots that it takes for sign-extended when it is entered. */
  readonly assumes: readonly number[];
  /** What its first micro-op was: code and operand b. */
  readonly code: number;
  readonly operand: number;
  /** How often it had to leave an instruction to the interpreter, and the hart's instructions when that was last looked at. */
  sides: number;
  since: number;
  /** How many instructions that reach devices were known when it was compiled. */
  readonly devices: number;
}

/** Translations of one host page. */
export interface CodePage {
  /** Regions that have code here. */
  readonly regions: Set<CompiledRegion>;
  readonly blocks: Map<number, Block>;
  /** Blocks of instructions whose second part is here, by their first micro-op. */
  readonly tails: Map<number, Block>;
  /** How often a write has hit code here. */
  hits: number;
  /** How many writes have come that hit no code, and after how many the code goes. */
  passed: number;
  patience: number;
  /** Bytes of code that were translated here, each as often as it was. */
  translated: number;
  /** Which 64-byte granules hold translated code: low and high 32. */
  lo: number;
  hi: number;
  /** A bit for each byte that does; made when a write hits a granule. */
  exact: Uint8Array | undefined;
  /** Where instructions begin that compiled code left since they reach devices. */
  devices: Set<number> | undefined;
}

/** The part of a crossing instruction that is in the next page. */
export const tailOf = (second: number): CodeRange => ({ at: second, bytes: LONGEST_INSTRUCTION });

/** Notes that code is translated, if it is of page number `p`. */
export function mark(page: CodePage, p: number, { at, bytes }: CodeRange): void {
  if (at >>> 12 !== p) return;
  const from = at & (PAGE - 1), last = from + bytes - 1;
  for (let g = from >> GRANULE_SHIFT, end = last >> GRANULE_SHIFT; g <= end; g++) {
    if (g < 32) page.lo |= 1 << g;
    else page.hi |= 1 << (g - 32);
  }
  if (page.exact) { for (let byte = from; byte <= last; byte++) page.exact[byte >> 3] |= 1 << (byte & 7); }
}
/** Whether one of bytes `from`..`to` of page number `p` was translated. */
export function covered(page: CodePage, p: number, from: number, to: number): boolean {
  if (!page.exact) {
    page.exact = new Uint8Array(PAGE / 8);
    for (const first of page.blocks.values()) for (let b: Block | undefined = first; b; b = b.next) mark(page, p, b);
    for (const b of page.tails.values()) mark(page, p, tailOf(b.second!));
    for (const region of page.regions) for (const r of region.ranges) mark(page, p, r);
  }
  for (let at = from; at <= to; at++) if (page.exact[at >> 3] >> (at & 7) & 1) return true;
  return false;
}
/** Whether translated code may be in bytes `from`..`to` of a page. */
export function marked(page: CodePage, from: number, to: number): boolean {
  for (let g = from >> GRANULE_SHIFT, end = to >> GRANULE_SHIFT; g <= end; g++) {
    if ((g < 32 ? page.lo >> g : page.hi >> (g - 32)) & 1) return true;
  }
  return false;
}
