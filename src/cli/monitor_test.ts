import { assertEquals } from "@std/assert";
import { FakeMachine } from "../../tests/fake_machine.ts";
import { MachineSession } from "../scenario/session.ts";
import { Monitor } from "./monitor.ts";

Deno.test("a line is edited, carried out at its end, and answered in front of the next prompt", () => {
  const session = new MachineSession(new FakeMachine([{ spin: 3 }])), done: string[] = [];
  let shown = "";
  const monitor = new Monitor({
    session,
    setPaused: (on) => done.push(on ? "paused" : "running"),
    quit: () => done.push("quit"),
    write: (text) => shown += text,
  });
  const typed = (text: string) => {
    shown = "";
    for (const b of new TextEncoder().encode(text)) monitor.byte(b);
    return shown;
  };
  assertEquals(shown, "\n(bringup) ");
  assertEquals([typed("pause\r"), done], ["pause\npaused\n(bringup) ", ["paused"]]);
  assertEquals([typed("cont\n"), done.at(-1)], ["cont\nrunning\n(bringup) ", "running"]);
  assertEquals(typed("\r"), "\n(bringup) ", "an empty line says nothing");
  assertEquals(typed("digex\x7fst\r"), "digex\b \bst\n0:0\n(bringup) ");
  assertEquals(typed("a\x08\x08\x7fdigest\r"), "a\b \bdigest\n0:0\n(bringup) ", "there is nothing more to take back");
  assertEquals(typed("quit\x15digest\r"), "quit" + "\b \b".repeat(4) + "digest\n0:0\n(bringup) ");
  assertEquals(typed("\x01\x1b\xe9digest\r"), "digest\n0:0\n(bringup) ", "what is no character is not typed");
  assertEquals(typed("digets\r"), "digets\nno command 'digets' (did you mean 'digest'?); try help\n(bringup) ");
  assertEquals([typed("quit\r"), done.at(-1)], ["quit\n(bringup) ", "quit"]);
});

Deno.test("every byte: a character, the end of a line, an erasure, or nothing", () => {
  const back = "\b \b", others: Record<number, string> = { 0x08: back, 0x0a: "\n", 0x0d: "\n", 0x15: back + back, 0x7f: back };
  for (let b = 0; b < 0x100; b++) {
    let shown = "";
    const session = new MachineSession(new FakeMachine([]));
    const monitor = new Monitor({ session, setPaused() {}, quit() {}, write: (text) => shown += text });
    for (const c of "di") monitor.byte(c.charCodeAt(0));
    shown = "";
    monitor.byte(b);
    const expected = others[b] ?? (b >= 0x20 && b <= 0x7e ? String.fromCharCode(b) : "");
    // "di" is the start of one command, whose answer follows.
    assertEquals(shown.replace("0:0\n(bringup) ", ""), expected, `byte ${b}`);
  }
});
