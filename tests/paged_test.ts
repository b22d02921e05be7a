// Real work of bare kernels in U-mode and ring 3, in each engine, against a model in TypeScript: copies over page ends, blocks, a hash, a sort,
// big numbers, byte code (tests/guests/README.md, `paged`). `tests/fuzz/paged_fuzz.ts` goes on with other seeds.
import { assertEquals } from "@std/assert";
import { CASES, runCase } from "./fuzz/paged_fuzz.ts";
import { pagedWork } from "./models/paged_work.ts";

const SEED = 20_240;
for (const row of CASES) {
  Deno.test(`work over permuted frames without privileges, ${row.name}: as on plain memory`, async () => {
    const { found, expected } = await runCase(row, SEED);
    assertEquals(found, expected);
  });
}

Deno.test("the model of the work gives what QEMU's guest printed", () => {
  for (const guest of ["rv64", "rv32", "x86_64", "x86_32"]) {
    assertEquals(pagedWork(), Deno.readTextFileSync(new URL(`guests/expected/paged.${guest}.txt`, import.meta.url)), guest);
  }
});
