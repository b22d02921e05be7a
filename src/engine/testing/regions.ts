// Regions without an engine, for tests of the passes: a control-flow graph of IR is run by compiled code in a memory of its own, and by the
// evaluator, instruction by instruction. Whichever way compiled code is left, and after how many instructions, the evaluator has to be in the
// same state after as many.
import type { Ir } from "../../ir/builder.ts";
import type { Builder } from "../../ir/builder.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { CONTINUE, FAULT, FINISH, type Status } from "../../ir/frontend.ts";
import {
  ANSWER,
  ARG,
  BUDGET,
  CLOCK,
  CONTEXT,
  CURRENT,
  GUEST,
  IP,
  JUMP_CACHE,
  PAGE,
  PC,
  RESULT,
  TLB,
  TLB_HALF,
  TLB_INVALID,
  TLB_SIZE,
  TLBS,
} from "../../ir/layout.ts";
import { type Limits, limitsOf } from "../../ir/limits.ts";
import { INSN, JUMP, JUMP_OUT, JUMP_TO } from "../../ir/ops.ts";
import { interpreterModule, jumpIndex, LEFT } from "../interpreter.ts";
import { compileRegion } from "../jit.ts";
import type { RegionCode } from "../region_function.ts";
import type { JitOption } from "../jit_options.ts";
import type { RegionNode } from "../region.ts";
import { Selector, SMALL } from "../select.ts";
import { H_COUNT, H_PC, HEADER_BYTES, UOPS } from "../uops.ts";

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
  loads: number;
  values: number;
  reason: number;
  instructions: number;
  code: RegionCode;
}
interface Place {
  readonly node: number;
  /** The operation of the node that begins it. */
  readonly from: number;
  readonly ir: Builder;
  readonly pc: bigint;
}

/** Where compiled code counts its instructions: behind the slots. */
const COUNT = slot(SLOTS + 2);
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
      places.set(pc, { node, from, ir: own as unknown as Builder, pc });
      from = end;
    }
  }
  return places;
}

/** Frame of a byte; undefined where the access faults. `turn` tells the page tables; memory begins at `base`. */
function frame(address: bigint, write: boolean, physical: boolean, turn: number, base = RAM): number | undefined {
  const at = Number(BigInt.asUintN(64, address)) - base, page = Math.floor(at / PAGE);
  if (!(page >= 0 && page < PAGES)) return undefined;
  if (physical) return at;
  return page === ABSENT || page === DEVICE || (page === READONLY && write) ? undefined : (5 * page + turn) % PAGES * PAGE + at % PAGE;
}

const END = 3, VALUE = 4;
const valueOf = (slots: DataView, x: number, y: number): number => x ^ y << 1 ^ slots.getInt32(slot(5), true);
const statusOf = (x: number): Status => (x & 7) === 5 ? FAULT : (x & 3) === 1 ? FINISH : CONTINUE;
/** Helpers over the slots: they set one that programs read and one that is a base; some fault, some ask to stop, one ends the block. */
const helpersOf = (view: DataView): { name: string; run(): Status }[] => {
  const arg = (n: number) => view.getBigUint64(ARG + 8 * n, true);
  const add = (n: number, by: bigint) => view.setBigUint64(slot(n), BigInt.asUintN(64, view.getBigUint64(slot(n), true) + by), true);
  const all = () => arg(0) ^ arg(1) << 1n ^ arg(2) << 2n ^ arg(3) << 3n;
  const returns = (v: bigint): void => {
    view.setBigUint64(RESULT, BigInt.asUintN(64, v), true);
    add(4, 0x1_0000_0001n);
    add(1, 8n);
  };
  return [
    { name: "mix", run: () => (returns(all()), CONTINUE) },
    { name: "check", run: () => (arg(0) & 7n) === 5n ? FAULT : (returns(all()), CONTINUE) },
    { name: "ask", run: () => (returns(all() + 1n), (arg(0) & 3n) === 1n ? FINISH : CONTINUE) },
    {
      name: "end",
      run: () => {
        returns(all());
        add(6, all());
        view.setBigUint64(PC, BigInt(RAM), true);
        return (arg(1) & 3n) === 1n ? FINISH : CONTINUE;
      },
    },
    // What has `value` changes no slot, and looks at some.
    {
      name: "value",
      run: () => {
        const [x, y] = [arg(0), arg(1)].map((v) => Number(v & 0xffff_ffffn));
        view.setBigUint64(RESULT, BigInt(valueOf(view, x, y) >>> 0), true);
        return statusOf(x);
      },
    },
  ];
};

export interface Compare {
  readonly off: readonly JitOption[];
  readonly physical: boolean;
  /** What is taken from the present state for `narrow`; else nothing. */
  readonly assume: boolean;
  /** Some accesses were seen to reach devices. */
  readonly devices?: boolean;
  readonly budget: number;
  /** The region is made for the first state, and entered with all of them. */
  readonly states: readonly State[];
  readonly limits?: Partial<Limits>;
  /** Where memory begins, if it is not at RAM. */
  readonly base?: number;
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
export function compareRegion(
  nodes: readonly RegionNode[],
  { off, physical, assume, devices, budget, states, limits, base = RAM }: Compare,
): Events[] {
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
    count: COUNT,
    values: new Set([VALUE]),
    // Each third access, as if it had been seen to reach a device.
    isDevice: devices ? (node, offset) => (node.at + offset >> 2) % 3 === 0 : undefined,
    ram: physical
      ? {
        base,
        length: PAGES * PAGE,
        offset: RAM_AT,
        only: budget % 2 === 0,
        free,
      }
      : undefined,
    isExtended: assume ? (at) => i32[(at >> 2) + 1] === i32[at >> 2] >> 31 : undefined,
  });
  const events: Events = { fills: 0, stores: 0, loads: 0, values: 0, reason: 0, instructions: 0, code }, every: Events[] = [];
  let faulted = false, turn = 0, asked = false;
  /** What asks to stop behind its instruction is the last thing that is called. */
  const called = (): void => {
    if (asked) throw new Error("it goes on behind an instruction that asked to stop");
  };
  /** Pages that writes were looked up for. */
  const looked = new Set<number>();
  const entryOf = (lo: number, write: boolean) => (TLB_AT + (write ? TLB_HALF : 0) + (((lo >>> 12) & (all.tlbEntries - 1)) << 4)) >> 2;
  const fill = (lo: number, hi: number, access: number): number => {
    called();
    events.fills++;
    const write = (access & 1) === 1, size = access >> 1, address = BigInt.asUintN(64, BigInt(hi) << 32n | BigInt(lo >>> 0));
    const at = frame(address, write, physical, turn, base),
      end = frame(address + BigInt(size - 1), write, physical, turn, base);
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
    called();
    events.stores++;
    if ((lo & (PAGE - 1)) + size > PAGE) return 3;
    const filled = fill(lo, hi, 1 | size << 1);
    if (filled !== 1) return filled === 2 ? 1 : 3;
    const at = (lo + i32[entryOf(lo, true) + 2]) >>> 0;
    for (let n = 0; n < size; n++) u8[at + n] = u8[RESULT + n];
    asked = events.stores % 5 === 0;
    return asked ? 2 : 0;
  };
  const imports = {
    e: {
      memory,
      table,
      fill,
      store,
      load: (lo: number, hi: number, size: number) => {
        called();
        events.loads++;
        const address = BigInt.asUintN(64, BigInt(hi) << 32n | BigInt(lo >>> 0));
        const at = Array.from({ length: size }, (_, n) => frame(address + BigInt(n), false, physical, turn, base));
        if (at.includes(undefined)) return i32[ANSWER >> 2] = FAULT;
        const v = at.reduceRight((v, a) => v << 8n | BigInt(u8[RAM_AT + a!]), 0n);
        asked = events.loads % 5 === 0;
        i32[ANSWER >> 2] = asked ? FINISH : CONTINUE;
        i32[(RESULT >> 2) + 1] = Number(v >> 32n);
        return Number(v & 0xffff_ffffn);
      },
      value: (_helper: number, x: number, y: number) => {
        called();
        events.values++;
        asked = statusOf(x) === FINISH;
        i32[ANSWER >> 2] = statusOf(x);
        return valueOf(view, x, y);
      },
      regionHelper: (index: number) => {
        if (index >= 0) {
          called();
          const status = helpers[index].run();
          asked = status === FINISH;
          return status;
        }
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
    Object.assign(events, { fills: 0, stores: 0, loads: 0, values: 0 });
    u64[COUNT >> 3] = 100n;
    faulted = asked = false;
    const start = u64[PC >> 3], reason = run(budget), instructions = budget - i32[BUDGET >> 2];
    every.push({ ...events, reason, instructions });
    if (reason === LEFT.verify) {
      if (instructions !== 0) throw new Error("left for verify behind the entry");
      continue;
    }
    const expected = evaluated(places, state, start, instructions, physical, faulted, turn, base, true);
    const different = differences(expected, u64, pages, faulted);
    if (asked && reason !== LEFT.attention) different.push("it was asked to stop");
    if (u64[COUNT >> 3] !== 100n + BigInt(instructions)) different.push(`it counts ${u64[COUNT >> 3] - 100n} instructions`);
    // Only writes into the part without code need not be looked up.
    const written = pages.findIndex((b, i) =>
      b !== state.ram[i] && physical && !looked.has(i >> 12) &&
      !(free && !off.includes("free") && i >= free.from && i < free.from + free.length)
    );
    if (written >= 0) different.push(`byte 0x${written.toString(16)} was written, and nobody looked whether there is code`);
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
    readonly base = RAM,
  ) {
    this.ram = state.ram.slice();
    state.slots.forEach((v, n) => this.slots.setBigUint64(slot(n), v, true));
  }
  /** A helper has asked to stop behind its instruction. */
  asked = false;
  readonly helpers = helpersOf(this.slots).map(({ name, run }) => ({
    name,
    run: () => {
      this.onCall();
      const status = run();
      this.asked ||= status === FINISH;
      return status;
    },
  }));
  #bytes(address: bigint, size: number, write: boolean): number[] | undefined {
    const at = Array.from({ length: size }, (_, n) => frame(address + BigInt(n), write, this.physical, this.turn, this.base));
    return at.includes(undefined) ? undefined : at as number[];
  }
  /** Told of each access, and of each helper that runs. */
  onAccess: (address: bigint) => void = () => {};
  onCall: () => void = () => {};
  load(address: bigint, size: number, write: boolean): bigint | undefined {
    this.onAccess(address);
    return this.#bytes(address, size, write)?.reduceRight((v, at) => v << 8n | BigInt(this.ram[at]), 0n);
  }
  store(address: bigint, size: number, value: bigint): boolean {
    this.onAccess(address);
    const at = this.#bytes(address, size, true);
    at?.forEach((a, n) => this.ram[a] = Number(value >> BigInt(8 * n) & 0xffn));
    return at !== undefined;
  }
  /** Where it is; undefined outside of the nodes. */
  get place(): Place | undefined {
    return this.places.get(this.pc);
  }
  /** Whether the last instruction has gone to a node on a way that is none of the region's: computed, or by a helper. */
  leaves(nodes: readonly RegionNode[]): boolean {
    const { node, ir } = this.#last!, to = this.places.get(this.pc)?.node, last = ir.op[ir.count - 1];
    return this.#helper || last === JUMP_OUT || (last === JUMP_TO && to !== undefined && !nodes[node].returns.includes(to));
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
/** What of a run's registers, pc, memory and end is not as the evaluator has it. */
function differences(expected: Stepper, u64: BigUint64Array, ram: Uint8Array, faulted: boolean): string[] {
  const different: string[] = [];
  for (let n = 0; n < SLOTS; n++) {
    const want = expected.slots.getBigUint64(slot(n), true), got = u64[slot(n) >> 3];
    if (want !== got) different.push(`slot ${n} is 0x${got.toString(16)}, not 0x${want.toString(16)}`);
  }
  // A fault is recorded and not delivered here: its pc is the instruction's own.
  if (u64[PC >> 3] !== expected.pc) different.push(`the pc is 0x${u64[PC >> 3].toString(16)}, not 0x${expected.pc.toString(16)}`);
  const at = ram.findIndex((b, i) => b !== expected.ram[i]);
  if (at >= 0) different.push(`byte 0x${at.toString(16)} is ${ram[at]}, not ${expected.ram[at]}`);
  if (faulted !== expected.faulted) different.push(`it faulted: ${faulted}, due: ${expected.faulted}`);
  return different;
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
  base = RAM,
  /** Whether it stops where a helper asks for it. */
  stops = false,
): Stepper {
  const run = new Stepper(places, state, pc, 1000n, physical, turn, base);
  for (let n = 0; n < count; n++) {
    const at = run.pc;
    if (!run.step()) throw new Error(`the evaluator is at 0x${at.toString(16)} after ${n} of ${count} instructions`);
    if (stops && run.asked && n < count - 1) throw new Error(`a helper asked to stop behind 0x${at.toString(16)}`);
    if (run.faulted && !(faulted && n === count - 1)) throw new Error(`the evaluator faults at 0x${at.toString(16)}`);
  }
  return run;
}

/** What the interpreter did. */
export interface Interpreted {
  /** Times that it came back since the jump cache, or a jump, did not know where to go on; accesses that the TLB did not have. */
  readonly lookups: number;
  readonly unlinked: number;
  readonly slow: number;
  readonly reason: number;
  /** Micro-ops of all blocks. */
  readonly uops: Uint16Array;
}
/**
 * Runs the interpreter over the nodes, each selected as a block, and one by one where the budget is too small, and the evaluator; what happened
 * for each state. @throws {Error} they differ
 */
export function compareInterpreter(nodes: readonly RegionNode[], budget: number, states: readonly State[]): Interpreted[] {
  const SMALL_AT = RAM_AT + PAGES * PAGE, ARENA = SMALL_AT + 16 * SMALL, LITERALS = ARENA + 0x8_0000, pages = Math.ceil(LITERALS / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages }),
    buffer = memory.buffer as ArrayBuffer,
    view = new DataView(buffer);
  const u8 = new Uint8Array(buffer), u16 = new Uint16Array(buffer), i32 = new Int32Array(buffer), u64 = new BigUint64Array(buffer);
  const selector = new Selector(buffer, SMALL_AT, LITERALS, 8), places = instructionsOf(nodes), ram = u8.subarray(RAM_AT, SMALL_AT);
  let arena = ARENA, turn = 0, lookups = 0, unlinked = 0, slow = 0;
  const select = (ir: Builder): number => {
    const at = arena;
    arena = selector.select(ir, at);
    return at + HEADER_BYTES;
  };
  const pcOf = ({ pcLo, pcHi }: RegionNode) => BigInt(pcHi >>> 0) << 32n | BigInt(pcLo >>> 0);
  const blocks = new Map(
    nodes.map((n) => [pcOf(n), select({ ...n.ir, startLo: n.pcLo, startHi: n.pcHi, insns: n.insns } as Builder)] as const),
  );
  const uops = u16.slice(ARENA >> 1, arena >> 1), singles = new Map<bigint, number>(), helpers = helpersOf(view);
  const single = (pc: bigint): number | undefined => {
    const place = places.get(pc);
    if (place && !singles.has(pc)) singles.set(pc, select(place.ir));
    return singles.get(pc);
  };
  const access = (ip: number, lo: number, hi: number): Status => {
    slow++;
    const { kind, root } = UOPS[u16[ip >> 1]], { size, signed, rmw, result } = root!, write = kind === "store" || rmw === true;
    const address = BigInt.asUintN(64, BigInt(hi) << 32n | BigInt(lo >>> 0));
    const at = Array.from({ length: size! }, (_, n) => frame(address + BigInt(n), write, false, turn));
    if (at.includes(undefined)) return FAULT;
    if (at.at(-1) === at[0]! + size! - 1) {
      const e = (TLB_AT + (write ? TLB_HALF : 0) + ((lo >>> 12 & LIMITS.tlbEntries - 1) << 4)) >> 2;
      i32.set([lo & -PAGE, hi, RAM_AT + (at[0]! & -PAGE) - (lo & -PAGE)], e);
    }
    if (kind === "store") at.forEach((a, n) => ram[a!] = u8[u16[(ip + 6) >> 1] + n]);
    else {
      const v = at.reduceRight((v, a) => v << 8n | BigInt(ram[a!]), 0n),
        all = signed ? BigInt.asIntN(8 * size!, v) : v,
        dst = u16[(ip + 2) >> 1];
      if (result === "l") view.setBigUint64(dst, BigInt.asUintN(64, all), true);
      else view.setUint32(dst, Number(BigInt.asUintN(32, all)), true);
    }
    return CONTINUE;
  };
  const helper = (index: number): Status => {
    const status = helpers[index].run();
    u64.fill(0n, ARG >> 3, (ARG >> 3) + 4);
    // Where a helper that does not end its block asks to stop, the engine has to do something: see its own tests.
    return status === FINISH && index !== END ? CONTINUE : status;
  };
  const table = new WebAssembly.Table({ element: "anyfunc", initial: 1 });
  const imports = { memory, table, slow: (ip: number, _left: number, lo: number, hi: number) => access(ip, lo, hi), helper };
  const run = new WebAssembly.Instance(new WebAssembly.Module(interpreterModule(pages, LIMITS)), { e: imports }).exports.run as (
    ip: number,
    budget: number,
  ) => number;
  return states.map((state) => {
    turn++;
    [lookups, unlinked, slow] = [0, 0, 0];
    u8.fill(0, JUMP_CACHE, RAM_AT);
    for (let half = TLB_AT >> 2; half < RAM_AT >> 2; half += TLB_HALF >> 2) {
      for (const n of [0, LIMITS.tlbEntries - 1]) i32[half + 4 * n] = TLB_INVALID;
    }
    state.slots.forEach((v, n) => u64[slot(n) >> 3] = v);
    ram.set(state.ram);
    [i32[TLB >> 2], i32[CONTEXT >> 2]] = [TLB_AT, 0x1230];
    u64[CLOCK >> 3] = 1000n + BigInt(budget);
    const start = u64[PC >> 3] = pcOf(nodes[0]);
    let left = budget, faulted = false, reason = -1;
    while (left > 0 && !faulted) {
      const pc = u64[PC >> 3], whole = blocks.get(pc);
      const block = whole !== undefined && u16[(whole + H_COUNT) >> 1] <= left ? whole : single(pc);
      if (block === undefined) break;
      if (block === whole && reason === LEFT.lookup) {
        i32.set([Number(BigInt.asIntN(32, pc)), Number(pc >> 32n), 0x1230, block], jumpAt(pc));
      }
      reason = run(block, left);
      const ip = i32[IP >> 2], from = i32[CURRENT >> 2];
      left = i32[BUDGET >> 2];
      if (reason === LEFT.fault) {
        u64[PC >> 3] = view.getBigUint64(from + H_PC, true) + BigInt(u16[(ip + 12) >> 1]);
        left += u16[(ip + 14) >> 1] - 1;
        faulted = true;
      } else if (reason === LEFT.budget) u64[PC >> 3] = view.getBigUint64(ip + H_PC, true);
      else if (reason === LEFT.unlinked) {
        unlinked++;
        const to = u64[PC >> 3] = view.getBigUint64(i32[(ip + 4) >> 2], true);
        i32[(ip + 8) >> 2] = blocks.get(to) ?? 0;
      } else if (reason === LEFT.lookup) lookups++;
      else if (reason !== LEFT.attention) throw new Error(`the interpreter left with reason ${reason}`);
    }
    const expected = evaluated(places, state, start, budget - left, false, faulted, turn);
    const different = differences(expected, u64, ram, faulted);
    if (different.length) throw new Error(`after ${budget - left} instructions, left by ${reason}: ${different.join("; ")}`);
    return { lookups, unlinked, slow, reason, uops };
  });
}
const jumpAt = (pc: bigint) => (JUMP_CACHE + jumpIndex(Number(BigInt.asIntN(32, pc)), 0x1230, LIMITS.jumpEntries - 1 << 4)) >> 2;

/** What happens while nodes are evaluated. */
export interface Witness {
  /** An instruction begins; the slots are as it finds them. */
  begins(node: number, operation: number, slots: DataView): void;
  /** The next access of the instruction. */
  accesses(address: bigint): void;
  /** A helper runs. */
  calls(): void;
}
/** Evaluates nodes for at most `count` instructions, up to a fault or to where the region is left; how many there were. */
export function witness(nodes: readonly RegionNode[], state: State, count: number, { begins, accesses, calls }: Witness): number {
  const start = BigInt.asUintN(64, BigInt(nodes[0].pcHi) << 32n | BigInt(nodes[0].pcLo >>> 0));
  const run = new Stepper(instructionsOf(nodes), state, start, 1000n, true, 0);
  [run.onAccess, run.onCall] = [accesses, calls];
  for (let n = 0; n < count; n++) {
    const { place } = run;
    if (!place) return n;
    begins(place.node, place.from, run.slots);
    run.step();
    if (run.faulted || run.leaves(nodes)) return n;
  }
  return count;
}

/**
 * Runs the evaluator over nodes and over what passes made of them, side by side for at most `count` instructions; how many there were.
 * `look` sees the slots behind each.
 * @throws {Error} they differ behind an instruction
 */
export function compareNodes(
  nodes: readonly RegionNode[],
  changed: readonly RegionNode[],
  state: State,
  count: number,
  look: (slots: DataView) => void = () => {},
): number {
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
    look(a.slots);
    done = n + 1;
    if (a.faulted || a.leaves(nodes)) break;
  }
  if (a.ram.some((v, i) => v !== b.ram[i])) throw new Error("memory differs");
  return done;
}
