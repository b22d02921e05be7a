// What a session decides by itself; what scripts see of it is in tests/scenario_test.ts.
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Action, BASE, FakeMachine } from "../../tests/fake_machine.ts";
import { ConfigError } from "../core/errors.ts";
import type { Stop } from "../machine/stop.ts";
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

/** A machine whose first slice is short, as the real one's is before the JIT is loaded; it notes how it is run. */
class Early extends FakeMachine {
  readonly runs: [ticks: number, wallMs: number][] = [];
  /** Whether the first run comes back for the sake of wall time. */
  cut = false;
  get early(): number {
    return Math.max(0, 100 - this.s.ticks);
  }
  override run(until: number, wallMs = Infinity): Stop | undefined {
    this.runs.push([until - this.s.ticks, wallMs]);
    const stop = super.run(this.cut && this.runs.length === 1 ? until - 40 : until);
    this.yielded = this.cut && this.runs.length === 1;
    return stop;
  }
}

Deno.test("the short first slice and the next are one for the host, unless wall time or sleep parts them", async () => {
  const play = async (program: Action[], cut = false) => {
    const machine = new Early(program), session = new MachineSession(machine), slices: number[] = [];
    machine.cut = cut;
    session.hooks = { afterSlice: () => void slices.push(machine.s.ticks) };
    await session.run({ instructions: 300 });
    return { slices, runs: machine.runs };
  };
  assertEquals(await play([{ spin: 1000 }]), { slices: [300], runs: [[100, 100], [200, 10]] });
  // What goes on in the midst of a slice has a turn's time as any other.
  assertEquals(await play([{ spin: 1000 }], true), { slices: [60, 300], runs: [[100, 100], [40, 10], [200, 10]] });
  assertEquals((await play([{ spin: 20 }, { echo: 1 }])).slices.slice(0, 2), [100, 300]);
  assertEquals((await play([{ spin: 50 }, { exit: 1 }])).slices, [51]);
  // Also when one tick is left of it.
  const machine = new Early([{ spin: 1000 }]);
  machine.s.ticks = 99;
  await new MachineSession(machine).run({ instructions: 5 });
  assertEquals(machine.runs, [[1, 100], [4, 10]]);
});

Deno.test("the host is told of each slice, of breakpoints that no wait asked for, and of the end before the waits are", async () => {
  const machine = new FakeMachine([{ spin: 10 }, { spin: 10 }, { spin: 10 }, { exit: 3 }]), session = new MachineSession(machine);
  const told: string[] = [], [cpu] = machine.cpus;
  cpu.breakpoints.add(BigInt(machine.addresses[1] * 4 + BASE));
  session.hooks = {
    onBreakpoint: (stop) => void told.push(`${stop.kind} ${machine.s.ticks}`),
    onFinalStop: (stop) => void told.push(`${stop.kind} ${machine.s.ticks}`),
  };
  const reached = session.run({ until: "a2" }).then(() => told.push("reached")), end = session.stopped().then(() => told.push("stopped"));
  await Promise.all([reached, end]);
  // The second one was waited for.
  assertEquals(told, ["breakpoint 10", "reached", "exit 31", "stopped"]);
});

Deno.test("a slice is as long as the host, each wait and each thing that is due allow, and no longer", async () => {
  const machine = new Early([{ spin: 5000 }]), session = new MachineSession(machine);
  machine.s.ticks = 100;
  let limit = 50;
  session.hooks = { limitTicks: () => limit };
  await session.run({ instructions: 120 });
  assertEquals(machine.runs.splice(0).map(([ticks]) => ticks), [50, 50, 20]);
  limit = Infinity;
  await Promise.all([session.run({ instructions: 30 }), session.run({ instructions: 70 })]);
  assertEquals(machine.runs.splice(0).map(([ticks]) => ticks), [30, 40]);
  // A byte that has its time: the slice ends there. The guest has read the first.
  const send = session.serial.send(Uint8Array.of(1, 2), { pace: "25ns" });
  const room = () => machine.s.rx.splice(0);
  session.hooks.afterSlice = () => void room();
  room();
  await Promise.all([send, session.run({ instructions: 60 })]);
  assertEquals(machine.runs.map(([ticks]) => ticks).reduce((a, b) => a + b), 60);
  assertEquals(session.inputs.map((e) => [e.ticks, ...e.bytes]), [[290, 1], [315, 2]]);
});

Deno.test("a paused machine stands until it is woken; a frozen one for good; one that is ended from outside has stopped", async () => {
  const machine = new FakeMachine([{ spin: 5000 }]),
    session = new MachineSession(machine),
    later = () => new Promise((r) => setTimeout(r, 5));
  let paused = true;
  session.hooks = { paused: () => paused };
  const run = session.run({ instructions: 10 });
  await later();
  assertEquals(machine.s.ticks, 0);
  paused = false;
  session.wake();
  assertEquals([await run, machine.s.ticks], [{ kind: "budget" }, 10]);
  let over = false;
  const frozen = session.run({ instructions: 10 }).finally(() => over = true);
  frozen.catch(() => {});
  session.freeze();
  await later();
  assertEquals([machine.s.ticks, over], [10, false]);

  const other = new MachineSession(new FakeMachine([{ jump: 0 }])), stopped = other.stopped(), print = other.serial.toPrint("x");
  other.hooks = { afterSlice: () => other.end({ kind: "exit", code: 9 }) };
  print.catch(() => {});
  assertEquals([await stopped, other.stop], [{ kind: "exit", code: 9 }, { kind: "exit", code: 9 }]);
  await assertRejects(() => print, UnexpectedStop, "exit with code 9");
  // What came first stays.
  other.end({ kind: "reset" });
  assertEquals(other.stop, { kind: "exit", code: 9 });
});

Deno.test("a message of failure says of each processor where it is and whether it rests, and of consoles that have printed nothing", async () => {
  const machine = new FakeMachine([{ spin: 3 }, { echo: 1 }], { harts: 2 }), session = new MachineSession(machine, { replay: "again" });
  const e = await assertRejects(() => session.serial.toPrint("x", { within: "1us" }), ScenarioTimeout);
  assertEquals(e.message.split("\n"), [
    'Waited 1us of guest time in vain for uart0 to print "x"',
    "  guest time: 1.000 us (tick 1000)",
    "  uart0 has printed nothing",
    "  cpu0: pc 0x8000000c a1 (waiting for an interrupt)",
    "  cpu1: pc 0x8000000c a1 (waiting for an interrupt)",
    "  replay: again",
  ]);
  assertEquals([e.details.awaited, e.details.transcript, "stop" in e.details], ['uart0 to print "x"', { uart0: "" }, false]);
  const quiet = new MachineSession(new FakeMachine([{ out: "a\r\nb" }, { jump: 1 }]));
  const plain = await assertRejects(() => quiet.serial.toPrint("x", { within: "1us" }), ScenarioTimeout);
  assertEquals(plain.message.split("\n").slice(2), ["  uart0, last lines:", "    | a", "    | b", "  cpu0: pc 0x80000010 a1"]);
});

Deno.test("steps: their time, their depth, and failures in them say where", async () => {
  const m = new MachineSession(new FakeMachine([{ out: "one" }, { spin: 1000 }, { out: "two" }, { exit: 0 }]));
  const value = await m.step("boot", async () => {
    await m.step("first word", () => m.serial.toPrint("one"));
    await m.run({ for: "7ns" });
    return 5;
  });
  assertEquals(value, 5);
  const failed = await assertRejects(
    () => m.step("work", () => m.step("never", () => m.serial.toPrint("no", { within: "10ns" }))),
    ScenarioTimeout,
    "\n  in the step: work > never\n",
  );
  assertEquals(failed.details.steps, ["work", "never"]);
  assertEquals(m.steps, [
    { name: "boot", depth: 0, fromTicks: 0, fromNs: 0, toTicks: 10, toNs: 10 },
    { name: "first word", depth: 1, fromTicks: 0, fromNs: 0, toTicks: 3, toNs: 3 },
    { name: "work", depth: 0, fromTicks: 10, fromNs: 10, failed: true, toTicks: 20, toNs: 20 },
    { name: "never", depth: 1, fromTicks: 10, fromNs: 10, failed: true, toTicks: 20, toNs: 20 },
  ]);
  const after = await assertRejects(() => m.serial.toPrint("no", { within: "10ns" }), ScenarioTimeout);
  assertEquals(after.message.includes("in the step"), false);
});
