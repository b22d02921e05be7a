// The guest `paged` with other seeds against the model of its work, on each architecture and engine: `deno run -A tests/fuzz/paged_fuzz.ts
// [--cases N] [--seed S] [--guests rv|x86]`; a case is one guest under one engine, about 20 million instructions.
import { parseArgs } from "@std/cli";
import { silent } from "../../src/core/log.ts";
import { createMachine, type Host, loadGraph, loadJit, type MachineOptions } from "../../src/machine/machine.ts";
import { pagedWork } from "../models/paged_work.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const RISCV = { "firmware.sbi": "none", "boot.load": 0x8000_0000, "memory.dram.size": "16MiB" }, PC = { "memory.ram.size": "16MiB" };
/** Image, machine, keys and the status of an end after enough interrupts. */
const GUESTS = [
  ["rv64", "virt", RISCV, 0],
  ["rv32", "virt32", RISCV, 0],
  ["x86_64", "pc", PC, 33],
  ["x86_32", "pc", PC, 33],
] as const;
const ENGINES: Readonly<Record<string, Partial<MachineOptions>>> = {
  interpreter: { engine: "interp" },
  "JIT at once": { engine: "jit", tuning: { threshold: 1 } },
  JIT: { engine: "jit" },
};
export const CASES = GUESTS.flatMap(([guest, machine, set, status]) =>
  Object.entries(ENGINES).map(([engine, options]) => ({ name: `${guest}, ${engine}`, guest, machine, set, status, options }))
);

/** What the guest prints and its status, what they should be, and the instructions that it took. */
export async function runCase(row: typeof CASES[number], seed: number) {
  await loadJit();
  const options: MachineOptions = {
    file: `${ROOT}machines/${row.machine}.toml`,
    kernel: `${ROOT}tests/guests/bin/paged.${row.guest}.elf`,
    append: `seed=${seed}`,
    set: row.set,
    ...row.options,
  };
  const host: Host = { readFile: (path) => Deno.readFileSync(path), log: silent };
  const machine = createMachine(options, host, await loadGraph(options, host));
  let text = "";
  machine.consoles.values().next().value!.onByte = (byte) => text += String.fromCharCode(byte);
  const stop = machine.run(100_000_000);
  return {
    found: { text, status: stop?.kind === "exit" ? stop.code : stop?.kind },
    expected: { text: pagedWork(seed), status: row.status as number },
    instructions: machine.clock.ticks,
  };
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, { string: ["cases", "seed", "guests"] });
  const rows = CASES.filter(({ guest }) => guest.startsWith(String(args.guests ?? "")));
  const cases = Number(args.cases ?? rows.length), first = Number(args.seed ?? 1);
  let total = 0, failures = 0;
  for (let i = 0; i < cases; i++) {
    const row = rows[i % rows.length],
      seed = first + Math.floor(i / rows.length),
      { found, expected, instructions } = await runCase(row, seed);
    total += instructions;
    if (found.text === expected.text && found.status === expected.status) continue;
    failures++;
    console.log(`${row.name}, seed ${seed}: status ${found.status}, not ${expected.status}\n${found.text}expected\n${expected.text}`);
  }
  console.log(`paged: ${total} instructions of ${cases} cases from seed ${first}, ${failures} differ`);
  if (failures) Deno.exit(1);
}
