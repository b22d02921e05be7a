// Turns guest code into IR, one block at a time.
// HOT: no bigint, no closures, no allocation (but for words seen for the first time).
import { Builder } from "../ir/builder.ts";
import type { Code, CoreEnv, Helper, Status } from "../ir/frontend.ts";
import { clmulHelpers } from "./clmul.ts";
import { Emit } from "./emit.ts";
import { FLOAT, floatHelpers } from "./lazy_floating.ts";
import { H } from "./helpers.ts";
import type { DecodeTable, Row } from "./insn.ts";
import type { Isa } from "./instruction_set.ts";
import { MODE_FS } from "./slots.ts";

/** Longest block, in instructions, and operations after which no further instruction is begun: the largest one takes less than what is left. */
const MAX_BLOCK = 64, MAX_OPERATIONS = Builder.CAPACITY - 512;

const emitters = new WeakMap<Builder, Emit>();
let lately: Builder | undefined, latelyEmit: Emit | undefined;
/** The emitter that writes into a builder's arrays. */
function emitterOf(b: Builder): Emit {
  if (b === lately) return latelyEmit!;
  let e = b instanceof Emit ? b : emitters.get(b);
  if (!e) emitters.set(b, e = new Emit(b));
  lately = b;
  return latelyEmit = e;
}

/**
 * Builds the block of at most `max` instructions (1 or more) that starts at the builder's pc. It ends where an instruction ends it, before a
 * page's end, or after 64 instructions; an instruction that crosses into the next page is always a block of its own. It ends before floating
 * point that is not loaded, and is empty where that is the first instruction.
 * `csrPlain` tells which CSRs are plain slots; without it every CSR instruction is a helper call.
 */
export function translateBlock(b: Builder, code: Code, max: number, mode: number, isa: Isa, csrPlain?: Emit["csrPlain"]): void {
  const e = emitterOf(b), { bytes, at, limit } = code, stop = code.stop ?? limit, { table } = isa;
  e.reset(b.startLo, b.startHi);
  e.xlen = isa.xlen;
  e.compressed = isa.has("zca");
  e.mode = mode;
  e.csrPlain = csrPlain;
  const { startLo, startHi } = e, memo = e.memo = b.memos?.of(isa, mode), end = max < MAX_BLOCK ? max : MAX_BLOCK;
  const learning = memo !== undefined && !b.memos!.full, { compressed } = e, { families } = table;
  let offset = 0;
  for (let last = 0, n = 0; !e.ended; n++) {
    const from = at + offset, short = (bytes[from] & 3) !== 3;
    if (n === end || offset >= stop || e.count > MAX_OPERATIONS || (n > 0 && !short && offset + 2 >= limit)) {
      moveTo(e, startLo, startHi, last);
      e.cut(offset - last);
      break;
    }
    let word = bytes[from] | (bytes[from + 1] << 8);
    if (!short) {
      const next = offset + 2 < limit ? from + 2 : code.next();
      if (next < 0) {
        e.insn(startLo, startHi, 0);
        e.callEnd(H.fetchFault, e.here());
        offset = 2;
        break;
      }
      word |= (bytes[next] << 16) | (bytes[next + 1] << 24);
    }
    if (FLOAT.now === undefined && (mode & MODE_FS) !== 0 && isFloating(word, isa.xlen)) {
      if (n === 0) break;
      moveTo(e, startLo, startHi, last);
      e.cut(offset - last);
      break;
    }
    last = offset;
    offset += short ? 2 : 4;
    let immediate = 0, standIn = 0;
    if (memo !== undefined) {
      let family = word;
      const at = word >>> 2 & 31 | word >>> 7 & 0xe0,
        format = short ? NO_FAMILY : families[at] || (families[at] = familyOf(word, table));
      if (format !== NO_FAMILY) {
        immediate = immediateOf(word, format, compressed);
        if (immediate !== 0) {
          standIn = STAND_IN[format];
          family = word & ~FIELD[format] | STAND_IN_BITS[format];
        }
      }
      const known = memo.find(family);
      if (known !== 0) {
        e.recall(known, last, immediate);
        continue;
      }
      if (learning) word = family;
    }
    moveTo(e, startLo, startHi, last);
    e.insn(e.pcLo, e.pcHi, last);
    if (learning) e.learn(word, standIn, immediate);
    e.word = word;
    e.length = offset - last;
    if (!table.emit(word, e)) e.illegal();
  }
  b.codeBytes = offset;
  if (e === b) return;
  b.count = e.count;
  b.insns = e.insns;
  b.ended = e.ended;
  b.pcLo = e.pcLo;
  b.pcHi = e.pcHi;
  b.memo = memo;
}

// Instructions that differ in nothing but their immediates make the same micro-ops, except for the immediate itself: they are remembered as one,
// with an immediate that no row has in it as a constant. Not those of 0, for which rows take short cuts, not hints, and not what is reserved.
/** Formats of immediates (Unpriv 20240411, figure 3), and none; 0: not looked at yet. */
const I = 1, S = 2, B = 3, U = 4, J = 5, NO_FAMILY = 6;
/** How a format's field looks in a row. */
const PIECES: Readonly<Record<string, number>> = {
  "imm[11:0]": I,
  "imm[11:5] imm[4:0]": S,
  "imm[12|10:5] imm[4:1|11]": B,
  "imm[31:12]": U,
  "imm[20|10:1|11|19:12]": J,
};
/** The format of a row's immediate; its other fields are among the bits by which an instruction is known. */
const formatOf = ({ row }: Row): number => PIECES[row.split(" ").filter((token) => token.startsWith("imm[")).join(" ")] ?? NO_FAMILY;
/**
 * The format of the family that a 32-bit word may belong to, by its opcode and funct3: there is one row, and those in front of it are hints.
 * Floating point shows the whole word where its unit is off.
 */
function familyOf(word: number, table: DecodeTable): number {
  const rows = table.alike(word), last = rows.length - 1;
  if (last < 0 || isFloating(word, 64)) return NO_FAMILY;
  const format = formatOf(rows[last]);
  for (let i = 0; i < last; i++) if (immediateOf(rows[i].match | ~rows[i].mask, format, true) !== 0) return NO_FAMILY;
  return format;
}
/** By format: the immediate's bits, the immediate that stands for all, and how it looks there. */
const FIELD = Int32Array.of(0, 0xfff0_0000, 0xfe00_0f80, 0xfe00_0f80, 0xffff_f000, 0xffff_f000);
const STAND_IN = Int32Array.of(0, 0x5a5, 0x5a5, 0x5a4, 0x5a5a_5000, 0x5_a5a4);
const STAND_IN_BITS = Int32Array.of(0, 0x5a50_0000, 0x5a00_0280, 0x5a00_0200, 0x5a5a_5000, 0x5a45_a000);

/** The immediate of an instruction of a family; 0: it is none. */
function immediateOf(word: number, format: number, compressed: boolean): number {
  switch (format) {
    case I: // hints are arithmetic on x0
      return (word & 0xf80) === 0 && (word & 0x14) === 0x10 && (word & 0x40) === 0 ? 0 : word >> 20;
    case S:
      return word >> 25 << 5 | (word >> 7 & 31);
    case B: {
      const distance = word >> 31 << 12 | (word & 0x80) << 4 | (word >> 20 & 0x7e0) | (word >> 7 & 0x1e);
      return !compressed && (distance & 2) !== 0 ? 0 : distance;
    }
    case U:
      return (word & 0xf80) === 0 ? 0 : word & -0x1000;
    default: {
      const distance = word >> 31 << 20 | (word & 0xf_f000) | (word >> 9 & 0x800) | (word >> 20 & 0x7fe);
      return !compressed && (distance & 2) !== 0 ? 0 : distance;
    }
  }
}

/** Whether a word has one of the opcodes of F, D and what extends them (Unpriv 20240411, tables 70 and 71). */
function isFloating(word: number, xlen: number): boolean {
  const opcode = word >>> 2 & 31, kind = word >>> 13 & 7;
  // LOAD-FP, STORE-FP, MADD to NMADD, OP-FP; C.FLD, C.FSD and their kin, and the words of RV32 where RV64 has C.LD.
  if ((word & 3) === 3) return (1 << opcode & (1 << 1 | 1 << 9 | 0x1f << 16)) !== 0;
  return (word & 3) !== 1 && ((kind & 3) === 1 || (xlen === 32 && (kind & 3) === 3));
}

/** Sets the pc to `offset` bytes from the block's start. */
function moveTo(e: Emit, startLo: number, startHi: number, offset: number): void {
  const lo = (startLo >>> 0) + offset;
  e.at(lo, e.xlen === 64 && lo > 0xffff_ffff ? startHi + 1 : startHi);
}

/** The helpers of HELPERS that follow SYSTEM_HELPERS. `illegal` records an illegal instruction exception for an instruction word. */
export function instructionHelpers(env: CoreEnv, illegal: (word: number) => Status): Helper[] {
  return [...clmulHelpers(env), ...floatHelpers(env, illegal)];
}
