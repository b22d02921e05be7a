// Interrupts, exceptions and accesses of devices that a script counts: as many as there were, at exact instants, and the guest does not notice.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { boot, expect, ExpectationFailed } from "../mod.ts";
import { ConfigError } from "../src/core/errors.ts";

const guest = (name: string) => `tests/guests/bin/${name}`;
/** How many traps a hart has taken, as it counts them itself. */
const taken = (m: Awaited<ReturnType<typeof boot>>) =>
  (m.machine.cpus[0] as unknown as { core: { traps: { count: number } } }).core.traps.count;

Deno.test("interrupts: by name, by cause and all; their rate; a wait for one more stops on the very instruction", async () => {
  const kernel = guest("timer.rv64.elf");
  await using m = await boot("virt", { kernel });
  const timer = m.interrupts("timer"),
    byCause = m.interrupts(5),
    all = m.interrupts(),
    calls = m.exceptions(),
    other = m.interrupts("software");
  assertEquals([timer.count, timer.perSecond, timer.ns], [0, 0, 0]);
  assertEquals(await expect(timer).toReach(1), 1);
  expect(m.cpu).toBeIn("trap_vector");
  const first = m.nowNs;
  await expect(timer).toReach(2);
  const second = m.cpus[0].reg("sepc");
  assert(m.nowNs - first > 9_000_000 && second > 0n);
  expect(timer).toHaveRate("100Hz", { tolerance: 0.01 });
  expect(timer).not.toHaveRate("300Hz");
  timer.reset();
  const late = await assertRejects(() => expect(timer).toReach(100, { within: "5ms" }), ExpectationFailed);
  assertEquals(late.message.split("\n").slice(0, 2), ["Expected the interrupts (timer) to reach 100", "  there were 0 in 5.000 ms"]);
  await m.stopped();
  assertEquals([byCause.count, all.count, all.count + calls.count, other.count], [5, 5, taken(m), 0]);
  expect(timer).toHaveCount(3);
  expect(timer).toHaveCount({ atLeast: 3, atMost: 3 });
  expect(timer).not.toHaveCount({ atMost: 2 });
  const e = assertThrows(() => expect(byCause).toHaveCount({ atLeast: 6 }), ExpectationFailed);
  assertEquals(e.message.split("\n").slice(0, 2), ["Expected the interrupts (0x5) to have been at least 6", "  there were 5 in 50.001 ms"]);
  const rate = assertThrows(() => expect(all).toHaveRate({ atLeast: "1kHz" }), ExpectationFailed);
  assertEquals(rate.message.split("\n").slice(0, 2), [
    "Expected the interrupts to come at at least 1kHz",
    "  there were 5 in 50.001 ms: 99.9984 a second",
  ]);
  for (
    const [attempt, problem] of [
      [() => m.interrupts("tiemr"), "interrupts: there are none called tiemr"],
      [() => m.interrupts(300), "interrupts: there are none called 300"],
      [() => m.interrupts("timer", { cpu: 3 }), "there is no cpu 3: the machine has 1"],
      [() => expect(all).toHaveRate("100"), "'100' is not a rate"],
      [() => expect(all).toHaveCount(1.5), "a whole number of at least 0 is expected, got 1.5"],
      [() => expect(all).toHaveCount({}), "a number, or { atLeast, atMost }"],
    ] as [() => unknown, string][]
  ) assertThrows(attempt, ConfigError, problem);
  // Nobody notices: a run that is not looked at is the same, and so is a fork, which counts for itself.
  await using plain = await boot("virt", { kernel });
  const fork = m.fork(), before = all.count;
  await plain.stopped();
  assertEquals([plain.machine.digest(), fork.machine.digest(), all.count], [m.machine.digest(), m.machine.digest(), before]);
});

Deno.test("exceptions and interrupts of x86, by vector and by name", async () => {
  await using m = await boot("pc", { kernel: guest("x86_shell.img") });
  const keys = m.interrupts(0x21), everything = m.interrupts(), bios = m.exceptions("INT 0x10"), faults = m.exceptions("page fault");
  await expect(m.screen).toShow("> ");
  await m.keyboard.type("a");
  await expect(keys).toReach(2); // pressed, released
  expect(everything).toHaveCount({ atLeast: 2 });
  expect(bios).toHaveCount({ atLeast: 1 });
  expect(faults).toHaveCount(0);
});

Deno.test("accesses of a device: what compiled code does, and what the interpreter does; each once; the guest does not notice", async () => {
  const kernel = guest("m_hello.rv64.elf"), digests: string[] = [];
  for (const engine of ["jit", "interp"] as const) {
    await using m = await boot("virt", { kernel, engine, set: { "firmware.sbi": "none" } });
    const written = m.accesses("uart0", { kind: "write", offset: 0 }),
      read = m.accesses("uart0", { kind: "read" }),
      all = m.accesses("uart0");
    const byte = await expect(written).toReach(6);
    assertEquals([byte, m.serial.text().length], [6, 6]);
    await m.stopped();
    expect(written).toHaveCount(m.serial.text().length);
    expect(all).toHaveCount(written.count + read.count);
    digests.push(m.machine.digest());
    assertThrows(() => m.accesses("uart1"), ConfigError, "there is no device 'uart1' (did you mean 'uart0'?)");
    assertThrows(() => m.accesses("uart0", { kind: "raed" as "read" }), ConfigError, `\`kind\` is "read" or "write"`);
    const e = assertThrows(() => expect(written).toHaveCount(1), ExpectationFailed);
    assertEquals(e.message.split("\n")[0], "Expected the writes of uart0 at +0x0 to have been 1");
  }
  await using plain = await boot("virt", { kernel, set: { "firmware.sbi": "none" } });
  await plain.stopped();
  assertEquals(new Set([...digests, plain.machine.digest()]).size, 1);
});
