// Typing at a guest, and trying two continuations of the same moment: the fork is a machine of its own in the same state.
// Run: deno run -A mod.ts test scripts/typing.scenario.ts
import { assertEquals, assertStringIncludes } from "@std/assert";
import { expect, scenario } from "bringup";

export default scenario({
  name: "lines are echoed, and a fork goes its own way",
  machine: "machines/virt.toml",
  kernel: "tests/guests/bin/echo.rv64.elf",
  budget: { guest: "1s" },
}, async (m) => {
  await expect(m.serial).toPrint(/^> $/m);
  await m.serial.send("hello\r");
  await expect(m.serial).toPrint(/5 bytes: hello\s+> $/);

  const fork = m.fork();
  await fork.serial.send("exit\r");
  assertEquals(await fork.stopped(), { kind: "exit", code: 0, pass: true });
  assertStringIncludes(fork.serial.text(), "5 bytes: hello");

  // Guest time here has stood still meanwhile.
  await m.serial.send("again\r");
  await expect(m.serial).toPrint("5 bytes: again");
});
