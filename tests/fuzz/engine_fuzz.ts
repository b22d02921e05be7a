// Whole programs, the interpreter against the JIT: loops, calls and returns, faults, interrupts and timers at any instruction, code that
// changes itself, address spaces that change under it; run by the JIT at several thresholds and with each pass off, cut into random slices.
// Before that, random IR straight from the op table: the evaluator against the micro-ops and compiled code.
// Usage: deno run -A tests/fuzz/engine_fuzz.ts [--cases INSTRUCTIONS] [--seed S] [--part ir|programs] [--xlen 32|64]
import { parseArgs } from "@std/cli";
import { Bus } from "../../src/core/bus.ts";
import { Engine, type EngineOptions, loadJit } from "../../src/engine/engine.ts";
import { JIT_OPTIONS, type JitOption } from "../../src/engine/jit_options.ts";
import { Builder, printIr, type Val } from "../../src/ir/builder.ts";
import { evaluate } from "../../src/ir/evaluate.ts";
import { type Access, CONTINUE, type Core, type CoreEnv, FAULT, FINISH, type Status, WRITE } from "../../src/ir/frontend.ts";
import { ARG, GUEST, GUEST_END, PAGE, PC, RESULT } from "../../src/ir/layout.ts";
import { type OpRow, OPS } from "../../src/ir/ops.ts";
import { Hart } from "../../src/riscv/hart.ts";
import { disassemble, encode, extract, randomWord, type Row } from "../../src/riscv/insn.ts";
import { type Isa, loadFloating } from "../../src/riscv/instruction_set.ts";
import { TIGHT_INTERPRETERS, TIGHT_JITS } from "../limits.ts";
import { everything, OF_PAGE_TABLES } from "../../src/riscv/testing/everything.ts";
import { Random } from "./random.ts";

await loadJit();
await loadFloating();

const RAM = 0x8000_0000, RAM_BYTES = 1 << 20;
const PASSES = Object.keys(JIT_OPTIONS) as JitOption[];

// --- part 1: random IR

const SLOTS = 12, slot = (n: number) => GUEST + 8 * n;
/** Where blocks may read and write: a few pages, one that only can be read, one that is not there; and which frame each has, from DATA on. */
const DATA = RAM + 0x8000, LANDING = RAM + 0x7000, FRAMES = [4, 7, 2, 5, 0, 3, 8, 1, 6];
const NAN_ROWS = /^(fadd|fsub|fmul|fdiv|fsqrt|fnearest|fpromote|fdemote)/;
const PURE = OPS.filter((r) => r.effect === "pure" && r.args !== "" && !NAN_ROWS.test(r.name));
const LOADS = OPS.filter((r) => r.effect === "reads"), STORES = OPS.filter((r) => r.effect === "writes");

/** Whose code is the random block of a seed at one place, and everywhere else an instruction that stops. */
class RandomCore implements Core {
  readonly helpers = [{ name: "mix", run: () => this.#mix() }, { name: "stop", run: () => this.#stop() }, {
    name: "check",
    run: () => this.#check(),
  }];
  seed = 0;
  pc = 0;
  onStop: () => void = () => {};
  stopped = false;
  pageCacheable = true;
  readonly waiting = false;
  /** Addresses are physical for half of the seeds: everything in RAM is there. */
  get physical(): boolean {
    return isFlat(this.seed);
  }
  /** Instructions that faulted. */
  faults = 0;
  constructor(readonly env: CoreEnv) {}
  /** Changes a slot: an instruction that calls it does nothing before that has to be done again. */
  #mix(): Status {
    const { u64 } = this.env, a = ARG >> 3;
    u64[RESULT >> 3] = u64[a] ^ (u64[a + 1] << 1n) ^ (u64[a + 2] << 2n) ^ (u64[a + 3] << 3n) ^ (u64[slot(0) >> 3] += 1n);
    return CONTINUE;
  }
  /** Faults now and then. */
  #check(): Status {
    const { u64 } = this.env, a = ARG >> 3;
    u64[RESULT >> 3] = u64[a] ^ (u64[a + 1] << 1n);
    return (u64[a] & 7n) === 5n ? FAULT : CONTINUE;
  }
  #stop(): Status {
    this.env.u64[PC >> 3] = this.env.u64[ARG >> 3];
    this.onStop();
    return FINISH;
  }
  mode = () => this.physical ? 1 : 0;
  regime = () => this.physical ? 1 : 0;
  context = () => 1;
  translate(lo: number, hi: number, access: Access): number {
    if (this.physical) return (hi >>> 0) * 2 ** 32 + (lo >>> 0);
    const page = ((lo >>> 0) - DATA) >> 12;
    if (hi !== 0 || page === 2 || (page === 3 && access === WRITE)) return -1;
    return page >= 0 && page < FRAMES.length ? DATA + FRAMES[page] * PAGE + (lo & (PAGE - 1)) : lo >>> 0;
  }
  busFault(): void {}
  raise(): void {
    this.faults++;
    this.env.u64[PC >> 3] = BigInt(LANDING);
  }
  interrupt = () => false;
  translateBlock(b: Builder, _code: unknown, max: number): void {
    const first = ((b.startLo >>> 0) - this.pc) / 4;
    if (first >= 0 && first < blockLength(this.seed)) return randomBlock(b, this.seed, first, max);
    b.insn(b.startLo, b.startHi, 0);
    b.callEnd(1, b.pcPlus(0));
  }
}

/** Parts of RAM that blocks may have written. */
const WRITTEN = [[0x7000, 0x1_1000], [RAM_BYTES - 128, RAM_BYTES]] as const;
const isFlat = (seed: number) => (seed >>> 20 & 1) === 1;
const blockLength = (seed: number) => 1 + (seed >>> 4) % 10;
/** The block of a seed from instruction `first` on: instructions of four bytes, each of random operations on values of its own. */
function randomBlock(b: Builder, seed: number, first: number, max: number): void {
  const count = blockLength(seed);
  for (let n = first; n < count; n++) {
    if (n - first === max) return b.jump(4);
    const r = new Random(seed + 0x10_0001 * n);
    b.insn(b.startLo + 4 * (n - first), b.startHi, 4 * (n - first));
    const values: { i: Val[]; l: Val[] } = { i: [], l: [] };
    const value = (ty: "i" | "l"): Val => {
      const known = values[ty];
      if (known.length && !r.one(4)) return r.pick(known);
      const constant = r.pick([0, 1, -1, 31, r.below(4096) - 2048, r.bits() | 0]);
      const v = r.one(3)
        ? (ty === "i" ? b.i32(constant) : b.i64Halves(constant, r.one(2) ? constant >> 31 : r.bits() | 0))
        : ty === "i"
        ? b.getI(slot(1 + r.below(SLOTS - 1)))
        : b.getL(slot(1 + r.below(SLOTS - 1)));
      known.push(v);
      return v;
    };
    const result = (row: OpRow, v: Val) => values[row.result as "i" | "l"].push(v);
    // An address in the data pages, at their ends more often than not.
    const address = (): Val => {
      // Off a register, which may hold anything, so that several are checked together or remember one page.
      if (r.one(2)) {
        const base = slot(r.one(2) ? 1 + seed % 3 : 1 + r.below(3)), offset = isFlat(seed) ? 8 * (r.below(6) - 2) : r.below(28) - 12;
        return r.one(3) ? b.ea32(b.getI(base), b.i32(offset)) : b.add(b.getL(base), b.i64(offset));
      }
      const base = b.and(value("l"), b.i64(0x1f)), at = DATA + PAGE * r.below(8) - (r.one(4) ? 2048 : 16);
      return r.one(3) ? b.ea32(b.wrap(base), b.i32(at)) : b.add(b.or(base, b.i64Halves(at & -32, 0)), b.i64(r.below(8)));
    };
    for (let ops = r.below(6); ops >= 0; ops--) {
      const kind = ops === 0 && r.one(2) ? 13 + r.below(5) : r.below(20);
      if (kind < 11) {
        const row = r.pick(PURE), [x, y, z] = [...row.args].map((t) => value(t as "i" | "l"));
        result(row, b.operation(row, x, y, z));
      } else if (kind < 12) values.l.push(b.select(value("i"), value("l"), value("l")));
      else if (kind < 13) values.l.push(b.callUnless(value("i"), value("l"), 2, value("l")));
      else if (ops > 0) continue;
      else if (kind < 15) {
        const row = r.pick(LOADS);
        result(row, b.operation(row, address()));
      } else if (kind < 17) {
        const row = r.pick(STORES);
        b.operation(row, address(), value(row.args[1] as "i" | "l"));
      } else if (kind < 18) {
        // A read-modify-write, as atomic instructions have it.
        const at = address(), old = b.load("rmw64.l", at);
        b.store("store64.l", at, b.add(old, value("l")));
        values.l.push(old);
      } else values.l.push(b.call(0, value("l"), value("l"), value("l"), value("l")));
    }
    for (let sets = r.below(3); sets > 0; sets--) b.set(slot(1 + r.below(SLOTS - 1)), value(r.pick(["i", "l"])));
    if (r.one(5)) b.branchIf(value("i"), 0x40);
  }
  if (seed & 8) b.jumpTo(b.add(b.and(b.getL(slot(1)), b.i64(0xffc)), b.i64Halves((RAM + 0x5000) | 0, 0)));
  else b.jump(0x1000);
}

export function fuzzIr(r: Random, total: number): number {
  const ram = [{ base: RAM, length: RAM_BYTES, readonly: false }];
  const engines = ([["interpreter", {}], ["JIT", { jit: true, threshold: 1, verify: true, profile: true }], ["JIT without passes", {
    jit: true,
    threshold: 1,
    off: PASSES,
  }]] as const)
    .map(([name, options]) => ({ name, engine: new Engine(1, ram, new Bus(), options) }));
  for (const { engine } of engines) engine.harts[0].core = new RandomCore(engine.harts[0]);
  const slots = new DataView(new ArrayBuffer(GUEST_END)), memory = new Uint8Array(RAM_BYTES), view = new DataView(memory.buffer);
  const core = new RandomCore({ u64: new BigUint64Array(slots.buffer) } as CoreEnv), b = new Builder();
  let done = 0, blocks = 0, failures = 0, faults = 0;
  while (done < total && failures < 5) {
    // Compiling takes most of the time: few blocks go to the JIT.
    const seed = r.bits() & 0x7fff_fff8 | r.bits() & 8, subjects = blocks % 8 ? engines.slice(0, 1) : engines;
    // Code must be somewhere: the first pages of RAM.
    const pc = RAM + r.below(0x1000 / 4) * 4 + PAGE * (blocks & 3);
    b.reset(pc | 0, 0);
    core.seed = seed;
    randomBlock(b, seed, 0, 64);
    const state = Array.from({ length: SLOTS }, () => r.pick([r.bits64(), BigInt(r.below(64)), BigInt(DATA + r.below(8 * PAGE)), -1n]));
    for (let n = 1; n < 4; n++) {
      const far = isFlat(seed) ? RAM + RAM_BYTES - 8 * r.below(6) : DATA + PAGE * r.pick([1, 5, 6, 7, 8]) - r.below(24);
      if (r.below(4)) state[n] = BigInt(r.pick([DATA + r.below(8 * PAGE), far, far, far]));
    }
    state.forEach((v, n) => slots.setBigUint64(slot(n), BigInt.asUintN(64, v), true));
    for (let at = 0x8000; at < 0x1_1000; at += 4) if (at % PAGE < 64 || at % PAGE > PAGE - 64) view.setUint32(at, r.bits(), true);
    for (const { engine } of subjects) {
      for (const [from, to] of WRITTEN) engine.ramBytes(0).set(memory.subarray(from, to), from);
      engine.setPc(0, BigInt(pc));
      const { u64 } = engine.harts[0], core = engine.harts[0].core as RandomCore;
      state.forEach((v, n) => u64[slot(n) >> 3] = BigInt.asUintN(64, v));
      core.seed = seed;
      core.pc = pc;
      core.stopped = false;
      core.onStop = () => {
        core.stopped = true;
        engine.attention();
      };
      engine.wrote(RAM, 4 * PAGE); // what was there before are other blocks
    }
    /** Where each byte is; undefined when one cannot be had. */
    const at = (address: bigint, size: number, access: Access): number[] | undefined => {
      const bytes = Array.from({ length: size }, (_, i) => {
        const a = BigInt.asUintN(64, address + BigInt(i));
        return core.translate(Number(BigInt.asIntN(32, a)), Number(a >> 32n), access) - RAM;
      });
      return bytes.every((byte) => byte >= 0 && byte < RAM_BYTES) ? bytes : undefined;
    };
    /** What the block has written elsewhere: a random register may hold any address of RAM. */
    const strays = new Set<number>();
    const exit = evaluate(b, {
      slots,
      helpers: core.helpers,
      load: (address, size, write) => {
        return at(address, size, write ? 1 : 0)?.reduceRight((v, byte) => (v << 8n) | BigInt(memory[byte]), 0n);
      },
      store: (address, size, value) => {
        const bytes = at(address, size, 1);
        bytes?.forEach((byte, n) => {
          memory[byte] = Number((value >> BigInt(8 * n)) & 0xffn);
          if (!WRITTEN.some(([from, to]) => byte >= from && byte < to)) strays.add(byte);
        });
        return bytes !== undefined;
      },
    });
    if (exit.kind === "fault") faults++;
    done += exit.insns;
    blocks++;
    const expected = [
      exit.kind === "fault" ? BigInt(LANDING) : exit.pc,
      ...Array.from({ length: SLOTS }, (_, n) => slots.getBigUint64(slot(n), true)),
    ];
    for (const { name, engine } of subjects) {
      let count = -1;
      // It may come back before, to drop translations.
      for (const core = engine.harts[0].core as RandomCore; !core.stopped && count < 100; count += engine.executed) engine.run(0, 100);
      const { u64 } = engine.harts[0], got = [engine.pc(0), ...Array.from({ length: SLOTS }, (_, n) => u64[slot(n) >> 3])];
      const ram = engine.ramBytes(0);
      let differs = count !== exit.insns || expected.some((v, i) => v !== got[i]);
      for (const [from, to] of WRITTEN) for (let i = from; i < to; i++) if (ram[i] !== memory[i]) differs = true;
      for (const i of strays) if (ram[i] !== memory[i]) differs = true;
      if (!differs) continue;
      failures++;
      console.log(`IR: ${name} differs, block ${blocks}, seed ${seed}: ${exit.kind} after ${exit.insns} instructions, ${count} here`);
      expected.forEach((v, i) =>
        v !== got[i] && console.log(`  ${i ? `slot ${i - 1}` : "pc"}: evaluator 0x${v.toString(16)}, 0x${got[i].toString(16)}`)
      );
      console.log(printIr(b));
    }
    // Later blocks of those that did not run this one read there, too.
    for (const { engine } of engines) for (const i of strays) engine.ramBytes(0)[i] = memory[i];
  }
  const regions = engines.map((e) => e.engine.stats.regions).join(" + ");
  const crossings = engines[1].engine.sideExits!.causes.get("page crossing") ?? 0;
  if (crossings < Math.floor(done / 1000)) {
    console.log(`IR: only ${crossings} accesses across pages in compiled code, ${Math.floor(done / 1000)} were due`);
    failures++;
  }
  console.log(
    `IR: ${done} instructions in ${blocks} random blocks over ${
      PURE.length + LOADS.length + STORES.length
    } rows, ${faults} faults, ${regions} regions, ${crossings} accesses across pages in compiled code; ${failures} differ`,
  );
  return failures;
}
// --- part 2: programs

// RAM: the handlers and their logs (16 KiB where bit 14 is clear), code and its constants, data, tables.
const HANDLER_M = 0x0000, HANDLER_S = 0x1000, LOG = 0x8000, LOG_S = 0x1_8000, TEXT = 0x1_0000, TEXT_BYTES = 0x4000;
/** The program once more with some other words; its pages are put in the place of the program's. */
const SHADOW = TEXT + 0x4000;
const DATA_AT = 0x4_0000, DATA_PAGES = 16, TABLES = 0xf_0000;
/** The same data pages once more, so far away that both compete for TLB entries. */
const ALIAS = 4 << 20;
const M_STATUS = 0x300, MSCRATCH = 0x340;
/** Registers with a task: return addresses, data pointers, a bad pointer, loop counters, code to change and its words, a table entry. */
const TEMPS = [6, 7, 15, 16, 17, 23, 27, 28, 29, 30], POINTERS = [2, 8, 9, 10, 11, 13], BAD = 12, COUNTERS = [18, 19];
/** The pointer to a page's end, and those for what traps where it is not aligned. */
const STRADDLING = 13, ALIGNED = [8, 9];
const PATCH_AT = 20, WORDS = [21, 22], ENTRY = 24, REMAPPED = 26, CODE_ENTRY = 25, CODE_REMAPPED = 14;
/** Read by programs; those of M only raise an exception elsewhere. */
const READ_CSRS = [0xc00, 0xc01, 0xc02, 0x001, 0x002, 0x003], HIGH_CSRS = [0xb00, 0xb02, 0x342, 0x341, 0x344, 0x143, 0x100, 0x180, 0xf14];

class Assembler {
  readonly code: number[] = [];
  constructor(readonly isa: Isa, readonly base: number) {}
  get at(): number {
    return this.base + 2 * this.code.length;
  }
  word(word: number): this {
    this.code.push(word & 0xffff, word >>> 16);
    return this;
  }
  short(half: number): this {
    this.code.push(half);
    return this;
  }
  i(name: string, fields: Record<string, number> = {}): this {
    return this.word(encode(this.isa.table.row(name), { rm: 7, aq: 0, rl: 0, ...fields }));
  }
  /** A jump or branch to `to`, or one that `patch` completes. */
  to(name: string, fields: Record<string, number>, to = this.at): number {
    const at = this.at;
    this.i(name, { ...fields, imm: to - at });
    return at;
  }
  patch(at: number, name: string, fields: Record<string, number>): void {
    this.put(at, name, fields, this.at);
  }
  /** Puts a jump or branch in the place of what is at `at`. */
  put(at: number, name: string, fields: Record<string, number>, to: number): void {
    const word = encode(this.isa.table.row(name), { ...fields, imm: to - at }), i = (at - this.base) / 2;
    this.code[i] = word & 0xffff;
    this.code[i + 1] = word >>> 16;
  }
}

/** Saves cause, epc, tval and the counters in the log, skips the instruction of an exception, and returns. Uses x31 and x30 and keeps them. */
function handler(isa: Isa, base: number, s: boolean): number[] {
  const a = new Assembler(isa, base), csr = (n: number) => s ? n - 0x200 : n, [load, store] = isa.xlen === 64 ? ["ld", "sd"] : ["lw", "sw"];
  const read = (rd: number, n: number) => a.i("csrrs", { rd, rs1: 0, csr: n });
  a.i("csrrw", { rd: 31, rs1: 31, csr: csr(MSCRATCH) }).i(store, { rs1: 31, rs2: 30, imm: 0 });
  for (const [i, n] of [csr(0x342), csr(0x341), csr(0x343), csr(0x300), s ? 0xc02 : 0xb02, s ? 0xc01 : 0xb00].entries()) {
    read(30, n);
    a.i(store, { rs1: 31, rs2: 30, imm: 8 + 8 * i });
  }
  read(30, csr(0x342));
  const interrupt = a.to("blt", { rs1: 30, rs2: 0 });
  // A fetch fault: back to the program's start, whose address is in the last word of the log. Anything else: behind the instruction.
  a.i("andi", { rd: 30, rs1: 30, imm: -14 }); // causes 0, 1, 12: 0
  const skip = a.to("bne", { rs1: 30, rs2: 0 });
  a.i("lui", { rd: 30, imm: (RAM + TEXT) | 0 });
  if (isa.xlen === 64) a.i("slli", { rd: 30, rs1: 30, shamt: 32 }).i("srli", { rd: 30, rs1: 30, shamt: 32 });
  a.i("csrrw", { rd: 0, rs1: 30, csr: csr(0x341) });
  const done = a.to("jal", { rd: 0 });
  a.patch(skip, "bne", { rs1: 30, rs2: 0 });
  read(30, csr(0x341));
  a.i("addi", { rd: 30, rs1: 30, imm: 4 }).i("csrrw", { rd: 0, rs1: 30, csr: csr(0x341) });
  const leave = a.to("jal", { rd: 0 });
  // An interrupt: the timer must not come again at once.
  a.patch(interrupt, "blt", { rs1: 30, rs2: 0 });
  a.i("addi", { rd: 30, rs1: 0, imm: -1 }).i("csrrw", { rd: 0, rs1: 30, csr: 0x14d });
  if (isa.xlen === 32) a.i("csrrw", { rd: 0, rs1: 30, csr: 0x15d });
  a.patch(done, "jal", { rd: 0 });
  a.patch(leave, "jal", { rd: 0 });
  a.i(load, { rd: 30, rs1: 31, imm: 0 }).i("addi", { rd: 31, rs1: 31, imm: 64 }).i("bclri", { rd: 31, rs1: 31, shamt: 14 });
  a.i("csrrw", { rd: 31, rs1: 31, csr: csr(MSCRATCH) }).i(s ? "sret" : "mret");
  return a.code;
}

/** What programs are made of. */
class Rows {
  readonly plain: Row[] = [];
  readonly short: Row[] = [];
  readonly memory: Row[] = [];
  constructor(readonly isa: Isa) {
    // In an order that does not depend on how they are grouped.
    for (const r of isa.table.rows.toSorted((a, b) => a.row < b.row ? -1 : 1)) {
      const name = r.syntax.split(" ")[0];
      if (
        r.syntax === "" ||
        /^(ecall|ebreak|[msu]ret|wfi|wrs|csr|fence|s?fence|sfence|sinval|hfence|jal|c\.j|c\.eb|c\.b|cbo\.|prefetch)/.test(name)
      ) continue;
      if (/pc\+/.test(r.syntax)) continue;
      if (r.bits === 16) {
        if (/^c\.(nop|addi|li|mv|add|slli|addiw) ?/.test(r.syntax) && /\brd\b/.test(r.syntax)) this.short.push(r);
      } else if (/\(rs1\)/.test(r.syntax)) this.memory.push(r);
      else this.plain.push(r);
    }
    this.memory.push(isa.table.row("cbo.zero"));
  }
  /** An access of any size that begins within 10 bytes of where a register points. */
  near(r: Random, rs1: number): number {
    // Atomic ones, which have no offset, are most of the rows, and trap where they are not aligned.
    const word = this.draw(r, r.pick(r.one(50) ? this.memory : this.memory.filter((row) => /imm\(rs1\)/.test(row.syntax)))),
      row = this.isa.table.find(word)!,
      f: Record<string, number> = { ...extract(row, word), rs1 };
    if ("imm" in f) f.imm = r.below(20) - 10;
    return encode(row, f);
  }
  draw(r: Random, row: Row): number {
    const f: Record<string, number> = extract(row, randomWord(row, r.unit));
    if ("rd" in f && !/\bfd\b/.test(row.syntax)) f.rd = r.pick(TEMPS);
    if (f.rm === 5 || f.rm === 6) f.rm = 7;
    if (/\(rs1\)/.test(row.syntax)) {
      f.rs1 = r.one(40) ? BAD : r.pick("imm" in f || r.one(60) ? POINTERS : ALIGNED);
      if ("imm" in f) f.imm = r.one(8) ? r.below(4096) - 2048 : r.below(64);
    }
    return encode(row, f);
  }
}

/** A random program with its constants behind it: functions that loop and call later ones, and an endless loop that calls them. */
function program(
  r: Random,
  rows: Rows,
  mode: number,
): { code: number[]; patches: number[]; plain: number[]; main: number; constants: number } {
  const { isa } = rows,
    a = new Assembler(isa, TEXT),
    functions: number[] = [],
    patches: number[] = [],
    plain: number[] = [],
    gaps: (readonly [from: number, to: number])[] = [],
    load = isa.xlen === 64 ? "ld" : "lw";
  /** Accesses of all sizes off one register, on either side of a page's end and across it, again and again. */
  const straddle = (depth: number): void => {
    const counter = COUNTERS[depth & 1], rs1 = r.one(4) ? r.pick(POINTERS) : STRADDLING, loops = depth < 2;
    if (loops) a.i("addi", { rd: counter, rs1: 0, imm: 2 + r.below(20) });
    const top = a.at;
    for (let n = 2 + r.below(6); n > 0; n--) a.word(rows.near(r, rs1));
    if (r.one(2)) a.i("addi", { rd: rs1, rs1, imm: r.pick([-2, -1, 1]) });
    if (loops) a.i("addi", { rd: counter, rs1: counter, imm: -1 }).to("bne", { rs1: counter, rs2: 0 }, top);
  };
  const operation = (depth: number): void => {
    const kind = r.below(100);
    if (kind < 45) {
      plain.push(a.at);
      a.word(rows.draw(r, r.pick(rows.plain)));
    } else if (kind < 52) a.short(rows.draw(r, r.pick(rows.short)));
    else if (kind < 73) a.word(rows.draw(r, r.pick(rows.memory)));
    else if (kind < 76) straddle(depth);
    else if (kind < 80) a.i("csrrs", { rd: r.pick(TEMPS), rs1: 0, csr: r.pick(r.one(8) ? HIGH_CSRS : READ_CSRS) });
    else if (kind < 82) a.i(r.pick(["csrrsi", "csrrci"]), { rd: 0, uimm: mode === 3 ? 8 : 2, csr: mode === 3 ? M_STATUS : 0x100 });
    else if (kind < 83) {
      if (r.one(2)) a.i("csrrw", { rd: 0, rs1: r.pick(TEMPS), csr: r.pick([1, 2, 3]) });
      else a.i("csrrwi", { rd: 0, uimm: r.below(8), csr: r.pick([1, 2]) });
    } else if (kind < 84) {
      // A timer interrupt soon.
      a.i("csrrs", { rd: 6, rs1: 0, csr: 0xc01 }).i("addi", { rd: 6, rs1: 6, imm: r.below(200) }).i("csrrw", { rd: 0, rs1: 6, csr: 0x14d });
      if (isa.xlen === 32) a.i("csrrw", { rd: 0, rs1: 0, csr: 0x15d });
    } else if (kind < 88) {
      const name = r.pick(["beq", "bne", "blt", "bgeu"]), f = { rs1: r.pick(TEMPS), rs2: r.pick([0, ...TEMPS]) }, at = a.to(name, f);
      for (let n = r.below(4); n >= 0 && depth < 4; n--) operation(depth + 1);
      a.patch(at, name, f);
    } else if (kind < 89) r.one(2) ? a.i(r.pick(["ecall", "ebreak"])) : r.one(2) ? a.word(0xffff_ffff) : a.word(0).word(0);
    else if (kind < 91) {
      a.i("sw", { rs1: PATCH_AT, rs2: WORDS[0], imm: 0 });
      if (r.one(2)) a.i("fence.i");
      a.i("xor", { rd: WORDS[0], rs1: WORDS[0], rs2: WORDS[1] }).i("xor", { rd: WORDS[1], rs1: WORDS[0], rs2: WORDS[1] })
        .i("xor", { rd: WORDS[0], rs1: WORDS[0], rs2: WORDS[1] });
    } else if (kind < (mode === 1 ? 93 : 0)) {
      // A page of the program: its shadow in its place, or just accessed no longer.
      a.i(load, { rd: 6, rs1: CODE_ENTRY, imm: 0 }).i("binvi", { rd: 6, rs1: 6, shamt: r.pick([12, 12, 6]) });
      a.i(isa.xlen === 64 ? "sd" : "sw", { rs1: CODE_ENTRY, rs2: 6, imm: 0 }).i("sfence.vma", {
        rs1: r.one(2) ? 0 : CODE_REMAPPED,
        rs2: 0,
      });
    } else if (kind < (mode === 1 ? 95 : 0)) {
      // Another page, other rights, absent or there again; then the fence, for the page or for all.
      a.i(load, { rd: 6, rs1: ENTRY, imm: 0 }).i("xori", { rd: 6, rs1: 6, imm: r.pick([1, 4, 0x40, 0x80, 0x400, 0x440, -0x400]) });
      a.i(isa.xlen === 64 ? "sd" : "sw", { rs1: ENTRY, rs2: 6, imm: 0 }).i("sfence.vma", { rs1: r.one(2) ? 0 : REMAPPED, rs2: 0 });
    } else if (kind < 96 && functions.length) a.to("jal", { rd: r.pick([1, 1, 5]) }, r.pick(functions));
    else if (kind < 97) {
      const counter = COUNTERS[depth & 1];
      if (depth >= 2) return;
      a.i("addi", { rd: counter, rs1: 0, imm: 2 + r.below(r.pick([2, 6, 30])) });
      const top = a.at;
      for (let n = r.below(8); n >= 0; n--) operation(depth + 2 + (depth & 1 ? 1 : 0));
      a.i("addi", { rd: counter, rs1: counter, imm: -1 }).to("bne", { rs1: counter, rs2: 0 }, top);
    } else if (kind < 98) {
      // A computed jump over something.
      const at = a.at;
      a.i("auipc", { rd: 6, imm: 0 }).i("addi", { rd: 6, rs1: 6, imm: 16 }).i("jalr", { rd: 0, rs1: 6, imm: 0 }).word(
        rows.draw(r, r.pick(rows.plain)),
      );
      if (a.at !== at + 16) throw new Error("computed jump");
    } else {
      patches.push(a.at);
      a.word(rows.draw(r, r.pick(rows.plain)));
    }
  };
  // Calls inside functions lose the return address: it is kept in a counter's place of its own.
  for (let n = 2 + r.below(4); n > 0; n--) {
    // Functions lie apart, mostly on different pages, and run across their ends.
    const gap = a.at;
    for (let n = r.below(500); n > 0; n--) a.word(0);
    if (a.at & 2) a.short(0);
    const start = a.at, outer = r.one(2);
    a.i("addi", { rd: 3 + (n & 1), rs1: 1, imm: 0 });
    if (outer) a.i("addi", { rd: COUNTERS[0], rs1: 0, imm: r.pick([2, 3, 5, 40]) });
    const top = a.at;
    if (r.below(3)) straddle(outer ? 1 : 0);
    for (let ops = r.below(r.pick([4, 25])); ops >= 0; ops--) operation(outer ? 1 : 0);
    if (outer) a.i("addi", { rd: COUNTERS[0], rs1: COUNTERS[0], imm: -1 }).to("bne", { rs1: COUNTERS[0], rs2: 0 }, top);
    a.i("addi", { rd: 1, rs1: 3 + (n & 1), imm: 0 }).i("jalr", { rd: 0, rs1: 1, imm: 0 });
    // Only leaves are called from inside: they use x4, the others x3, so that one level is safe.
    if (n & 1) functions.push(start);
    else functions.unshift(start);
    gaps.push([gap, start]);
  }
  const main = a.at;
  // The constants come from memory again and again: programs overwrite what they like.
  const table = a.to("auipc", { rd: 31 });
  const names = [...POINTERS, BAD, PATCH_AT, ...WORDS, ENTRY, REMAPPED, CODE_ENTRY, CODE_REMAPPED];
  for (const [n, rd] of names.entries()) a.i(load, { rd, rs1: 31, imm: 1024 + 8 * n });
  for (let n = 5 + r.below(20); n > 0; n--) r.one(2) ? a.to("jal", { rd: 1 }, r.pick(functions)) : operation(0);
  a.to("jal", { rd: 0 }, main);
  if (a.at > table + 1024 || table + 2048 > TEXT + TEXT_BYTES) throw new Error("the program is too long");
  // A program that has lost its way begins again: else it would spend its life in the traps of one zero after the other.
  const constants = table + 1024;
  gaps.push([a.at, constants], [constants + 8 * names.length, TEXT + TEXT_BYTES]);
  while (a.at < TEXT + TEXT_BYTES) a.short(0);
  for (const [from, to] of gaps) for (let at = to - 4; at >= from; at -= 4) a.put(at, "jal", { rd: 0 }, main);
  if (!patches.length) patches.push(functions[0] + 4);
  return { code: a.code, patches, plain, main, constants };
}

class Subject {
  readonly engine: Engine;
  readonly hart: Hart;
  readonly env: CoreEnv;
  readonly ram: Uint8Array;
  #timer = Infinity;
  /** Instructions since the program began. */
  done = 0;
  /** Of its own: the same program is cut differently in every subject. */
  readonly cuts = new Random(1);

  constructor(readonly name: string, isa: Isa, options: EngineOptions) {
    const engine = this.engine = new Engine(1, [{ base: RAM, length: RAM_BYTES, readonly: false }], new Bus(), options);
    this.env = engine.harts[0];
    this.hart = engine.harts[0].core = new Hart(this.env, {
      isa,
      mmu: isa.xlen === 64 ? "sv39" : "sv32",
      svade: false,
      hartId: 0,
      reset: BigInt(RAM),
      pmpEntries: 16,
      time: () => engine.harts[0].instructions(),
      timer: (at) => {
        this.#timer = at;
        engine.attention();
      },
      onPending: () => engine.attention(),
    });
    this.ram = engine.ramBytes(0);
  }
  /** Runs exactly `count` instructions in random slices; timers are due to the instruction. */
  run(count: number): void {
    const end = this.done + count;
    while (this.done < end) {
      if (this.#timer <= this.done) {
        this.#timer = Infinity;
        this.hart.interrupts.timerDue();
      }
      const cut = this.cuts.pick([1, 7, 50, 1000, 1e9, 1e9]);
      this.engine.run(0, Math.min(end - this.done, this.#timer - this.done, cut));
      this.done += this.engine.executed;
    }
  }
}

const OPTIONS: readonly (readonly [string, EngineOptions])[] = [
  ["interpreter", {}],
  ["JIT at 1", { jit: true, threshold: 1, verify: true }],
  ["JIT at 3", { jit: true, threshold: 3, profile: true }],
  ["JIT at 12", { jit: true, threshold: 12 }],
  ["JIT at 50", { jit: true, threshold: 50 }],
  ...PASSES.map((pass) => [`JIT without ${pass}`, { jit: true, threshold: 5, off: [pass] }] as const),
  ...TIGHT_INTERPRETERS.slice(0, 1),
  ...TIGHT_JITS,
];

/** Tables that map RAM to itself, but the data pages in random order and a second time in another; their rights are random. Gives satp. */
function pageTables(view: DataView, isa: Isa, r: Random, user: boolean): bigint {
  const ppn = (at: number) => (RAM + at) / PAGE, u = user ? 0x10 : 0;
  const flags = (i: number) => {
    const at = i * PAGE, page = (at - DATA_AT) / PAGE;
    if (at >= TEXT && at < TEXT + TEXT_BYTES) return 0xcf | u; // code may be written
    if (page < 0 || page >= DATA_PAGES) return 0xcf;
    return r.pick([0x7, 0x7, 0xc7, 0x47, 0xc7, 0xc7, 0x7, 0xc7, 0xc7, 0x3, 0xc6, 0xf]) | u;
  };
  // Data pages that are neighbours have frames that are not: else an access that goes to one frame alone is right by chance.
  const leaves = () => {
    const frames = r.order(DATA_PAGES), first = DATA_AT / PAGE;
    return Array.from(
      { length: 256 },
      (_, i) => ppn((i >= first && i < first + DATA_PAGES ? first + frames[i - first] : i) * PAGE) * 1024 + flags(i),
    );
  };
  if (isa.xlen === 64) {
    const put = (at: number, v: number) => view.setBigUint64(at, BigInt(v), true);
    const [root, middle, low, alias] = [0, 1, 2, 3].map((n) => TABLES + n * PAGE);
    put(root + 8 * 2, ppn(middle) * 1024 + 1);
    put(middle, ppn(low) * 1024 + 1);
    put(middle + 8 * 2, ppn(alias) * 1024 + 1);
    for (const table of [low, alias]) leaves().forEach((v, i) => put(table + 8 * i, v));
    return (8n << 60n) | BigInt(ppn(root));
  }
  const root = TABLES, low = TABLES + PAGE, alias = TABLES + 2 * PAGE;
  view.setUint32(root + 4 * 512, ppn(low) * 1024 + 1, true);
  view.setUint32(root + 4 * 513, ppn(alias) * 1024 + 1, true);
  for (const table of [low, alias]) leaves().forEach((v, i) => view.setUint32(table + 4 * i, v, true));
  return (1n << 31n) | BigInt(ppn(root));
}

function startProgram(subjects: readonly Subject[], rows: Rows, r: Random): void {
  const { isa } = rows, ram = new Uint8Array(RAM_BYTES), view = new DataView(ram.buffer), mode = r.pick([3, 1, 1, 1, 0]);
  const { code, patches, plain, main, constants } = program(r, rows, mode);
  const halves = (at: number, list: readonly number[]) => list.forEach((h, i) => view.setUint16(at + 2 * i, h, true));
  halves(HANDLER_M, handler(isa, HANDLER_M, false));
  halves(HANDLER_S, handler(isa, HANDLER_S, true));
  halves(TEXT, code);
  for (let at = DATA_AT; at < DATA_AT + DATA_PAGES * PAGE; at += 4) view.setUint32(at, r.bits(), true);
  const satp = pageTables(view, isa, r, mode === 0), page = r.below(DATA_PAGES), codePage = r.below(Math.ceil((constants - TEXT) / PAGE));
  const pointer = (register: number) => {
    const base = RAM + DATA_AT + PAGE * r.below(DATA_PAGES) + (mode !== 3 && r.one(3) ? ALIAS : 0);
    if (ALIGNED.includes(register)) return base + 8 * r.below(512);
    if (register === STRADDLING) return base + PAGE - r.below(8);
    return r.one(3) ? base + PAGE - r.below(32) : base + r.below(2000) & (r.one(4) ? -1 : -8);
  };
  const entrySize = isa.xlen / 8, entries = RAM + TABLES + (isa.xlen === 64 ? 2 : 1) * PAGE;
  const values = [
    ...POINTERS.map(pointer),
    r.pick([0, 0x7000_0000, RAM + RAM_BYTES - 4, RAM + (2 << 20), 0x1000]),
    RAM + r.pick(patches),
    rows.draw(r, r.pick(rows.plain)),
    rows.draw(r, r.pick(rows.plain)),
    entries + entrySize * (DATA_AT / PAGE + page) + (r.one(2) ? PAGE : 0),
    RAM + DATA_AT + page * PAGE,
    entries + entrySize * (TEXT / PAGE + codePage),
    RAM + TEXT + codePage * PAGE,
  ];
  values.forEach((v, i) => view.setUint32(constants + 8 * i, v, true));
  ram.copyWithin(SHADOW, TEXT, TEXT + TEXT_BYTES);
  for (const at of plain) if (r.one(3)) view.setUint32(at - TEXT + SHADOW, rows.draw(r, r.pick(rows.plain)), true);
  const deleg = mode < 3 && r.one(2) ? 0xb3ff : 0, fcsr = r.pick([0, 1, r.below(256)]), seed = r.bits();
  const registers = Array.from({ length: 32 }, () => r.pick([r.bits64(), BigInt(r.below(64)), -1n])),
    floats = registers.map(() => r.pick([r.bits64(), r.bits64() | (-1n << 32n)]));
  for (const [n, s] of subjects.entries()) {
    s.ram.set(ram);
    s.hart.reset();
    s.engine.reset();
    s.done = 0;
    s.cuts.state = seed + n;
    const set = (name: string, v: bigint | number) => s.hart.setReg(name, BigInt.asUintN(isa.xlen, BigInt(v)));
    registers.forEach((v, i) => i && set(`x${i}`, v));
    floats.forEach((v, i) => s.hart.setReg(`f${i}`, BigInt.asUintN(64, v)));
    set("mtvec", RAM + HANDLER_M);
    set("stvec", RAM + HANDLER_S);
    set("mscratch", RAM + LOG);
    set("sscratch", RAM + LOG_S);
    set("pmpaddr0", -1n);
    set("pmpcfg0", 0x1f);
    set("medeleg", deleg);
    set("mideleg", deleg ? 0x222 : 0);
    set("senvcfg", 0xf0);
    set("mcounteren", 7);
    set("scounteren", 7);
    if (isa.xlen === 64) set("menvcfg", (1n << 63n) | 0xf0n);
    else {
      set("menvcfgh", 1n << 31n);
      set("menvcfg", 0xf0);
    }
    set("mie", 0xaaa);
    set("mstatus", 0x2000 | 0x8 | 0x2);
    set("fcsr", fcsr);
    if (mode < 3) set("satp", satp);
    set("priv", mode);
    set("pc", RAM + main);
  }
}

const view64 = (bytes: Uint8Array) => new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);

function same(a: Subject, b: Subject): boolean {
  const x = view64(a.ram), y = view64(b.ram);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  for (let at = GUEST; at < GUEST_END; at += 8) if (a.env.u64[at >> 3] !== b.env.u64[at >> 3]) return false;
  return a.done === b.done && a.env.instructions() === b.env.instructions() && a.env.u64[PC >> 3] === b.env.u64[PC >> 3] &&
    JSON.stringify(a.hart.s) === JSON.stringify(b.hart.s);
}

function difference(a: Subject, b: Subject): string[] {
  const out: string[] = [];
  for (const { name } of a.hart.registers) {
    const x = a.hart.reg(name), y = b.hart.reg(name);
    if (x !== y) out.push(`${name}: 0x${x.toString(16)}, ${b.name} 0x${y.toString(16)}`);
  }
  const x = view64(a.ram), y = view64(b.ram);
  for (let i = 0; i < x.length && out.length < 12; i++) {
    if (x[i] !== y[i]) out.push(`0x${(RAM + 8 * i).toString(16)}: 0x${x[i].toString(16)}, ${b.name} 0x${y[i].toString(16)}`);
  }
  return out;
}

/** Text of the instruction at a hart's pc. */
function at(s: Subject, isa: Isa): string {
  const pc = s.hart.reg("pc"), offset = Number(pc) - RAM;
  if (offset < 0 || offset > RAM_BYTES - 4) return `0x${pc.toString(16)}`;
  const word = new DataView(s.ram.buffer, s.ram.byteOffset).getUint32(offset, true), row = isa.table.find(word);
  return `0x${pc.toString(16)} ${row ? disassemble(row, word) : "illegal"} (privilege ${s.hart.s.priv})`;
}

/** Instructions of one program. */
const LENGTH = 10_000;
/** Of so many instructions at least one is, in one of the subjects, an access across pages that a region leaves to the interpreter. */
const CROSSING_EVERY = 2000;
export function fuzzPrograms(r: Random, total: number, xlen: 32 | 64): number {
  const isa = everything(xlen, OF_PAGE_TABLES),
    rows = new Rows(isa),
    subjects = OPTIONS.map(([name, o]) => new Subject(name, isa, o)),
    [reference] = subjects;
  let done = 0, programs = 0, failures = 0, traps = 0;
  while (done < total && failures < 5) {
    const seed = r.state;
    startProgram(subjects, rows, r);
    programs++;
    for (let n = 0, length = 0; length < LENGTH; n++) {
      const part = r.pick([1 + r.below(20), r.below(300), r.below(5000), r.below(20_000)]),
        from = at(reference, isa),
        line = r.pick(["mtip", "meip", "seip", "msip"]);
      for (const s of subjects) s.run(part);
      length += part;
      const wrong = subjects.find((s) => !same(reference, s));
      if (wrong) {
        failures++;
        console.log(
          `RV${xlen}, --seed ${seed}: part ${n} of ${part} instructions from ${from} to ${at(reference, isa)}, ${wrong.name}: ${
            at(wrong, isa)
          }`,
        );
        console.log(difference(reference, wrong).map((l) => "  " + l).join("\n"));
        break;
      }
      // A wire is up at this instruction, and for so few that its handler is not all that runs.
      const wire = (up: boolean) => {
        for (const s of subjects) s.hart.input(line)!.set(up);
      };
      wire(true);
      for (const s of subjects) s.run(30);
      length += 30;
      wire(false);
    }
    done += LENGTH;
    traps += reference.hart.traps.count;
  }
  const sum = (f: (s: Subject) => number) => subjects.reduce((n, s) => n + f(s), 0);
  const crossings = sum((s) => s.engine.sideExits?.causes.get("page crossing") ?? 0), floor = Math.floor(done / CROSSING_EVERY);
  if (crossings < floor) {
    console.log(`RV${xlen}: only ${crossings} accesses across pages in compiled code, ${floor} were due`);
    failures++;
  }
  console.log(
    `RV${xlen}: ${done} instructions of ${programs} programs, each run ${subjects.length} ways, ${traps} traps, ${
      sum((s) => s.engine.stats.regions)
    } regions, ` +
      `${
        sum((s) => s.engine.stats.sideExits)
      } side exits, ${crossings} accesses across pages in compiled code, ${reference.engine.stats.invalidations} blocks changed; ${failures} differ`,
  );
  return failures;
}

/** What programs come to in the interpreter, each from a seed of its own: digests of what the guest can see. */
export function outcomes(xlen: 32 | 64, count: number, digest: (bytes: Uint8Array) => number): string[] {
  const isa = everything(xlen, OF_PAGE_TABLES), rows = new Rows(isa), subject = new Subject(OPTIONS[0][0], isa, OPTIONS[0][1]);
  return Array.from({ length: count }, (_, n) => {
    const r = new Random(7000 + n);
    startProgram([subject], rows, r);
    let sum = 0;
    for (let part = 0; part < 8; part++) {
      subject.run(r.pick([1 + r.below(20), r.below(300), r.below(2000)]));
      const seen = subject.hart.registers.map(({ name }) => subject.hart.reg(name).toString(16)).join();
      sum = Math.imul(sum, 31) + digest(new TextEncoder().encode(seen)) | 0;
      sum = Math.imul(sum, 31) + digest(subject.ram) + subject.done | 0;
      const line = r.pick(["mtip", "meip", "seip", "msip"]);
      subject.hart.input(line)!.set(true);
      subject.run(30);
      subject.hart.input(line)!.set(false);
    }
    return `riscv ${xlen} ${n}: ${(sum >>> 0).toString(16)}`;
  });
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["cases", "seed", "part", "xlen"] });
  const seed = Number(args.seed ?? Date.now() % 2 ** 31), cases = Number(args.cases ?? 1_000_000);
  console.log(`seed ${seed}`);
  let failures = 0;
  if (args.part !== "programs") failures += fuzzIr(new Random(seed), cases);
  if (args.part !== "ir") {
    for (const xlen of [64, 32] as const) {
      if (!args.xlen || Number(args.xlen) === xlen) failures += fuzzPrograms(new Random(seed), cases, xlen);
    }
  }
  if (failures) Deno.exit(1);
}
