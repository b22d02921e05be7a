// Screens of shells and full-screen programs on a serial console, as a terminal shows them.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConfigError } from "../src/core/errors.ts";
import { expect, loadForScripts } from "../src/scenario/boot.ts";
import { ExpectationFailed, ScenarioTimeout } from "../src/scenario/failures.ts";
import { MachineSession } from "../src/scenario/session.ts";
import { type Action, FakeMachine } from "./fake_machine.ts";

const start = async (program: Action[]) => {
  const m = new MachineSession(new FakeMachine(program));
  await loadForScripts(m);
  return m;
};

Deno.test("a terminal shows colours, wide characters, a moved cursor, and stops on the very instruction", async () => {
  const parts = [
    "login: \x1b[1;32mroot\x1b[0m\r\n",
    "\x1b[3;5Hmiddle\x1b[44m日本 x\x1b[0m",
    "\x1b[38;5;208mo\x1b[48;2;1;2;3mr\x1b[0m\x1b[1;1H",
  ];
  const m = await start([{ out: parts[0] }, { spin: 100 }, { out: parts[1] }, { out: parts[2] }, { jump: 1 }]);
  const bytes = (text: string) => new TextEncoder().encode(text).length, terminal = await m.serial.terminal({ columns: 30, rows: 5 });
  assertEquals(terminal.text(), "");
  assertEquals(await expect(terminal).toShow(/r(o+)t/, { fg: "green" }), ["root", "oo"]);
  assertEquals(m.machine.age, bytes("login: \x1b[1;32mroot"));
  expect(terminal).toHaveCursor({ row: 0, column: 11 });
  expect(terminal).toHaveCell(0, 7, { character: "r", fg: "green", bold: true, bg: "default" });
  // Blank rows, and one that is counted from the bottom.
  await expect(terminal).toShow("本 x", { bg: "blue", row: -3 });
  assertEquals(m.machine.age, bytes(parts[0]) + 100 + bytes("\x1b[3;5Hmiddle\x1b[44m日本 x"));
  assertEquals(terminal.lines, ["login: root", "", "    middle日本 x", "", ""]);
  assertEquals([terminal.cell(2, 10)?.character, terminal.cell(2, 12)?.character, terminal.cell(2, 15)?.bg, terminal.cell(5, 0)], [
    "日",
    "本",
    "blue",
    undefined,
  ]);
  await expect(terminal).toShow("or", {});
  expect(terminal).toHaveCell(2, 16, { character: "o", fg: "#ff8700" });
  expect(terminal).toHaveCell(2, 17, { fg: "#ff8700", bg: "#010203" });
  const late = await assertRejects(() => expect(terminal).toShow("login", { fg: "red", within: "50ns" }), ScenarioTimeout);
  assert(late.message.startsWith(`Waited 50ns of guest time in vain for the terminal on uart0 to show "login" (fg red)\n`));
  const failed = assertThrows(() => expect(terminal).toHaveCursor({ row: 4 }), ExpectationFailed);
  assertEquals(failed.message.split("\n").slice(0, 5), [
    "Expected the terminal to have its cursor at { row: 4 }",
    `  it is at ${Deno.inspect({ column: terminal.cursor.column, row: terminal.cursor.row })}`,
    "  the terminal:",
    "    | login: root",
    "    | ",
  ]);
  for (
    const [options, problem] of [
      [{ fg: "gren" }, "no colour 'gren' (did you mean 'green'?)"],
      [{ row: 5 }, "there is no row 5: the terminal has 5 rows"],
      [{ rwo: 1 }, "unknown option 'rwo'"],
    ] as [object, string][]
  ) await assertRejects(async () => await expect(terminal).toShow("x", options), ConfigError, problem);
  await assertRejects(() => m.serial.terminal({ columns: 1 }), ConfigError, "`columns` is a whole number from 2 to 1000, got 1");
});

Deno.test("what is erased is shown no more; the alternate screen; scrolling; a terminal that comes late; snapshots", async () => {
  const m = await start([
    ...[{ out: "one\r\ntwo\r\nLoading" }, { spin: 50 }, { out: "\r\x1b[Kthree\r\nfour" }, { spin: 50 }] as Action[],
    ...[{ out: "\x1b[?1049h\x1b[H~ editor" }, { spin: 50 }, { out: "\x1b[?1049l$ " }, { jump: 7 }] as Action[],
  ]);
  const first = await m.serial.terminal({ rows: 3 });
  await expect(first).toShow("Loading");
  await expect(first).not.toShow("Loading");
  assertEquals([first.lines, m.serial.text().endsWith("\r\x1b[K")], [["one", "two", ""], true]);
  const before = m.snapshot();
  await expect(first).toShow("four");
  assertEquals(first.lines, ["two", "three", "four"]);
  await expect(first).toShow("~ editor", { row: 0 });
  assertEquals([first.alternate, first.lines], [true, ["~ editor", "", ""]]);
  await expect(first).toShow("four$ ");
  const late = await m.serial.terminal({ rows: 3 });
  assertEquals([late.alternate, late.lines], [false, first.lines]);
  m.restore(before);
  assertEquals([first.lines, late.lines], [["one", "two", ""], ["one", "two", ""]]);
  await expect(late).toShow("three");
  assertEquals(first.lines, ["one", "two", "three"]);
});

Deno.test("in whatever pieces it is looked at, a terminal shows the same", async () => {
  const text = Array.from(
    { length: 40 },
    (_, i) => `\x1b[${31 + i % 7}mline ${i}\x1b[0m\x1b[${i % 5}C é日\b\b\x1b[K${i % 3 ? "\r\n" : "\x1b[A\r"}`,
  ).join("");
  const m = await start([{ out: text }, { exit: 0 }]), watched = await m.serial.terminal({ columns: 20, rows: 6 });
  const looked = m.run({ instructions: 1e6 }), shown: string[] = [];
  m.serial.watchers.add(() => shown.push(watched.text()));
  await looked;
  const whole = await m.serial.terminal({ columns: 20, rows: 6 });
  assertEquals([watched.lines, watched.cursor], [whole.lines, whole.cursor]);
  assert(new Set(shown).size > 100);
});
