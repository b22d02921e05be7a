import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { FakeMachine, HZ } from "../../tests/fake_machine.ts";
import { Pacer, type Pacing } from "./pacer.ts";

/** An idle machine whose clock the test moves. */
function idle() {
  const machine = new FakeMachine([]), pacer = new Pacer(machine);
  const elapse = (ms: number) => machine.s.ticks += ms * HZ / 1000;
  const wallMs = async (wait: Promise<void> | void) => {
    const from = performance.now();
    await wait;
    return performance.now() - from;
  };
  return { pacer, elapse, wallMs };
}

Deno.test("with somebody at the keyboard, idle time takes as long as on the wall clock", async () => {
  const { pacer, elapse, wallMs } = idle();
  pacer.busy();
  assertEquals(pacer.limitTicks("wall"), HZ / 20);
  let total = 0;
  for (let i = 0; i < 4; i++) {
    elapse(25);
    total += await wallMs(pacer.idle("wall", false));
  }
  assertGreater(total, 80);
});

Deno.test("time that the guest was busy is not made up for", () => {
  const { pacer, elapse } = idle();
  elapse(10_000);
  pacer.busy();
  assertEquals(pacer.idle("wall", false), undefined);
});

Deno.test("input ends a sleep at once", async () => {
  const { pacer, elapse, wallMs } = idle();
  pacer.busy();
  elapse(5000);
  setTimeout(() => pacer.wake(), 20);
  assertLess(await wallMs(pacer.idle("wall", false)), 2000);
});

Deno.test("what only input can end waits for it, and costs no guest time", async () => {
  const { pacer } = idle();
  let over = false;
  const sleep = pacer.idle("auto", true) as Promise<void>;
  sleep.then(() => over = true);
  await new Promise((r) => setTimeout(r, 20));
  assert(!over);
  pacer.wake();
  await sleep;
});

Deno.test("runs without anybody at the keyboard jump over idle time; piped ones until the guest was silent for a minute", async () => {
  const { pacer, elapse, wallMs } = idle();
  const jumps = (pacing: Pacing) => pacer.limitTicks(pacing) > 0.5 * HZ && pacer.idle(pacing, false) === undefined;
  assert(jumps("jump") && jumps("auto"));
  // Not beyond the minute at once, however far the next alarm is.
  assertEquals([pacer.limitTicks("jump"), pacer.limitTicks("auto")], [Infinity, 60 * HZ + 1]);
  elapse(59_000);
  assert(jumps("auto"));
  assertEquals(pacer.limitTicks("auto"), HZ + 1);
  elapse(1000);
  assertEquals(pacer.limitTicks("auto"), 1, "up to the last tick of it");
  elapse(-1000);
  elapse(2000);
  assert(!jumps("auto") && jumps("jump"));
  pacer.busy();
  elapse(30);
  assertGreater(await wallMs(pacer.idle("auto", false)), 20);
  pacer.activity();
  assert(jumps("auto"));
});

Deno.test("to the millisecond: how long it sleeps, what it makes up for, what it forgets, and what a wake ends", async () => {
  let wall = 1000, timers: { ms: number; done: () => void }[] = [], cleared: unknown[] = [];
  const changed: [object, object][] = [[performance, { now: () => wall }], [globalThis, {
    setTimeout: (done: () => void, ms: number) => (timers.push({ ms, done }), timers.length + 70),
    clearTimeout: (id: unknown) => void cleared.push(id),
  }]];
  await withChanged(changed, async () => {
    const { pacer, elapse } = idle();
    /** Guest and wall time pass; for how long it then sleeps, if it does. */
    const after = (guestMs: number, wallMs: number, pacing: Pacing = "wall") => {
      elapse(guestMs);
      wall += wallMs;
      timers = [];
      const slept = pacer.idle(pacing, false);
      assertEquals(slept === undefined, timers.length === 0);
      return { ms: timers[0]?.ms, end: timers[0]?.done, slept };
    };
    assertEquals([after(2, 0).ms, after(0.5, 0).ms], [undefined, 2.5]);
    // It slept for too long by 5 ms, which is made up for.
    const long = after(25, 2.5);
    assertEquals(long.ms, 25);
    long.end();
    await long.slept;
    assertEquals(after(25, 30).ms, 20);
    // 50 ms behind are made up for, more are not.
    assertEquals([after(0, 70).ms, after(53, 0).ms], [undefined, 3]);
    assertEquals([after(0, 53.5).ms, after(3, 0).ms], [undefined, 3]);
    pacer.busy();
    assertEquals(after(3, 0).ms, 3);
    // A wake ends a sleep, and is activity; when nobody sleeps there is nothing to end.
    const woken = after(60_000, 0);
    pacer.wake();
    await woken.slept;
    assertEquals([cleared, pacer.limitTicks("auto")], [[71], 60 * HZ + 1]);
    pacer.wake();
    assertEquals(cleared, [71]);
    // Waiting for input alone has no timer, and is not made up for; nor is it lost.
    timers = [];
    const forever = pacer.idle("wall", true);
    elapse(10);
    wall += 100_000;
    assertEquals([timers, cleared], [[], [71]]);
    pacer.wake();
    await forever;
    cleared = [];
    assertEquals([after(3, 0).ms, after(0, 1).ms], [3, undefined]);
  });
});
