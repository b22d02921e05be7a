// A helper that says FAULT has done nothing that keeps it from saying so again: compiled code leaves the instruction to the interpreter, which
// calls it once more. All helpers that the guests here make fault are asked twice, and so is what they leave in the processor.
import { assert, assertEquals } from "@std/assert";
import { silent } from "../src/core/log.ts";
import { type Core, FAULT, type Helper } from "../src/ir/frontend.ts";
import { GUEST, GUEST_END, PC } from "../src/ir/layout.ts";
import { createMachine, loadGraph, loadJit, type MachineOptions } from "../src/machine/machine.ts";
import { X86Cpu } from "../src/x86/cpu.ts";

await loadJit();
const ROOT = new URL("..", import.meta.url).pathname, UNTIL = 3_500_000;
const host = { readFile: (path: string) => Deno.readFileSync(path), log: silent };

const GUESTS = [
  ...["long", "protected", "keys", "real", "features", "edges"].map((n) => ["tests/x86/machine.toml", `tests/x86/bin/${n}.bin`, ""]),
  ["machines/pc.toml", "tests/bench/bin/system.x86_64.elf", "bench=all:100"],
  ["machines/virt.toml", "tests/bench/bin/system.rv64.elf", "bench=all:100"],
];

Deno.test("a helper that faults does so again, and leaves the processor as it was", async () => {
  const faulted = new Set<string>();
  for (const [file, kernel, append] of GUESTS) {
    const options: MachineOptions = { file: ROOT + file, kernel: ROOT + kernel, append, engine: "interp" };
    const m = createMachine(options, host, await loadGraph(options, host));
    await m.complete();
    const { core } = m.engine.harts[0] as unknown as { core: Core & { s: unknown } }, { u8, u64 } = m.engine.harts[0];
    const seen = () => {
      const recorded = core instanceof X86Cpu
        ? [core.faults.vector, core.faults.errorCode, core.faults.addressLo, core.faults.addressHi]
        : [];
      return { recorded, state: JSON.stringify(core.s), pc: u64[PC >> 3], slots: u8.slice(GUEST, GUEST_END) };
    };
    for (const [n, { name, run }] of core.helpers.entries()) {
      const asked = core.helpers[n];
      (core.helpers as Helper[])[n] = {
        name,
        run() {
          const status = run.call(asked);
          if (status !== FAULT) return status;
          faulted.add(name);
          const before = seen();
          assertEquals([run.call(asked), seen()], [FAULT, before], `${name} in ${kernel}`);
          return status;
        },
      };
    }
    while (!m.stopped && m.clock.ticks < UNTIL) m.run(UNTIL);
  }
  assert(faulted.size >= 20 && faulted.has("readDr"), `${faulted.size} helpers: ${[...faulted].join(", ")}`);
});
