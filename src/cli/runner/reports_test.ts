// Reports of every kind, of tests whose names and messages are made to break them, and what `merge` makes of them.
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { parseXml, type XmlElement } from "@rgrove/parse-xml";
import { withChanged } from "../../../tests/cli.ts";
import { ConfigError } from "../../core/errors.ts";
import type { CommandLine } from "../options.ts";
import { htmlOf, readHtml } from "./html.ts";
import { jsonOf, readJson } from "./json.ts";
import { junitOf } from "./junit.ts";
import { addLcov, type Coverage, lcovOf } from "./lcov.ts";
import { merge } from "./merge.ts";
import { reportersOf } from "./mod.ts";
import { dot, github, list } from "./report_text.ts";
import type { Sink } from "./reporters.ts";
import type { Attempt, Shard, Summary, TestResult } from "./results.ts";
import { partOf } from "./shard.ts";

const scratch = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "bringup-reports-" }));
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

const HOSTILE = `<b>&amp; "q" 'x' ]]> \x1b[31m\x00\x07\u2028 \ud800 \ufffe 😀\r\n</script><!-- %0A::error`;
const passed = (output = ""): Attempt => ({ passed: true, ms: 12, output, steps: [] });
const failed = (text: string, broken = false): Attempt => ({
  passed: false,
  ms: 5,
  output: "",
  steps: [{ name: HOSTILE, status: "failed", ms: 1, steps: [] }],
  error: {
    type: "Error",
    message: text.split("\n")[0],
    text,
    at: { file: `${Deno.cwd()}/a.ts`, line: 3, column: 7 },
    ...(broken && { broken }),
  },
});
const RESULTS: readonly TestResult[] = [
  { file: "a.ts", name: "plain", line: 1, status: "passed", attempts: [passed()] },
  { file: "a.ts", name: HOSTILE, line: 2, status: "failed", attempts: [failed(HOSTILE), { ...failed(HOSTILE), output: HOSTILE }] },
  { file: "a.ts", name: "ended", status: "failed", attempts: [failed("its process ended", true)] },
  { file: "a.ts", name: "wavers", line: 4, status: "flaky", attempts: [failed("first"), passed("said")] },
  { file: `b,${HOSTILE}.ts`, name: "again", status: "passed", repeat: 1, attempts: [passed()] },
  { file: `b,${HOSTILE}.ts`, name: "again", status: "passed", repeat: 2, attempts: [passed()] },
  { file: `b,${HOSTILE}.ts`, name: "left out", status: "skipped", attempts: [] },
];
const summary = (results: readonly TestResult[] = RESULTS, shard?: Shard): Summary => ({
  results,
  notes: [],
  only: false,
  ms: 100,
  started: new Date(1e12 + (shard?.index ?? 0)),
  ...(shard && { shard }),
});

function written(reporter: (sink: Sink) => ReturnType<typeof list>, of: Summary): string {
  let text = "";
  const r = reporter({ colours: false, write: (t) => text += t });
  for (const result of of.results) r.result?.(result);
  r.end?.(of);
  return text;
}

/** Jenkins' junit-10.xsd: the attributes that an element has to have and may have, and what may be in it. */
const SCHEMA: Readonly<Record<string, readonly [must: string, may: string, children: string, text?: true]>> = {
  testsuites: ["", "name time tests failures errors", "testsuite"],
  testsuite: [
    "name tests failures errors",
    "group time skipped timestamp hostname id package file log url",
    "testsuite properties testcase system-out system-err",
  ],
  properties: ["", "", "property"],
  property: ["name value", "", ""],
  testcase: ["name", "time classname group", "skipped error failure rerunFailure rerunError flakyFailure flakyError system-out system-err"],
  skipped: ["", "type message", "", true],
  error: ["", "type message", "", true],
  failure: ["", "type message", "", true],
  rerunFailure: ["type", "message", "stackTrace system-out system-err", true],
  flakyFailure: ["type", "message", "stackTrace system-out system-err", true],
  "system-out": ["", "", "", true],
  "system-err": ["", "", "", true],
};
/** What Ant's JUnit.xsd asks for beyond that. */
const ANT: Readonly<Record<string, string>> = {
  testsuite: "package id timestamp hostname time",
  testcase: "classname time",
  failure: "type",
  error: "type",
};
const children = (e: XmlElement) => e.children.filter((c): c is XmlElement => c.type === "element");

function checkSchema(e: XmlElement): void {
  const words = (text: string) => text.split(" ").filter(Boolean),
    [must, may, inside, text] = SCHEMA[e.name],
    given = Object.keys(e.attributes);
  for (const name of [...words(must), ...words(ANT[e.name] ?? "")]) assert(given.includes(name), `${e.name} lacks ${name}`);
  for (const name of given) assert([...words(must), ...words(may)].includes(name), `${e.name} has ${name}`);
  for (const key of ["time"]) if (given.includes(key)) assertMatch(e.attributes[key], /^\d+\.\d{3}$/);
  for (const child of children(e)) {
    assert(words(inside).includes(child.name), `${child.name} in ${e.name}`);
    checkSchema(child);
  }
  if (!text) {
    assertEquals(e.children.filter((c) => c.type === "text").map((c) => String((c as { text?: string }).text).trim()).join(""), "");
  }
  if (e.name === "testsuite") {
    const names = children(e).map((c) => c.name), cases = children(e).filter((c) => c.name === "testcase");
    // Ant's order.
    assertEquals([names[0], ...names.slice(-2)], ["properties", "system-out", "system-err"]);
    const having = (name: string) => cases.filter((c) => children(c).some((k) => k.name === name)).length;
    const { tests, failures, errors, skipped } = e.attributes;
    assertEquals([tests, failures, errors, skipped].map(Number), [cases.length, having("failure"), having("error"), having("skipped")]);
  }
}

Deno.test("JUnit XML is as the schema has it, whatever names and messages hold; flaky tests are named", () => {
  const root = parseXml(junitOf(summary())).root!;
  checkSchema(root);
  const [a, b] = children(root), cases = children(a).filter((c) => c.name === "testcase");
  assertEquals(cases.map((c) => [c.attributes.classname, children(c).map((k) => k.name)]), [
    ["a.ts", []],
    ["a.ts", ["failure", "rerunFailure", "system-out"]],
    ["a.ts", ["error"]],
    ["a.ts", ["flakyFailure", "system-out"]],
  ]);
  const shown = HOSTILE.replace("\x1b", "\\x1b").replace("\x00", "\\x00").replace("\x07", "\\x07").replace("\ud800", "\\ud800").replace(
    "\ufffe",
    "\\ufffe",
  );
  assertEquals(cases[1].attributes.name, shown);
  assertEquals([children(cases[1])[0].text, children(cases[1])[2].text], [shown, shown]);
  assertEquals(children(children(a)[0]).map((p) => ({ ...p.attributes })), [{ name: "flaky", value: "wavers" }]);
  assertEquals(children(b).filter((c) => c.name === "testcase").map((c) => c.attributes.name), ["again #1", "again #2", "left out"]);
  const empty = parseXml(junitOf(summary([], { index: 2, total: 9 }))).root!;
  checkSchema(empty);
  assertEquals(children(empty).map((s) => children(children(s)[0])[0].attributes.value), ["2/9"]);
});

Deno.test("JSON and the page hold all of it; the page needs nothing else, and nothing gets out of it", () => {
  const all = summary(RESULTS, { index: 1, total: 2 }), page = htmlOf(all);
  for (const one of [all, { ...all, interrupted: true as const, only: true }]) assertEquals(readJson(jsonOf(one), "x"), one);
  assertEquals(readHtml(page, "x"), all);
  assertEquals([...page.matchAll(/<(\/?\w+)/g)].map((m) => m[1]).filter((t) => /^\/?(script|b|link|img|a)$/.test(t) && !/^\/?b$/.test(t)), [
    "script",
    "/script",
  ]);
  assertEquals(page.includes("<!--") || /\b(src|href)=/.test(page), false);
  const kept = failed("x\n  kept in: bringup-failures/a <b>/\n  again: deno"),
    left = { ...passed("bringup: kept in: bringup-failures/c/\n"), passed: false };
  const links = htmlOf(summary([{ ...RESULTS[0], status: "failed", attempts: [kept, left] }]), "out/all/report.html");
  assertEquals([...links.matchAll(/<a href="([^"]*)">([^<]*)</g)].map(([, to, name]) => [to, name]), [
    ["../../bringup-failures/a%20%3Cb%3E/", "bringup-failures/a &lt;b&gt;"],
    ["../../bringup-failures/c/", "bringup-failures/c"],
  ]);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x08\x0b\x0c\x0e-\x1f]/.test(page), false);
  assertStringIncludes(page, "<title>failed: 3 passed | 2 failed | 1 flaky | 1 skipped</title>");
  for (
    const [text, message] of [
      ["{", "x: no report: "],
      ["{}", "x: no report of `bringup test --reporter json`"],
      [`{"bringup": 2}`, "x: a report of version 2: this bringup reads version 1"],
      [`{"bringup": 1, "results": [{}], "notes": [], "ms": 1, "started": "2026-01-01"}`, "x: the report is damaged"],
    ]
  ) assertThrows(() => readJson(text, "x"), ConfigError, message);
  // Each field of each part, with what is of another type in it.
  const whole = JSON.parse(jsonOf(all)), fields: [object, string][] = [];
  const walk = (of: object) => {
    for (const [key, value] of Object.entries(of)) {
      fields.push([of, key]);
      if (typeof value === "object") walk(value);
    }
  };
  walk(whole);
  for (const [of, key] of fields) {
    const parent = of as Record<string, unknown>, was = parent[key];
    for (const wrong of [null, -1, "x", [], {}, [null]]) {
      parent[key] = wrong;
      try {
        const read = readJson(JSON.stringify(whole), "x");
        for (const make of [jsonOf, htmlOf, junitOf]) make(read);
      } catch (e) {
        assert(e instanceof ConfigError, `${key} is ${JSON.stringify(wrong)}: ${e}`);
      }
    }
    parent[key] = was;
  }
  assertThrows(() => readHtml("<p>", "x"), ConfigError, "x: no report of `bringup test --reporter html`");
});

Deno.test("lists, dots and GitHub's annotations: no control character gets out, no line of a test's is a command", () => {
  const text = written(list, summary());
  // What a test printed itself is its own affair.
  assertEquals(text.split(HOSTILE).length, 2);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(text.replace(HOSTILE, "")), false);
  for (const line of ["plain ... ok (12ms)", "wavers ... FLAKY (17ms, 2 times)", "again #2 ... ok (12ms)", "left out ... skipped"]) {
    assert(text.split("\n").includes(line), line);
  }
  assertMatch(text, /\n FLAKY: failed, and passed when run again\n\nwavers => a\.ts:4\nerror: first\n/);
  assertMatch(text, /\nFAILED \| 3 passed \| 2 failed \| 1 flaky \| 1 skipped \(100ms\)\n$/);
  assertEquals(written(dot, summary()).split("\n")[0], ".FFf..s");
  const annotations = written(github, summary()).split("\n").filter((l) => l.startsWith("::"));
  assertEquals(annotations.map((l) => l.split("::").length), [3, 3, 3].map((n, i) => i ? n : n + 1));
  assertMatch(annotations[0], /^::error file=a\.ts,line=3,col=7,title=<b>/);
  assertMatch(annotations[0], /title=[^,]*%3A%3Aerror::/);
  assertEquals(annotations[2], "::warning file=a.ts,line=3,col=7,title=flaky%3A wavers::first");
});

Deno.test("which reporters there are, and where they write", () => {
  const asked = (...reporter: string[]) => reportersOf({ reporter });
  assertThrows(
    () => asked("jsn"),
    ConfigError,
    "--reporter: there is no 'jsn' (did you mean 'json'?): expected list, dot, github, json, html, junit, or NAME=FILE",
  );
  assertThrows(
    () => asked("list", "json"),
    ConfigError,
    "--reporter: list and json both write to standard output: give one a file, NAME=FILE",
  );
  assertThrows(() => asked("json=/no/such/folder/x"), ConfigError, "/no/such/folder/x: --reporter: cannot be written");
  // Two runs that write to the same file at once: it has the report of the last.
  const [reporter] = asked(`json=${scratch}/own.json`), [longer] = asked(`json=${scratch}/own.json`);
  longer.end!({ ...summary(), notes: ["a longer one".repeat(99)] });
  reporter.end!(summary());
  assertEquals(readJson(Deno.readTextFileSync(`${scratch}/own.json`), "x"), summary());
  const [nowhere] = asked("json=/dev/null");
  nowhere.start?.({ tests: 1, files: 1 } as never);
  nowhere.end!(summary());
});

const LCOV = [
  "TN:\nSF:a.c\nFN:1,main\nFN:9,rest\nFNDA:1,main\nFNDA:0,rest\nBRDA:2,0,0,1\nBRDA:2,0,1,0\nBRDA:3,0,0,-\nDA:1,1\nDA:9,0\nLF:2\nLH:1\nend_of_record\n",
  "SF:b.c\nDA:1,4\nend_of_record\nTN:x\nSF:a.c\nFNL:0,9\nFNA:0,3,rest\nBRDA:3,0,0,2\nDA:1,2\nDA:9,3\nDA:10,0\nend_of_record\n",
];

Deno.test("coverage of several runs is the sum of each line, function and branch; no other line is taken", () => {
  const coverage: Coverage = new Map();
  LCOV.forEach((text, i) => addLcov(coverage, text, `${i}.info`));
  assertEquals(
    lcovOf(coverage),
    `TN:
SF:a.c
FN:1,main
FN:9,rest
FNDA:1,main
FNDA:3,rest
FNF:2
FNH:2
BRDA:2,0,0,1
BRDA:2,0,1,0
BRDA:3,0,0,2
BRF:3
BRH:2
DA:1,3
DA:9,3
DA:10,0
LF:3
LH:2
end_of_record
TN:
SF:b.c
FNF:0
FNH:0
DA:1,4
LF:1
LH:1
end_of_record
`,
  );
  const twice: Coverage = new Map();
  addLcov(twice, lcovOf(coverage), "x");
  assertEquals(lcovOf(twice), lcovOf(coverage));
  for (const line of ["DA:x,1", "DA:1", "XX:1", "hello", "FNDA:main"]) {
    assertThrows(() => addLcov(new Map(), `SF:a\n${line}\n`, "f.info"), ConfigError, `f.info:2: no line of an lcov trace file: '${line}'`);
  }
  assertThrows(() => addLcov(new Map(), "DA:1,1\n", "f.info"), ConfigError, "f.info:1: no line");
});

/** Runs `merge`: its status, and what it prints. */
async function merged(positional: readonly string[], values: CommandLine["values"] = {}): Promise<[number, string, string]> {
  const said = ["", ""], to = (i: number) => ({ writeSync: (p: Uint8Array) => (said[i] += new TextDecoder().decode(p), p.length) });
  const status = await withChanged([[Deno.stdout, to(0)], [Deno.stderr, to(1)]], () => merge({ command: "merge", positional, values }));
  return [status, said[0], said[1]];
}

Deno.test("merged reports of all parts are the report of the whole; a part that is missing is told", async () => {
  const dir = `${scratch}/parts`, total = 3, whole = RESULTS.filter((r) => !r.repeat);
  Deno.mkdirSync(dir);
  const parts = [1, 2, 3].map((index) => summary(partOf(whole, { index, total }), { index, total }));
  for (const [i, part] of parts.entries()) {
    Deno.writeTextFileSync(`${dir}/${i}.xml`, junitOf(part));
    Deno.writeTextFileSync(`${dir}/${i}.html`, htmlOf(part));
    Deno.writeTextFileSync(`${dir}/${i}.json`, jsonOf(part));
    if (LCOV[i]) Deno.writeTextFileSync(`${dir}/${i}.info`, LCOV[i]);
  }
  const out = { junit: `${dir}/all.xml`, html: `${dir}/all.html`, json: `${dir}/all.json`, lcov: `${dir}/all.info` };
  for (let again = 0; again < 2; again++) {
    const [status, stdout, stderr] = await merged([dir], out);
    assertEquals([status, stderr], [1, ""], "a test failed");
    assertMatch(stdout, /FAILED \| 1 passed \| 2 failed \| 1 flaky \| 1 skipped/);
    const root = parseXml(Deno.readTextFileSync(out.junit)).root!,
      cases = (e: XmlElement) => children(e).filter((c) => c.name === "testcase");
    checkSchema(root);
    const expected = children(parseXml(junitOf(summary(whole))).root!);
    assertEquals(
      children(root).map((s) => cases(s).map((c) => JSON.stringify(c))),
      expected.map((s) => cases(s).map((c) => JSON.stringify(c))),
    );
    assertEquals(children(root).map((s) => s.attributes.tests), expected.map((s) => s.attributes.tests));
    assertEquals(readJson(Deno.readTextFileSync(out.json), "x").results, whole);
    assertEquals(readHtml(Deno.readTextFileSync(out.html), "x").results, whole);
    assertMatch(Deno.readTextFileSync(out.lcov), /^SF:a\.c$[^]*^DA:9,3$/m);
  }
  // Of passed tests only, one part short.
  const [status, stdout, stderr] = await merged([`${dir}/0.xml`, `${dir}/2.xml`]);
  assertEquals([status, stdout, stderr], [1, "3 tests, 0 failed\n", "bringup: no report tells of part 2 of 3\n"]);
  const claims = `<testsuite name="x"><properties><property name="shard" value="1/4000000000"/></properties></testsuite>`;
  Deno.writeTextFileSync(`${scratch}/claims.xml`, claims);
  const [, , many] = await merged([`${scratch}/claims.xml`]);
  assertEquals(many.split("\n").slice(-3), [
    "bringup: no report tells of part 21 of 4000000000",
    "bringup: no report tells of 3999999979 other parts",
    "",
  ]);
  Deno.writeTextFileSync(`${scratch}/good.json`, jsonOf(summary([RESULTS[0]])));
  assertEquals((await merged([`${scratch}/good.json`], { junit: `${scratch}/good.xml` }))[0], 0);
  checkSchema(parseXml(Deno.readTextFileSync(`${scratch}/good.xml`)).root!);
});

Deno.test("what is no report, and a report that cannot be made of those that are there, is one sentence", async () => {
  const file = (name: string, text: string) => (Deno.writeTextFileSync(`${scratch}/${name}`, text), `${scratch}/${name}`);
  Deno.mkdirSync(`${scratch}/nothing`);
  const good = file("some.xml", junitOf(summary())),
    notes = file("notes.txt", "words"),
    broken = file("broken.xml", "<testsuites><testsuite>");
  const bomb = file("bomb.xml", `<!DOCTYPE x [<!ENTITY a "b">]><testsuites/>`), cover = file("cover.info", LCOV[0]);
  const other = file("other.json", jsonOf(summary([], { index: 1, total: 2 }))),
    third = file("third.json", jsonOf(summary([], { index: 1, total: 3 })));
  const wrong: [string[], CommandLine["values"], string][] = [
    [[], {}, "which reports? usage: bringup merge REPORT..."],
    [[`${scratch}/gone.xml`], {}, "gone.xml: no such file"],
    [[`${scratch}/nothing`], {}, "nothing: no reports in this folder"],
    [[notes], {}, "notes.txt: no report: expected JUnit XML, JSON or HTML of `bringup test`, or an lcov trace file"],
    [[broken], {}, "broken.xml:1: no XML: "],
    [[bomb], {}, "bomb.xml: no report"],
    [[good], { html: "x" }, "--html: none of the reports is JSON or HTML"],
    [[good], { lcov: "x" }, "--lcov: none of the reports is an lcov trace file"],
    [[cover], { junit: "x" }, "--junit: none of the reports is JUnit XML, JSON or HTML"],
    [[other, third], {}, "the reports are of different runs: one was divided into 2 parts, another into 3"],
    [[good], { junit: "/no/such/folder/x" }, "/no/such/folder/x: --junit: cannot be written"],
  ];
  for (const [files, values, message] of wrong) {
    const e = await merged(files, values).catch((e) => e);
    assert(e instanceof ConfigError && e.message.includes(message), `${message}: ${e}`);
  }
  if (Deno.build.os === "windows") return;
  // What is no file is no report, whatever its name is.
  using _ = Deno.listen({ transport: "unix", path: `${scratch}/nothing/socket.xml` });
  const e = await merged([`${scratch}/nothing`]).catch((e) => e);
  assert(e instanceof ConfigError && e.message.includes("nothing: no reports in this folder"), `${e}`);
});
