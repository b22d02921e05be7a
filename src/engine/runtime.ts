// Functions that pure rows of the op table name instead of a single wasm instruction. Both engines link them into their modules.
// They are lists of bytes, joined at the top level: every start needs them, and functions that build them would be compiled each time.
import { EMPTY, type FunctionType, I32, I64, W, type WasmFunction } from "./wasm.ts";

const I32_BINARY: FunctionType = { params: [I32, I32], results: [I32] }, I64_BINARY: FunctionType = { params: [I64, I64], results: [I64] };
const LOCAL_GET = 0x20, LOCAL_SET = 0x21, I32_CONST = 0x41, I64_CONST = 0x42, IF = 0x04, END = 0x0b;
const A = [LOCAL_GET, 0], B = [LOCAL_GET, 1];

/** By the name that the op table uses. */
export const RUNTIME: Record<string, WasmFunction> = {};

/** Name, type, opcode, whether it divides signed numbers, and whether it gives the remainder. */
const DIVISIONS = [
  ["divS.i", I32, W.i32DivS, true, false],
  ["divU.i", I32, W.i32DivU, false, false],
  ["remS.i", I32, W.i32RemS, true, true],
  ["remU.i", I32, W.i32RemU, false, true],
  ["divS.l", I64, W.i64DivS, true, false],
  ["divU.l", I64, W.i64DivU, false, false],
  ["remS.l", I64, W.i64RemS, true, true],
  ["remU.l", I64, W.i64RemU, false, true],
] as const;
// RISC-V division: the divisor 0 gives -1 or the dividend, and -1 is kept from wasm's trap on overflow by negating instead.
for (const [name, type, opcode, signed, rem] of DIVISIONS) {
  const long = type === I64, constant = long ? I64_CONST : I32_CONST, zero = [constant, 0], minusOne = [constant, 0x7f];
  const isZero = [...B, long ? W.i64Eqz : W.i32Eqz], isMinusOne = [...B, ...minusOne, long ? W.i64Eq : W.i32Eq];
  const negated = [...zero, ...A, long ? W.i64Sub : W.i32Sub];
  const onZero = [...isZero, IF, EMPTY, ...rem ? A : minusOne, W.return, END];
  const onMinusOne = signed ? [...isMinusOne, IF, EMPTY, ...rem ? zero : negated, W.return, END] : [];
  const body = Uint8Array.of(...onZero, ...onMinusOne, ...A, ...B, opcode);
  RUNTIME[name] = { type: long ? I64_BINARY : I32_BINARY, locals: [], body };
}

// High half of a product of 32-bit numbers: of their 64-bit product.
for (const [name, extendA, extendB] of [["mulhS.i", W.extS, W.extS], ["mulhU.i", W.extU, W.extU], ["mulhSU.i", W.extS, W.extU]] as const) {
  const body = Uint8Array.of(...A, extendA, ...B, extendB, W.i64Mul, I64_CONST, 32, W.i64ShrU, W.wrap);
  RUNTIME[name] = { type: I32_BINARY, locals: [], body };
}

// High half of a product of 64-bit numbers from four 32-bit products. Locals: low and high halves of the factors, middle, middle2.
const AL = 2, AH = 3, BL = 4, BH = 5, MIDDLE = 6, MIDDLE2 = 7;
const LOW = [I64_CONST, 0xff, 0xff, 0xff, 0xff, 0x0f, W.i64And], HIGH = [I64_CONST, 32, W.i64ShrU], SIGNS = [I64_CONST, 63, W.i64ShrS];
// deno-fmt-ignore
const UNSIGNED = [
  ...A, ...LOW, LOCAL_SET, AL, ...A, ...HIGH, LOCAL_SET, AH,
  ...B, ...LOW, LOCAL_SET, BL, ...B, ...HIGH, LOCAL_SET, BH,
  // middle = ah * bl + (al * bl >> 32); middle2 = al * bh + low32(middle): neither overflows.
  LOCAL_GET, AH, LOCAL_GET, BL, W.i64Mul, LOCAL_GET, AL, LOCAL_GET, BL, W.i64Mul, ...HIGH, W.i64Add, LOCAL_SET, MIDDLE,
  LOCAL_GET, AL, LOCAL_GET, BH, W.i64Mul, LOCAL_GET, MIDDLE, ...LOW, W.i64Add, LOCAL_SET, MIDDLE2,
  LOCAL_GET, AH, LOCAL_GET, BH, W.i64Mul, LOCAL_GET, MIDDLE, ...HIGH, W.i64Add, LOCAL_GET, MIDDLE2, ...HIGH, W.i64Add,
];
// A negative signed factor counts 2^64 too much: take the other factor off the high half.
const A_SIGNED = [...A, ...SIGNS, ...B, W.i64And, W.i64Sub], B_SIGNED = [...B, ...SIGNS, ...A, W.i64And, W.i64Sub];
const LOCALS = [I64, I64, I64, I64, I64, I64];
RUNTIME["mulhS.l"] = { type: I64_BINARY, locals: LOCALS, body: Uint8Array.of(...UNSIGNED, ...A_SIGNED, ...B_SIGNED) };
RUNTIME["mulhU.l"] = { type: I64_BINARY, locals: LOCALS, body: Uint8Array.of(...UNSIGNED) };
RUNTIME["mulhSU.l"] = { type: I64_BINARY, locals: LOCALS, body: Uint8Array.of(...UNSIGNED, ...A_SIGNED) };
