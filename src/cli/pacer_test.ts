import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
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
