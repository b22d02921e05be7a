// Exactness: a run gives the same digest (registers, RAM, devices, output, time) whichever engine runs it, whatever is compiled and when,
// however it is cut into slices, and after it was saved and restored. Every guest of the tests, with its input typed at fixed times.
import { assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { silent } from "../src/core/log.ts";
import { JIT_OPTIONS, type JitOption } from "../src/engine/jit_options.ts";
import { loadDevices } from "../src/devices/mod.ts";
import { loadConfig } from "../src/machine/build_graph.ts";
import type { MachineGraph } from "../src/machine/machine_graph.ts";
import { createMachine, type Host, loadGraph, loadJit, loadPlatform, type Machine, type MachineOptions } from "../src/machine/machine.ts";
import type { Stop } from "../src/machine/stop.ts";
import { encode } from "../src/riscv/insn.ts";
import { parseIsa } from "../src/riscv/instruction_set.ts";
import { GUESTS } from "./guests/guests.ts";
import { X86_GUESTS } from "./guests/x86.ts";
import { TIGHT_INTERPRETERS, TIGHT_JITS } from "./limits.ts";

await loadDevices();
await loadPlatform("riscv");
await loadJit();
const ROOT = new URL("..", import.meta.url).pathname;
/** When a guest that has not ended is compared all the same: x86 guests wait a second for a timer. Benchmarks run much longer than a test may. */
const END = 60_000_000, X86_END = 2_000_000_000, BENCH_END = 1_000_000;
/** The bytes of a guest's input arrive so many ticks apart; what is typed on a keyboard only when the guest has booted. */
const TYPING = 50_000, BOOTED = 40;

/** A guest of either table, on so many harts. */
interface Guest {
  readonly name: string;
  readonly harts: number;
  readonly machine: string;
  readonly image: string;
  readonly append: string;
  /** How it ends; undefined: it goes on for longer than is looked at. */
  readonly exit: number | "triple" | undefined;
  /** Bytes for the console, or scan codes for the keyboard of an x86 machine. */
  readonly input: readonly number[];
  readonly x86: boolean;
  /** All variants; else a few. */
  readonly thorough: boolean;
  /** Those with tight limits, too. */
  readonly tight?: boolean;
}
/** Keys of the shell's "exit": scan codes of set 1, and their releases. */
const EXIT = [0x12, 0x2d, 0x17, 0x14, 0x1c].flatMap((code) => [code, code | 0x80]);

interface Variant {
  readonly name: string;
  readonly engine: "interp" | "jit";
  readonly tuning?: MachineOptions["tuning"];
  /** Ticks of each call of `run`. */
  readonly steps?: number;
  /** One of a few that stand for all. */
  readonly few?: boolean;
  /** Number of the pass that is off: each is with a third of the guests; the fuzzers have each off with all programs. */
  readonly pass?: number;
  /** Only for a few guests. */
  readonly tight?: boolean;
}
const VARIANTS: readonly Variant[] = [
  { name: "interpreter", engine: "interp" },
  { name: "JIT", engine: "jit" },
  { name: "JIT at once", engine: "jit", tuning: { threshold: 1 }, few: true },
  { name: "JIT late", engine: "jit", tuning: { threshold: 1000 } },
  ...(Object.keys(JIT_OPTIONS) as JitOption[]).map((name, pass): Variant => (
    { name: `JIT without ${name}`, engine: "jit", tuning: { threshold: 2, off: [name] }, pass }
  )),
  { name: "JIT without passes", engine: "jit", tuning: { threshold: 2, off: Object.keys(JIT_OPTIONS) as JitOption[] } },
  { name: "interpreter in steps of 997", engine: "interp", steps: 997 },
  { name: "JIT in steps of 997", engine: "jit", tuning: { threshold: 3 }, steps: 997 },
  // The interpreter has no regions, and what regions meet alone they meet with tight translations, too; the fuzzers have every set.
  ...[0, 2].map((i): Variant => ({ name: TIGHT_INTERPRETERS[i][0], engine: "interp", tuning: TIGHT_INTERPRETERS[i][1], tight: true })),
  ...[0, 2, 3].map((i): Variant => ({ name: TIGHT_JITS[i][0], engine: "jit", tuning: TIGHT_JITS[i][1], tight: true })),
  { name: "JIT in steps of 10007", engine: "jit", tuning: { threshold: 3 }, steps: 10_007, few: true },
];

const files = new Map<string, Uint8Array>();
function readFile(path: string): Uint8Array {
  let bytes = files.get(path);
  if (!bytes) files.set(path, bytes = Deno.readFileSync(path));
  return bytes;
}

/** Without waiting: the device types are loaded. */
const create = (options: MachineOptions, readFile: Host["readFile"]): Machine =>
  createMachine(options, { readFile, log: silent }, loadConfig(options.file, { readFile, set: options.set! }));

/** Less memory than the guests are given elsewhere, and what their heap asks for at least: digests and snapshots take less time. */
const memory = (guest: Guest) => guest.name.startsWith("crates_io") ? "32MiB" : "8MiB";
const options = (guest: Guest): MachineOptions => ({
  file: ROOT + guest.machine,
  kernel: ROOT + guest.image,
  append: guest.append,
  set: guest.x86
    ? { harts: guest.harts, "memory.ram.size": memory(guest) }
    : { "cpu.harts": guest.harts, "memory.dram.size": memory(guest) },
});

class Run {
  readonly machine: Machine;
  #typed = 0;

  constructor(readonly guest: Guest, readonly graph: MachineGraph, readonly variant: Variant) {
    const { engine, tuning } = variant;
    this.machine = createMachine({ ...options(guest), engine, ...(tuning ? { tuning } : {}) }, { readFile, log: silent }, graph);
  }
  get end(): number {
    return this.guest.exit === undefined ? BENCH_END : this.guest.x86 ? X86_END : END;
  }
  /** To `until` ticks or to the guest's end, typing what is due. */
  to(until = this.end): this {
    const { machine, guest: { input, x86 } } = this, step = this.variant.steps ?? Infinity, first = x86 ? BOOTED : 4;
    const port = x86 ? machine.keyboard! : machine.consoles.values().next().value!;
    while (!machine.stopped && machine.clock.base < until) {
      const due = this.#typed < input.length ? (this.#typed + first) * TYPING : Infinity;
      if (machine.clock.base >= due) port.receive(input[this.#typed++]);
      else machine.run(Math.min(until, due, machine.clock.base + step));
    }
    return this;
  }
  /** Continues where a snapshot of `other` was taken. */
  from(other: Run, snapshot = other.machine.snapshot()): this {
    this.machine.restore(structuredClone(snapshot));
    this.#typed = other.#typed;
    return this;
  }
  result(): { digest: string; ticks: number; stop: Stop | undefined } {
    return { digest: this.machine.digest(), ticks: this.machine.clock.ticks, stop: this.machine.stopped };
  }
}

/** Random numbers in 0..1 that depend on the seed alone (xorshift32). */
function randomFrom(text: string): () => number {
  let x = [...text].reduce((n, c) => Math.imul(n, 31) + c.charCodeAt(0) | 0, 1) || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** Runs to the `n`-th byte of output and stops in the midst of whatever the machine is doing. */
function toOutput(run: Run, n: number): Run {
  const console = run.machine.consoles.values().next().value!;
  let seen = 0;
  console.onByte = () => {
    if (++seen === n) run.machine.requestBreak();
  };
  while (seen < n && !run.machine.stopped && run.machine.clock.base < run.end) run.machine.run(run.end);
  return run;
}

/** What a guest is compared in, besides the interpreter. */
function variantsOf(guest: Guest): Variant[] {
  const turn = guests.filter((g) => g.thorough).indexOf(guest);
  return VARIANTS.slice(1).filter((v) =>
    v.tight ? guest.tight : v.few || guest.thorough && (v.pass === undefined || (v.pass + turn) % 3 === 0)
  );
}

/** One digest over the variants and in a second run. */
function oneDigest(guest: Guest, graph: MachineGraph): void {
  const run = (v: Variant) => new Run(guest, graph, v).to().result(), expected = run(VARIANTS[0]), { stop } = expected;
  if (guest.exit !== undefined) {
    assertEquals(stop?.kind === "exit" ? stop.code : stop?.kind === "tripleFault" ? "triple" : stop, guest.exit);
  }
  for (const v of variantsOf(guest)) {
    assertEquals(run(v), expected, `${v.name} differs from ${VARIANTS[0].name}`);
  }
  assertEquals(run(VARIANTS[0]), expected, "a second run differs");
}

/** A run that is saved anywhere, and its copy in another machine, end like one that is not. */
function savedAnywhere(guest: Guest, graph: MachineGraph): void {
  const random = randomFrom(`${guest.name} ${guest.harts}`), jit: Variant = { name: "JIT", engine: "jit", tuning: { threshold: 5 } };
  const make = (v: Variant) => new Run(guest, graph, v), expected = make(jit).to().result();
  for (const v of guest.thorough ? [VARIANTS[0], jit] : [jit]) {
    const at = Math.floor(random() * expected.ticks), first = make(v).to(at), second = make(v).from(first);
    assertEquals(second.result(), first.result(), `restored at ${at} (${v.name})`);
    assertEquals(second.to().result(), expected, `restored at ${at} and run (${v.name})`);
    assertEquals(first.to().result(), expected, `saved at ${at} and run (${v.name})`);
  }
  if (guest.input.length) return;
  const n = 1 + Math.floor(random() * 100), first = toOutput(make(jit), n), second = make(jit).from(first);
  assertEquals(second.result(), first.result(), `restored at the ${n}th byte of output`);
  assertEquals(second.to().result(), expected, `restored at the ${n}th byte of output and run`);
  assertEquals(first.to().result(), expected, `saved at the ${n}th byte of output and run`);
}

// Where a guest also runs alone, the other harts wait; what runs RV32 runs RV64 as well, and disk images have the same loader: a few variants will do.
const guests: Guest[] = [
  ...GUESTS.flatMap((row) =>
    row.harts.map((harts): Guest => ({
      ...row,
      harts,
      x86: false,
      input: [...new TextEncoder().encode(row.input.map((i) => i.send).join(""))],
      exit: row.name.startsWith("bench") ? undefined : row.exit,
      thorough: row.arch === "riscv64" && harts === row.harts[0],
    }))
  ),
  // Without their mouse some would wait for ever.
  ...X86_GUESTS.filter((row) => !row.typed.some((t) => t.mouse)).map((row): Guest => ({
    ...row,
    x86: true,
    exit: row.name.startsWith("bench") ? undefined : row.exit,
    machine: "machines/pc.toml",
    input: row.typed.length ? EXIT : [],
    thorough: row.kind === "sector" || row.kind === "elf" || row.name === "x86_idt" || row.name === "paged.x86_64",
  })),
  // Privileges that change all the time, and what may be unusual about it.
  ...[
    {
      name: "system calls and faults of x86-64",
      machine: "machines/pc.toml",
      image: "tests/bench/bin/system.x86_64.elf",
      append: "bench=all:3000",
    },
    ...["long", "protected", "real", "edges", "keys"].map((n) => (
      { name: `cases of ${n}`, machine: "tests/x86/machine.toml", image: `tests/x86/bin/${n}.bin`, append: "" }
    )),
  ].map((row): Guest => ({
    ...row,
    harts: 1,
    x86: true,
    exit: 33,
    input: [],
    thorough: !/real|edges/.test(row.name),
    tight: /protected|keys/.test(row.name),
  })),
  {
    name: "system calls and faults of RV64",
    machine: "machines/virt.toml",
    image: "tests/bench/bin/system.rv64.elf",
    append: "bench=all:20",
    harts: 1,
    x86: false,
    exit: 0,
    input: [],
    thorough: false,
    tight: true,
  },
];
for (const guest of guests) {
  const name = `${guest.name} with ${guest.harts} hart${guest.harts > 1 ? "s" : ""}`, ignore = !existsSync(ROOT + guest.image);
  const graph = () => loadGraph(options(guest), { readFile, log: silent });
  Deno.test({ name: `${name}: one digest`, ignore, fn: async () => oneDigest(guest, await graph()) });
  Deno.test({ name: `${name}: saved and restored anywhere`, ignore, fn: async () => savedAnywhere(guest, await graph()) });
}

Deno.test("every pass is off with a good number of guests of each architecture", () => {
  for (const x86 of [false, true]) {
    const off = guests.filter((g) => g.x86 === x86).flatMap((g) => variantsOf(g).flatMap(({ pass }) => pass ?? []));
    for (const [pass, name] of Object.keys(JIT_OPTIONS).entries()) {
      assertEquals(off.filter((p) => p === pass).length >= 3, true, `${name}: ${off.filter((p) => p === pass).length}`);
    }
  }
});

/**
 * M-mode: hart 0 works for a while, wakes one of the others by its CLINT's msip, and so on. Those wait with interrupts off; woken, they note
 * the time in a log, work for some 16 instructions, clear msip and wait again.
 */
function wakingProgram(): Uint8Array {
  const { table } = parseIsa("rv64gc"),
    words: number[] = [],
    i = (name: string, f: Record<string, number>) => words.push(encode(table.row(name), f));
  const to = (name: string, f: Record<string, number>, index: number) => i(name, { ...f, imm: 4 * (index - words.length) });
  const a0 = 10, clint = 5, log = 6, t = 7, n = 8, other = 9, mhartid = 0xf14, mie = 0x304, mcycle = 0xb00, time = 0xc01;
  i("csrrs", { rd: a0, rs1: 0, csr: mhartid });
  i("lui", { rd: clint, imm: 0x200_0000 });
  i("csrrwi", { rd: 0, uimm: 8, csr: mie });
  i("auipc", { rd: log, imm: 0x1_0000 });
  i("addi", { rd: log, rs1: log, imm: -12 });
  i("slli", { rd: t, rs1: a0, shamt: 12 });
  i("add", { rd: log, rs1: log, rs2: t });
  i("addi", { rd: n, rs1: 0, imm: 1 });
  const branch = words.length;
  words.push(0);
  // Hart 0: ever longer work, then the next one of harts 1 to 3.
  i("addi", { rd: other, rs1: 0, imm: 1 });
  const again = words.length;
  i("slli", { rd: t, rs1: n, shamt: 3 });
  i("addi", { rd: t, rs1: t, imm: -1 });
  to("bne", { rs1: t, rs2: 0 }, words.length - 1);
  i("addi", { rd: n, rs1: n, imm: 7 });
  i("andi", { rd: n, rs1: n, imm: 1023 });
  i("slli", { rd: t, rs1: other, shamt: 2 });
  i("add", { rd: t, rs1: t, rs2: clint });
  i("sw", { rs1: t, rs2: n, imm: 0 });
  i("addi", { rd: other, rs1: other, imm: 1 });
  i("andi", { rd: other, rs1: other, imm: 3 });
  to("bne", { rs1: other, rs2: 0 }, again);
  to("jal", { rd: 0 }, again - 1);
  // The others.
  const waits = words.length;
  i("wfi", {});
  i("csrrs", { rd: t, rs1: 0, csr: time });
  i("sd", { rs1: log, rs2: t, imm: 0 });
  i("csrrs", { rd: t, rs1: 0, csr: mcycle });
  i("sd", { rs1: log, rs2: t, imm: 8 });
  i("addi", { rd: log, rs1: log, imm: 16 });
  i("addi", { rd: t, rs1: 0, imm: 8 });
  i("addi", { rd: t, rs1: t, imm: -1 });
  to("bne", { rs1: t, rs2: 0 }, words.length - 1);
  i("slli", { rd: t, rs1: a0, shamt: 2 });
  i("add", { rd: t, rs1: t, rs2: clint });
  i("sw", { rs1: t, rs2: 0, imm: 0 });
  to("jal", { rd: 0 }, waits);
  words[branch] = encode(table.row("bne"), { rs1: a0, rs2: 0, imm: 4 * (waits - branch) });
  return new Uint8Array(Uint32Array.from(words).buffer);
}

Deno.test("harts that wake others run alike however the run is cut", () => {
  const program = wakingProgram(), until = 1_500_000;
  const run = (engine: "interp" | "jit", steps: number) => {
    const machine = create({
      file: ROOT + "machines/virt.toml",
      kernel: "program",
      engine,
      tuning: { threshold: 5 },
      set: { "cpu.harts": 4, "memory.dram.size": "4MiB", "firmware.sbi": "none", "boot.load": 0x8000_0000 },
    }, (path) => path === "program" ? program : readFile(path));
    // The last steps are the same for all: a run ends up to a slice behind what was asked for while two harts are awake.
    for (let at = steps; at < until; at += steps) machine.run(at);
    machine.run(until);
    machine.run(until + 100_000);
    const log = new BigUint64Array(machine.bus.readBytes(0x8001_1000, 4096).slice().buffer);
    return { digest: machine.digest(), ticks: machine.clock.ticks, woken: log.filter((v) => v !== 0n).length };
  };
  const expected = run("interp", Infinity);
  assertEquals(expected.woken > 50, true, `hart 1 was woken ${expected.woken / 2} times`);
  for (const steps of [997, 10_007, 123_457]) {
    assertEquals(run("interp", steps), expected, `steps of ${steps}`);
    assertEquals(run("jit", steps), expected, `JIT, steps of ${steps}`);
  }
});

Deno.test("what is compiled follows from the guest's run alone, not from the wall clock", () => {
  const image = `${ROOT}tests/bench/bin/system.rv64.elf`, until = 2 ** 25;
  let yields = 0;
  const run = (wallMs?: number) => {
    const m = create(
      { file: ROOT + "machines/virt.toml", kernel: image, append: "bench=all:20000", tuning: { threshold: 20_000 } },
      readFile,
    );
    for (yields = 0; m.clock.ticks < until;) {
      m.run(until, wallMs);
      if (m.yielded) yields++;
    }
    const { blocks, lookups, regions, regionBytes, regionsChanged, sideExits } = m.stats;
    return { digest: m.digest(), blocks, lookups, regions, regionBytes, regionsChanged, sideExits };
  };
  const whole = run();
  assertEquals(whole.regions > 10, true, `${whole.regions} regions`);
  // After each look at the clock, and after some.
  for (const wallMs of [0, 0.3]) {
    assertEquals(run(wallMs), whole);
    assertEquals(yields > 50, true, `${yields} times in the host's hands`);
  }
});

Deno.test("a guest whose regions keep making room for others runs as it does in the interpreter", () => {
  const image = `${ROOT}tests/bench/bin/system.rv64.elf`, until = 2 ** 22;
  const run = (options: Partial<MachineOptions>) => {
    const m = create({ file: ROOT + "machines/virt.toml", kernel: image, append: "bench=all:2000", ...options }, readFile);
    m.run(until);
    return m;
  };
  const m = run({ tuning: { threshold: 200, limits: { regions: 4 } } });
  assertEquals(m.digest(), run({ engine: "interp" }).digest());
  assertEquals([m.stats.regionsEvicted > 20, m.stats.regionsAlive <= 4], [true, true], `${m.stats.regionsEvicted} evicted`);
});

/** M-mode: hart `writer` writes 0 to mtime over and over; all note the largest value that they read, and how often they did. */
function writingTime(writer: number): Uint8Array {
  const { table } = parseIsa("rv64gc"),
    words: number[] = [],
    i = (name: string, f: Record<string, number>) => words.push(encode(table.row(name), f));
  const to = (name: string, f: Record<string, number>, index: number) => i(name, { ...f, imm: 4 * (index - words.length) });
  const [a0, mtime, log, t, n, largest, rounds] = [10, 5, 6, 7, 8, 9, 18], mhartid = 0xf14, time = 0xc01;
  i("csrrs", { rd: a0, rs1: 0, csr: mhartid });
  i("lui", { rd: mtime, imm: 0x200_c000 });
  i("auipc", { rd: log, imm: 0x1_0000 });
  i("slli", { rd: t, rs1: a0, shamt: 6 });
  i("add", { rd: log, rs1: log, rs2: t });
  i("addi", { rd: largest, rs1: 0, imm: 0 });
  i("addi", { rd: n, rs1: 0, imm: writer });
  const loop = words.length;
  i("addi", { rd: t, rs1: 0, imm: 1000 });
  i("addi", { rd: t, rs1: t, imm: -1 });
  to("bne", { rs1: t, rs2: 0 }, words.length - 1);
  i("bne", { rs1: a0, rs2: n, imm: 8 });
  i("sd", { rs1: mtime, rs2: 0, imm: -8 });
  for (const read of ["csr", "device"]) {
    if (read === "csr") i("csrrs", { rd: t, rs1: 0, csr: time });
    else i("ld", { rd: t, rs1: mtime, imm: -8 });
    i("bgeu", { rs1: largest, rs2: t, imm: 8 });
    i("addi", { rd: largest, rs1: t, imm: 0 });
  }
  i("sd", { rs1: log, rs2: largest, imm: 0 });
  i("addi", { rd: rounds, rs1: rounds, imm: 1 });
  i("sd", { rs1: log, rs2: rounds, imm: 8 });
  to("jal", { rd: 0 }, loop);
  return new Uint8Array(Uint32Array.from(words).buffer);
}

Deno.test("mtime that one hart writes is never below zero for the others, those behind in the slice and those ahead", () => {
  for (const writer of [0, 1, 3]) {
    const program = writingTime(writer);
    const run = (engine: "interp" | "jit", steps: number) => {
      const machine = create({
        file: ROOT + "machines/virt.toml",
        kernel: "program",
        engine,
        tuning: { threshold: 5 },
        set: { "cpu.harts": 4, "memory.dram.size": "4MiB", "firmware.sbi": "none", "boot.load": 0x8000_0000 },
      }, (path) => path === "program" ? program : readFile(path));
      for (let at = steps; at < 300_000; at += steps) machine.run(at);
      machine.run(300_000);
      machine.run(400_000);
      const logs = [0, 1, 2, 3].map((h) => [...new BigUint64Array(machine.bus.readBytes(0x8001_0008 + 64 * h, 16).slice().buffer)]);
      return { digest: machine.digest(), logs };
    };
    const expected = run("interp", Infinity);
    // Ticks of 400,000 instructions are 4,000 counts, and less since time began anew.
    assertEquals(expected.logs.map(([largest, rounds]) => largest < 4_000n && rounds > 50n), [true, true, true, true], `${expected.logs}`);
    assertEquals(run("jit", 9_973), expected);
  }
});
