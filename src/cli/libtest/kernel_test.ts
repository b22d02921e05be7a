// Kernels' test cases, listed and run: each on a fork of its own, however it ends.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { boot as bootMachine } from "../../scenario/boot.ts";
import { LOAD, made } from "../../machine/testing/program_file.ts";
import type { Stop } from "../../machine/stop.ts";
import { tellBy } from "./mod.ts";
import { passes } from "./suites.ts";
import { runWhole } from "./whole.ts";
import { runHere } from "../../../tests/cli.ts";

const bin = (name: string) => `tests/guests/bin/${name}.elf`;
const said = async (kernel: string, ...args: string[]) => (await test(kernel, ...args)).stderr;
const test = (kernel: string, ...args: string[]) => runHere(["test", "--kernel", bin(kernel), ...args]);

/** How each case of cases.c ends: the first line of why, or whether it passes. */
const ENDS: Readonly<Record<string, "ok" | RegExp>> = {
  "alone::first": "ok",
  "alone::second": "ok",
  dies: /^unhandled trap at 0x0\ncause: a null pointer was called$/m,
  "ends::with_failure": /^exit with code 3 \(fail\)$/m,
  "ends::with_reset": /^the guest asked for a reset$/m,
  "ends::with_success": "ok",
  "hangs::asleep":
    /^dead halt at 0x\w+: every hart waits and nothing can wake one\ncause: [^]*\ncpu0 at 0x\w+ waits\+0x\w+, waiting for an interrupt$/m,
  "hangs::for_ever": /^timed out: 2ms of guest time have passed\ncause: cpu0 goes round in `spins`, [^]*\ncpu0 at 0x\w+ spins/m,
  "hangs::for_input": /^dead halt at /m,
  "panics::by_mistake": /^panicked: by mistake\nthe kernel panicked:\ncpu0 at 0x\w+ panic\n {2}by 0x\w+ panics\+0x\w+$/m,
  "panics::hangs_instead": /^timed out: 1ms of guest time have passed$/m,
  "panics::not_at_all": /^it did not panic, and should have$/m,
  "panics::on_purpose": "ok",
  "panics::without_end": /^panicked: without an end\nand more\n/m,
  "some::day": /^panicked: it is not some day yet$/m,
};

for (const [bits, filters] of [["rv64", []], ["rv32", ["alone", "dies", "on_purpose"]]] as const) {
  Deno.test(`a section of cases, ${bits}: each runs in the booted kernel as if it were alone, and one that ends it hides no other`, async () => {
    const { code, stdout } = await test(`cases.${bits}`, ...filters, "--include-ignored", "--format", "json");
    const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const ended = events.filter((e) => e.type === "test" && e.event !== "started");
    const chosen = Object.keys(ENDS).filter((name) => filters.length === 0 || filters.some((f) => name.includes(f)));
    assertEquals(ended.map((e) => e.name), chosen);
    for (const { name, event, stdout = "" } of ended) {
      const end = ENDS[name];
      assertEquals(event, end === "ok" ? "ok" : "failed", `${name}: ${stdout}`);
      if (end !== "ok") assertMatch(stdout, end);
    }
    assertEquals([code, events.at(-1).passed, events.at(-1).failed], [101, 4 - (filters.length ? 1 : 0), filters.length ? 1 : 11]);
  });
}

Deno.test("a kernel with #[test_case] functions that knows nothing of this: its cases by their symbols, one by one", async () => {
  const listed = await test("tests_pass.rv64", "--list", "--format", "terse");
  assertEquals(listed, {
    code: 0,
    stdout: "division_rounds_to_zero: test\nmultiplication_wraps: test\ntrivial_assertion: test\n",
    stderr: "",
  });
  const all = await test("tests_pass.rv32");
  assertEquals(all.code, 0);
  assertMatch(
    all.stdout,
    /^\nrunning 3 tests\ntest division_rounds_to_zero ... ok\ntest multiplication_wraps ... ok\ntest trivial_assertion ... ok\n/,
  );
  const failing = await test("tests_fail.rv64", "virt", "wraps", "--filter", "fails");
  assertEquals(failing.code, 101);
  assertMatch(failing.stdout, /^\nrunning 2 tests\ntest an_assertion_that_fails ... FAILED\ntest multiplication_wraps ... ok\n/);
  assertMatch(
    failing.stdout,
    /Error: panicked at src\/bin\/tests_fail.rs:\d+:5:\nassertion `left == right` failed\n[^]*\ncpu0 at 0x\w+ __rustc::rust_begin_unwind/,
  );
  assertMatch(failing.stdout, /\nexit with code 1 \(fail\)\n[^]*1 passed; 1 failed; 0 ignored; 0 measured; 1 filtered out;/);
});

Deno.test("as a Cargo runner: what nextest and editors send; without it, the kernel's own runner runs", async () => {
  const runner = (...args: string[]) => runHere(["virt", bin("tests_fail.rv64"), ...args]);
  assertEquals((await runner("--list", "--format", "terse", "--ignored")).stdout, "");
  const one = await runner("--exact", "trivial_assertion", "--nocapture");
  assertEquals(one.code, 0);
  assertStringIncludes(one.stdout, "test trivial_assertion ... tests_fail::trivial_assertion...\t[ok]\nok\n");
  const own = await runner("--nocapture", "-q", "--test-threads=1");
  assertEquals(own.code, 1);
  assertMatch(own.stdout, /^Running 3 tests\n/);
});

Deno.test("a kernel that tells of no cases is one, named as its file; its verdict is the case's", async () => {
  const hello = await test("hello.rv64");
  assertEquals([hello.code, /^test hello.rv64 ... ok$/m.test(hello.stdout)], [0, true], hello.stdout);
  const panic = await test("panic.rv64", "--list");
  assertEquals([panic.code, panic.stdout], [0, "panic.rv64: test\n\n1 test, 0 benchmarks\n"]);
  const failing = await test("panic.rv64");
  assertEquals([failing.code, /^exit with code 1 \(fail\)$/m.test(failing.stdout)], [101, true], failing.stdout);
});

Deno.test("a kernel that chooses a case itself is told which by its command line, each time anew", async () => {
  const { code, stdout } = await test("cases.rv64", "--select", "append=case={}", "alone", "with", "panics", "--timeout", "1ms");
  assertEquals(code, 101);
  assertMatch(
    stdout,
    /test alone::first ... ok\ntest alone::second ... ok\ntest ends::with_failure ... FAILED\ntest ends::with_reset ... FAILED\ntest ends::with_success ... ok\n/,
  );
  assertMatch(
    stdout,
    /test panics::by_mistake ... FAILED\ntest panics::hangs_instead - should panic ... FAILED\ntest panics::not_at_all - should panic ... FAILED\ntest panics::on_purpose - should panic ... ok/,
  );
  assertMatch(stdout, /^booted\nKTAP version 1\npanicked: by mistake\nexit with code 1 \(fail\)$/m);
  // By the firmware's items it is told in the same way.
  const set = { "device.fw_cfg.items": { "opt/x": "y" }, memory: "1MiB" };
  assertEquals(tellBy("append=-t {} {}", { append: "quiet" })("a::b"), { append: "quiet -t a::b a::b" });
  assertEquals(tellBy("fw_cfg=opt/org.example/case={}", { set })("a::b"), {
    set: { "device.fw_cfg.items": { "opt/x": "y", "opt/org.example/case": "a::b" } },
  });
  for (const odd of ["fw_cfg=x", "append=x", "fw_cfg={}", "semihosting={}"]) {
    const line = `bringup: --select: expected append=TEXT or fw_cfg=NAME=TEXT with {} in the text, got '${odd}'\n`;
    assertEquals(await said("cases.rv64", "--select", odd), line);
  }
  assertMatch(await said("cases.rv64", "--select", "fw_cfg=opt/x={}", "first"), /fw_cfg/);
});

Deno.test("cases that a kernel prints are those that it has, also when its file names none", async () => {
  const boot = () => bootMachine("virt", { kernel: bin("cases.rv64"), append: "case=alone::" });
  const suite = await runWhole("kernel", { boot, timeout: "1ms" }, () => {}), [second, first] = suite.cases;
  assertEquals(suite.cases.map((c) => c.name), ["alone::second", "alone::first"]);
  assertEquals((await suite.run(second, () => {})).ok, true);
  assertEquals(await suite.run(first, () => {}), { ok: false, output: "first", why: ["the kernel says so"], guestNs: 0 });
});

Deno.test("a machine file's verdict tells whether an exit is a success; without one 0 is", () => {
  const ends: Stop[] = [{ kind: "exit", code: 33, pass: true }, { kind: "exit", code: 0, pass: false }, { kind: "exit", code: 0 }];
  assertEquals([...ends, { kind: "exit", code: 2 } as const, { kind: "reset" } as const].map(passes), [true, false, true, false, false]);
});

/** jal rd, over these many bytes (RISC-V unprivileged ISA, 2.5). */
const jal = (rd: number, by: number) =>
  (by & 0xf_f000 | (by >> 11 & 1) << 20 | (by >> 1 & 0x3ff) << 21 | rd << 7 | 0x6f | (by >> 20 & 1) << 31) | 0;
const MV_S0_RA = 0x0000_8413, MV_RA_S0 = 0x0004_0093, RET = 0x0000_8067;

Deno.test("#[test_case]: the last case is over where the runner has come back from it, though the kernel never ends", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".elf" }), method = (fn: string) => `_RNvXs_Cs1_1kNvCs1_1k1${fn}NtB4_8Testable3run`;
  try {
    const words = {
      0x1000: [jal(1, 0x10), jal(0, 0)],
      0x1010: [MV_S0_RA, jal(1, 0xfec), MV_RA_S0, RET],
      0x2000: [RET],
      0x2010: [jal(0, 0)],
    };
    const symbols = [["_RNvCs1_1k9test_main", LOAD + 0x1010], [method("a"), LOAD + 0x2000], [method("b"), LOAD + 0x2010]] as const;
    Deno.writeFileSync(file, made({ entry: 0x1000, words, symbols }));
    const { stdout, code } = await runHere(["test", "--kernel", file, "--timeout", "1ms"]);
    assertMatch(stdout, /test a ... ok\ntest b ... FAILED\n[^]*\ntimed out: 1ms of guest time/);
    assertEquals(code, 101);
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("a JUnit document beside what is printed; a case's time is the guest's, so that it is the same on every host", async () => {
  const file = Deno.makeTempFileSync();
  try {
    const documents: string[] = [];
    for (const engine of ["jit", "interp"]) {
      const { code } = await test("cases.rv64", "first", "for_ever", "some", "--junit", file, "--engine", engine);
      assertEquals(code, 101);
      documents.push(Deno.readTextFileSync(file));
    }
    assertEquals(documents[0], documents[1]);
    assertMatch(
      documents[0],
      /<testcase classname="cases.rv64::hangs" name="for_ever" time="0.002000">\n {6}<failure message="timed out: 2ms of guest time/,
    );
    assertMatch(documents[0], /name="first" time="0.0\d+">\n {6}<system-out>first\n<\/system-out>/);
    assertMatch(documents[0], /name="day" time="0">\n {6}<skipped\/>/);
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("mistakes are a line and status 2, and a filter that meets nothing is told of", async () => {
  const said = async (...args: string[]) => {
    const { code, stderr, stdout } = await runHere(["test", ...args]);
    assertEquals([code, stdout], [2, ""]);
    return stderr;
  };
  const kernel = ["--kernel", bin("cases.rv64")];
  assertMatch(await said("--kernel", "gone.elf"), /^bringup: gone.elf: no such file/);
  assertMatch(await said("--kernel", "README.md"), /^bringup: README.md: which machine\? usage: bringup test --kernel FILE MACHINE.toml/);
  assertEquals(await said(...kernel, "--frmat", "json"), "bringup: unknown option '--frmat' (did you mean '--format'?)\n");
  assertEquals(
    await said(...kernel, "--timeout", "5"),
    "bringup: --timeout: '5' is not a duration: expected a number with a unit, such as 5s, 100ms or 2us\n",
  );
  assertMatch(await said(...kernel, "--junit", "/nowhere/x.xml"), /^bringup: \/nowhere\/x.xml: --junit: cannot be written: /);
  assertMatch(
    await said(...kernel, "pc"),
    /^bringup: tests\/guests\/bin\/cases.rv64.elf: cannot tell how to boot it: .* this is an ELF file for RISC-V$/m,
  );
  const odd = await runHere(["virt", bin("cases.rv64"), "--list", "--gdb"]);
  assertEquals([odd.code, odd.stderr], [2, "bringup: --gdb means nothing where single test cases are run\n"]);
  const none = await test("cases.rv64", "alone::frist");
  assertEquals([none.code, none.stderr], [0, "bringup: no test case matches 'alone::frist' (did you mean 'alone::first'?)\n"]);
  assertStringIncludes((await runHere(["test", "--kernel", "x", "--help"])).stdout, "--exclude-should-panic");
  assert((await runHere(["test", "--help"])).stdout.includes("--kernel FILE"));
});
