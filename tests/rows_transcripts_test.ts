// What every instruction of both architectures does, and how it is written, against what it did when that was last looked at: a digest for each row,
// of cases drawn for it alone, in tests/golden/rows.txt. The fuzzers compare the same cases with real processors and QEMU, on hosts that have them;
// this is the quick net everywhere. Who changes a row on purpose writes it anew (`-- --update`) and runs the fuzzer for the rows that changed.
import { assert, assertEquals } from "@std/assert";
import { outcomes as riscvOutcomes } from "./fuzz/engine_fuzz.ts";
import { answers as riscvAnswers } from "./fuzz/riscv_rows_fuzz.ts";
import { outcomes as x86Outcomes } from "./fuzz/x86_programs_fuzz.ts";
import { answers as x86Answers } from "./fuzz/x86_rows_fuzz.ts";

const GOLDEN = new URL("golden/rows.txt", import.meta.url).pathname;

function digest(bytes: Uint8Array): number {
  let h = 0x811c9dc5;
  // Memories by words, which is faster.
  const all = bytes.length > 4096 ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : bytes;
  for (let i = 0; i < all.length; i++) h = Math.imul(h ^ all[i] ^ (h >>> 15), 0x01000193);
  return h;
}

const golden = new Set(Deno.readTextFileSync(GOLDEN).split("\n").filter(Boolean)),
  written: string[] = [],
  update = Deno.args.includes("--update");

for (
  const [name, rows] of [
    ["RV64", () => riscvAnswers(64, 12, digest)],
    ["RV32", () => riscvAnswers(32, 12, digest)],
    ["x86, 64-bit code", () => x86Answers(64, false, 20, digest)],
    ["x86, 32-bit code", () => x86Answers(32, true, 8, digest)],
    ["x86, 16-bit code", () => x86Answers(16, false, 8, digest)],
    ["x86, 64-bit code with segments", () => x86Answers(64, true, 4, digest)],
    // Random programs with interrupts, faults, remaps and changing code.
    ["RV64 programs", () => riscvOutcomes(64, 20, digest)],
    ["RV32 programs", () => riscvOutcomes(32, 20, digest)],
    ...(["real", "flat", "paged", "long"] as const).map((mode) => [`x86 programs, ${mode}`, () => x86Outcomes(mode, 30, digest)] as const),
  ] as const
) {
  Deno.test(`${name}: all is as it was`, () => {
    const lines = rows();
    written.push(...lines);
    assert(lines.length >= 20);
    if (!update) assertEquals(lines.filter((line) => !golden.has(line)), [], "not as in tests/golden/rows.txt");
  });
}

Deno.test("every line of tests/golden/rows.txt is of a row", () => {
  if (update) Deno.writeTextFileSync(GOLDEN, written.join("\n") + "\n");
  else assertEquals([...golden].sort(), written.sort());
});
