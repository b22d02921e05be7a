// The monitor's commands, word for word.
import { assertEquals } from "@std/assert";
import { BASE, FakeMachine } from "../../tests/fake_machine.ts";
import { MachineSession } from "../scenario/session.ts";
import { runCommand } from "./monitor.ts";

function machineWith(...program: ConstructorParameters<typeof FakeMachine>[0]) {
  const machine = new FakeMachine(program, { harts: 2 }), session = new MachineSession(machine), done: string[] = [];
  const host = { session, setPaused: (on: boolean) => done.push(`paused ${on}`), quit: () => done.push("quit") };
  return { machine, session, done, say: (line: string) => runCommand(line, host) };
}

Deno.test("registers: four to a line with all their digits, where each processor is and what it does", () => {
  const { machine, say } = machineWith({ spin: 9 });
  machine.s.regs = machine.s.regs.map((_, i) => BigInt(i * 0x11));
  const row = (from: number) =>
    [0, 1, 2, 3].map((i) => `  ${`x${from + i}`.padStart(5)} ${((from + i) * 0x11).toString(16).padStart(16, "0")}`).join("");
  const rows = [...[0, 4, 8, 12, 16, 20, 24, 28].map(row), `     pc 00000000${BASE.toString(16)}   priv 03`, "  => nop"];
  const at = `pc 0x${BASE.toString(16)} a0`;
  assertEquals(say("info registers").split("\n"), [`cpu0: ${at}`, ...rows, `cpu1: ${at} (waiting for an interrupt)`, ...rows]);
  machine.cpus[0].disassemble = () => undefined;
  Object.defineProperty(machine.cpus[1], "registers", { value: machine.cpus[1].registers.slice(0, 4) });
  assertEquals(say("i r").split("\n").slice(11), [row(0), "  => nop"], "as many as fill their lines");
  assertEquals(say("i r").split("\n").slice(9, 11), [rows[8], `cpu1: ${at} (waiting for an interrupt)`], "a page that is gone has no text");
});

Deno.test("code: eight instructions of each processor, as far as there are any", () => {
  const { machine, say } = machineWith({ spin: 9 }),
    lines = (n: number) => Array.from({ length: n }, (_, i) => `  ${(BASE + 4 * i).toString(16)}  nop`);
  const at = `pc 0x${BASE.toString(16)} a0`;
  assertEquals(say("info code").split("\n"), [`cpu0: ${at}`, ...lines(8), `cpu1: ${at}`, ...lines(8)]);
  machine.cpus[0].disassemble = (pc) => pc < BigInt(BASE + 8) ? { text: "nop", length: 4 } : undefined;
  assertEquals(say("info code").split("\n"), [`cpu0: ${at}`, ...lines(2), `cpu1: ${at}`, ...lines(8)]);
  Object.defineProperty(machine.cpus[0], "pc", { value: 0x7cn });
  machine.cpus[0].disassemble = (pc) => pc === 0x7cn ? { text: "hlt", length: 1 } : undefined;
  assertEquals(say("info code").split("\n")[1], "  0000007c  hlt");
});

Deno.test("time: how much, why it stopped, and the counters; memory: all regions", () => {
  const { machine, session, say } = machineWith({ spin: 1500 }, { exit: 3 });
  machine.run(1200);
  assertEquals(say("info time"), "guest time 1.200 us, tick 1200\n  instructions        1200");
  session.end({ kind: "exit", code: 3 });
  assertEquals(say("info time"), "guest time 1.200 us, tick 1200\nexit with code 3\n  instructions        1200");
  machine.bus.mapRam(0x2000, new Uint8Array(16), { readonly: true, name: "rom" });
  assertEquals(say("info memory").split("\n").sort(), [
    "  0000002000..000000200f rom rom",
    "  0010000000..0010000007 dev uart0",
    "  0080000000..0080000fff ram ram",
  ]);
});

Deno.test("what changes the run, by any unambiguous start; what is ambiguous or nothing is said", () => {
  const { machine, done, say } = machineWith({ spin: 5 });
  machine.run(3);
  assertEquals([say("pause"), say(" p "), say("continue"), say("c"), done], ["paused", "paused", "running", "running", [
    "paused true",
    "paused true",
    "paused false",
    "paused false",
  ]]);
  assertEquals([say("digest"), say("d"), say("reset"), machine.s.ticks], ["3:3", "3:3", "reset", 0]);
  assertEquals([say("quit"), say("q"), done.slice(4)], ["", "", ["quit", "quit"]]);
  assertEquals([say(""), say("  ")], ["", ""]);
  assertEquals(say("info"), "'info' could be info registers or info code or info time or info memory");
  assertEquals(say("info   t").split(",")[0], "guest time 0 ns");
  assertEquals(say("info x"), "no command 'info x'; try help");
  assertEquals(say("quti"), "no command 'quti' (did you mean 'quit'?); try help");
  assertEquals(say("time info"), "no command 'time info'; try help");
  assertEquals(say("help").split("\n").map((l) => [l.slice(0, 18).trim(), /^ {2}.{16}\w/.test(l)]), [
    ["help", true],
    ["info registers", true],
    ["info code", true],
    ["info time", true],
    ["info memory", true],
    ["pause", true],
    ["continue", true],
    ["reset", true],
    ["save FILE", true],
    ["digest", true],
    ["quit", true],
  ]);
});
