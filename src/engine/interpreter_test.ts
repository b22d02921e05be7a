// The interpreter by a property: random IR, selected as blocks, does what the evaluator does with it.
import { printIr } from "../ir/builder.ts";
import { LEFT } from "./interpreter.ts";
import { Covered, MORE } from "../../tests/covered.ts";
import { Dice, randomRegion, randomState } from "./testing/random_region.ts";
import { compareInterpreter } from "./testing/regions.ts";

Deno.test("random blocks: micro-ops do what the evaluator does, whatever the budget and wherever they are entered", () => {
  const covered = new Covered();
  for (let seed = 1; seed <= 120 * MORE; seed++) {
    const r = new Dice(seed), nodes = randomRegion(seed, { words: r.one(2), accesses: r.one(2), calls: r.one(2), constants: r.one(3) });
    try {
      for (const { reason, uops, ...counts } of compareInterpreter(nodes, 1 + r.below(90), [1, 2, 3].map(() => randomState(r)))) {
        for (const [what, n] of Object.entries(counts)) covered.count(what, n);
        covered.count(`left by ${Object.keys(LEFT)[reason]}`);
        covered.made(uops);
      }
    } catch (e) {
      throw new Error(`seed ${seed}: ${(e as Error).message}\n${nodes.map((n, i) => `node ${i}\n${printIr(n.ir)}`).join("\n")}`);
    }
  }
  covered.atLeast({ lookups: 30, unlinked: 200, slow: 350, "left by budget": 50, "left by fault": 150, "left by unlinked": 60 });
  covered.golden("interpreter");
});
