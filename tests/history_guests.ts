// Guests for history_test.ts, and how one of them is run: also in a process of its own, as the worker that this file is then.
import { silent } from "../src/core/log.ts";
import { createMachine, loadGraph, loadJit, type Machine, type MachineOptions } from "../src/machine/machine.ts";

const ROOT = new URL("..", import.meta.url).pathname;

export interface Subject {
  readonly name: string;
  readonly options: MachineOptions;
  /** When it is compared, if it has not ended. */
  readonly until: number;
}
const subject = (name: string, machine: string, image: string, options: Partial<MachineOptions> = {}, until = 1_000_000): Subject => ({
  name,
  until,
  options: { file: ROOT + machine, kernel: ROOT + image, engine: "jit", tuning: { threshold: 50 }, ...options },
});
const processor = (image: string, model: string) =>
  subject(`${image} on ${model}`, "tests/x86/machine.toml", `tests/x86/bin/${image}.bin`, { set: { "cpu.model": model } });
const x86Suite = (program: string) =>
  subject(`x86 ${program}`, "machines/pc.toml", "tests/bench/bin/bench_suite.x86_64.elf", { append: `bench=${program}:1` });
const riscv = (bits: 32 | 64, image: string, append: string) =>
  subject(`rv${bits} ${append}`, bits === 64 ? "machines/virt.toml" : "machines/virt32.toml", `tests/bench/bin/${image}.rv${bits}.elf`, {
    append,
  });

/** Faults, modes, floating point, screens and firmware of both architectures. */
export const SUBJECTS: readonly Subject[] = [
  processor("edges", "max"),
  processor("edges", "qemu64"),
  processor("long", "max"),
  processor("protected", "max"),
  processor("real", "max"),
  processor("features", "qemu64"),
  x86Suite("mandel_double"),
  x86Suite("sha256"),
  riscv(64, "bench_suite", "bench=mandel_double:1"),
  riscv(64, "system", "bench=all:20000"),
  riscv(32, "bench_suite", "bench=linpack_single:1"),
  subject("shell, disk image", "machines/pc.toml", "tests/guests/bin/x86_shell.img", {}, 3_000_000),
];

export async function start({ options }: Subject): Promise<Machine> {
  const host = { readFile: (path: string) => Deno.readFileSync(path), log: silent };
  await loadJit();
  const machine = createMachine(options, host, await loadGraph(options, host));
  await machine.complete();
  return machine;
}

/** Runs it to its end, or the moment of comparison. */
export function finish(machine: Machine, { until }: Subject): string {
  while (!machine.stopped && machine.clock.ticks < until) machine.run(until);
  return machine.digest();
}

if (import.meta.main) console.log(await start(SUBJECTS[Number(Deno.args[0])]).then((m) => finish(m, SUBJECTS[Number(Deno.args[0])])));
