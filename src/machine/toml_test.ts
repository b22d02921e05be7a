// Positions of keys in TOML text, and the integers that a number cannot hold.
import { assertEquals, assertThrows } from "@std/assert";
import { ConfigErrors } from "../core/errors.ts";
import { isUnsafe, readToml, type TomlNode, type TomlTable } from "./toml.ts";

/** Every value of a tree as "key line text". */
function places(table: TomlTable): string[] {
  return [...table.values()].flatMap(function spots(node: TomlNode): string[] {
    const here = `${node.place.key} ${node.place.line} ${node.text}`.trim();
    if (node.value instanceof Map) return [here, ...places(node.value)];
    return Array.isArray(node.value) ? [here, ...node.value.flatMap(spots)] : [here];
  });
}

Deno.test("every key knows its line and how its value was written", () => {
  const text = `# a comment with a = 1
top = 0x1_0 # another
"quoted key" = 'literal # no comment'
dotted . inner = true

[table]
list = [ 1, # one
  "two, ]", [ 3,
  4 ], ]
inline = { a = 1, b = { c = "}" } }
many = """
line = 2
\\"""" # still the text above
after = 2026-01-01 00:00:00Z
[table.sub."x.y"]
k = 1.5
[[rows]]
n = 1
[[rows]]
n = 2
[rows.deep]
m = '''
raw'''
last = "\\\\"
`;
  assertEquals(places(readToml(text, "f")), [
    "top 2 0x1_0",
    `"quoted key" 3 'literal # no comment'`,
    "dotted 4",
    "dotted.inner 4 true",
    "table 6",
    "table.list 7",
    "table.list[0] 7 1",
    'table.list[1] 8 "two, ]"',
    "table.list[2] 8",
    "table.list[2][0] 8 3",
    "table.list[2][1] 9 4",
    "table.inline 10",
    "table.inline.a 10 1",
    "table.inline.b 10",
    'table.inline.b.c 10 "}"',
    'table.many 11 """\nline = 2\n\\""""',
    "table.after 14 2026-01-01 00:00:00Z",
    "table.sub 15",
    'table.sub."x.y" 15',
    'table.sub."x.y".k 16 1.5',
    "rows 17",
    "rows[0] 17",
    "rows[0].n 18 1",
    "rows[1] 19",
    "rows[1].n 20 2",
    "rows[1].deep 21",
    "rows[1].deep.m 22 '''\nraw'''",
    'rows[1].deep.last 24 "\\\\"',
  ]);
});

Deno.test("lines are right with CRLF, too", () => {
  assertEquals(places(readToml("a = 1\r\n[t]\r\nb = 2\r\n", "f")), ["a 1 1", "t 2", "t.b 3 2"]);
});

Deno.test("integers of more than 53 bits are found in every notation; other values are left alone", () => {
  for (const text of ["9007199254740992", "-9_007_199_254_740_993", "0xffff_ffff_ffff_ffff", "0o777777777777777777777"]) {
    assertEquals(isUnsafe(text), true, text);
  }
  for (const text of ["9007199254740991", "0x1f_ffff_ffff_ffff", "1e300", '"0xffffffffffffffff"', "true", "2026-01-01", "_", "0x_"]) {
    assertEquals(isUnsafe(text), false, text);
  }
});

Deno.test("all rounded integers are reported, each at its place", () => {
  const text = `a = 1\nb = 0xffff_ffff_ffff_ffff\n[t]\nc = { d = [0, 99999999999999999999] }\n`;
  const e = assertThrows(() => readToml(text, "f"), ConfigErrors);
  assertEquals(e.errors.map((e) => [e.place.line, e.place.key]), [[2, "b"], [4, "t.c.d[1]"]]);
});

Deno.test("what is not TOML is one error with its line", () => {
  for (
    const [text, line] of [["a = \n", 1], ["a = 1\nb = [1,\n", 3], ["[a]\nx = 1\n[a]\n", 3], ["a = 1\n= 2", 2], ['a = "\n"', 1], [
      "a = {",
      1,
    ]] as const
  ) {
    const e = assertThrows(() => readToml(text, "f"), ConfigErrors);
    assertEquals([e.errors.length, e.errors[0].place.file], [1, "f"], text);
    // The parser may place an unfinished value at its start or at its end.
    assertEquals(Math.abs(e.errors[0].place.line! - line) <= 1, true, `${text}: line ${e.errors[0].place.line}`);
  }
});
