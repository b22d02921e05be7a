// Timers to the instruction: with one, two and four processors the first instruction of a timer's handler runs at exactly the tick that the timer
// was set for, in either engine, spinning or waiting, and however the run is cut into slices.
import { assert, assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import type { MachineGraph } from "../src/machine/machine_graph.ts";
import { createMachine, type Host, loadGraph, loadJit, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import {
  A0,
  A1,
  A2,
  A6,
  A7,
  address,
  assemble,
  csr,
  li,
  type Line,
  RA,
  RAM,
  S0,
  S1,
  S2,
  S3,
  S4,
  T0,
  T1,
  T2,
  T3,
  TIME,
  toSupervisor,
} from "./riscv_code.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;

interface Way {
  readonly engine: "interp" | "jit";
  /** Ticks of each call of `run`. */
  readonly steps: number;
  /** Between interrupts the processors wait; else they spin. */
  readonly waits: boolean;
}
const WAYS: readonly Way[] = [
  { engine: "interp", steps: 97, waits: false },
  { engine: "jit", steps: 1e9, waits: false },
  { engine: "jit", steps: 1009, waits: true },
];
const HOST: Host = { readFile: (path: string) => Deno.readFileSync(path), log: silent };

function run(
  options: MachineOptions,
  graph: MachineGraph,
  { engine, steps }: Way,
  begin: (m: Machine) => void,
  done: (m: Machine) => boolean,
  host: Host = HOST,
) {
  const m = createMachine({ ...options, engine, tuning: { threshold: 1 } }, host, graph), limit = 400_000;
  begin(m);
  for (let last = m.clock.ticks; !done(m) && m.clock.ticks < limit; last = m.clock.ticks) {
    m.run(Math.min(limit, m.clock.ticks + steps));
    if (m.stopped || m.clock.ticks === last) break;
  }
  assert(
    done(m),
    `not done after ${m.clock.ticks} ticks: ${Deno.inspect(m.stopped ?? m.sleep)}, pc ${m.cpus.map((c) => c.pc.toString(16))}`,
  );
  return m;
}

// --- x86

interface Timer {
  readonly name: string;
  readonly kind: number;
  readonly count: number;
  readonly rounds: number;
  readonly control?: number;
  readonly hz: number;
  /** From what was written down, the ticks that the handlers should have read. */
  readonly expect: (read: readonly number[], count: number) => { readonly seen: number[]; readonly wanted: number[] };
}
/** Pairs: before it was armed, and in its handler. `ticks` of the clock make one count; the store that arms is so many instructions behind. */
const once = (ticks: number, behind: number): Timer["expect"] => (read, count) => {
  const wanted: number[] = [], seen: number[] = [];
  for (let i = 0; i + 1 < read.length; i += 2) {
    wanted.push((Math.floor((read[i] + behind) / ticks) + count) * ticks);
    seen.push(read[i + 1]);
  }
  return { seen, wanted };
};
const periodic = (ticks: number, behind: number): Timer["expect"] => ([armed, ...seen], count) => ({
  seen,
  wanted: seen.map((_, n) => (Math.floor((armed + behind) / ticks) + (n + 1) * count) * ticks),
});

const TIMERS: readonly Timer[] = [
  { name: "LAPIC, one shot", kind: 0, count: 733, rounds: 12, hz: 1e9, expect: once(1, 3) },
  { name: "LAPIC, periodic", kind: 1, count: 733, rounds: 12, hz: 1e9, expect: periodic(1, 3) },
  {
    name: "LAPIC, TSC deadline",
    kind: 2,
    count: 733,
    rounds: 12,
    hz: 1e9,
    expect: (read) => ({ wanted: read.filter((_, i) => i % 2 === 0), seen: read.filter((_, i) => i % 2 === 1) }),
  },
  { name: "8254, mode 0", kind: 4, count: 300, rounds: 6, control: 0x30, hz: 5 * 1_193_182, expect: once(5, 5) },
  { name: "8254, mode 2", kind: 4, count: 300, rounds: 6, control: 0x34, hz: 5 * 1_193_182, expect: periodic(5, 5) },
  { name: "8254, mode 3", kind: 4, count: 300, rounds: 6, control: 0x36, hz: 5 * 1_193_182, expect: periodic(5, 5) },
  {
    name: "HPET, one shot",
    kind: 5,
    count: 100,
    rounds: 6,
    hz: 1e9,
    expect: ([enabled, ...read]) => {
      const { seen, wanted } = once(1, 0)(read, 0), start = Math.floor((enabled + 3) / 10);
      return { seen, wanted: wanted.map((comparator) => (start + comparator) * 10) };
    },
  },
  { name: "HPET, periodic", kind: 6, count: 100, rounds: 6, hz: 1e9, expect: periodic(10, 3) },
  ...[3, 6].map((rate): Timer => ({
    name: `CMOS clock, rate ${rate}`,
    kind: 7,
    count: 1 << rate - 1,
    rounds: 4,
    control: 0x20 | rate,
    hz: 100 * 32_768,
    // It divides the time since the machine was switched on.
    expect: (seen, count) => ({ seen: [...seen], wanted: seen.map((_, n) => (Math.floor(seen[0] / (100 * count)) + n) * 100 * count) }),
  })),
];

for (const { name, kind, count, rounds, control = 0, hz, expect } of TIMERS) {
  Deno.test(`${name}: the handler's first instruction is at its time`, async () => {
    for (const processors of [1, 2, 4]) {
      const set = {
        ...{ "cpu.model": "max", "cpu.cores": processors, "clock.cpu_hz": hz, "clock.tsc_hz": hz },
        ...{ "device.lapic.timer_hz": hz, "memory.ram.size": "4MiB" },
      };
      const options = { file: `${ROOT}machines/pc.toml`, kernel: `${ROOT}tests/x86/bin/timers.bin`, set };
      const graph = await loadGraph(options, HOST);
      for (const way of WAYS) {
        const parameters = [kind, count, rounds, processors, Number(way.waits), control];
        const begin = (m: Machine) => parameters.forEach((v, n) => m.bus.write(0x9000 + 4 * n, 4, v));
        const m = run(options, graph, way, begin, (m) => m.bus.read(0x9020, 4) === processors);
        for (let p = 0; p < (kind < 4 ? processors : 1); p++) {
          const words = Array.from({ length: 3 * rounds }, (_, n) => m.bus.read(0x1_0000 + 0x1000 * p + 4 * n, 4)), end = words.indexOf(0);
          const { seen, wanted } = expect(words.slice(0, end), count);
          assertEquals(seen, wanted, `${processors} processors, ${Deno.inspect(way)}, processor ${p}`);
          assertEquals(seen.length, rounds);
        }
      }
    }
  });
}

// --- RISC-V: time counts instructions here, so that `rdtime` tells the tick

const RESULTS = 0x40_0000, DONE = 0x3f_0000, LIST = 0x800;
/** How far ahead each timer is set, around the length of a slice as well. */
const AHEAD = [60, 61, 64, 100, 137, 500, 999, 1000, 1001, 4096, 19_999, 20_000, 20_001, 33_333];

interface Kind {
  readonly set: Record<string, unknown>;
  /** From the first instruction on, with the hart's number in a0; to the mode of the timer's handler. */
  readonly begin: readonly Line[];
  readonly vector: number;
  readonly enable: readonly Line[];
  /** Sets the timer to s2. */
  readonly arm: readonly Line[];
  readonly back: Line;
}
const supervisor: readonly Line[] = [...csr(0x104, 0x20), ["csrrsi", { rd: 0, uimm: 2, csr: 0x100 }]];
const KINDS: Readonly<Record<string, Kind>> = {
  "CLINT's mtimecmp": {
    set: { "firmware.sbi": "none", "boot.load": RAM },
    begin: [],
    vector: 0x305,
    enable: [...csr(0x304, 0x80), ["csrrsi", { rd: 0, uimm: 8, csr: 0x300 }]],
    arm: [
      ...li(T3, 0x200_4000),
      ["slli", { rd: T0, rs1: S0, shamt: 3 }],
      ["add", { rd: T3, rs1: T3, rs2: T0 }],
      ["addi", { rd: T0, rs1: 0, imm: -1 }],
      ["sw", { rs1: T3, rs2: T0, imm: 4 }],
      ["sw", { rs1: T3, rs2: S2, imm: 0 }],
      ["sw", { rs1: T3, rs2: 0, imm: 4 }],
    ],
    back: ["mret"],
  },
  "Sstc's stimecmp": {
    set: { "firmware.sbi": "none", "boot.load": RAM },
    begin: toSupervisor,
    vector: 0x105,
    enable: supervisor,
    arm: [["csrrw", { rd: 0, rs1: S2, csr: 0x14d }]],
    back: ["sret"],
  },
  "the SBI's set_timer": {
    set: {},
    begin: [
      ["bne", { rs1: A0, rs2: 0 }, "begun"],
      ["addi", { rd: S4, rs1: 0, imm: 1 }],
      "others",
      ["addi", { rd: A0, rs1: S4, imm: 0 }],
      ["auipc", { rd: A1, imm: 0 }],
      ["addi", { rd: A1, rs1: A1, imm: 4 * 10 }],
      ["addi", { rd: A2, rs1: 0, imm: 0 }],
      ...li(A7, 0x48_534d),
      ["addi", { rd: A6, rs1: 0, imm: 0 }],
      ["ecall"],
      ["addi", { rd: S4, rs1: S4, imm: 1 }],
      ["beq", { rs1: A0, rs2: 0 }, "others"],
      ["addi", { rd: A0, rs1: 0, imm: 0 }],
      "begun",
    ],
    vector: 0x105,
    enable: supervisor,
    arm: [["addi", { rd: A0, rs1: S2, imm: 0 }], ...li(A7, 0x5449_4d45), ["addi", { rd: A6, rs1: 0, imm: 0 }], ["ecall"]],
    back: ["sret"],
  },
};

/** Every hart's handler writes down the time and what it should be. */
function program({ begin, vector, enable, arm, back }: Kind, load: number, waits: boolean): Uint8Array {
  const image = assemble([
    ...begin,
    ["addi", { rd: S0, rs1: A0, imm: 0 }],
    ...address(S1, RESULTS),
    ["slli", { rd: T0, rs1: S0, shamt: 12 }],
    ["add", { rd: S1, rs1: S1, rs2: T0 }],
    ...address(S3, load + LIST),
    ["auipc", { rd: T0, imm: 0 }],
    ["jal", { rd: T1 }, "vector"],
    "handler",
    ["csrrs", { rd: T1, rs1: 0, csr: TIME }],
    ["sd", { rs1: S1, rs2: T1, imm: 0 }],
    ["sd", { rs1: S1, rs2: S2, imm: 8 }],
    ["addi", { rd: S1, rs1: S1, imm: 16 }],
    ["jal", { rd: RA }, "arm"],
    back,
    "arm",
    ["lw", { rd: T2, rs1: S3, imm: 0 }],
    ["addi", { rd: S3, rs1: S3, imm: 4 }],
    ["beq", { rs1: T2, rs2: 0 }, "over"],
    ["csrrs", { rd: T1, rs1: 0, csr: TIME }],
    ["add", { rd: S2, rs1: T1, rs2: T2 }],
    ...arm,
    ["jalr", { rd: 0, rs1: RA, imm: 0 }],
    "over",
    ...address(T3, DONE),
    ["addi", { rd: T0, rs1: 0, imm: 1 }],
    ["amoadd.w", { rd: 0, rs1: T3, rs2: T0 }],
    ["jal", { rd: 0, imm: 0 }],
    "vector",
    ["csrrw", { rd: 0, rs1: T1, csr: vector }],
    ["jal", { rd: RA }, "arm"],
    ...enable,
    "wait",
    waits ? ["wfi"] : ["addi", { rd: S4, rs1: S4, imm: 1 }],
    ["jal", { rd: 0 }, "wait"],
  ]);
  for (const [n, v] of [...AHEAD, 0].entries()) new DataView(image.buffer).setUint32(LIST + 4 * n, v, true);
  return image;
}

for (const [name, kind] of Object.entries(KINDS)) {
  Deno.test(`${name}: the handler's first instruction is at its time`, async () => {
    for (const harts of [1, 2, 4]) {
      for (const way of WAYS) {
        const load = "boot.load" in kind.set ? 0 : 0x20_0000, kernel = program(kind, load, way.waits);
        const host = { ...HOST, readFile: (path: string) => path === "kernel" ? kernel : Deno.readFileSync(path) };
        const options = {
          file: `${ROOT}machines/virt.toml`,
          kernel: "kernel",
          set: { ...kind.set, "cpu.harts": harts, "memory.dram.size": "8MiB", "clock.timebase_hz": 1e9 },
        };
        const m = run(options, await loadGraph(options, host), way, () => {}, (m) => m.bus.read(RAM + DONE, 4) === harts, host);
        for (let hart = 0; hart < harts; hart++) {
          const at = (n: number) => m.bus.read(RAM + RESULTS + 0x1000 * hart + 8 * n, 4);
          const seen = AHEAD.map((_, n) => at(2 * n)), wanted = AHEAD.map((_, n) => at(2 * n + 1));
          assertEquals(seen, wanted, `${harts} harts, ${Deno.inspect(way)}, hart ${hart}`);
          assert(wanted.every((v, n) => v > (wanted[n - 1] ?? 0)));
        }
      }
    }
  });
}
