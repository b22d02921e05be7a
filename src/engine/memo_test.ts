// Copying known instructions must give what translating them gives, at any pc: random blocks of every RISC-V row, told twice.
import { assert, assertEquals } from "@std/assert";
import { Builder } from "../ir/builder.ts";
import { DecodeTable, insn, randomWord } from "../riscv/insn.ts";
import { loadFloating, parseIsa } from "../riscv/instruction_set.ts";
import { translateBlock } from "../riscv/translate.ts";
import { everything } from "../riscv/testing/everything.ts";
import { Selector, SMALL } from "./select.ts";
import { H_COUNT, HEADER_BYTES, nameOf, UOP, UOP_BYTES, UOPS } from "./uops.ts";
import { LIMITS } from "../ir/limits.ts";

await loadFloating();

const SMALL_AT = 0x1_0000, LITERALS = SMALL_AT + 16 * SMALL, ARENA = 0x10_0000, END = 0x40_0000, CODE_PAGE = 4096;

/** The micro-ops of a block, literals by value. */
function uops(view: DataView, from: number, end: number): string[] {
  const lines = [`${view.getUint16(from + HEADER_BYTES + H_COUNT, true)} instructions`];
  const cell = (at: number) => at < SMALL_AT && at !== 0x48 ? `[${at}]` : `#${view.getBigInt64(at, true)}`;
  for (let at = from + HEADER_BYTES; at < end; at += UOP_BYTES) {
    const code = view.getUint16(at, true), jumps = code === UOP.jump || code === UOP.jumpFar;
    const fields = [2, 4, 6, 12, 14].map((o) => jumps && (o === 4 || o === 6) ? "" : view.getUint16(at + o, true));
    const plain = nameOf(UOPS[code]).startsWith("call");
    const b = jumps ? cell(view.getUint32(at + 4, true)) : plain ? view.getUint32(at + 8, true) : cell(view.getUint32(at + 8, true));
    lines.push(`${nameOf(UOPS[code])} ${fields.join(" ")} ${b}`);
  }
  return lines;
}

const ISAS = [["RV64", everything(64).text], ["RV32", everything(32).text], ["RV64 without C", "rv64imafd_zicsr"]] as const;

function check(isaName: string, mode: number, seed: number, blocks: number, memos = LIMITS.memos): { known: number; built: number } {
  let state = seed;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const isa = parseIsa(isaName), buffer = new ArrayBuffer(END), view = new DataView(buffer), b = new Builder();
  const known = new Selector(buffer, SMALL_AT, ARENA, memos),
    bytes = new Uint8Array(2 * CODE_PAGE),
    word = new DataView(bytes.buffer);
  // A small number of words, so that most are met again.
  const words = Array.from({ length: 150 }, () => randomWord(pick(isa.table.rows), random));
  let again = 0, built = 0;
  for (let n = 0; n < blocks; n++) {
    const at = 2 * Math.floor(random() * CODE_PAGE / 2);
    for (let to = at; to < at + 300;) {
      const w = pick(words), short = (w & 3) !== 3;
      word.setUint32(to, w, true);
      to += short ? 2 : 4;
    }
    const lo = pick([0x8000_0000 | 0, 0, -CODE_PAGE]) + at, hi = isa.xlen === 32 ? 0 : pick([0, -1, 0x7fff_ffff]), max = pick([1, 3, 64]);
    const select = (selector: Selector, remember: boolean) => {
      b.reset(lo, hi);
      b.memos = remember ? selector.templates : undefined;
      translateBlock(b, { bytes, at, limit: CODE_PAGE - at, next: () => CODE_PAGE }, max, mode, isa);
      if (remember) { for (let i = 0; i < b.count; i++) if (b.op[i] === INSN) b.a[i] ? again++ : built++; }
      return uops(view, ARENA, selector.select(b, ARENA));
    };
    const told = select(known, true);
    // A selector that remembers nothing; its literals lie behind the other one's.
    const fresh = new Selector(buffer, SMALL_AT, END, LIMITS.memos);
    assertEquals(told, select(fresh, false), `block ${n} at ${hi}:${lo >>> 0}`);
    assert(known.literalAt >= LITERALS);
  }
  return { known: again, built };
}
const INSN = (() => {
  const b = new Builder();
  b.insn(0, 0, 0);
  return b.op[0];
})();

for (const [name, isa] of ISAS) {
  Deno.test(`${name}: known instructions are copied right`, () => {
    for (const mode of [0, 7, 3 << 4 | 3]) {
      const { known, built } = check(isa, mode, 7 * mode + 1, 1000);
      assert(known > 1.5 * built, `${known} known, ${built} built`);
    }
  });
}

Deno.test("instructions for which there is no room any more are built each time, beside known ones", () => {
  for (const isa of [everything(64).text, everything(32).text]) {
    for (const memos of [1, 2, 40]) {
      const { known, built } = check(isa, 7, memos, 500, memos);
      assert(known > 10 && built > known, `${known} known, ${built} built`);
    }
  }
});

/** Opcodes whose instructions are remembered whatever their immediate; with the others of the row as a check on the rest. */
const BY_IMMEDIATE = [0x03, 0x13, 0x1b, 0x67, 0x23, 0x63, 0x17, 0x37, 0x6f];

for (const [name, isa] of ISAS) {
  Deno.test(`${name}: one instruction stands for those with other immediates`, () => {
    const table = parseIsa(isa), buffer = new ArrayBuffer(END), view = new DataView(buffer), b = new Builder();
    const known = new Selector(buffer, SMALL_AT, ARENA, LIMITS.memos),
      literals = known.literalAt,
      bytes = new Uint8Array(CODE_PAGE),
      code = new DataView(bytes.buffer);
    let built = 0, words = 0;
    const compare = (word: number) => {
      code.setUint32(0, word, true);
      const select = (selector: Selector, remember: boolean) => {
        b.reset(0x8000_0000, isa.startsWith("rv64") ? -1 : 0);
        b.memos = remember ? selector.templates : undefined;
        translateBlock(b, { bytes, at: 0, limit: CODE_PAGE, next: () => CODE_PAGE }, 1, 0, table);
        if (remember && !b.a[0]) built++;
        return uops(view, ARENA, selector.select(b, ARENA));
      };
      const told = select(known, true);
      // Those that are remembered keep their literals; there are few.
      if (literals - known.literalAt > 0x8000) {
        known.templates.clear();
        known.literalAt = literals;
      }
      words++;
      assertEquals(told, select(new Selector(buffer, SMALL_AT, END, LIMITS.memos), false), (word >>> 0).toString(16));
    };
    // All opcodes of instructions with an immediate; floating point and fences are a check, and not counted.
    const immediate = table.table.rows.filter((r) => r.bits === 32 && /imm\[/.test(r.row)).map((r) => r.match & 0x7f);
    const opcodes = new Set([...BY_IMMEDIATE, ...immediate]);
    assert(opcodes.size > BY_IMMEDIATE.length && BY_IMMEDIATE.every((opcode) => opcode === 0x1b || immediate.includes(opcode)));
    for (const opcode of opcodes) {
      const before = [built, words];
      for (let field = 0; field < 8; field++) {
        // In every place where a format has a register: x0 and others; then all that is above, or changes of it.
        for (const registers of [0, 5 << 7, 6 << 15, 5 << 7 | 6 << 15 | 7 << 20, 2 << 7 | 2 << 15]) {
          const all = registers === (5 << 7 | 6 << 15 | 7 << 20);
          for (let n = 0; n < 128; n += all ? 1 : 9) {
            for (const low of all ? [0, 1 << 7, 8 << 7, 31 << 7, 1 << 20, 30 << 20] : [0, 3 << 20]) {
              compare(opcode | field << 12 | registers ^ low ^ n << 25);
            }
          }
        }
      }
      if (!BY_IMMEDIATE.includes(opcode)) [built, words] = before;
    }
    assert(words > 2 * built, `${built} built of ${words}`);
  });
}

Deno.test("a row inside another one is not remembered as that one", () => {
  const wide = insn("imm[11:0] rs1 000 rd 0001011", "wide rd, rs1, imm", (b, f) => b.setX(f.rd, b.add(b.x(f.rs1), b.imm(f.imm))));
  const five = insn("000000000101 rs1 000 rd 0001011", "five rd, rs1", (b, f) => b.setX(f.rd, b.not(b.x(f.rs1))));
  const isa = { ...parseIsa("rv64i"), table: new DecodeTable([wide, five]) };
  const buffer = new ArrayBuffer(END), view = new DataView(buffer), b = new Builder(), bytes = new Uint8Array(CODE_PAGE);
  const known = new Selector(buffer, SMALL_AT, ARENA, LIMITS.memos);
  for (const word of [0x0073_028b, 0x0053_028b]) {
    new DataView(bytes.buffer).setUint32(0, word, true);
    const [told, fresh] = [known, new Selector(buffer, SMALL_AT, END, LIMITS.memos)].map((selector) => {
      b.reset(0x8000_0000, -1);
      b.memos = selector === known ? known.templates : undefined;
      translateBlock(b, { bytes, at: 0, limit: CODE_PAGE, next: () => CODE_PAGE }, 1, 0, isa);
      return uops(view, ARENA, selector.select(b, ARENA));
    });
    assertEquals(told, fresh, word.toString(16));
  }
});
