// Where passes look ahead or take something for granted, and it turns out otherwise: a check in front of a loop that fails, one that covers what
// is never accessed, registers that are not as they were when their region was compiled. The interpreter's run is the oracle.
import { assert, assertEquals } from "@std/assert";
import { Bus } from "../../core/bus.ts";
import { Hart } from "../../riscv/hart.ts";
import { encode } from "../../riscv/insn.ts";
import { parseIsa } from "../../riscv/instruction_set.ts";
import { X } from "../../riscv/slots.ts";
import { Engine, type EngineOptions, loadJit } from "../engine.ts";

await loadJit();
const RAM = 0x8000_0000, BYTES = 1 << 20, HANDLER = 0x100, TEXT = 0x200, ISA = parseIsa("rv64gc");
type Line = readonly [mnemonic: string, fields?: Readonly<Record<string, number>>];

/** Counts exceptions in x31, and goes on behind the instruction that raised one. */
const SKIP: readonly Line[] = [
  ["addi", { rd: 31, rs1: 31, imm: 1 }],
  ["csrrs", { rd: 30, rs1: 0, csr: 0x341 }],
  ["addi", { rd: 30, rs1: 30, imm: 4 }],
  ["csrrw", { rd: 0, rs1: 30, csr: 0x341 }],
  ["mret"],
];
const HERE: Line = ["jal", { rd: 0, imm: 0 }];

/** Registers and data behind so many instructions, entered with each set of registers in turn; and how many regions were compiled. */
function run(program: readonly Line[], entries: readonly Readonly<Record<number, bigint>>[], options: EngineOptions) {
  const engine = new Engine(1, [{ base: RAM, length: BYTES, readonly: false }], new Bus(), options), env = engine.harts[0];
  const hart = env.core = new Hart(env, {
    isa: ISA,
    mmu: "sv39",
    svade: false,
    hartId: 0,
    reset: BigInt(RAM),
    pmpEntries: 16,
    time: () => 0,
    timer: () => {},
    onPending: () => {},
  });
  const ram = engine.ramBytes(0), view = new DataView(ram.buffer, ram.byteOffset, BYTES);
  const write = (at: number, lines: readonly Line[]) =>
    lines.forEach(([name, fields], i) => view.setUint32(at + 4 * i, encode(ISA.table.row(name), fields ?? {}), true));
  for (let at = 0x8000; at < BYTES; at += 4) view.setUint32(at, Math.imul(at, 0x9e37_79b1), true);
  write(HANDLER, SKIP);
  write(TEXT, [...program, HERE]);
  hart.setReg("mtvec", BigInt(RAM + HANDLER));
  const seen: bigint[][] = [];
  for (const registers of entries) {
    for (const [n, v] of Object.entries(registers)) hart.setReg(`x${n}`, v);
    engine.setPc(0, BigInt(RAM + TEXT));
    for (let done = 0; done < 2000; done += engine.executed) engine.run(0, 2000 - done);
    seen.push(Array.from({ length: 31 }, (_, n) => env.u64[X(n + 1) >> 3]));
  }
  return { seen, data: ram.slice(0x8000), regions: engine.stats.regions };
}

function sameAsInterpreter(program: readonly Line[], entries: readonly Readonly<Record<number, bigint>>[]): void {
  const expected = run(program, entries, {});
  for (const off of [[], ["across"], ["spans"], ["narrow"], ["fold"]] as const) {
    const got = run(program, entries, { jit: true, threshold: 1, verify: true, off });
    assert(got.regions > 0);
    assertEquals(got.seen, expected.seen, `without '${off}'`);
    assert(got.data.every((b, i) => b === expected.data[i]), `memory, without '${off}'`);
  }
}

Deno.test("a check in front of a loop: bases in RAM, at its end, outside, and changed from entry to entry", () => {
  const loop: Line[] = [
    ["addi", { rd: 12, rs1: 12, imm: 1 }], // has an effect before the first access
    ["lw", { rd: 9, rs1: 10, imm: 0 }],
    ["sw", { rs1: 13, rs2: 12, imm: 4 }],
    ["beq", { rs1: 14, rs2: 0, imm: 12 }],
    ["ld", { rd: 8, rs1: 10, imm: 24 }], // only if x14 is set
    ["sd", { rs1: 13, rs2: 8, imm: 16 }],
    ["addi", { rd: 11, rs1: 11, imm: -1 }],
    ["bne", { rs1: 11, rs2: 0, imm: -28 }],
  ];
  const inside = BigInt(RAM + 0x9000),
    end = BigInt(RAM + BYTES),
    entry = (x10: bigint, x13: bigint, x14: bigint) => ({
      10: x10,
      11: 20n,
      12: 0n,
      13: x13,
      14: x14,
      31: 0n,
    });
  sameAsInterpreter(loop, [
    entry(inside, inside + 64n, 1n),
    entry(end - 8n, inside, 0n), // the access that is never made would be outside
    entry(end - 8n, inside, 1n),
    entry(0x1000n, inside, 0n),
    entry(inside, end - 8n, 1n),
    entry(inside, 0x1000n, 1n),
    entry(BigInt(RAM) + 0x200n, BigInt(RAM + 0x8ff0), 1n), // reads code
    entry(inside, inside + 64n, 1n),
  ]);
});

Deno.test("bases that the loop changes, on some ways or on all", () => {
  const loop: Line[] = [
    ["lw", { rd: 9, rs1: 10, imm: 0 }],
    ["sw", { rs1: 13, rs2: 9, imm: 0 }],
    ["addi", { rd: 13, rs1: 13, imm: 8 }],
    ["sw", { rs1: 13, rs2: 11, imm: -4 }],
    ["andi", { rd: 14, rs1: 11, imm: 3 }],
    ["bne", { rs1: 14, rs2: 0, imm: 8 }],
    ["addi", { rd: 10, rs1: 10, imm: 16 }],
    ["lw", { rd: 8, rs1: 10, imm: 4 }],
    ["add", { rd: 7, rs1: 7, rs2: 8 }],
    ["addi", { rd: 11, rs1: 11, imm: -1 }],
    ["bne", { rs1: 11, rs2: 0, imm: -40 }],
  ];
  const entry = (x10: number, x13: number) => ({ 10: BigInt(x10), 11: 40n, 13: BigInt(x13), 31: 0n });
  const inside = RAM + 0x9000, end = RAM + BYTES;
  sameAsInterpreter(loop, [entry(inside, inside + 0x1000), entry(end - 100, inside), entry(inside, end - 100), entry(inside, inside + 64)]);
});

Deno.test("registers of 32-bit results: a region that is entered with all 64 bits", () => {
  const loop: Line[] = [
    ["addiw", { rd: 6, rs1: 5, imm: 0 }],
    ["xor", { rd: 7, rs1: 7, rs2: 6 }],
    ["slliw", { rd: 5, rs1: 5, shamt: 1 }],
    ["addw", { rd: 5, rs1: 5, rs2: 7 }],
    ["addiw", { rd: 11, rs1: 11, imm: -1 }],
    ["bne", { rs1: 11, rs2: 0, imm: -20 }],
  ];
  const entry = (x5: bigint, x7: bigint) => ({ 5: x5, 7: x7, 11: 30n });
  sameAsInterpreter(loop, [
    entry(3n, -5n),
    entry(0x1_0000_0003n, 7n),
    entry(3n, 0x8000_0000n),
    entry(3n, -5n),
    entry(1n << 63n, -1n << 40n),
  ]);
});

Deno.test("constants that hold on one way only, and addresses of constants outside RAM", () => {
  const program: Line[] = [
    ["auipc", { rd: 10, imm: 0x8000 }],
    ["addi", { rd: 12, rs1: 0, imm: 8 }],
    ["beq", { rs1: 11, rs2: 0, imm: 8 }],
    ["addi", { rd: 12, rs1: 0, imm: 16 }],
    ["add", { rd: 13, rs1: 10, rs2: 12 }],
    ["lw", { rd: 9, rs1: 10, imm: 4 }],
    ["lw", { rd: 8, rs1: 13, imm: 0 }],
    ["lui", { rd: 14, imm: 0x1000 }],
    ["lw", { rd: 7, rs1: 14, imm: 0 }],
    ["addi", { rd: 5, rs1: 5, imm: -1 }],
    ["bne", { rs1: 5, rs2: 0, imm: -40 }],
  ];
  sameAsInterpreter(program, [{ 5: 12n, 11: 0n, 31: 0n }, { 5: 12n, 11: 1n, 31: 0n }]);
});
