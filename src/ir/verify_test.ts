// What IR must be, rule by rule: each broken in the least way that breaks it, and IR that just keeps it.
import { assertEquals, assertThrows } from "@std/assert";
import type { Ir } from "./builder.ts";
import { OP, OPS } from "./ops.ts";
import { parseIr } from "./parse.ts";
import { verifyIr } from "./verify.ts";

const GOOD = `insn 0
v1 = const.i 0x1
v2 = get.l [0xfffc]
v3 = add.l v2, v2
v4 = call 1, v2, v3
set.l [0x0], v4
insn 4
v7 = get.l [0x1008]
v8 = wrap v7
callEndUnless 2, v8, v7
v10 = callUnless 2, v8, v7, v7, v7, v7
jumpTo v10`;

/** What is wrong with the good IR when it is changed. */
const wrong = (change: (ir: Ir & { count: number }) => void, pass?: string) => {
  const ir = parseIr(GOOD) as Ir & { count: number };
  change(ir);
  return (assertThrows(() => verifyIr(ir, pass), Error) as Error).message;
};

Deno.test("IR that keeps every rule is taken; so is each optional operand that is not there", () => {
  verifyIr(parseIr(GOOD));
  for (let n = 0; n <= 4; n++) {
    verifyIr(parseIr(`insn 0\nv1 = get.l [0x1000]\nv2 = wrap v1\ncallEndUnless 1, ${["v2", ...Array(n).fill("v1")].join(", ")}\njump 0x8`));
    verifyIr(parseIr(`insn 0\nv1 = get.l [0x1000]\nv2 = call ${["1", ...Array(n).fill("v1")].join(", ")}\ncallEnd 1`));
  }
});

Deno.test("what breaks a rule is told with its operation, its row and the pass", () => {
  assertEquals(
    [
      wrong((ir) => ir.op[3] = OPS.length, "fold"),
      wrong((ir) => ir.op[0] = OP["ticks"]),
      wrong((ir) => ir.a[3] = 0),
      wrong((ir) => ir.b[3] = 3),
      wrong((ir) => ir.b[3] = 9),
      wrong((ir) => ir.b[3] = -1),
      wrong((ir) => ir.a[3] = 1),
      wrong((ir) => ir.a[8] = 6),
      wrong((ir) => ir.a[8] = 4),
      wrong((ir) => ir.a[8] = -1),
      wrong((ir) => ir.a[9] = -1),
      wrong((ir) => ir.a[9] = 7),
      wrong((ir) => ir.b[9] = 8),
      wrong((ir) => ir.b[10] = -1),
      wrong((ir) => ir.c[10] = -2),
      wrong((ir) => ir.e[10] = 8),
      wrong((ir) => ir.lo[2] = 0xfffe),
      wrong((ir) => ir.lo[2] = 0xfffd),
      wrong((ir) => ir.lo[5] = 0x1_0000),
      wrong((ir) => ir.lo[5] = -4),
      wrong((ir) => ir.op[9] = OP["jump"]),
      wrong((ir) => ir.count = 11),
    ].map((message) => message.replace("IR behind builder: operation ", "")),
    [
      `IR behind fold: operation 3, ${OPS.length}: no such row`,
      "0, ticks: before the first instruction",
      "3, add.l: operand 0 is value 0, which is not before it in its instruction",
      "3, add.l: operand 1 is value 3, which is not before it in its instruction",
      "3, add.l: operand 1 is value 9, which is not before it in its instruction",
      "3, add.l: operand 1 is value -1, which is not before it in its instruction",
      "3, add.l: operand 0 is const.i, 'l' is due",
      "8, wrap: operand 0 is value 6, which is not before it in its instruction",
      "8, wrap: operand 0 is value 4, which is not before it in its instruction",
      "8, wrap: operand 0 is value -1, which is not before it in its instruction",
      "9, callEndUnless: operand 0 is value -1, which is not before it in its instruction",
      "9, callEndUnless: operand 0 is get.l, 'i' is due",
      "9, callEndUnless: operand 1 is wrap, 'l' is due",
      "10, callUnless: operand 1 is value -1, which is not before it in its instruction",
      "10, callUnless: operand 2 is value -2, which is not before it in its instruction",
      "10, callUnless: operand 4 is wrap, 'l' is due",
      "2, get.l: slot 65534",
      "2, get.l: slot 65533",
      "5, set.l: slot 65536",
      "5, set.l: slot -4",
      "9, jump: not the last one",
      "10, callUnless: does not end the block",
    ],
  );
});
