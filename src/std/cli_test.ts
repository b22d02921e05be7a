import { assertEquals } from "@std/assert";
import { parseArgs, type ParseOptions } from "./cli.ts";

const cases: [name: string, args: string[], options: ParseOptions, expected: Record<string, unknown>][] = [
  ["values by space, = and letter", ["--a", "1", "--b=2=3", "-cx", "-d", "y"], { string: ["a", "b", "c", "d"] }, {
    _: [],
    a: "1",
    b: "2=3",
    c: "x",
    d: "y",
  }],
  ["booleans take no value", ["-v", "file"], { boolean: ["v"] }, { _: ["file"], v: true }],
  ["booleans default to false", [], { boolean: ["v"] }, { _: [], v: false }],
  ["a string option without a value is empty", ["--a", "--b", "x"], { string: ["a", "b"] }, { _: [], a: "", b: "x" }],
  ["collect", ["--set", "a=1", "--set=b=2"], { string: ["set"], collect: ["set"] }, { _: [], set: ["a=1", "b=2"] }],
  ["collect is empty when absent", [], { string: ["set"], collect: ["set"] }, { _: [], set: [] }],
  ["aliases", ["-h"], { boolean: ["help"], alias: { h: "help" } }, { _: [], h: true, help: true }],
  ["default", ["--b", "2"], { string: ["a", "b"], default: { a: "1", b: "1" } }, { _: [], a: "1", b: "2" }],
  ["negatable", ["--no-color"], { boolean: ["color"], negatable: ["color"], default: { color: true } }, { _: [], color: false }],
  ["stopEarly", ["-v", "run", "-x"], { boolean: ["v"], stopEarly: true }, { _: ["run", "-x"], v: true }],
  ["-- ends the options", ["a", "--", "--b"], {}, { _: ["a", "--b"] }],
  ["-- apart", ["a", "--", "--b"], { "--": true }, { _: ["a"], "--": ["--b"] }],
  ["a lone dash is positional, a negative number a value", ["-", "--n", "-5"], { string: ["n"] }, { _: ["-"], n: "-5" }],
  ["grouped letters", ["-abc", "v"], { boolean: ["a", "b"], string: ["c"] }, { _: [], a: true, b: true, c: "v" }],
];

for (const [name, args, options, expected] of cases) {
  Deno.test(`parseArgs: ${name}`, () => assertEquals<Record<string, unknown>>(parseArgs(args, options), expected));
}

Deno.test("parseArgs: unknown sees undeclared options and positional arguments, and can drop them", () => {
  const seen: unknown[] = [];
  const args = parseArgs(["--who", "x", "pos", "--ok", "1"], {
    string: ["ok"],
    unknown: (arg, key) => (seen.push([arg, key]), key === undefined),
  });
  assertEquals(seen, [["--who", "who"], ["pos", undefined]]);
  assertEquals<Record<string, unknown>>(args, { _: ["pos"], ok: "1" });
});
