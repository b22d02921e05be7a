// What descriptors say, against the documents: ELF's e_machine, widths of addresses, numbers of interrupts, where raw images go, GDB's names.
import { assertEquals } from "@std/assert";
import { ARCHITECTURES, archKey, familyOf, keysOf } from "./architectures.ts";

const { riscv, x86 } = ARCHITECTURES;

Deno.test("each name of an architecture belongs to one family, and `cpu.arch` may say all of them", () => {
  assertEquals(archKey().choices, ["riscv32", "riscv64", "x86_64"]);
  assertEquals(archKey().choices.map(familyOf), ["riscv", "riscv", "x86"]);
  assertEquals([familyOf("x86"), familyOf(undefined)], [undefined, undefined]);
  for (const section of ["cpu", "clock", "firmware", "boot"] as const) {
    assertEquals(Object.values(keysOf(section)).map((keys) => "arch" in keys), [section === "cpu", section === "cpu"]);
  }
});

Deno.test("RISC-V: privileged 20240411, tables 3.6, 4.3 and 4.4; ELF machine 243; a page of the widest level above the start of RAM", () => {
  assertEquals(riscv.elf, [243]);
  assertEquals(riscv.inputs, { ssip: 1, msip: 3, stip: 5, mtip: 7, seip: 9, meip: 11 });
  const cpu = (arch: string, mmu: string) => ({ arch, mmu, family: "riscv", harts: 1, reset: 7n });
  const bits = ([arch, mmu]: readonly string[]) => riscv.physicalBits(cpu(arch, mmu));
  assertEquals([["riscv32", "bare"], ["riscv32", "sv32"], ["riscv64", "bare"], ["riscv64", "sv57"]].map(bits), [32, 34, 53, 53]);
  assertEquals(["riscv32", "riscv64"].map((arch) => riscv.loadAt(cpu(arch, "bare"), undefined, 0x8000_0000)), [0x8040_0000, 0x8020_0000]);
  assertEquals([riscv.loadAt(cpu("riscv64", "bare"), 5, 0x8000_0000), riscv.resetAt!(cpu("riscv64", "bare"))], [5, 7n]);
  assertEquals(["riscv32", "riscv64"].map((arch) => Object.entries(riscv.gdb(arch)).map(([name, d]) => [name, d.name, d.bits])), [
    [["riscv32", "riscv:rv32", 32]],
    [["riscv64", "riscv:rv64", 64]],
  ]);
});

Deno.test("x86: ELF machines 62 and 3, 40 bits of addresses, an i386 for GDB beside its own; the TSC has the processor's rate", () => {
  assertEquals([x86.elf, x86.ports, riscv.ports, x86.loadAt({}, undefined, 5)], [[62, 3], true, false, 0]);
  assertEquals(x86.inputs, { intr: 0, nmi: 1, smi: 2, a20m: 3, ignne: 4 });
  assertEquals([x86.physicalBits({}), x86.outputs!({ ferr: "pic:13" })], [40, { ferr: "pic:13" }]);
  assertEquals(Object.entries(x86.gdb("x86_64")).map(([name, d]) => [name, d.name, d.bits]), [
    ["x86_64", "i386:x86-64", 64],
    ["i386", undefined, 32],
  ]);
  assertEquals([x86.clock!({ cpu_hz: 5 }), x86.clock!({ cpu_hz: 5, tsc_hz: 7 })], [{ cpu_hz: 5, tsc_hz: 5 }, { cpu_hz: 5, tsc_hz: 7 }]);
});
