import { assert, assertEquals } from "@std/assert";
import { Later, LISTS, load } from "./later.ts";
import { silent } from "./log.ts";

Deno.test("a module that is loaded later is told of once, before anybody finds it there", async () => {
  const later = new Later<typeof import("./irq.ts")>("core/irq.ts"), told: unknown[] = [];
  later.onLoad = (module) => told.push([module.Wire.name, later.now]);
  assertEquals(later.now, undefined);
  const modules = [...await Promise.all([later.load(), later.load()]), await later.load()];
  assertEquals(told, [["Wire", undefined]]);
  for (const module of modules) assert(module === later.now);
});

Deno.test("a module with a list is loaded by it and is the same to whoever imports it", async () => {
  for (const path of Object.keys(LISTS)) {
    const listed = await load<object>(path), itself = await import(`../${path}`);
    for (const name of Object.keys(itself)) assert(itself[name] === (listed as typeof itself)[name], `${path}: ${name}`);
  }
});

Deno.test("no channel is on where nobody listens", () => {
  assertEquals(silent.on("advice"), false);
});
