// Positions of keys in TOML text, and the integers that a number cannot hold.
import { assertEquals, assertThrows } from "@std/assert";
import { parse } from "@std/toml";
import { ConfigErrors } from "../core/errors.ts";
import { isUnsafe, type Node, readToml, type Table } from "./toml.ts";

/** Every value of a tree as "key line text". */
function places(table: Table): string[] {
  return [...table.values()].flatMap(function spots(node: Node): string[] {
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

/** Documents, right and wrong ones: what an independent parser makes of them is the oracle. */
const DOCUMENTS = [
  `a = 0\nb = -0\nc = +17\nd = 1_000\ne = 0xDEAD_beef\nf = 0o17\ng = 0b1_01\nh = 9007199254740991`,
  ...["01", "1__0", "_1", "1_", "0x", "-0x1", "0xg", "1.", ".5", "1.e5", "0b2", "+", "1 2", "0_1"].map((n) => `a = ${n}`),
  `a = 1.5\nb = -0.0\nc = 5e+22\nd = 6.626e-34\ne = inf\nf = -inf\ng = 1_0.0_1`,
  `a = "\\b\\t\\n\\f\\r\\"\\\\ \\u00e9 \\U0001F600 \\x41 \\e é"\nb = 'C:\\a'\nc = ''\nd = ""`,
  ...[`"\\q"`, `"\\ud800"`, `"\\u12"`, `"a`, `'a\n'`, `"\u0001"`, `"""a`, `"a\\\n b"`].map((t) => `a = ${t}`),
  `a = """\nx"y""z\\\n   \n  end"""""\nb = \'\'\'\r\nraw \\ \'\'x\'\'\'\nc = """"q" """`,
  `a = true\nb = false`,
  ...["True", "tru", "trueish", "", "nulL", "[1, 2", "[1 2]", "[,]", "{a = 1", "{,}", "{a}"].map((v) => `a = ${v}`),
  `a = [1, [2, "x"], {b = []}, ]\nb = [ # none\n]\nc = {}\nd = {x.y = 1, x.z = 2,\n# more\nw = {},}`,
  `d = 1979-05-27T07:32:00Z\ne = 1979-05-27 07:32:00.25Z\nf = 1979-05-27T07:32Z`,
  ...["1979-13-01", "1979-05-27T25:00:00Z", "25:00:00", "1979-5-27", "1979-05-27T"].map((t) => `a = ${t}`),
  `"a b" = 1\n'c.d' = 2\n"" = 3\n1-_z = 4\n a . "b" . c = 5\n\u0020\t# end`,
  ...["a", "= 1", "a b = 1", "a. = 1", `"""a""" = 1`, "a = 1 b = 2", "a = 1\na = 2", "a.b = 1\na = 2", "a = 1\na.b = 2"],
  `[a]\nx = 1\n[a.b.c]\n[ a . d ]\n[e.f]\n[e]\ny.z = 1\n[e.y.w]`,
  ...["[a]\n[a]", "[a", "[]", "[a]]", "[[a]", "[a] b = 1", "a = 1\n[a]", "a = {}\n[a.b]", "[a.b]\n[a]\nb.c = 1", "[a]\nb.c = 1\n[a.b]"],
  `[[a]]\nx = 1\n[[a]]\n[a.b]\nc = 1\n[[a.d]]\n[[a.d]]`,
  ...["a = []\n[[a]]", "[[a]]\n[a]", "[a]\n[[a]]", "[a.b]\n[[a]]", "a = [{}]\n[a.b]", "a = {b = 1}\na.c = 2", "a = {b = 1, b = 2}"],
];

Deno.test("values, keys and mistakes are those of another parser", () => {
  const plain = (value: Node["value"]): unknown =>
    value instanceof Map
      ? Object.fromEntries([...value].map(([key, node]) => [key, plain(node.value)]))
      : Array.isArray(value)
      ? value.map((node) => plain(node.value))
      : value;
  const tried = (parse: () => unknown) => {
    try {
      return JSON.stringify(parse());
    } catch {
      return "a mistake";
    }
  };
  let mistakes = 0;
  for (const text of DOCUMENTS) {
    const expected = tried(() => parse(text));
    assertEquals(tried(() => plain(readToml(text, "f"))), expected, text);
    if (expected === "a mistake") mistakes++;
  }
  const date = readToml("d = 1979-05-27 07:32:00.25-07:00", "f").get("d")!.value as Date;
  assertEquals(date.toISOString(), "1979-05-27T14:32:00.250Z");
  assertEquals(mistakes > 60 && DOCUMENTS.length - mistakes > 8, true, `${mistakes} of ${DOCUMENTS.length}`);
});
