// What rows say of themselves by marks, against what their functions do.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../tests/fuzz/random.ts";
import { type CoreEnv, FAULT } from "../ir/frontend.ts";
import { CALL, CALL_END, CALL_END_UNLESS, CALL_UNLESS } from "../ir/ops.ts";
import { verifyIr } from "../ir/verify.ts";
import type { X86Cpu } from "./cpu.ts";
import { Features, modelByName } from "./cpuid.ts";
import { OK } from "./decode.ts";
import { Emit } from "./emit.ts";
import { randomInstruction } from "./encode.ts";
import { ENDING_HELPERS, HELPERS, SYSTEM_HELPERS } from "./helpers.ts";
import { Insn, type Row, x86 } from "./insn.ts";
import { x86Table } from "./instruction_set.ts";
import { integerHelpers } from "./integer.ts";
import { AF, OF, STATUS } from "./registers.ts";
import { MODE_CODE32, MODE_CODE64, MODE_FLAT, MODE_OSFXSR, MODE_PROTECTED, MODE_SSE_FAST, MODE_STACK32 } from "./slots.ts";
import { sseHelpers } from "./sse.ts";
import { systemHelpers } from "./system_helpers.ts";
import { instructionHelpers } from "./translate.ts";
import { x87Helpers } from "./x87.ts";

const read = (marks: string) => x86("0F 0A /r", "twice Gv, Ev", marks, () => {}).row;

Deno.test("marks: what is unknown, a feature that CPUID does not have, a flag that is none, and two features", () => {
  const { feature, unit, ends, lock, writes, undefinedFlags } = read("@sse sse4.1 lock ends !OA -OA");
  assertEquals([feature, unit, ends, lock, writes, undefinedFlags], ["sse4.1", "sse", true, true, OF | AF, OF | AF]);
  assertThrows(() => read("quite"), Error, `unknown mark 'quite' in "quite"`);
  assertThrows(() => read("quiet sse4.3"), Error, "unknown mark 'sse4.3'");
  assertThrows(() => read("!OX"), Error, "unknown flag 'X' in mark '!OX'");
  assertThrows(() => read("-D"), Error, "unknown flag 'D'");
  assertThrows(() => read("bmi1 bmi2"), Error, "unknown mark 'bmi2'");
});

Deno.test("a row with registers of a unit names the feature that it belongs to", () => {
  assertEquals(x86Table().rows.filter((r) => r.unit !== "" && r.unit !== "fpu" && r.feature === "").map((r) => r.syntax), []);
  const features = new Features(modelByName("qemu64"), ["-sse3", "-popcnt", "+bmi2"]);
  const lost = x86Table().rows.filter((r) => r.feature !== "" && !features.has(r.feature)), kept = new Set(x86Table(features).rows);
  assert(lost.length > 50 && lost.every((r) => !kept.has(r)) && lost.length + kept.size === x86Table().rows.length);
});

/** SDM volume 1, appendix A, and the pages of BMI1, BMI2, LZCNT and TZCNT in volume 2: what has a dash there, or is called undefined. */
const UNDEFINED: Readonly<Record<string, string>> = {
  "aaa aas": "OSZP",
  "aad aam": "OAC",
  "daa das": "O",
  "and or xor test shl sal shr sar": "A",
  "shld shrd": "OA",
  "mul imul": "SZAP",
  "div idiv": "OSZAPC",
  "bt bts btr btc lzcnt tzcnt": "OSAP",
  "bsf bsr": "OSAPC",
  "andn blsr blsmsk blsi bzhi": "AP",
  bextr: "SAP",
};

Deno.test("flags are undefined where the manual leaves them so: what a row marks is not compared with other processors", () => {
  const expected = new Map(
    Object.entries(UNDEFINED).flatMap(([names, flags]) => names.split(" ").map((name) => [name, read(`-${flags}`)])),
  );
  const wrong = x86Table().rows.filter((r) => r.undefinedFlags !== (expected.get(r.mnemonic)?.undefinedFlags ?? 0));
  assertEquals(wrong.map((r) => `${r.opcode} ${r.syntax}`), []);
});

/** What rows' functions build, at one place in each width of code: in flat segments, privilege 0, with SSE by the host and by helpers. */
const MODES =
  ([[16, 0], [32, MODE_CODE32 | MODE_STACK32 | MODE_FLAT | MODE_PROTECTED], [64, MODE_CODE64 | MODE_FLAT | MODE_PROTECTED]] as const)
    .flatMap(([code, mode]) => [0, MODE_SSE_FAST].map((fast) => [code, mode | MODE_OSFXSR | fast] as const));
function* built(modes: readonly (readonly [code: 16 | 32 | 64, mode: number])[] = MODES, times = 3, plain = true): Generator<[Row, Emit]> {
  const e = new Emit(), i = new Insn(), table = x86Table(), random = new Random(7);
  for (const row of table.rows) {
    for (const [code, mode] of modes) {
      for (let n = 0; n < times; n++) {
        const bytes = Uint8Array.from([...randomInstruction(row, code, random.unit, plain).bytes, ...new Array(15).fill(0x90)]);
        if (table.decode(i, bytes, 0, bytes.length, code) !== OK || i.row !== row) continue;
        e.reset(0x4000, 0);
        e.begin(mode);
        e.insn(0x4000, 0, 0);
        e.begin1(i, STATUS);
        row.emit(e, ...i.operands);
        yield [row, e];
      }
    }
  }
}

Deno.test("`ends` is a mark of the rows whose functions end the block always, and of no others", () => {
  const ended = new Map<Row, Set<boolean>>();
  for (const [row, e] of built()) ended.set(row, (ended.get(row) ?? new Set()).add(e.ended));
  assertEquals(ended.size, x86Table().rows.length);
  const wrong = [...ended].filter(([row, seen]) => row.ends !== (seen.has(true) && !seen.has(false)));
  assertEquals(wrong.map(([row]) => `${row.opcode} ${row.syntax}`), []);
});

/** Widths of code and of the stack, with segments that have bases and limits as well. */
const WIDTHS = ([[16, 0], [16, MODE_PROTECTED | MODE_STACK32], [32, MODE_CODE32 | MODE_PROTECTED], [
  32,
  MODE_CODE32 | MODE_STACK32 | MODE_PROTECTED,
], ...MODES] as const).map(([code, mode]) => [code, mode | MODE_OSFXSR] as const);

Deno.test("what rows build has the types that the op table says, whatever the prefixes, operands and widths", () => {
  const wrong = new Map<string, string>();
  let verified = 0;
  for (const [row, e] of built(WIDTHS, 10, false)) {
    if (!e.ended) e.jump(1);
    verified++;
    try {
      verifyIr(e);
    } catch (error) {
      wrong.set(`${row.opcode} ${row.syntax}`, (error as Error).message);
    }
  }
  assert(verified > 50_000, `${verified}`);
  assertEquals([...wrong], []);
});

Deno.test("rows call helpers that there are, to end the block with those that end it", () => {
  const wrong = new Set<string>();
  let calls = 0;
  for (const [row, e] of built()) {
    for (let n = 0; n < e.count; n++) {
      const ends = e.op[n] === CALL_END || e.op[n] === CALL_END_UNLESS;
      if (!ends && e.op[n] !== CALL && e.op[n] !== CALL_UNLESS) continue;
      calls++;
      // A name that is none would be number 0, which ends blocks.
      if (ENDING_HELPERS.has(HELPERS[e.lo[n]]) !== ends) wrong.add(`${row.opcode} ${row.syntax}: ${HELPERS[e.lo[n]]}`);
    }
  }
  assert(calls > 2000);
  assertEquals([...wrong], []);
});

Deno.test("every helper that rows and the processor call has its function, under its name", () => {
  const bytes = new Uint8Array(0x1_0000), { buffer } = bytes, u64 = new BigUint64Array(buffer);
  const env = { u8: bytes, i32: new Int32Array(buffer), u32: new Uint32Array(buffer), u64, changed: () => {} } as unknown as CoreEnv;
  const own = [...integerHelpers(env, () => FAULT), ...sseHelpers(env, () => FAULT), ...x87Helpers(env, () => {})];
  assertEquals([...SYSTEM_HELPERS, ...own.map(({ name }) => name)], [...HELPERS]);
  assertEquals(instructionHelpers(env, () => FAULT).map(({ name }) => name), own.map(({ name }) => name));
  assertEquals(own.filter(({ run }) => typeof run !== "function").map(({ name }) => name), []);
  const system = systemHelpers({} as X86Cpu);
  assertEquals(SYSTEM_HELPERS.filter((name) => typeof system[name] !== "function"), []);
  assertEquals(new Set(HELPERS).size, HELPERS.length);
});
