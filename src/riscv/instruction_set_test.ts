import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { mnemonic } from "./insn.ts";
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

/** Instructions of each extension by the manual: of both widths, of RV64 only, of RV32 only (Unpriv 20240411, chapters 6, 7, 12, 13, 14, 19, 28; Priv 7). */
const CONTENTS: Readonly<Record<string, readonly [both: string, rv64?: string, rv32?: string]>> = {
  m: ["mul mulh mulhsu mulhu div divu rem remu", "mulw divw divuw remw remuw"],
  zmmul: ["mul mulh mulhsu mulhu", "mulw"],
  a: [
    "lr.w sc.w amoswap.w amoadd.w amoxor.w amoand.w amoor.w amomin.w amomax.w amominu.w amomaxu.w",
    "lr.d sc.d amoswap.d amoadd.d amoxor.d amoand.d amoor.d amomin.d amomax.d amominu.d amomaxu.d",
  ],
  zicbom: ["cbo.inval cbo.clean cbo.flush"],
  zicbop: ["prefetch.i prefetch.r prefetch.w"],
  zicboz: ["cbo.zero"],
  zicond: ["czero.eqz czero.nez"],
  zihintpause: ["pause"],
  zawrs: ["wrs.nto wrs.sto"],
  zba: ["sh1add sh2add sh3add", "add.uw sh1add.uw sh2add.uw sh3add.uw slli.uw"],
  zbb: [
    "andn orn xnor clz ctz cpop max maxu min minu sext.b sext.h zext.h rol ror rori orc.b rev8",
    "clzw ctzw cpopw rolw rorw roriw",
  ],
  zbc: ["clmul clmulh clmulr"],
  zbkb: ["rol ror rori andn orn xnor pack packh brev8 rev8", "rolw rorw roriw packw", "zip unzip"],
  zbkx: ["xperm4 xperm8"],
  zbs: ["bclr bclri bext bexti binv binvi bset bseti"],
  svinval: ["sinval.vma sfence.w.inval sfence.inval.ir"],
};

Deno.test("extensions have the instructions that the manual lists", () => {
  for (const [name, [both, rv64 = "", rv32 = ""]] of Object.entries(CONTENTS)) {
    for (const [xlen, own] of [[64, rv64], [32, rv32]] as const) {
      const base = new Set(parseIsa(`rv${xlen}i`).table.rows), rows = parseIsa(`rv${xlen}i_${name}`).table.rows.filter((r) => !base.has(r));
      assertEquals(rows.map((r) => mnemonic(r.syntax)).sort(), `${both} ${own}`.trim().split(" ").sort(), `${name}, RV${xlen}`);
    }
  }
});
