// embedded-test's protocol with a program of a few instructions, and each operation of semihosting on a processor made of a table.
import { assertEquals, assertMatch } from "@std/assert";
import { runHere } from "../../../tests/cli.ts";
import { Bus } from "../../core/bus.ts";
import type { Cpu } from "../../core/cpu.ts";
import { readElf } from "../../machine/elf.ts";
import { LOAD, made } from "../../machine/testing/program_file.ts";
import { requestsOf, serve } from "./semihosting.ts";

const REQUEST = [0x01f0_1013, 0x0010_0073, 0x4070_5013], FOR_EVER = 0x0000_006f, BACK = 0xff1f_f06f | 0;
const li = (value: number) => value << 20 | 0x513, addA1 = (n: number) => n << 20 | 0x5_8593;
/** a1 becomes 0x1000 less than the address of this instruction. */
const A1_BEFORE = 0xffff_f597 | 0;
const test = (name: string, more = "") => `{"name":"${name}","ignored":false,"should_panic":${name.includes("panics")}${more}}`;
const word = (offset: number) => BigInt(LOAD + offset);
const tuple = (n: number, entry: number) => ({ [0x3808 + 24 * n]: word(entry), [0x3810 + 24 * n]: word(0x1100), [0x3818 + 24 * n]: 8n });

const PROGRAM = made({
  entry: 0x1000,
  words: {
    0x1000: [li(0x15), ...REQUEST, FOR_EVER],
    0x1100: "k::tests",
    0x1180: 0x2_0026n,
    0x1190: 0x2_0023n,
    // Says its module, and ends well; ends with an error; never ends.
    0x2000: [A1_BEFORE, addA1(0x100), li(4), ...REQUEST, addA1(0x80), li(0x18), ...REQUEST, FOR_EVER],
    0x2100: [A1_BEFORE, addA1(0x90), li(0x20), ...REQUEST, FOR_EVER],
    0x2200: [FOR_EVER],
    // Asks the same again and again.
    0x2300: [li(0x13), ...REQUEST, BACK],
    0x3800: 1n,
    ...tuple(0, 0x2000),
    ...tuple(1, 0x2100),
    ...tuple(2, 0x2100),
    ...tuple(3, 0x2200),
    ...tuple(4, 0x2300),
  },
  sections: { ".embedded_test": [0x3800, 8 + 5 * 24, 1] },
  symbols: [
    ["EMBEDDED_TEST_VERSION", 1],
    ...[test("passes"), test("fails"), test("panics"), test("hangs", ',"timeout":0.001'), test("asks", ',"timeout":0.001')].map((json, n) =>
      [json, 9 + 24 * n] as const
    ),
  ],
});

Deno.test("embedded-test: the program comes to where it asks what to run, and each case is called on a fork of that", async () => {
  const file = Deno.makeTempFileSync({ suffix: ".elf" });
  try {
    Deno.writeFileSync(file, PROGRAM);
    const { code, stdout } = await runHere(["virt", file, "--list", "--format", "terse"]);
    assertEquals([code, stdout], [
      0,
      "tests::asks: test\ntests::fails: test\ntests::hangs: test\ntests::panics: test\ntests::passes: test\n",
    ]);
    const ran = await runHere(["virt", file, "--format", "pretty", "--show-output"]);
    assertEquals(ran.code, 101);
    assertMatch(
      ran.stdout,
      /test tests::asks ... FAILED\ntest tests::fails ... FAILED\ntest tests::hangs ... FAILED\ntest tests::panics - should panic ... ok\ntest tests::passes ... ok\n/,
    );
    assertMatch(ran.stdout, /---- tests::passes stdout ----\nk::tests\n/);
    assertMatch(ran.stdout, /---- tests::fails stdout ----\nexit with code 1\n/);
    assertMatch(ran.stdout, /---- tests::hangs stdout ----\ntimed out: 1ms of guest time have passed\n/);
    assertMatch(ran.stdout, /---- tests::asks stdout ----\ntimed out: 1ms of guest time have passed\n/);
  } finally {
    Deno.removeSync(file);
  }
});

/** A processor of so many bits in front of a request, with RAM from 0 on. */
function request(bits: 32 | 64, operation: number, parameter: bigint, ...block: readonly bigint[]) {
  const bus = new Bus(),
    ram = new Uint8Array(4096),
    w = bits / 8,
    registers: Record<string, bigint> = { a0: BigInt(operation), a1: parameter, pc: 8n };
  bus.mapRam(0, ram, { readonly: false, name: "ram" });
  ram.set(new TextEncoder().encode("hello\0world"), 0x100);
  block.forEach((v, i) => {
    for (let n = 0; n < w; n++) ram[0x200 + i * w + n] = Number(v >> BigInt(8 * n) & 0xffn);
  });
  const cpu = {
    registers: [{ name: "a0", bits, group: "general" }],
    reg: (name: string) => registers[name],
    setReg: (name: string, value: bigint) => void (registers[name] = value),
    translate: (vaddr: bigint) => vaddr < 4096n ? Number(vaddr) : undefined,
    get pc() {
      return registers.pc;
    },
  } as unknown as Cpu;
  let said = "";
  const stop = serve(cpu, bus, (text) => said += new TextDecoder().decode(text));
  return { stop, said, answer: registers.a0, pc: registers.pc };
}

Deno.test("semihosting: operations, for both widths; what is not there fails, and the program goes on behind its request", () => {
  for (const bits of [32, 64] as const) {
    const served = (operation: number, parameter: bigint, ...block: bigint[]) => {
      const { stop, said, answer, pc } = request(bits, operation, parameter, ...block);
      assertEquals([stop, pc], [undefined, 12n]);
      return [answer, said];
    };
    const failed = (1n << BigInt(bits)) - 1n;
    assertEquals(served(0x01, 0x200n, 0x100n, 4n, 3n), [1n, ""]);
    assertEquals([served(0x03, 0x104n), served(0x04, 0x100n)], [[0n, "o"], [0n, "hello"]]);
    assertEquals([served(0x05, 0x200n, 1n, 0x106n, 3n), served(0x06, 0x200n, 1n, 0x100n, 7n)], [[0n, "wor"], [7n, ""]]);
    assertEquals([served(0x02, 0n), served(0x09, 0n), served(0x13, 0n), served(0x12, 0n)], [[0n, ""], [1n, ""], [0n, ""], [failed, ""]]);
    const ends = (operation: number, parameter: bigint, ...block: bigint[]) => request(bits, operation, parameter, ...block).stop;
    assertEquals(ends(0x15, 0x200n), "command line");
    assertEquals([ends(0x20, 0x200n, 0x2_0026n, 7n), ends(0x20, 0x200n, 0x2_0023n, 0n)], [{ kind: "exit", code: 7 }, {
      kind: "exit",
      code: 1,
    }]);
    const [good, bad] = bits === 64
      ? [ends(0x18, 0x200n, 0x2_0026n, 0n), ends(0x18, 0x200n, 0x2_0023n)]
      : [ends(0x18, 0x2_0026n), ends(0x18, 0x2_0023n)];
    assertEquals([good, bad], [{ kind: "exit", code: 0 }, { kind: "exit", code: 1 }]);
  }
  // A text without an end, and one that is nowhere.
  assertEquals([request(64, 0x04, 0x1_0000n).said, request(64, 0x03, 0x1_0000n).said], ["", "\0"]);
});

Deno.test("requests are found wherever the three instructions stand together", () => {
  assertEquals([...requestsOf(readElf(PROGRAM, "k"))].map((a) => Number(a) - LOAD), [0x1008, 0x2010, 0x2024, 0x2110, 0x2308]);
});
