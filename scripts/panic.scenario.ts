// A panic that is meant to happen, on both architectures: its message, its place, and the status that the kernel ends with. A panic that is not
// meant to happen fails a script by `failOn`, with where each processor was and what called it.
// Run: deno run -A mod.ts test scripts/panic.scenario.ts
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { boot, expect, FailPatternSeen, scenario } from "bringup";
import { built } from "./images.ts";

const kernel = "tests/guests/bin/panic.rv64.elf";

export default scenario({ name: "a panic is reported and ends the kernel with a failure (RISC-V)", machine: "virt", kernel }, async (m) => {
  await expect(m.serial).toPrint("about to look behind the end of an array");
  const [, line] = await expect(m.serial).toPrint(/panicked at src\/bin\/panic\.rs:(\d+):/);
  assertEquals(line, "14");
  await expect(m.serial).toPrint("index out of bounds: the len is 3 but the index is 7");
  assertEquals(await m.stopped(), { kind: "exit", code: 1, pass: false });
  assertMatch(m.serial.text(), /^(?![^]*never printed)/);
});

const image = "cache/guests/x86_panic.img";
scenario({
  name: "a panic is reported and ends the kernel with a failure (x86-64)",
  machine: "pc",
  kernel: image,
  budget: { guest: "5s" },
  ignore: !built(image),
}, async (m) => {
  await expect(m.serial).toPrint(/panicked at src\/bin\/x86_panic\.rs:\d+:\d+:/);
  // QEMU's status for what the guest wrote to the debug exit: (0x11 << 1) | 1.
  assertEquals(await m.stopped(), { kind: "exit", code: 35, pass: false });
});

Deno.test("failOn: a panic that nobody expects fails the wait, and says who panicked", async () => {
  await using m = await boot("virt", { kernel, failOn: [/panicked at/] });
  const e = await assertRejects(() => expect(m.serial).toPrint("never printed"), FailPatternSeen);
  assertMatch(e.message, /src\/bin\/panic\.rs:14[^]*the len is 3 but the index is 7/, "its whole sentence is there");
});
