// The schedule alone, over processors that only count.
import { assertEquals } from "@std/assert";
import { VirtualClock } from "../core/clock.ts";
import type { Cpu, RunEnd } from "../core/cpu.ts";
import type { Sleep } from "./reach.ts";
import type { PlatformModule } from "./platform.ts";
import { Schedule } from "./schedule.ts";

/** A processor that runs whatever it is given, notes when, and does `at[n]` behind its n-th instruction since it was made. */
class Counting {
  executed = 0;
  idle = false;
  total = 0;
  pc = 0n;
  readonly turns: [from: number, length: number][] = [];
  #cut = false;
  constructor(readonly index: number, readonly clock: VirtualClock, readonly at: Record<number, () => void> = {}) {}
  run(budget: number): RunEnd {
    this.executed = 0;
    const from = this.clock.ticks;
    this.#cut = false;
    this.turns.push([from, 0]);
    while (this.executed < budget && !this.#cut && !this.idle) {
      this.executed++;
      this.at[++this.total]?.();
    }
    this.turns[this.turns.length - 1][1] = this.executed;
    return this.idle ? "idle" : "slice";
  }
  attention(): void {
    this.#cut = true;
  }
}

function board(count: number, at: readonly Record<number, () => void>[] = [], sleep: () => Sleep = () => undefined) {
  const clock = new VirtualClock(1_000_000), begins: number[] = [];
  const schedule: Schedule = new Schedule(clock, { begins: (t) => begins.push(t), sleep, reset: () => void schedule.reset() as undefined });
  const cpus = Array.from({ length: count }, (_, i) => new Counting(i, clock, at[i]));
  schedule.cpus = cpus as unknown as readonly Cpu[];
  clock.onMoved = () => schedule.clockMoved();
  return { clock, schedule, cpus, begins };
}
const MS = 1_000_000;

Deno.test("schedule: harts that are awake take turns of 20,000 ticks, at the same guest time", () => {
  const { clock, schedule, cpus, begins } = board(2);
  assertEquals(schedule.run(50_000), undefined);
  assertEquals(cpus.map((c) => c.turns), Array(2).fill([[0, 20_000], [20_000, 20_000], [40_000, 20_000]]));
  assertEquals([clock.ticks, begins], [60_000, [0, 0, 20_000, 20_000, 40_000, 40_000]]);
});

Deno.test("schedule: a hart alone runs to where the caller wants it, and stops on a grid of 2^19 ticks", () => {
  const { clock, schedule, cpus } = board(1);
  schedule.run(100.9);
  schedule.run(2 ** 19 + 5);
  assertEquals([cpus[0].turns, clock.ticks], [[[0, 100], [100, 2 ** 19 - 100], [2 ** 19, 5]], 2 ** 19 + 5]);
});

Deno.test("schedule: an alarm that is set ends the slice at its tick, for the harts behind as well", () => {
  const fired: number[] = [], set = { 5: () => alarm.scheduleAt(9) };
  const { clock, schedule, cpus } = board(2, [set]), alarm = clock.alarm("alarm", () => fired.push(clock.ticks));
  schedule.run(10);
  assertEquals([fired, cpus[0].turns[0].length && cpus[0].turns.slice(0, 2), cpus[1].turns[0]], [[9], [[0, 5], [5, 4]], [0, 9]]);
  // One that is due already ends it behind the instruction.
  const late = board(2, [{ 7: () => past.scheduleAt(3) }]), past = late.clock.alarm("alarm", () => fired.push(late.clock.ticks));
  late.schedule.run(8);
  assertEquals([fired[1], late.cpus[1].turns[0]], [7, [0, 7]]);
});

Deno.test("schedule: what wakes a hart is seen at once by those behind in the slice, at its end by those before", () => {
  const wake = (n: number) => () => {
    b.cpus[n].idle = false;
    b.schedule.interrupted(n);
  };
  const b = board(3, [{}, { 100: wake(2), 200: wake(0) }]);
  b.cpus[0].idle = b.cpus[2].idle = true;
  b.schedule.run(300);
  // The slice is cut one tick behind the interrupt: there the first hart begins.
  assertEquals(b.cpus[1].turns[0], [0, 100]);
  assertEquals([b.cpus[2].turns[0], b.cpus[0].turns[0]], [[100, 1], [201, 20_000]]);
});

Deno.test("schedule: a break comes back in the midst of a slice, which goes on as if nothing had been", () => {
  const b = board(2, [{ 300: () => b.schedule.requestBreak() }]), whole = board(2);
  assertEquals([b.schedule.run(20_000), b.cpus[0].total, b.cpus[1].total], [undefined, 300, 0]);
  const saved = b.schedule.save(), twin = board(2);
  let between = -1;
  twin.schedule.load(saved, () => between = twin.clock.ticks);
  assertEquals([between, saved.slice], [300, { length: 20_000, hart: 0, done: 300, from: [0, 0] }]);
  for (const s of [b, twin, whole]) s.schedule.run(20_000);
  assertEquals(b.cpus[1].turns, whole.cpus[1].turns);
  assertEquals([twin.cpus[0].turns, twin.cpus[1].turns], [[[300, 19_700]], whole.cpus[1].turns]);
});

Deno.test("schedule: idle harts cost nothing: the clock jumps to the next alarm, however far it is, or the machine is dead", () => {
  let sleep: Sleep;
  const b = board(2, [], () => sleep), alarm = b.clock.alarm("alarm", () => b.cpus[1].idle = false);
  for (const c of b.cpus) c.idle = true;
  alarm.scheduleAt(50_000 * MS);
  b.schedule.run(50_000 * MS + 1);
  assertEquals([b.cpus[1].turns[0][0], b.cpus[0].turns], [50_000 * MS, []]);
  b.cpus[1].idle = true;
  // Nobody can wake it but the outside: a caller with a limit of wall time is told once, one without waits for its tick.
  sleep = "input";
  const at = b.clock.ticks;
  assertEquals([b.schedule.run(at + 10, 1e9), b.clock.ticks], [undefined, at]);
  assertEquals([b.schedule.run(at + 10, 1e9), b.clock.ticks], [undefined, at + 10]);
  assertEquals([b.schedule.run(at + 20), b.clock.ticks], [undefined, at + 20]);
  sleep = "dead";
  assertEquals(b.schedule.run(at + 30), { kind: "deadHalt", pc: 0n });
  assertEquals([b.schedule.run(at + 40), b.clock.ticks], [{ kind: "deadHalt", pc: 0n }, at + 20]);
});

Deno.test("schedule: no wall time at all is enough for one turn, and a slice that was cut so goes on", () => {
  const b = board(2);
  assertEquals([b.schedule.run(100_000, 0), b.schedule.yielded, b.cpus.map((c) => c.total)], [undefined, true, [20_000, 0]]);
  assertEquals([b.schedule.run(20_000), b.schedule.yielded, b.cpus.map((c) => c.total)], [undefined, false, [20_000, 20_000]]);
});

Deno.test("schedule: who asks first is heard, behind the instruction; a reset starts guest time again and the machine grows old", () => {
  const ends = board(2, [{
    10: () => {
      ends.schedule.ask({ kind: "exit", code: 3 });
      ends.schedule.ask({ kind: "exit", code: 4 });
    },
  }]);
  assertEquals([ends.schedule.run(100), ends.clock.ticks, ends.cpus[1].total], [{ kind: "exit", code: 3 }, 10, 0]);
  const again = board(1, [{ 10: () => again.schedule.ask({ kind: "reset" }) }]), alarm = again.clock.alarm("alarm", () => {});
  alarm.scheduleAt(50);
  assertEquals([again.schedule.run(100), again.clock.ticks, alarm.at, again.schedule.age], [undefined, 0, Infinity, 10 + 1000]);
  again.schedule.run(100);
  assertEquals([again.clock.ticks, again.schedule.age, again.schedule.stopped], [100, 1110, undefined]);
});

Deno.test("schedule: a step is one instruction of the hart that is named, and the slice of the others is not owed", () => {
  const b = board(2);
  assertEquals([b.schedule.step(1), b.cpus.map((c) => c.total), b.clock.ticks], [undefined, [0, 1], 1]);
  assertEquals([b.schedule.step(0), b.cpus.map((c) => c.total), b.clock.ticks], [undefined, [1, 1], 2]);
});

Deno.test("schedule: a step in the midst of a slice begins there, and goes past a breakpoint by one instruction", () => {
  const b = board(2, [{ 300: () => b.schedule.requestBreak() }]);
  b.schedule.run(20_000);
  b.begins.length = 0;
  assertEquals([b.schedule.step(0), b.begins, b.cpus.map((c) => c.total), b.clock.ticks], [undefined, [300], [301, 0], 301]);
  const [cpu] = b.cpus, run = cpu.run.bind(cpu);
  let stops = 1;
  cpu.run = (budget) => {
    if (stops-- > 0) {
      cpu.executed = 0;
      return "breakpoint";
    }
    return run(budget);
  };
  assertEquals([b.schedule.step(0), cpu.total, b.clock.ticks], [undefined, 302, 302]);
});

Deno.test("schedule: a hart's own interrupts cut nothing, and those between slices are nobody's", () => {
  const b = board(2, [{ 50: () => b.schedule.interrupted(0) }]);
  b.schedule.interrupted(1);
  b.schedule.run(20_000);
  b.schedule.interrupted(0);
  assertEquals(b.cpus.map((c) => c.turns), [[[0, 20_000]], [[0, 20_000]]]);
});

Deno.test("the modules of both architectures have what the machine asks of them", async () => {
  const modules: PlatformModule[] = [await import("./riscv/platform.ts"), await import("./x86/platform.ts")];
  for (const m of modules) assertEquals([typeof m.createPlatform, typeof m.checkCpu], ["function", "function"]);
});
