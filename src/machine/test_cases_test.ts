// Cases in ELF files: of guests that Rust has built, and in files made word by word.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { readElf } from "./elf.ts";
import { findHarness, type Harness, type TestCase } from "./test_cases.ts";
import { LOAD, made } from "./testing/program_file.ts";

const look = (file: Uint8Array) => findHarness(file, readElf(file, "k"), "k");
function find(file: Uint8Array): Harness | undefined {
  const found = look(file);
  assert(found !== "unnamed");
  return found;
}
const CODE = 0x1000;
const brief = (cases: readonly TestCase[] = []) => cases.map((c) => `${c.name}@${c.entry.toString(16)}`);

Deno.test("#[test_case] functions of Rust's guests, of either width, and a kernel that has none", () => {
  const of = (name: string) => find(Deno.readFileSync(`tests/guests/bin/${name}.elf`));
  for (const bits of [32, 64]) {
    assertEquals(of(`tests_fail.rv${bits}`)?.cases.map((c) => c.name), [
      "an_assertion_that_fails",
      "multiplication_wraps",
      "trivial_assertion",
    ]);
    assertEquals([of(`tests_pass.rv${bits}`)?.kind, of(`cases.rv${bits}`)?.kind], ["test_case", "section"]);
  }
  assertEquals([of("hello.rv64"), of("x86_long")], [undefined, undefined]);
});

/** Symbols of v0 mangling: a function's own type with a method of a trait of the kernel's, or of Fn. */
const own = (fn: string, method = "run") => `_RNvXs_Cs1_1kNvCs1_1k${fn.length}${fn}NtB4_8Testable${method.length}${method}`;
const inFn = (fn: string, trait: string, method: string) =>
  `_RNvYNvCs1_1k${fn.length}${fn}INtNtNtCs2_4core3ops8function${trait.length}${trait}uE${method.length}${method}B4_`;
const MAIN = ["_RNvCs1_1k9test_main", LOAD + CODE] as const;
const word = (offset: number) => BigInt(LOAD + offset);
/** A vtable of a type without a size. */
const vtable = (at: number, w: number, ...methods: number[]) =>
  Object.fromEntries([0n, 0n, 1n, ...methods.map((m) => word(m))].map((v, i) => [at + i * w, v]));
const slice = (at: number, w: number, ...vtables: number[]) =>
  Object.fromEntries(vtables.flatMap((v, i) => [[at + 2 * i * w, 1n], [at + (2 * i + 1) * w, word(v)]]));

Deno.test("trait objects: the slice says which functions are cases, in its order, and the vtable which method runs one", () => {
  for (const bits of [32, 64] as const) {
    const w = bits / 8, symbols = [MAIN, ...["b", "a", "other"].map((fn, i) => [own(fn), LOAD + 0x2000 + i * 16] as const)];
    const vtables = { ...vtable(0x1100, w, 0x2000), ...vtable(0x1200, w, 0x2010), ...vtable(0x1300, w, 0x2020) };
    const found = find(made({ bits, symbols, words: { ...vtables, ...slice(0x1400, w, 0x1200, 0x1100) } }));
    assertEquals([brief(found?.cases), found?.main], [["a@80002010", "b@80002000"], word(CODE)]);
    // Without one, all that look like cases are.
    assertEquals(brief(find(made({ bits, symbols }))?.cases), ["b@80002000", "a@80002010", "other@80002020"]);
    // A method that tells a name is none that runs.
    const two = find(made({
      bits,
      symbols: [MAIN, [own("b"), LOAD + 0x2000], [own("b", "name"), LOAD + 0x2010]],
      words: {
        ...vtable(0x1100, w, 0x2000, 0x2010),
        ...slice(0x1400, w, 0x1100),
      },
    }));
    assertEquals(brief(two?.cases), ["b@80002000"]);
  }
  // Position-independent: the words are relocations.
  const place = (at: number, [offset, value]: readonly [string, bigint]) => [[at, word(Number(offset))], [at + 8, 3n], [at + 16, value]];
  const words = Object.entries({ ...vtable(0x1100, 8, 0x2000), ...slice(0x1400, 8, 0x1100) }).filter(([, v]) => v > 1n);
  const moved = Object.fromEntries(words.flatMap((one, i) => place(0x1800 + 24 * i, one)));
  const rest = { [0x1110]: 1n, [0x1400]: 1n };
  const symbols = [MAIN, [own("a"), LOAD + 0x2000], [own("x"), LOAD + 0x2010]] as const;
  const found = find(made({ symbols, words: { ...moved, ...rest }, sections: { ".rela.dyn": [0x1800, 24 * words.length] } }));
  assertEquals(brief(found?.cases), ["a@80002000"]);
});

Deno.test("&dyn Fn(): `call` runs a case, whichever of its twins are there; other functions and crates are none", () => {
  const symbols = [
    MAIN,
    [inFn("a", "Fn", "call"), LOAD + 0x2000],
    [inFn("a", "FnMut", "call_mut"), LOAD + 0x2010],
    [inFn("a", "FnOnce", "call_once"), LOAD + 0x2020],
    [inFn("passed_on", "FnOnce", "call_once"), LOAD + 0x2030],
    ["_RNvXs_Cs1_1oNvCs1_1o5theirNtB4_8Testable3run", LOAD + 0x2040],
    ["_RNvXs_Cs1_1kNvCs1_1k9should_panic_hereNtB4_8Testable3run", LOAD + 0x2050],
    [own("should_panic"), LOAD + 0x2060],
    ["_RNvXs_Cs1_1kNtCs1_1k4TypeNtB4_8Testable3run", LOAD + 0x2070],
    ["_RNvXs_Cs1_1kNvCs1_1k5cloneNtNtCs2_4core5clone5Clone5clone", LOAD + 0x2080],
  ] as const;
  const found = find(made({ symbols }));
  assertEquals(brief(found?.cases), ["a@80002000", "should_panic@80002060"]);
  assertEquals(found?.cases.map((c) => c.shouldPanic), [false, true]);
  const words = { ...vtable(0x1100, 8, 0x2020, 0x2010, 0x2000), ...slice(0x1400, 8, 0x1100) };
  assertEquals(brief(find(made({ symbols, words }))?.cases), ["a@80002000"]);
  // Legacy mangling names the trait only.
  const hash = "17h0123456789abcdefE", legacy = (...path: string[]) => `_ZN${path.map((p) => p.length + p).join("")}${hash}`;
  const old = [[legacy("k", "test_main"), LOAD + CODE], [legacy("core", "ops", "function", "Fn", "call"), LOAD + 0x2000]] as const;
  assertEquals([look(made({ symbols: old })), find(made({ symbols: old.slice(0, 1) }))?.cases, find(made({ symbols: old.slice(1) }))], [
    ...["unnamed", []] as const,
    undefined,
  ]);
  assertEquals(look(made({ symbols: [old[0], [legacy("_$LT$T$u20$as$u20$k..Testable$GT$", "run"), LOAD + 0x2000]] })), "unnamed");
  // A harness without cases is one all the same; without either there is none.
  assertEquals([find(made({ symbols: [MAIN] }))?.cases, find(made({ symbols: [["main", LOAD]] }))], [[], undefined]);
});

Deno.test("embedded-test's section: JSON in symbols' names, entries and module paths in words", () => {
  for (const bits of [32, 64] as const) {
    const w = bits / 8, at = 0x3800, address = 1;
    const tuple = (n: number, entry: number) => ({ [at + n * w]: word(entry), [at + (n + 1) * w]: word(0x1100), [at + (n + 2) * w]: 8n });
    const words = { 0x1100: "k::tests", [at]: 1n, ...tuple(1, 0x2000), ...tuple(4, 0x2010) };
    const file = (version: bigint, json: string) =>
      made({
        ...{ bits, words: { ...words, [at]: version }, sections: { ".embedded_test": [at, 7 * w, address] } },
        symbols: [
          ["EMBEDDED_TEST_VERSION", address],
          ['{"name":"adds","ignored":true,"should_panic":false,"timeout":5}', address + w],
          [json, address + 4 * w],
        ],
      });
    assertEquals(find(file(1n, '{"name":"falls","ignored":false,"should_panic":true}')), {
      kind: "embedded-test",
      cases: [
        { name: "tests::adds", entry: word(0x2000), ignored: true, shouldPanic: false, timeoutNs: 5e9 },
        { name: "tests::falls", entry: word(0x2010), ignored: false, shouldPanic: true },
      ],
    });
    const said = (file: Uint8Array) => assertThrows(() => find(file), ConfigError).message;
    assertEquals(said(file(0n, "{}")), "k: embedded-test's protocol 0 is not known, only 1 (embedded-test 0.7 and later)");
    assertEquals(said(file(1n, "{")), "k: embedded-test's section: a symbol's name is not JSON: {");
    assertEquals(
      said(file(1n, '{"name":1}')),
      'k: embedded-test\'s section: a test needs a name and perhaps a time-out in seconds: {"name":1}',
    );
  }
});

Deno.test("a section of our own: names, functions, flags, time-outs; what is damaged is told with its entry", () => {
  for (const bits of [32, 64] as const) {
    const w = bits / 8, entry = (n: number, ...values: bigint[]) => Object.fromEntries(values.map((v, i) => [0x1200 + (4 * n + i) * w, v]));
    const file = (name: string, second: Record<number, bigint> = {}, size = 8 * w) =>
      made({
        ...{ bits, symbols: [["bringup_test_main", LOAD + CODE]], sections: { [name]: [0x1200, size] } },
        words: {
          0x1100: "memory::mapsboot",
          ...entry(0, word(0x1100), 12n, word(0x2000), 0n),
          ...entry(1, word(0x110c), 4n, word(0x2010), 0x32_03n),
          ...second,
        },
      });
    for (const name of [".bringup_tests", "bringup_tests"]) {
      assertEquals(find(file(name)), {
        kind: "section",
        main: word(CODE),
        cases: [
          { name: "memory::maps", entry: word(0x2000), ignored: false, shouldPanic: false },
          { name: "boot", entry: word(0x2010), ignored: true, shouldPanic: true, timeoutNs: 50e6 },
        ],
      });
    }
    const said = (second: Record<number, bigint>, size?: number) =>
      assertThrows(() => find(file(".bringup_tests", second, size)), ConfigError).message;
    assertEquals(said({}, 7 * w), `k: .bringup_tests has ${7 * w} bytes: its entries have ${4 * w} each`);
    assertEquals(said(entry(1, 5n, 4n)), "k: .bringup_tests, entry 1: its name, 4 bytes at 0x5, is not in the file");
    assertEquals(said(entry(1, word(0x1100), 0n)), 'k: .bringup_tests, entry 1: "" is not a path such as "memory::maps"');
    assertEquals(
      said(entry(1, word(0x110c), 4n, 0n, 4n)),
      "k: .bringup_tests, entry 1 (boot): unknown flags 0x4; 1 is ignored, 2 should panic",
    );
  }
});
