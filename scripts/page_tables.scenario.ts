// What a kernel's page tables map, as the processor would walk them at that moment; nothing of the guest is changed by asking.
// Run: deno run -A mod.ts test scripts/page_tables.scenario.ts
import { assertEquals } from "@std/assert";
import { expect, scenario } from "bringup";

export default scenario({
  name: "user programs see their own pages and none of the kernel's (RISC-V, Sv39)",
  machine: "virt",
  kernel: "tests/guests/bin/user.rv64.elf",
  budget: { guest: "1s" },
}, async (m) => {
  await expect(m.serial).toPrint("greet: hello from U-mode");
  // A program of one page, which may not be written, and a stack.
  expect(m.cpu).toMap(0x1000_0000, { flags: "r-xu", page: 4096 });
  expect(m.cpu).toMap(0x1000_2000, { flags: "rw-u", page: 4096 });
  expect(m.cpu).not.toMap(0x1100_0000);
  // The kernel's own text is there, but not for them.
  expect(m.cpu).toMap(0x8020_0000, { pa: 0x8020_0000 });
  expect(m.cpu).not.toMap(0x8020_0000, { flags: "rwxu" });
  // Pages of the heap come when they are first touched.
  await expect(m.serial).toPrint("grow: store page fault at 0x11000008, a page is mapped");
  assertEquals(await m.stopped(), { kind: "exit", code: 0, pass: true });
});

scenario({
  name: "a mapping of one's own: the screen at another address (x86-64)",
  machine: "pc",
  kernel: "tests/guests/bin/x86_memory.img",
  failOn: [/panicked at/],
  budget: { guest: "5s" },
}, async (m) => {
  await expect(m.serial).toPrint("None\n");
  expect(m.cpu).not.toMap(0xffff_dead_beef_0000n);
  await expect(m.serial).toPrint("Some(PhysAddr(0xb8018))\n");
  expect(m.cpu).toMap(0xffff_dead_beef_0018n, { pa: 0xb8018, flags: "rwx", page: 4096 });
  await expect(m.screen).toShow("New!", { fg: "black" });
  assertEquals(await m.stopped(), { kind: "exit", code: 33, pass: true });
});
