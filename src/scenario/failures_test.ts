import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Stop } from "../machine/stop.ts";
import { collectForgotten, describeStop, Outcome, placed, ScenarioTimeout, takeForgotten } from "./failures.ts";

const details = { awaited: "x", guestNs: 1, transcript: {} };

Deno.test("each stop is told in a sentence of its own; what is longer than a line has its report behind the first", () => {
  const sentences: [Stop, string][] = [
    [{ kind: "exit", code: 3 }, "exit with code 3"],
    [{ kind: "exit", code: 0, pass: true }, "exit with code 0 (pass)"],
    [{ kind: "exit", code: 7, pass: false }, "exit with code 7 (fail)"],
    [{ kind: "reset" }, "the guest asked for a reset"],
    [{ kind: "deadHalt", pc: 0x1234n }, "dead halt at 0x1234: every hart waits and nothing can wake one"],
    [{ kind: "tripleFault", pc: 0x7c00n, report: "a\nb" }, "triple fault at 0x7c00\na\nb"],
    [{ kind: "trapLoop", pc: 0n, report: "why" }, "unhandled trap at 0x0\nwhy"],
    [{ kind: "breakpoint", cpu: 2, pc: 0xffn }, "breakpoint of cpu2 at 0xff"],
    [{ kind: "budget" }, "the time or instruction budget is used up"],
  ];
  for (const [stop, sentence] of sentences) assertEquals(describeStop(stop), sentence);
});

Deno.test("a failed wait that nobody listened to is told of once, the first of them; one that was heard is not", async () => {
  const failure = (text: string) => new ScenarioTimeout(text, details);
  const fails = (text: string) => {
    let reject!: (e: Error) => void;
    const wait = new Outcome<void>((_, no) => reject = no), error = failure(text);
    return { wait, fail: () => (reject(error), wait.failed(error)) };
  };
  collectForgotten();
  const heard = fails("heard"), first = fails("first"), second = fails("second"), late = fails("late");
  const listens = assertRejects(() => heard.wait, ScenarioTimeout, "heard");
  for (const { fail } of [heard, late, first, second]) fail();
  await assertRejects(() => late.wait, ScenarioTimeout, "late");
  await listens;
  assertEquals([takeForgotten()?.message, takeForgotten()], ["first", undefined]);
  // What comes of a wait is a promise like any other.
  assertEquals(new Outcome<number>((yes) => yes(1)).then(() => 2) instanceof Outcome, false);
});

Deno.test("a failure's stack is where something was awaited, without this folder, and its message is there once", () => {
  const from = new Error(), error = placed(new ScenarioTimeout("one\ntwo", details), from), stack = error.stack!.split("\n");
  from.stack = "Error\n    at inside (file:///elsewhere/x.ts:1:1)\n    at new Promise (<anonymous>)\n" +
    `    at ours (${new URL("session.ts", import.meta.url)}:1:1)\n`;
  const again = placed(new ScenarioTimeout("one\ntwo", details), from);
  assertEquals(stack[0], "ScenarioTimeout: one");
  assertEquals(again.stack, "ScenarioTimeout: one\n    at inside (file:///elsewhere/x.ts:1:1)\n");
  assert(!stack.slice(1).some((l) => l.includes("src/scenario/")), error.stack);
  const inspected = Deno.inspect(again);
  assertStringIncludes(inspected, "one\ntwo\n    at inside");
  assertEquals(inspected.split("one").length, 2);
});
