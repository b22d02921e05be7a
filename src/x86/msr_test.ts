// Model-specific registers: what is written is read, and what must not be written is not.
import { assertEquals } from "@std/assert";
import { HALTED, machineFrom } from "../machine/testing/machine_from.ts";
import type { X86Cpu } from "./cpu.ts";
import { wide } from "./exceptions.ts";
import { FAULTED } from "./faults.ts";
import { readMsr, writeMsr } from "./msr.ts";

const TOML = `schema = 1\n[cpu]\narch = "x86_64"\nmodel = "max"\n[memory.ram]\nat = 0\nsize = "1MiB"\n`;

async function processor(model = "max"): Promise<X86Cpu> {
  const m = await machineFrom(TOML.replace("max", model), { kernel: HALTED });
  return (m.cpus[0] as unknown as { core: X86Cpu }).core;
}
/** Whether it is taken; a fault is the processor's. */
function writes(cpu: X86Cpu, number: number, value: bigint): boolean {
  try {
    writeMsr(cpu, number, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
    return true;
  } catch (e) {
    assertEquals(e, FAULTED);
    return false;
  }
}
function reads(cpu: X86Cpu, number: number): bigint | undefined {
  try {
    const { lo, hi } = readMsr(cpu, number);
    return wide(lo, hi);
  } catch (e) {
    assertEquals(e, FAULTED);
    return undefined;
  }
}

Deno.test("IA32_PAT takes the memory types that there are, in each of its bytes, and no other value (SDM volume 3A, 11.12.2)", async () => {
  const cpu = await processor(), PAT = 0x277, before = 0x0007_0406_0007_0406n;
  assertEquals(reads(cpu, PAT), before);
  for (let byte = 0n; byte < 256n; byte++) {
    for (let n = 0n; n < 8n; n++) {
      const value = before & ~(0xffn << 8n * n) | byte << 8n * n, is = [0n, 1n, 4n, 5n, 6n, 7n].includes(byte);
      assertEquals([writes(cpu, PAT, value), reads(cpu, PAT)], [is, is ? value : before], `${byte} at ${n}`);
      writes(cpu, PAT, before);
    }
  }
});

/** Numbers with the bits that stay, and whether the value is an address, which must be canonical. */
const KEPT: [name: string, number: number, mask: bigint, address: boolean][] = [
  ["IA32_SYSENTER_CS", 0x174, 0xffffn, false],
  ["IA32_SYSENTER_ESP", 0x175, ~0n, true],
  ["IA32_SYSENTER_EIP", 0x176, ~0n, true],
  ["IA32_STAR", 0xc000_0081, ~0n, false],
  ["IA32_LSTAR", 0xc000_0082, ~0n, true],
  ["IA32_CSTAR", 0xc000_0083, ~0n, true],
  ["IA32_FMASK", 0xc000_0084, 0xffff_ffffn, false],
  ["IA32_FS_BASE", 0xc000_0100, ~0n, true],
  ["IA32_GS_BASE", 0xc000_0101, ~0n, true],
  ["IA32_KERNEL_GS_BASE", 0xc000_0102, ~0n, true],
  ["IA32_MISC_ENABLE", 0x1a0, ~0n, false],
  ["IA32_MTRR_DEF_TYPE", 0x2ff, ~0n, false],
];

Deno.test("registers keep what is written; an address must be canonical, and a fault changes nothing", async () => {
  const value = 0x0000_7f12_3456_789an, high = 0xffff_8000_0000_1000n, cpu = await processor();
  // Canonical is what the processor can have: 57 bits where it has LA57, whether that is on or not.
  for (const [one, odd] of [[cpu, 0x0100_0000_0000_0000n], [await processor("qemu64"), 0x0000_8000_0000_0000n]] as const) {
    for (const [name, number, mask, address] of KEPT) {
      for (const v of [value, high]) assertEquals([writes(one, number, v), reads(one, number)], [true, BigInt.asUintN(64, v & mask)], name);
      if (!address) continue;
      for (const v of [1n << 63n, odd]) {
        assertEquals([writes(one, number, v), reads(one, number)], [false, high], `${name} ${v.toString(16)}`);
      }
    }
  }
  // 32 bits, with nothing above.
  assertEquals([writes(cpu, 0xc000_0103, 0xfeed_beefn), writes(cpu, 0xc000_0103, 1n << 32n), reads(cpu, 0xc000_0103)], [
    true,
    false,
    0xfeed_beefn,
  ]);
});

Deno.test("without a local APIC its base is not there; the microcode's trigger is only written", async () => {
  const cpu = await processor();
  assertEquals([reads(cpu, 0x1b), writes(cpu, 0x1b, 0xfee0_0900n)], [undefined, false]);
  assertEquals([reads(cpu, 0x6e0), writes(cpu, 0x6e0, 5n)], [undefined, false]);
  assertEquals([reads(cpu, 0x79), writes(cpu, 0x79, 5n)], [undefined, true]);
  assertEquals([reads(cpu, 0x17), writes(cpu, 0x17, 1n)], [0n, false], "what is fixed is read only");
});
