// What a test program prints, against what Rust's own prints for the same (rustc 1.9x, library/test).
import { assertEquals } from "@std/assert";
import type { Format } from "./arguments.ts";
import { junit, reporter, type Result, type Told, type Totals } from "./formats.ts";

const told = (name: string, more: Partial<Told> = {}): Told => ({ name, ignored: false, shouldPanic: false, ...more });
const GOOD: Result = { ok: true, output: "fine\r\n", why: [], guestNs: 1.5e9 };
const BAD: Result = { ok: false, output: "half a line", why: ["exit with code 35 (fail)", "cpu0 at 0x1"], guestNs: 5e7 };
const CASES = [told("m::bad"), told("good"), told("later", { ignored: true }), told("panics", { shouldPanic: true })];

function printed(format: Format, how: { color?: boolean; live?: boolean; showOutput?: boolean } = {}, cases = CASES): string {
  let text = "";
  const to = reporter(format, { color: false, live: false, showOutput: false, ...how, write: (t) => text += t });
  const passed: [Told, Result][] = [], failed: [Told, Result][] = [], ignored: Told[] = [];
  to.start(cases);
  for (const c of cases) {
    if (c.ignored) {
      ignored.push(c);
      to.ignored(c);
      continue;
    }
    const result = c.name.endsWith("bad") ? BAD : GOOD;
    (result.ok ? passed : failed).push([c, result]);
    to.begin(c);
    to.end(c, result);
  }
  to.finish({ passed, failed, ignored, filteredOut: 3 });
  return text;
}
const lines = (text: string) => text.split("\n");
const FAILURES = ["failures:", "", "---- m::bad stdout ----", "half a line", "exit with code 35 (fail)", "cpu0 at 0x1", "", ""];
const CLOSING = [
  ...["failures:", "    m::bad", ""],
  ...["test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 3 filtered out; finished in 3.05s", "", ""],
];

Deno.test("pretty: a line for each case, the output of those that failed, the result", () => {
  const body = [
    "",
    "running 4 tests",
    "test m::bad ... FAILED",
    "test good ... ok",
    "test later ... ignored",
    "test panics - should panic ... ok",
    "",
  ];
  assertEquals(lines(printed("pretty")), [...body, ...FAILURES, ...CLOSING]);
  assertEquals(
    lines(printed("pretty", {}, [told("good")])),
    [
      "",
      "running 1 test",
      "test good ... ok",
      "",
      "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.50s",
      "",
      "",
    ],
  );
  const shown = printed("pretty", { showOutput: true, color: true });
  assertEquals(shown.includes("successes:\n\n---- good stdout ----\nfine\n"), true, shown);
  assertEquals(shown.includes("test good ... \x1b[32mok\x1b[m\ntest later ... \x1b[33mignored\x1b[m\n"), true, shown);
  // What was shown as it was printed is not told again.
  assertEquals(printed("pretty", { live: true }).includes("half a line"), false);
});

Deno.test("terse: a character for each case, 88 in a line; one that fails has a line of its own", () => {
  assertEquals(lines(printed("terse")).slice(0, 4), ["", "running 4 tests", "m::bad --- FAILED", ".i."]);
  const many = printed("terse", {}, [...Array.from({ length: 90 }, (_, i) => told(`t${i}`)), told("bad")]);
  assertEquals(lines(many).slice(2, 5), [`${".".repeat(88)} 88/91`, ".. 90/91", "bad --- FAILED"]);
});

Deno.test("json: an event in each line", () => {
  const events = printed("json").trimEnd().split("\n").map((l) => JSON.parse(l));
  assertEquals(events, [
    { type: "suite", event: "started", test_count: 4 },
    { type: "test", event: "started", name: "m::bad" },
    { type: "test", name: "m::bad", event: "failed", exec_time: 0.05, stdout: "half a line\nexit with code 35 (fail)\ncpu0 at 0x1\n" },
    { type: "test", event: "started", name: "good" },
    { type: "test", name: "good", event: "ok", exec_time: 1.5 },
    { type: "test", name: "later", event: "ignored" },
    { type: "test", event: "started", name: "panics" },
    { type: "test", name: "panics", event: "ok", exec_time: 1.5 },
    { type: "suite", event: "failed", passed: 2, failed: 1, ignored: 1, measured: 0, filtered_out: 3, exec_time: 3.05 },
  ]);
});

Deno.test("lists: terse ones hold nothing but names", () => {
  const listed = (format: Format, cases: Told[]) => {
    let text = "";
    reporter(format, { color: true, live: false, showOutput: false, write: (t) => text += t }).list(cases);
    return text;
  };
  assertEquals(listed("terse", CASES.slice(1, 3)), "good: test\nlater: test\n");
  assertEquals(listed("pretty", CASES.slice(1, 2)), "good: test\n\n1 test, 0 benchmarks\n");
  assertEquals(listed("pretty", []), "0 tests, 0 benchmarks\n");
  assertEquals(lines(listed("json", CASES.slice(2, 3)).trimEnd()).map((l) => JSON.parse(l)), [
    { type: "suite", event: "discovery" },
    { type: "test", event: "discovered", name: "later", ignore: true },
    { type: "suite", event: "completed", tests: 1, benchmarks: 0, total: 1, ignored: 1 },
  ]);
});

Deno.test("junit: cases under their modules; what XML cannot hold is replaced", () => {
  const odd: Result = { ok: false, output: '\x1b[31m<a> & "b"\r\n\ud800', why: ['says "no"\nand <more>'], guestNs: 1e6 };
  const totals: Totals = { passed: [[told("m::n::good"), GOOD]], failed: [[told("odd"), odd]], ignored: [told("later")], filteredOut: 0 };
  const counts = 'tests="3" failures="1" errors="0" skipped="1" time="1.501000"';
  assertEquals(lines(junit("k<1>", totals)), [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts}>`,
    `  <testsuite name="k&lt;1&gt;" ${counts}>`,
    '    <testcase classname="k&lt;1&gt;" name="later" time="0">',
    "      <skipped/>",
    "    </testcase>",
    '    <testcase classname="k&lt;1&gt;::m::n" name="good" time="1.500000">',
    "      <system-out>fine&#13;",
    "</system-out>",
    "    </testcase>",
    '    <testcase classname="k&lt;1&gt;" name="odd" time="0.001000">',
    '      <failure message="says &quot;no&quot;&#10;and &lt;more&gt;">says &quot;no&quot;',
    "and &lt;more&gt;</failure>",
    "      <system-out>\ufffd[31m&lt;a&gt; &amp; &quot;b&quot;&#13;",
    "\ufffd</system-out>",
    "    </testcase>",
    "  </testsuite>",
    "</testsuites>",
    "",
  ]);
  assertEquals(printed("junit", {}, [told("good")]).startsWith('<?xml version="1.0"'), true);
});
