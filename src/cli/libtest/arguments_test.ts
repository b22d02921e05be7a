// The command line of a test program: which cases it chooses. Source: the rustc book, "Tests", CLI arguments.
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { choose, type Given, readLibtest, selects } from "./arguments.ts";

const CASES = ["b::two", "a", "b::one", "b", "c::slow", "c::should_panic"].map((name) => ({
  name,
  ignored: name === "c::slow" || name === "b::one",
  shouldPanic: name === "c::should_panic",
}));
const given = (line: string): Given =>
  line.split(" ").filter(Boolean).map((arg) => {
    const [, name, value = ""] = /^--([^=]+)=?(.*)$/.exec(arg) ?? [];
    return [name, name === undefined ? arg : value];
  });
/** Chosen cases; one that is told of as ignored in brackets. */
const chosen = (line: string) => choose(readLibtest(given(line)), CASES).map((c) => c.ignored ? `(${c.name})` : c.name).join(" ");

Deno.test("filters are parts of names, any of which is enough, and whole names with --exact; --skip goes the same way", () => {
  assertEquals(chosen(""), "a b (b::one) b::two c::should_panic (c::slow)");
  assertEquals(chosen("b"), "b (b::one) b::two");
  assertEquals(chosen("two slow"), "b::two (c::slow)");
  assertEquals(chosen("--exact b"), "b");
  assertEquals(chosen("--exact b:: a"), "a");
  assertEquals(chosen("--skip=b"), "a c::should_panic (c::slow)");
  assertEquals(chosen("--skip=b --exact"), "a (b::one) b::two c::should_panic (c::slow)");
  assertEquals(chosen("b --skip=one --skip=two"), "b");
  assertEquals(chosen("nothing"), "");
});

Deno.test("ignored cases are left out of a run, are the whole run, or are run as well; those that should panic may be left out", () => {
  assertEquals(chosen("--ignored"), "b::one c::slow");
  assertEquals(chosen("--include-ignored c"), "c::should_panic c::slow");
  assertEquals(chosen("--exclude-should-panic c"), "(c::slow)");
  assertEquals(chosen("--ignored --exact a"), "");
});

Deno.test("formats and what goes wrong", () => {
  const format = (line: string) => readLibtest(given(line)).format,
    said = (line: string) => assertThrows(() => format(line), ConfigError).message;
  assertEquals(["", "--quiet", "--format=terse", "--format=json", "--format=junit"].map(format), [
    "pretty",
    "terse",
    "terse",
    "json",
    "junit",
  ]);
  assertEquals(said("--format=jsn"), "--format: expected pretty, terse, json, junit, got 'jsn' (did you mean 'json'?)");
  assertEquals(said("--format=json --quiet"), "--quiet and --format exclude each other");
  assertEquals(said("--ignored --include-ignored"), "--ignored and --include-ignored exclude each other");
  assertEquals(said("--test-threads=0"), "--test-threads: expected a number of at least 1, got '0'");
  assertEquals(said("--color=red"), "--color: expected auto, always, never, got 'red'");
  const { capture, showOutput, color, list } = readLibtest(given("--nocapture --show-output --color=never --list --test-threads=1"));
  assertEquals([capture, showOutput, color, list], [false, true, "never", true]);
  assertEquals(["--nocapture --quiet --test-threads=1", "x", "--list"].map((line) => selects(given(line))), [false, true, true]);
});
