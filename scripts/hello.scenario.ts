// The smallest scenario: a kernel prints, and powers off with status 0.
// Run: deno run -A mod.ts test scripts/hello.scenario.ts
import { assertEquals } from "@std/assert";
import { expect, scenario } from "bringup";

export default scenario({
  name: "a kernel says hello and powers off",
  machine: "machines/virt.toml",
  kernel: "tests/guests/bin/hello.rv64.elf",
  failOn: [/panicked at/],
}, async (m) => {
  await expect(m.serial).toPrint("Hello, world!");
  const [, tens] = await expect(m.serial).toPrint(/line 3 of 3: 0x(\w+) /);
  assertEquals(parseInt(tens, 16), 3 * 0x1234);
  assertEquals(await m.stopped(), { kind: "exit", code: 0, pass: true });
});
