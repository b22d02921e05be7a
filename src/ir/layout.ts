// The one linear memory of a machine: state window of the running hart, engine tables, TLBs, micro-ops, guest RAM.
// Slots are byte addresses below 64 KiB, so that a micro-op holds one in 16 bits. Everything else is placed at run time.
import { LIMITS } from "./limits.ts";

/** Slots every architecture has. */
export const PC = 0x40;
/** Always 0: an operand for the constant zero. */
export const ZERO = 0x48;
/** i32: micro-op at which the interpreter left, and the block it belongs to. */
export const IP = 0x50, CURRENT = 0x54;
/** i32: instructions left in the budget when the interpreter left. */
export const BUDGET = 0x58;
/** i32: base address of the running hart's data TLB for its present mode, and the translation context of its jump cache entries. */
export const TLB = 0x5c, CONTEXT = 0x60;
/** i32: what was said of an access of a device or a helper's value, where the value itself is what is returned; see `Status` in frontend.ts. */
export const ANSWER = 0x64;
/** Arguments of helper calls (i64 each), and their result. */
export const ARG = 0x70, RESULT = 0x90;
/**
 * What TLB and CONTEXT are in two modes of the running hart between which code goes by itself: i32 each, one after the other. The core fills
 * them in; 0 once a number has become void or another hart runs.
 */
export const SWITCH = 0x98, SWITCH_END = 0xa8;
/** i64: the clock's ticks at the end of the budget, see `ticks` in ops.ts. */
export const CLOCK = 0xa8;
/**
 * What a region remembers of the pages of its accesses: page i64, i64 below which bytes from its start an access may begin (0: there is no
 * page), host minus guest address i32.
 */
export const PAGE_CACHES = 0x800, PAGE_CACHE_BYTES = 24, CACHE_LIMIT = 8, CACHE_ADDEND = 16;
/** Temporaries of the interpreter, 8 bytes each: one instruction may need hundreds (ENTER, FNSAVE). */
export const TEMP = 0x2000, TEMPS = 2048;
/** The hart's own registers, laid out by its architecture; with PC the part that is exchanged when another hart runs. */
export const GUEST = 0x1000, GUEST_END = 0x2000;

/** Jump cache: pc -> micro-ops, for indirect jumps and jumps to other pages. Entries: pc i64, context i32 (never 0), micro-ops i32. */
export const JUMP_CACHE = 0x1_0000;
/** Data TLB: for each mode a read half and a write half. Entries: tag i64 (page address), host minus guest address i32, unused i32. */
export const TLB_HALF = LIMITS.tlbEntries * 16, TLB_SIZE = 2 * TLB_HALF;
/**
 * Low half of a tag that no page address equals. A tag of 0 is that of page 0 and found only by accesses that end there, which look into the
 * first entry or, when they begin at the end of the address space, the last one: in all others it means empty, too.
 */
export const TLB_INVALID = 1;
/** Data TLBs of one hart, one for each `regime` (see frontend.ts): enough for several sets of rights in several address spaces. */
export const REGIMES = 32;
/** Where the TLBs begin. */
export const TLBS = JUMP_CACHE + LIMITS.jumpEntries * 16;
export const PAGE = 4096;
