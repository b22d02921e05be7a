// RISC-V machines: what is in registers and memory when the kernel or firmware begins, and what the built-in SBI does to harts, clock and console.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../core/errors.ts";
import { createMachine, loadGraph, type Machine } from "../machine.ts";
import { hostOf, machineFrom } from "../testing/machine_from.ts";

/** Where a flat image goes: 2 MiB behind the start of RAM, 4 MiB on 32-bit machines. */
const RAM = 0x8000_0000, KERNEL = 0x8020_0000, KERNEL32 = 0x8040_0000, ECALL = 0x73, MIB = 2 ** 20;
const TOML = `schema = 1
[cpu]
arch = "riscv64"
isa = "rv64gc"
harts = 2
reset = 0x1000
[memory.ram]
at = 0x8000_0000
size = "8MiB"
[memory.mrom]
at = 0x1000
size = 4096
kind = "rom"
`;
const RV32 = TOML.replace("riscv64", "riscv32").replace("rv64gc", "rv32gc");
const words = (...code: number[]) => new Uint8Array(Uint32Array.from(code).buffer);

/** A machine whose kernel is an ECALL and code behind it; `toml` may be anything, "fw.bin" is a firmware. */
const machineOf = (toml = TOML, set: Record<string, unknown> = {}, kernel = words(ECALL, 0x13, 0x13)): Promise<Machine> =>
  machineFrom(toml, { kernel, "fw.bin": words(0x13, 0x6f) }, { set });

/** Up to the kernel's or the firmware's first instruction. */
function begun(m: Machine): Machine {
  for (let i = 0; i < 20 && m.cpus[0].pc < BigInt(RAM); i++) m.step(0);
  return m;
}
const reg = (m: Machine, name: string, cpu = 0) => m.cpus[cpu].reg(name);
const tree = (m: Machine, at: bigint) => new DataView(m.bus.readBytes(Number(at), 8).buffer).getUint32(0);

Deno.test("a kernel begins at its entry with the hart's number and the device tree: in S-mode, in M-mode, behind a firmware", async () => {
  for (const [toml, bytes, kernel] of [[TOML, 8, KERNEL], [RV32, 4, KERNEL32]] as const) {
    for (const [sbi, at, privilege] of [["builtin", kernel, 1n], ["none", kernel, 3n], ["fw.bin", RAM, 3n]] as const) {
      const m = begun(await machineOf(toml, { "firmware.sbi": sbi })), what = `${bytes} ${sbi}`;
      assertEquals([reg(m, "pc"), reg(m, "priv"), reg(m, "a0")], [BigInt(at), privilege, 0n], what);
      assertEquals(tree(m, reg(m, "a1")), 0xd00d_feed, what);
      if (sbi !== "fw.bin") continue;
      // fw_dynamic.h: magic, version 2, next stage and its mode S, options, boot hart.
      const info = new DataView(m.bus.readBytes(Number(reg(m, "a2")), 6 * bytes).buffer);
      const fields = Array.from(
        { length: 6 },
        (_, i) => bytes === 8 ? Number(info.getBigUint64(8 * i, true)) : info.getUint32(4 * i, true),
      );
      assertEquals(fields, [0x4942_534f, 2, kernel, 1, 0, 0], what);
    }
  }
});

Deno.test("in M-mode every hart begins, each with its number; under the SBI the others are stopped", async () => {
  const m = await machineOf(TOML, { "firmware.sbi": "none" });
  for (let i = 0; i < 6; i++) m.step(1);
  assertEquals([reg(m, "pc", 1), reg(m, "a0", 1)], [BigInt(KERNEL), 1n]);
  const s = await machineOf();
  assertEquals([s.cpus[0].idle, s.cpus[1].idle], [false, true]);
});

Deno.test("what is no kernel, and none at all, is refused", async () => {
  const host = hostOf({ "m.toml": TOML });
  const graph = await loadGraph({ file: "m.toml" }, host);
  await assertRejects(
    () => Promise.resolve().then(() => createMachine({ file: "m.toml" }, host, graph)),
    ConfigError,
    "no kernel to start",
  );
  await assertRejects(() => machineOf(TOML.replace("rv64gc", "rv64gz")), ConfigError, "m.toml:4: cpu.isa: ISA 'rv64gz'");
  await assertRejects(() => machineOf(TOML, { "memory.ram.size": "1MiB" }), ConfigError, "RAM is 0x80000000..0x800fffff");
});

const EXT = { time: 0x5449_4d45, ipi: 0x73_5049, hsm: 0x48_534d, dbcn: 0x4442_434e, pmu: 0x504d_55, fwft: 0x4657_4654 };
const STOPPED = 1, STARTED = 0, SUSPENDED = 4;

/** An SBI call of a hart: error and value. The ECALL at the kernel's entry is executed. */
function call(m: Machine, extension: number, fn: number, args: readonly (bigint | number)[] = [], cpu = 0): [error: bigint, value: bigint] {
  const c = m.cpus[cpu], bits = c.arch === "riscv64" ? 64 : 32;
  args.forEach((value, i) => c.setReg(`a${i}`, BigInt.asUintN(bits, BigInt(value))));
  c.setReg("a6", BigInt(fn));
  c.setReg("a7", BigInt(extension));
  c.setReg("pc", BigInt(bits === 64 ? KERNEL : KERNEL32));
  m.step(cpu);
  return [BigInt.asIntN(bits, c.reg("a0")), c.reg("a1")];
}
const status = (m: Machine, hart: number) => Number(call(m, EXT.hsm, 2, [hart])[1]);
const pending = (m: Machine, bit: number, cpu = 0) => Number(reg(m, "mip", cpu) >> BigInt(bit)) & 1;
const SSIP = 1, STIP = 5;

Deno.test("a hart is started with its arguments, stopped, suspended, and woken by another's interrupt", async () => {
  const m = begun(await machineOf());
  assertEquals([status(m, 0), status(m, 1), call(m, EXT.hsm, 2, [2])[0]], [STARTED, STOPPED, -3n]);
  assertEquals(call(m, EXT.hsm, 0, [1, KERNEL + 4, 42]), [0n, 0n]);
  assertEquals([reg(m, "pc", 1), reg(m, "a0", 1), reg(m, "a1", 1), reg(m, "priv", 1)], [BigInt(KERNEL + 4), 1n, 42n, 1n]);
  assertEquals([status(m, 1), call(m, EXT.hsm, 0, [1, KERNEL, 0])[0]], [STARTED, -6n]);
  m.cpus[1].setReg("sie", 1n << BigInt(SSIP));
  call(m, EXT.hsm, 3, [0, 0, 0], 1);
  assertEquals([status(m, 1), m.cpus[1].idle], [SUSPENDED, true]);
  const saved = m.snapshot(), fresh = begun(await machineOf());
  fresh.restore(saved);
  assertEquals(status(fresh, 1), SUSPENDED, "restored");
  for (const it of [m, fresh]) {
    assertEquals(call(it, EXT.ipi, 0, [2, 0]), [0n, 0n]);
    assertEquals([pending(it, SSIP, 1), it.cpus[1].idle, status(it, 1)], [1, false, STARTED]);
  }
  // Not retentive: it goes on elsewhere, as a hart that is started, and at once while the interrupt is pending.
  const suspendElsewhere = () => call(m, EXT.hsm, 3, [0x8000_0000, KERNEL + 8, 7], 1);
  suspendElsewhere();
  assertEquals([reg(m, "pc", 1), reg(m, "a1", 1), m.cpus[1].idle], [BigInt(KERNEL + 8), 7n, false]);
  assertEquals([call(m, 3, 0, [], 1)[0], pending(m, SSIP, 1)], [1n, 0]);
  suspendElsewhere();
  assertEquals([status(m, 1), m.cpus[1].idle], [SUSPENDED, true]);
  call(m, EXT.ipi, 0, [2, 0]);
  assertEquals([status(m, 1), reg(m, "pc", 1), pending(m, SSIP, 1)], [STARTED, BigInt(KERNEL + 8), 1]);
  call(m, EXT.hsm, 1, [], 1);
  assertEquals([status(m, 1), m.cpus[1].idle], [STOPPED, true]);
  // The legacy call says whether one was pending.
  call(m, EXT.ipi, 0, [1, 0]);
  assertEquals([pending(m, SSIP), call(m, 3, 0)[0], pending(m, SSIP), call(m, 3, 0)[0]], [1, 1n, 0, 0n]);
});

Deno.test("the timer is pending at its tick and not before, with Sstc and without, in both widths; the last time of all never comes", async () => {
  for (const toml of [TOML, RV32, TOML.replace("rv64gc", "rv64gc_sstc"), RV32.replace("rv32gc", "rv32gc_sstc")]) {
    const what = /isa = (.*)/.exec(toml)![1],
      m = begun(await machineOf(toml + "[clock]\ncpu_hz = 1000\ntimebase_hz = 1000\n")),
      at = m.clock.ticks + 50;
    const set = (time: bigint) => call(m, EXT.time, 0, m.cpus[0].arch === "riscv64" ? [time] : [time & 0xffff_ffffn, time >> 32n]);
    // A loop: time passes.
    for (const kernel of [KERNEL, KERNEL32]) m.bus.writeBytes(kernel + 4, words(0x6f));
    assertEquals(set(BigInt(at))[0], 0n);
    m.run(at - 1);
    assertEquals([m.clock.ticks, pending(m, STIP)], [at - 1, 0], what);
    m.run(at + 1);
    assertEquals(pending(m, STIP), 1, what);
    set(BigInt(at + 1000));
    assertEquals(pending(m, STIP), 0, `${what}: a new time takes it back`);
    m.run(at + 2000);
    assertEquals(pending(m, STIP), 1, what);
    set((1n << 64n) - 1n);
    m.run(at + 10_000);
    assertEquals(pending(m, STIP), 0, `${what}: never`);
  }
});

Deno.test("the console of calls reads and writes memory that is there, and none that is not", async () => {
  const m = begun(await machineOf()), printed: number[] = [], console = m.consoles.get("sbi")!;
  console.onByte = (b) => printed.push(b);
  const text = new TextEncoder().encode("hello"), at = RAM + MIB;
  m.bus.writeBytes(at, text);
  assertEquals(call(m, EXT.dbcn, 0, [5, at, 0]), [0n, 5n]);
  assertEquals(printed, [...text]);
  for (const [length, where] of [[5, 0x4000_0000], [5, RAM + 8 * MIB - 4], [2 ** 32, at]]) {
    assertEquals(call(m, EXT.dbcn, 0, [length, where, 0])[0], -3n, where.toString(16));
  }
  assertEquals(call(m, EXT.dbcn, 1, [4, at + 0x100, 0]), [0n, 0n], "nothing was typed");
  for (const b of [1, 2, 300]) console.receive(b);
  assertEquals([console.room(), call(m, EXT.dbcn, 1, [8, 0x1000, 0])[0], console.room()], [4093, -3n, 4093], "a ROM takes nothing");
  assertEquals(call(m, EXT.dbcn, 1, [2, at + 0x100, 0]), [0n, 2n]);
  assertEquals([...m.bus.readBytes(at + 0x100, 3)], [1, 2, 0]);
  // Legacy: the next byte, then -1.
  assertEquals([call(m, 2, 0)[0], call(m, 2, 0)[0]], [44n, -1n]);
});

Deno.test("the console without a device holds 4096 bytes, says when there is room again, and is part of a snapshot and not of a reset", async () => {
  const m = begun(await machineOf()), console = m.consoles.get("sbi")!;
  let rooms = 0;
  console.onRoom = () => rooms++;
  for (let i = 0; i < 4096; i++) console.receive(i);
  assertEquals([console.room(), rooms], [0, 0]);
  const saved = m.snapshot();
  assertEquals([call(m, 2, 0)[0], rooms, console.room()], [0n, 1, 1]);
  assertEquals([call(m, 2, 0)[0], rooms], [1n, 1], "there was room already");
  m.restore(saved);
  assertEquals([console.room(), call(m, 2, 0)[0]], [0, 0n]);
  m.reset();
  assertEquals([console.room(), call(begun(m), 2, 0)[0]], [4096, -1n]);
});

Deno.test("counters are started with a value and stopped; misaligned accesses and updates of A and D are the supervisor's to choose", async () => {
  const m = begun(await machineOf(TOML.replace("rv64gc", "rv64gc_svadu")));
  // cycle (0) counts event 1 (cycles) from 1000 on: counter_config_matching with neither start nor skip.
  assertEquals(call(m, EXT.pmu, 2, [0, 1, 0, 1, 0]), [0n, 0n]);
  const before = reg(m, "mcycle");
  m.step(0);
  assertEquals(reg(m, "mcycle"), before, "it stands still until it is started");
  assertEquals(call(m, EXT.pmu, 3, [0, 1, 1, 1000])[0], 0n);
  const from = reg(m, "mcycle");
  m.step(0);
  assertEquals([from >= 1000n && from < 1003n, reg(m, "mcycle")], [true, from + 1n]);
  assertEquals([call(m, EXT.pmu, 3, [0, 1, 0])[0], call(m, EXT.pmu, 4, [0, 1, 0])[0], call(m, EXT.pmu, 4, [0, 1, 0])[0]], [-7n, 0n, -8n]);
  // instret (2), the same.
  assertEquals(call(m, EXT.pmu, 2, [0, 4, 0, 2, 0]), [0n, 2n]);
  assertEquals(call(m, EXT.pmu, 3, [2, 1, 1, 5000])[0], 0n);
  assert(reg(m, "minstret") >= 5000n && reg(m, "minstret") < 5003n);
  // Feature 4: updates of A and D by hardware; menvcfg.ADUE is bit 61.
  const updates = () => call(m, EXT.fwft, 1, [4])[1];
  assertEquals([call(m, EXT.fwft, 0, [4, 1, 0])[0], updates(), reg(m, "menvcfg") >> 61n & 1n], [0n, 1n, 1n]);
  assertEquals([call(m, EXT.fwft, 0, [4, 0, 0])[0], updates(), reg(m, "menvcfg") >> 61n & 1n], [0n, 0n, 0n]);
  assertEquals(call(begun(await machineOf()), EXT.fwft, 1, [4])[0], -2n, "without Svadu there is no choice");
});

Deno.test("instructions are shown where there are any, also one of 4 bytes over the end of memory", async () => {
  const m = await machineOf(), end = RAM + 8 * MIB, at = (address: number) => m.cpus[0].disassemble(BigInt(address));
  assertEquals(at(KERNEL), { text: "ecall", length: 4 });
  m.bus.writeBytes(end - 4, Uint8Array.of(0, 0, 0x13, 0));
  assertEquals([at(end - 4), at(end - 2), at(end), at(0x4000_0000)], [{ text: ".half 0x0", length: 2 }, undefined, undefined, undefined]);
  m.bus.writeBytes(end - 4, words(0xffff_ffff));
  assertEquals(at(end - 4), { text: ".word 0xffffffff", length: 4 });
});
