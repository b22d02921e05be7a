// Values of machine files one by one: every kind of key at its bounds, overrides, paths, and how several mistakes are told.
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { ConfigError, ConfigErrors } from "../core/errors.ts";
import { bool, choice, either, file, int, type Key, list, named, size, string, table, time, u64 } from "../core/schema.ts";
import { applySet, ConfigReader, expected, hex, isOverride, loadTree, merge, type Override, parseSize, unknownKey } from "./config.ts";
import { readToml, type TomlNode, type TomlTable } from "./toml.ts";

/** The values of a tree, without their places. */
const plain = (node: TomlNode): unknown =>
  node.value instanceof Map ? plainTable(node.value) : Array.isArray(node.value) ? (node.value as TomlNode[]).map(plain) : node.value;
const plainTable = (table: TomlTable): Record<string, unknown> => Object.fromEntries([...table].map(([k, n]) => [k, plain(n)]));

/** What a key makes of a value in a file: the value, or the message. */
function read(key: Key, text: string): unknown {
  const reader = new ConfigReader(() => new Uint8Array()),
    node = readToml(`v = ${text}`, "m.toml").get("v")!,
    value = reader.value(node, key);
  return reader.errors.length ? reader.errors.map((e) => e.message).join("\n") : value;
}

Deno.test("sizes: every unit, notation and grouping; what is none is none", () => {
  const units = [["", 1], ["K", 2 ** 10], ["M", 2 ** 20], ["G", 2 ** 30], ["T", 2 ** 40]] as const;
  for (const [unit, times] of units) {
    const spellings = unit ? [unit, unit.toLowerCase(), `${unit}iB`, `${unit}IB`, ` ${unit}`, ` ${unit}iB`] : [""];
    for (const spelled of spellings) {
      for (const [number, n] of [["0", 0], ["1", 1], ["10", 10], ["0x1f", 31], ["0XfF", 255], ["1_000", 1000], ["0x1_0", 16]] as const) {
        assertEquals(parseSize(number + spelled), n * times, number + spelled);
      }
    }
  }
  for (
    const none of ["", "x", "K", " 1", "1  K", "1KB", "1iB", "1i", "1__0", "_1", "1_", "0x", "0x_1", "-1", "1.5K", "1e3", "1P", "0xg"]
  ) {
    assertEquals(parseSize(none), undefined, none);
  }
  assertEquals([parseSize(5), parseSize(5n), parseSize(1.5), parseSize(true), parseSize(undefined)], [
    5,
    5,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("a number is taken within its bounds and nowhere else, as a number and as a text", () => {
  const bounds = [{}, { min: 3 }, { max: 40 }, { min: 3, max: 40 }, { power2: true }, { multiple: 8 }, {
    min: 8,
    multiple: 8,
    power2: true,
  }];
  for (const bound of bounds as { min?: number; max?: number; power2?: boolean; multiple?: number }[]) {
    for (const make of [int, size]) {
      const key = make("x", bound) as Key;
      for (let n = -2; n < 42; n++) {
        const fits = n >= (bound.min ?? 0) && n <= (bound.max ?? Infinity) && n % (bound.multiple ?? 1) === 0 &&
          (!bound.power2 || [1, 2, 4, 8, 16, 32, 64].includes(n));
        const texts = [`${n}`, ...(n < 0 ? [] : [`0x${n.toString(16)}`, `"${n}"`, `"0x${n.toString(16)}"`])];
        for (const text of texts) {
          const got = read(key, text), shown = text.replace(/^"|"$/g, '"');
          assertEquals(got, fits ? n : `m.toml:1: v: must be ${expected(key)}, got ${shown}`, JSON.stringify(bound));
        }
      }
    }
  }
  // The largest that a number can hold, and the next.
  assertEquals([read(int("x"), `"9007199254740991"`), read(size("x"), `"8191T"`)], [2 ** 53 - 1, 8191 * 2 ** 40]);
  for (const [key, text] of [[int("x"), `"9007199254740992"`], [size("x"), `"8192T"`]] as const) {
    assertEquals(read(key, text), `m.toml:1: v: must be ${expected(key)}, got ${text}`);
  }
  const wide = u64("x"), narrow = u64("x", { min: 3n, max: 0xfffn });
  for (
    const [key, n, fits] of [
      [wide, 0n, true],
      [wide, 2n ** 64n - 1n, true],
      [wide, 2n ** 64n, false],
      [narrow, 2n, false],
      [narrow, 3n, true],
      [narrow, 0xfffn, true],
      [narrow, 0x1000n, false],
    ] as const
  ) assertEquals(read(key, `"${n}"`), fits ? n : `m.toml:1: v: must be ${expected(key)}, got "${n}"`);
  // Which are integers: 2.0 and 1e2 are not, though their values are.
  for (
    const [text, is] of [["1_0", true], ["+5", true], ["0o17", true], ["2.0", false], ["1e2", false], ["1E2", false], [
      "inf",
      false,
    ]] as const
  ) {
    assertEquals(typeof read(int("x"), text), is ? "number" : "string", text);
    assertEquals(typeof read(size("x"), text), is ? "number" : "string", text);
  }
});

Deno.test("the other kinds take their own kind of value", () => {
  const of: [Key, string, unknown][] = [
    [bool("x"), "true", true],
    [bool("x"), `"true"`, undefined],
    [string("x"), `"a"`, "a"],
    [string("x"), `""`, ""],
    [string("x"), "3", undefined],
    [string("x", { pattern: /^b/, form: "b" }), `"a"`, undefined],
    [choice("x", { choices: ["a", 2] }), `"a"`, "a"],
    [choice("x", { choices: ["a", 2] }), "2", 2],
    [choice("x", { choices: ["a", 2] }), `"2"`, undefined],
    [file("x"), `""`, undefined],
    [time("x"), "2026-01-01T00:00:00+01:00", new Date("2025-12-31T23:00:00Z")],
    [time("x"), "2026-01-01", undefined],
    [time("x"), "12:00:00", undefined],
    [time("x"), `"2026-01-01T00:00:00Z"`, undefined],
    [list("x", int("y")), "[]", []],
    [list("x", int("y")), "[1, 0x2]", [1, 2]],
    [list("x", int("y")), "1", undefined],
    [table("x", { a: int("y", { default: 7 }) }), "{}", { a: 7 }],
    [table("x", { a: int("y", { default: 7 }) }), "[]", undefined],
    [named("x", int("y")), "{ b = 1, c = 2 }", { b: 1, c: 2 }],
    [named("x", int("y")), "1", undefined],
    [either("x", [int("y"), list("z", int("y"))], { form: "one or several" }), "1", 1],
    [either("x", [int("y"), list("z", int("y"))], { form: "one or several" }), "[1]", [1]],
    [either("x", [int("y"), list("z", int("y"))], { form: "one or several" }), "true", undefined],
  ];
  for (const [key, text, value] of of) {
    const got = read(key, text), message = typeof got === "string" && got.startsWith("m.toml:1: v: must be ");
    assertEquals(message ? undefined : got, value, `${key.kind} ${text}: ${got}`);
  }
});

Deno.test("what a key accepts is said in words, bounds included", () => {
  const text = `a 64-bit integer or a text like "0xffff_ffff_0000_0000"`, bytes = `a size like 4096, 0x1000 or "128MiB"`;
  const rows: [Key, string][] = [
    [int("x"), "an integer of at least 0"],
    [int("x", { min: 0 }), "an integer of at least 0"],
    [int("x", { min: 1 }), "an integer of at least 1"],
    [int("x", { max: 9 }), "an integer from 0 to 9"],
    [int("x", { min: 2, max: 4095 }), "an integer from 2 to 4095"],
    [int("x", { max: Number.MAX_SAFE_INTEGER }), "an integer of at least 0"],
    [int("x", { min: 4096, max: Number.MAX_SAFE_INTEGER }), "an integer of at least 0x1000"],
    [int("x", { power2: true }), "an integer that is a power of two"],
    [int("x", { max: 1_000_000_000 }), "an integer from 0 to 1000000000"],
    [int("x", { max: 0xffff }), "an integer from 0 to 0xffff"],
    [int("x", { max: 0x1_0000 }), "an integer from 0 to 0x0001_0000"],
    [int("x", { max: 4097 }), "an integer from 0 to 4097"],
    [size("x"), bytes],
    [size("x", { min: 1 }), `${bytes} of at least 1`],
    [size("x", { multiple: 4096, power2: true }), `${bytes} that is a power of two that is a multiple of 0x1000`],
    [size("x", { multiple: 512 }), `${bytes} that is a multiple of 512`],
    [u64("x"), text],
    [u64("x", { max: 0xffff_ffffn }), `${text} of at most 0xffff_ffff`],
    [bool("x"), "true or false"],
    [string("x"), "a text"],
    [string("x", { form: "letters" }), "letters"],
    [choice("x", { choices: ["a", 1] }), `one of "a", 1`],
    [file("x"), "a path"],
    [time("x"), "a time with its offset, like 2026-01-01T00:00:00Z"],
    [list("x", bool("y")), "a list, each true or false"],
    [table("x", { a: bool("y"), b: bool("y") }), "a table with a, b"],
    [named("x", bool("y")), "a table of names, each with true or false"],
    [either("x", [bool("y")], { form: "whatever" }), "whatever"],
  ];
  for (const [key, words] of rows) assertEquals(expected(key), words);
  const hexes = [[0, "0x0"], [0xffff, "0xffff"], [0x1_0000, "0x0001_0000"], [0x1234_5678_9abcn, "0x1234_5678_9abc"], [
    2n ** 32n,
    "0x0001_0000_0000",
  ]] as const;
  for (const [n, digits] of hexes) assertEquals(hex(n), digits);
});

Deno.test("what was given is shown: up to 60 characters of it", () => {
  const shown = (text: string) => (read(int("x"), text) as string).replace(/^.*got /, "");
  assertEquals([shown("[]"), shown("{}"), shown("true"), shown(`""`)], ["a list", "a table", "true", '""']);
  const long = (n: number) => `"${"y".repeat(n - 2)}"`;
  assertEquals([shown(long(60)), shown(long(61))], [long(60), `"${"y".repeat(56)}...`]);
});

Deno.test("a key that is not there: the machine's value, its default, nothing, an empty table, or a mistake", () => {
  const machine = (path: string) => path === "clock.a" ? 5 : undefined, place = { file: "m.toml", line: 3, key: "device.x" };
  const entry = (key: Key) => {
    const reader = new ConfigReader(() => new Uint8Array(), machine), value = reader.entry(new Map(), "k", key, place);
    return reader.errors.length ? reader.errors[0].message : value;
  };
  assertEquals(entry(int("x", { from: "clock.a" })), 5);
  assertEquals(entry(int("x", { from: "clock.a", default: 6 })), 5);
  assertEquals(entry(int("x", { from: "clock.b", default: 6 })), 6);
  assertEquals(entry(int("x", { from: "clock.b", optional: true })), undefined);
  assertEquals(entry(bool("x", { default: false })), false);
  assertEquals(entry(table("x", { a: int("y", { default: 1 }) })), { a: 1 });
  assertEquals(entry(table("x", { a: int("y") }, { optional: true })), undefined);
  assertEquals(entry(named("x", int("y"))), {});
  assertEquals(entry(table("x", { a: int("y") })), "m.toml:3: device.x.a: missing: it must be an integer of at least 0 (y)");
  assertEquals(entry(int("why")), "m.toml:3: device.x.k: missing: it must be an integer of at least 0 (why)");
  const top = new ConfigReader(() => new Uint8Array());
  top.entry(new Map(), "odd key", int("x"), { file: "m.toml" });
  assertEquals(top.errors[0].message, `m.toml: "odd key": missing: it must be an integer of at least 0 (x)`);
});

Deno.test("keys that nobody knows are told with a near one, or with all of them in order", () => {
  assertEquals(unknownKey("colur", ["size", "colour"]), "unknown key 'colur' (did you mean 'colour'?)");
  assertEquals([unknownKey("q", ["size", "colour"]), unknownKey("q", [])], ["unknown key 'q'; known: colour, size", "unknown key 'q'"]);
  const reader = new ConfigReader(() => new Uint8Array());
  reader.onlyKnown(readToml("a = 1\nb = 2\ntoString = 3", "m.toml"), { a: int("x") }, ["b"]);
  assertEquals(reader.errors.map((e) => e.message), ["m.toml:3: toString: unknown key 'toString'; known: a, b"]);
});

Deno.test("mistakes are told file by file, in the order of lines, each once", () => {
  const reader = new ConfigReader(() => new Uint8Array());
  reader.done();
  const at = (file: string, line?: number) => ({ file, ...(line && { line }) });
  for (
    const [text, place] of [["c", at("b", 9)], ["a", at("a", 5)], ["b", at("b", 2)], ["a", at("a", 5)], ["z", at("b")], [
      "d",
      at("b", 9),
    ]] as const
  ) {
    reader.error(text, place);
  }
  const { errors } = assertThrows(() => reader.done(), ConfigErrors);
  assertEquals(errors.map((e) => e.message), ["b: z", "b:2: b", "b:9: c", "b:9: d", "a:5: a"]);
});

Deno.test("paths are relative to the file that names them, with one spelling for each file", () => {
  const rows: [file: string | undefined, path: string, resolved: string][] = [
    ["m.toml", "a", "a"],
    ["d/m.toml", "a", "d/a"],
    ["d/m.toml", "./a", "d/a"],
    ["d/m.toml", "../a", "a"],
    ["d/e/m.toml", "../../a", "a"],
    ["d/m.toml", "../../a", "../a"],
    ["../m.toml", "../a", "../../a"],
    ["/m.toml", "../a", "/../a"],
    ["/d/m.toml", "x/../a", "/d/a"],
    ["d/m.toml", "/a", "/a"],
    ["d/m.toml", "C:/a", "C:/a"],
    ["d/m.toml", "c:\\a", "c:\\a"],
    ["d/m.toml", "\\a", "\\a"],
    ["d/m.toml", "1:/a", "d/1:/a"],
    ["d\\m.toml", "a", "d/a"],
    ["--set", "../a", "../a"],
    [undefined, "../a", "../a"],
    ["d/m.toml", "@kernel", "@kernel"],
  ];
  for (const [name, path, resolved] of rows) {
    const looked: string[] = [], place = { key: "k", ...(name !== undefined && { file: name }) };
    const reader = new ConfigReader((p) => (looked.push(p), new Uint8Array()));
    assertEquals(reader.value({ value: path, place, text: path }, file("x")), resolved, `${name} ${path}`);
    assertEquals(looked, path.startsWith("@") ? [] : [resolved]);
  }
});

Deno.test("a file is read to see whether it is there, a large one is looked at only; what is wrong with it is said at its key", () => {
  const looked: string[] = [],
    missing = () => {
      throw new ConfigError("no such file", { file: "elsewhere" });
    };
  const reader = new ConfigReader((p) => (looked.push(`read ${p}`), new Uint8Array()), undefined, (p) => (looked.push(`size ${p}`), 1));
  const node: TomlNode = { value: "f", place: { file: "m.toml", line: 2, key: "k" }, text: '"f"' };
  for (const large of [true, false]) reader.value(node, file("x", { large }));
  assertEquals(looked, ["size f", "read f"]);
  const wrong = new ConfigReader(missing);
  assertEquals([wrong.value(node, file("x")), wrong.errors[0].message], [undefined, "m.toml:2: k: 'f': no such file"]);
  assertThrows(() =>
    new ConfigReader(() => {
      throw new TypeError("ours");
    }).value(node, file("x")), TypeError);
});

Deno.test("overrides: a text is TOML where it is TOML, else itself; everything else is what it is, with the option as its place", () => {
  const set = (path: string, value: unknown, option = "--set"): Override => ({ path, value, option });
  const value = (given: unknown) => plain(applySet(new Map(), [set("k", given)]).get("k")!);
  const rows: [given: unknown, value: unknown][] = [
    ["3", 3],
    ["0x10", 16],
    ["true", true],
    ["2GiB", "2GiB"],
    ["plic:10", "plic:10"],
    ['"3"', "3"],
    ["[1, 2]", [1, 2]],
    ["{ a = 1 }", { a: 1 }],
    ["", ""],
    ["  ", "  "],
    ["a b", "a b"],
    ["1\nb = 2", 1],
    // It would be rounded, and stays a text.
    ["18446744073709551615", "18446744073709551615"],
    [5, 5],
    [false, false],
    [2n ** 60n, 2n ** 60n],
    [["1", 2], [1, 2]],
    [{ "a b": { c: ["x"] } }, { "a b": { c: ["x"] } }],
  ];
  for (const [given, wanted] of rows) assertEquals(value(given), wanted, String(given));
  const date = new Date("2026-01-01T00:00:00Z");
  assertStrictEquals(value(date), date);
  const node = applySet(new Map(), [set("a.b", { "c d": ["x", 5, date] }, "--memory")]).get("a")!.value as TomlTable, b = node.get("b")!;
  const inner = (b.value as TomlTable).get("c d")!, elements = inner.value as TomlNode[];
  assertEquals([b.place, inner.place, elements[1].place].map((p) => [p.file, p.key]), [
    ["--memory", "a.b"],
    ["--memory", 'a.b."c d"'],
    ["--memory", 'a.b."c d"[1]'],
  ]);
  assertEquals(elements.map((e) => e.text), ["x", "5", date.toISOString()]);
  assertEquals([isOverride(b.place), isOverride({ file: "m.toml" }), isOverride({})], [true, false, false]);
  for (const path of ["", "a..b", ".a", "a."]) {
    assertEquals(assertThrows(() => applySet(new Map(), [set(path, 1)]), ConfigErrors).message, `--set: '${path}' is not a key path`);
  }
  // Where a text is wanted, what was given without quotes is one; not in a file.
  const typed = applySet(new Map(), [set("k", "0x10")]).get("k")!;
  assertEquals([new ConfigReader(() => new Uint8Array()).value(typed, string("x")), typeof read(string("x"), "0x10")], ["0x10", "string"]);
  assertEquals(read(string("x"), "0x10"), "m.toml:1: v: must be a text, got 0x10");
});

Deno.test("what extends a table: key by key, other types and removals as a whole, in the order of what is below: random tables", () => {
  type Plain = { [key: string]: unknown };
  const isTable = (v: unknown): v is Plain => typeof v === "object" && v !== null;
  /** The same on plain values. */
  const over = (base: Plain, own: Plain): Plain => {
    const out: Plain = { ...base };
    for (const [key, value] of Object.entries(own)) {
      const old = out[key], retyped = isTable(old) && isTable(value) && "type" in value && value.type !== old.type;
      const removed = value === false && isTable(old);
      if (removed || retyped) { for (const k of Object.keys(out)) if (k.startsWith(`${key}[`) && !(k in own)) delete out[k]; }
      if (removed) delete out[key];
      else out[key] = isTable(old) && isTable(value) && !retyped ? over(old, value) : value;
    }
    return out;
  };
  const random = new Random(31);
  const tree = (depth: number): Plain =>
    Object.fromEntries(
      ["a", "b", "a[0]", "a[1]", "type"].filter(() => random.one(2)).map((key) => {
        if (key === "type") return [key, random.pick(["x", "y"])];
        return [key, depth && random.below(3) ? tree(depth - 1) : random.pick([1, 2, false, "t"])];
      }),
    );
  const nodes = (t: Plain): TomlTable =>
    new Map(Object.entries(t).map(([k, v]) => [k, { value: isTable(v) ? nodes(v) : v as number, place: {}, text: "" }]));
  for (let round = 0; round < 800; round++) {
    const base = tree(2), own = tree(2), got = plainTable(merge(nodes(base), nodes(own)));
    assertEquals(JSON.stringify(got), JSON.stringify(over(base, own)), JSON.stringify([base, own]));
  }
});

Deno.test("a merged table has the place of the one below, a replaced value that of the one above", () => {
  const files: Record<string, string> = { "a.toml": "[t]\nx = 1\ny = 2\n", "m.toml": 'extends = "a.toml"\n[t]\ny = 3\n' };
  const tree = loadTree("m.toml", (p) => new TextEncoder().encode(files[p])),
    t = tree.get("t")!,
    at = (n: TomlNode) => `${n.place.file}:${n.place.line}`;
  const inner = t.value as TomlTable;
  assertEquals([at(t), at(inner.get("x")!), at(inner.get("y")!), tree.has("extends")], ["a.toml:1", "a.toml:2", "m.toml:3", false]);
});
