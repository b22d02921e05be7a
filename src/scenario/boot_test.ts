// `boot` by itself; what of its options reaches machines, forks and disks is in tests/boot_test.ts.
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { withChanged } from "../../tests/cli.ts";
import { ConfigError } from "../core/errors.ts";
import { boot, type BootOptions, expect, scenario } from "./boot.ts";
import { SerialConsole } from "./serial_console.ts";

const kernel = decodeURIComponent(new URL("../../tests/guests/bin/hello.rv64.elf", import.meta.url).pathname);

Deno.test("an option that is none is refused with what may be meant, and so is a machine that is missing", async () => {
  const wrong: [unknown, Record<string, unknown>, string][] = [
    ["virt", { kernel, failon: [] }, "unknown option 'failon' (did you mean 'failOn'?)"],
    ["virt", { kernel, machin: "x" }, "unknown option 'machin' (did you mean 'machine'?)"],
    ["virt", { kernel, constructor: 1 }, "unknown option 'constructor'"],
    [undefined, { kernel }, "which machine? `machine` is missing"],
  ];
  for (const [machine, options, message] of wrong) {
    await assertRejects(() => boot(machine as string, options as BootOptions), ConfigError, message);
  }
});

Deno.test("every option is taken: with none of them, and with each that a session can show", async () => {
  await using plain = await boot("virt", { kernel });
  assertEquals([plain.options.failOn, plain.options.budget, plain.machine.cpus.length], [undefined, undefined, 1]);
  await using m = await boot("virt", {
    kernel,
    set: { harts: 2 },
    append: "quiet",
    engine: "interp",
    tuning: { threshold: 10 },
    failOn: ["x"],
    budget: { guest: "1s" },
    history: 100,
    replay: "by hand",
    disks: [],
  });
  assertEquals([m.options.failOn, m.options.budget, m.options.replay, m.machine.cpus.length], [["x"], { guest: "1s" }, "by hand", 2]);
  assertEquals([m.options.history, m.serial.history, m.fork().serial.history], [100, 100, 100]);
});

Deno.test("traces go to stderr with the guest's time, from the first instruction on; forks trace too", async () => {
  const lines: string[] = [], writeSync = (p: Uint8Array) => (lines.push(new TextDecoder().decode(p)), p.length);
  await withChanged([[Deno.stderr, { writeSync }]], async () => {
    await using m = await boot("virt", { kernel, trace: "sbi" });
    const fork = m.fork();
    await m.stopped();
    const own = lines.splice(0);
    assertEquals([/^\[\d+ ns\] \[cpu0\] \[sbi\] /.test(own[0]), own.length > 3], [true, true]);
    await fork.stopped();
    assertEquals(lines, own);
  });
});

Deno.test("expect asks what it is given; a scenario is what it was declared with, and the command to repeat it is its own", async () => {
  const asked: unknown[] = [], toPrint = (...args: unknown[]) => (asked.push(args), Promise.resolve(["x"]));
  const console: SerialConsole = Object.assign(Object.create(SerialConsole.prototype), { toPrint });
  assertEquals(await expect(console).toPrint(/x/, { within: "1s" }), ["x"]);
  assertEquals(asked, [[/x/, { within: "1s" }]]);
  let test: Deno.TestDefinition | undefined;
  const run = () => Promise.resolve();
  const declared = await withChanged(
    [[Deno, { test: (t: Deno.TestDefinition) => test = t }]],
    () => scenario({ name: "n", machine: "m.toml", ignore: true, kernel: "k", budget: { guest: "1s" } }, run),
  );
  assertEquals(declared, { name: "n", machine: "m.toml", options: { kernel: "k", budget: { guest: "1s" } }, run });
  assertEquals([test?.name, test?.ignore], ["n", true]);
  assertThrows(() => scenario({ name: "nested", machine: "virt" }, run));
});
