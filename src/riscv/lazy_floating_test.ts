// Before floating point is loaded: a block ends in front of its first instruction, of that and of no other. (No import here may load it.)
import { assertEquals } from "@std/assert";
import { Builder } from "../ir/builder.ts";
import type { CoreEnv } from "../ir/frontend.ts";
import { LIMITS } from "../ir/limits.ts";
import { Hart } from "./hart.ts";
import { lacksFloating, loadFloating, parseIsa } from "./instruction_set.ts";
import { MODE_FS } from "./slots.ts";
import { translateBlock } from "./translate.ts";

/** Instructions of a block of one or two words at 0x1000. */
function block(isa: ReturnType<typeof parseIsa>, mode: number, ...words: number[]): number {
  const b = new Builder(), bytes = new Uint8Array(64), view = new DataView(bytes.buffer);
  let at = 0;
  for (const word of words) {
    view.setUint16(at, word & 0xffff, true);
    if ((word & 3) === 3) view.setUint16(at + 2, word >>> 16, true);
    at += (word & 3) === 3 ? 4 : 2;
  }
  b.reset(0x1000, 0);
  translateBlock(b, { bytes, at: 0, limit: at, next: () => -1 }, words.length, mode, isa);
  return b.insns;
}

/** Unpriv 20240411, tables 70 and 71 and 26.8: LOAD-FP, STORE-FP, MADD to NMADD, OP-FP; C.FLD, C.FSD and theirs off sp, on RV32 C.FLW too. */
function isFloating(word: number, xlen: number): boolean {
  if ((word & 3) === 3) return [0x07, 0x27, 0x43, 0x47, 0x4b, 0x4f, 0x53].includes(word & 0x7f);
  const funct3 = word >> 13 & 7;
  return (word & 3) !== 1 && (funct3 === 1 || funct3 === 5 || (xlen === 32 && (funct3 === 3 || funct3 === 7)));
}

Deno.test("a block ends before floating point that is not loaded, where the unit is on; loaded, it goes on", async () => {
  const NOP = 0x13;
  for (const xlen of [64, 32] as const) {
    const isa = parseIsa(`rv${xlen}gc`);
    assertEquals([lacksFloating(isa), lacksFloating(parseIsa(`rv${xlen}imac`))], [true, false]);
    const words = [
      ...Array.from({ length: 8 * 32 }, (_, i) => i >> 5 << 12 | (i & 31) << 2 | 3),
      ...Array.from({ length: 24 }, (_, i) => (i >> 2) << 13 | 0x444 | i & 3),
    ];
    for (const word of words.filter((w) => (w & 3) === 3 || w < 0x1_0000)) {
      const floating = isFloating(word, xlen), what = `RV${xlen}, ${word.toString(16)}`;
      assertEquals(block(isa, MODE_FS, word) === 0, floating, what);
      assertEquals(block(isa, MODE_FS, NOP, word), floating ? 1 : 2, what);
      assertEquals(block(isa, 0, word), 1, what); // the unit is off: illegal
    }
  }
  let told = 0;
  const buffer = new ArrayBuffer(0x1_0000), u8 = new Uint8Array(buffer);
  const env = {
    u8,
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    u64: new BigUint64Array(buffer),
    limits: LIMITS,
    base: () => 0,
    ram: () => -1,
    flushTlb: () => {},
    changed: () => {},
    contextsAgain: () => {},
    instructions: () => 0,
  } as unknown as CoreEnv;
  const hart = new Hart(env, {
    isa: parseIsa("rv64gc"),
    mmu: "bare",
    svade: false,
    hartId: 0,
    reset: 0n,
    pmpEntries: 0,
    time: () => 0,
    timer: () => {},
    onPending: () => {},
    onFloating: () => void told++,
  });
  hart.reset();
  hart.setReg("mstatus", 1n << 13n);
  const b = new Builder(),
    code = (word: number) => {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, word, true);
      return { bytes, at: 0, limit: 4, next: () => -1 };
    };
  const translate = (word: number) => {
    b.reset(0, 0);
    hart.translateBlock(b, code(word), 1);
    return [b.insns, hart.needsFloating, told];
  };
  assertEquals(translate(NOP), [1, false, 0]);
  assertEquals(translate(0x0205_7053), [0, true, 1]); // fadd.d
  await loadFloating();
  assertEquals([lacksFloating(parseIsa("rv64gc")), block(parseIsa("rv64gc"), MODE_FS, NOP, 0x0205_7053)], [false, 2]);
  assertEquals([64, 32].map((xlen) => parseIsa(`rv${xlen}gc`).table.decode(0x0205_7053)?.row.syntax.split(" ")[0]), ["fadd.d", "fadd.d"]);
});
