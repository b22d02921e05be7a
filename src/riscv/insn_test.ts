import { assert, assertEquals, assertThrows } from "@std/assert";
import { FLOATING } from "./floating.ts";
import { alias, disassemble, encode, extract, insn, mnemonic, overlaps, randomWord, type Row } from "./insn.ts";
import { GROUPS, loadFloating, parseIsa } from "./instruction_set.ts";
import { everything } from "./testing/everything.ts";

await loadFloating();

const TABLES = [everything(64), everything(32)];

/** A repeatable stream of numbers in 0..1. */
function generator(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    return (seed >>> 0) / 2 ** 32;
  };
}

Deno.test("a row gives mask, match and fields", () => {
  const beq = insn("imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011", "beq rs1, rs2, pc+imm", () => {});
  assertEquals([beq.bits, beq.mask, beq.match], [32, 0x707f, 0x63]);
  assertEquals(extract(beq, 0xfe0518e3), { imm: -16, rs1: 10, rs2: 0 });
  assertEquals(encode(beq, { imm: -16, rs1: 10, rs2: 5 }), 0xfe5508e3);
  const lw = alias("010 uimm[5:3] rs1' uimm[2|6] rd' 00", "c.lw rd', uimm(rs1')", "lw rd', uimm(rs1')");
  assertEquals(extract(lw, 0x4d7c), { "rd'": 15, "rs1'": 10, uimm: 92 });
});

Deno.test("malformed rows throw", () => {
  const bad = (row: string) => () => alias(row, "x", "y").mask;
  assertThrows(bad("0000000 rs2 rs1 000 rd 011001"), Error, "31 bits");
  assertThrows(bad("0000000 rs2 rs9 000 rd 0110011"), Error, "unknown field 'rs9'");
  assertThrows(bad("imm[4:11] rs1 000 rd 0010011"), Error, "bad slice");
  assertThrows(bad("imm[11:0 rs1 000 rd 0010011"), Error, "unclosed");
  assertThrows(bad("0000020 rs2 rs1 000 rd 0110011"), Error, "bad digit");
});

Deno.test("no word belongs to two rows unless one lies inside the other", () => {
  for (const isa of TABLES) assertEquals(overlaps(isa.table.rows), []);
  const a = alias("0000000 rs2 rs1 000 rd 0110011", "a", ""), b = alias("0000000 rs2 00000 --- rd 0110011", "b", "");
  assertEquals(overlaps([a, b]).length, 1);
});

Deno.test("every compressed form stands for an instruction of its table", () => {
  for (const { table } of TABLES) {
    for (const row of table.rows) if (row.expansion !== undefined) assert(table.target(row).emit);
  }
  const { table } = TABLES[0];
  assertEquals(table.decode(0x4d7c)?.fields, { rd: 15, imm: 92, rs1: 10 });
  assertEquals(table.decode(0x8082)?.fields, { rd: 0, imm: 0, rs1: 1 });
  assertEquals(table.decode(0xbfd5)?.fields, { rd: 0, imm: -12 });
  for (const illegal of [0, 0x2001, 0x8002, 0x4002, 0xffff_ffff, 0x6101]) assertEquals(table.decode(illegal), undefined);
});

Deno.test("a group needs extensions that there are, has all its aliases need with no others, and is not there without one of them", () => {
  for (const { needs, xlen, rows } of [...GROUPS, ...FLOATING]) {
    const alternatives = needs.split(" ").map((one) => one.split("|")), count = Math.max(...alternatives.map((names) => names.length));
    for (const width of xlen ? [xlen] : [32, 64] as const) {
      for (let n = 0; n < count; n++) {
        const { table } = parseIsa(`rv${width}i_${alternatives.map((names) => names[n % names.length]).join("_")}`),
          own = new Set(table.rows);
        for (const row of rows) {
          assert(own.has(row) && (row.expansion === undefined || table.target(row).emit), `${row.syntax} with ${needs}`);
        }
      }
      for (const names of alternatives) {
        if (names.some((name) => parseIsa("rv64i").has(name))) continue;
        // C with D or F is Zcd or Zcf.
        const without = new Set(everything(width, /^zc[df]$/.test(names[0]) ? [...names, "c"] : names).table.rows);
        assertEquals(rows.filter((row) => without.has(row)).map((row) => row.syntax), [], `without ${names}`);
      }
      const other = new Set(everything(width === 64 ? 32 : 64).table.rows);
      if (xlen) assertEquals(rows.filter((row) => other.has(row)).map((row) => row.syntax), [], `only RV${xlen}`);
    }
  }
});

Deno.test("registers and immediates of 32-bit rows are where the manual has them", () => {
  // Unpriv 20240411, figures 2 and 3, chapters 6 and 21; what belongs to an instruction alone is that of Zicbop and of the fences.
  // deno-fmt-ignore
  const places: Readonly<Record<string, readonly string[]>> = {
    rd: ["7"], rs1: ["15"], rs2: ["20"], rs3: ["27"], rm: ["12"], csr: ["20"], uimm: ["15:4:0"], aq: ["26"], rl: ["25"], shamt: ["20:4:0", "20:5:0"],
    pred: ["24"], succ: ["20"], fm: ["28"],
    imm: ["20:11:0", "7:4:0 25:11:5", "7:11:11 8:4:1 25:10:5 31:12:12", "12:31:12", "12:19:12 20:11:11 21:10:1 31:20:20", "25:11:5"],
  };
  for (const row of TABLES.flatMap(({ table }) => table.rows)) {
    if (row.bits !== 32) continue;
    for (const { name, pieces } of row.fields) {
      const text = pieces.map((p) => `${p.from}${/imm|shamt/.test(name) ? `:${p.to + p.length - 1}:${p.to}` : ""}`).join(" ");
      assert(places[name]?.includes(text), `${name} of ${row.syntax}: ${text}`);
    }
  }
});

/** What binutils 2.40 do not know, or take for what it is a hint of: match and mask by the manual's encodings (chapters 11, 19, 25). */
const ENCODINGS: Readonly<Record<string, readonly [match: number, mask: number]>> = {
  "czero.eqz": [0x0e00_5033, 0xfe00_707f],
  "czero.nez": [0x0e00_7033, 0xfe00_707f],
  "prefetch.i": [0x0000_6013, 0x01f0_7fff],
  "prefetch.r": [0x0010_6013, 0x01f0_7fff],
  "prefetch.w": [0x0030_6013, 0x01f0_7fff],
  "fli.s": [0xf010_0053, 0xfff0_707f],
  "fli.d": [0xf210_0053, 0xfff0_707f],
  "fli.h": [0xf410_0053, 0xfff0_707f],
  "fminm.s": [0x2800_2053, 0xfe00_707f],
  "fmaxm.s": [0x2800_3053, 0xfe00_707f],
  "fminm.d": [0x2a00_2053, 0xfe00_707f],
  "fmaxm.d": [0x2a00_3053, 0xfe00_707f],
  "fminm.h": [0x2c00_2053, 0xfe00_707f],
  "fmaxm.h": [0x2c00_3053, 0xfe00_707f],
  "fround.s": [0x4040_0053, 0xfff0_007f],
  "froundnx.s": [0x4050_0053, 0xfff0_007f],
  "fround.d": [0x4240_0053, 0xfff0_007f],
  "froundnx.d": [0x4250_0053, 0xfff0_007f],
  "fround.h": [0x4440_0053, 0xfff0_007f],
  "froundnx.h": [0x4450_0053, 0xfff0_007f],
  "fleq.s": [0xa000_4053, 0xfe00_707f],
  "fltq.s": [0xa000_5053, 0xfe00_707f],
  "fleq.d": [0xa200_4053, 0xfe00_707f],
  "fltq.d": [0xa200_5053, 0xfe00_707f],
  "fleq.h": [0xa400_4053, 0xfe00_707f],
  "fltq.h": [0xa400_5053, 0xfe00_707f],
  "fcvtmod.w.d": [0xc280_1053, 0xfff0_707f],
  "fmvh.x.d": [0xe210_0053, 0xfff0_707f],
  "fmvp.d.x": [0xb200_0053, 0xfe00_707f],
};

Deno.test("encodings that binutils do not know are the manual's", () => {
  const known = new Set<string>();
  for (const row of TABLES.flatMap(({ table }) => table.rows)) {
    const name = mnemonic(row.syntax);
    if (row.bits === 16 || !Object.hasOwn(ENCODINGS, name)) continue;
    assertEquals([row.match, row.mask], [...ENCODINGS[name]], name);
    known.add(name);
  }
  assertEquals([...known].sort(), Object.keys(ENCODINGS).sort());
});

Deno.test("Zcb: each form by the manual's encoding; what stands for M, Zbb or Zba is there with these only", () => {
  // Register x9 is 001 in three bits, x10 is 010.
  const seen = new Set<Row>();
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
      if (all) seen.add(all.row);
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
  // All that is not in C itself, whose words are compared with objdump.
  const others = TABLES.flatMap(({ xlen, table }) => {
    const own = new Set(parseIsa(`rv${xlen}gc`).table.rows);
    return table.rows.filter((row) => row.bits === 16 && !own.has(row) && !seen.has(row));
  });
  assertEquals(others.map((row) => row.syntax), []);
});

Deno.test("encode is the inverse of extract, and the most specific row is found", () => {
  const random = generator(1);
  for (const { table } of TABLES) {
    for (const row of table.rows) {
      // Bits that the row ignores are 0 in an encoded word.
      const ignored = [...row.row.replaceAll(/[a-z]+\d?'?(\[[^\]]*\])?/g, "")].includes("-");
      for (let n = 0; n < 20; n++) {
        const word = randomWord(row, random), again = encode(row, extract(row, word));
        if (!ignored) assertEquals(again, word, row.row);
        const found = table.find(word)!;
        assert(found === row || (row.mask & ~found.mask) === 0, `${word.toString(16)} of ${row.row}`);
      }
    }
  }
});

Deno.test("disassembly", () => {
  const text = (word: number, pc?: bigint) => disassemble(TABLES[0].table.find(word)!, word, pc);
  const cases: [number, string][] = [
    [0x00a58533, "add a0, a1, a0"],
    [0x80000537, "lui a0, 0x80000"],
    [0xff85b503, "ld a0, -8(a1)"],
    [0x02b57553, "fadd.d fa0, fa0, fa1, dyn"],
    [0x0ff0000f, "fence iorw, iorw"],
    [0x00000073, "ecall"],
    [0x1005_27af, "lr.w a5, (a0)"],
    [0x30002573, "csrrs a0, 768, zero"],
    [0x6505, "c.lui a0, 0x1"],
  ];
  for (const [word, expected] of cases) assertEquals(text(word), expected);
  assertEquals(text(0xfe0518e3), "bne a0, zero, pc-16");
  assertEquals(text(0xfe0518e3, 0x8000_0010n), "bne a0, zero, 0x80000000");
});

// --- against objdump

const TOOLS = "riscv64-unknown-elf-";
/** What binutils 2.40 know of everything; a row of anything else has its line in ENCODINGS. */
const MARCH = "gc_zba_zbb_zbc_zbs_zbkb_zbkx_zfh_zicbom_zicbop_zicboz_zihintpause_zawrs_svinval";
const run = (tool: string, args: string[]) => new Deno.Command(TOOLS + tool, { args, stderr: "null" }).outputSync();

/** One line of disassembly for each word. */
function objdump(xlen: 32 | 64, words: readonly number[], bytes: 2 | 4): string[] {
  const directory = Deno.makeTempDirSync(), source = `${directory}/words.s`, object = `${directory}/words.o`;
  try {
    Deno.writeTextFileSync(source, words.map((w) => `.insn ${bytes}, ${w}\n`).join(""));
    run("as", [`-march=rv${xlen}${MARCH}`, `-mabi=${xlen === 64 ? "lp64d" : "ilp32d"}`, source, "-o", object]);
    const out = new TextDecoder().decode(run("objdump", ["-d", "-M", "no-aliases", object]).stdout);
    const lines = out.split("\n").filter((l) => /^\s*[0-9a-f]+:\t/.test(l));
    assertEquals(lines.length, words.length);
    return lines.map((l) => l.trim().split("\t").slice(2).join(" ").replace(/ [#<].*/, "").trim());
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
function installed(): boolean {
  try {
    return run("as", ["--version"]).success && run("objdump", ["--version"]).success;
  } catch {
    return false;
  }
}
const ignore = !installed();
/** Spaces and number bases do not count. */
const normal = (text: string) => text.replace(/\s+/g, "").replace(/0x([0-9a-f]+)/g, (_, h) => String(parseInt(h, 16)));

Deno.test({
  name: "every 16-bit word disassembles as objdump has it",
  ignore,
  fn() {
    const words = Array.from({ length: 65536 }, (_, i) => i).filter((w) => (w & 3) !== 3);
    for (const isa of [parseIsa("rv64gc"), parseIsa("rv32gc")]) {
      const differ: string[] = [];
      objdump(isa.xlen, words, 2).forEach((theirs, i) => {
        const row = isa.table.find(words[i]), ours = row ? disassemble(row, words[i], BigInt(2 * i), isa.xlen) : "";
        // objdump's name for the RV128 meaning of a shift by 0, which is a HINT here.
        const expected = theirs.replace(/^(c\.s[lr][li]i|c\.srai)64 (\w+)$/, "$1 $2, 0")
          .replace(/^(c\.(?:j|jal|beqz|bnez) (?:.*,)?)([0-9a-f]+)$/, "$10x$2"); // a target is bare hexadecimal
        if (normal(ours) === normal(expected) || (ours === "c.nop" && expected === "c.addi zero,0")) return;
        // Reserved encodings; on RV32 objdump knows shifts by more than 31 too.
        if (ours === "" && /^\.2byte|^c\.unimp|^c\.addi16sp sp,0$/.test(expected)) return;
        if (ours === "" && isa.xlen === 32 && /^c\.s(ll|rl|ra)i/.test(expected)) return;
        differ.push(`${words[i].toString(16)}: ${ours} / ${theirs}`);
      });
      assertEquals(differ.slice(0, 10), []);
    }
  },
});

Deno.test({
  name: "random words of every 32-bit row have objdump's mnemonic",
  ignore,
  fn() {
    const random = generator(2);
    for (const isa of TABLES) {
      const rows: Row[] = [], words: number[] = [];
      for (const row of isa.table.rows) {
        if (row.bits === 16 || Object.hasOwn(ENCODINGS, mnemonic(row.syntax))) continue;
        for (let n = 0; n < 20;) {
          const fields = { ...extract(row, randomWord(row, random)) };
          // binutils wants rm of exact conversions, and the reserved fields of fences, to be zero.
          if (/^fcvt\.(d\.[wsh]|d\.wu|s\.h) /.test(row.syntax)) fields.rm = 0;
          if (/^fence/.test(row.syntax)) {
            fields.fm =
              fields.rs1 =
              fields.rd =
              fields.imm =
                0;
          }
          const word = encode(row, fields);
          if (isa.table.find(word) !== row || fields.rm === 5 || fields.rm === 6) continue;
          rows.push(row);
          words.push(word);
          n++;
        }
      }
      const differ: string[] = [];
      objdump(isa.xlen, words, 4).forEach((theirs, i) => {
        const ours = mnemonic(rows[i].syntax), name = theirs.split(" ")[0].replace(/\.(aq|rl|aqrl)$/, "");
        if (ours !== name) differ.push(`${words[i].toString(16)}: ${ours} / ${theirs}`);
      });
      assertEquals(differ, []);
    }
  },
});
