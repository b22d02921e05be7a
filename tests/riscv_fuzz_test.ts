// A small dose of the RISC-V fuzzers; `tests/fuzz/*.ts` run by hand do millions.
import { assertEquals } from "@std/assert";
import { fuzzIr, fuzzPrograms } from "./fuzz/engine_fuzz.ts";
import { Random } from "./fuzz/random.ts";
import { fuzzBlocks } from "./fuzz/riscv_blocks_fuzz.ts";
import { fuzzRows } from "./fuzz/riscv_rows_fuzz.ts";

Deno.test("random IR: interpreter and JIT equal the evaluator", () => {
  assertEquals(fuzzIr(new Random(13), 40_000), 0);
});

for (const xlen of [64, 32] as const) {
  Deno.test(`random RV${xlen} programs: interpreter and JIT equal the evaluator`, () => {
    assertEquals(fuzzBlocks(xlen, 30_000, ["interp", "jit"], 11), 0);
  });

  Deno.test(`random RV${xlen} programs with interrupts, remaps and changing code: the JIT equals the interpreter`, () => {
    assertEquals(fuzzPrograms(new Random(13), 150_000, xlen), 0);
  });

  Deno.test(`random RV${xlen} instructions equal QEMU's`, async () => {
    const differ = await fuzzRows(xlen, 4000, "", 12);
    if (differ === undefined) console.log(`skipped: qemu-riscv${xlen} is not installed`);
    else assertEquals(differ, 0);
  });
}
