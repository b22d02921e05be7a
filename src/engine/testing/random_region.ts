// Random regions of the rows that passes look at: constants with bits 31 and 63 set, halves of slots, sign extensions, accesses off registers that
// are stepped, copied and masked, all forms of addresses, calls on one of two ways, loops, joins and predicted returns.
import { Builder, codeBytes, type I64, type Val } from "../../ir/builder.ts";
import { EXACT, type OpRow, OPS } from "../../ir/ops.ts";
import type { RegionNode } from "../region.ts";
import { PAGE } from "../../ir/layout.ts";
import { PAGES, RAM, slot, SLOTS, type State } from "./regions.ts";

/** Random numbers that follow from a seed (xorshift32). */
export class Dice {
  constructor(public state: number) {
    this.state = Math.imul(state, 0x9e37_79b1) | 1;
  }
  bits(): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return this.state;
  }
  below = (n: number): number => (this.bits() >>> 0) % n;
  one = (n: number): boolean => this.below(n) === 0;
  pick = <T>(list: readonly T[]): T => list[this.below(list.length)];
}

/** Integers only: what NaNs look like is not defined. */
const PURE = OPS.filter((_, op) => EXACT[op]);
/** Rows that passes look at, drawn as often as all others. */
const LOOKED_AT = PURE.filter((r) =>
  /^(wrap|ext(S|U|32S)|(and|or|xor)S?\.l|shr[SU]\.l|select|add|sub|(eq|ne|lt[SU]|ge[SU])\.l)/.test(r.name)
);
const LOADS = OPS.filter((r) => r.effect === "reads"), STORES = OPS.filter((r) => r.effect === "writes");
const EDGES = [0, 0, 1, 2, -1, 31, 32, 33, 63, 64, 0x7fff_ffff, -0x8000_0000, 0xffff, -4096];

export interface Kind {
  /** Results of 32 bits in most slots, and no calls. */
  readonly words: boolean;
  /** Accesses off slots 1 to 3, which hold addresses; else few accesses. */
  readonly accesses: boolean;
  readonly calls: boolean;
  /** Mostly off the same one, which is seldom set. */
  readonly fewBases?: boolean;
  /** Slots that are set to constants, addresses too. */
  readonly constants?: boolean;
  /** Slots are set more often than read, and many nodes end with computed jumps: what waits to be stored meets every way out. */
  readonly sets?: boolean;
}
type Form<V> = (b: Builder, base: number, n: number) => V;
/** What a register that holds an address may be set to, besides sums with a constant: what is no sum, halves, and what goes far and back. */
const STEPS: readonly Form<Val>[] = [
  (b, at, n) => b.sub(b.getL(at), b.i64(n)),
  (b, at, n) => b.extU(b.sub(b.getI(at), b.i32(n))),
  (b, at, n) => b.extS(b.add(b.getI(at), b.i32(n))),
  (b, at, n) => b.add(b.getI(at), b.i32(n)),
  (b, at, n) => b.and(b.getL(at), b.i64(-Math.abs(n) & -8)),
  (b, at, n) => b.or(b.getL(at), b.i64(Math.abs(n))),
  (b, at, n) => b.xor(b.getL(at), b.i64(Math.abs(n))),
  (b, at, n) => b.sub(b.i64(n), b.sub(b.i64(0), b.getL(at))),
  (b, at) => b.getL(at),
  (b, at) => b.getI(at),
  (b, at, n) => b.add(b.add(b.getL(at), b.i64(FAR + n)), b.i64(-FAR)),
  (b, at, n) => b.add(b.getL(at), b.i64Halves(n, n < 0 ? 0 : -1)),
  (b, at, n) => b.select(b.wrap(b.getL(at)), b.add(b.getL(at), b.i64(n)), b.getL(at)),
];
/** Addresses that are no sum of a register and a constant, or not at once. */
const UNUSUAL: readonly Form<I64>[] = [
  (b, at, n) => b.ea32(b.add(b.getI(at), b.i32(n)), b.i32(4)),
  (b, at, n) => b.ea32(b.wrap(b.getL(at)), b.i32(n)),
  (b, at, n) => b.ea32(b.i32(n), b.getI(at)),
  (b, at, n) => b.extU(b.add(b.getI(at), b.i32(n))),
  (b, at) => b.extU(b.getI(at)),
  (b, at) => b.extS(b.getI(at)),
  (b, at, n) => b.add(b.add(b.getL(at), b.i64(n)), b.i64(-8)),
  (b, at, n) => b.add(b.i64(n), b.getL(at)),
  (b, at, n) => b.add(b.getL(at), b.i64Halves(n, n < 0 ? 0 : -1)),
  (b, at, n) => b.sub(b.getL(at), b.i64(n)),
  (b, at) => b.and(b.getL(at), b.i64(-8)),
  (b, at) => b.or(b.getL(at), b.i64(4)),
];
/** Places where a RAM or its part without code ends. */
const ENDS = [0, PAGE, 3 * PAGE, PAGES * PAGE];
/** Further than passes count. */
const FAR = 1 << 21;
/** Distance of nodes. */
const STRIDE = 0x100, LAST = SLOTS - 1;

export function randomRegion(seed: number, { words, accesses, calls, fewBases, constants, sets: many }: Kind): RegionNode[] {
  const r = new Dice(seed), count = 1 + r.below(6), nodes: RegionNode[] = [], few = constants || r.one(2) ? 6 : LAST;
  const nodeOf = (): number => r.one(8) ? count : r.below(count); // `count` is outside
  const anySlot = () => slot(4 + r.below(few - 3)), base = () => slot(fewBases && !r.one(6) ? 1 : 1 + r.below(3));
  for (let n = 0; n < count; n++) {
    const b = new Builder(), start = RAM + STRIDE * n;
    b.leavesBefore = true;
    b.reset(start | 0, 0);
    const insns = 1 + r.below(5);
    for (let k = 0; k < insns; k++) {
      const values: { i: Val[]; l: Val[] } = { i: [], l: [] }, distance = (to: number) => STRIDE * to - STRIDE * n - 4 * k;
      b.insn((start + 4 * k) | 0, 0, 4 * k);
      const constant = (ty: string): Val => {
        // Few, so that ways that join often have the same low half.
        if (constants && ty === "l" && !r.one(4)) return b.i64Halves(r.pick([8, (RAM + 0x1008) | 0]), r.pick([0, 0, 1, -1]));
        const n = r.one(4) ? r.bits() : r.pick(EDGES);
        return ty === "i" ? b.i32(n | 0) : b.i64Halves(n | 0, r.one(3) ? r.pick([0, -1, -0x8000_0000, 1]) : n >> 31);
      };
      const value = (ty: "i" | "l"): Val => {
        const known = values[ty];
        if (known.length && !r.one(3)) return r.pick(known);
        const v = r.one(3) ? constant(ty) : ty === "i" ? b.getI(anySlot()) : b.getL(anySlot());
        known.push(v);
        return v;
      };
      const pure = (row: OpRow): Val => {
        const [x, y, z] = [...row.args].map((t) => value(t as "i" | "l")), v = b.operation(row, x, y, z);
        values[row.result as "i" | "l"].push(v);
        return v;
      };
      for (let ops = r.below(4); ops > 0; ops--) pure(r.pick(r.one(2) ? PURE : LOOKED_AT));
      if (r.one(12)) values.l.push(b.ticks());
      const address = (): Val => {
        if (r.one(8)) {
          // A constant: anywhere, or at the ends of what there is.
          const at = r.below(PAGES * PAGE);
          return b.i64Halves((RAM + (at % 3 ? at : ENDS[at >> 2 & 3] + (at >> 4) % 16 - 8)) | 0, 0);
        }
        const offset = r.pick([0, 0, 8, 4, -8, 16, 1, 300, -2000, 4080]), at = base();
        if (r.one(6)) return r.pick(UNUSUAL)(b, at, offset);
        if (r.one(3)) return b.ea32(b.getI(at), b.i32(offset));
        return r.one(6) ? b.extU(b.wrap(b.getL(at))) : b.add(b.getL(at), b.i64(offset));
      };
      // One of what may leave in front of its instruction; before anything is set.
      const what = r.below(accesses ? 6 : 14);
      if (what < 3) {
        const row = r.pick(LOADS), at = address(), v = b.operation(row, at);
        values[row.result as "i" | "l"].push(v);
        if (row.rmw) b.operation(STORES.find((s) => s.size === row.size && s.args[1] === row.result)!, at, value(row.result as "i" | "l"));
      } else if (what < 5) {
        const row = r.pick(STORES);
        b.operation(row, address(), value(row.args[1] as "i" | "l"));
      } else if (calls && r.one(2)) {
        const kind = r.below(6);
        if (kind === 5) values.l.push(r.one(2) ? b.call(4, value("l")) : b.call(4, value("l"), value("l")));
        else if (kind < 2) values.l.push(b.call(r.pick([0, 2]), value("l"), value("l"), value("l"), value("l")));
        else if (kind < 4) {
          values.l.push(b.callUnless(r.one(3) ? b.i32(r.below(2)) : value("i"), value("l"), 1, value("l"), value("l"), value("l")));
        } else b.callEndUnless(r.one(2) ? b.i32(r.below(2)) : value("i"), 3, value("l"), value("l"), value("l"), value("l"));
      }
      if (constants && r.one(5)) b.set(base(), b.i64Halves((RAM + r.below(PAGES * PAGE)) | 0, 0));
      if (accesses && r.one(fewBases ? 6 : 3)) {
        const at = base(), from = r.one(6) ? base() : at;
        if (r.one(3)) b.set(at, r.pick(STEPS)(b, from, r.pick([8, -8, 4, 24])));
        else b.set(at, r.one(4) ? b.ea32(b.getI(from), b.i32(r.pick([8, -8]))) : b.add(b.getL(from), b.i64(r.pick([8, -8, 16, 24]))));
      }
      if (words && r.one(2)) {
        // At the edges of what is extended, and looked at at once.
        const at = anySlot(), x = b.getL(anySlot());
        b.set(
          at,
          r.pick([
            () => b.shrU(x, b.i64(r.pick([31, 32, 33]))),
            () => b.shrS(x, b.i64(r.pick([30, 31, 32]))),
            () => b.and(x, b.i64Halves(r.pick([0x7fff_ffff, -0x8000_0000, -1]), 0)),
            () => b.extU(values.i.at(-1) ?? b.getI(anySlot())),
            () => b.select(b.getI(anySlot()), b.extS(b.getI(anySlot())), x),
          ])(),
        );
        b.set(slot(LAST), b.extS(b.getI(at)));
      }
      if (constants && !r.one(3)) {
        // A bit of either half, or a comparison: seen in a choice.
        const got = b.getL(anySlot()), half = r.one(2) ? b.wrap(got) : b.wrap(b.shrU(got, b.i64(32)));
        const known = r.one(3) ? b[r.pick(["eq", "ltU", "geS"] as const)](got, constant("l")) : b.and(half, b.i32(1));
        b.set(slot(LAST), b.select(known, b.add(b.getL(slot(LAST)), b.i64(1)), b.add(b.getL(slot(LAST)), b.i64(3))));
      }
      for (let sets = r.below(many ? 7 : 3); sets > 0; sets--) {
        const at = anySlot();
        if (words && !r.one(24)) b.set(at, r.one(6) ? b.ext32S(value("l")) : b.extS(value("i")));
        else b.set(at, r.one(constants ? 2 : 4) ? constant(r.pick(["i", "l"])) : value(r.pick(["i", "l", "l"])));
      }
      if (k < insns - 1 ? r.one(3) : r.one(2)) b.branchIf(r.one(5) ? b.i32(r.below(2)) : value("i"), distance(nodeOf()));
    }
    const behind = { at: 4 * (insns - 1) }, to = nodeOf();
    const returns = r.one(constants || many ? 2 : 4) ? [...new Set([r.below(count), r.below(count)])] : [];
    if (returns.length) {
      // Now and then to where only the low half is that of a node.
      const target = (m: number) => b.i64Halves((RAM + STRIDE * m) | 0, many && r.one(4) ? 1 : 0), cond = b.getI(anySlot());
      b.jumpTo(b.select(cond, target(r.pick(returns)), target(nodeOf())));
    } else if (calls && r.one(8)) b.callEnd(3, b.getL(anySlot()), b.getL(anySlot()), b.getL(anySlot()), b.getL(anySlot()));
    else if (r.one(24)) b.jumpOut(b.i64Halves((RAM + STRIDE * nodeOf()) | 0, 0));
    else b.jump(STRIDE * to - STRIDE * n - behind.at);
    const targets = new Map<number, number>();
    for (let i = 0; i < b.count; i++) {
      if (!/^(branch|jump)$/.test(OPS[b.op[i]].name)) continue;
      const m = ((b.lo[i] >>> 0) - RAM) / STRIDE;
      targets.set(i, m < count ? m : -1);
    }
    const { op, a, b: second, c, d, e, lo, hi } = b, cut = (list: Int32Array) => list.slice(0, b.count);
    nodes.push({
      pcLo: start | 0,
      pcHi: 0,
      at: STRIDE * n,
      insns: b.insns,
      bytes: codeBytes(b),
      ir: {
        count: b.count,
        op: op.slice(0, b.count),
        a: cut(a),
        b: cut(second),
        c: cut(c),
        d: cut(d),
        e: cut(e),
        lo: cut(lo),
        hi: cut(hi),
      },
      targets,
      returns,
    });
  }
  return nodes;
}

/** Slots: addresses in 1 to 3, often close to the ends of pages, or of what the RAM at `base` has; and values with few or many bits, extended or not. */
export function randomState(r: Dice, ends = false, base = RAM): State {
  const wide = () => BigInt.asUintN(64, BigInt(r.bits()) << 32n | BigInt(r.bits() >>> 0));
  const slots = Array.from({ length: SLOTS }, (_, n): bigint => {
    if (n > 0 && n < 4) {
      const at = ends && !r.one(4)
        ? r.pick(ENDS) + r.below(32) - 24
        : r.one(8)
        ? r.below(PAGES * PAGE)
        : PAGE * r.below(PAGES) + r.pick([0, 8, 64, 2048, 3000, 4080, 4088, 4089, 4091]);
      // Now and then with an upper half that 32-bit addresses leave out.
      return BigInt(base + at) + BigInt(r.one(6) ? r.pick([-1, 1]) : 0) * 2n ** 32n & 2n ** 64n - 1n;
    }
    return BigInt.asUintN(64, r.pick([wide(), BigInt(r.pick(EDGES)), BigInt(r.bits()), BigInt(r.bits() >>> 0), BigInt(r.below(2))]));
  });
  const ram = new Uint8Array(PAGES * PAGE), words = new Int32Array(ram.buffer);
  for (let n = 0; n < words.length; n++) words[n] = Math.imul(n + 1, 0x85eb_ca6b) ^ r.state;
  return { slots, ram };
}
