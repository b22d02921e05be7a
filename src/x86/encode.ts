// Random instructions of a row, for the fuzzers and the tests of decoding: the way back from a row to bytes. Intel SDM volume 2 (253666-083), chapter 2.
import { ALWAYS_REGISTER, MEMORY, REGISTER, type Row } from "./insn.ts";

/** The bytes of an instruction, and where they hold what a test may want to choose. */
export interface Encoding {
  readonly bytes: number[];
  /** Index of a displacement without a base register (absolute, or relative to RIP), or of a moffs; -1 when there is none. */
  readonly displacement: number;
  /** Index of a relative distance, and its bytes; -1 when there is none. */
  readonly relative: number;
  readonly relativeBytes: number;
}

/** Segment override prefixes that a test may use by the width of code: those whose segments are flat in a user program. */
const OVERRIDES: Readonly<Record<16 | 32 | 64, readonly number[]>> = {
  16: [0x26, 0x36, 0x3e],
  32: [0x26, 0x36, 0x3e],
  64: [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65],
};
const MANDATORY = [0, 0x66, 0xf3, 0xf2];

/**
 * A random instruction of this row for code of 16, 32 or 64 bits; `random` gives numbers in 0..1. It may turn out to be another row's (the more specific one wins).
 * With `plain` it has no prefixes but those of the row.
 */
export function randomInstruction(row: Row, code: 16 | 32 | 64, random: () => number, plain = false): Encoding {
  const below = (n: number) => Math.floor(random() * n), chance = (n: number) => !plain && below(n) === 0;
  const bytes: number[] = [], long = code === 64, vex = row.map >= 5;
  const string = row.operands.some((o) => o.where === "X" || o.where === "Y"),
    modrmMemory = row.form !== REGISTER && row.hasModrm && row.fixed < 0,
    always = row.form === ALWAYS_REGISTER;
  const mod = row.fixed >= 0 || row.form === REGISTER ? 3 : row.form === MEMORY ? below(3) : modrmMemory ? below(4) : 0;
  const memory = string || (row.hasModrm && mod !== 3 && !always) || row.operands.some((o) => o.where === "O");
  const data16 = !vex && row.prefix < 0 && chance(4), address = memory && chance(8);
  if (address) bytes.push(0x67);
  if (memory && chance(8)) bytes.push(OVERRIDES[code][below(OVERRIDES[code].length)]);
  if (data16) bytes.push(0x66);
  if (row.lock && memory && row.operands.length && row.operands[0].where !== "G" && chance(6)) bytes.push(0xf0);
  if (string && chance(2)) bytes.push(chance(2) ? 0xf2 : 0xf3);
  if (!vex && row.prefix > 0) bytes.push(MANDATORY[row.prefix]);
  const w = row.w >= 0 ? row.w : long && chance(3) ? 1 : 0, rxb = long ? below(8) : 0;
  if (vex) {
    const vvvv = row.operands.some((o) => o.where === "B") ? below(long ? 16 : 8) : 0;
    bytes.push(0xc4, ((~rxb & 7) << 5) | (row.map - 4), (w << 7) | ((~vvvv & 15) << 3) | row.prefix);
  } else {
    const rex = 0x40 | (w << 3) | rxb;
    if (long && (w || !plain && chance(2))) bytes.push(rex);
    if (row.map > 0) bytes.push(0x0f);
    if (row.map > 1) bytes.push(row.map === 2 ? 0x38 : 0x3a);
  }
  bytes.push(row.byte + (row.plusR ? below(8) : 0));
  const width = long ? (address ? 4 : 8) : (code === 32) !== address ? 4 : 2;
  let displacement = -1, relative = -1, relativeBytes = 0;
  if (row.hasModrm) {
    const reg = row.digit >= 0 ? row.digit : below(8), rm = below(8);
    bytes.push(row.fixed >= 0 ? row.fixed + (row.plusI ? below(8) : 0) : (mod << 6) | (reg << 3) | rm);
    if (mod !== 3 && row.fixed < 0 && !always) {
      let field = rm;
      if (width !== 2 && rm === 4) {
        const sib = below(256);
        bytes.push(sib);
        field = sib & 7;
      }
      const lone = mod === 0 && (width === 2 ? rm === 6 : field === 5),
        size = mod === 1 ? 1 : mod === 2 || lone ? (width === 2 ? 2 : 4) : 0;
      if (lone) displacement = bytes.length;
      for (let i = 0; i < size; i++) bytes.push(below(256));
    }
  }
  const operand = long ? (w || row.forced64 ? 2 : data16 ? 0 : row.default64 ? 2 : 1) : (code === 32) !== data16 ? 1 : 0;
  for (const o of row.operands) {
    let size = 0;
    if (o.where === "I") size = o.signed ? 1 : o.sizes[operand];
    else if (o.where === "J") {
      relative = bytes.length;
      size = relativeBytes = o.sizes[operand];
    } else if (o.where === "O") {
      displacement = bytes.length;
      size = width;
    } else if (o.where === "A") size = o.sizes[operand];
    for (let i = 0; i < size; i++) bytes.push(below(256));
  }
  return { bytes, displacement, relative, relativeBytes };
}
