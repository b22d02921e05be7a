// Every matcher: what satisfies it, what `.not` does to it, and the text of its failure (tests/golden/expect, a file for each kind of subject).
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type Action, FakeMachine } from "./fake_machine.ts";
import { compareGoldens } from "./golden_files.ts";
import type { ScreenPort, TextScreen } from "../src/core/device.ts";
import { ConfigError } from "../src/core/errors.ts";
import { boot, expect, loadForScripts } from "../src/scenario/boot.ts";
import {
  collectForgotten,
  ExpectationFailed,
  FailPatternSeen,
  ScenarioFailure,
  takeForgotten,
  UnexpectedStop,
  withSoft,
} from "../src/scenario/failures.ts";
import { loadPeripherals, MachineSession, type SessionOptions } from "../src/scenario/session.ts";

await loadPeripherals();
const start = async (program: Action[], options: SessionOptions = {}) => {
  const m = new MachineSession(new FakeMachine(program), options);
  await loadForScripts(m);
  return m;
};

/** The text of a failure, without what does not come from a matcher. */
async function failureOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
  } catch (e) {
    assert(e instanceof ScenarioFailure || e instanceof ConfigError, String(e));
    return `${e.name}: ${e.message}`;
  }
  return "(it does not fail)";
}

const goldens = new Map<string, string>();
/** Each attempt fails; the texts are a golden. */
async function fails(title: string, attempts: Readonly<Record<string, () => unknown>>): Promise<void> {
  const texts: string[] = [];
  for (const [what, attempt] of Object.entries(attempts)) texts.push(`--- ${what}\n${await failureOf(attempt)}\n`);
  goldens.set(title, texts.join("\n"));
}

Deno.test("values", async () => {
  const data = { name: "init", pids: [1, 2, 3], inner: { state: "Ready", wide: 5n } };
  expect(3).toBe(3);
  expect(NaN).toBe(NaN);
  expect(data).toEqual(structuredClone(data));
  expect(data as unknown).not.toEqual({ ...data, more: undefined });
  expect(new Uint8Array([1, 2])).toEqual(new Uint8Array([1, 2]));
  expect(new Map([[1, { a: 1 }]])).toEqual(new Map([[1, { a: 1 }]]));
  expect(new Map([[1, { a: 1 }]])).not.toEqual(new Map([[1, { a: 2 }]]));
  expect(5n).toBeAtLeast(5);
  expect(5).toBeAtMost(5n);
  expect(5).not.toBeBelow(5);
  expect(6).toBeAbove(5);
  expect("hello").toMatch(/l+/g);
  expect("hello").toContain("ell");
  expect([[1], [2]]).toContain([2]);
  expect(new Uint8Array([1, 2])).toContain(2);
  expect("hello").toHaveLength(5);
  const self: { me?: unknown } = {}, other: { me?: unknown } = {};
  self.me = self;
  other.me = other;
  expect(self).toEqual(other);
  await fails("Values", {
    toBe: () => expect(3).toBe(4),
    "toBe, of equal data": () => expect(data).toBe(structuredClone(data)),
    "toEqual, deep inside": () => expect(data).toEqual({ ...data, inner: { ...data.inner, state: "Running" } }),
    "toEqual, a list that is longer": () => expect([1, 2]).toEqual([1, 2, 3]),
    "toEqual, numbers of other types": () => expect(5 as unknown).toEqual(5n),
    "not.toEqual": () => expect([1]).not.toEqual([1]),
    toBeAtMost: () => expect(0x1_2345).toBeAtMost(0x1000),
    "toBeAbove, of no number": () => expect("5" as never as number).toBeAbove(5),
    toMatch: () => expect("hello").toMatch(/x/),
    toContain: () => expect([1, 2]).toContain(3),
    "toContain, of a number": () => (expect(5) as never as { toContain(n: number): void }).toContain(3),
    toHaveLength: () => expect("abc").toHaveLength(2),
    "a matcher that there is not": () => (expect(5) as never as { toBeAtMos(n: number): void }).toBeAtMos(3),
    "a promise": () => (expect(Promise.resolve(5)) as never as { toBe(n: number): void }).toBe(3),
  });
});

Deno.test("consoles: what is printed, what is not, and for how long", async () => {
  const program: Action[] = [{ out: "one two\n" }, { spin: 1000 }, { out: "three" }, { exit: 0 }];
  const m = await start(program);
  assertEquals(await expect(m.serial).toPrint(/t(.)o/), ["two", "w"]);
  await expect(m.serial).not.toPrint("three", { within: "900ns" });
  assertEquals(m.machine.age, 907);
  expect(m.serial).toHavePrinted("one");
  expect(m.serial).not.toHavePrinted("three");
  const told = await assertRejects(() => expect(m.serial).not.toPrint(/thr/, { within: "200ns" }), ExpectationFailed);
  // On the very instruction.
  assertEquals([m.machine.age, told.details.guestNs], [1011, 1011]);
  // Its end settles the question; a death does not.
  await expect(m.serial).not.toPrint("four", { within: "1s" });
  const dying = await start([{ die: true }]);
  await assertRejects(() => expect(dying.serial).not.toPrint("x", { within: "1s" }), UnexpectedStop);
  const bad = await start(program, { failOn: ["wo"] });
  await assertRejects(() => expect(bad.serial).not.toPrint("x", { within: "1s" }), FailPatternSeen);
  const later = await start(program);
  await later.serial.toPrint("one");
  await fails("Consoles", {
    toPrint: () => expect(later.serial).toPrint("never", { within: "100ns" }),
    "not.toPrint": () => expect(later.serial).not.toPrint(/t.+e/, { within: "1ms" }),
    "not.toPrint, of what is there": () => expect(later.serial).not.toPrint("two", { within: "1ms" }),
    "not.toPrint without a time": () => expect(later.serial).not.toPrint("two", {} as { within: string }),
    toHavePrinted: () => expect(later.serial).toHavePrinted("four"),
    "not.toHavePrinted": () => expect(later.serial).not.toHavePrinted(/o\w+/),
    "a screen's matcher": () => (expect(later.serial) as never as { toShow(s: string): void }).toShow("x"),
  });
});

Deno.test("machines: why they stop, for how long they run, what a part of a script takes", async () => {
  const program: Action[] = [{ out: "ok" }, { spin: 998 }, { exit: 3 }];
  const m = await start(program);
  assertEquals(await expect(m).toTake({ atLeast: "2ns", atMost: "2ns" }, () => m.serial.toPrint("ok")), ["ok"]);
  expect(m).toHaveRun({ atMost: "2ns" });
  expect(m).not.toHaveRun({ atLeast: "3ns" });
  expect(m).toHaveDigest(m.machine.digest());
  await expect(m).not.toStop(undefined, { within: "10ns" });
  await expect(m).not.toStop("reset", { within: "1ms" });
  assertEquals(await expect(m).toStop({ kind: "exit", code: 3 }), { kind: "exit", code: 3 });
  assertEquals(await expect(m).toStop("exit"), { kind: "exit", code: 3 });
  assertEquals(await expect(m).toStop(), { kind: "exit", code: 3 });
  const ends = await start(program), never = await start([{ jump: 0 }]), dies = await start([{ die: true }]);
  await fails("Machines", {
    "toStop, otherwise": () => expect(ends).toStop({ kind: "exit", code: 0 }),
    "toStop, of another kind": () => expect(dies).toStop("exit"),
    "toStop, too late": () => expect(never).toStop("exit", { within: "10ns" }),
    "not.toStop": () => start(program).then((m) => expect(m).not.toStop("exit", { within: "2us" })),
    "not.toStop, but it died": () => start([{ die: true }]).then((m) => expect(m).not.toStop("exit", { within: "1us" })),
    "toStop with a kind that is none": () => expect(ends).toStop("exti" as "exit"),
    toTake: () => expect(never).toTake({ atMost: "5ns" }, () => never.run({ instructions: 7 })),
    "toTake without limits": () => expect(never).toTake({}, () => never.run({ instructions: 7 })),
    toHaveRun: () => expect(never).toHaveRun({ atLeast: "1s", atMost: "2s" }),
    toHaveDigest: () => expect(never).toHaveDigest("other"),
  });
});

Deno.test("processors: registers, bits by name, modes, where they are", async () => {
  const m = await start([{ spin: 100 }, { sleep: 50 }, { jump: 0 }]), { cpu } = m;
  await m.run({ instructions: 10 });
  expect(cpu).toHaveRegister("a0", 10);
  expect(cpu).not.toHaveRegister("a0", 11n);
  expect(cpu).toHaveRegister("x11", 0);
  cpu.cpu.setReg("x5", (1n << 64n) - 1n);
  expect(cpu).toHaveRegister("t0", -1);
  expect(cpu).toHaveRegister("mstatus", { clear: ["MIE", "SUM"] });
  expect(cpu).not.toHaveRegister("mstatus", { set: ["MIE"] });
  expect(cpu).toHaveMode("M-mode");
  expect(cpu).toHavePrivilege("machine");
  expect(cpu).not.toHavePrivilege("user");
  expect(cpu).toBeIn("a0");
  expect(cpu).not.toBeIn("a1");
  expect(cpu).not.toBeIdle();
  expect(m.cpus[0]).not.toMap(0x8000_0000);
  await fails("Processors", {
    toHaveRegister: () => expect(cpu).toHaveRegister("a0", 0x8000_0000n),
    "not.toHaveRegister": () => expect(cpu).not.toHaveRegister("t0", -1n),
    "toHaveRegister, bits": () => expect(cpu).toHaveRegister("mstatus", { set: ["MIE", "SIE"], clear: ["SUM"] }),
    "toHaveRegister, too wide": () => expect(cpu).toHaveRegister("a0", 1n << 64n),
    "toHaveRegister, none of that name": () => expect(cpu).toHaveRegister("mstats", 0),
    "toHaveRegister, no bit of that name": () => expect(cpu).toHaveRegister("mstatus", { set: ["MIEE"] }),
    "toHaveRegister, a register without names": () => expect(cpu).toHaveRegister("a0", { set: ["PE"] }),
    toHaveMode: () => expect(cpu).toHaveMode("S-mode"),
    "toHaveMode, none of that name": () => expect(cpu).toHaveMode("smode"),
    toHavePrivilege: () => expect(cpu).toHavePrivilege("user"),
    toBeIn: () => expect(cpu).toBeIn("a1"),
    "toBeIn, no such symbol": () => expect(cpu).toBeIn("a7"),
    toBeIdle: () => expect(cpu).toBeIdle(),
    toMap: () => expect(cpu).toMap(0x1000, { pa: 0x2000, flags: "rw" }),
    "toMap, flags that are none": () => expect(cpu).toMap(0x1000, { flags: "rwz" }),
    "toMap, of no address": () => expect(cpu).toMap(-5),
  });
});

Deno.test("screens: what is shown no more, cells, cursor", async () => {
  const text: TextScreen = {
    columns: 10,
    rows: 2,
    cells: new Uint16Array(20).fill(0x0720),
    blink: true,
    cursor: { row: 1, column: 2, visible: true },
  };
  const put = (row: number, s: string, attribute = 0x07) =>
    [...s].forEach((c, i) => text.cells[row * 10 + i] = attribute << 8 | c.charCodeAt(0));
  const screen: ScreenPort = { text: () => text, image: () => ({ width: 0, height: 0, rgb: new Uint8Array() }), onChange: undefined };
  class WithScreen extends FakeMachine {
    readonly screen = screen;
  }
  const machine = new WithScreen([{ spin: 50 }, { out: "x" }, { spin: 1000 }, { jump: 2 }]), m = new MachineSession(machine);
  await loadForScripts(m);
  m.serial.onByte = () => {
    put(0, "         ");
    screen.onChange?.(0);
  };
  put(0, "Loading", 0x4e);
  assertEquals(await expect(m.screen).toShow("Loading", { fg: "yellow", bg: "red" }), ["Loading"]);
  expect(m.screen).toHaveCell(0, 0, { character: "L", fg: "yellow", bg: "red" });
  expect(m.screen).not.toHaveCell(5, 0, { character: "L" });
  expect(m.screen).toHaveCursor({ row: 1, visible: true });
  await expect(m.screen).not.toShow("Other");
  assertEquals(m.machine.age, 0);
  await expect(m.screen).not.toShow("Loading");
  assertEquals([m.machine.age, screen.onChange], [51, undefined]);
  put(1, "Still");
  await fails("Screens", {
    toShow: () => expect(m.screen).toShow("Done", { fg: "green", within: "10ns" }),
    "not.toShow": () => expect(m.screen).not.toShow("Still", { row: 1, within: "10ns" }),
    toHaveCell: () => expect(m.screen).toHaveCell(1, 0, { character: "s", fg: "red" }),
    "toHaveCell, outside": () => expect(m.screen).toHaveCell(2, 0, { character: "s" }),
    toHaveCursor: () => expect(m.screen).toHaveCursor({ row: 0, column: 0 }),
  });
});

Deno.test("poll: asked at exact instants of guest time until it is so, too late, or the machine has stopped", async () => {
  const m = await start([{ spin: 250_000 }, { exit: 0 }]), asked: number[] = [];
  const age = () => (asked.push(m.machine.age), m.machine.age);
  await expect.poll(m, age, { every: "100us" }).toBeAtLeast(150_000);
  assertEquals(asked, [0, 100_000, 200_000]);
  await expect.poll(m, () => m.cpu.reg("a0"), { every: "10ns" }).toBeAbove(200_025n);
  assertEquals(m.machine.age, 200_030);
  await expect.poll(m, () => m.cpu, { every: "1us" }).not.toHaveRegister("a0", m.cpu.reg("a0"));
  await expect.poll(m, () => Promise.resolve("x")).toMatch("x");
  const session = await start([{ spin: 100 }, { exit: 1 }]);
  await fails("Polls", {
    "too late": () => expect.poll(session, () => session.machine.age, { every: "20ns", within: "50ns" }).toBeAtLeast(1000),
    "it stopped": () => expect.poll(session, () => session.cpu.reg("a0"), { every: "20ns" }).toBe(5n),
    "another matcher": () => (expect.poll(session, () => 5) as never as { toPrint(s: string): Promise<void> }).toPrint("x"),
    "no function": () => expect.poll(session, 5 as never),
    "no machine": () => expect.poll((() => 5) as never, undefined as never),
  });
  assertEquals(session.machine.age, 101);
});

Deno.test("a failed check and a failed poll name the line of the script, and so does a mistake", async () => {
  const m = await start([{ jump: 0 }]), line = (e: Error) => e.stack!.split("\n").filter((l) => / at /.test(l))[0];
  const here = new Error().stack!.match(/expect_test\.ts:(\d+)/)![1];
  const errors = [
    assertThrows(() => expect(5).toBe(6), ExpectationFailed),
    assertThrows(() => expect(m.cpu).toHaveRegister("nothing", 6), ConfigError),
    await assertRejects(() => expect.poll(m, () => 5, { within: "5ns" }).toBe(6), ExpectationFailed),
    await assertRejects(() => expect(m).toStop("never" as "exit"), ConfigError),
    await assertRejects(() => expect(m.serial).not.toPrint("x", { within: "forty" }), ConfigError),
  ];
  assertEquals(errors.map((e) => Number(line(e).match(/expect_test\.ts:(\d+)/)![1]) - Number(here)), [2, 3, 4, 5, 6]);
});

Deno.test("soft failures end a test when it is over, all of them told", async () => {
  // Nobody asks for them outside of tests: they are failures like any other. This test is one.
  collectForgotten();
  const m = await start([{ out: "x" }, { jump: 1 }]);
  expect.soft(5).toBe(6);
  assertEquals(await expect.soft(m.serial).toPrint("y", { within: "10ns" }), []);
  expect.soft(5).not.toBe(6);
  assertThrows(() => expect.soft(m.cpu).toHaveRegister("none", 6), ConfigError);
  const both = takeForgotten()!;
  assert(both instanceof ScenarioFailure);
  const texts = both.message.split("\n");
  assertEquals(texts[0], "2 failures:");
  assertEquals(texts.filter((l) => /^\d\)/.test(l)), [
    "1) ExpectationFailed: Expected the value to be 6",
    '2) ScenarioTimeout: Waited 10ns of guest time in vain for uart0 to print "y"',
  ]);
  assertEquals(texts.filter((l) => l.includes("expect_test.ts:")).length >= 2, true);
  assertEquals(takeForgotten(), undefined);
  expect.soft(5).toBe(6);
  const one = takeForgotten()!;
  assertEquals(one.message.split("\n")[0], "Expected the value to be 6");
  // What ends a test comes with those before it, once.
  expect.soft(5).toBe(7);
  assertStringIncludes((withSoft(new Error("the end")) as Error).message, "2) Error: the end");
  assertEquals([withSoft(undefined), (withSoft(new Error("alone")) as Error).message], [undefined, "alone"]);
});

Deno.test("the failure of a real machine says where the processor is and what was printed", async () => {
  await using m = await boot("virt", { kernel: "tests/guests/bin/echo.rv64.elf", replay: "again" });
  await expect(m.serial).toPrint("> ");
  const e = assertThrows(() => expect(m.cpu).toHaveMode("M-mode"), ExpectationFailed);
  assertEquals(e.message.split("\n").slice(0, 2), ["Expected cpu0 to be in M-mode", "  it is in S-mode"]);
  assertStringIncludes(e.message, "\n    | > \n  cpu0: pc 0x");
  assertStringIncludes(e.message, "\n    by 0x");
  assertEquals(e.message.endsWith("\n  replay: again"), true);
});

Deno.test("the texts of failures are those that were read", () => compareGoldens("expect", "", goldens));
