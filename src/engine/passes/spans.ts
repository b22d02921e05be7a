// Accesses off one base register that is not set in between: one check of all that they reach, at the first of them. If it fails, the
// interpreter does that one instruction; so a check may cover accesses that are never made.
import type { Ir } from "../../ir/builder.ts";
import { OP, OPS } from "../../ir/ops.ts";

const CONST_I = OP["const.i"], CONST_L = OP["const.l"], GET_I = OP["get.i"], GET_L = OP["get.l"], SET_I = OP["set.i"], SET_L = OP["set.l"];
const ADD_L = OP["add.l"], EA32 = OP["ea32"], EXTU = OP["extU"];
const ACCESS = Uint8Array.from(OPS, (r) => r.effect === "reads" || r.effect === "writes" ? 1 : 0);
const STORES = Uint8Array.from(OPS, (r) => r.effect === "writes" || r.rmw ? 1 : 0);
/** Rows whose i64 result has no bits above 31. */
const NARROW = Uint8Array.from(OPS, (r) => r.name === "ea32" || r.name === "extU" ? 1 : 0);
const CALLS = Uint8Array.from(OPS, (r) => r.effect === "call" ? 1 : 0);
const SIZE = Uint8Array.from(OPS, (r) => r.size ?? 0);

/** No span is longer, so that it is in two pages at most. */
export const LONGEST_SPAN = 4096;

export interface Span {
  /** Operation of the first access. */
  readonly first: number;
  /** The base: a value that gets a slot, or the address of the one access. */
  readonly base: number;
  /** The sum of base and offset is taken modulo 2^32. */
  readonly narrow: boolean;
  /** Bytes from the base to the lowest and behind the highest byte that is accessed. */
  low: number;
  high: number;
  /** Some access needs write permission. */
  stores: boolean;
  /** Number of accesses. */
  count: number;
}

/** An access: its span and its distance from the span's base. */
export interface Place {
  readonly span: Span;
  readonly offset: number;
}

/** The accesses of a node by operation; `apart`: each has a span of its own. */
export function findSpans(ir: Ir, apart: boolean): Map<number, Place> {
  const places = new Map<number, Place>(), open = new Map<string, Span>(), lastSet = new Map<number, number>();
  let lastCall = -1;
  for (let i = 0; i < ir.count; i++) {
    const op = ir.op[i];
    if (CALLS[op]) lastCall = i;
    else if (op === SET_I || op === SET_L) lastSet.set(ir.lo[i], i);
    if (!ACCESS[op]) continue;
    const { base, offset, narrow } = addressOf(ir, ir.a[i]), slot = ir.lo[base], read = Math.max(lastSet.get(slot) ?? -1, lastCall);
    if (apart || (ir.op[base] !== GET_I && ir.op[base] !== GET_L) || base < read) {
      const v = ir.a[i];
      places.set(i, {
        span: { first: i, base: v, narrow: NARROW[ir.op[v]] === 1, low: 0, high: SIZE[op], stores: STORES[op] === 1, count: 1 },
        offset: 0,
      });
      continue;
    }
    const key = `${slot} ${narrow}`, known = open.get(key), goesOn = known !== undefined && known.first > read;
    const low = goesOn ? Math.min(known.low, offset) : offset, high = Math.max(goesOn ? known.high : offset, offset + SIZE[op]);
    let span = known;
    if (!span || !goesOn || high - low > LONGEST_SPAN) {
      span = { first: i, base, narrow, low: offset, high: offset + SIZE[op], stores: false, count: 0 };
      open.set(key, span);
    } else {
      span.low = low;
      span.high = high;
    }
    span.stores ||= STORES[op] === 1;
    span.count++;
    places.set(i, { span, offset });
  }
  return places;
}

/** An address as base and constant. */
function addressOf(ir: Ir, v: number): { base: number; offset: number; narrow: boolean } {
  const op = ir.op[v], a = ir.a[v], b = ir.b[v];
  if (op === ADD_L && ir.op[b] === CONST_L && ir.hi[b] === ir.lo[b] >> 31) return { base: a, offset: ir.lo[b], narrow: false };
  if (op === EA32 && ir.op[b] === CONST_I) return { base: a, offset: ir.lo[b], narrow: true };
  if (op === EXTU) return { base: a, offset: 0, narrow: true };
  return { base: v, offset: 0, narrow: false };
}
