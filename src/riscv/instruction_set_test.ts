import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { disassemble, encode } from "./insn.ts";
import { loadFloating, parseIsa } from "./instruction_set.ts";

await loadFloating();

Deno.test("g stands for IMAFD, Zicsr and Zifencei; c brings its parts", () => {
  const isa = parseIsa("RV64GC");
  assertEquals(isa.text, "rv64imafdc_zicsr_zifencei_zca_zcd");
  assertEquals(isa.xlen, 64);
  assertEquals(isa.extensions, ["i", "m", "a", "f", "d", "c", "zicsr", "zifencei", "zca", "zcd"]);
  assert(isa.has("d") && !isa.has("zba"));
  // S and U, and I M A F D C.
  assertEquals(isa.misa, 0x14112d);
  assertEquals(parseIsa("rv64gc"), isa);
});

Deno.test("what an extension needs comes with it", () => {
  assertEquals(parseIsa("rv32id").extensions, ["i", "f", "d", "zicsr", "zifencei"]);
  assert(parseIsa("rv64i_zfh").has("zfhmin"));
  assert(parseIsa("rv64ib").has("zbs"));
  assert(parseIsa("rv32gc").has("zcf"));
});

Deno.test("instructions are there with their extension only", () => {
  const has = (isa: string, word: number) => parseIsa(isa).table.decode(word) !== undefined;
  const mul = 0x02b50533,
    ld = 0x0005b503,
    sh1add = 0x20b52533,
    cAddi = 0x0505,
    cJal = 0x2001,
    cFlw = 0x6188,
    fcvtLS = 0xc02575d3,
    fcvtDH = 0x422575d3;
  assert(has("rv64im", mul) && !has("rv64i", mul));
  assert(has("rv64i", ld) && !has("rv32i", ld));
  assert(has("rv32i_zba", sh1add) && !has("rv32i", sh1add));
  assert(has("rv32ic", cAddi) && !has("rv32i", cAddi));
  assert(has("rv32ic", cJal) && !has("rv64ic", cJal)); // on RV64 it is c.addiw with rd = 0: reserved
  assert(has("rv32ifc", cFlw) && !has("rv32ic", cFlw));
  assert(has("rv64if", fcvtLS) && !has("rv32if", fcvtLS));
  assert(has("rv64id_zfhmin", fcvtDH) && !has("rv64if_zfhmin", fcvtDH));
});

Deno.test("mistakes in ISA strings", () => {
  const message = (text: string) => assertThrows(() => parseIsa(text), ConfigError).message;
  assertEquals(message("riscv64"), "ISA 'riscv64' must begin with rv32 or rv64");
  assertEquals(message("rv64ma"), "ISA 'rv64ma' must have the base 'i' (or 'g')");
  assertEquals(message("rv64gc_zbba"), "ISA 'rv64gc_zbba': unknown extension 'zbba' (did you mean 'zba'?)");
  assertEquals(message("rv64gcv"), "ISA 'rv64gcv': unknown extension 'v'");
});

Deno.test("Zcb: each form by the manual's encoding; what stands for M, Zbb or Zba is there with these only", () => {
  // Register x9 is 001 in three bits, x10 is 010.
  const forms: [word: number, text: string, needs: string, only64?: boolean][] = [
    [0b100_000_001_0_1_010_00, "lbu a0, 2(s1)", ""],
    [0b100_000_001_1_0_010_00, "lbu a0, 1(s1)", ""],
    [0b100_001_001_0_1_010_00, "lhu a0, 2(s1)", ""],
    [0b100_001_001_1_1_010_00, "lh a0, 2(s1)", ""],
    [0b100_010_001_1_1_010_00, "sb a0, 3(s1)", ""],
    [0b100_011_001_0_1_010_00, "sh a0, 2(s1)", ""],
    [0b100_111_001_11_000_01, "andi s1, s1, 255", ""],
    [0b100_111_001_11_001_01, "sext.b s1, s1", "zbb"],
    [0b100_111_001_11_010_01, "zext.h s1, s1", "zbb"],
    [0b100_111_001_11_011_01, "sext.h s1, s1", "zbb"],
    [0b100_111_001_11_100_01, "add.uw s1, s1, zero", "zba", true],
    [0b100_111_001_11_101_01, "xori s1, s1, -1", ""],
    [0b100_111_001_10_010_01, "mul s1, s1, a0", "m"],
  ];
  for (const xlen of [32, 64] as const) {
    const has = (extensions: string, word: number) => parseIsa(`rv${xlen}${extensions}`).table.decode(word) !== undefined;
    for (const [word, text, needs, only64] of forms) {
      const { table } = parseIsa(`rv${xlen}imc_zba_zbb_zcb`), all = table.decode(word), there = !only64 || xlen === 64;
      const target = all && table.target(all.row), longForm = target && disassemble(target, encode(target, all.fields), 0n, xlen);
      assertEquals(longForm, there ? text : undefined, `RV${xlen}`);
      assertEquals(has("ic_zcb", word), needs === "", `${text} without ${needs}`);
      const shortest = needs.length === 1 ? `i${needs}c_zcb` : needs ? `ic_${needs}_zcb` : "ic_zcb";
      assertEquals(has(shortest, word), there, `${text} with ${needs}`);
      assertEquals(has("imc_zba_zbb", word), false, `${text} without Zcb`);
    }
    // What is reserved between them.
    for (const word of [0b100_011_001_1_1_010_00, 0b100_111_001_11_110_01, 0b100_111_001_11_111_01]) {
      assertEquals(has("imc_zba_zbb_zcb", word), false);
    }
  }
});
