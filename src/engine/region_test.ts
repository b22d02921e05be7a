// Which blocks are compiled together, against the definition: random programs, whose leaders, cuts, ways and returns are found here by looking at
// the program, not at its IR.
import { assert, assertEquals } from "@std/assert";
import { Builder } from "../ir/builder.ts";
import { GUEST } from "../ir/layout.ts";
import { limitsOf } from "../ir/limits.ts";
import { OPS } from "../ir/ops.ts";
import { findRegion } from "./region.ts";
import { Dice } from "./testing/random_region.ts";

/** What an instruction, 4 bytes long, does; `to`: the instruction that it names, which may be anywhere. */
interface Instruction {
  readonly kind: "plain" | "branch" | "jump" | "call" | "push and call" | "call register" | "computed";
  readonly to: number;
  /** Of calls: how far behind them the address is that they leave. */
  readonly behind: number;
}
const KINDS = ["plain", "plain", "plain", "branch", "branch", "jump", "call", "push and call", "call register", "computed"] as const;
const REGISTER = GUEST + 8, FAR = 1 << 13;
const isCall = ({ kind, behind }: Instruction) => /call/.test(kind) && behind > 0 && behind <= 8;
/** Where it goes, by constants; undefined where that is too far, and elsewhere. */
const wayOf = ({ kind, to }: Instruction, entry: number): number | undefined =>
  /^(branch|jump|call|push and call)$/.test(kind) && Math.abs(to - entry) < FAR ? to : undefined;
const ends = ({ kind }: Instruction) => kind !== "plain" && kind !== "branch";

/** Start of the program, and where its pcs cross 2 GiB and 4 GiB. */
const STARTS = [[0x8000_0100, 0], [0x7fff_ffe0, 0], [0xffff_ffd0, 0], [0xffff_ffd0, -1], [0x100, 5]] as const;

Deno.test("a region's nodes are what the definition says: leaders, cuts, ways, returns, and no more than the limits allow", () => {
  const counts: Record<string, number> = {}, count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let seed = 1; seed <= 1500; seed++) {
    const r = new Dice(seed), length = 1 + r.below(24), [startLo, startHi] = r.pick(STARTS), message = `seed ${seed}`;
    const program = Array.from({ length }, (_, n): Instruction => {
      const near = r.one(8) ? r.pick([-1, length, n + FAR - 1, n + FAR, n - FAR, n - FAR + 1, n + 2 ** 29]) : r.below(length);
      return { kind: r.pick(KINDS), to: near, behind: r.pick([4, 4, 4, 8, 0, 12, -4]) };
    });
    const entry = r.below(length), refused = new Set(r.one(3) ? [r.below(length)] : []), b = new Builder();
    const pcOf = (n: number) => {
      const pc = (BigInt(startHi) << 32n) + BigInt(startLo) + 4n * BigInt(n);
      return [Number(BigInt.asIntN(32, pc)), Number(BigInt.asIntN(32, pc >> 32n))] as const;
    };
    const limits = limitsOf({
      regionNodes: r.pick([1, 2, 5, 96]),
      regionInstructions: r.pick([1, 4, 12, 1500]),
      regionReturns: r.pick([1, 2, 6]),
      blockInstructions: r.pick([1, 3, 64]),
    });
    const there = (n: number) => n >= 0 && n < length && !refused.has(n);
    const nodes = findRegion(b, (distance, max) => {
      const first = entry + distance / 4;
      if (!there(first)) return false;
      b.reset(...pcOf(first));
      for (let n = first; !b.ended; n++) {
        const offset = 4 * (n - first), { kind, to, behind } = program[n] ?? {};
        if (kind === undefined || n - first === max) {
          b.pcLo = pcOf(n - 1)[0];
          b.pcHi = pcOf(n - 1)[1];
          b.cut(4);
          break;
        }
        b.insn(...pcOf(n), offset);
        if (kind === "call" || kind === "call register") b.set(REGISTER, b.pcPlus(behind));
        if (kind === "push and call") b.store("store64.l", b.getL(REGISTER + 8), b.pcPlus(behind));
        if (kind === "plain") b.set(REGISTER + 16, r.one(2) ? b.getL(REGISTER) : b.i64(0x1234_5678));
        else if (kind === "branch") b.branchIf(b.getI(REGISTER), 4 * (to - n));
        else if (kind === "computed" || kind === "call register") b.jumpTo(b.getL(REGISTER + 24));
        else b.jump(4 * (to - n));
      }
      b.codeBytes = 4 * b.insns;
      return true;
    }, limits);
    /** Instructions of a block that begins at one: up to its end, or where it is cut. */
    const block = (first: number, max: number): number[] => {
      const all: number[] = [];
      for (let n = first; n < length && all.length < max; n++) {
        all.push(n);
        if (ends(program[n])) break;
      }
      return all;
    };
    /** Where a block goes on when nothing ends it. */
    const after = (all: readonly number[]) => ends(program[all.at(-1)!]) ? undefined : all.at(-1)! + 1;
    // Leaders: breadth first, from the entry.
    const leaders: number[] = [], queue = [entry], behindCalls = new Set<number>();
    let insns = 0;
    for (const at of queue) {
      if (leaders.length === limits.regionNodes || insns >= limits.regionInstructions) {
        count("no more room");
        break;
      }
      if (leaders.includes(at) || !there(at)) continue;
      const all = block(at, limits.blockInstructions), last = program[all.at(-1)!];
      for (const n of all) {
        const to = wayOf(program[n], at);
        if (to !== undefined) queue.push(to);
        else if (program[n].kind !== "plain") count("no way, or too far");
      }
      if (after(all) !== undefined) queue.push(after(all)!);
      if (isCall(last)) {
        const back = all.at(-1)! + last.behind / 4;
        behindCalls.add(back);
        queue.push(back);
      }
      leaders.push(at);
      insns += all.length;
    }
    assertEquals(nodes?.map((n) => entry + n.at / 4) ?? [], leaders, message);
    const returns = [...behindCalls].map((n) => leaders.indexOf(n)).filter((i) => i >= 0).slice(0, limits.regionReturns);
    for (const [i, node] of (nodes ?? []).entries()) {
      const whole = block(leaders[i], limits.blockInstructions), cut = whole.findIndex((n, k) => k > 0 && leaders.includes(n));
      const all = cut > 0 ? whole.slice(0, cut) : whole, last = program[all.at(-1)!], next = after(all), { ir } = node;
      assertEquals([[node.pcLo, node.pcHi], node.insns, node.bytes], [pcOf(leaders[i]), all.length, 4 * all.length], message);
      const ways = all.filter((n) => program[n].kind !== "plain" && program[n].kind !== "computed" && program[n].kind !== "call register")
        .map((n) => wayOf(program[n], leaders[i])).concat(next === undefined ? [] : [next]);
      assertEquals([...node.targets.values()], ways.map((n) => n === undefined ? -1 : leaders.indexOf(n)), message);
      for (const at of node.targets.keys()) assert(/^(branch|jump)$/.test(OPS[ir.op[at]].name), message);
      const computed = last.kind === "computed" || last.kind === "call register";
      assertEquals(node.returns, computed ? returns : [], message);
      assertEquals([ir.op.length, ir.lo.length, OPS[ir.op[0]].name], [ir.count, ir.count, "insn"], message);
      count(cut > 0 ? "cut at a leader" : next === undefined ? "ends" : "goes on");
      if (computed && returns.length) count("returns");
      if (node.targets.size && [...node.targets.values()].includes(-1)) count("leads out");
    }
  }
  const FLOORS: Readonly<Record<string, number>> = {
    "cut at a leader": 100,
    ends: 500,
    "goes on": 200,
    returns: 100,
    "leads out": 300,
    "no more room": 200,
    "no way, or too far": 100,
  };
  for (const [what, floor] of Object.entries(FLOORS)) assert((counts[what] ?? 0) >= floor, `${what}: ${JSON.stringify(counts)}`);
});
