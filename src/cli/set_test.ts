import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { parseSet } from "./set.ts";

Deno.test("--set: the first equals sign parts key and value, and a key is set once", () => {
  assertEquals(parseSet([]), {});
  assertEquals(parseSet(["memory.dram.size=2GiB", "boot.cmdline=a=b", "x="]), { "memory.dram.size": "2GiB", "boot.cmdline": "a=b", x: "" });
  for (const pair of ["harts", "=1", ""]) assertThrows(() => parseSet([pair]), ConfigError, `--set ${pair}: expected KEY=VALUE`);
  assertThrows(() => parseSet(["a=1", "b=1", "a=1"]), ConfigError, "--set: a is set twice");
  assertEquals(Object.keys(parseSet(["toString=1"])), ["toString"], "what every object has is not set");
});
