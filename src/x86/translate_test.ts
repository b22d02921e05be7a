import { assert, assertEquals } from "@std/assert";
import { type Builder, printIr } from "../ir/builder.ts";
import { conditionOf, readStatus, writeStatus } from "./flags.ts";
import { H } from "./helpers.ts";
import { CF, ZF } from "./registers.ts";
import { FPU_EMPTY, MODE_CPL_SHIFT, MODE_OSFXSR, MODE_TF, MODE_TS, SEG_BASE, SEG_READ_TOP, SEG_WRITE_TOP } from "./slots.ts";
import { Bench, bytesOf, FLAT32, LONG, REAL } from "./testing/bench.ts";
import { translateBlock } from "./translate.ts";

const operations = (b: Builder, name: RegExp) => printIr(b).split("\n").filter((l) => name.test(l)).length;

Deno.test("flags that nobody looks at are not recorded; comparisons go into the branch", () => {
  const b = new Bench();
  // add eax, ecx; sub edx, ecx; and ebx, edx; cmp eax, ebx; jb: only cmp records, and there is no helper call.
  const ir = b.translate("01 c8 29 ca 21 d3 39 d8 72 10 f4", FLAT32);
  assertEquals(operations(ir, /set\.i \[0x1258\]/), 1);
  assertEquals(operations(ir, /ltU\.i/), 1);
  assertEquals(operations(ir, /^v?\d* ?=? ?call /), 0);
  // With a load in between, add must be recorded: the load may fault.
  assertEquals(operations(b.translate("01 c8 3b 03 72 10 f4", FLAT32), /set\.i \[0x1258\]/), 2);
});

Deno.test("conditions of a record whose kind is known are those of its flags", () => {
  const known = new Bench(), apart = new Bench();
  // add, or, adc, sbb, and, sub, xor, cmp, test eAX, eCX; inc, dec, neg eAX; shl, shr, sar eAX, 1 and by 3; mul, imul eCX; imul eAX, eCX; shld, shrd.
  const codes = [0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85].map((o) => [o, 0xc8]);
  codes.push([0xff, 0xc0], [0xff, 0xc8], [0xf7, 0xd8], [0xd1, 0xe0], [0xd1, 0xe8], [0xd1, 0xf8], [0xc1, 0xe0, 3], [0xc1, 0xe8, 3], [
    0xc1,
    0xf8,
    3,
  ]);
  codes.push([0xf7, 0xe1], [0xf7, 0xe9], [0x0f, 0xaf, 0xc1], [0x0f, 0xa4, 0xc8, 5], [0x0f, 0xac, 0xc8, 5]);
  const edges = [
    0n,
    1n,
    2n,
    0x7fn,
    0x80n,
    0xffn,
    0x7fffn,
    0x8000n,
    0xffffn,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_ffffn,
    1n << 63n,
    (1n << 64n) - 1n,
  ];
  const text = (bytes: readonly number[]) => bytes.map((b) => b.toString(16).padStart(2, "0")).join(" ");
  let state = 5;
  const random = (n: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n;
  const flags = [0, CF, ZF, CF | ZF, 0x8d5];
  for (let n = 0; n < 12000; n++) {
    const mode = n & 1 ? LONG : FLAT32, code = codes[random(codes.length)], cc = random(16), bytes = [...code];
    // Operands of 8, 16, 32 and 64 bits.
    const size = random(mode === LONG ? 4 : 3);
    if (size === 0 && code[0] !== 0x0f) bytes[0] &= ~1;
    else if (size === 1) bytes.unshift(0x66);
    else if (size === 3) bytes.unshift(0x48);
    // Half of them with inc esi in between: it leaves CF alone.
    const step = random(2) ? [[0xff, 0xc6]] : [],
      before = flags[random(flags.length)],
      values = [0, 1, 6].map(() => edges[random(edges.length)]);
    for (const b of [known, apart]) {
      [0, 1, 6].forEach((r, i) => b.reg(r, values[i]));
      b.reg(3, 0n);
      writeStatus(b.i32, before);
    }
    // setcc bl
    known.run(text([...bytes, ...step.flat(), 0x0f, 0x90 + cc, 0xc3, 0xf4]), mode, 0x1000, 2 + step.length);
    for (const one of [bytes, ...step]) apart.run(text([...one, 0xf4]), mode, 0x1000, 1);
    const message = `${text(bytes)}, ${step.length} steps, condition ${cc}, ${values}, flags ${before}, mode ${mode}`;
    assertEquals(known.reg(3), BigInt(conditionOf(readStatus(apart.i32), cc)), message);
    assertEquals(readStatus(known.i32), readStatus(apart.i32), message);
  }
});

Deno.test("partial registers, and 32-bit results that clear the upper half in 64-bit mode only", () => {
  const b = new Bench(), all = 0x1111_2222_3333_4444n;
  b.reg(0, all);
  b.run("b4 55 f4", LONG, 0x1000, 1); // mov ah, 0x55
  assertEquals(b.reg(0), 0x1111_2222_3333_5544n);
  b.run("66 b8 34 12 f4", LONG, 0x1000, 1); // mov ax, 0x1234
  assertEquals(b.reg(0), 0x1111_2222_3333_1234n);
  b.run("83 c0 01 f4", FLAT32, 0x1000, 1); // add eax, 1
  assertEquals(b.reg(0), 0x1111_2222_3333_1235n);
  b.run("83 c0 01 f4", LONG, 0x1000, 1);
  assertEquals(b.reg(0), 0x3333_1236n);
});

Deno.test("a repeated string instruction is one iteration per entry and can be restarted after a fault", () => {
  const b = new Bench();
  b.map(0x2000, [1, 2, 3, 4]);
  b.map(0x3000, [0, 0, 0]); // the fourth byte of the destination is missing
  b.reg(1, 4n);
  b.reg(6, 0x2000n);
  b.reg(7, 0x3000n);
  let exit = b.run("f3 a4", LONG, 0x1000, 1); // rep movsb
  assertEquals([exit.kind, exit.pc, exit.insns, b.reg(1)], ["next", 0x1000n, 1, 3n]);
  b.run("f3 a4", LONG, 0x1000, 1);
  b.run("f3 a4", LONG, 0x1000, 1);
  exit = b.run("f3 a4", LONG, 0x1000, 1);
  assertEquals([exit.kind, b.reg(1), b.reg(6), b.reg(7)], ["fault", 1n, 0x2003n, 0x3003n]);
  b.map(0x3003, [0]);
  exit = b.run("f3 a4", LONG, 0x1000, 1);
  assertEquals([exit.pc, b.reg(1), [...b.memory.values()].slice(4)], [0x1002n, 0n, [1, 2, 3, 4]]);
  exit = b.run("f3 a4", LONG, 0x1000, 1); // nothing left to do
  assertEquals([exit.pc, b.reg(7)], [0x1002n, 0x3004n]);
});

Deno.test("a block of large instructions ends before the builder is full, with the flags of its end recorded", () => {
  const b = new Bench(), line = "01 c8 " + "60 ".repeat(20); // add eax, ecx; pusha, 20 times
  const ir = b.translate(line.repeat(3).trim(), REAL);
  assert(ir.count < 8192 && ir.insns > 20 && ir.insns < 63, `${ir.count} operations, ${ir.insns} instructions`);
  const { insns } = ir, text = printIr(ir);
  assertEquals(text, printIr(b.translate(line.repeat(3).trim(), REAL, 0x1000, insns)));
  // Levels beyond all reason: one instruction of a thousand operations.
  assertEquals(b.translate("c8 10 00 1f f4", REAL, 0x1000, 1).insns, 1);
});

Deno.test("a fault leaves registers and flags as they were", () => {
  const b = new Bench();
  writeStatus(b.i32, CF | ZF);
  b.reg(0, 5n);
  b.reg(3, 0x9000n);
  b.reg(4, 0x8000n);
  // add [rbx], eax; pop [rbx] with a stack that is there; push rax with one that is not; xadd [rbx], eax
  b.map(0x8000, [1, 2, 3, 4, 5, 6, 7, 8]);
  for (const hex of ["01 03", "8f 03", "0f c1 03", "d1 23"]) {
    assertEquals(b.run(hex, LONG, 0x1000, 1).kind, "fault", hex);
    assertEquals([b.reg(0), b.reg(4), readStatus(b.i32)], [5n, 0x8000n, CF | ZF], hex);
  }
  b.reg(4, 0x7000n);
  assertEquals(b.run("50", LONG, 0x1000, 1).kind, "fault");
  assertEquals(b.reg(4), 0x7000n);
  // Of two instructions the first has happened, flags and all.
  assertEquals(b.run("ff c8 01 03", LONG, 0x1000, 2).pc, 0x1002n); // dec eax; add [rbx], eax
  assertEquals([b.reg(0), readStatus(b.i32) & CF], [4n, CF]);
  // Division faults by their helper.
  b.reg(1, 0n);
  assertEquals(b.run("f7 f1", LONG, 0x1000, 1).kind, "fault");
  assertEquals(b.faults, [0]);
});

Deno.test("segments: the base is added, the limit is checked by the helper, and 16-bit offsets wrap", () => {
  const b = new Bench(),
    top = (n: number, v: bigint) => [SEG_READ_TOP(n), SEG_WRITE_TOP(n)].forEach((s) => b.slots.setBigUint64(s, v, true));
  for (let n = 0; n < 6; n++) top(n, 0x1_0000n);
  b.slots.setBigUint64(SEG_BASE(3), 0x1_2340n, true);
  b.map(0x1_2340 + 0x0004, [0x78, 0x56]);
  b.reg(3, 0x8000n);
  b.reg(6, 0x8000n);
  b.run("8b 40 04", REAL, 0x1000, 1); // mov ax, [bx+si+4]
  assertEquals(b.reg(0), 0x5678n);
  b.reg(3, 0xffffn);
  b.reg(6, 0n);
  assertEquals(b.run("8b 00", REAL, 0x1000, 1).kind, "fault"); // the word at 0xffff crosses the limit
  assertEquals(b.calls, [`segRead ${0x1_2340 + 0xffff} ${0xffff} ${3 | 2 << 8}`]);
  // A jump wraps in its 64 KiB, wherever CS begins.
  b.slots.setBigUint64(SEG_BASE(1), 0x1_0000n, true);
  b.slots.setInt32(0x18c0, 0xffff, true);
  assertEquals(b.run("eb 80", REAL, 0x1_0010, 1).pc, 0x1_ff92n);
  b.reg(1, 2n);
  assertEquals([b.run("e2 80", REAL, 0x1_0010, 1).pc, b.reg(1)], [0x1_ff92n, 1n]); // loop
  assertEquals([b.run("e2 80", REAL, 0x1_0010, 1).pc, b.reg(1)], [0x1_0012n, 0n]);
  // One that does not wrap needs no helper, and the block goes on behind a condition.
  b.calls.length = 0;
  assertEquals(b.run("eb 10", REAL, 0x1_0010, 1).pc, 0x1_0022n);
  assertEquals(b.run("e3 10", REAL, 0x1_0010, 1).pc, 0x1_0022n);
  assertEquals(b.calls, []);
  assertEquals(operations(b.translate("74 10 75 10 eb 80", REAL), /^branch/), 2);
  // Beyond the limit: the fault comes first, and changes nothing.
  b.slots.setInt32(0x18c0, 0x1f, true);
  b.reg(1, 2n);
  assertEquals([b.run("e2 10", REAL, 0x1_0010, 1).kind, b.reg(1)], ["fault", 2n]);
});

Deno.test("what the mode forbids is an exception", () => {
  const raised = (hex: string, mode: number) => {
    const b = new Bench();
    b.run(hex, mode, 0x1000, 1);
    return b.calls[0];
  };
  const user = LONG | (3 << MODE_CPL_SHIFT);
  assertEquals(raised("0f 30", user), "exception 13 0 4096"); // wrmsr
  assertEquals(raised("f4", user), "exception 13 0 4096"); // hlt
  assertEquals(raised("0f 00 d8", REAL), "exception 6 -1 4096"); // ltr
  assertEquals(raised("d9 e8", LONG | MODE_TS), "exception 7 -1 4096"); // fld1
  assertEquals(raised("0f 58 c1", LONG & ~MODE_OSFXSR), "exception 6 -1 4096"); // addps
  assertEquals(raised("0f 58 c1", LONG | MODE_TS), "exception 7 -1 4096");
  assertEquals(raised("0f 0b", LONG), "exception 6 -1 4096");
  assertEquals(raised("66 ".repeat(15) + "90", FLAT32), "exception 13 0 4096");
  assert(raised("90", LONG | MODE_TF).startsWith("step 4096"));
});

Deno.test("an instruction that crosses into the next page is a block of its own", () => {
  const b = new Bench(), bytes = Uint8Array.from(bytesOf("90 b8 78 56 00 00 00 00 34 12 f4")), asked: number[] = [];
  const code = { bytes, at: 0, limit: 4, next: () => (asked.push(1), 8) };
  b.builder.reset(0x1ffc, 0);
  translateBlock(b.builder, code, 64, FLAT32);
  assertEquals([b.builder.insns, asked.length], [1, 0]); // nop alone; mov is cut
  b.builder.reset(0x1ffd, 0);
  translateBlock(b.builder, { ...code, at: 1, limit: 3 }, 64, FLAT32);
  assertEquals([b.builder.insns, asked.length], [1, 1]);
  assert(printIr(b.builder).includes("const.i 0x12345678"));
  b.builder.reset(0x1ffd, 0);
  translateBlock(b.builder, { ...code, at: 1, limit: 3, next: () => -1 }, 64, FLAT32);
  assert(printIr(b.builder).includes(`callEnd ${H.fetchFault}`));
});

Deno.test("MMX instructions take over the x87 registers only when they succeed", () => {
  const b = new Bench();
  b.slots.setInt32(FPU_EMPTY, 0xff, true);
  b.reg(3, 0x9000n);
  assertEquals(b.run("0f 6f 03", LONG, 0x1000, 1).kind, "fault"); // movq mm0, [rbx]
  assertEquals(b.slots.getInt32(FPU_EMPTY, true), 0xff);
  b.map(0x9000, [1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(b.run("0f 6f 03", LONG, 0x1000, 1).kind, "next");
  assertEquals(b.slots.getInt32(FPU_EMPTY, true), 0);
});
