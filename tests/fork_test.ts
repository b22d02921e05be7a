// Forks, and sessions that go back: they end as if nothing had been done (`forks.ts`, few points of it), they share what they can, and what was
// translated outlives going back.
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { existsSync } from "node:fs";
import { boot, type MachineSession } from "../mod.ts";
import type { Machine, Snapshot } from "../src/machine/machine.ts";
import { check, SUBJECTS } from "./forks.ts";
import { Random } from "./fuzz/random.ts";

const GUESTS = new URL("guests/bin/", import.meta.url).pathname;

for (const name of ["bios", "harts", "echo"]) {
  Deno.test(`${name}: forked, forked again, rewound and restored at random points, it ends as it does undisturbed`, async () => {
    await check(SUBJECTS[name], name === "bios" ? 6 : 10, 7);
  });
}

const NO_LINUX = !existsSync(new URL("../cache/linux/Image", import.meta.url));
Deno.test({
  name: "Debian's Linux as it begins to boot: the same at a few points",
  ignore: NO_LINUX,
  fn: () => check({ ...SUBJECTS.linux, end: 60_000_000 }, 4, 3),
});

const machineOf = (m: MachineSession) => m.machine as Machine;
const echo = () => boot("virt", { kernel: `${GUESTS}echo.rv64.elf`, set: { memory: "8MiB" }, tuning: { threshold: 100 } });

Deno.test("rewind goes to the last snapshot, else to where the session was forked, else to its start", async () => {
  const m = await echo(), start = m.machine.digest();
  await m.serial.toPrint("> ");
  const prompt = m.machine.digest(), child = m.fork();
  await m.serial.send("one\r");
  m.snapshot();
  const one = m.machine.digest(), { inputs } = m, text = m.serial.text();
  await m.serial.send("exit\r");
  await m.stopped();
  m.rewind();
  assertEquals([m.machine.digest(), m.stop, m.inputs, m.serial.text()], [one, undefined, inputs, text]);
  const other = await echo();
  await other.serial.toPrint("> ");
  other.rewind();
  assertEquals([other.machine.digest(), other.serial.text(), other.machine.age], [start, "", 0]);
  await other.serial.toPrint("> ");
  assertEquals(other.machine.digest(), prompt);
  await child.serial.send("exit\r");
  await child.stopped();
  child.rewind();
  assertEquals([child.machine.digest(), child.stop], [prompt, undefined]);
  const waits = child.serial.toPrint("never");
  assertThrows(() => child.rewind(), Error, "while something is awaited");
  await child[Symbol.asyncDispose]();
  await waits.catch(() => {});
});

Deno.test("compiled code outlives a rewind, and what has changed since is translated anew", async () => {
  const m = await echo();
  await m.serial.toPrint("> ");
  m.snapshot();
  const first = async () => {
    await m.serial.send("again\r");
    await m.serial.toPrint(/again\r?\n> $/);
    return m.machine.digest();
  };
  const answer = await first(), rounds: { blocks: number; dropped: number }[] = [];
  for (let round = 0; round < 8; round++) {
    m.rewind();
    assertEquals(await first(), answer);
    const { blocks, flushes, regions, regionsAlive } = machineOf(m).stats;
    rounds.push({ blocks, dropped: flushes + regions - regionsAlive });
    assert(regionsAlive > 0);
  }
  // What is new is hot, and in time nothing is.
  assertEquals(rounds.at(-1), rounds.at(-2));
  assertEquals(rounds.at(-1)!.dropped, 0);
});

Deno.test("forks of one state share its pages, and no change of anybody reaches them", async () => {
  const m = await echo();
  await m.serial.toPrint("> ");
  const [a, b] = [m.snapshot(), m.snapshot()].map((s) => s.machine as Snapshot);
  assert(a.pages === b.pages);
  const child = m.fork();
  assert((child.snapshot().machine as Snapshot).pages === a.pages);
  await m.run({ for: "1ms" });
  const after = m.snapshot().machine as Snapshot;
  assert(after.pages !== a.pages);
  // Whoever writes memory while nothing runs, such as a debugger.
  m.machine.bus.writeBytes(0x8010_0000, Uint8Array.of(1, 2, 3));
  const written = m.snapshot().machine as Snapshot;
  assertNotEquals(written.pages, after.pages);
  assertEquals(child.machine.bus.readBytes(0x8010_0000, 3), Uint8Array.of(0, 0, 0));
  m.restore({ ...m.snapshot(), machine: a });
  assertEquals(m.machine.bus.readBytes(0x8010_0000, 3), Uint8Array.of(0, 0, 0));
});

Deno.test("after a rewind to a breakpoint the run stops there again", async () => {
  const m = await echo();
  await m.run({ until: "main" });
  m.snapshot();
  const { ticks } = m.machine.clock;
  for (let again = 0; again < 2; again++) {
    m.rewind();
    assertEquals((await m.run({ until: "main" })).kind, "breakpoint");
    assertEquals(m.machine.clock.ticks, ticks);
  }
});

/** Kernels at the same addresses, of which some rewrite code, switch address spaces, and change page tables. */
const BUSY = [
  ["virt", { "firmware.sbi": "none" }, [["system.rv64.elf", "bench=all:40"], ["bench_list.rv64.elf", ""], ["bench_crc.rv64.elf", ""]]],
  ["pc", {}, [["system.x86_64.elf", "bench=all:200"], ["bench_suite.x86_64.elf", "bench=crc:1"]]],
] as const;
for (const [machine, set, kernels] of BUSY) {
  Deno.test(`${machine}: a machine that keeps its translations goes from any state of any kernel to any other`, async () => {
    const make = async ([kernel, append]: typeof kernels[number]) => {
      const options = { kernel: `${GUESTS}../../bench/bin/${kernel}`, append, set: { ...set, memory: "8MiB" }, tuning: { threshold: 200 } };
      return machineOf(await boot(machine, options));
    };
    const random = new Random(11), m = await make(kernels[0]);
    // Each with what it comes to.
    const states: { state: Snapshot; end: number; digest: string }[] = [];
    for (const kernel of kernels) {
      const from = await make(kernel);
      await from.complete();
      while (!from.stopped && from.clock.ticks < 1_000_000) {
        const state = from.snapshot();
        from.run(from.clock.ticks + 20_000 + random.below(150_000));
        states.push({ state, end: from.clock.ticks, digest: from.digest() });
      }
    }
    for (let n = 0; n < 60; n++) {
      const { state, end, digest } = random.pick(states);
      m.rewind(state);
      m.run(end);
      assertEquals(m.digest(), digest, `${n} rewinds`);
    }
    assert(m.stats.regionsAlive > 0 && m.stats.flushes === 0, JSON.stringify(m.stats));
  });
}
