// Decodes x86 instructions by the rows: prefixes, REX, VEX, ModRM, SIB, displacement, immediates. Intel SDM volume 2 (253666-083), chapter 2.
// HOT: no bigint, no closures, no allocation.
import {
  ALWAYS_REGISTER,
  CONST,
  CR,
  DR,
  FAR,
  IMM,
  type Insn,
  MEM,
  MEMORY,
  MMX,
  REG,
  REGISTER,
  REL,
  type Row,
  type RowText,
  SEG,
  specificity,
  ST,
  STRING,
  XMM,
} from "./insn.ts";

/** What `decode` says. */
export const OK = 0,
  /** No instruction: #UD. */
  UNDEFINED = 1,
  /** More than 15 bytes: #GP. */
  TOO_LONG = 2,
  /** The instruction goes on beyond the bytes given. */
  CUT = 3;
export type Outcome = 0 | 1 | 2 | 3;

/** Longest instruction in bytes (SDM volume 2, 2.3.11). */
export const LONGEST = 15;
/** Register number of RIP as a base. */
export const RIP = 16;

/** What a prefix byte is: 1 to 6 segment plus one, then the others. */
const P_66 = 7, P_67 = 8, P_LOCK = 9, P_REP = 10;
const PREFIX = new Uint8Array(256);
[0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].forEach((byte, n) => PREFIX[byte] = n + 1);
PREFIX[0x66] = P_66;
PREFIX[0x67] = P_67;
PREFIX[0xf0] = P_LOCK;
PREFIX[0xf2] = PREFIX[0xf3] = P_REP;

/** Base and index registers of 16-bit addresses by r/m (SDM volume 2, table 2-1). */
const BASE16 = [3, 3, 5, 5, 6, 7, 5, 3], INDEX16 = [6, 7, 6, 7, -1, -1, -1, -1];

/** Rows that are written down when one of the opcodes that they may have is first met. */
export class RowGroup {
  #byOpcode: (RowText[] | undefined)[] | undefined;

  /** @param holds whether the group has rows for an opcode byte of a map; asked before the rows are made. */
  constructor(readonly rows: () => readonly RowText[], readonly holds: (map: number, byte: number) => boolean) {}

  /** All of its rows by map * 256 + opcode byte. */
  get byOpcode(): readonly (readonly RowText[] | undefined)[] {
    if (this.#byOpcode) return this.#byOpcode;
    const all: (RowText[] | undefined)[] = new Array(MAPS * 256);
    for (const text of this.rows()) {
      const { map, byte, plusR } = text.place;
      for (let key = map * 256 + byte, end = key + (plusR ? 8 : 1); key < end; key++) {
        const list = all[key];
        if (list) list.push(text);
        else all[key] = [text];
      }
    }
    return this.#byOpcode = all;
  }
}
const MAPS = 8;

/** The rows of some groups that a processor offers, made ready for decoding opcode by opcode as they are met. */
export class DecodeTable {
  /** Candidates by map * 256 + opcode byte, the most specific first. */
  readonly #lists: (readonly Row[] | undefined)[] = new Array(MAPS * 256);

  constructor(readonly groups: readonly RowGroup[], readonly offers: (row: Row) => boolean = () => true) {}

  /** Every row, in the order of the groups. */
  get rows(): readonly Row[] {
    const rows = new Set<Row>();
    for (const { byOpcode } of this.groups) for (const list of byOpcode) for (const { row } of list ?? []) rows.add(row);
    return [...rows].filter(this.offers);
  }

  /** The rows that may have this opcode byte in this map. */
  candidates(map: number, byte: number): readonly Row[] {
    return this.#lists[map * 256 + byte] ??= this.#sorted(map, byte);
  }
  #sorted(map: number, byte: number): readonly Row[] {
    const out: Row[] = [];
    for (const group of this.groups) {
      if (!group.holds(map, byte)) continue;
      for (const { row } of group.byOpcode[map * 256 + byte] ?? []) {
        if (!this.offers(row)) continue;
        let i = out.length;
        const s = specificity(row);
        while (i > 0 && specificity(out[i - 1]) < s) i--;
        out.splice(i, 0, row);
      }
    }
    return out;
  }

  /**
   * Decodes the instruction at bytes[at], of which `available` bytes may be looked at, for code of 16, 32 or 64 bits. `protectedMode` is false in real and
   * virtual-8086 mode. After UNDEFINED, `i.length` counts the bytes looked at.
   */
  decode(i: Insn, bytes: Uint8Array, at: number, available: number, code: 16 | 32 | 64, protectedMode = true): Outcome {
    const long = code === 64, start = at, end = at + (available < LONGEST ? available : LONGEST);
    const cut: Outcome = available < LONGEST ? CUT : TOO_LONG;
    let rex = 0, data16 = false, address16 = false, rep = 0, override = -1, lock = false, byte = 0;
    for (;;) {
      if (at >= end) return cut;
      byte = bytes[at++];
      const p = PREFIX[byte];
      if (p === 0) {
        if (!long || (byte & 0xf0) !== 0x40) break;
        rex = byte;
        continue;
      }
      rex = 0; // a REX prefix counts only when the opcode follows
      if (p < P_66) {
        if (!long || p > 4) override = p - 1;
      } else if (p === P_66) data16 = true;
      else if (p === P_67) address16 = true;
      else if (p === P_LOCK) lock = true;
      else rep = byte;
    }
    let map = 0, prefix = rep === 0xf2 ? 3 : rep === 0xf3 ? 2 : data16 ? 1 : 0, vvvv = 0;
    if (byte === 0x0f) {
      if (at >= end) return cut;
      map = 1;
      byte = bytes[at++];
      if (byte === 0x38 || byte === 0x3a) {
        if (at >= end) return cut;
        map = byte === 0x38 ? 2 : 3;
        byte = bytes[at++];
      }
    } else if (byte === 0xc4 || byte === 0xc5) {
      if (at >= end) return cut;
      if (long || ((bytes[at] & 0xc0) === 0xc0 && protectedMode)) {
        const three = byte === 0xc4, need = three ? 3 : 2;
        if (at + need > end) return cut;
        i.length = at - start;
        if (rex || data16 || rep || lock) return UNDEFINED;
        const b1 = bytes[at++], b2 = three ? bytes[at++] : b1;
        const mm = three ? b1 & 31 : 1;
        rex = 0x40 | ((b1 & 0x80) ? 0 : 4) | (three ? ((b1 & 0x40) ? 0 : 2) | ((b1 & 0x20) ? 0 : 1) | ((b2 & 0x80) ? 8 : 0) : 0);
        if (!long) rex &= 0x48;
        vvvv = ~(b2 >> 3) & (long ? 15 : 7);
        if (mm < 1 || mm > 3 || (b2 & 4) !== 0) return UNDEFINED; // 256-bit forms: no AVX
        prefix = b2 & 3;
        map = 4 + mm;
        byte = bytes[at++];
      }
    }
    const list = this.#lists[map * 256 + byte] ?? this.candidates(map, byte);
    i.length = at - start;
    const w = (rex >> 3) & 1;
    let row: Row | undefined, modrm = -1;
    for (let n = 0; n < list.length; n++) {
      const r = list[n];
      if (r.prefix >= 0 && r.prefix !== prefix || (long ? r.invalid64 : r.only64) || r.w >= 0 && r.w !== w) continue;
      if (r.hasModrm) {
        if (modrm < 0) {
          if (at >= end) return cut;
          modrm = bytes[at];
        }
        if (r.fixed >= 0 ? (r.plusI ? modrm & 0xf8 : modrm) !== r.fixed : r.digit >= 0 && ((modrm >> 3) & 7) !== r.digit) continue;
        if ((r.form === MEMORY || r.form === REGISTER) && r.form !== (modrm >= 0xc0 ? REGISTER : MEMORY)) continue;
      }
      row = r;
      break;
    }
    if (row === undefined) return UNDEFINED;
    i.row = row;
    i.rex = rex;
    i.rep = rep;
    i.lock = lock;
    i.data16 = data16;
    i.override = override;
    i.vvvv = vvvv;
    // What the instruction does not have is the same whatever was decoded into `i` before.
    i.modrm =
      i.scale =
      i.disp =
      i.dispHi =
        0;
    i.imm = i.immHi = i.imm2 = 0;
    i.base = i.index = -1;
    i.segment = override < 0 ? 3 : override;
    const wide16 = data16 && row.prefix !== 1;
    i.operand = long ? (w || row.forced64 ? 8 : wide16 ? 2 : row.default64 ? 8 : 4) : (code === 32) !== wide16 ? 4 : 2;
    i.address = long ? (address16 ? 4 : 8) : (code === 32) !== address16 ? 4 : 2;
    if (row.hasModrm) {
      i.modrm = modrm;
      at++;
      if (modrm < 0xc0 && !(row.fixed >= 0) && row.form !== ALWAYS_REGISTER) {
        at = this.#memory(i, bytes, at, modrm, rex, long);
        if (at > end) return cut;
      }
    }
    at = this.#operands(i, row, bytes, at, byte);
    if (at > end) return cut;
    i.length = at - start;
    if (lock && !(row.lock && i.operands[0].kind === MEM)) return UNDEFINED;
    return OK;
  }

  /** Reads SIB and displacement; returns the index after them. */
  #memory(i: Insn, bytes: Uint8Array, at: number, modrm: number, rex: number, long: boolean): number {
    const mod = modrm >> 6, rm = modrm & 7;
    let base = -1, index = -1, scale = 0, disp = 0, wide = mod === 2;
    if (i.address === 2) {
      base = BASE16[rm];
      index = INDEX16[rm];
      if (mod === 0 && rm === 6) {
        base = -1;
        wide = true;
      }
      if (mod === 1) disp = (bytes[at++] << 24) >> 24;
      else if (wide) {
        disp = bytes[at] | (bytes[at + 1] << 8);
        at += 2;
      }
    } else {
      let field = rm;
      if (rm === 4) {
        const sib = bytes[at++];
        field = sib & 7;
        index = ((sib >> 3) & 7) | ((rex & 2) << 2);
        if (index === 4) index = -1;
        scale = sib >> 6;
      }
      if (mod === 0 && field === 5) {
        // In 64-bit mode a plain displacement is relative to RIP.
        base = rm === 5 && long ? RIP : -1;
        wide = true;
      } else base = field | ((rex & 1) << 3);
      if (mod === 1) disp = (bytes[at++] << 24) >> 24;
      else if (wide) {
        disp = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
        at += 4;
      }
    }
    i.base = base;
    i.index = index;
    i.scale = scale;
    i.disp = disp;
    i.dispHi = disp >> 31;
    i.segment = i.override >= 0 ? i.override : base === 4 || base === 5 ? 2 : 3;
    return at;
  }

  /** Fills the operands; returns the index after the immediates. */
  #operands(i: Insn, row: Row, bytes: Uint8Array, at: number, byte: number): number {
    const { modrm, rex } = i, list = row.operands, column = i.operand === 2 ? 0 : i.operand === 4 ? 1 : 2;
    for (let n = 0; n < 4; n++) {
      const o = i.operands[n];
      o.kind = o.size = o.n = 0;
      if (n >= list.length) continue;
      const s = list[n], size = s.sizes[column];
      o.size = size;
      switch (s.where) {
        case "E":
        case "R":
          if (modrm >= 0xc0 || row.form === ALWAYS_REGISTER) setReg(o, (modrm & 7) | ((rex & 1) << 3), size, rex);
          else o.kind = MEM;
          break;
        case "M":
          o.kind = MEM;
          break;
        case "G":
          setReg(o, ((modrm >> 3) & 7) | ((rex & 4) << 1), size, rex);
          break;
        case "Z":
          setReg(o, (byte & 7) | ((rex & 1) << 3), size, rex);
          break;
        case "r":
          o.kind = REG;
          o.n = s.n;
          break;
        case "B":
          o.kind = REG;
          o.n = i.vvvv;
          break;
        case "I": {
          // Two immediates (enter): the second goes to imm2.
          const second = n > 0 && list[n - 1].where === "I", bytesHere = s.signed ? 1 : size;
          const v = immediate(bytes, at, bytesHere);
          if (second) i.imm2 = v;
          else {
            i.imm = bytesHere === 1 ? (s.signed ? (v << 24) >> 24 : v & 0xff) : bytesHere === 2 ? v & 0xffff : v;
            // An imm64 (mov only) has its own upper half; everything else is sign-extended.
            i.immHi = bytesHere === 8 ? immediate(bytes, at + 4, 4) : i.imm >> 31;
          }
          at += bytesHere;
          if (s.signed || (s.text === "Iz" && i.operand === 8)) o.size = i.operand;
          o.kind = IMM;
          break;
        }
        case "J": {
          const v = immediate(bytes, at, size);
          i.imm = size === 1 ? (v << 24) >> 24 : size === 2 ? (v << 16) >> 16 : v;
          at += size;
          o.kind = REL;
          break;
        }
        case "O":
          o.kind = MEM;
          i.base = i.index = -1;
          i.disp = i.address === 2 ? bytes[at] | (bytes[at + 1] << 8) : immediate(bytes, at, 4);
          i.dispHi = i.address === 8 ? immediate(bytes, at + 4, 4) : 0;
          at += i.address;
          i.segment = i.override >= 0 ? i.override : 3;
          break;
        case "A":
          o.kind = FAR;
          i.imm = i.operand === 2 ? bytes[at] | (bytes[at + 1] << 8) : immediate(bytes, at, 4);
          at += i.operand === 2 ? 2 : 4;
          i.imm2 = bytes[at] | (bytes[at + 1] << 8);
          at += 2;
          break;
        case "S":
          o.kind = SEG;
          o.n = (modrm >> 3) & 7;
          break;
        case "s":
          o.kind = SEG;
          o.n = s.n;
          break;
        case "C":
          o.kind = CR;
          o.n = ((modrm >> 3) & 7) | ((rex & 4) << 1);
          break;
        case "D":
          o.kind = DR;
          o.n = ((modrm >> 3) & 7) | ((rex & 4) << 1);
          break;
        case "X":
        case "Y":
          o.kind = STRING;
          o.n = s.where === "X" ? 6 : 7;
          break;
        case "P":
          o.kind = MMX;
          o.n = (modrm >> 3) & 7;
          break;
        case "N":
        case "Q":
          o.kind = modrm >= 0xc0 ? MMX : MEM;
          o.n = modrm & 7;
          break;
        case "V":
          o.kind = XMM;
          o.n = ((modrm >> 3) & 7) | ((rex & 4) << 1);
          break;
        case "U":
        case "W":
          o.kind = modrm >= 0xc0 ? XMM : MEM;
          o.n = (modrm & 7) | ((rex & 1) << 3);
          break;
        case "x":
          o.kind = XMM;
          o.n = s.n;
          break;
        case "i":
          o.kind = ST;
          o.n = s.n < 0 ? modrm & 7 : s.n;
          break;
        case "c":
          o.kind = CONST;
          o.n = s.n;
          break;
        default:
          throw new Error(`no decoding of operand '${s.text}'`);
      }
    }
    return at;
  }
}

/** A byte register is AH, CH, DH or BH for numbers 4 to 7, unless there is a REX prefix. */
function setReg(o: { kind: number; n: number }, n: number, size: number, rex: number): void {
  o.kind = REG;
  o.n = size === 1 && rex === 0 && n >= 4 ? n + 12 : n;
}

function immediate(bytes: Uint8Array, at: number, size: number): number {
  if (size === 1) return bytes[at];
  if (size === 2) return bytes[at] | (bytes[at + 1] << 8);
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
