// Bit tests and scans, counts, BMI1, BMI2, ADX, CRC32. Intel SDM volume 2 (253666-083).
import type { I64, Val } from "../../ir/builder.ts";
import { DX, type Emit } from "../emit.ts";
import { KIND } from "../flags.ts";
import { H } from "../helpers.ts";
import { IMM, MEM, type Operand, type RowText, type Semantics, x86 } from "../insn.ts";
import { CF, OF, STATUS } from "../registers.ts";

/** What is done to the bit: the new value from the old one and the bit's mask. */
type Change = (b: Emit, v: Val, bit: Val) => Val;
const bitTest = (change?: Change): Semantics => (b, d, s) => {
  const size = d.size, bits = 8 * size, memory = d.kind === MEM;
  let n: Val, v: Val, address = -1 as Val;
  if (s.kind === IMM) n = b.like(b.imm(size, 0), b.i.imm & (bits - 1));
  else n = b.get(s);
  if (memory && s.kind !== IMM) {
    // A register's bit offset is signed and reaches beyond the operand (SDM volume 2, 3.1.1.9, BitBase).
    const index = b.signed(size, n), step = b.shl(b.shrS(index, b.like(index, LOG2[bits])), b.like(index, LOG2[size]));
    address = bitAddress(b, size, step, change !== undefined);
    v = change ? b.memory.modify(size, address) : b.memory.load(size, address);
  } else v = change ? b.modify(d) : b.get(d);
  const k = b.and(n, b.like(n, bits - 1));
  if (change) {
    const r = change(b, v, b.shl(b.like(v, 1), k));
    if (address >= 0) b.memory.store(size, address, r);
    else b.put(d, b.mask(size, r));
  }
  if (b.flags.wants(CF)) b.flags.some(CF, b.and(b.low(b.shrU(v, k)), b.i32(1)));
};
const LOG2: Readonly<Record<number, number>> = { 1: 0, 2: 1, 4: 2, 8: 3, 16: 4, 32: 5, 64: 6 };
/** Linear address of the memory operand plus `step` bytes, as wide as the operand. */
function bitAddress(b: Emit, size: number, step: Val, write: boolean): I64 {
  const { address, segment } = b.i, ea = b.memory.ea();
  const wide = address === 8 ? (b.isLong(step) ? step : b.extS(step)) : b.low(step);
  return b.memory.linear(segment, b.mask(address, b.add(ea, wide)), size, write);
}
const TESTS: readonly (readonly [string, number, Change?])[] = [
  ["bt", 0xa3],
  ["bts", 0xab, (b, v, bit) => b.or(v, bit)],
  ["btr", 0xb3, (b, v, bit) => b.and(v, b.not(bit))],
  ["btc", 0xbb, (b, v, bit) => b.xor(v, bit)],
];

/** bsf and bsr: without a bit set, the destination stays. */
const scan = (reverse: boolean): Semantics => (b, d, s) => {
  const size = d.size, x = b.get(s), wide = size === 8;
  const found = reverse ? b.xor(b.clz(x), b.like(x, wide ? 63 : 31)) : b.ctz(x);
  if (wide || !b.long || size === 2) b.put(d, b.select(b.eqz(x), b.get(d), found));
  else {
    // All 64 bits stay when nothing is found.
    const old = b.reg(d.n, 8);
    b.setReg(d.n, 8, b.select(b.eqz(x), old, b.extU(found)));
  }
  b.flags.logic(size, x);
};
const ZERO_TO_ZF = 6;
const popcnt: Semantics = (b, d, s) => {
  const x = b.get(s);
  b.put(d, b.popcnt(x));
  if (b.flags.wants(STATUS)) b.flags.image(b.shl(b.eqz(x), b.i32(ZERO_TO_ZF)));
};
const count = (leading: boolean): Semantics => (b, d, s) => {
  const size = d.size, x = b.get(s);
  let r: Val;
  if (size === 2) r = leading ? b.add(b.clz(x), b.i32(-16)) : b.ctz(b.or(x, b.i32(0x1_0000)));
  else r = leading ? b.clz(x) : b.ctz(x);
  b.put(d, r);
  if (b.flags.wants(STATUS)) b.flags.image(b.or(b.eqz(x), b.shl(b.eqz(r), b.i32(ZERO_TO_ZF))));
};

const andn: Semantics = (b, d, x, y) => {
  const r = b.and(b.not(b.get(x)), b.get(y));
  b.put(d, r);
  b.flags.logic(d.size, r);
};
/** blsr, blsmsk, blsi. */
const lowest = (make: (b: Emit, x: Val, less: Val) => Val, carryWhenZero: boolean): Semantics => (b, d, s) => {
  const x = b.get(s), r = make(b, x, b.add(x, b.like(x, -1)));
  b.put(d, r);
  if (b.flags.wants(STATUS)) b.flags.result(KIND.logicCarry, d.size, r, carryWhenZero ? b.eqz(x) : b.ne(x, b.like(x, 0)));
};
const bextr: Semantics = (b, d, s, control) => {
  const x = b.get(s), bits = 8 * d.size, c = b.low(b.get(control)), start = b.and(c, b.i32(0xff));
  const length = b.and(b.shrU(c, b.i32(8)), b.i32(0xff)), wide = (v: Val) => d.size === 8 ? b.extU(v) : v;
  const shifted = b.select(b.ltU(start, b.i32(bits)), b.shrU(x, wide(start)), b.like(x, 0));
  const mask = b.sub(b.shl(b.like(x, 1), wide(length)), b.like(x, 1));
  const r = b.select(b.ltU(length, b.i32(bits)), b.and(shifted, mask), shifted);
  b.put(d, r);
  b.flags.logic(d.size, r);
};
const bzhi: Semantics = (b, d, s, index) => {
  const x = b.get(s), bits = 8 * d.size, n = b.and(b.low(b.get(index)), b.i32(0xff));
  const mask = b.sub(b.shl(b.like(x, 1), d.size === 8 ? b.extU(n) : n), b.like(x, 1));
  const beyond = b.gtU(n, b.i32(bits - 1)), r = b.select(beyond, x, b.and(x, mask));
  b.put(d, r);
  b.flags.result(KIND.logicCarry, d.size, r, beyond);
};
/** pdep and pext. */
const gather = (helper: number): Semantics => (b, d, s, mask) => {
  const r = b.call(helper, b.zx(b.get(s)), b.zx(b.get(mask)));
  b.put(d, d.size === 8 ? r : b.wrap(r));
};
const rorx: Semantics = (b, d, s) => {
  const x = b.get(s);
  b.put(d, b.rotr(x, b.like(x, b.i.imm & (8 * d.size - 1))));
};
const shiftx = (op: "shl" | "shrU" | "shrS"): Semantics => (b, d, s, n) => b.put(d, b[op](b.get(s), b.get(n)));
const mulx: Semantics = (b, high, low, s) => {
  const y = b.get(s), x = b.reg(DX, high.size);
  if (high.size === 8) {
    const h = b.mulhU(x, y), l = b.mul(x, y);
    b.put(low, l);
    b.put(high, h);
  } else {
    const p = b.mul(b.extU(x), b.extU(y)), h = b.wrap(b.shrU(p, b.i64(32)));
    b.put(low, b.wrap(p));
    b.put(high, h);
  }
};
/** adcx and adox: an addition with one flag as carry in and out. */
const addCarry = (flag: number): Semantics => (b, d, s) => {
  const x = b.get(d), y = b.get(s), c = flag === CF ? b.flags.carry() : b.flags.condition(0), size = d.size;
  const r = b.add(b.add(x, y), size === 8 ? b.extU(c) : c);
  b.put(d, r);
  const out = b.sign(size, b.or(b.and(x, y), b.and(b.or(x, y), b.not(r))));
  b.flags.some(flag, flag === CF ? out : b.shl(out, b.i32(11)));
};
const crc32: Semantics = (b, d, s: Operand) => {
  const r = b.call(H.crc32, b.extU(b.reg(d.n, 4)), b.zx(b.get(s)), b.i64(s.size));
  b.put(d, d.size === 8 ? r : b.wrap(r));
};

const all = "quiet !OSZAPC";
export const bits: RowText[] = [];
for (const [n, [name, opcode, change]] of TESTS.entries()) {
  const marks = (change ? "lock " : "") + "quiet !C -OSAP", f = bitTest(change);
  bits.push(
    x86(`0F ${opcode.toString(16).toUpperCase()} /r`, `${name} Ev, Gv`, marks, f),
    x86(`0F BA /${4 + n}`, `${name} Ev, Ib`, marks, f),
  );
}
bits.push(
  x86("0F BC /r", "bsf Gv, Ev", `${all} -OSAPC`, scan(false)),
  x86("0F BD /r", "bsr Gv, Ev", `${all} -OSAPC`, scan(true)),
  x86("F3 0F B8 /r", "popcnt Gv, Ev", `popcnt ${all}`, popcnt),
  x86("F3 0F BC /r", "tzcnt Gv, Ev", `bmi1 ${all} -OSAP`, count(false)),
  x86("F3 0F BD /r", "lzcnt Gv, Ev", `abm ${all} -OSAP`, count(true)),
  x86("VEX.LZ.0F38 F2 /r", "andn Gy, By, Ey", `bmi1 ${all} -AP`, andn),
  x86("VEX.LZ.0F38 F3 /1", "blsr By, Ey", `bmi1 ${all} -AP`, lowest((b, x, less) => b.and(x, less), true)),
  x86("VEX.LZ.0F38 F3 /2", "blsmsk By, Ey", `bmi1 ${all} -AP`, lowest((b, x, less) => b.xor(x, less), true)),
  x86("VEX.LZ.0F38 F3 /3", "blsi By, Ey", `bmi1 ${all} -AP`, lowest((b, x, less) => b.and(x, b.not(less)), false)),
  x86("VEX.LZ.0F38 F7 /r", "bextr Gy, Ey, By", `bmi1 ${all} -SAP`, bextr),
  x86("VEX.LZ.0F38 F5 /r", "bzhi Gy, Ey, By", `bmi2 ${all} -AP`, bzhi),
  x86("VEX.LZ.F2.0F38 F5 /r", "pdep Gy, By, Ey", "bmi2 quiet", gather(H.pdep)),
  x86("VEX.LZ.F3.0F38 F5 /r", "pext Gy, By, Ey", "bmi2 quiet", gather(H.pext)),
  x86("VEX.LZ.F2.0F3A F0 /r", "rorx Gy, Ey, Ib", "bmi2 quiet", rorx),
  x86("VEX.LZ.F3.0F38 F7 /r", "sarx Gy, Ey, By", "bmi2 quiet", shiftx("shrS")),
  x86("VEX.LZ.66.0F38 F7 /r", "shlx Gy, Ey, By", "bmi2 quiet", shiftx("shl")),
  x86("VEX.LZ.F2.0F38 F7 /r", "shrx Gy, Ey, By", "bmi2 quiet", shiftx("shrU")),
  x86("VEX.LZ.F2.0F38 F6 /r", "mulx Gy, By, Ey", "bmi2 quiet", mulx),
  x86("66 0F 38 F6 /r", "adcx Gy, Ey", "adx quiet ?C !C", addCarry(CF)),
  x86("F3 0F 38 F6 /r", "adox Gy, Ey", "adx quiet ?O !O", addCarry(OF)),
  x86("F2 0F 38 F0 /r", "crc32 Gy, Eb", "sse4.2 quiet", crc32),
  x86("F2 0F 38 F1 /r", "crc32 Gy, Ev", "sse4.2 quiet", crc32),
);
