// Cases that kernels print: KTAP of Linux's KUnit (the example of its documentation), TAP, and what runners in Rust print.
import { assertEquals } from "@std/assert";
import { printedCases } from "./printed.ts";

const brief = (text: string) => printedCases(text).map(({ name, outcome, output }) => `${outcome} ${name}${output ? `: ${output}` : ""}`);

Deno.test("KTAP: subtests are named by the result behind them, also in a log with times", () => {
  const ktap = ["KTAP version 1", "1..2", "  KTAP version 1", "  # Subtest: main", "  1..3", "    KTAP version 1", "    1..2"];
  ktap.push(
    "    ok 1 test_1",
    "    not ok 2 test_2",
    "  # test_1 failed: 3 != 4",
    "  not ok 1 sub",
    "  ok 2 plain",
    "  ok 3 - later # SKIP no device",
  );
  ktap.push("not ok 1 main", "# Totals", "ok 2 second_suite");
  const expected = [
    "ok main::sub::test_1",
    "failed main::sub::test_2",
    "ok main::plain",
    "ignored main::later",
    "ok second_suite: # Totals",
  ];
  assertEquals(brief(ktap.join("\n")), expected);
  assertEquals(brief(ktap.map((line, i) => `[    0.${String(i).padStart(6, "0")}] ${line}\r`).join("\n")), expected);
});

Deno.test("TAP: numbers and dashes may be missing, what is to be done has not failed, and a bail-out has", () => {
  assertEquals(brief("TAP version 14\nok 1 - reads a \\# sign\nok\nnot ok 3 # TODO some day\nwhy\nnot ok 4 - last\n1..4"), [
    "ok reads a # sign",
    "ok case 2",
    "ok case 3",
    "failed last: why",
  ]);
  assertEquals(brief("1..3\nok 1 a\nBail out! no memory\n"), ["ok a", "failed bail out: Bail out! no memory"]);
  // A suite that fails though all of its cases pass is one that fails.
  assertEquals(brief("1..1\n    ok 1 in\n    1..1\nnot ok 1 suite"), ["ok suite::in", "failed suite"]);
});

Deno.test("name... [ok]: results on the same line or behind what the case prints; the last without one has failed", () => {
  assertEquals(brief("Running 3 tests\nblog_os::vga::prints...\t[ok]\nblog_os::many...\tline 0\nline 1\n[ok]\nblog_os::dies...\t"), [
    "ok vga::prints",
    "ok many: line 0\nline 1",
    "failed dies",
  ]);
  assertEquals(brief("test heap::large ... ok\ntest heap::odd - should panic ... FAILED\ntest later ... ignored\n"), [
    "ok heap::large",
    "failed heap::odd",
    "ignored later",
  ]);
  assertEquals(brief("one... [ok]\ntwo...[failed]\n"), ["ok one", "failed two"]);
  // Boot messages are none.
  assertEquals(brief("Booting... ok\nLoading...\nok 1\nStarting init... done\n"), []);
});
