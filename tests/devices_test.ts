// Accesses of devices from compiled code: every width, by memory and by ports, with and without translation. Each is made once, at its
// instruction, and what it asks for comes behind it; so digests are equal for every engine, and few instructions are left to the interpreter.
import { assert, assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, loadJit, type MachineOptions } from "../src/machine/machine.ts";
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
const ENGINES: readonly Partial<MachineOptions>[] = [
  { engine: "interp" },
  { engine: "jit", tuning: { threshold: 1 } },
  { engine: "jit", tuning: { threshold: 2000 } },
];
const le32 = (...words: number[]) => new Uint8Array(Uint32Array.from(words).buffer);

/** Runs a guest to its end, cut into slices of `step` ticks, or restored from a snapshot of itself at each. */
async function run(file: string, image: Uint8Array, more: Partial<MachineOptions>, memory: [number, Uint8Array], step = 1e8) {
  const readFile = (path: string) => path === "guest" ? image : Deno.readFileSync(path);
  const options: MachineOptions = { file: ROOT + file, kernel: "guest", ...more };
  const m = createMachine(options, { readFile, log: silent }, await loadGraph(options, { readFile, log: silent }));
  m.bus.writeBytes(...memory);
  for (let ticks = step; !m.stopped && ticks <= 1e8; ticks += step) m.run(ticks);
  return { m, stopped: m.stopped?.kind, digest: m.digest(), sides: m.stats.sideExits, reverted: m.stats.regionsReverted };
}

const image = Deno.readFileSync(`${ROOT}tests/x86/bin/devices.bin`);
for (const [paging, twice] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
  const name = `x86, ${paging ? "pages" : "physical"}${twice ? ", memory in the same instruction" : ""}`;
  Deno.test(`${name}: local APIC, HPET, serial port and timer answer the same whoever asks`, async () => {
    const rounds = twice ? 700 : 3000, memory: [number, Uint8Array] = [0x20_0000, le32(paging, rounds, twice)];
    const all = await Promise.all(ENGINES.map((e) => run("machines/pc.toml", image, e, memory)));
    all.push(await run("machines/pc.toml", image, { engine: "jit", tuning: { threshold: 50 } }, memory, 1777));
    const [sum, count, places] = new Uint32Array(all[0].m.bus.readBytes(0x20_0010, 12).slice().buffer);
    assertEquals([count, places % rounds, sum !== 0], [rounds, 0, true], "interrupts come where they were asked for");
    for (const r of all) {
      assertEquals([r.stopped, r.digest], ["exit", all[0].digest]);
      if (!twice) assert(r.sides < 4 * rounds && r.reverted === 0, `${r.sides} of ${20 * rounds} were left to the interpreter`);
    }
  });
}

/** A loop in M-mode, or in S-mode under Sv39, that reads and writes devices; a hole faults at every other turn, and a software interrupt comes behind a store. */
function guest(paging: boolean, rounds: number): Uint8Array {
  const { table } = parseIsa("rv64gc"), words: number[] = [];
  const i = (name: string, f: Record<string, number> = {}) => words.push(encode(table.row(name), f)) - 1;
  const [t0, t1, uart, mtime, plic, msip, flip, maybe, n, sum, count, at, page] = [5, 6, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26];
  const li = (rd: number, value: number) => {
    i("lui", { rd, imm: ((value + 0x800) & 0xffff_f000) | 0 });
    i("addiw", { rd, rs1: rd, imm: (value << 20) >> 20 });
  };
  const add = (rs2: number) => i("add", { rd: sum, rs1: sum, rs2 });
  const table0 = 0x8000, [MSTATUS, MIE, MTVEC, MEPC, MCAUSE, SATP] = [0x300, 0x304, 0x305, 0x341, 0x342, 0x180];
  li(uart, 0x1000_0000);
  li(mtime, 0x200_bff8);
  li(plic, 0xc00_0000);
  li(msip, 0x200_0000);
  li(flip, 0x6000_0000); // to a place where nothing is
  i("addi", { rd: maybe, rs1: uart, imm: 0 });
  li(n, rounds);
  i("auipc", { rd: at, imm: 0 });
  const here = words.length - 1, handler = i("addi");
  i("csrrw", { rd: 0, rs1: t0, csr: MTVEC });
  i("csrrwi", { rd: 0, uimm: 8, csr: MIE });
  i("csrrsi", { rd: 0, uimm: 8, csr: MSTATUS });
  let enter = -1;
  if (paging) {
    // Gigabytes 0 to 2, as they are.
    li(page, table0);
    i("add", { rd: page, rs1: at, rs2: page });
    i("srli", { rd: page, rs1: page, shamt: 12 });
    i("slli", { rd: t1, rs1: page, shamt: 12 });
    for (const gigabyte of [0, 1, 2]) {
      li(t0, (gigabyte << 28) | 0xcf);
      if (gigabyte === 2) i("slli", { rd: t0, rs1: t0, shamt: 32 }), i("srli", { rd: t0, rs1: t0, shamt: 32 });
      i("sd", { rs1: t1, rs2: t0, imm: 8 * gigabyte });
    }
    i("addi", { rd: t0, rs1: 0, imm: 8 });
    i("slli", { rd: t0, rs1: t0, shamt: 60 });
    i("or", { rd: t0, rs1: t0, rs2: page });
    i("csrrw", { rd: 0, rs1: t0, csr: SATP });
    // All of memory for S-mode, which comes next.
    i("addi", { rd: t0, rs1: 0, imm: -1 });
    i("csrrw", { rd: 0, rs1: t0, csr: 0x3b0 });
    i("csrrwi", { rd: 0, uimm: 0x1f, csr: 0x3a0 });
    li(t0, 0x880);
    i("csrrs", { rd: 0, rs1: t0, csr: MSTATUS });
    enter = i("addi");
    i("csrrw", { rd: 0, rs1: t0, csr: MEPC });
    i("mret");
  }
  const top = words.length;
  if (enter >= 0) words[enter] = encode(table.row("addi"), { rd: t0, rs1: at, imm: 4 * (top - here) });
  for (const name of ["lbu", "lb", "lhu", "lh", "lwu", "lw", "ld"]) {
    i(name, { rd: t0, rs1: mtime, imm: 0 });
    add(t0);
  }
  i("sb", { rs1: uart, rs2: n, imm: 7 }); // scratch
  for (const imm of [5, 7]) {
    i("lbu", { rd: t0, rs1: uart, imm });
    add(t0);
  }
  i("lui", { rd: t1, imm: 0x20_0000 });
  i("add", { rd: t1, rs1: plic, rs2: t1 });
  i("lw", { rd: t0, rs1: t1, imm: 4 }); // claim
  add(t0);
  i("sw", { rs1: plic, rs2: n, imm: 40 });
  i("lw", { rd: t0, rs1: plic, imm: 40 });
  add(t0);
  i("lw", { rd: t0, rs1: maybe, imm: 4 });
  add(t0);
  i("xor", { rd: maybe, rs1: maybe, rs2: flip });
  i("addi", { rd: t1, rs1: 0, imm: 1 });
  i("sw", { rs1: msip, rs2: t1, imm: 0 });
  i("addi", { rd: n, rs1: n, imm: -1 }); // where the interrupt comes
  i("bne", { rs1: n, rs2: 0, imm: 4 * (top - words.length) });
  li(t0, 0x5555);
  i("lui", { rd: t1, imm: 0x10_0000 });
  i("sw", { rs1: t1, rs2: t0, imm: 0 });
  i("jal", { rd: 0, imm: 0 });
  words[handler] = encode(table.row("addi"), { rd: t0, rs1: at, imm: 4 * (words.length - here) });
  i("csrrs", { rd: 30, rs1: 0, csr: MCAUSE });
  i("csrrs", { rd: 31, rs1: 0, csr: MEPC });
  i("add", { rd: sum, rs1: sum, rs2: 31 });
  i("bge", { rs1: 30, rs2: 0, imm: 16 });
  i("sw", { rs1: msip, rs2: 0, imm: 0 });
  i("addi", { rd: count, rs1: count, imm: 1 });
  i("mret");
  i("addi", { rd: 31, rs1: 31, imm: 4 });
  i("csrrw", { rd: 0, rs1: 31, csr: MEPC });
  i("mret");
  return new Uint8Array(Uint32Array.from(words).buffer);
}

for (const paging of [false, true]) {
  Deno.test(`RV64, ${paging ? "Sv39" : "physical"}: CLINT, PLIC and serial port answer the same whoever asks; a hole faults`, async () => {
    const rounds = 8000, image = guest(paging, rounds), at: [number, Uint8Array] = [0x8100_0000, le32(0)];
    const set = { "firmware.sbi": "none", "boot.load": 0x8000_0000, "memory.dram.size": "32MiB" };
    const all = await Promise.all(ENGINES.map((e) => run("machines/virt.toml", image, { ...e, set }, at)));
    all.push(await run("machines/virt.toml", image, { engine: "jit", set, tuning: { threshold: 50 } }, at, 1777));
    for (const r of all) {
      const [count, sum] = ["s8", "s7"].map((name) => r.m.cpus[0].reg(name));
      assertEquals([r.stopped, count, sum !== 0n, r.digest], ["exit", BigInt(rounds), true, all[0].digest]);
      // A region learns by 1024 of them, and may begin with any instruction.
      assert(r.sides < 30 * 1024 && r.reverted === 0, `${r.sides} of ${14 * rounds} were left to the interpreter`);
    }
  });
}
