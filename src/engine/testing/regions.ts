// Regions without an engine, for tests of the passes: a control-flow graph of IR is run by compiled code in a memory of its own, and by the
// evaluator, instruction by instruction. Whichever way compiled code is left, and after how many instructions, the evaluator has to be in the
// same state after as many.
import type { Ir } from "../../ir/builder.ts";
import type { Builder } from "../../ir/builder.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { CONTINUE, FAULT, FINISH, type Status } from "../../ir/frontend.ts";
import { ARG, BUDGET, CLOCK, CONTEXT, GUEST, PAGE, PC, RESULT, TLB, TLB_HALF, TLB_INVALID, TLB_SIZE, TLBS } from "../../ir/layout.ts";
import { type Limits, limitsOf } from "../../ir/limits.ts";
import { INSN, JUMP, JUMP_TO } from "../../ir/ops.ts";
import { LEFT } from "../interpreter.ts";
import { compileRegion } from "../jit.ts";
import type { RegionCode } from "../region_function.ts";
import type { JitOption } from "../jit_options.ts";
import type { RegionNode } from "../region.ts";

/** Slots that programs use, 8 bytes each. */
export const SLOTS = 24, slot = (n: number): number => GUEST + 8 * n;
/** Guest memory: 6 pages, under translation in frames that differ from state to state; page 3 is read-only, 4 absent, 5 a device's. */
export const RAM = 0x8000_0000, PAGES = 6;
const READONLY = 3, ABSENT = 4, DEVICE = 5;
const TLB_AT = TLBS, RAM_AT = TLB_AT + TLB_SIZE, BYTES = Math.ceil((RAM_AT + PAGES * PAGE) / 65536) * 65536;
export const LIMITS: Limits = limitsOf({ tlbEntries: 4 });

export interface State {
  readonly slots: readonly bigint[];
  readonly ram: Uint8Array;
}
/** What a run has done besides. */
export interface Events {
  fills: number;
  stores: number;
  reason: number;
  instructions: number;
  code: RegionCode;
}
interface Place {
  readonly node: number;
  readonly ir: Builder;
  readonly pc: bigint;
}

/** Each instruction of the nodes as a block of its own, by its pc. */
function instructionsOf(nodes: readonly RegionNode[]): Map<bigint, Place> {
  const places = new Map<bigint, Place>();
  for (const [node, { ir, pcLo, pcHi }] of nodes.entries()) {
    const start = BigInt(pcHi >>> 0) << 32n | BigInt(pcLo >>> 0);
    for (let from = 0; from < ir.count;) {
      let end = from + 1;
      while (end < ir.count && ir.op[end] !== INSN) end++;
      const more = end < ir.count ? 1 : 0, count = end - from + more, pc = start + BigInt(ir.lo[from]);
      const cut = (list: Int32Array, base: number) =>
        Int32Array.from({ length: count }, (_, i) => (list[from + i] ?? 0) - (list[from + i] >= base ? base : 0));
      const own = {
        count,
        op: Uint8Array.from({ length: count }, (_, i) => i < end - from ? ir.op[from + i] : JUMP),
        a: cut(ir.a, from),
        b: cut(ir.b, from),
        c: cut(ir.c, from),
        d: cut(ir.d, from),
        e: cut(ir.e, from),
        lo: Int32Array.from(ir.lo.subarray(from, end + more)),
        hi: Int32Array.from(ir.hi.subarray(from, end + more)),
        startLo: Number(BigInt.asIntN(32, pc)),
        startHi: Number(BigInt.asIntN(32, pc >> 32n)),
        insns: 1,
      };
      own.lo[0] = 0;
      if (more) {
        const next = start + BigInt(ir.lo[end]);
        own.lo[count - 1] = Number(BigInt.asIntN(32, next));
        own.hi[count - 1] = Number(BigInt.asIntN(32, next >> 32n));
      }
      places.set(pc, { node, ir: own as unknown as Builder, pc });
      from = end;
    }
  }
  return places;
}

/** Frame of a byte; undefined where the access faults. `turn` tells the page tables. */
function frame(address: bigint, write: boolean, physical: boolean, turn: number): number | undefined {
  const at = Number(BigInt.asUintN(64, address)) - RAM, page = Math.floor(at / PAGE);
  if (!(page >= 0 && page < PAGES)) return undefined;
  if (physical) return at;
  return page === ABSENT || page === DEVICE || (page === READONLY && write) ? undefined : (5 * page + turn) % PAGES * PAGE + at % PAGE;
}

/** Helpers over the slots: they set one that programs read and one that is a base; some fault, some ask to stop, one ends the block. */
const helpersOf = (view: DataView): { name: string; run(): Status }[] => {
  const arg = (n: number) => view.getBigUint64(ARG + 8 * n, true);
  const add = (n: number, by: bigint) => view.setBigUint64(slot(n), BigInt.asUintN(64, view.getBigUint64(slot(n), true) + by), true);
  const returns = (v: bigint): void => {
    view.setBigUint64(RESULT, BigInt.asUintN(64, v), true);
    add(4, 0x1_0000_0001n);
    add(1, 8n);
  };
  return [
    { name: "mix", run: () => (returns(arg(0) ^ arg(1) << 1n), CONTINUE) },
    { name: "check", run: () => (arg(0) & 7n) === 5n ? FAULT : (returns(arg(0) ^ arg(1) << 1n), CONTINUE) },
    { name: "ask", run: () => (returns(arg(0) + 1n), (arg(0) & 3n) === 1n ? FINISH : CONTINUE) },
    {
      name: "end",
      run: () => {
        returns(0n);
        view.setBigUint64(PC, BigInt(RAM), true);
        return CONTINUE;
      },
    },
  ];
};

export interface Compare {
  readonly off: readonly JitOption[];
  readonly physical: boolean;
  /** What is taken from the present state for `narrow`; else nothing. */
  readonly assume: boolean;
  readonly budget: number;
  /** The region is made for the first state, and entered with all of them. */
  readonly states: readonly State[];
  readonly limits?: Partial<Limits>;
}

/** A copy of nodes: passes change them. */
export const copyNodes = (nodes: readonly RegionNode[]): RegionNode[] =>
  nodes.map((n) => {
    const { count, op, a, b, c, d, e, lo, hi } = n.ir;
    const ir: Ir = {
      count,
      op: op.slice(),
      a: a.slice(),
      b: b.slice(),
      c: c.slice(),
      d: d.slice(),
      e: e.slice(),
      lo: lo.slice(),
      hi: hi.slice(),
    };
    return { ...n, ir };
  });

/** Runs compiled code and the evaluator; what happened for each state. @throws {Error} they differ */
export function compareRegion(nodes: readonly RegionNode[], { off, physical, assume, budget, states, limits }: Compare): Events[] {
  const memory = new WebAssembly.Memory({ initial: BYTES / 65536, maximum: BYTES / 65536 }), u8 = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer), i32 = new Int32Array(memory.buffer), u64 = new BigUint64Array(memory.buffer);
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 }), helpers = helpersOf(view), all = { ...LIMITS, ...limits };
  const load = (s: State) => s.slots.forEach((v, n) => u64[slot(n) >> 3] = v);
  load(states[0]);
  const free = budget % 3 ? { from: PAGE, length: 2 * PAGE } : undefined;
  const code = compileRegion(copyNodes(nodes), {
    block: 0x200,
    memoryPages: BYTES / 65536,
    off: new Set(off),
    limits: all,
    verify: true,
    guard: 0,
    count: 0,
    ram: physical
      ? {
        base: RAM,
        length: PAGES * PAGE,
        offset: RAM_AT,
        only: budget % 2 === 0,
        free,
      }
      : undefined,
    isExtended: assume ? (at) => i32[(at >> 2) + 1] === i32[at >> 2] >> 31 : undefined,
  });
  const events: Events = { fills: 0, stores: 0, reason: 0, instructions: 0, code }, every: Events[] = [];
  let faulted = false, turn = 0;
  /** Pages that writes were looked up for. */
  const looked = new Set<number>();
  const entryOf = (lo: number, write: boolean) => (TLB_AT + (write ? TLB_HALF : 0) + (((lo >>> 12) & (all.tlbEntries - 1)) << 4)) >> 2;
  const fill = (lo: number, hi: number, access: number): number => {
    events.fills++;
    const write = (access & 1) === 1, size = access >> 1, address = BigInt.asUintN(64, BigInt(hi) << 32n | BigInt(lo >>> 0));
    const at = frame(address, write, physical, turn), end = frame(address + BigInt(size - 1), write, physical, turn);
    const page = Number(address - BigInt(RAM)) >> 12;
    if (!physical && page === DEVICE || at === undefined && physical) return 0;
    if (at === undefined || end === undefined) return physical ? 0 : 2;
    const e = entryOf(lo, write);
    i32[e] = lo & -PAGE;
    i32[e + 1] = hi;
    i32[e + 2] = RAM_AT + (at & -PAGE) - (lo & -PAGE);
    if (write) looked.add(at >> 12);
    return 1;
  };
  const store = (lo: number, hi: number, size: number): number => {
    events.stores++;
    if ((lo & (PAGE - 1)) + size > PAGE) return 3;
    const filled = fill(lo, hi, 1 | size << 1);
    if (filled !== 1) return filled === 2 ? 1 : 3;
    const at = (lo + i32[entryOf(lo, true) + 2]) >>> 0;
    for (let n = 0; n < size; n++) u8[at + n] = u8[RESULT + n];
    return events.stores % 5 === 0 ? 2 : 0;
  };
  const imports = {
    e: {
      memory,
      table,
      fill,
      store,
      // Nothing here is known to reach a device.
      load: () => 0,
      value: () => 0,
      regionHelper: (index: number) => {
        if (index >= 0) return helpers[index].run();
        faulted = true;
        return FINISH;
      },
    },
  };
  const run = new WebAssembly.Instance(new WebAssembly.Module(code.bytes), imports).exports.region as (budget: number) => number;
  const places = instructionsOf(nodes), pages = u8.subarray(RAM_AT, RAM_AT + PAGES * PAGE);
  for (const state of states) {
    turn++;
    looked.clear();
    u8.fill(0, TLB_AT, RAM_AT);
    for (let half = TLB_AT >> 2; half < RAM_AT >> 2; half += TLB_HALF >> 2) {
      for (const n of [0, all.tlbEntries - 1]) i32[half + 4 * n] = TLB_INVALID;
    }
    load(state);
    pages.set(state.ram);
    i32[TLB >> 2] = TLB_AT;
    i32[CONTEXT >> 2] = 16;
    u64[CLOCK >> 3] = 1000n + BigInt(budget);
    u64[PC >> 3] = BigInt.asUintN(64, BigInt(nodes[0].pcHi) << 32n | BigInt(nodes[0].pcLo >>> 0));
    Object.assign(events, { fills: 0, stores: 0 });
    faulted = false;
    const start = u64[PC >> 3], reason = run(budget), instructions = budget - i32[BUDGET >> 2];
    every.push({ ...events, reason, instructions });
    if (reason === LEFT.verify) {
      if (instructions !== 0) throw new Error("left for verify behind the entry");
      continue;
    }
    const expected = evaluated(places, state, start, instructions, physical, faulted, turn);
    const different: string[] = [];
    for (let n = 0; n < SLOTS; n++) {
      const want = expected.slots.getBigUint64(slot(n), true), got = u64[slot(n) >> 3];
      if (want !== got) different.push(`slot ${n} is 0x${got.toString(16)}, not 0x${want.toString(16)}`);
    }
    // A fault is recorded and not delivered here: its pc is the instruction's own.
    if (u64[PC >> 3] !== expected.pc) different.push(`the pc is 0x${u64[PC >> 3].toString(16)}, not 0x${expected.pc.toString(16)}`);
    const at = pages.findIndex((b, i) => b !== expected.ram[i]);
    if (at >= 0) different.push(`byte 0x${at.toString(16)} is ${pages[at]}, not ${expected.ram[at]}`);
    // Only writes into the part without code need not be looked up.
    const written = pages.findIndex((b, i) =>
      b !== state.ram[i] && physical && !looked.has(i >> 12) &&
      !(free && !off.includes("free") && i >= free.from && i < free.from + free.length)
    );
    if (written >= 0) different.push(`byte 0x${written.toString(16)} was written, and nobody looked whether there is code`);
    if (faulted !== expected.faulted) different.push(`it faulted: ${faulted}, due: ${expected.faulted}`);
    if (different.length) throw new Error(`after ${instructions} instructions, left by ${reason}: ${different.join("; ")}`);
  }
  return every;
}

/** The evaluator, an instruction at a time. */
class Stepper {
  readonly slots = new DataView(new ArrayBuffer(0x1_0000));
  readonly ram: Uint8Array;
  faulted = false;
  #done = 0n;
  constructor(
    readonly places: Map<bigint, Place>,
    state: State,
    public pc: bigint,
    readonly clock: bigint,
    readonly physical: boolean,
    readonly turn: number,
  ) {
    this.ram = state.ram.slice();
    state.slots.forEach((v, n) => this.slots.setBigUint64(slot(n), v, true));
  }
  readonly helpers = helpersOf(this.slots);
  #bytes(address: bigint, size: number, write: boolean): number[] | undefined {
    const at = Array.from({ length: size }, (_, n) => frame(address + BigInt(n), write, this.physical, this.turn));
    return at.includes(undefined) ? undefined : at as number[];
  }
  load(address: bigint, size: number, write: boolean): bigint | undefined {
    return this.#bytes(address, size, write)?.reduceRight((v, at) => v << 8n | BigInt(this.ram[at]), 0n);
  }
  store(address: bigint, size: number, value: bigint): boolean {
    const at = this.#bytes(address, size, true);
    at?.forEach((a, n) => this.ram[a] = Number(value >> BigInt(8 * n) & 0xffn));
    return at !== undefined;
  }
  /** Whether the last instruction has gone to a node on a way that is none of the region's: computed, or by a helper. */
  leaves(nodes: readonly RegionNode[]): boolean {
    const { node, ir } = this.#last!, to = this.places.get(this.pc)?.node, last = ir.op[ir.count - 1];
    return this.#helper || (last === JUMP_TO && to !== undefined && !nodes[node].returns.includes(to));
  }
  #last: Place | undefined;
  #helper = false;
  /** False when the pc is in no node. */
  step(): boolean {
    const place = this.#last = this.places.get(this.pc);
    if (!place) return false;
    // The evaluator takes the block for the budget.
    this.slots.setBigUint64(CLOCK, this.clock + ++this.#done, true);
    const exit = evaluate(place.ir, this);
    this.faulted = exit.kind === "fault";
    this.#helper = exit.kind === "helper";
    this.pc = exit.pc;
    return true;
  }
}
/** The state behind so many instructions; the last one of a run that `faulted` has to fault. */
function evaluated(
  places: Map<bigint, Place>,
  state: State,
  pc: bigint,
  count: number,
  physical: boolean,
  faulted: boolean,
  turn: number,
): Stepper {
  const run = new Stepper(places, state, pc, 1000n, physical, turn);
  for (let n = 0; n < count; n++) {
    const at = run.pc;
    if (!run.step()) throw new Error(`the evaluator is at 0x${at.toString(16)} after ${n} of ${count} instructions`);
    if (run.faulted && !(faulted && n === count - 1)) throw new Error(`the evaluator faults at 0x${at.toString(16)}`);
  }
  return run;
}

/**
 * Runs the evaluator over nodes and over what passes made of them, side by side for at most `count` instructions; how many there were.
 * @throws {Error} they differ behind an instruction
 */
export function compareNodes(nodes: readonly RegionNode[], changed: readonly RegionNode[], state: State, count: number): number {
  const start = BigInt.asUintN(64, BigInt(nodes[0].pcHi) << 32n | BigInt(nodes[0].pcLo >>> 0));
  const sides = [nodes, changed].map((n) => new Stepper(instructionsOf(n), state, start, 1000n, false, 0)), [a, b] = sides;
  let done = 0;
  for (let n = 0; n < count; n++) {
    const at = a.pc;
    if (!a.step()) break;
    b.step();
    for (let s = 0; s < SLOTS; s++) {
      const want = a.slots.getBigUint64(slot(s), true), got = b.slots.getBigUint64(slot(s), true);
      if (want !== got) throw new Error(`behind 0x${at.toString(16)}: slot ${s} is 0x${got.toString(16)}, not 0x${want.toString(16)}`);
    }
    if (a.pc !== b.pc) throw new Error(`behind 0x${at.toString(16)}: the pc is 0x${b.pc.toString(16)}, not 0x${a.pc.toString(16)}`);
    done = n + 1;
    if (a.faulted || a.leaves(nodes)) break;
  }
  if (a.ram.some((v, i) => v !== b.ram[i])) throw new Error("memory differs");
  return done;
}
