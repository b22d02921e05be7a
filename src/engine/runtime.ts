// Functions that pure rows of the op table name instead of a single wasm instruction. Both engines link them into their modules.
import { Asm, type FunctionType, I32, I64, W, type WasmFunction } from "./wasm.ts";

const binary = (t: number): FunctionType => ({ params: [t, t], results: [t] });
const f = (t: number, body: (a: Asm) => Asm, locals: number[] = []): WasmFunction => ({
  type: binary(t),
  locals,
  body: body(new Asm()).bytes,
});
const A = 0, B = 1;

/** RISC-V division: the divisor 0 gives `onZero`, and -1 is kept from wasm's trap on overflow by negating instead. */
const division = (t: number, signed: boolean, rem: boolean): WasmFunction => {
  const l = t === I64, eqz = l ? W.i64Eqz : W.i32Eqz, sub = l ? W.i64Sub : W.i32Sub, eq = l ? W.i64Eq : W.i32Eq;
  const op = W[`${l ? "i64" : "i32"}${rem ? "Rem" : "Div"}${signed ? "S" : "U"}` as "i64DivS"];
  const constant = (a: Asm, n: number) => l ? a.i64(n) : a.i32(n);
  return f(t, (a) => {
    a.get(B).op(eqz).if();
    if (rem) a.get(A);
    else constant(a, -1);
    a.op(W.return).end();
    if (signed) {
      constant(a.get(B), -1).op(eq).if();
      if (rem) constant(a, 0);
      else constant(a, 0).get(A).op(sub);
      a.op(W.return).end();
    }
    return a.get(A).get(B).op(op);
  });
};

/** High half of a product of 64-bit numbers from four 32-bit products. Locals: 2 al, 3 ah, 4 bl, 5 bh, 6 middle, 7 middle2. */
const mulh64 = (aSigned: boolean, bSigned: boolean): WasmFunction =>
  f(I64, (a) => {
    a.get(A).i64(-1, 0).op(W.i64And).set(2).get(A).i64(32).op(W.i64ShrU).set(3);
    a.get(B).i64(-1, 0).op(W.i64And).set(4).get(B).i64(32).op(W.i64ShrU).set(5);
    // middle = ah * bl + (al * bl >> 32); middle2 = al * bh + low32(middle): neither overflows.
    a.get(3).get(4).op(W.i64Mul).get(2).get(4).op(W.i64Mul).i64(32).op(W.i64ShrU).op(W.i64Add).set(6);
    a.get(2).get(5).op(W.i64Mul).get(6).i64(-1, 0).op(W.i64And).op(W.i64Add).set(7);
    a.get(3).get(5).op(W.i64Mul).get(6).i64(32).op(W.i64ShrU).op(W.i64Add).get(7).i64(32).op(W.i64ShrU).op(W.i64Add);
    // A negative signed factor counts 2^64 too much: take the other factor off the high half.
    if (aSigned) a.get(A).i64(63).op(W.i64ShrS).get(B).op(W.i64And).op(W.i64Sub);
    if (bSigned) a.get(B).i64(63).op(W.i64ShrS).get(A).op(W.i64And).op(W.i64Sub);
    return a;
  }, [I64, I64, I64, I64, I64, I64]);

const mulh32 = (a32: number, b32: number): WasmFunction =>
  f(I32, (a) => a.get(A).op(a32).get(B).op(b32).op(W.i64Mul).i64(32).op(W.i64ShrU).op(W.wrap));

/** By the name that the op table uses. */
export const RUNTIME: Readonly<Record<string, WasmFunction>> = {
  "divS.i": division(I32, true, false),
  "divU.i": division(I32, false, false),
  "remS.i": division(I32, true, true),
  "remU.i": division(I32, false, true),
  "divS.l": division(I64, true, false),
  "divU.l": division(I64, false, false),
  "remS.l": division(I64, true, true),
  "remU.l": division(I64, false, true),
  "mulhS.i": mulh32(W.extS, W.extS),
  "mulhU.i": mulh32(W.extU, W.extU),
  "mulhSU.i": mulh32(W.extS, W.extU),
  "mulhS.l": mulh64(true, true),
  "mulhU.l": mulh64(false, false),
  "mulhSU.l": mulh64(true, false),
};
