// Arithmetic and logic, shifts and rotates, multiplication and division. Intel SDM volume 2 (253666-083).
import type { I32, Val } from "../../ir/builder.ts";
import { AX, DX, type Emit } from "../emit.ts";
import { KIND } from "../flags.ts";
import { H } from "../helpers.ts";
import { CONST, hex2, IMM, MEM, type Operand, REG, type RowText, type Semantics, x86 } from "../insn.ts";
import { CF, OF, STATUS } from "../registers.ts";
import { CC_A, CC_B, CC_KIND, CC_RESULT, GPR } from "../slots.ts";

const ALL = "!OSZAPC";

/** The result `r` that was just put into d, for the record: read back where that saves making it twice (once zero-extended). */
const again = (b: Emit, d: Operand, r: Val): Val => b.long && d.kind === REG && d.size === 4 ? b.getL(GPR(d.n)) : r;

type Binary = (b: Emit, d: Operand, s: Operand) => void;
const add: Binary = (b, d, s) => {
  const x = b.modify(d), y = b.get(s);
  // A register's old value is recorded first, so that the sum is made in its place; a store may yet fault.
  if (d.kind !== MEM) b.flags.addend(x);
  // In 64-bit mode a 32-bit sum is zero-extended, which is what ea32 does in one operation.
  const wide = b.long && d.size === 4 && d.kind === REG, r = wide ? b.ea32(x, y) : b.mask(d.size, b.add(x, y));
  if (wide) b.setReg(d.n, 8, r);
  else b.put(d, r);
  if (d.kind === MEM) b.flags.addend(x);
  b.flags.add(d.size, r);
};
const sub: Binary = (b, d, s) => {
  const x = b.modify(d), y = b.get(s);
  if (d.kind !== MEM) b.flags.sub(d.size, x, y);
  b.put(d, b.mask(d.size, b.sub(x, y)));
  if (d.kind === MEM) b.flags.sub(d.size, x, y);
};
const cmp: Binary = (b, d, s) => b.flags.sub(d.size, b.get(d), b.get(s));
const logic = (op: "and" | "or" | "xor"): Binary => (b, d, s) => {
  if (op === "xor" && d.kind === s.kind && d.kind !== MEM && d.kind !== IMM && d.n === s.n) {
    b.put(d, b.imm(d.size, 0));
    return b.flags.logic(d.size, b.imm(d.size, 0));
  }
  const x = b.modify(d), r = b[op](x, b.get(s));
  b.put(d, r);
  if (b.flags.wants(STATUS)) b.flags.logic(d.size, again(b, d, r));
};
/** adc and sbb. */
const withCarry = (subtract: boolean): Binary => (b, d, s) => {
  const x = b.modify(d),
    y = b.get(s),
    size = d.size,
    c = size < 4 || !b.flags.wants(STATUS) && size === 4 ? b.flags.carry() : b.extU(b.flags.carry());
  const of = (p: Val, q: Val) => subtract ? b.sub(p, q) : b.add(p, q);
  let r: Val, carry: Val;
  if (!b.flags.wants(STATUS)) {
    b.put(d, b.mask(size, of(of(x, y), c)));
    return;
  }
  if (size === 8) {
    const part = of(x, y);
    r = of(part, c);
    carry = subtract ? b.or(b.ltU(x, y), b.ltU(part, c)) : b.or(b.ltU(part, x), b.ltU(r, c));
  } else {
    // In twice the width, or in 32 bits, the carry is a bit of the result.
    const wide = size === 4 ? of(of(b.extU(x), b.extU(y)), c) : of(of(x, y), c), bit = subtract ? (size === 4 ? 63 : 31) : 8 * size;
    r = b.mask(size, b.low(wide));
    carry = b.low(b.shrU(wide, b.like(wide, bit)));
  }
  b.put(d, r);
  b.flags.withCarry(size, x, y, r, carry);
};
const test: Binary = (b, d, s) => b.flags.logic(d.size, b.and(b.get(d), b.get(s)));

const FAMILY: readonly (readonly [name: string, semantics: Binary, marks: string])[] = [
  ["add", add, `lock quiet ${ALL}`],
  ["or", logic("or"), `lock quiet ${ALL} -A`],
  ["adc", withCarry(false), `lock quiet ${ALL} ?C`],
  ["sbb", withCarry(true), `lock quiet ${ALL} ?C`],
  ["and", logic("and"), `lock quiet ${ALL} -A`],
  ["sub", sub, `lock quiet ${ALL}`],
  ["xor", logic("xor"), `lock quiet ${ALL} -A`],
  ["cmp", cmp, `quiet ${ALL}`],
];

/** inc and dec. */
const step = (kind: number): Semantics => (b, d) => {
  const x = b.modify(d), one = b.imm(d.size, 1);
  const r = b.mask(d.size, kind === KIND.inc ? b.add(x, one) : b.sub(x, one));
  b.put(d, r);
  if (b.flags.wants(STATUS & ~CF)) b.flags.step(kind, d.size, again(b, d, r));
};
const neg: Semantics = (b, d) => {
  const x = b.modify(d), zero = b.imm(d.size, 0);
  b.put(d, b.mask(d.size, b.sub(zero, x)));
  b.flags.sub(d.size, zero, x);
};
const not: Semantics = (b, d) => b.put(d, b.mask(d.size, b.not(b.modify(d))));

// --- shifts: kind of record, the result, and the value whose bit 0 is CF
type Shift = (b: Emit, size: number, x: Val, n: Val) => Val;
interface ShiftKind {
  readonly kind: number;
  readonly result: Shift;
  readonly carry: Shift;
}
/** `n - 1` in the width of n. */
const lessOne = (b: Emit, n: Val) => b.add(n, b.like(n, -1));
/** Shifts of 32-bit values that hold 8 or 16 bits lose nothing up to a count of 31. */
const SHL: ShiftKind = {
  kind: KIND.shl,
  result: (b, size, x, n) => b.mask(size, b.shl(x, n)),
  // The last bit out: bit (8 * size - count), beyond the operand's bits a zero.
  carry: (b, size, x, n) => size < 4 ? b.shrU(b.shl(x, n), b.i32(8 * size)) : b.shrU(x, b.sub(b.like(n, 8 * size), n)),
};
const SHR: ShiftKind = { kind: KIND.shr, result: (b, _size, x, n) => b.shrU(x, n), carry: (b, _size, x, n) => b.shrU(x, lessOne(b, n)) };
const SAR: ShiftKind = {
  kind: KIND.shr,
  result: (b, size, x, n) => b.mask(size, b.shrS(b.signed(size, x), n)),
  carry: (b, size, x, n) => b.shrS(b.signed(size, x), lessOne(b, n)),
};

/** The count, modulo 32 or 64, as wide as a value of `size` bytes; a number when it is known. */
function countOf(b: Emit, size: number, s: Operand): number | Val {
  const modulo = size === 8 ? 63 : 31;
  if (s.kind === IMM) return b.i.imm & modulo;
  if (s.kind === CONST) return 1;
  const n = b.and(b.reg(1, 1), b.i32(modulo));
  return n;
}

/** Records a shift by a count that may be zero: then the record stays as it was. */
function shiftFlags(b: Emit, kind: number, size: number, count: I32, result: Val, carry: Val): void {
  if (!b.flags.wants(STATUS)) return;
  const log = size === 8 ? 3 : size >> 1, without = b.and(carry, b.like(carry, -2));
  for (const [slot, v] of [[CC_RESULT, result], [CC_A, without], [CC_B, carry]] as const) {
    b.set(slot, b.long ? b.select(count, b.zx(v), b.getL(slot)) : b.select(count, v, b.getI(slot)));
  }
  b.set(CC_KIND, b.select(count, b.i32(kind | log), b.getI(CC_KIND)));
  b.flags.unknown();
}

const shift = (k: ShiftKind): Semantics => (b, d, s) => {
  const size = d.size, n = countOf(b, size, s), x = b.modify(d);
  if (s.kind === IMM || s.kind === CONST) {
    if (n === 0) {
      // A locked or plain write of the same value; a 32-bit register is still zero-extended.
      b.put(d, x);
      return;
    }
    const count = b.like(x, n), r = k.result(b, size, x, count);
    // The bit shifted out comes first: x may be gone afterwards.
    const carry = b.flags.wants(STATUS) ? k.carry(b, size, x, count) : x;
    b.put(d, r);
    if (b.flags.wants(STATUS)) b.flags.shift(k.kind, size, again(b, d, r), carry);
    return;
  }
  const count = n as Val, wide = size === 8 ? b.extU(count) : count, r = k.result(b, size, x, wide);
  b.put(d, r);
  if (b.flags.wants(STATUS)) shiftFlags(b, k.kind, size, count, r, k.carry(b, size, x, wide));
};

// --- rotates: CF and OF only
const rotate = (right: boolean): Semantics => (b, d, s) => {
  const size = d.size, bits = 8 * size, n = countOf(b, size, s), x = b.modify(d), known = s.kind !== 1;
  const count = known ? b.like(x, n as number) : size === 8 ? b.extU(n as Val) : (n as Val);
  let r: Val;
  if (size >= 4) r = right ? b.rotr(x, count) : b.rotl(x, count);
  else {
    const k = b.and(count, b.i32(bits - 1)), back = b.and(b.sub(b.i32(bits), k), b.i32(bits - 1));
    r = b.mask(size, right ? b.or(b.shrU(x, k), b.shl(x, back)) : b.or(b.shl(x, k), b.shrU(x, back)));
  }
  b.put(d, r);
  if (known && n === 0 || !b.flags.wants(CF | OF)) return;
  const top = b.sign(size, r), bottom = b.and(b.low(r), b.i32(1)), second = b.and(b.low(b.shrU(r, b.like(r, bits - 2))), b.i32(1));
  const carry = right ? top : bottom, overflow = right ? b.xor(top, second) : b.xor(top, bottom);
  const image = b.or(carry, b.shl(overflow, b.i32(11)));
  if (known) return b.flags.some(CF | OF, image);
  const was = b.flags.status();
  b.flags.image(b.select(n as Val, b.or(b.and(was, b.i32(STATUS & ~(CF | OF))), image), was));
};

/** rcl and rcr: rare enough for a helper. */
const rotateCarry = (right: boolean): Semantics => (b, d, s) => {
  const n = countOf(b, d.size, s), count = s.kind === IMM || s.kind === CONST ? b.i64(n) : b.extU(n as Val);
  const x = b.modify(d), r = b.call(H.rotateCarry, b.zx(x), count, b.i64(d.size | (right ? 16 : 0)));
  // The flags are the helper's; what follows cannot fault, since memory was checked for writing.
  b.flags.unknown();
  b.put(d, d.size === 8 ? r : b.wrap(r));
};

const SHIFTS: readonly (readonly [name: string, semantics: Semantics, marks: string])[] = [
  ["rol", rotate(false), "quiet ~OC"],
  ["ror", rotate(true), "quiet ~OC"],
  ["rcl", rotateCarry(false), "quiet ?OSZAPC"],
  ["rcr", rotateCarry(true), "quiet ?OSZAPC"],
  ["shl", shift(SHL), "quiet ~OSZAPC -A"],
  ["shr", shift(SHR), "quiet ~OSZAPC -A"],
  ["sal", shift(SHL), "quiet ~OSZAPC -A"],
  ["sar", shift(SAR), "quiet ~OSZAPC -A"],
];

/** shld and shrd. Counts above the operand size (16 bits only) are undefined: the pair is taken as 32 bits wide and shifted on. */
const double = (right: boolean): Semantics => (b, d, s, c) => {
  const size = d.size, bits = 8 * size, n = countOf(b, size, c), x = b.modify(d), y = b.get(s), known = c.kind === IMM;
  if (known && n === 0) return b.put(d, x);
  const count = known ? b.like(x, n as number) : size === 8 ? b.extU(n as Val) : (n as Val);
  let r: Val, carry: Val;
  if (size === 2) {
    // 48 bits: x y x to the left, y x below; what comes after x's bits are y's, then x's again.
    const wide = b.or(b.shl(b.extU(x), b.i64(right ? 0 : 32)), b.or(b.shl(b.extU(y), b.i64(16)), b.shl(b.extU(x), b.i64(right ? 32 : 0))));
    const k = b.isLong(count) ? count : b.extU(count);
    r = b.mask(2, b.wrap(right ? b.shrU(wide, k) : b.shrU(b.shl(wide, k), b.i64(32))));
    carry = b.wrap(right ? b.shrU(wide, lessOne(b, k)) : b.shrU(b.shl(wide, k), b.i64(48)));
  } else {
    const back = b.sub(b.like(x, bits), count);
    // A count of zero would shift y by the full width, which is by nothing: mask it out.
    const part = right ? b.shl(y, back) : b.shrU(y, back);
    const join = b.or(right ? b.shrU(x, count) : b.shl(x, count), part);
    r = known ? join : b.select(n as Val, join, x);
    carry = right ? b.shrU(x, lessOne(b, count)) : b.shrU(x, back);
  }
  b.put(d, r);
  if (!b.flags.wants(STATUS)) return;
  // OF: the sign changed (defined for a count of 1).
  if (known) b.flags.shift(right ? KIND.shr : KIND.shl, size, r, carry);
  else shiftFlags(b, right ? KIND.shr : KIND.shl, size, n as Val, r, carry);
};

// --- multiplication
/** Flags of a product: CF and OF when the upper half matters; the others (undefined) by the low half. */
function productFlags(b: Emit, size: number, low: Val, overflow: Val): void {
  if (b.flags.wants(STATUS)) b.flags.result(KIND.mul, size, low, overflow);
}
/** mul and imul of the accumulator. */
const multiply = (signed: boolean): Semantics => (b, s) => {
  const size = s.size, y = b.get(s), x = b.reg(AX, size);
  if (size === 1) {
    const p = b.mul(b.signed(signed ? 1 : 4, x), b.signed(signed ? 1 : 4, y));
    b.setReg(AX, 2, p);
    const low = b.mask(1, p);
    return productFlags(b, 1, low, signed ? b.ne(p, b.ext8S(p)) : b.ne(b.shrU(p, b.i32(8)), b.i32(0)));
  }
  if (size === 2) {
    const p = b.mul(b.signed(signed ? 2 : 4, x), b.signed(signed ? 2 : 4, y));
    b.setReg(AX, 2, p);
    b.setReg(DX, 2, b.shrU(p, b.i32(16)));
    return productFlags(b, 2, b.mask(2, p), signed ? b.ne(p, b.ext16S(p)) : b.ne(b.shrU(p, b.i32(16)), b.i32(0)));
  }
  if (size === 4) {
    const p = signed ? b.mul(b.extS(x), b.extS(y)) : b.mul(b.extU(x), b.extU(y));
    const low = b.wrap(p), high = b.wrap(b.shrU(p, b.i64(32)));
    b.setReg(AX, 4, low);
    b.setReg(DX, 4, high);
    return productFlags(b, 4, low, signed ? b.ne(high, b.shrS(low, b.i32(31))) : b.ne(high, b.i32(0)));
  }
  const low = b.mul(x, y), high = signed ? b.mulhS(x, y) : b.mulhU(x, y);
  b.setReg(AX, 8, low);
  b.setReg(DX, 8, high);
  productFlags(b, 8, low, b.extU(signed ? b.ne(high, b.shrS(low, b.i64(63))) : b.ne(high, b.i64(0))));
};
/** imul with two or three operands: d = x * y. */
function imul(b: Emit, d: Operand, xs: Operand, ys: Operand): void {
  const size = d.size, x = b.get(xs), y = b.get(ys);
  let low: Val, overflow: Val;
  if (size === 2) {
    const p = b.mul(b.ext16S(x), b.ext16S(y));
    low = b.mask(2, p);
    overflow = b.ne(p, b.ext16S(p));
  } else if (size === 4) {
    if (b.flags.wants(STATUS)) {
      const p = b.mul(b.extS(x), b.extS(y));
      low = b.wrap(p);
      overflow = b.ne(p, b.ext32S(p));
    } else {
      low = b.mul(x, y);
      overflow = low;
    }
  } else {
    low = b.mul(x, y);
    overflow = b.flags.wants(STATUS) ? b.extU(b.ne(b.mulhS(x, y), b.shrS(low, b.i64(63)))) : low;
  }
  b.put(d, low);
  productFlags(b, size, low, overflow);
}

// --- division; the flags stay as they are (undefined)
/** div and idiv of 8, 16 and 32 bits: in twice the width, where nothing overflows but the quotient. */
const divide = (signed: boolean): Semantics => (b, s) => {
  const size = s.size, y = b.get(s);
  if (size === 8) {
    const lo = b.getL(GPR(AX)), hi = b.getL(GPR(DX));
    // The upper half says nothing in all but odd cases: then one division of 64 bits does.
    const plain = signed
      ? b.and(b.eq(hi, b.shrS(lo, b.i64(63))), b.gtU(b.add(y, b.i64(1)), b.i64(1)))
      : b.and(b.eqz(hi), b.ne(y, b.i64(0)));
    const q = b.callUnless(plain, signed ? b.divS(lo, y) : b.divU(lo, y), signed ? H.idiv64 : H.div64, y);
    const r = b.sub(lo, b.mul(q, y));
    b.setReg(AX, 8, q);
    b.setReg(DX, 8, r);
    return;
  }
  // Dividend and divisor as i64 (32 bits) or i32.
  let n: Val, d: Val;
  if (size === 4) {
    n = b.or(b.extU(b.reg(AX, 4)), b.shl(b.extU(b.reg(DX, 4)), b.i64(32)));
    d = signed ? b.extS(y) : b.extU(y);
  } else if (size === 2) {
    n = b.or(b.reg(AX, 2), b.shl(b.reg(DX, 2), b.i32(16)));
    d = b.signed(signed ? 2 : 4, y);
  } else {
    n = signed ? b.ext16S(b.reg(AX, 2)) : b.reg(AX, 2);
    d = b.signed(signed ? 1 : 4, y);
  }
  const q = signed ? b.divS(n, d) : b.divU(n, d), zero = b.like(d, 0);
  // The quotient must fit: extended from its low part it is itself. (The least number by -1 gives itself here, which does not fit 8 * size bits.)
  const fits = size === 4
    ? b.eq(q, signed ? b.ext32S(q) : b.and(q, b.i64Halves(-1, 0)))
    : b.eq(q, signed ? b.signed(size, q) : b.mask(size, q));
  const checked = b.callUnless(b.and(b.ne(d, zero), fits), b.zx(q), H.divideError);
  const quotient = b.wrap(checked), r = signed ? b.remS(n, d) : b.remU(n, d);
  if (size === 1) b.setReg(AX, 2, b.or(b.mask(1, quotient), b.shl(b.mask(1, r), b.i32(8))));
  else {
    b.setReg(AX, size, quotient);
    b.setReg(DX, size, b.low(r));
  }
};

export const alu: RowText[] = [];
for (const [n, [name, f, marks]] of FAMILY.entries()) {
  const o = 8 * n;
  alu.push(
    x86(`${hex2(o)} /r`, `${name} Eb, Gb`, marks, f),
    x86(`${hex2(o + 1)} /r`, `${name} Ev, Gv`, marks, f),
    x86(`${hex2(o + 2)} /r`, `${name} Gb, Eb`, marks, f),
    x86(`${hex2(o + 3)} /r`, `${name} Gv, Ev`, marks, f),
    x86(hex2(o + 4), `${name} AL, Ib`, marks, f),
    x86(hex2(o + 5), `${name} rAX, Iz`, marks, f),
    x86(`80 /${n}`, `${name} Eb, Ib`, marks, f),
    x86(`81 /${n}`, `${name} Ev, Iz`, marks, f),
    x86(`82 /${n}`, `${name} Eb, Ib`, `i64 ${marks}`, f),
    x86(`83 /${n}`, `${name} Ev, sIb`, marks, f),
  );
}
const quiet = `quiet ${ALL}`, locked = `lock quiet ${ALL}`, steps = "lock quiet !OSZAP";
alu.push(
  x86("84 /r", "test Eb, Gb", `${quiet} -A`, test),
  x86("85 /r", "test Ev, Gv", `${quiet} -A`, test),
  x86("A8", "test AL, Ib", `${quiet} -A`, test),
  x86("A9", "test rAX, Iz", `${quiet} -A`, test),
  x86("FE /0", "inc Eb", steps, step(KIND.inc)),
  x86("FF /0", "inc Ev", steps, step(KIND.inc)),
  x86("FE /1", "dec Eb", steps, step(KIND.dec)),
  x86("FF /1", "dec Ev", steps, step(KIND.dec)),
  x86("40+r", "inc Zv", "i64 quiet !OSZAP", step(KIND.inc)),
  x86("48+r", "dec Zv", "i64 quiet !OSZAP", step(KIND.dec)),
);
for (const [op, size] of [["F6", "b"], ["F7", "v"]]) {
  const imm = size === "b" ? "Ib" : "Iz";
  alu.push(
    x86(`${op} /0`, `test E${size}, ${imm}`, `${quiet} -A`, test),
    x86(`${op} /1`, `test E${size}, ${imm}`, `${quiet} -A`, test),
    x86(`${op} /2`, `not E${size}`, "lock quiet", not),
    x86(`${op} /3`, `neg E${size}`, locked, neg),
    x86(`${op} /4`, `mul E${size}`, `${quiet} -SZAP`, multiply(false)),
    x86(`${op} /5`, `imul E${size}`, `${quiet} -SZAP`, multiply(true)),
    x86(`${op} /6`, `div E${size}`, "-OSZAPC", divide(false)),
    x86(`${op} /7`, `idiv E${size}`, "-OSZAPC", divide(true)),
  );
}
alu.push(
  x86("0F AF /r", "imul Gv, Ev", `${quiet} -SZAP`, (b, d, s) => imul(b, d, d, s)),
  x86("69 /r", "imul Gv, Ev, Iz", `${quiet} -SZAP`, imul),
  x86("6B /r", "imul Gv, Ev, sIb", `${quiet} -SZAP`, imul),
);
for (const [n, [name, f, marks]] of SHIFTS.entries()) {
  alu.push(
    x86(`D0 /${n}`, `${name} Eb, 1`, marks, f),
    x86(`D1 /${n}`, `${name} Ev, 1`, marks, f),
    x86(`C0 /${n}`, `${name} Eb, Ib`, marks, f),
    x86(`C1 /${n}`, `${name} Ev, Ib`, marks, f),
    x86(`D2 /${n}`, `${name} Eb, CL`, marks, f),
    x86(`D3 /${n}`, `${name} Ev, CL`, marks, f),
  );
}
alu.push(
  x86("0F A4 /r", "shld Ev, Gv, Ib", "quiet ~OSZAPC -OA", double(false)),
  x86("0F A5 /r", "shld Ev, Gv, CL", "quiet ~OSZAPC -OA", double(false)),
  x86("0F AC /r", "shrd Ev, Gv, Ib", "quiet ~OSZAPC -OA", double(true)),
  x86("0F AD /r", "shrd Ev, Gv, CL", "quiet ~OSZAPC -OA", double(true)),
);
