// Copying known instructions must give what translating them gives, at any pc: random blocks of every RISC-V row, told twice.
import { assert, assertEquals } from "@std/assert";
import { Builder } from "../ir/builder.ts";
import { randomWord } from "../riscv/insn.ts";
import { parseIsa } from "../riscv/isa.ts";
import { translateBlock } from "../riscv/translate.ts";
import { Selector, SMALL } from "./select.ts";
import { H_COUNT, HEADER_BYTES, nameOf, UOP, UOP_BYTES, UOPS } from "./uops.ts";

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

function check(isaName: string, mode: number, seed: number, blocks: number): { known: number; built: number } {
  let state = seed;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const isa = parseIsa(isaName), buffer = new ArrayBuffer(END), view = new DataView(buffer), b = new Builder();
  const known = new Selector(buffer, SMALL_AT, ARENA), bytes = new Uint8Array(2 * CODE_PAGE), word = new DataView(bytes.buffer);
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
    const fresh = new Selector(buffer, SMALL_AT, END);
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

const ALL = "imafdc_zba_zbb_zbc_zbs_zbkb_zbkx_zicsr_zifencei_zfh_zicbom_zicboz_svinval";
for (const [name, isa] of [["RV64", `rv64${ALL}`], ["RV32", `rv32${ALL}`], ["RV64 without C", "rv64imafd_zicsr"]] as const) {
  Deno.test(`${name}: known instructions are copied right`, () => {
    for (const mode of [0, 7, 3 << 4 | 3]) {
      const { known, built } = check(isa, mode, 7 * mode + 1, 1000);
      assert(known > 2 * built, `${known} known, ${built} built`);
    }
  });
}
