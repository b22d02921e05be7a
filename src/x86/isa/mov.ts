// Moves, exchanges, conversions, conditional moves, flags, ports, BCD. Intel SDM volume 2 (253666-083).
import type { I32, Val } from "../../ir/builder.ts";
import { AX, BX, CX, DX, type Emit } from "../emit.ts";
import { XCPT } from "../exceptions.ts";
import { H } from "../helpers.ts";
import { hex2, MEM, type RowText, type Semantics, x86 } from "../insn.ts";
import { AF, CF, DF, PF, SF, ZF } from "../registers.ts";
import { DECIMAL } from "../integer.ts";
import { GPR, RFLAGS, SELECTOR } from "../slots.ts";

/** Mnemonic suffixes of the sixteen conditions (SDM volume 2, appendix B.1.4.7). */
export const CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"] as const;
const SS = 2;

const move: Semantics = (b, d, s) => b.put(d, b.get(s));
const extend = (signed: boolean): Semantics => (b, d, s) => {
  const v = b.get(s), x = signed ? b.signed(s.size, v) : v;
  b.put(d, d.size < 8 ? x : signed ? b.extS(x) : b.zx(x));
};
const lea: Semantics = (b, d) => {
  const ea = b.memory.ea();
  b.put(d, d.size === 8 ? b.zx(ea) : b.low(ea));
};
const exchange: Semantics = (b, d, s) => {
  const x = b.modify(d), y = b.get(s);
  b.put(d, y);
  b.put(s, x);
};
const xadd: Semantics = (b, d, s) => {
  const x = b.modify(d), y = b.get(s), r = b.mask(d.size, b.add(x, y));
  // Into one register go the old value, then the sum.
  if (d.kind !== MEM) b.put(s, x);
  b.put(d, r);
  if (d.kind === MEM) b.put(s, x);
  b.flags.addend(x);
  b.flags.add(d.size, r);
};
const cmpxchg: Semantics = (b, d, s) => {
  const size = d.size, old = b.reg(AX, size), x = b.modify(d), y = b.get(s), same = b.eq(old, x);
  if (size === 4 && b.long) {
    // What is not exchanged keeps its upper half: the accumulator when equal, a destination register when not.
    const dl = d.kind === MEM ? undefined : b.getL(GPR(d.n)), al = b.getL(GPR(AX)), xl = b.extU(x), yl = b.extU(y);
    if (dl === undefined) b.put(d, b.select(same, y, x));
    const accumulator = b.select(same, al, xl), destination = dl === undefined ? undefined : b.select(same, yl, dl);
    b.set(GPR(AX), accumulator);
    if (destination !== undefined && d.n !== AX) b.set(GPR(d.n), destination);
    else if (destination !== undefined) b.set(GPR(d.n), yl);
  } else {
    b.put(d, b.select(same, y, x));
    if (d.kind === MEM || d.n !== AX) b.setReg(AX, size, b.select(same, old, x));
  }
  b.flags.sub(size, old, x);
};
const cmpxchg8b: Semantics = (b) => {
  const lo = b.memory.address(8, true), x = b.load("rmw64.l", lo);
  const pair = (h: number, l: number) => b.or(b.shl(b.extU(b.reg(h, 4)), b.i64(32)), b.extU(b.reg(l, 4)));
  const same = b.eq(x, pair(DX, AX));
  b.store("store64.l", lo, b.select(same, pair(CX, BX), x));
  for (const [n, v] of [[AX, b.wrap(x)], [DX, b.wrap(b.shrU(x, b.i64(32)))]] as const) {
    if (b.long) b.set(GPR(n), b.select(same, b.getL(GPR(n)), b.extU(v)));
    else b.setReg(n, 4, b.select(same, b.reg(n, 4), v));
  }
  b.flags.some(ZF, b.shl(same, b.i32(6)));
};
const cmpxchg16b: Semantics = (b) => {
  const at = b.memory.address(16, true), lo = b.callUnless(b.eqz(b.and(at, b.i64(15))), at, H.alignmentError);
  const x = b.load("rmw64.l", lo), hi = b.add(lo, b.i64(8)), y = b.load("rmw64.l", hi);
  const ax = b.getL(GPR(AX)), dx = b.getL(GPR(DX)), same = b.and(b.eq(x, ax), b.eq(y, dx));
  b.store("store64.l", lo, b.select(same, b.getL(GPR(BX)), x));
  b.store("store64.l", hi, b.select(same, b.getL(GPR(CX)), y));
  b.set(GPR(AX), x); // equal ones stay what they were
  b.set(GPR(DX), y);
  b.flags.some(ZF, b.shl(same, b.i32(6)));
};

/** The bytes of a value of `size` bytes in the opposite order. */
export function swapped(b: Emit, size: number, v: Val): Val {
  if (size === 2) return b.mask(2, b.or(b.shl(v, b.i32(8)), b.shrU(v, b.i32(8))));
  const half = (x: I32) => b.or(b.and(b.rotl(x, b.i32(8)), b.i32(0x00ff_00ff)), b.and(b.rotr(x, b.i32(8)), b.i32(0xff00_ff00)));
  if (size === 4) return half(v);
  return b.or(b.shl(b.extU(half(b.wrap(v))), b.i64(32)), b.extU(half(b.wrap(b.shrU(v, b.i64(32))))));
}
const bswap: Semantics = (b, d) => {
  // Of 16 bits it is undefined; processors give zero.
  b.put(d, d.size === 2 ? b.i32(0) : swapped(b, d.size, b.get(d)));
};
const movbe: Semantics = (b, d, s) => b.put(d, swapped(b, d.size, b.get(s)));

/** cbw cwde cdqe, and cwd cdq cqo, by operand size. */
const widen: Semantics = (b) => {
  const size = b.i.operand;
  if (size === 8) b.setReg(AX, 8, b.extS(b.reg(AX, 4)));
  else b.setReg(AX, size, b.signed(size / 2, b.reg(AX, size / 2)));
};
const widenPair: Semantics = (b) => {
  const size = b.i.operand, x = b.reg(AX, size);
  b.setReg(DX, size, b.shrS(b.signed(size, x), b.like(x, 8 * size - 1)));
};
const xlat: Semantics = (b) => {
  const { i } = b, size = i.address, al = b.reg(AX, 1), bx = b.reg(BX, size);
  const ea = b.mask(size, b.add(bx, size === 8 ? b.extU(al) : al));
  b.setReg(AX, 1, b.load("load8U.i", b.memory.linear(i.override < 0 ? 3 : i.override, ea, 1, false)));
};

// --- segment registers
const fromSegment: Semantics = (b, d, s) => {
  if (s.n > 5) return b.raise(XCPT.UD);
  const v = b.and(b.getI(SELECTOR(s.n)), b.i32(0xffff));
  b.put(d, d.size === 8 ? b.extU(v) : v);
};
const toSegment: Semantics = (b, d, s) => {
  if (d.n > 5 || d.n === 1) return b.raise(XCPT.UD);
  b.call(H.loadSegment, b.i64(d.n), d.n === SS ? b.or(b.zx(b.get(s)), b.i64(0x1_0000)) : b.zx(b.get(s)));
};
/** lds and so on: a far pointer from memory. */
const loadFar = (segment: number): Semantics => (b, d) => {
  const size = b.i.operand, offset = b.memory.load(size, b.memory.address(size, false));
  const selector = b.load("load16U.i", b.memory.address(2, false, size));
  b.call(H.loadSegment, b.i64(segment), b.zx(selector));
  b.setReg(d.n, size, offset);
};

// --- flags
const LAHF = SF | ZF | AF | PF | CF;
const lahf: Semantics = (b) => b.setReg(16, 1, b.or(b.and(b.flags.status(), b.i32(LAHF)), b.i32(2)));
const sahf: Semantics = (b) => b.flags.some(LAHF, b.and(b.reg(16, 1), b.i32(LAHF)));
const setCarry: Semantics = (b) => b.flags.some(CF, b.i32(CF));
const clearCarry: Semantics = (b) => b.flags.some(CF, b.i32(0));
const notCarry: Semantics = (b) => {
  if (b.flags.wants(CF)) b.flags.image(b.xor(b.flags.status(), b.i32(CF)));
};
const salc: Semantics = (b) => b.setReg(AX, 1, b.sub(b.i32(0), b.flags.carry()));

// --- ports
const portIn: Semantics = (b, d, port) => {
  const v = b.call(H.in, b.zx(b.get(port)), b.i64(d.size));
  b.put(d, b.wrap(v));
};
const portOut: Semantics = (b, port, s) => void b.call(H.out, b.zx(b.get(port)), b.i64(s.size), b.zx(b.get(s)));

const decimal = (name: typeof DECIMAL[number]): Semantics => (b) => {
  b.call(H.decimal, b.i64(DECIMAL.indexOf(name)), b.i64(name === "aam" || name === "aad" ? b.i.imm : 0));
  b.flags.unknown();
};
const bound: Semantics = (b, d) => {
  const size = d.size, x = b.signed(size, b.get(d));
  const low = b.signed(size, b.memory.load(size, b.memory.address(size, false))),
    high = b.signed(size, b.memory.load(size, b.memory.address(size, false, size)));
  b.callUnless(b.and(b.geS(x, low), b.leS(x, high)), b.i64(0), H.boundError);
};

const q = "quiet";
export const mov: RowText[] = [
  x86("88 /r", "mov Eb, Gb", q, move),
  x86("89 /r", "mov Ev, Gv", q, move),
  x86("8A /r", "mov Gb, Eb", q, move),
  x86("8B /r", "mov Gv, Ev", q, move),
  x86("8C /r", "mov Rv, Sw", q, fromSegment),
  x86("8C /r", "mov Mw, Sw", q, fromSegment),
  x86("8E /r", "mov Sw, Ew", "", toSegment),
  x86("A0", "mov AL, Ob", q, move),
  x86("A1", "mov rAX, Ov", q, move),
  x86("A2", "mov Ob, AL", q, move),
  x86("A3", "mov Ov, rAX", q, move),
  x86("B0+r", "mov Zb, Ib", q, move),
  x86("B8+r", "mov Zv, Iv", q, move),
  x86("C6 /0", "mov Eb, Ib", q, move),
  x86("C7 /0", "mov Ev, Iz", q, move),
  x86("0F B6 /r", "movzx Gv, Eb", q, extend(false)),
  x86("0F B7 /r", "movzx Gv, Ew", q, extend(false)),
  x86("0F BE /r", "movsx Gv, Eb", q, extend(true)),
  x86("0F BF /r", "movsx Gv, Ew", q, extend(true)),
  x86("63 /r", "movsxd Gv, Ed", "o64 quiet", (b, d, s) => {
    const v = b.get(s);
    b.put(d, d.size === 8 ? b.extS(v) : v);
  }),
  x86("8D /r", "lea Gv, M", q, lea),
  x86("86 /r", "xchg Eb, Gb", "lock quiet", exchange),
  x86("87 /r", "xchg Ev, Gv", "lock quiet", exchange),
  x86("90+r", "xchg Zv, rAX", q, (b, d, s) => {
    // 90 is no operation (with F3: pause): it does not even clear an upper half.
    if (d.n !== 0) exchange(b, d, s, d, d);
  }),
  x86("0F C0 /r", "xadd Eb, Gb", "lock quiet !OSZAPC", xadd),
  x86("0F C1 /r", "xadd Ev, Gv", "lock quiet !OSZAPC", xadd),
  x86("0F B0 /r", "cmpxchg Eb, Gb", "lock quiet !OSZAPC", cmpxchg),
  x86("0F B1 /r", "cmpxchg Ev, Gv", "lock quiet !OSZAPC", cmpxchg),
  x86("0F C7 /1", "cmpxchg8b Mq", "cx8 lock", cmpxchg8b),
  x86("REX.W 0F C7 /1", "cmpxchg16b Mdq", "cx16 lock o64", cmpxchg16b),
  x86("0F C8+r", "bswap Zv", q, bswap),
  x86("0F 38 F0 /r", "movbe Gv, Mv", "movbe quiet", movbe),
  x86("0F 38 F1 /r", "movbe Mv, Gv", "movbe quiet", movbe),
  x86("98", "cbw", q, widen),
  x86("99", "cwd", q, widenPair),
  x86("D7", "xlat", "", xlat),
  x86("C4 /r", "les Gv, Mp", "i64", loadFar(0)),
  x86("C5 /r", "lds Gv, Mp", "i64", loadFar(3)),
  x86("0F B2 /r", "lss Gv, Mp", "", loadFar(SS)),
  x86("0F B4 /r", "lfs Gv, Mp", "", loadFar(4)),
  x86("0F B5 /r", "lgs Gv, Mp", "", loadFar(5)),
  x86("62 /r", "bound Gv, Ma", "i64", bound),
  x86("9F", "lahf", "quiet ?SZAPC", lahf),
  x86("9E", "sahf", "quiet !SZAPC", sahf),
  x86("F8", "clc", "quiet !C", clearCarry),
  x86("F9", "stc", "quiet !C", setCarry),
  x86("F5", "cmc", "quiet ?OSZAPC", notCarry),
  x86("FC", "cld", q, (b) => b.set(RFLAGS, b.and(b.getL(RFLAGS), b.i64(~DF)))),
  x86("FD", "std", q, (b) => b.set(RFLAGS, b.or(b.getL(RFLAGS), b.i64(DF)))),
  x86("D6", "salc", "i64 quiet ?C", salc),
  x86("E4", "in AL, Ib", "", portIn),
  x86("E5", "in eAX, Ib", "", portIn),
  x86("EC", "in AL, DX", "", portIn),
  x86("ED", "in eAX, DX", "", portIn),
  x86("E6", "out Ib, AL", "", portOut),
  x86("E7", "out Ib, eAX", "", portOut),
  x86("EE", "out DX, AL", "", portOut),
  x86("EF", "out DX, eAX", "", portOut),
  x86("27", "daa", "i64 -O", decimal("daa")),
  x86("2F", "das", "i64 -O", decimal("das")),
  x86("37", "aaa", "i64 -OSZP", decimal("aaa")),
  x86("3F", "aas", "i64 -OSZP", decimal("aas")),
  x86("D4", "aam Ib", "i64 -OAC", decimal("aam")),
  x86("D5", "aad Ib", "i64 -OAC", decimal("aad")),
];
for (const [cc, name] of CONDITIONS.entries()) {
  mov.push(
    x86(`0F ${hex2(0x40 + cc)} /r`, `cmov${name} Gv, Ev`, "cmov quiet ?OSZAPC", (b, d, s) => {
      const v = b.get(s);
      b.put(d, b.select(b.flags.condition(cc), v, b.get(d)));
    }),
    x86(`0F ${hex2(0x90 + cc)} /r`, `set${name} Eb`, "quiet ?OSZAPC", (b, d) => b.put(d, b.flags.condition(cc))),
  );
}
