// Every row with registers in it against what the manual says, in bigints: operands at their edges, equal ones, x0, every shift amount, every
// rounding mode; memory byte by byte. RISC-V Unprivileged ISA 20240411. Floating point goes by ir/softfloat.ts, which has tests of its own:
// what is seen here is which of its functions a row is, its boxes, flags, modes and short cuts.
import { assert, assertEquals } from "@std/assert";
import { Builder } from "../ir/builder.ts";
import { type EvalMachine, evaluate, type Exit } from "../ir/evaluate.ts";
import { CONTINUE, type CoreEnv, FAULT, type Helper } from "../ir/frontend.ts";
import { f16, f32, f64, FloatEnv, type FloatFormat, NV, type Rounding } from "../ir/softfloat.ts";
import { ARG } from "../ir/layout.ts";
import { verifyIr } from "../ir/verify.ts";
import { SYSTEM_HELPERS } from "./helpers.ts";
import { encode, mnemonic, type Row } from "./insn.ts";
import { type Isa, loadFloating } from "./instruction_set.ts";
import { F, FFLAGS, FRM, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, MODE_PRIV_SHIFT, RES_ADDRESS, RES_VALUE, X } from "./slots.ts";
import { everything } from "./testing/everything.ts";
import { instructionHelpers, translateBlock } from "./translate.ts";

await loadFloating();
const PC = 0x8000_0000n, MEMORY = 0x1000n;
const u = (bits: number, v: bigint) => BigInt.asUintN(bits, v), s = (bits: number, v: bigint) => BigInt.asIntN(bits, v);

/** One instruction at 0x8000_0000, on registers and 64 bytes of memory that begin 32 bytes below 0x1000, or below 0 for RV32's wrapping. */
class Bench implements EvalMachine {
  readonly slots = new DataView(new ArrayBuffer(0x1_0000));
  readonly helpers: readonly Helper[];
  readonly memory = new Uint8Array(64);
  accesses: string[] = [];
  illegal = false;
  called = "";
  /** Arguments of the helper of the privileged architecture that was called last; and whether another one was. */
  args: bigint[] = [];
  helped = false;
  readonly #b = new Builder();
  readonly #code = { bytes: new Uint8Array(8), at: 0, limit: 8, next: () => -1 };

  constructor(readonly isa: Isa) {
    const { buffer } = this.slots;
    const env = { i32: new Int32Array(buffer), u64: new BigUint64Array(buffer), changed: () => {} } as unknown as CoreEnv;
    const system = SYSTEM_HELPERS.map((name): Helper => ({
      name,
      run: () => {
        this.called = name;
        this.args = [0, 1, 2, 3].map((n) => this.slots.getBigUint64(ARG + 8 * n, true));
        return name.startsWith("misaligned") ? FAULT : CONTINUE;
      },
    }));
    const others = instructionHelpers(env, () => (this.illegal = true, FAULT));
    this.helpers = [...system, ...others.map(({ name, run }): Helper => ({ name, run: () => (this.helped = true, run()) }))];
  }
  #index(address: bigint): number {
    return Number(u(64, address - MEMORY + 32n));
  }
  load(address: bigint, size: number, write: boolean): bigint | undefined {
    this.accesses.push(`${write ? "rmw" : "load"} ${size}`);
    const at = this.#index(address);
    if (at + size > 64) return undefined;
    let v = 0n;
    for (let i = size - 1; i >= 0; i--) v = v << 8n | BigInt(this.memory[at + i]);
    return v;
  }
  store(address: bigint, size: number, value: bigint): boolean {
    this.accesses.push(`store ${size}`);
    const at = this.#index(address);
    if (at + size > 64) return false;
    for (let i = 0; i < size; i++) this.memory[at + i] = Number(value >> BigInt(8 * i) & 0xffn);
    return true;
  }
  translate(row: Row, fields: Record<string, number>, mode: number): void {
    new DataView(this.#code.bytes.buffer).setUint32(0, encode(row, fields), true);
    this.#b.reset(Number(PC) | 0, 0);
    translateBlock(this.#b, this.#code, 1, mode, this.isa);
    verifyIr(this.#b);
  }
  run(): Exit {
    this.accesses = [];
    this.illegal = false;
    this.called = "";
    this.helped = false;
    return evaluate(this.#b, this);
  }
  x = (n: number): bigint => u(this.isa.xlen, this.slots.getBigUint64(X(n), true));
  setX = (n: number, v: bigint): void => n ? this.slots.setBigUint64(X(n), u(this.isa.xlen, v), true) : undefined;
  f = (n: number): bigint => this.slots.getBigUint64(F(n), true);
  setF = (n: number, v: bigint): void => this.slots.setBigUint64(F(n), v, true);
}

// --- integers: rd from rs1, rs2 (or the immediate, or the shift amount) and the width of registers
type Model = (x: bigint, y: bigint, bits: number) => bigint;
const word = (model: Model): Model => (x, y) => s(32, model(u(32, x), u(32, y), 32));
const count = (v: bigint, bits: number, stop: (bit: bigint) => boolean, order: (n: number) => number): bigint => {
  for (let n = 0; n < bits; n++) if (stop(v >> BigInt(order(n)) & 1n)) return BigInt(n);
  return BigInt(bits);
};
const amount = (y: bigint, bits: number) => y & BigInt(bits - 1);
const shifts: Record<string, Model> = {
  sll: (x, y, bits) => x << amount(y, bits),
  srl: (x, y, bits) => u(bits, x) >> amount(y, bits),
  sra: (x, y, bits) => s(bits, x) >> amount(y, bits),
  rol: (x, y, bits) => x << amount(y, bits) | u(bits, x) >> BigInt(bits) - amount(y, bits),
  ror: (x, y, bits) => u(bits, x) >> amount(y, bits) | x << BigInt(bits) - amount(y, bits),
  bclr: (x, y, bits) => x & ~(1n << amount(y, bits)),
  bext: (x, y, bits) => x >> amount(y, bits) & 1n,
  binv: (x, y, bits) => x ^ 1n << amount(y, bits),
  bset: (x, y, bits) => x | 1n << amount(y, bits),
};
/** 13.2, table 10. */
const divide = (x: bigint, y: bigint, bits: number, signed: boolean, rest: boolean): bigint => {
  const [a, b] = signed ? [s(bits, x), s(bits, y)] : [u(bits, x), u(bits, y)];
  return b === 0n ? (rest ? a : -1n) : rest ? a % b : a / b;
};
const arithmetic: Record<string, Model> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y, bits) => divide(x, y, bits, true, false),
  divu: (x, y, bits) => divide(x, y, bits, false, false),
  rem: (x, y, bits) => divide(x, y, bits, true, true),
  remu: (x, y, bits) => divide(x, y, bits, false, true),
  clz: (x, _y, bits) => count(x, bits, (b) => b === 1n, (n) => bits - 1 - n),
  ctz: (x, _y, bits) => count(x, bits, (b) => b === 1n, (n) => n),
  cpop: (x, _y, bits) => BigInt([...u(bits, x).toString(2)].filter((c) => c === "1").length),
  pack: (x, y, bits) => u(bits / 2, x) | u(bits / 2, y) << BigInt(bits / 2),
};
const elements = (v: bigint, bits: number, each: number): bigint[] =>
  Array.from({ length: bits / each }, (_, i) => v >> BigInt(i * each) & (1n << BigInt(each)) - 1n);
const joined = (parts: readonly bigint[], each: number): bigint => parts.reduceRight((all, p) => all << BigInt(each) | p, 0n);
const reversed = (v: bigint, bits: number) => joined(elements(v, bits, 1).reverse(), 1);
const clmul = (x: bigint, y: bigint, bits: number) =>
  elements(y, bits, 1).reduce((all, b, i) => b ? all ^ u(bits, x) << BigInt(i) : all, 0n);
const logic: Record<string, Model> = { and: (x, y) => x & y, or: (x, y) => x | y, xor: (x, y) => x ^ y };
const slt: Record<string, Model> = {
  slt: (x, y, bits) => s(bits, x) < s(bits, y) ? 1n : 0n,
  sltu: (x, y, bits) => u(bits, x) < u(bits, y) ? 1n : 0n,
};
const crossbar = (each: number): Model => (x, y, bits) =>
  joined(elements(y, bits, each).map((i) => elements(x, bits, each)[Number(i)] ?? 0n), each);
const MODELS: Record<string, Model> = {
  ...shifts,
  ...arithmetic,
  ...logic,
  ...slt,
  ...Object.fromEntries(Object.entries(shifts).map(([n, m]) => [`${n}i`, m])),
  ...Object.fromEntries(Object.entries({ ...shifts, ...arithmetic }).map(([n, m]) => [`${n}w`, word(m)])),
  ...Object.fromEntries(["sll", "srl", "sra", "ror"].map((n) => [`${n}iw`, word(shifts[n])])),
  addi: arithmetic.add,
  addiw: word(arithmetic.add),
  andi: logic.and,
  ori: logic.or,
  xori: logic.xor,
  slti: slt.slt,
  sltiu: slt.sltu,
  divuw: word(arithmetic.divu),
  remuw: word(arithmetic.remu),
  mulh: (x, y, bits) => s(bits, x) * s(bits, y) >> BigInt(bits),
  mulhsu: (x, y, bits) => s(bits, x) * u(bits, y) >> BigInt(bits),
  mulhu: (x, y, bits) => u(bits, x) * u(bits, y) >> BigInt(bits),
  andn: (x, y) => x & ~y,
  orn: (x, y) => x | ~y,
  xnor: (x, y) => ~(x ^ y),
  max: (x, y, bits) => s(bits, x) > s(bits, y) ? x : y,
  maxu: (x, y, bits) => u(bits, x) > u(bits, y) ? x : y,
  min: (x, y, bits) => s(bits, x) < s(bits, y) ? x : y,
  minu: (x, y, bits) => u(bits, x) < u(bits, y) ? x : y,
  "sext.b": (x) => s(8, x),
  "sext.h": (x) => s(16, x),
  "zext.h": (x) => u(16, x),
  "orc.b": (x, _y, bits) => joined(elements(x, bits, 8).map((b) => b ? 255n : 0n), 8),
  rev8: (x, _y, bits) => joined(elements(x, bits, 8).reverse(), 8),
  brev8: (x, _y, bits) => joined(elements(x, bits, 8).map((b) => reversed(b, 8)), 8),
  zip: (x) => joined(elements(x, 16, 1).flatMap((b, i) => [b, elements(x, 32, 1)[16 + i]]), 1),
  unzip: (x) => joined([...elements(x, 32, 1).filter((_, i) => i % 2 === 0), ...elements(x, 32, 1).filter((_, i) => i % 2)], 1),
  packh: (x, y) => x & 0xffn | (y & 0xffn) << 8n,
  packw: (x, y) => s(32, x & 0xffffn | (y & 0xffffn) << 16n),
  xperm4: crossbar(4),
  xperm8: crossbar(8),
  clmul,
  clmulh: (x, y, bits) => clmul(x, y, bits) >> BigInt(bits),
  clmulr: (x, y, bits) => clmul(x, y, bits) >> BigInt(bits - 1),
  ...Object.fromEntries(
    [1n, 2n, 3n].flatMap((n) =>
      [[`sh${n}add`, (x, y) => (x << n) + y], [`sh${n}add.uw`, (x, y) => (u(32, x) << n) + y]] as [string, Model][]
    ),
  ),
  "add.uw": (x, y) => u(32, x) + y,
  "slli.uw": (x, y) => u(32, x) << y,
  "czero.eqz": (x, y) => y === 0n ? 0n : x,
  "czero.nez": (x, y) => y === 0n ? x : 0n,
};
/** x0 as the destination, or nothing but an end of the block: others are looked at elsewhere. */
const NOTHING = new Set(["fence", "fence.i", "pause", "wrs.nto", "wrs.sto", "prefetch.i", "prefetch.r", "prefetch.w"]);

/** Edges: both halves, both signs, one beside them. */
const EDGES = [
  0n,
  1n,
  2n,
  31n,
  -1n,
  -2n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 63n,
  (1n << 63n) - 1n,
  0x0123_4567_89ab_cdefn,
  0xfedc_ba98_7654_3210n,
  0x8040_2010_0804_0201n,
];
const IMMEDIATES = [0, 1, -1, 31, 2047, -2048, 0x555, -0x556], UPPER = [0x1000, -0x8000_0000, 0x7fff_f000, -0x1000, 0x1234_5000];

for (const xlen of [64, 32] as const) {
  const t = new Bench(everything(xlen)), rows = t.isa.table.rows.filter((r) => r.bits === 32 && r.emit);
  const left = new Set(rows);

  Deno.test(`RV${xlen}: integer rows do what the manual says`, () => {
    for (const row of rows) {
      const name = mnemonic(row.syntax), model = MODELS[name];
      if (!model && !NOTHING.has(name)) continue;
      left.delete(row);
      const has = (f: string) => row.fields.some(({ name }) => name === f);
      const seconds = has("shamt")
        ? Array.from({ length: /w$|^..$/.test(name) ? 32 : row.fields.find((f) => f.name === "shamt")!.width === 6 ? 64 : 32 }, (_, i) => i)
        : has("imm")
        ? IMMEDIATES
        : [0];
      for (
        const [rd, rs1, rs2] of [[10, 11, 12], [10, 10, 12], [10, 11, 10], [10, 11, 11], [10, 10, 10], [0, 11, 12], [10, 0, 12], [
          10,
          11,
          0,
        ], [10, 0, 0]]
      ) {
        const main = rd + rs1 + rs2 === 33;
        for (const second of main ? seconds : seconds.slice(-2)) {
          const fields: Record<string, number> = { rd, rs1, rs2, imm: second, shamt: second, pred: 3, succ: 5, fm: 0 };
          if (encode(row, fields) !== encode(row, { ...fields, imm: second }) || t.isa.table.find(encode(row, fields)) !== row) continue;
          t.translate(row, fields, 0);
          const xs = has("rs1") ? main ? EDGES : EDGES.slice(5, 10) : [0n],
            ys = has("rs2") && rs2 !== rs1 ? main ? EDGES : EDGES.slice(6, 9) : [5n];
          for (const a of xs) {
            for (const b of ys) {
              t.setX(10, 0x7777n);
              t.setX(11, 0x5555n);
              t.setX(12, b);
              t.setX(rs1, a);
              if (rs2 !== rs1) t.setX(rs2, b);
              const x = rs1 ? u(xlen, a) : 0n,
                y = has("rs2") ? rs2 === 0 ? 0n : rs2 === rs1 ? x : u(xlen, b) : BigInt(second),
                was = t.x(10);
              const exit = t.run(), want = rd === 0 || !model ? was : u(xlen, model(x, y, xlen));
              if (t.x(10) !== want || exit.pc !== PC + 4n || t.x(0) !== 0n || (xlen === 32 && t.slots.getUint32(X(10) + 4, true) !== 0)) {
                assertEquals(
                  [t.x(10).toString(16), exit.pc, t.x(0)],
                  [want.toString(16), PC + 4n, 0n],
                  `${name} ${JSON.stringify(fields)} of ${x.toString(16)}, ${y.toString(16)}`,
                );
              }
            }
          }
        }
      }
    }
  });

  Deno.test(`RV${xlen}: jumps, branches and upper immediates`, () => {
    const row = (name: string) => {
      const row = t.isa.table.row(name);
      left.delete(row);
      return row;
    };
    const taken: Record<string, (x: bigint, y: bigint) => boolean> = {
      beq: (x, y) => x === y,
      bne: (x, y) => x !== y,
      blt: (x, y) => s(xlen, x) < s(xlen, y),
      bge: (x, y) => s(xlen, x) >= s(xlen, y),
      bltu: (x, y) => x < y,
      bgeu: (x, y) => x >= y,
    };
    for (const [name, model] of Object.entries(taken)) {
      for (const imm of [8, -4096, 4094, -2, 16]) {
        for (const [rs1, rs2] of [[11, 12], [11, 11], [0, 12], [11, 0]]) {
          t.translate(row(name), { rs1, rs2, imm }, 0);
          for (const a of EDGES) {
            for (const b of rs2 === rs1 ? [a] : EDGES) {
              t.setX(11, a);
              t.setX(12, b);
              if (rs1 === rs2) t.setX(11, a);
              const x = rs1 ? t.x(rs1) : 0n, y = rs2 ? t.x(rs2) : 0n;
              const want = PC + (model(x, y) ? BigInt(imm) : 4n), exit = t.run();
              if (exit.pc !== want) assertEquals(exit.pc, want, `${name} of ${x}, ${y}`);
            }
          }
        }
      }
    }
    for (const imm of [4, -4, 0xf_fffe, -0x10_0000, 0x12344]) {
      for (const rd of [0, 1]) {
        t.translate(row("jal"), { rd, imm }, 0);
        t.setX(1, 7n);
        assertEquals([t.run().pc, t.x(1)], [u(xlen, PC + BigInt(imm)), rd ? u(xlen, PC + 4n) : 7n]);
      }
    }
    for (const imm of [0, 1, -1, 2047, -2048]) {
      for (const [rd, rs1] of [[1, 11], [11, 11], [0, 11], [1, 0]]) {
        t.translate(row("jalr"), { rd, rs1, imm }, 0);
        for (const a of EDGES) {
          t.setX(11, a);
          const target = u(xlen, (rs1 ? u(xlen, a) : 0n) + BigInt(imm)) & ~1n;
          assertEquals([t.run().pc, rd ? t.x(rd) : 0n], [target, rd ? u(xlen, PC + 4n) : 0n]);
        }
      }
    }
    for (const imm of UPPER) {
      for (const [name, from] of [["lui", 0n], ["auipc", PC]] as const) {
        t.translate(row(name), { rd: 5, imm }, 0);
        assertEquals([t.run().pc, t.x(5)], [PC + 4n, u(xlen, from + BigInt(imm))], `${name} ${imm}`);
      }
    }
  });

  Deno.test(`RV${xlen}: loads, stores and atomics, byte by byte`, () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i * 37 + 129);
    const at = (offset: number, size: number) =>
      bytes.subarray(32 + offset, 32 + offset + size).reduceRight((v, b) => v << 8n | BigInt(b), 0n);
    const widths: Record<string, number> = { b: 1, h: 2, w: 4, d: 8 };
    for (const row of rows) {
      const name = mnemonic(row.syntax), load = /^l([bhwd])(u?)$/.exec(name), store = /^s([bhwd])$/.exec(name);
      const floatLoad = /^fl([hwd])$/.exec(name), floatStore = /^fs([hwd])$/.exec(name), atomic = /^(lr|sc|amo\w+)\.([wd])$/.exec(name);
      const size = widths[(load ?? store ?? floatLoad ?? floatStore)?.[1] ?? atomic?.[2] ?? ""];
      if (size === undefined) continue;
      left.delete(row);
      const offsets = atomic ? [0, 8, -8, size] : [0, 1, 5, -3, 16, -32];
      for (const imm of atomic ? [0] : [0, 7, -9, 2047, -2048]) {
        for (const registers of [[10, 11, 12], [11, 11, 12], [0, 11, 12], [10, 11, 11], [10, 11, 0], [12, 11, 12]]) {
          const [rd, rs1, rs2] = registers;
          t.translate(row, { rd, rs1, rs2, imm, aq: 1, rl: 0 }, MODE_FS | MODE_FS_DIRTY);
          for (const offset of offsets) {
            for (const value of atomic ? [...EDGES, at(offset, size), at(offset, size) + 1n, at(offset, size) - 1n] : EDGES.slice(11)) {
              const what = `${name} ${registers} ${imm} at ${offset}: 0x${value.toString(16)}`, address = u(xlen, MEMORY + BigInt(offset));
              t.memory.set(bytes);
              t.setX(10, 0x7777n);
              t.setX(12, value);
              t.setX(11, address - BigInt(imm));
              t.setF(12, u(64, value));
              t.setF(11, u(64, value));
              t.setF(10, 0n);
              t.setF(0, 0x1234n);
              const rs2Value = rs2 ? t.x(rs2) : 0n,
                old = at(offset, size),
                wide = size === 8 ? xlen === 64 || floatLoad || floatStore ? 64 : 32 : 8 * size;
              const reserved = name.startsWith("sc") && offset % 16 === 0;
              t.slots.setBigUint64(RES_ADDRESS, reserved ? address : u(64, -1n), true);
              t.slots.setBigUint64(RES_VALUE, u(64, s(8 * size, old)), true);
              const exit = t.run();
              assertEquals([exit.kind, exit.pc, t.called, t.illegal], ["next", PC + 4n, "", false], what);
              const after = t.memory.subarray(32 + offset, 32 + offset + size).reduceRight((v, b) => v << 8n | BigInt(b), 0n);
              let stored = old, register: bigint | undefined;
              if (load) register = load[2] ? old : s(8 * size, old);
              else if (store) stored = u(8 * size, rs2Value);
              else if (floatStore) stored = u(wide, t.f(rs2));
              else if (atomic) {
                const [, kind] = atomic, y = s(8 * size, rs2Value), x = s(8 * size, old), ux = u(8 * size, old), uy = u(8 * size, rs2Value);
                register = name.startsWith("sc") ? (reserved ? 0n : 1n) : x;
                const results: Record<string, bigint> = {
                  lr: x,
                  sc: reserved ? y : x,
                  amoswap: y,
                  amoadd: x + y,
                  amoxor: x ^ y,
                  amoand: x & y,
                  amoor: x | y,
                  amomin: x < y ? x : y,
                  amomax: x > y ? x : y,
                  amominu: ux < uy ? ux : uy,
                  amomaxu: ux > uy ? ux : uy,
                };
                stored = u(8 * size, results[kind]);
                if (kind === "lr") {
                  assertEquals([t.slots.getBigUint64(RES_ADDRESS, true), t.slots.getBigUint64(RES_VALUE, true)], [address, u(64, x)], what);
                }
                if (kind === "sc") assertEquals(t.slots.getBigUint64(RES_ADDRESS, true), u(64, -1n), what);
              }
              if (after !== stored) assertEquals(after.toString(16), stored.toString(16), what);
              if (t.memory.filter((b, i) => b !== bytes[i]).length > size) throw new Error(`${what}: other bytes`);
              if (register !== undefined && rd) assertEquals(t.x(rd).toString(16), u(xlen, register).toString(16), what);
              if (floatLoad) assertEquals(t.f(rd).toString(16), u(64, -1n << BigInt(8 * size) | old).toString(16), what);
              const kind = atomic && !name.startsWith("lr")
                ? [`rmw ${size}`, `store ${size}`]
                : [`${store || floatStore ? "store" : "load"} ${size}`];
              assertEquals(t.accesses, kind, what);
            }
          }
        }
      }
      if (floatLoad || floatStore) {
        for (const [mode, called] of [[0, "exception"], [MODE_FS, floatLoad ? "fpDirty" : ""]] as const) {
          t.translate(row, { rd: 10, rs1: 11, rs2: 12, imm: 0 }, mode);
          t.setX(11, MEMORY);
          t.run();
          assertEquals([t.called, t.accesses.length], [called, mode ? 1 : 0], name);
        }
      }
      // A misaligned atomic is told of, and does nothing.
      if (!atomic) continue;
      t.translate(row, { rd: 10, rs1: 11, rs2: 12, aq: 0, rl: 0 }, 0);
      for (let k = 1; k < size; k++) {
        t.setX(10, 5n);
        t.setX(11, MEMORY + BigInt(k));
        assertEquals([t.run().kind, t.called, t.accesses, t.x(10)], [
          "fault",
          name.startsWith("lr") ? "misalignedLoad" : "misalignedStore",
          [],
          5n,
        ]);
      }
    }
    // cbo.zero: the whole block, wherever in it the address is.
    const zero = t.isa.table.row("cbo.zero");
    left.delete(zero);
    for (const offset of [0, 1, 31, 32, 63]) {
      const b = new Bench(t.isa), stored: bigint[] = [];
      b.store = (address, size) => (assertEquals(size, 8), stored.push(address), true);
      for (const mode of [0, 64]) {
        stored.length = 0;
        b.translate(zero, { rs1: 11 }, mode);
        b.setX(11, MEMORY + BigInt(offset));
        b.run();
        assertEquals([b.called, stored.sort()], [mode ? "" : "cbo", Array.from({ length: 8 }, (_, i) => MEMORY + BigInt(8 * i))]);
      }
    }
  });

  Deno.test(`RV${xlen}: floating-point rows: boxes, rounding modes, flags, with and without the short cut`, () => {
    const formats: Record<string, FloatFormat> = { h: f16, s: f32, d: f64 }, env = new FloatEnv("riscv");
    const box = (size: FloatFormat, v: bigint) => u(64, -1n << BigInt(size.bits) | v);
    const unbox = (size: FloatFormat, v: bigint) =>
      size.bits === 64 || v >> BigInt(size.bits) === (1n << BigInt(64 - size.bits)) - 1n ? u(size.bits, v) : size.defaultNaN(env);
    const truth = (v: boolean) => v ? 1n : 0n;
    const ints: Record<string, readonly [bits: number, signed: boolean]> = {
      w: [32, true],
      wu: [32, false],
      l: [64, true],
      lu: [64, false],
    };
    const sign = (size: FloatFormat) => 1n << BigInt(size.bits - 1);
    /** What is rounded by the mode, and what is not. */
    const rounded: Record<string, (size: FloatFormat, a: bigint, b: bigint, c: bigint) => bigint> = {
      fadd: (z, a, b) => z.add(env, a, b),
      fsub: (z, a, b) => z.add(env, a, z.compare(env, b, b, false) === undefined && z.classify(b) >= 256 ? b : b ^ sign(z)),
      fmul: (z, a, b) => z.mul(env, a, b),
      fdiv: (z, a, b) => z.div(env, a, b),
      fsqrt: (z, a) => z.sqrt(env, a),
      fmadd: (z, a, b, c) => z.fma(env, a, b, c),
      fmsub: (z, a, b, c) => z.fma(env, a, b, c, false, true),
      fnmsub: (z, a, b, c) => z.fma(env, a, b, c, true, false),
      fnmadd: (z, a, b, c) => z.fma(env, a, b, c, true, true),
      fround: (z, a) => z.roundToIntegral(env, a, env.rm, false),
      froundnx: (z, a) => z.roundToIntegral(env, a, env.rm, true),
    };
    const exact: Record<string, (size: FloatFormat, a: bigint, b: bigint) => bigint> = {
      fsgnj: (z, a, b) => a & ~sign(z) | b & sign(z),
      fsgnjn: (z, a, b) => a & ~sign(z) | ~b & sign(z),
      fsgnjx: (z, a, b) => a ^ b & sign(z),
      fmin: (z, a, b) => z.min(env, a, b),
      fmax: (z, a, b) => z.max(env, a, b),
      fminm: (z, a, b) => z.minimum(env, a, b),
      fmaxm: (z, a, b) => z.maximum(env, a, b),
    };
    const integers: Record<string, (size: FloatFormat, a: bigint, b: bigint) => bigint> = {
      feq: (z, a, b) => truth(z.eq(env, a, b)),
      flt: (z, a, b) => truth(z.lt(env, a, b)),
      fle: (z, a, b) => truth(z.le(env, a, b)),
      fltq: (z, a, b) => truth(z.ltQuiet(env, a, b)),
      fleq: (z, a, b) => truth(z.leQuiet(env, a, b)),
      fclass: (z, a) => BigInt(z.classify(a)),
    };
    const numbers = (z: FloatFormat): bigint[] => {
      const values = [
        0,
        -0,
        1,
        -1.5,
        3,
        0.5,
        -0.25,
        2.5,
        1e-3,
        2 ** 31,
        2 ** 31 - 1,
        -(2 ** 31),
        2 ** 32,
        2 ** 32 - 1,
        -1,
        2 ** 62,
        2 ** 63,
        -(2 ** 63),
        2 ** 64,
        65504,
        1e30,
        0.1,
        Infinity,
        -Infinity,
      ];
      const scratch = new DataView(new ArrayBuffer(8)),
        to = (v: number) => (scratch.setFloat64(0, v), f64.convert(new FloatEnv("riscv"), scratch.getBigUint64(0), z));
      const least = 1n, nan = z.defaultNaN(env), signalling = nan & ~(nan & -nan) | 1n, top = to(Infinity) - 1n;
      return [...values.map(to), least, least | sign(z), nan, nan | sign(z) | 5n, signalling, top, nan & ~(nan & -nan) ^ to(Infinity) | 0n];
    };
    const all = new Map([f16, f32, f64].map((z) => [z, numbers(z)]));
    const modes = [[0, 0], [1, 3], [2, 0], [3, 1], [4, 2], [7, 0], [7, 1], [7, 4], [7, 3], [7, 2]] as const;
    for (const row of rows) {
      const name = mnemonic(row.syntax), [op, first, second] = name.split(".");
      if (!/^f[a-z]/.test(name) || /^fence|\(/.test(row.syntax)) continue;
      left.delete(row);
      const z = formats[first], hasMode = row.fields.some((f) => f.name === "rm");
      const source = op === "fcvt" ? formats[second] ?? f64 : op === "fcvtmod" ? f64 : z ?? f64, fromInt = op === "fcvt" && second in ints;
      const inputs = fromInt
        ? [...EDGES, 5n, 1n << 53n, (1n << 53n) + 1n, (1n << 24n) + 1n, -((1n << 53n) + 1n), -((1n << 24n) + 1n)]
        : all.get(source)!;
      for (const [rm, frm] of hasMode ? modes : [[0, 3]] as const) {
        for (const before of [0, 1, 31]) {
          const mode = MODE_FS | MODE_FS_DIRTY | (before & 1 && frm === 0 ? MODE_FP_FAST : 0);
          const fields: Record<string, number> = { rd: 1, rs1: fromInt ? 2 : 0, rs2: 31, rs3: 4, rm, uimm: 0 };
          if (op === "fmv" || op === "fmvp") fields.rs1 = 2;
          const few = before === 31 || rm === 2 || rm === 4 || (rm === 7 && frm > 1);
          // Each with each of the first: zeros of both signs, equal numbers.
          const pairs = few || !/^f(min|max|eq|lt|le|add|sub|mul|sgn)/.test(op) ? 0 : 36;
          for (let n = -pairs; n < (few ? 10 : inputs.length + 8); n++) {
            if (op === "fli") fields.uimm = n & 31;
            if (n === -pairs || op === "fli") t.translate(row, fields, mode);
            const pick = (k: number) => inputs[(n * 7 + k * n * n + k * rm) % inputs.length];
            // One of the first is in no box, where there is one.
            const operands = n < 0
              ? [inputs[-n % 6], inputs[Math.trunc(-n / 6) % 6], 0n]
              : fromInt
              ? [inputs[n % inputs.length], 0n, 0n]
              : [inputs[n % inputs.length], pick(3), pick(5)];
            const held = operands.map((v, i) => fromInt ? u(64, v) : box(source, v) ^ (source.bits < 64 && n === i + 2 ? 1n << 63n : 0n));
            for (const [i, v] of held.entries()) {
              t.setX([fields.rs1, 31, 4][i], v);
              t.setF([fields.rs1, 31, 4][i], v);
            }
            t.setF(1, 0x1111n);
            t.setX(1, 0x2222n);
            t.slots.setUint32(FFLAGS, before, true);
            t.slots.setUint32(FRM, frm, true);
            t.run();
            env.flags = 0;
            env.rm = (rm === 7 ? frm : rm) as Rounding;
            const [a, b, c] = held.map((v) => fromInt ? v : unbox(source, v));
            let float: bigint | undefined, integer: bigint | undefined;
            if (op === "fcvt" && fromInt) {
              const [bits, signed] = ints[second], from = u(xlen, a);
              float = box(z, z.fromInt(env, signed ? s(Math.min(bits, xlen), from) : u(bits, from)));
            } else if (op === "fcvt" && z) float = box(z, source.convert(env, a, z));
            else if (op === "fcvt") {
              const [bits, signed] = ints[first];
              integer = s(bits, source.toInt(env, a, bits, signed));
            } else if (op === "fcvtmod") integer = f64.toIntModular(env, a);
            else if (op in rounded) float = box(z, rounded[op](z, a, b, c));
            else if (op in exact) float = box(z, exact[op](z, a, b));
            else if (op in integers) integer = integers[op](z, a, b);
            else if (op === "fli") float = box(z, constant(fields.uimm, z));
            else if (op === "fmv" && first === "x") integer = { w: s(32, held[0]), h: s(16, held[0]), d: held[0] }[second];
            else if (op === "fmv") float = { w: box(f32, u(32, held[0])), h: box(f16, u(16, held[0])), d: held[0] }[first];
            else if (op === "fmvh") integer = held[0] >> 32n;
            else if (op === "fmvp") float = u(32, held[0]) | held[1] << 32n & 0xffff_ffff_0000_0000n;
            else assert(false, name);
            const got = [t.f(1).toString(16), t.x(1).toString(16), t.slots.getUint32(FFLAGS, true)];
            const want = [
              (float ?? 0x1111n).toString(16),
              (integer === undefined ? 0x2222n : u(xlen, integer)).toString(16),
              before | env.flags,
            ];
            const what = () => `${row.syntax}, rm ${rm}, frm ${frm}, flags ${before}: ${held.map((v) => v.toString(16))}`;
            if (`${got}` !== `${want}`) assertEquals(got, want, what());
            if (xlen === 32 && t.slots.getUint32(X(1) + 4, true) !== 0) throw new Error(`${what()}: the upper half of x1`);
            const fast = (mode & MODE_FP_FAST) !== 0 && (rm === 0 || rm === 7);
            const short = !fast
              ? undefined
              : fromInt
              ? z !== f16 || undefined
              : op === "fcvt" && !z
              ? source !== f16 ? (env.flags & NV) === 0 : undefined
              : shortCut(op, z, source, [a, b], float === undefined ? integer! : unbox(z, float));
            if (short !== undefined && t.helped === short) throw new Error(`${what()}: helper called: ${t.helped}`);
          }
        }
      }
      // Illegal with the unit off; a write makes it dirty; reserved modes, in the word and in frm.
      const fields = { rd: 1, rs1: 2, rs2: 3, rs3: 4, rm: 0, uimm: 0 },
        raised = (mode: number, more: Record<string, number> = {}) => {
          t.translate(row, { ...fields, ...more }, mode);
          t.run();
          return t.called || (t.illegal ? "illegal" : "");
        };
      assertEquals(raised(0), "exception", name);
      assertEquals(raised(MODE_FS), /^(fmv\.x|fmvh|fclass)/.test(name) ? "" : "fpDirty", name);
      if (!hasMode) continue;
      assertEquals(
        [raised(MODE_FS | MODE_FS_DIRTY, { rm: 5 }), raised(MODE_FS | MODE_FS_DIRTY, { rm: 6 })],
        ["exception", "exception"],
        name,
      );
      for (const frm of [5, 6, 7]) {
        t.slots.setUint32(FRM, frm, true);
        assertEquals(
          [raised(MODE_FS | MODE_FS_DIRTY, { rm: 7 }), raised(MODE_FS | MODE_FS_DIRTY, { rm: 1 })],
          ["illegal", ""],
          `${name}, frm ${frm}`,
        );
      }
    }
  });

  Deno.test(`RV${xlen}: what calls a helper for good; and every row has been looked at`, () => {
    const helpers: Record<string, string> = {
      ecall: "ecall",
      ebreak: "ebreak",
      sret: "sret",
      mret: "mret",
      wfi: "wfi",
      "sfence.vma": "sfenceVma",
      "sinval.vma": "sfenceVma",
      csrrw: "csr",
      csrrs: "csr",
      csrrc: "csr",
      csrrwi: "csr",
      csrrsi: "csr",
      csrrci: "csr",
      "cbo.inval": "cbo",
      "cbo.clean": "cbo",
      "cbo.flush": "cbo",
    };
    for (const [name, helper] of Object.entries(helpers)) {
      const row = t.isa.table.row(name);
      left.delete(row);
      t.translate(row, { rd: 1, rs1: 2, rs2: 3, csr: 0x340, uimm: 5 }, 3 << MODE_PRIV_SHIFT);
      t.setX(2, 0x1234_5678_9abcn);
      t.setX(3, -5n);
      t.run();
      const word = BigInt(encode(row, { rd: 1, rs1: 2, rs2: 3, csr: 0x340, uimm: 5 })), x2 = t.x(2), x3 = t.x(3), next = PC + 4n;
      const args: Record<string, bigint[]> = {
        ecall: [PC],
        ebreak: [PC],
        sret: [PC, next],
        mret: [PC, next],
        wfi: [PC, next],
        sfenceVma: [x2, x3, word << 32n | 3n, PC],
        csr: [word, name.endsWith("i") ? 5n : x2, PC, next],
        cbo: [word, x2],
      };
      assertEquals([t.called, ...t.args.slice(0, args[helper].length)], [helper, ...args[helper]], name);
    }
    for (const [rs1, rs2, given] of [[0, 0, 0n], [2, 0, 1n], [0, 3, 2n]] as const) {
      const row = t.isa.table.row("sfence.vma");
      t.translate(row, { rs1, rs2 }, 1 << MODE_PRIV_SHIFT);
      t.run();
      assertEquals(t.args[2] & 0xffn, given);
    }
    for (const name of ["sfence.w.inval", "sfence.inval.ir"]) {
      const row = t.isa.table.row(name);
      left.delete(row);
      for (const [priv, called] of [[0, "exception"], [1, ""], [3, ""]] as const) {
        t.translate(row, {}, priv << MODE_PRIV_SHIFT);
        t.run();
        assertEquals(t.called, called, `${name} at ${priv}`);
      }
    }
    assertEquals([...left].map((r) => r.syntax), []);
  });
}

/** Whether an operation to nearest even, NX being set, does without its helper; undefined: it may or may not. */
function shortCut(op: string, z: FloatFormat | undefined, source: FloatFormat, [a, b]: readonly bigint[], r: bigint): boolean | undefined {
  if (z === f16 || source === f16 || /^f(m|nm)(add|sub)|fm(in|ax)m|q$|fround|fclass|cvtmod|fli|fmv|sgn/.test(op)) return undefined;
  const kind = (f: FloatFormat, v: bigint) => f.classify(v),
    nan = (v: bigint) => kind(source, v) >= 256,
    zero = (f: FloatFormat, v: bigint) => (kind(f, v) & 0x18) !== 0;
  const finite = (v: bigint) => (kind(z!, v) & 0x381) === 0;
  // Above the smallest normal number, which a tiny result may have been rounded to.
  const safe = (v: bigint) => (kind(z!, v) & 0x42) !== 0 && (v & ~(1n << BigInt(z!.bits - 1))) !== (z === f64 ? 1n << 52n : 1n << 23n);
  if (/^f(add|sub|sqrt)$/.test(op)) return finite(r);
  if (op === "fdiv") return safe(r);
  if (op === "fmul") return safe(r) || (zero(z!, r) && (zero(z!, a) || zero(z!, b)));
  if (/^f(min|max|eq|lt|le)$/.test(op)) return !nan(a) && !nan(b);
  if (op !== "fcvt") return undefined;
  if (z === f64 && source === f32) return !nan(a);
  return z === f32 && source === f64 ? safe(r) || zero(source, a) : undefined;
}

/** 25.1, table: the constants of fli; what a half cannot hold is rounded, and 2^16 is infinity there. */
function constant(index: number, z: FloatFormat): bigint {
  const values = [
    -1,
    NaN,
    2 ** -16,
    2 ** -15,
    2 ** -8,
    2 ** -7,
    0.0625,
    0.125,
    0.25,
    0.3125,
    0.375,
    0.4375,
    0.5,
    0.625,
    0.75,
    0.875,
    1,
    1.25,
    1.5,
    1.75,
    2,
    2.5,
    3,
    4,
    8,
    16,
    128,
    256,
    32768,
    65536,
    Infinity,
    NaN,
  ];
  const env = new FloatEnv("riscv"), scratch = new DataView(new ArrayBuffer(8));
  if (index === 31) return z.defaultNaN(env);
  if (index === 1) return { 16: 0x400n, 32: 0x80_0000n, 64: 0x10_0000_0000_0000n }[z.bits]!;
  scratch.setFloat64(0, values[index]);
  return f64.convert(env, scratch.getBigUint64(0), z);
}
