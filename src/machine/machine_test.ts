// A machine as its callers see it: what memory holds at power-on, single steps, what is loaded when, and how an end is told.
import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { ConfigError } from "../core/errors.ts";
import { type Log, silent } from "../core/log.ts";
import { createMachine, loadGraph, type Machine, type MachineOptions } from "./machine.ts";
import { hostOf, machineFrom } from "./testing/machine_from.ts";

const RAM = 0x8000_0000;
const TOML = `schema = 1
[cpu]
arch = "riscv64"
isa = "rv64gc"
reset = 0x8000_0000
[firmware]
sbi = "none"
[memory.ram]
at = 0x8000_0000
size = "1MiB"
[boot]
load = 0x8000_0000
`;
const words = (...code: number[]) => new Uint8Array(Uint32Array.from(code).buffer);
/** addi a0, a0, 1 three times, then j . */
const COUNT = words(0x150513, 0x150513, 0x150513, 0x6f);

const machineOf = (
  toml = TOML,
  more: Partial<MachineOptions> = {},
  files: Record<string, Uint8Array> = {},
  log: Log = silent,
): Promise<Machine> => machineFrom(toml, { kernel: COUNT, ...files }, more, log);

Deno.test("memory is zero at power-on, or random from the seed: another seed, and another window, hold something else", async () => {
  const random = TOML +
    `[memory.a]\nat = 0x9000_0000\nsize = "64KiB"\nfill = "random"\n[memory.b]\nat = 0xa000_0000\nsize = "64KiB"\nfill = "random"\n`;
  const content = (m: Machine, at: number) => m.bus.readBytes(at, 0x1_0000);
  const one = await machineOf(random), again = await machineOf(random), other = await machineOf(`seed = 7\n${random}`);
  const a = content(one, 0x9000_0000), counts = new Uint32Array(256);
  for (const b of a) counts[b]++;
  assert(counts.every((n) => n > 128 && n < 512), "every byte is as likely as another");
  assertEquals(content(again, 0x9000_0000), a);
  assertNotEquals(content(other, 0x9000_0000), a);
  assertNotEquals(content(one, 0xa000_0000), a);
  assert(one.bus.readBytes(RAM + 0x1000, 0x1000).every((b) => b === 0));
  // A reset is a power-on: what was written is gone.
  one.bus.writeBytes(0x9000_0000, new Uint8Array(0x1_0000).fill(1));
  one.bus.writeBytes(RAM + 0x1000, Uint8Array.of(1));
  one.reset();
  assertEquals([content(one, 0x9000_0000), one.bus.readBytes(RAM + 0x1000, 1)[0]], [a, 0]);
});

Deno.test("a memory's file is in it from its beginning; behind its end there is nothing", async () => {
  const rom = Uint8Array.from({ length: 0x3000 }, (_, i) => i >> 4), files = { "rom.bin": rom };
  const m = await machineOf(TOML + `[memory.rom]\nat = 0x1000\nsize = "16KiB"\nkind = "rom"\nfile = "rom.bin"\n`, {}, files);
  assertEquals(m.bus.readBytes(0x1000, 0x3000), rom);
  assertEquals(m.bus.readBytes(0x4000, 0x1000), new Uint8Array(0x1000));
});

Deno.test("a step is one instruction, also on a breakpoint; a machine that has stopped does not go on", async () => {
  const m = await machineOf(), cpu = m.cpus[0];
  const from = Number(cpu.reg("a0"));
  cpu.breakpoints.add(BigInt(RAM + 4));
  cpu.breakpointsChanged();
  const after = () => [Number(cpu.reg("a0")) - from, Number(cpu.pc) - RAM, m.clock.ticks];
  assertEquals([m.step(0), after()], [undefined, [1, 4, 1]]);
  assertEquals([m.run(100)?.kind, after()], ["breakpoint", [1, 4, 1]]);
  assertEquals([m.step(0), after()], [undefined, [2, 8, 2]]);
  // mtvec is 0, where nothing is: a trap whose handler traps.
  const dead = await machineOf(TOML, {}, { kernel: words(0) });
  const stop = dead.run(1e6);
  assertEquals([stop?.kind, dead.step(0), dead.run(2e6)], ["trapLoop", stop, stop]);
  const ticks = dead.clock.ticks;
  dead.step(0);
  assertEquals(dead.clock.ticks, ticks);
});

Deno.test("what traces need is loaded for a log that listens to processors; one that is news to the machine is told so", async () => {
  const lines: string[] = [], options = { file: "m.toml", kernel: "kernel" };
  const listens: Log = { on: (channel) => channel === "trap", line: (...line) => lines.push(line.join(" ")) };
  const host = hostOf({ "m.toml": TOML, kernel: COUNT });
  const graph = await loadGraph(options, host);
  assertThrows(() => createMachine(options, { ...host, log: listens }, graph), Error, "the log that loadGraph was given did not listen");
  const m = await machineOf(TOML, {}, { kernel: words(0) }, listens);
  m.run(3);
  assertMatch(lines[0], /^trap cpu0 .*illegal/);
});

Deno.test("memory that the host cannot have is a mistake of the machine file's", async () => {
  const e = await assertRejects(() => machineOf(TOML.replace("1MiB", "4GiB")), ConfigError);
  assert(/^m\.toml:8: memory\.ram: memory of \d+ MiB does not fit/.test(e.message), e.message);
});

Deno.test("a snapshot goes into a machine of the same make only, and says which it is of", async () => {
  const m = await machineOf(), larger = await machineOf(TOML.replace("1MiB", "2MiB"));
  const e = assertThrows(
    () => larger.restore(m.snapshot()),
    ConfigError,
    "the snapshot is of another machine: 1 riscv64; 1024 KiB; ; this machine is 1 riscv64; 2048 KiB",
  );
  const old = (version: unknown) => () => m.restore({ ...m.snapshot(), version } as ReturnType<Machine["snapshot"]>);
  assertThrows(old(undefined), ConfigError, "the snapshot is of version 1, and this program reads version 3");
  assertThrows(old(2), ConfigError, "the snapshot is of version 2, and this program reads version 3");
  assert(!e.message.includes("\n"));
  assertThrows(() => m.restore({} as never), ConfigError, "this is no snapshot");
});

Deno.test("memory is what the machine file and its devices have, and nothing for those that have none", async () => {
  const lengths = async (toml: string) => (await machineOf(toml)).engine.rams.map((r) => r.length);
  assertEquals(await lengths(TOML), [2 ** 20]);
  assertEquals(await lengths(`${TOML}[device.test]\ntype = "sifive.test"\nat = 0x10_0000\n`), [2 ** 20]);
});
