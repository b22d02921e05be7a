// What a session decides by itself; what scripts see of it is in tests/scenario_test.ts.
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FakeMachine } from "../../tests/fake_machine.ts";
import { ConfigError } from "../core/errors.ts";
import { ScenarioTimeout, UnexpectedStop } from "./failures.ts";
import { MachineSession } from "./session.ts";

Deno.test("a budget that is none is told of before anything runs", () => {
  const budgets: [object, string][] = [
    [{ guest: "5" }, "'5' is not a duration"],
    [{ wall: "x" }, "'x' is not a duration"],
    [{ gest: "5s" }, "unknown option 'gest'"],
  ];
  for (const [budget, message] of budgets) {
    assertThrows(() => new MachineSession(new FakeMachine([]), { budget }), ConfigError, message);
  }
});

Deno.test("a guest that only input can wake: it is over for who waits for the end, and goes on for who may still type, and for a limit", async () => {
  const session = (budget: "none" | "1ms") => {
    const session = new MachineSession(new FakeMachine([{ echo: 1 }]), { budget: { guest: budget } });
    // It waits behind the first slice; asleep it would pass all of its time in that.
    let slices = 0;
    session.hooks = { limitTicks: () => slices++ === 0 ? 10 : Infinity };
    return session;
  };
  assertEquals((await session("1ms").stopped()).kind, "deadHalt");
  assertEquals((await session("none").stopped()).kind, "deadHalt");
  await assertRejects(() => session("1ms").serial.toPrint("x"), ScenarioTimeout);
  await assertRejects(() => session("none").serial.toPrint("x"), UnexpectedStop, "dead halt");
  const both = session("none"), typed = both.serial.toPrint("x", { within: "1ms" });
  both.stopped().catch(() => {});
  await assertRejects(() => typed, ScenarioTimeout);
  for (const answer of [true, false]) {
    const asked = session("1ms");
    asked.hooks = { ...asked.hooks, inputMayCome: () => answer };
    if (answer) await assertRejects(() => asked.stopped(), ScenarioTimeout);
    else await assertRejects(() => asked.serial.toPrint("x"), UnexpectedStop);
  }
});
