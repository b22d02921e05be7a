// A short run of the rows' fuzzer against the processor of the host, where that is AMD's, which the corner cases follow (a bsf of zero, C1 after fcomi),
// has every extension, and runs Linux.
import { assertEquals } from "@std/assert";
import { Random } from "./fuzz/random.ts";
import { fuzzX86Programs } from "./fuzz/x86_programs_fuzz.ts";
import { run, runEngine, runsHere } from "./fuzz/x86_rows_fuzz.ts";

function suitable(): boolean {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return false;
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  return info.includes("AuthenticAMD") && ["bmi1", "bmi2", "adx", "movbe", "abm", "sse4_2"].every((f) => info.includes(` ${f}`));
}

Deno.test({ name: "x86 rows do what the host's processor does: single instructions and straight lines", ignore: !suitable() }, async () => {
  const directory = Deno.makeTempDirSync();
  try {
    assertEquals(await run({ code: 64, segmented: false, cases: 6000, length: 1, rows: /./, command: "", seed: 20 }, directory), 0);
    assertEquals(await run({ code: 64, segmented: false, cases: 2000, length: 8, rows: /./, command: "", seed: 21 }, directory), 0);
    for (const code of [32, 16] as const) {
      if (!await runsHere(code, directory)) {
        console.log(`${code}-bit code is not compared: the kernel does not run it`);
        continue;
      }
      assertEquals(await run({ code, segmented: false, cases: 4000, length: 1, rows: /./, command: "", seed: 25 }, directory), 0);
      assertEquals(await run({ code, segmented: false, cases: 1000, length: 8, rows: /./, command: "", seed: 26 }, directory), 0);
      // What only they have, and what depends on the widths of stack and operand: thoroughly.
      const rows = /^(pusha|popa|push|pop|enter|leave|call|ret|daa|das|aa[asmd]|inc|dec) /;
      assertEquals(await run({ code, segmented: false, cases: 4000, length: 1, rows, command: "", seed: 27 }, directory), 0);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("compiled code does not keep to the pages that it remembers when POPF asks for alignment", () => {
  assertEquals(fuzzX86Programs(new Random(1727349962), 1, "long"), 0);
});

// POPFD that sets TF, then a jump whose IP wraps: the first helper of that instruction asks for the trap, the second one sets the pc.
Deno.test("compiled code traps behind a jump that is stepped over and wraps", () => {
  assertEquals(fuzzX86Programs(new Random(-1729253902), 1, "flat"), 0);
});

Deno.test("POPF that sets TF ends its block also where numbers of contexts begin again", () => {
  for (const seed of [-859886676, -1106358840]) assertEquals(fuzzX86Programs(new Random(seed), 1, "paged"), 0);
});

Deno.test("the interpreter and compiled code do with x86 rows what the evaluator does", () => {
  for (const code of [64, 32, 16] as const) {
    assertEquals(runEngine({ code, segmented: false, cases: 1500, length: 1, rows: /./, command: "", seed: 22 }), 0);
    assertEquals(runEngine({ code, segmented: false, cases: 500, length: 8, rows: /./, command: "", seed: 23 }), 0);
  }
});

for (const mode of ["real", "flat", "paged", "long"] as const) {
  Deno.test(`random x86 programs, ${mode}: compiled code does what the interpreter does, at every instruction that is looked at`, () => {
    assertEquals(fuzzX86Programs(new Random(24), 30_000, mode), 0);
  });
}
