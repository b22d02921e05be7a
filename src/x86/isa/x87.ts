// x87: every instruction by the helpers of ../x87.ts. Intel SDM volume 2 (253666-083). Waiting instructions first look for a pending exception.
import type { I32, I64, Val } from "../../ir/builder.ts";
import type { Emit } from "../emit.ts";
import { H } from "../helpers.ts";
import { hex2, type RowText, type Semantics, x86 } from "../insn.ts";
import { CF, PF, STATUS, ZF } from "../registers.ts";
import { FPU_CS, FPU_CW, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE, SELECTOR } from "../slots.ts";

/** Sources of operands, as ../x87.ts numbers them. */
const REGISTER = 0, FLOAT = 1, DOUBLE = 2, EXTENDED = 3, INTEGER = 4, BCD = 5, CONSTANT = 6;

/** Notes the instruction and its operand for fnstenv, once it cannot fault any more. */
function note(b: Emit): void {
  const { i } = b;
  b.set(FPU_IP, b.long ? b.here() : b.zx(b.flow.ip(-i.length)));
  b.set(FPU_CS, b.getI(SELECTOR(1)));
  b.set(FPU_OPCODE, b.i32(((i.row.byte & 7) << 8) | i.modrm));
  if (i.modrm >= 0xc0) return;
  b.set(FPU_DP, b.zx(b.memory.ea()));
  b.set(FPU_DS, b.getI(SELECTOR(i.segment)));
}
/** A waiting instruction that works on registers alone. */
const waits = (f: (b: Emit) => void): Semantics => (b) => {
  b.checkFpu();
  note(b);
  f(b);
};
/** The register of the ModRM byte. */
const register = (b: Emit) => b.i.modrm & 7;

/** A memory operand: how it is loaded (sign-extended integers) and what the helpers call it. */
interface Memory {
  readonly text: string;
  readonly size: 2 | 4 | 8;
  readonly source: number;
}
const M32: Memory = { text: "Md", size: 4, source: FLOAT }, M64: Memory = { text: "Mq", size: 8, source: DOUBLE };
const I16: Memory = { text: "Mw", size: 2, source: INTEGER }, I32: Memory = { text: "Md", size: 4, source: INTEGER };
const I64: Memory = { text: "Mq", size: 8, source: INTEGER };
function value(b: Emit, m: Memory): I64 {
  const at = b.memory.address(m.size, false);
  if (m.size === 8) return b.memory.load(8, at);
  const v = b.memory.load(m.size, at);
  return m.source === INTEGER ? b.extS(b.signed(m.size, v)) : b.extU(v);
}
/** An instruction with a memory source. */
const from = (m: Memory, f: (b: Emit, source: I64, v: I64) => void): Semantics => (b) => {
  b.checkFpu();
  const v = value(b, m);
  note(b);
  f(b, b.i64(m.source), v);
};
/** Stores by fpuStore; what was there is stored again when an unmasked exception forbids the result. */
const storeTo = (size: 2 | 4 | 8, kind: number, pops: boolean): Semantics => (b) => {
  b.checkFpu();
  const at = b.memory.address(size, true), old = b.memory.modify(size, at);
  note(b);
  const r = b.call(H.fpuStore, b.i64(kind), b.zx(old), b.i64(pops ? 1 : 0));
  b.memory.store(size, at, size === 8 ? r : b.wrap(r));
};

const ARITHMETIC: readonly (readonly [name: string, digit: number, operation: number])[] = [
  ["add", 0, 0],
  ["mul", 1, 1],
  ["sub", 4, 4],
  ["subr", 5, 5],
  ["div", 6, 6],
  ["divr", 7, 7],
];
const arith = (b: Emit, operation: number, source: I64, v: I64, destination: number) =>
  void b.call(H.fpuArith, b.i64(operation), source, v, b.i64(destination));

// --- the environment: seven words, of 2 or 4 bytes
function layoutOf(b: Emit): { size: 2 | 4; layout: number } {
  const size = b.i.operand === 2 ? 2 : 4, protectedMode = b.protectedMode;
  return { size, layout: (size === 4 ? 2 : 0) | (protectedMode ? 1 : 0) };
}
function storeEnvironment(b: Emit, size: 2 | 4, layout: number): void {
  // The ends tell whether all of it may be written.
  b.memory.modify(size, b.memory.address(size, true));
  b.memory.modify(size, b.memory.address(size, true, 6 * size));
  for (let k = 0; k < 7; k++) {
    const v = b.wrap(b.call(H.fpuEnvironment, b.i64(k), b.i64(layout)));
    b.memory.store(size, b.memory.address(size, true, k * size), v);
  }
}
function loadEnvironment(b: Emit, size: 2 | 4): I64[] {
  return [0, 1, 2, 3, 4, 5, 6].map((k) => b.zx(b.memory.load(size, b.memory.address(size, false, k * size))));
}
const fnstenv: Semantics = (b) => {
  const { size, layout } = layoutOf(b);
  storeEnvironment(b, size, layout);
  b.call(H.fpuControl, b.i64(3));
};
const fldenv: Semantics = (b) => {
  b.checkFpu();
  const { size, layout } = layoutOf(b);
  loadEnvironment(b, size).forEach((v, k) => b.call(H.fpuSetEnvironment, b.i64(k), b.i64(layout), v));
};
const fnsave: Semantics = (b) => {
  const { size, layout } = layoutOf(b), at = (k: number) => 7 * size + 10 * k;
  b.memory.modify(2, b.memory.address(2, true, at(7) + 8));
  storeEnvironment(b, size, layout);
  for (let k = 0; k < 8; k++) {
    b.store("store64.l", b.memory.address(8, true, at(k)), b.call(H.fpuRegister, b.i64(k), b.i64(0)));
    b.store("store16.i", b.memory.address(2, true, at(k) + 8), b.wrap(b.call(H.fpuRegister, b.i64(k), b.i64(1))));
  }
  b.call(H.fpuControl, b.i64(0));
};
const frstor: Semantics = (b) => {
  b.checkFpu();
  const { size, layout } = layoutOf(b),
    at = (k: number) => 7 * size + 10 * k,
    words = loadEnvironment(b, size),
    registers: [Val, Val][] = [];
  for (let k = 0; k < 8; k++) {
    registers.push([
      b.load("load64.l", b.memory.address(8, false, at(k))),
      b.zx(b.load("load16U.i", b.memory.address(2, false, at(k) + 8))),
    ]);
  }
  words.forEach((v, k) => b.call(H.fpuSetEnvironment, b.i64(k), b.i64(layout), v));
  registers.forEach(([lo, hi], k) => b.call(H.fpuSetRegister, b.i64(k), lo, hi));
};

// --- ten bytes
const fld80: Semantics = (b) => {
  b.checkFpu();
  const lo = b.load("load64.l", b.memory.address(8, false)), hi = b.zx(b.load("load16U.i", b.memory.address(2, false, 8)));
  note(b);
  b.call(H.fpuLoad, b.i64(EXTENDED), lo, hi);
};
const fbld: Semantics = (b) => {
  b.checkFpu();
  const lo = b.load("load64.l", b.memory.address(8, false)), hi = b.zx(b.load("load16U.i", b.memory.address(2, false, 8)));
  note(b);
  b.call(H.fpuLoad, b.i64(BCD), lo, hi);
};
const store80 = (helper: number): Semantics => (b) => {
  b.checkFpu();
  const at = b.memory.address(8, true),
    upper = b.memory.address(2, true, 8),
    old = b.load("rmw64.l", at),
    oldUpper = b.zx(b.load("rmw16U.i", upper));
  note(b);
  const hi = b.wrap(b.call(helper, b.i64(0), oldUpper)), lo = b.call(helper, b.i64(1), old);
  b.store("store64.l", at, lo);
  b.store("store16.i", upper, hi);
};

const compareFlags = (quiet: boolean, pops: boolean): Semantics => (b) => {
  b.checkFpu();
  note(b);
  const r = b.call(H.fpuCompareFlags, b.i64(quiet ? 1 : 0), b.i64(register(b)), b.i64(pops ? 1 : 0));
  b.flags.image(b.wrap(r));
};
const compare = (quiet: boolean, pops: number): Semantics =>
  waits((b) => void b.call(H.fpuCompare, b.i64(quiet ? 1 : 0), b.i64(REGISTER), b.i64(register(b)), b.i64(pops)));

/** ST registers and memory under each opcode byte. */
export function x87(): RowText[] {
  const rows: RowText[] = [], fpu = "@fpu";
  for (const [name, digit, operation] of ARITHMETIC) {
    const fixed = 0xc0 + 8 * digit;
    // With ST(i) as the destination, the encodings of sub and subr, div and divr are exchanged.
    const back = digit >= 4 ? 0xc0 + 8 * (digit ^ 1) : fixed;
    rows.push(
      x86(`D8 /${digit}`, `f${name} Md`, fpu, from(M32, (b, s, v) => arith(b, operation, s, v, 0))),
      x86(`DC /${digit}`, `f${name} Mq`, fpu, from(M64, (b, s, v) => arith(b, operation, s, v, 0))),
      x86(`DA /${digit}`, `fi${name} Md`, fpu, from(I32, (b, s, v) => arith(b, operation, s, v, 0))),
      x86(`DE /${digit}`, `fi${name} Mw`, fpu, from(I16, (b, s, v) => arith(b, operation, s, v, 0))),
      x86(`D8 ${hex2(fixed)}+i`, `f${name} ST, STi`, fpu, waits((b) => arith(b, operation, b.i64(REGISTER), b.i64(register(b)), 0))),
      x86(`DC ${hex2(back)}+i`, `f${name} STi, ST`, fpu, waits((b) => arith(b, operation, b.i64(REGISTER), b.i64(0), register(b)))),
      x86(`DE ${hex2(back)}+i`, `f${name}p STi, ST`, fpu, waits((b) => arith(b, operation, b.i64(REGISTER), b.i64(0), register(b) | 16))),
    );
  }
  const comparison = (m: Memory, pops: number) => from(m, (b, s, v) => void b.call(H.fpuCompare, b.i64(0), s, v, b.i64(pops)));
  const load = (m: Memory) => from(m, (b, s, v) => void b.call(H.fpuLoad, s, v));
  rows.push(
    x86("D8 /2", "fcom Md", fpu, comparison(M32, 0)),
    x86("D8 /3", "fcomp Md", fpu, comparison(M32, 1)),
    x86("DC /2", "fcom Mq", fpu, comparison(M64, 0)),
    x86("DC /3", "fcomp Mq", fpu, comparison(M64, 1)),
    x86("DA /2", "ficom Md", fpu, comparison(I32, 0)),
    x86("DA /3", "ficomp Md", fpu, comparison(I32, 1)),
    x86("DE /2", "ficom Mw", fpu, comparison(I16, 0)),
    x86("DE /3", "ficomp Mw", fpu, comparison(I16, 1)),
    x86("D8 D0+i", "fcom STi", fpu, compare(false, 0)),
    x86("D8 D8+i", "fcomp STi", fpu, compare(false, 1)),
    x86("DC D0+i", "fcom STi", fpu, compare(false, 0)),
    x86("DC D8+i", "fcomp STi", fpu, compare(false, 1)),
    x86("DE D0+i", "fcomp STi", fpu, compare(false, 1)),
    x86("DE D9", "fcompp", fpu, compare(false, 2)),
    x86("DD E0+i", "fucom STi", fpu, compare(true, 0)),
    x86("DD E8+i", "fucomp STi", fpu, compare(true, 1)),
    x86("DA E9", "fucompp", fpu, compare(true, 2)),
    x86("DB F0+i", "fcomi ST, STi", `cmov ${fpu} !OSZAPC`, compareFlags(false, false)),
    x86("DB E8+i", "fucomi ST, STi", `cmov ${fpu} !OSZAPC`, compareFlags(true, false)),
    x86("DF F0+i", "fcomip ST, STi", `cmov ${fpu} !OSZAPC`, compareFlags(false, true)),
    x86("DF E8+i", "fucomip ST, STi", `cmov ${fpu} !OSZAPC`, compareFlags(true, true)),
    // Loads and stores.
    x86("D9 /0", "fld Md", fpu, load(M32)),
    x86("DD /0", "fld Mq", fpu, load(M64)),
    x86("DB /5", "fld Mt", fpu, fld80),
    x86("D9 C0+i", "fld STi", fpu, waits((b) => void b.call(H.fpuLoad, b.i64(REGISTER), b.i64(register(b))))),
    x86("DF /0", "fild Mw", fpu, load(I16)),
    x86("DB /0", "fild Md", fpu, load(I32)),
    x86("DF /5", "fild Mq", fpu, load(I64)),
    x86("DF /4", "fbld Mt", fpu, fbld),
    x86("D9 /2", "fst Md", fpu, storeTo(4, 1, false)),
    x86("D9 /3", "fstp Md", fpu, storeTo(4, 1, true)),
    x86("DD /2", "fst Mq", fpu, storeTo(8, 2, false)),
    x86("DD /3", "fstp Mq", fpu, storeTo(8, 2, true)),
    x86("DB /7", "fstp Mt", fpu, store80(H.fpuStore80)),
    x86("DF /6", "fbstp Mt", fpu, store80(H.fpuStoreBcd)),
    x86("DF /2", "fist Mw", fpu, storeTo(2, 3, false)),
    x86("DF /3", "fistp Mw", fpu, storeTo(2, 3, true)),
    x86("DB /2", "fist Md", fpu, storeTo(4, 4, false)),
    x86("DB /3", "fistp Md", fpu, storeTo(4, 4, true)),
    x86("DF /7", "fistp Mq", fpu, storeTo(8, 5, true)),
    x86("DF /1", "fisttp Mw", `sse3 ${fpu}`, storeTo(2, 6, true)),
    x86("DB /1", "fisttp Md", `sse3 ${fpu}`, storeTo(4, 7, true)),
    x86("DD /1", "fisttp Mq", `sse3 ${fpu}`, storeTo(8, 8, true)),
    x86("DD D0+i", "fst STi", fpu, waits((b) => void b.call(H.fpuMove, b.i64(register(b)), b.i64(0)))),
    x86("DD D8+i", "fstp STi", fpu, waits((b) => void b.call(H.fpuMove, b.i64(register(b)), b.i64(1)))),
    x86("DF D0+i", "fstp STi", fpu, waits((b) => void b.call(H.fpuMove, b.i64(register(b)), b.i64(1)))),
    x86("DF D8+i", "fstp STi", fpu, waits((b) => void b.call(H.fpuMove, b.i64(register(b)), b.i64(1)))),
    x86("D9 D8+i", "fstpnce STi", fpu, waits((b) => void b.call(H.fpuMoveQuietly, b.i64(register(b))))),
    ...["D9 C8+i", "DD C8+i", "DF C8+i"].map((o) => x86(o, "fxch STi", fpu, waits((b) => void b.call(H.fpuExchange, b.i64(register(b)))))),
    x86("DD C0+i", "ffree STi", fpu, waits((b) => void b.call(H.fpuFree, b.i64(register(b)), b.i64(0)))),
    x86("DF C0+i", "ffreep STi", fpu, waits((b) => void b.call(H.fpuFree, b.i64(register(b)), b.i64(1)))),
    x86("D9 D0", "fnop", fpu, (b) => b.checkFpu()),
    // Control.
    x86("D9 /5", "fldcw Mw", fpu, (b) => {
      b.checkFpu();
      b.call(H.fpuControl, b.i64(2), b.zx(b.memory.load(2, b.memory.address(2, false))));
    }),
    x86("D9 /7", "fnstcw Mw", fpu, (b, d) => b.put(d, b.getI(FPU_CW))),
    x86("DD /7", "fnstsw Mw", fpu, (b, d) => {
      const at = b.memory.address(2, true);
      b.memory.modify(2, at);
      b.memory.store(d.size, at, b.wrap(b.call(H.fpuStatus)));
    }),
    x86("DF E0", "fnstsw AX", fpu, (b, d) => b.put(d, b.wrap(b.call(H.fpuStatus)))),
    x86("DB E2", "fnclex", fpu, (b) => void b.call(H.fpuControl, b.i64(1))),
    x86("DB E3", "fninit", fpu, (b) => void b.call(H.fpuControl, b.i64(0))),
    x86("DB E0", "fneni", fpu, () => {}),
    x86("DB E1", "fndisi", fpu, () => {}),
    x86("DB E4", "fnsetpm", fpu, () => {}),
    x86("D9 /6", "fnstenv M", fpu, fnstenv),
    x86("D9 /4", "fldenv M", fpu, fldenv),
    x86("DD /6", "fnsave M", fpu, fnsave),
    x86("DD /4", "frstor M", fpu, frstor),
  );
  const constants = ["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"];
  for (const [n, name] of constants.entries()) {
    rows.push(x86(`D9 ${hex2(0xe8 + n)}`, name, fpu, waits((b) => void b.call(H.fpuLoad, b.i64(CONSTANT), b.i64(n)))));
  }
  // deno-fmt-ignore
  const unary: readonly (readonly [number, string])[] = [
    [0xe0, "fchs"], [0xe1, "fabs"], [0xe4, "ftst"], [0xe5, "fxam"], [0xf0, "f2xm1"], [0xf1, "fyl2x"], [0xf2, "fptan"], [0xf3, "fpatan"], [0xf4, "fxtract"],
    [0xf5, "fprem1"], [0xf6, "fdecstp"], [0xf7, "fincstp"], [0xf8, "fprem"], [0xf9, "fyl2xp1"], [0xfa, "fsqrt"], [0xfb, "fsincos"], [0xfc, "frndint"],
    [0xfd, "fscale"], [0xfe, "fsin"], [0xff, "fcos"],
  ];
  for (const [byte, name] of unary) rows.push(x86(`D9 ${hex2(byte)}`, name, fpu, waits((b) => void b.call(H.fpuUnary, b.i64(byte)))));
  const conditions: readonly (readonly [string, number])[] = [["b", CF], ["e", ZF], ["be", CF | ZF], ["u", PF]];
  for (const [n, [name, mask]] of conditions.entries()) {
    for (const negated of [false, true]) {
      rows.push(x86(
        `D${negated ? "B" : "A"} ${hex2(0xc0 + 8 * n)}+i`,
        `fcmov${negated ? "n" : ""}${name} ST, STi`,
        `cmov ${fpu}`,
        waits((b) => {
          const set = b.ne(b.and(b.flags.status(), b.i32(mask & STATUS)), b.i32(0));
          b.call(H.fpuConditional, b.i64(register(b)), b.extU(negated ? b.eqz(set) : set));
        }),
      ));
    }
  }
  return rows;
}
