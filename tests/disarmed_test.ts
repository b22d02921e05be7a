// A timer that was disarmed, in every way there is, and then HLT or WFI: the machine is dead, at once, and runs end with status 3 (dead_test.ts).
// The same for one whose interrupt cannot come because of a priority, or because nobody has ended the last one. Each timer is also left
// armed, and must come then, or the row would show nothing.
import { assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, type Machine } from "../src/machine/machine.ts";
import { A0, A6, A7, address, assemble, csr, li, type Line, RAM, S0, S2, T0, T1, T3, TIME, toSupervisor } from "./riscv_code.ts";
import { HANDLERS, Lab } from "./x86/lab.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** Whether the handler has run, and what the machine says in the end; and if it had to wait for something until it knew. */
function end(m: Machine, flag: number): string {
  const begin = m.clock.ticks;
  for (let n = 0; n < 50 && m.sleep === undefined && !m.stopped; n++) m.run(m.clock.ticks + 1e8, 1e9);
  const came = m.bus.read(flag, 1) !== 0, dead = m.stopped?.kind === "deadHalt" || m.sleep === "dead";
  if (!dead) return `${came ? "came, " : ""}${m.stopped?.kind ?? m.sleep ?? "awake"}`;
  return came ? "came, dead" : m.clock.ticks - begin < SOON / 2 ? "dead" : "dead, but late";
}
/** No timer here comes earlier; a slice of a processor that is alone awake may be a quarter of it. */
const SOON = 1 << 21;

// --- x86: 32-bit code on the PC

const FLAG = 0x9100, LAPIC = 0xfee0_0000, HPET = 0xfed0_0000, IOAPIC = 0xfec0_0000, PM = 0x600, ACPI_ON = 0xf1, ACPI_OFF = 0xf0;
const le = (value: number): number[] => [0, 8, 16, 24].map((shift) => value >>> shift & 0xff);
const out = (port: number, ...values: number[]): number[] => values.flatMap((v) => [0xb0, v, 0xe6, port]);
const store = (at: number, value: number): number[] => [0xc7, 0x05, ...le(at), ...le(value)];
const wrmsr = (n: number, value: number): number[] => [0xb9, ...le(n), 0xb8, ...le(value), 0x31, 0xd2, 0x0f, 0x30];
const lapic = (register: number, value: number): number[] => store(LAPIC + register, value);
const hpet = (register: number, value: number): number[] => store(HPET + register, value);
const outw = (
  port: number,
  value: number,
): number[] => [0x66, 0xba, ...le(port).slice(0, 2), 0x66, 0xb8, ...le(value).slice(0, 2), 0x66, 0xef];
const ioapic = (register: number, value: number): number[] => [...store(IOAPIC, register), ...store(IOAPIC + 0x10, value)];
const cmos = (register: number, value: number): number[] => [...out(0x70, register), ...out(0x71, value)];
const readC = [...out(0x70, 12), 0xe4, 0x71];
const HLT = [0xfb, 0xf4, 0xeb, 0xfd], HLT_MASKED = [0xfa, 0xf4, 0xeb, 0xfd];
/** The 8259s at 0x50 and 0x58 with these masks; from here on they see edges. */
const pic = (master: number, slave: number) => [
  ...[[0x20, 0x50, 4], [0xa0, 0x58, 2]].flatMap(([port, vector, cascade]) => [...out(port, 0x11), ...out(port + 1, vector, cascade, 1)]),
  ...out(0x21, master),
  ...out(0xa1, slave),
];
const IRQ0 = pic(0xfe, 0xff), IRQ8 = pic(0xfb, 0xfe), NONE = pic(0xff, 0xff);
/** The output of the 8254 low for ever. */
const QUIET = out(0x43, 0x30);

interface Timer {
  readonly arm: readonly number[];
  readonly disarm: Readonly<Record<string, readonly number[]>>;
  /** It goes on by itself. */
  readonly repeats?: boolean;
}
const isa = (irq: number) => ({
  "masked in the 8259": irq < 8 ? out(0x21, 0xff) : out(0xa1, 0xff),
  "the cascade masked": irq < 8 ? out(0x21, 0xff) : out(0x21, 0xff),
});
const apic = {
  "masked": lapic(0x320, 0x1_0040),
  "disabled by software": lapic(0xf0, 0xff),
  "the APIC switched off": wrmsr(0x1b, 0xfee0_0100),
  "TPR": lapic(0x80, 0x40),
};
const lapicTimer = [...NONE, ...lapic(0xf0, 0x1ff), ...lapic(0x3e0, 0xb)];
const hpetOff = {
  "its interrupt off": hpet(0x100, 0),
  "the counter stopped": hpet(0x10, 2),
  "legacy replacement off": hpet(0x10, 1),
  ...isa(0),
};
const pit = (control: number): Timer => ({
  arm: [...out(0x43, control), ...out(0x40, 0, 0x80), ...IRQ0],
  disarm: { ...isa(0), "another control word": out(0x43, 0x30) },
  repeats: (control & 6) !== 0,
});
const X86: Readonly<Record<string, Timer>> = {
  "local APIC, one shot": {
    arm: [...lapicTimer, ...lapic(0x320, 0x40), ...lapic(0x380, 4_000_000)],
    disarm: { ...apic, "count 0": lapic(0x380, 0), "deadline mode": lapic(0x320, 0x4_0040) },
  },
  "local APIC, periodic": {
    arm: [...lapicTimer, ...lapic(0x320, 0x2_0040), ...lapic(0x380, 4_000_000)],
    disarm: { ...apic, "count 0": lapic(0x380, 0), "deadline mode": lapic(0x320, 0x4_0040) },
    repeats: true,
  },
  "local APIC, TSC deadline": {
    arm: [...lapicTimer, ...lapic(0x320, 0x4_0040), 0x0f, 0x31, 0x05, ...le(4_000_000), 0x83, 0xd2, 0, 0xb9, ...le(0x6e0), 0x0f, 0x30],
    disarm: { ...apic, "deadline 0": wrmsr(0x6e0, 0), "one-shot mode": lapic(0x320, 0x40) },
  },
  "8254, mode 0": pit(0x30),
  "8254, mode 2": pit(0x34),
  "8254, mode 3": pit(0x36),
  "HPET, one shot": {
    arm: [...QUIET, ...IRQ0, ...hpet(0x100, 4), ...hpet(0x108, 400_000), ...hpet(0x10c, 0), ...hpet(0x10, 3)],
    disarm: hpetOff,
  },
  "HPET, periodic": {
    arm: [
      ...QUIET,
      ...IRQ0,
      ...hpet(0x100, 0x4c),
      ...hpet(0x108, 400_000),
      ...hpet(0x10c, 0),
      ...hpet(0x108, 400_000),
      ...hpet(0x10c, 0),
      ...hpet(0x10, 3),
    ],
    disarm: hpetOff,
    repeats: true,
  },
  "8254 that the HPET has replaced": {
    arm: [...out(0x43, 0x36), ...out(0x40, 0, 0x80), ...IRQ0],
    disarm: { "legacy replacement": hpet(0x10, 3), "and with the counter standing": hpet(0x10, 2) },
    repeats: true,
  },
  "CMOS clock, periodic": {
    arm: [...IRQ8, ...readC, ...cmos(10, 0x28), ...cmos(11, 0x42)],
    disarm: { ...isa(8), "its interrupt off": cmos(11, 0x02), "rate 0": cmos(10, 0x20), "the divider held": cmos(10, 0x76) },
    repeats: true,
  },
  "CMOS clock, by the I/O APIC": {
    arm: [...NONE, ...lapic(0xf0, 0x1ff), ...ioapic(0x21, 0), ...ioapic(0x20, 0x58), ...readC, ...cmos(10, 0x28), ...cmos(11, 0x42)],
    disarm: { "masked": ioapic(0x20, 0x1_0058), "TPR": lapic(0x80, 0x50), "its interrupt off": cmos(11, 0x02) },
    repeats: true,
  },
  "ACPI timer": {
    arm: [...pic(0xfb, 0xfd), ...out(0xb2, ACPI_ON), ...outw(PM, 0xffff), ...outw(PM + 2, 1)],
    disarm: { ...isa(9), "its interrupt off": outw(PM + 2, 0), "the SCI off": out(0xb2, ACPI_OFF) },
    repeats: true,
  },
  "CMOS clock, each second": {
    arm: [...IRQ8, ...readC, ...cmos(11, 0x12)],
    disarm: { ...isa(8), "its interrupt off": cmos(11, 0x02), "being set": cmos(11, 0x92), "the divider held": cmos(10, 0x76) },
    repeats: true,
  },
  "CMOS clock, alarm": {
    arm: [...IRQ8, ...readC, ...[1, 3, 5].flatMap((n) => cmos(n, 0xff)), ...cmos(11, 0x22)],
    disarm: { ...isa(8), "its interrupt off": cmos(11, 0x02), "a time that never is": cmos(5, 0x99), "the divider held": cmos(10, 0x76) },
    repeats: true,
  },
};
/** Handlers: say that they ran, and wait with interrupts off; or with interrupts on, without any end of interrupt. */
const LAST = [0xc6, 0x05, ...le(FLAG), 1, ...HLT_MASKED], NOT_ENDED = [0xc6, 0x05, ...le(FLAG), 1, ...HLT];

for (const cores of [1, 2]) {
  Deno.test(`x86 on ${cores} processors: a timer that was disarmed leaves a machine dead`, async () => {
    const lab = await Lab.make("interp", `${ROOT}machines/pc.toml`, { "cpu.cores": cores, "cpu.model": "max", "memory.ram.size": "4MiB" });
    lab.prepare("32", 0);
    lab.machine.bus.write(FLAG, 1, 0);
    const begin = lab.machine.snapshot(), wrong: string[] = [];
    const check = (what: string, code: readonly number[], handler: readonly number[], wanted: string) => {
      lab.machine.restore(begin);
      for (const n of [0x40, 0x50, 0x58, 0x59]) lab.machine.bus.writeBytes(HANDLERS + 16 * n, Uint8Array.from(handler));
      lab.start(code);
      const seen = end(lab.machine, FLAG);
      if (seen !== wanted) wrong.push(`${what}: ${seen}, not ${wanted}`);
    };
    for (const [name, { arm, disarm, repeats }] of Object.entries(X86)) {
      check(`${name}, armed`, [...arm, ...HLT], LAST, "came, dead");
      check(`${name}, armed but interrupts off`, [...arm, ...HLT_MASKED], LAST, "dead");
      for (const [how, code] of Object.entries(disarm)) check(`${name}, ${how}`, [...arm, ...code, ...HLT], LAST, "dead");
      if (repeats) check(`${name}, not ended`, [...arm, ...HLT], NOT_ENDED, "came, dead");
    }
    assertEquals(wrong, []);
  });
}

// --- RISC-V

interface RiscvTimer {
  /** The kernel starts in M-mode; else in S-mode under the SBI. */
  readonly machine: boolean;
  readonly begin?: readonly Line[];
  readonly arm: readonly Line[];
  readonly disarm: Readonly<Record<string, readonly Line[]>>;
}
const CLINT = 0x200_4000, RTC = 0x10_1000, PLIC = 0xc00_0000;
const write = (at: number, value: number | "s2"): Line[] => [
  ...li(T3, at),
  ...(value === "s2" ? [] : li(T1, value)),
  ["sw", { rs1: T3, rs2: value === "s2" ? S2 : T1, imm: 0 }],
];
const soon: readonly Line[] = [["csrrs", { rd: S2, rs1: 0, csr: TIME }], ["lui", { rd: T0, imm: 0x2_0000 }], ["add", {
  rd: S2,
  rs1: S2,
  rs2: T0,
}]];
const clear = (number: number): Line[] => [["csrrwi", { rd: 0, uimm: 0, csr: number }]];
const ecall = (value: readonly Line[]): Line[] => [...value, ...li(A7, 0x5449_4d45), ["addi", { rd: A6, rs1: 0, imm: 0 }], ["ecall"]];
/** All ones, and a time beyond the life of any machine, in a register. */
const never = (rd: number): Line[] => [["addi", { rd, rs1: 0, imm: -1 }]],
  far = (rd: number): Line[] => [["addi", { rd, rs1: 0, imm: 1 }], ["slli", { rd, rs1: rd, shamt: 60 }]];
const stimecmp = (value: (rd: number) => Line[]): Line[] => [...value(T1), ["csrrw", { rd: 0, rs1: T1, csr: 0x14d }]];
const RISCV: Readonly<Record<string, RiscvTimer>> = {
  "CLINT": {
    machine: true,
    arm: [...soon, ...write(CLINT, "s2"), ...write(CLINT + 4, 0), ...csr(0x304, 0x80)],
    disarm: { "all ones": write(CLINT + 4, -1), "far away": write(CLINT + 4, 0x4000_0000), "mie": clear(0x304) },
  },
  "Sstc": {
    machine: true,
    begin: toSupervisor,
    arm: [...soon, ["csrrw", { rd: 0, rs1: S2, csr: 0x14d }], ...csr(0x104, 0x20)],
    disarm: { "all ones": stimecmp(never), "far away": stimecmp(far), "sie": clear(0x104) },
  },
  "SBI": {
    machine: false,
    arm: [...soon, ...ecall([["addi", { rd: A0, rs1: S2, imm: 0 }]]), ...csr(0x104, 0x20)],
    disarm: { "all ones": ecall(never(A0)), "far away": ecall(far(A0)), "sie": clear(0x104) },
  },
  "goldfish clock": {
    machine: true,
    arm: [
      ...write(PLIC + 4 * 11, 1),
      ...write(PLIC + 0x2000, 1 << 11),
      ...write(RTC + 0x10, 1),
      // Its lower half, some way on; the upper one first.
      ...li(T3, RTC),
      ["lw", { rd: T0, rs1: T3, imm: 0 }],
      ["lw", { rd: T1, rs1: T3, imm: 4 }],
      ["sw", { rs1: T3, rs2: T1, imm: 0xc }],
      ["lui", { rd: T1, imm: 0x1000_0000 }],
      ["add", { rd: T0, rs1: T0, rs2: T1 }],
      ["sw", { rs1: T3, rs2: T0, imm: 8 }],
      ...csr(0x304, 0x800),
    ],
    disarm: {
      "the alarm cleared": write(RTC + 0x14, 1),
      "its interrupt off": write(RTC + 0x10, 0),
      "not enabled in the PLIC": write(PLIC + 0x2000, 0),
      "priority 0": write(PLIC + 4 * 11, 0),
      "threshold": write(PLIC + 0x20_0000, 1),
      "mie": clear(0x304),
    },
  },
};
const FLAG_AT = 0x3f_0000;

for (const harts of [1, 2, 4]) {
  Deno.test(`RISC-V on ${harts} harts: a timer that was disarmed leaves a machine dead`, async () => {
    const wrong: string[] = [];
    for (const [name, { machine, begin = [], arm, disarm }] of Object.entries(RISCV)) {
      const user = machine && begin.length === 0, vector = user ? 0x305 : 0x105, enables = user ? 0x304 : 0x104;
      const set = { "cpu.harts": harts, "memory.dram.size": "8MiB", ...(machine ? { "firmware.sbi": "none", "boot.load": RAM } : {}) };
      const options = { file: `${ROOT}machines/virt.toml`, kernel: "kernel", set };
      let kernel: Uint8Array = new Uint8Array();
      const host = { readFile: (path: string) => path === "kernel" ? kernel : Deno.readFileSync(path), log: silent };
      const graph = await loadGraph(options, host);
      for (const [how, code] of [["armed", []], ...Object.entries(disarm)] as const) {
        kernel = assemble([
          ["addi", { rd: S0, rs1: A0, imm: 0 }],
          ["bne", { rs1: S0, rs2: 0 }, "stay"],
          ...begin,
          ["jal", { rd: T1 }, "vector"],
          ...clear(enables),
          ...address(T3, FLAG_AT),
          ["addi", { rd: T1, rs1: 0, imm: 1 }],
          ["sb", { rs1: T3, rs2: T1, imm: 0 }],
          "stay",
          ["wfi"],
          ["jal", { rd: 0 }, "stay"],
          "vector",
          ["csrrw", { rd: 0, rs1: T1, csr: vector }],
          ...csr(user ? 0x300 : 0x100, user ? 8 : 2),
          ...arm,
          ...code,
          ["jal", { rd: 0 }, "stay"],
        ]);
        const seen = end(createMachine(options, host, graph), RAM + FLAG_AT), wanted = how === "armed" ? "came, dead" : "dead";
        if (seen !== wanted) wrong.push(`${name}, ${how}: ${seen}, not ${wanted}`);
      }
    }
    assertEquals(wrong, []);
  });
}
