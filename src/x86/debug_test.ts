// Registers as a debugger sees them: each is what it was set to, alone, and in a snapshot.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Machine } from "../machine/machine.ts";
import { HALTED, machineFrom } from "../machine/testing/machine_from.ts";
import type { X86Cpu } from "./cpu.ts";
import { note } from "./interrupts.ts";

const TOML = `schema = 1
[cpu]
arch = "x86_64"
model = "max"
[memory.ram]
at = 0
size = "1MiB"
`;
const LAPIC = `[device.lapic]\ntype = "x86.lapic"\nirq = ["cpu*.intr", "cpu*.nmi"]\n`;

const machineOf = (toml: string): Promise<Machine> => machineFrom(toml, { kernel: HALTED });

/** What a register is set to; the others take any number of their bits. */
const VALUES: Readonly<Record<string, bigint>> = {
  rip: 0x1234n,
  eflags: 0x24_0a46n,
  ...Object.fromEntries(["es", "cs", "ss", "ds", "fs", "gs"].map((name, i) => [name, 0x1230n + BigInt(i)])),
  fctrl: 0x27fn,
  fstat: 0x4385n,
  ftag: 0b11_00_11_11_00_00_11_00n,
  fop: 0x123n,
  fiseg: 0x1234n,
  foseg: 0x4321n,
  mxcsr: 0x1f85n,
  // Caches off, as after a reset, and coprocessor errors by exception.
  cr0: 0x6000_0030n,
  cr3: 0x1_2345_6000n,
  cr4: 0x620n,
  cr8: 0xan,
  efer: 0x801n,
  cpl: 3n,
  dr6: 0xffff_0ff5n,
  dr7: 0x401n,
};
const value = (name: string, bits: number, i: number) =>
  VALUES[name] ?? BigInt.asUintN(bits, 0x0123_4567_89ab_cdef_1357_9bdf_0246_8acen + BigInt(i));

Deno.test("every register is what it is set to, nothing else changes with it, and a snapshot has it", async () => {
  for (const toml of [TOML, TOML + LAPIC]) {
    const m = await machineOf(toml), cpu = m.cpus[0], fresh = await machineOf(toml);
    const all = () => Object.fromEntries(cpu.registers.map(({ name }) => [name, cpu.reg(name)]));
    for (const [i, { name, bits }] of cpu.registers.entries()) {
      const before = all(), to = value(name, bits, i);
      cpu.setReg(name, to);
      // A segment's base is a register of its own; the selector alone moves nothing.
      assertEquals(all(), { ...before, [name]: to }, name);
      m.restore(m.snapshot());
      assertEquals(cpu.reg(name), to, name);
    }
    fresh.restore(m.snapshot());
    assertEquals(fresh.cpus[0].registers.map(({ name }) => fresh.cpus[0].reg(name)), Object.values(all()));
    // The top of the stack is part of the status: with it the registers turn.
    const [first, second] = [cpu.reg("st0"), cpu.reg("st1")];
    cpu.setReg("fstat", 0x0800n);
    assertEquals([cpu.reg("fstat"), cpu.reg("st0"), cpu.reg("st7")], [0x0800n, second, first]);
    assertThrows(() => cpu.reg("r16"), Error, "r16");
  }
});

Deno.test("a report says what error codes mean", async () => {
  const m = await machineOf(TOML), { core } = m.cpus[0] as unknown as { core: X86Cpu };
  const rows: readonly (readonly [vector: number, code: number, text: string])[] = [
    [13, 0, "#GP general protection, error code 0x0, at"],
    [13, 1, "#GP general protection, error code 0x1, at"],
    [13, 0x18, "#GP general protection, error code 0x18 (selector 0x18 in the GDT), at"],
    [11, 0x1d, "#NP segment not present, error code 0x1d (selector 0x1c in the LDT, external), at"],
    [10, 0x2c, "#TS invalid TSS, error code 0x2c (selector 0x2c in the LDT), at"],
    [13, 0x82, "#GP general protection, error code 0x82 (vector 16 in the IDT), at"],
    [13, 0x83, "#GP general protection, error code 0x83 (vector 16 in the IDT, external), at"],
    [14, 0, "#PF page fault at 0x5000, error code 0x0, at"],
    [14, 7, "#PF page fault at 0x5000, error code 0x7 (user write present), at"],
    [14, 0x39, "#PF page fault at 0x5000, error code 0x39 (protection key reserved bit fetch present), at"],
    [6, 0, "#UD invalid opcode, at"],
  ];
  for (const [vector, code, text] of rows) {
    note(core, vector, 0, 0, code, 0x1000, 0, vector === 14 ? 0x5000 : 0, 0);
    assertStringIncludes(core.deathReport(), text);
  }
});
