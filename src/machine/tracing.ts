// Trace channels of processors: `trap` and `mmu`, which the cores tell of, and `exec`, for which instructions are run one by one. The guest sees no
// difference. Loaded when one of them is on.
import type { RunEnd } from "../core/cpu.ts";
import type { Log } from "../core/log.ts";
import { placeOf, type Symbols } from "./elf.ts";
import type { DebuggableCore, EngineCpu } from "./engine_cpu.ts";

/** Lets processors tell what the log wants to hear. */
export function traceCpus(cpus: readonly EngineCpu<DebuggableCore>[], log: Log, symbols: Symbols): void {
  for (const cpu of cpus) {
    const source = `cpu${cpu.index}`;
    if (log.on("trap") || log.on("mmu")) {
      cpu.core.trace = {
        ...(log.on("trap") ? { trap: (line: string) => log.line("trap", source, line) } : {}),
        ...(log.on("mmu") ? { mmu: (line: string) => log.line("mmu", source, line) } : {}),
      };
    }
    if (log.on("exec")) cpu.stepper = new Stepper(cpu, (pc, text) => log.line("exec", source, `${placeOf(symbols, pc)}: ${text}`));
  }
}

class Stepper {
  #done = 0;
  #running = false;
  #attention = false;
  /** Where execution is if the last instruction did not jump. */
  #next = -1n;
  constructor(readonly cpu: EngineCpu<DebuggableCore>, readonly onJump: (pc: bigint, text: string) => void) {}

  get executed(): number {
    return this.#running ? this.#done + this.cpu.engine.executed : this.#done;
  }
  attention(): void {
    this.#attention = true;
  }

  run(budget: number): RunEnd {
    const { cpu } = this, clock = cpu.engine.clock;
    this.#done = 0;
    this.#attention = false;
    for (;;) {
      // Without a budget it takes an interrupt that is due, and nothing else.
      const before = this.#step(0, clock);
      if (before !== "slice" || this.#done >= budget || this.#attention) return before;
      const { pc } = cpu, insn = cpu.disassemble(pc), text = insn?.text ?? "not readable";
      if (pc !== this.#next) this.onJump(pc, text);
      const done = this.#done, end = this.#step(1, clock);
      // A repeated string instruction that goes on has not jumped, nor has one that was not begun because there was other work.
      this.#next = cpu.pc === pc && (this.#done === done || text.startsWith("rep")) ? pc : pc + BigInt(insn?.length ?? 0);
      if (end !== "slice" || this.#done === done) return end;
    }
  }

  #step(budget: number, clock: number): RunEnd {
    const { engine, index } = this.cpu;
    engine.clock = clock + this.#done;
    this.#running = true;
    const end = engine.run(index, budget);
    this.#running = false;
    if (budget > 0) this.#done += engine.executed;
    return end;
  }
}
