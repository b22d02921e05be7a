// What every model specific and control register takes, and what CPUID says, for several models, against what was so when that was last looked at:
// tests/golden/x86_registers.txt, to be read: a line for each register and leaf (`-- --update` writes it anew).
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph } from "../src/machine/machine.ts";
import { writeCr0, writeCr3, writeCr4 } from "../src/x86/control_registers.ts";
import type { X86Cpu } from "../src/x86/cpu.ts";
import { FEATURE_NAMES } from "../src/x86/cpuid.ts";
import { x86Table } from "../src/x86/instruction_set.ts";
import type { Halves } from "../src/x86/microcode_memory.ts";
import { readMsr, writeMsr } from "../src/x86/msr.ts";

const ROOT = new URL("..", import.meta.url).pathname, GOLDEN = `${ROOT}tests/golden/x86_registers.txt`;
const MODELS: readonly (readonly [name: string, set: Readonly<Record<string, unknown>>])[] = [
  ["qemu64", { "cpu.model": "qemu64" }],
  ["max", { "cpu.model": "max" }],
  ["qemu64 with less", { "cpu.model": "qemu64", "cpu.features": ["-nx", "-pae", "-pat", "-mtrr", "-lm", "+x2apic"] }],
];

async function machineWith(set: Readonly<Record<string, unknown>>) {
  const options = { file: `${ROOT}machines/pc.toml`, kernel: "kernel", set: { "memory.ram.size": "4MiB", ...set } };
  const host = { readFile: (path: string) => path === "kernel" ? SECTOR : Deno.readFileSync(path), log: silent };
  const machine = createMachine(options, host, await loadGraph(options, host));
  await machine.complete();
  return { machine, core: (machine.cpus[0] as unknown as { core: X86Cpu }).core };
}
const SECTOR = new Uint8Array(512 * 64);
SECTOR.set([0xeb, 0xfe]);
SECTOR.set([0x55, 0xaa], 510);

const hex = (hi: number, lo: number): string => ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);
/** "ok", or the exception's vector. */
function outcome(cpu: X86Cpu, act: () => void): string {
  cpu.faults.vector = -1;
  try {
    act();
  } catch (e) {
    if (cpu.faults.vector < 0) throw e;
  }
  return cpu.faults.vector < 0 ? "ok" : `exception ${cpu.faults.vector}`;
}
/** Values by which a register's bits show. */
const VALUES: readonly (readonly [hi: number, lo: number])[] = [
  [0, 0],
  [-1, -1],
  [0, -1],
  [0, 0x5555_5555],
  [0, 0x0606_0606],
  [0, 0x0807_0605],
  [0, 0xfee0_0900 | 0],
  [0x7fff, 0x1234_5678],
  [0x8000, 0],
  ...Array.from({ length: 32 }, (_, n) => [0, 1 << n] as const),
  [1, 0],
  [0x100, 0],
];
/** Runs of the same outcome are told once. */
function told(values: readonly (readonly [number, number])[], of: (hi: number, lo: number) => string): string {
  const seen = new Map<string, string[]>();
  for (const [hi, lo] of values) {
    const result = of(hi, lo), list = seen.get(result) ?? [];
    seen.set(result, [...list, hex(hi, lo)]);
  }
  // The commonest one last.
  const sorted = [...seen].sort(([, a], [, b]) => a.length - b.length), last = sorted.pop()![0];
  return [...sorted.map(([result, list]) => `${list.join(" ")} -> ${result}`), `${sorted.length ? "others" : "all"} -> ${last}`].join("; ");
}

const NUMBERS = [
  ...[
    0,
    1,
    0x10,
    0x17,
    0x1b,
    0x2a,
    0x3a,
    0x3b,
    0x48,
    0x8b,
    0xc1,
    0xcd,
    0xce,
    0xe7,
    0xe8,
    0xfe,
    0x10a,
    0x140,
    0x174,
    0x175,
    0x176,
    0x179,
    0x17a,
  ],
  ...[
    0x186,
    0x198,
    0x199,
    0x19a,
    0x1a0,
    0x1d9,
    0x1fc,
    0x200,
    0x201,
    0x20f,
    0x210,
    0x250,
    0x251,
    0x258,
    0x259,
    0x268,
    0x26f,
    0x277,
    0x2ff,
    0x300,
  ],
  ...[
    0x38d,
    0x38f,
    0x400,
    0x401,
    0x480,
    0x6e0,
    0x800,
    0x802,
    0x803,
    0x808,
    0x80b,
    0x80d,
    0x80f,
    0x810,
    0x828,
    0x830,
    0x832,
    0x838,
    0x83e,
    0x83f,
  ],
  ...[0x900, 0xda0, 0xc000_0080, 0xc000_0081, 0xc000_0082, 0xc000_0083, 0xc000_0084, 0xc000_0100, 0xc000_0101, 0xc000_0102, 0xc000_0103],
  ...[0xc000_0104, 0xc001_0000, 0xc001_0015, 0xc001_0055, 0xc001_0114, 0xc001_1fff, 0xc001_2000, 0xffff_ffff],
];
/** Counts with time, or stops the machine's paging when it is changed. */
const TIME = 0x10, EFER = 0xc000_0080;

function lines(name: string, cpu: X86Cpu): string[] {
  const out: string[] = [];
  for (const number of NUMBERS) {
    if (number === TIME) continue;
    let value: Halves = { lo: 0, hi: 0 };
    const read = () => {
      value = readMsr(cpu, number);
    };
    const msr = `${name}: MSR ${number.toString(16)}`,
      keep = outcome(cpu, read),
      before = [value.hi, value.lo] as const;
    out.push(`${msr}: ${keep === "ok" ? hex(...before) : keep}`);
    const written = told(VALUES, (hi, lo) => {
      const result = outcome(cpu, () => writeMsr(cpu, number, lo | 0, hi | 0));
      if (result !== "ok") return result;
      const readable = outcome(cpu, read), now = readable === "ok" ? hex(value.hi, value.lo) : readable;
      if (number === EFER) outcome(cpu, () => writeMsr(cpu, number, before[1], before[0]));
      return now === hex(hi, lo) ? "itself" : now;
    });
    out.push(`${msr}, written: ${written}`);
    if (keep === "ok") outcome(cpu, () => writeMsr(cpu, number, before[1], before[0]));
  }
  const start = { cr0: cpu.s.cr0, cr4: cpu.s.cr4 };
  for (
    const [register, write, read] of [
      ["CR0", (lo: number, hi: number) => writeCr0(cpu, lo, hi), () => cpu.s.cr0],
      ["CR4", (lo: number, hi: number) => writeCr4(cpu, lo, hi), () => cpu.s.cr4],
      ["CR3", (lo: number, hi: number) => writeCr3(cpu, lo, hi), () => cpu.s.cr3Lo],
    ] as const
  ) {
    // Paging stays off: nothing is mapped.
    const values = VALUES.filter(([, lo]) => register !== "CR0" || lo >= 0);
    out.push(`${name}: ${register}: ${
      told(values, (hi, lo) => {
        const result = outcome(cpu, () => write(lo | 0, hi | 0)), value = hex(0, read());
        if (register === "CR0") outcome(cpu, () => writeCr0(cpu, start.cr0, 0));
        if (register === "CR4") outcome(cpu, () => writeCr4(cpu, start.cr4, 0));
        return result !== "ok" ? result : value === hex(hi, lo) ? "itself" : value;
      })
    }`);
  }
  for (const first of [0, 0x8000_0000, 0x4000_0000]) {
    for (let leaf = 0; leaf < 0x24; leaf++) {
      const subleaves = [0, 1, 2, 3, 9].map((n) => cpu.features.leaf(first + leaf, n).map((v) => (v >>> 0).toString(16)).join(" "));
      if (subleaves.some((text) => text !== "0 0 0 0")) {
        out.push(`${name}: CPUID ${(first + leaf).toString(16)}: ${[...new Set(subleaves)].join(", ")}`);
      }
    }
  }
  out.push(`${name}: features: ${FEATURE_NAMES.filter((feature) => cpu.features.has(feature)).join(" ")}`);
  out.push(`${name}: rows: ${x86Table(cpu.features).rows.length}`);
  return out;
}

Deno.test("model specific and control registers, CPUID and features are as they were", async () => {
  const all: string[] = [];
  for (const [name, set] of MODELS) all.push(...lines(name, (await machineWith(set)).core));
  const byFeature = new Map<string, Set<string>>();
  for (const row of x86Table().rows) {
    const feature = row.feature || "every processor";
    byFeature.set(feature, (byFeature.get(feature) ?? new Set()).add(row.mnemonic + (row.unit ? ` (${row.unit})` : "")));
  }
  for (const [feature, mnemonics] of byFeature) all.push(`instructions of ${feature}: ${[...mnemonics].join(", ")}`);
  if (Deno.args.includes("--update")) Deno.writeTextFileSync(GOLDEN, all.join("\n") + "\n");
  else assertEquals(all, Deno.readTextFileSync(GOLDEN).trimEnd().split("\n"));
});

Deno.test("control registers are read each from its own number", async () => {
  const { machine, core } = await machineWith({});
  machine.run(1_000_000);
  // mov eax, cr0; mov ebx, cr2; mov ecx, cr3; mov edx, cr4; jmp $
  machine.bus.writeBytes(0x7c00, Uint8Array.of(0x0f, 0x20, 0xc0, 0x0f, 0x20, 0xd3, 0x0f, 0x20, 0xd9, 0x0f, 0x20, 0xe2, 0xeb, 0xfe));
  core.setReg("cr2", 0x1234_5678n);
  core.s.cr3Lo = 0x5000;
  core.s.cr4 = 0x600;
  core.setReg("rip", 0x7c00n);
  machine.run(machine.clock.base + 50);
  assertEquals(["rax", "rbx", "rcx", "rdx"].map((n) => core.reg(n)), [core.reg("cr0"), 0x1234_5678n, 0x5000n, 0x600n]);
});
