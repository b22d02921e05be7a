// Faults in handlers of faults: the double fault that a kernel survives to report, and what it does not survive.
// Run: deno run -A mod.ts test scripts/faults.scenario.ts
import { assert, assertEquals } from "@std/assert";
import { expect, scenario } from "bringup";

const DEATHS = { riscv: "tests/guests/bin/deaths.rv64.elf", x86: "tests/guests/bin/x86_deaths.elf" };

// "Writing an OS in Rust", posts 5 and 6: exceptions, then a double fault on a stack of its own.
export default scenario({
  name: "exceptions return, and a double fault is handled on its own stack (x86-64)",
  machine: "pc",
  kernel: "tests/guests/bin/x86_idt.img",
  failOn: [/panicked at/],
  budget: { guest: "5s" },
}, async (m) => {
  await expect(m.serial).toPrint("EXCEPTION: BREAKPOINT");
  const [, address, code] = await expect(m.serial).toPrint(/PAGE FAULT at 0x(\w+), code 0x(\w+)\n/);
  assertEquals([address, code], ["deadbeef", "2"], "a write to what is not mapped");
  await expect(m.screen).toShow("It did not crash!");
  await expect(m.serial).toPrint("EXCEPTION: DOUBLE FAULT");
  assertEquals(await m.stopped(), { kind: "exit", code: 33, pass: true });
});

scenario({
  name: "without an IDT a fault is a triple fault, and its report says so (x86-64)",
  machine: "pc",
  kernel: DEATHS.x86,
  append: "case=no_idt",
  set: { "cpu.model": "max" },
}, async (m) => {
  const stop = await m.stopped();
  assertEquals(stop.kind, "tripleFault");
  const report = await m.report();
  assertEquals(report.facts.causes.map((c) => c.id), ["x86-null-pointer", "x86-no-idt"]);
});

scenario({
  name: "a trap handler that faults itself ends in a loop of traps, whose first cause is told (RISC-V)",
  machine: "virt",
  kernel: DEATHS.riscv,
  append: "case=handler_faults",
}, async (m) => {
  await m.stopped();
  const { facts: { causes } } = await m.report();
  assert(causes.some((c) => c.id === "riscv-handler-faults"), causes.map((c) => c.id).join());
});
