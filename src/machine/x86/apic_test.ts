// Processors and their local APICs on machines: MSRs, CPUID, waking by the timers, INIT, and switching off by ACPI's ports.
import { assertEquals } from "@std/assert";
import type { Machine } from "../machine.ts";
import { machineFrom } from "../testing/machine_from.ts";

const TOML = `
schema = 1
[cpu]
arch = "x86_64"
model = "max"
[memory.ram]
at = 0
size = "8MiB"
holes = ["640KiB..1MiB"]
[device.pic]
type = "i8259.pair"
irq = "lapic:lint0"
[device.lapic]
type = "x86.lapic"
irq = ["cpu*.intr", "cpu*.nmi"]
[device.pm]
type = "acpi.piix4"
`;

/** Multiboot kernel: 32-bit code at 1 MiB + 32, with flat segments; paging and interrupts are off. */
function kernel(...code: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(32 + code.length)), at = 0x10_0000;
  for (const [i, w] of [0x1bad_b002, 0x1_0000, -(0x1bad_b002 + 0x1_0000), at, at, 0, 0, at + 32].entries()) view.setInt32(4 * i, w, true);
  new Uint8Array(view.buffer).set(code, 32);
  return new Uint8Array(view.buffer);
}
const machine = (code: number[], set: Record<string, unknown> = {}): Promise<Machine> =>
  machineFrom(TOML, { kernel: kernel(...code) }, { set });
const le = (value: number): number[] => [value, value >> 8, value >> 16, value >> 24].map((b) => b & 0xff);
/** mov dword [address], value */
const store = (address: number, value: number): number[] => [0xc7, 0x05, ...le(address), ...le(value)];
/** mov ecx, number; rdmsr */
const readMsr = (number: number): number[] => [0xb9, ...le(number), 0x0f, 0x32];
/** mov ecx, number; mov eax, lo; xor edx, edx; wrmsr */
const writeMsr = (number: number, lo: number): number[] => [0xb9, ...le(number), 0xb8, ...le(lo), 0x31, 0xd2, 0x0f, 0x30];
/** mov eax, leaf; cpuid */
const cpuid = (leaf: number): number[] => [0xb8, ...le(leaf), 0x0f, 0xa2];
const HLT = 0xf4, STI = 0xfb, APIC = 0xfee0_0000;
const APIC_BIT = 1n << 9n, X2APIC_BITS = 1n << 21n | 1n << 24n;

Deno.test("IA32_APIC_BASE and CPUID tell of the APIC; without one there is neither", async () => {
  const m = await machine([...readMsr(0x1b), 0x89, 0xc7, ...cpuid(1), HLT]), { cpus: [cpu] } = m; // mov edi, eax
  m.run(100);
  assertEquals([cpu.reg("rdi"), cpu.reg("rdx") & APIC_BIT, cpu.reg("rcx") & X2APIC_BITS], [0xfee0_0900n, APIC_BIT, X2APIC_BITS]);
  const bare = await machine([...cpuid(1), HLT], { "device.lapic": false, "device.pic.irq": "cpu0.intr" });
  bare.run(100);
  assertEquals([bare.cpus[0].reg("rdx") & APIC_BIT, bare.cpus[0].reg("rcx") & X2APIC_BITS], [0n, 0n]);
});

Deno.test("CPUID hides the APIC while IA32_APIC_BASE has switched it off", async () => {
  const m = await machine([...writeMsr(0x1b, 0xfee0_0100), ...cpuid(1), HLT]);
  m.run(100);
  assertEquals(m.cpus[0].reg("rdx") & APIC_BIT, 0n);
});

Deno.test("a masked timer of 100 counts leaves a processor waiting; unmasked it wakes it at the exact tick", async () => {
  // The interrupt is taken (there is no IDT: the processor dies of it), so what counts is when.
  const timer = (lvt: number) => {
    const registers = [[0xf0, 0x1ff], [0x3e0, 0xb], [0x320, lvt], [0x380, 100]];
    return machine([...registers.flatMap(([at, value]) => store(APIC + at, value)), STI, HLT]);
  };
  const masked = await timer(0x1_0040), m = await timer(0x40);
  assertEquals([masked.run(10_000)?.kind, masked.idleForEver], ["deadHalt", true]);
  // The fourth store comes three ticks after the reset.
  assertEquals([m.run(10_000)?.kind, m.clock.ticks], ["tripleFault", 3 + 100]);
});

Deno.test("IA32_TSC_DEADLINE wakes at that count, whatever was added to the counter", async () => {
  const armed = [...store(APIC + 0xf0, 0x1ff), ...store(APIC + 0x320, 0x4_0040)];
  const m = await machine([...armed, ...writeMsr(0x10, 0x1000), ...writeMsr(0x6e0, 0x1200), ...readMsr(0x6e0), 0x89, 0xc7, STI, HLT]);
  m.run(10_000);
  // The counter was set to 0x1000 by the sixth instruction, five ticks after reset.
  assertEquals([m.stopped?.kind, m.clock.ticks, m.cpus[0].reg("rdi")], ["tripleFault", 5 + 0x200, 0x1200n]);
});

Deno.test("x2APIC: registers as MSRs, an interrupt for itself, #GP for what is not there", async () => {
  const on = writeMsr(0x1b, 0xfee0_0c00),
    m = await machine([...on, ...writeMsr(0x80f, 0x1ff), ...writeMsr(0x83f, 0x45), ...readMsr(0x822), HLT]);
  m.run(1000);
  assertEquals([m.cpus[0].reg("rax"), m.idleForEver], [1n << 5n, true]);
  const wrong = await machine([...on, ...readMsr(0x80e), HLT]);
  assertEquals(wrong.run(1000)?.kind, "tripleFault");
});

Deno.test("an INIT for itself starts the first processor anew behind the storing instruction, and parks another one", async () => {
  const m = await machine([...store(APIC + 0x310, 0), ...store(APIC + 0x300, 0x4500), 0xeb, 0xfe], { harts: 2 }),
    { cpus: [first, second] } = m;
  m.run(2);
  assertEquals([first.reg("rip"), first.reg("cs"), first.reg("cr0") & 1n, second.idle], [0xfff0n, 0xf000n, 0n, true]);
  assertEquals(first.pc, 0xffff_fff0n);
});

Deno.test("a startup IPI starts a processor at its page, another one is ignored while it runs", async () => {
  const startup = store(APIC + 0x300, 0x000c_4609), m = await machine([...startup, ...startup, HLT], { harts: 2 });
  m.bus.writeBytes(0x9000, new Uint8Array([0x43, 0xeb, 0xfd])); // inc bx; jmp to it
  m.run(1000);
  const [, second] = m.cpus;
  assertEquals([second.reg("cs"), second.idle, second.reg("rbx") > 100n], [0x900n, false, true]);
});

Deno.test("ACPI's control register switches off: the run ends with status 0", async () => {
  // mov dx, 604h; mov ax, 2000h; out dx, ax
  const m = await machine([0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, HLT]);
  assertEquals([m.run(1000), m.clock.ticks], [{ kind: "exit", code: 0 }, 3]);
});
