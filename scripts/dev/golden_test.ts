import { assert, assertEquals } from "@std/assert";
import { changes, tests } from "./golden.ts";

Deno.test("golden: the lines that are gone and those that are new, the first of them shown", () => {
  assertEquals(changes("g.txt", "a\nb\nc\n", "a\nb\nc\n"), []);
  assertEquals(changes("g.txt", "a\nb\nc\n", "a\nx\ny\nc\n", 1), ["g.txt: 1 lines are gone, 2 are new", "  - b", "  + x"]);
});

Deno.test("golden: every test that can be asked to write is found", () => {
  const found = tests();
  for (
    const path of [
      "src/engine/jit_test.ts",
      "tests/ir_test.ts",
      "tests/transcripts_test.ts",
      "src/firmware/bios/answers_test.ts",
      "src/engine/passes/property_test.ts",
    ]
  ) {
    assert(found.includes(path), path);
  }
});
