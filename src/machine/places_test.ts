// Free places in memory, byte by byte: what is chosen is what a search of every address finds, also where things touch each other.
import { assert, assertEquals } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { Places, type Range, type Wish } from "./places.ts";

const BYTES = 40;

Deno.test("the lowest and the highest free place are what a search of every address finds", () => {
  const random = new Random(5);
  let none = 0, touching = 0;
  for (let round = 0; round < 4000; round++) {
    const range = (most: number): Range => ({ base: random.below(BYTES), length: 1 + random.below(most) });
    const ram = [range(30)], taken = Array.from({ length: random.below(4) }, () => range(6));
    if (random.one(2)) ram.push({ base: ram[0].base + ram[0].length + random.below(3), length: 1 + random.below(10) });
    const length = 1 + random.below(8),
      wish: Wish = {
        align: random.pick([1, 1, 2, 4, 8]),
        ...(random.one(2) && { from: random.below(BYTES) }),
        ...(random.one(2) && { below: random.below(BYTES + 10) }),
      };
    const places = new Places(ram, taken), has = (r: Range, at: number) => at >= r.base && at < r.base + r.length;
    const fits: number[] = [];
    for (let at = 0; at < 2 * BYTES; at++) {
      const bytes = Array.from({ length }, (_, i) => at + i), free = bytes.every((b) => !taken.some((t) => has(t, b)));
      assertEquals(places.touched(at, length) === undefined, free);
      const inOne = ram.some((r) => bytes.every((b) => has(r, b)));
      if (free && inOne && at % wish.align! === 0 && at >= (wish.from ?? 0) && at + length <= (wish.below ?? Infinity)) fits.push(at);
    }
    const what = Deno.inspect({ ram, taken, length, wish });
    assertEquals(places.lowest(length, wish), fits[0], `lowest: ${what}`);
    assertEquals(places.highest(length, wish), fits.at(-1), `highest: ${what}`);
    if (!fits.length) none++;
    else if (places.touched(fits[0] - 1, 1)) touching++;
  }
  assert(none > 100 && touching > 100, `${none} without a place, ${touching} beside something`);
});
