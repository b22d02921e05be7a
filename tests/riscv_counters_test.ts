// Counters and their inhibit bits, exact to the instruction (Priv 3.1.10, 3.1.12), in loops that both engines run, in blocks and in regions.
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type MachineOptions } from "../src/machine/machine.ts";
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const COUNTINHIBIT = 0x320, CYCLE = 0xb00, INSTRET = 0xb02, CYCLEH = 0xb80, INSTRETH = 0xb82;
const LOOPS = 300, RESULTS = 0x8010_0008;

type Step =
  /** Writes t0 (2000), t1 (all ones of 32 bits) or zero. */
  | { readonly write: number; readonly from: "t0" | "t1" | "zero" }
  /** csrrwi, csrrsi, csrrci of mcountinhibit. */
  | { readonly inhibit: number; readonly how: "csrrwi" | "csrrsi" | "csrrci" }
  | { readonly nops: number }
  /** Reads a counter, which has to be this. */
  | { readonly read: number; readonly is: number };

const set = (value: number, how: "csrrwi" | "csrrsi" | "csrrci" = "csrrwi"): Step => ({ inhibit: value, how });
const start = (counter: number): Step => ({ write: counter, from: "t0" });

/** A counter counts the instruction that stops it and not the one that starts it; a write is seen by the next instruction. */
const BOTH: readonly (readonly [string, readonly Step[]])[] = [
  ["minstret stops and goes on", [
    start(INSTRET),
    set(4),
    { nops: 1 },
    { read: INSTRET, is: 2001 },
    { nops: 2 },
    { read: INSTRET, is: 2001 },
    set(0),
    { read: INSTRET, is: 2001 },
    { read: INSTRET, is: 2002 },
  ]],
  ["mcycle stops and goes on", [
    start(CYCLE),
    set(1, "csrrsi"),
    { nops: 3 },
    { read: CYCLE, is: 2001 },
    set(1, "csrrci"),
    { read: CYCLE, is: 2001 },
    { nops: 3 },
    { read: CYCLE, is: 2005 },
  ]],
  ["a write that changes nothing loses nothing", [
    start(INSTRET),
    set(0),
    set(0, "csrrci"),
    set(0),
    { read: INSTRET, is: 2003 },
    start(CYCLE),
    set(0),
    { read: CYCLE, is: 2001 },
  ]],
  ["nor does one that stops, or starts, the other counter", [
    start(INSTRET),
    set(1),
    set(0),
    { read: INSTRET, is: 2002 },
    start(CYCLE),
    set(4),
    set(5, "csrrsi"),
    set(4),
    set(0),
    { read: CYCLE, is: 2003 },
  ]],
  ["written while it stands", [
    set(5),
    start(INSTRET),
    start(CYCLE),
    { nops: 2 },
    { read: INSTRET, is: 2000 },
    { read: CYCLE, is: 2000 },
    set(0),
  ]],
  ["event counters read zero and cannot be stopped", [start(0xb03), set(8), { read: COUNTINHIBIT, is: 0 }, { read: 0xb03, is: 0 }, {
    read: 0x323,
    is: 0,
  }]],
];
const HALVES: readonly (readonly [string, readonly Step[]])[] = [
  ["the low half carries into the high one, also by the instruction that stops it", [
    { write: INSTRETH, from: "zero" },
    { write: INSTRET, from: "t1" },
    set(4),
    { read: INSTRET, is: 0 },
    { read: INSTRETH, is: 1 },
    set(0),
    { read: INSTRETH, is: 1 },
  ]],
  ["a write of one half keeps the other", [
    set(5),
    start(CYCLEH),
    { write: CYCLE, from: "t1" },
    start(INSTRET),
    { write: INSTRETH, from: "t1" },
    { read: CYCLEH, is: 2000 },
    { read: CYCLE, is: 0xffff_ffff },
    { read: INSTRET, is: 2000 },
    { read: INSTRETH, is: 0xffff_ffff },
    set(0),
  ]],
];

/** Runs the steps LOOPS times, storing what each read gave, and stops by the finisher. */
function program(steps: readonly Step[], isa: string): Uint8Array {
  const { table } = parseIsa(isa), words: number[] = [], t0 = 5, t1 = 6, t2 = 7, s0 = 8, s1 = 9;
  const i = (name: string, f: Record<string, number>) => words.push(encode(table.row(name), f));
  i("addi", { rd: t0, rs1: 0, imm: 2000 });
  i("addi", { rd: t1, rs1: 0, imm: -1 });
  i("auipc", { rd: s0, imm: 0x10_0000 }); // at 0x8000_0008
  i("addi", { rd: s1, rs1: 0, imm: LOOPS });
  const top = words.length;
  for (const step of steps) {
    if ("write" in step) i("csrrw", { rd: 0, rs1: { t0, t1, zero: 0 }[step.from], csr: step.write });
    else if ("inhibit" in step) i(step.how, { rd: 0, uimm: step.inhibit, csr: COUNTINHIBIT });
    else if ("nops" in step) { for (let n = 0; n < step.nops; n++) i("addi", { rd: 0, rs1: 0, imm: 0 }); }
    else {
      // Behind the reads, so that they may follow each other.
      i("csrrs", { rd: 10 + steps.filter((s) => "read" in s).indexOf(step), rs1: 0, csr: step.read });
    }
  }
  const reads = steps.filter((s) => "read" in s).length;
  for (let n = 0; n < reads; n++) i("sw", { rs1: s0, rs2: 10 + n, imm: 4 * n });
  i("addi", { rd: s0, rs1: s0, imm: 4 * reads });
  i("addi", { rd: s1, rs1: s1, imm: -1 });
  i("bne", { rs1: s1, rs2: 0, imm: 4 * (top - words.length) });
  i("lui", { rd: t2, imm: 0x10_0000 });
  i("lui", { rd: t0, imm: 0x5000 });
  i("addi", { rd: t0, rs1: t0, imm: 0x555 });
  i("sw", { rs1: t2, rs2: t0, imm: 0 });
  i("jal", { rd: 0, imm: 0 });
  return new Uint8Array(Uint32Array.from(words).buffer);
}

for (
  const [xlen, name, steps] of [
    ...BOTH.flatMap((row) => [[64, ...row], [32, ...row]] as const),
    ...HALVES.map((row) => [32, ...row] as const),
  ]
) {
  Deno.test(`counters, RV${xlen}: ${name}`, async () => {
    const image = program(steps, `rv${xlen}gc`), expected = steps.flatMap((s) => "read" in s ? [s.is] : []);
    for (const engine of ["interp", "jit"] as const) {
      const options: MachineOptions = {
        file: `${ROOT}machines/virt${xlen === 32 ? "32" : ""}.toml`,
        kernel: "program",
        engine,
        tuning: { threshold: 5 },
        set: { "memory.dram.size": "4MiB", "firmware.sbi": "none", "boot.load": 0x8000_0000 },
      };
      const host = { readFile: (path: string) => path === "program" ? image : Deno.readFileSync(path), log: silent };
      const machine = createMachine(options, host, await loadGraph(options, host));
      machine.run(10_000_000);
      assertEquals(machine.stopped, { kind: "exit", code: 0, pass: true });
      assertEquals(engine === "jit", machine.engine.liveRegions > 0, "the loop is compiled");
      const words = new Uint32Array(machine.bus.readBytes(RESULTS, 4 * expected.length * LOOPS).slice().buffer);
      for (let n = 0; n < LOOPS; n++) {
        assertEquals([...words.subarray(n * expected.length, (n + 1) * expected.length)], expected, `${engine}, loop ${n}`);
      }
    }
  });
}
