// The engine with a toy instruction set of this file's own: what every instruction set relies on, in the interpreter and in compiled code.
// Toy instructions are words: operation, rd, rs1, a signed byte (register or immediate); WIDE has a second word, its immediate.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Bus } from "../core/bus.ts";
import { BusFault } from "../core/errors.ts";
import type { Builder, I64 } from "../ir/builder.ts";
import type { LoadName } from "../ir/ops.ts";
import {
  type Access,
  type Code,
  CONTINUE,
  type Core,
  type CoreEnv,
  FAULT,
  FETCH,
  FINISH,
  type Helper,
  READ,
  type Status,
  WRITE,
} from "../ir/frontend.ts";
import {
  ARG,
  CACHE_LIMIT,
  GUEST,
  JUMP_CACHE,
  PAGE,
  PAGE_CACHE_BYTES,
  PAGE_CACHES,
  PC,
  REGIMES,
  RESULT,
  SWITCH,
  SWITCH_END,
  TLB_HALF,
  TLB_SIZE,
} from "../ir/layout.ts";
import { Engine, type EngineOptions, loadJit } from "./engine.ts";
import { LIMITS } from "../ir/limits.ts";
import { H_PC, UOP } from "./uops.ts";
import { Covered } from "../../tests/covered.ts";
import { Dice } from "./testing/random_region.ts";

await loadJit();

const RAM = 0x8000_0000, RAM_BYTES = 16 << 20, DEVICE = 0x1000_0000;
const CODE = RAM + 0x1000, VECTOR = RAM + 0x8000, DATA = RAM + 0x1_0000;
const R = (n: number) => GUEST + 8 * n;
/** Where the toy keeps the address and the cause of its last exception. */
const EPC = GUEST + 0x100, CAUSE = GUEST + 0x108;
const PAGE_FAULT = 10, BUS_FAULT = 20, HELPER_FAULT = 30, INTERRUPT = 40; // + Access for the first two

type Fields = { readonly rd: number; readonly rs1: number; readonly imm: number };
const register = (b: Builder, n: number): I64 => b.getL(R(n));
const address = (b: Builder, f: Fields): I64 => b.add(register(b, f.rs1), b.i64(f.imm));
const load = (kind: LoadName) => (b: Builder, f: Fields) => b.set(R(f.rd), b.load(kind, address(b, f)));
const store = (kind: "store8.l" | "store16.l" | "store32.l" | "store64.l") => (b: Builder, f: Fields) =>
  b.store(kind, address(b, f), register(b, f.rd));
const branch = (on: "eq" | "ne") => (b: Builder, f: Fields) => b.branchIf(b[on](register(b, f.rd), register(b, f.rs1)), 4 * f.imm);
const MNEMONICS: Readonly<Record<string, (b: Builder, f: Fields) => void>> = {
  addi: (b, f) => b.set(R(f.rd), b.add(register(b, f.rs1), b.i64(f.imm))),
  add: (b, f) => b.set(R(f.rd), b.add(register(b, f.rs1), register(b, f.imm))),
  ld: load("load64.l"),
  lb: load("load8S.l"),
  st: store("store64.l"),
  sb: store("store8.l"),
  sh: store("store16.l"),
  sw: store("store32.l"),
  // Adds to memory and gives the old value.
  amo: (b, f) => {
    const at = register(b, f.rs1), old = b.load("rmw64.l", at);
    b.store("store64.l", at, b.add(old, b.i64(f.imm)));
    b.set(R(f.rd), old);
  },
  beq: branch("eq"),
  bne: branch("ne"),
  j: (b, f) => b.jump(4 * f.imm),
  jr: (b, f) => b.jumpTo(register(b, f.rs1)),
  // rd = helper(rs1), and what follows in the same instruction: r15 is set.
  call: (b, f) => {
    b.set(R(f.rd), b.call(0, register(b, f.rs1)));
    b.set(R(15), b.i64(1));
  },
  // The same, and a jump.
  calljump: (b, f) => {
    b.set(R(f.rd), b.call(0, register(b, f.rs1)));
    b.jump(4 * f.imm);
  },
  // rd = rs1 when rs1 is not 0, else helper(rs1, 7).
  unless: (b, f) => b.set(R(f.rd), b.callUnless(b.ne(register(b, f.rs1), b.i64(0)), register(b, f.rs1), 0, b.i64(7))),
  // The helper goes on at pc + 4 imm.
  callend: (b, f) => b.callEnd(1, register(b, f.rs1), b.pcPlus(4 * f.imm), b.pcPlus(0)),
  wide: () => {}, // see translateBlock
};
const NAMES = Object.keys(MNEMONICS), WIDE = NAMES.indexOf("wide");

interface Mapping {
  readonly paddr: number;
  readonly rights: readonly Access[];
}

class Toy implements Core {
  readonly helpers: readonly Helper[] = [
    { name: "call", run: () => this.#helper() },
    {
      name: "callEnd",
      run: () => {
        const status = this.#helper();
        if (status !== FAULT) this.env.i64[PC >> 3] = this.env.i64[(ARG >> 3) + 1];
        return status;
      },
    },
  ];
  /** What helpers say, and how often they were called. */
  status: Status = CONTINUE;
  calls = 0;
  /** Virtual pages that are not mapped as they are. */
  readonly mapped = new Map<number, Mapping | undefined>();
  space = 1;
  flat = false;
  /** Regions may look where code is, without effects. */
  probed = true;
  pending = false;
  asleep = false;
  #cause = 0;
  /** Low half of the address of the last access that nothing answered. */
  faultAt = 0;
  /** Instructions begun when the last helper ran and when the last exception was taken, by the engine's count. */
  counted = -1;
  raised = -1;
  pageCacheable = true;

  constructor(readonly env: CoreEnv) {}
  #helper(): Status {
    this.calls++;
    this.counted = this.env.instructions();
    this.env.i64[RESULT >> 3] = this.env.i64[ARG >> 3] + 100n;
    this.#cause = HELPER_FAULT;
    return this.status;
  }
  mode = () => this.flat ? 1 : 0;
  regime: () => number = () => 0;
  context = () => this.space;
  get physical(): boolean {
    return this.flat;
  }
  get waiting(): boolean {
    return this.asleep;
  }
  translate(lo: number, hi: number, access: Access): number {
    const vaddr = (hi >>> 0) * 2 ** 32 + (lo >>> 0), page = Math.floor(vaddr / PAGE);
    const m = this.mapped.has(page) ? this.mapped.get(page) : { paddr: page * PAGE, rights: [READ, WRITE, FETCH] };
    if (m?.rights.includes(access)) return m.paddr + vaddr % PAGE;
    this.#cause = PAGE_FAULT + access;
    return -1;
  }
  probeFetch(lo: number, hi: number): number {
    return this.probed ? this.translate(lo, hi, FETCH) : -1;
  }
  busFault(lo: number, _hi: number, access: Access): void {
    this.faultAt = lo >>> 0;
    this.#cause = BUS_FAULT + access;
  }
  raise(): void {
    const { i64 } = this.env;
    i64[EPC >> 3] = i64[PC >> 3];
    i64[CAUSE >> 3] = BigInt(this.#cause);
    i64[PC >> 3] = BigInt(VECTOR);
    this.raised = this.env.instructions();
  }
  interrupt(): boolean {
    if (!this.pending) return false;
    this.pending = false;
    this.#cause = INTERRUPT;
    this.raise();
    return true;
  }
  translateBlock(b: Builder, code: Code, max: number): void {
    for (let offset = 0, n = 0; !b.ended; n++) {
      if (n === max || offset >= (code.stop ?? code.limit)) {
        b.insn((b.startLo + offset) | 0, b.startHi, offset);
        b.insns--;
        b.count--;
        b.jump(0);
        return;
      }
      const at = code.at + offset, op = code.bytes[at], crosses = op === WIDE && offset + 4 >= code.limit;
      if (crosses && n > 0) return this.#endBefore(b, offset);
      b.insn((b.startLo + offset) | 0, b.startHi, offset);
      const f = { rd: code.bytes[at + 1], rs1: code.bytes[at + 2], imm: code.bytes[at + 3] << 24 >> 24 };
      if (op === WIDE) {
        const rest = crosses ? code.next() : at + 4;
        if (rest < 0) return b.callEnd(1, b.i64(0), b.pcPlus(0), b.pcPlus(0));
        b.set(R(f.rd), b.add(register(b, f.rs1), b.i64(new DataView(code.bytes.buffer).getInt32(rest, true))));
      } else MNEMONICS[NAMES[op]](b, f);
      offset += op === WIDE ? 8 : 4;
      if (crosses && !b.ended) b.jump(8);
    }
  }
  #endBefore(b: Builder, offset: number): void {
    b.pcLo = (b.startLo + offset) | 0;
    b.jump(0);
  }
}

type Line = readonly [name: string, rd?: number, rs1?: number, imm?: number];

type Window = ConstructorParameters<typeof Engine>[1][number];

class Rig {
  readonly bus = new Bus();
  readonly engine: Engine;
  readonly core: Toy;
  /** What the device was asked, and what it does about it. */
  readonly accesses: string[] = [];
  onAccess: () => void = () => {};

  /** @param more memory besides the RAM */
  constructor(options: EngineOptions, harts = 1, more: readonly Window[] = []) {
    this.engine = new Engine(harts, [{ base: RAM, length: RAM_BYTES, readonly: false }, ...more], this.bus, options);
    this.bus.map(DEVICE, 16, {
      access: { min: 1, max: 4 },
      read: (offset, size) => {
        this.accesses.push(`read ${offset} ${size}`);
        this.onAccess();
        return 0x80 + offset;
      },
      write: (offset, size, value) => {
        if (offset >= 8) throw new BusFault(DEVICE + offset, "write");
        this.accesses.push(`write ${offset} ${size} ${value}`);
        this.onAccess();
      },
    });
    for (const h of this.engine.harts) h.core = new Toy(h);
    this.core = this.engine.harts[0].core as Toy;
    this.pc = CODE;
    this.code(VECTOR, ["j"]);
  }
  get view(): DataView {
    const bytes = this.engine.ramBytes(0);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  /** Writes instructions; what was translated from there is dropped. */
  code(at: number, ...lines: readonly Line[]): this {
    lines.forEach((l, i) => this.view.setInt32(at - RAM + 4 * i, word(...l), true));
    this.engine.wrote(at, 4 * lines.length);
    return this;
  }
  /** Writes instructions into any memory. */
  put(at: number, ...lines: readonly Line[]): this {
    lines.forEach((l, i) => this.engine.memory.i32[this.engine.hostOf(at + 4 * i, 4) >> 2] = word(...l));
    this.engine.wrote(at, 4 * lines.length);
    return this;
  }
  /** Runs hart 0: how many instructions it took. */
  run(budget: number): number {
    this.end = this.engine.run(0, budget);
    return this.engine.executed;
  }
  end = "";
  /** Runs hart 0 for exactly so many instructions, however often the engine comes back. */
  all(budget: number): this {
    for (let left = budget; left > 0;) left -= this.run(left);
    return this;
  }
  /** What the last exception was, where, behind how many instructions. */
  get exception(): readonly number[] {
    return [this.cause, this.epc, this.core.raised];
  }
  get pc(): number {
    return Number(this.engine.pc(0));
  }
  set pc(at: number) {
    this.engine.setPc(0, BigInt(at));
  }
  r(n: number): number {
    return Number(this.core.env.i64[(this.core.env.base() + R(n)) >> 3]);
  }
  set(n: number, value: number): this {
    this.core.env.i64[(this.core.env.base() + R(n)) >> 3] = BigInt(value);
    return this;
  }
  get cause(): number {
    return Number(this.core.env.i64[CAUSE >> 3]);
  }
  get epc(): number {
    return Number(this.core.env.i64[EPC >> 3]);
  }
  /** Registers 0 to 15, pc and the count of a run of `budget`. */
  after(budget: number): unknown {
    const count = this.run(budget);
    return { count, pc: this.pc, registers: Array.from({ length: 16 }, (_, n) => this.r(n)) };
  }
}

const word = (name: string, rd = 0, rs1 = 0, imm = 0): number => NAMES.indexOf(name) | rd << 8 | rs1 << 16 | imm << 24;

/** What the engines did in all tests of `both`, and how many of them there are and have run. */
const all = { interpreter: new Covered(), JIT: new Covered() };
let known = 0, ran = 0;
function done(engine: keyof typeof all, rigs: readonly Rig[]): void {
  rigs.forEach(isSound);
  for (const { engine: { stats } } of rigs) {
    for (const [what, n] of Object.entries(stats)) if (what !== "compileMs") all[engine].count(what, n);
  }
  ran++;
}

/** What holds whenever nothing runs, whatever ran: of watched pages, of the data TLBs and of the jump cache. */
function isSound({ engine: { memory, harts, limits, running } }: Rig): void {
  const { i32, u16, i64 } = memory, inRam = (at: number) => memory.rams.find((r) => at >= r.offset && at < r.offset + r.length);
  for (let at = 0; at < memory.pages * 65536; at += PAGE) assert(memory.why(at) === 0 || inRam(at), `page ${at} of no RAM is watched`);
  for (const hart of harts) {
    const { tlbs, core } = hart;
    for (let half = tlbs; half < tlbs + REGIMES * TLB_SIZE; half += TLB_HALF) {
      // There is one for each regime that was asked for.
      if (i32[half >> 2] === 0 && (hart !== running || Math.floor((half - tlbs) / TLB_SIZE) !== core.regime())) continue;
      for (let n = 0, e = half >> 2; n < limits.tlbEntries; n++, e += 4) {
        const lo = i32[e], what = `entry ${n} of the TLB at ${half}`;
        if ((lo & (PAGE - 1)) !== 0) continue;
        if (i32[e + 3] === 0) {
          // Empty: no access looks here for page 0.
          assert(lo === 0 && i32[e + 1] === 0 && n !== 0 && n !== limits.tlbEntries - 1, `${what} was not filled`);
          continue;
        }
        const at = (lo + i32[e + 2]) >>> 0, ram = inRam(at), writes = (half - tlbs) % TLB_SIZE !== 0;
        assert((lo >>> 12 & (limits.tlbEntries - 1)) === n && at % PAGE === 0, `${what} is of another page`);
        assert(ram && at + PAGE <= ram.offset + ram.length && !(writes && ram.readonly), `${what} leads out of the RAM`);
        assert(!writes || memory.why(at) === 0, `${what} lets writes by that are to be seen`);
      }
    }
  }
  for (let n = 0, e = JUMP_CACHE >> 2; n < limits.jumpEntries; n++, e += 4) {
    const ip = i32[e + 3];
    if (i32[e + 2] !== 0 && u16[ip >> 1] !== UOP.stale) assertEquals(i64[(ip + H_PC) >> 3], i64[e >> 1], `entry ${n} of the jump cache`);
  }
}

/** One test for each engine. */
function both(name: string, test: (make: (harts?: number, more?: readonly Window[]) => Rig) => void): void {
  known += 2;
  const run = (options: EngineOptions): Rig[] => {
    const rigs: Rig[] = [];
    test((harts, more) => {
      rigs.push(new Rig(options, harts, more));
      return rigs.at(-1)!;
    });
    return rigs;
  };
  Deno.test(`interpreter: ${name}`, () => done("interpreter", run({})));
  Deno.test(`JIT: ${name}`, () => {
    const rigs = run({ jit: true, threshold: 1, verify: true });
    assert(rigs.some((r) => r.engine.stats.regions > 0), "nothing was compiled");
    done("JIT", rigs);
  });
}

for (const [access, instruction] of [[READ, "ld"], [WRITE, "st"], [WRITE, "amo"]] as const) {
  both(`a page fault of ${instruction} in mid-block leaves the state before it; the instruction runs once the page is there`, (make) => {
    const t = make().code(CODE, ["addi", 1, 1, 1], [instruction, 2, 10, 0], ["addi", 3, 3, 1], ["j", 0, 0, 0]);
    t.core.mapped.set(DATA / PAGE, undefined);
    t.set(2, 55).set(10, DATA);
    t.view.setUint32(DATA - RAM, 77, true);
    t.all(100);
    assertEquals([...t.exception, t.pc, t.r(1), t.r(2), t.r(3)], [PAGE_FAULT + access, CODE + 4, 1, VECTOR, 1, 55, 0]);
    assertEquals(t.view.getUint32(DATA - RAM, true), 77);
    t.core.mapped.delete(DATA / PAGE);
    t.pc = CODE + 4;
    t.all(100);
    assertEquals([t.pc, t.r(1), t.r(3)], [CODE + 12, 1, 1]);
    assertEquals([t.r(2), t.view.getUint32(DATA - RAM, true)], instruction === "st" ? [55, 55] : [77, 77]);
  });
}

both("a read-modify-write needs write permission for its load", (make) => {
  const t = make().code(CODE, ["ld", 1, 10, 0], ["amo", 2, 10, 5], ["j"]);
  t.core.mapped.set(DATA / PAGE, { paddr: DATA, rights: [READ] });
  t.set(10, DATA).all(100);
  assertEquals(t.exception, [PAGE_FAULT + WRITE, CODE + 4, 1]);
});

both("loads and stores need their own permission, also where the others off the same register have found the page", (make) => {
  for (const [first, second, right, wrong] of [["ld", "st", READ, WRITE], ["st", "ld", WRITE, READ]] as const) {
    const t = make().code(CODE, [first, 1, 10, 0], ["addi", 3, 3, 1], ["bne", 3, 11, -2], [second, 1, 10, 8], ["j", 0, 0, -4]);
    t.core.mapped.set(DATA / PAGE, { paddr: DATA, rights: [right] });
    t.set(10, DATA).set(11, 50).all(500);
    assertEquals([...t.exception, t.r(3)], [PAGE_FAULT + wrong, CODE + 12, 150, 50]);
  }
});

both("accesses to pages that share a TLB entry", (make) => {
  const far = DATA + LIMITS.tlbEntries * PAGE, t = make();
  t.core.mapped.set(far / PAGE, { paddr: DATA + PAGE, rights: [READ, WRITE] });
  t.code(CODE, ["st", 1, 10, 0], ["st", 2, 11, 0], ["ld", 3, 10, 0], ["ld", 4, 11, 0], ["add", 5, 5, 3], ["add", 5, 5, 4], [
    "bne",
    0,
    12,
    -6,
  ], ["j"]);
  t.set(1, 3).set(2, 4).set(10, DATA).set(11, far).set(12, 1);
  assertEquals(t.run(7 * 50), 350);
  assertEquals([t.pc, t.r(3), t.r(4), t.r(5)], [CODE, 3, 4, 350]);
});

both("a TLB that nothing was put into answers nothing, not even at both ends of the address space", (make) => {
  for (const at of [0, PAGE - 8, PAGE - 4, 5 * PAGE, -4, -8, -PAGE]) {
    for (const [instruction, access] of [["ld", READ], ["st", WRITE]] as const) {
      const t = make().code(CODE, ["addi", 1, 1, 1], [instruction, 2, 10, 0], ["addi", 3, 3, 1], ["j"]);
      t.set(10, at).all(10);
      assertEquals([t.cause, t.epc, t.r(1), t.r(3)], [BUS_FAULT + access, CODE + 4, 1, 0], `${instruction} at ${at}`);
      // Nor when it was full in more regimes than a flush remembers singly.
      t.code(CODE, ["ld", 2, 10, 0], ["add", 10, 10, 12], ["bne", 10, 11, -2], [instruction, 2, 13, 0], ["j"]);
      t.core.translate = (lo) => lo >>> 0 < RAM ? DATA : lo >>> 0;
      t.set(11, 4096 * PAGE).set(12, PAGE).set(13, at);
      for (const regime of [2, 1, 0]) {
        t.core.regime = () => regime;
        t.pc = CODE;
        t.set(10, 0).all(3 * 4096);
        assertEquals([t.pc, t.r(10)], [CODE + 12, 4096 * PAGE]);
      }
      t.core.env.flushTlb();
      delete (t.core as Partial<Toy>).translate;
      t.all(1);
      assertEquals([t.cause, t.epc], [BUS_FAULT + access, CODE + 12], `${instruction} at ${at}`);
    }
  }
});

both("an access across pages reads and writes both, wherever they are", (make) => {
  const t = make().code(CODE, ["st", 1, 10, -4], ["ld", 2, 10, -4], ["lb", 3, 10, 3], ["sh", 4, 10, -1], ["ld", 5, 10, -4], ["j"]);
  t.core.mapped.set(DATA / PAGE + 1, { paddr: DATA + 0x9000, rights: [READ, WRITE] });
  t.set(10, DATA + PAGE).set(4, 0x1122);
  t.core.env.i64[R(1) >> 3] = -0x7766554433221101n;
  t.all(100);
  assertEquals(t.core.env.i64[R(2) >> 3], -0x7766554433221101n);
  assertEquals(t.r(3), -0x78);
  assertEquals(
    t.core.env.u64[R(5) >> 3],
    0x8899aabb_22ddeeffn & 0xffffff_0000_ffffffn | 0x8899aa_11_22_ddeeffn & 0xffff00_0000n | 0x88n << 56n,
  );
});

for (const [name, bytes] of [["ld", 8], ["st", 8], ["sw", 4], ["sh", 2], ["sb", 1], ["amo", 8]] as const) {
  both(`${name} across pages whose frames are not neighbours, where the same register has reached either page before`, (make) => {
    const value = 0x1122_3344_5566_7788n, frames = [DATA + 7 * PAGE, DATA + 3 * PAGE];
    for (let before = -1; before <= bytes; before++) {
      for (const [first, second] of [[8, -8], [-8, 8]]) {
        // What is read beside it is written again: loads and stores remember pages of their own.
        const beside = (at: number): Line[] => [["ld", 3, 10, at], ["st", 3, 10, at]];
        const line: Line = [name, 2, 10, name === "amo" ? 5 : 0];
        const t = make().code(CODE, ...beside(first), line, ...beside(second), ["j", 0, 0, -5]);
        t.core.mapped.set(DATA / PAGE, { paddr: frames[0], rights: [READ, WRITE] });
        t.core.mapped.set(DATA / PAGE + 1, { paddr: frames[1], rights: [READ, WRITE] });
        /** Where byte `n` from the second page's start is. */
        const place = (n: number) => (n < 0 ? frames[0] + PAGE : frames[1]) - RAM + n;
        const word = (n: number) => {
          let all = 0n;
          for (let i = 7; i >= 0; i--) all = all << 8n | BigInt(t.view.getUint8(place(n + i)));
          return BigInt.asIntN(64, all);
        };
        for (let n = -32; n < 32; n++) t.view.setUint8(place(n), 0x40 + n);
        const old = word(-before), around = [word(-before - 8), word(-before + 8)], mask = (1n << BigInt(8 * bytes)) - 1n, turns = 3;
        const stored = name === "ld" ? old : name === "amo" ? old + 5n * BigInt(turns) : old & ~mask | value & mask;
        t.set(10, DATA + PAGE - before).core.env.i64[R(2) >> 3] = value;
        t.all(6 * turns);
        const what = `${before} bytes before the page's end, behind one at ${first}`;
        assertEquals(t.core.env.i64[R(2) >> 3], name === "ld" ? old : name === "amo" ? old + 5n * BigInt(turns - 1) : value, what);
        assertEquals([word(-before - 8), word(-before), word(-before + 8)], [around[0], stored, around[1]], what);
      }
    }
  });
}

both("an access across pages that faults on the second one changes nothing", (make) => {
  for (const [instruction, access] of [["st", WRITE], ["ld", READ]] as const) {
    const t = make().code(CODE, ["addi", 1, 1, 1], [instruction, 2, 10, -1], ["addi", 3, 3, 1], ["j"]);
    t.core.mapped.set(DATA / PAGE + 1, undefined);
    t.set(10, DATA + PAGE).set(2, -1);
    t.all(100);
    assertEquals([...t.exception, t.r(1), t.r(2), t.r(3)], [PAGE_FAULT + access, CODE + 4, 1, 1, -1, 0]);
    assertEquals(t.view.getUint8(DATA + PAGE - 1 - RAM), 0);
  }
});

both("a store across pages of which one refuses changes nothing, whether nothing is there or a device refuses", (make) => {
  const end = RAM + RAM_BYTES;
  for (const flat of [false, true]) {
    for (const instruction of ["sh", "sw", "st"] as const) {
      const t = make().code(CODE, ["addi", 1, 1, 1], [instruction, 2, 10, -1], ["addi", 3, 3, 1], ["bne", 0, 1, -3]);
      t.core.flat = flat;
      t.set(10, DATA).set(2, -1).run(400);
      t.view.setUint8(RAM_BYTES - 1, 0x5a);
      t.set(10, end).set(1, 0).set(3, 0);
      t.pc = CODE;
      t.all(10);
      assertEquals([t.cause, t.epc, t.r(1), t.r(3)], [BUS_FAULT + WRITE, CODE + 4, 1, 0], instruction);
      assertEquals([t.core.faultAt, t.view.getUint8(RAM_BYTES - 1)], [end, 0x5a]);
    }
  }
  // The second page is a device that takes the first 8 bytes only; the first one is memory.
  const t = make().code(CODE, ["st", 2, 10, -1], ["addi", 3, 3, 1], ["bne", 0, 11, -2], ["j"]).set(2, -1).set(10, DATA + PAGE).set(11, 1);
  t.run(300);
  t.view.setUint8(DATA + PAGE - 1 - RAM, 0x5a);
  t.core.mapped.set(DATA / PAGE + 1, { paddr: DEVICE + 8, rights: [READ, WRITE] });
  t.core.env.flushTlb();
  t.pc = CODE;
  t.all(10);
  assertEquals([t.cause, t.epc, t.core.faultAt], [BUS_FAULT + WRITE, CODE, DATA + PAGE]);
  assertEquals([t.view.getUint8(DATA + PAGE - 1 - RAM), t.accesses], [0x5a, []]);
  // And one that takes them all.
  t.core.mapped.set(DATA / PAGE + 1, { paddr: DEVICE, rights: [READ, WRITE] });
  t.pc = CODE;
  t.all(1);
  assertEquals([t.pc, t.view.getUint8(DATA + PAGE - 1 - RAM), t.accesses.length], [CODE + 4, 255, 7]);
});

/** What may follow the instruction that is stopped at; where the next instruction is. */
const FOLLOWERS: readonly (readonly [string, Line])[] = [
  ["an operation", ["addi", 3, 3, 1]],
  ["a load", ["ld", 3, 10, 0]],
  ["a jump", ["j", 0, 0, 5]],
  ["a jump back", ["j", 0, 0, -2]],
  ["a computed jump", ["jr", 0, 9]],
  ["a taken branch", ["beq", 0, 0, 5]],
  ["a branch not taken", ["bne", 0, 0, 5]],
  ["a helper's call", ["call", 3, 1]],
  ["a helper that ends the block", ["callend", 0, 1, 5]],
  ["another access", ["lb", 3, 8, 0]],
];

for (const [what, follower] of FOLLOWERS) {
  both(`a device that asks for attention is left exactly after its access, before ${what}`, (make) => {
    for (const [instruction, seen] of [["lb", "read 4 1"], ["sw", "write 4 4 9"]] as const) {
      const t = make().code(CODE, ["addi", 1, 1, 1], [instruction, 2, 8, 4], follower, ["addi", 4, 4, 1], ["j"]);
      t.set(2, 9).set(8, DEVICE).set(9, CODE).set(10, DATA);
      let asked = 0;
      t.onAccess = () => {
        asked++;
        t.engine.attention();
      };
      assertEquals([t.run(100), t.end], [2, "slice"], instruction);
      assertEquals([t.pc, t.r(1), t.r(3), t.r(4), asked], [CODE + 8, 1, 0, 0, 1], instruction);
      assertEquals(t.accesses, [seen]);
      assertEquals(t.r(2), instruction === "lb" ? -0x7c : 9);
      // An interrupt that the access raised comes before the next instruction.
      t.pc = CODE;
      t.onAccess = () => {
        t.core.pending = true;
        t.engine.attention();
      };
      t.all(100);
      assertEquals(t.exception, [INTERRUPT, CODE + 8, 4]);
    }
  });
}

both("a device is accessed once for each instruction, 8 bytes as two halves, a misaligned access by bytes", (make) => {
  const t = make().code(CODE, ["st", 1, 8, 0], ["ld", 2, 8, 0], ["sh", 1, 8, 1], ["bne", 0, 8, -3], ["j"]).set(8, DEVICE);
  t.core.env.i64[R(1) >> 3] = 0x0000_0002_0000_0001n;
  assertEquals(t.run(4), 4);
  assertEquals(t.accesses, ["write 0 4 1", "write 4 4 2", "read 0 4", "read 4 4", "write 1 1 1", "write 2 1 0"]);
  assertEquals(t.core.env.u64[R(2) >> 3], 0x0000_0084_0000_0080n);
  t.run(400);
  assertEquals(t.accesses.length, 6 * 101);
});

both("where nothing answers the access faults, precisely", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["st", 1, 8, 8], ["addi", 1, 1, 1], ["j"]).set(8, DEVICE);
  assertEquals([...t.all(10).exception, t.r(1)], [BUS_FAULT + WRITE, CODE + 4, 1, 1]);
  t.pc = CODE;
  t.set(8, 0x2000_0000);
  assertEquals([...t.all(10).exception, t.r(1)], [BUS_FAULT + WRITE, CODE + 4, 11, 2]);
  t.pc = 0x3000_0000;
  assertEquals([...t.all(10).exception, t.pc], [BUS_FAULT + FETCH, 0x3000_0000, 20, VECTOR]);
});

both("a store into the running block is seen by the next instruction", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["sw", 2, 10, 0], ["addi", 3, 3, 1], ["addi", 4, 4, 1], ["bne", 5, 1, -4], ["j"]);
  t.set(10, CODE + 8).set(5, 3).set(2, word("addi", 3, 3, 10));
  t.all(100);
  assertEquals([t.pc, t.r(1), t.r(3), t.r(4)], [CODE + 20, 3, 30, 3]);
  // Once more, from translated code, back to what it was.
  t.pc = CODE;
  t.set(1, 0).set(3, 0).set(2, word("addi", 3, 3, 1));
  t.all(3);
  assertEquals([t.pc, t.r(3)], [CODE + 12, 1]);
});

both("a store into another block is seen when that is entered, by a link or from the jump cache", (make) => {
  for (const enter of [["j", 0, 0, 14], ["jr", 0, 9, 0]] as const) {
    const t = make().code(CODE, ["addi", 1, 1, 1], ["sw", 2, 10, 0], enter).code(CODE + 64, ["addi", 3, 3, 1], ["j", 0, 0, -17]);
    t.set(9, CODE + 64).set(10, DATA).set(2, word("addi", 3, 3, 10));
    t.all(5 * 20);
    assertEquals([t.pc, t.r(1), t.r(3)], [CODE, 20, 20]);
    t.set(10, CODE + 64);
    t.all(5);
    assertEquals([t.pc, t.r(3)], [CODE, 30]);
    t.set(2, word("addi", 3, 3, 100));
    t.all(5 * 10);
    assertEquals([t.pc, t.r(3)], [CODE, 1030]);
  }
});

both("code that is written in many small steps, beside data on its page", (make) => {
  const t = make();
  // r3 += imm of an instruction whose immediate grows each time round.
  t.code(CODE, ["addi", 3, 3, 0], ["lb", 4, 10, 3], ["addi", 4, 4, 1], ["sb", 4, 10, 3], ["bne", 4, 5, -4], [
    "j",
  ]);
  t.set(10, CODE).set(5, 60);
  t.all(300);
  assertEquals([t.pc, t.r(3), t.r(4)], [CODE + 20, 59 * 60 / 2, 60]);
});

both("code that is written from outside is translated anew", (make) => {
  const t = make().code(CODE, ["addi", 3, 3, 1], ["j", 0, 0, -1]);
  t.all(200);
  t.code(CODE, ["addi", 3, 3, 10]);
  t.all(200);
  assertEquals([t.pc, t.r(3)], [CODE, 1100]);
});

both("the budget ends after any number of instructions", (make) => {
  const program: Line[] = [
    ["addi", 1, 1, 1],
    ["st", 1, 10, 0],
    ["beq", 1, 5, 6], // out at the 9th time
    ["ld", 2, 10, 0],
    ["bne", 2, 6, 2], // skips one, but for the 4th time
    ["add", 3, 3, 2],
    ["call", 4, 3],
    ["j", 0, 0, -7],
    ["unless", 7, 8, 0],
    ["jr", 0, 9],
  ];
  // One rig, which begins anew each time: nothing of what it did before may be left. Making so many would be most of the work.
  const t = make().code(CODE, ...program), { i64 } = t.core.env;
  const rig = () => {
    t.engine.reset();
    i64.fill(0n, R(0) >> 3, R(16) >> 3);
    t.view.setBigUint64(DATA - RAM, 0n, true);
    t.pc = CODE;
    return t.set(5, 9).set(6, 4).set(9, CODE).set(10, DATA);
  };
  const stepped = rig(), expected = [stepped.after(0)];
  for (let n = 1; n <= 90; n++) expected.push({ ...stepped.after(1) as object, count: n });
  for (let n = 0; n <= 90; n++) {
    assertEquals(rig().after(n), expected[n]);
    const twice = rig(), first = twice.run(n >> 1), rest = twice.after(n - first) as object;
    assertEquals([first, { ...rest, count: n }], [n >> 1, expected[n]]);
  }
  const warm = rig();
  for (let n = 1, total = 0; total + n <= 90; n = n % 7 + 1) {
    assertEquals({ ...warm.after(n) as object, count: total += n }, expected[total]);
  }
});

both("breakpoints stop before their instruction, in mid-block and at a jump's target, and let go on", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["addi", 2, 2, 1], ["addi", 3, 3, 1], ["j", 0, 0, -3]);
  t.all(400);
  t.engine.setBreakpoints(new Set([BigInt(CODE + 8)]));
  assertEquals([t.run(100), t.end, t.pc, t.r(2), t.r(3)], [2, "breakpoint", CODE + 8, 101, 100]);
  assertEquals([t.run(100), t.end, t.pc, t.r(3)], [4, "breakpoint", CODE + 8, 101]);
  assertEquals([t.run(3), t.end, t.pc], [3, "slice", CODE + 4]);
  t.engine.setBreakpoints(new Set([BigInt(CODE)]));
  assertEquals([t.run(100), t.end, t.pc], [3, "breakpoint", CODE]);
  assertEquals([t.run(100), t.end, t.pc], [4, "breakpoint", CODE]);
  t.engine.setBreakpoints(new Set());
  assertEquals([t.run(400), t.end], [400, "slice"]);
});

both("an instruction across pages: its second page may be absent, be somewhere else, and change", (make) => {
  const at = CODE + PAGE - 8, t = make();
  t.code(at, ["addi", 2, 2, 1], ["wide", 1, 1, 0]).code(at + 8, [NAMES[5]]).code(at + 12, ["j", 0, 0, -3]);
  t.view.setInt32(at + 8 - RAM, 1000, true);
  t.pc = at;
  assertEquals(t.run(30), 30);
  assertEquals([t.pc, t.r(1), t.r(2)], [at, 10_000, 10]);
  // Written to.
  t.view.setInt32(at + 8 - RAM, 5, true);
  t.engine.wrote(at + 8, 4);
  t.run(30);
  assertEquals([t.pc, t.r(1), t.r(2)], [at, 10_050, 20]);
  // Mapped to another page.
  t.core.mapped.set((CODE + PAGE) / PAGE, { paddr: DATA, rights: [READ, FETCH] });
  t.view.setInt32(DATA - RAM, 7, true);
  t.view.setInt32(DATA + 4 - RAM, word("j", 0, 0, -3), true);
  t.core.space++;
  t.run(30);
  assertEquals([t.pc, t.r(1), t.r(2)], [at, 10_120, 30]);
  // Not there: the toy's helper is asked to raise the fault.
  t.core.mapped.set((CODE + PAGE) / PAGE, undefined);
  t.core.space++;
  t.core.status = FAULT;
  t.all(100);
  assertEquals([t.pc, t.epc, t.r(1), t.r(2)], [VECTOR, at + 4, 10_120, 31]);
});

both("an instruction across pages that its own loop rewrites, in address spaces with different second pages", (make) => {
  const at = CODE + PAGE - 12, next = CODE + PAGE, pages = [next, DATA], t = make();
  t.code(at, ["sw", 3, 10, 0], ["addi", 3, 3, 1], ["wide", 1, 1, 0]);
  for (const page of pages) t.code(page, [NAMES[0]], ["j", 0, 0, -4]);
  t.pc = at;
  let sum = 0, rounds = 0;
  for (const turn of [0, 1, 0, 1, 1, 0]) {
    t.core.space = 1 + turn;
    t.core.env.flushTlb();
    t.core.mapped.set(next / PAGE, { paddr: pages[turn], rights: [READ, WRITE, FETCH] });
    t.set(10, next);
    for (let n = 0; n < 40; n++) sum += rounds++;
    assertEquals(t.run(160), 160);
    assertEquals([t.pc, t.r(1), t.r(3)], [at, sum, rounds]);
    // The same without the write: what it adds is the last value of this space.
    t.set(10, DATA + 2 * PAGE);
    assertEquals(t.run(160), 160);
    sum += 40 * (rounds - 1);
    rounds += 40;
    assertEquals([t.pc, t.r(1), t.r(3)], [at, sum, rounds]);
  }
});

both("helpers: CONTINUE goes on, and the count is exact inside", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["call", 2, 1], ["unless", 3, 4], ["callend", 0, 1, 2], ["addi", 9, 9, 1], [
    "addi",
    5,
    5,
    1,
  ], ["j"]);
  assertEquals(t.run(5), 5);
  assertEquals([t.pc, t.r(2), t.r(3), t.r(9), t.r(5), t.r(15), t.core.calls], [CODE + 24, 101, 100, 0, 1, 1, 3]);
  assertEquals(t.core.counted, 3);
  // The fast way of callUnless calls nothing.
  t.pc = CODE;
  t.set(4, 42).run(5);
  assertEquals([t.r(3), t.core.calls], [42, 5]);
});

for (const [instruction, position] of [["call", 1], ["unless", 2], ["callend", 3]] as const) {
  both(`helpers: FAULT in ${instruction} has no effect but the exception`, (make) => {
    const program: Line[] = [["addi", 1, 1, 1], ["addi", 6, 6, 1], ["addi", 7, 7, 1], ["addi", 8, 8, 1], ["j"]];
    program[position] = [instruction, 2, 3, 2];
    const t = make().code(CODE, ...program).set(2, 66);
    t.core.status = FAULT;
    t.all(100);
    assertEquals([...t.exception, t.r(1), t.r(2), t.r(15)], [HELPER_FAULT, CODE + 4 * position, position, 1, 66, 0]);
    assertEquals([6, 7, 8].map((n) => t.r(n)), [6, 7, 8].map((_, i) => i + 1 < position ? 1 : 0));
  });
  both(`helpers: FINISH in ${instruction} stops behind the instruction`, (make) => {
    for (const next of [["addi", 8, 8, 1], ["j", 0, 0, 0], ["jr", 0, 9]] as const) {
      const t = make().code(CODE, ["addi", 1, 1, 1], [instruction, 2, 3, 1], next, ["j"]).set(9, CODE);
      t.core.status = FINISH;
      // The run loop comes by: an interrupt shows where.
      const helper = t.core.helpers[instruction === "callend" ? 1 : 0] as { run(): Status }, run = helper.run;
      helper.run = () => {
        t.core.pending = true;
        return run();
      };
      t.all(100);
      assertEquals([...t.exception, t.r(1), t.r(8)], [INTERRUPT, CODE + 8, 2, 1, 0]);
      assertEquals(t.r(2), instruction === "callend" ? 0 : 100);
      assertEquals(t.r(15), instruction === "call" ? 1 : 0);
    }
  });
}

both("helpers: FINISH in an instruction that goes on to jump", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["calljump", 2, 1, 3], ["addi", 8, 8, 1], ["j"], ["addi", 3, 3, 1], ["j"]);
  t.core.status = FINISH;
  const helper = t.core.helpers[0] as { run(): Status }, run = helper.run;
  helper.run = () => {
    t.core.pending = true;
    return run();
  };
  assertEquals([...t.all(100).exception, t.r(2), t.r(3)], [INTERRUPT, CODE + 16, 2, 101, 0]);
});

both("attention that a helper's side effect asks for stops behind its instruction as well", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["call", 2, 1], ["addi", 3, 3, 1], ["j", 0, 0, -3]);
  t.run(40);
  const helper = t.core.helpers[0] as { run(): Status }, run = helper.run;
  helper.run = () => {
    t.engine.attention();
    return run();
  };
  assertEquals([t.run(100), t.pc, t.r(1), t.r(3)], [2, CODE + 8, 11, 10]);
});

both("a waiting hart takes no instruction; an interrupt takes none either", (make) => {
  const t = make().code(CODE, ["addi", 1, 1, 1], ["j", 0, 0, -1]).code(VECTOR, ["addi", 2, 2, 1], ["j"]);
  t.run(10);
  t.core.asleep = true;
  assertEquals([t.run(10), t.end], [0, "idle"]);
  t.core.asleep = false;
  t.core.pending = true;
  assertEquals([t.run(1), t.epc, t.r(2), t.pc], [1, CODE, 1, VECTOR + 4]);
});

both("code is found where the fetch context maps it, jump cache and links included", (make) => {
  const other = DATA + 0x3000, t = make();
  const loop: Line[] = [["addi", 1, 1, 1], ["jr", 0, 9]];
  t.code(CODE, ...loop).code(CODE + PAGE, ["addi", 2, 2, 1], ["jr", 0, 8]).code(other, ["addi", 3, 3, 1], ["jr", 0, 8]);
  t.set(8, CODE).set(9, CODE + PAGE);
  t.run(400);
  assertEquals([t.pc, t.r(1), t.r(2)], [CODE, 100, 100]);
  t.core.mapped.set((CODE + PAGE) / PAGE, { paddr: other, rights: [FETCH] });
  t.core.space = 2;
  t.run(400);
  assertEquals([t.pc, t.r(1), t.r(2), t.r(3)], [CODE, 200, 100, 100]);
  t.core.mapped.delete((CODE + PAGE) / PAGE);
  t.core.space = 1;
  t.run(400);
  assertEquals([t.pc, t.r(1), t.r(2), t.r(3)], [CODE, 300, 200, 100]);
});

both("blocks that run into the next page, and regions of several pages where code is physical", (make) => {
  for (const flat of [false, true]) {
    const at = CODE + PAGE - 8, t = make();
    t.core.flat = flat;
    t.code(at, ["addi", 1, 1, 1], ["addi", 2, 2, 1], ["addi", 3, 3, 1], ["bne", 1, 5, -3], ["j"]).set(5, 100);
    t.pc = at;
    assertEquals(t.run(400), 400);
    assertEquals([t.pc, t.r(1), t.r(3)], [at + 16, 100, 100]);
    // The second page's code changes.
    t.code(at + 8, ["addi", 3, 3, 2]).set(1, 0);
    t.pc = at;
    t.run(400);
    assertEquals([t.pc, t.r(1), t.r(3)], [at + 16, 100, 300]);
  }
});

both("accesses off one base where addresses are physical: at both ends of RAM each does what it does alone", (make) => {
  const end = RAM + RAM_BYTES, far = 0x1_0000_0000;
  for (
    const [base, loads, stores] of [[DATA, 2, 2], [end - 8, 1, 1], [end - 16, 2, 1], [end, 0, 0], [RAM - 8, 0, 0], [RAM, 2, 2], [far, 0, 0]]
  ) {
    for (const [instruction, works] of [["ld", loads], ["st", stores]] as const) {
      const t = make().code(CODE, [instruction, 1, 10, 0], ["addi", 3, 3, 1], [instruction, 2, 10, instruction === "ld" ? 8 : 16], ["j"]);
      t.core.flat = true;
      t.set(1, 5).set(2, 6).set(10, base).all(20);
      const access = instruction === "ld" ? READ : WRITE, at = works === 0 ? CODE : CODE + 8;
      if (works < 2) assertEquals([...t.exception, t.r(3)], [BUS_FAULT + access, at, works === 0 ? 0 : 2, works]);
      else assertEquals([t.pc, t.r(3), t.cause], [CODE + 12, 1, 0]);
    }
  }
});

both("a base register that is set between accesses, by an instruction or by a helper", (make) => {
  const t = make().code(
    CODE,
    ["ld", 1, 10, 0],
    ["add", 10, 10, 11],
    ["ld", 2, 10, 8],
    ["call", 10, 9],
    ["ld", 3, 10, 8],
    ["ld", 10, 10, 0],
    ["ld", 4, 10, 0],
    ["j"],
  );
  t.core.flat = true;
  const put = (at: number, value: number) => t.view.setBigUint64(at - RAM, BigInt(value), true);
  put(DATA, 1);
  put(DATA + PAGE + 8, 2);
  put(DATA + 3 * PAGE + 8, 3);
  put(DATA + 3 * PAGE, DATA + 8);
  put(DATA + 8, 4);
  t.set(10, DATA).set(11, PAGE).set(9, DATA + 3 * PAGE - 100).all(20);
  assertEquals([t.pc, t.r(1), t.r(2), t.r(3), t.r(4)], [CODE + 28, 1, 2, 3, 4]);
});

both("where addresses are physical, code may come to be where stores expected none, and is seen to change", (make) => {
  const t = make();
  t.core.flat = true;
  // Stores the word in r5 to r6, sixteen times; then on to r8.
  t.code(CODE, ["sw", 5, 6, 0], ["addi", 1, 1, 1], ["bne", 1, 12, -2], ["jr", 0, 8]);
  t.set(12, 16).set(5, word("addi", 2, 2, 1));
  for (let round = 0; round < 40; round++) {
    // Ever more pages have code, up from DATA; each time what the stores wrote is run, twice with another instruction.
    const place = DATA + round * PAGE;
    t.code(place + 4, ["j"]);
    for (const add of [1, 10, 100]) {
      t.set(1, 0).set(2, 0).set(5, word("addi", 2, 2, add)).set(6, place).set(8, place);
      t.pc = CODE;
      t.all(16 * 3 + 2);
      assertEquals([t.pc, t.r(1), t.r(2)], [place + 4, 16, add], `round ${round}`);
    }
  }
});

both("code in a ROM where addresses are physical, and in the part of a page with which a RAM ends", (make) => {
  const rom = 0x7000_0000, small = 0x6000_0000, bytes = 0x1800;
  const t = make(1, [{ base: rom, length: 4 * PAGE, readonly: true }, { base: small, length: bytes, readonly: false }]);
  const lines: Line[] = [["st", 1, 10, 0], ["ld", 2, 10, 0], ["addi", 1, 1, 1], ["bne", 1, 12, -3], ["j"]];
  for (const [window, offset] of [[1, 0x100], [2, 0x17c0]] as const) {
    const { buffer, byteOffset, length } = t.engine.ramBytes(window), view = new DataView(buffer, byteOffset, length);
    lines.forEach((l, i) => view.setInt32(offset + 4 * i, word(...l), true));
    view.setUint32(0x1080, 77, true);
  }
  for (const flat of [false, true]) {
    t.core.flat = flat;
    for (const code of [rom + 0x100, small + 0x17c0]) {
      const { regions } = t.engine.stats;
      for (const [at, found] of [[rom + 0x1080, 77], [DATA, 99], [small + 0x17f8, 99], [small + 0x17fc, -1]]) {
        t.set(1, 0).set(2, 0).set(12, 100).set(10, at).core.raised = -1;
        t.pc = code;
        t.all(401);
        const fault = found < 0 ? [VECTOR, 0, BUS_FAULT + WRITE, code] : [code + 16, found, t.cause, t.epc];
        assertEquals([t.pc, t.r(2), t.cause, t.epc], fault, `from ${code.toString(16)} at ${at.toString(16)}, flat: ${flat}`);
        assert(!t.engine.options.jit || t.engine.stats.regions > regions, "not compiled");
      }
    }
  }
});

both("when the bus shows other memory at an address, code and data are there at once, and the cores are told", (make) => {
  for (const flat of [false, true]) {
    const at = 0x5000_0000, t = make(2, [{ length: 2 * PAGE, readonly: false }, { length: 2 * PAGE, readonly: false }]), told = [0, 0];
    t.core.flat = flat;
    for (const [n, h] of t.engine.harts.entries()) (h.core as Core).remapped = () => void told[n]++;
    const views = [1, 2].map((n) => t.engine.ramBytes(n)).map((b) => new DataView(b.buffer, b.byteOffset, b.length));
    for (const [n, view] of views.entries()) {
      for (const [i, l] of ([["ld", 1, 10, 0], ["st", 1, 10, 8], ["addi", 2, 2, 1 + 9 * n], ["j", 0, 0, -3]] as Line[]).entries()) {
        view.setInt32(4 * i, word(...l), true);
      }
      view.setUint32(PAGE, 100 + n, true);
    }
    t.bus.mapRam(RAM, t.engine.ramBytes(0));
    t.bus.mapRam(at, t.engine.ramBytes(1));
    t.bus.mapShadow(at, t.engine.ramBytes(2));
    t.bus.onRemap = () => t.engine.remapped();
    t.engine.remapped();
    t.engine.remapped();
    assertEquals(told, [1, 1]);
    t.pc = at;
    t.set(10, at + PAGE);
    let sum = 0;
    for (const [turn, shown] of [0, 1, 0, 1].entries()) {
      t.bus.shadow(at, 2 * PAGE, shown ? "write" : "off");
      for (const view of views) view.setUint32(PAGE + 8, 7, true);
      t.all(400);
      sum += 100 * (1 + 9 * shown);
      assertEquals([t.pc, t.r(1), t.r(2)], [at, 100 + shown, sum], `turn ${turn}, flat: ${flat}`);
      assertEquals(views.map((view) => view.getUint32(PAGE + 8, true)), shown ? [7, 101] : [100, 7], `turn ${turn}, flat: ${flat}`);
    }
    assertEquals(told, [4, 4]);
  }
});

both("code and data across 4 GiB: instructions, their second pages, loads and stores, and where each faults", (make) => {
  const edge = 2 ** 32, code = DATA + 4 * PAGE, data = DATA + 8 * PAGE, all = [READ, WRITE, FETCH] as const;
  const t = make();
  for (const n of [0, 1]) t.core.mapped.set(edge / PAGE - 1 + n, { paddr: code + n * PAGE, rights: all });
  for (const n of [0, 1]) t.core.mapped.set(3 * edge / PAGE - 1 + n, { paddr: data + 2 * n * PAGE, rights: all });
  // The wide one begins in the last word below 4 GiB.
  t.code(code + PAGE - 16, ["st", 1, 10, -3], ["ld", 2, 10, -3], ["addi", 1, 1, 1], ["wide", 3, 3, 0]);
  t.code(code + PAGE, [NAMES[2]]).code(code + PAGE + 4, ["ld", 4, 10, -3], ["bne", 1, 12, -6], ["j"]);
  // No other page's translation is asked for: a walk may be seen.
  const translate = t.core.translate.bind(t.core), fetched = new Set<number>();
  t.core.translate = (lo, hi, access) => {
    if (access === FETCH) fetched.add(Math.floor(((hi >>> 0) * 2 ** 32 + (lo >>> 0)) / PAGE));
    return translate(lo, hi, access);
  };
  t.set(10, 3 * edge).set(12, 200).set(1, 0);
  t.pc = edge - 16;
  t.all(1201);
  assertEquals([...fetched].sort(), [edge / PAGE - 1, edge / PAGE]);
  assertEquals([t.pc, t.r(1), t.r(2), t.r(3), t.r(4)], [edge + 12, 200, 199, 400, 199]);
  assertEquals([data + PAGE - 3, data + 2 * PAGE].map((at) => t.view.getUint8(at - RAM)), [199, 0]);
  // A page that is not there: the second one of the data, then that of the code.
  t.core.mapped.set(3 * edge / PAGE, undefined);
  t.core.env.flushTlb();
  t.pc = edge - 16;
  t.set(1, 0).all(1);
  assertEquals([t.cause, t.epc, t.pc], [PAGE_FAULT + WRITE, edge - 16, VECTOR]);
  t.core.mapped.set(3 * edge / PAGE, { paddr: data + 2 * PAGE, rights: all });
  t.core.mapped.set(edge / PAGE, undefined);
  t.core.space++;
  t.core.status = FAULT;
  t.pc = edge - 16;
  t.all(4);
  assertEquals([t.cause, t.epc, t.r(1)], [HELPER_FAULT, edge - 4, 1]);
});

both("a load across pages of which one answers nothing names that one", (make) => {
  const end = RAM + RAM_BYTES;
  for (const [at, fault] of [[end - 4, end], [end, end], [RAM - 4, RAM - 4], [DEVICE + PAGE - 4, DEVICE + PAGE - 4]]) {
    const t = make().code(CODE, ["ld", 2, 10, 0], ["j", 0, 0, -1]);
    t.set(10, DATA).all(100);
    t.pc = CODE;
    t.set(10, at).all(1);
    assertEquals([t.cause, t.epc, t.core.faultAt], [BUS_FAULT + READ, CODE, fault], at.toString(16));
  }
});

both("work outside of compiled code is counted: so much of any kind, and `run` comes back", (make) => {
  /** What a turn of two instructions does, and how often it does it until 512 units are spent. */
  const far = DATA + LIMITS.tlbEntries * PAGE;
  const KINDS: readonly (readonly [string, Line, number])[] = [
    ["a device is read", ["lb", 2, 8, 0], DEVICE],
    ["a device is written", ["sb", 2, 8, 0], DEVICE],
    ["a helper", ["call", 2, 8, 0], 0],
    ["a load over an end of a page", ["ld", 2, 8, -4], DATA + PAGE],
    ["a store over an end of a page", ["st", 2, 8, -4], DATA + PAGE],
  ];
  for (const [what, line, base] of KINDS) {
    const t = make().code(CODE, line, ["bne", 0, 9, -1]).set(8, base).set(9, 1);
    t.engine.comeBack();
    t.all(200).run(100_000);
    for (let n = 0; n < 3; n++) {
      const done = t.run(100_000);
      // A region that leaves for an access adds some of its own.
      assert(done > 250 && done <= 2 * 512 + 40, `${what}: ${done} instructions`);
    }
  }
  // Two pages that take each other's place in the TLB.
  const t = make().code(CODE, ["ld", 2, 8, 0], ["ld", 2, 9, 0], ["bne", 0, 9, -2]).set(8, DATA).set(9, far);
  t.core.mapped.set(far / PAGE, { paddr: DATA + PAGE, rights: [READ, WRITE] });
  t.engine.comeBack();
  t.all(300).run(100_000);
  const done = t.run(100_000);
  // Compiled code remembers a page for each register.
  assert(t.engine.options.jit || done > 300 && done <= 3 * 256 + 40, `TLB misses: ${done} instructions`);
  // What a device moves counts by its bytes: 512 and more at once.
  for (const [bytes, times] of [[511, 512], [512, 256], [4096, 57]]) {
    t.engine.comeBack();
    t.run(1);
    let n = 0;
    t.engine.attention();
    t.pc = CODE + 0x100;
    t.code(CODE + 0x100, ["addi", 3, 3, 1], ["j", 0, 0, -1]);
    t.all(10);
    t.engine.comeBack();
    while (n < 2000 && t.run(10) === 10) {
      t.engine.wrote(DATA, bytes);
      n++;
    }
    // Each run has a turn of its own.
    assert(Math.abs(n - times) <= 3, `${n} moves of ${bytes} bytes`);
  }
});

Deno.test("JIT: what leaves to the interpreter often is compiled anew where it reaches devices, and given up where nothing helps", () => {
  const limits = { sides: 8, sideWorth: 50 };
  // A device: known from its first time, and reached from the region that is compiled then.
  const t = new Rig({ jit: true, threshold: 1, limits }).code(CODE, ["lb", 2, 8, 0], ["addi", 1, 1, 1], ["j", 0, 0, -2]);
  t.set(8, DEVICE).all(3000);
  assertEquals([t.r(1), t.accesses.length, t.engine.stats.regionsReverted, t.engine.liveRegions > 0], [1000, 1000, 0, true]);
  assert(t.engine.stats.sideExits >= 1 && t.engine.stats.sideExits <= 20, `${t.engine.stats.sideExits}`);
  // A page's end: nothing helps; with enough instructions in between it stays.
  for (const [rounds, left] of [[1, 0], [60, 1]]) {
    const t = new Rig({ jit: true, threshold: 1, limits });
    t.code(CODE, ["addi", 3, 0, 0], ["addi", 3, 3, 1], ["bne", 3, 12, -1], ["ld", 2, 8, 0], ["j", 0, 0, -4]);
    t.set(8, DATA + PAGE - 4).set(12, rounds).all(4000);
    assertEquals([t.engine.stats.regionsReverted > 0, t.engine.liveRegions > 0], [left === 0, left === 1], `${rounds} rounds`);
  }
});

Deno.test("JIT: what regions remember of pages is void once a page is a table, however few caches the last region has", () => {
  const t = new Rig({ jit: true, threshold: 1 }), { i32 } = t.engine.memory;
  const cached = () => Array.from({ length: LIMITS.pageCaches }, (_, n) => i32[(PAGE_CACHES + n * PAGE_CACHE_BYTES + CACHE_LIMIT) >> 2]);
  t.code(CODE, ["ld", 1, 8, 0], ["ld", 2, 9, 0], ["st", 3, 10, 0], ["j", 0, 0, -3]).code(CODE + 64, ["ld", 1, 8, 0], ["j", 0, 0, -1]);
  for (const [n, at] of [DATA, DATA + PAGE, DATA + 2 * PAGE].entries()) t.set(8 + n, at);
  t.all(100);
  assertEquals(cached().filter((limit) => limit !== 0).length, 3);
  t.pc = CODE + 64;
  t.all(100);
  assertEquals(cached().filter((limit) => limit !== 0).length, 3);
  t.engine.tables.served(t.engine.hostOf(DATA + 9 * PAGE, 8), 0, 3, 9, 0x5000, 0, false);
  assertEquals(cached().filter((limit) => limit !== 0), []);
});

Deno.test("JIT: a region of several virtual pages runs only while all of them are where they were", () => {
  for (const probed of [true, false]) {
    for (const threshold of [1, 3, 20]) {
      const t = new Rig({ jit: true, threshold }), other = CODE + 9 * PAGE;
      t.core.probed = probed;
      // A loop over the end of a page, by direct jumps.
      const edge = CODE + PAGE - 8;
      t.code(edge, ["addi", 4, 4, 1], ["j", 0, 0, 1]).code(edge + 8, ["addi", 5, 5, 1], ["j", 0, 0, -3]);
      t.pc = edge;
      t.all(4000);
      assertEquals([t.pc, t.r(4), t.r(5)], [edge, 1000, 1000]);
      assert(t.engine.stats.regions > 0);
      // The second page moves, with another context; back again, with a third or with the first.
      for (const [round, back] of [3, 1, 3].entries()) {
        t.code(other, ["addi", 6, 6, 1], ["j", 0, 0, -3]);
        t.core.mapped.set((CODE + PAGE) / PAGE, { paddr: other, rights: [FETCH] });
        t.core.space = 2 + 10 * round;
        t.all(400);
        assertEquals([t.pc, t.r(4), t.r(5), t.r(6)], [edge, 1100 + 200 * round, 1000 + 100 * round, 100 + 100 * round]);
        t.core.mapped.delete((CODE + PAGE) / PAGE);
        t.core.space = back;
        t.all(400);
        assertEquals([t.pc, t.r(4), t.r(5), t.r(6)], [edge, 1200 + 200 * round, 1100 + 100 * round, 100 + 100 * round]);
      }
      // Not there at all.
      t.core.mapped.set((CODE + PAGE) / PAGE, undefined);
      t.core.space = 99;
      t.all(10);
      assertEquals([t.cause, t.epc, t.r(4)], [PAGE_FAULT + FETCH, edge + 8, 1601]);
    }
  }
});

Deno.test("JIT: a region stays in the memory that it begins in: a loop goes on in another one, before or behind it", () => {
  const OTHER = 0x9000_0000;
  for (const threshold of [1, 3, 20]) {
    for (const begins of [RAM, OTHER]) {
      const t = new Rig({ jit: true, threshold }, 1, [{ base: OTHER, length: 4 * PAGE, readonly: false }]);
      // A loop over the end of a page, which lies in one memory, the page behind it in the other one.
      const edge = CODE + PAGE - 8, [first, second] = begins === RAM ? [edge, OTHER + PAGE] : [OTHER + 2 * PAGE - 8, CODE + PAGE];
      t.put(first, ["addi", 4, 4, 1], ["j", 0, 0, 1]).put(second, ["addi", 5, 5, 1], ["bne", 5, 7, -3], ["j", 0, 0, 0]);
      t.core.mapped.set(CODE / PAGE, { paddr: first - (PAGE - 8), rights: [FETCH] });
      t.core.mapped.set((CODE + PAGE) / PAGE, { paddr: second, rights: [FETCH] });
      t.core.space = 2;
      t.pc = edge;
      t.set(7, 1000).all(4000);
      assertEquals([t.pc, t.r(4), t.r(5)], [CODE + PAGE + 8, 1000, 1000]);
      assert(t.engine.stats.regions > 0);
    }
  }
});

Deno.test("what a hart's other privilege had of TLB and context is nobody's once another hart runs, or numbers are others", () => {
  const { engine } = new Rig({}, 2),
    { i32 } = engine.memory,
    words = [...Array((SWITCH_END - SWITCH) >> 2).keys()].map((n) => (SWITCH >> 2) + n);
  for (const forget of [() => engine.select(1), () => engine.running.contextsAgain(), () => engine.select(0)]) {
    for (const w of words) i32[w] = -1;
    forget();
    assertEquals(words.map((w) => i32[w]), words.map(() => 0));
  }
});

both("two harts have their own registers, pc and TLB, and share memory and code", (make) => {
  const t = make(2), { engine } = t, second = engine.harts[1].core as Toy;
  t.code(CODE, ["addi", 1, 1, 1], ["amo", 2, 10, 1], ["ld", 3, 11, 0], ["j", 0, 0, -3]);
  t.set(10, DATA).set(11, DATA + PAGE);
  engine.setPc(1, BigInt(CODE));
  const registers = second.env.i64, base = () => second.env.base();
  registers[(base() + R(10)) >> 3] = BigInt(DATA);
  registers[(base() + R(11)) >> 3] = BigInt(DATA + PAGE);
  second.mapped.set(DATA / PAGE + 1, { paddr: DATA + 5 * PAGE, rights: [READ] });
  t.view.setUint32(DATA + PAGE - RAM, 111, true);
  t.view.setUint32(DATA + 5 * PAGE - RAM, 222, true);
  let first = 0, other = 0;
  for (let n = 1; n < 60; n++) {
    engine.run(0, n);
    first += engine.executed;
    engine.run(1, 2 * n);
    other += engine.executed;
  }
  const r = (n: number) => Number(registers[(base() + R(n)) >> 3]);
  assertEquals([first, other], [1770, 3540]);
  assertEquals([t.r(1), r(1)], [Math.ceil(first / 4), Math.ceil(other / 4)]);
  assertEquals([t.r(3), r(3)], [111, 222]);
  assertEquals(t.view.getUint32(DATA - RAM, true), Math.floor((first + 2) / 4) + Math.floor((other + 2) / 4));
  assertEquals([engine.harts[0].total, engine.harts[1].total], [first, other]);
  // What one hart writes into code, the other runs.
  t.code(CODE + 0x100, ["sw", 5, 6, 0], ["j"]);
  t.set(5, word("addi", 1, 1, 100)).set(6, CODE);
  t.pc = CODE + 0x100;
  engine.run(0, 1);
  engine.setPc(1, BigInt(CODE));
  const before = r(1);
  engine.run(1, 4);
  assertEquals(r(1), before + 100);
});

both("a store by an entry that was there before its page had code is seen, whichever hart has it", (make) => {
  const t = make(2), { engine } = t;
  for (const [writer, runner] of [[0, 1], [1, 0]]) {
    const page = RAM + (0x100 + writer) * PAGE, from = RAM + (0x200 + writer) * PAGE, { env } = engine.harts[writer].core as Toy;
    const store = (value: number, at: number) => {
      env.i64[(env.base() + R(5)) >> 3] = BigInt(value);
      env.i64[(env.base() + R(6)) >> 3] = BigInt(at);
      engine.setPc(writer, BigInt(from));
      engine.run(writer, 1);
    };
    const counted = (instructions: number) => {
      const { env } = engine.harts[runner].core as Toy, before = env.i64[(env.base() + R(1)) >> 3];
      engine.setPc(runner, BigInt(page));
      engine.run(runner, instructions);
      return Number(env.i64[(env.base() + R(1)) >> 3] - before);
    };
    t.code(page, ["addi", 1, 1, 1], ["j", 0, 0, -1]).code(from, ["sw", 5, 6, 0], ["j"]);
    store(0, page + 0x800);
    assertEquals(counted(400), 200);
    store(word("addi", 1, 1, 100), page);
    assertEquals(counted(400), 20_000);
  }
});

both("after a reset nothing is known of what was before it: code, data, counts", (make) => {
  const t = make().code(CODE, ["ld", 1, 10, 0], ["st", 1, 11, 0], ["add", 2, 2, 1], ["addi", 3, 3, 1], ["j", 0, 0, -4]);
  const other = DATA + 4 * PAGE, second = DATA + 8 * PAGE, all: Mapping["rights"] = [READ, WRITE, FETCH];
  t.code(other, ["ld", 1, 10, 0], ["st", 1, 11, 0], ["add", 2, 2, 1], ["addi", 4, 4, 1], ["j", 0, 0, -4]);
  t.view.setUint32(DATA - RAM, 5, true);
  t.view.setUint32(second - RAM, 7, true);
  t.set(10, DATA).set(11, DATA + PAGE + 8).all(400);
  assertEquals([t.r(2), t.engine.harts[0].total, t.view.getUint32(DATA + PAGE + 8 - RAM, true)], [400, 400, 5]);
  // The same numbers of contexts mean other places from now on.
  t.core.mapped.set(CODE / PAGE, { paddr: other, rights: all });
  t.core.mapped.set(DATA / PAGE, { paddr: second, rights: [READ] });
  t.core.mapped.set(DATA / PAGE + 1, { paddr: second + PAGE, rights: all });
  t.engine.reset();
  isSound(t);
  assertEquals([t.engine.harts[0].total, t.engine.liveRegions], [0, 0]);
  t.pc = CODE;
  t.set(2, 0).set(3, 0).all(50);
  assertEquals([t.r(2), t.r(3), t.r(4), t.engine.harts[0].total], [70, 0, 10, 50]);
  assertEquals([DATA, second].map((at) => t.view.getUint32(at + PAGE + 8 - RAM, true)), [5, 7]);
  // Where a breakpoint stopped, it stops again.
  t.engine.setBreakpoints(new Set([BigInt(CODE)]));
  for (let n = 0; n < 3; n++) {
    t.pc = CODE;
    assertEquals([t.run(10), t.end], [0, "breakpoint"]);
    t.engine.reset();
  }
});

Deno.test("a new engine has counted nothing, and one that was reset no instructions of regions", () => {
  const t = new Rig({ jit: true, threshold: 1, profile: true });
  assertEquals(Object.entries(t.engine.stats).filter(([, n]) => n !== 0), []);
  t.code(CODE, ["addi", 1, 1, 1], ["j", 0, 0, -1]).all(100);
  assertEquals([t.engine.regionInstructions! > 90, t.engine.liveRegions], [true, 1]);
  t.engine.reset();
  assertEquals([t.engine.regionInstructions, t.engine.liveRegions], [0, 0]);
});

Deno.test("JIT: an instruction across pages is compiled along, wherever its second page is", () => {
  for (const [flat, far] of [[true, false], [false, false], [false, true]]) {
    const at = CODE + PAGE - 8, t = new Rig({ jit: true, threshold: 20, profile: true }), second = far ? DATA : CODE + PAGE;
    t.core.flat = flat;
    if (far) t.core.mapped.set((CODE + PAGE) / PAGE, { paddr: second, rights: [FETCH] });
    t.code(at, ["addi", 2, 2, 1], ["wide", 1, 1, 0]).code(second, [NAMES[3]]).code(second + 4, ["j", 0, 0, -3]);
    t.pc = at;
    t.all(3000);
    const { regions, regionsReverted } = t.engine.stats;
    assertEquals([t.pc, t.r(1), t.r(2), regions, regionsReverted], [at, 3000, 1000, 1, 0]);
    assert(t.engine.regionInstructions! > 2900, `${t.engine.regionInstructions} in the region`);
    isSound(t);
    // Its second part changes.
    t.code(second, [NAMES[0]]);
    t.all(3);
    assertEquals([t.r(1), t.engine.stats.regionsChanged], [3000, 1]);
  }
});

Deno.test("JIT: instructions are counted by engine, and what is left to the interpreter by cause and address", () => {
  const THRESHOLD = 20, ROUNDS = 1000, TOTAL = 3 * ROUNDS + 1;
  const rig = (options: EngineOptions) => {
    const t = new Rig(options).code(CODE, ["addi", 1, 1, 1], ["ld", 2, 10, 0], ["bne", 1, 5, -2], ["j"]);
    t.set(5, ROUNDS).set(10, DATA);
    t.all(TOTAL);
    assertEquals([t.pc, t.r(1)], [CODE + 12, ROUNDS]);
    return t;
  };
  // The block, four instructions long, is entered so often before its region takes over.
  assertEquals(rig({ jit: true, threshold: THRESHOLD }).engine.regionInstructions, undefined);
  const t = rig({ jit: true, threshold: THRESHOLD, profile: true }), interpreted = 3 * (THRESHOLD / 4 - 1);
  assertEquals([t.engine.regionInstructions, t.engine.harts[0].total], [TOTAL - interpreted, TOTAL]);
  assertEquals([t.engine.liveRegions, t.engine.stats.regions, t.engine.stats.sideExits], [1, 1, 0]);
  assertEquals(rig({ profile: true }).engine.regionInstructions, 0);
  assertEquals(rig({ jit: true, threshold: THRESHOLD }).engine.regionInstructions, undefined);
  // A device, the end of a page, and a page that is not there, one after the other; the fault is no side exit.
  const exits = [[DEVICE, "device"], [DATA + PAGE - 4, "page crossing"]] as const, { faults } = t.engine.stats;
  t.core.mapped.set(DATA / PAGE + 9, undefined);
  for (const address of [...exits.map(([at]) => at), DATA + 9 * PAGE]) {
    t.pc = CODE;
    t.set(1, ROUNDS - 2).set(10, address).all(4);
  }
  assertEquals(t.engine.sideExits!.top(9), exits.map(([, cause]) => ({ pc: BigInt(CODE + 4), cause, count: 1 })));
  assertEquals([...t.engine.sideExits!.causes], exits.map(([, cause]) => [cause, 1]));
  assertEquals(t.engine.stats.faults, faults + 1);
  // The first instruction of each time was a region's, and the one that faulted.
  assertEquals([t.engine.regionInstructions, t.engine.harts[0].total], [TOTAL - interpreted + 4, TOTAL + 12]);
});

Deno.test("JIT: beyond the limit the older half of the regions makes room, and what is hot is compiled again", () => {
  const LOOPS = 40, LIMIT = 8, ROUNDS = 30;
  const run = (options: EngineOptions) => {
    const t = new Rig(options);
    // Each loop counts r1 from 0 to r5 and goes on to the next; the last one begins with the first again.
    for (let n = 0; n < LOOPS; n++) {
      const at = CODE + 32 * n, next = n === LOOPS - 1 ? 5 - 8 * (LOOPS - 1) : 5;
      t.code(at, ["addi", 1, 0, 0], ["addi", 1, 1, 1], ["add", 2, 2, 1], ["bne", 1, 5, -2]);
      t.code(at + 16, ["addi", 3, 3, 1], next < -128 ? ["jr", 0, 9] : ["j", 0, 0, next - 2]);
    }
    t.set(5, ROUNDS).set(9, CODE).all(4 * LOOPS * (3 * ROUNDS + 3));
    return { t, state: [t.pc, t.r(1), t.r(2), t.r(3)] };
  };
  const { t, state } = run({ jit: true, threshold: 20, limits: { regions: LIMIT } }), { stats } = t.engine;
  assertEquals(state, run({}).state);
  assertEquals(state.slice(2), [4 * LOOPS * ROUNDS * (ROUNDS + 1) / 2, 4 * LOOPS]);
  assert(t.engine.liveRegions <= LIMIT && stats.regions > LOOPS, `${t.engine.liveRegions} of ${stats.regions}`);
  assertEquals([stats.regionsEvicted, stats.flushes], [stats.regions - t.engine.liveRegions, 0]);
});

Deno.test("stores beside code that ran once become fast: after some of them its page has no translations any more", () => {
  const t = new Rig({}), STORES = 5000;
  // What jumps to the loop is on the page that the loop, which is on another page, stores into.
  t.code(DATA, ["addi", 1, 0, 0], ["jr", 0, 9]);
  t.code(CODE, ["st", 1, 8, 0x800], ["addi", 1, 1, 1], ["bne", 1, 5, -2], ["j", 0, 0, 0]);
  t.pc = DATA;
  t.set(5, STORES).set(8, DATA).set(9, CODE).all(2 + 3 * STORES);
  assertEquals([t.r(1), t.engine.stats.invalidations], [STORES, 1]);
  assert(t.engine.stats.codePageStores < 1000, `${t.engine.stats.codePageStores}`);
});

Deno.test("memory that does not fit is refused", () => {
  let message = "";
  try {
    new Engine(1, [{ base: RAM, length: 4 * 2 ** 30, readonly: false }], new Bus());
  } catch (e) {
    message = (e as Error).message;
  }
  assert(/does not fit/.test(message), message);
});

Deno.test("memory that is not where pages are is refused: at the start, and when a window moves", () => {
  assertThrows(() => new Engine(1, [{ base: RAM + 0x800, length: 0x1000, readonly: false }], new Bus()), Error, "memory at 0x80000800");
  const bus = new Bus(), engine = new Engine(1, [{ length: 0x2000, readonly: false }], bus);
  const map = (base: number, from: number, to: number) => {
    bus.mapRam(base, engine.ramBytes(0).subarray(from, to));
    engine.remapped();
  };
  // A part of a page at its own place is fine.
  map(RAM + 0x1800, 0x1800, 0x2000);
  assertEquals(engine.hostOf(RAM + 0x1800, 8) % PAGE, 0x800);
  assertThrows(() => map(RAM + 0x800, 0, 0x1000), Error, "memory at 0x80000800");
});

/** The toy, straight from memory: what its code is at each moment, in an address space that has two of its pages in each other's places or not. */
class ToyModel {
  readonly registers = new BigInt64Array(32);
  pc = CODE;
  swapped = false;
  constructor(readonly memory: DataView) {}
  #at(address: number): number {
    const page = Math.floor((address - CODE) / PAGE), to = this.swapped ? [0, 2, 1, 3][page] ?? page : page;
    return CODE - RAM + to * PAGE + (address & (PAGE - 1));
  }
  int(address: number): number {
    return [3, 2, 1, 0].reduce((v, n) => v << 8 | this.memory.getUint8(this.#at(address + n)), 0);
  }
  store(address: number, size: number, value: bigint): void {
    for (let n = 0; n < size; n++) this.memory.setUint8(this.#at(address + n), Number(value >> BigInt(8 * n) & 0xffn));
  }
  step(): void {
    const code = this.int(this.pc),
      name = NAMES[code & 0xff],
      rd = code >> 8 & 0xff,
      rs1 = code >> 16 & 0xff,
      imm = code >> 24,
      r = this.registers;
    let next = this.pc + 4;
    if (name === "addi") r[rd] = r[rs1] + BigInt(imm);
    else if (name === "add") r[rd] = r[rs1] + r[imm];
    else if (name === "j" || name === "bne" && r[rd] !== r[rs1] || name === "beq" && r[rd] === r[rs1]) next = this.pc + 4 * imm;
    else if (name === "wide") {
      r[rd] = r[rs1] + BigInt(this.int(next));
      next += 4;
    } else if (/^s[bhwt]$/.test(name)) this.store(Number(r[rs1]) + imm, SIZES[name], r[rd]);
    this.pc = next;
  }
}
const SIZES: Readonly<Record<string, number>> = { sb: 1, sh: 2, sw: 4, st: 8 };

Deno.test("code that is written at random is what runs: by stores of each size, over ends of pages, from outside, in two address spaces", () => {
  const caches = { contexts: 3, recentContexts: 2, fetchEntries: 2, jumpEntries: 8, tlbEntries: 2, tlbFills: 3 };
  const tight = { preciseAfter: 2, patience: 4, restless: 512, blockInstructions: 5, regions: 4, arena: 220_000, ...caches };
  const ENGINES: Readonly<Record<string, EngineOptions>> = {
    interpreter: {},
    "interpreter, tight": { limits: tight },
    JIT: { jit: true, threshold: 1 },
    "JIT, later": { jit: true, threshold: 20, limits: { preciseAfter: 4 } },
    "JIT, tight": { jit: true, threshold: 4, limits: { ...tight, regionPages: 2, regionNodes: 6 } },
  };
  for (const [engine, options] of Object.entries(ENGINES)) {
    const covered = new Covered();
    for (let seed = options.jit ? 5 : 1; seed <= 8; seed++) {
      const d = new Dice(seed), t = new Rig(options), end = CODE + 4 * PAGE, flat = d.one(4);
      const m = new ToyModel(new DataView(t.view.buffer.slice(t.view.byteOffset, t.view.byteOffset + 0x9000)));
      t.core.flat = flat;
      const rd = () => 3 + d.below(6);
      const line = (at: number): number => {
        const back = at >= CODE + 64 && at < end - 64 ? -1 - d.below(6) : 1;
        return d.pick([
          () => word("addi", rd(), d.below(16), d.below(9) - 4),
          () => word("addi", rd(), d.below(16), d.below(9) - 4),
          () => word("add", rd(), d.below(16), d.below(16)),
          () => word("wide", rd(), d.below(16), 0),
          () => word(d.pick(["beq", "bne"]), d.below(8), d.below(8), d.one(2) ? back : 1 + d.below(4)),
          () => word("j", 0, 0, d.one(3) ? back : 1 + d.below(3)),
          () => word(d.pick(["sw", "sw", "st"]), 2, 10, 0),
        ])();
      };
      // What both have.
      const put = (at: number, bytes: readonly number[]) => {
        for (const view of [t.view, m.memory]) bytes.forEach((b, n) => view.setUint8(at - RAM + n, b));
        t.engine.wrote(at, bytes.length);
      };
      const bytesOf = (n: number, count = 4) => Array.from({ length: count }, (_, i) => n >> 8 * i & 0xff);
      for (let at = CODE; at < end; at += 4) put(at, bytesOf(at < end - 32 ? line(at) : word("j", 0, 0, -20)));
      t.code(DATA, ["sb", 2, 11, 0], ["sh", 2, 11, 0], ["sw", 2, 11, 0], ["st", 2, 11, 0]);
      for (let round = 0; round < 60; round++) {
        if (d.one(8) && !flat) {
          m.swapped = !m.swapped;
          for (const [page, to] of [[1, 2], [2, 1]]) {
            const paddr = CODE + PAGE * to, at = CODE / PAGE + page;
            if (m.swapped) t.core.mapped.set(at, { paddr, rights: [READ, WRITE, FETCH] });
            else t.core.mapped.delete(at);
          }
          // More numbers than are remembered, each of which always means the same.
          t.core.space = (m.swapped ? 100 : 1) + d.below(3);
          t.core.env.flushTlb();
        }
        // Some code, often at the end of a page, and a write close to it.
        const edge = CODE + PAGE * (1 + d.below(3)), from = d.one(3) ? CODE + 4 * d.below(4 * 1024 - 60) : edge - 4 * d.below(16);
        const near = Math.max(CODE + 8, Math.min(end - 80, (d.one(2) ? edge : from) + 4 * (d.below(12) - 4)));
        const values = [line(near), line(near + 4)], value = BigInt.asIntN(64, BigInt(values[1]) << 32n | BigInt(values[0] >>> 0));
        const both = (n: number, v: bigint) => t.core.env.i64[R(n) >> 3] = m.registers[n] = v;
        both(10, BigInt(near));
        both(2, value);
        m.pc = t.pc = from;
        for (const budget of [1 + d.below(30), 40]) {
          t.all(budget);
          for (let n = 0; n < budget; n++) m.step();
          const message = () => `${engine}, seed ${seed}, round ${round}`;
          if (t.pc !== m.pc || m.registers.some((v, n) => v !== t.core.env.i64[R(n) >> 3])) {
            assertEquals(
              [t.pc.toString(16), ...t.core.env.i64.slice(R(0) >> 3, R(32) >> 3)],
              [m.pc.toString(16), ...m.registers],
              message(),
            );
          }
          for (let at = CODE - RAM; at < end - RAM; at += 8) {
            if (t.view.getBigInt64(at) !== m.memory.getBigInt64(at)) {
              assertEquals([at, t.view.getBigInt64(at)], [0, m.memory.getBigInt64(at)], message());
            }
          }
          covered.count("compared");
          // Now a write: of words, of the bytes of one, or of two halves of words; by a store, or from outside.
          const half = bytesOf(word("addi", rd(), d.below(16), 1)), ops = [half[2], half[3], half[0], half[1]];
          let [at, bytes] = d.pick<() => [number, number[]]>([
            () => [near, bytesOf(line(near))],
            () => [near, [...bytesOf(line(near)), ...bytesOf(line(near + 4))]],
            () => [near + 3, [d.below(5) + 1]],
            () => [near + 1, [rd()]],
            () => [near + 2, [d.below(16), d.below(5) + 1]],
            () => [near + 2, ops],
            () => [near + 2, [...ops, ...ops]],
            () => [edge - 4, [...bytesOf(line(edge - 4)), ...bytesOf(line(edge))]],
            () => [edge - 2, ops],
            () => [edge - 6, [...ops, ...ops]],
          ])();
          // Stores are only changed as a whole: else they would go anywhere.
          if (at & 3 && /^s/.test(NAMES[m.int(at - (at & 3)) & 0xff])) [at, bytes] = [at - (at & 3), bytesOf(line(at - (at & 3)))];
          if (d.one(3)) {
            // From outside, by physical addresses.
            if (!m.swapped) put(at, bytes);
            continue;
          }
          const v = bytes.reduceRight((v, b) => v << 8n | BigInt(b), 0n), index = [1, 2, 4, 8].indexOf(bytes.length);
          both(2, BigInt.asIntN(64, v));
          both(11, BigInt(at));
          t.pc = DATA + 4 * index;
          t.all(1);
          m.store(at, bytes.length, v);
          t.pc = m.pc;
          if ((at & (PAGE - 1)) + bytes.length > PAGE) covered.count("stores over an end");
          both(2, value);
        }
        if (round % 10 === 9) isSound(t);
      }
      for (const [what, n] of Object.entries(t.engine.stats)) if (what !== "compileMs") covered.count(what, n);
    }
    covered.atLeast({
      compared: 480,
      "stores over an end": 50,
      invalidations: 500,
      ...options.jit ? { regions: 100, regionsChanged: 60 } : {},
    });
    covered.golden(`written code: ${engine}`);
  }
});

Deno.test("what the engines counted in all tests above is what it was: what is translated, found, filled and dropped", () => {
  // Some were left out.
  if (ran < known) return;
  for (const [engine, covered] of Object.entries(all)) covered.golden(`all tests of the engine: ${engine}`);
});
