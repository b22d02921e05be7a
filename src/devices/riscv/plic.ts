// Platform-level interrupt controller. Source: RISC-V PLIC specification 1.0.0, and SiFive FU540-C000 manual v1p4, chapter 10.
// Contexts are M and S mode of each hart in turn, as on QEMU's virt.
import type { BusTarget } from "../../core/bus.ts";
import { defineDevice, type Device, type DeviceEnv, type DevicePorts, type Sources } from "../../core/device.ts";
import { type ClaimController, type IrqLine, unconnected, Wire } from "../../core/irq.ts";
import { type Config, int } from "../../core/schema.ts";

const PENDING = 0x1000, ENABLE = 0x2000, ENABLE_STRIDE = 0x80, CONTEXT = 0x20_0000, CONTEXT_STRIDE = 0x1000, LENGTH = 0x60_0000;
const THRESHOLD = 0, CLAIM = 4;
const CONTEXTS_PER_HART = 2;

const powerOn = (sources: number, contexts: number) => {
  const words = (sources >> 5) + 1;
  return {
    priority: Array<number>(sources + 1).fill(0),
    /** Bits by source: the line's level, waiting for a claim, between claim and completion. */
    level: Array<number>(words).fill(0),
    pending: Array<number>(words).fill(0),
    claimed: Array<number>(words).fill(0),
    /** By context, then by word. */
    enable: Array.from({ length: contexts }, () => Array<number>(words).fill(0)),
    threshold: Array<number>(contexts).fill(0),
    /** The source claimed last; only reports look at it. */
    lastClaim: Array<number>(contexts).fill(0),
  };
};

const keys = {
  sources: int("number of interrupt sources; they count from 1", { default: 95, min: 1, max: 1023 }),
  priority_bits: int("width of a priority and of a threshold", { default: 3, min: 1, max: 31 }),
};

export default defineDevice({
  type: "riscv.plic",
  family: "riscv",
  doc: "RISC-V platform-level interrupt controller, with an M and an S context for each hart.",
  spec: "RISC-V PLIC specification 1.0.0",
  keys,
  windows: () => [{ bus: "mem", name: "regs", length: LENGTH }],
  outputs: () => ["cpu*.meip", "cpu*.seip"],
  inputs: (c) => ({ numbers: [1, c.sources] }),
  fdt: (c) => ({
    compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
    "interrupt-controller": true,
    "#interrupt-cells": 1,
    "#address-cells": 0,
    "riscv,ndev": c.sources,
  }),
  create: (env, config, ports) => new Plic(env, config, ports),
});

export class Plic implements Device<ReturnType<typeof powerOn>>, BusTarget, ClaimController {
  state: ReturnType<typeof powerOn>;
  readonly access = { min: 4, max: 4 } as const;
  readonly windows = [this];
  readonly #inputs: IrqLine[];
  readonly #outputs: IrqLine[];

  constructor(readonly env: DeviceEnv, readonly config: Config<typeof keys>, ports: DevicePorts) {
    const contexts = CONTEXTS_PER_HART * ports.harts;
    this.state = powerOn(config.sources, contexts);
    this.#outputs = Array.from({ length: contexts }, (_, i) => ports.irq[i] ?? unconnected());
    this.#inputs = Array.from({ length: config.sources + 1 }, (_, i) => new Wire((level) => this.#lineChanged(i, level)));
  }

  reset(): void {
    this.state = powerOn(this.config.sources, this.#outputs.length);
    this.#update();
  }

  restored(): void {
    this.#update();
  }

  /** The line of a source, by its number. */
  input(name: string): IrqLine | undefined {
    const source = Number(name);
    return source >= 1 ? this.#inputs[source] : undefined;
  }

  /** A source that may come, is enabled for the context, and exceeds its threshold; one that was claimed does not come before it is completed. */
  mayRaise(context: number, from: Sources): boolean {
    const s = this.state;
    for (let source = 1; source <= this.config.sources; source++) {
      const word = source >> 5, bit = 1 << (source & 31);
      if (!(s.enable[context][word] & bit) || s.claimed[word] & bit || s.priority[source] <= s.threshold[context]) continue;
      if (from.input(String(source))) return true;
    }
    return false;
  }

  read(offset: number): number {
    const s = this.state;
    const context = this.#contextAt(offset), word = this.#enableWordAt(offset);
    if (offset < 4 * s.priority.length) return s.priority[offset >> 2];
    if (offset >= PENDING && offset < PENDING + 4 * s.pending.length) return s.pending[(offset - PENDING) >> 2] >>> 0;
    if (word) return word.words[word.index] >>> 0;
    if (context && context.register === THRESHOLD) return s.threshold[context.index];
    if (context && context.register === CLAIM) return this.#claim(context.index);
    this.env.log("guest", () => `read of 0x${offset.toString(16)}: no such register or context`);
    return 0;
  }

  write(offset: number, _size: number, value: number): void {
    const s = this.state;
    const context = this.#contextAt(offset), word = this.#enableWordAt(offset);
    const legal = value % 2 ** this.config.priority_bits;
    // Source 0 does not exist: its priority and its enable bit stay 0.
    if (offset >= 4 && offset < 4 * s.priority.length) s.priority[offset >> 2] = legal;
    else if (word) word.words[word.index] = value & this.#existing(word.index);
    else if (context && context.register === THRESHOLD) s.threshold[context.index] = legal;
    else if (context && context.register === CLAIM) this.#complete(context.index, value);
    else {
      this.env.log(
        "guest",
        () => `write of 0x${value.toString(16)} to 0x${offset.toString(16)}: read-only, or no such register or context`,
      );
      return;
    }
    this.#update();
  }

  #contextAt(offset: number): { index: number; register: number } | undefined {
    const index = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    return index >= 0 && index < this.#outputs.length ? { index, register: (offset - CONTEXT) % CONTEXT_STRIDE } : undefined;
  }

  #enableWordAt(offset: number): { words: number[]; index: number } | undefined {
    const words = this.state.enable[Math.floor((offset - ENABLE) / ENABLE_STRIDE)];
    const index = ((offset - ENABLE) % ENABLE_STRIDE) >> 2;
    return words && index < words.length ? { words, index } : undefined;
  }

  /** Bits of an enable word that stand for a source. */
  #existing(word: number): number {
    const last = this.config.sources - 32 * word;
    return (last >= 31 ? -1 : 2 ** (last + 1) - 1) & (word ? -1 : ~1);
  }

  /**
   * Level-sensitive gateway (chapter 5): a high line makes one request, and the next only after the completion. A request that
   * was made stays when the line falls.
   */
  #lineChanged(source: number, level: boolean): void {
    const s = this.state, word = source >> 5, bit = 1 << (source & 31);
    if (!!(s.level[word] & bit) === level) return;
    s.level[word] ^= bit;
    if (level && !(s.claimed[word] & bit)) s.pending[word] |= bit;
    this.#update();
  }

  /** The enabled and pending source of the highest priority above `priority`, the lowest number among equals; 0 when there is none. */
  #best(context: number, priority: number): number {
    const s = this.state, enable = s.enable[context];
    let best = 0;
    for (let word = 0; word < enable.length; word++) {
      for (let bits = s.pending[word] & enable[word]; bits; bits &= bits - 1) {
        const source = 32 * word + 31 - Math.clz32(bits & -bits);
        if (s.priority[source] > priority) [best, priority] = [source, s.priority[source]];
      }
    }
    return best;
  }

  /** Chapter 8: a claim is possible at any time, and the threshold does not affect it. Priority 0 means never (chapter 4). */
  #claim(context: number): number {
    const s = this.state, source = this.#best(context, 0);
    if (source) {
      s.lastClaim[context] = source;
      const word = source >> 5, bit = 1 << (source & 31);
      s.pending[word] &= ~bit;
      s.claimed[word] |= bit;
      this.#update();
    }
    return source;
  }

  lastClaim(hart: number, supervisor: boolean): number {
    return this.state.lastClaim[CONTEXTS_PER_HART * hart + (supervisor ? 1 : 0)] ?? 0;
  }

  /** Chapter 9: a completion of a source that is not enabled for the context is ignored. */
  #complete(context: number, source: number): void {
    const s = this.state, word = source >> 5, bit = 1 << (source & 31);
    if (source < 1 || source > this.config.sources || !(s.enable[context][word] & bit) || !(s.claimed[word] & bit)) {
      this.env.log("guest", () => `context ${context} completes source ${source}, which is not claimed or not enabled`);
      return;
    }
    s.claimed[word] &= ~bit;
    if (s.level[word] & bit) s.pending[word] |= bit;
  }

  /** Chapter 7: the threshold masks the notification of what does not exceed it. */
  #update(): void {
    const { threshold } = this.state;
    for (let context = 0; context < this.#outputs.length; context++) {
      this.#outputs[context].set(this.#best(context, threshold[context]) !== 0);
    }
  }
}
