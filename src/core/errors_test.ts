// What a user reads: where a mistake is, and what was meant.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { BusFault, checkOptions, ConfigError, ConfigErrors, didYouMean, nearest } from "./errors.ts";
import { Random } from "../../tests/fuzz/random.ts";

Deno.test("a mistake is told with its file, line and key, as far as they are known", () => {
  const text = (...args: ConstructorParameters<typeof ConfigError>) => new ConfigError(...args).message;
  assertEquals(text("odd"), "odd");
  assertEquals(text("odd", { file: "a.toml" }), "a.toml: odd");
  assertEquals(text("odd", { file: "a.toml", line: 3 }), "a.toml:3: odd");
  assertEquals(text("odd", { line: 3, key: "cpu.isa" }), "cpu.isa: odd");
  assertEquals(text("odd", { file: "a.toml", line: 3, key: "cpu.isa" }), "a.toml:3: cpu.isa: odd");
  const one = new ConfigError("odd", { key: "x" }), all = new ConfigErrors([one, new ConfigError("even")]);
  assertEquals([one.name, one.problem, one.place, all.name, all.message, all.errors.length], [
    "ConfigError",
    "odd",
    { key: "x" },
    "ConfigErrors",
    "x: odd\neven",
    2,
  ]);
  const fault = new BusFault(0x1f00, "fetch");
  assertEquals([fault.name, fault.paddr, fault.access, fault.message], [
    "BusFault",
    0x1f00,
    "fetch",
    "fetch of 0x1f00: nothing is mapped there",
  ]);
});

/** By the definition: the fewest characters to insert, remove or replace. */
function distance(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  return Math.min(
    distance(a.slice(1), b) + 1,
    distance(a, b.slice(1)) + 1,
    distance(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1),
  );
}

Deno.test("what was meant is the first of the closest, two letters or a third of what was given away at most", () => {
  const random = new Random(3), word = (n: number) => Array.from({ length: n }, () => random.pick(["a", "b", "c"])).join("");
  let found = 0;
  for (let n = 0; n < 600; n++) {
    const given = word(n % 12 === 0 ? 7 : random.below(6)),
      names = Array.from({ length: 4 }, () => word(random.below(n % 12 === 0 ? 9 : 6)));
    const away = names.map((name) => name === "" ? Infinity : distance(given, name)), least = Math.min(...away);
    const due = given !== "" && least <= Math.max(2, Math.ceil(given.length / 3)) ? names[away.indexOf(least)] : undefined;
    assertEquals(nearest(given, names), due, `${given} of ${names}`);
    assertEquals(didYouMean(given, names), due === undefined ? "" : ` (did you mean '${due}'?)`);
    if (due !== undefined) found++;
  }
  assert(found > 100 && found < 500, `${found} found`);
});

Deno.test("options that nobody knows are refused with those that there are", () => {
  checkOptions("boot", { disk: 1, kernel: undefined }, ["disk", "kernel"]);
  const refused = (given: object, known: string[]) => assertThrows(() => checkOptions("boot", given, known), ConfigError).message;
  assertEquals(
    refused({ disk: 1, disks: 2 }, ["disk", "kernel"]),
    "boot: unknown option 'disks' (did you mean 'disk'?); there are disk, kernel",
  );
  assertEquals(refused({ x: 1 }, ["kernel"]), "boot: unknown option 'x'; there is kernel");
});
