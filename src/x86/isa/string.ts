// String instructions and their repetition. Intel SDM volume 2 (253666-083). One iteration per entry of the block: see translate.ts.
import type { I64, Val } from "../../ir/builder.ts";
import { AX, CX, DI, DX, type Emit, SI } from "../emit.ts";
import { H } from "../helpers.ts";
import { type RowText, type Semantics, x86 } from "../insn.ts";

/** One iteration: accesses memory, then moves the pointers; gives the condition (i32) under which repe goes on, if there is one. */
type Iteration = (b: Emit, size: number) => Val | undefined;

const string = (iteration: Iteration): Semantics => (b, o0, o1) => {
  const size = o0.size || o1.size, { rep, address, length } = b.i;
  if (rep === 0) return void iteration(b, size);
  const n = b.reg(CX, address);
  b.branchIf(b.eqz(n), length);
  const equal = iteration(b, size), less = b.mask(address, b.add(n, b.like(n, -1)));
  b.setReg(CX, address, less);
  let again = b.ne(less, b.like(less, 0));
  if (equal !== undefined) again = b.and(again, rep === 0xf3 ? equal : b.eqz(equal));
  b.branchIf(again, 0);
};

/** Linear address at rSI or rDI. */
function at(b: Emit, register: number, size: number, write: boolean): I64 {
  const segment = register === DI ? 0 : b.i.override < 0 ? 3 : b.i.override;
  return b.memory.linear(segment, b.reg(register, b.i.address), size, write);
}
function advance(b: Emit, size: number, ...registers: number[]): void {
  const address = b.i.address, step = b.stringStep(size), wide = address === 8 ? b.extS(step) : step;
  for (const r of registers) b.setReg(r, address, b.mask(address, b.add(b.reg(r, address), wide)));
}

const movs: Iteration = (b, size) => {
  const v = b.memory.load(size, at(b, SI, size, false));
  b.memory.store(size, at(b, DI, size, true), v);
  advance(b, size, SI, DI);
  return undefined;
};
const cmps: Iteration = (b, size) => {
  const x = b.memory.load(size, at(b, SI, size, false)), y = b.memory.load(size, at(b, DI, size, false));
  advance(b, size, SI, DI);
  b.flags.sub(size, x, y);
  return b.eq(x, y);
};
const stos: Iteration = (b, size) => {
  b.memory.store(size, at(b, DI, size, true), b.reg(AX, size));
  advance(b, size, DI);
  return undefined;
};
const lods: Iteration = (b, size) => {
  const v = b.memory.load(size, at(b, SI, size, false));
  b.setReg(AX, size, v);
  advance(b, size, SI);
  return undefined;
};
const scas: Iteration = (b, size) => {
  const x = b.reg(AX, size), y = b.memory.load(size, at(b, DI, size, false));
  advance(b, size, DI);
  b.flags.sub(size, x, y);
  return b.eq(x, y);
};
const ins: Iteration = (b, size) => {
  // Memory must be writable before the port is read.
  const to = at(b, DI, size, true);
  b.memory.modify(size, to);
  const v = b.call(H.in, b.zx(b.reg(DX, 2)), b.i64(size));
  b.memory.store(size, to, b.wrap(v));
  advance(b, size, DI);
  return undefined;
};
const outs: Iteration = (b, size) => {
  const v = b.memory.load(size, at(b, SI, size, false));
  b.call(H.out, b.zx(b.reg(DX, 2)), b.i64(size), b.zx(v));
  advance(b, size, SI);
  return undefined;
};

export const strings: readonly RowText[] = [
  x86("A4", "movsb Yb, Xb", "", string(movs)),
  x86("A5", "movs Yv, Xv", "", string(movs)),
  x86("A6", "cmpsb Xb, Yb", "", string(cmps)),
  x86("A7", "cmps Xv, Yv", "", string(cmps)),
  x86("AA", "stosb Yb, AL", "", string(stos)),
  x86("AB", "stos Yv, rAX", "", string(stos)),
  x86("AC", "lodsb AL, Xb", "", string(lods)),
  x86("AD", "lods rAX, Xv", "", string(lods)),
  x86("AE", "scasb AL, Yb", "", string(scas)),
  x86("AF", "scas rAX, Yv", "", string(scas)),
  x86("6C", "insb Yb, DX", "", string(ins)),
  x86("6D", "ins Yz, DX", "", string(ins)),
  x86("6E", "outsb DX, Xb", "", string((b) => outs(b, 1))),
  x86("6F", "outs DX, Xz", "", string((b) => outs(b, b.i.operand === 2 ? 2 : 4))),
];
