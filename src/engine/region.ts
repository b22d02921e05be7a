// Finds what to compile together: the blocks that direct jumps, branches and likely returns reach from a hot one, as a control-flow graph
// of IR. The same translation as the interpreter's makes them, so there is one meaning of every instruction.
import { type Builder, codeBytes, type Ir } from "../ir/builder.ts";
import type { Limits } from "../ir/limits.ts";
import { BRANCH, CONST_I, CONST_L, INSN, JUMP, JUMP_TO, SET_I, SET_L, WRITES } from "../ir/ops.ts";

/** A block of the region: straight code that may leave by branches in the middle. */
export interface RegionNode {
  readonly pcLo: number;
  readonly pcHi: number;
  /** Distance in bytes from the region's entry. */
  readonly at: number;
  readonly insns: number;
  /** Bytes of code that it was made of. */
  readonly bytes: number;
  /** Copied out of the builder; passes change it. */
  readonly ir: Ir;
  /** Nodes that its branches, jump and predicted returns go to, in the order of its operations; -1 for targets outside. */
  readonly targets: ReadonlyMap<number, number>;
  /** Nodes at which a computed jump may well arrive: instructions behind calls. */
  readonly returns: readonly number[];
}

/** Translates at most `max` instructions at `at` bytes from the entry into the builder; false when there is no code there to be had. */
export type TranslateAt = (at: number, max: number) => boolean;

/** The region whose entry the builder's translation at 0 starts; undefined when not even that can be translated. */
export function findRegion(b: Builder, translate: TranslateAt, limits: Limits): RegionNode[] | undefined {
  const { regionNodes, regionInstructions, regionReturns, blockInstructions } = limits;
  const bodies = new Map<number, { starts: number[]; insns: number }>(), behindCalls = new Set<number>();
  const queue = [0];
  let insns = 0;
  // Every leader's code up to its end, to learn where instructions begin and where jumps go.
  for (let q = 0; q < queue.length && bodies.size < regionNodes && insns < regionInstructions; q++) {
    const at = queue[q];
    if (bodies.has(at) || !translate(at, blockInstructions)) continue;
    const starts: number[] = [];
    let call: number | undefined;
    for (let i = 0; i < b.count; i++) {
      const op = b.op[i];
      if (op === INSN) starts.push(at + b.lo[i]);
      else if (op === BRANCH || op === JUMP) {
        const to = distance(b, b.lo[i], b.hi[i]);
        if (to !== undefined) queue.push(at + to);
      } else if (op === SET_L || op === SET_I || WRITES[op]) {
        // A register, or a place on the stack, that gets the address behind the last instruction: a call.
        const v = WRITES[op] ? b.b[i] : b.a[i];
        const to = isConst(b.op[v]) ? distance(b, b.lo[v], b.op[v] === CONST_L ? b.hi[v] : b.startHi) : undefined;
        if (to !== undefined && starts.length > 0 && to > starts.at(-1)! - at && to <= starts.at(-1)! - at + 8) call = at + to;
      }
    }
    const last = b.op[b.count - 1];
    if (call !== undefined && (last === JUMP || last === JUMP_TO)) {
      behindCalls.add(call);
      queue.push(call);
    }
    bodies.set(at, { starts, insns: b.insns });
    insns += b.insns;
  }
  if (!bodies.has(0)) return undefined;
  // Once more, each leader up to the next one.
  const leaders = [...bodies.keys()], index = new Map(leaders.map((at, i) => [at, i])), nodes: RegionNode[] = [];
  const returns = [...behindCalls].map((at) => index.get(at) ?? -1).filter((i) => i >= 0).slice(0, regionReturns);
  for (const at of leaders) {
    const { starts } = bodies.get(at)!, cut = starts.findIndex((s, i) => i > 0 && index.has(s));
    translate(at, cut > 0 ? cut : blockInstructions);
    const targets = new Map<number, number>();
    for (let i = 0; i < b.count; i++) {
      if (b.op[i] !== BRANCH && b.op[i] !== JUMP) continue;
      const to = distance(b, b.lo[i], b.hi[i]);
      targets.set(i, to === undefined ? -1 : index.get(at + to) ?? -1);
    }
    nodes.push({
      pcLo: b.startLo,
      pcHi: b.startHi,
      at,
      insns: b.insns,
      bytes: codeBytes(b),
      ir: copy(b),
      targets,
      returns: b.op[b.count - 1] === JUMP_TO ? returns : [],
    });
  }
  return nodes;
}

const isConst = (op: number) => op === CONST_L || op === CONST_I;

/** How far a pc (halves) is from the start of the builder's block, if that is less than 32 KiB. */
function distance(b: Builder, lo: number, hi: number): number | undefined {
  const d = (lo - b.startLo) | 0;
  const expected = d >= 0 ? b.startHi + ((lo >>> 0) < (b.startLo >>> 0) ? 1 : 0) : b.startHi - ((lo >>> 0) > (b.startLo >>> 0) ? 1 : 0);
  return Math.abs(d) < 32768 && (expected | 0) === hi ? d : undefined;
}

function copy(b: Builder): Ir {
  const n = b.count;
  return {
    count: n,
    op: b.op.slice(0, n),
    a: b.a.slice(0, n),
    b: b.b.slice(0, n),
    c: b.c.slice(0, n),
    d: b.d.slice(0, n),
    e: b.e.slice(0, n),
    lo: b.lo.slice(0, n),
    hi: b.hi.slice(0, n),
  };
}
