// Instructions as rows: `x86(opcode, syntax, marks, semantics)`, the opcode and operands in the notation of the Intel SDM, volume 2 (253666-083): the opcode
// column of the instruction pages (section 3.1.1.1) and the operand codes of appendix A.2. Decoding, disassembly, encoding and fuzzing all come from the row.
//
// Opcode: an optional NP, 66, F2 or F3 (a mandatory prefix; without one, 66 is the operand size and F2/F3 are ignored), an optional REX.W or W0, the bytes,
// then /r, /0../7, +r (a register in the opcode's low bits), or a whole ModRM byte (`0F 01 D0`, `D8 C0+i`). VEX rows begin VEX.LZ[.66|.F2|.F3].0F[38|3A][.W0|.W1].
// Operands: letter and size as in appendix A (Ev, Gb, Iz, Jb, Mq, ...), `Zv` for a register in the opcode, `sIb` for an immediate that is
// sign-extended to the operand size, AL, CL, DX, rAX for fixed registers (rAX as wide as the operand), 1 and 3 for constants.
// Marks (space-separated): i64 invalid in 64-bit mode; o64 valid only there; d64 operands of 64 bits there unless 66 is given; f64 always 64 bits there;
// lock may be locked; prot #UD outside protected mode; cpl0 #GP outside privilege 0; quiet never leaves the block (unless by an access to memory);
// ends nothing of its block runs after it; @fpu, @mmx, @sse, @fxsr the checks of CR0 and CR4 for that unit; the name of a CPUID feature (cpuid.ts)
// the one that it belongs to (SDM volume 2, "CPUID Feature Flag"), where not every model here has it (as fpu, and LAHF in 64-bit mode);
// !OSZAPC flags that it always writes; ?OSZAPC flags that it reads or may leave as they were; ~OSZAPC flags that it writes unless its count, the
// last operand, is zero; -OSZAPC flags that the manual leaves undefined (SDM volume 1, appendix A), of which here is what AMD's processors give.
import { FEATURE_NAMES } from "./cpuid.ts";
import type { Emit } from "./emit.ts";
import { AF, CF, OF, PF, SF, ZF } from "./registers.ts";

const FLAG_LETTERS: Readonly<Record<string, number>> = { O: OF, S: SF, Z: ZF, A: AF, P: PF, C: CF };

/** Kinds of operands. */
export const NONE = 0,
  /** General register n of `size` bytes; 16 to 19 are AH, CH, DH and BH. */
  REG = 1,
  /** Memory, as the Insn's base, index and so on tell. */
  MEM = 2,
  /** Immediate in `imm` (and `immHi`), extended to `size` bytes. */
  IMM = 3,
  /** Distance from the following instruction, in `imm`. */
  REL = 4,
  /** Segment, control and debug registers. */
  SEG = 5,
  CR = 6,
  DR = 7,
  /** Far pointer: offset in `imm`, selector in `imm2`. */
  FAR = 8,
  MMX = 9,
  XMM = 10,
  /** x87 register ST(n). */
  ST = 11,
  /** Memory at rSI (n = 6) in the segment of the prefix or DS, at rDI (n = 7) in ES. */
  STRING = 12,
  /** Number n. */
  CONST = 13;

/** One operand of a decoded instruction. */
export class Operand {
  kind = NONE;
  /** Bytes; 0 where the operand has no size of its own (lea, sgdt). */
  size = 0;
  n = 0;
}

/** A decoded instruction; the objects are used again and again. */
export class Insn {
  row!: Row;
  /** Bytes. */
  length = 0;
  /** Bytes of operands and addresses: 2, 4 or 8. */
  operand = 4;
  address = 4;
  /** The last of F2 and F3, or 0. */
  rep = 0;
  lock = false;
  /** The 66 prefix was there. */
  data16 = false;
  /** The REX prefix, or 0; from a VEX prefix its W, R, X and B. */
  rex = 0;
  modrm = 0;
  /** Memory operand: registers or -1 (16: RIP), scale as a shift, displacement, segment; `override` is the segment of a prefix, or -1. */
  base = -1;
  index = -1;
  scale = 0;
  disp = 0;
  /** Upper half of a 64-bit absolute address. */
  dispHi = 0;
  segment = 3;
  override = -1;
  imm = 0;
  immHi = 0;
  imm2 = 0;
  /** Register of VEX.vvvv. */
  vvvv = 0;
  readonly operands: readonly [Operand, Operand, Operand, Operand] = [new Operand(), new Operand(), new Operand(), new Operand()];

  /** True when an operand in memory is read or written (string operands, too); lea and hints have operands without a size. */
  get hasMemory(): boolean {
    const o = this.operands;
    return isMemory(o[0]) || isMemory(o[1]) || isMemory(o[2]) || isMemory(o[3]);
  }
}

const isMemory = (o: Operand): boolean => o.kind === MEM && o.size > 0 || o.kind === STRING;

/** What an instruction does, as code that builds its IR; the current Insn is `b.i`. */
export type Semantics = (b: Emit, o0: Operand, o1: Operand, o2: Operand, o3: Operand) => void;

/** Where an operand is found, and how many bytes it has by the operand size. */
export interface OperandSpec {
  readonly text: string;
  /** The letter of appendix A, `r` for a fixed register, `c` for a constant, `i` for ST(i). */
  readonly where: string;
  /** Bytes at operand sizes 2, 4 and 8. */
  readonly sizes: readonly [number, number, number];
  /** Register, constant. */
  readonly n: number;
  /** `sI`. */
  readonly signed: boolean;
}

/** One instruction form. */
export interface Row extends Marks {
  readonly opcode: string;
  readonly syntax: string;
  readonly mnemonic: string;
  readonly marks: string;
  readonly emit: Semantics;
  /** 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A; 4 more for VEX. */
  readonly map: number;
  readonly byte: number;
  /** Mandatory prefix: -1 any, 0 none, 1 66, 2 F3, 3 F2. */
  readonly prefix: number;
  /** -1: any REX.W. */
  readonly w: number;
  readonly plusR: boolean;
  readonly hasModrm: boolean;
  /** /digit, or -1. */
  readonly digit: number;
  /** The whole ModRM byte, or -1; with `plusI` its low three bits are free. */
  readonly fixed: number;
  readonly plusI: boolean;
  /** Required form of the r/m operand: 0 any, MEMORY, REGISTER, ALWAYS_REGISTER. */
  readonly form: number;
  readonly operands: readonly OperandSpec[];
}

/** What the marks of a row say. */
interface Marks {
  readonly invalid64: boolean;
  readonly only64: boolean;
  readonly default64: boolean;
  readonly forced64: boolean;
  readonly lock: boolean;
  readonly protectedOnly: boolean;
  readonly cpl0: boolean;
  readonly quiet: boolean;
  readonly ends: boolean;
  /** "" or fpu, mmx, sse, fxsr. */
  readonly unit: string;
  /** "" for what every processor has. */
  readonly feature: string;
  /** Bits of RFLAGS. */
  readonly writes: number;
  readonly reads: number;
  readonly counted: number;
  readonly undefinedFlags: number;
}

// deno-fmt-ignore
const SIZES: Readonly<Record<string, readonly [number, number, number]>> = {
  "": [0, 0, 0], b: [1, 1, 1], w: [2, 2, 2], d: [4, 4, 4], q: [8, 8, 8], v: [2, 4, 8], z: [2, 4, 4], y: [4, 4, 8], p: [4, 6, 10],
  t: [10, 10, 10], dq: [16, 16, 16], x: [16, 16, 16], ps: [16, 16, 16], pd: [16, 16, 16], ss: [4, 4, 4], sd: [8, 8, 8], a: [2, 4, 4],
};
// deno-fmt-ignore
const FIXED: Readonly<Record<string, readonly [n: number, size: string]>> = {
  AL: [0, "b"], CL: [1, "b"], AX: [0, "w"], DX: [2, "w"], rAX: [0, "v"], eAX: [0, "z"],
};
const SEGMENTS: readonly string[] = ["ES", "CS", "SS", "DS", "FS", "GS"];
const LETTERS = "ABCDEGIJMNOPQRSUVWXYZ";
/** Forms of the r/m operand. MOV of control and debug registers has a register there whatever the mod field says, which is ignored (MOV, SDM volume 2B). */
export const MEMORY = 1, REGISTER = 2, ALWAYS_REGISTER = 3;
/** Operand letters by the form of r/m that they ask for. */
const MEMORY_ONLY = "M", REGISTER_ONLY = "RNU", MOD_IGNORED = "CD";

function operandSpec(text: string): OperandSpec {
  const fixed = FIXED[text];
  if (fixed) return { text, where: "r", sizes: SIZES[fixed[1]], n: fixed[0], signed: false };
  if (SEGMENTS.includes(text)) return { text, where: "s", sizes: SIZES.w, n: SEGMENTS.indexOf(text), signed: false };
  if (text === "ST" || text === "STi") return { text, where: "i", sizes: SIZES.t, n: text === "ST" ? 0 : -1, signed: false };
  if (text === "1" || text === "3") return { text, where: "c", sizes: SIZES.b, n: Number(text), signed: false };
  if (text === "XMM0") return { text, where: "x", sizes: SIZES.dq, n: 0, signed: false };
  const signed = text[0] === "s", where = text[signed ? 1 : 0], sizes = SIZES[text.slice(signed ? 2 : 1)];
  if (!LETTERS.includes(where) || !sizes) throw new Error(`unknown operand '${text}'`);
  return { text, where, sizes, n: 0, signed };
}

const isDigit = (c: number) => c >= 48 && c <= 57 || c >= 65 && c <= 70;
const isHex = (s: string) => s.length === 2 && isDigit(s.charCodeAt(0)) && isDigit(s.charCodeAt(1));

/** Operand lists and marks come again and again: each is read once. */
const operandLists = new Map<string, { operands: readonly OperandSpec[]; form: number }>();
function readOperands(text: string): { operands: readonly OperandSpec[]; form: number } {
  let known = operandLists.get(text);
  if (!known) {
    const operands = text.split(", ").map(operandSpec);
    const some = (letters: string) => operands.some((o) => letters.includes(o.where));
    const form = some(MEMORY_ONLY) ? MEMORY : some(MOD_IGNORED) ? ALWAYS_REGISTER : some(REGISTER_ONLY) ? REGISTER : 0;
    operandLists.set(text, known = { operands, form });
  }
  return known;
}
const NO_OPERANDS = { operands: [], form: 0 };

const MARK_NAMES: Readonly<Record<string, keyof Marks>> = {
  i64: "invalid64",
  o64: "only64",
  d64: "default64",
  f64: "forced64",
  lock: "lock",
  prot: "protectedOnly",
  cpl0: "cpl0",
  quiet: "quiet",
  ends: "ends",
};
const FLAG_MARKS: Readonly<Record<string, keyof Marks>> = { "!": "writes", "?": "reads", "~": "counted", "-": "undefinedFlags" };
const UNITS = ["@fpu", "@mmx", "@sse", "@fxsr"];
const markLists = new Map<string, Marks>();
function readMarks(text: string): Marks {
  const known = markLists.get(text);
  if (known) return known;
  const m = {
    invalid64: false,
    only64: false,
    default64: false,
    forced64: false,
    lock: false,
    protectedOnly: false,
    cpl0: false,
    quiet: false,
    ends: false,
    unit: "",
    feature: "",
    writes: 0,
    reads: 0,
    counted: 0,
    undefinedFlags: 0,
  };
  const set = m as Record<keyof Marks, boolean | number | string>;
  for (const word of text === "" ? [] : text.split(" ")) {
    const name = MARK_NAMES[word], flags = FLAG_MARKS[word[0]];
    if (name) set[name] = true;
    else if (flags) set[flags] = flagMask(word);
    else if (UNITS.includes(word)) m.unit = word.slice(1);
    else if (FEATURE_NAMES.includes(word) && m.feature === "") m.feature = word;
    else throw new Error(`unknown mark '${word}' in "${text}"`);
  }
  markLists.set(text, m);
  return m;
}
function flagMask(word: string): number {
  let mask = 0;
  for (const letter of word.slice(1)) {
    if (!FLAG_LETTERS[letter]) throw new Error(`unknown flag '${letter}' in mark '${word}'`);
    mask |= FLAG_LETTERS[letter];
  }
  return mask;
}
const PREFIXES: Readonly<Record<string, number>> = { NP: 0, "66": 1, F3: 2, F2: 3 };
const VEX_MAPS: Readonly<Record<string, number>> = { "0F": 5, "0F38": 6, "0F3A": 7 };

/** The beginning of an opcode column: what stands before ModRM; `at` is the index of the token after the opcode byte. */
interface Opcode {
  readonly tokens: readonly string[];
  readonly at: number;
  readonly prefix: number;
  readonly w: number;
  readonly map: number;
  readonly byte: number;
  readonly plusR: boolean;
}
function readOpcode(opcode: string): Opcode {
  const tokens = opcode.split(" ");
  let at = 0, prefix = -1, w = -1, map = 0;
  if (tokens[0].startsWith("VEX.")) {
    prefix = 0;
    for (const t of tokens[at++].split(".")) {
      if (t in VEX_MAPS) map = VEX_MAPS[t];
      else if (t in PREFIXES) prefix = PREFIXES[t];
      else if (t === "W0" || t === "W1") w = Number(t[1]);
      else if (t !== "VEX" && t !== "LZ") throw new Error(`bad VEX part '${t}' in "${opcode}"`);
    }
  } else {
    // A prefix is followed by at least an escape: F2 alone is no opcode, and 66 neither.
    if (tokens.length > 1 && tokens[0] in PREFIXES) prefix = PREFIXES[tokens[at++]];
    if (tokens[at] === "REX.W" || tokens[at] === "W0") w = tokens[at++] === "W0" ? 0 : 1;
    if (tokens[at] === "0F") {
      map = 1;
      at++;
      if (tokens[at] === "38" || tokens[at] === "3A") map = tokens[at++] === "38" ? 2 : 3;
    }
  }
  const token = tokens[at++], plusR = token.endsWith("+r");
  if (!isHex(plusR ? token.slice(0, 2) : token)) throw new Error(`bad opcode in "${opcode}"`);
  return { tokens, at, prefix, w, map, byte: parseInt(token, 16), plusR };
}

/** An instruction as it is written. Most are never met: what it says is read when it is asked for. */
export class RowText {
  #row: Row | undefined;
  constructor(readonly opcode: string, readonly syntax: string, readonly marks: string, readonly emit: Semantics) {}

  /** Map and opcode byte, the first of eight with +r. @throws {Error} the opcode is malformed. */
  get place(): { readonly map: number; readonly byte: number; readonly plusR: boolean } {
    // Most are a byte without prefixes and escapes; parseInt reads as far as that goes.
    const { opcode } = this, byte = parseInt(opcode, 16);
    if (byte < 256 && byte !== 0x0f && !(opcode.slice(0, 2) in PREFIXES)) return { map: 0, byte, plusR: opcode.endsWith("+r") };
    return readOpcode(opcode);
  }
  /** What it says. @throws {Error} it is malformed. */
  get row(): Row {
    return this.#row ??= readRow(this);
  }
}

/** An instruction. */
export const x86 = (opcode: string, syntax: string, marks: string, emit: Semantics): RowText => new RowText(opcode, syntax, marks, emit);

function readRow({ opcode, syntax, marks, emit }: RowText): Row {
  const { tokens, at, prefix, w, map, byte, plusR } = readOpcode(opcode);
  let digit = -1, fixed = -1, plusI = false;
  for (let n = at; n < tokens.length; n++) {
    const t = tokens[n];
    if (t === "/r") continue;
    if (t[0] === "/" && t.length === 2 && t[1] >= "0" && t[1] <= "7") digit = Number(t[1]);
    else if (isHex(t)) fixed = parseInt(t, 16);
    else if (isHex(t.slice(0, 2)) && t.slice(2) === "+i") {
      fixed = parseInt(t, 16);
      plusI = true;
    } else throw new Error(`bad token '${t}' in "${opcode}"`);
  }
  const space = syntax.indexOf(" "), mnemonic = space > 0 ? syntax.slice(0, space) : syntax;
  const { operands, form } = space > 0 ? readOperands(syntax.slice(space + 1)) : NO_OPERANDS;
  // deno-fmt-ignore
  return {
    opcode, syntax, mnemonic, marks, emit, map, byte, prefix, w, plusR, hasModrm: tokens.length > at, digit, fixed, plusI, form, operands,
    ...readMarks(marks),
  };
}

/** How much a row pins down: of two rows that fit, the larger one wins. */
export function specificity(r: Row): number {
  return (r.fixed >= 0 ? r.plusI ? 3 : 4 : r.digit >= 0 ? 2 : 0) * 8 + (r.prefix >= 0 ? 4 : 0) + (r.w >= 0 ? 2 : 0) + (r.form ? 1 : 0);
}

/** Two hex digits, upper case. */
export const hex2 = (n: number): string => n.toString(16).toUpperCase().padStart(2, "0");
