// A kernel that calls itself too often runs into the page below its stack: which function it was, and what the kernel lacked to say so itself.
// Run: deno run -A mod.ts test scripts/stack_overflow.scenario.ts
import { assertEquals, assertMatch } from "@std/assert";
import { scenario } from "bringup";

const CASES = [
  // The handler pushes onto the stack that is full.
  ["RISC-V", "virt", "tests/guests/bin/deaths.rv64.elf", "overflow", ["riscv-stack-overflow", "riscv-handler-on-the-same-stack"]],
  // It has a stack of its own.
  ["RISC-V", "virt", "tests/guests/bin/deaths.rv64.elf", "overflow_handled", ["riscv-stack-overflow"]],
  ["x86-64", "pc", "tests/guests/bin/x86_deaths.elf", "overflow", ["x86-stack-overflow", "x86-no-ist"]],
  ["x86-64", "pc", "tests/guests/bin/x86_deaths.elf", "overflow_handled", ["x86-stack-overflow"]],
] as const;

for (const [architecture, machine, kernel, name, causes] of CASES) {
  scenario({
    name: `a stack overflow names the function (${architecture}, ${name})`,
    machine,
    kernel,
    append: `case=${name}`,
    ...(machine === "pc" && { set: { "cpu.model": "max" } }),
  }, async (m) => {
    await m.stopped();
    const { facts: { causes: found } } = await m.report();
    assertEquals(found.map((c) => c.id).slice(0, causes.length), [...causes]);
    assertMatch(found[0].says, /overflowed by `parse`/);
  });
}
