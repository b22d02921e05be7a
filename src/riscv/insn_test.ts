import { assert, assertEquals, assertThrows } from "@std/assert";
import { alias, disassemble, encode, extract, insn, mnemonic, overlaps, randomWord, type Row } from "./insn.ts";
import { loadFloating, parseIsa } from "./instruction_set.ts";

await loadFloating();

const EVERYTHING = "gc_zba_zbb_zbc_zbs_zbkb_zbkx_zfh_zfa_zicond_zicbom_zicbop_zicboz_zihintpause_zawrs_svinval";
const TABLES = [parseIsa("rv64" + EVERYTHING), parseIsa("rv32" + EVERYTHING)];

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
/** What binutils 2.40 knows of EVERYTHING. */
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

/** Not in binutils 2.40, or decoded there as what they are hints of. */
const UNKNOWN_TO_OBJDUMP = /^(czero|fli|fminm|fmaxm|fround|fltq|fleq|fcvtmod|fmvh|fmvp|prefetch)/;

Deno.test({
  name: "random words of every 32-bit row have objdump's mnemonic",
  ignore,
  fn() {
    const random = generator(2);
    for (const isa of TABLES) {
      const rows: Row[] = [], words: number[] = [];
      for (const row of isa.table.rows) {
        if (row.bits === 16 || UNKNOWN_TO_OBJDUMP.test(row.syntax)) continue;
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
