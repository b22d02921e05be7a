// The trace channels: each that is listed tells something, on either architecture, in one line an event, with symbols where there are some, without
// wall time; and the guest's run is the same with all of them on.
import { assertEquals, assertMatch } from "@std/assert";
import { type Channel, CHANNELS, type Log, silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import { readFile as readFromDisk } from "../src/scenario/host.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const KEYS = `${ROOT}tests/x86/bin/keys.bin`, MAX = { "cpu.model": "max" };
const guest = (name: string) => `${ROOT}tests/guests/bin/${name}`;

// deno-fmt-ignore
/** M-mode: reads the finisher, which is write-only, and flash, and ends. */
const CARELESS = new Uint8Array(Uint32Array.of(
  0x10_02b7, 0x2_a303, 0x2000_03b7, 0x3_a303, // lui t0, 0x100; lw t1, 0(t0); lui t2, 0x20000; lw t1, 0(t2)
  0x5337, 0x5553_0313, 0x62_a023, 0x6f, // lui t1, 5; addi t1, t1, 0x555; sw t1, 0(t0); j .
).buffer);
/** A boot sector that calls a function which INT 10h has not, and ends. */
const CALLS = new Uint8Array(512);
CALLS.set([0xb8, 0x34, 0x10, 0xcd, 0x10, 0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xeb, 0xfe]); // mov ax, 0x1034; int 0x10; mov dx, 0xf4; mov al, 0x10; out dx, al
CALLS.set([0x55, 0xaa], 510);

// deno-fmt-ignore
/** M-mode: the UART's transmitter is empty and says so; the handler claims the interrupt, completes it and returns (mret). */
const STORM = new Uint8Array(Uint32Array.of(
  0x297, 0x4c28293, 0x30529073, 0x10000537, 0x200293, 0x5500a3, 0xc0005b7, 0x100313, 0x265a423, 0xc002637, 0x40000313, 0x662023, 0xc2006b7, 0x6a023, 0x12b7, 0x8002829b, 0x3042a073, 0x30046073, 0x6f, 0x46a303, 0x66a223, 0x30200073,
).buffer);
// deno-fmt-ignore
/** S-mode: a timer that is over, and a handler that only returns (sret). */
const LATE = new Uint8Array(Uint32Array.of(
  0x297, 0x3028293, 0x10529073, 0x544958b7, 0xd458889b, 0x813, 0x513, 0x73, 0x2000293, 0x1042a073, 0x10016073, 0x6f, 0x10200073,
).buffer);

type Arch = "riscv" | "x86";
interface Run {
  readonly image: string | Uint8Array;
  readonly line: RegExp;
  readonly set?: Readonly<Record<string, unknown>>;
}
/** What tells something on a channel. */
const TELLS: Readonly<Record<Channel, Readonly<Partial<Record<Arch, readonly Run[]>>>>> = {
  advice: {
    riscv: [
      {
        image: STORM,
        set: { "firmware.sbi": "none", "boot.load": 0x8000_0000 },
        line:
          /^cpu0: took the machine external interrupt 10000 times in a row and executed nothing in between: .* at source 10 \(uart0\), /,
      },
      { image: LATE, line: /^cpu0: took the supervisor timer interrupt 10000 times .*: the handler has to set a later time \(/ },
    ],
  },
  guest: {
    riscv: [{
      image: CARELESS,
      set: { "firmware.sbi": "none", "boot.load": 0x8000_0000 },
      line: /^test: read of 0x0: the finisher is write-only$/,
    }],
    x86: [{ image: guest("x86_elf64.elf"), line: /^vga: write of 0xaa to port 0x3bc/ }],
  },
  unimp: {
    riscv: [{ image: CARELESS, set: { "firmware.sbi": "none", "boot.load": 0x8000_0000 }, line: /CFI flash: read/ }],
    x86: [{ image: CALLS, line: /^bios: int 10h, ax=1034$/ }],
  },
  bus: {
    riscv: [{ image: guest("m_hello.rv64.elf"), line: /^uart0: write \+0x0 8 bits: 0x[0-9a-f]+$/ }],
    x86: [{ image: guest("x86_elf64.elf"), line: /^debugexit: write \+0x0 \d+ bits: 0x10$/ }],
  },
  irq: {
    riscv: [{ image: guest("echo.rv64.elf"), line: /^(plic:10|cpu0\.seip): high$/ }],
    x86: [{ image: guest("x86_idt.img"), line: /^\S+: high$/ }],
  },
  trap: {
    riscv: [
      { image: guest("user.rv64.elf"), line: /^cpu0: U -> S {2}store\/AMO page fault, epc 0x1000000a tval 0x11000008$/ },
      { image: guest("timer.rv64.elf"), line: /^cpu0: S -> S {2}supervisor timer interrupt, epc 0x80[0-9a-f]+ \S+(\+0x[0-9a-f]+)?$/ },
      {
        image: guest("pmp.rv32.elf"),
        set: { "firmware.sbi": "none" },
        line: /^cpu0: M -> M {2}store\/AMO access fault, epc 0x80[0-9a-f]+ store1 tval 0x[0-9a-f]+$/,
      },
    ],
    x86: [
      { image: guest("x86_idt.img"), line: /^cpu0: CPL 0 {2}#PF page fault at 0xdeadbeef, error code 0x2 \(write\), at 0x[0-9a-f]+$/ },
      { image: guest("x86_idt.img"), line: /^cpu0: CPL 0 {2}interrupt 0x[0-9a-f]+, at 0x[0-9a-f]+$/ },
      { image: guest("x86_bios.bin"), line: /^cpu0: CPL 0 {2}INT 0x[0-9a-f]+, at 0x[0-9a-f]+$/ },
    ],
  },
  mmu: {
    riscv: [
      { image: guest("user.rv64.elf"), line: /^cpu0: satp = 0x8[0-9a-f]{15}$/ },
      { image: guest("user.rv64.elf"), line: /^cpu0: fence of everything$/ },
      { image: guest("user.rv64.elf"), line: /^cpu0: page fault: page walk of 0x11000008, .*; level 1: the entry is not valid$/ },
      { image: guest("pmp.rv64.elf"), set: { "firmware.sbi": "none" }, line: /^cpu0: the physical memory protection changes$/ },
    ],
    x86: [
      { image: guest("x86_long.elf"), line: /^cpu0: cr3 = 0x[0-9a-f]+$/ },
      { image: guest("x86_long.elf"), line: /^cpu0: efer = 0x[0-9a-f]+$/ },
      { image: guest("x86_long.elf"), line: /^cpu0: cr0 = 0x[89a-f][0-9a-f]{7}$/ },
      { image: KEYS, set: MAX, line: /^cpu0: pkru = 0xfffff3fc$/ },
      { image: KEYS, set: MAX, line: /^cpu0: pkrs = 0xfffffffc$/ },
      {
        image: KEYS,
        set: MAX,
        line: /^cpu0: page fault: page walk of 0x203000, .* = 0x2800000000203067 \S+ key 5; page table: the protection key forbids it$/,
      },
      // What a fetch was forbidden by.
      {
        image: `${ROOT}tests/x86/bin/long.bin`,
        set: MAX,
        line: /^cpu0: page fault: .*; page directory: the page may not be executed \(XD\)$/,
      },
    ],
  },
  sbi: {
    riscv: [{ image: guest("hello_dbcn.rv64.elf"), line: /^cpu0: dbcn\.console_write\(0x[0-9a-f]+, / }],
    x86: [{ image: guest("x86_disk.bin"), line: /^bios: int 13h/ }],
  },
  exec: {
    riscv: [{ image: guest("hello.rv64.elf"), line: /^cpu0: 0x80200000 _start: auipc sp, / }],
    x86: [{ image: guest("x86_elf64.elf"), line: /^cpu0: 0x[0-9a-f]+( \S+)?: \w+/ }],
  },
  // RISC-V's machines have no device that tells more of itself.
  trace: { x86: [{ image: guest("x86_disk.bin"), line: /^ide: disk command 20h, sector 1$/ }] },
};

async function machineOf(
  arch: Arch,
  run: Pick<Run, "image" | "set">,
  log: Log,
  engine: "interp" | "jit" = "jit",
  harts = 1,
): Promise<Machine> {
  const file = arch === "x86" ? "pc" : typeof run.image === "string" && run.image.includes("rv32") ? "virt32" : "virt";
  const options: MachineOptions = {
    file: `${ROOT}machines/${file}.toml`,
    kernel: typeof run.image === "string" ? run.image : "program",
    engine,
    tuning: { threshold: 5 },
    set: { harts, memory: "16MiB", ...run.set },
  };
  const readFile = (path: string) => path === "program" ? run.image as Uint8Array : readFromDisk(path);
  const host = { readFile, log };
  return createMachine(options, host, await loadGraph(options, host));
}
/** Runs to the end, or for so many ticks; on the way the console gets a line. */
function finish(m: Machine, until: number): void {
  m.run(until / 2);
  for (const c of "exit\r") m.consoles.values().next().value?.receive(c.charCodeAt(0));
  m.run(until);
}

for (const channel of Object.keys(CHANNELS) as Channel[]) {
  for (const [arch, runs] of Object.entries(TELLS[channel]) as [Arch, readonly Run[]][]) {
    Deno.test(`--trace ${channel} tells something on ${arch}`, async () => {
      for (const run of runs) {
        const lines: string[] = [];
        const log: Log = {
          on: (c) => c === channel,
          line: (c, source, text) => {
            assertEquals(c, channel, "a line of another channel");
            lines.push(`${source}: ${text}`);
          },
        };
        finish(await machineOf(arch, run, log), channel === "trap" ? 100_000_000 : channel === "advice" ? 200_000 : 3_000_000);
        assertEquals(lines.filter((l) => l.includes("\n")), [], "one line an event");
        if (channel === "advice") assertEquals(lines.length, 1, "said once");
        if (!lines.some((l) => run.line.test(l))) assertMatch([...new Set(lines)].slice(0, 20).join("\n"), run.line);
      }
    });
  }
}

/** Every instruction is looked at on its own. */
const SAME_TICKS = 120_000;
const SAME: [arch: Arch, image: string, harts: number, set?: Record<string, unknown>][] = [
  ["riscv", guest("user.rv64.elf"), 1],
  ["riscv", guest("timer.rv32.elf"), 1],
  ["riscv", guest("smp.rv64.elf"), 4],
  ["riscv", guest("echo.rv64.elf"), 1],
  ["x86", guest("x86_idt.img"), 1],
  ["x86", guest("x86_smp.elf"), 2],
  ["x86", guest("x86_disk.bin"), 1],
];
for (const [arch, image, harts, set] of SAME) {
  Deno.test(`a run is the same with every channel on: ${image.slice(image.lastIndexOf("/") + 1)} with ${harts} harts`, async () => {
    const results = [];
    let lines: string[] = [];
    for (const engine of ["interp", "jit"] as const) {
      for (const on of [false, true]) {
        const seen: string[] = [], run = { image, ...(set ? { set } : {}) };
        const m = await machineOf(
          arch,
          run,
          on ? { on: () => true, line: (c, source, text) => void seen.push(`${c} ${source} ${text}`) } : silent,
          engine,
          harts,
        );
        finish(m, SAME_TICKS);
        results.push({ digest: m.digest(), ticks: m.clock.ticks, stop: m.stopped?.kind });
        if (!on) continue;
        if (lines.length) assertEquals(seen, lines, "the other engine tells something else");
        lines = seen;
      }
    }
    for (const r of results) assertEquals(r, results[0]);
  });
}

// deno-fmt-ignore
/**
 * A boot sector that divides by 0; the handler has an undefined instruction, whose handler has one, or another, a thousand times; then the IDT
 * is taken away.
 */
const CHAIN = new Uint8Array(512);
CHAIN.set([
  0xfa,
  0x31,
  0xc0,
  0x8e,
  0xd8,
  0x8e,
  0xd0,
  0xbc,
  0x00,
  0x70,
  0xc7,
  0x06,
  0x18,
  0x00,
  0x22,
  0x7c,
  0xa3,
  0x1a,
  0x00,
  0xc7,
  0x06,
  0x00,
  0x00,
  0x20,
  0x7c,
  0xa3,
  0x02,
  0x00,
  0x31,
  0xc9,
  0xf7,
  0xf1,
  0x0f,
  0x0b,
  0x41,
  0x81,
  0xf9,
  0xe8,
  0x03,
  0x74,
  0x09,
  0xf6,
  0xc1,
  0x01,
  0x74,
  0x02,
  0x0f,
  0x0b,
  0x0f,
  0x0b,
  0x0f,
  0x01,
  0x1e,
  0x39,
  0x7c,
  0x0f,
  0x0b,
  0x00,
  0x00,
  0x00,
  0x00,
  0x00,
  0x00,
]);
CHAIN.set([0x55, 0xaa], 510);

Deno.test("reports of a dead machine begin with the cause, and end with the last traps", async () => {
  const x86 = await machineOf("x86", { image: CHAIN }, silent);
  x86.run(100_000_000);
  const triple = x86.stopped;
  assertEquals(triple?.kind, "tripleFault");
  const lines = (triple as { report: string }).report.split("\n"), from = lines.findIndex((l) => l.includes("#DE divide error, at 0x7c1e"));
  assertMatch(lines.slice(from, from + 11).join("\n"), CHAIN_REPORT);
  // An illegal instruction, with stvec where nothing is: sp = 0 there.
  const riscv = await machineOf("riscv", { image: new Uint8Array(Uint32Array.of(0x13, 0x13, 0).buffer) }, silent);
  riscv.run(100_000);
  const loop = riscv.stopped;
  assertEquals(loop?.kind, "trapLoop");
  assertMatch((loop as { report: string }).report, LOOP_REPORT);
});
const CHAIN_REPORT = new RegExp([
  "^  CPL 0  #DE divide error, at 0x7c1e, instruction \\d+",
  "  CPL 0  #UD invalid opcode, at 0x7c20, instruction \\d+",
  "  CPL 0  #UD invalid opcode, at 0x7c2e, instruction \\d+",
  "  CPL 0  #UD invalid opcode, at 0x7c30, instruction \\d+",
  "  \\.\\.\\. 996 more \\.\\.\\.",
  "  CPL 0  #UD invalid opcode, at 0x7c2e, instruction \\d+",
  "  CPL 0  #UD invalid opcode, at 0x7c37, instruction (\\d+)",
  "  CPL 0  #GP general protection, error code 0x32 \\(vector 6 in the IDT\\), at 0x7c37, instruction \\1",
  "  CPL 0  #GP general protection, error code 0x6a \\(vector 13 in the IDT\\), at 0x7c37, instruction \\1",
  "  CPL 0  #DF double fault, error code 0x0, at 0x7c37, instruction \\1",
  "  CPL 0  #GP general protection, error code 0x42 \\(vector 8 in the IDT\\), at 0x7c37, instruction \\1",
].join("\n"));
const LOOP_REPORT =
  /last:\n {2}S -> S {2}illegal instruction, epc 0x80200008 tval 0x0, instruction \d+\n {2}S -> S {2}instruction access fault, epc 0x0 tval 0x0, instruction \d+ \(1000 times in a row\)\n/;
