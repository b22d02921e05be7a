// The rate of a timer's interrupts, in guest time: exact, since a run is the same on every host.
// Run: deno run -A mod.ts test scripts/timer.scenario.ts
import { assertEquals } from "@std/assert";
import { expect, scenario } from "bringup";
import { built } from "./images.ts";

// Asked for again by each handler, 10 ms behind its beginning: the handler's own time is added.
export default scenario({
  name: "a timer of 100 Hz comes every 10 ms (RISC-V)",
  machine: "virt",
  kernel: "tests/guests/bin/timer.rv64.elf",
  budget: { guest: "1s" },
}, async (m) => {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    await m.run({ until: "trap_handler" });
    times.push(m.nowNs);
  }
  for (const [i, at] of times.entries()) if (i) expect(at - times[i - 1]).toBeAtLeast(10e6);
  for (const [i, at] of times.entries()) if (i) expect(at - times[i - 1]).toBeAtMost(10.01e6);
  await expect(m.serial).toPrint("at least 50 ms have passed: true");
  assertEquals(await m.stopped(), { kind: "exit", code: 0, pass: true });
});

const image = "cache/guests/x86_timer.img";
scenario({
  name: "the BIOS' timer comes at 1193182 / 65536 Hz (x86-64)",
  machine: "pc",
  kernel: image,
  budget: { guest: "5s" },
  ignore: !built(image),
}, async (m) => {
  await expect(m.serial).toPrint(".");
  const first = m.nowNs, dots = 8;
  for (let i = 0; i < dots; i++) await expect(m.serial).toPrint(".");
  const hz = dots / ((m.nowNs - first) / 1e9);
  expect(hz).toBeAtLeast(18.2);
  expect(hz).toBeAtMost(18.21);
  assertEquals(await m.stopped(), { kind: "exit", code: 33, pass: true });
});
