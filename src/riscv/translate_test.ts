import { assert, assertEquals } from "@std/assert";
import { Builder } from "../ir/builder.ts";
import { type EvalMachine, evaluate, type Exit } from "../ir/evaluate.ts";
import { CONTINUE, type CoreEnv, FAULT, FINISH, type Helper, type Status } from "../ir/frontend.ts";
import { ARG, PAGE, PC } from "../ir/layout.ts";
import { verifyIr } from "../ir/verify.ts";
import { csrPlain } from "./csr.ts";
import { type HelperName, SYSTEM_HELPERS } from "./helpers.ts";
import { encode } from "./insn.ts";
import { loadFloating, parseIsa } from "./instruction_set.ts";
import { F, FFLAGS, FRM, HELD, MODE_FP_FAST, MODE_FS, MODE_FS_DIRTY, MODE_PRIV_SHIFT, RES_ADDRESS, STATUS, X } from "./slots.ts";
import { instructionHelpers, translateBlock } from "./translate.ts";

await loadFloating();

const FP = MODE_FS | MODE_FS_DIRTY;

/** A hart without privileges: blocks are translated and evaluated; helpers of the privileged architecture are recorded. */
class Bench implements EvalMachine {
  readonly slots = new DataView(new ArrayBuffer(0x1_0000));
  /** Calls of system helpers: name and arguments. */
  readonly calls: [HelperName, ...bigint[]][] = [];
  /** Words that floating-point helpers called illegal. */
  readonly illegal: number[] = [];
  changes = 0;
  readonly helpers: readonly Helper[];
  /** Code: two pages at pc 0x8000_0000, or -1 for the second one when it is not mapped. */
  readonly bytes = new Uint8Array(2 * PAGE);
  second = PAGE;
  /** Data by byte address; accesses elsewhere fault. */
  readonly data = new Map<bigint, number>();
  accesses: string[] = [];
  readonly isa;

  constructor(isa: string) {
    this.isa = parseIsa(isa);
    const buffer = this.slots.buffer;
    const env = { i32: new Int32Array(buffer), u64: new BigUint64Array(buffer), changed: () => void this.changes++ } as unknown as CoreEnv;
    const system = SYSTEM_HELPERS.map((name): Helper => ({ name, run: () => this.#record(name) }));
    this.helpers = [
      ...system,
      ...instructionHelpers(env, (word) => {
        this.illegal.push(word);
        return FAULT;
      }),
    ];
    this.slots.setBigUint64(RES_ADDRESS, 0xffff_ffff_ffff_ffffn, true);
  }

  #record(name: HelperName): Status {
    this.calls.push([name, ...[0, 1, 2, 3].map((i) => this.slots.getBigUint64(ARG + 8 * i, true))]);
    return name.startsWith("misaligned") ? FAULT : CONTINUE;
  }

  load(address: bigint, size: number, write: boolean): bigint | undefined {
    this.accesses.push(`${write ? "rmw" : "load"}${8 * size} ${address.toString(16)}`);
    let v = 0n;
    for (let i = size - 1; i >= 0; i--) {
      const byte = this.data.get(address + BigInt(i));
      if (byte === undefined) return undefined;
      v = (v << 8n) | BigInt(byte);
    }
    return v;
  }
  store(address: bigint, size: number, value: bigint): boolean {
    this.accesses.push(`store${8 * size} ${address.toString(16)}`);
    if (!this.data.has(address)) return false;
    for (let i = 0; i < size; i++) this.data.set(address + BigInt(i), Number((value >> BigInt(8 * i)) & 0xffn));
    return true;
  }

  /** Puts instructions (mnemonic and fields, or a 16-bit word) at an offset. */
  code(at: number, ...program: ([string, Record<string, number>] | number)[]): void {
    const view = new DataView(this.bytes.buffer);
    for (const p of program) {
      if (typeof p === "number") {
        view.setUint16(at, p, true);
        at += 2;
      } else {
        view.setUint32(at, encode(this.isa.table.row(p[0]), p[1]), true);
        at += 4;
      }
    }
  }

  translate(at = 0, options: { mode?: number; max?: number; hi?: number } = {}): Builder {
    const b = new Builder(), code = { bytes: this.bytes, at, limit: PAGE - (at % PAGE), next: () => this.second };
    b.reset((0x8000_0000 + at) | 0, options.hi ?? 0);
    translateBlock(b, code, options.max ?? 1000, options.mode ?? FP, this.isa);
    verifyIr(b);
    assert(b.ended);
    return b;
  }

  run(at = 0, options: { mode?: number; max?: number } = {}): Exit {
    this.calls.length = 0;
    this.accesses = [];
    return evaluate(this.translate(at, options), this);
  }

  x(n: number): bigint {
    return this.slots.getBigUint64(X(n), true);
  }
  setX(n: number, v: bigint): void {
    this.slots.setBigUint64(X(n), BigInt.asUintN(64, v), true);
  }
  f(n: number): bigint {
    return this.slots.getBigUint64(F(n), true);
  }
  setF(n: number, v: bigint): void {
    this.slots.setBigUint64(F(n), v, true);
  }
  flags(): number {
    return this.slots.getUint32(FFLAGS, true);
  }
  word(at: bigint): bigint | undefined {
    return this.load(at, 4, false);
  }
  fill(at: bigint, bytes: number[]): void {
    bytes.forEach((v, i) => this.data.set(at + BigInt(i), v));
  }
}

const NOP: [string, Record<string, number>] = ["addi", { rd: 0, rs1: 0, imm: 0 }];
const nops = (n: number) => Array.from({ length: n }, () => NOP);

Deno.test("a block ends at max, after 64 instructions, and at the page's end", () => {
  const t = new Bench("rv64gc");
  t.code(0, ...nops(1024));
  assertEquals(t.run(0, { max: 3 }), { kind: "next", pc: 0x8000_000cn, insns: 3 });
  assertEquals(t.run(0), { kind: "next", pc: 0x8000_0100n, insns: 64 });
  assertEquals(t.run(PAGE - 8), { kind: "next", pc: 0x8000_1000n, insns: 2 });
  assertEquals(t.translate(0, { hi: 5, max: 1 }).pcHi, 5);
});

Deno.test("a block of the largest instructions fits the builder", () => {
  for (const isa of ["rv64gc_zba_zbb_zbc_zbs_zfh_zfa_zicboz", "rv32gc_zba_zbb_zbc_zbs_zfh_zfa_zicboz"]) {
    const t = new Bench(isa);
    for (const row of t.isa.table.rows) {
      if (row.bits === 16 || !row.emit) continue;
      const fields = { rd: 1, rs1: 2, rs2: 3, rs3: 4, rm: 0, imm: 16, uimm: 5, shamt: 3, csr: 1, aq: 0, rl: 0, pred: 0, succ: 0, fm: 0 };
      t.code(0, ...Array.from({ length: 64 }, (): [string, Record<string, number>] => [row.syntax.split(" ")[0], fields]));
      const b = t.translate(0, { mode: FP | MODE_FP_FAST });
      assert(b.count < Builder.CAPACITY && b.count / b.insns < 500, `${row.syntax}: ${b.count} operations`);
    }
  }
});

Deno.test("an instruction that crosses pages is a block of its own", () => {
  const t = new Bench("rv64gc");
  t.code(PAGE - 6, NOP, ["addi", { rd: 5, rs1: 0, imm: 77 }]);
  assertEquals(t.run(PAGE - 6), { kind: "next", pc: 0x8000_0ffen, insns: 1 });
  assertEquals(t.run(PAGE - 2, { max: 1 }), { kind: "next", pc: 0x8000_1002n, insns: 1 });
  assertEquals(t.x(5), 77n);
  t.second = -1;
  assertEquals(t.run(PAGE - 2).kind, "helper");
  assertEquals(t.calls[0].slice(0, 2), ["fetchFault", 0x8000_0ffen]);
});

Deno.test("branches leave, and the block goes on otherwise", () => {
  const t = new Bench("rv64gc");
  t.code(0, ["beq", { rs1: 5, rs2: 6, imm: -16 }], ["addi", { rd: 7, rs1: 0, imm: 1 }], ["jal", { rd: 1, imm: 0x100 }]);
  assertEquals(t.run(), { kind: "next", pc: 0x7fff_fff0n, insns: 1 });
  t.setX(5, 1n);
  assertEquals(t.run(), { kind: "next", pc: 0x8000_0108n, insns: 3 });
  assertEquals([t.x(7), t.x(1)], [1n, 0x8000_000cn]);
});

Deno.test("RV32 addresses wrap", () => {
  const t = new Bench("rv32gc");
  t.setX(5, 0xffff_fff0n);
  t.fill(0x10n, [1, 2, 3, 0x84]);
  t.code(0, ["lw", { rd: 6, rs1: 5, imm: 0x20 }], ["jalr", { rd: 1, rs1: 5, imm: 0x21 }]);
  assertEquals(t.run(), { kind: "next", pc: 0x10n, insns: 2 });
  assertEquals([t.x(6), t.x(1)], [0x8403_0201n, 0x8000_0008n]);
  const b = new Builder();
  b.reset(4, 0);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, encode(t.isa.table.row("jal"), { rd: 0, imm: -16 }), true);
  translateBlock(b, { bytes, at: 0, limit: 4, next: () => -1 }, 1, 0, t.isa);
  assertEquals(evaluate(b, t).pc, 0xffff_fff4n);
});

Deno.test("without C a target that is not a multiple of 4 raises exception 0 at the jump", () => {
  const t = new Bench("rv64g");
  t.setX(1, 99n);
  t.code(0, ["jal", { rd: 1, imm: 6 }]);
  t.run();
  assertEquals(t.calls, [["exception", 0n, 0x8000_0006n, 0x8000_0000n, 0n]]);
  t.code(0, ["bne", { rs1: 5, rs2: 0, imm: 6 }]);
  assertEquals(t.run(0).pc, 0x8000_0004n); // not taken
  t.setX(5, 1n);
  t.run();
  assertEquals(t.calls[0].slice(0, 4), ["exception", 0n, 0x8000_0006n, 0x8000_0000n]);
  t.code(0, ["jalr", { rd: 1, rs1: 5, imm: 2 }]);
  assertEquals(t.run().kind, "fault");
  assertEquals([t.calls[0].slice(0, 2), t.x(1)], [["misalignedFetch", 2n], 99n]);
});

Deno.test("illegal words, and floating point that is off", () => {
  const t = new Bench("rv64gc");
  const raised = (at: number, mode: number) => {
    t.run(at, { mode });
    return t.calls[0].slice(0, 4);
  };
  t.code(0, 0x0000);
  assertEquals(raised(0, FP), ["exception", 2n, 0n, 0x8000_0000n]);
  const fadd = encode(t.isa.table.row("fadd.d"), { rd: 1, rs1: 2, rs2: 3, rm: 7 });
  new DataView(t.bytes.buffer).setUint32(0, fadd, true);
  assertEquals(raised(0, 0), ["exception", 2n, BigInt(fadd), 0x8000_0000n]);
  new DataView(t.bytes.buffer).setUint32(0, fadd & ~0x2000, true); // rm 5
  assertEquals(raised(0, FP)[1], 2n);
});

Deno.test("an instruction that writes f registers makes FS dirty first; one that reads them does not", () => {
  const t = new Bench("rv64gc");
  t.code(0, ["fmv.d.x", { rd: 1, rs1: 5 }]);
  t.run(0, { mode: MODE_FS, max: 1 });
  assertEquals(t.calls.map((c) => c[0]), ["fpDirty"]);
  t.code(0, ["fmv.x.d", { rd: 5, rs1: 1 }]);
  t.run(0, { mode: MODE_FS, max: 1 });
  assertEquals(t.calls, []);
});

Deno.test("LR and SC", () => {
  const t = new Bench("rv64gc"), lr: [string, Record<string, number>] = ["lr.w", { rd: 6, rs1: 5, aq: 0, rl: 0 }];
  const sc: [string, Record<string, number>] = ["sc.w", { rd: 8, rs1: 5, rs2: 7, aq: 0, rl: 0 }];
  t.fill(0x100n, [1, 0, 0, 0x80, 0, 0, 0, 0]);
  t.setX(5, 0x100n);
  t.setX(7, 5n);
  t.code(0, lr, sc, sc);
  t.run(0, { max: 2 });
  assertEquals([t.x(6), t.x(8), t.word(0x100n)], [0xffff_ffff_8000_0001n, 0n, 5n]);
  t.setX(7, 6n);
  t.run(8, { max: 1 }); // the reservation is used up
  assertEquals([t.x(8), t.word(0x100n)], [1n, 5n]);
  t.run(0, { max: 1 });
  t.setX(5, 0x104n);
  t.run(4, { max: 1 }); // another address
  assertEquals([t.x(8), t.word(0x104n)], [1n, 0n]);
  t.setX(5, 0x100n);
  t.run(0, { max: 1 });
  t.fill(0x100n, [9]); // another hart wrote
  t.run(4, { max: 1 });
  assertEquals([t.x(8), t.word(0x100n)], [1n, 9n]);
});

Deno.test("atomics: alignment is checked first, a fault leaves the registers", () => {
  const t = new Bench("rv64gc");
  const amo = (name: string): [string, Record<string, number>] => [name, { rd: 6, rs1: 5, rs2: 7, aq: 0, rl: 0 }];
  t.setX(6, 42n);
  t.setX(5, 0x102n);
  t.code(0, amo("amoadd.w"), ["lr.d", { rd: 6, rs1: 5, aq: 0, rl: 0 }]);
  assertEquals(t.run(0, { max: 1 }).kind, "fault");
  assertEquals(t.calls[0].slice(0, 2), ["misalignedStore", 0x102n]);
  assertEquals(t.run(4, { max: 1 }).kind, "fault");
  assertEquals(t.calls[0].slice(0, 2), ["misalignedLoad", 0x102n]);
  t.setX(5, 0x200n);
  assertEquals(t.run(0, { max: 1 }), { kind: "fault", pc: 0x8000_0000n, insns: 1 });
  assertEquals([t.accesses, t.x(6)], [["rmw32 200"], 42n]);
});

Deno.test("a load that faults leaves its register, and what came before in the block done", () => {
  const t = new Bench("rv64gc");
  t.code(0, ["addi", { rd: 7, rs1: 0, imm: 3 }], ["ld", { rd: 7, rs1: 5, imm: 8 }]);
  assertEquals(t.run(), { kind: "fault", pc: 0x8000_0004n, insns: 2 });
  assertEquals(t.x(7), 3n);
});

Deno.test("system instructions hand over their operands", () => {
  const t = new Bench("rv64gc");
  t.setX(5, 0x1234n);
  t.setX(6, 7n);
  const word = encode(t.isa.table.row("csrrw"), { rd: 1, rs1: 5, csr: 0x300 });
  t.code(0, ["csrrw", { rd: 1, rs1: 5, csr: 0x300 }]);
  t.run();
  assertEquals(t.calls, [["csr", BigInt(word), 0x1234n, 0x8000_0000n, 0x8000_0004n]]);
  t.code(0, ["csrrsi", { rd: 1, uimm: 31, csr: 0x300 }]);
  t.run();
  assertEquals(t.calls[0][2], 31n);
  t.code(0, ["sfence.vma", { rs1: 5, rs2: 0 }]);
  t.run();
  const [name, vaddr, , given, pc] = t.calls[0];
  assertEquals([name, vaddr, given & 3n, given >> 32n, pc], ["sfenceVma", 0x1234n, 1n, 0x1202_8073n, 0x8000_0000n]);
  t.code(0, 0x9002); // c.ebreak
  t.run();
  assertEquals(t.calls[0].slice(0, 2), ["ebreak", 0x8000_0000n]);
});

Deno.test("CSRs that are plain slots are read and written inline", () => {
  const t = new Bench("rv64gc"), slot = 0x1300;
  const run = (name: string, fields: Record<string, number>) => {
    t.code(0, [name, fields]);
    const b = new Builder();
    b.reset(0x8000_0000 | 0, 0);
    translateBlock(
      b,
      { bytes: t.bytes, at: 0, limit: PAGE, next: () => -1 },
      1,
      FP,
      t.isa,
      (n) => n === 0x141 ? { slot, writeMask: 0xffff_ffff_ffff_fffen } : undefined,
    );
    t.calls.length = 0;
    assertEquals(evaluate(b, t).kind, "next");
    return [t.x(1), t.slots.getBigUint64(slot, true)];
  };
  t.slots.setBigUint64(slot, 0xff00n, true);
  t.setX(5, 0x10f1n);
  assertEquals(run("csrrw", { rd: 1, rs1: 5, csr: 0x141 }), [0xff00n, 0x10f0n]);
  assertEquals(run("csrrci", { rd: 1, uimm: 16, csr: 0x141 }), [0x10f0n, 0x10e0n]);
  assertEquals(run("csrrs", { rd: 1, rs1: 0, csr: 0x141 }), [0x10e0n, 0x10e0n]);
});

Deno.test("sstatus: SIE is switched inline, unless that lets an interrupt in; everything else is the helper's", () => {
  const t = new Bench("rv64gc"), isa = parseIsa("rv64gc"), SIE = 2, supervisor = 1 << MODE_PRIV_SHIFT;
  /** What comes of one instruction: how it ends, rd, and mstatus. */
  const run = (name: string, fields: Record<string, number>, held: number, mode = supervisor | FP) => {
    t.code(0, [name, { csr: 0x100, rd: 1, ...fields }], ["addi", { rd: 2, rs1: 0, imm: 1 }]);
    const b = new Builder();
    b.reset(0x8000_0000 | 0, 0);
    translateBlock(b, { bytes: t.bytes, at: 0, limit: PAGE, next: () => -1 }, 2, mode, isa, (n, m) => csrPlain(n, m, isa));
    t.slots.setInt32(STATUS, 0x8000_7faa | 0, true);
    t.slots.setInt32(HELD, held, true);
    t.calls.length = 0;
    const { kind, insns } = evaluate(b, t);
    return [kind, insns, t.calls.length, t.slots.getInt32(STATUS, true)];
  };
  const open = ~SIE, off = 0x8000_7fa8 | 0, on = off | SIE;
  t.setX(5, 2n);
  t.setX(6, 0x4_0002n);
  assertEquals(run("csrrci", { uimm: SIE }, -1), ["next", 2, 0, off]);
  assertEquals(t.x(1), 0x8000_0002_0000_6122n);
  assertEquals(run("csrrc", { rs1: 5 }, -1), ["next", 2, 0, off]);
  assertEquals(run("csrrsi", { uimm: SIE }, open), ["next", 2, 0, on]);
  assertEquals(run("csrrs", { rs1: 5 }, open), ["next", 2, 0, on]);
  assertEquals(run("csrrs", { rs1: 0 }, -1), ["next", 2, 0, on]);
  assertEquals(run("csrrs", { rs1: 0 }, -1, supervisor), ["next", 2, 0, on]);
  assertEquals(t.x(1), 0x2_0000_6122n);
  // An interrupt waits; another bit; a write; too little privilege.
  assertEquals(run("csrrsi", { uimm: SIE }, -1), ["helper", 1, 1, on]);
  assertEquals(run("csrrs", { rs1: 5 }, -1), ["helper", 1, 1, on]);
  assertEquals(run("csrrs", { rs1: 6 }, open), ["helper", 1, 1, on]);
  assertEquals(run("csrrc", { rs1: 6 }, open), ["helper", 1, 1, on]);
  assertEquals(run("csrrci", { uimm: 3 }, open), ["helper", 1, 1, on]);
  assertEquals(run("csrrw", { rs1: 5 }, open), ["helper", 1, 1, on]);
  assertEquals(run("csrrci", { uimm: SIE }, open, 0), ["helper", 1, 1, on]);
});

Deno.test("floating-point flags: NX set for the first time changes the mode; a reserved dynamic mode is illegal", () => {
  const t = new Bench("rv64gc");
  t.setF(2, 0x3ff0_0000_0000_0000n); // 1
  t.setF(3, 0x4008_0000_0000_0000n); // 3
  t.code(0, ["fdiv.d", { rd: 1, rs1: 2, rs2: 3, rm: 7 }], ["fadd.d", { rd: 4, rs1: 2, rs2: 3, rm: 7 }]);
  assertEquals(t.run(0, { max: 2 }), { kind: "next", pc: 0x8000_0004n, insns: 1 }); // FINISH: the mode has changed
  assertEquals([t.f(1), t.flags(), t.changes], [0x3fd5_5555_5555_5555n, 1, 1]);
  assertEquals(t.run(0, { max: 2 }).insns, 2);
  assertEquals([t.f(4), t.changes], [0x4010_0000_0000_0000n, 1]);
  t.slots.setUint32(FRM, 5, true);
  assertEquals(t.run(4, { max: 1 }).kind, "fault");
  assertEquals(t.illegal, [encode(t.isa.table.row("fadd.d"), { rd: 4, rs1: 2, rs2: 3, rm: 7 })]);
});

Deno.test("the fast way and the helpers agree on every floating-point instruction", () => {
  for (const isa of ["rv64gc_zfh_zfa", "rv32gc_zfh_zfa"]) {
    const t = new Bench(isa);
    let seed = 5;
    const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) | 0) >>> 0;
    const edges = [
      0n,
      1n << 63n,
      0x3ff0_0000_0000_0000n,
      0x7ff0_0000_0000_0000n,
      0x7ff0_0000_0000_0001n,
      0x0010_0000_0000_0000n,
      0x41e0_0000_0000_0000n,
      0x3fdf_ffff_ffff_ffffn,
    ];
    const edges32 = [0n, 0x8000_0000n, 0x3f80_0000n, 0x7f80_0000n, 0x7f80_0001n, 0x0080_0000n, 0x4f00_0000n, 0xcf00_0000n, 0x3eff_ffffn];
    const value = (row: string) => {
      const wide = (BigInt(random()) << 32n) | BigInt(random());
      if (/\.d/.test(row)) return random() % 3 ? wide : edges[random() % edges.length];
      return 0xffff_ffff_0000_0000n | (random() % 3 ? BigInt(random()) : edges32[random() % edges32.length]);
    };
    const rows = t.isa.table.rows.filter((r) => r.bits === 32 && /^f/.test(r.syntax) && !/^fence|\(/.test(r.syntax));
    assert(rows.length > 60);
    for (const row of rows) {
      for (let n = 0; n < 20; n++) {
        // fd = f1 or rd = x1, operands in 2, 3 and 4, to nearest even: the only way that may be fast.
        const fields: Record<string, number> = { rd: 1, rs1: 2, rs2: 3, rs3: 4, rm: 0, uimm: n };
        const inputs = [2, 3, 4].map(() => value(row.syntax));
        const outcome = (mode: number) => {
          inputs.forEach((v, i) => {
            t.setF(i + 2, v);
            t.setX(i + 2, t.isa.xlen === 64 ? v : BigInt.asUintN(32, v));
          });
          t.slots.setUint32(FFLAGS, 1, true);
          t.slots.setUint32(FRM, 0, true);
          new DataView(t.bytes.buffer).setUint32(0, encode(row, fields), true);
          t.run(0, { mode, max: 1 });
          return [t.f(1), t.x(1), t.flags()].map((v) => v.toString(16)).join(" ");
        };
        assertEquals(outcome(FP | MODE_FP_FAST), outcome(FP), `${row.syntax} of ${inputs.map((v) => v.toString(16))}`);
      }
    }
  }
});

Deno.test("FINISH from a helper ends the block after its instruction", () => {
  const t = new Bench("rv64gc");
  const finishing = {
    ...t,
    slots: t.slots,
    helpers: t.helpers.map((h) => ({ name: h.name, run: () => FINISH })),
    load: () => 0n,
    store: () => true,
  };
  t.code(0, ["fmv.d.x", { rd: 1, rs1: 5 }], NOP);
  assertEquals(evaluate(t.translate(0, { mode: MODE_FS }), finishing as unknown as EvalMachine), {
    kind: "next",
    pc: 0x8000_0004n,
    insns: 1,
  });
  assertEquals(t.slots.getBigUint64(PC, true), 0n);
});
