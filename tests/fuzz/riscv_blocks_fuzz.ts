// Random RISC-V programs, their instructions drawn from the rows: the engine's interpreter and its JIT against the reference evaluator, which
// takes one instruction at a time. Traps, privilege, address translation and self-modifying code included. After every slice the registers,
// CSRs, pc, memory and the instruction count must be equal.
// Usage: deno run -A tests/fuzz/riscv_blocks_fuzz.ts [--cases INSTRUCTIONS] [--seed S] [--xlen 32|64] [--engine interp|jit]
import { parseArgs } from "@std/cli";
import { Bus } from "../../src/core/bus.ts";
import { Engine, loadJit } from "../../src/engine/engine.ts";
import { Builder } from "../../src/ir/builder.ts";
import { type EvalMachine, evaluate } from "../../src/ir/evaluate.ts";
import { type CoreEnv, FETCH, READ, WRITE } from "../../src/ir/frontend.ts";
import { GUEST, GUEST_END, PAGE, PC } from "../../src/ir/layout.ts";
import { Hart } from "../../src/riscv/hart.ts";
import { disassemble, encode, extract, randomWord, type Row } from "../../src/riscv/insn.ts";
import { type Isa, loadFloating } from "../../src/riscv/instruction_set.ts";
import { FakeEnv, RAM, RAM_AT, RAM_BYTES } from "../../src/riscv/testing/fake_env.ts";
import { everything, OF_PAGE_TABLES } from "../../src/riscv/testing/everything.ts";
import { Random } from "./random.ts";

await loadJit();
await loadFloating();
/** A trap handler at the start of RAM, then the program; data; page tables where programs rarely reach. */
const CODE = 0x1000, CODE_BYTES = 0x3000, DATA = 0x4_0000, DATA_BYTES = 0x1_0000, TABLES = 0xf_0000;
/** Pointers to pages' ends, and what counts the turns of loops. */
const STRADDLING = [14, 15], COUNTER = 18;
/** Of so many instructions one is an access across pages that a region leaves to the interpreter. */
const CROSSING_EVERY = 2500;
/** Slices of one program. */
const SLICES = 8;
/** Not drawn: wfi, which waits for ever. */
const LEFT_OUT = /^wfi/;
// deno-fmt-ignore
/** CSRs that programs use; those that would lose the trap handler are left alone. */
const CSRS = [0x001, 0x002, 0x003, 0x001, 0x003, 0x300, 0x100, 0x140, 0x340, 0x141, 0x341, 0x142, 0x143, 0x342, 0x343, 0x144, 0x344, 0x104, 0x304, 0xb00, 0xb02, 0xc00, 0xc02, 0x30a, 0x10a];

// --- random numbers
const rng = new Random(1);
const below = (n: number) => rng.below(n);
const random64 = () => rng.bits64();
const pick = <T>(from: readonly T[]): T => rng.pick(from);
const shuffled = (n: number) => rng.order(n);

// --- the machines
/** One hart and its memory, whoever runs it. */
interface Subject {
  readonly name: string;
  readonly hart: Hart;
  readonly env: CoreEnv;
  /** RAM. */
  readonly ram: Uint8Array;
  /** Runs at most `budget` instructions; how many it ran. */
  run(budget: number): number;
  /** Memory was replaced. */
  reset(): void;
}

function makeHart(env: CoreEnv, isa: Isa, onPending: () => void): Hart {
  return new Hart(env, {
    isa,
    mmu: isa.xlen === 64 ? "sv39" : "sv32",
    svade: false,
    hartId: 0,
    reset: BigInt(RAM + CODE),
    pmpEntries: 16,
    time: () => 0,
    timer: () => {},
    onPending,
  });
}

class Reference implements Subject, EvalMachine {
  readonly name = "evaluator";
  readonly env = new FakeEnv();
  readonly hart: Hart;
  readonly ram = this.env.u8.subarray(RAM_AT, RAM_AT + RAM_BYTES);
  readonly slots = new DataView(this.env.u8.buffer);
  readonly #builder = new Builder();

  /** Rows whose semantics have run. */
  readonly covered = new Set<Row>();

  constructor(readonly isa: Isa) {
    this.hart = makeHart(this.env, isa, () => {});
  }
  get helpers() {
    return this.hart.helpers;
  }
  reset(): void {
    this.env.begun = 0;
  }

  run(budget: number): number {
    const { hart, slots } = this;
    for (let n = 0; n < budget; n++) {
      hart.interrupt();
      this.#step(slots.getInt32(PC, true), slots.getInt32(PC + 4, true));
      this.env.begun++;
    }
    hart.interrupt();
    return budget;
  }

  #step(lo: number, hi: number): void {
    const { hart, env } = this, at = this.#fetch(lo, hi);
    if (at < 0) return hart.raise();
    const nextLo = ((lo & -PAGE) + PAGE) | 0, nextHi = nextLo === 0 ? (hi + 1) | 0 : hi;
    const code = { bytes: env.u8, at, limit: PAGE - (lo & (PAGE - 1)), next: () => this.#fetch(nextLo, nextHi) };
    const word = this.slots.getUint16(at, true) | (this.slots.getUint16(at + 2, true) << 16);
    this.#builder.reset(lo, hi);
    hart.translateBlock(this.#builder, code, 1);
    const exit = evaluate(this.#builder, this), row = code.limit < 4 ? undefined : this.isa.table.find(word);
    if (row) this.covered.add(row);
    if (exit.kind !== "helper") this.slots.setBigUint64(PC, exit.pc, true);
    if (exit.kind === "fault") hart.raise();
  }
  #fetch(lo: number, hi: number): number {
    const paddr = this.hart.translate(lo, hi, FETCH), at = paddr < 0 ? -1 : this.env.ram(paddr, 1);
    if (paddr >= 0 && at < 0) this.hart.busFault(lo, hi, FETCH);
    return at;
  }

  /** Index of each byte of an access; undefined when it faults. Both pages are translated before either is looked at. */
  #bytes(address: bigint, size: number, access: typeof READ | typeof WRITE): number[] | undefined {
    const lo = Number(BigInt.asIntN(32, address)), hi = Number(BigInt.asIntN(32, address >> 32n)), rest = PAGE - (lo & (PAGE - 1));
    const first = this.hart.translate(lo, hi, access);
    if (first < 0) return undefined;
    let second = first + rest;
    if (rest < size) {
      const nextLo = (lo + rest) | 0;
      second = this.hart.translate(nextLo, nextLo === 0 ? (hi + 1) | 0 : hi, access);
      if (second < 0) return undefined;
    }
    const at = Array.from({ length: size }, (_, i) => this.env.ram(i < rest ? first + i : second + i - rest, 1));
    if (!at.includes(-1)) return at;
    this.hart.busFault(lo, hi, access);
    return undefined;
  }
  load(address: bigint, size: number, write: boolean): bigint | undefined {
    return this.#bytes(address, size, write ? WRITE : READ)?.reduceRight((v, at) => (v << 8n) | BigInt(this.env.u8[at]), 0n);
  }
  store(address: bigint, size: number, value: bigint): boolean {
    const at = this.#bytes(address, size, WRITE);
    at?.forEach((a, i) => this.env.u8[a] = Number((value >> BigInt(8 * i)) & 0xffn));
    return at !== undefined;
  }
}

class Translated implements Subject {
  readonly #engine: Engine;
  readonly env: CoreEnv;
  readonly hart: Hart;
  readonly ram: Uint8Array;

  constructor(readonly name: "interp" | "jit", isa: Isa) {
    const engine = this.#engine = new Engine(1, [{ base: RAM, length: RAM_BYTES, readonly: false }], new Bus(), {
      jit: name === "jit",
      threshold: 2,
      profile: true,
    });
    const slot = engine.harts[0];
    this.env = slot;
    this.hart = slot.core = makeHart(slot, isa, () => engine.attention());
    this.ram = engine.ramBytes(0);
  }
  reset(): void {
    this.#engine.reset();
  }
  run(budget: number): number {
    this.#engine.run(0, budget);
    return this.#engine.executed;
  }
  get regions(): number {
    return this.#engine.stats.regions;
  }
  /** Accesses across pages that regions left to the interpreter. */
  get crossings(): number {
    return this.#engine.sideExits!.causes.get("page crossing") ?? 0;
  }
}

// --- programs
/** A word of a row, with operands that make it do something: pointers for accesses, near targets, CSRs that exist. */
function drawWord(row: Row): number {
  const f: Record<string, number> = extract(row, randomWord(row, rng.unit));
  if (/pc\+/.test(row.syntax)) f.imm = (below(row.bits === 16 ? 60 : 200) - 40) * 2;
  if (/\(rs1\)/.test(row.syntax) && below(16)) {
    f.rs1 = row.syntax.startsWith("jalr") ? pick([1, 5]) : 8 + below(8);
    if ("imm" in f) f.imm = below(128) - 64;
  }
  // Pointers (x8 to x15 and sp) are not overwritten too often.
  if ("rd" in f && below(16)) f.rd = pick([0, 3, 4, 6, 7, 16, 17, 28, 29, 30, 31]);
  if ("csr" in f && below(20)) f.csr = pick(CSRS);
  if (f.rm === 5 || f.rm === 6) f.rm = 7;
  return encode(row, f);
}

/**
 * Goes on somewhere in the program after a trap: mscratch counts through it. Written without memory or a second register, because the
 * program owns them all.
 */
function handler(isa: Isa): number[] {
  const e = (name: string, f: Record<string, number>) => encode(isa.table.row(name), f), x = 31, mscratch = 0x340, mepc = 0x341;
  const slli = isa.xlen - 14;
  return [
    e("csrrw", { rd: x, rs1: x, csr: mscratch }),
    e("addi", { rd: x, rs1: x, imm: 1372 }),
    e("slli", { rd: x, rs1: x, shamt: slli }), // modulo 16 KiB
    e("srli", { rd: x, rs1: x, shamt: slli }),
    e("bseti", { rd: x, rs1: x, shamt: 31 }), // RAM
    e("bseti", { rd: x, rs1: x, shamt: 12 }), // not the handler
    e("csrrw", { rd: 0, rs1: x, csr: mepc }),
    e("csrrw", { rd: x, rs1: x, csr: mscratch }),
    e("mret", {}),
  ];
}

/**
 * Maps of RAM to itself, but the data pages in random order, so that neighbours have frames that are not: the program's pages executable, some
 * data pages read-only, some absent.
 */
function pageTables(view: DataView, isa: Isa): bigint {
  const page = (n: number) => TABLES + PAGE * n, ppn = (at: number) => (RAM + at) / PAGE, frames = shuffled(DATA_BYTES / PAGE);
  const frame = (i: number) => (i * PAGE >= DATA && i * PAGE < DATA + DATA_BYTES ? DATA / PAGE + frames[i - DATA / PAGE] : i);
  const entry = (i: number) => {
    const at = i * PAGE, user = (i & 3) === 3 ? 0x10 : 0;
    if (at < CODE + CODE_BYTES) return 0xf | user;
    return pick([0x7, 0x7, 0x7, 0x7, 0xc7, 0xc7, 0xc7, 0xc7, 0x3, 0x0, 0x1, 0x9]) | user;
  };
  if (isa.xlen === 64) {
    const put = (at: number, v: number) => view.setBigUint64(at, BigInt(v), true);
    put(page(0) + 8 * 2, ppn(page(1)) * 1024 + 1);
    put(page(1), ppn(page(2)) * 1024 + 1);
    for (let i = 0; i < 256; i++) put(page(2) + 8 * i, ppn(frame(i) * PAGE) * 1024 + entry(i));
    return (8n << 60n) | BigInt(ppn(page(0)));
  }
  view.setUint32(page(0) + 4 * 512, ppn(page(1)) * 1024 + 1, true);
  for (let i = 0; i < 256; i++) view.setUint32(page(1) + 4 * i, ppn(frame(i) * PAGE) * 1024 + entry(i), true);
  return (1n << 31n) | BigInt(ppn(page(0)));
}

/** The same random program, memory and registers in all subjects. */
function start(subjects: readonly Subject[], isa: Isa, rows: readonly Row[]): void {
  const ram = new Uint8Array(RAM_BYTES), view = new DataView(ram.buffer);
  handler(isa).forEach((w, i) => view.setUint32(4 * i, w, true));
  const accesses = rows.filter((row) => /imm\(rs1\)/.test(row.syntax) && !/^c?\.?jalr/.test(row.syntax));
  let at = CODE;
  const put = (row: Row, word: number) => {
    if (row.bits === 16) view.setUint16(at, word, true);
    else view.setUint32(at, word, true);
    at += row.bits / 8;
  };
  const put32 = (name: string, f: Record<string, number>) => put(isa.table.row(name), encode(isa.table.row(name), f));
  while (at < CODE + CODE_BYTES - 64) {
    if (below(12)) {
      const row = pick(rows);
      put(row, drawWord(row));
      continue;
    }
    // Accesses of all sizes off one register that points to a page's end, on either side of it and across, again and again.
    const rs1 = pick(STRADDLING);
    put32("addi", { rd: COUNTER, rs1: 0, imm: 2 + below(6) });
    const top = at;
    for (let n = 2 + below(6); n > 0; n--) {
      const row = pick(accesses), word = drawWord(row), f: Record<string, number> = { ...extract(row, word), rs1 };
      if (row.bits === 32) f.imm = below(20) - 10;
      put(row, encode(row, f));
    }
    if (below(2)) put32("addi", { rd: rs1, rs1, imm: pick([-2, -1, 1]) });
    put32("addi", { rd: COUNTER, rs1: COUNTER, imm: -1 });
    put32("bne", { rs1: COUNTER, rs2: 0, imm: top - at });
  }
  for (let at = DATA; at < DATA + DATA_BYTES; at += 4) view.setUint32(at, rng.bits(), true);
  const satp = pageTables(view, isa), privilege = pick([3, 3, 1, 1, 0]), sum = below(2) << 18;
  const f = Array.from({ length: 32 }, () => pick([random64(), random64() | (-1n << 32n), BigInt(below(0x8000)) << 48n]));
  const fcsr = pick([0, 0, 1, 1, below(256)]);
  for (const s of subjects) {
    s.ram.set(ram);
    s.hart.reset();
    s.reset();
    const set = (name: string, v: bigint | number) => s.hart.setReg(name, BigInt.asUintN(isa.xlen, BigInt(v)));
    set("mtvec", RAM);
    set("mscratch", 0x1000);
    set("mstatus", 0x2000 | sum);
    set("pmpaddr0", -1n);
    set("pmpcfg0", 0x1f);
    if (privilege < 3) set("satp", satp);
    f.forEach((v, i) => s.hart.setReg(`f${i}`, BigInt.asUintN(64, v)));
    set("fcsr", fcsr);
    set("priv", privilege);
    set("pc", RAM + CODE);
  }
  pointers(subjects, isa);
}

function pointers(subjects: readonly Subject[], isa: Isa): void {
  const names = "ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(" ");
  names.forEach((name, i) => {
    const n = i + 1, data = RAM + DATA + below(DATA_BYTES - 256) + 128;
    const straddling = STRADDLING.includes(n) || (below(4) === 0 && below(4) === 0);
    const pointer = straddling ? (data & -PAGE) + PAGE - below(8) : below(4) ? data & ~7 : data;
    const value = n === 2 || (n >= 8 && n < 16)
      ? BigInt(pointer >>> 0)
      : n === 1 || n === 5
      ? BigInt(RAM + CODE + below(CODE_BYTES) & ~1) & 0xffff_ffffn
      : pick([random64(), BigInt(below(64)), -1n]);
    for (const s of subjects) s.hart.setReg(name, BigInt.asUintN(isa.xlen, value));
  });
}

// --- comparison
const word64 = (bytes: Uint8Array) => new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);

/** What differs between two subjects, in words. */
function difference(a: Subject, b: Subject): string[] {
  const out: string[] = [];
  for (const { name } of a.hart.registers) {
    const x = a.hart.reg(name), y = b.hart.reg(name);
    if (x !== y) out.push(`${name}: ${a.name} 0x${x.toString(16)}, ${b.name} 0x${y.toString(16)}`);
  }
  const x = word64(a.ram), y = word64(b.ram);
  for (let i = 0; i < x.length && out.length < 12; i++) {
    if (x[i] !== y[i]) out.push(`0x${(RAM + 8 * i).toString(16)}: ${a.name} 0x${x[i].toString(16)}, ${b.name} 0x${y[i].toString(16)}`);
  }
  return out;
}

/** Quick test for equality: registers as bytes, pc, state, memory. */
function same(a: Subject, b: Subject): boolean {
  const x = word64(a.ram), y = word64(b.ram);
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false;
  for (let at = GUEST; at < GUEST_END; at += 8) if (a.env.u64[at >> 3] !== b.env.u64[at >> 3]) return false;
  return a.env.u64[PC >> 3] === b.env.u64[PC >> 3] && JSON.stringify(a.hart.s) === JSON.stringify(b.hart.s);
}

/** Text of the instruction at a hart's pc. */
function at(s: Subject, isa: Isa): string {
  const pc = s.hart.reg("pc"), offset = Number(pc) - RAM;
  if (offset < 0 || offset > RAM_BYTES - 4) return `0x${pc.toString(16)}`;
  const word = new DataView(s.ram.buffer, s.ram.byteOffset).getUint32(offset, true), row = isa.table.find(word);
  return `0x${pc.toString(16)} ${row ? disassemble(row, word) : "illegal"} (privilege ${s.hart.s.priv})`;
}

/** Runs programs of `total` instructions in all; the number of programs that differed. */
export function fuzzBlocks(xlen: 32 | 64, total: number, engines: readonly ("interp" | "jit")[], seed: number): number {
  rng.state = seed;
  const isa = everything(xlen, OF_PAGE_TABLES), rows = isa.table.rows.filter((r) => r.syntax !== "" && !LEFT_OUT.test(r.syntax));
  const reference = new Reference(isa), translated = engines.map((e) => new Translated(e, isa)), subjects = [reference, ...translated];
  let done = 0, programs = 0, failures = 0;
  while (done < total && failures < 5) {
    const seed = rng.state;
    start(subjects, isa, rows);
    programs++;
    for (let slice = 0; slice < SLICES; slice++) {
      const budget = pick([1, 5, 40, 200, 400]), from = at(reference, isa);
      const counts = translated.map((s) => s.run(budget));
      // A slice may end early, when something wants the run loop; the rest comes in the next one.
      counts.forEach((n, i) => {
        while (n < budget) n += translated[i].run(budget - n);
      });
      reference.run(budget);
      done += budget;
      const wrong = translated.find((s) => !same(reference, s));
      if (wrong) {
        failures++;
        console.log(`RV${xlen}, --seed ${seed}, slice ${slice} of ${budget} instructions from ${from} to ${at(reference, isa)}`);
        console.log(difference(reference, wrong).map((l) => "  " + l).join("\n"));
        break;
      }
      if (slice % 3 === 2) pointers(subjects, isa);
    }
  }
  const crossings = translated.reduce((n, s) => n + s.crossings, 0), floor = Math.floor(done / CROSSING_EVERY);
  if (engines.includes("jit") && crossings < floor) {
    console.log(`RV${xlen}: only ${crossings} accesses across pages in compiled code, ${floor} were due`);
    failures++;
  }
  const traps = `last program: ${reference.hart.traps.count} traps`;
  const regions = translated.map((s) => `${s.name}${s.name === "jit" ? ` (${s.regions} regions)` : ""}`).join(" and ");
  console.log(
    `RV${xlen}: ${done} instructions of ${programs} programs over ${
      rows.filter((r) => reference.covered.has(r)).length
    } of ${rows.length} rows, ${regions}; ${crossings} accesses across pages in compiled code; ${traps}; ${failures} differ`,
  );
  return failures;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["cases", "seed", "xlen", "engine"], default: { cases: "1000000", seed: "1" } });
  const engines = (["interp", "jit"] as const).filter((e) => args.engine === undefined || args.engine === e);
  let failures = 0;
  for (const xlen of [64, 32] as const) {
    if (args.xlen !== undefined && Number(args.xlen) !== xlen) continue;
    failures += fuzzBlocks(xlen, Number(args.cases), engines, Number(args.seed));
  }
  Deno.exit(failures ? 1 : 0);
}
